/* table_block and table_format: what is built is valid and found; every block that is not as it
 * should be, its checksum right, is refused. */
#include "support/unit.h"

#include "base/mem.h"
#include "storage/table_format.h"
#include "support/tablebuild.h"

static buf scratch;

static bool valid(slice bytes, uint32_t every) {
    return block_valid(bytes, every, TABLE_KEY_MAX, &scratch);
}

static buf build(const table_entry *v, size_t n, uint32_t every) {
    block_builder b = {.every = every};
    buf out = {0};
    for (size_t i = 0; i < n; i++)
        block_add(&b, v[i].key, v[i].cell);
    assert_true(slice_eq(block_first_key(&b), v[0].key));
    assert_true(slice_eq(block_last_key(&b), v[n - 1].key));
    size_t about = b.size;
    block_build(&b, &out);
    assert_true(out.len <= about + BLOCK_HEAD + 12 + v[0].key.len + 6 * n);
    block_builder_free(&b);
    return out;
}

/* Searches in blocks of every size, against the sorted array. */
static void test_searches(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    buf want = {0};
    for (int round = 0; round < unit_rounds(400); round++) {
        table_entries e = table_entries_random(&r, 1 + rng_below(&r, 100), false);
        buf data = build(e.v, e.n, BLOCK_EVERY), index = build(e.v, e.n, 1);
        block_iter i = {0};
        slice cell, prefix, rest;
        assert_true(valid(buf_slice(&data), BLOCK_EVERY) && valid(buf_slice(&index), 1));
        assert_false(e.n > 1 && valid(buf_slice(&data), 1));
        block_iter_set(&i, buf_slice(&data));
        for (int k = 0; k < 100; k++) {
            slice key = table_entries_near(&e, &r, &want);
            size_t n = table_entries_at(&e, key);
            bool there = n < e.n && slice_eq(e.v[n].key, key);
            assert_int_equal(block_find(buf_slice(&data), key, &cell), there);
            if (there) assert_true(slice_eq(cell, e.v[n].cell));
            assert_int_equal(block_iter_seek(&i, key), there);
            assert_int_equal(i.at != NULL, n < e.n);
            if (i.at) assert_true(slice_eq(buf_slice(&i.key), e.v[n].key));
            ptrdiff_t at = block_last_at_most(buf_slice(&index), key);
            assert_int_equal(at, (ptrdiff_t)n - !there);
            if (at < 0) continue;
            block_index_entry(buf_slice(&index), (size_t)at, &prefix, &rest, &cell);
            assert_int_equal(prefix.len + rest.len, e.v[at].key.len);
            assert_true(slice_eq(cell, e.v[at].cell));
        }
        block_iter_free(&i);
        buf_free(&data);
        buf_free(&index);
        table_entries_free(&e);
    }
    buf_free(&want);
}

/* A block of "aa", "ab", "ac" with cells "\2": prefix "a", one restart. */
static const char good[] = "\3\0\0\0\1\0\0\0\20\0\0\0\1\0\0\0"
                           "\0\0\0\0\0\0\0a"
                           "\35\0\0\0"
                           "a"
                           "\0\1\1a\2"
                           "\0\1\1b\2"
                           "\0\1\1c\2";
#define GOOD_LEN (sizeof good - 1)

static void test_malformed(void **state) {
    (void)state;
    char p[GOOD_LEN + 4];
    static const struct {
        size_t at;
        char to;
        const char *what;
    } cases[] = {
        {0, 2, "an entry too many"},
        {0, 4, "an entry too few"},
        {0, 0, "no entries"},
        {3, 127, "more entries than bytes"},
        {4, 2, "a restart too many"},
        {4, 0, "no restarts"},
        {8, 1, "restarts too rare"},
        {8, 0, "no interval"},
        {12, 2, "a longer prefix"},
        {12, 0, "a shorter prefix"},
        {15, 127, "a prefix beyond the block"},
        {16, 1, "another head"},
        {24, 30, "another place of the restart"},
        {29, 1, "a restart that shares"},
        {30, 2, "a key that takes its cell's byte"},
        {31, 0, "an entry without a cell"},
        {31, 127, "a cell beyond the block"},
        {34, 1, "sharing a byte, and again the same key's end"},
        {34, 2, "sharing more than there is"},
        {37, 'a', "the same key again"},
        {42, 'a', "a key that goes back"},
    };
    assert_true(valid(slice_of(good, GOOD_LEN), BLOCK_EVERY));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(p, good, GOOD_LEN);
        p[cases[i].at] = cases[i].to;
        bool accepted = valid(slice_of(p, GOOD_LEN), BLOCK_EVERY);
        /* "aa" then "aab" would be in order: sharing one byte more is another block, a good one */
        if (accepted != (cases[i].at == 34 && cases[i].to == 1)) fail_msg("%s", cases[i].what);
    }
    for (size_t n = 0; n < GOOD_LEN; n++)
        assert_false(valid(slice_of(good, n), BLOCK_EVERY));
    memcpy(p, good, GOOD_LEN);
    p[GOOD_LEN] = 0;
    assert_false(valid(slice_of(p, GOOD_LEN + 1), BLOCK_EVERY));
    assert_false(block_valid(slice_of(good, GOOD_LEN), BLOCK_EVERY, 1, &scratch)); /* long keys */
    buf_free(&scratch);
}

