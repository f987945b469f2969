/* compact: the life of compactions: which runs when, what it may cost, what becomes of it.
 *
 *   cron ─> pick_next ─> inputs busy ─┬─ names ─> child ─> outputs opened ─┬─> one edit ─> next
 *                                     └─ move: no child, only the edit ────┘    version, inputs go
 *
 * Up to compaction-jobs run at a time, over disjoint tables and ranges (P3). One that fails costs a
 * retry later; a FLUSHALL that makes all its inputs dead ends it. Each is small enough for the room
 * that there is on the disk (space.h, S2). */
#include "base/mem.h"
#include "engine/lsm/jobs.h"
#include "engine/lsm/ops.h"
#include "engine/lsm/space.h"

#define QUIET_US   1500000      /* without a put: quiet */
#define FAILED_US  10000000     /* after a failure: not before */
#define JOB_PARTS  16           /* of the disk: a small one has smaller jobs, */
#define BASE_PARTS 16           /* and a smaller base level */
#define LEAST      (256u << 10) /* but not less than this */
#define QUIET_PART 20           /* of the tables' bytes: such a memtable is flushed when quiet */
#define SMALL_PART 16           /* of a full memtable: a smaller one is left alone */

/* What picks depend on, as the settings are now. */
pick_conf compact_conf(const lsm *e) {
    pick_conf c = {.table_size = lsm_table_size(e),
                   .level0_files = (uint32_t)lsm_conf.level0_files,
                   .ratio = (uint32_t)lsm_conf.level_size_ratio,
                   .job_bytes = space_part(e, (uint64_t)lsm_limit.job_bytes, JOB_PARTS, LEAST)};
    c.base_bytes = space_part(e, lsm_memtable_size(e) * c.level0_files, BASE_PARTS, LEAST);
    CHECK(c.base_bytes > 0);
    return c;
}

/* Has nobody written for a while, and is all that was written on its way? */
bool quiet_is(lsm *e) {
    CHECK(e->jobs != NULL);
    return !e->nfrozen && !e->jobs->flush && lsm_now_us(e) - e->wrote_us >= QUIET_US;
}

/* The picks of what runs. */
static uint32_t running(const lsm *e, pick *out[COMPACTIONS_MAX]) {
    CHECK(e->jobs->ncompact <= COMPACTIONS_MAX);
    for (uint32_t i = 0; i < e->jobs->ncompact; i++)
        out[i] = &e->jobs->compact[i]->pick;
    return e->jobs->ncompact;
}

/* ---- the end, good or bad
 * ----------------------------------------------------------------------- */

/* Memory, and the claim on tables. */
static void forget(compaction *c) {
    struct lsm_jobs *js = c->job.e->jobs;
    uint32_t i = 0;
    while (i < js->ncompact && js->compact[i] != c)
        i++;
    CHECK(i < js->ncompact);
    js->compact[i] = js->compact[--js->ncompact];
    for (uint32_t k = 0; k < c->pick.n; k++)
        c->pick.in[k]->busy = false;
    pick_free(&c->pick);
    job_free(&c->job);
    version_release((version *)(uintptr_t)c->v);
    mem_free(c);
}

/* It came to nothing. */
static void failed(compaction *c, status s) {
    lsm *e = c->job.e;
    CHECK(!status_ok(s));
    if (!c->job.cancelled) {
        log_warning("Compacting %u tables of level %u: %s", c->pick.n, c->pick.from, s.msg);
        e->stats.compaction_failures++;
        e->jobs->compact_after_us = lsm_now_us(e) + FAILED_US;
        e->jobs->careful = s.code == ST_NO_SPACE;
    }
    job_give_up(&c->job);
    forget(c);
}

/* The edit: outputs for inputs, or other levels for them. */
static void commit(compaction *c) {
    lsm *e = c->job.e;
    CHECK(c->job.step == JOB_SETTLING);
    job_edit(&c->job);
    for (uint32_t i = 0; i < c->pick.n; i++) {
        if (c->pick.move)
            edit_table_level(&e->meta.edit, c->pick.in[i]->number, c->pick.to);
        else
            job_edit_drop(e, c->pick.in[i]);
    }
    c->job.step = JOB_INSTALLING;
    c->job.gen = meta_commit(&e->meta);
}

