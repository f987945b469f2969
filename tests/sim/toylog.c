/* toylog: engine_mem with a log.
 *
 *   file:   toy.log = records
 *   record: u32 bytes of body, u32 CRC32C of body, body = changes of one batch
 *   change: u8 operation, u32 db, then as the operation needs: strings with a varint length
 *
 * Collections are named by their key, as ids are not the same after a replay. A record goes to the
 * file at turn_end, all of the turn's in one write; at `always` with an fsync, else by a job about
 * once a second. An open replays records up to the first that is not whole, cuts the file there and
 * syncs it. A failed write or sync ends all writing. Only the functions that change something, or
 * tell positions, are its own; the rest is engine_mem's. */
#include "sim/toylog.h"

#include "base/codec.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "support/engine_mem.h"

#include <stdio.h>

#define TOY_PATH_MAX 200

toy_fault toy_bug;
int toy_appendfsync = ENGINE_FSYNC_EVERYSEC;
static int64_t pending; /* permille of reads that are PENDING */

typedef struct toy {
    engine base;
    engine *mem;
    const io_env *env;
    vfs_file *lock, *file;
    buf batch; /* of the batch under way */
    size_t last_change;
    bool in_batch;
    buf tail; /* records not yet written */
    log_pos written, durable, released;
    status failed;
    char failed_msg[STATUS_MSG_MAX];
    bool syncing;
    uint64_t synced_us;
    struct toy_sync *job;
} toy;

typedef struct toy_sync {
    aio_job job;
    toy *t;
    vfs_file *file;
    log_pos upto;
} toy_sync;

static toy *toy_of(engine *e) {
    return (toy *)e;
}

const char *toy_fault_name(toy_fault f) {
    static const char *const names[TOY_FAULTS] = {
        "right",  "told-early",    "no-fsync",     "no-dir-sync", "retried-fsync",
        "no-crc", "split-batch",   "lost-delete",  "lost-expire", "keeps-aborted",
        "no-cut", "unsynced-open", "trusts-cache", "two-syncs",   "flush-one"};
    return names[f];
}

/* ---- writing down -------------------------------------------------------------------------------
 */

enum { CH_PUT = 1, CH_DEL, CH_MOVE, CH_COLL_NEW, CH_MAP_PUT, CH_MAP_DEL, CH_FLUSH, CH_SWAP };

static void add_num(buf *b, uint64_t v) {
    char *p = buf_reserve(b, VARINT_MAX);
    b->len += (size_t)(put_varint(p, v) - p);
}

static void add_str(buf *b, slice s) {
    add_num(b, s.len);
    buf_append_slice(b, s);
}

static void seal_record(toy *t) {
    char head[8];
    if (!t->batch.len) return;
    put_u32(head, (uint32_t)t->batch.len);
    put_u32(head + 4, crc32c(0, t->batch.data, t->batch.len));
    buf_append(&t->tail, head, 8);
    buf_append_slice(&t->tail, buf_slice(&t->batch));
    buf_clear(&t->batch);
}

static void add_change(toy *t, int op, uint32_t db) {
    if (toy_bug == TOY_SPLIT_BATCH) seal_record(t);
    buf_append_char(&t->batch, (char)op);
    add_num(&t->batch, db);
}

static void add_entry(toy *t, uint32_t db, slice key, const entry *ent) {
    add_change(t, CH_PUT, db);
    add_str(&t->batch, key);
    add_num(&t->batch, ent->type);
    add_num(&t->batch, ent->hint);
    add_num(&t->batch, toy_bug == TOY_LOST_EXPIRE ? 0 : (uint64_t)ent->expire);
    add_num(&t->batch, ent->coll != 0);
    add_str(&t->batch, ent->value);
}

static engine_result op_put(engine *e, uint32_t db, slice key, const entry *ent) {
    toy *t = toy_of(e);
    if (t->failed.code) return ENGINE_ERROR;
    add_entry(t, db, key, ent);
    return engine_put(t->mem, db, key, ent);
}

static engine_result op_del(engine *e, uint32_t db, slice key) {
    toy *t = toy_of(e);
    if (toy_bug != TOY_LOST_DELETE) {
        add_change(t, CH_DEL, db);
        add_str(&t->batch, key);
    }
    return engine_del(t->mem, db, key);
}

