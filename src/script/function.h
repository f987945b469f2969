/* function: parts of the container FUNCTION that have files of their own. */
#ifndef STAVE_SCRIPT_FUNCTION_H
#define STAVE_SCRIPT_FUNCTION_H

#include "session/client.h"

command_result function_dump(client *c);    /* function_dump.c: DUMP */
command_result function_restore(client *c); /* RESTORE */
command_result function_list(client *c);    /* function_list.c: LIST */
command_result function_stats(client *c);   /* STATS */

#endif
