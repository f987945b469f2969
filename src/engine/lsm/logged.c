/* logged: see logged.h.
 *
 *   the open batch     put ... put                 runs, counted from the batch's begin, as it may
 *        │ commit                                  still move to another file
 *   in the log's tail  |chunk|chunk|chunk|         runs, at their positions; read by logwrite_read
 *        │ written, forgotten: take
 *   here               |chunk|chunk|chunk|         read by a search among the chunks
 *        │ memtables freed: logged_release
 *        v  given back, in slices
 *
 * A chunk may have records of several memtables; since these are flushed in order, it goes with
 * the newest. Memtables' numbers ascend with positions, so chunks go from the front. */
#include "engine/lsm/logged.h"

#include "base/mem.h"
#include "base/mem_later.h"
#include "engine/lsm/lsm_int.h"

#define CHUNKS_FIRST 64
#define RUNS_FIRST   8

/* ---- what is left ------------------------------------------------------------------------------
 */

/* The record ends at the batch's end, and joins the last run if there is little between them. */
static void add_run(logged *l, uint64_t end, uint32_t size) {
    logged_run *last = l->batch_runs ? &l->runs[l->nruns - 1] : NULL;
    CHECK(end >= size && (!last || last->to <= end - size));
    if (last && end - size - last->to <= logwrite_chunk) {
        last->to = end;
        return;
    }
    if (l->nruns == l->runs_cap)
        l->runs = mem_more(l->runs, &l->runs_cap, RUNS_FIRST, sizeof *l->runs);
    l->runs[l->nruns++] = (logged_run){.from = end - size, .to = end};
    l->batch_runs++;
}

/* Short values are worth no look elsewhere, and short batches no chunk that is kept for them. */
void logged_leave(lsm *e, const record *r, size_t bytes, buf *cell) {
    uint32_t all = logwrite_batch_bytes(e->log.tail);
    CHECK(e->batch.open && r->size <= all);
    if (all <= (uint64_t)lsm_limit.logged_batch) return;
    if (r->value.len < (size_t)lsm_limit.logged_value) return;
    cell_put_logged(lsm_cell_value(cell), r->size);
    add_run(&e->logged, all, r->size);
    e->logged.batch_bytes += bytes;
}

/* Its records have their places now. */
void logged_commit(lsm *e) {
    logged *l = &e->logged;
    CHECK(e->batch.open && l->batch_runs <= l->nruns);
    log_pos begin = chain_log_end(&e->log) - logwrite_batch_bytes(e->log.tail);
    for (uint32_t i = l->nruns - l->batch_runs; i < l->nruns; i++) {
        l->runs[i].from += begin;
        l->runs[i].to += begin;
        l->runs[i].memtable = e->active->number;
    }
    e->active->logged += l->batch_bytes;
    l->batch_runs = 0;
    l->batch_bytes = 0;
}

/* The cells are gone, or will be. */
void logged_abort(lsm *e) {
    logged *l = &e->logged;
    CHECK(l->batch_runs <= l->nruns);
    l->nruns -= l->batch_runs;
    l->batch_runs = 0;
    l->batch_bytes = 0;
}

/* ---- what was the tail's -----------------------------------------------------------------------
 */

/* logwrite_heir.takes: chunks come in order, and so runs are over in order. */
static bool take(void *ctx, log_pos from, log_pos to, char *data, uint32_t cap) {
    lsm *e = ctx;
    logged *l = &e->logged;
    uint64_t newest = 0;
    uint32_t over = 0, n = l->nruns - l->batch_runs;
    if (__builtin_expect(n == 0, 1)) return false;
    for (uint32_t i = 0; i < n && l->runs[i].from < to; i++) {
        if (l->runs[i].to > from) newest = l->runs[i].memtable;
        over += l->runs[i].to <= to;
    }
    l->nruns -= over;
    memmove(l->runs, l->runs + over, l->nruns * sizeof *l->runs);
    if (newest == 0) return false;
    CHECK(l->nchunks == 0 || l->chunks[l->nchunks - 1].to <= from);
    if (l->nchunks == l->chunks_cap)
        l->chunks = mem_more(l->chunks, &l->chunks_cap, CHUNKS_FIRST, sizeof *l->chunks);
    l->chunks[l->nchunks++] = (logged_chunk){from, to, data, cap, newest};
    l->bytes += cap;
    mem_inherit(data, cap);
    return true;
}

