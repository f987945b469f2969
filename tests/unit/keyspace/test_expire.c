/* Expiry: nobody sees a due key, each goes once, and where deletes are not possible it stays. */
#include "support/world.h"

#include "support/unit.h"

#include <stdio.h>

static world w;

static int open_world(void **state) {
    (void)state;
    world_open(&w, 11, true);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

static void an_access_deletes_what_is_due(void **state) {
    (void)state;
    world_put(&w, 0, "a", "1", w.clock.wall_ms + 10);
    (void)world_told(&w);
    w.clock.wall_ms += 9;
    assert_true(world_has(&w, 0, "a"));
    w.clock.wall_ms += 1; /* due at this very millisecond */
    assert_false(world_has(&w, 0, "a"));
    assert_string_equal(world_told(&w), "+0:a expired@0:a ");
    assert_int_equal(world_keys(&w, 0), 0);
    assert_int_equal(ks_statistics(w.ks)->expired, 1);
    assert_false(ks_expire_cycle(w.ks, 1000000));
    assert_int_equal(ks_statistics(w.ks)->expired, 1);
}

/* A hook can tell what the keyspace has done from what a command has. */
static void note_itself(void *ctx, uint32_t db, slice key) {
    (void)db;
    buf_printf(ctx, "%s:%.*s ", ks_told_of_itself(w.ks) ? "itself" : "command", (int)key.len,
               key.data);
}
static void told_of_itself(void **state) {
    (void)state;
    buf heard = {0};
    (void)ks_hook_add(w.ks, &(ks_hooks){.changed = note_itself, .ctx = &heard});
    world_put(&w, 0, "a", "1", w.clock.wall_ms + 10);
    world_put(&w, 0, "b", "1", w.clock.wall_ms + 10);
    w.clock.wall_ms += 10;
    ks_begin(w.ks);
    entry ent;
    ks_changed(w.ks, KS_STRING, "set", 0, SLICE("c"));
    assert_int_equal(ks_get(w.ks, 0, SLICE("a"), KS_META, &ent), ENGINE_ABSENT);
    ks_touched(w.ks, 0, SLICE("a"));
    ks_expired_elements(w.ks, KS_HASH, "hexpired", 0, SLICE("h"), 1);
    ks_commit(w.ks);
    assert_false(ks_told_of_itself(w.ks));
    (void)ks_expire_cycle(w.ks, 1000000);
    buf_append_char(&heard, 0);
    assert_string_equal(heard.data, "command:c itself:a command:a itself:h itself:b ");
    buf_free(&heard);
}

/* Replacing or deleting a due key: it expires first, and then is not there. */
static void a_change_expires_first(void **state) {
    (void)state;
    world_put(&w, 0, "a", "1", w.clock.wall_ms + 10);
    world_put(&w, 0, "b", "1", w.clock.wall_ms + 10);
    (void)world_told(&w);
    w.clock.wall_ms += 20;
    world_put(&w, 0, "a", "2", 0);
    assert_string_equal(world_told(&w), "+0:a expired@0:a new@0:a ");
    ks_begin(w.ks);
    assert_int_equal(ks_del(w.ks, 0, SLICE("b")), ENGINE_ABSENT);
    ks_commit(w.ks);
    assert_string_equal(world_told(&w), "+0:b expired@0:b ");
    assert_int_equal(ks_statistics(w.ks)->expired, 2);
}

/* While nothing is due a put is one call on the engine; the count of calls shows it. */
static void a_put_looks_only_when_something_may_be_due(void **state) {
    (void)state;
    world_put(&w, 0, "far", "1", w.clock.wall_ms + 1000);
    assert_false(ks_expire_cycle(w.ks, 1000)); /* learns the earliest time */
    uint64_t before = engine_mem_counters(w.e)->calls;
    world_put(&w, 0, "a", "1", 0);
    assert_int_equal(engine_mem_counters(w.e)->calls - before, 1);
    w.clock.wall_ms += 1000;
    before = engine_mem_counters(w.e)->calls;
    world_put(&w, 0, "a", "1", 0);
    assert_int_equal(engine_mem_counters(w.e)->calls - before, 2);
    /* And while nothing is due the cycle does not call the engine at all. */
    assert_false(ks_expire_cycle(w.ks, 1000));
    world_put(&w, 0, "far", "1", w.clock.wall_ms + 1000);
    before = engine_mem_counters(w.e)->calls;
    assert_false(ks_expire_cycle(w.ks, 1000));
    assert_int_equal(engine_mem_counters(w.e)->calls, before);
}

static void the_cycle_takes_all_that_is_due(void **state) {
    (void)state;
    char key[16];
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "k%d", i);
        world_put(&w, (uint32_t)i % 16, key, "1", w.clock.wall_ms + 1 + i);
    }
    (void)world_told(&w);
    w.clock.wall_ms += 300;
    assert_false(ks_expire_cycle(w.ks, 10000000));
    assert_int_equal(ks_statistics(w.ks)->expired, 300);
    uint64_t left = 0;
    for (uint32_t db = 0; db < 16; db++)
        left += world_keys(&w, db);
    assert_int_equal(left, 200);
    const char *told = world_told(&w);
    assert_non_null(strstr(told, "+1:k1 expired@1:k1 "));
    assert_null(strstr(told, "k300 "));
    /* In order of time. */
    assert_true(strstr(told, ":k17 ") < strstr(told, ":k18 "));
}

