/* function_store: the functions there are, in memory and on disk. */
#ifndef STAVE_SCRIPT_FUNCTION_STORE_H
#define STAVE_SCRIPT_FUNCTION_STORE_H

#include "script/function_set.h"

/* As of now, the open batch's changes included. */
const libset *functions_now(void);
/* The open batch makes it this one, which is taken. Anything but ENGINE_OK: it has not. */
engine_result functions_change(keyspace *ks, libset *next);
/* What the engine's records say, in the place of what there is. A library that can't be loaded is
 * there without functions, and told in the log. REQUIRES: not in a batch. */
status functions_open(keyspace *ks);
/* Forgets all, and the Lua state. */
void functions_close(void);

#endif
