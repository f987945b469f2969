/* What every vfs shares: helpers over its functions.
 *
 * A short read is the end of the file, which no caller of vfs_pread_all expects: it says so as
 * damage, with file and offset, in the words that the operator sees. */
#include "io/vfs.h"

#include <inttypes.h>

/* One read, then a check that it was whole. */
status vfs_pread_all(vfs_file *f, const char *path, void *p, size_t n, uint64_t offset) {
    size_t got = 0;
    TRY(vfs_pread(f, p, n, offset, &got));
    if (got != n)
        return status_make(ST_CORRUPT, "%s: wanted %zu bytes at %" PRIu64 ", found %zu", path, n,
                           offset, got);
    return STATUS_OK;
}
