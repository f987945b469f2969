/* keyspace: databases of keys over an engine: lookup with expiry, access state, events, statistics.
 *
 * Everything a type or a command does to a key goes through here. Whatever a batch causes besides
 * its changes (events, counters) is held until ks_commit and forgotten by ks_abort.
 *
 * Slices that a read returns live as engine.h's rule E3 says, and every function here but ks_now,
 * ks_changed, ks_notify, ks_dirty and the access-state questions counts as a call on the engine. */
#ifndef STAVE_KEYSPACE_KEYSPACE_H
#define STAVE_KEYSPACE_KEYSPACE_H

#include "base/rand.h"
#include "engine/engine.h"

/* Type numbers as they are on disk: never renumber. */
enum key_type {
    KEY_STRING = 0,
    KEY_LIST = 1,
    KEY_SET = 2,
    KEY_ZSET = 3,
    KEY_HASH = 4,
    KEY_STREAM = 5,
};
const char *key_type_name(unsigned type); /* "string", ... */

/* Bit of entry.hint, for any type that keeps elements: the type wants to be woken at a time of its
 * own (a hash at its first field's expiry). The value's bytes 1 .. 8 are then the key's own expire
 * time (little-endian, 0: none), bytes 9 .. 16 the time of the wake-up, and what the engine has as
 * the entry's expire time is the earlier of the two. Outside of this folder nobody sees that one:
 * ks_get gives the key's own, ks_put takes the key's own. */
#define KS_WAKES 8

/* Classes of keyspace events (notify-keyspace-events). */
enum ks_event_class {
    KS_GENERIC = 1 << 0, /* g */
    KS_STRING = 1 << 1,  /* $ */
    KS_LIST = 1 << 2,
    KS_SET = 1 << 3,
    KS_HASH = 1 << 4,
    KS_ZSET = 1 << 5,
    KS_STREAM = 1 << 6,
    KS_EXPIRED = 1 << 7, /* x */
    KS_EVICTED = 1 << 8, /* e */
    KS_NEW = 1 << 9,     /* n */
    KS_MISS = 1 << 10,   /* m */
};

/* Told after the batch that caused it has committed; any may be NULL. A hook may read the keyspace,
 * and may not begin a batch. */
typedef struct ks_hooks {
    void (*changed)(void *ctx, uint32_t db, slice key);
    void (*event)(void *ctx, unsigned klass, const char *name, uint32_t db, slice key);
    void (*flushed)(void *ctx, int32_t db); /* -1: all */
    void (*swapped)(void *ctx, uint32_t a, uint32_t b);
    void *ctx;
} ks_hooks;

typedef struct ks_stats {
    uint64_t hits, misses;
    uint64_t expired, evicted;
    uint64_t expired_elements; /* fields of hashes */
    uint64_t expire_cycle_us;
    uint64_t expire_cycle_capped; /* cycles that stopped at their budget with more to do */
    uint64_t evict_us;            /* spent above maxmemory, evicting */
    uint64_t dirty; /* changes, as rdb_changes_since_last_save and SET's reply logic count them */
} ks_stats;

typedef struct keyspace keyspace;

status ks_new(engine *e, stave_clock *clock, rng *random, int databases, keyspace **out);
void ks_free(keyspace *ks); /* does not close the engine */
/* Another engine under the same keyspace (DEBUG RELOAD). REQUIRES: not in a batch. */
void ks_set_engine(keyspace *ks, engine *e);
engine *ks_engine(keyspace *ks);
int ks_databases(const keyspace *ks);
const ks_stats *ks_statistics(const keyspace *ks);
void ks_reset_statistics(keyspace *ks); /* all but dirty */
/* Returns its number, for ks_hook_arm. A hook is armed to begin with; one that is not costs
 * nothing, and what nobody armed wants to hear of is not kept. REQUIRES: no hook is running. */
int ks_hook_add(keyspace *ks, const ks_hooks *hooks);
void ks_hook_arm(keyspace *ks, int number, bool armed);
/* Asked by a hook that is told of a change: was it the keyspace's own, an expiry or an eviction,
 * whichever command it was found out by? */
bool ks_told_of_itself(const keyspace *ks);
int64_t ks_now(const keyspace *ks); /* wall clock in ms, fixed for the turn */
/* A buffer for building a value or a key in, so that commands need not allocate: its user empties
 * it, fills it, and is done with it before it calls another function that takes it (those that do
 * say so). Large ones are given back at commit. */
