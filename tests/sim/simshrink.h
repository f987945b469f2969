/* simshrink: from a seed that fails to a shorter run that fails in the same way. */
#ifndef STAVE_TESTS_SIM_SIMSHRINK_H
#define STAVE_TESTS_SIM_SIMSHRINK_H

#include "sim/sim.h"

/* Tries smaller styles and other salts, each in a process of its own, for about `seconds`. Prints
 * the best it has found, as the options that run it. False if the seed does not fail at all. */
bool sim_shrink(uint64_t seed, const sim_engine *kind, uint64_t seconds);

#endif
