/* lsm_int: the engine's state and what its files give each other. README.md has the numbered
 * invariants that comments cite (L1 ..) and the picture of it all. */
#ifndef STAVE_ENGINE_LSM_LSM_INT_H
#define STAVE_ENGINE_LSM_LSM_INT_H

#include "engine/cache_pages.h"
#include "engine/log/chain.h"
#include "engine/log/pack.h"
#include "engine/lsm/batch.h"
#include "engine/lsm/ends.h"
#include "engine/lsm/lookup.h"
#include "engine/lsm/lsm.h"
#include "engine/lsm/supply.h"

#define LSM_WALKS 64 /* map iterators that keep their place in tables at a time */

/* A physical database: what a logical one is mapped to until it is flushed. */
typedef struct lpdb {
    uint32_t number;
    bool mapped; /* by the last batch that ended: not yet, if it was made in the open one */
    db_totals totals;
    uint64_t saved; /* the batch that has an UNDO_TOTALS of it */
} lpdb;

typedef struct lsm_stats {
    uint64_t reads, table_reads, memtable_hits;
    uint64_t filter_negative, filter_false; /* tables spared; tables looked into for nothing */
    pack_stats packed;
    uint64_t flushes, flush_failures, flush_bytes, last_flush_ms;
    uint64_t compactions, compaction_failures, compaction_read, compaction_written;
    uint64_t trivial_moves, tables_dropped_whole, last_fork_us;
    uint64_t user_bytes; /* keys and values put: what write amplification is measured by */
    uint64_t recovery_ms, recovery_records, recovery_cut;
} lsm_stats;

struct lsm {
    engine base;
    const io_env *env;
    vfs *fs;
    char *dir;
    engine_host host;
    vfs_file *lock;
    uint64_t store_id;
    bool cluster;
    hash_key hash;
    uint16_t (*slot_of)(slice key);
    meta_queue meta;     /* the manifest: engine/log/meta.h */
    chain log;           /* the write-ahead log: engine/log/chain.h */
    retire_queue retire; /* files to be unlinked: engine/log/retire.h */
    logfile **logs;      /* the log's files, oldest first (logs.c) */
    uint32_t nlogs;

    /* databases (dbs.c) */
    lpdb **map; /* by logical number */
    uint32_t ndbs;
    lpdb *system; /* ENGINE_DB_SYSTEM */
    lpdb **pdbs;  /* by number: all that are mapped, or were since the manifest's mapping */
    uint32_t npdbs, pdbs_cap;
    log_pos map_wanted;  /* the last FLUSH or SWAP, if no edit has the mapping since; 0: none */
    log_pos map_flying;  /* the mapping in the last edit that had one is as of this */
    uint64_t map_gen;    /* that edit, if it is not durable yet; else 0 */
    uint32_t dead_below; /* pdbs below this are dead unless they are in pdbs */

    /* data */
    memtable *active; /* newest; ->older ... are frozen */
    uint32_t nfrozen;
    memtable *dying; /* flushed, being freed */
    version *current;
    table_shelf shelf; /* which of the tables have their file open */
    supply supply;     /* where their blocks come from */
    log_pos flushed;   /* all records before this are in tables */
    cache *blocks;
    cache_pages block_pages;
    batch batch;
    logged logged;                /* values that memtables left to the log */
    uint64_t budget;              /* bytes that the process may use; 0: no limit */
    uint64_t disk_free, disk_all; /* bytes for this store, and with what it has; 0: not known */
    uint64_t recency;             /* the next flush's */

    /* jobs (flush.c, compact.c) */
    struct lsm_jobs *jobs;
    uint64_t wrote_us; /* when something was put last */

    /* scratch, each used by one call at a time */
    buf key, key2, cell, value, raw, packed, small, whole, plain;
    struct walk_pool *walks; /* walk.c; made by the first walk */
    struct map_iters *iters; /* map_iter.c; made by the first iterator */
    struct lsm_ahead *ahead; /* prefetch.c; made by the first key */
    counts_table counts;     /* counts.c */
    last_look last;          /* maps.c */
    map_ends ends;
    status error;
    char error_msg[STATUS_MSG_MAX];
    lsm_stats stats;
    metric_section sections[2];
};

