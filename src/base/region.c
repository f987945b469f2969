/* Regions: a chain of blocks, of which the newest is being filled.
 *
 * Blocks have a fixed size, so that a region that is used for little stays with one; a request that
 * does not fit into half of a block gets one of its own, behind the one that is being filled. */
#include "base/region.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdalign.h>
#include <stdint.h>

#define BLOCK_BYTES 16384
#define ALIGN       alignof(max_align_t)

typedef struct region_block {
    struct region_block *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
} region_block;

/* A block with room for size bytes. */
static region_block *block_new(size_t size) {
    region_block *b = mem_alloc(sizeof *b + size);
    *b = (region_block){.size = size};
    return b;
}

/* Large requests leave the newest block where it is, as it may have room for more small ones. */
static void *alloc_alone(region *r, size_t n) {
    region_block *b = block_new(n);
    b->used = n;
    if (r->blocks) {
        b->next = r->blocks->next;
        r->blocks->next = b;
    } else {
        r->blocks = b;
    }
    return b->bytes;
}

void *region_alloc(region *r, size_t n) {
    CHECK(n <= SIZE_MAX / 2);
    n = (n + ALIGN - 1) & ~(ALIGN - 1);
    if (n > BLOCK_BYTES / 2) return alloc_alone(r, n);
    region_block *b = r->blocks;
    if (!b || b->size - b->used < n) {
        b = block_new(BLOCK_BYTES);
        b->next = r->blocks;
        r->blocks = b;
    }
    void *p = b->bytes + b->used;
    b->used += n;
    return p;
}

/* One block of the usual size is kept, if there is one. */
void region_reset(region *r) {
    region_block *keep = NULL, *b = r->blocks;
    if (b && !b->next && b->size == BLOCK_BYTES) {
        b->used = 0;
        return;
    }
    while (b) {
        region_block *next = b->next;
        if (!keep && b->size == BLOCK_BYTES) {
            keep = b;
        } else {
            mem_free(b);
        }
        b = next;
    }
    if (keep) *keep = (region_block){.size = BLOCK_BYTES};
    r->blocks = keep;
}

void region_free(region *r) {
    while (r->blocks) {
        region_block *b = r->blocks;
        r->blocks = b->next;
        mem_free(b);
    }
}
