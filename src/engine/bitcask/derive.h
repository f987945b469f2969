/* derive: the elements of derived maps: keys of a collection's tree without cells (derive.c). A
 * collection that was loaded may be `unmade`: its map is made when it is opened, before anything is
 * looked at or changed. */
#ifndef STAVE_ENGINE_BITCASK_DERIVE_H
#define STAVE_ENGINE_BITCASK_DERIVE_H

#include "engine/bitcask/load.h"
#include "engine/bitcask/pdb.h"

/* Has c, which an entry owns, a derived map? */
bool derives(const bitcask *e, const coll *c);
/* Appends the key, map number and subkey, of what is derived of the element of map 0 that c's tree
 * has under `key`; *has: it has one. REQUIRES: derives(e, c). */
status derived_key(bitcask *e, const coll *c, slice key, slice cell_bytes, buf *out, bool *has);
/* After recovery: makes the derived maps of some collections, and notes the others as unmade. */
status derive_start(load_ctx *l);
/* Makes that of c now, or is PENDING until a slice has made it. REQUIRES: c is unmade, and its map
 * 0 as it was loaded. */
engine_result derive_now(bitcask *e, coll *c);
/* A slice of making those that are left; true if there may be more. Not in a batch. */
bool derive_some(bitcask *e);
/* How many collections may be left: those that were opened or dropped count until a slice has come
 * to them. */
uint64_t derive_pending(const bitcask *e);
/* Bytes allocated for all this. */
uint64_t derive_memory(const bitcask *e);
/* What is left is never made. */
void derive_free(bitcask *e);

#endif
