/* What a pattern of SORT stands for: a string, or a field of a hash, whose key is made of the
 * pattern and an element.
 *
 *   w_*         element "7"  ->  the string w_7
 *   o_*->cost                ->  the field cost of the hash o_7
 *   o_*->                    ->  the string o_7->          (no field's name: no arrow)
 *   #                        ->  7
 *   w                        ->  nothing
 *
 * An arrow counts only behind the star. A key of another type is nothing, not an error. */
#include "types/hash.h"
#include "types/sort.h"
#include "types/string.h"

/* A pattern's parts. */
typedef struct parts {
    slice before, after, field;
} parts;

/* A pattern's parts around the star; false: it has none. An arrow at its very end is part of the
 * name. */
static bool split(slice pattern, parts *out) {
    const char *star = pattern.len ? memchr(pattern.data, '*', pattern.len) : NULL;
    if (!star) return false;
    size_t at = (size_t)(star - pattern.data);
    *out = (parts){.before = slice_of(pattern.data, at), .after = slice_skip(pattern, at + 1)};
    const char *arrow = out->after.len ? memmem(out->after.data, out->after.len, "->", 2) : NULL;
    size_t n = arrow ? (size_t)(arrow - out->after.data) : 0;
    if (arrow && n + 2 < out->after.len) {
        out->field = slice_skip(out->after, n + 2);
        out->after.len = n;
    }
    return true;
}

/* The key is put together in its room. */
static slice make_key(sort_lookup *look, const parts *p, slice element) {
    size_t n = p->before.len + element.len + p->after.len;
    char *key = room_for(look->ks, &look->key, n), *to = key;
    const slice all[] = {p->before, element, p->after};
    for (int i = 0; i < 3; i++) {
        if (all[i].len) memcpy(to, all[i].data, all[i].len);
        to += all[i].len;
    }
    return slice_of(key, n);
}

/* A string's bytes; ENGINE_ABSENT where there is none, or the key is of another type. */
static engine_result string_value(sort_lookup *look, slice key, slice *out) {
    string s;
    engine_result r = string_open(look->ks, look->db, key, look->flags, &s);
    if (r != ENGINE_OK) return r;
    if (!s.exists || s.wrong_type) return ENGINE_ABSENT;
    *out = s.ent.value;
    if (!s.chunked) return ENGINE_OK;
    buf *all = ks_scratch(look->ks);
    buf_clear(all);
    r = string_load(&s, all);
    *out = buf_slice(all);
    return r;
}

/* Likewise a field of a hash. */
static engine_result field_value(sort_lookup *look, slice key, slice field, slice *out) {
    elements el;
    hash_field found;
    engine_result r = el_look(look->ks, look->db, key, &hash_type, look->flags, &look->packed, &el);
    if (r != ENGINE_OK) return r;
    if (!el.exists || el.wrong_type) return ENGINE_ABSENT;
    r = hash_get(&el, field, &found);
    *out = found.item.value;
    return r;
}

engine_result sort_value(sort_lookup *look, slice pattern, slice element, slice *out) {
    parts p;
    *out = element;
    if (slice_eq(pattern, SLICE("#"))) return ENGINE_OK;
    if (!split(pattern, &p)) return ENGINE_ABSENT;
    slice key = make_key(look, &p, element);
    if (key.len > ENGINE_KEY_MAX) return ENGINE_ABSENT;
    return p.field.len ? field_value(look, key, p.field, out) : string_value(look, key, out);
}
