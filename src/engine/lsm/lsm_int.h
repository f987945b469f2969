/* lsm_int: the engine's state and what its files give each other. README.md has the numbered
 * invariants that comments cite (L1 ..) and the picture of it all. */
#ifndef STAVE_ENGINE_LSM_LSM_INT_H
#define STAVE_ENGINE_LSM_LSM_INT_H

#include "engine/log/chain.h"
#include "engine/log/retire.h"
#include "engine/lsm/batch.h"
#include "engine/lsm/lookup.h"
#include "engine/lsm/lsm.h"
#include "storage/cache.h"

#define LSM_WALKS 64 /* map iterators that keep their place in tables at a time */

/* A physical database: what a logical one is mapped to until it is flushed. */
typedef struct lpdb {
    uint32_t number;
    uint64_t keys, expires;
    int64_t due_from; /* no pair of the DUE index is before this time */
    bool due_known;   /* due_next is right */
    int64_t due_next; /* the earliest time there is; 0: none */
    bool mapped;
} lpdb;

typedef struct lsm_stats {
    uint64_t reads, table_reads, memtable_hits;
    uint64_t filter_negative, filter_false; /* tables spared; tables looked into for nothing */
    uint64_t compressed_in, compressed_out;
    uint64_t flushes, flush_failures, flush_bytes, last_flush_ms;
    uint64_t compactions, compaction_failures, compaction_read, compaction_written;
    uint64_t trivial_moves, tables_dropped_whole, last_fork_us;
    uint64_t user_bytes; /* keys and values put: what write amplification is measured by */
    uint64_t stalls, stall_us, stopped_us;
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
    meta meta;     /* the manifest: engine/log/meta.h */
    chain log;     /* the write-ahead log: engine/log/chain.h */
    retire retire; /* files to be unlinked: engine/log/retire.h */

    /* databases (dbs.c) */
    lpdb **map; /* by logical number */
    uint32_t ndbs;
    lpdb **pdbs; /* all that are mapped, or were since the manifest's mapping, by number */
    uint32_t npdbs, pdbs_cap;
    log_pos map_wanted, map_flying; /* a FLUSH or SWAP up to here waits for the manifest's copy */
    uint64_t map_gen;
    uint64_t
        dead_below; /* pdbs below this that are in no mapping, ours or the manifest's, are dead */

    /* data */
    memtable *active; /* newest; ->older ... are frozen */
    uint32_t nfrozen;
    memtable *dying; /* flushed, being freed */
    version *current;
    log_pos flushed; /* all records before this are in tables */
    cache *blocks;
    batch batch;
    uint64_t budget;  /* bytes that the process may use; 0: no limit */
    uint64_t recency; /* the next flush's */

    /* jobs (flush.c, compact.c) */
    struct lsm_jobs *jobs;
    uint64_t wrote_us; /* when something was put last */

    /* scratch, each used by one call at a time */
    buf key, key2, cell, value, raw;
    struct walk_pool *walks; /* walk.c; made by the first walk */
    struct map_iters *iters; /* map_iter.c; made by the first iterator */
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
uint64_t lsm_now_us(lsm *e);

/* ---- memtables (switch.c) ----------------------------------------------------------------------
 */

/* May the active memtable be frozen now, and is it full? Freezes it, with the totals as they are,
 * and goes on in a new one and, if there is one ready, a new log file. Not in a batch. */
void lsm_switch(lsm *e);
void lsm_switch_if_full(lsm *e);
/* Bytes of a memtable and of the block cache, by settings and budget (sizes.c). */
uint64_t lsm_memtable_size(const lsm *e);
uint64_t lsm_cache_size(const lsm *e);

/* ---- databases ---------------------------------------------------------------------------------
 */

lpdb *lsm_pdb_find(lsm *e, uint32_t number); /* NULL: none of that number */
lpdb *lsm_pdb_new(lsm *e, uint32_t number);
bool lsm_pdb_is_dead(const lsm *e, uint32_t number); /* see dead_below */

/* ---- replay (replay.c) -------------------------------------------------------------------------
 */

/* One record of a whole batch of the log, at pos, as the engine did it then. */
status lsm_replay(lsm *e, const record *r, log_pos pos);

/* ---- jobs (jobs.h) -----------------------------------------------------------------------------
 */

void lsm_jobs_cron(lsm *e);    /* starts flushes and compactions, installs what is due */
void lsm_jobs_advance(lsm *e); /* an edit became durable, or the log did */
void lsm_jobs_end(lsm *e);     /* at the end: no child is left, nothing more is installed */
status lsm_flush_now(lsm *e);  /* at a clean end: frozen and active memtables become tables, here */

#endif
