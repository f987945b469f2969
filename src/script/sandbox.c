/* sandbox: the globals of scripts, read-only.
 *
 * What is not in the list below does not exist for scripts: no files, no other programs, no loading
 * of bytecode, no debug library, no environments (getfenv would hand out functions' own), no
 * newproxy (finalizers). What replaces a function of Lua's calls that one as a C function in its
 * own frame, so that its messages stay as they are.
 *
 * All scripts of a state share one table of globals, and none may leave anything in it for another.
 * Lua 5.1 knows no read-only tables, so what a script holds is an empty one before the real one:
 *
 *     script ──> shown {}  ── metatable ──┬─ __index     hidden {string = .., redis = ..}
 *                                         ├─ __newindex  an error
 *                                         └─ &marker     hidden, for the functions below
 *
 * Each table that a hidden one holds is shown likewise, once (the registry remembers as which).
 * Functions that look past metatables (rawset, next, table.insert ...) are replaced by some that
 * ask sandbox_hidden first.
 *
 * Catching functions (pcall, xpcall, coroutine.resume) raise again what ends a script for good.
 *
 * Some of Lua's own functions have holes: those that match patterns recurse (patterns.c); `unpack`
 * computes how many in an int that overflows, so ranges are bounded before; `load` compiles what it
 * is given piece by piece, and is made of vm_load here, which refuses bytecode. math.random is made
 * anew, as each state has numbers of its own. */
#include "script/sandbox.h"

#include "base/log.h"
#include "script/api.h"
#include "script/libs.h"
#include "script/patterns.h"

#include <lualib.h>
#include <math.h>
#include <stdlib.h>

#define UNPACK_MAX 7900 /* Lua's C stack takes 8000 */
#define COROUTINES 16   /* that are made between two looks at what they do */

static char marker; /* its address: key of a shown table's metatable for the hidden one */
static char shown;  /* its address: key of the registry's table hidden -> shown */

/* Lua's own functions that are called from the ones here. The same in every state. */
static struct {
    lua_CFunction getmetatable, setmetatable, next, rawget, rawset, pcall, xpcall, gc;
    lua_CFunction create, resume, wrap;
    lua_CFunction insert, remove, sort, setn;
} lua;

/* ---- tables that can't be changed ---------------------------------------------------------------
 */

bool sandbox_hidden(lua_State *L, int idx) {
    if (!lua_istable(L, idx) || !lua_getmetatable(L, idx)) return false;
    lua_pushlightuserdata(L, &marker);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (lua_istable(L, -1)) return true;
    lua_pop(L, 1);
    return false;
}

/* Without a position, as Lua's own functions that are patched in Redis have none. */
static int refuse(lua_State *L) {
    lua_pushliteral(L, "Attempt to modify a readonly table");
    return lua_error(L);
}

/* Before any of Lua's own functions that write to a table without asking its metatable. */
void sandbox_check_writable(lua_State *L, int idx) {
    if (sandbox_hidden(L, idx)) (void)refuse(L);
}

/* __newindex of shown tables. */
static int refuse_here(lua_State *L) {
    return luaL_error(L, "Attempt to modify a readonly table");
}

/* __index of the globals. */
static int no_global(lua_State *L) {
    lua_settop(L, 2);
    const char *name = lua_tostring(L, 2);
    return luaL_error(L, "Script attempted to access nonexistent global variable '%s'",
                      name ? name : luaL_typename(L, 2));
}

/* To the table on the stack: names that are not there raise an error, where Lua would give nil. A
 * misspelt variable is told at once. */
void sandbox_strict(lua_State *L) {
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, no_global);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

/* Functions keep the table of globals that they were made with, so that stays the same one, and
 * what it shows is another. */
void sandbox_show(vm *v, int reference) {
    lua_State *L = v->L;
    vm_open_limit(v);
    lua_getmetatable(L, LUA_GLOBALSINDEX);
    lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
    CHECK(lua_istable(L, -1));
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_pushlightuserdata(L, &marker);
    lua_insert(L, -2);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    vm_close_limit(v);
}

