/* Intersection, union, difference.
 *
 *   inter   walk the smallest, look each member up in the others
 *   diff    walk the first one, and either look each member up in the others, or, if they are small
 *           together, look it up only if a table of hashes of all their members has its hash
 *   union   walk all at once, in the order of their members' hashes (below), so that equal members
 *           meet
 *
 * Which of the two a difference takes is decided as redis-server does, by what each would have to
 * look at; but the table has at most TABLE_MAX hashes.
 *
 * Members that are apart come by their hash, the same for all keys (keyenc_prefix), then by their
 * bytes; packed ones, of which there are few, are sorted so. So a union is a merge of sorted runs:
 *
 *     a:  03 pear   17 fig            ->  03 pear   17 fig   5c plum
 *     b:  03 pear   5c plum
 *
 * But the union of small intsets is one, and comes in numeric order.
 *
 * A lookup that is pending does not end a run: others are asked for first (el_may_miss).
 */
#include "types/set_algebra.h"

#include "base/hash.h"
#include "base/log.h"
#include "keyspace/keyenc.h"
#include "types/hashes.h"
#include "types/held.h"

#include <stdlib.h>

#define TABLE_MAX   (UINT64_C(1) << 20)
#define SMALL_UNION 1024 /* members in all */

/* ---- lookups in other sets ----------------------------------------------------------------------
 */

/* What a walk over one set carries along: the others, and who is shown the members that all of them
 * have, or that none of them has. */
typedef struct probe {
    elements *const *others;
    unsigned n;
    bool wanted; /* do the others have what is shown? */
    set_each each;
    void *ctx;
    keyspace *ks;
    held held;
    uint64_t misses;
    const hashes *table; /* not NULL: only what is in it need be looked up */
    hash_key key;
    unsigned *encoding; /* not NULL: what a set of all that is walked over would have */
    uint64_t walked;
} probe;

/* Is it in the others as wanted? Once a lookup is pending the answer does not matter; those after
 * it are made so that their reads begin. */
static engine_result ask_others(probe *p, bool *shown) {
    bool pending = false;
    *shown = true;
    for (unsigned i = 0; i < p->n && *shown; i++) {
        bool has;
        engine_result r = set_has(p->others[i], p->held.bytes, &has);
        if (r == ENGINE_PENDING) {
            pending = true;
        } else if (r != ENGINE_OK) {
            return r;
        } else {
            *shown = has == p->wanted;
        }
    }
    if (!pending || !*shown) return ENGINE_OK;
    return el_may_miss(p->ks, ++p->misses) ? ENGINE_OK : ENGINE_PENDING;
}

/* Shows the member if the others agree. Once one of them had to wait nothing is shown any more: the
 * walk goes on to name the other misses. */
static engine_result probe_member(void *ctx, slice member) {
    probe *p = ctx;
    bool shown = true;
    hold(p->ks, &p->held, member);
    if (p->encoding) *p->encoding = set_encoding_with(*p->encoding, p->walked++, p->held.bytes);
    if (!p->table || hashes_has(p->table, siphash13(p->key, p->held.bytes.data, member.len))) {
        engine_result r = ask_others(p, &shown);
        if (r != ENGINE_OK) return r;
    }
    return shown && p->misses == 0 ? p->each(p->ctx, p->held.bytes) : ENGINE_OK;
}

/* All of the walked set; pending if any of the others was. */
static engine_result probe_walk(elements *el, probe *p) {
    p->ks = el->ks;
    engine_result r = set_walk(el, probe_member, p);
    return r == ENGINE_OK && p->misses ? ENGINE_PENDING : r;
}

/* A set with its size, to be sorted by it; equal ones stay in their order. */
typedef struct sized {
    elements *el;
    uint64_t count;
    unsigned index;
} sized;

