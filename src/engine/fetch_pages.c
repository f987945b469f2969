/* fetch_pages: see fetch_pages.h. The share is a mean that forgets: each read moves it by a 64th of
 * the distance, so some 130 misses in a row take it from all to an eighth. */
#include "engine/fetch_pages.h"

#include "base/log.h"

#define PAGE_BITS   12
#define FORGETS     6 /* bits: each read counts for a 64th */
#define USELESS     (PAGES_ONE / 8)
#define USEFUL      (PAGES_ONE / 4)
#define SAMPLE_BITS 6 /* of a hash: all zero */
#define GOLDEN      0x9e3779b97f4a7c15u

_Static_assert(PAGES_SAMPLE == 1u << SAMPLE_BITS, "the sample is what has these bits zero");

void pages_start(fetch_pages *p) {
    CHECK(p);
    *p = (fetch_pages){.share = PAGES_ONE, .patience = PAGES_PATIENCE};
}

bool pages_sampled(uint64_t place) {
    return (place >> PAGE_BITS) * GOLDEN >> (64 - SAMPLE_BITS) == 0;
}

/* It was of no use after all if it is given up soon after it was taken up; what lasted long was
 * worth it. */
static void change(fetch_pages *p) {
    if (!p->past && p->reads > (uint64_t)PAGES_MOST * 16)
        p->patience = PAGES_PATIENCE;
    else if (!p->past && p->patience < PAGES_MOST)
        p->patience *= 2;
    CHECK(p->patience >= PAGES_PATIENCE && p->patience <= PAGES_MOST);
    p->past = !p->past;
    p->reads = 0;
}

void pages_saw(fetch_pages *p, bool found) {
    CHECK(p->share <= PAGES_ONE && p->patience >= PAGES_PATIENCE);
    p->reads++;
    if (found)
        p->share += (PAGES_ONE - p->share) >> FORGETS;
    else
        p->share -= p->share >> FORGETS;
    if (!p->past && p->share < USELESS) change(p);
    if (p->past && p->share > USEFUL && p->reads >= p->patience) change(p);
}
