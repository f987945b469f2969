/* engine_life: the calls of engine.h that look after an engine: background work, memory, checks,
 * the end. Part of engine.h, which includes this. */
#ifndef STAVE_ENGINE_ENGINE_LIFE_H
#define STAVE_ENGINE_ENGINE_LIFE_H

#include "engine/engine_ops.h"

/* Background slices (applying a merge, freeing): about budget_us; true if there is more to do. */
static inline bool engine_background(engine *e, uint64_t budget_us) {
    return e->ops->background(e, budget_us);
}
/* Ten times a second or so: everysec fsync, starting merges, preparing segments. */
static inline void engine_cron(engine *e) {
    e->ops->cron(e);
}
/* Start a merge or compaction of all there is now; ST_BUSY if one runs. */
static inline status engine_compact(engine *e) {
    return e->ops->compact(e);
}
/* Bytes by part: index (grows with the keys), caches (bounded by settings), buffers. */
static inline void engine_memory(engine *e, uint64_t *index, uint64_t *caches, uint64_t *buffers) {
    e->ops->memory(e, index, caches, buffers);
}
/* The process uses `over` bytes more than it may. Gives back caches, as far as that helps, so that
 * no key is evicted for their sake, and returns how many of the bytes in use an eviction would only
 * add to: free places of the index, and the log's tail. Called often; cheap. */
static inline uint64_t engine_relieve(engine *e, uint64_t over) {
    return e->ops->relieve ? e->ops->relieve(e, over) : 0;
}
/* The process may use that many bytes in all (0: no limit): told when the engine is opened, and
 * again when it changes. Memtables and caches take their shares of it. */
static inline void engine_budget(engine *e, uint64_t bytes) {
    if (e->ops->budget) e->ops->budget(e, bytes);
}
/* May keys be evicted, and writes be refused, for the sake of memory? If not, the keyspace only
 * calls engine_relieve. */
static inline bool engine_evicts(const engine *e) {
    return !e->ops->no_eviction;
}
/* Are engine_map_rank and engine_map_select logarithmic? */
static inline bool engine_counted(const engine *e) {
    return e->ops->counted;
}
/* The last ENGINE_ERROR's status. */
static inline status engine_error(engine *e) {
    return e->ops->error(e);
}
/* Walks everything, compares every count with the contents, appends what is wrong to report. For
 * tests and DEBUG: slow. */
static inline status engine_check(engine *e, buf *report) {
    return e->ops->check(e, report);
}
/* Clean shutdown: syncs, writes what makes the next start fast, frees everything. */
static inline void engine_close(engine *e) {
    e->ops->close(e);
}

#endif
