/* limits: up to which sizes redis-server keeps a value in a compact encoding: what OBJECT ENCODING
 * answers by. How Stave keeps values does not depend on them. */
#ifndef STAVE_TYPES_LIMITS_H
#define STAVE_TYPES_LIMITS_H

#include "base/setting.h"

typedef struct types_limits {
    int64_t hash_entries, hash_value; /* listpack, else hashtable */
    int64_t set_intset;               /* intset */
    int64_t set_entries, set_value;   /* listpack, else hashtable */
    int64_t zset_entries, zset_value; /* listpack, else skiplist */
    int64_t list_size;  /* listpack, else quicklist: elements, or -1 .. -5: 4 .. 64 KiB */
    int64_t list_depth; /* list-compress-depth: accepted, without effect */
    int64_t stream_bytes, stream_entries; /* a node's: XINFO STREAM, XTRIM ~ */
    int64_t hll_sparse;                   /* bytes of a sparse HyperLogLog */
} types_limits;
extern types_limits types_limit;

/* How many bytes a listpack of a list may have. Where the setting counts elements: redis-server's
 * bound for safety. What is below -5 is as -5. */
uint64_t types_list_bytes(void);

/* Ended by {0}. */
extern const setting types_settings[];

#endif
