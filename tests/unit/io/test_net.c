/* Tests of net: listening on each family, what is said when that fails, accepting, options. */
#include "io/net.h"
#include "support/tempdir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_ok(status s) {
    if (!status_ok(s)) fail_msg("status %d: %s", s.code, s.msg);
}

static void assert_status(status s, status_code code, const char *text) {
    if (s.code != code || strcmp(s.msg, text) != 0)
        fail_msg("wanted %d '%s', got %d '%s'", code, text, s.code, s.msg);
}

/* Connects to a TCP listener over family; -1 if refused. */
static int connect_to(int family, int port) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    int s = socket(family, SOCK_STREAM, 0);
    int r = family == AF_INET ? connect(s, (struct sockaddr *)&v4, sizeof(v4))
                              : connect(s, (struct sockaddr *)&v6, sizeof(v6));
    if (r == 0) return s;
    close(s);
    return -1;
}

static void assert_flags(int fd) {
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* Connects, accepts and compares both ends' names. */
static void check_accept(int listener, int family, const char *ip) {
    int port = net_local_port(listener), fd = 0;
    char peer[NET_ADDR_MAX], own[NET_ADDR_MAX], want[NET_ADDR_MAX];
    bool local = true;
    assert_true(port > 0);
    assert_ok(net_accept(listener, &fd, peer, &local)); /* nobody waits */
    assert_int_equal(fd, -1);
    int client = connect_to(family, port);
    assert_true(client >= 0);
    assert_ok(net_accept(listener, &fd, peer, &local));
    assert_true(fd >= 0 && local);
    assert_flags(fd);
    net_local_addr(client, own);
    assert_string_equal(peer, own);
    net_local_addr(fd, own);
    snprintf(want, sizeof(want), "%s:%d", ip, port);
    assert_string_equal(own, want);
    close(fd);
    close(client);
}

static bool has_v6(void) {
    int fd;
    if (!status_ok(net_listen_tcp("::1", 0, 1, &fd))) return false;
    close(fd);
    return true;
}

/* ---- TCP
 * ---------------------------------------------------------------------------------------*/

static void test_v4(void **state) {
    (void)state;
    int fd = -1;
    assert_ok(net_listen_tcp("127.0.0.1", 0, 16, &fd));
    assert_flags(fd);
    check_accept(fd, AF_INET, "127.0.0.1");
    close(fd);
    assert_ok(net_listen_tcp("*", 0, 16, &fd));
    check_accept(fd, AF_INET, "127.0.0.1");
    if (has_v6()) assert_int_equal(connect_to(AF_INET6, net_local_port(fd)), -1);
    close(fd);
}

/* Names are looked up too. A bare system may not know even this one. */
static void test_name(void **state) {
    (void)state;
    struct addrinfo *found;
    int fd = -1;
    if (getaddrinfo("localhost", NULL, NULL, &found) != 0) skip();
    freeaddrinfo(found);
    assert_ok(net_listen_tcp("localhost", 0, 16, &fd));
    close(fd);
}

static void test_v6(void **state) {
    (void)state;
    if (!has_v6()) skip();
    int fd = -1, fd4 = -1;
    assert_ok(net_listen_tcp("::1", 0, 16, &fd));
    check_accept(fd, AF_INET6, "[::1]");
    close(fd);
    assert_ok(net_listen_tcp("::*", 0, 16, &fd));
    check_accept(fd, AF_INET6, "[::1]");
    /* The same port of the other family is free: the socket is for v6 alone. (Somebody else may
     * have just that one.) */
    for (int tries = 0; tries < 5; tries++) {
        status st = net_listen_tcp("*", net_local_port(fd), 16, &fd4);
        if (status_ok(st)) break;
        assert_int_equal(st.code, ST_BUSY);
        close(fd);
        assert_ok(net_listen_tcp("::*", 0, 16, &fd));
    }
    assert_true(fd4 >= 0);
    check_accept(fd4, AF_INET, "127.0.0.1");
    close(fd4);
    close(fd);
}

static void test_port_in_use(void **state) {
    (void)state;
    int first = -1, second = 5;
    char want[128];
    assert_ok(net_listen_tcp("127.0.0.1", 0, 16, &first));
    int port = net_local_port(first);
    snprintf(want, sizeof(want),
             "Could not create server TCP listening socket 127.0.0.1:%d: bind: "
             "Address already in use",
             port);
    assert_status(net_listen_tcp("127.0.0.1", port, 16, &second), ST_BUSY, want);
    assert_int_equal(second, -1);
    /* A connection that was closed from here lingers, and must not keep the port from a restart. */
    int client = connect_to(AF_INET, port), fd;
    char peer[NET_ADDR_MAX];
    bool local;
    assert_ok(net_accept(first, &fd, peer, &local));
    close(fd);
    close(client);
    close(first);
    assert_ok(net_listen_tcp("127.0.0.1", port, 16, &first));
    close(first);
}

static void test_bad_addresses(void **state) {
    (void)state;
    int fd = 5;
    status s = net_listen_tcp("192.0.2.1", 0, 16, &fd); /* TEST-NET-1: of no machine */
    assert_status(s, ST_NOT_FOUND,
                  "Could not create server TCP listening socket 192.0.2.1:0: bind: "
                  "Cannot assign requested address");
    assert_int_equal(fd, -1);
    s = net_listen_tcp("1.2.3.4.5", 0, 16, &fd);
    assert_int_equal(s.code, ST_INVALID);
    assert_non_null(strstr(s.msg, "socket 1.2.3.4.5:0: "));
    assert_status(net_listen_tcp("*", 65536, 16, &fd), ST_INVALID, "Invalid port: 65536");
    assert_status(net_listen_tcp("*", -1, 16, &fd), ST_INVALID, "Invalid port: -1");
}

static void test_options(void **state) {
    (void)state;
    int fd = -1, on = 0;
    socklen_t n = sizeof(on);
    assert_ok(net_listen_tcp("127.0.0.1", 0, 16, &fd));
    int client = connect_to(AF_INET, net_local_port(fd));
    assert_ok(net_set_nodelay(client));
    getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, &n);
    assert_true(on);
    static const int names[3] = {TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT};
    static const int seconds[3] = {300, 2, 1}, want[3][3] = {{300, 100, 3}, {2, 1, 3}, {1, 1, 3}};
    for (int i = 0; i < 3; i++) {
        assert_ok(net_set_keepalive(client, seconds[i]));
        getsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, &n);
        assert_true(on);
        for (int k = 0; k < 3; k++) {
            getsockopt(client, IPPROTO_TCP, names[k], &on, &n);
            assert_int_equal(on, want[i][k]);
        }
    }
    assert_ok(net_set_keepalive(client, 0));
    getsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, &n);
    assert_false(on);
    assert_int_equal(net_set_nodelay(-1).code, ST_IO);
    close(client);
    close(fd);
    char text[NET_ADDR_MAX];
    net_local_addr(-1, text);
    assert_string_equal(text, "?:0");
    assert_int_equal(net_local_port(-1), 0);
}

