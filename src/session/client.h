/* client: one connection: what it is running, its replies, its state.
 *
 * Commands (command.h) get a client and use four things of it: argc/argv, the keyspace and
 * database, the reply functions of reply.h, and what it must say of its reply's dependency on the
 * log (client_depends). Features that need per-client state register a slot (client_slot_add).
 * The rest is for the folder's own files; an idle client owns this struct, its connection and
 * nothing else. */
#ifndef STAVE_SESSION_CLIENT_H
#define STAVE_SESSION_CLIENT_H

#include "io/net.h"
#include "keyspace/keyspace.h"
#include "resp/reader.h"
#include "session/command.h"
#include "session/list.h"

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
    CLIENT_PAUSED = 1 << 10,  /* a gate holds its command (CLIENT PAUSE) */
    CLIENT_BLOCKED = 1 << 11, /* in a blocking command: see block.h */
    CLIENT_UNIX = 1 << 12,
    CLIENT_FAKE = 1 << 13, /* no connection: loading, scripts, tests */
    CLIENT_PUBSUB = 1 << 14,
    CLIENT_MULTI = 1 << 15,
    CLIENT_PROTECTED = 1 << 16,  /* limits and CLIENT KILL leave it alone */
    CLIENT_LOCAL = 1 << 17,      /* the other end is on this machine */
    CLIENT_EOF = 1 << 18,        /* the other end sends no more; ends when its replies are out */
    CLIENT_WRITE_WAIT = 1 << 19, /* the socket took no more: the reactor tells when it does */
    CLIENT_READ_STOP = 1 << 20,  /* not read: it leaves its replies unread, or waits too full */
    CLIENT_RERUN = 1 << 21,      /* its command passed the gates before, and runs again */
    CLIENT_DELAYED = 1 << 22,    /* the engine lets its write wait: see pace.h */
    CLIENT_DIRTY = 1 << 23,      /* a key that it watches has changed */
    /* For CLIENT LIST: kept by the feature that tells clients what not to cache any longer. */
    CLIENT_TRACKING = 1 << 24,
    CLIENT_TRACKING_BROKEN = 1 << 25, /* its messages go to a client that is no more */
    CLIENT_TRACKING_BCAST = 1 << 26,
    CLIENT_SCRIPT = 1 << 28, /* its command is one that a script runs */
};
/* None of its commands run while it has one of these. */
#define CLIENT_WAITS (CLIENT_PARKED | CLIENT_PAUSED | CLIENT_BLOCKED | CLIENT_DELAYED)
#define CLIENT_ENDS  (CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSE_ASAP)

#define CLIENT_SLOTS 16

/* What is on its way out; see output.h. */
typedef struct client_output {
    struct output_piece *first, *last; /* full buffers that go before client.out */
    size_t pieces, piece_bytes;        /* how many, and their contents */
    size_t sent;                       /* bytes of the first buffer that have gone */
    uint64_t base;                     /* place in the stream of client.out.data[0] */
    uint64_t held_from;                /* place of the first byte that a mark holds */
    buf marks;                         /* output_mark[], from mark_at on */
    size_t mark_at;
    int64_t soft_since_ms; /* over the soft limit since then; 0: not over */
    int64_t stuck_since_ms;
} client_output;

/* The commands that a client has given and that wait to be run as one (MULTI): kept here by the
 * feature that has them, for gates (client_needs) and CLIENT LIST. */
typedef struct client_carried {
    uint32_t flags; /* of all of them */
    uint32_t commands;
    size_t bytes; /* of their arguments */
} client_carried;

struct client {
    session *session;
    keyspace *ks;
    conn *conn;
    uint64_t id;
    uint32_t flags;
    uint32_t db;
    int proto; /* 2 or 3 */

    /* The running command. argv are slices into the query buffer, valid while it runs. */
    int argc;
    slice *argv;
    command_row *row;     /* also the last one, between commands */
    command_row *outer;   /* runs `row` as a part of itself (inside.h); NULL: nothing does */
    size_t out_from;      /* where its reply begins in `out` */
    log_pos depends;      /* what its reply depends on */
    log_pos wrote;        /* the log's end behind its last change; 0: it has made none */
    uint64_t spent_ns;    /* by its earlier runs, when it was parked */
    engine_reader reader; /* for whom its reads are made; without `ready` it can't wait */
    buf out;              /* reply functions append here */
    client_output output; /* held and unsent output */
    unsigned events;      /* what the reactor watches for */
    buf query;            /* input that could not be used yet; empty for an idle client */
    resp_reader *partial; /* state of a command of which only the first part has come */
    list_node send_link;  /* in session.ready or session.held */
    list_node run_link;   /* in session.waiting or session.runnable */
    list_node read_link;  /* in session.unread */
    struct client_block *block;
    client_carried carried;

    /* What CLIENT LIST shows. */
    char *name, *lib_name, *lib_ver; /* owned, NULL when unset */
    char *peer;                      /* owned: "address:port" of the other end */
    int64_t created_ms, last_active_ms;
    uint32_t channels, patterns, shard_channels; /* that it is subscribed to */
    uint64_t redirect; /* CLIENT_TRACKING: the id of the client that is told instead; 0: none */

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

/* The flags of the running command, and of those that it carries: what gates go by. */
static inline uint32_t client_needs(const client *c) {
    return c->row->flags | (c->row->flags & CMD_CARRIES ? c->carried.flags : 0);
}
/* The bytes of all arguments that the running command may have to log, and `each` for it and for
 * every one that it carries. */
size_t client_argument_bytes(const client *c, size_t each);

/* Per-client state for a feature: returns the slot's number; `free` is called when a client that
 * has some ends, or is reset. */
int client_slot_add(void (*free)(client *c, void *state));
/* What such a state takes is counted as the client's memory. */
void client_slot_memory(int slot, size_t (*memory)(const client *c, const void *state));
/* RESET: features forget the client. */
void client_forget_slots(client *c);

client *client_by_id(session *s, uint64_t id);
/* Ends it at the next safe point, replies not yet sent are dropped (CLIENT KILL, limits). */
void client_close_soon(client *c);
/* Ends it once what it is owed has been sent (QUIT, protocol errors). */
void client_close_after_reply(client *c);
/* Frees the old text; an empty one unsets it. `field` is &c->name and the like. */
void client_set_text(char **field, slice text);
/* The own end's "address:port" into out. */
void client_local_addr(const client *c, char out[NET_ADDR_MAX]);
/* What the command does next reads `arg`, one of its arguments, for the last time, front to back: a
 * large one's memory goes as it is read (ks_passing), if it is the client's own. Its first bytes,
 * which SLOWLOG shows, stay, and all of them while a watch wants arguments whole (MONITOR). */
void client_passes(client *c, slice arg);
/* A copy of its arguments in one piece, which outlives the query buffer; the caller's to free. */
slice *client_copy_args(const client *c);
/* Bytes that this client costs: the struct, its input, its output. */
size_t client_memory(const client *c);

/* A client without a connection, for whoever runs commands from within; free with
 * client_fake_free. Its replies collect in `out`. */
client *client_fake(session *s);
void client_fake_free(client *c);
/* Runs c->argv (argc set) through every gate, as if it had come from the network. If that leaves
 * one of CLIENT_WAITS set, the command has not run: call again with the same argv when
 * the engine is ready, or the gate open. Its reads block, unless the caller has set
 * c->reader.ready: then they may park it, and that is told when they are there. */
void client_run(client *c);

#endif
