/* eval: EVAL, EVALSHA and their RO kinds, SCRIPT.
 *
 *     EVAL text n key.. arg..       cache_add: found, or compiled now ──┐
 *                                                                       ├──> run_script
 *     EVALSHA sha1 n key.. arg..    cache_find: found, or NOSCRIPT ─────┘
 *
 * Both count their keys first: an argument that is wrong is told before a text is compiled for
 * nothing. What the cache has learned of a text (its function, its flags) stays when the command
 * has to run again for a pending read: knowing a script is no effect of the command. */
#include "script/script.h"

#include "script/cache.h"
#include "script/run_int.h"
#include "session/reply.h"

/* Runs a script that is in the cache. */
static command_result run_cached(client *c, script *s, bool read_only) {
    int nkeys;
    if (!run_numkeys(c, &nkeys)) return CMD_REFUSED;
    vm *v = cache_vm();
    vm_open_limit(v);
    lua_rawgeti(v->L, LUA_REGISTRYINDEX, s->function);
    vm_close_limit(v);
    return run_script(
        c, &(run_request){
               .v = v, .name = s->sha, .read_only = read_only, .flags = s->flags, .nkeys = nkeys});
}

/* The number of keys is looked at before the text is compiled. */
static command_result eval(client *c, bool read_only) {
    int nkeys;
    if (!run_numkeys(c, &nkeys)) return CMD_REFUSED;
    script *s = cache_add(c, c->argv[1], false);
    return s ? run_cached(c, s, read_only) : CMD_REFUSED;
}

/* What can't be a digest is not looked for: NOSCRIPT comes before any other error, as in Redis. */
static command_result eval_sha(client *c, bool read_only) {
    int nkeys;
    bool digest = c->argv[1].len == SHA1_HEX_LEN;
    if (digest && !run_numkeys(c, &nkeys)) return CMD_REFUSED;
    script *s = cache_find(c->argv[1]);
    if (!s) return reply_error(c, "NOSCRIPT No matching script. Please use EVAL.");
    return run_cached(c, s, read_only);
}

/* EVAL script numkeys key... arg... */
static command_result eval_command(client *c) {
    return eval(c, false);
}
/* EVAL_RO: the same, and a command that writes is refused within it. */
static command_result eval_ro_command(client *c) {
    return eval(c, true);
}
/* EVALSHA sha1 numkeys key... arg... */
static command_result evalsha_command(client *c) {
    return eval_sha(c, false);
}
/* EVALSHA_RO: likewise read-only. */
static command_result evalsha_ro_command(client *c) {
    return eval_sha(c, true);
}

/* ---- SCRIPT ------------------------------------------------------------------------------------
 */

/* SCRIPT LOAD script: compiled, kept until SCRIPT FLUSH, not run; answers the digest. */
static command_result script_load(client *c) {
    script *s = cache_add(c, c->argv[2], true);
    if (!s) return CMD_REFUSED;
    reply_cstr(c, s->sha);
    return CMD_DONE;
}

/* SCRIPT EXISTS sha1...: one that is asked for is also used, so it is forgotten later than others.
 */
static command_result script_exists(client *c) {
    reply_array(c, c->argc - 2);
    for (int i = 2; i < c->argc; i++)
        reply_int(c, cache_find(c->argv[i]) != NULL);
    return CMD_DONE;
}

