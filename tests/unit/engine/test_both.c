/* What both engines promise, on each: they equal a model, on a simulated disk and on a real one
 * with threads and forked children; batches, collections, databases and positions. */
#include "engine/log/settings.h"
#include "support/engine_kit.h"
#include "support/engine_mem.h"
#include "support/unit.h"

#include "base/mem.h"

#include <stdio.h>

/* ---- against the model
 * ---------------------------------------------------------------------------- */

typedef struct pair {
    kit *k;
    engine *model;
    rng r;
    unsigned keys;
    size_t longest;
} pair;

static slice name_of(char *out, uint64_t i) {
    int n = snprintf(out, 64, i % 7 ? "key:%llu" : "a-much-longer-name-of-a-key:%llu",
                     (unsigned long long)i);
    return slice_of(out, (size_t)n);
}

/* The same change, to both; what one says the other must say. */
static void change(pair *p) {
    static char value[70000];
    char a[64], b[64];
    uint32_t db = (uint32_t)rng_below(&p->r, 3), to = (uint32_t)rng_below(&p->r, 3);
    slice key = name_of(a, rng_below(&p->r, p->keys)),
          other = name_of(b, rng_below(&p->r, p->keys));
    size_t len = rng_below(&p->r, 20) ? rng_below(&p->r, 200) : rng_below(&p->r, p->longest);
    memset(value, (int)rng_below(&p->r, 256), len);
    entry ent = {.type = 1,
                 .hint = (uint8_t)rng_below(&p->r, 16),
                 .expire = rng_below(&p->r, 4) ? 0 : 1 + (int64_t)rng_below(&p->r, 1000),
                 .value = slice_of(value, len)};
    switch (rng_below(&p->r, 12)) {
    case 0:
    case 1:
    case 2: assert_int_equal(engine_del(p->k->e, db, key), engine_del(p->model, db, key)); break;
    case 3:
        assert_int_equal(engine_move(p->k->e, db, key, to, other),
                         engine_move(p->model, db, key, to, other));
        break;
    case 4:
        if (rng_below(&p->r, 30)) break;
        assert_int_equal(engine_flush(p->k->e, (int32_t)db), ENGINE_OK);
        assert_int_equal(engine_flush(p->model, (int32_t)db), ENGINE_OK);
        break;
    case 5:
        if (rng_below(&p->r, 10)) break;
        assert_int_equal(engine_swap(p->k->e, db, to), ENGINE_OK);
        assert_int_equal(engine_swap(p->model, db, to), ENGINE_OK);
        break;
    default:
        assert_int_equal(engine_put(p->k->e, db, key, &ent), ENGINE_OK);
        assert_int_equal(engine_put(p->model, db, key, &ent), ENGINE_OK);
    }
}

/* The keys that both list are the same, with the same contents. */
static void one_key(void *ctx, slice key, const entry *meta) {
    buf *names = ctx;
    (void)meta;
    buf_append(names, &key.len, sizeof key.len);
    buf_append_slice(names, key);
}

static void compare_db(pair *p, uint32_t db) {
    buf names = {0};
    engine_db_stats a, b;
    uint64_t next = 0, n = 0;
    do
        assert_int_equal(engine_scan(p->k->e, db, next, 10, &next, one_key, &names), ENGINE_OK);
    while (next);
    for (size_t at = 0; at < names.len; n++) {
        size_t len;
        entry mine, theirs;
        memcpy(&len, names.data + at, sizeof len);
        slice key = slice_of(names.data + at + sizeof len, len);
        at += sizeof len + len;
        assert_int_equal(engine_get(p->model, db, key, &theirs), ENGINE_OK);
        assert_int_equal(engine_get(p->k->e, db, key, &mine), ENGINE_OK);
        assert_true(slice_eq(mine.value, theirs.value));
        assert_int_equal(mine.expire, theirs.expire);
        assert_int_equal(mine.hint, theirs.hint);
        assert_int_equal(mine.type, theirs.type);
    }
    engine_db_stats_of(p->k->e, db, &a);
    engine_db_stats_of(p->model, db, &b);
    assert_int_equal(a.keys, n);
    assert_int_equal(a.keys, b.keys);
    assert_int_equal(a.expires, b.expires);
    buf_free(&names);
}

