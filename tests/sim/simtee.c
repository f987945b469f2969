/* simtee: see simtee.h.
 *
 * The model is called first: an argument may be a slice that the engine's last read gave, which the
 * engine's next call ends. Ids of collections differ between the two; those that a batch makes are
 * kept as pairs, others are found by their key. Iterators and open collections are pairs too, in
 * memory that lives as long as the batch; a step makes a new pair, so that copies of an iterator
 * stay good. */
#include "sim/simtee.h"

#include "base/log.h"

/* An open collection on both sides. */
typedef struct tee_coll {
    engine_coll mine, model;
    struct tee_coll *next; /* of those this batch made */
} tee_coll;

typedef struct tee_iter {
    map_iter mine, model;
} tee_iter;

static simtee *tee_of(engine *e) {
    return (simtee *)(void *)e;
}

/* The engine under test, which reads for whom the tee does. */
static engine *real(const simtee *t) {
    engine_read_for(t->s->e, t->base.reader);
    return t->s->e;
}

/* The engine's result, or the model's alone. */
static engine_result agree(simtee *t, const char *what, slice key, engine_result r,
                           engine_result m) {
    r = sim_agree(t->s, what, key, r, m);
    if (r == ENGINE_ERROR) t->failed = true;
    if (r == ENGINE_PENDING) t->pendings++;
    return r;
}

/* As agree, of a change. One that is PENDING the model has made all the same, so until the batch
 * has been aborted the two are not alike. */
static engine_result agree_change(simtee *t, const char *what, slice key, engine_result r,
                                  engine_result m) {
    r = agree(t, what, key, r, m);
    t->apart |= r == ENGINE_PENDING;
    t->changed = true;
    return r;
}

/* A read, or a change that has to know what it replaces, that is said to be PENDING: the engine is
 * not asked. */
static bool is_pending(simtee *t) {
    if (t->apart) return true;
    if (t->dry || !t->pending_in || --t->pending_in) return false;
    sim_say(t->s, "this read is to be pending");
    t->s->ready = true;
    t->pendings++;
    return true;
}

/* ---- main entries ------------------------------------------------------------------------------
 */

static engine_result read_entry(simtee *t, const char *what, uint32_t db, slice key, bool meta,
                                entry *out) {
    sim *s = t->s;
    entry model;
    if (is_pending(t)) return ENGINE_PENDING;
    engine_result m =
        meta ? engine_meta(s->model, db, key, &model) : engine_get(s->model, db, key, &model);
    if (t->dry) {
        *out = model;
        return m;
    }
    engine_result r = meta ? engine_meta(real(t), db, key, out) : engine_get(real(t), db, key, out);
    r = agree(t, what, key, r, m);
    if (r != ENGINE_OK) return r;
    if (out->type != model.type || out->hint != model.hint || out->expire != model.expire ||
        !out->coll != !model.coll || !slice_eq(out->value, model.value))
        sim_fail(
            s,
            "%s %.*s: type %d hint %d expire %lld coll %d, %zu bytes; should be %d %d %lld %d, "
            "%zu",
            what, (int)key.len, key.data, out->type, out->hint, (long long)out->expire,
            out->coll != 0, out->value.len, model.type, model.hint, (long long)model.expire,
            model.coll != 0, model.value.len);
    sim_check_position(s, "entry", key, out->pos, model.pos);
    return r;
}

static engine_result tee_get(engine *e, uint32_t db, slice key, entry *out) {
    return read_entry(tee_of(e), "get", db, key, false, out);
}

static engine_result tee_meta(engine *e, uint32_t db, slice key, entry *out) {
    return read_entry(tee_of(e), "meta", db, key, true, out);
}

/* The model's collection of an entry whose `coll` is the engine's. */
static uint64_t model_coll(simtee *t, uint32_t db, slice key, uint64_t coll) {
    entry ent;
    for (tee_coll *c = t->new; c; c = c->next)
        if (c->mine.id == coll) return c->model.id;
    return engine_meta(t->s->model, db, key, &ent) == ENGINE_OK ? ent.coll : 0;
}

