/* signals: SIGTERM, SIGINT and the rest as events of the reactor, through a signalfd. */
#ifndef STAVE_IO_SIGNALS_H
#define STAVE_IO_SIGNALS_H

#include "io/reactor.h"

/* Blocks SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR1 (HUP is ignored, PIPE too) for the process and
 * calls handler(ctx, signo) from the reactor for TERM and INT. */
status signals_start(reactor *r, void (*handler)(void *ctx, int signo), void *ctx);
/* On SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT: writes version, signal, address and a stack trace
 * to standard error and the log file, then dies by that signal. */
void signals_crash_report(void);
/* In a forked child: default actions, nothing blocked. */
void signals_reset_in_child(void);

#endif
