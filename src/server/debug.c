/* DEBUG: what the tests of Redis' clients use; refused unless enable-debug-command allows it.
 *
 * A table of subcommands with their number of arguments; none of them is for production. Those that
 * steer things Stave does not have (packed quicklists, reply buffers that resize) take their
 * argument and answer OK, as their callers only need them not to fail. */
#include "server/admin.h"

#include "base/glob.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "server/debug_keys.h"
#include "session/reply.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* For RELOAD, which opens the engine anew, and a few switches. */
static server *srv;

/* The whole server sleeps, other clients too: that is what it is for. */
static command_result debug_sleep(client *c) {
    double seconds;
    if (!arg_double(c, 2, &seconds)) return CMD_REFUSED;
    if (seconds < 0) seconds = 0;
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
    reply_ok(c);
    return CMD_DONE;
}

/* An argument that is 0 or 1, read as Redis' atoi does: anything else counts by its number. */
static bool flag_arg(client *c) {
    int64_t v = 0;
    return num_parse_i64(c->argv[2], &v) && v != 0;
}

/* Tests that look at a key that is due want it to stay until they ask. */
static command_result debug_active_expire(client *c) {
    ks_set_active_expire(c->ks, flag_arg(c));
    reply_ok(c);
    return CMD_DONE;
}

/* Ten seconds at most: a test that forgets to end it hangs no longer. */
static command_result debug_pace(client *c) {
    int64_t us;
    if (!arg_i64_range(c, 2, 0, 10000000, &us, NULL)) return CMD_REFUSED;
    session_pace_least(c->session, (uint64_t)us);
    reply_ok(c);
    return CMD_DONE;
}

/* Without cron nothing expires, merges or is fsynced by itself: so a test has the only hand in it.
 */
static command_result debug_pause_cron(client *c) {
    srv->cron_paused = flag_arg(c);
    reply_ok(c);
    return CMD_DONE;
}

/* Closes and opens the engine: what was in memory only would be gone, so it proves what is on disk.
 * The command's own batch, in which nothing has happened, ends before and begins again after. */
static command_result debug_reload(client *c) {
    if (ks_in_inner_batch(c->ks))
        return reply_error(c, "ERR DEBUG RELOAD cannot run within a transaction or a script");
    ks_commit(c->ks);
    status st = server_reload_engine(srv);
    if (!status_ok(st)) {
        log_warning("Can't recover the engine after DEBUG RELOAD: %s", st.msg);
        exit(1);
    }
    ks_begin(c->ks);
    log_warning("DB reloaded by DEBUG %.*s", (int)c->argv[1].len, c->argv[1].data);
    reply_ok(c);
    return CMD_DONE;
}

/* One reply of each kind that a protocol has, for clients to test their parsers. */
static command_result debug_protocol(client *c) {
    buf *o = &c->out;
    if (arg_is(c, 2, "string")) {
        reply_bulk(c, SLICE("Hello World"));
    } else if (arg_is(c, 2, "integer")) {
        reply_int(c, 12345);
    } else if (arg_is(c, 2, "double")) {
        reply_double(c, 3.141);
    } else if (arg_is(c, 2, "null")) {
        reply_null(c);
    } else if (arg_is(c, 2, "array")) {
        reply_array(c, 3);
        for (int i = 0; i < 3; i++)
            reply_int(c, i);
    } else if (arg_is(c, 2, "set")) {
        resp_set(o, c->proto, 3);
        for (int i = 0; i < 3; i++)
            reply_int(c, i);
    } else if (arg_is(c, 2, "map")) {
        reply_map(c, 3);
        for (int i = 0; i < 3; i++) {
            reply_int(c, i);
            resp_bool(o, c->proto, i == 1);
        }
    } else if (arg_is(c, 2, "attrib")) {
        if (c->proto < 3) {
            return reply_error(c, "ERR attributes are only supported in RESP3 mode");
        }
        resp_attribute(o, 1);
        reply_bulk(c, SLICE("key-popularity"));
        reply_array(c, 2);
        reply_bulk(c, SLICE("key:123"));
        reply_int(c, 90);
        reply_bulk(c, SLICE("Some real reply following the attribute"));
    } else if (arg_is(c, 2, "push")) {
        if (c->proto < 3) {
            return reply_error(c, "ERR push is only supported in RESP3 mode");
        }
        resp_push(o, c->proto, 2);
        reply_bulk(c, SLICE("server-cpu-usage"));
        reply_int(c, 42);
    } else if (arg_is(c, 2, "verbatim")) {
        resp_verbatim(o, c->proto, SLICE("This is a verbatim\nstring"), "txt");
    } else if (arg_is(c, 2, "bignum")) {
        resp_big_number(o, c->proto, SLICE("1234567999999999999999999999999999999"));
    } else if (arg_is(c, 2, "true") || arg_is(c, 2, "false")) {
        resp_bool(o, c->proto, arg_is(c, 2, "true"));
    } else {
        return reply_error(c, "ERR Wrong protocol type name. Please use one of the following: "
                              "string|integer|double|null|array|set|map|attrib|push|verbatim|true|"
                              "false");
    }
    return CMD_DONE;
}

