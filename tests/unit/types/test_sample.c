/* Picks at random: how many there are, that they are different, that each element gets its share,
 * and that reads which are pending end in the same. */
#include "types/sample.h"

#include "support/unit.h"
#include "support/world.h"

#include <stdio.h>

#define MAX 3000

static const el_type type = {.type = KEY_SET, .order = EL_AS_PUT};
static world w;
static engine_ops other; /* the engine's functions, as one that does not count */
static uint32_t seen[MAX];
static uint64_t shown, stop_at;
static bool twice; /* one was shown twice */

static int open_world(void **state) {
    rng r;
    (void)state;
    unit_seed(&r);
    world_open(&w, rng_next(&r), false);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

/* From here on the engine says that it counts, or that it does not. */
static void be_counted(bool on) {
    other = *w.e->ops;
    other.counted = on;
    w.e->ops = &other;
}

/* Elements "0" .. "n-1" of the key "k". */
static void fill(unsigned n) {
    elements el;
    char text[16];
    ks_begin(w.ks);
    el_create(w.ks, 0, SLICE("k"), &type, &el);
    for (unsigned i = 0; i < n; i++) {
        int len = snprintf(text, sizeof text, "%u", i);
        assert_int_equal(
            el_put(&el, 0, slice_of(text, (size_t)len), SLICE_EMPTY, ENGINE_NO_EXPIRE, NULL),
            ENGINE_OK);
    }
    assert_int_equal(el_end(&el), ENGINE_OK);
    ks_commit(w.ks);
}

static bool note(void *ctx, const el_item *item) {
    unsigned i = 0;
    (void)ctx;
    for (size_t k = 0; k < item->sub.len; k++)
        i = i * 10 + (unsigned)(item->sub.data[k] - '0');
    assert_true(i < MAX);
    twice |= seen[i]++ > 0;
    return ++shown != stop_at;
}

typedef engine_result (*sampler)(elements *el, uint64_t n, sample_each each, void *ctx);

/* One command's worth of picks, run again while it is pending; returns how many runs it took. What
 * an unfinished run has shown is forgotten, as a reply is. */
static unsigned pick(sampler sample, uint64_t n) {
    for (unsigned runs = 1;; runs++) {
        static uint32_t before[MAX];
        elements el;
        memcpy(before, seen, sizeof seen);
        shown = 0;
        twice = false;
        ks_begin(w.ks);
        engine_result r = el_open(w.ks, 0, SLICE("k"), &type, 0, &el);
        if (r == ENGINE_OK) r = sample(&el, n, note, NULL);
        if (r == ENGINE_OK) {
            ks_commit(w.ks);
            return runs;
        }
        assert_int_equal(r, ENGINE_PENDING);
        ks_abort(w.ks);
        memcpy(seen, before, sizeof seen);
        assert_true(runs < 100000);
    }
}

static void nothing_from_nothing(void **state) {
    (void)state;
    pick(sample_any, 10);
    assert_int_equal(shown, 0);
    pick(sample_distinct, 10);
    assert_int_equal(shown, 0);
    fill(5);
    pick(sample_any, 0);
    assert_int_equal(shown, 0);
    pick(sample_distinct, 0);
    assert_int_equal(shown, 0);
}

/* Every size near a border, every count near one. */
static void counts_are_right(void **state) {
    static const unsigned sizes[] = {1, 2, 3, 7, 50, 127, 128, 129, 130, 500};
    (void)state;
    for (int counted = 0; counted < 2; counted++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            unsigned size = sizes[s];
            be_counted(counted);
            fill(size);
            for (uint64_t n = 1; n < size + 3; n += 1 + n / 7) {
                memset(seen, 0, sizeof seen);
                pick(sample_distinct, n);
                assert_int_equal(shown, n < size ? n : size);
                assert_false(twice);
                pick(sample_any, n);
                assert_int_equal(shown, n);
            }
            memset(seen, 0, sizeof seen);
            pick(sample_distinct, UINT64_MAX);
            assert_int_equal(shown, size);
            assert_false(twice);
        }
}

static void each_may_stop(void **state) {
    (void)state;
    for (int counted = 0; counted < 2; counted++) {
        be_counted(counted);
        fill(2000);
        stop_at = 3;
        pick(sample_any, UINT64_MAX);
        assert_int_equal(shown, 3);
        pick(sample_distinct, 10);
        assert_int_equal(shown, 3);
        pick(sample_distinct, 1900);
        assert_int_equal(shown, 3);
        stop_at = 0;
    }
}

/* Pearson's statistic over `size` elements, each of which should have come `mean` times. */
static double chi_square(unsigned size, double mean) {
    double sum = 0;
    for (unsigned i = 0; i < size; i++)
        sum += (seen[i] - mean) * (seen[i] - mean) / mean;
    return sum;
}

/* Picks of n at a time: the shares of the elements differ by no more than chance lets them. For
 * `size` degrees of freedom the statistic's mean is about size, its deviation sqrt(2 size): beyond
 * six of these no seed gets. Picks that are different from each other differ less. */
static void check_shares(sampler sample, unsigned size, uint64_t n, double slack) {
    unsigned times = (unsigned)(size * 60 / n);
    double deviation = 1;
    memset(seen, 0, sizeof seen);
    for (unsigned i = 0; i < times; i++)
        pick(sample, n);
    while (deviation * deviation < 2.0 * size)
        deviation++;
    double chi = chi_square(size, (double)times * (double)n / size);
    if (chi >= slack * size + 6 * deviation)
        print_error("size %u, n %u: chi square %f\n", size, (unsigned)n, chi);
    assert_true(chi < slack * size + 6 * deviation);
}

static void shares_are_equal(void **state) {
    (void)state;
    be_counted(true);
    static const unsigned sizes[] = {20, 128, 600};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        unsigned size = sizes[s];
        fill(size);
        check_shares(sample_any, size, 7, 1);
        check_shares(sample_distinct, size, 1, 1);
        check_shares(sample_distinct, size, size / 10, 1);
        check_shares(sample_distinct, size, size / 2, 1);
        check_shares(sample_distinct, size, size - 1, 1);
    }
}

