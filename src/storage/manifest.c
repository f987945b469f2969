/* manifest: loading, appending to and rewriting the file MANIFEST.
 *
 *     header | edit | idle | edit | idle | ... | edit | idle | zeros, allocated ahead
 *              each edit's mark: end of the former edit; each idle's: end of the edit before it
 *
 * An edit is written, then fsynced, then its idle record is written; that one rides on the next
 * fsync. So once the system has written it back, a damaged last edit is told from a torn one, and
 * an edit that was acknowledged is never taken for one that was not.
 *
 * What can go wrong while writing, and what follows:
 *
 *   allocating ahead: no space        nothing happened; the edit may be tried again
 *   the new file of a rewrite: none   likewise; MANIFEST.tmp is deleted
 *   writing or fsyncing an edit       final: the edit may or may not be there
 *   rename, fsync of the directory    final: the one file or the other is there, both whole
 *   writing an idle record            the edit is done; the next one goes to a new file */
#include "storage/manifest.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "storage/file_header.h"
#include "storage/logscan.h"

#define GROWN_TIMES 4            /* rewritten when it is that many times a fresh one, and large */
#define PIECE       (256u << 10) /* bytes of operations in one record */

uint32_t manifest_ahead = 64u << 10;

struct manifest {
    vfs *v;
    char *dir, *path, *tmp;
    vfs_file *file;
    manifest_state state;
    manifest_report about;
    uint32_t end;       /* where the next record goes */
    uint32_t edit_end;  /* end of the last edit: what the next one's mark says */
    uint32_t allocated; /* the file's size */
    uint32_t fresh;     /* its length after the last rewrite */
    bool renew;         /* the next edit goes to a new file */
    status failed;
    char failed_msg[STATUS_MSG_MAX];
    /* the edit under way */
    bool busy, written, rewriting, idle_failed, final;
    manifest_state next;
    buf bytes;         /* the edit's records, then its idle record; with the header for a rewrite */
    uint32_t edit_len; /* of bytes, without the idle record */
    vfs_file *new_file; /* of a rewrite */
    uint32_t new_number;
    uint32_t new_allocated;
    status result;
    char result_msg[STATUS_MSG_MAX];
};

/* ---- encoding -------------------------------------------------------------------------------- */

/* Appends a record, sealed for file offset `at`. */
static void put_record(buf *out, record *r, bool continues, uint64_t store_id, uint32_t number,
                       uint32_t at) {
    CHECK(out->len == 0 || out->data);
    size_t start = out->len;
    record_append(out, r);
    CHECK(at >= FILE_HEADER && number > 0);
    record_seal(out->data + start, r->size, continues, (record_place){store_id, number, at});
}

/* Appends `ops` as records that begin at file offset `at`, the first with the mark (if it is not
 * 0), and an idle record with a mark at their end. Returns the length without the idle record. */
static uint32_t put_edit(buf *out, slice ops, log_pos mark, uint64_t store_id, uint32_t number,
                         uint32_t at) {
    CHECK(at >= FILE_HEADER);
    size_t start = out->len;
    CHECK(ops.len > 0);
    while (ops.len) {
        record r = {.kind = RECORD_MANIFEST, .body = manifest_ops_piece(&ops, PIECE)};
        if (mark) {
            r.flags = RECORD_MARK;
            r.mark = mark;
            mark = 0;
        }
        put_record(out, &r, ops.len > 0, store_id, number, at + (uint32_t)(out->len - start));
    }
    uint32_t len = (uint32_t)(out->len - start);
    record idle = {.kind = RECORD_IDLE, .flags = RECORD_MARK, .mark = log_pos_of(number, at + len)};
    put_record(out, &idle, false, store_id, number, at + len);
    CHECK(out->len > start + len);
    return len;
}

