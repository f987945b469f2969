/* The event loop.
 *
 *   turn: [before] epoll_wait [clock] [after wait] -> handlers -> timers -> after-hooks
 *
 * At one request a turn, system calls are most of what a command costs. So a turn makes one
 * epoll_wait and reads the clock once, right behind the wait; how long the next wait may be is
 * reckoned from that reading, so a timer can be late by as long as its turn took. epoll_ctl is
 * called only when what is wanted of a descriptor changes.
 *
 * Slots are indexed by descriptor. An event carries descriptor and generation; a slot's generation
 * changes whenever it is added or removed, so an event that was fetched for an earlier owner of the
 * number is known by it and dropped.
 *
 * A descriptor of which nothing is wanted is taken out of epoll, as epoll would go on reporting its
 * hang-up, and nobody would be there to handle it. */
#include "io/reactor.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/timers.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 1024 /* taken from one wait; what is left comes with the next */
#define FIRST_CAP  64

typedef struct slot {
    reactor_handler handler; /* NULL: not watched */
    void *ctx;
    uint32_t gen;
    unsigned events;
    bool marked; /* for reactor_serve */
} slot;

typedef struct hook {
    reactor_hook fn, second; /* second: around_wait's after */
    void *ctx;
} hook;

typedef struct hook_list {
    hook *items;
    size_t count;
} hook_list;

struct reactor {
    int epfd;
    bool stop, wake;
    stave_clock *clock;
    timers *timers;
    slot *slots;
    size_t cap;
    hook_list after, around;
    int at, ready; /* the events of this turn; a turn inside a turn ends the outer one's */
    struct epoll_event events[EVENTS_MAX];
};

/* The clock is the caller's, and read once here, so that a timer added before the first turn counts
 * from now. */
status reactor_new(stave_clock *clock, reactor **out) {
    *out = NULL;
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    if (epfd < 0) return status_errno(errno, "epoll_create1");
    reactor *r = mem_zalloc(sizeof(*r));
    r->epfd = epfd;
    r->clock = clock;
    r->timers = timers_new();
    clock_refresh(clock);
    *out = r;
    return STATUS_OK;
}

/* Watched descriptors stay open: they are their owners'. */
void reactor_free(reactor *r) {
    if (!r) return;
    reactor_close_in_child(r);
    timers_free(r->timers);
    mem_free(r->slots);
    mem_free(r->after.items);
    mem_free(r->around.items);
    mem_free(r);
}

/* The epoll is shared with the parent; closing our descriptor changes nothing for it. */
void reactor_close_in_child(reactor *r) {
    if (r->epfd >= 0) (void)close(r->epfd); /* nothing to lose in it */
    r->epfd = -1;
}

/* ---- descriptors
 * -------------------------------------------------------------------------------*/

/* The slot of a watched descriptor, else NULL. */
static slot *slot_of(reactor *r, int fd) {
    if (fd < 0 || (size_t)fd >= r->cap || !r->slots[fd].handler) return NULL;
    return &r->slots[fd];
}

/* Makes slots reach fd. */
static void grow(reactor *r, int fd) {
    size_t cap = r->cap ? r->cap : FIRST_CAP;
    while (cap <= (size_t)fd)
        cap *= 2;
    if (cap == r->cap) return;
    r->slots = mem_realloc(r->slots, cap * sizeof(slot));
    memset(r->slots + r->cap, 0, (cap - r->cap) * sizeof(slot));
    r->cap = cap;
}

/* Tells epoll what is wanted now. `was`: what it knows; 0 is not being there. */
static status control(reactor *r, int fd, unsigned was, unsigned events) {
    struct epoll_event e = {0};
    if (events & REACTOR_READ) e.events |= EPOLLIN | EPOLLRDHUP;
    if (events & REACTOR_WRITE) e.events |= EPOLLOUT;
    e.data.u64 = ((uint64_t)r->slots[fd].gen << 32) | (uint32_t)fd;
    int op = !events ? EPOLL_CTL_DEL : was ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(r->epfd, op, fd, &e) < 0) return status_errno(errno, "epoll_ctl of %d", fd);
    return STATUS_OK;
}

/* The generation moves on even if epoll refuses: it only has to differ. */
status reactor_add(reactor *r, int fd, unsigned events, reactor_handler handler, void *ctx) {
    CHECK(fd >= 0 && handler && !(events & ~(unsigned)(REACTOR_READ | REACTOR_WRITE)));
    CHECK(!slot_of(r, fd));
    grow(r, fd);
    slot *s = &r->slots[fd];
    s->gen++;
    if (events) TRY(control(r, fd, 0, events));
    s->handler = handler;
    s->marked = false;
    s->ctx = ctx;
    s->events = events;
    return STATUS_OK;
}

/* No system call if nothing changes. */
status reactor_modify(reactor *r, int fd, unsigned events) {
    slot *s = slot_of(r, fd);
    CHECK(s && !(events & ~(unsigned)(REACTOR_READ | REACTOR_WRITE)));
    if (s->events == events) return STATUS_OK;
    TRY(control(r, fd, s->events, events));
    s->events = events;
    return STATUS_OK;
}