/* With no budget it stops after a batch and says that there is more. */
static void the_cycle_keeps_to_its_budget(void **state) {
    (void)state;
    char key[16];
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        world_put(&w, 0, key, "1", w.clock.wall_ms + 1);
    }
    w.clock.wall_ms += 1;
    assert_true(ks_expire_cycle(w.ks, 0));
    assert_in_range(world_keys(&w, 0), 100, 199);
    int rounds = 1;
    for (; ks_expire_cycle(w.ks, 0); rounds++)
        assert_true(rounds < 200);
    assert_int_equal(world_keys(&w, 0), 0);
    assert_int_equal(ks_statistics(w.ks)->expired, 200);
    assert_true(ks_statistics(w.ks)->expire_cycle_capped > 0);
}

/* What holds while deletes are not possible, and after. */
static void assert_absent_but_there(void) {
    entry ent;
    assert_false(world_has(&w, 0, "a"));
    assert_false(ks_expire_cycle(w.ks, 1000));
    ks_begin(w.ks);
    assert_int_equal(ks_get(w.ks, 0, SLICE("a"), KS_WRITE, &ent), ENGINE_ABSENT);
    assert_int_equal(ks_del(w.ks, 0, SLICE("a")), ENGINE_ABSENT);
    ks_commit(w.ks);
    assert_int_equal(world_keys(&w, 0), 1);
    assert_int_equal(ks_statistics(w.ks)->expired, 0);
    assert_string_equal(world_told(&w), "");
}

static void without_deletes_due_keys_are_absent(void **state) {
    (void)state;
    world_put(&w, 0, "a", "1", w.clock.wall_ms + 1);
    (void)world_told(&w);
    w.clock.wall_ms += 1;
    mem_knobs *knobs = engine_mem_knobs(w.e);
    knobs->failed = ST_IO;
    assert_absent_but_there();
    knobs->failed = ST_OK;
    knobs->room = ST_FAILED;
    assert_absent_but_there();
    knobs->room = ST_OK;
    ks_set_expiry_frozen(w.ks, true);
    assert_absent_but_there();
    ks_set_expiry_frozen(w.ks, false);
    /* A full disk has a reserve for deletes. */
    knobs->room = ST_NO_SPACE;
    assert_false(ks_expire_cycle(w.ks, 1000));
    assert_int_equal(world_keys(&w, 0), 0);
    assert_string_equal(world_told(&w), "+0:a expired@0:a ");
}

static void passive_expiry(void **state) {
    (void)state;
    world_put(&w, 0, "a", "1", w.clock.wall_ms + 1);
    w.clock.wall_ms += 1;
    ks_set_active_expire(w.ks, false);
    assert_false(ks_expire_cycle(w.ks, 1000));
    assert_int_equal(world_keys(&w, 0), 1);
    assert_false(world_has(&w, 0, "a"));
    assert_int_equal(world_keys(&w, 0), 0);
    ks_set_active_expire(w.ks, true);
}

/* PENDING and errors abort the cycle's batch, and it goes on later. */
static void the_cycle_survives_pending_and_errors(void **state) {
    (void)state;
    char key[16];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%d", i);
        world_put(&w, 0, key, "1", w.clock.wall_ms + 1);
    }
    (void)world_told(&w);
    w.clock.wall_ms += 1;
    mem_knobs *knobs = engine_mem_knobs(w.e);
    knobs->pending_permille = 100;
    knobs->error_at = 77;
    int rounds = 0;
    for (; world_keys(&w, 0) > 0; rounds++) {
        ks_expire_cycle(w.ks, 100);
        engine_background(w.e, 100);
        assert_true(rounds < 10000);
    }
    assert_true(rounds > 3);
    knobs->pending_permille = 0;
    assert_int_equal(ks_statistics(w.ks)->expired, 300);
    const char *told = world_told(&w);
    int n = 0;
    for (const char *p = told; (p = strstr(p, "expired@")); p++)
        n++;
    assert_int_equal(n, 300);
}

