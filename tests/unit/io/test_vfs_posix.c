/* Tests of vfs_posix: each operation, what it says when it fails, and the lock between processes.
 *
 * The system calls that matter are interposed: this program's own pwritev, fsync and so on come
 * before libc's, so a test can make the kernel take less than it was offered, be interrupted, or
 * fail. */
#include "io/vfs.h"
#include "support/tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- interposed calls
 * --------------------------------------------------------------------------*/

static struct {
    size_t most;       /* bytes one call moves; 0: as asked */
    int interruptions; /* EINTR so many times first */
    int fsync_errno;   /* fails every fsync and fdatasync */
    int fallocate_errno;
    int pwrite_errno;
    int now_errno; /* fails preadv2, which else finds `in_memory` bytes of the file in memory */
    off_t in_memory;
    int nows;                 /* preadv2 that came */
    int syncs, writes, reads; /* calls that came */
} fake;

static bool interrupted(void) {
    if (fake.interruptions <= 0) return false;
    fake.interruptions--;
    errno = EINTR;
    return true;
}

static size_t cut(size_t n) {
    return fake.most && n > fake.most ? fake.most : n;
}

ssize_t pread(int fd, void *p, size_t n, off_t offset) {
    fake.reads++;
    if (interrupted()) return -1;
    return syscall(SYS_pread64, fd, p, cut(n), offset);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t offset) {
    fake.writes++;
    if (interrupted()) return -1;
    if (!fake.pwrite_errno) return syscall(SYS_pwrite64, fd, p, cut(n), offset);
    errno = fake.pwrite_errno;
    return -1;
}

/* RWF_NOWAIT is what it is used for: bytes beyond `in_memory` are on the disk. */
ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags) {
    assert_int_equal(flags, RWF_NOWAIT);
    assert_int_equal(n, 1);
    fake.nows++;
    if (interrupted()) return -1;
    errno = fake.now_errno ? fake.now_errno : EAGAIN;
    if (fake.now_errno || offset >= fake.in_memory) return -1;
    size_t most = (size_t)(fake.in_memory - offset);
    return syscall(SYS_pread64, fd, iov->iov_base, cut(iov->iov_len < most ? iov->iov_len : most),
                   offset);
}

/* Cut short in the middle of whichever piece the limit falls into. */
ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset) {
    fake.writes++;
    if (interrupted()) return -1;
    if (!fake.most) return syscall(SYS_pwritev, fd, iov, n, offset, 0);
    char joined[4096];
    size_t len = 0;
    for (int i = 0; i < n && len < fake.most; i++) {
        size_t part = iov[i].iov_len < fake.most - len ? iov[i].iov_len : fake.most - len;
        memcpy(joined + len, iov[i].iov_base, part);
        len += part;
    }
    return syscall(SYS_pwrite64, fd, joined, len, offset);
}

static int fake_sync(int fd, long number) {
    fake.syncs++;
    if (interrupted()) return -1;
    if (!fake.fsync_errno) return (int)syscall(number, fd);
    errno = fake.fsync_errno;
    return -1;
}

int fsync(int fd) {
    return fake_sync(fd, SYS_fsync);
}

int fdatasync(int fd) {
    return fake_sync(fd, SYS_fdatasync);
}

int fallocate(int fd, int mode, off_t offset, off_t len) {
    if (interrupted()) return -1;
    if (!fake.fallocate_errno) return (int)syscall(SYS_fallocate, fd, mode, offset, len);
    errno = fake.fallocate_errno;
    return -1;
}

/* ---- helpers
 * -----------------------------------------------------------------------------------*/

static tempdir dir;
static vfs *fs;

static int setup(void **state) {
    (void)state;
    tempdir_make(&dir);
    fs = vfs_posix();
    memset(&fake, 0, sizeof(fake));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    memset(&fake, 0, sizeof(fake));
    tempdir_remove(&dir);
    return 0;
}

