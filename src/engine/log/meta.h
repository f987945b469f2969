/* meta: the manifest of a store, from its engine's side.
 *
 * Changes to the manifest are collected in one edit while the one before is being written by a
 * worker. Each edit has a generation; whoever must not go on before his change is durable remembers
 * what meta_commit returned and asks meta_is_durable when `durable` is called. Several changes that
 * belong together are put into meta.edit before meta_commit is called once: an edit is applied
 * whole or not at all.
 *
 * A full disk puts the edit back, to be tried again by meta_cron; any other failure is final. */
#ifndef STAVE_ENGINE_LOG_META_H
#define STAVE_ENGINE_LOG_META_H

#include "io/env.h"
#include "storage/manifest.h"

/* Ids of one kind, reserved in the manifest in blocks. */
typedef struct id_block {
    uint64_t next, reserved; /* ids below `reserved` may be given */
    uint64_t asked;          /* reserved, once the edit under way is durable */
} id_block;

typedef struct meta_queue {
    const io_env *env;
    vfs *fs;         /* env->fs */
    const char *dir; /* the owner's */
    vfs_file *lock;  /* of the directory; NULL: not held */
    uint64_t store_id;
    manifest *m;
    manifest_edit edit;   /* collecting, as generation `gen` */
    manifest_edit flying; /* being written, as generation gen - 1 */
    uint64_t gen;
    uint64_t done;     /* generations up to this are durable */
    bool busy;         /* `flying` is under way */
    bool full;         /* the last write found no space: cron tries again */
    uint64_t no_space; /* how often that was so */
    id_block ids[MANIFEST_IDS];
    aio_job job;
    status failure; /* not ok: no edit is begun any more */
    char failure_msg[STATUS_MSG_MAX];
    /* An edit has become durable; not ok: none will be any more. May be NULL. */
    void (*durable)(void *ctx);
    void (*failed)(void *ctx, status s);
    void *ctx;
} meta_queue;

/* Nothing is open: see store.h for what opens it. dir must outlive it. */
void meta_init(meta_queue *m, const io_env *env, const char *dir);
/* Closes the manifest and gives the lock back. REQUIRES: no edit under way that a worker may yet
 * touch. */
void meta_free(meta_queue *m);
/* After m->m was opened: takes the ids and the store's id from it. */
void meta_take(meta_queue *m);
/* What the manifest says, as of the last durable edit. */
static inline const manifest_state *meta_state(const meta_queue *m) {
    return manifest_get(m->m);
}

/* What was added to m->edit is to become durable together; returns its generation. */
uint64_t meta_commit(meta_queue *m);
static inline bool meta_is_durable(const meta_queue *m, uint64_t gen) {
    return gen <= m->done;
}
/* Starts writing what is collected, unless a write is under way. */
void meta_kick(meta_queue *m);
/* The same after a full disk: to be called from time to time. */
void meta_cron(meta_queue *m);
/* Blocks until the generation is durable. */
status meta_wait(meta_queue *m, uint64_t gen);
/* No edit is begun any more; `failed` is not called. */
void meta_stop(meta_queue *m, status why);

/* The number that the next file gets, if it is had: meta_name_file adds to the edit that the number
 * and the name are taken. The file may be made once that is durable. */
static inline uint32_t meta_next_file(const meta_queue *m) {
    return (uint32_t)m->ids[MANIFEST_IDS_FILE].next;
}
void meta_name_file(meta_queue *m, uint32_t number);
/* The next id of a database or collection. Blocks only if the reserve is used up. */
status meta_take_id(meta_queue *m, enum manifest_ids which, uint64_t *id);
/* Adds to the edit what keeps ids reserved ahead. */
void meta_reserve_ahead(meta_queue *m);

#endif
