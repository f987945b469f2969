/* tally: what a database holds, as two counts and a sum that does not depend on any order, so that
 * two stores can be compared without both being read side by side.
 *
 * Each entry, with its name, type, hint, expire time and value, and each element, with the name of
 * its key, its map, subkey, expire time and value, is hashed to 128 bits (SipHash-1-3 under two
 * fixed keys, over fields of stated lengths), and all hashes are added. Two databases with the same
 * tally hold the same, unless a 128-bit sum is equal by chance. */
#ifndef STAVE_CONVERT_TALLY_H
#define STAVE_CONVERT_TALLY_H

#include "engine/model.h"

typedef struct tally_sum {
    uint64_t keys, elements;
    uint64_t bytes; /* of keys, subkeys and values */
    uint64_t a, b;
} tally_sum;

typedef struct tally {
    tally_sum sum;
    uint64_t key_a, key_b; /* hash of the key whose elements come */
    buf bytes;             /* scratch space */
} tally;

void tally_entry(tally *t, slice key, const entry *ent);
/* Of the key that was last given to tally_entry. */
void tally_element(tally *t, unsigned map, slice sub, slice value, int64_t expire);
bool tally_eq(const tally_sum *x, const tally_sum *y);
void tally_free(tally *t);

#endif
