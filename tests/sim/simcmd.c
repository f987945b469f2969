/* simcmd: commands, done to the engine and to the model alike.
 *
 * A command asks for room, then makes a batch of changes, then commits or aborts. Each change has
 * the same result on both sides, or the command ends: after PENDING it is aborted and run again
 * from the same random numbers, after an error that may be (a fault was injected) it is aborted. */
#include "sim/sim.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "sim/simfs_int.h"
#include "sim/simtypes.h"

#include <stdio.h>

#define PACE_MAX 10000000 /* microseconds: what waits longer would rather have an error */

/* ---- names and values ---------------------------------------------------------------------------
 */

/* Always the same for a number, so that keys are met again; some are long. */
void sim_key_name(sim *s, unsigned number, buf *out) {
    buf_clear(out);
    buf_printf(out, "key:%u", number);
    unsigned mix = number * 2654435761u >> 8;
    if (mix % 1000 >= s->style.long_keys) return;
    size_t pad = mix % 7 ? mix % 300 : mix % 9000;
    memset(buf_reserve(out, pad), 'a' + (int)(mix % 26), pad);
    out->len += pad;
}

void sim_pick_key(sim *s, buf *out) {
    sim_key_name(s, (unsigned)rng_below(&s->chance, s->style.keys), out);
}

void sim_pick_sub(sim *s, buf *out) {
    buf_clear(out);
    buf_printf(out, "%u", (unsigned)rng_below(&s->chance, s->style.elems));
    if (sim_permille(s, 20)) buf_clear(out); /* an empty subkey is one like any other */
}

uint32_t sim_pick_db(sim *s) {
    uint32_t all = s->types ? SIM_DBS : SIM_ALL_DBS; /* no client can select the system's */
    return sim_permille(s, 700) ? 0 : sim_db((uint32_t)rng_below(&s->chance, all));
}

/* Bytes that the disk has somewhere: an image of records, of headers, of a hint. */
static bool steal_bytes(sim *s, size_t n, buf *out) {
    if (!s->fs->view.n) return false;
    const buf *b = &s->fs->view.at[rng_below(&s->chance, s->fs->view.n)].inode->view;
    if (b->len <= n) return false;
    buf_append(out, b->data + rng_below(&s->chance, b->len - n), n);
    return true;
}

/* A value of at most `max` bytes: noise, text that packs well, or a piece of some file. */
static void make_value(sim *s, unsigned max, buf *out) {
    size_t n = rng_below(&s->chance, max + 1);
    buf_clear(out);
    uint64_t kind = rng_below(&s->chance, 4);
    if (kind == 0 && steal_bytes(s, n, out)) return;
    char *p = buf_reserve(out, n + 8);
    uint64_t noise = rng_next(&s->chance);
    for (size_t i = 0; i < n; i += 8) {
        if (kind == 1) noise = noise * 6364136223846793005u + 1442695040888963407u;
        memcpy(p + i, &noise, 8);
    }
    out->len = n;
}

static unsigned value_bound(sim *s) {
    if (!sim_permille(s, s->style.big_values)) return s->style.value_max;
    return sim_permille(s, 100) ? 200000 : sim_permille(s, 5) ? ENGINE_VALUE_MAX : 20000;
}

static int64_t make_expire(sim *s) {
    if (!sim_permille(s, s->style.expires)) return ENGINE_NO_EXPIRE;
    return s->clock.wall_ms + 1 +
           (int64_t)rng_below(&s->chance, sim_permille(s, 500) ? 300 : 10000);
}

/* ---- results --------------------------------------------------------------------------------- */

engine_result sim_agree(sim *s, const char *what, slice key, engine_result r, engine_result model) {
    static const char *const names[] = {"ok", "absent", "pending", "error"};
    CHECK(model <= ENGINE_ABSENT);
    sim_say(s, "%s %.*s: %s", what, key.len > 60 ? 60 : (int)key.len, key.data, names[r]);
    if (r == ENGINE_ERROR) {
        sim_total.errors++;
        if (sim_errors_allowed(s)) return r;
        sim_fail(s, "%s: %s", what, engine_error(s->e).msg);
    }
    if (r != ENGINE_PENDING && r != model)
        sim_fail(s, "%s of %.*s is %s, should be %s", what, key.len > 60 ? 60 : (int)key.len,
                 key.data, names[r], names[model]);
    return r;
}

