/* Hashes: published vectors, and slow versions written from the definitions. */
#include "base/hash.h"

#include "base/codec.h"
#include "support/unit.h"

static const hash_key reference_key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

/* Outputs of the authors' implementation for 1 and 3 rounds, the reference key, and the message
 * 00 01 02 .. of i bytes. */
static void siphash_vectors(void **state) {
    (void)state;
    static const uint64_t expected[] = {
        0xabac0158050fc4dcu, 0xc9f49bf37d57ca93u, 0x82cb9b024dc7d44du, 0x8bf80ab8e7ddf7fbu,
        0xcf75576088d38328u, 0xdef9d52f49533b67u, 0xc50d2b50c59f22a7u, 0xd3927d989bb11140u,
        0x369095118d299a8eu, 0x25a48eb36c063de4u, 0x79de85ee92ff097fu, 0x70c118c1f94dc352u,
        0x78a384b157b4d9a2u, 0x306f760c1229ffa7u, 0x605aa111c0f95d34u, 0xd320d86d2a519956u};
    char message[60];
    for (int i = 0; i < 60; i++)
        message[i] = (char)i;
    for (size_t n = 0; n < sizeof expected / sizeof *expected; n++)
        assert_int_equal(siphash13(reference_key, message, n), expected[n]);
    assert_int_equal(siphash13(reference_key, message, 60), 0xf6f4e6bcf7a644eeu);
}

static uint64_t rotl(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

/* The paper's definition with c and d rounds, a byte at a time. */
static uint64_t slow_siphash(int c, int d, hash_key k, const unsigned char *p, size_t n) {
    uint64_t v[4] = {k.k0 ^ 0x736f6d6570736575u, k.k1 ^ 0x646f72616e646f6du,
                     k.k0 ^ 0x6c7967656e657261u, k.k1 ^ 0x7465646279746573u};
    size_t words = n / 8 + 1;
    for (size_t w = 0; w < words + 1; w++) {
        uint64_t m = 0;
        for (size_t i = 0; w < words && i < 8; i++) {
            size_t at = w * 8 + i;
            uint64_t byte = at < n ? p[at] : i == 7 ? n & 0xff : 0;
            m |= byte << (8 * i);
        }
        int rounds = w < words ? c : d;
        if (w == words) v[2] ^= 0xff;
        v[3] ^= m;
        for (int r = 0; r < rounds; r++) {
            v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);
            v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];
            v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];
            v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);
        }
        v[0] ^= m;
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void siphash_is_its_definition(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    unsigned char b[400];
    for (int i = 0; i < 400; i++)
        b[i] = (unsigned char)rng_next(&r);
    /* The paper's own example, for SipHash-2-4, vouches for the slow version. */
    unsigned char example[15];
    for (int i = 0; i < 15; i++)
        example[i] = (unsigned char)i;
    assert_int_equal(slow_siphash(2, 4, reference_key, example, 15), 0xa129ca6149be45e5u);
    for (size_t n = 0; n < 300; n++) {
        hash_key k = {rng_next(&r), rng_next(&r)};
        size_t at = rng_below(&r, 100);
        assert_int_equal(siphash13(k, b + at, n), slow_siphash(1, 3, k, b + at, n));
    }
}

/* RFC 3720, B.4, and the check value of the catalogue of CRCs. */
static void crc32c_vectors(void **state) {
    (void)state;
    unsigned char zeros[32] = {0}, ones[32], up[32], down[32];
    for (int i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = (unsigned char)i;
        down[i] = (unsigned char)(31 - i);
    }
    static const unsigned char scsi_read[48] = {
        0x01, 0xc0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0,
        0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2,    0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aau);
    assert_int_equal(crc32c(0, ones, 32), 0x62a8ab43u);
    assert_int_equal(crc32c(0, up, 32), 0x46dd794eu);
    assert_int_equal(crc32c(0, down, 32), 0x113fdb5cu);
    assert_int_equal(crc32c(0, scsi_read, 48), 0xd9963a56u);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(0, "", 0), 0);
    assert_int_equal(crc32c(0x12345678, "", 0), 0x12345678);
}

/* A bit at a time. */
static uint32_t slow_crc(uint32_t crc, const unsigned char *p, size_t n) {
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

static void all_crcs_agree(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    static unsigned char b[9000];
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (unsigned char)rng_next(&r);
    for (int i = 0; i < unit_rounds(3000); i++) {
        size_t n = i < 600 ? (size_t)i : rng_below(&r, 8192);
        size_t at = rng_below(&r, sizeof b - n + 1), cut = rng_below(&r, n + 1);
        uint32_t seed = rng_below(&r, 2) ? (uint32_t)rng_next(&r) : 0;
        uint32_t expected = slow_crc(seed, b + at, n);
        assert_int_equal(crc32c_portable(seed, b + at, n), expected);
        assert_int_equal(crc32c(seed, b + at, n), expected);
        assert_int_equal(crc32c(crc32c(seed, b + at, cut), b + at + cut, n - cut), expected);
    }
}

static void tokens_are_slot_then_hash(void **state) {
    (void)state;
    uint64_t t = token_of(reference_key, 16383, SLICE_EMPTY);
    assert_int_equal(t >> TOKEN_BITS, 0);
    assert_int_equal(t >> TOKEN_HASH_BITS, 16383);
    assert_int_equal(t & ((1ull << TOKEN_HASH_BITS) - 1), 0xabac0158050fc4dcu >> 25);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_vectors),
        cmocka_unit_test(siphash_is_its_definition),
        cmocka_unit_test(crc32c_vectors),
        cmocka_unit_test(all_crcs_agree),
        cmocka_unit_test(tokens_are_slot_then_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
