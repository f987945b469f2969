/* internal: what the files of this folder share, and nobody else. */
#ifndef STAVE_TRACKING_INTERNAL_H
#define STAVE_TRACKING_INTERNAL_H

#include "base/btree.h"
#include "session/session.h"

/* ---- clients (tracking.c) -----------------------------------------------------------------------
 */

/* What a client's slot has: from its first CLIENT TRACKING ON until it ends or is reset. Whether it
 * tracks now, and in which of the two ways, says its CLIENT_TRACKING and CLIENT_TRACKING_BCAST;
 * where its messages go, its `redirect`. */
typedef struct tracker {
    client *c;
    list_node node; /* of all trackers */
    bool optin, optout, noloop;
    bool caching;        /* CLIENT CACHING was given for the next command */
    btree *prefixes;     /* BCAST: each of its prefixes -> where it is told (prefixes.c), or NULL */
    size_t prefix_bytes; /* of what is behind them */
    size_t unsettled;    /* prefixes that came in a batch that has not committed */
    uint64_t changed_in; /* the turn in which it last changed a key of a prefix */
} tracker;

/* NULL: it has never tracked. */
tracker *tracker_of(const client *c);
/* Does it track now? */
static inline bool tracks(const client *c) {
    return c->flags & CLIENT_TRACKING;
}
/* The client's, made if there is none, and switched on: without options, redirect or break. */
tracker *tracker_on(client *c);
/* It gets no messages any more; what it has read is not forgotten, as it may switch on again. */
void tracker_off(client *c);

/* ---- commands (commands.c) ----------------------------------------------------------------------
 */

extern const command tracking_commands[];
extern const char *const tracking_help[];

/* ---- keys that were read (table.c) --------------------------------------------------------------
 */

extern int64_t table_max_keys; /* 0: no limit */
void table_start(session *s);
/* c may have this key in its cache from now on. */
void table_remember(const client *c, slice key);
/* Tells all who may have it, and forgets it. by: who has changed it, or NULL. */
void table_changed(slice key, const client *by);
/* Forgets all keys and tells nobody. */
void table_clear(void);
/* Work that was put off, a slice of it: limits that were lowered, memory of what was cleared. True:
 * there is more. */
bool table_work(void);
size_t table_keys(void);
size_t table_items(void); /* clients of all keys, those included that have gone since */

/* ---- prefixes (prefixes.c) ----------------------------------------------------------------------
 */

/* Would a key that begins with one of these be told twice? Then it is false, and *bad and *other
 * name the two prefixes; *own: the other one is t's already (t may be NULL). prefixes: n > 0. */
bool prefixes_fit(const tracker *t, const slice *prefixes, size_t n, size_t *bad, slice *other,
                  bool *own);
/* From now on t is told of keys that begin so; nothing, if it is already. */
void prefixes_add(tracker *t, slice prefix);
/* The batch in which they were added has committed. */
void prefixes_settle(tracker *t);
/* Takes all from it. */
void prefixes_drop(tracker *t);
/* Notes the key for those whose prefix it has. by: who has changed it, or NULL. */
void prefixes_changed(slice key, const client *by);
/* Sends what was noted. */
void prefixes_send(void);
size_t prefixes_count(void);

/* ---- messages (send.c) --------------------------------------------------------------------------
 */

/* To t's client, or to whom that is redirected: these keys, an array in RESP, have changed. */
void send_keys(tracker *t, slice array);
/* All keys have. */
void send_all_keys(tracker *t);

#endif
