/* salvage: every record of a file that can still be read, damage or not.
 *
 * For checking and repairing, never for serving: where a record can't be read, the search goes on
 * byte by byte for the next that can. What lies between is a gap. Batches are not grouped: of one
 * that was damaged, a part may come out. The file's own header is not looked at. */
#ifndef STAVE_STORAGE_SALVAGE_H
#define STAVE_STORAGE_SALVAGE_H

#include "io/vfs.h"
#include "storage/record.h"

typedef struct salvage salvage;

typedef struct salvage_item {
    record rec; /* slices live until the next call */
    uint32_t offset;
    uint32_t gap; /* bytes in front of it that are no record */
} salvage_item;

/* Reads f, which is file `number`, from offset `from` to `to` (or its end, if that comes first).
 * The file must outlive it. */
status salvage_open(vfs_file *f, uint64_t store_id, uint32_t number, uint32_t from, uint32_t to,
                    salvage **out);
/* The next record; *got false at the end, and then out->gap is what lies behind the last record,
 * up to the last byte that is not zero. */
status salvage_next(salvage *s, salvage_item *out, bool *got);
void salvage_close(salvage *s);

#endif