/* Without counts a lot is one of eight successors of a random hash, so an element's chance is the
 * mean of eight gaps: of chances that differ by a third or so come 60 x 1/8 more of the
 * statistic, give or take a fifth. A walk is exact here too. */
static void shares_without_counts(void **state) {
    (void)state;
    be_counted(false);
    fill(600);
    check_shares(sample_any, 600, 10, 18);
    check_shares(sample_distinct, 600, 1, 18);
    check_shares(sample_distinct, 600, 30, 18);
    check_shares(sample_distinct, 600, 300, 1);
}

/* Without counts no rank is asked for, and few picks are no walk. */
static void few_without_counts(void **state) {
    (void)state;
    be_counted(false);
    fill(MAX);
    uint64_t calls = engine_mem_counters(w.e)->calls;
    memset(seen, 0, sizeof seen);
    pick(sample_distinct, 5);
    assert_int_equal(shown, 5);
    assert_true(engine_mem_counters(w.e)->calls - calls < 200);
}

/* A run that is pending asks for other reads, and the next draws the same lots: so it takes a few
 * runs, and not one for each miss. */
static void pending_reads(void **state) {
    (void)state;
    for (int counted = 0; counted < 2; counted++) {
        be_counted(counted);
        fill(MAX);
        engine_mem_knobs(w.e)->pending_permille = 300;
        for (int i = 0; i < 20; i++) {
            memset(seen, 0, sizeof seen);
            assert_true(pick(sample_distinct, 40) < 40);
            assert_int_equal(shown, 40);
            assert_false(twice);
            assert_true(pick(sample_any, 40) < 40);
            assert_int_equal(shown, 40);
        }
        engine_mem_knobs(w.e)->pending_permille = 0;
        fill(400);
        engine_mem_knobs(w.e)->pending_permille = 300;
        memset(seen, 0, sizeof seen);
        pick(sample_distinct, 300);
        assert_int_equal(shown, 300);
        assert_false(twice);
        engine_mem_knobs(w.e)->pending_permille = 0;
    }
}

/* An error is passed on, wherever it comes. */
static void errors(void **state) {
    (void)state;
    fill(500);
    for (int counted = 0; counted < 2; counted++) {
        be_counted(counted);
        for (uint64_t at = 1; at < 8; at++) {
            elements el;
            ks_begin(w.ks);
            assert_int_equal(el_open(w.ks, 0, SLICE("k"), &type, 0, &el), ENGINE_OK);
            engine_mem_knobs(w.e)->error_at = at;
            sampler sample = at % 2 ? sample_any : sample_distinct;
            assert_int_equal(sample(&el, 10 + at % 4 * 60, note, NULL), ENGINE_ERROR);
            engine_mem_knobs(w.e)->error_at = 0;
            ks_abort(w.ks);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_from_nothing, open_world, close_world),
        cmocka_unit_test_setup_teardown(counts_are_right, open_world, close_world),
        cmocka_unit_test_setup_teardown(each_may_stop, open_world, close_world),
        cmocka_unit_test_setup_teardown(shares_are_equal, open_world, close_world),
        cmocka_unit_test_setup_teardown(shares_without_counts, open_world, close_world),
        cmocka_unit_test_setup_teardown(few_without_counts, open_world, close_world),
        cmocka_unit_test_setup_teardown(pending_reads, open_world, close_world),
        cmocka_unit_test_setup_teardown(errors, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
