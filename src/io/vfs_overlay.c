/* vfs_overlay: see vfs_overlay.h.
 *
 * A *node* is a file as the overlay shows it: below (read from the lower vfs) or copied (a file of
 * scratch). Names lead to nodes:
 *
 *     names:  path ──> node ──> origin, below   (unchanged: read there)
 *                          └──> copy, in scratch (changed, or new)
 *             path ──> gone                      (unlinked or renamed away: there is no such file)
 *             no entry                           (as the lower vfs has it)
 *
 * All handles of a node share one open file, so that a reader sees what a writer has changed. That
 * file is exchanged under the lock for writing when the node is copied; reads and writes hold it
 * for reading. Directories are the lower ones. */
#include "io/vfs_overlay.h"

#include "base/buf.h"
#include "base/dict.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>

#define PIECE (1u << 20) /* bytes copied at a time */

typedef struct node {
    char *origin; /* path below; NULL: a new file */
    char *copy;   /* path in scratch, once changed; else NULL */
    vfs_file *under;
    int handles; /* `under` is open while there are some */
    bool named;
} node;

typedef struct overlay {
    vfs base;
    vfs_overlay_options opt;
    char *scratch;
    pthread_rwlock_t lock;
    dict *names; /* path -> node, or &gone */
    uint64_t next, copied;
} overlay;

typedef struct overlay_file {
    vfs_file base;
    overlay *o;
    node *n;
} overlay_file;

static node gone; /* the value of a name that has no file */

static overlay *overlay_of(const vfs *v) {
    return (overlay *)(uintptr_t)v;
}

static overlay_file *file_of(vfs_file *f) {
    return (overlay_file *)f;
}

/* ---- nodes: the lock is held for writing -------------------------------------------------------
 */

/* Frees a node that neither a name nor a handle leads to, and what it has in scratch. */
static void drop_if_free(overlay *o, node *n) {
    if (n->named || n->handles) return;
    CHECK(!n->under);
    if (n->copy) {
        status s = o->opt.upper->ops->unlink(o->opt.upper, n->copy);
        if (!status_ok(s)) log_warning("%s", s.msg);
    }
    mem_free(n->origin);
    mem_free(n->copy);
    mem_free(n);
}

/* The name leads to n from now on, or to no file; what it led to before loses a name. */
static void set_name(overlay *o, const char *path, node *n) {
    node *old = dict_set(o->names, slice_cstr(path), n);
    if (n != &gone) n->named = true;
    if (!old || old == &gone || old == n) return;
    old->named = false;
    drop_if_free(o, old);
}

/* A free name in scratch. */
static char *new_copy(overlay *o) {
    char name[32];
    snprintf(name, sizeof name, "/%llu", (unsigned long long)++o->next);
    size_t n = strlen(o->scratch), m = strlen(name) + 1;
    char *path = mem_alloc(n + m);
    memcpy(path, o->scratch, n);
    memcpy(path + n, name, m);
    return path;
}

/* Opens what the node reads. */
static status open_under(overlay *o, node *n) {
    if (n->under) return STATUS_OK;
    if (n->copy) return vfs_open(o->opt.upper, n->copy, VFS_READ | VFS_WRITE, &n->under);
    return vfs_open(o->opt.lower, n->origin, VFS_READ, &n->under);
}

/* Closes it when nobody uses it. A failure concerns nothing that anybody will read. */
static void close_if_unused(node *n) {
    if (n->handles || !n->under) return;
    (void)status_ok(n->under->ops->close(n->under));
    n->under = NULL;
}

/* The node of a path; *out is NULL if there is no such file. A file below gets one here. */
static status find(overlay *o, const char *path, node **out) {
    node *n = dict_get(o->names, slice_cstr(path));
    *out = n == &gone ? NULL : n;
    if (n) return STATUS_OK;
    vfs_file *f;
    status s = vfs_open(o->opt.lower, path, VFS_READ, &f);
    if (s.code == ST_NOT_FOUND) return STATUS_OK;
    TRY(s);
    n = mem_zalloc(sizeof *n);
    n->origin = mem_strdup(path);
    n->under = f;
    set_name(o, path, n);
    close_if_unused(n);
    *out = n;
    return STATUS_OK;
}

/* A new file, empty, that only scratch has. */
static status make(overlay *o, const char *path, node **out) {
    node *n = mem_zalloc(sizeof *n);
    n->copy = new_copy(o);
    status s =
        vfs_open(o->opt.upper, n->copy, VFS_READ | VFS_WRITE | VFS_CREATE | VFS_EXCL, &n->under);
    if (!status_ok(s)) {
        mem_free(n->copy);
        mem_free(n);
        return s;
    }
    set_name(o, path, n);
    *out = n;
    return STATUS_OK;
}

