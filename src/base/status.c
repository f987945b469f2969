/* status: messages of failures, formatted into a ring that each thread owns.
 *
 * A ring instead of malloc: a status may be made when memory is short and is dropped without being
 * freed. Eight are enough for a message that quotes the message it got, several levels deep; the
 * oldest one is overwritten first. */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char ring[STATUS_RING][STATUS_MSG_MAX];
static _Thread_local unsigned ring_next;

/* The ring's oldest buffer, to be written over. */
static char *ring_take(void) {
    return ring[ring_next++ % STATUS_RING];
}

/* A formatted status; vsnprintf cuts what does not fit. */
status status_make(status_code code, const char *fmt, ...) {
    char *msg = ring_take();
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, STATUS_MSG_MAX, fmt, ap);
    va_end(ap);
    return (status){code, msg};
}

/* The code that callers branch on; every other errno is a plain ST_IO. */
static status_code code_of_errno(int err) {
    switch (err) {
    case ENOSPC:
    case EDQUOT: return ST_NO_SPACE;
    case ENOENT: return ST_NOT_FOUND;
    default: return ST_IO;
    }
}

/* "WHAT: strerror". A long WHAT is cut short enough that the reason always fits. */
status status_errno(int err, const char *fmt, ...) {
    char why_buf[128];
    const char *why = strerror_r(err, why_buf, sizeof why_buf);
    char *msg = ring_take();
    size_t room = STATUS_MSG_MAX - strlen(why) - 2; /* for WHAT and a NUL */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, room, fmt, ap);
    va_end(ap);
    size_t len = strlen(msg);
    snprintf(msg + len, STATUS_MSG_MAX - len, ": %s", why);
    return (status){code_of_errno(err), msg};
}
