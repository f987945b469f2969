/* client_command: CLIENT, which has its own files: the sub-commands, and the list of clients. */
#ifndef STAVE_COMMANDS_CLIENT_COMMAND_H
#define STAVE_COMMANDS_CLIENT_COMMAND_H

#include "session/client.h"

extern const command client_subcommands[];

/* Sets *field (&c->name and the like) to a text without spaces and control characters; false after
 * having replied with the error ("WHAT cannot contain spaces, ..."). */
bool client_name(client *c, char **field, const char *what, slice text);

/* client_list.c */
/* Appends the line of CLIENT INFO, newline included. */
void client_describe(buf *out, const client *c);
command_result client_list_command(client *c);
command_result client_info_command(client *c);
command_result client_kill_command(client *c);

#endif
