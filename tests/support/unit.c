/* unit: one seed a process: tests of one program replay together. */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 5
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SLOWER 5
#endif
#endif
#ifndef SLOWER
#define SLOWER 1
#endif

/* Printed once. */
void unit_seed(rng *r) {
    static uint64_t seed;
    static int known;
    if (!known) {
        const char *text = getenv("STAVE_SEED");
        if (text)
            seed = strtoull(text, NULL, 10);
        else
            rand_bytes(&seed, sizeof seed);
        known = 1;
        printf("STAVE_SEED=%llu\n", (unsigned long long)seed);
        fflush(stdout);
    }
    rng_seed(r, seed);
}

/* At least one round is left. */
int unit_rounds(int rounds) {
    const char *text = getenv("STAVE_SLOWER"); /* under valgrind, which nothing here can see */
    int slower = text ? atoi(text) : SLOWER;
    if (slower < 1) slower = 1;
    return rounds >= slower ? rounds / slower : 1;
}
