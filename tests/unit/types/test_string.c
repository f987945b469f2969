/* Strings against flat byte arrays: whatever is done to a value, flat or in chunks, with reads that
 * are pending and calls that fail, it holds what an array holds. */
#include "types/string.h"

#include "base/mem.h"
#include "base/num.h"
#include "support/unit.h"
#include "support/world.h"
#include "types/bitmap.h"

#include <stdio.h>

#define KEYS    4
#define LEN_MAX (700 * 1024)

static world w;

typedef struct model {
    bool exists;
    size_t len;
    uint8_t *bytes; /* LEN_MAX of them, zeros from len on */
    int64_t expire;
} model;

static model models[KEYS];
static const char *const names[KEYS] = {"a", "b", "c", "d"};

static int open_world(void **state) {
    (void)state;
    world_open(&w, 21, true);
    for (int i = 0; i < KEYS; i++)
        models[i] = (model){.bytes = mem_zalloc(LEN_MAX)};
    return 0;
}

static int close_world(void **state) {
    (void)state;
    for (int i = 0; i < KEYS; i++)
        mem_free(models[i].bytes);
    world_close(&w);
    return 0;
}

#define BATCH(what) WORLD_BATCH(&w, what)

/* ---- operations
 * -----------------------------------------------------------------------------------
 */

static engine_result do_write(int k, uint64_t off, slice bytes) {
    string s;
    string_edit e;
    engine_result r = string_open(w.ks, 0, slice_cstr(names[k]), KS_WRITE, &s);
    if (r == ENGINE_OK) r = string_edit_begin(&e, &s, off + bytes.len);
    if (r == ENGINE_OK) r = string_edit_write(&e, off, bytes);
    if (r == ENGINE_OK) r = string_edit_end(&e);
    if (r == ENGINE_OK) assert_true(s.len >= off + bytes.len);
    return r;
}

#define EDITS 6

/* Several places of one edit, each written and then read again with another before it. */
typedef struct edits {
    int n;
    uint64_t off[EDITS];
    uint8_t bytes[EDITS][9], seen[EDITS][9];
} edits;

static engine_result do_edits(int k, edits *d) {
    string s;
    string_edit e;
    uint64_t len = 0;
    for (int i = 0; i < d->n; i++)
        if (d->off[i] + 9 > len) len = d->off[i] + 9;
    engine_result r = string_open(w.ks, 0, slice_cstr(names[k]), KS_WRITE, &s);
    if (r == ENGINE_OK) r = string_edit_begin(&e, &s, len);
    for (int i = 0; i < d->n && r == ENGINE_OK; i++) {
        r = string_edit_read(&e, d->off[i], d->seen[i], 9);
        if (r == ENGINE_OK) r = string_edit_write(&e, d->off[i], slice_of(d->bytes[i], 9));
    }
    return r == ENGINE_OK ? string_edit_end(&e) : r;
}

static engine_result do_load(int k, buf *out, string *s) {
    buf_clear(out);
    engine_result r = string_open(w.ks, 0, slice_cstr(names[k]), 0, s);
    return r == ENGINE_OK ? string_load(s, out) : r;
}

