/* hashes: a set of 64-bit numbers, in memory that lives as long as the batch. */
#ifndef STAVE_TYPES_HASHES_H
#define STAVE_TYPES_HASHES_H

#include "keyspace/keyspace.h"

typedef struct hashes {
    uint64_t *places; /* open addressing; 0: empty */
    uint64_t mask;
} hashes;

/* For at most n numbers: 16 to 32 bytes each. */
void hashes_make(keyspace *ks, uint64_t n, hashes *out);
/* False if it is there. 0 and 1 are the same one. */
bool hashes_add(hashes *h, uint64_t number);
bool hashes_has(const hashes *h, uint64_t number);

#endif
