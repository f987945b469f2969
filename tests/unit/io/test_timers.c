/* Tests of timers: order, removal from anywhere, and long random runs against a plain list. */
#include "base/rand.h"
#include "io/timers.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CALLS_MAX 64

static int calls[CALLS_MAX], ncalls;
static timers *t;

typedef struct timer {
    int number;
    int64_t again;       /* returned by the next call */
    uint64_t id, remove; /* remove: taken out by the next call */
    int64_t add_ms;      /* >= 0: another timer is added by the next call */
    struct timer *other;
} timer;

static int64_t fire(void *ctx) {
    timer *x = ctx;
    calls[ncalls++] = x->number;
    if (x->remove) timers_remove(t, x->remove);
    if (x->other) x->other->id = timers_add(t, 1000, x->add_ms, fire, x->other);
    x->other = NULL;
    int64_t again = x->again;
    x->again = -1;
    return again;
}

static int setup(void **state) {
    (void)state;
    t = timers_new();
    ncalls = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    timers_free(t);
    return 0;
}

static void assert_calls(int n, ...) {
    va_list ap;
    va_start(ap, n);
    assert_int_equal(ncalls, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(calls[i], va_arg(ap, int));
    va_end(ap);
    ncalls = 0;
}

static void test_order(void **state) {
    (void)state;
    timer x[5] = {{0, -1}, {1, -1}, {2, -1}, {3, -1}, {4, -1}};
    static const int64_t delay[5] = {5, 3, 5, -7, 3};
    assert_int_equal(timers_wait_ms(t, 0), -1);
    for (int i = 0; i < 5; i++)
        x[i].id = timers_add(t, 1000, delay[i], fire, &x[i]);
    assert_int_equal(timers_wait_ms(t, 1000), 0); /* a negative delay is none */
    assert_int_equal(timers_run(t, 999), 0);
    assert_int_equal(timers_run(t, 1000), 1);
    assert_calls(1, 3);
    assert_int_equal(timers_wait_ms(t, 1000), 3);
    assert_int_equal(timers_wait_ms(t, 1001), 3); /* rounded up: never called too early */
    assert_int_equal(timers_wait_ms(t, 3999), 1);
    assert_int_equal(timers_run(t, 3999), 0);
    assert_int_equal(timers_run(t, 90000), 4);
    assert_calls(4, 1, 4, 0, 2);
    assert_int_equal(timers_count(t), 0);
    assert_int_equal(timers_wait_ms(t, 90000), -1);
}

/* Called again as the return value says; "at once" is the next run, not this one for ever. */
static void test_again(void **state) {
    (void)state;
    timer x = {1, 0};
    timers_add(t, 0, 0, fire, &x);
    assert_int_equal(timers_run(t, 10), 1);
    x.again = 20;
    assert_int_equal(timers_run(t, 10), 1);
    assert_int_equal(timers_run(t, 20009), 0);
    assert_int_equal(timers_run(t, 20010), 1);
    assert_int_equal(timers_run(t, 1000000), 0);
    assert_calls(3, 1, 1, 1);
}

/* One that is added with no delay during a run waits, though older ones are still due. */
static void test_added_while_running(void **state) {
    (void)state;
    timer late = {9, -1}, x = {1, -1}, y = {2, -1};
    x.other = &late;
    x.add_ms = 0;
    timers_add(t, 0, 1, fire, &x);
    timers_add(t, 0, 1, fire, &y);
    assert_int_equal(timers_run(t, 1000), 2);
    assert_calls(2, 1, 2);
    assert_int_equal(timers_wait_ms(t, 1000), 0);
    assert_int_equal(timers_run(t, 1000), 1);
    assert_calls(1, 9);
}

static void test_remove(void **state) {
    (void)state;
    timer x = {1, 0}, y = {2, -1}, z = {3, -1};
    timers_remove(t, 0);
    timers_remove(t, 12345);
    x.remove = x.id = timers_add(t, 0, 1, fire, &x); /* itself: its "again" is not heard */
    y.id = timers_add(t, 0, 2, fire, &y);
    z.id = timers_add(t, 0, 3, fire, &z);
    y.remove = z.id; /* one that is due in the same run */
    assert_int_equal(timers_run(t, 9000), 2);
    assert_calls(2, 1, 2);
    assert_int_equal(timers_count(t), 0);
    /* Ids that have ended do nothing to those that came after, in the same slots. */
    timer u = {4, -1};
    u.id = timers_add(t, 0, 1, fire, &u);
    timers_remove(t, x.id);
    timers_remove(t, y.id);
    timers_remove(t, z.id);
    assert_int_equal(timers_count(t), 1);
    assert_int_equal(timers_run(t, 9000), 1);
    assert_calls(1, 4);
}

static void test_far_future(void **state) {
    (void)state;
    timer x = {1, -1};
    timers_add(t, 5, INT64_MAX, fire, &x);
    assert_int_equal(timers_wait_ms(t, 5), INT_MAX);
    assert_int_equal(timers_run(t, UINT64_MAX - 1), 0);
}

/* ---- against a list
 * ----------------------------------------------------------------------------*/

#define MODEL 300
typedef struct model_timer {
    bool live;
    uint64_t due, seq, id;
    int index;
} model_timer;

static model_timer model[MODEL];
static uint64_t model_seq, model_last_due, model_last_seq, model_now;
static int model_fired;
static rng chance;

static int64_t model_fire(void *ctx) {
    model_timer *m = ctx;
    assert_true(m->live && m->due <= model_now);
    assert_true(m->due > model_last_due || (m->due == model_last_due && m->seq > model_last_seq));
    model_last_due = m->due;
    model_last_seq = m->seq;
    model_fired++;
    if (rng_below(&chance, 3)) {
        m->live = false;
        return -1;
    }
    int64_t again = (int64_t)rng_below(&chance, 20);
    m->due = model_now + (uint64_t)again * 1000;
    m->seq = model_seq++;
    return again;
}

static void model_run(void) {
    int due = 0;
    for (int i = 0; i < MODEL; i++)
        due += model[i].live && model[i].due <= model_now;
    model_fired = 0;
    model_last_due = model_last_seq = 0;
    assert_int_equal(timers_run(t, model_now), due);
    assert_int_equal(model_fired, due);
}

static void model_check(void) {
    size_t live = 0;
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < MODEL; i++) {
        if (!model[i].live) continue;
        live++;
        if (model[i].due < next) next = model[i].due;
    }
    assert_int_equal(timers_count(t), live);
    int want = live ? next <= model_now ? 0 : (int)((next - model_now + 999) / 1000) : -1;
    assert_int_equal(timers_wait_ms(t, model_now), want);
}

static void test_against_a_list(void **state) {
    (void)state;
    const char *text = getenv("STAVE_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : clock_mono_ns();
    printf("STAVE_SEED=%llu\n", (unsigned long long)seed);
    rng_seed(&chance, seed);
    model_seq = 1;
    model_now = 1;
    for (int step = 0; step < 20000; step++) {
        model_timer *m = &model[rng_below(&chance, MODEL)];
        switch (rng_below(&chance, 8)) {
        case 0: model_now += rng_below(&chance, 5000); break;
        case 1: model_run(); break;
        case 2:
        case 3:
            if (!m->live) break;
            timers_remove(t, m->id);
            m->live = false;
            break;
        default:
            if (m->live) break;
            int64_t delay = (int64_t)rng_below(&chance, 50);
            *m = (model_timer){true, model_now + (uint64_t)delay * 1000, model_seq++, 0, 0};
            m->id = timers_add(t, model_now, delay, model_fire, m);
            assert_true(m->id > 0);
        }
        if (step % 16 == 0) model_check();
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_order),  TEST(test_again),      TEST(test_added_while_running),
        TEST(test_remove), TEST(test_far_future), TEST(test_against_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
