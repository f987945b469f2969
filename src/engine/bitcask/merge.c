/* merge: which run is merged, and the steps from the choice to the end (merge.h).
 *
 * The run chosen is the contiguous one that frees most bytes per byte copied, if merge-garbage-
 * percent of it is garbage: dead bytes, and hiding ones that no merge has looked at since they were
 * written, or that come with the oldest segment. Deletes that a merge had to keep do not count
 * again, or a merge would be repeated for nothing. Many small segments in a row, as restarts leave
 * them, are a reason too. No run is chosen whose copy the disk may have no room for: on one that is
 * nearly full the space comes back a segment at a time. */
#include "engine/bitcask/merge.h"
#include "engine/bitcask/jobs.h"
#include "engine/bitcask/ops.h"

#include <time.h>

#define RUN_MAX    64
#define RUN_BYTES  ((uint64_t)2 << 30) /* of a run that is chosen by itself */
#define SMALL_MANY 8                   /* segments in a row that fill less than half of one */
/* Less garbage than so many segments' worth is not worth a merge: a store that is small, and
 * written over and over, would be merged all the time. (INCR of a million keys, redis-benchmark -P
 * 16: with an eighth of a segment 2.25 us of CPU a command, children included; with two
 * segments 1.06.) */
#define LEAST_SEGMENTS 2
#define LEAST_PART     8        /* of a segment: what is worth it when the disk is full */
#define CHOOSE_US      1000000  /* how often it is looked for something to merge */
#define FAILED_US      10000000 /* after a failure: not before */

/* For INFO. */
const char *merge_step_name(merge_step s) {
    static const char *const names[] = {"naming",   "marking",  "running",   "verifying",
                                        "applying", "settling", "installing"};
    CHECK((size_t)s < sizeof names / sizeof *names);
    return names[s];
}

/* ---- the choice ---------------------------------------------------------------------------------
 */

/* Is all of s durable, and known to be so in the manifest? */
static bool is_logged(const bitcask *e, const segment *s) {
    CHECK(s->log.number > 0);
    return logfile_is_logged(&s->log, &e->meta);
}

/* May a job take s? */
static bool is_free(const bitcask *e, const segment *s) {
    return (s->log.state == LOGFILE_SEALED || s->log.state == SEG_DEAD) && !s->frozen &&
           !s->order && is_logged(e, s);
}

/* What merging a run would do. */
typedef struct run_value {
    uint32_t at, len;
    uint64_t garbage, copy;
} run_value;

/* Is a the better one? Most freed per byte copied; of equals, the larger. */
static bool is_better(const run_value *a, const run_value *b) {
    if (b->len == 0) return true;
    double ra = (double)a->garbage / (double)(a->copy + 4096);
    double rb = (double)b->garbage / (double)(b->copy + 4096);
    return ra > rb || (ra == rb && a->garbage > b->garbage);
}

/* How much a merge may copy, so that there is room for it, for its hints and its file of moves. */
static uint64_t copy_room(const bitcask *e) {
    uint64_t bytes;
    status s = e->fs->ops->free_space(e->fs, e->dir, &bytes);
    return status_ok(s) ? bytes - bytes / 4 : UINT64_MAX;
}

/* Garbage below which a run is left alone. A full disk wants every bit back. */
static uint64_t least_garbage(const bitcask *e) {
    uint64_t segment_size = (uint64_t)log_conf.segment_size;
    return e->log.no_space || e->log.on_reserve ? segment_size / LEAST_PART
                                                : LEAST_SEGMENTS * segment_size;
}

/* The best run that begins at rank i and copies no more than `room`, if it is better than *best. */
static void consider_runs(const bitcask *e, uint32_t i, uint64_t room, run_value *best) {
    CHECK(i < e->norder);
    run_value v = {.at = i};
    uint64_t total = 0;
    /* each prefix of what can be taken from here is a run; the best one counts */
    for (uint32_t j = i; j < e->norder && v.len < RUN_MAX && total < RUN_BYTES; j++) {
        const segment *s = e->order[j];
        if (!is_free(e, s)) break;
        CHECK(s->log.end >= FILE_HEADER + s->live + s->hiding);
        uint64_t kept = i == 0 ? 0 : s->proven < s->hiding ? s->proven : s->hiding;
        v.len++;
        total += s->log.end;
        v.copy += s->live + kept;
        if (v.copy > room) break;
        if (s->log.state != SEG_DEAD) v.garbage += s->log.end - FILE_HEADER - s->live - kept;
        bool enough =
            v.garbage * 100 >= (v.garbage + v.copy) * (uint64_t)bitcask_conf.merge_garbage;
        bool small = v.len >= SMALL_MANY && total < (uint64_t)log_conf.segment_size / 2;
        enough = enough && v.garbage >= least_garbage(e);
        if ((enough || small) && is_better(&v, best)) *best = v;
    }
}

