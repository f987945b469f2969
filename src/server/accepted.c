/* Settings of redis.conf that Stave takes, keeps and shows, and that have nothing to do here.
 *
 * Users bring their redis.conf, and tools ask CONFIG GET for names they know (redis-benchmark wants
 * `save` and `appendonly`). Each of these is checked as redis-server checks it. Why each has no
 * effect is said in redis-compat.conf. */
#include "server/server.h"

#include "base/mem.h"

static struct {
    char *save, *appendfilename, *appenddirname, *dbfilename, *oom_score_values;
    char *bio_cpulist, *server_cpulist, *rewrite_cpulist, *bgsave_cpulist, *ignore_warnings;
    char *locale_collate;
    int appendonly, no_appendfsync, aof_truncated, aof_preamble, aof_timestamp, rewrite_incremental;
    int rdbcompression, rdbchecksum, stop_on_error, save_incremental, activerehashing, dynamic_hz,
        show_logo;
    int lazy_eviction, lazy_expire, lazy_server_del, lazy_user_del, lazy_user_flush, jemalloc_bg;
    int active_defrag, disable_thp, crash_log, crash_memcheck, io_threads_reads, oom_adj;
    int64_t rewrite_percentage, rewrite_min_size, io_threads, list_compress;
} v;

static const setting_choice oom_adj_choices[] = {
    {"no", 0}, {"yes", 1}, {"relative", 1}, {"absolute", 2}, {NULL, 0}};

#define STR(name, field, dflt, flags)                                                              \
    { name, NULL, SETTING_STRING, flags, &v.field, dflt }
#define BOOL(name, field, dflt)                                                                    \
    { name, NULL, SETTING_BOOL, 0, &v.field, dflt }

const setting accepted_setting_table[] = {
    STR("save", save, "", SETTING_MULTI_ARG),
    BOOL("appendonly", appendonly, "yes"),
    STR("appendfilename", appendfilename, "appendonly.aof", SETTING_FIXED),
    STR("appenddirname", appenddirname, "appendonlydir", SETTING_FIXED),
    STR("dbfilename", dbfilename, "dump.rdb", 0),
    BOOL("no-appendfsync-on-rewrite", no_appendfsync, "no"),
    BOOL("aof-load-truncated", aof_truncated, "yes"),
    BOOL("aof-use-rdb-preamble", aof_preamble, "yes"),
    BOOL("aof-timestamp-enabled", aof_timestamp, "no"),
    BOOL("aof-rewrite-incremental-fsync", rewrite_incremental, "yes"),
    BOOL("rdb-save-incremental-fsync", save_incremental, "yes"),
    {"auto-aof-rewrite-percentage", NULL, SETTING_INT, 0, &v.rewrite_percentage, "100", 0,
     INT32_MAX},
    {"auto-aof-rewrite-min-size", NULL, SETTING_MEMORY, 0, &v.rewrite_min_size, "64mb", 0,
     INT64_MAX},
    BOOL("rdbcompression", rdbcompression, "yes"),
    BOOL("rdbchecksum", rdbchecksum, "yes"),
    BOOL("stop-writes-on-bgsave-error", stop_on_error, "yes"),
    BOOL("activerehashing", activerehashing, "yes"),
    BOOL("dynamic-hz", dynamic_hz, "yes"),
    BOOL("always-show-logo", show_logo, "no"),
    BOOL("lazyfree-lazy-eviction", lazy_eviction, "yes"),
    BOOL("lazyfree-lazy-expire", lazy_expire, "yes"),
    BOOL("lazyfree-lazy-server-del", lazy_server_del, "yes"),
    BOOL("lazyfree-lazy-user-del", lazy_user_del, "yes"),
    BOOL("lazyfree-lazy-user-flush", lazy_user_flush, "yes"),
    BOOL("jemalloc-bg-thread", jemalloc_bg, "yes"),
    BOOL("activedefrag", active_defrag, "no"),
    BOOL("disable-thp", disable_thp, "yes"),
    BOOL("crash-log-enabled", crash_log, "yes"),
    BOOL("crash-memcheck-enabled", crash_memcheck, "no"),
    {"io-threads", NULL, SETTING_INT, SETTING_FIXED, &v.io_threads, "1", 1, 128},
    BOOL("io-threads-do-reads", io_threads_reads, "no"),
    {"oom-score-adj", NULL, SETTING_ENUM, 0, &v.oom_adj, "no", .choices = oom_adj_choices},
    STR("oom-score-adj-values", oom_score_values, "0 200 800", SETTING_MULTI_ARG),
    STR("server_cpulist", server_cpulist, "", SETTING_FIXED),
    STR("bio_cpulist", bio_cpulist, "", SETTING_FIXED),
    STR("aof_rewrite_cpulist", rewrite_cpulist, "", SETTING_FIXED),
    STR("bgsave_cpulist", bgsave_cpulist, "", SETTING_FIXED),
    STR("ignore-warnings", ignore_warnings, "", 0),
    STR("locale-collate", locale_collate, "", 0),
    {0},
};
