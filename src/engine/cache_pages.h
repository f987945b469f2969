/* cache_pages: an engine's cache put on large pages as it fills.
 *
 * A full segment of a cache goes to a worker, which moves what lies in it onto a page of 2 MiB; all
 * addresses stay. What is read at random from hundreds of megabytes misses what the processor
 * remembers of addresses at nearly each access, and on small pages that is as slow as missing the
 * memory itself, the more so in a virtual machine. Children do not get caches, so a fork has no
 * part in it. */
#ifndef STAVE_ENGINE_CACHE_PAGES_H
#define STAVE_ENGINE_CACHE_PAGES_H

#include "io/aio.h"
#include "storage/cache.h"

#define CACHE_PAGES_MOST 8 /* segments at a time: about as many milliseconds of a worker */

/* Zeroed at first. */
typedef struct cache_pages {
    aio_job job;
    cache *of;
    void *mem[CACHE_PAGES_MOST]; /* the worker's */
    int n;                       /* of them; 0: none is under way */
    bool refused;                /* the system can't */
    uint64_t enlarged;           /* bytes so far */
} cache_pages;

/* Begins some if there are any to be done, and none are under way. The cache may go only when the
 * aio was drained, or never ran (a simulated crash). */
void cache_pages_cron(cache_pages *p, cache *of, aio *by);

#endif