/* True, with the run to merge, if there is one worth it. */
static bool choose(const bitcask *e, run_value *best) {
    uint64_t room = copy_room(e);
    *best = (run_value){0};
    for (uint32_t i = 0; i < e->norder; i++)
        consider_runs(e, i, room, best);
    CHECK(best->at + best->len <= e->norder && best->copy <= room);
    return best->len > 0;
}

/* May a merge start by itself at this hour? */
static bool in_window(const bitcask *e) {
    time_t now = (time_t)(e->env->clock->wall_ms / 1000);
    struct tm t;
    if (!localtime_r(&now, &t)) return true;
    return bitcask_in_window(t.tm_hour);
}

/* ---- the end, good or bad
 * ------------------------------------------------------------------------ */

/* Memory alone; the outputs' segments are freed with all others at an end. */
void merge_free(bitcask *e) {
    merge_job *j = e->merge;
    CHECK(!e->log.open);
    merge_marks_end(j);
    for (uint32_t i = 0; i < j->nrun; i++)
        j->run[i]->frozen = false;
    if (j->moves.file) {
        status s = j->moves.file->ops->close(j->moves.file);
        (void)s; /* it was only read */
    }
    buf_free(&j->moves.block);
    buf_free(&j->hiding);
    mem_free(j->run);
    mem_free(j->outs);
    mem_free(j);
    e->merge = NULL;
}

/* The job is over: the run is free for others, the file of moves goes, beside the thread: it has
 * some twenty bytes for each record that was moved. */
static void forget(bitcask *e) {
    CHECK(e->merge);
    retire_temp(&e->retire, e->merge->moves.file, e->merge->path);
    e->merge->moves.file = NULL;
    merge_free(e);
}

/* Gives the merge up: its outputs go. REQUIRES: nothing was applied, no child is left. */
static void give_up(bitcask *e) {
    merge_job *j = e->merge;
    CHECK(j->step <= MERGE_VERIFYING);
    for (uint32_t i = 0; i < j->nouts; i++)
        seg_give_up(e, j->outs[i]);
    j->nouts = 0;
    forget(e);
}

/* From the child host, when the child has ended. */
static void child_done(child_job *job, status result, slice out) {
    merge_job *j = job->ctx;
    bitcask *e = j->e;
    CHECK(e->merge == j && j->step == MERGE_RUNNING && !e->log.open);
    j->step = MERGE_VERIFYING;
    merge_marks_end(j);
    if (status_ok(result)) result = merge_take(j, out);
    e->stats.merge_read += j->read;
    e->stats.merge_written += j->written;
    if (status_ok(result)) return;
    if (j->cancelled) {
        give_up(e);
        return;
    }
    log_warning("A merge of %u segments failed: %s", j->nrun, result.msg);
    e->stats.merge_failures++;
    e->merge_after_us = bc_now_us(e) + FAILED_US;
    give_up(e);
}

/* For INFO. */
static void child_told(child_job *job, uint64_t done, uint64_t total) {
    merge_job *j = job->ctx;
    CHECK(j->step == MERGE_RUNNING);
    j->read = done;
    j->total = total;
}

/* The outputs are in the manifest, in the run's place: so they are here, and the run goes. */
static void installed(bitcask *e) {
    CHECK(e->merge->step == MERGE_INSTALLING);
    merge_job *j = e->merge;
    uint32_t at = seg_rank(e, j->run[0]);
    CHECK(at + j->nrun <= e->norder && e->order[at + j->nrun - 1] == j->run[j->nrun - 1]);
    seg_replace(e, at, j->nrun, j->outs, j->nouts);
    for (uint32_t i = 0; i < j->nouts; i++) {
        segment *s = j->outs[i];
        CHECK(s->log.state == LOGFILE_PREPARING && s->log.end > FILE_HEADER);
        s->log.state = LOGFILE_SEALED;
        s->log.logged = s->hinted = true;
    }
    merge_account(j);
    for (uint32_t i = 0; i < j->nrun; i++) {
        CHECK(j->run[i]->frozen && j->run[i]->live == 0);
        j->run[i]->frozen = false;
        seg_retire(e, j->run[i], j->gen);
    }
    j->nrun = 0;
    uint64_t us = bc_now_us(e) - j->began_us;
    e->stats.merges++;
    e->stats.last_merge_ms = us / 1000;
    forget(e);
    seg_consider_all(e);
    retire_advance(&e->retire);
}

/* ---- the steps
 * ----------------------------------------------------------------------------------- */