/* The inputs are in another level. */
static void install_move(compaction *c) {
    lsm *e = c->job.e;
    uint32_t *moved = mem_alloc(c->pick.n * sizeof *moved);
    uint8_t *to = mem_alloc(c->pick.n);
    CHECK(c->pick.move && c->pick.n > 0);
    for (uint32_t i = 0; i < c->pick.n; i++) {
        moved[i] = c->pick.in[i]->number;
        to[i] = c->pick.to;
    }
    version *old = e->current;
    e->current =
        version_after(old, &(version_change){.moved = moved, .moved_to = to, .nmoved = c->pick.n});
    version_release(old);
    lsm_walks_forget(e);
    e->stats.trivial_moves += c->pick.n;
    mem_free(moved);
    mem_free(to);
}

/* The edit is durable. */
static void installed(compaction *c) {
    lsm *e = c->job.e;
    uint64_t us = lsm_now_us(e) - c->job.began_us, bytes = 0;
    CHECK(c->job.step == JOB_INSTALLING);
    if (c->pick.move) {
        install_move(c);
        forget(c);
        return;
    }
    for (uint32_t i = 0; i < c->pick.nfrom; i++)
        bytes += c->pick.in[i]->plain;
    if (c->pick.from == 0) pace_drained(&e->jobs->pace, bytes, us);
    e->stats.compactions++;
    e->jobs->careful = false;
    e->stats.compaction_read += c->job.read;
    e->stats.compaction_written += c->job.written;
    for (uint32_t i = 0; i < c->pick.n; i++)
        c->pick.in[i]->busy = false;
    job_install(&c->job, c->pick.in, c->pick.n);
    c->pick.n = 0; /* perhaps freed */
    forget(c);
}

/* From the child host, when the child has ended. */
static void child_done(child_job *job, status result, slice out) {
    compaction *c = job->ctx;
    lsm *e = c->job.e;
    CHECK(c->job.step == JOB_RUNNING && !e->batch.open);
    if (status_ok(result)) result = job_take_result(&c->job, out, c->pick.to, 0);
    if (!status_ok(result)) {
        failed(c, result);
        return;
    }
    if (chain_is_dead(&e->log) || e->jobs->closing)
        failed(c, status_make(ST_FAILED, "nothing is installed any more"));
    else
        commit(c);
}

/* For INFO. */
static void child_told(child_job *job, uint64_t done, uint64_t total) {
    lsm_job *j = &((compaction *)job->ctx)->job;
    CHECK(j->step == JOB_RUNNING);
    j->read = done;
    j->total = total;
}

/* ---- starting -----------------------------------------------------------------------------------
 */

/* How many tables the outputs can be: by size, and by what they are cut for. */
static uint32_t names_for(const lsm *e, const pick *p, uint64_t table_size) {
    uint64_t below = 0;
    uint32_t first, n = 0;
    CHECK(table_size > 0);
    if (p->to + 1 < LSM_LEVELS)
        n = version_overlap(e->current, p->to + 1u, p->smallest, p->limit, &first);
    for (uint32_t i = 0; i < n; i++)
        below += e->current->level[p->to + 1].tables[first + i]->length;
    uint64_t names = (p->plain + p->plain / 4) / table_size + below / (10 * table_size) + 2;
    return names < 4096 ? (uint32_t)names : 4096;
}

/* Do writers wait for compactions, or will they soon? */
static bool in_a_hurry(const lsm *e, const pick *p) {
    const pace *now = &e->jobs->pace;
    CHECK(p->n > 0);
    bool many = e->current->level[0].n >= 2 * (uint64_t)lsm_conf.level0_files;
    return (p->from == 0 && many) || now->reason == PACE_LEVEL0 || now->reason == PACE_PENDING;
}

