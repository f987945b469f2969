/* flush: the oldest frozen memtable becomes a table of level 0, written by a child.
 *
 * One at a time and oldest first, so tables come in the order in which their contents were written.
 * A flush is installed when the log is durable up to the memtable's end: a table never shows what a
 * crash could take from the log. Its edit has the table, the position before which the log is not
 * needed any more, and the totals as of it: one commit point. Then the memtable goes, and so do the
 * log's files before that position.
 *
 * What the child leaves out is keep.h's to say; a memtable of which nothing is left is flushed by
 * an edit alone. A flush that fails is tried again after a while; meanwhile writes are slowed down.
 */
#include "base/mem.h"
#include "engine/lsm/jobs.h"
#include "engine/lsm/keep.h"

#include "engine/lsm/space.h"
#include <stdio.h>

#define TELL_RECORDS 4096
#define FAILED_US    2000000  /* after a failure: not before */
#define ROOM_US      10000000 /* so long it waits for room that it may not need */

/* ---- the child --------------------------------------------------------------------------------
 */

/* All of the memtable, in order. scratch: for what it left to the log. */
static status write_pairs(const flush_job *f, keeper *k, outputs *o, buf scratch[2]) {
    btree_iter it;
    uint64_t n = 0;
    bool more = btree_first(f->m->tree, &it);
    CHECK(f->m->flushing);
    while (more) {
        log_pos pos;
        slice key = btree_iter_key(&it), cell = memtable_cell(btree_iter_value(&it), &pos);
        keep_answer a = keeper_ask(k, key, cell);
        if (a.put && cell.data[0] == CELL_LOGGED)
            cell = logged_cell(f->job.e, cell, pos, &scratch[0], &scratch[1]);
        if (a.put) TRY(outputs_put(o, key, cell));
        more = a.skip ? btree_seek(f->m->tree, buf_slice(&k->skip_to), &it) : btree_next(&it);
        if (++n % TELL_RECORDS == 0) child_progress(n, f->job.total);
    }
    return outputs_end(o);
}

/* The child's whole life; it writes files and `out`, and changes nothing in memory. */
status flush_child_run(child_job *job, vfs *v, buf *out) {
    const flush_job *f = job->ctx;
    outputs o;
    keeper k;
    buf scratch[2] = {0};
    CHECK(f->m && f->v);
    outputs_init(&o, &f->job.spec, v);
    keeper_init(&k, f->job.e, v);
    keeper_older_levels(&k, f->v, -1);
    status s = write_pairs(f, &k, &o, scratch);
    if (status_ok(s)) job_result(&f->job, &o, 0, buf_slice(&k.whole), out);
    buf_free(&scratch[0]);
    buf_free(&scratch[1]);
    keeper_free(&k);
    outputs_free(&o);
    return s;
}

/* ---- the life of a flush ------------------------------------------------------------------------
 */

/* The next one to be flushed; NULL: none is frozen. */
static memtable *oldest(const lsm *e) {
    memtable *m = e->active->older;
    while (m && m->older)
        m = m->older;
    CHECK((m == NULL) == (e->nfrozen == 0));
    return m;
}

/* It is over. */
static void forget(lsm *e) {
    flush_job *f = e->jobs->flush;
    CHECK(f);
    f->m->flushing = false;
    version_release((version *)(uintptr_t)f->v);
    job_free(&f->job);
    mem_free(f);
    e->jobs->flush = NULL;
}

/* It can't be done now. */
static void failed(lsm *e, status s) {
    flush_job *f = e->jobs->flush;
    CHECK(!status_ok(s));
    if (!f->job.cancelled) {
        log_warning("Flushing a memtable: %s", s.msg);
        e->stats.flush_failures++;
        e->jobs->flush_after_us = lsm_now_us(e) + FAILED_US;
        e->jobs->flush_failed = s.code;
        snprintf(e->jobs->flush_error, sizeof e->jobs->flush_error, "%s", s.msg);
    }
    job_give_up(&f->job);
    forget(e);
}

