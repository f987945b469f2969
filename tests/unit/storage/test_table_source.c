/* table, whose blocks come from a source that has few of them at once: each call, made again as
 * long as it says "not now", answers what it answers when it waits for the disk; in few rounds. */
#include "support/unit.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/table_format.h"
#include "support/memfs.h"
#include "support/slow_source.h"
#include "support/tablebuild.h"

#define STORE  0x1122334455667788u
#define NUMBER 21
#define PATH   "0000000021.sst"

typedef struct world {
    rng r;
    memfs *fs;
    table_entries e;
    uint32_t length;
    table *t;
    cache *c;
    slow_source source;
    table_shelf shelf;
} world;

static void world_begin(world *w, size_t n, const table_options *o) {
    table_summary s;
    w->fs = memfs_new();
    w->e = table_entries_random(&w->r, n, false);
    assert_true(status_ok(table_build(memfs_vfs(w->fs), PATH, STORE, NUMBER, o, &w->e, &s)));
    w->length = s.length;
    buf_free(&s.first);
    buf_free(&s.last);
    assert_true(status_ok(table_open(memfs_vfs(w->fs), PATH, STORE, NUMBER, s.length, &w->t)));
    slow_init(&w->source, &w->r);
    w->shelf = (table_shelf){.limit = 1, .source = &w->source.base};
    table_shelve(w->t, &w->shelf);
    w->c = NULL;
}

static void world_end(world *w) {
    uint64_t closed = w->source.closed;
    table_close(w->t);
    assert_true(w->source.closed == closed + 1 || memfs_open_files(w->fs) == 0);
    assert_int_equal(memfs_open_files(w->fs), 0);
    if (w->c) cache_free(w->c);
    slow_free(&w->source);
    table_entries_free(&w->e);
    memfs_free(w->fs);
}

/* ---- lookups -----------------------------------------------------------------------------------
 */

/* Again until it is there: a partition, then a block. */
static unsigned get_patiently(world *w, slice key, uint64_t hash, table_hit *hit) {
    for (unsigned waits = 0;; waits++) {
        status s = table_get(w->t, w->c, key, hash, hit);
        if (!table_not_now(s)) {
            assert_string_equal(s.msg, "");
            return waits;
        }
        assert_false(hit->found);
        slow_arrive(&w->source);
        if (rng_below(&w->r, 8) == 0) table_park(w->t);
    }
}

static void check_gets(world *w, int rounds) {
    table_hit hit;
    buf key = {0};
    for (int k = 0; k < rounds; k++) {
        slice want = table_entries_near(&w->e, &w->r, &key);
        uint64_t hash = rng_below(&w->r, 3) ? table_test_hash(want) : 0;
        size_t n = table_entries_at(&w->e, want);
        bool there = n < w->e.n && slice_eq(w->e.v[n].key, want), may;
        status s = table_may_hold(w->t, w->c, want, hash, &may);
        bool waited = table_not_now(s);
        if (waited) {
            slow_arrive(&w->source);
            s = table_may_hold(w->t, w->c, want, hash, &may);
        }
        assert_string_equal(s.msg, "");
        assert_true(get_patiently(w, want, hash, &hit) <= 2);
        assert_int_equal(hit.found, there);
        if (there) assert_true(slice_eq(hit.cell, w->e.v[n].cell));
        assert_int_equal(may, !hit.filtered && w->e.n && slice_cmp(w->e.v[0].key, want) <= 0);
        if (rng_below(&w->r, 3) == 0) slow_forget(&w->source);
    }
    buf_free(&key);
}

/* ---- walks -------------------------------------------------------------------------------------
 */

/* A motion from entry `at` (n: from nowhere, to the first or the last), made again from there until
 * it is done: what stands nowhere is put back by a seek, which may have to wait as well. */
static void move_patiently(world *w, table_iter *i, size_t at, bool backward) {
    unsigned waits = 0;
    for (;; waits++) {
        bool put_back = waits > 0 && at < w->e.n;
        if (put_back) table_iter_seek(i, w->e.v[at].key);
        if (at == w->e.n)
            (backward ? table_iter_seek_last : table_iter_seek_first)(i);
        else if (table_iter_valid(i))
            (backward ? table_iter_prev : table_iter_next)(i);
        status s = table_iter_status(i);
        if (!table_not_now(s)) {
            assert_string_equal(s.msg, "");
            break;
        }
        assert_false(table_iter_valid(i));
        slow_arrive(&w->source);
    }
    assert_true(waits <= 5);
}

static void assert_on(const world *w, const table_iter *i, size_t n) {
    assert_int_equal(table_iter_valid(i), n < w->e.n);
    if (n >= w->e.n) return;
    assert_true(slice_eq(table_iter_key(i), w->e.v[n].key));
    assert_true(slice_eq(table_iter_cell(i), w->e.v[n].cell));
}

