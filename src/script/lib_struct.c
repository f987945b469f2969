/* struct: numbers and strings as the bytes of a C struct, and back. A format is a string of
 *
 *     b B   1 byte, signed, unsigned          f d   float, double
 *     h H   2 bytes                           x     a byte of padding
 *     l L   8 bytes                           s     a string and a zero byte
 *     T     8 bytes, unsigned                 cN    N bytes (1); c0: all of the string, and when
 *     iN IN N bytes (4), at most 32                 unpacked as many as the number before it says
 *     < >   little, big endian from here on   !N    aligned to N at most (8) from here on
 *
 * and blanks. Integers of more than 8 bytes hold 64 bits, the rest is zero.
 *
 * Nothing here adds or multiplies lengths that could wrap: a number in a format is at most INT_MAX,
 * a position is compared with what is left of the data (CVE-2018-11219, CVE-2020-14147). What C
 * leaves open for numbers out of range is fixed to what redis-server gives on x86-64. */
#include "script/libs.h"

#include "script/lib_out.h"

#include <ctype.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INTEGER_MAX   32 /* bytes */
#define ALIGN_DEFAULT 8

/* A format being read. */
typedef struct layout {
    lua_State *L;
    const char *at; /* what is next; ends with NUL */
    bool big;
    size_t align;
} layout;

/* The number that is next, or `otherwise` if there is none. */
static int number(layout *f, int otherwise) {
    if (!isdigit((unsigned char)*f->at)) return otherwise;
    int n = 0;
    for (; isdigit((unsigned char)*f->at); f->at++) {
        int digit = *f->at - '0';
        if (n > (INT_MAX - digit) / 10) luaL_error(f->L, "integral size overflow");
        n = n * 10 + digit;
    }
    return n;
}

/* The bytes that an option takes, its number being read; 0 for what takes none, or as many as the
 * string has. */
static size_t option_size(layout *f, char option) {
    switch (option) {
    case 'b':
    case 'B':
    case 'x': return 1;
    case 'h':
    case 'H': return 2;
    case 'l':
    case 'L':
    case 'T':
    case 'd': return 8;
    case 'f': return 4;
    case 'c': return (size_t)number(f, 1);
    case 'i':
    case 'I': {
        int size = number(f, (int)sizeof(int));
        if (size > INTEGER_MAX)
            luaL_error(f->L, "integral size %d is larger than limit of %d", size, INTEGER_MAX);
        return (size_t)size;
    }
    default: return 0;
    }
}

/* Bytes that bring a position to the option's alignment. A size that is no power of two (i3) is
 * masked like one, as redis-server does. */
static size_t padding(const layout *f, size_t pos, char option, size_t size) {
    if (size == 0 || option == 'c') return 0;
    if (size > f->align) size = f->align;
    return (size - (pos & (size - 1))) & (size - 1);
}

/* An option that takes no bytes. */
static void control(layout *f, char option) {
    if (option == ' ') return;
    if (option == '>' || option == '<') {
        f->big = option == '>';
    } else if (option == '!') {
        int n = number(f, ALIGN_DEFAULT);
        if (n <= 0 || (n & (n - 1))) luaL_error(f->L, "alignment %d is not a power of 2", n);
        f->align = (size_t)n;
    } else {
        const char *why = lua_pushfstring(f->L, "invalid format option '%c'", option);
        luaL_argerror(f->L, 1, why);
    }
}

/* ---- numbers -----------------------------------------------------------------------------------
 */

/* The low 64 bits of n cut to an integer. Below the least int64, and for NaN, the sign bit alone;
 * from 2^64 on, zero. */
static uint64_t integer_bits(double n) {
    if (n != n || n < -0x1p63) return (uint64_t)1 << 63;
    if (n < 0) return (uint64_t)(int64_t)n;
    return n < 0x1p64 ? (uint64_t)n : 0;
}

/* The low bytes of v, zeros above its eight. */
static void put_bits(lib_out *o, uint64_t v, bool big, size_t size) {
    char bytes[INTEGER_MAX];
    for (size_t i = 0; i < size; i++, v = v >> 8)
        bytes[big ? size - 1 - i : i] = (char)(v & 0xff);
    lib_out_append(o, bytes, size);
}

/* Of more than eight bytes the low ones. */
static uint64_t get_bits(const char *data, bool big, size_t size) {
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v = v << 8 | (unsigned char)data[big ? i : size - 1 - i];
    return v;
}

/* The place of the sign bit is taken modulo 64, as the processor takes it. */
static double get_integer(const char *data, bool big, bool is_signed, size_t size) {
    uint64_t v = get_bits(data, big, size);
    if (!is_signed) return (double)v;
    uint64_t sign = UINT64_MAX << ((size * 8 - 1) & 63);
    if (v & sign) v |= sign;
    return (double)(int64_t)v;
}

/* IEEE 754, single if size says so. */
static void put_float(lib_out *o, double n, bool big, size_t size) {
    float f = (float)n;
    uint32_t single;
    uint64_t image;
    memcpy(&single, &f, sizeof f);
    memcpy(&image, &n, sizeof n);
    put_bits(o, size == sizeof f ? single : image, big, size);
}

/* Likewise. */
static double get_float(const char *data, bool big, size_t size) {
    uint64_t image = get_bits(data, big, size);
    uint32_t single = (uint32_t)image;
    float f;
    double n;
    memcpy(&f, &single, sizeof f);
    memcpy(&n, &image, sizeof n);
    return size == sizeof f ? (double)f : n;
}

