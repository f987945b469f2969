/* Settings of redis.conf that Stave takes, keeps and shows, and that have nothing to do here.
 *
 * Users bring their redis.conf, and tools ask CONFIG GET for names they know (redis-benchmark wants
 * `save` and `appendonly`). Each of these is checked as redis-server checks it. Why each has no
 * effect is said in redis-compat.conf. */
#include "server/server.h"

#include "base/num.h"

/* One static home for the values: they are only kept and shown. */
static struct {
    buf save; /* as CONFIG GET shows it */
    char *appendfilename, *appenddirname, *dbfilename, *oom_score_values;
    char *bio_cpulist, *server_cpulist, *rewrite_cpulist, *bgsave_cpulist, *ignore_warnings;
    char *locale_collate, *masteruser, *masterauth;
    int appendonly, no_appendfsync, aof_truncated, aof_preamble, aof_timestamp, rewrite_incremental;
    int rdbchecksum, stop_on_error, save_incremental, rdb_del_sync;
    int activerehashing, dynamic_hz, show_logo, jemalloc_bg, active_defrag, disable_thp;
    int lazy_eviction, lazy_expire, lazy_server_del, lazy_user_del, lazy_user_flush;
    int crash_log, crash_memcheck, io_threads_reads, oom_adj, sanitize_dump;
    int stale_data, replica_read_only, diskless_sync, diskless_load, tcp_nodelay, replica_lazy;
    int64_t rewrite_percentage, rewrite_min_size, io_threads, diskless_delay, diskless_max;
    int64_t replica_priority, repl_timeout, repl_ping, repl_backlog;
    int64_t script_busy, script_memory, script_instructions;
} v;

static const setting_choice oom_adj_choices[] = {
    {"no", 0}, {"yes", 1}, {"relative", 1}, {"absolute", 2}, {NULL, 0}};
static const setting_choice sanitize_choices[] = {{"no", 0}, {"yes", 1}, {"clients", 2}, {NULL, 0}};
static const setting_choice load_choices[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {NULL, 0}};

/* "SECONDS CHANGES", once or more; each line adds, and "" begins anew, as no argument does. */
static status set_save(const setting *s, int argc, const slice *argv) {
    (void)s;
    if (argc == 0 || (argc == 1 && argv[0].len == 0)) {
        buf_clear(&v.save);
        return STATUS_OK;
    }
    for (int i = 0; i < argc; i++) {
        int64_t n;
        if (argc % 2 || !num_parse_i64(argv[i], &n) || n < (i % 2 ? 0 : 1))
            return status_make(ST_INVALID, "Invalid save parameters");
    }
    for (int i = 0; i < argc; i++)
        buf_printf(&v.save, "%s%.*s", v.save.len ? " " : "", (int)argv[i].len, argv[i].data);
    return STATUS_OK;
}
static void get_save(const setting *s, buf *out) {
    (void)s;
    buf_append_slice(out, buf_slice(&v.save));
}

#define STR(name, field, dflt, flags)                                                              \
    { name, NULL, SETTING_STRING, flags, &v.field, dflt }
#define BOOL(name, field, dflt)                                                                    \
    { name, NULL, SETTING_BOOL, 0, &v.field, dflt }
#define NUM(name, alias, field, dflt, low)                                                         \
    { name, alias, SETTING_INT, 0, &v.field, dflt, low, INT64_MAX }
#define MEM(name, alias, field, dflt)                                                              \
    { name, alias, SETTING_MEMORY, 0, &v.field, dflt, 0, INT64_MAX }

const setting accepted_setting_table[] = {
    /* files of Redis' own persistence: the log takes their place */
    {"save", NULL, SETTING_CUSTOM, SETTING_MULTI_ARG | SETTING_MANY_LINES, NULL, "",
     .set = set_save, .get = get_save},
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
    NUM("auto-aof-rewrite-percentage", NULL, rewrite_percentage, "100", 0),
    MEM("auto-aof-rewrite-min-size", NULL, rewrite_min_size, "64mb"),
    BOOL("rdbchecksum", rdbchecksum, "yes"),
    BOOL("rdb-del-sync-files", rdb_del_sync, "no"),
    BOOL("stop-writes-on-bgsave-error", stop_on_error, "yes"),
    {"sanitize-dump-payload", NULL, SETTING_ENUM, 0, &v.sanitize_dump, "no",
     .choices = sanitize_choices},
    /* mechanisms that are not here, or are always on */
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
    /* replication, which this version does not have */
    BOOL("replica-serve-stale-data", stale_data, "yes"),
    BOOL("replica-read-only", replica_read_only, "yes"),
    BOOL("replica-lazy-flush", replica_lazy, "no"),
    BOOL("repl-diskless-sync", diskless_sync, "yes"),
    NUM("repl-diskless-sync-delay", NULL, diskless_delay, "5", 0),
    NUM("repl-diskless-sync-max-replicas", NULL, diskless_max, "0", 0),
    {"repl-diskless-load", NULL, SETTING_ENUM, 0, &v.diskless_load, "disabled",
     .choices = load_choices},
    BOOL("repl-disable-tcp-nodelay", tcp_nodelay, "no"),
    NUM("repl-timeout", NULL, repl_timeout, "60", 1),
    NUM("repl-ping-replica-period", "repl-ping-slave-period", repl_ping, "10", 1),
    MEM("repl-backlog-size", NULL, repl_backlog, "1mb"),
    NUM("replica-priority", "slave-priority", replica_priority, "100", 0),
    STR("masteruser", masteruser, "", SETTING_SENSITIVE),
    STR("masterauth", masterauth, "", SETTING_SENSITIVE),
#ifndef STAVE_LUA
    /* scripts, which this build does not have: one file serves every build */
    NUM("busy-reply-threshold", "lua-time-limit", script_busy, "5000", 0),
    MEM("script-memory-limit", NULL, script_memory, "256mb"),
    NUM("script-instruction-limit", NULL, script_instructions, "0", 0),
#endif
    {0},
};
