/* hint_make: the hint of one segment, made by reading the segment. */
#ifndef STAVE_ENGINE_BITCASK_HINT_MAKE_H
#define STAVE_ENGINE_BITCASK_HINT_MAKE_H

#include "engine/bitcask/keydir.h"
#include "io/vfs.h"

typedef struct hint_source {
    vfs *fs;
    const char *dir;
    uint64_t store_id;
    const keydir_shared *shared;
    size_t inline_max; /* values up to this go along */
    uint64_t rate;     /* bytes a second; 0: no limit */
} hint_source;

/* Writes DIR/number.hint for the segment that is sealed at `length`, and fsyncs it; the directory
 * is the caller's to fsync. In a child or in the thread. ST_CORRUPT: the segment is damaged. */
status hint_make(const hint_source *h, uint32_t number, uint32_t length);

#endif
