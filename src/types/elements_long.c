/* Long values of elements: in pieces, so that no record of the log is long.
 *
 * An element of map 0 whose value is longer than EL_PIECE has an empty value there, and in map
 * EL_LONG its pieces:
 *
 *   be32 length of the subkey ‖ the subkey ‖ be32 number of the piece  ->  up to EL_PIECE bytes
 *
 * The first piece has 8 bytes more before its own: the length of the whole. Where the map is empty,
 * as nearly always, none of this costs a look. */
#include "types/elements_int.h"

#define HEAD_BYTES 8

/* The key of a piece. */
static slice piece_key(elements *el, slice sub, uint32_t number) {
    char *start = room_for(el->ks, &el->joined, 8 + sub.len);
    char *p = put_be32(start, (uint32_t)sub.len);
    if (sub.len) memcpy(p, sub.data, sub.len);
    put_be32(p + sub.len, number);
    return slice_of(start, 8 + sub.len);
}

engine_result el_long_put(elements *el, slice sub, slice value) {
    char *first = ks_alloc(el->ks, HEAD_BYTES + EL_PIECE);
    CHECK(value.len > EL_PIECE && value.len <= EL_VALUE_MAX);
    put_u64(first, value.len);
    memcpy(first + HEAD_BYTES, value.data, EL_PIECE);
    engine_result r = engine_map_put(el_engine(el), &el->apart, EL_LONG, piece_key(el, sub, 0),
                                     slice_of(first, HEAD_BYTES + EL_PIECE), ENGINE_NO_EXPIRE);
    uint32_t number = 1;
    for (size_t at = EL_PIECE; r == ENGINE_OK && at < value.len; at += EL_PIECE, number++) {
        size_t n = value.len - at < EL_PIECE ? value.len - at : EL_PIECE;
        r = engine_map_put(el_engine(el), &el->apart, EL_LONG, piece_key(el, sub, number),
                           slice_of(value.data + at, n), ENGINE_NO_EXPIRE);
        ks_passed(el->ks, value.data + at);
    }
    return r;
}

/* The first piece, if the value is long at all; *len is then that of the whole. */
static engine_result first_piece(elements *el, slice sub, uint64_t *len, slice *bytes) {
    map_iter it;
    engine_result r =
        engine_map_get(el_engine(el), &el->apart, EL_LONG, piece_key(el, sub, 0), &it);
    if (r != ENGINE_OK) return r;
    CHECK(it.value.len == HEAD_BYTES + EL_PIECE);
    *len = load_u64(it.value.data);
    *bytes = slice_skip(it.value, HEAD_BYTES);
    CHECK(*len > EL_PIECE && *len <= EL_VALUE_MAX);
    el_saw(el, it.pos);
    return ENGINE_OK;
}

engine_result el_piece(elements *el, slice sub, uint64_t at, slice *out) {
    map_iter it;
    uint64_t len;
    CHECK(at % EL_PIECE == 0 && at < EL_VALUE_MAX);
    if (at == 0) return first_piece(el, sub, &len, out);
    engine_result r = engine_map_get(el_engine(el), &el->apart, EL_LONG,
                                     piece_key(el, sub, (uint32_t)(at / EL_PIECE)), &it);
    CHECK(r != ENGINE_ABSENT);
    if (r != ENGINE_OK) return r;
    CHECK(it.value.len > 0 && it.value.len <= EL_PIECE);
    *out = it.value;
    el_saw(el, it.pos);
    return ENGINE_OK;
}

/* The subkey may lie in the engine, which the reads of the pieces call. */
engine_result el_long_load(elements *el, slice sub, el_item *out) {
    uint64_t len;
    slice piece, own = room_copy(el->ks, &el->long_sub, sub);
    engine_result r = first_piece(el, own, &len, &piece);
    out->sub = own;
    if (r != ENGINE_OK) return r == ENGINE_ABSENT ? ENGINE_OK : r;
    out->long_value = true;
    if (el->lean) {
        out->left = len;
        return ENGINE_OK;
    }
    char *all = room_for(el->ks, &el->long_all, (size_t)len);
    memcpy(all, piece.data, EL_PIECE);
    for (uint64_t at = EL_PIECE; at < len; at += piece.len) {
        r = el_piece(el, own, at, &piece);
        if (r != ENGINE_OK) return r;
        CHECK(piece.len <= len - at);
        memcpy(all + at, piece.data, piece.len);
    }
    out->value = slice_of(all, (size_t)len);
    return ENGINE_OK;
}

engine_result el_long_del(elements *el, slice sub) {
    engine_result r = ENGINE_OK;
    for (uint32_t number = 0; r == ENGINE_OK; number++)
        r = engine_map_del(el_engine(el), &el->apart, EL_LONG, piece_key(el, sub, number));
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}
