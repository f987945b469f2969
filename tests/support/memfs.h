/* memfs: a vfs in memory, for unit tests: contents at hand to look at and to damage, and one call
 * that fails. What a disk may lose is the simulated disk's affair (tests/sim), not this one's. */
#ifndef STAVE_TESTS_MEMFS_H
#define STAVE_TESTS_MEMFS_H

#include "base/buf.h"
#include "io/vfs.h"

typedef struct memfs memfs;

memfs *memfs_new(void);
void memfs_free(memfs *fs); /* REQUIRES: no open files */
vfs *memfs_vfs(memfs *fs);

/* The file's contents, to read and to change; NULL if there is no such file. Valid until the file
 * is written, unlinked or replaced. */
buf *memfs_bytes(memfs *fs, const char *path);
/* Makes the file have these bytes, creating it if need be. */
void memfs_put(memfs *fs, const char *path, slice bytes);

/* The nth call from now that changes something (1: the next; 0: none) fails with `code`, once; a
 * write then leaves half of its bytes. */
void memfs_fail(memfs *fs, uint64_t nth, status_code code);
/* Calls that change something, so far. */
uint64_t memfs_calls(const memfs *fs);
/* Files open now. */
int memfs_open_files(const memfs *fs);

#endif
