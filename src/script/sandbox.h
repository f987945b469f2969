/* sandbox: what scripts see of Lua, and how tables are kept from being changed.
 *
 * Lua 5.1 has no read-only tables. Scripts are given an empty table in the place of each that they
 * must not change, whose metatable lets reads through and refuses writes:
 *
 *     script ──> shown (empty) ── metatable: __index ──> hidden (the real one)
 *                                            __newindex: "Attempt to modify a readonly table"
 *
 * The functions that would see or change the empty table itself (rawset, rawget, next, pairs,
 * setmetatable, getmetatable, table.insert and the like) are replaced by ones that know it. Nothing
 * hands out a hidden table. */
#ifndef STAVE_SCRIPT_SANDBOX_H
#define STAVE_SCRIPT_SANDBOX_H

#include "script/vm.h"

/* Opens the libraries and makes the globals. Called once, in a protected call. */
void sandbox_open(lua_State *L);
/* Replaces the table on the stack by one that shows it, tables in it likewise. */
void sandbox_protect(lua_State *L);
/* Gives the table on the stack a metatable: reading what is not in it is an error, as with globals.
 */
void sandbox_strict(lua_State *L);
/* What all code in the state sees as its globals from now on: the hidden table of that reference.
 * v->globals: what it sees to begin with. */
void sandbox_show(vm *v, int reference);
/* Pushes the hidden table of the one at idx and returns true, if it is one that is shown. */
bool sandbox_hidden(lua_State *L, int idx);
/* Raises "Attempt to modify a readonly table" if the one at idx is. */
void sandbox_check_writable(lua_State *L, int idx);

#endif
