/* version: lists of tables, shared by reference.
 *
 *   version 7   L0 [ t9 t8 ]   L1 [ t3 | t5 ]   L2 [ t1 | t2 | t4 ]
 *                    |   \          |                  |
 *   version 8   L0 [ t9 ]      L1 [ t3 | t10 ]  L2 [ t1 | t2 | t4 ]     after t8 + t5 -> t10
 *
 * A version is seven arrays of pointers, so making the next one costs a copy of them: 8 bytes a
 * table, a few times a second at most. Each version holds one reference of each of its tables; the
 * last one closes the table.
 *
 *  V1. Level 0 is by recency, the newest first; those that have the same (one flush wrote them) are
 *      disjoint and by smallest.
 *  V2. In each other level a table's limit is <= the next one's smallest.
 *  V3. A level's bytes, entries and tombstones are the sums of its tables'. */
#include "engine/lsm/version.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

/* ---- tables -----------------------------------------------------------------------------------
 */

/* The bounds are copied behind the struct, so that a table is one allocation beside its file's. */
status table_ref_open(vfs *fs, const char *dir, uint64_t store_id, const manifest_table *m,
                      table_ref **out) {
    char path[FILE_PATH_MAX];
    table *t;
    *out = NULL;
    CHECK(m->level < LSM_LEVELS && slice_cmp(m->smallest, m->limit) < 0);
    TRY(file_path(path, dir, FILE_TABLE, m->number));
    TRY(table_open(fs, path, store_id, m->number, m->length, &t));
    table_ref *r = mem_alloc(sizeof *r + m->smallest.len + m->limit.len);
    *r = (table_ref){.number = m->number,
                     .refs = 1,
                     .level = (uint8_t)m->level,
                     .recency = m->recency,
                     .length = m->length,
                     .entries = m->entries,
                     .tombstones = m->tombstones,
                     .hidden = m->hidden,
                     .plain = m->plain_bytes,
                     .t = t};
    char *p = (char *)(r + 1);
    if (m->smallest.len) memcpy(p, m->smallest.data, m->smallest.len);
    memcpy(p + m->smallest.len, m->limit.data, m->limit.len);
    r->smallest = slice_of(p, m->smallest.len);
    r->limit = slice_of(p + m->smallest.len, m->limit.len);
    *out = r;
    return STATUS_OK;
}

/* One more user. */
table_ref *table_ref_keep(table_ref *t) {
    CHECK(t->refs > 0);
    t->refs++;
    return t;
}

/* One user fewer; the last closes the file. */
void table_ref_release(table_ref *t) {
    CHECK(t->refs > 0);
    if (--t->refs > 0) return;
    table_close(t->t);
    mem_free(t);
}

/* Both ranges are half open. */
bool table_ref_overlaps(const table_ref *t, slice from, slice to) {
    return slice_cmp(t->limit, from) > 0 && (to.len == 0 || slice_cmp(t->smallest, to) < 0);
}

/* ---- searching --------------------------------------------------------------------------------
 */

