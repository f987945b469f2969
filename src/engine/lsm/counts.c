/* counts: how many elements each map of a collection has, and the end of a collection.
 *
 * The counts are a cell of their own, present as long as there is an element, and written again by
 * each change of them; the log does not have them, as replay comes to the same numbers by the
 * records' flags (L3). Those of the collection used last are kept beside it, so that a command that
 * puts a hundred elements does not look a hundred times.
 *
 * A collection without an element has left nothing that is present, so dropping it takes no record;
 * dropping any other takes one, and one cell that stands before all its elements (L5). */
#include "engine/lsm/lsm_int.h"

/* Absent: all zero. */
engine_result lsm_counts(lsm *e, const lpdb *d, uint64_t coll, uint64_t counts[ENGINE_MAPS]) {
    found f;
    CHECK(coll > 0);
    if (e->counted != coll) {
        engine_result r = lsm_find(e, lkey_coll(&e->key2, d->number, coll), &f);
        if (r == ENGINE_ERROR) return r;
        e->counted = 0;
        if (r == ENGINE_ABSENT)
            memset(e->counts, 0, sizeof e->counts);
        else if (!cell_get_counts(f.cell, e->counts))
            return lsm_damaged(e, "a collection's counts are malformed");
        e->counted = coll;
    }
    memcpy(counts, e->counts, sizeof e->counts);
    return ENGINE_OK;
}

/* Known without a look. */
void lsm_counts_new(lsm *e, uint64_t coll) {
    CHECK(coll > 0);
    e->counted = coll;
    memset(e->counts, 0, sizeof e->counts);
}

/* Elements in all maps. */
static uint64_t total(const uint64_t counts[ENGINE_MAPS]) {
    uint64_t n = 0;
    CHECK(counts);
    for (int i = 0; i < ENGINE_MAPS; i++)
        n += counts[i];
    return n;
}

/* The cell appears with the first element and goes with the last. */
void lsm_counts_add(lsm *e, const lpdb *d, uint64_t coll, uint64_t counts[ENGINE_MAPS],
                    unsigned map, int by, log_pos pos) {
    CHECK(map < ENGINE_MAPS && (by == 1 || (by == -1 && counts[map] > 0)));
    bool had = total(counts) > 0;
    counts[map] += (uint64_t)(int64_t)by;
    lkey k = lkey_coll(&e->key2, d->number, coll);
    if (total(counts) > 0) {
        cell_put_counts(lsm_cell_value(&e->small), counts);
        lsm_cell_put(e, k.bytes, pos, &e->small, had);
    } else {
        lsm_cell_del(e, k.bytes, pos);
    }
    if (e->counted != coll) return;
    memcpy(e->counts, counts, sizeof e->counts);
}

/* A record only for what has left something. */
engine_result lsm_coll_log_drop(lsm *e, const lpdb *d, uint64_t coll, bool *any) {
    uint64_t counts[ENGINE_MAPS];
    log_pos at;
    *any = false;
    CHECK(e->batch.open);
    if (lsm_counts(e, d, coll, counts) != ENGINE_OK) return ENGINE_ERROR;
    if (total(counts) == 0) return ENGINE_OK;
    record r = {.kind = RECORD_DROP, .pdb = d->number, .coll = coll};
    status s = chain_append(&e->log, &r, &at);
    if (!status_ok(s)) return lsm_error(e, s);
    *any = true;
    return ENGINE_OK;
}

/* Its elements stay where they are, in the memtable too, and are read by nobody. How many they are
 * is in the drop, so that a compaction knows what it is worth. */
void lsm_coll_drop(lsm *e, const lpdb *d, uint64_t coll, log_pos pos) {
    uint64_t counts[ENGINE_MAPS], n = 1; /* if they can't be read: compaction is the later for it */
    CHECK(coll > 0);
    if (lsm_counts(e, d, coll, counts) == ENGINE_OK) n = total(counts);
    e->counted = 0;
    e->active->hidden += n;
    lsm_cell_del(e, lkey_coll(&e->key2, d->number, coll).bytes, pos);
    cell_put_drop(lsm_cell_value(&e->small), n);
    lsm_cell_put(e, lkey_drop(&e->key2, d->number, coll).bytes, pos, &e->small, true);
}
