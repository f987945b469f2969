/* prepare: making the next file ahead of need, beside the thread.
 *
 *   NAMING   the manifest is told that the file's name is taken (PENDING); once that is durable:
 *   MAKING   a worker creates the file, writes its header, allocates it, fsyncs file and directory
 *   JOINING  the manifest is told that the file belongs to the log (APPEND); once durable: READY
 *
 * So a crash at any point leaves a file that the manifest knows (W8). If the file can't be made it
 * is forgotten, and cron tries again with a new number a second later; that the disk is full is
 * remembered for chain_room().
 *
 * The reserve: a file is made only while the file system has room for two, so that on a disk that
 * others fill, or that is too small, merges have room to give some back. When the active file is
 * nearly used up, by deletes, which alone are let in then, one file is made from the reserve; as
 * long as the log is in such a one, nothing but deletes is let in. Deletes that come faster than it
 * is made wait for it (chain_wait_next). */
#include "engine/log/chain.h"

#define RETRY_US 1000000

/* Allocated before the header is written: a disk that is full shows it while the file is worth
 * nothing. */
status chain_make_file(vfs *v, const char *dir, const file_header *h, uint32_t limit,
                       vfs_file **out) {
    char path[FILE_PATH_MAX], head[FILE_HEADER];
    vfs_file *f;
    *out = NULL;
    CHECK(limit >= FILE_HEADER);
    TRY(file_path(path, dir, h->kind, h->number));
    TRY(vfs_open(v, path, VFS_READ | VFS_WRITE | VFS_CREATE | VFS_EXCL, &f));
    file_header_encode(head, h);
    status s = f->ops->allocate(f, 0, limit);
    if (status_ok(s)) s = vfs_pwrite(f, head, sizeof head, 0);
    if (status_ok(s)) s = f->ops->fsync(f);
    if (status_ok(s)) s = v->ops->sync_dir(v, dir);
    if (status_ok(s)) {
        *out = f;
        return s;
    }
    status ignored = f->ops->close(f); /* the file is given up anyway */
    (void)ignored;
    return s;
}

/* On a worker, for some milliseconds or more: touches the new file alone, which the thread leaves
 * alone meanwhile. */
static void make_run(aio_job *job) {
    chain_prepare *p = AIO_OWNER(job, chain_prepare, job);
    CHECK(p->step == PREP_MAKING && p->f && !p->f->file);
    const meta_queue *m = p->c->meta;
    file_header h = {.kind = (uint8_t)p->c->kind,
                     .store_id = m->store_id,
                     .number = p->f->number,
                     .before = p->before};
    job->result = chain_make_file(m->fs, m->dir, &h, p->f->limit, &p->f->file);
}

/* The file could not be made: its name is given back. */
static void make_failed(chain *c, status s) {
    CHECK(c->prepare.f->state == LOGFILE_PREPARING && !c->prepare.f->file);
    CHECK(!status_ok(s) && c->prepare.f);
    chain_prepare *p = &c->prepare;
    retire_item name = {.number = p->f->number, .kinds = RETIRE_KIND(c->kind)};
    log_warning("Making file %u of the log: %s", name.number, s.msg);
    if (s.code == ST_NO_SPACE) c->no_space = true;
    c->can_reserve = false;
    c->calls->drop(c->ctx, p->f);
    p->f = NULL;
    p->step = PREP_NONE;
    p->retry_us = chain_now_us(c) + RETRY_US;
    retire_push(c->retire, &name);
    retire_advance(c->retire);
}

/* On the thread. */
static void make_done(aio_job *job) {
    chain_prepare *p = AIO_OWNER(job, chain_prepare, job);
    chain *c = p->c;
    CHECK(p->step == PREP_MAKING);
    if (!status_ok(job->result)) {
        make_failed(c, job->result);
        return;
    }
    CHECK(p->f && p->f->file && !c->next);
    edit_append(&c->meta->edit, p->f->number);
    p->step = PREP_JOINING;
    p->gen = meta_commit(c->meta);
}

/* Does the file system have room for another file, and `spare` more of its size? That it can't be
 * asked is no reason not to try. */
static bool has_space(chain *c, unsigned spare) {
    CHECK(log_conf.segment_size > 0);
    uint64_t bytes;
    vfs *v = c->meta->fs;
    status s = v->ops->free_space(v, c->meta->dir, &bytes);
    uint64_t keep = spare && c->calls->keeps ? c->calls->keeps(c->ctx) : 0;
    return !status_ok(s) || bytes > (uint64_t)log_conf.segment_size * (1 + spare) + keep;
}

/* Begins: a number, and its name in the manifest. Sets no_space if there is none. */
static status prepare_start(chain *c) {
    chain_prepare *p = &c->prepare;
    CHECK(p->step == PREP_NONE && !p->f && !c->next);
    bool last = logwrite_left(c->tail) < chain_reserve(c) / 2;
    bool spare = has_space(c, 1);
    if (!spare && !(last && has_space(c, 0))) {
        c->no_space = true;
        c->can_reserve = has_space(c, 0);
        p->retry_us = chain_now_us(c) + RETRY_US;
        return status_make(ST_NO_SPACE, "No space left on device for another file of the log");
    }
    p->f = c->calls->make(c->ctx, meta_next_file(c->meta));
    if (!p->f) return status_make(ST_LIMIT, "there are too many segments; raise segment-size");
    CHECK(p->f->state == LOGFILE_PREPARING && p->f->number > c->active->number);
    meta_name_file(c->meta, p->f->number);
    p->f->limit = (uint32_t)log_conf.segment_size;
    p->f->reserve = !spare;
    p->before = c->active->number;
    p->step = PREP_NAMING;
    p->gen = meta_commit(c->meta);
    return STATUS_OK;
}

