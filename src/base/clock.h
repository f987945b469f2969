/* clock: time, through an object, so that a simulation can own it.
 *
 * The reactor refreshes `wall_ms` and `mono_us` once a turn (clock_refresh): commands of one turn
 * see one time, and reading it costs a load. */
#ifndef STAVE_BASE_CLOCK_H
#define STAVE_BASE_CLOCK_H

#include <stdint.h>

typedef struct stave_clock {
    int64_t wall_ms;  /* milliseconds since the epoch, as of the last refresh */
    uint64_t mono_us; /* microseconds of a clock that never goes back, as of the last refresh */
    void (*read)(struct stave_clock *c); /* fills both; NULL: the system's clocks */
    void *ctx;                           /* for read */
} stave_clock;

void clock_refresh(stave_clock *c);
/* The system's monotonic clock now, in microseconds, and in nanoseconds. */
uint64_t clock_mono_us(void);
uint64_t clock_mono_ns(void);
int64_t clock_wall_us(void);

#endif
