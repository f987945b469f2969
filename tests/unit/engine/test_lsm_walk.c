/* Tests of reading what memtables and tables have together: lookups, walks, map iterators, against
 * the list of what each run holds; while memtables change and versions come and go. */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"
#include "support/runs.h"
#include "support/unit.h"

#define COLL 5u
#define MAP  2u

/* An engine of nothing but what reads use. */
typedef struct world {
    lsm e;
    runs *x;
    lpdb db, *map;
    rng r;
} world;

/* A version of the runs' tables, level by level. */
static version *version_of(const runs *x) {
    table_ref *add[64];
    size_t n = 0;
    for (unsigned i = 0; i < x->n; i++)
        for (uint32_t k = 0; k < x->run[i].ntables; k++)
            add[n++] = table_ref_keep(x->run[i].tables[k]);
    version *empty = version_empty();
    version *v = version_after(empty, &(version_change){.add = add, .nadd = n});
    version_release(empty);
    return v;
}

/* The runs' trees become memtables: one at least, and nothing of it is the runs' any more. */
static void make_memtables(world *w) {
    memtable *last = NULL;
    for (unsigned i = 0; i < w->x->n && (i == 0 || w->x->run[i].tree); i++) {
        memtable *m = memtable_new(100 - i);
        CHECK(w->x->run[i].tree);
        btree_free(m->tree);
        m->tree = w->x->run[i].tree;
        if (last)
            last->older = m;
        else
            w->e.active = m;
        w->e.nfrozen += last != NULL;
        last = m;
    }
}

static world *world_new(slice prefix, size_t keys) {
    world *w = mem_zalloc(sizeof *w);
    unit_seed(&w->r);
    w->x = runs_new(&w->r, prefix, keys);
    unsigned trees = 1 + (unsigned)rng_below(&w->r, 3), zeros = (unsigned)rng_below(&w->r, 4);
    for (unsigned i = 0; i < trees; i++)
        runs_add(w->x, &w->r, 20, 0, 0);
    for (unsigned i = 0; i < zeros; i++)
        runs_add(w->x, &w->r, 30, 1, 0);
    for (unsigned l = 1; l < 4; l++)
        runs_add(w->x, &w->r, 20 * l, 1 + (unsigned)rng_below(&w->r, 6), l);
    make_memtables(w);
    w->e.current = version_of(w->x);
    w->e.blocks = cache_new(rng_below(&w->r, 2) ? 1 << 20 : 0);
    w->db.number = 1;
    w->map = &w->db;
    w->e.map = &w->map;
    w->e.ndbs = 1;
    return w;
}

static void world_free(world *w) {
    lsm *e = &w->e;
    lsm_walks_end(e);
    for (memtable *m = e->active, *next; m; m = next) {
        next = m->older;
        assert_int_equal(m->readers, 0);
        m->tree = btree_new(); /* its own is the runs' to free */
        memtable_free(m);
    }
    assert_int_equal(e->current->refs, 1);
    version_release(e->current);
    cache_free(e->blocks);
    buf *const scratch[] = {&e->key, &e->key2, &e->cell, &e->value, &e->raw};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        buf_free(scratch[i]);
    runs_free(w->x);
    mem_free(w);
}

/* The cell that counts, if it is not a tombstone. */
static bool present(const runs *x, size_t i, slice *cell) {
    *cell = SLICE_EMPTY;
    unsigned n = i < x->nkeys ? runs_newest(x, i) : x->n;
    if (n == x->n) return false;
    *cell = x->run[n].cells[i];
    return cell->data[0] == CELL_PRESENT;
}

/* The nearest key that is present, from i on in that direction; SIZE_MAX if none is. */
static size_t nearest(const runs *x, size_t i, bool backward) {
    slice cell;
    while (i < x->nkeys && !present(x, i, &cell))
        i = backward ? i - 1 : i + 1;
    return i < x->nkeys ? i : SIZE_MAX;
}

