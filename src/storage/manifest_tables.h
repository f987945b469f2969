/* manifest_tables: the tables that a manifest lists, by number.
 *
 * There may be tens of thousands, and each edit is applied to a copy of the state: so copies share
 * what they have in common. The list is a list of chunks, each shared by all copies until one of
 * them changes it; a table is never changed, only replaced. */
#ifndef STAVE_STORAGE_MANIFEST_TABLES_H
#define STAVE_STORAGE_MANIFEST_TABLES_H

#include "base/buf.h"

#define MANIFEST_LEVELS    16          /* levels are below */
#define MANIFEST_BOUND_MAX (70u << 10) /* of smallest and of limit */

typedef struct manifest_table {
    uint32_t number;
    uint32_t length; /* of the file */
    uint32_t level;
    uint64_t recency;                     /* the engine's: greater is newer */
    uint64_t entries, tombstones, hidden; /* as table_summary has them */
    uint64_t plain_bytes;
    slice smallest; /* <= each of its keys */
    slice limit;    /* > each of its keys; greater than smallest */
} manifest_table;

typedef struct manifest_chunk manifest_chunk;

/* Zero-initialised is empty. */
typedef struct manifest_tables {
    manifest_chunk **chunks;
    size_t nchunks;
    size_t n; /* tables */
} manifest_tables;

void manifest_tables_free(manifest_tables *t);
void manifest_tables_copy(manifest_tables *to, const manifest_tables *from);
bool manifest_tables_eq(const manifest_tables *a, const manifest_tables *b);

/* Both: NULL if there is none. The table, with its bounds, is valid as long as it is listed in a
 * copy that has not been freed. */
const manifest_table *manifest_tables_find(const manifest_tables *t, uint32_t number);
/* The next one by number: for (x = after(t, 0); x; x = after(t, x->number)). */
const manifest_table *manifest_tables_after(const manifest_tables *t, uint32_t number);

/* Copies the table with its bounds. REQUIRES: none of that number is listed. */
void manifest_tables_put(manifest_tables *t, const manifest_table *table);
/* REQUIRES: it is listed. */
void manifest_tables_remove(manifest_tables *t, uint32_t number);

/* The payload of TABLE_ADD: varints number, level, recency, length, entries, tombstones, hidden,
 * plain bytes; then both bounds, each a varint length and the bytes. Decoding gives slices over
 * `in`; false if a field is malformed or can't be. */
void manifest_table_encode(const manifest_table *t, buf *out);
bool manifest_table_decode(slice in, manifest_table *out);

#endif
