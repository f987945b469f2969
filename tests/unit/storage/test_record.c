/* record: what is written is what is read; what was damaged, cut or moved is never read. */
#include "support/unit.h"

#include "base/codec.h"
#include "base/hash.h"
#include "storage/record.h"
#include "support/random_record.h"

static const record_place place = {0x1122334455667788u, 7, 4096};

/* Encodes and seals at the end of out. */
static uint32_t put(buf *out, record *r, bool continues, record_place at) {
    size_t start = out->len;
    uint32_t n = record_append(out, r);
    record_seal(out->data + start, n, continues, at);
    return n;
}

static void test_round_trip(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    random_bytes mem = {0};
    buf out = {0};
    for (int i = 0; i < unit_rounds(20000); i++) {
        record in, back, parsed;
        bool continues = rng_below(&r, 2);
        random_record(&r, i % 500 == 0 ? RECORD_KEY_MAX : 300, &mem, &in);
        record_place at = {rng_next(&r), 1 + (uint32_t)rng_below(&r, 1000), (uint32_t)rng_next(&r)};
        buf_clear(&out);
        assert_int_equal(put(&out, &in, continues, at), record_size(&in));
        assert_int_equal(out.len, in.size);
        assert_int_equal(record_encoded_size(out.data), in.size);
        assert_int_equal(record_read(out.data, out.len, at, &back), RECORD_OK);
        assert_true(record_same(&in, &back));
        assert_int_equal(back.size, in.size);
        assert_int_equal(!!(back.flags & RECORD_CONTINUES), continues);
        assert_int_equal(record_parse(out.data, out.len, &parsed), RECORD_OK);
        assert_true(record_same(&in, &parsed));
        assert_int_equal(record_read_head(out.data, out.len, at, &back), RECORD_OK);
        assert_int_equal(back.size, in.size);
        assert_int_equal(back.mark, in.mark);
    }
    random_bytes_free(&mem);
    buf_free(&out);
}

static void test_begin(void **state) {
    (void)state;
    buf out = {0};
    record in = {.kind = RECORD_BEGIN, .prev = log_pos_of(6, 77777)}, back;
    put(&out, &in, false, place);
    assert_int_equal(record_read(out.data, out.len, place, &back), RECORD_OK);
    assert_int_equal(back.prev, log_pos_of(6, 77777));
    assert_int_equal(log_pos_file(back.prev), 6);
    assert_int_equal(log_pos_offset(back.prev), 77777);
    buf_free(&out);
}

/* Every bit of a record, header and body, matters. */
static void test_every_bit_flip(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    random_bytes mem = {0};
    buf out = {0};
    for (int i = 0; i < unit_rounds(300); i++) {
        record in, back;
        random_record(&r, 40, &mem, &in);
        buf_clear(&out);
        put(&out, &in, rng_below(&r, 2), place);
        for (size_t bit = 0; bit < out.len * 8; bit++) {
            out.data[bit / 8] ^= (char)(1 << (bit % 8));
            assert_int_not_equal(record_read(out.data, out.len, place, &back), RECORD_OK);
            out.data[bit / 8] ^= (char)(1 << (bit % 8));
        }
    }
    random_bytes_free(&mem);
    buf_free(&out);
}

static void test_every_truncation(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    random_bytes mem = {0};
    buf out = {0};
    for (int i = 0; i < unit_rounds(500); i++) {
        record in, back;
        random_record(&r, 40, &mem, &in);
        buf_clear(&out);
        put(&out, &in, false, place);
        uint32_t header = in.size - (uint32_t)record_size(&in) + RECORD_HEADER;
        for (size_t n = 0; n < out.len; n++) {
            assert_int_equal(record_read(out.data, n, place, &back), RECORD_SHORT);
            assert_true(back.size == 0 || back.size == in.size);
            if (n < header) assert_int_equal(back.size, 0);
        }
    }
    random_bytes_free(&mem);
    buf_free(&out);
}

