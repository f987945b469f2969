/* held: memory of the batch that is used again, and a copy of bytes in it that outlives calls on
 * the engine. */
#ifndef STAVE_TYPES_HELD_H
#define STAVE_TYPES_HELD_H

#include "keyspace/keyspace.h"

/* So that a walk over millions of elements takes no more than the longest needs. {0} at first. */
typedef struct el_room {
    char *bytes;
    size_t cap;
} el_room;

/* n bytes, in which what was there is forgotten. The first time as much as is needed, then twice
 * that, so that all the room that is ever made is a few times the longest. */
static inline char *room_for(keyspace *ks, el_room *room, size_t n) {
    if (n > room->cap) {
        room->cap = room->bytes ? 2 * n : n;
        room->bytes = ks_alloc(ks, room->cap);
    }
    return room->bytes;
}

/* A copy that lives until the next one into the same room. What is copied may lie in that room. */
static inline slice room_copy(keyspace *ks, el_room *room, slice s) {
    char *copy = room_for(ks, room, s.len);
    if (s.len) memmove(copy, s.data, s.len);
    return slice_of(copy, s.len);
}

/* All zero: nothing is held. */
typedef struct held {
    slice bytes;
    el_room room;
} held;

static inline void hold(keyspace *ks, held *h, slice bytes) {
    h->bytes = room_copy(ks, &h->room, bytes);
}

#endif
