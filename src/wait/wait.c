/* wait: WAIT and WAITAOF.
 *
 * A client knows the log's end behind its last change (client.wrote). WAITAOF 1 waits until
 * engine_durable() has reached that, which also covers every change before it, and asks the engine
 * for an fsync instead of leaving it to the policy: who calls it wants to know now. Waiting clients
 * are looked at when a turn has ended, as it is there that fsyncs begin, and after the turn in
 * which one has ended.
 *
 *     WAITAOF ── not durable ──> engine_sync_soon, blocked
 *                                     │
 *     turn ends: fsync starts ...     │   ... fsync ended: engine_host.released wakes the reactor
 *                                     v
 *                         look_at_all: durable? ── yes ──> [1, 0]
 *                                     └── no: engine_sync_soon again
 *
 * There are no replicas: what waits for some waits for its time limit, and counts 0. */
#include "wait/wait.h"

#include "base/log.h"
#include "base/mem.h"
#include "commands/data.h"
#include "session/block.h"
#include "session/reply.h"

/* A blocked client. */
typedef struct waiter {
    list_node link;
    client *c;
    log_pos until;
    int64_t numlocal, numreplicas;
    bool aof; /* WAITAOF, which answers two numbers */
} waiter;

/* One session a process, so one list; in the order in which they came. */
static list_node waiting;

/* ---- answering ---------------------------------------------------------------------------------
 */

/* Local logs, of which there is one, that hold all up to that position for good. */
static int64_t local_acks(const client *c, log_pos until) {
    return engine_durable(ks_engine(c->ks)) >= until;
}

/* What is reached so far, whether that was asked for or not. */
static void answer(client *c, bool aof, log_pos until) {
    if (aof) {
        reply_array(c, 2);
        reply_int(c, local_acks(c, until));
    }
    reply_int(c, 0);
}

/* The end of a blocked client's wait: when its own turn has come, its time is up, or it goes. A log
 * that has failed will never hold what it waits for: it is told so. */
static void ended(client *c, block_end why, void *state) {
    waiter *w = state;
    status failed = engine_failed(ks_engine(c->ks));
    bool answers = why == BLOCK_SERVED || why == BLOCK_TIMEOUT;
    if (answers && w->numlocal > local_acks(c, w->until) && !status_ok(failed))
        (void)reply_engine_status(c, failed);
    else if (answers)
        answer(c, w->aof, w->until);
    list_remove(&w->link);
    mem_free(w);
}

/* Has it what it waits for, or can it never have it? */
static bool is_over(const waiter *w) {
    if (w->numlocal == 0) return false; /* only its time limit ends it */
    if (!status_ok(engine_failed(ks_engine(w->c->ks)))) return true;
    return w->numreplicas == 0 && local_acks(w->c, w->until) >= w->numlocal;
}

/* After each turn; nothing while nobody waits. What is answered here goes out in the next one. */
static void look_at_all(void *ctx) {
    session *s = ctx;
    bool wanted = false;
    for (list_node *n = waiting.next, *next; n != &waiting; n = next) {
        waiter *w = LIST_OWNER(n, waiter, link);
        next = n->next;
        if (is_over(w)) {
            client_unblock(w->c, BLOCK_SERVED);
            reactor_wake(session_reactor(s));
        } else {
            wanted |= w->numlocal > local_acks(w->c, w->until);
        }
    }
    if (wanted) engine_sync_soon(ks_engine(session_keyspace(s)));
}

/* ---- commands ----------------------------------------------------------------------------------
 */

/* What the client must see durable. Inside of a transaction that is all there is: what has been
 * changed before in it is not even committed. */
static log_pos written_by(client *c) {
    return ks_in_inner_batch(c->ks) ? engine_log_end(ks_engine(c->ks)) : c->wrote;
}

/* Answers at once if enough is reached, or the client can't wait. */
static command_result wait_for(client *c, bool aof, int64_t numlocal, int64_t numreplicas,
                               int64_t timeout_ms) {
    log_pos until = written_by(c);
    bool enough = numlocal <= local_acks(c, until) && numreplicas <= 0;
    if (enough || !client_can_block(c)) {
        answer(c, aof, until);
        return CMD_DONE;
    }
    waiter *w = mem_zalloc(sizeof *w);
    *w = (waiter){
        .c = c, .until = until, .numlocal = numlocal, .numreplicas = numreplicas, .aof = aof};
    list_init(&w->link);
    list_append(&waiting, &w->link);
    client_block_for(c, timeout_ms, ended, w);
    if (numlocal > 0) engine_sync_soon(ks_engine(c->ks));
    return CMD_DONE;
}

/* WAIT numreplicas timeout. A number below 0 is reached, as it is in redis-server. */
static command_result wait_command(client *c) {
    int64_t numreplicas, timeout_ms;
    if (!arg_i64(c, 1, &numreplicas) || !data_arg_timeout_ms(c, 2, &timeout_ms)) return CMD_REFUSED;
    return wait_for(c, false, 0, numreplicas, timeout_ms);
}

/* WAITAOF numlocal numreplicas timeout. */
static command_result waitaof_command(client *c) {
    int64_t numlocal, numreplicas, timeout_ms;
    if (!arg_i64(c, 1, &numlocal)) return CMD_REFUSED;
    if (numlocal < 0 || numlocal > 1)
        return reply_error(c, "ERR value is out of range, value must between 0 and 1");
    if (!arg_i64_range(c, 2, 0, INT64_MAX, &numreplicas,
                       "ERR value is out of range, must be positive") ||
        !data_arg_timeout_ms(c, 3, &timeout_ms))
        return CMD_REFUSED;
    return wait_for(c, true, numlocal, numreplicas, timeout_ms);
}

/* The hook comes after the session's own, which ends the engine's turn. */
void wait_start(session *s) {
    CHECK(!waiting.next || !list_used(&waiting));
    list_init(&waiting);
    reactor_after(session_reactor(s), look_at_all, s);
}

/* ---- table -------------------------------------------------------------------------------------
 */

static const char *const tips[] = {"request_policy:all_shards", "response_policy:agg_min", NULL};

#define WAIT(name_, run_, arity_, since_, summary_, syntax_)                                       \
    {                                                                                              \
        .name = name_, .run = run_, .arity = arity_, .flags = CMD_BLOCKING,                        \
        .categories = CAT_CONNECTION, .group = "generic", .since = since_, .complexity = "O(1)",   \
        .summary = summary_, .syntax = syntax_, .tips = tips                                       \
    }

const command wait_commands[] = {
    WAIT("wait", wait_command, 3, "3.0.0",
         "Waits until the client's writes are at a number of replicas.", "numreplicas timeout"),
    WAIT("waitaof", waitaof_command, 4, "7.2.0",
         "Waits until the client's writes are durable in the log, here and at replicas.",
         "numlocal:integer numreplicas timeout"),
    {0},
};
