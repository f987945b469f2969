/* Sockets: listening and accepting, options, addresses as text. Connections are in conn.c.
 *
 * A listener is made step by step, and whatever step fails, the message says which, for which
 * address, and why: it is the line that an operator reads when a server does not start. The unix
 * socket's file gets its mode between bind and listen, so nobody connects before. */
#include "io/net.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
    struct sockaddr_storage room;
} address;

/* For sockets that carried nothing yet. */
static void close_quietly(int fd) {
    (void)close(fd); /* a socket without data: nothing to lose */
}

/* ---- listening
 * ---------------------------------------------------------------------------------*/

/* The code of a failed listener: the caller treats a taken port and a family that this machine does
 * not have apart from the rest. */
static status_code listen_code(int err) {
    switch (err) {
    case EADDRINUSE: return ST_BUSY;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case ESOCKTNOSUPPORT:
    case EPFNOSUPPORT:
    case ENOPROTOOPT: return ST_NOT_FOUND;
    default: return ST_IO;
    }
}

/* The line of a TCP listener that could not be made. */
static status tcp_failed(const char *addr, int port, const char *step, int err) {
    return status_make(listen_code(err),
                       "Could not create server TCP listening socket %s:%d: %s: %s", addr, port,
                       step, strerror(err));
}

/* Binds and listens; *step names the call that failed. Returns errno, 0 for success. */
static int listen_on(int fd, const struct addrinfo *a, int backlog, const char **step) {
    int yes = 1;
    *step = "setsockopt SO_REUSEADDR";
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0) return errno;
    *step = "setsockopt IPV6_V6ONLY"; /* so that "*" and "::*" share a port */
    if (a->ai_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) < 0)
        return errno;
    *step = "bind";
    if (bind(fd, a->ai_addr, a->ai_addrlen) < 0) return errno;
    *step = "listen";
    if (listen(fd, backlog) < 0) return errno;
    return 0;
}

/* The first address that the name has; "*" and "::*" are any address of their family. */
status net_listen_tcp(const char *addr, int port, int backlog, int *fd) {
    *fd = -1;
    if (port < 0 || port > UINT16_MAX) return status_make(ST_INVALID, "Invalid port: %d", port);
    bool any4 = strcmp(addr, "*") == 0, any6 = strcmp(addr, "::*") == 0;
    struct addrinfo hints = {.ai_family = any4   ? AF_INET
                                          : any6 ? AF_INET6
                                                 : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    int bad = getaddrinfo(any4 || any6 ? NULL : addr, service, &hints, &found);
    if (bad)
        return status_make(bad == EAI_FAMILY || bad == EAI_ADDRFAMILY ? ST_NOT_FOUND : ST_INVALID,
                           "Could not create server TCP listening socket %s:%d: %s", addr, port,
                           gai_strerror(bad));
    const char *step = "socket";
    int s = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int err = s < 0 ? errno : listen_on(s, found, backlog, &step);
    freeaddrinfo(found);
    if (err) {
        if (s >= 0) close_quietly(s);
        return tcp_failed(addr, port, step, err);
    }
    *fd = s;
    return STATUS_OK;
}

/* The same for a unix socket. */
static status unix_failed(status_code code, const char *path, const char *step, int err) {
    return status_make(code, "Could not create server unix socket %s: %s: %s", path, step,
                       strerror(err));
}

/* Removes a socket file that nobody listens on. A file of another kind is not ours to remove. */
static status remove_stale(const char *path, const address *a) {
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? STATUS_OK : unix_failed(ST_IO, path, "stat", errno);
    if (!S_ISSOCK(st.st_mode))
        return status_make(ST_INVALID, "Could not create server unix socket %s: %s", path,
                           "the file exists and is no socket");
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0) return unix_failed(ST_IO, path, "socket", errno);
    bool refused = connect(s, &a->any, sizeof(a->un)) < 0 && errno == ECONNREFUSED;
    close_quietly(s);
    if (!refused) return unix_failed(ST_BUSY, path, "bind", EADDRINUSE);
    if (unlink(path) < 0 && errno != ENOENT) return unix_failed(ST_IO, path, "unlink", errno);
    return STATUS_OK;
}

/* Makes room for the file, then binds, sets its mode, and listens, in this order. */
status net_listen_unix(const char *path, unsigned perm, int backlog, int *fd) {
    *fd = -1;
    address a = {.un.sun_family = AF_UNIX};
    if (*path == 0 || strlen(path) >= sizeof(a.un.sun_path))
        return status_make(ST_INVALID,
                           "Could not create server unix socket %s: the path must have 1 to %zu "
                           "bytes",
                           path, sizeof(a.un.sun_path) - 1);
    strcpy(a.un.sun_path, path);
    TRY(remove_stale(path, &a));
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0) return unix_failed(ST_IO, path, "socket", errno);
    const char *step = "bind";
    int r = bind(s, &a.any, sizeof(a.un));
    if (r == 0 && perm) {
        step = "chmod";
        r = chmod(path, (mode_t)perm);
    }
    if (r == 0) {
        step = "listen";
        r = listen(s, backlog);
    }
    if (r < 0) {
        status failed = unix_failed(listen_code(errno), path, step, errno);
        close_quietly(s);
        return failed;
    }
    *fd = s;
    return STATUS_OK;
}

