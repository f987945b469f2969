/* sha256: SHA-256 of NIST's FIPS 180-4, section 6.2, in its own letters.
 *
 *     message ‖ 0x80 ‖ 00 .. 00 ‖ its length in bits (64)       a multiple of 64 bytes
 *
 * Each block of 64 bytes becomes sixteen words and, from these, 48 more; 64 rounds stir them into
 * the eight words of the state. "abc" gives ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c
 * b410ff61 f20015ad. */
#include "base/sha256.h"

#define BLOCK 64

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* Words are big-endian. */
static uint32_t load_word(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static void store_word(unsigned char *p, uint32_t v) {
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static uint32_t rotr(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

/* One block into the state. */
static void stir(uint32_t h[8], const unsigned char block[BLOCK]) {
    uint32_t w[64], s[8];
    for (int t = 0; t < 16; t++)
        w[t] = load_word(block + 4 * t);
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    memcpy(s, h, sizeof s); /* a b c d e f g h */
    for (int t = 0; t < 64; t++) {
        uint32_t e = s[4], a = s[0];
        uint32_t t1 = s[7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & s[5]) ^ (~e & s[6])) +
                      K[t] + w[t];
        uint32_t t2 =
            (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += s[i];
}

/* Whole blocks from where they are, then one or two of what is left and the padding. */
void sha256(const void *p, size_t n, unsigned char out[SHA256_BYTES]) {
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const unsigned char *at = p;
    unsigned char tail[2 * BLOCK] = {0};
    uint64_t bits = (uint64_t)n * 8;
    for (; n >= BLOCK; at += BLOCK, n -= BLOCK)
        stir(h, at);
    if (n) memcpy(tail, at, n);
    tail[n] = 0x80;
    size_t end = n + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
    store_word(tail + end - 8, (uint32_t)(bits >> 32));
    store_word(tail + end - 4, (uint32_t)bits);
    for (size_t i = 0; i < end; i += BLOCK)
        stir(h, tail + i);
    for (int i = 0; i < 8; i++)
        store_word(out + 4 * i, h[i]);
}

/* Of the digest, the high half of each byte first. */
void sha256_hex(const void *p, size_t n, char out[SHA256_HEX]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_BYTES];
    sha256(p, n, hash);
    for (int i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
}

/* All of them are looked at, wherever the first difference is. */
bool bytes_same(const void *a, const void *b, size_t n) {
    const unsigned char *x = a, *y = b;
    unsigned differ = 0;
    for (size_t i = 0; i < n; i++)
        differ |= x[i] ^ y[i];
    return !differ;
}
