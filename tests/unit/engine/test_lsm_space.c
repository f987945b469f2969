/* A full disk (README, S1 to S4): how much of it can be used, that deletes make room and writes go
 * on by themselves, that nothing is lost on the way, and that little is tried in vain. */
#include "engine/lsm/jobs.h"
#include "engine/lsm/space.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include <stdio.h>

#define KIB   ((uint64_t)1 << 10)
#define DISK  (8192 * KIB)
#define VALUE 4000

static const char *name_of(unsigned i) {
    static char name[32];
    snprintf(name, sizeof name, "key:%06u", i * 7919 % 100000);
    return name;
}

/* Cron, workers and children, for so many tenths of a second. */
static void pass(kit *k, int tenths) {
    for (int i = 0; i < tenths; i++) {
        kit_end_turn(k);
        k->now_us += 100000;
        clock_refresh(&k->clock);
        engine_cron(k->e);
    }
    kit_end_turn(k);
}

/* A value that does not pack; false if there is no room for it. */
static bool put(kit *k, rng *r, unsigned i) {
    static char value[VALUE];
    if (!status_ok(engine_room(k->e, VALUE + 200))) return false;
    for (size_t at = 0; at < VALUE; at += 8)
        memcpy(value + at, &(uint64_t){rng_next(r)}, 8);
    memcpy(value, &i, sizeof i);
    entry ent = {.type = 1, .expire = ENGINE_NO_EXPIRE, .value = slice_of(value, VALUE)};
    engine_begin(k->e);
    assert_int_equal(engine_put(k->e, 0, slice_cstr(name_of(i)), &ent), ENGINE_OK);
    engine_commit(k->e);
    if (i % 8 == 7) pass(k, 1);
    return true;
}

/* From `i` on, until it is full: the first that was refused. */
static unsigned fill(kit *k, rng *r, unsigned i) {
    while (put(k, r, i))
        i++;
    assert_int_equal(engine_room(k->e, VALUE).code, ST_NO_SPACE);
    return i;
}

/* Is each of them there, with its value, or not? */
static void check(kit *k, unsigned from, unsigned to, unsigned step, bool there) {
    for (unsigned i = from; i < to; i += step) {
        entry ent;
        engine_result r = engine_get(k->e, 0, slice_cstr(name_of(i)), &ent);
        assert_int_equal(r, there ? ENGINE_OK : ENGINE_ABSENT);
        if (there) assert_true(ent.value.len == VALUE && !memcmp(ent.value.data, &i, sizeof i));
    }
}

/* An engine on a small disk, with the sizes that are meant for a large one. */
static kit *on_small_disk(void) {
    kit *k = kit_sim();
    kit_setting("memtable-size", "64mb");
    kit_setting("table-size", "32mb");
    kit_setting("segment-size", "128kb");
    simfs_knobs_of(k->fs)->limit = DISK;
    kit_open(k);
    return k;
}

/* Each part is a small one of the disk. */
static void test_sizes(void **state) {
    (void)state;
    kit *k = on_small_disk();
    lsm *e = lsm_of(k->e);
    pass(k, 1);
    pick_conf c = compact_conf(e);
    assert_in_range(e->disk_all, DISK - DISK / 20, DISK); /* but for the manifest */
    assert_in_range(lsm_memtable_size(e), 100 * KIB, DISK / 64);
    assert_in_range(c.table_size, 16 * KIB, DISK / 256);
    assert_in_range(c.base_bytes, 256 * KIB, DISK / 16);
    assert_in_range(c.job_bytes, 256 * KIB, DISK / 16);
    assert_true(space_keep(e) < 200 * KIB); /* an empty store has nothing to rewrite */
    simfs_knobs_of(k->fs)->limit = 0;
    pass(k, 1);
    assert_int_equal(lsm_memtable_size(e), 64 << 20);
    assert_int_equal(lsm_table_size(e), 32 << 20);
    kit_free(k);
}

/* Filled, emptied by half, filled again, killed, flushed. */
static void test_full(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    kit *k = on_small_disk();
    unsigned n = fill(k, &r, 0);
    assert_true((uint64_t)n * VALUE > DISK / 2);
    pass(k, 30); /* nothing more fits however long one waits */
    check(k, 0, n, 1, true);
    for (unsigned i = 0; i < n; i += 2) {
        assert_true(status_ok(engine_room(k->e, 0)));
        kit_del(k, name_of(i));
        if (i % 64 == 0) pass(k, 1);
    }
    pass(k, 100);
    unsigned m = fill(k, &r, n);
    assert_true((uint64_t)(m - n) * VALUE > DISK / 8);
    kit_power_cut(k);
    check(k, 0, n, 2, false);
    check(k, 1, n, 2, true);
    check(k, n, m - 8, 1, true); /* the last may have been lost: everysec */
    kit_flush(k, -1);
    pass(k, 100);
    assert_true(simfs_used(k->fs) < 1200 * KIB);
    unsigned more = fill(k, &r, 0);
    assert_true(more >= n - n / 8);
    kit_check(k);
    kit_free(k);
}

/* The same keys, over and over: old values make way for new ones. */
static void test_overwriting(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    kit *k = on_small_disk();
    unsigned n = (unsigned)(DISK / 4 / VALUE);
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < n; i++) {
            for (int wait = 0; !put(k, &r, i); wait++) {
                assert_true(wait < 50);
                pass(k, 1);
            }
        }
    }
    kit_power_cut(k);
    check(k, 0, n - 8, 1, true);
    kit_check(k);
    kit_free(k);
}

/* Others take all that is free: nothing is lost and next to nothing is tried. They give it back:
 * writes go on. */
static void test_others(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    kit *k = on_small_disk();
    lsm *e = lsm_of(k->e);
    unsigned n = 0;
    while ((uint64_t)n * VALUE < DISK / 4)
        assert_true(put(k, &r, n++));
    simfs_knobs_of(k->fs)->limit = simfs_used(k->fs);
    unsigned m = fill(k, &r, n);
    pass(k, 20);
    uint64_t flushes = e->stats.flush_failures, compactions = e->stats.compaction_failures;
    pass(k, 600);
    assert_true(e->stats.flush_failures - flushes <= 10);
    assert_true(e->stats.compaction_failures - compactions <= 10);
    check(k, 0, m, 1, true);
    simfs_knobs_of(k->fs)->limit = DISK;
    pass(k, 25);
    assert_true(status_ok(engine_room(k->e, VALUE)));
    unsigned all = fill(k, &r, m);
    assert_true((uint64_t)all * VALUE > DISK / 2);
    check(k, 0, all, 1, true);
    kit_close(k); /* what can't be flushed stays in the log */
    kit_open(k);
    check(k, 0, all, 1, true);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_overwriting),
        cmocka_unit_test(test_others),
    };
    return kit_use("lsm") + cmocka_run_group_tests(tests, NULL, NULL);
}
