/* hint: entries come back as they went in; a hint with any damage is refused before its first entry
 * is given; the filters deny nothing that is there. */
#include "support/unit.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/mem.h"
#include "storage/hint_format.h"
#include "support/memfs.h"

#define PATH    "0000000009.hint"
#define STORE   0x77u
#define SEGMENT 9
#define LENGTH  (64u << 20)

static const hash_key key = {11, 12};

/* An entry with memory of its own. */
typedef struct made {
    hint_entry e;
    buf key, value, body;
} made;

typedef struct hints {
    made *v;
    size_t n;
} hints;

static void noise(rng *r, buf *b, size_t n) {
    char *p = buf_reserve(b, n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(rng_next(r) % 5);
    b->len = n;
}

/* The order that hint.h asks for. */
static int compare(const void *x, const void *y) {
    const hint_entry *a = &((const made *)x)->e, *b = &((const made *)y)->e;
    unsigned block = hint_block_of(a->kind), other = hint_block_of(b->kind);
    if (block != other) return block < other ? -1 : 1;
    if (block == HINT_ORDER) return (a->offset > b->offset) - (a->offset < b->offset);
    if (a->pdb != b->pdb) return a->pdb < b->pdb ? -1 : 1;
    uint64_t p = block == HINT_MAIN ? a->token : a->coll,
             q = block == HINT_MAIN ? b->token : b->coll;
    if (p != q) return p < q ? -1 : 1;
    if (block == HINT_MAP) {
        int m = a->kind == RECORD_DROP ? -1 : a->map, o = b->kind == RECORD_DROP ? -1 : b->map;
        if (m != o) return m - o;
    }
    return slice_cmp(a->key, b->key);
}

static void random_entry(rng *r, made *m) {
    static const uint8_t kinds[] = {RECORD_PUT,     RECORD_PUT,  RECORD_DEL,   RECORD_MAP_PUT,
                                    RECORD_MAP_DEL, RECORD_DROP, RECORD_FLUSH, RECORD_SWAP};
    *m = (made){0};
    hint_entry *e = &m->e;
    e->kind = kinds[rng_below(r, sizeof kinds)];
    e->flags = (uint8_t)(rng_next(r) & hint_flags_of(e->kind));
    e->size = RECORD_HEADER + (uint32_t)rng_below(r, RECORD_BODY_MAX);
    e->offset = FILE_HEADER + (uint32_t)rng_below(r, LENGTH - FILE_HEADER - e->size);
    unsigned block = hint_block_of(e->kind);
    if (block == HINT_ORDER) {
        uint32_t db[2] = {1, 2}, pdb[2] = {(uint32_t)rng_next(r), 7};
        record_put_pairs(&m->body, 2, db, pdb);
        e->body = buf_slice(&m->body);
        return;
    }
    e->pdb = (uint32_t)rng_below(r, 3);
    if (block == HINT_MAIN) {
        e->type = (uint8_t)rng_next(r);
        e->token = rng_below(r, 8) ? rng_next(r) >> 11 : 77; /* some keys share a token */
        if (e->flags & RECORD_COLL) e->coll = 1 + rng_below(r, 1u << 20);
    } else {
        e->coll = 1 + rng_below(r, 20);
    }
    if (e->kind == RECORD_DROP) return;
    if (block == HINT_MAP) e->map = (uint8_t)rng_below(r, RECORD_MAP_MAX);
    noise(r, &m->key, rng_below(r, 30));
    e->key = buf_slice(&m->key);
    if (e->flags & RECORD_EXPIRE) e->expire = 1 + (int64_t)(rng_next(r) >> 20);
    if (e->flags & HINT_INLINE) {
        noise(r, &m->value, rng_below(r, 100));
        e->value = buf_slice(&m->value);
    }
}

static void free_made(made *m) {
    buf_free(&m->key);
    buf_free(&m->value);
    buf_free(&m->body);
}

/* n entries or a few less, in order, no key twice. */
static hints random_hints(rng *r, size_t n) {
    hints h = {mem_zalloc((n + 1) * sizeof *h.v), 0};
    for (size_t i = 0; i < n; i++)
        random_entry(r, &h.v[i]);
    qsort(h.v, n, sizeof *h.v, compare);
    for (size_t i = 0; i < n; i++) {
        bool order = hint_block_of(h.v[i].e.kind) == HINT_ORDER;
        if (h.n && !order && compare(&h.v[h.n - 1], &h.v[i]) == 0)
            free_made(&h.v[i]);
        else
            h.v[h.n++] = h.v[i];
    }
    return h;
}

static void hints_free(hints *h) {
    for (size_t i = 0; i < h->n; i++)
        free_made(&h->v[i]);
    mem_free(h->v);
}

static void write_hints(memfs *fs, const hints *h) {
    hint_writer *w;
    uint64_t bytes;
    hint_info info = {
        .segment = SEGMENT, .segment_length = LENGTH, .records = 12345, .user = {1, 2, 3, 4}};
    status s = hint_create(memfs_vfs(fs), PATH, STORE, key, &info, &w);
    assert_string_equal(s.msg, "");
    for (size_t i = 0; i < h->n; i++)
        assert_true(status_ok(hint_add(w, &h->v[i].e)));
    assert_true(status_ok(hint_finish(w, &bytes)));
    assert_int_equal(bytes, memfs_bytes(fs, PATH)->len);
    assert_int_equal(memfs_open_files(fs), 0);
}

static bool same(const hint_entry *a, const hint_entry *b) {
    return a->kind == b->kind && a->flags == b->flags && a->type == b->type && a->map == b->map &&
           a->pdb == b->pdb && a->offset == b->offset && a->size == b->size &&
           a->token == b->token && a->coll == b->coll && a->expire == b->expire &&
           slice_eq(a->key, b->key) && slice_eq(a->value, b->value) && slice_eq(a->body, b->body);
}

static status open_hint(memfs *fs, hint_reader **r) {
    return hint_open(memfs_vfs(fs), PATH, STORE, SEGMENT, LENGTH, r);
}

static void check_filters(const hints *h, slice keys, slice elems) {
    for (size_t i = 0; i < h->n; i++) {
        const hint_entry *e = &h->v[i].e;
        unsigned block = hint_block_of(e->kind);
        if (block == HINT_MAIN)
            assert_true(filter_may_hold(keys, hint_hash_main(e->pdb, e->token)));
        if (block != HINT_MAP) continue;
        assert_true(filter_may_hold(elems, hint_hash_coll(e->coll)));
        uint64_t hash = hint_hash_elem(key, e->coll, e->map, e->key);
        if (e->kind != RECORD_DROP) assert_true(filter_may_hold(elems, hash));
    }
}

static void check_back(memfs *fs, const hints *h) {
    hint_reader *r;
    hint_entry e;
    bool got;
    buf keys = {0}, elems = {0}, keys2 = {0}, elems2 = {0};
    uint64_t counts[16] = {0};
    hint_info info;
    assert_string_equal(open_hint(fs, &r).msg, "");
    for (size_t i = 0; i < h->n; i++) {
        assert_true(status_ok(hint_next(r, &e, &got)));
        assert_true(got && same(&e, &h->v[i].e));
        counts[e.kind]++;
    }
    assert_true(status_ok(hint_next(r, &e, &got)));
    assert_false(got);
    assert_memory_equal(counts, hint_about(r)->entries, sizeof counts);
    assert_int_equal(hint_about(r)->records, 12345);
    assert_int_equal(hint_about(r)->user[3], 4);
    assert_true(status_ok(hint_filters(r, &keys, &elems)));
    check_filters(h, buf_slice(&keys), buf_slice(&elems));
    hint_close(r);
    status s =
        hint_read_filters(memfs_vfs(fs), PATH, STORE, SEGMENT, LENGTH, &info, &keys2, &elems2);
    assert_true(status_ok(s));
    assert_true(slice_eq(buf_slice(&keys), buf_slice(&keys2)));
    assert_true(slice_eq(buf_slice(&elems), buf_slice(&elems2)));
    assert_int_equal(info.segment, SEGMENT);
    buf_free(&keys);
    buf_free(&keys2);
    buf_free(&elems);
    buf_free(&elems2);
    assert_int_equal(memfs_open_files(fs), 0);
}

static void test_round_trip(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(100); i++) {
        memfs *fs = memfs_new();
        hints h = random_hints(&r, rng_below(&r, i % 20 ? 300 : 20000));
        write_hints(fs, &h);
        check_back(fs, &h);
        hints_free(&h);
        memfs_free(fs);
    }
}

