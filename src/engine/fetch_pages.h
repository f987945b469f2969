/* fetch_pages: is the page cache of any use to reads at random?
 *
 * Looking there first, and reading by it, costs a read that it can't help more than half again as
 * much CPU. But who reads past it never fills it, and never learns that the data would fit. So a
 * sample of the pages, one in 64, always the same, is read by it whatever is thought of it, and
 * the share of that sample's reads that found their page there is what is known:
 *
 *     BY IT ── less than an eighth ──> PAST IT ── more than a quarter ──> BY IT
 *
 * The sample alone may fit where all do not. Then the share, which rose while the others went past
 * it, falls again once they come by it: each such error makes the next change of mind wait twice as
 * long. */
#ifndef STAVE_ENGINE_FETCH_PAGES_H
#define STAVE_ENGINE_FETCH_PAGES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct fetch_pages {
    uint32_t share;    /* of PAGES_ONE: of the sample's latest reads those that found their page */
    bool past;         /* what is not in the sample is read past it */
    uint64_t reads;    /* of the sample, since `past` changed */
    uint64_t patience; /* reads of the sample that one waits before it is read by again */
} fetch_pages;

#define PAGES_ONE      65536u
#define PAGES_SAMPLE   64u /* one in so many pages */
#define PAGES_PATIENCE 256u
#define PAGES_MOST     (1u << 20) /* patience */

/* It is of use, until the sample says otherwise. */
void pages_start(fetch_pages *p);
/* Is the page at that place in the sample? */
bool pages_sampled(uint64_t place);
/* A read of the sample did, or did not, find its page. */
void pages_saw(fetch_pages *p, bool found);

#endif
