/* SHA-1 as FIPS 180-4 has it: blocks of 64 bytes, 80 rounds each, over five words of state.
 *
 *     message ‖ 0x80 ‖ zeros ‖ length in bits (64, big-endian)      to a multiple of 64 bytes */
#include "base/sha1.h"

#define BLOCK 64

static uint32_t rotate(uint32_t x, int n) {
    return x << n | x >> (32 - n);
}

/* One block. The schedule of 80 words is kept as a ring of the last 16. */
static void block(uint32_t h[5], const unsigned char *p) {
    uint32_t w[16], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 0; i < 80; i++) {
        uint32_t f, k;
        if (i >= 16)
            w[i & 15] = rotate(w[(i + 13) & 15] ^ w[(i + 8) & 15] ^ w[(i + 2) & 15] ^ w[i & 15], 1);
        if (i < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        } else if (i < 40) {
            f = b ^ c ^ d;
            k = 0x6ed9eba1;
        } else if (i < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        } else {
            f = b ^ c ^ d;
            k = 0xca62c1d6;
        }
        uint32_t t = rotate(a, 5) + f + e + k + w[i & 15];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = t;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

/* Whole blocks from where they are, then one or two made of what is left. */
void sha1_hex(slice s, char out[SHA1_HEX_LEN + 1]) {
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const unsigned char *p = (const unsigned char *)s.data;
    size_t left = s.len;
    for (; left >= BLOCK; left -= BLOCK, p += BLOCK)
        block(h, p);
    unsigned char tail[2 * BLOCK] = {0};
    if (left) memcpy(tail, p, left);
    tail[left] = 0x80;
    size_t n = left + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
    uint64_t bits = (uint64_t)s.len * 8;
    for (int i = 0; i < 8; i++)
        tail[n - 1 - (size_t)i] = (unsigned char)(bits >> 8 * i);
    block(h, tail);
    if (n > BLOCK) block(h, tail + BLOCK);
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA1_HEX_LEN; i++)
        out[i] = digits[h[i / 8] >> (28 - 4 * (i % 8)) & 15];
    out[SHA1_HEX_LEN] = 0;
}
