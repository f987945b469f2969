/* logscan: reading a log file record by record, and telling a torn tail from damage.
 *
 * A scan reads a file in large sequential pieces and gives records only of whole batches: a batch's
 * first record comes out when its last has been checked. Memory is bounded by one piece and one
 * record: a batch larger than that is read twice.
 *
 * Where a scan stops before the file's end, logscan_judge decides (DESIGN section 4): it looks on,
 * through the rest of that file and all later ones, at every byte, for a valid record header with a
 * mark beyond the place where the scan stopped. One such header proves that the missing record had
 * been fsynced: damage. None: a torn tail, to be cut at the end of the last whole batch, with all
 * that follows. */
#ifndef STAVE_STORAGE_LOGSCAN_H
#define STAVE_STORAGE_LOGSCAN_H

#include "io/vfs.h"
#include "storage/record.h"

#define LOGSCAN_PIECE (1u << 20)

/* A file of a log (or a manifest), open for reading; path is for messages. */
typedef struct log_file {
    vfs_file *file;
    const char *path;
    uint8_t kind; /* file_kind */
    uint32_t number;
    uint32_t length; /* as sealed in the manifest: it must be whole so far, and what lies behind is
                        not read; 0: not sealed, the log may end in it */
} log_file;

typedef struct logscan_item {
    record rec;      /* slices live until the next call */
    uint32_t offset; /* where it begins */
    bool first;      /* of its batch; rec.flags & RECORD_CONTINUES says whether more follow */
} logscan_item;

/* Why and where a scan stopped. */
typedef struct logscan_stop {
    uint32_t end;      /* end of the last whole batch */
    uint32_t bad;      /* the byte at which no record could be read; > end if records of an
                          unfinished batch lie between */
    record_result why; /* RECORD_OK: at the sealed length, or the file has no more bytes;
                          RECORD_ZERO: zeros, as a preallocated file has behind its end */
    bool sealed;       /* the file had a sealed length */
} logscan_stop;

typedef struct logscan logscan;

/* Checks the file's header against f and starts behind it. The file must outlive the scan. */
status logscan_open(const log_file *f, uint64_t store_id, logscan **out);
/* The same with pieces of another size than LOGSCAN_PIECE. */
status logscan_open_piece(const log_file *f, uint64_t store_id, size_t piece, logscan **out);
void logscan_close(logscan *s);
/* The next record; *got is false where the scan stops. Not ok only if reading failed. */
status logscan_next(logscan *s, logscan_item *out, bool *got);
/* After *got was false. */
logscan_stop logscan_stopped(const logscan *s);
/* Bytes read so far; for progress. */
uint32_t logscan_offset(const logscan *s);
/* Ok if the scan ended where the file is sealed; else ST_CORRUPT naming file and offset. For files
 * that must be whole. */
status logscan_must_be_whole(const logscan *s);

typedef enum log_verdict_kind {
    LOG_CLEAN,   /* the log ends at files[file], offset `cut`; only zeros follow */
    LOG_TORN,    /* cut there: what follows was never promised */
    LOG_DAMAGED, /* acknowledged data is damaged at files[file], offset `bad` */
} log_verdict_kind;

typedef struct log_verdict {
    log_verdict_kind kind;
    size_t file;       /* index into the files given */
    uint32_t cut;      /* end of the last whole batch there */
    uint32_t bad;      /* first byte that could not be read */
    record_result why; /* what is wrong with it */
    uint64_t dropped;  /* LOG_TORN: bytes behind the cut that are not zero, all files */
    log_pos mark;      /* LOG_DAMAGED: the mark that proves it, ... */
    log_pos mark_at;   /* ... and where that record lies; 0: the manifest proves it */
} log_verdict;

/* files[0] is the one whose scan stopped, the rest the later ones in log order. */
status logscan_judge(uint64_t store_id, const log_file *files, size_t n, const logscan_stop *stop,
                     log_verdict *out);

/* Called for each record of each whole batch. Not ok ends the replay. */
typedef status (*log_replay_fn)(void *ctx, const log_file *f, const logscan_item *item);

/* Reads the files of a log in order, the sealed ones first, and judges its end. A file that is not
 * sealed is followed by the next only if that one's BEGIN record says that the log left the former
 * exactly where its records end: so history has no hole. `before`: where the log stood before
 * files[0], if that is known from the manifest, else 0. Damage is a verdict, not a failure. */
status log_replay(uint64_t store_id, const log_file *files, size_t n, log_pos before,
                  log_replay_fn each, void *ctx, log_verdict *out);
/* The manifest says that all of the log before `durable` was durable: a log of these n files that
 * ends before it is damaged, however it looks. */
void log_verdict_known(log_verdict *v, const log_file *files, size_t n, log_pos durable);
/* ST_CORRUPT with the sentence to show an operator: file, offset, proof, and what to run. */
status log_verdict_status(const log_verdict *v, const log_file *files);

#endif
