/* run: a script from its function to its reply.
 *
 *     flags ──> KEYS, ARGV ──> vm_call ──┬─ a value ───────────────> reply
 *                                        ├─ an error ──────────────> error reply; what it did stays
 *                                        ├─ a read is pending ─────> its keys are asked for, all at
 *                                        │                           once; nothing stays; again
 *                                        └─ killed, out of time ───> error reply
 *
 * The script's changes are the changes of the command that runs it: one batch. It sees one time
 * throughout. What it does to the connection (SELECT, the protocol of its replies) is its own and
 * ends with it. */
#include "script/run_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/convert.h"
#include "session/reply.h"
#include "session/session.h"

#include <stdio.h>

const char *const script_flag_names[] = {
    "no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys", NULL};

#define SERVE_US 2000 /* others are answered that often */

static run *running; /* one at a time */

/* Names are compared as they are written: Redis knows no capitals here either. */
bool script_flag(slice name, unsigned *flags) {
    for (int i = 0; script_flag_names[i]; i++) {
        if (!slice_eq(name, slice_cstr(script_flag_names[i]))) continue;
        *flags |= 1u << i;
        return true;
    }
    return false;
}

/* EVAL script numkeys ... */
bool run_numkeys(client *c, int *nkeys) {
    int64_t n;
    if (!arg_i64(c, 2, &n)) return false;
    if (n > c->argc - 3) {
        (void)reply_error(c, "ERR Number of keys can't be greater than number of args");
        return false;
    }
    if (n < 0) {
        (void)reply_error(c, "ERR Number of keys can't be negative");
        return false;
    }
    *nkeys = (int)n;
    return true;
}

/* ---- before ------------------------------------------------------------------------------------
 */

/* What a script has said of itself is held against what is now. */
static bool may_begin(client *c, const run_request *q) {
    if (q->flags & SCRIPT_COMPAT) return true;
    if (!(q->flags & SCRIPT_NO_WRITES)) {
        if (q->read_only) {
            (void)reply_error(c,
                              "ERR Can not execute a script with write flag using *_ro command.");
            return false;
        }
        /* Asked before it starts: one that may write shall not fail half way because the disk was
         * full when it began. */
        status st = engine_room(ks_engine(c->ks), 0);
        if (!status_ok(st)) {
            (void)reply_engine_status(c, st);
            return false;
        }
    }
    if (!(q->flags & (SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES)) && run_out_of_memory()) {
        (void)reply_error(c, "OOM allow-oom flag is not set on the script, can not run it when "
                             "used memory > 'maxmemory'");
        return false;
    }
    return true;
}

/* Arguments from `from` up to `to` as a table. */
static void push_args(lua_State *L, const client *c, int from, int to) {
    lua_createtable(L, to - from, 0);
    for (int i = from; i < to; i++) {
        slice a = c->argv[i];
        lua_pushlstring(L, a.data ? a.data : "", a.len);
        lua_rawseti(L, -2, i - from + 1);
    }
}

/* KEYS and ARGV, or two arguments of the function; returns how many arguments. */
static int give_args(run *r) {
    vm *v = r->v;
    client *c = r->c;
    int keys_end = 3 + r->q->nkeys;
    vm_open_limit(v);
    push_args(v->L, c, 3, keys_end);
    if (!r->q->function) vm_set_global(v, "KEYS");
    push_args(v->L, c, keys_end, c->argc);
    if (!r->q->function) vm_set_global(v, "ARGV");
    vm_close_limit(v);
    return r->q->function ? 2 : 0;
}

/* ---- after -------------------------------------------------------------------------------------
 */

/* The script's messages: level, text, NUL. */
static void write_log(run *r) {
    for (size_t at = 0; at < r->log.len;) {
        const char *p = r->log.data + at;
        log_write((log_level)*p, "%s", p + 1);
        at += 1 + strlen(p + 1) + 1;
    }
}

/* The string field of the error on the stack, or NULL; stays on the stack. */
static const char *error_field(lua_State *L, int at, const char *name) {
    lua_pushstring(L, name);
    lua_rawget(L, at);
    return lua_type(L, -1) == LUA_TNUMBER || lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                                            : NULL;
}

