/* aio over worker threads: one a lane, so a lane's jobs run in order and lanes side by side.
 *
 *   submit -> lane's queue -> worker: run -> completed queue (eventfd) -> poll: done
 *
 * Invariants, all under the one mutex:
 *   1. The eventfd is readable exactly when the completed queue is not empty.
 *   2. `pending` counts the jobs whose `done` was not called yet. It falls before `done` is called,
 *      so that a `done` may submit, and even drain.
 *   3. A job's result message, once it is completed, lives in the job: the worker's ring of
 *      messages belongs to the worker.
 *
 * Forking is safe: a child has no workers and must not call this at all (checked), so it does not
 * matter in which state the fork found the mutex. Workers block every signal but those of their own
 * crashes, so that handlers run on the reactor's thread.
 *
 * A thread that cannot be started (the system's limit) must not stop the log: its job runs inside
 * submit, and the next submit tries again. */
#include "base/log.h"
#include "base/mem.h"
#include "io/aio.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct queue {
    aio_job *head, *tail;
    size_t count;
} queue;

typedef struct aio_threads aio_threads;

typedef struct lane {
    aio_threads *owner;
    pthread_t thread;
    pthread_cond_t wake; /* there is a job, or it is time to stop */
    bool started;
    queue jobs;
} lane;

struct aio_threads {
    aio base;
    pid_t pid; /* who may call */
    int efd;
    pthread_mutex_t mutex;
    pthread_cond_t completed_one;
    lane lanes[AIO_LANES];
    queue completed;
    size_t pending;
    bool stop;
};

static const char *const lane_names[AIO_LANES] = {"stave-log", "stave-files"};

/* The implementation behind a, in the process that made it. */
static aio_threads *threads_of(aio *a) {
    aio_threads *t = (aio_threads *)a;
    CHECK(t->pid == getpid());
    return t;
}

/* The mutex is used as it was made; a failure is a bug of ours. */
static void lock(aio_threads *t) {
    CHECK(pthread_mutex_lock(&t->mutex) == 0);
}

static void unlock(aio_threads *t) {
    CHECK(pthread_mutex_unlock(&t->mutex) == 0);
}

/* At the queue's end. */
static void push(queue *q, aio_job *job) {
    job->next = NULL;
    if (q->tail)
        q->tail->next = job;
    else
        q->head = job;
    q->tail = job;
    q->count++;
}

/* The oldest, or NULL. */
static aio_job *pop(queue *q) {
    aio_job *job = q->head;
    if (!job) return NULL;
    q->head = job->next;
    if (!q->head) q->tail = NULL;
    q->count--;
    return job;
}

/* ---- workers
 * -----------------------------------------------------------------------------------*/

/* Runs a job, and makes its message its own. */
static void run_job(aio_job *job) {
    job->result = STATUS_OK;
    job->run(job);
    if (status_ok(job->result)) return;
    const char *msg = job->result.msg;
    if (msg != job->result_msg) snprintf(job->result_msg, sizeof(job->result_msg), "%s", msg);
    job->result.msg = job->result_msg;
}

/* REQUIRES: the mutex. */
static void complete(aio_threads *t, aio_job *job) {
    push(&t->completed, job);
    if (t->completed.count == 1) {
        uint64_t one = 1;
        CHECK(write(t->efd, &one, sizeof(one)) == sizeof(one));
    }
    CHECK(pthread_cond_signal(&t->completed_one) == 0);
}

/* A lane's thread. It ends when told to and nothing is left to run. */
static void *worker(void *arg) {
    lane *l = arg;
    aio_threads *t = l->owner;
    lock(t);
    for (;;) {
        aio_job *job = pop(&l->jobs);
        if (job) {
            unlock(t);
            run_job(job);
            lock(t);
            complete(t, job);
        } else if (t->stop) {
            break;
        } else {
            CHECK(pthread_cond_wait(&l->wake, &t->mutex) == 0);
        }
    }
    unlock(t);
    return NULL;
}

/* Starts a lane's thread with all signals blocked but its own crashes. False if the system has no
 * thread to give. */
