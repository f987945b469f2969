/* bitcask: opening and closing, and the table of functions of the engine.
 *
 * Opening takes the directory's lock, reads or creates the manifest, checks that the store is of
 * this engine and this mode, and recovers (recover.c). Closing writes and fsyncs all there is, and
 * leaves every segment sealed with a hint beside it, so that the next start reads no values. */
#include "base/slow.h"
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/derive.h"
#include "engine/bitcask/jobs.h"
#include "engine/bitcask/ops.h"
#include "engine/bitcask/recover.h"
#include "engine/log/store.h"

#include <stdio.h>

/* Room that the arena keeps, in chunks, for what is done between two looks at it. */
#define INDEX_SPARE ((uint64_t)256 << 20)

/* Messages live in a ring that the next ones overwrite, so it is copied. */
engine_result bc_error(bitcask *e, status s) {
    CHECK(!status_ok(s));
    snprintf(e->error_msg, sizeof e->error_msg, "%s", s.msg);
    e->error = (status){s.code, e->error_msg};
    return ENGINE_ERROR;
}

/* DIR and the file's name. */
status bc_path(const bitcask *e, unsigned kind, uint32_t number, char out[FILE_PATH_MAX]) {
    CHECK(kind == FILE_SEGMENT || kind == FILE_HINT);
    CHECK(e->dir && number > 0);
    return file_path(out, e->dir, kind, number);
}

