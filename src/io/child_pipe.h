/* child_pipe: what a forked child tells its parent, as frames on a pipe.
 *
 * All numbers little-endian; README.md draws the frame. A frame is checked by magic, length and
 * CRC32C before anything of it is used, so that stray output on the descriptor, or half a frame of
 * a child that was killed, is never taken for a result. */
#ifndef STAVE_IO_CHILD_PIPE_H
#define STAVE_IO_CHILD_PIPE_H

#include "base/buf.h"
#include "base/status.h"

/* The largest result of a job, in bytes: larger ones belong into a file. */
#define CHILD_RESULT_MAX (64u << 20)

/* Never renumber: parent and child are one program, but a damaged byte should not be a valid kind.
 */
typedef enum child_frame_kind {
    CHILD_PROGRESS = 0x50, /* a: done, b: total */
    CHILD_RESULT = 0x52,   /* a: status code, b: bytes of the body that are its message */
} child_frame_kind;

typedef struct child_frame {
    child_frame_kind kind;
    uint64_t a, b;
    uint64_t cow_bytes; /* the child's private dirty bytes; 0: not measured this time */
    slice body;         /* message, then result */
} child_frame;

/* Writes a frame whole; false if the parent is gone. REQUIRES: body within the maximum. */
bool child_frame_write(int fd, const child_frame *f);
/* Takes the first frame of in: 1 and *used bytes of it; 0: more bytes are needed; -1: these bytes
 * are no frame. The body is a slice of in. */
int child_frame_parse(slice in, child_frame *f, size_t *used);

#endif
