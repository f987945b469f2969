/* engine: the one small model of data that both storage engines give and every type is written
 * over.
 *
 *   main entries   (db, key) -> type, expire, access state, log position, value, collection
 *   collections    (collection, map, subkey) -> value, expire; ordered by subkey, counted
 *   batches        all changes between begin and commit happen together, across a crash too
 *   positions      how far the log is: what a reply must wait for
 *
 * One thread calls an engine. `db` is the logical number a client selected; the engine maps it to a
 * physical one, so that flush and swap are one small record each. ENGINE_DB_SYSTEM is one more, for
 * what the program keeps for itself: it is there whatever `databases` says, is always the same
 * physical one, and no flush, swap or engine_due touches it.
 *
 * Numbered rules:
 *  E1. Changes are made only inside a batch. A batch that is aborted leaves no trace.
 *  E2. Any read may answer ENGINE_PENDING: the bytes are on their way. The caller aborts its batch,
 *      waits for engine_reader.ready, and runs the whole command again.
 *  E3. Slices that a read returns live until the next call on the engine but engine_set_access,
 *      engine_map_count, positions. Keys and values passed in are copied or written before return.
 *  E4. The engine never deletes what has expired by itself: it says what is due (engine_due), the
 *      keyspace deletes it, in a batch. Reads do not look at the clock.
 *  E5. Nothing that needs the log may be told to anybody before engine_released() reaches the
 *      position it depends on. */
#ifndef STAVE_ENGINE_ENGINE_H
#define STAVE_ENGINE_ENGINE_H

#include "engine/engine_life.h"
#include "engine/engine_ops.h"

/* ---- who reads ------------------------------------------------------------------------------ */

/* Reads are r's from now on: one that misses memory begins beside the thread and answers
 * ENGINE_PENDING, and what came for r stays until engine_reader_end, so that the next run finds it.
 * Having asked for one thing, r may ask for more at once: all of it is one round. NULL: nobody
 * could wait, so reads block. They do too for a reader that has had its rounds or holds its bytes
 * (engine/fetch.h): no command runs for ever. */
static inline void engine_read_for(engine *e, engine_reader *r) {
    e->reader = r;
}
/* How many things that r will want are worth asking for in a round: some, and three times what it
 * has, so that rounds are few whatever a command walks over, and little is read for nothing. */
#define ENGINE_ASK_FIRST 64
static inline uint64_t engine_ask_most(const engine *e) {
    return ENGINE_ASK_FIRST +
           (e->reader ? 3 * (uint64_t)(e->reader->blocks - e->reader->waits) : 0);
}
/* How many are worth it in any round, even if nothing says that they will be wanted: a run costs
 * what it goes through, so a round shall bring a part of that. */
static inline uint64_t engine_ask_least(const engine *e) {
    return e->reader ? (e->reader->blocks - e->reader->waits) / 4 : 0;
}
/* Its command has ended, or will not run again: what was read for r is let go, and `ready` will not
 * be called. r is as if new. */
static inline void engine_reader_end(engine *e, engine_reader *r) {
    if (r->holds || r->rounds || r->waits) e->ops->reader_end(e, r);
}

/* ---- main entries --------------------------------------------------------------------------- */

/* The entry with its value bytes. */
static inline engine_result engine_get(engine *e, uint32_t db, slice key, entry *out) {
    return e->ops->get(e, db, key, out);
}
/* The entry without its value: never reads a disk in Bitcask mode. */
static inline engine_result engine_meta(engine *e, uint32_t db, slice key, entry *out) {
    return e->ops->meta(e, db, key, out);
}
/* Inserts or replaces, logging all of it. Uses type, hint, access, expire, coll and value of ent;
 * the value may be a slice that a read of this same key returned. REQUIRES: a batch. */