static bool start_worker(aio_threads *t, aio_lane which) {
    lane *l = &t->lanes[which];
    if (l->started) return true;
    sigset_t block, old;
    sigfillset(&block);
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
        sigdelset(&block, crashes[i]);
    CHECK(pthread_sigmask(SIG_SETMASK, &block, &old) == 0);
    l->started = pthread_create(&l->thread, NULL, worker, l) == 0;
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    if (l->started) (void)pthread_setname_np(l->thread, lane_names[which]); /* for people only */
    return l->started;
}

/* ---- the interface
 * -----------------------------------------------------------------------------*/

/* Queues the job for its lane's worker, whom it starts if need be. */
static void threads_submit(aio *a, aio_job *job) {
    aio_threads *t = threads_of(a);
    CHECK(job->run && job->done && (unsigned)job->lane < AIO_LANES && !t->stop);
    bool threaded = start_worker(t, job->lane);
    if (!threaded) run_job(job);
    lock(t);
    t->pending++;
    if (threaded) {
        lane *l = &t->lanes[job->lane];
        push(&l->jobs, job);
        CHECK(pthread_cond_signal(&l->wake) == 0);
    } else {
        complete(t, job);
    }
    unlock(t);
}

/* Takes one completed job, or NULL; the eventfd is emptied with the queue. */
static aio_job *take_completed(aio_threads *t) {
    lock(t);
    aio_job *job = pop(&t->completed);
    if (job) {
        CHECK(t->pending > 0);
        t->pending--;
        uint64_t n;
        if (!t->completed.count) CHECK(read(t->efd, &n, sizeof(n)) == sizeof(n));
    }
    unlock(t);
    return job;
}

/* What was completed when it began, and no more, as a `done` may submit again. */
static int threads_poll(aio *a) {
    aio_threads *t = threads_of(a);
    lock(t);
    size_t most = t->completed.count;
    unlock(t);
    int n = 0;
    while ((size_t)n < most) {
        aio_job *job = take_completed(t);
        if (!job) break; /* a `done` polled or drained */
        job->done(job);
        n++;
    }
    return n;
}

/* Waits and polls until nothing is pending, jobs that `done` submits included. */
static void threads_drain(aio *a) {
    aio_threads *t = threads_of(a);
    for (;;) {
        lock(t);
        while (t->pending && !t->completed.count)
            CHECK(pthread_cond_wait(&t->completed_one, &t->mutex) == 0);
        bool more = t->pending > 0;
        unlock(t);
        if (!more) return;
        threads_poll(a);
    }
}

/* Drains, lets the workers end, waits for them, and frees. */
static void threads_close(aio *a) {
    aio_threads *t = threads_of(a);
    threads_drain(a);
    lock(t);
    t->stop = true;
    for (int i = 0; i < AIO_LANES; i++)
        CHECK(pthread_cond_signal(&t->lanes[i].wake) == 0);
    unlock(t);
    for (int i = 0; i < AIO_LANES; i++) {
        if (t->lanes[i].started) CHECK(pthread_join(t->lanes[i].thread, NULL) == 0);
        (void)pthread_cond_destroy(&t->lanes[i].wake);
    }
    (void)pthread_cond_destroy(&t->completed_one);
    (void)pthread_mutex_destroy(&t->mutex);
    (void)close(t->efd); /* an eventfd: nothing to lose */
    mem_free(t);
}

static const aio_ops threads_ops = {
    .submit = threads_submit,
    .poll = threads_poll,
    .drain = threads_drain,
    .close = threads_close,
};

/* Only what is cheap: threads come with the first job of their lane. */
status aio_threads_new(aio **out) {
    *out = NULL;
    int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (efd < 0) return status_errno(errno, "eventfd");
    aio_threads *t = mem_zalloc(sizeof(*t));
    t->base.ops = &threads_ops;
    t->pid = getpid();
    t->efd = efd;
    CHECK(pthread_mutex_init(&t->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&t->completed_one, NULL) == 0);
    for (int i = 0; i < AIO_LANES; i++) {
        t->lanes[i].owner = t;
        CHECK(pthread_cond_init(&t->lanes[i].wake, NULL) == 0);
    }
    *out = &t->base;
    return STATUS_OK;
}

/* The eventfd of invariant 1. */
int aio_threads_fd(const aio *a) {
    return ((const aio_threads *)a)->efd;
}
