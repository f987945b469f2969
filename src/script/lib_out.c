/* lib_out: a buffer that doubles. A userdata can't grow in place, so a larger one takes its slot
 * and the bytes are copied; the smaller one is garbage of the script. */
#include "script/lib_out.h"

#include <lauxlib.h>
#include <string.h>

#define START_BYTES 256

/* The first userdata holds what most scripts put together. */
void lib_out_start(lib_out *o, lua_State *L) {
    *o = (lib_out){.L = L, .cap = START_BYTES};
    o->data = lua_newuserdata(L, START_BYTES);
    o->at = lua_gettop(L);
}

/* lua_newuserdata() raises an error when there is no memory; a length that wraps can't happen, as
 * both are lengths of what is in memory, but is told from one that fits all the same. */
char *lib_out_reserve(lib_out *o, size_t n) {
    if (n <= o->cap - o->len) return o->data + o->len;
    if (n > (size_t)-1 / 2 - o->len) luaL_error(o->L, "result is too long");
    size_t cap = 2 * (o->len + n);
    char *larger = lua_newuserdata(o->L, cap);
    memcpy(larger, o->data, o->len);
    lua_replace(o->L, o->at);
    o->data = larger;
    o->cap = cap;
    return o->data + o->len;
}

/* The bytes must not be those of the buffer itself. */
void lib_out_append(lib_out *o, const void *bytes, size_t n) {
    char *to = lib_out_reserve(o, n);
    if (n) memcpy(to, bytes, n);
    o->len += n;
}

/* The low eight bits. */
void lib_out_byte(lib_out *o, unsigned byte) {
    *lib_out_reserve(o, 1) = (char)byte;
    o->len++;
}

/* Padding. */
void lib_out_zeros(lib_out *o, size_t n) {
    char *to = lib_out_reserve(o, n);
    if (n) memset(to, 0, n);
    o->len += n;
}

/* The buffer stays as it is. */
void lib_out_push(lib_out *o) {
    lua_pushlstring(o->L, o->data, o->len);
}
