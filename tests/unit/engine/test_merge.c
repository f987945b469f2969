/* The rules of merging, each as a small history. Most are histories in which a store of this kind
 * once lost data or brought it back. */
#include "engine/bitcask/merge.h"

#include "base/log.h"
#include "engine/bitcask/jobs.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include <stdio.h>

/* Every history is told twice: to a child that has the index, and to one that has marks. */
static const char *fork_index_max = "1gb";

static int with_marks(void **state) {
    (void)state;
    fork_index_max = "0";
    return 0;
}

static bitcask *bc(kit *k) {
    return bitcask_of(k->e);
}

/* Merges the segments of those ranks, from the choice to the last unlink. */
static void merge_run(kit *k, uint32_t at, uint32_t len) {
    kit_settle(k);
    uint64_t before = kit_info(k, "merges");
    status s = merge_start(bc(k), at, len);
    if (!status_ok(s)) fail_msg("merge: %s", s.msg);
    kit_settle(k);
    assert_int_equal(kit_info(k, "merges"), before + 1);
    kit_check(k);
}

/* Starts a merge and lets its child fork, and no further: until k->hold is false. */
static void fork_only(kit *k, uint32_t at, uint32_t len) {
    kit_settle(k);
    status s = merge_start(bc(k), at, len);
    if (!status_ok(s)) fail_msg("merge: %s", s.msg);
    kit_end_turn(k);
    k->hold = true;
    engine_cron(k->e);
    bool marked = bc(k)->merge->step == MERGE_MARKING;
    assert_int_equal(marked, strcmp(fork_index_max, "0") == 0);
    if (marked) engine_background(k->e, 1000000);
    if (marked) engine_cron(k->e);
    assert_int_equal(bc(k)->merge->step, MERGE_RUNNING);
}

/* The same history must be there after each kind of end. */
static void reopen_all_ways(kit *k, void (*expect)(kit *k)) {
    expect(k);
    kit_kill(k);
    expect(k);
    kit_close(k);
    kit_open(k);
    expect(k);
    kit_settle(k);
    kit_power_cut(k);
    expect(k);
}

/* Sealed segments of the order. */
static uint32_t sealed(kit *k) {
    return bc(k)->norder - 1;
}

static kit *begin(void) {
    kit *k = kit_sim();
    kit_setting("merge-window", "never"); /* the tests say what is merged */
    kit_setting("fork-index-max", fork_index_max);
    kit_open(k);
    return k;
}

/* ---- tombstones ---------------------------------------------------------------------------------
 */

static void expect_gone(kit *k) {
    kit_has_not(k, "k");
    kit_has(k, "other", "1");
}

/* bitcask#82: the delete is merged, the put lies in an older segment that is not. */
static void test_delete_outlives_its_merge_while_an_older_segment_has_the_key(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_del(k, "k");
    kit_rotate(k);
    merge_run(k, 1, 1);
    reopen_all_ways(k, expect_gone);
    kit_free(k);
}

/* bitcask#82 again: twice merged, the second time together with a younger one. */
static void test_delete_outlives_a_second_merge(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_del(k, "k");
    kit_rotate(k);
    merge_run(k, 1, 1);
    kit_put(k, "more", "2");
    kit_rotate(k);
    merge_run(k, 1, 2);
    reopen_all_ways(k, expect_gone);
    kit_free(k);
}

/* The older segment was merged itself: its output still has the key's put if that was alive when
 * the child forked. */
static void test_delete_after_the_fork_hides_what_the_child_copied(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    fork_only(k, 0, 1);
    kit_del(k, "k");
    k->hold = false;
    kit_settle(k);
    assert_int_equal(kit_info(k, "merges"), 1);
    kit_check(k);
    reopen_all_ways(k, expect_gone);
    kit_free(k);
}

/* A run that begins with the oldest segment needs none of its deletes. */
static void test_delete_goes_with_the_oldest_run(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_del(k, "k");
    kit_rotate(k);
    merge_run(k, 0, 1);
    assert_int_equal(bc(k)->order[0]->hiding, 0);
    reopen_all_ways(k, expect_gone);
    kit_free(k);
}

