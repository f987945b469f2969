/* table: what is written is read, by key and in both directions, against a sorted array; the bytes
 * that README.md shows; damage gives an error and never a wrong entry. */
#include "support/unit.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/table_format.h"
#include "support/memfs.h"
#include "support/tablebuild.h"

#define STORE  0x1122334455667788u
#define NUMBER 21
#define PATH   "0000000021.tbl"

static uint32_t build(memfs *fs, const table_options *o, const table_entries *e) {
    table_summary s;
    status st = table_build(memfs_vfs(fs), PATH, STORE, NUMBER, o, e, &s);
    assert_string_equal(st.msg, "");
    assert_int_equal(s.length, memfs_bytes(fs, PATH)->len);
    assert_true(s.entries == e->n && s.tombstones == e->tombstones && s.hidden == e->hidden);
    assert_true(s.plain_bytes == e->plain && s.partitions <= s.blocks && s.blocks <= s.entries);
    if (e->n) {
        assert_true(slice_eq(buf_slice(&s.first), e->v[0].key));
        assert_true(slice_eq(buf_slice(&s.last), e->v[e->n - 1].key));
    }
    assert_int_equal(memfs_open_files(fs), 0);
    buf_free(&s.first);
    buf_free(&s.last);
    return s.length;
}

static status open_table(memfs *fs, uint32_t length, table **t) {
    return table_open(memfs_vfs(fs), PATH, STORE, NUMBER, length, t);
}

/* Stands on entry n, or nowhere if that is e->n. */
static void assert_on(const table_iter *i, const table_entries *e, size_t n) {
    assert_string_equal(table_iter_status(i).msg, "");
    assert_int_equal(table_iter_valid(i), n < e->n);
    if (n >= e->n) return;
    assert_true(slice_eq(table_iter_key(i), e->v[n].key));
    assert_true(slice_eq(table_iter_cell(i), e->v[n].cell));
}

static void check_gets(rng *r, table *t, cache *c, const table_entries *e, int rounds) {
    table_hit hit;
    buf key = {0};
    for (int k = 0; k < rounds; k++) {
        slice want = table_entries_near(e, r, &key);
        size_t n = table_entries_at(e, want);
        bool there = n < e->n && slice_eq(e->v[n].key, want), filter = rng_below(r, 3);
        assert_string_equal(table_get(t, c, want, filter ? table_test_hash(want) : 0, &hit).msg,
                            "");
        assert_int_equal(hit.found, there);
        if (there) assert_true(slice_eq(hit.cell, e->v[n].cell));
        bool may;
        uint64_t hash = filter ? table_test_hash(want) : 0;
        assert_string_equal(table_may_hold(t, c, want, hash, &may).msg, "");
        assert_int_equal(may, !hit.filtered && e->n && slice_cmp(e->v[0].key, want) <= 0);
        assert_false(there && (hit.filtered || hit.false_positive));
        assert_false(hit.filtered && hit.false_positive);
        if (!filter) assert_false(hit.filtered || hit.false_positive);
    }
    buf_free(&key);
}

static void check_walks(rng *r, table_iter *i, const table_entries *e, int rounds) {
    buf key = {0};
    size_t at = e->n; /* where it stands; e->n: nowhere */
    for (int k = 0; k < rounds; k++) {
        unsigned what = (unsigned)rng_below(r, 12);
        if (what == 0) {
            table_iter_seek_first(i);
            at = 0;
        } else if (what == 1) {
            table_iter_seek_last(i);
            at = e->n ? e->n - 1 : 0;
        } else if (what < 4 || at == e->n) {
            slice want = table_entries_near(e, r, &key);
            bool before = rng_below(r, 2);
            at = table_entries_at(e, want);
            if (before && !(at < e->n && slice_eq(e->v[at].key, want))) at = at ? at - 1 : e->n;
            (before ? table_iter_seek_before : table_iter_seek)(i, want);
        } else if (what < 8) {
            table_iter_next(i);
            at++;
        } else {
            table_iter_prev(i);
            at = at ? at - 1 : e->n;
        }
        assert_on(i, e, at);
    }
    buf_free(&key);
}

