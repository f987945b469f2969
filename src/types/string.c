/* Strings: opening, reading, setting whole values, counting.
 *
 * The main entry of a chunked value holds
 *
 *     | format: 1 byte, 1 | length: varint |
 *
 * and map 0 of its collection, for each chunk that is not all zeros, or was not always,
 *
 *     chunk number: 4 bytes, big-endian  ->  0 .. STRING_CHUNK bytes; zeros follow
 *
 * so that a value with holes costs what is in it, and a change of one bit costs one chunk. A chunk
 * that was stored is never deleted while the value lives: one that becomes all zeros is stored with
 * length 0. So what is absent was absent when the main entry was written, and a reader's reply
 * depends on nothing but the positions of the entry and of the chunks it saw. */
#include "types/string.h"

#include <math.h>

#include "base/log.h"
#include "base/num.h"
#include "keyspace/keyenc.h"
#include "types/string_chunks.h"

#define FORMAT       1
#define EMBSTR_MAX   44  /* redis-server's bound for a value that lies beside its object */
#define PREFETCH_MAX 256 /* chunks asked for when one is pending */
#define INT_TEXT_MAX 20

/* ---- opening -----------------------------------------------------------------------------------
 */

slice string_header(char out[STRING_HEADER_MAX], uint64_t len) {
    CHECK(len <= STRING_MAX);
    out[0] = FORMAT;
    return slice_of(out, (size_t)(put_varint(out + 1, len) - out));
}

/* The length from a chunked value's main entry. */
static uint64_t header_length(slice value) {
    uint64_t len = 0;
    CHECK(value.len > 1 && value.data[0] == FORMAT);
    value = slice_skip(value, 1);
    CHECK(get_varint(&value, &len) && value.len == 0 && len <= STRING_MAX);
    return len;
}

engine_result string_of_entry(keyspace *ks, uint32_t db, slice key, const entry *ent, string *out) {
    *out = (string){.ks = ks, .db = db, .key = key, .exists = true, .ent = *ent, .pos = ent->pos};
    if (ent->type != KEY_STRING) {
        out->wrong_type = true;
        return ENGINE_OK;
    }
    out->len = ent->value.len;
    if (ent->coll == 0) return ENGINE_OK;
    out->chunked = true;
    out->len = header_length(ent->value);
    return engine_coll_open(ks_engine(ks), db, key, ent, &out->coll);
}

