/* Tests of conn over sockets: what read and writev say, and that close reaches a peer whose socket
 * a forked child holds too. */
#include "io/net.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static conn *c;
static int peer;

static int setup(void **state) {
    (void)state;
    int p[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
    c = conn_socket(p[0], true);
    peer = p[1];
    assert_int_equal(c->fd, p[0]);
    assert_true(c->is_unix);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (c) c->ops->close(c);
    close(peer);
    return 0;
}

static ssize_t write_text(const char *a, const char *b) {
    struct iovec iov[2] = {{(void *)(uintptr_t)a, strlen(a)},
                           {(void *)(uintptr_t)b, b ? strlen(b) : 0}};
    return c->ops->writev(c, iov, b ? 2 : 1);
}

static void test_read(void **state) {
    (void)state;
    char p[8];
    assert_int_equal(c->ops->read(c, p, sizeof(p)), -1);
    assert_int_equal(write(peer, "0123456789", 10), 10);
    assert_int_equal(c->ops->read(c, p, sizeof(p)), 8);
    assert_int_equal(c->ops->read(c, p, sizeof(p)), 2);
    assert_memory_equal(p, "89", 2);
    assert_int_equal(c->ops->read(c, p, sizeof(p)), -1);
    shutdown(peer, SHUT_WR);
    assert_int_equal(c->ops->read(c, p, sizeof(p)), 0);
}

static void test_write(void **state) {
    (void)state;
    char p[16];
    assert_int_equal(write_text("one", NULL), 3);
    assert_int_equal(write_text("two", "three"), 8);
    assert_int_equal(read(peer, p, sizeof(p)), 11);
    assert_memory_equal(p, "onetwothree", 11);
}

/* A peer that does not read: as much as fits, then would-block; nothing is lost or doubled. */
static void test_full_socket(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    char *bytes = malloc(N), *back = malloc(N);
    for (int i = 0; i < N; i++)
        bytes[i] = (char)(i * 7 + i / 256);
    size_t sent = 0, got = 0;
    bool blocked = false;
    while (got < N) {
        struct iovec iov[2] = {{bytes + sent, (N - sent) / 2}, {NULL, 0}};
        iov[1].iov_base = bytes + sent + iov[0].iov_len;
        iov[1].iov_len = N - sent - iov[0].iov_len;
        ssize_t w = sent < N ? c->ops->writev(c, iov, 2) : -1;
        if (w >= 0) {
            sent += (size_t)w;
            continue;
        }
        assert_int_equal(w, -1);
        blocked |= sent < N;
        ssize_t r = read(peer, back + got, N - got);
        assert_true(r > 0);
        got += (size_t)r;
    }
    assert_true(blocked);
    assert_memory_equal(bytes, back, N);
    free(bytes);
    free(back);
}

/* More pieces than the kernel takes in one call. */
static void test_many_pieces(void **state) {
    (void)state;
    enum { N = 3000 };
    static struct iovec iov[N];
    static char bytes[N];
    for (int i = 0; i < N; i++)
        iov[i] = (struct iovec){&bytes[i], 1};
    ssize_t w = c->ops->writev(c, iov, N);
    assert_true(w > 0 && w <= N);
}

/* A peer that is gone is an error of the connection; no signal comes. */
static void test_gone(void **state) {
    (void)state;
    close(peer);
    peer = -1;
    assert_int_equal(write_text("x", NULL), -2);
    assert_int_equal(c->last_errno, EPIPE);
    assert_string_equal(conn_error(c), "Broken pipe");
    assert_int_equal(write_text("x", "y"), -2);
}

static void test_read_error(void **state) {
    (void)state;
    char p[8];
    int fd = dup(c->fd);
    close(c->fd); /* as if the number had been closed behind its back */
    assert_int_equal(c->ops->read(c, p, sizeof(p)), -2);
    assert_int_equal(c->last_errno, EBADF);
    dup2(fd, c->fd);
    close(fd);
}

static void test_close_while_a_child_holds_it(void **state) {
    (void)state;
    int hold[2];
    assert_int_equal(pipe(hold), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char b;
        close(hold[1]);
        _exit((int)read(hold[0], &b, 1));
    }
    c->ops->close(c);
    c = NULL;
    struct pollfd p = {peer, POLLIN, 0};
    assert_int_equal(poll(&p, 1, 5000), 1);
    char b;
    assert_int_equal(read(peer, &b, 1), 0); /* told, though the child lives */
    close(hold[1]);
    close(hold[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_read),
        TEST(test_write),
        TEST(test_full_socket),
        TEST(test_many_pieces),
        TEST(test_gone),
        TEST(test_read_error),
        TEST(test_close_while_a_child_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
