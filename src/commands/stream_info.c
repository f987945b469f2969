/* XINFO: what is known of a stream, its groups and their consumers.
 *
 * radix-tree-keys is the number of nodes that redis-server would have (types/stream_entry.c), and
 * radix-tree-nodes the least number of nodes of a tree with so many keys: here there is no tree. */
#include "commands/stream_family.h"

#define COUNT_DEFAULT 10

/* An ID, or a number, with its name. */
static void named_id(client *c, const char *name, stream_id id) {
    reply_cstr(c, name);
    stream_reply_id(c, id);
}

/* A number with its name. */
static void named_int(client *c, const char *name, int64_t v) {
    reply_cstr(c, name);
    reply_int(c, v);
}
/* A number, or null if it is not known. */
static void named_known(client *c, const char *name, bool known, int64_t v) {
    reply_cstr(c, name);
    if (known) {
        reply_int(c, v);
    } else {
        reply_null(c);
    }
}

/* The stream at argument 2; "no such key" without. */
static command_result need_stream(client *c, stream *s) {
    STEP_TRY(stream_lookup(c, c->argv[2], 0, s));
    stream_depends(c);
    return s->el.exists ? CMD_DONE : reply_no_key(c);
}

/* ---- STREAM -------------------------------------------------------------------------------------
 */

/* What both forms begin with: seven fields. */
static command_result reply_state(client *c, stream *s, stream_id first) {
    uint64_t nodes;
    ENGINE_TRY(c, stream_nodes(s, &nodes));
    named_int(c, "length", (int64_t)stream_length(s));
    named_int(c, "radix-tree-keys", (int64_t)nodes);
    named_int(c, "radix-tree-nodes", (int64_t)nodes + 1);
    named_id(c, "last-generated-id", s->last_id);
    named_id(c, "max-deleted-entry-id", s->max_deleted);
    named_int(c, "entries-added", (int64_t)s->added);
    named_id(c, "recorded-first-entry-id", first);
    return CMD_DONE;
}

/* The entry nearest to an end of the stream, or null. */
static command_result reply_edge(client *c, stream *s, const char *name, bool last) {
    stream_walk w;
    reply_cstr(c, name);
    engine_result r = stream_walk_begin(s, last ? STREAM_ID_MAX : STREAM_ID_ZERO,
                                        last ? STREAM_ID_ZERO : STREAM_ID_MAX, last, &w);
    if (r == ENGINE_ABSENT) {
        reply_null(c);
        return CMD_DONE;
    }
    if (r != ENGINE_OK) return reply_engine(c, r);
    stream_reply_entry(c, w.at);
    return CMD_DONE;
}

/* Without FULL: ten fields. */
static command_result reply_short(client *c, stream *s, stream_id first) {
    uint64_t groups;
    reply_map(c, 10);
    STEP_TRY(reply_state(c, s, first));
    ENGINE_TRY(c, stream_group_count(s, &groups));
    named_int(c, "groups", (int64_t)groups);
    STEP_TRY(reply_edge(c, s, "first-entry", false));
    return reply_edge(c, s, "last-entry", true);
}

/* What is pending for a group, or (of) for one consumer: at most `count` (0: all). */
static command_result reply_pending(client *c, stream *s, stream_group *g,
                                    const stream_consumer *of, uint64_t count) {
    stream_pending_walk w;
    uint64_t n = 0;
    reply_cstr(c, "pending");
    size_t at = c->out.len;
    engine_result r = stream_pending_begin(s, g, of, STREAM_ID_ZERO, &w);
    for (; r == ENGINE_OK; r = stream_pending_next(&w)) {
        stream_pending p = w.at;
        if (of) ENGINE_TRY(c, stream_pending_get(s, g, p.id, &p));
        reply_array(c, of ? 3 : 4);
        stream_reply_id(c, p.id);
        if (!of) reply_bulk(c, p.consumer->name);
        reply_int(c, p.time);
        reply_int(c, (int64_t)p.deliveries);
        if (++n == count) break;
    }
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    data_insert_array(c, at, n);
    return CMD_DONE;
}

