/* simaio: an aio whose jobs run when the seed says, and whose completions are seen when it says.
 *
 * A submitted job waits in its lane, and a read, once kicked, among the other reads. simaio_step
 * runs the first one of some lane, or any of the reads, to its end: a read sees what the disk has
 * at that time. The simulator calls it between and in the middle of the program's own calls to the
 * disk. A job that ran waits again, until a poll lets the program see it; a poll may show none,
 * some or all, in the order in which they ran. */
#ifndef STAVE_TESTS_SIM_SIMAIO_H
#define STAVE_TESTS_SIM_SIMAIO_H

#include "io/aio.h"

#include <stddef.h>
#include <stdint.h>

typedef struct simaio simaio;

simaio *simaio_new(uint64_t seed);
void simaio_free(simaio *a);
aio *simaio_aio(simaio *a);
/* Runs one job or read; false if none waits, or one is running already (this is called from its
 * calls). */
bool simaio_step(simaio *a);
/* Jobs and reads that have not been seen to complete. */
size_t simaio_pending(const simaio *a);

#endif
