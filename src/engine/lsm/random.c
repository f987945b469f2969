/* random: a key picked at random, near enough to uniform for sampling.
 *
 * First a place. Of a memtable we know how many keys it has in a range and which is the n-th; of a
 * table, which partitions are in the range, each about as large as any other. So a memtable or a
 * table is chosen by how many of its keys are in the range, then a rank, or a partition and a
 * number between its first key and the next one's: keys are spread evenly there, being hashes, or
 * nearly so, being times. This holds for cluster slots of any size.
 *
 * Then a key: the one that is `skip` keys behind that place, skip < SUCCESSORS being random too, so
 * that a key behind a large gap is not picked more often than others; at the end of the range we go
 * on at its beginning. Deleted keys are passed over, a bounded number of them in all tries but the
 * last.
 *
 * Keys with an expire time are picked among all, if they are many, else from the DUE index. */
#include "base/codec.h"
#include "base/log.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

#define SUCCESSORS 16u
#define TRIES      8u
#define PASS_MOST  512u /* cells in a try, but for the last */
#define MANY       8u   /* one key in so many has an expire time: then any key may be tried */

/* What is looked for, and where; and of what may hold it, the one chosen so far. */
typedef struct pick {
    lsm *e;
    uint32_t pdb;
    unsigned kind; /* MAIN or DUE */
    bool expire;   /* of MAIN: only with an expire time */
    buf from, to, at;
    uint64_t low, high; /* numbers of the first and the last key in the range */
    uint64_t total;     /* keys in all that was considered */
    const memtable *mem;
    const table_ref *table;
    size_t first, parts; /* of the table, in the range */
} pick;

/* The eight bytes behind pdb and kind: place, or time. */
static uint64_t number_of(slice key, uint64_t otherwise) {
    return key.len >= 13 ? load_be64(key.data + 5) : otherwise;
}

/* ---- a place ----------------------------------------------------------------------------------
 */

