/* The clock object: the system's time, or whatever stands in for it. */
#include "base/clock.h"

#include <stddef.h>
#include <time.h>

#include "support/unit.h"

static void reads_the_system(void **state) {
    (void)state;
    stave_clock c = {0};
    uint64_t before = clock_mono_us();
    clock_refresh(&c);
    uint64_t after = clock_mono_us();
    assert_in_range(c.mono_us, before, after);
    time_t now = time(NULL);
    assert_in_range((uint64_t)(c.wall_ms / 1000), (uint64_t)now - 1, (uint64_t)now + 1);
    assert_in_range((uint64_t)(clock_wall_us() / 1000000), (uint64_t)now - 1, (uint64_t)now + 1);
    uint64_t ns = clock_mono_ns();
    assert_true(clock_mono_ns() >= ns);
}

static void fixed(stave_clock *c) {
    c->wall_ms = 5;
    c->mono_us = *(uint64_t *)c->ctx += 10;
}

static void can_be_replaced(void **state) {
    (void)state;
    uint64_t at = 100;
    stave_clock c = {.read = fixed, .ctx = &at};
    clock_refresh(&c);
    clock_refresh(&c);
    assert_int_equal(c.wall_ms, 5);
    assert_int_equal(c.mono_us, 120);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_system),
        cmocka_unit_test(can_be_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
