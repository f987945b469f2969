/* XGROUP: making and dropping a stream's groups and their consumers.
 *
 * Dropping costs the same whatever is pending: what is left is cleared up in portions by the
 * commands that change the stream afterwards. */
#include "commands/stream_family.h"

/* "The key must be there", as XGROUP says it. */
static command_result no_stream(client *c) {
    stream_depends(c);
    return reply_error(c, "ERR The XGROUP subcommand requires the key to exist. Note that for "
                          "CREATE you may want to use the MKSTREAM option to create an empty "
                          "stream automatically.");
}

/* The stream at argument 2, which must be there. */
static command_result need_stream(client *c, stream *s) {
    STEP_TRY(stream_lookup(c, c->argv[2], KS_WRITE, s));
    return s->el.exists ? CMD_DONE : no_stream(c);
}

/* And its group at argument 3. */
static command_result need_group(client *c, stream *s, stream_group *g) {
    STEP_TRY(need_stream(c, s));
    engine_result r = stream_group_open(s, c->argv[3], g);
    if (r == ENGINE_ABSENT) return stream_no_such_group(c);
    return r == ENGINE_OK ? CMD_DONE : reply_engine(c, r);
}

/* Ends a command that changed something, and tells of it. */
static command_result end_changing(client *c, stream *s, const char *event) {
    ENGINE_TRY(c, stream_end(s));
    data_changed(c, KS_STREAM, event, c->argv[2]);
    return CMD_DONE;
}

/* ---- CREATE and SETID ---------------------------------------------------------------------------
 */

typedef struct group_request {
    bool make_stream;
    int64_t entries_read;
} group_request;

/* Options from argument 5 on. */
static bool parse(client *c, bool creates, group_request *q) {
    *q = (group_request){.entries_read = STREAM_UNKNOWN};
    for (int i = 5; i < c->argc; i++) {
        if (creates && arg_is(c, i, "mkstream")) {
            q->make_stream = true;
        } else if (arg_is(c, i, "entriesread") && i + 1 < c->argc) {
            if (!arg_i64(c, ++i, &q->entries_read)) return false;
            if (q->entries_read >= STREAM_UNKNOWN) continue;
            (void)reply_error(c, "ERR value for ENTRIESREAD must be positive or -1");
            return false;
        } else {
            (void)reply_sub_syntax(c);
            return false;
        }
    }
    return true;
}

/* Argument 4: an ID, or `$`, the stream's last; SETID also takes "-" and "+". */
static bool arg_last_id(client *c, const stream *s, bool creates, stream_id *out) {
    *out = slice_eq(c->argv[4], SLICE("-")) ? STREAM_ID_ZERO : STREAM_ID_MAX;
    if (!creates && (slice_eq(c->argv[4], SLICE("-")) || slice_eq(c->argv[4], SLICE("+"))))
        return true;
    *out = s->last_id;
    return slice_eq(c->argv[4], SLICE("$")) || stream_arg_id(c, 4, 0, out);
}

/* With MKSTREAM the stream need not be there. */
static command_result xgroup_create(client *c) {
    stream s;
    stream_group g;
    group_request q;
    stream_id id;
    if (!parse(c, true, &q)) return CMD_REFUSED;
    STEP_TRY(stream_check_name(c, c->argv[3]));
    STEP_TRY(stream_lookup(c, c->argv[2], KS_WRITE, &s));
    if (!s.el.exists && !q.make_stream) return no_stream(c);
    if (c->argc > 8) return reply_sub_syntax(c); /* an option twice */
    if (!arg_last_id(c, &s, true, &id)) return CMD_REFUSED;
    engine_result r = stream_group_create(&s, c->argv[3], id, q.entries_read, &g);
    if (r == ENGINE_ABSENT) {
        stream_depends(c);
        return reply_error(c, "BUSYGROUP Consumer Group name already exists");
    }
    if (r != ENGINE_OK) return reply_engine(c, r);
    STEP_TRY(end_changing(c, &s, "xgroup-create"));
    reply_ok(c);
    return CMD_DONE;
}

/* entries-read is forgotten unless it is given. */
static command_result xgroup_setid(client *c) {
    stream s;
    stream_group g;
    group_request q;
    if (!parse(c, false, &q)) return CMD_REFUSED;
    STEP_TRY(need_group(c, &s, &g));
    if (c->argc > 7) return reply_sub_syntax(c);
    if (!arg_last_id(c, &s, false, &g.last_id)) return CMD_REFUSED;
    g.entries_read = q.entries_read;
    g.changed = true;
    ENGINE_TRY(c, stream_group_end(&s, &g));
    STEP_TRY(end_changing(c, &s, "xgroup-setid"));
    reply_ok(c);
    return CMD_DONE;
}

/* ---- the others ---------------------------------------------------------------------------------
 */

