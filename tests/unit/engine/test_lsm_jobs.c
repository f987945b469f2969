/* The life of flushes and compactions in a whole engine: in order and only behind the durable log,
 * space that comes back by itself, no work when there is none, failures at any call, what an end
 * leaves behind. */
#include "engine/lsm/jobs.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include <stdio.h>

/* n keys of value_len bytes from `first` on, some in each turn. */
static void fill(kit *k, int first, int n, size_t value_len, char with) {
    char key[32];
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "key:%06d", first + i);
        kit_put_len(k, 0, key, value_len, with);
        if (i % 50 == 49) kit_end_turn(k);
    }
    kit_end_turn(k);
}

static void remove_all(kit *k, int n) {
    char key[32];
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "key:%06d", i);
        kit_del(k, key);
        if (i % 50 == 49) kit_end_turn(k);
    }
    kit_end_turn(k);
}

/* The key has a hundred bytes of that kind. */
static void has_hundred(kit *k, const char *key, char with) {
    char value[101];
    memset(value, with, 100);
    value[100] = 0;
    kit_has(k, key, value);
}

/* Cron and turns, without children or workers getting theirs. */
static void some_crons(kit *k, int n) {
    for (int i = 0; i < n; i++) {
        k->now_us += 100000;
        clock_refresh(&k->clock);
        engine_turn_end(k->e);
        engine_cron(k->e);
    }
}

/* ---- flushes --------------------------------------------------------------------------------- */

/* A table does not show what the log may yet lose. */
static void test_flush_waits_for_the_log(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_setting("appendfsync", "no");
    kit_open(k);
    lsm *e = lsm_of(k->e);
    fill(k, 0, 20, 100, 'a');
    k->hold = true;
    lsm_switch(e);
    assert_int_equal(e->nfrozen, 1);
    log_pos end = e->active->older->end;
    /* the child is through, and so is the edit with its name; no fsync was */
    some_crons(k, 1);
    for (int i = 0; i < 1000 && (!e->jobs->flush || e->jobs->flush->job.step < JOB_SETTLING); i++) {
        if (chain_durable(&e->log) < end) {
            while (simchild_step(k->children))
                continue;
            k->env.children->ops->poll(k->env.children);
        }
        engine_cron(k->e);
        simaio_step(k->workers);
        k->env.aio->ops->poll(k->env.aio);
    }
    for (int i = 0; i < 1000 && e->nfrozen; i++) {
        assert_true(e->flushed < end);
        if (e->jobs->flush && e->jobs->flush->job.step == JOB_INSTALLING)
            assert_true(chain_durable(&e->log) >= end);
        while (simchild_step(k->children))
            continue;
        k->env.children->ops->poll(k->env.children);
        some_crons(k, 1);
        simaio_step(k->workers);
        k->env.aio->ops->poll(k->env.aio);
    }
    assert_int_equal(e->nfrozen, 0);
    assert_true(e->flushed == end && chain_durable(&e->log) >= end);
    k->hold = false;
    kit_check(k);
    kit_free(k);
}

/* Several wait: the oldest is the first that goes, and its log with it. */
static void test_flushes_in_order(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    lsm *e = lsm_of(k->e);
    log_pos ends[4], before = e->flushed;
    k->hold = true;
    for (int i = 0; i < 4; i++) {
        fill(k, 10 * i, 20, 100, (char)('a' + i));
        lsm_switch(e);
        ends[i] = e->active->older->end;
    }
    assert_int_equal(e->nfrozen, 4);
    k->hold = false;
    int at = 0;
    for (int i = 0; i < 10000 && e->nfrozen; i++) {
        kit_end_turn(k);
        engine_cron(k->e);
        if (e->flushed == before) continue;
        while (at < 4 && e->flushed != ends[at])
            at++;
        assert_true(at < 4); /* one end after the other, none skipped backwards */
        before = e->flushed;
        assert_int_equal(e->nfrozen, 3 - at);
    }
    assert_true(e->flushed == ends[3]);
    kit_settle(k);
    kit_check(k);
    has_hundred(k, "key:000009", 'a');
    kit_free(k);
}

/* The same few keys over and over fill no memtable, but the log: it does not grow for ever. */
static void test_log_is_bounded(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    uint64_t most = 0;
    for (int i = 0; i < 150; i++) {
        fill(k, 0, 100, 100, (char)('a' + i % 26));
        engine_cron(k->e);
        kit_end_turn(k);
        uint64_t files = kit_info(k, "log_files");
        if (files > most) most = files;
    }
    assert_true(kit_info(k, "written_bytes") > 1500000);
    assert_true(most <= 8);
    kit_settle(k);
    assert_true(kit_info(k, "flushes") > 2);
    kit_free(k);
}

