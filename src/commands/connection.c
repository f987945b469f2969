/* connection: PING, ECHO, QUIT, RESET, AUTH, HELLO, SELECT; CLIENT is in client_*.c.
 *
 * Who the users are, session/identity.h knows. What only changes the connection is no change of
 * data: none of these commands is a write. QUIT, RESET, AUTH and HELLO may come before the
 * password.
 *
 * HELLO is how a client chooses RESP3. It is a command like any other, so a pipeline may go on in
 * the new protocol right behind it. */
#include "commands/commands.h"

#include "base/num.h"
#include "commands/client_command.h"
#include "session/identity.h"
#include "session/reply.h"
#include "session/version.h"

/* In RESP2, a subscriber gets its PONG as a message. */
static command_result ping_command(client *c) {
    if (c->argc > 2) return reply_wrong_args(c);
    slice text = c->argc == 2 ? c->argv[1] : SLICE_EMPTY;
    if ((c->flags & CLIENT_PUBSUB) && c->proto == 2) {
        reply_array(c, 2);
        reply_cstr(c, "pong");
        reply_bulk(c, text);
    } else if (c->argc == 2) {
        reply_bulk(c, text);
    } else {
        reply_simple(c, "PONG");
    }
    return CMD_DONE;
}

/* The message, as it came, any bytes. */
static command_result echo_command(client *c) {
    reply_bulk(c, c->argv[1]);
    return CMD_DONE;
}

/* Whatever follows in the pipeline is not run. */
static command_result quit_command(client *c) {
    reply_ok(c);
    client_close_after_reply(c);
    return CMD_DONE;
}

/* As if it had just connected, but for its id and its library's name. */
static command_result reset_command(client *c) {
    client_forget_slots(c);
    c->flags &= ~(unsigned)(CLIENT_MONITOR | CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT |
                            CLIENT_NO_EVICT | CLIENT_NO_TOUCH);
    identity_reset(c);
    c->db = 0;
    c->proto = 2;
    client_set_text(&c->name, SLICE_EMPTY);
    reply_simple(c, "RESET");
    return CMD_DONE;
}

/* Only of this connection. The index is checked against the setting `databases`, although the
 * engine may hold data of more: these are reached again when the setting is raised. */
static command_result select_command(client *c) {
    int64_t db;
    if (!arg_i64(c, 1, &db)) return CMD_REFUSED;
    if (db < INT32_MIN || db > INT32_MAX)
        return reply_error(c, "ERR value is out of range, value must between %d and %d", INT32_MIN,
                           INT32_MAX);
    if (db < 0 || db >= ks_databases(c->ks)) return reply_error(c, "ERR DB index is out of range");
    c->db = (uint32_t)db;
    reply_ok(c);
    return CMD_DONE;
}

/* ---- AUTH, HELLO -------------------------------------------------------------------------------
 */

/* True if that is the user, and the client is authenticated; else it has its error. */
static bool authenticate(client *c, slice user, slice password) {
    if (identity_authenticate(c, user, password)) return true;
    (void)reply_error_text(c,
                           SLICE("WRONGPASS invalid username-password pair or user is disabled."));
    return false;
}

/* With one argument, the user is "default". */
static command_result auth_command(client *c) {
    if (c->argc > 3) return reply_syntax_error(c);
    bool with_user = c->argc == 3;
    if (!with_user && identity_nopass())
        return reply_error_text(
            c, SLICE("ERR AUTH <password> called without any password configured for the default "
                     "user. Are you sure your configuration is correct?"));
    slice user = with_user ? c->argv[1] : SLICE("default");
    if (!authenticate(c, user, c->argv[c->argc - 1])) return CMD_REFUSED;
    reply_ok(c);
    return CMD_DONE;
}

/* All of AUTH's arguments. */
static bool auth_secret(const slice *argv, int argc, int i) {
    (void)argv;
    (void)argc;
    return i >= 1;
}

/* The two behind AUTH, also where it should not be. */
static bool hello_secret(const slice *argv, int argc, int i) {
    (void)argc;
    return (i >= 2 && slice_ieq(argv[i - 1], "auth")) || (i >= 3 && slice_ieq(argv[i - 2], "auth"));
}

/* What HELLO answers: the server, and this connection. "redis" and the version are what libraries
 * look for; a map in RESP3, and pairs in a flat array in RESP2. */
