/* hash_family: the functions of the hash commands, by file; hash.c has their table. */
#ifndef STAVE_COMMANDS_HASH_FAMILY_H
#define STAVE_COMMANDS_HASH_FAMILY_H

#include "commands/data.h"
#include "types/hash.h"

/* hash_get.c */
command_result cmd_hget(client *c);
command_result cmd_hmget(client *c);
command_result cmd_hgetall(client *c);
command_result cmd_hkeys(client *c);
command_result cmd_hvals(client *c);
command_result cmd_hlen(client *c);
command_result cmd_hexists(client *c);
command_result cmd_hstrlen(client *c);
command_result cmd_hrandfield(client *c);
command_result cmd_hscan(client *c);
/* hash_set.c */
command_result cmd_hset(client *c);
command_result cmd_hmset(client *c);
command_result cmd_hsetnx(client *c);
command_result cmd_hdel(client *c);
command_result cmd_hincrby(client *c);
command_result cmd_hincrbyfloat(client *c);
/* hash_expire.c */
command_result cmd_hexpire(client *c);
command_result cmd_hpexpire(client *c);
command_result cmd_hexpireat(client *c);
command_result cmd_hpexpireat(client *c);
command_result cmd_hpersist(client *c);
command_result cmd_httl(client *c);
command_result cmd_hpttl(client *c);
command_result cmd_hexpiretime(client *c);
command_result cmd_hpexpiretime(client *c);
/* hash_getex.c */
command_result cmd_hgetex(client *c);
command_result cmd_hsetex(client *c);
command_result cmd_hgetdel(client *c);

/* The fields of a command, one every `step` arguments. */
typedef struct field_args {
    int first, end, step;
} field_args;

/* The hash at argv[1]; flags as ks_get. */
static inline command_result hash_open(client *c, unsigned flags, elements *el) {
    return data_elements(c, c->argv[1], &hash_type, flags, el);
}
/* Refuses fields that are too long, and values, if step is 2. */
command_result hash_check_fields(client *c, const field_args *f);
/* hash_get of the field at i; *found says whether there is one. When the read is pending, the
 * fields behind it are asked for as well, so that all come together. */
command_result hash_find(client *c, elements *el, const field_args *f, int i, hash_field *out,
                         bool *found);
/* "FIELDS numfields field [field ...]" from argument `at` to the end, the count being wrong told as
 * that text; false after having replied. */
bool hash_parse_fields(client *c, int at, const char *bad_count, field_args *out);
#define HASH_BAD_COUNT "Number of fields must be a positive integer"
/* For commands whose fields follow the key at once: opens it, and begins the array of replies. */
command_result hash_open_fields(client *c, unsigned flags, elements *el, field_args *out);
/* An expire time for fields, as HEXPIRE has it: not negative, and in the past is fine. */
bool hash_parse_time(client *c, int i, bool seconds, bool relative, int64_t *out);
/* Puts what was changed; `n` changes, told as that event, and "del" if no field is left. */
command_result hash_end(client *c, elements *el, const char *event, int64_t n);
/* A value found by hash_find, or null. */
command_result hash_reply_value(client *c, elements *el, const hash_field *field, bool found);

/* What came of giving a field a time, as HEXPIRE replies it. */
enum { HASH_NO_FIELD = -2, HASH_NO_TIME = -1, HASH_UNMET = 0, HASH_TIME_SET = 1, HASH_GONE = 2 };
/* Gives a field that was found a time, or deletes it if that is past: *did is HASH_TIME_SET or
 * HASH_GONE. */
command_result hash_set_time(client *c, elements *el, slice field, const hash_field *was,
                             int64_t when, int *did);

#endif
