/* simrec: the private view and the list of a simulated child.
 *
 * The view is a copy of the table of names, made at the fork; a file's bytes are the model's own
 * until the child changes them, then a copy. Every change is also appended to the list. Handles are
 * numbers in the list: replaying an open gives that number a handle of the model disk. */
#include "sim/simrec.h"

#include "base/log.h"
#include "base/mem.h"
#include "sim/simfs_int.h"
#include "support/omap.h"

#include <errno.h>

/* A file as the child sees it. */
typedef struct node {
    const sim_inode *under; /* NULL: the child made it */
    bool is_dir, copied;
    buf bytes; /* if copied */
    struct node *next;
} node;

typedef struct op {
    enum {
        OP_OPEN,
        OP_WRITE,
        OP_FDATASYNC,
        OP_FSYNC,
        OP_ALLOCATE,
        OP_TRUNCATE,
        OP_CLOSE,
        OP_RENAME,
        OP_UNLINK,
        OP_MKDIR,
        OP_RMDIR,
        OP_SYNC_DIR,
    } kind;
    bool fails;
    unsigned flags;
    size_t handle;
    uint64_t offset, len;
    char *path, *to;
    buf bytes;
} op;

typedef struct rec_file {
    vfs_file base;
    simrec *rec;
    node *node;
    size_t number;
    unsigned flags;
    struct rec_file *next, **link;
} rec_file;

struct simrec {
    vfs base;
    simfs *fs;
    rng chance;
    omap *names; /* path -> node */
    node *nodes;
    rec_file *open;
    size_t handles;
    uint64_t grown; /* bytes the child has added */
    op *ops;
    size_t nops, cap, next;
    vfs_file **real; /* by handle number */
};

static const vfs_ops rec_ops;

static simrec *rec_of(vfs *v) {
    return (simrec *)v;
}

/* ---- the view ---------------------------------------------------------------------------------
 */

static node *node_new(simrec *r, const sim_inode *under, bool is_dir) {
    node *n = mem_zalloc(sizeof *n);
    n->under = under;
    n->is_dir = is_dir;
    n->next = r->nodes;
    r->nodes = n;
    return n;
}

simrec *simrec_new(simfs *fs, uint64_t seed) {
    simrec *r = mem_zalloc(sizeof *r);
    r->base.ops = &rec_ops;
    r->fs = fs;
    rng_seed(&r->chance, seed);
    r->names = omap_new();
    for (size_t i = 0; i < fs->view.n; i++) {
        const sim_name *at = &fs->view.at[i];
        node *n = NULL;
        for (n = r->nodes; n && n->under != at->inode; n = n->next) {
        }
        if (!n) n = node_new(r, at->inode, at->inode->is_dir);
        omap_set(r->names, slice_cstr(at->path), n);
    }
    return r;
}

vfs *simrec_vfs(simrec *r) {
    return &r->base;
}

static const buf *bytes_of(const node *n) {
    return n->copied ? &n->bytes : &n->under->view;
}

static buf *own_bytes(node *n) {
    if (!n->copied) buf_append_slice(&n->bytes, buf_slice(&n->under->view));
    n->copied = true;
    return &n->bytes;
}

static void close_file(rec_file *f) {
    *f->link = f->next;
    if (f->next) f->next->link = f->link;
    mem_free(f);
}

void simrec_end(simrec *r) {
    while (r->open)
        close_file(r->open);
    for (node *n; (n = r->nodes) != NULL;) {
        r->nodes = n->next;
        buf_free(&n->bytes);
        mem_free(n);
    }
    omap_free(r->names, NULL);
    r->names = NULL;
    r->real = mem_zalloc((r->handles + 1) * sizeof *r->real);
}

/* ---- writing down -------------------------------------------------------------------------------
 */

static op *note(simrec *r, int kind, size_t handle, const char *path) {
    if (r->nops == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 32;
        r->ops = mem_realloc(r->ops, r->cap * sizeof *r->ops);
    }
    op *o = &r->ops[r->nops++];
    *o = (op){.kind = kind, .handle = handle, .path = path ? mem_strdup(path) : NULL};
    return o;
}