static engine_result op_move(engine *e, uint32_t db, slice key, uint32_t to_db, slice to_key) {
    toy *t = toy_of(e);
    add_change(t, CH_MOVE, db);
    add_str(&t->batch, key);
    add_num(&t->batch, to_db);
    add_str(&t->batch, to_key);
    return engine_move(t->mem, db, key, to_db, to_key);
}

static engine_result op_coll_new(engine *e, uint32_t db, slice key, engine_coll *out) {
    toy *t = toy_of(e);
    add_change(t, CH_COLL_NEW, db);
    add_str(&t->batch, key);
    return engine_coll_new(t->mem, db, key, out);
}

static engine_result op_map_put(engine *e, engine_coll *c, unsigned map, slice sub, slice value,
                                int64_t expire) {
    toy *t = toy_of(e);
    add_change(t, CH_MAP_PUT, c->db);
    add_str(&t->batch, c->key);
    add_num(&t->batch, map);
    add_str(&t->batch, sub);
    add_num(&t->batch, (uint64_t)expire);
    add_str(&t->batch, value);
    return engine_map_put(t->mem, c, map, sub, value, expire);
}

static engine_result op_map_del(engine *e, engine_coll *c, unsigned map, slice sub) {
    toy *t = toy_of(e);
    add_change(t, CH_MAP_DEL, c->db);
    add_str(&t->batch, c->key);
    add_num(&t->batch, map);
    add_str(&t->batch, sub);
    return engine_map_del(t->mem, c, map, sub);
}

static engine_result op_flush(engine *e, int32_t db) {
    toy *t = toy_of(e);
    if (toy_bug == TOY_FLUSH_ONE && db == -1) db = 0;
    add_change(t, CH_FLUSH, (uint32_t)(db + 1));
    return engine_flush(t->mem, db);
}

static engine_result op_swap(engine *e, uint32_t a, uint32_t b) {
    toy *t = toy_of(e);
    add_change(t, CH_SWAP, a);
    add_num(&t->batch, b);
    return engine_swap(t->mem, a, b);
}

/* ---- replay ------------------------------------------------------------------------------------
 */

typedef struct replaying {
    engine *mem;
    slice in;
    uint64_t coll; /* made by the last CH_COLL_NEW: the next put has it */
} replaying;

static uint64_t num(replaying *r) {
    uint64_t v;
    CHECK(get_varint(&r->in, &v));
    return v;
}

static slice str(replaying *r) {
    slice s;
    CHECK(get_varbytes(&r->in, &s));
    return s;
}

static void replay_put(replaying *r, uint32_t db) {
    entry ent = {0}, old;
    slice key = str(r);
    ent.type = (uint8_t)num(r);
    ent.hint = (uint8_t)num(r);
    ent.expire = (int64_t)num(r);
    if (num(r)) {
        ent.coll = r->coll;
        if (!r->coll && engine_meta(r->mem, db, key, &old) == ENGINE_OK) ent.coll = old.coll;
    }
    r->coll = 0;
    ent.value = str(r);
    engine_put(r->mem, db, key, &ent);
}

static void replay_map(replaying *r, uint32_t db, bool put) {
    entry ent;
    engine_coll c;
    slice key = str(r);
    unsigned map = (unsigned)num(r);
    slice sub = str(r), value = SLICE_EMPTY;
    int64_t expire = put ? (int64_t)num(r) : 0;
    if (put) value = str(r);
    engine_meta(r->mem, db, key, &ent);
    engine_coll_open(r->mem, db, key, &ent, &c);
    if (put)
        engine_map_put(r->mem, &c, map, sub, value, expire);
    else
        engine_map_del(r->mem, &c, map, sub);
}

static void replay_change(replaying *r) {
    int op = *r->in.data;
    r->in = slice_skip(r->in, 1);
    uint32_t db = (uint32_t)num(r);
    slice key;
    engine_coll c;
    switch (op) {
    case CH_PUT: replay_put(r, db); break;
    case CH_DEL: engine_del(r->mem, db, str(r)); break;
    case CH_MOVE:
        key = str(r);
        op = (int)num(r);
        engine_move(r->mem, db, key, (uint32_t)op, str(r));
        break;
    case CH_COLL_NEW:
        engine_coll_new(r->mem, db, str(r), &c);
        r->coll = c.id;
        break;
    case CH_MAP_PUT: replay_map(r, db, true); break;
    case CH_MAP_DEL: replay_map(r, db, false); break;
    case CH_FLUSH: engine_flush(r->mem, (int32_t)db - 1); break;
    case CH_SWAP: engine_swap(r->mem, db, (uint32_t)num(r)); break;
    }
}

