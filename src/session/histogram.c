/* histogram: log-linear buckets, as in HdrHistogram: a power of two is split into equal parts. */
#include "session/histogram.h"

#include "base/mem.h"

void histogram_make(histogram **h) {
    *h = mem_zalloc(sizeof **h);
}

uint64_t histogram_upper(unsigned b) {
    if (b < 2u << HISTOGRAM_SUB_BITS) return b;
    unsigned shift = (b >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t top = (b & ((1u << HISTOGRAM_SUB_BITS) - 1)) + (1u << HISTOGRAM_SUB_BITS);
    return ((top + 1) << shift) - 1;
}

uint64_t histogram_percentile(const histogram *h, double percent) {
    if (!h || !h->count) return 0;
    double want = (double)h->count * percent / 100;
    uint64_t seen = 0;
    unsigned last = 0;
    for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
        if (!h->buckets[b]) continue;
        seen += h->buckets[b];
        last = b;
        if ((double)seen >= want) break;
    }
    return histogram_upper(last);
}

uint64_t histogram_up_to(const histogram *h, uint64_t v) {
    uint64_t n = 0;
    for (unsigned b = 0; h && b < HISTOGRAM_BUCKETS && histogram_upper(b) <= v; b++)
        n += h->buckets[b];
    return n;
}

void histogram_free(histogram **h) {
    mem_free(*h);
    *h = NULL;
}
