/* bitcask_int: the engine's state and what its files give each other. README.md has the numbered
 * invariants that comments cite (B1 ..) and the picture of it all. */
#ifndef STAVE_ENGINE_BITCASK_BITCASK_INT_H
#define STAVE_ENGINE_BITCASK_BITCASK_INT_H

#include "base/mem.h"
#include "engine/bitcask/batch.h"
#include "engine/bitcask/bitcask.h"
#include "engine/cache_pages.h"
#include "engine/fetch.h"
#include "engine/log/pack.h"

/* A merge, or the making of hints (merge.c, hint_job.c). */
typedef struct merge_job merge_job;
typedef struct hint_job hint_job;
/* Derived maps that a start has left to be made (derive.c). */
typedef struct derive_later derive_later;

#define AHEAD_RING 16
#define AHEAD_KEY  40 /* bytes of a key that is known again when it is asked for */
/* Keys that will be asked for soon (prefetch.c). */
typedef struct ahead_key {
    uint64_t token;
    keydir_spot spot;
    uint32_t db;
    bool wanted, value; /* the key; its value too */
    uint8_t len;        /* of key; 0: it is longer than that */
    char key[AHEAD_KEY];
} ahead_key;
typedef struct ahead {
    ahead_key keys[AHEAD_RING];
    unsigned next;
} ahead;

/* The index being put on large pages (index_pages.c). */
typedef struct index_pages {
    aio_job job;
    bool busy;           /* a worker has `piece` */
    bool ahead;          /*   of which nothing is in use: it is made, not moved */
    bool refused;        /* the system can't move */
    bool refused_ahead;  /* it can't make */
    uint64_t round;      /* which merge it is for, or which growth */
    uint64_t growing;    /* the round under way that is for growth; 0: none is */
    uint64_t grown;      /* how many of those there were */
    uint64_t again;      /* bytes of index from which the next is due */
    uint64_t at;         /* arena_enlarge_next's */
    void *piece;         /* the worker's */
    size_t bytes;        /* of it */
    uint64_t left;       /* arena_left at the last cron */
    uint64_t made_ahead; /* bytes since the start */
} index_pages;

typedef struct bitcask_stats {
    uint64_t reads, read_bytes, tail_reads;
    pack_stats packed;
    uint64_t merges, merge_failures, merge_read, merge_written, last_merge_ms, last_fork_us;
    uint64_t hints, hint_failures;
    uint64_t recovery_ms, recovery_records, recovery_hints, recovery_logs, recovery_cut;
    uint64_t recovery_derived, recovery_derived_ms;
} bitcask_stats;

typedef struct bitcask {
    engine base;
    const io_env *env;
    vfs *fs;
    char *dir;
    engine_host host;
    const engine_derive *derive; /* NULL: no map is derived */
    derive_later *later;         /* NULL: all are made */
    bool cluster;
    keydir_shared shared;
    meta_queue meta;     /* the manifest */
    chain log;           /* its files are segments */
    retire_queue retire; /* segments on their way out */

    /* databases (dbs.c) */
    pdb **map; /* by logical number */
    uint32_t ndbs;
    pdb *system;    /* ENGINE_DB_SYSTEM */
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

    /* batches and reads */
    batch batch;
    cache *values;
    fetcher *fetch;       /* values that are read beside the thread, by log position */
    uint64_t budget;      /* maxmemory, 0: none */
    unsigned halvings;    /* of the cache's setting, for want of memory (relieve.c) */
    uint64_t relieved_us; /* when the last was wanted */
    uint64_t quiet_us;    /* how long none must have been for one to be taken back */
    buf packed;           /* a value compressed */
    buf raw;              /* a record read */
    buf plain;            /* a value decompressed */
    buf sub;              /* map number || subkey */
    uint64_t looked;      /* the collection in which that was looked for last; 0: none */
    btree_spot spot;      /*   and where it is, if the tree is still of that version */
    status error;
    char error_msg[STATUS_MSG_MAX];

    ahead ahead;
    merge_job *merge;
    hint_job *hints;
    index_pages pages;
    cache_pages value_pages;
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
/* The database of that logical number, or the system's. */
static inline pdb *bc_db(const bitcask *e, uint32_t db) {
    if (__builtin_expect(db == ENGINE_DB_SYSTEM, 0)) return e->system;
    CHECK(db < e->ndbs);
    return e->map[db];
}
/* What is known of a key that was to be asked for about now; NULL if this is another. */
static inline const ahead_key *ahead_known(const bitcask *e, slice key) {
    const ahead_key *k = &e->ahead.keys[(e->ahead.next - ENGINE_AHEAD) % AHEAD_RING];
    return key.len && k->len == key.len && memcmp(k->key, key.data, key.len) == 0 ? k : NULL;
}
/* The segment that receives records. */
static inline segment *seg_active(const bitcask *e) {
    return seg_of(e->log.active);
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

#endif
