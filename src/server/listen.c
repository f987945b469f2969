/* The listening sockets: one per address of `bind` for each of port and tls-port, and the unix
 * socket.
 *
 * An address that begins with '-' may fail to exist (EADDRNOTAVAIL, no IPv6) without harm; a port
 * in use is always an error, at a start after a moment: a child that a killed server was just
 * forking has its sockets until it sees that it is alone. When bind or a port change, the old
 * sockets go first, as a second bind of an address fails; CONFIG SET puts the old values back, and
 * so the old sockets, if the new ones can't be had. */
#include "server/server.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/tls.h"
#include "resp/reader.h"

#include <time.h>
#include <unistd.h>

#define LISTEN_MAX   16
#define PATIENCE_MS  1000 /* for a port that is in use at the start */
#define LOOK_EACH_MS 20

/* The sockets of one port. */
typedef struct family {
    const char *name;
    const int64_t *wanted; /* the port; 0: none */
    conn *(*make)(int fd); /* NULL: plain */
    int fds[LISTEN_MAX];
    int count;
    int port; /* that they have */
} family;

/* One a process, as the settings are. */
static struct {
    server *server;
    family tcp, tls;
    int unix_fd; /* 0: none */
} ls = {.tcp = {.name = "tcp", .wanted = &settings.port},
        .tls = {.name = "tls", .wanted = &settings.tls_port, .make = tls_accept}};

/* 0 without TCP. */
int listen_port(void) {
    return ls.tcp.port;
}

/* 0 without TLS. */
int listen_tls_port(void) {
    return ls.tls.port;
}

/* Of descriptors; the session has stopped looking at them, or is in another process. */
static void close_all(int *fds, int n) {
    for (int i = 0; i < n; i++)
        close(fds[i]);
}

/* Stops accepting on these sockets. */
static void close_family(family *f) {
    for (int i = 0; i < f->count; i++)
        session_unlisten(ls.server->session, f->fds[i]);
    close_all(f->fds, f->count);
    f->count = f->port = 0;
}

/* Opens one address. */
static status open_one(slice addr, const family *f, int *fds, int *n) {
    bool optional = addr.len > 0 && addr.data[0] == '-';
    if (optional) addr = slice_skip(addr, 1);
    char name[NET_ADDR_MAX];
    if (addr.len == 0 || addr.len >= sizeof name)
        return status_make(ST_INVALID, "Invalid bind address");
    memcpy(name, addr.data, addr.len);
    name[addr.len] = '\0';
    int fd = -1;
    status st = net_listen_tcp(name, (int)*f->wanted, (int)settings.tcp_backlog, &fd);
    if (!status_ok(st)) {
        if (!optional || st.code == ST_BUSY) return st;
        log_verbose("Not listening on %s: %s", name, st.msg);
        return STATUS_OK;
    }
    fds[(*n)++] = fd;
    return STATUS_OK;
}

/* Opens every address of the bind setting. */
static status open_family(const family *f, int *fds, int *n) {
    slice *words = NULL;
    int nwords = resp_split_line(slice_cstr(settings.bind ? settings.bind : ""), &words);
    status st = STATUS_OK;
    if (nwords > LISTEN_MAX) st = status_make(ST_LIMIT, "Too many bind addresses specified.");
    *n = 0;
    for (int i = 0; i < nwords && status_ok(st); i++)
        st = open_one(words[i], f, fds, n);
    if (nwords >= 0) mem_free(words);
    if (status_ok(st) && nwords > 0 && *n == 0) {
        st = status_make(ST_IO, "Failed listening on port %d (%s): no usable bind address",
                         (int)*f->wanted, f->name);
    }
    if (!status_ok(st)) close_all(fds, *n);
    return st;
}

/* Opens the sockets of a port anew and puts them in the place of the old ones. */
static status replace(family *f) {
    int fds[LISTEN_MAX], n = 0;
    close_family(f);
    if (*f->wanted == 0) return STATUS_OK;
    if (settings.bind && settings.bind[0]) TRY(open_family(f, fds, &n));
    for (int i = 0; i < n; i++)
        TRY(session_listen_by(ls.server->session, fds[i], f->make));
    memcpy(f->fds, fds, sizeof fds);
    f->count = n;
    f->port = (int)*f->wanted;
    return STATUS_OK;
}

