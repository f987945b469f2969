/* chain: an engine's log, which is a chain of files: appending, going from file to file, writing
 * and fsyncing by policy.
 *
 *   PREPARING ─chain_prepare_advance─> READY ─chain_rotate─> ACTIVE ─chain_rotate─> SEALED
 *        └─ failed: calls.drop                      (what recovery finds begins as SEALED)
 *
 * One file is active; the next is made ahead by a worker. Bytes of a sealed file are durable once
 * sync_head is beyond it, and its length is in the manifest once logfile_is_logged. What becomes of
 * a sealed file is the engine's affair.
 *
 * Numbered rules (W1 ..) are in README.md. One thread calls these, and not in a batch unless that
 * is said. */
#ifndef STAVE_ENGINE_LOG_CHAIN_H
#define STAVE_ENGINE_LOG_CHAIN_H

#include "base/log.h"
#include "engine/log/retire.h"
#include "engine/log/settings.h"
#include "engine/model.h"
#include "storage/file_header.h"
#include "storage/logwrite.h"

/* No file is larger: offsets have 32 bits. */
#define LOG_FILE_MAX 0xfffff000u

typedef enum logfile_state {
    LOGFILE_PREPARING, /* being made */
    LOGFILE_READY,     /* in the manifest, allocated, empty: the next to be active */
    LOGFILE_ACTIVE,    /* receives records */
    LOGFILE_SEALED,    /* complete */
    LOGFILE_STATES,    /* what an engine adds begins here */
} logfile_state;

/* A file of the log; an engine that keeps more about it has this as a struct's first member. */
typedef struct logfile {
    uint32_t number;
    uint8_t state;     /* logfile_state */
    bool reserve;      /* made from the space that is kept for deletes (prepare.c) */
    bool logged;       /* its SEAL was in the manifest when it was opened */
    uint32_t limit;    /* bytes allocated */
    uint32_t end;      /* where its records end, once SEALED */
    uint32_t first;    /* where its first batch begins */
    uint64_t seal_gen; /* the manifest edit that seals it; 0: none yet */
    vfs_file *file;
    struct logfile *log_next; /* the file that the log went on in */
} logfile;

static inline log_pos logfile_pos(const logfile *f, uint32_t offset) {
    return log_pos_of(f->number, offset);
}
/* Is its length in the manifest, durably? Then all of it is durable too. */
static inline bool logfile_is_logged(const logfile *f, const meta_queue *m) {
    return f->logged || (f->seal_gen && meta_is_durable(m, f->seal_gen));
}

/* What the engine does for its log. Those marked (0) may be NULL. */
typedef struct chain_calls {
    /* A zeroed logfile (or what begins with one) of that number; NULL: there can't be one more. */
    logfile *(*make)(void *ctx, uint32_t number);
    /* Frees it, closing its file if that is open: it was never more than PREPARING. */
    void (*drop)(void *ctx, logfile *f);
    /* The log went on from old in now. Of the open batch, if there is one, all places have moved
     * from moved->from to moved->to. (0) */
    void (*rotated)(void *ctx, logfile *old, logfile *now, const logwrite_moved *moved);
    /* More of the log is durable, and files were sealed in an edit. (0) */
    void (*sealed)(void *ctx);
    /* An edit of the manifest has become durable. May be called within a batch, that blocks for
     * want of room. (0) */
    void (*advanced)(void *ctx);
    /* Bytes of the disk that a new file of the log must leave to the engine, beside room for one
     * more of its size. (0) */
    uint64_t (*keeps)(void *ctx);
} chain_calls;

typedef struct chain chain;

/* Making the next file (prepare.c). */
typedef struct chain_prepare {
    enum { PREP_NONE, PREP_NAMING, PREP_MAKING, PREP_JOINING } step;
    uint64_t gen; /* of the edit waited for */
    logfile *f;
    uint32_t before;   /* number of the file it was made behind */
    uint64_t retry_us; /* after a failure: not before */
    aio_job job;
    chain *c;
} chain_prepare;

#define FSYNC_PARTS 16
/* An fsync beside the thread (commit.c). */
typedef struct fsync_job {
    aio_sync sync;
    chain *c;
    uint32_t usual_us; /* how long the last ones took, the latest counting most */
    bool busy;
    bool active; /* the active file is among the files: no writes meanwhile */
    bool waited; /* a turn's records have waited for it */
    bool ended;  /* during a batch: what follows from it waits for the batch's end */
    int n;
    vfs_file *files[FSYNC_PARTS];
    logfile *last;  /* of the files */
    log_pos target; /* what it makes durable */
    uint64_t started_us;
} fsync_job;

typedef struct chain_stats {
    uint64_t writes, written_bytes, fsyncs, fsync_us_max, fsync_waits, fsync_late;
} chain_stats;

