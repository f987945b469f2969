/* bitcask's answer to a want of memory: the cache is halved, comes back, and vacant places in the
 * index are told. Over the simulated disk. */
#include "base/mem.h"
#include "engine/bitcask/bitcask.h"
#include "engine/engine.h"
#include "sim/simaio.h"
#include "sim/simchild.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

#define KEYS  20000
#define CACHE (8 << 20)

static simfs *fs;
static simaio *workers;
static simchild *children;
static stave_clock now = {.wall_ms = 1700000000000, .mono_us = 1000000};
static rng sampling, kernel;
static io_env env;
static engine *e;

static void stand_still(stave_clock *c) {
    (void)c;
}

static void random_bytes(void *p, size_t n, void *ctx) {
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)rng_next(&kernel);
}

/* One turn of a server, a tenth of a second long. */
static void turn(void) {
    engine_turn_end(e);
    now.mono_us += 100000;
    while (simaio_step(workers) || simchild_step(children))
        continue;
    env.aio->ops->poll(env.aio);
    env.children->ops->poll(env.children);
    engine_cron(e);
    while (engine_background(e, 1000))
        continue;
}

static void put(int i, bool del) {
    char key[16], value[200];
    slice k = slice_of(key, (size_t)snprintf(key, sizeof key, "key:%d", i));
    entry ent = {.value = slice_of(value, sizeof value)};
    memset(value, 'x', sizeof value);
    engine_begin(e);
    assert_int_equal(del ? engine_del(e, 0, k) : engine_put(e, 0, k, &ent), ENGINE_OK);
    engine_commit(e);
    if (i % 100 == 99) turn();
}

static uint64_t cache_now(void) {
    uint64_t index, caches, buffers;
    engine_memory(e, &index, &caches, &buffers);
    return caches;
}

static int open_engine(void **state) {
    (void)state;
    setting_defaults(log_setting_table);
    setting_defaults(bitcask_class.settings);
    bitcask_conf.value_cache_size = CACHE;
    now.read = stand_still;
    rng_seed(&sampling, 1);
    rng_seed(&kernel, 2);
    fs = simfs_new(3);
    workers = simaio_new(4);
    children = simchild_new(fs, 5);
    env = (io_env){.fs = simfs_vfs(fs),
                   .aio = simaio_aio(workers),
                   .children = simchild_host(children),
                   .clock = &now,
                   .rng = &sampling,
                   .random_bytes = random_bytes};
    engine_options opt = {.dir = "/data", .env = &env, .databases = 16};
    status st = bitcask_class.open(&opt, &e);
    if (!status_ok(st)) print_error("%s\n", st.msg);
    for (int i = 0; i < KEYS && status_ok(st); i++)
        put(i, false);
    return status_ok(st) ? 0 : -1;
}

static int close_engine(void **state) {
    (void)state;
    engine_close(e);
    simchild_free(children);
    simaio_free(workers);
    simfs_free(fs);
    setting_defaults(log_setting_table);
    setting_defaults(bitcask_class.settings);
    return 0;
}

static void the_cache_gives_way(void **state) {
    (void)state;
    uint64_t before = cache_now(), used = mem_used();
    assert_true(before > 2 << 20);
    uint64_t vacant = engine_relieve(e, 1 << 20);
    assert_true(vacant < 1 << 20);
    assert_true(cache_now() + (1 << 20) - vacant <= before);
    assert_true(mem_used() + (1 << 20) - vacant <= used + 4096);
    /* It holds values again, within what it may have. */
    for (int i = 0; i < KEYS; i++)
        put(i, false);
    assert_in_range(cache_now(), 100000, before - (1 << 20) + vacant);
    /* All of it, if that is what is wanted. */
    (void)engine_relieve(e, (uint64_t)1 << 40);
    assert_true(cache_now() < 65536);
    for (int i = 0; i < 1000; i++)
        put(i, false);
    assert_true(cache_now() < 65536);
    entry ent;
    assert_int_equal(engine_get(e, 0, SLICE("key:7"), &ent), ENGINE_OK);
    assert_int_equal(ent.value.len, 200);
}

static void the_cache_comes_back(void **state) {
    (void)state;
    uint64_t before = cache_now();
    (void)engine_relieve(e, (uint64_t)1 << 40);
    for (int i = 0; i < 12; i++) {
        now.mono_us += 61 * 1000000ull;
        turn();
    }
    for (int i = 0; i < KEYS; i++)
        put(i, false);
    assert_in_range(cache_now(), before / 2, 2 * before);
}

/* Deleting keys makes places, which nothing has to be given back for. */
static void vacant_places(void **state) {
    (void)state;
    uint64_t index, caches, buffers, index_after;
    engine_memory(e, &index, &caches, &buffers);
    uint64_t before = engine_relieve(e, 1);
    for (int i = 0; i < KEYS; i += 2)
        put(i, true);
    uint64_t after = engine_relieve(e, 1);
    engine_memory(e, &index_after, &caches, &buffers);
    assert_true(after > before + KEYS / 2 * 20 || index_after + KEYS / 2 * 20 < index);
    caches = cache_now();
    assert_true(engine_relieve(e, after) == after);
    assert_true(cache_now() == caches);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_cache_gives_way, open_engine, close_engine),
        cmocka_unit_test_setup_teardown(the_cache_comes_back, open_engine, close_engine),
        cmocka_unit_test_setup_teardown(vacant_places, open_engine, close_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
