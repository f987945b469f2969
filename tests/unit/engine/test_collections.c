/* Collections on both engines, against the model: made, changed, emptied, replaced, moved, dropped,
 * flushed and swapped, in batches that are committed or not, across kills and clean ends. */
#include "engine/lsm/lsm_int.h"
#include "engine/map_end.h"
#include "support/engine_kit.h"
#include "support/engine_mem.h"
#include "support/unit.h"

#include "base/mem.h"

#include <stdio.h>

enum { DBS = 3, KEYS = 8, SUBS = 40, MAPS = 3 };

typedef struct world {
    kit *k;
    engine *model;
    rng r;
} world;

static slice key_of(uint64_t i, char out[16]) {
    return slice_of(out, (size_t)snprintf(out, 16, "key:%llu", (unsigned long long)i));
}

/* Some are the beginning of others. */
static slice sub_of(uint64_t i, char out[16]) {
    memset(out, 'a' + (int)(i % 5), 16);
    return slice_of(out, i / 5);
}

/* The collection of an entry, opened on one of the engines; false: it has none. */
static bool open_coll(engine *e, uint32_t db, slice key, engine_coll *c) {
    entry ent;
    engine_result r = engine_meta(e, db, key, &ent);
    assert_true(r == ENGINE_OK || r == ENGINE_ABSENT);
    if (r == ENGINE_ABSENT || ent.coll == 0) return false;
    assert_int_equal(engine_coll_open(e, db, key, &ent, c), ENGINE_OK);
    return true;
}

/* ---- changes, to both --------------------------------------------------------------------------
 */

/* An entry with a new collection, whatever was there. */
static void make_coll(engine *e, uint32_t db, slice key, const entry *as) {
    engine_coll c;
    entry ent = *as;
    assert_int_equal(engine_coll_new(e, db, key, &c), ENGINE_OK);
    ent.coll = c.id;
    assert_int_equal(engine_put(e, db, key, &ent), ENGINE_OK);
    assert_int_equal(engine_map_put(e, &c, 0, SLICE("first"), SLICE("x"), 0), ENGINE_OK);
}

/* The entry again, with another value and time, keeping its collection. */
static void put_header(engine *e, uint32_t db, slice key, const entry *as) {
    entry was, ent = *as;
    if (engine_meta(e, db, key, &was) != ENGINE_OK) return;
    ent.coll = was.coll;
    assert_int_equal(engine_put(e, db, key, &ent), ENGINE_OK);
}

/* Something at random with the elements; the same on both. */
static void change_elements(world *w, uint32_t db, slice key) {
    static char value[6000];
    engine_coll a, b;
    char sub[16];
    bool has = open_coll(w->k->e, db, key, &a);
    assert_int_equal(open_coll(w->model, db, key, &b), has);
    for (uint64_t n = 1 + rng_below(&w->r, 20); has && n > 0; n--) {
        unsigned map = (unsigned)rng_below(&w->r, MAPS);
        slice s = sub_of(rng_below(&w->r, SUBS), sub);
        size_t len = rng_below(&w->r, rng_below(&w->r, 10) ? 200 : sizeof value);
        int64_t expire = rng_below(&w->r, 3) ? 0 : 1 + (int64_t)rng_below(&w->r, 1000);
        memset(value, (int)rng_next(&w->r), len);
        if (rng_below(&w->r, 5) < 3) {
            slice v = slice_of(value, len);
            assert_int_equal(engine_map_put(w->k->e, &a, map, s, v, expire), ENGINE_OK);
            assert_int_equal(engine_map_put(w->model, &b, map, s, v, expire), ENGINE_OK);
        } else {
            assert_int_equal(engine_map_del(w->k->e, &a, map, s),
                             engine_map_del(w->model, &b, map, s));
        }
        assert_int_equal(engine_map_count(w->k->e, &a, map), engine_map_count(w->model, &b, map));
    }
}

/* Takes out all that is in a collection, element by element. */
static void empty(engine *e, uint32_t db, slice key) {
    engine_coll c;
    map_iter it;
    char sub[16];
    if (!open_coll(e, db, key, &c)) return;
    for (unsigned map = 0; map < MAPS; map++) {
        while (engine_map_seek(e, &c, map, SLICE_EMPTY, map == 1, &it) == ENGINE_OK) {
            memcpy(sub, it.subkey.data, it.subkey.len);
            slice s = slice_of(sub, it.subkey.len);
            assert_int_equal(engine_map_del(e, &c, map, s), ENGINE_OK);
        }
        assert_int_equal(engine_map_count(e, &c, map), 0);
    }
}

