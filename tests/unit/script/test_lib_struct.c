/* lib_struct: answers of redis-server; sizes, positions and counts at their ends; random formats
 * beside a model that does arithmetic on digits, and on random bytes. */
#include "support/lib_state.h"

static void answers_of_redis(void **state) {
    (void)state;
    static const lib_case cases[] = {
        {"struct.pack, '>I2i1B', 258, -1, 200", "<\1\2\xff\xc8>"},
        {"struct.pack, '<I2>I2', 258, 258", "<\2\1\1\2>"},
        {"struct.unpack, '>h<h', '\\1\\2\\1\\2'", "258 513 5"},
        {"struct.unpack, 'bB', '\\200\\200'", "-56 200 3"},
        {"struct.unpack, 'h', '\\1\\2\\3\\4', 2", "770 4"},
        {"struct.unpack, 'Bc0', '\\2abc'", "<ab> 4"},
        {"struct.unpack, 'sB', 'ab\\0\\7'", "<ab> 7 5"},
        {"struct.unpack, 'f', struct.pack('f', 0.5)", "0.5 5"},
        {"struct.unpack, '>d', struct.pack('>d', -1/3)", "-0.33333333333333331 9"},
        {"struct.unpack, 'c2 c1', 'abc'", "<ab> <c> 4"},
        {"struct.unpack, '', 'abc', 40", "40"},
        {"struct.unpack, 'i0', ''", "0 1"},
        {"struct.unpack, 'i9', '\\255\\255\\255\\255\\255\\255\\255\\255\\255'", "-1 10"},
        {"struct.pack, 'c2s', 'abc', 'de'", "<abde\\0>"},
        {"struct.size, 'bhlLTfdxc7iI3'", "54"},
        {"struct.size, '!bhlLTfdxc7iI3'", "65"},
        {"struct.size, 'i3!4i3i3i3'", "14"},
        {"struct.size, '!1073741824i4c1i4'", "12"},
        {"struct.size, 'z'", "0"},
        {"struct.size, 's'", "error: bad argument #1 to '?' (option 's' has no fixed size)"},
        {"struct.size, 'c0'", "error: bad argument #1 to '?' (option 'c0' has no fixed size)"},
        {"struct.size, '$'", "error: bad argument #1 to '?' (invalid format option '$')"},
        {"struct.pack, 'z', 1", "error: bad argument #1 to '?' (invalid format option 'z')"},
        {"struct.size, '!3'", "error: alignment 3 is not a power of 2"},
        {"struct.size, '!0'", "error: alignment 0 is not a power of 2"},
        {"struct.pack, 'ii', 1", "error: bad argument #3 to '?' (number expected, got nil)"},
        {"struct.pack, 'c5', 'abc'", "error: bad argument #3 to '?' (string too short)"},
        {"struct.unpack, 's', 'abc'", "error: unfinished string in data"},
        {"struct.unpack, 'c0', 'abc'", "error: format 'c0' needs a previous size"},
        {"struct.unpack, 'Bsc0', '\\2abc\\0ggg'", "error: format 'c0' needs a previous size"},
    };
    lib_check(cases, sizeof cases / sizeof *cases);
}

#define SHORT "error: bad argument #2 to '?' (data string too short)"

/* CVE-2018-11219, CVE-2020-14147: lengths that wrap, positions beyond the data. */
static void overflows(void **state) {
    (void)state;
    static const lib_case cases[] = {
        {"struct.size, 'i33'", "error: integral size 33 is larger than limit of 32"},
        {"struct.pack, 'I2147483647', 1",
         "error: integral size 2147483647 is larger than limit of 32"},
        {"struct.size, 'c2147483648'", "error: integral size overflow"},
        {"struct.size, 'i4294967300'", "error: integral size overflow"},
        {"struct.size, '!18446744073709551616'", "error: integral size overflow"},
        {"struct.size, 'c2147483647c2147483647'", "4294967294"},
        {"struct.unpack, 'c2147483647c2147483647c2', 'ab'", SHORT},
        {"struct.unpack, 'i', 'abcd', 2", SHORT},
        {"struct.unpack, 'i', 'abcd', -1", SHORT},
        {"struct.unpack, 'i', 'abcd', -2^62", SHORT},
        {"struct.unpack, 'c4', 'abcd', 2^62", SHORT},
        {"struct.unpack, 'b', 'abc', 0",
         "error: bad argument #3 to '?' (offset must be 1 or greater)"},
        {"struct.unpack, 's', 'abc', 10", SHORT},
        {"struct.unpack, '!16bd', 'abcdefgh'", SHORT},
        {"struct.unpack, 'bc0', '\\200abc'", SHORT},
        {"struct.unpack, 'dc0', struct.pack('d', 2^63)", SHORT},
        {"struct.unpack, 'dc0', struct.pack('d', 0/0)", SHORT},
        {"struct.unpack, 'Lc0', '\\255\\255\\255\\255\\255\\255\\255\\255'", SHORT},
    };
    lib_check(cases, sizeof cases / sizeof *cases);
    assert_string_equal(lib_show("struct.unpack, string.rep('b', 10000), string.rep('x', 10000)"),
                        "error: stack overflow (too many results)");
}

