/* lib_cjson: answers of redis-server; settings; random values there and back; random text; what
 * does not end, and where memory ends. */
#include "support/lib_state.h"

static void answers_of_redis(void **state) {
    (void)state;
    static const lib_case cases[] = {
        {"cjson.encode, {}", "<{}>"},
        {"cjson.encode, {1, 2, {a = 'x'}}", "<[1,2,{\"a\":\"x\"}]>"},
        {"cjson.encode, nil", "<null>"},
        {"cjson.encode, {cjson.null, true, false}", "<[null,true,false]>"},
        {"cjson.encode, {[5] = 1, [7] = 2}", "<[null,null,null,null,1,null,2]>"},
        {"cjson.encode, {[1.5] = 1}", "<{\"1.5\":1}>"},
        {"cjson.encode, {[2^40] = 1}", "<{\"1099511627776\":1}>"},
        {"cjson.encode, 1/3", "<0.33333333333333>"},
        {"cjson.encode, 1e15", "<1e+15>"},
        {"cjson.encode, 'a/\\127\\1\\8\\9\\10\\12\\13\"\\\\'",
         "<\"a\\/\\u007f\\u0001\\b\\t\\n\\f\\r\\\"\\\\\">"},
        {"cjson.encode", "error: bad argument #1 to '?' (expected 1 argument)"},
        {"cjson.encode, 1, 2", "error: bad argument #1 to '?' (expected 1 argument)"},
        {"cjson.encode, print", "error: Cannot serialise function: type not supported"},
        {"cjson.encode, {[true] = 1}",
         "error: Cannot serialise boolean: table key must be a number or string"},
        {"cjson.encode, 0/0", "error: Cannot serialise number: must not be NaN or Inf"},
        {"cjson.encode, {[1/0] = 1}", "error: Cannot serialise number: must not be NaN or Inf"},
        {"cjson.encode, {[11] = 1, [100] = 2}",
         "error: Cannot serialise table: excessively sparse array"},
        {"cjson.decode, '{\"a\":[1,{}],\"b\":null}'", "{<a>={1=1 2={}} <b>=null}"},
        {"cjson.decode, ' [ 1 , -2.5e1 ] '", "{1=1 2=-25}"},
        {"cjson.decode, '\"\\\\u00e9\\\\ud83d\\\\ude00\\\\n\"'", "<\xc3\xa9\xf0\x9f\x98\x80\n>"},
        {"cjson.decode, '0x1F'", "31"},
        {"cjson.decode, '-inf'", "-inf"},
        {"cjson.decode, 12", "12"},
        {"cjson.decode, ''", "error: Expected value but found T_END at character 1"},
        {"cjson.decode, '[1,]'", "error: Expected value but found T_ARR_END at character 4"},
        {"cjson.decode, '[1 2]'",
         "error: Expected comma or array end but found T_NUMBER at character 4"},
        {"cjson.decode, '{\"a\":1,}'",
         "error: Expected object key string but found T_OBJ_END at character 8"},
        {"cjson.decode, '{\"a\" 1}'", "error: Expected colon but found T_NUMBER at character 6"},
        {"cjson.decode, '\"\\\\q\"'",
         "error: Expected value but found invalid escape code at character 2"},
        {"cjson.decode, '\"\\\\ud800\"'",
         "error: Expected value but found invalid unicode escape code at character 2"},
        {"cjson.decode, '\"abc'",
         "error: Expected value but found unexpected end of string at character 5"},
        {"cjson.decode, 'nul'", "error: Expected value but found invalid token at character 1"},
        {"cjson.decode, '-'", "error: Expected value but found invalid number at character 1"},
        {"cjson.decode, '1x'", "error: Expected the end but found invalid token at character 2"},
        {"cjson.decode, 'a\\0'", "error: JSON parser does not support UTF-16 or UTF-32"},
        {"cjson.decode, '12\\0x'", "12"},
    };
    lib_check(cases, sizeof cases / sizeof *cases);
}

/* The settings of a cjson of its own, the global one's stay as they are. */
static void settings(void **state) {
    (void)state;
    static const lib_case cases[] = {
        {"own.encode_number_precision, 3", "3"},
        {"own.encode, 1/3", "<0.333>"},
        {"cjson.encode, 1/3", "<0.33333333333333>"},
        {"own.encode_number_precision, 15",
         "error: bad argument #1 to '?' (expected integer between 1 and 14)"},
        {"own.encode_invalid_numbers, 'null'", "<null>"},
        {"own.encode, {0/0, 1/0}", "<[null,null]>"},
        {"own.encode_invalid_numbers, true", "true"},
        {"own.encode, {0/0, -1/0}", "<[nan,-inf]>"},
        {"own.encode_invalid_numbers, 'x'", "error: bad argument #1 to '?' (invalid option 'x')"},
        {"own.decode_invalid_numbers, false", "false"},
        {"own.decode, '0x10'", "error: Expected value but found invalid number at character 1"},
        {"own.encode_sparse_array, true, 2, 3", "true 2 3"},
        {"own.encode, {[9] = 1}", "<{\"9\":1}>"},
        {"own.encode_sparse_array, nil, 0", "true 0 3"},
        {"own.encode, {[9] = 1}", "<[null,null,null,null,null,null,null,null,1]>"},
        {"own.encode_max_depth, 2", "2"},
        {"own.encode, {{{}}}", "error: Cannot serialise, excessive nesting (3)"},
        {"own.decode_max_depth, 2", "2"},
        {"own.decode, '[[[]]]'", "error: Found too many nested data structures (3) at character 3"},
        {"own.encode_keep_buffer", "true"},
        {"own.encode_keep_buffer, false, 1",
         "error: bad argument #2 to '?' (found too many arguments)"},
        {"cjson.encode_max_depth", "1000"},
        {"cjson.encode_sparse_array", "false 2 10"},
    };
    lib_run("own = cjson.new()");
    lib_check(cases, sizeof cases / sizeof *cases);
}

