/* fetch_room: see fetch_room.h. A list of free slots, each of which holds the link to the next; a
 * chunk is mapped when the list is empty, and stays: as many as were ever in use at a time, of
 * which a slot costs the pages that reads have touched. */
#include "engine/fetch_room.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdint.h>

_Static_assert(ROOM_SLOT % ROOM_ALIGN == 0, "each slot is aligned as the first");

/* Its slots become free ones, the first of them first. */
static void add_chunk(fetch_room *r) {
    char *p = mem_map((size_t)ROOM_SLOT * ROOM_CHUNK);
    CHECK((uintptr_t)p % ROOM_ALIGN == 0);
    CHECK(r->nchunks < ROOM_MOST && !r->free);
    r->chunks[r->nchunks++] = p;
    for (unsigned i = ROOM_CHUNK; i-- > 0;) {
        room_slot *s = (room_slot *)(void *)(p + (size_t)i * ROOM_SLOT);
        s->next = r->free;
        r->free = s;
    }
}

void *room_take(fetch_room *r) {
    if (!r->free && r->nchunks == ROOM_MOST) return NULL;
    if (!r->free) add_chunk(r);
    room_slot *s = r->free;
    CHECK((uintptr_t)s % ROOM_ALIGN == 0);
    r->free = s->next;
    r->taken++;
    return s;
}

void room_give(fetch_room *r, void *p) {
    room_slot *s = p;
    CHECK(r->taken > 0 && (uintptr_t)p % ROOM_ALIGN == 0);
    r->taken--;
    s->next = r->free;
    r->free = s;
}

void room_free(fetch_room *r) {
    CHECK(r->nchunks <= ROOM_MOST && r->taken <= (size_t)r->nchunks * ROOM_CHUNK);
    while (r->nchunks > 0)
        mem_unmap(r->chunks[--r->nchunks], (size_t)ROOM_SLOT * ROOM_CHUNK);
    r->free = NULL;
    r->taken = 0;
}
