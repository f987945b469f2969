/* call: redis.call, redis.pcall: a command that a script runs.
 *
 * The command runs as a part of the script's own batch (session/inside.h), for the client that
 * called the script: its reply is appended to that client's output, made into a Lua value there,
 * and taken away again.
 *
 *     arguments ──> row ──> may a script run it? ──> inside_run ──> Lua value
 *                                                      │
 *                                                      └── a read is pending, the engine failed:
 *                                                          the script ends (vm_end)
 *
 * Lua raises errors by longjmp: nothing here owns memory while a function of Lua's is called that
 * may. */
#include "script/api.h"
#include "script/convert.h"
#include "script/run_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "session/reply.h"
#include "session/session.h"

#include <stdio.h>

#define NUMBER_ROOM 32      /* bytes of a number as text */
#define KEEP_ARGS   1024    /* arguments whose places are kept for the next command */
#define EXACT       1e17    /* integers below are written as such by %.17g */
#define LOOK_NS     1000000 /* of commands: few instructions may be hours */
#define LOGGED_PLUS 4096    /* what a change logs besides its arguments */

/* Arguments of the command that is being called: commands do not nest here, so one place serves
 * all. Numbers become text in `numbers`, strings stay where Lua has them. */
static struct {
    slice *argv;
    char (*numbers)[NUMBER_ROOM];
    int cap;
} args;

/* Room for n arguments. */
static void reserve(int n) {
    if (n <= args.cap && args.cap <= KEEP_ARGS) return;
    if (n <= args.cap && n > KEEP_ARGS) return;
    args.cap = n < 16 ? 16 : n;
    args.argv = mem_realloc(args.argv, (size_t)args.cap * sizeof *args.argv);
    args.numbers = mem_realloc(args.numbers, (size_t)args.cap * sizeof *args.numbers);
}

/* A number as Redis writes it for scripts: %.17g. */
static slice number_text(lua_Number v, char out[NUMBER_ROOM]) {
    if (v > -EXACT && v < EXACT && v == (lua_Number)(int64_t)v)
        return slice_of(out, num_format_i64(out, (int64_t)v));
    return slice_of(out, (size_t)snprintf(out, NUMBER_ROOM, "%.17g", v));
}

/* The arguments on the stack into args.argv. NULL, or what is wrong. */
static const char *take_args(lua_State *L, int argc) {
    if (argc == 0) return "Please specify at least one argument for this redis lib call";
    reserve(argc);
    for (int i = 0; i < argc; i++) {
        size_t n;
        switch (lua_type(L, i + 1)) {
        case LUA_TNUMBER:
            args.argv[i] = number_text(lua_tonumber(L, i + 1), args.numbers[i]);
            break;
        case LUA_TSTRING:
            args.argv[i].data = lua_tolstring(L, i + 1, &n);
            args.argv[i].len = n;
            break;
        default: return "Lua redis lib command arguments must be strings or integers";
        }
    }
    return NULL;
}

/* The error as a table; raised, unless the script wants to have it. */
static int fail(lua_State *L, bool raise, slice text) {
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "ERR ");
    lua_pushlstring(L, text.data, text.len);
    lua_concat(L, 2);
    lua_setfield(L, -2, "err");
    return raise ? lua_error(L) : 1;
}

/* A write, or what an RO script must not do either. */
static bool is_write(const command_row *row) {
    return row->flags & (CMD_WRITE | CMD_MAY_REPLICATE);
}

/* NULL if the script may run the command, else why not; with its code, or text of ERR. */
static const char *refusal(run *r, const command_row *row, int argc, bool *coded) {
    int arity = row->def->arity;
    *coded = false;
    if (!row->def->run || (arity >= 0 ? argc != arity : argc < -arity))
        return "Wrong number of args calling Redis command from script";
    if (row->flags & CMD_NOSCRIPT) return "This Redis command is not allowed from script";
    if (!is_write(row)) return NULL;
    if (r->read_only) return "Write commands are not allowed from read-only scripts.";
    if (!(row->flags & CMD_DENYOOM) || r->allow_oom || r->state.wrote || !run_out_of_memory())
        return NULL;
    *coded = true;
    return "OOM command not allowed when used memory > 'maxmemory'.";
}