/* Where a search must end: the first present key >= key, or the last <= it. */
static size_t sought(const runs *x, slice key, bool backward) {
    size_t i = runs_at(x, key);
    bool same = i < x->nkeys && slice_eq(x->keys[i], key);
    return nearest(x, backward && !same ? i - 1 : i, backward);
}

/* Another version of the same tables takes the place of the current one. */
static void install(world *w) {
    version *old = w->e.current;
    w->e.current = version_of(w->x);
    version_release(old);
    lsm_walks_forget(&w->e);
}

/* The active memtable gets what an older run has of some key: other cells, the same contents. Its
 * tree changes all the same. */
static void change_memtable(world *w) {
    size_t i = rng_below(&w->r, w->x->nkeys);
    slice had;
    if (btree_get(w->e.active->tree, w->x->keys[i], &had)) return;
    btree_put(w->e.active->tree, w->x->keys[i], SLICE("\1\2\3\4\5\6\7\10\0\0tombstone"));
    btree_del(w->e.active->tree, w->x->keys[i]);
}

/* ---- lookups ----------------------------------------------------------------------------------
 */

static void test_find(void **state) {
    (void)state;
    for (int round = unit_rounds(20); round > 0; round--) {
        world *w = world_new(SLICE("p"), 300);
        buf near = {0};
        for (int k = 0; k < 300; k++) {
            slice key = runs_near(w->x, &w->r, &near), cell;
            if (!key.len) continue;
            size_t i = runs_at(w->x, key);
            bool same = i < w->x->nkeys && slice_eq(w->x->keys[i], key);
            found f;
            lkey want = {key, same && rng_below(&w->r, 2) ? i + 1 : 0}; /* as runs.c has them */
            engine_result r = lsm_find(&w->e, want, &f);
            bool there = same && present(w->x, i, &cell);
            assert_int_equal(r, there ? ENGINE_OK : ENGINE_ABSENT);
            if (!there) continue;
            unsigned newest = runs_newest(w->x, i);
            assert_true(slice_eq(f.cell, cell));
            assert_true(f.pos == (w->x->run[newest].tree ? runs_pos(newest, i) : 0));
            assert_int_equal(lsm_find_below(&w->e, want, &f) == ENGINE_OK && slice_eq(f.cell, cell),
                             newest > 0);
        }
        assert_true(w->e.stats.reads > 0 && w->e.stats.memtable_hits > 0);
        buf_free(&near);
        world_free(w);
    }
}

/* ---- walks ------------------------------------------------------------------------------------
 */

static void assert_at(const world *w, const walk *k, bool got, size_t at) {
    slice cell;
    assert_string_equal(walk_status(k).msg, "");
    assert_int_equal(got, at != SIZE_MAX);
    assert_int_equal(walk_valid(k), got);
    if (!got) return;
    assert_true(present(w->x, at, &cell));
    assert_true(slice_eq(walk_key(k), w->x->keys[at]));
    assert_true(slice_eq(walk_cell(k), cell));
}

static void walk_about(world *w, walk *k, int steps) {
    buf near = {0};
    size_t at = SIZE_MAX;
    for (bool backward = false; steps > 0; steps--) {
        unsigned what = (unsigned)rng_below(&w->r, 30);
        if (what == 0) install(w);
        if (what < 6 || at == SIZE_MAX) {
            slice key = runs_near(w->x, &w->r, &near);
            backward = what % 2;
            at = sought(w->x, key, backward);
            assert_at(w, k, backward ? walk_seek_before(k, key) : walk_seek(k, key), at);
            continue;
        }
        if (what < 10) backward = !backward;
        at = nearest(w->x, backward ? at - 1 : at + 1, backward);
        assert_at(w, k, backward ? walk_prev(k) : walk_next(k), at);
    }
    buf_free(&near);
}

static void test_walks(void **state) {
    (void)state;
    for (int round = unit_rounds(60); round > 0; round--) {
        world *w = world_new(SLICE("p"), 1 + (size_t)round * 4);
        for (int i = 0; i < 5; i++) {
            walk *k = walk_new(&w->e, SLICE_EMPTY, SLICE_EMPTY, i % 2 ? WALK_SCAN : 0);
            walk_about(w, k, 60);
            walk_free(&w->e, k);
        }
        world_free(w);
    }
}

