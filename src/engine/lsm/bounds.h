/* bounds: what a table's description says of the range of its keys, and where one table may end and
 * the next begin. Pure functions over key bytes. */
#ifndef STAVE_ENGINE_LSM_BOUNDS_H
#define STAVE_ENGINE_LSM_BOUNDS_H

#include "base/buf.h"

/* Keys longer than this have their bounds cut: no more goes to the manifest. */
#define BOUND_WHOLE_MAX (66u << 10)

/* Overwrites out: a bound <= key, and > everything that may stand in the table before. */
void bound_smallest(buf *out, slice key);
/* Overwrites out: a bound > key and, for a drop, > all keys that begin with it. */
void bound_limit(buf *out, slice key, bool drop);
/* Overwrites out: the least bytes > all that begin with prefix. REQUIRES: not all of it is ff. */
void bound_after_prefix(buf *out, slice prefix);
/* May a table end behind `key` if the next key is `next`? Not between keys of one token: their
 * bounds, cut, could be the same. */
bool bound_may_cut(slice key, slice next);

/* Do [a, a_limit) and [b, b_limit) have a key in common? */
static inline bool bound_overlap(slice a, slice a_limit, slice b, slice b_limit) {
    return slice_cmp(a, b_limit) < 0 && slice_cmp(b, a_limit) < 0;
}

#endif
