/* Children by fork: the parent's side.
 *
 *   start: pipe, fork ──> child_side_run: progress* result, exit
 *   poll:  read what the pipes have; at a pipe's end, waitpid, then the job's `done`
 *
 * The end of the pipe says that the child has ended or is about to (the kernel closes descriptors
 * after it has given back the memory), so no SIGCHLD is needed. What it has yet to do is next to
 * nothing; but it has a low priority, and may wait for a processor (55 ms were seen): it is not
 * waited for, but watched, by its pidfd, in the pipe's place. A result counts only if its frame was
 * whole and the child then exited by itself with 0: everything else is ST_FAILED, which costs a
 * retry and never data.
 *
 * The job is out of the list before `done` is called, so `done` may start the next one. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/slow.h"
#include "io/child.h"
#include "io/child_pipe.h"
#include "io/child_side.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_CHUNK 65536
#define READ_MOST  (1u << 20) /* from one child in one poll, so that a large result takes turns */
#define EVENTS_MAX 16
#define RATE_BYTES (64u << 20) /* a fork of less says nothing of a gigabyte */

typedef struct child {
    struct child *next;
    child_job *job;
    int fd;           /* its pipe; once that has ended and the child has not, its pidfd */
    bool ended;       /* the pipe has */
    buf in;           /* frames not used yet; in the end, the result's */
    bool have_result; /* it is at the start of `in`, whole */
    bool damaged;     /* what came is no frame: nothing of it is believed */
    bool killed;      /* by us */
} child;

typedef struct fork_host {
    child_host base;
    child_fork_hooks hooks;
    int epfd;
    child *children;
    bool closing;
    child_fork_stats stats;
} fork_host;

/* The implementation behind h. */
static fork_host *host_of(child_host *h) {
    return (fork_host *)h;
}

/* ---- starting
 * ----------------------------------------------------------------------------------*/

/* A pipe whose reading end does not block and is watched; both are close-on-exec. */
static status open_pipe(fork_host *h, int fds[2]) {
    if (pipe2(fds, O_CLOEXEC) < 0) return status_errno(errno, "pipe for a child");
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fds[0]};
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 &&
        epoll_ctl(h->epfd, EPOLL_CTL_ADD, fds[0], &e) == 0)
        return STATUS_OK;
    status s = status_errno(errno, "watching a child's pipe");
    (void)close(fds[0]); /* nothing was written */
    (void)close(fds[1]);
    return s;
}

/* Counts a fork that took so long. */
static void note_fork(child_fork_stats *s, uint64_t us) {
    s->count++;
    s->alive++;
    s->last_us = us;
    s->last_inherited = mem_inherited();
    if (s->last_inherited >= RATE_BYTES)
        s->us_per_gb = (uint64_t)((double)us * (1 << 30) / (double)s->last_inherited);
    slow_took("fork", us);
}

/* Opens the pipe, forks, and keeps the child. The fork itself is timed, and nothing else: it is
 * what holds the clients up. */
static status fork_start(child_host *base, child_job *job) {
    fork_host *h = host_of(base);
    CHECK(job->run && job->done && job->name);
    if (h->closing) return status_make(ST_FAILED, "no %s child is started any more", job->name);
    int fds[2];
    TRY(open_pipe(h, fds));
    if (h->hooks.before_fork) h->hooks.before_fork(h->hooks.ctx);
    pid_t parent = getpid();
    uint64_t before = clock_mono_us();
    pid_t pid = fork();
    if (pid == 0) child_side_run(job, &h->hooks, parent, fds[1]);
    int err = errno;
    uint64_t after = clock_mono_us();
    (void)close(fds[1]); /* the child's; nothing was written here */
    if (pid < 0) {
        (void)close(fds[0]); /* epoll forgets it */
        return status_errno(err, "fork for %s", job->name);
    }
    job->pid = pid;
    job->fork_us = after - before;
    job->started_us = after;
    job->child_cow_bytes = 0;
    note_fork(&h->stats, job->fork_us);
    child *c = mem_zalloc(sizeof(*c));
    c->job = job;
    c->fd = fds[0];
    c->next = h->children;
    h->children = c;
    return STATUS_OK;
}

/* The link to the child of that job, or with that pipe (-1: no matter); NULL if there is none. */
static child **find(fork_host *h, const child_job *job, int fd) {
    for (child **link = &h->children; *link; link = &(*link)->next)
        if ((job && (*link)->job == job) || (*link)->fd == fd) return link;
    return NULL;
}

