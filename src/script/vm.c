/* vm: memory, compiling, calling, ending.
 *
 * Everything that runs a script's code goes through vm_call, one lua_pcall. Ending a script for
 * good is an error that the sandbox's own pcall, xpcall and coroutine.resume raise again as long as
 * v->unwind is set; the hook does the same for code that goes on in between.
 *
 * Lua's compiler has holes that are closed before a text gets there (vm_load):
 *
 *   bytecode                   refused by its first byte: the loader believes what it reads
 *   a chunk's name             is kept on the stack while the compiler works, which holds it where
 *                              the collector does not look
 *   [=====...[                 a long bracket's level is counted in an int: refused when absurd */
#include "script/vm.h"

#include "base/log.h"
#include "base/mem.h"
#include "script/sandbox.h"

#include <stdlib.h>

#define LEVEL_MAX 1024 /* of a long bracket */

/* Bytes that a state may take; 0: as many as it likes. */
static size_t limit;

/* Of every state, at its next allocation. */
void vm_set_limit(size_t bytes) {
    limit = bytes;
}

/* ---- memory -------------------------------------------------------------------------------------
 */

/* Lua's allocator. A block that shrinks is never refused: Lua relies on it. */
static void *allocate(void *ud, void *p, size_t old, size_t size) {
    vm *v = ud;
    if (size == 0) {
        mem_free(p);
        v->used -= old;
        return NULL;
    }
    /* Growth alone is refused. What the compiler takes counts too. */
    bool over = size > old && limit && !v->unlimited && v->used + (size - old) > limit;
    if (over) return NULL;
    p = mem_realloc(p, size);
    v->used += size - old;
    return p;
}

/* Nothing fails for want of memory until vm_close_limit. */
void vm_open_limit(vm *v) {
    v->unlimited++;
}

/* Opened and closed in pairs, which may nest. */
void vm_close_limit(vm *v) {
    CHECK(v->unlimited > 0);
    v->unlimited--;
}

/* All of it, at once. */
void vm_collect(vm *v) {
    vm_open_limit(v);
    lua_gc(v->L, LUA_GCCOLLECT, 0);
    vm_close_limit(v);
}

/* The limit counts garbage too. */
void vm_tidy(vm *v) {
    if (limit && v->used > limit / 4) vm_collect(v);
}

/* ---- a state ------------------------------------------------------------------------------------
 */

/* An error outside of any protected call: a bug of this folder. */
static int panicked(lua_State *L) {
    log_panic(__FILE__, __LINE__, "Lua: %s", lua_tostring(L, -1));
    return 0;
}

/* The state's allocator knows it: no global, no look into the registry, and it serves coroutines
 * too. */
vm *vm_of(lua_State *L) {
    void *ud;
    (void)lua_getallocf(L, &ud);
    return ud;
}

void vm_tick(lua_State *L) {
    vm *v = vm_of(L);
    if (v->unwind != VM_RUNS) (void)vm_end(L, v->unwind);
    if (v->tick) v->tick(v, L);
}

/* Coroutines inherit it, but each begins to count anew. */
static void on_count(lua_State *L, lua_Debug *ar) {
    (void)ar;
    vm_tick(L);
}

/* What went wrong becomes a table that says where: {err = "ERR text", source = "@user_script", line
 * = 3}. A table that a script raised (or redis.call did) gets the last two. */
static int make_error(lua_State *L) {
    lua_Debug ar;
    if (vm_of(L)->unwind != VM_RUNS) return 1;
    if (!lua_istable(L, 1)) {
        const char *text = lua_tostring(L, 1);
        lua_createtable(L, 0, 3);
        lua_pushfstring(L, "ERR %s", text ? text : luaL_typename(L, 1));
        lua_setfield(L, -2, "err");
        lua_replace(L, 1);
    }
    lua_settop(L, 1);
    if (sandbox_hidden(L, 1) || !lua_getstack(L, 1, &ar)) {
        lua_settop(L, 1);
        return 1;
    }
    lua_getinfo(L, "Sl", &ar);
    if (*ar.what == 'C' && lua_getstack(L, 2, &ar)) lua_getinfo(L, "Sl", &ar);
    lua_pushliteral(L, "source");
    lua_pushstring(L, ar.source);
    lua_rawset(L, 1);
    lua_pushliteral(L, "line");
    lua_pushinteger(L, ar.currentline);
    lua_rawset(L, 1);
    return 1;
}

