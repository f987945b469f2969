/* merge: one ordered run of cells out of several: trees (memtables) and runs of disjoint tables.
 *
 * Where several sources have a key, the one that was added first has the cell that counts, and the
 * others' are passed over. Tombstones and drops are cells like any other here: who reads hides them
 * (lookup.h), who compacts decides (compact.c). */
#ifndef STAVE_ENGINE_LSM_MERGE_H
#define STAVE_ENGINE_LSM_MERGE_H

#include "base/btree.h"
#include "engine/lsm/version.h"
#include "engine/model.h"

/* How tables are read: through a cache (NULL: none) to which the first `fill` data blocks after a
 * seek go; or, if `ahead` is not 0, past any cache in pieces of that many bytes. */
typedef struct merger_read {
    cache *blocks;
    unsigned fill;
    size_t ahead;
} merger_read;

typedef struct merger merger;

/* Of no sources, without bounds. */
merger *merger_new(const merger_read *how);
void merger_free(merger *m);
/* Bytes of the blocks that its iterators have. */
size_t merger_memory(const merger *m);
/* Sources, newest first. What they are made of must outlive the merge; it holds no reference. The
 * array of tables is used as it is: disjoint, sorted, not empty. A tree is a memtable's. */
void merger_add_tree(merger *m, const btree *t);
void merger_add_tables(merger *m, table_ref *const *tables, uint32_t n);
/* Keys in [from, to) only; copied. It then stands nowhere. */
void merger_bounds(merger *m, slice from, slice to);

/* To the first key >= key, the last one <= key, the first, the last. False: there is none in the
 * bounds, or a source failed, or is table_not_now: merger_status says which; it then stands nowhere
 * until the next seek. */
bool merger_seek(merger *m, slice key);
bool merger_seek_before(merger *m, slice key);
bool merger_first(merger *m);
bool merger_last(merger *m);
/* REQUIRES: valid, and no tree has changed. */
bool merger_next(merger *m);
bool merger_prev(merger *m);
bool merger_valid(const merger *m);
status merger_status(const merger *m);

/* Where it stands; slices live until it moves, or the tree they lie in changes. */
slice merger_key(const merger *m);
slice merger_cell(const merger *m);
log_pos merger_pos(const merger *m);      /* 0: from a table */
unsigned merger_source(const merger *m);  /* 0, 1, ..: which one, as added */
table_ref *merger_table(const merger *m); /* NULL: from a tree */

/* Has a tree changed since the merge last moved? Then this goes on from `key`, where it stood (the
 * caller's copy of it): true if that is still there; else it stands behind it, or, if it moved
 * backward last, before it, or nowhere. */
bool merger_stale(const merger *m);
bool merger_renew(merger *m, slice key);

#endif
