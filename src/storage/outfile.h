/* outfile: writing a file of records from its beginning to its end, once: merge outputs, hint
 * files, rewritten manifests. Buffered; the records are sealed as they are put. */
#ifndef STAVE_STORAGE_OUTFILE_H
#define STAVE_STORAGE_OUTFILE_H

#include "storage/file_header.h"
#include "storage/record.h"

typedef struct outfile {
    vfs_file *file;
    file_header header;
    buf pending;      /* not yet written */
    uint32_t written; /* offset in the file of pending's first byte */
} outfile;

/* Creates (VFS_EXCL unless `replace`, which truncates what is there) and begins with the header. */
status outfile_create(outfile *o, vfs *v, const char *path, const file_header *h, bool replace);
/* Appends a record with the framing flags that r has; sets r->size, and *offset (may be NULL) to
 * its place. ST_LIMIT if the file would exceed 4 GiB. */
status outfile_put(outfile *o, record *r, uint32_t *offset);
/* Where the next record goes: the file's length so far. */
uint32_t outfile_length(const outfile *o);
/* Writes the rest, fsyncs and closes. The directory's fsync is the caller's. On failure the file
 * is closed and useless. */
status outfile_finish(outfile *o);
/* Closes without finishing; nothing happens if it is closed already. */
void outfile_abandon(outfile *o);

#endif
