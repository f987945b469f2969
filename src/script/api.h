/* api: the functions of `redis` that scripts call. */
#ifndef STAVE_SCRIPT_API_H
#define STAVE_SCRIPT_API_H

#include <lua.h>

/* Pushes a new table with all of them (redis.call, redis.log, ...). */
void api_push(lua_State *L);
/* Pushes a new table with those alone that a library has while it is loaded (redis.log and levels,
 * versions); FUNCTION adds register_function. */
void api_push_load(lua_State *L);

/* Raises an error of Redis' kind: a table {err = "ERR text", ...}. Never returns. */
int api_error(lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
