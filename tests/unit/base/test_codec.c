/* Encodings: known bytes, round trips, and every way of being too short or malformed. */
#include "base/codec.h"

#include "support/unit.h"

static void fixed_widths_are_little_endian(void **state) {
    (void)state;
    char b[32], *p = b;
    p = put_u16(p, 0x0102);
    p = put_u32(p, 0x03040506);
    p = put_u64(p, 0x0708090a0b0c0d0eu);
    p = put_be64(p, 0x0708090a0b0c0d0eu);
    assert_int_equal(p - b, 22);
    assert_memory_equal(b,
                        "\x02\x01\x06\x05\x04\x03\x0e\x0d\x0c\x0b\x0a\x09\x08\x07"
                        "\x07\x08\x09\x0a\x0b\x0c\x0d\x0e",
                        22);
    slice in = slice_of(b, 22);
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    assert_true(get_u16(&in, &u16));
    assert_true(get_u32(&in, &u32));
    assert_true(get_u64(&in, &u64));
    assert_int_equal(u16, 0x0102);
    assert_int_equal(u32, 0x03040506);
    assert_int_equal(u64, 0x0708090a0b0c0d0eu);
    assert_int_equal(load_be64(in.data), 0x0708090a0b0c0d0eu);
    in.len = 1;
    slice before = in;
    assert_false(get_u16(&in, &u16) || get_u32(&in, &u32) || get_u64(&in, &u64));
    assert_true(in.data == before.data && in.len == before.len);
}

static void varint_examples(void **state) {
    (void)state;
    static const struct {
        uint64_t v;
        const char *bytes;
        size_t n;
    } examples[] = {
        {0, "\x00", 1},
        {1, "\x01", 1},
        {127, "\x7f", 1},
        {128, "\x80\x01", 2},
        {300, "\xac\x02", 2},
        {16383, "\xff\x7f", 2},
        {16384, "\x80\x80\x01", 3},
        {UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char b[VARINT_MAX];
        assert_int_equal(put_varint(b, examples[i].v) - b, examples[i].n);
        assert_memory_equal(b, examples[i].bytes, examples[i].n);
        assert_int_equal(varint_size(examples[i].v), examples[i].n);
    }
}

static void varints_round_trip_and_refuse_every_cut(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < 20000; i++) {
        uint64_t v = rng_next(&r) >> rng_below(&r, 64), got;
        char b[VARINT_MAX + 1];
        size_t n = (size_t)(put_varint(b, v) - b);
        assert_int_equal(n, varint_size(v));
        slice in = slice_of(b, n + 1);
        assert_true(get_varint(&in, &got));
        assert_int_equal(got, v);
        assert_int_equal(in.len, 1);
        for (size_t cut = 0; cut < n; cut++) {
            in = slice_of(b, cut);
            assert_false(get_varint(&in, &got));
            assert_int_equal(in.len, cut);
        }
    }
}

static void bad_varints_are_refused(void **state) {
    (void)state;
    static const slice bad[] = {
        {"\x80\x00", 2},                                      /* a longer zero */
        {"\xff\x80\x00", 3},                                  /* a longer 127 */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},     /* the 65th bit */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* too long */
        {"", 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        slice in = bad[i];
        uint64_t v;
        assert_false(get_varint(&in, &v));
        assert_int_equal(in.len, bad[i].len);
    }
}

static void counted_bytes(void **state) {
    (void)state;
    slice in = SLICE("\x03"
                     "abc"
                     "\x00"
                     "\x05"
                     "abcd"),
          out;
    assert_true(get_varbytes(&in, &out) && slice_eq(out, SLICE("abc")));
    assert_true(get_varbytes(&in, &out) && out.len == 0);
    assert_false(get_varbytes(&in, &out)); /* five promised, four there */
    assert_int_equal(in.len, 5);
    in = SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
               "a"); /* a length that would wrap */
    assert_false(get_varbytes(&in, &out));
    assert_int_equal(in.len, 11);
    in = SLICE_EMPTY;
    assert_true(get_bytes(&in, 0, &out));
    assert_false(get_bytes(&in, 1, &out));
}

static void varints_of_32_bits(void **state) {
    (void)state;
    slice most = SLICE("\xff\xff\xff\xff\x0f"), over = SLICE("\x80\x80\x80\x80\x10");
    uint32_t v;
    assert_true(get_varint32(&most, &v));
    assert_int_equal(v, UINT32_MAX);
    assert_int_equal(most.len, 0);
    assert_false(get_varint32(&over, &v)); /* 2^32 */
    assert_int_equal(over.len, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_widths_are_little_endian),
        cmocka_unit_test(varint_examples),
        cmocka_unit_test(varints_round_trip_and_refuse_every_cut),
        cmocka_unit_test(bad_varints_are_refused),
        cmocka_unit_test(counted_bytes),
        cmocka_unit_test(varints_of_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
