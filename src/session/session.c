/* session: the turn, and what the rest of the server asks of all clients together.
 *
 * A turn of the reactor reads and runs the ready clients (input.c). session_flush is its last hook:
 * clients that can go on run what they have, the engine ends its turn (one write, one fsync), and
 * what the log has released is sent. Then those clients are freed that something has ended. */
#include "session/state.h"

#include "base/log.h"
#include "base/mem.h"
#include "session/descriptors.h"
#include "session/gates.h"
#include "session/input.h"
#include "session/keywait.h"
#include "session/pace.h"

#include <unistd.h>

/* The reactor's hook at a turn's end. */
static void flush_hook(void *ctx) {
    session_flush(ctx);
}

/* Nothing is accepted before session_listen. */
status session_new(reactor *r, keyspace *ks, session **out) {
    session *s = mem_zalloc(sizeof *s);
    s->reactor = r;
    s->ks = ks;
    s->next_id = 1;
    s->by_id = dict_new(false);
    list_init(&s->ready);
    list_init(&s->held);
    list_init(&s->waiting);
    list_init(&s->runnable);
    list_init(&s->closing);
    list_init(&s->unread);
    s->input = mem_alloc(INPUT_BUF);
    for (int i = 0; i < LISTENERS_MAX; i++)
        s->listeners[i].fd = -1;
    gates_start(s);
    pace_start(s);
    s->keywait = keywait_new(s);
    descriptors_start();
    reactor_after(r, flush_hook, s);
    *out = s;
    return STATUS_OK;
}

/* Clients get nothing more. */
void session_free(session *s) {
    session_unpause(s);
    while (s->first)
        client_free(s->first);
    dict_free(s->by_id, NULL);
    keywait_free(s->keywait);
    buf_free(&s->keep);
    for (int i = 0; i < LISTENERS_MAX; i++)
        if (s->listeners[i].fd >= 0) session_unlisten(s, s->listeners[i].fd);
    output_pool_free(&s->pool);
    buf_free(&s->after_reply);
    resp_reader_free(&s->reader);
    mem_free(s->gate_masks);
    mem_free(s->input);
    mem_free(s);
}

/* ---- the turn ----------------------------------------------------------------------------------
 */

/* Those that can go on run now; what they leave over goes on in the next turn. */
static void run_runnable(session *s) {
    list_node now;
    list_init(&now);
    list_append_all(&now, &s->runnable);
    for (list_node *n; (n = list_take(&now)) != NULL;)
        input_continue(LIST_OWNER(n, client, run_link));
}

/* Those whose connection has bytes that no event tells of. Who is not read now (it has enough to
 * do) stays in the list. */
static void read_unread(session *s) {
    list_node now;
    list_init(&now);
    list_append_all(&now, &s->unread);
    for (list_node *n; (n = list_take(&now)) != NULL;)
        input_ready(LIST_OWNER(n, client, read_link));
}

/* Sends what may go. Everybody who is held is looked at when the log has moved. */
static void send_all(session *s) {
    engine *e = ks_engine(s->ks);
    log_pos released = engine_released(e);
    bool failed = !status_ok(engine_failed(e));
    if (released != s->released || failed) list_append_all(&s->ready, &s->held);
    s->released = released;
    list_node now;
    list_init(&now);
    list_append_all(&now, &s->ready);
    while (list_used(&now)) {
        client *c = LIST_OWNER(now.next, client, send_link);
        if (failed) output_fail(c);
        output_send(c);
    }
}

/* Now nobody holds a pointer to them. */
static void free_closing(session *s) {
    for (list_node *n; (n = list_take(&s->closing)) != NULL;)
        client_free(LIST_OWNER(n, client, run_link));
}

