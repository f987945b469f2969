/* load_int: what the files of loading share, and nobody else. */
#ifndef STAVE_ENGINE_BITCASK_LOAD_INT_H
#define STAVE_ENGINE_BITCASK_LOAD_INT_H

#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/load.h"

/* What loading needs to know of a record, wherever it was read. */
typedef struct loaded {
    uint8_t kind, type, map;
    uint32_t pdb, offset, size;
    uint64_t token, coll;
    int64_t expire;
    slice key, value;
    bool has_value;
} loaded;

/* An entry of the hint of s; its kind is one of PUT, DEL, MAP_PUT, MAP_DEL. ST_CORRUPT: it can't
 * be one. Slices are h's. */
status loaded_of_hint(const segment *s, const hint_entry *h, loaded *out);
/* The keydir's entry for a PUT in s. */
kdent loaded_entry(const segment *s, const loaded *x);

/* The database, or NULL if it is known to be dead. */
pdb *load_live_pdb(load_ctx *l, uint32_t number);
/* A PUT or DEL. The later record wins, so what it replaces is gone for good. */
void load_main(bitcask *e, pdb *d, const segment *s, const loaded *x);
/* The same after some others. */
void load_soon(load_ctx *l, pdb *d, const segment *s, const loaded *x);
/* One entry of the log, by kind. */
status load_one(load_ctx *l, segment *s, const loaded *x);
/* A FLUSH or SWAP, unless the manifest's mapping is of a later position. */
status load_order(load_ctx *l, segment *s, uint32_t offset, uint32_t size, slice pairs);

#endif
