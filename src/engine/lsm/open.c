/* open: from a directory to an engine that has all that was promised.
 *
 *   1. engine/log/store: the lock, the manifest, names in the directory
 *   2. the manifest's tables, opened, are the first version; its mapping and totals are those as of
 *      `flushed`
 *   3. the log's records from there on are done again, in order (replay.c); memtables are frozen
 *      where they are full. Where the log ends is engine/log/recover's to find, and damage to what
 *      was acknowledged is a refusal
 *   4. the end of the log is made durable and sealed, and the log goes on in a new file: one edit,
 *      which has the mapping too, so that nothing of the old log is needed but what tables lack
 *
 * Until 4 nothing but step 1's unlinking of what was pending has changed a file. A crash anywhere
 * is met by the next start in the same way. Tables are not read but for their tops: a start takes
 * time with what was written since the last flush, and with nothing else. */
#include "engine/lsm/open.h"

#include "base/mem.h"
#include "engine/log/recover.h"
#include "engine/log/store.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"
#include "engine/lsm/space.h"

#include <stdio.h>
#include <sys/resource.h>

#define TELL_BYTES (1u << 20)
/* Tables that have their file open at a time. */
#define OPEN_LEAST 64
#define OPEN_MOST  4096

typedef struct opening {
    lsm *e;
    recovery log;
    uint64_t done, total, told; /* bytes of the log */
} opening;

/* ---- what the log asks --------------------------------------------------------------------------
 */

/* calls.rotated: the memtable's positions of the open batch are of the new file. */
static void rotated(void *ctx, logfile *old, logfile *now, const logwrite_moved *moved) {
    lsm *e = ctx;
    CHECK(old->number < now->number);
    if (e->batch.open) lsm_batch_moved(e, moved->from, moved->to);
}

/* calls.sealed, calls.advanced */
static void advanced(void *ctx) {
    lsm_jobs_advance(ctx);
}

static const chain_calls log_calls = {
    .make = lsm_log_make,
    .drop = lsm_log_drop,
    .rotated = rotated,
    .sealed = advanced,
    .advanced = advanced,
    .keeps = space_keep,
};

/* A file of the log, or a table. */
static bool is_live(const manifest_state *m, unsigned kind, uint32_t number) {
    CHECK(number > 0);
    if (kind == FILE_LOG) return manifest_state_find(m, number) >= 0;
    return kind == FILE_TABLE && manifest_tables_find(&m->tables, number) != NULL;
}
static const store_kind lsm_store = {.engine = "lsm", .is_live = is_live};

/* ---- tables ------------------------------------------------------------------------------------
 */

/* The first version. Of those opened when one fails none is kept. */
static status open_tables(lsm *e) {
    const manifest_tables *tables = &meta_state(&e->meta)->tables;
    table_ref **refs = mem_zalloc((tables->n + 1) * sizeof *refs);
    version_change c = {.add = refs};
    status s = STATUS_OK;
    const manifest_table *m = manifest_tables_after(tables, 0);
    for (; m && status_ok(s); m = manifest_tables_after(tables, m->number)) {
        CHECK(c.nadd < tables->n);
        if (m->recency >= e->recency) e->recency = m->recency + 1;
        if (m->level >= LSM_LEVELS)
            s = status_make(ST_CORRUPT, "%s: table %u is in level %u", e->dir, m->number, m->level);
        if (status_ok(s)) s = table_ref_open(e->fs, e->dir, e->store_id, m, &refs[c.nadd]);
        if (!status_ok(s)) break;
        table_shelve(refs[c.nadd++]->t, &e->shelf);
    }
    if (status_ok(s)) {
        CHECK(c.nadd == tables->n);
        version *empty = e->current;
        e->current = version_after(empty, &c);
        version_release(empty);
    } else {
        for (size_t i = 0; i < c.nadd; i++)
            table_ref_release(refs[i]);
    }
    mem_free(refs);
    return s;
}

/* ---- the log ------------------------------------------------------------------------------------
 */

/* For recover_replay: each record of whole batches, and from time to time a word to the host. */
static status replay_record(void *ctx, logfile *f, const logscan_item *item) {
    opening *o = ctx;
    const engine_host *h = &o->e->host;
    o->done += item->rec.size;
    if (o->done - o->told >= TELL_BYTES && h->loading) {
        o->told = o->done;
        h->loading(h->ctx, o->done < o->total ? o->done : o->total, o->total);
    }
    return lsm_replay(o->e, &item->rec, logfile_pos(f, item->offset));
}

