/* Connections over plain sockets, TCP and unix.
 *
 * One system call a read and one a write. MSG_NOSIGNAL, so that a peer that went away is an error
 * of this connection and never a signal to the process. */
#include "base/log.h"
#include "base/mem.h"
#include "io/net.h"
#include "io/reactor.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#define WOULD_BLOCK (-1)
#define FAILED      (-2)

/* What a call that returned -1 means to the owner. */
static ssize_t failed(conn *c) {
    c->last_errno = errno;
    return errno == EAGAIN || errno == EWOULDBLOCK ? WOULD_BLOCK : FAILED;
}

/* Reads once. */
static ssize_t socket_read(conn *c, void *p, size_t n) {
    CHECK(n > 0); /* 0 would look as if the peer had closed */
    ssize_t r;
    do
        r = recv(c->fd, p, n, 0);
    while (r < 0 && errno == EINTR);
    return r < 0 ? failed(c) : r;
}

/* Writes once: what the socket's buffer does not take is the caller's to offer again. */
static ssize_t socket_writev(conn *c, const struct iovec *iov, int n) {
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                         .msg_iovlen = (size_t)(n < IOV_MAX ? n : IOV_MAX)};
    ssize_t r;
    do {
        if (n == 1)
            r = send(c->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
        else
            r = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? failed(c) : r;
}

/* A forked child may hold the descriptor too: only shutdown tells the peer at once. */
static void socket_close(conn *c) {
    (void)shutdown(c->fd, SHUT_RDWR); /* fails if the peer is gone already */
    (void)close(c->fd);
    mem_free(c);
}

static const conn_ops socket_ops = {
    .read = socket_read,
    .writev = socket_writev,
    .close = socket_close,
};

/* The descriptor must be non-blocking; it is closed with the connection. */
conn *conn_socket(int fd, bool is_unix) {
    conn *c = mem_zalloc(sizeof(*c));
    c->ops = &socket_ops;
    c->fd = fd;
    c->is_unix = is_unix;
    return c;
}

/* What the last call that failed said, as text. */
const char *conn_error(const conn *c) {
    return c->ops->error ? c->ops->error(c) : strerror(c->last_errno);
}

/* Usually the one for the one and the other for the other. */
unsigned conn_events(const conn *c, bool read, bool write) {
    unsigned events = 0;
    if (read) events |= c->read_on_write ? REACTOR_WRITE : REACTOR_READ;
    if (write) events |= c->write_on_read ? REACTOR_READ : REACTOR_WRITE;
    return events;
}

/* The same the other way round. */
unsigned conn_ready(const conn *c, unsigned events) {
    unsigned may = 0;
    if (events & (c->read_on_write ? REACTOR_WRITE : REACTOR_READ)) may |= REACTOR_READ;
    if (events & (c->write_on_read ? REACTOR_READ : REACTOR_WRITE)) may |= REACTOR_WRITE;
    return may;
}
