/* engine_mem: main entries, databases, batches and the life of the engine in memory.
 *
 * Positions count changes: a change moves the log's end by one, and what it changed is at the end
 * as it is then. turn_end releases and makes durable all there is, unless a knob says otherwise. A
 * batch is a stretch of the journal (engine_mem_state); aborting undoes it and takes the log's end
 * back to where it was. */
#include "support/engine_mem_private.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- what every call goes through --------------------------------------------------------------
 */

/* Names a read by a hash, so that it is recognised when it comes again. */
static slice read_name(mem *m, char kind, uint32_t db, slice key, unsigned map, slice sub,
                       char out[8]) {
    hash_key k = {siphash13(m->hash, key.data, key.len), siphash13(m->hash, sub.data, sub.len)};
    char head[9];
    head[0] = kind;
    put_u32(head + 1, db);
    put_u32(head + 5, map);
    put_be64(out, siphash13(k, head, sizeof head));
    return slice_of(out, 8);
}

/* Who is to be told that the read can be tried again. */
static void tell_later(mem *m) {
    engine_reader *r = m->base.reader;
    if (!r) {
        m->ready_is_due = true;
        return;
    }
    CHECK(r->ready);
    if (r->waits) return;
    if (m->nreaders == m->readers_cap) {
        m->readers_cap = m->readers_cap ? 2 * m->readers_cap : 4;
        m->readers = mem_realloc(m->readers, m->readers_cap * sizeof(engine_reader *));
    }
    m->readers[m->nreaders++] = r;
    r->waits = 1;
}

/* Tells them, once. */
static void tell_readers(mem *m) {
    engine_reader **readers = m->readers;
    size_t n = m->nreaders;
    m->readers = NULL;
    m->nreaders = m->readers_cap = 0;
    for (size_t i = 0; i < n; i++) {
        readers[i]->waits = 0;
        readers[i]->rounds++;
        readers[i]->ready(readers[i]);
    }
    mem_free(readers);
}

static void op_reader_end(engine *e, engine_reader *r) {
    mem *m = mem_of(e);
    for (size_t i = 0; i < m->nreaders; i++)
        if (m->readers[i] == r) m->readers[i--] = m->readers[--m->nreaders];
    *r = (engine_reader){.ready = r->ready};
}

bool mem_gate(mem *m, char kind, uint32_t db, slice key, unsigned map, slice sub,
              engine_result *r) {
    m->counters.calls++;
    if (m->knobs.error_at && --m->knobs.error_at == 0) {
        m->failure = (status){ST_IO, "engine_mem: an error was asked for"};
        mem_take_back(m);
        *r = ENGINE_ERROR;
        return false;
    }
    if (!kind || !m->knobs.pending_permille) return true;
    if (m->knobs.for_readers && !m->base.reader) return true;
    char bytes[8];
    slice name = read_name(m, kind, db, key, map, sub, bytes);
    if (omap_get(m->fetched, name)) return true;
    if (rng_below(&m->chance, 1000) >= m->knobs.pending_permille) return true;
    omap_set(m->fetched, name, m);
    tell_later(m);
    m->counters.pendings++;
    mem_take_back(m);
    *r = ENGINE_PENDING;
    return false;
}

void mem_take_back(mem *m) {
    for (size_t i = 0; i < m->givens; i++)
        mem_free(m->given[i]);
    m->givens = 0;
}

slice mem_give(mem *m, slice s) {
    if (m->givens == m->givens_cap) {
        m->givens_cap = m->givens_cap ? 2 * m->givens_cap : 4;
        m->given = mem_realloc(m->given, m->givens_cap * sizeof *m->given);
    }
    char *copy = mem_dup(s.len ? s.data : "", s.len ? s.len : 1);
    m->given[m->givens++] = copy;
    return slice_of(copy, s.len);
}

log_pos mem_advance(mem *m) {
    CHECK(m->in_batch);
    return ++m->end;
}

mem_db *mem_db_at(mem *m, uint32_t db) {
    if (db == ENGINE_DB_SYSTEM) return m->state.dbs[m->state.databases];
    CHECK(db < (uint32_t)m->state.databases);
    return m->state.dbs[db];
}

