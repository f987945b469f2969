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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
