/* client_command: CLIENT's sub-commands; LIST, INFO and KILL are in client_list.c. */
#include "commands/client_command.h"

#include "base/num.h"
#include "session/block.h"
#include "session/reply.h"
#include "session/session.h"

/* ---- names -------------------------------------------------------------------------------------
 */

/* Anything from '!' to '~', so that CLIENT LIST can be parsed. */
bool client_name(client *c, char **field, const char *what, slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= '!' && text.data[i] <= '~') continue;
        (void)reply_error(c, "ERR %s cannot contain spaces, newlines or special characters.", what);
        return false;
    }
    client_set_text(field, text);
    return true;
}

/* Ids grow, and none is given twice. */
static command_result id_command(client *c) {
    reply_int(c, (int64_t)c->id);
    return CMD_DONE;
}

/* nil when it has none. */
static command_result getname_command(client *c) {
    if (c->name)
        reply_cstr(c, c->name);
    else
        reply_null(c);
    return CMD_DONE;
}

/* An empty name unsets it. */
static command_result setname_command(client *c) {
    if (!client_name(c, &c->name, "Client names", c->argv[2])) return CMD_REFUSED;
    reply_ok(c);
    return CMD_DONE;
}

/* What client libraries say of themselves. */
static command_result setinfo_command(client *c) {
    bool done;
    if (arg_is(c, 2, "lib-name"))
        done = client_name(c, &c->lib_name, "lib-name", c->argv[3]);
    else if (arg_is(c, 2, "lib-ver"))
        done = client_name(c, &c->lib_ver, "lib-ver", c->argv[3]);
    else
        return reply_error(c, "ERR Unrecognized option '%.*s'", (int)c->argv[2].len,
                           c->argv[2].data);
    if (!done) return CMD_REFUSED;
    reply_ok(c);
    return CMD_DONE;
}

/* ---- modes -------------------------------------------------------------------------------------
 */

/* OFF and SKIP have no reply themselves. */
static command_result reply_command(client *c) {
    if (arg_is(c, 2, "ON")) {
        c->flags &= ~(unsigned)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP);
        reply_ok(c);
    } else if (arg_is(c, 2, "OFF")) {
        c->flags |= CLIENT_REPLY_OFF;
    } else if (arg_is(c, 2, "SKIP")) {
        if (!(c->flags & CLIENT_REPLY_OFF)) c->flags |= CLIENT_REPLY_SKIP_NEXT;
    } else {
        return reply_syntax_error(c);
    }
    return CMD_DONE;
}

/* "on" or "off" as argument 2 switches a flag. */
static command_result switch_flag(client *c, uint32_t flag) {
    if (arg_is(c, 2, "on"))
        c->flags |= flag;
    else if (arg_is(c, 2, "off"))
        c->flags &= ~flag;
    else
        return reply_syntax_error(c);
    reply_ok(c);
    return CMD_DONE;
}

/* See maxmemory-clients. */
static command_result no_evict_command(client *c) {
    return switch_flag(c, CLIENT_NO_EVICT);
}

/* Commands look at the flag when they read a key. */
static command_result no_touch_command(client *c) {
    return switch_flag(c, CLIENT_NO_TOUCH);
}

/* ---- pause, unblock ----------------------------------------------------------------------------
 */

