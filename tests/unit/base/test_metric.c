/* Sizes for people, as INFO shows them. */
#include "base/metric.h"

#include "support/unit.h"

static void check(uint64_t v, const char *expected) {
    buf out = {0};
    metric_human(&out, v);
    assert_true(slice_eq(buf_slice(&out), slice_cstr(expected)));
    buf_free(&out);
}

static void units(void **state) {
    (void)state;
    check(0, "0B");
    check(1023, "1023B");
    check(1024, "1.00K");
    check(1240, "1.21K");
    check((1 << 20) - 1, "1024.00K");
    check(1 << 20, "1.00M");
    check(1ull << 30, "1.00G");
    check(3ull << 39, "1.50T");
    check(1ull << 50, "1.00P");
    check((1ull << 60) - 1, "1024.00P");
    check(1ull << 60, "1152921504606846976B");
}

static void lines(void **state) {
    (void)state;
    buf out = {0};
    metric_u64(&out, "a", UINT64_MAX);
    metric_i64(&out, "b", -1);
    metric_str(&out, "c", "x y");
    metric_f2(&out, "d", 1.006);
    metric_bytes_human(&out, "e", 2048);
    assert_true(
        slice_eq(buf_slice(&out), SLICE("a:18446744073709551615\r\nb:-1\r\nc:x y\r\nd:1.01\r\n"
                                        "e:2048\r\ne_human:2.00K\r\n")));
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units),
        cmocka_unit_test(lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