static uint64_t op_token(engine *e, slice key) {
    mem *m = mem_of(e);
    return token_of(m->hash, m->slot_of ? m->slot_of(key) : 0, key);
}

void mem_tkey(mem *m, slice key, buf *out) {
    put_be64(buf_reserve(out, 8), op_token(&m->base, key));
    out->len += 8;
    buf_append_slice(out, key);
}

/* ---- main entries -------------------------------------------------------------------------------
 */

static void fill(const mem_entry *me, entry *out) {
    *out = (entry){.type = me->type,
                   .hint = me->hint,
                   .access = me->access,
                   .expire = me->expire,
                   .coll = me->coll,
                   .pos = me->pos,
                   .ref = (uint64_t)(uintptr_t)me};
}

static mem_entry *find_entry(mem *m, uint32_t db, slice key) {
    buf tkey = {0};
    mem_tkey(m, key, &tkey);
    mem_entry *me = omap_get(mem_db_at(m, db)->keys, buf_slice(&tkey));
    buf_free(&tkey);
    return me;
}

static engine_result read_entry(engine *e, char kind, uint32_t db, slice key, entry *out) {
    mem *m = mem_of(e);
    engine_result r;
    *out = (entry){0};
    if (!mem_gate(m, kind, db, key, 0, SLICE_EMPTY, &r)) return r;
    mem_entry *me = find_entry(m, db, key);
    mem_take_back(m);
    if (!me) return ENGINE_ABSENT;
    fill(me, out);
    if (kind == 'G') out->value = mem_give(m, buf_slice(&me->value));
    return ENGINE_OK;
}

static engine_result op_get(engine *e, uint32_t db, slice key, entry *out) {
    return read_entry(e, 'G', db, key, out);
}

static engine_result op_meta(engine *e, uint32_t db, slice key, entry *out) {
    return read_entry(e, 'M', db, key, out);
}

/* Puts me (NULL: nothing) under a key; the collection of what was there goes unless me has it. */
static void change(mem *m, mem_db *db, slice key, mem_entry *me) {
    buf tkey = {0};
    mem_tkey(m, key, &tkey);
    mem_entry *old = mem_set_entry(&m->state, db, buf_slice(&tkey), me);
    if (old && old->coll && (!me || me->coll != old->coll)) mem_drop_coll(&m->state, db, old->coll);
    buf_free(&tkey);
}

static engine_result op_put(engine *e, uint32_t db, slice key, const entry *ent) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(m->in_batch && ent->type < ENGINE_TYPES && ent->hint < 16 && ent->access < 1u << 24);
    CHECK(key.len <= ENGINE_KEY_MAX && ent->value.len <= ENGINE_VALUE_MAX && ent->expire >= 0);
    if (!mem_gate(m, 0, db, key, 0, SLICE_EMPTY, &r)) return r;
    mem_db *d = mem_db_at(m, db);
    mem_entry *me = mem_entry_new(ent);
    me->pos = mem_advance(m);
    if (me->coll) {
        mem_coll *c = mem_coll_find(d, me->coll);
        CHECK(c != NULL);
        mem_entry *old = find_entry(m, db, key);
        CHECK(!c->owned || (old && old->coll == me->coll)); /* never two owners */
        c->owned = true;
    }
    change(m, d, key, me);
    mem_take_back(m);
    return ENGINE_OK;
}

static engine_result op_del(engine *e, uint32_t db, slice key) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(m->in_batch);
    if (!mem_gate(m, 0, db, key, 0, SLICE_EMPTY, &r)) return r;
    bool there = find_entry(m, db, key) != NULL;
    if (there) {
        mem_advance(m);
        change(m, mem_db_at(m, db), key, NULL);
    }
    mem_take_back(m);
    return there ? ENGINE_OK : ENGINE_ABSENT;
}

/* The entry with a value read before is put under the new name; the old name goes. A collection
 * stays as it is within a database, and is copied to another one. */
