/* histogram: a value's bucket is its top eight bits, and their place.
 *
 *     value           group   bucket of the group      width
 *     0 .. 127            0   value                        1
 *     128 .. 255          1   value - 128                  1
 *     256 .. 511          2   value / 2 - 128              2
 *     512 .. 1023         3   value / 4 - 128              4
 *
 * Groups are allocated when first hit: a command's times spread over a few doublings only. */
#include "base/histogram.h"

#include "base/log.h"
#include "base/mem.h"

#define HALF_BITS  7  /* log2 of HISTOGRAM_HALF */
#define FIRST_STEP 10 /* log2 of the first bound of histogram_next, in ns */

_Static_assert(HISTOGRAM_HALF == 1 << HALF_BITS, "groups are addressed by bits");

typedef struct place {
    unsigned group, bucket;
} place;

/* REQUIRES: v <= HISTOGRAM_MAX. */
static place place_of(uint64_t v) {
    if (v < HISTOGRAM_HALF) return (place){0, (unsigned)v};
    unsigned doubling = 63 - (unsigned)__builtin_clzll(v) - HALF_BITS; /* 0: 128 .. 255 */
    return (place){doubling + 1, (unsigned)(v >> doubling) - HISTOGRAM_HALF};
}

/* The largest value that falls into a place. */
static uint64_t highest_of(place at) {
    if (at.group == 0) return at.bucket;
    return ((uint64_t)(HISTOGRAM_HALF + at.bucket + 1) << (at.group - 1)) - 1;
}

/* A count of leading zeros, two shifts and an addition. */
void histogram_record(histogram *h, uint64_t ns) {
    if (ns == 0) ns = 1;
    if (ns > HISTOGRAM_MAX) ns = HISTOGRAM_MAX;
    place at = place_of(ns);
    uint64_t **group = &h->groups[at.group];
    if (__builtin_expect(!*group, 0)) *group = mem_zalloc(HISTOGRAM_HALF * sizeof **group);
    (*group)[at.bucket]++;
    h->count++;
}

/* The rank is rounded to the nearest value, and is at least the first. */
uint64_t histogram_percentile(const histogram *h, double p) {
    CHECK(p >= 0 && p <= 100);
    if (h->count == 0) return 0;
    uint64_t rank = (uint64_t)(p / 100 * (double)h->count + 0.5), seen = 0;
    if (rank == 0) rank = 1;
    if (rank > h->count) rank = h->count;
    for (unsigned g = 0; g < HISTOGRAM_GROUPS; g++) {
        for (unsigned b = 0; h->groups[g] && b < HISTOGRAM_HALF; b++) {
            seen += h->groups[g][b];
            if (seen >= rank) return highest_of((place){g, b});
        }
    }
    CHECK(!"the counts add up to count");
    return 0;
}

/* Zero-initialised again. */
void histogram_clear(histogram *h) {
    for (unsigned g = 0; g < HISTOGRAM_GROUPS; g++)
        mem_free(h->groups[g]);
    *h = (histogram){0};
}

/* How many values fall into places up to and including `last`. */
static uint64_t count_upto(const histogram *h, place last) {
    uint64_t sum = 0;
    for (unsigned g = 0; g <= last.group; g++) {
        unsigned end = g < last.group ? HISTOGRAM_HALF : last.bucket + 1;
        for (unsigned b = 0; h->groups[g] && b < end; b++)
            sum += h->groups[g][b];
    }
    return sum;
}

/* Steps are few (27) and asked for by hand, so each sums from the start. */
bool histogram_next(const histogram *h, unsigned *step, uint64_t *us, uint64_t *cumulative) {
    uint64_t before = 0;
    if (*step) before = count_upto(h, place_of((uint64_t)1 << (FIRST_STEP + *step - 1)));
    for (; before < h->count; (*step)++) {
        uint64_t bound = (uint64_t)1 << (FIRST_STEP + *step);
        place at = place_of(bound > HISTOGRAM_MAX ? HISTOGRAM_MAX : bound);
        uint64_t sum = count_upto(h, at);
        if (sum == before) continue;
        (*step)++;
        *us = highest_of(at) / 1000;
        *cumulative = sum;
        return true;
    }
    return false;
}
