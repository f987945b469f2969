/* errors: the error replies by code, for INFO errorstats. */
#ifndef STAVE_SESSION_ERRORS_H
#define STAVE_SESSION_ERRORS_H

#include "base/buf.h"
#include "session/session.h"

/* What a command gets when its reply depends on a part of the log that could not be written. */
#define ERRORS_LOG_FAILED                                                                          \
    SLICE("MISCONF Errors writing to the log on disk, what this command changed or showed may "    \
          "not survive a restart. Writes are disabled until the disk is repaired and the server "  \
          "restarted.")

/* Counts an error reply (its text without the dash). */
void errors_count(session_stats *stats, slice text);
/* Takes that back. */
void errors_uncount(session_stats *stats, slice text);
/* Appends "errorstat_CODE:count=N" lines. */
void errors_emit(buf *out);
void errors_reset(void);

#endif
