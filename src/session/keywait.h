/* keywait: clients that wait for keys: BLPOP, BZPOPMIN, XREAD BLOCK and the like.
 *
 * A command that finds nothing in any of its keys calls client_wait_for_keys and returns what that
 * returns. When a command (or EXEC, or a script) that has committed made one of the keys hold
 * something of the wanted type, the waiting clients run their whole command again from its
 * arguments, those that came first before the others, one after another, until nobody finds
 * anything any more. Who finds nothing again keeps his place. */
#ifndef STAVE_SESSION_KEYWAIT_H
#define STAVE_SESSION_KEYWAIT_H

#include "session/client.h"
#include "session/command.h"

enum keywait_flags {
    KEYWAIT_ALSO_GONE = 1, /* run again too when the key is deleted or gets another type
                              (XREADGROUP) */
};

/* keys: in the order in which the command looks at them; type: enum key_type. timeout_ms 0: for
 * ever. timed_out writes the reply of a time limit that has passed, or of CLIENT UNBLOCK; it is
 * called at once where the client can't wait (in a transaction, a script). Called again by a
 * command that is run again, it goes on with the same keys, place and time limit. All is copied.
 * REQUIRES: c's command is running and has replied nothing. */
command_result client_wait_for_keys(client *c, const slice *keys, size_t n, unsigned type,
                                    unsigned flags, int64_t timeout_ms,
                                    void (*timed_out)(client *c));
/* What a command must still know when it is run again, and its arguments don't say (XREAD's `$` is
 * the last ID when the client began to wait): bytes, copied, kept from this call, made before
 * client_wait_for_keys, until the command has ended in any way. client_wait_kept is empty in its
 * first run. A read that is pending is no new run. */
void client_wait_keep(client *c, slice bytes);
slice client_wait_kept(const client *c);

/* ---- for this folder --------------------------------------------------------------------------
 */

typedef struct keywait keywait;

keywait *keywait_new(session *s);
void keywait_free(keywait *kw); /* REQUIRES: no clients */
/* Serves the keys that are ready, and runs again who waited for a read. REQUIRES: no command is
 * running. */
void keywait_serve(keywait *kw);
/* A pause is over: whoever is parked is tried again. */
void keywait_resume(keywait *kw);
/* What c's command has asked for is there: it is tried again, if it is parked. */
void keywait_ready(keywait *kw, client *c);
/* How many keys somebody waits for; *gone of them also with KEYWAIT_ALSO_GONE. */
size_t keywait_keys(const keywait *kw, size_t *gone);
/* Bytes that c's waiting for keys takes. */
size_t keywait_memory(const client *c);

#endif
