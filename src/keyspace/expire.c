/* Expiry: a key is gone when its time comes, whether anybody looks or not.
 *
 * Two ways, one rule: a due entry is deleted by a logged delete, counted once, with one "expired"
 * event. The first lookup of a due key does it inside its own batch; the cycle does it for all
 * others, soonest first, in batches of its own. The engine keeps the index by time and never
 * deletes by itself.
 *
 * Where deletes are not possible (the log failed, the disk has no reserve left, clients are paused)
 * a due key reads as absent and stays where it is until they are. */
#include "keyspace/internal.h"

#include "base/log.h"

#define CYCLE_BATCH 32 /* keys a batch: what a crash or a pending read can undo */
#define WAKE_COST   32 /* a wake-up counts as that many keys: it may delete hundreds of elements */

bool ks_deletes_allowed(const keyspace *ks) {
    return !ks->frozen && status_ok(engine_failed(ks->engine)) &&
           status_ok(engine_room(ks->engine, 0));
}

/* Deletes a due entry that is there. */
static engine_result delete_due(keyspace *ks, uint32_t db, slice key) {
    engine_result r = engine_del(ks->engine, db, key);
    if (r != ENGINE_OK) return r;
    ks->stats.expired++;
    held_add(ks, HELD_CHANGED | HELD_EVENT | HELD_ITSELF, KS_EXPIRED, "expired", db, key);
    return ENGINE_OK;
}

engine_result ks_expire_now(keyspace *ks, uint32_t db, slice key) {
    if (ks->depth == 0 || !ks_deletes_allowed(ks)) return ENGINE_ABSENT;
    engine_result r = delete_due(ks, db, key);
    return r == ENGINE_OK ? ENGINE_ABSENT : r;
}

void ks_set_active_expire(keyspace *ks, bool on) {
    ks->passive = !on;
}

void ks_set_expiry_frozen(keyspace *ks, bool frozen) {
    ks->frozen = frozen;
}

/* Something of the key is due: the key itself, or its type wants to be woken. *n: how many keys'
 * worth of work it was. */
static engine_result handle_due(keyspace *ks, uint32_t db, slice key, int *n) {
    entry ent;
    bool due;
    engine_result r = engine_meta(ks->engine, db, key, &ent);
    if (r == ENGINE_OK) r = wake_key_due(ks, db, key, &ent, &due);
    CHECK(r != ENGINE_ABSENT);
    *n = 1;
    if (r != ENGINE_OK) return r;
    if (due) return delete_due(ks, db, key);
    *n = WAKE_COST;
    return wake_now(ks, db, key, ent.type, 0);
}

/* Whoever is told of it is in the middle of something; the turn that this is in ends with another
 * cycle. */
static void reads_are_there(engine_reader *r) {
    CHECK(r->waits == 0);
}

void expire_forget_reader(keyspace *ks) {
    ks->reader = (engine_reader){.ready = reads_are_there};
}

/* Deletes due keys of so much work in one batch; *done is how much it was, what did not come to its
 * end left out. ENGINE_OK: there may be more. */
static engine_result cycle_batch(keyspace *ks, int most, int *done) {
    engine_result r = ENGINE_OK;
    ks_begin(ks);
    *done = 0;
    for (int cost = 0; *done < most && r == ENGINE_OK; *done += r == ENGINE_OK ? cost : 0) {
        uint32_t db = 0;
        int64_t when = 0;
        r = engine_due(ks->engine, ks->clock->wall_ms, &db, &ks->picked, &when);
        if (r == ENGINE_ABSENT) ks->due = when ? when : INT64_MAX;
        if (r == ENGINE_OK) r = handle_due(ks, db, buf_slice(&ks->picked), &cost);
    }
    if (r == ENGINE_OK || r == ENGINE_ABSENT) {
        ks_commit(ks);
    } else {
        ks_abort(ks);
    }
    return r;
}

bool ks_expire_cycle(keyspace *ks, uint64_t budget_us) {
    CHECK(ks->depth == 0);
    if (ks->passive || ks->clock->wall_ms < ks->due || !ks_deletes_allowed(ks)) return false;
    if (ks->reader.waits > 0) return false;
    budget_us *= (uint64_t)ks_conf.expire_effort;
    uint64_t start = clock_mono_us(), spent;
    engine_result r;
    int done, ignored;
    engine_read_for(ks->engine, &ks->reader);
    do {
        r = cycle_batch(ks, CYCLE_BATCH, &done);
        /* those before the one that has to be waited for */
        if (r == ENGINE_PENDING && done > 0) r = cycle_batch(ks, done, &ignored);
        if (r != ENGINE_PENDING && ks->reader.waits == 0)
            engine_reader_end(ks->engine, &ks->reader);
        spent = clock_mono_us() - start;
    } while (r == ENGINE_OK && spent < budget_us);
    engine_read_for(ks->engine, NULL);
    ks->stats.expire_cycle_us += spent;
    if (r == ENGINE_OK) ks->stats.expire_cycle_capped++;
    return r == ENGINE_OK || (r == ENGINE_PENDING && ks->reader.waits == 0);
}
