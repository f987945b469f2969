/* memfs: files are buffers in a list; paths are plain names, directories are not kept. A file that
 * was unlinked or renamed over lives on as long as it is open. */
#include "support/memfs.h"

#include "base/log.h"
#include "base/mem.h"

typedef struct node {
    char *path; /* NULL: no name any more */
    buf bytes;
    int opens;
    struct node *next;
} node;

struct memfs {
    vfs v;
    node *nodes;
    uint64_t calls, fail_at;
    status_code fail_code;
    int open_files;
};

typedef struct mem_file {
    vfs_file f;
    memfs *fs;
    node *n;
} mem_file;

static memfs *fs_of(vfs *v) {
    return (memfs *)v;
}

static mem_file *file_of(vfs_file *f) {
    return (mem_file *)f;
}

static node *find(const memfs *fs, const char *path) {
    for (node *n = fs->nodes; n; n = n->next)
        if (n->path && strcmp(n->path, path) == 0) return n;
    return NULL;
}

static node *add(memfs *fs, const char *path) {
    node *n = mem_zalloc(sizeof *n);
    n->path = mem_strdup(path);
    n->next = fs->nodes;
    fs->nodes = n;
    return n;
}

/* Frees nodes that have neither a name nor an open file. */
static void sweep(memfs *fs) {
    for (node **at = &fs->nodes; *at;) {
        node *n = *at;
        if (n->path || n->opens) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        buf_free(&n->bytes);
        mem_free(n);
    }
}

/* Counts a call that changes something; the chosen one fails. */
static status change(memfs *fs, const char *what) {
    fs->calls++;
    if (fs->fail_at == 0 || fs->calls != fs->fail_at) return STATUS_OK;
    return status_make(fs->fail_code, "%s: made to fail", what);
}

static const vfs_ops ops;

static status mem_open(vfs *v, const char *path, unsigned flags, vfs_file **out) {
    memfs *fs = fs_of(v);
    node *n = find(fs, path);
    *out = NULL;
    if (!n && !(flags & VFS_CREATE)) return status_make(ST_NOT_FOUND, "%s: no such file", path);
    if (n && (flags & VFS_EXCL)) return status_make(ST_IO, "%s: File exists", path);
    if (!n || (flags & VFS_TRUNC)) TRY(change(fs, "open"));
    if (!n) n = add(fs, path);
    if (flags & VFS_TRUNC) buf_clear(&n->bytes);
    mem_file *f = mem_zalloc(sizeof *f);
    *f = (mem_file){{&ops}, fs, n};
    n->opens++;
    fs->open_files++;
    *out = &f->f;
    return STATUS_OK;
}

static status mem_pread(vfs_file *vf, void *p, size_t n, uint64_t offset, size_t *got) {
    const buf *b = &file_of(vf)->n->bytes;
    size_t there = offset < b->len ? b->len - (size_t)offset : 0;
    *got = n < there ? n : there;
    if (*got) memcpy(p, b->data + offset, *got);
    return STATUS_OK;
}

/* Makes the file at least `size` bytes long. */
static void grow(buf *b, uint64_t size) {
    if (size <= b->len) return;
    buf_reserve(b, (size_t)size - b->len);
    memset(b->data + b->len, 0, (size_t)size - b->len);
    b->len = (size_t)size;
}

static status mem_pwritev(vfs_file *vf, const struct iovec *iov, int n, uint64_t offset) {
    mem_file *f = file_of(vf);
    status st = change(f->fs, "write");
    size_t total = 0, done = 0;
    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    if (!status_ok(st)) total /= 2;
    grow(&f->n->bytes, offset + total);
    for (int i = 0; i < n && done < total; i++) {
        size_t len = iov[i].iov_len < total - done ? iov[i].iov_len : total - done;
        if (len) memcpy(f->n->bytes.data + offset + done, iov[i].iov_base, len);
        done += len;
    }
    return st;
}

static status mem_sync(vfs_file *vf) {
    return change(file_of(vf)->fs, "fsync");
}

static status mem_allocate(vfs_file *vf, uint64_t offset, uint64_t len) {
    TRY(change(file_of(vf)->fs, "allocate"));
    grow(&file_of(vf)->n->bytes, offset + len);
    return STATUS_OK;
}

static status mem_truncate(vfs_file *vf, uint64_t size) {
    buf *b = &file_of(vf)->n->bytes;
    TRY(change(file_of(vf)->fs, "truncate"));
    grow(b, size);
    b->len = (size_t)size;
    return STATUS_OK;
}

