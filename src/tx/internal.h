/* internal: a client's transaction, for the files of this folder alone. */
#ifndef STAVE_TX_INTERNAL_H
#define STAVE_TX_INTERNAL_H

#include "session/inside.h"
#include "session/list.h"
#include "session/session.h"

/* A client that has called MULTI, or watches keys. */
typedef struct tx {
    client *c;
    inside_command *queue;
    size_t n, cap;
    size_t queue_bytes; /* the copies of arguments */
    bool refused;       /* a command was refused since MULTI: EXEC will be */
    bool ran;           /* EXEC has run the queue */
    list_node watches;
    size_t nwatches, watch_bytes;
} tx;

/* ---- watched keys (watch.c) ---------------------------------------------------------------------
 */

/* For the keyspace that sessions have from now on. */
void watch_start(keyspace *ks);
/* t watches the key from now on, at which `was` has been found. */
void watch_add(tx *t, slice key, enum ks_presence was);
/* It watches nothing any more. REQUIRES: no hook is running. */
void watch_drop(tx *t);
/* Sets CLIENT_DIRTY if the time of a watched key has come. ENGINE_OK, ENGINE_PENDING, ENGINE_ERROR.
 */
engine_result watch_look(tx *t);

#endif