static void compare_all(pair *p) {
    buf a = {0}, b = {0};
    uint32_t db;
    int64_t when_a, when_b;
    for (uint32_t i = 0; i < 3; i++)
        compare_db(p, i);
    assert_int_equal(engine_due(p->k->e, 500, &db, &a, &when_a),
                     engine_due(p->model, 500, &db, &b, &when_b));
    assert_int_equal(when_a, when_b);
    buf_free(&a);
    buf_free(&b);
    kit_check(p->k);
}

static void run_model(kit *k, int batches, unsigned keys, size_t longest) {
    pair p = {.k = k, .model = engine_mem_simple(), .keys = keys, .longest = longest};
    unit_seed(&p.r);
    kit_open(k);
    for (int i = 0; i < batches; i++) {
        bool abort = rng_below(&p.r, 10) == 0;
        engine_begin(k->e);
        engine_begin(p.model);
        for (uint64_t n = 1 + (rng_below(&p.r, 3) ? 0 : rng_below(&p.r, 30)); n > 0; n--)
            change(&p);
        (abort ? engine_abort : engine_commit)(k->e);
        (abort ? engine_abort : engine_commit)(p.model);
        if (rng_below(&p.r, 5) == 0) {
            kit_end_turn(k);
            engine_background(k->e, 100);
        }
        if (rng_below(&p.r, 40) == 0) engine_cron(k->e);
        if (rng_below(&p.r, 400) == 0) {
            status s = engine_compact(k->e);
            assert_true(status_ok(s) || s.code == ST_BUSY);
        }
        if (rng_below(&p.r, 150) == 0) compare_all(&p);
        if (rng_below(&p.r, 600) == 0) {
            kit_close(k);
            kit_open(k);
            compare_all(&p);
        }
    }
    kit_settle(k);
    compare_all(&p);
    kit_close(k);
    kit_open(k);
    compare_all(&p);
    engine_close(p.model);
}

/* Settings that differ, by i. */
static void vary(int i) {
    static const char *const inlines[] = {"0", "32", "1024"}, *const bits[] = {"10", "0", "1"};
    if (kit_is("lsm")) {
        kit_setting("block-cache-size", i ? "64kb" : "0");
        kit_setting("bloom-bits", bits[i]);
        kit_setting("compaction-jobs", i == 1 ? "3" : "1");
    } else {
        kit_setting("inline-value-max", inlines[i]);
        kit_setting("value-cache-size", i ? "64kb" : "0");
    }
}

static void test_model_simulated(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        kit *k = kit_sim();
        vary(i);
        run_model(k, unit_rounds(6000), i == 2 ? 20 : 300, i == 1 ? 65000 : 3000);
        kit_free(k);
    }
}

static void test_model_real(void **state) {
    (void)state;
    kit *k = kit_real();
    run_model(k, unit_rounds(1200), 300, 5000);
    if (kit_is("bitcask")) assert_true(kit_info(k, "recovery_records") > 0);
    kit_free(k);
}

/* ---- batches ------------------------------------------------------------------------------------
 */

