/* recover: the log at a start.
 *
 * A crash in the middle of any of this is met by the next start in the same way: reading changes
 * nothing, and the edit of recover_begin is there or is not.
 *
 * What may lie behind the log's end, and what becomes of it:
 *
 *   zeros                    as allocated: the file is cut there when it is sealed
 *   part of a batch          never acknowledged: cut off
 *   a file made ahead        without records: retired
 *   files that follow a torn one   retired too: history has no hole (W1)
 *
 * What no mark vouches for is written again before it counts as durable (W10). */
#include "engine/log/recover.h"

#include "base/mem.h"

#define LIMIT_MIN (256u << 10)

/* ---- opening, reading ---------------------------------------------------------------------------
 */

/* For writing too: the open end is to be made durable, and cut. */
static status open_one(recovery *r, const manifest_file *m) {
    char path[FILE_PATH_MAX];
    chain *c = r->c;
    vfs *v = c->meta->fs;
    CHECK(m->number > 0);
    logfile *f = c->calls->make(c->ctx, m->number);
    if (!f) return status_make(ST_LIMIT, "%s: more files than the log can have", c->meta->dir);
    f->state = LOGFILE_SEALED;
    f->end = m->length;
    f->logged = f->end != 0;
    uint32_t i = r->n++;
    CHECK(i < r->last);
    r->files[i] = f;
    r->merged[i] = m->merged;
    TRY(file_path(path, c->meta->dir, c->kind, f->number));
    const char *name = mem_strdup(path);
    r->scans[i] = (log_file){NULL, name, (uint8_t)c->kind, f->number, f->end};
    status s = vfs_open(v, name, VFS_READ | VFS_WRITE, &f->file);
    r->scans[i].file = f->file;
    if (s.code != ST_NOT_FOUND) return s;
    return status_make(ST_CORRUPT, "%s: the manifest names this file, and it is missing", name);
}

/* In the manifest's order, which is the log's. */
status recover_files(recovery *r, chain *c) {
    const manifest_state *m = meta_state(c->meta);
    CHECK(!c->tail);
    *r = (recovery){.c = c};
    r->files = mem_zalloc((m->nfiles + 1) * sizeof *r->files);
    r->scans = mem_zalloc((m->nfiles + 1) * sizeof *r->scans);
    r->merged = mem_zalloc((m->nfiles + 1) * sizeof *r->merged);
    r->last = (uint32_t)m->nfiles;
    for (size_t i = 0; i < m->nfiles; i++)
        TRY(open_one(r, &m->files[i]));
    CHECK(r->n == r->last);
    return STATUS_OK;
}

/* The names are all that is r's own. */
void recover_free(recovery *r) {
    for (uint32_t i = 0; r->scans && r->scans[i].path; i++)
        mem_free((char *)(uintptr_t)r->scans[i].path);
    mem_free(r->files);
    mem_free(r->scans);
    mem_free(r->merged);
    *r = (recovery){0};
}

/* Notes where the file's records end and the greatest mark; the rest is the engine's. */
static status replay_one(void *ctx, const log_file *scan, const logscan_item *item) {
    recovery *r = ctx;
    logfile *f = r->files[scan - r->scans];
    CHECK(f->number == scan->number && item->offset >= FILE_HEADER);
    CHECK(scan->length == 0 || item->offset + item->rec.size <= scan->length);
    if (scan->length == 0) f->end = item->offset + item->rec.size;
    if ((item->rec.flags & RECORD_MARK) && item->rec.mark > r->mark) r->mark = item->rec.mark;
    return r->each ? r->each(r->ctx, f, item) : STATUS_OK;
}

/* Where one of the open ones ends is told by how the next one begins, so they are read together. */
status recover_replay(recovery *r, uint32_t from, uint32_t to, recover_fn each, void *ctx) {
    CHECK(from < to && to <= r->n);
    log_verdict v;
    r->each = each;
    r->ctx = ctx;
    const meta_queue *m = r->c->meta;
    const log_file *files = r->scans + from;
    TRY(log_replay(m->store_id, files, to - from, 0, replay_one, r, &v));
    log_verdict_known(&v, files, to - from, manifest_state_durable(meta_state(m)));
    TRY(log_verdict_status(&v, files));
    uint32_t last = from + (uint32_t)v.file;
    CHECK(last < to);
    if (r->scans[last].length) return STATUS_OK;
    r->last = last;
    r->files[last]->end = v.cut;
    r->cut = v.dropped;
    if (v.kind == LOG_TORN)
        log_notice("%s: the log ends at offset %u; %llu bytes behind it were never acknowledged",
                   r->scans[last].path, v.cut, (unsigned long long)v.dropped);
    return STATUS_OK;
}

/* ---- a new beginning -------------------------------------------------------------------------
 */

/* Makes what was read of f durable. An fsync alone might not: if one had failed before, the system
 * may hold bytes that it takes for written and that are not on the disk. So what no mark vouches
 * for is written again, as it is (W10). */
