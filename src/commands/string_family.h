/* string_family: the functions of the string commands, by file; string.c has their table. */
#ifndef STAVE_COMMANDS_STRING_FAMILY_H
#define STAVE_COMMANDS_STRING_FAMILY_H

#include "commands/data.h"

/* string_get.c */
command_result cmd_get(client *c);
command_result cmd_getdel(client *c);
command_result cmd_getex(client *c);
command_result cmd_mget(client *c);
command_result cmd_strlen(client *c);
command_result cmd_getrange(client *c);
/* string_set.c */
command_result cmd_set(client *c);
command_result cmd_setnx(client *c);
command_result cmd_setex(client *c);
command_result cmd_psetex(client *c);
command_result cmd_getset(client *c);
command_result cmd_mset(client *c);
command_result cmd_msetnx(client *c);
/* string_edit.c */
command_result cmd_append(client *c);
command_result cmd_setrange(client *c);
command_result cmd_incr(client *c);
command_result cmd_decr(client *c);
command_result cmd_incrby(client *c);
command_result cmd_decrby(client *c);
command_result cmd_incrbyfloat(client *c);
/* string_lcs.c */
command_result cmd_lcs(client *c);

/* The options of SET and GETEX, as bits. */
enum set_option {
    SET_NX = 1 << 0,
    SET_XX = 1 << 1,
    SET_GET = 1 << 2,
    SET_KEEPTTL = 1 << 3,
    SET_PERSIST = 1 << 4,
    SET_EX = 1 << 5,
    SET_PX = 1 << 6,
    SET_EXAT = 1 << 7,
    SET_PXAT = 1 << 8,
    SET_TIME = SET_EX | SET_PX | SET_EXAT | SET_PXAT,
    SET_LIFE = SET_TIME | SET_KEEPTTL | SET_PERSIST, /* at most one of these */
};
typedef struct set_options {
    unsigned flags;
    int time_arg; /* the argument that has the time of EX, PX, EXAT, PXAT */
} set_options;

/* Reads options from argument `from` on; `allowed` are those that the command has. False after
 * having replied. */
bool set_options_parse(client *c, int from, unsigned allowed, set_options *out);
/* The time of SET_TIME, as ms since the epoch. */
bool set_options_time(client *c, const set_options *o, int64_t *when);

#endif