static void check_scans(table_iter *i, const table_entries *e) {
    table_iter_seek_first(i);
    for (size_t n = 0; n < e->n; n++, table_iter_next(i))
        assert_on(i, e, n);
    assert_on(i, e, e->n);
    table_iter_seek_last(i);
    for (size_t n = e->n; n-- > 0; table_iter_prev(i))
        assert_on(i, e, n);
    assert_on(i, e, e->n);
}

/* Each partition's key is above all in front of it and not above its first. */
static void check_partitions(table *t, const table_entries *e) {
    buf key = {0};
    uint32_t at = FILE_HEADER;
    for (size_t i = 0; i < table_partitions(t); i++) {
        table_partition_key(t, i, &key);
        assert_true(table_partition_at(t, i) >= at);
        at = table_partition_at(t, i);
        assert_int_equal(table_offset_of(t, buf_slice(&key)), at);
        size_t n = table_entries_at(e, buf_slice(&key));
        assert_true(n < e->n && (i == 0) == (n == 0));
    }
    assert_int_equal(table_offset_of(t, SLICE_EMPTY), FILE_HEADER);
    buf_free(&key);
}

static void test_model(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(150); round++) {
        memfs *fs = memfs_new();
        bool large = round % 10 == 3;
        size_t n = large ? 100 : rng_below(&r, round % 5 ? 300 : 8000);
        table_entries e = table_entries_random(&r, n, large);
        table_options o = table_options_random(&r);
        uint32_t length = build(fs, &o, &e);
        cache *c = rng_below(&r, 4) ? cache_new((uint64_t)1 << (18 + rng_below(&r, 6))) : NULL;
        table *t;
        assert_string_equal(open_table(fs, length, &t).msg, "");
        assert_true(table_about(t)->entries == e.n && table_number(t) == NUMBER);
        assert_true(table_ram(t) > 0);
        table_iter *i = table_iter_new(t, c, (unsigned)rng_below(&r, 4));
        table_iter *ahead = table_iter_new_ahead(t, 1 + rng_below(&r, 100000));
        check_gets(&r, t, c, &e, 300);
        if (rng_below(&r, 2)) table_park(t);
        check_walks(&r, i, &e, 300);
        check_walks(&r, ahead, &e, 100);
        check_scans(i, &e);
        check_scans(ahead, &e);
        check_gets(&r, t, c, &e, 300);
        check_partitions(t, &e);
        if (c) cache_check(c);
        table_iter_free(i);
        table_iter_free(ahead);
        table_close(t);
        if (c) cache_free(c);
        table_entries_free(&e);
        assert_int_equal(memfs_open_files(fs), 0);
        memfs_free(fs);
    }
}

/* No filter asks nothing; one of 20 bits is rarely wrong, one of 2 often; none is wrong about what
 * is there (test_model). */
static void test_filter_bits(void **state) {
    (void)state;
    static const struct {
        unsigned bits;
        double least, most;
    } cases[] = {{2, 0.2, 0.7}, {10, 0.005, 0.02}, {20, 0, 0.002}};
    rng r;
    unit_seed(&r);
    table_entries e = table_entries_random(&r, 20000, false);
    for (size_t k = 0; k < 3; k++) {
        memfs *fs = memfs_new();
        table_options o = {.block_size = 4096, .bloom_bits = cases[k].bits, .lz4 = true};
        table *t;
        table_hit hit;
        table_stats stats;
        cache *c = cache_new(64 << 20);
        double wrong = 0;
        assert_true(status_ok(open_table(fs, build(fs, &o, &e), &t)));
        for (int i = 0; i < 20000; i++) {
            uint64_t hash = rng_next(&r) | 1;
            char absent[16];
            memcpy(absent, "\0\0\0\1\1absent", 11);
            put_u32(absent + 11, (uint32_t)i);
            assert_true(status_ok(table_get(t, c, slice_of(absent, 15), hash, &hit)));
            assert_false(hit.found);
            if (e.n && slice_cmp(e.v[0].key, slice_of(absent, 15)) < 0)
                assert_true(hit.filtered != hit.false_positive);
            wrong += hit.false_positive;
        }
        table_stats_of(t, &stats);
        assert_true((double)stats.false_positives == wrong && stats.gets == 20000);
        wrong /= 20000;
        if (wrong < cases[k].least || wrong > cases[k].most)
            fail_msg("%u bits: %f wrong", cases[k].bits, wrong);
        table_close(t);
        cache_free(c);
        memfs_free(fs);
    }
    table_entries_free(&e);
}