/* All bytes of one file to another. */
static status copy_bytes(vfs_file *from, vfs_file *to, uint64_t *copied) {
    char *piece = mem_alloc(PIECE);
    status s = STATUS_OK;
    size_t got = PIECE;
    for (uint64_t at = 0; status_ok(s) && got == PIECE; at += got) {
        s = vfs_pread(from, piece, PIECE, at, &got);
        if (status_ok(s) && got) s = vfs_pwrite(to, piece, got, at);
        if (status_ok(s)) *copied += got;
    }
    mem_free(piece);
    return s;
}

/* From now on the node is scratch's; `empty`: its bytes are not wanted. REQUIRES: it is open. */
static status change(overlay *o, node *n, bool empty) {
    if (n->copy) return STATUS_OK;
    CHECK(n->under && n->origin);
    char *copy = new_copy(o);
    vfs_file *f;
    status s = vfs_open(o->opt.upper, copy, VFS_READ | VFS_WRITE | VFS_CREATE | VFS_EXCL, &f);
    if (status_ok(s)) {
        if (!empty) s = copy_bytes(n->under, f, &o->copied);
        if (status_ok(s)) {
            (void)status_ok(n->under->ops->close(n->under)); /* was only read */
            n->under = f;
            n->copy = copy;
            return STATUS_OK;
        }
        (void)(status_ok(f->ops->close(f)) &&
               status_ok(o->opt.upper->ops->unlink(o->opt.upper, copy)));
    }
    mem_free(copy);
    return s;
}

/* ---- files --------------------------------------------------------------------------------------
 */

static const vfs_ops ops;

/* The lock is held for writing. */
static status open_node(overlay *o, const char *path, unsigned flags, node **out) {
    node *n;
    TRY(find(o, path, &n));
    if (n && (flags & VFS_EXCL)) return status_make(ST_IO, "open %s: File exists", path);
    if (!n && !(flags & VFS_CREATE))
        return status_make(ST_NOT_FOUND, "open %s: No such file or directory", path);
    if (n)
        TRY(open_under(o, n));
    else
        TRY(make(o, path, &n));
    n->handles++;
    *out = n;
    if (!(flags & VFS_TRUNC)) return STATUS_OK;
    status s = change(o, n, true);
    return status_ok(s) ? n->under->ops->truncate(n->under, 0) : s;
}

/* The node loses a handle. The lock is held for writing. */
static void release(overlay *o, node *n) {
    CHECK(n->handles > 0);
    n->handles--;
    close_if_unused(n);
    drop_if_free(o, n);
}

/* A failure after the node was found gives back what was taken. */
static status overlay_open(vfs *v, const char *path, unsigned flags, vfs_file **out) {
    overlay *o = overlay_of(v);
    node *n = NULL;
    *out = NULL;
    pthread_rwlock_wrlock(&o->lock);
    status s = open_node(o, path, flags, &n);
    if (!status_ok(s) && n) release(o, n);
    pthread_rwlock_unlock(&o->lock);
    TRY(s);
    overlay_file *f = mem_alloc(sizeof *f);
    *f = (overlay_file){{&ops}, o, n};
    *out = &f->base;
    return STATUS_OK;
}

/* What the last handle leaves unnamed goes. */
static status overlay_close(vfs_file *vf) {
    overlay_file *f = file_of(vf);
    pthread_rwlock_wrlock(&f->o->lock);
    release(f->o, f->n);
    pthread_rwlock_unlock(&f->o->lock);
    mem_free(f);
    return STATUS_OK;
}

/* Many at a time. */
static status overlay_pread(vfs_file *vf, void *p, size_t n, uint64_t offset, size_t *got) {
    overlay_file *f = file_of(vf);
    pthread_rwlock_rdlock(&f->o->lock);
    status s = vfs_pread(f->n->under, p, n, offset, got);
    pthread_rwlock_unlock(&f->o->lock);
    return s;
}

/* The file below decides. */
static status overlay_pread_now(vfs_file *vf, void *p, size_t n, uint64_t offset, size_t *got) {
    overlay_file *f = file_of(vf);
    pthread_rwlock_rdlock(&f->o->lock);
    status s = vfs_pread_now(f->n->under, p, n, offset, got);
    pthread_rwlock_unlock(&f->o->lock);
    return s;
}

