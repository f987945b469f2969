/* acl_command: ACL and its sub-commands.
 *
 * Errors have names and rules in them that somebody else has given, of any length: they are put
 * together in a buf, and are not cut. Users are no data, and are in no log (file.c keeps them, when
 * it is told to).
 *
 *     SETUSER ──> rules_merge ──> user_set on a copy ──> users_change ──┐
 *     DELUSER ────────────────────────────────────────> users_delete  ──┼──> is the gate needed?
 *     LOAD ─────> file_load ──> all users anew ───────> users_exchange ─┘
 *
 * A batch that is aborted, as EXEC's is when a read must wait, has changed no user (users.c). */
#include "acl/acl.h"
#include "acl/internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "session/reply.h"

#define GENPASS_BITS_MAX 4096

/* ---- changing ----------------------------------------------------------------------------------
 */

/* An error of several parts, which may be of any length. Frees text. */
static command_result refuse(client *c, buf *text) {
    command_result r = reply_error_text(c, buf_slice(text));
    buf_free(text);
    return r;
}

/* Rules are tried on a copy; all of them, or none, become the user's. */
static command_result setuser(client *c) {
    slice name = c->argv[2];
    rule_list rules;
    int bad;
    buf text = {0};
    if (!name_is_clean(name))
        return reply_error(c, "ERR Usernames can't contain spaces or null characters");
    if (!rules_merge(c->argv + 3, c->argc - 3, &rules, &bad)) {
        buf_printf(&text, "ERR Unmatched parenthesis in acl selector starting at '");
        buf_append_slice(&text, c->argv[3 + bad]);
        buf_printf(&text, "'.");
        return refuse(c, &text);
    }
    /* The copy begins as the user is now, or as one who may do nothing. */
    user *there = users_find(name), *next = user_new(name);
    /* Clients keep their pointer to the one who was there, so he gets the copy's contents. */
    if (there) user_assign(next, there);
    for (size_t i = 0; i < rules.n && !text.len; i++) {
        rule_error e = user_set(next, rules.at[i]);
        if (e == RULE_OK) continue;
        /* The first rule that is wrong is the one that is told, in the words that it was given in.
         */
        buf_printf(&text, "ERR Error in ACL SETUSER modifier '");
        buf_append_slice(&text, rules.at[i]);
        buf_printf(&text, "': %s", rule_error_text(e));
    }
    rules_free(&rules);
    if (text.len) {
        user_free(next);
        return refuse(c, &text);
    }
    if (there)
        users_change(there, next, c);
    else
        users_add(next);
    reply_ok(c);
    return CMD_DONE;
}

/* None of them, if one is the default user. */
static command_result deluser(client *c) {
    int64_t n = 0;
    /* Looked for first, so that what is refused has deleted nobody. */
    for (int i = 2; i < c->argc; i++)
        if (slice_eq(c->argv[i], SLICE("default")))
            return reply_error(c, "ERR The 'default' user cannot be removed");
    for (int i = 2; i < c->argc; i++)
        n += users_delete(c->argv[i], c);
    reply_int(c, n);
    return CMD_DONE;
}

/* False after having replied that there is no aclfile. */
static bool has_file(client *c) {
    if (users_file && users_file[0]) return true;
    (void)reply_error_text(
        c, SLICE("ERR This Redis instance is not configured to use an ACL file. You may want to "
                 "specify users via the ACL SETUSER command and then issue a CONFIG REWRITE "
                 "(assuming you have a Redis configuration file set) in order to store users in "
                 "the Redis configuration."));
    return false;
}

/* All that is wrong in the file is told in one error. */
static command_result load(client *c) {
    buf errors = {0}, text = {0};
    if (!has_file(c)) return CMD_REFUSED;
    if (file_load(&errors, c)) {
        reply_ok(c);
        return CMD_DONE;
    }
    buf_printf(&text, "ERR ");
    buf_append_slice(&text, buf_slice(&errors));
    buf_free(&errors);
    return refuse(c, &text);
}

