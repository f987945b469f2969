/* compact_child: the child's side of a compaction: the inputs, merged, with what is not needed left
 * out (keep.h).
 *
 *   level 0     newest  [....]──┐
 *                        [....]──┤
 *   level from      [..][..][..]─┼─ heap by (key, age) ─> newest cell of each key ─> keeper
 *   level to       [..][..][..]──┘                                                     │
 *                                                                    outputs  [..][..][..]
 *
 * Tables of one level are one source, as they are disjoint. A source that is told to skip opens no
 * table that lies wholly in what is skipped, so that a dropped collection or a dead database costs
 * nothing to leave out. Inputs are read past any cache, a piece at a time. */
#include "engine/lsm/bounds.h"
#include "engine/lsm/jobs.h"
#include "engine/lsm/keep.h"

#include "base/mem.h"

#define AHEAD_BYTES    (256u << 10)
#define TELL_RECORDS   256
#define THROTTLE_BYTES (256u << 10)
#define BELOW_TIMES    10 /* tables of the level below `to` that an output may overlap */

/* Tables in order of their keys, read one after the other. */
typedef struct source {
    table_ref *const *tables;
    uint32_t n, at;
    table *open;
    table_iter *it; /* valid, unless the source is at its end */
    uint32_t age;   /* of sources with the same key, the youngest counts: the least */
} source;

typedef struct worker {
    const compaction *c;
    vfs *v;
    source *sources;
    uint32_t nsources;
    source **heap; /* those that are not at their end; the first has the least key */
    uint32_t nheap;
    keeper keep;
    outputs out;
    buf key; /* the one being looked at */
    uint64_t read, told_read, told_all, below_bytes;
    uint32_t below; /* the next table of the level below `to` that an output may come to */
    unsigned records;
} worker;

/* ---- sources ----------------------------------------------------------------------------------
 */

/* Closes the table that the source stands in. */
static void source_close(source *s) {
    CHECK(s->at <= s->n);
    table_iter_free(s->it);
    table_close(s->open);
    s->it = NULL;
    s->open = NULL;
}

/* Opens the table that the source stands at. */
static status source_open(worker *w, source *s) {
    char path[FILE_PATH_MAX];
    const table_ref *t = s->tables[s->at];
    const lsm *e = w->c->job.e;
    CHECK(!s->open && s->at < s->n);
    TRY(file_path(path, e->dir, FILE_TABLE, t->number));
    TRY(table_open(w->v, path, e->store_id, t->number, (uint32_t)t->length, &s->open));
    s->it = table_iter_new_ahead(s->open, AHEAD_BYTES);
    return STATUS_OK;
}

/* To the first key >= `to` (empty: the first) at or behind where it stands; at the end without. */
static status source_seek(worker *w, source *s, slice to) {
    CHECK(s->at <= s->n);
    for (;;) {
        uint32_t skip = tables_find(s->tables + s->at, s->n - s->at, to);
        CHECK(skip <= s->n - s->at);
        if (skip > 0) source_close(s);
        for (; skip > 0; skip--)
            w->read += s->tables[s->at++]->length;
        if (s->at == s->n) return STATUS_OK;
        bool fresh = !s->open;
        if (fresh) TRY(source_open(w, s));
        /* never back: what it has given is not given again */
        if (fresh || slice_cmp(table_iter_key(s->it), to) < 0) table_iter_seek(s->it, to);
        if (table_iter_valid(s->it)) return STATUS_OK;
        TRY(table_iter_status(s->it));
        source_close(s);
        w->read += s->tables[s->at++]->length;
    }
}

/* One key further. */
static status source_next(worker *w, source *s) {
    CHECK(s->it && s->at < s->n);
    table_iter_next(s->it);
    if (table_iter_valid(s->it)) return STATUS_OK;
    TRY(table_iter_status(s->it));
    source_close(s);
    w->read += s->tables[s->at++]->length;
    return source_seek(w, s, SLICE_EMPTY);
}

/* ---- the heap ---------------------------------------------------------------------------------
 */

/* Is a to come before b? */
static bool is_before(const source *a, const source *b) {
    CHECK(a->it && b->it);
    int c = slice_cmp(table_iter_key(a->it), table_iter_key(b->it));
    return c ? c < 0 : a->age < b->age;
}

/* Brings the one at i down to where it belongs. */
static void sift_down(worker *w, uint32_t i) {
    CHECK(i < w->nheap);
    for (;;) {
        uint32_t least = i, left = 2 * i + 1;
        for (uint32_t k = left; k < left + 2 && k < w->nheap; k++)
            if (is_before(w->heap[k], w->heap[least])) least = k;
        if (least == i) return;
        source *swap = w->heap[i];
        w->heap[i] = w->heap[least];
        w->heap[least] = swap;
        i = least;
    }
}

/* The first one has moved, or come to its end. */
static void first_moved(worker *w) {
    CHECK(w->nheap > 0);
    if (w->heap[0]->at == w->heap[0]->n) w->heap[0] = w->heap[--w->nheap];
    if (w->nheap > 0) sift_down(w, 0);
}

