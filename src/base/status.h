/* status: how a function that can fail says so.
 *
 * A status is a code and a message, two words, returned by value. The message is either a literal
 * or lives in a small ring of this thread's buffers (STATUS_RING messages of STATUS_MSG_MAX bytes):
 * use it or copy it before the thread has formatted that many others. STATUS_OK has no message. */
#ifndef STAVE_BASE_STATUS_H
#define STAVE_BASE_STATUS_H

#include <stdbool.h>

typedef enum status_code {
    ST_OK = 0,
    ST_INVALID,   /* an argument or a setting is wrong: tell the user what is */
    ST_IO,        /* the system refused: the message has its strerror */
    ST_NO_SPACE,  /* ENOSPC, EDQUOT, or the room that is reserved is used up */
    ST_CORRUPT,   /* bytes on disk are not what was written: file and offset in the message */
    ST_BUSY,      /* held by another process, or a job of this kind is running */
    ST_NOT_FOUND, /* no such file or record */
    ST_LIMIT,     /* larger than a stated maximum */
    ST_FAILED,    /* an earlier write or fsync failed and the log takes no more */
} status_code;

/* clang warns wherever a status is dropped; gcc knows the attribute for functions only. */
#ifdef __clang__
#define STATUS_MUST_USE __attribute__((warn_unused_result))
#else
#define STATUS_MUST_USE
#endif

typedef struct STATUS_MUST_USE status {
    status_code code;
    const char *msg;
} status;

#define STATUS_OK      ((status){ST_OK, ""})
#define STATUS_RING    8
#define STATUS_MSG_MAX 512

/* printf-formatted; a message that does not fit is cut. */
status status_make(status_code code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What errno says, as "WHAT: strerror": ST_NO_SPACE for ENOSPC and EDQUOT, ST_NOT_FOUND for ENOENT,
 * else ST_IO. */
status status_errno(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline bool status_ok(status s) {
    return s.code == ST_OK;
}

/* Returns from the calling function with EXPR's status unless that is ok. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        status try_status_ = (expr);                                                               \
        if (!status_ok(try_status_)) return try_status_;                                           \
    } while (0)

#endif