static engine_result do_range(int k, uint64_t from, uint64_t to, buf *out) {
    string s;
    string_cursor c;
    slice run;
    buf_clear(out);
    engine_result r = string_open(w.ks, 0, slice_cstr(names[k]), 0, &s);
    if (r != ENGINE_OK) return r;
    string_range(&s, from, to, &c);
    while ((r = string_next(&c, &run)) == ENGINE_OK) {
        assert_true(run.len > 0);
        char *p = buf_reserve(out, run.len);
        if (run.data) {
            memcpy(p, run.data, run.len);
        } else {
            memset(p, 0, run.len);
        }
        out->len += run.len;
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result do_count(int k, uint64_t from, uint64_t to, uint64_t *out) {
    string s;
    engine_result r = string_open(w.ks, 0, slice_cstr(names[k]), 0, &s);
    return r == ENGINE_OK ? bitmap_count(&s, from, to, out) : r;
}

static engine_result do_find(int k, bool bit, uint64_t from, uint64_t to, int64_t *out) {
    string s;
    engine_result r = string_open(w.ks, 0, slice_cstr(names[k]), 0, &s);
    return r == ENGINE_OK ? bitmap_find(&s, bit, from, to, out) : r;
}

/* ---- naive versions
 * -------------------------------------------------------------------------------
 */

static bool bit_of(const model *m, uint64_t i) {
    return m->bytes[i / 8] >> (7 - i % 8) & 1;
}

static void model_write(model *m, uint64_t off, slice bytes) {
    memcpy(m->bytes + off, bytes.data, bytes.len);
    if (m->len < off + bytes.len) m->len = off + bytes.len;
    m->exists = true;
}

static void model_set(model *m, const uint8_t *bytes, size_t len) {
    memset(m->bytes, 0, LEN_MAX);
    memcpy(m->bytes, bytes, len);
    m->len = len;
    m->exists = true;
    m->expire = 0;
}

static void assert_same(int k) {
    static buf out;
    string s;
    const model *m = &models[k];
    BATCH(do_load(k, &out, &s));
    assert_int_equal(s.exists, m->exists);
    assert_int_equal(s.len, m->len);
    assert_int_equal(out.len, m->len);
    if (m->len) assert_memory_equal(out.data, m->bytes, m->len);
    if (m->exists) assert_true(s.ent.expire == m->expire);
    buf_free(&out);
}

/* ---- the random walk
 * --------------------------------------------------------------------------------
 */

/* Lengths near every bound that matters. */
static size_t some_length(rng *r) {
    static const size_t near[] = {
        0, 20, 44, STRING_CHUNK, STRING_FLAT_EDIT_MAX, STRING_FLAT_MAX, 2 * STRING_FLAT_MAX};
    size_t n = near[rng_below(r, sizeof near / sizeof near[0])] + rng_below(r, 9);
    return rng_below(r, 3) ? n : rng_below(r, LEN_MAX / 2);
}

/* Bytes with long runs of zeros and of ones. */
static void fill(rng *r, uint8_t *p, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t run = 1 + rng_below(r, rng_below(r, 2) ? 64 : 20000);
        int kind = (int)rng_below(r, 3);
        for (; run && i < n; run--, i++)
            p[i] = kind == 0 ? 0 : kind == 1 ? 0xff : (uint8_t)rng_next(r);
    }
}

static void step_set(rng *r, int k, uint8_t *bytes) {
    size_t n = some_length(r);
    int64_t expire = rng_below(r, 4) ? 0 : w.clock.wall_ms + 1000000;
    fill(r, bytes, n);
    BATCH(string_set(w.ks, 0, slice_cstr(names[k]), slice_of(bytes, n), expire, 0, 0));
    model_set(&models[k], bytes, n);
    models[k].expire = expire;
}

static void step_write(rng *r, int k, uint8_t *bytes) {
    model *m = &models[k];
    size_t n = rng_below(r, 3) ? rng_below(r, 100) : rng_below(r, 40000);
    size_t off = rng_below(r, 3) ? m->len : rng_below(r, LEN_MAX - 40000);
    if (rng_below(r, 2) && m->len) off = rng_below(r, m->len);
    if (off + n > LEN_MAX) return;
    fill(r, bytes, n);
    BATCH(do_write(k, off, slice_of(bytes, n)));
    if (m->len < off) m->len = off;
    model_write(m, off, slice_of(bytes, n));
}

/* Places near each other and far apart, so that chunks are left and come back to. */
static void step_edits(rng *r, int k) {
    model *m = &models[k];
    edits d = {.n = 1 + (int)rng_below(r, EDITS)};
    uint64_t places[2] = {rng_below(r, LEN_MAX - 64), rng_below(r, 40000)};
    for (int i = 0; i < d.n; i++) {
        d.off[i] = places[rng_below(r, 2)] + rng_below(r, 30);
        fill(r, d.bytes[i], 9);
    }
    BATCH(do_edits(k, &d));
    for (int i = 0; i < d.n; i++) {
        assert_memory_equal(d.seen[i], m->bytes + d.off[i], 9);
        model_write(m, d.off[i], slice_of(d.bytes[i], 9));
    }
}

static void step_range(rng *r, int k) {
    static buf out;
    const model *m = &models[k];
    uint64_t from = rng_below(r, m->len + 10), to = from + rng_below(r, 20000);
    BATCH(do_range(k, from, to, &out));
    if (to > m->len) to = m->len;
    size_t n = from < to ? (size_t)(to - from) : 0;
    assert_int_equal(out.len, n);
    if (n) assert_memory_equal(out.data, m->bytes + from, n);
    buf_free(&out);
}

static void step_bits(rng *r, int k) {
    const model *m = &models[k];
    uint64_t total = m->len * 8, count, expected = 0;
    uint64_t from = rng_below(r, total + 1), to = from + rng_below(r, total - from + 1);
    if (rng_below(r, 2) && to - from > 3000) to = from + rng_below(r, 3000);
    BATCH(do_count(k, from, to, &count));
    for (uint64_t i = from; i < to; i++)
        expected += bit_of(m, i);
    assert_int_equal(count, expected);
    bool bit = rng_below(r, 2);
    int64_t found, wanted = -1;
    BATCH(do_find(k, bit, from, to, &found));
    for (uint64_t i = from; i < to && wanted < 0; i++)
        if (bit_of(m, i) == bit) wanted = (int64_t)i;
    assert_true(found == wanted);
}

static void step_combine(rng *r, int k, uint8_t *bytes) {
    slice keys[3];
    int which[3];
    bitmap_operation op = (bitmap_operation)rng_below(r, 4);
    size_t n = op == BITMAP_NOT ? 1 : 1 + rng_below(r, 3), longest = 0;
    uint64_t len;
    bool deleted, was = models[k].exists;
    for (size_t i = 0; i < n; i++) {
        which[i] = (int)rng_below(r, KEYS);
        keys[i] = slice_cstr(names[which[i]]);
        if (models[which[i]].len > longest) longest = models[which[i]].len;
    }
    BATCH(bitmap_combine(w.ks, 0, op, slice_cstr(names[k]), keys, n, &len, &deleted));
    assert_int_equal(len, longest);
    assert_int_equal(deleted, longest == 0 && was);
    for (size_t i = 0; i < longest; i++) {
        uint8_t v = models[which[0]].bytes[i];
        if (op == BITMAP_NOT) v = (uint8_t)~v;
        for (size_t s = 1; s < n; s++) {
            uint8_t o = models[which[s]].bytes[i];
            v = op == BITMAP_AND ? v & o : op == BITMAP_OR ? v | o : v ^ o;
        }
        bytes[i] = v;
    }
    model_set(&models[k], bytes, longest);
    models[k].exists = longest > 0;
}

static void step_copy(rng *r, int k) {
    int to = (int)rng_below(r, KEYS);
    entry ent;
    engine_result res;
    if (to == k || !models[k].exists) return;
    do {
        ks_begin(w.ks);
        res = ks_get(w.ks, 0, slice_cstr(names[k]), 0, &ent);
        if (res == ENGINE_OK)
            res = ks_copy(w.ks, 0, slice_cstr(names[k]), &ent, 0, slice_cstr(names[to]));
        if (res == ENGINE_OK) {
            ks_commit(w.ks);
        } else {
            ks_abort(w.ks);
        }
    } while (res != ENGINE_OK);
    model_set(&models[to], models[k].bytes, models[k].len);
    models[to].expire = models[k].expire;
}

static void walk(unsigned pending, int steps) {
    rng r;
    uint8_t *bytes = mem_alloc(LEN_MAX);
    unit_seed(&r);
    for (int i = 0; i < steps; i++) {
        int k = (int)rng_below(&r, KEYS);
        mem_knobs *knobs = engine_mem_knobs(w.e);
        knobs->pending_permille = pending;
        if (pending && rng_below(&r, 4) == 0) knobs->error_at = 1 + rng_below(&r, 20);
        switch (rng_below(&r, 8)) {
        case 0: step_set(&r, k, bytes); break;
        case 1:
        case 2: step_write(&r, k, bytes); break;
        case 3: step_range(&r, k); break;
        case 4: step_bits(&r, k); break;
        case 5: step_combine(&r, k, bytes); break;
        case 6: step_copy(&r, k); break;
        default: step_edits(&r, k); break;
        }
        knobs->error_at = 0;
        assert_same((int)rng_below(&r, KEYS));
    }
    engine_mem_knobs(w.e)->pending_permille = 0;
    for (int k = 0; k < KEYS; k++)
        assert_same(k);
    buf report = {0};
    assert_true(status_ok(engine_check(w.e, &report)));
    assert_int_equal(report.len, 0);
    buf_free(&report);
    mem_free(bytes);
}

static void against_arrays(void **state) {
    (void)state;
    walk(0, unit_rounds(600));
}

static void against_arrays_with_pending_reads_and_errors(void **state) {
    (void)state;
    walk(30, unit_rounds(250));
}

/* The worked example of src/types/README.md. */
static void the_format(void **state) {
    (void)state;
    entry ent;
    engine_coll coll;
    map_iter it;
    BATCH(do_write(0, 20000, SLICE("x")));
    ks_begin(w.ks);
    assert_int_equal(ks_get(w.ks, 0, SLICE("a"), 0, &ent), ENGINE_OK);
    assert_true(slice_eq(ent.value, SLICE("\x01\xa1\x9c\x01")));
    assert_int_equal(engine_coll_open(w.e, 0, SLICE("a"), &ent, &coll), ENGINE_OK);
    assert_int_equal(engine_map_count(w.e, &coll, 0), 1);
    assert_int_equal(engine_map_get(w.e, &coll, 0, SLICE("\0\0\0\4"), &it), ENGINE_OK);
    assert_int_equal(it.value.len, 3617);
    for (int i = 0; i < 3616; i++)
        assert_int_equal(it.value.data[i], 0);
    assert_int_equal(it.value.data[3616], 'x');
    ks_commit(w.ks);
}

/* ---- what is kept, and what it costs
 * ----------------------------------------------------------------
 */

static void open_string(const char *key, string *s) {
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, slice_cstr(key), 0, s), ENGINE_OK);
    ks_commit(w.ks);
}

