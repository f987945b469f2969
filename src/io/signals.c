/* Signals as events, and the report of a crash.
 *
 * TERM and INT are blocked and read from a signalfd, so that nothing of Stave runs inside a signal
 * handler, with one exception: the crash report. It runs on a stack of its own (a crash may be an
 * overflow of the usual one) and calls only what is safe in a handler: write, open, and backtrace,
 * which was called once before so that its library is loaded. Then the signal's default action ends
 * the process, so that a core file and the exit status are as without it. */
#include "io/signals.h"
#include "base/log.h"
#include "base/num.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define FRAMES_MAX       100
#define CRASH_STACK_SIZE (64 * 1024)
#define CRASH_PATH_MAX   4096

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static const int blocked_signals[] = {SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR1};

/* A process has one set of signals, hence the statics. */
static void (*event_handler)(void *ctx, int signo);
static void *event_ctx;
static int event_fd = -1;
static char crash_version[128] = "stave";
static char crash_log_path[CRASH_PATH_MAX];
static char crash_stack[CRASH_STACK_SIZE] __attribute__((aligned(16)));

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- events
 * ------------------------------------------------------------------------------------*/

/* Takes what the signalfd has; CHLD, HUP and USR1 are there to be taken and forgotten. */
static void on_readable(void *ctx, int fd, unsigned events) {
    (void)ctx;
    (void)events;
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof(info)) == sizeof(info))
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            event_handler(event_ctx, (int)info.ssi_signo);
}

/* Nothing is blocked until all else has succeeded. A signal that comes before ends the process, as
 * it would have a moment earlier. */
status signals_start(reactor *r, void (*handler)(void *ctx, int signo), void *ctx) {
    CHECK(event_fd < 0 && handler);
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < COUNT(blocked_signals); i++)
        sigaddset(&set, blocked_signals[i]);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) return status_errno(errno, "signalfd");
    status s = reactor_add(r, fd, REACTOR_READ, on_readable, NULL);
    if (!status_ok(s)) {
        (void)close(fd); /* nothing was read from it */
        return s;
    }
    event_fd = fd;
    event_handler = handler;
    event_ctx = ctx;
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at the process' size limit is a failed write */
    return STATUS_OK;
}

/* What the parent ignored or blocked, a child does not; SIGXFSZ alone stays a failed write. */
void signals_reset_in_child(void) {
    for (size_t i = 0; i < COUNT(blocked_signals); i++)
        signal(blocked_signals[i], SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    CHECK(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
    if (event_fd >= 0) (void)close(event_fd); /* the parent's signals are not ours */
    event_fd = -1;
}

/* ---- the crash report
 * --------------------------------------------------------------------------*/

/* Into static room: the handler must not follow pointers that a crash may have damaged. */
void signals_crash_info(const char *version, const char *log_path) {
    snprintf(crash_version, sizeof(crash_version), "%s", version);
    snprintf(crash_log_path, sizeof(crash_log_path), "%s", log_path ? log_path : "");
}

/* Writes as much as goes; there is nobody to tell of a failure. */
static void say(int fd, const char *text) {
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t r = write(fd, text, n);
        if (r <= 0) return;
        text += r;
        n -= (size_t)r;
    }
}

/* "0x7f..." of an address, without stdio. */
static void say_hex(int fd, uintptr_t v) {
    char text[2 + 2 * sizeof(v) + 1], *p = text + sizeof(text) - 1;
    *p = 0;
    do
        *--p = "0123456789abcdef"[v & 15];
    while (v >>= 4);
    *--p = 'x';
    *--p = '0';
    say(fd, p);
}

/* strsignal is not safe in a handler. */
static const char *signal_text(int signo) {
    switch (signo) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    default: return "SIGABRT";
    }
}

/* The whole report to one descriptor. */
static void report(int fd, int signo, const void *address, void **frames, int count) {
    char pid[NUM_I64_TEXT + 1];
    pid[num_format_i64(pid, getpid())] = 0;
    say(fd, "\n=== ");
    say(fd, crash_version);
    say(fd, " crashed: process ");
    say(fd, pid);
    say(fd, ", signal ");
    say(fd, signal_text(signo));
    say(fd, ", address ");
    say_hex(fd, (uintptr_t)address);
    say(fd, "\n");
    backtrace_symbols_fd(frames, count, fd);
    say(fd, "=== Please report the lines above.\n");
}

/* SA_RESETHAND has put the default action back: the signal that is raised here ends the process
 * when the handler returns, and a crash inside the handler ends it at once. */
static void on_crash(int signo, siginfo_t *info, void *context) {
    (void)context;
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    report(STDERR_FILENO, signo, info->si_addr, frames, count);
    if (crash_log_path[0]) {
        int fd = open(crash_log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (fd >= 0) {
            report(fd, signo, info->si_addr, frames, count);
            (void)close(fd); /* the process ends */
        }
    }
    (void)raise(signo); /* cannot fail for a valid signal of this thread */
}

/* One handler for all, on its own stack. */
void signals_crash_report(void) {
    void *frames[1];
    (void)backtrace(frames, 1); /* loads its library now: that allocates */
    stack_t stack = {.ss_sp = crash_stack, .ss_size = sizeof(crash_stack)};
    CHECK(sigaltstack(&stack, NULL) == 0);
    struct sigaction action = {.sa_sigaction = on_crash,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < COUNT(crash_signals); i++)
        CHECK(sigaction(crash_signals[i], &action, NULL) == 0);
}
