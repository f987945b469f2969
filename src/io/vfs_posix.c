/* The vfs over Linux system calls.
 *
 * Rules that hold for each function here:
 *   - a call that a signal interrupts is made again (but close, which Linux has then done);
 *   - reads and writes go on until all is done, as the kernel may do less than it was asked;
 *   - every descriptor is close-on-exec;
 *   - a message names the call and the path, then says what errno says.
 * A write, fsync or close that failed is told once and never repeated: after a failed fsync the
 * kernel marks pages clean, and a second try would "succeed" without the data.
 *
 * The lock is flock's: it belongs to the open file description, which a forked child shares, so it
 * lasts until the last process that inherited it closed the descriptor or ended. The holder writes
 * its pid into the file, for people and for the message of whoever comes second. */
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "io/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define FILE_MODE  0644
#define DIR_MODE   0755
#define ZERO_CHUNK (256 * 1024) /* bytes of one write where fallocate is missing */
#define PID_TEXT   32           /* a pid and a line's end, with room to spare */

#define LOCK_STEP_MS 5 /* between two looks at a lock that is about to be free */

static const vfs_ops posix_ops;

typedef struct posix_file {
    vfs_file base;
    int fd;
    int direct;                /* a descriptor with O_DIRECT; NOT_ASKED, REFUSED */
    unsigned unit;             /* of its reads */
    _Atomic bool always_waits; /* RWF_NOWAIT is not known here */
    char path[];               /* for messages */
} posix_file;

#define NOT_ASKED (-1)
#define REFUSED   (-2)
#define UNIT_MOST                                                                                  \
    4096u              /* a larger one is not worth the bytes that it reads beside those wanted    \
                        */
#define OWN_FD_TEXT 40 /* /proc/self/fd/N, with room to spare */

/* The implementation behind a file of ours. */
static posix_file *posix_of(vfs_file *f) {
    CHECK(f && f->ops == &posix_ops);
    return (posix_file *)f;
}

/* Makes the call again while a signal interrupts it. */
#define RETRY(result, call)                                                                        \
    do {                                                                                           \
        (result) = (call);                                                                         \
    } while ((result) < 0 && errno == EINTR)

/* ---- files
 * -------------------------------------------------------------------------------------*/

/* The flags of open(2) that stand for ours. */
static int open_flags(unsigned flags) {
    CHECK(flags & (VFS_READ | VFS_WRITE));
    int f = O_CLOEXEC;
    if (flags & VFS_WRITE)
        f |= flags & VFS_READ ? O_RDWR : O_WRONLY;
    else
        f |= O_RDONLY;
    if (flags & VFS_CREATE) f |= O_CREAT;
    if (flags & VFS_EXCL) f |= O_EXCL;
    if (flags & VFS_TRUNC) f |= O_TRUNC;
    return f;
}

/* Opens path and wraps the descriptor. */
static status posix_open(vfs *v, const char *path, unsigned flags, vfs_file **out) {
    (void)v;
    *out = NULL;
    int fd;
    RETRY(fd, open(path, open_flags(flags), FILE_MODE));
    if (fd < 0) return status_errno(errno, "open %s", path);
    size_t n = strlen(path) + 1;
    posix_file *f = mem_zalloc(sizeof(*f) + n);
    f->base.ops = &posix_ops;
    f->fd = fd;
    f->direct = NOT_ASKED;
    memcpy(f->path, path, n);
    *out = &f->base;
    return STATUS_OK;
}

/* Reads until n bytes are there or the file ends. */
static status posix_pread(vfs_file *file, void *p, size_t n, uint64_t offset, size_t *got) {
    posix_file *f = posix_of(file);
    *got = 0;
    while (*got < n) {
        ssize_t r;
        RETRY(r, pread(f->fd, (char *)p + *got, n - *got, (off_t)(offset + *got)));
        if (r < 0) return status_errno(errno, "read %s", f->path);
        if (r == 0) break;
        *got += (size_t)r;
    }
    return STATUS_OK;
}

