/* families: see families.h. A program that uses it links with all folders that it names. */
#include "support/families.h"

#include "commands/commands.h"
#include "pubsub/pubsub.h"
#include "tx/tx.h"
#ifdef STAVE_LUA
#include "script/script.h"
#endif

void families_register(void) {
    static const command *const tables[] = {
        string_commands, bitmap_commands, hash_commands, zset_commands,   list_commands,
        set_commands,    stream_commands, hll_commands,  sort_commands,   geo_commands,
        keys_commands,   dump_commands,   tx_commands,   pubsub_commands,
#ifdef STAVE_LUA
        script_commands,
#endif
    };
    if (command_count()) return;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        commands_register(tables[i]);
}

void families_start(session *s) {
    tx_start(s);
    pubsub_start(s);
#ifdef STAVE_LUA
    script_start(s);
#endif
}

void families_stop(void) {
#ifdef STAVE_LUA
    script_stop();
#endif
}
