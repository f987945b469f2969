/* A key's elements: reading them.
 *
 * Packed ones are walked over. To go backward, or to one of some number, the walk notes where each
 * begins. Of a packed map the derived subkeys are not kept: they are put together when they are
 * looked at, and for a type that is ordered by them (EL_BY_DERIVED) the elements' order is theirs.
 */
#include "types/elements_int.h"

#include "engine/map_end.h"

/* ---- subkeys ------------------------------------------------------------------------------------
 */

slice el_join(elements *el, el_key *k, const char *head, size_t n, slice sub) {
    char *p =
        n + sub.len <= sizeof k->small ? k->small : room_for(el->ks, &el->joined, n + sub.len);
    memcpy(p, head, n);
    if (sub.len) memcpy(p + n, sub.data, sub.len);
    return slice_of(p, n + sub.len);
}

slice el_engine_key(elements *el, el_key *k, unsigned map, slice sub) {
    char head[KEYENC_PREFIX];
    if (!el_hashed(el, map)) return sub;
    put_be32(head, keyenc_prefix(el_engine(el), sub));
    return el_join(el, k, head, sizeof head, sub);
}

int el_derived_cmp(const char head[KEYENC_HEAD], slice member, slice other) {
    if (other.len < KEYENC_HEAD) {
        int c = other.len ? memcmp(head, other.data, other.len) : 0;
        return c ? c : 1;
    }
    int c = memcmp(head, other.data, KEYENC_HEAD);
    return c ? c : slice_cmp(member, slice_skip(other, KEYENC_HEAD));
}

/* ---- packed ---------------------------------------------------------------------------------- */

/* Notes where each element begins. */
static void find_places(elements *el) {
    pack_item x = {0};
    el->places = ks_alloc(el->ks, (el->count + 1) * sizeof *el->places);
    for (uint32_t i = 0; i < el->count; i++) {
        el->places[i] = x.end;
        CHECK(pack_at(el_pack(el), x.end, &x));
    }
}

void el_packed_at(elements *el, uint32_t index, pack_item *out) {
    CHECK(index < el->count);
    if (index > 0 && !el->places) find_places(el);
    CHECK(pack_at(el_pack(el), index > 0 ? el->places[index] : 0, out));
}

/* The item as callers see it; in the derived map its subkey is put together. False: it has none. */
static bool show_packed(elements *el, unsigned map, const pack_item *x, el_item *out) {
    *out = (el_item){.sub = x->sub, .value = x->value, .expire = x->expire};
    if (map == 0) return true;
    char head[KEYENC_HEAD];
    if (!keyenc_derive_head(el->type->type, x->value, x->expire, head)) return false;
    char *p = ks_alloc(el->ks, KEYENC_HEAD + x->sub.len);
    memcpy(p, head, KEYENC_HEAD);
    if (x->sub.len) memcpy(p + KEYENC_HEAD, x->sub.data, x->sub.len);
    *out = (el_item){.sub = slice_of(p, KEYENC_HEAD + x->sub.len)};
    return true;
}

/* The iterator at element `index`. */
static engine_result packed_at(elements *el, unsigned map, uint64_t index, el_iter *out) {
    pack_item x;
    if (index >= el->count) return ENGINE_ABSENT;
    el_packed_at(el, (uint32_t)index, &x);
    out->index = (uint32_t)index;
    return show_packed(el, map, &x, &out->item) ? ENGINE_OK : ENGINE_ABSENT;
}

/* Where x stands to `from` in the map's order; false if it is not in the map. */
static bool place_of(const elements *el, unsigned map, const pack_item *x, slice from, int *cmp) {
    char head[KEYENC_HEAD];
    if (map == 0) {
        *cmp = slice_cmp(x->sub, from);
        return true;
    }
    if (!keyenc_derive_head(el->type->type, x->value, x->expire, head)) return false;
    *cmp = el_derived_cmp(head, x->sub, from);
    return true;
}

