/* Blocks that go back a little at a time: all of them, once, and no faster than was asked. */
#include "base/mem_later.h"

#include <string.h>

#include "support/unit.h"

#define MIB ((size_t)1 << 20)

/* All that waits. */
static void drain(void) {
    while (mem_later_some(100))
        continue;
    assert_int_equal(mem_later_bytes(), 0);
}

static void a_large_block_goes_in_steps(void **state) {
    (void)state;
    uint64_t before = mem_used();
    char *p = mem_alloc(64 * MIB + 123);
    memset(p, 1, 64 * MIB + 123);
    mem_free_later(p, 64 * MIB + 123);
    assert_int_equal(mem_later_bytes(), 64 * MIB + 123);
    assert_true(mem_later_some(0)); /* a step, and no more */
    assert_in_range(mem_later_bytes(), 63 * MIB, 64 * MIB);
    assert_in_range(mem_later_held(), 64 * MIB + 123, 80 * MIB);      /* its size class .. */
    assert_in_range(mem_used() - mem_later_held(), 0, before + 4096); /* .. as mem_used() has it */
    drain();
    assert_int_equal(mem_later_held(), 0);
    assert_in_range(mem_used(), 0, before + 4096);
    assert_false(mem_later_some(1000));
}

static void a_small_block_goes_at_once(void **state) {
    (void)state;
    mem_free_later(mem_alloc(1000), 1000);
    mem_free_later(NULL, 0);
    buf b = {0};
    buf_reserve(&b, 5000);
    buf_free_later(&b);
    assert_null(b.data);
    assert_int_equal(b.cap, 0);
    assert_int_equal(mem_later_bytes(), 0);
}

static void mixed(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    uint64_t mapped = mem_mapped(), total = 0;
    for (int i = 0; i < unit_rounds(60); i++) {
        size_t n = (1 + rng_below(&r, 1500)) * 4096;
        if (rng_below(&r, 2)) {
            char *p = mem_map(n);
            p[n - 1] = p[0] = 1;
            mem_unmap_later(p, n);
            total += n;
        } else {
            buf b = {0};
            size_t odd = n + rng_below(&r, 4096);
            memset(buf_reserve_exact(&b, odd), 1, odd);
            buf_free_later(&b);
            total += odd >= MEM_LATER_MIN ? odd : 0;
        }
        assert_true(mem_later_bytes() <= total && mem_later_held() >= mem_later_bytes());
        if (rng_below(&r, 4) == 0) (void)mem_later_some(rng_below(&r, 50));
    }
    drain();
    assert_int_equal(mem_later_held(), 0);
    assert_int_equal(mem_mapped(), mapped);
}

static void whole_pages_within_are_given(void **state) {
    (void)state;
    char *p = mem_map(4 * 4096);
    memset(p, 7, 4 * 4096);
    mem_give_pages(p + 1, 2 * 4096 + 4095); /* two whole ones */
    for (size_t i = 0; i < 4 * 4096; i++)
        assert_int_equal(p[i], i >= 4096 && i < 3 * 4096 ? 0 : 7);
    mem_give_pages(p + 1, 4096); /* none */
    mem_give_pages(p + 1, 0);
    assert_int_equal(p[4095], 7);
    mem_unmap(p, 4 * 4096);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_block_goes_in_steps),
        cmocka_unit_test(a_small_block_goes_at_once),
        cmocka_unit_test(mixed),
        cmocka_unit_test(whole_pages_within_are_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
