/* table_int: an open table, for table_read.c and table_iter.c alone. */
#ifndef STAVE_STORAGE_TABLE_INT_H
#define STAVE_STORAGE_TABLE_INT_H

#include "storage/cache.h"
#include "storage/table_format.h"

/* Where a partition was in the cache, and where in it the filter's bits end. */
typedef struct part_hint {
    cache_hint at;
    uint32_t filter; /* bytes of it */
} part_hint;

struct table {
    vfs *v;
    char *path;
    vfs_file *file;         /* NULL: parked */
    table_shelf *shelf;     /* or NULL */
    table *before, *behind; /* on the shelf, while the file is open */
    uint64_t store_id;
    uint32_t number, length;
    table_props props;
    table_summary about;
    /* the top index: the bodies of its blocks, one behind the other */
    buf top;
    struct table_top {
        slice block;
        size_t first; /* number of its first partition */
    } * tops;
    size_t ntops;
    part_hint *hints;    /* of partitions; NULL: none yet */
    const cache *hinted; /* the cache that they are about */
    buf plain;           /* a block that the cache does not take, for table_get */
    table_stats stats;
};

/* The partition in which the key would be: the last one that begins at or below it; -1 if it is
 * less than all keys. */
ptrdiff_t table_part_for(const table *t, slice key);
/* Puts a block into the cache; false: the cache does not take it. *out is where it is then. */
bool table_keep(cache *c, uint64_t pos, unsigned type, slice body, slice *out);
/* Where partition i is. */
table_extent table_part_extent(const table *t, size_t i);
/* Opens the file unless it is open. To be called before each read of it. */
status table_wake(table *t);
/* The shelf's part of opening, reading and closing the file. */
void table_shelf_in(table *t);
void table_shelf_touch(table *t);
void table_shelf_out(table *t);
/* Reads the block at e to *out, which is empty; all of it is verified. Or table_not_now. */
status table_fetch(table *t, table_extent e, unsigned type, buf *out);
/* The halves of it: the record's bytes in *raw, if the table has a source and that has them (else
 * the file is open); and the block, whose record is at `raw` or (NULL) in the file. */
status table_supplied(table *t, table_extent e, const char **raw);
status table_read(table *t, table_extent e, unsigned type, const char *raw, buf *out);
/* Asks the table's source for the block at e, unless the cache has it: it will be wanted soon. */
void table_ask(table *t, const cache *c, table_extent e);
/* The index of partition i in *index, if that can be had without waiting; else it may have been
 * asked for. */
bool table_part_at_hand(table *t, cache *c, size_t i, buf *index);

/* Where an iterator stands, which way it goes and how far. */
typedef struct table_reach {
    size_t part, block;
    slice index; /* of that partition */
    bool backward;
    slice from, to; /* nothing outside is wanted; empty: no bound */
} table_reach;
/* Asks for so many blocks beyond that, and for indexes beyond those. */
void table_ask_reach(table *t, cache *c, const table_reach *r, size_t blocks);

#endif
