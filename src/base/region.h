/* region: memory for the length of one piece of work: taken in any sizes, given back all at once.
 *
 * Zero-initialised is empty. A region keeps its first block between uses, so that small work costs
 * no allocation; what is larger comes in blocks of its own, which a reset frees. */
#ifndef STAVE_BASE_REGION_H
#define STAVE_BASE_REGION_H

#include <stddef.h>

typedef struct region {
    struct region_block *blocks; /* the newest first */
} region;

/* n bytes, aligned for any type, until the next reset. */
void *region_alloc(region *r, size_t n) __attribute__((malloc, returns_nonnull));
/* Whatever was taken is gone. */
void region_reset(region *r);
void region_free(region *r);

#endif