/* SIGKILL; the pipe's end then tells poll. A job that is not running is left alone. */
static void fork_kill(child_host *base, child_job *job) {
    child **link = find(host_of(base), job, -1);
    if (!link) return;
    (*link)->killed = true;
    (void)kill((*link)->job->pid, SIGKILL); /* it is ours and not reaped: there to be killed */
}

/* ---- receiving
 * ---------------------------------------------------------------------------------*/

/* What the child of that job has copied until now; with it, what all have. */
static void note_cow(fork_host *h, child_job *job, uint64_t bytes) {
    child_fork_stats *s = &h->stats;
    job->child_cow_bytes = bytes;
    s->cow = 0;
    for (const child *c = h->children; c; c = c->next)
        s->cow += c->job->child_cow_bytes;
    if (s->cow > s->cow_peak) s->cow_peak = s->cow;
    s->cow_us = clock_mono_us();
}

/* Uses every whole frame of progress; a result stays at the buffer's start until the pipe's end.
 * The job's progress may kill the child, which stays in the list. */
static void use_frames(fork_host *h, child *c) {
    size_t at = 0, used = 0;
    child_frame f;
    while (!c->have_result && !c->damaged) {
        int r = child_frame_parse(slice_skip(buf_slice(&c->in), at), &f, &used);
        if (r == 0) break;
        if (r < 0)
            c->damaged = true;
        else if (f.kind == CHILD_RESULT)
            c->have_result = true;
        else if (c->job->progress && !c->killed)
            c->job->progress(c->job, f.a, f.b);
        if (r > 0 && f.cow_bytes) note_cow(h, c->job, f.cow_bytes);
        if (r > 0 && !c->have_result) at += used;
    }
    buf_consume(&c->in, at);
}

/* Reads what is there; true at the end of the pipe. */
static bool receive(fork_host *h, child *c) {
    for (size_t taken = 0; taken < READ_MOST;) {
        char *p = buf_reserve(&c->in, READ_CHUNK);
        ssize_t r = read(c->fd, p, READ_CHUNK);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return errno != EAGAIN;
        if (r == 0) return true;
        taken += (size_t)r;
        if (c->have_result) c->damaged = true; /* nothing is said after a result */
        if (c->damaged) continue;              /* read and dropped, so that the child can end */
        c->in.len += (size_t)r;
        use_frames(h, c);
    }
    return false;
}

/* ---- ending
 * ------------------------------------------------------------------------------------*/

/* Has the child, whose pipe has ended, ended too? Its exit status is left to reap. */
static bool has_exited(const child *c) {
    siginfo_t info = {0};
    int r = waitid(P_PID, (id_t)c->job->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return r < 0 || info.si_pid != 0; /* an error is reap's affair */
}

/* Its end is an event of its own from now on. False: the system can't tell it. */
static bool watch_end(fork_host *h, child *c) {
#ifdef SYS_pidfd_open
    int fd = (int)syscall(SYS_pidfd_open, c->job->pid, 0);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= 0 && epoll_ctl(h->epfd, EPOLL_CTL_ADD, fd, &e) == 0) {
        (void)epoll_ctl(h->epfd, EPOLL_CTL_DEL, c->fd, NULL);
        (void)close(c->fd); /* read only */
        c->fd = fd;
        c->ended = true;
        return true;
    }
    if (fd >= 0) (void)close(fd); /* nothing was done with it */
#else
    (void)h, (void)c;
#endif
    return false;
}

/* The exit status of a child whose pipe has ended; -1 if somebody else reaped it. */
static int reap(pid_t pid) {
    int how = 0;
    pid_t r;
    do
        r = waitpid(pid, &how, 0);
    while (r < 0 && errno == EINTR);
    return r == pid ? how : -1;
}

/* What became of the job. Its message and *out are slices of c->in where they come from the child.
 */
