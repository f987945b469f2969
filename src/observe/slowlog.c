/* SLOWLOG: the last commands that took longer than slowlog-log-slower-than microseconds.
 *
 * A ring of slowlog-max-len entries. An entry keeps copies of at most 32 arguments of at most 128
 * bytes each, so that its size is bounded whatever a client sent. */
#include "observe/observe.h"

#include "base/mem.h"
#include "session/reply.h"

#include <stdio.h>

/* What Redis keeps too: tools that show entries rely on the bounds. */
#define ARGS_MAX 32
#define ARG_MAX  128

/* One slow command. Strings are copies: the client's buffer is gone by the time somebody asks. */
typedef struct slow_entry {
    uint64_t id, us;
    int64_t when_s;
    int argc;
    slice argv[ARGS_MAX]; /* each its own allocation */
    char peer[NET_ADDR_MAX];
    char *name;
    struct slow_entry *older;
} slow_entry;

/* A list from the newest to the oldest, as SLOWLOG GET wants it. Ids go on over a SLOWLOG RESET, so
 * a tool that polls sees what is new. */
static struct {
    int64_t slower_than, max_len;
    slow_entry *newest;
    size_t len;
    uint64_t next_id;
} sl;

/* All that the entry owns. */
static void free_entry(slow_entry *e) {
    for (int i = 0; i < e->argc; i++)
        mem_free((void *)(uintptr_t)e->argv[i].data);
    mem_free(e->name);
    mem_free(e);
}

/* Drops the oldest entries until `keep` are left; 0 empties the log. The setting may have been
 * lowered, so it can be many. */
static void trim(size_t keep) {
    slow_entry **at = &sl.newest;
    for (size_t i = 0; i < keep && *at; i++)
        at = &(*at)->older;
    slow_entry *e = *at;
    *at = NULL;
    while (e) {
        slow_entry *older = e->older;
        free_entry(e);
        sl.len--;
        e = older;
    }
}

/* CONFIG SET slowlog-max-len takes effect at once and not with the next slow command. */
static status apply_max_len(const setting *s) {
    (void)s;
    trim((size_t)sl.max_len);
    return STATUS_OK;
}

/* Microseconds: 0 logs every command, and a negative number none. */
const setting slowlog_settings[] = {
    {"slowlog-log-slower-than", NULL, SETTING_INT, 0, &sl.slower_than, "10000", -1, INT64_MAX},
    {"slowlog-max-len", NULL, SETTING_INT, 0, &sl.max_len, "128", 0, INT32_MAX,
     .apply = apply_max_len},
    {0},
};

/* A copy of one argument, cut with a note of what was left out. "... (N more bytes)" is Redis'
 * note, and tools look for it. */
static slice copy_arg(slice arg) {
    buf b = {0};
    if (arg.len > ARG_MAX) {
        buf_append(&b, arg.data, ARG_MAX);
        buf_printf(&b, "... (%zu more bytes)", arg.len - ARG_MAX);
    } else {
        buf_append(&b, arg.data, arg.len);
    }
    return buf_slice(&b);
}

/* Copies the arguments, the last one standing for all that are left out: MSET of a thousand keys
 * stays an entry of a few KiB. */
static void copy_args(slow_entry *e, const client *c) {
    e->argc = c->argc > ARGS_MAX ? ARGS_MAX : c->argc;
    for (int i = 0; i < e->argc; i++) {
        if (c->argc > ARGS_MAX && i == ARGS_MAX - 1) {
            buf b = {0};
            buf_printf(&b, "... (%d more arguments)", c->argc - ARGS_MAX + 1);
            e->argv[i] = buf_slice(&b);
        } else {
            e->argv[i] = copy_arg(command_shown(c->row, c->argv, c->argc, i));
        }
    }
}

/* After the command and not before, as only then its time is known. What was sent again for want of
 * a block from the disk is timed once, when it is done. Commands marked CMD_SKIP_SLOWLOG are
 * left out. */