/* An abort leaves nothing, though the batch went through everything there is. */
static void test_abort_leaves_no_trace(void **state) {
    (void)state;
    kit *k = kit_sim();
    engine_coll c;
    kit_open(k);
    kit_put(k, "a", "1");
    kit_put(k, "b", "a value that is too long to be kept in the entry itself");
    kit_settle(k);
    log_pos end = engine_log_end(k->e);
    engine_begin(k->e);
    entry ent = {.expire = 5, .value = SLICE("x")};
    assert_int_equal(engine_put(k->e, 0, SLICE("a"), &ent), ENGINE_OK);
    assert_int_equal(engine_put(k->e, 0, SLICE("n"), &ent), ENGINE_OK);
    assert_int_equal(engine_move(k->e, 0, SLICE("b"), 1, SLICE("c")), ENGINE_OK);
    assert_int_equal(engine_coll_new(k->e, 0, SLICE("h"), &c), ENGINE_OK);
    ent.coll = c.id;
    assert_int_equal(engine_put(k->e, 0, SLICE("h"), &ent), ENGINE_OK);
    assert_int_equal(engine_map_put(k->e, &c, 1, SLICE("s"), SLICE("v"), 0), ENGINE_OK);
    assert_int_equal(engine_map_put(k->e, &c, 1, SLICE("s"), SLICE("w"), 7), ENGINE_OK);
    assert_int_equal(engine_map_del(k->e, &c, 1, SLICE("s")), ENGINE_OK);
    assert_int_equal(engine_flush(k->e, -1), ENGINE_OK);
    assert_int_equal(engine_put(k->e, 0, SLICE("a"), &ent), ENGINE_OK);
    assert_int_equal(engine_swap(k->e, 0, 1), ENGINE_OK);
    kit_has_not(k, "a");
    engine_abort(k->e);
    assert_true(engine_log_end(k->e) == end);
    kit_has(k, "a", "1");
    kit_has(k, "b", "a value that is too long to be kept in the entry itself");
    kit_has_not(k, "n");
    kit_has_not(k, "h");
    kit_check(k);
    kit_put(k, "z", "what comes next takes the place of what was undone");
    kit_has(k, "z", "what comes next takes the place of what was undone");
    kit_check(k);
    kit_free(k);
}

/* A batch larger than a segment has one to itself; then the log goes on as before. Its records move
 * once it is too large for where it began. */
static void test_batch_larger_than_a_segment(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_setting("compression", "no");
    kit_open(k);
    char value[10000], name[16];
    memset(value, 'x', sizeof value);
    for (int commit = 0; commit < 2; commit++) {
        kit_put(k, "before", "1");
        engine_begin(k->e);
        for (int i = 0; i < 60; i++) {
            entry ent = {.value = slice_of(value, sizeof value)};
            int n = snprintf(name, sizeof name, "k%d", i % 50);
            assert_int_equal(engine_put(k->e, 0, slice_of(name, (size_t)n), &ent), ENGINE_OK);
        }
        if (commit)
            engine_commit(k->e);
        else
            engine_abort(k->e);
        kit_put(k, "after", "2");
        kit_check(k);
    }
    kit_settle(k);
    kit_kill(k);
    kit_has(k, "before", "1");
    kit_has(k, "after", "2");
    entry ent;
    assert_int_equal(engine_get(k->e, 0, SLICE("k49"), &ent), ENGINE_OK);
    assert_int_equal(ent.value.len, sizeof value);
    kit_free(k);
}

