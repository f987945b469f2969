/* log: one line a message, written with one write(2), so that lines of a parent and its forked
 * child never mix.
 *
 * The file is opened for each line and closed again: rotation by renaming needs no signal, and a
 * file system that comes back is used again. Nothing here allocates, so that a process that ran out
 * of memory can still say so. */
#include "base/log.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* a longer message is cut */

static log_level lowest = LOG_LEVEL_NOTICE;
static char file[PATH_MAX]; /* empty: standard output */
static int to_syslog;
static char syslog_ident[64]; /* openlog keeps the pointer */
static pid_t first_pid;       /* of the process that configured the log; a fork differs */

/* Takes effect with the next message. */
void log_set_level(log_level level) {
    lowest = level;
}

/* So that a caller can skip preparing a message that nobody will see. */
log_level log_get_level(void) {
    return lowest;
}

/* O_APPEND: lines of several processes each land whole at the end. */
static int open_file(const char *path) {
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

/* Opens the file once, to find out now rather than at the first message that it can't be. */
status log_set_file(const char *path) {
    if (!path) path = "";
    if (strlen(path) >= sizeof file) return status_make(ST_LIMIT, "log file name is too long");
    if (*path) {
        int fd = open_file(path);
        if (fd < 0) return status_errno(errno, "Can't open the log file '%s'", path);
        close(fd);
    }
    strcpy(file, path);
    return STATUS_OK;
}

/* "user", "local0" .. "local7", letters' case ignored; anything else is local0, Redis' default. */
static int facility_of(const char *name) {
    if (name && strcasecmp(name, "user") == 0) return LOG_USER;
    if (name && strncasecmp(name, "local", 5) == 0 && name[5] >= '0' && name[5] <= '7' && !name[6])
        return LOG_LOCAL0 | (name[5] - '0') << 3;
    return LOG_LOCAL0;
}

/* May be called again: the connection is made anew with the new names. */
void log_set_syslog(int enabled, const char *ident, const char *facility) {
    if (to_syslog) closelog();
    to_syslog = enabled;
    if (!enabled) return;
    snprintf(syslog_ident, sizeof syslog_ident, "%s", ident ? ident : "stave");
    openlog(syslog_ident, LOG_PID | LOG_NDELAY | LOG_NOWAIT, facility_of(facility));
}

/* Writes all of it; a log that can't be written has nowhere to complain. */
static void write_all(int fd, const char *p, size_t n) {
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return;
        p += done;
        n -= (size_t)done;
    }
}

/* "pid:role dd Mon yyyy hh:mm:ss.mmm L " in local time. Role M is the server, C a forked child. */
static size_t put_prefix(char *line, size_t room, log_level level) {
    pid_t pid = getpid();
    if (!first_pid) first_pid = pid;
    struct timeval now;
    struct tm local;
    char date[64];
    gettimeofday(&now, NULL);
    localtime_r(&now.tv_sec, &local);
    strftime(date, sizeof date, "%d %b %Y %H:%M:%S", &local);
    int n = snprintf(line, room, "%d:%c %s.%03d %c ", (int)pid, pid == first_pid ? 'M' : 'C', date,
                     (int)(now.tv_usec / 1000), ".-*#"[level]);
    return n < 0 ? 0 : (size_t)n;
}

/* One finished line, its newline included, to the file or standard output. */
static void put_line(const char *line, size_t n) {
    if (!file[0]) {
        write_all(STDOUT_FILENO, line, n);
        return;
    }
    int fd = open_file(file);
    if (fd < 0) return;
    write_all(fd, line, n);
    close(fd);
}

/* The message behind its prefix, to every sink. */
static void put_message(log_level level, const char *msg) {
    static const int priority[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
    char line[LINE_MAX_BYTES];
    size_t n = put_prefix(line, sizeof line, level);
    size_t len = strnlen(msg, sizeof line - n - 1);
    memcpy(line + n, msg, len);
    n += len;
    line[n++] = '\n';
    put_line(line, n);
    if (to_syslog) syslog(priority[level], "%s", msg);
}

/* Formats on the stack; a message below the level costs one comparison. */
void log_write(log_level level, const char *fmt, ...) {
    if (level < lowest || level >= LOG_LEVEL_NOTHING) return;
    int err = errno; /* callers log on their way to reporting errno */
    char msg[LINE_MAX_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    put_message(level, msg);
    errno = err;
}

/* Standard error first: it needs the least that may be broken. */
void log_panic(const char *at_file, int line, const char *fmt, ...) {
    char what[LINE_MAX_BYTES / 2], msg[LINE_MAX_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    int n = snprintf(msg, sizeof msg, "%s:%d: %s", at_file, line, what);
    write_all(STDERR_FILENO, msg, (size_t)n);
    write_all(STDERR_FILENO, "\n", 1);
    put_message(LOG_LEVEL_WARNING, msg);
    void *frames[64]; /* last, as the first backtrace of a process may want memory */
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    abort();
}
