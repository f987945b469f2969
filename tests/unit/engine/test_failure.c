/* What the engine does when the disk fails: final failures, full disks, late syncs. */
#include "engine/log/settings.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include <stdio.h>

static kit *begin(const char *fsync) {
    kit *k = kit_sim();
    kit_setting("appendfsync", fsync);
    kit_setting("compression", "no");
    kit_open(k);
    kit_settle(k);
    return k;
}

/* The next sync fails. */
static void fail_next_sync(kit *k) {
    simfs_knobs *n = simfs_knobs_of(k->fs);
    n->fail_sync_at = simfs_counts_of(k->fs)->syncs + 1;
    n->fail_code = ST_IO;
}

/* The next call, whichever it is, fails. */
static void fail_next_call(kit *k) {
    simfs_knobs *n = simfs_knobs_of(k->fs);
    n->fail_at = simfs_counts_of(k->fs)->calls + 1;
    n->fail_code = ST_IO;
}

/* Failure is final: nothing is released any more, writes are refused, reads go on, INFO says so. */
static void expect_failed(kit *k, log_pos released) {
    unsigned told = k->told;
    assert_int_equal(engine_failed(k->e).code, ST_FAILED);
    assert_int_equal(engine_room(k->e, 10).code, ST_FAILED);
    assert_int_equal(engine_room(k->e, 0).code, ST_FAILED);
    assert_true(engine_released(k->e) == released);
    for (int i = 0; i < 20; i++) {
        kit_end_turn(k);
        engine_cron(k->e);
        k->now_us += 200000;
    }
    assert_int_equal(engine_sync(k->e).code, ST_FAILED);
    assert_true(engine_released(k->e) == released);
    assert_true(engine_durable(k->e) <= released);
    assert_true(told > 0);
    kit_has(k, "k", "new");
    kit_has(k, "before", "1");
    buf out = kit_info_all(k);
    assert_non_null(strstr(out.data, "log_state:failed"));
    assert_non_null(strstr(out.data, "may not survive"));
    buf_free(&out);
}

/* appendfsync always: the fsync fails; what it covered is readable and never released. Nothing that
 * was released before is lost by a power cut. */
static void test_failed_fsync_always(void **state) {
    (void)state;
    kit *k = begin("always");
    kit_put(k, "before", "1");
    kit_commit(k);
    log_pos released = engine_released(k->e);
    assert_true(released == engine_log_end(k->e));
    kit_put(k, "k", "new");
    fail_next_sync(k);
    kit_commit(k);
    expect_failed(k, released);
    kit_power_cut(k);
    kit_has(k, "before", "1");
    kit_free(k);
}

/* The same at everysec. */
static void test_failed_fsync_everysec(void **state) {
    (void)state;
    kit *k = begin("everysec");
    kit_put(k, "before", "1");
    kit_settle(k);
    kit_put(k, "k", "new");
    engine_turn_end(k->e);
    log_pos released = engine_released(k->e), durable = engine_durable(k->e);
    assert_true(released == engine_log_end(k->e) && durable < released);
    fail_next_sync(k);
    for (int i = 0; i < 30; i++) {
        k->now_us += 100000;
        kit_end_turn(k);
        engine_cron(k->e);
    }
    expect_failed(k, released);
    assert_true(engine_durable(k->e) == durable);
    kit_power_cut(k);
    kit_has(k, "before", "1");
    kit_free(k);
}

/* A failed write likewise. */
static void test_failed_write(void **state) {
    (void)state;
    static const char *const policies[] = {"always", "everysec", "no"};
    for (int i = 0; i < 3; i++) {
        kit *k = begin(policies[i]);
        kit_put(k, "before", "1");
        kit_commit(k);
        log_pos released = engine_released(k->e);
        kit_put(k, "k", "new");
        fail_next_call(k);
        engine_turn_end(k->e);
        expect_failed(k, released);
        kit_kill(k);
        kit_has(k, "before", "1");
        kit_free(k);
    }
}

/* The worst of it (ATC'20): after a failed fsync the pages count as clean. A new process that reads
 * them must not take them for safe, and an fsync alone does not make them so. */