/* hidden -> shown, with an entry in the registry for tables that are reached twice. */
void sandbox_protect(lua_State *L) {
    luaL_checkstack(L, 8, NULL);
    if (sandbox_hidden(L, -1)) { /* it is one already */
        lua_pop(L, 1);
        return;
    }
    /* From here on: hidden, the map hidden -> shown, and what the map says. */
    int hidden = lua_gettop(L);
    lua_pushlightuserdata(L, &shown);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, hidden);
    lua_rawget(L, -2);
    if (lua_istable(L, -1)) {
        lua_replace(L, hidden);
        lua_settop(L, hidden);
        return;
    }
    lua_pop(L, 1);
    lua_newtable(L); /* shown */
    /* Its metatable: reads go to the hidden table, writes are refused, and `marker` leads
     * sandbox_hidden there, as no key of a script's can be that address. */
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, hidden);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_here);
    lua_setfield(L, -2, "__newindex");
    lua_pushlightuserdata(L, &marker);
    lua_pushvalue(L, hidden);
    lua_rawset(L, -3);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, hidden);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4); /* hidden, map, shown */
    /* The tables inside are shown too: each value of the hidden one that is a table becomes its
     * shown one. A field that exists may be set while lua_next walks. */
    lua_pushnil(L);
    while (lua_next(L, hidden)) {
        if (lua_istable(L, -1)) {
            sandbox_protect(L);
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, hidden);
        } else {
            lua_pop(L, 1);
        }
    }
    lua_replace(L, hidden);
    lua_settop(L, hidden);
}

/* A shown table's own is not told; the globals' and the strings' are copies that can't be changed.
 */
static int get_metatable(lua_State *L) {
    if (!sandbox_hidden(L, 1)) return lua.getmetatable(L);
    if (!lua_getmetatable(L, -1)) {
        lua_pushnil(L);
        return 1;
    }
    sandbox_protect(L);
    return 1;
}

/* A shown table's metatable is what makes it read-only. */
static int set_metatable(lua_State *L) {
    sandbox_check_writable(L, 1);
    return lua.setmetatable(L);
}

/* rawset would get around __newindex. */
static int raw_set(lua_State *L) {
    sandbox_check_writable(L, 1);
    return lua.rawset(L);
}

/* rawget on a shown table, which is empty, would find nothing: it reads the hidden one. */
static int raw_get(lua_State *L) {
    if (sandbox_hidden(L, 1)) lua_replace(L, 1);
    return lua.rawget(L);
}

/* Likewise: a shown table is walked through the one it hides. The keys are the same in both. */
static int next_pair(lua_State *L) {
    if (sandbox_hidden(L, 1)) lua_replace(L, 1);
    return lua.next(L);
}

/* Lua's own next where that will do, as it is faster. */
static int pairs(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    bool is_shown = sandbox_hidden(L, 1);
    lua_pushcfunction(L, is_shown ? next_pair : lua.next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* The functions of `table` that write use raw access too. A shown table that they would find empty
 * is refused before they look at it. */
static int table_insert(lua_State *L) {
    sandbox_check_writable(L, 1);
    return lua.insert(L);
}

/* Refused even where there is nothing to remove. */
static int table_remove(lua_State *L) {
    sandbox_check_writable(L, 1);
    return lua.remove(L);
}

/* The elements are swapped in place. */
static int table_sort(lua_State *L) {
    sandbox_check_writable(L, 1);
    return lua.sort(L);
}

/* Obsolete in Lua 5.1, where it says so; refused first. */
static int table_setn(lua_State *L) {
    sandbox_check_writable(L, 1);
    return lua.setn(L);
}

/* ---- catching ----------------------------------------------------------------------------------
 */

/* Goes on ending, if that is what was caught. */
static int caught(lua_State *L, int results) {
    vm *v = vm_of(L);
    if (v->unwind != VM_RUNS) (void)vm_end(L, v->unwind);
    return results;
}

/* Of an error of Redis' kind a script gets the text. */
static int protected_call(lua_State *L) {
    int results = caught(L, lua.pcall(L));
    if (results != 2 || lua_toboolean(L, -2) || !lua_istable(L, -1)) return results;
    lua_pushliteral(L, "err");
    lua_rawget(L, -2);
    if (lua_isstring(L, -1))
        lua_replace(L, -2);
    else
        lua_pop(L, 1);
    return results;
}

/* The script's handler is not asked about the script's end. */
static int handle(lua_State *L) {
    if (vm_of(L)->unwind != VM_RUNS) return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

/* xpcall(f, handler): the handler is wrapped, and anything behind it is dropped, as Lua does. */
static int protected_call_with(lua_State *L) {
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    lua_pushcclosure(L, handle, 1);
    return caught(L, lua.xpcall(L));
}

/* A coroutine is a protected call too: what ends the script has ended the coroutine, and goes on
 * here. */
static int resume(lua_State *L) {
    return caught(L, lua.resume(L));
}

/* A coroutine counts its own instructions, so ones that end before they have counted to
 * VM_HOOK_COUNT, one after the other or within each other, would never be looked at. */
static void count_coroutine(lua_State *L) {
    if (++vm_of(L)->coroutines % COROUTINES == 0) vm_tick(L);
}

static int create(lua_State *L) {
    count_coroutine(L);
    return lua.create(L);
}

static int wrap(lua_State *L) {
    count_coroutine(L);
    return lua.wrap(L);
}

/* ---- compiling ---------------------------------------------------------------------------------
 */

/* The text at the top of the stack; a function, or nil and a message. */
static int compile(lua_State *L, const char *chunk) {
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);
    if (vm_load(L, slice_of(text, n), chunk)) return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* loadstring(text [, name]). */
static int load_string(lua_State *L) {
    const char *text = luaL_checkstring(L, 1);
    const char *chunk = luaL_optstring(L, 2, text);
    lua_pushvalue(L, 1);
    return compile(L, chunk);
}

/* One piece from the script's function, behind those on the stack; false: it was the last. */
static bool read_piece(lua_State *L) {
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) return false;
    if (!lua_isstring(L, -1)) (void)luaL_error(L, "reader function must return a string");
    return lua_objlen(L, -1) > 0;
}

/* All pieces are put together before the compiler sees them. An error of the reader's is the
 * caller's. */
static int load_pieces(lua_State *L) {
    const char *chunk = luaL_optstring(L, 2, "=(load)");
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_newtable(L);
    int n = 0;
    while (read_piece(L))
        lua_rawseti(L, 3, ++n);
    lua_pop(L, 1);
    luaL_Buffer all;
    luaL_buffinit(L, &all);
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, 3, i);
        luaL_addvalue(&all);
    }
    luaL_pushresult(&all);
    return compile(L, chunk);
}