static engine_result tee_put(engine *e, uint32_t db, slice key, const entry *ent) {
    simtee *t = tee_of(e);
    entry model = *ent;
    if (is_pending(t)) return ENGINE_PENDING;
    if (t->dry) return engine_put(t->s->model, db, key, ent);
    if (ent->coll) model.coll = model_coll(t, db, key, ent->coll);
    engine_result m = engine_put(t->s->model, db, key, &model);
    return agree_change(t, "put", key, engine_put(real(t), db, key, ent), m);
}

static engine_result tee_del(engine *e, uint32_t db, slice key) {
    simtee *t = tee_of(e);
    if (is_pending(t)) return ENGINE_PENDING;
    engine_result m = engine_del(t->s->model, db, key);
    return t->dry ? m : agree_change(t, "del", key, engine_del(real(t), db, key), m);
}

static engine_result tee_move(engine *e, uint32_t db, slice key, uint32_t to_db, slice to_key) {
    simtee *t = tee_of(e);
    if (is_pending(t)) return ENGINE_PENDING;
    engine_result m = engine_move(t->s->model, db, key, to_db, to_key);
    return t->dry ? m
                  : agree_change(t, "move", key, engine_move(real(t), db, key, to_db, to_key), m);
}

/* The model's is looked at only by engines that keep access state in the entry. */
static void tee_set_access(engine *e, const entry *ent, uint32_t access) {
    simtee *t = tee_of(e);
    if (!t->dry) engine_set_access(t->s->e, ent, access);
}

/* ---- collections -------------------------------------------------------------------------------
 */

static tee_coll *coll_at(const engine_coll *c) {
    return (tee_coll *)(uintptr_t)c->priv; /* NOLINT: tee_opened put it there */
}

/* What the caller gets of a pair. */
static void tee_opened(simtee *t, const tee_coll *pair, engine_coll *out) {
    *out = t->dry ? pair->model : pair->mine;
    out->priv = (uint64_t)(uintptr_t)pair;
}

static engine_result tee_coll_new(engine *e, uint32_t db, slice key, engine_coll *out) {
    simtee *t = tee_of(e);
    tee_coll *pair = region_alloc(&t->work, sizeof *pair);
    engine_result r = engine_coll_new(t->s->model, db, key, &pair->model);
    if (!t->dry)
        r = agree_change(t, "coll_new", key, engine_coll_new(real(t), db, key, &pair->mine), r);
    if (r != ENGINE_OK) return r;
    pair->next = t->new;
    t->new = pair;
    tee_opened(t, pair, out);
    return r;
}

static engine_result tee_coll_open(engine *e, uint32_t db, slice key, const entry *ent,
                                   engine_coll *out) {
    simtee *t = tee_of(e);
    tee_coll *pair = region_alloc(&t->work, sizeof *pair);
    entry model = *ent;
    if (is_pending(t)) return ENGINE_PENDING;
    if (!t->dry) model.coll = model_coll(t, db, key, ent->coll);
    engine_result r = engine_coll_open(t->s->model, db, key, &model, &pair->model);
    if (!t->dry)
        r = agree(t, "coll_open", key, engine_coll_open(real(t), db, key, ent, &pair->mine), r);
    if (r == ENGINE_OK) tee_opened(t, pair, out);
    return r;
}

/* Compares the element that both have come to, and gives it. */
static engine_result element(simtee *t, const char *what, slice sub, engine_result r,
                             engine_result m, tee_iter *pair, bool placed, map_iter *out) {
    if (t->dry) {
        r = m;
        *out = pair->model;
    } else {
        r = agree(t, what, sub, r, m);
        *out = pair->mine;
    }
    out->priv[0] = (uint64_t)(uintptr_t)pair;
    if (r != ENGINE_OK || t->dry) return r;
    const map_iter *mine = &pair->mine, *model = &pair->model;
    if (placed && !slice_eq(mine->subkey, model->subkey))
        sim_fail(t->s, "%s: at another element than the model", what);
    if (!slice_eq(mine->value, model->value) || mine->expire != model->expire)
        sim_fail(t->s, "%s: an element is not what was put", what);
    sim_check_position(t->s, "element", model->subkey, mine->pos, model->pos);
    return r;
}