/* By bisection: limits ascend (V2). */
uint32_t tables_find(table_ref *const *tables, uint32_t n, slice key) {
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (slice_cmp(tables[mid]->limit, key) > 0)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* Only where tables are disjoint. */
uint32_t version_find(const version *v, unsigned level, slice key) {
    CHECK(level >= 1 && level < LSM_LEVELS);
    return tables_find(v->level[level].tables, v->level[level].n, key);
}

/* From the first whose limit is above `from`, as far as they begin before `to`. */
uint32_t version_overlap(const version *v, unsigned level, slice from, slice to, uint32_t *first) {
    uint32_t n = v->level[level].n;
    *first = version_find(v, level, from);
    if (to.len == 0) return n - *first;
    uint32_t low = *first, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (slice_cmp(v->level[level].tables[mid]->smallest, to) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    CHECK(low >= *first && low <= n);
    return low - *first;
}

/* One table a level can be the one. */
bool version_below_may_hold(const version *v, unsigned level, slice key) {
    CHECK(key.len > 0);
    for (unsigned l = level + 1; l < LSM_LEVELS; l++) {
        uint32_t i = version_find(v, l, key);
        if (i < v->level[l].n && slice_cmp(v->level[l].tables[i]->smallest, key) <= 0) return true;
    }
    return false;
}

/* The first that could overlap does, or none. */
bool version_below_overlaps(const version *v, unsigned level, slice from, slice to) {
    CHECK(to.len == 0 || slice_cmp(from, to) < 0);
    for (unsigned l = level + 1; l < LSM_LEVELS; l++) {
        uint32_t i = version_find(v, l, from);
        if (i < v->level[l].n && table_ref_overlaps(v->level[l].tables[i], from, to)) return true;
    }
    return false;
}

/* Of all tables' files. */
uint64_t version_bytes(const version *v) {
    uint64_t sum = 0;
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        sum += v->level[l].bytes;
    return sum;
}

/* Of all levels. */
uint32_t version_tables(const version *v) {
    uint32_t sum = 0;
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        sum += v->level[l].n;
    return sum;
}

/* ---- making the next one ----------------------------------------------------------------------
 */

/* No tables at all. */
version *version_empty(void) {
    version *v = mem_zalloc(sizeof *v);
    v->refs = 1;
    return v;
}

/* One more user. */
version *version_keep(version *v) {
    CHECK(v->refs > 0);
    v->refs++;
    return v;
}

/* The last user's tables are let go with it. */
void version_release(version *v) {
    if (!v) return;
    CHECK(v->refs > 0);
    if (--v->refs > 0) return;
    for (unsigned l = 0; l < LSM_LEVELS; l++) {
        for (uint32_t i = 0; i < v->level[l].n; i++)
            table_ref_release(v->level[l].tables[i]);
        mem_free(v->level[l].tables);
    }
    mem_free(v);
}

/* Appends to a level that has room for it, and counts it (V3). */
static void append(version *v, unsigned level, table_ref *t) {
    CHECK(level < LSM_LEVELS && t->refs > 0);
    v->level[level].tables[v->level[level].n++] = t;
    v->level[level].bytes += t->length;
    v->level[level].entries += t->entries;
    v->level[level].tombstones += t->tombstones + t->hidden;
}

/* For qsort: V1. */
static int by_recency(const void *a, const void *b) {
    const table_ref *x = *(table_ref *const *)a, *y = *(table_ref *const *)b;
    int c = (x->recency < y->recency) - (x->recency > y->recency);
    return c ? c : slice_cmp(x->smallest, y->smallest);
}

/* For qsort and bsearch. */
static int by_number(const void *a, const void *b) {
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* The level where the change puts a table that was in `level`; LSM_LEVELS: it goes. Drops are
 * sorted, as a FLUSHALL may be about all tables there are. */
static unsigned place_after(const version_change *c, const uint32_t *drops, const table_ref *t,
                            unsigned level) {
    if (c->ndrop && bsearch(&t->number, drops, c->ndrop, sizeof *drops, by_number))
        return LSM_LEVELS;
    for (size_t i = 0; i < c->nmoved; i++)
        if (c->moved[i] == t->number) return c->moved_to[i];
    return level;
}

/* For qsort: V2. */
static int by_smallest(const void *a, const void *b) {
    const table_ref *x = *(table_ref *const *)a, *y = *(table_ref *const *)b;
    return slice_cmp(x->smallest, y->smallest);
}

/* Puts the tables of v's level where they are after the change; returns how many go, and marks the
 * levels that are out of order now. */
static size_t carry_level(version *out, const version *v, unsigned level, const version_change *c,
                          const uint32_t *drops, bool dirty[LSM_LEVELS]) {
    size_t gone = 0;
    for (uint32_t i = 0; i < v->level[level].n; i++) {
        table_ref *t = v->level[level].tables[i];
        unsigned to = place_after(c, drops, t, level);
        if (to == LSM_LEVELS) {
            gone++;
            continue;
        }
        CHECK(to < LSM_LEVELS);
        dirty[to] |= to != level;
        t->level = (uint8_t)to;
        append(out, to, table_ref_keep(t));
    }
    return gone;
}

/* What stays or moves gets one more reference, what comes brings its own. A level is sorted anew
 * only if something came to it: what goes leaves the others in order. */
version *version_after(const version *v, const version_change *c) {
    version *out = version_empty();
    size_t gone = 0;
    bool dirty[LSM_LEVELS] = {false};
    uint32_t *drops = c->ndrop ? mem_dup(c->drop, c->ndrop * sizeof *drops) : NULL;
    if (drops) qsort(drops, c->ndrop, sizeof *drops, by_number);
    for (unsigned l = 0; l < LSM_LEVELS; l++) {
        size_t room = v->level[l].n + c->nadd + c->nmoved;
        out->level[l].tables = room ? mem_alloc(room * sizeof(table_ref *)) : NULL;
    }
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        gone += carry_level(out, v, l, c, drops, dirty);
    CHECK(gone == c->ndrop);
    mem_free(drops);
    for (size_t i = 0; i < c->nadd; i++) {
        append(out, c->add[i]->level, c->add[i]);
        dirty[c->add[i]->level] = true;
    }
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        if (dirty[l])
            qsort(out->level[l].tables, out->level[l].n, sizeof(table_ref *),
                  l ? by_smallest : by_recency);
    version_check(out);
    return out;
}

/* ---- the check --------------------------------------------------------------------------------
 */

/* V1, V2, V3, from the tables themselves. */
void version_check(const version *v) {
    CHECK(v->refs > 0);
    for (unsigned l = 0; l < LSM_LEVELS; l++) {
        uint64_t bytes = 0, entries = 0, tombstones = 0;
        for (uint32_t i = 0; i < v->level[l].n; i++) {
            const table_ref *t = v->level[l].tables[i];
            CHECK(t->refs > 0 && slice_cmp(t->smallest, t->limit) < 0);
            if (i > 0) {
                const table_ref *before = v->level[l].tables[i - 1];
                CHECK(l > 0 || before->recency >= t->recency);
                if (l > 0 || before->recency == t->recency)
                    CHECK(slice_cmp(before->limit, t->smallest) <= 0);
            }
            bytes += t->length;
            entries += t->entries;
            tombstones += t->tombstones + t->hidden;
        }
        CHECK(bytes == v->level[l].bytes && entries == v->level[l].entries);
        CHECK(tombstones == v->level[l].tombstones);
    }
}
