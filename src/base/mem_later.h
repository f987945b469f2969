/* mem_later: large blocks that go back to the system a little at a time.
 *
 * Giving back a gigabyte at once takes a tenth of a second and more, since the system visits each
 * of its pages. Here a block waits until somebody with a little time to spare gives back a part of
 * it. All calls from one thread. What waits is still counted as in use, and is at most
 * MEM_LATER_MAX: of what goes beyond, the one who brings it gives the surplus back. */
#ifndef STAVE_BASE_MEM_LATER_H
#define STAVE_BASE_MEM_LATER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"

/* Shorter blocks are given back at once: that takes no longer than telling them apart. */
#define MEM_LATER_MIN ((size_t)2 << 20)
#define MEM_LATER_MAX ((size_t)1 << 30)

/* A block of mem_alloc, of `bytes` bytes. NULL is fine. */
void mem_free_later(void *p, size_t bytes);
/* Pages of mem_map, all or a part. They wait however few they are, as they may come in numbers. */
void mem_unmap_later(void *p, size_t bytes);
/* As buf_free. */
void buf_free_later(buf *b);

/* Gives back for about that long, a step at least; true if there is more. */
bool mem_later_some(uint64_t us);
/* Bytes that wait. */
uint64_t mem_later_bytes(void);
/* Bytes that mem_used() counts for blocks that wait: to the allocator a block is in use until the
 * last of it goes. */
uint64_t mem_later_held(void);

/* The whole pages within p[0 .. n), of a block that is in use, go back to the system now: what was
 * in those bytes is lost, and they take no memory until they are written again. */
void mem_give_pages(void *p, size_t n);

#endif