/* "CODE text script: NAME, on SOURCE:LINE." One that a command has answered was counted there. */
static void reply_script_error(run *r) {
    lua_State *L = r->v->L;
    int at = lua_gettop(L);
    vm_open_limit(r->v);
    const char *err = error_field(L, at, "err");
    const char *source = error_field(L, at, "source");
    const char *line = error_field(L, at, "line");
    lua_pushliteral(L, "ignore_error_stats_update");
    lua_rawget(L, at);
    bool counted = lua_toboolean(L, -1);
    buf text = {0};
    buf_printf(&text, "%s", err ? err : "ERR unknown error");
    if (source && line) buf_printf(&text, " script: %s, on %s:%s.", r->q->name, source, line);
    if (counted)
        inside_reply_error(r->c, buf_slice(&text));
    else
        (void)reply_error_text(r->c, buf_slice(&text));
    buf_free(&text);
    lua_settop(L, at - 1);
    vm_close_limit(r->v);
}

/* All blocks that its keys need are asked for before it waits for the first: it will want most of
 * them. What they hold does not matter here. */
static void ask_for_keys(run *r) {
    client *c = r->c;
    for (int i = 0; i < r->q->nkeys; i++) {
        entry ignored;
        unsigned flags = KS_NO_TOUCH | KS_NO_STATS | KS_NO_NOTIFY;
        if (ks_get(c->ks, c->db, c->argv[3 + i], flags, &ignored) == ENGINE_ERROR) return;
    }
}

/* What FUNCTION and SCRIPT commands are called that end it. */
static const char *kind_of(const run *r) {
    return r->q->function ? "FUNCTION" : "SCRIPT";
}

/* It was ended. */
static command_result ended(run *r) {
    const char *kind = kind_of(r);
    switch (r->v->unwind) {
    case VM_AGAIN: ask_for_keys(r); return CMD_AGAIN;
    case VM_FAILED: return CMD_FAILED;
    case VM_STOPPED: return reply_error(r->c, "ERR the server is shutting down");
    case VM_LIMIT:
        (void)reply_error(r->c,
                          "ERR Script used more than script-instruction-limit instructions. "
                          "script: %s%s",
                          r->q->name, r->where);
        return CMD_DONE;
    default:
        log_notice("Lua script killed by user with %s KILL.", kind);
        (void)reply_error(r->c, "ERR Script killed by user with %s KILL. script: %s%s", kind,
                          r->q->name, r->where);
        return CMD_DONE;
    }
}

/* ---- the run -----------------------------------------------------------------------------------
 */

/* Ends it, and notes where. */
static void end_here(run *r, lua_State *L, vm_unwind why) {
    lua_Debug ar;
    bool known = lua_getstack(L, 0, &ar) && lua_getinfo(L, "Sl", &ar);
    if (known && *ar.what == 'C') /* a function of the sandbox's */
        known = lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar);
    if (known) snprintf(r->where, sizeof r->where, ", on %s:%d.", ar.source, ar.currentline);
    (void)vm_end(L, why);
}

/* It has taken longer than others should wait. */
static void become_busy(run *r, uint64_t us) {
    log_warning("Slow script detected: still in execution after %llu milliseconds. You can try "
                "killing the script using the %s KILL command. Script name is: %s.",
                (unsigned long long)(us / 1000), kind_of(r), r->q->name);
    r->busy = true;
    run_arm_busy(r->c->session, true);
}

void run_look(run *r, lua_State *L) {
    session *s = r->c->session;
    r->inside_ns = 0;
    /* The clock is read so seldom that a script pays nothing to speak of. */
    uint64_t now = clock_mono_us(), us = now - r->state.started_us;
    if (!r->busy && script_config.busy_ms && us / 1000 >= (uint64_t)script_config.busy_ms)
        become_busy(r, us);
    if (!r->busy || now - r->served_us < SERVE_US) return;
    /* Others are served for their own sake, but not so often that the script gets nowhere. One of
     * them may ask for its end, or for that of the server. */
    r->served_us = now;
    session_serve(s);
    if (reactor_stopping(session_reactor(s))) end_here(r, L, VM_STOPPED);
    if (r->kill) end_here(r, L, VM_KILLED);
}