/* Everything that can be read is as it was, or an error. Returns how many errors there were. */
static int read_all(table *t, const table_entries *e) {
    table_iter *i = table_iter_new(t, NULL, 0);
    table_hit hit;
    int errors = 0;
    size_t n = 0;
    for (table_iter_seek_first(i); table_iter_valid(i); table_iter_next(i))
        assert_on(i, e, n++);
    if (status_ok(table_iter_status(i))) assert_int_equal(n, e->n);
    errors += !status_ok(table_iter_status(i));
    n = e->n;
    for (table_iter_seek_last(i); table_iter_valid(i); table_iter_prev(i))
        assert_on(i, e, --n);
    if (status_ok(table_iter_status(i))) assert_int_equal(n, 0);
    table_iter_free(i);
    for (size_t k = 0; k < e->n; k++) {
        status st = table_get(t, NULL, e->v[k].key, e->v[k].hash, &hit);
        errors += !status_ok(st);
        if (status_ok(st)) assert_true(hit.found && slice_eq(hit.cell, e->v[k].cell));
    }
    return errors;
}

/* Every byte is covered by a checksum, so each change is found by what reads it. */
static void test_every_byte(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    memfs *fs = memfs_new();
    table_entries e = table_entries_random(&r, 60, false);
    table_options o = {.block_size = 300, .bloom_bits = 10, .lz4 = true};
    uint32_t length = build(fs, &o, &e);
    buf *b = memfs_bytes(fs, PATH);
    for (size_t k = 0; k < b->len; k++) {
        char flip = (char)(1 << rng_below(&r, 8));
        table *t;
        b->data[k] ^= flip;
        status st = open_table(fs, length, &t);
        if (status_ok(st)) {
            assert_true(read_all(t, &e) > 0);
            table_close(t);
        } else {
            assert_int_equal(st.code, ST_CORRUPT);
        }
        b->data[k] ^= flip;
    }
    for (size_t n = 0; n < length; n += 1 + n / 16) {
        table *t;
        b->len = n;
        assert_int_equal(open_table(fs, length, &t).code, ST_CORRUPT);
        if (n > TABLE_LENGTH_MIN)
            assert_int_equal(open_table(fs, (uint32_t)n, &t).code, ST_CORRUPT);
    }
    table_entries_free(&e);
    memfs_free(fs);
}

/* Another file, another store, another number, no file. */
static void test_of_something_else(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    table_entries none = {0};
    table_options o = {.block_size = 4096, .bloom_bits = 10};
    table *t;
    vfs *v = memfs_vfs(fs);
    assert_int_equal(open_table(fs, 1000, &t).code, ST_NOT_FOUND);
    uint32_t length = build(fs, &o, &none);
    assert_int_equal(length, TABLE_LENGTH_MIN);
    assert_true(status_ok(open_table(fs, length, &t)));
    assert_int_equal(read_all(t, &none), 0);
    table_hit hit;
    assert_true(status_ok(table_get(t, NULL, SLICE("a"), 1, &hit)));
    assert_false(hit.found || hit.filtered);
    table_close(t);
    assert_int_equal(table_open(v, PATH, STORE + 1, NUMBER, length, &t).code, ST_CORRUPT);
    assert_int_equal(table_open(v, PATH, STORE, NUMBER + 1, length, &t).code, ST_CORRUPT);
    assert_int_equal(open_table(fs, length + 1, &t).code, ST_CORRUPT);
    table_summary s;
    assert_false(status_ok(table_build(v, PATH, STORE, NUMBER, &o, &none, &s))); /* it exists */
    memfs_free(fs);
}