/* Replays whole records; returns where the first one begins that is not. */
static size_t replay_all(toy *t, slice file) {
    slice in = file;
    while (in.len >= 8) {
        uint32_t n = load_u32(in.data), crc = load_u32(in.data + 4);
        if (n == 0 || n > in.len - 8) break;
        if (toy_bug != TOY_NO_CRC && crc32c(0, in.data + 8, n) != crc) break;
        replaying r = {.mem = t->mem, .in = slice_of(in.data + 8, n)};
        engine_begin(t->mem);
        while (r.in.len)
            replay_change(&r);
        engine_commit(t->mem);
        in = slice_skip(in, 8 + n);
    }
    return file.len - in.len;
}

/* ---- the log ------------------------------------------------------------------------------------
 */

static void fail(toy *t, status st) {
    if (t->failed.code) return;
    memcpy(t->failed_msg, st.msg, strnlen(st.msg, sizeof t->failed_msg - 1));
    t->failed = (status){ST_FAILED, t->failed_msg};
}

static void write_tail(toy *t) {
    if (t->failed.code || !t->tail.len) return;
    status st = vfs_pwrite(t->file, t->tail.data, t->tail.len, t->written);
    if (!status_ok(st)) {
        fail(t, st);
        return;
    }
    t->written += t->tail.len;
    buf_clear(&t->tail);
}

static void sync_file(toy *t) {
    /* Of two syncs of one file at a time, only one would hear of an error. */
    if (t->syncing && toy_bug != TOY_TWO_SYNCS) t->env->aio->ops->drain(t->env->aio);
    write_tail(t);
    if (t->failed.code) return;
    if (toy_bug != TOY_NO_FSYNC) {
        status st = t->file->ops->fdatasync(t->file);
        if (!status_ok(st) && toy_bug == TOY_RETRIED_FSYNC) st = t->file->ops->fdatasync(t->file);
        if (!status_ok(st)) {
            fail(t, st);
            return;
        }
    }
    t->durable = t->written;
}

static void run_sync(aio_job *job) {
    toy_sync *s = (toy_sync *)job;
    job->result = s->file->ops->fdatasync(s->file);
}

static void sync_done(aio_job *job) {
    toy_sync *s = (toy_sync *)job;
    s->t->syncing = false;
    if (!status_ok(job->result))
        fail(s->t, job->result);
    else if (!s->t->failed.code && s->upto > s->t->durable)
        s->t->durable = s->upto;
    mem_free(s);
}

static void op_begin(engine *e) {
    if (toy_bug != TOY_KEEPS_ABORTED) buf_clear(&toy_of(e)->batch);
    toy_of(e)->last_change = toy_of(e)->tail.len;
    engine_begin(toy_of(e)->mem);
    toy_of(e)->in_batch = true;
}

static void op_commit(engine *e) {
    engine_commit(toy_of(e)->mem);
    toy_of(e)->in_batch = false;
    seal_record(toy_of(e));
}

static void op_abort(engine *e) {
    toy *t = toy_of(e);
    t->tail.len = t->last_change;
    t->in_batch = false;
    engine_abort(t->mem);
}

static void op_turn_end(engine *e) {
    toy *t = toy_of(e);
    if (toy_appendfsync == ENGINE_FSYNC_ALWAYS)
        sync_file(t);
    else
        write_tail(t);
    engine_turn_end(t->mem);
}

static void op_cron(engine *e) {
    toy *t = toy_of(e);
    if (t->syncing || t->failed.code || t->env->clock->mono_us - t->synced_us < 1000000) return;
    if (toy_appendfsync == ENGINE_FSYNC_NO) return;
    t->synced_us = t->env->clock->mono_us;
    toy_sync *s = mem_zalloc(sizeof *s);
    *s = (toy_sync){.job = {.run = run_sync, .done = sync_done}, .t = t};
    s->file = t->file;
    s->upto = t->written;
    t->syncing = true;
    aio_submit(t->env->aio, AIO_LOG, &s->job);
}

static status op_sync(engine *e) {
    sync_file(toy_of(e));
    return toy_of(e)->failed;
}

