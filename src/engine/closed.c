/* The engine of a server that has none just now: before recovery has ended, and while DEBUG RELOAD
 * closes and opens the real one. So that nobody above asks whether there is an engine.
 *
 * It holds nothing: every database is empty, every position is 0, and whatever would read or change
 * data fails. */
#include "engine/closed.h"

/* What every call that can say why says. */
static status closed_status(engine *e) {
    (void)e;
    return status_make(ST_BUSY, "The data is being loaded");
}

/* ---- what fails -------------------------------------------------------------------------------
 *
 * Reads too: a key that is still being loaded is not absent, and a wrong answer would be worse than
 * none. engine_error says why.
 */

/* engine_get. */
static engine_result get(engine *e, uint32_t db, slice key, entry *out) {
    (void)e, (void)db, (void)key, (void)out;
    return ENGINE_ERROR;
}
/* engine_put. */
static engine_result put(engine *e, uint32_t db, slice key, const entry *ent) {
    (void)e, (void)db, (void)key, (void)ent;
    return ENGINE_ERROR;
}
/* engine_del. */
static engine_result del(engine *e, uint32_t db, slice key) {
    (void)e, (void)db, (void)key;
    return ENGINE_ERROR;
}
/* engine_move. */
static engine_result move(engine *e, uint32_t db, slice key, uint32_t to_db, slice to_key) {
    (void)e, (void)db, (void)key, (void)to_db, (void)to_key;
    return ENGINE_ERROR;
}
/* engine_coll_new. */
static engine_result coll_new(engine *e, uint32_t db, slice key, engine_coll *out) {
    (void)e, (void)db, (void)key, (void)out;
    return ENGINE_ERROR;
}
/* engine_coll_open. */
static engine_result coll_open(engine *e, uint32_t db, slice key, const entry *ent,
                               engine_coll *out) {
    (void)e, (void)db, (void)key, (void)ent, (void)out;
    return ENGINE_ERROR;
}
/* engine_map_get. */
static engine_result map_get(engine *e, engine_coll *c, unsigned map, slice sub, map_iter *out) {
    (void)e, (void)c, (void)map, (void)sub, (void)out;
    return ENGINE_ERROR;
}
/* engine_map_put. */
static engine_result map_put(engine *e, engine_coll *c, unsigned map, slice sub, slice value,
                             int64_t expire) {
    (void)e, (void)c, (void)map, (void)sub, (void)value, (void)expire;
    return ENGINE_ERROR;
}
/* engine_map_del. */
static engine_result map_del(engine *e, engine_coll *c, unsigned map, slice sub) {
    (void)e, (void)c, (void)map, (void)sub;
    return ENGINE_ERROR;
}
/* engine_map_seek. */
static engine_result map_seek(engine *e, engine_coll *c, unsigned map, slice from, bool backward,
                              map_iter *out) {
    (void)e, (void)c, (void)map, (void)from, (void)backward, (void)out;
    return ENGINE_ERROR;
}
/* engine_map_step. */
static engine_result map_step(engine *e, map_iter *it, bool backward) {
    (void)e, (void)it, (void)backward;
    return ENGINE_ERROR;
}
/* engine_map_rank. */
static engine_result map_rank(engine *e, engine_coll *c, unsigned map, slice sub, uint64_t *rank) {
    (void)e, (void)c, (void)map, (void)sub, (void)rank;
    return ENGINE_ERROR;
}
/* engine_map_select. */
static engine_result map_select(engine *e, engine_coll *c, unsigned map, uint64_t rank,
                                map_iter *out) {
    (void)e, (void)c, (void)map, (void)rank, (void)out;
    return ENGINE_ERROR;
}
/* engine_flush. */
static engine_result flush(engine *e, int32_t db) {
    (void)e, (void)db;
    return ENGINE_ERROR;
}
/* engine_swap. */
static engine_result swap(engine *e, uint32_t a, uint32_t b) {
    (void)e, (void)a, (void)b;
    return ENGINE_ERROR;
}
/* engine_scan. */
static engine_result scan(engine *e, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                          void (*each)(void *ctx, slice key, const entry *meta), void *ctx) {
    (void)e, (void)db, (void)from, (void)want, (void)each, (void)ctx;
    *next = 0;
    return ENGINE_ERROR;
}
/* engine_room: nothing is refused for want of it; that nothing is changed has another reason. */
static status room(engine *e, size_t bytes) {
    (void)e, (void)bytes;
    return STATUS_OK;
}

