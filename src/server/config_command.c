/* CONFIG: GET, SET, REWRITE, RESETSTAT over the registry of settings.
 *
 * The registry (config.c) knows no client, and this file knows no setting: it takes arguments
 * apart, and puts replies together. */
#include "server/admin.h"

#include "base/glob.h"
#include "base/log.h"
#include "server/config.h"
#include "session/reply.h"

/* True if any of the patterns names the setting. A hidden one must be named in full. */
static bool matches(const client *c, const char *name, bool hidden) {
    for (int i = 2; i < c->argc; i++) {
        if (hidden ? slice_ieq(c->argv[i], name) : glob_match(c->argv[i], slice_cstr(name), true)) {
            return true;
        }
    }
    return false;
}

/* A map of names and values; of a setting with two names each that a pattern fits is shown, as
 * Redis shows slaveof beside replicaof. How many there are is known only at the end, so the pairs
 * are collected first. Since 7.0 several patterns may be given, and none is shown twice. */
static command_result config_get(client *c) {
    buf body = {0}, value = {0};
    int64_t n = 0;
    size_t pos = 0;
    for (const setting *s; (s = config_next(&pos));) {
        const char *names[] = {s->name, s->alias};
        for (int i = 0; i < 2; i++) {
            if (s->flags & SETTING_FILE_ONLY) continue;
            if (!names[i] || !matches(c, names[i], s->flags & SETTING_HIDDEN)) continue;
            buf_clear(&value);
            setting_show(s, &value);
            resp_bulk(&body, slice_cstr(names[i]));
            resp_bulk(&body, buf_slice(&value));
            n++;
        }
    }
    reply_map(c, n);
    buf_append_slice(&c->out, buf_slice(&body));
    buf_free(&body);
    buf_free(&value);
    return CMD_DONE;
}

/* Pairs, all of them set or none (config.c); half a pair is a syntax error, as in 7.0. */
static command_result config_set(client *c) {
    if (c->argc % 2 != 0) return reply_syntax_error(c);
    status st = config_set_live((c->argc - 2) / 2, c->argv + 2);
    if (!status_ok(st)) return reply_error(c, "%s", st.msg);
    reply_ok(c);
    return CMD_DONE;
}

/* Redis writes the reason into its log as well, as the client may be a script that nobody reads. */
static command_result config_rewrite_cmd(client *c) {
    status st = config_rewrite();
    if (!status_ok(st)) {
        log_warning("CONFIG REWRITE failed: %s", st.msg);
        return reply_error(c, "%s", st.msg);
    }
    log_notice("CONFIG REWRITE executed with success.");
    reply_ok(c);
    return CMD_DONE;
}

/* Counters of all modules, by the sections that INFO is made of; gauges stay. */
static command_result config_resetstat(client *c) {
    info_reset();
    reply_ok(c);
    return CMD_DONE;
}

/* In the words of redis-server. */
static command_result config_help(client *c) {
    static const char *const lines[] = {
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        NULL,
    };
    return reply_help(c, lines);
}

/* CONFIG can be used while data is being loaded: a start that takes long may want another log
 * level. */
#define FLAGS (CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)

/* Values of settings that are passwords. */
static bool set_secret(const slice *argv, int argc, int i) {
    (void)argc;
    const setting *s = i >= 3 && i % 2 ? config_find(argv[i - 1]) : NULL;
    return s && (s->flags & SETTING_SENSITIVE);
}

/* A cluster's proxy sends these to all nodes, and all must have done it. */
static const char *const set_tips[] = {"request_policy:all_nodes", "response_policy:all_succeeded",
                                       NULL};

static const command subs[] = {
    {"get", config_get, -3, FLAGS, 0, "server", "2.0.0",
     "O(N) in the settings that the patterns name", "Shows settings and their values.",
     "parameter...",
     .history = "7.0.0: Added the ability to pass multiple pattern parameters in one call"},
    {"help", config_help, 2, CMD_LOADING | CMD_STALE, 0, "server", "5.0.0", "O(1)",
     "Describes the subcommands.", ""},
    {"resetstat", config_resetstat, 2, FLAGS, 0, "server", "2.0.0", "O(1)",
     "Sets the counters of INFO to zero.", "", .tips = set_tips},
    {"rewrite", config_rewrite_cmd, 2, FLAGS, 0, "server", "2.8.0", "O(1)",
     "Writes the settings in force to the configuration file.", "", .tips = set_tips},
    {"set", config_set, -4, FLAGS, 0, "server", "2.0.0", "O(N) in the settings given",
     "Changes settings while the server runs, all of them or none.", "<parameter value>...",
     .tips = set_tips, .secret = set_secret,
     .history = "7.0.0: Added the ability to set multiple parameters in one call."},
    {0},
};

/* CONFIG alone is no call: the container has no function of its own. */
const command config_commands[] = {
    {"config", NULL, -2, 0, 0, "server", "2.0.0", "Depends on the subcommand.",
     "Settings of the running server.", "", .subcommands = subs},
    {0},
};
