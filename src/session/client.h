/* client: one connection: what it is running, its replies, its state.
 *
 * Commands (command.h) get a client and use four things of it: argc/argv, the keyspace and
 * database, the reply functions of reply.h, and what it must say of its reply's dependency on the
 * log (client_depends). Features that need per-client state register a slot (client_slot_add). */
#ifndef STAVE_SESSION_CLIENT_H
#define STAVE_SESSION_CLIENT_H

#include "base/buf.h"
#include "io/net.h"
#include "keyspace/keyspace.h"
#include "resp/reader.h"
#include "session/command.h"

typedef struct session session;

enum client_flags {
    CLIENT_CLOSE_AFTER_REPLY = 1 << 0,
    CLIENT_CLOSE_ASAP = 1 << 1,
    CLIENT_MONITOR = 1 << 2,
    CLIENT_NO_EVICT = 1 << 3,
    CLIENT_NO_TOUCH = 1 << 4,
    CLIENT_REPLY_OFF = 1 << 5,
    CLIENT_REPLY_SKIP = 1 << 6, /* the running command's reply is not sent */
    CLIENT_REPLY_SKIP_NEXT = 1 << 7,
    CLIENT_AUTHENTICATED = 1 << 8,
    CLIENT_PARKED = 1 << 9,   /* waits for a pending read */
    CLIENT_PAUSED = 1 << 10,  /* waits for the end of CLIENT PAUSE */
    CLIENT_BLOCKED = 1 << 11, /* in a blocking command */
    CLIENT_UNIX = 1 << 12,
    CLIENT_FAKE = 1 << 13, /* no connection: loading, scripts, tests */
    CLIENT_PUBSUB = 1 << 14,
    CLIENT_MULTI = 1 << 15,
    CLIENT_PROTECTED = 1 << 16,
};

#define CLIENT_SLOTS 16

struct client {
    session *session;
    keyspace *ks;
    conn *conn;
    uint64_t id;
    uint32_t flags;
    int proto; /* 2 or 3 */
    uint32_t db;

    /* The running command. argv are slices into the query buffer, valid while it runs. */
    int argc;
    slice *argv;
    command_row *row;
    uint64_t command_started_us; /* monotonic */

    /* Output: bytes that may go once engine_released() reaches `out_pos`, first in first out. Reply
     * functions append to `out`. See output.h for how it is held and sent. */
    buf out;
    log_pos depends; /* what the running command's reply depends on */
    struct client_output *output;

    /* Input. */
    buf query; /* what is left between turns; empty for an idle client */
    resp_reader reader;

    /* What CLIENT LIST shows. */
    char *name, *lib_name, *lib_ver; /* owned, NULL when unset */
    char peer[NET_ADDR_MAX], local[NET_ADDR_MAX];
    int64_t created_ms, last_active_ms;
    uint64_t total_commands;

    void *slots[CLIENT_SLOTS];
    struct client *next, *prev; /* all clients, by id */
};

/* The running command's reply shows an entry that is at `pos`. */
static inline void client_depends(client *c, log_pos pos) {
    if (pos > c->depends) c->depends = pos;
}
/* It shows absence, a count or a range: all of the log. (What a command without any call of these
 * shows, PING or a syntax error, depends on nothing but what the client was told before.) A command
 * that changes anything depends on the log's end without saying so. */
void client_depends_on_end(client *c);

/* Per-client state for a feature: returns the slot's number; `free` is called when a client ends.
 */
int client_slot_add(void (*free)(client *c, void *state));

client *client_by_id(session *s, uint64_t id);
/* Ends it at the next safe point, replies not yet sent are dropped (CLIENT KILL, limits). */
void client_close_soon(client *c);
/* A client without a connection, for whoever runs commands from within; free with
 * client_fake_free. Its replies collect in `out`. */
client *client_fake(session *s);
void client_fake_free(client *c);
/* Runs c->argv (argc set) through every gate, as if it had come from the network. */
void client_run(client *c);

#endif
