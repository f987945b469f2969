/* Edits in place: SETRANGE, APPEND, SETBIT, BITFIELD and BITOP's result.
 *
 * A flat value that stays within STRING_FLAT_EDIT_MAX is copied to the scratch buffer, changed
 * there, and put once at the end. Any other becomes chunked at its first edit, and stays so: one
 * chunk is in hand at a time, read when first touched, written when another is wanted.
 *
 *     begin --> flat:     scratch = value + zeros ......................... end: put the entry
 *           --> chunked:  hold(chunk) -> change -> flush -> hold(next) .... end: flush, put the
 *                                                                           entry if it grew
 *
 * So a bit of a value of any length costs one chunk read and one written. */
#include "base/log.h"
#include "base/mem.h"
#include "keyspace/keyenc.h"
#include "types/string_chunks.h"

/* Is the value edited as a whole? */
static bool is_flat(const string_edit *e) {
    return !e->s->chunked;
}

/* ---- the chunk in hand ----------------------------------------------------------------------- */

/* Writes the chunk in hand if it differs from what is stored. */
static engine_result flush(string_edit *e) {
    if (!e->held || !e->dirty) return ENGINE_OK;
    size_t n = string_trim(e->chunk, e->held_len);
    e->dirty = false;
    if (n == 0 && !e->stored) return ENGINE_OK;
    char sub[KEYENC_CHUNK];
    uint64_t end = ((uint64_t)e->number + 1) * STRING_CHUNK;
    e->stored = true;
    if (e->stored_end < end) e->stored_end = end;
    return engine_map_put(ks_engine(e->s->ks), &e->s->coll, 0, keyenc_chunk(sub, e->number),
                          slice_of(e->chunk, n), ENGINE_NO_EXPIRE);
}

/* Takes a chunk in hand. blank: all of it will be written, so what is stored does not matter. */
static engine_result hold(string_edit *e, uint32_t number, bool blank) {
    if (e->held && e->number == number) return ENGINE_OK;
    engine_result r = flush(e);
    if (r != ENGINE_OK) return r;
    e->held = true;
    e->dirty = false;
    e->number = number;
    e->held_len = 0;
    e->stored = (uint64_t)number * STRING_CHUNK < e->stored_end;
    if (!blank && e->stored) {
        char sub[KEYENC_CHUNK];
        map_iter it;
        e->held = false;
        r = engine_map_get(ks_engine(e->s->ks), &e->s->coll, 0, keyenc_chunk(sub, number), &it);
        if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
        e->held = true;
        e->stored = r == ENGINE_OK;
        if (e->stored) {
            CHECK(it.value.len <= STRING_CHUNK);
            memcpy(e->chunk, it.value.data, it.value.len);
            e->held_len = (uint32_t)it.value.len;
            if (it.pos > e->s->pos) e->s->pos = it.pos;
        }
    }
    memset(e->chunk + e->held_len, 0, STRING_CHUNK - e->held_len);
    return ENGINE_OK;
}

/* ---- begin, end ------------------------------------------------------------------------------ */

/* The string, absent or flat, becomes a chunked one of that length with the same first bytes. */
static engine_result make_chunked(string *s, uint64_t len) {
    buf *old = ks_scratch(s->ks);
    buf_clear(old);
    if (s->exists) buf_append_slice(old, s->ent.value);
    return string_set_chunked(s, buf_slice(old), len);
}

engine_result string_set_chunked(string *s, slice first, uint64_t len) {
    char header[STRING_HEADER_MAX];
    engine_result r = engine_coll_new(ks_engine(s->ks), s->db, s->key, &s->coll);
    if (r != ENGINE_OK) return r;
    s->ent.type = KEY_STRING;
    s->ent.hint = 0;
    s->ent.coll = s->coll.id;
    s->ent.value = string_header(header, len);
    r = ks_put(s->ks, s->db, s->key, &s->ent);
    s->ent.value = SLICE_EMPTY;
    s->exists = s->chunked = true;
    s->len = len;
    return r == ENGINE_OK ? string_put_chunks(s, first) : r;
}

