/* keys_family: the functions of the generic commands, by file; keys.c has their table. */
#ifndef STAVE_COMMANDS_KEYS_FAMILY_H
#define STAVE_COMMANDS_KEYS_FAMILY_H

#include "commands/data.h"

/* keys_basic.c */
command_result cmd_del(client *c);
command_result cmd_exists(client *c);
command_result cmd_type(client *c);
command_result cmd_touch(client *c);
command_result cmd_rename(client *c);
command_result cmd_renamenx(client *c);
command_result cmd_copy(client *c);
command_result cmd_move(client *c);
/* keys_scan.c */
command_result cmd_keys(client *c);
command_result cmd_scan(client *c);
command_result cmd_randomkey(client *c);
/* keys_db.c */
command_result cmd_dbsize(client *c);
command_result cmd_swapdb(client *c);
command_result cmd_flushdb(client *c);
command_result cmd_flushall(client *c);
/* keys_expire.c */
command_result cmd_expire(client *c);
command_result cmd_pexpire(client *c);
command_result cmd_expireat(client *c);
command_result cmd_pexpireat(client *c);
command_result cmd_ttl(client *c);
command_result cmd_pttl(client *c);
command_result cmd_expiretime(client *c);
command_result cmd_pexpiretime(client *c);
command_result cmd_persist(client *c);
/* keys_object.c */
extern const command object_subcommands[];
extern const command memory_subcommands[];

#endif