/* A record is a record only where it was written: not in another store, file or offset. */
static void test_place_matters(void **state) {
    (void)state;
    buf out = {0};
    record in = {.kind = RECORD_DEL, .pdb = 1, .key = SLICE("k")}, back;
    put(&out, &in, false, place);
    record_place other = place;
    other.store_id ^= 1;
    assert_int_equal(record_read(out.data, out.len, other, &back), RECORD_BAD_HEAD);
    other = place;
    other.file++;
    assert_int_equal(record_read(out.data, out.len, other, &back), RECORD_BAD_HEAD);
    for (uint32_t offset = 0; offset < 100000; offset++) {
        other = place;
        other.offset = offset;
        record_result want = offset == place.offset ? RECORD_OK : RECORD_BAD_HEAD;
        assert_int_equal(record_read(out.data, out.len, other, &back), want);
    }
    buf_free(&out);
}

static void test_zeros(void **state) {
    (void)state;
    char zeros[64] = {0};
    record back;
    assert_int_equal(record_read(zeros, sizeof zeros, place, &back), RECORD_ZERO);
    assert_int_equal(record_parse(zeros, sizeof zeros, &back), RECORD_ZERO);
    assert_int_equal(record_read(zeros, 15, place, &back), RECORD_SHORT);
    zeros[15] = 1;
    assert_int_equal(record_read(zeros, sizeof zeros, place, &back), RECORD_BAD_HEAD);
}

/* Lays down a header with right CRCs over any body. */
static record_result read_raw(unsigned kind, unsigned flags, slice body, record *back) {
    char p[256];
    assert_true(body.len <= sizeof p - RECORD_HEADER);
    put_u32(p + 8, (uint32_t)body.len);
    p[12] = (char)kind;
    p[13] = 0;
    put_u16(p + 14, (uint16_t)flags);
    memcpy(p + RECORD_HEADER, body.data, body.len);
    record_seal(p, RECORD_HEADER + (uint32_t)body.len, flags & RECORD_CONTINUES, place);
    return record_read(p, RECORD_HEADER + body.len, place, back);
}

