/* load_hints: the hints of segments that follow each other, together.
 *
 * Workers do what is not about the engine's memory, a few jobs at a time, while the thread takes in
 * what is ready and answers clients:
 *
 *     thread   |  opened: in order  | orders | slice 1 | slice 2 | slice 3 |  ..  | elements
 *     workers  |h1  h2  h3  h4  h5 ..        |s1  s2  s3  s4 ..            |
 *
 * First each hint is read and checked whole (hint_open): nothing is taken from any of them before
 * all are known to be good. Then their main entries, merged by ranges of tokens (load_slice.c).
 *
 * The first hints of a start so fill empty keydirs from their first page to their last, without
 * looking for anything (keydir_build); what comes to a keydir that has keys already is put one by
 * one, but in order. A replaced entry was never there, so nothing is accounted for it; a delete
 * hides, replaced or not, as in load_main.
 *
 * Orders come before the entries and elements after them, hint by hint: an order only says what the
 * databases are called, and which entries' databases are dead is looked at when all is loaded. */
#include "engine/bitcask/load_int.h"

#include "base/log.h"
#include "engine/bitcask/entries.h"
#include "engine/bitcask/load_slice.h"

#define OPENING    4u /* hints that are checked at a time */
#define SLICES     3u /* that are under way or wait to be taken; each has memory of its own */
#define WAIT_US    5000
#define TELL_ITEMS 1024u /* taken between two calls of load_progress */

/* A hint that is being opened, or is open. */
typedef struct source {
    aio_job job;
    bool busy;
    load_ctx *l;
    segment *s;
    hint_reader *r;
    uint32_t told; /* of the file, to load_progress */
} source;

typedef struct merging {
    load_ctx *l;
    source *src; /* by rank, oldest first */
    uint32_t n;  /* that are good */
    slice_hint *hints;
    load_slice *slices[SLICES];
    uint32_t pdb;        /* whose slices are being taken */
    keydir_build *build; /* of that; NULL: entries are put */
} merging;

/* Tells how far hint x has come since. */
static void tell(const merging *m, source *x, uint32_t now) {
    CHECK(now >= x->told);
    load_progress(m->l, now - x->told);
    x->told = now;
}

/* A worker is at it: waits a little, and lets the host answer. */
static void await(load_ctx *l) {
    aio *a = l->e->env->aio;
    CHECK(a);
    if (aio_fd(a) < 0)
        a->ops->drain(a);
    else
        (void)aio_await(a, WAIT_US);
    load_look(l);
}

/* ---- opening -----------------------------------------------------------------------------------
 */

/* On a worker: checks all of the hint. */
static void open_run(aio_job *job) {
    source *x = AIO_OWNER(job, source, job);
    const bitcask *e = x->l->e; /* of which nothing changes meanwhile that is looked at here */
    char path[FILE_PATH_MAX];
    CHECK(x->s->log.end > FILE_HEADER);
    job->result = bc_path(e, FILE_HINT, x->s->log.number, path);
    if (!status_ok(job->result)) return;
    job->result = hint_open(e->fs, path, e->meta.store_id, x->s->log.number, x->s->log.end, &x->r);
}

static void open_done(aio_job *job) {
    source *x = AIO_OWNER(job, source, job);
    CHECK(x->busy);
    x->busy = false;
}

/* Has a worker open the hint of segment s. */
static void open_start(load_ctx *l, segment *s, source *x) {
    *x = (source){.l = l, .s = s, .busy = true, .job = {.run = open_run, .done = open_done}};
    CHECK(s->log.state == LOGFILE_SEALED);
    aio_submit(l->e->env->aio, AIO_POOL, &x->job);
}

/* Waits for hint i, and counts it in if it is good. */
static status open_end(merging *m, uint32_t i, bool *bad) {
    source *x = &m->src[i];
    while (x->busy)
        await(m->l);
    status st = x->job.result;
    *bad = st.code == ST_NOT_FOUND || st.code == ST_CORRUPT || st.code == ST_INVALID;
    if (!status_ok(st) && !*bad) return st;
    if (*bad && st.code != ST_NOT_FOUND) {
        log_warning("Reading segment %u instead: %s", x->s->log.number, st.msg);
        load_instead(m->l, x->s);
    }
    if (*bad) return STATUS_OK;
    CHECK(x->r && m->n == i);
    load_progress(m->l, hint_size(x->r) / LOAD_CHECK_PART);
    m->n++;
    return STATUS_OK;
}