/* The first partition of t whose key is >= bound. */
static size_t part_at(pick *p, const table_ref *t, slice bound) {
    size_t low = 0, high = table_partitions(t->t);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        table_partition_key(t->t, mid, &p->at);
        if (slice_cmp(buf_slice(&p->at), bound) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* How many partitions of t may have keys of the range, and the first of them. */
static size_t parts_of(pick *p, const table_ref *t, size_t *first) {
    slice from = buf_slice(&p->from), to = buf_slice(&p->to);
    size_t n = table_partitions(t->t);
    *first = 0;
    if (slice_cmp(t->limit, to) > 0) n = part_at(p, t, to);
    if (slice_cmp(t->smallest, from) >= 0) return n;
    size_t at = part_at(p, t, from);
    *first = at > 0 ? at - 1 : 0; /* the range may begin inside of that one */
    CHECK(n >= *first);
    return n - *first;
}

/* Something with n keys in the range: is it to be the one? With n chances in all so far. */
static bool draw(pick *p, uint64_t n) {
    p->total += n;
    CHECK(p->total >= n);
    return n > 0 && rng_below(p->e->env->rng, p->total) < n;
}

/* About as many keys as its share of partitions. */
static void consider_table(pick *p, const table_ref *t) {
    size_t first, parts;
    if (!table_ref_overlaps(t, buf_slice(&p->from), buf_slice(&p->to))) return;
    parts = parts_of(p, t, &first);
    if (parts == 0 || !draw(p, t->entries / table_partitions(t->t) * parts + 1)) return;
    p->mem = NULL;
    p->table = t;
    p->first = first;
    p->parts = parts;
}

/* Exactly as many as it has. */
static void consider_memtable(pick *p, const memtable *m) {
    uint64_t first = btree_rank(m->tree, buf_slice(&p->from));
    if (draw(p, btree_rank(m->tree, buf_slice(&p->to)) - first)) p->mem = m;
}

/* A rank. */
static void place_in_memtable(pick *p) {
    uint64_t first = btree_rank(p->mem->tree, buf_slice(&p->from));
    uint64_t n = btree_rank(p->mem->tree, buf_slice(&p->to)) - first;
    CHECK(n > 0);
    btree_iter it;
    bool there = btree_select(p->mem->tree, first + rng_below(p->e->env->rng, n), &it);
    CHECK(there);
    buf_clear(&p->at);
    buf_append_slice(&p->at, btree_iter_key(&it));
}

/* A partition, and a number between its first and the next one's, within the range. */
static void place_in_table(pick *p) {
    const table *t = p->table->t;
    CHECK(p->parts > 0 && p->first + p->parts <= table_partitions(t));
    size_t i = p->first + rng_below(p->e->env->rng, p->parts);
    uint64_t low = p->low, high = p->high;
    table_partition_key(t, i, &p->at);
    if (slice_cmp(buf_slice(&p->at), buf_slice(&p->from)) > 0)
        low = number_of(buf_slice(&p->at), low);
    slice end = p->table->limit;
    if (i + 1 < table_partitions(t)) {
        table_partition_key(t, i + 1, &p->at);
        end = buf_slice(&p->at);
    }
    if (slice_cmp(end, buf_slice(&p->to)) < 0) high = number_of(end, high);
    if (high > low) low += rng_below(p->e->env->rng, high - low + (high != UINT64_MAX));
    lkey_kind_start(&p->at, p->pdb, p->kind);
    put_be64(buf_reserve(&p->at, 8), low);
    p->at.len += 8;
}

/* To p->at. */
static void choose_place(pick *p) {
    const version *v = p->e->current;
    p->total = 0;
    p->mem = NULL;
    for (const memtable *m = p->e->active; m; m = m->older)
        consider_memtable(p, m);
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        for (uint32_t i = 0; i < v->level[l].n; i++)
            consider_table(p, v->level[l].tables[i]);
    buf_clear(&p->at);
    if (p->total == 0)
        buf_append_slice(&p->at, buf_slice(&p->from));
    else if (p->mem)
        place_in_memtable(p);
    else
        place_in_table(p);
}

/* ---- a key ------------------------------------------------------------------------------------
 */

/* Is what the walk stands at one of those that are looked for? */
static bool counts(const pick *p, const walk *w, entry *meta) {
    slice cell = walk_cell(w);
    if (cell.data[0] != CELL_PRESENT) return false;
    if (p->kind == LKEY_DUE) return true;
    return lsm_entry_of(cell, walk_pos(w), meta) && (!p->expire || meta->expire);
}

/* From p->at on, passing over `skip` of what is looked for and `most` cells in all; at the end on
 * from the beginning, once. True: the walk is there. */
static bool go_to(const pick *p, walk *w, uint64_t skip, uint64_t most, entry *meta) {
    bool again = false, more = walk_seek(w, buf_slice(&p->at));
    for (uint64_t passed = 0; passed < most; passed++) {
        if (!more) {
            if (again || !status_ok(walk_status(w))) return false;
            again = true;
            more = walk_first(w);
            continue;
        }
        if (counts(p, w, meta) && skip-- == 0) return true;
        more = walk_next(w);
    }
    return false;
}

/* The entry that the DUE key at w is of. */
static engine_result owner_of(pick *p, const walk *w, buf *key, entry *meta) {
    lsm *e = p->e;
    lkey_parts due, main;
    if (!lkey_parse(walk_key(w), &due) || due.kind != LKEY_DUE)
        return lsm_error(e, status_make(ST_CORRUPT, "a key of the due index is malformed"));
    slice from = lkey_token_start(&e->key, p->pdb, due.place >> 11);
    slice to = lkey_token_start(&e->key2, p->pdb, (due.place >> 11) + 1);
    walk *entries = walk_new(e, from, to, 0);
    engine_result r = ENGINE_ABSENT;
    for (bool more = walk_first(entries); more; more = walk_next(entries)) {
        if (!lkey_parse(walk_key(entries), &main) || main.kind != LKEY_MAIN) break;
        lkey same = lkey_due(&e->key, p->pdb, due.when, lkey_hash(e, main.key));
        if (!slice_eq(same.bytes, walk_key(w))) continue;
        if (!lsm_entry_of(walk_cell(entries), walk_pos(entries), meta)) break;
        buf_clear(key);
        buf_append_slice(key, main.key);
        r = ENGINE_OK;
        break;
    }
    if (!status_ok(walk_status(entries))) r = lsm_unread(e, walk_status(entries));
    walk_free(e, entries);
    return r;
}

/* What the walk found is the answer. */
static engine_result take(pick *p, const walk *w, buf *key, entry *meta) {
    lkey_parts parts;
    if (p->kind == LKEY_DUE) return owner_of(p, w, key, meta);
    if (!lkey_parse(walk_key(w), &parts))
        return lsm_error(p->e, status_make(ST_CORRUPT, "an entry's key is malformed"));
    buf_clear(key);
    buf_append_slice(key, parts.key);
    return ENGINE_OK;
}

/* What numbers there are in the range; false if it is empty, or can't be read. */
static bool measure(pick *p, walk *w) {
    if (!walk_first(w)) return false;
    p->low = number_of(walk_key(w), 0);
    if (!walk_last(w)) return false;
    p->high = number_of(walk_key(w), UINT64_MAX);
    CHECK(p->low <= p->high);
    return true;
}

/* Some tries of bounded work; then one that finds something if there is anything. */
static engine_result pick_one(pick *p, uint64_t keys, buf *key, entry *meta) {
    lsm *e = p->e;
    CHECK(keys > 0);
    walk *w = walk_new(e, buf_slice(&p->from), buf_slice(&p->to), WALK_SCAN | WALK_ALL);
    bool some = measure(p, w), there = false;
    for (unsigned i = 0; some && i <= TRIES && !there; i++) {
        choose_place(p);
        uint64_t skip = rng_below(e->env->rng, keys < SUCCESSORS ? keys : SUCCESSORS);
        there = go_to(p, w, i < TRIES ? skip : 0, i < TRIES ? PASS_MOST : UINT64_MAX, meta);
        if (!status_ok(walk_status(w))) break;
    }
    engine_result r = there ? take(p, w, key, meta) : ENGINE_ABSENT;
    if (!status_ok(walk_status(w))) r = lsm_unread(e, walk_status(w));
    walk_free(e, w);
    return r;
}

/* engine_random. */
engine_result lsm_random(engine *base, uint32_t db, bool with_expire, buf *key, entry *meta) {
    lsm *e = lsm_of(base);
    const lpdb *d = lsm_db(e, db);
    uint64_t keys = with_expire ? d->totals.expires : d->totals.keys;
    entry own;
    pick p = {.e = e, .pdb = d->number, .kind = LKEY_MAIN, .expire = with_expire};
    if (keys == 0) return ENGINE_ABSENT;
    if (with_expire && keys < d->totals.keys / MANY) p.kind = LKEY_DUE;
    lkey_kind_start(&p.from, p.pdb, p.kind);
    lkey_kind_start(&p.to, p.pdb, p.kind + 1);
    rng before = *e->env->rng;
    engine_result r = pick_one(&p, keys, key, meta ? meta : &own);
    if (r == ENGINE_PENDING) *e->env->rng = before; /* what is asked for will be picked */
    buf_free(&p.from);
    buf_free(&p.to);
    buf_free(&p.at);
    return r;
}
