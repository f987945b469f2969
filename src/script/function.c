/* function: FUNCTION, FCALL and FCALL_RO. Functions are called by name, and run as scripts do
 * (run.h), in a Lua state of their own; they stay over restarts (function_store.h).
 *
 * A library's locals live as long as the library is loaded, as in Redis. A call that finds a read
 * pending runs again from its start: what it had changed in such a local by then stays changed, as
 * nothing can take that back, while everything else that it did leaves no trace. */
#include "script/function.h"

#include "base/num.h"
#include "script/function_load.h"
#include "script/function_store.h"
#include "script/run.h"
#include "script/script.h"
#include "session/reply.h"

/* ---- FCALL -------------------------------------------------------------------------------------
 */

/* The reply shows what the function is, besides what that looks at. */
static command_result call(client *c, bool read_only) {
    int64_t n;
    const function *f = libset_function(functions_now(), c->argv[1]);
    if (!f) {
        client_depends_on_end(c);
        return reply_error(c, "ERR Function not found");
    }
    if (!num_parse_i64(c->argv[2], &n)) return reply_error(c, "ERR Bad number of keys provided");
    int nkeys;
    if (!run_numkeys(c, &nkeys)) return CMD_REFUSED;
    client_depends(c, f->lib->pos);
    vm *v = function_vm();
    vm_open_limit(v);
    lua_rawgeti(v->L, LUA_REGISTRYINDEX, f->ref);
    vm_close_limit(v);
    return run_script(c, &(run_request){.v = v,
                                        .name = f->name,
                                        .function = true,
                                        .read_only = read_only,
                                        .flags = f->flags,
                                        .nkeys = nkeys});
}

/* FCALL function numkeys key... arg... */
static command_result fcall_command(client *c) {
    return call(c, false);
}
/* The same for one that has said that it writes nothing. */
static command_result fcall_ro_command(client *c) {
    return call(c, true);
}

/* ---- LOAD, DELETE, FLUSH -----------------------------------------------------------------------
 */

/* The end of a command that changes functions; takes next. */
static command_result change(client *c, libset *next) {
    engine_result r = functions_change(c->ks, next);
    if (r != ENGINE_OK) return reply_engine(c, r);
    ks_dirty(c->ks, 1);
    client_depends_on_end(c);
    return CMD_DONE;
}

/* The set there is with a library more, in the place of `old` (NULL: there is none); or NULL, and
 * the message. */
static libset *with_library(slice name, slice code, const library *old, buf *error) {
    library *lib = function_load(name, code, true, error);
    if (!lib) return NULL;
    libset *next = libset_copy(functions_now());
    if (old) libset_remove(next, old);
    const function *taken = libset_add(next, lib);
    if (taken) {
        buf_printf(error, "Function %s already exists", taken->name);
        libset_free(next);
        next = NULL;
    }
    library_release(lib);
    return next;
}

/* What LOAD makes of the text: NULL, and the message. */
static libset *load(slice code, bool replace, buf *name, buf *error) {
    if (!function_header(code, name, error)) return NULL;
    const library *old = libset_find(functions_now(), buf_slice(name));
    if (!old || replace) return with_library(buf_slice(name), code, old, error);
    buf_printf(error, "Library '%s' already exists", old->name);
    return NULL;
}

/* FUNCTION LOAD [REPLACE] code */
static command_result function_load_command(client *c) {
    bool replace = false;
    buf name = {0}, error = {0};
    for (int i = 2; i < c->argc - 1; i++) {
        if (!arg_is(c, i, "replace"))
            return reply_error(c, "ERR Unknown option given: %.*s", (int)c->argv[i].len,
                               c->argv[i].data);
        replace = true;
    }
    libset *next = load(c->argv[c->argc - 1], replace, &name, &error);
    command_result r =
        next ? change(c, next) : reply_error(c, "ERR %.*s", (int)error.len, error.data);
    if (r == CMD_DONE) reply_bulk(c, buf_slice(&name));
    buf_free(&name);
    buf_free(&error);
    return r;
}

/* FUNCTION DELETE library */
static command_result function_delete(client *c) {
    const library *lib = libset_find(functions_now(), c->argv[2]);
    client_depends_on_end(c);
    if (!lib) return reply_error(c, "ERR Library not found");
    libset *next = libset_copy(functions_now());
    libset_remove(next, lib);
    command_result r = change(c, next);
    if (r == CMD_DONE) reply_ok(c);
    return r;
}

