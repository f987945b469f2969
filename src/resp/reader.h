/* reader: the RESP request parser: a pure function over a byte buffer.
 *
 * It never copies data: arguments are slices into the caller's buffer (those of an inline command,
 * whose quotes must be undone, are in a block of the reader's). The state lets a command that
 * arrives in pieces be parsed once over, not from its start each time; arguments are kept as
 * offsets until the command is whole, so the buffer may move between calls, and the reader too. */
#ifndef STAVE_RESP_READER_H
#define STAVE_RESP_READER_H

#include "base/slice.h"

/* A line, or a header of a request, is longer than this nowhere. */
#define RESP_INLINE_MAX (64 * 1024)
/* The most arguments that any limit may allow, Redis' own. */
#define RESP_ARGS_MAX INT32_MAX

typedef enum resp_result {
    RESP_WHOLE,      /* one command: argc, argv (argc may be 0: an empty line, to be skipped) */
    RESP_INCOMPLETE, /* more bytes are needed; `need` is how many at least */
    RESP_ERROR,      /* protocol error: `error` has the text after "-ERR Protocol error: " */
} resp_result;

typedef struct resp_limits {
    int64_t max_bulk;        /* proto-max-bulk-len */
    int64_t max_multibulk;   /* elements: RESP_ARGS_MAX, or 10 before authentication */
    int64_t max_bulk_unauth; /* 0, or the bulk limit before authentication: 16384 */
} resp_limits;

typedef struct resp_arg {
    size_t at, len;
} resp_arg;

/* Zero-initialised to begin. Between commands nothing is allocated but the argument vectors, which
 * are kept for the next command up to a bound, and the words of the last inline command. */
typedef struct resp_reader {
    size_t at;    /* parsed so far, from the command's first byte */
    int64_t left; /* bulks still to come; 0 between commands */
    int64_t bulk; /* length of the bulk being read, -1 if its header is next */
    int argc, cap;
    resp_arg *args;    /* while incomplete */
    slice *argv;       /* when whole */
    slice *words;      /* the block that holds an inline command's arguments */
    size_t consumed;   /* when whole: bytes of buf that the command took */
    size_t need;       /* when incomplete */
    const char *error; /* when in error; static or in `error_text` */
    char error_text[64];
} resp_reader;

/* Parses from p[0], which is the first byte of a command (state unused) or of the same command as
 * at the last call (which answered RESP_INCOMPLETE). argv is valid until the next call, and as long
 * as the buffer stays. A call with n == 0 between commands answers RESP_INCOMPLETE and gives back
 * the memory of a large command. After RESP_ERROR the reader can only be freed. */
resp_result resp_read(resp_reader *r, const char *p, size_t n, const resp_limits *limits);
void resp_reader_free(resp_reader *r);

/* Looks ahead: the length of the command at p[0], and its first argument after the name, if it is a
 * well-formed multibulk request that has one and is all there; else 0. Knows nothing of limits, so
 * it is for hints only. */
size_t resp_peek(const char *p, size_t n, slice *argument);

/* Splits a line as redis-cli and inline commands quote: spaces, "..." with \n \r \t \b \a \xHH,
 * '...' with \'. Also used for config files. Words are malloc'ed into one block that *out points to
 * (free with mem_free; NULL if there are none); -1 if quotes are unbalanced. */
int resp_split_line(slice line, slice **out);

#endif