/* The value that a put is given may be what a read of the same key returned, wherever that lies. */
static void test_value_of_its_own_key(void **state) {
    (void)state;
    static const size_t lengths[] = {5, 40, 3000, 60000};
    kit *k = kit_sim();
    kit_open(k);
    for (int i = 0; i < 4; i++)
        for (int tries = 0; tries < 6; tries++) {
            entry ent;
            kit_put_len(k, 0, "k", lengths[i], (char)('a' + tries));
            if (tries % 2) kit_end_turn(k);
            engine_begin(k->e);
            assert_int_equal(engine_get(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
            ent.expire = 99;
            assert_int_equal(engine_put(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
            assert_int_equal(engine_get(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
            assert_int_equal(engine_put(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
            engine_commit(k->e);
            assert_int_equal(engine_get(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
            assert_int_equal(ent.value.len, lengths[i]);
            assert_int_equal(ent.value.data[lengths[i] - 1], 'a' + tries);
            assert_int_equal(ent.expire, 99);
        }
    kit_check(k);
    kit_free(k);
}

/* ---- collections --------------------------------------------------------------------------------
 */

static engine_coll open_coll(kit *k, uint32_t db, slice key) {
    engine_coll c;
    entry ent;
    assert_int_equal(engine_meta(k->e, db, key, &ent), ENGINE_OK);
    assert_int_equal(engine_coll_open(k->e, db, key, &ent, &c), ENGINE_OK);
    return c;
}

/* Seeks, steps, ranks and counts of map 2 of a collection of kit_coll(500). */
static void expect_map(kit *k, engine_coll *c) {
    map_iter it;
    uint64_t rank;
    int n = 0;
    assert_int_equal(engine_map_count(k->e, c, 2), 500);
    assert_int_equal(engine_map_count(k->e, c, 1), 50);
    assert_int_equal(engine_map_count(k->e, c, 0), 0);
    engine_result r = engine_map_seek(k->e, c, 2, SLICE_EMPTY, false, &it);
    for (; r == ENGINE_OK; r = engine_map_step(k->e, &it, false), n++) {
        assert_true(slice_eq(it.subkey, it.value));
        assert_int_equal(it.expire, n);
    }
    assert_int_equal(n, 500);
    assert_int_equal(engine_map_seek(k->e, c, 2, SLICE_EMPTY, true, &it), ENGINE_OK);
    assert_true(slice_eq(it.value, SLICE("00499")));
    assert_int_equal(engine_map_step(k->e, &it, true), ENGINE_OK);
    assert_true(slice_eq(it.value, SLICE("00498")));
    assert_int_equal(engine_map_seek(k->e, c, 2, SLICE("00100x"), false, &it), ENGINE_OK);
    assert_true(slice_eq(it.value, SLICE("00101")));
    assert_int_equal(engine_map_seek(k->e, c, 2, SLICE("00100x"), true, &it), ENGINE_OK);
    assert_true(slice_eq(it.value, SLICE("00100")));
    assert_int_equal(engine_map_seek(k->e, c, 2, SLICE("0"), true, &it), ENGINE_ABSENT);
    assert_int_equal(engine_map_seek(k->e, c, 2, SLICE("1"), false, &it), ENGINE_ABSENT);
    assert_int_equal(engine_map_seek(k->e, c, 0, SLICE_EMPTY, true, &it), ENGINE_ABSENT);
    assert_int_equal(engine_map_rank(k->e, c, 2, SLICE("00123"), &rank), ENGINE_OK);
    assert_int_equal(rank, 123);
    assert_int_equal(engine_map_select(k->e, c, 2, 321, &it), ENGINE_OK);
    assert_true(slice_eq(it.value, SLICE("00321")));
    assert_int_equal(engine_map_select(k->e, c, 2, 500, &it), ENGINE_ABSENT);
    assert_int_equal(engine_map_get(k->e, c, 2, SLICE("00007"), &it), ENGINE_OK);
    assert_int_equal(engine_map_get(k->e, c, 2, SLICE("7"), &it), ENGINE_ABSENT);
}

/* Ordered, counted, the same after a kill, a clean end, a merge. */
static void test_collection(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    engine_coll c = kit_coll(k, 500);
    expect_map(k, &c);
    kit_settle(k);
    kit_kill(k);
    c = open_coll(k, 0, SLICE("c"));
    expect_map(k, &c);
    kit_merge(k);
    c = open_coll(k, 0, SLICE("c"));
    expect_map(k, &c);
    kit_close(k);
    kit_open(k);
    if (kit_is("bitcask")) assert_int_equal(kit_info(k, "recovery_records"), 501 + 50 + 25);
    c = open_coll(k, 0, SLICE("c"));
    expect_map(k, &c);
    kit_free(k);
}

/* Moved within a database the collection is the same one; to another it is a copy. What it is moved
 * over is dropped. */
static void test_collection_moves(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    engine_coll c = kit_coll(k, 500);
    uint64_t id = c.id;
    engine_begin(k->e);
    assert_int_equal(engine_move(k->e, 0, SLICE("c"), 0, SLICE("d")), ENGINE_OK);
    engine_commit(k->e);
    kit_has_not(k, "c");
    c = open_coll(k, 0, SLICE("d"));
    assert_int_equal(c.id, id);
    expect_map(k, &c);
    kit_coll(k, 30);
    engine_begin(k->e);
    assert_int_equal(engine_move(k->e, 0, SLICE("c"), 1, SLICE("x")), ENGINE_OK);
    assert_int_equal(engine_move(k->e, 0, SLICE("d"), 1, SLICE("x")), ENGINE_OK);
    engine_commit(k->e);
    c = open_coll(k, 1, SLICE("x"));
    assert_int_not_equal(c.id, id);
    expect_map(k, &c);
    kit_settle(k);
    kit_check(k);
    kit_kill(k);
    c = open_coll(k, 1, SLICE("x"));
    expect_map(k, &c);
    kit_has_not(k, "d");
    kit_free(k);
}

/* ---- databases, starts, positions ---------------------------------------------------------------
 */

/* Swapped databases stay swapped, also once the manifest has the mapping and the record is gone. */
static void test_swap(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    kit_put(k, "k", "zero");
    engine_begin(k->e);
    assert_int_equal(engine_swap(k->e, 0, 2), ENGINE_OK);
    engine_commit(k->e);
    kit_has_not(k, "k");
    kit_settle(k);
    kit_kill(k);
    kit_has_not(k, "k");
    kit_merge(k);
    kit_kill(k);
    kit_has_not(k, "k");
    engine_begin(k->e);
    assert_int_equal(engine_swap(k->e, 2, 0), ENGINE_OK);
    engine_commit(k->e);
    kit_has(k, "k", "zero");
    kit_free(k);
}

/* More databases than before, then fewer again: nothing is lost. */
static void test_number_of_databases(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    kit_put(k, "k", "1");
    kit_close(k);
    k->databases = 16;
    kit_open(k);
    kit_put_len(k, 15, "far", 10, 'f');
    kit_close(k);
    k->databases = 1;
    kit_open(k);
    kit_has(k, "k", "1");
    kit_close(k);
    k->databases = 16;
    kit_open(k);
    entry ent;
    assert_int_equal(engine_get(k->e, 15, SLICE("far"), &ent), ENGINE_OK);
    kit_free(k);
}

/* The system's database stays as it is through flushes, swaps, merges and another number of
 * databases; one key of it has no expire time that anybody is told of. */
static void test_system_database(void **state) {
    (void)state;
    kit *k = kit_sim();
    entry ent = {.type = 1, .value = SLICE("kept")};
    engine_db_stats st;
    kit_open(k);
    for (int i = 0; i < 12; i++) {
        char name[16];
        int n = snprintf(name, sizeof name, "s%d", i);
        engine_begin(k->e);
        ent.expire = i == 5 ? 1000 : 0;
        assert_int_equal(engine_put(k->e, ENGINE_DB_SYSTEM, slice_of(name, (size_t)n), &ent),
                         ENGINE_OK);
        engine_commit(k->e);
        kit_put_len(k, (uint32_t)i % 2, name, 30000, 'x');
    }
    engine_begin(k->e);
    assert_int_equal(engine_del(k->e, ENGINE_DB_SYSTEM, SLICE("s7")), ENGINE_OK);
    assert_int_equal(engine_swap(k->e, 0, 1), ENGINE_OK);
    assert_int_equal(engine_flush(k->e, -1), ENGINE_OK);
    engine_commit(k->e);
    for (int life = 0; life < 5; life++) {
        uint32_t db;
        buf key = {0};
        int64_t when;
        engine_db_stats_of(k->e, ENGINE_DB_SYSTEM, &st);
        assert_int_equal(st.keys, 11);
        kit_has_not(k, "s1");
        assert_int_equal(engine_get(k->e, ENGINE_DB_SYSTEM, SLICE("s7"), &ent), ENGINE_ABSENT);
        assert_int_equal(engine_get(k->e, ENGINE_DB_SYSTEM, SLICE("s8"), &ent), ENGINE_OK);
        assert_true(slice_eq(ent.value, SLICE("kept")));
        assert_int_equal(engine_due(k->e, INT64_MAX, &db, &key, &when), ENGINE_ABSENT);
        assert_int_equal(when, 0);
        buf_free(&key);
        if (life % 2) {
            kit_settle(k);
            kit_merge(k);
            kit_kill(k);
        } else {
            kit_close(k);
            k->databases = life ? 1 : 9;
            kit_open(k);
        }
        kit_check(k);
    }
    kit_free(k);
}

/* Many clean starts and ends of a store with little in it: files don't pile up. */
static void test_restarts_leave_few_files(void **state) {
    (void)state;
    kit *k = kit_sim();
    char name[16];
    for (int i = 0; i < 40; i++) {
        kit_open(k);
        snprintf(name, sizeof name, "k%d", i);
        kit_put(k, name, name);
        kit_settle(k);
        kit_close(k);
    }
    kit_open(k);
    kit_has(k, "k0", "k0");
    assert_true(kit_files(k, "") < 45);
    kit_free(k);
}

/* What a reply that shows an entry waits for is released with the entry's turn, at each policy. */
static void test_positions(void **state) {
    (void)state;
    static const char *const policies[] = {"always", "everysec", "no"};
    for (int i = 0; i < 3; i++) {
        kit *k = kit_sim();
        entry ent;
        kit_setting("appendfsync", policies[i]);
        kit_open(k);
        assert_true(engine_released(k->e) == engine_log_end(k->e));
        kit_put(k, "k", "v");
        assert_int_equal(engine_get(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
        assert_true(ent.pos > engine_released(k->e));
        assert_true(ent.pos <= engine_log_end(k->e));
        engine_turn_end(k->e);
        if (i == 0) assert_true(ent.pos > engine_released(k->e)); /* its fsync runs */
        if (i == 0) kit_commit(k);
        assert_true(ent.pos <= engine_released(k->e));
        assert_int_equal(ent.pos <= engine_durable(k->e), i == 0);
        assert_true(status_ok(engine_sync(k->e)));
        assert_true(ent.pos <= engine_durable(k->e));
        kit_free(k);
    }
}

/* Whoever waits for what is durable need not wait for the policy; nobody else is held up. */
static void test_sync_soon(void **state) {
    (void)state;
    static const char *const policies[] = {"always", "everysec", "no"};
    for (int i = 0; i < 3; i++) {
        kit *k = kit_sim();
        kit_setting("appendfsync", policies[i]);
        kit_open(k);
        for (int round = 0; round < 3; round++) {
            kit_put(k, "k", "v");
            log_pos end = engine_log_end(k->e);
            engine_sync_soon(k->e);
            for (int turn = 0; turn < 20 && engine_durable(k->e) < end; turn++) {
                engine_turn_end(k->e);
                k->env.aio->ops->drain(k->env.aio);
            }
            assert_true(engine_durable(k->e) >= end);
        }
        kit_free(k);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sync_soon),
        cmocka_unit_test(test_model_simulated),
        cmocka_unit_test(test_model_real),
        cmocka_unit_test(test_abort_leaves_no_trace),
        cmocka_unit_test(test_batch_larger_than_a_segment),
        cmocka_unit_test(test_value_of_its_own_key),
        cmocka_unit_test(test_collection),
        cmocka_unit_test(test_collection_moves),
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_number_of_databases),
        cmocka_unit_test(test_system_database),
        cmocka_unit_test(test_restarts_leave_few_files),
        cmocka_unit_test(test_positions),
    };
    int failed = kit_use("bitcask");
    failed += cmocka_run_group_tests_name("bitcask", tests, NULL, NULL);
    failed += kit_use("lsm");
    failed += cmocka_run_group_tests_name("lsm", tests, NULL, NULL);
    return failed;
}
