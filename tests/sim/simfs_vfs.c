/* simfs_vfs: the calls of simfs as a vfs, with their numbers, faults and trace.
 *
 * Each call begins with call_begin, which counts it, gives the hook its turn, and says what becomes
 * of it: it is done (GO), it fails and does nothing or part of its work (FAIL), or the machine
 * stops in it, after its work or before (DO_THEN_FAIL, FAIL). */
#include "sim/simfs_int.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum traits {
    READS = 0,
    CHANGES = 1 << 0,    /* counts for stop_at */
    TAKES_ROOM = 1 << 1, /* may fail for want of room */
    PREADS = 1 << 2,
    SYNCS = 1 << 3,
};

typedef enum outcome { GO, DO_THEN_FAIL, FAIL, OFF } outcome;

void sim_trace(simfs *fs, const char *fmt, ...) {
    char text[300];
    va_list ap;
    if (!fs->line) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fs->line(fs->line_ctx, text);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static simfs *fs_of(vfs *v) {
    return (simfs *)v;
}
static sim_file *file_of(vfs_file *f) {
    return (sim_file *)f;
}

static status injected(simfs *fs, status_code code, const char *name, const char *path) {
    fs->counts.failed++;
    sim_trace(fs, "  %s %s fails: %s", name, base_name(path), code == ST_IO ? "EIO" : "ENOSPC");
    return status_errno(code == ST_IO ? EIO : ENOSPC, "%s %s", name, path);
}

static outcome call_begin(simfs *fs, unsigned traits, const char *name, const char *path,
                          status *failure) {
    const simfs_knobs *k = &fs->knobs;
    if (fs->before && !fs->depth && !fs->in_child && fs->replay == SIM_LIVE) {
        fs->depth++;
        fs->before(fs->before_ctx);
        fs->depth--;
    }
    CHECK(!(fs->in_child && (traits & CHANGES))); /* a child changes only what it opened itself */
    fs->counts.calls++;
    if (fs->stopped) {
        *failure = status_errno(EIO, "%s %s: the machine is off", name, path);
        return OFF;
    }
    if ((traits & CHANGES) && ++fs->counts.changes == k->stop_at) {
        bool done = rng_below(&fs->chance, 2) != 0;
        fs->stopped = true;
        sim_trace(fs, "  the machine stops in %s %s, %s", name, base_name(path),
                  done ? "after its work" : "before its end");
        *failure = status_errno(EIO, "%s %s: the machine stops", name, path);
        return done ? DO_THEN_FAIL : FAIL;
    }
    *failure = STATUS_OK;
    if (fs->replay == SIM_REPLAY_DO) return GO;
    if (fs->replay == SIM_REPLAY_FAIL) {
        *failure = status_errno(EIO, "%s %s: as it was noted", name, path);
        return FAIL;
    }
    if ((traits & SYNCS) && ++fs->counts.syncs == k->fail_sync_at) {
        *failure = injected(fs, ST_IO, name, path);
        return FAIL;
    }
    bool by_number = k->fail_at && fs->counts.calls >= k->fail_at &&
                     fs->counts.calls <= k->fail_at + k->fail_run;
    if (by_number && (k->fail_code == ST_IO || (traits & TAKES_ROOM))) {
        *failure = injected(fs, k->fail_code, name, path);
        return FAIL;
    }
    bool immune = k->quiet_reads && (traits & PREADS);
    if (k->fail_permille && !immune && rng_below(&fs->chance, 1000) < k->fail_permille) {
        *failure = injected(fs, ST_IO, name, path);
        return FAIL;
    }
    if (k->space_permille && (traits & TAKES_ROOM) &&
        rng_below(&fs->chance, 1000) < k->space_permille) {
        *failure = injected(fs, ST_NO_SPACE, name, path);
        return FAIL;
    }
    return GO;
}

/* Is there room for a file to grow to size? */
static bool has_room(simfs *fs, const sim_inode *f, uint64_t size) {
    uint64_t grows = size > f->view.len ? size - f->view.len : 0;
    if (!grows || !fs->knobs.limit || fs->replay) return true;
    if (simfs_used(fs) + grows <= fs->knobs.limit) return true;
    fs->counts.no_room++;
    return false;
}

/* ---- opening and closing ------------------------------------------------------------------------
 */

static sim_file *handle_new(simfs *fs, sim_inode *inode, const char *path, unsigned flags) {
    sim_file *f = mem_zalloc(sizeof *f);
    f->base.ops = &sim_vfs_ops;
    f->fs = fs;
    f->inode = inode;
    f->path = mem_strdup(path);
    f->flags = flags;
    f->next = fs->open;
    f->link = &fs->open;
    if (f->next) f->next->link = &f->next;
    fs->open = f;
    fs->nopen++;
    inode->handles++;
    return f;
}

void sim_close_handle(sim_file *f) {
    if (f->is_lock) f->inode->locked = false;
    f->inode->handles--;
    f->fs->nopen--;
    *f->link = f->next;
    if (f->next) f->next->link = f->link;
    mem_free(f->path);
    mem_free(f);
}

static bool parent_exists(simfs *fs, const char *path) {
    size_t n = sim_parent(path);
    if (n == 0) return true;
    char *parent = mem_strdup(path);
    parent[n] = 0;
    sim_inode *dir = sim_names_find(&fs->view, parent);
    mem_free(parent);
    return dir && dir->is_dir;
}

/* The inode of a path, created if asked for; NULL with the reason in *failure. */
static sim_inode *find_or_create(simfs *fs, const char *path, unsigned flags, status *failure) {
    sim_inode *inode = sim_names_find(&fs->view, path);
    *failure = STATUS_OK;
    if (inode && (flags & VFS_CREATE) && (flags & VFS_EXCL))
        *failure = status_errno(EEXIST, "open %s", path);
    else if (inode && inode->is_dir)
        *failure = status_errno(EISDIR, "open %s", path);
    else if (!inode && (!(flags & VFS_CREATE) || !parent_exists(fs, path)))
        *failure = status_errno(ENOENT, "open %s", path);
    if (!status_ok(*failure)) return NULL;
    if (inode) return inode;
    inode = sim_inode_new(fs, false);
    sim_names_set(&fs->view, path, inode);
    sim_note_dirop(fs, DIR_CREATE, path, NULL, inode);
    return inode;
}

static status sim_open(vfs *v, const char *path, unsigned flags, vfs_file **out) {
    simfs *fs = fs_of(v);
    status failure, missing;
    bool creates = (flags & VFS_CREATE) && !sim_names_find(&fs->view, path);
    bool cuts = (flags & VFS_TRUNC) != 0;
    *out = NULL;
    outcome o = call_begin(fs, (creates || cuts ? CHANGES : READS) | (creates ? TAKES_ROOM : 0),
                           "open", path, &failure);
    if (o >= FAIL) return failure;
    sim_inode *inode = find_or_create(fs, path, flags, &missing);
    sim_trace(fs, "  open %s%s%s %s", base_name(path), creates ? " create" : "",
              cuts ? " truncate" : "", missing.msg);
    if (!inode) return missing;
    if (cuts) sim_resize(fs, inode, 0);
    if (o == DO_THEN_FAIL) return failure;
    *out = &handle_new(fs, inode, path, flags)->base;
    return STATUS_OK;
}

static status sim_close(vfs_file *file) {
    sim_file *f = file_of(file);
    status failure = STATUS_OK;
    call_begin(f->fs, READS, "close", f->path, &failure);
    sim_close_handle(f);
    return failure;
}

static status sim_lock(vfs *v, const char *path, vfs_file **out) {
    simfs *fs = fs_of(v);
    status failure, missing;
    *out = NULL;
    bool creates = !sim_names_find(&fs->view, path);
    outcome o = call_begin(fs, creates ? CHANGES : READS, "lock", path, &failure);
    if (o >= FAIL) return failure;
    sim_inode *inode = find_or_create(fs, path, VFS_CREATE, &missing);
    if (!inode) return missing;
    if (inode->locked) return status_make(ST_BUSY, "%s is held by process 4711", path);
    if (o == DO_THEN_FAIL) return failure;
    sim_file *f = handle_new(fs, inode, path, VFS_READ | VFS_WRITE);
    f->is_lock = inode->locked = true;
    *out = &f->base;
    return STATUS_OK;
}

static void sim_unlock(vfs_file *file) {
    sim_close_handle(file_of(file));
}

/* ---- reading and writing ------------------------------------------------------------------------
 */

static status sim_pread(vfs_file *file, void *p, size_t n, uint64_t offset, size_t *got) {
    sim_file *f = file_of(file);
    status failure;
    *got = 0;
    CHECK(f->flags & VFS_READ);
    if (call_begin(f->fs, PREADS, "pread", f->path, &failure) != GO) return failure;
    const buf *b = &f->inode->view;
    if (offset < b->len) *got = b->len - offset < n ? b->len - offset : n;
    if (*got) memcpy(p, b->data + offset, *got);
    return STATUS_OK;
}

/* What is in memory is the seed's. */
static status sim_pread_now(vfs_file *file, void *p, size_t n, uint64_t offset, size_t *got) {
    simfs *fs = file_of(file)->fs;
    *got = 0;
    if (!fs->knobs.cold_permille || rng_below(&fs->chance, 1000) >= fs->knobs.cold_permille)
        return sim_pread(file, p, n, offset, got);
    fs->counts.cold++;
    return status_make(ST_BUSY, "pread_now %s: not in memory", file_of(file)->path);
}

static status sim_pwritev(vfs_file *file, const struct iovec *iov, int n, uint64_t offset) {
    sim_file *f = file_of(file);
    simfs *fs = f->fs;
    status failure;
    buf all = {0};
    CHECK(f->flags & VFS_WRITE);
    for (int i = 0; i < n; i++)
        buf_append(&all, iov[i].iov_base, iov[i].iov_len);
    unsigned grows = offset + all.len > f->inode->view.len ? TAKES_ROOM : 0;
    outcome o = call_begin(fs, CHANGES | grows, "pwritev", f->path, &failure);
    size_t wanted = all.len;
    if (o != OFF && f->sync_failed) fs->counts.after_failed_sync++;
    if (o == OFF) all.len = 0;
    if (o == FAIL) all.len = rng_below(&fs->chance, all.len + 1);
    if (o == GO && !has_room(fs, f->inode, offset + all.len)) {
        failure = status_errno(ENOSPC, "pwritev %s", f->path);
        all.len = 0;
    }
    if (o != OFF)
        sim_trace(fs, "  pwritev %s %llu+%zu%s", base_name(f->path), (unsigned long long)offset,
                  wanted, all.len < wanted ? " cut short" : "");
    sim_write(fs, f->inode, offset, all.data, all.len);
    buf_free(&all);
    return failure;
}

static status sync_file(vfs_file *file, const char *name, bool lie) {
    sim_file *f = file_of(file);
    simfs *fs = f->fs;
    status failure;
    outcome o = call_begin(fs, CHANGES | SYNCS, name, f->path, &failure);
    if (o != OFF && f->sync_failed) fs->counts.after_failed_sync++;
    if (o == FAIL && !fs->stopped) {
        f->sync_failed = true;
        fs->counts.failed_syncs++;
        sim_sync_failed(fs, f->inode);
    }
    if (o >= FAIL) return failure;
    sim_trace(fs, "  %s %s", name, base_name(f->path));
    if (!lie) sim_sync(f->inode);
    return failure;
}

static status sim_fdatasync(vfs_file *file) {
    return sync_file(file, "fdatasync", file_of(file)->fs->knobs.lie_fdatasync);
}

static status sim_fsync(vfs_file *file) {
    return sync_file(file, "fsync", file_of(file)->fs->knobs.lie_fsync);
}

static status sim_allocate(vfs_file *file, uint64_t offset, uint64_t len) {
    sim_file *f = file_of(file);
    status failure;
    CHECK(f->flags & VFS_WRITE);
    outcome o = call_begin(f->fs, CHANGES | TAKES_ROOM, "allocate", f->path, &failure);
    if (o >= FAIL) return failure;
    if (!has_room(f->fs, f->inode, offset + len))
        return status_errno(ENOSPC, "allocate %s", f->path);
    sim_trace(f->fs, "  allocate %s to %llu", base_name(f->path),
              (unsigned long long)(offset + len));
    if (offset + len > f->inode->view.len) sim_resize(f->fs, f->inode, offset + len);
    return failure;
}

static status sim_truncate(vfs_file *file, uint64_t size) {
    sim_file *f = file_of(file);
    status failure;
    CHECK(f->flags & VFS_WRITE);
    unsigned grows = size > f->inode->view.len ? TAKES_ROOM : 0;
    outcome o = call_begin(f->fs, CHANGES | grows, "truncate", f->path, &failure);
    if (o >= FAIL) return failure;
    if (!has_room(f->fs, f->inode, size)) return status_errno(ENOSPC, "truncate %s", f->path);
    sim_trace(f->fs, "  truncate %s to %llu", base_name(f->path), (unsigned long long)size);
    sim_resize(f->fs, f->inode, size);
    return failure;
}

static status sim_size(vfs_file *file, uint64_t *out) {
    sim_file *f = file_of(file);
    status failure;
    *out = 0;
    if (call_begin(f->fs, READS, "size", f->path, &failure) != GO) return failure;
    *out = f->inode->view.len;
    return STATUS_OK;
}

static void sim_writeback(vfs_file *file, uint64_t offset, uint64_t len) {
    (void)file, (void)offset, (void)len;
}

static void sim_advise(vfs_file *file, uint64_t offset, uint64_t len, vfs_advice advice) {
    (void)file, (void)offset, (void)len, (void)advice;
}

/* ---- names ------------------------------------------------------------------------------------
 */

static status sim_rename(vfs *v, const char *from, const char *to) {
    simfs *fs = fs_of(v);
    status failure;
    outcome o = call_begin(fs, CHANGES, "rename", from, &failure);
    if (o >= FAIL) return failure;
    sim_inode *inode = sim_names_find(&fs->view, from);
    if (!inode) return status_errno(ENOENT, "rename %s", from);
    sim_trace(fs, "  rename %s %s", base_name(from), base_name(to));
    sim_note_dirop(fs, DIR_RENAME, from, to, inode);
    sim_names_set(&fs->view, from, NULL);
    sim_names_set(&fs->view, to, inode);
    return failure;
}

static status sim_unlink(vfs *v, const char *path) {
    simfs *fs = fs_of(v);
    status failure;
    outcome o = call_begin(fs, CHANGES, "unlink", path, &failure);
    if (o >= FAIL) return failure;
    if (!sim_names_find(&fs->view, path)) return status_errno(ENOENT, "unlink %s", path);
    sim_trace(fs, "  unlink %s", base_name(path));
    sim_note_dirop(fs, DIR_UNLINK, path, NULL, NULL);
    sim_names_set(&fs->view, path, NULL);
    return failure;
}

static status sim_mkdir(vfs *v, const char *path) {
    simfs *fs = fs_of(v);
    status failure;
    if (sim_names_find(&fs->view, path)) return STATUS_OK;
    outcome o = call_begin(fs, CHANGES | TAKES_ROOM, "mkdir", path, &failure);
    if (o >= FAIL) return failure;
    if (!parent_exists(fs, path)) return status_errno(ENOENT, "mkdir %s", path);
    sim_inode *inode = sim_inode_new(fs, true);
    sim_names_set(&fs->view, path, inode);
    sim_note_dirop(fs, DIR_CREATE, path, NULL, inode);
    return failure;
}

static status sim_rmdir(vfs *v, const char *path) {
    simfs *fs = fs_of(v);
    status failure;
    outcome o = call_begin(fs, CHANGES, "rmdir", path, &failure);
    if (o >= FAIL) return failure;
    size_t n = strlen(path);
    for (size_t i = 0; i < fs->view.n; i++)
        if (sim_parent(fs->view.at[i].path) == n && !strncmp(fs->view.at[i].path, path, n))
            return status_errno(ENOTEMPTY, "rmdir %s", path);
    sim_note_dirop(fs, DIR_UNLINK, path, NULL, NULL);
    sim_names_set(&fs->view, path, NULL);
    return failure;
}

static status sim_sync_dir_call(vfs *v, const char *path) {
    simfs *fs = fs_of(v);
    status failure;
    outcome o = call_begin(fs, CHANGES | SYNCS, "sync_dir", path, &failure);
    if (o >= FAIL) return failure;
    sim_trace(fs, "  sync_dir");
    if (!fs->knobs.lie_sync_dir) sim_sync_dir(fs, path);
    return failure;
}

static status sim_list(vfs *v, const char *path, void (*each)(void *ctx, const char *name),
                       void *ctx) {
    simfs *fs = fs_of(v);
    status failure;
    if (call_begin(fs, READS, "list", path, &failure) != GO) return failure;
    size_t n = strlen(path);
    sim_inode *dir = sim_names_find(&fs->view, path);
    if (!dir || !dir->is_dir) return status_errno(ENOENT, "list %s", path);
    for (size_t i = 0; i < fs->view.n; i++) {
        const char *p = fs->view.at[i].path;
        if (sim_parent(p) == n && !strncmp(p, path, n) && p[n] == '/') each(ctx, p + n + 1);
    }
    return STATUS_OK;
}

static status sim_free_space(vfs *v, const char *path, uint64_t *out) {
    simfs *fs = fs_of(v);
    status failure;
    *out = 0;
    if (call_begin(fs, READS, "free_space", path, &failure) != GO) return failure;
    uint64_t used = simfs_used(fs), limit = fs->knobs.limit ? fs->knobs.limit : 1ull << 40;
    *out = used < limit ? limit - used : 0;
    return STATUS_OK;
}

const vfs_ops sim_vfs_ops = {
    .open = sim_open,
    .pread = sim_pread,
    .pread_now = sim_pread_now,
    .pwritev = sim_pwritev,
    .fdatasync = sim_fdatasync,
    .fsync = sim_fsync,
    .allocate = sim_allocate,
    .truncate = sim_truncate,
    .size = sim_size,
    .writeback = sim_writeback,
    .advise = sim_advise,
    .close = sim_close,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .mkdir = sim_mkdir,
    .rmdir = sim_rmdir,
    .sync_dir = sim_sync_dir_call,
    .list = sim_list,
    .free_space = sim_free_space,
    .lock = sim_lock,
    .unlock = sim_unlock,
};