buf *ks_scratch(keyspace *ks);
/* Memory that lives until the outermost batch ends, aligned for any type: nobody frees it. */
void *ks_alloc(keyspace *ks, size_t n) __attribute__((returns_nonnull));
/* What comes next in this batch reads `bytes`, large and nobody else's, once, front to back, and
 * whoever reads them says how far he is (ks_passed), and the memory of what he has done with goes
 * back to the system, so that a value and its copy in the log are never there twice. The batch
 * can't run again once something has gone (ks_has_passed): from then on reads wait for the disk.
 * Said again for the next such bytes. */
void ks_passing(keyspace *ks, slice bytes);
void ks_passed(keyspace *ks, const char *upto);
bool ks_has_passed(const keyspace *ks);
/* For picking at random; seeded at the start. */
rng *ks_rng(keyspace *ks);

/* Every command runs between these. They nest (EXEC, scripts): only the outermost counts. An inner
 * ks_abort undoes nothing: whoever runs the outer batch decides, so a command that may refuse does
 * so before it changes anything. */
void ks_begin(keyspace *ks);
void ks_commit(keyspace *ks);
void ks_abort(keyspace *ks);
/* The same for a command that ends with a refusal: its lookups stay counted, and what they missed
 * is told, as they will not be made again. */
void ks_refuse(keyspace *ks);
bool ks_in_batch(const keyspace *ks);
/* Is the batch one within another (EXEC, scripts)? */
bool ks_in_inner_batch(const keyspace *ks);

enum ks_lookup_flags {
    KS_META = 1 << 0,      /* no value bytes wanted */
    KS_NO_TOUCH = 1 << 1,  /* leave access state alone */
    KS_NO_STATS = 1 << 2,  /* neither hit nor miss */
    KS_WRITE = 1 << 3,     /* for a command that changes the key: no hit, no miss */
    KS_NO_NOTIFY = 1 << 4, /* no "keymiss" event */
    KS_NO_WAKE = 1 << 5,   /* for the type that is woken: a key whose wake-up has come as it is */
};
/* The live entry. What is due has expired: it is deleted in this batch (event "expired") if writes
 * are allowed, and is ENGINE_ABSENT either way. out->access is never 0. */
engine_result ks_get(keyspace *ks, uint32_t db, slice key, unsigned flags, entry *out);

/* Is there a key, and is its time over? Changes and counts nothing, for who must tell a key that
 * has expired from one that was never there. Hooks may ask. ENGINE_OK, ENGINE_PENDING or
 * ENGINE_ERROR.
 */
enum ks_presence { KS_ABSENT, KS_DUE, KS_LIVE };
engine_result ks_presence(keyspace *ks, uint32_t db, slice key, enum ks_presence *out);

/* Inserts or replaces. ent->access: what ks_get gave, when ent comes from a read of this same key
 * (its value may then be that read's slice); 0 when it does not: then the access state is set here,
 * and a key that was not there causes the "new" event. */
engine_result ks_put(keyspace *ks, uint32_t db, slice key, const entry *ent);
/* ENGINE_ABSENT if there is no live entry. */
engine_result ks_del(keyspace *ks, uint32_t db, slice key);
/* REQUIRES: ks_get has just found the source, and what it is called to replace was looked up too
 * (so that it expired if it was due). */
engine_result ks_move(keyspace *ks, uint32_t db, slice key, uint32_t to_db, slice to_key);
/* A second entry with the same contents, replacing what is there (which was looked up before, as
 * for ks_move); ent: just read from `key`, with its value. Takes the scratch buffer. */
engine_result ks_copy(keyspace *ks, uint32_t db, slice key, const entry *ent, uint32_t to_db,
                      slice to_key);
/* Changes the expire time alone (ENGINE_NO_EXPIRE: persists). ent: just read, with its value, which
 * may be another slice afterwards. */
engine_result ks_set_expire(keyspace *ks, uint32_t db, slice key, entry *ent, int64_t when);
engine_result ks_flush(keyspace *ks, int32_t db);
engine_result ks_swap(keyspace *ks, uint32_t a, uint32_t b);
/* As engine_scan, without what is due. Keys whose type is to be woken come last. meta->expire is
 * not to be used. */
engine_result ks_scan(keyspace *ks, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                      void (*each)(void *ctx, slice key, const entry *meta), void *ctx);
/* A live key picked at random. */
engine_result ks_random(keyspace *ks, uint32_t db, buf *key);

