/* engine_kit: an engine for tests, Bitcask or another, on a simulated disk or a real one, and the
 * little server around it: turns, time, workers, children.
 *
 * On the simulated disk (tests/sim) nothing happens by chance: jobs and children run to their end
 * in each turn, in order. What fails is what the test asks of simfs_knobs_of(k->fs). */
#ifndef STAVE_TESTS_SUPPORT_ENGINE_KIT_H
#define STAVE_TESTS_SUPPORT_ENGINE_KIT_H

#include "engine/engine.h"
#include "sim/simaio.h"
#include "sim/simchild.h"
#include "sim/simfs.h"
#include "support/tempdir.h"

typedef struct kit {
    engine *e; /* NULL: closed */
    const char *dir;
    int databases;
    const engine_derive *derive; /* NULL at first */
    io_env env;
    stave_clock clock;
    rng sampling;
    uint64_t now_us;
    bool hold;     /* workers and children do nothing */
    unsigned told; /* calls of host.released */
    /* the simulated world, or NULL */
    simfs *fs;
    simaio *workers;
    simchild *children;
    tempdir real; /* else */
} kit;

/* Which engine kits have that are made from now on: "bitcask" (at first) or "lsm". Returns 0, so as
 * to be a part of what main returns. */
int kit_use(const char *name);
/* The one in use. */
const engine_class *kit_class(void);
bool kit_is(const char *name);
/* Sets all settings to their defaults, segments to 64 KiB and, on lsm, memtables likewise and
 * levels small. The engine is not open. */
kit *kit_sim(void);
/* On a temporary directory, with threads and forked children. */
kit *kit_real(void);
/* Closes, and frees all. */
void kit_free(kit *k);
/* A setting, as a line of the configuration has it. */
void kit_setting(const char *name, const char *value);

status kit_try_open(kit *k);
void kit_open(kit *k); /* and checks it */
void kit_close(kit *k);
/* The process dies, or the machine; then opens again. Simulated disk only. */
void kit_kill(kit *k);
void kit_power_cut(kit *k);

/* Ends a turn: what is written is written, jobs and children get theirs, 10 ms pass. */
void kit_end_turn(kit *k);
/* Turns, at least one, until all of the log is released, or it has failed. */
void kit_commit(kit *k);
/* Turns, with cron and background, until nothing is under way and all is durable. */
void kit_settle(kit *k);
/* engine_compact, and settles: all that was sealed, or written, is merged. */
void kit_merge(kit *k);
/* Seals the active segment by itself, without a merge: a segment's worth of nothing. */
void kit_rotate(kit *k);
/* engine_check finds nothing. */
void kit_check(kit *k);
/* A number of the section Engine of INFO; all of it, as text to be freed. */
uint64_t kit_info(kit *k, const char *field);
buf kit_info_all(kit *k);
/* Files in the directory whose names end so. */
unsigned kit_files(kit *k, const char *ending);

/* One batch each. */
void kit_put(kit *k, const char *key, const char *value);
void kit_put_len(kit *k, uint32_t db, const char *key, size_t len, char fill);
void kit_del(kit *k, const char *key);
void kit_flush(kit *k, int32_t db);
/* A collection under "c" in db 0, with elements 0 .. n-1 of map 2, each its own value and expire
 * time; every tenth of them in map 1, every twentieth in map 3. */
engine_coll kit_coll(kit *k, int n);
/* Is there, with that value; is not there. */
void kit_has(kit *k, const char *key, const char *value);
void kit_has_not(kit *k, const char *key);

#endif
