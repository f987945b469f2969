/* commit: when the log is written, when it is fsynced, and what may be told to whom.
 *
 *            always                 everysec                         no
 *   written  at each turn's end, but not while an fsync of the same file runs
 *                                   .. for up to fsync-wait-max (then anyway)
 *   fsynced  at each turn's end,    once a second; sooner if       when a file is sealed
 *            if none runs           much waits
 *   released what is durable        what is written                what is written
 *
 * An fsync runs beside the thread, one at a time, and turns go on. At `always` it is a group
 * commit:
 *
 *   turn 1    write A, fsync begins ─────────────┐
 *   turn 2    B stays in the tail                 │ A durable, released: turn 4
 *   turn 3    C stays in the tail                 │
 *   turn 4    write B C D, fsync begins <─────────┘
 *
 * What waits so is bounded: above WAIT_BYTES it is written beside the fsync.
 *
 * Whoever waits for what is durable (engine_sync_soon) gets an fsync at the end of his turn, one
 * after the other, so that many who wait share one.
 *
 * A failed write or fsync ends the log (W5): nothing is written again, `released` stays where it
 * is, and what is not durable stays in memory: in the tail, or with an engine that keeps it
 * elsewhere (forgets), there. */
#include "engine/log/chain.h"

#include "base/slow.h"

#include <stdio.h>

#define SYNC_EVERY_US   1000000
#define SYNC_BYTES      (32u << 20) /* unsynced: the next fsync does not wait for its second */
#define FORGET_BYTES    (8u << 20)  /* at `no`: written bytes kept in memory */
#define WRITEBACK_BYTES (4u << 20)
#define WRITE_EARLY     (4u << 20)  /* committed bytes that a turn lets wait at most */
#define WAIT_BYTES      (32u << 20) /* and of memory, while an fsync runs */
#define QUICK_US        500         /* an fsync that takes no longer is waited for at `always` */
#define WRITE_PART      32          /* of what waits, at a time */

/* For what must not take too long, and for statistics: never for what data means. */
uint64_t chain_now_us(chain *c) {
    clock_refresh(c->env->clock);
    return c->env->clock->mono_us;
}

/* Once, and for good (W5). The manifest stops with the log: what it would say next rests on it. */
void chain_fail(chain *c, status s) {
    CHECK(!status_ok(s));
    if (chain_is_dead(c)) return;
    snprintf(c->failure_msg, sizeof c->failure_msg, "%s", s.msg);
    c->failure = (status){ST_FAILED, c->failure_msg};
    meta_stop(c->meta, s);
    c->tell = true;
    log_warning("The log takes no more writes, and its last ones may not survive: %s", s.msg);
}

/* The manifest takes no more edits, so the log could get no more files. */
static void meta_failed(void *ctx, status s) {
    chain_fail(ctx, s);
}

/* An edit is durable: each of these looks whether it is the one that it waits for. */
static void meta_durable(void *ctx) {
    chain *c = ctx;
    CHECK(c->meta->done > 0);
    if (!c->tail) return; /* still opening */
    chain_prepare_advance(c);
    retire_advance(c->retire);
    if (c->calls->advanced) c->calls->advanced(c->ctx);
}

/* See chain.h. */
void chain_init(chain *c, meta_queue *m, retire_queue *r, engine_host host, unsigned kind,
                bool forgets, const chain_calls *calls, void *ctx) {
    CHECK(m->dir && r->meta == m && calls->make && calls->drop);
    *c = (chain){.env = m->env,
                 .meta = m,
                 .retire = r,
                 .host = host,
                 .calls = calls,
                 .ctx = ctx,
                 .kind = kind,
                 .forgets = forgets,
                 .failure = STATUS_OK};
    m->durable = meta_durable;
    m->failed = meta_failed;
    m->ctx = c;
}

/* The tail's memory. */
void chain_free(chain *c) {
    logwrite_free(c->tail);
    c->tail = NULL;
}

/* Kept for later while a batch is open: the host may want to read. */
void chain_tell(chain *c) {
    CHECK(c->meta);
    if (!c->tell || c->open) return;
    c->tell = false;
    if (c->host.released) c->host.released(c->host.ctx);
}

/* Moves `released` as far as the policy allows; it never goes back. It is the end of a batch, as
 * who reads a part of one depends on the position of what he has read. */
static void release(chain *c) {
    CHECK(logwrite_durable(c->tail) <= logwrite_whole(c->tail));
    CHECK(c->released <= logwrite_whole(c->tail));
    if (chain_is_dead(c)) return;
    bool always = log_conf.appendfsync == ENGINE_FSYNC_ALWAYS;
    log_pos to = always ? logwrite_durable(c->tail) : logwrite_whole(c->tail);
    if (to > c->released) c->released = to;
}

