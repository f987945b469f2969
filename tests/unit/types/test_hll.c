/* HyperLogLogs against an array of registers: sparse, dense, in chunks or flat, with reads that are
 * pending and calls that fail. */
#include "support/unit.h"
#include "support/world.h"
#include "types/hll_bytes.h"
#include "types/limits.h"

#include <math.h>
#include <stdio.h>

#define KEYS 4

static world w;
static uint8_t models[KEYS][HLL_REGISTERS];
static bool exists[KEYS];
static const char *const names[KEYS] = {"a", "b", "c", "d"};

static int open_world(void **state) {
    (void)state;
    world_open(&w, 5, false);
    memset(models, 0, sizeof models);
    memset(exists, 0, sizeof exists);
    types_limit.hll_sparse = 3000;
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

#define BATCH(what) WORLD_BATCH(&w, what)

static engine_result open_one(int k, hll *h) {
    engine_result r = hll_open(w.ks, 0, slice_cstr(names[k]), KS_WRITE, h);
    if (r == ENGINE_OK) assert_false(h->s.wrong_type || h->not_one);
    return r;
}

static engine_result add(int k, const slice *elements, size_t n, uint64_t *raised) {
    hll h;
    engine_result r = open_one(k, &h);
    if (r == ENGINE_OK) r = hll_add(&h, elements, n, raised);
    return r;
}

static engine_result raise_to(int k, const uint8_t *registers, bool dense) {
    hll h;
    engine_result r = open_one(k, &h);
    if (r == ENGINE_OK) r = hll_raise(&h, registers, dense);
    return r;
}

static engine_result densify(int k) {
    hll h;
    engine_result r = open_one(k, &h);
    if (r == ENGINE_OK && h.s.exists) r = hll_make_dense(&h);
    return r;
}

static engine_result keep(int k, uint64_t count) {
    hll h;
    engine_result r = open_one(k, &h);
    if (r == ENGINE_OK && h.s.exists) r = hll_keep(&h, count);
    return r;
}

/* The value becomes flat, as by GET and SET. */
static engine_result flatten(int k) {
    string s;
    static char bytes[HLL_SPARSE_BYTES];
    engine_result r = string_open(w.ks, 0, slice_cstr(names[k]), 0, &s);
    if (r != ENGINE_OK || !s.exists) return r;
    r = string_peek(&s, 0, bytes, (size_t)s.len);
    if (r != ENGINE_OK) return r;
    return string_set(w.ks, 0, slice_cstr(names[k]), slice_of(bytes, (size_t)s.len), 0, 0, 0);
}

static engine_result read_all(int k, uint8_t *registers, hll *h) {
    memset(registers, 0, HLL_REGISTERS);
    engine_result r = open_one(k, h);
    if (r == ENGINE_OK) r = hll_max(h, registers);
    return r;
}

static void check(int k) {
    static uint8_t registers[HLL_REGISTERS];
    hll h;
    BATCH(read_all(k, registers, &h));
    assert_int_equal(h.s.exists, exists[k]);
    assert_false(h.broken);
    if (!exists[k]) return;
    assert_memory_equal(registers, models[k], HLL_REGISTERS);
    if (h.dense)
        assert_int_equal(h.s.len, HLL_DENSE_BYTES);
    else
        assert_true((int64_t)h.s.len <= types_limit.hll_sparse || h.s.len <= HLL_HEADER + 2);
}

/* One random step. */
static void step(rng *r) {
    int k = (int)rng_below(r, KEYS);
    uint64_t elements[64], raised, expect = !exists[k];
    slice slices[64];
    size_t n = rng_below(r, 8) ? rng_below(r, 6) : rng_below(r, 64);
    switch (rng_below(r, 10)) {
    default:
        for (size_t i = 0; i < n; i++) {
            unsigned index, count;
            elements[i] = rng_below(r, 100000);
            slices[i] = slice_of(&elements[i], sizeof elements[i]);
            count = hll_element(slices[i], &index);
            expect += count > models[k][index];
            if (count > models[k][index]) models[k][index] = (uint8_t)count;
        }
        BATCH(add(k, slices, n, &raised));
        assert_int_equal(raised, expect);
        exists[k] = true;
        break;
    case 0: {
        int from = (int)rng_below(r, KEYS);
        if (rng_below(r, 4) == 0) { /* higher than any of these elements makes it */
            uint8_t *m = &models[k][rng_below(r, HLL_REGISTERS)];
            uint8_t higher = (uint8_t)(1 + rng_below(r, 51));
            if (higher > *m) *m = higher;
        }
        for (int i = 0; i < HLL_REGISTERS; i++)
            if (models[from][i] > models[k][i]) models[k][i] = models[from][i];
        BATCH(raise_to(k, models[k], rng_below(r, 8) == 0));
        exists[k] = true;
        break;
    }
    case 1: BATCH(flatten(k)); break;
    case 2:
        if (rng_below(r, 4) == 0) BATCH(densify(k));
        break;
    case 3: {
        uint64_t count = rng_below(r, 1u << 20), kept;
        hll h;
        BATCH(keep(k, count));
        BATCH(open_one(k, &h));
        if (!exists[k]) break;
        assert_true(hll_kept(&h, &kept));
        assert_int_equal(kept, count);
        break;
    }
    case 4:
        if (rng_below(r, 30) || !exists[k]) break;
        BATCH(ks_del(w.ks, 0, slice_cstr(names[k])));
        memset(models[k], 0, HLL_REGISTERS);
        exists[k] = false;
        break;
    }
    check(k);
}

static void random_steps(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    static const int64_t limits[] = {3000, 0, 18, 300, 10000, INT64_MAX};
    for (int round = 0; round < unit_rounds(12); round++) {
        mem_knobs *knobs = engine_mem_knobs(w.e);
        types_limit.hll_sparse = limits[rng_below(&r, 6)];
        for (int k = 0; k < KEYS; k++) {
            knobs->pending_permille = 0;
            ks_begin(w.ks);
            (void)ks_del(w.ks, 0, slice_cstr(names[k]));
            ks_commit(w.ks);
            exists[k] = false;
        }
        memset(models, 0, sizeof models);
        for (int i = 0; i < 150; i++) {
            knobs->pending_permille = (unsigned)rng_below(&r, 2) * 300;
            if (rng_below(&r, 10) == 0) knobs->error_at = 1 + rng_below(&r, 8);
            step(&r);
            knobs->error_at = 0;
        }
    }
}

/* One register of a dense value costs one chunk, and one more for the note that the count is old;
 * the few that lie across the end of a chunk another one. */
static void few_changes(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    uint64_t raised, ones = 0, across = 0;
    BATCH(add(0, NULL, 0, &raised));
    BATCH(densify(0));
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t element = rng_next(&r);
        slice s = slice_of(&element, sizeof element);
        if (rng_below(&r, 4) == 0) BATCH(keep(0, i));
        log_pos before = engine_log_end(w.e);
        BATCH(add(0, &s, 1, &raised));
        log_pos cost = engine_log_end(w.e) - before;
        assert_true(raised ? cost >= 1 && cost <= 3 : cost == 0);
        ones += cost == 1;
        across += cost == 3;
    }
    assert_true(ones > 500 && across < 10);
}