/* No older segment ever had the key, and their filters know it: the delete goes. So a queue over a
 * cold base does not grow for ever. */
static void test_delete_goes_when_no_older_segment_had_the_key(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_settle(k); /* the base has a hint, and so a filter, now */
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "job:%d", i);
        kit_put(k, name, "work");
        kit_del(k, name);
    }
    kit_rotate(k);
    merge_run(k, 1, sealed(k) - 1);
    assert_true(bc(k)->order[1]->hiding < 400); /* one in a hundred is a false alarm */
    kit_has(k, "other", "1");
    kit_free(k);
}

/* The same, but the base's hint is lost: then nobody knows, and every delete stays. */
static void test_delete_stays_when_an_older_hint_is_missing(void **state) {
    (void)state;
    kit *k = begin();
    char path[FILE_PATH_MAX];
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_settle(k);
    assert_true(status_ok(bc_path(bc(k), FILE_HINT, bc(k)->order[0]->log.number, path)));
    assert_true(status_ok(k->env.fs->ops->unlink(k->env.fs, path)));
    kit_del(k, "k");
    kit_rotate(k);
    merge_run(k, 1, 1);
    assert_true(bc(k)->order[1]->hiding > 0);
    reopen_all_ways(k, expect_gone);
    kit_free(k);
}

/* Deleted again and again over an old put: only the last delete is kept, so merging converges. */
static void test_only_the_last_delete_of_a_key_is_kept(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    for (int i = 0; i < 100; i++) {
        kit_put(k, "k", "again");
        kit_del(k, "k");
    }
    kit_rotate(k);
    merge_run(k, 1, sealed(k) - 1);
    assert_in_range(bc(k)->order[1]->hiding, 1, 40);
    reopen_all_ways(k, expect_gone);
    kit_free(k);
}

static void expect_new(kit *k) {
    kit_has(k, "k", "new");
}

/* A delete under a newer put may go; when that put is deleted in turn, its delete must stay. */
static void test_newer_put_takes_over_from_a_delete(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_del(k, "k");
    kit_rotate(k);
    kit_put(k, "k", "new");
    kit_rotate(k);
    merge_run(k, 1, 1);
    reopen_all_ways(k, expect_new);
    kit_del(k, "k");
    kit_rotate(k);
    merge_run(k, 1, sealed(k) - 1);
    reopen_all_ways(k, expect_gone);
    kit_free(k);
}

/* The newer put that lets a delete go must survive a crash as well: the merge is not installed
 * before the log is durable beyond the fork. */
static void test_install_waits_for_what_it_relies_on(void **state) {
    (void)state;
    kit *k = begin();
    kit_setting("appendfsync", "no");
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_del(k, "k");
    kit_rotate(k);
    simfs_knobs_of(k->fs)->fail_permille = 0;
    kit_put(k, "k", "new"); /* not durable */
    engine_turn_end(k->e);
    assert_true(engine_durable(k->e) < engine_log_end(k->e));
    assert_true(status_ok(merge_start(bc(k), 1, 1)));
    for (int i = 0; i < 200 && bc(k)->merge; i++) {
        kit_end_turn(k);
        engine_background(k->e, 1000);
        if (bc(k)->merge->step == MERGE_INSTALLING)
            assert_true(engine_durable(k->e) >= bc(k)->merge->fork_end);
        engine_cron(k->e);
    }
    assert_null(bc(k)->merge);
    kit_power_cut(k);
    expect_new(k);
    kit_free(k);
}

/* ---- live data
 * ------------------------------------------------------------------------------------ */

/* nutsdb#392: what was written while the merge ran wins over the merge's copy. */
static void test_write_during_a_merge_wins(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    fork_only(k, 0, 1);
    kit_put(k, "k", "new");
    k->hold = false;
    kit_settle(k);
    kit_check(k);
    kit_has(k, "other", "1");
    reopen_all_ways(k, expect_new);
    kit_free(k);
}