/* Is there room on the disk for it? CMD_DONE: yes. CMD_REFUSED: no, and that is appended as a
 * reply. CMD_FAILED: no, but it has changed something, or the transaction that it is in may have:
 * nothing of that may stay. */
static command_result ask_disk(run *r, const command_row *row, int argc) {
    if (!(row->flags & CMD_WRITE)) return CMD_DONE;
    size_t bytes = 0;
    if (row->flags & CMD_DENYOOM) {
        bytes = LOGGED_PLUS;
        for (int i = 1; i < argc; i++)
            bytes += args.argv[i].len;
    }
    status st = engine_room(ks_engine(r->c->ks), bytes);
    if (status_ok(st)) return CMD_DONE;
    if (r->state.wrote || ks_in_inner_batch(r->c->ks)) return reply_failed(r->c, st);
    return reply_engine_status(r->c, st);
}

/* The reply in c->out becomes a value on the stack. */
static int take_reply(lua_State *L, run *r, bool raise) {
    buf *out = &r->c->out;
    size_t len = out->len;
    /* A command that said nothing gives false. */
    if (len == r->out_from) {
        lua_pushboolean(L, 0);
        return 1;
    }
    const char *p = out->data + r->out_from, *end = out->data + len;
    bool error = *p == '-';
    const char *after = convert_to_lua(L, p, end);
    CHECK(after <= end);
    out->len = r->out_from;
    if (!error) return 1;
    /* The error was counted where the command answered, so it is not when the script passes it on.
     */
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "ignore_error_stats_update");
    return raise ? lua_error(L) : 1;
}

/* What both do. */
static int call(lua_State *L, bool raise) {
    run *r = run_in(L);
    if (!r) return luaL_error(L, "redis.call and redis.pcall can only be called inside a script");
    client *c = r->c;
    int argc = lua_gettop(L);
    if (r->inside_ns > LOOK_NS) run_look(r, L);
    const char *wrong = take_args(L, argc);
    if (wrong) return fail(L, raise, slice_cstr(wrong));
    command_row *row = command_find_near(args.argv, argc, r->row, NULL);
    if (!row) return fail(L, raise, SLICE("Unknown Redis command called from script"));
    bool coded;
    wrong = refusal(r, row, argc, &coded);
    if (wrong && !coded) return fail(L, raise, slice_cstr(wrong));
    /* What an earlier command, or a refused one, has left in the output is not part of this reply.
     */
    r->row = row;
    c->out.len = r->out_from;
    command_result result = wrong ? reply_error_text(c, slice_cstr(wrong)) : ask_disk(r, row, argc);
    if (result == CMD_DONE) {
        inside_command in = {.row = row, .argc = argc, .argv = args.argv};
        int proto = c->proto;
        /* The command answers in the protocol that the script wants to see, and the client gets its
         * own back whatever happens. */
        c->proto = r->proto;
        /* Noted before it runs: from here on SCRIPT KILL is refused. */
        if (row->flags & CMD_WRITE) r->state.wrote = true;
        result = inside_run(c, &in);
        c->proto = proto;
        r->inside_ns += in.ns;
        if (result == CMD_DONE || result == CMD_REFUSED) record_add(r->record, &in);
    }
    /* These two never come back: the script is unwound, and its batch has no trace. */
    if (result == CMD_AGAIN) return vm_end(L, VM_AGAIN);
    if (result == CMD_FAILED) return vm_end(L, VM_FAILED);
    return take_reply(L, r, raise);
}

/* redis.call: an error of the command's is an error of the script's. */
int call_raising(lua_State *L) {
    return call(L, true);
}

/* redis.pcall: it is a table {err = text}, and the script goes on. */
int call_returning(lua_State *L) {
    return call(L, false);
}

/* redis.acl_check_cmd: would the user be allowed to run this command with these arguments? The
 * command itself is not run. */
int call_may(lua_State *L) {
    run *r = run_in(L);
    if (!r) return luaL_error(L, "redis.acl_check_cmd can only be called inside a script");
    int argc = lua_gettop(L);
    const char *wrong = take_args(L, argc);
    if (wrong) return fail(L, true, slice_cstr(wrong));
    command_row *row = command_find(args.argv, argc, NULL);
    if (!row) return fail(L, true, SLICE("Invalid command passed to redis.acl_check_cmd()"));
    lua_pushboolean(L, session_permits(r->c, row, argc, args.argv));
    return 1;
}
