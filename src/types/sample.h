/* sample: elements of a key picked at random: SRANDMEMBER, SPOP, HRANDFIELD, ZRANDMEMBER.
 *
 * Picks are shown one at a time, so that a reply can be written as they come. They are uniform
 * where el_random is, and exactly so of packed elements, in a walk, and over an engine that counts.
 * Memory is 16 to 32 bytes a pick at the most. What is picked when a read was PENDING is picked
 * again when the command runs again, as long as nobody else draws lots meanwhile, and a run asks
 * for many misses before it gives up its turn. */
#ifndef STAVE_TYPES_SAMPLE_H
#define STAVE_TYPES_SAMPLE_H

#include "types/elements.h"

/* Shows a pick; its slices live until the next call on the elements, and it must make none. False:
 * no more are wanted. */
typedef bool (*sample_each)(void *ctx, const el_item *item);

/* n of them, any as often as it comes. None if there are no elements. */
engine_result sample_any(elements *el, uint64_t n, sample_each each, void *ctx);
/* n different ones, or all if there are no more: in no promised order, which is that of a walk if n
 * is all, or much of all. */
engine_result sample_distinct(elements *el, uint64_t n, sample_each each, void *ctx);

#endif
