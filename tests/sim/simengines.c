/* simengines: the engines that the simulator runs, and how each is set up.
 *
 * Everything is small: a segment, a memtable, a block, a level. So a few hundred commands fill what
 * takes a server days, and reach merges of merges and levels below levels. At an open all settings
 * are chosen anew; while the engine runs one of them changes now and then. */
#include "sim/sim.h"

#include "engine/bitcask/bitcask.h"
#include "engine/lsm/lsm.h"
#include "sim/toylog.h"
#include "storage/manifest.h"

/* One of the texts, by chance. */
#define ONE_OF(s, ...)                                                                             \
    ((const char *const[]){__VA_ARGS__}[rng_below(                                                 \
        &(s)->chance, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))])

static void configure_fsync(sim *s) {
    sim_set_fsync(s, ONE_OF(s, "always", "always", "everysec", "everysec", "no"));
}

static void configure_toy(sim *s, bool live) {
    if (!live) sim_set_defaults(s);
    if (!live) sim_set(s, "pending", ONE_OF(s, "0", "0", "10"));
    configure_fsync(s);
}

/* Manifests that are rewritten often, too. */
static void begin_configure(sim *s) {
    static const uint32_t ahead[] = {256, 1024, 4096, 64u << 10};
    sim_set_defaults(s);
    manifest_ahead = ahead[rng_below(&s->chance, 4)];
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
    if (which == 7 || which == 8) sim_set(s, "fsync-wait-max", ONE_OF(s, "0", "5", "50"));
}

static void configure_lsm(sim *s, bool live) {
    if (!live) begin_configure(s);
    uint64_t which = live ? rng_below(&s->chance, 10) : 8;
    if (which == 0 || which >= 8) configure_fsync(s);
    if (which == 1 || which == 8)
        sim_set(s, "segment-size", ONE_OF(s, "64kb", "64kb", "96kb", "256kb", "1mb"));
    if (which == 2 || which == 8)
        sim_set(s, "block-cache-size", ONE_OF(s, "0", "4kb", "64kb", "1mb"));
    if (which == 3 || which == 8)
        sim_set(s, "memtable-size", ONE_OF(s, "64kb", "64kb", "128kb", "1mb"));
    if (which == 4 || which == 8) sim_set(s, "table-size", ONE_OF(s, "4kb", "16kb", "64kb"));
    if (which == 5 || which == 8) sim_set(s, "level-size-ratio", ONE_OF(s, "2", "3", "10"));
    if (which == 6 || which == 8) sim_set(s, "level0-files", ONE_OF(s, "2", "4"));
    if (which == 7 || which == 8) sim_set(s, "fsync-wait-max", ONE_OF(s, "0", "5", "50"));
}

static const sim_engine engines[] = {
    {.name = "lsm",
     .class = &lsm_class,
     .configure = configure_lsm,
     .abandon = lsm_abandon,
     .minds_room = true,
     .tells = true},
    {.name = "bitcask",
     .class = &bitcask_class,
     .configure = configure_bitcask,
     .abandon = bitcask_abandon,
     .minds_room = true,
     .tells = true,
     .keeps_access = true},
    {.name = "toy", .class = &toy_class, .configure = configure_toy, .keeps_access = true},
};

const sim_engine *sim_engine_named(const char *name) {
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (!strcmp(engines[i].name, name)) return &engines[i];
    return NULL;
}