/* What the page cache has of it; a read that begins there and goes on beyond it is one that misses.
 * EOPNOTSUPP: this file system cannot say (tmpfs, some of FUSE's and the network's), which is
 * remembered. */
static status posix_pread_now(vfs_file *file, void *p, size_t n, uint64_t offset, size_t *got) {
    static const status miss = {ST_BUSY, "not in memory"};
    posix_file *f = posix_of(file);
    *got = 0;
    if (atomic_load_explicit(&f->always_waits, memory_order_relaxed))
        return posix_pread(file, p, n, offset, got);
    while (*got < n) {
        struct iovec rest = {(char *)p + *got, n - *got};
        ssize_t r;
        RETRY(r, preadv2(f->fd, &rest, 1, (off_t)(offset + *got), RWF_NOWAIT));
        if (r < 0 && errno == EAGAIN) return miss;
        if (r < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
            atomic_store_explicit(&f->always_waits, true, memory_order_relaxed);
            return posix_pread(file, p, n, offset, got);
        }
        if (r < 0) return status_errno(errno, "read %s", f->path);
        if (r == 0) break;
        *got += (size_t)r;
    }
    return STATUS_OK;
}

/* Writes n bytes at offset, whatever the kernel takes at a time. */
static status write_run(posix_file *f, const char *p, size_t n, uint64_t offset) {
    while (n > 0) {
        ssize_t r;
        RETRY(r, pwrite(f->fd, p, n, (off_t)offset));
        if (r < 0) return status_errno(errno, "write %s", f->path);
        if (r == 0) return status_make(ST_IO, "write %s: nothing was taken", f->path);
        p += r;
        n -= (size_t)r;
        offset += (size_t)r;
    }
    return STATUS_OK;
}

/* Writes the pieces in as few calls as the kernel allows; a piece that was taken in part is ended
 * by itself, so that the caller's array stays as it is. */
static status posix_pwritev(vfs_file *file, const struct iovec *iov, int n, uint64_t offset) {
    posix_file *f = posix_of(file);
    while (n > 0) {
        if (iov->iov_len == 0) {
            iov++, n--;
            continue;
        }
        ssize_t r;
        RETRY(r, pwritev(f->fd, iov, n < IOV_MAX ? n : IOV_MAX, (off_t)offset));
        if (r < 0) return status_errno(errno, "write %s", f->path);
        if (r == 0) return status_make(ST_IO, "write %s: nothing was taken", f->path);
        offset += (size_t)r;
        size_t done = (size_t)r;
        while (n > 0 && done >= iov->iov_len) {
            done -= iov->iov_len;
            iov++, n--;
        }
        if (done > 0) {
            CHECK(n > 0);
            size_t rest = iov->iov_len - done;
            TRY(write_run(f, (const char *)iov->iov_base + done, rest, offset));
            offset += rest;
            iov++, n--;
        }
    }
    return STATUS_OK;
}

/* Data and what is needed to read it back. */
static status posix_fdatasync(vfs_file *file) {
    posix_file *f = posix_of(file);
    int r;
    RETRY(r, fdatasync(f->fd));
    return r < 0 ? status_errno(errno, "fdatasync %s", f->path) : STATUS_OK;
}

/* Data and all metadata. */
static status posix_fsync(vfs_file *file) {
    posix_file *f = posix_of(file);
    int r;
    RETRY(r, fsync(f->fd));
    return r < 0 ? status_errno(errno, "fsync %s", f->path) : STATUS_OK;
}

/* The file's length in bytes. */
static status posix_size(vfs_file *file, uint64_t *out) {
    posix_file *f = posix_of(file);
    *out = 0;
    struct stat st;
    if (fstat(f->fd, &st) < 0) return status_errno(errno, "stat %s", f->path);
    *out = (uint64_t)st.st_size;
    return STATUS_OK;
}

