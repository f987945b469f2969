/* Databases of keys over an engine: lookups that see no expired key, changes, batches.
 *
 * What makes the common commands cheap: `due` is a time before which no key is due, kept as a
 * lower bound by every change that sets an expire time and made exact by the expire cycle. While
 * the clock is before it, a SET or a DEL need not look at what it replaces or deletes: one call on
 * the engine. A GET is one call on the engine in any case. */
#include "keyspace/internal.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem_later.h"

#define SCRATCH_KEEP 65536
#define PASS_STEP    (1u << 20)
#define RANDOM_TRIES 100

/* ---- life ------------------------------------------------------------------------------------
 */

status ks_new(engine *e, stave_clock *clock, rng *random, int databases, keyspace **out) {
    *out = NULL;
    if (databases < 1 || databases > ENGINE_DBS_MAX)
        return status_make(ST_INVALID, "databases must be between 1 and %d", ENGINE_DBS_MAX);
    keyspace *ks = mem_zalloc(sizeof *ks);
    ks->engine = e;
    ks->clock = clock;
    ks->rng = random;
    ks->databases = databases;
    ks->due = INT64_MIN;
    ks->budget = -1;
    expire_forget_reader(ks);
    *out = ks;
    return STATUS_OK;
}

void ks_free(keyspace *ks) {
    if (!ks) return;
    CHECK(ks->depth == 0);
    engine_reader_end(ks->engine, &ks->reader); /* the engine outlives it */
    held_free(ks);
    buf_free(&ks->scratch);
    buf_free(&ks->picked);
    region_free(&ks->work);
    for (int i = 0; i < EVICT_POOL; i++)
        buf_free(&ks->pool[i].key);
    mem_free(ks);
}

void ks_set_engine(keyspace *ks, engine *e) {
    CHECK(ks->depth == 0);
    engine_reader_end(ks->engine, &ks->reader);
    ks->engine = e;
    ks->due = INT64_MIN;
    ks->budget = -1;
    expire_forget_reader(ks);
    ks_tell_budget(ks);
}

void ks_cron(keyspace *ks) {
    ks_tell_budget(ks);
}

engine *ks_engine(keyspace *ks) {
    return ks->engine;
}

int ks_databases(const keyspace *ks) {
    return ks->databases;
}

int64_t ks_now(const keyspace *ks) {
    return ks->clock->wall_ms;
}

buf *ks_scratch(keyspace *ks) {
    return &ks->scratch;
}

void *ks_alloc(keyspace *ks, size_t n) {
    CHECK(ks->depth > 0);
    return region_alloc(&ks->work, n);
}

rng *ks_rng(keyspace *ks) {
    return ks->rng;
}

const ks_stats *ks_statistics(const keyspace *ks) {
    return &ks->stats;
}

void ks_reset_statistics(keyspace *ks) {
    uint64_t dirty = ks->stats.dirty;
    ks->stats = (ks_stats){.dirty = dirty};
}

