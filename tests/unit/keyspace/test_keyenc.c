/* keyenc: the order of encoded numbers is that of the numbers, and derived subkeys are what the
 * header says, byte for byte. */
#include "keyspace/keyenc.h"

#include "keyspace/keyspace.h"
#include "support/engine_mem.h"
#include "support/unit.h"

#include <math.h>

static double some_score(rng *r) {
    static const double special[] = {0,      -0.0,    1,     -1,        INFINITY, -INFINITY,
                                     5e-324, -5e-324, 1e308, -1e308,    0.5,      -0.5,
                                     2e-308, -2e-308, 1e17,  1e17 + 16, 3,        -3};
    if (rng_below(r, 3) == 0) return special[rng_below(r, sizeof special / sizeof special[0])];
    if (rng_below(r, 2)) return (double)rng_below(r, 2000) - 1000;
    uint64_t bits = rng_next(r);
    double d;
    memcpy(&d, &bits, sizeof d);
    return isnan(d) ? 1 : d;
}

static void scores_keep_their_order(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(200000); i++) {
        double a = some_score(&r), b = some_score(&r);
        char x[KEYENC_SCORE], y[KEYENC_SCORE];
        int cmp = slice_cmp(keyenc_score(x, a), keyenc_score(y, b));
        assert_int_equal(cmp < 0, a < b);
        assert_int_equal(cmp > 0, a > b);
        double back = keyenc_score_of(x);
        assert_true(back == a);
        assert_false(a == 0 && signbit(back));
    }
}

static void bytes_of_scores(void **state) {
    (void)state;
    char x[KEYENC_SCORE];
    assert_true(slice_eq(keyenc_score(x, 1.5), SLICE("\xbf\xf8\0\0\0\0\0\0")));
    assert_true(slice_eq(keyenc_score(x, -1.5), SLICE("\x40\x07\xff\xff\xff\xff\xff\xff")));
    assert_true(slice_eq(keyenc_score(x, -0.0), SLICE("\x80\0\0\0\0\0\0\0")));
}

static void chunks(void **state) {
    (void)state;
    char x[KEYENC_CHUNK];
    assert_true(slice_eq(keyenc_chunk(x, 0x01020304), SLICE("\1\2\3\4")));
    assert_int_equal(keyenc_chunk_number(SLICE("\1\2\3\4")), 0x01020304);
}

static void derived_subkeys(void **state) {
    (void)state;
    buf out = {0};
    char score[KEYENC_SCORE];
    slice value = keyenc_score(score, 1.5);
    assert_true(keyenc_derive(KEY_ZSET, SLICE("hashmember"), value, 0, &out));
    assert_true(slice_eq(buf_slice(&out), SLICE("\xbf\xf8\0\0\0\0\0\0member")));
    buf_clear(&out);
    assert_true(keyenc_derive(KEY_ZSET, SLICE("hash"), value, 0, &out)); /* the empty member */
    assert_true(slice_eq(buf_slice(&out), value));
    buf_clear(&out);
    assert_true(keyenc_derive(KEY_HASH, SLICE("hashfield"), SLICE("v"), 0x0102030405, &out));
    assert_true(slice_eq(buf_slice(&out), SLICE("\0\0\0\1\2\3\4\5field")));
    buf_clear(&out);
    assert_false(keyenc_derive(KEY_HASH, SLICE("hashfield"), SLICE("v"), 0, &out));
    static const uint8_t none[] = {KEY_STRING, KEY_LIST, KEY_SET, KEY_STREAM};
    for (size_t i = 0; i < sizeof none; i++)
        assert_false(keyenc_derive(none[i], SLICE("x"), SLICE("v"), 5, &out));
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

static void prefixes_are_of_the_member(void **state) {
    (void)state;
    engine *e = engine_mem_simple();
    assert_int_equal(keyenc_prefix(e, SLICE("a")), keyenc_prefix(e, SLICE("a")));
    assert_int_not_equal(keyenc_prefix(e, SLICE("a")), keyenc_prefix(e, SLICE("b")));
    assert_int_equal(keyenc_prefix(e, SLICE("a")), (uint32_t)engine_token(e, SLICE("a")));
    engine_close(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_keep_their_order),
        cmocka_unit_test(bytes_of_scores),
        cmocka_unit_test(chunks),
        cmocka_unit_test(derived_subkeys),
        cmocka_unit_test(prefixes_are_of_the_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
