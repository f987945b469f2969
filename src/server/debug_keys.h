/* debug_keys: the subcommands of DEBUG that look at keys. */
#ifndef STAVE_SERVER_DEBUG_KEYS_H
#define STAVE_SERVER_DEBUG_KEYS_H

#include "session/client.h"

/* What OBJECT ENCODING says of an entry of the key at argument 2. */
engine_result debug_encoding(client *c, const entry *ent, const char **name);
/* debug_data.c: DEBUG POPULATE count [prefix [size]], and a look at structures. */
command_result debug_populate(client *c);
command_result debug_sdslen(client *c);
command_result debug_listpack(client *c);
command_result debug_quicklist(client *c);
command_result debug_htstats(client *c);
/* DEBUG OBJECT key: in the words of Redis. */
command_result debug_object(client *c);
/* DEBUG DIGEST: of all keys. */
command_result debug_digest(client *c);
/* DEBUG DIGEST-VALUE key...: of each one's contents. */
command_result debug_digest_value(client *c);

#endif
