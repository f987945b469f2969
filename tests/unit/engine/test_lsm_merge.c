/* Tests of the merge: random runs of trees and tables, walked in both directions with seeks
 * between, within random bounds, against the list of what they hold; trees that change under it;
 * damage. */
#include "engine/lsm/merge.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/lsm/memtable.h"
#include "support/runs.h"
#include "support/unit.h"

typedef struct checked {
    runs *x;
    merger *m;
    size_t first, last; /* keys within the bounds: first .. last - 1 */
    size_t at;          /* where it must stand; SIZE_MAX: nowhere */
    cache *blocks;
} checked;

static bool is_there(const checked *c, size_t i) {
    return i >= c->first && i < c->last && runs_newest(c->x, i) < c->x->n;
}

/* The nearest key that is there, from i on in that direction. */
static size_t nearest(const checked *c, size_t i, bool backward) {
    while (i < c->x->nkeys && !is_there(c, i))
        i = backward ? i - 1 : i + 1; /* below 0 is a very large number */
    return i < c->x->nkeys ? i : SIZE_MAX;
}

static void assert_there(const checked *c, bool got) {
    assert_string_equal(merger_status(c->m).msg, "");
    assert_int_equal(got, c->at != SIZE_MAX);
    assert_int_equal(merger_valid(c->m), got);
    if (!got) return;
    unsigned newest = runs_newest(c->x, c->at);
    const run *u = &c->x->run[newest];
    assert_true(slice_eq(merger_key(c->m), c->x->keys[c->at]));
    assert_true(slice_eq(merger_cell(c->m), u->cells[c->at]));
    assert_int_equal(merger_source(c->m), newest);
    assert_true(merger_pos(c->m) == (u->tree ? runs_pos(newest, c->at) : 0));
    const table_ref *t = merger_table(c->m);
    assert_int_equal(t == NULL, u->tree != NULL);
    if (t) {
        assert_true(slice_cmp(t->smallest, merger_key(c->m)) <= 0);
        assert_true(slice_cmp(t->limit, merger_key(c->m)) > 0);
    }
}

static void random_bounds(checked *c, rng *r) {
    buf a = {0}, b = {0};
    slice from = rng_below(r, 3) ? runs_near(c->x, r, &a) : SLICE_EMPTY;
    slice to = rng_below(r, 3) ? runs_near(c->x, r, &b) : SLICE_EMPTY;
    if (to.len && slice_cmp(from, to) > 0) {
        slice swap = from;
        from = to;
        to = swap;
    }
    merger_bounds(c->m, from, to);
    assert_false(merger_valid(c->m));
    c->first = runs_at(c->x, from);
    c->last = to.len ? runs_at(c->x, to) : c->x->nkeys;
    c->at = SIZE_MAX;
    buf_free(&a);
    buf_free(&b);
}

static void random_seek(checked *c, rng *r) {
    buf near = {0};
    slice key = runs_near(c->x, r, &near);
    size_t i = runs_at(c->x, key);
    bool same = i < c->x->nkeys && slice_eq(c->x->keys[i], key);
    switch (rng_below(r, 4)) {
    case 0:
        c->at = nearest(c, c->first, false);
        assert_there(c, merger_first(c->m));
        break;
    case 1:
        c->at = c->last ? nearest(c, c->last - 1, true) : SIZE_MAX;
        assert_there(c, merger_last(c->m));
        break;
    case 2:
        c->at = nearest(c, i > c->first ? i : c->first, false);
        assert_there(c, merger_seek(c->m, key));
        break;
    default:
        i = same ? i : i - 1;
        if (i != SIZE_MAX && i >= c->last) i = c->last - 1;
        c->at = nearest(c, i, true);
        assert_there(c, merger_seek_before(c->m, key));
        break;
    }
    buf_free(&near);
}

/* A tree gets and loses keys under the merge, not the one it stands at; then it goes on. */
static void change_trees(checked *c, rng *r) {
    buf key = {0};
    if (c->at == SIZE_MAX) return;
    buf_append_slice(&key, merger_key(c->m));
    bool changed = false;
    for (unsigned k = 0; k < c->x->n; k++) {
        run *u = &c->x->run[k];
        size_t i = rng_below(r, c->x->nkeys);
        if (!u->tree || i == c->at || !u->cells[i].data) continue;
        changed = true;
        btree_del(u->tree, c->x->keys[i]);
        mem_free((void *)(uintptr_t)u->cells[i].data);
        u->cells[i] = SLICE_EMPTY;
    }
    assert_int_equal(merger_stale(c->m), changed);
    if (changed) assert_true(merger_renew(c->m, buf_slice(&key)));
    assert_false(merger_stale(c->m));
    assert_there(c, true);
    buf_free(&key);
}

