/* child: a forked process that does one job over files and says how it went.
 *
 * The job is a plain function over a vfs and memory as it was at the fork; its result comes back as
 * bytes on a pipe. In the child: it dies with the parent, every descriptor above 2 that is no file
 * is closed (sockets, pipes, epoll), no signal handler of the parent's runs, CPU and I/O priority
 * are lowered unless it is urgent, nothing is logged, no reactor and no aio. An interface, so that
 * a simulation can run a child in process and kill it anywhere. */
#ifndef STAVE_IO_CHILD_H
#define STAVE_IO_CHILD_H

#include "base/buf.h"
#include "io/vfs.h"

typedef struct child_job {
    const char *name; /* "merge", "hint": for logs, INFO and the process title */
    /* In the child. Appends its result to out, at most 64 MiB. May call child_progress. */
    status (*run)(struct child_job *job, vfs *v, buf *out);
    /* In the parent, once, on the reactor's thread. result: what run returned (ST_FAILED with a
     * clear message if the child was killed or crashed); out: the bytes it gave, the job's to read
     * during the call. */
    void (*done)(struct child_job *job, status result, slice out);
    /* In the parent, when the child reported progress; may be NULL. */
    void (*progress)(struct child_job *job, uint64_t done, uint64_t total);
    void *ctx;
    bool urgent; /* somebody waits for it: it keeps the parent's priority */
    /* Filled by the host. */
    int pid;
    uint64_t fork_us;         /* how long fork() held the parent */
    uint64_t started_us;      /* monotonic */
    uint64_t child_cow_bytes; /* private dirty bytes, as last reported by the child */
} child_job;

typedef struct child_host child_host;
typedef struct child_ops {
    /* Forks and starts job->run. The job must live until done. */
    status (*start)(child_host *h, child_job *job);
    /* Ends the child as soon as possible; done is called with ST_FAILED, later or at once. */
    void (*kill)(child_host *h, child_job *job);
    /* Calls progress and done for what has happened; returns how many children ended. */
    int (*poll)(child_host *h);
    void (*close)(child_host *h); /* kills and reaps all; done is called for each */
} child_ops;
struct child_host {
    const child_ops *ops;
};

/* In the child, from run: tells the parent how far it is, and dies if the parent is gone. Cheap
 * enough for every few hundred records. Nothing happens outside of a child. */
void child_progress(uint64_t done, uint64_t total);
/* In the child: sleeps so that `bytes` more of I/O keep within bytes_per_second (0: no limit). */
void child_throttle(uint64_t bytes, uint64_t bytes_per_second);

/* The host that forks. child_fork_fd() is an epoll descriptor that is readable when poll has work.
 * before_fork is called in the parent before each fork, after_fork_child in the child right after
 * (to close listening sockets, clients, the reactor); both may be NULL. */
typedef struct child_fork_hooks {
    void (*before_fork)(void *ctx);
    void (*after_fork_child)(void *ctx);
    void *ctx;
} child_fork_hooks;
status child_fork_new(const child_fork_hooks *hooks, child_host **out);
int child_fork_fd(const child_host *h);
int child_fork_alive(const child_host *h); /* children */

/* What children have cost so far. Bytes of copy-on-write are pages that parent and child shared
 * after the fork and that one of them has written to: memory that the machine needs twice. */
typedef struct child_fork_stats {
    int alive;               /* children */
    uint64_t count;          /* forks that succeeded */
    uint64_t last_us;        /* how long the last one held the parent */
    uint64_t last_inherited; /* bytes that its child got (mem_inherited) */
    uint64_t us_per_gb; /* of the last one whose child got 64 MiB at least: of less, what a fork
                           costs in any case would be all that is seen; 0: there was none */
    uint64_t cow;       /* of children alive, as they last said */
    uint64_t cow_peak;  /* the most of that since none was alive */
    uint64_t cow_us;    /* when a child said so last (monotonic); 0: none alive has */
    uint64_t last_cow;  /* of the last child that ended and said it */
} child_fork_stats;
void child_fork_stats_of(const child_host *h, child_fork_stats *out);

#endif
