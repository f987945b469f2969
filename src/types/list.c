/* Lists: reading, and changes at a known index.
 *
 * While a list is even, index i is at the position of the first + i * LIST_STRIDE: so an engine
 * that does not count (LSM) finds it by one lookup, and a range is deleted without being read. Else
 * the engine selects it, or, if it does not count, a walk from the nearer end finds it. */
#include "types/list_int.h"

const el_type list_type = {.type = KEY_LIST, .order = EL_BY_SUBKEY};

#define AHEAD 64  /* reads that list_ahead asks for at most */
#define SOME  128 /* positions that are collected before they are deleted */

/* ---- positions ---------------------------------------------------------------------------------
 */

engine_result list_put(elements *el, uint64_t position, slice value, const el_item *old) {
    char key[KEYENC_POSITION];
    return el_put(el, 0, keyenc_position(key, position), value, ENGINE_NO_EXPIRE, old);
}

engine_result list_del(elements *el, uint64_t position) {
    char key[KEYENC_POSITION];
    engine_result r = el_del(el, 0, keyenc_position(key, position), EL_UNKNOWN);
    CHECK(r != ENGINE_ABSENT);
    return r;
}

void list_uneven(elements *el) {
    el_set_hint(el, el_hint(el) | LIST_UNEVEN);
}

static bool is_even(const elements *el) {
    return !(el_hint(el) & LIST_UNEVEN);
}

