/* lookup: reading what memtables and tables have together: one key, or all of them in order.
 *
 * The newest cell of a key counts; where that is a tombstone the key is absent. Reads of dead
 * databases and dropped collections are not made by anybody, so none is checked for. */
#ifndef STAVE_ENGINE_LSM_LOOKUP_H
#define STAVE_ENGINE_LSM_LOOKUP_H

#include "engine/lsm/logged.h"
#include "engine/lsm/version.h"

typedef struct found {
    slice cell;  /* CELL_PRESENT; lives until the engine's next call, or the next lsm_find */
    log_pos pos; /* 0 if it came from a table: that is durable */
} found;

/* ENGINE_OK, ENGINE_ABSENT, ENGINE_PENDING, ENGINE_ERROR (engine_error is set). */
engine_result lsm_find(lsm *e, lkey key, found *out);
/* The same of all that is older than the active memtable. */
engine_result lsm_find_below(lsm *e, lkey key, found *out);
void lsm_prefetch_end(lsm *e); /* frees what engine_prefetch keeps */

/* Where the active memtable has, or would have, the element that was looked at last: what changes
 * it need not go down again. */
typedef struct last_look {
    const btree *tree; /* NULL: none */
    btree_spot spot;   /* good while the tree has its version */
    buf key;
} last_look;

/* ---- all keys in order ------------------------------------------------------------------------
 */

/* An iterator over every memtable and table of a range of keys. It is invalid after any change of
 * the memtable, but not after a flush or compaction: what it stands in is kept for it. */
typedef struct walk walk;

enum walk_flags {
    WALK_SCAN = 1, /* many keys will be read: blocks should not push others out of the cache */
    WALK_ALL = 2,  /* tombstones and drops are shown too, so that the caller can stop at them */
};

/* Keys in [from, to) only; `to` empty: no end. NULL never. */
walk *walk_new(lsm *e, slice from, slice to, unsigned flags);
void walk_free(lsm *e, walk *w);     /* nothing happens for NULL */
uint64_t walk_memory(const walk *w); /* bytes of blocks that it has */
/* At the first key >= key, or the last one <= key; false if there is none or if it failed (then
 * walk_status says so). Tombstones are passed over, and counted against their tables. */
bool walk_seek(walk *w, slice key);
bool walk_seek_before(walk *w, slice key);
/* At the first key of the range, or the last. */
bool walk_first(walk *w);
bool walk_last(walk *w);
/* REQUIRES: valid. */
bool walk_next(walk *w);
bool walk_prev(walk *w);
bool walk_valid(const walk *w);
slice walk_key(const walk *w);  /* until the walk next moves */
slice walk_cell(const walk *w); /* CELL_PRESENT, unless WALK_ALL */
log_pos walk_pos(const walk *w);
status walk_status(const walk *w);
/* Does it still show what the engine has: no memtable and no version has come or gone since
 * walk_new? And has the memtable changed since the walk moved: then, if it is current, walk_renew
 * goes on from key, a copy of the one it stood at: true if that is still there. */
bool walk_current(const lsm *e, const walk *w);
bool walk_stale(const walk *w);
bool walk_renew(walk *w, slice key);

/* Walks that are kept for the next use, by map iterators too, hold memtables and tables. They are
 * let go by forget: whenever a version is installed, or a memtable has come or may go; at the
 * engine's end by end. */
void lsm_walks_forget(lsm *e);
/* Map iterators' walks become free for others: for the end of a turn. Those that are still used
 * after that seek again. */
void lsm_iters_rest(lsm *e);
/* Bytes of blocks that kept walks and iterators' have; the second is a part of the first. */
uint64_t lsm_walks_memory(const lsm *e);
uint64_t lsm_iters_memory(const lsm *e);
void lsm_iters_end(lsm *e); /* lsm_walks_end's part of it */
void lsm_walks_end(lsm *e);

#endif