/* SCRIPT FLUSH [ASYNC|SYNC]: at once either way, as it takes no time to speak of. */
static command_result script_flush(client *c) {
    if (c->argc > 3 || (c->argc == 3 && !arg_is(c, 2, "sync") && !arg_is(c, 2, "async")))
        return reply_error(c, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    cache_flush();
    reply_ok(c);
    return CMD_DONE;
}

/* SCRIPT KILL: sent by another client while the script runs. */
static command_result script_kill(client *c) {
    return run_kill(c, false);
}

/* There is no debugger; a client that switches it off has it so. */
static command_result script_debug(client *c) {
    if (arg_is(c, 2, "no")) {
        reply_ok(c);
        return CMD_DONE;
    }
    if (!arg_is(c, 2, "yes") && !arg_is(c, 2, "sync"))
        return reply_error(c, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
    return reply_error(c, "ERR the Lua debugger is not supported by this server");
}

/* In Redis' words, as clients compare them. */
static command_result script_help(client *c) {
    static const char *const lines[] = {
        "DEBUG (YES|SYNC|NO)",
        "    Set the debug mode for subsequent scripts executed.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Return information about the existence of the scripts in the script cache.",
        "FLUSH [ASYNC|SYNC]",
        "    Flush the Lua scripts cache. Very dangerous on replicas.",
        "    When called without the optional mode argument, the behavior is determined by the",
        "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the scripts cache.",
        "    * SYNC: Synchronously flush the scripts cache.",
        "KILL",
        "    Kill the currently executing Lua script.",
        "LOAD <script>",
        "    Load a script into the scripts cache without executing it.",
        NULL,
    };
    return reply_help(c, lines);
}

/* ---- tables ------------------------------------------------------------------------------------
 */

/* The four commands that run a script differ in little. Where their keys are depends on numkeys. */
#define EVAL(name_, run_, flags_, key_flags_, since_, summary_, of_, notes_)                       \
    {                                                                                              \
        .name = name_, .run = run_, .arity = -3,                                                   \
        .flags = CMD_NOSCRIPT | CMD_STALE | CMD_SKIP_MONITOR | CMD_NO_MANDATORY_KEYS |             \
                 CMD_MOVABLE_KEYS | CMD_RUNS_SCRIPT | (flags_),                                    \
        .categories = CAT_SCRIPTING, .group = "scripting", .since = since_,                        \
        .complexity = "Depends on the script that is executed.", .summary = summary_,              \
        .syntax = of_ " numkeys [key...] [arg...]", .keys = {                                      \
            {.flags = key_flags_, .begin = 2, .step = 1, .counted = true, .notes = notes_}         \
        }                                                                                          \
    }
#define WRITES (KEY_RW | KEY_ACCESS | KEY_UPDATE)
#define READS  (KEY_RO | KEY_ACCESS)

/* Tips for clients that speak to a cluster: where to send it, and how to join the answers. */
static const char *const sums[] = {"request_policy:all_shards", "response_policy:agg_logical_and",
                                   NULL};
static const char *const all_succeed[] = {"request_policy:all_nodes",
                                          "response_policy:all_succeeded", NULL};
static const char *const one_succeeds[] = {"request_policy:all_shards",
                                           "response_policy:one_succeeded", NULL};

/* A row of SCRIPT's subcommands. */
#define SUB(name_, run_, arity_, flags_, since_, complexity_, summary_, ...)                       \
    {                                                                                              \
        .name = name_, .run = run_, .arity = arity_, .flags = CMD_NOSCRIPT | (flags_),             \
        .categories = CAT_SCRIPTING, .group = "scripting", .since = since_,                        \
        .complexity = complexity_, .summary = summary_, __VA_ARGS__                                \
    }

static const command script_subs[] = {
    SUB("debug", script_debug, 3, 0, "3.2.0", "O(1)", "Would switch the debugger of scripts on.",
        .syntax = "<YES|SYNC|NO>"),
    SUB("exists", script_exists, -3, 0, "2.6.0",
        "O(N) with N being the number of scripts to check (so checking a single script is an O(1) "
        "operation).",
        "Tells which scripts EVALSHA would find.", .syntax = "sha1...", .tips = sums),
    SUB("flush", script_flush, -2, 0, "2.6.0", "O(N) with N being the number of scripts in cache",
        "Forgets all scripts.", .syntax = "[@flush-type:<ASYNC|SYNC>^6.2.0]", .tips = all_succeed,
        .history = "6.2.0: Added the `ASYNC` and `SYNC` flushing mode modifiers."),
    {COMMAND_HELP(script_help, "scripting", "5.0.0"), .categories = CAT_SCRIPTING},
    SUB("kill", script_kill, 2, CMD_ALLOW_BUSY, "2.6.0", "O(1)",
        "Ends the script that runs, if it has changed nothing.", .tips = one_succeeds),
    SUB("load", script_load, 3, CMD_STALE, "2.6.0",
        "O(N) with N being the length in bytes of the script body.",
        "Keeps a script for EVALSHA without running it.", .syntax = "script", .tips = all_succeed),
    {0},
};

const command script_commands[] = {
    EVAL("eval", eval_command, CMD_MAY_REPLICATE, WRITES, "2.6.0", "Runs a script.", "script",
         "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE"),
    EVAL("eval_ro", eval_ro_command, CMD_READONLY, READS, "7.0.0",
         "Runs a script that changes nothing.", "script",
         "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS"),
    EVAL("evalsha", evalsha_command, CMD_MAY_REPLICATE, WRITES, "2.6.0",
         "Runs a script that is known by its SHA1.", "sha1", NULL),
    EVAL("evalsha_ro", evalsha_ro_command, CMD_READONLY, READS, "7.0.0",
         "Runs a script that is known by its SHA1 and changes nothing.", "sha1", NULL),
    {.name = "script",
     .arity = -2,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for commands about scripts.",
     .subcommands = script_subs},
    {0},
};