/* Outputs have higher numbers than the log's files that are younger than they: order is what the
 * manifest says, not what numbers say. */
static void test_order_is_not_number(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_settle(k);
    merge_run(k, 0, 1);
    assert_true(bc(k)->order[0]->log.number > seg_active(bc(k))->log.number);
    kit_put(k, "k", "new");
    kit_settle(k);
    reopen_all_ways(k, expect_new);
    kit_free(k);
}

/* bitcask#47: the active segment takes no part; compact seals it first. */
static void test_active_segment_is_sealed_before_it_is_merged(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "new");
    uint32_t active = seg_active(bc(k))->log.number;
    kit_merge(k);
    assert_int_not_equal(seg_active(bc(k))->log.number, active);
    reopen_all_ways(k, expect_new);
    kit_free(k);
}

/* Nothing is left of a run in which nothing lives, and nothing hides. */
static void test_dead_segments_go_without_a_merge(void **state) {
    (void)state;
    kit *k = begin();
    kit_setting("compression", "no");
    for (int i = 0; i < 50; i++)
        kit_put_len(k, 0, "k", 30000, (char)('a' + i % 26));
    kit_settle(k);
    assert_true(kit_info(k, "segments_unlinked") >= 10);
    assert_int_equal(kit_info(k, "merges"), 0);
    assert_true(kit_files(k, ".seg") <= 4);
    kit_free(k);
}

/* A dead segment is not unlinked before what made it dead is durable. */
static void test_dead_segment_waits_for_the_log(void **state) {
    (void)state;
    kit *k = begin();
    kit_setting("appendfsync", "no");
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_merge(k); /* other parts of the segment are gone: k and other lie alone */
    kit_put(k, "k", "new");
    kit_put(k, "other", "2");
    kit_put(k, "filler", "3");
    engine_begin(k->e);
    assert_int_equal(engine_del(k->e, 3, SLICE("filler")), ENGINE_OK);
    engine_commit(k->e);
    engine_turn_end(k->e);
    assert_int_equal(bc(k)->order[0]->log.state, SEG_DEAD);
    assert_false(seg_retire_dead(bc(k)));
    assert_true(status_ok(engine_sync(k->e)));
    assert_true(seg_retire_dead(bc(k)));
    kit_settle(k);
    reopen_all_ways(k, expect_new);
    kit_free(k);
}

/* ---- collections
 * ----------------------------------------------------------------------------------- */

/* Puts n elements under a key; returns its collection opened. */
static engine_coll put_coll(kit *k, const char *key, int n) {
    engine_coll c;
    entry ent = {.type = 2};
    char sub[16];
    engine_begin(k->e);
    assert_int_equal(engine_coll_new(k->e, 0, slice_cstr(key), &c), ENGINE_OK);
    ent.coll = c.id;
    assert_int_equal(engine_put(k->e, 0, slice_cstr(key), &ent), ENGINE_OK);
    for (int i = 0; i < n; i++) {
        int len = snprintf(sub, sizeof sub, "s%04d", i);
        slice s = slice_of(sub, (size_t)len);
        assert_int_equal(engine_map_put(k->e, &c, 0, s, s, 0), ENGINE_OK);
    }
    engine_commit(k->e);
    return c;
}

static void del_sub(kit *k, engine_coll *c, const char *sub) {
    engine_begin(k->e);
    assert_int_equal(engine_map_del(k->e, c, 0, slice_cstr(sub)), ENGINE_OK);
    engine_commit(k->e);
}

/* The collection of "c", and what it has. */
static void expect_elements(kit *k) {
    entry ent;
    engine_coll c;
    map_iter it;
    assert_int_equal(engine_meta(k->e, 0, SLICE("c"), &ent), ENGINE_OK);
    assert_int_equal(engine_coll_open(k->e, 0, SLICE("c"), &ent, &c), ENGINE_OK);
    assert_int_equal(engine_map_count(k->e, &c, 0), 299);
    assert_int_equal(engine_map_get(k->e, &c, 0, SLICE("s0007"), &it), ENGINE_ABSENT);
    assert_int_equal(engine_map_get(k->e, &c, 0, SLICE("s0008"), &it), ENGINE_OK);
    assert_true(slice_eq(it.value, SLICE("s0008")));
}

