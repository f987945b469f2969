/* info_absent: the fields of redis-server's INFO that say nothing here, with their value at rest.
 *
 * Monitoring programs read fields by name and some fail where one is missing. So what a section of
 * INFO lacks at its end is added from this list. A field that a module tells is the module's: its
 * line here has no effect then, and may go. */
#include "server/admin.h"

#include "base/log.h"

/* Of redis-server 7.2. -1 is its "never". */
static const struct {
    const char *section;
    const char *fields; /* "name:value", separated by a space */
} absent[] = {
    {"Clients", "cluster_connections:0 tracking_clients:0 pubsub_clients:0 watching_clients:0 "
                "total_watched_keys:0"},
    {"Memory", "used_memory_lua:0 used_memory_vm_eval:0 used_memory_lua_human:0B "
               "used_memory_scripts_eval:0 number_of_cached_scripts:0 number_of_functions:0 "
               "number_of_libraries:0 used_memory_vm_functions:0 used_memory_vm_total:0 "
               "used_memory_vm_total_human:0B used_memory_functions:0 used_memory_scripts:0 "
               "used_memory_scripts_human:0B"},
    /* copies in memory for replicas and the cluster's bus, defragmentation, freeing beside */
    {"Memory", "mem_replication_backlog:0 mem_total_replication_buffers:0 mem_clients_slaves:0 "
               "mem_cluster_links:0 active_defrag_running:0 lazyfree_pending_objects:0 "
               "lazyfreed_objects:0"},
    /* snapshots, of which there are none */
    {"Persistence", "async_loading:0 "
                    "current_fork_perc:0.00 current_save_keys_processed:0 "
                    "current_save_keys_total:0 rdb_saves:0 rdb_last_cow_size:0 "
                    "rdb_last_load_keys_expired:0 rdb_last_load_keys_loaded:0"},
    /* sizes at a rewrite, which goes on piecemeal here */
    {"Persistence", "aof_rewrites_consecutive_failures:0 aof_base_size:0 "
                    "aof_pending_rewrite:0 aof_pending_bio_fsync:0 module_fork_in_progress:0 "
                    "module_fork_last_cow_size:0"},
    {"Stats", "pubsub_channels:0 pubsub_patterns:0 pubsubshard_channels:0 migrate_cached_sockets:0 "
              "slave_expires_tracked_keys:0 active_defrag_hits:0 active_defrag_misses:0 "
              "active_defrag_key_hits:0 active_defrag_key_misses:0 total_active_defrag_time:0 "
              "current_active_defrag_time:0 tracking_total_keys:0 tracking_total_items:0 "
              "tracking_total_prefixes:0 unexpected_error_replies:0 dump_payload_sanitizations:0 "
              "reply_buffer_shrinks:0 reply_buffer_expands:0 evicted_scripts:0 "
              "acl_access_denied_auth:0 acl_access_denied_cmd:0 acl_access_denied_key:0 "
              "acl_access_denied_channel:0"},
};

/* The value is all behind the first colon. */
static void add_fields(const char *fields, const buf *text, buf *out) {
    while (*fields) {
        size_t len = strcspn(fields, " "), name = strcspn(fields, ":");
        char field[64];
        CHECK(name < len && name < sizeof field);
        memcpy(field, fields, name);
        field[name] = '\0';
        if (!info_has(text, field)) buf_printf(out, "%.*s\r\n", (int)len, fields);
        fields += len + (fields[len] == ' ');
    }
}

void info_add_absent(const char *section, const buf *text, buf *out) {
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        if (strcmp(absent[i].section, section) == 0) add_fields(absent[i].fields, text, out);
}
