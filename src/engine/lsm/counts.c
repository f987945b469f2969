/* counts: how many elements each map of a collection has, and the end of a collection.
 *
 * The counts are a cell of their own, present while there is an element. The log does not have
 * them, as replay comes to the same numbers by the records' flags (L3). So they need not be in the
 * memtable at every change: those of collections that were used lately are in a table, and are
 * *ahead* of their cell, until another collection needs their place, or the memtable is frozen.
 *
 *   read      from the table, else from the cell; then it is in the table, if its place is free
 *   change    in the table alone, after the place was made free
 *   abort     the place is as it was before: whoever came there since had nothing to keep
 *   freeze    all cells are written: behind it, memtables and tables have the counts as of then
 *
 * Reads never write a cell, as slices and references that others hold would not survive that.
 *
 * A collection without an element has left nothing that is present, so dropping it takes no record;
 * dropping any other takes one, and one cell that stands before all its elements (L5). */
#include "engine/lsm/lsm_int.h"

/* Elements in all maps. */
static uint64_t total(const coll_counts *c) {
    uint64_t n = 0;
    CHECK(c->coll > 0);
    for (int i = 0; i < ENGINE_MAPS; i++)
        n += c->n[i];
    return n;
}

/* The place of a collection; ids are given out in order. */
static coll_counts *place_of(lsm *e, uint64_t coll) {
    CHECK(coll > 0);
    return &e->counts.at[coll % COUNTED];
}

/* What is known of it; NULL: nothing. */
static coll_counts *known(lsm *e, uint64_t coll) {
    coll_counts *c = place_of(e, coll);
    if (c->coll == coll) return c;
    return e->counts.other.coll == coll ? &e->counts.other : NULL;
}

/* Makes the cell what the table says. What this batch has changed goes with it if it is aborted;
 * what a former one did is to stay. */
static void write_cell(lsm *e, coll_counts *c) {
    CHECK(c->coll > 0 && c->ahead);
    bool some = total(c) > 0;
    slice key = lkey_coll(&e->key2, c->pdb, c->coll).bytes;
    bool undone = e->batch.open && c->batch == e->batch.number;
    if (some) cell_put_counts(lsm_cell_value(&e->small), c->n);
    if (some || c->stored)
        lsm_cell_settle(e, key, c->pos, some ? &e->small : NULL, c->stored, undone);
    c->stored = some;
    c->ahead = false;
}

/* A place for a collection that is read: its own, if nobody has to be written for that. */
static coll_counts *place_to_read(lsm *e, uint64_t coll) {
    coll_counts *c = place_of(e, coll);
    CHECK(!e->counts.other.ahead);
    return c->ahead ? &e->counts.other : c;
}

/* Absent: all zero. */
engine_result lsm_counts(lsm *e, const lpdb *d, uint64_t coll, const coll_counts **out) {
    found f;
    coll_counts *c = known(e, coll);
    if (!c) {
        coll_counts got = {.coll = coll, .pdb = d->number};
        engine_result r = lsm_find(e, lkey_coll(&e->key2, d->number, coll), &f);
        if (r >= ENGINE_PENDING) return r;
        got.stored = r == ENGINE_OK;
        if (got.stored && !cell_get_counts(f.cell, got.n))
            return lsm_damaged(e, "a collection's counts are malformed");
        c = place_to_read(e, coll);
        *c = got;
    }
    *out = c;
    return ENGINE_OK;
}

/* For who can't be told "not now". They were read a moment ago, so this is about those whose place
 * another collection has taken since: what they need is in the cache, or pinned. */
static engine_result counts_now(lsm *e, const lpdb *d, uint64_t coll, const coll_counts **out) {
    engine_reader *reader = lsm_wait(e);
    engine_result r = lsm_counts(e, d, coll, out);
    lsm_wait_end(e, reader);
    CHECK(r != ENGINE_PENDING);
    return r;
}

/* 0 if they can't be read. */
uint64_t lsm_counts_of(lsm *e, const lpdb *d, uint64_t coll, unsigned map) {
    const coll_counts *c;
    CHECK(map < ENGINE_MAPS);
    return counts_now(e, d, coll, &c) == ENGINE_OK ? c->n[map] : 0;
}

