/* check: engine_check: counts everything again and compares.
 *
 * For tests and DEBUG. Walks every entry and element, reads its record (from the tail or the disk,
 * past the cache) and compares it with what memory says; then compares the sums with the counters
 * that are kept up to date on the way. What is wrong is a line in the report each.
 *
 * What is compared, and with what it must agree:
 *
 *   keys, keys that expire       the keydir's counts
 *   pairs of the expire index    at most one an entry that expires, at least one if there are any
 *   elements of each map         the collection's counts
 *   derived maps                 what is derived of map 0, where they are made
 *   collections                  entries that own one, one each
 *   live bytes                   sums over entries, elements, and what dropped collections still
 *                                count, by database and by segment
 *   hiding bytes                 sums over databases, by segment
 *   the value cache, the trees   their own checks */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/derive.h"
#include "engine/bitcask/ops.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

typedef struct checking {
    bitcask *e;
    buf *report;
    uint64_t *live; /* of one database, by slot */
    uint64_t *all;  /* of all, by slot */
    uint64_t wrong;
} checking;

/* A line in the report. */
__attribute__((format(printf, 2, 3))) static void wrong(checking *c, const char *fmt, ...) {
    char line[256];
    va_list ap;
    c->wrong++;
    if (!c->report || c->wrong > 100) return;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    CHECK(n > 0);
    buf_printf(c->report, "%s\n", line);
}

#define EXPECT(c, name, got, want)                                                                 \
    do {                                                                                           \
        uint64_t got_ = (got), want_ = (want);                                                     \
        if (got_ != want_) wrong(c, "%s: %" PRIu64 ", should be %" PRIu64, name, got_, want_);     \
    } while (0)

/* The record at w is read and must be what the index says. */
static bool read_back(checking *c, const value_want *w, record *r) {
    if (w->slot >= c->e->nslots || !c->e->slots[w->slot]) {
        wrong(c, "pdb %u: an entry in slot %u, which is empty", w->pdb, w->slot);
        return false;
    }
    status s = value_record(c->e, w, r);
    if (!status_ok(s)) wrong(c, "pdb %u: %s", w->pdb, s.msg);
    c->live[w->slot] += w->size;
    c->all[w->slot] += w->size;
    return status_ok(s);
}

/* The inline value must be the record's. */
static void check_value(checking *c, bool has_value, slice value, const record *r) {
    if (!has_value) return;
    if (r->flags & RECORD_LZ4 || !slice_eq(value, r->value))
        wrong(c, "pdb %u: an inline value of %zu bytes is not the record's", r->pdb, value.len);
}

/* One main entry. */
static void check_entry(checking *c, const pdb *d, const char *p, uint64_t *expires,
                        uint64_t *owners) {
    CHECK(d->keys);
    kdent k;
    record r;
    kdent_decode(p, &k);
    value_want w = {.kind = RECORD_PUT,
                    .slot = k.segment,
                    .pdb = d->number,
                    .offset = k.offset,
                    .size = k.size,
                    .key = k.key};
    *expires += k.expire != 0;
    *owners += k.coll != 0;
    if (k.coll && !coll_find(d, k.coll)) wrong(c, "an entry owns collection %" PRIu64, k.coll);
    if (!read_back(c, &w, &r)) return;
    EXPECT(c, "expire of an entry", (uint64_t)k.expire, (uint64_t)r.expire);
    EXPECT(c, "collection of an entry", k.coll, r.coll);
    EXPECT(c, "type of an entry", k.type | (unsigned)k.hint << 4, r.type);
    check_value(c, k.has_value, k.value, &r);
}

/* The derived map has what is derived of map 0, and no more; one that is not made is passed over.
 */
static void check_derived(checking *c, const coll *o) {
    btree_iter it;
    uint64_t n = 0;
    buf key = {0};
    if (!derives(c->e, o) || o->unmade) return;
    bool more = btree_first(o->tree, &it);
    for (; more && btree_iter_key(&it).data[0] == 0; more = btree_next(&it)) {
        bool has = false;
        slice value;
        buf_clear(&key);
        status s = derived_key(c->e, o, btree_iter_key(&it), btree_iter_value(&it), &key, &has);
        if (!status_ok(s)) wrong(c, "pdb %u: %s", o->db->number, s.msg);
        if (has && !btree_get(o->tree, buf_slice(&key), &value))
            wrong(c, "pdb %u: an element is not in the derived map", o->db->number);
        n += has;
    }
    buf_free(&key);
    EXPECT(c, "derived elements", o->counts[ENGINE_DERIVED], n);
}

/* One collection: every element, and the counts. */
static void check_coll(checking *c, const coll *o) {
    CHECK(o->tree && o->db);
    uint64_t counts[ENGINE_MAPS] = {0};
    btree_iter it;
    btree_check(o->tree);
    for (bool more = btree_first(o->tree, &it); more; more = btree_next(&it)) {
        slice key = btree_iter_key(&it);
        slice bytes = btree_iter_value(&it);
        cell x;
        record r;
        unsigned map = (unsigned char)key.data[0];
        CHECK(key.len > 0 && map < ENGINE_MAPS);
        counts[map]++;
        if (coll_is_derived(c->e, map)) {
            if (bytes.len) wrong(c, "a derived element has a cell");
            continue;
        }
        cell_decode(bytes, &x);
        value_want w = coll_want(o, key, &x);
        if (!read_back(c, &w, &r)) continue;
        EXPECT(c, "expire of an element", (uint64_t)x.expire, (uint64_t)r.expire);
        check_value(c, x.has_value, x.value, &r);
    }
    for (unsigned i = 0; i < ENGINE_MAPS; i++)
        EXPECT(c, "elements of a map", o->counts[i], counts[i]);
    EXPECT(c, "owners of a collection", o->owners, 1);
    check_derived(c, o);
}

