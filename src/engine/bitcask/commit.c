/* commit: when the log is written, when it is fsynced, and what may be told to whom.
 *
 *            always                 everysec                         no
 *   written  at each turn's end     at each turn's end, but not while an fsync of the same file
 *                                   runs, for up to fsync-wait-max (then anyway)
 *   fsynced  at each turn's end     once a second, beside the      when a segment is sealed,
 *                                   thread; sooner if much waits   beside the thread
 *   released what is durable        what is written                what is written
 *
 * A failed write or fsync ends the log (B10): nothing is written again, `released` stays where it
 * is, what is not durable stays in memory and is read from there. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/ops.h"
#include "engine/bitcask/seglog.h"

#include <stdio.h>

#define SYNC_EVERY_US   1000000
#define SYNC_BYTES      (32u << 20) /* unsynced: the next fsync does not wait for its second */
#define FORGET_BYTES    (8u << 20)  /* at `no`: written bytes kept in memory */
#define WRITEBACK_BYTES (4u << 20)

/* Once, and for good (B10). */
void seglog_fail(bitcask *e, status s) {
    CHECK(!status_ok(s));
    if (seglog_is_dead(e)) return;
    snprintf(e->failure_msg, sizeof e->failure_msg, "%s", s.msg);
    e->failure = (status){ST_FAILED, e->failure_msg};
    e->tell = true;
    log_warning("The log takes no more writes, and its last ones may not survive: %s", s.msg);
}

/* Asked before anything is done to a file of the log. */
bool seglog_is_dead(const bitcask *e) {
    return e->failure.code != ST_OK;
}

/* What to tell whoever wanted to write. */
status seglog_failure(const bitcask *e) {
    return e->failure;
}

/* Kept for later while a batch is open: the host may want to read. */
void seglog_tell(bitcask *e) {
    if (!e->tell || e->batch.open) return;
    e->tell = false;
    if (e->host.released) e->host.released(e->host.ctx);
}

/* Moves `released` as far as the policy allows; it never goes back. */
static void seglog_release(bitcask *e) {
    CHECK(logwrite_durable(e->log) <= logwrite_written(e->log));
    if (seglog_is_dead(e)) return;
    bool always = bitcask_conf.appendfsync == ENGINE_FSYNC_ALWAYS;
    log_pos to = always ? logwrite_durable(e->log) : logwrite_written(e->log);
    if (to > e->released) e->released = to;
}

/* Has the system begin writing back what was written lately, so that the next fsync is short. */
static void seglog_writeback(bitcask *e) {
    log_pos end = logwrite_written(e->log);
    if (log_pos_file(e->writeback_from) != log_pos_file(end))
        e->writeback_from = log_pos_of(log_pos_file(end), 0);
    if (end - e->writeback_from < WRITEBACK_BYTES) return;
    CHECK(e->active && e->active->number == log_pos_file(end));
    e->fs->ops->writeback(e->active->file, log_pos_offset(e->writeback_from),
                          end - e->writeback_from);
    e->writeback_from = end;
}

/* Everything in one gathered write a file; the log ends if that fails. */
void seglog_write(bitcask *e) {
    CHECK(e->log);
    if (seglog_is_dead(e)) return;
    uint64_t bytes = 0;
    status s = logwrite_flush(e->log, &bytes);
    e->stats.written_bytes += bytes;
    if (!status_ok(s)) {
        seglog_fail(e, s);
        return;
    }
    if (bytes == 0) return;
    e->stats.writes++;
    if (bitcask_conf.appendfsync != ENGINE_FSYNC_ALWAYS) seglog_writeback(e);
    if (bitcask_conf.appendfsync == ENGINE_FSYNC_NO && logwrite_memory(e->log) > FORGET_BYTES)
        logwrite_forget(e->log, logwrite_written(e->log));
    seglog_release(e);
}

