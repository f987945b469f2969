/* ops: the functions of the engine's table, each named after engine.h's; its contract is there. */
#ifndef STAVE_ENGINE_LSM_OPS_H
#define STAVE_ENGINE_LSM_OPS_H

#include "engine/engine_ops.h"

extern const engine_ops lsm_ops; /* lsm.c */

/* lsm.c */
void lsm_close(engine *base);
bool lsm_background(engine *base, uint64_t budget_us);
void lsm_cron(engine *base);
status lsm_last_error(engine *base);
void lsm_turn_end(engine *base);
void lsm_sync_soon(engine *base);
status lsm_room(engine *base, size_t bytes);
log_pos lsm_log_end(engine *base);
log_pos lsm_released(engine *base);
log_pos lsm_durable(engine *base);
status lsm_failed(engine *base);
status lsm_sync(engine *base);

/* entries.c */
engine_result lsm_get(engine *base, uint32_t db, slice key, entry *out);
engine_result lsm_meta(engine *base, uint32_t db, slice key, entry *out);
engine_result lsm_put(engine *base, uint32_t db, slice key, const entry *ent);
engine_result lsm_del(engine *base, uint32_t db, slice key);
void lsm_set_access(engine *base, const entry *ent, uint32_t access);
uint64_t lsm_token(engine *base, slice key);
/* move.c */
engine_result lsm_move(engine *base, uint32_t db, slice key, uint32_t to_db, slice to_key);

/* maps.c */
engine_result lsm_coll_new(engine *base, uint32_t db, slice key, engine_coll *out);
engine_result lsm_coll_open(engine *base, uint32_t db, slice key, const entry *ent,
                            engine_coll *out);
engine_result lsm_map_get(engine *base, engine_coll *ec, unsigned map, slice sub, map_iter *out);
engine_result lsm_map_put(engine *base, engine_coll *ec, unsigned map, slice sub, slice value,
                          int64_t expire);
engine_result lsm_map_del(engine *base, engine_coll *ec, unsigned map, slice sub);
uint64_t lsm_map_count(engine *base, engine_coll *ec, unsigned map);
/* map_iter.c */
engine_result lsm_map_seek(engine *base, engine_coll *ec, unsigned map, slice from, bool backward,
                           map_iter *out);
engine_result lsm_map_end(engine *base, engine_coll *ec, unsigned map, bool last, slice *sub);
engine_result lsm_map_step(engine *base, map_iter *it, bool backward);
engine_result lsm_map_rank(engine *base, engine_coll *ec, unsigned map, slice sub, uint64_t *rank);
engine_result lsm_map_select(engine *base, engine_coll *ec, unsigned map, uint64_t rank,
                             map_iter *out);

/* dbs.c */
engine_result lsm_flush_dbs(engine *base, int32_t db);
engine_result lsm_swap(engine *base, uint32_t a, uint32_t b);
void lsm_db_stats(engine *base, uint32_t db, engine_db_stats *out);

/* scan.c */
engine_result lsm_scan(engine *base, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                       void (*each)(void *ctx, slice key, const entry *meta), void *ctx);
engine_result lsm_random(engine *base, uint32_t db, bool with_expire, buf *key, entry *meta);
void lsm_prefetch(engine *base, uint32_t db, slice key, bool value);

/* expire.c */
engine_result lsm_due(engine *base, int64_t now_ms, uint32_t *db, buf *key, int64_t *when);

/* batch.c */
void lsm_begin(engine *base);
void lsm_commit(engine *base);
void lsm_abort(engine *base);

/* compact.c, pace.c, sizes.c, metrics.c, check.c */
status lsm_compact(engine *base);
uint64_t lsm_pace(engine *base, size_t bytes);
void lsm_budget(engine *base, uint64_t bytes);
uint64_t lsm_relieve(engine *base, uint64_t over);
void lsm_memory(engine *base, uint64_t *index, uint64_t *caches, uint64_t *buffers);
void lsm_emit(buf *out, void *ctx);
void lsm_reset(void *ctx);
status lsm_check(engine *base, buf *report);

#endif