static inline lsm *lsm_of(engine *e) {
    return (lsm *)e;
}
/* Remembers s for engine_error; returns ENGINE_ERROR. */
engine_result lsm_error(lsm *e, status s);
/* Why a walk ended that has not come to its end: ENGINE_PENDING or ENGINE_ERROR. */
engine_result lsm_unread(lsm *e, status s);
uint64_t lsm_now_us(lsm *e);
/* Until lsm_wait_end nothing is pending: reads wait for the disk. Returns what that gets. */
static inline engine_reader *lsm_wait(lsm *e) {
    engine_reader *r = e->base.reader;
    e->base.reader = NULL;
    return r;
}
static inline void lsm_wait_end(lsm *e, engine_reader *r) {
    e->base.reader = r;
}

/* ---- memtables (switch.c) ----------------------------------------------------------------------
 */

#define LSM_FROZEN_MAX 8 /* wait for their flush: with more, the active one grows on */

/* Freezes the active memtable, with the totals as they are at `end` in the log, and goes on in a
 * new one. Nothing happens if it is empty and the log is still in the same file. Not in a batch. */
void lsm_freeze(lsm *e, log_pos end);
/* The same at the log's end; if the log's next file is ready it goes on there, so that the one with
 * these records can go once they are in tables. */
void lsm_switch(lsm *e);
/* The same if it is full, and few enough are waiting. */
void lsm_switch_if_full(lsm *e);
/* Takes the oldest memtable, whose flush is installed, out of the list; frees it in slices. */
void lsm_unfreeze(lsm *e, memtable *m);
/* A slice of freeing; true if there is more. */
bool lsm_free_some(lsm *e);
/* Bytes of a memtable and of the block cache, by settings, budget and disk (sizes.c). */
uint64_t lsm_memtable_size(const lsm *e);
uint64_t lsm_cache_size(const lsm *e);
/* At which a compaction begins another table. */
uint64_t lsm_table_size(const lsm *e);

/* ---- databases (dbs.c) -------------------------------------------------------------------------
 */

lpdb *lsm_pdb_find(const lsm *e, uint32_t number); /* NULL: none of that number */
/* Can nothing ever read what is under that number? */
bool lsm_pdb_is_dead(const lsm *e, uint32_t number);
/* At a start: the mapping and the totals that the manifest has; replay goes on from there. */
status lsm_dbs_load(lsm *e);
/* Behind the replay: gives logical databases without a pdb, of so many, a new one each. */
status lsm_dbs_complete(lsm *e, uint32_t databases);
/* Adds the mapping, as of `at`, to the manifest's edit, which is to be committed. */
void lsm_dbs_edit_map(lsm *e, log_pos at);
/* What the manifest must know with the table of m, which is being frozen: as things are. */
void lsm_dbs_freeze(const lsm *e, memtable *m);
/* Adds what the manifest must know with the table of a flushed memtable: the position, the totals
 * and, if the log's records of it are to go, the mapping. The edit is to be committed. */
void lsm_dbs_flushed(lsm *e, const memtable *m);
/* Has the manifest learn the mapping if it changed and that is durable; and takes note of an edit
 * with it that became durable. Not in a batch. */
void lsm_dbs_checkpoint(lsm *e);
void lsm_dbs_free(lsm *e);
/* For batches: a change undone; and after all of a batch. */
void lsm_dbs_undo(lsm *e, const undo *u);
void lsm_dbs_settle(lsm *e, bool committed);
/* A FLUSH or SWAP, again. */
status lsm_dbs_replay(lsm *e, const record *r, log_pos pos);

static inline lpdb *lsm_db(const lsm *e, uint32_t db) {
    if (__builtin_expect(db == ENGINE_DB_SYSTEM, 0)) return e->system;
    CHECK(db < e->ndbs);
    return e->map[db];
}

/* ---- entries and collections -------------------------------------------------------------------
 */