static engine_result tee_map_get(engine *e, engine_coll *c, unsigned map, slice sub,
                                 map_iter *out) {
    simtee *t = tee_of(e);
    tee_coll *at = coll_at(c);
    tee_iter pair;
    if (is_pending(t)) return ENGINE_PENDING;
    engine_result m = engine_map_get(t->s->model, &at->model, map, sub, &pair.model);
    engine_result r = t->dry ? m : engine_map_get(real(t), &at->mine, map, sub, &pair.mine);
    return element(t, "map_get", SLICE_EMPTY, r, m, &pair, false, out);
}

static engine_result tee_map_put(engine *e, engine_coll *c, unsigned map, slice sub, slice value,
                                 int64_t expire) {
    simtee *t = tee_of(e);
    tee_coll *at = coll_at(c);
    if (is_pending(t)) return ENGINE_PENDING;
    engine_result m = engine_map_put(t->s->model, &at->model, map, sub, value, expire);
    if (t->dry) return m;
    return agree_change(t, "map_put", SLICE_EMPTY,
                        engine_map_put(real(t), &at->mine, map, sub, value, expire), m);
}

static engine_result tee_map_del(engine *e, engine_coll *c, unsigned map, slice sub) {
    simtee *t = tee_of(e);
    tee_coll *at = coll_at(c);
    if (is_pending(t)) return ENGINE_PENDING;
    engine_result m = engine_map_del(t->s->model, &at->model, map, sub);
    if (t->dry) return m;
    return agree_change(t, "map_del", SLICE_EMPTY, engine_map_del(real(t), &at->mine, map, sub), m);
}

static uint64_t tee_map_count(engine *e, engine_coll *c, unsigned map) {
    simtee *t = tee_of(e);
    tee_coll *at = coll_at(c);
    uint64_t model = engine_map_count(t->s->model, &at->model, map);
    uint64_t mine = t->dry ? model : engine_map_count(t->s->e, &at->mine, map);
    if (mine != model && !t->apart) /* a command may go on to name what else it will read */
        sim_fail(t->s, "map %u counts %llu, should be %llu", map, (unsigned long long)mine,
                 (unsigned long long)model);
    return mine;
}

static engine_result tee_map_seek(engine *e, engine_coll *c, unsigned map, slice from,
                                  bool backward, map_iter *out) {
    simtee *t = tee_of(e);
    tee_coll *at = coll_at(c);
    if (is_pending(t)) return ENGINE_PENDING;
    tee_iter *pair = region_alloc(&t->work, sizeof *pair);
    engine_result m = engine_map_seek(t->s->model, &at->model, map, from, backward, &pair->model);
    engine_result r =
        t->dry ? m : engine_map_seek(real(t), &at->mine, map, from, backward, &pair->mine);
    return element(t, "seek", SLICE_EMPTY, r, m, pair, true, out);
}

static engine_result tee_map_step(engine *e, map_iter *it, bool backward) {
    simtee *t = tee_of(e);
    if (is_pending(t)) return ENGINE_PENDING;
    tee_iter *pair = region_alloc(&t->work, sizeof *pair);
    *pair = *(tee_iter *)(uintptr_t)it->priv[0]; /* NOLINT: element() put it there */
    engine_result m = engine_map_step(t->s->model, &pair->model, backward);
    engine_result r = t->dry ? m : engine_map_step(real(t), &pair->mine, backward);
    return element(t, "step", SLICE_EMPTY, r, m, pair, true, it);
}

