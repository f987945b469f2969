/* bitcask: what this engine shows besides engine.h: its settings as other parts of the server may
 * read them, and a way for tests to drop an engine as a crash would. */
#ifndef STAVE_ENGINE_BITCASK_BITCASK_H
#define STAVE_ENGINE_BITCASK_BITCASK_H

#include "engine/engine.h"

/* Beside log_conf (engine/log/settings.h). One for the process, filled by bitcask_class.settings;
 * every engine reads it as it goes. */
typedef struct bitcask_settings {
    int64_t value_cache_size; /* bytes */
    int64_t inline_value_max; /* values up to this stay in the keydir entry too */
    int64_t merge_garbage;    /* percent of a run that must be garbage before it is merged */
    char *merge_window;       /* "always", "never", or hours: "1-5" */
    int64_t fork_index_max;   /* bytes of index that go with a merge's fork */
    int index_huge_pages;
    int64_t merge_rate_limit; /* bytes a second read and written by a merge; 0: no limit */
} bitcask_settings;

extern bitcask_settings bitcask_conf;

/* Frees an engine and touches no file: what its process's death would leave. Jobs that were given
 * to env->aio or env->children must be gone or never complete. */
void bitcask_abandon(engine *e);

#endif
