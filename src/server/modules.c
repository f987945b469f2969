/* The list of what this server is made of: the one place that names every module. A feature adds
 * its line here, and nothing else of the server changes. */
#include "server/server.h"

#include "commands/commands.h"
#include "rdb/raw.h"
#include "server/admin.h"
#include "server/features.h"
#include "server/memory.h"
#include "types/classes.h"
#include "types/limits.h"

static status start_slowlog(server *s) {
    slowlog_start(s->session);
    return STATUS_OK;
}
static status start_latency(server *s) {
    latency_start(s->session);
    return STATUS_OK;
}
static status start_monitor(server *s) {
    monitor_start(s->session);
    return STATUS_OK;
}
static status start_tx(server *s) {
    tx_start(s->session);
    return STATUS_OK;
}
static status start_acl(server *s) {
    return acl_start(s->session);
}
static const metric_section *acl_sections(server *s) {
    (void)s;
    return acl_metrics();
}
static status start_pubsub(server *s) {
    pubsub_start(s->session);
    return STATUS_OK;
}
static const metric_section *pubsub_sections(server *s) {
    (void)s;
    return pubsub_metrics();
}
static status start_tracking(server *s) {
    tracking_register();
    tracking_start(s->session);
    return STATUS_OK;
}
static const metric_section *tracking_sections(server *s) {
    (void)s;
    return tracking_metrics();
}
static status start_wait(server *s) {
    wait_start(s->session);
    return STATUS_OK;
}
#ifdef STAVE_LUA
static status start_script(server *s) {
    script_start(s->session);
    return STATUS_OK;
}
static const metric_section *script_sections(server *s) {
    (void)s;
    return script_metrics();
}
static status functions_opened(server *s) {
    return script_opened(s->ks);
}
static const module script_module = {"script", script_settings, script_commands, start_script,
                                     script_sections};
static const module function_module = {
    .name = "function", .commands = function_commands, .opened = functions_opened};
#endif
static status start_types(server *s) {
    (void)s;
    types_start();
    return STATUS_OK;
}
static status start_migrate(server *s) {
    migrate_start(s->session);
    return STATUS_OK;
}
static const metric_section *migrate_sections(server *s) {
    (void)s;
    return migrate_metrics();
}
static const metric_section *session_sections(server *s) {
    return session_metrics(s->session);
}
static const metric_section *keyspace_sections(server *s) {
    return keyspace_metrics(s->ks);
}

static const module session_module = {"session", session_settings, NULL, NULL, session_sections};
static const module keyspace_module = {"keyspace", keyspace_settings, NULL, NULL,
                                       keyspace_sections};
static const module types_module = {"types", types_settings, NULL, start_types};
static const module connection_module = {"connection", NULL, connection_commands};
static const module command_module = {"command", NULL, command_commands};
static const module string_module = {"string", NULL, string_commands};
static const module bitmap_module = {"bitmap", NULL, bitmap_commands};
static const module hash_module = {"hash", NULL, hash_commands};
static const module zset_module = {"zset", NULL, zset_commands};
static const module list_module = {"list", NULL, list_commands};
static const module set_module = {"set", NULL, set_commands};
static const module stream_module = {"stream", NULL, stream_commands};
static const module geo_module = {"geo", NULL, geo_commands};
static const module hll_module = {"hll", NULL, hll_commands};
static const module migrate_module = {"migrate", NULL, migrate_commands, start_migrate,
                                      migrate_sections};
static const module sort_module = {"sort", NULL, sort_commands};
static const module keys_module = {"keys", NULL, keys_commands};
static const module dump_module = {"dump", rdb_settings, dump_commands};
static const module tx_module = {"tx", NULL, tx_commands, start_tx};
static const module pubsub_module = {"pubsub", pubsub_settings, pubsub_commands, start_pubsub,
                                     pubsub_sections};
static const module tracking_module = {"tracking", tracking_settings, NULL, start_tracking,
                                       tracking_sections};
static const module wait_module = {"wait", NULL, wait_commands, start_wait};
static const module acl_module = {"acl", acl_settings, acl_commands, start_acl, acl_sections};
static const module slowlog_module = {"slowlog", slowlog_settings, slowlog_commands, start_slowlog};
static const module latency_module = {"latency", latency_settings, latency_commands, start_latency};
static const module monitor_module = {"monitor", NULL, monitor_commands, start_monitor};
static const module config_module = {"config", NULL, config_commands};
static const module info_module = {"info", NULL, info_commands, info_start, info_sections};
static const module memory_module = {"memory", NULL, NULL, memory_start, memory_sections};
static const module admin_module = {"admin", NULL, admin_commands, admin_start};
static const module debug_module = {"debug", NULL, debug_commands, debug_start};
static const module lolwut_module = {"lolwut", NULL, lolwut_commands};

/* One a line: what two add at a time is easily put together. */
/* clang-format off */
const module *const modules[] = {
    &session_module,
    &keyspace_module,
    &types_module,
    &connection_module,
    &command_module,
    &string_module,
    &bitmap_module,
    &hll_module,
    &geo_module,
    &hash_module,
    &zset_module,
    &list_module,
    &set_module,
    &stream_module,
    &sort_module,
    &keys_module,
    &dump_module,
    &migrate_module,
    &tx_module, /* before those that watch: what EXEC ran is told before EXEC */
    &pubsub_module,
    &tracking_module, /* after tx: CLIENT CACHING lasts until EXEC has ended */
    &wait_module,
    &slowlog_module,
    &latency_module,
    &monitor_module,
#ifdef STAVE_LUA
    &script_module, /* behind those that watch: they hear of EVAL before what it ran */
    &function_module,
#endif
    &config_module,
    &info_module,
    &admin_module,
    &debug_module,
    &lolwut_module,
    &acl_module, /* behind all others: rules name commands of all */
    &memory_module, /* the last: what it finds in use is what a start takes */
    NULL,
};
/* clang-format on */
