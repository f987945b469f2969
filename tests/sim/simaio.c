/* simaio: two queues a job goes through, and chance between them.
 *
 *   submit, sync ──> waiting (a queue for each lane) ─┬─step──> ran (one queue) ──poll──> done
 *   read ──> asked ──kick──> reads (in no order) ─────┘
 *   submit to the pool ────────┘
 *
 * drain carries everything through, also what `done` submits meanwhile. */
#include "sim/simaio.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"

typedef struct queue {
    aio_job *first, *last;
    size_t n;
} queue;

struct simaio {
    aio base;
    rng chance;
    queue waiting[AIO_LANES];
    queue asked, reads;
    queue ran;
    bool running;
    unsigned unit; /* of reads past the page cache; 0: there are none */
};

static simaio *aio_of(aio *a) {
    return (simaio *)a;
}

static void push(queue *q, aio_job *job) {
    job->next = NULL;
    if (q->last)
        q->last->next = job;
    else
        q->first = job;
    q->last = job;
    q->n++;
}

static aio_job *pop(queue *q) {
    aio_job *job = q->first;
    q->first = job->next;
    if (!q->first) q->last = NULL;
    q->n--;
    return job;
}

/* All of one to the end of another. */
static void move(queue *from, queue *to) {
    while (from->n)
        push(to, pop(from));
}

static void op_submit(aio *base, aio_job *job) {
    simaio *a = aio_of(base);
    CHECK(job->lane <= AIO_POOL && !a->running); /* a worker submits nothing */
    push(job->lane == AIO_POOL ? &a->reads : &a->waiting[job->lane], job);
}

static void op_read(aio *base, aio_read *r) {
    simaio *a = aio_of(base);
    CHECK(!a->running);
    CHECK(!r->unit || (r->unit == a->unit && r->offset % r->unit == 0 && r->n % r->unit == 0 &&
                       (uintptr_t)r->p % r->unit == 0));
    aio_read_as_job(base, r);
    push(&a->asked, &r->job);
}

/* The disk is the same for both: what is tested is that whole units are asked for, and the right
 * bytes of them used. */
static unsigned op_direct(aio *base, vfs_file *f) {
    CHECK(f != NULL);
    return aio_of(base)->unit;
}

static void op_kick(aio *base) {
    simaio *a = aio_of(base);
    CHECK(!a->running);
    base->stats.kicks += a->asked.n > 0;
    move(&a->asked, &a->reads);
}

static void op_sync(aio *base, aio_sync *s) {
    aio_sync_as_job(base, s);
    aio_submit(base, AIO_LOG, &s->job);
}

/* To its end; its changes and reads of the disk happen here. */
static void run(simaio *a, aio_job *job) {
    a->running = true;
    aio_run_job(job);
    a->running = false;
    push(&a->ran, job);
}

/* One of the reads, whichever. */
static bool step_read(simaio *a) {
    if (!a->reads.n) return false;
    for (uint64_t skip = rng_below(&a->chance, a->reads.n); skip > 0; skip--)
        push(&a->reads, pop(&a->reads));
    run(a, pop(&a->reads));
    return true;
}

bool simaio_step(simaio *a) {
    unsigned lane = (unsigned)rng_below(&a->chance, AIO_LANES);
    if (a->running) return false;
    if (a->reads.n && rng_below(&a->chance, 2)) return step_read(a);
    if (!a->waiting[lane].n) lane = (lane + 1) % AIO_LANES;
    if (!a->waiting[lane].n) return step_read(a);
    run(a, pop(&a->waiting[lane]));
    return true;
}

static int op_poll(aio *base) {
    simaio *a = aio_of(base);
    op_kick(base);
    size_t n = rng_below(&a->chance, a->ran.n + 1);
    for (size_t i = 0; i < n; i++) {
        aio_job *job = pop(&a->ran);
        job->done(job);
    }
    return (int)n;
}

static void op_drain(aio *base) {
    simaio *a = aio_of(base);
    CHECK(!a->running);
    while (simaio_pending(a)) {
        op_kick(base);
        while (simaio_step(a)) {
        }
        aio_job *job = pop(&a->ran);
        job->done(job);
    }
}

static void op_close(aio *base) {
    op_drain(base);
    mem_free(aio_of(base));
}

/* Nothing to wait for: the simulator polls when the seed says. */
static int op_fd(const aio *base) {
    (void)base;
    return -1;
}

static const aio_ops ops = {
    .submit = op_submit,
    .read = op_read,
    .direct = op_direct,
    .kick = op_kick,
    .sync = op_sync,
    .poll = op_poll,
    .drain = op_drain,
    .fd = op_fd,
    .close = op_close,
};

simaio *simaio_new(uint64_t seed) {
    static const unsigned units[] = {0, 1, 512, 4096};
    simaio *a = mem_zalloc(sizeof *a);
    a->base.ops = &ops;
    a->base.method = "model";
    rng_seed(&a->chance, seed);
    a->unit = units[rng_below(&a->chance, 4)];
    return a;
}

void simaio_free(simaio *a) {
    op_close(&a->base);
}

aio *simaio_aio(simaio *a) {
    return &a->base;
}

size_t simaio_pending(const simaio *a) {
    size_t n = a->ran.n + a->asked.n + a->reads.n;
    for (int i = 0; i < AIO_LANES; i++)
        n += a->waiting[i].n;
    return n;
}
