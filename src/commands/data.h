/* data: what the files of the data commands share. */
#ifndef STAVE_COMMANDS_DATA_H
#define STAVE_COMMANDS_DATA_H

#include "session/reply.h"
#include "types/elements.h"
#include "types/string.h"

/* Ends the command unless the engine's answer is ENGINE_OK. */
#define ENGINE_TRY(c, expr)                                                                        \
    do {                                                                                           \
        engine_result engine_try_ = (expr);                                                        \
        if (engine_try_ != ENGINE_OK) return reply_engine(c, engine_try_);                         \
    } while (0)
/* Ends the command unless a step that may have replied says CMD_DONE. */
#define STEP_TRY(expr)                                                                             \
    do {                                                                                           \
        command_result step_try_ = (expr);                                                         \
        if (step_try_ != CMD_DONE) return step_try_;                                               \
    } while (0)

/* One key at `at`, as most commands have it. */
#define KEY_AT(at, flags_)                                                                         \
    { .flags = (flags_), .begin = (at), .last = 0, .step = 1 }
/* All arguments from `at` on, every `step_`th. */
#define KEYS_FROM(at, step_, flags_)                                                               \
    { .flags = (flags_), .begin = (at), .last = -1, .step = step_ }

/* ks_get for a command of this client (CLIENT NO-TOUCH). ENGINE_ABSENT is no failure here: *found
 * says it. */
command_result data_lookup(client *c, slice key, unsigned flags, entry *out, bool *found);
/* string_open likewise; WRONGTYPE for another type. With KS_WRITE also refuses a key that is too
 * long to be made. */
command_result data_open(client *c, slice key, unsigned flags, string *out);
/* el_open likewise; WRONGTYPE for another type; with KS_WRITE refuses a key that is too long. */
command_result data_elements(client *c, slice key, const el_type *type, unsigned flags,
                             elements *out);
/* The first of n keys, from argument `at` on, that is there: el->exists says whether there is one.
 * For commands that change it. When one read is pending, the keys behind it are asked for too. */
command_result data_first_of(client *c, int at, int n, const el_type *type, elements *el);
/* What the reply depends on: the elements that were read, or the key's absence. Only for replies
 * that show single elements which were there: absence, counts and ranges depend on the end. */
void data_depends_elements(client *c, const elements *el);
/* Refuses a member, or field, that is longer than elements may be; a value likewise. */
command_result data_check_member(client *c, slice member);
command_result data_check_value(client *c, slice value);
/* Refuses a key that is longer than the engine takes. */
command_result data_check_key(client *c, slice key);
/* Refuses n bytes at off if they would end beyond proto-max-bulk-len. */
command_result data_check_length(client *c, uint64_t off, uint64_t n);

/* What the reply depends on: the string's entry and what was read of it, or its absence. */
void data_depends(client *c, const string *s);
/* Replies with bytes from .. to-1 of a string, or with the whole of it, or null if it is absent. */
command_result data_reply_range(client *c, string *s, uint64_t from, uint64_t to);
command_result data_reply_value(client *c, string *s);

/* Replies with an element's value, also with one that was left where it is (elements.lean). */
command_result data_reply_item(client *c, elements *el, const el_item *item);

/* The command has changed this key. */
static inline void data_changed(client *c, unsigned klass, const char *event, slice key) {
    ks_changed(c->ks, klass, event, c->db, key);
}

/* A number whose sign says how to count: any but INT64_MIN, so that it can be negated. */
bool data_arg_count(client *c, int i, int64_t *out);
/* The number of a logical database; "DB index is out of range". */
bool data_arg_db(client *c, int i, uint32_t *out);
/* An expire time as an argument gives it: in seconds or milliseconds, from now or absolute. Must be
 * positive, as SET, GETEX and the like want it. */
bool data_arg_expire(client *c, int i, bool seconds, bool relative, int64_t *out);
command_result data_bad_expire(client *c);
/* The time limit of a blocking command in ms, 0 for none: given in seconds, fractions rounded up;
 * or, data_arg_timeout_ms, in whole ms. */
bool data_arg_timeout(client *c, int i, int64_t *ms);
bool data_arg_timeout_ms(client *c, int i, int64_t *ms);

/* The arguments of LMPOP, ZMPOP and those that wait, from numkeys on, which is argument `at`:
 * numkeys key ... word [COUNT count], where the word is one of two. False after having replied. */
typedef struct data_mpop {
    int first, keys; /* the keys' arguments */
    int word;        /* 0 or 1 */
    int64_t count;
} data_mpop;
bool data_parse_mpop(client *c, int at, const char *const words[2], data_mpop *out);

/* A count below zero may ask for any number of picks. Where redis-server would go on until memory
 * ends, this refuses: before it begins, if not even so many empty ones would fit; or when the reply
 * may not have one more. The refusal takes its place. */
bool data_reply_fits(uint64_t picks);
bool data_reply_may_grow(const client *c);
command_result data_reply_too_long(client *c);

/* For replies whose count is known last: elements are appended from buf_slice(&c->out).len = at on,
 * then this puts what goes before them. */
void data_insert(client *c, size_t at, slice head);
void data_insert_array(client *c, size_t at, uint64_t n); /* the head of an array of n */

#endif
