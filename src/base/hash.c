/* hash: SipHash-1-3, after "SipHash: a fast short-input PRF" by Jean-Philippe Aumasson and Daniel
 * J. Bernstein: one round a word, three at the end. Keyed, so that a client that picks key names
 * can't pile them onto one place of the token order. crc32c is in crc32c.c. */
#include "base/hash.h"

#include "base/codec.h"

/* The four words of the state. */
typedef struct sip {
    uint64_t v0, v1, v2, v3;
} sip;

/* Compilers make one instruction of it. */
static inline uint64_t rotl(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

/* One SipRound. */
static inline void sip_round(sip *s) {
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 = rotl(s->v2, 32);
}

/* Takes in one word of the message. */
static inline void sip_word(sip *s, uint64_t m) {
    s->v3 ^= m;
    sip_round(s);
    s->v0 ^= m;
}

/* Whole words first, then one that ends with the length, then the three last rounds. */
uint64_t siphash13(hash_key key, const void *p, size_t n) {
    const char *at = n ? p : "";
    const char *end = at + (n & ~(size_t)7);
    sip s = {key.k0 ^ 0x736f6d6570736575u, key.k1 ^ 0x646f72616e646f6du,
             key.k0 ^ 0x6c7967656e657261u, key.k1 ^ 0x7465646279746573u};
    for (; at != end; at += 8)
        sip_word(&s, load_u64(at));
    /* The last word: what is left, below the length's low byte. */
    sip_word(&s, load_upto8(at, n & 7) | (uint64_t)n << 56);
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
