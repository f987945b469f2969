/* engine_kit: see the header. Failures abort through cmocka's asserts. */
#include "support/engine_kit.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/bitcask/bitcask.h"
#include "engine/log/settings.h"
#include "engine/lsm/lsm.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct kit_engine {
    const engine_class *class;
    void (*abandon)(engine *e);
} kit_engine;

static const kit_engine engines[] = {{&bitcask_class, bitcask_abandon}, {&lsm_class, lsm_abandon}};
static const kit_engine *used = engines;

int kit_use(const char *name) {
    for (used = engines; !kit_is(name); used++)
        CHECK(used < engines + sizeof engines / sizeof *engines - 1);
    return 0;
}

const engine_class *kit_class(void) {
    return used->class;
}

bool kit_is(const char *name) {
    return strcmp(used->class->name, name) == 0;
}

static void read_clock(stave_clock *c) {
    const kit *k = c->ctx;
    c->mono_us = k->now_us;
    c->wall_ms = 1700000000000 + (int64_t)(k->now_us / 1000);
}

static void random_bytes(void *p, size_t n, void *ctx) {
    rng *r = ctx;
    for (size_t i = 0; i < n; i++)
        ((char *)p)[i] = (char)rng_next(r);
}

static void on_released(void *ctx) {
    ((kit *)ctx)->told++;
}

/* What both kinds share. */
static kit *make(void) {
    kit *k = mem_zalloc(sizeof *k);
    log_set_level(LOG_LEVEL_NOTHING);
    setting_defaults(log_setting_table);
    setting_defaults(used->class->settings);
    kit_setting("segment-size", "64kb");
    if (kit_is("lsm")) {
        kit_setting("memtable-size", "64kb");
        kit_setting("table-size", "16kb");
        kit_setting("level-size-ratio", "3");
    }
    k->databases = 4;
    k->now_us = 1000000;
    k->clock = (stave_clock){.read = read_clock, .ctx = k};
    rng_seed(&k->sampling, 7);
    k->env.clock = &k->clock;
    k->env.rng = &k->sampling;
    k->env.random_bytes = random_bytes;
    k->env.random_ctx = &k->sampling;
    clock_refresh(&k->clock);
    return k;
}

kit *kit_sim(void) {
    kit *k = make();
    k->dir = "/kit";
    k->fs = simfs_new(1);
    k->workers = simaio_new(2);
    k->children = simchild_new(k->fs, 3);
    k->env.fs = simfs_vfs(k->fs);
    k->env.aio = simaio_aio(k->workers);
    k->env.children = simchild_host(k->children);
    return k;
}

kit *kit_real(void) {
    kit *k = make();
    tempdir_make(&k->real);
    k->dir = k->real.path;
    k->env.fs = vfs_posix();
    assert_true(status_ok(aio_threads_new(&k->env.aio)));
    assert_true(status_ok(child_fork_new(NULL, &k->env.children)));
    return k;
}

void kit_free(kit *k) {
    if (k->e) kit_close(k);
    if (k->fs) {
        assert_int_equal(simfs_open_handles(k->fs), 0);
        simchild_free(k->children);
        simaio_free(k->workers);
        simfs_free(k->fs);
    } else {
        k->env.children->ops->close(k->env.children);
        k->env.aio->ops->close(k->env.aio);
        tempdir_remove(&k->real);
    }
    mem_free(k);
}

void kit_setting(const char *name, const char *value) {
    const setting *s = setting_find(used->class->settings, slice_cstr(name));
    if (!s) s = setting_find(log_setting_table, slice_cstr(name));
    slice v = slice_cstr(value);
    assert_non_null(s);
    assert_true(status_ok(setting_parse(s, 1, &v)));
}

/* ---- life ---------------------------------------------------------------------------------------
 */

status kit_try_open(kit *k) {
    engine_options opt = {.dir = k->dir,
                          .env = &k->env,
                          .host = {.released = on_released, .ctx = k},
                          .databases = k->databases,
                          .derive = k->derive};
    assert_null(k->e);
    return used->class->open(&opt, &k->e);
}

void kit_open(kit *k) {
    status s = kit_try_open(k);
    if (!status_ok(s)) fail_msg("open: %s", s.msg);
    kit_check(k);
}