/* A disk that fails while a table is written: an error, no file left open. */
static void test_write_failures(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    table_entries e = table_entries_random(&r, 30, true);
    table_options o = {.block_size = 1000, .bloom_bits = 10};
    for (uint64_t nth = 1;; nth++) {
        memfs *fs = memfs_new();
        table_summary s;
        memfs_fail(fs, nth, ST_NO_SPACE);
        status st = table_build(memfs_vfs(fs), PATH, STORE, NUMBER, &o, &e, &s);
        assert_int_equal(memfs_open_files(fs), 0);
        memfs_free(fs);
        buf_free(&s.first);
        buf_free(&s.last);
        if (status_ok(st)) {
            assert_true(nth > 3);
            break;
        }
        assert_int_equal(st.code, ST_NO_SPACE);
    }
    table_entries_free(&e);
}

/* A file that went away while the table was parked: an error each time, and none once it is back.
 */
static void test_read_failures(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    memfs *fs = memfs_new();
    table_entries e = table_entries_random(&r, 2000, false);
    table_options o = {.block_size = 1000, .bloom_bits = 10};
    uint32_t length = build(fs, &o, &e);
    table *t;
    table_hit hit;
    cache *c = cache_new(1 << 20);
    assert_true(status_ok(open_table(fs, length, &t)));
    table_iter *i = table_iter_new(t, c, 1);
    table_iter_seek_first(i);
    table_park(t);
    assert_true(table_parked(t));
    vfs *v = memfs_vfs(fs);
    assert_true(status_ok(v->ops->rename(v, PATH, "elsewhere")));
    slice last = e.v[e.n - 1].key;
    assert_int_equal(table_get(t, c, last, table_test_hash(last), &hit).code, ST_NOT_FOUND);
    assert_false(hit.found);
    size_t n = 0;
    for (; table_iter_valid(i); table_iter_next(i))
        assert_on(i, &e, n++);
    assert_true(n < e.n && table_iter_status(i).code == ST_NOT_FOUND);
    table_iter_seek_before(i, last);
    assert_int_equal(table_iter_status(i).code, ST_NOT_FOUND);
    assert_true(status_ok(v->ops->rename(v, "elsewhere", PATH)));
    table_iter_seek_before(i, last);
    assert_on(i, &e, e.n - 1);
    check_scans(i, &e);
    table_iter_free(i);
    assert_int_equal(read_all(t, &e), 0);
    table_close(t);
    cache_free(c);
    table_entries_free(&e);
    memfs_free(fs);
}

/* A number that can't be is 1, as is none: what is counted by it is only how much there is to gain.
 */
static void test_hidden_by(void **state) {
    (void)state;
    assert_int_equal(table_hidden_by(SLICE("\0")), 0);
    assert_int_equal(table_hidden_by(SLICE("\2\5")), 0);
    assert_int_equal(table_hidden_by(SLICE("\1")), 1);
    assert_int_equal(table_hidden_by(SLICE("\1\0")), 1);
    assert_int_equal(table_hidden_by(SLICE("\1\5")), 5);
    assert_int_equal(table_hidden_by(SLICE("\1\254\2")), 300);
    assert_int_equal(table_hidden_by(SLICE("\1\254")), 1);
    assert_int_equal(table_hidden_by(SLICE("\1\377\377\377\377\377\377\377\377\377\1")), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),          cmocka_unit_test(test_filter_bits),
        cmocka_unit_test(test_every_byte),     cmocka_unit_test(test_of_something_else),
        cmocka_unit_test(test_write_failures), cmocka_unit_test(test_read_failures),
        cmocka_unit_test(test_hidden_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
