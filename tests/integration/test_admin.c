/* CONFIG, INFO, DEBUG DIGEST, merges and restarts: what tools that watch and manage a server use.
 */
#include "integration/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_config(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    EXPECT(c, "[\"hz\" \"10\"]", "CONFIG GET hz");
    EXPECT(c, "[]", "CONFIG GET nosuch*");
    redisReply *r = kit_call(c, "CONFIG GET max* tcp-backlog MAXCLIENTS");
    assert_true(r->elements >= 10); /* maxclients once, though two patterns name it */
    int found = 0;
    for (size_t i = 0; i < r->elements; i += 2)
        found += strcmp(r->element[i]->str, "maxclients") == 0;
    assert_int_equal(found, 1);
    freeReplyObject(r);
    EXPECT(c, "OK", "CONFIG SET hz 20 slowlog-max-len 77 MaxMemory 1gb");
    EXPECT(c, "[\"maxmemory\" \"1073741824\"]", "CONFIG GET maxmemory");
    EXPECT(c, "OK", "CONFIG SET maxmemory 0");
    /* All or nothing. */
    EXPECT(c,
           "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) "
           "must be one of the following: ...",
           "CONFIG SET hz 30 maxmemory-policy nosuch");
    assert_string_equal(kit_config(c, "hz"), "20");
    EXPECT(c, "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
           "CONFIG SET hz 30 nosuch 1");
    EXPECT(c,
           "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set "
           "immutable config",
           "CONFIG SET databases 3");
    EXPECT(c, "-ERR CONFIG SET failed (possibly related to argument 'hz') - duplicate parameter",
           "CONFIG SET hz 1 hz 2");
    EXPECT(c,
           "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a "
           "memory value",
           "CONFIG SET maxmemory lots");
    EXPECT(c, "-ERR wrong number of arguments for 'config|set' command", "CONFIG SET hz");
    EXPECT(c, "-ERR The server is running without a config file", "CONFIG REWRITE");
    EXPECT(c, "OK", "CONFIG SET hz 10 slowlog-max-len 128");
    redisFree(c);
}

/* Each of these can be had while clients are served, and takes effect for the next write. */
static void test_appendfsync_live(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    const char *const policies[] = {"always", "everysec", "no", "always", "no", "everysec"};
    for (int i = 0; i < 6; i++) {
        EXPECT(c, "OK", "CONFIG SET appendfsync %s", policies[i]);
        for (int j = 0; j < 50; j++)
            EXPECT(c, "OK", "SET k:%d:%d %s", i, j, policies[i]);
    }
    kit_restart(&kit_the_server, true);
    redisFree(c);
    c = kit_connect(&kit_the_server);
    EXPECT(c, ":300", "DBSIZE");
    redisFree(c);
}

static void test_resetstat(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    static const kit_row rows[] = {
        {"SET k v", "OK"},
        {"GET k", "\"v\""},
        {"GET nope", "nil"},
        {"NOSUCH", "-ERR..."},
        {"INCR k", "-ERR..."},
        {"SET gone v PX 1", "OK"},
        {0},
    };
    kit_rows(c, rows);
    kit_wait_info(c, "expired_keys", 1);
    assert_int_equal(kit_info(c, "keyspace_hits"), 1);
    assert_int_equal(kit_info(c, "keyspace_misses"), 1);
    assert_true(kit_info(c, "total_commands_processed") >= 6);
    assert_int_equal(kit_info(c, "total_error_replies"), 2);
    assert_string_equal(kit_info_text(c, "errorstat_ERR"), "count=2");
    assert_non_null(strstr(kit_info_text(c, "cmdstat_get"), "calls=2,"));
    assert_non_null(strstr(kit_info_text(c, "cmdstat_incr"), "failed_calls=1"));
    EXPECT(c, "OK", "CONFIG RESETSTAT");
    const char *const zero[] = {"keyspace_hits",       "keyspace_misses", "expired_keys",
                                "total_error_replies", "evicted_keys",    "rejected_connections"};
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++)
        assert_int_equal(kit_info(c, zero[i]), 0);
    assert_null(kit_info_text(c, "cmdstat_get"));
    assert_null(kit_info_text(c, "errorstat_ERR"));
    redisFree(c);
}