void kit_close(kit *k) {
    engine_close(k->e);
    k->e = NULL;
}

/* The engine is gone without a word to the disk. */
static void drop(kit *k) {
    assert_non_null(k->fs);
    simfs_stop(k->fs);
    k->env.aio->ops->drain(k->env.aio);
    k->env.children->ops->close(k->env.children);
    k->env.aio->ops->drain(k->env.aio);
    if (k->e) used->abandon(k->e);
    k->e = NULL;
}

void kit_kill(kit *k) {
    drop(k);
    simfs_kill(k->fs);
    kit_open(k);
}

void kit_power_cut(kit *k) {
    drop(k);
    simfs_crash(k->fs);
    kit_open(k);
}

/* ---- time ---------------------------------------------------------------------------------------
 */

/* Workers and children do all they can, and are seen to. (A poll of the simulated ones may show
 * nothing, by chance.) */
static void others(kit *k) {
    if (k->hold) return;
    if (!k->fs) usleep(1000);
    for (int quiet = 0; quiet < 10; quiet++) {
        while (k->fs && (simaio_step(k->workers) || simchild_step(k->children)))
            quiet = 0;
        k->env.aio->ops->poll(k->env.aio);
        k->env.children->ops->poll(k->env.children);
    }
}

void kit_end_turn(kit *k) {
    k->now_us += 10000;
    clock_refresh(&k->clock);
    engine_turn_end(k->e);
    others(k);
}

void kit_commit(kit *k) {
    for (int turns = 0; turns == 0 || (engine_released(k->e) < engine_log_end(k->e) &&
                                       status_ok(engine_failed(k->e)));
         turns++) {
        assert_true(turns < 1000);
        kit_end_turn(k);
    }
}

/* Does INFO tell of something that goes on? */
static bool is_busy(kit *k) {
    buf out = kit_info_all(k);
    bool busy = false;
    for (const char *at = out.data; (at = strstr(at, "_in_progress:")) != NULL;) {
        at += strlen("_in_progress:");
        busy = busy || *at != '0';
    }
    buf_free(&out);
    return busy;
}

/* Is there nothing left to wait for? */
static bool is_quiet(kit *k) {
    return !is_busy(k) &&
           (engine_durable(k->e) >= engine_log_end(k->e) || !status_ok(engine_failed(k->e)) ||
            log_conf.appendfsync == ENGINE_FSYNC_NO);
}

void kit_settle(kit *k) {
    for (int quiet = 0, turns = 0; quiet < 15; turns++) {
        assert_true(turns < 100000);
        kit_end_turn(k);
        k->now_us += k->fs ? 500000 : 0;
        clock_refresh(&k->clock);
        engine_cron(k->e);
        others(k);
        bool more = engine_background(k->e, 1000);
        quiet = !more && is_quiet(k) ? quiet + 1 : 0;
        if (!k->fs) k->now_us += 100000;
    }
}

void kit_merge(kit *k) {
    const char *field = kit_is("lsm") ? "compactions" : "merges";
    uint64_t before = kit_info(k, field);
    status s = engine_compact(k->e);
    if (!status_ok(s)) fail_msg("compact: %s", s.msg);
    kit_settle(k);
    assert_true(kit_info(k, field) > before || kit_is("lsm")); /* that may find nothing to do */
    kit_check(k);
}

/* ---- looking ------------------------------------------------------------------------------------
 */

void kit_check(kit *k) {
    buf report = {0};
    status s = engine_check(k->e, &report);
    buf_append_char(&report, 0);
    if (!status_ok(s)) fail_msg("engine_check: %s\n%s", s.msg, report.data);
    buf_free(&report);
}

buf kit_info_all(kit *k) {
    buf out = {0};
    for (const metric_section *m = used->class->metrics(k->e); m->name; m++)
        m->emit(&out, m->ctx);
    buf_append_char(&out, 0);
    return out;
}

uint64_t kit_info(kit *k, const char *field) {
    buf out = kit_info_all(k);
    char name[64];
    snprintf(name, sizeof name, "\n%s:", field);
    const char *at = strstr(out.data, name);
    if (!at) fail_msg("INFO has no %s", field);
    uint64_t v = strtoull(at + strlen(name), NULL, 10);
    buf_free(&out);
    return v;
}

