/* block: a client that waits in a blocking command, with a time limit.
 *
 * The command calls client_block and returns CMD_DONE without having replied. Whoever has what the
 * client waits for calls client_unblock: the `end` function then writes the reply, as part of the
 * same command, and the client's further input goes on. */
#ifndef STAVE_SESSION_BLOCK_H
#define STAVE_SESSION_BLOCK_H

#include "session/client.h"

typedef enum block_end {
    BLOCK_SERVED,  /* client_unblock was called by the feature */
    BLOCK_TIMEOUT, /* the time limit passed, or CLIENT UNBLOCK id TIMEOUT */
    BLOCK_ERROR,   /* CLIENT UNBLOCK id ERROR: the error is written by block.c */
    BLOCK_CLOSED,  /* the client goes away: nothing can be written */
    BLOCK_REPLIED, /* the command was run again and has ended by itself: only its state is freed */
} block_end;

typedef struct client_block {
    /* Replies (but for BLOCK_ERROR, BLOCK_CLOSED, BLOCK_REPLIED) and forgets `state`. c->depends is
     * 0, c->argv the command's. */
    void (*end)(client *c, block_end why, void *state);
    void *state;
    uint64_t timer; /* the reactor's; 0: no limit, or it has passed */
    bool limited;
    int argc;
    slice *argv; /* a copy of the arguments, in one piece */
} client_block;

/* timeout_ms 0: for ever. REQUIRES: c's command is running, and c can wait: see
 * client_can_block. */
void client_block_for(client *c, int64_t timeout_ms,
                      void (*end)(client *c, block_end why, void *state), void *state);
/* False for clients that nobody could wake (fake ones): the command must answer at once. */
bool client_can_block(const client *c);
/* The command is counted now, once, with all the time it took. REQUIRES: c is blocked. */
void client_unblock(client *c, block_end why);
/* Bytes that its being blocked takes. */
size_t client_block_memory(const client *c);

#endif
