/* seglog: the engine's log: appending to it, writing and syncing it by policy (commit.c), and going
 * from segment to segment (rotate.c). */
#ifndef STAVE_ENGINE_BITCASK_SEGLOG_H
#define STAVE_ENGINE_BITCASK_SEGLOG_H

#include "base/status.h"
#include "storage/record.h"

typedef struct bitcask bitcask;
struct engine;

/* No file is larger: offsets have 32 bits. */
#define LOG_FILE_MAX 0xfffff000u

/* Bytes kept free, for deletes, at the end of the last segment that there is space for. */
uint32_t seglog_reserve(const bitcask *e);
/* Appends r to the open batch; *at is its place. Goes on in the next segment if it must, which may
 * block. ST_NO_SPACE, ST_LIMIT, ST_FAILED: nothing happened. */
status seglog_append(bitcask *e, record *r, log_pos *at);

/* The log takes no more: s says why. */
void seglog_fail(bitcask *e, status s);
bool seglog_is_dead(const bitcask *e);
status seglog_failure(const bitcask *e);

/* Writes all that is committed. */
void seglog_write(bitcask *e);
/* Makes all that is written durable, now, blocking. */
void seglog_sync(bitcask *e);
/* Starts an fsync beside the thread, of all that is written or only of the sealed files. */
void seglog_sync_start(bitcask *e, bool active);
/* Takes note of an fsync that ended during a batch, now that it is over. */
void seglog_sync_ended(bitcask *e);
/* The policy's part of cron. */
void seglog_cron(bitcask *e);
/* Calls host.released if that is due; not in a batch. */
void seglog_tell(bitcask *e);

#endif
