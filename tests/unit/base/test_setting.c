/* Settings: values of each kind in and out, and redis-server's messages for the bad ones. */
#include "base/setting.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "support/unit.h"

static int a_bool, an_enum;
static int64_t an_int, bytes, percent, octal;
static char *text, *joined;
static int custom_words;

static status custom_set(const setting *s, int argc, const slice *argv) {
    (void)s;
    if (argc == 2 && slice_eq(argv[1], SLICE("bad"))) return (status){ST_INVALID, "no good"};
    custom_words = argc;
    return STATUS_OK;
}

static void custom_get(const setting *s, buf *out) {
    buf_printf(out, "%s has %d", s->name, custom_words);
}

static const setting_choice choices[] = {{"always", 7}, {"everysec", 8}, {"no", 9}, {NULL, 0}};

static const setting table[] = {
    {.name = "flag",
     .alias = "old-flag",
     .kind = SETTING_BOOL,
     .target = &a_bool,
     .default_value = "yes"},
    {.name = "count",
     .kind = SETTING_INT,
     .target = &an_int,
     .default_value = "5",
     .min = -1,
     .max = 10},
    {.name = "size",
     .kind = SETTING_MEMORY,
     .target = &bytes,
     .default_value = "1mb",
     .min = 1024,
     .max = INT64_MAX},
    {.name = "share",
     .kind = SETTING_PERCENT_OR_MEMORY,
     .target = &percent,
     .default_value = "10%",
     .min = -100,
     .max = 1 << 20},
    {.name = "perm",
     .kind = SETTING_OCTAL,
     .target = &octal,
     .default_value = "700",
     .min = 0,
     .max = 0777},
    {.name = "choice",
     .kind = SETTING_ENUM,
     .target = &an_enum,
     .default_value = "everysec",
     .choices = choices},
    {.name = "text", .kind = SETTING_STRING, .target = &text, .default_value = ""},
    {.name = "joined",
     .kind = SETTING_STRING,
     .flags = SETTING_MULTI_ARG,
     .target = &joined,
     .default_value = "a b"},
    {.name = "custom",
     .kind = SETTING_CUSTOM,
     .set = custom_set,
     .get = custom_get,
     .default_value = "one two three"},
    {0},
};

/* Sets NAME to one word; the message, "" if it was taken. */
static const char *set(const char *name, const char *value) {
    const setting *s = setting_find(table, slice_cstr(name));
    assert_non_null(s);
    slice word = slice_cstr(value);
    return setting_parse(s, 1, &word).msg;
}

