/* recover: a log's files at a start: from what the manifest names to a chain that can be appended
 * to.
 *
 *   recover_files    opens the log's live files, oldest first
 *   recover_replay   reads some of them, as often as the engine needs; the last time up to the
 * log's end, which it finds: see logscan.h for torn tails and damage recover_begin    what is open
 * becomes durable and sealed, what follows the end is retired, and the log goes on in a new file:
 * one edit of the manifest
 *
 * Until recover_begin no file has changed. */
#ifndef STAVE_ENGINE_LOG_RECOVER_H
#define STAVE_ENGINE_LOG_RECOVER_H

#include "engine/log/chain.h"
#include "storage/logscan.h"

/* One record of a whole batch, at its place in f. */
typedef status (*recover_fn)(void *ctx, logfile *f, const logscan_item *item);

typedef struct recovery {
    chain *c;
    logfile *
        *files; /* oldest first; each open, SEALED; end is 0 where the manifest has no length */
    log_file *scans; /* the same for log_replay */
    bool *merged;    /* came by REPLACE: not a part of the log as it was written */
    uint32_t n;
    uint32_t last; /* index of the file in which the log ends; n: not looked for, or all sealed */
    log_pos mark;  /* the greatest one read: all before it is durable */
    uint64_t cut;  /* bytes behind the end that were cut off */
    recover_fn each;
    void *ctx;
    uint32_t from; /* of the replay under way */
} recovery;

/* calls.make is asked for each. On failure too recover_free has to be called; the logfiles are the
 * engine's. */
status recover_files(recovery *r, chain *c);
/* Frees what belongs to r alone. */
void recover_free(recovery *r);
/* Reads the files [from, to). They must be whole, but the log may end in those without a length:
 * then r->last is that file and its end is set. ST_CORRUPT: damage to what was acknowledged. */
status recover_replay(recovery *r, uint32_t from, uint32_t to, recover_fn each, void *ctx);

/* The engine's part in the edit with which the log begins again. (0) may be NULL. */
typedef struct recover_calls {
    /* f is made pending by the edit of that generation: gives it to retire and frees it. */
    void (*retired)(void *ctx, logfile *f, uint64_t gen);
    /* The log goes on at `at`: add what is to be in the manifest with that. (0) */
    void (*begins)(void *ctx, log_pos at);
} recover_calls;
/* After it c->active is the new file, and all of the log is durable. */
status recover_begin(recovery *r, const recover_calls *calls, void *ctx);

#endif
