/* sim: the world of one run, and its trace.
 *
 * The trace is every command with its result, every call to the disk, every crash, as lines of
 * text. Its last lines are kept for the report of a failure, and a hash of all of it tells whether
 * two runs of a seed did the same. */
#include "sim/sim.h"

#include "base/log.h"
#include "base/mem.h"
#include "keyspace/keyenc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

sim_totals sim_total;
bool sim_typed;

/* ---- trace --------------------------------------------------------------------------------------
 */

static void line(sim *s, const char *text) {
    char *slot = s->recent[s->lines++ % SIM_RECENT];
    snprintf(slot, SIM_LINE, "%s", text);
    for (const char *p = text; *p; p++)
        s->trace_hash = (s->trace_hash ^ (unsigned char)*p) * 1099511628211u;
    if (s->verbose) printf("%s\n", text);
}

static void fs_line(void *ctx, const char *text) {
    line(ctx, text);
}

void sim_say(sim *s, const char *fmt, ...) {
    char text[SIM_LINE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    line(s, text);
}

void sim_fail(sim *s, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->message, sizeof s->message, fmt, ap);
    va_end(ap);
    longjmp(s->out, 1);
}

void sim_print_recent(const sim *s) {
    uint64_t from = s->lines > SIM_RECENT ? s->lines - SIM_RECENT : 0;
    for (uint64_t i = from; i < s->lines; i++)
        printf("    %s\n", s->recent[i % SIM_RECENT]);
}

/* ---- what the engine asks of the outside --------------------------------------------------------
 */

/* Time passes a little with every look at the clock, so that loops with a budget end. */
static void read_clock(stave_clock *c) {
    sim *s = c->ctx;
    s->now_us += rng_below(&s->pace, 20);
    c->mono_us = s->now_us;
    c->wall_ms = (int64_t)(1700000000000 + s->now_us / 1000);
}

static void random_bytes(void *p, size_t n, void *ctx) {
    sim *s = ctx;
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)p)[i] = (unsigned char)rng_next(&s->outer);
}

void sim_tick(void *ctx) {
    sim *s = ctx;
    if (rng_below(&s->pace, 1000) >= s->style.ticks) return;
    switch (rng_below(&s->pace, 3)) {
    case 0: simaio_step(s->workers); break;
    case 1: simchild_step(s->children); break;
    default:
        for (uint64_t n = rng_below(&s->pace, 8); n > 0; n--)
            if (!simchild_step(s->children)) break;
    }
}

void sim_set_fsync(sim *s, const char *how) {
    sim_set(s, "appendfsync", how);
    s->appendfsync = *how == 'a' ? ENGINE_FSYNC_ALWAYS : ENGINE_FSYNC_EVERYSEC;
}

bool sim_permille(sim *s, unsigned chances) {
    return rng_below(&s->chance, 1000) < chances;
}

void sim_set_defaults(sim *s) {
    setting_defaults(log_setting_table);
    setting_defaults(s->kind->class->settings);
}

void sim_set(sim *s, const char *name, const char *value) {
    const setting *set = setting_find(s->kind->class->settings, slice_cstr(name));
    if (!set) set = setting_find(log_setting_table, slice_cstr(name));
    slice arg = slice_cstr(value);
    CHECK(set != NULL);
    status st = setting_parse(set, 1, &arg);
    if (status_ok(st) && set->apply && s->e) st = set->apply(set);
    if (!status_ok(st)) sim_fail(s, "setting %s to %s: %s", name, value, st.msg);
    sim_say(s, "set %s %s", name, value);
}

/* ---- a run --------------------------------------------------------------------------------------
 */

static unsigned pick(rng *r, unsigned low, unsigned high) {
    return low + (unsigned)rng_below(r, high - low + 1);
}

/* One of several, by chance: small runs find most, large ones the rest. */
#define ONE_OF(r, ...)                                                                             \
    ((const unsigned[]){                                                                           \
        __VA_ARGS__}[rng_below(r, sizeof((unsigned[]){__VA_ARGS__}) / sizeof(unsigned))])

