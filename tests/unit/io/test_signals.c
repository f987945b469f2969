/* Tests of signals: events through the reactor, and the report of a crash. Each test runs in a
 * process of its own, as a process has one set of signals. */
#include "io/signals.h"
#include "support/tempdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_MAX 65536

#ifdef __SANITIZE_ADDRESS__ /* gcc */
#define SANITIZED 1
#elif defined(__has_feature) /* clang */
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

/* Runs fn in a forked process with standard error in a pipe; returns how it ended. */
static int in_process(void (*fn)(void), char text[TEXT_MAX]) {
    int p[2];
    assert_int_equal(pipe(p), 0);
    pid_t pid = fork();
    if (pid == 0) {
        static const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(p[1], STDERR_FILENO);
        close(p[0]);
        close(p[1]);
        fn();
        _exit(0);
    }
    close(p[1]);
    size_t n = 0;
    ssize_t r;
    while (n < TEXT_MAX - 1 && (r = read(p[0], text + n, TEXT_MAX - 1 - n)) > 0)
        n += (size_t)r;
    text[n] = 0;
    close(p[0]);
    int how = 0;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    return how;
}

/* In the process: a wrong state ends it with the line's number. */
#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "line %d: %s\n", __LINE__, #cond);                                     \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* ---- events
 * ------------------------------------------------------------------------------------*/

static int seen[65], calls;

static void on_signal(void *ctx, int signo) {
    MUST(ctx == seen);
    seen[signo]++;
    calls++;
}

static void turn(reactor *r) {
    reactor_wake(r);
    reactor_turn(r);
}

static void events(void) {
    stave_clock clock = {0};
    reactor *r = NULL;
    MUST(status_ok(reactor_new(&clock, &r)));
    MUST(status_ok(signals_start(r, on_signal, seen)));
    turn(r);
    MUST(calls == 0);
    raise(SIGTERM);
    raise(SIGINT);
    MUST(calls == 0); /* nothing runs outside of the reactor */
    turn(r);
    MUST(calls == 2 && seen[SIGTERM] == 1 && seen[SIGINT] == 1);
    raise(SIGHUP);
    raise(SIGUSR1);
    raise(SIGCHLD);
    raise(SIGPIPE);
    raise(SIGXFSZ);
    turn(r);
    turn(r);
    MUST(calls == 2);
    raise(SIGTERM);
    turn(r);
    MUST(calls == 3);
    int before = dup(0);
    close(before);
    signals_reset_in_child();
    struct sigaction a;
    static const int plain[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, SIGPIPE};
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        sigaction(plain[i], NULL, &a);
        MUST(a.sa_handler == SIG_DFL);
        MUST(!sigismember(&mask, plain[i]));
    }
    sigaction(SIGXFSZ, NULL, &a);
    MUST(a.sa_handler == SIG_IGN); /* a file at its limit fails in a child too */
    MUST(dup(0) < before);         /* the signalfd is closed */
    raise(SIGTERM);
    _exit(9); /* not reached */
}

static void test_events(void **state) {
    (void)state;
    static char text[TEXT_MAX];
    int how = in_process(events, text);
    if (!WIFSIGNALED(how) || WTERMSIG(how) != SIGTERM) fail_msg("status %x: %s", how, text);
}

/* ---- crashes
 * -----------------------------------------------------------------------------------*/

static char log_path[TEMPDIR_MAX + 16];
static int crash_signal;

static void crash_raise(void) {
    signals_crash_report();
    signals_crash_info("stave 9.9.9", log_path);
    raise(crash_signal);
}

/* A page that nobody may touch; the compiler does not know. */
static void crash_address(void) {
    signals_crash_report();
    signals_crash_info("stave 9.9.9", NULL);
    volatile char *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fprintf(stderr, "wanted: %p\n", (void *)(uintptr_t)(p + 0x678));
    p[0x678] = 1;
}

static void crash_abort(void) {
    signals_crash_report();
    abort();
}

/* Recursion until the stack is used up: the report needs a stack of its own. */
static int deeper(volatile char *above) {
    volatile char room[4096];
    room[0] = above ? above[0] : 0;
    if (crash_signal < 0) return 0; /* never */
    return deeper(room) + room[0];
}

static void crash_stack(void) {
    struct rlimit small = {256 * 1024, 256 * 1024};
    setrlimit(RLIMIT_STACK, &small);
    signals_crash_report();
    _exit(deeper(NULL));
}

static void assert_report(int how, int signo, const char *text, const char *part) {
    if (!WIFSIGNALED(how) || WTERMSIG(how) != signo) fail_msg("status %x: %s", how, text);
    if (!strstr(text, part)) fail_msg("no '%s' in: %s", part, text);
    if (!strstr(text, "test_signals(")) fail_msg("no stack in: %s", text);
}

static void test_crash_reports(void **state) {
    (void)state;
    static char text[TEXT_MAX], logged[TEXT_MAX];
    tempdir dir;
    tempdir_make(&dir);
    snprintf(log_path, sizeof(log_path), "%s", tempdir_file(&dir, "log"));
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    static const char *const names[] = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"};
    for (int i = 0; i < 4; i++) {
        crash_signal = signals[i];
        int how = in_process(crash_raise, text);
        assert_report(how, signals[i], text, "=== stave 9.9.9 crashed: process ");
        assert_report(how, signals[i], text, names[i]);
    }
    int fd = open(log_path, O_RDONLY);
    ssize_t n = read(fd, logged, sizeof(logged) - 1);
    close(fd);
    assert_true(n > 0);
    logged[n] = 0;
    for (int i = 0; i < 4; i++) /* each was appended */
        assert_non_null(strstr(logged, names[i]));
    tempdir_remove(&dir);
}

static void test_crash_address(void **state) {
    (void)state;
    static char text[TEXT_MAX];
    int how = in_process(crash_address, text);
    char part[64], *address = text + strlen("wanted: ");
    snprintf(part, sizeof(part), "signal SIGSEGV, address %.*s\n", (int)strcspn(address, "\n"),
             address);
    assert_report(how, SIGSEGV, text, part);
}

static void test_crash_abort(void **state) {
    (void)state;
    static char text[TEXT_MAX];
    int how = in_process(crash_abort, text);
    assert_report(how, SIGABRT, text, "signal SIGABRT");
}

static void test_crash_stack(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* its frames and its own stack make another test of this */
    static char text[TEXT_MAX];
    int how = in_process(crash_stack, text);
    assert_report(how, SIGSEGV, text, "signal SIGSEGV");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),        cmocka_unit_test(test_crash_reports),
        cmocka_unit_test(test_crash_address), cmocka_unit_test(test_crash_abort),
        cmocka_unit_test(test_crash_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