/* The whole file that says `s`. Returns its length without the idle record at its end. */
static uint32_t put_file(buf *out, const manifest_state *s, uint32_t number) {
    CHECK(s->engine[0] && number > 0);
    buf ops = {0};
    file_header h = {.kind = FILE_MANIFEST, .store_id = s->store_id, .number = number};
    CHECK(out->len == 0);
    file_header_encode(buf_reserve(out, FILE_HEADER), &h);
    out->len = FILE_HEADER;
    manifest_state_encode(s, &ops);
    uint32_t len = put_edit(out, buf_slice(&ops), 0, s->store_id, number, FILE_HEADER);
    buf_free(&ops);
    return FILE_HEADER + len;
}

/* ---- loading --------------------------------------------------------------------------------- */

/* Applies what a scan gives. */
static status load_records(logscan *s, const char *path, manifest_state *state,
                           manifest_report *report) {
    CHECK(report->edits == 0);
    logscan_item item;
    bool got;
    while (true) {
        TRY(logscan_next(s, &item, &got));
        if (!got) return STATUS_OK;
        if (item.rec.mark > log_pos_of(report->number, item.offset))
            return status_make(ST_CORRUPT, "%s: at offset %u: a mark of what comes later", path,
                               item.offset);
        if ((item.rec.flags & RECORD_MARK) && log_pos_offset(item.rec.mark) > report->marked)
            report->marked = log_pos_offset(item.rec.mark);
        if (item.rec.kind == RECORD_IDLE) continue;
        if (item.rec.kind != RECORD_MANIFEST)
            return status_make(ST_CORRUPT, "%s: a %s record at offset %u", path,
                               record_kind_name(item.rec.kind), item.offset);
        status st = manifest_state_apply(state, item.rec.body);
        if (!status_ok(st))
            return status_make(ST_CORRUPT, "%s: at offset %u: %s", path, item.offset, st.msg);
        report->edits++;
        report->edit_end = item.offset + item.rec.size;
        CHECK(report->edit_end > FILE_HEADER);
    }
}

/* Decides about what lies behind the last good record. */
static status judge(logscan *s, const log_file *f, uint64_t store_id, manifest_report *report) {
    CHECK(f->length == 0);
    log_verdict v;
    logscan_stop stop = logscan_stopped(s);
    TRY(logscan_judge(store_id, f, 1, &stop, &v));
    CHECK(v.cut == stop.end);
    report->length = v.cut;
    report->torn = v.kind == LOG_TORN;
    return log_verdict_status(&v, f);
}

/* Loads from an open file. */
static status load(vfs_file *file, const char *path, manifest_state *state,
                   manifest_report *report) {
    CHECK(file && path);
    file_header h;
    logscan *s;
    *state = (manifest_state){0};
    *report = (manifest_report){0};
    TRY(file_header_read(file, path, &h));
    log_file f = {.file = file, .path = path, .kind = FILE_MANIFEST, .number = h.number};
    report->number = h.number;
    TRY(logscan_open(&f, h.store_id, &s));
    status st = load_records(s, path, state, report);
    if (status_ok(st)) st = judge(s, &f, h.store_id, report);
    logscan_close(s);
    TRY(st);
    if (!state->engine[0]) return status_make(ST_CORRUPT, "%s: says nothing", path);
    if (state->store_id != h.store_id)
        return status_make(ST_CORRUPT, "%s: the header names another store than its contents",
                           path);
    CHECK(report->edits > 0);
    return STATUS_OK;
}

/* Closes a file that was only read, or whose writes were all fsynced: nothing can be lost. */
static void close_quietly(vfs_file *f) {
    CHECK(!f || f->ops);
    if (!f) return;
    status ignored = f->ops->close(f);
    (void)ignored;
}

/* Opens, reads, closes: whatever it returns, the file is as it was. */
status manifest_load(vfs *v, const char *path, manifest_state *state, manifest_report *report) {
    CHECK(path && path[0]);
    vfs_file *f;
    *state = (manifest_state){0};
    *report = (manifest_report){0};
    TRY(vfs_open(v, path, VFS_READ, &f));
    status st = load(f, path, state, report);
    close_quietly(f);
    return st;
}

/* ---- a new file ------------------------------------------------------------------------------ */