/* A mark in the log, between a test's own lines; cut, so that a client can't fill it. */
static command_result debug_log(client *c) {
    log_warning("DEBUG LOG: %.*s", (int)(c->argv[2].len > 1024 ? 1024 : c->argv[2].len),
                c->argv[2].data);
    reply_ok(c);
    return CMD_DONE;
}

/* Patterns with many stars over a long text take exponential time in a naive matcher: this is how
 * that is tested. */
static command_result debug_stringmatch(client *c) {
    int64_t len;
    if (!arg_i64_range(c, 2, 0, INT32_MAX, &len, "ERR value is out of range, must be positive")) {
        return CMD_REFUSED;
    }
    char *text = mem_zalloc((size_t)len + 1);
    memset(text, 'a', (size_t)len);
    bool match = glob_match(c->argv[3], slice_of(text, (size_t)len), false);
    mem_free(text);
    reply_int(c, match);
    return CMD_DONE;
}

/* A new id, as after a failover: partial resyncs are off then. */
static command_result debug_change_replid(client *c) {
    log_notice("Changing replication IDs after receiving change-repl-id");
    rand_hex(srv->replication_id, RUN_ID_LEN);
    reply_ok(c);
    return CMD_DONE;
}

/* Whatever text: a client's handling of error codes can be tried with it. */
static command_result debug_error(client *c) {
    resp_error(&c->out, c->argv[2]);
    return CMD_DONE;
}

/* The end of the server, as a mistake in it would bring it about: what is acknowledged stays. */
static command_result debug_panic(client *c) {
    log_panic(__FILE__, __LINE__, "called by DEBUG %.*s", (int)c->argv[1].len, c->argv[1].data);
    return CMD_DONE;
}

/* Likewise, through the report of a crash. */
static command_result debug_segfault(client *c) {
    (void)raise(SIGSEGV);
    reply_ok(c);
    return CMD_DONE;
}

/* For what steers mechanisms that are not here. */
static command_result debug_accept(client *c) {
    reply_ok(c);
    return CMD_DONE;
}

/* In the form of redis-server's own. */
static command_result debug_help(client *c) {
    static const char *const lines[] = {
        "AOF-FLUSH-SLEEP <microsec>",
        "    Accepted, and does nothing.",
        "ASSERT",
        "    As PANIC.",
        "CHANGE-REPL-ID",
        "    Change the replication ID of the instance.",
        "CLIENT-ENFORCE-REPLY-LIST <0|1>",
        "    Accepted, and does nothing.",
        "DICT-RESIZING <0|1>",
        "    Accepted, and does nothing.",
        "DIGEST",
        "    Output a hex signature representing the current data set.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Output a hex signature of the values of all the specified keys.",
        "ERROR <string>",
        "    Return an error with the given text.",
        "HTSTATS <dbid>",
        "    Tell how many keys a database has, and how many of them a time to live.",
        "JMAP",
        "    Accepted, and does nothing.",
        "LEAK <string>",
        "    Accepted, and does nothing.",
        "LISTPACK <key>",
        "    Tell whether OBJECT ENCODING of <key> is that.",
        "LOADAOF",
        "    Close the data and recover it from disk.",
        "LOG <message>",
        "    Write <message> to the server log.",
        "OBJECT <key>",
        "    Show low level info about <key> and its value.",
        "PANIC",
        "    End the server at once, as a mistake in it would.",
        "PACE <microseconds>",
        "    Let each write wait that long, as if the engine were behind; 0 ends it.",
        "PAUSE-CRON <0|1>",
        "    Stop periodic work of the server, or go on with it.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Make <count> strings named <prefix>:0 and so on (default: key), of <size> bytes.",
        "PROTOCOL <type>",
        "    Reply with a test value of the specified type.",
        "QUICKLIST <key> [<0|1>]",
        "    As LISTPACK.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    Accepted, and does nothing.",
        "RELOAD [option ...]",
        "    Close the data and recover it from disk.",
        "REPLYBUFFER <subcommand> <value>",
        "    Accepted, and does nothing.",
        "SDSLEN <key>",
        "    Show the lengths of <key> and its value, a string that is no number.",
        "SEGFAULT",
        "    Crash the server.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Setting it to 0 disables expiring keys that are not accessed.",
        "SET-DISABLE-DENY-SCRIPTS <0|1>",
        "    Accepted, and does nothing.",
        "SLEEP <seconds>",
        "    Stop the server for <seconds>. Decimals allowed.",
        "STRINGMATCH-LEN <len> <pattern>",
        "    Match a string of <len> letters against <pattern>.",
        NULL,
    };
    return reply_help(c, lines);
}

