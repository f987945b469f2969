/* MONITOR: every command that runs, sent to whoever asked.
 *
 * The line depends on what its command changed, so it is tagged with the log's end like any reply
 * and leaves only when that is as durable as promised. Administrative commands and those marked so
 * are not shown, nor are passwords. */
#include "observe/observe.h"

#include "base/clock.h"
#include "session/reply.h"

static int slot;        /* the client's state: non-NULL while it monitors */
static size_t monitors; /* how many there are: none, and the watch is disarmed */
static session *served;
static int watch;

/* For INFO's Stats section. */
size_t monitor_count(void) {
    return monitors;
}

/* One more, or one less. */
static void count(int change) {
    monitors += (size_t)change;
    session_watch_arm(served, watch, monitors > 0);
}

/* The client is going: its slot's state says whether it was one of them. */
static void forget(client *c, void *state) {
    (void)c;
    if (state) count(-1);
}

/* Appends s quoted and escaped, as MONITOR shows arguments. */
static void append_repr(buf *out, slice s) {
    static const char plain[] = "\n\r\t\a\b", letters[] = "nrtab";
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.data[i];
        const char *at = ch ? strchr(plain, ch) : NULL;
        if (ch == '\\' || ch == '"') {
            buf_printf(out, "\\%c", ch);
        } else if (at) {
            buf_printf(out, "\\%c", letters[at - plain]);
        } else if (ch >= 0x20 && ch < 0x7f) {
            buf_append_char(out, (char)ch);
        } else {
            buf_printf(out, "\\x%02x", ch);
        }
    }
    buf_append_char(out, '"');
}

/* The line for a command: time, database, client, arguments. */
static void format_line(const client *c, buf *out) {
    int64_t now = clock_wall_us();
    bool script = c->flags & CLIENT_SCRIPT, is_unix = c->flags & CLIENT_UNIX && !script;
    buf_printf(out, "+%lld.%06lld [%u %s%s]", (long long)(now / 1000000),
               (long long)(now % 1000000), c->db, is_unix ? "unix:" : "", script ? "lua" : c->peer);
    for (int i = 0; i < c->argc; i++) {
        buf_append_char(out, ' ');
        append_repr(out, command_shown(c->row, c->argv, c->argc, i));
    }
    buf_append(out, "\r\n", 2);
}

/* After the command has run, so that the line is not shown for one that was refused by a gate, and
 * once for one that had to wait for the disk. Every monitor gets a copy of its own in its output,
 * in the order in which commands ran: a reader sees the order that the data went through. */
static void after_command(client *c, command_result r, uint64_t us, void *ctx) {
    (void)us;
    session *s = ctx;
    if (r == CMD_AGAIN) return;
    uint32_t flags = c->row->flags;
    if (flags & CMD_ADMIN || (flags & CMD_SKIP_MONITOR && !(flags & CMD_RUNS_SCRIPT))) return;
    buf line = {0};
    format_line(c, &line);
    log_pos end = engine_log_end(ks_engine(c->ks));
    for (client *m = session_next_client(s, NULL); m; m = session_next_client(s, m)) {
        if (m->slots[slot]) session_push(m, buf_slice(&line), end);
    }
    buf_free(&line);
}

/* A transaction whose EXEC is refused by a gate has come to its end, and MULTI was shown: so is
 * EXEC. Nothing else that is refused is. */
static void refused(client *c, bool known, void *ctx) {
    if (known && c->row->flags & CMD_CARRIES) after_command(c, CMD_REFUSED, 0, ctx);
}

/* A second MONITOR of a client changes nothing and answers OK. The way back is RESET, or a new
 * connection. */
static command_result cmd_monitor(client *c) {
    if (!c->slots[slot]) {
        c->slots[slot] = &monitors;
        c->flags |= CLIENT_MONITOR;
        count(+1);
    }
    reply_ok(c);
    return CMD_DONE;
}

/* One slot in every client instead of a list: a client that goes needs no search. */
void monitor_start(session *s) {
    slot = client_slot_add(forget);
    served = s;
    watch = session_watch_add(
        s, &(command_watch){.after = after_command, .refused = refused, .ctx = s, .whole = true});
    count(0);
}

/* Not for scripts, and allowed while data is loaded, when it shows who asks in vain. */
const command monitor_commands[] = {
    {"monitor", cmd_monitor, 1, CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE, 0, "server",
     "1.0.0", "O(1), and a copy of every command from then on",
     "Shows every command that the server runs.", ""},
    {0},
};
