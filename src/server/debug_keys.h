/* debug_keys: the subcommands of DEBUG that look at keys. */
#ifndef STAVE_SERVER_DEBUG_KEYS_H
#define STAVE_SERVER_DEBUG_KEYS_H

#include "session/command.h"

/* DEBUG OBJECT key: in the words of Redis. */
command_result debug_object(client *c);
/* DEBUG DIGEST: of all keys. */
command_result debug_digest(client *c);
/* DEBUG DIGEST-VALUE key...: of each one's contents. */
command_result debug_digest_value(client *c);

#endif
