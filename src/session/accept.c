/* accept: connections become clients, or are told why not. */
#include "session/state.h"

#include "base/log.h"
#include "base/mem.h"
#include "session/config.h"
#include "session/identity.h"
#include "session/input.h"

#include <sys/socket.h>

#define ACCEPTS_A_TURN 1000
#define COMPLAIN_MS    1000 /* a message about descriptors at most that often */
#define SHAKES_A_TURN  8    /* steps of handshakes, which take up to a millisecond each */

static const char too_many[] = "-ERR max number of clients reached\r\n";
static const char denied[] =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password "
    "is set for the default user. In this mode connections are only accepted from the loopback "
    "interface. To connect from elsewhere, choose one: 1) set a password with CONFIG SET "
    "requirepass, or with 'requirepass' in the configuration file; 2) switch protected mode off "
    "with CONFIG SET protected-mode no, sent from the same machine, if the network is trusted; "
    "3) start the server with '--protected-mode no'.\r\n";

/* The text, in one attempt, and the end of it. Who would have to be given a handshake first gets
 * no text: it would cost more than a client does. */
static void refuse(session *s, conn *cn, const char *text, size_t n) {
    struct iovec one = {(void *)(uintptr_t)text, n};
    if (!cn->shaking) (void)!cn->ops->writev(cn, &one, 1);
    cn->ops->close(cn);
    s->stats.rejected_connections++;
}

/* The reactor has something of a client's socket. */
static void on_client(void *ctx, int fd, unsigned events) {
    client *c = ctx;
    (void)fd;
    if (c->flags & CLIENT_CLOSE_ASAP || busy_is(c)) return;
    if (c->conn->shaking && c->session->shakes++ >= SHAKES_A_TURN)
        return; /* told again next turn */
    events = conn_ready(c->conn, events);
    if (events & REACTOR_WRITE) output_writable(c);
    if (events & REACTOR_READ) input_ready(c);
}

/* The same, once the handshake is done: until then it is a client like any other. */
static void refuse_later(client *c, const char *text, size_t n) {
    output_open(c);
    c->out_from = c->out.len;
    buf_append(&c->out, text, n);
    output_end(c, false);
    client_close_after_reply(c);
    c->session->stats.rejected_connections++;
}

/* Options of its socket, and a place with the reactor. */
static status watch(client *c) {
    const conn *cn = c->conn;
    if (cn->fd < 0) return STATUS_OK;
    if (!cn->is_unix) {
        /* A socket that refuses an option works without it. */
        (void)status_ok(net_set_nodelay(cn->fd));
        (void)status_ok(net_set_keepalive(cn->fd, (int)session_config.tcp_keepalive));
    }
    TRY(reactor_add(c->session->reactor, cn->fd, REACTOR_READ, on_client, c));
    reactor_mark(c->session->reactor, cn->fd);
    return STATUS_OK;
}

/* Refusals come first, as they cost a write and nothing else. */
client *session_adopt(session *s, conn *cn, const char *peer, bool peer_is_local) {
    if (s->clients >= (size_t)session_config.maxclients) {
        refuse(s, cn, too_many, sizeof too_many - 1);
        return NULL;
    }
    bool deny = session_config.protected_mode && identity_nopass() && !peer_is_local;
    if (deny && !cn->shaking) {
        refuse(s, cn, denied, sizeof denied - 1);
        return NULL;
    }
    client *c = client_new(s, cn, peer);
    s->stats.connections++;
    identity_reset(c);
    if (cn->is_unix) c->flags |= CLIENT_UNIX;
    if (peer_is_local) c->flags |= CLIENT_LOCAL;
    c->events = REACTOR_READ;
    status st = watch(c);
    if (!status_ok(st)) {
        log_warning("Error registering a new client: %s", st.msg);
        client_free(c);
        return NULL;
    }
    if (deny) refuse_later(c, denied, sizeof denied - 1);
    return c;
}

/* Descriptors ran out, or worse: said once a second. */
static void complain(session *s, status st) {
    if (ks_now(s->ks) - s->accept_complained_ms < COMPLAIN_MS) return;
    s->accept_complained_ms = ks_now(s->ks);
    log_warning("Accepting client connection: %s", st.msg);
}

/* The reactor has connections: takes all that wait, within reason. */
static void on_listener(void *ctx, int fd, unsigned events) {
    const listener *l = ctx;
    session *s = l->session;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        char peer[NET_ADDR_MAX];
        bool is_local;
        int accepted;
        status st = net_accept(fd, &accepted, peer, &is_local);
        if (!status_ok(st)) {
            complain(s, st);
            return;
        }
        if (accepted < 0) return;
        conn *cn = l->make ? l->make(accepted) : conn_socket(accepted, l->is_unix);
        if (cn) session_adopt(s, cn, peer, is_local);
    }
}

/* Clients that come by it are local, and have no TCP options. */
static bool is_unix_socket(int fd) {
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    return getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && addr.ss_family == AF_UNIX;
}

status session_listen(session *s, int fd) {
    return session_listen_by(s, fd, NULL);
}

/* Takes a free place in the table of listeners. */
status session_listen_by(session *s, int fd, conn *(*make)(int fd)) {
    for (int i = 0; i < LISTENERS_MAX; i++) {
        listener *l = &s->listeners[i];
        if (l->fd >= 0) continue;
        TRY(reactor_add(s->reactor, fd, REACTOR_READ, on_listener, l));
        reactor_mark(s->reactor, fd);
        *l = (listener){s, fd, is_unix_socket(fd), make};
        return STATUS_OK;
    }
    return status_make(ST_LIMIT, "more than %d addresses to listen on", LISTENERS_MAX);
}

/* Those that were accepted stay. */
void session_unlisten(session *s, int fd) {
    for (int i = 0; i < LISTENERS_MAX; i++) {
        if (s->listeners[i].fd != fd) continue;
        reactor_remove(s->reactor, fd);
        s->listeners[i].fd = -1;
    }
}