/* In this order: what runs now still belongs to the batch that the engine writes. */
void session_flush(session *s) {
    if (s->reading || s->running) return; /* a turn inside of a command */
    s->shakes = 0;
    read_unread(s);
    if (s->keys_ready) keywait_serve(s->keywait);
    run_runnable(s);
    for (int i = 0; i < s->nturn_ends; i++)
        s->turn_ends[i].fn(s->turn_ends[i].ctx);
    engine_turn_end(ks_engine(s->ks));
    send_all(s);
    free_closing(s);
    if (list_used(&s->runnable) || list_used(&s->unread)) reactor_wake(s->reactor);
}

/* They run at this turn's end, in the order in which they began to wait. Who will be told by the
 * engine when it can go on has no use for another run. */
void session_resume(session *s) {
    list_node now;
    list_init(&now);
    list_append_all(&now, &s->waiting);
    for (list_node *n; (n = list_take(&now)) != NULL;) {
        client *c = LIST_OWNER(n, client, run_link);
        bool waits = (c->flags & CLIENT_PARKED) && c->reader.waits;
        if (!waits) c->flags &= ~(unsigned)(CLIENT_PARKED | CLIENT_PAUSED);
        list_append(waits ? &s->waiting : &s->runnable, n);
    }
    keywait_resume(s->keywait);
    if (list_used(&s->runnable)) reactor_wake(s->reactor);
}

/* From the engine, perhaps in the middle of another's command, or of its own: then it is not parked
 * yet, and who parks it sees that nothing is awaited. */
void session_read_ready(engine_reader *r) {
    client *c = LIST_OWNER(r, client, reader);
    if (c->flags & CLIENT_BLOCKED) {
        keywait_ready(c->session->keywait, c);
    } else if (c->flags & CLIENT_PARKED) {
        c->flags &= ~(unsigned)CLIENT_PARKED;
        input_wake(c);
    }
}

/* Asked in order of registration. */
void session_at_turn_end(session *s, void (*fn)(void *ctx), void *ctx) {
    CHECK(s->nturn_ends < TURN_ENDS_MAX);
    s->turn_ends[s->nturn_ends].fn = fn;
    s->turn_ends[s->nturn_ends++].ctx = ctx;
}

/* Descriptors alone: the child does not run this code again. */
void session_close_in_child(session *s) {
    for (const client *c = s->first; c; c = c->next)
        if (c->conn->fd >= 0) (void)close(c->conn->fd);
    for (int i = 0; i < LISTENERS_MAX; i++)
        if (s->listeners[i].fd >= 0) (void)close(s->listeners[i].fd);
}

/* ---- output from elsewhere ----------------------------------------------------------------------
 */

/* Tagged as a push, so that a failed log drops it without a word. */
void session_push(client *c, slice bytes, log_pos depends) {
    session *s = c->session;
    if (c->flags & CLIENT_CLOSE_ASAP) return;
    if (busy_is(c)) {
        busy_push(s, bytes, depends);
        return;
    }
    if (c == s->running) {
        buf_append_slice(&s->after_reply, bytes);
        if (depends > s->after_reply_depends) s->after_reply_depends = depends;
        return;
    }
    output_open(c);
    c->out_from = c->out.len;
    c->depends = depends;
    buf_append_slice(&c->out, bytes);
    output_end(c, true);
}

/* ---- what others ask ----------------------------------------------------------------------------
 */

/* Never a fake one: who runs that is told. */
client *session_running(const session *s) {
    return s->running;
}

/* Those about to be closed included. */
size_t session_client_count(const session *s) {
    return s->clients;
}

/* A walk over all. */
size_t session_client_memory(const session *s) {
    size_t n = 0;
    for (const client *c = s->first; c; c = c->next)
        n += client_memory(c);
    return n;
}

/* Those about to be closed included. */
client *session_next_client(session *s, client *after) {
    return after ? after->next : s->first;
}

/* Also for those who count for it (output, errors). */
session_stats *session_statistics(session *s) {
    return &s->stats;
}

/* The one that every client uses. */
keyspace *session_keyspace(session *s) {
    return s->ks;
}

/* For timers of features. */
reactor *session_reactor(session *s) {
    return s->reactor;
}