/* A step further, if the manifest has got there. */
void chain_prepare_advance(chain *c) {
    chain_prepare *p = &c->prepare;
    if (p->step == PREP_NAMING && meta_is_durable(c->meta, p->gen)) {
        CHECK(p->f && p->f->state == LOGFILE_PREPARING);
        p->step = PREP_MAKING;
        p->c = c;
        p->job.run = make_run;
        p->job.done = make_done;
        aio_submit(c->env->aio, AIO_HOUSEKEEP, &p->job);
    } else if (p->step == PREP_JOINING && meta_is_durable(c->meta, p->gen)) {
        CHECK(!c->next && p->f->file && p->f->state == LOGFILE_PREPARING);
        p->f->state = LOGFILE_READY;
        c->next = p->f;
        c->no_space = c->next->reserve;
        p->f = NULL;
        p->step = PREP_NONE;
    }
}

/* When a quarter of the active file is used: early enough for a burst, and a small store has one
 * file. */
void chain_prepare_if_due(chain *c) {
    chain_prepare *p = &c->prepare;
    if (chain_is_dead(c)) return;
    CHECK(c->active && c->active->state == LOGFILE_ACTIVE);
    if (p->retry_us && chain_now_us(c) < p->retry_us) return;
    p->retry_us = 0;
    bool held = c->on_reserve || (c->next && c->next->reserve);
    if (held && has_space(c, 1)) { /* it is a file like any other now */
        c->on_reserve = c->active->reserve = false;
        if (c->next) c->next->reserve = c->no_space = false;
    } else if (held) {
        p->retry_us = chain_now_us(c) + RETRY_US;
    }
    if (c->next || p->step != PREP_NONE) return;
    uint32_t used = log_pos_offset(logwrite_end(c->tail));
    if (used < c->active->limit / 4 && !c->no_space) return;
    status s = prepare_start(c);
    if (!status_ok(s)) log_debug("%s: %s", c->meta->dir, s.msg);
}

/* For a file that is left before it is full. */
status chain_ask_next(chain *c) {
    CHECK(!c->open);
    if (c->next || c->prepare.step != PREP_NONE) return STATUS_OK;
    return prepare_start(c);
}

/* One attempt, from its beginning to its end, with the thread waiting. */
status chain_wait_next(chain *c) {
    for (bool tried = false; !c->next; tried = true) {
        if (chain_is_dead(c)) return c->failure;
        if (c->prepare.step == PREP_NONE) {
            if (tried) break;
            TRY(prepare_start(c));
        }
        c->meta->full = false;
        meta_kick(c->meta);
        c->env->aio->ops->drain(c->env->aio);
        if (c->meta->full) break;
    }
    if (c->next) {
        CHECK(c->next->state == LOGFILE_READY && c->next->file);
        return STATUS_OK;
    }
    if (chain_is_dead(c)) return c->failure;
    return status_make(ST_NO_SPACE, "No space left on device for another file of the log");
}

/* For a clean end; what was prepared and not used is the engine's to retire. */
status chain_end_preparing(chain *c) {
    CHECK(!c->open);
    while (c->prepare.step != PREP_NONE) {
        if (chain_is_dead(c)) return c->failure;
        if (c->meta->full) return status_make(ST_NO_SPACE, "No space left on device");
        meta_kick(c->meta);
        c->env->aio->ops->drain(c->env->aio);
    }
    return STATUS_OK;
}

/* What comes of it is the engine's to decide: it knows whether anything in the file matters. */
logfile *chain_end(chain *c) {
    logfile *f = c->active;
    CHECK(f && f->state == LOGFILE_ACTIVE && c->prepare.step == PREP_NONE);
    CHECK(f && !c->next && !c->open && c->sync_head == f);
    CHECK(logwrite_durable(c->tail) == logwrite_end(c->tail));
    f->end = log_pos_offset(logwrite_end(c->tail));
    f->state = LOGFILE_SEALED;
    c->active = c->sync_head = NULL;
    return f;
}

/* Its length, in the edit that collects. */
void chain_seal(chain *c, logfile *f) {
    CHECK(f->state >= LOGFILE_SEALED && f->end > FILE_HEADER);
    edit_seal(&c->meta->edit, f->number, f->end);
    f->seal_gen = c->meta->gen;
}

/* An unused part costs space and nothing else, so a failure is told and no more. */
void chain_cut(const chain *c, logfile *f) {
    CHECK(f->file && f->end > FILE_HEADER);
    status s = f->file->ops->truncate(f->file, f->end);
    if (!status_ok(s))
        log_warning("%s: cutting file %u of the log: %s", c->meta->dir, f->number, s.msg);
}
