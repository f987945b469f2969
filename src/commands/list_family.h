/* list_family: the functions of the list commands, by file; list.c has their table. */
#ifndef STAVE_COMMANDS_LIST_FAMILY_H
#define STAVE_COMMANDS_LIST_FAMILY_H

#include "commands/data.h"
#include "types/list.h"

/* list_push.c */
command_result cmd_lpush(client *c);
command_result cmd_rpush(client *c);
command_result cmd_lpushx(client *c);
command_result cmd_rpushx(client *c);
command_result cmd_linsert(client *c);
command_result cmd_lset(client *c);
/* list_read.c */
command_result cmd_llen(client *c);
command_result cmd_lindex(client *c);
command_result cmd_lrange(client *c);
command_result cmd_lpos(client *c);
/* list_pop.c */
command_result cmd_lpop(client *c);
command_result cmd_rpop(client *c);
command_result cmd_lmpop(client *c);
command_result cmd_ltrim(client *c);
command_result cmd_lrem(client *c);
/* list_move.c */
command_result cmd_lmove(client *c);
command_result cmd_rpoplpush(client *c);
/* list_block.c */
command_result cmd_blpop(client *c);
command_result cmd_brpop(client *c);
command_result cmd_blmpop(client *c);
command_result cmd_blmove(client *c);
command_result cmd_brpoplpush(client *c);

/* ---- what the files share ----------------------------------------------------------------------
 */

/* LEFT or RIGHT at argument i; false after having replied with a syntax error. */
bool list_arg_end(client *c, int i, list_end *out);
/* Replies with n values from an index on, as an array; backward: the first is the last. REQUIRES:
 * they are there. */
command_result list_reply_range(client *c, elements *el, uint64_t from, uint64_t n, bool backward);

/* list_pop.c: values were taken out: el_end, the events, and n changes. */
command_result list_taken(client *c, elements *el, const char *event, uint64_t n);
static inline const char *list_pop_event(list_end end) {
    return end == LIST_HEAD ? "lpop" : "rpop";
}
/* Replies with the value at an end, and takes it out. */
command_result list_pop_one(client *c, elements *el, list_end end);
/* Replies with an array of up to n values from an end, and takes them out. */
command_result list_pop_some(client *c, elements *el, list_end end, uint64_t n);

/* The arguments of LMPOP from numkeys on, which is argument `at`; its words are the ends. */
bool list_mpop_parse(client *c, int at, data_mpop *out);
/* Replies with [key, [values]] if one of the keys is there, else says so and replies nothing. */
command_result list_mpop_run(client *c, const data_mpop *m, bool *found);

/* list_move.c: moves a value and replies with it, if the source is there; else says so and replies
 * nothing. Keys are arguments 1 and 2. */
command_result list_move(client *c, list_end from, list_end to, bool *found);

#endif
