/* logs: the files of the write-ahead log, oldest first, and their end: a file goes when all of its
 * records are in tables (the manifest says up to where: FLUSHED) and its length is in the manifest.
 *
 *   [ file 3 ][ file 7 ][ file 9 .....      numbers ascend, so positions do
 *       goes      ^ e->flushed: replay begins here
 */
#include "base/mem.h"
#include "engine/lsm/lsm_int.h"

/* For the chain: a file of that number is coming, behind all others. */
logfile *lsm_log_make(void *ctx, uint32_t number) {
    lsm *e = ctx;
    CHECK(e->nlogs == 0 || e->logs[e->nlogs - 1]->number < number);
    logfile *f = mem_zalloc(sizeof *f);
    f->number = number;
    e->logs = mem_realloc(e->logs, (e->nlogs + 1) * sizeof(logfile *));
    e->logs[e->nlogs++] = f;
    return f;
}

/* Closes and frees it. */
static void free_log(logfile *f) {
    CHECK(f->number > 0);
    if (f->file) {
        status s = f->file->ops->close(f->file);
        if (!status_ok(s)) log_warning("Closing log file %u: %s", f->number, s.msg);
    }
    mem_free(f);
}

/* For the chain, and for recovery: it is none of the log's any more. */
void lsm_log_drop(void *ctx, logfile *f) {
    lsm *e = ctx;
    uint32_t i = 0;
    while (i < e->nlogs && e->logs[i] != f)
        i++;
    CHECK(i < e->nlogs);
    e->nlogs--;
    memmove(e->logs + i, e->logs + i + 1, (e->nlogs - i) * sizeof *e->logs);
    free_log(f);
}

/* May f go? */
static bool is_over(const lsm *e, const logfile *f) {
    CHECK(f->number > 0);
    return f->state == LOGFILE_SEALED && logfile_is_logged(f, &e->meta) && f != e->log.sync_head &&
           logfile_pos(f, f->end) <= e->flushed;
}

/* The oldest ones, in one edit. */
void lsm_logs_retire(lsm *e) {
    uint32_t n = 0;
    if (chain_is_dead(&e->log)) return;
    while (n < e->nlogs && is_over(e, e->logs[n]))
        n++;
    if (n == 0) return;
    CHECK(e->flushed <= chain_durable(&e->log));
    for (uint32_t i = 0; i < n; i++)
        edit_retire(&e->meta.edit, e->logs[i]->number);
    edit_durable(&e->meta.edit, chain_durable(&e->log));
    uint64_t gen = meta_commit(&e->meta);
    for (uint32_t i = 0; i < n; i++) {
        logfile *f = e->logs[i];
        CHECK(f != e->log.active && logfile_pos(f, f->end) <= e->flushed);
        retire_push(&e->retire, &(retire_item){.number = f->number,
                                               .kinds = RETIRE_KIND(FILE_LOG),
                                               .gen = gen,
                                               .file = f->file});
        mem_free(f);
    }
    e->nlogs -= n;
    memmove(e->logs, e->logs + n, e->nlogs * sizeof *e->logs);
    retire_advance(&e->retire);
}

/* At an end. */
void lsm_logs_free(lsm *e) {
    CHECK(e->logs || e->nlogs == 0);
    while (e->nlogs)
        free_log(e->logs[--e->nlogs]);
    mem_free(e->logs);
    e->logs = NULL;
}