/* Does this call of the child fail? As the knobs of the model disk say; `grows` more bytes. */
static status decide(simrec *r, op *o, uint64_t grows, bool takes_room) {
    const simfs_knobs *k = simfs_knobs_of(r->fs);
    int err = 0;
    if (k->fail_permille && rng_below(&r->chance, 1000) < k->fail_permille) err = EIO;
    if (takes_room && k->space_permille && rng_below(&r->chance, 1000) < k->space_permille)
        err = ENOSPC;
    if (k->limit && grows && simfs_used(r->fs) + r->grown + grows > k->limit) err = ENOSPC;
    if (!err) {
        r->grown += grows;
        return STATUS_OK;
    }
    if (o) o->fails = true;
    r->fs->counts.failed++;
    return status_errno(err, "in a child");
}

static status rec_open(vfs *v, const char *path, unsigned flags, vfs_file **out) {
    simrec *r = rec_of(v);
    node *n = omap_get(r->names, slice_cstr(path));
    *out = NULL;
    bool creates = !n && (flags & VFS_CREATE);
    bool noted = flags & (VFS_WRITE | VFS_CREATE | VFS_TRUNC);
    if (!n && !creates) return status_errno(ENOENT, "open %s", path);
    if (n && (flags & VFS_CREATE) && (flags & VFS_EXCL))
        return status_errno(EEXIST, "open %s", path);
    TRY(decide(r, NULL, 0, creates));
    if (creates) {
        n = node_new(r, NULL, false);
        n->copied = true;
        omap_set(r->names, slice_cstr(path), n);
    }
    if (flags & VFS_TRUNC) own_bytes(n)->len = 0;
    rec_file *f = mem_zalloc(sizeof *f);
    f->base.ops = &rec_ops;
    f->rec = r;
    f->node = n;
    f->flags = flags;
    f->number = r->handles++;
    f->next = r->open;
    f->link = &r->open;
    if (f->next) f->next->link = &f->next;
    r->open = f;
    if (noted) note(r, OP_OPEN, f->number, path)->flags = flags;
    *out = &f->base;
    return STATUS_OK;
}

static rec_file *file_of(vfs_file *f) {
    return (rec_file *)f;
}

static status rec_pread(vfs_file *file, void *p, size_t n, uint64_t offset, size_t *got) {
    rec_file *f = file_of(file);
    *got = 0;
    CHECK(f->flags & VFS_READ);
    TRY(decide(f->rec, NULL, 0, false));
    const buf *b = bytes_of(f->node);
    if (offset < b->len) *got = b->len - offset < n ? b->len - offset : n;
    if (*got) memcpy(p, b->data + offset, *got);
    return STATUS_OK;
}

/* Bytes by which a file grows if it reaches `size`. */
static uint64_t growth(const node *n, uint64_t size) {
    const buf *b = bytes_of(n);
    return size > b->len ? size - b->len : 0;
}

static status rec_pwritev(vfs_file *file, const struct iovec *iov, int n, uint64_t offset) {
    rec_file *f = file_of(file);
    CHECK(f->flags & VFS_WRITE);
    op *o = note(f->rec, OP_WRITE, f->number, NULL);
    o->offset = offset;
    for (int i = 0; i < n; i++)
        buf_append(&o->bytes, iov[i].iov_base, iov[i].iov_len);
    TRY(decide(f->rec, o, growth(f->node, offset + o->bytes.len), true));
    sim_buf_write(own_bytes(f->node), offset, o->bytes.data, o->bytes.len);
    return STATUS_OK;
}

static status rec_fdatasync(vfs_file *file) {
    rec_file *f = file_of(file);
    return decide(f->rec, note(f->rec, OP_FDATASYNC, f->number, NULL), 0, false);
}

static status rec_fsync(vfs_file *file) {
    rec_file *f = file_of(file);
    return decide(f->rec, note(f->rec, OP_FSYNC, f->number, NULL), 0, false);
}