static status mem_size_of(vfs_file *vf, uint64_t *out) {
    *out = file_of(vf)->n->bytes.len;
    return STATUS_OK;
}

static void mem_hint(vfs_file *vf, uint64_t offset, uint64_t len) {
    (void)vf, (void)offset, (void)len;
}

static void mem_advise(vfs_file *vf, uint64_t offset, uint64_t len, vfs_advice advice) {
    (void)vf, (void)offset, (void)len, (void)advice;
}

static status mem_close(vfs_file *vf) {
    mem_file *f = file_of(vf);
    memfs *fs = f->fs;
    f->n->opens--;
    fs->open_files--;
    mem_free(f);
    sweep(fs);
    return STATUS_OK;
}

static status mem_rename(vfs *v, const char *from, const char *to) {
    memfs *fs = fs_of(v);
    TRY(change(fs, "rename"));
    node *n = find(fs, from), *old = find(fs, to);
    if (!n) return status_make(ST_NOT_FOUND, "%s: no such file", from);
    if (old) {
        mem_free(old->path);
        old->path = NULL;
    }
    mem_free(n->path);
    n->path = mem_strdup(to);
    sweep(fs);
    return STATUS_OK;
}

static status mem_unlink(vfs *v, const char *path) {
    memfs *fs = fs_of(v);
    TRY(change(fs, "unlink"));
    node *n = find(fs, path);
    if (!n) return status_make(ST_NOT_FOUND, "%s: no such file", path);
    mem_free(n->path);
    n->path = NULL;
    sweep(fs);
    return STATUS_OK;
}

static status mem_dir(vfs *v, const char *path) {
    (void)path;
    return change(fs_of(v), "directory");
}

static status mem_list(vfs *v, const char *path, void (*each)(void *ctx, const char *name),
                       void *ctx) {
    size_t len = strlen(path);
    for (node *n = fs_of(v)->nodes; n; n = n->next)
        if (n->path && strncmp(n->path, path, len) == 0 && n->path[len] == '/')
            each(ctx, n->path + len + 1);
    return STATUS_OK;
}

static status mem_free_space(vfs *v, const char *path, uint64_t *out) {
    (void)v, (void)path;
    *out = (uint64_t)1 << 40;
    return STATUS_OK;
}

static status mem_lock(vfs *v, const char *path, vfs_file **out) {
    return mem_open(v, path, VFS_READ | VFS_WRITE | VFS_CREATE, out);
}

static void mem_unlock(vfs_file *f) {
    status ignored = mem_close(f);
    (void)ignored;
}

static const vfs_ops ops = {
    .open = mem_open,
    .pread = mem_pread,
    .pread_now = mem_pread,
    .pwritev = mem_pwritev,
    .fdatasync = mem_sync,
    .fsync = mem_sync,
    .allocate = mem_allocate,
    .truncate = mem_truncate,
    .size = mem_size_of,
    .writeback = mem_hint,
    .advise = mem_advise,
    .close = mem_close,
    .rename = mem_rename,
    .unlink = mem_unlink,
    .mkdir = mem_dir,
    .rmdir = mem_dir,
    .sync_dir = mem_dir,
    .list = mem_list,
    .free_space = mem_free_space,
    .lock = mem_lock,
    .unlock = mem_unlock,
};

memfs *memfs_new(void) {
    memfs *fs = mem_zalloc(sizeof *fs);
    fs->v.ops = &ops;
    return fs;
}

void memfs_free(memfs *fs) {
    CHECK(fs->open_files == 0);
    while (fs->nodes) {
        node *n = fs->nodes;
        fs->nodes = n->next;
        mem_free(n->path);
        buf_free(&n->bytes);
        mem_free(n);
    }
    mem_free(fs);
}

vfs *memfs_vfs(memfs *fs) {
    return &fs->v;
}

buf *memfs_bytes(memfs *fs, const char *path) {
    node *n = find(fs, path);
    return n ? &n->bytes : NULL;
}

void memfs_put(memfs *fs, const char *path, slice bytes) {
    node *n = find(fs, path);
    if (!n) n = add(fs, path);
    buf_clear(&n->bytes);
    buf_append_slice(&n->bytes, bytes);
}

void memfs_fail(memfs *fs, uint64_t nth, status_code code) {
    fs->fail_at = nth ? fs->calls + nth : 0;
    fs->fail_code = code;
}

uint64_t memfs_calls(const memfs *fs) {
    return fs->calls;
}

int memfs_open_files(const memfs *fs) {
    return fs->open_files;
}