/* More keys than one filter piece holds, and keys and values as large as they may be. */
static void test_large(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    hint_writer *w;
    hint_reader *r;
    hint_entry e;
    bool got;
    buf long_key = {0}, keys = {0}, elems = {0};
    hint_info info = {.segment = SEGMENT, .segment_length = LENGTH};
    uint32_t n = 900000;
    assert_true(status_ok(hint_create(memfs_vfs(fs), PATH, STORE, key, &info, &w)));
    memset(buf_reserve(&long_key, RECORD_KEY_MAX), 'k', RECORD_KEY_MAX);
    for (uint32_t i = 0; i < n; i++) {
        e = (hint_entry){.kind = RECORD_PUT,
                         .offset = FILE_HEADER + i,
                         .size = 70,
                         .token = (uint64_t)i << 30,
                         .key = slice_of(&i, sizeof i)};
        if (i == n - 1) {
            e.key = slice_of(long_key.data, RECORD_KEY_MAX);
            e.flags = HINT_INLINE;
            e.value = slice_of(long_key.data, HINT_INLINE_MAX);
        }
        assert_true(status_ok(hint_add(w, &e)));
    }
    assert_true(status_ok(hint_finish(w, NULL)));
    assert_true(status_ok(open_hint(fs, &r)));
    for (uint32_t i = 0; i < n; i++)
        assert_true(status_ok(hint_next(r, &e, &got)) && got);
    assert_int_equal(e.key.len, RECORD_KEY_MAX);
    assert_int_equal(e.value.len, HINT_INLINE_MAX);
    assert_true(status_ok(hint_filters(r, &keys, &elems)));
    assert_true(keys.len > HINT_FILTER_PIECE && elems.len == 0);
    for (uint32_t i = 0; i < n; i += 997)
        assert_true(filter_may_hold(buf_slice(&keys), hint_hash_main(0, (uint64_t)i << 30)));
    hint_close(r);
    buf_free(&long_key);
    buf_free(&keys);
    memfs_free(fs);
}

