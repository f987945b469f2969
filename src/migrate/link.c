/* Connections to other servers.
 *
 *   taken -> connecting -> exchange -> taken -> idle -> taken ...
 *
 * A request is two pieces of memory that its owner keeps until the end: what must be said to this
 * connection first, and the commands themselves, which may be long and are never copied. Replies
 * are lines: no command that goes this way has any other.
 *
 * An idle one is watched: whatever happens on it (the other end closes it, or says what nobody
 * asked for) is its end. A connection's time limit is one timer, which is not moved when something
 * moves, but asks when it fires. */
#include "migrate/link.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/connect.h"
#include "io/tls.h"

#define READ_BYTES 16384
#define LINE_MAX_  65536 /* bytes; a longer reply is none that was expected */

struct link {
    links *all;
    link *next; /* in all->idle, the one idle longest first */
    char *host;
    int port;
    int64_t db;
    connecting *connecting; /* until there is a connection */
    conn *cn;
    uint64_t timer; /* of an exchange, or of its being idle */

    /* The exchange. */
    bool exchanging;
    slice parts[2]; /* what is not sent */
    size_t replies, replied;
    int64_t timeout_ms;
    uint64_t moved_us; /* when something moved last */
    link_events events;
    buf in;
};

struct links {
    reactor *reactor;
    link *idle;
    size_t idle_count;
    bool tls;
};

/* None to begin with. */
links *links_new(reactor *r) {
    links *all = mem_zalloc(sizeof *all);
    all->reactor = r;
    return all;
}

/* Those that are in use end as they began. */
void links_use_tls(links *all, bool on) {
    if (all->tls == on) return;
    all->tls = on;
    while (all->idle)
        link_drop(all->idle);
}

/* Those that could be taken. */
size_t links_idle(const links *all) {
    return all->idle_count;
}

/* Kept with the connection, as it is the connection that has selected it. */
int64_t *link_db(link *l) {
    return &l->db;
}

/* ---- taking and giving back ---------------------------------------------------------------------
 */

/* Leaves the idle ones, if it is one of them. */
static void leave_idle(link *l) {
    for (link **at = &l->all->idle; *at; at = &(*at)->next) {
        if (*at != l) continue;
        *at = l->next;
        l->next = NULL;
        l->all->idle_count--;
        return;
    }
}

/* Whichever it has: of an exchange, or of being idle. */
static void stop_timer(link *l) {
    if (l->timer) reactor_timer_remove(l->all->reactor, l->timer);
    l->timer = 0;
}

/* The one that has been idle longest of those that lead there: they take turns, and all stay alive.
 */
link *link_take(links *all, const char *host, int port, bool fresh, bool *reused) {
    *reused = true;
    for (link *l = fresh ? NULL : all->idle; l; l = l->next) {
        if (l->port != port || strcmp(l->host, host) != 0) continue;
        leave_idle(l);
        stop_timer(l);
        return l;
    }
    *reused = false;
    link *l = mem_zalloc(sizeof *l);
    *l = (link){.all = all, .host = mem_strdup(host), .port = port, .db = -1};
    return l;
}

/* It was idle long enough. */
static int64_t idle_ends(void *ctx) {
    link *l = ctx;
    l->timer = 0;
    link_drop(l);
    return -1;
}

/* To the end of the list; what it has read is not worth keeping. */
void link_give_back(link *l) {
    CHECK(l->cn && !l->exchanging && !l->next);
    link **at = &l->all->idle;
    while (*at)
        at = &(*at)->next;
    *at = l;
    l->all->idle_count++;
    l->timer = reactor_timer_add(l->all->reactor, LINK_KEEP_MS, idle_ends, l);
    buf_free(&l->in);
    if (l->all->idle_count > LINKS_IDLE) link_drop(l->all->idle);
}

/* A look-up or an attempt that is going on is called off. */
void link_drop(link *l) {
    leave_idle(l);
    stop_timer(l);
    if (l->connecting) connect_cancel(l->connecting);
    if (l->cn) {
        reactor_remove(l->all->reactor, l->cn->fd);
        l->cn->ops->close(l->cn);
    }
    buf_free(&l->in);
    mem_free(l->host);
    mem_free(l);
}

/* ---- an exchange --------------------------------------------------------------------------------
 */

/* Tells its end, with which the link may be gone. */
static void end_exchange(link *l, link_end why) {
    CHECK(l->exchanging);
    l->exchanging = false;
    stop_timer(l);
    l->events.end(l->events.ctx, why);
}

/* Has the socket taken all of the request? */
static bool all_sent(const link *l) {
    return l->parts[0].len == 0 && l->parts[1].len == 0;
}

/* Something was sent or received: the time limit begins anew. */
static void moved(link *l) {
    l->moved_us = reactor_now_us(l->all->reactor);
}