/* Freezes the run and has the manifest take as many names as the outputs can need. */
status merge_start(bitcask *e, uint32_t at, uint32_t len) {
    uint64_t keep = 0;
    CHECK(!e->merge && len > 0 && at + len <= e->norder);
    merge_job *j = e->merge = mem_zalloc(sizeof *j);
    j->e = e;
    j->run = mem_dup(e->order + at, len * sizeof *j->run);
    j->nrun = len;
    j->limit = (uint32_t)log_conf.segment_size;
    j->rate = (uint64_t)bitcask_conf.merge_rate_limit;
    j->began_us = bc_now_us(e);
    CHECK(j->limit > FILE_HEADER);
    for (uint32_t i = 0; i < len; i++) {
        CHECK(is_free(e, j->run[i]));
        j->run[i]->frozen = true;
        keep += j->run[i]->live + j->run[i]->hiding;
        j->total += j->run[i]->log.end;
    }
    /* an output is ended when it has reached the limit, so all but the last are that long at least
     */
    uint64_t n = keep / j->limit + 1;
    j->outs = mem_alloc(n * sizeof(segment *));
    for (uint64_t i = 0; i < n; i++) {
        segment *s = seg_new(e, meta_next_file(&e->meta));
        if (!s) break;
        meta_name_file(&e->meta, s->log.number);
        s->merged = true;
        j->outs[j->nouts++] = s;
    }
    if (j->nouts < n) {
        if (j->nouts) meta_commit(&e->meta);
        give_up(e);
        return status_make(ST_LIMIT, "there are too many segments to merge any");
    }
    status s = bc_path(e, FILE_SEGMENT, j->outs[0]->log.number, j->path);
    CHECK(status_ok(s) && strlen(j->path) + 5 < sizeof j->path);
    strcat(j->path, ".tmp"); /* so that a start that finds it deletes it */
    j->gen = meta_commit(&e->meta);
    return STATUS_OK;
}

/* The names are taken: a child copies. With marks it does without the index. */
static void start_child(bitcask *e) {
    CHECK(e->merge->step <= MERGE_MARKING && !e->log.open);
    merge_job *j = e->merge;
    bool marked = j->step == MERGE_MARKING;
    /* what the child decides rests on the log up to here */
    CHECK(j->nouts > 0 && meta_is_durable(&e->meta, j->gen)); /* B7 */
    j->fork_end = logwrite_committed(e->log.tail);
    j->step = MERGE_RUNNING;
    j->child = (child_job){.name = "merge",
                           .run = merge_child_run,
                           .done = child_done,
                           .progress = child_told,
                           .ctx = j};
    child_host *h = e->env->children;
    if (marked) arena_withhold(e->shared.arena, true);
    status s = h->ops->start(h, &j->child);
    if (marked) arena_withhold(e->shared.arena, false);
    if (e->merge != j) return; /* it has ended at once, badly */
    if (status_ok(s)) {
        e->stats.last_fork_us = j->child.fork_us;
        return;
    }
    log_warning("Starting a merge: %s", s.msg);
    e->stats.merge_failures++;
    e->merge_after_us = bc_now_us(e) + FAILED_US;
    j->step = MERGE_NAMING;
    give_up(e);
}

/* The names are durable: what the child is to know is made ready for it. */
static void named(bitcask *e) {
    merge_job *j = e->merge;
    CHECK(j->step == MERGE_NAMING && meta_is_durable(&e->meta, j->gen));
    if (merge_marks_worth(j))
        merge_marks_begin(j);
    else if (index_pages_ready(e, j->gen))
        start_child(e);
}

/* All is applied: the manifest may be told, once the log is far enough (B7). */
static void settle(bitcask *e) {
    CHECK(e->merge->step == MERGE_SETTLING && !e->log.open);
    merge_job *j = e->merge;
    uint64_t live = 0;
    for (uint32_t i = 0; i < j->nrun; i++)
        live += j->run[i]->live;
    CHECK(live == 0 || e->coll_drops); /* dropped collections still count in the run */
    if (logwrite_durable(e->log.tail) < j->fork_end) e->log.want_sync = true;
    if (live || logwrite_durable(e->log.tail) < j->fork_end) return;
    manifest_file *files = mem_zalloc((j->nouts + 1) * sizeof *files);
    for (uint32_t i = 0; i < j->nouts; i++)
        files[i] = (manifest_file){.number = j->outs[i]->log.number, .length = j->outs[i]->log.end};
    edit_replace(&e->meta.edit, j->run[0]->log.number, j->run[j->nrun - 1]->log.number, files,
                 j->nouts);
    mem_free(files);
    CHECK(j->fork_end <= logwrite_durable(e->log.tail)); /* B7 */
    edit_durable(&e->meta.edit, logwrite_durable(e->log.tail));
    j->step = MERGE_INSTALLING;
    j->gen = meta_commit(&e->meta);
}