static engine_result tee_map_rank(engine *e, engine_coll *c, unsigned map, slice sub,
                                  uint64_t *rank) {
    simtee *t = tee_of(e);
    tee_coll *at = coll_at(c);
    if (is_pending(t)) return ENGINE_PENDING;
    uint64_t model = 0;
    engine_result m = engine_map_rank(t->s->model, &at->model, map, sub, &model);
    *rank = model;
    if (t->dry) return m;
    engine_result r =
        agree(t, "rank", SLICE_EMPTY, engine_map_rank(real(t), &at->mine, map, sub, rank), m);
    if (r == ENGINE_OK && *rank != model)
        sim_fail(t->s, "rank is %llu, should be %llu", (unsigned long long)*rank,
                 (unsigned long long)model);
    return r;
}

static engine_result tee_map_select(engine *e, engine_coll *c, unsigned map, uint64_t rank,
                                    map_iter *out) {
    simtee *t = tee_of(e);
    tee_coll *at = coll_at(c);
    if (is_pending(t)) return ENGINE_PENDING;
    tee_iter *pair = region_alloc(&t->work, sizeof *pair);
    engine_result m = engine_map_select(t->s->model, &at->model, map, rank, &pair->model);
    engine_result r = t->dry ? m : engine_map_select(real(t), &at->mine, map, rank, &pair->mine);
    return element(t, "select", SLICE_EMPTY, r, m, pair, true, out);
}

/* ---- databases ---------------------------------------------------------------------------------
 */

static engine_result tee_flush(engine *e, int32_t db) {
    simtee *t = tee_of(e);
    engine_result m = engine_flush(t->s->model, db);
    return t->dry ? m : agree_change(t, "flush", SLICE_EMPTY, engine_flush(real(t), db), m);
}

static engine_result tee_swap(engine *e, uint32_t a, uint32_t b) {
    simtee *t = tee_of(e);
    engine_result m = engine_swap(t->s->model, a, b);
    return t->dry ? m : agree_change(t, "swap", SLICE_EMPTY, engine_swap(real(t), a, b), m);
}

static void tee_db_stats(engine *e, uint32_t db, engine_db_stats *out) {
    simtee *t = tee_of(e);
    engine_db_stats model;
    engine_db_stats_of(t->s->model, db, &model);
    *out = model;
    if (!t->dry) engine_db_stats_of(t->s->e, db, out);
    if (out->keys != model.keys || out->expires != model.expires)
        sim_fail(t->s, "db %u counts %llu keys, %llu expires; should be %llu and %llu", db,
                 (unsigned long long)out->keys, (unsigned long long)out->expires,
                 (unsigned long long)model.keys, (unsigned long long)model.expires);
}

/* Tokens differ between the two, so what a scan or a random pick shows is one side's affair. */
static engine_result tee_scan(engine *e, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                              void (*each)(void *ctx, slice key, const entry *meta), void *ctx) {
    simtee *t = tee_of(e);
    if (is_pending(t)) return ENGINE_PENDING;
    if (t->dry) return engine_scan(t->s->model, db, from, want, next, each, ctx);
    engine_result r = engine_scan(real(t), db, from, want, next, each, ctx);
    return agree(t, "scan", SLICE_EMPTY, r, ENGINE_OK);
}

static engine_result tee_random(engine *e, uint32_t db, bool with_expire, buf *key, entry *meta) {
    simtee *t = tee_of(e);
    if (is_pending(t)) return ENGINE_PENDING;
    engine_result m = engine_random(t->s->model, db, with_expire, key, meta);
    if (t->dry) return m;
    return agree(t, "random", SLICE_EMPTY, engine_random(real(t), db, with_expire, key, meta), m);
}

/* Members' hashes are stored, so both sides have the engine's. */
static uint64_t tee_token(engine *e, slice key) {
    return engine_token(tee_of(e)->s->e, key);
}

static engine_result tee_due(engine *e, int64_t now_ms, uint32_t *db, buf *key, int64_t *when) {
    simtee *t = tee_of(e);
    int64_t model_when = 0;
    if (is_pending(t)) return ENGINE_PENDING;
    engine_result m = engine_due(t->s->model, now_ms, db, key, &model_when);
    *when = model_when;
    if (t->dry) return m;
    engine_result r = agree(t, "due", SLICE_EMPTY, engine_due(real(t), now_ms, db, key, when), m);
    if (r == ENGINE_OK && *when != model_when)
        sim_fail(t->s, "due at %lld, should be at %lld", (long long)*when, (long long)model_when);
    return r;
}

