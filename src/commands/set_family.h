/* set_family: the functions of the set commands, and what their files share. */
#ifndef STAVE_COMMANDS_SET_FAMILY_H
#define STAVE_COMMANDS_SET_FAMILY_H

#include "commands/data.h"
#include "types/set.h"

/* Members on their way into a reply. */
typedef struct set_reply {
    client *c;
    uint64_t n;
} set_reply;
/* A set_each: ctx is a set_reply. */
engine_result set_reply_member(void *ctx, slice member);

/* set_member.c */
command_result cmd_sadd(client *c);
command_result cmd_srem(client *c);
command_result cmd_smove(client *c);
command_result cmd_sismember(client *c);
command_result cmd_smismember(client *c);
command_result cmd_scard(client *c);
/* set_walk.c */
command_result cmd_smembers(client *c);
command_result cmd_sscan(client *c);
command_result cmd_srandmember(client *c);
command_result cmd_spop(client *c);
/* set_combine.c */
command_result cmd_sinter(client *c);
command_result cmd_sunion(client *c);
command_result cmd_sdiff(client *c);
command_result cmd_sinterstore(client *c);
command_result cmd_sunionstore(client *c);
command_result cmd_sdiffstore(client *c);
command_result cmd_sintercard(client *c);

#endif
