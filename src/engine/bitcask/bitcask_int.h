/* bitcask_int: the engine's state and what its files give each other. README.md has the numbered
 * invariants that comments cite (B1 ..) and the picture of it all. */
#ifndef STAVE_ENGINE_BITCASK_BITCASK_INT_H
#define STAVE_ENGINE_BITCASK_BITCASK_INT_H

#include "base/log.h"
#include "base/mem.h"
#include "engine/bitcask/batch.h"
#include "engine/bitcask/bitcask.h"
#include "storage/cache.h"
#include "storage/manifest.h"

/* The manifest, and the edit that collects what goes to it next (meta.c). */
typedef struct meta_queue {
    manifest *m;
    manifest_edit edit;   /* collecting, as generation `gen` */
    manifest_edit flying; /* being written, as generation gen - 1 */
    uint64_t gen;
    uint64_t done; /* generations up to this are durable */
    bool busy;     /* `flying` is under way */
    bool full;     /* the last write found no space: cron tries again */
    aio_job job;
    struct bitcask *e;
} meta_queue;

/* Making the next segment (segments.c). */
typedef struct seg_prepare {
    enum { PREP_NONE, PREP_NAMING, PREP_MAKING, PREP_JOINING } step;
    uint64_t gen; /* of the edit waited for */
    segment *seg;
    uint32_t before;   /* number of the segment it was made behind */
    uint64_t retry_us; /* after a failure: not before */
    aio_job job;
    struct bitcask *e;
} seg_prepare;

#define FSYNC_PARTS 16
/* An fsync beside the thread (commit.c). */
typedef struct fsync_job {
    aio_job job;
    struct bitcask *e;
    bool busy;
    bool active; /* the active segment is among the files: no writes meanwhile */
    bool waited; /* a turn's records have waited for it */
    bool ended;  /* during a batch: what follows from it waits for the batch's end */
    int n;
    vfs_file *files[FSYNC_PARTS];
    segment *last;  /* of the files */
    log_pos target; /* what it makes durable */
    uint64_t started_us;
} fsync_job;

/* Segments on their way out (retire.c). */
typedef struct retire_job retire_job;
/* A merge, or the making of hints (merge.c, hint_job.c). */
typedef struct merge_job merge_job;
typedef struct hint_job hint_job;

/* Ids of one kind, reserved in the manifest in blocks. */
typedef struct id_block {
    uint64_t next, reserved; /* ids below `reserved` may be given */
    uint64_t asked;          /* reserved, once the edit under way is durable */
} id_block;

#define AHEAD_RING 16
/* Keys that will be asked for soon (prefetch.c). */
typedef struct ahead_key {
    uint64_t token;
    uint32_t db;
    bool wanted, value; /* the key; its value too */
} ahead_key;
typedef struct ahead {
    ahead_key keys[AHEAD_RING];
    unsigned next;
} ahead;

typedef struct bitcask_stats {
    uint64_t writes, written_bytes, fsyncs, fsync_us_max, fsync_waits, fsync_late;
    uint64_t reads, read_bytes, tail_reads;
    uint64_t compressed_in, compressed_out;
    uint64_t merges, merge_failures, merge_read, merge_written, last_merge_ms, last_fork_us;
    uint64_t hints, hint_failures;
    uint64_t unlinked, no_space;
    uint64_t recovery_ms, recovery_records, recovery_hints, recovery_logs, recovery_cut;
} bitcask_stats;

typedef struct bitcask {
    engine base;
    const io_env *env;
    vfs *fs;
    char *dir;
    engine_host host;
    vfs_file *lock;
    uint64_t store_id;
    bool cluster;
    keydir_shared shared;
    meta_queue meta;
    id_block ids[MANIFEST_IDS];

    /* databases (dbs.c) */
    pdb **map; /* by logical number */
    uint32_t ndbs;
    dict *pdbs;     /* every pdb alive by number (4 bytes) */
    pdb *pdb_last;  /* found last */
    pdb *pdb_drops; /* being freed */
    coll *coll_drops;
    log_pos map_wanted; /* a FLUSH or SWAP up to here waits for a checkpoint; 0: none */
    uint64_t map_gen;   /* the edit with the checkpoint; 0: none under way */
    log_pos map_flying; /* the position it is as of */

    /* segments (segments.c) */
    segment **slots;
    uint32_t nslots; /* slots beyond were never used */
    segment **order; /* SEALED, DEAD and ACTIVE ones, oldest first */
    uint32_t norder, order_cap;
    segment *active, *next;
    seg_prepare prepare;
    retire_job *retire;
    bool no_space;   /* the last attempt to make a segment failed for want of space */
    bool on_reserve; /* the log is in a segment of the reserve: deletes only */

    /* the log (commit.c) */
    logwrite *log;
    segment *sync_head; /* the first one with bytes that no fsync covers */
    log_pos released;
    log_pos writeback_from;
    fsync_job fsync;
    bool want_sync; /* at the next cron, whatever the policy */
    bool tell;      /* the host is to be told that `released` moved */
    uint64_t synced_us;
    status failure;
    char failure_msg[STATUS_MSG_MAX];

    /* batches and reads */
    batch batch;
    cache *values;
    unsigned halvings;    /* of the cache's setting, for want of memory (relieve.c) */
    uint64_t relieved_us; /* when the last was wanted */
    uint64_t quiet_us;    /* how long none must have been for one to be taken back */
    buf packed;           /* a value compressed */
    buf raw;              /* a record read */
    buf plain;            /* a value decompressed */
    buf sub;              /* map number || subkey */
    status error;
    char error_msg[STATUS_MSG_MAX];

    ahead ahead;
    merge_job *merge;
    hint_job *hints;
    uint64_t merge_after_us, hints_after_us; /* none is started before */
    bool compact_wanted;                     /* engine_compact was called, and has not begun */
    uint32_t compact_seals;                  /* the segment that was active then */
    bool index_full;                         /* the arena has no room for many more entries */
    bitcask_stats stats;
    metric_section sections[2];
} bitcask;

static inline bitcask *bitcask_of(engine *e) {
    return (bitcask *)e;
}

/* ---- settings.c ------------------------------------------------------------------------------ */
extern const setting bitcask_setting_table[];
bool bitcask_in_window(int hour);

/* ---- bitcask.c ------------------------------------------------------------------------------- */
/* Remembers s for engine_error; returns ENGINE_ERROR. */
engine_result bc_error(bitcask *e, status s);
status bc_path(const bitcask *e, unsigned kind, uint32_t number, char out[FILE_PATH_MAX]);
uint64_t bc_now_us(bitcask *e);
/* Lets the value cache grow to what it may have (relieve.c). */
void bc_cache_cron(bitcask *e);

/* ---- meta.c ---------------------------------------------------------------------------------- */
/* The edit to add operations to; then meta_commit, which returns its generation: durable once
 * meta.done has reached it. */
uint64_t meta_commit(bitcask *e);
/* Starts writing what is collected, unless a write is under way. */
void meta_kick(bitcask *e);
/* Blocks until the generation is durable. */
status meta_wait(bitcask *e, uint64_t gen);
status bc_take_id(bitcask *e, enum manifest_ids which, uint64_t *id);
/* Adds to the edit what keeps ids reserved ahead. */
void meta_reserve_ahead(bitcask *e);
/* Whatever waits for a manifest edit goes on (called when one has become durable). */
void bc_advance(bitcask *e);

#endif
