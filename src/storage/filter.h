/* filter: a blocked bloom filter (Putze, Sanders, Singler 2007): each key sets FILTER_PROBES bits
 * in one block of 64 bytes, so that a query costs one cache line. Sized from the number of keys:
 * about 10 bits each, near 1 % false positives, unless said otherwise. Keys come as 64-bit hashes,
 * which the filter mixes. */
#ifndef STAVE_STORAGE_FILTER_H
#define STAVE_STORAGE_FILTER_H

#include "base/buf.h"

#define FILTER_BLOCK      64
#define FILTER_PROBES     6 /* with FILTER_KEY_BITS */
#define FILTER_KEY_BITS   10
#define FILTER_BITS_MAX   20
#define FILTER_PROBES_MAX 7

/* How many bits of a block are set for a key where a key gets `bits` of the filter: 1 ..
 * FILTER_PROBES_MAX, near bits * ln 2. REQUIRES: 0 < bits <= FILTER_BITS_MAX. */
unsigned filter_probes(unsigned bits);
/* Bytes for that many keys: a multiple of FILTER_BLOCK, 0 for no keys. */
uint64_t filter_size(uint64_t keys);
uint64_t filter_size_of(uint64_t keys, unsigned bits);
/* `bits` is filter_size(keys) bytes, zeroed before the first. */
void filter_add(char *bits, uint64_t size, uint64_t hash);
/* False: certainly not added. A filter of no bytes holds nothing. REQUIRES: bits.len is a multiple
 * of FILTER_BLOCK. */
bool filter_may_hold(slice bits, uint64_t hash);
/* The same with `probes` bits a key instead of FILTER_PROBES. */
bool filter_may_hold_of(slice bits, unsigned probes, uint64_t hash);
/* Where in a filter of that many bytes the line for this hash begins. REQUIRES: size > 0. */
uint64_t filter_line(uint64_t size, uint64_t hash);
/* Has the line of memory fetched that filter_may_hold_of will look at. */
void filter_prefetch(slice bits, uint64_t hash);

/* Collects hashes until their number is known. Zero-initialised is empty. */
typedef struct filter_builder {
    uint64_t *hashes;
    size_t n, cap;
} filter_builder;

void filter_collect(filter_builder *b, uint64_t hash);
/* Appends the filter's bytes to out and frees what was collected. */
void filter_finish(filter_builder *b, buf *out);
/* Appends a filter of `bits` a key; the builder is empty again, its memory kept. */
void filter_finish_of(filter_builder *b, unsigned bits, buf *out);
void filter_builder_free(filter_builder *b);

#endif
