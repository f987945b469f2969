/* logwrite: the tail of a log: what has been appended and is not yet durable.
 *
 * Records are encoded into chunks of memory that children do not get; a record lies within one
 * chunk. Bytes move through positions that only grow:
 *
 *   kept <= written    durable <= whole <= written <= committed <= end
 *
 *   end        behind the last record appended, the open batch's included
 *   committed  behind the last committed batch: what may be written
 *   written    behind what the file system has taken
 *   whole      behind the last batch of which that is true as a whole: a long one is written in
 * parts durable    behind what an fsync has covered, whole batches kept       where the bytes still
 * in memory begin: reads from here on must come from here
 *
 * No policy and no threads here: the engine says when to write, what became durable, and which file
 * comes next. Chunks never move, so a gathered write can be done by a worker while the thread goes
 * on appending.
 *
 * After a set_durable kept is at most durable: what no fsync has covered stays in memory, to be
 * read even if the file fails, unless logwrite_forget says otherwise.
 *
 * Marks (DESIGN section 4): after logwrite_set_durable the next record appended carries a mark; an
 * abort that removes that record makes it due again. */
#ifndef STAVE_STORAGE_LOGWRITE_H
#define STAVE_STORAGE_LOGWRITE_H

#include "io/vfs.h"
#include "storage/record.h"

#define LOGWRITE_CHUNK (256u << 10)
#define LOGWRITE_IOV   64

/* Bytes of a chunk, as logwrite_new takes them: LOGWRITE_CHUNK, which tests make smaller, so that
 * short batches have many. */
extern uint32_t logwrite_chunk;

typedef struct logwrite logwrite;

/* A file that receives records: open for writing, its header written, `limit` bytes allocated. */
typedef struct logwrite_file {
    vfs_file *file;
    uint32_t number;
    uint32_t limit; /* no record ends behind it */
} logwrite_file;

/* Who may want to keep what the tail forgets. `takes` is asked for each chunk, in the log's order:
 * the bytes of the log in [from, to) are at data; true: the memory, `cap` bytes of mem_map, is the
 * heir's from now on. */
typedef struct logwrite_heir {
    bool (*takes)(void *ctx, log_pos from, log_pos to, char *data, uint32_t cap);
    void *ctx;
} logwrite_heir;

logwrite *logwrite_new(uint64_t store_id);
/* NULL: nobody does. It outlives w. */
void logwrite_set_heir(logwrite *w, const logwrite_heir *heir);
/* Drops whatever is not written. The files are the caller's. */
void logwrite_free(logwrite *w);
/* Begins in a new file: its BEGIN record says that the log was at `before` (0: it is the first).
 * All positions start behind the file's header. */
void logwrite_start(logwrite *w, const logwrite_file *f, log_pos before);

/* ---- batches --------------------------------------------------------------------------------- */

void logwrite_begin(logwrite *w);
/* Encodes r at the end of the open batch, with a mark if one is due; returns its place. r->size is
 * what it takes in the log. If r->value.data is NULL, *value is where the caller puts value.len
 * bytes before its next call; else value may be NULL. REQUIRES: logwrite_left() is enough, for
 * which RECORD_OVERHEAD_MAX + key + value (or body) always suffices. */
log_pos logwrite_append(logwrite *w, record *r, char **value);
/* Appends the record that carries a replication id and offset; the batch's last. */
void logwrite_origin(logwrite *w, const char origin[RECORD_ORIGIN_LEN]);
/* Seals the batch's records: CONTINUES, CRCs. An empty batch is nothing. */
void logwrite_commit(logwrite *w);
/* Removes the batch's records. */
void logwrite_abort(logwrite *w);
/* Bytes that still fit in the current file. */
uint32_t logwrite_left(const logwrite *w);
/* The current file got room up to `limit` (a batch larger than a segment). */
void logwrite_extend(logwrite *w, uint32_t limit);

/* What logwrite_next did. */
typedef struct logwrite_moved {
    log_pos old_end;  /* where the log left the former file: its sealed length, once fsynced */
    log_pos from, to; /* the open batch's records, that began at from, begin at to: all places of
                         this batch change by the same distance */
} logwrite_moved;
/* Goes on in the next file, taking the open batch along. REQUIRES: f->limit has room for it. */
void logwrite_next(logwrite *w, const logwrite_file *f, logwrite_moved *out);

/* Bytes of the open batch. */
uint32_t logwrite_batch_bytes(const logwrite *w);

/* ---- reading the tail ------------------------------------------------------------------------ */

/* The record's bytes (and maybe more behind it) for record_parse, if pos is in memory. They live
 * until the batch is aborted or moved, or kept goes beyond pos. */
bool logwrite_read(const logwrite *w, log_pos pos, slice *out);

log_pos logwrite_end(const logwrite *w);
log_pos logwrite_committed(const logwrite *w);
log_pos logwrite_written(const logwrite *w);
log_pos logwrite_whole(const logwrite *w);
log_pos logwrite_durable(const logwrite *w);
log_pos logwrite_kept(const logwrite *w);

/* ---- writing --------------------------------------------------------------------------------- */

/* One pwritev's worth of committed bytes not yet written, of one file: a chunk, or more of them
 * while they are less than `most` bytes. */
typedef struct logwrite_out {
    vfs_file *file;
    uint32_t number, offset;
    struct iovec iov[LOGWRITE_IOV];
    int n;
    size_t bytes;
    log_pos end, whole; /* what written and whole will be */
} logwrite_out;
/* False if there is nothing to write. The bytes stay where they are until logwrite_wrote; one
 * gathered write at a time. */
bool logwrite_gather(logwrite *w, size_t most, logwrite_out *out);
/* The write succeeded. */
void logwrite_wrote(logwrite *w, const logwrite_out *out);
/* Gathers and writes until all that is committed is written, or `most` bytes are, rounded up to
 * whole chunks. After a failure the caller must not write again; *bytes (may be NULL) is what was
 * written. */
status logwrite_flush(logwrite *w, uint64_t most, uint64_t *bytes);

/* An fsync (of every file that holds bytes before pos) covered all before pos: a mark becomes due,
 * and the bytes are forgotten. REQUIRES: pos <= whole. */
void logwrite_set_durable(logwrite *w, log_pos pos);
/* Forgets written bytes before pos although no fsync covers them. REQUIRES: pos <= written. */
void logwrite_forget(logwrite *w, log_pos pos);
/* If a mark is due and nothing else brings it to the log: appends and commits an IDLE record that
 * does. An fsync that covers nothing but IDLE records makes no mark due. Not in a batch, and only
 * if it fits. */
bool logwrite_idle(logwrite *w);

/* Bytes of memory held, spare chunks included. */
uint64_t logwrite_memory(const logwrite *w);

#endif
