/* Eviction: by every policy the right keys go, first those that score highest, and no more than
 * needed. Memory in use is that of this very process: each test sets the limit below or above it.
 */
#include "base/codec.h"
#include "support/world.h"

#include "base/mem_later.h"
#include "support/unit.h"

#include <stdio.h>

#define KEYS 400

static world w;

static void set(const char *name, const char *value) {
    const setting *s = setting_find(keyspace_settings, slice_cstr(name));
    slice arg = slice_cstr(value);
    assert_non_null(s);
    assert_true(status_ok(setting_parse(s, 1, &arg)));
}

/* The limit that many bytes below what is in use now. */
static void set_limit_below(uint64_t bytes) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)(mem_used() - bytes));
    set("maxmemory", text);
}

/* KEYS keys of a KiB, the even ones with an expire time, used a minute apart from each other. */
static int open_world(void **state) {
    (void)state;
    char key[16], value[1025];
    int64_t start;
    setting_defaults(keyspace_settings);
    set("maxmemory-eviction-tenacity", "100");
    set("maxmemory-samples", "64");
    world_open(&w, 5, true);
    start = w.clock.wall_ms;
    memset(value, 'x', 1024);
    value[1024] = 0;
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%03d", i);
        world_put(&w, (uint32_t)i / 100, key, value, i % 2 ? 0 : start + 1000000000 - i * 1000);
        w.clock.wall_ms += 60000;
    }
    (void)world_told(&w);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    setting_defaults(keyspace_settings);
    world_close(&w);
    return 0;
}

static uint64_t all_keys(void) {
    uint64_t n = 0;
    for (uint32_t db = 0; db < 16; db++)
        n += world_keys(&w, db);
    return n;
}

static bool is_there(int i) {
    char key[16];
    snprintf(key, sizeof key, "k%03d", i);
    return world_has(&w, (uint32_t)i / 100, key);
}

/* Evicts about a quarter of the keys. */
static void evict_some(void) {
    set_limit_below(100 * 1024);
    assert_true(ks_make_room(w.ks));
    uint64_t gone = KEYS - all_keys();
    assert_in_range(gone, 40, 250);
    assert_int_equal(ks_statistics(w.ks)->evicted, gone);
    set("maxmemory", "0");
}

/* The average place, from 0, of the keys that went. */
static double mean_gone(void) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < KEYS; i++)
        if (!is_there(i)) sum += i, n++;
    return n ? sum / n : -1;
}

static void no_limit_no_eviction(void **state) {
    (void)state;
    set("maxmemory-policy", "allkeys-lru");
    assert_true(ks_make_room(w.ks));
    set("maxmemory", "100gb");
    assert_true(ks_make_room(w.ks));
    assert_int_equal(all_keys(), KEYS);
}

static void noeviction_refuses(void **state) {
    (void)state;
    set_limit_below(1024);
    assert_false(ks_make_room(w.ks));
    assert_int_equal(all_keys(), KEYS);
}

/* A large block that waits to go back to the system: its bytes are in use, and no reason to evict.
 */
static void what_waits_evicts_nothing(void **state) {
    (void)state;
    set("maxmemory-policy", "allkeys-lru");
    size_t n = (size_t)64 << 20;
    char *p = mem_alloc(n);
    set_limit_below(n / 2);
    mem_free_later(p, n);
    assert_true(ks_make_room(w.ks));
    assert_true(mem_later_some(0));
    assert_true(mem_later_bytes() < n);
    assert_true(ks_make_room(w.ks));
    assert_int_equal(all_keys(), KEYS);
    while (mem_later_some(1000))
        continue;
}

/* The longest idle go: those that were made first, but for those touched since. */
static void allkeys_lru(void **state) {
    (void)state;
    set("maxmemory-policy", "allkeys-lru");
    for (int i = 0; i < 10; i++) {
        entry ent;
        char key[16];
        snprintf(key, sizeof key, "k%03d", i);
        ks_begin(w.ks);
        assert_int_equal(ks_get(w.ks, 0, slice_cstr(key), KS_META, &ent), ENGINE_OK);
        ks_commit(w.ks);
    }
    evict_some();
    assert_true(mean_gone() < KEYS * 0.35);
    for (int i = 0; i < 10; i++)
        assert_true(is_there(i));
    assert_true(is_there(KEYS - 1));
    const char *told = world_told(&w);
    assert_non_null(strstr(told, "evicted@0:k0"));
}

static void volatile_lru(void **state) {
    (void)state;
    set("maxmemory-policy", "volatile-lru");
    evict_some();
    for (int i = 1; i < KEYS; i += 2)
        assert_true(is_there(i));
}