struct chain {
    const io_env *env;
    meta_queue *meta;
    retire_queue *retire;
    engine_host host;
    const chain_calls *calls;
    void *ctx;
    unsigned kind;  /* FILE_SEGMENT or FILE_LOG */
    bool forgets;   /* the engine keeps what it wrote elsewhere: the tail forgets written bytes */
    logwrite *tail; /* NULL: still opening */
    bool open;      /* a batch is */
    logfile *active, *next;
    logfile *sync_head; /* the first one with bytes that no fsync covers */
    chain_prepare prepare;
    bool no_space;    /* the last attempt to make a file failed for want of space */
    bool on_reserve;  /* the log is in a file of the reserve: deletes only */
    bool can_reserve; /* such a file can be had, if deletes need it */
    log_pos released;
    log_pos writeback_from;
    uint64_t unsynced; /* bytes written since the last fsync began */
    fsync_job fsync;
    bool want_sync; /* at the next cron, whatever the policy */
    bool sync_soon; /* at the end of the next turn in which no fsync runs, likewise */
    bool behind;    /* as chain_behind says */
    bool tell;      /* the host is to be told that `released` moved */
    uint64_t synced_us;
    status failure;
    char failure_msg[STATUS_MSG_MAX];
    chain_stats stats;
};

/* Sets m's callbacks too. The log begins when recovery does (recover.h). */
void chain_init(chain *c, meta_queue *m, retire_queue *r, engine_host host, unsigned kind,
                bool forgets, const chain_calls *calls, void *ctx);
/* Drops what is not written; the files are the engine's, but for one being prepared. */
void chain_free(chain *c);
/* Microseconds, for what must not take too long, and for statistics: never for what data means. */
uint64_t chain_now_us(chain *c);

/* ---- batches (commit.c, rotate.c) -------------------------------------------------------------
 */

static inline void chain_begin(chain *c) {
    CHECK(!c->open);
    c->open = true;
    logwrite_begin(c->tail);
}
/* Appends r to the open batch; *at is its place. Goes on in the next file if it must, which may
 * block. ST_NO_SPACE, ST_LIMIT, ST_FAILED: nothing happened. */
status chain_append(chain *c, record *r, log_pos *at);
/* The records are a batch of the log from now on. The batch stays open until chain_settled, so that
 * the engine can do its part undisturbed. */
static inline void chain_commit(chain *c) {
    CHECK(c->open);
    logwrite_commit(c->tail);
}
/* The records are gone. Likewise. */
static inline void chain_abort(chain *c) {
    CHECK(c->open);
    logwrite_abort(c->tail);
}
/* The batch is over: what waited for that goes on. */
void chain_settled(chain *c);

/* May a change of about that many bytes be made? As engine_room. */
status chain_room(const chain *c, size_t bytes);
/* Bytes kept free, for deletes, at the end of the last file that there is space for. */
uint32_t chain_reserve(const chain *c);

/* ---- files (prepare.c, rotate.c) --------------------------------------------------------------
 */

/* Starts making the next file if there is none and the active one is filling. */
void chain_prepare_if_due(chain *c);
/* A step further, if the manifest has got there. In a batch too. */
void chain_prepare_advance(chain *c);
/* Starts making it even if the active one is not filling. Not ok: it can't be had. */
status chain_ask_next(chain *c);
/* Blocks until there is a next file. In a batch too. */
status chain_wait_next(chain *c);
/* Goes on in the next file, taking an open batch along. REQUIRES: c->next. In a batch too. */
void chain_rotate(chain *c);
/* A file that is made for records: header, `limit` bytes, durable in the directory. Any thread. */
status chain_make_file(vfs *v, const char *dir, const file_header *h, uint32_t limit,
                       vfs_file **out);

/* ---- writing and fsyncing (commit.c) ----------------------------------------------------------
 */

/* The log takes no more: s says why. In a batch too. */
void chain_fail(chain *c, status s);
static inline bool chain_is_dead(const chain *c) {
    return c->failure.code != ST_OK;
}
/* Writes all that is committed. */
void chain_write(chain *c);
/* Makes all that is written durable, now, blocking. */
void chain_sync(chain *c);
/* Both, after an fsync that runs: as engine_sync. */
status chain_sync_all(chain *c);
/* Starts an fsync beside the thread, of all that is written or only of the sealed files. */
void chain_sync_start(chain *c, bool active);
/* As engine_turn_end. */
void chain_turn_end(chain *c);
/* Did the last turn's end leave something to be written at the next one's, which should come soon?
 * Said once a turn. */
bool chain_behind(chain *c);
/* As engine_cron: late writes, the fsync that is due, the mark of a log at rest, a manifest edit
 * that found no space, the next file. */
void chain_cron(chain *c);
/* Calls host.released if that is due. */
void chain_tell(chain *c);

/* Positions, as engine_log_end and the like. In a batch too. */
static inline log_pos chain_log_end(const chain *c) {
    return logwrite_end(c->tail);
}
static inline log_pos chain_durable(const chain *c) {
    return logwrite_durable(c->tail);
}
static inline log_pos chain_released(const chain *c) {
    return c->released;
}

/* ---- a clean end (prepare.c), INFO (metrics.c) --------------------------------------------------
 */

/* Waits until no file is being made: either there is a next one, or none. */
status chain_end_preparing(chain *c);
/* The log is at its end: its active file, SEALED, which the engine seals or retires. REQUIRES: all
 * is durable, c->next was given up. */
logfile *chain_end(chain *c);
/* Adds f's length to the edit. */
void chain_seal(chain *c, logfile *f);
/* Gives back what was allocated behind the end of f, now that its length is in the manifest. */
void chain_cut(const chain *c, logfile *f);
/* Lines of INFO: positions, state, writes, fsyncs. */
void chain_emit(const chain *c, buf *out);
void chain_reset_stats(chain *c);

#endif
