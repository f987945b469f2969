/* histogram: how long things took: counts in buckets whose width follows the value, so that any
 * percentile is known within 0.8 %, after HdrHistogram (Gil Tene) with two significant digits.
 *
 * Values are nanoseconds. Those below 256 ns have a bucket each, above there are 128 to every
 * doubling, up to HISTOGRAM_MAX (about 68 s), where larger values are counted. Memory: 256 bytes,
 * and 1 KiB for each doubling that has been hit. Zero-initialised is empty. */
#ifndef STAVE_BASE_HISTOGRAM_H
#define STAVE_BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define HISTOGRAM_HALF   128 /* buckets a doubling */
#define HISTOGRAM_GROUPS 30
#define HISTOGRAM_MAX    (((uint64_t)HISTOGRAM_HALF << (HISTOGRAM_GROUPS - 1)) - 1)

typedef struct histogram {
    uint64_t count;                     /* values recorded */
    uint64_t *groups[HISTOGRAM_GROUPS]; /* HISTOGRAM_HALF counts each; NULL: all zero */
} histogram;

/* O(1). Zero counts as 1, as a command that took no measurable time took some. */
void histogram_record(histogram *h, uint64_t ns);
/* The largest value of the bucket in which the p-th percentile lies, in ns; 0 if nothing has been
 * recorded. REQUIRES: 0 <= p <= 100. */
uint64_t histogram_percentile(const histogram *h, double p);
/* Forgets all values and releases the memory. */
void histogram_clear(histogram *h);

/* One line of LATENCY HISTOGRAM: `cumulative` values took up to about `us` microseconds. The bounds
 * are Redis': powers of two of 1024 ns, each with the bucket that it begins, so 1 2 4 8 16 33 66 ..
 * Bounds that add nothing to the one before are left out. *step starts at 0; false at the end. */
bool histogram_next(const histogram *h, unsigned *step, uint64_t *us, uint64_t *cumulative);

#endif
