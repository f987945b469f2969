/* lsm: what this engine shows besides engine.h: its settings as other parts of the server may read
 * them, and a way for tests to drop an engine as a crash would. */
#ifndef STAVE_ENGINE_LSM_LSM_H
#define STAVE_ENGINE_LSM_LSM_H

#include "engine/engine.h"

/* One for the process, filled by lsm_class.settings; every engine reads it as it goes. */
typedef struct lsm_settings {
    int64_t memtable_size;         /* bytes of a memtable; a full one is flushed */
    int64_t block_cache_size;      /* bytes, tables included */
    int64_t block_size;            /* bytes of a data block before compression */
    int64_t bloom_bits;            /* of a filter, a key; 0: no filters */
    int64_t level0_files;          /* so many are compacted into the level below */
    int64_t level_size_ratio;      /* a level is so many times larger than the one above */
    int64_t table_size;            /* bytes at which a compaction begins another table */
    int64_t compaction_rate_limit; /* bytes a second read and written; 0: no limit */
    int64_t compaction_jobs;       /* compactions at a time, each in a child */
} lsm_settings;

extern lsm_settings lsm_conf;
/* What is no setting, but is made small by tests. */
typedef struct lsm_limits {
    int64_t open_tables;  /* that have their file open at a time; 0: as the process's descriptors
                             allow. Read at an open */
    int64_t job_bytes;    /* inputs of a compaction, if there is a choice: a cancelled one is that
                             much work lost */
    int64_t flush_table;  /* bytes of a table of level 0 */
    int64_t copy_bytes;   /* elements that the copy of a collection has in memory at a time */
    int64_t logged_batch; /* bytes of a batch behind which its values are left to the log, */
    int64_t logged_value; /* if a record has so many of one */
} lsm_limits;

extern lsm_limits lsm_limit;
extern const setting lsm_setting_table[]; /* lsm_class.settings */

/* Frees an engine and touches no file: what its process's death would leave. Jobs that were given
 * to env->aio or env->children must be gone or never complete. */
void lsm_abandon(engine *e);

extern const engine_class lsm_class;

#endif
