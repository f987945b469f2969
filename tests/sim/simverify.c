/* simverify: all of an engine's contents, read through engine.h, against the model's.
 *
 * The engine is read once: for each database its keys by a scan, and for each key all that can be
 * read of it as one run of bytes. Then the model is asked whether it has the same; if not, it goes
 * back one batch and is asked again, down to the last batch that was promised. The key that was
 * wrong last is compared first, so most batches that don't match cost one comparison. */
#include "sim/sim.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

typedef struct content {
    buf bytes;
    bool expires;
    bool unreadable; /* an error that may be: damage was done to the disk */
    uint32_t access;
} content;

typedef struct contents {
    sim *s;
    omap *dbs[SIM_ALL_DBS];   /* key -> content */
    bool partly[SIM_ALL_DBS]; /* more keys may be there, which damage hides */
    bool unreadable;          /* something is, or is hidden so */
    buf shown;                /* by one call of scan: u32 length and bytes of each key */
    uint32_t suspect_db;
    buf suspect; /* key that made the last comparison fail */
} contents;

static void content_free(void *p) {
    content *c = p;
    buf_free(&c->bytes);
    mem_free(c);
}

/* ---- reading all there is -----------------------------------------------------------------------
 */

static void add_bytes(buf *out, slice s) {
    uint64_t n = s.len;
    buf_append(out, &n, sizeof n);
    buf_append_slice(out, s);
}