/* ---- others ------------------------------------------------------------------------------------
 */

/* unpack(table [, from [, to]]): how many there are is computed in 64 bits, where no pair of ints
 * wraps, and compared with what the stack takes. */
static int unpack(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    int from = luaL_optint(L, 2, 1);
    int to = lua_isnoneornil(L, 3) ? (int)lua_objlen(L, 1) : luaL_checkint(L, 3);
    if (from > to) return 0;
    int64_t n = (int64_t)to - from + 1;
    if (n > UNPACK_MAX || !lua_checkstack(L, (int)n))
        return luaL_error(L, "too many results to unpack");
    for (int64_t i = from; i <= to; i++)
        lua_rawgeti(L, 1, (int)i);
    return (int)n;
}

/* A script that could stop the collector would stop it for all that come after it. */
static int collect_garbage(lua_State *L) {
    const char *what = luaL_optstring(L, 1, "collect");
    bool allowed =
        strcmp(what, "collect") == 0 || strcmp(what, "count") == 0 || strcmp(what, "step") == 0;
    bool known = allowed || strcmp(what, "stop") == 0 || strcmp(what, "restart") == 0 ||
                 strcmp(what, "setpause") == 0 || strcmp(what, "setstepmul") == 0;
    if (!known || allowed) return lua.gc(L);
    lua_pushinteger(L, 0);
    return 1;
}

/* The numbers of lrand48 in 0 .. 1, as Redis has them. */
static int math_random(lua_State *L) {
    double r = (double)(nrand48(vm_of(L)->rng) % INT32_MAX) / (double)INT32_MAX;
    int n = lua_gettop(L);
    if (n == 0) {
        lua_pushnumber(L, r);
        return 1;
    }
    if (n > 2) return luaL_error(L, "wrong number of arguments");
    int from = n == 2 ? luaL_checkint(L, 1) : 1, to = luaL_checkint(L, n);
    luaL_argcheck(L, from <= to, n, "interval is empty");
    lua_pushnumber(L, floor(r * ((double)to - from + 1)) + from);
    return 1;
}

/* As srand48 does it: the seed in the high 32 bits. It counts for this state, until it is seeded
 * anew. */
static int math_randomseed(lua_State *L) {
    uint32_t seed = (uint32_t)luaL_checkint(L, 1);
    unsigned short *x = vm_of(L)->rng;
    x[0] = 0x330e;
    x[1] = (unsigned short)seed;
    x[2] = (unsigned short)(seed >> 16);
    return 0;
}

/* ---- opening -----------------------------------------------------------------------------------
 */

/* What of Lua's base library scripts have as it is. */
static const char *const kept[] = {"assert", "error", "gcinfo",   "ipairs",   "rawequal",
                                   "select", "type",  "tonumber", "tostring", "_VERSION"};
