/* bit: operations on 32 bits, with the functions and the results of Mike Pall's BitOp, which is
 * what redis-server has.
 *
 * A number is taken modulo 2^32: adding 2^52 + 2^51 to a double moves its integer part to the low
 * bits of its fraction, rounded to even, whatever its sign. Results are signed. Shifts look at the
 * low five bits of their count. */
#include "script/libs.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#define TO_LOW_BITS 6755399441055744.0 /* 2^52 + 2^51 */
#define HEX_DIGITS  8

/* The argument's 32 bits; an error if it is no number. */
static uint32_t bits(lua_State *L, int arg) {
    double n = luaL_checknumber(L, arg) + TO_LOW_BITS;
    uint64_t image;
    memcpy(&image, &n, sizeof image);
    return (uint32_t)image;
}

/* The result: 32 bits as a signed number. */
static int give(lua_State *L, uint32_t v) {
    lua_pushnumber(L, (lua_Number)(int32_t)v);
    return 1;
}

/* ---- one number --------------------------------------------------------------------------------
 */

/* tobit(x): the number itself, brought into the range of the others */
static int bit_tobit(lua_State *L) {
    return give(L, bits(L, 1));
}

/* bnot(x): every bit turned */
static int bit_bnot(lua_State *L) {
    return give(L, ~bits(L, 1));
}

/* bswap(x): the four bytes in the opposite order */
static int bit_bswap(lua_State *L) {
    return give(L, __builtin_bswap32(bits(L, 1)));
}

/* tohex(x [, n]): the n lowest digits, in capitals if n is negative. The smallest integer has no
 * opposite: the count is held to the digits there are before its sign is changed. */
static int bit_tohex(lua_State *L) {
    uint32_t v = bits(L, 1);
    int32_t n = lua_isnone(L, 2) ? HEX_DIGITS : (int32_t)bits(L, 2);
    const char *digits = n < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[HEX_DIGITS];
    if (n < -HEX_DIGITS || n > HEX_DIGITS) n = HEX_DIGITS;
    if (n < 0) n = -n;
    for (int32_t i = n; i > 0; v >>= 4)
        text[--i] = digits[v & 15];
    lua_pushlstring(L, text, (size_t)n);
    return 1;
}

/* ---- several -----------------------------------------------------------------------------------
 */

/* band(x, ...): the bits that all have */
static int bit_band(lua_State *L) {
    uint32_t v = bits(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        v &= bits(L, i);
    return give(L, v);
}

/* bor(x, ...): the bits that any has */
static int bit_bor(lua_State *L) {
    uint32_t v = bits(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        v |= bits(L, i);
    return give(L, v);
}

/* bxor(x, ...): the bits that an odd number of them has */
static int bit_bxor(lua_State *L) {
    uint32_t v = bits(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        v ^= bits(L, i);
    return give(L, v);
}

/* ---- shifts ------------------------------------------------------------------------------------
 */

/* By how much the second argument shifts: 32 is 0 again. */
static uint32_t count(lua_State *L) {
    return bits(L, 2) & 31;
}

/* lshift(x, n): zeros come in from the right */
static int bit_lshift(lua_State *L) {
    uint32_t v = bits(L, 1);
    return give(L, v << count(L));
}

/* rshift(x, n): zeros come in from the left */
static int bit_rshift(lua_State *L) {
    uint32_t v = bits(L, 1);
    return give(L, v >> count(L));
}

/* The sign moves in from the left. */
static int bit_arshift(lua_State *L) {
    uint32_t v = bits(L, 1), n = count(L);
    uint32_t moved = v >> n;
    if (v >> 31 && n) moved |= ~(UINT32_MAX >> n);
    return give(L, moved);
}

/* The bits that leave at the left come in at the right; left < 32. */
static uint32_t rotate(uint32_t v, uint32_t left) {
    return v << left | v >> ((32 - left) & 31);
}

/* rol(x, n): to the left */
static int bit_rol(lua_State *L) {
    uint32_t v = bits(L, 1);
    return give(L, rotate(v, count(L)));
}

/* ror(x, n): to the right, which is to the left by what is missing to 32 */
static int bit_ror(lua_State *L) {
    uint32_t v = bits(L, 1);
    return give(L, rotate(v, (32 - count(L)) & 31));
}

static const luaL_Reg functions[] = {
    {"tobit", bit_tobit},   {"bnot", bit_bnot},       {"bswap", bit_bswap}, {"tohex", bit_tohex},
    {"band", bit_band},     {"bor", bit_bor},         {"bxor", bit_bxor},   {"lshift", bit_lshift},
    {"rshift", bit_rshift}, {"arshift", bit_arshift}, {"rol", bit_rol},     {"ror", bit_ror},
    {NULL, NULL},
};

/* The table of functions. */
int lib_bit_open(lua_State *L) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
