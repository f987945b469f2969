/* batch: changes of the active memtable and what has to be known to undo them. */
#ifndef STAVE_ENGINE_LSM_BATCH_H
#define STAVE_ENGINE_LSM_BATCH_H

#include "base/btree.h"
#include "engine/lsm/counts.h"
#include "engine/model.h"

enum undo_kind {
    UNDO_CELL,   /* a key of the memtable: what it had before, or nothing */
    UNDO_TOTALS, /* a database's totals and due marks, as they were before the batch */
    UNDO_COUNTS, /* a place of the table of counts: what it had before */
    UNDO_MAP,    /* a logical db has another pdb now */
};

/* A pair of the due index: the entry with that hash expires then. when 0: none. */
typedef struct due_pair {
    int64_t when;
    uint64_t place;
    uint16_t rest; /* of the hash, see keys.h */
} due_pair;

/* What changes with a database's entries, beside them. */
typedef struct db_totals {
    uint64_t keys, expires;
    due_pair low;  /* the due index has no pair before this one */
    due_pair next; /* if due_known: its first */
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
        coll_counts counts;
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
/* All in the open batch; what they change is undone if it is aborted. `pos` is where the change's
 * last record ends.
 *
 * Puts a cell under a key, or where the active memtable was looked at for it. `value`: MEM_HEAD
 * bytes to be filled in, and the cell. `exists`: the key is present, wherever. */
void lsm_cell_put(struct lsm *e, slice key, log_pos pos, buf *value, bool exists);
void lsm_cell_put_at(struct lsm *e, btree_spot *spot, slice key, log_pos pos, buf *value,
                     bool exists);
/* Makes a key absent that is present. */
void lsm_cell_del(struct lsm *e, slice key, log_pos pos);
void lsm_cell_del_at(struct lsm *e, btree_spot *spot, slice key, log_pos pos);
/* Puts or (value NULL) deletes a cell that `exists`, or not. undone: as the above; else it is not
 * of the open batch, if there is one, and stays whatever becomes of that. */
void lsm_cell_settle(struct lsm *e, slice key, log_pos pos, buf *value, bool exists, bool undone);
/* Empties b but for MEM_HEAD bytes; the cell is appended to that. */
buf *lsm_cell_value(buf *b);
/* d's totals are about to change. */
void lsm_totals_save(struct lsm *e, struct lpdb *d);
/* The next item of the undo list, to be filled. */
undo *lsm_undo_next(struct lsm *e);
/* The list is empty again, the batch closed. */
void lsm_batch_end(struct lsm *e);
/* The open batch is at another place of the log now: so are its cells. */
void lsm_batch_moved(struct lsm *e, log_pos from, log_pos to);

#endif
