/* output: see output.h for the picture.
 *
 * A buffer is taken from the pool when a client has something to say and given back when that has
 * gone, so that idle clients hold none. A buffer that is full (PIECE_BYTES) is put aside as a piece
 * and sent as it is: nothing that waits is ever moved or copied again, however much there is. */
#include "session/output.h"

#include "base/log.h"
#include "base/mem_later.h"
#include "session/config.h"
#include "session/errors.h"
#include "session/input.h"
#include "session/reply.h"
#include "session/state.h"

#define PIECE_BYTES (4 * OUTPUT_BUF) /* from here on, a buffer is put aside */
#define MARKS_BYTES (64 * sizeof(output_mark))
#define IOV_MAX_USE 64
#define LET_GO      ((size_t)1 << 20)
#define CHECK_BYTES OUTPUT_BUF /* less than this is checked against limits only if it stays */

/* The i-th mark, sent ones included. */
static output_mark *mark(const client_output *o, size_t i) {
    return (output_mark *)(void *)o->marks.data + i;
}

/* All in the buffer: those before mark_at are done with. */
static size_t mark_count(const client_output *o) {
    return o->marks.len / sizeof(output_mark);
}

/* ---- buffers --------------------------------------------------------------------------------- */

/* From the pool, last given first taken, as that is warm. */
void output_open(client *c) {
    if (c->out.data) return;
    output_pool *p = &c->session->pool;
    if (p->n_bytes)
        c->out = p->bytes[--p->n_bytes];
    else
        buf_reserve(&c->out, OUTPUT_BUF);
}

/* To the pool if it has a size that is worth it and there is room. */
static void give_bytes(session *s, buf *b) {
    output_pool *p = &s->pool;
    if (b->cap >= OUTPUT_BUF && b->cap <= 2 * PIECE_BYTES && p->n_bytes < OUTPUT_POOL) {
        b->len = 0;
        p->bytes[p->n_bytes++] = *b;
        *b = (buf){0};
    } else {
        buf_free_later(b);
    }
}

/* A command that waits has not replied. A large buffer stays: its next run comes soon, and makes
 * more of the same reply, while to free it takes several turns. */
void output_unused(client *c) {
    if (c->out.cap > 2 * PIECE_BYTES) return;
    if (c->out.data && c->out.len == 0) give_bytes(c->session, &c->out);
}

/* All of them are done with. */
static void give_marks(session *s, client_output *o) {
    output_pool *p = &s->pool;
    o->mark_at = 0;
    if (o->marks.cap == MARKS_BYTES && p->n_marks < OUTPUT_POOL) {
        o->marks.len = 0;
        p->marks[p->n_marks++] = o->marks;
        o->marks = (buf){0};
    } else {
        buf_free(&o->marks);
    }
}

/* Puts the full client.out aside. */
static void put_aside(client *c) {
    client_output *o = &c->output;
    output_piece *piece = mem_alloc(sizeof *piece);
    piece->next = NULL;
    piece->bytes = c->out;
    if (o->last)
        o->last->next = piece;
    else
        o->first = piece;
    o->last = piece;
    o->pieces++;
    o->piece_bytes += c->out.len;
    o->base += c->out.len;
    c->out = (buf){0};
}

/* Gives the first piece back. */
static void drop_piece(client *c) {
    client_output *o = &c->output;
    output_piece *piece = o->first;
    CHECK(piece && o->pieces > 0);
    o->first = piece->next;
    if (!o->first) o->last = NULL;
    o->pieces--;
    o->piece_bytes -= piece->bytes.len;
    give_bytes(c->session, &piece->bytes);
    mem_free(piece);
}

/* ---- tagging --------------------------------------------------------------------------------- */

/* What it holds now, unused room of buffers included. */
size_t output_memory(const client *c) {
    return (c->out.data ? mem_size(c->out.data) : 0) + c->output.piece_bytes +
           c->output.pieces * sizeof(output_piece) + c->output.marks.cap;
}

/* The bytes up to `end` wait for `depends`. What waits for nothing joins a mark before it that
 * waits for nothing either: it only has to stay behind. */
static void add_mark(client *c, uint64_t end, log_pos depends, bool push) {
    client_output *o = &c->output;
    session *s = c->session;
    size_t n = mark_count(o);
    if (n > o->mark_at && depends <= s->released && mark(o, n - 1)->depends <= s->released) {
        mark(o, n - 1)->end = end;
        return;
    }
    if (!o->marks.data && s->pool.n_marks)
        o->marks = s->pool.marks[--s->pool.n_marks];
    else if (!o->marks.data)
        buf_reserve_exact(&o->marks, MARKS_BYTES);
    if (o->marks.len == o->marks.cap && o->mark_at > n / 2) {
        buf_consume(&o->marks, o->mark_at * sizeof(output_mark));
        o->mark_at = 0;
    }
    output_mark m = {.end = end, .push = push, .depends = depends};
    buf_append(&o->marks, &m, sizeof m);
}

