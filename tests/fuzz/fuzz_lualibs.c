/* fuzz_lualibs: the libraries of scripts on any bytes. The first byte says which function gets
 * them:
 *
 *     0, 1  cmsgpack.unpack, cjson.decode    what they understand is packed and encoded again, and
 *                                            that is understood alike
 *     2, 3  struct.unpack, struct.pack       up to the first zero byte a format, behind it the data
 *     4     struct.size
 *
 * Memory is limited, so that its end is met in the middle of things too. */
#include "support/fuzz.h"

#include "base/log.h"
#include "script/libs.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTIONS 5
#define MEMORY    (1 << 20) /* bytes, with what an empty state takes */

static size_t used;

/* The state's allocator. */
static void *memory(void *ctx, void *p, size_t was, size_t now) {
    (void)ctx;
    if (now > was && now - was > MEMORY - used) return NULL;
    void *moved = now ? realloc(p, now) : (free(p), NULL);
    if (moved || !now) used += now - was;
    return moved;
}

/* Calls a library's function with nargs arguments from the stack's top; how many results it has
 * left, or -1 for an error. */
static int call(lua_State *L, const char *library, const char *function, int nargs) {
    int base = lua_gettop(L) - nargs;
    lua_getglobal(L, library);
    lua_getfield(L, -1, function);
    lua_remove(L, -2);
    lua_insert(L, base + 1);
    if (lua_pcall(L, nargs, LUA_MULTRET, 0) == 0) return lua_gettop(L) - base;
    lua_settop(L, base);
    return -1;
}

/* The value at the top, packed and unpacked a few times, is packed in as many bytes as the time
 * before: the order of a map's keys may change, and only the first time may lose what a table can't
 * hold (nil) or JSON can't say (a number's last digits). */
static void again(lua_State *L, const char *library, const char *out, const char *in) {
    int base = lua_gettop(L);
    size_t was = 0;
    lua_pushvalue(L, base);
    for (int time = 0; time < 3 && call(L, library, out, 1) == 1; time++) {
        CHECK(time < 2 || lua_objlen(L, -1) == was);
        was = lua_objlen(L, -1);
        if (call(L, library, in, 1) != 1) break;
    }
    lua_settop(L, base);
}

/* See the top; the tables of values go one by one. */
static void run(lua_State *L, int function, const char *data, size_t size) {
    static const char *const of_struct[] = {"unpack", "pack", "size"};
    size_t format = strnlen(data, size);
    if (function < 2) {
        lua_pushlstring(L, data, size);
        int n = function ? call(L, "cjson", "decode", 1) : call(L, "cmsgpack", "unpack", 1);
        for (; n > 0; n--) {
            again(L, "cmsgpack", "pack", "unpack");
            again(L, "cjson", "encode", "decode");
            lua_pop(L, 1);
        }
        return;
    }
    lua_pushlstring(L, data, format);
    lua_pushlstring(L, data + format, size - format);
    lua_pushnumber(L, size > 4 ? (signed char)data[size - 1] : 1);
    lua_pushlstring(L, data + format, size - format);
    (void)call(L, "struct", of_struct[function - 2], 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const script_lib opened[] = {
        {"cjson", lib_cjson_open}, {"cmsgpack", lib_cmsgpack_open}, {"struct", lib_struct_open}};
    if (size == 0) return 0;
    lua_State *L = lua_newstate(memory, NULL);
    for (size_t i = 0; i < sizeof opened / sizeof *opened; i++) {
        lua_pushcfunction(L, opened[i].open);
        lua_call(L, 0, 1);
        lua_setglobal(L, opened[i].name);
    }
    run(L, data[0] % FUNCTIONS, (const char *)data + 1, size - 1);
    lua_close(L);
    CHECK(used == 0);
    return 0;
}
