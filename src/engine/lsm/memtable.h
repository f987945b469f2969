/* memtable: what was written lately, in order: a counted B+tree of key -> u64 log position, cell.
 *
 * One is active and receives changes; older ones are frozen and wait for their flush. A frozen one
 * does not change, so a child reads it as it is. */
#ifndef STAVE_ENGINE_LSM_MEMTABLE_H
#define STAVE_ENGINE_LSM_MEMTABLE_H

#include "base/btree.h"
#include "engine/lsm/keys.h"

/* Totals of one database at some moment. */
typedef struct pdb_count {
    uint32_t pdb;
    uint64_t keys, expires;
} pdb_count;

typedef struct memtable {
    btree *tree;
    uint64_t entries, tombstones; /* drops are tombstones too */
    log_pos end;                  /* frozen: behind the last record whose change it may hold */
    pdb_count *counts;            /* frozen: of all databases, as of `end` */
    size_t ncounts;
    uint64_t number;        /* 1, 2, ..: later is newer */
    uint32_t readers;       /* iterators that stand in it: freed only when there are none */
    bool flushing;          /* a child writes its table */
    struct memtable *older; /* the next one to be looked at */
} memtable;

memtable *memtable_new(uint64_t number);
void memtable_free(memtable *m);
/* About `pairs` pairs' worth of freeing; true when it is gone. */
bool memtable_free_some(memtable *m, size_t pairs);
uint64_t memtable_bytes(const memtable *m);
/* The newest cell of key here, a tombstone's too. Slices live until the memtable changes. */
bool memtable_get(const memtable *m, slice key, slice *cell, log_pos *pos);
/* Inserts or replaces. */
void memtable_put(memtable *m, slice key, log_pos pos, slice cell);
/* As if key had never been put: for undoing. */
void memtable_remove(memtable *m, slice key);

#endif
