/* busy: other clients are answered from within a command that takes long (a script).
 *
 *     command of c ──> session_serve ──> reactor_serve ──> input, dispatch of others: -BUSY, or one
 * of ^                                               the few commands that gates let through
 *          └───────────── all as it was ──<── replies are sent
 *
 * The command's batch is open, its arguments lie in the session's input buffer and parser, its
 * reply grows in its client's output. So all that belongs to the running command is put aside,
 * others get a buffer and a parser of their own, and what may not happen in the middle of a batch
 * does not:
 *
 *   the end of a turn         nothing is written or released, so only replies go out that depend on
 *                             nothing unreleased, as -BUSY does
 *   timers, other descriptors reactor_serve leaves them: no expiry, no merges, no cron
 *   clients that waited       what could run again (a read that came) runs at the turn's end
 *   c itself                  is not read, and nothing is sent to it
 *   the end of a client       closing ones are freed at the turn's end
 *
 * A command that is let through runs in a batch within c's; it may read and must not write. */
#include "session/state.h"

#include "base/log.h"
#include "base/mem.h"
#include "session/input.h"

/* What belongs to the command that takes long. */
struct busy {
    client *c; /* the outermost one; NULL: it has no connection */
    char *input;
    resp_reader reader;
    bool reading;
    buf after_reply;
    log_pos after_reply_depends;
    buf keep;
    uint64_t runs, inside_errors, now_ns;
};

bool session_serving(const session *s) {
    return s->busy != NULL;
}

bool busy_is(const client *c) {
    return c->session->busy && c->session->busy->c == c;
}

/* Behind its reply, like what it is pushed while it runs. */
void busy_push(session *s, slice bytes, log_pos depends) {
    busy *b = s->busy;
    buf_append_slice(&b->after_reply, bytes);
    if (depends > b->after_reply_depends) b->after_reply_depends = depends;
}

/* All but c's; what the log holds back stays so. */
static void send_others(session *s) {
    list_node now, own;
    list_init(&now);
    list_init(&own);
    list_append_all(&now, &s->ready);
    for (list_node *n; (n = list_take(&now)) != NULL;) {
        client *c = LIST_OWNER(n, client, send_link);
        if (busy_is(c))
            list_append(&own, n);
        else
            output_send(c);
    }
    list_append_all(&s->ready, &own);
}

/* The session as if no command were running. */
static void put_aside(session *s, busy *b) {
    *b = (busy){.c = s->running,
                .input = s->input,
                .reader = s->reader,
                .reading = s->reading,
                .after_reply = s->after_reply,
                .after_reply_depends = s->after_reply_depends,
                .keep = s->keep,
                .runs = s->runs,
                .inside_errors = s->inside_errors,
                .now_ns = s->now_ns};
    s->busy = b;
    s->running = NULL;
    s->input = mem_alloc(INPUT_BUF);
    s->reader = (resp_reader){0};
    s->reading = false;
    s->after_reply = s->keep = (buf){0};
    s->after_reply_depends = 0;
    s->shakes = 0;
}

/* Back to the command. */
static void put_back(session *s, const busy *b) {
    CHECK(!s->running && !s->reading && !s->after_reply.len);
    mem_free(s->input);
    resp_reader_free(&s->reader);
    buf_free(&s->keep);
    buf_free(&s->after_reply);
    s->running = b->c;
    s->input = b->input;
    s->reader = b->reader;
    s->reading = b->reading;
    s->after_reply = b->after_reply;
    s->after_reply_depends = b->after_reply_depends;
    s->keep = b->keep;
    s->runs = b->runs;
    s->inside_errors = b->inside_errors;
    s->now_ns = b->now_ns;
    s->busy = NULL;
}

/* Errors of others' commands are not the running one's. */
void session_serve(session *s) {
    busy b;
    CHECK(!s->busy && ks_in_batch(s->ks));
    uint64_t errors = s->stats.error_replies;
    put_aside(s, &b);
    reactor_serve(s->reactor);
    send_others(s);
    put_back(s, &b);
    s->inside_errors += s->stats.error_replies - errors;
}