/* Numbers that C leaves open. */
static void numbers_out_of_range(void **state) {
    (void)state;
    static const lib_case cases[] = {
        {"struct.unpack, 'L', struct.pack('L', 2^64)", "0 9"},
        {"struct.unpack, 'L', struct.pack('L', 1/0)", "0 9"},
        {"struct.unpack, 'L', struct.pack('L', 2^63)", "9.2233720368547758e+18 9"},
        {"struct.unpack, 'l', struct.pack('l', -2^70)", "-9.2233720368547758e+18 9"},
        {"struct.unpack, 'l', struct.pack('l', 0/0)", "-9.2233720368547758e+18 9"},
        {"struct.unpack, 'b', struct.pack('b', -1.5)", "-1 2"},
        {"struct.unpack, 'f', struct.pack('f', 1e300)", "inf 5"},
    };
    lib_check(cases, sizeof cases / sizeof *cases);
}

/* The same numbers by string.char and division. */
static const char model[] =
    "function model(format, values)\n"
    "  local out, big, i = '', false, 0\n"
    "  for letter, size in format:gmatch('([%a<>])(%d*)') do\n"
    "    if letter == '<' or letter == '>' then big = letter == '>' else\n"
    "      i = i + 1\n"
    "      local v, bytes = values[i] % 2^48, ''\n"
    "      if values[i] < 0 then v = values[i] + 2^48 end\n"
    "      for k = 1, tonumber(size) do\n"
    "        local byte = string.char(k <= 6 and v % 256 or (values[i] < 0 and 255 or 0))\n"
    "        v = math.floor(v / 256)\n"
    "        bytes = big and byte .. bytes or bytes .. byte\n"
    "      end\n"
    "      out = out .. bytes\n"
    "    end\n"
    "  end\n"
    "  return out\n"
    "end\n"
    "function try(format, values)\n"
    "  local packed = struct.pack(format, unpack(values))\n"
    "  local back = {struct.unpack(format, packed)}\n"
    "  assert(packed == model(format, values), format)\n"
    "  assert(#packed == struct.size(format) and table.remove(back) == #packed + 1)\n"
    "  for i, v in ipairs(values) do assert(back[i] == v, format) end\n"
    "  return 'ok'\n"
    "end\n";

static void random_formats(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    lib_run(model);
    for (int i = 0; i < unit_rounds(2000); i++) {
        char format[200] = "", values[400] = "", call[700];
        size_t at = 0, from = 0;
        for (uint64_t n = rng_below(&r, 8); n; n--) {
            unsigned size = 1 + (unsigned)rng_below(&r, 8);
            unsigned bits = size > 5 ? 47 : 8 * size - 1;
            int64_t v = (int64_t)rng_below(&r, (uint64_t)1 << bits);
            bool is_signed = rng_below(&r, 2);
            if (is_signed && rng_below(&r, 2)) v = -v;
            at += (size_t)snprintf(format + at, sizeof format - at, "%s%c%u",
                                   rng_below(&r, 2) ? "<" : ">", is_signed ? 'i' : 'I', size);
            from += (size_t)snprintf(values + from, sizeof values - from, "%lld,", (long long)v);
        }
        snprintf(call, sizeof call, "try, '%s', {%s}", format, values);
        assert_string_equal(lib_show(call), "<ok>");
    }
}

/* Any format on any bytes: an answer or an error. */
static void random_bytes(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    lua_getglobal(L, "struct");
    for (int i = 0; i < unit_rounds(20000); i++) {
        static const char letters[] = "bBhHlLTiIxfdsc<>! 0123456789z";
        char format[16], data[32];
        size_t n = rng_below(&r, sizeof format), len = rng_below(&r, sizeof data);
        for (size_t k = 0; k < n; k++)
            format[k] = letters[rng_below(&r, sizeof letters - 1)];
        for (size_t k = 0; k < len; k++)
            data[k] = (char)(rng_below(&r, 2) ? rng_below(&r, 4) : rng_next(&r));
        lua_settop(L, 0);
        lua_getglobal(L, "struct");
        lua_getfield(L, 1, rng_below(&r, 4) ? "unpack" : "pack");
        lua_pushlstring(L, format, n);
        lua_pushlstring(L, data, len);
        lua_pushinteger(L, (lua_Integer)rng_below(&r, 40) - 4);
        (void)lua_pcall(L, 3, LUA_MULTRET, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_redis),     cmocka_unit_test(overflows),
        cmocka_unit_test(numbers_out_of_range), cmocka_unit_test(random_formats),
        cmocka_unit_test(random_bytes),
    };
    return cmocka_run_group_tests(tests, lib_start, lib_stop);
}
