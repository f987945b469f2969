/* TLS over a pair of sockets, both sides here: what read and writev promise, whatever the pieces
 * in which bytes come and go. The certificate is made by the openssl command, for this run. */
#include "io/tls.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/reactor.h"
#include "support/tempdir.h"
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_MOST 30000 /* bytes of a connection: less than its two buffers */

static tempdir dir;
static char cert[TEMPDIR_MAX], key[TEMPDIR_MAX];
static rng r;

/* What every test begins with: one certificate that trusts itself. */
static tls_options options(void) {
    return (tls_options){.cert_file = cert,
                         .key_file = key,
                         .ca_cert_file = cert,
                         .need_ca = true,
                         .session_caching = true,
                         .session_cache_size = 100,
                         .session_cache_timeout = 300};
}

static int make_certificate(void **state) {
    (void)state;
    char command[4 * TEMPDIR_MAX];
    tempdir_make(&dir);
    snprintf(cert, sizeof cert, "%s", tempdir_file(&dir, "cert.pem"));
    snprintf(key, sizeof key, "%s", tempdir_file(&dir, "key.pem"));
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-subj /CN=test -days 30 -keyout %s -out %s 2>/dev/null",
             key, cert);
    unit_seed(&r);
    return system(command);
}

static int remove_certificate(void **state) {
    (void)state;
    tls_forget();
    tempdir_remove(&dir);
    return 0;
}

/* ---- two sides ------------------------------------------------------------------------------- */

typedef struct ends {
    conn *server, *client;
} ends;

