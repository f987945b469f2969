/* Commands on whole databases. Flushing and swapping cost one record, whatever they hold.
 *
 * A logical database is only a name for a physical one (engine.h), so FLUSHALL maps all of them to
 * new, empty ones, and the old data is given back in the background. The number of keys is kept and
 * never counted: DBSIZE is exact, keys that are due and not yet deleted included, as in Redis. */
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

/* A count depends on the log's end: any change may have been part of it. */
command_result cmd_dbsize(client *c) {
    client_depends_on_end(c);
    reply_int(c, (int64_t)count_keys(c, (int32_t)c->db));
    return CMD_DONE;
}

/* Both indexes are parsed before either is looked at, and each has an error of its own when it is
 * no number; out of range they share one. Clients stay with their logical database and see the
 * other's keys from then on. */
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

/* ASYNC and SYNC mean the same here: dropping is always in the background. The changes counted are
 * the keys that were there, and for FLUSHALL one more, as redis-server counts the flush itself,
 * which must reach replicas even when nothing was there. */
static command_result flush(client *c, int32_t db) {
    if (c->argc > 2 || (c->argc == 2 && !arg_is(c, 1, "async") && !arg_is(c, 1, "sync")))
        return reply_syntax_error(c);
    int64_t keys = (int64_t)count_keys(c, db);
    ENGINE_TRY(c, ks_flush(c->ks, db));
    ks_dirty(c->ks, keys + (db < 0));
    reply_ok(c);
    return CMD_DONE;
}

/* The connection's own database. */
command_result cmd_flushdb(client *c) {
    return flush(c, (int32_t)c->db);
}

/* Those that are not configured any more as well. */
command_result cmd_flushall(client *c) {
    return flush(c, -1);
}
