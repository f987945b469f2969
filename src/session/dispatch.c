/* dispatch: lookup, gates, batch, counters, reply.
 *
 * The only place that knows the order of these. A command's changes and its reply live and die
 * together: whatever makes the batch abort cuts the reply back to where it began. Time is read once
 * a command: the end of one is the beginning of the next in the same buffer. */
#include "session/dispatch.h"

#include "base/log.h"
#include "base/mem.h"
#include "session/config.h"
#include "session/inside.h"
#include "session/keywait.h"
#include "session/reply.h"
#include "session/state.h"

#include <strings.h>

#define QUOTED_MAX                                                                                 \
    128 /* bytes of an unknown command's name, and of its arguments, in the error                  \
         */

/* A run that took less costs nobody more than a command does: it may be made again for any read,
 * where a longer one waits with the thread when its reads have brought little again and again. */
#define SHORT_RUN_NS 1000000u

/* ---- what is refused before any gate ----------------------------------------------------------
 */

/* An HTTP client, perhaps one that a web page tricked into talking to this port. */
static bool is_http(const client *c) {
    return slice_ieq(c->argv[0], "post") || slice_ieq(c->argv[0], "host:");
}

/* The bytes of an argument up to its first NUL. */
static int printable_len(slice s, int max) {
    size_t n = strnlen(s.data ? s.data : "", s.len);
    return n < (size_t)max ? (int)n : max;
}

/* Redis' words: the name, and the beginning of the arguments. */
static void refuse_unknown(client *c) {
    if (is_http(c)) {
        log_warning("Possible SECURITY ATTACK detected: an HTTP request (POST or Host: command) "
                    "came from %s. Connection closed.",
                    c->peer);
        client_close_soon(c);
        return;
    }
    buf args = {0};
    for (int i = 1; i < c->argc && args.len < QUOTED_MAX; i++)
        buf_printf(&args, "'%.*s' ", printable_len(c->argv[i], QUOTED_MAX - (int)args.len),
                   c->argv[i].data ? c->argv[i].data : "");
    (void)reply_error(c, "ERR unknown command '%.*s', with args beginning with: %.*s",
                      printable_len(c->argv[0], QUOTED_MAX), c->argv[0].data ? c->argv[0].data : "",
                      (int)args.len, args.data ? args.data : "");
    buf_free(&args);
}

/* A negative arity is a minimum. */
static bool arity_fits(const command_row *row, int argc) {
    int arity = row->def->arity;
    return arity >= 0 ? argc == arity : argc >= -arity;
}

/* Asks the gates that this command has not opened already. */
static gate_result ask_gates(client *c) {
    session *s = c->session;
    if ((size_t)c->row->id >= s->masks) dispatch_update_masks(s);
    bool carries = c->row->flags & CMD_CARRIES;
    uint32_t needs = client_needs(c);
    uint32_t bits = s->gate_masks[c->row->id] & s->armed;
    for (; bits; bits &= bits - 1) {
        const gate *g = &s->gates[__builtin_ctz(bits)];
        if (c->flags & g->open_to) continue;
        if (carries && g->commands && !(g->commands & needs)) continue;
        gate_result r = g->pass(c, g->ctx);
        if (r != GATE_PASS) return r;
    }
    return GATE_PASS;
}

/* The command waits: nothing of it is left, `why` says until when. What was pushed to the client
 * may have been too much: then it is in the list of those that end, and waits for nothing. */
static dispatch_result hold(client *c, uint32_t why) {
    session *s = c->session;
    if (c->flags & CLIENT_CLOSE_ASAP) return DISPATCH_DONE;
    c->flags |= why;
    if (c->flags & CLIENT_FAKE) return DISPATCH_WAIT;
    list_append(&s->waiting, &c->run_link);
    /* somebody has waited for the disk meanwhile */
    bool there = c->reader.rounds && !c->reader.waits;
    if ((why & CLIENT_PARKED) && there) session_read_ready(&c->reader);
    return DISPATCH_WAIT;
}

/* Tells who wants to know that the command will not run. */
static gate_result refused(client *c, bool known) {
    session *s = c->session;
    for (uint32_t bits = s->watching[WATCH_REFUSED]; bits; bits &= bits - 1) {
        const command_watch *w = &s->watches[__builtin_ctz(bits)];
        w->refused(c, known, w->ctx);
    }
    return GATE_REFUSE;
}

/* Finds the row and asks everybody; GATE_REFUSE after having replied. */
static gate_result admit(client *c) {
    command_row *container;
    command_row *row = command_find_near(c->argv, c->argc, c->row, &container);
    if (!row) {
        if (container) {
            c->row = container;
            container->rejected++;
            (void)reply_unknown_sub(c);
        } else {
            refuse_unknown(c);
        }
        return refused(c, false);
    }
    c->row = row;
    c->spent_ns = 0;
    gate_result r = GATE_REFUSE;
    if (arity_fits(row, c->argc))
        r = ask_gates(c);
    else
        (void)reply_wrong_args(c);
    if (r != GATE_REFUSE) return r;
    row->rejected++;
    return refused(c, true);
}

