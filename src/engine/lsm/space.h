/* space: how much disk there is for this store, and what of it is left to whom (README, "A full
 * disk").
 *
 * On a disk that is small for the sizes that are set, memtables, tables and jobs are smaller: all
 * of them are parts of what the disk could hold. So a job, which needs room for its outputs before
 * its inputs go, never needs much of the whole. */
#ifndef STAVE_ENGINE_LSM_SPACE_H
#define STAVE_ENGINE_LSM_SPACE_H

#include "engine/lsm/lsm_int.h"

/* Looks how much is free: at an open, and ten times a second. */
void space_look(lsm *e);
/* `size`, or so many parts of what the disk could hold if that is less; not less than `least`. */
uint64_t space_part(const lsm *e, uint64_t size, unsigned parts, uint64_t least);

/* For chain_calls.keeps: bytes that the log must leave, so that all that it has can become tables,
 * and a compaction can be made then. */
uint64_t space_keep(void *lsm_ctx);
/* Is no more left than that, or little more? */
bool space_is_tight(const lsm *e);
/* Has a flush of m room, beside what runs? By its bytes in memory: its table is smaller. */
bool space_has_flush(const lsm *e, const memtable *m);
/* What one more compaction may write. Greater than 0. */
uint64_t space_of_job(const lsm *e);

#endif
