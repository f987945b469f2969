/* simtee: two engines as one: what the keyspace and the types do, done to the engine under test and
 * to the model alike, each result compared.
 *
 * What it gives back is the engine's own: its slices, positions, tokens, PENDING and errors. `dry`,
 * everything goes to the model alone and commits nothing: what a command would reply if no read
 * were pending and nothing failed. */
#ifndef STAVE_TESTS_SIM_SIMTEE_H
#define STAVE_TESTS_SIM_SIMTEE_H

#include "sim/sim.h"

#include "base/region.h"

typedef struct simtee {
    engine base;
    engine_ops ops; /* what base points to */
    sim *s;
    bool dry;
    bool apart;  /* the model has a change that was PENDING: so is all until the next batch */
    bool failed; /* some call since this was last cleared was an error of the engine */
    /* Of the last batch that was not dry: */
    bool changed;     /* it has changes */
    bool refused;     /* engine_room said no in it */
    bool cut_short;   /* and it had changes then, which who asked may have had to take back */
    uint64_t commits; /* that were not dry */
    uint64_t pendings;
    /* Not 0: so many calls from now on one is PENDING, as any may be, whether or not this engine
     * ever says so. */
    uint64_t pending_in;
    log_pos before;       /* the log's end when the batch began */
    region work;          /* of this batch: collections, iterators */
    struct tee_coll *new; /* collections that this batch made */
} simtee;

/* Over s->e and s->model, which are open as long as it is used. */
void simtee_init(simtee *t, sim *s);
void simtee_free(simtee *t);

#endif