static void set(const char *key, const char *value, unsigned hint) {
    ks_begin(w.ks);
    assert_int_equal(string_set(w.ks, 0, slice_cstr(key), slice_cstr(value), 0, hint, 0),
                     ENGINE_OK);
    ks_commit(w.ks);
}

static void assert_encoding(const char *key, const char *encoding) {
    string s;
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, slice_cstr(key), 0, &s), ENGINE_OK);
    assert_string_equal(string_encoding(&s), encoding);
    ks_commit(w.ks);
}

static void encodings(void **state) {
    (void)state;
    set("a", "12345", 0);
    assert_encoding("a", "int");
    set("a", "-9223372036854775808", 0);
    assert_encoding("a", "int");
    set("a", "9223372036854775808", 0);
    assert_encoding("a", "embstr");
    set("a", "012", 0);
    assert_encoding("a", "embstr");
    set("a", "12", STRING_TEXT);
    assert_encoding("a", "embstr");
    set("a", "12345678901234567890123456789012345678901234", 0);
    assert_encoding("a", "embstr");
    set("a", "123456789012345678901234567890123456789012345", 0);
    assert_encoding("a", "raw");
    set("a", "12", 0);
    BATCH(do_write(0, 2, SLICE("3")));
    assert_encoding("a", "raw");
    string s;
    int64_t sum;
    string_fault fault;
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, SLICE("a"), KS_WRITE, &s), ENGINE_OK);
    assert_int_equal(string_incr(&s, 1, &sum, &fault), ENGINE_OK);
    ks_commit(w.ks);
    assert_int_equal(fault, STRING_FINE);
    assert_int_equal(sum, 124);
    assert_encoding("a", "int");
}