static void test_every_bit_flip(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    memfs *fs = memfs_new();
    hints h = random_hints(&r, 12);
    hint_reader *reader;
    buf keys = {0}, elems = {0};
    hint_info info;
    write_hints(fs, &h);
    buf *b = memfs_bytes(fs, PATH);
    for (size_t bit = 0; bit < b->len * 8; bit++) {
        b->data[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(open_hint(fs, &reader).code, ST_CORRUPT);
        assert_null(reader);
        b->data[bit / 8] ^= (char)(1 << bit % 8);
    }
    b->data[b->len - 100] ^= 1; /* in the footer */
    status s = hint_read_filters(memfs_vfs(fs), PATH, STORE, SEGMENT, LENGTH, &info, &keys, &elems);
    assert_int_equal(s.code, ST_CORRUPT);
    b->data[b->len - 100] ^= 1;
    check_back(fs, &h);
    hints_free(&h);
    memfs_free(fs);
}

static void test_every_truncation(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    memfs *fs = memfs_new();
    hints h = random_hints(&r, 12);
    hint_reader *reader;
    hint_info info;
    buf keys = {0}, elems = {0};
    write_hints(fs, &h);
    buf *b = memfs_bytes(fs, PATH);
    size_t len = b->len;
    for (size_t n = 0; n < len; n++) {
        b->len = n;
        assert_int_equal(open_hint(fs, &reader).code, ST_CORRUPT);
        status s =
            hint_read_filters(memfs_vfs(fs), PATH, STORE, SEGMENT, LENGTH, &info, &keys, &elems);
        assert_int_equal(s.code, ST_CORRUPT);
    }
    b->len = len;
    buf_append_char(b, '\0'); /* a byte too many */
    assert_int_equal(open_hint(fs, &reader).code, ST_CORRUPT);
    buf_free(&keys);
    buf_free(&elems);
    hints_free(&h);
    memfs_free(fs);
}

/* What a cursor gives of a range is what lies in it, and little else; others may be at work. */
static void check_range(const hint_reader *r, const hints *h, hint_cursor *c, uint32_t pdb,
                        uint64_t from, uint64_t to) {
    hint_entry e;
    bool got = true;
    size_t i = 0;
    hint_cursor_seek(c, r, pdb, from, to);
    while (true) {
        while (i < h->n && (hint_block_of(h->v[i].e.kind) != HINT_MAIN || h->v[i].e.pdb != pdb ||
                            h->v[i].e.token < from || h->v[i].e.token >= to))
            i++;
        do
            assert_true(status_ok(hint_cursor_next(c, &e, &got)));
        while (got && (e.token < from || e.token >= to));
        if (!got) break;
        assert_true(i < h->n && same(&e, &h->v[i++].e));
    }
    assert_true(i == h->n);
}

static void test_cursors(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < 4; round++) {
        memfs *fs = memfs_new();
        hints h = random_hints(&r, round == 0 ? 10 : 12000);
        hint_cursor c[2] = {{0}, {0}};
        hint_reader *hint;
        hint_entry e;
        bool got;
        write_hints(fs, &h);
        assert_true(status_ok(open_hint(fs, &hint)));
        for (int i = 0; i < 60; i++) {
            const hint_entry *at = &h.v[rng_below(&r, h.n)].e;
            uint64_t from = rng_below(&r, 3) ? at->token : 0, to = at->token;
            if (from == to || rng_below(&r, 2)) to = from + 1 + (rng_next(&r) >> 12);
            check_range(hint, &h, &c[i % 2], (uint32_t)rng_below(&r, 4), from,
                        rng_below(&r, 4) ? to : UINT64_MAX);
        }
        while (hint_block_next(hint) == HINT_ORDER)
            assert_true(status_ok(hint_next(hint, &e, &got)) &&
                        hint_block_of(e.kind) == HINT_ORDER);
        hint_skip_main(hint);
        size_t i = 0;
        while (i < h.n && hint_block_of(h.v[i].e.kind) != HINT_MAP)
            i++;
        while (status_ok(hint_next(hint, &e, &got)) && got)
            assert_true(i < h.n && same(&e, &h.v[i++].e));
        assert_true(i == h.n);
        hint_cursor_free(&c[0]);
        hint_cursor_free(&c[1]);
        hint_close(hint);
        hints_free(&h);
        memfs_free(fs);
    }
}