/* Names that exporters and dashboards read. */
static const char *const info_fields[] = {
    "redis_version",
    "redis_mode",
    "os",
    "arch_bits",
    "multiplexing_api",
    "process_id",
    "run_id",
    "tcp_port",
    "uptime_in_seconds",
    "uptime_in_days",
    "hz",
    "lru_clock",
    "executable",
    "config_file",
    "stave_version",
    "connected_clients",
    "maxclients",
    "blocked_clients",
    "client_recent_max_input_buffer",
    "client_recent_max_output_buffer",
    "used_memory",
    "used_memory_human",
    "used_memory_rss",
    "used_memory_peak",
    "used_memory_peak_perc",
    "used_memory_overhead",
    "used_memory_dataset",
    "used_memory_lua",
    "total_system_memory",
    "maxmemory",
    "maxmemory_policy",
    "mem_fragmentation_ratio",
    "mem_allocator",
    "allocator_allocated",
    "allocator_active",
    "allocator_resident",
    "active_defrag_running",
    "lazyfree_pending_objects",
    "loading",
    "rdb_changes_since_last_save",
    "rdb_bgsave_in_progress",
    "rdb_last_save_time",
    "rdb_last_bgsave_status",
    "aof_enabled",
    "aof_rewrite_in_progress",
    "aof_last_bgrewrite_status",
    "aof_last_write_status",
    "total_connections_received",
    "total_commands_processed",
    "instantaneous_ops_per_sec",
    "total_net_input_bytes",
    "total_net_output_bytes",
    "instantaneous_input_kbps",
    "instantaneous_output_kbps",
    "rejected_connections",
    "sync_full",
    "expired_keys",
    "expired_stale_perc",
    "evicted_keys",
    "keyspace_hits",
    "keyspace_misses",
    "latest_fork_usec",
    "total_forks",
    "total_error_replies",
    "role",
    "connected_slaves",
    "master_repl_offset",
    "repl_backlog_active",
    "used_cpu_sys",
    "used_cpu_user",
    "used_cpu_sys_children",
    "cluster_enabled",
    "engine",
    "log_end",
    "log_durable",
    "log_state",
    "cache_hits",
    "cache_misses",
    "recovery_ms",
};

/* What one engine alone has to say. */
static const char *const bitcask_fields[] = {
    "segments", "segment_bytes_live", "keydir_bytes", "merge_in_progress", "merges", "hints", NULL,
};
static const char *const lsm_fields[] = {
    "memtable_bytes",
    "memtables_frozen",
    "tables",
    "table_bytes",
    "flushes",
    "flush_in_progress",
    "compactions",
    "compactions_in_progress",
    "pending_compaction_bytes",
    "trivial_moves",
    "write_amplification",
    "space_amplification",
    "stalls",
    "stall_reason",
    "stall_usec",
    "bloom_checks",
    "bloom_negatives",
    "bloom_false_positives",
    "filter_index_ram",
    NULL,
};

