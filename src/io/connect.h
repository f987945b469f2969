/* connect: TCP connections to other hosts, made without blocking: the name is looked up by the C
 * library's own threads, and each of its addresses is tried until one answers. */
#ifndef STAVE_IO_CONNECT_H
#define STAVE_IO_CONNECT_H

#include "io/reactor.h"

typedef struct connecting connecting;

typedef enum connect_end {
    CONNECT_OK,
    CONNECT_NO_NAME, /* there is no such host */
    CONNECT_REFUSED, /* none of its addresses lets us in */
} connect_end;

/* Calls done once, from the reactor and never from within this call, with a non-blocking descriptor
 * that is its own then, or -1. There is no time limit but the system's: see connect_cancel. */
connecting *connect_begin(reactor *r, const char *host, int port,
                          void (*done)(void *ctx, connect_end why, int fd), void *ctx);
/* done will not be called. REQUIRES: it was not. */
void connect_cancel(connecting *c);

#endif