static void choose_style(sim *s) {
    rng *r = &s->chance;
    sim_style *y = &s->style;
    static const sim_profile profiles[] = {SIM_CLEAN,     SIM_CLEAN,    SIM_CLEAN, SIM_CLEAN,
                                           SIM_ONE_ERROR, SIM_ERRORS,   SIM_FULL,  SIM_NO_SPACE,
                                           SIM_FLIPS,     SIM_ONE_ERROR};
    y->profile = profiles[rng_below(r, sizeof profiles / sizeof *profiles)];
    /* tables need room for their flush and for being rewritten */
    if (s->kind->collects && y->profile == SIM_CLEAN && rng_below(r, 4) == 0) y->profile = SIM_FULL;
    bool full = y->profile == SIM_FULL || y->profile == SIM_NO_SPACE;
    if (full && !s->kind->minds_room) y->profile = SIM_ONE_ERROR;
    y->keys = ONE_OF(r, 3, 10, 30, 100, 400);
    y->long_keys = ONE_OF(r, 0, 0, 20, 200);
    y->value_max = ONE_OF(r, 10, 60, 60, 400, 400, 3000, 3000, 30000);
    y->big_values = ONE_OF(r, 0, 5, 50);
    y->colls = ONE_OF(r, 0, 200, 500, 900);
    y->elems = ONE_OF(r, 5, 40, 300);
    y->batch_max = ONE_OF(r, 1, 3, 10, 40);
    y->aborts = ONE_OF(r, 0, 50, 300);
    y->flushes = ONE_OF(r, 0, 2, 20);
    y->expires = ONE_OF(r, 0, 100, 500);
    y->deletes = ONE_OF(r, 100, 300, 600);
    y->merges = ONE_OF(r, 0, 20, 100, 300);
    y->ticks = ONE_OF(r, 20, 100, 400);
    y->rounds = pick(r, 2, 6);
    y->turns = ONE_OF(r, 5, 20, 60, 120);
    sim_say(s,
            "seed %llu profile %d keys %u values %u big %u colls %u elems %u batch %u flushes %u",
            (unsigned long long)s->seed, (int)y->profile, y->keys, y->value_max, y->big_values,
            y->colls, y->elems, y->batch_max, y->flushes);
}

/* The numbers of a style in order. */
static unsigned *style_numbers(sim_style *y, size_t i) {
    unsigned *all[] = {&y->keys,    &y->long_keys, &y->value_max, &y->big_values, &y->colls,
                       &y->elems,   &y->batch_max, &y->aborts,    &y->flushes,    &y->expires,
                       &y->deletes, &y->merges,    &y->ticks,     &y->rounds,     &y->turns};
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}

void sim_style_show(const sim_style *y, char out[SIM_STYLE_TEXT]) {
    sim_style copy = *y;
    int n = snprintf(out, SIM_STYLE_TEXT, "%d", (int)y->profile);
    for (size_t i = 0; style_numbers(&copy, i); i++)
        n += snprintf(out + n, SIM_STYLE_TEXT - (size_t)n, ",%u", *style_numbers(&copy, i));
}

bool sim_style_parse(sim_style *y, const char *text) {
    char *at;
    y->profile = (sim_profile)strtoul(text, &at, 10);
    for (size_t i = 0; style_numbers(y, i); i++) {
        if (*at != ',') return false;
        *style_numbers(y, i) = (unsigned)strtoul(at + 1, &at, 10);
    }
    return *at == 0 && y->profile < SIM_PROFILES && y->keys && y->elems && y->batch_max && y->turns;
}

static void host_ready(void *ctx) {
    ((sim *)ctx)->ready = true;
}

static void reader_ready(engine_reader *r) {
    AIO_OWNER(r, sim, reader)->ready = true;
}

void sim_reader_end(sim *s) {
    engine_reader_end(s->e, &s->reader);
}