/* Which form a value has, at the bounds. */
static void forms(void **state) {
    (void)state;
    string s;
    char *big = mem_zalloc(STRING_FLAT_MAX + 1);
    memset(big, 'x', STRING_FLAT_MAX + 1);
    BATCH(string_set(w.ks, 0, SLICE("a"), slice_of(big, STRING_FLAT_MAX), 0, 0, 0));
    open_string("a", &s);
    assert_false(s.chunked);
    BATCH(string_set(w.ks, 0, SLICE("a"), slice_of(big, STRING_FLAT_MAX + 1), 0, 0, 0));
    open_string("a", &s);
    assert_true(s.chunked);
    assert_int_equal(s.len, STRING_FLAT_MAX + 1);
    BATCH(string_set(w.ks, 0, SLICE("a"), slice_of(big, STRING_FLAT_EDIT_MAX), 0, 0, 0));
    BATCH(do_write(0, STRING_FLAT_EDIT_MAX - 1, SLICE("y")));
    open_string("a", &s);
    assert_false(s.chunked);
    BATCH(do_write(0, STRING_FLAT_EDIT_MAX, SLICE("z")));
    open_string("a", &s);
    assert_true(s.chunked);
    /* Larger than what a main entry could hold, out of nothing but one byte. */
    BATCH(do_write(1, 100 * 1024 * 1024, SLICE("!")));
    open_string("b", &s);
    assert_true(s.chunked && s.len == 100 * 1024 * 1024 + 1);
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, SLICE("b"), 0, &s), ENGINE_OK);
    assert_int_equal(engine_map_count(w.e, &s.coll, 0), 1);
    ks_commit(w.ks);
    mem_free(big);
}