static status rec_allocate(vfs_file *file, uint64_t offset, uint64_t len) {
    rec_file *f = file_of(file);
    CHECK(f->flags & VFS_WRITE);
    op *o = note(f->rec, OP_ALLOCATE, f->number, NULL);
    o->offset = offset;
    o->len = len;
    TRY(decide(f->rec, o, growth(f->node, offset + len), true));
    if (growth(f->node, offset + len)) sim_buf_resize(own_bytes(f->node), offset + len);
    return STATUS_OK;
}

static status rec_truncate(vfs_file *file, uint64_t size) {
    rec_file *f = file_of(file);
    CHECK(f->flags & VFS_WRITE);
    op *o = note(f->rec, OP_TRUNCATE, f->number, NULL);
    o->offset = size;
    TRY(decide(f->rec, o, growth(f->node, size), true));
    sim_buf_resize(own_bytes(f->node), size);
    return STATUS_OK;
}

static status rec_size(vfs_file *file, uint64_t *out) {
    rec_file *f = file_of(file);
    *out = 0;
    TRY(decide(f->rec, NULL, 0, false));
    *out = bytes_of(f->node)->len;
    return STATUS_OK;
}

static void rec_writeback(vfs_file *file, uint64_t offset, uint64_t len) {
    (void)file, (void)offset, (void)len;
}

static void rec_advise(vfs_file *file, uint64_t offset, uint64_t len, vfs_advice advice) {
    (void)file, (void)offset, (void)len, (void)advice;
}

static status rec_close(vfs_file *file) {
    rec_file *f = file_of(file);
    if (f->flags & (VFS_WRITE | VFS_CREATE | VFS_TRUNC)) note(f->rec, OP_CLOSE, f->number, NULL);
    close_file(f);
    return STATUS_OK;
}

static status rec_rename(vfs *v, const char *from, const char *to) {
    simrec *r = rec_of(v);
    node *n = omap_get(r->names, slice_cstr(from));
    if (!n) return status_errno(ENOENT, "rename %s", from);
    op *o = note(r, OP_RENAME, 0, from);
    o->to = mem_strdup(to);
    TRY(decide(r, o, 0, false));
    omap_del(r->names, slice_cstr(from));
    omap_set(r->names, slice_cstr(to), n);
    return STATUS_OK;
}

static status rec_unlink(vfs *v, const char *path) {
    simrec *r = rec_of(v);
    if (!omap_get(r->names, slice_cstr(path))) return status_errno(ENOENT, "unlink %s", path);
    TRY(decide(r, note(r, OP_UNLINK, 0, path), 0, false));
    omap_del(r->names, slice_cstr(path));
    return STATUS_OK;
}

static status rec_mkdir(vfs *v, const char *path) {
    simrec *r = rec_of(v);
    if (omap_get(r->names, slice_cstr(path))) return STATUS_OK;
    TRY(decide(r, note(r, OP_MKDIR, 0, path), 0, true));
    omap_set(r->names, slice_cstr(path), node_new(r, NULL, true));
    return STATUS_OK;
}

static status rec_rmdir(vfs *v, const char *path) {
    simrec *r = rec_of(v);
    if (!omap_get(r->names, slice_cstr(path))) return status_errno(ENOENT, "rmdir %s", path);
    TRY(decide(r, note(r, OP_RMDIR, 0, path), 0, false));
    omap_del(r->names, slice_cstr(path));
    return STATUS_OK;
}

static status rec_sync_dir(vfs *v, const char *path) {
    simrec *r = rec_of(v);
    return decide(r, note(r, OP_SYNC_DIR, 0, path), 0, false);
}

static status rec_list(vfs *v, const char *path, void (*each)(void *ctx, const char *name),
                       void *ctx) {
    simrec *r = rec_of(v);
    size_t n = strlen(path);
    slice name;
    for (uint64_t i = 0; omap_at(r->names, i, &name, NULL); i++) {
        char *copy = mem_zalloc(name.len + 1);
        memcpy(copy, name.data, name.len);
        if (sim_parent(copy) == n && !strncmp(copy, path, n) && copy[n] == '/')
            each(ctx, copy + n + 1);
        mem_free(copy);
    }
    return STATUS_OK;
}

