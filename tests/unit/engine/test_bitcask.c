/* What is Bitcask's own: tokens that collide, collections that go in slices, files that go without
 * a merge, hints. What both engines promise is in test_both.c. */
#include "engine/bitcask/bitcask_int.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include <stdio.h>

static bitcask *bc(kit *k) {
    return bitcask_of(k->e);
}

/* Tokens of three bits: every page is full of keys that collide. */
static void test_model_colliding_tokens(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    bc(k)->shared.token_mask = (7ULL << 36) | 1;
    kit_put(k, "a", "1");
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        kit_put(k, name, name);
        entry ent = {.expire = 1000, .value = SLICE("e")};
        engine_begin(k->e);
        assert_int_equal(engine_put(k->e, 0, slice_of(name, strlen(name)), &ent), ENGINE_OK);
        engine_commit(k->e);
        if (i % 3 == 0) kit_del(k, name);
        if (i % 3 == 1) kit_put(k, name, "plain");
    }
    kit_check(k);
    engine_db_stats s;
    engine_db_stats_of(k->e, 0, &s);
    assert_int_equal(s.keys, 201);
    assert_int_equal(s.expires, 100);
    buf key = {0};
    uint32_t db;
    int64_t when;
    for (int i = 0; i < 100; i++) { /* each of those that share a time and a token comes up */
        assert_int_equal(engine_due(k->e, 1000, &db, &key, &when), ENGINE_OK);
        engine_begin(k->e);
        assert_int_equal(engine_del(k->e, db, buf_slice(&key)), ENGINE_OK);
        engine_commit(k->e);
    }
    assert_int_equal(engine_due(k->e, 1000, &db, &key, &when), ENGINE_ABSENT);
    assert_int_equal(when, 0);
    buf_free(&key);
    kit_check(k);
    kit_free(k);
}

/* Dropping costs the caller nothing; the bytes follow, and add up at each moment. */
static void test_collection_dropped_in_slices(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    kit_coll(k, 5000);
    kit_settle(k);
    uint64_t live = kit_info(k, "segment_bytes_live");
    kit_del(k, "c");
    assert_true(kit_info(k, "segment_bytes_live") > live / 2);
    kit_check(k);
    while (engine_background(k->e, 0))
        kit_check(k);
    assert_int_equal(kit_info(k, "segment_bytes_live"), 0);
    kit_settle(k);
    assert_in_range(kit_files(k, ".seg"), 1, 2); /* the active one, perhaps the next */
    kit_free(k);
}

/* A flush takes effect at once, for good, and gives the disk back. */
static void test_flush_gives_the_disk_back(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_setting("compression", "no");
    kit_setting("merge-window", "never");
    kit_open(k);
    char name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "k%d", i);
        kit_put_len(k, (uint32_t)i % 2, name, 9000, 'v');
        kit_end_turn(k);
    }
    kit_settle(k);
    assert_true(kit_files(k, ".seg") > 10);
    kit_flush(k, 0);
    kit_has_not(k, "k0");
    kit_check(k);
    kit_settle(k);
    assert_true(kit_files(k, ".seg") > 10); /* the other database is still everywhere */
    kit_kill(k);
    kit_has_not(k, "k0");
    kit_flush(k, -1);
    kit_settle(k);
    assert_in_range(kit_files(k, ".seg"), 1, 2);
    assert_int_equal(kit_info(k, "segment_bytes_live"), 0);
    assert_int_equal(kit_info(k, "merges"), 0);
    kit_check(k);
    kit_free(k);
}

/* A start reads hints where there are some, and the log where there are none; both know the same.
 */
static void test_hints_and_log_agree(void **state) {
    (void)state;
    kit *k = kit_sim();
    char name[16];
    kit_open(k);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "k%d", i % 1000);
        if (i % 5 == 4)
            kit_put_len(k, 0, name, 100, (char)('a' + i % 20));
        else
            kit_put(k, name, name);
        if (i % 50 == 0) kit_end_turn(k);
    }
    kit_settle(k);
    assert_true(kit_info(k, "hints") > 0);
    kit_close(k);
    kit_open(k);
    uint64_t by_hint = kit_info(k, "recovery_records");
    assert_true(by_hint < 3000);
    assert_int_equal(bc(k)->stats.recovery_logs, 0);
    for (uint32_t i = 0; i + 1 < bc(k)->norder; i++) {
        char path[FILE_PATH_MAX];
        assert_true(status_ok(bc_path(bc(k), FILE_HINT, bc(k)->order[i]->log.number, path)));
        assert_true(status_ok(k->env.fs->ops->unlink(k->env.fs, path)));
    }
    kit_kill(k);
    assert_int_equal(bc(k)->stats.recovery_hints, 0);
    kit_has(k, "k7", "k7");
    engine_db_stats s;
    engine_db_stats_of(k->e, 0, &s);
    assert_int_equal(s.keys, 1000);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_colliding_tokens),
        cmocka_unit_test(test_collection_dropped_in_slices),
        cmocka_unit_test(test_flush_gives_the_disk_back),
        cmocka_unit_test(test_hints_and_log_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