/* An element's delete outlives its merge while an older segment has the element. */
static void test_element_delete_outlives_its_merge(void **state) {
    (void)state;
    kit *k = begin();
    engine_coll c = put_coll(k, "c", 300);
    kit_rotate(k);
    del_sub(k, &c, "s0007");
    kit_rotate(k);
    merge_run(k, 1, 1);
    reopen_all_ways(k, expect_elements);
    kit_merge(k);
    reopen_all_ways(k, expect_elements);
    kit_free(k);
}

static void expect_changed_element(kit *k) {
    entry ent;
    engine_coll c;
    map_iter it;
    assert_int_equal(engine_meta(k->e, 0, SLICE("c"), &ent), ENGINE_OK);
    assert_int_equal(engine_coll_open(k->e, 0, SLICE("c"), &ent, &c), ENGINE_OK);
    assert_int_equal(engine_map_get(k->e, &c, 0, SLICE("s0007"), &it), ENGINE_OK);
    assert_true(slice_eq(it.value, SLICE("new")));
    assert_int_equal(it.expire, 9);
    assert_int_equal(engine_map_get(k->e, &c, 0, SLICE("s0008"), &it), ENGINE_ABSENT);
    assert_int_equal(engine_map_get(k->e, &c, 0, SLICE("s0009"), &it), ENGINE_OK);
    assert_true(slice_eq(it.value, SLICE("s0009")));
}

/* Elements that were changed or deleted while the child copied them stay so. */
static void test_element_changed_during_a_merge(void **state) {
    (void)state;
    kit *k = begin();
    engine_coll c = put_coll(k, "c", 300);
    kit_rotate(k);
    fork_only(k, 0, sealed(k));
    engine_begin(k->e);
    assert_int_equal(engine_map_put(k->e, &c, 0, SLICE("s0007"), SLICE("new"), 9), ENGINE_OK);
    assert_int_equal(engine_map_del(k->e, &c, 0, SLICE("s0008")), ENGINE_OK);
    engine_commit(k->e);
    k->hold = false;
    kit_settle(k);
    assert_int_equal(kit_info(k, "merges"), 1);
    kit_check(k);
    reopen_all_ways(k, expect_changed_element);
    kit_free(k);
}

/* Elements of a collection that nobody owns go; so do their deletes. */
static void test_dropped_collection_leaves_nothing(void **state) {
    (void)state;
    kit *k = begin();
    put_coll(k, "c", 300);
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_del(k, "c");
    kit_merge(k);
    kit_check(k);
    assert_true(kit_info(k, "segment_bytes_live") < 9000); /* the filler, and `other` */
    kit_has_not(k, "c");
    kit_kill(k);
    kit_has_not(k, "c");
    kit_free(k);
}

/* A collection dropped between fork and application: its copies are dead, its bytes add up. */
static void test_collection_dropped_during_a_merge(void **state) {
    (void)state;
    kit *k = begin();
    put_coll(k, "c", 300);
    kit_put(k, "other", "1");
    kit_rotate(k);
    fork_only(k, 0, sealed(k));
    kit_del(k, "c");
    k->hold = false;
    kit_settle(k);
    assert_int_equal(kit_info(k, "merges"), 1);
    kit_check(k);
    kit_has_not(k, "c");
    kit_has(k, "other", "1");
    kit_free(k);
}

/* ---- flush, failure, crashes
 * ------------------------------------------------------------------------ */

/* A flush ends the child; its output is no longer there, nor named. */
static void test_flush_ends_a_merge(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "old");
    kit_rotate(k);
    fork_only(k, 0, sealed(k));
    kit_flush(k, -1);
    k->hold = false;
    kit_settle(k);
    assert_int_equal(kit_info(k, "merges"), 0);
    kit_check(k);
    kit_has_not(k, "k");
    assert_int_equal(kit_files(k, ".seg"), 1); /* the active one: disk space is back */
    assert_int_equal(kit_files(k, ".tmp"), 0);
    kit_kill(k);
    kit_has_not(k, "k");
    kit_free(k);
}