/* ---- changes ----------------------------------------------------------------------------------
 */

typedef struct change {
    sim *s;
    uint32_t db;
    buf key, other, sub, value;
    unsigned bound; /* of values in this batch */
} change;

/* What a put has besides collection and value. */
static entry make_entry(sim *s) {
    return (entry){.type = (uint8_t)rng_below(&s->chance, ENGINE_TYPES),
                   .hint = (uint8_t)rng_below(&s->chance, 16),
                   .access = (uint32_t)rng_below(&s->chance, 1u << 24),
                   .expire = make_expire(s)};
}

static engine_result put_both(change *c, entry *mine, entry *model) {
    slice key = buf_slice(&c->key);
    return sim_agree(c->s, "put", key, engine_put(c->s->e, c->db, key, mine),
                     engine_put(c->s->model, c->db, key, model));
}

static engine_result change_put(change *c) {
    entry ent = make_entry(c->s);
    make_value(c->s, c->bound, &c->value);
    ent.value = buf_slice(&c->value);
    return put_both(c, &ent, &ent);
}

/* The same entry with another expire time or hint, its value as read, its collection kept. */
static engine_result change_rewrite(change *c) {
    entry mine, model;
    slice key = buf_slice(&c->key);
    engine_result r = sim_read_entry(c->s, c->db, key, false, &mine, &model);
    if (r != ENGINE_OK) return r;
    mine.expire = model.expire = make_expire(c->s);
    mine.hint = model.hint = (uint8_t)rng_below(&c->s->chance, 16);
    return put_both(c, &mine, &model);
}

static engine_result change_del(change *c) {
    slice key = buf_slice(&c->key);
    sim_unwatch_key(c->s, c->db, key);
    return sim_agree(c->s, "del", key, engine_del(c->s->e, c->db, key),
                     engine_del(c->s->model, c->db, key));
}

static engine_result change_move(change *c) {
    slice key = buf_slice(&c->key), to = buf_slice(&c->other);
    uint32_t to_db = sim_permille(c->s, 600) ? c->db : sim_pick_db(c->s);
    sim_unwatch_key(c->s, c->db, key);
    return sim_agree(c->s, "move", key, engine_move(c->s->e, c->db, key, to_db, to),
                     engine_move(c->s->model, c->db, key, to_db, to));
}

static engine_result change_dbs(change *c) {
    sim *s = c->s;
    uint32_t db = c->db % SIM_DBS, other = (uint32_t)rng_below(&s->chance, SIM_DBS);
    int32_t which = sim_permille(s, 200) ? -1 : (int32_t)db;
    sim_unwatch(s);
    if (sim_permille(s, 500))
        return sim_agree(s, which < 0 ? "flush all" : "flush", SLICE_EMPTY,
                         engine_flush(s->e, which), engine_flush(s->model, which));
    return sim_agree(s, "swap", SLICE_EMPTY, engine_swap(s->e, db, other),
                     engine_swap(s->model, db, other));
}

/* ---- collections
 * -------------------------------------------------------------------------------
 */

/* A collection on both sides, and the type of its owner. */
typedef struct both {
    engine_coll mine, model;
    uint8_t type;
} both;

/* Opens the collection of a key, or makes one under it. */
static engine_result open_both(change *c, both *out) {
    engine_coll *mine = &out->mine, *model = &out->model;
    sim *s = c->s;
    slice key = buf_slice(&c->key);
    entry a, b;
    engine_result r = sim_read_entry(s, c->db, key, true, &a, &b);
    if (r >= ENGINE_PENDING) return r;
    out->type = a.type;
    if (r == ENGINE_OK && a.coll && !sim_permille(s, 30))
        return sim_agree(s, "coll_open", key, engine_coll_open(s->e, c->db, key, &a, mine),
                         engine_coll_open(s->model, c->db, key, &b, model));
    r = sim_agree(s, "coll_new", key, engine_coll_new(s->e, c->db, key, mine),
                  engine_coll_new(s->model, c->db, key, model));
    if (r != ENGINE_OK) return r;
    a = b = make_entry(s);
    make_value(s, 40, &c->value);
    a.value = b.value = buf_slice(&c->value);
    a.coll = mine->id;
    b.coll = model->id;
    out->type = a.type;
    return put_both(c, &a, &b);
}