static void test_restart_after_a_failed_fsync(void **state) {
    (void)state;
    for (int seed = 0; seed < 20; seed++) {
        kit *k = begin("everysec");
        char name[16];
        for (int i = 0; i < seed * 20; i++) {
            snprintf(name, sizeof name, "n%d", i);
            kit_put(k, name, "v");
        }
        kit_put(k, "before", "1");
        kit_settle(k);
        kit_put(k, "k", "new");
        engine_turn_end(k->e);
        fail_next_sync(k);
        for (int i = 0; i < 30; i++) {
            k->now_us += 100000;
            kit_end_turn(k);
            engine_cron(k->e);
        }
        assert_int_equal(engine_failed(k->e).code, ST_FAILED);
        kit_kill(k); /* the page cache still has it, or has not */
        entry ent;
        bool there = engine_get(k->e, 0, SLICE("k"), &ent) == ENGINE_OK;
        assert_true(engine_durable(k->e) >= engine_log_end(k->e));
        kit_power_cut(k); /* but what was there is durable now */
        assert_int_equal(engine_get(k->e, 0, SLICE("k"), &ent) == ENGINE_OK, there);
        kit_has(k, "before", "1");
        kit_free(k);
    }
}

/* While an fsync runs, records wait in memory and are readable; when it is done they are written.
 */
static void test_no_write_behind_a_running_fsync(void **state) {
    (void)state;
    kit *k = begin("everysec");
    kit_put(k, "before", "1");
    kit_end_turn(k);
    k->hold = true; /* the fsync starts and does not end */
    k->now_us += 2000000;
    clock_refresh(&k->clock);
    engine_cron(k->e);
    assert_int_equal(simaio_pending(k->workers), 1);
    log_pos released = engine_released(k->e);
    kit_put(k, "k", "new");
    kit_end_turn(k);
    assert_true(engine_released(k->e) == released);
    assert_int_equal(kit_info(k, "fsync_waits"), 1);
    kit_has(k, "k", "new");
    unsigned told = k->told;
    k->hold = false;
    kit_end_turn(k);
    assert_true(k->told > told);
    assert_true(engine_released(k->e) == engine_log_end(k->e));
    assert_int_equal(kit_info(k, "fsync_late_writes"), 0);
    kit_free(k);
}

/* ... but not for ever: after fsync-wait-max they are written all the same. */
static void test_wait_for_a_running_fsync_is_bounded(void **state) {
    (void)state;
    kit *k = begin("everysec");
    kit_put(k, "before", "1");
    kit_end_turn(k);
    k->hold = true;
    k->now_us += 2000000;
    clock_refresh(&k->clock);
    engine_cron(k->e);
    kit_put(k, "k", "new");
    log_pos end = engine_log_end(k->e);
    for (int ms = 0; ms < 40; ms += 10) {
        kit_end_turn(k);
        assert_true(engine_released(k->e) < end);
    }
    kit_end_turn(k);
    assert_true(engine_released(k->e) == end);
    assert_int_equal(kit_info(k, "fsync_late_writes"), 1);
    k->hold = false;
    kit_free(k);
}

/* A full disk refuses growth before anything is changed; deletes and reads go on; when space comes
 * back, so do writes, by themselves. */
static void test_full_disk(void **state) {
    (void)state;
    kit *k = begin("always");
    simfs_knobs *n = simfs_knobs_of(k->fs);
    char name[32];
    kit_put(k, "before", "1");
    n->limit = simfs_used(k->fs) + 300000;
    int put = 0;
    while (put < 1000 && status_ok(engine_room(k->e, 3000))) {
        snprintf(name, sizeof name, "n%d", put++);
        kit_put_len(k, 0, name, 3000, 'v');
        kit_end_turn(k);
        engine_cron(k->e);
        k->now_us += 200000;
    }
    assert_in_range(put, 30, 200);
    status s = engine_room(k->e, 3000);
    assert_int_equal(s.code, ST_NO_SPACE);
    assert_non_null(strstr(s.msg, "No space left on device"));
    assert_true(status_ok(engine_failed(k->e)));
    kit_has(k, "before", "1");
    kit_check(k);
    for (int i = 0; i < put; i++) { /* deletes find room, and bring space back */
        snprintf(name, sizeof name, "n%d", i);
        assert_true(status_ok(engine_room(k->e, 0)));
        kit_del(k, name);
        kit_end_turn(k);
    }
    for (int i = 0; i < 50; i++) {
        kit_end_turn(k);
        k->now_us += 500000;
        engine_cron(k->e);
        engine_background(k->e, 1000);
    }
    assert_true(status_ok(engine_room(k->e, 3000)));
    kit_put(k, "k", "new");
    kit_settle(k);
    kit_check(k);
    kit_kill(k);
    kit_has(k, "k", "new");
    kit_has_not(k, "n0");
    kit_free(k);
}