static void assert_ok(status s) {
    if (!status_ok(s)) fail_msg("status %d: %s", s.code, s.msg);
}

static void assert_status(status s, status_code code, const char *part) {
    if (s.code != code || !strstr(s.msg, part))
        fail_msg("wanted %d with '%s', got %d: %s", code, part, s.code, s.msg);
}

static vfs_file *open_new(const char *name) {
    vfs_file *f = NULL;
    assert_ok(vfs_open(fs, tempdir_file(&dir, name), VFS_READ | VFS_WRITE | VFS_CREATE, &f));
    return f;
}

static void assert_size(vfs_file *f, uint64_t want) {
    uint64_t size = 0;
    assert_ok(f->ops->size(f, &size));
    assert_int_equal(size, want);
}

/* ---- files
 * -------------------------------------------------------------------------------------*/

static void test_open_flags(void **state) {
    (void)state;
    const char *path = tempdir_file(&dir, "a");
    vfs_file *f = (vfs_file *)1;
    assert_status(vfs_open(fs, path, VFS_READ, &f), ST_NOT_FOUND, path);
    assert_null(f);
    assert_ok(vfs_open(fs, path, VFS_WRITE | VFS_CREATE | VFS_EXCL, &f));
    assert_true(fcntl(vfs_posix_fd(f), F_GETFD) & FD_CLOEXEC);
    assert_ok(vfs_pwrite(f, "hello", 5, 0));
    char c;
    size_t got;
    assert_status(vfs_pread(f, &c, 1, 0, &got), ST_IO, path); /* not open for reading */
    assert_ok(f->ops->close(f));
    assert_status(vfs_open(fs, path, VFS_WRITE | VFS_CREATE | VFS_EXCL, &f), ST_IO, "exists");
    assert_ok(vfs_open(fs, path, VFS_READ, &f));
    assert_size(f, 5);
    assert_status(vfs_pwrite(f, "x", 1, 0), ST_IO, path); /* nor this for writing */
    assert_ok(f->ops->close(f));
    assert_ok(vfs_open(fs, path, VFS_READ | VFS_WRITE | VFS_TRUNC, &f));
    assert_size(f, 0);
    assert_ok(f->ops->close(f));
    assert_int_equal(vfs_posix_fd(NULL), -1);
}

static void test_read_write(void **state) {
    (void)state;
    vfs_file *f = open_new("a");
    char p[16];
    size_t got = 99;
    assert_ok(vfs_pread(f, p, sizeof(p), 0, &got));
    assert_int_equal(got, 0);
    assert_ok(vfs_pwrite(f, "abcdef", 6, 4));
    assert_ok(vfs_pread(f, p, sizeof(p), 2, &got));
    assert_int_equal(got, 8);
    assert_memory_equal(p, "\0\0abcdef", 8);
    assert_ok(vfs_pread_all(f, "a", p, 6, 4));
    assert_status(vfs_pread_all(f, "a", p, 7, 4), ST_CORRUPT, "a: wanted 7 bytes at 4, found 6");
    assert_ok(f->ops->close(f));
}

/* Pieces of many lengths, empty ones among them, more than one call may carry. */
static void write_pieces(const char *name, int n) {
    vfs_file *f = open_new(name);
    struct iovec *iov = calloc((size_t)n, sizeof(*iov));
    char *all = malloc((size_t)n * 7), *back = malloc((size_t)n * 7);
    size_t len = 0;
    for (int i = 0; i < n; i++) {
        size_t part = (size_t)(i * 5) % 7;
        memset(all + len, 'a' + i % 26, part);
        iov[i] = (struct iovec){all + len, part};
        len += part;
    }
    assert_ok(vfs_pwritev(f, iov, n, 3));
    assert_size(f, len + 3);
    size_t got;
    assert_ok(vfs_pread(f, back, len, 3, &got));
    assert_int_equal(got, len);
    assert_memory_equal(back, all, len);
    assert_ok(f->ops->close(f));
    free(all);
    free(back);
    free(iov);
}

