/* logged: values that memtables leave to the log's own memory.
 *
 * What is put goes to the log's tail and to the memtable, twice the memory until the tail has been
 * written. That is little, but for a batch of hundreds of megabytes, which is what a large value
 * is. So behind the first MiB of a batch longer values are not copied: the memtable's cell is
 * CELL_LOGGED, with the size of the record that ends at its position, and the value is read from
 * there. When the tail forgets a chunk with such records, it does not give its memory back but
 * leaves it to the engine, until the memtable has become a table.
 *
 * A value is so in memory once from its commit to its flush. Nobody but find, walks and flushes
 * sees such cells: they give the cell that it stands for. Nothing of it is on disk. */
#ifndef STAVE_ENGINE_LSM_LOGGED_H
#define STAVE_ENGINE_LSM_LOGGED_H

#include "engine/lsm/keys.h"
#include "engine/lsm/memtable.h"
#include "storage/logwrite.h"

/* Memory that was the tail's: the log's bytes in [from, to). Children get it. */
typedef struct logged_chunk {
    log_pos from, to;
    char *data;
    uint32_t cap;
    uint64_t memtable; /* number of the newest one with a cell that needs it */
} logged_chunk;

/* Records to which cells of a memtable leave their values, and what is between them. */
typedef struct logged_run {
    log_pos from, to; /* in the open batch: bytes behind its begin */
    uint64_t memtable;
} logged_run;

typedef struct logged {
    logwrite_heir heir;
    logged_chunk *chunks; /* by position, ascending */
    uint32_t nchunks, chunks_cap;
    logged_run *runs; /* by position, ascending: those that may be in the tail; the batch's last */
    uint32_t nruns, runs_cap, batch_runs;
    uint64_t batch_bytes; /* of keys and values, plain, that cells of the open batch left */
    uint64_t bytes;       /* of the chunks */
} logged;

struct lsm;
void logged_init(struct lsm *e); /* a new engine's; its heir is then the tail's */
void logged_free(struct lsm *e); /* REQUIRES: nobody reads a memtable any more */

/* r has just been appended to the open batch, for a pair of a key and a plain value of together
 * `bytes`: if the value is to be left there, `cell` becomes what says so (as lsm_cell_value begins
 * it); else it stays. */
void logged_leave(struct lsm *e, const record *r, size_t bytes, buf *cell);
/* The open batch is about to be committed. */
void logged_commit(struct lsm *e);
/* Or it has ended otherwise. */
void logged_abort(struct lsm *e);

/* The cell that a CELL_LOGGED of a pair at pos stands for, made in *out; *scratch is for values
 * that are compressed. */
slice logged_cell(const struct lsm *e, slice cell, log_pos pos, buf *out, buf *scratch);
/* A cell as readers want it: as it is or, made in the engine's scratch, what it stands for. */
slice logged_read(struct lsm *e, slice cell, log_pos pos);
static inline slice lsm_cell(struct lsm *e, slice cell, log_pos pos) {
    return __builtin_expect(cell.data[0] != CELL_LOGGED, 1) ? cell : logged_read(e, cell, pos);
}
/* Has the tail, which children do not get, still records that m left values to? */
bool logged_in_tail(const struct lsm *e, const memtable *m);
/* A memtable has been freed: what only those that are gone needed goes. */
void logged_release(struct lsm *e);

#endif
