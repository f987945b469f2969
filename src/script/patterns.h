/* patterns: string.find, match, gmatch and gsub, which recurse in C for each repetition of a
 * pattern. */
#ifndef STAVE_SCRIPT_PATTERNS_H
#define STAVE_SCRIPT_PATTERNS_H

#include <lua.h>

/* The table at the top of the stack is Lua's library of strings: replaces them in it. */
void patterns_guard(lua_State *L);

#endif
