/* Connecting: to who listens, by number and by name; to who does not; and calling it off at any
 * moment, which leaves nothing behind. */
#include "io/connect.h"

#include "io/net.h"
#include "support/unit.h"

#include <unistd.h>

static reactor *loop;
static int listener, port;

static int open_all(void **state) {
    (void)state;
    static stave_clock clock;
    clock_refresh(&clock);
    assert_true(status_ok(reactor_new(&clock, &loop)));
    assert_true(status_ok(net_listen_tcp("127.0.0.1", 0, 16, &listener)));
    port = net_local_port(listener);
    return 0;
}

static int close_all(void **state) {
    (void)state;
    close(listener);
    reactor_free(loop);
    return 0;
}

typedef struct outcome {
    int calls;
    connect_end why;
    int fd;
} outcome;

static void told(void *ctx, connect_end why, int fd) {
    outcome *o = ctx;
    o->calls++;
    o->why = why;
    o->fd = fd;
}

/* Connects, and waits for what comes of it. */
static outcome attempt(const char *host, int to) {
    outcome o = {.fd = -1};
    (void)connect_begin(loop, host, to, told, &o);
    assert_int_equal(o.calls, 0); /* never from within */
    while (o.calls == 0)
        reactor_turn(loop);
    assert_int_equal(o.calls, 1);
    assert_true((o.fd >= 0) == (o.why == CONNECT_OK));
    return o;
}

static void succeeds(void **state) {
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (int i = 0; i < 2; i++) {
        outcome o = attempt(hosts[i], port);
        assert_int_equal(o.why, CONNECT_OK);
        char peer[NET_ADDR_MAX];
        bool local;
        int fd;
        assert_true(status_ok(net_accept(listener, &fd, peer, &local)) && fd >= 0);
        close(fd);
        close(o.fd);
    }
}

static void fails(void **state) {
    (void)state;
    int closed_port = port;
    close(listener);
    assert_int_equal(attempt("127.0.0.1", closed_port).why, CONNECT_REFUSED);
    assert_int_equal(attempt("no such name", 1).why, CONNECT_NO_NAME);
    assert_true(status_ok(net_listen_tcp("127.0.0.1", 0, 16, &listener)));
    port = net_local_port(listener);
}

/* After none to three turns of the reactor; nothing is told, and a sanitizer sees what is left. */
static void called_off(void **state) {
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost", "192.0.2.1"};
    for (int i = 0; i < 12; i++) {
        outcome o = {.fd = -1};
        connecting *c = connect_begin(loop, hosts[i % 3], port, told, &o);
        for (int turns = i / 3; turns > 0 && o.calls == 0; turns--) {
            reactor_wake(loop);
            reactor_turn(loop);
        }
        if (o.calls == 0) {
            connect_cancel(c);
        } else if (o.fd >= 0) {
            close(o.fd);
        }
    }
    for (int i = 0; i < 5; i++) /* look-ups that could not be taken back */
        (void)attempt("localhost", port);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(succeeds),
        cmocka_unit_test(fails),
        cmocka_unit_test(called_off),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
