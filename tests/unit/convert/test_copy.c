/* walk, copy and tally over the engine in memory: everything arrives, whatever is PENDING, however
 * large a collection is; every difference shows; failures end the copy with their reason. */
#include "convert/copy.h"

#include "convert/walk.h"
#include "support/engine_mem.h"
#include "support/unit.h"

#include <stdio.h>

#define KEYS 300

typedef struct world {
    engine *from, *to;
    copy_host host;
    uint64_t turns, sleeps, waits, slept_us;
    uint64_t stop_at; /* turn that says no */
    uint64_t most;    /* bytes between two turns */
    uint64_t bytes;
} world;

static status turn(void *ctx, const tally_sum *so_far) {
    world *w = ctx;
    w->turns++;
    if (so_far->bytes - w->bytes > w->most) w->most = so_far->bytes - w->bytes;
    w->bytes = so_far->bytes;
    if (w->turns == w->stop_at) return status_make(ST_FAILED, "stopped");
    engine_turn_end(w->to);
    return STATUS_OK;
}

static status nap(void *ctx, uint64_t us) {
    world *w = ctx;
    w->sleeps++;
    w->slept_us += us;
    (void)engine_background(w->to, 1000);
    return STATUS_OK;
}

static void wait_for_read(void *ctx) {
    world *w = ctx;
    w->waits++;
    (void)engine_background(w->from, 1000);
}

static void open_world(world *w) {
    *w = (world){.from = engine_mem_simple(), .to = engine_mem_simple()};
    w->host = (copy_host){turn, nap, wait_for_read, w};
}

static void close_world(world *w) {
    engine_close(w->from);
    engine_close(w->to);
}

/* ---- contents -----------------------------------------------------------------------------------
 */

static void ok(engine_result r) {
    assert_int_equal(r, ENGINE_OK);
}

static slice noise(rng *r, size_t max) {
    static char bytes[1 << 16];
    size_t n = (size_t)rng_below(r, max + 1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)rng_next(r);
    return slice_of(bytes, n);
}

/* A collection of that many elements, over a few maps. */
static void put_coll(engine *e, uint32_t db, slice key, uint64_t n, rng *r) {
    engine_coll c;
    engine_begin(e);
    ok(engine_coll_new(e, db, key, &c));
    entry ent = {.type = 4, .coll = c.id, .expire = (int64_t)rng_below(r, 2) * 1000};
    ok(engine_put(e, db, key, &ent));
    for (uint64_t i = 0; i < n; i++) {
        char sub[32];
        int len = snprintf(sub, sizeof sub, "%llu-%u", (unsigned long long)i,
                           (unsigned)rng_below(r, 1000));
        slice value = noise(r, 20);
        ok(engine_map_put(e, &c, (unsigned)rng_below(r, 3) * 3, slice_of(sub, (size_t)len), value,
                          (int64_t)rng_below(r, 3)));
    }
    engine_commit(e);
}

static void fill(engine *e, uint32_t db, rng *r) {
    char key[32];
    for (int i = 0; i < KEYS; i++) {
        int n = snprintf(key, sizeof key, "key:%d", i);
        slice k = slice_of(key, (size_t)n);
        if (i % 10 == 9) {
            put_coll(e, db, k, rng_below(r, 50), r);
            continue;
        }
        entry ent = {.type = (uint8_t)rng_below(r, 3),
                     .hint = (uint8_t)rng_below(r, 16),
                     .access = (uint32_t)rng_below(r, 1 << 24),
                     .expire = (int64_t)rng_below(r, 2) * (int64_t)rng_below(r, 1000),
                     .value = noise(r, i % 50 ? 100 : 60000)};
        engine_begin(e);
        ok(engine_put(e, db, k, &ent));
        engine_commit(e);
    }
    put_coll(e, db, SLICE("large"), 2500, r);
    put_coll(e, db, SLICE("none"), 0, r);
}

/* ---- a second look, by other means than the walk -----------------------------------------------
 */

static void same_map(engine *a, engine *b, engine_coll *ca, engine_coll *cb, unsigned map) {
    map_iter i, j;
    assert_int_equal(engine_map_count(a, ca, map), engine_map_count(b, cb, map));
    engine_result r = engine_map_seek(a, ca, map, SLICE_EMPTY, false, &i);
    engine_result s = engine_map_seek(b, cb, map, SLICE_EMPTY, false, &j);
    for (; r == ENGINE_OK && s == ENGINE_OK;
         r = engine_map_step(a, &i, false), s = engine_map_step(b, &j, false)) {
        assert_true(slice_eq(i.subkey, j.subkey));
        assert_true(slice_eq(i.value, j.value));
        assert_int_equal(i.expire, j.expire);
    }
    assert_true(r == ENGINE_ABSENT && s == ENGINE_ABSENT);
}

