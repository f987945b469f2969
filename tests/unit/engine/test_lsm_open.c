/* Opening and closing the LSM engine: what a start finds and what an end leaves. */
#include "base/mem.h"
#include "engine/lsm/lsm.h"
#include "engine/lsm/lsm_int.h"
#include "storage/file_header.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include <stdio.h>

static lsm *in(kit *k) {
    return lsm_of(k->e);
}

static kit *begin(const char *fsync) {
    kit *k = kit_sim();
    kit_setting("appendfsync", fsync);
    kit_open(k);
    return k;
}

/* Keys n0 .. with values of that length, in turns of ten. */
static void fill(kit *k, int from, int to, size_t len) {
    char name[32];
    for (int i = from; i < to; i++) {
        snprintf(name, sizeof name, "n%d", i);
        kit_put_len(k, 0, name, len, (char)('a' + i % 26));
        if (i % 10 == 9) kit_end_turn(k);
    }
    kit_end_turn(k);
}

static void expect_filled(kit *k, int from, int to, size_t len) {
    char name[32];
    for (int i = from; i < to; i++) {
        entry ent;
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(engine_get(k->e, 0, slice_cstr(name), &ent), ENGINE_OK);
        assert_int_equal(ent.value.len, len);
        assert_int_equal(ent.value.data[len - 1], 'a' + i % 26);
    }
}

static uint64_t keys_of(kit *k, uint32_t db) {
    engine_db_stats st;
    engine_db_stats_of(k->e, db, &st);
    return st.keys;
}

/* ---- a clean end --------------------------------------------------------------------------------
 */

/* All is in tables, no file of the log is left, and a start replays nothing. */
static void test_close_flushes(void **state) {
    (void)state;
    kit *k = begin("everysec");
    fill(k, 0, 30, 500);
    kit_coll(k, 40);
    kit_close(k);
    assert_int_equal(kit_files(k, ".log"), 0);
    assert_true(kit_files(k, ".sst") >= 1);
    kit_open(k);
    assert_int_equal(in(k)->stats.recovery_records, 0);
    assert_int_equal(keys_of(k, 0), 31);
    expect_filled(k, 0, 30, 500);
    kit_put(k, "more", "1");
    kit_close(k);
    kit_open(k);
    kit_has(k, "more", "1");
    expect_filled(k, 0, 30, 500);
    kit_free(k);
}

/* A store in which nothing was ever written, or all was deleted again, has no table either. */
static void test_close_empty(void **state) {
    (void)state;
    kit *k = begin("always");
    for (int i = 0; i < 3; i++) {
        kit_close(k);
        assert_int_equal(kit_files(k, ".log") + kit_files(k, ".sst"), 0);
        kit_open(k);
        kit_put(k, "k", "v");
        kit_del(k, "k");
        kit_end_turn(k);
    }
    assert_int_equal(keys_of(k, 0), 0);
    kit_free(k);
}

/* The disk refuses the flush: the log is left, and replayed. */
static void test_close_on_a_full_disk(void **state) {
    (void)state;
    kit *k = begin("always");
    kit_setting("compression", "no");
    fill(k, 0, 15, 3000);
    simfs_knobs_of(k->fs)->limit = simfs_used(k->fs) + 100;
    kit_close(k);
    simfs_knobs_of(k->fs)->limit = 0;
    assert_int_equal(kit_files(k, ".log"), 1);
    kit_open(k);
    assert_true(in(k)->stats.recovery_records >= 15);
    expect_filled(k, 0, 15, 3000);
    kit_free(k);
}

/* The machine stops at any change of a close, or of the open behind it. */
static void test_stopped_anywhere(void **state) {
    (void)state;
    bool closed = false;
    for (uint64_t at = 1; !closed; at += at < 40 ? 1 : 3) {
        kit *k = begin("always");
        simfs_knobs *n = simfs_knobs_of(k->fs);
        fill(k, 0, 12, 700);
        kit_flush(k, 1);
        kit_coll(k, 20);
        kit_del(k, "n3");
        kit_end_turn(k);
        uint64_t keys = keys_of(k, 0);
        n->stop_at = simfs_counts_of(k->fs)->changes + at;
        kit_close(k);
        closed = !simfs_stopped(k->fs);
        if (!closed) simfs_crash(k->fs);
        n->stop_at = simfs_counts_of(k->fs)->changes + at / 2 + 1;
        status s = kit_try_open(k);
        if (simfs_stopped(k->fs)) {
            if (k->e) lsm_abandon(k->e);
            k->e = NULL;
            simfs_crash(k->fs);
            n->stop_at = 0;
            s = kit_try_open(k);
        }
        n->stop_at = 0;
        if (!status_ok(s)) fail_msg("open after %d: %s", (int)at, s.msg);
        kit_check(k);
        assert_int_equal(keys_of(k, 0), keys);
        expect_filled(k, 0, 3, 700);
        expect_filled(k, 4, 12, 700);
        kit_has_not(k, "n3");
        kit_free(k);
    }
}

/* ---- a start ------------------------------------------------------------------------------------
 */