/* All of it anew: after all sources have moved. */
static void heap_build(worker *w) {
    w->nheap = 0;
    CHECK(w->heap || w->nsources == 0);
    for (uint32_t i = 0; i < w->nsources; i++)
        if (w->sources[i].at < w->sources[i].n) w->heap[w->nheap++] = &w->sources[i];
    CHECK(w->nheap <= w->nsources);
    for (uint32_t i = w->nheap / 2; i-- > 0;)
        sift_down(w, i);
}

/* ---- the merge --------------------------------------------------------------------------------
 */

/* An output ends before it overlaps too much of the level below its own, or the compaction that
 * takes it further would be a large one. */
static void watch_below(worker *w) {
    unsigned level = w->c->pick.to + 1u;
    if (level >= LSM_LEVELS) return;
    const version *v = w->c->v;
    CHECK(w->below <= v->level[level].n);
    while (w->below < v->level[level].n &&
           slice_cmp(v->level[level].tables[w->below]->limit, buf_slice(&w->key)) <= 0)
        w->below_bytes += v->level[level].tables[w->below++]->length;
    if (w->below_bytes <= BELOW_TIMES * w->c->job.spec.limit) return;
    outputs_cut(&w->out);
    w->below_bytes = 0;
}

/* Now and then: how far it is, and a rest if it goes too fast. */
static void tell(worker *w) {
    uint64_t all = w->read + w->out.written + outputs_bytes(&w->out);
    CHECK(w->read >= w->told_read);
    if (++w->records % TELL_RECORDS && w->read == w->told_read) return;
    w->told_read = w->read;
    child_progress(w->read, w->c->job.total);
    if (all < w->told_all + THROTTLE_BYTES) return;
    child_throttle(all - w->told_all, w->c->job.rate);
    w->told_all = all;
}

/* The least key, its newest cell; then all sources go behind it. */
static status step(worker *w) {
    CHECK(w->nheap > 0);
    source *s = w->heap[0];
    slice cell = table_iter_cell(s->it);
    CHECK(cell.len > 0);
    buf_clear(&w->key);
    buf_append_slice(&w->key, table_iter_key(s->it));
    keep_answer a = keeper_ask(&w->keep, buf_slice(&w->key), cell);
    if (a.put) {
        watch_below(w);
        TRY(outputs_put(&w->out, buf_slice(&w->key), cell));
    }
    if (a.skip) {
        for (uint32_t i = 0; i < w->nsources; i++)
            TRY(source_seek(w, &w->sources[i], buf_slice(&w->keep.skip_to)));
        heap_build(w);
        return STATUS_OK;
    }
    do {
        TRY(source_next(w, w->heap[0]));
        first_moved(w);
    } while (w->nheap > 0 && slice_eq(table_iter_key(w->heap[0]->it), buf_slice(&w->key)));
    return STATUS_OK;
}

/* The inputs as sources: each table of level 0, the newest first, then each level. */
static status open_sources(worker *w) {
    const pick *p = &w->c->pick;
    CHECK(p->n > 0 && p->nfrom <= p->n);
    w->sources = mem_zalloc((p->nfrom + 2) * sizeof *w->sources);
    w->heap = mem_alloc((p->nfrom + 2) * sizeof(source *));
    for (uint32_t i = 0; p->from == 0 && i < p->nfrom; i++)
        w->sources[w->nsources++] = (source){.tables = p->in + i, .n = 1};
    if (p->from > 0) w->sources[w->nsources++] = (source){.tables = p->in, .n = p->nfrom};
    if (p->n > p->nfrom)
        w->sources[w->nsources++] = (source){.tables = p->in + p->nfrom, .n = p->n - p->nfrom};
    CHECK(w->nsources <= p->nfrom + 2);
    for (uint32_t i = 0; i < w->nsources; i++) {
        w->sources[i].age = i;
        TRY(source_seek(w, &w->sources[i], SLICE_EMPTY));
    }
    heap_build(w);
    return STATUS_OK;
}

/* From the first key to the last. */
static status merge(worker *w) {
    const pick *p = &w->c->pick;
    unsigned level = p->to + 1u;
    keeper_older_levels(&w->keep, w->c->v, p->to);
    if (level < LSM_LEVELS)
        w->below = tables_find(w->c->v->level[level].tables, w->c->v->level[level].n, p->smallest);
    CHECK(w->nsources == 0);
    TRY(open_sources(w));
    while (w->nheap > 0) {
        TRY(step(w));
        tell(w);
    }
    return outputs_end(&w->out);
}

/* The child's whole life; it writes files and `out`, and changes nothing in memory. */
status compact_child_run(child_job *job, vfs *v, buf *out) {
    const compaction *c = job->ctx;
    CHECK(c->pick.n > 0 && !c->pick.move);
    worker w = {.c = c, .v = v};
    outputs_init(&w.out, &c->job.spec, v);
    keeper_init(&w.keep, c->job.e, v);
    status s = merge(&w);
    if (status_ok(s)) job_result(&c->job, &w.out, w.read, buf_slice(&w.keep.whole), out);
    for (uint32_t i = 0; i < w.nsources; i++)
        source_close(&w.sources[i]);
    mem_free(w.sources);
    mem_free(w.heap);
    keeper_free(&w.keep);
    outputs_free(&w.out);
    buf_free(&w.key);
    return s;
}