/* ---- running ------------------------------------------------------------------------------------
 */

/* Does the reply show what the log has, though nothing was changed? A write that found nothing to
 * change tells what others have made of the key before (SADD of a member that is there), a refusal
 * what its value is (no number). That must be as durable as a change would be. */
static bool shows_log(command_result r, uint32_t flags) {
    return (r == CMD_DONE && flags & CMD_WRITE) ||
           (r == CMD_REFUSED && flags & (CMD_WRITE | CMD_READONLY));
}

/* Tells who wants to know before the batch has ended. */
static void tell_ran(client *c, command_result r) {
    const session *s = c->session;
    if (r != CMD_DONE && r != CMD_REFUSED) return;
    for (uint32_t bits = s->watching[WATCH_RAN]; bits; bits &= bits - 1) {
        const command_watch *w = &s->watches[__builtin_ctz(bits)];
        w->ran(c, r, w->ctx);
    }
}

/* What a command said by reply_failed, or else the engine's own error. */
static status why_failed(session *s) {
    status st = status_ok(s->failure) ? engine_error(ks_engine(s->ks)) : s->failure;
    s->failure = STATUS_OK;
    return st;
}

/* Runs the command in a batch of its own and ends that as its result says. Whether it changed
 * anything is seen at the log's end, which then is what the reply depends on. */
static command_result run_batch(client *c) {
    keyspace *ks = c->ks;
    log_pos before = engine_log_end(ks_engine(ks));
    ks_begin(ks);
    command_result r = c->row->def->run(c);
    tell_ran(c, r);
    if (r == CMD_DONE) {
        ks_commit(ks);
    } else {
        CHECK(r != CMD_AGAIN || !ks_has_passed(ks));
        if (r != CMD_REFUSED) c->out.len = c->out_from;
        if (r == CMD_AGAIN && c->argc > 2) inside_expect(c, c->row, c->argc, c->argv);
        if (r == CMD_FAILED) (void)reply_engine_status(c, why_failed(c->session));
        (r == CMD_REFUSED ? ks_refuse : ks_abort)(ks);
    }
    log_pos after = engine_log_end(ks_engine(ks));
    if (after != before) c->wrote = after;
    if (after != before || shows_log(r, c->row->flags)) client_depends(c, after);
    return r;
}

/* Counters of the row, and whoever watches. */
static void account(client *c, command_result r, bool failed, uint64_t ns) {
    session *s = c->session;
    command_row *row = c->row;
    s->stats.commands++;
    row->calls++;
    row->nsec += ns;
    row->failed += failed;
    if (session_config.latency_tracking) histogram_record(&row->latency, ns);
    for (uint32_t bits = s->watching[WATCH_AFTER]; bits; bits &= bits - 1) {
        const command_watch *w = &s->watches[__builtin_ctz(bits)];
        w->after(c, r, ns / 1000, w->ctx);
    }
}

/* Bytes that were pushed to the client while its command ran. */
static void append_pushed(client *c) {
    session *s = c->session;
    output_open(c);
    c->out_from = c->out.len;
    c->depends = s->after_reply_depends;
    buf_append_slice(&c->out, buf_slice(&s->after_reply));
    buf_free(&s->after_reply);
    s->after_reply_depends = 0;
    output_end(c, true);
}

/* Reply modes cut the reply before it is tagged, so nothing waits for it. */
void dispatch_reply_done(client *c) {
    if (c->flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) c->out.len = c->out_from;
    c->flags &= ~(unsigned)CLIENT_REPLY_SKIP;
    if (c->flags & CLIENT_REPLY_SKIP_NEXT)
        c->flags = (c->flags & ~(unsigned)CLIENT_REPLY_SKIP_NEXT) | CLIENT_REPLY_SKIP;
    output_end(c, false);
}

/* The reply first, as what watches push to this client may not land in it: c's command is not the
 * one that runs, if any does. */
void dispatch_end(client *c, command_result r, bool failed) {
    dispatch_reply_done(c);
    account(c, r, failed, c->spent_ns);
}

/* From here to its end, what is appended to `out` is the reply. */
static void begin_reply(client *c) {
    output_open(c);
    c->out_from = c->out.len;
    c->depends = 0;
}

/* One run. Unless a read is pending (CMD_AGAIN), or the command is blocked now, it has ended, is
 * counted and has replied. */
