/* derive: the elements of derived maps: keys of a collection's tree without cells (derive.c). */
#ifndef STAVE_ENGINE_BITCASK_DERIVE_H
#define STAVE_ENGINE_BITCASK_DERIVE_H

#include "engine/bitcask/load.h"
#include "engine/bitcask/pdb.h"

/* Has c, which an entry owns, a derived map? */
bool derives(const bitcask *e, const coll *c);
/* Appends the key, map number and subkey, of what is derived of the element of map 0 that c's tree
 * has under `key`; *has: it has one. REQUIRES: derives(e, c). */
status derived_key(bitcask *e, const coll *c, slice key, slice cell_bytes, buf *out, bool *has);
/* After recovery: makes the derived maps of all collections. */
status derive_all(load_ctx *l);

#endif