static status rec_free_space(vfs *v, const char *path, uint64_t *out) {
    simrec *r = rec_of(v);
    const simfs_knobs *k = simfs_knobs_of(r->fs);
    uint64_t used = simfs_used(r->fs) + r->grown, limit = k->limit ? k->limit : 1ull << 40;
    (void)path;
    *out = used < limit ? limit - used : 0;
    return STATUS_OK;
}

static status rec_lock(vfs *v, const char *path, vfs_file **out) {
    (void)v;
    *out = NULL;
    return status_make(ST_BUSY, "%s is held by the parent", path);
}

static void rec_unlock(vfs_file *file) {
    close_file(file_of(file));
}

static const vfs_ops rec_ops = {
    .open = rec_open,
    .pread = rec_pread,
    .pread_now = rec_pread, /* a child waits */
    .pwritev = rec_pwritev,
    .fdatasync = rec_fdatasync,
    .fsync = rec_fsync,
    .allocate = rec_allocate,
    .truncate = rec_truncate,
    .size = rec_size,
    .writeback = rec_writeback,
    .advise = rec_advise,
    .close = rec_close,
    .rename = rec_rename,
    .unlink = rec_unlink,
    .mkdir = rec_mkdir,
    .rmdir = rec_rmdir,
    .sync_dir = rec_sync_dir,
    .list = rec_list,
    .free_space = rec_free_space,
    .lock = rec_lock,
    .unlock = rec_unlock,
};

/* ---- carrying out -------------------------------------------------------------------------------
 */

static status carry_out(simrec *r, const op *o) {
    vfs *v = simfs_vfs(r->fs);
    vfs_file *f = r->real[o->handle];
    status st = STATUS_OK;
    if (o->kind > OP_OPEN && o->kind <= OP_CLOSE && !f) return status_errno(EBADF, "no handle");
    switch (o->kind) {
    case OP_OPEN: return v->ops->open(v, o->path, o->flags, &r->real[o->handle]);
    case OP_WRITE: return vfs_pwrite(f, o->bytes.data, o->bytes.len, o->offset);
    case OP_FDATASYNC: return f->ops->fdatasync(f);
    case OP_FSYNC: return f->ops->fsync(f);
    case OP_ALLOCATE: return f->ops->allocate(f, o->offset, o->len);
    case OP_TRUNCATE: return f->ops->truncate(f, o->offset);
    case OP_CLOSE:
        st = f->ops->close(f);
        r->real[o->handle] = NULL;
        return st;
    case OP_RENAME: return v->ops->rename(v, o->path, o->to);
    case OP_UNLINK: return v->ops->unlink(v, o->path);
    case OP_MKDIR: return v->ops->mkdir(v, o->path);
    case OP_RMDIR: return v->ops->rmdir(v, o->path);
    case OP_SYNC_DIR: return v->ops->sync_dir(v, o->path);
    }
    return st;
}

bool simrec_replay(simrec *r, bool *lost) {
    *lost = false;
    if (r->next == r->nops) return false;
    const op *o = &r->ops[r->next++];
    r->fs->replay = o->fails ? SIM_REPLAY_FAIL : SIM_REPLAY_DO;
    status st = carry_out(r, o);
    r->fs->replay = SIM_LIVE;
    *lost = !status_ok(st) && !o->fails;
    return true;
}

size_t simrec_left(const simrec *r) {
    return r->nops - r->next;
}

/* Handles of the model disk go as those of a dead process do: without a call. After simfs_kill or
 * simfs_crash they are gone already, and this must not be called before those with a live child. */
void simrec_free(simrec *r) {
    for (size_t i = 0; r->real && i < r->handles; i++)
        if (r->real[i]) sim_close_handle((sim_file *)r->real[i]);
    mem_free(r->real);
    for (size_t i = 0; i < r->nops; i++) {
        mem_free(r->ops[i].path);
        mem_free(r->ops[i].to);
        buf_free(&r->ops[i].bytes);
    }
    mem_free(r->ops);
    mem_free(r);
}
