/* cache_table: which item of the value cache has a log position; for cache.c alone.
 *
 * Buckets of sixteen slots, two cache lines: the 32-bit hashes of the items, then the 32-bit
 * references, 0 for an empty slot. A bucket that is full takes no more: the caller, being a cache,
 * drops one of its items. So there are no chains, no probing and no tombstones. The table doubles
 * bucket by bucket, a few at each insert: those below `moved` are in the new half of memory, the
 * others still in the old one. */
#ifndef STAVE_STORAGE_CACHE_TABLE_H
#define STAVE_STORAGE_CACHE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CACHE_BUCKET 16 /* slots */

typedef struct cache_bucket {
    uint32_t hash[CACHE_BUCKET];
    uint32_t ref[CACHE_BUCKET]; /* 0: the slot is empty, and so is its hash */
} cache_bucket;

typedef struct cache_table {
    cache_bucket *buckets;
    cache_bucket *old; /* NULL unless the table is growing: half as many buckets */
    unsigned bits;     /* 2^bits buckets; a hash's top bits are its bucket */
    uint64_t moved;    /* buckets of `old` that are in `buckets` by now */
    uint64_t items;
} cache_table;

void cache_table_init(cache_table *t);
/* Bytes of memory. */
uint64_t cache_table_bytes(const cache_table *t);
uint64_t cache_table_bytes_of(unsigned bits);

static inline uint32_t cache_hash(uint64_t pos) {
    uint64_t h = (pos ^ pos >> 32) * 0x9e3779b97f4a7c15u;
    return (uint32_t)((h ^ h >> 29) * 0xbf58476d1ce4e5b9u >> 32);
}

/* The bucket in which an item of that hash is, if anywhere. */
static inline cache_bucket *cache_table_bucket(const cache_table *t, uint32_t hash) {
    if (t->old) {
        uint64_t b = (uint64_t)hash >> (32 - (t->bits - 1));
        if (b >= t->moved) return t->old + b;
    }
    return t->buckets + ((uint64_t)hash >> (32 - t->bits));
}

/* Bit i: slot i of the bucket has that hash. An empty slot has it if the hash is 0. Four slots at a
 * time, without a branch. */
typedef uint32_t cache_lanes __attribute__((vector_size(16)));
static inline unsigned cache_bucket_match(const cache_bucket *b, uint32_t hash) {
    const cache_lanes want = {hash, hash, hash, hash};
    cache_lanes bits = {0}, bit = {1, 2, 4, 8};
    for (unsigned i = 0; i < CACHE_BUCKET; i += 4, bit <<= 4) {
        cache_lanes have;
        memcpy(&have, b->hash + i, sizeof have);
        bits |= (cache_lanes)(have == want) & bit;
    }
    return bits[0] | bits[1] | bits[2] | bits[3];
}

/* False if the bucket is full. REQUIRES: ref != 0. */
bool cache_table_add(cache_table *t, uint32_t hash, uint32_t ref);
/* REQUIRES: the item is there. */
void cache_table_remove(cache_table *t, uint32_t hash, uint32_t ref);
void cache_table_replace(cache_table *t, uint32_t hash, uint32_t ref, uint32_t new_ref);

/* Should it grow, or is it growing? */
bool cache_table_crowded(const cache_table *t);
/* Does a few buckets' worth of growing, beginning it if need be. When it is through, *done and
 * *bytes are the memory no longer used, which the caller unmaps; else NULL. */
void cache_table_grow(cache_table *t, void **done, size_t *bytes);

#endif
