/* hint_job: hints for sealed segments, made by a child, several in one go.
 *
 * A fork costs time, though the child does not get the index, so segments are left to gather for
 * some seconds, and a merge under way has precedence: it makes the hints of its outputs itself.
 *
 * A hint is a shortcut. One that is missing or damaged costs the next start the reading of its
 * segment, and the next merge the dropping of some deletes: never data. So a job that fails is just
 * tried again later. Segments are frozen while their hints are made: a hint that appeared after its
 * segment was unlinked would be a file that nobody knows. */
#include "engine/bitcask/hint_make.h"
#include "engine/bitcask/jobs.h"
#include "engine/bitcask/merge.h"

#define HINTS_MAX   16
#define EVERY_US    5000000
#define FAILED_US   60000000
#define CLOSE_BYTES ((uint64_t)512 << 20) /* of segments that are read for a clean end, at most */

struct hint_job {
    child_job child;
    bitcask *e;
    segment *segs[HINTS_MAX];
    uint32_t n;
    uint64_t rate;
    bool cancelled;
};

/* Does s lack a hint that it should have? */
static bool lacks_hint(const bitcask *e, const segment *s) {
    CHECK(s->log.number > 0);
    bool logged = logfile_is_logged(&s->log, &e->meta);
    return s->log.state == LOGFILE_SEALED && logged && !s->hinted && !s->frozen;
}

/* How hints of this engine are made. */
static hint_source source_of(const bitcask *e, vfs *v, uint64_t rate) {
    CHECK(e->meta.store_id != 0);
    return (hint_source){.fs = v,
                         .dir = e->dir,
                         .store_id = e->meta.store_id,
                         .shared = &e->shared,
                         .inline_max = (size_t)bitcask_conf.inline_value_max,
                         .rate = rate};
}

/* In the child: one after the other, then one fsync of the directory for all their names. */
static status run(child_job *job, vfs *v, buf *out) {
    CHECK(((const hint_job *)job->ctx)->n > 0);
    const hint_job *j = job->ctx;
    hint_source h = source_of(j->e, v, j->rate);
    CHECK(j->n <= HINTS_MAX);
    (void)out;
    for (uint32_t i = 0; i < j->n; i++)
        TRY(hint_make(&h, j->segs[i]->log.number, j->segs[i]->log.end));
    return v->ops->sync_dir(v, j->e->dir);
}

/* From the child host. A failure may have left some of them whole; they are made again. */
static void done(child_job *job, status result, slice out) {
    hint_job *j = job->ctx;
    bitcask *e = j->e;
    (void)out;
    CHECK(e->hints == j);
    for (uint32_t i = 0; i < j->n; i++) {
        CHECK(j->segs[i]->frozen && j->segs[i]->log.end > FILE_HEADER);
        j->segs[i]->frozen = false;
        if (status_ok(result)) j->segs[i]->hinted = true;
    }
    if (status_ok(result)) {
        e->stats.hints += j->n;
    } else if (!j->cancelled) {
        e->stats.hint_failures++;
        e->hints_after_us = bc_now_us(e) + FAILED_US;
        log_warning("Making %u hints: %s", j->n, result.msg);
    }
    e->hints = NULL;
    mem_free(j);
}

/* Takes segments for a job. */
static hint_job *gather(bitcask *e) {
    CHECK(!e->hints);
    hint_job *j = mem_zalloc(sizeof *j);
    j->e = e;
    j->rate = (uint64_t)bitcask_conf.merge_rate_limit;
    for (uint32_t i = 0; i < e->norder && j->n < HINTS_MAX; i++) {
        if (!lacks_hint(e, e->order[i])) continue;
        e->order[i]->frozen = true;
        j->segs[j->n++] = e->order[i];
    }
    j->child = (child_job){.name = "hint", .run = run, .done = done, .ctx = j};
    CHECK(j->n <= HINTS_MAX);
    return j;
}

/* Seldom, and several at once: see above. */
void hint_cron(bitcask *e) {
    CHECK(!e->log.open);
    uint64_t now = e->env->clock->mono_us;
    bool lacks = false;
    if (e->hints || e->merge || e->compact_wanted || e->pages.busy || chain_is_dead(&e->log))
        return;
    if (now < e->hints_after_us) return;
    for (uint32_t i = 0; i < e->norder && !lacks; i++)
        lacks = lacks_hint(e, e->order[i]);
    if (!lacks) return;
    e->hints_after_us = now + EVERY_US;
    hint_job *j = e->hints = gather(e);
    CHECK(j->n > 0);
    child_host *h = e->env->children;
    arena_withhold(e->shared.arena, true); /* it reads segments, and nothing of the index */
    status s = h->ops->start(h, &j->child);
    arena_withhold(e->shared.arena, false);
    if (!status_ok(s)) done(&j->child, s, SLICE_EMPTY);
}

/* The youngest first, within a bound: what is left out costs the next start some reading. */
void hint_all(bitcask *e) {
    hint_source h = source_of(e, e->fs, 0);
    uint64_t bytes = 0;
    uint32_t made = 0;
    CHECK(!e->hints && !e->merge);
    for (uint32_t i = e->norder; i-- > 0 && bytes < CLOSE_BYTES;) {
        segment *s = e->order[i];
        if (!lacks_hint(e, s)) continue;
        bytes += s->log.end;
        status st = hint_make(&h, s->log.number, s->log.end);
        if (!status_ok(st)) {
            log_warning("The hint of segment %u: %s", s->log.number, st.msg);
            return;
        }
        s->hinted = true;
        made++;
    }
    if (made == 0) return;
    status st = e->fs->ops->sync_dir(e->fs, e->dir);
    if (!status_ok(st)) log_warning("Hints: %s", st.msg);
}

/* Hints that were not finished are found damaged, and ignored, by the next start. */
void hint_end(bitcask *e) {
    child_host *h = e->env->children;
    if (e->hints) e->hints->cancelled = true;
    if (e->hints) h->ops->kill(h, &e->hints->child);
    while (e->hints)
        h->ops->poll(h);
    CHECK(!e->hints);
}
