/* convert: replies as Lua values, and Lua values as replies. */
#ifndef STAVE_SCRIPT_CONVERT_H
#define STAVE_SCRIPT_CONVERT_H

#include "base/buf.h"
#include "session/client.h"

#include <lua.h>

/* Pushes the reply at p[0..n) as Redis shows it to scripts; p holds one whole reply, as the reply
 * functions have written it. Returns what follows it. An error reply becomes {err = "CODE text"}.
 *
 *     RESP            Lua                       RESP3                Lua
 *     :1              1                         _                    nil
 *     $.. *..         string, table             #t                   true
 *     $-1 *-1         false                     ,1.5                 {double = 1.5}
 *     +OK             {ok = "OK"}               (12                  {big_number = "12"}
 *     -ERR x          {err = "ERR x"}           %.. ~..              {map = {..}} {set = {..}}
 *                                               =.. "txt:abc"        {verbatim_string = {..}} */
const char *convert_to_lua(lua_State *L, const char *p, const char *end);

/* Replies to c with the value on the stack, which is taken; proto: of the script (redis.setresp).
 * Never raises an error. */
void convert_to_reply(lua_State *L, client *c, int proto);

#endif