/* A child that fails leaves nothing behind, and the next merge works. */
static void test_failed_child_costs_a_retry(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "new");
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_settle(k);
    simchild_knobs_of(k->children)->kill_permille = 1000;
    assert_true(status_ok(merge_start(bc(k), 0, 1)));
    kit_settle(k);
    assert_int_equal(kit_info(k, "merge_failures"), 1);
    assert_int_equal(kit_files(k, ".seg"), 2);
    simchild_knobs_of(k->children)->kill_permille = 0;
    kit_check(k);
    merge_run(k, 0, 1);
    reopen_all_ways(k, expect_new);
    kit_free(k);
}

/* A history with everything in it, around one merge. False if the machine stopped before all of it
 * was durable. */
static bool history(kit *k) {
    kit_put(k, "base", "keeps the first segment");
    kit_put(k, "k", "old");
    kit_put(k, "gone", "x");
    kit_rotate(k);
    kit_del(k, "gone");
    kit_put(k, "k", "new");
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_settle(k);
    if (simfs_stopped(k->fs)) return false;
    status s = merge_start(bc(k), 1, 1);
    assert_true(status_ok(s) || simfs_stopped(k->fs));
    for (int i = 0; i < 60; i++) {
        kit_end_turn(k);
        k->now_us += 500000;
        engine_cron(k->e);
        engine_background(k->e, 1000);
    }
    return true;
}

/* rosedb PR#342: the machine stops at each change of the disk, one after the other, while a merge
 * is made and installed. */
static void test_power_cut_at_each_step(void **state) {
    (void)state;
    kit *k = begin();
    history(k);
    uint64_t all = simfs_counts_of(k->fs)->changes;
    assert_int_equal(kit_info(k, "merges"), 1);
    kit_free(k);
    bool settled = true;
    unsigned steps = 0;
    for (uint64_t stop = all; settled; stop--, steps++) {
        k = begin();
        simfs_knobs_of(k->fs)->stop_at = stop;
        settled = history(k);
        simfs_knobs_of(k->fs)->stop_at = 0;
        if (stop % 2)
            kit_kill(k);
        else
            kit_power_cut(k);
        if (settled) {
            kit_has(k, "k", "new");
            kit_has(k, "other", "1");
            kit_has_not(k, "gone");
        }
        kit_free(k);
    }
    assert_true(steps > 20);
}

/* bitcask#212: a damaged record is found also without a hint; with one, reading it is an error. */
static void test_damage_is_found(void **state) {
    (void)state;
    kit *k = begin();
    char path[FILE_PATH_MAX];
    kit_put_len(k, 0, "k", 4000, 'v');
    kit_rotate(k);
    kit_settle(k);
    segment *s = bc(k)->order[0];
    assert_true(status_ok(bc_path(bc(k), FILE_SEGMENT, s->log.number, path)));
    kit_close(k);
    vfs_file *f;
    vfs *v = k->env.fs;
    assert_true(status_ok(vfs_open(v, path, VFS_READ | VFS_WRITE, &f)));
    assert_true(status_ok(vfs_pwrite(f, "X", 1, 130)));
    assert_true(status_ok(f->ops->close(f)));
    assert_true(status_ok(kit_try_open(k)));
    entry ent;
    assert_int_equal(engine_get(k->e, 0, SLICE("k"), &ent), ENGINE_ERROR);
    assert_int_equal(engine_error(k->e).code, ST_CORRUPT);
    kit_close(k);
    path[strlen(path) - 3] = 0;
    strcat(path, "hint");
    assert_true(status_ok(v->ops->unlink(v, path)));
    assert_int_equal(kit_try_open(k).code, ST_CORRUPT);
    kit_free(k);
}

