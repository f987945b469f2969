/* simchild: children as lists of changes, and the moments at which the program learns of their end.
 *
 *   start: the job runs ──> changes ──step──> the model disk ... all there ──poll──> done
 *                              └── killed: the rest is dropped ──poll──> done(ST_FAILED) */
#include "sim/simchild.h"

#include "base/log.h"
#include "base/mem.h"
#include "sim/simfs_int.h"
#include "sim/simrec.h"

#include <stdio.h>

typedef struct kid {
    child_job *job;
    simrec *rec;
    status_code code;
    char msg[STATUS_MSG_MAX];
    buf out;
    bool killed;
    size_t changes;
    struct kid *next;
} kid;

struct simchild {
    child_host base;
    simfs *fs;
    rng chance;
    simchild_knobs knobs;
    kid *kids;
    size_t alive;
    uint64_t started;
    int next_pid;
};

static simchild *host_of(child_host *h) {
    return (simchild *)h;
}

static status op_start(child_host *base, child_job *job) {
    simchild *h = host_of(base);
    CHECK(!h->fs->in_child);
    if (simfs_stopped(h->fs)) return status_make(ST_IO, "fork: the machine is off");
    if (h->knobs.start_permille && rng_below(&h->chance, 1000) < h->knobs.start_permille)
        return status_make(ST_IO, "fork: Cannot allocate memory");
    kid *k = mem_zalloc(sizeof *k);
    k->job = job;
    job->pid = ++h->next_pid;
    job->fork_us = 100;
    k->rec = simrec_new(h->fs, rng_next(&h->chance));
    h->fs->in_child = true;
    status st = job->run(job, simrec_vfs(k->rec), &k->out);
    h->fs->in_child = false;
    k->code = st.code;
    snprintf(k->msg, sizeof k->msg, "%s", st.msg);
    simrec_end(k->rec);
    k->changes = simrec_left(k->rec);
    k->next = h->kids;
    h->kids = k;
    h->alive++;
    h->started++;
    sim_trace(h->fs, "child %d (%s) starts, %zu changes: %s", job->pid, job->name,
              simrec_left(k->rec), status_ok(st) ? "ok" : st.msg);
    return STATUS_OK;
}

static void die(simchild *h, kid *k, const char *why) {
    sim_trace(h->fs, "child %d (%s) dies with %zu changes undone: %s", k->job->pid, k->job->name,
              simrec_left(k->rec), why);
    k->killed = true;
    k->code = ST_FAILED;
    snprintf(k->msg, sizeof k->msg, "the child was killed (%s)", why);
}

/* The next change of a living child. */
static bool step(simchild *h, kid *k) {
    bool lost;
    if (k->killed || !simrec_left(k->rec)) return false;
    if (h->knobs.kill_permille && rng_below(&h->chance, 1000) < h->knobs.kill_permille) {
        die(h, k, "by chance");
        return true;
    }
    simrec_replay(k->rec, &lost);
    if (lost) die(h, k, "the disk failed it");
    return true;
}

bool simchild_step(simchild *h) {
    if (!h->alive) return false;
    size_t n = 0, pick = rng_below(&h->chance, h->alive);
    kid *k = h->kids;
    while (n++ < pick)
        k = k->next;
    return step(h, k);
}

void simchild_orphans(simchild *h, uint64_t steps) {
    bool stopped = h->fs->stopped;
    simfs_knobs knobs = h->fs->knobs;
    h->fs->stopped = false;
    h->fs->knobs.stop_at = 0;
    while (steps-- > 0 && simchild_step(h)) {
    }
    h->fs->stopped = stopped;
    h->fs->knobs = knobs;
}

/* Takes the kid out of the list and tells its job. */
static void finish(simchild *h, kid *k) {
    kid **at = &h->kids;
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    h->alive--;
    sim_trace(h->fs, "child %d (%s) is seen to have ended: %s", k->job->pid, k->job->name,
              k->code == ST_OK ? "ok" : k->msg);
    simrec_free(k->rec);
    slice out = k->killed ? SLICE_EMPTY : buf_slice(&k->out);
    k->job->done(k->job, (status){k->code, k->code ? k->msg : ""}, out);
    buf_free(&k->out);
    mem_free(k);
}

static void op_kill(child_host *base, child_job *job) {
    simchild *h = host_of(base);
    kid *k = h->kids;
    while (k && k->job != job)
        k = k->next;
    CHECK(k != NULL);
    for (uint64_t more = rng_below(&h->chance, 4); more > 0; more--)
        step(h, k);
    if (!k->killed) die(h, k, "by the program");
    if (rng_below(&h->chance, 2)) finish(h, k);
}

/* Some child tells how far it is; its job may kill it for that. */
static void report_progress(simchild *h) {
    if (!h->alive) return;
    kid *k = h->kids;
    for (uint64_t skip = rng_below(&h->chance, h->alive); skip > 0; skip--)
        k = k->next;
    size_t left = simrec_left(k->rec);
    if (!k->killed && left && k->job->progress)
        k->job->progress(k->job, k->changes - left, k->changes);
}

static int op_poll(child_host *base) {
    simchild *h = host_of(base);
    int ended = 0;
    if (rng_below(&h->chance, 4) == 0) report_progress(h);
    for (kid *k = h->kids, *next; k; k = next) {
        next = k->next;
        if (!k->killed && simrec_left(k->rec)) continue;
        if (rng_below(&h->chance, 2)) continue;
        finish(h, k);
        ended++;
        next = h->kids; /* done may have started or ended others: begin again */
    }
    return ended;
}

static void op_close(child_host *base) {
    simchild *h = host_of(base);
    while (h->kids) {
        if (!h->kids->killed) die(h, h->kids, "the host closes");
        finish(h, h->kids);
    }
}

static const child_ops ops = {
    .start = op_start, .kill = op_kill, .poll = op_poll, .close = op_close};

simchild *simchild_new(simfs *fs, uint64_t seed) {
    simchild *h = mem_zalloc(sizeof *h);
    h->base.ops = &ops;
    h->fs = fs;
    h->next_pid = 1000;
    rng_seed(&h->chance, seed);
    return h;
}

void simchild_free(simchild *h) {
    op_close(&h->base);
    mem_free(h);
}

child_host *simchild_host(simchild *h) {
    return &h->base;
}

simchild_knobs *simchild_knobs_of(simchild *h) {
    return &h->knobs;
}

size_t simchild_alive(const simchild *h) {
    return h->alive;
}

uint64_t simchild_started(const simchild *h) {
    return h->started;
}
