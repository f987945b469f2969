/* What an LSM engine bounds: the work of one call, however much was deleted, and the files that it
 * has open, however many tables there are. */
#include <stdio.h>

#include "base/mem.h"
#include "engine/lsm/lsm.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#define MANY 30000

static slice name_of(char out[32], unsigned i) {
    return slice_of(out, (size_t)snprintf(out, 32, "key:%u", i));
}

static void put(kit *k, slice key, int64_t expire) {
    entry ent = {.type = 1, .expire = expire, .value = SLICE("v")};
    engine_begin(k->e);
    assert_int_equal(engine_put(k->e, 0, key, &ent), ENGINE_OK);
    engine_commit(k->e);
}

/* Of very many keys that would have expired next, all were deleted behind the one that is first. A
 * search for the next one passes over what is left of them, some in each call; until it has found
 * it there is an earlier time. */
static void test_due(void **state) {
    (void)state;
    kit *k = kit_sim();
    char name[32];
    buf key = {0};
    uint32_t db;
    int64_t when, before = 0;
    unsigned calls = 0;
    kit_setting("memtable-size", "64mb");
    kit_setting("segment-size", "16mb");
    kit_open(k);
    put(k, SLICE("first"), 1000);
    put(k, SLICE("last"), 9000000);
    for (unsigned i = 0; i < MANY; i++)
        put(k, name_of(name, i), 2000 + i);
    assert_int_equal(engine_due(k->e, 0, &db, &key, &when), ENGINE_ABSENT);
    assert_int_equal(when, 1000);
    kit_merge(k); /* so that deletes leave tombstones */
    for (unsigned i = 0; i < MANY; i++)
        kit_del(k, (name_of(name, i), name));
    kit_del(k, "first");
    do {
        assert_int_equal(engine_due(k->e, 8000000, &db, &key, &when), ENGINE_ABSENT);
        assert_true(when >= before && when <= 9000000);
        before = when;
        calls++;
    } while (when < 9000000 && calls < 100);
    assert_in_range(calls, 2, 20);
    assert_int_equal(engine_due(k->e, 9000000, &db, &key, &when), ENGINE_OK);
    assert_int_equal(when, 9000000);
    assert_true(slice_eq(buf_slice(&key), SLICE("last")));
    /* what comes in between is found, and a search that has not come to its end starts over there
     */
    put(k, SLICE("earlier"), 1500);
    assert_int_equal(engine_due(k->e, 1500, &db, &key, &when), ENGINE_OK);
    kit_del(k, "earlier");
    assert_int_equal(engine_due(k->e, 1500, &db, &key, &when), ENGINE_ABSENT);
    put(k, SLICE("earliest"), 500);
    assert_int_equal(engine_due(k->e, 500, &db, &key, &when), ENGINE_OK);
    assert_true(slice_eq(buf_slice(&key), SLICE("earliest")));
    buf_free(&key);
    kit_free(k);
}

/* Has everything read, from tables of which most have to be opened again, while flushes and
 * compactions replace them. */
static void test_files(void **state) {
    (void)state;
    kit *k = kit_sim();
    char name[32], value[300];
    entry ent;
    rng r;
    rng_seed(&r, 5);
    lsm_limit.open_tables = 8;
    kit_setting("table-size", "4kb");
    kit_setting("block-cache-size", "0");
    kit_open(k);
    size_t before = simfs_open_handles(k->fs), most = 0;
    for (unsigned i = 0; i < 3000; i++) {
        for (size_t n = 0; n < sizeof value; n++)
            value[n] = (char)rng_next(&r);
        ent = (entry){.type = 1, .value = slice_of(value, sizeof value)};
        engine_begin(k->e);
        assert_int_equal(engine_put(k->e, 0, name_of(name, i), &ent), ENGINE_OK);
        engine_commit(k->e);
        assert_int_equal(engine_get(k->e, 0, name_of(name, i / 2), &ent), ENGINE_OK);
        assert_int_equal(ent.value.len, sizeof value);
        if (i % 20 == 0) kit_end_turn(k);
        if (simfs_open_handles(k->fs) > most) most = simfs_open_handles(k->fs);
    }
    kit_merge(k);
    kit_check(k);
    assert_true(kit_files(k, ".sst") > 100);
    assert_true(simfs_open_handles(k->fs) <= before + (size_t)lsm_limit.open_tables + 4);
    assert_true(most <= before + (size_t)lsm_limit.open_tables +
                            4); /* the log's next file, a flush's table */
    kit_close(k);
    kit_open(k);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(engine_get(k->e, 0, name_of(name, i), &ent), ENGINE_OK);
    assert_true(simfs_open_handles(k->fs) <= before + (size_t)lsm_limit.open_tables);
    kit_free(k);
    lsm_limit.open_tables = 0;
}