/* The time limit: since something moved last. */
static int64_t limit(void *ctx) {
    link *l = ctx;
    int64_t quiet = (int64_t)((reactor_now_us(l->all->reactor) - l->moved_us) / 1000);
    if (quiet < l->timeout_ms) return l->timeout_ms - quiet;
    l->timer = 0;
    end_exchange(l, !l->cn ? LINK_NO_CONNECT : all_sent(l) ? LINK_NO_READ : LINK_NO_WRITE);
    return -1;
}

/* Sends what the socket takes; false: the connection is broken, or fails to be watched. */
static bool send_some(link *l) {
    while (!all_sent(l)) {
        struct iovec iov[2];
        int n = 0;
        for (int i = 0; i < 2; i++)
            if (l->parts[i].len)
                iov[n++] = (struct iovec){(void *)(uintptr_t)l->parts[i].data, l->parts[i].len};
        ssize_t sent = l->cn->ops->writev(l->cn, iov, n);
        if (sent == -1) break;
        if (sent < 0) return false;
        moved(l);
        for (int i = 0; i < 2; i++) {
            size_t some = (size_t)sent < l->parts[i].len ? (size_t)sent : l->parts[i].len;
            l->parts[i] = slice_skip(l->parts[i], some);
            sent -= (ssize_t)some;
        }
    }
    unsigned events = conn_events(l->cn, true, !all_sent(l));
    return status_ok(reactor_modify(l->all->reactor, l->cn->fd, events));
}

/* Takes the lines that have come whole; false: one is no reply. */
static bool take_lines(link *l) {
    while (l->replied < l->replies) {
        char *end = l->in.len ? memchr(l->in.data, '\n', l->in.len) : NULL;
        if (!end) return l->in.len <= LINE_MAX_;
        slice line = slice_of(l->in.data, (size_t)(end - l->in.data));
        size_t all = line.len + 1;
        if (line.len < 2 || line.data[line.len - 1] != '\r') return false;
        if (line.data[0] != '+' && line.data[0] != '-') return false;
        line.len--;
        l->events.reply(l->events.ctx, l->replied++, line);
        buf_consume(&l->in, all);
    }
    return l->in.len == 0;
}

/* Reads what is there; false: the connection is broken, or says what it should not. */
static bool receive_some(link *l) {
    while (l->replied < l->replies) {
        ssize_t n = l->cn->ops->read(l->cn, buf_reserve(&l->in, READ_BYTES), READ_BYTES);
        if (n == -1 && l->cn->pending) continue;
        if (n == -1) return true;
        if (n <= 0) return false;
        moved(l);
        l->in.len += (size_t)n;
        if (!take_lines(l)) return false;
    }
    return true;
}

/* Something happens on the connection. */
static void ready(void *ctx, int fd, unsigned events) {
    link *l = ctx;
    (void)fd;
    if (!l->exchanging) {
        if (l->timer) link_drop(l); /* idle; else it is taken, and will see when it is used */
        return;
    }
    events = conn_ready(l->cn, events);
    if ((events & REACTOR_WRITE) && !all_sent(l) && !send_some(l)) {
        end_exchange(l, LINK_NO_WRITE);
    } else if ((events & REACTOR_READ) && !receive_some(l)) {
        end_exchange(l, all_sent(l) ? LINK_NO_READ : LINK_NO_WRITE);
    } else if (l->replied == l->replies && all_sent(l)) {
        end_exchange(l, LINK_DONE);
    }
}

/* The connection is made, or cannot be. */
static void connected(void *ctx, connect_end why, int fd) {
    link *l = ctx;
    l->connecting = NULL;
    if (why != CONNECT_OK) {
        end_exchange(l, why == CONNECT_NO_NAME ? LINK_NO_CONNECT : LINK_NO_WRITE);
        return;
    }
    moved(l);
    (void)net_set_nodelay(fd); /* without it, it is only slower */
    l->cn = l->all->tls ? tls_connect(fd) : conn_socket(fd, false);
    unsigned events = REACTOR_READ | REACTOR_WRITE;
    if (l->cn && status_ok(reactor_add(l->all->reactor, fd, events, ready, l))) return;
    if (l->cn) l->cn->ops->close(l->cn);
    l->cn = NULL;
    end_exchange(l, LINK_NO_CONNECT);
}

/* Sending begins when the reactor says that the socket takes something, also on a connection that
is there: so the caller is told nothing from within this call. */
void link_exchange(link *l, slice head, slice body, size_t replies, int64_t timeout_ms,
                   const link_events *events) {
    reactor *r = l->all->reactor;
    CHECK(!l->exchanging && !l->connecting && replies > 0);
    l->exchanging = true;
    l->parts[0] = head;
    l->parts[1] = body;
    l->replies = replies;
    l->replied = 0;
    l->timeout_ms = timeout_ms;
    l->events = *events;
    buf_clear(&l->in);
    moved(l);
    l->timer = reactor_timer_add(r, timeout_ms, limit, l);
    if (!l->cn) {
        l->connecting = connect_begin(r, l->host, l->port, connected, l);
    } else {
        CHECK(status_ok(reactor_modify(r, l->cn->fd, REACTOR_READ | REACTOR_WRITE)));
    }
}
