/* inside: commands that another command runs, as parts of it: EXEC, scripts.
 *
 * They run in the outer command's batch, their replies are parts of its reply, and what they depend
 * on it depends on. They are counted, and told to watches, when the outer command's batch has
 * committed, so that one that is run again because of a pending read is told once. */
#ifndef STAVE_SESSION_INSIDE_H
#define STAVE_SESSION_INSIDE_H

#include "session/client.h"

typedef struct inside_command {
    command_row *row;
    int argc;
    slice *argv;
    /* What came of it. */
    uint32_t db; /* in which the client was after it */
    uint64_t ns;
    command_result result;
    bool failed; /* it replied with an error */
} inside_command;

/* Runs it: the arguments have been found to fit the row; of the gates those are asked that say
 * `inside`. Its reply is appended to c's. CMD_DONE, CMD_REFUSED: it has replied, and the outer
 * command may go on. CMD_AGAIN, CMD_FAILED: the outer command must return the same, with nothing
 * left of what the client was changed to. REQUIRES: c's command is running; a command that waits
 * for its keys finds that c can't (client_can_block). */
command_result inside_run(client *c, inside_command *in);
/* That command has just answered CMD_AGAIN, or will run in the batch of one that has: asks for its
 * keys, so that all that must come from the disk comes together. */
void inside_expect(client *c, const command_row *row, int argc, const slice *argv);
/* Counts it and tells watches. REQUIRES: the outer command has ended. */
void inside_account(client *c, const inside_command *in);

/* The outer command replies with the error that one of these has answered: it is not counted once
 * more, but the outer command has failed too. REQUIRES: one of them has failed. */
void inside_reply_error(client *c, slice text);
/* Counts `calls` of one command of which `failed` answered an error, together ns long; no watch is
 * told: for who has too many to keep them all. */
void inside_count(client *c, command_row *row, uint64_t calls, uint64_t ns, uint64_t failed);
/* A number that each run of an outermost command has for itself, its watches included. */
uint64_t session_runs(const session *s);

#endif
