/* function_load: a library's text becomes functions in Lua. */
#ifndef STAVE_SCRIPT_FUNCTION_LOAD_H
#define STAVE_SCRIPT_FUNCTION_LOAD_H

#include "script/function_set.h"
#include "script/vm.h"

/* The library's name, from the first line of its text: `#!lua name=NAME`. It lies in *name. false:
 * the message without a code is in *error. */
bool function_header(slice code, buf *name, buf *error);
/* Runs the text, which registers functions, in the functions' own state. NULL: the message is in
 * *error, and nothing of it is left. REQUIRES: function_header has found the name. timed: it may
 * take FUNCTION_LOAD_MS. */
library *function_load(slice name, slice code, bool timed, buf *error);
#define FUNCTION_LOAD_MS 500

/* The state, made when first asked for. */
vm *function_vm(void);
/* Its memory; 0 while there is none. */
size_t function_vm_bytes(void);
/* The Lua function may go. */
void function_unref(int ref);
/* The state goes. REQUIRES: no library is left. */
void function_vm_free(void);

#endif