static void same_key(world *w, uint32_t db, slice key) {
    entry x, y;
    engine_result r = engine_get(w->from, db, key, &x);
    assert_int_equal(r, engine_get(w->to, db, key, &y));
    if (r != ENGINE_OK) return;
    assert_true(x.type == y.type && x.hint == y.hint && x.expire == y.expire);
    assert_true(slice_eq(x.value, y.value));
    assert_int_equal(x.access, y.access);
    assert_int_equal(x.coll != 0, y.coll != 0);
    if (!x.coll) return;
    engine_coll cx, cy;
    ok(engine_coll_open(w->from, db, key, &x, &cx));
    ok(engine_coll_open(w->to, db, key, &y, &cy));
    for (unsigned map = 0; map < ENGINE_MAPS; map++)
        same_map(w->from, w->to, &cx, &cy, map);
}

static void same_db(world *w, uint32_t db) {
    char key[32];
    engine_db_stats a, b;
    engine_db_stats_of(w->from, db, &a);
    engine_db_stats_of(w->to, db, &b);
    assert_int_equal(a.keys, b.keys);
    assert_int_equal(a.expires, b.expires);
    for (int i = 0; i < KEYS; i++) {
        int n = snprintf(key, sizeof key, "key:%d", i);
        same_key(w, db, slice_of(key, (size_t)n));
    }
    same_key(w, db, SLICE("large"));
    same_key(w, db, SLICE("none"));
}

/* ---- the tests ----------------------------------------------------------------------------------
 */

static status tally_key(void *ctx, uint32_t db, slice key, const entry *ent) {
    (void)db;
    tally_entry(ctx, key, ent);
    return STATUS_OK;
}

static status tally_elem(void *ctx, unsigned map, slice sub, slice value, int64_t expire) {
    tally_element(ctx, map, sub, value, expire);
    return STATUS_OK;
}

static void no_wait(void *ctx) {
    (void)ctx;
}

static tally_sum sum_of(engine *e, uint32_t db) {
    tally t = {0};
    walker w = {tally_key, tally_elem, no_wait, &t};
    assert_true(status_ok(walk_db(e, db, &w)));
    tally_free(&t);
    return t.sum;
}

static void copies(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    world w;
    open_world(&w);
    fill(w.from, 0, &r);
    fill(w.from, 7, &r);
    for (uint32_t db = 0; db < 16; db++) {
        tally_sum sum = {0}, there;
        assert_true(status_ok(copy_db(w.from, w.to, db, &w.host, &sum)));
        there = sum_of(w.to, db);
        assert_true(tally_eq(&sum, &there));
        assert_int_equal(sum.keys, db == 0 || db == 7 ? KEYS + 2 : 0);
        same_db(&w, db);
        w.bytes = 0;
    }
    assert_true(w.turns > 5);
    assert_in_range(w.most, 1, (1u << 20) + 70000); /* no batch is larger */
    assert_int_equal(w.waits + w.sleeps, 0);
    close_world(&w);
}

/* Any read may have to be asked again, on both sides. */
static void pending(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(2); round++) {
        world w;
        open_world(&w);
        fill(w.from, 1, &r);
        engine_mem_knobs(w.from)->pending_permille = 200;
        engine_mem_knobs(w.to)->pending_permille = 20;
        tally_sum sum = {0}, there;
        assert_true(status_ok(copy_db(w.from, w.to, 1, &w.host, &sum)));
        engine_mem_knobs(w.from)->pending_permille = 0;
        engine_mem_knobs(w.to)->pending_permille = 0;
        there = sum_of(w.to, 1);
        assert_true(tally_eq(&sum, &there));
        there = sum_of(w.from, 1);
        assert_true(tally_eq(&sum, &there));
        same_db(&w, 1);
        assert_true(w.waits > 0);
        close_world(&w);
    }
}

/* The Nth call of either engine fails: the copy says so, and no batch is left open. */
static void errors(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(8); round++) {
        world w;
        open_world(&w);
        fill(w.from, 0, &r);
        engine *bad = round % 2 ? w.from : w.to;
        engine_mem_knobs(bad)->error_at = 1 + rng_below(&r, 4000);
        tally_sum sum = {0};
        status s = copy_db(w.from, w.to, 0, &w.host, &sum);
        if (engine_mem_knobs(bad)->error_at == 0)
            assert_false(status_ok(s));
        else
            assert_true(status_ok(s));
        engine_begin(w.to);
        engine_abort(w.to);
        close_world(&w);
    }
}