/* Out of descriptors: told apart, as the server then stops accepting for a while. */
static void test_no_descriptors(void **state) {
    (void)state;
    int listener = -1, fd = 5;
    char peer[NET_ADDR_MAX];
    bool local;
    assert_ok(net_listen_tcp("127.0.0.1", 0, 16, &listener));
    int client = connect_to(AF_INET, net_local_port(listener));
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    status s = net_accept(listener, &fd, peer, &local);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_status(s, ST_LIMIT, "accept: Too many open files");
    assert_int_equal(fd, -1);
    assert_ok(net_accept(listener, &fd, peer, &local)); /* it still waits */
    assert_true(fd >= 0);
    close(fd);
    close(client);
    assert_int_equal(net_accept(-1, &fd, peer, &local).code, ST_IO);
    close(listener);
}

/* ---- unix
 * --------------------------------------------------------------------------------------*/

static int connect_unix(const char *path) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&a, sizeof(a)) == 0) return s;
    close(s);
    return -1;
}

static void test_unix(void **state) {
    (void)state;
    tempdir dir;
    tempdir_make(&dir);
    const char *path = tempdir_file(&dir, "s.sock");
    int listener = -1, second = 5, fd = -1;
    assert_ok(net_listen_unix(path, 0751, 16, &listener));
    assert_flags(listener);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0751);
    int client = connect_unix(path);
    assert_true(client >= 0);
    char peer[NET_ADDR_MAX], want[NET_ADDR_MAX + 8];
    bool local = false;
    assert_ok(net_accept(listener, &fd, peer, &local));
    assert_true(local);
    assert_flags(fd);
    snprintf(want, sizeof(want), "%s:0", path);
    assert_string_equal(peer, want);
    assert_int_equal(net_local_port(fd), 0);
    /* Somebody listens: it stays his. */
    char text[256];
    snprintf(text, sizeof(text),
             "Could not create server unix socket %s: bind: Address already in use", path);
    assert_status(net_listen_unix(path, 0, 16, &second), ST_BUSY, text);
    assert_int_equal(second, -1);
    int again = connect_unix(path);
    assert_true(again >= 0);
    close(again);
    close(fd);
    close(client);
    close(listener);
    /* Nobody listens any more, but the file is there: replaced. */
    assert_int_equal(connect_unix(path), -1);
    assert_ok(net_listen_unix(path, 0, 16, &listener));
    client = connect_unix(path);
    assert_true(client >= 0);
    close(client);
    close(listener);
    tempdir_remove(&dir);
}

static void test_unix_refused(void **state) {
    (void)state;
    tempdir dir;
    tempdir_make(&dir);
    const char *file = tempdir_file(&dir, "precious");
    int fd = open(file, O_CREAT | O_WRONLY, 0600), s = 5;
    close(fd);
    char text[256];
    snprintf(text, sizeof(text),
             "Could not create server unix socket %s: the file exists and is no socket", file);
    assert_status(net_listen_unix(file, 0, 16, &s), ST_INVALID, text);
    assert_int_equal(s, -1);
    assert_int_equal(access(file, F_OK), 0);
    char path[200];
    memset(path, 'x', sizeof(path));
    path[107] = 0; /* the longest that fits in sun_path */
    assert_int_equal(net_listen_unix("", 0, 16, &s).code, ST_INVALID);
    path[107] = 'x';
    path[108] = 0;
    assert_int_equal(net_listen_unix(path, 0, 16, &s).code, ST_INVALID);
    status missing = net_listen_unix(tempdir_file(&dir, "no/s"), 0, 16, &s);
    assert_int_equal(missing.code, ST_IO);
    assert_non_null(strstr(missing.msg, "bind: No such file"));
    tempdir_remove(&dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v4),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_v6),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_unix_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