static void host_released(void *ctx) {
    sim *s = ctx;
    s->look_again = true;
    if (s->e && !status_ok(engine_failed(s->e))) s->failure_told = true;
}

/* Few slots, so that keys share them. */
static uint16_t slot_of(slice key) {
    unsigned sum = 0;
    for (size_t i = 0; i < key.len; i++)
        sum = sum * 31 + (unsigned char)key.data[i];
    return (uint16_t)(sum % 16384 / 1000 * 1000);
}

engine_options sim_options(sim *s) {
    return (engine_options){.dir = SIM_DIR,
                            .env = &s->env,
                            .host = s->host,
                            .databases = SIM_DBS + (int)rng_below(&s->chance, 3),
                            .cluster = s->cluster,
                            .slot_of = slot_of,
                            .derive = sim_typed ? &keyenc_derived : &sim_derived};
}

sim *sim_new(uint64_t seed, uint64_t salt, const sim_engine *kind, bool verbose) {
    sim *s = mem_zalloc(sizeof *s);
    rng all;
    rng_seed(&all, seed + salt * 0x9e3779b97f4a7c15u);
    s->seed = seed;
    s->kind = kind;
    s->verbose = verbose;
    s->trace_hash = 14695981039346656037u;
    rng_seed(&s->chance, rng_next(&all));
    rng_seed(&s->pace, rng_next(&all));
    rng_seed(&s->outer, rng_next(&all));
    rng_seed(&s->sampling, rng_next(&all));
    s->fs = simfs_new(rng_next(&all));
    s->workers = simaio_new(rng_next(&all));
    s->children = simchild_new(s->fs, rng_next(&all));
    simfs_set_trace(s->fs, fs_line, s);
    simfs_set_hook(s->fs, sim_tick, s);
    s->now_us = rng_below(&all, 1000000);
    s->clock = (stave_clock){.read = read_clock, .ctx = s};
    clock_refresh(&s->clock);
    s->env = (io_env){.fs = simfs_vfs(s->fs),
                      .aio = simaio_aio(s->workers),
                      .children = simchild_host(s->children),
                      .clock = &s->clock,
                      .rng = &s->sampling,
                      .random_bytes = random_bytes,
                      .random_ctx = s};
    s->reader.ready = reader_ready;
    s->host = (engine_host){.ready = host_ready, .released = host_released, .ctx = s};
    s->cluster = rng_below(&all, 5) == 0;
    static const unsigned colds[] = {0, 20, 200, 1000};
    simfs_knobs_of(s->fs)->cold_permille = colds[s->seed % 4];
    engine_options opt = {.databases = SIM_DBS};
    s->model = engine_mem_new(&opt, rng_next(&all));
    engine_mem_knobs(s->model)->history = true;
    s->ends_cap = 64;
    s->ends = mem_zalloc(s->ends_cap * sizeof *s->ends);
    s->model_ends = mem_zalloc(s->ends_cap * sizeof *s->model_ends);
    s->watched = omap_new();
    return s;
}

bool sim_run(sim *s) {
    sim_total.seeds++;
    choose_style(s);
    if (setjmp(s->out)) return false;
    sim_lives(s);
    const simfs_counts *c = simfs_counts_of(s->fs);
    sim_total.calls += c->calls;
    sim_total.children += simchild_started(s->children);
    sim_total.crashes += c->crashes;
    sim_total.kills += c->kills;
    sim_total.flips += c->flips;
    sim_total.failed_calls += c->failed + c->no_room;
    return true;
}

/* After a failure the engine may be in any state: it is left as it is. */
void sim_free(sim *s) {
    if (!s->e) {
        simaio_free(s->workers);
        simchild_free(s->children);
        simfs_free(s->fs);
    }
    engine_close(s->model);
    omap_free(s->watched, NULL);
    mem_free(s->ends);
    mem_free(s->model_ends);
    mem_free(s);
}