/* One change of any kind. */
static void change(world *w) {
    char a[16], b[16], value[300];
    uint32_t db = (uint32_t)rng_below(&w->r, DBS), to = (uint32_t)rng_below(&w->r, DBS);
    slice key = key_of(rng_below(&w->r, KEYS), a), other = key_of(rng_below(&w->r, KEYS), b);
    memset(value, (int)rng_next(&w->r), sizeof value);
    entry ent = {.type = 2,
                 .expire = rng_below(&w->r, 3) ? 0 : 1 + (int64_t)rng_below(&w->r, 1000),
                 .value = slice_of(value, rng_below(&w->r, sizeof value))};
    engine *both[2] = {w->k->e, w->model};
    engine_result r[2] = {ENGINE_OK, ENGINE_OK};
    uint64_t what = rng_below(&w->r, 24);
    if (what >= 10) change_elements(w, db, key);
    for (int i = 0; i < 2; i++) {
        switch (what) {
        case 0: r[i] = engine_put(both[i], db, key, &ent); break;
        case 1:
        case 2: make_coll(both[i], db, key, &ent); break;
        case 3: r[i] = engine_del(both[i], db, key); break;
        case 4:
        case 5: r[i] = engine_move(both[i], db, key, to, other); break;
        case 6: put_header(both[i], db, key, &ent); break;
        case 7: empty(both[i], db, key); break;
        case 8:
            if (ent.expire % 10 == 1) r[i] = engine_flush(both[i], (int32_t)db);
            break;
        case 9:
            if (ent.expire % 10 == 1) r[i] = engine_swap(both[i], db, to);
            break;
        default: break;
        }
    }
    assert_int_equal(r[0], r[1]);
}

/* ---- comparing ----------------------------------------------------------------------------------
 */

/* One map, from either end. */
static void compare_map(world *w, engine_coll *a, engine_coll *b, unsigned map, bool backward) {
    map_iter x, y;
    uint64_t n = 0;
    slice end;
    engine_result ry = engine_map_seek(w->model, b, map, SLICE_EMPTY, backward, &y);
    for (int i = 0; i < 2; i++) { /* not known to the engine at first, maybe; and then it is */
        assert_int_equal(engine_map_end(w->k->e, a, map, backward, &end), ry);
        assert_true(slice_eq(end, y.subkey));
    }
    engine_result rx = engine_map_seek(w->k->e, a, map, SLICE_EMPTY, backward, &x);
    for (; rx == ENGINE_OK && ry == ENGINE_OK; n++) {
        assert_true(slice_eq(x.subkey, y.subkey) && slice_eq(x.value, y.value));
        assert_int_equal(x.expire, y.expire);
        rx = engine_map_step(w->k->e, &x, backward);
        ry = engine_map_step(w->model, &y, backward);
    }
    assert_int_equal(rx, ENGINE_ABSENT);
    assert_int_equal(ry, ENGINE_ABSENT);
    assert_int_equal(engine_map_count(w->k->e, a, map), n);
}

/* One entry, with all that it owns. */
static void compare_entry(world *w, uint32_t db, slice key) {
    entry x, y;
    engine_coll a, b;
    map_iter i, j;
    char sub[16];
    engine_result r = engine_get(w->k->e, db, key, &x);
    assert_int_equal(engine_get(w->model, db, key, &y), r);
    if (r != ENGINE_OK) return;
    assert_true(slice_eq(x.value, y.value) && x.expire == y.expire && x.type == y.type);
    assert_int_equal(x.coll != 0, y.coll != 0);
    if (!x.coll) return;
    assert_int_equal(engine_coll_open(w->k->e, db, key, &x, &a), ENGINE_OK);
    assert_int_equal(engine_coll_open(w->model, db, key, &y, &b), ENGINE_OK);
    for (unsigned map = 0; map < MAPS + 1; map++) {
        compare_map(w, &a, &b, map, false);
        compare_map(w, &a, &b, map, true);
        slice s = sub_of(rng_below(&w->r, SUBS), sub);
        r = engine_map_get(w->k->e, &a, map, s, &i);
        assert_int_equal(r, engine_map_get(w->model, &b, map, s, &j));
        if (r == ENGINE_OK) assert_true(slice_eq(i.value, j.value) && i.expire == j.expire);
    }
}

