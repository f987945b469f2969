/* settings: what a user may configure of the log, whichever engine it serves. One table for the
 * process, registered once beside those of the engines. */
#ifndef STAVE_ENGINE_LOG_SETTINGS_H
#define STAVE_ENGINE_LOG_SETTINGS_H

#include <stdint.h>

enum log_compression { LOG_PLAIN, LOG_LZ4 };
/* Which cold reads go past the page cache: none, those that it would not help, all that can. */
enum log_direct { LOG_DIRECT_NO, LOG_DIRECT_AUTO, LOG_DIRECT_ALWAYS };

/* Filled by log_setting_table (engine/engine_ops.h); read as the log goes, so that a change is live
 * at once. */
typedef struct log_settings {
    int appendfsync;         /* engine_fsync */
    int64_t segment_size;    /* bytes of a file of the log; of those made from now on */
    int compression;         /* log_compression, of values in the log */
    int64_t compression_min; /* values shorter than this are stored as they are */
    int64_t fsync_wait_max;  /* ms that records wait in memory behind a running fsync */
    int direct_reads;        /* log_direct */
    int cold_reads; /* yes: what is not in memory is read beside the thread (engine/fetch.h) */
} log_settings;

extern log_settings log_conf;

/* What is no setting, but is made small by tests. */
typedef struct log_limits {
    uint64_t write_step; /* bytes of the log written at a time, unless much waits */
    uint64_t write_most; /* the same where much does: a part of it, up to so much */
    uint64_t write_hold; /* more than this does not wait, however long its writing takes */
} log_limits;

extern log_limits log_limit;

#endif