/* How many elements are < sub, in a map whose order is that of the elements. */
static uint32_t packed_rank(const elements *el, unsigned map, slice sub, bool *equal) {
    pack_item x = {0};
    uint32_t n = 0;
    int cmp;
    *equal = false;
    for (; pack_at(el_pack(el), x.end, &x); n++) {
        bool in = place_of(el, map, &x, sub, &cmp);
        CHECK(in);
        *equal = cmp == 0;
        if (cmp >= 0) break;
    }
    return n;
}

/* Is the derived map that of a type which is not ordered by it? */
static bool unordered(const elements *el, unsigned map) {
    return map == ENGINE_DERIVED && el->type->order != EL_BY_DERIVED;
}

/* The nearest element of an unordered derived map: >= from, or > from if strict; backward the other
 * way round. With from.data NULL: the least, or greatest, of all. */
static engine_result nearest(elements *el, slice from, bool strict, bool backward, el_iter *out) {
    pack_item x = {0};
    el_item best;
    bool found = false;
    int cmp;
    for (uint32_t i = 0; pack_at(el_pack(el), x.end, &x); i++) {
        if (!place_of(el, ENGINE_DERIVED, &x, from, &cmp)) continue;
        if (from.data && (backward ? cmp > 0 : cmp < 0)) continue;
        if (from.data && strict && cmp == 0) continue;
        if (found) {
            CHECK(place_of(el, ENGINE_DERIVED, &x, best.sub, &cmp));
            if (backward ? cmp < 0 : cmp > 0) continue;
        }
        found = show_packed(el, ENGINE_DERIVED, &x, &best);
        out->index = i;
    }
    if (!found) return ENGINE_ABSENT;
    out->item = best;
    return ENGINE_OK;
}

/* ---- apart ----------------------------------------------------------------------------------- */

engine_result el_apart_item(elements *el, unsigned map, slice sub, const map_iter *it,
                            el_item *out) {
    *out = (el_item){.sub = sub, .value = it->value, .expire = it->expire};
    el_saw(el, it->pos);
    if (map != 0 || it->value.len || engine_map_count(el_engine(el), &el->apart, EL_LONG) == 0)
        return ENGINE_OK;
    return el_long_load(el, sub, out);
}

/* The iterator where the engine's is. */
engine_result el_settle(el_iter *out, engine_result r) {
    if (r != ENGINE_OK) return r;
    slice sub = out->it.subkey;
    if (el_hashed(out->el, out->map)) {
        CHECK(sub.len >= KEYENC_PREFIX);
        out->index = load_be32(sub.data);
        sub = slice_skip(sub, KEYENC_PREFIX);
    }
    return el_apart_item(out->el, out->map, sub, &out->it, &out->item);
}

/* ---- both ------------------------------------------------------------------------------------ */

uint64_t el_count(elements *el, unsigned map) {
    if (!el->exists) return 0;
    if (!el->packed) return engine_map_count(el_engine(el), &el->apart, map);
    if (map == 0 || (map == ENGINE_DERIVED && el->type->order == EL_BY_DERIVED)) return el->count;
    uint64_t n = 0;
    pack_item x = {0};
    char head[KEYENC_HEAD];
    while (map == ENGINE_DERIVED && pack_at(el_pack(el), x.end, &x))
        n += keyenc_derive_head(el->type->type, x.value, x.expire, head);
    return n;
}

engine_result el_get(elements *el, unsigned map, slice sub, el_item *out) {
    pack_item x;
    uint32_t index;
    *out = (el_item){0};
    if (!el->exists || sub.len > EL_SUB_MAX) return ENGINE_ABSENT;
    if (el->packed) {
        if (map != 0 || !pack_find(el_pack(el), sub, &x, &index)) return ENGINE_ABSENT;
        *out = (el_item){.sub = x.sub, .value = x.value, .expire = x.expire};
        return ENGINE_OK;
    }
    el_key k;
    map_iter it;
    engine_result r =
        engine_map_get(el_engine(el), &el->apart, map, el_engine_key(el, &k, map, sub), &it);
    return r == ENGINE_OK ? el_apart_item(el, map, sub, &it, out) : r;
}