static void move_entry(mem *m, uint32_t db, slice key, uint32_t to_db, slice to_key,
                       const mem_entry *from) {
    mem_db *source = mem_db_at(m, db), *target = mem_db_at(m, to_db);
    entry ent;
    fill(from, &ent);
    ent.value = buf_slice(&from->value);
    mem_entry *me = mem_entry_new(&ent);
    if (me->coll && source != target) {
        me->coll = mem_copy_coll(m, mem_coll_find(source, me->coll), target);
        mem_coll_find(target, me->coll)->owned = true;
    }
    me->pos = mem_advance(m);
    change(m, target, to_key, me);
    mem_advance(m);
    if (source != target) {
        change(m, source, key, NULL);
    } else {
        buf tkey = {0};
        mem_tkey(m, key, &tkey);
        mem_set_entry(&m->state, source, buf_slice(&tkey), NULL);
        buf_free(&tkey);
    }
}

static engine_result op_move(engine *e, uint32_t db, slice key, uint32_t to_db, slice to_key) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(m->in_batch && to_key.len <= ENGINE_KEY_MAX);
    if (!mem_gate(m, 'G', db, key, 0, SLICE_EMPTY, &r)) return r;
    mem_entry *from = find_entry(m, db, key);
    bool same = db == to_db && slice_eq(key, to_key);
    if (from && !same) move_entry(m, db, key, to_db, to_key, from);
    mem_take_back(m);
    return from ? ENGINE_OK : ENGINE_ABSENT;
}

static void op_set_access(engine *e, const entry *ent, uint32_t access) {
    (void)e;
    CHECK(access < 1u << 24);
    ((mem_entry *)(uintptr_t)ent->ref)->access = access;
}

/* ---- whole databases ----------------------------------------------------------------------------
 */

static engine_result op_flush(engine *e, int32_t db) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(m->in_batch && db >= -1 && db < m->state.databases);
    if (!mem_gate(m, 0, 0, SLICE_EMPTY, 0, SLICE_EMPTY, &r)) return r;
    mem_advance(m);
    for (int i = 0; i < m->state.databases; i++)
        if (db == -1 || db == i) mem_flush_db(&m->state, (uint32_t)i);
    mem_take_back(m);
    return ENGINE_OK;
}

static engine_result op_swap(engine *e, uint32_t a, uint32_t b) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(m->in_batch);
    CHECK(a < (uint32_t)m->state.databases && b < (uint32_t)m->state.databases);
    if (!mem_gate(m, 0, a, SLICE_EMPTY, b, SLICE_EMPTY, &r)) return r;
    mem_advance(m);
    mem_swap_dbs(&m->state, a, b);
    mem_take_back(m);
    return ENGINE_OK;
}

static void op_db_stats(engine *e, uint32_t db, engine_db_stats *out) {
    mem *m = mem_of(e);
    mem_db *d = mem_db_at(m, db);
    *out = (engine_db_stats){.keys = omap_count(d->keys), .expires = omap_count(d->expires)};
    mem_take_back(m);
}

static engine_result op_scan(engine *e, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                             void (*each)(void *ctx, slice key, const entry *meta), void *ctx) {
    mem *m = mem_of(e);
    engine_result r;
    *next = 0;
    if (!mem_gate(m, 'S', db, slice_of(&from, sizeof from), 0, SLICE_EMPTY, &r)) return r;
    omap *keys = mem_db_at(m, db)->keys;
    char start[8];
    put_be64(start, from);
    uint64_t last = 0, rank = omap_rank(keys, slice_of(start, 8));
    slice tkey;
    void *v;
    for (size_t seen = 0; omap_at(keys, rank, &tkey, &v); rank++, seen++) {
        uint64_t token = load_be64(tkey.data);
        if (seen >= (want ? want : 1) && token != last) {
            *next = last + 1;
            break;
        }
        last = token;
        entry ent;
        fill(v, &ent);
        mem_take_back(m);
        each(ctx, mem_give(m, slice_skip(tkey, 8)), &ent);
    }
    mem_take_back(m);
    return ENGINE_OK;
}