/* Step 3. */
static status replay_log(opening *o) {
    lsm *e = o->e;
    recovery *r = &o->log;
    CHECK(!e->log.tail && e->active);
    TRY(recover_files(r, &e->log));
    for (uint32_t i = 0; i < r->n; i++)
        o->total += r->files[i]->end ? r->files[i]->end : (uint64_t)log_conf.segment_size;
    if (r->n > 0) TRY(recover_replay(r, 0, r->n, replay_record, o));
    e->stats.recovery_cut = r->cut;
    CHECK(!e->batch.open);
    return STATUS_OK;
}

/* recover_calls.retired: a file without records, or behind the log's end. */
static void retired(void *ctx, logfile *f, uint64_t gen) {
    lsm *e = ctx;
    CHECK(!e->log.active);
    retire_item item = {
        .number = f->number, .kinds = RETIRE_KIND(FILE_LOG), .gen = gen, .file = f->file};
    retire_push(&e->retire, &item);
    f->file = NULL;
    lsm_log_drop(e, f);
}

/* recover_calls.begins */
static void begins(void *ctx, log_pos at) {
    lsm_dbs_edit_map(ctx, at);
}

/* ---- all of it ----------------------------------------------------------------------------------
 */

/* The steps above, in order. */
static status open_store(opening *o, const engine_options *opt) {
    static const recover_calls calls = {.retired = retired, .begins = begins};
    lsm *e = o->e;
    TRY(store_open(&e->meta, &lsm_store, opt));
    const manifest_state *m = meta_state(&e->meta);
    CHECK(m->cluster == opt->cluster);
    e->store_id = m->store_id;
    e->cluster = m->cluster;
    e->hash = m->key;
    e->slot_of = opt->cluster ? opt->slot_of : NULL;
    e->flushed = m->flushed;
    TRY(open_tables(e));
    TRY(lsm_dbs_load(e));
    space_look(e);
    TRY(replay_log(o));
    TRY(lsm_dbs_complete(e, (uint32_t)opt->databases));
    e->active->first_coll = e->meta.ids[MANIFEST_IDS_COLL].next;
    TRY(recover_begin(&o->log, &calls, e));
    logwrite_set_heir(e->log.tail, &e->logged.heir);
    return STATUS_OK;
}

/* Tables may have a quarter of the descriptors that the process may. */
static unsigned open_limit(void) {
    struct rlimit limit;
    if (lsm_limit.open_tables > 0) return (unsigned)lsm_limit.open_tables;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return OPEN_LEAST;
    CHECK(limit.rlim_cur > 0);
    rlim_t part = limit.rlim_cur / 4;
    return part < OPEN_LEAST ? OPEN_LEAST : part > OPEN_MOST ? OPEN_MOST : (unsigned)part;
}

/* Of a table that a compaction has replaced: nobody reads its blocks any more, however often they
 * were read of late. */
static bool block_is_dead(void *ctx, uint64_t pos) {
    lsm *e = ctx;
    if (!e->meta.m) return false;
    return manifest_tables_find(&meta_state(&e->meta)->tables, log_pos_file(pos)) == NULL;
}

/* An engine with nothing in it. */
static lsm *new_engine(const engine_options *opt) {
    lsm *e = mem_zalloc(sizeof *e);
    e->base.ops = &lsm_ops;
    e->env = opt->env;
    e->fs = opt->env->fs;
    e->dir = mem_strdup(opt->dir);
    e->host = opt->host;
    e->error = STATUS_OK;
    meta_init(&e->meta, e->env, e->dir);
    retire_init(&e->retire, &e->meta);
    chain_init(&e->log, &e->meta, &e->retire, opt->host, FILE_LOG, true, &log_calls, e);
    e->active = memtable_new(1);
    logged_init(e);
    e->current = version_empty();
    e->shelf.limit = open_limit();
    supply_new(e);
    e->recency = 1;
    lsm_jobs_new(e);
    e->blocks = cache_new(lsm_cache_size(e));
    cache_set_dead(e->blocks, block_is_dead, e);
    e->sections[0] =
        (metric_section){.name = "Engine", .emit = lsm_emit, .ctx = e, .reset = lsm_reset};
    return e;
}

/* See engine_class. */
status lsm_open(const engine_options *opt, engine **out) {
    char msg[STATUS_MSG_MAX];
    *out = NULL;
    CHECK(opt->databases >= 1 && opt->databases <= ENGINE_DBS_MAX);
    opening o = {.e = new_engine(opt)};
    lsm *e = o.e;
    uint64_t began = lsm_now_us(e);
    status s = open_store(&o, opt);
    recover_free(&o.log);
    if (!status_ok(s)) {
        snprintf(msg, sizeof msg, "%s", s.msg);
        e->env->aio->ops->drain(e->env->aio);
        lsm_abandon(&e->base);
        return status_make(s.code, "%s", msg);
    }
    e->stats.recovery_ms = (lsm_now_us(e) - began) / 1000;
    CHECK(e->log.active && e->current);
    *out = &e->base;
    return STATUS_OK;
}
