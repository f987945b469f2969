/* The 24 bits of LRU and LFU state, to the second, the minute and the point. */
#include "support/world.h"

#include "support/unit.h"

static world w;

static void set(const char *name, const char *value) {
    const setting *s = setting_find(keyspace_settings, slice_cstr(name));
    slice arg = slice_cstr(value);
    assert_non_null(s);
    assert_true(status_ok(setting_parse(s, 1, &arg)));
}

static int open_world(void **state) {
    (void)state;
    setting_defaults(keyspace_settings);
    world_open(&w, 3, false);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    setting_defaults(keyspace_settings);
    world_close(&w);
    return 0;
}

static entry look(const char *key, unsigned flags) {
    entry ent;
    ks_begin(w.ks);
    assert_int_equal(ks_get(w.ks, 0, slice_cstr(key), KS_META | flags, &ent), ENGINE_OK);
    ks_commit(w.ks);
    return ent;
}

static void idle_time(void **state) {
    (void)state;
    world_put(&w, 0, "a", "1", 0);
    w.clock.wall_ms += 12345;
    entry ent = look("a", KS_NO_TOUCH);
    assert_int_equal(ks_idle_seconds(w.ks, &ent), 12);
    ent = look("a", KS_NO_TOUCH);
    assert_int_equal(ks_idle_seconds(w.ks, &ent), 12);
    ent = look("a", 0);
    assert_int_equal(ks_idle_seconds(w.ks, &ent), 0);
    ent = look("a", KS_NO_TOUCH);
    assert_int_equal(ks_idle_seconds(w.ks, &ent), 0);
    /* The clock of 24 bits goes round. */
    w.clock.wall_ms = ((int64_t)1 << 24) * 1000 * 100 - 5000;
    ent = look("a", 0);
    w.clock.wall_ms += 15000;
    assert_in_range(ks_idle_seconds(w.ks, &ent), 14, 15);
}

/* What an engine does not know counts as used when the keyspace was made. */
static void unknown_state(void **state) {
    (void)state;
    entry ent = {.value = SLICE("v")};
    engine_begin(w.e);
    assert_int_equal(engine_put(w.e, 0, SLICE("a"), &ent), ENGINE_OK);
    engine_commit(w.e);
    ent = look("a", KS_NO_TOUCH);
    assert_int_equal(ks_idle_seconds(w.ks, &ent), 0);
    w.clock.wall_ms += 60000;
    ent = look("a", KS_NO_TOUCH);
    assert_int_equal(ks_idle_seconds(w.ks, &ent), 60);
}

static void frequency_rises_and_decays(void **state) {
    (void)state;
    set("maxmemory-policy", "allkeys-lfu");
    assert_true(ks_policy_is_lfu(w.ks));
    set("lfu-log-factor", "0"); /* every use counts */
    world_put(&w, 0, "a", "1", 0);
    entry ent = look("a", KS_NO_TOUCH);
    assert_int_equal(ks_frequency(w.ks, &ent), 5);
    for (int i = 0; i < 20; i++)
        (void)look("a", 0);
    ent = look("a", KS_NO_TOUCH);
    assert_int_equal(ks_frequency(w.ks, &ent), 25);
    w.clock.wall_ms += 7 * 60000;
    ent = look("a", KS_NO_TOUCH);
    assert_int_equal(ks_frequency(w.ks, &ent), 18);
    set("lfu-decay-time", "2");
    assert_int_equal(ks_frequency(w.ks, &ent), 22);
    set("lfu-decay-time", "0");
    assert_int_equal(ks_frequency(w.ks, &ent), 25);
    set("lfu-decay-time", "1");
    w.clock.wall_ms += 1000 * 60000;
    ent = look("a", KS_NO_TOUCH);
    assert_int_equal(ks_frequency(w.ks, &ent), 0);
    ent = look("a", 0); /* from 0 a use always counts */
    assert_int_equal(ks_frequency(w.ks, &ent), 1);
    for (int i = 0; i < 400; i++)
        (void)look("a", 0);
    ent = look("a", KS_NO_TOUCH);
    assert_int_equal(ks_frequency(w.ks, &ent), 255);
}

/* Under factor 10 a thousand uses come to about 18 points, as redis.conf's table says. */
static void frequency_is_logarithmic(void **state) {
    (void)state;
    set("maxmemory-policy", "volatile-lfu");
    world_put(&w, 0, "a", "1", 0);
    for (int i = 0; i < 1000; i++)
        (void)look("a", 0);
    entry ent = look("a", KS_NO_TOUCH);
    assert_in_range(ks_frequency(w.ks, &ent), 12, 26);
    /* A value that is replaced keeps its count. */
    world_put(&w, 0, "a", "2", 0);
    ent = look("a", KS_NO_TOUCH);
    assert_in_range(ks_frequency(w.ks, &ent), 12, 27);
}

static void settings_refuse_nonsense(void **state) {
    (void)state;
    const setting *s = setting_find(keyspace_settings, SLICE("maxmemory-policy"));
    slice arg = SLICE("sometimes");
    status st = setting_parse(s, 1, &arg);
    assert_false(status_ok(st));
    assert_non_null(strstr(st.msg, "volatile-lru, volatile-lfu, volatile-random, volatile-ttl, "
                                   "allkeys-lru, allkeys-lfu, allkeys-random, noeviction"));
    s = setting_find(keyspace_settings, SLICE("maxmemory-samples"));
    arg = SLICE("0");
    assert_false(status_ok(setting_parse(s, 1, &arg)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(idle_time, open_world, close_world),
        cmocka_unit_test_setup_teardown(unknown_state, open_world, close_world),
        cmocka_unit_test_setup_teardown(frequency_rises_and_decays, open_world, close_world),
        cmocka_unit_test_setup_teardown(frequency_is_logarithmic, open_world, close_world),
        cmocka_unit_test_setup_teardown(settings_refuse_nonsense, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
