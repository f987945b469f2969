/* Numbers: against the C library, and against what redis-server answers. */
#include "base/num.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/unit.h"

static bool i64(const char *text, int64_t *v) {
    return num_parse_i64(slice_cstr(text), v);
}

static void integers_have_one_strict_form(void **state) {
    (void)state;
    static const char *const good[] = {
        "0", "1", "-1", "10", "9223372036854775807", "-9223372036854775808", "922337203685477580"};
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      "01",
                                      "-0",
                                      "00",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "0x1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "--1",
                                      "1-",
                                      "99999999999999999999",
                                      "18446744073709551616",
                                      "-18446744073709551615",
                                      "123456789012345678901",
                                      "-01"};
    int64_t v;
    uint64_t u;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(i64(good[i], &v));
        assert_int_equal(v, strtoll(good[i], NULL, 10));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (i64(bad[i], &v)) fail_msg("'%s' was read", bad[i]);
    assert_false(num_parse_i64(SLICE("1\0"), &v));
    assert_true(num_parse_u64(SLICE("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(num_parse_u64(SLICE("18446744073709551616"), &u));
    assert_false(num_parse_u64(SLICE("-1"), &u));
    assert_false(num_parse_u64(SLICE("28446744073709551615"), &u));
}

static void integers_round_trip(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < 50000; i++) {
        uint64_t u = rng_next(&r) >> rng_below(&r, 64), u2;
        int64_t v = (int64_t)(rng_below(&r, 2) ? u : 0 - u), v2;
        char out[NUM_I64_TEXT + 1], expected[32];
        out[num_format_i64(out, v)] = '\0';
        snprintf(expected, sizeof expected, "%" PRId64, v);
        assert_string_equal(out, expected);
        assert_true(i64(out, &v2) && v2 == v);
        out[num_format_u64(out, u)] = '\0';
        snprintf(expected, sizeof expected, "%" PRIu64, u);
        assert_string_equal(out, expected);
        assert_true(num_parse_u64(slice_cstr(out), &u2) && u2 == u);
    }
}

/* Texts whose fate differs between readers: answers of redis-server to ZADD and INCRBYFLOAT. */
static void floats_that_redis_reads_and_refuses(void **state) {
    (void)state;
    static const char *const good[] = {"0",
                                       "-0",
                                       "+5",
                                       ".5",
                                       "5.",
                                       "1e5",
                                       "1E5",
                                       "0x10",
                                       "0x1p-3",
                                       "inf",
                                       "-inf",
                                       "+inf",
                                       "Infinity",
                                       "1e-320",
                                       "3.0",
                                       "000000000000000000001.50",
                                       "123456789012345678",
                                       "1e308"};
    static const char *const bad[] = {"",      "nan",  "NaN", "-nan", " 1", "1 ",  "1_0",
                                      "infin", "1d",   ".",   "-",    "+",  "--1", "1e",
                                      "e1",    "1..2", "\t1", "1,5",  "0x"};
    double d;
    long double l;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(num_parse_double(slice_cstr(good[i]), &d));
        assert_memory_equal(&d, &(double){strtod(good[i], NULL)}, sizeof d); /* -0 included */
        assert_true(num_parse_ldouble(slice_cstr(good[i]), &l));
        assert_true(l == strtold(good[i], NULL));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (num_parse_double(slice_cstr(bad[i]), &d) || num_parse_ldouble(slice_cstr(bad[i]), &l))
            fail_msg("'%s' was read", bad[i]);
    assert_false(num_parse_double(SLICE("1e400"), &d));
    assert_false(num_parse_double(SLICE("1e-400"), &d));
    assert_true(num_parse_ldouble(SLICE("1e400"), &l));
    assert_false(num_parse_ldouble(SLICE("1e5000"), &l));
    assert_false(num_parse_double(SLICE("1\0"), &d));
    assert_false(num_parse_double(SLICE("12345678901234567890\0"), &d));
    assert_false(num_parse_ldouble(SLICE("1\0"), &l));
}

static void long_texts(void **state) {
    (void)state;
    static char zeros[6000];
    memset(zeros, '0', sizeof zeros);
    zeros[5999] = '7';
    double d;
    long double l;
    assert_true(num_parse_double(slice_of(zeros, 6000), &d) && d == 7);
    assert_true(num_parse_ldouble(slice_of(zeros + 1000, 5000), &l) && l == 7);
    assert_false(num_parse_ldouble(slice_of(zeros, 6000), &l));
}

/* Every text of the short cut's form must give the bits that strtod gives. */
static void the_short_cut_rounds_like_strtod(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < 100000; i++) {
        char text[40];
        int digits = 1 + (int)rng_below(&r, 17), point = (int)rng_below(&r, (uint64_t)digits + 1);
        int n = 0;
        if (rng_below(&r, 3) == 0) text[n++] = "+-"[rng_below(&r, 2)];
        for (int k = 0; k < digits; k++) {
            if (k == point) text[n++] = '.';
            text[n++] = (char)('0' + rng_below(&r, 10));
        }
        text[n] = '\0';
        double d, expected = strtod(text, NULL);
        assert_true(num_parse_double(slice_of(text, (size_t)n), &d));
        assert_memory_equal(&d, &expected, sizeof d);
    }
}

