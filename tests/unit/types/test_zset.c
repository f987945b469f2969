/* Sorted sets against arrays: whatever is done to one, packed or apart, with reads that are pending
 * and calls that fail, over an engine that counts and over one that does not, it holds what an
 * array says, in its order. */
#include "types/zset.h"

#include "base/mem.h"
#include "keyspace/keyenc.h"
#include "support/readme.h"
#include "support/unit.h"
#include "support/world.h"
#include "types/limits.h"
#include "types/zset_combine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS     4
#define UNIVERSE 300

static world w;

/* Member `id` is in the set with that score; `order` is all that are, as they come. */
typedef struct model {
    bool in[UNIVERSE], skiplist;
    double score[UNIVERSE];
    int n, order[UNIVERSE];
} model;

static model models[KEYS];
static const char *const names[KEYS] = {"a", "b", "c", "d"};
static char members[UNIVERSE][120];

static slice member(int id) {
    return slice_cstr(members[id]);
}

static int open_world(void **state) {
    (void)state;
    world_open(&w, 77, true);
    memset(models, 0, sizeof models);
    for (int i = 1; i < UNIVERSE;
         i++) /* member 0 is empty; some are long, some prefixes of others */
        snprintf(members[i], sizeof members[i],
                 i % 40 == 7 ? "%0100d"
                 : i % 3     ? "%d"
                             : "m%d",
                 i % 5 ? i : i / 5);
    for (int i = 1; i < UNIVERSE; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(members[i], members[k]) == 0) {
                snprintf(members[i], sizeof members[i], "x%d", i);
                break;
            }
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

#define BATCH(what) WORLD_BATCH(&w, what)

static engine_result open_set(int k, unsigned flags, elements *el) {
    engine_result r = el_open(w.ks, 0, slice_cstr(names[k]), &zset_type, flags, el);
    if (r == ENGINE_OK) assert_false(el->wrong_type);
    return r;
}

/* ---- the model ----------------------------------------------------------------------------------
 */

static const model *sorting;
static int by_order(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    if (sorting->score[x] != sorting->score[y])
        return sorting->score[x] < sorting->score[y] ? -1 : 1;
    return slice_cmp(member(x), member(y));
}

static void model_sort(model *m) {
    m->n = 0;
    for (int i = 0; i < UNIVERSE; i++)
        if (m->in[i]) m->order[m->n++] = i;
    sorting = m;
    qsort(m->order, (size_t)m->n, sizeof *m->order, by_order);
    if (m->n == 0) m->skiplist = false;
}

static void model_put(model *m, int id, double score) {
    m->in[id] = true;
    m->score[id] = score == 0 ? 0 : score;
    if (member(id).len > (uint64_t)types_limit.zset_value) m->skiplist = true;
}

static zset_outcome model_add(model *m, int id, double score, unsigned flags) {
    if (!m->in[id]) {
        if (flags & ZSET_XX) return ZSET_REFUSED;
        model_put(m, id, score);
        return ZSET_ADDED;
    }
    double was = m->score[id];
    if (flags & ZSET_NX) return ZSET_REFUSED;
    if (flags & ZSET_INCR) score += was;
    if (isnan(score)) return ZSET_NAN;
    if (flags & ZSET_GT && !(score > was)) return ZSET_REFUSED;
    if (flags & ZSET_LT && !(score < was)) return ZSET_REFUSED;
    if (score == was) return ZSET_SAME;
    m->score[id] = score == 0 ? 0 : score;
    return ZSET_UPDATED;
}

static bool above(const model *m, const zset_range *r, int id) {
    if (r->by == ZSET_BY_SCORE) return r->min_open ? m->score[id] > r->min : m->score[id] >= r->min;
    int cmp = r->low.infinite ? -r->low.infinite : slice_cmp(member(id), r->low.text);
    return r->low.open ? cmp > 0 : cmp >= 0;
}

static bool below(const model *m, const zset_range *r, int id) {
    if (r->by == ZSET_BY_SCORE) return r->max_open ? m->score[id] < r->max : m->score[id] <= r->max;
    int cmp = r->high.infinite ? -r->high.infinite : slice_cmp(member(id), r->high.text);
    return r->high.open ? cmp < 0 : cmp <= 0;
}

/* The range's members, in the order of the walk, without offset and limit. */
static int model_range(const model *m, const zset_range *r, int *out) {
    int n = 0;
    int64_t start = r->start < 0 ? r->start + m->n : r->start;
    int64_t stop = r->stop < 0 ? r->stop + m->n : r->stop;
    for (int i = 0; i < m->n; i++) {
        int id = m->order[r->reverse ? m->n - 1 - i : i];
        bool in =
            r->by == ZSET_BY_RANK ? i >= start && i <= stop : above(m, r, id) && below(m, r, id);
        if (in) out[n++] = id;
    }
    return n;
}

/* ---- random arguments ---------------------------------------------------------------------------
 */

static double some_score(rng *r) {
    static const double edges[] = {0, -0.0, 1, -1, INFINITY, -INFINITY, 5e-324, 1e308, 0.1, -0.1};
    switch (rng_below(r, 4)) {
    case 0: return edges[rng_below(r, sizeof edges / sizeof *edges)];
    case 1: return (double)rng_below(r, 100) / 8;
    default: return (double)rng_below(r, 20) - 10;
    }
}

static int some_id(rng *r) {
    return (int)rng_below(r, rng_below(r, 2) ? 30 : UNIVERSE);
}

static zset_lex some_lex(rng *r) {
    zset_lex end = {.open = rng_below(r, 2), .text = member(some_id(r))};
    if (rng_below(r, 4) == 0) end = (zset_lex){.infinite = rng_below(r, 2) ? 1 : -1};
    return end;
}

/* lex: of a set whose scores are all equal. */
static zset_range some_range(rng *r, bool lex) {
    zset_range range = {.limit = -1, .reverse = rng_below(r, 2)};
    range.by = rng_below(r, 2) ? ZSET_BY_SCORE : ZSET_BY_RANK;
    if (lex && rng_below(r, 2)) range.by = ZSET_BY_LEX;
    range.start = (int64_t)rng_below(r, 400) - 200;
    range.stop = (int64_t)rng_below(r, 400) - 200;
    range.min = some_score(r);
    range.max = rng_below(r, 2) ? range.min + (double)rng_below(r, 5) : some_score(r);
    range.min_open = rng_below(r, 2);
    range.max_open = rng_below(r, 2);
    range.low = some_lex(r);
    range.high = some_lex(r);
    if (isnan(range.max)) range.max = INFINITY;
    return range;
}

/* ---- operations ---------------------------------------------------------------------------------
 */

/* Several changes of one batch. */
typedef struct change {
    int n, ids[160];
    double scores[160], now[160];
    unsigned flags;
    zset_outcome outcomes[160];
    bool remove, removed[160];
} change;

static engine_result do_change(int k, change *x) {
    elements el;
    engine_result r = open_set(k, KS_WRITE, &el);
    for (int i = 0; i < x->n && r == ENGINE_OK; i++) {
        if (x->remove) {
            r = zset_remove(&el, member(x->ids[i]));
            x->removed[i] = r == ENGINE_OK;
            if (r == ENGINE_ABSENT) r = ENGINE_OK;
        } else {
            r = zset_add(&el, member(x->ids[i]), x->scores[i], x->flags, &x->now[i],
                         &x->outcomes[i]);
        }
    }
    return r == ENGINE_OK ? el_end(&el) : r;
}

static void step_change(rng *r, int k) {
    static change x;
    model *m = &models[k];
    x.n = rng_below(r, 12) ? 1 + (int)rng_below(r, 6) : 1 + (int)rng_below(r, 160);
    x.remove = rng_below(r, 3) == 0;
    x.flags = rng_below(r, 2) ? 0 : (unsigned)(1u << rng_below(r, 5));
    for (int i = 0; i < x.n; i++) {
        x.ids[i] = some_id(r);
        x.scores[i] = k == 0 ? 7 : some_score(r); /* the first set's scores are all equal */
    }
    if (k == 0) x.flags &= (unsigned)~ZSET_INCR;
    BATCH(do_change(k, &x));
    for (int i = 0; i < x.n; i++) {
        int id = x.ids[i];
        if (x.remove) {
            assert_int_equal(x.removed[i], m->in[id]);
            m->in[id] = false;
            continue;
        }
        zset_outcome expected = model_add(m, id, x.scores[i], x.flags);
        assert_int_equal(x.outcomes[i], expected);
        if (expected != ZSET_REFUSED && expected != ZSET_NAN)
            assert_true(x.now[i] == m->score[id] && !signbit(x.now[i]) == !signbit(m->score[id]));
        int n = 0;
        for (int j = 0; j < UNIVERSE; j++)
            n += m->in[j];
        if (n > types_limit.zset_entries) m->skiplist = true;
    }
    model_sort(m);
}

static engine_result do_walk(int k, const zset_range *range, int *out, double *scores, int *n) {
    elements el;
    zset_walk walk;
    *n = 0;
    engine_result r = open_set(k, 0, &el);
    if (r != ENGINE_OK) return r;
    for (r = zset_first(&el, range, &walk); r == ENGINE_OK; r = zset_next(&walk)) {
        int id = 0;
        while (id < UNIVERSE && !slice_eq(member(id), walk.member))
            id++;
        assert_true(id < UNIVERSE && *n < UNIVERSE);
        scores[*n] = walk.score;
        out[(*n)++] = id;
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result do_count(int k, const zset_range *range, uint64_t *n) {
    elements el;
    engine_result r = open_set(k, 0, &el);
    return r == ENGINE_OK ? zset_count(&el, range, n) : r;
}

static void step_range(rng *r, int k) {
    static int expected[UNIVERSE], got[UNIVERSE];
    static double scores[UNIVERSE];
    int n, all = 0;
    uint64_t count;
    zset_range range = some_range(r, k == 0);
    if (range.by == ZSET_BY_LEX || rng_below(r, 2)) range.limit = (int64_t)rng_below(r, 30) - 2;
    if (rng_below(r, 2)) range.offset = (int64_t)rng_below(r, 40) - 2;
    BATCH(do_walk(k, &range, got, scores, &n));
    all = model_range(&models[k], &range, expected);
    int from = 0, to = all;
    if (range.by != ZSET_BY_RANK) {
        from = range.offset < 0 || range.offset > all ? all : (int)range.offset;
        if (range.limit >= 0 && from + range.limit < all) to = from + (int)range.limit;
    }
    assert_int_equal(n, to - from);
    for (int i = 0; i < n; i++) {
        assert_int_equal(got[i], expected[from + i]);
        assert_true(scores[i] == models[k].score[got[i]]);
    }
    range.reverse = false;
    all = model_range(&models[k], &range, expected);
    BATCH(do_count(k, &range, &count));
    assert_int_equal(count, all);
}

static engine_result do_remove_range(int k, const zset_range *range, uint64_t *n) {
    elements el;
    engine_result r = open_set(k, KS_WRITE, &el);
    if (r == ENGINE_OK) r = zset_remove_range(&el, range, n);
    return r == ENGINE_OK ? el_end(&el) : r;
}

static void step_remove_range(rng *r, int k) {
    static int gone[UNIVERSE];
    uint64_t n;
    model *m = &models[k];
    zset_range range = some_range(r, k == 0);
    range.reverse = false;
    BATCH(do_remove_range(k, &range, &n));
    assert_int_equal(n, model_range(m, &range, gone));
    for (uint64_t i = 0; i < n; i++)
        m->in[gone[i]] = false;
    model_sort(m);
}

typedef struct popped {
    int n;
    bool highest;
    char names[5][120];
    double scores[5];
} popped;

static engine_result do_pop(int k, popped *p) {
    elements el;
    slice name;
    engine_result r = open_set(k, KS_WRITE, &el);
    for (p->n = 0; p->n < 5 && r == ENGINE_OK; p->n++) {
        r = zset_pop(&el, p->highest, (uint64_t)(4 - p->n), &name, &p->scores[p->n]);
        if (r != ENGINE_OK) break;
        memcpy(p->names[p->n], name.data, name.len);
        p->names[p->n][name.len] = '\0';
    }
    return r == ENGINE_OK || r == ENGINE_ABSENT ? el_end(&el) : r;
}

static void step_pop(rng *r, int k) {
    static popped p;
    model *m = &models[k];
    p.highest = rng_below(r, 2);
    BATCH(do_pop(k, &p));
    assert_int_equal(p.n, m->n < 5 ? m->n : 5);
    for (int i = 0; i < p.n; i++) {
        int id = m->order[p.highest ? m->n - 1 - i : i];
        assert_string_equal(p.names[i], members[id]);
        assert_true(p.scores[i] == m->score[id]);
        m->in[id] = false;
    }
    model_sort(m);
}

static engine_result do_rank(int k, int id, bool reverse, bool *there, uint64_t *rank,
                             double *score) {
    elements el;
    engine_result r = open_set(k, 0, &el);
    if (r == ENGINE_OK) r = zset_rank(&el, member(id), reverse, rank, score);
    *there = r == ENGINE_OK;
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static void step_rank(rng *r, int k) {
    const model *m = &models[k];
    int id = some_id(r), at = 0;
    bool there, reverse = rng_below(r, 2);
    uint64_t rank;
    double score;
    BATCH(do_rank(k, id, reverse, &there, &rank, &score));
    assert_int_equal(there, m->in[id]);
    if (!there) return;
    while (m->order[at] != id)
        at++;
    assert_int_equal(rank, reverse ? m->n - 1 - at : at);
    assert_true(score == m->score[id]);
}

/* ---- combining ----------------------------------------------------------------------------------
 */

typedef struct combination {
    zset_operation op;
    zset_aggregate how;
    int n, keys[4], to;
    double weights[4];
    bool store;
    uint64_t limit, count;
    int got, ids[UNIVERSE];
    double scores[UNIVERSE];
} combination;

static engine_result do_combine(combination *x) {
    zset_source from[4];
    zset_list list;
    elements to;
    engine_result r = ENGINE_OK;
    for (int i = 0; i < x->n && r == ENGINE_OK; i++) {
        r = zset_source_open(w.ks, 0, slice_cstr(names[x->keys[i]]), 0, &from[i]);
        from[i].weight = x->weights[i];
    }
    if (r != ENGINE_OK) return r;
    if (x->limit) return zset_inter_count(from, (size_t)x->n, x->limit, &x->count);
    if (x->store) {
        el_create(w.ks, 0, slice_cstr(names[x->to]), &zset_type, &to);
        r = zset_combine_store(x->op, from, (size_t)x->n, x->how, &to);
        return r == ENGINE_OK ? el_end(&to) : r;
    }
    r = zset_combine_list(w.ks, x->op, from, (size_t)x->n, x->how, &list);
    x->got = 0;
    for (size_t i = 0; i < list.n && r == ENGINE_OK; i++) {
        int id = 0;
        while (!slice_eq(member(id), list.items[i].member))
            id++;
        x->ids[x->got] = id;
        x->scores[x->got++] = list.items[i].score;
    }
    return r;
}

static double both(zset_aggregate how, double a, double b) {
    if (how == ZSET_MIN) return b < a ? b : a;
    if (how == ZSET_MAX) return b > a ? b : a;
    return isnan(a + b) ? 0 : a + b;
}

/* What should come out; sums of these scores are exact in any order. */
static void model_combine(const combination *x, model *out) {
    memset(out, 0, sizeof *out);
    for (int id = 0; id < UNIVERSE; id++) {
        bool first = models[x->keys[0]].in[id];
        int in = 0;
        double score = 0;
        for (int i = 0; i < x->n; i++) {
            const model *m = &models[x->keys[i]];
            if (!m->in[id]) continue;
            double v = m->score[id] * x->weights[i];
            score = in++ ? both(x->how, score, v) : v;
        }
        bool wanted = x->op == ZSET_UNION ? in > 0 : x->op == ZSET_INTER ? in == x->n : first;
        if (x->op == ZSET_DIFF && (in != 1 || !first)) wanted = false;
        if (wanted) model_put(out, id, x->op == ZSET_DIFF ? models[x->keys[0]].score[id] : score);
    }
    model_sort(out);
    if (out->n > types_limit.zset_entries) out->skiplist = true;
}

/* Only where all scores are such that no order of sums matters. */
static bool tame(const combination *x) {
    for (int i = 0; i < x->n; i++)
        for (int id = 0; id < UNIVERSE; id++) {
            const model *m = &models[x->keys[i]];
            if (m->in[id] &&
                (fabs(m->score[id]) > 1e6 || m->score[id] * 8 != trunc(m->score[id] * 8)))
                return false;
        }
    return true;
}

static void step_combine(rng *r) {
    static combination x;
    static model expected;
    x.op = (zset_operation)rng_below(r, 3);
    x.how = (zset_aggregate)rng_below(r, 3);
    x.n = 1 + (int)rng_below(r, 4);
    x.to = 1 + (int)rng_below(r, KEYS - 1);
    x.store = rng_below(r, 2);
    x.limit = x.op == ZSET_INTER && !x.store && rng_below(r, 2) ? 1 + rng_below(r, 200) : 0;
    for (int i = 0; i < x.n; i++) {
        x.keys[i] = (int)rng_below(r, KEYS);
        x.weights[i] = (double)rng_below(r, 5) - 2;
    }
    if (!tame(&x)) return;
    model_combine(&x, &expected);
    BATCH(do_combine(&x));
    if (x.limit) {
        assert_int_equal(x.count, (uint64_t)expected.n < x.limit ? (uint64_t)expected.n : x.limit);
    } else if (x.store) {
        models[x.to] = expected;
    } else {
        assert_int_equal(x.got, expected.n);
        for (int i = 0; i < x.got; i++) {
            assert_int_equal(x.ids[i], expected.order[i]);
            assert_true(x.scores[i] == expected.score[x.ids[i]]);
        }
    }
}

static engine_result do_store(int from, int to, const zset_range *range) {
    elements src, dst;
    engine_result r = open_set(from, 0, &src);
    if (r != ENGINE_OK) return r;
    el_create(w.ks, 0, slice_cstr(names[to]), &zset_type, &dst);
    r = zset_range_store(&src, range, &dst);
    return r == ENGINE_OK ? el_end(&dst) : r;
}

static void step_store(rng *r) {
    static int ids[UNIVERSE];
    static model made;
    int from = (int)rng_below(r, KEYS), to = 1 + (int)rng_below(r, KEYS - 1);
    zset_range range = some_range(r, from == 0);
    BATCH(do_store(from, to, &range));
    int n = model_range(&models[from], &range, ids);
    memset(&made, 0, sizeof made);
    for (int i = 0; i < n; i++)
        model_put(&made, ids[i], models[from].score[ids[i]]);
    model_sort(&made);
    if (n > types_limit.zset_entries) made.skiplist = true;
    models[to] = made;
}

/* ---- the random walk ----------------------------------------------------------------------------
 */

static engine_result encoding(int k, bool *exists, const char **name) {
    elements el;
    engine_result r = open_set(k, 0, &el);
    *exists = el.exists;
    return r == ENGINE_OK ? zset_encoding(&el, name) : r;
}

static void assert_same(int k) {
    static int got[UNIVERSE];
    static double scores[UNIVERSE];
    int n;
    bool exists;
    const char *name;
    zset_range all = ZSET_ALL;
    const model *m = &models[k];
    BATCH(do_walk(k, &all, got, scores, &n));
    assert_int_equal(n, m->n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(got[i], m->order[i]);
        assert_true(scores[i] == m->score[got[i]]);
    }
    BATCH(encoding(k, &exists, &name));
    assert_int_equal(exists, n > 0);
    if (exists) assert_string_equal(name, m->skiplist ? "skiplist" : "listpack");
}

static void run(unsigned pending, int steps) {
    rng r;
    unit_seed(&r);
    for (int i = 0; i < steps; i++) {
        int k = (int)rng_below(&r, KEYS);
        mem_knobs *knobs = engine_mem_knobs(w.e);
        knobs->pending_permille = pending;
        if (pending && rng_below(&r, 4) == 0) knobs->error_at = 1 + rng_below(&r, 20);
        switch (rng_below(&r, 16)) {
        case 0: step_pop(&r, k); break;
        case 1: step_remove_range(&r, k); break;
        case 2: step_combine(&r); break;
        case 3: step_store(&r); break;
        case 4:
        case 5: step_rank(&r, k); break;
        case 6:
        case 7:
        case 8: step_range(&r, k); break;
        default: step_change(&r, k); break;
        }
        knobs->error_at = 0;
        assert_same((int)rng_below(&r, KEYS));
    }
    engine_mem_knobs(w.e)->pending_permille = 0;
    buf report = {0};
    assert_true(status_ok(engine_check(w.e, &report)));
    assert_int_equal(report.len, 0);
    buf_free(&report);
}

static void against_arrays(void **state) {
    (void)state;
    run(0, unit_rounds(6000));
}

static void with_pending_reads_and_errors(void **state) {
    (void)state;
    run(20, unit_rounds(1500));
}

/* An engine that does not count: ranks and counts are walks. */
static void where_the_engine_does_not_count(void **state) {
    (void)state;
    engine_mem_counted(w.e, false);
    run(0, unit_rounds(3000));
}

/* ---- what is kept, and what it costs ------------------------------------------------------------
 */

static engine_result add_one(const char *key, const char *name, double score) {
    elements el;
    double now;
    zset_outcome outcome;
    engine_result r = el_open(w.ks, 0, slice_cstr(key), &zset_type, KS_WRITE, &el);
    if (r == ENGINE_OK) r = zset_add(&el, slice_cstr(name), score, 0, &now, &outcome);
    return r == ENGINE_OK ? el_end(&el) : r;
}

/* The worked example of src/types/README.md. */
static void the_format(void **state) {
    (void)state;
    entry ent;
    BATCH(add_one("k", "a", 1.5));
    ks_begin(w.ks);
    assert_int_equal(engine_get(w.e, 0, SLICE("k"), &ent), ENGINE_OK);
    assert_readme_shows("src/types/README.md", ent.value.data, ent.value.len);
    ks_commit(w.ks);
}

/* A pop touches as much of a large set as of a small one. */
static void a_pop_costs_the_same_whatever_is_there(void **state) {
    (void)state;
    uint64_t cost[2];
    char name[32];
    for (int i = 0; i < 4000; i++) {
        snprintf(name, sizeof name, "member%d", i);
        BATCH(add_one(i < 200 ? "small" : "large", name, i));
    }
    for (int i = 0; i < 2; i++) {
        elements el;
        slice first;
        double score;
        uint64_t before = engine_mem_counters(w.e)->calls;
        ks_begin(w.ks);
        assert_int_equal(
            el_open(w.ks, 0, i ? SLICE("large") : SLICE("small"), &zset_type, KS_WRITE, &el),
            ENGINE_OK);
        assert_false(el.packed);
        assert_int_equal(zset_pop(&el, false, 0, &first, &score), ENGINE_OK);
        assert_true(score == (i ? 200 : 0));
        assert_int_equal(el_end(&el), ENGINE_OK);
        ks_commit(w.ks);
        cost[i] = engine_mem_counters(w.e)->calls - before;
    }
    assert_int_equal(cost[0], cost[1]);
    assert_true(cost[0] <= 5); /* get, open, seek, and the element with its derived one */
}

/* An intersection costs what its smallest source does, wherever that stands. */
static void an_intersection_walks_the_smallest(void **state) {
    (void)state;
    char name[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "member%d", i);
        BATCH(add_one("large", name, i));
    }
    BATCH(add_one("small", "member7", 1));
    for (int i = 0; i < 2; i++) {
        zset_source from[2];
        uint64_t n, before = engine_mem_counters(w.e)->calls;
        ks_begin(w.ks);
        assert_int_equal(zset_source_open(w.ks, 0, SLICE("large"), 0, &from[i]), ENGINE_OK);
        assert_int_equal(zset_source_open(w.ks, 0, SLICE("small"), 0, &from[1 - i]), ENGINE_OK);
        assert_int_equal(zset_inter_count(from, 2, 0, &n), ENGINE_OK);
        ks_commit(w.ks);
        assert_int_equal(n, 1);
        assert_true(engine_mem_counters(w.e)->calls - before <= 5);
    }
}

/* A change of a score that is known costs one lookup. */
static void an_update_looks_once(void **state) {
    (void)state;
    char name[32];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "member%d", i);
        BATCH(add_one("k", name, i));
    }
    uint64_t before = engine_mem_counters(w.e)->calls;
    BATCH(add_one("k", "member7", 1000));
    /* get and open; the lookup; the derived one goes and comes; the element. */
    assert_int_equal(engine_mem_counters(w.e)->calls - before, 6);
    before = engine_mem_counters(w.e)->calls;
    BATCH(add_one("k", "member7", 1000)); /* nothing to do */
    assert_int_equal(engine_mem_counters(w.e)->calls - before, 3);
}

/* Members of different scores in a packed set: as redis-server's listpacks answer. */
static void bytes_among_different_scores(void **state) {
    (void)state;
    static const char *const mixed[] = {"d", "c", "b", "a"};
    uint64_t n;
    zset_range range = {.by = ZSET_BY_LEX, .limit = -1};
    for (int i = 0; i < 4; i++)
        BATCH(add_one("a", mixed[i], i));
    range.low = (zset_lex){.text = SLICE("b")};
    range.high = (zset_lex){.infinite = 1};
    BATCH(do_count(0, &range, &n));
    assert_int_equal(n, 0); /* the last is below the range */
    range.low = (zset_lex){.infinite = -1};
    BATCH(do_count(0, &range, &n));
    assert_int_equal(n, 4);
    range.high = (zset_lex){.text = SLICE("c")};
    BATCH(do_count(0, &range, &n));
    assert_int_equal(n, 0); /* the first is above it */
}

static engine_result add_bytes(slice member) {
    elements el;
    double now;
    zset_outcome outcome;
    engine_result r = el_open(w.ks, 0, SLICE("long"), &zset_type, KS_WRITE, &el);
    if (r == ENGINE_OK) r = zset_add(&el, member, 0, 0, &now, &outcome);
    return r == ENGINE_OK ? el_end(&el) : r;
}

static uint64_t count_bytes(slice low, slice high) {
    elements el;
    uint64_t n = 0;
    zset_range range = {.by = ZSET_BY_LEX, .limit = -1, .low = {.text = low}};
    range.high = (zset_lex){.text = high, .infinite = high.len ? 0 : 1};
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, SLICE("long"), &zset_type, 0, &el), ENGINE_OK);
    assert_false(el.packed);
    assert_int_equal(zset_count(&el, &range, &n), ENGINE_OK);
    ks_commit(w.ks);
    return n;
}