static void after_command(client *c, command_result r, uint64_t us, void *ctx) {
    (void)ctx;
    if (r == CMD_AGAIN || sl.slower_than < 0 || us < (uint64_t)sl.slower_than) return;
    if (c->row->flags & CMD_SKIP_SLOWLOG || c->flags & CLIENT_SCRIPT) return;
    slow_entry *e = mem_zalloc(sizeof *e);
    e->id = sl.next_id++;
    e->us = us;
    e->when_s = ks_now(c->ks) / 1000;
    copy_args(e, c);
    snprintf(e->peer, sizeof e->peer, "%s", c->peer);
    e->name = mem_strdup(c->name ? c->name : "");
    e->older = sl.newest;
    sl.newest = e;
    sl.len++;
    trim((size_t)sl.max_len);
}

/* Called once, at boot; from then on every command passes by after_command. */
void slowlog_start(session *s) {
    session_watch_add(s, &(command_watch){.after = after_command});
}

/* Entries have six fields since Redis 4: id, time, microseconds, arguments, address, name. Ten are
 * shown unless a number is given, -1 standing for all; a smaller one is an error since 7. */
static command_result slowlog_get(client *c) {
    int64_t want = 10;
    if (c->argc > 3) return reply_sub_syntax(c);
    if (c->argc > 2 && !arg_i64_range(c, 2, -1, INT64_MAX, &want,
                                      "ERR count should be greater than or equal to -1")) {
        return CMD_REFUSED;
    }
    int64_t n = want < 0 || want > (int64_t)sl.len ? (int64_t)sl.len : want;
    reply_array(c, n);
    for (slow_entry *e = sl.newest; n > 0; e = e->older, n--) {
        reply_array(c, 6);
        reply_int(c, (int64_t)e->id);
        reply_int(c, e->when_s);
        reply_int(c, (int64_t)e->us);
        reply_array(c, e->argc);
        for (int i = 0; i < e->argc; i++)
            reply_bulk(c, e->argv[i]);
        reply_cstr(c, e->peer);
        reply_cstr(c, e->name);
    }
    return CMD_DONE;
}

/* Of what is kept, not of all that ever were slow: the last id tells that. */
static command_result slowlog_len(client *c) {
    reply_int(c, (int64_t)sl.len);
    return CMD_DONE;
}

/* The entries go, the ids do not begin again. */
static command_result slowlog_reset(client *c) {
    trim(0);
    reply_ok(c);
    return CMD_DONE;
}

/* In the words and the order of redis-server. */
static command_result slowlog_help(client *c) {
    static const char *const lines[] = {
        "GET [<count>]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Reset the slowlog.",
        NULL,
    };
    return reply_help(c, lines);
}

/* How a cluster's proxy puts nodes' answers together: entries side by side, lengths added up, and
 * a reset only if all of them did it. */
static const char *const get_tips[] = {"request_policy:all_nodes", "nondeterministic_output", NULL};
static const char *const len_tips[] = {"request_policy:all_nodes", "response_policy:agg_sum",
                                       "nondeterministic_output", NULL};
static const char *const reset_tips[] = {"request_policy:all_nodes",
                                         "response_policy:all_succeeded", NULL};

#define ADMIN_FLAGS (CMD_ADMIN | CMD_LOADING | CMD_STALE)

/* All of them work while data is being loaded: a start that takes long is to be looked into, too.
 */
static const command subs[] = {
    {"get", slowlog_get, -2, ADMIN_FLAGS, 0, "server", "2.2.12", "O(N) in the entries returned",
     "Shows the slowest commands of late.", "[count]", .tips = get_tips,
     .history = "4.0.0: Added client IP address, port and name to the reply."},
    {"help", slowlog_help, 2, CMD_LOADING | CMD_STALE, 0, "server", "6.2.0", "O(1)",
     "Describes the subcommands.", ""},
    {"len", slowlog_len, 2, ADMIN_FLAGS, 0, "server", "2.2.12", "O(1)",
     "Counts the entries of the slow log.", "", .tips = len_tips},
    {"reset", slowlog_reset, 2, ADMIN_FLAGS, 0, "server", "2.2.12", "O(N) in the entries dropped",
     "Empties the slow log.", "", .tips = reset_tips},
    {0},
};

const command slowlog_commands[] = {
    {"slowlog", NULL, -2, 0, 0, "server", "2.2.12", "Depends on the subcommand.",
     "The log of slow commands.", "", .subcommands = subs},
    {0},
};
