/* world: see world.h. */
#include "support/world.h"

#include "base/clock.h"
#include "base/log.h"

static void on_changed(void *ctx, uint32_t db, slice key) {
    world *w = ctx;
    buf_printf(&w->told, "+%u:%.*s ", db, (int)key.len, key.data);
}

static void on_event(void *ctx, unsigned klass, const char *name, uint32_t db, slice key) {
    world *w = ctx;
    CHECK(klass != 0);
    buf_printf(&w->told, "%s@%u:%.*s ", name, db, (int)key.len, key.data);
}

static void on_flushed(void *ctx, int32_t db) {
    world *w = ctx;
    buf_printf(&w->told, "flush:%d ", db);
}

static void on_swapped(void *ctx, uint32_t a, uint32_t b) {
    world *w = ctx;
    buf_printf(&w->told, "swap:%u,%u ", a, b);
}

/* Time stands still unless the test moves it. */
static void stand_still(stave_clock *c) {
    (void)c;
}

void world_open(world *w, uint64_t seed, bool hooks) {
    engine_options opt = {.databases = 16};
    *w = (world){.clock = {.wall_ms = 1700000000000, .read = stand_still}};
    w->e = engine_mem_new(&opt, seed);
    rng_seed(&w->rng, seed);
    CHECK(status_ok(ks_new(w->e, &w->clock, &w->rng, opt.databases, &w->ks)));
    if (hooks)
        ks_hook_add(w->ks, &(ks_hooks){on_changed, on_event, on_flushed, on_swapped, .ctx = w});
}

void world_close(world *w) {
    ks_free(w->ks);
    engine_close(w->e);
    buf_free(&w->told);
}

const char *world_told(world *w) {
    static buf last;
    buf_free(&last);
    last = w->told;
    w->told = (buf){0};
    buf_append_char(&last, 0);
    return last.data;
}

void world_put(world *w, uint32_t db, const char *key, const char *value, int64_t expire) {
    entry ent = {.type = KEY_STRING, .expire = expire, .value = slice_cstr(value)};
    ks_begin(w->ks);
    CHECK(ks_put(w->ks, db, slice_cstr(key), &ent) == ENGINE_OK);
    ks_commit(w->ks);
}

bool world_has(world *w, uint32_t db, const char *key) {
    entry ent;
    ks_begin(w->ks);
    engine_result r =
        ks_get(w->ks, db, slice_cstr(key), KS_META | KS_NO_TOUCH | KS_NO_NOTIFY, &ent);
    ks_commit(w->ks);
    return r == ENGINE_OK;
}

uint64_t world_keys(world *w, uint32_t db) {
    engine_db_stats st;
    engine_db_stats_of(w->e, db, &st);
    return st.keys;
}
