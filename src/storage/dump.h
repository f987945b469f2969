/* dump: any file of Stave's in words, record by record, damage included. */
#ifndef STAVE_STORAGE_DUMP_H
#define STAVE_STORAGE_DUMP_H

#include "io/vfs.h"
#include "storage/lines.h"
#include "storage/record.h"

/* Appends one record as a line without newline: offset, kind, size, fields. */
void dump_record(const record *r, uint32_t offset, buf *out);
/* Prints the file. ST_CORRUPT if its header can't be read; damage behind it is shown, not a
 * failure. *damaged says whether there was any (a torn end of a log counts). */
status dump_file(vfs *v, const char *path, const lines *out, bool *damaged);

#endif
