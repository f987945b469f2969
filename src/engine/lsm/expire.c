/* expire: which key is due next.
 *
 * Each entry that expires has a pair in the due index, whose key is its time and the whole of its
 * key's hash, and whose cell is empty. So the first pair of a database leads to the entry: by its
 * place, and then by hash and time. Two keys of one database that have the same 64 bits of hash and
 * expire in the same millisecond would share a pair; nobody can make such keys, as the hash is
 * keyed, and by chance they don't come about.
 *
 * What was removed from the front of the index stays there as tombstones until a compaction, so
 * each database knows a pair before which there is none (`low`): a search never walks over what was
 * removed before the last search's end (L6). A search passes over so many tombstones and no more;
 * the next one goes on there. The first pair itself is known as long as nobody removes it, so
 * asking costs nothing while nothing is due. */
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

#define PASS_MOST 8192 /* tombstones that a search passes over: about a millisecond */

/* <0, 0, >0: in the order of the index. */
static int due_cmp(const due_pair *a, const due_pair *b) {
    if (a->when != b->when) return a->when < b->when ? -1 : 1;
    if (a->place != b->place) return a->place < b->place ? -1 : 1;
    return (a->rest > b->rest) - (a->rest < b->rest);
}

/* The pair's key, in e->key2. */
static slice due_key(lsm *e, const lpdb *d, const due_pair *p) {
    CHECK(p->when > 0);
    return lkey_due(&e->key2, d->number, p->when, (lsm_hash){p->place, p->rest}).bytes;
}

/* Totals and marks are saved for the batch's undoing first. */
void lsm_due_change(lsm *e, lpdb *d, lsm_hash h, int64_t was, int64_t now, log_pos pos) {
    db_totals *t = &d->totals;
    due_pair p = {.place = h.place, .rest = lkey_rest(h)};
    CHECK(was != now && was >= 0 && now >= 0);
    lsm_totals_save(e, d);
    if (was) {
        p.when = was;
        CHECK(t->expires > 0);
        t->expires--;
        lsm_cell_del(e, due_key(e, d, &p), pos);
        if (t->due_known && due_cmp(&p, &t->next) == 0) {
            t->low = p;
            t->due_known = false;
        }
    }
    if (now) {
        p.when = now;
        cell_put_tag(lsm_cell_value(&e->small), CELL_PRESENT);
        lsm_cell_put(e, due_key(e, d, &p), pos, &e->small, false);
        if (t->expires == 0) { /* it is alone */
            t->low = t->next = p;
            t->due_known = true;
        }
        t->expires++;
        if (due_cmp(&p, &t->low) < 0) t->low = p;
        if (t->due_known && due_cmp(&p, &t->next) < 0) t->next = p;
    }
    CHECK(!t->due_known || due_cmp(&t->low, &t->next) <= 0); /* L6 */
}

/* Finds the first pair of d, which has one, or gets as near to it as one call may. */
static engine_result find_next(lsm *e, lpdb *d) {
    db_totals *t = &d->totals;
    lkey_parts k;
    unsigned passed = 0;
    bool there = false;
    CHECK(t->expires > 0);
    if (t->low.when == 0) t->low.when = 1;
    slice to = lkey_kind_start(&e->key, d->number, LKEY_DUE + 1);
    walk *w = walk_new(e, due_key(e, d, &t->low), to, WALK_ALL);
    bool any = walk_first(w);
    while (any && !there && passed++ < PASS_MOST) {
        there = walk_cell(w).data[0] == CELL_PRESENT;
        if (!there) any = walk_next(w);
    }
    status s = walk_status(w);
    bool fine = any && lkey_parse(walk_key(w), &k) && k.kind == LKEY_DUE;
    walk_free(e, w);
    if (!status_ok(s)) return lsm_unread(e, s);
    if (!fine) return lsm_damaged(e, "the index of expire times lacks a pair");
    t->low = (due_pair){k.when, k.place, k.rest};
    if (there) t->next = t->low;
    t->due_known = there;
    return ENGINE_OK;
}

/* The key of the entry that a pair of d is about: of that hash and that time. */
static engine_result find_key(lsm *e, const lpdb *d, const due_pair *p, buf *key) {
    lsm_hash h = {p->place, 0};
    lkey_parts k;
    main_cell c;
    slice from = lkey_main(&e->key, d->number, h, SLICE_EMPTY).bytes, to;
    h.place++;
    to = h.place ? lkey_main(&e->key2, d->number, h, SLICE_EMPTY).bytes
                 : lkey_kind_start(&e->key2, d->number, LKEY_VAL);
    walk *w = walk_new(e, from, to, 0);
    bool hit = false;
    for (bool on = walk_first(w); on && !hit; on = walk_next(w)) {
        if (!lkey_parse(walk_key(w), &k) || !cell_get_main(walk_cell(w), &c)) break;
        hit = c.expire == p->when && lkey_rest(lkey_hash(e, k.key)) == p->rest;
        if (!hit) continue;
        buf_clear(key);
        buf_append_slice(key, k.key);
    }
    status s = walk_status(w);
    walk_free(e, w);
    if (!status_ok(s)) return lsm_unread(e, s);
    return hit ? ENGINE_OK : lsm_damaged(e, "the index of expire times has a pair too many");
}

/* engine_due: databases with the first pair known answer at once; of one whose search has not come
 * to its end we know a time before which nothing is due. */
engine_result lsm_due(engine *base, int64_t now_ms, uint32_t *db, buf *key, int64_t *when) {
    lsm *e = lsm_of(base);
    const due_pair *first = NULL;
    *when = 0;
    for (uint32_t i = 0; i < e->ndbs; i++) {
        lpdb *d = e->map[i];
        if (d->totals.expires == 0) continue;
        engine_result r = d->totals.due_known ? ENGINE_OK : find_next(e, d);
        if (r != ENGINE_OK) return r;
        const due_pair *its = d->totals.due_known ? &d->totals.next : &d->totals.low;
        if (first && its->when >= first->when) continue;
        first = its;
        *db = i;
    }
    if (!first) return ENGINE_ABSENT;
    CHECK(first->when > 0 && *db < e->ndbs);
    *when = first->when;
    if (*when > now_ms || !e->map[*db]->totals.due_known) return ENGINE_ABSENT;
    return find_key(e, e->map[*db], first, key);
}
