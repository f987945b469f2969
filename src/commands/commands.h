/* commands: the command tables of this folder, one a family, for whoever makes a server of them. */
#ifndef STAVE_COMMANDS_COMMANDS_H
#define STAVE_COMMANDS_COMMANDS_H

#include "session/command.h"

extern const command string_commands[];
extern const command bitmap_commands[];
extern const command hash_commands[];
extern const command zset_commands[];
extern const command list_commands[];
extern const command set_commands[];
extern const command stream_commands[];
extern const command hll_commands[];
extern const command sort_commands[];
extern const command geo_commands[];
extern const command keys_commands[];
extern const command dump_commands[];       /* DUMP, RESTORE */
extern const command connection_commands[]; /* PING, AUTH, HELLO, SELECT, CLIENT, ... */
extern const command command_commands[];    /* COMMAND */

#endif