/* Another engine: nothing is known of when its keys are due. */
static void another_engine(void **state) {
    (void)state;
    assert_false(ks_expire_cycle(w.ks, 1000));
    engine *old = w.e, *other = engine_mem_simple();
    entry ent = {.value = SLICE("v"), .expire = w.clock.wall_ms - 5};
    engine_begin(other);
    assert_int_equal(engine_put(other, 0, SLICE("x"), &ent), ENGINE_OK);
    engine_commit(other);
    ks_set_engine(w.ks, other);
    assert_ptr_equal(ks_engine(w.ks), other);
    assert_false(ks_expire_cycle(w.ks, 1000));
    engine_db_stats st;
    engine_db_stats_of(other, 0, &st);
    assert_int_equal(st.keys, 0);
    ks_set_engine(w.ks, old);
    engine_close(other);
}

static int readers_ended;

static engine_result due_is_pending(engine *e, int64_t now_ms, uint32_t *db, buf *key,
                                    int64_t *when) {
    (void)now_ms, (void)db, (void)key, (void)when;
    assert_non_null(e->reader);
    e->reader->waits = 1;
    return ENGINE_PENDING;
}

static void count_reader(engine *e, engine_reader *r) {
    (void)e;
    readers_ended++;
    r->waits = 0;
}

/* An engine that still reads for the cycle is told when that goes, or goes to another engine. */
static void the_reader_is_ended(void **state) {
    (void)state;
    const engine_ops *own = w.e->ops;
    engine_ops pending = *own;
    pending.due = due_is_pending;
    pending.reader_end = count_reader;
    keyspace *ks;
    rng random;
    rng_seed(&random, 1);
    engine *other = engine_mem_simple();
    assert_true(status_ok(ks_new(w.e, &w.clock, &random, 16, &ks)));
    w.e->ops = &pending;
    readers_ended = 0;
    assert_false(ks_expire_cycle(ks, 1000));
    assert_int_equal(readers_ended, 0);
    ks_set_engine(ks, other);
    assert_int_equal(readers_ended, 1);
    ks_set_engine(ks, w.e);
    assert_int_equal(readers_ended, 1);
    assert_false(ks_expire_cycle(ks, 1000));
    ks_free(ks);
    assert_int_equal(readers_ended, 2);
    w.e->ops = own;
    engine_close(other);
}

/* Random keys and times against a simple model, the lower bound included. */
static void against_a_model(void **state) {
    (void)state;
    rng r;
    int64_t due[64] = {0}; /* 0: absent; INT64_MAX: for ever */
    uint64_t expired = 0;
    unit_seed(&r);
    for (int step = 0; step < unit_rounds(20000); step++) {
        size_t i = rng_below(&r, 64);
        char key[16];
        snprintf(key, sizeof key, "k%zu", i);
        int64_t now = w.clock.wall_ms;
        bool live = due[i] > now;
        switch (rng_below(&r, 5)) {
        case 0: {
            int64_t when = rng_below(&r, 2) ? now + 1 + (int64_t)rng_below(&r, 50) : 0;
            if (due[i] && !live) expired++;
            world_put(&w, 0, key, "v", when);
            due[i] = when ? when : INT64_MAX;
            break;
        }
        case 1:
            ks_begin(w.ks);
            assert_int_equal(ks_del(w.ks, 0, slice_cstr(key)), live ? ENGINE_OK : ENGINE_ABSENT);
            if (rng_below(&r, 4) == 0) {
                ks_abort(w.ks);
                break;
            }
            ks_commit(w.ks);
            if (due[i] && !live) expired++;
            due[i] = 0;
            break;
        case 2:
            assert_int_equal(world_has(&w, 0, key), live);
            if (due[i] && !live) expired++, due[i] = 0;
            break;
        case 3: w.clock.wall_ms += (int64_t)rng_below(&r, 3); break;
        default:
            assert_false(ks_expire_cycle(w.ks, 1000000));
            for (size_t k = 0; k < 64; k++)
                if (due[k] && due[k] <= now) expired++, due[k] = 0;
        }
        uint64_t there = 0;
        for (size_t k = 0; k < 64; k++)
            there += due[k] != 0;
        assert_int_equal(world_keys(&w, 0), there);
        assert_int_equal(ks_statistics(w.ks)->expired, expired);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_access_deletes_what_is_due, open_world, close_world),
        cmocka_unit_test_setup_teardown(told_of_itself, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_change_expires_first, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_put_looks_only_when_something_may_be_due, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(the_cycle_takes_all_that_is_due, open_world, close_world),
        cmocka_unit_test_setup_teardown(the_cycle_keeps_to_its_budget, open_world, close_world),
        cmocka_unit_test_setup_teardown(without_deletes_due_keys_are_absent, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(passive_expiry, open_world, close_world),
        cmocka_unit_test_setup_teardown(the_cycle_survives_pending_and_errors, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(the_reader_is_ended, open_world, close_world),
        cmocka_unit_test_setup_teardown(another_engine, open_world, close_world),
        cmocka_unit_test_setup_teardown(against_a_model, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