static void check_shown(const char *name, const char *expected) {
    buf out = {0};
    setting_show(setting_find(table, slice_cstr(name)), &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    buf_free(&out);
}

static void check(const char *name, const char *value, const char *shown) {
    assert_string_equal(set(name, value), "");
    check_shown(name, shown);
}

static int defaults(void **state) {
    (void)state;
    setting_defaults(table);
    return 0;
}

static void defaults_are_applied(void **state) {
    (void)state;
    check_shown("flag", "yes");
    check_shown("count", "5");
    check_shown("size", "1048576");
    check_shown("share", "10%");
    check_shown("perm", "700");
    check_shown("choice", "everysec");
    check_shown("text", "");
    check_shown("joined", "a b");
    check_shown("custom", "custom has 3");
    assert_int_equal(a_bool, 1);
    assert_int_equal(octal, 0700);
    assert_int_equal(percent, -10);
    assert_int_equal(an_enum, 8);
}

static void good_values(void **state) {
    (void)state;
    check("flag", "NO", "no");
    check("count", "-1", "-1");
    check("count", "10", "10");
    check("size", "1kb", "1024");
    check("size", "2G", "2000000000");
    check("share", "100%", "100%");
    check("share", "0%", "0");
    check("share", "64k", "64000");
    check("perm", "0755", "755");
    check("choice", "ALWAYS", "always");
    check("text", "some words", "some words");
    check("text", "", "");
    slice words[] = {SLICE("127.0.0.1"), SLICE("::1"), SLICE("")};
    assert_true(status_ok(setting_parse(setting_find(table, SLICE("joined")), 3, words)));
    check_shown("joined", "127.0.0.1 ::1 ");
}

static void messages_of_redis(void **state) {
    (void)state;
    assert_string_equal(set("flag", "maybe"), "argument must be 'yes' or 'no'");
    assert_string_equal(set("count", "abc"), "argument couldn't be parsed into an integer");
    assert_string_equal(set("count", " 5"), "argument couldn't be parsed into an integer");
    assert_string_equal(set("count", ""), "argument couldn't be parsed into an integer");
    assert_string_equal(set("count", "11"), "argument must be between -1 and 10 inclusive");
    assert_string_equal(set("count", "-2"), "argument must be between -1 and 10 inclusive");
    assert_string_equal(set("size", "10%"), "argument must be a memory value");
    assert_string_equal(set("size", "-1"), "argument must be a memory value");
    assert_string_equal(set("size", "1k"),
                        "argument must be between 1024 and 9223372036854775807 inclusive");
    assert_string_equal(set("share", "101%"), "percentage argument must be less or equal to 100");
    assert_string_equal(set("share", "1.5%"), "argument must be a memory or percent value");
    assert_string_equal(set("share", "%"), "argument must be a memory or percent value");
    assert_string_equal(set("share", "-5%"), "argument must be a memory or percent value");
    assert_string_equal(set("share", "2mb"), "argument must be between -100 and 1048576 inclusive");
    assert_string_equal(set("perm", "9"), "argument couldn't be parsed as an octal number");
    assert_string_equal(set("perm", ""), "argument couldn't be parsed as an octal number");
    assert_string_equal(set("perm", "1777"), "argument must be between 0 and 777 inclusive");
    assert_string_equal(set("perm", "7777777777777777777777777"),
                        "argument couldn't be parsed as an octal number");
    assert_string_equal(set("choice", "x"),
                        "argument(s) must be one of the following: always, everysec, no");
    slice two[] = {SLICE("a"), SLICE("b")}, zero[] = {SLICE("a\0b")};
    const setting *s = setting_find(table, SLICE("text"));
    assert_string_equal(setting_parse(s, 2, two).msg, "wrong number of arguments");
    assert_string_equal(setting_parse(s, 0, two).msg, "wrong number of arguments");
    assert_int_equal(setting_parse(s, 1, zero).code, ST_INVALID);
}

static void a_bad_value_changes_nothing(void **state) {
    (void)state;
    check("flag", "yes", "yes");
    check("count", "7", "7");
    check("text", "kept", "kept");
    set("flag", "x");
    set("count", "99");
    slice zero = SLICE("a\0b");
    (void)!setting_parse(setting_find(table, SLICE("text")), 1, &zero).code;
    check_shown("flag", "yes");
    check_shown("count", "7");
    check_shown("text", "kept");
}

static void custom_settings_parse_themselves(void **state) {
    (void)state;
    slice words[] = {SLICE("x"), SLICE("bad")};
    const setting *s = setting_find(table, SLICE("custom"));
    assert_string_equal(setting_parse(s, 2, words).msg, "no good");
    assert_true(status_ok(setting_parse(s, 1, words)));
    check_shown("custom", "custom has 1");
}

static void names_ignore_case_and_have_aliases(void **state) {
    (void)state;
    assert_ptr_equal(setting_find(table, SLICE("FLAG")), &table[0]);
    assert_ptr_equal(setting_find(table, SLICE("Old-Flag")), &table[0]);
    assert_null(setting_find(table, SLICE("flags")));
    assert_null(setting_find(table, SLICE("")));
}

static void a_bad_default_is_a_bug(void **state) {
    (void)state;
    static int64_t v;
    static const setting broken[] = {
        {.name = "broken", .kind = SETTING_INT, .target = &v, .default_value = "11", .max = 10},
        {0}};
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        close(STDOUT_FILENO);
        setting_defaults(broken);
        _exit(0);
    }
    int how;
    waitpid(child, &how, 0);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
}

static int free_strings(void **state) {
    (void)state;
    mem_free(text);
    mem_free(joined);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_applied),
        cmocka_unit_test(good_values),
        cmocka_unit_test(messages_of_redis),
        cmocka_unit_test(a_bad_value_changes_nothing),
        cmocka_unit_test(custom_settings_parse_themselves),
        cmocka_unit_test(names_ignore_case_and_have_aliases),
        cmocka_unit_test(a_bad_default_is_a_bug),
    };
    return cmocka_run_group_tests(tests, defaults, free_strings);
}