/* In the order of the arguments where they are equally large. */
static int smaller_first(const void *a, const void *b) {
    const sized *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* The n sets in the order of their sizes. */
static elements **by_size(elements *const *sets, unsigned n, bool largest_first) {
    sized *all = ks_alloc(sets[0]->ks, n * sizeof *all);
    elements **out = ks_alloc(sets[0]->ks, n * sizeof *out);
    for (unsigned i = 0; i < n; i++)
        all[i] = (sized){sets[i], el_count(sets[i], 0), i};
    qsort(all, n, sizeof *all, smaller_first);
    for (unsigned i = 0; i < n; i++)
        out[largest_first ? n - 1 - i : i] = all[i].el;
    return out;
}

/* ---- intersection -------------------------------------------------------------------------------
 */

engine_result set_inter(elements *const *sets, unsigned n, set_each each, void *ctx) {
    CHECK(n > 0);
    elements **sorted = by_size(sets, n, false);
    probe p = {.others = sorted + 1, .n = n - 1, .wanted = true, .each = each, .ctx = ctx};
    return probe_walk(sorted[0], &p);
}

/* A result on its way into a set: its members come once each. */
typedef struct storing {
    elements *to;
    bool integers; /* all of them */
    held held;
} storing;

/* Of an intersection or difference: no member comes twice. */
static engine_result store_new(void *ctx, slice member) {
    storing *s = ctx;
    s->integers = s->integers && set_is_integer(member);
    return set_add_new(s->to, member);
}

/* redis-server begins with the smallest one's kind of set, and looks at the result once more. */
engine_result set_inter_store(elements *const *sets, unsigned n, elements *to) {
    storing s = {.to = to, .integers = true};
    bool intset = el_hint(by_size(sets, n, false)[0]) == SET_INTSET;
    el_set_hint(to, intset ? SET_INTSET : SET_LISTPACK);
    engine_result r = set_inter(sets, n, store_new, &s);
    if (r == ENGINE_OK && s.integers) set_all_integers(to);
    return r;
}

/* ---- difference ---------------------------------------------------------------------------------
 */

/* What redis-server would choose: by half the lookups that the first way takes at the most, against
 * all members there are. *others: those of all but the first. */
static bool prefers_table(elements *const *sets, unsigned n, uint64_t *others) {
    uint64_t first = el_count(sets[0], 0), there = 0;
    *others = 0;
    for (unsigned i = 0; i < n; i++) {
        there += sets[i]->exists;
        if (i > 0) *others += el_count(sets[i], 0);
    }
    return first * there / 2 > first + *others;
}

typedef struct table_maker {
    hashes *table;
    hash_key key;
} table_maker;

/* By hash alone: what a hash says is asked again of the set itself. */
static engine_result into_table(void *ctx, slice member) {
    table_maker *m = ctx;
    (void)hashes_add(m->table, siphash13(m->key, member.data, member.len));
    return ENGINE_OK;
}

/* Hashes of all that the others have; reads of each are asked for before it is PENDING. */
static engine_result make_table(probe *p, uint64_t members, hashes *out) {
    rng *random = ks_rng(p->ks);
    engine_result worst = ENGINE_OK;
    p->key = (hash_key){.k0 = rng_next(random), .k1 = rng_next(random)};
    p->table = out;
    hashes_make(p->ks, members, out);
    table_maker m = {.table = out, .key = p->key};
    for (unsigned i = 0; i < p->n; i++) {
        engine_result r = set_walk(p->others[i], into_table, &m);
        if (r == ENGINE_ERROR) return r;
        if (r != ENGINE_OK) worst = r;
    }
    return worst;
}

/* As set_diff; *encoding (unless NULL): of a set of all of the first one's members, if redis-server
 * would make that on its way. */
static engine_result diff(elements *const *sets, unsigned n, set_each each, void *ctx,
                          unsigned *encoding) {
    CHECK(n > 0);
    uint64_t others;
    hashes table;
    bool by_table = prefers_table(sets, n, &others);
    probe p = {.n = n - 1, .wanted = false, .each = each, .ctx = ctx, .ks = sets[0]->ks};
    for (unsigned i = 1; i < n; i++)
        if (sets[i]->db == sets[0]->db && slice_eq(sets[i]->key, sets[0]->key)) return ENGINE_OK;
    if (n > 1) p.others = by_size(sets + 1, n - 1, true);
    if (by_table) p.encoding = encoding;
    if (by_table && others <= TABLE_MAX) {
        engine_result r = make_table(&p, others, &table);
        if (r != ENGINE_OK) return r;
    }
    return probe_walk(sets[0], &p);
}

engine_result set_diff(elements *const *sets, unsigned n, set_each each, void *ctx) {
    return diff(sets, n, each, ctx, NULL);
}

engine_result set_diff_store(elements *const *sets, unsigned n, elements *to) {
    storing s = {.to = to};
    unsigned all = SET_INTSET;
    el_set_hint(to, all);
    engine_result r = diff(sets, n, store_new, &s, &all);
    if (r == ENGINE_OK && all != SET_INTSET) el_set_hint(to, all);
    return r;
}

/* ---- union --------------------------------------------------------------------------------------
 */

/* One set's place in the merge. */
typedef struct cursor {
    elements *el;
    el_iter it;    /* apart */
    slice *packed; /* or packed: its members in their order, and which is next */
    uint32_t next;
    uint32_t hash;
    held held;
} cursor;

/* The order of the merge. */
static int cursor_cmp(const cursor *a, const cursor *b) {
    if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
    return slice_cmp(a->held.bytes, b->held.bytes);
}

typedef struct hashed_member {
    uint32_t hash;
    slice member;
} hashed_member;

/* The order that members have apart. */
static int hashed_cmp(const void *a, const void *b) {
    const hashed_member *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return slice_cmp(x->member, y->member);
}

/* A packed set's members in the order of the merge. They lie in the batch's memory. */
static engine_result sort_packed(cursor *c) {
    uint64_t count = el_count(c->el, 0), n = 0;
    hashed_member *all = ks_alloc(c->el->ks, count * sizeof *all + 1);
    el_iter it;
    engine_result r = el_first(c->el, 0, &it);
    for (; r == ENGINE_OK; r = el_step(&it, false)) {
        CHECK(n < count);
        all[n++] = (hashed_member){keyenc_prefix(ks_engine(c->el->ks), it.item.sub), it.item.sub};
    }
    if (r != ENGINE_ABSENT) return r;
    qsort(all, n, sizeof *all, hashed_cmp);
    c->packed = ks_alloc(c->el->ks, n * sizeof *c->packed + 1);
    for (uint64_t i = 0; i < n; i++)
        c->packed[i] = all[i].member;
    return ENGINE_OK;
}

/* Takes the next member in hand; ENGINE_ABSENT at the end. */
static engine_result cursor_next(cursor *c, bool first) {
    slice member;
    if (c->el->packed) {
        engine_result r = first ? sort_packed(c) : ENGINE_OK;
        if (r != ENGINE_OK) return r;
        if (c->next == el_count(c->el, 0)) return ENGINE_ABSENT;
        member = c->packed[c->next++];
    } else {
        engine_result r = first ? el_first(c->el, 0, &c->it) : el_step(&c->it, false);
        if (r != ENGINE_OK) return r;
        member = c->it.item.sub;
    }
    hold(c->el->ks, &c->held, member);
    c->hash = keyenc_prefix(ks_engine(c->el->ks), c->held.bytes);
    return ENGINE_OK;
}

/* heap[0] is the least of n; moves what is at `at` down to its place. */
static void sift(cursor **heap, unsigned n, unsigned at) {
    for (;;) {
        unsigned least = at;
        for (unsigned child = 2 * at + 1; child < n && child <= 2 * at + 2; child++)
            if (cursor_cmp(heap[child], heap[least]) < 0) least = child;
        if (least == at) return;
        cursor *c = heap[at];
        heap[at] = heap[least];
        heap[least] = c;
        at = least;
    }
}

/* A heap of all sets that have members; all first reads are asked for. */
static engine_result heap_make(elements *const *sets, unsigned n, cursor **heap, unsigned *size) {
    cursor *all = ks_alloc(sets[0]->ks, n * sizeof *all);
    engine_result worst = ENGINE_OK;
    *size = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!sets[i]->exists) continue;
        all[i] = (cursor){.el = sets[i]};
        engine_result r = cursor_next(&all[i], true);
        if (r == ENGINE_ERROR) return r;
        if (r == ENGINE_PENDING) worst = r;
        if (r == ENGINE_OK) heap[(*size)++] = &all[i];
    }
    for (unsigned i = *size / 2; i-- > 0 && worst == ENGINE_OK;)
        sift(heap, *size, i);
    return worst;
}

