/* Connecting: a look-up that goes on beside the reactor, then attempts, one address after another.
 *
 * getaddrinfo_a asks in a thread of the C library. That it has ended is seen by a timer, every
 * POLL_MS, which a migration or a replica that begins can wait; numeric addresses need no look-up.
 * A look-up that is no longer wanted cannot always be taken back: then only the timer knows of it,
 * and frees it when it has ended. */
#include "io/connect.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLL_MS   10
#define PORT_TEXT 12

struct connecting {
    reactor *reactor;
    char *host;
    char port[PORT_TEXT];
    void (*done)(void *ctx, connect_end why, int fd); /* NULL: cancelled */
    void *ctx;
    uint64_t timer;
    bool asking; /* `request` is the library's */
    struct gaicb request;
    struct addrinfo hints;
    struct addrinfo *found, *next; /* all addresses; the one to try next */
    int fd;                        /* that is being connected; -1 */
};

/* Nothing of it is left; the library must be done with it, and the descriptor have another owner.
 */
static void free_connecting(connecting *c) {
    CHECK(!c->asking && c->fd < 0);
    if (c->timer) reactor_timer_remove(c->reactor, c->timer);
    if (c->found) freeaddrinfo(c->found);
    mem_free(c->host);
    mem_free(c);
}

/* The attempt that is going on has failed, or is not wanted. */
static void close_attempt(connecting *c) {
    if (c->fd < 0) return;
    reactor_remove(c->reactor, c->fd);
    (void)close(c->fd); /* nothing was sent */
    c->fd = -1;
}

/* Tells, and is gone. */
static void end(connecting *c, connect_end why) {
    int fd = c->fd;
    void (*done)(void *, connect_end, int) = c->done;
    void *ctx = c->ctx;
    if (fd >= 0) reactor_remove(c->reactor, fd);
    c->fd = -1;
    free_connecting(c);
    done(ctx, why, fd);
}

static void attempt(connecting *c);

/* The descriptor is writable: it is connected, or has failed. */
static void attempted(void *ctx, int fd, unsigned events) {
    connecting *c = ctx;
    int err = 0;
    socklen_t len = sizeof err;
    (void)events;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0) {
        end(c, CONNECT_OK);
        return;
    }
    close_attempt(c);
    attempt(c);
}

/* The next address; those that fail at once are passed over. */
static void attempt(connecting *c) {
    while (c->next) {
        struct addrinfo *a = c->next;
        c->next = a->ai_next;
        c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0) continue;
        bool begun = connect(c->fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS;
        if (begun && status_ok(reactor_add(c->reactor, c->fd, REACTOR_WRITE, attempted, c))) return;
        (void)close(c->fd);
        c->fd = -1;
    }
    end(c, CONNECT_REFUSED);
}

/* Has the look-up ended? */
static int64_t poll_name(void *ctx) {
    connecting *c = ctx;
    if (c->asking) {
        int err = gai_error(&c->request);
        if (err == EAI_INPROGRESS) return POLL_MS;
        c->asking = false;
        c->found = err == 0 ? c->request.ar_result : NULL;
        c->next = c->found;
    }
    c->timer = 0;
    if (!c->done) {
        free_connecting(c);
    } else if (!c->found) {
        end(c, CONNECT_NO_NAME);
    } else {
        attempt(c);
    }
    return -1;
}

/* Numeric, or asked for. */
static void look_up(connecting *c) {
    c->hints = (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    if (getaddrinfo(c->host, c->port, &c->hints, &c->found) == 0) {
        c->next = c->found;
        return;
    }
    c->found = NULL;
    c->hints.ai_flags = 0;
    c->request = (struct gaicb){.ar_name = c->host, .ar_service = c->port, .ar_request = &c->hints};
    struct gaicb *list[] = {&c->request};
    c->asking = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) == 0;
}

/* The first look at what the look-up says comes from the reactor, also where it needed none. */
connecting *connect_begin(reactor *r, const char *host, int port,
                          void (*done)(void *ctx, connect_end why, int fd), void *ctx) {
    connecting *c = mem_zalloc(sizeof *c);
    *c = (connecting){.reactor = r, .host = mem_strdup(host), .done = done, .ctx = ctx, .fd = -1};
    snprintf(c->port, sizeof c->port, "%d", port);
    look_up(c);
    c->timer = reactor_timer_add(r, c->asking ? POLL_MS : 0, poll_name, c);
    return c;
}

/* If the library does not let go of the request, poll_name frees it when it has ended. */
void connect_cancel(connecting *c) {
    CHECK(c->done);
    close_attempt(c);
    c->done = NULL;
    if (c->asking && gai_cancel(&c->request) != EAI_CANCELED) return; /* poll_name frees it */
    c->asking = false;
    free_connecting(c);
}
