/* slow: nothing is told while nobody listens, then what takes long enough. */
#include "support/unit.h"

#include "base/slow.h"

#include <string.h>

static const char *last;
static uint64_t last_us;
static unsigned told;

static void hear(const char *name, uint64_t us) {
    last = name;
    last_us = us;
    told++;
}

static void wait_us(uint64_t us) {
    for (uint64_t end = clock_mono_us() + us; clock_mono_us() < end;)
        continue;
}

static void off(void **state) {
    (void)state;
    uint64_t begun = slow_begin();
    assert_int_equal(begun, 0);
    slow_end("x", begun);
    slow_took("x", UINT64_MAX);
    slow_listen(0, hear);
    slow_took("x", UINT64_MAX);
    slow_listen(5, NULL);
    slow_took("x", UINT64_MAX);
    assert_int_equal(told, 0);
}

static void on(void **state) {
    (void)state;
    slow_listen(2000, hear);
    slow_took("quick", 1999);
    assert_int_equal(told, 0);
    slow_took("slow", 2000);
    assert_string_equal(last, "slow");
    assert_int_equal(last_us, 2000);
    uint64_t begun = slow_begin();
    wait_us(2500);
    slow_end("measured", begun);
    assert_string_equal(last, "measured");
    assert_true(last_us >= 2500 && told == 2);
    slow_end("began before", 0);
    assert_int_equal(told, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(off), cmocka_unit_test(on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