/* Bodies that pass their CRC and are not what their kind must have. */
static void test_malformed_bodies(void **state) {
    (void)state;
    record back;
    static const struct {
        unsigned kind, flags;
        slice body;
        record_result want;
    } cases[] = {
        {RECORD_DEL, 0, SLICE("\1\1k"), RECORD_OK},
        {RECORD_DEL, 0, SLICE("\1\1kx"), RECORD_BAD_BODY},    /* a byte too many */
        {RECORD_DEL, 0, SLICE("\1\2k"), RECORD_BAD_BODY},     /* one too few */
        {RECORD_DEL, 0, SLICE("\x80\0\1k"), RECORD_BAD_BODY}, /* a long form of 0 */
        {RECORD_DEL, 0, SLICE(""), RECORD_BAD_BODY},
        {RECORD_DEL, RECORD_EXPIRE, SLICE("\1\1k12345678"), RECORD_BAD_HEAD},
        {RECORD_DEL, RECORD_LZ4, SLICE("\1\1k"), RECORD_BAD_HEAD},
        {RECORD_DEL, RECORD_HAD_EXPIRE, SLICE("\1\1k"), RECORD_OK},
        {RECORD_DEL, RECORD_HAD_APART, SLICE("\1\1k"), RECORD_OK},
        {RECORD_MAP_DEL, RECORD_HAD_APART, SLICE("\1\1\1\1k"), RECORD_BAD_HEAD},
        {RECORD_DROP, RECORD_HAD_EXPIRE, SLICE("\1\2"), RECORD_BAD_HEAD},
        {RECORD_DEL, 1 << 7, SLICE("\1\1k"), RECORD_BAD_HEAD}, /* unknown flags */
        {RECORD_DEL, 1 << 15, SLICE("\1\1k"), RECORD_BAD_HEAD},
        {RECORD_PUT, 0, SLICE("\1\1k"), RECORD_OK}, /* an empty value */
        {RECORD_PUT, RECORD_EXPIRE, SLICE("\1\1k\1\0\0\0\0\0\0\0v"), RECORD_OK},
        {RECORD_PUT, RECORD_EXPIRE, SLICE("\1\1k\0\0\0\0\0\0\0\0v"), RECORD_BAD_BODY},
        {RECORD_PUT, RECORD_EXPIRE, SLICE("\1\1k\0\0\0\0\0\0\0\x80v"), RECORD_BAD_BODY},
        {RECORD_PUT, RECORD_EXPIRE, SLICE("\1\1k\1\0\0\0"), RECORD_BAD_BODY},
        {RECORD_PUT, RECORD_COLL, SLICE("\1\1k\5"), RECORD_OK},
        {RECORD_PUT, RECORD_COLL, SLICE("\1\1k\0"), RECORD_BAD_BODY}, /* no collection 0 */
        {RECORD_PUT, RECORD_LZ4, SLICE("\1\1k\5"), RECORD_BAD_BODY},  /* no compressed bytes */
        {RECORD_PUT, RECORD_LZ4, SLICE("\1\1k\5z"), RECORD_OK},
        {RECORD_PUT, RECORD_LZ4, SLICE("\1\1k\x81\x80\x40z"), RECORD_BAD_BODY}, /* 1 MiB + 1 */
        {RECORD_PUT, 0, SLICE("\xff\xff\xff\xff\x10\1k"), RECORD_BAD_BODY},     /* pdb > 32 bits */
        {RECORD_MAP_PUT, 0, SLICE("\1\2\7\1kv"), RECORD_OK},
        {RECORD_MAP_PUT, 0, SLICE("\1\2\x8\1kv"), RECORD_BAD_BODY}, /* map 8 */
        {RECORD_MAP_PUT, RECORD_COLL, SLICE("\1\2\7\1k\1v"), RECORD_BAD_HEAD},
        {RECORD_DROP, 0, SLICE("\1\2"), RECORD_OK},
        {RECORD_DROP, 0, SLICE("\1\2\3"), RECORD_BAD_BODY},
        {RECORD_IDLE, 0, SLICE(""), RECORD_OK},
        {RECORD_IDLE, 0, SLICE("x"), RECORD_BAD_BODY},
        {RECORD_BEGIN, 0, SLICE("1234567"), RECORD_BAD_BODY},
        {RECORD_BEGIN, 0, SLICE("123456789"), RECORD_BAD_BODY},
        {RECORD_FLUSH, 0, SLICE("\1\0\5"), RECORD_OK},
        {RECORD_FLUSH, 0, SLICE("\0"), RECORD_BAD_BODY},
        {RECORD_FLUSH, 0, SLICE("\2\0\5"), RECORD_BAD_BODY},
        {RECORD_FLUSH, 0, SLICE("\1\0\5\1\6"), RECORD_BAD_BODY},
        {RECORD_FLUSH, 0, SLICE("\1\x80\x80\4\5"), RECORD_BAD_BODY}, /* db 65536 */
        {RECORD_SWAP, 0, SLICE("\1\0\5"), RECORD_BAD_BODY},
        {RECORD_SWAP, 0, SLICE("\2\0\5\1\6"), RECORD_OK},
        {RECORD_KINDS, 0, SLICE(""), RECORD_BAD_HEAD},
        {0, 0, SLICE(""), RECORD_BAD_HEAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        record_result got = read_raw(cases[i].kind, cases[i].flags, cases[i].body, &back);
        if (got != cases[i].want) fail_msg("case %zu: %s", i, record_result_text(got));
    }
}

/* Any body with a right CRC: read or refused, without reading beyond it (the sanitizers look). */
static void test_noise_bodies(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    record back;
    for (int i = 0; i < unit_rounds(100000); i++) {
        char body[24];
        size_t n = rng_below(&r, sizeof body + 1);
        for (size_t k = 0; k < n; k++)
            body[k] = (char)(rng_next(&r) >> rng_below(&r, 8));
        unsigned flags = (unsigned)rng_next(&r) & RECORD_ENTRY_FLAGS & (unsigned)rng_next(&r);
        record_result got = read_raw(1 + (unsigned)rng_below(&r, RECORD_KINDS - 1), flags,
                                     slice_of(body, n), &back);
        if (got == RECORD_OK) {
            assert_true(back.key.len <= n && back.value.len <= n);
            assert_int_equal(back.size, RECORD_HEADER + n);
        }
    }
}

/* A body's length beyond the maximum is refused before anything is done with it. */
static void test_length_limit(void **state) {
    (void)state;
    char p[RECORD_HEADER] = {0};
    record back;
    p[12] = RECORD_PUT;
    put_u32(p + 8, RECORD_BODY_MAX + 1);
    uint32_t seed_bytes[4] = {0};
    put_u32(put_u32(put_u64((char *)seed_bytes, place.store_id), place.file), place.offset);
    put_u32(p, crc32c(crc32c(0, seed_bytes, 16), p + 4, RECORD_HEADER - 4));
    assert_int_equal(record_read(p, sizeof p, place, &back), RECORD_BAD_HEAD);
    assert_int_equal(back.size, 0);
    put_u32(p + 8, RECORD_BODY_MAX);
    put_u32(p, crc32c(crc32c(0, seed_bytes, 16), p + 4, RECORD_HEADER - 4));
    assert_int_equal(record_read(p, sizeof p, place, &back), RECORD_SHORT);
    assert_int_equal(back.size, RECORD_HEADER + RECORD_BODY_MAX);
}

/* The value's bytes come after the encoding. */
static void test_value_later(void **state) {
    (void)state;
    char p[RECORD_OVERHEAD_MAX + 16];
    record in = {.kind = RECORD_PUT, .key = SLICE("key"), .value = {NULL, 5}}, back;
    uint32_t n = record_encode(p, &in);
    memcpy(p + n - 5, "later", 5);
    record_seal(p, n, false, place);
    assert_int_equal(record_read(p, n, place, &back), RECORD_OK);
    assert_true(slice_eq(back.value, SLICE("later")));
    assert_int_equal(back.plain_len, 5);
}

static void test_pairs(void **state) {
    (void)state;
    buf body = {0};
    uint32_t dbs[] = {0, 5, 65535}, pdbs[] = {1, 1u << 20, UINT32_MAX}, db, pdb;
    record_put_pairs(&body, 3, dbs, pdbs);
    assert_true(record_pairs_valid(RECORD_FLUSH, buf_slice(&body)));
    assert_false(record_pairs_valid(RECORD_SWAP, buf_slice(&body)));
    slice rest = record_pairs(buf_slice(&body));
    for (int i = 0; i < 3; i++) {
        assert_true(record_next_pair(&rest, &db, &pdb));
        assert_int_equal(db, dbs[i]);
        assert_int_equal(pdb, pdbs[i]);
    }
    assert_false(record_next_pair(&rest, &db, &pdb));
    buf_free(&body);
}

/* A header is found wherever it is, whatever its first bytes: among zeros, too. */
static void test_find(void **state) {
    (void)state;
    static char p[6000];
    record in = {.kind = RECORD_IDLE}, found;
    record_place base = place;
    size_t with_zero = 0;
    for (size_t at = 0; at < sizeof p - RECORD_HEADER; at++) {
        record_place here = {place.store_id, place.file, place.offset + (uint32_t)at};
        record_encode(p + at, &in);
        record_seal(p + at, RECORD_HEADER, false, here);
        with_zero += p[at] == 0;
        assert_int_equal(record_find(p, 0, sizeof p, sizeof p, base, &found), at);
        assert_int_equal(found.kind, RECORD_IDLE);
        assert_int_equal(record_find(p, at + 1, sizeof p, sizeof p, base, &found), sizeof p);
        assert_int_equal(record_find(p, 0, at, sizeof p, base, &found), at); /* not in reach */
        memset(p + at, 0, RECORD_HEADER);
    }
    assert_true(with_zero > 5); /* headers that begin with zeros were among them */
}

static void test_names(void **state) {
    (void)state;
    for (unsigned k = 1; k < RECORD_KINDS; k++)
        assert_non_null(record_kind_name(k));
    assert_string_equal(record_kind_name(RECORD_MAP_DEL), "MAP_DEL");
    assert_string_equal(record_kind_name(200), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_every_bit_flip),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_place_matters),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_malformed_bodies),
        cmocka_unit_test(test_noise_bodies),
        cmocka_unit_test(test_length_limit),
        cmocka_unit_test(test_value_later),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
