/* clock: the system's clocks, and the object that stands in front of them. Only clock_refresh and
 * the functions below touch the system; whatever must replay in a simulation reads the object. */
#include "base/clock.h"

#include <time.h>

/* Nanoseconds of one of the system's clocks. Both used here exist on every Linux, so clock_gettime
 * has no failure to handle. */
static int64_t now_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* For measuring short spans. */
uint64_t clock_mono_ns(void) {
    return (uint64_t)now_ns(CLOCK_MONOTONIC);
}

/* For timers and timeouts. */
uint64_t clock_mono_us(void) {
    return clock_mono_ns() / 1000;
}

/* For TIME and whatever shows the date; it may jump. */
int64_t clock_wall_us(void) {
    return now_ns(CLOCK_REALTIME) / 1000;
}

/* Two reads of the vDSO, or one call of whoever stands in for the system. */
void clock_refresh(stave_clock *c) {
    if (c->read) {
        c->read(c);
        return;
    }
    c->wall_ms = now_ns(CLOCK_REALTIME) / 1000000;
    c->mono_us = clock_mono_us();
}
