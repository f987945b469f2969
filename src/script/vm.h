/* vm: one Lua state in which scripts run: limited memory, a sandbox, and an end that no script can
 * catch.
 *
 * A script sees globals that it can't change: what it keeps in a table of its own is gone when it
 * ends. Whatever happens inside of vm_call (no memory, an error without a handler, a stack that is
 * full) is an error of that call, never the end of the process. */
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
    size_t unlimited; /* > 0: what is allocated now may exceed the limit (the server's own) */
    vm_unwind unwind; /* set by whoever wants it to end, with an error raised in Lua */
    /* Called about every VM_HOOK_COUNT instructions of a running script; raises an error to end
     * it. Set by who runs it; may be NULL. */
    void (*tick)(struct vm *v, lua_State *L);
    void *ctx;             /* of who runs it */
    unsigned short rng[3]; /* of math.random: the same for each run */
} vm;

#define VM_HOOK_COUNT 10000
#define VM_NAME       "@user_script" /* the chunks' name, as Redis has it in messages */

/* Sandboxed: Lua's safe libraries, those of libs.h, and `redis`, which is api.h's. Aborts if not
 * even that fits into memory. */
vm *vm_new(void);
void vm_free(vm *v);
vm *vm_of(lua_State *L);

/* Compiles source text (never bytecode). true: the function is on the stack. false: the message
 * is. chunk: as Lua wants it, "@name". */
bool vm_load(lua_State *L, slice source, const char *chunk);
/* lua_pcall with traceback-free handling of Redis' error objects: true, and nresults results; or
 * false, and on the stack the error: a table {err=, source=, line=} (source, line may be missing).
 * The stack holds the function and nargs arguments, which are taken. */
bool vm_call(vm *v, int nargs, int nresults);
/* pcall for scripts and for C functions of ours that catch errors: as lua_pcall, but the end of a
 * script (unwind) goes on through it. */
int vm_pcall(lua_State *L, int nargs, int nresults);
/* Sets what scripts see under a global name; takes the value from the stack. A table is shown as it
 * is (KEYS) unless it was made read-only by vm_protect before. */
void vm_set_global(vm *v, const char *name);
/* Pushes it. */
void vm_get_global(vm *v, const char *name);
/* Replaces the table on the stack by one that shows it and can't be changed. Tables in it too. */
void vm_protect(vm *v);
/* Gives back memory: after a run that left much behind. */
void vm_collect(vm *v);

#endif
