/* table_ahead: the first half of table_get, without waiting for any of it. */
#include "storage/table_ahead.h"

#include "base/log.h"
#include "storage/filter.h"
#include "storage/table_block.h"
#include "storage/table_int.h"

#define LINE        64
#define INDEX_LINES 4u /* of an index: where it says what it has, and its keys' heads */

/* From the top index, which is in memory. */
log_pos table_ahead_part(const table *t, slice key) {
    CHECK(t->path);
    ptrdiff_t i = table_part_for(t, key);
    CHECK(i < (ptrdiff_t)table_partitions(t));
    return i < 0 ? 0 : table_pos(t->number, table_part_extent(t, (size_t)i).at);
}

/* The index is searched from the middle of its heads. */
void table_ahead_filter(const cache *c, log_pos part, uint64_t filter_hash) {
    slice body;
    CHECK(part != 0);
    if (!cache_peek(c, part, &body)) return;
    table_part p = table_part_of(body);
    if (filter_hash && p.probes) filter_prefetch(p.filter, filter_hash);
    for (size_t at = 0; at < INDEX_LINES * LINE && at < p.index.len; at += LINE)
        __builtin_prefetch(p.index.data + at);
}

/* As table_get does. */
log_pos table_ahead_block(const cache *c, log_pos part, slice key, uint64_t filter_hash) {
    slice body, prefix, rest, cell;
    CHECK(part != 0);
    if (!cache_peek(c, part, &body)) return 0;
    table_part p = table_part_of(body);
    if (filter_hash && p.probes && !filter_may_hold_of(p.filter, p.probes, filter_hash)) return 0;
    ptrdiff_t i = block_last_at_most(p.index, key);
    if (i < 0) return 0;
    block_index_entry(p.index, (size_t)i, &prefix, &rest, &cell);
    return table_pos(log_pos_file(part), table_extent_of(cell).at);
}
