/* patterns: a bound on the C stack that Lua's pattern matching takes.
 *
 * Its matcher calls itself for each character with ?, *, + or - behind it that it has come to, and
 * Lua 5.1 does not count: a pattern of some hundred thousand ".?" ends the process. How deep it can
 * go depends on the pattern alone, so that is looked at before; later versions of Lua have the
 * message for the same, and the limit 200. Captures recurse too, of which Lua allows 32. */
#include "script/patterns.h"

#include "base/log.h"

#include <lauxlib.h>
#include <string.h>

#define REPETITIONS_MAX 1000 /* some 150 bytes of stack each */

/* Lua's own. The same in every state. */
static struct { lua_CFunction find, match, gmatch, gsub; } lua;

/* Raises an error if the pattern, argument 2, could recurse too deep. Any of these characters may
 * be one that repeats. */
static void check(lua_State *L) {
    size_t n, repetitions = 0;
    const char *p = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &n) : NULL;
    if (!p || n <= REPETITIONS_MAX) return;
    for (size_t i = 0; i < n; i++)
        repetitions += p[i] == '?' || p[i] == '*' || p[i] == '+' || p[i] == '-';
    if (repetitions > REPETITIONS_MAX) (void)luaL_error(L, "pattern too complex");
}

/* A plain search has no pattern. */
static int find(lua_State *L) {
    if (!lua_toboolean(L, 4)) check(L);
    return lua.find(L);
}

/* string.match(s, pattern [, init]). */
static int match(lua_State *L) {
    check(L);
    return lua.match(L);
}

/* string.gmatch(s, pattern): checked once, when the iterator is made. */
static int gmatch(lua_State *L) {
    check(L);
    return lua.gmatch(L);
}

/* string.gsub(s, pattern, replacement [, n]). */
static int gsub(lua_State *L) {
    check(L);
    return lua.gsub(L);
}

/* Puts f in the place of the function `name`, and returns that. */
static lua_CFunction replace(lua_State *L, const char *name, lua_CFunction f) {
    lua_getfield(L, -1, name);
    lua_CFunction own = lua_tocfunction(L, -1);
    CHECK(own && own != f);
    lua_pop(L, 1);
    lua_pushcfunction(L, f);
    lua_setfield(L, -2, name);
    return own;
}

/* gfind is gmatch's older name. */
void patterns_guard(lua_State *L) {
    lua.find = replace(L, "find", find);
    lua.match = replace(L, "match", match);
    lua.gmatch = replace(L, "gmatch", gmatch);
    lua.gsub = replace(L, "gsub", gsub);
    (void)replace(L, "gfind", gmatch);
}