/* The rest of making a state, where Lua may raise errors. */
static int open_state(lua_State *L) {
    vm *v = lua_touserdata(L, 1);
    sandbox_open(L);
    lua_pushcfunction(L, make_error);
    v->handler = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* Memory is not limited while it is made. */
vm *vm_new(void) {
    vm *v = mem_zalloc(sizeof *v);
    vm_open_limit(v);
    memcpy(v->rng, (unsigned short[]){0x330e, 0xabcd, 0x1234}, sizeof v->rng);
    v->L = lua_newstate(allocate, v);
    CHECK(v->L);
    lua_atpanic(v->L, panicked);
    lua_sethook(v->L, on_count, LUA_MASKCOUNT, VM_HOOK_COUNT);
    if (lua_cpcall(v->L, open_state, v) != 0)
        log_panic(__FILE__, __LINE__, "Lua libraries: %s", lua_tostring(v->L, -1));
    vm_close_limit(v);
    vm_collect(v);
    return v;
}

/* Closing runs no code of a script's: there are no finalizers in the sandbox. What Lua has taken it
 * has given back. */
void vm_free(vm *v) {
    lua_close(v->L);
    CHECK(v->used == 0);
    mem_free(v);
}

/* ---- compiling and calling ----------------------------------------------------------------------
 */

/* Is there a long bracket of an absurd level? */
static bool absurd_bracket(slice s) {
    bool after = false; /* a bracket, and nothing but = since */
    size_t level = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '[' || s.data[i] == ']') {
            after = true;
            level = 0;
        } else if (s.data[i] != '=') {
            after = false;
        } else if (after && ++level > LEVEL_MAX) {
            return true;
        }
    }
    return false;
}

/* Lua's lexer skips a first line that begins with #, so what may not be bytecode is looked at
 * behind it as well. */
static bool is_bytecode(slice s) {
    if (s.len && s.data[0] == '#') {
        const char *end = memchr(s.data, '\n', s.len);
        if (!end) return false;
        s = slice_skip(s, (size_t)(end - s.data) + 1);
    }
    return s.len && s.data[0] == LUA_SIGNATURE[0];
}

/* The compiler keeps a name that it did not copy: it stays on the stack until the function is
 * there. */
bool vm_load(lua_State *L, slice source, const char *chunk) {
    luaL_checkstack(L, 3, NULL);
    lua_pushstring(L, chunk);
    if (is_bytecode(source)) {
        lua_pushfstring(L, "attempt to load a binary chunk");
    } else if (absurd_bracket(source)) {
        lua_pushfstring(L, "long string delimiter too long");
    } else {
        int r = luaL_loadbuffer(L, source.data ? source.data : "", source.len, lua_tostring(L, -1));
        lua_remove(L, -2);
        if (r == LUA_ERRMEM) luaL_error(L, "not enough memory");
        return r == 0;
    }
    lua_remove(L, -2);
    return false;
}

/* What vm_compile gives to the protected call. */
typedef struct source_text {
    slice text;
    const char *chunk;
} source_text;

static int compile(lua_State *L) {
    const source_text *t = lua_touserdata(L, 1);
    lua_settop(L, 0);
    if (!vm_load(L, t->text, t->chunk)) return lua_error(L);
    return 1;
}

/* Errors of the compiler's are strings, and so is want of memory. */
bool vm_compile(vm *v, slice source, const char *chunk) {
    source_text t = {source, chunk};
    vm_open_limit(v);
    lua_pushcfunction(v->L, compile);
    lua_pushlightuserdata(v->L, &t);
    vm_close_limit(v);
    return lua_pcall(v->L, 1, 1, 0) == 0;
}

/* Where it is called does not matter: the message is never seen, `unwind` is what counts. */
int vm_end(lua_State *L, vm_unwind why) {
    vm_of(L)->unwind = why;
    lua_pushliteral(L, "the script was ended");
    lua_error(L);
    abort();
}

/* Errors in the handler, and want of memory, are strings that it has not seen. */
bool vm_call(vm *v, int nargs, int nresults) {
    lua_State *L = v->L;
    int at = lua_gettop(L) - nargs;
    v->unwind = VM_RUNS;
    vm_open_limit(v);
    lua_rawgeti(L, LUA_REGISTRYINDEX, v->handler);
    lua_insert(L, at);
    vm_close_limit(v);
    /* A script that is run from within the server's own work is limited all the same. */
    int depth = v->unlimited;
    v->unlimited = 0;
    int r = lua_pcall(L, nargs, nresults, at);
    v->unlimited = depth;
    lua_remove(L, at);
    if (r == 0 && v->unwind == VM_RUNS) return true;
    /* It was ended: whether the error came through, or a coroutine swallowed it and returned, there
     * is no result. */
    if (v->unwind != VM_RUNS) {
        lua_settop(L, at - 1);
        return false;
    }
    /* make_error has seen it. */
    if (lua_istable(L, -1)) return false;
    vm_open_limit(v);
    const char *text = lua_tostring(L, -1);
    lua_createtable(L, 0, 1);
    lua_pushfstring(L, "ERR %s", text ? text : "unknown error");
    lua_setfield(L, -2, "err");
    lua_replace(L, at);
    vm_close_limit(v);
    return false;
}

/* Past __newindex, which refuses: into the table that is shown, where __index is asked only for
 * what is not there. */
void vm_set_global(vm *v, const char *name) {
    lua_State *L = v->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, v->globals);
    lua_insert(L, -2);
    lua_pushstring(L, name);
    lua_insert(L, -2);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}
