/* prepare: making the next segment ahead of need, beside the thread.
 *
 *   NAMING   the manifest is told that the file's name is taken (PENDING); once that is durable:
 *   MAKING   a worker creates the file, writes its header, allocates it, fsyncs file and directory
 *   JOINING  the manifest is told that the file belongs to the log (APPEND); once durable: READY
 *
 * So a crash at any point leaves a file that the manifest knows (B9). If the file can't be made it
 * is forgotten, and cron tries again with a new number a second later; that the disk is full is
 * remembered for engine_room().
 *
 * The reserve: a segment is made only while the file system has room for two, so that on a disk
 * that others fill, or that is too small, merges have room to give some back. When the active
 * segment is nearly used up, by deletes, which alone are let in then, one segment is made from the
 * reserve; as long as the log is in such a one, nothing but deletes is let in. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/seglog.h"

#define RETRY_US 1000000

/* Allocated before the header is written: a disk that is full shows it while the file is worth
 * nothing. */
status seg_make_file(vfs *v, const char *dir, const file_header *h, uint32_t limit,
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

/* On a worker, for some milliseconds or more: touches the segment's file alone, which the thread
 * leaves alone meanwhile. */
static void make_run(aio_job *job) {
    seg_prepare *p = AIO_OWNER(job, seg_prepare, job);
    CHECK(p->seg);
    file_header h = {.kind = FILE_SEGMENT,
                     .store_id = p->e->store_id,
                     .number = p->seg->number,
                     .before = p->before};
    job->result = seg_make_file(p->e->fs, p->e->dir, &h, p->seg->limit, &p->seg->file);
}

/* The file could not be made: its name is given back. */
static void make_failed(bitcask *e, status s) {
    CHECK(!status_ok(s) && e->prepare.seg);
    seg_prepare *p = &e->prepare;
    uint32_t number = p->seg->number;
    log_warning("Making segment %u: %s", number, s.msg);
    if (s.code == ST_NO_SPACE) {
        e->no_space = true;
        e->stats.no_space++;
    }
    seg_free(e, p->seg);
    p->seg = NULL;
    p->step = PREP_NONE;
    p->retry_us = bc_now_us(e) + RETRY_US;
    retire_numbers(e, &number, 1);
}

/* On the thread. */
static void make_done(aio_job *job) {
    seg_prepare *p = AIO_OWNER(job, seg_prepare, job);
    bitcask *e = p->e;
    CHECK(p->step == PREP_MAKING);
    if (!status_ok(job->result)) {
        make_failed(e, job->result);
        return;
    }
    edit_append(&e->meta.edit, p->seg->number);
    p->step = PREP_JOINING;
    p->gen = meta_commit(e);
}

/* Does the file system have room for another segment, and `spare` more of its size? That it can't
 * be asked is no reason not to try. */
static bool has_space(bitcask *e, unsigned spare) {
    CHECK(bitcask_conf.segment_size > 0);
    uint64_t bytes;
    status s = e->fs->ops->free_space(e->fs, e->dir, &bytes);
    return !status_ok(s) || bytes > (uint64_t)bitcask_conf.segment_size * (1 + spare);
}

/* Begins: a number, and its name in the manifest. Sets no_space if there is none. */
static status prepare_start(bitcask *e) {
    seg_prepare *p = &e->prepare;
    CHECK(p->step == PREP_NONE && !p->seg && !e->next);
    bool last = logwrite_left(e->log) < seglog_reserve(e) / 2;
    bool spare = has_space(e, 1);
    if (!spare && !(last && has_space(e, 0))) {
        e->no_space = true;
        p->retry_us = bc_now_us(e) + RETRY_US;
        return status_make(ST_NO_SPACE, "No space left on device for another segment of the log");
    }
    id_block *ids = &e->ids[MANIFEST_IDS_FILE];
    p->seg = seg_new(e, (uint32_t)ids->next);
    if (!p->seg) return status_make(ST_LIMIT, "there are too many segments; raise segment-size");
    ids->next++;
    p->seg->limit = (uint32_t)bitcask_conf.segment_size;
    p->seg->reserve = !spare;
    p->before = e->active->number;
    edit_reserve(&e->meta.edit, MANIFEST_IDS_FILE, ids->next);
    edit_pending(&e->meta.edit, p->seg->number);
    p->step = PREP_NAMING;
    p->gen = meta_commit(e);
    return STATUS_OK;
}

/* A step further, if the manifest has got there. */
void seg_prepare_advance(bitcask *e) {
    seg_prepare *p = &e->prepare;
    if (p->step == PREP_NAMING && e->meta.done >= p->gen) {
        p->step = PREP_MAKING;
        p->e = e;
        p->job.run = make_run;
        p->job.done = make_done;
        aio_submit(e->env->aio, AIO_HOUSEKEEP, &p->job);
    } else if (p->step == PREP_JOINING && e->meta.done >= p->gen) {
        CHECK(!e->next && p->seg->file);
        p->seg->state = SEG_READY;
        e->next = p->seg;
        e->no_space = e->next->reserve;
        p->seg = NULL;
        p->step = PREP_NONE;
    }
}

/* When a quarter of the active segment is used: early enough for a burst, and a small store has one
 * file. */
void seg_prepare_if_due(bitcask *e) {
    seg_prepare *p = &e->prepare;
    if (seglog_is_dead(e)) return;
    if (p->retry_us && bc_now_us(e) < p->retry_us) return;
    p->retry_us = 0;
    bool held = e->on_reserve || (e->next && e->next->reserve);
    if (held && has_space(e, 1)) { /* it is a segment like any other now */
        e->on_reserve = e->active->reserve = false;
        if (e->next) e->next->reserve = e->no_space = false;
    } else if (held) {
        p->retry_us = bc_now_us(e) + RETRY_US;
    }
    if (e->next || p->step != PREP_NONE) return;
    uint32_t used = log_pos_offset(logwrite_end(e->log));
    if (used < e->active->limit / 4 && !e->no_space) return;
    status s = prepare_start(e);
    if (!status_ok(s)) log_debug("%s: %s", e->dir, s.msg);
}

/* For a segment that is left before it is full. */
status seg_ask_next(bitcask *e) {
    CHECK(!e->batch.open);
    if (e->next || e->prepare.step != PREP_NONE) return STATUS_OK;
    return prepare_start(e);
}

/* One attempt, from its beginning to its end, with the thread waiting. */
status seg_wait_next(bitcask *e) {
    for (bool tried = false; !e->next; tried = true) {
        if (seglog_is_dead(e)) return seglog_failure(e);
        if (e->prepare.step == PREP_NONE) {
            if (tried) break;
            TRY(prepare_start(e));
        }
        e->meta.full = false;
        meta_kick(e);
        e->env->aio->ops->drain(e->env->aio);
        if (e->meta.full) break;
    }
    if (e->next) return STATUS_OK;
    if (seglog_is_dead(e)) return seglog_failure(e);
    return status_make(ST_NO_SPACE, "No space left on device for another segment of the log");
}