#define BIG 8

/* Keys of a MiB that differ in their last bytes, by number; 0: the empty key. */
static slice big_key(char *out, unsigned i) {
    memset(out, 'k', ENGINE_KEY_MAX);
    snprintf(out + ENGINE_KEY_MAX - 8, 8, "%07u", i);
    return slice_of(out, i == 0 ? 0 : i % 3 ? ENGINE_KEY_MAX : ENGINE_KEY_MAX - i);
}

static slice big_value(char *out, unsigned i) {
    static const size_t lens[] = {ENGINE_VALUE_MAX, 0, 1, 128, 129, 70000};
    size_t len = lens[i % 6];
    for (size_t n = 0; n < len; n++)
        out[n] = (char)((n * n + i * 7919) >> 3);
    return slice_of(out, len);
}

static slice big_sub(char *out, unsigned i) {
    memset(out, 's', ENGINE_SUBKEY_MAX);
    snprintf(out + ENGINE_SUBKEY_MAX - 8, 8, "%07u", i);
    return slice_of(out, i == 0 ? 0 : i % 3 ? ENGINE_SUBKEY_MAX : ENGINE_SUBKEY_MAX - i);
}

/* All that was put is there, and nothing else. */
static void see_big(kit *k, char *key, char *value) {
    entry ent;
    engine_coll c;
    map_iter it;
    engine_db_stats st;
    for (unsigned i = 0; i < BIG; i++) {
        slice name = big_key(key, i);
        assert_int_equal(engine_get(k->e, 1, name, &ent), i % 4 == 3 ? ENGINE_ABSENT : ENGINE_OK);
        if (i % 4 != 3) assert_true(slice_eq(ent.value, big_value(value, i)));
    }
    engine_db_stats_of(k->e, 1, &st);
    assert_int_equal(st.keys, BIG - BIG / 4 + 1);
    assert_int_equal(engine_get(k->e, 1, SLICE("c"), &ent), ENGINE_OK);
    assert_int_equal(engine_coll_open(k->e, 1, SLICE("c"), &ent, &c), ENGINE_OK);
    assert_int_equal(engine_map_count(k->e, &c, 7), BIG - BIG / 4);
    for (unsigned i = 0; i < BIG; i++) {
        engine_result r = engine_map_get(k->e, &c, 7, big_sub(key, i), &it);
        assert_int_equal(r, i % 4 == 3 ? ENGINE_ABSENT : ENGINE_OK);
        if (r == ENGINE_OK) assert_true(slice_eq(it.value, big_value(value, i)));
    }
    unsigned n = 0;
    engine_result r = engine_map_seek(k->e, &c, 7, SLICE_EMPTY, true, &it);
    for (; r == ENGINE_OK; n++)
        r = engine_map_step(k->e, &it, true);
    assert_int_equal(n, BIG - BIG / 4);
    kit_check(k);
}

