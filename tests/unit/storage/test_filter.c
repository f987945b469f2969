/* filter: nothing that was added is denied; of what was not, about one in a hundred passes. */
#include "support/unit.h"

#include <stdio.h>

#include "storage/filter.h"

static void test_nothing_denied(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (size_t n = 0; n < 3000; n = n * 3 + 1) {
        filter_builder b = {0};
        buf bits = {0};
        rng again = r;
        for (size_t i = 0; i < n; i++)
            filter_collect(&b, rng_next(&r));
        filter_finish(&b, &bits);
        assert_int_equal(bits.len, filter_size(n));
        assert_null(b.hashes);
        for (size_t i = 0; i < n; i++)
            assert_true(filter_may_hold(buf_slice(&bits), rng_next(&again)));
        buf_free(&bits);
    }
}

/* How many of `tries` absent keys pass, for hashes with this many low bits in use. */
static double false_positives(rng *r, size_t n, bool dense) {
    filter_builder b = {0};
    buf bits = {0};
    size_t tries = 200000, passed = 0;
    uint64_t base = rng_next(r);
    for (size_t i = 0; i < n; i++)
        filter_collect(&b, dense ? base + i : rng_next(r));
    filter_finish(&b, &bits);
    for (size_t i = 0; i < tries; i++)
        passed += filter_may_hold(buf_slice(&bits), dense ? base + n + i : rng_next(r));
    buf_free(&bits);
    return (double)passed / (double)tries;
}

static void test_false_positive_rate(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    static const size_t sizes[] = {1, 50, 51, 1000, 30000, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        /* ids that follow each other are no worse than noise: the filter mixes by itself */
        double noise = false_positives(&r, sizes[i], false);
        double dense = false_positives(&r, sizes[i], true);
        printf("%zu keys: %.2f %% of absent hashes pass, %.2f %% of dense ones\n", sizes[i],
               noise * 100, dense * 100);
        double most = sizes[i] < 1000 ? 0.03 : 0.013;
        assert_true(noise < most && dense < most);
        if (sizes[i] >= 1000) assert_true(noise > 0.004 && dense > 0.004);
    }
}

/* Fewer bits a key, smaller and more often wrong; what was added is never denied. */
static void test_bits(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    double before = 1;
    size_t n = 20000, tries = 50000;
    assert_int_equal(filter_probes(FILTER_KEY_BITS), FILTER_PROBES);
    for (unsigned bits = 1; bits <= FILTER_BITS_MAX; bits++) {
        filter_builder b = {0};
        buf out = {0};
        rng again = r;
        unsigned probes = filter_probes(bits);
        size_t passed = 0;
        assert_true(probes > 0 && probes <= FILTER_PROBES_MAX);
        for (size_t i = 0; i < n; i++)
            filter_collect(&b, rng_next(&r));
        filter_finish_of(&b, bits, &out);
        assert_true(b.n == 0 && out.len == filter_size_of(n, bits));
        assert_true(out.len * 8 >= n * bits && out.len * 8 < n * bits + 512);
        for (size_t i = 0; i < n; i++)
            assert_true(filter_may_hold_of(buf_slice(&out), probes, rng_next(&again)));
        for (size_t i = 0; i < tries; i++)
            passed += filter_may_hold_of(buf_slice(&out), probes, rng_next(&r));
        double wrong = (double)passed / (double)tries;
        assert_true(wrong < before * 1.1 + 0.001);
        if (bits >= 10) assert_true(wrong < 0.013);
        before = wrong;
        buf_free(&out);
        filter_builder_free(&b);
    }
}

static void test_size(void **state) {
    (void)state;
    assert_int_equal(filter_size(0), 0);
    assert_int_equal(filter_size(1), 64);
    assert_int_equal(filter_size(51), 64);
    assert_int_equal(filter_size(52), 128);
    assert_true(filter_size(1000000) < 1000000 * 10 / 8 + 64);
    assert_false(filter_may_hold(SLICE_EMPTY, 1)); /* holds nothing */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_denied),
        cmocka_unit_test(test_false_positive_rate),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