/* All before `to` is durable: segments that the log has left behind are sealed in the manifest. */
static void seglog_durable(bitcask *e, log_pos to) {
    CHECK(to <= logwrite_written(e->log));
    if (to > logwrite_durable(e->log)) logwrite_set_durable(e->log, to);
    bool sealed = false;
    while (e->sync_head != e->active && seg_pos(e->sync_head, e->sync_head->end) <= to) {
        segment *s = e->sync_head;
        CHECK(s->state != SEG_ACTIVE && s->end > FILE_HEADER);
        edit_seal(&e->meta.edit, s->number, s->end);
        s->seal_gen = e->meta.gen;
        e->sync_head = s->log_next;
        sealed = true;
    }
    if (sealed) {
        meta_commit(e);
        seg_consider_all(e);
    }
    seglog_release(e);
}

/* The position to which an fsync of the files up to and including `last` reaches. Of a file that
 * the log has left it is that file's end, not the next one's beginning: as a mark it must not
 * promise what the next file begins with. */
static log_pos seglog_sync_target(const bitcask *e, const segment *last) {
    return last == e->active ? logwrite_written(e->log) : seg_pos(last, last->end);
}

/* Files that the log has left are synced before the one it is in, so that what is durable has no
 * hole. */
void seglog_sync(bitcask *e) {
    CHECK(!e->batch.open && e->sync_head);
    if (e->fsync.busy) e->env->aio->ops->drain(e->env->aio);
    if (seglog_is_dead(e) || logwrite_durable(e->log) >= logwrite_written(e->log)) return;
    for (segment *s = e->sync_head;; s = s->log_next) {
        status st = s->file->ops->fdatasync(s->file);
        e->stats.fsyncs++;
        if (!status_ok(st)) {
            seglog_fail(e, st);
            return;
        }
        if (s == e->active) break;
    }
    seglog_durable(e, logwrite_written(e->log));
}

/* On a worker. */
static void fsync_run(aio_job *job) {
    fsync_job *f = AIO_OWNER(job, fsync_job, job);
    CHECK(f->n > 0);
    for (int i = 0; i < f->n; i++) {
        job->result = f->files[i]->ops->fdatasync(f->files[i]);
        if (!status_ok(job->result)) return;
    }
}

/* Done when no batch is open: a mark must not become due in its middle. */
void seglog_sync_ended(bitcask *e) {
    fsync_job *f = &e->fsync;
    if (!f->ended || e->batch.open) return;
    CHECK(f->busy);
    f->busy = f->ended = false;
    uint64_t took = bc_now_us(e) - f->started_us;
    if (took > e->stats.fsync_us_max) e->stats.fsync_us_max = took;
    if (!status_ok(f->job.result)) {
        seglog_fail(e, f->job.result);
        seglog_tell(e);
        return;
    }
    if (seglog_is_dead(e)) return;
    log_pos to = seglog_sync_target(e, f->last);
    seglog_durable(e, to < f->target ? to : f->target);
    if (f->waited) seglog_write(e); /* what waited for it goes at once */
    e->tell = true;
    seglog_tell(e);
}

/* On the thread. */
static void fsync_done(aio_job *job) {
    fsync_job *f = AIO_OWNER(job, fsync_job, job);
    f->ended = true;
    seglog_sync_ended(f->e);
}

/* As many files as a job takes, oldest first; the rest is for the next one. */
void seglog_sync_start(bitcask *e, bool active) {
    CHECK(!e->batch.open);
    fsync_job *f = &e->fsync;
    if (f->busy || seglog_is_dead(e)) return;
    f->n = 0;
    for (segment *s = e->sync_head; f->n < FSYNC_PARTS; s = s->log_next) {
        if (s == e->active && !active) break;
        f->files[f->n++] = s->file;
        f->last = s;
        if (s == e->active) break;
    }
    if (f->n == 0) return;
    f->target = seglog_sync_target(e, f->last);
    /* more may have been committed than written: an fsync covers what the files have */
    if (f->target > logwrite_written(e->log)) f->target = logwrite_written(e->log);
    f->active = f->last == e->active;
    f->waited = false;
    f->started_us = e->synced_us = bc_now_us(e);
    f->busy = true;
    f->job.run = fsync_run;
    f->job.done = fsync_done;
    f->e = e;
    e->stats.fsyncs++;
    aio_submit(e->env->aio, AIO_LOG, &f->job);
}

