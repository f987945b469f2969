/* net: sockets: listening, accepting, and connections.
 *
 * A conn is what a client talks over: a plain socket (conn.c), or TLS over one (tls.h), which is
 * another table of the same functions. All descriptors are non-blocking and close-on-exec. */
#ifndef STAVE_IO_NET_H
#define STAVE_IO_NET_H

#include "base/buf.h"
#include "base/status.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#define NET_ADDR_MAX 128 /* "[v6 address]:port" or a unix path, cut, with NUL */

/* One listening TCP socket on addr ("127.0.0.1", "::1", "*", "::*", a host name); port 0 picks one.
 * A port in use is ST_BUSY: "Could not create server TCP listening socket ADDR:PORT: bind: Address
 * already in use". An address or family that this machine does not have is ST_NOT_FOUND. */
status net_listen_tcp(const char *addr, int port, int backlog, int *fd);
/* perm 0: as umask says. A socket file that nobody listens on is replaced; one that somebody does
 * is ST_BUSY; a file of another kind is left alone (ST_INVALID). */
status net_listen_unix(const char *path, unsigned perm, int backlog, int *fd);
/* *fd = -1 and ok when nobody waits (EAGAIN); ST_LIMIT when descriptors ran out. peer_is_local: the
 * other end is loopback or a unix socket. */
status net_accept(int listener, int *fd, char peer[NET_ADDR_MAX], bool *peer_is_local);
status net_set_nodelay(int fd);
status net_set_keepalive(int fd, int seconds); /* 0: off */
/* "IP:port" of the own end; "path:0" for unix sockets. */
void net_local_addr(int fd, char out[NET_ADDR_MAX]);
int net_local_port(int fd);

typedef struct conn conn;
typedef struct conn_ops {
    /* > 0 bytes; 0: closed by the other end; -1: would block; -2: error (see conn_error). */
    ssize_t (*read)(conn *c, void *p, size_t n);
    /* >= 0 bytes taken; -1: would block; -2: error. What was not taken must be offered again, in
     * the same order (at another address, and with more behind it, if you like). */
    ssize_t (*writev)(conn *c, const struct iovec *iov, int n);
    /* shutdown first, as children may hold the descriptor; then close. Frees c. */
    void (*close)(conn *c);
    const char *(*error)(const conn *c); /* NULL: last_errno says it */
} conn_ops;
struct conn {
    const conn_ops *ops;
    int fd;
    int last_errno;
    bool is_unix;
    /* A plain socket has none of these. */
    bool shaking;       /* its handshake goes on: reads and writes advance it, and would block */
    bool pending;       /* read again, whatever the socket says: it holds bytes, or its end */
    bool read_on_write; /* the read that would block waits for the socket to take bytes */
    bool write_on_read; /* the write that would block waits for bytes to come */
    size_t memory;      /* what it takes besides this struct */
};

/* Takes ownership of fd. */
conn *conn_socket(int fd, bool is_unix);
const char *conn_error(const conn *c);
/* What the reactor is to watch for an owner that wants to read, to write; and, of what the reactor
 * then tells, what the owner may try (REACTOR_READ, REACTOR_WRITE). */
unsigned conn_events(const conn *c, bool read, bool write);
unsigned conn_ready(const conn *c, unsigned events);

#endif