/* From the child host, when the child has ended. */
static void child_done(child_job *job, status result, slice out) {
    flush_job *f = job->ctx;
    lsm *e = f->job.e;
    CHECK(e->jobs->flush == f && f->job.step == JOB_RUNNING && !e->batch.open);
    if (status_ok(result)) result = job_take_result(&f->job, out, 0, e->recency);
    if (status_ok(result)) {
        pace_flushed(&e->jobs->pace, memtable_bytes(f->m), lsm_now_us(e) - f->job.began_us);
        flush_advance(e);
    } else {
        failed(e, result);
    }
}

/* For INFO. */
static void child_told(child_job *job, uint64_t done, uint64_t total) {
    lsm_job *j = &((flush_job *)job->ctx)->job;
    CHECK(j->step == JOB_RUNNING);
    j->read = done;
    j->total = total;
}

/* Takes names for the tables; nearly always one that is there already. */
static flush_job *begin(lsm *e, memtable *m) {
    flush_job *f = mem_zalloc(sizeof *f);
    CHECK(!e->jobs->flush && !m->flushing && m != e->active && m->end > 0);
    job_init(&f->job, e, "flush");
    f->m = m;
    m->flushing = true;
    f->v = version_keep(e->current);
    f->job.spec = job_spec(e, 0, (uint64_t)lsm_limit.flush_table);
    f->job.total = memtable_entries(m);
    f->job.child.run = flush_child_run;
    f->job.child.urgent = true; /* memory waits for it, and soon writers do */
    f->job.child.done = child_done;
    f->job.child.progress = child_told;
    f->job.child.ctx = f;
    e->jobs->flush = f;
    /* one that came to nothing still moves the log's end of what is needed */
    if (memtable_entries(m) == 0)
        f->job.step = JOB_SETTLING;
    else
        job_take_names(&f->job, (uint32_t)(memtable_bytes(m) / f->job.spec.limit) + 2);
    return f;
}

/* The log is to be durable up to the memtable's end: what is written of it is synced at once, the
 * rest at the latest with a cron. */
static void hurry_log(lsm *e, const memtable *m) {
    CHECK(!e->batch.open);
    if (chain_durable(&e->log) >= m->end) return;
    e->log.want_sync = true;
    if (chain_durable(&e->log) < logwrite_whole(e->log.tail)) chain_sync_start(&e->log, true);
}

/* The edit, once the log is durable that far. */
static void settle(lsm *e, flush_job *f) {
    CHECK(f->job.step == JOB_SETTLING && f->m == oldest(e));
    hurry_log(e, f->m);
    if (chain_durable(&e->log) < f->m->end) return;
    job_edit(&f->job);
    edit_durable(&e->meta.edit, chain_durable(&e->log));
    lsm_dbs_flushed(e, f->m);
    f->job.step = JOB_INSTALLING;
    f->job.gen = meta_commit(&e->meta);
}

/* The edit is durable. */
static void installed(lsm *e, flush_job *f) {
    memtable *m = f->m;
    uint64_t us = lsm_now_us(e) - f->job.began_us;
    CHECK(m == oldest(e) && m->end >= e->flushed && m->end <= chain_durable(&e->log));
    job_install(&f->job, NULL, 0);
    e->flushed = m->end;
    e->recency++;
    e->jobs->flush_failed = ST_OK;
    e->stats.flushes++;
    e->stats.flush_bytes += f->job.written;
    e->stats.last_flush_ms = us / 1000;
    forget(e);
    lsm_unfreeze(e, m);
    lsm_logs_retire(e);
}

/* Writers wait for a flush that is slow; for one that fails again and again they would wait for
 * ever, or memory would grow without bound: they are refused. Deletes go on. */
status flush_room(const lsm *e) {
    const struct lsm_jobs *js = e->jobs;
    CHECK(js != NULL);
    if (e->nfrozen < LSM_FROZEN_MAX || js->flush_failed == ST_OK) return STATUS_OK;
    if (memtable_bytes(e->active) < lsm_memtable_size(e)) return STATUS_OK;
    status_code code = js->flush_failed == ST_NO_SPACE ? ST_NO_SPACE : ST_IO;
    return status_make(code, "What is in memory can't be flushed: %s", js->flush_error);
}