/* Where the file system has no fallocate: zeros from the file's end on, as what it holds stays. */
static status write_zeros(posix_file *f, uint64_t offset, uint64_t len) {
    uint64_t size = 0, end = offset + len;
    TRY(posix_size(&f->base, &size));
    uint64_t at = offset > size ? offset : size;
    if (at >= end) return STATUS_OK;
    char *zeros = mem_zalloc(ZERO_CHUNK);
    status s = STATUS_OK;
    while (status_ok(s) && at < end) {
        size_t n = end - at < ZERO_CHUNK ? (size_t)(end - at) : ZERO_CHUNK;
        s = write_run(f, zeros, n, at);
        at += n;
    }
    mem_free(zeros);
    return s;
}

/* fallocate, else zeros. */
static status posix_allocate(vfs_file *file, uint64_t offset, uint64_t len) {
    posix_file *f = posix_of(file);
    if (len == 0) return STATUS_OK;
    if (offset > INT64_MAX || len > INT64_MAX - offset)
        return status_make(ST_LIMIT, "allocate %s: beyond the largest file", f->path);
    int r;
    RETRY(r, fallocate(f->fd, 0, (off_t)offset, (off_t)len));
    if (r == 0) return STATUS_OK;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return write_zeros(f, offset, len);
    return status_errno(errno, "allocate %s", f->path);
}

/* Sets the length. */
static status posix_truncate(vfs_file *file, uint64_t size) {
    posix_file *f = posix_of(file);
    int r;
    RETRY(r, ftruncate(f->fd, (off_t)size));
    return r < 0 ? status_errno(errno, "truncate %s", f->path) : STATUS_OK;
}

/* Starts writeback; a hint, so its failure is nobody's business: the fsync will say. */
static void posix_writeback(vfs_file *file, uint64_t offset, uint64_t len) {
    (void)sync_file_range(posix_of(file)->fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

/* Tells the page cache what comes. */
static void posix_advise(vfs_file *file, uint64_t offset, uint64_t len, vfs_advice advice) {
    static const int advices[] = {[VFS_NOT_SOON] = POSIX_FADV_DONTNEED,
                                  [VFS_IN_ORDER] = POSIX_FADV_SEQUENTIAL,
                                  [VFS_AT_RANDOM] = POSIX_FADV_RANDOM};
    (void)posix_fadvise(posix_of(file)->fd, (off_t)offset, (off_t)len, advices[advice]);
}

/* Closes and frees, also when close fails. On EINTR Linux has closed the descriptor already. */
static status posix_close(vfs_file *file) {
    posix_file *f = posix_of(file);
    status s = STATUS_OK;
    if (f->direct >= 0) (void)close(f->direct); /* nothing was written through it */
    if (close(f->fd) < 0 && errno != EINTR) s = status_errno(errno, "close %s", f->path);
    mem_free(f);
    return s;
}

/* ---- directories
 * -------------------------------------------------------------------------------*/

/* Atomic, as rename(2) is; durable only after sync_dir. */
static status posix_rename(vfs *v, const char *from, const char *to) {
    (void)v;
    if (rename(from, to) < 0) return status_errno(errno, "rename %s to %s", from, to);
    return STATUS_OK;
}

/* The space comes back when the last descriptor is closed, also those of children. */
static status posix_unlink(vfs *v, const char *path) {
    (void)v;
    return unlink(path) < 0 ? status_errno(errno, "unlink %s", path) : STATUS_OK;
}

/* One level; a directory that is there already will do, another kind of file will not. */
static status posix_mkdir(vfs *v, const char *path) {
    (void)v;
    if (mkdir(path, DIR_MODE) == 0) return STATUS_OK;
    int err = errno;
    struct stat st;
    if (err == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return STATUS_OK;
    return status_errno(err, "mkdir %s", path);
}

/* Only an empty one. */
static status posix_rmdir(vfs *v, const char *path) {
    (void)v;
    return rmdir(path) < 0 ? status_errno(errno, "rmdir %s", path) : STATUS_OK;
}

/* Makes the entries of a directory durable. EINVAL is the answer of file systems that have nothing
 * to sync there (some of FUSE's and the network's). */
static status posix_sync_dir(vfs *v, const char *path) {
    (void)v;
    int fd, r;
    RETRY(fd, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0) return status_errno(errno, "open directory %s", path);
    RETRY(r, fsync(fd));
    int err = errno;
    (void)close(fd); /* nothing was written through it */
    if (r < 0 && err != EINVAL) return status_errno(err, "fsync directory %s", path);
    return STATUS_OK;
}

/* Names are passed as readdir gives them; each may unlink what it is told of. */
static status posix_list(vfs *v, const char *path, void (*each)(void *ctx, const char *name),
                         void *ctx) {
    (void)v;
    DIR *d = opendir(path);
    if (!d) return status_errno(errno, "open directory %s", path);
    status s = STATUS_OK;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            if (errno) s = status_errno(errno, "read directory %s", path);
            break;
        }
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) each(ctx, e->d_name);
    }
    (void)closedir(d); /* nothing was written through it */
    return s;
}