/* Has the system begin writing back what was written lately, so that the next fsync is short. What
 * is written last of a file that the log has left is left to the system. */
static void writeback(chain *c) {
    log_pos end = logwrite_written(c->tail);
    if (log_pos_file(end) != c->active->number) return;
    if (log_pos_file(c->writeback_from) != log_pos_file(end))
        c->writeback_from = log_pos_of(log_pos_file(end), 0);
    CHECK(end >= c->writeback_from);
    if (end - c->writeback_from < WRITEBACK_BYTES) return;
    c->meta->fs->ops->writeback(c->active->file, log_pos_offset(c->writeback_from),
                                end - c->writeback_from);
    c->writeback_from = end;
}

/* Up to `most` bytes, in one gathered write a file; the log ends if that fails. */
static void write_part(chain *c, uint64_t most) {
    CHECK(c->tail && most > 0);
    CHECK(logwrite_written(c->tail) <= logwrite_committed(c->tail));
    if (chain_is_dead(c)) return;
    uint64_t bytes = 0, begun = slow_begin();
    status s = logwrite_flush(c->tail, most, &bytes);
    slow_end(c->fsync.busy ? "aof-write-pending-fsync" : "aof-write-alone", begun);
    slow_end("aof-write", begun);
    c->stats.written_bytes += bytes;
    CHECK(logwrite_written(c->tail) <= logwrite_committed(c->tail));
    if (!status_ok(s)) {
        chain_fail(c, s);
        return;
    }
    if (bytes == 0) return;
    c->stats.writes++;
    c->unsynced += bytes;
    if (log_conf.appendfsync != ENGINE_FSYNC_ALWAYS) writeback(c);
    bool much = logwrite_memory(c->tail) > FORGET_BYTES;
    if (c->forgets || (log_conf.appendfsync == ENGINE_FSYNC_NO && much))
        logwrite_forget(c->tail, logwrite_written(c->tail));
    release(c);
}

/* See chain.h. */
void chain_write(chain *c) {
    write_part(c, UINT64_MAX);
}

/* Bytes that are committed and not written; those of the last file behind what other ones have. */
static uint64_t waiting(const chain *c) {
    log_pos from = logwrite_written(c->tail), to = logwrite_committed(c->tail);
    CHECK(from <= to);
    if (__builtin_expect(log_pos_file(from) == log_pos_file(to), 1)) return to - from;
    CHECK(log_pos_file(to) == c->active->number);
    uint64_t n = log_pos_offset(to) - FILE_HEADER;
    for (const logfile *f = c->sync_head; f != c->active; f = f->log_next) {
        if (f->number < log_pos_file(from)) continue;
        n += f->end - (f->number == log_pos_file(from) ? log_pos_offset(from) : FILE_HEADER);
    }
    return n;
}

/* A step, so that a long batch holds nobody for long, or a part of what waits, so that this does
 * not grow; what would be too much in memory goes in any case. The rest goes at the end of the next
 * turns, and replies wait for what they depend on. */
static void write_step(chain *c) {
    CHECK(log_limit.write_step > 0);
    uint64_t waits = waiting(c), part = waits / WRITE_PART;
    if (part > log_limit.write_most) part = log_limit.write_most;
    if (part < log_limit.write_step) part = log_limit.write_step;
    if (waits > log_limit.write_hold && part < waits - log_limit.write_hold)
        part = waits - log_limit.write_hold;
    write_part(c, part);
}

/* Is there more that the next turn's end is to write? */
static bool is_behind(const chain *c) {
    CHECK(!c->open);
    CHECK(c->tail);
    bool held = c->fsync.busy && c->fsync.active;
    return !held && !chain_is_dead(c) && logwrite_committed(c->tail) > logwrite_written(c->tail);
}

/* All before `to` is durable: files that the log has left behind are sealed in the manifest. */
static void durable_to(chain *c, log_pos to) {
    CHECK(to <= logwrite_whole(c->tail));
    if (to > logwrite_durable(c->tail)) logwrite_set_durable(c->tail, to);
    bool sealed = false;
    while (c->sync_head != c->active && logfile_pos(c->sync_head, c->sync_head->end) <= to) {
        logfile *s = c->sync_head;
        CHECK(s->state >= LOGFILE_SEALED && s->log_next);
        chain_seal(c, s);
        c->sync_head = s->log_next;
        sealed = true;
    }
    CHECK(logwrite_durable(c->tail) >= to && c->sync_head);
    if (sealed) {
        meta_commit(c->meta);
        if (c->calls->sealed) c->calls->sealed(c->ctx);
    }
    release(c);
}

