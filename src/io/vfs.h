/* vfs: the only way to the disk.
 *
 * A vfs is a table of functions: the system's (vfs_posix) or, in tests, a model of what a disk may
 * do. Paths are as given (usually DIR/NAME). Every call may fail; after a failed write, fsync or
 * close nothing is known of the file's unsynced bytes, and callers must not try that call again on
 * that file. Calls block; on the reactor thread only those that the page cache answers. Any thread
 * or child may use a vfs; a vfs_file is used by one at a time unless said otherwise (pread and
 * pread_now by all).
 */
#ifndef STAVE_IO_VFS_H
#define STAVE_IO_VFS_H

#include "base/slice.h"
#include "base/status.h"

#include <sys/uio.h>

typedef struct vfs vfs;
typedef struct vfs_file vfs_file;

enum vfs_open_flags {
    VFS_READ = 1 << 0,
    VFS_WRITE = 1 << 1,
    VFS_CREATE = 1 << 2, /* with VFS_EXCL: fail if it exists; else open or create */
    VFS_EXCL = 1 << 3,
    VFS_TRUNC = 1 << 4,
};

/* VFS_IN_ORDER and VFS_AT_RANDOM are of the open file, which a forked child shares, and the range
 * is all of it. At random nothing is read ahead: whoever reads such a file in order does it in
 * large pieces, or opens it anew. */
typedef enum vfs_advice {
    VFS_NOT_SOON, /* not again: the page cache may drop it */
    VFS_IN_ORDER,
    VFS_AT_RANDOM,
} vfs_advice;

typedef struct vfs_ops {
    status (*open)(vfs *v, const char *path, unsigned flags, vfs_file **out);
    /* Reads up to n bytes at offset; *got < n only at the end of the file. */
    status (*pread)(vfs_file *f, void *p, size_t n, uint64_t offset, size_t *got);
    /* As pread, but only of what is in memory: ST_BUSY, at once, if any of it would have to come
     * from the disk (RWF_NOWAIT). A file system that cannot say so answers as pread does. */
    status (*pread_now)(vfs_file *f, void *p, size_t n, uint64_t offset, size_t *got);
    /* Writes all of it at offset, or fails (some bytes may then be there). */
    status (*pwritev)(vfs_file *f, const struct iovec *iov, int n, uint64_t offset);
    status (*fdatasync)(vfs_file *f); /* data, and the size if it grew */
    status (*fsync)(vfs_file *f);
    /* Room for bytes [offset, offset+len), the size growing to cover it: what the file holds stays,
     * what is new is zero. fallocate, or plain writes of zeros beyond the end where the file system
     * does not have it. */
    status (*allocate)(vfs_file *f, uint64_t offset, uint64_t len);
    status (*truncate)(vfs_file *f, uint64_t size);
    status (*size)(vfs_file *f, uint64_t *out);
    /* Hint: start writing back [offset, offset+len) now, without waiting (sync_file_range). */
    void (*writeback)(vfs_file *f, uint64_t offset, uint64_t len);
    /* Hint: how the range will be read. */
    void (*advise)(vfs_file *f, uint64_t offset, uint64_t len, vfs_advice advice);
    status (*close)(vfs_file *f);

    status (*rename)(vfs *v, const char *from, const char *to);
    status (*unlink)(vfs *v, const char *path);
    status (*mkdir)(vfs *v, const char *path); /* one level; fine if it is there */
    status (*rmdir)(vfs *v, const char *path);
    status (*sync_dir)(vfs *v, const char *path);
    /* Calls each(ctx, name) for every entry but . and .., in no order. */
    status (*list)(vfs *v, const char *path, void (*each)(void *ctx, const char *name), void *ctx);
    /* Bytes free for this process on path's file system. */
    status (*free_space)(vfs *v, const char *path, uint64_t *out);
    /* An exclusive lock on a file (created if missing). Forked children inherit it: it lasts until
     * each process that has it has unlocked it or ended. ST_BUSY, with the holder's pid in the
     * message, if another has it: at once, but that a child whose process has ended is waited
     * for. */
    status (*lock)(vfs *v, const char *path, vfs_file **out);
    void (*unlock)(vfs_file *f);
} vfs_ops;

struct vfs {
    const vfs_ops *ops;
};
struct vfs_file {
    const vfs_ops *ops;
};

/* The system's file system; one static object. */
vfs *vfs_posix(void);
/* How long its lock waits for such a child, in ms: 10000 if nobody says otherwise. */
void vfs_posix_lock_wait(int ms);
/* Its lock, taken on a file that is only read: no pid is written into it. Made, empty, if it is
 * missing. */
status vfs_posix_lock_as_it_is(vfs *v, const char *path, vfs_file **out);
/* The descriptor behind a file of vfs_posix, or -1 (for O_CLOEXEC-like housekeeping and INFO). */
int vfs_posix_fd(const vfs_file *f);
/* Another descriptor of a file of vfs_posix, opened when it is first asked for, whose reads go past
 * the page cache (O_DIRECT); and what the memory, the length and the offset of one must be
 * multiples of. 0: it is no such file, or the system has no such reads of it. One thread asks. */
unsigned vfs_posix_direct(vfs_file *f, int *fd);
/* Such a read was refused: there are none from now on. REQUIRES: a file of vfs_posix. */
void vfs_posix_no_direct(vfs_file *f);
/* The path that it was opened by. REQUIRES: it is one of vfs_posix. */
const char *vfs_posix_path(const vfs_file *f);

/* The file at `path`, made if it is missing, holds `text` and nothing else, durably, or is as it
 * was: written beside it as PATH.tmp, fsynced, renamed, the directory fsynced. It may be read by
 * whom the old one could be. */
status vfs_posix_replace(const char *path, slice text);

static inline status vfs_open(vfs *v, const char *path, unsigned flags, vfs_file **out) {
    return v->ops->open(v, path, flags, out);
}
static inline status vfs_pread(vfs_file *f, void *p, size_t n, uint64_t offset, size_t *got) {
    return f->ops->pread(f, p, n, offset, got);
}
static inline status vfs_pread_now(vfs_file *f, void *p, size_t n, uint64_t offset, size_t *got) {
    return f->ops->pread_now(f, p, n, offset, got);
}
static inline status vfs_pwritev(vfs_file *f, const struct iovec *iov, int n, uint64_t offset) {
    return f->ops->pwritev(f, iov, n, offset);
}
static inline status vfs_pwrite(vfs_file *f, const void *p, size_t n, uint64_t offset) {
    struct iovec one = {(void *)(uintptr_t)p, n};
    return f->ops->pwritev(f, &one, 1, offset);
}

/* Reads exactly n bytes or fails with ST_CORRUPT ("PATH: wanted N bytes at OFFSET"). */
status vfs_pread_all(vfs_file *f, const char *path, void *p, size_t n, uint64_t offset);

#endif
