/* tablebuild: tables of random entries, and what they hold. */
#ifndef STAVE_TESTS_TABLEBUILD_H
#define STAVE_TESTS_TABLEBUILD_H

#include "base/rand.h"
#include "storage/table.h"

typedef struct table_entry {
    slice key, cell; /* owned */
    uint64_t hash;
} table_entry;

typedef struct table_entries {
    table_entry *v; /* ascending */
    size_t n;
    uint64_t tombstones, hidden, plain;
} table_entries;

/* About n entries of one of a few kinds of keys, as the seed says. large: some keys and cells are
 * larger than any block. */
table_entries table_entries_random(rng *r, size_t n, bool large);
void table_entries_free(table_entries *e);
/* The first entry whose key is not less; n if there is none. */
size_t table_entries_at(const table_entries *e, slice key);
/* A key that is near one of them, or far from all, in a buffer. */
slice table_entries_near(const table_entries *e, rng *r, buf *out);
/* Random options. */
table_options table_options_random(rng *r);
/* Writes a table of them. */
status table_build(vfs *v, const char *path, uint64_t store_id, uint32_t number,
                   const table_options *o, const table_entries *e, table_summary *out);
uint64_t table_test_hash(slice key);

#endif
