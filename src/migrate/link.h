/* link: connections to other servers: a few that are idle are kept, and one that is taken carries
 * one exchange: a request, and one line of reply for each command in it. */
#ifndef STAVE_MIGRATE_LINK_H
#define STAVE_MIGRATE_LINK_H

#include "base/buf.h"
#include "io/reactor.h"

typedef struct links links;
typedef struct link link;

typedef enum link_end {
    LINK_DONE,       /* every reply has come */
    LINK_NO_CONNECT, /* no such host, or no answer in time */
    LINK_NO_WRITE,   /* refused, or broken while sending */
    LINK_NO_READ,    /* broken while receiving, no answer in time, or no reply as expected */
} link_end;

/* What an exchange tells, in this order: replies as they come, then its end, once; neither is
 * called from within link_exchange. */
typedef struct link_events {
    /* The i-th reply: a line without its end, "+OK" or "-ERR ...". */
    void (*reply)(void *ctx, size_t i, slice line);
    /* Its end. The link must be given back or dropped. */
    void (*end)(void *ctx, link_end why);
    void *ctx;
} link_events;

links *links_new(reactor *r);
/* From now on connections are made over TLS (tls.h), or plainly; idle ones of the other kind go. */
void links_use_tls(links *all, bool on);

/* An idle connection to there (*reused), or one that will be made by its first exchange: always, if
 * it must be `fresh`. */
link *link_take(links *all, const char *host, int port, bool fresh, bool *reused);
/* The database that was selected last; -1: not known. For its user to keep. */
int64_t *link_db(link *l);
/* Sends head and body, which must live until the end, and reads `replies` lines. timeout_ms: how
 * long nothing may move. REQUIRES: no exchange is going on. */
void link_exchange(link *l, slice head, slice body, size_t replies, int64_t timeout_ms,
                   const link_events *events);
/* It is idle, and may be taken again for LINK_KEEP_MS. REQUIRES: LINK_DONE. */
void link_give_back(link *l);
/* Closes it, whatever it is doing. */
void link_drop(link *l);
size_t links_idle(const links *all);

#define LINK_KEEP_MS 10000
#define LINKS_IDLE   64 /* the one that is idle longest goes */

#endif
