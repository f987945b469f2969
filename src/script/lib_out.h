/* lib_out: bytes that a library of scripts puts together. They live in a userdata, so the state's
 * allocator gives them and its collector takes them back, whatever error ends the function. */
#ifndef STAVE_SCRIPT_LIB_OUT_H
#define STAVE_SCRIPT_LIB_OUT_H

#include <lua.h>
#include <stddef.h>

#define LIB_OUT_SLOTS 2 /* free slots of the stack that any call below may use */

typedef struct lib_out {
    lua_State *L;
    int at; /* the userdata's place on the stack */
    char *data;
    size_t len, cap;
} lib_out;

/* Empty; its userdata becomes the stack's top, and must stay where it is. */
void lib_out_start(lib_out *o, lua_State *L);
/* Room for n more bytes, to be written there and counted by the caller in o->len. */
char *lib_out_reserve(lib_out *o, size_t n);
void lib_out_append(lib_out *o, const void *bytes, size_t n);
void lib_out_byte(lib_out *o, unsigned byte);
void lib_out_zeros(lib_out *o, size_t n);
/* Pushes what is there as a string. */
void lib_out_push(lib_out *o);

#endif