/* One byte of a chunked value costs one read of one chunk and one write of it. */
static void an_edit_costs_one_chunk(void **state) {
    (void)state;
    char *big = mem_alloc(1 << 20);
    memset(big, 'x', 1 << 20);
    BATCH(string_set(w.ks, 0, SLICE("a"), slice_of(big, 1 << 20), 0, 0, 0));
    uint64_t calls = engine_mem_counters(w.e)->calls;
    log_pos end = engine_log_end(w.e);
    BATCH(do_write(0, 500000, SLICE("y")));
    /* get, open, read and write of one element; one change in the log. */
    assert_int_equal(engine_mem_counters(w.e)->calls - calls, 4);
    assert_int_equal(engine_log_end(w.e) - end, 1);
    string s;
    char byte;
    calls = engine_mem_counters(w.e)->calls;
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, SLICE("a"), 0, &s), ENGINE_OK);
    log_pos entry_pos = s.pos;
    assert_int_equal(string_peek(&s, 500000, &byte, 1), ENGINE_OK);
    ks_commit(w.ks);
    assert_int_equal(byte, 'y');
    assert_int_equal(engine_mem_counters(w.e)->calls - calls, 3);
    /* Who reads the byte depends on the later write, not on the entry alone. */
    assert_true(s.pos > entry_pos && s.pos == engine_log_end(w.e));
    mem_free(big);
}

/* A chunk that becomes zeros is kept, so that who reads it depends on that change. */
static void zeros_written_over_a_chunk(void **state) {
    (void)state;
    char zeros[STRING_CHUNK] = {0}, byte = 1;
    string s;
    BATCH(do_write(0, 100000, SLICE("x")));
    log_pos before = engine_log_end(w.e);
    BATCH(do_write(0, 98304, slice_of(zeros, 1697))); /* all of the chunk that counts */
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, SLICE("a"), 0, &s), ENGINE_OK);
    assert_int_equal(string_peek(&s, 100000, &byte, 1), ENGINE_OK);
    ks_commit(w.ks);
    assert_int_equal(byte, 0);
    assert_true(s.pos > before);
    assert_int_equal(s.len, 100001);
    /* Zeros where nothing was stored cost nothing. */
    before = engine_log_end(w.e);
    BATCH(do_write(0, 4096, slice_of(zeros, 4000)));
    assert_int_equal(engine_log_end(w.e), before);
}

/* A chunk on its way is waited for together with the others of the range. */
static void pending_chunks_come_together(void **state) {
    (void)state;
    char *big = mem_alloc(400000);
    buf out = {0};
    string s;
    memset(big, 'x', 400000);
    BATCH(string_set(w.ks, 0, SLICE("a"), slice_of(big, 400000), 0, 0, 0));
    engine_mem_knobs(w.e)->pending_permille = 1000;
    int rounds = 0;
    engine_result r = ENGINE_PENDING;
    for (; r == ENGINE_PENDING; rounds++) {
        ks_begin(w.ks);
        r = do_load(0, &out, &s);
        if (r == ENGINE_OK) {
            ks_commit(w.ks);
        } else {
            ks_abort(w.ks);
        }
    }
    engine_mem_knobs(w.e)->pending_permille = 0;
    assert_int_equal(r, ENGINE_OK);
    assert_true(engine_mem_counters(w.e)->pendings > 90);
    mem_free(big);
    buf_free(&out);
}

