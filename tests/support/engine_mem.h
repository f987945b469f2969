/* engine_mem: a whole engine in memory behind engine.h, simple and right, without a disk.
 *
 * For two uses. Tests of the keyspace, types, session and commands run over it and, through the
 * knobs, see what a disk would do to them: PENDING reads, errors, no room, a failed log, releases
 * that come late. And the simulator uses it as the model that an engine is compared with, for which
 * it can keep the history of its batches and go back over them.
 *
 * Strict where an engine may be lenient: slices it returns are freed by the next call that ends
 * their life (rule E3), so that a sanitizer sees a late use; a change outside of a batch, a step of
 * an iterator whose map changed, or a collection that no entry owns at commit aborts. Nothing is
 * stored on disk: what is closed is gone. */
#ifndef STAVE_TESTS_SUPPORT_ENGINE_MEM_H
#define STAVE_TESTS_SUPPORT_ENGINE_MEM_H

#include "engine/engine.h"

/* May be changed at any time between two calls. All zero: an engine on which nothing goes wrong. */
typedef struct mem_knobs {
    /* Chance in a thousand that a read of a key, an element or the next key is PENDING. Once it
     * was, the same read is served until the next commit, as fetched bytes are pinned, so that a
     * command that is run again comes to its end. The reader's `ready`, or host.ready if there is
     * none, is called at the next engine_background. */
    unsigned pending_permille;
    /* Only for a reader; other reads are served at once, as if the caller had waited. */
    bool for_readers;
    /* ENGINE_ERROR from the Nth call that can say so, counted from when this is set; 0: never. It
     * goes down to 0 by itself. */
    uint64_t error_at;
    /* What room() says: ST_OK, ST_NO_SPACE (deletes, bytes 0, pass) or ST_FAILED (nothing passes).
     */
    status_code room;
    /* What pace() says, for each KiB that is asked for or a part of one; 0: no wait. */
    uint64_t pace_us;
    /* ST_OK, or what failed() says; no release happens any more. */
    status_code failed;
    /* turn_end releases nothing: engine_mem_release does. */
    bool hold;
    /* What is released is not durable: engine_mem_harden makes it so. */
    bool soft;
    /* Keep what is needed to go back over committed batches. Set before the first batch. */
    bool history;
} mem_knobs;

/* What has happened, for tests to look at. */
typedef struct mem_counters {
    uint64_t calls;    /* of functions that return an engine_result */
    uint64_t pendings; /* of them, PENDING */
    uint64_t commits, aborts, turns, syncs, compactions;
    uint64_t paced, paced_bytes; /* calls of pace, and what they asked for */
    uint64_t budgets, budget;    /* calls of budget, and the last one's bytes */
    uint64_t relieves;
    uint64_t sync_soons;
} mem_counters;

/* opt: databases, cluster, slot_of and host are used, and env's rng if there is one; dir is not.
 * seed: of the hash key and all chance. Close with engine_close. */
engine *engine_mem_new(const engine_options *opt, uint64_t seed);
/* 16 databases, no host. */
engine *engine_mem_simple(void);
mem_knobs *engine_mem_knobs(engine *e);
const mem_counters *engine_mem_counters(const engine *e);

/* From now on it says of itself that no key is to be evicted, or takes it back. */
void engine_mem_no_eviction(engine *e, bool on);
/* Likewise, that ranks and selections are cheap, which it says at first. */
void engine_mem_counted(engine *e, bool on);

/* Moves released() and durable() to pos, or to the log's end if that is nearer, and calls
 * host.released. */
void engine_mem_release(engine *e, log_pos pos);
/* Moves durable() to pos, or to released() if that is nearer, and calls host.released. */
void engine_mem_harden(engine *e, log_pos pos);

/* With knobs.history: batches committed so far, less those gone back over. */
uint64_t engine_mem_batches(const engine *e);
/* Undoes committed batches until `batches` are left. REQUIRES: not in a batch; none of those to be
 * undone was forgotten. */
void engine_mem_rollback(engine *e, uint64_t batches);
/* Drops the history of the first `batches` batches: a rollback goes no further back. */
void engine_mem_forget(engine *e, uint64_t batches);
/* The log's end after that many batches, as it was then. */
log_pos engine_mem_batch_end(const engine *e, uint64_t batches);

/* As a class, for code that opens engines by name ("mem"). Seeded from env->random_bytes. */
extern const engine_class engine_mem_class;

#endif
