/* TLS over a socket, by OpenSSL: a table of conn_ops.
 *
 *       owner            conn               OpenSSL              socket
 *      read  <-- bytes --  tls_read  <-- SSL_read <-- records --  recv
 *      writev -- vectors -> one record -> SSL_write -- records -> send
 *
 * OpenSSL reads the socket through a BIO of our own, which calls recv and send as conn.c does (no
 * SIGPIPE) and remembers two things: whether the socket had nothing more (`starved`), and whether
 * it is at its end. As it reads all that the socket has, what is left over lies in OpenSSL, where
 * epoll does not see it: then the conn is `pending`, unless the socket was starved, as then the
 * rest of a record is missing and will come as an event.
 *
 * A read of records that carry no data (a key update, tickets) ends too, after READ_STEPS of them:
 * whoever sends nothing else does not keep the reactor. An end or an error behind bytes that were
 * read is told by the next read.
 *
 * Small vectors are put together to one record, of 16 KiB at most. A record that the socket did
 * not take whole stays in OpenSSL; it must be offered again from the same byte on, and at least as
 * long: so every call takes as much as fits a record, from the first byte not taken on, and what
 * it takes can only have become longer. */
#include "io/tls.h"
#include "io/tls_int.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD      16384 /* bytes of plain text in a record, at most */
#define READ_STEPS  256
#define WOULD_BLOCK (-1)
#define FAILED      (-2)

typedef struct tls {
    conn conn; /* first: a conn * is a tls * */
    SSL *ssl;
    bool starved;    /* the last recv had nothing */
    bool eof;        /* the socket is at its end */
    bool broken;     /* nothing more is to be said to the other end */
    bool ended;      /* `end` is what the next read answers */
    ssize_t end;     /* 0 or FAILED */
    char *error;     /* what OpenSSL said, NULL: last_errno says it */
    int64_t counted; /* tls_context_memory before the call */
} tls;

/* ---- the socket ------------------------------------------------------------------------------ */

/* What a send or recv that failed means to OpenSSL. */
static int socket_failed(tls *t, BIO *b, bool reading) {
    t->conn.last_errno = errno;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return -1;
    if (reading) {
        t->starved = true;
        BIO_set_retry_read(b);
    } else {
        BIO_set_retry_write(b);
    }
    return -1;
}

static int bio_read(BIO *b, char *p, int n) {
    tls *t = BIO_get_data(b);
    ssize_t r;
    BIO_clear_retry_flags(b);
    do
        r = recv(t->conn.fd, p, (size_t)n, 0);
    while (r < 0 && errno == EINTR);
    if (r < 0) return socket_failed(t, b, true);
    if (r == 0) t->eof = true;
    return (int)r;
}

static int bio_write(BIO *b, const char *p, int n) {
    tls *t = BIO_get_data(b);
    ssize_t r;
    BIO_clear_retry_flags(b);
    do
        r = send(t->conn.fd, p, (size_t)n, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return r < 0 ? socket_failed(t, b, false) : (int)r;
}

/* Nothing is held back, so there is nothing to flush. */
static long bio_ctrl(BIO *b, int what, long n, void *p) {
    (void)b;
    (void)n;
    (void)p;
    return what == BIO_CTRL_FLUSH;
}

/* One for all connections, and for good. */
static BIO_METHOD *bio_method(void) {
    static BIO_METHOD *m;
    if (m) return m;
    m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket of a conn");
    CHECK(m);
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
}

/* ---- around every call ----------------------------------------------------------------------- */

/* The queue of errors is the thread's: what is in it must be this call's. */
static void begin(tls *t) {
    ERR_clear_error();
    t->counted = tls_context_memory();
    t->starved = false;
}

/* What the call allocated is the connection's, and what it freed was. */
static void count(tls *t) {
    int64_t n = (int64_t)t->conn.memory + tls_context_memory() - t->counted;
    t->conn.memory = n > 0 ? (size_t)n : 0;
}

/* What a call that did not succeed means: would block (and *crossed: for the other direction than
 * the call's own), the other end's end, or an error. */
static ssize_t outcome(tls *t, int r, int crossing, bool *crossed) {
    int why = SSL_get_error(t->ssl, r);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        *crossed = why == crossing;
        return WOULD_BLOCK;
    }
    if (why == SSL_ERROR_ZERO_RETURN || (why == SSL_ERROR_SYSCALL && t->eof)) return 0;
    t->broken = true;
    if (why == SSL_ERROR_SYSCALL && !ERR_peek_error()) return FAILED;
    if (!t->error) t->error = mem_strdup(tls_context_error());
    return FAILED;
}

/* Gets on with the handshake: 1 when it is done, else as read and writev answer. What it waits for
 * is what both directions wait for. */