static void test_many_pieces(void **state) {
    (void)state;
    write_pieces("many", 3000);
    assert_true(fake.writes < 10);
    vfs_file *f = open_new("none");
    struct iovec empty[2] = {{NULL, 0}, {NULL, 0}};
    assert_ok(vfs_pwritev(f, empty, 0, 3));
    assert_ok(vfs_pwritev(f, empty, 2, 3));
    assert_size(f, 0);
    assert_ok(f->ops->close(f));
}

/* Whatever the kernel takes at a time, and however often it is interrupted. */
static void test_short_and_interrupted(void **state) {
    (void)state;
    for (size_t most = 1; most <= 23; most++) {
        char name[16];
        snprintf(name, sizeof(name), "s%zu", most);
        fake.most = most;
        fake.interruptions = 3;
        write_pieces(name, 100);
        assert_int_equal(fake.interruptions, 0);
    }
}

static void test_interrupted_sync(void **state) {
    (void)state;
    vfs_file *f = open_new("a");
    fake.interruptions = 2;
    assert_ok(f->ops->fsync(f));
    fake.interruptions = 2;
    assert_ok(f->ops->fdatasync(f));
    fake.interruptions = 2;
    assert_ok(f->ops->allocate(f, 0, 4096));
    assert_int_equal(fake.interruptions, 0);
    fake.interruptions = 1;
    assert_ok(fs->ops->sync_dir(fs, dir.path));
    assert_int_equal(fake.syncs, 3 + 3 + 2);
    assert_ok(f->ops->close(f));
}

/* A failed fsync is told once, with the path, and not tried again behind the caller's back. */
static void test_failed_sync(void **state) {
    (void)state;
    vfs_file *f = open_new("a");
    fake.fsync_errno = EIO;
    assert_status(f->ops->fsync(f), ST_IO, "/a: ");
    assert_int_equal(fake.syncs, 1);
    assert_status(f->ops->fdatasync(f), ST_IO, "/a: ");
    assert_int_equal(fake.syncs, 2);
    assert_status(fs->ops->sync_dir(fs, dir.path), ST_IO, dir.path);
    fake.fsync_errno = ENOSPC;
    assert_status(f->ops->fsync(f), ST_NO_SPACE, "/a: ");
    fake.fsync_errno = EINVAL; /* what file systems say that cannot sync a directory */
    assert_ok(fs->ops->sync_dir(fs, dir.path));
    assert_status(f->ops->fsync(f), ST_IO, "/a: ");
    assert_ok(f->ops->close(f));
}

static void test_full_device(void **state) {
    (void)state;
    vfs_file *f = NULL;
    assert_ok(vfs_open(fs, "/dev/full", VFS_WRITE, &f));
    assert_status(vfs_pwrite(f, "x", 1, 0), ST_NO_SPACE, "/dev/full");
    assert_ok(f->ops->close(f));
}