/* FUNCTION FLUSH [ASYNC|SYNC]: at once either way. */
static command_result function_flush(client *c) {
    if (c->argc > 3) return reply_sub_syntax(c);
    if (c->argc == 3 && !arg_is(c, 2, "sync") && !arg_is(c, 2, "async"))
        return reply_error(c, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    command_result r = change(c, libset_new());
    if (r == CMD_DONE) reply_ok(c);
    return r;
}

/* ---- others ---------------------------------------------------------------------------------
 */

/* Called by another client, while the function runs. */
static command_result function_kill(client *c) {
    return run_kill(c, true);
}

/* In the form that Redis' HELP has. */
static command_result function_help(client *c) {
    static const char *const lines[] = {
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Load a library; its first line has its name: #!lua name=<name>.",
        "DELETE <LIBRARY NAME>",
        "    Delete a library with its functions.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    List libraries and their functions, those whose names match or all, with or without",
        "    their code.",
        "STATS",
        "    Tell which function runs and since when, and how many functions there are.",
        "KILL",
        "    End the function that runs, if it has changed nothing.",
        "FLUSH [ASYNC|SYNC]",
        "    Delete all libraries.",
        "DUMP",
        "    Return all libraries as one payload for FUNCTION RESTORE.",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Load the libraries of a payload (default APPEND):",
        "    * FLUSH: in the place of all there are.",
        "    * APPEND: beside those there are; one of the same name is an error.",
        "    * REPLACE: beside those there are; one of the same name is replaced.",
        NULL,
    };
    return reply_help(c, lines);
}

/* ---- tables ------------------------------------------------------------------------------------
 */

static const char *const all_succeed[] = {"request_policy:all_shards",
                                          "response_policy:all_succeeded", NULL};
static const char *const one_succeeds[] = {"request_policy:all_shards",
                                           "response_policy:one_succeeded", NULL};
static const char *const unordered[] = {"nondeterministic_output_order", NULL};
static const char *const summed[] = {"nondeterministic_output", "request_policy:all_shards",
                                     "response_policy:special", NULL};

#define SUB(name_, run_, arity_, flags_, complexity_, summary_, ...)                               \
    {                                                                                              \
        .name = name_, .run = run_, .arity = arity_, .flags = CMD_NOSCRIPT | (flags_),             \
        .categories = CAT_SCRIPTING, .group = "scripting", .since = "7.0.0",                       \
        .complexity = complexity_, .summary = summary_, __VA_ARGS__                                \
    }

static const command function_subs[] = {
    SUB("delete", function_delete, 3, CMD_WRITE, "O(1)", "Deletes a library and its functions.",
        .syntax = "library-name", .tips = all_succeed),
    SUB("dump", function_dump, 2, 0, "O(N) where N is the number of functions",
        "Gives all libraries as one payload."),
    SUB("flush", function_flush, -2, CMD_WRITE, "O(N) where N is the number of functions deleted",
        "Deletes all libraries.", .syntax = "[@flush-type:<ASYNC|SYNC>]", .tips = all_succeed),
    {COMMAND_HELP(function_help, "scripting", "7.0.0"), .categories = CAT_SCRIPTING},
    SUB("kill", function_kill, 2, CMD_ALLOW_BUSY, "O(1)",
        "Ends the function that runs, if it has changed nothing.", .tips = one_succeeds),
    SUB("list", function_list, -2, 0, "O(N) where N is the number of functions",
        "Lists libraries and their functions.",
        .syntax = "[LIBRARYNAME library-name-pattern:string] [WITHCODE]", .tips = unordered),
    SUB("load", function_load_command, -3, CMD_WRITE | CMD_DENYOOM,
        "O(1) (considering compilation time is redundant)", "Loads a library of functions.",
        .syntax = "[REPLACE] function-code", .tips = all_succeed),
    SUB("restore", function_restore, -3, CMD_WRITE | CMD_DENYOOM,
        "O(N) where N is the number of functions on the payload",
        "Loads the libraries of a payload.",
        .syntax = "serialized-value [@policy:<FLUSH|APPEND|REPLACE>]", .tips = all_succeed),
    SUB("stats", function_stats, 2, CMD_ALLOW_BUSY, "O(1)",
        "Tells which function runs, and how many there are.", .tips = summed),
    {0},
};

#define FCALL(name_, run_, flags_, key_flags_, summary_, notes_)                                   \
    {                                                                                              \
        .name = name_, .run = run_, .arity = -3,                                                   \
        .flags = CMD_NOSCRIPT | CMD_STALE | CMD_SKIP_MONITOR | CMD_NO_MANDATORY_KEYS |             \
                 CMD_MOVABLE_KEYS | (flags_),                                                      \
        .categories = CAT_SCRIPTING, .group = "scripting", .since = "7.0.0",                       \
        .complexity = "Depends on the function that is executed.", .summary = summary_,            \
        .syntax = "function numkeys [key...] [arg...]", .keys = {                                  \
            {.flags = key_flags_, .begin = 2, .step = 1, .counted = true, .notes = notes_}         \
        }                                                                                          \
    }

const command function_commands[] = {
    FCALL("fcall", fcall_command, CMD_RUNS_SCRIPT, KEY_RW | KEY_ACCESS | KEY_UPDATE,
          "Calls a function.",
          "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE"),
    FCALL("fcall_ro", fcall_ro_command, CMD_READONLY, KEY_RO | KEY_ACCESS,
          "Calls a function that changes nothing.",
          "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS"),
    {.name = "function",
     .arity = -2,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for commands about functions.",
     .subcommands = function_subs},
    {0},
};