static void check_walks(world *w, table_iter *i, int rounds) {
    buf key = {0};
    size_t at = w->e.n;
    for (int k = 0; k < rounds; k++) {
        bool backward = rng_below(&w->r, 2);
        if (rng_below(&w->r, 6) == 0) {
            slice want = table_entries_near(&w->e, &w->r, &key);
            at = table_entries_at(&w->e, want);
            if (backward && !(at < w->e.n && slice_eq(w->e.v[at].key, want)))
                at = at ? at - 1 : w->e.n;
            for (;;) {
                (backward ? table_iter_seek_before : table_iter_seek)(i, want);
                if (!table_not_now(table_iter_status(i))) break;
                slow_arrive(&w->source);
            }
        } else {
            move_patiently(w, i, at, backward);
            if (at == w->e.n)
                at = w->e.n && backward ? w->e.n - 1 : 0;
            else
                at = backward ? (at ? at - 1 : w->e.n) : at + 1;
        }
        assert_on(w, i, at);
        if (rng_below(&w->r, 20) == 0) slow_forget(&w->source);
    }
    buf_free(&key);
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void test_model(void **state) {
    (void)state;
    world w = {0};
    unit_seed(&w.r);
    for (int round = 0; round < unit_rounds(60); round++) {
        table_options o = table_options_random(&w.r);
        world_begin(&w, rng_below(&w.r, round % 5 ? 300 : 5000), &o);
        if (rng_below(&w.r, 4)) w.c = cache_new((uint64_t)1 << (18 + rng_below(&w.r, 6)));
        w.source.now_permille = rng_below(&w.r, 2) ? 0 : 300;
        w.source.read_permille = rng_below(&w.r, 3) ? 0 : 100;
        table_iter *i = table_iter_new(w.t, w.c, (unsigned)rng_below(&w.r, 4));
        check_gets(&w, 150);
        check_walks(&w, i, 200);
        check_gets(&w, 50);
        if (w.c) cache_check(w.c);
        table_iter_free(i);
        world_end(&w);
    }
}

/* A command that reads a table from end to end, and begins anew whenever it had to wait: each round
 * brings several times what it had, over the ends of partitions. */
static void test_few_rounds(void **state) {
    (void)state;
    world w = {0};
    unit_seed(&w.r);
    for (int backward = 0; backward < 2; backward++) {
        table_options o = {.block_size = TABLE_BLOCK_MIN, .bloom_bits = 10};
        world_begin(&w, 4000, &o);
        const table_summary *about = table_about(w.t);
        assert_true(about->blocks > 100);
        size_t n = 0;
        table_iter *i = NULL;
        while (n != w.e.n) {
            if (i) slow_arrive(&w.source);
            table_iter_free(i);
            i = table_iter_new(w.t, w.c, 0);
            (backward ? table_iter_seek_last : table_iter_seek_first)(i);
            for (n = 0; table_iter_valid(i); n++)
                (backward ? table_iter_prev : table_iter_next)(i);
            assert_true(n == w.e.n || table_not_now(table_iter_status(i)));
        }
        table_iter_free(i);
        /* an index, then 1 + 3 + 12 + 48 .. blocks; sometimes an index that was not known before */
        assert_true(about->partitions > 3);
        assert_true(w.source.rounds <= 12);
        assert_int_equal(w.source.asked, about->blocks + about->partitions);
        world_end(&w);
    }
}

/* A short walk asks for little more than it needs. */
static void test_little_ahead(void **state) {
    (void)state;
    world w = {0};
    unit_seed(&w.r);
    table_options o = {.block_size = TABLE_BLOCK_MIN, .bloom_bits = 10};
    world_begin(&w, 4000, &o);
    table_iter *i = table_iter_new(w.t, w.c, 0);
    slice middle = w.e.v[w.e.n / 2].key;
    for (int wait = 0; wait < 2; wait++) {
        table_iter_seek(i, middle);
        assert_true(table_not_now(table_iter_status(i)));
        assert_int_equal(w.source.asked, wait + 1); /* the partition, the block: nothing else */
        slow_arrive(&w.source);
    }
    table_iter_seek(i, middle);
    assert_true(table_iter_valid(i));
    while (table_iter_valid(i))
        table_iter_next(i);
    assert_true(table_not_now(table_iter_status(i)));
    assert_true(w.source.asked <= 2 + 4 + 2); /* and perhaps the indexes that follow */
    table_iter_free(i);
    world_end(&w);
}

/* All that iterator has within [from, to), as a command that begins anew as often as it waits.
 * Returns how many blocks its last run read. */
static uint64_t walk_within(world *w, slice from, slice to, bool backward) {
    table_stats before, after;
    table_iter *i = NULL;
    for (bool over = false; !over;) {
        if (i) slow_arrive(&w->source);
        table_iter_free(i);
        i = table_iter_new(w->t, w->c, 0);
        table_iter_reach(i, from, to);
        table_stats_of(w->t, &before);
        (backward ? table_iter_seek_before : table_iter_seek)(i, backward ? to : from);
        while (table_iter_valid(i) &&
               slice_cmp(table_iter_key(i), backward ? from : to) * (backward ? -1 : 1) < 0)
            (backward ? table_iter_prev : table_iter_next)(i);
        over = !table_not_now(table_iter_status(i));
    }
    table_iter_free(i);
    table_stats_of(w->t, &after);
    return after.blocks_read - before.blocks_read;
}

/* What is asked for ahead of need is needed: but for one block and its index, which the walk may
 * have to look at to know that it has come to its end, nothing lies outside of its bounds. */
static void test_bounds(void **state) {
    (void)state;
    world w = {0};
    unit_seed(&w.r);
    for (int round = 0; round < unit_rounds(40); round++) {
        table_options o = {.block_size = TABLE_BLOCK_MIN, .bloom_bits = 10};
        world_begin(&w, 2000, &o);
        size_t from = rng_below(&w.r, w.e.n - 1), to = from + 1 + rng_below(&w.r, w.e.n - 1 - from);
        uint64_t read = walk_within(&w, w.e.v[from].key, w.e.v[to].key, round % 2);
        assert_true(w.source.asked <= read + 2);
        assert_true(w.source.asked + 2 >= read);
        world_end(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_few_rounds),
        cmocka_unit_test(test_little_ahead),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
