/* Settings of the types: redis-server 7.2's names, the older ones, ranges and defaults. */
#include "types/limits.h"

/* As the table says, so that tests which set nothing have sane values. */
types_limits types_limit = {
    .hash_entries = 512,
    .hash_value = 64,
    .set_intset = 512,
    .set_entries = 128,
    .set_value = 64,
    .zset_entries = 128,
    .zset_value = 64,
    .list_size = -2,
    .stream_bytes = 4096,
    .stream_entries = 100,
    .hll_sparse = 3000,
};

#define SAFETY_BYTES 8192 /* of a listpack that is bounded by a number of elements */

uint64_t types_list_bytes(void) {
    static const uint64_t kib[] = {4, 8, 16, 32, 64};
    if (types_limit.list_size >= 0) return SAFETY_BYTES;
    uint64_t i = (uint64_t) - (types_limit.list_size + 1);
    return kib[i < 5 ? i : 4] * 1024;
}

/* An integer setting of types_limit, with its older name. */
#define LIMIT(name_, alias_, kind_, field, default_, min_)                                         \
    {                                                                                              \
        .name = name_, .alias = alias_, .kind = kind_, .target = &types_limit.field,               \
        .default_value = default_, .min = min_, .max = INT64_MAX                                   \
    }

const setting types_settings[] = {
    LIMIT("hash-max-listpack-entries", "hash-max-ziplist-entries", SETTING_INT, hash_entries, "512",
          0),
    LIMIT("hash-max-listpack-value", "hash-max-ziplist-value", SETTING_MEMORY, hash_value, "64", 0),
    LIMIT("set-max-intset-entries", NULL, SETTING_INT, set_intset, "512", 0),
    LIMIT("set-max-listpack-entries", NULL, SETTING_INT, set_entries, "128", 0),
    LIMIT("set-max-listpack-value", NULL, SETTING_MEMORY, set_value, "64", 0),
    LIMIT("zset-max-listpack-entries", "zset-max-ziplist-entries", SETTING_INT, zset_entries, "128",
          0),
    LIMIT("zset-max-listpack-value", "zset-max-ziplist-value", SETTING_MEMORY, zset_value, "64", 0),
    {.name = "list-max-listpack-size",
     .alias = "list-max-ziplist-size",
     .kind = SETTING_INT,
     .target = &types_limit.list_size,
     .default_value = "-2",
     .min = INT32_MIN,
     .max = INT32_MAX},
    {.name = "list-compress-depth",
     .kind = SETTING_INT,
     .target = &types_limit.list_depth,
     .default_value = "0",
     .min = 0,
     .max = INT32_MAX},
    LIMIT("stream-node-max-bytes", NULL, SETTING_MEMORY, stream_bytes, "4096", 0),
    LIMIT("stream-node-max-entries", NULL, SETTING_INT, stream_entries, "100", 0),
    LIMIT("hll-sparse-max-bytes", NULL, SETTING_MEMORY, hll_sparse, "3000", 0),
    {0},
};
