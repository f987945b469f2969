/* aio: work on files beside the reactor's thread.
 *
 * Three kinds of it. A *job* calls a function on a worker; it may touch files and plain buffers
 * that the job owns, never the data structures. Jobs of one `lane` run one after another in order
 * of submission; lanes run side by side. A *read* fills a buffer from a file; reads are many at
 * once, and end in no order. A *sync* makes files durable. Whatever it is, its `done` is called on
 * the reactor's thread, from poll or drain (and drain is also called in the middle of a batch);
 * there it may be freed, or asked for again. An aio is an interface, so that a simulation can
 * decide when something happens and when its completion is seen.
 *
 *     aio_threads   workers: one a lane, and a pool of them for reads
 *     aio_uring     the kernel's io_uring for reads and syncs, workers for jobs
 *
 * One thread calls these, in the process that made the aio: never a forked child. What was under
 * way at a fork goes on in the parent. */
#ifndef STAVE_IO_AIO_H
#define STAVE_IO_AIO_H

#include "base/status.h"
#include "io/vfs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum aio_lane {
    AIO_LOG,       /* fsync, write-behind of the log */
    AIO_HOUSEKEEP, /* creating and unlinking files, manifest edits */
    AIO_LANES,
    AIO_POOL =
        AIO_LANES, /* no lane: jobs side by side and in no order, as many as there are readers */
} aio_lane;

typedef struct aio_job {
    void (*run)(struct aio_job *job);  /* on a worker */
    void (*done)(struct aio_job *job); /* on the reactor's thread */
    status result;                     /* for run to fill (copy the message: see result_msg) */
    char result_msg[STATUS_MSG_MAX];   /* status_make's ring is per thread: aio copies it here */
    struct aio_job *next;              /* aio's own */
    aio_lane lane;
} aio_job;

/* The struct of `type` whose member `member` is the job at p: how run and done find what they work
 * on. REQUIRES: p is such a member. */
#define AIO_OWNER(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

typedef struct aio aio;

/* As vfs_pread. The file stays open and p the aio's until `done`. */
typedef struct aio_read {
    void (*done)(struct aio_read *r);
    vfs_file *file;
    void *p; /* memory that a fork does not copy (mem_dontfork), if children are made meanwhile */
    size_t n;
    uint64_t offset;
    unsigned unit; /* 0, or what aio_direct said: then the bytes may come past the page cache, and
                      p, n and offset are multiples of it */
    size_t got;    /* < n only at the end of the file */
    status result;
    aio *by;     /* aio's own */
    aio_job job; /* aio's own; the message lives here */
} aio_read;

/* fdatasync of each, in order; the first failure ends it. The array and the files stay until
 * `done`. */
typedef struct aio_sync {
    void (*done)(struct aio_sync *s);
    vfs_file **files;
    int n;
    status result;
    int at;      /* aio's own: how many are synced */
    aio *by;     /* aio's own */
    aio_job job; /* aio's own; the message lives here */
} aio_sync;

typedef struct aio_stats {
    uint64_t reads, read_bytes, read_failures; /* completed */
    uint64_t reading, reading_most;            /* asked for and not completed, now and at most */
    uint64_t kicks;                            /* that began something */
    uint64_t syncs, syncing;                   /* completed; under way */
} aio_stats;

typedef struct aio_ops {
    void (*submit)(aio *a, aio_job *job);
    /* Asks for a read: it begins at the next kick, poll or drain, so that what a turn wants goes
     * down together. */
    void (*read)(aio *a, aio_read *r);
    /* What the unit of a read of that file that goes past the page cache is, a power of two; 0:
     * there is none, or it would cost more. NULL: there never is. */
    unsigned (*direct)(aio *a, vfs_file *f);
    /* What was asked for since begins now. Costs nothing if that is nothing. */
    void (*kick)(aio *a);
    /* Begins at once. */
    void (*sync)(aio *a, aio_sync *s);
    /* Calls done of what has completed; returns how many. */
    int (*poll)(aio *a);
    /* Blocks until all that was submitted and asked for has completed and its done was called. */
    void (*drain)(aio *a);
    /* A descriptor that is readable when there is something to poll; -1: there is none. */
    int (*fd)(const aio *a);
    void (*close)(aio *a); /* drains, then frees a */
} aio_ops;
struct aio {
    const aio_ops *ops;
    const char *method; /* for INFO and the log: "threads", .. */
    aio_stats stats;
};

static inline void aio_submit(aio *a, aio_lane lane, aio_job *job) {
    job->lane = lane;
    job->next = 0;
    a->ops->submit(a, job);
}
static inline void aio_kick(aio *a) {
    a->ops->kick(a);
}
static inline unsigned aio_direct(aio *a, vfs_file *f) {
    return a->ops->direct ? a->ops->direct(a, f) : 0;
}
static inline int aio_fd(const aio *a) {
    return a->ops->fd(a);
}
/* Waits until something has completed, but no longer than that, and polls; how many. 0 at once for
 * one without a descriptor. */
int aio_await(aio *a, uint32_t us);

/* Worker threads, all signals blocked, started when there is something for them to do. */
status aio_threads_new(aio **out);
/* Not ok, and why: the kernel, a container's filter or the build does not allow it. */
status aio_uring_new(aio **out);

typedef enum aio_method { AIO_AUTO, AIO_URING, AIO_THREADS } aio_method;
/* AIO_AUTO: io_uring if it can be had, else threads. Says in the log what it is, and why. */
status aio_new(aio_method method, aio **out);

/* ---- for implementations (aio.c) ----------------------------------------------------------------
 */

/* Runs a job here and now, and makes its message its own. */
void aio_run_job(aio_job *job);
/* Has it end with that failure, its message kept. */
void aio_fail_job(aio_job *job, status s);
/* r and s as jobs: run does what they ask for, done is told of it by theirs, and the statistics
 * know. */
void aio_read_as_job(aio *a, aio_read *r);
void aio_sync_as_job(aio *a, aio_sync *s);
/* The read or the sync has completed, as job.result says: counts it and calls done. */
void aio_read_ended(aio *a, aio_read *r);
void aio_sync_ended(aio *a, aio_sync *s);

#endif