/* What an unprivileged process may still write. */
static status posix_free_space(vfs *v, const char *path, uint64_t *out) {
    (void)v;
    *out = 0;
    struct statvfs st;
    int r;
    RETRY(r, statvfs(path, &st));
    if (r < 0) return status_errno(errno, "statvfs %s", path);
    *out = (uint64_t)st.f_bavail * st.f_frsize;
    return STATUS_OK;
}

/* ---- the lock
 * ----------------------------------------------------------------------------------*/

static int lock_wait_ms = 10000;

void vfs_posix_lock_wait(int ms) {
    lock_wait_ms = ms;
}

/* The pid in the lock file; 0 if there is none, as when the holder has not written it yet. */
static status holder(posix_file *f, pid_t *pid) {
    char text[PID_TEXT];
    size_t n = 0;
    *pid = 0;
    TRY(posix_pread(&f->base, text, sizeof(text), 0, &n));
    const char *end = memchr(text, '\n', n);
    int64_t found = 0;
    if (end && num_parse_i64(slice_of(text, (size_t)(end - text)), &found) && found > 0 &&
        found <= INT32_MAX)
        *pid = (pid_t)found;
    return STATUS_OK;
}

/* Has it ended? Also if nobody has waited for it yet, as a shell that killed it may not have. */
static bool has_ended(pid_t pid) {
    char path[32], line[64];
    if (kill(pid, 0) < 0) return errno == ESRCH;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    bool zombie = false;
    while (f && !zombie && fgets(line, sizeof(line), f))
        zombie = strncmp(line, "State:\tZ", 8) == 0;
    if (f) (void)fclose(f);
    return zombie;
}

/* The lock is taken. If the process that took it has ended, a child of its still holds it, which is
 * about to end too (io/child_side.c): true if it is worth to wait and try again. Else the message
 * of whoever comes second. */
static status busy(posix_file *f, int waited_ms, bool *again) {
    pid_t pid;
    *again = false;
    TRY(holder(f, &pid));
    if (pid == 0) return status_make(ST_BUSY, "%s is held by another process", f->path);
    if (!has_ended(pid)) return status_make(ST_BUSY, "%s is held by process %d", f->path, (int)pid);
    *again = waited_ms < lock_wait_ms;
    return status_make(ST_BUSY, "%s is held by a child of process %d, which has ended", f->path,
                       (int)pid);
}

/* Replaces what the lock file says by our pid. It is for the message alone: on a full disk the lock
 * is held without it, as reads and deletes must go on there. */
static void write_pid(posix_file *f) {
    char text[PID_TEXT];
    size_t n = num_format_i64(text, getpid());
    text[n++] = '\n';
    (void)(status_ok(posix_truncate(&f->base, 0)) && status_ok(write_run(f, text, n, 0)));
}

/* Waits only for the child of a process that has ended. */
static status take_lock(vfs *v, const char *path, unsigned flags, vfs_file **out) {
    vfs_file *file = NULL;
    *out = NULL;
    TRY(posix_open(v, path, flags, &file));
    posix_file *f = posix_of(file);
    for (int waited = 0;; waited += LOCK_STEP_MS) {
        int r;
        bool again = false;
        RETRY(r, flock(f->fd, LOCK_EX | LOCK_NB));
        if (r == 0) break;
        status s =
            errno == EWOULDBLOCK ? busy(f, waited, &again) : status_errno(errno, "lock %s", path);
        if (!again) {
            (void)status_ok(posix_close(file)); /* the first failure is the one to tell */
            return s;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_MS * 1000000L}, NULL);
    }
    *out = file;
    return STATUS_OK;
}

