/* fetch: reads of an engine's files beside the thread, and the bytes that they brought.
 *
 * A read tries memory first (pread_now), unless that is known to be in vain (fetch_pages.h). What
 * is not there begins as an aio_read, and whoever asked, an engine_reader, is told when all that it
 * asked for is there: its command runs again and finds the bytes, which stay until
 * engine_reader_end whatever the caches do. Readers of one place share one read.
 *
 *     fetch_get ── memory has it ──> HAVE
 *        │  begun, or under way already: held by the engine's reader
 *        └──> PENDING ── fetch_kick, aio ──> the reader's last one is there: reader.ready
 *                                            ──> fetch_get: HAVE ──> .. ──> fetch_end
 *
 * What a reader may not hold, as it has enough or all together have, *passes*: it is read all the
 * same, and its bytes go when it is there. The system's page cache has them then, and the next run
 * finds them in memory.
 *
 * Without a reader that may wait (none, its bounds reached, `cold-reads no`)
 * the answer is BLOCK: the caller reads by itself, which also finds out why a read failed. */
#ifndef STAVE_ENGINE_FETCH_H
#define STAVE_ENGINE_FETCH_H

#include "engine/model.h"

/* A command may be run again as often as each round brings much: an eighth of what it had at least,
 * so that all its runs together cost no more than nine. Rounds that bring less are lean. */
#define READER_LEAN  32           /* of one command; then its reads block */
#define READER_PART  8            /* of what it had, for a round not to be lean */
#define READER_VAIN  64           /* rounds of one command of which nothing stayed; likewise */
#define READER_BYTES (64u << 20)  /* held by one command; then its reads pass */
#define FETCH_BYTES  (256u << 20) /* held by all; with a budget less (fetch_budget) */
#define PASS_PART    4            /* of that, what may be under way beside it to pass */

typedef struct fetcher fetcher;

/* Bytes of a file. `place` names them for ever: a log position, a table's number and a block's
 * offset. Nothing else is ever there, and it always goes with the same n. */
typedef struct fetch_want {
    uint64_t place;
    vfs_file *file;
    uint64_t offset;
    size_t n;     /* > 0 */
    bool settled; /* durable, and never written again: it may be read past the page cache */
} fetch_want;

typedef enum fetch_result {
    FETCH_HAVE,    /* *out: n bytes, unchecked, until the next call of the engine (E3) */
    FETCH_PENDING, /* answer ENGINE_PENDING; others that will be wanted may be asked for first */
    FETCH_BLOCK,   /* read it yourself */
} fetch_result;

/* e: whose reader asks (engine_read_for). env: its aio and its clock. */
fetcher *fetch_new(engine *e, const io_env *env);
/* Lets all readers go. REQUIRES: no read is under way (aio drained), or never ends (a simulated
 * crash). */
void fetch_free(fetcher *f);

/* engine_budget: a sixteenth of it is what all may hold from now on, and no more than FETCH_BYTES;
 * 0: those. A single read is always allowed, and so is a single one that passes. */
void fetch_budget(fetcher *f, uint64_t bytes);
fetch_result fetch_get(fetcher *f, const fetch_want *w, slice *out);
/* Is the engine's reader in a round, so that its run will be given up? Then what else it will want
 * costs nothing to ask for (fetch_get, once for each). */
bool fetch_is_pending(const fetcher *f);
/* How many bytes are worth asking for beside what is pending; 0: nothing is. How many things:
 * engine_ask_most. */
uint64_t fetch_ahead(const fetcher *f);
/* Something that the engine does in its own time, named by `place` as reads are: the engine's
 * reader waits for it as for a read, so the answer is ENGINE_PENDING. False: it can't wait, or
 * needs not. */
bool fetch_await(fetcher *f, uint64_t place);
/* That is done, or never will be: who waits for it is told. Not within a read or a change. */
void fetch_done(fetcher *f, uint64_t place);
/* What was asked for since goes down to the disk: at the end of each turn. */
void fetch_kick(fetcher *f);
/* engine_reader_end: what r holds is let go; what is under way for it alone ends unseen. */
void fetch_end(fetcher *f, engine_reader *r);

/* True: reads of the file are under way; it is the fetcher's now, and closed, by a worker, when the
 * last has ended. False: it is the caller's to close. */
bool fetch_keeps(fetcher *f, vfs_file *file);
/* It is closed by a worker: now, or then. */
void fetch_close(fetcher *f, vfs_file *file);

typedef struct fetch_stats {
    uint64_t reads, read_bytes; /* that have ended */
    uint64_t direct;            /* that were asked for past the page cache */
    uint64_t rounds;            /* readers told */
    uint64_t shared;            /* waits for a read that another had begun */
    uint64_t blocking;          /* answers BLOCK */
    uint64_t failed;            /* reads that brought too little, or nothing */
    uint64_t usec, usec_max;    /* from asking to being there, all together; the longest */
    uint64_t in_flight;         /* now */
    uint64_t held_bytes;        /* now: of reads under way too */
} fetch_stats;
const fetch_stats *fetch_stats_of(const fetcher *f);
/* Bytes that it has: what is held, and slots that wait to be used again. */
uint64_t fetch_memory(const fetcher *f);
/* The lines cold_* of INFO. */
void fetch_emit(const fetcher *f, buf *out);
/* What counts events. */
void fetch_reset_stats(fetcher *f);

#endif