/* Opens hints as long as they are good. *bad: one was not, and its segment is to be read. Those
 * behind it that were opened already are opened again when it is their turn. */
static status open_all(merging *m, uint32_t from, uint32_t to, bool *bad) {
    const bitcask *e = m->l->e;
    uint32_t count = to - from, begun = 0;
    status st = STATUS_OK;
    CHECK(m->n == 0 && from < to);
    *bad = false;
    for (uint32_t i = 0; i < count && status_ok(st) && !*bad; i++) {
        for (; begun < count && begun < i + OPENING; begun++)
            open_start(m->l, e->order[from + begun], &m->src[begun]);
        st = open_end(m, i, bad);
    }
    for (uint32_t i = m->n; i < begun; i++) {
        while (m->src[i].busy)
            await(m->l);
        hint_close(m->src[i].r);
    }
    return st;
}

/* ---- main entries ------------------------------------------------------------------------------
 */

/* What was built of one database is whole. */
static void end_build(merging *m) {
    CHECK(m->n > 0);
    keydir_build_end(m->build);
    m->build = NULL;
}

/* A DEL, or a PUT where the keydir has keys already. */
static void put_item(bitcask *e, pdb *d, const slice_item *it) {
    kdent k;
    kdent_decode(it->entry.data, &k);
    CHECK(k.segment < e->nslots && e->slots[k.segment]);
    loaded x = {.kind = it->is_del ? RECORD_DEL : RECORD_PUT,
                .type = (uint8_t)(k.type | k.hint << 4),
                .pdb = d->number,
                .offset = k.offset,
                .size = k.size,
                .token = it->token,
                .coll = k.coll,
                .expire = k.expire,
                .key = k.key,
                .value = k.value,
                .has_value = k.has_value};
    load_main(e, d, e->slots[k.segment], &x);
}

/* The bytes of what is live are counted by hint where all PUTs are new, and by load_main else. */
static void take_sums(merging *m, pdb *d, const slice_sum *sums, bool live) {
    bitcask *e = m->l->e;
    for (uint32_t i = 0; i < m->n; i++) {
        uint16_t slot = m->hints[i].slot;
        CHECK(slot < e->nslots && sums[i].live <= LOG_FILE_MAX && sums[i].hiding <= LOG_FILE_MAX);
        if (live && sums[i].live) seg_live_add(e, d, slot, (uint32_t)sums[i].live);
        if (sums[i].hiding) seg_hiding_add(e, d, slot, (uint32_t)sums[i].hiding);
    }
}

/* One item that comes to a keydir that is being built. */
static void build_item(merging *m, pdb *d, const slice_item *it) {
    bitcask *e = m->l->e;
    CHECK(m->build && m->pdb == d->number);
    if (!it->is_del) {
        entry_linked(e, d, it->token, keydir_build_add(m->build, it->token, it->entry));
        return;
    }
    kdent k;
    kdent_decode(it->entry.data, &k);
    seg_hiding_add(e, d, k.segment, k.size);
}

/* Gives a slice to its database. */
static void take_slice(merging *m, const load_slice *s) {
    bitcask *e = m->l->e;
    const slice_range *r = load_slice_range(s);
    uint64_t entries = load_slice_entries(s), taken = 0, told = 0;
    slice_item it;
    pdb *d = load_live_pdb(m->l, r->pdb);
    CHECK(d && entries > 0);
    if (m->build && m->pdb != r->pdb) end_build(m);
    m->pdb = r->pdb;
    if (!m->build && keydir_count(pdb_keys(e, d)) == 0) m->build = keydir_build_new(d->keys);
    for (size_t at = 0; load_slice_next(s, &at, &it);) {
        if (m->build)
            build_item(m, d, &it);
        else
            put_item(e, d, &it);
        if (++taken % TELL_ITEMS) continue;
        uint64_t now = r->bytes * taken / entries;
        load_progress(m->l, now - told);
        told = now;
    }
    CHECK(taken <= entries && told <= r->bytes);
    take_sums(m, d, load_slice_sums(s), m->build != NULL);
    e->stats.recovery_records += entries;
    load_progress(m->l, r->bytes - told);
}

/* Of the ranges, those whose database is alive; the rest is dealt with. */
static uint32_t drop_dead(merging *m, slice_range *ranges, uint32_t n) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (load_live_pdb(m->l, ranges[i].pdb))
            ranges[kept++] = ranges[i];
        else
            load_progress(m->l, ranges[i].bytes);
    }
    CHECK(kept <= n);
    return kept;
}