/* Is it a key of a mapped database and, if it is an element's, of a collection that is there? What
 * is below others may lose its tombstones before it goes. */
static bool is_alive(lsm *e, slice key) {
    lkey_parts p;
    found f;
    buf b = {0};
    assert_true(lkey_parse(key, &p));
    const lpdb *d = lsm_pdb_find(e, p.pdb);
    bool alive = d && d->mapped;
    if (alive && p.kind == LKEY_SUB)
        alive = !p.drop && lsm_find(e, lkey_coll(&b, p.pdb, p.coll), &f) == ENGINE_OK;
    buf_free(&b);
    return alive;
}

/* On lsm: what a pair of the memtable says of what is below is so (its README's L4). */
static void compare_below(world *w) {
    btree_iter it;
    found f;
    if (!kit_is("lsm")) return;
    lsm *e = lsm_of(w->k->e);
    for (bool on = btree_first(e->active->tree, &it); on; on = btree_next(&it)) {
        slice key = btree_iter_key(&it), value = btree_iter_value(&it);
        if (!is_alive(e, key)) continue;
        engine_result r = lsm_find_below(e, (lkey){key, lkey_filter(e, key)}, &f);
        if (value.data[8]) assert_int_equal(r, ENGINE_ABSENT);
        if (value.data[MEM_HEAD] == CELL_TOMBSTONE) assert_int_equal(r, ENGINE_OK);
    }
}

static void compare(world *w) {
    char a[16];
    for (uint32_t db = 0; db < DBS; db++)
        for (uint64_t i = 0; i < KEYS; i++)
            compare_entry(w, db, key_of(i, a));
    kit_check(w->k);
    compare_below(w);
}

static void run(kit *k, int batches) {
    world w = {.k = k, .model = engine_mem_simple()};
    unit_seed(&w.r);
    kit_open(k);
    for (int i = 0; i < batches; i++) {
        bool abort = rng_below(&w.r, 5) == 0;
        engine_begin(k->e);
        engine_begin(w.model);
        for (uint64_t n = 1 + rng_below(&w.r, 8); n > 0; n--)
            change(&w);
        (abort ? engine_abort : engine_commit)(k->e);
        (abort ? engine_abort : engine_commit)(w.model);
        if (abort && rng_below(&w.r, 5) == 0) compare(&w);
        if (rng_below(&w.r, 4) == 0) kit_end_turn(k);
        if (rng_below(&w.r, 30) == 0) engine_cron(k->e);
        if (rng_below(&w.r, 100) == 0) compare(&w);
        if (rng_below(&w.r, 300) == 0) {
            status s = engine_compact(k->e);
            assert_true(status_ok(s) || s.code == ST_BUSY);
        }
        switch (rng_below(&w.r, 300)) {
        case 0:
            kit_end_turn(k);
            kit_kill(k);
            compare(&w);
            break;
        case 1:
            assert_true(status_ok(engine_sync(k->e)));
            kit_power_cut(k);
            compare(&w);
            break;
        case 2:
            kit_close(k);
            kit_open(k);
            compare(&w);
            break;
        default: break;
        }
    }
    kit_settle(k);
    compare(&w);
    if (kit_is("lsm")) {
        const lsm_stats *s = &lsm_of(k->e)->stats;
        print_message("since it was opened: %u flushes, %u compactions\n", (unsigned)s->flushes,
                      (unsigned)s->compactions);
    }
    engine_close(w.model);
    kit_free(k);
}

static void test_against_the_model(void **state) {
    (void)state;
    run(kit_sim(), unit_rounds(1500));
}

/* Hardly anything stays in memory, nothing in caches. */
static void test_with_little_memory(void **state) {
    (void)state;
    kit *k = kit_sim();
    if (kit_is("lsm")) {
        kit_setting("block-cache-size", "0");
        kit_setting("block-size", "256");
        lsm_conf.memtable_size = 8 << 10;
    } else {
        kit_setting("value-cache-size", "0");
        kit_setting("inline-value-max", "0");
    }
    run(k, unit_rounds(1500));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_model),
        cmocka_unit_test(test_with_little_memory),
    };
    int failed = kit_use("bitcask");
    failed += cmocka_run_group_tests_name("bitcask", tests, NULL, NULL);
    failed += kit_use("lsm");
    failed += cmocka_run_group_tests_name("lsm", tests, NULL, NULL);
    return failed;
}