static void test_of_something_else(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    hints none = {0};
    hint_reader *r;
    vfs *v = memfs_vfs(fs);
    assert_int_equal(open_hint(fs, &r).code, ST_NOT_FOUND);
    write_hints(fs, &none);
    check_back(fs, &none); /* a hint without entries is a hint */
    assert_int_equal(hint_open(v, PATH, STORE + 1, SEGMENT, LENGTH, &r).code, ST_CORRUPT);
    assert_int_equal(hint_open(v, PATH, STORE, SEGMENT + 1, LENGTH, &r).code, ST_CORRUPT);
    status s = hint_open(v, PATH, STORE, SEGMENT, LENGTH + 1, &r);
    assert_int_equal(s.code, ST_CORRUPT);
    assert_string_equal(s.msg, PATH ": a hint for another length of its segment");
    memfs_free(fs);
}

/* A hint of these blocks, all of one type, and the footer's count for its entries; CRCs are right.
 */
static status with_blocks(memfs *fs, unsigned type, unsigned kind, const slice *bodies, size_t n,
                          uint64_t count) {
    outfile o;
    hint_reader *r;
    hint_entry e;
    bool got = true;
    char footer[HINT_FOOTER_SIZE];
    file_header h = {.kind = FILE_HINT, .store_id = STORE, .number = SEGMENT};
    hint_info info = {.segment = SEGMENT, .segment_length = LENGTH};
    hint_filters_at at = {0};
    info.entries[kind] = count;
    hint_footer_encode(footer, &info, &at);
    assert_true(status_ok(outfile_create(&o, memfs_vfs(fs), PATH, &h, true)));
    record rec;
    for (size_t i = 0; i < n; i++) {
        rec = (record){.kind = RECORD_HINT, .type = (uint8_t)type, .body = bodies[i]};
        assert_true(status_ok(outfile_put(&o, &rec, NULL)));
    }
    rec =
        (record){.kind = RECORD_HINT, .type = HINT_FOOTER, .body = slice_of(footer, sizeof footer)};
    assert_true(status_ok(outfile_put(&o, &rec, NULL)));
    assert_true(status_ok(outfile_finish(&o)));
    status s = open_hint(fs, &r);
    if (!status_ok(s)) return s;
    while (got && status_ok(s))
        s = hint_next(r, &e, &got);
    hint_close(r);
    return s;
}

