/* lookup: reading what memtables and tables have together: one key, or all of them in order.
 *
 * The newest cell of a key counts; where that is a tombstone the key is absent. Reads of dead
 * databases and dropped collections are not made by anybody, so none is checked for. */
#ifndef STAVE_ENGINE_LSM_LOOKUP_H
#define STAVE_ENGINE_LSM_LOOKUP_H

#include "engine/lsm/keys.h"
#include "engine/lsm/memtable.h"
#include "engine/lsm/version.h"

typedef struct found {
    slice cell;  /* CELL_PRESENT; lives until the engine's next call */
    log_pos pos; /* 0 if it came from a table: that is durable */
    bool mem;    /* it is in the active memtable */
} found;

/* ENGINE_OK, ENGINE_ABSENT, ENGINE_ERROR (engine_error is set). */
engine_result lsm_find(lsm *e, lkey key, found *out);
/* Has the blocks that it will need brought near: filters and data of cached tables. */
void lsm_find_ahead(lsm *e, lkey key);

/* ---- all keys in order ------------------------------------------------------------------------
 */

/* An iterator over every memtable and table of a range of keys. It is invalid after any change of
 * the memtable, but not after a flush or compaction: what it stands in is kept for it. */
typedef struct walk walk;

/* Keys in [from, to) only; `to` empty: no end. NULL never. `scan`: many keys will be read, so that
 * its blocks should not push others out of the cache. */
walk *walk_new(lsm *e, slice from, slice to, bool scan);
void walk_free(lsm *e, walk *w);
/* At the first key >= key, or the last one <= key; false if there is none or if it failed (then
 * walk_status says so). Tombstones are passed over, and counted against their tables. */
bool walk_seek(walk *w, slice key);
bool walk_seek_before(walk *w, slice key);
bool walk_next(walk *w);
bool walk_prev(walk *w);
bool walk_valid(const walk *w);
slice walk_key(const walk *w);  /* until the walk next moves */
slice walk_cell(const walk *w); /* CELL_PRESENT */
log_pos walk_pos(const walk *w);
status walk_status(const walk *w);

#endif