/* Writes `bytes` to `tmp`, fsyncs, renames it to `path` and fsyncs the directory. *renamed tells
 * whether it came as far as the rename; until then a failure leaves everything as it was. */
static status write_new(vfs *v, const char *dir, const char *tmp, const char *path, slice bytes,
                        vfs_file **out, bool *renamed) {
    CHECK(tmp && path);
    *out = NULL;
    *renamed = false;
    CHECK(bytes.len > FILE_HEADER);
    status st = vfs_open(v, tmp, VFS_READ | VFS_WRITE | VFS_CREATE | VFS_TRUNC, out);
    if (!status_ok(st)) return st;
    st = vfs_pwrite(*out, bytes.data, bytes.len, 0);
    if (status_ok(st)) st = (*out)->ops->fsync(*out);
    if (status_ok(st)) {
        *renamed = true;
        st = v->ops->rename(v, tmp, path);
        if (status_ok(st)) st = v->ops->sync_dir(v, dir);
    }
    if (status_ok(st)) return st;
    close_quietly(*out);
    *out = NULL;
    if (!*renamed) {
        status ignored = v->ops->unlink(v, tmp); /* deleted at the next start in any case */
        (void)ignored;
    }
    return st;
}

/* "DIR/MANIFEST" and "DIR/MANIFEST.tmp". */
static status paths(const char *dir, char path[FILE_PATH_MAX], char tmp[FILE_PATH_MAX + 8]) {
    CHECK(dir && dir[0]);
    TRY(file_path(path, dir, FILE_MANIFEST, 0));
    int n = snprintf(tmp, FILE_PATH_MAX + 8, "%s.tmp", path);
    CHECK(n > 0 && n < FILE_PATH_MAX + 8);
    return STATUS_OK;
}