/* ---- addresses
 * ---------------------------------------------------------------------------------*/

/* An address as text: "1.2.3.4:5", "[::1]:5", "PATH:0". */
static void format_address(const address *a, char out[NET_ADDR_MAX]) {
    char ip[INET6_ADDRSTRLEN] = "?";
    switch (a->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &a->v4.sin_addr, ip, sizeof(ip));
        snprintf(out, NET_ADDR_MAX, "%s:%d", ip, ntohs(a->v4.sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &a->v6.sin6_addr, ip, sizeof(ip));
        snprintf(out, NET_ADDR_MAX, "[%s]:%d", ip, ntohs(a->v6.sin6_port));
        break;
    case AF_UNIX:
        snprintf(out, NET_ADDR_MAX, "%.*s:0", (int)sizeof(a->un.sun_path), a->un.sun_path);
        break;
    default: snprintf(out, NET_ADDR_MAX, "?:0");
    }
}

/* The socket's own end; false, and all zero, if it has none. */
static bool own_address(int fd, address *a) {
    socklen_t n = sizeof(*a);
    memset(a, 0, sizeof(*a)); /* a unix path may come without its NUL */
    return getsockname(fd, &a->any, &n) == 0;
}

/* As CLIENT LIST shows laddr. */
void net_local_addr(int fd, char out[NET_ADDR_MAX]) {
    address a;
    (void)own_address(fd, &a); /* family 0 is shown as "?:0" */
    format_address(&a, out);
}

/* 0 for what has none. */
int net_local_port(int fd) {
    address a;
    if (!own_address(fd, &a)) return 0;
    if (a.any.sa_family == AF_INET) return ntohs(a.v4.sin_port);
    return a.any.sa_family == AF_INET6 ? ntohs(a.v6.sin6_port) : 0;
}

/* True for a unix socket, 127.0.0.0/8, also when mapped into v6, and ::1. */
static bool is_local(const address *a) {
    if (a->any.sa_family == AF_UNIX) return true;
    if (a->any.sa_family == AF_INET) return (ntohl(a->v4.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    if (a->any.sa_family != AF_INET6) return false;
    const struct in6_addr *ip = &a->v6.sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(ip) ||
           (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == IN_LOOPBACKNET);
}

/* ---- accepting
 * ---------------------------------------------------------------------------------*/

/* Errors of a connection that died while it waited: the next one may be well (accept(2)). */
static bool connection_died(int err) {
    switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EPERM: return true; /* EPERM: a firewall's rule */
    default: return false;
    }
}

/* Takes one connection, stepping over those that died while they waited. */
status net_accept(int listener, int *fd, char peer[NET_ADDR_MAX], bool *peer_is_local) {
    address a;
    *fd = -1;
    *peer_is_local = false;
    peer[0] = 0;
    int s;
    do {
        socklen_t n = sizeof(a);
        memset(&a, 0, sizeof(a));
        s = accept4(listener, &a.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (s < 0 && connection_died(errno));
    if (s < 0) {
        int err = errno;
        if (err == EAGAIN || err == EWOULDBLOCK) return STATUS_OK;
        if (err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM)
            return status_make(ST_LIMIT, "accept: %s", strerror(err));
        return status_errno(err, "accept");
    }
    *peer_is_local = is_local(&a);
    if (a.any.sa_family == AF_UNIX)
        net_local_addr(s, peer); /* clients have no name of their own: show the server's path */
    else
        format_address(&a, peer);
    *fd = s;
    return STATUS_OK;
}

/* ---- options
 * -----------------------------------------------------------------------------------*/

/* One integer option; `text` is its name for the message. */
static status set_option(int fd, int level, int name, const char *text, int value) {
    if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
        return status_errno(errno, "setsockopt %s", text);
    return STATUS_OK;
}

/* A reply goes out when it is written, not when it fills a packet. */
status net_set_nodelay(int fd) {
    return set_option(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1);
}

/* The first probe after `seconds` of silence, then three at a third of that: a dead peer is known
 * after about twice the time. */
status net_set_keepalive(int fd, int seconds) {
    TRY(set_option(fd, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", seconds > 0));
    if (seconds <= 0) return STATUS_OK;
    TRY(set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", seconds));
    int between = seconds / 3 > 0 ? seconds / 3 : 1;
    TRY(set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", between));
    return set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", 3);
}
