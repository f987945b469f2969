/* listpack: what a value takes in redis-server's listpacks, by which it decides how it keeps a key.
 */
#ifndef STAVE_TYPES_LISTPACK_H
#define STAVE_TYPES_LISTPACK_H

#include "base/slice.h"

/* The bytes behind an entry that say how long it is; len: the entry's, without them. (16383 takes
 * three, and so on: redis-server compares by less than.) */
static inline size_t listpack_back(uint64_t len) {
    return len <= 127 ? 1 : len < 16383 ? 2 : len < 2097151 ? 3 : len < 268435455 ? 4 : 5;
}
/* Bytes of the entry of a value of `len` bytes, all included. `value` is all of it unless it is
 * longer than any number. */
uint64_t listpack_entry(slice value, uint64_t len);

#endif
