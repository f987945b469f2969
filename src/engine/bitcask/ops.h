/* ops: the functions of the engine's table, each named after engine.h's; its contract is there. */
#ifndef STAVE_ENGINE_BITCASK_OPS_H
#define STAVE_ENGINE_BITCASK_OPS_H

#include "engine/engine_ops.h"

typedef struct bitcask bitcask;
extern const engine_ops bitcask_ops;

/* bitcask.c */
void bc_close(engine *base);
bool bc_background(engine *base, uint64_t budget_us);
void bc_cron(engine *base);
status bc_compact(engine *base);
void bc_memory(engine *base, uint64_t *index, uint64_t *caches, uint64_t *buffers);
status bc_last_error(engine *base);
void bc_reader_end(engine *base, engine_reader *r);

/* relieve.c */
uint64_t bc_relieve(engine *base, uint64_t over);
void bc_budget(engine *base, uint64_t bytes);

/* entries.c */
engine_result bc_get(engine *base, uint32_t db, slice key, entry *out);
engine_result bc_meta(engine *base, uint32_t db, slice key, entry *out);
engine_result bc_put(engine *base, uint32_t db, slice key, const entry *ent);
engine_result bc_del(engine *base, uint32_t db, slice key);
engine_result bc_move(engine *base, uint32_t db, slice key, uint32_t to_db, slice to_key);
void bc_set_access(engine *base, const entry *ent, uint32_t access);
uint64_t bc_token(engine *base, slice key);
void bc_prefetch(engine *base, uint32_t db, slice key, bool value); /* prefetch.c */
engine_result bc_scan(engine *base, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                      void (*each)(void *ctx, slice key, const entry *meta), void *ctx);
void bc_db_stats(engine *base, uint32_t db, engine_db_stats *out);

/* expire.c */
engine_result bc_random(engine *base, uint32_t db, bool with_expire, buf *key, entry *meta);
engine_result bc_due(engine *base, int64_t now_ms, uint32_t *db, buf *key, int64_t *when);

/* maps.c */
engine_result bc_coll_new(engine *base, uint32_t db, slice key, engine_coll *out);
engine_result bc_coll_open(engine *base, uint32_t db, slice key, const entry *ent,
                           engine_coll *out);
engine_result bc_map_get(engine *base, engine_coll *ec, unsigned map, slice sub, map_iter *out);
engine_result bc_map_put(engine *base, engine_coll *ec, unsigned map, slice sub, slice value,
                         int64_t expire);
engine_result bc_map_del(engine *base, engine_coll *ec, unsigned map, slice sub);
uint64_t bc_map_count(engine *base, engine_coll *ec, unsigned map);
engine_result bc_map_seek(engine *base, engine_coll *ec, unsigned map, slice from, bool backward,
                          map_iter *out);
engine_result bc_map_end(engine *base, engine_coll *ec, unsigned map, bool last, slice *sub);
engine_result bc_map_step(engine *base, map_iter *it, bool backward);
engine_result bc_map_rank(engine *base, engine_coll *ec, unsigned map, slice sub, uint64_t *rank);
engine_result bc_map_select(engine *base, engine_coll *ec, unsigned map, uint64_t rank,
                            map_iter *out);

/* dbs.c */
engine_result bc_flush(engine *base, int32_t db);
engine_result bc_swap(engine *base, uint32_t a, uint32_t b);

/* batch.c */
void bc_begin(engine *base);
void bc_commit(engine *base);
void bc_abort(engine *base);

/* bitcask.c: the log */
status bc_room(engine *base, size_t bytes);
void bc_turn_end(engine *base);
void bc_sync_soon(engine *base);
log_pos bc_log_end(engine *base);
log_pos bc_released(engine *base);
log_pos bc_durable(engine *base);
status bc_failed(engine *base);
status bc_sync(engine *base);

/* metrics.c, check.c */
void bc_emit(buf *out, void *ctx);
void bc_reset(void *ctx);
/* Bytes of all trees: expire index, collections. */
uint64_t bc_tree_bytes(const bitcask *e);
status bc_check(engine *base, buf *report);

#endif
