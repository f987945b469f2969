/* The compact encodings: what is written is read, what is cut or changed is never read beyond its
 * end, and what README.md shows. */
#include "rdb/packed.h"

#include "base/crc64.h"
#include "base/mem.h"
#include "support/unit.h"

#include <stdio.h>

static void crc64_check_value(void **state) {
    (void)state;
    assert_true(crc64(0, "123456789", 9) == 0xe9c6d914c4b8d9cau);
    /* In any two parts. */
    char bytes[100];
    rng r;
    unit_seed(&r);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)rng_next(&r);
    uint64_t all = crc64(0, bytes, sizeof bytes);
    for (size_t i = 0; i <= sizeof bytes; i++)
        assert_true(crc64(crc64(0, bytes, i), bytes + i, sizeof bytes - i) == all);
}

/* A number of any size, often at the limit of a form. */
static int64_t any_number(rng *r) {
    unsigned bits = (unsigned)rng_below(r, 64);
    uint64_t v = ((uint64_t)1 << bits) + rng_below(r, 3) - 1;
    return rng_below(r, 2) ? (int64_t)v : (int64_t)(0 - v);
}

/* Lengths about which forms change, and 16383 .. 2097151 with the bytes of their own. */
static size_t any_length(rng *r) {
    static const size_t limits[] = {0, 1, 63, 64, 125, 4095, 4096, 16380, 16378};
    return limits[rng_below(r, 9)] + rng_below(r, 3);
}

/* Numbers' texts come back as numbers, all else as it was; sizes are as told. */
static void listpack_round_trip(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    char *bytes = mem_alloc(20000);
    for (int round = 0; round < unit_rounds(300); round++) {
        buf out = {0}, model = {0};
        listpack_writer w;
        uint64_t seed = rng_next(&r), n = rng_below(&r, 40);
        rng a;
        buf_append(&out, "before", 6);
        listpack_begin(&w, &out);
        rng_seed(&a, seed);
        for (uint64_t i = 0; i < n; i++) {
            size_t len = any_length(&a);
            memset(bytes, 'a' + (int)rng_below(&a, 26), len);
            int64_t v = any_number(&a);
            if (rng_below(&a, 2)) {
                listpack_add(&w, slice_of(bytes, len));
            } else {
                listpack_add_number(&w, v);
            }
        }
        size_t size = listpack_size(&w);
        listpack_end(&w);
        assert_int_equal(out.len, 6 + size);
        packed p;
        packed_item item;
        assert_true(packed_open(&p, PACKED_LISTPACK, slice_skip(buf_slice(&out), 6)));
        rng_seed(&a, seed);
        for (uint64_t i = 0; i < n; i++) {
            size_t len = any_length(&a);
            memset(bytes, 'a' + (int)rng_below(&a, 26), len);
            int64_t v = any_number(&a);
            assert_int_equal(packed_next(&p, &item), PACKED_ITEM);
            if (rng_below(&a, 2)) {
                assert_true(!item.is_number && slice_eq(item.bytes, slice_of(bytes, len)));
            } else {
                assert_true(item.is_number && item.number == v);
            }
        }
        assert_int_equal(packed_next(&p, &item), PACKED_END);
        buf_free(&out);
        buf_free(&model);
    }
    mem_free(bytes);
}

/* How many bytes an element's length takes behind it: 16383 takes three, though two would do, as
 * redis-server has it. */
static void listpack_back_lengths(void **state) {
    (void)state;
    static const struct {
        size_t own, back; /* of the encoding and the bytes; of its length */
    } cases[] = {{127, 1}, {128, 2}, {16382, 2}, {16383, 3}, {16384, 3}};
    char *bytes = mem_zalloc(20000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf out = {0};
        listpack_writer w;
        size_t head = cases[i].own < 4096 ? 2 : 5;
        listpack_begin(&w, &out);
        listpack_add(&w, slice_of(bytes, cases[i].own - head));
        listpack_end(&w);
        assert_int_equal(out.len, 6 + cases[i].own + cases[i].back + 1);
        buf_free(&out);
    }
    mem_free(bytes);
}

/* Texts that look like numbers and are not must stay as they are. */
static void listpack_texts(void **state) {
    (void)state;
    static const char *const texts[] = {"007", "-0", "+1", " 1", "1.0", "9223372036854775808", ""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        buf out = {0};
        listpack_writer w;
        packed p;
        packed_item item;
        listpack_begin(&w, &out);
        listpack_add(&w, slice_cstr(texts[i]));
        listpack_end(&w);
        assert_true(packed_open(&p, PACKED_LISTPACK, buf_slice(&out)));
        assert_int_equal(packed_next(&p, &item), PACKED_ITEM);
        assert_true(!item.is_number && slice_eq(item.bytes, slice_cstr(texts[i])));
        buf_free(&out);
    }
}

static void intset_round_trip(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    static const int64_t bases[] = {
        -5, INT16_MIN, INT16_MAX - 8, INT32_MIN, INT32_MAX - 8, INT64_MIN, INT64_MAX - 8};
    for (size_t b = 0; b < sizeof bases / sizeof *bases; b++) {
        int64_t numbers[8];
        size_t n = 1 + rng_below(&r, 8);
        for (size_t i = 0; i < n; i++)
            numbers[i] = bases[b] + (int64_t)(n - i);
        buf out = {0};
        packed p;
        packed_item item;
        intset_write(&out, numbers, n);
        assert_true(packed_open(&p, PACKED_INTSET, buf_slice(&out)));
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(packed_next(&p, &item), PACKED_ITEM);
            assert_true(item.number == bases[b] + 1 + (int64_t)i);
        }
        assert_int_equal(packed_next(&p, &item), PACKED_END);
        buf_free(&out);
    }
}

/* Bytes that are changed, cut or added to: exact copies, so that a sanitizer sees what is read
 * beyond them. Elements are within the blob, and no more than it has bytes. */
static void damaged(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    buf good = {0};
    listpack_writer w;
    listpack_begin(&w, &good);
    for (int i = 0; i < 8; i++) {
        listpack_add_number(&w, any_number(&r));
        listpack_add(&w, slice_of("abcdefgh", (size_t)i));
    }
    listpack_end(&w);
    for (int round = 0; round < unit_rounds(50000); round++) {
        size_t len = rng_below(&r, good.len + 1), seen = 0;
        char *bytes = mem_alloc(len + 1);
        memcpy(bytes, good.data, len);
        for (uint64_t k = rng_below(&r, 4); k && len; k--)
            bytes[rng_below(&r, len)] = (char)rng_next(&r);
        if (len >= 4 && rng_below(&r, 2)) memcpy(bytes, &len, 4);
        char *exact = mem_dup(bytes, len);
        mem_free(bytes);
        packed p;
        packed_item item;
        if (packed_open(&p, (packed_kind)rng_below(&r, 4), slice_of(exact, len)))
            while (packed_next(&p, &item) == PACKED_ITEM) {
                slice t = packed_text(&item);
                assert_true(item.is_number || t.len == 0 ||
                            (t.data >= exact && t.data + t.len <= exact + len));
                assert_true(++seen <= len);
            }
        mem_free(exact);
    }
    buf_free(&good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc64_check_value), cmocka_unit_test(listpack_round_trip),
        cmocka_unit_test(listpack_texts),    cmocka_unit_test(listpack_back_lengths),
        cmocka_unit_test(intset_round_trip), cmocka_unit_test(damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
