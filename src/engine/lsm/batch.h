/* batch: changes of the active memtable and what has to be known to undo them. */
#ifndef STAVE_ENGINE_LSM_BATCH_H
#define STAVE_ENGINE_LSM_BATCH_H

#include "base/btree.h"
#include "engine/model.h"

enum undo_kind {
    UNDO_CELL,   /* a key of the memtable: what it had before, or nothing */
    UNDO_TOTALS, /* a database's totals and due marks, as they were before the batch */
    UNDO_MAP,    /* a logical db has another pdb now */
};

/* What changes with a database's entries, beside them. */
typedef struct db_totals {
    uint64_t keys, expires;
    int64_t due_from; /* no pair of the due index is before this time */
    int64_t due_next; /* if due_known: the earliest there is; 0: none */
    bool due_known;
} db_totals;

struct lpdb;
typedef struct undo {
    uint8_t kind;
    struct lpdb *db; /* UNDO_TOTALS: whose; UNDO_MAP: the one mapped before */
    union {
        struct { /* in batch.bytes at `at`: the key, then the pair's value before, if any */
            size_t at;
            uint32_t key_len, old_len;
        } cell;
        db_totals totals;
        struct {
            uint32_t logical;
            struct lpdb *now;
        } map;
    };
} undo;

typedef struct batch {
    bool open;
    bool orders;     /* holds a FLUSH or SWAP */
    uint64_t number; /* of the last one begun */
    undo *undo;
    uint32_t n, cap;
    buf bytes;
} batch;

struct lsm;
/* All in the open batch; what they change is undone if it is aborted. Positions are where the
 * change's last record ends.
 *
 * Puts a cell, that e->cell has behind MEM_HEAD bytes, under a key; `exists`: the key is present,
 * wherever. */
void batch_put(struct lsm *e, slice key, log_pos pos, bool exists);
/* The same where the active memtable was looked at last. */
void batch_put_at(struct lsm *e, btree_spot *spot, slice key, log_pos pos, bool exists);
/* Makes a key absent that is present. */
void batch_del(struct lsm *e, slice key, log_pos pos);
void batch_del_at(struct lsm *e, btree_spot *spot, slice key, log_pos pos);
/* d's totals are about to change. */
void batch_totals(struct lsm *e, struct lpdb *d);
/* Empties e->cell but for the bytes before the cell. */
buf *batch_cell(struct lsm *e);
undo *batch_undo(struct lsm *e);
/* The open batch is at another place of the log now: so are its cells. */
void batch_moved(struct lsm *e, log_pos from, log_pos to);

#endif