/* As many steps as can be made now. */
void flush_advance(lsm *e) {
    flush_job *f = e->jobs->flush;
    if (!f || e->batch.open || chain_is_dead(&e->log)) return;
    bool named = f->job.step == JOB_NAMING && meta_is_durable(&e->meta, f->job.gen);
    if (named && !e->jobs->closing) {
        if (logged_in_tail(e, f->m)) return; /* the child would not have it */
        version_release((version *)(uintptr_t)f->v);
        f->v = version_keep(e->current);
        /* by the time it is written, the log should be durable that far */
        hurry_log(e, f->m);
        status s = job_start(&f->job);
        if (!status_ok(s)) failed(e, s);
        return;
    }
    if (f->job.step == JOB_SETTLING) settle(e, f);
    if (f->job.step == JOB_INSTALLING && meta_is_durable(&e->meta, f->job.gen)) installed(e, f);
}

/* Waits the oldest memtable for room on the disk? Its table may be small, so after a while it is
 * tried all the same. */
static bool waits_for_room(lsm *e) {
    struct lsm_jobs *js = e->jobs;
    uint64_t now = lsm_now_us(e);
    CHECK(e->nfrozen > 0);
    bool has = space_has_flush(e, oldest(e));
    if (!has && js->room_us == 0) js->room_us = now;
    if (!has && now < js->room_us + ROOM_US) return true;
    js->room_us = 0;
    return false;
}

/* Starts the next one. */
void flush_cron(lsm *e) {
    struct lsm_jobs *js = e->jobs;
    CHECK(!e->batch.open);
    flush_advance(e);
    if (js->flush || js->closing || !e->nfrozen || chain_is_dead(&e->log)) return;
    if (lsm_now_us(e) < js->flush_after_us || waits_for_room(e)) return;
    begin(e, oldest(e));
    flush_advance(e);
}

/* No child is left: what it wrote is unlinked by the next start. */
void flush_end(lsm *e) {
    flush_job *f = e->jobs->flush;
    child_host *h = e->env->children;
    if (!f) return;
    if (f->job.step == JOB_RUNNING) {
        f->job.cancelled = true;
        h->ops->kill(h, &f->job.child);
        while (e->jobs->flush && e->jobs->flush->job.step == JOB_RUNNING)
            h->ops->poll(h);
    }
    f = e->jobs->flush;
    if (!f) return;
    if (f->job.step == JOB_INSTALLING) {
        status s = meta_wait(&e->meta, f->job.gen);
        if (!status_ok(s)) log_warning("Installing a flush: %s", s.msg);
        flush_advance(e);
        e->jobs->undecided = e->jobs->flush != NULL;
    }
    if (e->jobs->flush) forget(e);
    CHECK(!e->jobs->flush);
}

/* For an engine that is dropped. */
void flush_free(lsm *e) {
    if (e->jobs->flush) forget(e);
    CHECK(!e->jobs->flush);
}

/* One memtable, in this process. */
static status flush_here(lsm *e, memtable *m) {
    buf result = {0};
    flush_job *f = begin(e, m);
    status s = meta_wait(&e->meta, f->job.gen);
    if (status_ok(s) && f->job.step == JOB_NAMING) {
        f->job.spec.numbers = f->job.names;
        f->job.spec.n = f->job.nnames;
        f->job.step = JOB_RUNNING;
        s = flush_child_run(&f->job.child, e->fs, &result);
        if (status_ok(s)) s = job_take_result(&f->job, buf_slice(&result), 0, e->recency);
    }
    buf_free(&result);
    if (!status_ok(s)) {
        failed(e, s);
        return s;
    }
    CHECK(chain_durable(&e->log) >= m->end);
    settle(e, f);
    s = meta_wait(&e->meta, f->job.gen);
    if (status_ok(s) && e->jobs->flush == f) flush_advance(e);
    if (e->jobs->flush) forget(e);
    return s;
}

/* The log is durable first; memtables go oldest first. */
status lsm_flush_now(lsm *e) {
    CHECK(!e->batch.open && !e->jobs->flush && e->jobs->closing);
    if (e->jobs->undecided)
        return status_make(ST_NO_SPACE, "the manifest has no room for what was flushed");
    TRY(chain_sync_all(&e->log));
    lsm_freeze(e, chain_log_end(&e->log));
    while (e->nfrozen)
        TRY(flush_here(e, oldest(e)));
    return STATUS_OK;
}