static void reply_hello(client *c) {
    reply_map(c, 7);
    reply_cstr(c, "server");
    reply_cstr(c, "redis");
    reply_cstr(c, "version");
    reply_cstr(c, COMPAT_REDIS_VERSION);
    reply_cstr(c, "proto");
    reply_int(c, c->proto);
    reply_cstr(c, "id");
    reply_int(c, (int64_t)c->id);
    reply_cstr(c, "mode");
    reply_cstr(c, "standalone");
    reply_cstr(c, "role");
    reply_cstr(c, "master");
    reply_cstr(c, "modules");
    reply_array(c, 0);
}

/* HELLO's options, as indices of their first values; 0: not given. */
typedef struct hello_options {
    int auth, setname;
} hello_options;

/* False after having replied with what can't be understood. */
static bool parse_hello(client *c, hello_options *o) {
    *o = (hello_options){0};
    for (int i = 2; i < c->argc; i++) {
        if (arg_is(c, i, "AUTH") && i + 2 < c->argc) {
            o->auth = i + 1;
            i += 2;
        } else if (arg_is(c, i, "SETNAME") && i + 1 < c->argc) {
            o->setname = ++i;
        } else {
            (void)reply_error(c, "ERR Syntax error in HELLO option '%.*s'", (int)c->argv[i].len,
                              c->argv[i].data);
            return false;
        }
    }
    return true;
}

/* Nothing changes unless all of it is right, but for AUTH, which stands by itself. */
static command_result hello_command(client *c) {
    int64_t version = 0;
    hello_options o;
    if (c->argc > 1 && !num_parse_i64(c->argv[1], &version))
        return reply_error(c, "ERR Protocol version is not an integer or out of range");
    if (c->argc > 1 && version != 2 && version != 3)
        return reply_error_text(c, SLICE("NOPROTO unsupported protocol version"));
    if (!parse_hello(c, &o)) return CMD_REFUSED;
    if (o.auth && !authenticate(c, c->argv[o.auth], c->argv[o.auth + 1])) return CMD_REFUSED;
    if (!(c->flags & CLIENT_AUTHENTICATED))
        return reply_error_text(
            c, SLICE("NOAUTH HELLO must be called with the client already authenticated, otherwise "
                     "the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the "
                     "client and select the RESP protocol version at the same time"));
    if (o.setname && !client_name(c, &c->name, "Client names", c->argv[o.setname]))
        return CMD_REFUSED;
    if (version) c->proto = (int)version;
    reply_hello(c);
    return CMD_DONE;
}

/* ---- table -------------------------------------------------------------------------------------
 */

/* What may come before the password, while data is loaded, and while a script holds the server. */
#define EARLY (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY)

static const char *const all_shards[] = {"request_policy:all_shards",
                                         "response_policy:all_succeeded", NULL};

const command connection_commands[] = {
    {.name = "ping",
     .run = ping_command,
     .arity = -1,
     .flags = CMD_FAST,
     .categories = CAT_CONNECTION,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Says PONG, or the message, to show that the server is there.",
     .syntax = "[message]",
     .tips = all_shards},
    {.name = "echo",
     .run = echo_command,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .categories = CAT_CONNECTION,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Sends the message back.",
     .syntax = "message"},
    {.name = "quit",
     .run = quit_command,
     .arity = -1,
     .flags = EARLY,
     .categories = CAT_CONNECTION,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers OK and closes the connection.",
     .deprecated_since = "7.2.0",
     .replaced_by = "just closing the connection"},
    {.name = "reset",
     .run = reset_command,
     .arity = 1,
     .flags = EARLY,
     .categories = CAT_CONNECTION,
     .group = "connection",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Makes the connection as it was when it was opened."},
    {.name = "auth",
     .run = auth_command,
     .arity = -2,
     .flags = EARLY,
     .categories = CAT_CONNECTION,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of passwords of the user",
     .summary = "Gives the password that commands need.",
     .history = "6.0.0: Added ACL style (username and password).",
     .syntax = "[username^6.0.0] password",
     .secret = auth_secret},
    {.name = "hello",
     .run = hello_command,
     .arity = -1,
     .flags = EARLY,
     .categories = CAT_CONNECTION,
     .group = "connection",
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Chooses the protocol, authenticates, and tells about the server.",
     .history = "6.2.0: `protover` became optional.",
     .syntax = "@arguments:[protover [@auth:AUTH username password] [SETNAME clientname]]",
     .secret = hello_secret},
    {.name = "select",
     .run = select_command,
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .categories = CAT_CONNECTION,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Changes the database of the connection.",
     .syntax = "index"},
    {.name = "client",
     .arity = -2,
     .group = "connection",
     .since = "2.4.0",
     .complexity = "Depends on subcommand.",
     .summary = "Commands about connections.",
     .subcommands = client_subcommands},
    {0},
};