/* As changed so far. */
static status overlay_size(vfs_file *vf, uint64_t *out) {
    overlay_file *f = file_of(vf);
    pthread_rwlock_rdlock(&f->o->lock);
    status s = f->n->under->ops->size(f->n->under, out);
    pthread_rwlock_unlock(&f->o->lock);
    return s;
}

/* Before each change: the node is scratch's, and the lock held for reading. Not ok: it is not. */
static status begin_change(overlay_file *f) {
    pthread_rwlock_wrlock(&f->o->lock);
    status s = change(f->o, f->n, false);
    pthread_rwlock_unlock(&f->o->lock);
    if (status_ok(s)) pthread_rwlock_rdlock(&f->o->lock);
    return s;
}

/* Writes do not exclude each other, as on a real file. */
static status overlay_pwritev(vfs_file *vf, const struct iovec *iov, int n, uint64_t offset) {
    overlay_file *f = file_of(vf);
    TRY(begin_change(f));
    status s = f->n->under->ops->pwritev(f->n->under, iov, n, offset);
    pthread_rwlock_unlock(&f->o->lock);
    return s;
}

/* Takes room in scratch. */
static status overlay_allocate(vfs_file *vf, uint64_t offset, uint64_t len) {
    overlay_file *f = file_of(vf);
    TRY(begin_change(f));
    status s = f->n->under->ops->allocate(f->n->under, offset, len);
    pthread_rwlock_unlock(&f->o->lock);
    return s;
}

/* In scratch. */
static status overlay_truncate(vfs_file *vf, uint64_t size) {
    overlay_file *f = file_of(vf);
    TRY(begin_change(f));
    status s = f->n->under->ops->truncate(f->n->under, size);
    pthread_rwlock_unlock(&f->o->lock);
    return s;
}

/* What is in scratch need not survive anything. */
static status overlay_sync(vfs_file *f) {
    (void)f;
    return STATUS_OK;
}

/* Nor be written early. */
static void overlay_writeback(vfs_file *f, uint64_t offset, uint64_t len) {
    (void)f;
    (void)offset;
    (void)len;
}

/* Worth passing on for what is read below. */
static void overlay_advise(vfs_file *vf, uint64_t offset, uint64_t len, vfs_advice advice) {
    overlay_file *f = file_of(vf);
    pthread_rwlock_rdlock(&f->o->lock);
    f->n->under->ops->advise(f->n->under, offset, len, advice);
    pthread_rwlock_unlock(&f->o->lock);
}

/* ---- names --------------------------------------------------------------------------------------
 */

/* What had the name `to` loses it; nothing moves on any disk. */
static status overlay_rename(vfs *v, const char *from, const char *to) {
    overlay *o = overlay_of(v);
    node *n;
    pthread_rwlock_wrlock(&o->lock);
    status s = find(o, from, &n);
    if (status_ok(s) && !n)
        s = status_make(ST_NOT_FOUND, "rename %s: No such file or directory", from);
    if (status_ok(s) && strcmp(from, to) != 0) {
        set_name(o, to, n);
        (void)dict_set(o->names, slice_cstr(from), &gone); /* n keeps its other name */
    }
    pthread_rwlock_unlock(&o->lock);
    return s;
}

/* A file of scratch goes with its last handle; one below stays. */
static status overlay_unlink(vfs *v, const char *path) {
    overlay *o = overlay_of(v);
    node *n;
    pthread_rwlock_wrlock(&o->lock);
    status s = find(o, path, &n);
    if (status_ok(s) && !n)
        s = status_make(ST_NOT_FOUND, "unlink %s: No such file or directory", path);
    if (status_ok(s)) set_name(o, path, &gone);
    pthread_rwlock_unlock(&o->lock);
    return s;
}

/* For a listing that only asks whether there is a directory. */
static void ignore_name(void *ctx, const char *name) {
    (void)ctx;
    (void)name;
}

/* There are the directories below, and no others. */
static status overlay_mkdir(vfs *v, const char *path) {
    overlay *o = overlay_of(v);
    return o->opt.lower->ops->list(o->opt.lower, path, ignore_name, NULL);
}

/* No store removes its directory. */
static status overlay_rmdir(vfs *v, const char *path) {
    (void)v;
    return status_make(ST_INVALID, "rmdir %s: directories stay", path);
}

/* As overlay_sync. */
static status overlay_sync_dir(vfs *v, const char *path) {
    (void)v;
    (void)path;
    return STATUS_OK;
}

typedef struct listing {
    const overlay *o;
    const char *dir;
    buf path;  /* scratch space */
    buf names; /* found, each with its NUL */
} listing;

