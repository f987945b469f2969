/* input: bytes from a client's socket to whole commands. */
#ifndef STAVE_SESSION_INPUT_H
#define STAVE_SESSION_INPUT_H

#include "session/client.h"

#define INPUT_BUF                                                                                  \
    (64 * 1024) /* the buffer that all clients share; a turn's bound for one client                \
                 */
/* A client that waits (blocked, paused, parked) is read no further than this. */
#define INPUT_WAIT_MAX (1024 * 1024)
/* A client whose commands take longer than this goes on in the next turn. */
#define INPUT_BUDGET_NS 2000000u

/* Its socket has something: reads once, runs the whole commands there are. */
void input_ready(client *c);
/* Runs what is in c->query: it waited, or its time was up. */
void input_continue(client *c);
/* Its waiting is over: it goes on at the end of this turn. */
void input_wake(client *c);
/* Reads from it again if nothing speaks against it any more (CLIENT_READ_STOP). */
void input_allow(client *c);
/* The other end has closed: ends the client once it has what it is owed. */
void input_after_eof(client *c);

#endif
