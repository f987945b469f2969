/* Unions, intersections and differences.
 *
 *   union         every source is walked; a member that came before is found in what is being
 *                 made, so sources need no lookups
 *   intersection  the smallest source is walked, its members are looked up in the others
 *   difference    the first is walked, its members are looked up in the others, the largest first
 *
 * A sorted set is walked along its derived map, which has the scores and which no engine has to
 * fetch from its log. What is made goes into a new key's elements, or into a list with a hash table
 * over it; that list is the one thing here whose memory grows with the data, and it is what the
 * reply will be. Lookups that are pending are asked for together, some at a time. */
#include "types/zset_combine.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "keyspace/keyenc.h"
#include "types/set.h"

/* ---- sources ------------------------------------------------------------------------------------
 */

/* A set is looked up a second time, as what it is. */
engine_result zset_source_open(keyspace *ks, uint32_t db, slice key, unsigned flags,
                               zset_source *out) {
    *out = (zset_source){.weight = 1};
    engine_result r = el_open(ks, db, key, &zset_type, flags, &out->el);
    if (r == ENGINE_OK && out->el.wrong_type && out->el.ent.type == KEY_SET)
        r = el_open(ks, db, key, &set_type, flags | KS_NO_STATS | KS_NO_TOUCH, &out->el);
    if (r != ENGINE_OK) return r;
    out->wrong_type = out->el.wrong_type;
    out->n = out->wrong_type ? 0 : el_count(&out->el, 0);
    return ENGINE_OK;
}

static bool is_set(const zset_source *s) {
    return s->el.type->type == KEY_SET;
}

/* A walk over a source. */
typedef struct source_walk {
    zset_source *s;
    el_iter it;
    el_room room;
    slice member; /* a copy */
    double score;
} source_walk;

/* What the iterator is at. A set's members count as having score 1. */
static engine_result walk_show(source_walk *w, engine_result r) {
    if (r != ENGINE_OK) return r;
    slice sub = w->it.item.sub;
    w->score = 1;
    if (!is_set(w->s)) {
        CHECK(sub.len >= KEYENC_SCORE);
        w->score = keyenc_score_of(sub.data);
        sub = slice_skip(sub, KEYENC_SCORE);
    }
    w->member = room_copy(w->s->el.ks, &w->room, sub);
    return ENGINE_OK;
}

/* By score; a set in its own order. */
static engine_result walk_begin(zset_source *s, source_walk *w) {
    *w = (source_walk){.s = s};
    return walk_show(w, el_first(&s->el, is_set(s) ? 0 : ENGINE_DERIVED, &w->it));
}

static engine_result walk_step(source_walk *w) {
    return walk_show(w, el_step(&w->it, false));
}

/* One member's score in one source. */
static engine_result lookup(zset_source *s, slice member, double *score) {
    el_item item;
    *score = 1;
    return is_set(s) ? el_get(&s->el, 0, member, &item) : zset_score(&s->el, member, score);
}