/* bitcask#136: hint files that are empty, or cut off: the segment is read instead. */
static void test_bad_hints_are_ignored(void **state) {
    (void)state;
    for (uint64_t keep = 0; keep < 300; keep += 37) {
        kit *k = begin();
        char path[FILE_PATH_MAX];
        vfs_file *f;
        vfs *v = k->env.fs;
        kit_put(k, "k", "new");
        kit_rotate(k);
        kit_settle(k);
        assert_true(status_ok(bc_path(bc(k), FILE_HINT, bc(k)->order[0]->log.number, path)));
        kit_close(k);
        assert_true(status_ok(vfs_open(v, path, VFS_READ | VFS_WRITE, &f)));
        assert_true(status_ok(f->ops->truncate(f, keep)));
        assert_true(status_ok(f->ops->close(f)));
        kit_open(k);
        kit_has(k, "k", "new");
        kit_free(k);
    }
}

/* A file that the manifest does not know is not deleted, and not taken in: the start is refused. */
/* The walk is a slice at a time: what is written, deleted and flushed between two slices, and a
 * merge that ends in the middle, do no harm; nothing of the index is needed by the child. */
static void test_writes_between_slices_of_marking(void **state) {
    (void)state;
    kit *k = begin();
    kit_setting("fork-index-max", "0");
    char key[64];
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "key:%d", i);
        kit_put(k, key, "v");
    }
    kit_put_len(k, 3, "elsewhere", 100, 'x');
    kit_rotate(k);
    for (int end = 0; end < 2; end++) {
        kit_settle(k);
        status s = merge_start(bc(k), 0, sealed(k));
        if (!status_ok(s)) fail_msg("merge: %s", s.msg);
        kit_end_turn(k);
        engine_cron(k->e);
        assert_int_equal(bc(k)->merge->step, MERGE_MARKING);
        assert_true(merge_marks_bytes(bc(k)) > 1000);
        for (int i = 0; merge_background(bc(k)); i++) {
            snprintf(key, sizeof key, "key:%d", 200 * i + end);
            if (i % 2)
                kit_del(k, key);
            else
                kit_put(k, key, "w");
            if (i == 5) assert_int_equal(bc(k)->merge->step, MERGE_MARKING);
            if (i == 5 && end == 0) merge_cancel(bc(k));
        }
        if (end == 0) assert_null(bc(k)->merge);
        assert_true(end == 0 || bc(k)->merge->npdbs == 0);
    }
    kit_settle(k);
    assert_int_equal(kit_info(k, "merges"), 1);
    assert_int_equal(merge_marks_bytes(bc(k)), 0);
    kit_check(k);
    kit_has_not(k, "key:200");
    kit_has(k, "key:400", "w");
    kit_has(k, "key:0", "w");
    kit_has(k, "key:1", "w");
    kit_has_not(k, "key:201");
    kit_kill(k); /* and opens it again */
    kit_has(k, "key:1", "w");
    kit_has(k, "key:2999", "v");
    kit_has_not(k, "key:201");
    kit_check(k);
    kit_free(k);
}

/* The newer put is in the run as well, behind the delete, which must not come after it there. */
static void test_no_key_has_a_put_and_a_kept_delete(void **state) {
    (void)state;
    kit *k = begin();
    kit_put(k, "k", "old");
    kit_put(k, "other", "1");
    kit_rotate(k);
    kit_del(k, "k");
    kit_rotate(k);
    kit_put(k, "k", "new");
    kit_rotate(k);
    merge_run(k, 1, 2);
    assert_int_equal(bc(k)->order[1]->hiding, 0);
    reopen_all_ways(k, expect_new);
    kit_free(k);
}

/* An index of some size is put on large pages as it grows, and anew before the fork, on a worker;
 * while a worker is at it a flush may end the merge, and the next one finds all in order. */