/* Space freed by others is noticed too. */
static void test_full_disk_resumes(void **state) {
    (void)state;
    kit *k = begin("everysec");
    simfs_knobs *n = simfs_knobs_of(k->fs);
    char name[32];
    n->limit = simfs_used(k->fs) + 100000;
    for (int i = 0; i < 1000 && status_ok(engine_room(k->e, 3000)); i++) {
        snprintf(name, sizeof name, "n%d", i);
        kit_put_len(k, 0, name, 3000, 'v');
        kit_end_turn(k);
        engine_cron(k->e);
    }
    assert_int_equal(engine_room(k->e, 3000).code, ST_NO_SPACE);
    n->limit = 0;
    for (int i = 0; i < 30; i++) {
        kit_end_turn(k);
        k->now_us += 200000;
        engine_cron(k->e);
    }
    assert_true(status_ok(engine_room(k->e, 3000)));
    kit_put(k, "k", "new");
    kit_settle(k);
    kit_check(k);
    kit_free(k);
}

/* A batch that runs out of space in its middle is undone whole, and is no failure of the log. */
static void test_no_space_inside_a_batch(void **state) {
    (void)state;
    kit *k = begin("always");
    simfs_knobs *n = simfs_knobs_of(k->fs);
    char value[20000];
    memset(value, 'v', sizeof value);
    kit_put(k, "k", "new");
    kit_settle(k);
    n->limit = simfs_used(k->fs) + 10;
    engine_begin(k->e);
    engine_result r = ENGINE_OK;
    for (int i = 0; i < 100 && r == ENGINE_OK; i++) {
        char name[16];
        entry ent = {.value = slice_of(value, sizeof value)};
        int len = snprintf(name, sizeof name, "n%d", i);
        r = engine_put(k->e, 0, slice_of(name, (size_t)len), &ent);
    }
    assert_int_equal(r, ENGINE_ERROR);
    assert_int_equal(engine_error(k->e).code, ST_NO_SPACE);
    engine_abort(k->e);
    assert_true(status_ok(engine_failed(k->e)));
    kit_has_not(k, "n0");
    kit_has(k, "k", "new");
    kit_check(k);
    n->limit = 0;
    kit_settle(k);
    kit_put(k, "other", "1");
    kit_kill(k);
    kit_has(k, "k", "new");
    kit_free(k);
}

/* The directory is held by one. */
static void test_second_engine_is_refused(void **state) {
    (void)state;
    kit *k = begin("everysec");
    engine *other;
    engine_options opt = {.dir = k->dir, .env = &k->env, .databases = 4};
    assert_int_equal(kit_class()->open(&opt, &other).code, ST_BUSY);
    assert_null(other);
    kit_close(k);
    opt.cluster = true;
    assert_int_equal(kit_class()->open(&opt, &other).code, ST_INVALID);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_fsync_always),
        cmocka_unit_test(test_failed_fsync_everysec),
        cmocka_unit_test(test_failed_write),
        cmocka_unit_test(test_restart_after_a_failed_fsync),
        cmocka_unit_test(test_no_write_behind_a_running_fsync),
        cmocka_unit_test(test_wait_for_a_running_fsync_is_bounded),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_full_disk_resumes),
        cmocka_unit_test(test_no_space_inside_a_batch),
        cmocka_unit_test(test_second_engine_is_refused),
    };
    int failed = kit_use("bitcask");
    failed += cmocka_run_group_tests_name("bitcask", tests, NULL, NULL);
    failed += kit_use("lsm");
    failed += cmocka_run_group_tests_name("lsm", tests, NULL, NULL);
    return failed;
}