/* The entry of a cell, without its value unless that is in the cell. False: malformed. (entries.c)
 */
bool lsm_entry_of(slice cell, log_pos pos, entry *out);
/* Looks for a key, whose database or collection may be known to be empty, leaving in *spot where
 * the active memtable has it or would have it. (lookup's part is in f) */
engine_result lsm_look(lsm *e, lkey key, bool empty, btree_spot *spot, found *f);
/* What a cell, or a record, that can't be is: ENGINE_ERROR. */
engine_result lsm_damaged(lsm *e, const char *what);
engine_result lsm_entry_put(lsm *e, lpdb *d, slice key, const entry *ent);
/* keeps: its collection has another owner now. */
engine_result lsm_entry_del(lsm *e, lpdb *d, slice key, bool keeps);
/* The record's value: compressed if that pays, in e->packed. */
void lsm_pack(lsm *e, slice plain, record *r);
/* What an entry's memtable cells, totals and due pairs become; also for replay. */
typedef struct main_change {
    lpdb *d;
    lsm_hash h;
    slice key;
    btree_spot *spot;     /* of the MAIN key, which e->key has */
    bool had, has;        /* an entry before, and after */
    bool was_apart;       /* its value was in a VAL */
    int64_t was;          /* when it expired */
    const main_cell *now; /* e->cell has its cell and, if it is apart, e->value its VAL's */
} main_change;
void lsm_entry_change(lsm *e, const main_change *c, log_pos pos);

/* DUE keys follow an entry's expire time; `was`, `now`: 0 for none. (expire.c) */
void lsm_due_change(lsm *e, lpdb *d, lsm_hash h, int64_t was, int64_t now, log_pos pos);

/* Was the collection made since the active memtable was? Then all of it is in there, present: what
 * is deleted leaves nothing. */
static inline bool lsm_coll_is_new(const lsm *e, uint64_t coll) {
    return coll >= e->active->first_coll;
}

/* Logs that a collection is gone, if it has an element: *any says so. Then, when the change's last
 * record is logged, the memtable's part, for which *any must be true. */
engine_result lsm_coll_log_drop(lsm *e, const lpdb *d, uint64_t coll, bool *any);
void lsm_coll_drop(lsm *e, const lpdb *d, uint64_t coll, log_pos pos);
/* A copy of a collection in another database. (maps.c) */
engine_result lsm_coll_copy(lsm *e, const lpdb *from, uint64_t coll, lpdb *to, uint64_t *id);

/* ---- the log's files (logs.c) -------------------------------------------------------------------
 */

/* For chain_calls.make and .drop; the latter also for what recovery retires (close file first, or
 * hand it on and set it to NULL). */
logfile *lsm_log_make(void *lsm_ctx, uint32_t number);
void lsm_log_drop(void *lsm_ctx, logfile *f);
/* Retires files all of whose records are in tables. */
void lsm_logs_retire(lsm *e);
void lsm_logs_free(lsm *e);

/* ---- replay (replay.c) -------------------------------------------------------------------------
 */

/* One record of a whole batch of the log, at pos, as the engine did it then. May freeze the active
 * memtable behind a batch's last record. */
status lsm_replay(lsm *e, const record *r, log_pos pos);

/* ---- jobs (jobs.h) -----------------------------------------------------------------------------
 */

void lsm_jobs_new(lsm *e);  /* e->jobs, for a new engine */
void lsm_jobs_free(lsm *e); /* without another look at anything: the engine is dropped */
void lsm_jobs_turn(lsm *e); /* at the end of a turn: a memtable that waits is flushed */
void lsm_jobs_cron(lsm *e); /* starts flushes and compactions, installs what is due; calls
                               lsm_logs_retire. Not in a batch */
void lsm_jobs_advance(
    lsm *e);               /* an edit became durable, or the log did; in a batch nothing happens */
void lsm_jobs_end(lsm *e); /* at the end: no child is left, none is started any more */
status lsm_flush_now(lsm *e); /* after lsm_jobs_end, at a clean end: syncs the log; frozen and
                                 active memtables become tables, here */

#endif