static log_pos op_log_end(engine *e) {
    return toy_of(e)->written + toy_of(e)->tail.len;
}
static log_pos op_durable(engine *e) {
    return toy_of(e)->durable;
}
static log_pos op_released(engine *e) {
    toy *t = toy_of(e);
    if (toy_bug == TOY_TOLD_EARLY && !t->failed.code) return t->written + t->tail.len;
    log_pos now = toy_appendfsync == ENGINE_FSYNC_ALWAYS ? t->durable : t->written;
    if (now > t->released && !t->failed.code) t->released = now; /* the setting may change */
    return t->released;
}
static status op_failed(engine *e) {
    return toy_of(e)->failed;
}
static status op_room(engine *e, size_t bytes) {
    (void)bytes;
    return toy_of(e)->failed;
}
static status op_error(engine *e) {
    return toy_of(e)->failed.code ? toy_of(e)->failed : engine_error(toy_of(e)->mem);
}

static void free_toy(toy *t, bool close_files) {
    if (t->syncing) t->env->aio->ops->drain(t->env->aio);
    if (t->file && close_files) (void)!t->file->ops->close(t->file).code;
    if (t->lock && close_files) t->lock->ops->unlock(t->lock);
    engine_close(t->mem);
    buf_free(&t->batch);
    buf_free(&t->tail);
    mem_free(t);
}

static void op_close(engine *e) {
    sync_file(toy_of(e));
    free_toy(toy_of(e), true);
}

/* ---- what engine_mem does as it is --------------------------------------------------------------
 */

/* Positions of engine_mem are not the log's: what is in RAM is as good as at the log's end. */
static engine_result op_get(engine *e, uint32_t db, slice key, entry *out) {
    engine_result r = engine_get(toy_of(e)->mem, db, key, out);
    out->pos = op_log_end(e) + toy_of(e)->in_batch;
    return r;
}
static engine_result op_meta(engine *e, uint32_t db, slice key, entry *out) {
    engine_result r = engine_meta(toy_of(e)->mem, db, key, out);
    out->pos = op_log_end(e) + toy_of(e)->in_batch;
    return r;
}
static void op_set_access(engine *e, const entry *ent, uint32_t access) {
    engine_set_access(toy_of(e)->mem, ent, access);
}
static engine_result op_coll_open(engine *e, uint32_t db, slice key, const entry *ent,
                                  engine_coll *out) {
    return engine_coll_open(toy_of(e)->mem, db, key, ent, out);
}
static engine_result op_map_get(engine *e, engine_coll *c, unsigned map, slice sub, map_iter *it) {
    engine_result r = engine_map_get(toy_of(e)->mem, c, map, sub, it);
    it->pos = op_log_end(e) + toy_of(e)->in_batch;
    return r;
}
static uint64_t op_map_count(engine *e, engine_coll *c, unsigned map) {
    return engine_map_count(toy_of(e)->mem, c, map);
}
static engine_result op_map_seek(engine *e, engine_coll *c, unsigned map, slice from, bool backward,
                                 map_iter *it) {
    engine_result r = engine_map_seek(toy_of(e)->mem, c, map, from, backward, it);
    it->pos = op_log_end(e) + toy_of(e)->in_batch;
    return r;
}
static engine_result op_map_step(engine *e, map_iter *it, bool backward) {
    engine_result r = engine_map_step(toy_of(e)->mem, it, backward);
    it->pos = op_log_end(e) + toy_of(e)->in_batch;
    return r;
}
static engine_result op_map_rank(engine *e, engine_coll *c, unsigned map, slice sub, uint64_t *n) {
    return engine_map_rank(toy_of(e)->mem, c, map, sub, n);
}
static engine_result op_map_select(engine *e, engine_coll *c, unsigned map, uint64_t rank,
                                   map_iter *it) {
    engine_result r = engine_map_select(toy_of(e)->mem, c, map, rank, it);
    it->pos = op_log_end(e) + toy_of(e)->in_batch;
    return r;
}
static void op_db_stats(engine *e, uint32_t db, engine_db_stats *out) {
    engine_db_stats_of(toy_of(e)->mem, db, out);
}
static engine_result op_scan(engine *e, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                             void (*each)(void *ctx, slice key, const entry *meta), void *ctx) {
    return engine_scan(toy_of(e)->mem, db, from, want, next, each, ctx);
}
static uint64_t op_token(engine *e, slice key) {
    return engine_token(toy_of(e)->mem, key);
}
static engine_result op_random(engine *e, uint32_t db, bool with_expire, buf *key, entry *meta) {
    return engine_random(toy_of(e)->mem, db, with_expire, key, meta);
}
static engine_result op_due(engine *e, int64_t now, uint32_t *db, buf *key, int64_t *when) {
    return engine_due(toy_of(e)->mem, now, db, key, when);
}
static bool op_background(engine *e, uint64_t budget_us) {
    return engine_background(toy_of(e)->mem, budget_us);
}
static status op_compact(engine *e) {
    return engine_compact(toy_of(e)->mem);
}
static void op_memory(engine *e, uint64_t *index, uint64_t *caches, uint64_t *buffers) {
    engine_memory(toy_of(e)->mem, index, caches, buffers);
}
static status op_check(engine *e, buf *report) {
    return engine_check(toy_of(e)->mem, report);
}