/* The process' limit of file size: the part that fits is written, then the call fails. */
static void test_size_limit(void **state) {
    (void)state;
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    vfs_file *f = open_new("a");
    static const char bytes[700];
    struct iovec iov[2] = {{(void *)(uintptr_t)bytes, 700}, {(void *)(uintptr_t)bytes, 700}};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    status s = vfs_pwritev(f, iov, 2, 0);
    status t = f->ops->allocate(f, 0, 2000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_status(s, ST_IO, "too large");
    assert_status(t, ST_IO, "too large");
    assert_size(f, 1000);
    assert_ok(f->ops->close(f));
}

static void check_allocate(const char *name) {
    vfs_file *f = open_new(name);
    assert_ok(vfs_pwrite(f, "kept", 4, 0));
    assert_ok(f->ops->allocate(f, 0, 600000));
    assert_size(f, 600000);
    char *p = malloc(600000), *zeros = calloc(1, 600000);
    assert_ok(vfs_pread_all(f, name, p, 600000, 0));
    assert_memory_equal(p, "kept", 4);
    assert_memory_equal(p + 4, zeros, 600000 - 4);
    assert_ok(f->ops->allocate(f, 700000, 10));
    assert_size(f, 700010);
    assert_ok(f->ops->allocate(f, 5, 10)); /* inside: nothing changes */
    assert_ok(f->ops->allocate(f, 900000, 0));
    assert_size(f, 700010);
    assert_ok(vfs_pread_all(f, name, p, 4, 0));
    assert_memory_equal(p, "kept", 4);
    assert_status(f->ops->allocate(f, UINT64_MAX - 5, 10), ST_LIMIT, name);
    assert_ok(f->ops->close(f));
    free(p);
    free(zeros);
}

static void test_allocate(void **state) {
    (void)state;
    check_allocate("native");
    assert_int_equal(fake.writes, 1);
    fake.fallocate_errno = EOPNOTSUPP;
    check_allocate("zeros");
    assert_true(fake.writes > 3);
    vfs_file *f = open_new("full");
    fake.fallocate_errno = ENOSPC;
    assert_status(f->ops->allocate(f, 0, 10), ST_NO_SPACE, "full");
    assert_size(f, 0);
    assert_ok(f->ops->close(f));
}

/* Past the page cache: whole units, of what was just written too, whatever the file's name is. */
static void test_direct(void **state) {
    (void)state;
    static char room[3 * 4096];
    char *p = (char *)(((uintptr_t)room + 4095) & ~(uintptr_t)4095);
    vfs_file *f = open_new("a");
    int fd = 99, again;
    assert_int_equal(vfs_posix_direct(NULL, &fd), 0);
    assert_int_equal(fd, -1);
    assert_ok(vfs_pwrite(f, "0123456789", 10, 0));
    assert_ok(fs->ops->rename(fs, tempdir_file(&dir, "a"), tempdir_file(&dir, "b")));
    unsigned unit = vfs_posix_direct(f, &fd);
    if (unit) { /* else a file system without */
        assert_true(unit <= 4096 && (unit & (unit - 1)) == 0);
        assert_true(fcntl(fd, F_GETFL) & O_DIRECT && fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(pread(fd, p, 4096, 0), 10);
        assert_memory_equal(p, "0123456789", 10);
        assert_int_equal(vfs_posix_direct(f, &again), unit);
        assert_int_equal(again, fd);
    }
    vfs_posix_no_direct(f);
    assert_int_equal(vfs_posix_direct(f, &fd), 0);
    assert_ok(f->ops->close(f));
    assert_true(!unit || fcntl(again, F_GETFD) < 0);
}

/* What is in memory is read at once, in pieces too; what goes beyond it is not waited for. */
static void test_read_now(void **state) {
    (void)state;
    vfs_file *f = open_new("a");
    char p[16] = {0};
    size_t got = 99;
    assert_ok(vfs_pwrite(f, "0123456789", 10, 0));
    fake.in_memory = 100;
    fake.interruptions = 1;
    fake.most = 3;
    assert_ok(vfs_pread_now(f, p, 8, 1, &got));
    assert_int_equal(got, 8);
    assert_memory_equal(p, "12345678", 8);
    assert_ok(vfs_pread_now(f, p, 16, 5, &got));
    assert_int_equal(got, 5); /* the file's end */
    fake.in_memory = 4;
    assert_status(vfs_pread_now(f, p, 4, 2, &got), ST_BUSY, "not in memory");
    assert_status(vfs_pread_now(f, p, 4, 6, &got), ST_BUSY, "not in memory");
    assert_int_equal(fake.reads, 0);
    fake.now_errno = EIO;
    assert_status(vfs_pread_now(f, p, 4, 0, &got), ST_IO, "read");
    /* A file system that cannot say: the read is made, and the question not asked again. */
    fake.now_errno = EOPNOTSUPP;
    fake.nows = 0;
    for (int i = 0; i < 3; i++) {
        assert_ok(vfs_pread_now(f, p, 4, 6, &got));
        assert_int_equal(got, 4);
        assert_memory_equal(p, "6789", 4);
    }
    assert_int_equal(fake.nows, 1);
    assert_ok(f->ops->close(f));
}

static void test_truncate_and_hints(void **state) {
    (void)state;
    vfs_file *f = open_new("a");
    assert_ok(vfs_pwrite(f, "0123456789", 10, 0));
    f->ops->writeback(f, 0, 10);
    f->ops->advise(f, 0, 0, VFS_IN_ORDER);
    f->ops->advise(f, 0, 10, VFS_NOT_SOON);
    f->ops->advise(f, 0, 0, VFS_AT_RANDOM);
    assert_ok(f->ops->truncate(f, 4));
    assert_size(f, 4);
    assert_ok(f->ops->truncate(f, 8));
    char p[8];
    assert_ok(vfs_pread_all(f, "a", p, 8, 0));
    assert_memory_equal(p, "0123\0\0\0\0", 8);
    assert_ok(f->ops->close(f));
}

/* ---- directories
 * -------------------------------------------------------------------------------*/

static void count_names(void *ctx, const char *name) {
    int *seen = ctx;
    assert_string_not_equal(name, ".");
    assert_string_not_equal(name, "..");
    if (strcmp(name, "one") == 0) *seen |= 1;
    if (strcmp(name, "sub") == 0) *seen |= 2;
    *seen += 16;
}

static void test_directories(void **state) {
    (void)state;
    const char *sub = tempdir_file(&dir, "sub"), *one = tempdir_file(&dir, "one");
    assert_ok(fs->ops->mkdir(fs, sub));
    assert_ok(fs->ops->mkdir(fs, sub));
    vfs_file *f = open_new("zero");
    assert_ok(f->ops->close(f));
    assert_ok(fs->ops->rename(fs, tempdir_file(&dir, "zero"), one));
    assert_status(fs->ops->mkdir(fs, one), ST_IO, "exists");
    assert_status(fs->ops->mkdir(fs, tempdir_file(&dir, "no/such")), ST_NOT_FOUND, "no/such");
    int seen = 0;
    assert_ok(fs->ops->list(fs, dir.path, count_names, &seen));
    assert_int_equal(seen, 2 * 16 + 3);
    assert_status(fs->ops->list(fs, tempdir_file(&dir, "none"), count_names, &seen), ST_NOT_FOUND,
                  "none");
    assert_ok(fs->ops->sync_dir(fs, dir.path));
    assert_status(fs->ops->sync_dir(fs, tempdir_file(&dir, "none")), ST_NOT_FOUND, "none");
    assert_status(fs->ops->rmdir(fs, dir.path), ST_IO, dir.path);
    assert_ok(fs->ops->rmdir(fs, sub));
    assert_ok(fs->ops->unlink(fs, one));
    assert_status(fs->ops->unlink(fs, one), ST_NOT_FOUND, one);
    assert_status(fs->ops->rename(fs, one, sub), ST_NOT_FOUND, one);
    uint64_t bytes = 0;
    assert_ok(fs->ops->free_space(fs, dir.path, &bytes));
    assert_true(bytes > 0);
    assert_status(fs->ops->free_space(fs, one, &bytes), ST_NOT_FOUND, one);
    assert_int_equal(bytes, 0);
}

/* ---- the lock
 * ----------------------------------------------------------------------------------*/

/* In a child: the lock is busy, and the message names pid; the exit status says so. */
static void assert_busy_in_child(const char *path, const char *part) {
    pid_t pid = fork();
    if (pid == 0) {
        /* A descriptor of its own, as of a stranger: inherited ones do not matter here. */
        vfs_file *f = NULL;
        status s = fs->ops->lock(fs, path, &f);
        _exit(s.code == ST_BUSY && strstr(s.msg, part) && !f ? 0 : 1);
    }
    int how = 0;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(how, 0);
}

static void test_lock_names_holder(void **state) {
    (void)state;
    const char *path = tempdir_file(&dir, "LOCK");
    vfs_file *lock = NULL, *again = NULL;
    FILE *old = fopen(path, "w"); /* a longer text than ours must not shine through */
    fputs("99999999999999999999\n", old);
    fclose(old);
    assert_ok(fs->ops->lock(fs, path, &lock));
    char text[64];
    snprintf(text, sizeof(text), "LOCK is held by process %d", getpid());
    assert_status(fs->ops->lock(fs, path, &again), ST_BUSY, text);
    assert_busy_in_child(path, text);
    assert_int_equal(truncate(path, 0), 0); /* a holder that has not written its pid yet */
    assert_busy_in_child(path, "held by another process");
    fs->ops->unlock(lock);
    assert_ok(fs->ops->lock(fs, path, &again));
    fs->ops->unlock(again);
    assert_status(fs->ops->lock(fs, tempdir_file(&dir, "no/LOCK"), &again), ST_NOT_FOUND, "LOCK");
}

/* The pid does not fit on the disk: the lock is held all the same. */
static void test_lock_on_a_full_disk(void **state) {
    (void)state;
    const char *path = tempdir_file(&dir, "LOCK");
    vfs_file *lock = NULL, *again = NULL;
    fake.pwrite_errno = ENOSPC;
    assert_ok(fs->ops->lock(fs, path, &lock));
    assert_status(fs->ops->lock(fs, path, &again), ST_BUSY, "held by another process");
    fs->ops->unlock(lock);
}

/* A process locks and forks a child, then ends: the lock lasts as long as that child, and who comes
 * next waits for it, whether or not somebody has waited for the process that ended. */
static void test_lock_outlives_holder(void **state) {
    (void)state;
    const char *path = tempdir_file(&dir, "LOCK");
    int ready[2], release[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(release), 0);
    pid_t holder = fork();
    if (holder == 0) {
        vfs_file *f = NULL;
        if (!status_ok(fs->ops->lock(fs, path, &f))) _exit(1);
        char c;
        if (fork() == 0) {
            close(release[1]);
            if (read(release[0], &c, 1) != 0) _exit(1);
            _exit(usleep(100000)); /* the lock is waited for by now */
        }
        fs->ops->unlock(f); /* the child's stays */
        _exit(write(ready[1], "x", 1) == 1 ? 0 : 1);
    }
    char c, text[64];
    siginfo_t ended;
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(waitid(P_PID, (id_t)holder, &ended, WEXITED | WNOWAIT), 0);
    vfs_file *f = NULL;
    snprintf(text, sizeof(text), "a child of process %d", holder);
    vfs_posix_lock_wait(20);
    assert_status(fs->ops->lock(fs, path, &f), ST_BUSY, text); /* a zombie */
    int how = 1;
    assert_int_equal(waitpid(holder, &how, 0), holder);
    assert_int_equal(how, 0);
    assert_status(fs->ops->lock(fs, path, &f), ST_BUSY, text); /* gone */
    vfs_posix_lock_wait(10000);
    close(release[1]);
    close(release[0]);
    assert_ok(fs->ops->lock(fs, path, &f));
    fs->ops->unlock(f);
    close(ready[0]);
    close(ready[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_open_flags),
        TEST(test_read_write),
        TEST(test_read_now),
        TEST(test_direct),
        TEST(test_many_pieces),
        TEST(test_short_and_interrupted),
        TEST(test_interrupted_sync),
        TEST(test_failed_sync),
        TEST(test_full_device),
        TEST(test_size_limit),
        TEST(test_allocate),
        TEST(test_truncate_and_hints),
        TEST(test_directories),
        TEST(test_lock_names_holder),
        TEST(test_lock_on_a_full_disk),
        TEST(test_lock_outlives_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