static bool derive(uint8_t type, slice subkey, slice value, int64_t expire, buf *out) {
    uint64_t head = (uint64_t)expire;
    if (type % 3 == 0) return false;
    if (type % 3 == 1)
        head = value.len && (value.data[0] & 3) ? 0x100u + (uint8_t)value.data[0] : 0;
    if (head == 0) return false;
    put_be64(buf_reserve(out, 8), head);
    out->len += 8;
    buf_append_slice(out, subkey);
    return true;
}

const engine_derive sim_derived = {.types = 0x6db6, .by_value = 0x2492, .subkey = derive};

static engine_result put_element(sim *s, both *b, unsigned map, slice sub, slice value,
                                 int64_t expire) {
    return sim_agree(s, "map_put", sub, engine_map_put(s->e, &b->mine, map, sub, value, expire),
                     engine_map_put(s->model, &b->model, map, sub, value, expire));
}

static engine_result del_element(sim *s, both *b, unsigned map, slice sub) {
    return sim_agree(s, "map_del", sub, engine_map_del(s->e, &b->mine, map, sub),
                     engine_map_del(s->model, &b->model, map, sub));
}

/* An element of map 0 will be that, or nothing (value NULL): the derived map follows first. As a
 * type does it, the element is looked at before. */
static engine_result follow(sim *s, both *b, slice sub, const slice *value, int64_t expire) {
    map_iter old, model;
    buf was = {0}, now = {0};
    if (!(sim_derived.types >> b->type & 1)) return ENGINE_OK;
    engine_result r = sim_agree(s, "map_get", sub, engine_map_get(s->e, &b->mine, 0, sub, &old),
                                engine_map_get(s->model, &b->model, 0, sub, &model));
    bool had = r == ENGINE_OK && derive(b->type, sub, old.value, old.expire, &was);
    bool has = r <= ENGINE_ABSENT && value && derive(b->type, sub, *value, expire, &now);
    bool same = had && has && slice_eq(buf_slice(&was), buf_slice(&now));
    if (had && !same) r = del_element(s, b, ENGINE_DERIVED, buf_slice(&was));
    if (has && !same && r <= ENGINE_ABSENT)
        r = put_element(s, b, ENGINE_DERIVED, buf_slice(&now), SLICE_EMPTY, ENGINE_NO_EXPIRE);
    buf_free(&was);
    buf_free(&now);
    return r;
}

/* Puts and deletes a few elements, or very many, so that a small collection becomes a large one. */
static engine_result change_coll(change *c) {
    sim *s = c->s;
    both b;
    engine_result r = open_both(c, &b);
    uint64_t n = 1 + rng_below(&s->chance, sim_permille(s, 50) ? 300 : 6);
    for (; r <= ENGINE_ABSENT && n > 0; n--) {
        unsigned map = sim_map(rng_below(&s->chance, SIM_MAPS - 1)); /* the derived one follows */
        sim_pick_sub(s, &c->sub);
        slice sub = buf_slice(&c->sub);
        if (sim_permille(s, s->style.deletes)) {
            if (map == 0) r = follow(s, &b, sub, NULL, 0);
            if (r <= ENGINE_ABSENT) r = del_element(s, &b, map, sub);
            continue;
        }
        make_value(s, c->bound < 200 ? c->bound : 200, &c->value);
        if (sim_permille(s, 10)) make_value(s, c->bound, &c->value);
        slice value = buf_slice(&c->value);
        int64_t expire = make_expire(s);
        if (map == 0) r = follow(s, &b, sub, &value, expire);
        if (r <= ENGINE_ABSENT) r = put_element(s, &b, map, sub, value, expire);
    }
    return r;
}

