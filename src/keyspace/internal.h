/* internal: the keyspace's own parts, shared by the files of this folder and nobody else. */
#ifndef STAVE_KEYSPACE_INTERNAL_H
#define STAVE_KEYSPACE_INTERNAL_H

#include "base/clock.h"
#include "base/region.h"
#include "keyspace/keyspace.h"

/* ---- settings (settings.c) --------------------------------------------------------------------
 */

enum ks_policy {
    POLICY_NOEVICTION = 0,
    POLICY_LRU = 1,
    POLICY_LFU = 2,
    POLICY_RANDOM = 3,
    POLICY_TTL = 4,
    POLICY_RANK = 7,     /* mask: one of the above */
    POLICY_VOLATILE = 8, /* only keys with an expire time */
};

/* Values of the settings; one for the process, as settings are. */
typedef struct ks_config {
    int64_t maxmemory;
    int policy;
    int64_t samples;
    int64_t tenacity;       /* 0 .. 100: how long an eviction may take */
    int64_t lfu_log_factor; /* how fast the counter saturates */
    int64_t lfu_decay_time; /* minutes a point */
    int64_t expire_effort;  /* 1 .. 10 */
} ks_config;
extern ks_config ks_conf;

/* ---- what is held until commit (events.c) -------------------------------------------------------
 */

enum held_kind {
    HELD_CHANGED = 1, /* a bit: tell `changed` */
    HELD_EVENT = 2,   /* a bit: tell `event` */
    HELD_FLUSHED = 4,
    HELD_SWAPPED = 8,
    HELD_CALL = 16,   /* of ks_after_commit: no hook's */
    HELD_ITSELF = 32, /* a bit, with the first two: the keyspace has done it, no command */
};
typedef struct held {
    unsigned kind, klass;
    const char *name; /* a literal */
    uint32_t db, other_db;
    size_t key_at, key_len; /* in held_keys */
    void (*call)(void *ctx, slice bytes);
    void *ctx; /* of call */
} held;

/* A hook, and whether it is told anything. */
typedef struct armed_hook {
    ks_hooks hook;
    bool armed;
} armed_hook;

/* What ks_at_end was given. */
typedef struct batch_end {
    void (*fn)(void *ctx, bool committed);
    void *ctx;
} batch_end;

/* ---- eviction (evict.c) -------------------------------------------------------------------------
 */

#define EVICT_POOL 16
typedef struct candidate {
    uint64_t score; /* higher goes first */
    uint32_t db;
    buf key;
} candidate;

struct keyspace {
    engine *engine;
    stave_clock *clock;
    rng *rng;
    int databases;
    int depth;            /* of ks_begin */
    bool telling;         /* hooks are running */
    bool telling_itself;  /* of what the keyspace has done without a command (HELD_ITSELF) */
    bool passive;         /* no expire cycle */
    bool frozen;          /* nothing expires on disk */
    uint32_t born;        /* access state that stands for "not known since the start" */
    bool born_lfu;        /* which of the two states born is */
    int64_t budget;       /* maxmemory as the engine was told it; -1: not yet */
    int64_t due;          /* no key is due before this time; INT64_MIN: not known */
    engine_reader reader; /* the expire cycle's: it waits for no disk */
    ks_stats stats;
    ks_stats before; /* as the batch began */
    struct armed_hook *hooks;
    size_t nhooks;
    unsigned wanted; /* bits of held_kind: what an armed hook wants to hear of */
    held *held;
    size_t nheld, held_cap;
    buf held_keys;
    buf ends; /* of the open batch: batch_end, one after the other */
    buf scratch, picked;
    region work;                /* ks_alloc */
    slice passing;              /* what may be given back as it is read, of the open batch */
    bool has_passed;            /* some of it was */
    candidate pool[EVICT_POOL]; /* by score, lowest first */
    size_t pooled;              /* how many there are; buffers beyond are kept for use again */
    uint32_t next_db;           /* where sampling goes on */
    metric_section sections[3];
};

/* events.c */
void held_add(keyspace *ks, unsigned kind, unsigned klass, const char *name, uint32_t db,
              slice key);
void held_add_dbs(keyspace *ks, unsigned kind, uint32_t a, uint32_t b);
void held_tell(keyspace *ks);
void held_forget(keyspace *ks);
/* The outermost batch has ended: calls what ks_at_end was given. */
void batch_ended(keyspace *ks, bool committed);
/* Of what is kept, nothing but that keys were missed. */
void held_only_misses(keyspace *ks);
void held_free(keyspace *ks);

/* evict.c: tells the engine of maxmemory, if it does not know. */
void ks_tell_budget(keyspace *ks);

/* access.c: the 24 bits. Never 0. */
uint32_t access_fresh(const keyspace *ks);
uint32_t access_touched(keyspace *ks, uint32_t access);
uint32_t access_known(keyspace *ks, uint32_t access);

/* expire.c. Of an entry as the engine gave it that has KS_WAKES: the earlier of two times has come;
 * wake_key_due says whether it is the key's. */
static inline bool ks_is_due(const keyspace *ks, const entry *ent) {
    return ent->expire != ENGINE_NO_EXPIRE && ent->expire <= ks->clock->wall_ms;
}
/* The engine is another one, or will not be called again: the cycle waits for nothing. */
void expire_forget_reader(keyspace *ks);
/* May deletes be made now? */
bool ks_deletes_allowed(const keyspace *ks);
/* The entry is due: deletes it if that may be, and says ENGINE_ABSENT. */
engine_result ks_expire_now(keyspace *ks, uint32_t db, slice key);
/* A key will be due at that time. */
static inline void ks_note_due(keyspace *ks, int64_t when) {
    if (when != ENGINE_NO_EXPIRE && when < ks->due) ks->due = when;
}

/* ---- keys that want to be woken (wake.c) --------------------------------------------------------
 */

/* The key's own expire time, and the wake-up, of an entry that has KS_WAKES, with its value. */
int64_t wake_own(const entry *ent, int64_t *wake);
/* What the engine is to have as expire time of an entry whose `expire` is the key's own. */
int64_t wake_indexed(const entry *ent);
/* A copy of the value of an entry that has KS_WAKES, with another expire time of the key. */
slice wake_with_own(keyspace *ks, slice value, int64_t own);
/* Makes ent->expire, as the engine gave it, the key's own. The value goes. */
engine_result wake_resolve(keyspace *ks, uint32_t db, slice key, entry *ent);
/* Is the key itself due? meta: as the engine gave it; its expire is the key's own if so. */
engine_result wake_key_due(keyspace *ks, uint32_t db, slice key, entry *meta, bool *due);
/* Wakes the type; see ks_wake_fn. */
engine_result wake_now(keyspace *ks, uint32_t db, slice key, unsigned type, int64_t again);
/* A lookup has found an entry that has KS_WAKES: gives the key's own time, and wakes the type if
 * its time has come; the entry after that. */
engine_result wake_lookup(keyspace *ks, uint32_t db, slice key, unsigned flags, entry *out);
/* keyspace.c: ks_get's lookup, without statistics and access state. */
engine_result lookup_entry(keyspace *ks, uint32_t db, slice key, unsigned flags, entry *out);

#endif
