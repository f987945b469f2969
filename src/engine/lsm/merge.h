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
typedef struct merge_read {
    cache *blocks;
    unsigned fill;
    size_t ahead;
} merge_read;

typedef struct merge merge;

/* Of no sources, without bounds. */
merge *merge_new(const merge_read *how);
void merge_free(merge *m);
/* Sources, newest first. What they are made of must outlive the merge; it holds no reference. The
 * array of tables is used as it is: disjoint, sorted, not empty. A tree is a memtable's. */
void merge_add_tree(merge *m, const btree *t);
void merge_add_tables(merge *m, table_ref *const *tables, uint32_t n);
/* Keys in [from, to) only; copied. It then stands nowhere. */
void merge_bounds(merge *m, slice from, slice to);

/* To the first key >= key, the last one <= key, the first, the last. False: there is none in the
 * bounds, or a source failed: merge_status says which; it then stands nowhere until the next seek.
 */
bool merge_seek(merge *m, slice key);
bool merge_seek_before(merge *m, slice key);
bool merge_first(merge *m);
bool merge_last(merge *m);
/* REQUIRES: valid, and no tree has changed. */
bool merge_next(merge *m);
bool merge_prev(merge *m);
bool merge_valid(const merge *m);
status merge_status(const merge *m);

/* Where it stands; slices live until it moves, or the tree they lie in changes. */
slice merge_key(const merge *m);
slice merge_cell(const merge *m);
log_pos merge_pos(const merge *m);      /* 0: from a table */
unsigned merge_source(const merge *m);  /* 0, 1, ..: which one, as added */
table_ref *merge_table(const merge *m); /* NULL: from a tree */

/* Has a tree changed since the merge last moved? Then this goes on from `key`, where it stood (the
 * caller's copy of it): true if that is still there; else it stands behind it, or, if it moved
 * backward last, before it, or nowhere. */
bool merge_stale(const merge *m);
bool merge_renew(merge *m, slice key);

#endif
