/* input: reading and parsing.
 *
 * All clients are read into one buffer, and parsed there: a client whose commands came whole owns
 * no input memory. What is left over (the first part of a command) is copied to client.query, and
 * back in front of the next read. Only a command that needs more than the shared buffer holds is
 * read straight into client.query, which is made exactly as large as the parser says it must be, so
 * that a value of hundreds of megabytes is copied once, by the command itself.
 *
 * The parser is shared in the same way: its state goes to client.partial when a command is
 * incomplete, so that a long one is not parsed from its start again at every read. */
#include "session/input.h"

#include "base/log.h"
#include "base/mem_later.h"
#include "session/config.h"
#include "session/dispatch.h"
#include "session/identity.h"
#include "session/reply.h"
#include "session/state.h"

#define READ_MAX     (1024u * 1024) /* bytes of one read into client.query */
#define GROW_MIN     (64u * 1024)
#define AHEAD_MAX    (1024u * 1024 * 1024) /* bytes that are reserved because they are announced */
#define UNAUTH_MULTI 10
#define ASK_AHEAD    64 /* commands behind one that waits for the disk */
#define UNAUTH_BULK  16384

/* What the parser may take from this client. */
static resp_limits limits_of(const client *c) {
    resp_limits l = {session_config.max_bulk, RESP_ARGS_MAX, 0};
    if (identity_must_say(c)) {
        l.max_multibulk = UNAUTH_MULTI;
        l.max_bulk_unauth = UNAUTH_BULK;
    }
    return l;
}

/* Back to the shared parser. */
static void drop_partial(client *c) {
    if (!c->partial) return;
    resp_reader_free(c->partial);
    mem_free(c->partial);
    c->partial = NULL;
}

/* The parser's state goes with the client until the rest of the command comes. */
static void keep_partial(client *c) {
    session *s = c->session;
    if (c->partial) return;
    c->partial = mem_dup(&s->reader, sizeof s->reader);
    s->reader = (resp_reader){0};
}

/* The rest of the stream can't be trusted: an error, and the end. */
static void protocol_error(client *c, const char *what) {
    log_verbose("Protocol error (%s) from client id=%llu addr=%s", what, (unsigned long long)c->id,
                c->peer);
    output_open(c);
    c->out_from = c->out.len;
    c->depends = 0;
    (void)reply_error(c, "ERR Protocol error: %s", what);
    dispatch_reply_done(c);
    client_close_after_reply(c);
}

/* Its commands go on at the end of this turn, or of the next one. */
static void make_runnable(client *c) {
    if (!list_used(&c->run_link)) list_append(&c->session->runnable, &c->run_link);
}

/* May the next command of c run now? If not, whoever changes that calls input_wake. */
static bool may_run(client *c) {
    if (c->flags & (CLIENT_WAITS | CLIENT_ENDS)) return false;
    if (output_unsent(c) <= OUTPUT_STOP_UNKNOWN / 2 || !output_is_full(c)) return true;
    c->flags |= CLIENT_READ_STOP;
    return false;
}

/* Tells the engine about the commands after the one that has just run, which begin at p[at], as
 * many as it likes to know ahead; *ahead is how far it has been told, 0 at first. Past the last one
 * the engine only gets on with what it knows. A pipeline is mostly of one kind: if that command
 * read its key, these will. */
static void look_ahead(client *c, const char *p, size_t n, size_t at, size_t *ahead) {
    bool value = c->row && (c->row->flags & CMD_READONLY);
    int more = *ahead ? 1 : ENGINE_AHEAD;
    if (*ahead < at) *ahead = at;
    while (more-- > 0) {
        slice key = SLICE_EMPTY;
        size_t len = *ahead < n ? resp_peek(p + *ahead, n - *ahead, &key) : 0;
        engine_prefetch(ks_engine(c->ks), c->db, len ? key : SLICE_EMPTY, value);
        *ahead = len ? *ahead + len : n; /* what can't be read ahead ends the looking */
    }
}

/* c's command at p[at] waits for the disk: what those behind it will read is asked for at the same
 * time, or a pipeline would wait for each. Once a command, and only if they are likely to read. It
 * is let go when this one ends, so they too, when they run, look where it is then: in the page
 * cache. */