static command_result run_once(client *c) {
    session *s = c->session;
    uint64_t start = s->now_ns, errors = s->stats.error_replies;
    bool outermost = !(c->flags & CLIENT_FAKE);
    if (outermost) s->running = c;
    s->inside_errors = 0;
    s->runs++;
    engine_reader *outer = ks_engine(c->ks)->reader;
    if (c->reader.ready) engine_read_for(ks_engine(c->ks), &c->reader);
    command_result r = run_batch(c);
    engine *e = ks_engine(c->ks); /* which DEBUG RELOAD has changed */
    engine_read_for(e, outer);
    if (r != CMD_AGAIN) engine_reader_end(e, &c->reader);
    buf_clear(&s->keep);
    s->now_ns = clock_mono_ns();
    c->spent_ns += s->now_ns - start;
    if (s->now_ns - start < SHORT_RUN_NS) c->reader.lean = 0;
    bool over = r != CMD_AGAIN && !(c->flags & CLIENT_BLOCKED);
    bool failed = s->stats.error_replies > errors + s->inside_errors;
    if (over) account(c, r, failed, c->spent_ns);
    if (outermost) s->running = NULL;
    if (over)
        dispatch_reply_done(c);
    else
        output_unused(c);
    s->stats.parked += r == CMD_AGAIN;
    if (outermost && s->after_reply.len) append_pushed(c);
    return r;
}

/* Gates may evict keys, whose events are pushed: like a command's, these go behind the reply if
 * that has been made, else before it begins. */
static gate_result admit_and_push(client *c) {
    session *s = c->session;
    bool outermost = !(c->flags & CLIENT_FAKE);
    if (outermost) s->running = c;
    gate_result g = admit(c);
    if (outermost) s->running = NULL;
    if (g == GATE_REFUSE || g == GATE_TAKE) dispatch_reply_done(c);
    if (outermost && s->after_reply.len) {
        append_pushed(c);
        begin_reply(c);
    }
    return g;
}

/* In this order, and all of it but running happens once, however often the command runs. But a
 * pause that has begun meanwhile holds it too: nothing is written in one. */
dispatch_result dispatch(client *c) {
    session *s = c->session;
    begin_reply(c);
    if (c->flags & CLIENT_RERUN) {
        if (gates_paused(c)) {
            engine_reader_end(ks_engine(c->ks), &c->reader); /* others may need the memory */
            return hold(c, CLIENT_PAUSED);
        }
        c->flags &= ~(unsigned)(CLIENT_RERUN | CLIENT_PARKED);
    } else {
        c->flags &= ~(unsigned)CLIENT_PAUSED;
        gate_result g = admit_and_push(c);
        if (g == GATE_HOLD) return hold(c, CLIENT_PAUSED);
        if (g == GATE_WAIT) return DISPATCH_WAIT;
        if (g == GATE_REFUSE || g == GATE_TAKE) return DISPATCH_DONE;
        for (uint32_t bits = s->watching[WATCH_BEFORE]; bits; bits &= bits - 1) {
            const command_watch *w = &s->watches[__builtin_ctz(bits)];
            w->before(c, w->ctx);
        }
    }
    if (run_once(c) == CMD_AGAIN) return hold(c, CLIENT_PARKED | CLIENT_RERUN);
    if (s->keys_ready && !s->running && !s->busy) keywait_serve(s->keywait);
    return DISPATCH_DONE;
}

/* ---- commands that others run -------------------------------------------------------------------
 */

/* What makes up the running command, to be put back. */
typedef struct frame {
    command_row *row, *outer;
    int argc;
    slice *argv;
    size_t out_from;
} frame;

/* c runs this one now; returns what it ran. */
static frame enter(client *c, const inside_command *in) {
    frame outer = {c->row, c->outer, c->argc, c->argv, c->out_from};
    c->outer = c->row;
    c->row = in->row;
    c->argc = in->argc;
    c->argv = in->argv;
    return outer;
}

/* Back to the outer one. */
static void leave(client *c, const frame *outer) {
    c->row = outer->row;
    c->outer = outer->outer;
    c->argc = outer->argc;
    c->argv = outer->argv;
    c->out_from = outer->out_from;
}

/* Those gates alone that say so: the others were asked when the outer command, or the blocked one,
 * came. */
static bool gates_pass_again(client *c) {
    const session *s = c->session;
    for (int i = 0; i < s->ngates; i++) {
        const gate *g = &s->gates[i];
        bool asked = g->inside && (s->armed & 1u << i) && !(c->flags & g->open_to) &&
                     (!g->commands || (g->commands & c->row->flags));
        if (asked && g->pass(c, g->ctx) != GATE_PASS) return false;
    }
    return true;
}