static void no_room(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    world w;
    open_world(&w);
    fill(w.from, 0, &r);
    engine_mem_knobs(w.to)->room = ST_NO_SPACE;
    tally_sum sum = {0};
    status s = copy_db(w.from, w.to, 0, &w.host, &sum);
    assert_int_equal(s.code, ST_NO_SPACE);
    assert_in_range(w.slept_us, 1000000, 60000000); /* it was given some time */
    w.slept_us = 0;
    engine_mem_knobs(w.to)->room = ST_FAILED;
    s = copy_db(w.from, w.to, 0, &w.host, &sum);
    assert_int_equal(s.code, ST_FAILED);
    assert_int_equal(w.slept_us, 0);
    close_world(&w);
}

/* The engine's wish to wait is heard, and whoever turns may end it all. */
static void paced_and_stopped(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    world w;
    open_world(&w);
    fill(w.from, 0, &r);
    engine_mem_knobs(w.to)->pace_us = 3;
    tally_sum sum = {0};
    assert_true(status_ok(copy_db(w.from, w.to, 0, &w.host, &sum)));
    assert_int_equal(w.sleeps, w.turns);
    assert_true(w.slept_us >= 3 * (sum.bytes / 1024));
    engine *again = engine_mem_simple();
    engine_close(w.to);
    w.to = again;
    w.stop_at = w.turns + 2;
    sum = (tally_sum){0};
    status s = copy_db(w.from, w.to, 0, &w.host, &sum);
    assert_true(s.code == ST_FAILED && strcmp(s.msg, "stopped") == 0);
    close_world(&w);
}

/* What a tally has to see. */
static void differences(void **state) {
    (void)state;
    tally a = {0}, b = {0};
    entry e = {.type = 1, .hint = 2, .expire = 3, .value = SLICE("value")};
    entry f = {.type = 1, .coll = 9};
    /* The order of keys does not matter, nor does the collection's id. */
    tally_entry(&a, SLICE("k"), &e);
    tally_entry(&a, SLICE("h"), &f);
    tally_element(&a, 1, SLICE("s"), SLICE("v"), 0);
    tally_element(&a, 2, SLICE("s"), SLICE("w"), 5);
    f.coll = 10;
    tally_entry(&b, SLICE("h"), &f);
    tally_element(&b, 2, SLICE("s"), SLICE("w"), 5);
    tally_element(&b, 1, SLICE("s"), SLICE("v"), 0);
    tally_entry(&b, SLICE("k"), &e);
    assert_true(tally_eq(&a.sum, &b.sum));
    /* Everything else does. */
    tally_sum sums[16];
    int n = 0;
    entry variants[] = {
        e,
        {.type = 2, .hint = 2, .expire = 3, .value = SLICE("value")},
        {.type = 1, .hint = 1, .expire = 3, .value = SLICE("value")},
        {.type = 1, .hint = 2, .expire = 4, .value = SLICE("value")},
        {.type = 1, .hint = 2, .expire = 3, .value = SLICE("valuf")},
        {.type = 1, .hint = 2, .expire = 3, .value = SLICE("value"), .coll = 1},
    };
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        a.sum = (tally_sum){0};
        tally_entry(&a, SLICE("k"), &variants[i]);
        sums[n++] = a.sum;
    }
    a.sum = (tally_sum){0};
    entry moved = {.type = 1, .hint = 2, .expire = 3, .value = SLICE("alue")};
    tally_entry(&a, SLICE("kv"), &moved); /* the same bytes, cut elsewhere */
    sums[n++] = a.sum;
    struct {
        const char *key, *sub, *value;
        unsigned map;
        int64_t expire;
    } elements[] = {{"k", "sub", "v", 0, 0}, {"l", "sub", "v", 0, 0}, {"k", "su", "bv", 0, 0},
                    {"k", "sub", "w", 0, 0}, {"k", "sub", "v", 1, 0}, {"k", "sub", "v", 0, 1}};
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        tally_entry(&a, slice_cstr(elements[i].key), &f);
        a.sum = (tally_sum){0};
        tally_element(&a, elements[i].map, slice_cstr(elements[i].sub),
                      slice_cstr(elements[i].value), elements[i].expire);
        sums[n++] = a.sum;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) {
            assert_false(tally_eq(&sums[i], &sums[j]));
            assert_true(sums[i].a != sums[j].a && sums[i].b != sums[j].b);
        }
    tally_free(&a);
    tally_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),      cmocka_unit_test(pending),
        cmocka_unit_test(errors),      cmocka_unit_test(no_room),
        cmocka_unit_test(differences), cmocka_unit_test(paced_and_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
