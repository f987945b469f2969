/* simrec: what a simulated child sees of the disk, and the list of what it does to it.
 *
 * A forked child sees files as they were at the fork, plus its own changes. Here its job runs at
 * once, in process, over a vfs that keeps its changes to itself and writes them down; later they
 * are carried out on the model disk one by one, between the parent's calls. Whether a call fails is
 * decided when it is written down, and is carried out likewise. */
#ifndef STAVE_TESTS_SIM_SIMREC_H
#define STAVE_TESTS_SIM_SIMREC_H

#include "sim/simfs.h"

typedef struct simrec simrec;

/* fs must not change while the job runs. */
simrec *simrec_new(simfs *fs, uint64_t seed);
vfs *simrec_vfs(simrec *r);
/* The job has ended: only the list is kept. */
void simrec_end(simrec *r);
/* Carries out the next one on the model disk. False if there was none left. If the disk has become
 * such that it cannot be (a file is gone), *lost is set: the child is as good as killed. */
bool simrec_replay(simrec *r, bool *lost);
size_t simrec_left(const simrec *r);
void simrec_free(simrec *r);

#endif
