/* The keyspace's settings. redis-server's names, ranges and defaults. */
#include "keyspace/internal.h"

/* As the table says, so that tests which set nothing have sane values. */
ks_config ks_conf = {
    .policy = POLICY_NOEVICTION,
    .samples = 5,
    .tenacity = 10,
    .lfu_log_factor = 10,
    .lfu_decay_time = 1,
    .expire_effort = 1,
};

static const setting_choice policies[] = {
    {"volatile-lru", POLICY_VOLATILE | POLICY_LRU},
    {"volatile-lfu", POLICY_VOLATILE | POLICY_LFU},
    {"volatile-random", POLICY_VOLATILE | POLICY_RANDOM},
    {"volatile-ttl", POLICY_VOLATILE | POLICY_TTL},
    {"allkeys-lru", POLICY_LRU},
    {"allkeys-lfu", POLICY_LFU},
    {"allkeys-random", POLICY_RANDOM},
    {"noeviction", POLICY_NOEVICTION},
    {NULL, 0},
};

/* An integer setting of ks_conf. */
#define INT(name_, field, default_, min_, max_)                                                    \
    {                                                                                              \
        .name = name_, .kind = SETTING_INT, .target = &ks_conf.field, .default_value = default_,   \
        .min = min_, .max = max_                                                                   \
    }

const setting keyspace_settings[] = {
    {.name = "maxmemory",
     .kind = SETTING_MEMORY,
     .target = &ks_conf.maxmemory,
     .default_value = "0",
     .min = 0,
     .max = INT64_MAX},
    {.name = "maxmemory-policy",
     .kind = SETTING_ENUM,
     .target = &ks_conf.policy,
     .default_value = "noeviction",
     .choices = policies},
    INT("maxmemory-samples", samples, "5", 1, INT32_MAX),
    INT("maxmemory-eviction-tenacity", tenacity, "10", 0, 100),
    INT("lfu-log-factor", lfu_log_factor, "10", 0, INT32_MAX),
    INT("lfu-decay-time", lfu_decay_time, "1", 0, INT32_MAX),
    INT("active-expire-effort", expire_effort, "1", 1, 10),
    {0},
};