/* The soonest to expire go: the later ones here. */
static void volatile_ttl(void **state) {
    (void)state;
    set("maxmemory-policy", "volatile-ttl");
    evict_some();
    for (int i = 1; i < KEYS; i += 2)
        assert_true(is_there(i));
    assert_true(mean_gone() > KEYS * 0.5);
}

static void allkeys_lfu(void **state) {
    (void)state;
    set("maxmemory-policy", "allkeys-lfu");
    set("lfu-log-factor", "0");
    set("lfu-decay-time", "0");
    char key[16];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%03d", i);
        for (int n = 0; n < 1 + i % 100; n++) {
            entry ent;
            ks_begin(w.ks);
            assert_int_equal(ks_get(w.ks, (uint32_t)i / 100, slice_cstr(key), KS_META, &ent),
                             ENGINE_OK);
            ks_commit(w.ks);
        }
    }
    evict_some();
    int rare = 0, frequent = 0;
    for (int i = 0; i < KEYS; i++) {
        rare += i % 100 < 20 && !is_there(i);
        frequent += i % 100 >= 80 && !is_there(i);
    }
    assert_true(rare > 2 * frequent);
}

static void random_policies(void **state) {
    (void)state;
    set("maxmemory-policy", "volatile-random");
    evict_some();
    for (int i = 1; i < KEYS; i += 2)
        assert_true(is_there(i));
    set("maxmemory-policy", "allkeys-random");
    uint64_t before = all_keys();
    set_limit_below(50 * 1024);
    assert_true(ks_make_room(w.ks));
    assert_true(all_keys() < before);
}

/* Nothing left that may go: a write must be refused. */
static void nothing_to_evict(void **state) {
    (void)state;
    set("maxmemory-policy", "volatile-random");
    set("maxmemory", "1");
    assert_false(ks_make_room(w.ks));
    assert_int_equal(all_keys(), KEYS / 2);
    assert_int_equal(ks_statistics(w.ks)->evicted, KEYS / 2);
}

/* A key of which only the type has a time does not count as one with an expire time. */
static void a_wake_up_is_no_expire_time(void **state) {
    (void)state;
    static const char *const volatiles[] = {"volatile-lru", "volatile-ttl", "volatile-random",
                                            "volatile-lfu"};
    char bytes[18] = {4};
    put_u64(bytes + 9, (uint64_t)w.clock.wall_ms + 1000);
    entry ent = {.type = KEY_HASH, .hint = KS_WAKES, .value = slice_of(bytes, sizeof bytes)};
    ks_begin(w.ks);
    assert_int_equal(ks_put(w.ks, 0, SLICE("naps"), &ent), ENGINE_OK);
    ks_commit(w.ks);
    set("maxmemory", "1");
    for (size_t i = 0; i < sizeof volatiles / sizeof volatiles[0]; i++) {
        set("maxmemory-policy", volatiles[i]);
        for (int n = 0; ks_make_room(w.ks); n++)
            assert_true(n < 1000);
        assert_int_equal(all_keys(), KEYS / 2 + 1);
        assert_true(world_has(&w, 0, "naps"));
    }
}

static void no_eviction_where_deletes_are_not_possible(void **state) {
    (void)state;
    set("maxmemory-policy", "allkeys-random");
    set_limit_below(1024);
    engine_mem_knobs(w.e)->room = ST_FAILED;
    assert_false(ks_make_room(w.ks));
    engine_mem_knobs(w.e)->room = ST_OK;
    ks_begin(w.ks);
    assert_false(ks_make_room(w.ks));
    ks_commit(w.ks);
    assert_int_equal(all_keys(), KEYS);
    /* PENDING reads and errors cost a batch, no more. */
    engine_mem_knobs(w.e)->pending_permille = 500;
    engine_mem_knobs(w.e)->error_at = 3;
    for (int i = 0; i < 1000 && !ks_make_room(w.ks); i++)
        ;
    engine_mem_knobs(w.e)->pending_permille = 0;
    assert_true(all_keys() < KEYS);
    assert_int_equal(ks_statistics(w.ks)->evicted, KEYS - all_keys());
}

/* ---- caches first ------------------------------------------------------------------------------
 */

static uint64_t vacant, cache_bytes;

/* An engine with a cache, of which it gives back what is asked for, and with vacant places. */
static uint64_t relieve(engine *e, uint64_t over) {
    (void)e;
    if (over > vacant && cache_bytes) {
        uint64_t give = over - vacant < cache_bytes ? over - vacant : cache_bytes;
        mem_count_mapped(-(int64_t)give);
        cache_bytes -= give;
    }
    return vacant;
}

