/* session: all clients, the dispatcher and its gates; what the server makes one of. */
#ifndef STAVE_SESSION_SESSION_H
#define STAVE_SESSION_SESSION_H

#include "base/metric.h"
#include "base/setting.h"
#include "io/reactor.h"
#include "session/client.h"

typedef enum gate_result {
    GATE_PASS,
    GATE_REFUSE, /* the gate has replied (reply_error): the command is not run */
    GATE_HOLD,   /* not now: the client is held (its input waits) until session_resume */
    GATE_WAIT,   /* not now: the gate has set one of CLIENT_WAITS, and wakes the client itself */
    GATE_TAKE,   /* the gate has replied and keeps the command for later: it is not run now, and
                    neither counted nor told as refused */
} gate_result;

/* A gate sees each command before it runs; gates are asked in order of `rank`. It is visible in one
 * list which there are: unknown command, arity, authentication, loading, memory, disk, pause, ...
 * So that a command does not pay for gates that have nothing to say to it, a gate names the command
 * flags it is for, a client flag that opens it, and can be disarmed altogether. */
typedef struct gate {
    const char *name;
    int rank;
    gate_result (*pass)(client *c, void *ctx);
    void *ctx;
    uint32_t commands; /* only commands with one of these flags (command_flags); 0: every one */
    uint32_t open_to;  /* not asked for clients with one of these flags (client_flags) */
    bool inside;       /* asked too about commands that others run (inside.h), and about blocked
                          ones each time they are run again */
} gate;

enum gate_rank {
    GATE_RANK_AUTH = 100,
    GATE_RANK_PROTECTED = 150,
    GATE_RANK_ACL = 200,
    GATE_RANK_CLUSTER = 300,
    GATE_RANK_MEMORY = 400,
    GATE_RANK_DISK = 500,
    GATE_RANK_READONLY = 600,
    GATE_RANK_LOADING = 700,
    GATE_RANK_BUSY = 750,
    GATE_RANK_PUBSUB = 800,
    GATE_RANK_PAUSE = 900,
    GATE_RANK_TAKE = 925,
    GATE_RANK_PACE = 950,
};

/* Called around every command that runs: after it, with
 * its time in microseconds. SLOWLOG, LATENCY, MONITOR, propagation. A command that waits for a read
 * and runs again is told once. `refused`: it will not run, because it is not known (c->row is
 * another's then), has the wrong number of arguments, or a gate refused it; its error is in c->out
 * from c->out_from on. Any may be NULL. */
typedef struct command_watch {
    void (*before)(client *c, void *ctx);
    void (*after)(client *c, command_result r, uint64_t us, void *ctx);
    void *ctx;
    void (*refused)(client *c, bool known, void *ctx);
    /* Each time a command has been run, also by another (c->outer), within its batch: what came of
     * it is not known then, and what ks_after_commit is told stands in its place among the changes.
     * Not told of what is to be run again, or failed. */
    void (*ran)(client *c, command_result r, void *ctx);
    /* It looks at more of an argument than its first 4 KiB after the command has run: arguments
     * stay whole while it is armed (client_passes). */
    bool whole;
} command_watch;

/* Counters that INFO shows; owned by the session. */
typedef struct session_stats {
    uint64_t connections, rejected_connections, commands;
    uint64_t net_in_bytes, net_out_bytes;
    uint64_t reads, writes; /* system calls */
    uint64_t error_replies;
    uint64_t output_limit_disconnections, query_limit_disconnections;
    uint64_t evicted_clients;
    uint64_t parked, held_turns;
    uint64_t delays, delay_us; /* writes that the engine let wait, and how long in all */
} session_stats;

status session_new(reactor *r, keyspace *ks, session **out);
void session_free(session *s);
/* The server's listening sockets (owned by the caller): accepts from then on. */
status session_listen(session *s, int fd);
/* The same, but connections are what `make` makes of the descriptors, which are its own then; it
 * may refuse (NULL). */
status session_listen_by(session *s, int fd, conn *(*make)(int fd));
void session_unlisten(session *s, int fd);
/* A connection that is already there, as if just accepted: refused (and closed) at the limit of
 * clients or by protected mode, then NULL (or a client that is told so, and closed, when its
 * handshake is done). Takes ownership of cn. A conn without a descriptor
 * (fd -1) is for tests: nobody tells when it is ready. */
client *session_adopt(session *s, conn *cn, const char *peer, bool peer_is_local);
/* Returns the gate's number, for session_gate_arm. A gate is armed to begin with. */
int session_gate_add(session *s, const gate *g);
void session_gate_arm(session *s, int number, bool armed);
/* Returns the watch's number, for session_watch_arm. A watch is armed to begin with; one that is
 * not costs nothing. */
int session_watch_add(session *s, const command_watch *w);
void session_watch_arm(session *s, int number, bool armed);
/* May c run this, with these arguments (identity.h)? Nothing is replied. */
bool session_permits(client *c, const command_row *row, int argc, slice *argv);
/* Clients whose command a gate held try again in this turn; so do those whose read was pending and
 * who are not told by themselves (engine_reader.ready). */
void session_resume(session *s);
/* The last hook of a turn: engine_turn_end, then sends what is released. Registered with the
 * reactor by session_new. */
void session_flush(session *s);
/* fn is called at every turn's end, when all commands of the turn have run, before what is queued
 * is sent: what it pushes goes with the turn's replies. */
void session_at_turn_end(session *s, void (*fn)(void *ctx), void *ctx);
/* The client whose command runs, or is seen by gates; NULL: none does (a timer, the expire cycle).
 */
client *session_running(const session *s);
/* In a forked child: closes every socket. */
void session_close_in_child(session *s);
/* Ten times a second: timeouts, output limits, memory of clients. */
void session_cron(session *s);
size_t session_client_count(const session *s);
size_t session_client_memory(const session *s);
/* All clients in order of id: NULL to begin. */
client *session_next_client(session *s, client *after);
session_stats *session_statistics(session *s);
keyspace *session_keyspace(session *s);
reactor *session_reactor(session *s);

/* Pauses (CLIENT PAUSE): until wall-clock ms; all or only writes. */
void session_pause(session *s, int64_t until_ms, bool all);
void session_unpause(session *s);
bool session_paused(const session *s, bool *all);

/* DEBUG: writes that may grow the data wait at least so long, whatever the engine says. 0: not. */
void session_pace_least(session *s, uint64_t us);

/* A command that takes long calls this from within, again and again: other clients are read, and
 * run what the gates let them: whoever calls it has a gate of rank GATE_RANK_BUSY that refuses all
 * but a few. Nothing that belongs to the unfinished batch, or to a turn's end, happens meanwhile.
 * REQUIRES: a command is running, and no slice of the engine's is in use. */
void session_serve(session *s);
/* Is it called from session_serve? */
bool session_serving(const session *s);

/* Queues bytes to a client outside its own command (MONITOR, push): held like any output. depends:
 * what they show. To the client whose command is running they go after its reply. */
void session_push(client *c, slice bytes, log_pos depends);

extern const setting session_settings[]; /* timeout, maxclients, client-output-buffer-limit, ... */
const metric_section *session_metrics(session *s);

#endif
