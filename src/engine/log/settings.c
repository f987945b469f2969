/* settings: what a user may configure of the log, as a table; see base/setting.h. */
#include "engine/log/settings.h"

#include "engine/engine_ops.h"

#define MIB (1 << 20)

log_settings log_conf;
log_limits log_limit = {.write_step = 8 * MIB, .write_most = 32 * MIB, .write_hold = 1024 * MIB};

static const setting_choice fsync_choices[] = {
    {"everysec", ENGINE_FSYNC_EVERYSEC},
    {"always", ENGINE_FSYNC_ALWAYS},
    {"no", ENGINE_FSYNC_NO},
    {NULL, 0},
};
static const setting_choice direct_choices[] = {
    {"no", LOG_DIRECT_NO},
    {"auto", LOG_DIRECT_AUTO},
    {"always", LOG_DIRECT_ALWAYS},
    {NULL, 0},
};
static const setting_choice compression_choices[] = {
    {"lz4", LOG_LZ4},
    {"no", LOG_PLAIN},
    {NULL, 0},
};

/* In the order in which they are explained in redis-compat.conf. Sizes are bytes; all but
 * segment-size take effect at once. */
const setting log_setting_table[] = {
    /* When the log is fsynced: see commit.c. */
    {.name = "appendfsync",
     .kind = SETTING_ENUM,
     .target = &log_conf.appendfsync,
     .default_value = "everysec",
     .choices = fsync_choices},
    /* Of files of the log that are made from now on. Large ones are fewer open files and fewer
     * rotations, small ones come back sooner; each of Bitcask's 65,535 slots may hold one. */
    {.name = "segment-size",
     .kind = SETTING_MEMORY,
     .target = &log_conf.segment_size,
     .default_value = "64mb",
     .min = 64 << 10,
     .max = 2047LL * MIB},
    /* Of values in the log, if it saves an eighth. */
    {.name = "compression",
     .kind = SETTING_ENUM,
     .target = &log_conf.compression,
     .default_value = "lz4",
     .choices = compression_choices},
    {.name = "compression-min-size",
     .kind = SETTING_MEMORY,
     .target = &log_conf.compression_min,
     .default_value = "256",
     .min = 32,
     .max = MIB},
    /* Milliseconds; see commit.c. */
    {.name = "fsync-wait-max",
     .kind = SETTING_INT,
     .target = &log_conf.fsync_wait_max,
     .default_value = "50",
     .min = 0,
     .max = 10000},
    /* `no` is for comparing: clients wait for each other's reads. */
    {.name = "cold-reads",
     .kind = SETTING_BOOL,
     .target = &log_conf.cold_reads,
     .default_value = "yes"},
    /* Of cold reads: past the page cache? */
    {.name = "direct-reads",
     .kind = SETTING_ENUM,
     .target = &log_conf.direct_reads,
     .default_value = "auto",
     .choices = direct_choices},
    {0},
};
