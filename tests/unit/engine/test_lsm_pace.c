/* pace: waits grow with what lags behind, without a step; they end; a load that is too high comes
 * to rest at what is worked off, below the hard limit. */
#include "engine/lsm/pace.h"
#include "support/unit.h"

static const pace_limits limits = {.soft = {1.5, 12, 1e9}, .hard = {4, 36, 4e9}};

static uint64_t rate_at(double memtables, double level0, double pending) {
    pace p;
    pace_init(&p);
    pace_load l = {memtables, level0, pending};
    pace_update(&p, &l, &limits);
    return p.rate;
}

static void test_none(void **state) {
    (void)state;
    pace p;
    pace_init(&p);
    pace_load l = {1.5, 12, 1e9};
    pace_update(&p, &l, &limits);
    assert_int_equal(p.reason, PACE_NONE);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pace_ask(&p, 5, 1 << 20), 0);
    assert_true(p.stalls == 0 && p.stall_us == 0);
}

/* More to do: never a higher rate. And no step: a hundredth more of the way changes it little. */
static void test_monotone(void **state) {
    (void)state;
    uint64_t before[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    for (int i = 1; i <= 120; i++) {
        double x = i / 100.0;
        uint64_t now[3] = {rate_at(1.5 + 2.5 * x, 0, 0), rate_at(0, 12 + 24 * x, 0),
                           rate_at(0, 0, 1e9 + 3e9 * x)};
        for (int k = 0; k < 3; k++) {
            assert_true(now[k] > 0 && now[k] <= before[k]);
            if (i > 10 && i < 90) assert_true(now[k] * 10 > before[k] * 8);
            before[k] = now[k];
        }
    }
    /* at first it is no limit to speak of, half way what is worked off, then next to nothing */
    assert_true(rate_at(1.51, 0, 0) > 1000000000);
    assert_in_range(rate_at(2.75, 0, 0), 31900000, 32100000);
    assert_true(rate_at(4, 0, 0) <= 65536);
}

static void test_worst_counts(void **state) {
    (void)state;
    pace p;
    pace_init(&p);
    pace_load l = {2, 35, 2e9};
    pace_update(&p, &l, &limits);
    assert_int_equal(p.reason, PACE_LEVEL0);
    l.memtables = 5;
    pace_update(&p, &l, &limits);
    assert_int_equal(p.reason, PACE_MEMTABLES);
    assert_true(p.pressure == 1);
    l = (pace_load){0, 0, 3e9};
    pace_update(&p, &l, &limits);
    assert_int_equal(p.reason, PACE_PENDING);
}

/* No wait is longer than the longest, whatever is asked; and once things are well nobody waits for
 * what was asked before. */
static void test_bounded(void **state) {
    (void)state;
    pace p;
    pace_init(&p);
    pace_load l = {4, 0, 0};
    pace_update(&p, &l, &limits);
    for (int i = 0; i < 1000; i++)
        assert_true(pace_ask(&p, 1000, 100 << 20) <= PACE_WAIT_MAX);
    assert_int_equal(p.stalls, 1);
    assert_int_equal(p.stall_us, PACE_WAIT_MAX); /* many wait at the same time */
    assert_int_equal(p.stopped_us, PACE_WAIT_MAX);
    l.memtables = 1;
    pace_update(&p, &l, &limits);
    assert_int_equal(pace_ask(&p, 2000, 100), 0);
    l.memtables = 2;
    pace_update(&p, &l, &limits);
    assert_int_equal(pace_ask(&p, 3000, 100), 0);
}

/* What waits waits for as long as a timer can tell. */
static void test_small_writes(void **state) {
    (void)state;
    pace p;
    pace_init(&p);
    pace_load l = {2.75, 0, 0}; /* 32 bytes a microsecond */
    pace_update(&p, &l, &limits);
    uint64_t free_writes = 0, wait;
    while ((wait = pace_ask(&p, 1000, 320)) == 0)
        free_writes++;
    assert_in_range(free_writes, 190, 200);
    assert_in_range(wait, 2000, 2020);
}

static void test_measure(void **state) {
    (void)state;
    pace p;
    pace_init(&p);
    for (int i = 0; i < 50; i++)
        pace_flushed(&p, 10 << 20, 100000);
    assert_true(p.flush_rate > 104e6 && p.flush_rate < 105e6);
    assert_true(p.drain_rate == 32e6);
    double before = p.flush_rate;
    pace_flushed(&p, 100, 1000000); /* says nothing */
    assert_true(p.flush_rate == before);
    pace_flushed(&p, 1 << 20, 0);
    assert_true(p.flush_rate > before);
}

/* Fifty clients write as fast as they may; a flush takes 100 MB a second. They are slowed to that,
 * and the memtables stay below the hard limit. */
static void test_comes_to_rest(void **state) {
    (void)state;
    enum { CLIENTS = 50, WRITE = 1000 };
    pace p;
    uint64_t ready[CLIENTS] = {0}, now, late = 0;
    double waiting = 0, most = 0, size = 16e6;
    pace_init(&p);
    for (int i = 0; i < 50; i++)
        pace_flushed(&p, 10000000, 100000);
    for (now = 0; now < 20000000; now += 100) {
        double drained = 100e6 / 1e6 * 100; /* bytes in 100 us */
        waiting = waiting > drained ? waiting - drained : 0;
        pace_load l = {waiting / size, 0, 0};
        pace_update(&p, &l, &limits);
        for (int i = 0; i < CLIENTS; i++) {
            if (ready[i] > now) continue;
            ready[i] = now + 100 + pace_ask(&p, now, WRITE);
            waiting += WRITE;
            if (now > 10000000) late += WRITE;
        }
        if (waiting > most) most = waiting;
    }
    assert_true(most / size < 3.9);
    assert_in_range(late, 950000000, 1050000000); /* ten seconds' worth of flushing */
    assert_true(p.stall_us > 0 && p.stopped_us == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),          cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_worst_counts),  cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_small_writes),  cmocka_unit_test(test_measure),
        cmocka_unit_test(test_comes_to_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