static void walk_about(checked *c, rng *r, int steps) {
    bool backward = false;
    random_bounds(c, r);
    while (steps-- > 0) {
        unsigned what = (unsigned)rng_below(r, 40);
        if (what == 0) random_bounds(c, r);
        if (what < 4 || c->at == SIZE_MAX) {
            random_seek(c, r);
            continue;
        }
        if (what == 5) change_trees(c, r);
        if (what < 9) backward = !backward;
        c->at = backward ? nearest(c, c->at - 1, true) : nearest(c, c->at + 1, false);
        assert_there(c, backward ? merger_prev(c->m) : merger_next(c->m));
    }
}

/* Some trees, then some tables that may overlap, then levels. */
static runs *random_runs(rng *r) {
    static const slice prefixes[] = {
        {"", 0}, {"\0\0\0\1\3\0\0\0\0\0\0\0\1\2", 14}, {"\0\0\0\1\1", 5}};
    runs *x = runs_new(r, prefixes[rng_below(r, 3)], 1 + rng_below(r, rng_below(r, 2) ? 20 : 400));
    for (unsigned n = (unsigned)rng_below(r, 4); n > 0; n--)
        runs_add(x, r, (unsigned)rng_below(r, 60), 0, 0);
    for (unsigned n = (unsigned)rng_below(r, 4); n > 0; n--)
        runs_add(x, r, (unsigned)rng_below(r, 60), 1, 0);
    for (unsigned n = (unsigned)rng_below(r, 5), l = 1; n > 0; n--, l++)
        runs_add(x, r, (unsigned)rng_below(r, 100), 1 + (unsigned)rng_below(r, 8), l);
    return x;
}

static merger *merge_of(const runs *x, const merger_read *how) {
    merger *m = merger_new(how);
    for (unsigned i = 0; i < x->n; i++) {
        if (x->run[i].tree)
            merger_add_tree(m, x->run[i].tree);
        else
            merger_add_tables(m, x->run[i].tables, x->run[i].ntables);
    }
    return m;
}

static void test_random(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = unit_rounds(300); round > 0; round--) {
        checked c = {.x = random_runs(&r), .blocks = cache_new(rng_below(&r, 2) ? 1 << 20 : 0)};
        merger_read how = {.blocks = c.blocks, .fill = (unsigned)rng_below(&r, 10)};
        if (rng_below(&r, 3) == 0) how = (merger_read){.ahead = 1 + rng_below(&r, 4096)};
        c.m = merge_of(c.x, &how);
        walk_about(&c, &r, 300);
        merger_free(c.m);
        cache_free(c.blocks);
        runs_free(c.x);
    }
}

/* Whatever byte of a table is wrong, what the merge gives is right until it ends with an error. */
static void test_damage(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    unsigned failed = 0;
    int rounds = unit_rounds(100);
    for (int round = rounds; round > 0; round--) {
        checked c = {.x = runs_new(&r, SLICE("p"), 200)};
        char path[FILE_PATH_MAX];
        runs_add(c.x, &r, 20, 0, 0);
        runs_add(c.x, &r, 50, 1, 0);
        runs_add(c.x, &r, 70, 4, 1);
        uint32_t number = 1 + (uint32_t)rng_below(&r, c.x->next - 1);
        assert_string_equal(file_path(path, "d", FILE_TABLE, number).msg, "");
        buf *bytes = memfs_bytes(c.x->fs, path);
        size_t at = FILE_HEADER + rng_below(&r, bytes->len - FILE_HEADER);
        bytes->data[at] = (char)(bytes->data[at] ^ (1 + rng_below(&r, 255)));
        merger_read how = {.ahead = rng_below(&r, 2) ? 1024 : 0};
        c.m = merge_of(c.x, &how);
        c.last = c.x->nkeys;
        bool backward = rng_below(&r, 2);
        c.at = backward ? nearest(&c, c.last - 1, true) : nearest(&c, 0, false);
        bool got = backward ? merger_last(c.m) : merger_first(c.m);
        while (got) {
            assert_there(&c, true);
            c.at = backward ? nearest(&c, c.at - 1, true) : nearest(&c, c.at + 1, false);
            got = backward ? merger_prev(c.m) : merger_next(c.m);
        }
        assert_false(merger_valid(c.m));
        if (c.at != SIZE_MAX) assert_int_equal(merger_status(c.m).code, ST_CORRUPT);
        failed += c.at != SIZE_MAX;
        merger_free(c.m);
        runs_free(c.x);
    }
    assert_true(failed > 5 || rounds < 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