/* ---- space --------------------------------------------------------------------------------------
 */

/* All keys are deleted, and nobody asks for anything: a few files are left that hold nothing. */
static void test_space_comes_back(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    fill(k, 0, 8000, 200, 'x');
    kit_settle(k);
    assert_true(kit_info(k, "table_bytes") > 50000 && kit_info(k, "table_entries") >= 8000);
    uint64_t before = k->now_us;
    remove_all(k, 8000);
    kit_settle(k);
    assert_true(k->now_us - before < 60000000);
    assert_true(kit_info(k, "table_entries") < 100);
    assert_true(simfs_used(k->fs) < 300000);
    kit_check(k);
    kit_close(k);
    kit_open(k);
    engine_db_stats st;
    engine_db_stats_of(k->e, 0, &st);
    assert_int_equal(st.keys, 0);
    kit_free(k);
}

/* Few deletes, whose tombstones are next to nothing, of all that there is. */
static void test_space_of_few_comes_back(void **state) {
    (void)state;
    kit *k = kit_sim();
    char key[32], value[20000];
    uint64_t x = 1;
    kit_open(k);
    for (int i = 0; i < 12; i++) {
        for (size_t j = 0; j < sizeof value - 1; j++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            value[j] = (char)('!' + (x >> 33) % 90);
        }
        value[sizeof value - 1] = '\0';
        snprintf(key, sizeof key, "key:%06d", i);
        kit_put(k, key, value);
        kit_end_turn(k);
    }
    kit_merge(k);
    assert_true(kit_info(k, "table_bytes") > 150000);
    remove_all(k, 12);
    kit_settle(k);
    assert_int_equal(kit_info(k, "table_entries"), 0);
    kit_free(k);
}

/* Everything is overwritten three times: little more than one copy is left. Then nothing happens
 * any more: no call of the disk changes anything. */
static void test_quiet(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    for (int i = 0; i < 4; i++)
        fill(k, 0, 6000, 100, (char)('a' + i));
    kit_settle(k);
    uint64_t now = kit_info(k, "table_bytes"), entries = kit_info(k, "table_entries");
    assert_true(entries < 6000 * 115 / 100);
    uint64_t changes = simfs_counts_of(k->fs)->changes;
    for (int i = 0; i < 100; i++) {
        some_crons(k, 1);
        kit_end_turn(k);
    }
    assert_true(simfs_counts_of(k->fs)->changes == changes);
    kit_merge(k);
    assert_int_equal(kit_info(k, "table_entries"), 6000);
    assert_true(now * 100 < kit_info(k, "table_bytes") * 115);
    kit_free(k);
}

/* A FLUSHALL: tables go without being read, with an edit. */
static void test_flushall(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    fill(k, 0, 5000, 200, 'x');
    kit_settle(k);
    uint64_t read = kit_info(k, "compaction_bytes_read"), files = kit_info(k, "tables");
    assert_true(files > 3);
    kit_flush(k, -1);
    kit_settle(k);
    assert_int_equal(kit_info(k, "tables"), 0);
    assert_true(kit_info(k, "tables_dropped_whole") >= files);
    assert_int_equal(kit_info(k, "compaction_bytes_read"), read);
    assert_int_equal(kit_files(k, ".sst"), 0);
    kit_check(k);
    kit_free(k);
}

/* A compaction under way when its inputs die is ended, and what it wrote goes. */
static void test_flushall_during_a_compaction(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    lsm *e = lsm_of(k->e);
    fill(k, 0, 3000, 200, 'x');
    status s = engine_compact(k->e);
    assert_true(status_ok(s));
    for (int i = 0; i < 10000 && !e->jobs->ncompact; i++) {
        kit_end_turn(k);
        engine_cron(k->e);
    }
    k->hold = true;
    some_crons(k, 3);
    assert_true(e->jobs->ncompact > 0);
    kit_flush(k, -1);
    some_crons(k, 3);
    k->hold = false;
    kit_settle(k);
    assert_int_equal(kit_info(k, "tables"), 0);
    assert_int_equal(kit_files(k, ".sst"), 0);
    assert_int_equal(kit_info(k, "compaction_failures"), 0);
    kit_check(k);
    kit_free(k);
}