/* Goes on in another segment than the one that was active when engine_compact was called; true once
 * that is so. */
static bool is_sealed_for_compact(bitcask *e) {
    if (seg_active(e)->log.number != e->compact_seals) return true;
    status s = chain_ask_next(&e->log);
    if (!status_ok(s)) {
        log_warning("No merge of all there is: %s", s.msg);
        e->compact_wanted = false;
    }
    if (!e->log.next) return false;
    chain_rotate(&e->log);
    e->log.want_sync = true;
    return true;
}

/* All sealed segments, for engine_compact: they begin at rank 0. */
static void start_wanted(bitcask *e) {
    CHECK(e->compact_wanted && !e->merge);
    uint32_t n = 0;
    if (!is_sealed_for_compact(e)) return;
    while (n < e->norder && is_free(e, e->order[n]))
        n++;
    /* all but the active one must be sealed, and free; until then cron comes back here */
    if (n < e->norder && e->order[n] != seg_active(e)) return;
    e->compact_wanted = false;
    if (n == 0) return;
    CHECK(!e->hints);
    status s = merge_start(e, 0, n);
    if (!status_ok(s)) log_warning("Starting a merge: %s", s.msg);
}

/* Starts what is worth it. */
static void start_best(bitcask *e) {
    CHECK(!e->merge);
    CHECK(!e->hints);
    run_value v;
    uint64_t now = bc_now_us(e);
    if (now < e->merge_after_us) return;
    e->merge_after_us = now + CHOOSE_US;
    if (!in_window(e) || !choose(e, &v)) return;
    status s = merge_start(e, v.at, v.len);
    if (!status_ok(s)) log_warning("Starting a merge: %s", s.msg);
}

/* One step at a time: each waits for a worker, a child or the log. */
void merge_cron(bitcask *e) {
    CHECK(!e->log.open);
    merge_job *j = e->merge;
    if (chain_is_dead(&e->log)) {
        merge_cancel(e);
        return;
    }
    if (!j) {
        if (e->hints) return; /* one job at a time */
        if (e->compact_wanted)
            start_wanted(e);
        else
            start_best(e);
        return;
    }
    if (j->step == MERGE_NAMING && meta_is_durable(&e->meta, j->gen))
        named(e);
    else if (j->step == MERGE_MARKING && j->npdbs == 0 && !e->pages.busy)
        start_child(e);
    else if (j->step == MERGE_SETTLING)
        settle(e);
    else if (j->step == MERGE_INSTALLING && meta_is_durable(&e->meta, j->gen))
        installed(e);
}

/* Between two turns, in the time that is left. */
bool merge_background(bitcask *e) {
    CHECK(!e->log.open);
    merge_job *j = e->merge;
    if (j && j->step == MERGE_MARKING) return merge_mark_some(j);
    if (!j || (j->step != MERGE_VERIFYING && j->step != MERGE_APPLYING)) return false;
    return merge_apply_some(j);
}

/* Nothing has pointed into the outputs yet, so they can go. */
void merge_cancel(bitcask *e) {
    merge_job *j = e->merge;
    if (!j || j->step > MERGE_VERIFYING) return;
    if (j->step == MERGE_RUNNING) {
        j->cancelled = true;
        e->env->children->ops->kill(e->env->children, &j->child);
        return; /* child_done gives it up */
    }
    give_up(e);
}

/* No child may outlive the engine that it reads. */
void merge_end(bitcask *e) {
    child_host *h = e->env->children;
    merge_cancel(e);
    while (e->merge && e->merge->step == MERGE_RUNNING)
        h->ops->poll(h);
    if (!e->merge) return;
    /* The next start unlinks the outputs, which are pending. What was applied points to them, but
     * the run is what counts: it stays frozen, so that none of it is taken for dead. */
    if (e->merge->step > MERGE_VERIFYING) e->merge->nrun = 0;
    forget(e);
}

/* engine_compact: cron does it: seals the active segment, then merges all there is. */
status bc_compact(engine *base) {
    bitcask *e = bitcask_of(base);
    CHECK(!e->log.open);
    if (e->merge || e->compact_wanted) return status_make(ST_BUSY, "a merge is running");
    if (chain_is_dead(&e->log)) return e->log.failure;
    e->compact_wanted = true;
    e->compact_seals = log_pos_offset(logwrite_end(e->log.tail)) > seg_active(e)->log.first
                           ? seg_active(e)->log.number
                           : 0;
    return STATUS_OK;
}
