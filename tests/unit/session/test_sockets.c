/* sockets: the same over the reactor and real connections: accepting, pipelines, slow readers. */
#include "support/session_kit.h"
#include "support/unit.h"

#include "io/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static kit k;
static int listener_fd;

static int setup(void **state) {
    (void)state;
    kit_start(&k);
    status st = net_listen_tcp("127.0.0.1", 0, 16, &listener_fd);
    assert_true(status_ok(st));
    st = session_listen(k.session, listener_fd);
    assert_true(status_ok(st));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    session_unlisten(k.session, listener_fd);
    close(listener_fd);
    kit_stop(&k);
    return 0;
}

/* A non-blocking socket to the session. small: with a small receive buffer. */
static int connect_to(bool small) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), bytes = 4096;
    if (small) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)net_local_port(listener_fd)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Turns until `n` bytes have come, or the other end closed; returns how many. */
static size_t receive(int fd, char *out, size_t n) {
    size_t got = 0;
    for (int i = 0; i < 10000 && got < n; i++) {
        kit_turn(&k);
        ssize_t r = recv(fd, out + got, n - got, MSG_DONTWAIT);
        if (r == 0) break;
        if (r > 0) got += (size_t)r;
    }
    return got;
}

static void expect(int fd, const char *text) {
    char got[1024] = {0};
    size_t n = receive(fd, got, strlen(text));
    assert_int_equal(n, strlen(text));
    assert_string_equal(got, text);
}

static void say(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void conversation(void **state) {
    (void)state;
    int a = connect_to(false), b = connect_to(false);
    say(a, "PING\r\nSET k v\r\n");
    say(b, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    expect(a, "+PONG\r\n+OK\r\n");
    char got[16] = {0};
    receive(b, got, 5);
    assert_true(strncmp(got, "$1\r\nv", 5) == 0 || strncmp(got, "$-1\r\n", 5) == 0);
    assert_int_equal(session_client_count(k.session), 2);
    const client *c = session_next_client(k.session, NULL);
    char local[NET_ADDR_MAX], want[64];
    client_local_addr(c, local);
    snprintf(want, sizeof want, "127.0.0.1:%d", net_local_port(listener_fd));
    assert_string_equal(local, want);
    assert_int_equal(strncmp(c->peer, "127.0.0.1:", 10), 0);
    assert_true(c->flags & CLIENT_LOCAL);
    close(a);
    say(b, "QUIT\r\n");
    receive(b, got, sizeof got);
    for (int i = 0; i < 10; i++)
        kit_turn(&k);
    assert_int_equal(session_client_count(k.session), 0);
    close(b);
}

/* More than the sockets hold: goes on when the reader reads, over many turns. */
static void large_replies(void **state) {
    (void)state;
    enum { N = 20, SIZE = 1000000 };
    static char got[N * (SIZE + 12) + 7];
    int fd = connect_to(true);
    for (int i = 0; i < N; i++)
        say(fd, "BIG 1000000\r\n");
    for (int i = 0; i < 50; i++)
        kit_turn(&k);
    const client *c = session_next_client(k.session, NULL);
    assert_true(c->flags & CLIENT_WRITE_WAIT);
    size_t want = N * (10 + (size_t)SIZE + 2) + 7;
    say(fd, "PING\r\n");
    assert_int_equal(receive(fd, got, want), want);
    assert_memory_equal(got + want - 9, "\r\n+PONG\r\n", 9);
    for (int i = 0; i < N; i++)
        assert_memory_equal(got + (size_t)i * (SIZE + 12), "$1000000\r\nxxx", 13);
    assert_false(c->flags & CLIENT_WRITE_WAIT);
    assert_int_equal(session_client_memory(k.session), client_memory(c));
    close(fd);
    for (int i = 0; i < 10; i++)
        kit_turn(&k);
    assert_int_equal(session_client_count(k.session), 0);
}

/* A reset while there is output, and while a command is held. */
static void reset_by_peer(void **state) {
    (void)state;
    struct linger hard = {1, 0};
    int a = connect_to(true), b = connect_to(false);
    say(a, "BIG 100000000\r\n");
    for (int i = 0; i < 10; i++)
        kit_turn(&k);
    k.knobs->hold = true;
    say(b, "SET a 1\r\n");
    for (int i = 0; i < 10; i++)
        kit_turn(&k);
    assert_int_equal(session_client_count(k.session), 2);
    setsockopt(a, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    setsockopt(b, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(a);
    close(b);
    for (int i = 0; i < 20; i++)
        kit_turn(&k);
    assert_int_equal(session_client_count(k.session), 0);
}

static void too_many(void **state) {
    (void)state;
    kit_set("maxclients", "1");
    int a = connect_to(false), b = connect_to(false);
    say(a, "PING\r\n");
    expect(a, "+PONG\r\n");
    expect(b, "-ERR max number of clients reached\r\n");
    char byte;
    assert_int_equal(recv(b, &byte, 1, 0), 0);
    close(a);
    close(b);
}

static void unix_socket(void **state) {
    (void)state;
    char path[] = "/tmp/stave-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    char name[64];
    int lfd;
    snprintf(name, sizeof name, "%s/s", path);
    status st = net_listen_unix(name, 0700, 4, &lfd);
    assert_true(status_ok(st));
    st = session_listen(k.session, lfd);
    assert_true(status_ok(st));
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    say(fd, "PING\r\n");
    expect(fd, "+PONG\r\n");
    const client *c = session_next_client(k.session, NULL);
    assert_true(c->flags & CLIENT_UNIX);
    close(fd);
    session_unlisten(k.session, lfd);
    close(lfd);
    unlink(name);
    rmdir(path);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(conversation), TEST(large_replies), TEST(reset_by_peer),
        TEST(too_many),     TEST(unix_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