/* The greatest and the smallest that there may be, in tables smaller than one entry. */
static void test_big(void **state) {
    (void)state;
    kit *k = kit_sim();
    char *key = mem_alloc(ENGINE_KEY_MAX), *value = mem_alloc(ENGINE_VALUE_MAX);
    entry ent = {.type = 1};
    engine_coll c;
    kit_setting("table-size", "4kb");
    kit_setting("block-cache-size", "64kb");
    kit_open(k);
    engine_begin(k->e);
    assert_int_equal(engine_coll_new(k->e, 0, SLICE("c"), &c), ENGINE_OK);
    ent.coll = c.id;
    assert_int_equal(engine_put(k->e, 0, SLICE("c"), &ent), ENGINE_OK);
    engine_commit(k->e);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < BIG; i++) {
            engine_begin(k->e);
            entry big = {.type = 1, .expire = 1000 + i, .value = big_value(value, i)};
            assert_int_equal(engine_put(k->e, 0, big_key(key, i), &big), ENGINE_OK);
            assert_int_equal(engine_map_put(k->e, &c, 7, big_sub(key, i), big.value, 0), ENGINE_OK);
            engine_commit(k->e);
            kit_end_turn(k);
        }
    kit_merge(k);
    for (unsigned i = 3; i < BIG; i += 4) {
        engine_begin(k->e);
        assert_int_equal(engine_del(k->e, 0, big_key(key, i)), ENGINE_OK);
        assert_int_equal(engine_map_del(k->e, &c, 7, big_sub(key, i)), ENGINE_OK);
        engine_commit(k->e);
    }
    for (unsigned i = 0; i < BIG; i++) { /* every byte goes through a read and a write */
        engine_begin(k->e);
        slice name = big_key(key, i);
        assert_int_equal(engine_move(k->e, 0, name, 1, name),
                         i % 4 == 3 ? ENGINE_ABSENT : ENGINE_OK);
        engine_commit(k->e);
        kit_end_turn(k);
    }
    engine_begin(k->e);
    assert_int_equal(engine_move(k->e, 0, SLICE("c"), 1, SLICE("c")), ENGINE_OK);
    engine_commit(k->e);
    see_big(k, key, value);
    assert_true(status_ok(engine_sync(k->e)));
    kit_power_cut(k);
    see_big(k, key, value);
    kit_merge(k);
    see_big(k, key, value);
    kit_close(k);
    kit_open(k);
    see_big(k, key, value);
    kit_free(k);
    mem_free(key);
    mem_free(value);
}

/* Flushes fail again and again: writes are refused before memory is full of memtables, reads and
 * deletes go on; once flushes work again, so do writes. */
static void test_no_flush(void **state) {
    (void)state;
    kit *k = kit_sim();
    char name[32];
    entry ent;
    unsigned n = 0;
    kit_open(k);
    simchild_knobs_of(k->children)->start_permille = 1000;
    for (; status_ok(engine_room(k->e, 1000)) && n < 3000; n++) {
        kit_put_len(k, 0, (name_of(name, n), name), 1000, 'v');
        kit_end_turn(k);
        if (n % 10 == 9) engine_cron(k->e);
    }
    assert_in_range(n, 300, 700); /* of a KB each, in eight memtables of 64 and an active one */
    assert_non_null(strstr(engine_room(k->e, 1).msg, "can't be flushed"));
    assert_true(status_ok(engine_room(k->e, 0)));
    kit_del(k, "key:0");
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(engine_get(k->e, 0, name_of(name, i), &ent),
                         i ? ENGINE_OK : ENGINE_ABSENT);
    simchild_knobs_of(k->children)->start_permille = 0;
    kit_settle(k);
    for (int i = 0; i < 300 && !status_ok(engine_room(k->e, 1000)); i++) {
        kit_end_turn(k);
        engine_cron(k->e);
    }
    assert_true(status_ok(engine_room(k->e, 1000)));
    kit_check(k);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_big),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_no_flush),
        cmocka_unit_test(test_due),
    };
    return kit_use("lsm") + cmocka_run_group_tests(tests, NULL, NULL);
}
