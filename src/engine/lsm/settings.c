/* settings: what a user may configure of this engine, as a table; see base/setting.h.
 *
 * The engine reads lsm_conf where it needs a value, so that a change is live at once: of a
 * memtable, table or block that is begun from then on. What costs work to change (the block cache's
 * size) is compared with the setting by the engine's cron. What concerns the log is in engine/log.
 */
#include "engine/lsm/lsm.h"

#define KIB 1024LL
#define MIB (1024 * KIB)

lsm_settings lsm_conf;
lsm_limits lsm_limit = {.job_bytes = 512 * MIB,
                        .flush_table = 1024 * MIB,
                        .copy_bytes = MIB,
                        .logged_batch = MIB,
                        .logged_value = KIB};

/* Bytes, at least `least` and at most `most`. */
#define MEMORY(name_, field, value, least, most)                                                   \
    {                                                                                              \
        .name = name_, .kind = SETTING_MEMORY, .target = &lsm_conf.field, .default_value = value,  \
        .min = least, .max = most                                                                  \
    }
#define NUMBER(name_, field, value, least, most)                                                   \
    {                                                                                              \
        .name = name_, .kind = SETTING_INT, .target = &lsm_conf.field, .default_value = value,     \
        .min = least, .max = most                                                                  \
    }

/* In the order in which they are explained in redis-compat.conf. */
const setting lsm_setting_table[] = {
    /* Large ones are fewer flushes and less rewriting; two or three may be there at a time, and a
     * start replays what was not flushed. */
    MEMORY("memtable-size", memtable_size, "64mb", 64 * KIB, 2047 * MIB),
    /* Blocks of tables, and parts of their indexes and filters. */
    MEMORY("block-cache-size", block_cache_size, "256mb", 0, INT64_MAX),
    /* What one read fetches and unpacks; small ones cost more index. */
    MEMORY("block-size", block_size, "4kb", 256, 64 * KIB),
    /* Ten bits a key send one lookup in a hundred to a table that has not got it; 0: no filters. */
    NUMBER("bloom-bits", bloom_bits, "10", 0, 20),
    /* Each is one more to look into; at a few times as many, writes are slowed. */
    NUMBER("level0-files", level0_files, "4", 2, 64),
    /* Greater is fewer levels, and more rewriting for each. */
    NUMBER("level-size-ratio", level_size_ratio, "10", 2, 100),
    /* Small ones let a compaction take less at a time, and are more files. */
    MEMORY("table-size", table_size, "32mb", 4 * KIB, 1024 * MIB),
    /* A second, read and written together, of all children; 0: as fast as it goes. */
    MEMORY("compaction-rate-limit", compaction_rate_limit, "0", 0, INT64_MAX),
    /* Children that compact at a time; a flush has one of its own. */
    NUMBER("compaction-jobs", compaction_jobs, "2", 1, 16),
    {0},
};