/* The reason is in the log, as the one who asks may not be the one who mends it. */
static command_result save(client *c) {
    if (!has_file(c)) return CMD_REFUSED;
    status st = file_save();
    if (status_ok(st)) {
        reply_ok(c);
        return CMD_DONE;
    }
    log_warning("ACL SAVE failed: %s", st.msg);
    return reply_error(c, "ERR There was an error trying to save the ACLs. Please check the server "
                          "logs for more information");
}

/* ---- showing -----------------------------------------------------------------------------------
 */

/* A field whose value is rules, one after another. */
static void reply_text(client *c, const selector *s, const char *field,
                       void (*show)(const selector *s, buf *out)) {
    buf text = {0};
    show(s, &text);
    reply_cstr(c, field);
    reply_bulk(c, buf_slice(&text));
    buf_free(&text);
}

/* Three fields. */
static void reply_selector(client *c, const selector *s) {
    reply_text(c, s, "commands", selector_show_commands);
    reply_text(c, s, "keys", selector_show_keys);
    reply_text(c, s, "channels", selector_show_channels);
}

/* The root selector is told first, as if there were no others: so it was before 7.0. */
static command_result getuser(client *c) {
    const user *u = users_find(c->argv[2]);
    if (!u) {
        reply_null(c);
        return CMD_DONE;
    }
    /* An array of flags and one of hashes come first, then the root's three fields, then the
     * others'. */
    const char *flags[3];
    int n = user_flags(u, flags);
    size_t pos = 0;
    slice hash;
    unsigned one;
    reply_map(c, 6);
    reply_cstr(c, "flags");
    resp_set(&c->out, c->proto, n);
    for (int i = 0; i < n; i++)
        reply_cstr(c, flags[i]);
    reply_cstr(c, "passwords");
    reply_array(c, (int64_t)names_count(u->passwords));
    while (names_next(u->passwords, &pos, &hash, &one))
        reply_bulk(c, hash);
    reply_selector(c, u->selectors[0]);
    reply_cstr(c, "selectors");
    reply_array(c, u->nselectors - 1);
    for (uint32_t i = 1; i < u->nselectors; i++) {
        reply_map(c, 3);
        reply_selector(c, u->selectors[i]);
    }
    return CMD_DONE;
}

