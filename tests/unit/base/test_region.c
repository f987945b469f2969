/* Regions: what is taken is aligned, apart from everything else that was taken, and stays as it was
 * written until a reset, which keeps one block. */
#include "base/region.h"

#include "support/unit.h"

#include <stdalign.h>
#include <string.h>

#define PARTS 300

static void parts_are_apart(void **state) {
    (void)state;
    region reg = {0};
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(40); round++) {
        char *part[PARTS];
        size_t len[PARTS];
        size_t n = 1 + rng_below(&r, PARTS);
        for (size_t i = 0; i < n; i++) {
            len[i] = rng_below(&r, rng_below(&r, 20) ? 100 : 40000);
            part[i] = region_alloc(&reg, len[i]);
            assert_non_null(part[i]);
            assert_int_equal((uintptr_t)part[i] % alignof(max_align_t), 0);
            memset(part[i], (int)(i & 0xff), len[i]);
        }
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < len[i]; k++)
                assert_int_equal((unsigned char)part[i][k], i & 0xff);
        region_reset(&reg);
    }
    region_free(&reg);
}

static void a_reset_keeps_a_block(void **state) {
    (void)state;
    region reg = {0};
    void *first = region_alloc(&reg, 100);
    region_reset(&reg);
    assert_ptr_equal(region_alloc(&reg, 100), first);
    (void)region_alloc(&reg, 1000000); /* behind the one that is being filled */
    (void)region_alloc(&reg, 100);
    region_reset(&reg);
    assert_ptr_equal(region_alloc(&reg, 100), first);
    region_free(&reg);
    assert_null(reg.blocks);
    (void)region_alloc(&reg, 1000000);
    region_reset(&reg);
    assert_null(reg.blocks);
    region_free(&reg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_apart),
        cmocka_unit_test(a_reset_keeps_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
