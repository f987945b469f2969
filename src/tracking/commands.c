/* commands: CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR. */
#include "tracking/internal.h"

#include "base/log.h"
#include "session/reply.h"

/* What CLIENT TRACKING was given. */
typedef struct options {
    bool bcast, optin, optout, noloop;
    uint64_t redirect; /* 0: none */
    slice *prefixes;
    size_t n;
} options;

/* ---- TRACKING ----------------------------------------------------------------------------------
 */

/* REDIRECT's id is argument i; false after having replied with the error. */
static bool parse_redirect(client *c, int i, options *o) {
    int64_t id;
    if (o->redirect) {
        (void)reply_error(c, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!arg_i64(c, i, &id)) return false;
    if (id > 0 && client_by_id(c->session, (uint64_t)id)) {
        o->redirect = (uint64_t)id;
        return true;
    }
    (void)reply_error(c, "ERR The client ID you want redirect to does not exist");
    return false;
}

/* From argument 3 on; false after having replied with the error. */
static bool parse_options(client *c, options *o) {
    o->prefixes = ks_alloc(c->ks, (size_t)c->argc * sizeof *o->prefixes);
    for (int i = 3; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        if (arg_is(c, i, "redirect") && more) {
            if (!parse_redirect(c, ++i, o)) return false;
        } else if (arg_is(c, i, "bcast")) {
            o->bcast = true;
        } else if (arg_is(c, i, "optin")) {
            o->optin = true;
        } else if (arg_is(c, i, "optout")) {
            o->optout = true;
        } else if (arg_is(c, i, "noloop")) {
            o->noloop = true;
        } else if (arg_is(c, i, "prefix") && more) {
            o->prefixes[o->n++] = c->argv[++i];
        } else {
            (void)reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* What does not go together, or not with what the client has: the error, or NULL. */
static const char *conflict(const client *c, const options *o) {
    const tracker *t = tracks(c) ? tracker_of(c) : NULL;
    if (!o->bcast && o->n > 0) return "ERR PREFIX option requires BCAST mode to be enabled";
    if (t && o->bcast != !!(c->flags & CLIENT_TRACKING_BCAST))
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    if (o->bcast && (o->optin || o->optout))
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if (o->optin && o->optout) return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if (t && ((o->optin && t->optout) || (o->optout && t->optin)))
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    for (size_t i = 0; i < o->n; i++)
        if (o->prefixes[i].len > ENGINE_KEY_MAX) return "ERR PREFIX is longer than a key may be";
    return NULL;
}

/* False after having replied that a key would be told twice. */
static bool prefixes_checked(client *c, const options *o) {
    size_t bad;
    slice other;
    bool own;
    if (o->n == 0 || prefixes_fit(tracker_of(c), o->prefixes, o->n, &bad, &other, &own))
        return true;
    (void)reply_error(c,
                      "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single "
                      "client must not overlap.",
                      (int)o->prefixes[bad].len, o->prefixes[bad].data,
                      own ? "an existing" : "another provided", (int)other.len, other.data);
    return false;
}

/* The batch that gave c its prefixes has committed. */
static void settle(void *ctx, slice unused) {
    tracker *t = tracker_of(ctx);
    (void)unused;
    if (t) prefixes_settle(t);
}

/* Prefixes add to those that the client has; other options replace what it had. */
static command_result switch_on(client *c, const options *o) {
    const char *error = conflict(c, o);
    if (error) return reply_error_text(c, slice_cstr(error));
    if (!prefixes_checked(c, o)) return CMD_REFUSED;
    tracker *t = tracker_on(c);
    c->redirect = o->redirect;
    t->optin = o->optin;
    t->optout = o->optout;
    t->noloop = o->noloop;
    if (o->bcast) {
        c->flags |= CLIENT_TRACKING_BCAST;
        if (o->n == 0) prefixes_add(t, SLICE_EMPTY);
        for (size_t i = 0; i < o->n; i++)
            prefixes_add(t, o->prefixes[i]);
        ks_after_commit(c->ks, settle, c, SLICE_EMPTY);
    }
    reply_ok(c);
    return CMD_DONE;
}

/* OFF looks at its options too, and then at none of them. */
static command_result tracking_command(client *c) {
    options o = {0};
    if (!parse_options(c, &o)) return CMD_REFUSED;
    if (arg_is(c, 2, "on")) return switch_on(c, &o);
    if (!arg_is(c, 2, "off")) return reply_syntax_error(c);
    tracker_off(c);
    reply_ok(c);
    return CMD_DONE;
}

/* ---- the others --------------------------------------------------------------------------------
 */

/* For the next command, or the next transaction. */
static command_result caching_command(client *c) {
    tracker *t = tracks(c) ? tracker_of(c) : NULL;
    bool yes = arg_is(c, 2, "yes");
    if (!t)
        return reply_error(c, "ERR CLIENT CACHING can be called only when the client is in "
                              "tracking mode with OPTIN or OPTOUT mode enabled");
    if (!yes && !arg_is(c, 2, "no")) return reply_syntax_error(c);
    if (yes && !t->optin)
        return reply_error(c, "ERR CLIENT CACHING YES is only valid when tracking is enabled in "
                              "OPTIN mode.");
    if (!yes && !t->optout)
        return reply_error(c, "ERR CLIENT CACHING NO is only valid when tracking is enabled in "
                              "OPTOUT mode.");
    t->caching = true;
    reply_ok(c);
    return CMD_DONE;
}

/* 0: its messages go to itself; -1: it does not track. */
static command_result getredir_command(client *c) {
    reply_int(c, tracks(c) ? (int64_t)c->redirect : -1);
    return CMD_DONE;
}

/* What it has switched on, as words. */
static void reply_flags(client *c) {
    const tracker *t = tracks(c) ? tracker_of(c) : NULL;
    const struct {
        const char *word;
        bool on;
    } words[] = {
        {t ? "on" : "off", true},   {"bcast", c->flags & CLIENT_TRACKING_BCAST},
        {"optin", t && t->optin},   {"caching-yes", t && t->optin && t->caching},
        {"optout", t && t->optout}, {"caching-no", t && t->optout && t->caching},
        {"noloop", t && t->noloop}, {"broken_redirect", c->flags & CLIENT_TRACKING_BROKEN},
    };
    int64_t n = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        n += words[i].on;
    resp_set(&c->out, c->proto, n);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].on) reply_cstr(c, words[i].word);
}

/* Flags, redirect, prefixes. */
static command_result info_command(client *c) {
    const tracker *t = tracks(c) ? tracker_of(c) : NULL;
    btree_iter it;
    reply_map(c, 3);
    reply_cstr(c, "flags");
    reply_flags(c);
    reply_cstr(c, "redirect");
    (void)getredir_command(c);
    reply_cstr(c, "prefixes");
    if (!t || !t->prefixes) {
        reply_array(c, 0);
        return CMD_DONE;
    }
    reply_array(c, (int64_t)btree_count(t->prefixes));
    for (bool more = btree_first(t->prefixes, &it); more; more = btree_next(&it))
        reply_bulk(c, btree_iter_key(&it));
    return CMD_DONE;
}

/* ---- table -------------------------------------------------------------------------------------
 */

const char *const tracking_help[] = {
    "CACHING (YES|NO)",
    "    Track, or do not track, the keys of the next command (OPTIN, OPTOUT).",
    "GETREDIR",
    "    The id of the client that this connection's messages go to.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Be told when keys change that this connection has read, or that begin so.",
    "TRACKINGINFO",
    "    What this connection tracks, and how.",
    NULL};

#define SUB(name_, run_, arity_, since_, complexity_, summary_, ...)                               \
    {                                                                                              \
        .name = name_, .run = run_, .arity = arity_,                                               \
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE, .categories = CAT_CONNECTION,             \
        .group = "connection", .since = since_, .complexity = complexity_, .summary = summary_,    \
        __VA_ARGS__                                                                                \
    }

const command tracking_commands[] = {
    SUB("caching", caching_command, 3, "6.0.0", "O(1)",
        "Whether the next command's keys are tracked.", .syntax = "@mode:<YES|NO>"),
    SUB("getredir", getredir_command, 2, "6.0.0", "O(1)",
        "The id of the client that is told of changes instead."),
    SUB("tracking", tracking_command, -3, "6.0.0",
        "O(1). Some options may introduce additional complexity.",
        "Switches messages about changed keys on and off.",
        .syntax = "@status:<ON|OFF> [@client-id:REDIRECT client-id:integer] "
                  "[PREFIX prefix]... [BCAST] [OPTIN] [OPTOUT] [NOLOOP]"),
    SUB("trackinginfo", info_command, 2, "6.2.0", "O(1)", "What this connection tracks."),
    {0},
};