engine_result string_open(keyspace *ks, uint32_t db, slice key, unsigned flags, string *out) {
    entry ent;
    CHECK(!(flags & KS_META));
    engine_result r = ks_get(ks, db, key, flags, &ent);
    if (r == ENGINE_OK) return string_of_entry(ks, db, key, &ent, out);
    *out = (string){.ks = ks, .db = db, .key = key};
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

const char *string_encoding(const string *s) {
    int64_t ignored;
    if (s->chunked || (s->ent.hint & STRING_EDITED)) return "raw";
    if (!(s->ent.hint & STRING_TEXT) && s->len <= INT_TEXT_MAX &&
        num_parse_i64(s->ent.value, &ignored))
        return "int";
    return s->len <= EMBSTR_MAX ? "embstr" : "raw";
}

/* ---- reading -----------------------------------------------------------------------------------
 */

void string_range(string *s, uint64_t from, uint64_t to, string_cursor *c) {
    CHECK(!s->wrong_type);
    *c = (string_cursor){.s = s, .at = from, .end = to < s->len ? to : s->len};
}

/* One chunk is on its way from the disk: asks for the others of the range too, so that they come
 * together. What they answer does not matter now. */
static void prefetch(const string_cursor *c, uint32_t number) {
    uint64_t last = (c->end - 1) / STRING_CHUNK;
    for (int i = 0; i < PREFETCH_MAX && number < last; i++) {
        char sub[KEYENC_CHUNK];
        map_iter it;
        engine_result r =
            engine_map_get(ks_engine(c->s->ks), &c->s->coll, 0, keyenc_chunk(sub, ++number), &it);
        if (r == ENGINE_ERROR) return;
    }
}

/* Moves to the first stored chunk whose number is at least that of c->at. */
static engine_result reach_chunk(string_cursor *c) {
    engine *e = ks_engine(c->s->ks);
    uint32_t number = (uint32_t)(c->at / STRING_CHUNK);
    char sub[KEYENC_CHUNK];
    engine_result r =
        c->sought ? engine_map_step(e, &c->it, false)
                  : engine_map_seek(e, &c->s->coll, 0, keyenc_chunk(sub, number), false, &c->it);
    c->sought = true;
    if (r == ENGINE_PENDING) prefetch(c, number);
    if (r == ENGINE_ABSENT) c->past = true;
    if (r != ENGINE_OK) return r == ENGINE_ABSENT ? ENGINE_OK : r;
    CHECK(c->it.subkey.len == KEYENC_CHUNK && c->it.value.len <= STRING_CHUNK);
    c->chunk = keyenc_chunk_number(c->it.subkey);
    c->chunk_len = (uint32_t)c->it.value.len;
    if (c->it.pos > c->s->pos) c->s->pos = c->it.pos;
    return ENGINE_OK;
}

/* The run ends before `limit` (a place in the value) or at the cursor's end. */
static size_t run_length(const string_cursor *c, uint64_t limit) {
    return (size_t)((limit < c->end ? limit : c->end) - c->at);
}

engine_result string_next(string_cursor *c, slice *run) {
    *run = SLICE_EMPTY;
    if (c->at >= c->end) return ENGINE_ABSENT;
    if (!c->s->chunked) {
        *run = slice_of(c->s->ent.value.data + c->at, (size_t)(c->end - c->at));
        c->at = c->end;
        return ENGINE_OK;
    }
    if (!c->sought || (!c->past && c->at / STRING_CHUNK > c->chunk)) {
        engine_result r = reach_chunk(c);
        if (r != ENGINE_OK) return r;
    }
    uint64_t start = (uint64_t)c->chunk * STRING_CHUNK;
    if (c->past) {
        run->len = run_length(c, c->end); /* zeros to the end, */
    } else if (c->at < start) {
        run->len = run_length(c, start); /* zeros up to the chunk, */
    } else if (c->at < start + c->chunk_len) {
        run->data = c->it.value.data + (c->at - start); /* its bytes, */
        run->len = run_length(c, start + c->chunk_len);
    } else {
        run->len = run_length(c, start + STRING_CHUNK); /* zeros that follow them */
    }
    c->at += run->len;
    return ENGINE_OK;
}

/* n bytes of the run, or of the zeros that it stands for. */
static void take_run(char *out, slice run) {
    if (run.data) {
        memcpy(out, run.data, run.len);
    } else {
        memset(out, 0, run.len);
    }
}

engine_result string_peek(string *s, uint64_t off, void *out, size_t n) {
    string_cursor c;
    engine_result r;
    slice run;
    char *p = out;
    memset(out, 0, n);
    string_range(s, off, off + n, &c);
    while ((r = string_next(&c, &run)) == ENGINE_OK) {
        take_run(p, run);
        p += run.len;
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

engine_result string_load(string *s, buf *out) {
    string_cursor c;
    engine_result r;
    slice run;
    buf_reserve_exact(out, s->len);
    string_range(s, 0, s->len, &c);
    while ((r = string_next(&c, &run)) == ENGINE_OK) {
        take_run(buf_reserve_exact(out, run.len), run);
        out->len += run.len;
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* ---- setting whole values ----------------------------------------------------------------------
 */

engine_result string_create(keyspace *ks, uint32_t db, slice key, uint64_t len, string *out) {
    char header[STRING_HEADER_MAX];
    *out = (string){.ks = ks, .db = db, .key = key, .exists = true, .chunked = true, .len = len};
    engine_result r = engine_coll_new(ks_engine(ks), db, key, &out->coll);
    if (r != ENGINE_OK) return r;
    out->ent =
        (entry){.type = KEY_STRING, .coll = out->coll.id, .value = string_header(header, len)};
    r = ks_put(ks, db, key, &out->ent);
    out->ent.value = SLICE_EMPTY;
    return r;
}

size_t string_trim(const char *p, size_t n) {
    while (n >= 8 && load_u64(p + n - 8) == 0)
        n -= 8;
    while (n > 0 && p[n - 1] == 0)
        n--;
    return n;
}

engine_result string_put_chunks(string *s, slice bytes) {
    uint32_t number = 0;
    for (size_t at = 0; at < bytes.len; at += STRING_CHUNK, number++) {
        size_t n = bytes.len - at < STRING_CHUNK ? bytes.len - at : STRING_CHUNK;
        n = string_trim(bytes.data + at, n);
        if (n == 0) continue;
        char sub[KEYENC_CHUNK];
        engine_result r = engine_map_put(ks_engine(s->ks), &s->coll, 0, keyenc_chunk(sub, number),
                                         slice_of(bytes.data + at, n), ENGINE_NO_EXPIRE);
        if (r != ENGINE_OK) return r;
        ks_passed(s->ks, bytes.data + at);
    }
    return ENGINE_OK;
}

engine_result string_set(keyspace *ks, uint32_t db, slice key, slice value, int64_t expire,
                         unsigned hint, uint32_t access) {
    entry ent = {.type = KEY_STRING, .hint = (uint8_t)hint, .access = access, .expire = expire};
    if (value.len <= STRING_FLAT_MAX) {
        ent.value = value;
        return ks_put(ks, db, key, &ent);
    }
    string s = {.ks = ks, .db = db, .key = key};
    char header[STRING_HEADER_MAX];
    engine_result r = engine_coll_new(ks_engine(ks), db, key, &s.coll);
    if (r != ENGINE_OK) return r;
    ent.coll = s.coll.id;
    ent.value = string_header(header, value.len);
    r = ks_put(ks, db, key, &ent);
    return r == ENGINE_OK ? string_put_chunks(&s, value) : r;
}

/* ---- numbers -----------------------------------------------------------------------------------
 */

/* Replaces the value by a number's text, keeping the expire time. */
static engine_result put_text(string *s, slice text, unsigned hint) {
    return string_set(s->ks, s->db, s->key, text, s->ent.expire, hint, s->ent.access);
}

engine_result string_incr(string *s, int64_t by, int64_t *sum, string_fault *fault) {
    int64_t old = 0;
    *sum = 0;
    *fault = STRING_NOT_INTEGER;
    if (s->chunked || (s->exists && !num_parse_i64(s->ent.value, &old))) return ENGINE_OK;
    *fault = STRING_OVERFLOW;
    if (__builtin_add_overflow(old, by, sum)) return ENGINE_OK;
    *fault = STRING_FINE;
    char text[NUM_I64_TEXT];
    return put_text(s, slice_of(text, num_format_i64(text, *sum)), 0);
}

engine_result string_incr_float(string *s, long double by, char *out, size_t *len,
                                string_fault *fault) {
    long double old = 0;
    *len = 0;
    *fault = STRING_NOT_FLOAT;
    if (s->chunked || (s->exists && !num_parse_ldouble(s->ent.value, &old))) return ENGINE_OK;
    *fault = STRING_NAN;
    if (isnan(old + by) || isinf(old + by)) return ENGINE_OK;
    *fault = STRING_FINE;
    *len = num_format_ldouble(out, old + by);
    return put_text(s, slice_of(out, *len), STRING_TEXT);
}