/* More was written than a memtable holds: replay freezes where it was full, and flushes follow. */
static void test_replay(void **state) {
    (void)state;
    kit *k = begin("no"); /* written, with no worker to sync it */
    k->hold = true;       /* nothing is flushed */
    fill(k, 0, 100, 2000);
    kit_flush(k, 0);
    fill(k, 100, 200, 2000);
    kit_coll(k, 100);
    kit_end_turn(k);
    k->hold = false;
    assert_int_equal(in(k)->stats.flushes, 0);
    kit_kill(k);
    assert_true(in(k)->nfrozen >= 2);
    assert_true(in(k)->stats.recovery_records >= 200);
    assert_int_equal(keys_of(k, 0), 101);
    expect_filled(k, 100, 200, 2000);
    kit_has_not(k, "n50");
    kit_settle(k);
    assert_true(in(k)->stats.flushes >= 2 && in(k)->nfrozen == 0);
    kit_check(k);
    kit_power_cut(k);
    assert_int_equal(keys_of(k, 0), 101);
    expect_filled(k, 100, 200, 2000);
    kit_free(k);
}

/* What tables have is not done again: counts come out right wherever the flushed position is. */
static void test_replay_from_flushed(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    kit *k = begin("everysec");
    for (int life = 0; life < unit_rounds(20); life++) {
        int from = (int)rng_below(&r, 300);
        fill(k, from, from + (int)rng_below(&r, 120), 1500);
        if (rng_below(&r, 2)) kit_settle(k);
        for (int i = 0; i < 20; i++) {
            char name[32];
            entry ent;
            snprintf(name, sizeof name, "n%d", (int)rng_below(&r, 400));
            bool there = engine_meta(k->e, 0, slice_cstr(name), &ent) == ENGINE_OK;
            if (there) kit_del(k, name);
        }
        kit_end_turn(k);
        uint64_t keys = keys_of(k, 0);
        kit_kill(k); /* opens, and checks all counts */
        assert_int_equal(keys_of(k, 0), keys);
    }
    kit_free(k);
}

/* Tables and log files that belong to nobody: pending ones go, others are a refusal. */
static void test_missing_and_foreign(void **state) {
    (void)state;
    kit *k = begin("always");
    char path[FILE_PATH_MAX], other[FILE_PATH_MAX];
    vfs *v = k->env.fs;
    vfs_file *f;
    fill(k, 0, 10, 500);
    kit_close(k);
    kit_open(k);
    const manifest_table *t = manifest_tables_after(&meta_state(&in(k)->meta)->tables, 0);
    assert_non_null(t);
    assert_true(status_ok(file_path(path, k->dir, FILE_TABLE, t->number)));
    assert_true(status_ok(file_path(other, k->dir, FILE_LOG, t->number)));
    kit_close(k);
    assert_true(status_ok(vfs_open(v, other, VFS_WRITE | VFS_CREATE, &f)));
    assert_true(status_ok(f->ops->close(f)));
    status s = kit_try_open(k);
    assert_int_equal(s.code, ST_CORRUPT);
    assert_non_null(strstr(s.msg, "does not know this file"));
    assert_true(status_ok(v->ops->unlink(v, other)));
    assert_true(status_ok(v->ops->rename(v, path, other)));
    assert_false(status_ok(kit_try_open(k)));
    assert_true(status_ok(v->ops->rename(v, other, path)));
    kit_open(k);
    expect_filled(k, 0, 10, 500);
    kit_free(k);
}

/* Another engine's directory, and the other mode's, are refused before anything is touched. */
static void test_refusals(void **state) {
    (void)state;
    kit *k = begin("always");
    kit_put(k, "k", "v");
    kit_close(k);
    int used = kit_use("bitcask");
    status s = kit_try_open(k);
    used += kit_use("lsm");
    assert_int_equal(used, 0);
    assert_int_equal(s.code, ST_INVALID);
    assert_non_null(strstr(s.msg, "was made by engine lsm, and this is engine bitcask"));
    assert_non_null(strstr(s.msg, "stave-convert"));
    engine_options opt = {.dir = k->dir, .env = &k->env, .databases = 4, .cluster = true};
    engine *e;
    assert_int_equal(lsm_class.open(&opt, &e).code, ST_INVALID);
    kit_open(k);
    kit_has(k, "k", "v");
    opt.cluster = false;
    assert_int_equal(lsm_class.open(&opt, &e).code, ST_BUSY);
    kit_free(k);
}

/* The mapping of databases is what it was, flushes and swaps of all ages included. */
static void test_mapping(void **state) {
    (void)state;
    kit *k = begin("everysec");
    for (int life = 0; life < 4; life++) {
        fill(k, 0, 40, 1500);
        engine_begin(k->e);
        assert_int_equal(engine_swap(k->e, 0, 2), ENGINE_OK);
        engine_commit(k->e);
        uint64_t was = keys_of(k, 0);
        if (life & 1) kit_settle(k);
        kit_put(k, "mine", "1");
        kit_flush(k, 2);
        kit_end_turn(k);
        kit_kill(k);
        assert_int_equal(keys_of(k, 2), 0);
        assert_int_equal(keys_of(k, 0), was + (was == 0));
        if (life & 2) {
            kit_close(k);
            kit_open(k);
        }
        kit_has(k, "mine", "1");
        kit_flush(k, 0);
    }
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_flushes),
        cmocka_unit_test(test_close_empty),
        cmocka_unit_test(test_close_on_a_full_disk),
        cmocka_unit_test(test_stopped_anywhere),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_replay_from_flushed),
        cmocka_unit_test(test_missing_and_foreign),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_mapping),
    };
    int failed = kit_use("lsm");
    failed += cmocka_run_group_tests(tests, NULL, NULL);
    return failed;
}
