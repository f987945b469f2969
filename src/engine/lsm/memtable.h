/* memtable: what was written lately, in order: a counted B+tree of key -> position, flag, cell.
 *
 * One is active and receives changes; older ones are frozen and wait for their flush. A frozen one
 * does not change, so a child reads it as it is.
 *
 * Each pair knows whether the key was absent *below*, in all that is older than this memtable, when
 * its first cell came here; that stays true, as what is older keeps its meaning. If so, deleting it
 * takes nothing but taking the pair out; else a tombstone has to hide what is below. */
#ifndef STAVE_ENGINE_LSM_MEMTABLE_H
#define STAVE_ENGINE_LSM_MEMTABLE_H

#include "base/btree.h"
#include "base/codec.h"
#include "base/log.h"
#include "engine/lsm/keys.h"
#include "storage/manifest_state.h"

#define MEM_HEAD 9u /* of a pair's value: u64 position, u8 1: absent below; then the cell */

typedef struct memtable {
    btree *tree;
    uint64_t tombstones; /* drops too */
    uint64_t logged;     /* bytes that its cells left to the log (logged.h), if all are there yet */
    uint64_t hidden;     /* elements that its drops hide; more, if some were undone */
    log_pos end;         /* frozen: behind the last record whose change it may hold */
    manifest_count *counts; /* frozen: of all databases, as of `end`; by pdb ascending */
    size_t ncounts;
    manifest_map *map; /* frozen: the mapping as of `end`; NULL: the manifest has that, or newer */
    size_t nmap;
    uint64_t number;        /* 1, 2, ..: later is newer */
    uint64_t first_coll;    /* collections from this id on have nothing that is older */
    uint32_t readers;       /* iterators that stand in it: freed only when there are none */
    bool flushing;          /* a child writes its table */
    struct memtable *older; /* the next one to be looked at */
} memtable;

memtable *memtable_new(uint64_t number);
void memtable_free(memtable *m);
/* About `pairs` pairs' worth of freeing; true when it is gone. */
bool memtable_free_some(memtable *m, size_t pairs);
/* What there is to be flushed; the tree alone is less, as the log's memory has some of it. */
static inline uint64_t memtable_bytes(const memtable *m) {
    return btree_bytes(m->tree) + m->logged;
}
static inline uint64_t memtable_entries(const memtable *m) {
    return btree_count(m->tree);
}

/* A pair's value taken apart: its cell; *pos may be NULL. */
static inline slice memtable_cell(slice value, log_pos *pos) {
    CHECK(value.len > MEM_HEAD);
    if (pos) *pos = load_u64(value.data);
    return slice_skip(value, MEM_HEAD);
}

/* The newest cell of key here, a tombstone's too. Slices live until the memtable changes. */
bool memtable_get(const memtable *m, slice key, slice *cell, log_pos *pos);

/* ---- changing (batch.c alone: it has to be undone) ----------------------------------------------
 */

/* Puts a cell where the spot was found for that key. `value` is MEM_HEAD bytes to be filled in and
 * the cell; `below`: the key is there in what is older, which counts only if it is not here yet. */
void memtable_put(memtable *m, btree_spot *spot, slice key, log_pos pos, slice value, bool below);
/* Makes the key absent: REQUIRES that it is present, here or below. */
void memtable_del(memtable *m, btree_spot *spot, slice key, log_pos pos);
/* The pair as it was, value and all; an empty value: there was none. */
void memtable_restore(memtable *m, slice key, slice value);
/* If its position is beyond `from`, in the same file, it moves to the same distance from `to`; the
 * spot and all iterators stay valid. */
void memtable_move(memtable *m, slice key, log_pos from, log_pos to);
void memtable_move_value(char *value, log_pos from, log_pos to);

#endif
