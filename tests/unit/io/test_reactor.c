/* Tests of the reactor: descriptors, generations, hang-ups, hooks, and the system calls of a turn.
 *
 * epoll_wait and epoll_ctl are counted on their way to the kernel: what a turn may cost is part of
 * the reactor's contract. The clock is the test's own. */
#include "io/reactor.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- counted calls
 * -----------------------------------------------------------------------------*/

static int waits, controls, readings, last_timeout, interrupt_waits;
static uint64_t now_us;

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout) {
    waits++;
    last_timeout = timeout;
    if (interrupt_waits > 0) {
        interrupt_waits--;
        errno = EINTR;
        return -1;
    }
    if (timeout > 0) { /* the wait is what makes time pass here */
        now_us += (uint64_t)timeout * 1000;
        timeout = 0;
    }
    return (int)syscall(SYS_epoll_wait, epfd, events, max, timeout);
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event) {
    controls++;
    return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

static void read_clock(stave_clock *c) {
    readings++;
    c->mono_us = now_us;
    c->wall_ms = (int64_t)(now_us / 1000);
}

/* ---- helpers
 * -----------------------------------------------------------------------------------*/

static stave_clock test_clock;
static reactor *r;

static int setup(void **state) {
    (void)state;
    now_us = 1000000;
    test_clock = (stave_clock){.read = read_clock};
    assert_true(status_ok(reactor_new(&test_clock, &r)));
    waits = controls = readings = interrupt_waits = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    reactor_free(r);
    return 0;
}

/* What a handler was told, and what it is to do. */
typedef struct seen {
    int calls, fd;
    unsigned events;
    int close_fd,
        reopen_as; /* close_fd > 0: removed and closed by the next call, then opened again */
    struct seen *new_owner;
    bool turn, read;
} seen;

static void on_event(void *ctx, int fd, unsigned events) {
    seen *s = ctx;
    s->calls++;
    s->fd = fd;
    s->events = events;
    char c;
    if (s->read) assert_int_equal(read(fd, &c, 1), 1);
    if (s->close_fd > 0) {
        int old = s->close_fd;
        s->close_fd = 0;
        reactor_remove(r, old);
        close(old);
        if (s->new_owner) {
            /* The number is used again at once, by a descriptor that is not readable. */
            int p[2];
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
            s->reopen_as = p[0];
            assert_true(status_ok(reactor_add(r, p[0], REACTOR_READ, on_event, s->new_owner)));
        }
    }
    if (s->turn) {
        s->turn = false;
        reactor_wake(r);
        reactor_turn(r);
    }
}

static void pair(int p[2]) {
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
}

static void add(int fd, unsigned events, seen *s) {
    assert_true(status_ok(reactor_add(r, fd, events, on_event, s)));
}

static void modify(int fd, unsigned events) {
    assert_true(status_ok(reactor_modify(r, fd, events)));
}

static void turn(void) {
    reactor_wake(r);
    reactor_turn(r);
}

static void drop(int fd) {
    reactor_remove(r, fd);
    close(fd);
}

/* ---- descriptors
 * -------------------------------------------------------------------------------*/

static void test_read_and_write(void **state) {
    (void)state;
    int p[2];
    pair(p);
    seen s = {0};
    add(p[0], REACTOR_READ, &s);
    turn();
    assert_int_equal(s.calls, 0);
    assert_int_equal(write(p[1], "xy", 2), 2);
    s.read = true;
    turn();
    turn(); /* level-triggered: the second byte is told of again */
    assert_int_equal(s.calls, 2);
    assert_int_equal(s.events, REACTOR_READ);
    assert_int_equal(s.fd, p[0]);
    turn();
    assert_int_equal(s.calls, 2);
    s.read = false;
    modify(p[0], REACTOR_READ | REACTOR_WRITE);
    turn();
    assert_int_equal(s.calls, 3);
    assert_int_equal(s.events, REACTOR_WRITE);
    modify(p[0], 0);
    turn();
    assert_int_equal(s.calls, 3);
    reactor_remove(r, p[0]);
    reactor_remove(r, p[0]); /* nothing happens */
    reactor_remove(r, 100000);
    reactor_remove(r, -1);
    close(p[0]);
    close(p[1]);
}

/* One wait and one reading of the clock a turn, and epoll_ctl only when something changes. */
static void test_system_calls_of_a_turn(void **state) {
    (void)state;
    int p[2];
    pair(p);
    seen s = {0};
    add(p[0], REACTOR_READ, &s);
    assert_int_equal(write(p[1], "x", 1), 1);
    assert_int_equal(controls, 1);
    for (int i = 0; i < 10; i++) {
        turn();
        modify(p[0], REACTOR_READ);
    }
    assert_int_equal(s.calls, 10);
    assert_int_equal(waits, 10);
    assert_int_equal(readings, 10);
    assert_int_equal(controls, 1);
    modify(p[0], 0);
    modify(p[0], 0);
    modify(p[0], REACTOR_WRITE);
    assert_int_equal(controls, 3);
    modify(p[0], 0);
    drop(p[0]); /* nothing is wanted: epoll does not know it */
    assert_int_equal(controls, 4);
    close(p[1]);
}

/* Hang-ups and errors come as everything that the handler asked for. */
static void test_hang_up(void **state) {
    (void)state;
    int p[2], q[2];
    pair(p);
    pair(q);
    seen both = {0}, reads = {0};
    add(p[0], REACTOR_READ | REACTOR_WRITE, &both);
    add(q[0], REACTOR_READ, &reads);
    close(p[1]);
    close(q[1]);
    turn();
    assert_int_equal(both.events, REACTOR_READ | REACTOR_WRITE);
    assert_int_equal(reads.events, REACTOR_READ);
    modify(p[0], REACTOR_WRITE);
    turn();
    assert_int_equal(both.calls, 2);
    assert_int_equal(both.events, REACTOR_WRITE);
    modify(p[0], 0); /* nothing wanted: a hang-up must not make turns that do nothing for ever */
    modify(q[0], 0);
    turn();
    assert_int_equal(both.calls, 2);
    drop(p[0]);
    drop(q[0]);
}

/* The other end will send no more, but still reads. */
static void test_half_closed(void **state) {
    (void)state;
    int p[2];
    pair(p);
    seen s = {0};
    add(p[0], REACTOR_READ, &s);
    shutdown(p[1], SHUT_WR);
    turn();
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.events, REACTOR_READ);
    drop(p[0]);
    close(p[1]);
}

