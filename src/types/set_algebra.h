/* set_algebra: intersection, union and difference of sets, streamed: what comes out is shown one by
 * one, or put into a new set, and never held in memory.
 *
 * Sources are open, of type set, and may be absent, which is an empty set; the same key may be
 * there more than once, opened as often. They must not change meanwhile.
 *
 * Costs: an intersection is a walk over its smallest set and a lookup in each of the others. A
 * difference is a walk over the first set with either lookups in the others, or, if they are small
 * together, a table of hashes of what they hold. A union walks all of them at once. */
#ifndef STAVE_TYPES_SET_ALGEBRA_H
#define STAVE_TYPES_SET_ALGEBRA_H

#include "types/set.h"

engine_result set_inter(elements *const *sets, unsigned n, set_each each, void *ctx);
engine_result set_union(elements *const *sets, unsigned n, set_each each, void *ctx);
engine_result set_diff(elements *const *sets, unsigned n, set_each each, void *ctx);

/* The same into `to`, which el_create has just made; its key may be a source's. */
engine_result set_inter_store(elements *const *sets, unsigned n, elements *to);
engine_result set_union_store(elements *const *sets, unsigned n, elements *to);
engine_result set_diff_store(elements *const *sets, unsigned n, elements *to);

#endif