/* See invariants 2 to 4 of README.md. */
void output_end(client *c, bool push) {
    session *s = c->session;
    client_output *o = &c->output;
    size_t n = c->out.len - c->out_from;
    if (n == 0 || (c->flags & CLIENT_FAKE)) return;
    if (c->flags & CLIENT_CLOSE_ASAP) {
        c->out.len = c->out_from;
        return;
    }
    if (o->marks.len || c->depends > s->released) {
        log_pos end = engine_log_end(ks_engine(c->ks)); /* nobody can depend on more */
        if (!o->marks.len) o->held_from = o->base + c->out_from;
        add_mark(c, o->base + c->out.len, c->depends < end ? c->depends : end, push);
    }
    s->unsent_bytes += n;
    if (!list_used(&c->send_link) && !(c->flags & CLIENT_WRITE_WAIT))
        list_append(&s->ready, &c->send_link);
    if (c->out.len >= PIECE_BYTES) put_aside(c);
    if (output_unsent(c) < CHECK_BYTES) return;
    output_check_limits(c);
    if (push && output_unsent(c) > OUTPUT_STOP) client_close_soon(c);
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* Half the bounds for a client that is stopped already, so that it doesn't flutter. */
bool output_is_full(const client *c) {
    size_t n = output_unsent(c) + c->output.marks.len;
    unsigned half = c->flags & CLIENT_READ_STOP ? 2 : 1;
    if (!(c->flags & CLIENT_AUTHENTICATED) && n > OUTPUT_STOP_UNKNOWN / half) return true;
    if (n > OUTPUT_STOP / half) return true;
    return n > OUTPUT_STOP_SMALL / half && c->session->unsent_bytes > OUTPUT_TOTAL / half;
}

/* The limits' class of a client: who gets pushes has Redis' pubsub limits, MONITOR included, as
 * nobody could stop reading from such a client to slow its output down. */
static const output_limit *limit_of(const client *c) {
    bool pushed = c->flags & (CLIENT_PUBSUB | CLIENT_MONITOR);
    return &session_config.output[pushed ? OUTPUT_CLASS_PUBSUB : OUTPUT_CLASS_NORMAL];
}

/* Counts unsent bytes, held ones included. */
void output_check_limits(client *c) {
    const output_limit *l = limit_of(c);
    session *s = c->session;
    size_t n = output_unsent(c);
    bool over = l->hard && n >= (uint64_t)l->hard;
    if (l->soft && n >= (uint64_t)l->soft) {
        int64_t now = ks_now(s->ks);
        if (!c->output.soft_since_ms) c->output.soft_since_ms = now;
        if (now - c->output.soft_since_ms > l->soft_seconds * 1000) over = true;
    } else {
        c->output.soft_since_ms = 0;
    }
    if (!over || (c->flags & CLIENT_CLOSE_ASAP)) return;
    log_warning("Client id=%llu addr=%s closed for overcoming of output buffer limits.",
                (unsigned long long)c->id, c->peer);
    s->stats.output_limit_disconnections++;
    client_close_soon(c);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Lets go what the log has reached; returns how many bytes may be sent now. */
static size_t allowed(client *c) {
    client_output *o = &c->output;
    size_t n = mark_count(o);
    if (n == 0) return output_unsent(c);
    while (o->mark_at < n && mark(o, o->mark_at)->depends <= c->session->released)
        o->held_from = mark(o, o->mark_at++)->end;
    if (o->mark_at == n) {
        give_marks(c->session, o);
        return output_unsent(c);
    }
    uint64_t first = o->base - o->piece_bytes + o->sent;
    CHECK(o->held_from >= first && o->held_from < o->base + c->out.len + 1);
    return o->held_from - first;
}

/* The first n unsent bytes as vectors, as many as fit; returns how many vectors, and in *total
 * their bytes. */
static int gather(client *c, size_t n, struct iovec *iov, size_t *total) {
    client_output *o = &c->output;
    const output_piece *piece = o->first;
    size_t skip = o->sent;
    int k = 0;
    for (*total = 0; *total < n && k < IOV_MAX_USE; k++) {
        const buf *b = piece ? &piece->bytes : &c->out;
        size_t len = b->len - skip;
        if (len > n - *total) len = n - *total;
        iov[k] = (struct iovec){b->data + skip, len};
        *total += len;
        skip = 0;
        if (!piece) return k + 1;
        piece = piece->next;
    }
    return k;
}

/* Of a long buffer that begins the output, what has been sent goes back to the system in steps. */
static void let_go(const client_output *o, const buf *b, size_t sent) {
    if (b->cap < 2 * LET_GO) return;
    size_t from = o->sent / LET_GO * LET_GO, to = (sent < b->len ? sent : b->len) / LET_GO * LET_GO;
    if (to > from) mem_give_pages(b->data + from, to - from);
}

/* n bytes have gone. */
static void gone(client *c, size_t n) {
    client_output *o = &c->output;
    session *s = c->session;
    let_go(o, o->first ? &o->first->bytes : &c->out, o->sent + n);
    CHECK(n <= output_unsent(c) && n <= s->unsent_bytes);
    s->unsent_bytes -= n;
    s->stats.net_out_bytes += n;
    o->sent += n;
    while (o->first && o->sent >= o->first->bytes.len) {
        o->sent -= o->first->bytes.len;
        drop_piece(c);
    }
    if (o->first || o->sent < c->out.len) return;
    o->base += c->out.len;
    o->sent = 0;
    give_bytes(s, &c->out);
}

/* Writes until it has written n bytes or the socket takes no more; false if it broke. */
static bool write_some(client *c, size_t n) {
    session *s = c->session;
    while (n) {
        struct iovec iov[IOV_MAX_USE];
        size_t total;
        int k = gather(c, n, iov, &total);
        ssize_t r = c->conn->ops->writev(c->conn, iov, k);
        s->stats.writes++;
        if (r == -2) return false;
        if (r > 0) gone(c, (size_t)r);
        if (r > 0 || !c->output.stuck_since_ms) c->output.stuck_since_ms = ks_now(s->ks);
        if (r < (ssize_t)total) {
            c->flags |= CLIENT_WRITE_WAIT;
            return true;
        }
        n -= total;
    }
    return true;
}

/* Then says where the client stands: done, waiting for the socket, or for the log. */
void output_send(client *c) {
    session *s = c->session;
    list_remove(&c->send_link);
    if (c->flags & (CLIENT_CLOSE_ASAP | CLIENT_WRITE_WAIT)) return;
    size_t n = allowed(c);
    if (n && !write_some(c, n)) {
        log_verbose("Error writing to client: %s", conn_error(c->conn));
        client_close_soon(c);
        return;
    }
    size_t left = output_unsent(c);
    if (left == 0) {
        c->output.soft_since_ms = c->output.stuck_since_ms = 0;
        if (c->flags & CLIENT_CLOSE_AFTER_REPLY) client_close_soon(c);
        if (c->flags & CLIENT_EOF) input_after_eof(c);
    } else {
        if (!(c->flags & CLIENT_WRITE_WAIT)) {
            list_append(&s->held, &c->send_link);
            s->stats.held_turns++;
        }
        if (left > s->recent_max_output) s->recent_max_output = left;
        output_check_limits(c);
    }
    if (c->flags & CLIENT_READ_STOP) input_allow(c);
    client_update_events(c);
}

/* The reactor goes on watching until all has gone: most sockets that were full once are full again.
 */
void output_writable(client *c) {
    if (!(c->flags & CLIENT_WRITE_WAIT)) return;
    c->flags &= ~(unsigned)CLIENT_WRITE_WAIT;
    list_remove(&c->send_link);
    list_append(&c->session->ready, &c->send_link);
}

/* ---- failure --------------------------------------------------------------------------------- */

/* All unsent bytes in one buffer, the client's own released. */
static buf flatten(client *c) {
    client_output *o = &c->output;
    buf flat = {0};
    buf_reserve_exact(&flat, output_unsent(c) + 1);
    size_t skip = o->sent;
    while (o->first) {
        buf_append_slice(&flat, slice_skip(buf_slice(&o->first->bytes), skip));
        skip = 0;
        drop_piece(c);
    }
    if (c->out.len) buf_append_slice(&flat, slice_skip(buf_slice(&c->out), skip));
    buf_free(&c->out);
    o->sent = 0;
    return flat;
}

/* Builds the stream anew from what may go, in order. */
void output_fail(client *c) {
    client_output *o = &c->output;
    session *s = c->session;
    size_t n = mark_count(o);
    (void)allowed(c);
    if (!o->marks.len) return;
    uint64_t first = o->base - o->piece_bytes + o->sent;
    size_t before = output_unsent(c);
    buf flat = flatten(c), fresh = {0};
    buf_append(&fresh, flat.data, o->held_from - first);
    for (uint64_t at = o->held_from; o->mark_at < n; o->mark_at++) {
        const output_mark *m = mark(o, o->mark_at);
        CHECK(m->end >= at && m->end - first <= flat.len);
        if (m->depends <= s->released) {
            buf_append(&fresh, flat.data + (at - first), m->end - at);
        } else if (!m->push) {
            resp_error(&fresh, ERRORS_LOG_FAILED);
            errors_count(&s->stats, ERRORS_LOG_FAILED);
        }
        at = m->end;
    }
    buf_free(&flat);
    give_marks(s, o);
    c->out = fresh;
    o->base = first;
    s->unsent_bytes += fresh.len - before;
}

/* Unsent bytes are no longer the session's either. */
void output_free(client *c) {
    session *s = c->session;
    if (!(c->flags & CLIENT_FAKE)) {
        CHECK(s->unsent_bytes >= output_unsent(c));
        s->unsent_bytes -= output_unsent(c);
    }
    while (c->output.first)
        drop_piece(c);
    give_bytes(s, &c->out);
    give_marks(s, &c->output);
}

/* At the session's end. */
void output_pool_free(output_pool *p) {
    while (p->n_bytes)
        buf_free(&p->bytes[--p->n_bytes]);
    while (p->n_marks)
        buf_free(&p->marks[--p->n_marks]);
}
