/* command: COMMAND: the registry, as clients want to see it.
 *
 * Shapes are those of Redis 7: flags, categories, tips and key specifications are sets in RESP3, a
 * specification and the documentation are maps. The order of commands is that of registration. */
#include "commands/commands.h"

#include "base/glob.h"
#include "base/mem.h"
#include "session/keyspec.h"
#include "session/reply.h"

/* The names of the bits that are set and have one: a bit that has none is not counted either, as a
 * client would wait for ever for what a reply promises and does not have. */
static void reply_names(client *c, const char *const *names, unsigned bits, const char *prefix) {
    int64_t n = 0;
    for (int i = 0; names[i]; i++)
        n += bits >> i & 1;
    resp_set(&c->out, c->proto, n);
    for (int i = 0; names[i]; i++)
        if (bits & 1u << i) buf_printf(&c->out, "+%s%s\r\n", prefix, names[i]);
}

/* ---- key specifications ------------------------------------------------------------------------
 */

/* The two fields that begin a search's or a finder's map, up to the value of the second. */
static void reply_type(client *c, const char *type) {
    reply_map(c, 2);
    reply_cstr(c, "type");
    reply_cstr(c, type);
    reply_cstr(c, "spec");
}

/* A name and a number. */
static void reply_field(client *c, const char *name, int64_t v) {
    reply_cstr(c, name);
    reply_int(c, v);
}

/* Where keys begin. */
static void reply_begin(client *c, const key_spec *s) {
    reply_cstr(c, "begin_search");
    if (key_spec_is_unknown(s)) {
        reply_type(c, "unknown");
        reply_map(c, 0);
    } else if (s->keyword) {
        reply_type(c, "keyword");
        reply_map(c, 2);
        reply_cstr(c, "keyword");
        reply_cstr(c, s->keyword);
        reply_field(c, "startfrom", s->begin);
    } else {
        reply_type(c, "index");
        reply_map(c, 1);
        reply_field(c, "index", s->begin);
    }
}

/* How far they go. */
static void reply_find(client *c, const key_spec *s) {
    int step = s->step ? s->step : 1;
    reply_cstr(c, "find_keys");
    if (key_spec_is_unknown(s)) {
        reply_type(c, "unknown");
        reply_map(c, 0);
    } else if (s->counted) {
        reply_type(c, "keynum");
        reply_map(c, 3);
        reply_field(c, "keynumidx", 0);
        reply_field(c, "firstkey", 1);
        reply_field(c, "keystep", step);
    } else {
        reply_type(c, "range");
        reply_map(c, 3);
        reply_field(c, "lastkey", s->last);
        reply_field(c, "keystep", step);
        reply_field(c, "limit", s->limit);
    }
}

/* All of a command's specifications, as a set of maps. */
static void reply_key_specs(client *c, const command *def) {
    int n = 0;
    while (n < 4 && def->keys[n].flags)
        n++;
    resp_set(&c->out, c->proto, n);
    for (int i = 0; i < n; i++) {
        const key_spec *s = &def->keys[i];
        reply_map(c, 3 + (s->notes != NULL));
        if (s->notes) {
            reply_cstr(c, "notes");
            reply_cstr(c, s->notes);
        }
        reply_cstr(c, "flags");
        reply_names(c, key_flag_names, s->flags, "");
        reply_begin(c, s);
        reply_find(c, s);
    }
}

/* ---- INFO --------------------------------------------------------------------------------------
 */

/* NULL ends them. */
static int tip_count(const command *def) {
    int n = 0;
    while (def->tips && def->tips[n])
        n++;
    return n;
}

