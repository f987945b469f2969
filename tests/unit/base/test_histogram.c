/* The histogram: exact counts and percentiles within its resolution, against a sorted array; and
 * the figures that redis-server shows for the same times. */
#include "base/histogram.h"

#include <stdlib.h>

#include "base/mem.h"
#include "support/unit.h"

#define VALUES 5000

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void percentiles_of_a_sorted_array(void **state) {
    (void)state;
    static uint64_t v[VALUES];
    rng r;
    unit_seed(&r);
    for (int round = 0; round < 10; round++) {
        histogram h = {0};
        size_t n = 1 + rng_below(&r, VALUES);
        for (size_t i = 0; i < n; i++) {
            v[i] = 1 + (rng_next(&r) >> (28 + rng_below(&r, 36)));
            histogram_record(&h, v[i]);
        }
        qsort(v, n, sizeof *v, by_value);
        assert_int_equal(h.count, n);
        for (int k = 0; k <= 1000; k++) {
            double p = k / 10.0;
            uint64_t rank = (uint64_t)(p / 100 * (double)n + 0.5);
            uint64_t expected = v[rank ? rank - 1 : 0], got = histogram_percentile(&h, p);
            assert_in_range(got, expected, expected + expected / 128);
        }
        histogram_clear(&h);
    }
}

static void extremes(void **state) {
    (void)state;
    uint64_t before = mem_used();
    histogram h = {0};
    assert_int_equal(histogram_percentile(&h, 50), 0);
    unsigned step = 0;
    uint64_t us, cumulative;
    assert_false(histogram_next(&h, &step, &us, &cumulative));
    histogram_record(&h, 0);
    assert_int_equal(histogram_percentile(&h, 0), 1);
    assert_int_equal(histogram_percentile(&h, 100), 1);
    histogram_record(&h, UINT64_MAX);
    assert_int_equal(histogram_percentile(&h, 100), HISTOGRAM_MAX);
    histogram_clear(&h);
    /* Every power of two and its neighbours fall where they belong. */
    for (uint64_t p = 1; p <= HISTOGRAM_MAX; p *= 2)
        for (uint64_t x = p - 1; x <= p + 1; x++) {
            histogram_record(&h, x);
            uint64_t value = x ? x > HISTOGRAM_MAX ? HISTOGRAM_MAX : x : 1;
            assert_in_range(histogram_percentile(&h, 50), value, value + value / 128);
            histogram_clear(&h);
        }
    assert_int_equal(mem_used(), before);
}

static void check_percentile(uint64_t ns, uint64_t expected) {
    histogram h = {0};
    histogram_record(&h, ns);
    assert_int_equal(histogram_percentile(&h, 99.9), expected);
    histogram_clear(&h);
}

/* INFO latencystats of redis-server, for times in whole microseconds. */
static void percentiles_of_redis(void **state) {
    (void)state;
    check_percentile(1000, 1003);
    check_percentile(2000, 2007);
    check_percentile(4000, 4015);
    check_percentile(8000, 8031);
    check_percentile(9000, 9023);
    check_percentile(1000000000, 1002438655);
}

/* LATENCY HISTOGRAM of redis-server: the bounds are the least one not below each time. */
static void bounds_of_redis(void **state) {
    (void)state;
    static const uint64_t bounds[] = {1,     2,     4,     8,      16,     33,    66,
                                      132,   264,   528,   1056,   2113,   4227,  8454,
                                      16908, 33816, 67633, 135266, 270532, 541065};
    histogram h = {0};
    uint64_t us, cumulative;
    unsigned step = 0;
    for (uint64_t i = 0; i < 20; i++)
        for (uint64_t k = 0; k <= i; k++)
            histogram_record(&h, 1000ull << i); /* i + 1 values of 2^i us */
    for (uint64_t i = 0; i < 20; i++) {
        assert_true(histogram_next(&h, &step, &us, &cumulative));
        assert_int_equal(us, bounds[i]);
        assert_int_equal(cumulative, (i + 1) * (i + 2) / 2);
    }
    assert_false(histogram_next(&h, &step, &us, &cumulative));
    histogram_clear(&h);
    step = 0;
    histogram_record(&h, 1); /* the bounds between are left out */
    histogram_record(&h, 17000000);
    assert_true(histogram_next(&h, &step, &us, &cumulative) && us == 1 && cumulative == 1);
    assert_true(histogram_next(&h, &step, &us, &cumulative) && us == 33816 && cumulative == 2);
    assert_false(histogram_next(&h, &step, &us, &cumulative));
    histogram_record(&h, UINT64_MAX);
    assert_true(histogram_next(&h, &step, &us, &cumulative) && cumulative == 3);
    assert_int_equal(us, HISTOGRAM_MAX / 1000);
    histogram_clear(&h);
}

static void memory_follows_what_was_hit(void **state) {
    (void)state;
    assert_in_range(sizeof(histogram), 1, 256);
    histogram h = {0};
    uint64_t before = mem_used();
    for (int i = 0; i < 1000; i++)
        histogram_record(&h, 1000 + (uint64_t)i); /* two doublings */
    assert_int_equal(mem_used() - before, 2 * 1024);
    histogram_clear(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_of_a_sorted_array), cmocka_unit_test(extremes),
        cmocka_unit_test(percentiles_of_redis),          cmocka_unit_test(bounds_of_redis),
        cmocka_unit_test(memory_follows_what_was_hit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
