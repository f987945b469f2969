/* jobs: the wiring: what cron, a durable edit and the end mean for flushes and compactions.
 *
 * Flushes first, as writers may wait for them; then what makes room by an edit alone; then
 * compactions. */
#include "engine/lsm/jobs.h"
#include "base/mem.h"
#include "engine/lsm/space.h"

#define FULL_PART 8       /* of a log's file: worth a flush when the disk is full */
#define HURRY_US  1000000 /* a few tombstones are flushed no more often, then */

/* Nothing runs. */
void lsm_jobs_new(lsm *e) {
    CHECK(!e->jobs);
    e->jobs = mem_zalloc(sizeof *e->jobs);
    pace_init(&e->jobs->pace);
}

/* A full disk wants the log's files back soon, and deletes in tables, where they give back what
 * they delete: news is bytes of the log that are not in tables. */
static bool is_hurry(lsm *e, uint64_t news) {
    struct lsm_jobs *js = e->jobs;
    uint64_t now = lsm_now_us(e);
    CHECK(!e->nfrozen);
    if (memtable_entries(e->active) == 0 || !space_is_tight(e)) return false;
    if (news >= (uint64_t)log_conf.segment_size / FULL_PART) return true;
    if (e->active->tombstones == 0 || now < js->hurry_us + HURRY_US) return false;
    js->hurry_us = now;
    return true;
}

/* What is written over and over fills the log and no memtable: then the log's length is a reason to
 * flush, too. */
static void bound_log(lsm *e) {
    uint64_t bytes = 0, size = (uint64_t)log_conf.segment_size;
    log_pos end = chain_log_end(&e->log);
    CHECK(e->nlogs > 0);
    if (e->nfrozen || e->jobs->flush || chain_is_dead(&e->log)) return;
    for (uint32_t i = 0; i < e->nlogs; i++)
        if (e->logs[i]->state == LOGFILE_SEALED) bytes += e->logs[i]->end;
    bool same = log_pos_file(e->flushed) == log_pos_file(end);
    uint64_t news = bytes + log_pos_offset(end) - (same ? log_pos_offset(e->flushed) : 0);
    if (bytes > 2 * lsm_memtable_size(e) + size || is_hurry(e, news)) lsm_switch(e);
}

/* Ten times a second. */
void lsm_jobs_cron(lsm *e) {
    CHECK(e->jobs && !e->batch.open);
    if (e->jobs->closing) return;
    flush_cron(e);
    lsm_logs_retire(e);
    bound_log(e);
    job_drop_advance(e);
    if (!chain_is_dead(&e->log)) job_drop_dead(e);
    compact_cron(e);
    quiet_cron(e);
    pace_cron(e);
    sizes_cron(e);
}

/* At the end of each turn, so that writers need not wait for a cron when a memtable is full. */
void lsm_jobs_turn(lsm *e) {
    CHECK(!e->batch.open);
    if (e->nfrozen && !e->jobs->closing) flush_cron(e);
}

/* What waited for an edit, or for the log. A batch sees nothing move: its end's cron does it. */
void lsm_jobs_advance(lsm *e) {
    if (!e->jobs || e->batch.open) return;
    CHECK(e->current != NULL);
    flush_advance(e);
    job_drop_advance(e);
    compact_advance(e);
}

/* What is being installed is waited for, what runs is ended. */
void lsm_jobs_end(lsm *e) {
    CHECK(!e->batch.open);
    e->jobs->closing = true;
    flush_end(e);
    compact_end(e);
    if (e->jobs->drop.e) {
        status s = meta_wait(&e->meta, e->jobs->drop.gen);
        if (!status_ok(s)) log_warning("Dropping tables: %s", s.msg);
        job_drop_advance(e);
    }
}

/* Children are gone, or never end: their jobs' memory is all there is. */
void lsm_jobs_free(lsm *e) {
    struct lsm_jobs *js = e->jobs;
    if (!js) return;
    flush_free(e);
    compact_free(e);
    if (js->drop.e) job_free(&js->drop);
    CHECK(!js->flush && js->ncompact == 0);
    buf_free(&js->spare);
    mem_free(js);
    e->jobs = NULL;
}