/* Two descriptors are ready; the handler that comes first closes the other, and opens a new one
 * under its number: the event of the old owner is not told to the new. Whichever comes first. */
static void test_stale_event(void **state) {
    (void)state;
    int p[2], q[2];
    pair(p);
    pair(q);
    seen a = {0}, b = {0}, fresh = {0};
    add(p[0], REACTOR_READ, &a);
    add(q[0], REACTOR_READ, &b);
    assert_int_equal(write(p[1], "x", 1), 1);
    assert_int_equal(write(q[1], "x", 1), 1);
    a.close_fd = q[0];
    b.close_fd = p[0];
    a.new_owner = b.new_owner = &fresh;
    turn();
    assert_int_equal(a.calls + b.calls, 1);
    seen *first = a.calls ? &a : &b;
    assert_int_equal(first->reopen_as, a.calls ? q[0] : p[0]); /* the number was used again */
    assert_int_equal(fresh.calls, 0);
    first->new_owner = NULL;
    turn();
    assert_int_equal(fresh.calls, 0);
    assert_int_equal(first->calls, 2);
    drop(p[0]);
    drop(q[0]);
    close(p[1]);
    close(q[1]);
}

static void test_closed_in_the_same_turn(void **state) {
    (void)state;
    int p[2], q[2];
    pair(p);
    pair(q);
    seen a = {0}, b = {0};
    add(p[0], REACTOR_READ, &a);
    add(q[0], REACTOR_READ, &b);
    assert_int_equal(write(p[1], "x", 1), 1);
    assert_int_equal(write(q[1], "x", 1), 1);
    a.close_fd = q[0];
    b.close_fd = p[0];
    turn();
    assert_int_equal(a.calls + b.calls, 1);
    drop(a.calls ? p[0] : q[0]);
    close(p[1]);
    close(q[1]);
}

static void test_refused_descriptors(void **state) {
    (void)state;
    seen s = {0};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    status a = reactor_add(r, fd, REACTOR_READ, on_event, &s); /* epoll takes no plain files */
    assert_int_equal(a.code, ST_IO);
    assert_non_null(strstr(a.msg, "epoll_ctl"));
    close(fd);
    int p[2];
    pair(p);
    assert_int_equal(p[0], fd); /* the number is free for the next */
    add(p[0], REACTOR_WRITE, &s);
    turn();
    assert_int_equal(s.calls, 1);
    drop(p[0]);
    close(p[1]);
}

/* Descriptors beyond the first room, and more ready ones than one wait brings. */
static void test_many(void **state) {
    (void)state;
    enum { N = 1500 };
    static seen s[N];
    static int fds[N];
    memset(s, 0, sizeof(s));
    int one = eventfd(0, EFD_CLOEXEC), n = 0;
    for (; n < N; n++) {
        fds[n] = dup(one);
        if (fds[n] < 0) break; /* the limit of this machine */
        add(fds[n], REACTOR_WRITE, &s[n]);
    }
    turn();
    turn();
    for (int i = 0; i < n; i++) {
        assert_true(s[i].calls >= 1);
        drop(fds[i]);
    }
    assert_true(n > 100);
    close(one);
}