static engine_result read_map(engine *e, engine_coll *c, unsigned map, buf *out) {
    map_iter it;
    uint64_t n = 0, count = engine_map_count(e, c, map);
    buf_append(out, &count, sizeof count);
    engine_result r = engine_map_seek(e, c, map, SLICE_EMPTY, false, &it);
    for (; r == ENGINE_OK; n++) {
        add_bytes(out, it.subkey);
        add_bytes(out, it.value);
        buf_append(out, &it.expire, sizeof it.expire);
        r = engine_map_step(e, &it, false);
    }
    if (r == ENGINE_ABSENT && n != count) buf_printf(out, "%llu counted", (unsigned long long)n);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* Everything of a key as bytes; two engines with the same key give the same bytes. */
static engine_result read_key(engine *e, uint32_t db, slice key, buf *out, uint32_t *access,
                              bool *expires) {
    entry ent;
    engine_coll c;
    buf_clear(out);
    engine_result r = engine_get(e, db, key, &ent);
    if (r != ENGINE_OK) return r;
    if (access) *access = ent.access;
    if (expires) *expires = ent.expire != ENGINE_NO_EXPIRE;
    buf_append_char(out, (char)ent.type);
    buf_append_char(out, (char)ent.hint);
    buf_append_char(out, ent.coll != 0);
    buf_append(out, &ent.expire, sizeof ent.expire);
    add_bytes(out, ent.value);
    if (!ent.coll) return r;
    r = engine_coll_open(e, db, key, &ent, &c);
    for (unsigned i = 0; r == ENGINE_OK && i < ENGINE_MAPS; i++)
        r = read_map(e, &c, i, out);
    return r;
}

void sim_model_key(sim *s, uint32_t db, slice key, buf *out) {
    (void)read_key(s->model, db, key, out, NULL, NULL);
}

static void each_key(void *ctx, slice key, const entry *meta) {
    contents *all = ctx;
    (void)meta;
    put_u32(buf_reserve(&all->shown, 4), (uint32_t)key.len);
    all->shown.len += 4;
    buf_append_slice(&all->shown, key);
}

/* After a PENDING: lets the world go on until all is there that was asked for, which may be some
 * thousand blocks. */
static void wait_some(sim *s, int tries) {
    if (tries > 1000) sim_fail(s, "PENDING for ever");
    for (int i = 0; i < 5000 && !(s->ready && i); i++) {
        simaio_step(s->workers);
        simaio_aio(s->workers)->ops->poll(simaio_aio(s->workers));
        engine_background(s->e, 1000);
    }
    s->ready = false;
}

/* The names of all keys, from a scan in steps. */
static void read_names(contents *all, uint32_t db) {
    sim *s = all->s;
    uint64_t at = 0, next, steps = 1 + rng_below(&s->chance, 50);
    all->dbs[db] = omap_new();
    for (int tries = 0;; at = next) {
        buf_clear(&all->shown);
        engine_result r = engine_scan(s->e, sim_db(db), at, steps, &next, each_key, all);
        if (r == ENGINE_PENDING) {
            wait_some(s, tries++);
            next = at;
            continue;
        }
        sim_reader_end(s); /* each step is a command */
        tries = 0;
        if (r == ENGINE_ERROR && s->flipped) {
            all->partly[db] = all->unreadable = true;
            return;
        }
        if (r != ENGINE_OK) sim_fail(s, "scan: %s", engine_error(s->e).msg);
        slice in = buf_slice(&all->shown), key;
        uint32_t len;
        while (get_u32(&in, &len) && get_bytes(&in, len, &key))
            if (omap_set(all->dbs[db], key, mem_zalloc(sizeof(content))))
                sim_fail(s, "scan shows %.*s twice", (int)key.len, key.data);
        if (!next) return;
    }
}

/* What is under one name. */
static void read_content(contents *all, uint32_t db, slice key, content *c) {
    sim *s = all->s;
    engine_result r;
    for (int tries = 0;; tries++) {
        r = read_key(s->e, sim_db(db), key, &c->bytes, &c->access, &c->expires);
        if (r != ENGINE_PENDING) break;
        wait_some(s, tries);
    }
    sim_reader_end(s);
    c->unreadable = r == ENGINE_ERROR && s->flipped;
    if (r != ENGINE_OK && !c->unreadable)
        sim_fail(s, "%.*s is shown by a scan and can't be read: %s", (int)key.len, key.data,
                 r == ENGINE_ERROR ? engine_error(s->e).msg : "absent");
}

static void read_db(contents *all, uint32_t db) {
    sim *s = all->s;
    engine_db_stats st;
    slice key;
    void *v;
    uint64_t expires = 0;
    bool unreadable = false;
    read_names(all, db);
    for (uint64_t i = 0; omap_at(all->dbs[db], i, &key, &v); i++) {
        content *c = v;
        read_content(all, db, key, c);
        expires += c->expires;
        unreadable |= c->unreadable;
    }
    all->unreadable |= unreadable;
    engine_db_stats_of(s->e, sim_db(db), &st);
    if (all->partly[db]) return;
    if (st.keys != omap_count(all->dbs[db]) || (st.expires != expires && !unreadable))
        sim_fail(s, "db %u has %llu keys, %llu expires; it counts %llu and %llu", db,
                 (unsigned long long)omap_count(all->dbs[db]), (unsigned long long)expires,
                 (unsigned long long)st.keys, (unsigned long long)st.expires);
}

static void read_all(sim *s, contents *all) {
    *all = (contents){.s = s};
    for (uint32_t db = 0; db < SIM_ALL_DBS; db++)
        read_db(all, db);
}

static void free_all(contents *all) {
    for (uint32_t db = 0; db < SIM_ALL_DBS; db++)
        omap_free(all->dbs[db], content_free);
    buf_free(&all->suspect);
    buf_free(&all->shown);
}

/* ---- comparing --------------------------------------------------------------------------------
 */

/* Is this key the same on both sides, there or not? */
static bool same_key(contents *all, uint32_t db, slice key) {
    buf mine = {0};
    content *c = omap_get(all->dbs[db], key);
    engine_result r = read_key(all->s->model, sim_db(db), key, &mine, NULL, NULL);
    bool same =
        c ? r == ENGINE_OK && (c->unreadable || slice_eq(buf_slice(&mine), buf_slice(&c->bytes)))
          : r == ENGINE_ABSENT;
    buf_free(&mine);
    return same;
}

static bool same_db(contents *all, uint32_t db) {
    engine_db_stats st;
    engine_db_stats_of(all->s->model, sim_db(db), &st);
    if (st.keys != omap_count(all->dbs[db]) && !all->partly[db]) return false;
    slice key;
    for (uint64_t i = 0; omap_at(all->dbs[db], i, &key, NULL); i++) {
        if (same_key(all, db, key)) continue;
        all->suspect_db = db;
        buf_clear(&all->suspect);
        buf_append_slice(&all->suspect, key);
        return false;
    }
    return true;
}

static bool same_all(contents *all) {
    if (all->suspect.len && !same_key(all, all->suspect_db, buf_slice(&all->suspect))) return false;
    for (uint32_t db = 0; db < SIM_ALL_DBS; db++)
        if (!same_db(all, db)) return false;
    return true;
}

typedef struct difference {
    contents *all;
    uint32_t db;
    int shown;
} difference;

static void say_difference(difference *d, slice key, const char *how) {
    if (d->shown++ < 20)
        sim_say(d->all->s, "  db %u %.*s: %s", d->db, key.len > 60 ? 60 : (int)key.len, key.data,
                how);
}

static void each_model_key(void *ctx, slice key, const entry *meta) {
    difference *d = ctx;
    (void)meta;
    if (!omap_get(d->all->dbs[d->db], key)) say_difference(d, key, "missing");
}

/* What is wrong, against the model as it is now. */
static void say_differences(contents *all) {
    difference d = {.all = all};
    for (d.db = 0; d.db < SIM_ALL_DBS; d.db++) {
        slice key;
        uint64_t next;
        entry ent;
        for (uint64_t i = 0; omap_at(all->dbs[d.db], i, &key, NULL); i++) {
            if (engine_meta(all->s->model, sim_db(d.db), key, &ent) == ENGINE_ABSENT)
                say_difference(&d, key, "should not be there");
            else if (!same_key(all, d.db, key))
                say_difference(&d, key, "differs");
        }
        CHECK(engine_scan(all->s->model, sim_db(d.db), 0, SIZE_MAX, &next, each_model_key, &d) ==
              ENGINE_OK);
    }
}

/* The engine's own check of its counts. */
static void check_engine(sim *s) {
    buf report = {0};
    status st = engine_check(s->e, &report);
    if (!status_ok(st) && !s->flipped)
        sim_fail(s, "check: %s: %.*s", st.msg, report.len > 200 ? 200 : (int)report.len,
                 report.data);
    buf_free(&report);
}

/* Access state is RAM only: after an open the model takes it from the engine. */
static void adopt_access(contents *all) {
    slice key;
    void *v;
    entry ent;
    for (uint32_t db = 0; db < SIM_ALL_DBS; db++)
        for (uint64_t i = 0; omap_at(all->dbs[db], i, &key, &v); i++)
            if (engine_meta(all->s->model, sim_db(db), key, &ent) == ENGINE_OK)
                engine_set_access(all->s->model, &ent, ((content *)v)->access);
}

bool sim_verify_recovered(sim *s, uint64_t promised) {
    contents all;
    uint64_t last = engine_mem_batches(s->model), token = engine_token(s->e, SLICE("probe"));
    if (s->token_probe && s->token_probe != token) sim_fail(s, "a token has changed");
    s->token_probe = token;
    read_all(s, &all);
    while (!same_all(&all)) {
        uint64_t now = engine_mem_batches(s->model);
        if (now == promised) {
            say_differences(&all);
            sim_fail(s, "recovered data is as after none of the batches %llu (promised) to %llu",
                     (unsigned long long)promised, (unsigned long long)last);
        }
        engine_mem_rollback(s->model, now - 1);
    }
    adopt_access(&all);
    bool sure = !all.unreadable;
    free_all(&all);
    check_engine(s);
    return sure;
}

static void each_position(void *ctx, slice key, const entry *meta) {
    sim *s = ctx;
    if (meta->pos > s->released)
        sim_fail(s, "%.*s has position %llx; all is released, that is %llx",
                 key.len > 60 ? 60 : (int)key.len, key.data, (unsigned long long)meta->pos,
                 (unsigned long long)s->released);
}

void sim_verify_positions(sim *s) {
    for (uint32_t db = 0; db < SIM_ALL_DBS; db++) {
        uint64_t next;
        engine_result r = engine_scan(s->e, sim_db(db), 0, SIZE_MAX, &next, each_position, s);
        if (r == ENGINE_OK && next) sim_fail(s, "a scan of everything does not end");
    }
}

void sim_verify_now(sim *s) {
    if (simfs_stopped(s->fs)) return; /* nothing can be read any more */
    simfs_knobs *k = simfs_knobs_of(s->fs), armed = *k;
    contents all;
    if (simfs_stopped(s->fs)) return;
    k->fail_permille = k->space_permille = 0;
    k->fail_at = k->fail_sync_at = k->stop_at = 0;
    read_all(s, &all);
    if (!same_all(&all)) {
        say_differences(&all);
        sim_fail(s, "the engine's data is not the model's");
    }
    free_all(&all);
    check_engine(s);
    uint64_t changes = simfs_counts_of(s->fs)->changes, calls = simfs_counts_of(s->fs)->calls;
    *k = armed;
    if (armed.stop_at && armed.stop_at <= changes) k->stop_at = changes + 1;
    if (armed.fail_at && armed.fail_at <= calls) k->fail_at = calls + 1;
}
