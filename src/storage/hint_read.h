/* hint_read: an open hint file, as the two files that read it know it, and nobody else. */
#ifndef STAVE_STORAGE_HINT_READ_H
#define STAVE_STORAGE_HINT_READ_H

#include "storage/hint_format.h"

/* Nothing of it changes once it is open, but `all`: so many threads may have cursors. */
struct hint_reader {
    vfs_file *file;
    char *path;
    uint64_t store_id;
    hint_info info;
    hint_filters_at at;
    uint32_t size; /* of the file */
    hint_piece *pieces;
    uint32_t n, cap;
    hint_cursor all; /* for hint_next */
};

/* Whatever is wrong with a hint is ST_CORRUPT. */
status hint_damaged(const char *path, const char *what);

#endif