command_result inside_run(client *c, inside_command *in) {
    session *s = c->session;
    keyspace *ks = c->ks;
    CHECK(ks_in_batch(ks));
    uint64_t start = clock_mono_ns(), errors = s->stats.error_replies;
    frame outer = enter(c, in);
    c->out_from = c->out.len;
    command_result r = CMD_REFUSED;
    if (gates_pass_again(c)) {
        ks_begin(ks);
        r = in->row->def->run(c);
        tell_ran(c, r);
        if (r == CMD_DONE)
            ks_commit(ks);
        else
            ks_abort(ks);
        if (shows_log(r, in->row->flags)) client_depends_on_end(c);
    }
    buf_clear(&s->keep);
    leave(c, &outer);
    in->db = c->db;
    in->result = r;
    in->failed = s->stats.error_replies > errors;
    s->inside_errors += s->stats.error_replies - errors;
    in->ns = clock_mono_ns() - start;
    return r;
}

void inside_account(client *c, const inside_command *in) {
    uint32_t db = c->db;
    frame outer = enter(c, in);
    c->db = in->db;
    account(c, in->result, in->failed, in->ns);
    c->db = db;
    leave(c, &outer);
}

/* Refused now, it ends as if it had been refused when it came. */
command_result dispatch_again(client *c) {
    begin_reply(c);
    if (gates_pass_again(c)) return run_once(c);
    c->row->rejected++;
    (void)refused(c, true);
    dispatch_reply_done(c);
    return CMD_REFUSED;
}

void inside_reply_error(client *c, slice text) {
    session *s = c->session;
    resp_error(&c->out, text);
    if (s->inside_errors) s->inside_errors--;
}

void inside_count(client *c, command_row *row, uint64_t calls, uint64_t ns, uint64_t failed) {
    c->session->stats.commands += calls;
    row->calls += calls;
    row->nsec += ns;
    row->failed += failed;
    if (session_config.latency_tracking && calls) histogram_record(&row->latency, ns / calls);
}

uint64_t session_runs(const session *s) {
    return s->runs;
}

/* ---- gates and watches --------------------------------------------------------------------------
 */

/* For each command, which gates want to see it: flags are compared here, not for each call. */
void dispatch_update_masks(session *s) {
    size_t n = (size_t)command_ids();
    s->gate_masks = mem_realloc(s->gate_masks, (n ? n : 1) * sizeof *s->gate_masks);
    size_t pos = 0;
    for (command_row *row; (row = command_next(&pos)) != NULL;)
        for (int i = -1; i < row->nsubs; i++) {
            const command_row *each = i < 0 ? row : &row->subs[i];
            uint32_t mask = 0;
            for (int g = 0; g < s->ngates; g++)
                if (!s->gates[g].commands || (s->gates[g].commands & each->flags) ||
                    (each->flags & CMD_CARRIES))
                    mask |= 1u << g;
            s->gate_masks[each->id] = mask;
        }
    s->masks = n;
}

/* Kept sorted by rank; numbers stay what they were given as. */
int session_gate_add(session *s, const gate *g) {
    CHECK(s->ngates < GATES_MAX);
    int at = 0;
    while (at < s->ngates && s->gates[at].rank <= g->rank)
        at++;
    memmove(&s->gates[at + 1], &s->gates[at], (size_t)(s->ngates - at) * sizeof *g);
    memmove(&s->gate_numbers[at + 1], &s->gate_numbers[at],
            (size_t)(s->ngates - at) * sizeof *s->gate_numbers);
    s->gates[at] = *g;
    s->gate_numbers[at] = s->ngates;
    uint32_t below = (1u << at) - 1;
    s->armed = (s->armed & below) | (s->armed & ~below) << 1 | 1u << at;
    s->masks = 0;
    return s->ngates++;
}

/* A disarmed gate costs nothing. */
void session_gate_arm(session *s, int number, bool armed) {
    for (int i = 0; i < s->ngates; i++) {
        if (s->gate_numbers[i] != number) continue;
        s->armed = armed ? s->armed | 1u << i : s->armed & ~(1u << i);
    }
}

/* Asked in order of registration. */
int session_watch_add(session *s, const command_watch *w) {
    CHECK(s->nwatches < WATCHES_MAX);
    s->watches[s->nwatches] = *w;
    session_watch_arm(s, s->nwatches, true);
    return s->nwatches++;
}

/* From the next thing on that there is to be told. */
void session_watch_arm(session *s, int number, bool armed) {
    CHECK(number >= 0 && number < WATCHES_MAX);
    const command_watch *w = &s->watches[number];
    const bool wants[WATCH_KINDS] = {[WATCH_BEFORE] = w->before != NULL,
                                     [WATCH_AFTER] = w->after != NULL,
                                     [WATCH_REFUSED] = w->refused != NULL,
                                     [WATCH_RAN] = w->ran != NULL,
                                     [WATCH_WHOLE] = w->whole};
    for (int kind = 0; kind < WATCH_KINDS; kind++) {
        s->watching[kind] &= ~(1u << number);
        if (armed && wants[kind]) s->watching[kind] |= 1u << number;
    }
}
