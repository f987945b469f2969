/* Commands on whole databases. Flushing and swapping cost one record, whatever they hold. */
#include "commands/keys_family.h"

/* Keys in a database, or in all of them (-1). */
static uint64_t count_keys(client *c, int32_t db) {
    uint64_t sum = 0;
    for (int i = 0; i < ks_databases(c->ks); i++) {
        engine_db_stats stats;
        if (db >= 0 && i != db) continue;
        engine_db_stats_of(ks_engine(c->ks), (uint32_t)i, &stats);
        sum += stats.keys;
    }
    return sum;
}

command_result cmd_dbsize(client *c) {
    client_depends_on_end(c);
    reply_int(c, (int64_t)count_keys(c, (int32_t)c->db));
    return CMD_DONE;
}

command_result cmd_swapdb(client *c) {
    int64_t a, b;
    if (!arg_i64_range(c, 1, INT32_MIN, INT32_MAX, &a, "ERR invalid first DB index") ||
        !arg_i64_range(c, 2, INT32_MIN, INT32_MAX, &b, "ERR invalid second DB index"))
        return CMD_REFUSED;
    int databases = ks_databases(c->ks);
    if (a < 0 || a >= databases || b < 0 || b >= databases)
        return reply_error(c, "ERR DB index is out of range");
    if (a != b) ENGINE_TRY(c, ks_swap(c->ks, (uint32_t)a, (uint32_t)b));
    ks_dirty(c->ks, 1);
    reply_ok(c);
    return CMD_DONE;
}

/* ASYNC and SYNC mean the same here: dropping is always in the background. */
static command_result flush(client *c, int32_t db) {
    if (c->argc > 2 || (c->argc == 2 && !arg_is(c, 1, "async") && !arg_is(c, 1, "sync")))
        return reply_syntax_error(c);
    int64_t keys = (int64_t)count_keys(c, db);
    ENGINE_TRY(c, ks_flush(c->ks, db));
    ks_dirty(c->ks, keys + (db < 0));
    reply_ok(c);
    return CMD_DONE;
}

command_result cmd_flushdb(client *c) {
    return flush(c, (int32_t)c->db);
}

command_result cmd_flushall(client *c) {
    return flush(c, -1);
}
