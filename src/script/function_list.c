/* FUNCTION LIST and FUNCTION STATS: what functions there are, and which one runs.
 *
 * What is told is the set as it is now, to which the running batch's own changes belong; so the
 * reply waits for the log's end. STATS is also asked while a function runs, from within it: that is
 * what it is for. */
#include "base/clock.h"
#include "base/glob.h"
#include "script/function.h"
#include "script/function_store.h"
#include "script/run.h"
#include "session/reply.h"

/* Their names, in the order of their bits. */
static void reply_flags(client *c, unsigned flags) {
    int64_t n = 0;
    for (int i = 0; script_flag_names[i]; i++)
        n += flags >> i & 1;
    resp_set(&c->out, c->proto, n);
    for (int i = 0; script_flag_names[i]; i++)
        if (flags >> i & 1) reply_simple(c, script_flag_names[i]);
}

/* One library, with its code or without. */
static void reply_library(client *c, const library *lib, bool code) {
    reply_map(c, code ? 4 : 3);
    reply_cstr(c, "library_name");
    reply_cstr(c, lib->name);
    reply_cstr(c, "engine");
    reply_cstr(c, "LUA");
    reply_cstr(c, "functions");
    reply_array(c, (int64_t)lib->n);
    for (size_t i = 0; i < lib->n; i++) {
        const function *f = lib->functions[i];
        reply_map(c, 3);
        reply_cstr(c, "name");
        reply_cstr(c, f->name);
        reply_cstr(c, "description");
        if (f->described)
            reply_bulk(c, buf_slice(&f->description));
        else
            reply_null(c);
        reply_cstr(c, "flags");
        reply_flags(c, f->flags);
    }
    if (!code) return;
    reply_cstr(c, "library_code");
    reply_bulk(c, buf_slice(&lib->code));
}

/* FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE] */
command_result function_list(client *c) {
    bool code = false;
    const slice *pattern = NULL;
    const libset *now = functions_now();
    for (int i = 2; i < c->argc; i++) {
        if (!code && arg_is(c, i, "withcode")) {
            code = true;
        } else if (!pattern && arg_is(c, i, "libraryname")) {
            if (i + 1 == c->argc) return reply_error(c, "ERR library name argument was not given");
            pattern = &c->argv[++i];
        } else {
            return reply_error(c, "ERR Unknown argument %.*s", (int)c->argv[i].len,
                               c->argv[i].data);
        }
    }
    int64_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass) reply_array(c, n);
        for (size_t i = 0; i < libset_count(now); i++) {
            const library *lib = libset_at(now, i);
            if (pattern && !glob_match(*pattern, slice_cstr(lib->name), true)) continue;
            if (pass)
                reply_library(c, lib, code);
            else
                n++;
        }
    }
    client_depends_on_end(c);
    return CMD_DONE;
}

/* What runs, if it is a function: asked from within it, while the server is busy. */
static void reply_running(client *c, const run_state *run) {
    if (!run) {
        reply_null(c);
        return;
    }
    reply_map(c, 3);
    reply_cstr(c, "name");
    reply_cstr(c, run->name);
    reply_cstr(c, "command");
    reply_array(c, run->argc);
    for (int i = 0; i < run->argc; i++)
        reply_bulk(c, run->argv[i]);
    reply_cstr(c, "duration_ms");
    reply_int(c, (int64_t)(clock_mono_us() - run->started_us) / 1000);
}

/* FUNCTION STATS */
command_result function_stats(client *c) {
    const run_state *run = run_current();
    if (run && !run->function)
        return reply_error(c, "BUSY Redis is busy running a script. You can only call SCRIPT KILL "
                              "or SHUTDOWN NOSAVE.");
    client_depends_on_end(c);
    reply_map(c, 2);
    reply_cstr(c, "running_script");
    reply_running(c, run);
    reply_cstr(c, "engines");
    reply_map(c, 1);
    reply_cstr(c, "LUA");
    reply_map(c, 2);
    reply_cstr(c, "libraries_count");
    reply_int(c, (int64_t)libset_count(functions_now()));
    reply_cstr(c, "functions_count");
    reply_int(c, (int64_t)libset_functions(functions_now()));
    return CMD_DONE;
}
