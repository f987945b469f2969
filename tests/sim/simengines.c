/* simengines: the engines that the simulator runs, and how each is set up.
 *
 * Everything is small: a segment, a memtable, a block, a level. So a few hundred commands fill what
 * takes a server days, and reach merges of merges and levels below levels. At an open all settings
 * are chosen anew; while the engine runs one of them changes now and then. */
#include "sim/sim.h"

#include "engine/bitcask/bitcask.h"
#include "engine/log/settings.h"
#include "engine/lsm/lsm.h"
#include "sim/toylog.h"
#include "storage/logwrite.h"
#include "storage/manifest.h"

/* One of the texts, or numbers, by chance. */
#define ONE_OF(s, ...)                                                                             \
    ((const char *const[]){__VA_ARGS__}[rng_below(                                                 \
        &(s)->chance, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))])
#define NUMBER_OF(s, ...)                                                                          \
    ((const int64_t[]){__VA_ARGS__}[rng_below(                                                     \
        &(s)->chance, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))])

static void configure_fsync(sim *s) {
    sim_set_fsync(s, ONE_OF(s, "always", "always", "everysec", "everysec", "no"));
}

static void configure_toy(sim *s, bool live) {
    if (!live) sim_set_defaults(s);
    if (!live) sim_set(s, "pending", ONE_OF(s, "0", "0", "10"));
    configure_fsync(s);
}

/* In half of all lives the log is written in parts that end in the middle of batches. */
static void limit_log(sim *s) {
    static const uint32_t chunks[] = {256,           512, 2048, LOGWRITE_CHUNK, LOGWRITE_CHUNK,
                                      LOGWRITE_CHUNK};
    static const uint64_t holds[] = {1 << 10, 4 << 10, 64 << 10, 1 << 30, 1 << 30};
    logwrite_chunk = chunks[rng_below(&s->chance, 6)];
    log_limit.write_step = logwrite_chunk == LOGWRITE_CHUNK ? 8 << 20 : 1;
    log_limit.write_most = logwrite_chunk == LOGWRITE_CHUNK ? 32 << 20 : 1;
    log_limit.write_hold = holds[rng_below(&s->chance, 5)];
    sim_say(s, "set logwrite_chunk %u, write_hold %llu", logwrite_chunk,
            (unsigned long long)log_limit.write_hold);
}

/* Manifests that are rewritten often, too; and cold reads by the page cache and past it, as a run
 * is too short to learn which is better. */
static void begin_configure(sim *s) {
    static const uint32_t ahead[] = {256, 1024, 4096, 64u << 10};
    sim_set_defaults(s);
    sim_set(s, "direct-reads", ONE_OF(s, "no", "auto", "always", "always"));
    manifest_ahead = ahead[rng_below(&s->chance, 4)];
    limit_log(s);
}

static void configure_bitcask(sim *s, bool live) {
    if (!live) begin_configure(s);
    uint64_t which = live ? rng_below(&s->chance, 10) : 8;
    if (which == 0 || which >= 8) configure_fsync(s);
    if (which == 1 || which == 8)
        sim_set(s, "segment-size", ONE_OF(s, "64kb", "64kb", "96kb", "256kb", "1mb"));
    if (which == 2 || which == 8)
        sim_set(s, "value-cache-size", ONE_OF(s, "0", "4kb", "64kb", "1mb"));
    if (which == 3 || which == 8) sim_set(s, "inline-value-max", ONE_OF(s, "0", "8", "32", "1024"));
    if (which == 4 || which == 8) sim_set(s, "compression", ONE_OF(s, "lz4", "no"));
    if (which == 5 || which == 8) sim_set(s, "compression-min-size", ONE_OF(s, "32", "256"));
    if (which == 6 || which == 8)
        sim_set(s, "merge-garbage-percent", ONE_OF(s, "1", "10", "40", "100"));
    if (which == 6 || which == 8) sim_set(s, "fork-index-max", ONE_OF(s, "0", "16mb"));
    if (which == 7 || which == 8) sim_set(s, "fsync-wait-max", ONE_OF(s, "0", "5", "50"));
}

