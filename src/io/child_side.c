/* The forked child's side: settle in, run the job, report, exit.
 *
 * Settling in, in this order: die with the parent (and check that it did not die before that was
 * said), forget its signals, let the owner's hook run, close every descriptor that is no file, step
 * back in CPU and I/O priority, take a name. What stays open are files: the job's, and the
 * directory lock, which so lasts until the child ends.
 *
 * A frame of progress goes out at most every PROGRESS_US. Measuring what copy-on-write has cost
 * means that the kernel walks the page tables, milliseconds for a gigabyte: so it is done once a
 * second at most, and never takes more than about a hundredth of the child's time. */
#include "io/child_side.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/child_pipe.h"
#include "io/signals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_US 100000
#define COW_US      1000000
#define COW_SHARE   100 /* measuring takes at most one part in so many */
#define NICE        10  /* about a tenth of a contended CPU */
#define IOPRIO_PROCESS                                                                             \
    1 /* IOPRIO_WHO_PROCESS and a best-effort class, level 7: the lowest that                      \
       */
#define IOPRIO_LOWEST ((2 << 13) | 7) /* is not starved by any other (linux/ioprio.h) */
#define SMAPS_MAX     4096
#define BURST_US      100000 /* how far throttled I/O may run ahead after a pause */
#define TITLE_MAX     16     /* PR_SET_NAME cuts there */

/* The child that this process is; all zero in any other process. */
static struct {
    bool active;
    int fd;
    pid_t parent;
    uint64_t next_progress_us, next_cow_us;
    double io_due_us; /* when the I/O done so far should have ended */
} self;

/* ---- settling in
 * -------------------------------------------------------------------------------*/

/* A file or a directory; sockets, pipes, and what has no file type (epoll, eventfd, rings) are the
 * parent's. Standard input, output and error stay whatever they are. */
static bool keep_open(int fd) {
    struct stat st;
    if (fd <= STDERR_FILENO || fd == self.fd || fstat(fd, &st) < 0) return true;
    mode_t kind = st.st_mode & S_IFMT;
    return kind != S_IFSOCK && kind != S_IFIFO && kind != 0;
}

/* Closes the parent's descriptors but files. Without /proc they stay: the parent shuts sockets down
 * before it closes them, so peers do not wait for us. */
static void close_non_files(void) {
    DIR *d = opendir("/proc/self/fd");
    if (!d) return;
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        int fd = atoi(e->d_name); /* "." and ".." are 0: kept */
        if (!keep_open(fd)) (void)close(fd);
    }
    (void)closedir(d);
}

/* Steps behind the parent, if nobody waits for it; a refusal (a container's rule) is no reason not
 * to work. */
static void lower_priority(void) {
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    (void)syscall(SYS_ioprio_set, IOPRIO_PROCESS, 0, IOPRIO_LOWEST);
}

/* The steps that the top of this file lists, in that order. */
static void settle_in(const child_job *job, const child_fork_hooks *hooks) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self.parent) _exit(1);
    signals_reset_in_child();
    signal(SIGINT, SIG_IGN); /* Ctrl-C goes to the whole terminal: the parent decides about us */
    if (hooks->after_fork_child) hooks->after_fork_child(hooks->ctx);
    close_non_files();
    if (!job->urgent) lower_priority();
    char title[TITLE_MAX];
    snprintf(title, sizeof(title), "stave-%s", job->name);
    (void)prctl(PR_SET_NAME, title);
}

/* ---- reporting
 * ---------------------------------------------------------------------------------*/

/* Bytes of pages that are ours alone because one side wrote to them since the fork; 0 if the kernel
 * does not say. */
static uint64_t cow_bytes(void) {
    char text[SMAPS_MAX];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd); /* read only */
    if (n <= 0) return 0;
    text[n] = 0;
    const char *at = strstr(text, "Private_Dirty:");
    return at ? strtoull(at + strlen("Private_Dirty:"), NULL, 10) * 1024 : 0;
}

/* Sends a frame, or dies: without a parent nobody wants the work. */
static void send_frame(const child_frame *f) {
    if (getppid() != self.parent || !child_frame_write(self.fd, f)) _exit(1);
}

/* The copy-on-write bytes if it is time to measure them again, else 0. */
static uint64_t cow_if_due(uint64_t now) {
    if (now < self.next_cow_us) return 0;
    uint64_t bytes = cow_bytes(), took = clock_mono_us() - now;
    self.next_cow_us = now + (took * COW_SHARE > COW_US ? took * COW_SHARE : COW_US);
    return bytes;
}

/* A reading of the clock, and a frame if the last is long enough ago. */
void child_progress(uint64_t done, uint64_t total) {
    if (!self.active) return;
    uint64_t now = clock_mono_us();
    if (now < self.next_progress_us) return;
    self.next_progress_us = now + PROGRESS_US;
    send_frame(&(child_frame){CHILD_PROGRESS, done, total, cow_if_due(now), SLICE_EMPTY});
}

/* Adds the time that these bytes may take to when all so far should have ended, and sleeps until
 * then. Time that was not used is forgotten but for a short burst. */
void child_throttle(uint64_t bytes, uint64_t bytes_per_second) {
    if (!self.active || !bytes_per_second) return;
    double now = (double)clock_mono_us();
    if (self.io_due_us < now - BURST_US) self.io_due_us = now - BURST_US;
    self.io_due_us += (double)bytes * 1e6 / (double)bytes_per_second;
    double us = self.io_due_us - now;
    if (us <= 0) return;
    struct timespec rest = {(time_t)(us / 1e6), 0};
    rest.tv_nsec = (long)((us - (double)rest.tv_sec * 1e6) * 1e3);
    while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
        continue;
}

/* Runs the job and sends what it returned; a result too large is a failure that says so. */
void child_side_run(child_job *job, const child_fork_hooks *hooks, pid_t parent, int fd) {
    self.active = true;
    self.fd = fd;
    self.parent = parent;
    settle_in(job, hooks);
    buf out = {0};
    status s = job->run(job, vfs_posix(), &out);
    if (out.len > CHILD_RESULT_MAX) {
        s = status_make(ST_LIMIT, "%s: a result of %zu bytes is larger than %u", job->name, out.len,
                        CHILD_RESULT_MAX);
        buf_clear(&out);
    }
    buf body = {0};
    slice msg = slice_cstr(status_ok(s) ? "" : s.msg);
    if (msg.len >= STATUS_MSG_MAX) msg.len = STATUS_MSG_MAX - 1;
    buf_append_slice(&body, msg);
    buf_append_slice(&body, buf_slice(&out));
    send_frame(
        &(child_frame){CHILD_RESULT, (uint64_t)s.code, msg.len, cow_bytes(), buf_slice(&body)});
    _exit(0);
}
