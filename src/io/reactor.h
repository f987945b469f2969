/* reactor: one thread's event loop over epoll: descriptors, timers, and hooks around the wait.
 *
 * A turn: wait (no longer than the next timer), call the handlers of ready descriptors, call due
 * timers, then the after-hooks in order of registration (commit, write replies, background slices).
 * Each registration carries a generation, so that an event for a descriptor closed earlier in the
 * same turn, and perhaps opened again under the same number, is dropped. */
#ifndef STAVE_IO_REACTOR_H
#define STAVE_IO_REACTOR_H

#include "base/clock.h"
#include "base/status.h"

typedef struct reactor reactor;

enum reactor_events { REACTOR_READ = 1, REACTOR_WRITE = 2 };

/* events: what is ready; hang-ups and errors are told as both, if the handler asked for both. */
typedef void (*reactor_handler)(void *ctx, int fd, unsigned events);
typedef void (*reactor_hook)(void *ctx);
/* Returns milliseconds until it wants to be called again, or -1 to end. */
typedef int64_t (*reactor_timer)(void *ctx);

status reactor_new(stave_clock *clock, reactor **out);
void reactor_free(reactor *r);

/* Watches fd (level-triggered). One registration a descriptor. */
status reactor_add(reactor *r, int fd, unsigned events, reactor_handler handler, void *ctx);
status reactor_modify(reactor *r, int fd, unsigned events);
/* Stops watching; call before close(fd). Nothing happens if it is not watched. */
void reactor_remove(reactor *r, int fd);

/* Its events are told in reactor_serve too. REQUIRES: it is watched. */
void reactor_mark(reactor *r, int fd);

/* Calls fn once after delay_ms, then as its return value says. Returns an id (> 0). */
uint64_t reactor_timer_add(reactor *r, int64_t delay_ms, reactor_timer fn, void *ctx);
void reactor_timer_remove(reactor *r, uint64_t id);
/* The monotonic time of this turn, from which delays are counted. */
uint64_t reactor_now_us(const reactor *r);

/* Called at the end of each turn, in order of registration, before the next wait. */
void reactor_after(reactor *r, reactor_hook hook, void *ctx);
/* Called right before a wait and right after it (for the time spent waiting). Either may be NULL.
 */
void reactor_around_wait(reactor *r, reactor_hook before, reactor_hook after, void *ctx);
/* The next wait does not block: there is more to do. */
void reactor_wake(reactor *r);

void reactor_run(reactor *r);  /* turns until reactor_stop */
void reactor_turn(reactor *r); /* one turn (for tests, and to serve while loading) */
void reactor_stop(reactor *r);
bool reactor_stopping(const reactor *r);
/* From inside a handler that takes long: what is ready now of the descriptors that are marked, and
 * nothing else: no wait, no timers, no hooks, and the time stays what it is. */
void reactor_serve(reactor *r);

/* In a forked child: closes the epoll descriptor; r is not to be used again there. */
void reactor_close_in_child(reactor *r);

#endif