/* Those who wait in XREADGROUP are woken by the change, and find no group. */
static command_result xgroup_destroy(client *c) {
    stream s;
    stream_group g;
    STEP_TRY(need_stream(c, &s));
    engine_result r = stream_group_open(&s, c->argv[3], &g);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    stream_depends(c);
    if (r == ENGINE_OK) {
        ENGINE_TRY(c, stream_group_drop(&s, &g));
        STEP_TRY(end_changing(c, &s, "xgroup-destroy"));
    }
    reply_int(c, r == ENGINE_OK);
    return CMD_DONE;
}

/* One that is there is left alone, and not seen either. */
static command_result xgroup_createconsumer(client *c) {
    stream s;
    stream_group g;
    stream_consumer *consumer;
    STEP_TRY(need_group(c, &s, &g));
    STEP_TRY(stream_check_name(c, c->argv[4]));
    engine_result r = stream_consumer_open(&s, &g, c->argv[4], &consumer);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    stream_depends(c);
    if (r == ENGINE_ABSENT) {
        ENGINE_TRY(c, stream_consumer_create(&s, &g, c->argv[4], ks_now(c->ks), &consumer));
        ENGINE_TRY(c, stream_group_end(&s, &g));
        STEP_TRY(end_changing(c, &s, "xgroup-createconsumer"));
    }
    reply_int(c, r == ENGINE_ABSENT);
    return CMD_DONE;
}

/* Replies with how many entries were pending for it: they are pending no more. */
static command_result xgroup_delconsumer(client *c) {
    stream s;
    stream_group g;
    stream_consumer *consumer;
    uint64_t pending = 0;
    STEP_TRY(need_group(c, &s, &g));
    engine_result r = stream_consumer_open(&s, &g, c->argv[4], &consumer);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    stream_depends(c);
    if (r == ENGINE_OK) {
        pending = consumer->pending;
        ENGINE_TRY(c, stream_consumer_drop(&s, &g, consumer));
        ENGINE_TRY(c, stream_group_end(&s, &g));
        STEP_TRY(end_changing(c, &s, "xgroup-delconsumer"));
    }
    reply_int(c, (int64_t)pending);
    return CMD_DONE;
}

/* In our own words. */
static command_result xgroup_help(client *c) {
    static const char *const lines[] = {
        "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <n>]",
        "    Makes a group that is given what comes after <id>; $ is the stream's last.",
        "    MKSTREAM makes the stream too. <n> entries count as read already.",
        "CREATECONSUMER <key> <group> <consumer>",
        "    Makes a consumer of the group.",
        "DELCONSUMER <key> <group> <consumer>",
        "    Drops it, with what is pending for it.",
        "DESTROY <key> <group>",
        "    Drops the group.",
        "SETID <key> <group> <id|$> [ENTRIESREAD <n>]",
        "    Sets after which entry the group goes on.",
        NULL,
    };
    return reply_help(c, lines);
}

/* ---- table --------------------------------------------------------------------------------------
 */

/* A subcommand about the group at argument 3. */
#define ABOUT(name_, run_, arity_, flags_, since_, key_flags_)                                     \
    .name = name_, .run = run_, .arity = arity_, .flags = CMD_WRITE | (flags_),                    \
    .categories = CAT_STREAM, .group = "stream", .since = since_,                                  \
    .keys = {KEY_AT(2, KEY_RW | (key_flags_))}

const command xgroup_subcommands[] = {
    {ABOUT("create", xgroup_create, -5, CMD_DENYOOM, "5.0.0", KEY_INSERT), .complexity = "O(1)",
     .summary = "Makes a group of consumers of a stream.",
     .syntax = "key group:string @id-selector:<id:string|@new-id:$> [MKSTREAM] "
               "[@entries-read:ENTRIESREAD "
               "entries-read:integer]",
     .history = "7.0.0: Added the `entries_read` named argument."},
    {ABOUT("createconsumer", xgroup_createconsumer, 5, CMD_DENYOOM, "6.2.0", KEY_INSERT),
     .complexity = "O(1)", .summary = "Makes a consumer of a group.",
     .syntax = "key group consumer"},
    {ABOUT("delconsumer", xgroup_delconsumer, 5, 0, "5.0.0", KEY_DELETE), .complexity = "O(1)",
     .summary = "Drops a consumer of a group, with what is pending for it.",
     .syntax = "key group consumer"},
    {ABOUT("destroy", xgroup_destroy, 4, 0, "5.0.0", KEY_DELETE),
     .complexity = "O(1); what was pending is cleared up in portions afterwards.",
     .summary = "Drops a group of consumers of a stream.", .syntax = "key group"},
    {COMMAND_HELP(xgroup_help, "stream", "5.0.0"), .categories = CAT_STREAM},
    {ABOUT("setid", xgroup_setid, -5, 0, "5.0.0", KEY_UPDATE), .complexity = "O(1)",
     .summary = "Sets after which entry a group goes on.",
     .syntax = "key group @id-selector:<id:string|@new-id:$> [@entries-read:ENTRIESREAD "
               "entries-read:integer]",
     .history = "7.0.0: Added the optional `entries_read` argument."},
    {0},
};