static void ask_ahead(client *c, const char *p, size_t n, size_t at) {
    engine *e = ks_engine(c->ks);
    slice key;
    entry ent;
    if (!(c->flags & CLIENT_PARKED) || c->reader.rounds || c->session->busy) return;
    if (!(c->row->flags & CMD_READONLY)) return;
    c->reader.by_pages = at < n;
    engine_read_for(e, &c->reader);
    for (int i = 0; i < ASK_AHEAD && at < n; i++) {
        size_t len = resp_peek(p + at, n - at, &key);
        if (!len || key.len > ENGINE_KEY_MAX) break;
        if (engine_get(e, c->db, key, &ent) == ENGINE_ERROR) break;
        at += len;
    }
    engine_read_for(e, NULL);
}

/* Runs the whole commands at p[0..n); returns how many bytes are done with. */
static size_t run_commands(client *c, const char *p, size_t n) {
    session *s = c->session;
    size_t at = 0, ahead = 0;
    uint64_t start = s->now_ns = clock_mono_ns();
    resp_limits limits = limits_of(c);
    while (at < n && may_run(c)) {
        resp_reader *r = c->partial ? c->partial : &s->reader;
        resp_result res = resp_read(r, p + at, n - at, &limits);
        if (res == RESP_INCOMPLETE) {
            keep_partial(c);
            break;
        }
        if (res == RESP_ERROR) {
            protocol_error(c, r->error);
            drop_partial(c);
            resp_reader_free(&s->reader);
            s->reader = (resp_reader){0};
            break;
        }
        size_t consumed = r->consumed;
        bool was_auth = c->flags & CLIENT_AUTHENTICATED;
        c->argc = r->argc;
        c->argv = r->argv;
        dispatch_result d = r->argc ? dispatch(c) : DISPATCH_DONE;
        drop_partial(c);
        if (d == DISPATCH_WAIT) {
            ask_ahead(c, p, n, at + consumed);
            break;
        }
        at += consumed;
        if (at < n && !s->busy) look_ahead(c, p, n, at, &ahead);
        if (was_auth != !!(c->flags & CLIENT_AUTHENTICATED)) limits = limits_of(c);
        if (s->now_ns - start > INPUT_BUDGET_NS && at < n) {
            make_runnable(c);
            break;
        }
    }
    c->argc = 0;
    c->argv = NULL;
    return c->flags & CLIENT_ENDS ? n : at;
}

/* After new bytes in c->query: false, and the client is closed, if they are too many. */
static bool within_limit(client *c) {
    session *s = c->session;
    if (c->query.len > s->recent_max_input) s->recent_max_input = c->query.len;
    if ((uint64_t)c->query.len <= (uint64_t)session_config.query_limit) return true;
    log_warning("Closing client that reached max query buffer length: id=%llu addr=%s",
                (unsigned long long)c->id, c->peer);
    s->stats.query_limit_disconnections++;
    client_close_soon(c);
    return false;
}

/* A connection that can't be read any more. What fails before it was one may be an attack, or a
 * client that is not set up right: so an operator is told. */
static void read_failed(client *c) {
    char own[NET_ADDR_MAX];
    client_local_addr(c, own);
    if (c->conn->shaking)
        log_warning("Error accepting a client connection: %s (addr=%s laddr=%s)",
                    conn_error(c->conn), c->peer, own);
    else
        log_verbose("Reading from client: %s", conn_error(c->conn));
    client_close_soon(c);
}

/* r is what a read answered; false if there are no bytes. */
static bool got_bytes(client *c, ssize_t r) {
    session *s = c->session;
    s->stats.reads++;
    if (r > 0) {
        s->stats.net_in_bytes += (uint64_t)r;
        c->last_active_ms = ks_now(s->ks);
        return true;
    }
    if (r == -1) return false;
    if (r == 0) {
        c->flags |= CLIENT_EOF;
        client_update_events(c);
        input_after_eof(c);
    } else {
        read_failed(c);
    }
    return false;
}

/* Of the bytes that the command still needs, those to make room for: most values come whole. What
 * goes beyond that is only a number so far, as large as proto-max-bulk-len lets it be. */
static size_t room_ahead(size_t need) {
    return need < AHEAD_MAX ? need : AHEAD_MAX;
}

