/* state: the inside of a session, for the files of this folder alone. */
#ifndef STAVE_SESSION_STATE_H
#define STAVE_SESSION_STATE_H

#include "base/dict.h"
#include "base/slow.h"
#include "session/output.h"
#include "session/session.h"

#define GATES_MAX     32
#define WATCHES_MAX   16
#define LISTENERS_MAX 64
#define TURN_ENDS_MAX 4

typedef struct listener {
    session *session;
    int fd; /* -1: free */
    bool is_unix;
    conn *(*make)(int fd); /* NULL: plain sockets */
} listener;

/* What watches may be told of. */
enum watch_kind { WATCH_BEFORE, WATCH_AFTER, WATCH_REFUSED, WATCH_RAN, WATCH_WHOLE, WATCH_KINDS };

/* Rates per second, from samples that cron takes. */
typedef struct rate {
    uint64_t last, samples[16];
    unsigned at;
} rate;

typedef struct busy busy;

struct session {
    reactor *reactor;
    keyspace *ks;

    /* Clients. */
    client *first, *last, *cron_at;
    size_t clients;
    uint64_t next_id;
    dict *by_id;        /* of clients with a connection: 8 bytes of id -> client */
    list_node ready;    /* output to be sent at the end of this turn */
    list_node held;     /* output that waits for the log */
    list_node waiting;  /* parked, or held by a gate */
    list_node runnable; /* commands in `query` that can run now */
    list_node closing;  /* CLIENT_CLOSE_ASAP: freed at the end of the turn; by run_link */
    list_node unread;   /* conn.pending: read at the end of the turn; by read_link */
    unsigned shakes;    /* steps of handshakes in this turn */

    /* Commands. */
    gate gates[GATES_MAX]; /* by rank */
    int gate_numbers[GATES_MAX], ngates;
    uint32_t armed;       /* bit per gate */
    uint32_t *gate_masks; /* by command_row.id: the gates that want to see it */
    size_t masks;         /* how many of them are computed */
    command_watch watches[WATCHES_MAX];
    int nwatches;
    uint32_t watching[WATCH_KINDS]; /* bit per watch that is armed and wants to be told of that */
    client *running; /* its command is being run; pushes to it wait in `after_reply` */
    buf after_reply;
    log_pos after_reply_depends;
    uint64_t now_ns; /* the monotonic clock, as of the end of the last command */

    /* Input: one buffer and one parser for all. */
    char *input;
    resp_reader reader;
    bool reading; /* `input` and `reader` are in use */

    /* Output. */
    output_pool pool;
    log_pos released;    /* as last asked */
    bool failed;         /* the engine's log takes no more */
    size_t unsent_bytes; /* of all clients */

    /* Pause. */
    bool paused, pause_all;
    int64_t pause_until_ms;
    uint64_t pause_timer;
    int pause_gate;

    struct {
        void (*fn)(void *ctx);
        void *ctx;
    } turn_ends[TURN_ENDS_MAX];
    int nturn_ends;

    busy *busy;             /* what session_serve has put aside; NULL: it does not run */
    uint64_t runs;          /* of outermost commands */
    status failure;         /* reply_failed's, until its batch has ended */
    uint64_t inside_errors; /* error replies of commands within the one that runs */
    size_t delayed;         /* clients that the pace gate lets wait */
    uint64_t pace_least_us; /* DEBUG */

    listener listeners[LISTENERS_MAX];
    size_t blocked, blocked_for_a_time;
    struct keywait *keywait;
    bool keys_ready; /* keywait_serve has something to do */
    buf keep;        /* of client_wait_keep, while that command runs */
    session_stats stats;
    rate ops, in_rate, out_rate;
    uint64_t rate_at_us;
    size_t recent_max_input, recent_max_output;
    int64_t accept_complained_ms;
};

/* busy.c. Does c's command wait for session_serve to return? */
bool busy_is(const client *c);
/* Bytes that are pushed to it meanwhile. */
void busy_push(session *s, slice bytes, log_pos depends);

/* gates.c. Must c's command wait because of CLIENT PAUSE? */
bool gates_paused(const client *c);

/* session.c. engine_reader.ready of clients with a connection: the one whose reader that is, and
 * nobody else, runs again at this turn's end. */
void session_read_ready(engine_reader *r);

/* client.c. A client with a connection, in the list of clients; conn may be NULL for fakes. */
client *client_new(session *s, conn *cn, const char *peer);
void client_free(client *c);
/* Tells the reactor what the client's flags say it should watch for, if that changed. */
void client_update_events(client *c);

#endif