static engine_result one_change(change *c) {
    sim *s = c->s;
    c->db = sim_pick_db(s);
    sim_pick_key(s, &c->key);
    sim_pick_key(s, &c->other);
    if (sim_permille(s, s->style.flushes)) return change_dbs(c);
    if (sim_permille(s, 150)) return sim_read(s);
    if (sim_permille(s, 60)) return change_move(c);
    if (sim_permille(s, 60)) return change_rewrite(c);
    if (sim_permille(s, s->style.deletes)) return change_del(c);
    return sim_permille(s, s->style.colls) ? change_coll(c) : change_put(c);
}

/* ---- batches ----------------------------------------------------------------------------------
 */

void sim_commit(sim *s) {
    log_pos end = engine_log_end(s->e); /* after it the log may be in its next file */
    engine_commit(s->e);
    engine_commit(s->model);
    uint64_t b = engine_mem_batches(s->model);
    if (b + 1 >= s->ends_cap) {
        s->ends_cap *= 2;
        s->ends = mem_realloc(s->ends, s->ends_cap * sizeof *s->ends);
        s->model_ends = mem_realloc(s->model_ends, s->ends_cap * sizeof *s->model_ends);
    }
    /* an engine that logs a batch when it is committed has not moved before */
    s->ends[b] = end > s->ends[b - 1] ? end : engine_log_end(s->e);
    s->model_ends[b] = engine_log_end(s->model);
    sim_total.batches++;
    sim_say(s, "commit %llu, log end %llx", (unsigned long long)b, (unsigned long long)s->ends[b]);
    if (s->ends[b] < s->ends[b - 1]) sim_fail(s, "the log's end went back at a commit");
}

void sim_abort(sim *s, log_pos before) {
    engine_abort(s->e);
    engine_abort(s->model);
    sim_total.aborts++;
    sim_unwatch(s); /* keys that a scan saw in this batch may be gone */
    sim_say(s, "abort");
    log_pos end = engine_log_end(s->e);
    /* The batch may have begun a new file, which stays, empty. */
    if (end != before && end >> 32 <= before >> 32)
        sim_fail(s, "an abort left the log's end at %llx, it was %llx", (unsigned long long)end,
                 (unsigned long long)before);
}

/* A batch of changes. deletes: nothing but deletes, which need no room. */
static engine_result run_batch(sim *s, bool deletes, unsigned bound) {
    change c = {.s = s, .bound = bound};
    engine_result r = ENGINE_OK;
    uint64_t n = 1 + rng_below(&s->chance, s->style.batch_max);
    log_pos before = engine_log_end(s->e);
    sim_say(s, "begin");
    engine_begin(s->e);
    engine_begin(s->model);
    s->in_batch = true;
    for (; r <= ENGINE_ABSENT && n > 0; n--) {
        c.db = sim_pick_db(s);
        sim_pick_key(s, &c.key);
        r = deletes ? change_del(&c) : one_change(&c);
    }
    s->in_batch = false;
    if (r <= ENGINE_ABSENT && !sim_permille(s, s->style.aborts))
        sim_commit(s);
    else
        sim_abort(s, before);
    buf_free(&c.key);
    buf_free(&c.other);
    buf_free(&c.sub);
    buf_free(&c.value);
    return r;
}

/* Do children die, or not even begin, by chance? */
static bool children_fail(sim *s) {
    const simchild_knobs *k = simchild_knobs_of(s->children);
    return k->kill_permille > 0 || k->start_permille > 0;
}

/* Is it right that the engine has no room? Only if the disk is full, or something failed. With the
 * disk as it should be, room comes when workers and cron get their turns. */
bool sim_room_comes(sim *s, size_t bytes) {
    for (int i = 0; i < 200; i++) {
        status st = engine_room(s->e, bytes);
        if (status_ok(st) && s->failed) sim_fail(s, "the log has failed, and has room");
        if (status_ok(st)) return true;
        if (!bytes && st.code == ST_NO_SPACE) sim_total.deletes_refused++;
        if (sim_errors_allowed(s)) return false;
        if (st.code == ST_IO && children_fail(s)) return false; /* nothing can be flushed */
        simaio_step(s->workers);
        simaio_aio(s->workers)->ops->poll(simaio_aio(s->workers));
        if (i % 10 == 9) {
            engine_cron(s->e);
            engine_turn_end(s->e);
        }
    }
    sim_fail(s, "no room though nothing is wrong: %s", engine_room(s->e, bytes).msg);
}

