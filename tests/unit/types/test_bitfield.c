/* Integers in bits, against one bit at a time; sums, against the definition. */
#include "types/bitmap.h"

#include "support/unit.h"

/* The unsigned number in `bits` bits from place `at`, bit by bit. */
static uint64_t naive_get(const uint8_t *p, unsigned at, unsigned bits) {
    uint64_t v = 0;
    for (unsigned i = at; i < at + bits; i++)
        v = v << 1 | (p[i / 8] >> (7 - i % 8) & 1);
    return v;
}

static int64_t naive_signed(uint64_t v, unsigned bits) {
    if (bits < 64 && v >> (bits - 1)) v |= UINT64_MAX << bits;
    return (int64_t)v;
}

static void windows(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int n = 0; n < unit_rounds(200000); n++) {
        uint8_t w[BIT_WINDOW], before[BIT_WINDOW];
        for (int i = 0; i < BIT_WINDOW; i++)
            before[i] = w[i] = (uint8_t)rng_next(&r);
        bit_type t = {.is_signed = rng_below(&r, 2)};
        t.bits = 1 + (unsigned)rng_below(&r, t.is_signed ? 64 : 63);
        unsigned at = (unsigned)rng_below(&r, 8);
        uint64_t plain = naive_get(w, at, t.bits);
        int64_t got = bit_window_get(w, at, t);
        assert_true(got == (t.is_signed ? naive_signed(plain, t.bits) : (int64_t)plain));
        int64_t v = (int64_t)rng_next(&r);
        bit_window_set(w, at, t, v);
        uint64_t mask = t.bits == 64 ? UINT64_MAX : ((uint64_t)1 << t.bits) - 1;
        assert_true(naive_get(w, at, t.bits) == ((uint64_t)v & mask));
        /* Nothing around it changed, and it lies where it should. */
        assert_true(at == 0 || naive_get(w, 0, at) == naive_get(before, 0, at));
        unsigned end = at + t.bits;
        for (unsigned i = end; i < 8 * BIT_WINDOW; i++)
            assert_int_equal(naive_get(w, i, 1), naive_get(before, i, 1));
        assert_int_equal(bit_window_bytes(at, t), (end + 7) / 8);
    }
}

static void types(void **state) {
    (void)state;
    bit_type t;
    assert_true(bit_type_parse(SLICE("i64"), &t) && t.is_signed && t.bits == 64);
    assert_true(bit_type_parse(SLICE("u1"), &t) && !t.is_signed && t.bits == 1);
    assert_true(bit_type_parse(SLICE("u63"), &t));
    static const char *const bad[] = {"u64", "i65", "i0", "u", "", "x8", "8", "i-1", "u08", "I8"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(bit_type_parse(slice_cstr(bad[i]), &t));
}

/* The edges of one type, each way of overflow. */
static void assert_add(const char *type, bit_overflow how, int64_t old, int64_t by, bool fits,
                       int64_t sum) {
    bit_type t;
    int64_t out;
    assert_true(bit_type_parse(slice_cstr(type), &t));
    assert_int_equal(bit_add(t, how, old, by, &out), fits);
    if (fits) assert_true(out == sum);
}

static void sums(void **state) {
    (void)state;
    assert_add("i8", OVERFLOW_WRAP, 127, 1, true, -128);
    assert_add("i8", OVERFLOW_SAT, 127, 1, true, 127);
    assert_add("i8", OVERFLOW_FAIL, 127, 1, false, 0);
    assert_add("i8", OVERFLOW_FAIL, 126, 1, true, 127);
    assert_add("i8", OVERFLOW_WRAP, -128, -1, true, 127);
    assert_add("i8", OVERFLOW_SAT, -128, -1, true, -128);
    assert_add("i8", OVERFLOW_WRAP, 5, 1000, true, -19);
    assert_add("u8", OVERFLOW_WRAP, 255, 1, true, 0);
    assert_add("u8", OVERFLOW_SAT, 250, 10, true, 255);
    assert_add("u8", OVERFLOW_WRAP, 0, -1, true, 255);
    assert_add("u8", OVERFLOW_SAT, 0, -1, true, 0);
    assert_add("u8", OVERFLOW_FAIL, 0, -1, false, 0);
    assert_add("u8", OVERFLOW_SAT, -1, 0, true, 255); /* SET u8 -1: counts as unsigned */
    assert_add("u8", OVERFLOW_WRAP, -1, 0, true, 255);
    assert_add("i64", OVERFLOW_WRAP, INT64_MAX, 1, true, INT64_MIN);
    assert_add("i64", OVERFLOW_SAT, INT64_MAX, INT64_MAX, true, INT64_MAX);
    assert_add("i64", OVERFLOW_SAT, INT64_MIN, INT64_MIN, true, INT64_MIN);
    assert_add("i64", OVERFLOW_FAIL, INT64_MIN, -1, false, 0);
    assert_add("u63", OVERFLOW_SAT, INT64_MAX, 1, true, INT64_MAX);
    assert_add("u63", OVERFLOW_WRAP, INT64_MAX, 1, true, 0);
    assert_add("i1", OVERFLOW_WRAP, 0, 1, true, -1);
    assert_add("u1", OVERFLOW_SAT, 1, 1, true, 1);
}

/* Small types, every pair of values. */
static void small_types_exhaustively(void **state) {
    (void)state;
    for (int s = 0; s < 2; s++)
        for (int old = s ? -16 : 0; old < (s ? 16 : 32); old++)
            for (int by = -70; by <= 70; by++) {
                bit_type t = {.is_signed = s, .bits = 5};
                int min = s ? -16 : 0, max = s ? 15 : 31, sum = old + by;
                bool fits = sum >= min && sum <= max;
                int64_t out;
                assert_int_equal(bit_add(t, OVERFLOW_FAIL, old, by, &out), fits);
                assert_true(bit_add(t, OVERFLOW_SAT, old, by, &out));
                assert_true(out == (sum < min ? min : sum > max ? max : sum));
                assert_true(bit_add(t, OVERFLOW_WRAP, old, by, &out));
                assert_true(out >= min && out <= max && (out - sum) % 32 == 0);
            }
}

static void popcounts(void **state) {
    (void)state;
    rng r;
    char bytes[300];
    unit_seed(&r);
    for (int n = 0; n < unit_rounds(3000); n++) {
        size_t at = rng_below(&r, 20), len = rng_below(&r, sizeof bytes - at);
        uint64_t expected = 0;
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)rng_next(&r);
        for (size_t i = at; i < at + len; i++)
            expected +=
                naive_get((uint8_t *)bytes + i, 0, 1) + naive_get((uint8_t *)bytes + i, 1, 1) +
                naive_get((uint8_t *)bytes + i, 2, 1) + naive_get((uint8_t *)bytes + i, 3, 1) +
                naive_get((uint8_t *)bytes + i, 4, 1) + naive_get((uint8_t *)bytes + i, 5, 1) +
                naive_get((uint8_t *)bytes + i, 6, 1) + naive_get((uint8_t *)bytes + i, 7, 1);
        assert_int_equal(bitmap_popcount(bytes + at, len), expected);
        assert_int_equal(bitmap_popcount_portable(bytes + at, len), expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows),   cmocka_unit_test(types),
        cmocka_unit_test(sums),      cmocka_unit_test(small_types_exhaustively),
        cmocka_unit_test(popcounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
