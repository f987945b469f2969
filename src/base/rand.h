/* rand: xoshiro256** (Blackman and Vigna); seeded, so that whatever is random replays. */
#ifndef STAVE_BASE_RAND_H
#define STAVE_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

typedef struct rng {
    uint64_t s[4];
} rng;

void rng_seed(rng *r, uint64_t seed);
uint64_t rng_next(rng *r);
/* 0 .. n-1, without bias worth the name. REQUIRES: n > 0. */
uint64_t rng_below(rng *r, uint64_t n);
/* n bytes from the kernel; aborts if it has none. */
void rand_bytes(void *p, size_t n);
/* len lower-case hex digits of kernel randomness, then NUL (run ids). */
void rand_hex(char *out, size_t len);

#endif