static ssize_t shake(tls *t) {
    conn *c = &t->conn;
    if (t->ended) return t->end;
    int r = SSL_do_handshake(t->ssl);
    if (r != 1) {
        bool wants_write = false;
        ssize_t end = outcome(t, r, SSL_ERROR_WANT_WRITE, &wants_write);
        c->read_on_write = wants_write;
        c->write_on_read = !wants_write;
        t->ended = end != WOULD_BLOCK;
        t->end = end;
        return end;
    }
    c->shaking = c->read_on_write = c->write_on_read = false;
    c->pending = SSL_has_pending(t->ssl);
    return 1;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* Fills p from what OpenSSL and the socket have; never waits for the rest of a record. */
static ssize_t read_records(tls *t, char *p, size_t n) {
    conn *c = &t->conn;
    size_t got = 0;
    ssize_t end = WOULD_BLOCK;
    c->read_on_write = false;
    for (int i = 0; i < READ_STEPS && got < n && end == WOULD_BLOCK; i++) {
        size_t some = 0;
        if (i && (t->starved || c->read_on_write || !SSL_has_pending(t->ssl))) break;
        int r = SSL_read_ex(t->ssl, p + got, n - got, &some);
        if (r == 1)
            got += some;
        else
            end = outcome(t, r, SSL_ERROR_WANT_WRITE, &c->read_on_write);
    }
    t->ended = end != WOULD_BLOCK;
    t->end = end;
    return got ? (ssize_t)got : end;
}

static ssize_t tls_read(conn *c, void *p, size_t n) {
    tls *t = (tls *)(void *)c;
    CHECK(n > 0);
    begin(t);
    ssize_t r = c->shaking ? shake(t) : 1;
    if (r == 1) r = t->ended ? t->end : read_records(t, p, n);
    c->pending = r > 0 && t->ended;
    if (!t->ended && !t->starved && !c->read_on_write && SSL_has_pending(t->ssl)) c->pending = true;
    count(t);
    return r;
}

/* A walk over vectors. */
typedef struct cursor {
    const struct iovec *v;
    int n;
    size_t skip; /* of the first */
} cursor;

static void advance(cursor *at, size_t n) {
    while (at->n && n >= at->v->iov_len - at->skip) {
        n -= at->v->iov_len - at->skip;
        at->v++;
        at->n--;
        at->skip = 0;
    }
    at->skip += n;
}

/* The plain text of the next record: where it lies if that is one piece, else a copy. */
static const char *next_record(cursor at, size_t *len) {
    static char joined[RECORD];
    const char *first = (const char *)at.v->iov_base + at.skip;
    *len = at.v->iov_len - at.skip;
    if (*len > RECORD) *len = RECORD;
    if (*len == RECORD || at.n == 1) return first;
    for (*len = 0; at.n && *len < RECORD;) {
        size_t some = at.v->iov_len - at.skip;
        if (some > RECORD - *len) some = RECORD - *len;
        memcpy(joined + *len, (const char *)at.v->iov_base + at.skip, some);
        *len += some;
        advance(&at, some);
    }
    return joined;
}

static ssize_t tls_writev(conn *c, const struct iovec *iov, int n) {
    tls *t = (tls *)(void *)c;
    size_t done = 0;
    cursor at = {iov, n, 0};
    begin(t);
    ssize_t r = c->shaking ? shake(t) : t->broken ? FAILED : 1;
    if (r == 1) c->write_on_read = false;
    advance(&at, 0); /* over empty vectors */
    while (r == 1 && at.n) {
        size_t len, some = 0;
        const char *p = next_record(at, &len);
        r = SSL_write_ex(t->ssl, p, len, &some);
        if (r == 1) {
            advance(&at, some);
            done += some;
        } else {
            r = outcome(t, (int)r, SSL_ERROR_WANT_READ, &c->write_on_read);
        }
    }
    count(t);
    if (done || r == 1) return (ssize_t)done;
    return r == 0 ? FAILED : r; /* who writes is not told of an end */
}

/* The other end is told, if that takes no waiting; then as with a plain socket. */
static void tls_close(conn *c) {
    tls *t = (tls *)(void *)c;
    ERR_clear_error();
    if (!t->broken && !c->shaking) (void)SSL_shutdown(t->ssl);
    SSL_free(t->ssl);
    ERR_clear_error();
    (void)shutdown(c->fd, SHUT_RDWR); /* fails if the peer is gone already */
    (void)close(c->fd);
    mem_free(t->error);
    mem_free(t);
}

static const char *tls_error(const conn *c) {
    const tls *t = (const tls *)(const void *)c;
    return t->error ? t->error : strerror(c->last_errno);
}

static const conn_ops tls_ops = {tls_read, tls_writev, tls_close, tls_error};

/* ---- making one ------------------------------------------------------------------------------ */

/* A server's side waits for the other's first word; a client's has to say it. */
static conn *open_over(int fd, bool accepting) {
    int64_t before = tls_context_memory();
    SSL *ssl = tls_context_open(accepting);
    BIO *b = ssl ? BIO_new(bio_method()) : NULL;
    if (!b) {
        log_warning("No TLS connection: %s", ssl ? tls_context_error() : "TLS is not configured");
        SSL_free(ssl);
        (void)close(fd); /* nothing was said */
        return NULL;
    }
    tls *t = mem_zalloc(sizeof *t);
    t->conn = (conn){.ops = &tls_ops, .fd = fd, .shaking = true, .write_on_read = accepting};
    t->ssl = ssl;
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(ssl, b, b);
    t->counted = before;
    count(t);
    return &t->conn;
}

conn *tls_accept(int fd) {
    return open_over(fd, true);
}

conn *tls_connect(int fd) {
    return open_over(fd, false);
}
