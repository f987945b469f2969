/* cjson.encode: a value as JSON, in one walk over it. A table is an array if all its keys are
 * positive integers, one at least, and its holes (which become null) are not too large; else an
 * object, whose numeric keys become strings. */
#include "script/lib_cjson.h"
#include "script/lib_out.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define ESCAPED_MAX 6  /* bytes of an escaped one: \u001f */
#define NUMBER_TEXT 32 /* more than %.14g gives */

/* One call of encode. */
typedef struct encoder {
    lua_State *L;
    const lib_json_config *config;
    lib_out out;
    int depth; /* tables around the value */
} encoder;

/* The value at `at` can't be said in JSON. */
static void refuse(encoder *e, int at, const char *why) {
    luaL_error(e->L, "Cannot serialise %s: %s", luaL_typename(e->L, at), why);
}

/* ---- strings and numbers -----------------------------------------------------------------------
 */

/* The letter behind the backslash of an escaped byte; 'u' for those without a letter, 0 for bytes
 * that stand for themselves. */
static char escape_letter(unsigned char c) {
    switch (c) {
    case '"':
    case '\\':
    case '/': return (char)c;
    case '\b': return 'b';
    case '\t': return 't';
    case '\n': return 'n';
    case '\f': return 'f';
    case '\r': return 'r';
    default: return c < 32 || c == 127 ? 'u' : 0;
    }
}

/* The string at the stack's `at`. Runs of plain bytes are copied as they are, so that nothing is
 * reserved for escapes that are not there. */
static void put_string(encoder *e, int at) {
    size_t n, done = 0;
    const char *s = lua_tolstring(e->L, at, &n);
    lib_out_byte(&e->out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        char letter = escape_letter(c), escaped[ESCAPED_MAX + 1];
        if (!letter) continue;
        int len = letter == 'u' ? snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)c)
                                : snprintf(escaped, sizeof escaped, "\\%c", letter);
        lib_out_append(&e->out, s + done, i - done);
        lib_out_append(&e->out, escaped, (size_t)len);
        done = i + 1;
    }
    lib_out_append(&e->out, s + done, n - done);
    lib_out_byte(&e->out, '"');
}

/* The number at `at`, which may be a key. More digits than the setting says are rounded away. */
static void put_number(encoder *e, int at) {
    double n = lua_tonumber(e->L, at);
    int invalid = e->config->encode_numbers;
    char text[NUMBER_TEXT];
    if (!isfinite(n) && invalid == JSON_NUMBERS_OFF) refuse(e, at, "must not be NaN or Inf");
    if (!isfinite(n) && invalid == JSON_NUMBERS_NULL)
        lib_out_append(&e->out, "null", 4);
    else if (isnan(n))
        lib_out_append(&e->out, "nan", 3); /* never "-nan" */
    else
        lib_out_append(&e->out, text,
                       (size_t)snprintf(text, sizeof text, "%.*g", e->config->precision, n));
}

/* ---- tables ------------------------------------------------------------------------------------
 */

/* The last index of the table at the top, if it is to be an array; 0 if an object. */
static double array_length(encoder *e) {
    lua_State *L = e->L;
    const lib_json_config *c = e->config;
    double last = 0, items = 0;
    lua_pushnil(L);
    for (; lua_next(L, -2); items++) {
        lua_pop(L, 1);
        double n = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        if (n < 1 || n > INT32_MAX || floor(n) != n) {
            lua_pop(L, 1);
            return 0;
        }
        if (n > last) last = n;
    }
    bool sparse = c->sparse_ratio > 0 && last > items * c->sparse_ratio && last > c->sparse_safe;
    if (sparse && !c->sparse_convert) refuse(e, -1, "excessively sparse array");
    return sparse ? 0 : last;
}

static void put_value(encoder *e);

/* The elements of the table at the top. */
static void put_array(encoder *e, int last) {
    lib_out_byte(&e->out, '[');
    for (int i = 1; i <= last; i++) {
        if (i > 1) lib_out_byte(&e->out, ',');
        lua_rawgeti(e->L, -1, i);
        put_value(e);
        lua_pop(e->L, 1);
    }
    lib_out_byte(&e->out, ']');
}

/* Its pairs. A numeric key is not converted in place: lua_next needs it. */
static void put_object(encoder *e) {
    lua_State *L = e->L;
    bool first = true;
    lib_out_byte(&e->out, '{');
    lua_pushnil(L);
    for (; lua_next(L, -2); first = false) {
        int type = lua_type(L, -2);
        if (!first) lib_out_byte(&e->out, ',');
        if (type == LUA_TSTRING) {
            put_string(e, -2);
        } else if (type == LUA_TNUMBER) {
            lib_out_byte(&e->out, '"');
            put_number(e, -2);
            lib_out_byte(&e->out, '"');
        } else {
            refuse(e, -2, "table key must be a number or string");
        }
        lib_out_byte(&e->out, ':');
        put_value(e);
        lua_pop(L, 1);
    }
    lib_out_byte(&e->out, '}');
}

/* The depth, and with it the C stack, is bounded by the setting and by the slots of Lua's stack. */
static void put_table(encoder *e) {
    if (++e->depth > e->config->encode_depth || !lua_checkstack(e->L, 3 + LIB_OUT_SLOTS))
        luaL_error(e->L, "Cannot serialise, excessive nesting (%d)", e->depth);
    double last = array_length(e);
    if (last > 0)
        put_array(e, (int)last);
    else
        put_object(e);
    e->depth--;
}

/* The value at the top, which stays. */
static void put_value(encoder *e) {
    lua_State *L = e->L;
    switch (lua_type(L, -1)) {
    case LUA_TSTRING: put_string(e, -1); return;
    case LUA_TNUMBER: put_number(e, -1); return;
    case LUA_TBOOLEAN:
        if (lua_toboolean(L, -1))
            lib_out_append(&e->out, "true", 4);
        else
            lib_out_append(&e->out, "false", 5);
        return;
    case LUA_TTABLE: put_table(e); return;
    case LUA_TNIL: lib_out_append(&e->out, "null", 4); return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, -1)) {
            lib_out_append(&e->out, "null", 4);
            return;
        }
        break;
    default: break;
    }
    refuse(e, -1, "type not supported");
}

/* encode(value) */
int lib_json_encode(lua_State *L) {
    encoder e = {.L = L, .config = lib_json_config_of(L)};
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    lib_out_start(&e.out, L);
    lua_pushvalue(L, 1);
    put_value(&e);
    lib_out_push(&e.out);
    return 1;
}