/* Also holds this client's next command. */
static command_result pause_command(client *c) {
    int64_t ms;
    bool all = true;
    if (c->argc > 4) return reply_sub_syntax(c);
    if (c->argc == 4) {
        if (arg_is(c, 3, "WRITE"))
            all = false;
        else if (!arg_is(c, 3, "ALL"))
            return reply_error(c, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
    if (!num_parse_i64(c->argv[2], &ms))
        return reply_error(c, "ERR timeout is not an integer or out of range");
    if (ms > INT64_MAX - ks_now(c->ks)) return reply_error(c, "ERR timeout is out of range");
    if (ms < 0) return reply_error(c, "ERR timeout is negative");
    session_pause(c->session, ks_now(c->ks) + ms, all);
    reply_ok(c);
    return CMD_DONE;
}

/* Can only come from a client that a WRITE pause lets through. */
static command_result unpause_command(client *c) {
    session_unpause(c->session);
    reply_ok(c);
    return CMD_DONE;
}

/* 1 if it was blocked, else 0. */
static command_result unblock_command(client *c) {
    block_end why = BLOCK_TIMEOUT;
    int64_t id;
    if (c->argc > 4) return reply_sub_syntax(c);
    if (c->argc == 4 && arg_is(c, 3, "ERROR"))
        why = BLOCK_ERROR;
    else if (c->argc == 4 && !arg_is(c, 3, "TIMEOUT"))
        return reply_error(c, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    if (!arg_i64(c, 2, &id)) return CMD_REFUSED;
    client *other = id > 0 ? client_by_id(c->session, (uint64_t)id) : NULL;
    bool blocked = other && (other->flags & CLIENT_BLOCKED);
    if (blocked) client_unblock(other, why);
    reply_int(c, blocked);
    return CMD_DONE;
}

/* Each sub-command and a line about it. */
static command_result help_command(client *c) {
    static const char *const lines[] = {
        "GETNAME",
        "    The name of this connection.",
        "ID",
        "    The id of this connection.",
        "INFO",
        "    The line of this connection in CLIENT LIST.",
        "KILL <ip:port>",
        "    Close the connection from that address.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close connections that match all of:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "      their own address",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      the server's address they use",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      their type",
        "    * USER <username>",
        "      the user they authenticated as",
        "    * ID <client-id>",
        "      their id",
        "    * MAXAGE <seconds>",
        "      connected for so long or longer",
        "    * SKIPME (YES|NO)",
        "      leave this connection alone (default: yes).",
        "LIST [options ...]",
        "    All connections, a line each. Options:",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      only of that type",
        "    * ID <client-id> [...]",
        "      only these",
        "UNPAUSE",
        "    End a pause.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Hold all commands, or those that write, for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Switch replies off, on, or off for the next command.",
        "SETNAME <name>",
        "    Name this connection.",
        "SETINFO <option> <value>",
        "    Tell about the client library. Options: LIB-NAME, LIB-VER.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    Wake a client that is in a blocking command.",
        "NO-EVICT (ON|OFF)",
        "    Never close this connection because clients take much memory.",
        "NO-TOUCH (ON|OFF)",
        "    Let this connection's commands not count as use of a key.",
        NULL};
    return reply_help(c, lines);
}

/* ---- table -------------------------------------------------------------------------------------
 */

#define PLAIN (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)
#define ADMIN (PLAIN | CMD_ADMIN)
#define SUB(name_, run_, arity_, flags_, since_, complexity_, summary_, ...)                       \
    {                                                                                              \
        .name = name_, .run = run_, .arity = arity_, .flags = flags_,                              \
        .categories = CAT_CONNECTION, .group = "connection", .since = since_,                      \
        .complexity = complexity_, .summary = summary_, __VA_ARGS__                                \
    }

static const char *const nondeterministic[] = {"nondeterministic_output", NULL};

const command client_subcommands[] = {
    SUB("getname", getname_command, 2, PLAIN, "2.6.9", "O(1)", "The name of this connection."),
    SUB("help", help_command, 2, CMD_LOADING | CMD_STALE, "5.0.0", "O(1)", "Helpful text."),
    SUB("id", id_command, 2, PLAIN, "5.0.0", "O(1)", "The id of this connection."),
    SUB("info", client_info_command, 2, PLAIN, "6.2.0", "O(1)",
        "What CLIENT LIST says of this connection.", .tips = nondeterministic),
    SUB("kill", client_kill_command, -3, ADMIN, "2.4.0",
        "O(N) where N is the number of connections", "Closes connections.",
        .history = "2.8.12: Added the filters.\n3.2.0: Added `master` for `TYPE`.\n"
                   "5.0.0: `replica` for `slave` in `TYPE`.\n6.2.0: Added `LADDR`.\n7.4.0: Added "
                   "`MAXAGE`.",
        .syntax = "@filter:<ip-port|<[ID^2.8.12 client-id]|"
                  "[TYPE^2.8.12 <NORMAL|MASTER^3.2.0|SLAVE|REPLICA^5.0.0|PUBSUB>]|[USER username]|"
                  "[ADDR ip-port]|[LADDR^6.2.0 ip-port]|[SKIPME <YES|NO>]|"
                  "[MAXAGE^7.4.0 maxage:integer]>...>"),
    SUB("list", client_list_command, -2, ADMIN, "2.4.0",
        "O(N) where N is the number of connections", "All connections, a line each.",
        .tips = nondeterministic,
        .history = "2.8.12: Ids.\n5.0.0: Added `TYPE`.\n6.0.0: The user.\n"
                   "6.2.0: `argv-mem`, `tot-mem`, `laddr`, `redir`; added `ID`.\n"
                   "7.0.0: `resp`, `multi-mem`, `rbs`, `rbp`.\n7.0.3: `ssub`.",
        .syntax =
            "[@client-type:TYPE^5.0.0 <NORMAL|MASTER|REPLICA|PUBSUB>] [ID^6.2.0 client-id...]"),
    SUB("no-evict", no_evict_command, 3, ADMIN, "7.0.0", "O(1)",
        "Keeps this connection when clients take too much memory.", .syntax = "@enabled:<ON|OFF>"),
    SUB("no-touch", no_touch_command, 3, PLAIN, "7.2.0", "O(1)",
        "Lets this connection's commands not count as use of keys.", .syntax = "@enabled:<ON|OFF>"),
    SUB("pause", pause_command, -3, ADMIN, "2.9.50", "O(1)", "Holds commands for a time.",
        .history = "6.2.0: Added `WRITE` and `ALL`.",
        .syntax = "timeout [@mode:<WRITE|ALL>]^6.2.0"),
    SUB("reply", reply_command, 3, PLAIN, "3.2.0", "O(1)", "Switches replies on and off.",
        .syntax = "@action:<ON|OFF|SKIP>"),
    SUB("setinfo", setinfo_command, 4, PLAIN, "7.2.0", "O(1)", "Tells about the client library.",
        .syntax = "@attr:<LIB-NAME libname|LIB-VER libver>"),
    SUB("setname", setname_command, 3, PLAIN, "2.6.9", "O(1)", "Names this connection.",
        .syntax = "connection-name"),
    SUB("unblock", unblock_command, -3, ADMIN, "5.0.0", "O(N) where N is the number of connections",
        "Wakes a client from a blocking command.",
        .syntax = "client-id [@unblock-type:<TIMEOUT|ERROR>]"),
    SUB("unpause", unpause_command, 2, ADMIN, "6.2.0", "O(N) where N is the number of held clients",
        "Ends CLIENT PAUSE."),
    {0},
};