/* What manifest_write does with a rewrite, for tools. */
status manifest_rewrite(vfs *v, const char *dir, const manifest_state *state, uint32_t number) {
    CHECK(state->nfiles <= MANIFEST_FILES_MAX);
    char path[FILE_PATH_MAX], tmp[FILE_PATH_MAX + 8];
    buf bytes = {0};
    vfs_file *f;
    bool renamed;
    TRY(paths(dir, path, tmp));
    CHECK(state->engine[0] && number > 0);
    put_file(&bytes, state, number);
    status st = write_new(v, dir, tmp, path, buf_slice(&bytes), &f, &renamed);
    buf_free(&bytes);
    close_quietly(f);
    return st;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Makes durable what was read, and its name: the process that wrote it may have ended before it had
 * fsynced, or after an fsync failed, which leaves bytes that the system shows and takes for
 * written. So what no mark vouches for is written again, as it is. Only then may files be unlinked
 * that it says are gone. */
static status settle(manifest *m) {
    uint32_t from = m->about.marked > FILE_HEADER ? m->about.marked : FILE_HEADER;
    size_t n = m->about.length - from;
    CHECK(from <= m->about.length);
    char *bytes = mem_alloc(n + 1);
    status st = vfs_pread_all(m->file, m->path, bytes, n, from);
    if (status_ok(st) && n) st = vfs_pwrite(m->file, bytes, n, from);
    mem_free(bytes);
    TRY(st);
    TRY(m->file->ops->fdatasync(m->file));
    return m->v->ops->sync_dir(m->v, m->dir);
}

/* A torn end makes the next edit go to a new file: nothing is appended behind it. */
status manifest_open(vfs *v, const char *dir, manifest **out) {
    CHECK(dir && dir[0]);
    char path[FILE_PATH_MAX], tmp[FILE_PATH_MAX + 8];
    vfs_file *f;
    uint64_t size;
    *out = NULL;
    TRY(paths(dir, path, tmp));
    TRY(vfs_open(v, path, VFS_READ | VFS_WRITE, &f));
    manifest *m = mem_zalloc(sizeof *m);
    status st = load(f, path, &m->state, &m->about);
    if (status_ok(st)) st = f->ops->size(f, &size);
    if (status_ok(st) && size > UINT32_MAX) st = status_make(ST_LIMIT, "%s: above 4 GiB", path);
    if (!status_ok(st)) {
        close_quietly(f);
        manifest_state_free(&m->state);
        mem_free(m);
        return st;
    }
    CHECK(m->about.length <= size);
    m->v = v;
    m->dir = mem_strdup(dir);
    m->path = mem_strdup(path);
    m->tmp = mem_strdup(tmp);
    m->file = f;
    m->end = m->about.length;
    m->edit_end = m->about.edit_end;
    m->allocated = (uint32_t)size;
    m->renew = m->about.torn;
    m->failed = m->result = STATUS_OK;
    st = settle(m);
    if (!status_ok(st)) {
        manifest_close(m);
        return st;
    }
    *out = m;
    return STATUS_OK;
}

/* By the way of a rewrite: there never is half a manifest. */
status manifest_create(vfs *v, const char *dir, const manifest_edit *first, manifest **out) {
    CHECK(first->ops.len > 0);
    char path[FILE_PATH_MAX], tmp[FILE_PATH_MAX + 8];
    manifest_state s = {0};
    vfs_file *f;
    *out = NULL;
    TRY(paths(dir, path, tmp));
    status there = vfs_open(v, path, VFS_READ, &f);
    if (status_ok(there)) {
        close_quietly(f);
        return status_make(ST_INVALID, "%s: is there already", path);
    }
    if (there.code != ST_NOT_FOUND) return there;
    status st = manifest_state_apply(&s, buf_slice(&first->ops));
    CHECK(!status_ok(st) || s.engine[0]);
    if (status_ok(st)) st = manifest_rewrite(v, dir, &s, 1);
    manifest_state_free(&s);
    TRY(st);
    return manifest_open(v, dir, out);
}

/* Nothing happens for NULL. */
void manifest_close(manifest *m) {
    CHECK(!m || m->file);
    if (!m) return;
    CHECK(!m->busy);
    close_quietly(m->file);
    manifest_state_free(&m->state);
    buf_free(&m->bytes);
    mem_free(m->dir);
    mem_free(m->path);
    mem_free(m->tmp);
    mem_free(m);
}

/* The durable state. */
const manifest_state *manifest_get(const manifest *m) {
    CHECK(m->state.engine[0]);
    return &m->state;
}

/* As loaded, and kept up to date by each edit. */
const manifest_report *manifest_about(const manifest *m) {
    CHECK(m->about.number > 0);
    return &m->about;
}

/* Final: only a new start reads what is really there. */
status manifest_failed(const manifest *m) {
    CHECK(m->failed.msg);
    return m->failed;
}

/* Between prepare and finish. */
bool manifest_busy(const manifest *m) {
    CHECK(!m->busy || m->next.engine[0]);
    return m->busy;
}

/* ---- edits ----------------------------------------------------------------------------------- */

/* True if the edit should go to a new file. */
static bool should_renew(const manifest *m, size_t more) {
    CHECK(m->end >= m->edit_end);
    uint64_t fresh = (uint64_t)m->fresh * GROWN_TIMES, then = (uint64_t)m->end + more;
    return m->renew || then > UINT32_MAX - 2 * manifest_ahead ||
           (then > manifest_ahead && then > fresh);
}

/* The edit is applied to a copy of the state, so that an impossible one changes nothing. */
status manifest_prepare(manifest *m, const manifest_edit *e) {
    CHECK(!m->new_file || m->rewriting);
    CHECK(!m->busy);
    TRY(m->failed);
    if (e->ops.len == 0) return status_make(ST_INVALID, "an empty manifest edit");
    manifest_state_copy(&m->next, &m->state);
    status st = manifest_state_apply(&m->next, buf_slice(&e->ops));
    if (!status_ok(st)) {
        manifest_state_free(&m->next);
        return status_make(ST_INVALID, "%s", st.msg);
    }
    buf_clear(&m->bytes);
    m->rewriting = should_renew(m, e->ops.len);
    m->new_number = m->about.number + (m->rewriting ? 1 : 0);
    if (m->rewriting)
        m->edit_len = put_file(&m->bytes, &m->next, m->new_number);
    else
        m->edit_len =
            put_edit(&m->bytes, buf_slice(&e->ops), log_pos_of(m->about.number, m->edit_end),
                     m->state.store_id, m->about.number, m->end);
    m->new_file = NULL;
    m->idle_failed = m->final = m->written = false;
    m->busy = true;
    return STATUS_OK;
}

/* Appends the edit to the file. */
static status write_append(manifest *m) {
    CHECK(m->busy && !m->rewriting);
    CHECK(m->end <= m->allocated);
    uint64_t need = (uint64_t)m->end + m->bytes.len;
    CHECK(m->edit_len < m->bytes.len);
    if (need > m->allocated) {
        uint32_t to = (uint32_t)((need + manifest_ahead) / manifest_ahead * manifest_ahead);
        status st = m->file->ops->allocate(m->file, m->allocated, to - m->allocated);
        m->final = !status_ok(st) && st.code != ST_NO_SPACE;
        TRY(st);
        m->allocated = to;
    }
    m->final = true; /* until it has worked */
    TRY(vfs_pwrite(m->file, m->bytes.data, m->edit_len, m->end));
    TRY(m->file->ops->fdatasync(m->file));
    m->final = false;
    status idle = vfs_pwrite(m->file, m->bytes.data + m->edit_len, m->bytes.len - m->edit_len,
                             (uint64_t)m->end + m->edit_len);
    m->idle_failed = !status_ok(idle);
    return STATUS_OK;
}

/* May run on a worker: touches the file, the encoded bytes and the result, not the state. */
status manifest_write(manifest *m) {
    CHECK(m->bytes.len > m->edit_len);
    CHECK(m->busy && !m->written);
    bool renamed = false;
    status st = m->rewriting ? write_new(m->v, m->dir, m->tmp, m->path, buf_slice(&m->bytes),
                                         &m->new_file, &renamed)
                             : write_append(m);
    if (m->rewriting) m->final = !status_ok(st) && (renamed || st.code != ST_NO_SPACE);
    snprintf(m->result_msg, sizeof m->result_msg, "%s", st.msg);
    m->result = (status){st.code, m->result_msg};
    m->written = true;
    return st;
}

/* The file has the edit at its end; `start` is where its bytes began. */
static void moved_on(manifest *m, uint32_t start) {
    CHECK(start == 0 || start == m->end);
    m->edit_end = start + m->edit_len;
    m->end = start + (uint32_t)m->bytes.len;
    m->about.edits++;
    m->about.length = m->end;
    m->about.edit_end = m->edit_end;
    m->renew = m->idle_failed;
    CHECK(m->end > m->edit_end);
}

/* On the thread again. */
void manifest_finish(manifest *m) {
    CHECK(m->result.msg);
    CHECK(m->busy && m->written);
    m->busy = false;
    if (!status_ok(m->result)) {
        manifest_state_free(&m->next);
        if (m->final) {
            memcpy(m->failed_msg, m->result_msg, sizeof m->failed_msg);
            m->failed = (status){m->result.code, m->failed_msg};
        }
        return;
    }
    manifest_state_free(&m->state);
    m->state = m->next;
    m->next = (manifest_state){0};
    uint32_t start = m->end;
    if (m->rewriting) {
        close_quietly(m->file);
        m->file = m->new_file;
        m->about = (manifest_report){.number = m->new_number};
        m->allocated = m->fresh = (uint32_t)m->bytes.len;
        start = 0;
    }
    moved_on(m, start);
}

/* All three steps at once, blocking. */
status manifest_commit(manifest *m, const manifest_edit *e) {
    CHECK(!m->busy);
    TRY(manifest_prepare(m, e));
    status st = manifest_write(m);
    manifest_finish(m);
    CHECK(!m->busy);
    return st;
}
