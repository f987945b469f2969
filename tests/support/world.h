/* world: a keyspace over an engine in memory, with a clock that stands still, and a record of what
 * its hooks were told: what tests of the keyspace, the types and the commands begin with. */
#ifndef STAVE_TESTS_SUPPORT_WORLD_H
#define STAVE_TESTS_SUPPORT_WORLD_H

#include "keyspace/keyspace.h"
#include "support/engine_mem.h"

typedef struct world {
    engine *e;
    stave_clock clock; /* clock.wall_ms is the test's to set */
    rng rng;
    keyspace *ks;
    buf told; /* what the hooks were told, one after another: "+db:key" changed, "name@db:key"
                 event, "flush:db", "swap:a,b", each with a space behind it */
} world;

/* hooks: listen, and record in w->told. */
void world_open(world *w, uint64_t seed, bool hooks);
void world_close(world *w);
/* What was told since the last call, as a string that lives until the next. */
const char *world_told(world *w);

/* Begins, runs what (an engine_result), and commits; again from the start while it is pending, or
 * fails because a knob says so. For tests that include support/unit.h. */
#define WORLD_BATCH(world, what)                                                                   \
    do {                                                                                           \
        for (int tries_ = 0;; tries_++) {                                                          \
            assert_true(tries_ < 100000);                                                          \
            ks_begin((world)->ks);                                                                 \
            engine_result r_ = (what);                                                             \
            if (r_ == ENGINE_OK) break;                                                            \
            assert_int_not_equal(r_, ENGINE_ABSENT);                                               \
            ks_abort((world)->ks);                                                                 \
        }                                                                                          \
        ks_commit((world)->ks);                                                                    \
    } while (0)

/* Puts a string in a batch of its own. */
void world_put(world *w, uint32_t db, const char *key, const char *value, int64_t expire);
/* Is there a live key? In a batch of its own. */
bool world_has(world *w, uint32_t db, const char *key);
uint64_t world_keys(world *w, uint32_t db);

#endif