static const engine_ops ops = {
    .name = "toy",
    .close = op_close,
    .get = op_get,
    .meta = op_meta,
    .put = op_put,
    .del = op_del,
    .move = op_move,
    .set_access = op_set_access,
    .coll_new = op_coll_new,
    .coll_open = op_coll_open,
    .map_get = op_map_get,
    .map_put = op_map_put,
    .map_del = op_map_del,
    .map_count = op_map_count,
    .map_seek = op_map_seek,
    .map_step = op_map_step,
    .map_rank = op_map_rank,
    .map_select = op_map_select,
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
    .turn_end = op_turn_end,
    .log_end = op_log_end,
    .released = op_released,
    .durable = op_durable,
    .failed = op_failed,
    .sync = op_sync,
    .background = op_background,
    .cron = op_cron,
    .compact = op_compact,
    .memory = op_memory,
    .error = op_error,
    .check = op_check,
};

/* ---- opening ------------------------------------------------------------------------------------
 */

static status load(toy *t) {
    uint64_t size;
    size_t got;
    buf all = {0};
    TRY(t->file->ops->size(t->file, &size));
    status st = t->file->ops->pread(t->file, buf_reserve(&all, size + 1), size, 0, &got);
    all.len = got;
    t->written = status_ok(st) ? replay_all(t, buf_slice(&all)) : 0;
    if (toy_bug == TOY_NO_CUT) t->written = all.len;
    if (status_ok(st)) st = t->file->ops->truncate(t->file, t->written);
    /* Written once more, as a sync that failed in an earlier life may have left pages that are
     * clean and not on the disk: a sync alone would not cover them. */
    if (status_ok(st) && toy_bug != TOY_TRUSTS_CACHE && t->written)
        st = vfs_pwrite(t->file, all.data, t->written, 0);
    buf_free(&all);
    if (status_ok(st) && toy_bug != TOY_UNSYNCED_OPEN) st = t->file->ops->fsync(t->file);
    t->durable = t->written;
    return st;
}

static status open_files(toy *t, const char *dir) {
    vfs *v = t->env->fs;
    char path[TOY_PATH_MAX];
    snprintf(path, sizeof path, "%s/LOCK", dir);
    TRY(v->ops->lock(v, path, &t->lock));
    snprintf(path, sizeof path, "%s/toy.log", dir);
    TRY(vfs_open(v, path, VFS_READ | VFS_WRITE | VFS_CREATE, &t->file));
    if (toy_bug != TOY_NO_DIR_SYNC) TRY(v->ops->sync_dir(v, dir));
    return load(t);
}

static status toy_open(const engine_options *opt, engine **out) {
    toy *t = mem_zalloc(sizeof *t);
    t->base.ops = &ops;
    t->env = opt->env;
    t->failed = STATUS_OK;
    t->mem = engine_mem_new(opt, 77);
    status st = open_files(t, opt->dir);
    if (!status_ok(st)) {
        free_toy(t, true);
        *out = NULL;
        return st;
    }
    engine_mem_knobs(t->mem)->pending_permille = (unsigned)pending;
    *out = &t->base;
    return st;
}

static const setting_choice fsync_choices[] = {{"always", ENGINE_FSYNC_ALWAYS},
                                               {"everysec", ENGINE_FSYNC_EVERYSEC},
                                               {"no", ENGINE_FSYNC_NO},
                                               {NULL, 0}};
static const setting settings[] = {
    {.name = "appendfsync",
     .kind = SETTING_ENUM,
     .target = &toy_appendfsync,
     .default_value = "everysec",
     .choices = fsync_choices},
    {.name = "pending", .kind = SETTING_INT, .target = &pending, .default_value = "0", .max = 1000},
    {0}};

const engine_class toy_class = {.name = "toy", .open = toy_open, .settings = settings};