/* With tombstones shown, each key that any run has comes, and those of tables are counted. */
static void test_tombstones(void **state) {
    (void)state;
    world *w = world_new(SLICE("p"), 300);
    walk *k = walk_new(&w->e, SLICE_EMPTY, SLICE_EMPTY, WALK_ALL);
    uint64_t passed = 0, counted = 0;
    size_t i = 0;
    for (bool more = walk_first(k); more; more = walk_next(k), i++) {
        while (runs_newest(w->x, i) == w->x->n)
            i++;
        const run *u = &w->x->run[runs_newest(w->x, i)];
        assert_true(slice_eq(walk_key(k), w->x->keys[i]));
        assert_true(slice_eq(walk_cell(k), u->cells[i]));
        passed += u->ntables > 0 && walk_cell(k).data[0] == CELL_TOMBSTONE;
    }
    for (; i < w->x->nkeys; i++)
        assert_int_equal(runs_newest(w->x, i), w->x->n);
    for (unsigned n = 0; n < w->x->n; n++)
        for (uint32_t t = 0; t < w->x->run[n].ntables; t++)
            counted += w->x->run[n].tables[t]->skipped;
    assert_true(passed > 0 && counted == passed);
    walk_free(&w->e, k);
    world_free(w);
}

/* ---- map iterators ----------------------------------------------------------------------------
 */

/* Elements of map MAP of collection COLL in database 1. */
static slice element_prefix(void) {
    return SLICE("\0\0\0\1\3\0\0\0\0\0\0\0\5\2");
}

typedef struct iter {
    map_iter it;
    size_t at; /* SIZE_MAX: none */
} iter;

static void assert_element(const world *w, const iter *i, engine_result r) {
    slice cell;
    assert_int_equal(r, i->at == SIZE_MAX ? ENGINE_ABSENT : ENGINE_OK);
    if (r != ENGINE_OK) return;
    assert_true(present(w->x, i->at, &cell));
    assert_true(slice_eq(i->it.subkey, slice_skip(w->x->keys[i->at], LKEY_SUB_HEAD)));
    assert_true(slice_eq(i->it.value, slice_skip(cell, 2)) && i->it.expire == 0);
}

static void seek_iter(world *w, engine_coll *c, iter *i) {
    buf near = {0};
    slice key = runs_near(w->x, &w->r, &near);
    bool backward = rng_below(&w->r, 2);
    slice sub = key.len > LKEY_SUB_HEAD ? slice_skip(key, LKEY_SUB_HEAD) : SLICE_EMPTY;
    buf full = {0};
    buf_append_slice(&full, element_prefix());
    buf_append_slice(&full, sub);
    i->at = sought(w->x, buf_slice(&full), backward);
    if (backward && !sub.len) i->at = nearest(w->x, w->x->nkeys - 1, true);
    assert_element(w, i, lsm_map_seek(&w->e.base, c, MAP, sub, backward, &i->it));
    buf_free(&near);
    buf_free(&full);
}

static void test_iterators(void **state) {
    (void)state;
    for (int round = unit_rounds(10); round > 0; round--) {
        world *w = world_new(element_prefix(), 300);
        engine_coll c = {.db = 0, .key = SLICE("k"), .id = COLL};
        static iter iters[300];
        size_t n = 1 + rng_below(&w->r, rng_below(&w->r, 2) ? 300 : 20);
        for (size_t k = 0; k < n; k++)
            iters[k].at = SIZE_MAX;
        for (int step = 0; step < 2000; step++) {
            unsigned what = (unsigned)rng_below(&w->r, 100);
            iter *i = &iters[rng_below(&w->r, n)];
            if (what == 0) install(w);
            if (what == 1) lsm_iters_rest(&w->e);
            if (what < 10) change_memtable(w);
            if (i->at == SIZE_MAX || what < 20) {
                seek_iter(w, &c, i);
                continue;
            }
            bool backward = rng_below(&w->r, 3) == 0;
            i->at = nearest(w->x, backward ? i->at - 1 : i->at + 1, backward);
            assert_element(w, i, lsm_map_step(&w->e.base, &i->it, backward));
        }
        world_free(w);
    }
}

