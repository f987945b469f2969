/* Connections that are more than a socket: which must get through a handshake first, and which hold
 * bytes that no event tells of. */
#include "session/input.h"
#include "session/state.h"
#include "support/session_kit.h"
#include "support/unit.h"

#include <string.h>

static kit k;

static int setup(void **state) {
    (void)state;
    kit_start(&k);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    kit_stop(&k);
    return 0;
}

/* A connection that reads a few bytes at a time. */
typedef struct stepped_end {
    conn conn;
    const char *in;
    size_t piece;
    unsigned reads, writes;
    buf out;
    bool closed;
} stepped_end;

static ssize_t slow_read(conn *c, void *p, size_t n) {
    stepped_end *s = (stepped_end *)(void *)c;
    size_t left = strlen(s->in);
    s->reads++;
    c->pending = false;
    if (c->shaking || left == 0) return -1;
    if (n > s->piece) n = s->piece;
    if (n > left) n = left;
    memcpy(p, s->in, n);
    s->in += n;
    c->pending = n < left;
    return (ssize_t)n;
}

static ssize_t slow_writev(conn *c, const struct iovec *iov, int n) {
    stepped_end *s = (stepped_end *)(void *)c;
    ssize_t all = 0;
    s->writes++;
    c->write_on_read = c->shaking;
    if (c->shaking) return -1;
    for (int i = 0; i < n; i++) {
        buf_append(&s->out, iov[i].iov_base, iov[i].iov_len);
        all += (ssize_t)iov[i].iov_len;
    }
    return all;
}

static void slow_close(conn *c) {
    ((stepped_end *)(void *)c)->closed = true;
}

static const conn_ops slow_ops = {slow_read, slow_writev, slow_close, NULL};

/* They outlive their clients. */
static stepped_end e, other;

static client *open_slow(stepped_end *s, const char *in, size_t piece, bool local) {
    *s = (stepped_end){.conn = {.ops = &slow_ops, .fd = -1}, .in = in, .piece = piece};
    return session_adopt(k.session, &s->conn, "1.2.3.4:5", local);
}

static void assert_out(const char *text) {
    assert_int_equal(e.out.len, strlen(text));
    assert_memory_equal(e.out.data, text, e.out.len);
}

/* One event, and then turns without any: everything that came is run. */
static void test_pending(void **state) {
    (void)state;
    client *c = open_slow(&e, "PING\r\nPING a\r\nPING b\r\n", 3, true);
    input_ready(c);
    assert_true(list_used(&c->read_link));
    for (int i = 0; i < 10; i++)
        kit_turn(&k);
    assert_out("+PONG\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_int_equal(e.reads, 8);
    assert_false(list_used(&c->read_link));
    buf_free(&e.out);
}

/* Who waits is read as far as any that waits is; who is not to be read is left alone. */
static void test_pending_and_stopped(void **state) {
    (void)state;
    client *c = open_slow(&e, "BLOCK 1000\r\nPING\r\nQUIT\r\nPING\r\n", 12, true);
    input_ready(c);
    kit_turn(&k);
    assert_true(c->flags & CLIENT_BLOCKED);
    kit_turn(&k);
    kit_turn(&k);
    assert_int_equal(e.out.len, 0);
    assert_int_equal(c->query.len, strlen("PING\r\nQUIT\r\nPING\r\n"));
    kit_sleep(&k, 1001);
    kit_turn(&k);
    kit_turn(&k);
    assert_true(e.closed);
    buf_free(&e.out);
}

/* Bytes that come behind the end of a client are not read. */
static void test_pending_at_the_end(void **state) {
    (void)state;
    client *c = open_slow(&e, "QUIT\r\nPING\r\n", 6, true);
    input_ready(c);
    assert_false(list_used(&c->read_link));
    kit_turn(&k);
    assert_out("+OK\r\n");
    assert_true(e.closed);
    buf_free(&e.out);
}

/* It counts as a client, says nothing, and has some seconds. */
static void test_handshake_ends(void **state) {
    (void)state;
    client *c = open_slow(&e, "PING\r\n", 100, true);
    e.conn.shaking = true;
    c = open_slow(&other, "PING\r\n", 100, true);
    other.conn.shaking = true;
    input_ready(c);
    assert_int_equal(session_client_count(k.session), 2);
    for (int i = 0; i < 9; i++) {
        kit_sleep(&k, 1000);
        session_cron(k.session);
        kit_turn(&k);
    }
    e.conn.shaking = false;
    assert_int_equal(session_client_count(k.session), 2);
    for (int i = 0; i < 3; i++) {
        kit_sleep(&k, 1000);
        session_cron(k.session);
        kit_turn(&k);
    }
    assert_true(other.closed);
    assert_false(e.closed);
    assert_int_equal(session_client_count(k.session), 1);
    assert_int_equal(other.out.len, 0);
}

/* Protected mode tells why when it can: after the handshake. At the limit of clients nothing is
 * told, as a handshake costs more than a client. */
static void test_refused(void **state) {
    (void)state;
    client *c = open_slow(&e, "", 1, false);
    assert_null(c); /* a plain one: at once */
    assert_memory_equal(e.out.data, "-DENIED", 7);
    buf_free(&e.out);

    e = (stepped_end){.conn = {.ops = &slow_ops, .fd = -1, .shaking = true}, .in = "PING\r\n"};
    c = session_adopt(k.session, &e.conn, "1.2.3.4:5", false);
    assert_non_null(c);
    kit_turn(&k);
    assert_int_equal(e.out.len, 0);
    assert_true(c->flags & CLIENT_WRITE_WAIT);
    assert_int_equal(c->events, REACTOR_READ); /* what the handshake waits for */
    e.conn.shaking = e.conn.write_on_read = false;
    output_writable(c);
    kit_turn(&k);
    assert_memory_equal(e.out.data, "-DENIED", 7);
    assert_true(e.closed);
    assert_int_equal(session_statistics(k.session)->rejected_connections, 2);
    buf_free(&e.out);

    kit_set("maxclients", "1");
    c = open_slow(&e, "", 1, true);
    assert_non_null(c);
    other = (stepped_end){.conn = {.ops = &slow_ops, .fd = -1, .shaking = true}, .in = ""};
    assert_null(session_adopt(k.session, &other.conn, "1.2.3.4:6", true));
    assert_true(other.closed);
    assert_int_equal(other.writes, 0);
    kit_set("maxclients", "10000");
}

/* What the connection takes is the client's. */
static void test_memory(void **state) {
    (void)state;
    fake_end *end;
    client *c = kit_client(&k, &end);
    size_t before = client_memory(c);
    end->conn.memory = 12345;
    assert_int_equal(client_memory(c), before + 12345);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pending, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pending_and_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pending_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handshake_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
