/* counts: how many elements the collections have that were used lately. */
#ifndef STAVE_ENGINE_LSM_COUNTS_H
#define STAVE_ENGINE_LSM_COUNTS_H

#include "engine/model.h"

#define COUNTED 256 /* collections that are remembered at a time */

/* One collection. */
typedef struct coll_counts {
    uint64_t coll; /* 0: nobody's */
    uint32_t pdb;
    bool stored;    /* there is a cell of its counts, wherever */
    bool ahead;     /* that cell does not say what n says, or should not be there, or should */
    uint64_t batch; /* the last one that changed n */
    log_pos pos;    /* where the record of the last change ends */
    uint64_t n[ENGINE_MAPS];
} coll_counts;

/* Each collection has one place in which it may be. */
typedef struct counts_table {
    coll_counts at[COUNTED];
    coll_counts other; /* one that was read while its place was another's; never ahead */
} counts_table;

struct lsm;
struct lpdb;
struct undo;

/* How many elements each map has. *out lives until the next call of one of these. */
engine_result lsm_counts(struct lsm *e, const struct lpdb *d, uint64_t coll,
                         const coll_counts **out);
/* Those of one map, whatever it takes: for who opened the collection, which has brought them. */
uint64_t lsm_counts_of(struct lsm *e, const struct lpdb *d, uint64_t coll, unsigned map);
/* Is that map known to be empty, without a look? */
bool lsm_counts_empty(struct lsm *e, uint64_t coll, unsigned map);
/* The id is new: none has any. */
void lsm_counts_new(struct lsm *e, const struct lpdb *d, uint64_t coll);
/* To change them, before anything is looked for in the memtable, as that may change: then `by` is
 * added to that of a map. */
engine_result lsm_counts_take(struct lsm *e, const struct lpdb *d, uint64_t coll,
                              coll_counts **out);
void lsm_counts_add(struct lsm *e, coll_counts *c, unsigned map, int by, log_pos pos);
/* For an abort: each change undone; and after all of the batch. */
void lsm_counts_undo(struct lsm *e, const struct undo *u);
void lsm_counts_forget(struct lsm *e);
/* Writes all to the memtable. Not in a batch. */
void lsm_counts_settle(struct lsm *e);

#endif