/* ---- batches and the log ----------------------------------------------------------------------
 */

static void tee_begin(engine *e) {
    simtee *t = tee_of(e);
    region_reset(&t->work);
    t->new = NULL;
    t->apart = false;
    t->before = engine_log_end(t->s->e);
    engine_begin(t->s->model);
    if (t->dry) return;
    sim_say(t->s, "begin");
    engine_begin(t->s->e);
    t->s->in_batch = true;
    t->changed = t->refused = t->cut_short = false;
}

static void tee_commit(engine *e) {
    simtee *t = tee_of(e);
    if (t->dry) {
        engine_abort(t->s->model);
        return;
    }
    t->s->in_batch = false;
    t->commits++;
    sim_commit(t->s);
}

static void tee_abort(engine *e) {
    simtee *t = tee_of(e);
    if (t->dry) {
        engine_abort(t->s->model);
        return;
    }
    t->s->in_batch = false;
    sim_abort(t->s, t->before);
}

/* The engine's own: what a batch has changed may be what there is no more room for, and when it has
 * been aborted there is. */
static status tee_room(engine *e, size_t bytes) {
    simtee *t = tee_of(e);
    status st = engine_room(t->s->e, bytes);
    if (!status_ok(st) && t->s->in_batch) {
        sim_say(t->s, "no room in the batch: %s", st.msg);
        t->refused = true;
        t->cut_short |= t->changed && bytes > 0;
    }
    return st;
}

static log_pos tee_log_end(engine *e) {
    simtee *t = tee_of(e);
    return t->dry ? t->before : engine_log_end(t->s->e);
}

static log_pos tee_released(engine *e) {
    return engine_released(tee_of(e)->s->e);
}

static log_pos tee_durable(engine *e) {
    return engine_durable(tee_of(e)->s->e);
}

static status tee_failed(engine *e) {
    return engine_failed(tee_of(e)->s->e);
}

static status tee_error(engine *e) {
    return engine_error(tee_of(e)->s->e);
}

static void tee_reader_end(engine *e, engine_reader *r) {
    engine_reader_end(tee_of(e)->s->e, r);
}

/* Who can't come back later waits: the engine has what it was asked for. */
static bool tee_background(engine *e, uint64_t budget_us) {
    sim *s = tee_of(e)->s;
    (void)budget_us;
    sim_await_ready(s);
    s->ready = false;
    return false;
}

void simtee_init(simtee *t, sim *s) {
    *t = (simtee){.s = s};
    t->ops = (engine_ops){.name = "tee",
                          .no_eviction = s->e->ops->no_eviction,
                          .counted = s->e->ops->counted,
                          .get = tee_get,
                          .meta = tee_meta,
                          .put = tee_put,
                          .del = tee_del,
                          .move = tee_move,
                          .set_access = tee_set_access,
                          .coll_new = tee_coll_new,
                          .coll_open = tee_coll_open,
                          .map_get = tee_map_get,
                          .map_put = tee_map_put,
                          .map_del = tee_map_del,
                          .map_count = tee_map_count,
                          .map_seek = tee_map_seek,
                          .map_step = tee_map_step,
                          .map_rank = tee_map_rank,
                          .map_select = tee_map_select,
                          .flush = tee_flush,
                          .swap = tee_swap,
                          .db_stats = tee_db_stats,
                          .scan = tee_scan,
                          .token = tee_token,
                          .random = tee_random,
                          .due = tee_due,
                          .begin = tee_begin,
                          .commit = tee_commit,
                          .abort = tee_abort,
                          .background = tee_background,
                          .reader_end = tee_reader_end,
                          .room = tee_room,
                          .log_end = tee_log_end,
                          .released = tee_released,
                          .durable = tee_durable,
                          .failed = tee_failed,
                          .error = tee_error};
    t->base.ops = &t->ops;
}

void simtee_free(simtee *t) {
    region_free(&t->work);
}
