/* engine_mem_private: the engine itself, shared by the files of engine_mem and by nobody else. */
#ifndef STAVE_TESTS_SUPPORT_ENGINE_MEM_PRIVATE_H
#define STAVE_TESTS_SUPPORT_ENGINE_MEM_PRIVATE_H

#include "base/hash.h"
#include "base/rand.h"
#include "support/engine_mem.h"
#include "support/engine_mem_state.h"

/* A committed batch, with knobs.history. */
typedef struct mem_batch {
    size_t undos; /* how many it has in the journal */
    log_pos end;  /* of the log, after it */
} mem_batch;

typedef struct mem {
    engine base;
    engine_ops ops; /* what base points to */
    mem_state state;
    mem_knobs knobs;
    mem_counters counters;
    engine_host host;
    uint16_t (*slot_of)(slice key); /* NULL unless cluster */
    hash_key hash;
    rng chance;

    log_pos end, released, durable;
    bool in_batch;
    log_pos batch_start;
    size_t batch_undos; /* of the journal, when the batch began */
    uint64_t next_coll;

    uint64_t forgotten, nbatches; /* batches[0] is number `forgotten` */
    size_t batches_cap;
    mem_batch *batches;

    omap *fetched;           /* reads that were PENDING once: served until the next commit */
    bool ready_is_due;       /* host.ready at the next background call */
    engine_reader **readers; /* likewise, those whose reads were PENDING */
    size_t nreaders, readers_cap;
    status failure; /* engine_error */
    char **given;   /* bytes that the last read handed out */
    size_t givens, givens_cap;
} mem;

static inline mem *mem_of(engine *e) {
    return (mem *)e;
}

/* Every function that returns a result asks this first. kind and keys name what is read; a write
 * that never reads has kind 0 and is never PENDING. False: return *r. */
bool mem_gate(mem *m, char kind, uint32_t db, slice key, unsigned map, slice sub, engine_result *r);
/* The end of every call that ends the life of slices (E3): frees those given before. */
void mem_take_back(mem *m);
/* A copy of bytes for the caller, which lives until mem_take_back. */
slice mem_give(mem *m, slice s);
/* Counts a change: its position, which is after it. */
log_pos mem_advance(mem *m);

mem_db *mem_db_at(mem *m, uint32_t db);
/* be64 token || key, appended to out. */
void mem_tkey(mem *m, slice key, buf *out);
/* A copy of a collection with its elements under a new id, journaled, in another database. */
uint64_t mem_copy_coll(mem *m, const mem_coll *from, mem_db *to);

engine_result mem_coll_new_op(engine *e, uint32_t db, slice key, engine_coll *out);
engine_result mem_coll_open_op(engine *e, uint32_t db, slice key, const entry *ent,
                               engine_coll *out);
engine_result mem_map_get_op(engine *e, engine_coll *c, unsigned map, slice sub, map_iter *out);
engine_result mem_map_put_op(engine *e, engine_coll *c, unsigned map, slice sub, slice value,
                             int64_t expire);
engine_result mem_map_del_op(engine *e, engine_coll *c, unsigned map, slice sub);
uint64_t mem_map_count_op(engine *e, engine_coll *c, unsigned map);
engine_result mem_map_seek_op(engine *e, engine_coll *c, unsigned map, slice from, bool backward,
                              map_iter *out);
engine_result mem_map_step_op(engine *e, map_iter *it, bool backward);
engine_result mem_map_rank_op(engine *e, engine_coll *c, unsigned map, slice sub, uint64_t *rank);
engine_result mem_map_select_op(engine *e, engine_coll *c, unsigned map, uint64_t rank,
                                map_iter *out);

#endif
