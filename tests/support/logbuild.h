/* logbuild: a small log over memfs, made step by step, with every record's place kept, for tests
 * that then damage it. */
#ifndef STAVE_TESTS_LOGBUILD_H
#define STAVE_TESTS_LOGBUILD_H

#include "storage/file_header.h"
#include "storage/logscan.h"
#include "storage/logwrite.h"
#include "support/memfs.h"

#define LOGBUILD_STORE 0x5746a31b2c4d5e6fu
#define LOGBUILD_FILES 6
#define LOGBUILD_RECS  2000

typedef struct logbuild_rec {
    log_pos at;
    uint32_t size;
    log_pos mark;  /* 0: none */
    log_pos batch; /* where its batch begins */
    uint8_t kind;
} logbuild_rec;

typedef struct logbuild {
    memfs *fs;
    logwrite *w;
    vfs_file *open[LOGBUILD_FILES];
    char path[LOGBUILD_FILES][FILE_NAME_MAX];
    uint32_t n, limit;
    logbuild_rec recs[LOGBUILD_RECS]; /* filled by logbuild_list */
    size_t nrecs;
} logbuild;

void logbuild_start(logbuild *b, uint32_t limit);
void logbuild_end(logbuild *b);
/* One batch of n PUTs with keys "k<i>" and values of `len` bytes. */
void logbuild_batch(logbuild *b, int n, size_t len);
/* One PUT with this value. */
void logbuild_put(logbuild *b, slice value);
void logbuild_flush(logbuild *b); /* write */
void logbuild_sync(logbuild *b);  /* write, durable */
void logbuild_idle(logbuild *b);  /* an IDLE record with the mark; written */
void logbuild_next(logbuild *b);  /* the next file, numbered on */

/* The contents of file i (0 first). */
buf *logbuild_bytes(logbuild *b, uint32_t i);
/* The files as log_replay wants them, none sealed. */
void logbuild_files(logbuild *b, log_file out[LOGBUILD_FILES]);
/* Lists all records that are in the files. */
void logbuild_list(logbuild *b);
/* The place at which the log ends. */
log_pos logbuild_log_end(const logbuild *b);

#endif
