/* bitcask: what this engine shows besides engine.h: its settings as other parts of the server may
 * read them, and a way for tests to drop an engine as a crash would. */
#ifndef STAVE_ENGINE_BITCASK_BITCASK_H
#define STAVE_ENGINE_BITCASK_BITCASK_H

#include "engine/engine.h"

enum bitcask_compression { BITCASK_PLAIN, BITCASK_LZ4 };

/* One for the process, filled by bitcask_class.settings; every engine reads it as it goes. */
typedef struct bitcask_settings {
    int appendfsync;          /* engine_fsync */
    int64_t segment_size;     /* bytes of a segment; of those prepared from now on */
    int64_t value_cache_size; /* bytes */
    int64_t inline_value_max; /* values up to this stay in the keydir entry too */
    int compression;          /* bitcask_compression */
    int64_t compression_min;  /* values shorter than this are stored as they are */
    int64_t merge_garbage;    /* percent of a run that must be garbage before it is merged */
    char *merge_window;       /* "always", "never", or hours: "1-5" */
    int64_t merge_rate_limit; /* bytes a second read and written by a merge; 0: no limit */
    int64_t fsync_wait_max;   /* ms that records wait in memory behind a running fsync */
} bitcask_settings;

extern bitcask_settings bitcask_conf;

/* Frees an engine and touches no file: what its process's death would leave. Jobs that were given
 * to env->aio or env->children must be gone or never complete. */
void bitcask_abandon(engine *e);

#endif