/* A write waits as long as the engine asks, while the world goes on; sometimes it does not, as what
 * its client has begun must go on. */
void sim_keep_pace(sim *s, size_t bytes) {
    uint64_t us = engine_pace(s->e, bytes);
    if (!us || sim_permille(s, 200)) return;
    sim_say(s, "the write waits %llu us", (unsigned long long)us);
    if (us > PACE_MAX)
        sim_fail(s, "a write of %zu bytes should wait %llu us", bytes, (unsigned long long)us);
    sim_total.waits++;
    for (uint64_t end = s->now_us + us; s->now_us < end && !simfs_stopped(s->fs);)
        sim_world(s, us / 8 + 1);
}

/* A write, if the engine says that there is room for it. */
static engine_result write_command(sim *s) {
    bool deletes = sim_permille(s, 100);
    unsigned bound = value_bound(s);
    size_t bytes = deletes ? 0 : 4096 + (size_t)s->style.batch_max * (bound + 500);
    if (!deletes) sim_keep_pace(s, bytes);
    if (!sim_room_comes(s, bytes)) {
        sim_say(s, "no room: %s", engine_room(s->e, bytes).msg);
        return ENGINE_OK;
    }
    return run_batch(s, deletes, bound);
}

bool sim_fill(sim *s, unsigned i) {
    char name[32];
    static char value[20000];
    slice key = slice_of(name, (size_t)snprintf(name, sizeof name, "fill:%u", i));
    size_t n = 1 + rng_below(&s->chance, sizeof value);
    for (size_t k = 0; k + 8 <= n; k += 8)
        put_u64(value + k, rng_next(&s->chance));
    entry ent = {.type = sim_typed ? 0 : 1, .value = slice_of(value, n)};
    if (sim_typed) value[0] = 'x'; /* a string as it is */
    sim_observe(s); /* is the room low? then a change may fail that was let in a moment ago */
    if (!status_ok(engine_room(s->e, n + 1000))) return false;
    log_pos before = engine_log_end(s->e);
    engine_begin(s->e);
    engine_begin(s->model);
    engine_result r = sim_agree(s, "fill", key, engine_put(s->e, 0, key, &ent),
                                engine_put(s->model, 0, key, &ent));
    if (r == ENGINE_OK)
        sim_commit(s);
    else
        sim_abort(s, before);
    return r == ENGINE_OK;
}

/* Lets the world go on until the engine says that a read can be tried again. */
void sim_await_ready(sim *s) {
    sim_total.pendings++;
    for (int i = 0; !s->ready && !simfs_stopped(s->fs); i++) {
        if (i > 1000) sim_fail(s, "PENDING, and never ready");
        if (!s->types && !s->in_batch && rng_below(&s->pace, 4) == 0) {
            sim_world(s, rng_below(&s->pace, 50000)); /* merges, flushes, files that go */
            continue;
        }
        simaio_step(s->workers);
        simaio_aio(s->workers)->ops->poll(simaio_aio(s->workers));
        engine_background(s->e, 1000);
    }
}

void sim_command(sim *s) {
    if (s->types) {
        simtypes_command(s);
        return;
    }
    rng from = s->chance;
    for (int i = 0;; i++) {
        s->ready = false;
        s->chance = from;
        engine_result r = sim_permille(s, 250) ? sim_read(s) : write_command(s);
        if (r != ENGINE_PENDING || simfs_stopped(s->fs)) break;
        if (i > 2000) sim_fail(s, "a command is PENDING again and again");
        if (sim_permille(s, 50)) break; /* the client has gone */
        sim_await_ready(s);
    }
    sim_reader_end(s);
}

/* Notes names for delete_db. */
static void note_name(void *ctx, slice key, const entry *meta) {
    buf *names = ctx;
    (void)meta;
    put_u32(buf_reserve(names, 4), (uint32_t)key.len);
    names->len += 4;
    buf_append_slice(names, key);
}