static void test_large_index_is_enlarged_first(void **state) {
    (void)state;
    kit *k = begin();
    kit_setting("index-huge-pages", "yes");
    kit_setting("fork-index-max", "1gb");
    char key[900];
    memset(key, 'k', sizeof key);
    for (int i = 0; i < 90000; i++) { /* 80 MB of index */
        snprintf(key + 880, sizeof key - 880, "%d", i % 80000);
        kit_put(k, key, "v");
        if (i % 500 == 0) kit_end_turn(k), engine_cron(k->e);
    }
    kit_rotate(k);
    kit_settle(k);
    assert_true(kit_info(k, "arena_bytes") > 64u << 20);
    assert_true(bc(k)->pages.grown > 0 && !bc(k)->pages.busy);
    if (!bc(k)->pages.refused) assert_true(kit_info(k, "arena_huge_bytes") > 8u << 20);
    if (!bc(k)->pages.refused_ahead) assert_true(bc(k)->pages.made_ahead > 8u << 20);
    arena_shared(bc(k)->shared.arena); /* as if some child had got it */
    status s = merge_start(bc(k), 0, sealed(k));
    if (!status_ok(s)) fail_msg("merge: %s", s.msg);
    for (int i = 0; i < 1000 && !bc(k)->pages.busy; i++)
        kit_end_turn(k), engine_cron(k->e);
    assert_true(bc(k)->pages.busy);
    assert_int_equal(bc(k)->merge->step, MERGE_NAMING);
    merge_cancel(bc(k)); /* as a flush does */
    assert_null(bc(k)->merge);
    kit_settle(k);
    merge_run(k, 0, sealed(k));
    assert_false(bc(k)->pages.busy);
    if (!bc(k)->pages.refused) assert_true(kit_info(k, "arena_huge_bytes") > 32u << 20);
    kit_kill(k); /* and opens it again */
    kit_check(k);
    kit_free(k);
}

static void test_foreign_segment_is_a_refusal(void **state) {
    (void)state;
    kit *k = begin();
    vfs_file *f;
    vfs *v = k->env.fs;
    kit_close(k);
    assert_true(status_ok(vfs_open(v, "/kit/0000000099.seg", VFS_WRITE | VFS_CREATE, &f)));
    assert_true(status_ok(f->ops->close(f)));
    assert_int_equal(kit_try_open(k).code, ST_CORRUPT);
    assert_int_equal(kit_files(k, "99.seg"), 1);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delete_outlives_its_merge_while_an_older_segment_has_the_key),
        cmocka_unit_test(test_delete_outlives_a_second_merge),
        cmocka_unit_test(test_delete_after_the_fork_hides_what_the_child_copied),
        cmocka_unit_test(test_delete_goes_with_the_oldest_run),
        cmocka_unit_test(test_delete_goes_when_no_older_segment_had_the_key),
        cmocka_unit_test(test_delete_stays_when_an_older_hint_is_missing),
        cmocka_unit_test(test_only_the_last_delete_of_a_key_is_kept),
        cmocka_unit_test(test_newer_put_takes_over_from_a_delete),
        cmocka_unit_test(test_install_waits_for_what_it_relies_on),
        cmocka_unit_test(test_write_during_a_merge_wins),
        cmocka_unit_test(test_order_is_not_number),
        cmocka_unit_test(test_active_segment_is_sealed_before_it_is_merged),
        cmocka_unit_test(test_dead_segments_go_without_a_merge),
        cmocka_unit_test(test_dead_segment_waits_for_the_log),
        cmocka_unit_test(test_element_delete_outlives_its_merge),
        cmocka_unit_test(test_element_changed_during_a_merge),
        cmocka_unit_test(test_dropped_collection_leaves_nothing),
        cmocka_unit_test(test_collection_dropped_during_a_merge),
        cmocka_unit_test(test_flush_ends_a_merge),
        cmocka_unit_test(test_failed_child_costs_a_retry),
        cmocka_unit_test(test_power_cut_at_each_step),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_bad_hints_are_ignored),
        cmocka_unit_test(test_foreign_segment_is_a_refusal),
        cmocka_unit_test(test_writes_between_slices_of_marking),
        cmocka_unit_test(test_no_key_has_a_put_and_a_kept_delete),
        cmocka_unit_test(test_large_index_is_enlarged_first),
    };
    size_t all = sizeof tests / sizeof *tests;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + _cmocka_run_group_tests("with marks", tests, all - 1, with_marks, NULL);
}