static engine_result op_random(engine *e, uint32_t db, bool with_expire, buf *key, entry *meta) {
    mem *m = mem_of(e);
    engine_result r;
    buf_clear(key);
    if (!mem_gate(m, 'R', db, SLICE_EMPTY, with_expire, SLICE_EMPTY, &r)) return r;
    mem_db *d = mem_db_at(m, db);
    omap *from = with_expire ? d->expires : d->keys;
    slice k;
    void *v;
    bool any =
        omap_count(from) > 0 && omap_at(from, rng_below(&m->chance, omap_count(from)), &k, &v);
    if (any) {
        buf_append_slice(key, slice_skip(k, with_expire ? 16 : 8));
        if (meta) fill(v, meta);
    }
    mem_take_back(m);
    return any ? ENGINE_OK : ENGINE_ABSENT;
}

static engine_result op_due(engine *e, int64_t now_ms, uint32_t *db, buf *key, int64_t *when) {
    mem *m = mem_of(e);
    engine_result r;
    *when = 0;
    buf_clear(key);
    if (!mem_gate(m, 'D', 0, SLICE_EMPTY, 0, SLICE_EMPTY, &r)) return r;
    slice k, first = SLICE_EMPTY;
    for (int i = 0; i < m->state.databases; i++) {
        if (!omap_at(m->state.dbs[i]->expires, 0, &k, NULL)) continue;
        if (first.len && load_be64(first.data) <= load_be64(k.data)) continue;
        first = k;
        *db = (uint32_t)i;
    }
    mem_take_back(m);
    if (!first.len) return ENGINE_ABSENT;
    *when = (int64_t)load_be64(first.data);
    if (*when > now_ms) return ENGINE_ABSENT;
    buf_append_slice(key, slice_skip(first, 16));
    return ENGINE_OK;
}

/* ---- batches and the log ------------------------------------------------------------------------
 */

static void op_begin(engine *e) {
    mem *m = mem_of(e);
    CHECK(!m->in_batch);
    m->in_batch = true;
    m->batch_start = m->end;
    m->batch_undos = m->state.undos;
}

/* A collection made in this batch must have got its owner in it. */
static void check_owners(const mem *m) {
    for (size_t i = m->batch_undos; i < m->state.undos; i++) {
        const mem_undo *u = &m->state.journal[i];
        CHECK(u->kind != UNDO_COLL_NEW || u->coll->owned);
    }
}

static void op_commit(engine *e) {
    mem *m = mem_of(e);
    CHECK(m->in_batch);
    check_owners(m);
    m->in_batch = false;
    m->counters.commits++;
    omap_free(m->fetched, NULL);
    m->fetched = omap_new();
    mem_take_back(m);
    if (!m->knobs.history) {
        mem_forget(&m->state, m->state.undos);
        return;
    }
    if (m->nbatches == m->batches_cap) {
        m->batches_cap = m->batches_cap ? 2 * m->batches_cap : 64;
        m->batches = mem_realloc(m->batches, m->batches_cap * sizeof *m->batches);
    }
    m->batches[m->nbatches++] = (mem_batch){m->state.undos - m->batch_undos, m->end};
}

static void op_abort(engine *e) {
    mem *m = mem_of(e);
    CHECK(m->in_batch);
    m->in_batch = false;
    m->counters.aborts++;
    m->end = m->batch_start;
    mem_undo_to(&m->state, m->batch_undos);
    mem_take_back(m);
}

static status op_room(engine *e, size_t bytes) {
    mem *m = mem_of(e);
    if (m->knobs.failed) return (status){ST_FAILED, "engine_mem: the log failed"};
    if (m->knobs.room == ST_NO_SPACE && bytes)
        return (status){ST_NO_SPACE, "No space left on device"};
    if (m->knobs.room == ST_FAILED) return (status){ST_FAILED, "engine_mem: the log failed"};
    return STATUS_OK;
}

static uint64_t op_pace(engine *e, size_t bytes) {
    mem *m = mem_of(e);
    if (bytes == 0) return m->knobs.pace_us;
    m->counters.paced++;
    m->counters.paced_bytes += bytes;
    return m->knobs.pace_us * ((bytes + 1023) / 1024);
}

static void op_budget(engine *e, uint64_t bytes) {
    mem_of(e)->counters.budgets++;
    mem_of(e)->counters.budget = bytes;
}