/* Tries again for a moment while a port is in use. */
static status open_first(family *f) {
    status st = replace(f);
    for (int ms = 0; st.code == ST_BUSY && ms < PATIENCE_MS; ms += LOOK_EACH_MS) {
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_EACH_MS * 1000000L}, NULL);
        st = replace(f);
    }
    return st;
}

/* Called when commands can be refused with -LOADING: clients may come before the data is there.
 * As in Redis, port 0 means: none. */
status listen_start(server *s) {
    bool has_path = settings.unixsocket && settings.unixsocket[0];
    ls.server = s;
    if (!settings.port && !settings.tls_port && !has_path)
        log_warning("Neither a port nor a unixsocket is set: nobody can connect");
    TRY(open_first(&ls.tcp));
    TRY(open_first(&ls.tls));
    if (has_path) {
        TRY(net_listen_unix(settings.unixsocket, (unsigned)settings.unixsocketperm,
                            (int)settings.tcp_backlog, &ls.unix_fd));
        TRY(session_listen(s->session, ls.unix_fd));
    }
    return STATUS_OK;
}

/* After CONFIG SET bind; while the file is read there is no server yet. */
status listen_apply_bind(const setting *st) {
    (void)st;
    if (!ls.server) return STATUS_OK; /* before the start */
    TRY(replace(&ls.tcp));
    return replace(&ls.tls);
}

/* After CONFIG SET port. */
status listen_apply_port(const setting *st) {
    (void)st;
    return ls.server ? replace(&ls.tcp) : STATUS_OK;
}

/* After CONFIG SET tls-port, when there is something to accept with. */
status listen_apply_tls_port(void) {
    return ls.server ? replace(&ls.tls) : STATUS_OK;
}

/* One line of INFO; the numbers are those that Redis has for what it listens by. */
static void show_listener(buf *out, int number, const char *name, slice addresses, int port) {
    buf_printf(out, "listener%d:name=%s", number, name);
    slice *words = NULL;
    int n = resp_split_line(addresses, &words);
    for (int i = 0; i < n; i++)
        buf_printf(out, ",bind=%.*s", (int)words[i].len, words[i].data);
    if (n >= 0) mem_free(words);
    if (port) buf_printf(out, ",port=%d", port);
    buf_printf(out, "\r\n");
}

/* INFO's lines: who can connect by what. */
void listen_show(buf *out) {
    slice bind = slice_cstr(settings.bind ? settings.bind : "");
    if (ls.tcp.port) show_listener(out, 0, ls.tcp.name, bind, ls.tcp.port);
    if (ls.unix_fd > 0) buf_printf(out, "listener1:name=unix,bind=%s\r\n", settings.unixsocket);
    if (ls.tls.port) show_listener(out, 2, ls.tls.name, bind, ls.tls.port);
}

/* What a start says when everything is ready. */
void listen_announce(void) {
    const family *const families[] = {&ls.tcp, &ls.tls};
    for (int i = 0; i < 2; i++)
        if (families[i]->port)
            log_notice("Ready to accept connections %s, port %d", families[i]->name,
                       families[i]->port);
    if (ls.unix_fd > 0) log_notice("Ready to accept connections unix, %s", settings.unixsocket);
}

/* Nobody can come any more; those who are here are the session's to let go. */
void listen_stop(server *s) {
    close_family(&ls.tcp);
    close_family(&ls.tls);
    if (ls.unix_fd > 0) {
        session_unlisten(s->session, ls.unix_fd);
        close(ls.unix_fd);
        unlink(settings.unixsocket);
        ls.unix_fd = 0;
    }
}

/* A merge may outlive this server, and the next one wants the port. */
void listen_close_in_child(void) {
    close_all(ls.tcp.fds, ls.tcp.count);
    close_all(ls.tls.fds, ls.tls.count);
    if (ls.unix_fd > 0) close(ls.unix_fd);
}