static void check_double(double v, const char *expected) {
    char out[NUM_DOUBLE_TEXT];
    out[num_format_double(out, v)] = '\0';
    assert_string_equal(out, expected);
}

/* What redis-server 7.2's rules of layout make of the shortest digits. */
static void doubles_print_as_redis_does(void **state) {
    (void)state;
    check_double(0.1, "0.1");
    check_double(0.3, "0.3");
    check_double(0.1 + 0.2, "0.30000000000000004");
    check_double(3, "3");
    check_double(0, "0");
    check_double(-0.0, "-0");
    check_double(-17, "-17");
    check_double(-17.25, "-17.25");
    check_double(100000.5, "100000.5");
    check_double(1e16, "10000000000000000");
    check_double(1e17, "100000000000000000");
    check_double(1e18, "1000000000000000000");
    check_double(123456789012345678.0, "123456789012345680");
    check_double(4611686018427387904.0, "4611686018427387904");
    check_double(-4611686018427387904.0, "-4611686018427387904");
    check_double(4611686018427388928.0, "4611686018427389000");
    check_double(9223372036854775808.0, "9223372036854776000");
    check_double(1e19, "1e+19");
    check_double(1e21, "1e+21");
    check_double(1.5e300, "1.5e+300");
    check_double(-1e100, "-1e+100");
    check_double(1.2345678901234567e22, "12345678901234568000000");
    check_double(1e-4, "0.0001");
    check_double(1e-6, "0.000001");
    check_double(1e-7, "1e-7");
    check_double(1.5e-7, "1.5e-7");
    check_double(0.00012345, "1.2345e-4");
    check_double(0.0012345678, "0.0012345678");
    check_double(1.25e-5, "1.25e-5");
    check_double(1e-300, "1e-300");
    check_double(5e-324, "5e-324");
    check_double(2.2250738585072014e-308, "2.2250738585072014e-308");
    check_double(2.225073858507201e-308, "2.225073858507201e-308");
    check_double(1.7976931348623157e308, "1.7976931348623157e+308");
    check_double(-1.7976931348623157e308, "-1.7976931348623157e+308");
    check_double(9007199254740993.0, "9007199254740992");
    check_double(INFINITY, "inf");
    check_double(-INFINITY, "-inf");
    check_double(NAN, "nan");
}

/* How many digits of a text count, that is without zeros at either end. */
static int digits_of(const char *text) {
    int n = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9') continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        n += n > 0 || *text != '0';
    }
    return n > zeros ? n - zeros : 0;
}

/* The fewest digits that the library needs so that the number is read back. */
static int fewest_digits(double v) {
    char text[64];
    for (int n = 1; n < 17; n++) {
        snprintf(text, sizeof text, "%.*e", n - 1, v);
        if (strtod(text, NULL) == v) return n;
    }
    return 17;
}