/* Entries whose bytes pass their CRC and make no sense. The good one: pdb 0; DEL, no flags, token
 * 5, offset 64, size 20, type 0, key "k". */
static void test_malformed(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    static const struct {
        unsigned type, kind;
        slice body;
        uint64_t count;
        status_code want;
    } cases[] = {
        {HINT_MAIN, RECORD_DEL, SLICE("\1\0\0\0\0\2\0\5\x40\x14\0\1k"), 1, ST_OK},
        {HINT_MAIN, RECORD_DEL, SLICE("\1\0\0\0\0\2\0\5\x40\x14\0\1k"), 2, ST_CORRUPT},
        {HINT_MAIN, RECORD_DEL, SLICE("\2\0\0\0\0\2\0\5\x40\x14\0\1k"), 2, ST_CORRUPT},
        {HINT_MAIN, RECORD_DEL, SLICE("\1\0\0\0\0\2\0\5\x40\x14\0\1kx"), 1, ST_CORRUPT},
        {HINT_MAIN, RECORD_DEL, SLICE("\1\0\0\0\0\2\0\5\x40\x14\0\2k"), 1, ST_CORRUPT},
        {HINT_MAIN, RECORD_DEL, SLICE("\1\0\0\0\0\2\1\5\x40\x14\0\1k"), 1, ST_CORRUPT}, /* flags */
        {HINT_MAIN, RECORD_DEL, SLICE("\1\0\0\0\0\4\0\5\x40\x14\0\1k"), 1, ST_CORRUPT}, /* kind */
        {HINT_MAIN, RECORD_DEL, SLICE("\1\0\0\0\0\2\0\5\x3f\x14\0\1k"), 1, ST_CORRUPT}, /* offset */
        {HINT_MAIN, RECORD_DEL, SLICE("\1\0\0\0\0\2\0\5\x40\x0f\0\1k"), 1, ST_CORRUPT}, /* size */
        {HINT_MAIN, RECORD_DEL, SLICE("\1\0\0\0\0\2\0\5\xf0\xff\xff\x1f\x14\0\1k"), 1, ST_CORRUPT},
        {HINT_MAIN, RECORD_PUT, SLICE("\1\0\0\0\0\1\2\5\x40\x14\0\1k\0\0\0\0\0\0\0\0"), 1,
         ST_CORRUPT}, /* expire 0 */
        {HINT_MAIN, RECORD_PUT, SLICE("\1\0\0\0\0\1\4\5\x40\x14\0\1k\0"), 1, ST_CORRUPT},
        {HINT_MAIN, RECORD_DEL,
         SLICE("\1\0\0\0\0\2\0\x80\x80\x80\x80\x80\x80\x80\x20\x40\x14\0\1k"), 1,
         ST_CORRUPT},                                                /* a token of 54 bits */
        {HINT_MAIN, RECORD_DEL, SLICE("\0\0\0\0\0"), 0, ST_CORRUPT}, /* an empty block */
        {HINT_MAIN, RECORD_DEL, SLICE("\0\0"), 0, ST_CORRUPT},
        {HINT_MAP, RECORD_MAP_DEL, SLICE("\1\0\0\0\0\4\0\5\x40\x14\7\1k"), 1, ST_OK},
        {HINT_MAP, RECORD_MAP_DEL, SLICE("\1\0\0\0\0\4\0\5\x40\x14\x08\1k"), 1, ST_CORRUPT},
        {HINT_MAP, RECORD_DROP, SLICE("\1\0\0\0\0\5\0\5\x40\x14"), 1, ST_OK},
        {HINT_ORDER, RECORD_FLUSH, SLICE("\1\0\0\0\6\x40\x14\3\1\0\5"), 1, ST_OK},
        {HINT_ORDER, RECORD_FLUSH, SLICE("\1\0\0\0\6\x40\x14\3\2\0\5"), 1, ST_CORRUPT},
        {HINT_FOOTER + 1, RECORD_DEL, SLICE(""), 0, ST_CORRUPT},
        {HINT_FOOTER, RECORD_DEL, SLICE("short"), 0, ST_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        status s = with_blocks(fs, cases[i].type, cases[i].kind, &cases[i].body, 1, cases[i].count);
        if (s.code != cases[i].want) fail_msg("case %zu: %d %s", i, s.code, s.msg);
    }
    memfs_free(fs);
}

/* Blocks of main entries that go back, by token or by pdb, would be looked for in vain. */
static void test_blocks_that_go_back(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    slice five = SLICE("\1\0\0\0\0\2\0\5\x40\x14\0\1k");
    slice six = SLICE("\1\0\0\0\0\2\0\6\x40\x14\0\1k");
    slice four_of_1 = SLICE("\1\0\0\0\1\2\0\4\x40\x14\0\1k");
    const slice good[] = {five, six, four_of_1}, equal[] = {five, five};
    const slice token[] = {six, five}, pdb[] = {four_of_1, five};
    assert_true(status_ok(with_blocks(fs, HINT_MAIN, RECORD_DEL, good, 3, 3)));
    assert_true(status_ok(with_blocks(fs, HINT_MAIN, RECORD_DEL, equal, 2, 2)));
    assert_int_equal(with_blocks(fs, HINT_MAIN, RECORD_DEL, token, 2, 2).code, ST_CORRUPT);
    assert_int_equal(with_blocks(fs, HINT_MAIN, RECORD_DEL, pdb, 2, 2).code, ST_CORRUPT);
    memfs_free(fs);
}

/* A disk that fails while a hint is written: an error, no file left open. */
static void test_write_failures(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    hints h = random_hints(&r, 2000);
    for (uint64_t nth = 1;; nth++) {
        memfs *fs = memfs_new();
        hint_writer *w;
        hint_info info = {.segment = SEGMENT, .segment_length = LENGTH};
        memfs_fail(fs, nth, ST_NO_SPACE);
        status s = hint_create(memfs_vfs(fs), PATH, STORE, key, &info, &w);
        for (size_t i = 0; i < h.n && status_ok(s); i++)
            s = hint_add(w, &h.v[i].e);
        if (status_ok(s))
            s = hint_finish(w, NULL);
        else
            hint_abandon(w);
        assert_int_equal(memfs_open_files(fs), 0);
        memfs_free(fs);
        if (status_ok(s)) {
            assert_true(nth > 3);
            break;
        }
        assert_int_equal(s.code, ST_NO_SPACE);
    }
    hints_free(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),          cmocka_unit_test(test_large),
        cmocka_unit_test(test_every_bit_flip),      cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_of_something_else),   cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_write_failures),      cmocka_unit_test(test_cursors),
        cmocka_unit_test(test_blocks_that_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
