/* find: one key, where it was written last.
 *
 *   active memtable -> frozen ones, newest first -> level 0, newest first -> one table a level
 *
 * The first cell that is found counts, a tombstone's too. Most keys that are not there, and most
 * tables that don't have a key, cost a cache line of a filter each.
 *
 * What is not in memory is asked for in rounds: first the partitions of all tables that may have
 * the key by their bounds, then the data blocks of those that still may by their filters. So a
 * lookup is pending once or twice, however many tables there are. */
#include "base/log.h"
#include "engine/lsm/lsm_int.h"

#define PLACES 16u /* tables looked into together */

/* What a cell that was found means. */
static engine_result judge(slice cell, log_pos pos, found *out) {
    CHECK(cell.len > 0);
    if (!cell_is_there(cell)) return ENGINE_ABSENT;
    *out = (found){.cell = cell, .pos = pos};
    return ENGINE_OK;
}

/* A table that may have the key, and the partition where that would be. */
typedef struct place {
    table *t;
    size_t part;
} place;

/* Looks into one table; true if that settles it, one way or the other, and *r says how. One that
 * has not now what it takes settles nothing, nor does any that is older: those are only asked,
 * until one has the key or can't have it read, so that a round brings all that may be needed. */
static bool look_into(lsm *e, const place *p, lkey key, found *out, engine_result *r) {
    table_hit hit;
    CHECK(p->t != NULL);
    status s = table_get_at(p->t, e->blocks, p->part, key.bytes, key.filter, &hit);
    if (__builtin_expect(table_not_now(s), 0)) {
        *r = ENGINE_PENDING;
        return false;
    }
    e->stats.table_reads += !hit.filtered;
    e->stats.filter_negative += hit.filtered;
    e->stats.filter_false += hit.false_positive;
    bool ends = hit.found || !status_ok(s);
    CHECK(!hit.found || !hit.filtered);
    CHECK(*r == ENGINE_ABSENT || *r == ENGINE_PENDING);
    if (ends && *r == ENGINE_ABSENT) *r = hit.found ? judge(hit.cell, 0, out) : lsm_error(e, s);
    return ends;
}

/* Notes a table whose bounds allow the key, if it has a partition for it. */
static void add_place(lsm *e, const table_ref *t, lkey key, place *places, unsigned *n) {
    CHECK(*n < PLACES);
    if (slice_cmp(t->smallest, key.bytes) > 0 || slice_cmp(t->limit, key.bytes) <= 0) return;
    ptrdiff_t part = table_place(t->t, e->blocks, key.bytes, key.filter);
    if (part >= 0) places[(*n)++] = (place){t->t, (size_t)part};
}

/* Looks into the tables noted, in order. */
static bool look_into_all(lsm *e, const place *places, unsigned *n, lkey key, found *out,
                          engine_result *r) {
    CHECK(*n <= PLACES);
    for (unsigned i = 0; i < *n; i++)
        if (look_into(e, &places[i], key, out, r)) return true;
    *n = 0;
    return false;
}

/* A table of level 0 is asked if its bounds allow the key; of the others one a level can have it.
 * All of them are noted first, so that what each will be asked comes from memory at the same time.
 * (engine-bench, 5 million keys, some thirty tables in level 0: overwrite 4.5 us, 4.2 with it;
 * readmissing 2.6 and 2.1.) */
static engine_result find_in_tables(lsm *e, lkey key, found *out) {
    const version *v = e->current;
    engine_result r = ENGINE_ABSENT;
    place places[PLACES];
    unsigned n = 0;
    if (key.later) key.filter = lkey_filter(e, key.bytes);
    for (uint32_t i = 0; i < v->level[0].n; i++) {
        if (n == PLACES && look_into_all(e, places, &n, key, out, &r)) return r;
        add_place(e, v->level[0].tables[i], key, places, &n);
    }
    for (unsigned l = 1; l < LSM_LEVELS; l++) {
        if (v->level[l].n == 0) continue;
        uint32_t i = version_find(v, l, key.bytes);
        if (i == v->level[l].n) continue;
        if (n == PLACES && look_into_all(e, places, &n, key, out, &r)) return r;
        add_place(e, v->level[l].tables[i], key, places, &n);
    }
    (void)look_into_all(e, places, &n, key, out, &r);
    return r;
}

/* From memtable m on, and then the tables. What is in a memtable has the position that it was
 * logged at; what is in a table is durable. */
static engine_result find_from(lsm *e, const memtable *m, lkey key, found *out) {
    *out = (found){0};
    CHECK(key.bytes.len > 0 && e->current);
    e->stats.reads++;
    for (; m; m = m->older) {
        slice cell;
        log_pos pos;
        if (!memtable_get(m, key.bytes, &cell, &pos)) continue;
        e->stats.memtable_hits++;
        return judge(lsm_cell(e, cell, pos), pos, out);
    }
    return find_in_tables(e, key, out);
}

/* All there is. */
engine_result lsm_find(lsm *e, lkey key, found *out) {
    CHECK(e->active);
    return find_from(e, e->active, key, out);
}

/* All but the active memtable, which the caller has looked into. */
engine_result lsm_find_below(lsm *e, lkey key, found *out) {
    CHECK(e->active);
    return find_from(e, e->active->older, key, out);
}
