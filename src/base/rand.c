/* rand: xoshiro256** 1.0 by David Blackman and Sebastiano Vigna (prng.di.unimi.it), its state
 * filled from one number by splitmix64, as its authors advise; and bytes from the kernel. The
 * generator is fast and replays from its seed; whatever must not be guessed comes from rand_bytes.
 */
#include "base/rand.h"

#include <errno.h>
#include <sys/random.h>

#include "base/log.h"

/* Left by k bits, 0 < k < 64. */
static uint64_t rotl(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

/* One step of splitmix64: turns any seed, zero too, into well mixed state words. */
static uint64_t splitmix(uint64_t *x) {
    uint64_t z = *x += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Any seed gives a state that is not all zero, which xoshiro could not leave. */
void rng_seed(rng *r, uint64_t seed) {
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&seed);
}

/* The reference step, all 64 bits usable. */
uint64_t rng_next(rng *r) {
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* The high half of a 64 x 64 bit product is uniform to within n / 2^64, for any n of use here. */
uint64_t rng_below(rng *r, uint64_t n) {
    CHECK(n > 0);
    return (uint64_t)(((unsigned __int128)rng_next(r) * n) >> 64);
}

/* Waits for the kernel to be seeded, which on a running system it is. */
void rand_bytes(void *p, size_t n) {
    char *at = p;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        CHECK(got > 0);
        at += got;
        n -= (size_t)got;
    }
}

/* Four random bits a digit. REQUIRES: len + 1 bytes at out. */
void rand_hex(char *out, size_t len) {
    rand_bytes(out, len);
    for (size_t i = 0; i < len; i++)
        out[i] = "0123456789abcdef"[out[i] & 15];
    out[len] = '\0';
}
