/* fetch_room: memory for reads that go past the page cache.
 *
 * The device writes into it while the process goes on, and perhaps forks: so it is pages of its own
 * that a child does not get (mem_map), and not the allocator's. It comes in slots of one size,
 * which are used again, the one that was last given back first. */
#ifndef STAVE_ENGINE_FETCH_ROOM_H
#define STAVE_ENGINE_FETCH_ROOM_H

#include <stddef.h>

#define ROOM_SLOT  8192u /* bytes of a slot, and a multiple of what it is aligned to */
#define ROOM_ALIGN 4096u
#define ROOM_CHUNK 64u /* slots that are mapped together */
#define ROOM_MOST  16u /* chunks: 8 MiB */

typedef struct room_slot {
    struct room_slot *next;
} room_slot;

/* Zeroed: none is mapped. */
typedef struct fetch_room {
    room_slot *free;
    char *chunks[ROOM_MOST];
    unsigned nchunks;
    size_t taken;
} fetch_room;

/* A slot; NULL: all that there may be are taken. */
void *room_take(fetch_room *r);
/* p is one that was taken. */
void room_give(fetch_room *r, void *p);
/* What is taken goes too. */
void room_free(fetch_room *r);

#endif
