/* vfs_overlay: a directory that may be changed at will while the files below stay as they are.
 *
 * Reads fall through to the lower vfs. The first change of a file copies it to the scratch
 * directory of the upper vfs, and goes on there; new files are made there, unlinks and renames are
 * only remembered. So an engine can recover a store, which writes to it, and nothing of the store
 * has changed. What is in the overlay is for one run of the program: syncs do nothing. */
#ifndef STAVE_IO_VFS_OVERLAY_H
#define STAVE_IO_VFS_OVERLAY_H

#include "io/vfs.h"

typedef struct vfs_overlay_options {
    vfs *lower;
    vfs *upper;
    const char *scratch; /* a directory of upper, there and empty; its names are 1, 2, ... */
    /* Takes a lock of the lower vfs; NULL: lower's own, which may write to the lock file
     * (vfs_posix_lock_as_it_is does not). */
    status (*lock)(vfs *lower, const char *path, vfs_file **out);
} vfs_overlay_options;

/* Any thread may use it, as any vfs; children may only read files opened before the fork. */
vfs *vfs_overlay_new(const vfs_overlay_options *opt);
/* Unlinks all that is in the scratch directory. REQUIRES: no file is open. */
void vfs_overlay_free(vfs *v);
/* Bytes that were copied up, and files of scratch that there were. */
void vfs_overlay_stats(const vfs *v, uint64_t *copied, uint64_t *files);

#endif
