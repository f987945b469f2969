/* hash: fields with values, each of which may have an expire time of its own.
 *
 * A field whose time has come is gone: no function here shows it, whether or not it could be
 * deleted. Deleting is hash_wake's affair, which the keyspace calls when the first field of a key
 * may be due. Results, and how long slices live: as elements.h says. */
#ifndef STAVE_TYPES_HASH_H
#define STAVE_TYPES_HASH_H

#include "types/sample.h"

extern const el_type hash_type;

/* Bits of el_hint. Never cleared while the key lives. */
#define HASH_TABLE 1u /* was once too large for redis-server's compact encoding */
#define HASH_TIMES 2u /* has had a field with an expire time; without it no field has one */

/* Fields that one hash_wake deletes at most. */
#define HASH_WAKE_MAX 256

/* A field as it is stored. */
typedef struct hash_field {
    el_item item;
    bool stored; /* there is such an element; if it is due, there is no such field */
} hash_field;

static inline bool hash_is_due(const elements *el, int64_t expire) {
    return expire != ENGINE_NO_EXPIRE && expire <= ks_now(el->ks);
}

/* ENGINE_ABSENT: there is no such field. */
engine_result hash_get(elements *el, slice field, hash_field *out);
/* How many fields there are. */
engine_result hash_count(elements *el, uint64_t *out);

/* Going over all fields, in no particular order. Invalid after any change. */
engine_result hash_first(elements *el, el_iter *out);
engine_result hash_next(el_iter *it);

/* As sample.h has it, of fields that are not due (hash_sample.c). */
engine_result hash_sample_any(elements *el, uint64_t n, sample_each each, void *ctx);
engine_result hash_sample_distinct(elements *el, uint64_t n, sample_each each, void *ctx);

/* Sets a field. was: what hash_get has just said of it, found or not. value must not lie in what a
 * read gave. expire: ENGINE_NO_EXPIRE, or when it is due. */
engine_result hash_put(elements *el, slice field, slice value, int64_t expire,
                       const hash_field *was);
/* REQUIRES: was->stored, from hash_get just now. */
engine_result hash_del(elements *el, slice field, const hash_field *was);
/* Gives a field another expire time, or none. REQUIRES: hash_get has just found it. */
engine_result hash_set_expire(elements *el, slice field, const hash_field *was, int64_t expire);

/* "listpack", "listpackex", "hashtable". */
engine_result hash_encoding(elements *el, const char **name);
/* ks_wake_fn: deletes fields that are due, with the event "hexpired", and "del" with the last. */
engine_result hash_wake(keyspace *ks, uint32_t db, slice key, int64_t again);

#endif
