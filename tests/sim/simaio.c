/* simaio: two queues a job goes through, and chance between them.
 *
 *   submit ──> waiting (a queue for each lane) ──step──> ran (one queue) ──poll──> done
 *
 * drain carries everything through, also what `done` submits meanwhile. */
#include "sim/simaio.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"

#include <stdio.h>

typedef struct queue {
    aio_job *first, *last;
    size_t n;
} queue;

struct simaio {
    aio base;
    rng chance;
    queue waiting[AIO_LANES];
    queue ran;
    bool running;
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

static void op_submit(aio *base, aio_job *job) {
    simaio *a = aio_of(base);
    CHECK(job->lane < AIO_LANES && !a->running); /* a worker submits nothing */
    push(&a->waiting[job->lane], job);
}

bool simaio_step(simaio *a) {
    unsigned lane = (unsigned)rng_below(&a->chance, AIO_LANES);
    if (a->running) return false;
    if (!a->waiting[lane].n) lane = (lane + 1) % AIO_LANES;
    if (!a->waiting[lane].n) return false;
    aio_job *job = pop(&a->waiting[lane]);
    job->result = STATUS_OK;
    a->running = true;
    job->run(job);
    a->running = false;
    /* As a real one does: the message must outlive the worker's ring. */
    snprintf(job->result_msg, sizeof job->result_msg, "%s", job->result.msg);
    job->result.msg = job->result_msg;
    push(&a->ran, job);
    return true;
}

static int op_poll(aio *base) {
    simaio *a = aio_of(base);
    CHECK(!a->running);
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

static const aio_ops ops = {
    .submit = op_submit, .poll = op_poll, .drain = op_drain, .close = op_close};

simaio *simaio_new(uint64_t seed) {
    simaio *a = mem_zalloc(sizeof *a);
    a->base.ops = &ops;
    rng_seed(&a->chance, seed);
    return a;
}

void simaio_free(simaio *a) {
    op_close(&a->base);
}

aio *simaio_aio(simaio *a) {
    return &a->base;
}

size_t simaio_pending(const simaio *a) {
    size_t n = a->ran.n;
    for (int i = 0; i < AIO_LANES; i++)
        n += a->waiting[i].n;
    return n;
}