static void caches_go_before_keys(void **state) {
    (void)state;
    engine_ops ops = *w.e->ops;
    const engine_ops *before = w.e->ops;
    ops.relieve = relieve;
    w.e->ops = &ops;
    cache_bytes = 1 << 20;
    mem_count_mapped(1 << 20);
    set("maxmemory-policy", "allkeys-random");
    set_limit_below(300 * 1024);
    assert_true(ks_make_room(w.ks));
    assert_int_equal(all_keys(), KEYS);
    assert_in_range(cache_bytes, 600 * 1024, 800 * 1024);
    /* No policy is needed for that. */
    set("maxmemory-policy", "noeviction");
    set_limit_below(300 * 1024);
    assert_true(ks_make_room(w.ks));
    /* And what is vacant in the index counts as not used. */
    mem_count_mapped(-(int64_t)cache_bytes);
    cache_bytes = 0;
    set_limit_below(10 * 1024);
    vacant = 20 * 1024;
    assert_true(ks_make_room(w.ks));
    vacant = 5 * 1024;
    assert_false(ks_make_room(w.ks));
    vacant = 0;
    w.e->ops = before;
}

/* An engine that has no keys in memory is told the limit, and asked for caches; nothing goes,
 * nothing is refused. */
static void engine_that_does_not_evict(void **state) {
    (void)state;
    const mem_counters *n = engine_mem_counters(w.e);
    engine_mem_no_eviction(w.e, true);
    uint64_t told = n->budgets, asked = n->relieves;
    const char *const policies[] = {"noeviction", "allkeys-lru", "volatile-ttl"};
    for (int i = 0; i < 3; i++) {
        set("maxmemory-policy", policies[i]);
        set("maxmemory", "1");
        assert_true(ks_make_room(w.ks));
    }
    assert_int_equal(all_keys(), KEYS);
    assert_int_equal(ks_statistics(w.ks)->evicted, 0);
    assert_int_equal(n->relieves, asked + 3);
    assert_int_equal(n->budgets, told + 1);
    assert_int_equal(n->budget, 1);
    engine_mem_no_eviction(w.e, false);
    set("maxmemory-policy", "noeviction");
    assert_false(ks_make_room(w.ks));
}

/* The engine hears of every change once, and of what is set when it comes. */
static void budget_is_told(void **state) {
    (void)state;
    const mem_counters *n = engine_mem_counters(w.e);
    ks_cron(w.ks);
    uint64_t told = n->budgets;
    ks_cron(w.ks);
    assert_true(ks_make_room(w.ks));
    assert_int_equal(n->budgets, told);
    set("maxmemory", "123456789");
    ks_cron(w.ks);
    ks_cron(w.ks);
    assert_int_equal(n->budgets, told + 1);
    assert_int_equal(n->budget, 123456789);
    engine *other = engine_mem_simple();
    ks_set_engine(w.ks, other);
    assert_int_equal(engine_mem_counters(other)->budget, 123456789);
    set("maxmemory", "0");
    ks_cron(w.ks);
    assert_int_equal(engine_mem_counters(other)->budget, 0);
    assert_int_equal(n->budget, 123456789);
    ks_set_engine(w.ks, w.e);
    assert_int_equal(n->budget, 0);
    engine_close(other);
}

/* With no time at all it still evicts a batch, and says that a write may go on. */
static void time_is_bounded(void **state) {
    (void)state;
    set("maxmemory-policy", "allkeys-lru");
    set("maxmemory-eviction-tenacity", "0");
    set("maxmemory", "1");
    assert_true(ks_make_room(w.ks));
    assert_in_range(all_keys(), KEYS - 100, KEYS - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_limit_no_eviction, open_world, close_world),
        cmocka_unit_test_setup_teardown(noeviction_refuses, open_world, close_world),
        cmocka_unit_test_setup_teardown(allkeys_lru, open_world, close_world),
        cmocka_unit_test_setup_teardown(volatile_lru, open_world, close_world),
        cmocka_unit_test_setup_teardown(volatile_ttl, open_world, close_world),
        cmocka_unit_test_setup_teardown(allkeys_lfu, open_world, close_world),
        cmocka_unit_test_setup_teardown(random_policies, open_world, close_world),
        cmocka_unit_test_setup_teardown(nothing_to_evict, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_wake_up_is_no_expire_time, open_world, close_world),
        cmocka_unit_test_setup_teardown(no_eviction_where_deletes_are_not_possible, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(caches_go_before_keys, open_world, close_world),
        cmocka_unit_test_setup_teardown(engine_that_does_not_evict, open_world, close_world),
        cmocka_unit_test_setup_teardown(budget_is_told, open_world, close_world),
        cmocka_unit_test_setup_teardown(time_is_bounded, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