/* All users: their names, or what makes them. */
static command_result reply_users(client *c, bool rules) {
    size_t n;
    user **users = users_sorted(&n);
    reply_array(c, (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        buf text = {0};
        if (rules) buf_printf(&text, "user ");
        buf_append_slice(&text, user_name(users[i]));
        if (rules) buf_append_char(&text, ' ');
        if (rules) user_show(users[i], &text);
        reply_bulk(c, buf_slice(&text));
        buf_free(&text);
    }
    mem_free(users);
    return CMD_DONE;
}

/* ACL LIST: the lines that ACL SAVE would write. */
static command_result list(client *c) {
    return reply_users(c, true);
}
/* ACL USERS: names alone. */
static command_result users(client *c) {
    return reply_users(c, false);
}

/* What runs from within is nobody. */
static command_result whoami(client *c) {
    if (c->flags & CLIENT_FAKE)
        reply_null(c);
    else
        reply_bulk(c, user_name(users_of(c)));
    return CMD_DONE;
}

/* ---- categories --------------------------------------------------------------------------------
 */

/* All there are, in the order of their bits. */
static command_result reply_categories(client *c) {
    int n = 0;
    while (command_category_names[n])
        n++;
    reply_array(c, n);
    for (int i = 0; i < n; i++)
        reply_cstr(c, command_category_names[i]);
    return CMD_DONE;
}

/* How many went into out. */
static int64_t append_if_in(const command_row *row, uint32_t category, buf *out) {
    if (!(row->categories & category)) return 0;
    resp_bulk(out, slice_cstr(row->full_name));
    return 1;
}

/* The categories, or the commands of one. */
static command_result cat(client *c) {
    int i = 0;
    if (c->argc == 2) return reply_categories(c);
    if (c->argc > 3) return reply_sub_syntax(c);
    slice name = c->argv[2];
    while (command_category_names[i] && !slice_ieq(name, command_category_names[i]))
        i++;
    if (!command_category_names[i])
        return reply_error(c, "ERR Unknown category '%.*s'", (int)(name.len < 128 ? name.len : 128),
                           name.data);
    /* How many there are is known only behind the last one, and a reply begins with that. */
    buf body = {0};
    size_t pos = 0;
    int64_t n = 0;
    for (command_row *row; (row = command_next(&pos)) != NULL;) {
        n += append_if_in(row, 1u << i, &body);
        for (int k = 0; k < row->nsubs; k++)
            n += append_if_in(&row->subs[k], 1u << i, &body);
    }
    reply_array(c, n);
    buf_append_slice(&c->out, buf_slice(&body));
    buf_free(&body);
    return CMD_DONE;
}

/* ---- the rest ----------------------------------------------------------------------------------
 */

/* Bits are rounded up to whole digits. */
static command_result genpass(client *c) {
    int64_t bits = 256;
    char pass[GENPASS_BITS_MAX / 4 + 1];
    if (c->argc > 3) return reply_sub_syntax(c);
    if (c->argc == 3 && !arg_i64(c, 2, &bits)) return CMD_REFUSED;
    /* The room for the digits is on the stack. */
    if (bits <= 0 || bits > GENPASS_BITS_MAX)
        return reply_error(c,
                           "ERR ACL GENPASS argument must be the number of bits for the output "
                           "password, a positive number up to %d",
                           GENPASS_BITS_MAX);
    size_t digits = (size_t)(bits + 3) / 4;
    rand_hex(pass, digits);
    reply_bulk(c, slice_of(pass, digits));
    return CMD_DONE;
}

/* An error with somebody's words in it. */
static command_result refuse_named(client *c, const char *before, slice name, const char *after) {
    buf text = {0};
    buf_printf(&text, "ERR %s '", before);
    buf_append_slice(&text, name);
    buf_printf(&text, "' %s", after);
    return refuse(c, &text);
}

/* What a user would be told who ran this. */
static command_result dryrun(client *c) {
    const user *u = users_find(c->argv[2]);
    int argc = c->argc - 3, at;
    const slice *argv = c->argv + 3;
    if (!u) return refuse_named(c, "User", c->argv[2], "not found");
    const command_row *row = command_find(argv, argc, NULL);
    if (!row) return refuse_named(c, "Command", argv[0], "not found");
    /* Where keys are is not asked of a line that its command would refuse. */
    int arity = row->def->arity;
    if (arity > 0 ? argc != arity : argc < -arity)
        return reply_error(c, "ERR wrong number of arguments for '%s' command", row->full_name);
    denial d = check_command(u, row, argc, argv, &at);
    if (d == DENIED_NOT) {
        reply_ok(c);
        return CMD_DONE;
    }
    buf text = {0};
    check_explain(d, u, row, argv[at], true, &text);
    reply_bulk(c, buf_slice(&text));
    buf_free(&text);
    return CMD_DONE;
}

/* In the words of redis-server. */
static command_result help(client *c) {
    static const char *const lines[] = {
        "CAT [<category>]",
        "    List all commands that belong to <category>, or all command categories",
        "    when no category is specified.",
        "DELUSER <username> [<username> ...]",
        "    Delete a list of users.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Returns whether the user can execute the given command without executing the command.",
        "GETUSER <username>",
        "    Get the user's details.",
        "GENPASS [<bits>]",
        "    Generate a secure 256-bit user password. The optional `bits` argument can",
        "    be used to specify a different size.",
        "LIST",
        "    Show users details in config file format.",
        "LOAD",
        "    Reload users from the ACL file.",
        "LOG [<count> | RESET]",
        "    Show the ACL log entries.",
        "SAVE",
        "    Save the current config to the ACL file.",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Create or modify a user with the specified attributes.",
        "USERS",
        "    List all the registered usernames.",
        "WHOAMI",
        "    Return the current connection username.",
        NULL,
    };
    return reply_help(c, lines);
}

/* ---- table -------------------------------------------------------------------------------------
 */

/* Who has passwords has rules. */
static bool setuser_secret(const slice *argv, int argc, int i) {
    (void)argv;
    (void)argc;
    return i >= 2;
}

/* All of them run while data is loaded. */
#define ACL(name_, run_, arity_, flags_, since_, complexity_, summary_, ...)                       \
    {                                                                                              \
        .name = name_, .run = run_, .arity = arity_, .group = "server", .since = since_,           \
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | (flags_), .complexity = complexity_,     \
        .summary = summary_, __VA_ARGS__                                                           \
    }
#define N_USERS "O(N). Where N is the number of configured users."

/* A cluster's proxy sends changes to all nodes. */
static const char *const everywhere[] = {"request_policy:all_nodes",
                                         "response_policy:all_succeeded", NULL};

static const command subcommands[] = {
    ACL("cat", cat, -2, 0, "6.0.0", "O(1) since the categories and commands are a fixed set.",
        "The categories of commands, or the commands of one.", .syntax = "[category]"),
    ACL("deluser", deluser, -3, CMD_ADMIN, "6.0.0",
        "O(1) amortized time considering the typical user.",
        "Deletes users and ends their connections.", .syntax = "username...", .tips = everywhere),
    ACL("dryrun", dryrun, -4, CMD_ADMIN, "7.0.0", "O(1).",
        "Tells whether a user may run a command, which is not run.",
        .syntax = "username command [arg...]"),
    ACL("genpass", genpass, -2, 0, "6.0.0", "O(1)", "Makes a password of random digits.",
        .syntax = "[bits:integer]"),
    ACL("getuser", getuser, 3, CMD_ADMIN, "6.0.0",
        "O(N). Where N is the number of password, command and pattern rules that the user has.",
        "What a user may do.", .syntax = "username",
        .history = "6.2.0: Added Pub/Sub channel patterns.\n7.0.0: Added selectors and changed the "
                   "format of key and channel patterns from a list to their rule representation."),
    {COMMAND_HELP(help, "server", "6.0.0")},
    ACL("list", list, 2, CMD_ADMIN, "6.0.0", N_USERS, "All users, as rules that make them."),
    ACL("load", load, 2, CMD_ADMIN, "6.0.0", N_USERS, "Takes all users from the aclfile."),
    ACL("log", denials_reply, -2, CMD_ADMIN, "6.0.0",
        "O(N) with N being the number of entries shown.", "What was denied, and to whom.",
        .syntax = "@operation:[count:integer|RESET]",
        .history = "7.2.0: Added entry ID, timestamp created, and timestamp last updated."),
    ACL("save", save, 2, CMD_ADMIN, "6.0.0", N_USERS, "Writes all users to the aclfile.",
        .tips = everywhere),
    ACL("setuser", setuser, -3, CMD_ADMIN, "6.0.0",
        "O(N). Where N is the number of rules provided.", "Makes or changes a user.",
        .syntax = "username [rule...]", .tips = everywhere, .secret = setuser_secret,
        .history = "6.2.0: Added Pub/Sub channel patterns.\n7.0.0: Added selectors and key based "
                   "permissions."),
    ACL("users", users, 2, CMD_ADMIN, "6.0.0", N_USERS, "The names of all users."),
    ACL("whoami", whoami, 2, 0, "6.0.0", "O(1)", "The user that this connection is."),
    {0},
};

const command acl_commands[] = {
    {.name = "acl",
     .arity = -2,
     .group = "server",
     .since = "6.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "Users and what they may do.",
     .subcommands = subcommands},
    {0},
};
