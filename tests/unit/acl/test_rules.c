/* rules: what each comes to, how it is shown, what is refused with which words. */
#include "acl/user.h"

#include "base/mem.h"
#include "commands/commands.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

/* ---- help --------------------------------------------------------------------------------------
 */

/* All rules, one after another; the first that is refused ends it. */
static rule_error set(user *u, const char *rules) {
    slice words[64];
    rule_list list;
    int n = 0, bad;
    while (*rules) {
        size_t len = strcspn(rules, " ");
        words[n++] = slice_of(rules, len);
        rules += len + (rules[len] == ' ');
    }
    assert_true(rules_merge(words, n, &list, &bad));
    rule_error e = RULE_OK;
    for (size_t i = 0; i < list.n && e == RULE_OK; i++)
        e = user_set(u, list.at[i]);
    rules_free(&list);
    user_settle(u);
    return e;
}

static const char *shown(const user *u) {
    static buf text;
    buf_clear(&text);
    user_show(u, &text);
    buf_append_char(&text, 0);
    return text.data;
}

#define HEAD "off sanitize-payload "

/* A new user with these rules is shown like that, and so is one with what is shown. */
static void check_shown(const char *rules, const char *want) {
    user *u = user_new(SLICE("bob")), *again = user_new(SLICE("bob"));
    assert_int_equal(set(u, rules), RULE_OK);
    char *text = mem_strdup(shown(u));
    assert_int_equal(strncmp(text, HEAD, sizeof HEAD - 1), 0);
    assert_string_equal(text + sizeof HEAD - 1, want);
    assert_int_equal(set(again, text), RULE_OK);
    assert_string_equal(shown(again), text);
    mem_free(text);
    user_free(u);
    user_free(again);
}

static void check_refused(const char *rule, rule_error want) {
    user *u = user_new(SLICE("bob"));
    char *before = mem_strdup(shown(u));
    assert_int_equal(user_set(u, slice_cstr(rule)), want);
    assert_string_equal(shown(u), before);
    mem_free(before);
    user_free(u);
}