static void pair(int fds[2]) {
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static ends open_ends(void) {
    int fds[2];
    pair(fds);
    ends e = {tls_accept(fds[0]), tls_connect(fds[1])};
    assert_non_null(e.server);
    assert_non_null(e.client);
    assert_true(e.server->shaking && e.client->shaking);
    return e;
}

static void close_ends(ends e) {
    if (e.server) e.server->ops->close(e.server);
    if (e.client) e.client->ops->close(e.client);
}

static ssize_t get(conn *c, void *p, size_t n) {
    return c->ops->read(c, p, n);
}

static ssize_t put(conn *c, const char *p, size_t n) {
    struct iovec v = {(void *)(uintptr_t)p, n};
    return c->ops->writev(c, &v, 1);
}

static ends shaken(void) {
    ends e = open_ends();
    char p[1];
    for (int i = 0; e.server->shaking || e.client->shaking; i++) {
        assert_true(i < 10);
        assert_int_equal(get(e.client, p, 1), -1);
        assert_int_equal(get(e.server, p, 1), -1);
    }
    assert_false(e.server->read_on_write || e.server->write_on_read);
    return e;
}

static void configure(void) {
    tls_options o = options();
    status st = tls_configure(&o);
    if (!status_ok(st)) print_message("%s\n", st.msg);
    assert_true(status_ok(st));
    tls_set_auth(TLS_AUTH_YES);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* Who waits for what, so that an owner that asks the reactor makes progress and does not spin. */
static void test_handshake(void **state) {
    (void)state;
    configure();
    ends e = open_ends();
    char p[8];
    assert_int_equal(conn_events(e.server, true, false), REACTOR_READ);
    assert_int_equal(conn_events(e.server, false, true), REACTOR_READ);
    assert_int_equal(conn_events(e.client, false, true), REACTOR_WRITE);
    assert_int_equal(put(e.client, "hello", 5), -1);
    assert_int_equal(conn_events(e.client, false, true), REACTOR_READ);
    assert_int_equal(conn_ready(e.client, REACTOR_READ), REACTOR_READ | REACTOR_WRITE);
    assert_int_equal(get(e.server, p, 8), -1); /* says what it has to */
    assert_true(e.server->shaking);
    assert_int_equal(put(e.client, "hello", 5), 5);
    assert_int_equal(conn_events(e.client, true, true), REACTOR_READ | REACTOR_WRITE);
    assert_int_equal(get(e.server, p, 8), 5);
    assert_memory_equal(p, "hello", 5);
    assert_false(e.server->shaking || e.server->pending);
    assert_true(e.server->memory > 1000 && e.server->memory < 200000);
    assert_int_equal(put(e.server, "yes", 3), 3);
    assert_int_equal(get(e.client, p, 8), 3);
    close_ends(e);
}

/* What a read leaves over in OpenSSL no event tells of. */
static void test_pending(void **state) {
    (void)state;
    configure();
    ends e = shaken();
    char p[64];
    assert_int_equal(put(e.client, "0123456789", 10), 10);
    assert_int_equal(put(e.client, "abcdef", 6), 6);
    assert_int_equal(get(e.server, p, 4), 4);
    assert_true(e.server->pending);
    assert_int_equal(get(e.server, p, 4), 4);
    assert_true(e.server->pending);
    assert_int_equal(get(e.server, p, 64), 8); /* both records */
    assert_memory_equal(p, "89abcdef", 8);
    assert_false(e.server->pending);
    assert_int_equal(get(e.server, p, 64), -1);
    close_ends(e);
}

/* The end behind bytes is told by the next read, which nobody else would ask for. */
static void test_end(void **state) {
    (void)state;
    configure();
    ends e = shaken();
    char p[64];
    assert_int_equal(put(e.client, "last", 4), 4);
    e.client->ops->close(e.client);
    e.client = NULL;
    assert_int_equal(get(e.server, p, 64), 4);
    assert_true(e.server->pending);
    assert_int_equal(get(e.server, p, 64), 0);
    assert_int_equal(get(e.server, p, 64), 0);
    assert_false(e.server->pending);
    assert_int_equal(put(e.server, "x", 1), -2); /* and no SIGPIPE */
    assert_string_not_equal(conn_error(e.server), "");
    close_ends(e);
}

/* A socket that ends without a word of TLS ends the connection too; what is owed can be sent. */
static void test_half_closed(void **state) {
    (void)state;
    configure();
    ends e = shaken();
    char p[8];
    assert_int_equal(put(e.client, "ask", 3), 3);
    assert_int_equal(shutdown(e.client->fd, SHUT_WR), 0);
    assert_int_equal(get(e.server, p, 8), 3);
    assert_int_equal(get(e.server, p, 8), 0);
    assert_int_equal(put(e.server, "reply", 5), 5);
    assert_int_equal(get(e.client, p, 8), 5);
    close_ends(e);
}

/* A descriptor that is closed elsewhere (in a forked child) says nothing to the other end. */
static void test_close_in_child(void **state) {
    (void)state;
    configure();
    ends e = shaken();
    char p[8];
    close(dup(e.server->fd));
    assert_int_equal(get(e.client, p, 8), -1);
    assert_int_equal(put(e.server, "here", 4), 4);
    assert_int_equal(get(e.client, p, 8), 4);
    close_ends(e);
}

/* Bytes at place n of a stream. */
static unsigned char at_place(uint64_t n, int seed) {
    return (unsigned char)((n * 2654435761u + (uint64_t)seed) >> 7);
}

/* One direction: what was sent of a stream and what has come. */
typedef struct stream {
    conn *from, *to;
    uint64_t sent, come, all;
    size_t offered; /* at the last write, which was not taken whole */
    int seed;
} stream;

/* Offers up to eight vectors, from new memory each time; at least as much as was offered before. */
static void send_some(stream *s) {
    struct iovec v[8];
    int n = 1 + (int)rng_below(&r, 8);
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        size_t left = (size_t)(s->all - s->sent - total);
        size_t len = rng_below(&r, rng_below(&r, 4) ? 300 : 40000);
        if (i == n - 1 && total + len < s->offered) len = s->offered - total;
        if (len > left) len = left;
        v[i] = (struct iovec){mem_alloc(len), len};
        for (size_t k = 0; k < len; k++)
            ((unsigned char *)v[i].iov_base)[k] = at_place(s->sent + total + k, s->seed);
        total += len;
    }
    ssize_t w = total ? s->from->ops->writev(s->from, v, n) : 0;
    assert_true(w >= -1 && w <= (ssize_t)total);
    s->offered = total;
    if (w > 0) {
        s->sent += (size_t)w;
        s->offered -= (size_t)w;
    }
    for (int i = 0; i < n; i++)
        mem_free(v[i].iov_base);
}

static void receive_some(stream *s) {
    static unsigned char p[70000];
    ssize_t n = get(s->to, p, 1 + rng_below(&r, rng_below(&r, 3) ? sizeof p : 30));
    assert_true(n == -1 || n > 0);
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(p[i], at_place(s->come + (size_t)i, s->seed));
    if (n > 0) s->come += (size_t)n;
}

/* Megabytes in both directions at once, through small sockets: every partial write there is. */
static void test_streams(void **state) {
    (void)state;
    configure();
    ends e = shaken();
    int small = 5000;
    setsockopt(e.server->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(e.client->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    uint64_t all = (uint64_t)unit_rounds(3000) * 1000;
    stream both[2] = {{.from = e.server, .to = e.client, .all = all, .seed = 1},
                      {.from = e.client, .to = e.server, .all = all, .seed = 2}};
    uint64_t idle = 0;
    while (both[0].come < all || both[1].come < all) {
        stream *s = &both[rng_below(&r, 2)];
        uint64_t before = both[0].come + both[1].come;
        if (rng_below(&r, 2))
            send_some(s);
        else
            receive_some(s);
        idle = both[0].come + both[1].come > before ? 0 : idle + 1;
        assert_true(idle < 10000);
    }
    assert_true(both[0].sent == all && both[1].sent == all);
    assert_true(e.server->memory < 200000);
    close_ends(e);
}

/* Whatever waits in one socket goes to the other, a byte at most. */
static bool relay_one(int from, int to) {
    char byte;
    if (recv(from, &byte, 1, 0) != 1) return false;
    assert_int_equal(send(to, &byte, 1, 0), 1);
    return true;
}

/* The handshake and a request, each byte by itself: no read spins, none is missed. */
static void test_byte_at_a_time(void **state) {
    (void)state;
    configure();
    int a[2], b[2];
    pair(a);
    pair(b);
    conn *server = tls_accept(a[0]), *client = tls_connect(b[0]);
    char p[8];
    ssize_t n = -1;
    bool sent = false;
    for (int i = 0; n != 4; i++) {
        assert_true(i < 100000);
        if (!sent) sent = put(client, "ping", 4) == 4;
        (void)relay_one(b[1], a[1]);
        n = get(server, p, 8);
        assert_true(n == -1 || n == 4);
        if (n == -1) assert_false(server->pending);
        (void)relay_one(a[1], b[1]);
    }
    assert_memory_equal(p, "ping", 4);
    close_ends((ends){server, client});
    close(a[1]);
    close(b[1]);
}

/* Bytes that are no TLS, also when they begin as if they were; and a valid beginning, damaged. */
static void test_garbage(void **state) {
    (void)state;
    configure();
    static const char *const texts[] = {"GET / HTTP/1.0\r\n\r\n", "*1\r\n$4\r\nPING\r\n"};
    static const char *const errors[] = {"http request", "wrong version number"};
    char p[600];
    for (int i = 0; i < unit_rounds(300); i++) {
        int fds[2];
        pair(fds);
        conn *c = tls_accept(fds[0]);
        ssize_t n;
        if (i < 2) {
            assert_true(write(fds[1], texts[i], strlen(texts[i])) > 0);
            assert_int_equal(get(c, p, sizeof p), -2);
            assert_non_null(strstr(conn_error(c), errors[i]));
        } else {
            conn *client = tls_connect(dup(fds[1]));
            (void)put(client, "x", 1); /* its hello goes to c ... */
            n = recv(fds[0], p, sizeof p, 0);
            assert_true(n > 100);
            p[rng_below(&r, (uint64_t)n)] ^= (char)(1 + rng_below(&r, 255)); /* ... with an error */
            if (i % 3 == 0) n = (ssize_t)rng_below(&r, (uint64_t)n);
            assert_int_equal(send(fds[1], p, (size_t)n, 0), n);
            client->ops->close(client);
            for (int k = 0; k < 3; k++)
                assert_true(get(c, p, sizeof p) <= 0);
        }
        assert_true(put(c, "x", 1) < 0);
        c->ops->close(c);
        close(fds[1]);
    }
}

/* Why a configuration is refused; the one before it stays. */
static void test_refused(void **state) {
    (void)state;
    configure();
    static const struct {
        const char *cert, *protocols, *ciphers, *suites, *dh, *text;
    } bad[] = {
        {.cert = "", .text = "No tls-cert-file configured!"},
        {.cert = "/nowhere", .text = "Failed to load certificate: /nowhere: error:"},
        {.protocols = "TLSv1.9", .text = "Invalid tls-protocols specified"},
        {.ciphers = "none-such", .text = "Failed to configure ciphers: none-such"},
        {.suites = "none-such", .text = "Failed to configure ciphersuites: none-such"},
        {.dh = "/nowhere", .text = "Failed to load /nowhere: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tls_options o = options();
        if (bad[i].cert) o.cert_file = bad[i].cert;
        o.protocols = bad[i].protocols;
        o.ciphers = bad[i].ciphers;
        o.ciphersuites = bad[i].suites;
        o.dh_params_file = bad[i].dh;
        status st = tls_configure(&o);
        assert_false(status_ok(st));
        assert_non_null(strstr(st.msg, bad[i].text));
        assert_true(tls_configured());
    }
    tls_options o = options();
    o.key_file = cert;
    assert_non_null(strstr(tls_configure(&o).msg, "Failed to load private key"));
    o = options();
    o.ca_cert_file = NULL;
    assert_non_null(strstr(tls_configure(&o).msg, "must be specified"));
    o.need_ca = false;
    assert_true(status_ok(tls_configure(&o)));
    configure();
    close_ends(shaken());
    tls_forget();
    assert_false(tls_configured());
}

/* Versions that one side does not have, and a certificate that nobody trusts. */
static void test_no_agreement(void **state) {
    (void)state;
    tls_options o = options();
    char p[8];
    configure();
    int fds[2];
    pair(fds);
    conn *client = tls_connect(fds[1]);
    o.protocols = "tlsv1.2";
    assert_true(status_ok(tls_configure(&o)));
    conn *server = tls_accept(fds[0]);
    for (int i = 0; i < 5; i++) /* 1.2 is common to both */
        (void)(get(client, p, 8) + get(server, p, 8));
    assert_false(server->shaking || client->shaking);
    close_ends((ends){server, client});

    pair(fds);
    client = tls_connect(fds[1]);
    o.protocols = "TLSv1.3";
    assert_true(status_ok(tls_configure(&o)));
    server = tls_accept(fds[0]);
    assert_int_equal(put(client, "x", 1), -1);
    assert_int_equal(get(server, p, 8), -2);
    assert_non_null(strstr(conn_error(server), "protocol"));
    assert_int_equal(get(client, p, 8), -2);
    close_ends((ends){server, client});

    o = options();
    o.ca_cert_file = NULL;
    o.need_ca = false;
    assert_true(status_ok(tls_configure(&o)));
    pair(fds);
    client = tls_connect(fds[1]);
    server = tls_accept(fds[0]);
    assert_int_equal(put(client, "x", 1), -1);
    assert_int_equal(get(server, p, 8), -1);
    assert_int_equal(get(client, p, 8), -2);
    assert_non_null(strstr(conn_error(client), "certificate verify failed"));
    assert_int_equal(get(server, p, 8), -2);
    close_ends((ends){server, client});
}

/* An idle connection keeps no buffers. */
static void test_memory(void **state) {
    (void)state;
    configure();
    close_ends(shaken());
    ends e = shaken();
    size_t idle = e.server->memory;
    assert_int_equal(put(e.client, "some", 4), 4);
    char p[8];
    assert_int_equal(get(e.server, p, 8), 4);
    assert_true(e.server->memory <= idle + 1000); /* its buffers are not kept */
    print_message("MEASURED: %zu bytes an idle connection\n", e.server->memory);
    assert_true(e.server->memory < IDLE_MOST);
    close_ends(e);
}

int main(void) {
    tls_options none = {0};
    if (tls_configure(&none).code == ST_NOT_FOUND) {
        printf("SKIPPED: this build has no TLS\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_close_in_child),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_byte_at_a_time),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_agreement),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