/* The ten fields of COMMAND INFO; sub-commands are rows inside. */
static void reply_row(client *c, const command_row *row) {
    const command *def = row->def;
    key_range keys = command_legacy_range(def);
    reply_array(c, 10);
    reply_cstr(c, row->full_name);
    reply_int(c, def->arity);
    /* These are known and not shown, as in Redis. */
    uint32_t shown =
        row->flags & ~(uint32_t)(CMD_PROTECTED | CMD_MAY_REPLICATE | CMD_CARRIES | CMD_RUNS_SCRIPT);
    reply_names(c, command_flag_names, shown, "");
    reply_int(c, keys.first);
    reply_int(c, keys.last);
    reply_int(c, keys.step);
    reply_names(c, command_category_names, row->categories, "@");
    resp_set(&c->out, c->proto, tip_count(def));
    for (int i = 0; i < tip_count(def); i++)
        reply_cstr(c, def->tips[i]);
    reply_key_specs(c, def);
    resp_set(&c->out, c->proto, row->nsubs);
    for (int i = 0; i < row->nsubs; i++)
        reply_row(c, &row->subs[i]);
}

/* All rows, or those named from argument `from` on; an unknown name is nil. */
static command_result reply_rows(client *c, int from) {
    if (c->argc > from) {
        reply_array(c, c->argc - from);
        for (int i = from; i < c->argc; i++) {
            const command_row *row = command_by_name(c->argv[i]);
            if (row)
                reply_row(c, row);
            else
                reply_null(c);
        }
        return CMD_DONE;
    }
    reply_array(c, (int64_t)command_count());
    size_t pos = 0;
    for (const command_row *row; (row = command_next(&pos)) != NULL;)
        reply_row(c, row);
    return CMD_DONE;
}

/* All of them. */
static command_result command_command(client *c) {
    return reply_rows(c, 1);
}

/* Those named, or all. */
static command_result info_command(client *c) {
    return reply_rows(c, 2);
}

/* Sub-commands are not counted. */
static command_result count_command(client *c) {
    reply_int(c, (int64_t)command_count());
    return CMD_DONE;
}

/* ---- DOCS --------------------------------------------------------------------------------------
 */

/* "7.0.0: text" lines as pairs. */
static void reply_history(client *c, const char *lines) {
    int64_t n = 1;
    for (const char *p = lines; (p = strchr(p, '\n')) != NULL; p++)
        n++;
    reply_cstr(c, "history");
    resp_set(&c->out, c->proto, n);
    while (n-- > 0) {
        const char *end = strchrnul(lines, '\n'), *colon = strchr(lines, ':');
        reply_array(c, 2);
        reply_bulk(c, slice_of(lines, (size_t)(colon - lines)));
        reply_bulk(c, slice_of(colon + 2, (size_t)(end - colon - 2)));
        lines = end + 1;
    }
}

/* Left out when there is nothing to say. */
static void reply_docs_field(client *c, const char *field, const char *text) {
    if (!text) return;
    reply_cstr(c, field);
    reply_cstr(c, text);
}

/* A name and its map; the map's length is known beforehand. */
static void reply_docs(client *c, const command_row *row) {
    const command *d = row->def;
    bool deprecated = d->deprecated_since != NULL, flagged = deprecated || d->internal,
         arguments = d->syntax && d->syntax[0];
    reply_cstr(c, row->full_name);
    reply_map(c, 1 + (d->summary != NULL) + (d->since != NULL) + (d->complexity != NULL) + flagged +
                     deprecated + (d->replaced_by != NULL) + (d->history != NULL) + arguments +
                     (row->nsubs > 0));
    reply_docs_field(c, "summary", d->summary);
    reply_docs_field(c, "since", d->since);
    reply_docs_field(c, "group", d->group ? d->group : "generic");
    reply_docs_field(c, "complexity", d->complexity);
    if (flagged) {
        reply_cstr(c, "doc_flags");
        resp_set(&c->out, c->proto, deprecated + d->internal);
        if (deprecated) reply_simple(c, "deprecated");
        if (d->internal) reply_simple(c, "syscmd");
    }
    reply_docs_field(c, "deprecated_since", d->deprecated_since);
    reply_docs_field(c, "replaced_by", d->replaced_by);
    if (d->history) reply_history(c, d->history);
    if (arguments) {
        reply_cstr(c, "arguments");
        command_docs_arguments(d, &c->out, c->proto);
    }
    if (!row->nsubs) return;
    reply_cstr(c, "subcommands");
    reply_map(c, row->nsubs);
    for (int i = 0; i < row->nsubs; i++)
        reply_docs(c, &row->subs[i]);
}

