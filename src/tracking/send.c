/* send: a message's way to the client that shall have it.
 *
 *     RESP3                           >2 invalidate [keys]
 *     RESP2, redirected to a
 *     subscriber of anything          *3 message __redis__:invalidate [keys]
 *     RESP2 else                      nothing: it could not be told from a reply
 *
 * null in the place of the keys: all. What a message says is as durable as the log's end is when it
 * is sent, so it leaves no earlier than the reply of who has made the change; and it is queued
 * behind every reply that its client was given before, also those that still wait for the log. */
#include "tracking/internal.h"

#include "base/log.h"
#include "resp/writer.h"

/* The client that messages of t go to, or NULL, after having told t's that there is none any more.
 * One that is about to be closed would not read it. */
static client *receiver(tracker *t, log_pos depends) {
    client *c = t->c;
    if (!c->redirect) return c;
    client *to = client_by_id(c->session, c->redirect);
    if (to && !(to->flags & CLIENT_ENDS)) return to;
    c->flags |= CLIENT_TRACKING_BROKEN;
    if (c->proto < 3) return NULL;
    buf b = {0};
    resp_push(&b, 3, 2);
    resp_bulk(&b, SLICE("tracking-redir-broken"));
    resp_int(&b, (int64_t)c->redirect);
    session_push(c, buf_slice(&b), depends);
    buf_free(&b);
    return NULL;
}

/* The keys, or with an empty array all of them. */
static void post(tracker *t, slice array) {
    CHECK(tracks(t->c));
    log_pos depends = engine_log_end(ks_engine(t->c->ks));
    client *to = receiver(t, depends);
    if (!to) return;
    bool subscriber = t->c->redirect && (to->flags & CLIENT_PUBSUB);
    if (to->proto < 3 && !subscriber) return;
    buf b = {0};
    if (to->proto < 3) {
        resp_push(&b, to->proto, 3);
        resp_bulk(&b, SLICE("message"));
        resp_bulk(&b, SLICE("__redis__:invalidate"));
    } else {
        resp_push(&b, to->proto, 2);
        resp_bulk(&b, SLICE("invalidate"));
    }
    if (array.len)
        buf_append_slice(&b, array);
    else
        resp_null(&b, to->proto);
    session_push(to, buf_slice(&b), depends);
    buf_free(&b);
}

/* As the table and the prefixes build them. */
void send_keys(tracker *t, slice array) {
    CHECK(array.len > 0);
    post(t, array);
}

/* A null in the receiver's protocol. */
void send_all_keys(tracker *t) {
    post(t, SLICE_EMPTY);
}