/* Must this turn's records wait in memory for the fsync that runs? */
static bool seglog_must_wait(bitcask *e) {
    fsync_job *f = &e->fsync;
    if (!f->busy || !f->active) return false;
    if (!f->waited) e->stats.fsync_waits++;
    f->waited = true;
    uint64_t us = e->env->clock->mono_us - f->started_us;
    if (us < (uint64_t)bitcask_conf.fsync_wait_max * 1000) return true;
    e->stats.fsync_late++;
    if (e->host.event) e->host.event(e->host.ctx, "fsync-wait", us);
    return false;
}

/* engine_turn_end: one write for all batches of the turn. At `always` the fsync follows at once;
 * else a turn may leave its records in memory while an fsync runs, up to fsync-wait-max. */
void bc_turn_end(engine *base) {
    bitcask *e = bitcask_of(base);
    CHECK(!e->batch.open);
    if (seglog_is_dead(e)) {
        seglog_tell(e);
        return;
    }
    if (bitcask_conf.appendfsync == ENGINE_FSYNC_ALWAYS) {
        seglog_write(e);
        seglog_sync(e);
        e->want_sync = false;
    } else if (logwrite_committed(e->log) > logwrite_written(e->log) && !seglog_must_wait(e)) {
        seglog_write(e);
        bool much = logwrite_memory(e->log) > SYNC_BYTES;
        if (bitcask_conf.appendfsync == ENGINE_FSYNC_EVERYSEC && much) seglog_sync_start(e, true);
    }
    seglog_tell(e);
}

/* engine_sync: an fsync under way is waited for first, as there is only one at a time. */
status bc_sync(engine *base) {
    bitcask *e = bitcask_of(base);
    CHECK(!e->batch.open);
    if (e->fsync.busy) e->env->aio->ops->drain(e->env->aio);
    seglog_write(e);
    seglog_sync(e);
    return e->failure;
}

/* Late writes, the sync that is due or asked for, and the mark of a log that has come to rest. */
void seglog_cron(bitcask *e) {
    CHECK(!e->batch.open);
    if (seglog_is_dead(e)) return;
    if (logwrite_committed(e->log) > logwrite_written(e->log) && !seglog_must_wait(e))
        seglog_write(e);
    log_pos durable = logwrite_durable(e->log);
    bool unsynced = durable < logwrite_written(e->log);
    bool due = e->want_sync;
    if (bitcask_conf.appendfsync != ENGINE_FSYNC_NO)
        due = due || e->env->clock->mono_us - e->synced_us >= SYNC_EVERY_US;
    if (unsynced && due) {
        if (!e->fsync.busy) e->want_sync = false;
        seglog_sync_start(e, true);
    } else if (unsynced && e->sync_head != e->active) {
        /* at `no` the open file is left to the system; a segment can't be sealed without, though */
        seglog_sync_start(e, false);
    } else if (!unsynced && !e->fsync.busy && logwrite_committed(e->log) == durable) {
        e->want_sync = false;
        if (logwrite_idle(e->log)) seglog_write(e);
    }
}

/* engine_log_end: the open batch included. */
log_pos bc_log_end(engine *base) {
    return logwrite_end(bitcask_of(base)->log);
}

/* engine_released: see seglog_release. */
log_pos bc_released(engine *base) {
    return bitcask_of(base)->released;
}

/* engine_durable: after a failed fsync it stays where it was (B10). */
log_pos bc_durable(engine *base) {
    return logwrite_durable(bitcask_of(base)->log);
}

/* engine_failed: ok until seglog_fail(). */
status bc_failed(engine *base) {
    return bitcask_of(base)->failure;
}