/* The tables are the job's from now on. */
static void begin(lsm *e, const pick *p) {
    struct lsm_jobs *js = e->jobs;
    compaction *c = mem_zalloc(sizeof *c);
    CHECK(js->ncompact < COMPACTIONS_MAX && p->n > 0);
    job_init(&c->job, e, "compact");
    c->pick = *p;
    c->v = version_keep(e->current);
    for (uint32_t i = 0; i < p->n; i++) {
        CHECK(!p->in[i]->busy); /* P3 */
        p->in[i]->busy = true;
    }
    js->compact[js->ncompact++] = c;
    log_debug("Compacting %u tables, %llu bytes, of level %u into level %u: %s%s", p->n,
              (unsigned long long)p->bytes, p->from, p->to, pick_why_name(p->why),
              p->move ? ", moved" : "");
    if (p->move) {
        c->job.step = JOB_SETTLING;
        commit(c);
        return;
    }
    c->job.spec = job_spec(e, p->to, lsm_table_size(e));
    c->job.total = p->bytes;
    c->job.child.run = compact_child_run;
    c->job.child.urgent = in_a_hurry(e, p);
    c->job.child.done = child_done;
    c->job.child.progress = child_told;
    c->job.child.ctx = c;
    job_take_names(&c->job, names_for(e, p, lsm_table_size(e)));
}

/* One step of what engine_compact asked for, once the memtable of then is a table. */
static bool pick_asked_for(lsm *e, const pick_conf *c, pick *out) {
    struct lsm_jobs *js = e->jobs;
    pick *now[COMPACTIONS_MAX];
    uint32_t n = running(e, now);
    CHECK(meta_next_file(&e->meta) > 0);
    uint32_t newest = meta_next_file(&e->meta) - 1;
    if (js->asked_flush) {
        const memtable *m = e->active;
        while (m->older)
            m = m->older;
        if (m->number <= js->asked_memtable) return false;
        js->asked_flush = false;
        js->asked = (pick_asked){.on = true, .last = newest};
    }
    return js->asked.on && pick_step(e->current, c, now, n, &js->asked, newest, out);
}

/* As many as may run. */
static void start_some(lsm *e) {
    struct lsm_jobs *js = e->jobs;
    pick_conf c = compact_conf(e);
    pick p, *now[COMPACTIONS_MAX];
    CHECK(!e->batch.open);
    if (lsm_now_us(e) < js->compact_after_us) return;
    c.tight = space_is_tight(e);
    c.hopeful = c.tight && !js->careful;
    bool quiet = quiet_is(e) || c.tight;
    while (js->ncompact < (uint32_t)lsm_conf.compaction_jobs) {
        uint32_t n = running(e, now);
        if (js->room_us && n > 0) return; /* a flush comes first */
        c.room = space_of_job(e);
        if (!pick_asked_for(e, &c, &p) && !pick_next(e->current, &c, now, n, quiet, &p)) break;
        begin(e, &p);
    }
    /* what seemed to have too little room is tried again, later */
    if (js->ncompact == 0 && js->careful) js->compact_after_us = lsm_now_us(e) + FAILED_US;
    if (js->ncompact == 0) js->careful = false;
}

/* A step further; true if c is over. */
static bool advance(compaction *c) {
    lsm *e = c->job.e;
    CHECK(c->pick.n > 0);
    if (!meta_is_durable(&e->meta, c->job.gen)) return false;
    if (c->job.step == JOB_INSTALLING) {
        installed(c);
        return true;
    }
    if (c->job.step != JOB_NAMING || e->jobs->closing || chain_is_dead(&e->log)) return false;
    version_release((version *)(uintptr_t)c->v);
    c->v = version_keep(e->current);
    uint64_t limit = (uint64_t)lsm_conf.compaction_rate_limit;
    c->job.rate = limit / e->jobs->ncompact + (limit > 0);
    uint32_t before = e->jobs->ncompact;
    status s = job_start(&c->job);
    if (e->jobs->ncompact < before) return true; /* ended at once, badly */
    if (status_ok(s)) return false;
    failed(c, s);
    return true;
}

/* Each job that waits for an edit; the last takes the place of one that is over. */
void compact_advance(lsm *e) {
    CHECK(e->jobs != NULL);
    if (e->batch.open) return;
    for (uint32_t i = 0; i < e->jobs->ncompact;)
        if (!advance(e->jobs->compact[i])) i++;
}

