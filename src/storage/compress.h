/* compress: LZ4 for values. */
#ifndef STAVE_STORAGE_COMPRESS_H
#define STAVE_STORAGE_COMPRESS_H

#include "base/buf.h"
#include "base/status.h"

/* Values shorter than this are never tried. */
#define COMPRESS_MIN 64

/* Compresses into scratch (cleared first); true, with *out over scratch, only if at least an eighth
 * is saved. REQUIRES: plain.len <= RECORD_VALUE_MAX. */
bool compress_value(slice plain, buf *scratch, slice *out);
/* The same for a block of a table: out is a varint of the plain length, then the compressed bytes.
 * REQUIRES: plain.len <= RECORD_BODY_MAX. */
bool compress_block(slice plain, buf *scratch, slice *out);
/* Appends the plain block to out. ST_CORRUPT as below. */
status compress_block_undo(slice packed, buf *out);
/* Decompresses to exactly plain_len bytes appended to out. ST_CORRUPT if that is not what packed
 * holds, or if plain_len is more than `max` or than packed could ever give. */
status compress_undo(slice packed, uint64_t plain_len, uint64_t max, buf *out);

#endif
