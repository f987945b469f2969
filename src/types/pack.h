/* pack: a few elements as bytes, one after another: what a small collection keeps in its key's
 * entry.
 *
 * Pure functions over bytes; where they are and what they mean is elements.c's affair. An element
 * is
 *
 *   varint   length of the subkey * 2, + 1 if it has an expire time
 *            the subkey
 *   varint   length of the value, then the value
 *   i64      expire time, ms since the epoch     (if it has one)
 */
#ifndef STAVE_TYPES_PACK_H
#define STAVE_TYPES_PACK_H

#include "base/buf.h"
#include "base/slice.h"

typedef struct pack_item {
    slice sub, value; /* into the bytes */
    int64_t expire;   /* 0: none */
    uint32_t at, end; /* the element's bytes */
} pack_item;

/* The element that begins at `at`; false at the end. Malformed bytes abort: they passed their CRC.
 */
bool pack_at(slice pack, uint32_t at, pack_item *out);
/* The element with that subkey, which is out->at .. out->end; its number to *index. */
bool pack_find(slice pack, slice sub, pack_item *out, uint32_t *index);
/* How many bytes an element takes. */
size_t pack_size(slice sub, slice value, int64_t expire);
/* Writes one to p, which has room for it; returns the byte after it. The slices must not lie there.
 */
char *pack_write(char *p, slice sub, slice value, int64_t expire);

#endif
