/* lsm: the table of functions of the engine, and those that are about time: turns, cron, slices in
 * the background. What the log alone decides is engine/log's; opening and closing are in open.c and
 * close.c. */
#include "engine/lsm/jobs.h"
#include "engine/lsm/open.h"
#include "engine/lsm/ops.h"
#include "engine/lsm/space.h"

#include <stdio.h>

/* Messages live in a ring that the next ones overwrite, so it is copied. */
engine_result lsm_error(lsm *e, status s) {
    CHECK(!status_ok(s));
    snprintf(e->error_msg, sizeof e->error_msg, "%s", s.msg);
    e->error = (status){s.code, e->error_msg};
    return ENGINE_ERROR;
}

/* What is not in memory now is no error, and leaves none. */
engine_result lsm_unread(lsm *e, status s) {
    CHECK(!status_ok(s));
    return table_not_now(s) ? ENGINE_PENDING : lsm_error(e, s);
}

/* engine_error: the copy that lsm_error() made. */
status lsm_last_error(engine *base) {
    return lsm_of(base)->error;
}

/* For what must not take too long, and for statistics: never for what data means. */
uint64_t lsm_now_us(lsm *e) {
    return chain_now_us(&e->log);
}

/* ---- time --------------------------------------------------------------------------------------
 */

/* engine_turn_end. */
void lsm_turn_end(engine *base) {
    lsm *e = lsm_of(base);
    CHECK(!e->batch.open);
    chain_turn_end(&e->log);
    CHECK(chain_durable(&e->log) <= chain_log_end(&e->log));
    CHECK(chain_released(&e->log) <= chain_log_end(&e->log));
    lsm_jobs_turn(e);
    lsm_iters_rest(e);
    fetch_kick(e->supply.fetch);
}

/* engine_sync_soon. */
void lsm_sync_soon(engine *base) {
    lsm *e = lsm_of(base);
    CHECK(e->log.tail && chain_durable(&e->log) <= chain_log_end(&e->log));
    e->log.sync_soon = true;
}

/* engine_cron: the disk is looked at, then the log, as flushes wait for it, and as the mapping goes
 * to the manifest only as of what is durable. */
void lsm_cron(engine *base) {
    lsm *e = lsm_of(base);
    CHECK(!e->batch.open);
    space_look(e);
    chain_cron(&e->log);
    CHECK(e->flushed <= chain_durable(&e->log)); /* a table shows nothing that a crash could take */
    lsm_dbs_checkpoint(e);
    lsm_jobs_cron(e);
    cache_pages_cron(&e->block_pages, e->blocks, e->env->aio);
    chain_tell(&e->log);
}

/* engine_background: memtables that were flushed are freed, the cache gives memory back; small
 * slices of each in turn, until the time is used up. */
bool lsm_background(engine *base, uint64_t budget_us) {
    lsm *e = lsm_of(base);
    CHECK(!e->batch.open);
    uint64_t until = lsm_now_us(e) + budget_us;
    bool more;
    do {
        more = lsm_free_some(e);
        more = cache_trim(e->blocks) || more;
    } while (more && lsm_now_us(e) < until);
    return more || chain_behind(&e->log);
}

/* ---- the log ------------------------------------------------------------------------------------
 */

/* engine_room: there is as much room as in the log; of what is in it, tables need less. And in
 * memory, as long as that comes free again. */
status lsm_room(engine *base, size_t bytes) {
    if (bytes > 0) TRY(flush_room(lsm_of(base)));
    return chain_room(&lsm_of(base)->log, bytes);
}

/* engine_sync. */
status lsm_sync(engine *base) {
    return chain_sync_all(&lsm_of(base)->log);
}

/* engine_log_end: the open batch included. */
log_pos lsm_log_end(engine *base) {
    return chain_log_end(&lsm_of(base)->log);
}

/* engine_released. */
log_pos lsm_released(engine *base) {
    return chain_released(&lsm_of(base)->log);
}

/* engine_durable: after a failed fsync it stays where it was. */
log_pos lsm_durable(engine *base) {
    return chain_durable(&lsm_of(base)->log);
}

/* engine_failed: ok until chain_fail(). */
status lsm_failed(engine *base) {
    return lsm_of(base)->log.failure;
}

/* Made with the engine (open.c); metrics.c writes the lines. */
static const metric_section *lsm_metrics(engine *e) {
    return lsm_of(e)->sections;
}

const engine_ops lsm_ops = {
    .name = "lsm",
    .no_eviction = true,
    .close = lsm_close,
    /* main entries: entries.c, move.c, scan.c */
    .get = lsm_get,
    .meta = lsm_meta,
    .put = lsm_put,
    .del = lsm_del,
    .move = lsm_move,
    .set_access = lsm_set_access,
    /* collections: maps.c, map_iter.c */
    .coll_new = lsm_coll_new,
    .coll_open = lsm_coll_open,
    .map_get = lsm_map_get,
    .map_put = lsm_map_put,
    .map_del = lsm_map_del,
    .map_count = lsm_map_count,
    .map_seek = lsm_map_seek,
    .map_end = lsm_map_end,
    .map_step = lsm_map_step,
    .map_rank = lsm_map_rank,
    .map_select = lsm_map_select,
    /* whole databases: dbs.c, scan.c, random.c, prefetch.c, expire.c */
    .flush = lsm_flush_dbs,
    .swap = lsm_swap,
    .db_stats = lsm_db_stats,
    .scan = lsm_scan,
    .token = lsm_token,
    .prefetch = lsm_prefetch,
    .random = lsm_random,
    .due = lsm_due,
    /* batches and the log: batch.c, pace.c */
    .begin = lsm_begin,
    .commit = lsm_commit,
    .abort = lsm_abort,
    .room = lsm_room,
    .pace = lsm_pace,
    .turn_end = lsm_turn_end,
    .sync_soon = lsm_sync_soon,
    .log_end = lsm_log_end,
    .released = lsm_released,
    .durable = lsm_durable,
    .failed = lsm_failed,
    .sync = lsm_sync,
    /* life: compact.c, sizes.c, check.c */
    .background = lsm_background,
    .cron = lsm_cron,
    .compact = lsm_compact,
    .memory = lsm_memory,
    .relieve = lsm_relieve,
    .budget = lsm_budget,
    .reader_end = lsm_reader_end,
    .error = lsm_last_error,
    .check = lsm_check,
};

const engine_class lsm_class = {
    .name = "lsm",
    .open = lsm_open,
    .settings = lsm_setting_table,
    .metrics = lsm_metrics,
};
