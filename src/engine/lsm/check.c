/* check: engine_check: everything is counted again, and compared with what was kept count of.
 *
 *   memtables   the tree's order; how many pairs are tombstones
 *   tables      order, bounds, how many entries; levels: disjoint, sorted, their sums
 *   databases   entries and expire times against the totals; each value that is apart; the due
 *               index, pair by pair; elements against the counts of their collections, each of
 * which has one owner
 *
 * Reads all there is, so it is slow, and goes through no cache. Elements of dropped collections are
 * still there until a compaction has come by; nobody reads them, and so they are passed over. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/dict.h"
#include "base/mem.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

typedef struct checking {
    lsm *e;
    buf *report;
    uint64_t wrong;
    const lpdb *d; /* the database being walked */
    dict *colls;   /* id (8 bytes) -> seen_coll */
    uint64_t keys, expires, apart, vals, dues;
    int64_t due_first;
    buf key;
} checking;

/* A collection that an entry owns. */
typedef struct seen_coll {
    uint64_t owners, counts[ENGINE_MAPS];
} seen_coll;

/* One line of the report. */
static void wrong(checking *c, const char *fmt, ...) {
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    buf_printf(c->report, "%s\n", line);
    c->wrong++;
}

/* Two numbers that must be equal. */
static void expect(checking *c, const char *what, uint64_t id, uint64_t kept, uint64_t counted) {
    CHECK(what != NULL);
    if (kept == counted) return;
    wrong(c, "%s (%" PRIu64 "): %" PRIu64 " kept, %" PRIu64 " counted", what, id, kept, counted);
}

/* ---- memtables, tables --------------------------------------------------------------------------
 */

/* One memtable by itself. */
static void check_memtable(checking *c, const memtable *m) {
    btree_iter it;
    uint64_t tombstones = 0;
    btree_check(m->tree);
    CHECK(m == c->e->active || m->end > 0);
    for (bool more = btree_first(m->tree, &it); more; more = btree_next(&it)) {
        lkey_parts parts;
        slice cell = memtable_cell(btree_iter_value(&it), NULL);
        CHECK(cell.len > 0);
        if (!cell_is_there(cell)) tombstones++;
        if (!lkey_parse(btree_iter_key(&it), &parts))
            wrong(c, "memtable %" PRIu64 ": a malformed key", m->number);
    }
    expect(c, "tombstones of a memtable", m->number, m->tombstones, tombstones);
}

/* One table: read from its beginning to its end. */
static void check_table(checking *c, const table_ref *t) {
    CHECK(t->refs > 0 && t->t);
    uint64_t entries = 0, tombstones = 0, hidden = 0;
    buf last = {0};
    table_iter *i = table_iter_new(t->t, NULL, 0);
    for (table_iter_seek_first(i); table_iter_valid(i); table_iter_next(i), entries++) {
        slice key = table_iter_key(i);
        CHECK(table_iter_cell(i).len > 0);
        char tag = table_iter_cell(i).data[0];
        tombstones += tag == CELL_TOMBSTONE;
        hidden += table_hidden_by(table_iter_cell(i));
        if (entries > 0 && slice_cmp(buf_slice(&last), key) >= 0)
            wrong(c, "table %u: keys out of order", t->number);
        if (slice_cmp(key, t->smallest) < 0 || slice_cmp(key, t->limit) >= 0)
            wrong(c, "table %u: a key out of its bounds", t->number);
        buf_clear(&last);
        buf_append_slice(&last, key);
    }
    status s = table_iter_status(i);
    if (!status_ok(s)) wrong(c, "table %u: %s", t->number, s.msg);
    table_iter_free(i);
    buf_free(&last);
    expect(c, "entries of a table", t->number, t->entries, entries);
    expect(c, "tombstones of a table", t->number, t->tombstones, tombstones);
    expect(c, "what drops of a table hide", t->number, t->hidden, hidden);
}

/* One level's order and sums. */
static void check_level(checking *c, unsigned level) {
    const version *v = c->e->current;
    uint64_t bytes = 0, entries = 0;
    CHECK(level < LSM_LEVELS);
    for (uint32_t i = 0; i < v->level[level].n; i++) {
        const table_ref *t = v->level[level].tables[i];
        const table_ref *next = i + 1 < v->level[level].n ? v->level[level].tables[i + 1] : NULL;
        check_table(c, t);
        bytes += t->length;
        entries += t->entries;
        expect(c, "level of a table", t->number, t->level, level);
        if (next && level == 0 && next->recency > t->recency)
            wrong(c, "level 0: table %u is newer than the one before it", next->number);
        if (next && level > 0 && slice_cmp(t->limit, next->smallest) > 0)
            wrong(c, "level %u: tables %u and %u overlap", level, t->number, next->number);
    }
    expect(c, "bytes of a level", level, v->level[level].bytes, bytes);
    expect(c, "entries of a level", level, v->level[level].entries, entries);
}

/* ---- databases ----------------------------------------------------------------------------------
 */

/* The owned collection of that id; NULL: nobody owns it. */
static seen_coll *coll_of(checking *c, uint64_t id, bool make) {
    CHECK(c->colls);
    slice key = slice_of(&id, sizeof id);
    seen_coll *s = dict_get(c->colls, key);
    if (s || !make) return s;
    s = mem_zalloc(sizeof *s);
    void *old = dict_set(c->colls, key, s);
    CHECK(old == NULL);
    return s;
}