/* Unknown names are left out. */
static command_result docs_command(client *c) {
    if (c->argc == 2) {
        reply_map(c, (int64_t)command_count());
        size_t pos = 0;
        for (const command_row *row; (row = command_next(&pos)) != NULL;)
            reply_docs(c, row);
        return CMD_DONE;
    }
    int64_t known = 0;
    for (int i = 2; i < c->argc; i++)
        known += command_by_name(c->argv[i]) != NULL;
    reply_map(c, known);
    for (int i = 2; i < c->argc; i++) {
        const command_row *row = command_by_name(c->argv[i]);
        if (row) reply_docs(c, row);
    }
    return CMD_DONE;
}

/* ---- LIST --------------------------------------------------------------------------------------
 */

enum list_filter { LIST_ALL, LIST_MODULE, LIST_CATEGORY, LIST_PATTERN };

/* The category's bit, 0 if there is none of that name. */
static uint32_t category_of(slice name) {
    for (int i = 0; command_category_names[i]; i++)
        if (slice_ieq(name, command_category_names[i])) return 1u << i;
    return 0;
}

/* Does this filter let the row through? */
static bool listed(const command_row *row, enum list_filter filter, slice arg) {
    switch (filter) {
    case LIST_ALL: return true;
    case LIST_MODULE: return false; /* there are no modules */
    case LIST_CATEGORY: return row->categories & category_of(arg);
    case LIST_PATTERN: return glob_match(arg, slice_cstr(row->full_name), true);
    }
    return false;
}

/* Appends the names that are listed, a row's and its sub-commands'; returns how many. */
static int64_t append_names(buf *out, enum list_filter filter, slice arg) {
    int64_t n = 0;
    size_t pos = 0;
    for (const command_row *row; (row = command_next(&pos)) != NULL;)
        for (int i = -1; i < row->nsubs; i++) {
            const command_row *each = i < 0 ? row : &row->subs[i];
            if (!listed(each, filter, arg)) continue;
            resp_bulk(out, slice_cstr(each->full_name));
            n++;
        }
    return n;
}

/* Sub-commands too. */
static command_result list_command(client *c) {
    enum list_filter filter = LIST_ALL;
    slice arg = SLICE_EMPTY;
    if (c->argc == 5 && arg_is(c, 2, "FILTERBY")) {
        arg = c->argv[4];
        if (arg_is(c, 3, "MODULE"))
            filter = LIST_MODULE;
        else if (arg_is(c, 3, "ACLCAT"))
            filter = LIST_CATEGORY;
        else if (arg_is(c, 3, "PATTERN"))
            filter = LIST_PATTERN;
        else
            return reply_syntax_error(c);
    } else if (c->argc != 2) {
        return reply_syntax_error(c);
    }
    buf names = {0};
    reply_array(c, append_names(&names, filter, arg));
    buf_append_slice(&c->out, buf_slice(&names));
    buf_free(&names);
    return CMD_DONE;
}

/* ---- GETKEYS -----------------------------------------------------------------------------------
 */

