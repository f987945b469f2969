/* retire: files on their way out.
 *
 *   live ──RETIRE or the like in the manifest──> pending ──durable──> a worker closes, unlinks and
 *   fsyncs the directory ──> GONE in the manifest
 *
 * The number is in the manifest's list of pending files from the first edit to the last, so a crash
 * anywhere in between leaves nothing that the next start could not finish. */
#ifndef STAVE_ENGINE_LOG_RETIRE_H
#define STAVE_ENGINE_LOG_RETIRE_H

#include "engine/log/meta.h"

/* A set of file kinds. */
#define RETIRE_KIND(kind) (1u << (kind))

typedef struct retire_item {
    uint32_t number;
    unsigned kinds; /* names that the number may have: unlinked from the highest kind down, so that
                       a hint goes before its segment */
    uint64_t gen;   /* of the edit that makes it pending */
    vfs_file *file; /* closed first; NULL: it is not open */
} retire_item;

/* A file that the manifest does not know, on its way out (retire_temp). */
typedef struct retire_temp_job retire_temp_job;

typedef struct retire_queue {
    aio_job job;
    meta_queue *meta;
    retire_item *items; /* in order of gen */
    size_t n, cap;
    retire_item *doing; /* the job's, which the thread leaves alone meanwhile; NULL: no job */
    size_t ndoing;
    uint64_t unlinked; /* numbers, since the start */
    retire_temp_job *temps;
} retire_queue;

void retire_init(retire_queue *r, meta_queue *m);
/* Closes the files of what is left, which stays pending: the next start unlinks it. REQUIRES: no
 * worker at it. */
void retire_free(retire_queue *r);

/* The number's files go once the edit of that generation is durable; 0: they were never more than
 * pending. Takes file. */
void retire_push(retire_queue *r, const retire_item *item);
/* Begins what may begin: to be called after a push, and whenever an edit is durable. */
void retire_advance(retire_queue *r);
/* A worker closes file (NULL: it is not open) and unlinks path, one of our .tmp: if it is lost on
 * the way, the next start does it. */
void retire_temp(retire_queue *r, vfs_file *file, const char *path);
/* Nothing is left to be done. Nobody waits for that but tests: what is left goes at its time, or
 * with the next start. */
static inline bool retire_idle(const retire_queue *r) {
    return r->n == 0 && !r->doing && !r->temps;
}

#endif