/* The position to which an fsync of the files up to and including `last` reaches. Of a file that
 * the log has left it is that file's end, not the next one's beginning: as a mark it must not
 * promise what the next file begins with. */
static log_pos sync_target(const chain *c, const logfile *last) {
    CHECK(last == c->active || last->end > FILE_HEADER);
    return last == c->active ? logwrite_whole(c->tail) : logfile_pos(last, last->end);
}

/* Files that the log has left are synced before the one it is in, so that what is durable has no
 * hole. */
void chain_sync(chain *c) {
    CHECK(!c->open && c->sync_head);
    if (c->fsync.busy) c->env->aio->ops->drain(c->env->aio);
    if (chain_is_dead(c) || logwrite_durable(c->tail) >= logwrite_whole(c->tail)) return;
    for (logfile *s = c->sync_head;; s = s->log_next) {
        CHECK(s->file && s->end <= LOG_FILE_MAX);
        uint64_t begun = slow_begin();
        status st = s->file->ops->fdatasync(s->file);
        slow_end("aof-fsync-always", begun);
        c->stats.fsyncs++;
        if (!status_ok(st)) {
            chain_fail(c, st);
            return;
        }
        if (s == c->active) break;
    }
    c->unsynced = 0;
    durable_to(c, logwrite_whole(c->tail));
}

/* Done when no batch is open: a mark must not become due in its middle. */
static void sync_ended(chain *c) {
    fsync_job *f = &c->fsync;
    if (!f->ended || c->open) return;
    CHECK(f->busy && f->n > 0 && f->last);
    f->busy = f->ended = false;
    uint64_t took = chain_now_us(c) - f->started_us;
    if (took > c->stats.fsync_us_max) c->stats.fsync_us_max = took;
    if (took > UINT32_MAX / 8) took = UINT32_MAX / 8;
    f->usual_us = (uint32_t)((7 * (uint64_t)f->usual_us + took) / 8);
    slow_took(log_conf.appendfsync == ENGINE_FSYNC_ALWAYS ? "aof-fsync-always" : "fsync", took);
    if (!status_ok(f->sync.result)) {
        chain_fail(c, f->sync.result);
        chain_tell(c);
        return;
    }
    if (chain_is_dead(c)) return;
    log_pos to = sync_target(c, f->last);
    durable_to(c, to < f->target ? to : f->target);
    if (f->waited) write_step(c); /* what waited for it goes at once */
    c->tell = true;
    chain_tell(c);
}

/* On the thread. */
static void fsync_done(aio_sync *sync) {
    fsync_job *f = AIO_OWNER(sync, fsync_job, sync);
    CHECK(f->busy && !f->ended);
    f->ended = true;
    sync_ended(f->c);
}

/* As many files as a job takes, oldest first; the rest is for the next one. */
void chain_sync_start(chain *c, bool active) {
    CHECK(!c->open);
    fsync_job *f = &c->fsync;
    if (f->busy || chain_is_dead(c)) return;
    f->n = 0;
    for (logfile *s = c->sync_head; f->n < FSYNC_PARTS; s = s->log_next) {
        if (s == c->active && !active) break;
        f->files[f->n++] = s->file;
        f->last = s;
        if (s == c->active) break;
    }
    if (f->n == 0) return;
    CHECK(f->n <= FSYNC_PARTS && f->last);
    f->target = sync_target(c, f->last);
    /* more may have been committed than written: an fsync covers what the files have */
    CHECK(f->target > 0);
    if (f->target > logwrite_whole(c->tail)) f->target = logwrite_whole(c->tail);
    f->active = f->last == c->active;
    f->waited = false;
    f->started_us = c->synced_us = chain_now_us(c);
    f->busy = true;
    c->unsynced = 0;
    f->sync.done = fsync_done;
    f->sync.files = f->files;
    f->sync.n = f->n;
    f->c = c;
    c->stats.fsyncs++;
    c->env->aio->ops->sync(c->env->aio, &f->sync);
}

/* Must this turn's records wait in memory for the fsync that runs? At `always` nobody gains by
 * their being written sooner. */
static bool must_wait(chain *c) {
    fsync_job *f = &c->fsync;
    CHECK(!c->open && (!f->busy || f->n > 0)); /* W7 */
    if (!f->busy || !f->active) return false;
    if (!f->waited) c->stats.fsync_waits++;
    f->waited = true;
    uint64_t us = c->env->clock->mono_us - f->started_us;
    bool short_yet = us < (uint64_t)log_conf.fsync_wait_max * 1000;
    if (log_conf.appendfsync == ENGINE_FSYNC_ALWAYS) short_yet = true;
    if (short_yet && logwrite_memory(c->tail) <= WAIT_BYTES) return true;
    c->stats.fsync_late++;
    slow_took("fsync-wait", us);
    return false;
}

