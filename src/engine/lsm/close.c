/* close: an engine's end, clean or not.
 *
 * A clean end leaves nothing to be replayed: memtables become tables, here and now, and all of the
 * log goes. With very much in memory that would take too long to be waited for: then the log is
 * sealed and left, and the next start replays it. What fails on the way costs the next start time,
 * not data: it recovers as after a crash. */
#include "base/mem.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

#define CLOSE_BYTES                                                                                \
    ((uint64_t)512 << 20) /* of memtables that are flushed at a clean end, at most */

/* ---- a clean end --------------------------------------------------------------------------------
 */

/* Bytes of memtables. */
static uint64_t in_memory(const lsm *e) {
    uint64_t bytes = 0;
    CHECK(e->active);
    for (const memtable *m = e->active; m; m = m->older)
        bytes += memtable_bytes(m);
    return bytes;
}

/* Is everything in tables? */
static bool is_flushed(const lsm *e) {
    CHECK(!e->batch.open);
    return e->nfrozen == 0 && memtable_entries(e->active) == 0;
}

/* f becomes pending with the edit that is being collected. */
static void retire_log(lsm *e, logfile *f) {
    CHECK(f != e->log.active && f != e->log.sync_head);
    edit_retire(&e->meta.edit, f->number);
    retire_item item = {
        .number = f->number, .kinds = RETIRE_KIND(FILE_LOG), .gen = e->meta.gen, .file = f->file};
    retire_push(&e->retire, &item);
    f->file = NULL;
    lsm_log_drop(e, f);
}

/* The last file of the log is sealed; if tables have it all, no file of it is needed. Whoever opens
 * the store finds the mapping in the manifest. */
static status end_log(lsm *e) {
    if (e->log.next) {
        logfile *next = e->log.next;
        e->log.next = NULL;
        retire_log(e, next); /* made ahead in vain */
    }
    lsm_dbs_edit_map(e, chain_log_end(&e->log));
    bool flushed = is_flushed(e);
    logfile *last = chain_end(&e->log);
    CHECK(last->state == LOGFILE_SEALED && last->end > FILE_HEADER);
    if (!flushed) chain_seal(&e->log, last);
    while (flushed && e->nlogs)
        retire_log(e, e->logs[0]);
    TRY(meta_wait(&e->meta, meta_commit(&e->meta)));
    if (!flushed) chain_cut(&e->log, last);
    return STATUS_OK;
}

/* Waits until what is retired is unlinked, or can't be. */
static void end_retiring(lsm *e) {
    retire_advance(&e->retire);
    e->env->aio->ops->drain(e->env->aio);
    if (e->meta.edit.ops.len == 0 || chain_is_dead(&e->log)) return;
    status s = meta_wait(&e->meta, meta_commit(&e->meta));
    if (!status_ok(s)) log_warning("Closing %s: %s", e->dir, s.msg);
    CHECK(!e->retire.doing);
}

/* In the order in which a crash at any point between costs least. */
static status end_cleanly(lsm *e) {
    /* what is acknowledged comes first; all that follows only saves the next start some work */
    TRY(chain_sync_all(&e->log));
    TRY(chain_end_preparing(&e->log));
    if (in_memory(e) <= CLOSE_BYTES) {
        status s = lsm_flush_now(e);
        if (!status_ok(s)) log_warning("Closing %s: %s", e->dir, s.msg);
        if (chain_is_dead(&e->log)) return e->log.failure;
    }
    TRY(end_log(e));
    end_retiring(e);
    return STATUS_OK;
}

/* ---- memory -------------------------------------------------------------------------------------
 */

/* Frees a list of memtables. */
static void free_memtables(memtable *m) {
    for (memtable *older; m; m = older) {
        older = m->older;
        CHECK(m->readers == 0);
        memtable_free(m);
    }
}

/* Frees all memory and closes the files; jobs first, as they hold tables and memtables. */
static void free_engine(lsm *e) {
    CHECK(e->current && e->blocks);
    supply_end(e);
    lsm_jobs_free(e);
    lsm_walks_end(e);
    lsm_prefetch_end(e);
    free_memtables(e->active);
    free_memtables(e->dying);
    logged_free(e);
    version_release(e->current);
    supply_free(e);
    lsm_dbs_free(e);
    retire_free(&e->retire);
    chain_free(&e->log);
    lsm_logs_free(e);
    meta_free(&e->meta);
    cache_free(e->blocks);
    mem_free(e->batch.undo);
    buf *const scratch[] = {&e->batch.bytes, &e->key,   &e->key2,  &e->cell,  &e->value,   &e->raw,
                            &e->packed,      &e->small, &e->whole, &e->plain, &e->last.key};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        buf_free(scratch[i]);
    mem_free(e->dir);
    mem_free(e);
}

/* Everything but the work of a clean end. */
void lsm_abandon(engine *base) {
    free_engine(lsm_of(base));
}

/* engine_close: jobs end first, as what they would install is not waited for. A close that fails
 * leaves what a crash would leave. */
void lsm_close(engine *base) {
    lsm *e = lsm_of(base);
    CHECK(!e->batch.open);
    lsm_jobs_end(e);
    e->env->aio->ops->drain(e->env->aio);
    status s = end_cleanly(e);
    if (!status_ok(s)) log_warning("Closing %s: %s", e->dir, s.msg);
    e->env->aio->ops->drain(e->env->aio);
    free_engine(e);
}