static status outcome(const child *c, int how, char *msg, slice *out) {
    const char *name = c->job->name;
    int pid = c->job->pid;
    child_frame f;
    size_t used = 0;
    *out = SLICE_EMPTY;
    if (c->killed) return status_make(ST_FAILED, "%s child %d was told to end", name, pid);
    if (WIFSIGNALED(how) && how != -1) {
        const char *abbreviation = sigabbrev_np(WTERMSIG(how));
        return status_make(ST_FAILED, "%s child %d was ended by signal %d (SIG%s)", name, pid,
                           WTERMSIG(how), abbreviation ? abbreviation : "?");
    }
    if (!c->have_result && !c->damaged)
        return status_make(ST_FAILED, "%s child %d ended without a result", name, pid);
    if (how != 0 || c->damaged || child_frame_parse(buf_slice(&c->in), &f, &used) != 1 ||
        used != c->in.len || f.a > ST_FAILED || f.b >= STATUS_MSG_MAX)
        return status_make(ST_FAILED, "%s child %d gave a damaged result", name, pid);
    *out = slice_skip(f.body, (size_t)f.b);
    if (f.a == ST_OK) return STATUS_OK;
    memcpy(msg, f.body.data, (size_t)f.b);
    msg[f.b] = 0;
    return (status){(status_code)f.a, msg};
}

/* What a child has cost, once it is out of the list: in the log, and in the totals. */
static void note_end(fork_host *h, const child_job *job) {
    child_fork_stats *s = &h->stats;
    s->alive--;
    if (job->child_cow_bytes) s->last_cow = job->child_cow_bytes;
    s->cow = h->children ? s->cow - job->child_cow_bytes : 0;
    if (!h->children) s->cow_peak = s->cow_us = 0;
    log_notice(
        "The %s child %d ran for %.1f s; its fork took %.1f ms, %.1f MB were copied on write",
        job->name, job->pid, (double)(clock_mono_us() - job->started_us) / 1e6,
        (double)job->fork_us / 1e3, (double)job->child_cow_bytes / (1 << 20));
}

/* Takes the child out of the list, waits for its end and tells the job. */
static void finish(fork_host *h, child **link) {
    child *c = *link;
    *link = c->next;
    note_end(h, c->job);
    (void)epoll_ctl(h->epfd, EPOLL_CTL_DEL, c->fd, NULL);
    (void)close(c->fd); /* read only */
    char msg[STATUS_MSG_MAX];
    slice out;
    status s = outcome(c, reap(c->job->pid), msg, &out);
    c->job->done(c->job, s, out);
    buf_free(&c->in);
    mem_free(c);
}

/* Reads each pipe that has something, and ends the children whose pipe has ended. */
static int fork_poll(child_host *base) {
    fork_host *h = host_of(base);
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(h->epfd, events, EVENTS_MAX, 0), ended = 0;
    for (int i = 0; i < n; i++) {
        child **link = find(h, NULL, events[i].data.fd);
        if (!link || !((*link)->ended || receive(h, *link))) continue;
        link = find(h, NULL, events[i].data.fd); /* progress may have started another */
        CHECK(link);
        if (!has_exited(*link) && ((*link)->ended || watch_end(h, *link))) continue;
        finish(h, link);
        ended++;
    }
    return ended;
}

/* Kills all, then waits for each and tells its job. */
static void fork_close(child_host *base) {
    fork_host *h = host_of(base);
    h->closing = true;
    for (child *c = h->children; c; c = c->next)
        fork_kill(base, c->job);
    while (h->children)
        finish(h, &h->children);
    (void)close(h->epfd); /* nothing to lose in it */
    mem_free(h);
}

static const child_ops fork_ops = {
    .start = fork_start,
    .kill = fork_kill,
    .poll = fork_poll,
    .close = fork_close,
};

/* hooks are copied; NULL is none. */
status child_fork_new(const child_fork_hooks *hooks, child_host **out) {
    *out = NULL;
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    if (epfd < 0) return status_errno(errno, "epoll_create1");
    fork_host *h = mem_zalloc(sizeof(*h));
    h->base.ops = &fork_ops;
    if (hooks) h->hooks = *hooks;
    h->epfd = epfd;
    *out = &h->base;
    return STATUS_OK;
}

/* The epoll in which all pipes are. */
int child_fork_fd(const child_host *h) {
    return ((const fork_host *)h)->epfd;
}

/* Started, and `done` not called yet. */
int child_fork_alive(const child_host *h) {
    return ((const fork_host *)h)->stats.alive;
}

/* As of now; what children said last is up to a second old. */
void child_fork_stats_of(const child_host *h, child_fork_stats *out) {
    *out = ((const fork_host *)h)->stats;
}