/* Against what redis-server makes of x and y, and against counting. */
static void known(void **state) {
    (void)state;
    unsigned index;
    assert_int_equal(hll_element(SLICE("x"), &index), 2);
    assert_int_equal(index, 16374);
    assert_int_equal(hll_element(SLICE("y"), &index), 3);
    assert_int_equal(index, 14932);
    static uint8_t registers[HLL_REGISTERS];
    assert_int_equal(hll_estimate(registers), 0);
    uint64_t n = 0;
    for (uint64_t check_at = 10; n < 1000000; n++) {
        char text[32];
        int len = snprintf(text, sizeof text, "element:%llu", (unsigned long long)n);
        unsigned count = hll_element(slice_of(text, (size_t)len), &index);
        if (count > registers[index]) registers[index] = (uint8_t)count;
        if (n + 1 != check_at) continue;
        check_at *= 10;
        assert_true(fabs((double)hll_estimate(registers) - (double)(n + 1)) < 0.03 * (double)n + 1);
    }
    memset(registers, 51, sizeof registers);
    assert_true(hll_estimate(registers) > 1u << 30);
    memset(registers, 63, sizeof registers);
    (void)hll_estimate(registers);
    rng r;
    rng_seed(&r, 3);
    assert_null(hll_self_test(&r));
}

/* Bytes of any kind: never read or written out of bounds, and an error or a result. */
static void garbage(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(3000); round++) {
        char bytes[200];
        size_t n = HLL_HEADER + rng_below(&r, rng_below(&r, 2) ? 4 : 180);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)rng_next(&r);
        memcpy(bytes, "HYLL\1\0\0\0", 8);
        BATCH(string_set(w.ks, 0, SLICE("a"), slice_of(bytes, n), 0, 0, 0));
        uint64_t element = rng_next(&r), raised;
        slice s = slice_of(&element, sizeof element);
        static uint8_t registers[HLL_REGISTERS];
        hll h;
        BATCH(read_all(0, registers, &h));
        BATCH(add(0, &s, 1, &raised));
        BATCH(densify(0));
        BATCH(raise_to(0, registers, rng_below(&r, 2)));
    }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {TEST(random_steps), TEST(few_changes), TEST(known),
                                       TEST(garbage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