/* ---- turns, hooks, timers
 * ----------------------------------------------------------------------*/

static char order[64];

static void note(void *ctx) {
    strncat(order, ctx, sizeof(order) - strlen(order) - 1);
}

static int64_t note_timer(void *ctx) {
    note(ctx);
    return -1;
}

static void note_event(void *ctx, int fd, unsigned events) {
    (void)fd;
    (void)events;
    note(ctx);
}

static char N1[] = "1", N2[] = "2", NB[] = "b", NE[] = "e", NT[] = "t", NW[] = "w", NV[] = "v";

static void test_order_of_a_turn(void **state) {
    (void)state;
    int p[2];
    pair(p);
    order[0] = 0;
    assert_true(status_ok(reactor_add(r, p[0], REACTOR_WRITE, note_event, NE)));
    reactor_after(r, note, N1);
    reactor_after(r, note, N2);
    reactor_around_wait(r, note, NULL, NB);
    reactor_around_wait(r, NULL, note, NW);
    reactor_around_wait(r, note, note, NV);
    reactor_timer_add(r, 0, note_timer, NT);
    turn();
    turn();
    assert_string_equal(order, "bvwvet12"
                               "bvwve12");
    drop(p[0]);
    close(p[1]);
}

static int64_t stop_timer(void *ctx) {
    (void)ctx;
    reactor_stop(r);
    return -1;
}

/* A wait lasts until the next timer, is rounded up, and does not happen after a wake. */
static void test_how_long_a_wait(void **state) {
    (void)state;
    order[0] = 0;
    uint64_t far = reactor_timer_add(r, 70, note_timer, N1);
    reactor_timer_add(r, 7, note_timer, NT);
    reactor_turn(r);
    assert_int_equal(last_timeout, 7);
    assert_string_equal(order, "t");
    assert_int_equal(test_clock.mono_us, 1007000);
    now_us += 500; /* the turn itself took time: known after the next wait */
    reactor_wake(r);
    reactor_turn(r);
    assert_int_equal(last_timeout, 0);
    interrupt_waits = 1; /* a signal: a turn like any other */
    reactor_turn(r);
    assert_int_equal(last_timeout, 63);
    reactor_timer_remove(r, far);
    interrupt_waits = 1;
    reactor_turn(r);
    assert_int_equal(last_timeout, -1);
    assert_string_equal(order, "t");
}

static void test_run_and_stop(void **state) {
    (void)state;
    reactor_timer_add(r, 3, stop_timer, NULL);
    reactor_run(r);
    assert_int_equal(waits, 1);
    reactor_stop(r); /* before the run, as a signal may while the server loads */
    reactor_run(r);
    assert_int_equal(waits, 1);
    reactor_timer_add(r, 3, stop_timer, NULL); /* and it can run again */
    reactor_run(r);
    assert_int_equal(waits, 2);
}

/* A turn inside a handler tells every event once more at most, and the outer turn ends well. */
static void test_turn_inside_a_turn(void **state) {
    (void)state;
    enum { N = 8 };
    int p[N][2];
    seen s[N];
    memset(s, 0, sizeof(s));
    order[0] = 0;
    reactor_after(r, note, N1);
    for (int i = 0; i < N; i++) {
        pair(p[i]);
        s[i].turn = true;
        add(p[i][0], REACTOR_WRITE, &s[i]);
    }
    turn();
    for (int i = 0; i < N; i++) {
        assert_false(s[i].turn); /* each was called */
        drop(p[i][0]);
        close(p[i][1]);
    }
    assert_int_equal(strlen(order), waits);
    assert_int_equal(waits, N + 1);
}

static void test_closed_in_child(void **state) {
    (void)state;
    int before = dup(0);
    close(before);
    reactor_close_in_child(r);
    int after = dup(0);
    assert_true(after < before); /* its descriptor is free */
    close(after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_read_and_write),
        TEST(test_system_calls_of_a_turn),
        TEST(test_hang_up),
        TEST(test_half_closed),
        TEST(test_stale_event),
        TEST(test_closed_in_the_same_turn),
        TEST(test_refused_descriptors),
        TEST(test_many),
        TEST(test_order_of_a_turn),
        TEST(test_how_long_a_wait),
        TEST(test_run_and_stop),
        TEST(test_turn_inside_a_turn),
        TEST(test_closed_in_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