/* An entry: its value, its due pair, its collection. */
static void check_main(checking *c, const lkey_parts *k, slice cell) {
    main_cell m;
    found f;
    lsm *e = c->e;
    slice value;
    c->keys++;
    if (!cell_get_main(cell, &m)) {
        wrong(c, "pdb %u: a malformed entry", c->d->number);
        return;
    }
    lsm_hash h = lkey_hash(e, k->key);
    if (h.place != k->place) wrong(c, "pdb %u: an entry under another place", c->d->number);
    if (m.coll) coll_of(c, m.coll, true)->owners++;
    if (m.apart) {
        c->apart++;
        bool there = lsm_find(e, lkey_val(&c->key, c->d->number, h, k->key), &f) == ENGINE_OK;
        if (!there || !cell_get_val(f.cell, &value) || value.len != m.value_len)
            wrong(c, "pdb %u: the value of an entry is missing", c->d->number);
    }
    if (!m.expire) return;
    c->expires++;
    if (lsm_find(e, lkey_due(&c->key, c->d->number, m.expire, h), &f) != ENGINE_OK)
        wrong(c, "pdb %u: an expire time is not in the index", c->d->number);
}

/* What is at one key. */
static void check_one(checking *c, slice key, slice cell) {
    lkey_parts k;
    seen_coll *s;
    slice value;
    uint64_t counts[ENGINE_MAPS];
    int64_t when;
    if (!lkey_parse(key, &k) || k.pdb != c->d->number) {
        wrong(c, "pdb %u: a malformed key", c->d->number);
        return;
    }
    switch (k.kind) {
    case LKEY_MAIN: check_main(c, &k, cell); break;
    case LKEY_VAL:
        c->vals++;
        if (!cell_get_val(cell, &value)) wrong(c, "pdb %u: a malformed value", c->d->number);
        break;
    case LKEY_SUB:
        s = coll_of(c, k.coll, false);
        if (!s) break;
        if (!cell_get_sub(cell, &when, &value))
            wrong(c, "collection %" PRIu64 ": a malformed element", k.coll);
        CHECK(!k.drop && k.map < ENGINE_MAPS);
        s->counts[k.map]++;
        break;
    case LKEY_COLL:
        if (!coll_of(c, k.coll, false))
            wrong(c, "collection %" PRIu64 " has counts and no owner", k.coll);
        if (!cell_get_counts(cell, counts))
            wrong(c, "collection %" PRIu64 ": malformed counts", k.coll);
        break;
    default:
        if (c->dues++ == 0) c->due_first = k.when;
        break;
    }
}

/* Collections against what the engine says of them. */
static void check_colls(checking *c) {
    size_t pos = 0;
    slice key;
    void *value;
    while (dict_next(c->colls, &pos, &key, &value)) {
        const seen_coll *s = value;
        const coll_counts *counts;
        uint64_t id;
        CHECK(key.len == sizeof id);
        memcpy(&id, key.data, sizeof id);
        expect(c, "owners of a collection", id, 1, s->owners);
        if (lsm_counts(c->e, c->d, id, &counts) != ENGINE_OK) {
            wrong(c, "collection %" PRIu64 ": %s", id, c->e->error.msg);
            continue;
        }
        for (unsigned i = 0; i < ENGINE_MAPS; i++)
            expect(c, "elements of a map", id, counts->n[i], s->counts[i]);
    }
}

/* One database: all of its keys lie together, entries first. */
static void check_pdb(checking *c, const lpdb *d) {
    lsm *e = c->e;
    buf from = {0}, to = {0};
    CHECK(d->mapped && lsm_pdb_find(e, d->number) == d);
    c->d = d;
    c->keys = c->expires = c->apart = c->vals = c->dues = 0;
    c->due_first = 0;
    c->colls = dict_new(false);
    slice first = lkey_kind_start(&from, d->number, LKEY_MAIN);
    slice end = lkey_kind_start(&to, d->number, LKEY_DUE + 1);
    walk *w = walk_new(e, first, end, WALK_SCAN);
    for (bool more = walk_first(w); more; more = walk_next(w))
        check_one(c, walk_key(w), walk_cell(w));
    status s = walk_status(w);
    if (!status_ok(s)) wrong(c, "pdb %u: %s", d->number, s.msg);
    walk_free(e, w);
    check_colls(c);
    expect(c, "keys", d->number, d->totals.keys, c->keys);
    expect(c, "keys that expire", d->number, d->totals.expires, c->expires);
    expect(c, "values apart", d->number, c->apart, c->vals);
    expect(c, "pairs of the due index", d->number, c->expires, c->dues);
    if (c->dues && d->totals.low.when > c->due_first)
        wrong(c, "pdb %u: the due index begins before where it should", d->number);
    if (c->dues && d->totals.due_known)
        expect(c, "the next due time", d->number, (uint64_t)d->totals.next.when,
               (uint64_t)c->due_first);
    dict_free(c->colls, mem_free);
    buf_free(&from);
    buf_free(&to);
}

/* engine_check. Not inside a batch. It waits for the disk, whoever reads. */
status lsm_check(engine *base, buf *report) {
    lsm *e = lsm_of(base);
    CHECK(!e->batch.open);
    checking c = {.e = e, .report = report};
    uint32_t frozen = 0;
    engine_reader *reader = lsm_wait(e);
    lsm_counts_settle(e);
    for (const memtable *m = e->active; m; m = m->older) {
        check_memtable(&c, m);
        frozen += m != e->active;
    }
    expect(&c, "frozen memtables", 0, e->nfrozen, frozen);
    for (unsigned level = 0; level < LSM_LEVELS; level++)
        check_level(&c, level);
    for (uint32_t i = 0; i < e->npdbs; i++)
        if (e->pdbs[i]->mapped) check_pdb(&c, e->pdbs[i]);
    cache_check(e->blocks);
    lsm_wait_end(e, reader);
    buf_free(&c.key);
    return c.wrong ? status_make(ST_CORRUPT, "%" PRIu64 " things do not add up", c.wrong)
                   : STATUS_OK;
}