/* Ends of ranges that are longer than members can be, and members too. */
static void bytes_beyond_any_member(void **state) {
    (void)state;
    static char x[EL_SUB_MAX + 9];
    elements el;
    uint64_t rank;
    double score;
    memset(x, 'x', sizeof x);
    BATCH(add_bytes(SLICE("a")));
    BATCH(add_bytes(slice_of(x, EL_SUB_MAX)));
    BATCH(add_bytes(SLICE("y")));
    slice longer = slice_of(x, sizeof x), longest = slice_of(x, EL_SUB_MAX);
    assert_int_equal(count_bytes(longest, SLICE_EMPTY), 2);
    assert_int_equal(count_bytes(longer, SLICE_EMPTY), 1);
    assert_int_equal(count_bytes(SLICE("a"), longer), 2);
    assert_int_equal(count_bytes(longer, longer), 0);
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, SLICE("long"), &zset_type, KS_WRITE, &el), ENGINE_OK);
    assert_int_equal(zset_score(&el, longer, &score), ENGINE_ABSENT);
    assert_int_equal(zset_rank(&el, longer, false, &rank, &score), ENGINE_ABSENT);
    assert_int_equal(zset_remove(&el, longer), ENGINE_ABSENT);
    ks_commit(w.ks);
}

static void what_a_source_may_be(void **state) {
    (void)state;
    zset_source from;
    entry ent = {.type = KEY_LIST, .value = SLICE("x")};
    BATCH(ks_put(w.ks, 0, SLICE("l"), &ent));
    ks_begin(w.ks);
    assert_int_equal(zset_source_open(w.ks, 0, SLICE("l"), 0, &from), ENGINE_OK);
    assert_true(from.wrong_type);
    assert_int_equal(zset_source_open(w.ks, 0, SLICE("none"), 0, &from), ENGINE_OK);
    assert_true(!from.wrong_type && from.n == 0);
    ks_commit(w.ks);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_WORLD(against_arrays),
        IN_WORLD(with_pending_reads_and_errors),
        IN_WORLD(where_the_engine_does_not_count),
        IN_WORLD(the_format),
        IN_WORLD(a_pop_costs_the_same_whatever_is_there),
        IN_WORLD(an_intersection_walks_the_smallest),
        IN_WORLD(an_update_looks_once),
        IN_WORLD(bytes_among_different_scores),
        IN_WORLD(bytes_beyond_any_member),
        IN_WORLD(what_a_source_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
