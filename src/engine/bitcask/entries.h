/* entries: main entries: reading and changing them, and the batches that changes are made in. */
#ifndef STAVE_ENGINE_BITCASK_ENTRIES_H
#define STAVE_ENGINE_BITCASK_ENTRIES_H

#include "engine/bitcask/batch.h"
#include "engine/model.h"

/* Fills out from the entry; value only if it is inline. */
void entry_of(const bitcask *e, arena_ref r, entry *out);

/* The keydir's entry r appeared, or disappears: what else knows of it follows. */
void entry_linked(bitcask *e, pdb *d, uint64_t token, arena_ref r);
void entry_unlinked(bitcask *e, pdb *d, uint64_t token, arena_ref r);

/* What a value read from the log must belong to. */
typedef struct value_want {
    uint8_t kind; /* RECORD_PUT or RECORD_MAP_PUT */
    uint8_t map;
    uint16_t slot;
    uint32_t pdb, offset, size;
    uint64_t coll;
    slice key;
} value_want;
/* The value of the record there: from the tail, the cache, or the disk; PENDING if that takes time,
 * and the engine's reader can wait. */
engine_result value_read(bitcask *e, const value_want *w, slice *out);
/* Some other value was PENDING, and this one will be wanted too. */
void value_ahead(bitcask *e, const value_want *w);
/* The record itself, past the cache; slices live until the next call. */
status value_record(bitcask *e, const value_want *w, record *r);
/* Readies a value for the log: *stored is `plain` or, with RECORD_LZ4 set, compressed. */
void value_pack(bitcask *e, slice plain, record *r);
/* A value was appended at pos: reads will find it in memory. */
void value_written(bitcask *e, log_pos pos, slice plain, bool is_inline);
/* May it stay in the index itself? */
bool value_is_inline(slice plain);
/* What a reply that shows the record must wait for. */
log_pos value_depends(const bitcask *e, uint16_t slot, uint32_t offset, uint32_t size);

/* The next item of the open batch's undo list, to be filled. */
undo *batch_undo(bitcask *e);

#endif
