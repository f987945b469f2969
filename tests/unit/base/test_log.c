/* The log's lines, its levels, its file, and the last words of a process that breaks. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/unit.h"

static char path[] = "/tmp/stave-test-log-XXXXXX";

static int make_file(void **state) {
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0) return -1;
    close(fd);
    return 0;
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

/* What the log file holds, NUL-terminated; the file is empty afterwards. */
static const char *take(void) {
    static char text[20000];
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    return text;
}

static int matches(const char *text, const char *pattern) {
    regex_t re;
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int found = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return found;
}

static void lines_have_redis_layout(void **state) {
    (void)state;
    assert_true(status_ok(log_set_file(path)));
    char expected[300];
    snprintf(expected, sizeof expected,
             "^%d:M [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} [*] "
             "hello 42\n$",
             (int)getpid());
    errno = 5;
    log_notice("hello %d", 42);
    assert_int_equal(errno, 5);
    const char *line = take();
    if (!matches(line, expected)) fail_msg("%s", line);
    pid_t child = fork();
    if (child == 0) {
        log_notice("from the child");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    snprintf(expected, sizeof expected, "^%d:C .* [*] from the child\n$", (int)child);
    assert_true(matches(take(), expected));
}

static void levels_filter(void **state) {
    (void)state;
    static const char marks[] = ".-*#";
    for (int lowest = LOG_LEVEL_DEBUG; lowest <= LOG_LEVEL_NOTHING; lowest++) {
        log_set_level((log_level)lowest);
        assert_int_equal(log_get_level(), lowest);
        for (int level = LOG_LEVEL_DEBUG; level < LOG_LEVEL_NOTHING; level++) {
            log_write((log_level)level, "x");
            char mark[8] = {' ', marks[level], ' ', 'x', '\n', 0};
            assert_int_equal(strstr(take(), mark) != NULL, level >= lowest);
        }
    }
    log_set_level(LOG_LEVEL_NOTICE);
}

static void rotation_needs_no_signal(void **state) {
    (void)state;
    char moved[sizeof path + 8];
    snprintf(moved, sizeof moved, "%s.1", path);
    log_notice("first");
    assert_int_equal(rename(path, moved), 0);
    log_notice("second");
    assert_non_null(strstr(take(), "second"));
    assert_int_equal(rename(moved, path), 0);
    assert_non_null(strstr(take(), "first"));
}

static void a_file_that_cannot_be_opened_changes_nothing(void **state) {
    (void)state;
    status s = log_set_file("/nonexistent/log");
    assert_int_equal(s.code, ST_NOT_FOUND);
    assert_non_null(strstr(s.msg, "/nonexistent/log"));
    char long_name[5000];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(log_set_file(long_name).code, ST_LIMIT);
    log_notice("still here");
    assert_non_null(strstr(take(), "still here"));
}

static void long_messages_are_cut(void **state) {
    (void)state;
    char text[10000];
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_notice("%s", text);
    const char *line = take();
    size_t n = strlen(line);
    assert_in_range(n, 1000, 4096);
    assert_int_equal(line[n - 1], '\n');
}

static void a_failed_check_speaks_and_aborts(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka has its own */
        close(STDERR_FILENO);
        CHECK(1 + 1 == 3);
        _exit(0);
    }
    int how;
    waitpid(child, &how, 0);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
    assert_true(matches(take(), "# .*test_log\\.c:[0-9]+: CHECK failed: 1 \\+ 1 == 3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_redis_layout),
        cmocka_unit_test(levels_filter),
        cmocka_unit_test(rotation_needs_no_signal),
        cmocka_unit_test(a_file_that_cannot_be_opened_changes_nothing),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(a_failed_check_speaks_and_aborts),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