/* Deletes the key; of a system record all pieces, beginning with the first. */
static engine_result delete_key(sim *s, uint32_t db, slice key) {
    bool pieces = sim_typed && db == ENGINE_DB_SYSTEM;
    buf piece = {0};
    buf_append_slice(&piece, key);
    engine_result r = ENGINE_OK;
    for (uint32_t i = 0; r == ENGINE_OK && (i == 0 || pieces); i++) {
        if (pieces) put_u32(piece.data + piece.len - 4, i);
        slice k = buf_slice(&piece);
        r = sim_agree(s, "del", k, engine_del(s->e, db, k), engine_del(s->model, db, k));
    }
    buf_free(&piece);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* That in a batch, again when a read that it waits for has ended: it shall be gone. */
static engine_result delete_batch(sim *s, uint32_t db, slice key) {
    engine_result r = ENGINE_PENDING;
    engine_read_for(s->e, &s->reader); /* whoever it was that read last */
    for (int i = 0; r == ENGINE_PENDING && !simfs_stopped(s->fs); i++) {
        if (i > 2000) sim_fail(s, "a delete is PENDING again and again");
        if (i > 0) sim_await_ready(s);
        s->ready = false;
        log_pos before = engine_log_end(s->e);
        engine_begin(s->e);
        engine_begin(s->model);
        r = delete_key(s, db, key);
        if (r == ENGINE_OK)
            sim_commit(s);
        else
            sim_abort(s, before);
    }
    sim_reader_end(s);
    return r;
}

/* Key by key; a system record is one batch, of several. */
static void delete_db(sim *s, uint32_t db) {
    buf names = {0};
    uint64_t next;
    CHECK(engine_scan(s->model, db, 0, SIZE_MAX, &next, note_name, &names) == ENGINE_OK);
    slice in = buf_slice(&names), key;
    uint32_t n;
    engine_result r = ENGINE_OK;
    while (r == ENGINE_OK && get_u32(&in, &n) && get_bytes(&in, n, &key)) {
        bool first = n >= 4 && load_u32(key.data + n - 4) == 0;
        if (sim_typed && db == ENGINE_DB_SYSTEM && !first) continue;
        r = delete_batch(s, db, key);
        if (sim_permille(s, 100)) engine_turn_end(s->e);
    }
    buf_free(&names);
}

void sim_flush_all(sim *s) {
    log_pos before = engine_log_end(s->e);
    engine_begin(s->e);
    engine_begin(s->model);
    sim_unwatch(s);
    engine_result r =
        sim_agree(s, "flush all", SLICE_EMPTY, engine_flush(s->e, -1), engine_flush(s->model, -1));
    if (r == ENGINE_OK)
        sim_commit(s);
    else
        sim_abort(s, before);
    if (r == ENGINE_OK) delete_db(s, ENGINE_DB_SYSTEM);
}

void sim_delete_all(sim *s) {
    sim_unwatch(s);
    for (uint32_t i = 0; i < SIM_ALL_DBS; i++)
        delete_db(s, sim_db(i));
}

void sim_expire(sim *s) {
    if (s->types) {
        simtypes_expire(s);
        return;
    }
    uint32_t db, model_db;
    buf key = {0}, model_key = {0};
    int64_t when, model_when;
    for (int i = 0; i < 20 && !simfs_stopped(s->fs); i++) {
        engine_result r = engine_due(s->e, s->clock.wall_ms, &db, &key, &when);
        engine_result m =
            engine_due(s->model, s->clock.wall_ms, &model_db, &model_key, &model_when);
        r = sim_agree(s, "due", buf_slice(&key), r, m);
        if (r >= ENGINE_PENDING) break;
        if (when != model_when)
            sim_fail(s, "due at %lld, should be at %lld", (long long)when, (long long)model_when);
        if (r == ENGINE_ABSENT || !status_ok(engine_room(s->e, 0))) break;
        log_pos before = engine_log_end(s->e);
        engine_begin(s->e);
        engine_begin(s->model);
        slice k = buf_slice(&key);
        sim_unwatch_key(s, db, k);
        r = sim_agree(s, "expire", k, engine_del(s->e, db, k), engine_del(s->model, db, k));
        if (r >= ENGINE_PENDING) {
            sim_abort(s, before);
            break;
        }
        if (r == ENGINE_ABSENT) sim_fail(s, "due is a key that is not there");
        sim_commit(s);
    }
    buf_free(&key);
    buf_free(&model_key);
}