/* ---- what is empty ------------------------------------------------------------------------------
 *
 * What INFO and cron ask for, who must go on meanwhile. No key is due or drawn, so none is expired
 * or evicted.
 */

/* engine_random_key. */
static engine_result random_key(engine *e, uint32_t db, bool with_expire, buf *key, entry *meta) {
    (void)e, (void)db, (void)with_expire, (void)key, (void)meta;
    return ENGINE_ABSENT;
}
/* engine_due. */
static engine_result due(engine *e, int64_t now_ms, uint32_t *db, buf *key, int64_t *when) {
    (void)e, (void)now_ms, (void)db, (void)key;
    *when = 0;
    return ENGINE_ABSENT;
}
/* engine_map_count. */
static uint64_t map_count(engine *e, engine_coll *c, unsigned map) {
    (void)e, (void)c, (void)map;
    return 0;
}
/* engine_db_stats. */
static void db_stats(engine *e, uint32_t db, engine_db_stats *out) {
    (void)e, (void)db;
    *out = (engine_db_stats){0};
}
/* engine_token. */
static uint64_t token(engine *e, slice key) {
    (void)e, (void)key;
    return 0;
}
/* engine_position. */
static log_pos position(engine *e) {
    (void)e;
    return 0;
}
/* engine_memory. */
static void memory(engine *e, uint64_t *index, uint64_t *caches, uint64_t *buffers) {
    (void)e;
    *index = *caches = *buffers = 0;
}

/* ---- what does nothing --------------------------------------------------------------------------
 *
 * What every turn of a server calls, whether there is data or not. Nothing was acknowledged here,
 * so there is nothing that could have been lost.
 */

/* Closing, batches, the end of a turn, cron. */
static void nothing(engine *e) {
    (void)e;
}
/* engine_set_access. */
static void set_access(engine *e, const entry *ent, uint32_t access) {
    (void)e, (void)ent, (void)access;
}
/* engine_failed, engine_sync. */
static status fine(engine *e) {
    (void)e;
    return STATUS_OK;
}
/* engine_background. */
static bool background(engine *e, uint64_t budget_us) {
    (void)e, (void)budget_us;
    return false;
}
/* engine_check. */
static status check(engine *e, buf *report) {
    (void)e, (void)report;
    return STATUS_OK;
}

static const engine_ops closed_ops = {
    .name = "closed",
    .close = nothing,
    .get = get,
    .meta = get,
    .put = put,
    .del = del,
    .move = move,
    .set_access = set_access,
    .coll_new = coll_new,
    .coll_open = coll_open,
    .map_get = map_get,
    .map_put = map_put,
    .map_del = map_del,
    .map_count = map_count,
    .map_seek = map_seek,
    .map_step = map_step,
    .map_rank = map_rank,
    .map_select = map_select,
    .flush = flush,
    .swap = swap,
    .db_stats = db_stats,
    .scan = scan,
    .token = token,
    .random = random_key,
    .due = due,
    .begin = nothing,
    .commit = nothing,
    .abort = nothing,
    .room = room,
    .turn_end = nothing,
    .log_end = position,
    .released = position,
    .durable = position,
    .failed = fine,
    .sync = fine,
    .background = background,
    .cron = nothing,
    .compact = closed_status,
    .memory = memory,
    .error = closed_status,
    .check = check,
};

/* One for all, as it has no state; closing it frees nothing. */
engine *engine_closed(void) {
    static engine closed = {&closed_ops};
    return &closed;
}