static double some_double(rng *r) {
    uint64_t bits = rng_next(r);
    double v;
    switch (rng_below(r, 6)) {
    case 0: return (double)(int64_t)bits / (double)(1ull << rng_below(r, 64));
    case 1: return (double)(int64_t)(bits >> rng_below(r, 64)) / pow(10, (double)rng_below(r, 25));
    case 2: return ldexp(1, (int)rng_below(r, 2098) - 1074);
    case 3: bits &= UINT64_MAX >> (1 + rng_below(r, 63)); break; /* small exponents: denormals */
    case 4: return (double)(bits >> 11) / 9007199254740992.0;
    default: break;
    }
    memcpy(&v, &bits, sizeof v);
    return isfinite(v) ? v : 0.5;
}

static void doubles_are_short_and_read_back(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(60000); i++) {
        char text[NUM_DOUBLE_TEXT + 1];
        double v = some_double(&r);
        size_t n = num_format_double(text, v);
        assert_true(n < NUM_DOUBLE_TEXT);
        text[n] = '\0';
        if (strtod(text, NULL) != v) fail_msg("%a is printed as %s", v, text);
        if (fabs(v) <= 4611686018427387904.0 && trunc(v) == v) continue; /* all digits */
        if (digits_of(text) > fewest_digits(v))
            fail_msg("%a has %d digits, is printed as %s", v, fewest_digits(v), text);
    }
}

/* 2^-44: the nearest 16 digits are as near as those below, which read back as another number. */
static void doubles_at_powers_of_two(void **state) {
    (void)state;
    check_double(ldexp(1, -44), "5.684341886080802e-14");
    check_double(ldexp(1, -24), "5.960464477539063e-8");
    check_double(ldexp(1, 89), "6.189700196426902e+26");
    check_double(ldexp(1, -1022), "2.2250738585072014e-308");
}

static void check_ldouble(long double v, const char *expected) {
    char out[NUM_LDOUBLE_TEXT];
    out[num_format_ldouble(out, v)] = '\0';
    assert_string_equal(out, expected);
}

/* Answers of redis-server to INCRBYFLOAT on a missing key. */
static void long_doubles_print_as_incrbyfloat_does(void **state) {
    (void)state;
    check_ldouble(0.1L, "0.1");
    check_ldouble(1e16L, "10000000000000000");
    check_ldouble(5.0e3L, "5000");
    check_ldouble(5.0e3L + 2.0e2L, "5200");
    check_ldouble(1e-17L, "0.00000000000000001");
    check_ldouble(1e-18L, "0");
    check_ldouble(-1e-19L, "0");
    check_ldouble(-0.0L, "0");
    check_ldouble(10.5L + 0.1L, "10.6");
    check_ldouble(-10.25L, "-10.25");
    check_ldouble(100, "100");
    check_ldouble(INFINITY, "inf");
    check_ldouble(-INFINITY, "-inf");
    char out[NUM_LDOUBLE_TEXT];
    assert_in_range(num_format_ldouble(out, -LDBL_MAX), 4933, sizeof out - 1);
}

static void memory_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t v;
    } good[] = {{"0", 0},
                {"512", 512},
                {"5b", 5},
                {"5B", 5},
                {"1k", 1000},
                {"1kb", 1024},
                {"2K", 2000},
                {"2Kb", 2048},
                {"3m", 3000000},
                {"3mB", 3 << 20},
                {"4g", 4000000000u},
                {"4GB", 4ull << 30},
                {"007kb", 7168},
                {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"",
                                      "kb",
                                      "-1",
                                      " 1",
                                      "1 ",
                                      "1t",
                                      "1.5g",
                                      "1kk",
                                      "1%",
                                      "1 kb",
                                      "18446744073709551616",
                                      "18446744073709551615k",
                                      "99999999999999999999gb"};
    uint64_t v;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(num_parse_memory(slice_cstr(good[i].text), &v));
        assert_int_equal(v, good[i].v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (num_parse_memory(slice_cstr(bad[i]), &v)) fail_msg("'%s' was read", bad[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_have_one_strict_form),
        cmocka_unit_test(integers_round_trip),
        cmocka_unit_test(floats_that_redis_reads_and_refuses),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(the_short_cut_rounds_like_strtod),
        cmocka_unit_test(doubles_print_as_redis_does),
        cmocka_unit_test(doubles_are_short_and_read_back),
        cmocka_unit_test(doubles_at_powers_of_two),
        cmocka_unit_test(long_doubles_print_as_incrbyfloat_does),
        cmocka_unit_test(memory_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