/* A FLUSHALL has made all that it reads dead, or the log takes no more: it ends. */
static void cancel_useless(lsm *e) {
    struct lsm_jobs *js = e->jobs;
    CHECK(js->ncompact <= COMPACTIONS_MAX);
    for (uint32_t i = 0; i < js->ncompact; i++) {
        compaction *c = js->compact[i];
        bool useless = true;
        if (c->job.step != JOB_RUNNING || c->job.cancelled) continue;
        for (uint32_t k = 0; useless && k < c->pick.n && !chain_is_dead(&e->log); k++)
            useless = table_is_dead(e, c->pick.in[k]);
        if (!useless) continue;
        c->job.cancelled = true;
        e->env->children->ops->kill(e->env->children, &c->job.child);
        return; /* the list may be another one now; the next cron goes on */
    }
}

/* What is under way goes on; then what is worth it begins. */
void compact_cron(lsm *e) {
    CHECK(!e->batch.open);
    compact_advance(e);
    cancel_useless(e);
    if (e->jobs->closing || chain_is_dead(&e->log)) return;
    start_some(e);
    compact_advance(e);
}

/* When quiet: the memtable, if it hides much of what is in tables, or is a good part of it. A small
 * one may hide much: what its tombstones do is told by their number, as if entries were alike. */
void quiet_cron(lsm *e) {
    const memtable *m = e->active;
    uint64_t bytes = memtable_bytes(m), tables = version_bytes(e->current), entries = 0;
    CHECK(!e->batch.open);
    if (!quiet_is(e) || tables == 0 || chain_is_dead(&e->log)) return;
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        entries += e->current->level[l].entries;
    bool hides = m->hidden > 0 && m->hidden >= entries / QUIET_PART;
    uint64_t gone = m->tombstones < entries ? m->tombstones : entries;
    uint64_t matters = bytes + (entries ? tables / entries * gone : 0);
    if (matters < lsm_memtable_size(e) / SMALL_PART && !hides) return;
    hides = hides || (gone > 0 && gone >= entries / QUIET_PART);
    if (bytes >= tables / QUIET_PART || hides) lsm_switch(e);
}

/* ---- from outside ---------------------------------------------------------------------------- */

/* engine_compact: cron does it: flushes what is in memory, then takes level after level down. */
status lsm_compact(engine *base) {
    lsm *e = lsm_of(base);
    struct lsm_jobs *js = e->jobs;
    CHECK(!e->batch.open);
    if (js->asked.on || js->asked_flush) return status_make(ST_BUSY, "a compaction is running");
    if (chain_is_dead(&e->log)) return e->log.failure;
    js->asked_memtable = e->active->number;
    if (memtable_entries(e->active) == 0) js->asked_memtable--;
    lsm_switch(e);
    js->asked_flush = true;
    return STATUS_OK;
}

/* No child is left; what is being installed is waited for. */
void compact_end(lsm *e) {
    struct lsm_jobs *js = e->jobs;
    child_host *h = e->env->children;
    uint64_t gen = 0;
    CHECK(js->closing);
    for (;;) {
        uint32_t i = 0;
        while (i < js->ncompact && js->compact[i]->job.step != JOB_RUNNING)
            i++;
        if (i == js->ncompact) break;
        compaction *c = js->compact[i];
        if (!c->job.cancelled) {
            c->job.cancelled = true;
            h->ops->kill(h, &c->job.child);
        }
        h->ops->poll(h);
    }
    for (uint32_t i = 0; i < js->ncompact; i++)
        if (js->compact[i]->job.step == JOB_INSTALLING && js->compact[i]->job.gen > gen)
            gen = js->compact[i]->job.gen;
    status s = meta_wait(&e->meta, gen);
    if (!status_ok(s)) log_warning("Installing a compaction: %s", s.msg);
    compact_advance(e);
    compact_free(e);
}

/* Those that wait for an edit that will never be. */
void compact_free(lsm *e) {
    CHECK(e->jobs != NULL);
    while (e->jobs->ncompact)
        forget(e->jobs->compact[0]);
}
