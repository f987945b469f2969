/* Tests of patterns: what Lua matches is matched as before; what would use up the C stack is an
 * error. */
#include "script/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What a script of this text answers; an error's text for one that fails. */
static const char *answer(vm *v, const char *text) {
    static char out[256];
    lua_settop(v->L, 0);
    assert_true(vm_load(v->L, slice_cstr(text), "@user_script"));
    if (!vm_call(v, 0, 1)) lua_getfield(v->L, -1, "err");
    const char *s = lua_tostring(v->L, -1);
    snprintf(out, sizeof out, "%s", s ? s : "nil");
    return out;
}

static void test_matches(void **state) {
    vm *v = *state;
    assert_string_equal(answer(v, "return string.find('hello', 'l+')"), "3");
    assert_string_equal(answer(v, "return ('key:17'):match('^(%w+):%d+$')"), "key");
    assert_string_equal(answer(v, "return (('a-b-c'):gsub('%-', '+'))"), "a+b+c");
    assert_string_equal(
        answer(v, "local n = 0 for w in ('a bc d'):gmatch('%a+') do n = n + 1 end return n"), "3");
    assert_string_equal(answer(v, "return string.find(12.5, '%.', 2)"), "3");
    assert_string_equal(answer(v, "return string.find()"),
                        "ERR user_script:1: bad argument #1 to 'find' (string expected, got no "
                        "value)");
    /* long, and few repetitions; many, and no pattern */
    assert_string_equal(answer(v, "return string.find('x' .. ('a'):rep(9000), ('a'):rep(9000))"),
                        "2");
    assert_string_equal(
        answer(v, "return string.find('a' .. ('?'):rep(9000), ('?'):rep(9000), 1, true)"), "2");
    assert_string_equal(
        answer(v, "return string.find(('a'):rep(900), ('a?'):rep(900)) and 'found'"), "found");
}

static void test_too_deep(void **state) {
    vm *v = *state;
    static const char *const calls[] = {
        "string.find(s, p)", "string.match(s, p)",          "string.gsub(s, p, '')",
        "(s):find(p)",       "string.gmatch(s, p)()",       "string.gfind(s, p)()",
        "(s):match(p)",      "string.find(s, p, 1, false)",
    };
    static const char *const repeated[] = {".?", "a*", "a+", "a-", "(a-)b?", "[^b]?"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (size_t j = 0; j < sizeof repeated / sizeof *repeated; j++) {
            char text[256];
            snprintf(text, sizeof text,
                     "local s, p = ('a'):rep(220000), ('%s'):rep(220000) return %s", repeated[j],
                     calls[i]);
            assert_string_equal(answer(v, text), "ERR user_script:1: pattern too complex");
        }
}

static int start(void **state) {
    *state = vm_new();
    return 0;
}

static int stop(void **state) {
    vm_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_matches, start, stop),
        cmocka_unit_test_setup_teardown(test_too_deep, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
