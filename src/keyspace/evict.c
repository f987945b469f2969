/* Eviction: what happens when memory in use is above maxmemory.
 *
 * As in redis-server the best key to evict is not known but found among samples: each round offers
 * a few random keys of each database to a pool of the EVICT_POOL best seen so far, and the best of
 * the pool goes. The pool outlives the call, so that samples are not wasted. Random policies need
 * no pool.
 *
 *   LRU   score = seconds idle        LFU   score = 255 - count        TTL   score = soonest first
 *
 * An engine that does not have its keys in memory wants none of this: it is told what maxmemory is,
 * sizes what it has by that, and is asked to give back when the process uses more all the same.
 *
 * Time is bounded by maxmemory-eviction-tenacity; what remains is done before the next write. Every
 * eviction is a logged delete with an "evicted" event. */
#include "keyspace/internal.h"

#include "base/log.h"
#include "base/mem_later.h"
#include "base/slow.h"

#define EVICT_BATCH   16 /* keys a batch; memory is measured between batches */
#define DBS_PER_ROUND 16 /* databases sampled a round */
#define RANDOM_TRIES  32 /* for a key that has a time of its own */

/* How long one call may take. */
static uint64_t time_limit_us(void) {
    double us = 500;
    if (ks_conf.tenacity >= 100) return UINT64_MAX;
    if (ks_conf.tenacity <= 10) return 50 * (uint64_t)ks_conf.tenacity;
    for (int64_t t = 10; t < ks_conf.tenacity; t++)
        us *= 1.15;
    return (uint64_t)us;
}

/* How good it is to evict this entry. */
static uint64_t score_of(keyspace *ks, const entry *ent) {
    switch (ks_conf.policy & POLICY_RANK) {
    case POLICY_LFU: return 255 - ks_frequency(ks, ent);
    case POLICY_TTL: return UINT64_MAX - (uint64_t)ent->expire;
    default: return ks_idle_seconds(ks, ent);
    }
}

/* Puts a candidate in its place if it is better than the worst, or there is room. */
static void pool_offer(keyspace *ks, uint32_t db, slice key, uint64_t score) {
    candidate *pool = ks->pool;
    for (size_t i = 0; i < ks->pooled; i++)
        if (pool[i].db == db && slice_eq(buf_slice(&pool[i].key), key)) return;
    candidate c;
    if (ks->pooled < EVICT_POOL) {
        c = pool[ks->pooled];
    } else {
        if (score <= pool[0].score) return;
        c = pool[0];
        memmove(pool, pool + 1, (EVICT_POOL - 1) * sizeof *pool);
        ks->pooled--;
    }
    size_t at = ks->pooled++;
    for (; at > 0 && pool[at - 1].score > score; at--)
        pool[at] = pool[at - 1];
    c.score = score;
    c.db = db;
    buf_clear(&c.key);
    buf_append_slice(&c.key, key);
    pool[at] = c;
}

/* Has this database a key that may be evicted? */
static bool has_victims(keyspace *ks, uint32_t db) {
    engine_db_stats stats;
    engine_db_stats_of(ks->engine, db, &stats);
    return (ks_conf.policy & POLICY_VOLATILE ? stats.expires : stats.keys) > 0;
}

/* The next database, in turn, that has a key that may be evicted; false if there is none. */
static bool next_db(keyspace *ks, uint32_t *db) {
    for (int i = 0; i < ks->databases; i++) {
        *db = ks->next_db;
        ks->next_db = (ks->next_db + 1) % (uint32_t)ks->databases;
        if (has_victims(ks, *db)) return true;
    }
    return false;
}

/* Offers samples of some databases to the pool. */
static engine_result fill_pool(keyspace *ks) {
    bool with_expire = ks_conf.policy & POLICY_VOLATILE;
    uint32_t db, first = UINT32_MAX;
    for (int n = 0; n < DBS_PER_ROUND && next_db(ks, &db) && db != first; n++) {
        if (n == 0) first = db;
        for (int64_t i = 0; i < ks_conf.samples; i++) {
            entry meta;
            engine_result r = engine_random(ks->engine, db, with_expire, &ks->picked, &meta);
            if (r == ENGINE_ABSENT) break;
            if (r == ENGINE_OK && with_expire)
                r = wake_resolve(ks, db, buf_slice(&ks->picked), &meta);
            if (r != ENGINE_OK) return r;
            if (with_expire && meta.expire == ENGINE_NO_EXPIRE) continue;
            pool_offer(ks, db, buf_slice(&ks->picked), score_of(ks, &meta));
        }
    }
    return ENGINE_OK;
}

