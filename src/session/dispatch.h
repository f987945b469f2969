/* dispatch: one command from its arguments to its reply. */
#ifndef STAVE_SESSION_DISPATCH_H
#define STAVE_SESSION_DISPATCH_H

#include "session/client.h"

typedef enum dispatch_result {
    DISPATCH_DONE, /* its reply is queued; its bytes are used up */
    DISPATCH_WAIT, /* it has not run (CLIENT_WAITS says why): its bytes must be kept */
} dispatch_result;

/* Runs c->argv through the gates. Sets the session's clock (now_ns) to its end. */
dispatch_result dispatch(client *c);
/* A blocked client's command once more, as a batch of its own: no watch is asked again, and of the
 * gates those that say `inside`; refused by one, it is over, with CMD_REFUSED.
 * c->flags has CLIENT_BLOCKED then, or it has replied; or CMD_AGAIN, and no trace. REQUIRES:
 * CLIENT_BLOCKED taken off, argv and row as in its first run. */
command_result dispatch_again(client *c);
/* A command that was blocked has its late reply: it is counted, watchers are told, and
 * dispatch_reply_done. */
void dispatch_end(client *c, command_result r, bool failed);
/* Everything between a command's last byte of reply and its being queued: what it depends on, reply
 * modes, limits. Also for the late reply of a blocked command. */
void dispatch_reply_done(client *c);
/* The gates that look at a command (registered after gate_masks were computed, or new commands). */
void dispatch_update_masks(session *s);

#endif
