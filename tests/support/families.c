/* families: see families.h. A program that uses it links with all folders that it names. */
#include "support/families.h"

#include "base/log.h"
#include "commands/commands.h"
#include "server/features.h"
#include "session/identity.h"

static const command *const tables[] = {
    connection_commands, command_commands,  string_commands, bitmap_commands,  hash_commands,
    zset_commands,       list_commands,     set_commands,    stream_commands,  hll_commands,
    sort_commands,       geo_commands,      keys_commands,   dump_commands,    tx_commands,
    pubsub_commands,     wait_commands,     acl_commands,    slowlog_commands, latency_commands,
#ifdef STAVE_LUA
    script_commands,     function_commands,
#endif
};
static const setting *const settings[] = {
    acl_settings,    tracking_settings, pubsub_settings, slowlog_settings, latency_settings,
#ifdef STAVE_LUA
    script_settings,
#endif
};

void families_register(void) {
    if (command_count()) return;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        commands_register(tables[i]);
    tracking_register();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        setting_defaults(settings[i]);
}

void families_start(session *s) {
    tx_start(s);
    pubsub_start(s);
    tracking_start(s);
    wait_start(s);
    slowlog_start(s);
    latency_start(s);
#ifdef STAVE_LUA
    script_start(s);
#endif
    CHECK(status_ok(acl_start(s)));
}

void families_stop(void) {
    identity_use(NULL);
#ifdef STAVE_LUA
    script_stop();
#endif
}