/* The key that should go: its name in ks->picked. ENGINE_ABSENT: none was found this time. */
static engine_result pick(keyspace *ks, uint32_t *db) {
    bool with_expire = ks_conf.policy & POLICY_VOLATILE;
    if ((ks_conf.policy & POLICY_RANK) == POLICY_RANDOM) {
        entry meta;
        engine_result r = ENGINE_ABSENT;
        for (int i = 0; i < RANDOM_TRIES && next_db(ks, db); i++) {
            r = engine_random(ks->engine, *db, with_expire, &ks->picked, &meta);
            if (r == ENGINE_OK && with_expire)
                r = wake_resolve(ks, *db, buf_slice(&ks->picked), &meta);
            if (r != ENGINE_OK || !with_expire || meta.expire != ENGINE_NO_EXPIRE) return r;
            r = ENGINE_ABSENT; /* only its type has a time */
        }
        return r;
    }
    engine_result r = fill_pool(ks);
    while (r == ENGINE_OK && ks->pooled > 0) {
        const candidate *c = &ks->pool[--ks->pooled];
        entry meta;
        *db = c->db;
        buf_clear(&ks->picked);
        buf_append_slice(&ks->picked, buf_slice(&c->key));
        r = engine_meta(ks->engine, *db, buf_slice(&ks->picked), &meta);
        if (r == ENGINE_OK && with_expire) r = wake_resolve(ks, *db, buf_slice(&ks->picked), &meta);
        if (r == ENGINE_OK && (!with_expire || meta.expire)) return ENGINE_OK;
        if (r == ENGINE_ABSENT) r = ENGINE_OK; /* it went meanwhile: the next one */
    }
    return r == ENGINE_OK ? ENGINE_ABSENT : r;
}

/* Evicts up to EVICT_BATCH keys in one batch; how many went. */
static int evict_batch(keyspace *ks) {
    engine_result r = ENGINE_OK;
    int gone = 0;
    ks_begin(ks);
    while (gone < EVICT_BATCH) {
        uint32_t db = 0;
        r = pick(ks, &db);
        if (r != ENGINE_OK) break;
        slice key = buf_slice(&ks->picked);
        uint64_t begun = slow_begin();
        r = engine_del(ks->engine, db, key);
        slow_end("eviction-del", begun);
        if (r == ENGINE_ABSENT) continue;
        if (r != ENGINE_OK) break;
        ks->stats.evicted++;
        held_add(ks, HELD_CHANGED | HELD_EVENT | HELD_ITSELF, KS_EVICTED, "evicted", db, key);
        gone++;
    }
    if (r == ENGINE_OK || r == ENGINE_ABSENT) {
        ks_commit(ks);
        return gone;
    }
    ks_abort(ks);
    return 0;
}

/* What waits to go back to the system is no reason for a key to go. */
static uint64_t in_use(void) {
    uint64_t used = mem_used(), waits = mem_later_held();
    return used > waits ? used - waits : 0;
}

/* Is more in use than may be? Caches give way before any key does, and places in the index that
 * evicted keys have left do not count: the next keys will take them. */
static bool is_above(keyspace *ks) {
    uint64_t max = (uint64_t)ks_conf.maxmemory, used = in_use();
    if (used <= max) return false;
    uint64_t vacant = engine_relieve(ks->engine, used - max);
    used = in_use();
    return used > max && used - max > vacant;
}

void ks_tell_budget(keyspace *ks) {
    if (ks->budget == ks_conf.maxmemory) return;
    ks->budget = ks_conf.maxmemory;
    engine_budget(ks->engine, (uint64_t)ks->budget);
}

bool ks_make_room(keyspace *ks) {
    ks_tell_budget(ks);
    if (ks_conf.maxmemory == 0 || !is_above(ks)) return true;
    if (!engine_evicts(ks->engine)) return true;
    if (ks_conf.policy == POLICY_NOEVICTION || ks->depth > 0 || !ks_deletes_allowed(ks))
        return false;
    uint64_t start = clock_mono_us(), limit = time_limit_us(), spent;
    bool above, gone;
    do {
        gone = evict_batch(ks) > 0;
        above = is_above(ks);
        spent = clock_mono_us() - start;
    } while (above && gone && spent < limit);
    ks->stats.evict_us += spent;
    slow_took("eviction-cycle", spent);
    return !above || gone; /* above, but time is up: the next write goes on */
}