/* For what must not take too long, and for statistics: never for what data means. */
uint64_t bc_now_us(bitcask *e) {
    clock_refresh(e->env->clock);
    return e->env->clock->mono_us;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

/* A segment, or the hint of one. */
static bool is_live(const manifest_state *m, unsigned kind, uint32_t number) {
    CHECK(number > 0);
    return (kind == FILE_SEGMENT || kind == FILE_HINT) && manifest_state_find(m, number) >= 0;
}
static const store_kind bitcask_store = {.engine = "bitcask", .is_live = is_live};

/* Locks, reads, recovers. */
static status open_store(bitcask *e, const engine_options *opt) {
    TRY(store_open(&e->meta, &bitcask_store, opt));
    const manifest_state *m = meta_state(&e->meta);
    CHECK(m->cluster == opt->cluster);
    CHECK(e->meta.store_id != 0); /* every header is checked against it */
    e->cluster = m->cluster;
    e->shared.hash = m->key;
    e->shared.slot_of = opt->cluster ? opt->slot_of : NULL;
    return recover(e, (uint32_t)opt->databases);
}

/* An engine with nothing in it. */
static bitcask *new_engine(const engine_options *opt) {
    bitcask *e = mem_zalloc(sizeof *e);
    e->base.ops = &bitcask_ops;
    e->env = opt->env;
    e->fs = opt->env->fs;
    e->dir = mem_strdup(opt->dir);
    e->host = opt->host;
    e->derive = opt->derive;
    e->shared.arena = arena_new(ARENA_MAX);
    e->pdbs = dict_new(false);
    e->values = cache_new((uint64_t)bitcask_conf.value_cache_size);
    e->fetch = fetch_new(&e->base, opt->env);
    e->error = STATUS_OK;
    meta_init(&e->meta, e->env, e->dir);
    retire_init(&e->retire, &e->meta);
    chain_init(&e->log, &e->meta, &e->retire, opt->host, FILE_SEGMENT, false, &seg_chain_calls, e);
    e->sections[0] =
        (metric_section){.name = "Engine", .emit = bc_emit, .ctx = e, .reset = bc_reset};
    return e;
}

/* Opens the store. */
static status bitcask_open(const engine_options *opt, engine **out) {
    char msg[STATUS_MSG_MAX];
    *out = NULL;
    CHECK(opt->databases >= 1 && opt->databases <= ENGINE_DBS_MAX);
    bitcask *e = new_engine(opt);
    uint64_t began = bc_now_us(e);
    status s = open_store(e, opt);
    if (!status_ok(s)) {
        snprintf(msg, sizeof msg, "%s", s.msg);
        e->env->aio->ops->drain(e->env->aio);
        bitcask_abandon(&e->base);
        return status_make(s.code, "%s", msg);
    }
    e->stats.recovery_ms = (bc_now_us(e) - began) / 1000;
    CHECK(e->log.active && e->log.tail);
    *out = &e->base;
    return STATUS_OK;
}

/* ---- closing ----------------------------------------------------------------------------------
 */

/* Frees all memory and closes the files. */
static void free_engine(bitcask *e) {
    size_t pos = 0;
    slice key;
    void *value;
    CHECK(!e->merge && !e->hints);
    derive_free(e);
    while (pdb_free_some(e) || e->pdb_drops)
        continue;
    for (coll *c = e->coll_drops, *next; c; c = next) {
        next = c->next;
        coll_free(c);
    }
    CHECK(!e->pdb_drops);
    while (dict_next(e->pdbs, &pos, &key, &value))
        pdb_free(value);
    dict_free(e->pdbs, NULL);
    for (uint32_t i = 0; i < e->nslots; i++) {
        if (!e->slots[i]) continue;
        e->slots[i]->live = 0; /* the entries that made it so are gone without a word */
        seg_free(e, e->slots[i]);
    }
    mem_free(e->slots);
    mem_free(e->order);
    mem_free(e->map);
    fetch_free(e->fetch);
    retire_free(&e->retire);
    chain_free(&e->log);
    cache_free(e->values);
    arena_free(e->shared.arena);
    meta_free(&e->meta);
    mem_free(e->batch.undo);
    buf_free(&e->batch.bytes);
    buf_free(&e->packed);
    buf_free(&e->raw);
    buf_free(&e->plain);
    buf_free(&e->sub);
    mem_free(e->dir);
    mem_free(e);
}

/* Everything but the work of a clean end. */
void bitcask_abandon(engine *base) {
    bitcask *e = bitcask_of(base);
    if (e->merge) merge_free(e);
    CHECK(!e->hints);
    free_engine(bitcask_of(base));
}

/* engine_close: jobs end first, as sealing, hints and retiring want segments that nobody reads. A
 * close that fails leaves what a crash would leave. */
void bc_close(engine *base) {
    bitcask *e = bitcask_of(base);
    CHECK(!e->log.open);
    merge_end(e);
    hint_end(e);
    e->env->aio->ops->drain(e->env->aio);
    status s = seg_close(e);
    CHECK(!e->merge && !e->hints); /* nobody reads the segments that are sealed now */
    if (!status_ok(s)) log_warning("Closing %s: %s", e->dir, s.msg);
    e->env->aio->ops->drain(e->env->aio);
    free_engine(e);
}

/* ---- from outside ------------------------------------------------------------------------------
 */

/* engine_room: the index has a largest size too. */
status bc_room(engine *base, size_t bytes) {
    const bitcask *e = bitcask_of(base);
    if (bytes > 0 && e->index_full && !chain_is_dead(&e->log))
        return status_make(ST_NO_SPACE, "No space left in the index: it has its largest size");
    return chain_room(&e->log, bytes);
}

/* engine_turn_end: see engine/log/commit.c, as for the next ones. */
void bc_turn_end(engine *base) {
    bitcask *e = bitcask_of(base);
    fetch_kick(e->fetch);
    chain_turn_end(&e->log);
    CHECK(chain_durable(&e->log) <= chain_log_end(&e->log));
    CHECK(chain_released(&e->log) <= chain_log_end(&e->log));
}

void bc_sync_soon(engine *base) {
    bitcask *e = bitcask_of(base);
    CHECK(e->log.tail && chain_durable(&e->log) <= chain_log_end(&e->log));
    e->log.sync_soon = true;
}

/* engine_sync. */
status bc_sync(engine *base) {
    return chain_sync_all(&bitcask_of(base)->log);
}

/* engine_log_end: the open batch included. */
log_pos bc_log_end(engine *base) {
    return chain_log_end(&bitcask_of(base)->log);
}

/* engine_released. */
log_pos bc_released(engine *base) {
    return chain_released(&bitcask_of(base)->log);
}

/* engine_durable: after a failed fsync it stays where it was. */
log_pos bc_durable(engine *base) {
    return chain_durable(&bitcask_of(base)->log);
}

/* engine_failed: ok until chain_fail(). */
status bc_failed(engine *base) {
    return bitcask_of(base)->log.failure;
}

/* engine_cron: everything that is begun at some time and not by some command. The log first, as
 * much of the rest waits for it. */
void bc_cron(engine *base) {
    bitcask *e = bitcask_of(base);
    CHECK(!e->log.open);
    chain_cron(&e->log);
    CHECK(chain_durable(&e->log) <= chain_log_end(&e->log));
    dbs_checkpoint(e);
    seg_retire_dead(e);
    merge_cron(e);
    hint_cron(e);
    index_pages_cron(e);
    e->index_full = arena_left(e->shared.arena) < INDEX_SPARE;
    bc_cache_cron(e);
    cache_pages_cron(&e->value_pages, e->values, e->env->aio);
    chain_tell(&e->log);
}

/* engine_background: dropped things are freed, derived maps made that a start has left, a merge is
 * applied, the cache gives memory back; small slices of each in turn, until the time is used up. */
bool bc_background(engine *base, uint64_t budget_us) {
    bitcask *e = bitcask_of(base);
    CHECK(!e->log.open);
    uint64_t until = bc_now_us(e) + budget_us;
    bool more;
    do {
        more = coll_free_some(e) || pdb_free_some(e);
        more = derive_some(e) || more;
        uint64_t begun = slow_begin();
        more = merge_background(e) || more;
        slow_end("merge-apply", begun);
        more = cache_trim(e->values) || more;
    } while (more && bc_now_us(e) < until);
    return more || chain_behind(&e->log);
}

/* engine_memory: the arena counts as index with all that it keeps vacant; buffers are the log's
 * tail, what the last large values left allocated, what was read for those who wait, what making
 * derived maps needs, and a merge's marks. */
void bc_memory(engine *base, uint64_t *index, uint64_t *caches, uint64_t *buffers) {
    bitcask *e = bitcask_of(base);
    cache_stats c;
    cache_stats_of(e->values, &c);
    *index = arena_bytes(e->shared.arena) + bc_tree_bytes(e);
    *caches = c.bytes;
    *buffers = logwrite_memory(e->log.tail) + e->batch.bytes.cap + e->raw.cap + e->plain.cap +
               e->packed.cap + fetch_memory(e->fetch) + derive_memory(e) + merge_marks_bytes(e);
}

/* engine_reader_end. */
void bc_reader_end(engine *base, engine_reader *r) {
    fetch_end(bitcask_of(base)->fetch, r);
}

/* engine_error: the copy that bc_error() made. */
status bc_last_error(engine *base) {
    return bitcask_of(base)->error;
}

/* Made with the engine (new_engine); metrics.c writes the lines. */
static const metric_section *bitcask_metrics(engine *e) {
    return bitcask_of(e)->sections;
}

const engine_ops bitcask_ops = {
    .name = "bitcask",
    .counted = true,
    .close = bc_close,
    /* main entries: entries.c, expire.c */
    .get = bc_get,
    .meta = bc_meta,
    .put = bc_put,
    .del = bc_del,
    .move = bc_move,
    .set_access = bc_set_access,
    /* collections: maps.c */
    .coll_new = bc_coll_new,
    .coll_open = bc_coll_open,
    .map_get = bc_map_get,
    .map_put = bc_map_put,
    .map_del = bc_map_del,
    .map_count = bc_map_count,
    .map_seek = bc_map_seek,
    .map_end = bc_map_end,
    .map_step = bc_map_step,
    .map_rank = bc_map_rank,
    .map_select = bc_map_select,
    /* whole databases: dbs.c, entries.c */
    .flush = bc_flush,
    .swap = bc_swap,
    .db_stats = bc_db_stats,
    .scan = bc_scan,
    .token = bc_token,
    .prefetch = bc_prefetch,
    .random = bc_random,
    .due = bc_due,
    /* batches and the log: batch.c, commit.c */
    .begin = bc_begin,
    .commit = bc_commit,
    .abort = bc_abort,
    .room = bc_room,
    .turn_end = bc_turn_end,
    .sync_soon = bc_sync_soon,
    .log_end = bc_log_end,
    .released = bc_released,
    .durable = bc_durable,
    .failed = bc_failed,
    .sync = bc_sync,
    .background = bc_background,
    .cron = bc_cron,
    .compact = bc_compact,
    .memory = bc_memory,
    .relieve = bc_relieve,
    .reader_end = bc_reader_end,
    .budget = bc_budget,
    .error = bc_last_error,
    .check = bc_check,
};

const engine_class bitcask_class = {
    .name = "bitcask",
    .open = bitcask_open,
    .settings = bitcask_setting_table,
    .metrics = bitcask_metrics,
};
