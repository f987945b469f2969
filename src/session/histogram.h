/* histogram: how long calls took: counts in buckets whose width grows with the value, so that any
 * percentile is known to about 3 %. For latencystats and LATENCY HISTOGRAM. */
#ifndef STAVE_SESSION_HISTOGRAM_H
#define STAVE_SESSION_HISTOGRAM_H

#include <stdint.h>

/* 32 buckets to each power of two, up to 2^36 ns (about a minute); longer counts as that. */
#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_BITS     36
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

typedef struct histogram {
    uint64_t count;
    uint64_t buckets[HISTOGRAM_BUCKETS];
} histogram;

/* Values below 32 have a bucket each; above, the value's top six bits name it. */
static inline unsigned histogram_bucket(uint64_t v) {
    if (v < 1u << HISTOGRAM_SUB_BITS) return (unsigned)v;
    unsigned shift = 63u - (unsigned)__builtin_clzll(v) - HISTOGRAM_SUB_BITS;
    unsigned b = (shift << HISTOGRAM_SUB_BITS) + (unsigned)(v >> shift);
    return b < HISTOGRAM_BUCKETS ? b : HISTOGRAM_BUCKETS - 1;
}

/* Makes *h at the first call. */
void histogram_make(histogram **h);
static inline void histogram_add(histogram **h, uint64_t ns) {
    if (__builtin_expect(!*h, 0)) histogram_make(h);
    (*h)->count++;
    (*h)->buckets[histogram_bucket(ns)]++;
}
/* The greatest value that bucket b counts. */
uint64_t histogram_upper(unsigned b);
/* The value that `percent` of all values do not exceed (the upper end of its bucket); 0 if there
 * are none. */
uint64_t histogram_percentile(const histogram *h, double percent);
/* How many values are <= v, to the precision of the buckets. */
uint64_t histogram_up_to(const histogram *h, uint64_t v);
void histogram_free(histogram **h);

#endif