/* Below what a user may set: the engine reads these as it goes. */
static void tune(sim *s, const char *name, int64_t *which, int64_t value) {
    *which = value;
    sim_say(s, "set %s %lld", name, (long long)value);
}

#define TUNE(s, field, ...)  tune(s, #field, &lsm_conf.field, NUMBER_OF(s, __VA_ARGS__))
#define LIMIT(s, field, ...) tune(s, #field, &lsm_limit.field, NUMBER_OF(s, __VA_ARGS__))

/* What a store has to be large to meet. */
static void limit_lsm(sim *s) {
    LIMIT(s, open_tables, 0, 1, 2, 8);
    LIMIT(s, job_bytes, 1, 4 << 10, 32 << 10, 512 << 20);
    LIMIT(s, flush_table, 4 << 10, 16 << 10, 1 << 30, 1 << 30);
    LIMIT(s, copy_bytes, 64, 256 << 10);
    LIMIT(s, logged_batch, 0, 0, 200, 1 << 20);
    LIMIT(s, logged_value, 1, 16, 128, 1 << 10);
}

static void configure_lsm(sim *s, bool live) {
    if (!live) begin_configure(s);
    if (!live) limit_lsm(s);
    uint64_t which = live ? rng_below(&s->chance, 15) : 99;
    if (which == 0 || which >= 14) configure_fsync(s);
    if (which == 1 || which == 99)
        sim_set(s, "segment-size", ONE_OF(s, "64kb", "64kb", "96kb", "256kb"));
    if (which == 2 || which == 99) sim_set(s, "compression", ONE_OF(s, "lz4", "no"));
    if (which == 3 || which == 99) sim_set(s, "fsync-wait-max", ONE_OF(s, "0", "5", "50"));
    if (which == 4 || which == 99)
        TUNE(s, memtable_size, 1 << 10, 4 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10);
    if (which == 5 || which == 99) TUNE(s, block_cache_size, 0, 0, 4 << 10, 64 << 10, 1 << 20);
    if (which == 6 || which == 99) TUNE(s, block_size, 256, 256, 1024, 4096, 65536);
    if (which == 7 || which == 99) TUNE(s, bloom_bits, 0, 1, 10, 10, 20);
    if (which == 8 || which == 99) TUNE(s, level0_files, 1, 2, 2, 4);
    if (which == 9 || which == 99) TUNE(s, level_size_ratio, 2, 2, 3, 10);
    if (which == 10 || which == 99)
        TUNE(s, table_size, 1 << 10, 4 << 10, 4 << 10, 16 << 10, 1 << 20);
    if (which == 11 || which == 99) TUNE(s, compaction_rate_limit, 0, 0, 0, 1 << 20);
    if (which == 12 || which == 99) TUNE(s, compaction_jobs, 1, 2, 3);
    if (which == 13 || which == 99) s->budget = (uint64_t)NUMBER_OF(s, 0, 0, 1 << 20, 64 << 20);
    if (which == 13 && s->e) engine_budget(s->e, s->budget);
}

static const sim_engine engines[] = {
    {.name = "bitcask",
     .class = &bitcask_class,
     .configure = configure_bitcask,
     .abandon = bitcask_abandon,
     .minds_room = true,
     .tells = true,
     .keeps_access = true},
    {.name = "lsm",
     .class = &lsm_class,
     .configure = configure_lsm,
     .abandon = lsm_abandon,
     .minds_room = true,
     .tells = true,
     .collects = true},
    {.name = "toy", .class = &toy_class, .configure = configure_toy, .keeps_access = true},
};

const sim_engine *sim_engine_named(const char *name) {
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (!strcmp(engines[i].name, name)) return &engines[i];
    return NULL;
}
