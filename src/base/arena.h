/* arena: objects named by 32-bit references, in one reserved region of address space.
 *
 * A reference counts units of 8 bytes from the region's start, so that 4 bytes name any place in
 * 32 GiB; 0 is no object. Objects never move and have no header. Memory is cut into chunks of
 * 64 KiB; a chunk holds objects of one size class (steps of 8 bytes up to 512, then eight steps a
 * doubling), and goes back to the arena when its last object is freed. What is larger than the
 * largest class takes whole chunks in a row.
 *
 * A chunk belongs to one *heap*. All objects of a heap can be dropped chunk by chunk without
 * visiting them. Any number of heaps share an arena; one thread uses both.
 *
 * Bytes count (in mem_used() too) from the first use of their 4 KiB page until the page goes back
 * to the system. The region is inherited by children unless it is withheld, and is of 4 KiB pages
 * but where it was made large on purpose. */
#ifndef STAVE_BASE_ARENA_H
#define STAVE_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t arena_ref;

#define ARENA_NONE  ((arena_ref)0)
#define ARENA_UNIT  8u
#define ARENA_CHUNK 65536u
#define ARENA_MAX   ((uint64_t)32 << 30) /* bytes that references can name */

typedef struct arena {
    char *base; /* where reference 0 would be; the rest is arena.c's */
} arena;
typedef struct arena_heap arena_heap;

/* Reserves address space, rounded up to chunks. REQUIRES: 0 < max_bytes <= ARENA_MAX. */
arena *arena_new(uint64_t max_bytes);
/* REQUIRES: all its heaps are gone. */
void arena_free(arena *a);

/* Bytes of memory in use: pages touched and not given back. The table of chunks, 16 bytes each, is
 * not counted. */
uint64_t arena_bytes(const arena *a);
/* Bytes that can still be handed out in whole chunks, in use or not. A caller that may fill the
 * region asks this and refuses in time: arena_alloc() ends the process when nothing is left. */
uint64_t arena_left(const arena *a);
/* Withheld, the region is not given to children forked from now on, whose fork is so much shorter:
 * a child must not touch it. False again: they get it, as at first. */
void arena_withhold(arena *a, bool withheld);

/* ---- large pages. A fork copies an entry of the page table for every page: a large one costs as
 * much as one of 4 KiB. Pages get small again, 2 MiB at a time, where something is written while
 * such a child lives. To make them large before a fork, between begin and end: every piece that
 * arena_enlarge_next() gives (*at is 0 at first), of at most `most` bytes, goes through
 * mem_enlarge(), on any thread. Only where nearly all is in use anyway; what is not counts as in
 * use from then on. Until the end, no page goes back to the system. */
void arena_enlarge_begin(arena *a);
bool arena_enlarge_next(arena *a, uint64_t *at, size_t most, void **piece, size_t *bytes);
void arena_enlarge_end(arena *a);
/* Between begin and end: memory for what the arena will need next, up to `most` bytes beyond what
 * it has: a piece to go through mem_make_large(), on any thread. It counts as in use from now on.
 */
bool arena_ahead_next(arena *a, size_t most, void **piece, size_t *bytes);
/* Bytes that were put on large pages, as far as is known. */
uint64_t arena_large(const arena *a);
/* A child was forked that was not withheld the arena: the large pages will be made anew. */
void arena_shared(arena *a);

/* Keeps at most that many freed bytes for reuse; the rest goes back to the system at once. */
void arena_keep(arena *a, uint64_t bytes);

arena_heap *arena_heap_new(arena *a);
/* Drops every object. */
void arena_heap_free(arena_heap *h);
/* Drops the objects of at most `chunks` chunks; true when the heap is gone. Between calls nothing
 * else may be done with it. */
bool arena_heap_free_some(arena_heap *h, size_t chunks);

/* An object of at least n bytes, not zeroed, 8-byte aligned. REQUIRES: n > 0. */
arena_ref arena_alloc(arena_heap *h, size_t n);
/* REQUIRES: r came from arena_alloc on this heap and was not released. */
void arena_release(arena_heap *h, arena_ref r);

/* Bytes that arena_alloc(n) takes, and that the object r takes. */
size_t arena_size_for(size_t n);
size_t arena_size(const arena *a, arena_ref r);

uint64_t arena_heap_objects(const arena_heap *h);
uint64_t arena_heap_used(const arena_heap *h);   /* bytes of live objects, rounding included */
uint64_t arena_heap_chunks(const arena_heap *h); /* chunks that it owns */

/* Aborts on a broken invariant of a heap: lists, live counts, free lists. For tests. */
void arena_check(const arena_heap *h);

static inline void *arena_at(const arena *a, arena_ref r) {
    return a->base + (size_t)r * ARENA_UNIT;
}

#endif