static void test_info(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    EXPECT(c, "OK", "SET k v EX 1000");
    for (size_t i = 0; i < sizeof info_fields / sizeof *info_fields; i++)
        if (!kit_info_text(c, info_fields[i])) fail_msg("no field %s", info_fields[i]);
    assert_string_equal(kit_info_text(c, "engine"), kit_engine());
    for (const char *const *f = kit_lsm() ? lsm_fields : bitcask_fields; *f; f++)
        if (!kit_info_text(c, *f)) fail_msg("no field %s", *f);
    assert_string_equal(kit_info_text(c, "redis_version"), "7.2.4");
    assert_int_equal(kit_info(c, "process_id"), kit_the_server.pid);
    assert_int_equal(kit_info(c, "tcp_port"), kit_the_server.port);
    assert_non_null(strstr(kit_info_text(c, "db0"), "keys=1,expires=1,avg_ttl="));
    assert_true(kit_info(c, "used_memory") > 0);
    assert_true(kit_info(c, "used_memory_peak") >= kit_info(c, "used_memory") * 9 / 10);
    EXPECT(c, "\"# Keyspace\\x0d\\x0adb0:...", "INFO keyspace");
    EXPECT(c, "\"\"", "INFO nosuch");
    redisReply *r = kit_call(c, "INFO clients cpu");
    assert_non_null(strstr(r->str, "# Clients\r\n"));
    assert_non_null(strstr(r->str, "\r\n\r\n# CPU\r\n"));
    assert_null(strstr(r->str, "# Server"));
    freeReplyObject(r);
    redisFree(c);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A parser that makes a table of INFO must not meet a name twice. */
static void test_info_names_are_unique(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    redisReply *r = kit_call(c, "INFO everything");
    char *names[1000], *rest = NULL;
    size_t n = 0;
    for (char *line = strtok_r(r->str, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        if (line[0] == '#') continue;
        char *colon = strchr(line, ':');
        if (!colon) fail_msg("no colon in '%s'", line);
        *colon = '\0';
        assert_true(n < 1000);
        names[n++] = line;
    }
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0) print_error("twice: %s\n", names[i]);
    for (size_t i = 1; i < n; i++)
        assert_string_not_equal(names[i - 1], names[i]);
    freeReplyObject(r);
    redisFree(c);
}

/* Some of everything: several databases, sizes, times. */
static void make_data(redisContext *c) {
    static char value[300000];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 500; i++) {
        redisAppendCommand(c, "SELECT %d", i % 5);
        redisAppendCommand(c, "SET k:%d %b", i, value, (size_t)(i * i));
        redisAppendCommand(c, "SET t:%d %d PXAT %lld", i, i, 33177117420000 + i);
        redisAppendCommand(c, "SETBIT b:%d %d 1", i % 3, i * 10000);
    }
    for (int i = 0; i < 2000; i++)
        freeReplyObject(kit_next(c));
    EXPECT(c, "OK", "SELECT 0");
}

/* The digest of all data, in one of two buffers used in turn. */
static const char *digest(redisContext *c) {
    static char text[2][64];
    static int turn;
    redisReply *r = kit_call(c, "DEBUG DIGEST");
    turn = !turn;
    snprintf(text[turn], sizeof text[turn], "%s", r->str);
    freeReplyObject(r);
    return text[turn];
}

/* Nothing that closes, merges or kills changes what is there. */
static void test_digest(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    assert_string_equal(digest(c), "0000000000000000000000000000000000000000");
    make_data(c);
    char before[64];
    snprintf(before, sizeof before, "%s", digest(c));
    EXPECT(c, "OK", "DEBUG RELOAD");
    assert_string_equal(digest(c), before);
    EXPECT(c, "OK", "DEBUG LOADAOF");
    assert_string_equal(digest(c), before);
    EXPECT(c, "Background append only file rewriting started", "BGREWRITEAOF");
    assert_string_equal(digest(c), before);
    kit_wait_info(c, "aof_rewrite_in_progress", 0);
    assert_string_equal(digest(c), before);
    for (int kill = 0; kill < 2; kill++) {
        redisFree(c);
        kit_restart(&kit_the_server, kill);
        c = kit_connect(&kit_the_server);
        assert_string_equal(digest(c), before);
    }
    EXPECT(c, ":29", "APPEND k:5 more");
    assert_string_not_equal(digest(c), before);
    redisFree(c);
}

/* Expire times and databases are part of the digest; digests of equal values are equal. */
static void test_digest_tells(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    EXPECT(c, "OK", "MSET a same b same c other");
    redisReply *r = kit_call(c, "DEBUG DIGEST-VALUE a b c nosuch");
    assert_string_equal(r->element[0]->str, r->element[1]->str);
    assert_string_not_equal(r->element[0]->str, r->element[2]->str);
    assert_string_equal(r->element[3]->str, "0000000000000000000000000000000000000000");
    freeReplyObject(r);
    char before[64];
    snprintf(before, sizeof before, "%s", digest(c));
    EXPECT(c, ":1", "EXPIRE a 1000");
    assert_string_not_equal(digest(c), before);
    EXPECT(c, ":1", "PERSIST a");
    assert_string_equal(digest(c), before);
    EXPECT(c, ":1", "MOVE a 1");
    assert_string_not_equal(digest(c), before);
    redisFree(c);
}

static const struct CMUnitTest tests[] = {
    KIT_TEST(test_config),       KIT_TEST(test_appendfsync_live),      KIT_TEST(test_resetstat),
    KIT_TEST(test_info),         KIT_TEST(test_info_names_are_unique), KIT_TEST(test_digest),
    KIT_TEST(test_digest_tells),
};
KIT_MAIN(tests)
