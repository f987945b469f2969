/* list_int: what the files of lists share. */
#ifndef STAVE_TYPES_LIST_INT_H
#define STAVE_TYPES_LIST_INT_H

#include "base/log.h"
#include "keyspace/keyenc.h"
#include "types/list.h"

/* Positions that pushes leave between two values; a power of two. */
#define LIST_STRIDE 256u
/* Where the first value of a list goes. */
#define LIST_MIDDLE ((uint64_t)1 << 63)

/* Bits of the hint. */
enum list_hint {
    LIST_UNEVEN = 1, /* not all neighbours are LIST_STRIDE apart */
    LIST_QUICK = 2,  /* has become a quicklist, by the number of its values */
};

/* An element's position. */
static inline uint64_t list_position(const el_item *item) {
    CHECK(item->sub.len == KEYENC_POSITION);
    return keyenc_position_of(item->sub);
}
/* Iterators at the position, or the next one in the direction. */
static inline engine_result list_seek(elements *el, uint64_t position, bool backward,
                                      el_iter *out) {
    char key[KEYENC_POSITION];
    return el_seek(el, 0, keyenc_position(key, position), backward, out);
}
engine_result list_put(elements *el, uint64_t position, slice value, const el_item *old);
/* Whatever is there. */
engine_result list_del(elements *el, uint64_t position);
/* The list is no longer even. */
void list_uneven(elements *el);

/* list_place.c: a free position between two neighbours, the one before and the one behind (NULL:
 * there is none). Makes room if there is none, so no position that was read before is good. */
engine_result list_place(elements *el, const uint64_t *before, const uint64_t *behind,
                         uint64_t *out);

/* list_encoding.c: the number of values, or one value, has changed: keeps LIST_QUICK. */
void list_resized(elements *el);

#endif
