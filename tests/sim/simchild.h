/* simchild: a child host without processes.
 *
 * start runs the job to its end at once, over a recording view of the disk (simrec); its changes
 * then reach the model disk one by one, when simchild_step is called. When the last has, a poll may
 * show the result. A child may be killed after any of them, by the program or by chance. */
#ifndef STAVE_TESTS_SIM_SIMCHILD_H
#define STAVE_TESTS_SIM_SIMCHILD_H

#include "io/child.h"
#include "sim/simfs.h"

typedef struct simchild simchild;

typedef struct simchild_knobs {
    unsigned kill_permille;  /* chance of a child to die at each step */
    unsigned start_permille; /* chance of start to fail */
} simchild_knobs;

simchild *simchild_new(simfs *fs, uint64_t seed);
/* Ends all children, calling done, and frees the host. */
void simchild_free(simchild *h);
child_host *simchild_host(simchild *h);
simchild_knobs *simchild_knobs_of(simchild *h);

/* One change of one child reaches the disk; false if none is left to. */
bool simchild_step(simchild *h);
/* The program has died: its children do up to that many changes more, as they may before they see
 * it. Then end them with simchild_free. */
void simchild_orphans(simchild *h, uint64_t steps);
size_t simchild_alive(const simchild *h);
uint64_t simchild_started(const simchild *h);

#endif