/* What a command says of its change: counts it as dirty, and tells the hooks at commit. */
void ks_changed(keyspace *ks, unsigned klass, const char *event, uint32_t db, slice key);
/* The same without an event (PFCOUNT, which keeps its count). */
void ks_touched(keyspace *ks, uint32_t db, slice key);
/* An event alone. */
void ks_notify(keyspace *ks, unsigned klass, const char *event, uint32_t db, slice key);
void ks_dirty(keyspace *ks, int64_t n);
/* fn is called after the batch has committed, in its place among what the hooks are told, and not
 * at all if that is aborted. bytes are copied. It may do what a hook may. */
void ks_after_commit(keyspace *ks, void (*fn)(void *ctx, slice bytes), void *ctx, slice bytes);

/* fn is called when the open batch has ended: before hooks and ks_after_commit's, in order, if it
 * has committed, and in the opposite order if it was aborted. For what a command changes in memory
 * along with its records, and may have to take back. It may not use the keyspace's batches. */
void ks_at_end(keyspace *ks, void (*fn)(void *ctx, bool committed), void *ctx);

/* A key's wake-up has come (KS_WAKES): the type does what it wanted to, a bounded slice of it, and
 * puts the entry with another wake-up, later than now, or none; or deletes the key. If the slice
 * leaves something over, the wake-up is `again`, or (again 0) may be a time that has come already.
 * Called in a batch in which deletes are allowed, by a lookup of the key or by the expire cycle.
 * Reads the key with KS_NO_WAKE. */
typedef engine_result (*ks_wake_fn)(keyspace *ks, uint32_t db, slice key, int64_t again);
/* For the process, as types are. */
void ks_on_wake(unsigned type, ks_wake_fn fn);
/* That n elements of a key have expired: counts them, tells the hooks at commit. */
void ks_expired_elements(keyspace *ks, unsigned klass, const char *event, uint32_t db, slice key,
                         uint64_t n);
/* Deletes what is due, in batches of its own, for about budget_us; true if more is due now. */
bool ks_expire_cycle(keyspace *ks, uint64_t budget_us);
/* DEBUG SET-ACTIVE-EXPIRE: off, only an access deletes what is due. */
void ks_set_active_expire(keyspace *ks, bool on);
/* CLIENT PAUSE: what is due reads as absent, nothing is deleted. */
void ks_set_expiry_frozen(keyspace *ks, bool frozen);

/* Access state of an entry, by the eviction policy in force. */
uint32_t ks_idle_seconds(keyspace *ks, const entry *ent);
uint32_t ks_frequency(keyspace *ks, const entry *ent);
bool ks_policy_is_lfu(const keyspace *ks);
/* RESTORE: as if the key had not been used for so many seconds, or so often, by what the policy in
 * force looks at; -1: that is not given. REQUIRES: the key has just been put. */
engine_result ks_set_access(keyspace *ks, uint32_t db, slice key, int64_t idle, int64_t frequency);

/* What a feature above keeps for itself: records by name, in the log and in batches like all else,
 * and in no database: no flush, swap, scan, count, expiry or eviction meets them, and another
 * number of databases does not either. Names begin with the feature's own and a colon. Told to no
 * hook. */
#define KS_SYSTEM_NAME_MAX 1024
/* Appends the record's bytes to value. ENGINE_ABSENT: there is none. */
engine_result ks_system_get(keyspace *ks, slice name, buf *value);
/* Of any length. Both REQUIRE: a batch. */
engine_result ks_system_put(keyspace *ks, slice name, slice value);
engine_result ks_system_del(keyspace *ks, slice name); /* ENGINE_ABSENT: there was none */
/* Shows names from a token on, some at a time: 0 to begin; *next is 0 at the end. each must not
 * change the engine, nor ask it anything. */
engine_result ks_system_scan(keyspace *ks, uint64_t from, uint64_t *next,
                             void (*each)(void *ctx, slice name), void *ctx);

/* Memory: frees by the policy until used <= maxmemory, in bounded time. False: nothing more can be
 * freed, and a command that may grow must get -OOM. Inside a batch it evicts nothing. Over an
 * engine that does not evict (engine_evicts) it asks that to give back caches, and is always true.
 */
bool ks_make_room(keyspace *ks);
/* Ten times a second or so: tells the engine what maxmemory has become. */
void ks_cron(keyspace *ks);
/* maxmemory, maxmemory-policy, maxmemory-samples, lfu-*, ...; ended by {0}. */
extern const setting keyspace_settings[];
/* Adds to Stats, and makes Keyspace. */
const metric_section *keyspace_metrics(keyspace *ks);

#endif