/* A large collection: dropped in one record, and its tables with the flush of that. */
static void test_dropped_collection(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    kit_coll(k, 4000);
    kit_put(k, "stays", "here");
    kit_settle(k);
    kit_merge(k);
    assert_true(kit_info(k, "table_entries") > 4000);
    kit_del(k, "c");
    kit_end_turn(k);
    kit_merge(k);
    assert_true(kit_info(k, "table_entries") < 10);
    assert_true(kit_info(k, "tables_dropped_whole") > 0);
    kit_has(k, "stays", "here");
    kit_free(k);
}

/* Collections that share tables: few drops hide much, and nobody writes any more. (kit_coll's is
 * renamed away each time.) */
static void test_dropped_collections(void **state) {
    (void)state;
    kit *k = kit_sim();
    char key[16];
    kit_open(k);
    for (int i = 0; i < 40; i++) {
        kit_coll(k, 200);
        snprintf(key, sizeof key, "coll:%d", i);
        engine_begin(k->e);
        assert_int_equal(engine_move(k->e, 0, SLICE("c"), 0, slice_cstr(key)), ENGINE_OK);
        engine_commit(k->e);
        kit_end_turn(k);
    }
    fill(k, 0, 2000, 200, 'x');
    kit_settle(k);
    uint64_t before = kit_info(k, "table_entries");
    assert_true(before > 40 * 200 + 2000);
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "coll:%d", i);
        kit_del(k, key);
        kit_end_turn(k);
    }
    kit_settle(k);
    assert_true(kit_info(k, "table_entries") < 2000 + (before - 2000) / 4);
    kit_check(k);
    kit_free(k);
}

/* engine_compact: one level, one cell a key. */
static void test_compact(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    for (int i = 0; i < 3; i++)
        fill(k, 0, 3000, 100, (char)('a' + i));
    status s = engine_compact(k->e);
    assert_true(status_ok(s));
    assert_int_equal(engine_compact(k->e).code, ST_BUSY);
    kit_settle(k);
    lsm *e = lsm_of(k->e);
    for (unsigned l = 0; l + 1 < LSM_LEVELS; l++)
        assert_int_equal(e->current->level[l].n, 0);
    assert_int_equal(kit_info(k, "table_entries"), 3000);
    kit_check(k);
    kit_free(k);
}

/* ---- failures -----------------------------------------------------------------------------------
 */

/* Any call of the disk may fail, once: what was acknowledged stays, and the work is done later. */
static void test_failing_calls(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(60); round++) {
        kit *k = kit_sim();
        kit_open(k);
        fill(k, 0, 600, 100, 'a');
        simfs_knobs *knobs = simfs_knobs_of(k->fs);
        knobs->fail_at = simfs_counts_of(k->fs)->calls + 1 + rng_below(&r, 100);
        knobs->fail_code = rng_below(&r, 2) ? ST_IO : ST_NO_SPACE;
        lsm_switch(lsm_of(k->e));
        for (int i = 0; i < 200; i++) {
            k->now_us += 100000;
            kit_end_turn(k);
            engine_cron(k->e);
        }
        knobs->fail_at = 0;
        bool good = status_ok(engine_failed(k->e));
        if (good) {
            kit_settle(k);
            assert_int_equal(kit_info(k, "memtables_frozen"), 0);
        }
        kit_check(k);
        kit_power_cut(k);
        if (good) has_hundred(k, "key:000599", 'a');
        kit_check(k);
        kit_free(k);
    }
}

/* Children die; their files are unlinked, and others do the work. */
static void test_dying_children(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    simchild_knobs_of(k->children)->kill_permille = 30;
    simchild_knobs_of(k->children)->start_permille = 200;
    for (int i = 0; i < 3; i++)
        fill(k, 0, 3000, 100, (char)('a' + i));
    for (int i = 0; i < 300; i++) {
        kit_end_turn(k);
        some_crons(k, 1);
    }
    assert_true(kit_info(k, "flush_failures") + kit_info(k, "compaction_failures") > 0);
    simchild_knobs_of(k->children)->kill_permille = 0;
    simchild_knobs_of(k->children)->start_permille = 0;
    kit_settle(k);
    assert_int_equal(kit_files(k, ".sst"), kit_info(k, "tables"));
    kit_check(k);
    kit_free(k);
}

