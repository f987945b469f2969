/* compress: what comes back is what went in, or an error; never more memory than was allowed. */
#include "support/unit.h"

#include <lz4.h>

#include "storage/compress.h"
#include "storage/record.h"

/* n bytes of which a share repeats. */
static void text(rng *r, buf *b, size_t n, unsigned repeat) {
    buf_clear(b);
    while (b->len < n) {
        if (b->len > 16 && rng_below(r, 100) < repeat) {
            size_t from = rng_below(r, b->len - 8);
            char copy[8];
            memcpy(copy, b->data + from, sizeof copy);
            buf_append(b, copy, sizeof copy);
        } else {
            buf_append_char(b, (char)rng_next(r));
        }
    }
    b->len = n;
}

static void test_round_trip(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    buf plain = {0}, scratch = {0}, back = {0};
    size_t packed_some = 0;
    for (int i = 0; i < unit_rounds(2000); i++) {
        slice out;
        text(&r, &plain, rng_below(&r, i % 100 ? 2000 : RECORD_VALUE_MAX),
             (unsigned)rng_below(&r, 101));
        if (!compress_value(buf_slice(&plain), &scratch, &out)) continue;
        packed_some++;
        assert_true(plain.len >= COMPRESS_MIN);
        assert_true(out.len <= plain.len - plain.len / 8);
        buf_clear(&back);
        buf_append_char(&back, '>'); /* it appends */
        assert_true(status_ok(compress_undo(out, plain.len, RECORD_VALUE_MAX, &back)));
        assert_int_equal(back.data[0], '>');
        assert_true(slice_eq(slice_skip(buf_slice(&back), 1), buf_slice(&plain)));
    }
    assert_true(packed_some > 10);
    buf_free(&plain);
    buf_free(&scratch);
    buf_free(&back);
}

static void test_not_worth_it(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    buf plain = {0}, scratch = {0};
    slice out;
    text(&r, &plain, 5000, 0); /* noise */
    assert_false(compress_value(buf_slice(&plain), &scratch, &out));
    memset(plain.data, 'a', 5000);
    assert_false(compress_value(slice_of(plain.data, COMPRESS_MIN - 1), &scratch, &out));
    assert_true(compress_value(slice_of(plain.data, 5000), &scratch, &out));
    assert_false(compress_value(SLICE_EMPTY, &scratch, &out));
    buf_free(&plain);
    buf_free(&scratch);
}

/* Lengths that lie: refused before memory is asked for, or found out while decompressing. */
static void test_bombs(void **state) {
    (void)state;
    buf plain = {0}, scratch = {0}, back = {0};
    slice packed;
    memset(buf_reserve(&plain, 100000), 0, 100000);
    plain.len = 100000;
    assert_true(compress_value(buf_slice(&plain), &scratch, &packed));
    static const uint64_t wrong[] = {
        0, 1, 99999, 100001, RECORD_VALUE_MAX, RECORD_VALUE_MAX + 1, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(compress_undo(packed, wrong[i], RECORD_VALUE_MAX, &back).code, ST_CORRUPT);
        assert_int_equal(back.len, 0);
        assert_true(back.cap <= RECORD_VALUE_MAX);
    }
    assert_int_equal(compress_undo(packed, 100000, 99999, &back).code, ST_CORRUPT);
    assert_int_equal(compress_undo(SLICE("\x11"), 300, 1000, &back).code, ST_CORRUPT);
    assert_int_equal(compress_undo(SLICE_EMPTY, 0, 1000, &back).code, ST_CORRUPT);
    assert_true(status_ok(compress_undo(packed, 100000, 100000, &back)));
    buf_free(&plain);
    buf_free(&scratch);
    buf_free(&back);
}

/* Damaged input never gives more or fewer bytes than asked for (the sanitizers look for worse). */
static void test_noise(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    buf plain = {0}, scratch = {0}, back = {0};
    slice packed;
    text(&r, &plain, 3000, 90);
    assert_true(compress_value(buf_slice(&plain), &scratch, &packed));
    for (int i = 0; i < unit_rounds(5000); i++) {
        size_t bit = rng_below(&r, packed.len * 8);
        scratch.data[bit / 8] ^= (char)(1 << (bit % 8));
        buf_clear(&back);
        status s = compress_undo(packed, plain.len, RECORD_VALUE_MAX, &back);
        assert_int_equal(back.len, status_ok(s) ? plain.len : 0);
        scratch.data[bit / 8] ^= (char)(1 << (bit % 8));
    }
    buf_free(&plain);
    buf_free(&scratch);
    buf_free(&back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_not_worth_it),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
