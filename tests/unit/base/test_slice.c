/* Slices against the C library's idea of order and of letters' case. */
#include "base/slice.h"

#include <strings.h>

#include "support/unit.h"

static void compares_like_memcmp_with_prefixes_first(void **state) {
    (void)state;
    assert_int_equal(slice_cmp(SLICE_EMPTY, SLICE_EMPTY), 0);
    assert_true(slice_cmp(SLICE_EMPTY, SLICE("a")) < 0);
    assert_true(slice_cmp(SLICE("ab"), SLICE("a")) > 0);
    assert_true(slice_cmp(SLICE("a\xff"), SLICE("b")) < 0);
    assert_true(slice_cmp(SLICE("\x80"), SLICE("\x7f")) > 0); /* bytes are unsigned */
    assert_true(slice_eq(SLICE("a\0b"), SLICE("a\0b")));
    assert_false(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
    assert_false(slice_eq(SLICE("a"), SLICE("ab")));
}

static void ignores_the_case_of_ascii_only(void **state) {
    (void)state;
    assert_true(slice_ieq(SLICE("GeT"), "gEt"));
    assert_false(slice_ieq(SLICE("get"), "gets"));
    assert_false(slice_ieq(SLICE("gets"), "get"));
    assert_true(slice_ieq(SLICE_EMPTY, ""));
    assert_false(slice_ieq(SLICE("\0"), ""));
    for (int a = 1; a < 256; a++)
        for (int b = 1; b < 256; b++) {
            char x = (char)a, y[2] = {(char)b, 0}, z[2] = {(char)a, 0};
            assert_int_equal(slice_ieq(slice_of(&x, 1), y), strcasecmp(z, y) == 0);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_like_memcmp_with_prefixes_first),
        cmocka_unit_test(ignores_the_case_of_ascii_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