static void wrong_type(void **state) {
    (void)state;
    entry ent = {.type = KEY_LIST, .value = SLICE("x")};
    string s;
    BATCH(ks_put(w.ks, 0, SLICE("l"), &ent));
    open_string("l", &s);
    assert_true(s.exists && s.wrong_type);
    open_string("none", &s);
    assert_false(s.exists || s.wrong_type);
    assert_int_equal(s.len, 0);
}

/* ---- numbers
 * ------------------------------------------------------------------------------------------
 */

static string_fault incr(const char *key, int64_t by, int64_t *sum) {
    string s;
    string_fault fault;
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, slice_cstr(key), KS_WRITE, &s), ENGINE_OK);
    assert_int_equal(string_incr(&s, by, sum, &fault), ENGINE_OK);
    ks_commit(w.ks);
    return fault;
}

static void counters(void **state) {
    (void)state;
    int64_t sum;
    assert_int_equal(incr("n", 5, &sum), STRING_FINE);
    assert_int_equal(sum, 5);
    assert_int_equal(incr("n", -7, &sum), STRING_FINE);
    assert_int_equal(sum, -2);
    set("n", "9223372036854775807", 0);
    assert_int_equal(incr("n", 1, &sum), STRING_OVERFLOW);
    assert_int_equal(incr("n", INT64_MIN, &sum), STRING_FINE);
    assert_int_equal(sum, -1);
    set("n", " 1", 0);
    assert_int_equal(incr("n", 1, &sum), STRING_NOT_INTEGER);
    BATCH(do_write(0, 100000, SLICE("1")));
    assert_int_equal(incr("a", 1, &sum), STRING_NOT_INTEGER);
    world_put(&w, 0, "t", "1", w.clock.wall_ms + 500);
    assert_int_equal(incr("t", 1, &sum), STRING_FINE);
    string s;
    open_string("t", &s);
    assert_true(s.ent.expire == w.clock.wall_ms + 500);
}

static void float_counters(void **state) {
    (void)state;
    char text[NUM_LDOUBLE_TEXT];
    size_t len;
    string s;
    string_fault fault;
    set("f", "10.5", 0);
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, SLICE("f"), KS_WRITE, &s), ENGINE_OK);
    assert_int_equal(string_incr_float(&s, 0.1L, text, &len, &fault), ENGINE_OK);
    ks_commit(w.ks);
    assert_int_equal(fault, STRING_FINE);
    assert_true(slice_eq(slice_of(text, len), SLICE("10.6")));
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, SLICE("f"), KS_WRITE, &s), ENGINE_OK);
    assert_int_equal(string_incr_float(&s, 1.4L, text, &len, &fault), ENGINE_OK);
    ks_commit(w.ks);
    assert_true(slice_eq(slice_of(text, len), SLICE("12")));
    assert_encoding("f", "embstr");
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, SLICE("f"), KS_WRITE, &s), ENGINE_OK);
    assert_int_equal(string_incr_float(&s, 1.0L / 0.0L, text, &len, &fault), ENGINE_OK);
    ks_commit(w.ks);
    assert_int_equal(fault, STRING_NAN);
    set("f", "x", 0);
    ks_begin(w.ks);
    assert_int_equal(string_open(w.ks, 0, SLICE("f"), KS_WRITE, &s), ENGINE_OK);
    assert_int_equal(string_incr_float(&s, 1, text, &len, &fault), ENGINE_OK);
    ks_commit(w.ks);
    assert_int_equal(fault, STRING_NOT_FLOAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(against_arrays, open_world, close_world),
        cmocka_unit_test_setup_teardown(against_arrays_with_pending_reads_and_errors, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(the_format, open_world, close_world),
        cmocka_unit_test_setup_teardown(encodings, open_world, close_world),
        cmocka_unit_test_setup_teardown(forms, open_world, close_world),
        cmocka_unit_test_setup_teardown(an_edit_costs_one_chunk, open_world, close_world),
        cmocka_unit_test_setup_teardown(zeros_written_over_a_chunk, open_world, close_world),
        cmocka_unit_test_setup_teardown(pending_chunks_come_together, open_world, close_world),
        cmocka_unit_test_setup_teardown(wrong_type, open_world, close_world),
        cmocka_unit_test_setup_teardown(counters, open_world, close_world),
        cmocka_unit_test_setup_teardown(float_counters, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
