/* aio over worker threads: one a lane, so a lane's jobs run in order and lanes side by side; and a
 * pool of readers, each of which reads for one at a time.
 *
 *   submit, sync -> lane's queue -+
 *                                 +-> worker: run -> completed queue (eventfd) -> poll: done
 *   read -> asked, kick -> pool --+
 *
 * Invariants, all under the one mutex but 4:
 *   1. The eventfd is readable exactly when the completed queue is not empty.
 *   2. `pending` counts the jobs whose `done` was not called yet. It falls before `done` is called,
 *      so that a `done` may submit, and even drain.
 *   3. A job's result message, once it is completed, lives in the job: the worker's ring of
 *      messages belongs to the worker.
 *   4. `asked` is the owner's alone; a read is pending once it was kicked.
 *
 * Forking is safe: a child has no workers and must not call this at all (checked), so it does not
 * matter in which state the fork found the mutex. Workers block every signal but those of their own
 * crashes, so that handlers run on the reactor's thread.
 *
 * A thread that cannot be started (the system's limit) must not stop the log: its job runs inside
 * submit or kick, and the next one tries again. A pool with some threads does with those. */
#include "base/log.h"
#include "base/mem.h"
#include "io/aio.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Threads that wait for a disk cost little but their stacks, and a disk does nothing for the reads
 * that it was not told of. */
#define READERS 32

#define LANES (AIO_LANES + 1) /* and the pool */

typedef struct queue {
    aio_job *head, *tail;
    size_t count;
} queue;

typedef struct aio_threads aio_threads;

typedef struct lane {
    aio_threads *owner;
    pthread_t threads[READERS];
    int started, most;   /* threads */
    size_t busy;         /* of them, those with a job */
    pthread_cond_t wake; /* there is a job, or it is time to stop */
    queue jobs;
} lane;

struct aio_threads {
    aio base;
    pid_t pid; /* who may call */
    int efd;
    pthread_mutex_t mutex;
    pthread_cond_t completed_one;
    lane lanes[LANES];
    queue asked; /* reads that were not kicked */
    queue completed;
    size_t pending;
    bool stop;
};

static const char *const lane_names[LANES] = {"stave-log", "stave-files", "stave-reads"};

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
            l->busy++;
            unlock(t);
            aio_run_job(job);
            lock(t);
            l->busy--;
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

/* Starts one more thread of a lane, with all signals blocked but its own crashes. False if the
 * system has none to give. */
static bool start_worker(lane *l, const char *name) {
    sigset_t block, old;
    sigfillset(&block);
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
        sigdelset(&block, crashes[i]);
    pthread_t *thread = &l->threads[l->started];
    CHECK(l->started < l->most);
    CHECK(pthread_sigmask(SIG_SETMASK, &block, &old) == 0);
    bool ok = pthread_create(thread, NULL, worker, l) == 0;
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    if (!ok) return false;
    l->started++;
    (void)pthread_setname_np(*thread, name); /* for people only */
    return true;
}

/* Queues these jobs for a lane's workers, whom it starts as they are needed and can be had. False
 * if there is none at all: nothing was queued. */
static bool enqueue(aio_threads *t, int which, queue *jobs) {
    lane *l = &t->lanes[which];
    lock(t);
    size_t wanted = l->busy + l->jobs.count + jobs->count;
    while (l->started < l->most && (size_t)l->started < wanted)
        if (!start_worker(l, lane_names[which])) break;
    bool any = l->started > 0;
    for (aio_job *job; any && (job = pop(jobs)) != NULL;) {
        t->pending++;
        push(&l->jobs, job);
        CHECK(pthread_cond_signal(&l->wake) == 0);
    }
    unlock(t);
    return any;
}

/* Queues them, or runs them here. */
static void start_jobs(aio_threads *t, int which, queue *jobs) {
    CHECK(!t->stop);
    if (enqueue(t, which, jobs)) return;
    for (aio_job *job; (job = pop(jobs)) != NULL;) {
        aio_run_job(job);
        lock(t);
        t->pending++;
        complete(t, job);
        unlock(t);
    }
}

/* ---- the interface
 * -----------------------------------------------------------------------------*/

static void threads_submit(aio *a, aio_job *job) {
    aio_threads *t = threads_of(a);
    CHECK(job->run && job->done && (unsigned)job->lane < LANES);
    queue one = {0};
    push(&one, job);
    start_jobs(t, (int)job->lane, &one);
}

static void threads_read(aio *a, aio_read *r) {
    aio_threads *t = threads_of(a);
    aio_read_as_job(a, r);
    push(&t->asked, &r->job);
}

static void threads_kick(aio *a) {
    aio_threads *t = threads_of(a);
    if (!t->asked.count) return;
    queue asked = t->asked;
    t->asked = (queue){0};
    a->stats.kicks++;
    start_jobs(t, AIO_POOL, &asked);
}

static void threads_sync(aio *a, aio_sync *s) {
    aio_sync_as_job(a, s);
    aio_submit(a, AIO_LOG, &s->job);
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
    threads_kick(a);
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
        threads_kick(a);
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
    for (int i = 0; i < LANES; i++)
        CHECK(pthread_cond_broadcast(&t->lanes[i].wake) == 0);
    unlock(t);
    for (int i = 0; i < LANES; i++) {
        lane *l = &t->lanes[i];
        for (int k = 0; k < l->started; k++)
            CHECK(pthread_join(l->threads[k], NULL) == 0);
        (void)pthread_cond_destroy(&l->wake);
    }
    (void)pthread_cond_destroy(&t->completed_one);
    (void)pthread_mutex_destroy(&t->mutex);
    (void)close(t->efd); /* an eventfd: nothing to lose */
    mem_free(t);
}

/* The eventfd of invariant 1. */
static int threads_fd(const aio *a) {
    return ((const aio_threads *)a)->efd;
}

static const aio_ops threads_ops = {
    .submit = threads_submit,
    .read = threads_read,
    .kick = threads_kick,
    .sync = threads_sync,
    .poll = threads_poll,
    .drain = threads_drain,
    .fd = threads_fd,
    .close = threads_close,
};

/* Only what is cheap: threads come with the first job of their lane. */
status aio_threads_new(aio **out) {
    *out = NULL;
    int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (efd < 0) return status_errno(errno, "eventfd");
    aio_threads *t = mem_zalloc(sizeof(*t));
    t->base.ops = &threads_ops;
    t->base.method = "threads";
    t->pid = getpid();
    t->efd = efd;
    CHECK(pthread_mutex_init(&t->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&t->completed_one, NULL) == 0);
    for (int i = 0; i < LANES; i++) {
        t->lanes[i].owner = t;
        t->lanes[i].most = i == AIO_POOL ? READERS : 1;
        CHECK(pthread_cond_init(&t->lanes[i].wake, NULL) == 0);
    }
    *out = &t->base;
    return STATUS_OK;
}