const char *key_type_name(unsigned type) {
    static const char *const names[] = {"string", "list", "set", "zset", "hash", "stream"};
    return type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

/* ---- batches ------------------------------------------------------------------------------------
 */

void ks_begin(keyspace *ks) {
    CHECK(!ks->telling);
    if (ks->depth++ > 0) return;
    ks->before = ks->stats;
    engine_begin(ks->engine);
}

void ks_passing(keyspace *ks, slice bytes) {
    CHECK(ks->depth == 1);
    ks->passing = bytes;
}

/* In steps, as each is a call of the system. */
void ks_passed(keyspace *ks, const char *upto) {
    slice *p = &ks->passing;
    if (upto < p->data || (size_t)(upto - p->data) > p->len) return;
    size_t n = (size_t)(upto - p->data);
    if (n < PASS_STEP) return;
    mem_give_pages((char *)(uintptr_t)p->data, n);
    *p = slice_skip(*p, n);
    ks->has_passed = true;
    engine_read_for(ks->engine, NULL); /* nothing is pending any more */
}

bool ks_has_passed(const keyspace *ks) {
    return ks->has_passed;
}

/* What commands took for their work is given back. */
static void end_work(keyspace *ks) {
    ks->passing = SLICE_EMPTY;
    ks->has_passed = false;
    region_reset(&ks->work);
    if (ks->scratch.cap > SCRATCH_KEEP) buf_free(&ks->scratch);
}

void ks_commit(keyspace *ks) {
    CHECK(ks->depth > 0);
    if (--ks->depth > 0) return;
    engine_commit(ks->engine);
    batch_ended(ks, true);
    end_work(ks);
    held_tell(ks);
}

void ks_abort(keyspace *ks) {
    CHECK(ks->depth > 0);
    if (--ks->depth > 0) return;
    engine_abort(ks->engine);
    batch_ended(ks, false);
    ks->stats = ks->before;
    end_work(ks);
    held_forget(ks);
}

/* Whoever runs the outer batch decides for all of it. */
void ks_refuse(keyspace *ks) {
    CHECK(ks->depth > 0);
    const ks_stats now = ks->stats;
    if (ks->depth > 1) {
        ks_abort(ks);
        return;
    }
    held_only_misses(ks);
    ks->depth--;
    engine_abort(ks->engine);
    batch_ended(ks, false);
    ks->stats = ks->before;
    ks->stats.hits = now.hits;
    ks->stats.misses = now.misses;
    end_work(ks);
    held_tell(ks);
}

bool ks_in_batch(const keyspace *ks) {
    return ks->depth > 0;
}

bool ks_in_inner_batch(const keyspace *ks) {
    return ks->depth > 1;
}

/* ---- lookup -------------------------------------------------------------------------------------
 */

/* Counts a lookup that found nothing. */
static void missed(keyspace *ks, uint32_t db, slice key, unsigned flags) {
    if (flags & KS_WRITE) return;
    if (!(flags & KS_NO_STATS)) ks->stats.misses++;
    if (!(flags & KS_NO_NOTIFY) && ks->depth > 0)
        held_add(ks, HELD_EVENT, KS_MISS, "keymiss", db, key);
}

engine_result lookup_entry(keyspace *ks, uint32_t db, slice key, unsigned flags, entry *out) {
    engine_result r = flags & KS_META ? engine_meta(ks->engine, db, key, out)
                                      : engine_get(ks->engine, db, key, out);
    if (r == ENGINE_OK && out->hint & KS_WAKES) r = wake_lookup(ks, db, key, flags, out);
    return r == ENGINE_OK && ks_is_due(ks, out) ? ks_expire_now(ks, db, key) : r;
}

engine_result ks_get(keyspace *ks, uint32_t db, slice key, unsigned flags, entry *out) {
    engine_result r = ENGINE_ABSENT;
    if (key.len <= ENGINE_KEY_MAX) r = lookup_entry(ks, db, key, flags, out);
    if (r != ENGINE_OK) {
        if (r == ENGINE_ABSENT) missed(ks, db, key, flags);
        return r;
    }
    if (flags & KS_NO_TOUCH) {
        out->access = access_known(ks, out->access);
    } else {
        uint32_t access = access_touched(ks, access_known(ks, out->access));
        if (access != out->access) engine_set_access(ks->engine, out, access);
        out->access = access;
    }
    if (!(flags & (KS_WRITE | KS_NO_STATS))) ks->stats.hits++;
    return ENGINE_OK;
}

engine_result ks_presence(keyspace *ks, uint32_t db, slice key, enum ks_presence *out) {
    entry meta;
    bool due;
    *out = KS_ABSENT;
    if (key.len > ENGINE_KEY_MAX) return ENGINE_OK;
    engine_result r = engine_meta(ks->engine, db, key, &meta);
    if (r == ENGINE_OK) r = wake_key_due(ks, db, key, &meta, &due);
    if (r == ENGINE_OK) *out = due ? KS_DUE : KS_LIVE;
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* Hides what is due from a scan's visitor. A key of which only its value tells whether it is due is
 * kept, and looked at when the engine's scan is over. */
typedef struct scan_filter {
    keyspace *ks;
    void (*each)(void *ctx, slice key, const entry *meta);
    void *ctx;
    buf later; /* such keys: length, bytes */
} scan_filter;

static void scan_each(void *ctx, slice key, const entry *meta) {
    scan_filter *f = ctx;
    if (!ks_is_due(f->ks, meta)) {
        f->each(f->ctx, key, meta);
    } else if (meta->hint & KS_WAKES) {
        char len[4];
        put_u32(len, (uint32_t)key.len);
        buf_append(&f->later, len, sizeof len);
        buf_append_slice(&f->later, key);
    }
}

/* Visits those of the kept keys that live. */
static engine_result scan_later(scan_filter *f, uint32_t db) {
    slice rest = buf_slice(&f->later);
    while (rest.len > 0) {
        entry meta;
        bool due;
        slice key = slice_of(rest.data + 4, load_u32(rest.data));
        rest = slice_skip(rest, 4 + key.len);
        engine_result r = engine_meta(f->ks->engine, db, key, &meta);
        if (r == ENGINE_OK) r = wake_key_due(f->ks, db, key, &meta, &due);
        if (r != ENGINE_OK) return r;
        if (!due) f->each(f->ctx, key, &meta);
    }
    return ENGINE_OK;
}

engine_result ks_scan(keyspace *ks, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                      void (*each)(void *ctx, slice key, const entry *meta), void *ctx) {
    scan_filter f = {ks, each, ctx, {0}};
    engine_result r = engine_scan(ks->engine, db, from, want, next, scan_each, &f);
    if (r == ENGINE_OK) r = scan_later(&f, db);
    buf_free(&f.later);
    return r;
}

engine_result ks_random(keyspace *ks, uint32_t db, buf *key) {
    for (int i = 0; i < RANDOM_TRIES; i++) {
        entry meta;
        engine_result r = engine_random(ks->engine, db, false, key, &meta);
        if (r != ENGINE_OK) return r;
        bool due;
        r = wake_key_due(ks, db, buf_slice(key), &meta, &due);
        if (r != ENGINE_OK || !due) return r;
        r = ks_expire_now(ks, db, buf_slice(key));
        if (r != ENGINE_ABSENT) return r;
    }
    return ENGINE_ABSENT;
}

/* ---- changes ------------------------------------------------------------------------------------
 */

/* What a key holds before it is replaced or deleted, expired if it was due. */
static engine_result expire_old(keyspace *ks, uint32_t db, slice key, entry *old) {
    bool due = false;
    engine_result r = engine_meta(ks->engine, db, key, old);
    if (r == ENGINE_OK) r = wake_key_due(ks, db, key, old, &due);
    return due ? ks_expire_now(ks, db, key) : r;
}

/* Sets the access state of an entry that did not come from a read of its key, after the entry that
 * it replaces has expired, if it was due. Under LFU a replaced entry's count lives on. */
static engine_result prepare_put(keyspace *ks, uint32_t db, slice key, entry *ent) {
    bool lfu = ks_policy_is_lfu(ks);
    ent->access = access_fresh(ks);
    if (!lfu && ks->clock->wall_ms < ks->due) return ENGINE_OK;
    entry old;
    engine_result r = expire_old(ks, db, key, &old);
    if (r == ENGINE_OK && lfu) ent->access = access_touched(ks, access_known(ks, old.access));
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* How many keys a database has: to see whether a put made one. */
static uint64_t count_keys(keyspace *ks, uint32_t db) {
    engine_db_stats stats;
    engine_db_stats_of(ks->engine, db, &stats);
    return stats.keys;
}

engine_result ks_put(keyspace *ks, uint32_t db, slice key, const entry *ent) {
    CHECK(ks->depth > 0 && ent->expire >= 0);
    entry fresh = *ent;
    fresh.expire = wake_indexed(ent);
    ks_note_due(ks, fresh.expire);
    if (ent->access) return engine_put(ks->engine, db, key, &fresh);
    engine_result r = prepare_put(ks, db, key, &fresh);
    if (r != ENGINE_OK) return r;
    if (!(ks->wanted & HELD_EVENT)) return engine_put(ks->engine, db, key, &fresh);
    uint64_t before = count_keys(ks, db);
    r = engine_put(ks->engine, db, key, &fresh);
    if (r == ENGINE_OK && count_keys(ks, db) != before)
        held_add(ks, HELD_EVENT, KS_NEW, "new", db, key);
    return r;
}

engine_result ks_del(keyspace *ks, uint32_t db, slice key) {
    CHECK(ks->depth > 0);
    if (key.len > ENGINE_KEY_MAX) return ENGINE_ABSENT;
    if (ks->clock->wall_ms >= ks->due) {
        entry old;
        engine_result r = expire_old(ks, db, key, &old);
        if (r != ENGINE_OK) return r;
    }
    return engine_del(ks->engine, db, key);
}

engine_result ks_move(keyspace *ks, uint32_t db, slice key, uint32_t to_db, slice to_key) {
    CHECK(ks->depth > 0);
    engine_result r = engine_move(ks->engine, db, key, to_db, to_key);
    if (r == ENGINE_OK) held_add(ks, HELD_EVENT, KS_NEW, "new", to_db, to_key);
    return r;
}

engine_result ks_set_expire(keyspace *ks, uint32_t db, slice key, entry *ent, int64_t when) {
    CHECK(ks->depth > 0 && when >= 0);
    if (ent->hint & KS_WAKES) ent->value = wake_with_own(ks, ent->value, when);
    ent->expire = when;
    entry put = *ent;
    put.expire = wake_indexed(ent);
    ks_note_due(ks, put.expire);
    return engine_put(ks->engine, db, key, &put);
}

engine_result ks_flush(keyspace *ks, int32_t db) {
    CHECK(ks->depth > 0);
    engine_result r = engine_flush(ks->engine, db);
    if (r == ENGINE_OK) held_add_dbs(ks, HELD_FLUSHED, (uint32_t)db, 0);
    return r;
}

engine_result ks_swap(keyspace *ks, uint32_t a, uint32_t b) {
    CHECK(ks->depth > 0);
    engine_result r = engine_swap(ks->engine, a, b);
    if (r == ENGINE_OK) held_add_dbs(ks, HELD_SWAPPED, a, b);
    return r;
}
