/* inline_host: see inline_host.h. A job sees memory as it is at the start, as a forked child does,
 * and nothing changes it before the job has ended. */
#include "convert/inline_host.h"

#include "base/log.h"
#include "base/mem.h"

typedef struct ended {
    child_job *job;
    status result;
    char msg[STATUS_MSG_MAX];
    buf out;
    struct ended *next;
} ended;

typedef struct inline_host {
    child_host base;
    vfs *v;
    ended *first, **last;
} inline_host;

/* Runs it; `done` has to wait for the poll, as callers do not expect it before they return. */
static status inline_start(child_host *base, child_job *job) {
    inline_host *h = (inline_host *)base;
    ended *e = mem_zalloc(sizeof *e);
    e->job = job;
    e->result = job->run(job, h->v, &e->out);
    if (!status_ok(e->result)) {
        size_t n = strnlen(e->result.msg, sizeof e->msg - 1);
        memcpy(e->msg, e->result.msg, n);
        e->result.msg = e->msg;
    }
    *h->last = e;
    h->last = &e->next;
    return STATUS_OK;
}

/* It has ended already; what it says is not heard. */
static void inline_kill(child_host *base, child_job *job) {
    inline_host *h = (inline_host *)base;
    for (ended *e = h->first; e; e = e->next)
        if (e->job == job) e->result = status_make(ST_FAILED, "killed");
}

/* In order of the starts. A job may start another from its `done`. */
static int inline_poll(child_host *base) {
    inline_host *h = (inline_host *)base;
    int n = 0;
    for (ended *e; (e = h->first) != NULL; n++) {
        h->first = e->next;
        if (!h->first) h->last = &h->first;
        e->job->done(e->job, e->result, status_ok(e->result) ? buf_slice(&e->out) : SLICE_EMPTY);
        buf_free(&e->out);
        mem_free(e);
    }
    return n;
}

/* Nothing runs that would have to be killed. */
static void inline_close(child_host *base) {
    (void)inline_poll(base);
    CHECK(!((inline_host *)base)->first);
    mem_free(base);
}

/* Its table of functions is one for all. */
child_host *inline_host_new(vfs *v) {
    static const child_ops ops = {inline_start, inline_kill, inline_poll, inline_close};
    inline_host *h = mem_zalloc(sizeof *h);
    h->base.ops = &ops;
    h->v = v;
    h->last = &h->first;
    return &h->base;
}
