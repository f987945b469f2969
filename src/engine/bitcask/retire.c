/* retire: segments leave.
 *
 *   DEAD ──(the log is durable beyond dead_at, no job reads it)──> RETIRE in the manifest
 *        ──(durable)──> a worker closes and unlinks segment and hint, fsyncs the directory
 *        ──> GONE in the manifest
 *
 * The number is in the manifest's list of pending files from the first edit to the last, so a crash
 * anywhere in between leaves nothing that the next start could not finish. Retired segments are out
 * of the order at once: the edits are made in order, so nothing that is decided without them can
 * become durable before they are.
 *
 * The wait for dead_at (B7): what made the segment dead lies in the log before that position. Were
 * the file unlinked earlier, a crash could lose both the old record and the new. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/seglog.h"

typedef struct retire_item {
    uint32_t number;
    uint64_t gen; /* of the edit that makes it pending */
    vfs_file *file;
} retire_item;

struct retire_job {
    aio_job job;
    bitcask *e;
    retire_item *items; /* in order of gen */
    size_t n, cap;
    retire_item *doing; /* the job's, which the thread leaves alone meanwhile; NULL: no job */
    size_t ndoing;
};

/* Unlinks DIR/number.kind; that it is not there is fine. */
static status unlink_one(bitcask *e, unsigned kind, uint32_t number) {
    CHECK(number > 0);
    char path[FILE_PATH_MAX];
    TRY(file_path(path, e->dir, kind, number));
    status s = e->fs->ops->unlink(e->fs, path);
    return s.code == ST_NOT_FOUND ? STATUS_OK : s;
}

/* On a worker. The hint goes first: a hint whose segment the manifest has forgotten would be a
 * foreign file. */
static void retire_run(aio_job *job) {
    retire_job *r = AIO_OWNER(job, retire_job, job);
    CHECK(r->ndoing > 0);
    for (size_t i = 0; i < r->ndoing; i++) {
        retire_item *it = &r->doing[i];
        status closed = STATUS_OK;
        if (it->file) closed = it->file->ops->close(it->file);
        (void)closed; /* nothing in it is needed */
        it->file = NULL;
        job->result = unlink_one(r->e, FILE_HINT, it->number);
        if (status_ok(job->result)) job->result = unlink_one(r->e, FILE_SEGMENT, it->number);
        if (!status_ok(job->result)) return;
    }
    job->result = r->e->fs->ops->sync_dir(r->e->fs, r->e->dir);
}

/* Closes files that were not reached. */
static void close_items(retire_item *items, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!items[i].file) continue;
        status s = items[i].file->ops->close(items[i].file);
        (void)s; /* nothing in it is needed */
    }
    mem_free(items);
}

/* On the thread. What could not be unlinked stays pending: the next start tries again. */
static void retire_done(aio_job *job) {
    retire_job *r = AIO_OWNER(job, retire_job, job);
    bitcask *e = r->e;
    CHECK(r->doing && r->ndoing > 0);
    if (status_ok(job->result)) {
        for (size_t i = 0; i < r->ndoing; i++)
            edit_gone(&e->meta.edit, r->doing[i].number);
        e->stats.unlinked += r->ndoing;
        meta_commit(e);
    } else {
        log_warning("Unlinking segments: %s", job->result.msg);
    }
    close_items(r->doing, r->ndoing);
    r->doing = NULL;
    retire_advance(e);
}

/* Adds to the queue what the edit of that generation makes pending. */
static void retire_push(bitcask *e, uint32_t number, uint64_t gen, vfs_file *file) {
    CHECK(number > 0 && gen <= e->meta.gen);
    if (!e->retire) {
        e->retire = mem_zalloc(sizeof *e->retire);
        e->retire->e = e;
    }
    retire_job *r = e->retire;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->items = mem_realloc(r->items, r->cap * sizeof *r->items);
    }
    r->items[r->n++] = (retire_item){number, gen, file};
}

/* A job for all whose edit is durable. */
void retire_advance(bitcask *e) {
    retire_job *r = e->retire;
    if (!r || r->doing || seglog_is_dead(e)) return;
    size_t n = 0;
    while (n < r->n && r->items[n].gen <= e->meta.done)
        n++;
    if (n == 0) return;
    r->doing = mem_dup(r->items, n * sizeof *r->items);
    r->ndoing = n;
    r->n -= n;
    memmove(r->items, r->items + n, r->n * sizeof *r->items);
    r->job.run = retire_run;
    r->job.done = retire_done;
    aio_submit(e->env->aio, AIO_HOUSEKEEP, &r->job);
}

/* Their edits are durable already, or they were never more than names. */
void retire_numbers(bitcask *e, const uint32_t *numbers, uint32_t n) {
    CHECK(n > 0);
    for (uint32_t i = 0; i < n; i++)
        retire_push(e, numbers[i], 0, NULL);
    retire_advance(e);
}

/* Nothing in memory says its slot any more, so the slot is free at once. */
void seg_retire(bitcask *e, segment *s, uint64_t gen) {
    CHECK(s->live == 0 && s != e->active && s != e->sync_head);
    seg_forget_shares(e, s);
    retire_push(e, s->number, gen, s->file);
    s->file = NULL;
    seg_free(e, s);
}

/* All that may go, in one edit (B7). */
bool seg_retire_dead(bitcask *e) {
    CHECK(!e->batch.open);
    uint32_t kept = 0, n = e->norder;
    log_pos durable = logwrite_durable(e->log);
    if (seglog_is_dead(e)) return false;
    for (uint32_t i = 0; i < n; i++) {
        segment *s = e->order[i];
        bool logged = s->logged || (s->seal_gen && s->seal_gen <= e->meta.done);
        if (s->state == SEG_DEAD && durable < s->dead_at &&
            bitcask_conf.appendfsync == ENGINE_FSYNC_NO)
            e->want_sync = true; /* nothing else would bring the log that far */
        if (s->state != SEG_DEAD || s->frozen || !logged || durable < s->dead_at) {
            e->order[kept++] = s;
            continue;
        }
        edit_retire(&e->meta.edit, s->number);
        seg_retire(e, s, e->meta.gen);
    }
    e->norder = kept;
    if (kept == n) return false;
    edit_durable(&e->meta.edit, durable); /* so that a log that lost what counts now is refused */
    seg_consider_all(e);                  /* another may be the oldest now */
    meta_commit(e);
    return true;
}

/* What is not unlinked yet stays pending in the manifest: the next start does it. */
void retire_free(bitcask *e) {
    retire_job *r = e->retire;
    if (!r) return;
    close_items(r->items, r->n);
    if (r->doing) close_items(r->doing, r->ndoing);
    mem_free(r);
    e->retire = NULL;
}