/* Does the option stand for an integer? */
static bool is_integer(char option) {
    return strchr("bBhHlLTiI", option) != NULL;
}

/* ---- functions ---------------------------------------------------------------------------------
 */

/* The first argument as a format, at its beginning: this machine's order, no alignment. */
static layout layout_of(lua_State *L) {
    return (layout){.L = L, .at = luaL_checkstring(L, 1), .align = 1};
}

/* Appends the string at `arg`, cut to `size` unless that is 0; what it takes. */
static size_t pack_string(lua_State *L, lib_out *o, int arg, char option, size_t size) {
    size_t n;
    const char *s = luaL_checklstring(L, arg, &n);
    if (size == 0) size = n;
    luaL_argcheck(L, n >= size, arg + 1, "string too short"); /* + 1 as in redis-server's text */
    lib_out_append(o, s, size);
    if (option != 's') return size;
    lib_out_byte(o, 0);
    return size + 1;
}

/* pack(format, value, ...) */
static int struct_pack(lua_State *L) {
    layout f = layout_of(L);
    int arg = 2;
    lib_out out;
    lua_pushnil(L); /* what an argument that is missing is found to be */
    lib_out_start(&out, L);
    while (*f.at) {
        char option = *f.at++;
        size_t size = option_size(&f, option);
        lib_out_zeros(&out, padding(&f, out.len, option, size));
        if (is_integer(option))
            put_bits(&out, integer_bits(luaL_checknumber(L, arg++)), f.big, size);
        else if (option == 'f' || option == 'd')
            put_float(&out, luaL_checknumber(L, arg++), f.big, size);
        else if (option == 'c' || option == 's')
            (void)pack_string(L, &out, arg++, option, size);
        else if (option == 'x')
            lib_out_byte(&out, 0);
        else
            control(&f, option);
    }
    lib_out_push(&out);
    return 1;
}

/* Are `size` bytes at `pos` in data of `len`? Else an error. */
static void need(lua_State *L, size_t pos, size_t size, size_t len) {
    luaL_argcheck(L, size <= len && pos <= len - size, 2, "data string too short");
}

/* Pushes the option's value at data + pos; what it takes. *n counts values. */
static size_t unpack_value(layout *f, char option, size_t size, const char *data, size_t pos,
                           size_t len, int *n) {
    lua_State *L = f->L;
    if (option == 'c' && size == 0) {
        if (*n == 0 || !lua_isnumber(L, -1)) luaL_error(L, "format 'c0' needs a previous size");
        double wanted = lua_tonumber(L, -1);
        lua_pop(L, 1);
        --*n;
        luaL_argcheck(L, wanted > -1 && wanted <= (double)len, 2, "data string too short");
        size = (size_t)wanted;
        need(L, pos, size, len);
    }
    if (is_integer(option)) {
        bool is_signed = option >= 'a';
        lua_pushnumber(L, get_integer(data + pos, f->big, is_signed, size));
    } else if (option == 'f' || option == 'd') {
        lua_pushnumber(L, get_float(data + pos, f->big, size));
    } else if (option == 'c') {
        lua_pushlstring(L, data + pos, size);
    } else {
        const char *end = memchr(data + pos, 0, len - pos);
        if (!end) luaL_error(L, "unfinished string in data");
        size = (size_t)(end - (data + pos)) + 1;
        lua_pushlstring(L, data + pos, size - 1);
    }
    ++*n;
    return size;
}

/* unpack(format, data [, position]): the values, and the position behind them */
static int struct_unpack(lua_State *L) {
    layout f = layout_of(L);
    size_t len, pos;
    const char *data = luaL_checklstring(L, 2, &len);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    int n = 0;
    luaL_argcheck(L, from != 0, 3, "offset must be 1 or greater");
    pos = (size_t)from - 1; /* of a negative one: beyond any data */
    while (*f.at) {
        char option = *f.at++;
        size_t size = option_size(&f, option), pad = padding(&f, pos, option, size);
        luaL_argcheck(L, pos <= len && pad <= len - pos, 2, "data string too short");
        pos += pad;
        need(L, pos, size, len);
        luaL_checkstack(L, 2, "too many results");
        if (option == 'x')
            pos++;
        else if (is_integer(option) || strchr("fdcs", option))
            pos += unpack_value(&f, option, size, data, pos, len, &n);
        else
            control(&f, option);
    }
    lua_pushinteger(L, (lua_Integer)(pos + 1));
    return n + 1;
}

/* size(format): the bytes that pack() would give. A sum of INT_MAX each is far from wrapping. */
static int struct_size(lua_State *L) {
    layout f = layout_of(L);
    size_t pos = 0;
    while (*f.at) {
        char option = *f.at++;
        size_t size = option_size(&f, option);
        pos += padding(&f, pos, option, size);
        if (option == 's')
            luaL_argerror(L, 1, "option 's' has no fixed size");
        else if (option == 'c' && size == 0)
            luaL_argerror(L, 1, "option 'c0' has no fixed size");
        if (!isalnum((unsigned char)option)) control(&f, option); /* an unknown letter takes none */
        pos += size;
    }
    lua_pushinteger(L, (lua_Integer)pos);
    return 1;
}

static const luaL_Reg functions[] = {
    {"pack", struct_pack}, {"unpack", struct_unpack}, {"size", struct_size}, {NULL, NULL}};

/* The table of functions. */
int lib_struct_open(lua_State *L) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
