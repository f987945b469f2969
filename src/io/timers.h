/* timers: what is due when; the reactor's own, apart so that it can be tested without a wait.
 *
 * Times are microseconds of the clock that the caller passes. Timers due at the same time run in
 * order of addition. Adding and removing cost the logarithm of their number. */
#ifndef STAVE_IO_TIMERS_H
#define STAVE_IO_TIMERS_H

#include "io/reactor.h"

#include <stddef.h>

typedef struct timers timers;

timers *timers_new(void);
void timers_free(timers *t);
/* delay_ms < 0 is 0. Returns an id > 0 that is not used again while its timer lives. */
uint64_t timers_add(timers *t, uint64_t now_us, int64_t delay_ms, reactor_timer fn, void *ctx);
/* Nothing happens if id has ended already. A timer may remove itself or any other while it runs. */
void timers_remove(timers *t, uint64_t id);
/* Calls each timer that is due. One added meanwhile, or called again "in 0 ms", waits for the next
 * call of timers_run. Returns how many were called. */
size_t timers_run(timers *t, uint64_t now_us);
/* Milliseconds until the next is due, rounded up; 0 if one is; -1 if there is none. */
int timers_wait_ms(const timers *t, uint64_t now_us);
size_t timers_count(const timers *t);

#endif