/* The smallest first, and else as they were given: redis-server's order of sums. */
static int by_size(const void *a, const void *b) {
    const zset_source *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static int by_size_down(const void *a, const void *b) {
    return by_size(b, a);
}

/* Each keeps its number, as weights and sums go by the order of the arguments. */
static void sort_sources(zset_source *from, size_t n, int (*cmp)(const void *, const void *)) {
    for (size_t i = 0; i < n; i++)
        from[i].number = i;
    if (n > 1) qsort(from, n, sizeof *from, cmp);
}

/* ---- scores -------------------------------------------------------------------------------------
 */

static double weigh(double weight, double score) {
    double v = weight * score;
    return isnan(v) ? 0 : v;
}

/* A value that is no number is neither less nor greater. */
static double aggregate(zset_aggregate how, double a, double b) {
    if (how == ZSET_MIN) return b < a ? b : a;
    if (how == ZSET_MAX) return b > a ? b : a;
    return isnan(a + b) ? 0 : a + b;
}

/* ---- what is made -------------------------------------------------------------------------------
 */

/* Either a key's elements, or a list in which members are found by a table of their numbers + 1,
 * which has a power of two of places, at most half of them taken. */
typedef struct target {
    elements *to;
    keyspace *ks;
    zset_aggregate how;
    bool once; /* no member comes twice: none is looked for */
    zset_list list;
    size_t cap;
    uint32_t *table;
    size_t places;
} target;

/* The place of the member, or the free one where it belongs. */
static uint32_t *table_find(const target *t, slice member) {
    uint64_t h = engine_token(ks_engine(t->ks), member);
    for (;; h++) {
        uint32_t *p = &t->table[h & (t->places - 1)];
        if (*p == 0 || slice_eq(t->list.items[*p - 1].member, member)) return p;
    }
}

/* Twice the places, and every member put in anew. */
static void table_grow(target *t) {
    t->places = t->places ? 2 * t->places : 64;
    t->table = ks_alloc(t->ks, t->places * sizeof *t->table);
    memset(t->table, 0, t->places * sizeof *t->table);
    for (size_t i = 0; i < t->list.n; i++)
        *table_find(t, t->list.items[i].member) = (uint32_t)i + 1;
}

/* Copies the member. Memory of the list it had before is the batch's until its end. */
static void list_append(target *t, slice member, double score) {
    CHECK(t->list.n < UINT32_MAX - 1);
    if (t->list.n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 16;
        zset_item *items = ks_alloc(t->ks, t->cap * sizeof *items);
        if (t->list.n) memcpy(items, t->list.items, t->list.n * sizeof *items);
        t->list.items = items;
    }
    char *copy = ks_alloc(t->ks, member.len);
    if (member.len) memcpy(copy, member.data, member.len);
    t->list.items[t->list.n++] = (zset_item){slice_of(copy, member.len), score == 0 ? 0 : score};
}

/* A member that is there already has its score combined with the new one. */
static void list_add(target *t, slice member, double score) {
    if (t->once) {
        list_append(t, member, score);
        return;
    }
    if (2 * (t->list.n + 1) > t->places) table_grow(t);
    uint32_t *p = table_find(t, member);
    if (*p) {
        double *had = &t->list.items[*p - 1].score;
        *had = aggregate(t->how, *had, score);
        if (*had == 0) *had = 0; /* not -0 */
    } else {
        *p = (uint32_t)t->list.n + 1;
        list_append(t, member, score);
    }
}

/* To the list, or to the destination. */
static engine_result target_add(target *t, slice member, double score) {
    double had;
    zset_outcome outcome;
    if (!t->to) {
        list_add(t, member, score);
        return ENGINE_OK;
    }
    engine_result r = t->once ? (engine_result)ENGINE_ABSENT : zset_score(t->to, member, &had);
    if (r == ENGINE_ABSENT) return zset_put(t->to, member, score);
    if (r != ENGINE_OK) return r;
    return zset_add(t->to, member, aggregate(t->how, had, score), 0, &had, &outcome);
}

/* ---- operations ---------------------------------------------------------------------------------
 */

static engine_result make_union(zset_source *from, size_t n, target *t) {
    engine_result r = ENGINE_ABSENT;
    sort_sources(from, n, by_size);
    t->once = n == 1;
    for (size_t i = 0; i < n && r == ENGINE_ABSENT; i++) {
        source_walk w;
        for (r = walk_begin(&from[i], &w); r == ENGINE_OK; r = walk_step(&w)) {
            r = target_add(t, w.member, weigh(from[i].weight, w.score));
            if (r != ENGINE_OK) break;
        }
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* Is the member in all others (any: in one of them)? ENGINE_ABSENT: no. Its score goes into *sum.
 */
static engine_result in_others(zset_source *from, size_t n, const source_walk *w, bool any,
                               zset_aggregate how, double *sum) {
    engine_result r = any ? ENGINE_ABSENT : ENGINE_OK;
    for (size_t i = 1; i < n; i++) {
        double score;
        r = lookup(&from[i], w->member, &score);
        if (r == ENGINE_OK && !any) *sum = aggregate(how, *sum, score * from[i].weight);
        if (r != (any ? ENGINE_ABSENT : ENGINE_OK)) break;
    }
    return r;
}

/* Walks the first source and shows what is in all others, or (diff) in none. Once a lookup was
 * pending nothing is shown, but others are still asked for. each: ENGINE_ABSENT ends it. */
static engine_result sift(zset_source *from, size_t n, bool diff, zset_aggregate how,
                          engine_result (*each)(void *ctx, slice member, double score), void *ctx) {
    source_walk w;
    uint64_t misses = 0;
    engine_result r = walk_begin(&from[0], &w);
    for (; r == ENGINE_OK && (!misses || el_may_miss(from[0].el.ks, misses)); r = walk_step(&w)) {
        double score = diff ? w.score : weigh(from[0].weight, w.score);
        engine_result in = in_others(from, n, &w, diff, how, &score);
        if (in == ENGINE_ERROR) return in;
        if (in == ENGINE_PENDING) misses++;
        if (misses || in != (diff ? ENGINE_ABSENT : ENGINE_OK)) continue;
        r = each(ctx, w.member, score);
        if (r != ENGINE_OK) break;
    }
    if (r == ENGINE_ERROR) return r;
    return misses || r == ENGINE_PENDING ? ENGINE_PENDING : ENGINE_OK;
}

static engine_result add_each(void *ctx, slice member, double score) {
    return target_add(ctx, member, score);
}

/* Smallest source first where all must agree; what is taken off, largest first: it hides most. */
static engine_result make(zset_operation op, zset_source *from, size_t n, target *t) {
    if (op == ZSET_UNION) return make_union(from, n, t);
    bool diff = op == ZSET_DIFF;
    t->once = true;
    if (diff) {
        sort_sources(from + 1, n - 1, by_size_down);
    } else {
        sort_sources(from, n, by_size);
    }
    return sift(from, n, diff, t->how, add_each, t);
}

/* Equal scores by bytes, as in a sorted set. */
static int by_score(const void *a, const void *b) {
    const zset_item *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return slice_cmp(x->member, y->member);
}

engine_result zset_combine_list(keyspace *ks, zset_operation op, zset_source *from, size_t n,
                                zset_aggregate how, zset_list *out) {
    target t = {.ks = ks, .how = how};
    CHECK(n > 0);
    engine_result r = make(op, from, n, &t);
    *out = t.list;
    if (out->n > 1) qsort(out->items, out->n, sizeof *out->items, by_score);
    return r;
}

engine_result zset_combine_store(zset_operation op, zset_source *from, size_t n, zset_aggregate how,
                                 elements *to) {
    target t = {.to = to, .ks = to->ks, .how = how};
    CHECK(n > 0);
    return make(op, from, n, &t);
}

/* A count that stops at a limit. */
typedef struct counting {
    uint64_t n, limit;
} counting;

static engine_result count_each(void *ctx, slice member, double score) {
    counting *x = ctx;
    (void)member;
    (void)score;
    x->n++;
    return x->n == x->limit ? ENGINE_ABSENT : ENGINE_OK;
}

engine_result zset_inter_count(zset_source *from, size_t n, uint64_t limit, uint64_t *count) {
    counting x = {.limit = limit};
    sort_sources(from, n, by_size);
    engine_result r = sift(from, n, false, ZSET_SUM, count_each, &x);
    *count = x.n;
    return r;
}

engine_result zset_range_store(elements *from, const zset_range *range, elements *to) {
    zset_walk w;
    el_room room = {0};
    engine_result r = zset_first(from, range, &w);
    for (; r == ENGINE_OK; r = zset_next(&w)) {
        r = zset_put(to, room_copy(from->ks, &room, w.member), w.score);
        if (r != ENGINE_OK) return r;
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}
