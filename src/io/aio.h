/* aio: work on files beside the reactor's thread.
 *
 * A job's `run` is called on a worker; it may touch files and plain buffers that the job owns,
 * never the data structures. Then `done` is called on the reactor's thread. Jobs of one `lane` run
 * one after another in order of submission; lanes run side by side. An aio is an interface, so that
 * a simulation can decide when a job runs and when its completion is seen. */
#ifndef STAVE_IO_AIO_H
#define STAVE_IO_AIO_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum aio_lane {
    AIO_LOG,       /* fsync, write-behind of the log */
    AIO_HOUSEKEEP, /* creating and unlinking files, manifest edits */
    AIO_LANES,
} aio_lane;

typedef struct aio_job {
    void (*run)(struct aio_job *job);  /* on a worker */
    void (*done)(struct aio_job *job); /* on the reactor's thread; may free the job */
    status result;                     /* for run to fill (copy the message: see result_msg) */
    char result_msg[STATUS_MSG_MAX];   /* status_make's ring is per thread: aio copies it here */
    struct aio_job *next;              /* aio's own */
    aio_lane lane;
} aio_job;

/* The struct of `type` whose member `member` is the job at p: how run and done find what they work
 * on. REQUIRES: p is such a member. */
#define AIO_OWNER(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

typedef struct aio aio;
typedef struct aio_ops {
    void (*submit)(aio *a, aio_job *job);
    /* Calls done of what has completed; returns how many. */
    int (*poll)(aio *a);
    /* Blocks until every submitted job has completed and its done was called. */
    void (*drain)(aio *a);
    void (*close)(aio *a); /* drains, then frees a */
} aio_ops;
struct aio {
    const aio_ops *ops;
};

static inline void aio_submit(aio *a, aio_lane lane, aio_job *job) {
    job->lane = lane;
    job->next = 0;
    a->ops->submit(a, job);
}

/* One thread a lane, all signals blocked. Completion makes aio_threads_fd() readable (an eventfd):
 * the owner then calls poll. The threads are started at the first submit. */
status aio_threads_new(aio **out);
int aio_threads_fd(const aio *a);

#endif