/* The rows that are ours alone are pace and pause-cron. */
static const struct {
    const char *name;
    int argc; /* with the two names; negative: at least */
    command_fn run;
} subs[] = {
    {"sleep", 3, debug_sleep},
    {"set-active-expire", 3, debug_active_expire},
    {"pace", 3, debug_pace},
    {"pause-cron", 3, debug_pause_cron},
    {"reload", -2, debug_reload},
    {"loadaof", 2, debug_reload},
    {"object", -3, debug_object},
    {"digest", 2, debug_digest},
    {"digest-value", -2, debug_digest_value},
    {"protocol", 3, debug_protocol},
    {"log", 3, debug_log},
    {"stringmatch-len", 4, debug_stringmatch},
    {"change-repl-id", 2, debug_change_replid},
    {"error", 3, debug_error},
    {"replybuffer", -3, debug_accept},
    {"set-disable-deny-scripts", 3, debug_accept},
    {"quicklist-packed-threshold", 3, debug_accept},
    {"jmap", 2, debug_accept},
    {"aof-flush-sleep", 3, debug_accept},
    {"client-enforce-reply-list", 3, debug_accept},
    {"dict-resizing", 3, debug_accept},
    {"leak", 3, debug_accept},
    {"populate", -3, debug_populate},
    {"sdslen", 3, debug_sdslen},
    {"listpack", 3, debug_listpack},
    {"quicklist", -3, debug_quicklist},
    {"htstats", -3, debug_htstats},
    {"panic", 2, debug_panic},
    {"segfault", 2, debug_segfault},
    {"assert", 2, debug_panic},
    {"help", 2, debug_help},
};

/* A wrong number of arguments is answered as an unknown name is: Redis makes no difference. */
static command_result cmd_debug(client *c) {
    for (size_t i = 0; i < sizeof subs / sizeof *subs; i++) {
        if (!arg_is(c, 1, subs[i].name)) continue;
        if (subs[i].argc < 0 ? c->argc < -subs[i].argc : c->argc != subs[i].argc) break;
        return subs[i].run(c);
    }
    return reply_sub_syntax(c);
}

/* True if the other end is on this machine. */
static bool client_is_local(const client *c) {
    return (c->flags & CLIENT_UNIX) || strncmp(c->peer, "127.", 4) == 0 ||
           strncmp(c->peer, "[::1]", 5) == 0 || strncmp(c->peer, "::1", 3) == 0;
}

/* Lets DEBUG through as enable-debug-command says. */
static gate_result pass_protected(client *c, void *ctx) {
    (void)ctx;
    if (settings.enable_debug_command == DEBUG_COMMAND_YES) return GATE_PASS;
    if (settings.enable_debug_command == DEBUG_COMMAND_LOCAL && client_is_local(c))
        return GATE_PASS;
    reply_error(c,
                "ERR %s command not allowed. If the %s option is set to \"local\", you can run it "
                "from a local connection, otherwise you need to set this option in the "
                "configuration file, and then restart the server.",
                "DEBUG", "enable-debug-command");
    return GATE_REFUSE;
}

/* The gate stands behind authentication: who may not log in learns nothing of settings. */
status debug_start(server *s) {
    srv = s;
    session_gate_add(s->session,
                     &(gate){"debug", GATE_RANK_PROTECTED, pass_protected, NULL, CMD_PROTECTED});
    return STATUS_OK;
}

/* One row: DEBUG's subcommands are no commands of their own, in Redis' COMMAND DOCS neither. */
const command debug_commands[] = {
    {.name = "debug",
     .run = cmd_debug,
     .arity = -2,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_PROTECTED,
     .group = "server",
     .since = "1.0.0",
     .complexity = "Depends on the subcommand.",
     .summary = "What tests of servers and clients need.",
     .syntax = "subcommand [arg...]",
     .internal = true},
    {0},
};
