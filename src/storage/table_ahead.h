/* table_ahead: bringing near what table_get is going to touch, a step at a time, each of which
 * needs what the one before has brought: partition in the cache, its filter's line, the data block.
 *
 * Between the steps only places are kept, which never mean anything else, so a table may be closed
 * and a block may leave the cache meanwhile. Nothing here reads a file, counts or marks. */
#ifndef STAVE_STORAGE_TABLE_AHEAD_H
#define STAVE_STORAGE_TABLE_AHEAD_H

#include "storage/table.h"

/* The place of the partition where key would be; 0: the table can't have it. */
log_pos table_ahead_part(const table *t, slice key);
/* If the partition is cached: has the filter's line for this hash fetched, and the index. */
void table_ahead_filter(const cache *c, log_pos part, uint64_t filter_hash);
/* The place of the data block where key would be; 0 if the filter says no, or if that can't be told
 * from the cache. */
log_pos table_ahead_block(const cache *c, log_pos part, slice key, uint64_t filter_hash);

#endif