/* A name below counts if nothing is known of it; else it is told with the known ones. */
static void list_below(void *ctx, const char *name) {
    listing *l = ctx;
    buf_clear(&l->path);
    buf_printf(&l->path, "%s/%s", l->dir, name);
    if (!dict_get(l->o->names, buf_slice(&l->path))) buf_append(&l->names, name, strlen(name) + 1);
}

/* The names of files that are known, in the directory. */
static void list_known(listing *l) {
    size_t pos = 0, n = strlen(l->dir);
    slice path;
    void *value;
    while (dict_next(l->o->names, &pos, &path, &value)) {
        if (value == &gone || path.len <= n + 1 || path.data[n] != '/') continue;
        if (memcmp(path.data, l->dir, n) != 0 || memchr(path.data + n + 1, '/', path.len - n - 1))
            continue;
        buf_append(&l->names, path.data + n + 1, path.len - n - 1);
        buf_append_char(&l->names, 0);
    }
}

/* Names are collected first, as `each` may call the overlay. */
static status overlay_list(vfs *v, const char *path, void (*each)(void *ctx, const char *name),
                           void *ctx) {
    overlay *o = overlay_of(v);
    listing l = {.o = o, .dir = path};
    pthread_rwlock_rdlock(&o->lock);
    status s = o->opt.lower->ops->list(o->opt.lower, path, list_below, &l);
    if (status_ok(s)) list_known(&l);
    pthread_rwlock_unlock(&o->lock);
    for (size_t at = 0; status_ok(s) && at < l.names.len; at += strlen(l.names.data + at) + 1)
        each(ctx, l.names.data + at);
    buf_free(&l.path);
    buf_free(&l.names);
    return s;
}

/* Where new bytes go. */
static status overlay_free_space(vfs *v, const char *path, uint64_t *out) {
    overlay *o = overlay_of(v);
    (void)path;
    return o->opt.upper->ops->free_space(o->opt.upper, o->scratch, out);
}

/* The lower one, so that whoever has the directory open is seen; it is given back as it came. */
static status overlay_lock(vfs *v, const char *path, vfs_file **out) {
    overlay *o = overlay_of(v);
    if (o->opt.lock) return o->opt.lock(o->opt.lower, path, out);
    return o->opt.lower->ops->lock(o->opt.lower, path, out);
}

/* Never called for a file of the overlay: the lock is the lower vfs' own. */
static void overlay_unlock(vfs_file *f) {
    f->ops->unlock(f);
}

static const vfs_ops ops = {
    .open = overlay_open,
    .pread = overlay_pread,
    .pread_now = overlay_pread_now,
    .pwritev = overlay_pwritev,
    .fdatasync = overlay_sync,
    .fsync = overlay_sync,
    .allocate = overlay_allocate,
    .truncate = overlay_truncate,
    .size = overlay_size,
    .writeback = overlay_writeback,
    .advise = overlay_advise,
    .close = overlay_close,
    .rename = overlay_rename,
    .unlink = overlay_unlink,
    .mkdir = overlay_mkdir,
    .rmdir = overlay_rmdir,
    .sync_dir = overlay_sync_dir,
    .list = overlay_list,
    .free_space = overlay_free_space,
    .lock = overlay_lock,
    .unlock = overlay_unlock,
};

/* ---- life ---------------------------------------------------------------------------------------
 */

/* Looks at nothing yet. */
vfs *vfs_overlay_new(const vfs_overlay_options *opt) {
    overlay *o = mem_zalloc(sizeof *o);
    o->base.ops = &ops;
    o->opt = *opt;
    o->scratch = mem_strdup(opt->scratch);
    o->names = dict_new(false);
    CHECK(pthread_rwlock_init(&o->lock, NULL) == 0);
    return &o->base;
}

/* Names and nodes; the scratch directory itself is the caller's. */
void vfs_overlay_free(vfs *v) {
    overlay *o = overlay_of(v);
    size_t pos = 0;
    slice path;
    void *value;
    while (dict_next(o->names, &pos, &path, &value)) {
        node *n = value;
        if (n == &gone) continue;
        n->named = false;
        CHECK(n->handles == 0);
        drop_if_free(o, n);
    }
    dict_free(o->names, NULL);
    CHECK(pthread_rwlock_destroy(&o->lock) == 0);
    mem_free(o->scratch);
    mem_free(o);
}

/* Exact when nothing is under way. */
void vfs_overlay_stats(const vfs *v, uint64_t *copied, uint64_t *files) {
    const overlay *o = overlay_of(v);
    *copied = o->copied;
    *files = o->next;
}
