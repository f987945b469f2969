/* signals: SIGTERM, SIGINT and the rest as events of the reactor, through a signalfd. */
#ifndef STAVE_IO_SIGNALS_H
#define STAVE_IO_SIGNALS_H

#include "io/reactor.h"

/* Blocks SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR1 for the process (HUP is ignored, PIPE and XFSZ
 * too: the calls fail instead) and calls handler(ctx, signo) from the reactor for TERM and INT.
 * Once a process. Call it before any thread is started. */
status signals_start(reactor *r, void (*handler)(void *ctx, int signo), void *ctx);
/* On SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT: writes version, signal, address and a stack trace
 * to standard error and the log file, then dies by that signal. */
void signals_crash_report(void);
/* What the report says and where it goes besides standard error: the program's name and version,
 * and the log file's path (NULL or "": none). Copied; may be called again. */
void signals_crash_info(const char *version, const char *log_path);
/* In a forked child: default actions but for the crash report and SIGXFSZ, nothing blocked. */
void signals_reset_in_child(void);

#endif
