/* held: a copy of bytes that outlives calls on the engine. Its room is used again for the next. */
#ifndef STAVE_TYPES_HELD_H
#define STAVE_TYPES_HELD_H

#include "keyspace/keyspace.h"

/* All zero: nothing is held. */
typedef struct held {
    slice bytes;
    char *room;
    size_t cap;
} held;

/* The first time there is room for no more than that, then for twice as much as is needed. */
static inline void hold(keyspace *ks, held *h, slice bytes) {
    if (bytes.len > h->cap) {
        h->cap = h->room ? 2 * bytes.len : bytes.len;
        h->room = ks_alloc(ks, h->cap);
    }
    if (bytes.len) memcpy(h->room, bytes.data, bytes.len);
    h->bytes = slice_of(h->room, bytes.len);
}

#endif
