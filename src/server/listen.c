/* The listening sockets: one per address of `bind`, and the unix socket.
 *
 * An address that begins with '-' may fail to exist (EADDRNOTAVAIL, no IPv6) without harm; a port
 * in use is always an error, at a start after a moment: a child that a killed server was just
 * forking has its sockets until it sees that it is alone. When bind or port change, the old sockets
 * go first, as a second bind of an address fails; CONFIG SET puts the old values back, and so the
 * old sockets, if the new ones can't be had. */
#include "server/server.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/net.h"
#include "resp/reader.h"

#include <time.h>
#include <unistd.h>

#define LISTEN_MAX   16
#define PATIENCE_MS  1000 /* for a port that is in use at the start */
#define LOOK_EACH_MS 20

/* One a process, as the settings are. */
static struct {
    server *server;
    int fds[LISTEN_MAX]; /* TCP */
    int count;
    int unix_fd; /* 0: none */
    int port;
} ls;

/* 0 without TCP. */
int listen_port(void) {
    return ls.port;
}

/* Of descriptors; the session has stopped looking at them, or is in another process. */
static void close_all(int *fds, int n) {
    for (int i = 0; i < n; i++)
        close(fds[i]);
}

/* Stops accepting on the TCP sockets. */
static void close_tcp(void) {
    for (int i = 0; i < ls.count; i++)
        session_unlisten(ls.server->session, ls.fds[i]);
    close_all(ls.fds, ls.count);
    ls.count = 0;
}

/* Opens one address. */
static status open_one(slice addr, int *fds, int *n) {
    bool optional = addr.len > 0 && addr.data[0] == '-';
    if (optional) addr = slice_skip(addr, 1);
    char name[NET_ADDR_MAX];
    if (addr.len == 0 || addr.len >= sizeof name)
        return status_make(ST_INVALID, "Invalid bind address");
    memcpy(name, addr.data, addr.len);
    name[addr.len] = '\0';
    int fd = -1;
    status st = net_listen_tcp(name, (int)settings.port, (int)settings.tcp_backlog, &fd);
    if (!status_ok(st)) {
        if (!optional || st.code == ST_BUSY) return st;
        log_verbose("Not listening on %s: %s", name, st.msg);
        return STATUS_OK;
    }
    fds[(*n)++] = fd;
    return STATUS_OK;
}

/* Opens every address of the bind setting. */
static status open_tcp(int *fds, int *n) {
    slice *words = NULL;
    int nwords = resp_split_line(slice_cstr(settings.bind ? settings.bind : ""), &words);
    status st = STATUS_OK;
    if (nwords > LISTEN_MAX) st = status_make(ST_LIMIT, "Too many bind addresses specified.");
    *n = 0;
    for (int i = 0; i < nwords && status_ok(st); i++)
        st = open_one(words[i], fds, n);
    if (nwords >= 0) mem_free(words);
    if (status_ok(st) && nwords > 0 && *n == 0) {
        st = status_make(ST_IO, "Failed listening on port %d (tcp): no usable bind address",
                         (int)settings.port);
    }
    if (!status_ok(st)) close_all(fds, *n);
    return st;
}

/* Opens the TCP sockets anew and puts them in the place of the old ones. */
static status replace_tcp(void) {
    int fds[LISTEN_MAX], n = 0;
    close_tcp();
    if (settings.bind && settings.bind[0]) TRY(open_tcp(fds, &n));
    for (int i = 0; i < n; i++)
        TRY(session_listen(ls.server->session, fds[i]));
    memcpy(ls.fds, fds, sizeof fds);
    ls.count = n;
    ls.port = (int)settings.port;
    return STATUS_OK;
}

/* Tries again for a moment while a port is in use. */
static status open_first(void) {
    status st = replace_tcp();
    for (int ms = 0; st.code == ST_BUSY && ms < PATIENCE_MS; ms += LOOK_EACH_MS) {
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_EACH_MS * 1000000L}, NULL);
        st = replace_tcp();
    }
    return st;
}

/* Called when commands can be refused with -LOADING: clients may come before the data is there. */
status listen_start(server *s) {
    ls.server = s;
    /* As in Redis, port 0 at start means: no TCP at all. */
    if (settings.port != 0) {
        TRY(open_first());
    } else if (!settings.unixsocket || !settings.unixsocket[0]) {
        log_warning("Neither a port nor a unixsocket is set: nobody can connect");
    }
    if (settings.unixsocket && settings.unixsocket[0]) {
        TRY(net_listen_unix(settings.unixsocket, (unsigned)settings.unixsocketperm,
                            (int)settings.tcp_backlog, &ls.unix_fd));
        TRY(session_listen(s->session, ls.unix_fd));
    }
    return STATUS_OK;
}

/* After CONFIG SET bind or port; while the file is read there is no server yet. */
status listen_apply(const setting *st) {
    (void)st;
    if (!ls.server) return STATUS_OK; /* before the start */
    if (settings.port == 0) {
        close_tcp();
        ls.port = 0;
        return STATUS_OK;
    }
    return replace_tcp();
}

/* Nobody can come any more; those who are here are the session's to let go. */
void listen_stop(server *s) {
    close_tcp();
    if (ls.unix_fd > 0) {
        session_unlisten(s->session, ls.unix_fd);
        close(ls.unix_fd);
        unlink(settings.unixsocket);
        ls.unix_fd = 0;
    }
}

/* A merge may outlive this server, and the next one wants the port. */
void listen_close_in_child(void) {
    close_all(ls.fds, ls.count);
    if (ls.unix_fd > 0) close(ls.unix_fd);
}