/* The main entries of all, in order: slices are taken as they were begun, round and round. */
static status merge_main(merging *m) {
    aio *a = m->l->e->env->aio;
    uint32_t n, begun = 0, taken = 0;
    status st = STATUS_OK;
    slice_range *ranges = load_slice_plan(m->hints, m->n, &n);
    size_t inline_max = (size_t)bitcask_conf.inline_value_max;
    CHECK(m->n > 0 && !m->build);
    n = drop_dead(m, ranges, n);
    for (uint32_t i = 0; i < SLICES && i < n; i++)
        m->slices[i] = load_slice_new(m->hints, m->n);
    while (taken < begun || (begun < n && status_ok(st))) {
        for (; begun < n && begun < taken + SLICES && status_ok(st); begun++)
            load_slice_start(m->slices[begun % SLICES], a, &ranges[begun], inline_max);
        const load_slice *s = m->slices[taken++ % SLICES];
        while (!load_slice_is_ready(s))
            await(m->l);
        if (status_ok(st)) st = load_slice_result(s);
        if (status_ok(st)) take_slice(m, s);
    }
    end_build(m);
    CHECK(!status_ok(st) || taken == n);
    for (uint32_t i = 0; i < SLICES; i++)
        load_slice_free(m->slices[i]);
    mem_free(ranges);
    return st;
}

/* ---- one hint ----------------------------------------------------------------------------------
 */

/* Its orders, which come first. */
static status take_orders(merging *m, source *x) {
    hint_entry at;
    bool got;
    while (hint_block_next(x->r) == HINT_ORDER) {
        TRY(hint_next(x->r, &at, &got));
        CHECK(got && x->told <= hint_offset(x->r));
        TRY(load_order(m->l, x->s, at.offset, at.size, record_pairs(at.body)));
        tell(m, x, hint_offset(x->r));
    }
    return STATUS_OK;
}

/* Its elements, which come last. */
static status take_elements(merging *m, source *x) {
    hint_entry at;
    loaded e;
    bool got;
    hint_skip_main(x->r);
    x->told = hint_offset(x->r); /* main entries were told slice by slice */
    TRY(hint_next(x->r, &at, &got));
    while (got) {
        if (at.kind != RECORD_DROP) {
            TRY(loaded_of_hint(x->s, &at, &e));
            TRY(load_one(m->l, x->s, &e));
        }
        tell(m, x, hint_offset(x->r));
        TRY(hint_next(x->r, &at, &got));
    }
    return STATUS_OK;
}

/* ---- many --------------------------------------------------------------------------------------
 */

/* Takes all there is of those that are open. */
static status take_all(merging *m) {
    CHECK(m->n > 0 && m->n <= LOAD_HINTS_MAX);
    for (uint32_t i = 0; i < m->n; i++) {
        m->hints[i] = (slice_hint){m->src[i].r, m->src[i].s->slot};
        TRY(take_orders(m, &m->src[i]));
    }
    TRY(merge_main(m));
    for (uint32_t i = 0; i < m->n; i++)
        TRY(take_elements(m, &m->src[i]));
    return STATUS_OK;
}

/* A hint was checked whole before anything of any is taken: what fails later is no reason to read
 * the segment instead. */
status load_hints(load_ctx *l, uint32_t from, uint32_t to, uint32_t *n, bool *bad) {
    CHECK(from < to && to <= l->e->norder);
    uint32_t max = to - from < LOAD_HINTS_MAX ? to - from : LOAD_HINTS_MAX;
    merging m = {.l = l};
    m.src = mem_zalloc(max * sizeof *m.src);
    m.hints = mem_zalloc(max * sizeof *m.hints);
    status s = open_all(&m, from, from + max, bad);
    if (status_ok(s) && m.n) {
        s = take_all(&m);
        if (!status_ok(s)) s = status_make(ST_IO, "%s", s.msg);
    }
    for (uint32_t i = 0; i < m.n; i++) {
        source *x = &m.src[i];
        x->s->hinted = true;
        load_progress(l, hint_size(x->r) - x->told);
        hint_close(x->r);
    }
    CHECK(m.n <= max && !m.build);
    *n = m.n;
    mem_free(m.hints);
    mem_free(m.src);
    return s;
}
