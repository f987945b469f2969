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

#endif