/* Between any VM_HOOK_COUNT instructions. */
static void tick(vm *v, lua_State *L) {
    run *r = v->ctx;
    r->ticks++;
    if (script_config.instruction_limit &&
        r->ticks * VM_HOOK_COUNT >= (uint64_t)script_config.instruction_limit)
        end_here(r, L, VM_LIMIT);
    run_look(r, L);
}

/* Calls it and replies. */
static command_result execute(run *r) {
    lua_State *L = r->v->L;
    int nargs = give_args(r);
    r->v->tick = tick;
    r->v->ctx = r;
    bool ok = vm_call(r->v, nargs, 1);
    r->v->tick = NULL;
    r->v->ctx = NULL;
    r->c->out.len = r->out_from;
    r->c->proto = r->client_proto;
    command_result result = CMD_DONE;
    if (r->v->unwind != VM_RUNS) {
        result = ended(r);
    } else if (ok) {
        vm_open_limit(r->v);
        convert_to_reply(L, r->c, r->proto);
        vm_close_limit(r->v);
    } else {
        reply_script_error(r);
    }
    vm_tidy(r->v);
    return result;
}

/* Nothing may stay of what was changed by one whose reply is an error of the dispatcher's, so only
 * these refuse: everything else that a script answers, errors too, commits what it did. */
command_result run_script(client *c, const run_request *q) {
    if (!may_begin(c, q)) {
        lua_pop(q->v->L, 1);
        return CMD_REFUSED;
    }
    /* Scripts do not nest: EVAL and FCALL are CMD_NOSCRIPT. */
    CHECK(!running);
    uint32_t db = c->db, flags = c->flags;
    int proto = c->proto;
    run r = {.q = q,
             .c = c,
             .v = q->v,
             .proto = 2,
             .client_proto = proto,
             .out_from = c->out.len,
             .row = c->row};
    r.read_only = q->read_only || q->flags & SCRIPT_NO_WRITES;
    /* Without a shebang it has promised nothing, and each of its commands is looked at by itself.
     */
    r.allow_oom = !(q->flags & SCRIPT_COMPAT) && q->flags & SCRIPT_ALLOW_OOM;
    r.state = (run_state){.name = q->name,
                          .function = q->function,
                          .c = c,
                          .argc = c->argc,
                          .argv = c->argv,
                          .started_us = clock_mono_us()};
    r.record = record_begin(c);
    rng lots = *ks_rng(c->ks);
    unsigned short numbers[3];
    memcpy(numbers, q->v->rng, sizeof numbers);
    running = &r;
    /* Commands see from here on that they are a script's, which may not wait. */
    c->flags |= CLIENT_SCRIPT;
    command_result result = execute(&r);
    c->flags = (c->flags & ~(uint32_t)CLIENT_SCRIPT) | (flags & CLIENT_SCRIPT);
    /* SELECT within the script was its own. */
    c->db = db;
    c->proto = proto;
    running = NULL;
    if (r.busy) run_arm_busy(c->session, false);
    record_end(r.record);
    /* One that will run again will say the same again, and draws the same lots, or it might read
     * other keys each time. */
    if (result == CMD_AGAIN) {
        *ks_rng(c->ks) = lots;
        memcpy(q->v->rng, numbers, sizeof numbers);
    } else {
        write_log(&r);
    }
    buf_free(&r.log);
    return result;
}

/* ---- from outside ------------------------------------------------------------------------------
 */

/* What FUNCTION STATS shows. */
const run_state *run_current(void) {
    return running ? &running->state : NULL;
}

/* Asked by another client while the server serves from within the script, so that is between two of
 * its instructions: it is noted here, and tick() ends it. */
command_result run_kill(client *c, bool function) {
    if (!running) return reply_error(c, "NOTBUSY No scripts in execution right now.");
    if (running->state.wrote)
        return reply_error(c, "UNKILLABLE Sorry the script already executed write commands against "
                              "the dataset. You can either wait the script termination or kill the "
                              "server in a hard way using the SHUTDOWN NOSAVE command.");
    if (running->state.function != function) return reply_error(c, RUN_BUSY, kind_of(running));
    running->kill = true;
    reply_ok(c);
    return CMD_DONE;
}
