/* zset_family: the functions of the sorted set commands, by file; zset.c has their table. */
#ifndef STAVE_COMMANDS_ZSET_FAMILY_H
#define STAVE_COMMANDS_ZSET_FAMILY_H

#include "commands/data.h"
#include "types/zset.h"

/* zset_add.c */
command_result cmd_zadd(client *c);
command_result cmd_zincrby(client *c);
command_result cmd_zrem(client *c);
command_result cmd_zremrangebyrank(client *c);
command_result cmd_zremrangebyscore(client *c);
command_result cmd_zremrangebylex(client *c);
/* zset_get.c */
command_result cmd_zcard(client *c);
command_result cmd_zscore(client *c);
command_result cmd_zmscore(client *c);
command_result cmd_zrank(client *c);
command_result cmd_zrevrank(client *c);
command_result cmd_zcount(client *c);
command_result cmd_zlexcount(client *c);
command_result cmd_zrandmember(client *c);
command_result cmd_zscan(client *c);
/* zset_range.c */
command_result cmd_zrange(client *c);
command_result cmd_zrangestore(client *c);
command_result cmd_zrevrange(client *c);
command_result cmd_zrangebyscore(client *c);
command_result cmd_zrevrangebyscore(client *c);
command_result cmd_zrangebylex(client *c);
command_result cmd_zrevrangebylex(client *c);
/* zset_pop.c */
command_result cmd_zpopmin(client *c);
command_result cmd_zpopmax(client *c);
command_result cmd_zmpop(client *c);
command_result cmd_bzpopmin(client *c);
command_result cmd_bzpopmax(client *c);
command_result cmd_bzmpop(client *c);
/* zset_store.c */
command_result cmd_zunion(client *c);
command_result cmd_zinter(client *c);
command_result cmd_zdiff(client *c);
command_result cmd_zunionstore(client *c);
command_result cmd_zinterstore(client *c);
command_result cmd_zdiffstore(client *c);
command_result cmd_zintercard(client *c);

/* What ZADD and GEOADD add: `pairs` groups of `stride` arguments from `first` on, each with a
 * member as its last. */
typedef struct zset_addition {
    unsigned flags; /* zset_add_flags */
    bool changed;   /* CH: updates count too */
    int first, stride, pairs;
} zset_addition;
/* Adds them to the set at argument 1 with these scores, tells, and replies as ZADD. */
command_result zset_add_members(client *c, const zset_addition *o, const double *scores);

/* An array of what `tell` replies for each of the members from argument 2 on. All are asked for,
 * also when one is pending. */
command_result zset_tell_scores(client *c, void (*tell)(client *c, bool found, double score));

/* ---- shared: zset_options.c ---------------------------------------------------------------------
 */

/* The ends of a range by score, or by lex, from two arguments. False after having replied. */
bool zset_arg_scores(client *c, int min, int max, zset_range *out);
bool zset_arg_lex(client *c, int min, int max, zset_range *out);
/* The ends of a range by rank. */
bool zset_arg_ranks(client *c, int start, int stop, zset_range *out);

/* A member of a reply, with its score if wanted: a pair of its own if `nested`. */
void zset_reply_member(client *c, slice member, double score, bool scores, bool nested);
/* The number of elements of an array of n members. */
static inline int64_t zset_reply_length(uint64_t n, bool scores, bool nested) {
    return (int64_t)(scores && !nested ? 2 * n : n);
}
/* What a command that took n > 0 members away says, once it has ended the set: `event`, and "del"
 * if it was the last. */
void zset_taken(client *c, elements *el, const char *event, uint64_t n);
/* Ends a set that replaces what `key` holds and replies with its length, having said `event`, or
 * "del" if it is empty and there was something. */
command_result zset_stored(client *c, elements *to, const char *event);

#endif
