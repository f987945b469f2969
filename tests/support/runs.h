/* runs: random sorted runs, newest first, some of them trees as memtables have, some of tables,
 * with a list of all keys and of which cell each run has for each: what a merge of them must give.
 */
#ifndef STAVE_TESTS_SUPPORT_RUNS_H
#define STAVE_TESTS_SUPPORT_RUNS_H

#include "base/btree.h"
#include "base/rand.h"
#include "engine/lsm/version.h"
#include "support/memfs.h"

#define RUNS_MAX 12

typedef struct run {
    btree *tree;        /* or: */
    table_ref **tables; /* disjoint, sorted */
    uint32_t ntables;
    slice *cells; /* by key; no data: the run has not got it */
} run;

typedef struct runs {
    memfs *fs;
    slice *keys; /* ascending */
    size_t nkeys;
    unsigned n;
    run run[RUNS_MAX];
    uint32_t next; /* number of the next table */
} runs;

#define RUNS_STORE 77u

/* A new set of keys: all begin with `prefix`. */
runs *runs_new(rng *r, slice prefix, size_t nkeys);
void runs_free(runs *x);
/* One more run, older than all there are, of about so many of 100 keys. tables: 0 for a tree, else
 * at most so many tables, and a key at least. level: of the tables; their recency decreases. */
void runs_add(runs *x, rng *r, unsigned percent, unsigned tables, unsigned level);
/* The newest run that has key i; n if none. */
unsigned runs_newest(const runs *x, size_t i);
/* The first key that is not less; nkeys if there is none. */
size_t runs_at(const runs *x, slice key);
/* One of the keys, or something near one. */
slice runs_near(const runs *x, rng *r, buf *out);
/* What a tree's value has before the cell: position and flag. */
log_pos runs_pos(unsigned n, size_t i);

#endif
