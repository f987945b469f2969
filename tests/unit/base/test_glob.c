/* Patterns: a table of answers of redis-server, malformed patterns included, and a plain recursive
 * matcher on random patterns over a small alphabet. */
#include "base/glob.h"

#include <stdlib.h>

#include "support/unit.h"

static void answers_of_redis(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        int match;
    } cases[] = {
        {"*", "", 1},
        {"", "", 1},
        {"**", "", 0},
        {"?", "", 0},
        {"*", "abc", 1},
        {"", "a", 0},
        {"a*c", "abc", 1},
        {"a*c", "ac", 1},
        {"a*c", "abd", 0},
        {"a**c", "abbc", 1},
        {"*a*b*", "xaxbx", 1},
        {"*ab", "aab", 1},
        {"h?llo", "hello", 1},
        {"h?llo", "hllo", 0},
        {"h[ae]llo", "hallo", 1},
        {"h[^e]llo", "hello", 0},
        {"h[^e]llo", "hallo", 1},
        {"h[a-c]llo", "hbllo", 1},
        {"h[c-a]llo", "hbllo", 1},
        {"h\\?llo", "h?llo", 1},
        {"h\\?llo", "hello", 0},
        {"[", "[", 0},
        {"[", "a", 0},
        {"[^", "a", 1},
        {"[abc", "b", 1},
        {"[^abc", "b", 0},
        {"[^abc", "d", 1},
        {"[]", "]", 0},
        {"[]a]", "a", 0},
        {"[^]", "a", 1},
        {"[a-]", "]", 1},
        {"[a-", "-", 1},
        {"\\", "\\", 1},
        {"a\\", "a\\", 1},
        {"*\\", "a\\", 1},
        {"[\\", "\\", 1},
        {"[\\]", "\\", 0},
        {"[\\]", "]", 1},
        {"[\\\\]", "\\", 1},
        {"[\\a-c]", "b", 0},
        {"[\\a-c]", "-", 1},
        {"[a-\xff]", "b", 0},
        {"[a-\xff]", "A", 1},
        {"a*", "a", 1},
        {"a***", "a", 1},
        {"*?", "a", 1},
        {"?*?", "a", 0},
        {"*[", "a", 0},
        {"*[^", "aa", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (glob_match(slice_cstr(cases[i].pattern), slice_cstr(cases[i].text), false) !=
            cases[i].match)
            fail_msg("'%s' on '%s'", cases[i].pattern, cases[i].text);
}

static void case_is_ignored_when_asked(void **state) {
    (void)state;
    assert_true(glob_match(SLICE("AbC*"), SLICE("aBcD"), true));
    assert_false(glob_match(SLICE("AbC*"), SLICE("aBcD"), false));
    assert_true(glob_match(SLICE("[a-c]"), SLICE("B"), true));
    assert_true(glob_match(SLICE("[AB]"), SLICE("b"), true));
    assert_false(glob_match(SLICE("[\\B]"), SLICE("b"), true));
    assert_true(glob_match(SLICE("\\B"), SLICE("b"), true));
}

/* The definition, exponential and plain, for well-formed patterns of a ? * [ab] [^a] \x. */
static bool slow_match(const char *p, const char *t) {
    if (!*p) return !*t;
    if (*p == '*') return slow_match(p + 1, t) || (*t && slow_match(p, t + 1));
    if (!*t) return false;
    if (*p == '?') return slow_match(p + 1, t + 1);
    if (*p == '\\') return p[1] == *t && slow_match(p + 2, t + 1);
    if (*p == '[') {
        const char *end = strchr(p, ']');
        bool negate = p[1] == '^', in = false;
        for (const char *c = p + 1 + negate; c < end; c++)
            in |= *c == *t;
        return in != negate && slow_match(end + 1, t + 1);
    }
    return *p == *t && slow_match(p + 1, t + 1);
}

static void agrees_with_the_definition(void **state) {
    (void)state;
    static const char *const elements[] = {"a", "b", "*", "*", "?", "[ab]", "[^a]", "\\*", "[bc]"};
    rng r;
    unit_seed(&r);
    int matched = 0;
    for (int i = 0; i < 60000; i++) {
        char p[64] = "", t[12];
        size_t n = 1 + rng_below(&r, 9);
        for (uint64_t k = rng_below(&r, 8); k; k--)
            strcat(p, elements[rng_below(&r, 9)]);
        for (size_t k = 0; k < n; k++)
            t[k] = "abc*"[rng_below(&r, 4)];
        t[n] = '\0';
        bool expected = slow_match(p, t);
        if (glob_match(slice_cstr(p), slice_cstr(t), false) != expected)
            fail_msg("'%s' on '%s', expected %d", p, t, expected);
        matched += expected;
    }
    assert_in_range(matched, 1000, 59000);
}

/* Random bytes of the special kind: nothing may be read outside the two slices (for sanitizers). */
static void stays_inside_its_slices(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < 50000; i++) {
        char p[8], t[8];
        size_t pn = rng_below(&r, 9), tn = rng_below(&r, 9);
        for (size_t k = 0; k < pn; k++)
            p[k] = "[]^-\\*?ab"[rng_below(&r, 9)];
        for (size_t k = 0; k < tn; k++)
            t[k] = "]-\\ab"[rng_below(&r, 5)];
        char *exact_p = malloc(pn), *exact_t = malloc(tn);
        memcpy(exact_p, p, pn);
        memcpy(exact_t, t, tn);
        glob_match(slice_of(exact_p, pn), slice_of(exact_t, tn), i % 2);
        free(exact_p);
        free(exact_t);
    }
}

/* Eight million steps; a recursion for each star would not end in the life of this machine. */
static void work_is_bounded(void **state) {
    (void)state;
    char p[402], t[20000];
    for (int i = 0; i < 400; i += 2)
        memcpy(p + i, "a*", 2);
    p[400] = 'b';
    memset(t, 'a', sizeof t);
    assert_false(glob_match(slice_of(p, 401), slice_of(t, sizeof t), false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_redis),
        cmocka_unit_test(case_is_ignored_when_asked),
        cmocka_unit_test(agrees_with_the_definition),
        cmocka_unit_test(stays_inside_its_slices),
        cmocka_unit_test(work_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