/* The value with zeros behind it, in the scratch buffer. */
static void make_flat(string_edit *e, uint64_t len) {
    string *s = e->s;
    buf *b = ks_scratch(s->ks);
    buf_clear(b);
    buf_reserve(b, len);
    if (s->exists) buf_append_slice(b, s->ent.value);
    memset(b->data + b->len, 0, len - b->len);
    b->len = len;
    s->ent.value = SLICE_EMPTY;
    e->put_entry = len != s->len || !(s->ent.hint & STRING_EDITED);
}

engine_result string_edit_begin(string_edit *e, string *s, uint64_t len) {
    CHECK(!s->wrong_type && ks_in_batch(s->ks));
    if (len < s->len) len = s->len;
    e->s = s;
    e->stored_end = s->len;
    e->put_entry = e->held = e->dirty = e->stored = false;
    engine_result r = ENGINE_OK;
    if (s->chunked) {
        e->put_entry = len != s->len;
    } else if (len > STRING_FLAT_EDIT_MAX) {
        r = make_chunked(s, len);
    } else {
        make_flat(e, len);
    }
    s->len = len;
    return r;
}

engine_result string_edit_end(string_edit *e) {
    string *s = e->s;
    char header[STRING_HEADER_MAX];
    if (is_flat(e)) {
        if (!e->put_entry) return ENGINE_OK;
        s->ent.type = KEY_STRING;
        s->ent.hint = STRING_EDITED;
        s->ent.value = buf_slice(ks_scratch(s->ks));
    } else {
        engine_result r = flush(e);
        if (r != ENGINE_OK || !e->put_entry) return r;
        s->ent.value = string_header(header, s->len);
    }
    engine_result r = ks_put(s->ks, s->db, s->key, &s->ent);
    s->ent.value = SLICE_EMPTY;
    return r;
}

/* ---- between --------------------------------------------------------------------------------- */

engine_result string_edit_read(string_edit *e, uint64_t off, void *out, size_t n) {
    char *p = out;
    memset(out, 0, n);
    if (off >= e->s->len) return ENGINE_OK;
    if (n > e->s->len - off) n = (size_t)(e->s->len - off);
    if (is_flat(e)) {
        memcpy(out, ks_scratch(e->s->ks)->data + off, n);
        return ENGINE_OK;
    }
    while (n > 0) {
        size_t at = off % STRING_CHUNK, part = STRING_CHUNK - at < n ? STRING_CHUNK - at : n;
        engine_result r = hold(e, (uint32_t)(off / STRING_CHUNK), false);
        if (r != ENGINE_OK) return r;
        memcpy(p, e->chunk + at, part);
        p += part;
        off += part;
        n -= part;
    }
    return ENGINE_OK;
}

engine_result string_edit_write(string_edit *e, uint64_t off, slice bytes) {
    CHECK(off + bytes.len <= e->s->len);
    if (is_flat(e)) {
        if (bytes.len) memcpy(ks_scratch(e->s->ks)->data + off, bytes.data, bytes.len);
        e->put_entry = true;
        return ENGINE_OK;
    }
    while (bytes.len > 0) {
        size_t at = off % STRING_CHUNK;
        size_t part = STRING_CHUNK - at < bytes.len ? STRING_CHUNK - at : bytes.len;
        engine_result r = hold(e, (uint32_t)(off / STRING_CHUNK), part == STRING_CHUNK);
        if (r != ENGINE_OK) return r;
        memcpy(e->chunk + at, bytes.data, part);
        if (e->held_len < at + part) e->held_len = (uint32_t)(at + part);
        e->dirty = true;
        off += part;
        bytes = slice_skip(bytes, part);
        ks_passed(e->s->ks, bytes.data);
    }
    return ENGINE_OK;
}
