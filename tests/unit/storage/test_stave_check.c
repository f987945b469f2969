/* stave-check, the program: its options, exit statuses, the lock, and a repair, on real files.
 * Needs utils/stave-check to have been built (`make`, `make test`); skipped otherwise. */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/vfs.h"
#include "support/storebuild.h"

#define PROGRAM "utils/stave-check"

static char dir[64];
static buf said;

/* Runs the program with arguments as a shell takes them, %s being the directory. Returns its exit
 * status; `said` is what it printed. */
static int run(const char *args) {
    char line[512], text[512];
    size_t n;
    int len = snprintf(line, sizeof line, "exec " PROGRAM " ");
    len += snprintf(line + len, sizeof line - (size_t)len, args, dir);
    snprintf(line + len, sizeof line - (size_t)len, " 2>&1");
    buf_clear(&said);
    FILE *f = popen(line, "r");
    assert_non_null(f);
    while ((n = fread(text, 1, sizeof text, f)) > 0)
        buf_append(&said, text, n);
    int code = pclose(f);
    assert_true(WIFEXITED(code));
    return WEXITSTATUS(code);
}

static bool heard(const char *text) {
    buf_append_char(&said, '\0');
    said.len--;
    return strstr(said.data, text) != NULL;
}

/* Flips a bit of a file in the directory. */
static void flip(const char *name, long offset) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, offset, SEEK_SET), 0);
    int c = fgetc(f);
    assert_int_equal(fseek(f, offset, SEEK_SET), 0);
    assert_int_equal(fputc(c ^ 1, f), c ^ 1);
    assert_int_equal(fclose(f), 0);
}

static int start(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/stave-check-test-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    storebuild(vfs_posix(), dir);
    return 0;
}

static int end(void **state) {
    (void)state;
    char line[128];
    snprintf(line, sizeof line, "rm -rf '%s'", dir);
    buf_free(&said);
    return system(line);
}

static void need_program(void) {
    if (access(PROGRAM, X_OK) != 0) skip();
}

static void test_options(void **state) {
    (void)state;
    need_program();
    assert_int_equal(run("--help"), 0);
    assert_true(heard("Exit status"));
    assert_int_equal(run("--version"), 0);
    assert_true(heard("stave-check 0"));
    static const char *const wrong[] = {
        "",
        "--repair=all %s",
        "%s extra",
        "--dump x %s",
        "--unknown %s",
        "--repair=cut",
        "--dump x --repair=cut",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (run(wrong[i]) != 2) fail_msg("'%s' is taken", wrong[i]);
}

static void test_trouble(void **state) {
    (void)state;
    need_program();
    vfs *v = vfs_posix();
    vfs_file *lock;
    char path[128];
    assert_int_equal(run("/nonexistent"), 3);
    snprintf(path, sizeof path, "%s/empty", dir);
    assert_true(status_ok(v->ops->mkdir(v, path)));
    assert_int_equal(run("%s/empty"), 3);
    assert_true(heard("not a data directory"));
    assert_true(status_ok(v->ops->rmdir(v, path))); /* it left nothing there */
    assert_int_equal(run("--dump /etc/passwd"), 3);
    assert_int_equal(run("--dump /nonexistent"), 3);
    snprintf(path, sizeof path, "%s/LOCK", dir);
    assert_true(status_ok(v->ops->lock(v, path, &lock)));
    assert_int_equal(run("%s"), 3);
    assert_int_equal(run("--repair=cut %s"), 3);
    v->ops->unlock(lock);
    assert_int_equal(run("%s"), 0);
}

static void test_clean(void **state) {
    (void)state;
    need_program();
    assert_int_equal(run("%s"), 0);
    assert_true(heard("4 segments, 3 hints") && heard("no problems"));
    assert_int_equal(run("--quiet %s"), 0);
    assert_int_equal(said.len, 0);
    assert_int_equal(run("--dump %s/MANIFEST"), 0);
    assert_true(heard("create engine bitcask"));
}

static void test_repair(void **state) {
    (void)state;
    need_program();
    flip("0000000001.seg", 300);
    flip("0000000003.hint", 100);
    assert_int_equal(run("-q %s"), 1);
    assert_true(heard("PROBLEM") && heard("--repair=skip drops") && heard("--repair=cut ends"));
    assert_int_equal(run("--dump %s/0000000001.seg"), 1);
    assert_true(heard("are no record"));
    assert_int_equal(run("--repair=hints %s"), 3); /* not enough */
    assert_true(heard("more than hints is damaged"));
    assert_int_equal(run("--repair=skip %s"), 0);
    assert_true(heard("records kept, as segment 16") && heard("repaired; checking again"));
    assert_int_equal(run("%s"), 0);
    assert_true(heard("4 segments, 1 hints"));
    assert_int_equal(run("--repair=cut %s"), 0); /* nothing to do */
    flip("0000000003.seg", 100);
    assert_int_equal(run("--repair=cut %s"), 0);
    assert_true(heard("0000000004.seg.damaged"));
    assert_int_equal(run("%s"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_trouble),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_repair),
    };
    return cmocka_run_group_tests(tests, start, end);
}