/* More iterators over long subkeys than are noted: those that were used lately go on, and what is
 * forgotten says so. */
static void test_too_many(void **state) {
    (void)state;
    enum { MANY = 5000 };
    world *w = world_new(element_prefix(), 50);
    engine_coll c = {.db = 0, .key = SLICE("k"), .id = COLL};
    for (int i = 0; i < 3; i++) {
        char key[64], value[] = "\0\0\0\0\0\0\0\1\0\2\0v";
        int len = snprintf(key, sizeof key, "%040d", i);
        buf full = {0};
        buf_append_slice(&full, element_prefix());
        buf_append_char(&full, '\x7f');
        buf_append(&full, key, (size_t)len);
        btree_put(w->e.active->tree, buf_slice(&full), slice_of(value, 12));
        buf_free(&full);
    }
    map_iter *its = mem_zalloc(MANY * sizeof *its);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(lsm_map_seek(&w->e.base, &c, MAP, SLICE("\x7f"), false, &its[i]),
                         ENGINE_OK);
        assert_int_equal(its[i].subkey.len, 41);
    }
    map_iter last = its[MANY - 1], first = its[0];
    assert_int_equal(lsm_map_step(&w->e.base, &last, false), ENGINE_OK);
    assert_int_equal(last.subkey.data[40], '1');
    assert_int_equal(lsm_map_step(&w->e.base, &its[MANY - 200], false), ENGINE_OK);
    assert_int_equal(its[MANY - 200].subkey.data[40], '1');
    assert_int_equal(lsm_map_step(&w->e.base, &first, false), ENGINE_ERROR);
    assert_int_equal(w->e.error.code, ST_LIMIT);
    mem_free(its);
    world_free(w);
}

/* Every rank, and each back again; between keys too. */
static void test_rank(void **state) {
    (void)state;
    world *w = world_new(element_prefix(), 200);
    engine_coll c = {.db = 0, .key = SLICE("k"), .id = COLL};
    buf near = {0};
    slice cell;
    uint64_t count = 0, rank;
    for (size_t i = 0; i < w->x->nkeys; i++)
        count += present(w->x, i, &cell);
    w->e.counts.other.coll = COLL;
    w->e.counts.other.n[MAP] = count;
    for (uint64_t k = 0; k <= count; k++) {
        map_iter it;
        engine_result r = lsm_map_select(&w->e.base, &c, MAP, k, &it);
        assert_int_equal(r, k < count ? ENGINE_OK : ENGINE_ABSENT);
        if (r != ENGINE_OK) continue;
        buf_clear(&near);
        buf_append_slice(&near, it.subkey);
        assert_int_equal(lsm_map_rank(&w->e.base, &c, MAP, buf_slice(&near), &rank), ENGINE_OK);
        assert_int_equal(rank, k);
    }
    for (int k = 0; k < 100; k++) {
        slice key = runs_near(w->x, &w->r, &near);
        if (key.len < LKEY_SUB_HEAD) continue;
        uint64_t want = 0;
        for (size_t i = 0; i < w->x->nkeys && slice_cmp(w->x->keys[i], key) < 0; i++)
            want += present(w->x, i, &cell);
        if (slice_cmp(key, element_prefix()) < 0) continue;
        if (key.data[13] != 2) continue; /* of the next map */
        assert_int_equal(lsm_map_rank(&w->e.base, &c, MAP, slice_skip(key, LKEY_SUB_HEAD), &rank),
                         ENGINE_OK);
        assert_int_equal(rank, want);
    }
    buf_free(&near);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),       cmocka_unit_test(test_walks),
        cmocka_unit_test(test_tombstones), cmocka_unit_test(test_iterators),
        cmocka_unit_test(test_too_many),   cmocka_unit_test(test_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