/* Pushes a value that JSON has, of whole numbers and halves, so that 14 digits hold them. */
static void push_random(rng *r, int level) {
    uint64_t kind = rng_below(r, level < 4 ? 6 : 4);
    char bytes[20];
    size_t n = rng_below(r, sizeof bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)rng_next(r);
    if (kind == 0) {
        lua_pushboolean(L, (int)rng_below(r, 2));
    } else if (kind == 1) {
        lua_pushnumber(L, ((double)rng_below(r, 1 << 30) - (1 << 29)) / 2);
    } else if (kind == 2) {
        lua_pushlstring(L, bytes, n);
    } else if (kind == 3) {
        lua_pushlightuserdata(L, NULL);
    } else {
        lua_newtable(L);
        for (int i = 1; i <= (int)n; i++) {
            if (kind == 5)
                lua_pushlstring(L, bytes, (size_t)i);
            else
                lua_pushinteger(L, i);
            push_random(r, level + 1);
            lua_rawset(L, -3);
        }
    }
}

static void random_values(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    lib_run("function try(v) assert(same(cjson.decode(cjson.encode(v)), v)) end");
    for (int i = 0; i < unit_rounds(1000); i++) {
        lua_settop(L, 0);
        lua_getglobal(L, "try");
        push_random(&r, 0);
        if (lua_pcall(L, 1, 0, 0)) fail_msg("%s", lua_tostring(L, -1));
    }
}

/* Text that is nearly JSON: what is understood is encoded and understood again. */
static void random_text(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    lib_run("function try(s) local ok, v = pcall(cjson.decode, s) if not ok then return end\n"
            "local ok, out = pcall(cjson.encode, v) if ok then cjson.decode(out) end end");
    for (int i = 0; i < unit_rounds(30000); i++) {
        static const char letters[] = "[]{}:,\"\\u0d8ef1-. \0tn";
        char text[24];
        size_t n = rng_below(&r, sizeof text);
        for (size_t k = 0; k < n; k++)
            text[k] = letters[rng_below(&r, sizeof letters - 1)];
        lua_settop(L, 0);
        lua_getglobal(L, "try");
        lua_pushlstring(L, text, n);
        if (lua_pcall(L, 1, 0, 0)) fail_msg("%s", lua_tostring(L, -1));
    }
}

/* CVE-2022-24834: lengths that wrap an int, and depths that the C stack has not. Here the script's
 * memory ends first, and comes back. */
static void no_end(void **state) {
    (void)state;
    static const char itself[] =
        "function() local t = {} t[1] = t return select(2, pcall(cjson.encode, t)) end";
    static const char deep[] =
        "function() local c, t = cjson.new(), {} t[1] = t c.encode_max_depth(2147483647) "
        "return select(2, pcall(c.encode, t)):match('excessive') end";
    static const char deep_text[] =
        "function() local c = cjson.new() c.decode_max_depth(2147483647) return "
        "select(2, pcall(c.decode, string.rep('[', 100000))):match('too many nested') end";
    static const char escaped[] = "function() return cjson.encode(string.rep('\\1', 1000000)) end";
    static const char wide[] =
        "function() local t = {'x'} for i = 1, 15 do local u = {} for k = 1, 100 do u[k] = t end "
        "t = u end return cjson.encode(t) end";
    assert_string_equal(lib_show(itself), "<Cannot serialise, excessive nesting (1001)>");
    assert_string_equal(lib_show(deep), "<excessive>");
    assert_string_equal(lib_show(deep_text), "<too many nested>");
    assert_int_equal(strlen(lib_show(escaped)), 6000004);
    lib_check_limit(escaped, 8 << 20, "error: not enough memory");
    lib_check_limit(wide, 8 << 20, "error: not enough memory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_redis), cmocka_unit_test(settings),
        cmocka_unit_test(random_values),    cmocka_unit_test(random_text),
        cmocka_unit_test(no_end),
    };
    return cmocka_run_group_tests(tests, lib_start, lib_stop);
}