static const luaL_Reg replaced[] = {
    {"collectgarbage", collect_garbage},
    {"getmetatable", get_metatable},
    {"load", load_pieces},
    {"loadstring", load_string},
    {"next", next_pair},
    {"pairs", pairs},
    {"pcall", protected_call},
    {"rawget", raw_get},
    {"rawset", raw_set},
    {"setmetatable", set_metatable},
    {"unpack", unpack},
    {"xpcall", protected_call_with},
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The C function name of the table on the stack. */
static lua_CFunction own(lua_State *L, const char *name) {
    lua_getfield(L, -1, name);
    lua_CFunction f = lua_tocfunction(L, -1);
    CHECK(f);
    lua_pop(L, 1);
    return f;
}

/* Calls a library's opener as require would. It leaves what it made as the first global of that
 * name, or its result. */
static void open_lib(lua_State *L, const char *name, lua_CFunction open) {
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

/* Puts f under a name to the table on the stack. */
static void set_function(lua_State *L, const char *name, lua_CFunction f) {
    lua_pushcfunction(L, f);
    lua_setfield(L, -2, name);
}

/* From Lua's libraries, opened in the state's first globals, which scripts never see, to the table
 * `real` at the top of the stack. */
static void take_base(lua_State *L, int real) {
    open_lib(L, "", luaopen_base); /* and coroutine */
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    lua.getmetatable = own(L, "getmetatable");
    lua.setmetatable = own(L, "setmetatable");
    lua.next = own(L, "next");
    lua.rawget = own(L, "rawget");
    lua.rawset = own(L, "rawset");
    lua.pcall = own(L, "pcall");
    lua.xpcall = own(L, "xpcall");
    lua.gc = own(L, "collectgarbage");
    for (size_t i = 0; i < COUNT(kept); i++) {
        lua_getfield(L, -1, kept[i]);
        lua_setfield(L, real, kept[i]);
    }
    lua_pushvalue(L, real);
    for (size_t i = 0; i < COUNT(replaced); i++)
        set_function(L, replaced[i].name, replaced[i].func);
    lua_pop(L, 2);
}

/* Moves the global table `name` to `real`, and leaves it on the stack. */
static void take_lib(lua_State *L, int real, const char *name) {
    lua_getglobal(L, name);
    CHECK(lua_istable(L, -1));
    lua_pushvalue(L, -1);
    lua_setfield(L, real, name);
}

/* The other libraries, one by one: opened as globals, what is dangerous replaced, moved to `real`.
 * Of `os` only the clock is left. */
static void take_libs(lua_State *L, int real) {
    take_lib(L, real, "coroutine");
    lua.create = own(L, "create");
    lua.resume = own(L, "resume");
    lua.wrap = own(L, "wrap");
    set_function(L, "create", create);
    set_function(L, "resume", resume);
    set_function(L, "wrap", wrap);
    open_lib(L, LUA_TABLIBNAME, luaopen_table);
    take_lib(L, real, "table");
    lua.insert = own(L, "insert");
    lua.remove = own(L, "remove");
    lua.sort = own(L, "sort");
    lua.setn = own(L, "setn");
    set_function(L, "insert", table_insert);
    set_function(L, "remove", table_remove);
    set_function(L, "sort", table_sort);
    set_function(L, "setn", table_setn);
    open_lib(L, LUA_STRLIBNAME, luaopen_string);
    take_lib(L, real, "string");
    patterns_guard(L);
    open_lib(L, LUA_MATHLIBNAME, luaopen_math);
    take_lib(L, real, "math");
    set_function(L, "random", math_random);
    set_function(L, "randomseed", math_randomseed);
    open_lib(L, LUA_OSLIBNAME, luaopen_os);
    lua_getglobal(L, "os");
    lua_CFunction clock = own(L, "clock");
    lua_newtable(L);
    set_function(L, "clock", clock);
    lua_setfield(L, real, "os");
    for (const script_lib *lib = script_libs; lib->name; lib++) {
        lua_pushcfunction(L, lib->open);
        lua_pushstring(L, lib->name);
        lua_call(L, 1, 1);
        lua_setfield(L, real, lib->name);
    }
    api_push(L);
    lua_setfield(L, real, "redis");
    lua_settop(L, real);
}

/* Strings find their functions in the table that scripts see, and their metatable is told as a
 * copy.
 */
static void open_strings(lua_State *L, int real) {
    lua_pushliteral(L, "");
    CHECK(lua_getmetatable(L, -1));
    lua_getfield(L, real, "string");
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_newtable(L);
    lua_insert(L, -2);
    lua_setfield(L, -2, "__index");
    sandbox_protect(L);
    lua_setfield(L, -2, "__metatable");
    lua_settop(L, real);
}

/* The state's globals are from then on what scripts see, so that chunks, coroutines and whatever a
 * library finds by name begin there. */
void sandbox_open(lua_State *L) {
    lua_settop(L, 1);
    lua_pushlightuserdata(L, &shown);
    lua_newtable(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    int real = lua_gettop(L);
    take_base(L, real);
    take_libs(L, real);
    lua_pushvalue(L, real);
    sandbox_protect(L); /* all of its tables, and itself */
    lua_pushvalue(L, -1);
    lua_replace(L, LUA_GLOBALSINDEX);
    lua_setfield(L, real, "_G");
    sandbox_strict(L);
    open_strings(L, real);
    vm_of(L)->globals = luaL_ref(L, LUA_REGISTRYINDEX);
}
