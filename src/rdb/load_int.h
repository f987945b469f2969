/* load_int: what the files of loading share. */
#ifndef STAVE_RDB_LOAD_INT_H
#define STAVE_RDB_LOAD_INT_H

#include "rdb/rdb.h"
#include "types/elements.h"

/* A key that is being loaded. */
typedef struct loader {
    keyspace *ks;
    uint32_t db;
    slice key;
    int64_t expire;
    elements el; /* of any type but string and stream */
} loader;

/* load_stream.c: the whole of it. */
engine_result load_stream(loader *l, slice body);

#endif
