/* cjson: JSON, with the functions, the results and the error texts of lua-cjson 2.1.0, which
 * redis-server has. It is written anew for two reasons: that library takes memory beside Lua's,
 * which no limit bounds and an error on the way leaks; and its lengths are ints, which a script can
 * make wrap (CVE-2022-24834) or end the process with. Here all memory is the script's.
 *
 * What bounds it: encoding, the script's memory, as each value takes a byte at least, and a depth
 * (1000, up to what the stack has: 8000 arrays, 4000 objects); decoding, the text, and a depth
 * likewise.
 *
 * The settings belong to a table of functions. Those of the global one stay as a script sets them
 * until the scripts' state is made anew, as there: a script that needs them sets them, or has its
 * own: cjson.new(). */
#include "script/lib_cjson.h"

#include "script/libs.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>

#define PRECISION_MAX 14

/* Of the function that runs. */
lib_json_config *lib_json_config_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* ---- settings ----------------------------------------------------------------------------------
 */

/* The settings, with exactly so many arguments on the stack: those not given are nil. */
static lib_json_config *with_arguments(lua_State *L, int n) {
    luaL_argcheck(L, lua_gettop(L) <= n, n + 1, "found too many arguments");
    lua_settop(L, n);
    return lib_json_config_of(L);
}

/* Sets an integer, if one is given; pushes it. A value out of range is the first argument's fault,
 * wherever it is, as there. */
static int integer_setting(lua_State *L, int arg, int *setting, int min, int max) {
    if (!lua_isnil(L, arg)) {
        lua_Integer v = luaL_checkinteger(L, arg);
        char text[80];
        snprintf(text, sizeof text, "expected integer between %d and %d", min, max);
        luaL_argcheck(L, v >= min && v <= max, 1, text);
        *setting = (int)v;
    }
    lua_pushinteger(L, *setting);
    return 1;
}

/* Sets a choice, if one is given, by its name or, for the first two, as a boolean; pushes it. */
static int choice_setting(lua_State *L, int arg, int *setting, const char *const names[]) {
    if (lua_isboolean(L, arg))
        *setting = lua_toboolean(L, arg);
    else if (!lua_isnil(L, arg))
        *setting = luaL_checkoption(L, arg, NULL, names);
    if (*setting <= 1)
        lua_pushboolean(L, *setting);
    else
        lua_pushstring(L, names[*setting]);
    return 1;
}

static const char *const off_on[] = {"off", "on", NULL};
static const char *const off_on_null[] = {"off", "on", "null", NULL};

/* encode_sparse_array([convert [, ratio [, safe]]]): when a table has too many holes for an array
 */
static int encode_sparse_array(lua_State *L) {
    lib_json_config *c = with_arguments(L, 3);
    choice_setting(L, 1, &c->sparse_convert, off_on);
    integer_setting(L, 2, &c->sparse_ratio, 0, INT_MAX);
    integer_setting(L, 3, &c->sparse_safe, 0, INT_MAX);
    return 3;
}

/* encode_max_depth([n]): tables inside of tables */
static int encode_max_depth(lua_State *L) {
    lib_json_config *c = with_arguments(L, 1);
    return integer_setting(L, 1, &c->encode_depth, 1, INT_MAX);
}

/* decode_max_depth([n]): likewise, of text */
static int decode_max_depth(lua_State *L) {
    lib_json_config *c = with_arguments(L, 1);
    return integer_setting(L, 1, &c->decode_depth, 1, INT_MAX);
}

/* encode_number_precision([digits]) */
static int encode_number_precision(lua_State *L) {
    lib_json_config *c = with_arguments(L, 1);
    return integer_setting(L, 1, &c->precision, 1, PRECISION_MAX);
}

/* encode_keep_buffer([on]): without effect, as there is none to keep */
static int encode_keep_buffer(lua_State *L) {
    lib_json_config *c = with_arguments(L, 1);
    return choice_setting(L, 1, &c->encode_keep, off_on);
}

/* encode_invalid_numbers([choice]): infinities and NaN are an error, themselves, or null */
static int encode_invalid_numbers(lua_State *L) {
    lib_json_config *c = with_arguments(L, 1);
    return choice_setting(L, 1, &c->encode_numbers, off_on_null);
}

/* decode_invalid_numbers([on]): are numbers read that JSON has not? */
static int decode_invalid_numbers(lua_State *L) {
    lib_json_config *c = with_arguments(L, 1);
    return choice_setting(L, 1, &c->decode_numbers, off_on);
}

/* ---- the table ---------------------------------------------------------------------------------
 */

/* new(): a cjson of its own settings */
static int json_new(lua_State *L) {
    return lib_cjson_open(L);
}

static const luaL_Reg functions[] = {{"encode", lib_json_encode},
                                     {"decode", lib_json_decode},
                                     {"encode_sparse_array", encode_sparse_array},
                                     {"encode_max_depth", encode_max_depth},
                                     {"decode_max_depth", decode_max_depth},
                                     {"encode_number_precision", encode_number_precision},
                                     {"encode_keep_buffer", encode_keep_buffer},
                                     {"encode_invalid_numbers", encode_invalid_numbers},
                                     {"decode_invalid_numbers", decode_invalid_numbers},
                                     {"new", json_new},
                                     {NULL, NULL}};

/* Pushes the table. cjson.null, which is not nil so that tables can hold it, is a light userdata.
 */
int lib_cjson_open(lua_State *L) {
    lua_newtable(L);
    lib_json_config *c = lua_newuserdata(L, sizeof *c);
    *c = (lib_json_config){.sparse_ratio = 2,
                           .sparse_safe = 10,
                           .encode_depth = 1000,
                           .encode_keep = 1,
                           .precision = PRECISION_MAX,
                           .decode_depth = 1000,
                           .decode_numbers = 1};
    for (const luaL_Reg *f = functions; f->name; f++) {
        lua_pushvalue(L, -1);
        lua_pushcclosure(L, f->func, 1);
        lua_setfield(L, -3, f->name);
    }
    lua_pop(L, 1);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pushliteral(L, "cjson");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "2.1.0");
    lua_setfield(L, -2, "_VERSION");
    return 1;
}
