/* The INFO fields that are the server's own: Server, Persistence, Stats, CPU, and those of
 * features that a stand-alone server answers with their state of rest (Replication, Cluster).
 *
 * Monitoring programs read these fields by name, so names, units and order are Redis'; fields that
 * only have a meaning there (jemalloc's arenas, the AOF's buffers) are left out where no program is
 * known to need them, and mapped to the nearest thing where one is. What is ours alone has names
 * that Redis does not use. */
#include "server/admin.h"

#include "base/version.h"
#include "observe/observe.h"
#include "server/config.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

/* redis_version is the version whose commands and replies we follow; programs choose by it what
 * they send. stave_version is our own. lru_clock counts seconds, as there is no clock of coarser
 * steps behind it. */
static void emit_server(buf *out, void *ctx) {
    const server *s = ctx;
    struct utsname u;
    uname(&u);
    int64_t up = (s->clock.wall_ms - s->started_ms) / 1000;
    if (up < 0) up = 0;
    metric_str(out, "redis_version", STAVE_REDIS_VERSION);
    metric_str(out, "redis_git_sha1", "00000000");
    metric_i64(out, "redis_git_dirty", 0);
    metric_str(out, "redis_build_id", STAVE_VERSION);
    metric_str(out, "redis_mode", "standalone");
    metric_str(out, "server_name", "stave");
    metric_str(out, "stave_version", STAVE_VERSION);
    buf_printf(out, "os:%s %s %s\r\n", u.sysname, u.release, u.machine);
    metric_i64(out, "arch_bits", (int64_t)sizeof(long) * 8);
    metric_str(out, "monotonic_clock", "POSIX clock_gettime");
    metric_str(out, "multiplexing_api", "epoll");
    metric_str(out, "io_method", s->env.aio->method);
    metric_str(out, "atomicvar_api", "c11-builtin");
    metric_str(out, "gcc_version", __VERSION__);
    metric_i64(out, "process_id", getpid());
    metric_str(out, "process_supervised", config_value("supervised"));
    metric_str(out, "run_id", s->run_id);
    metric_i64(out, "tcp_port", listen_port() ? listen_port() : listen_tls_port());
    metric_i64(out, "server_time_usec", clock_wall_us());
    metric_i64(out, "uptime_in_seconds", up);
    metric_i64(out, "uptime_in_days", up / 86400);
    metric_i64(out, "hz", settings.hz);
    metric_i64(out, "configured_hz", settings.hz);
    metric_i64(out, "lru_clock", (s->clock.wall_ms / 1000) & 0xffffff);
    char exe[PATH_MAX] = "";
    if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0) exe[0] = '\0';
    metric_str(out, "executable", exe);
    metric_str(out, "config_file", config_path());
    metric_i64(out, "io_threads_active", 0);
    listen_show(out);
}

/* How far loading is. The fields appear with loading:1 and go with it, as in Redis. */
static void emit_loading(buf *out, const server *s) {
    metric_i64(out, "loading_start_time", s->loading_started_ms / 1000);
    metric_u64(out, "loading_total_bytes", s->loading_total);
    metric_u64(out, "loading_rdb_used_mem", 0); /* known to a file that says so: ours do not */
    metric_u64(out, "loading_loaded_bytes", s->loading_done);
    buf_printf(out, "loading_loaded_perc:%.2f\r\n", server_loading_percent(s));
    metric_i64(out, "loading_eta_seconds", server_loading_eta(s));
}

/* What was read and synced beside the thread. */
static void emit_io(buf *out, const aio_stats *io) {
    metric_u64(out, "io_reads", io->reads);
    metric_u64(out, "io_read_bytes", io->read_bytes);
    metric_u64(out, "io_read_failures", io->read_failures);
    metric_u64(out, "io_reads_in_flight", io->reading);
    metric_u64(out, "io_reads_in_flight_peak", io->reading_most);
    metric_u64(out, "io_read_batches", io->kicks);
    metric_u64(out, "io_syncs", io->syncs);
    metric_u64(out, "io_syncs_in_flight", io->syncing);
}

/* The log is what Redis calls its append-only file, and a merge what it calls a rewrite. There are
 * no snapshots, so the last save is when all of the log was last known to be durable, and "ok".
 * aof_last_write_status turns to "err" for good when the log fails: programs raise an alarm by it.
 */