/* The chunk with the byte at pos. */
static const logged_chunk *find_chunk(const logged *l, log_pos pos) {
    uint32_t low = 0, high = l->nchunks;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (l->chunks[mid].to <= pos)
            low = mid + 1;
        else
            high = mid;
    }
    CHECK(low < l->nchunks && l->chunks[low].from <= pos);
    return &l->chunks[low];
}

/* Memory of this process, of a record that it made: what does not fit is a defect. */
slice logged_cell(const lsm *e, slice cell, log_pos pos, buf *out, buf *scratch) {
    uint32_t size = cell_get_logged(cell);
    slice bytes, value;
    record r;
    CHECK(log_pos_offset(pos) > size);
    if (!logwrite_read(e->log.tail, pos - size, &bytes)) {
        const logged_chunk *c = find_chunk(&e->logged, pos - size);
        CHECK(pos <= c->to);
        bytes = slice_of(c->data + (pos - size - c->from), size);
    }
    record_result result = record_parse(bytes.data, bytes.len, &r);
    CHECK(result == RECORD_OK && r.size == size);
    status s = pack_undo(&r, scratch, &value);
    CHECK(status_ok(s));
    buf_clear(out);
    if (r.kind == RECORD_MAP_PUT)
        cell_put_sub(out, r.expire, value);
    else
        cell_put_val(out, value);
    return buf_slice(out);
}

/* The next read's is made in the same place. */
slice logged_read(lsm *e, slice cell, log_pos pos) {
    CHECK(e->log.tail && pos > 0);
    return logged_cell(e, cell, pos, &e->whole, &e->plain);
}

/* A run is there until the last chunk that has some of it is taken. */
bool logged_in_tail(const lsm *e, const memtable *m) {
    const logged *l = &e->logged;
    CHECK(l->batch_runs == 0);
    return l->nruns > 0 && l->runs[0].memtable <= m->number;
}

/* ---- the end -----------------------------------------------------------------------------------
 */

/* Gives the first n chunks back. */
static void release(logged *l, uint32_t n) {
    CHECK(n <= l->nchunks);
    if (n == 0) return;
    for (uint32_t i = 0; i < n; i++) {
        logged_chunk *c = &l->chunks[i];
        CHECK(l->bytes >= c->cap);
        l->bytes -= c->cap;
        mem_count_inherited(-(int64_t)c->cap);
        mem_unmap_later(c->data, c->cap);
    }
    l->nchunks -= n;
    memmove(l->chunks, l->chunks + n, l->nchunks * sizeof *l->chunks);
}

/* Those before the oldest memtable that is left. */
void logged_release(lsm *e) {
    logged *l = &e->logged;
    uint64_t oldest = UINT64_MAX;
    uint32_t n = 0;
    if (l->nchunks == 0) return;
    for (const memtable *m = e->active; m; m = m->older)
        oldest = m->number;
    for (const memtable *m = e->dying; m; m = m->older)
        if (m->number < oldest) oldest = m->number;
    while (n < l->nchunks && l->chunks[n].memtable < oldest)
        n++;
    release(l, n);
}

/* No child, no worker looks at it. */
void logged_init(lsm *e) {
    CHECK(!e->logged.chunks);
    e->logged.heir = (logwrite_heir){.takes = take, .ctx = e};
}

/* All at once. */
void logged_free(lsm *e) {
    logged *l = &e->logged;
    release(l, l->nchunks);
    CHECK(l->bytes == 0);
    mem_free(l->chunks);
    mem_free(l->runs);
    l->chunks = NULL;
    l->runs = NULL;
}