static status make_durable(const recovery *r, logfile *f) {
    CHECK(f->end > FILE_HEADER && !f->logged);
    char *piece = mem_alloc(LOGSCAN_PIECE);
    status s = STATUS_OK;
    uint32_t at = FILE_HEADER;
    if (log_pos_file(r->mark) == f->number && log_pos_offset(r->mark) > at)
        at = log_pos_offset(r->mark);
    if (log_pos_file(r->mark) > f->number) at = f->end;
    CHECK(at >= FILE_HEADER);
    while (at < f->end && status_ok(s)) {
        size_t n = f->end - at < LOGSCAN_PIECE ? f->end - at : LOGSCAN_PIECE, got = 0;
        s = vfs_pread(f->file, piece, n, at, &got);
        if (status_ok(s) && got < n)
            s = status_make(ST_IO, "file %u of the log became shorter", f->number);
        if (status_ok(s)) s = vfs_pwrite(f->file, piece, n, at);
        at += (uint32_t)n;
    }
    mem_free(piece);
    return status_ok(s) ? f->file->ops->fdatasync(f->file) : s;
}

/* Seals what is open and used; retires what is open and not. */
static status close_end(recovery *r, const recover_calls *calls, void *ctx) {
    meta_queue *m = r->c->meta;
    CHECK(r->last <= r->n);
    uint32_t kept = r->n;
    for (uint32_t i = 0; i < r->n; i++) {
        logfile *f = r->files[i];
        if (f->logged) continue;
        if (i > r->last || f->end <= FILE_HEADER) {
            edit_retire(&m->edit, f->number);
            calls->retired(ctx, f, m->gen);
            r->files[i] = NULL;
            if (kept > i) kept = i;
            continue;
        }
        CHECK(kept == r->n);
        TRY(make_durable(r, f));
        chain_seal(r->c, f);
        f->logged = true;
    }
    r->n = kept;
    return STATUS_OK;
}

/* Where the log was left: the end of its last file, if that is known. */
static log_pos left_at(const recovery *r) {
    CHECK(r->last <= r->n);
    uint32_t i = r->last < r->n ? r->last + 1 : r->n;
    while (i-- > 0) {
        if (r->merged[i]) return 0;
        if (r->files[i]->end > FILE_HEADER) return logfile_pos(r->files[i], r->files[i]->end);
    }
    return 0;
}

/* Makes the new active file, smaller if the disk is nearly full. */
static status make_active(chain *c, logfile *f, uint32_t before) {
    CHECK(!f->file && f->number > before);
    const meta_queue *m = c->meta;
    file_header h = {
        .kind = (uint8_t)c->kind, .store_id = m->store_id, .number = f->number, .before = before};
    f->limit = (uint32_t)log_conf.segment_size;
    CHECK(f->limit >= FILE_HEADER);
    status s = chain_make_file(m->fs, m->dir, &h, f->limit, &f->file);
    while (s.code == ST_NO_SPACE && f->limit > LIMIT_MIN) {
        char path[FILE_PATH_MAX];
        TRY(file_path(path, m->dir, c->kind, f->number));
        TRY(m->fs->ops->unlink(m->fs, path));
        f->limit /= 4;
        s = chain_make_file(m->fs, m->dir, &h, f->limit, &f->file);
    }
    return s;
}

/* Makes the log's next file, so far only pending in the manifest. */
static status make_next(chain *c, log_pos before, logfile **out) {
    CHECK(!c->active);
    meta_queue *m = c->meta;
    logfile *f = *out = c->calls->make(c->ctx, meta_next_file(m));
    if (!f) return status_make(ST_LIMIT, "%s: more files than the log can have", m->dir);
    meta_name_file(m, f->number);
    meta_reserve_ahead(m);
    TRY(meta_wait(m, meta_commit(m)));
    return make_active(c, f, log_pos_file(before));
}

/* The log goes on in f. */
static status start(chain *c, logfile *f, log_pos before) {
    CHECK(f->file && !c->tail);
    logwrite_file to = {f->file, f->number, f->limit};
    c->tail = logwrite_new(c->meta->store_id);
    logwrite_start(c->tail, &to, before);
    f->state = LOGFILE_ACTIVE;
    f->first = log_pos_offset(logwrite_end(c->tail));
    c->active = c->sync_head = f;
    c->released = logwrite_whole(c->tail);
    chain_write(c); /* so that all that is there counts as durable */
    chain_sync(c);
    c->synced_us = chain_now_us(c);
    CHECK(chain_is_dead(c) || logwrite_durable(c->tail) == logwrite_end(c->tail));
    return c->failure;
}

/* One edit closes what was before and begins what comes. On failure a file that was made is dropped
 * with what else the engine has. */
status recover_begin(recovery *r, const recover_calls *calls, void *ctx) {
    chain *c = r->c;
    meta_queue *m = c->meta;
    logfile *f = NULL;
    log_pos before = left_at(r);
    CHECK(calls->retired);
    TRY(make_next(c, before, &f));
    CHECK(f->file && f->number > log_pos_file(before));
    TRY(close_end(r, calls, ctx));
    edit_append(&m->edit, f->number);
    if (calls->begins) calls->begins(ctx, logfile_pos(f, FILE_HEADER));
    TRY(meta_wait(m, meta_commit(m)));
    for (uint32_t i = 0; i < r->n; i++)
        if (r->scans[i].length == 0) chain_cut(c, r->files[i]);
    return start(c, f, before);
}