/* Reads into the shared buffer, behind what is left over; keeps what is left over then. */
static void read_shared(client *c) {
    session *s = c->session;
    size_t n = c->query.len;
    CHECK(n < INPUT_BUF);
    ssize_t r = c->conn->ops->read(c->conn, s->input + n, INPUT_BUF - n);
    if (!got_bytes(c, r)) return;
    if (n) {
        memcpy(s->input, c->query.data, n);
        buf_free(&c->query);
    }
    n += (size_t)r;
    size_t used = run_commands(c, s->input, n);
    if (used < n) {
        size_t need = c->partial && c->partial->need > INPUT_BUF / 2 ? c->partial->need : 0;
        buf_reserve_exact(&c->query, n - used + room_ahead(need));
        buf_append(&c->query, s->input + used, n - used);
        (void)within_limit(c);
    }
    if (c->flags & CLIENT_READ_STOP) input_allow(c);
}

/* Reads into client.query; runs commands unless the client waits. */
static void read_own(client *c) {
    size_t need = c->partial ? c->partial->need : 0;
    bool short_of = c->query.cap - c->query.len < need && need <= AHEAD_MAX;
    if (short_of || c->query.cap == c->query.len) {
        size_t grow = c->query.len < GROW_MIN ? GROW_MIN : c->query.len;
        buf_reserve_exact(&c->query, need > INPUT_BUF / 2 ? room_ahead(need) : grow);
    }
    size_t room = c->query.cap - c->query.len;
    if (need > INPUT_BUF / 2 && room > need) room = need; /* not a byte of the next command */
    if (room > READ_MAX) room = READ_MAX;
    ssize_t r = c->conn->ops->read(c->conn, c->query.data + c->query.len, room);
    if (!got_bytes(c, r)) return;
    c->query.len += (size_t)r;
    if (!within_limit(c)) return;
    if (c->flags & CLIENT_WAITS)
        input_allow(c);
    else if ((size_t)r < need)
        c->partial->need -= (size_t)r; /* the parser need not look yet */
    else
        input_continue(c);
}

/* Decides where the bytes go: the shared buffer, or the client's own. */
static void read_once(client *c) {
    session *s = c->session;
    bool waits = c->flags & CLIENT_WAITS;
    if (!waits && list_used(&c->run_link)) return; /* it has enough to do */
    bool large =
        c->query.len > INPUT_BUF / 2 || (c->partial && c->partial->need > INPUT_BUF - c->query.len);
    if (waits || large) {
        read_own(c);
        return;
    }
    s->reading = true;
    read_shared(c);
    s->reading = false;
}

/* What the connection waits for next may be another thing than before. */
void input_ready(client *c) {
    if (c->session->reading || (c->flags & (CLIENT_ENDS | CLIENT_EOF | CLIENT_READ_STOP))) return;
    read_once(c);
    client_update_events(c);
}

/* From the client's own buffer; what is left over moves to its front. */
void input_continue(client *c) {
    session *s = c->session;
    CHECK(!s->reading);
    if (c->flags & CLIENT_ENDS) return;
    s->reading = true;
    size_t used = run_commands(c, c->query.data, c->query.len);
    s->reading = false;
    if (used == c->query.len)
        buf_free_later(&c->query);
    else if (used)
        buf_consume(&c->query, used);
    if (c->flags & CLIENT_READ_STOP) input_allow(c);
    if (c->flags & CLIENT_EOF) input_after_eof(c);
}

/* Not now, as its waker may be in the middle of something. */
void input_wake(client *c) {
    if (c->flags & CLIENT_CLOSE_ASAP) return; /* its link is in the list of those that end */
    list_remove(&c->run_link);
    make_runnable(c);
    reactor_wake(c->session->reactor);
}

/* The one place that clears CLIENT_READ_STOP. */
void input_allow(client *c) {
    bool stop = output_is_full(c) || ((c->flags & CLIENT_WAITS) && c->query.len >= INPUT_WAIT_MAX);
    bool was = c->flags & CLIENT_READ_STOP;
    if (stop)
        c->flags |= CLIENT_READ_STOP;
    else
        c->flags &= ~(unsigned)CLIENT_READ_STOP;
    if (was && !stop && c->query.len && !(c->flags & CLIENT_WAITS)) input_wake(c);
    client_update_events(c);
}

/* What it sent before is still answered, unless it waits for what may never come. */
void input_after_eof(client *c) {
    if (c->flags & (CLIENT_PAUSED | CLIENT_BLOCKED)) {
        client_close_soon(c);
    } else if (!(c->flags & (CLIENT_PARKED | CLIENT_DELAYED)) && !list_used(&c->run_link) &&
               !output_unsent(c)) {
        client_close_soon(c);
    }
}