static status posix_lock(vfs *v, const char *path, vfs_file **out) {
    TRY(take_lock(v, path, VFS_READ | VFS_WRITE | VFS_CREATE, out));
    write_pid(posix_of(*out));
    return STATUS_OK;
}

/* Reading is enough, so that it works on what may not be written; CREATE asks for more. */
status vfs_posix_lock_as_it_is(vfs *v, const char *path, vfs_file **out) {
    status s = take_lock(v, path, VFS_READ, out);
    if (s.code != ST_NOT_FOUND) return s;
    return take_lock(v, path, VFS_READ | VFS_WRITE | VFS_CREATE, out);
}

/* Closes only: LOCK_UN would take the lock away from children that still write. */
static void posix_unlock(vfs_file *file) {
    (void)status_ok(posix_close(file)); /* the pid in it is worth nothing by now */
}

static const vfs_ops posix_ops = {
    .open = posix_open,
    .pread = posix_pread,
    .pread_now = posix_pread_now,
    .pwritev = posix_pwritev,
    .fdatasync = posix_fdatasync,
    .fsync = posix_fsync,
    .allocate = posix_allocate,
    .truncate = posix_truncate,
    .size = posix_size,
    .writeback = posix_writeback,
    .advise = posix_advise,
    .close = posix_close,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .rmdir = posix_rmdir,
    .sync_dir = posix_sync_dir,
    .list = posix_list,
    .free_space = posix_free_space,
    .lock = posix_lock,
    .unlock = posix_unlock,
};

/* It has no state, so one serves all threads and children. */
vfs *vfs_posix(void) {
    static vfs system = {&posix_ops};
    return &system;
}

/* Asks the function table whose file it is. */
int vfs_posix_fd(const vfs_file *f) {
    return f && f->ops == &posix_ops ? ((const posix_file *)f)->fd : -1;
}

/* What a read past the page cache must be a multiple of. Kernels before 6.1 don't say: the size of
 * a page does nearly everywhere. 0: the file has no such reads. */
static unsigned direct_unit(int fd) {
    unsigned unit = UNIT_MOST;
#ifdef STATX_DIOALIGN
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 && (st.stx_mask & STATX_DIOALIGN)) {
        unsigned memory = st.stx_dio_mem_align, offset = st.stx_dio_offset_align;
        unit = memory > offset ? memory : offset;
    }
#endif
    return unit <= UNIT_MOST && (unit & (unit - 1)) == 0 ? unit : 0;
}

/* The same file, whatever its name is by now, opened a second time. */
static void open_direct(posix_file *f) {
    char own[OWN_FD_TEXT];
    f->direct = REFUSED;
    f->unit = direct_unit(f->fd);
    if (f->unit == 0) return;
    snprintf(own, sizeof own, "/proc/self/fd/%d", f->fd);
    int fd;
    RETRY(fd, open(own, O_RDONLY | O_DIRECT | O_CLOEXEC));
    if (fd >= 0) f->direct = fd;
}

unsigned vfs_posix_direct(vfs_file *file, int *fd) {
    *fd = -1;
    if (!file || file->ops != &posix_ops) return 0;
    posix_file *f = posix_of(file);
    if (f->direct == NOT_ASKED) open_direct(f);
    if (f->direct < 0) return 0;
    *fd = f->direct;
    return f->unit;
}

/* The descriptor stays until the file is closed, as reads of it may be under way. */
void vfs_posix_no_direct(vfs_file *file) {
    posix_of(file)->unit = 0;
}

const char *vfs_posix_path(const vfs_file *f) {
    CHECK(f && f->ops == &posix_ops);
    return ((const posix_file *)f)->path;
}