static inline engine_result engine_put(engine *e, uint32_t db, slice key, const entry *ent) {
    return e->ops->put(e, db, key, ent);
}
/* ENGINE_ABSENT if there is no such key. */
static inline engine_result engine_del(engine *e, uint32_t db, slice key) {
    return e->ops->del(e, db, key);
}
/* Gives the entry, with its collection, another name or database, replacing what is there. Within a
 * database this costs one record; a collection that changes database is copied. */
static inline engine_result engine_move(engine *e, uint32_t db, slice key, uint32_t to_db,
                                        slice to_key) {
    return e->ops->move(e, db, key, to_db, to_key);
}
/* In place, not logged. ent: from a read since the last change. */
static inline void engine_set_access(engine *e, const entry *ent, uint32_t access) {
    e->ops->set_access(e, ent, access);
}

/* ---- collections ---------------------------------------------------------------------------- */

/* A new, empty collection for key: put an entry with coll = out->id in the same batch. */
static inline engine_result engine_coll_new(engine *e, uint32_t db, slice key, engine_coll *out) {
    return e->ops->coll_new(e, db, key, out);
}
/* The collection of an entry that was just read. */
static inline engine_result engine_coll_open(engine *e, uint32_t db, slice key, const entry *ent,
                                             engine_coll *out) {
    return e->ops->coll_open(e, db, key, ent, out);
}
/* One element: out->value, out->expire, out->pos. Not positioned for stepping. */
static inline engine_result engine_map_get(engine *e, engine_coll *c, unsigned map, slice sub,
                                           map_iter *out) {
    return e->ops->map_get(e, c, map, sub, out);
}
static inline engine_result engine_map_put(engine *e, engine_coll *c, unsigned map, slice sub,
                                           slice value, int64_t expire) {
    return e->ops->map_put(e, c, map, sub, value, expire);
}
static inline engine_result engine_map_del(engine *e, engine_coll *c, unsigned map, slice sub) {
    return e->ops->map_del(e, c, map, sub);
}
/* Exact, O(1). */
static inline uint64_t engine_map_count(engine *e, engine_coll *c, unsigned map) {
    return e->ops->map_count(e, c, map);
}
/* At the first element >= from, or (backward) the last one <= from; backward from "": the last. */
static inline engine_result engine_map_seek(engine *e, engine_coll *c, unsigned map, slice from,
                                            bool backward, map_iter *out) {
    return e->ops->map_seek(e, c, map, from, backward, out);
}
static inline engine_result engine_map_step(engine *e, map_iter *it, bool backward) {
    return e->ops->map_step(e, it, backward);
}
/* How many elements are < sub; and the element with that many before it. Logarithmic where the
 * engine counts (Bitcask), else a walk. */
static inline engine_result engine_map_rank(engine *e, engine_coll *c, unsigned map, slice sub,
                                            uint64_t *rank) {
    return e->ops->map_rank(e, c, map, sub, rank);
}
static inline engine_result engine_map_select(engine *e, engine_coll *c, unsigned map,
                                              uint64_t rank, map_iter *out) {
    return e->ops->map_select(e, c, map, rank, out);
}

/* ---- whole databases ------------------------------------------------------------------------ */

/* db -1: all of them. O(1); the space comes back by itself. In a batch like any change. */
static inline engine_result engine_flush(engine *e, int32_t db) {
    return e->ops->flush(e, db);
}
static inline engine_result engine_swap(engine *e, uint32_t a, uint32_t b) {
    return e->ops->swap(e, a, b);
}
static inline void engine_db_stats_of(engine *e, uint32_t db, engine_db_stats *out) {
    e->ops->db_stats(e, db, out);
}
/* Visits entries in token order from token `from`, until `want` or a few more were visited (all
 * keys of one token come in one call); *next is the token to go on from, or 0 at the end. each must
 * not change the engine; meta is as engine_meta gives it. */