/* Until it is removed. */
void reactor_mark(reactor *r, int fd) {
    slot *s = slot_of(r, fd);
    CHECK(s);
    s->marked = true;
}

/* The slot is free at once: an event of this turn that still names it is dropped. */
void reactor_remove(reactor *r, int fd) {
    slot *s = slot_of(r, fd);
    if (!s) return;
    /* A descriptor that was closed first is out of epoll already, unless a child has it. */
    if (s->events) (void)status_ok(control(r, fd, s->events, 0));
    s->gen++;
    s->handler = NULL;
    s->events = 0;
}

/* ---- timers and hooks
 * --------------------------------------------------------------------------*/

uint64_t reactor_timer_add(reactor *r, int64_t delay_ms, reactor_timer fn, void *ctx) {
    return timers_add(r->timers, r->clock->mono_us, delay_ms, fn, ctx);
}

/* Also from within the timer itself. */
void reactor_timer_remove(reactor *r, uint64_t id) {
    timers_remove(r->timers, id);
}

/* As of the last wait's end. */
uint64_t reactor_now_us(const reactor *r) {
    return r->clock->mono_us;
}

/* Hooks are added at boot, a handful: one at a time is enough. */
static void hook_add(hook_list *list, hook h) {
    list->items = mem_realloc(list->items, (list->count + 1) * sizeof(hook));
    list->items[list->count++] = h;
}

/* Hooks stay for good. */
void reactor_after(reactor *r, reactor_hook fn, void *ctx) {
    CHECK(fn);
    hook_add(&r->after, (hook){fn, NULL, ctx});
}

/* Pairs run in order of registration, before the wait and after it alike. */
void reactor_around_wait(reactor *r, reactor_hook before, reactor_hook after, void *ctx) {
    hook_add(&r->around, (hook){before, after, ctx});
}

/* Holds for one wait. From the reactor's own thread only. */
void reactor_wake(reactor *r) {
    r->wake = true;
}

/* ---- turns
 * -------------------------------------------------------------------------------------*/

/* Sleeps until a descriptor is ready or a timer due, then takes the time. */
static void wait_for_events(reactor *r) {
    for (size_t i = 0; i < r->around.count; i++)
        if (r->around.items[i].fn) r->around.items[i].fn(r->around.items[i].ctx);
    int ms = r->wake || r->stop ? 0 : timers_wait_ms(r->timers, r->clock->mono_us);
    r->wake = false;
    int n = epoll_wait(r->epfd, r->events, EVENTS_MAX, ms);
    if (n < 0 && errno != EINTR) log_panic(__FILE__, __LINE__, "epoll_wait: %s", strerror(errno));
    r->at = 0;
    r->ready = n < 0 ? 0 : n;
    clock_refresh(r->clock);
    for (size_t i = 0; i < r->around.count; i++)
        if (r->around.items[i].second) r->around.items[i].second(r->around.items[i].ctx);
}

/* Calls the handler of one event, unless its descriptor has another owner by now. */
static void deliver(reactor *r, const struct epoll_event *e) {
    int fd = (int)(uint32_t)e->data.u64;
    slot *s = slot_of(r, fd);
    if (!s || s->gen != (uint32_t)(e->data.u64 >> 32)) return;
    unsigned ready = 0;
    if (e->events & (EPOLLIN | EPOLLRDHUP)) ready |= REACTOR_READ;
    if (e->events & EPOLLOUT) ready |= REACTOR_WRITE;
    if (e->events & (EPOLLHUP | EPOLLERR)) ready |= REACTOR_READ | REACTOR_WRITE;
    ready &= s->events; /* what is wanted may have changed since the wait */
    if (ready) s->handler(s->ctx, fd, ready);
}

/* One turn. From inside a handler it is a turn of its own, after which the outer one goes on behind
 * its events: those that are left are still ready, and come again. */
void reactor_turn(reactor *r) {
    wait_for_events(r);
    for (; r->at < r->ready; r->at++) {
        struct epoll_event e = r->events[r->at];
        deliver(r, &e);
    }
    timers_run(r->timers, r->clock->mono_us);
    for (size_t i = 0; i < r->after.count; i++)
        r->after.items[i].fn(r->after.items[i].ctx);
}

/* As in a turn inside a turn, the outer one goes on behind its events: those that are left, and
 * those that are not told here, are still ready. */
void reactor_serve(reactor *r) {
    int n = epoll_wait(r->epfd, r->events, EVENTS_MAX, 0);
    for (r->at = 0, r->ready = n < 0 ? 0 : n; r->at < r->ready; r->at++) {
        struct epoll_event e = r->events[r->at];
        const slot *s = slot_of(r, (int)(uint32_t)e.data.u64);
        if (s && s->marked) deliver(r, &e);
    }
}

/* A stop that was asked for before the run (by a signal while loading) holds. */
void reactor_run(reactor *r) {
    while (!r->stop)
        reactor_turn(r);
    r->stop = false;
}

/* The turn that runs is finished. */
void reactor_stop(reactor *r) {
    r->stop = true;
}

/* Asked by who would take long to finish the turn. */
bool reactor_stopping(const reactor *r) {
    return r->stop;
}
