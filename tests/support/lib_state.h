/* lib_state: a plain Lua state with the libraries of scripts as globals, whose memory is counted
 * and limited; and expressions evaluated in it, their results as text. */
#ifndef STAVE_TESTS_LIB_STATE_H
#define STAVE_TESTS_LIB_STATE_H

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/libs.h"
#include "support/unit.h"

static lua_State *L;
static size_t lua_bytes, lua_limit = SIZE_MAX;

/* The allocator: refuses what would exceed lua_limit. */
static void *lua_memory(void *ctx, void *p, size_t was, size_t now) {
    (void)ctx;
    if (now > was && now - was > lua_limit - lua_bytes) return NULL;
    void *moved = now ? realloc(p, now) : (free(p), NULL);
    if (moved || !now) lua_bytes += now - was;
    return moved;
}

/* show(...): a call's results, or its error, as text: strings in <>, their zero bytes
 * as \0, tables in the order of keys.
 * same(a, b): are they alike? */
static const char lib_prelude[] =
    "local function text(v)\n"
    "  if type(v) == 'string' then return '<' .. v:gsub('%z', '\\\\0') .. '>' end\n"
    "  if type(v) == 'number' then return string.format('%.17g', v) end\n"
    "  if v == cjson.null then return 'null' end\n"
    "  if type(v) ~= 'table' then return tostring(v) end\n"
    "  local keys, out = {}, {}\n"
    "  for k in pairs(v) do keys[#keys + 1] = k end\n"
    "  table.sort(keys, function(a, b) return text(a) < text(b) end)\n"
    "  for i, k in ipairs(keys) do out[i] = text(k) .. '=' .. text(v[k]) end\n"
    "  return '{' .. table.concat(out, ' ') .. '}'\n"
    "end\n"
    "function show(f, ...)\n"
    "  local r = {pcall(f, ...)}\n"
    "  if not r[1] then return 'error: ' .. tostring(r[2]) end\n"
    "  local out = {}\n"
    "  for i = 2, table.maxn(r) do out[#out + 1] = text(r[i]) end\n"
    "  return table.concat(out, ' ')\n"
    "end\n"
    "function same(a, b)\n"
    "  if type(a) ~= 'table' or type(b) ~= 'table' then return a == b end\n"
    "  for k, v in pairs(a) do if not same(v, b[k]) then return false end end\n"
    "  for k in pairs(b) do if a[k] == nil then return false end end\n"
    "  return true\n"
    "end\n";

/* Runs a chunk; its one result, which is text, until the next call. */
static const char *lib_run(const char *chunk) {
    lua_settop(L, 0);
    if (luaL_loadstring(L, chunk) || lua_pcall(L, 0, 1, 0))
        fail_msg("%s: %s", chunk, lua_tostring(L, -1));
    return lua_tostring(L, -1);
}

/* What show(call) says; `call` is "f, argument, ...". */
static const char *lib_show(const char *call) {
    char chunk[2000];
    snprintf(chunk, sizeof chunk, "return show(%s)", call);
    return lib_run(chunk);
}

typedef struct lib_case {
    const char *call, *said;
} lib_case;

static void lib_check(const lib_case *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *said = lib_show(cases[i].call);
        if (strcmp(said, cases[i].said) != 0)
            fail_msg("%s\nsaid   %s\nwanted %s", cases[i].call, said, cases[i].said);
    }
}

static int lib_start(void **state) {
    static const script_lib opened[] = {{"cjson", lib_cjson_open},
                                        {"cmsgpack", lib_cmsgpack_open},
                                        {"struct", lib_struct_open},
                                        {"bit", lib_bit_open}};
    (void)state;
    L = lua_newstate(lua_memory, NULL);
    luaL_openlibs(L);
    for (size_t i = 0; i < sizeof opened / sizeof *opened; i++) {
        lua_pushcfunction(L, opened[i].open);
        lua_pushstring(L, opened[i].name);
        lua_call(L, 1, 1);
        assert_int_equal(lua_type(L, -1), LUA_TTABLE);
        lua_setglobal(L, opened[i].name);
    }
    lib_run(lib_prelude);
    return 0;
}

static int lib_stop(void **state) {
    (void)state;
    lua_limit = SIZE_MAX;
    lua_close(L);
    assert_int_equal(lua_bytes, 0);
    return 0;
}

/* Calls lua source text with as much memory as `limit` beyond what is used: it says `said`, and
 * what it took has come back. */
static void lib_check_limit(const char *call, size_t limit, const char *said) {
    lua_gc(L, LUA_GCCOLLECT, 0);
    size_t before = lua_bytes;
    lua_limit = lua_bytes + limit;
    assert_string_equal(lib_show(call), said);
    lua_limit = SIZE_MAX;
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    assert_true(lua_bytes <= before + (64 << 10));
}

#endif
