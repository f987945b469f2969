/* table_check: all of a table, verified. */
#ifndef STAVE_STORAGE_TABLE_CHECK_H
#define STAVE_STORAGE_TABLE_CHECK_H

#include "storage/manifest_tables.h"
#include "storage/table.h"

/* What a table is compared with. */
typedef struct table_rules {
    const manifest_table *listed; /* what the manifest says of it */
    /* The hash under which the filter must know a key, 0: none; NULL: filters are not asked. */
    uint64_t (*filter_hash)(void *ctx, slice key);
    /* Told of each problem. */
    void (*problem)(void *ctx, const char *text);
    void *ctx;
} table_rules;

typedef struct table_found {
    bool missing;      /* there is no such file */
    bool unreadable;   /* its header, properties or top index: nothing of it is used by a server */
    uint32_t lost;     /* partitions and data blocks that can't be read */
    uint64_t problems; /* all of these included */
    uint64_t blocks, entries, tombstones, hidden, plain_bytes;
} table_found;

/* Reads every block, in order. Not ok only if the disk fails. */
status table_check(vfs *v, const char *path, uint64_t store_id, const table_rules *rules,
                   table_found *out);

#endif