static uint64_t op_relieve(engine *e, uint64_t over) {
    (void)over;
    mem_of(e)->counters.relieves++;
    return 0;
}

void engine_mem_no_eviction(engine *e, bool on) {
    mem_of(e)->ops.no_eviction = on;
}

void engine_mem_counted(engine *e, bool on) {
    mem_of(e)->ops.counted = on;
}

void engine_mem_release(engine *e, log_pos pos) {
    mem *m = mem_of(e);
    if (pos > m->end) pos = m->end;
    if (pos <= m->released || m->knobs.failed) return;
    m->released = pos;
    if (!m->knobs.soft) m->durable = pos;
    if (m->host.released) m->host.released(m->host.ctx);
}

void engine_mem_harden(engine *e, log_pos pos) {
    mem *m = mem_of(e);
    if (pos > m->released) pos = m->released;
    if (pos <= m->durable || m->knobs.failed) return;
    m->durable = pos;
    if (m->host.released) m->host.released(m->host.ctx);
}

static void op_turn_end(engine *e) {
    mem *m = mem_of(e);
    CHECK(!m->in_batch);
    m->counters.turns++;
    mem_take_back(m);
    if (!m->knobs.hold) engine_mem_release(e, m->end);
}

static log_pos op_log_end(engine *e) {
    return mem_of(e)->end;
}
static log_pos op_released(engine *e) {
    return mem_of(e)->released;
}
static log_pos op_durable(engine *e) {
    return mem_of(e)->durable;
}

static status op_failed(engine *e) {
    return (status){mem_of(e)->knobs.failed, mem_of(e)->knobs.failed ? "engine_mem: failed" : ""};
}

static void op_sync_soon(engine *e) {
    mem_of(e)->counters.sync_soons++;
}

static status op_sync(engine *e) {
    mem *m = mem_of(e);
    CHECK(!m->in_batch);
    m->counters.syncs++;
    mem_take_back(m);
    TRY(op_failed(e));
    engine_mem_release(e, m->end);
    return STATUS_OK;
}

/* ---- history -----------------------------------------------------------------------------------
 */

uint64_t engine_mem_batches(const engine *e) {
    const mem *m = (const mem *)e;
    return m->forgotten + m->nbatches;
}

log_pos engine_mem_batch_end(const engine *e, uint64_t batches) {
    const mem *m = (const mem *)e;
    CHECK(batches > m->forgotten && batches <= m->forgotten + m->nbatches);
    return m->batches[batches - m->forgotten - 1].end;
}

void engine_mem_rollback(engine *e, uint64_t batches) {
    mem *m = mem_of(e);
    CHECK(!m->in_batch && m->knobs.history && batches >= m->forgotten);
    while (engine_mem_batches(e) > batches)
        mem_undo_to(&m->state, m->state.undos - m->batches[--m->nbatches].undos);
    mem_take_back(m);
}

