/* log: the server's messages to its operator, in Redis' layout:
 *   pid:role dd Mon yyyy hh:mm:ss.mmm L message        (L is one of . - * #)
 * To standard output, or to a file (reopened for each line, so that logrotate needs no signal), and
 * to syslog if asked. One sink for the process; not for use in children or worker threads. */
#ifndef STAVE_BASE_LOG_H
#define STAVE_BASE_LOG_H

#include "base/status.h"

typedef enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_VERBOSE,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTHING,
} log_level;

void log_set_level(log_level level);
log_level log_get_level(void);
/* Empty path: standard output. Fails, changing nothing, if the file can't be opened. */
status log_set_file(const char *path);
void log_set_syslog(int enabled, const char *ident, const char *facility);
void log_write(log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_verbose(...) log_write(LOG_LEVEL_VERBOSE, __VA_ARGS__)
#define log_notice(...)  log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)

/* Says what broke and where on standard error and the log, then aborts: for invariants, in release
 * builds too. */
void log_panic(const char *file, int line, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 3, 4)));

/* An assert that stays on in release builds. */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            log_panic(__FILE__, __LINE__, "CHECK failed: %s", #cond);                              \
    } while (0)

#endif