/* The command line begins at argument 2. */
static command_result keys_of_line(client *c, bool with_flags) {
    const slice *argv = c->argv + 2;
    int argc = c->argc - 2;
    const command_row *row = command_find(argv, argc, NULL);
    if (!row) return reply_error(c, "ERR Invalid command specified");
    if (!row->def->keys[0].flags && !row->def->getkeys)
        return reply_error(c, "ERR The command has no key arguments");
    int arity = row->def->arity;
    if (arity >= 0 ? argc != arity : argc < -arity)
        return reply_error(c, "ERR Invalid number of arguments specified for command");
    int *at = mem_alloc((size_t)argc * sizeof *at);
    unsigned *flags = mem_zalloc((size_t)argc * sizeof *flags);
    int n = command_keys(row, argv, argc, at, flags);
    command_result r = CMD_DONE;
    if (n < 0 && row->flags & CMD_NO_MANDATORY_KEYS) n = 0; /* EVAL with a bad count of keys */
    if (n < 0 || (n == 0 && !(row->flags & CMD_NO_MANDATORY_KEYS))) {
        r = reply_error(c, "ERR Invalid arguments specified for command");
    } else {
        reply_array(c, n);
        for (int i = 0; i < n; i++) {
            if (with_flags) reply_array(c, 2);
            reply_bulk(c, argv[at[i]]);
            if (with_flags) reply_names(c, key_flag_names, flags[i], "");
        }
    }
    mem_free(at);
    mem_free(flags);
    return r;
}

/* Keys alone. */
static command_result getkeys_command(client *c) {
    return keys_of_line(c, false);
}

/* Each key with its flags. */
static command_result getkeysandflags_command(client *c) {
    return keys_of_line(c, true);
}

/* Each sub-command and a line about it. */
static command_result help_command(client *c) {
    static const char *const lines[] = {
        "(no subcommand)",
        "    Details about all commands.",
        "COUNT",
        "    The number of commands of this server.",
        "LIST [FILTERBY (MODULE <module>|ACLCAT <category>|PATTERN <pattern>)]",
        "    The names of commands.",
        "INFO [<command-name> ...]",
        "    Details about these commands, or all.",
        "DOCS [<command-name> ...]",
        "    Documentation of these commands, or all.",
        "GETKEYS <full-command>",
        "    The keys in a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    The keys in a full command, and what it does to them.",
        NULL};
    return reply_help(c, lines);
}

/* ---- table -------------------------------------------------------------------------------------
 */

static const char *const any_order[] = {"nondeterministic_output_order", NULL};

#define ENTRY(name_, run_, arity_, since_, complexity_, summary_, ...)                             \
    {                                                                                              \
        .name = name_, .run = run_, .arity = arity_, .flags = CMD_LOADING | CMD_STALE,             \
        .categories = CAT_CONNECTION, .group = "server", .since = since_,                          \
        .complexity = complexity_, .summary = summary_, __VA_ARGS__                                \
    }
#define PER_NAME "O(N) where N is the number of commands to look up"
#define PER_ARG  "O(N) where N is the number of arguments to the command"
#define PER_ALL  "O(N) where N is the number of commands"

static const command subcommands[] = {
    ENTRY("count", count_command, 2, "2.8.13", "O(1)", "How many commands there are."),
    ENTRY("docs", docs_command, -2, "7.0.0", PER_NAME, "Documentation of commands.",
          .tips = any_order, .syntax = "[command-name...]"),
    ENTRY("getkeys", getkeys_command, -3, "2.8.13", PER_ARG, "The keys in a command line.",
          .syntax = "command [arg...]"),
    ENTRY("getkeysandflags", getkeysandflags_command, -3, "7.0.0", PER_ARG,
          "The keys in a command line, and what it does to them.", .syntax = "command [arg...]"),
    ENTRY("help", help_command, 2, "5.0.0", "O(1)", "Helpful text."),
    ENTRY("info", info_command, -2, "2.8.13", PER_NAME, "Details about commands.",
          .tips = any_order, .history = "7.0.0: Without names, all commands.",
          .syntax = "[command-name...]"),
    ENTRY("list", list_command, -2, "7.0.0", PER_ALL, "The names of commands.", .tips = any_order,
          .syntax = "[@filterby:FILTERBY <MODULE module-name|ACLCAT category|PATTERN pattern>]"),
    {0},
};

const command command_commands[] = {
    ENTRY("command", command_command, -1, "2.8.13", PER_ALL, "Details about all commands.",
          .tips = any_order, .subcommands = subcommands),
    {0},
};