/* FULL: the consumers of one group, each with what is pending for it. */
static command_result reply_consumers_full(client *c, stream *s, stream_group *g, uint64_t count) {
    stream_consumer *each;
    reply_cstr(c, "consumers");
    reply_array(c, (int64_t)g->consumers);
    engine_result r = stream_consumer_next(s, g, NULL, &each);
    for (; r == ENGINE_OK; r = stream_consumer_next(s, g, &each->name, &each)) {
        reply_map(c, 5);
        reply_cstr(c, "name");
        reply_bulk(c, each->name);
        named_int(c, "seen-time", each->seen);
        named_int(c, "active-time", each->active);
        named_int(c, "pel-count", (int64_t)each->pending);
        STEP_TRY(reply_pending(c, s, g, each, count));
    }
    return r == ENGINE_ABSENT ? CMD_DONE : reply_engine(c, r);
}

/* What both GROUPS and FULL tell of how far a group is. */
static void reply_progress(client *c, stream *s, stream_id first, const stream_group *g) {
    int64_t lag;
    bool known = stream_group_lag(s, first, g, &lag);
    named_id(c, "last-delivered-id", g->last_id);
    named_known(c, "entries-read", g->entries_read != STREAM_UNKNOWN, g->entries_read);
    named_known(c, "lag", known, lag);
}

/* FULL: nine fields, of which the last two are lists. */
static command_result reply_full(client *c, stream *s, stream_id first, uint64_t count) {
    stream_group g;
    uint64_t groups;
    reply_map(c, 9);
    STEP_TRY(reply_state(c, s, first));
    reply_cstr(c, "entries");
    STEP_TRY(stream_reply_range(c, s, STREAM_ID_ZERO, STREAM_ID_MAX, false, count, NULL));
    reply_cstr(c, "groups");
    ENGINE_TRY(c, stream_group_count(s, &groups));
    reply_array(c, (int64_t)groups);
    engine_result r = stream_group_next(s, NULL, &g);
    for (; r == ENGINE_OK; r = stream_group_next(s, &g.name, &g)) {
        reply_map(c, 7);
        reply_cstr(c, "name");
        reply_bulk(c, g.name);
        reply_progress(c, s, first, &g);
        named_int(c, "pel-count", (int64_t)g.pending);
        STEP_TRY(reply_pending(c, s, &g, NULL, count));
        STEP_TRY(reply_consumers_full(c, s, &g, count));
    }
    return r == ENGINE_ABSENT ? CMD_DONE : reply_engine(c, r);
}

/* Options are looked at when the key is there, as redis-server does. */
static command_result xinfo_stream(client *c) {
    stream s;
    stream_id first;
    int64_t count = COUNT_DEFAULT;
    STEP_TRY(need_stream(c, &s));
    if (c->argc > 3) {
        if ((c->argc != 4 && c->argc != 6) || !arg_is(c, 3, "full") ||
            (c->argc == 6 && !arg_is(c, 4, "count")))
            return reply_sub_syntax(c);
        if (c->argc == 6 && !arg_i64(c, 5, &count)) return CMD_REFUSED;
        if (count < 0) count = COUNT_DEFAULT;
    }
    ENGINE_TRY(c, stream_first(&s, &first));
    return c->argc > 3 ? reply_full(c, &s, first, (uint64_t)count) : reply_short(c, &s, first);
}

/* ---- GROUPS, CONSUMERS --------------------------------------------------------------------------
 */