/* Ends in the middle of everything leave nothing that a start does not take away. */
static void test_ends(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    kit *k = kit_sim();
    kit_open(k);
    for (int round = 0; round < unit_rounds(25); round++) {
        fill(k, (int)rng_below(&r, 2000), 400, 100, (char)('a' + round));
        k->hold = true;
        some_crons(k, (int)rng_below(&r, 4));
        for (uint64_t n = rng_below(&r, 30); n > 0; n--) {
            if (!simaio_step(k->workers)) simchild_step(k->children);
            k->env.aio->ops->poll(k->env.aio);
            k->env.children->ops->poll(k->env.children);
            some_crons(k, 1);
        }
        k->hold = false;
        uint64_t how = rng_below(&r, 3);
        if (how == 0) {
            kit_close(k);
            kit_open(k);
        } else if (how == 1) {
            kit_kill(k);
        } else {
            kit_power_cut(k);
        }
        kit_check(k);
        assert_int_equal(kit_files(k, ".sst"), kit_info(k, "tables"));
    }
    kit_free(k);
}

/* ---- sizes, pace, INFO
 * ----------------------------------------------------------------------------
 */

static void test_budget(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_setting("memtable-size", "64mb");
    kit_setting("block-cache-size", "256mb");
    kit_open(k);
    assert_int_equal(kit_info(k, "memtable_size"), 64 << 20);
    assert_int_equal(kit_info(k, "cache_limit"), 256 << 20);
    for (uint64_t mib = 4; mib <= 65536; mib *= 2) {
        engine_budget(k->e, mib << 20);
        uint64_t mem = kit_info(k, "memtable_size"), blocks = kit_info(k, "cache_limit");
        assert_true(mem <= (64 << 20) && blocks >= (1 << 20));
        if (mib >= 16) assert_true(mem + blocks <= (mib << 20) * 7 / 8 + (1 << 20));
        if (mib >= 128) assert_true(blocks >= (mib << 20) / 4);
    }
    engine_budget(k->e, 0);
    assert_int_equal(kit_info(k, "cache_limit"), 256 << 20);
    /* too large all the same: the cache gives way, and is given back after a while */
    engine_relieve(k->e, 1 << 20);
    assert_true(kit_info(k, "cache_limit") < 256 << 20);
    uint64_t less = kit_info(k, "cache_limit");
    engine_relieve(k->e, 1 << 20); /* too soon to see what came of it */
    assert_int_equal(kit_info(k, "cache_limit"), less);
    for (int i = 0; i < 2000; i++)
        some_crons(k, 1);
    assert_int_equal(kit_info(k, "cache_limit"), 256 << 20);
    engine_relieve(k->e, UINT64_MAX / 4);
    assert_int_equal(kit_info(k, "cache_limit"), 0);
    kit_free(k);
}

/* Nothing is flushed: writes are told to wait, longer and longer, and nothing is once it is. */
static void test_waits(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    lsm *e = lsm_of(k->e);
    assert_int_equal(engine_pace(k->e, 1000), 0);
    k->hold = true;
    double before = 0;
    for (int i = 0; i < 6; i++) {
        fill(k, 100 * i, 60, 100, 'w');
        lsm_switch(e);
        engine_cron(k->e);
        assert_true(e->jobs->pace.pressure >= before);
        before = e->jobs->pace.pressure;
    }
    assert_true(before == 1);
    uint64_t wait = 0;
    for (int i = 0; i < 100; i++)
        wait = engine_pace(k->e, 10000);
    assert_true(wait > 100000 && kit_info(k, "stalls") == 1 && kit_info(k, "stall_usec") > 0);
    k->hold = false;
    kit_settle(k);
    assert_int_equal(engine_pace(k->e, 1000), 0);
    buf info = kit_info_all(k);
    assert_non_null(strstr(info.data, "stall_state:none\r\nstall_reason:none"));
    buf_free(&info);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flush_waits_for_the_log),
        cmocka_unit_test(test_flushes_in_order),
        cmocka_unit_test(test_log_is_bounded),
        cmocka_unit_test(test_space_comes_back),
        cmocka_unit_test(test_space_of_few_comes_back),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_flushall),
        cmocka_unit_test(test_flushall_during_a_compaction),
        cmocka_unit_test(test_dropped_collection),
        cmocka_unit_test(test_dropped_collections),
        cmocka_unit_test(test_compact),
        cmocka_unit_test(test_failing_calls),
        cmocka_unit_test(test_dying_children),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_waits),
    };
    return kit_use("lsm") + cmocka_run_group_tests(tests, NULL, NULL);
}