/* Properties that contradict themselves. */
static void test_props(void **state) {
    (void)state;
    char p[TABLE_PROPS_SIZE];
    table_props good_props = {.top_at = 500,
                              .blocks = 5,
                              .partitions = 2,
                              .block_size = 4096,
                              .bloom_bits = 10,
                              .lz4 = 1,
                              .entries = 50,
                              .tombstones = 20,
                              .hidden = 30,
                              .plain_bytes = 1000,
                              .filter_keys = 50},
                got;
    static const struct {
        size_t at;
        char to;
    } cases[] = {
        {0, 63}, {2, 1},  {4, 1},  {4, 51}, {8, 0},   {8, 6},   {16, 21}, {17, 2},
        {18, 1}, {23, 1}, {24, 0}, {24, 4}, {32, 51}, {32, 50}, {56, 51},
    };
    table_props_encode(p, &good_props);
    assert_true(table_props_decode(slice_of(p, sizeof p), 1000, &got));
    assert_true(got.hidden == 30 && got.filter_keys == 50 && got.top_at == 500 && got.lz4 == 1);
    assert_false(table_props_decode(slice_of(p, sizeof p - 1), 1000, &got));
    assert_false(table_props_decode(slice_of(p, sizeof p), 550, &got)); /* top_at behind PROPS */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char keep[2] = {p[cases[i].at], p[cases[i].at | 1]};
        p[cases[i].at] = cases[i].to;
        if (i == 0) p[1] = 0;
        if (table_props_decode(slice_of(p, sizeof p), 1000, &got)) fail_msg("case %zu", i);
        p[cases[i].at] = keep[0];
        p[cases[i].at | 1] = keep[1];
    }
}

/* A partition of two blocks, 64 .. 164 .. 364, which lies at 364. */
static buf partition(unsigned probes, uint32_t filter, uint32_t gap, size_t cell) {
    block_builder b = {.every = 1};
    buf out = {0};
    char where[TABLE_EXTENT_CELL + 1] = {0};
    char *p = buf_reserve(&out, TABLE_PART_HEAD + 200);
    memset(p, 0, TABLE_PART_HEAD + 200);
    put_u32(p, filter);
    p[4] = (char)probes;
    out.len = TABLE_PART_HEAD + filter;
    table_extent_put(where, (table_extent){64, 100});
    block_add(&b, SLICE("a"), slice_of(where, cell));
    table_extent_put(where, (table_extent){164 + gap, 200});
    block_add(&b, SLICE("b"), slice_of(where, cell));
    block_build(&b, &out);
    block_builder_free(&b);
    return out;
}

static void test_partition(void **state) {
    (void)state;
    static const struct {
        unsigned probes;
        uint32_t filter, gap;
        size_t cell;
        uint32_t at;
        bool good;
    } cases[] = {
        {6, 64, 0, 8, 364, true},  {0, 0, 0, 8, 364, true},   {6, 0, 0, 8, 364, true},
        {0, 64, 0, 8, 364, false}, {8, 64, 0, 8, 364, false}, {6, 63, 0, 8, 364, false},
        {6, 64, 1, 8, 365, false}, {6, 64, 0, 8, 365, false}, {6, 64, 0, 9, 364, false},
        {6, 64, 0, 7, 364, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf b = partition(cases[i].probes, cases[i].filter, cases[i].gap, cases[i].cell);
        bool is = table_part_valid(buf_slice(&b), cases[i].at, &scratch);
        if (is != cases[i].good) fail_msg("case %zu", i);
        put_u32(b.data, (uint32_t)b.len); /* a filter beyond the body */
        assert_false(table_part_valid(buf_slice(&b), cases[i].at, &scratch));
        buf_free(&b);
    }
    buf_free(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_searches),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_props),
        cmocka_unit_test(test_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