/* One map of six fields a group. */
static command_result xinfo_groups(client *c) {
    stream s;
    stream_group g;
    stream_id first;
    uint64_t groups;
    STEP_TRY(need_stream(c, &s));
    ENGINE_TRY(c, stream_first(&s, &first));
    ENGINE_TRY(c, stream_group_count(&s, &groups));
    reply_array(c, (int64_t)groups);
    engine_result r = stream_group_next(&s, NULL, &g);
    for (; r == ENGINE_OK; r = stream_group_next(&s, &g.name, &g)) {
        reply_map(c, 6);
        reply_cstr(c, "name");
        reply_bulk(c, g.name);
        named_int(c, "consumers", (int64_t)g.consumers);
        named_int(c, "pending", (int64_t)g.pending);
        reply_progress(c, &s, first, &g);
    }
    return r == ENGINE_ABSENT ? CMD_DONE : reply_engine(c, r);
}

/* Milliseconds since then. */
static int64_t since(client *c, int64_t then) {
    int64_t ago;
    return __builtin_sub_overflow(ks_now(c->ks), then, &ago) || ago < 0 ? 0 : ago;
}

/* One map of four fields a consumer; the last came with 7.2. */
static command_result xinfo_consumers(client *c) {
    stream s;
    stream_group g;
    stream_consumer *each;
    STEP_TRY(need_stream(c, &s));
    engine_result r = stream_group_open(&s, c->argv[3], &g);
    if (r == ENGINE_ABSENT) return stream_no_such_group(c);
    if (r != ENGINE_OK) return reply_engine(c, r);
    reply_array(c, (int64_t)g.consumers);
    r = stream_consumer_next(&s, &g, NULL, &each);
    for (; r == ENGINE_OK; r = stream_consumer_next(&s, &g, &each->name, &each)) {
        reply_map(c, 4);
        reply_cstr(c, "name");
        reply_bulk(c, each->name);
        named_int(c, "pending", (int64_t)each->pending);
        named_int(c, "idle", since(c, each->seen));
        named_int(c, "inactive", each->active < 0 ? -1 : since(c, each->active));
    }
    return r == ENGINE_ABSENT ? CMD_DONE : reply_engine(c, r);
}

/* In our own words. */
static command_result xinfo_help(client *c) {
    static const char *const lines[] = {
        "CONSUMERS <key> <group>",
        "    The consumers of the group: what is pending for them, when they were last seen.",
        "GROUPS <key>",
        "    The groups of the stream: their consumers, what is pending, how far they are.",
        "STREAM <key> [FULL [COUNT <count>]]",
        "    The stream itself; FULL: with <count> entries (default: 10, 0: all), groups and",
        "    consumers.",
        NULL,
    };
    return reply_help(c, lines);
}

/* ---- table --------------------------------------------------------------------------------------
 */

static const char *const tips_output[] = {"nondeterministic_output", NULL};

#define ASKS(name_, run_, arity_)                                                                  \
    .name = name_, .run = run_, .arity = arity_, .flags = CMD_READONLY, .categories = CAT_STREAM,  \
    .group = "stream", .since = "5.0.0", .complexity = "O(1)",                                     \
    .keys = {KEY_AT(2, KEY_RO | KEY_ACCESS)}

const command xinfo_subcommands[] = {
    {ASKS("consumers", xinfo_consumers, 4),
     .summary = "Returns what is known of a group's consumers.", .syntax = "key group",
     .tips = tips_output,
     .history = "7.2.0: Added the `inactive` field, and changed the meaning of `idle`."},
    {ASKS("groups", xinfo_groups, 3), .summary = "Returns what is known of a stream's groups.",
     .syntax = "key", .history = "7.0.0: Added the `entries-read` and `lag` fields"},
    {COMMAND_HELP(xinfo_help, "stream", "5.0.0"), .categories = CAT_STREAM},
    {ASKS("stream", xinfo_stream, -3), .summary = "Returns what is known of a stream.",
     .syntax = "key [@full-block:<FULL [COUNT count]>]",
     .history = "6.0.0: Added the `FULL` modifier.\n"
                "7.0.0: Added the `max-deleted-entry-id`, `entries-added`, "
                "`recorded-first-entry-id`, `entries-read` and `lag` fields\n"
                "7.2.0: Added the `active-time` field, and changed the meaning of `seen-time`."},
    {0},
};