void engine_mem_forget(engine *e, uint64_t batches) {
    mem *m = mem_of(e);
    CHECK(batches <= engine_mem_batches(e));
    if (batches <= m->forgotten) return;
    size_t n = (size_t)(batches - m->forgotten), undos = 0;
    for (size_t i = 0; i < n; i++)
        undos += m->batches[i].undos;
    mem_forget(&m->state, undos);
    memmove(m->batches, m->batches + n, (m->nbatches - n) * sizeof *m->batches);
    m->nbatches -= n;
    m->forgotten = batches;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static bool op_background(engine *e, uint64_t budget_us) {
    mem *m = mem_of(e);
    (void)budget_us;
    CHECK(!m->in_batch);
    mem_take_back(m);
    tell_readers(m);
    if (!m->ready_is_due) return false;
    m->ready_is_due = false;
    if (m->host.ready) m->host.ready(m->host.ctx);
    return false;
}

static void op_cron(engine *e) {
    CHECK(!mem_of(e)->in_batch);
    mem_take_back(mem_of(e));
}

static status op_compact(engine *e) {
    mem_of(e)->counters.compactions++;
    mem_take_back(mem_of(e));
    return STATUS_OK;
}

/* Rough: a figure that grows with the keys. */
static void op_memory(engine *e, uint64_t *index, uint64_t *caches, uint64_t *buffers) {
    mem *m = mem_of(e);
    *index = *caches = *buffers = 0;
    for (int i = 0; i < m->state.databases; i++)
        *index += 64 * omap_count(m->state.dbs[i]->keys);
    mem_take_back(m);
}

static status op_error(engine *e) {
    return mem_of(e)->failure;
}

static status op_check(engine *e, buf *report) {
    size_t faults = mem_state_check(&mem_of(e)->state, report);
    mem_take_back(mem_of(e));
    return faults ? status_make(ST_CORRUPT, "engine_mem: %zu faults", faults) : STATUS_OK;
}

static void op_close(engine *e) {
    mem *m = mem_of(e);
    CHECK(!m->in_batch);
    mem_take_back(m);
    mem_free(m->given);
    mem_free(m->batches);
    mem_free(m->readers);
    omap_free(m->fetched, NULL);
    mem_state_free(&m->state);
    mem_free(m);
}

static const engine_ops ops = {
    .name = "mem",
    .counted = true,
    .close = op_close,
    .get = op_get,
    .meta = op_meta,
    .put = op_put,
    .del = op_del,
    .move = op_move,
    .set_access = op_set_access,
    .coll_new = mem_coll_new_op,
    .coll_open = mem_coll_open_op,
    .map_get = mem_map_get_op,
    .map_put = mem_map_put_op,
    .map_del = mem_map_del_op,
    .map_count = mem_map_count_op,
    .map_seek = mem_map_seek_op,
    .map_step = mem_map_step_op,
    .map_rank = mem_map_rank_op,
    .map_select = mem_map_select_op,
    .flush = op_flush,
    .swap = op_swap,
    .db_stats = op_db_stats,
    .scan = op_scan,
    .token = op_token,
    .random = op_random,
    .due = op_due,
    .begin = op_begin,
    .commit = op_commit,
    .abort = op_abort,
    .room = op_room,
    .pace = op_pace,
    .turn_end = op_turn_end,
    .sync_soon = op_sync_soon,
    .log_end = op_log_end,
    .released = op_released,
    .durable = op_durable,
    .failed = op_failed,
    .sync = op_sync,
    .background = op_background,
    .cron = op_cron,
    .compact = op_compact,
    .memory = op_memory,
    .relieve = op_relieve,
    .budget = op_budget,
    .reader_end = op_reader_end,
    .error = op_error,
    .check = op_check,
};

engine *engine_mem_new(const engine_options *opt, uint64_t seed) {
    mem *m = mem_zalloc(sizeof *m);
    m->ops = ops;
    m->base.ops = &m->ops;
    m->host = opt->host;
    m->slot_of = opt->cluster ? opt->slot_of : NULL;
    m->failure = STATUS_OK;
    rng_seed(&m->chance, seed);
    m->hash = (hash_key){rng_next(&m->chance), rng_next(&m->chance)};
    m->fetched = omap_new();
    mem_state_init(&m->state, opt->databases);
    return &m->base;
}

engine *engine_mem_simple(void) {
    engine_options opt = {.databases = 16};
    return engine_mem_new(&opt, 1);
}

mem_knobs *engine_mem_knobs(engine *e) {
    CHECK(e->ops->close == op_close);
    return &mem_of(e)->knobs;
}

const mem_counters *engine_mem_counters(const engine *e) {
    CHECK(e->ops->close == op_close);
    return &((const mem *)e)->counters;
}

static status class_open(const engine_options *opt, engine **out) {
    uint64_t seed = 1;
    if (opt->env && opt->env->random_bytes)
        opt->env->random_bytes(&seed, sizeof seed, opt->env->random_ctx);
    *out = engine_mem_new(opt, seed);
    return STATUS_OK;
}

static const metric_section *class_metrics(engine *e) {
    static const metric_section none[] = {{0}};
    (void)e;
    return none;
}

static const setting no_settings[] = {{0}};

const engine_class engine_mem_class = {
    .name = "mem",
    .open = class_open,
    .settings = no_settings,
    .metrics = class_metrics,
};