static inline engine_result engine_scan(engine *e, uint32_t db, uint64_t from, size_t want,
                                        uint64_t *next,
                                        void (*each)(void *ctx, slice key, const entry *meta),
                                        void *ctx) {
    return e->ops->scan(e, db, from, want, next, each, ctx);
}
static inline uint64_t engine_token(engine *e, slice key) {
    return e->ops->token(e, key);
}
/* This key of db will be asked for after about ENGINE_AHEAD more calls of this function: the engine
 * may begin to bring it near, and its value if that is wanted. An empty key only lets those before
 * it come nearer. */
#define ENGINE_AHEAD 10
static inline void engine_prefetch(engine *e, uint32_t db, slice key, bool value) {
    if (e->ops->prefetch) e->ops->prefetch(e, db, key, value);
}
/* A key picked at random (near enough to uniform for sampling), of those with an expiry time if
 * with_expire. The key is copied to `key`. meta may be NULL. */
static inline engine_result engine_random(engine *e, uint32_t db, bool with_expire, buf *key,
                                          entry *meta) {
    return e->ops->random(e, db, with_expire, key, meta);
}
/* The key with the earliest expire time, over all databases, if that is <= now_ms; else
 * ENGINE_ABSENT, and *when is the earliest time there is (0: none), or one before it if to find it
 * takes more work than a call may do: then ask again from that time on. */
static inline engine_result engine_due(engine *e, int64_t now_ms, uint32_t *db, buf *key,
                                       int64_t *when) {
    return e->ops->due(e, now_ms, db, key, when);
}

/* ---- batches and the log --------------------------------------------------------------------- */

static inline void engine_begin(engine *e) {
    e->ops->begin(e);
}
static inline void engine_commit(engine *e) {
    e->ops->commit(e);
}
static inline void engine_abort(engine *e) {
    e->ops->abort(e);
}
/* May a change of about that many bytes be made? ST_NO_SPACE, ST_FAILED, or ok. Asked before a
 * command that may grow the data; deletes pass bytes = 0 and may use the reserve. */
static inline status engine_room(engine *e, size_t bytes) {
    return e->ops->room(e, bytes);
}
/* How many microseconds a write of about that many bytes should wait before it runs: nearly always
 * 0; more while flushes or compactions lag behind, growing smoothly. Asked once for each such
 * command, so an engine may count what it is asked for as about to come. Never asked for deletes.
 * With bytes = 0: how long would anybody have to wait now? */
static inline uint64_t engine_pace(engine *e, size_t bytes) {
    return e->ops->pace ? e->ops->pace(e, bytes) : 0;
}
/* End of a reactor turn: all records of the turn go to the log in one write, unless an fsync runs
 * that they wait for; an fsync that is due begins, beside the thread. engine_released() tells what
 * may be sent, now or at a later turn (host.released). */
static inline void engine_turn_end(engine *e) {
    e->ops->turn_end(e);
}
/* The log's end, the tail that is not yet written included: what a reply that shows absence, a
 * count or a range depends on. */
static inline log_pos engine_log_end(engine *e) {
    return e->ops->log_end(e);
}
/* Replies that depend on positions <= this may go. */
static inline log_pos engine_released(engine *e) {
    return e->ops->released(e);
}
/* All before this position survives the loss of the machine. */
static inline log_pos engine_durable(engine *e) {
    return e->ops->durable(e);
}
/* Somebody waits for durable() to reach the log's end: an fsync of all there is begins at the end
 * of this turn, or as soon as the one that runs has ended, whatever the policy. In a batch too. */
static inline void engine_sync_soon(engine *e) {
    if (e->ops->sync_soon) e->ops->sync_soon(e);
}
/* Ok, or why the log takes no more: replies held beyond engine_released() must become errors. */
static inline status engine_failed(engine *e) {
    return e->ops->failed(e);
}
/* Writes and fsyncs all there is, now, blocking. Not inside a batch. */
static inline status engine_sync(engine *e) {
    return e->ops->sync(e);
}

#endif