/* Are there elements of this map? If not, an iterator finds its end at once. */
static bool begin(elements *el, unsigned map, el_iter *out) {
    CHECK(map < ENGINE_MAPS && map != EL_LONG && !el->wrong_type);
    *out = (el_iter){.el = el, .map = map};
    return el->exists && (!el->packed || map == 0 || map == ENGINE_DERIVED);
}

engine_result el_first(elements *el, unsigned map, el_iter *out) {
    if (!begin(el, map, out)) return ENGINE_ABSENT;
    if (!el->packed)
        return el_settle(
            out, engine_map_seek(el_engine(el), &el->apart, map, SLICE_EMPTY, false, &out->it));
    if (unordered(el, map)) return nearest(el, SLICE_EMPTY, false, false, out);
    return packed_at(el, map, 0, out);
}

engine_result el_last(elements *el, unsigned map, el_iter *out) {
    if (!begin(el, map, out)) return ENGINE_ABSENT;
    if (!el->packed)
        return el_settle(
            out, engine_map_seek(el_engine(el), &el->apart, map, SLICE_EMPTY, true, &out->it));
    if (unordered(el, map)) return nearest(el, SLICE_EMPTY, false, true, out);
    return el->count ? packed_at(el, map, el->count - 1, out) : ENGINE_ABSENT;
}

engine_result el_end_key(elements *el, bool last, slice *out) {
    pack_item x;
    *out = SLICE_EMPTY;
    CHECK(!el->wrong_type && !el_hashed(el, 0));
    if (el_count(el, 0) == 0) return ENGINE_ABSENT;
    if (!el->packed) return engine_map_end(el_engine(el), &el->apart, 0, last, out);
    el_packed_at(el, last ? el->count - 1 : 0, &x);
    *out = x.sub;
    return ENGINE_OK;
}

engine_result el_seek(elements *el, unsigned map, slice from, bool backward, el_iter *out) {
    if (!begin(el, map, out)) return ENGINE_ABSENT;
    CHECK(!el_hashed(el, map));
    if (from.len == 0) return backward ? ENGINE_ABSENT : el_first(el, map, out);
    if (!el->packed)
        return el_settle(out,
                         engine_map_seek(el_engine(el), &el->apart, map, from, backward, &out->it));
    if (unordered(el, map)) return nearest(el, from, false, backward, out);
    bool equal;
    uint32_t rank = packed_rank(el, map, from, &equal);
    if (!backward || equal) return packed_at(el, map, rank, out);
    return rank ? packed_at(el, map, rank - 1, out) : ENGINE_ABSENT;
}

engine_result el_step(el_iter *it, bool backward) {
    elements *el = it->el;
    if (!el->packed) return el_settle(it, engine_map_step(el_engine(el), &it->it, backward));
    if (unordered(el, it->map)) return nearest(el, it->item.sub, true, backward, it);
    if (!backward) return packed_at(el, it->map, (uint64_t)it->index + 1, it);
    return it->index ? packed_at(el, it->map, it->index - 1, it) : ENGINE_ABSENT;
}

engine_result el_rank(elements *el, unsigned map, slice sub, uint64_t *rank) {
    bool equal;
    *rank = 0;
    if (!el->exists) return ENGINE_OK;
    CHECK(!el_hashed(el, map) && !(el->packed && unordered(el, map)));
    if (!el->packed) return engine_map_rank(el_engine(el), &el->apart, map, sub, rank);
    if (map == 0 || map == ENGINE_DERIVED) *rank = packed_rank(el, map, sub, &equal);
    return ENGINE_OK;
}

engine_result el_select(elements *el, unsigned map, uint64_t rank, el_iter *out) {
    if (!begin(el, map, out)) return ENGINE_ABSENT;
    CHECK(!(el->packed && unordered(el, map)));
    if (el->packed) return packed_at(el, map, rank, out);
    return el_settle(out, engine_map_select(el_engine(el), &el->apart, map, rank, &out->it));
}