static void emit_persistence(buf *out, void *ctx) {
    const server *s = ctx;
    bool failed = !status_ok(engine_failed(s->engine));
    child_fork_stats forks;
    child_fork_stats_of(s->env.children, &forks);
    buf told = {0};
    uint64_t index = 0, caches = 0, buffers = 0;
    info_collect("Engine", NULL, &told);
    engine_memory(s->engine, &index, &caches, &buffers);
    metric_i64(out, "loading", s->loading);
    metric_i64(out, "async_loading", 0);
    metric_u64(out, "current_cow_peak", forks.cow_peak);
    metric_u64(out, "current_cow_size", forks.cow);
    metric_u64(out, "current_cow_size_age",
               forks.cow_us ? (clock_mono_us() - forks.cow_us) / 1000000 : 0);
    metric_u64(out, "rdb_changes_since_last_save", ks_statistics(s->ks)->dirty);
    metric_i64(out, "rdb_bgsave_in_progress", 0);
    metric_i64(out, "rdb_last_save_time", s->last_save_ms / 1000);
    metric_str(out, "rdb_last_bgsave_status", "ok");
    metric_i64(out, "rdb_last_bgsave_time_sec", -1);
    metric_i64(out, "rdb_current_bgsave_time_sec", -1);
    metric_i64(out, "rdb_saves", 0);
    metric_i64(out, "aof_enabled", 1);
    metric_i64(out, "aof_rewrite_in_progress", forks.alive > 0);
    metric_i64(out, "aof_rewrite_scheduled", 0);
    uint64_t ms = info_number(&told, "last_merge_ms");
    uint64_t merges = info_number(&told, "merges") + info_number(&told, "compactions");
    metric_i64(out, "aof_last_rewrite_time_sec", ms ? (int64_t)(ms + 500) / 1000 : -1);
    metric_i64(out, "aof_current_rewrite_time_sec", -1);
    metric_str(out, "aof_last_bgrewrite_status", "ok");
    metric_u64(out, "aof_rewrites", merges);
    metric_u64(out, "aof_last_cow_size", forks.last_cow);
    metric_str(out, "aof_last_write_status", failed ? "err" : "ok");
    if (failed) {
        buf_printf(out, "aof_last_write_error:%s; changes since then may not survive\r\n",
                   engine_failed(s->engine).msg);
    }
    metric_u64(out, "aof_current_size",
               info_number(&told, "segment_bytes_total") + info_number(&told, "table_bytes"));
    metric_u64(out, "aof_buffer_length", buffers);
    metric_u64(out, "aof_delayed_fsync", info_number(&told, "fsync_late_writes"));
    emit_io(out, &s->env.aio->stats);
    if (s->loading) emit_loading(out, s);
    buf_free(&told);
}

/* Of Stats, what the server alone knows; the session has most of this section. */
static void emit_stats(buf *out, void *ctx) {
    const server *s = ctx;
    child_fork_stats forks;
    child_fork_stats_of(s->env.children, &forks);
    metric_u64(out, "total_forks", forks.count);
    metric_u64(out, "latest_fork_usec", forks.last_us);
    metric_u64(out, "latest_fork_bytes", forks.last_inherited);
    metric_u64(out, "fork_usec_per_gb", forks.us_per_gb);
    metric_i64(out, "sync_full", 0);
    metric_i64(out, "sync_partial_ok", 0);
    metric_i64(out, "sync_partial_err", 0);
    metric_u64(out, "monitor_clients", monitor_count());
}

/* What a master without replicas says. The replication id is made at the start, so a program that
 * compares ids sees that the server was started again. */
static void emit_replication(buf *out, void *ctx) {
    const server *s = ctx;
    metric_str(out, "role", "master");
    metric_i64(out, "connected_slaves", 0);
    metric_str(out, "master_failover_state", "no-failover");
    metric_str(out, "master_replid", s->replication_id);
    metric_str(out, "master_replid2", "0000000000000000000000000000000000000000");
    metric_i64(out, "master_repl_offset", 0);
    metric_i64(out, "second_repl_offset", -1);
    metric_i64(out, "repl_backlog_active", 0);
    metric_i64(out, "repl_backlog_size", 1048576);
    metric_i64(out, "repl_backlog_first_byte_offset", 0);
    metric_i64(out, "repl_backlog_histlen", 0);
}

/* Seconds with six decimals: Redis' format, which programs subtract. */
static void emit_cpu_of(buf *out, int who, const char *sys, const char *user) {
    struct rusage u;
    if (getrusage(who, &u) != 0) return;
    buf_printf(out, "%s:%ld.%06ld\r\n", sys, (long)u.ru_stime.tv_sec, (long)u.ru_stime.tv_usec);
    buf_printf(out, "%s:%ld.%06ld\r\n", user, (long)u.ru_utime.tv_sec, (long)u.ru_utime.tv_usec);
}

/* The children are merges, compactions and hints that have ended. */
static void emit_cpu(buf *out, void *ctx) {
    (void)ctx;
    emit_cpu_of(out, RUSAGE_SELF, "used_cpu_sys", "used_cpu_user");
    emit_cpu_of(out, RUSAGE_CHILDREN, "used_cpu_sys_children", "used_cpu_user_children");
    emit_cpu_of(out, RUSAGE_THREAD, "used_cpu_sys_main_thread", "used_cpu_user_main_thread");
}

/* cluster_enabled:0 tells clients not to ask for slots. */
static void emit_cluster(buf *out, void *ctx) {
    (void)ctx;
    metric_i64(out, "cluster_enabled", 0);
}

/* For sections of which Redis shows the heading with nothing in it. */
static void emit_nothing(buf *out, void *ctx) {
    (void)out;
    (void)ctx;
}

/* Sections of one name are put together by INFO, so "Stats" here adds to the session's. */
const metric_section *info_sections(server *s) {
    static metric_section t[8];
    static const metric_section made[] = {
        {"Server", emit_server},   {"Persistence", emit_persistence},
        {"Stats", emit_stats},     {"Replication", emit_replication},
        {"CPU", emit_cpu},         {"Modules", emit_nothing},
        {"Cluster", emit_cluster}, {0},
    };
    _Static_assert(sizeof t == sizeof made, "one row each");
    memcpy(t, made, sizeof made);
    for (metric_section *m = t; m->name; m++)
        m->ctx = s;
    return t;
}
