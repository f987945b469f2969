/* vm: one Lua state in which scripts run: limited memory, a sandbox, and an end that no script can
 * catch.
 *
 * A script sees globals that it can't change: what it keeps in a table of its own is gone when it
 * ends. Whatever happens inside of vm_call (no memory, an error without a handler, a stack that is
 * full) is an error of that call, never the end of the process.
 *
 * The server's own work on a state (making it, KEYS and ARGV, compiling) goes on between
 * vm_open_limit and vm_close_limit, where memory is not limited, so that none of Lua's functions
 * can fail for want of it outside of a protected call. */
#ifndef STAVE_SCRIPT_VM_H
#define STAVE_SCRIPT_VM_H

#include "base/slice.h"

#include <lauxlib.h>
#include <lua.h>

/* Why a script has to end whatever it does: pcall and coroutines do not catch it. */
typedef enum vm_unwind {
    VM_RUNS,
    VM_AGAIN,   /* a read is pending: it will run again from its start */
    VM_FAILED,  /* the engine has failed */
    VM_KILLED,  /* SCRIPT KILL, FUNCTION KILL */
    VM_STOPPED, /* the server stops: SHUTDOWN NOSAVE */
    VM_LIMIT,   /* it has used its instructions, or (FUNCTION LOAD) its time */
} vm_unwind;

typedef struct vm {
    lua_State *L;
    size_t used;      /* bytes that Lua has allocated */
    int unlimited;    /* depth of vm_open_limit */
    vm_unwind unwind; /* see vm_end */
    /* Called every VM_HOOK_COUNT instructions of whatever runs in the state; may call vm_end. Set
     * by who runs it; may be NULL. */
    void (*tick)(struct vm *v, lua_State *L);
    void *ctx;             /* of who runs it */
    unsigned short rng[3]; /* of math.random: the same after each start */
    unsigned coroutines;   /* made; see sandbox.c */
    int globals;           /* reference of what scripts see as _G: see sandbox.h */
    int handler;           /* reference of the function that makes errors out of messages */
} vm;

#define VM_HOOK_COUNT 10000
#define VM_CHUNK      "@user_script" /* the chunks' name, as Redis has it in messages */

/* Sandboxed: Lua's safe libraries, those of libs.h, and `redis`, which is api.h's. */
vm *vm_new(void);
void vm_free(vm *v);
vm *vm_of(lua_State *L);
/* What a state may take; 0: no limit. For all of them. */
void vm_set_limit(size_t bytes);

void vm_open_limit(vm *v);
void vm_close_limit(vm *v);

/* Ends what runs in the state: raises an error that goes through every pcall up to vm_call. Never
 * returns. */
int vm_end(lua_State *L, vm_unwind why) __attribute__((noreturn));

/* As if VM_HOOK_COUNT instructions had been run: for what takes time that is not counted in any. */
void vm_tick(lua_State *L);

/* Compiles source text (never bytecode). true: the function is on the stack. false: the message is.
 * chunk: as Lua wants it, "@name". REQUIRES: in a protected call, or the limit open. */
bool vm_load(lua_State *L, slice source, const char *chunk);
/* The same in a protected call, with memory limited: a text may be made to need very much. For who
 * is not called by Lua. */
bool vm_compile(vm *v, slice source, const char *chunk);
/* Calls the function that is on the stack under its nargs arguments. true: nresults results. false:
 * the error, a table {err=, source=, line=} of which each may be missing, unless v->unwind says
 * that it was ended: then nothing. Never raises an error. */
bool vm_call(vm *v, int nargs, int nresults);

/* Sets what scripts see under a global name; takes the value from the stack. A table is shown as it
 * is (KEYS) unless it is one that sandbox_protect has made. REQUIRES: the limit open. */
void vm_set_global(vm *v, const char *name);
/* Gives memory back. */
void vm_collect(vm *v);
/* After a run: the same, if it has left so much that the next one might not have enough. */
void vm_tidy(vm *v);

#endif