/* Each member once, however many of the sets have it: the least of all cursors' goes first. */
static engine_result merge(elements *const *sets, unsigned n, set_each each, void *ctx) {
    cursor **heap = ks_alloc(sets[0]->ks, n * sizeof *heap);
    unsigned size;
    held last = {0};
    bool any = false;
    engine_result r = heap_make(sets, n, heap, &size);
    while (r == ENGINE_OK && size > 0) {
        cursor *least = heap[0];
        if (!any || !slice_eq(last.bytes, least->held.bytes)) {
            hold(sets[0]->ks, &last, least->held.bytes);
            any = true;
            r = each(ctx, last.bytes);
            if (r != ENGINE_OK) break;
        }
        r = cursor_next(least, false);
        if (r == ENGINE_ABSENT) {
            heap[0] = heap[--size];
            r = ENGINE_OK;
        }
        if (r == ENGINE_OK) sift(heap, size, 0);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

engine_result set_union(elements *const *sets, unsigned n, set_each each, void *ctx) {
    CHECK(n > 0);
    if (n == 1) return set_walk(sets[0], each, ctx);
    return set_all_intsets(sets, n) ? set_walk_integers(sets, n, each, ctx)
                                    : merge(sets, n, each, ctx);
}

/* Of a union of packed sets: a member may come again. */
static engine_result store_any(void *ctx, slice member) {
    storing *s = ctx;
    bool added;
    hold(s->to->ks, &s->held, member);
    return set_add(s->to, s->held.bytes, &added);
}

/* A small one is put together set by set, as redis-server does it: then the order is the same too,
 * and what depends on it. */
engine_result set_union_store(elements *const *sets, unsigned n, elements *to) {
    storing s = {.to = to};
    uint64_t total = 0;
    el_set_hint(to, SET_INTSET);
    for (unsigned i = 0; i < n; i++)
        total += el_count(sets[i], 0);
    if (total > SMALL_UNION) return set_union(sets, n, store_new, &s);
    engine_result r = ENGINE_OK;
    for (unsigned i = 0; i < n && r == ENGINE_OK; i++)
        r = set_walk(sets[i], store_any, &s);
    return r;
}