/* The index of expire times. Keys of one token and one time share a pair, so the counts bound each
 * other and no more. */
static void check_due(checking *c, const pdb *d, uint64_t expires) {
    uint64_t pairs = d->due ? btree_count(d->due) : 0;
    if (d->due) btree_check(d->due);
    if (pairs > expires || (expires && !pairs))
        wrong(c, "pdb %u: %" PRIu64 " keys expire, %" PRIu64 " pairs in the index", d->number,
              expires, pairs);
}

/* What dropped collections still count as live in d. */
static void count_dropped(checking *c, const pdb *d) {
    for (const coll *o = c->e->coll_drops; o; o = o->next) {
        CHECK(o->owners == 0);
        btree_iter it = o->walk;
        if (o->db != d || o->walked) continue;
        bool more = o->walking || btree_first(o->tree, &it);
        for (; more; more = btree_next(&it)) {
            cell x;
            if (btree_iter_value(&it).len == 0) continue; /* a derived one */
            cell_decode(btree_iter_value(&it), &x);
            CHECK(x.slot < c->e->nslots);
            c->live[x.slot] += x.size;
            c->all[x.slot] += x.size;
        }
    }
}

/* One physical database: everything that it owns, then what the sums say it has where. */
static void check_pdb(checking *c, pdb *d) {
    CHECK(!d->dropped);
    CHECK(d->mapped && pdb_find(c->e, d->number) == d);
    bitcask *e = c->e;
    uint64_t expires = 0, owners = 0, keys = 0;
    size_t pos = 0;
    slice key;
    void *value;
    memset(c->live, 0, e->nslots * sizeof *c->live);
    if (d->keys) {
        keydir_iter it;
        arena_ref r;
        keydir_check(d->keys);
        keydir_seek(d->keys, 0, &it);
        for (; (r = keydir_next(&it, NULL)) != ARENA_NONE; keys++)
            check_entry(c, d, keydir_at(&e->shared, r), &expires, &owners);
        EXPECT(c, "keys", keydir_count(d->keys), keys);
        EXPECT(c, "keys that expire", keydir_expires(d->keys), expires);
    }
    check_due(c, d, expires);
    while (d->colls && dict_next(d->colls, &pos, &key, &value))
        check_coll(c, value);
    EXPECT(c, "collections", d->colls ? dict_count(d->colls) : 0, owners);
    count_dropped(c, d);
    for (uint32_t i = 0; i < e->nslots; i++)
        EXPECT(c, "live bytes of a database in a segment", i < d->shares ? d->share[i].live : 0,
               c->live[i]);
}

/* One segment's sums. What is neither live nor hiding nor an order is dead: that there are not more
 * such bytes than the file has is the check of it. */
static void check_segment(checking *c, const segment *s) {
    CHECK(s->slot < c->e->nslots && c->e->slots[s->slot] == s);
    const bitcask *e = c->e;
    uint64_t hiding = 0;
    size_t pos = 0;
    slice key;
    void *value;
    while (dict_next(e->pdbs, &pos, &key, &value)) {
        const pdb *d = value;
        if (s->slot < d->shares) hiding += d->share[s->slot].hiding;
    }
    uint32_t end = s == seg_active(e) ? log_pos_offset(logwrite_end(e->log.tail)) : s->log.end;
    EXPECT(c, "live bytes of a segment", s->live, c->all[s->slot]);
    EXPECT(c, "hiding bytes of a segment", s->hiding, hiding);
    if (s->live + s->hiding + s->order + FILE_HEADER > end)
        wrong(c, "segment %u: %" PRIu64 " bytes in use of %u", s->log.number,
              s->live + s->hiding + s->order, end);
    if (s->log.state == SEG_DEAD && s->live)
        wrong(c, "segment %u: dead with live bytes", s->log.number);
}

/* engine_check. Not inside a batch. */
status bc_check(engine *base, buf *report) {
    bitcask *e = bitcask_of(base);
    CHECK(!e->log.open);
    CHECK(e->norder <= e->nslots && e->norder > 0);
    checking c = {.e = e, .report = report};
    size_t pos = 0;
    slice key;
    void *value;
    c.live = mem_zalloc((e->nslots + 1) * sizeof *c.live);
    c.all = mem_zalloc((e->nslots + 1) * sizeof *c.all);
    while (dict_next(e->pdbs, &pos, &key, &value))
        check_pdb(&c, value);
    for (uint32_t i = 0; i < e->norder; i++)
        check_segment(&c, e->order[i]);
    cache_check(e->values);
    mem_free(c.live);
    mem_free(c.all);
    return c.wrong ? status_make(ST_CORRUPT, "%" PRIu64 " things do not add up", c.wrong)
                   : STATUS_OK;
}
