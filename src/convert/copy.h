/* copy: all of a database from one engine to another. */
#ifndef STAVE_CONVERT_COPY_H
#define STAVE_CONVERT_COPY_H

#include "convert/tally.h"
#include "engine/engine.h"

/* What whoever copies does between batches. */
typedef struct copy_host {
    /* Lets the target work: turn, cron, background. Not ok ends the copy. */
    status (*turn)(void *ctx, const tally_sum *so_far);
    /* Lets that work go on for so many microseconds. Not ok ends the copy. */
    status (*sleep)(void *ctx, uint64_t us);
    /* The source waits for a read. */
    void (*wait)(void *ctx);
    void *ctx;
} copy_host;

/* Batches are bounded, so a crash may leave any part of it: the caller sees to it that a target
 * that is not complete is not taken for one that is. What was read is added to *sum. ST_NO_SPACE:
 * the target's disk is full. */
status copy_db(engine *from, engine *to, uint32_t db, const copy_host *host, tally_sum *sum);

#endif
