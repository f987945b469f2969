/* libs: the libraries that scripts have besides Lua's own, a file each.
 *
 * Each opens as Lua's own openers do: called as a lua_CFunction with the library's name, it leaves
 * the library's table on the stack (as its one result) and sets no global. The sandbox puts that
 * table under the name `name` for scripts, read-only. */
#ifndef STAVE_SCRIPT_LIBS_H
#define STAVE_SCRIPT_LIBS_H

#include <lua.h>

typedef struct script_lib {
    const char *name; /* "cjson" */
    lua_CFunction open;
} script_lib;

/* All of them, ended by {0}. */
extern const script_lib script_libs[];

int lib_cjson_open(lua_State *L);
int lib_cmsgpack_open(lua_State *L);
int lib_struct_open(lua_State *L);
int lib_bit_open(lua_State *L);

#endif
