/* cmsgpack: values as MessagePack, packing. The encodings are those of lua-cmsgpack 0.4.0, which
 * redis-server has, so that what one server packed the other reads, and equal values have equal
 * bytes:
 *
 *     number    the shortest integer that is the number; else float if that loses nothing; double
 *     string    fixraw, raw 8, raw 16, raw 32: no bin, no ext
 *     table     an array if its keys are 1 .. n, the empty one too; else a map
 *     the rest  nil, and so is a table inside of 16 others
 *
 * The last rule ends tables that hold themselves; tables that hold one another many times over are
 * ended by the script's memory, as each value takes at least a byte. */
#include "script/lib_cmsgpack.h"

#include "script/lib_out.h"
#include "script/libs.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NESTING_MAX 16

/* ---- bytes -------------------------------------------------------------------------------------
 */

/* A leading byte, then the low `size` bytes of v, the highest first. */
static void put_number(lib_out *o, unsigned head, uint64_t v, unsigned size) {
    lib_out_byte(o, head);
    while (size--)
        lib_out_byte(o, (unsigned)(v >> (8 * size)) & 0xff);
}

/* A count: within the head if it is below `inside`; of 16 bits, else 32, by the heads that follow
 * each other from `wide` on. Lengths are of what is in memory; one of more than 32 bits is refused.
 */
static void put_count(lua_State *L, lib_out *o, size_t n, unsigned head, size_t inside,
                      unsigned wide) {
    if (n > UINT32_MAX) luaL_error(L, "value is too long");
    if (n < inside)
        lib_out_byte(o, head | (unsigned)n);
    else if (n <= UINT16_MAX)
        put_number(o, wide, n, 2);
    else
        put_number(o, wide + 1, n, 4);
}

/* In as few bytes as hold it; not negative is unsigned. */
static void put_integer(lib_out *o, int64_t v) {
    uint64_t bits = (uint64_t)v;
    if (v >= -32 && v <= 127)
        lib_out_byte(o, (unsigned)(bits & 0xff));
    else if (v >= 0)
        v <= UINT8_MAX    ? put_number(o, PACK_UINT8, bits, 1)
        : v <= UINT16_MAX ? put_number(o, PACK_UINT8 + 1, bits, 2)
        : v <= UINT32_MAX ? put_number(o, PACK_UINT8 + 2, bits, 4)
                          : put_number(o, PACK_UINT8 + 3, bits, 8);
    else
        v >= INT8_MIN    ? put_number(o, PACK_INT8, bits, 1)
        : v >= INT16_MIN ? put_number(o, PACK_INT8 + 1, bits, 2)
        : v >= INT32_MIN ? put_number(o, PACK_INT8 + 2, bits, 4)
                         : put_number(o, PACK_INT8 + 3, bits, 8);
}

/* ---- values ------------------------------------------------------------------------------------
 */

/* -0 is 0, as there; NaN is a double. */
static void pack_number(lib_out *o, double n) {
    float f = (float)n;
    uint32_t single;
    uint64_t image;
    memcpy(&single, &f, sizeof f);
    memcpy(&image, &n, sizeof n);
    if (n >= -0x1p63 && n < 0x1p63 && floor(n) == n)
        put_integer(o, (int64_t)n);
    else if ((double)f == n)
        put_number(o, PACK_FLOAT, single, 4);
    else
        put_number(o, PACK_DOUBLE, image, 8);
}

/* The string at the top. Raw 8 is newer than the others, and out of their row. */
static void pack_string(lua_State *L, lib_out *o) {
    size_t n;
    const char *s = lua_tolstring(L, -1, &n);
    if (n > 31 && n <= UINT8_MAX)
        put_number(o, PACK_RAW8, n, 1);
    else
        put_count(L, o, n, PACK_FIXRAW, 32, PACK_RAW8 + 1);
    lib_out_append(o, s, n);
}

/* Counts the pairs of the table at the top; is it an array of as many? As no key comes twice, that
 * is so when the largest key is the count. */
static bool is_array(lua_State *L, size_t *pairs) {
    double largest = 0;
    bool all = true;
    *pairs = 0;
    lua_pushnil(L);
    for (; lua_next(L, -2); ++*pairs) {
        lua_pop(L, 1);
        double n = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        all = all && n > 0 && n <= INT32_MAX && floor(n) == n;
        if (n > largest) largest = n;
    }
    return all && largest == (double)*pairs;
}

static void pack_top(lua_State *L, lib_out *o, int level);

/* The table at the top, whose pairs are counted before the first is packed. */
static void pack_table(lua_State *L, lib_out *o, int level) {
    size_t n;
    if (is_array(L, &n)) {
        put_count(L, o, n, PACK_FIXARRAY, 16, PACK_ARRAY16);
        for (size_t i = 1; i <= n; i++) {
            lua_pushnumber(L, (double)i);
            lua_gettable(L, -2);
            pack_top(L, o, level + 1);
        }
        return;
    }
    put_count(L, o, n, PACK_FIXMAP, 16, PACK_MAP16);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        pack_top(L, o, level + 1);
        pack_top(L, o, level + 1);
    }
}

/* Takes the value from the top. */
static void pack_top(lua_State *L, lib_out *o, int level) {
    int type = lua_type(L, -1);
    luaL_checkstack(L, 4 + LIB_OUT_SLOTS, "value is nested too deeply");
    if (type == LUA_TSTRING)
        pack_string(L, o);
    else if (type == LUA_TBOOLEAN)
        lib_out_byte(o, lua_toboolean(L, -1) ? PACK_TRUE : PACK_FALSE);
    else if (type == LUA_TNUMBER)
        pack_number(o, lua_tonumber(L, -1));
    else if (type == LUA_TTABLE && level < NESTING_MAX)
        pack_table(L, o, level);
    else
        lib_out_byte(o, PACK_NIL);
    lua_pop(L, 1);
}

/* pack(value, ...): the values, one behind the other */
static int msgpack_pack(lua_State *L) {
    int n = lua_gettop(L);
    lib_out out;
    if (n == 0) return luaL_argerror(L, 0, "MessagePack pack needs input.");
    luaL_checkstack(L, 4 + LIB_OUT_SLOTS, "too many values");
    lib_out_start(&out, L);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i);
        pack_top(L, &out, 0);
    }
    lib_out_push(&out);
    return 1;
}

static const luaL_Reg functions[] = {{"pack", msgpack_pack},
                                     {"unpack", lib_msgpack_unpack},
                                     {"unpack_one", lib_msgpack_unpack_one},
                                     {"unpack_limit", lib_msgpack_unpack_limit},
                                     {NULL, NULL}};

/* Scripts look at the version to see which encodings they may expect. */
int lib_cmsgpack_open(lua_State *L) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    lua_pushliteral(L, "cmsgpack");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "lua-cmsgpack 0.4.0");
    lua_setfield(L, -2, "_VERSION");
    lua_pushliteral(L, "Copyright (C) 2012, Salvatore Sanfilippo");
    lua_setfield(L, -2, "_COPYRIGHT");
    lua_pushliteral(L, "MessagePack C implementation for Lua");
    lua_setfield(L, -2, "_DESCRIPTION");
    return 1;
}
