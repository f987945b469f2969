/* dump_table: a block of a table in words. */
#ifndef STAVE_STORAGE_DUMP_TABLE_H
#define STAVE_STORAGE_DUMP_TABLE_H

#include "storage/record.h"

/* Appends the block of a RECORD_BLOCK, a line an entry; what makes no sense is said to. `length` is
 * the file's, for the properties. */
void dump_block(const record *r, uint32_t offset, uint32_t length, buf *out);

const char *dump_block_name(unsigned type);

#endif