/* Without a look. */
bool lsm_counts_empty(lsm *e, uint64_t coll, unsigned map) {
    const coll_counts *c = known(e, coll);
    CHECK(map < ENGINE_MAPS);
    return c && c->n[map] == 0;
}

/* Known without a look. */
void lsm_counts_new(lsm *e, const lpdb *d, uint64_t coll) {
    CHECK(coll > 0);
    *place_to_read(e, coll) = (coll_counts){.coll = coll, .pdb = d->number};
}

/* In its own place. */
engine_result lsm_counts_take(lsm *e, const lpdb *d, uint64_t coll, coll_counts **out) {
    const coll_counts *c;
    coll_counts *place = place_of(e, coll);
    CHECK(e->batch.open);
    *out = place;
    if (place->coll == coll) return ENGINE_OK;
    if (place->ahead) write_cell(e, place);
    engine_result r = lsm_counts(e, d, coll, &c);
    if (r != ENGINE_OK) return r;
    if (c != place) {
        *place = *c;
        e->counts.other.coll = 0;
    }
    return ENGINE_OK;
}

/* The place as it is, once a batch: for its abort. */
static void save(lsm *e, const coll_counts *c) {
    CHECK(e->batch.open && c->coll > 0);
    undo *u = lsm_undo_next(e);
    u->kind = UNDO_COUNTS;
    u->db = NULL;
    u->counts = *c;
}

/* The cell follows some time. */
void lsm_counts_add(lsm *e, coll_counts *c, unsigned map, int by, log_pos pos) {
    CHECK(map < ENGINE_MAPS && (by == 1 || (by == -1 && c->n[map] > 0)));
    CHECK(c == place_of(e, c->coll));
    if (c->batch != e->batch.number || !c->ahead) save(e, c);
    c->batch = e->batch.number;
    c->ahead = true;
    c->pos = pos;
    c->n[map] += (uint64_t)(int64_t)by;
}

/* Whoever has the place now came in this batch, and what it changed is undone already. */
void lsm_counts_undo(lsm *e, const undo *u) {
    CHECK(u->kind == UNDO_COUNTS && u->counts.coll > 0);
    *place_of(e, u->counts.coll) = u->counts;
}

/* What was only read may have been of the batch. */
void lsm_counts_forget(lsm *e) {
    e->counts.other.coll = 0;
    for (unsigned i = 0; i < COUNTED; i++)
        if (!e->counts.at[i].ahead) e->counts.at[i].coll = 0;
}

/* Cells say all there is to say. */
void lsm_counts_settle(lsm *e) {
    CHECK(!e->batch.open);
    for (unsigned i = 0; i < COUNTED; i++)
        if (e->counts.at[i].ahead) write_cell(e, &e->counts.at[i]);
}

/* ---- the end of a collection
 * --------------------------------------------------------------------- */

/* A record only for what has left something. */
engine_result lsm_coll_log_drop(lsm *e, const lpdb *d, uint64_t coll, bool *any) {
    const coll_counts *c;
    log_pos at;
    *any = false;
    CHECK(e->batch.open);
    engine_result result = lsm_counts(e, d, coll, &c);
    if (result != ENGINE_OK) return result;
    if (total(c) == 0) return ENGINE_OK;
    record r = {.kind = RECORD_DROP, .pdb = d->number, .coll = coll};
    status s = chain_append(&e->log, &r, &at);
    if (!status_ok(s)) return lsm_error(e, s);
    *any = true;
    return ENGINE_OK;
}

/* Its elements stay where they are, in the memtable too, and are read by nobody. How many they are
 * is in the drop, so that a compaction knows what it is worth; if they can't be read, it is the
 * later for it. */
void lsm_coll_drop(lsm *e, const lpdb *d, uint64_t coll, log_pos pos) {
    const coll_counts *c;
    uint64_t n = 1;
    bool stored = true;
    if (counts_now(e, d, coll, &c) == ENGINE_OK) {
        n = total(c);
        stored = c->stored;
        if (c->ahead) save(e, c);
        known(e, coll)->ahead = false;
        known(e, coll)->coll = 0;
    }
    e->active->hidden += n;
    if (stored) lsm_cell_del(e, lkey_coll(&e->key2, d->number, coll).bytes, pos);
    cell_put_drop(lsm_cell_value(&e->small), n);
    lsm_cell_put(e, lkey_drop(&e->key2, d->number, coll).bytes, pos, &e->small, true);
}