/* The position of index 0. */
static engine_result first_position(elements *el, uint64_t *out) {
    slice sub;
    engine_result r = el_end_key(el, false, &sub);
    if (r == ENGINE_OK) *out = keyenc_position_of(sub);
    return r;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

/* The iterator at that many steps from an end. */
static engine_result walk_to(elements *el, bool backward, uint64_t steps, el_iter *out) {
    engine_result r = backward ? el_last(el, 0, out) : el_first(el, 0, out);
    for (; steps > 0 && r == ENGINE_OK; steps--)
        r = el_step(out, backward);
    return r;
}

engine_result list_at(elements *el, uint64_t index, el_iter *out) {
    uint64_t n = list_len(el), first;
    el->lean = true;
    if (index >= n) return ENGINE_ABSENT;
    if (index == 0) return el_first(el, 0, out);
    if (index == n - 1) return el_last(el, 0, out);
    if (el->packed || engine_counted(ks_engine(el->ks))) return el_select(el, 0, index, out);
    if (!is_even(el)) return walk_to(el, index > n / 2, index > n / 2 ? n - 1 - index : index, out);
    engine_result r = first_position(el, &first);
    if (r != ENGINE_OK) return r;
    r = list_seek(el, first + index * LIST_STRIDE, false, out);
    CHECK(r != ENGINE_OK || list_position(&out->item) == first + index * LIST_STRIDE);
    return r;
}

void list_ahead(elements *el, uint64_t from, uint64_t n) {
    uint64_t first, len = list_len(el);
    if (el->packed || !is_even(el) || first_position(el, &first) != ENGINE_OK) return;
    for (uint64_t i = from; i - from < n && i - from < AHEAD && i < len; i++) {
        char key[KEYENC_POSITION];
        el_item item;
        if (el_get(el, 0, keyenc_position(key, first + i * LIST_STRIDE), &item) == ENGINE_ERROR)
            return; /* whoever reads it is told again */
    }
}

/* Piece by piece: `item` may be anywhere, so its subkey is kept before the first. */
engine_result list_load(elements *el, const el_item *item, el_room *room, slice *out) {
    if (!item->left) {
        *out = room_copy(el->ks, room, item->value);
        return ENGINE_OK;
    }
    uint64_t len = item->left;
    char key[KEYENC_POSITION];
    slice sub = keyenc_position(key, list_position(item)), piece;
    char *all = room_for(el->ks, room, (size_t)len);
    for (uint64_t at = 0; at < len; at += piece.len) {
        engine_result r = el_piece(el, sub, at, &piece);
        if (r != ENGINE_OK) return r;
        CHECK(piece.len > 0 && piece.len <= len - at);
        memcpy(all + at, piece.data, piece.len);
    }
    *out = slice_of(all, (size_t)len);
    return ENGINE_OK;
}

engine_result list_equal(elements *el, const el_item *item, slice value, bool *equal) {
    if (!item->left) {
        *equal = slice_eq(item->value, value);
        return ENGINE_OK;
    }
    *equal = item->left == value.len;
    char key[KEYENC_POSITION];
    slice sub = keyenc_position(key, list_position(item)), piece;
    for (uint64_t at = 0; *equal && at < value.len; at += piece.len) {
        engine_result r = el_piece(el, sub, at, &piece);
        if (r != ENGINE_OK) return r;
        CHECK(piece.len > 0 && piece.len <= value.len - at);
        *equal = memcmp(piece.data, value.data + at, piece.len) == 0;
    }
    return ENGINE_OK;
}

engine_result list_find(elements *el, const list_search *s,
                        void (*found)(void *ctx, uint64_t index), void *ctx) {
    el_iter it;
    bool equal, backward = s->from == LIST_TAIL;
    uint64_t n = list_len(el), skip = s->skip, want = s->want;
    el->lean = true;
    engine_result r = backward ? el_last(el, 0, &it) : el_first(el, 0, &it);
    for (uint64_t i = 0; r == ENGINE_OK && i < s->look && want > 0; i++) {
        r = list_equal(el, &it.item, s->value, &equal);
        if (r != ENGINE_OK) return r;
        if (equal && skip > 0) {
            skip--;
        } else if (equal) {
            want--;
            found(ctx, backward ? n - 1 - i : i);
        }
        r = el_step(&it, backward);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* ---- changing ----------------------------------------------------------------------------------
 */

engine_result list_push(elements *el, list_end end, const slice *values, size_t n) {
    slice sub;
    uint64_t at = 0;
    engine_result r = el_end_key(el, end == LIST_TAIL, &sub);
    bool some = r == ENGINE_OK;
    if (some) at = keyenc_position_of(sub);
    if (r == ENGINE_ABSENT) r = ENGINE_OK;
    for (size_t i = 0; i < n && r == ENGINE_OK; i++, some = true) {
        const uint64_t near = at;
        r = list_place(el, some && end == LIST_TAIL ? &near : NULL,
                       some && end == LIST_HEAD ? &near : NULL, &at);
        if (r == ENGINE_OK) r = list_put(el, at, values[i], NULL);
    }
    if (r == ENGINE_OK) list_resized(el);
    return r;
}

engine_result list_set(elements *el, uint64_t index, slice value) {
    el_iter it;
    engine_result r = list_at(el, index, &it);
    if (r != ENGINE_OK) return r;
    el_item old = it.item;
    return list_put(el, list_position(&it.item), value, &old);
}

/* Deletes at positions that were collected. */
static engine_result delete_at(elements *el, const uint64_t *positions, size_t n) {
    engine_result r = ENGINE_OK;
    for (size_t i = 0; i < n && r == ENGINE_OK; i++)
        r = list_del(el, positions[i]);
    return r;
}

/* From an end, or from behind the position of the one before. */
static engine_result go_on(elements *el, bool backward, const uint64_t *last, el_iter *out) {
    if (!last) return backward ? el_last(el, 0, out) : el_first(el, 0, out);
    if (*last == (backward ? 0 : UINT64_MAX)) return ENGINE_ABSENT;
    return list_seek(el, backward ? *last - 1 : *last + 1, backward, out);
}

/* A range of an uneven list: positions are read, some at a time. The index is looked for once. */
static engine_result delete_walking(elements *el, uint64_t from, uint64_t n) {
    uint64_t positions[SOME], last = 0;
    bool begun = false;
    while (n > 0) {
        size_t got = 0;
        el_iter it;
        engine_result r = begun ? go_on(el, false, &last, &it) : list_at(el, from, &it);
        for (begun = true; r == ENGINE_OK && got < SOME && got < n; r = el_step(&it, false))
            positions[got++] = last = list_position(&it.item);
        if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
        CHECK(got > 0);
        r = delete_at(el, positions, got);
        if (r != ENGINE_OK) return r;
        n -= got;
    }
    return ENGINE_OK;
}

/* A range of an even one: positions are known. */
static engine_result delete_counting(elements *el, uint64_t from, uint64_t n) {
    uint64_t first;
    engine_result r = first_position(el, &first);
    for (uint64_t i = from; i - from < n && r == ENGINE_OK; i++)
        r = list_del(el, first + i * LIST_STRIDE);
    return r;
}

engine_result list_delete(elements *el, uint64_t from, uint64_t n) {
    uint64_t len = list_len(el);
    CHECK(from <= len && n <= len - from);
    el->lean = true;
    if (n == 0) return ENGINE_OK;
    bool all = n == len, inside = from > 0 && from + n < len;
    engine_result r = ENGINE_OK;
    if (all) {
        el_clear(el);
        el_set_hint(el, 0);
    } else if (is_even(el)) {
        r = delete_counting(el, from, n);
    } else {
        r = delete_walking(el, from, n);
    }
    if (r != ENGINE_OK) return r;
    if (inside) list_uneven(el);
    list_resized(el);
    return ENGINE_OK;
}

engine_result list_delete_end(elements *el, const el_item *item) {
    if (list_len(el) == 1) return list_delete(el, 0, 1);
    engine_result r = list_del(el, list_position(item));
    if (r == ENGINE_OK) list_resized(el);
    return r;
}

engine_result list_remove_equal(elements *el, slice value, list_end from, uint64_t max,
                                uint64_t *removed) {
    uint64_t positions[SOME], last = 0;
    bool equal, backward = from == LIST_TAIL, begun = false;
    engine_result r = ENGINE_OK;
    *removed = 0;
    el->lean = true;
    while (r == ENGINE_OK && *removed < max) {
        size_t got = 0;
        el_iter it;
        r = go_on(el, backward, begun ? &last : NULL, &it);
        for (begun = true; r == ENGINE_OK; r = el_step(&it, backward)) {
            last = list_position(&it.item);
            r = list_equal(el, &it.item, value, &equal);
            if (r != ENGINE_OK) return r;
            if (equal) positions[got++] = last;
            if (got == SOME || got == max - *removed) break;
        }
        if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
        engine_result done = delete_at(el, positions, got);
        if (done != ENGINE_OK) return done;
        *removed += got;
    }
    if (*removed && list_len(el) > 0) {
        list_uneven(el);
        list_resized(el);
    }
    return ENGINE_OK;
}
