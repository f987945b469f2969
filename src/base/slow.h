/* slow: what took long, told by whoever noticed to whoever collects it (LATENCY).
 *
 * Any folder may tell, and none knows who listens: one function a process, set at boot. Off, which
 * it is by default, a measurement costs a load and a branch, and reads no clock. For the main
 * thread alone. */
#ifndef STAVE_BASE_SLOW_H
#define STAVE_BASE_SLOW_H

#include "base/clock.h"

extern uint64_t slow_from_us; /* what takes less is not told; 0: nothing is */

/* tell(name, us) from now on, of what takes from_us or more; 0: of nothing. */
void slow_listen(uint64_t from_us, void (*tell)(const char *name, uint64_t us));

/* Something called `name` (a literal) took that long. */
void slow_took(const char *name, uint64_t us);

/* Around it: what slow_begin returned goes to slow_end. */
static inline uint64_t slow_begin(void) {
    return slow_from_us ? clock_mono_us() : 0;
}
static inline void slow_end(const char *name, uint64_t begun) {
    if (begun) slow_took(name, clock_mono_us() - begun);
}

#endif
