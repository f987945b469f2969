/* System records: of any length, in batches, and out of reach of all that is done to databases. */
#include "support/world.h"

#include "base/mem.h"
#include "support/unit.h"

#include <stdio.h>

static world w;

static int open_world(void **state) {
    (void)state;
    world_open(&w, 7, true);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

/* A value that differs by its number, at every place. */
static buf value_of(unsigned number, size_t len) {
    buf b = {0};
    char *p = buf_reserve(&b, len + 1);
    for (size_t i = 0; i < len; i++)
        p[i] = (char)(number * 31 + i + (i >> 10));
    b.len = len;
    return b;
}

static void put(const char *name, unsigned number, size_t len) {
    buf v = value_of(number, len);
    WORLD_BATCH(&w, ks_system_put(w.ks, slice_cstr(name), buf_slice(&v)));
    buf_free(&v);
}

/* len SIZE_MAX: there is none. Behind what the buffer had. */
static void expect(const char *name, unsigned number, size_t len) {
    buf got = {0}, v = {0};
    engine_result r;
    buf_append_char(&got, '<');
    do
        r = ks_system_get(w.ks, slice_cstr(name), &got);
    while (r == ENGINE_PENDING);
    assert_int_equal(r, len == SIZE_MAX ? ENGINE_ABSENT : ENGINE_OK);
    if (len != SIZE_MAX) v = value_of(number, len);
    assert_int_equal(got.data[0], '<');
    assert_true(slice_eq(slice_skip(buf_slice(&got), 1), buf_slice(&v)));
    buf_free(&got);
    buf_free(&v);
}

static void note(void *ctx, slice name) {
    buf_append_slice(ctx, name);
    buf_append_char(ctx, ' ');
}

static size_t count_names(void) {
    buf names = {0};
    uint64_t next = 0;
    do {
        uint64_t from = next;
        while (ks_system_scan(w.ks, from, &next, note, &names) == ENGINE_PENDING)
            continue;
    } while (next);
    size_t n = 0;
    for (size_t i = 0; i < names.len; i++)
        n += names.data[i] == ' ';
    buf_free(&names);
    return n;
}

/* Around a piece's size, growing and shrinking, also while reads are pending. */
static void any_length(void **state) {
    (void)state;
    static const size_t lengths[] = {0,      1,      300000, 262144, 262143, 262145,
                                     800000, 524288, 5,      0,      1048577};
    for (unsigned round = 0; round < 2; round++) {
        engine_mem_knobs(w.e)->pending_permille = round ? 300 : 0;
        for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            put("f:one", i, lengths[i]);
            put("f:two", i + 1, lengths[i] / 2);
            expect("f:one", i, lengths[i]);
            expect("f:two", i + 1, lengths[i] / 2);
            assert_int_equal(count_names(), 2);
        }
        WORLD_BATCH(&w, ks_system_del(w.ks, SLICE("f:one")));
        expect("f:one", 0, SIZE_MAX);
        expect("f:two", 11, 524288);
    }
    engine_db_stats left;
    WORLD_BATCH(&w, ks_system_del(w.ks, SLICE("f:two")));
    engine_db_stats_of(w.e, ENGINE_DB_SYSTEM, &left);
    assert_int_equal(left.keys, 0); /* no piece stays */
    ks_begin(w.ks);
    while (ks_system_del(w.ks, SLICE("f:two")) == ENGINE_PENDING)
        continue;
    ks_abort(w.ks);
}

/* With other changes, or not at all. */
static void in_batches(void **state) {
    (void)state;
    put("f:a", 1, 600000);
    ks_begin(w.ks);
    assert_int_equal(ks_system_del(w.ks, SLICE("f:a")), ENGINE_OK);
    assert_int_equal(ks_system_put(w.ks, SLICE("f:b"), SLICE("x")), ENGINE_OK);
    assert_int_equal(ks_put(w.ks, 0, SLICE("k"), &(entry){.value = SLICE("v")}), ENGINE_OK);
    expect("f:a", 0, SIZE_MAX);
    ks_abort(w.ks);
    expect("f:a", 1, 600000);
    expect("f:b", 0, SIZE_MAX);
    assert_false(world_has(&w, 0, "k"));
}

/* What clients do to databases. */
static void out_of_reach(void **state) {
    (void)state;
    put("f:a", 1, 300000);
    world_put(&w, 0, "k", "v", 0);
    (void)world_told(&w);
    buf key = {0};
    assert_int_equal(world_keys(&w, 0), 1);
    assert_int_equal(ks_random(w.ks, 0, &key), ENGINE_OK);
    assert_true(slice_eq(buf_slice(&key), SLICE("k")));
    WORLD_BATCH(&w, ks_swap(w.ks, 0, 1));
    WORLD_BATCH(&w, ks_flush(w.ks, -1));
    for (uint32_t db = 0; db < 16; db++) {
        assert_int_equal(world_keys(&w, db), 0);
        WORLD_BATCH(&w, ks_flush(w.ks, (int32_t)db));
    }
    assert_null(strstr(world_told(&w), "f:a"));
    expect("f:a", 1, 300000);
    assert_int_equal(count_names(), 1);
    buf_free(&key);
}

/* A record that lacks a piece, as a repair may leave it: it is not there, and can be put again. */
static void a_broken_record(void **state) {
    (void)state;
    for (uint32_t piece = 0; piece < 3; piece++) {
        char key[7] = {'f', ':', 'a', (char)piece};
        put("f:a", 1, 600000);
        WORLD_BATCH(&w, engine_del(w.e, ENGINE_DB_SYSTEM, slice_of(key, sizeof key)));
        expect("f:a", 0, SIZE_MAX);
        put("f:a", 2, 600000);
        expect("f:a", 2, 600000);
    }
    WORLD_BATCH(&w, engine_put(w.e, ENGINE_DB_SYSTEM, slice_of("f:a\0\0\0\0", 7),
                               &(entry){.value = SLICE("x")}));
    expect("f:a", 0, SIZE_MAX);
    put("f:a", 3, 10);
    expect("f:a", 3, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_length, open_world, close_world),
        cmocka_unit_test_setup_teardown(in_batches, open_world, close_world),
        cmocka_unit_test_setup_teardown(out_of_reach, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_broken_record, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