static bool may(const user *u, const char *name, const char *arg) {
    slice argv[] = {slice_cstr(name), slice_cstr(arg)};
    return selector_allows_command(u->selectors[0], command_by_name(argv[0]), 2, argv);
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void commands(void **state) {
    (void)state;
    check_shown("", "resetchannels -@all");
    check_shown("+get -get +GET", "resetchannels -@all +get");
    check_shown("+client|list +client", "resetchannels -@all +client");
    check_shown("+client +client|list -client|kill", "resetchannels -@all +client +client|list "
                                                     "-client|kill");
    check_shown("+@read +@WRITE -@read", "resetchannels -@all +@write -@read");
    check_shown("+get +@all -set", "resetchannels +@all -set");
    check_shown("allcommands nocommands", "resetchannels -@all");
    check_shown("+select|0 +select|A +select|a +select|0",
                "resetchannels -@all +select|a +select|0");
    check_shown("+select|0 +get -select", "resetchannels -@all +get -select");
    check_shown("+select|0 -@connection +select", "resetchannels -@all -@connection +select");
    check_refused("+nope", RULE_UNKNOWN);
    check_refused("-nope", RULE_UNKNOWN);
    check_refused("+", RULE_UNKNOWN);
    check_refused("-", RULE_UNKNOWN);
    check_refused("+@nope", RULE_UNKNOWN);
    check_refused("+@", RULE_UNKNOWN);
    check_refused("+|", RULE_UNKNOWN);
    check_refused("+client|nope", RULE_UNKNOWN);
    check_refused("-client|nope", RULE_UNKNOWN);
    check_refused("-select|0", RULE_UNKNOWN);
    check_refused("+client|list|x", RULE_OF_SUBCOMMAND);
    check_refused("+client|", RULE_SYNTAX);
    check_refused("+select|", RULE_SYNTAX);
    check_refused("+select|a b", RULE_SYNTAX);
    check_refused("get", RULE_SYNTAX);
}

static void first_arguments(void **state) {
    (void)state;
    user *u = user_new(SLICE("bob"));
    assert_int_equal(set(u, "+select|Zero +ping"), RULE_OK);
    assert_true(may(u, "select", "zERO") && may(u, "ping", "x"));
    assert_false(may(u, "select", "1") || may(u, "select", "zer") || may(u, "get", "zero"));
    assert_int_equal(set(u, "-@connection"), RULE_OK);
    assert_false(may(u, "select", "zero") || may(u, "ping", "x"));
    assert_int_equal(set(u, "+select"), RULE_OK);
    assert_true(may(u, "select", "1"));
    user *copy = user_new(SLICE("copy"));
    assert_int_equal(set(u, "-select +select|5"), RULE_OK);
    user_assign(copy, u);
    user_free(u);
    assert_true(may(copy, "select", "5"));
    assert_false(may(copy, "select", "1"));
    user_free(copy);
}

static void keys(void **state) {
    (void)state;
    check_shown("~a ~b ~a", "~a ~b resetchannels -@all");
    check_shown("%R~a %W~a %r~b %wr~c", "~a %R~b ~c resetchannels -@all");
    check_shown("~a ~*", "~* resetchannels -@all");
    check_shown("allkeys resetkeys ~", "~ resetchannels -@all");
    check_shown("%RW~* ~a", "%RW~* ~a resetchannels -@all"); /* Redis: ~* ~a, which it refuses */
    static const char *const bad[] = {"%",    "%~a",   "%RR~a", "%WRW~a",
                                      "%X~a", "%R a~", "~a b",  "~\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused(bad[i], RULE_SYNTAX);
    user *u = user_new(SLICE("bob"));
    assert_int_equal(user_set(u, slice_of("~a\0b", 4)), RULE_SYNTAX);
    assert_int_equal(set(u, "%R~in:* %W~out:* ~both"), RULE_OK);
    const selector *s = u->selectors[0];
    assert_true(selector_allows_key(s, SLICE("in:1"), KEY_READS));
    assert_false(selector_allows_key(s, SLICE("in:1"), KEY_WRITES));
    assert_false(selector_allows_key(s, SLICE("in:1"), KEY_READS | KEY_WRITES));
    assert_true(selector_allows_key(s, SLICE("out:1"), KEY_WRITES));
    assert_true(selector_allows_key(s, SLICE("both"), KEY_READS | KEY_WRITES));
    assert_true(selector_allows_key(s, SLICE("out:1"), 0));
    assert_false(selector_allows_key(s, SLICE("none"), 0));
    assert_false(selector_allows_every_key(s, KEY_READS));
    assert_int_equal(set(u, "%R~*"), RULE_OK);
    assert_true(selector_allows_every_key(s, KEY_READS));
    assert_false(selector_allows_every_key(s, KEY_WRITES));
    assert_int_equal(set(u, "~* ~a"), RULE_ALL_KEYS);
    user_free(u);
}

static void channels(void **state) {
    (void)state;
    check_shown("&a &b &a", "resetchannels &a &b -@all");
    check_shown("&a &*", "&* -@all");
    check_refused("&a b", RULE_SYNTAX);
    user *u = user_new(SLICE("bob"));
    assert_int_equal(set(u, "&news.* &x"), RULE_OK);
    const selector *s = u->selectors[0];
    assert_true(selector_allows_channel(s, SLICE("news.1"), false));
    assert_true(selector_allows_channel(s, SLICE("news.*"), true));
    assert_false(selector_allows_channel(s, SLICE("news.1"), true));
    assert_false(selector_allows_channel(s, SLICE("y"), false));
    assert_int_equal(set(u, "&* &a"), RULE_ALL_CHANNELS);
    user_free(u);
    selector_channels_default = 1;
    check_shown("", "&* -@all");
    check_shown("resetchannels reset", "&* -@all");
    selector_channels_default = 0;
}

static void nested(void **state) {
    (void)state;
    check_shown("(+get ~a)", "resetchannels -@all (~a resetchannels -@all +get)");
    check_shown("( +get ~a ) +set", "resetchannels -@all +set (~a resetchannels -@all +get)");
    check_shown("() (~*)", "resetchannels -@all (resetchannels -@all) (~* resetchannels -@all)");
    check_shown("(+get) clearselectors +set", "resetchannels -@all +set");
    check_shown("(+get) reset", "resetchannels -@all");
    check_refused("(+nope)", RULE_UNKNOWN);
    check_refused("(on)", RULE_SYNTAX);
    check_refused("(>x)", RULE_SYNTAX);
    check_refused("((+get))", RULE_SYNTAX);
    check_refused("(reset)", RULE_SYNTAX);
    check_refused("(%RR~a)", RULE_SYNTAX);
    check_refused("(~* ~a)", RULE_ALL_KEYS);
    check_refused("(", RULE_SYNTAX);
    check_refused(")", RULE_SYNTAX);
}

/* Names with quotes and parentheses in them, given quoted, are shown so. */
static void quoted(void **state) {
    (void)state;
    static const char *const rules[] = {"(\"~a)\" +get)", "(\"~a\\\"b\" ~c)", "('~a' &b)",
                                        "(\"~a\\\\\\\"\" \"&x)\")"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        user *u = user_new(SLICE("bob")), *again = user_new(SLICE("bob"));
        assert_int_equal(user_set(u, slice_cstr(rules[i])), RULE_OK);
        char *text = mem_strdup(shown(u));
        assert_int_equal(set(again, text), RULE_OK);
        assert_string_equal(shown(again), text);
        assert_int_equal(u->nselectors, 2);
        assert_int_equal(names_count(again->selectors[1]->keys),
                         names_count(u->selectors[1]->keys));
        mem_free(text);
        user_free(u);
        user_free(again);
    }
}

static void merging(void **state) {
    (void)state;
    const slice open[] = {SLICE("on"), SLICE("(+get"), SLICE(""), SLICE("~a")};
    const slice twice[] = {SLICE("("), SLICE("("), SLICE(")"), SLICE("x"), SLICE("(y"), SLICE(")")};
    rule_list l;
    int bad;
    assert_false(rules_merge(open, 4, &l, &bad));
    assert_int_equal(bad, 1);
    assert_true(rules_merge(open, 0, &l, &bad));
    assert_int_equal(l.n, 0);
    rules_free(&l);
    assert_true(rules_merge(twice, 6, &l, &bad));
    assert_int_equal(l.n, 3);
    assert_true(slice_eq(l.at[0], SLICE("( ( )")) && slice_eq(l.at[1], SLICE("x")) &&
                slice_eq(l.at[2], SLICE("(y )")));
    rules_free(&l);
}

#define HASH "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" /* of "x" */

static void passwords(void **state) {
    (void)state;
    check_shown(">x", "#" HASH " resetchannels -@all");
    check_shown(">x #" HASH " >x", "#" HASH " resetchannels -@all");
    check_shown(">x >y <y !" HASH, "resetchannels -@all");
    check_refused("<x", RULE_NO_PASSWORD);
    check_refused("!" HASH, RULE_NO_PASSWORD);
    check_refused("#abc", RULE_BAD_HASH);
    check_refused("#2D711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
                  RULE_BAD_HASH);
    check_refused("!" HASH "0", RULE_BAD_HASH);
    user *u = user_new(SLICE("bob"));
    assert_int_equal(set(u, ">x >secret"), RULE_OK);
    assert_true(user_has_password(u, SLICE("x")) && user_has_password(u, SLICE("secret")));
    assert_false(user_has_password(u, SLICE("")) || user_has_password(u, SLICE("secre")));
    assert_int_equal(set(u, "nopass"), RULE_OK);
    assert_true(u->nopass && names_count(u->passwords) == 0);
    assert_int_equal(user_set(u, slice_of(">a\0b c", 6)), RULE_OK);
    assert_false(u->nopass);
    assert_true(user_has_password(u, slice_of("a\0b c", 5)));
    user_set_password(u, SLICE_EMPTY);
    assert_true(u->nopass);
    user_set_password(u, SLICE("new"));
    assert_true(user_has_password(u, SLICE("new")) && names_count(u->passwords) == 1);
    user_free(u);
}

static void flags(void **state) {
    (void)state;
    user *u = user_new_default();
    assert_string_equal(shown(u), "on nopass sanitize-payload ~* &* +@all");
    assert_true(u->unrestricted);
    assert_int_equal(set(u, "OFF Skip-Sanitize-Payload -get"), RULE_OK);
    assert_string_equal(shown(u), "off nopass skip-sanitize-payload ~* &* +@all -get");
    assert_false(u->unrestricted);
    assert_int_equal(set(u, "(~* &* +@all)"), RULE_OK);
    assert_true(u->unrestricted);
    user_free(u);
}

/* Whatever was said in any order, what is shown makes the same bits again. */
static void random_rules(void **state) {
    (void)state;
    static const char *const words[] = {
        "get",    "set",   "client",  "client|list", "client|kill",  "select|0", "select|1",
        "select", "@read", "@write",  "@slow",       "@connection",  "@all",     "@fast",
        "ping",   "mget",  "@string", "command",     "command|docs", "@keyspace"};
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(300); round++) {
        user *u = user_new(SLICE("bob")), *again = user_new(SLICE("bob"));
        for (int i = (int)rng_below(&r, 20); i >= 0; i--) {
            char rule[32] = {rng_below(&r, 2) ? '+' : '-'};
            strcat(rule, words[rng_below(&r, sizeof words / sizeof *words)]);
            rule_error e = user_set(u, slice_cstr(rule));
            assert_true(e == RULE_OK || rule[0] == '-');
        }
        char *text = mem_strdup(shown(u));
        assert_int_equal(set(again, text), RULE_OK);
        assert_string_equal(shown(again), text);
        const selector *a = u->selectors[0], *b = again->selectors[0];
        assert_memory_equal(a->commands, b->commands, sizeof a->commands);
        assert_int_equal(may(u, "select", "0"), may(again, "select", "0"));
        assert_true(names_count(a->rules) <= sizeof words / sizeof *words);
        mem_free(text);
        user_free(u);
        user_free(again);
    }
}

/* A hundred thousand of each, in a time that is not their square. */
static void many(void **state) {
    (void)state;
    user *u = user_new(SLICE("bob"));
    char rule[64];
    for (int i = 0; i < 100000; i++) {
        static const char *const signs[] = {"~", "&", "+select|", "%R~"};
        for (size_t f = 0; f < sizeof signs / sizeof *signs; f++) {
            snprintf(rule, sizeof rule, "%s%d", signs[f], i);
            assert_int_equal(user_set(u, slice_cstr(rule)), RULE_OK);
        }
        assert_int_equal(user_set(u, i % 2 ? SLICE("+get") : SLICE("-get")), RULE_OK);
    }
    assert_int_equal(names_count(u->selectors[0]->keys), 100000);
    assert_int_equal(user_set(u, SLICE("+select")), RULE_OK);
    assert_int_equal(names_count(u->selectors[0]->rules), 2);
    user_free(u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands), cmocka_unit_test(first_arguments),
        cmocka_unit_test(keys),     cmocka_unit_test(channels),
        cmocka_unit_test(nested),   cmocka_unit_test(quoted),
        cmocka_unit_test(merging),  cmocka_unit_test(passwords),
        cmocka_unit_test(flags),    cmocka_unit_test(random_rules),
        cmocka_unit_test(many),
    };
    commands_register(connection_commands);
    commands_register(command_commands);
    commands_register(string_commands);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