/* Is an fsync to begin at the end of this turn? */
static bool sync_is_wanted(const chain *c) {
    CHECK(!c->open && !c->fsync.busy); /* W7 */
    if (log_conf.appendfsync == ENGINE_FSYNC_ALWAYS || c->sync_soon) return true;
    bool much = logwrite_memory(c->tail) > SYNC_BYTES || c->unsynced > SYNC_BYTES;
    return log_conf.appendfsync == ENGINE_FSYNC_EVERYSEC && much;
}

/* A disk that answers within half a millisecond is waited for at `always`, for so long at most:
 * those who come meanwhile are read in one turn and share the next fsync, where going on would make
 * a turn for each of them, and every fsync cover half of the clients. (redis-benchmark -t set, -c
 * 50 and -c 200, fsyncs of 0.1 ms, two cores: 38,000 and 49,000 a second without this, 54,000 and
 * 80,000 with it; redis-server 51,000 and 78,000.) */
static void await_quick(chain *c) {
    const fsync_job *f = &c->fsync;
    CHECK(!c->open);
    if (log_conf.appendfsync != ENGINE_FSYNC_ALWAYS || !f->busy || f->usual_us > QUICK_US) return;
    (void)aio_await(c->env->aio, QUICK_US);
}

/* One write for all batches of the turn, or a part of it if that is much (chain_behind), or none
 * while an fsync runs; then, if none runs and all is written, the fsync that covers them. */
void chain_turn_end(chain *c) {
    CHECK(!c->open && c->tail);
    if (chain_is_dead(c)) {
        chain_tell(c);
        return;
    }
    if (waiting(c) && !must_wait(c)) write_step(c);
    c->behind = is_behind(c);
    if (!c->fsync.busy && !c->behind && sync_is_wanted(c)) {
        c->sync_soon = false;
        if (chain_durable(c) < logwrite_whole(c->tail)) {
            chain_sync_start(c, true);
            await_quick(c);
        }
    }
    CHECK(chain_is_dead(c) || c->released <= logwrite_whole(c->tail)); /* W3 */
    chain_tell(c);
}

/* See chain.h. */
bool chain_behind(chain *c) {
    CHECK(!c->open);
    bool behind = c->behind;
    c->behind = false;
    return behind;
}

/* An fsync under way is waited for first, as there is only one at a time. */
status chain_sync_all(chain *c) {
    CHECK(!c->open);
    if (c->fsync.busy) c->env->aio->ops->drain(c->env->aio);
    chain_write(c);
    chain_sync(c);
    return c->failure;
}

/* Late writes, the sync that is due or asked for, and the mark of a log that has come to rest. */
static void sync_cron(chain *c) {
    CHECK(!c->open);
    if (chain_is_dead(c)) return;
    if (waiting(c) && !must_wait(c)) write_step(c);
    log_pos durable = logwrite_durable(c->tail);
    bool unsynced = durable < logwrite_whole(c->tail);
    bool due = c->want_sync;
    if (log_conf.appendfsync != ENGINE_FSYNC_NO)
        due = due || c->env->clock->mono_us - c->synced_us >= SYNC_EVERY_US;
    if (unsynced && due) {
        if (!c->fsync.busy) c->want_sync = false;
        chain_sync_start(c, true);
    } else if (unsynced && c->sync_head != c->active) {
        /* at `no` the open file is left to the system; a file can't be sealed without, though */
        chain_sync_start(c, false);
    } else if (!unsynced && !c->fsync.busy && logwrite_committed(c->tail) == durable) {
        c->want_sync = false;
        if (logwrite_idle(c->tail)) chain_write(c);
    }
}

/* The log first, as much of the rest waits for it. */
void chain_cron(chain *c) {
    CHECK(!c->open);
    meta_cron(c->meta);
    sync_cron(c);
    chain_prepare_if_due(c);
}

/* The bound on what waits keeps a turn of many batches from holding it all in memory. */
void chain_settled(chain *c) {
    CHECK(c->open);
    c->open = false;
    if (__builtin_expect(c->fsync.ended, 0)) sync_ended(c);
    bool much = waiting(c) > WRITE_EARLY;
    if (c->fsync.busy ? logwrite_memory(c->tail) > WAIT_BYTES : much) write_step(c);
}
