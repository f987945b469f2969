/* retire: the queue of files to be unlinked, and the worker's part of it.
 *
 * An engine takes a file out of its own books at once: edits are made in order, so nothing that is
 * decided without the file can become durable before the edit that makes it pending is (W8). What
 * made it needless must be durable before that edit is: that is the engine's to see to. */
#include "engine/log/retire.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/file_header.h"
#include <string.h>

/* An empty queue. */
void retire_init(retire_queue *r, meta_queue *m) {
    CHECK(m != NULL);
    *r = (retire_queue){.meta = m};
}

/* Unlinks DIR/number.kind; that it is not there is fine. */
static status unlink_one(meta_queue *m, unsigned kind, uint32_t number) {
    CHECK(number > 0);
    char path[FILE_PATH_MAX];
    TRY(file_path(path, m->dir, kind, number));
    status s = m->fs->ops->unlink(m->fs, path);
    return s.code == ST_NOT_FOUND ? STATUS_OK : s;
}

/* All names of one number, from the highest kind down. */
static status unlink_kinds(meta_queue *m, const retire_item *it) {
    CHECK(it->kinds != 0);
    for (unsigned kind = FILE_KINDS; kind-- > 0;)
        if (it->kinds & RETIRE_KIND(kind)) TRY(unlink_one(m, kind, it->number));
    return STATUS_OK;
}

/* On a worker. */
static void retire_run(aio_job *job) {
    retire_queue *r = AIO_OWNER(job, retire_queue, job);
    CHECK(r->ndoing > 0);
    for (size_t i = 0; i < r->ndoing; i++) {
        retire_item *it = &r->doing[i];
        status closed = STATUS_OK;
        if (it->file) closed = it->file->ops->close(it->file);
        (void)closed; /* nothing in it is needed */
        it->file = NULL;
        job->result = unlink_kinds(r->meta, it);
        if (!status_ok(job->result)) return;
    }
    job->result = r->meta->fs->ops->sync_dir(r->meta->fs, r->meta->dir);
}

/* Closes files that were not reached. */
static void close_items(retire_item *items, size_t n) {
    CHECK(items || n == 0);
    for (size_t i = 0; i < n; i++) {
        if (!items[i].file) continue;
        status s = items[i].file->ops->close(items[i].file);
        (void)s; /* nothing in it is needed */
    }
    mem_free(items);
}

/* On the thread. What could not be unlinked stays pending: the next start tries again. */
static void retire_done(aio_job *job) {
    retire_queue *r = AIO_OWNER(job, retire_queue, job);
    CHECK(r->doing && r->ndoing > 0);
    CHECK(job->result.code != ST_OK || !r->doing[r->ndoing - 1].file);
    if (status_ok(job->result)) {
        for (size_t i = 0; i < r->ndoing; i++)
            edit_gone(&r->meta->edit, r->doing[i].number);
        r->unlinked += r->ndoing;
        meta_commit(r->meta);
    } else {
        log_warning("Unlinking files in %s: %s", r->meta->dir, job->result.msg);
    }
    close_items(r->doing, r->ndoing);
    r->doing = NULL;
    retire_advance(r);
}

/* Last in the queue. */
void retire_push(retire_queue *r, const retire_item *item) {
    CHECK(item->number > 0 && item->kinds != 0 && item->gen <= r->meta->gen);
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->items = mem_realloc(r->items, r->cap * sizeof *r->items);
    }
    CHECK(r->n < r->cap);
    r->items[r->n++] = *item;
}

/* A job for all whose edit is durable. */
void retire_advance(retire_queue *r) {
    CHECK(r->meta);
    if (r->doing || !status_ok(r->meta->failure)) return;
    size_t n = 0;
    while (n < r->n && meta_is_durable(r->meta, r->items[n].gen))
        n++;
    if (n == 0) return;
    CHECK(r->items[0].number > 0 && n <= r->n);
    r->doing = mem_dup(r->items, n * sizeof *r->items);
    r->ndoing = n;
    r->n -= n;
    memmove(r->items, r->items + n, r->n * sizeof *r->items);
    r->job.run = retire_run;
    r->job.done = retire_done;
    aio_submit(r->meta->env->aio, AIO_HOUSEKEEP, &r->job);
}

/* ---- files that the manifest does not know ------------------------------------------------------
 */

struct retire_temp_job {
    aio_job job;
    retire_queue *r;
    vfs_file *file;
    retire_temp_job *next;
    char path[];
};

/* On a worker. */
static void temp_run(aio_job *job) {
    retire_temp_job *t = AIO_OWNER(job, retire_temp_job, job);
    CHECK(t->path[0]);
    status s = t->file ? t->file->ops->close(t->file) : STATUS_OK;
    t->file = NULL;
    s = t->r->meta->fs->ops->unlink(t->r->meta->fs, t->path);
    (void)s; /* it may not be there; else the next start deletes it */
}

/* Takes it out of the list: one or two long. */
static void temp_done(aio_job *job) {
    retire_temp_job *t = AIO_OWNER(job, retire_temp_job, job), **at = &t->r->temps;
    while (*at != t) {
        CHECK(*at);
        at = &(*at)->next;
    }
    *at = t->next;
    mem_free(t);
}

/* In the lane of all that is unlinked. */
void retire_temp(retire_queue *r, vfs_file *file, const char *path) {
    size_t n = strlen(path) + 1;
    CHECK(n > 1 && r->meta);
    retire_temp_job *t = mem_zalloc(sizeof *t + n);
    t->r = r;
    t->file = file;
    t->next = r->temps;
    memcpy(t->path, path, n);
    r->temps = t;
    t->job.run = temp_run;
    t->job.done = temp_done;
    aio_submit(r->meta->env->aio, AIO_HOUSEKEEP, &t->job);
}

/* What is not unlinked yet stays pending in the manifest: the next start does it. */
void retire_free(retire_queue *r) {
    for (retire_temp_job *t = r->temps, *next; t; t = next) {
        next = t->next;
        if (t->file) (void)t->file->ops->close(t->file);
        mem_free(t);
    }
    r->temps = NULL;
    close_items(r->items, r->n);
    if (r->doing) close_items(r->doing, r->ndoing);
    r->items = r->doing = NULL;
    r->n = r->cap = r->ndoing = 0;
}
