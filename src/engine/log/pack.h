/* pack: values as records have them: as they were given, or compressed.
 *
 * Compression is a setting (settings.h). What does not become smaller is stored as it is and costs
 * one attempt; which one it was, a record's RECORD_LZ4 says, so both kinds lie side by side in one
 * file, and the setting may change at any time. */
#ifndef STAVE_ENGINE_LOG_PACK_H
#define STAVE_ENGINE_LOG_PACK_H

#include "engine/model.h"
#include "storage/record.h"

/* Bytes of values that compression was tried on, for INFO. */
typedef struct pack_stats {
    uint64_t in, out;
    uint32_t missed; /* values of this batch, one after the other, that did not become smaller */
} pack_stats;

/* A batch begins: what the ones before were made of says nothing of it. */
static inline void pack_begin(pack_stats *stats) {
    stats->missed = 0;
}

/* The record of an entry that is put; its value is for pack_value to give. */
record pack_entry(uint32_t pdb, slice key, const entry *ent);
/* Gives r the value: its bytes are plain's, or in *scratch. With `small` it is not worth an
 * attempt. REQUIRES: plain is no longer than RECORD_VALUE_MAX. */
void pack_value(slice plain, bool small, buf *scratch, pack_stats *stats, record *r);
/* The value as it was given: a slice of the record's, or of *scratch. */
status pack_undo(const record *r, buf *scratch, slice *out);

#endif
