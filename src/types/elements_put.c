/* A key's elements: changing them.
 *
 * A packed one is changed in the batch's copy and written whole by el_end. One that is apart is an
 * element of the engine's at once; its derived one, if the type has such, goes along. What no
 * longer fits goes apart as a whole, in the same batch. */
#include "types/elements_int.h"

/* ---- apart ----------------------------------------------------------------------------------- */

/* Does it matter what was there? */
static bool matters(elements *el) {
    return el->type->order == EL_BY_DERIVED ||
           engine_map_count(el_engine(el), &el->apart, ENGINE_DERIVED) > 0 ||
           engine_map_count(el_engine(el), &el->apart, EL_LONG) > 0;
}

/* What was there: old, or looked up into *found if the caller does not know; NULL: nothing. */
static engine_result find_old(elements *el, slice sub, const el_item **old, el_item *found) {
    if (*old != EL_UNKNOWN) return ENGINE_OK;
    *old = NULL;
    if (!matters(el)) return ENGINE_OK;
    const bool lean = el->lean;
    el->lean = true; /* that it is long matters, not what it says */
    engine_result r = el_get(el, 0, sub, found);
    el->lean = lean;
    if (r == ENGINE_OK) *old = found;
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* The derived element goes from what `was` says (NULL: none) to what `now` says. */
static engine_result move_derived(elements *el, slice sub, const char *was, const char *now) {
    el_key k;
    engine_result r = ENGINE_OK;
    if (was && now && memcmp(was, now, KEYENC_HEAD) == 0) return ENGINE_OK;
    if (was) {
        r = engine_map_del(el_engine(el), &el->apart, ENGINE_DERIVED,
                           el_join(el, &k, was, KEYENC_HEAD, sub));
        CHECK(r != ENGINE_ABSENT);
    }
    if (now && r == ENGINE_OK)
        r = engine_map_put(el_engine(el), &el->apart, ENGINE_DERIVED,
                           el_join(el, &k, now, KEYENC_HEAD, sub), SLICE_EMPTY, ENGINE_NO_EXPIRE);
    return r;
}

/* An element of map 0, with all that hangs on it. It was looked at just before, so it is the first
 * to be changed: an engine may still know where it is. */
static engine_result put_apart(elements *el, slice sub, slice value, int64_t expire,
                               const el_item *old) {
    char was[KEYENC_HEAD], now[KEYENC_HEAD];
    el_item found;
    el_key k;
    engine_result r = find_old(el, sub, &old, &found);
    if (r != ENGINE_OK) return r;
    bool had = old && keyenc_derive_head(el->type->type, old->value, old->expire, was);
    bool has = keyenc_derive_head(el->type->type, value, expire, now);
    if (old && old->long_value) {
        r = el_long_del(el, sub);
        if (r != ENGINE_OK) return r;
    }
    if (value.len > EL_PIECE) {
        r = el_long_put(el, sub, value);
        if (r != ENGINE_OK) return r;
        value = SLICE_EMPTY;
    }
    r = engine_map_put(el_engine(el), &el->apart, 0, el_engine_key(el, &k, 0, sub), value, expire);
    if (r != ENGINE_OK) return r;
    return move_derived(el, sub, had ? was : NULL, has ? now : NULL);
}

/* With the pieces of a long value, and what stands for it in the derived map. */
static engine_result del_apart(elements *el, slice sub, const el_item *old) {
    char was[KEYENC_HEAD];
    el_item found;
    el_key k;
    engine_result r = find_old(el, sub, &old, &found);
    if (r != ENGINE_OK) return r;
    bool had = old && keyenc_derive_head(el->type->type, old->value, old->expire, was);
    if (old && old->long_value) r = el_long_del(el, sub);
    if (r == ENGINE_OK)
        r = engine_map_del(el_engine(el), &el->apart, 0, el_engine_key(el, &k, 0, sub));
    return r == ENGINE_OK ? move_derived(el, sub, had ? was : NULL, NULL) : r;
}

/* They no longer fit. */
static engine_result go_apart(elements *el) {
    pack_item x = {0};
    slice all = el_pack(el);
    engine_result r = engine_coll_new(el_engine(el), el->db, el->key, &el->apart);
    if (r != ENGINE_OK) return r;
    el->packed = false;
    el->entry_changed = true;
    while (r == ENGINE_OK && pack_at(all, x.end, &x))
        r = put_apart(el, x.sub, x.value, x.expire, NULL);
    el->bytes = NULL;
    el->len = el->cap = el->count = 0;
    return r;
}

/* ---- packed ---------------------------------------------------------------------------------- */

/* Puts n bytes' room in the place of [at, end). */
static char *splice(elements *el, uint32_t at, uint32_t end, size_t n) {
    size_t len = el->len - (end - at) + n;
    if (!el->own || len > el->cap) {
        size_t cap = len > el->len ? len : el->len;
        if (cap < EL_PACKED_BYTES) cap = EL_PACKED_BYTES;
        char *bytes = ks_alloc(el->ks, cap);
        if (el->len) memcpy(bytes, el->bytes, el->len);
        el->bytes = bytes;
        el->cap = cap;
        el->own = true;
    }
    memmove(el->bytes + at + n, el->bytes + end, el->len - end);
    el->len = len;
    el->places = NULL;
    el->entry_changed = true;
    return el->bytes + at;
}

/* Where a new element belongs. */
static uint32_t place_for(const elements *el, slice sub, slice value, int64_t expire) {
    pack_item x = {0};
    char head[KEYENC_HEAD], other[KEYENC_HEAD];
    unsigned order = el->type->order;
    if (order == EL_AS_PUT) return (uint32_t)el->len;
    if (order == EL_BY_DERIVED) CHECK(keyenc_derive_head(el->type->type, value, expire, head));
    while (pack_at(el_pack(el), x.end, &x)) {
        int cmp = 0;
        if (order == EL_BY_DERIVED) {
            CHECK(keyenc_derive_head(el->type->type, x.value, x.expire, other));
            cmp = memcmp(other, head, KEYENC_HEAD);
        }
        if (cmp == 0) cmp = slice_cmp(x.sub, sub);
        if (cmp > 0) return x.at;
    }
    return (uint32_t)el->len;
}

/* Must an element of n bytes, in the place of one of `had` bytes (0: a new one), go apart? */
static bool overflows(const elements *el, size_t n, size_t had) {
    return el->count + (had == 0) > EL_PACKED_MAX || el->len - had + n > EL_PACKED_BYTES;
}

/* ENGINE_ABSENT: it does not fit, nothing has changed. What the caller says is not there is not
 * looked for. */
static engine_result put_packed(elements *el, slice sub, slice value, int64_t expire,
                                const el_item *old) {
    pack_item x = {0};
    uint32_t index;
    bool found = old && pack_find(el_pack(el), sub, &x, &index);
    size_t n = pack_size(sub, value, expire);
    if (overflows(el, n, found ? x.end - x.at : 0)) return ENGINE_ABSENT;
    if (found && el->type->order == EL_BY_DERIVED) { /* its place may be another now */
        (void)splice(el, x.at, x.end, 0);
        el->count--;
        found = false;
    }
    uint32_t at = found ? x.at : place_for(el, sub, value, expire);
    (void)pack_write(splice(el, at, found ? x.end : at, n), sub, value, expire);
    el->count += !found;
    return ENGINE_OK;
}

/* ---- both ------------------------------------------------------------------------------------ */

engine_result el_put(elements *el, unsigned map, slice sub, slice value, int64_t expire,
                     const el_item *old) {
    CHECK(map < EL_LONG && !el->wrong_type && sub.len <= EL_SUB_MAX && value.len <= EL_VALUE_MAX);
    el->entry_changed |= !el->exists;
    el->exists = true;
    if (el->packed) {
        engine_result r =
            map == 0 ? put_packed(el, sub, value, expire, old) : (engine_result)ENGINE_ABSENT;
        if (r == ENGINE_OK) return r;
        r = go_apart(el);
        if (r != ENGINE_OK) return r;
        if (old) old = EL_UNKNOWN; /* it was in the pack */
    }
    if (map == 0) return put_apart(el, sub, value, expire, old);
    return engine_map_put(el_engine(el), &el->apart, map, sub, value, expire);
}

engine_result el_del(elements *el, unsigned map, slice sub, const el_item *old) {
    CHECK(map < EL_LONG && !el->wrong_type && old);
    if (!el->exists || sub.len > EL_SUB_MAX) return ENGINE_ABSENT;
    if (!el->packed)
        return map == 0 ? del_apart(el, sub, old)
                        : engine_map_del(el_engine(el), &el->apart, map, sub);
    pack_item x;
    uint32_t index;
    if (map != 0 || !pack_find(el_pack(el), sub, &x, &index)) return ENGINE_ABSENT;
    (void)splice(el, x.at, x.end, 0);
    el->count--;
    return ENGINE_OK;
}