typedef struct counting {
    const char *ending;
    unsigned n;
} counting;

static void count_one(void *ctx, const char *name) {
    counting *c = ctx;
    size_t n = strlen(name), m = strlen(c->ending);
    if (n >= m && strcmp(name + n - m, c->ending) == 0) c->n++;
}

unsigned kit_files(kit *k, const char *ending) {
    counting c = {ending, 0};
    status s = k->env.fs->ops->list(k->env.fs, k->dir, count_one, &c);
    assert_true(status_ok(s));
    return c.n;
}

/* ---- keys ---------------------------------------------------------------------------------------
 */

/* Ends a batch of one change, which may fail only on a machine that has stopped. */
static void finish(kit *k, engine_result r) {
    if (r == ENGINE_OK) {
        engine_commit(k->e);
    } else if (r == ENGINE_ERROR && k->fs && simfs_stopped(k->fs)) {
        engine_abort(k->e);
    } else {
        fail_msg("a change: %s", engine_error(k->e).msg);
    }
}

/* One put, a batch of its own. */
static void put(kit *k, uint32_t db, slice key, slice value) {
    entry ent = {.value = value};
    engine_begin(k->e);
    finish(k, engine_put(k->e, db, key, &ent));
}

void kit_put(kit *k, const char *key, const char *value) {
    put(k, 0, slice_cstr(key), slice_cstr(value));
}

void kit_put_len(kit *k, uint32_t db, const char *key, size_t len, char fill) {
    char *value = mem_alloc(len + 1);
    memset(value, fill, len);
    put(k, db, slice_cstr(key), slice_of(value, len));
    mem_free(value);
}

void kit_del(kit *k, const char *key) {
    engine_begin(k->e);
    finish(k, engine_del(k->e, 0, slice_cstr(key)));
}

void kit_flush(kit *k, int32_t db) {
    engine_begin(k->e);
    finish(k, engine_flush(k->e, db));
}

engine_coll kit_coll(kit *k, int n) {
    engine_coll c;
    char sub[8];
    engine_begin(k->e);
    assert_int_equal(engine_coll_new(k->e, 0, SLICE("c"), &c), ENGINE_OK);
    entry ent = {.type = 3, .coll = c.id, .value = SLICE("header")};
    assert_int_equal(engine_put(k->e, 0, SLICE("c"), &ent), ENGINE_OK);
    for (int i = 0; i < n; i++) {
        slice s = slice_of(sub, (size_t)snprintf(sub, sizeof sub, "%05d", i));
        assert_int_equal(engine_map_put(k->e, &c, 2, s, s, i), ENGINE_OK);
        if (i % 10 == 0) assert_int_equal(engine_map_put(k->e, &c, 1, s, s, 0), ENGINE_OK);
        if (i % 20 == 0) assert_int_equal(engine_map_put(k->e, &c, 3, s, s, 0), ENGINE_OK);
    }
    engine_commit(k->e);
    return c;
}

void kit_has(kit *k, const char *key, const char *value) {
    entry ent;
    engine_result r = engine_get(k->e, 0, slice_cstr(key), &ent);
    if (r != ENGINE_OK) fail_msg("%s is not there (%d)", key, (int)r);
    if (!slice_eq(ent.value, slice_cstr(value)))
        fail_msg("%s is '%.*s', not '%s'", key, (int)ent.value.len, ent.value.data, value);
}

void kit_has_not(kit *k, const char *key) {
    entry ent;
    if (engine_get(k->e, 0, slice_cstr(key), &ent) != ENGINE_ABSENT) fail_msg("%s is there", key);
}

void kit_rotate(kit *k) {
    uint64_t end = engine_log_end(k->e);
    for (int i = 0; engine_log_end(k->e) >> 32 == end >> 32; i++) {
        assert_true(i < 100);
        if (k->fs && simfs_stopped(k->fs)) return;
        kit_setting("compression", "no");
        kit_put_len(k, 3, "filler", 8000, 'f');
        kit_end_turn(k);
    }
    kit_settle(k);
}
