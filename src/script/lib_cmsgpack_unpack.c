/* cmsgpack: values from MessagePack. Every length is compared with what is left of the input before
 * a byte of it is read. A count says nothing about memory: elements are read one by one, and one
 * that is missing ends it. Nesting takes the stack's slots, and those end (8000) before the C stack
 * does. */
#include "script/lib_cmsgpack.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

/* What is left of the input. */
typedef struct cursor {
    lua_State *L;
    const unsigned char *at;
    size_t left;
} cursor;

/* The next n bytes. */
static const unsigned char *take(cursor *c, size_t n) {
    const unsigned char *at = c->at;
    if (n > c->left) luaL_error(c->L, "Missing bytes in input.");
    c->at += n;
    c->left -= n;
    return at;
}

/* A number of so many bytes, the highest first. */
static uint64_t take_number(cursor *c, unsigned size) {
    const unsigned char *p = take(c, size);
    uint64_t v = 0;
    for (unsigned i = 0; i < size; i++)
        v = v << 8 | p[i];
    return v;
}

/* An integer of so many bytes, its sign bit the first of them. */
static void push_signed(cursor *c, unsigned size) {
    unsigned above = 64 - 8 * size;
    lua_pushnumber(c->L, (double)((int64_t)(take_number(c, size) << above) >> above));
}

/* IEEE 754, single. */
static void push_float(cursor *c) {
    uint32_t bits = (uint32_t)take_number(c, 4);
    float f;
    memcpy(&f, &bits, sizeof f);
    lua_pushnumber(c->L, (double)f);
}

/* IEEE 754, double. */
static void push_double(cursor *c) {
    uint64_t bits = take_number(c, 8);
    double n;
    memcpy(&n, &bits, sizeof n);
    lua_pushnumber(c->L, n);
}

/* Of n bytes. */
static void push_string(cursor *c, size_t n) {
    const unsigned char *s = take(c, n);
    lua_pushlstring(c->L, (const char *)s, n);
}

static void push_value(cursor *c);

/* An index beyond INT_MAX would need as many bytes of input. */
static void push_array(cursor *c, uint64_t n) {
    lua_newtable(c->L);
    for (uint64_t i = 1; i <= n; i++) {
        push_value(c);
        if (i > INT_MAX) luaL_error(c->L, "Bad data format in input.");
        lua_rawseti(c->L, -2, (int)i);
    }
}

/* A key that is nil or NaN is an error of lua_rawset's. */
static void push_map(cursor *c, uint64_t n) {
    lua_newtable(c->L);
    while (n--) {
        push_value(c);
        push_value(c);
        lua_rawset(c->L, -3);
    }
}

/* The value that is next. An unsigned one of 64 bits is taken as signed, as in redis-server. */
static void push_value(cursor *c) {
    lua_State *L = c->L;
    luaL_checkstack(L, 4,
                    "too many return values at once; use unpack_one or unpack_limit instead.");
    unsigned head = *take(c, 1);
    if (head < PACK_FIXMAP)
        lua_pushnumber(L, head);
    else if (head < PACK_FIXARRAY)
        push_map(c, head - PACK_FIXMAP);
    else if (head < PACK_FIXRAW)
        push_array(c, head - PACK_FIXARRAY);
    else if (head < PACK_NIL)
        push_string(c, head - PACK_FIXRAW);
    else if (head == PACK_NIL)
        lua_pushnil(L);
    else if (head == PACK_FALSE || head == PACK_TRUE)
        lua_pushboolean(L, head == PACK_TRUE);
    else if (head == PACK_FLOAT)
        push_float(c);
    else if (head == PACK_DOUBLE)
        push_double(c);
    else if (head >= PACK_UINT8 && head < PACK_INT8)
        lua_pushnumber(L, (double)(int64_t)take_number(c, 1u << (head - PACK_UINT8)));
    else if (head >= PACK_INT8 && head < PACK_INT8 + 4)
        push_signed(c, 1u << (head - PACK_INT8));
    else if (head >= PACK_RAW8 && head < PACK_ARRAY16)
        push_string(c, take_number(c, 1u << (head - PACK_RAW8)));
    else if (head == PACK_ARRAY16 || head == PACK_ARRAY32)
        push_array(c, take_number(c, head == PACK_ARRAY16 ? 2 : 4));
    else if (head == PACK_MAP16 || head == PACK_MAP32)
        push_map(c, take_number(c, head == PACK_MAP16 ? 2 : 4));
    else if (head >= PACK_NEGATIVE)
        lua_pushnumber(L, (double)head - 256);
    else
        luaL_error(L, "Bad data format in input.");
}

/* Pushes at most `limit` values from `offset` on, before them the offset behind them (-1: the
 * input's end); both zero: all values, and no offset. */
static int unpack(lua_State *L, int limit, int offset) {
    size_t len;
    int n = 0, all = limit == 0 && offset == 0;
    const char *s = luaL_checklstring(L, 1, &len);
    if (offset < 0 || limit < 0)
        return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.", offset,
                          (int)len);
    if ((size_t)offset > len)
        return luaL_error(L, "Start offset %d greater than input length %d.", offset, (int)len);
    cursor c = {.L = L, .at = (const unsigned char *)s + offset, .left = len - (size_t)offset};
    lua_settop(L, 1);
    for (; c.left && (all || n < limit); n++)
        push_value(&c);
    if (all) return n;
    lua_pushnumber(L, c.left ? (double)(len - c.left) : -1);
    lua_insert(L, 2);
    return n + 1;
}

/* unpack(bytes): all values */
int lib_msgpack_unpack(lua_State *L) {
    return unpack(L, 0, 0);
}

/* unpack_one(bytes [, offset]): the next offset, one value */
int lib_msgpack_unpack_one(lua_State *L) {
    return unpack(L, 1, (int)luaL_optinteger(L, 2, 0));
}

/* unpack_limit(bytes, limit [, offset]): the next offset, so many values. Both numbers are cut to
 * an int, as in redis-server. */
int lib_msgpack_unpack_limit(lua_State *L) {
    int limit = (int)luaL_checkinteger(L, 2);
    return unpack(L, limit, (int)luaL_optinteger(L, 3, 0));
}
