/* lib_cmsgpack: answers of redis-server; random values beside a packer written in Lua, and back;
 * random bytes; tables without an end; and where memory ends. */
#include "support/lib_state.h"

static void answers_of_redis(void **state) {
    (void)state;
    static const lib_case cases[] = {
        {"cmsgpack.pack", "error: bad argument #0 to '?' (MessagePack pack needs input.)"},
        {"cmsgpack.pack, 1, 'a', nil, true, false", "<\1\xa1"
                                                    "a\xc0\xc3\xc2>"},
        {"cmsgpack.pack, {1, 2}, {a = 1}, {}", "<\x92\1\2\x81\xa1"
                                               "a\1\x90>"},
        {"cmsgpack.pack, {[1] = 1, [3] = 3}", "<\x82\1\1\3\3>"},
        {"cmsgpack.pack, {['1'] = 1}", "<\x81\xa1"
                                       "1\1>"},
        {"cmsgpack.pack, 127, -32, -33, 128, -129", "<\x7f\xe0\xd0\xdf\xcc\x80\xd1\xff\x7f>"},
        {"cmsgpack.pack, 0.5, 0.1", "<\xca?\\0\\0\\0\xcb?\xb9\x99\x99\x99\x99\x99\x9a>"},
        {"cmsgpack.pack, 2^63, 1/0", "<\xca_\\0\\0\\0\xca\x7f\x80\\0\\0>"},
        {"cmsgpack.pack, cjson.null, print", "<\xc0\xc0>"},
        {"cmsgpack.unpack, ''", ""},
        {"cmsgpack.unpack, '\\1\\161a\\192\\195'", "1 <a> nil true"},
        {"cmsgpack.unpack, '\\217\\1a\\218\\0\\1b'", "<a> <b>"},
        {"cmsgpack.unpack, '\\207\\255\\255\\255\\255\\255\\255\\255\\255'", "-1"},
        {"cmsgpack.unpack", "error: bad argument #1 to '?' (string expected, got no value)"},
        {"cmsgpack.unpack_one, '\\1\\2\\3'", "1 1"},
        {"cmsgpack.unpack_one, '\\1\\2\\3', 2", "-1 3"},
        {"cmsgpack.unpack_one, ''", "-1"},
        {"cmsgpack.unpack_limit, '\\1\\2\\3', 2", "2 1 2"},
        {"cmsgpack.unpack_limit, '\\1\\2\\3', 0", "1 2 3"},
        {"cmsgpack.unpack_limit, '\\1\\2\\3', 0, 1", "1"},
    };
    lib_check(cases, sizeof cases / sizeof *cases);
    assert_string_equal(lib_run("return cmsgpack._NAME .. ' ' .. cmsgpack._VERSION"),
                        "cmsgpack lua-cmsgpack 0.4.0");
}

#define MISSING "error: Missing bytes in input."
#define BAD     "error: Bad data format in input."

/* CVE-2018-11218: input that says more than it holds, stacks that end, offsets beyond it. */
static void overflows(void **state) {
    (void)state;
    static const lib_case cases[] = {
        {"cmsgpack.unpack, '\\219\\255\\255\\255\\255abc'", MISSING},
        {"cmsgpack.unpack, '\\221\\255\\255\\255\\255'", MISSING},
        {"cmsgpack.unpack, '\\223\\255\\255\\255\\255\\1\\1'", MISSING},
        {"cmsgpack.unpack, '\\202\\1\\2'", MISSING},
        {"cmsgpack.unpack, '\\219'", MISSING},
        {"cmsgpack.unpack, '\\193'", BAD},
        {"cmsgpack.unpack, '\\196\\1a'", BAD},
        {"cmsgpack.unpack, '\\129\\192\\1'", "error: table index is nil"},
        {"cmsgpack.unpack, '\\129\\203\\255\\248\\0\\0\\0\\0\\0\\0\\1'",
         "error: table index is NaN"},
        {"cmsgpack.unpack_one, '\\1', 2", "error: Start offset 2 greater than input length 1."},
        {"cmsgpack.unpack_one, '\\1', -1",
         "error: Invalid request to unpack with offset of -1 and limit of 1."},
        {"cmsgpack.unpack_limit, '\\1', -2147483648, 0",
         "error: Invalid request to unpack with offset of 0 and limit of 1."},
    };
    lib_check(cases, sizeof cases / sizeof *cases);
    static const char *const deep[] = {"string.rep('\\1', 10000)", "string.rep('\\145', 100000)",
                                       "string.rep('\\129', 100000)",
                                       "string.rep('\\129\\1', 100000)"};
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        char call[100];
        snprintf(call, sizeof call, "cmsgpack.unpack, %s", deep[i]);
        assert_string_equal(lib_show(call),
                            "error: stack overflow (too many return values at once; use "
                            "unpack_one or unpack_limit instead.)");
    }
}

/* MessagePack by string.char; a map of one key, as the order of more is Lua's. */
static const char model[] =
    "local char = string.char\n"
    "local function be(v, n)\n"
    "  local s = ''\n"
    "  for _ = 1, n do s = char(v % 256) .. s v = math.floor(v / 256) end\n"
    "  return s\n"
    "end\n"
    "function model(v)\n"
    "  if type(v) == 'boolean' then return v and '\\195' or '\\194' end\n"
    "  if type(v) == 'number' then\n"
    "    if v >= 0 then\n"
    "      return v < 128 and char(v) or v < 2^8 and '\\204' .. be(v, 1) or\n"
    "        v < 2^16 and '\\205' .. be(v, 2) or v < 2^32 and '\\206' .. be(v, 4) or\n"
    "        '\\207' .. be(v, 8)\n"
    "    end\n"
    "    return v >= -32 and char(256 + v) or v >= -2^7 and '\\208' .. be(v + 2^8, 1) or\n"
    "      v >= -2^15 and '\\209' .. be(v + 2^16, 2) or\n"
    "      v >= -2^31 and '\\210' .. be(v + 2^32, 4) or\n"
    "      '\\211\\255\\255' .. be(v + 2^48, 6)\n"
    "  end\n"
    "  local n = #v\n"
    "  if type(v) == 'string' then\n"
    "    return (n < 32 and char(160 + n) or n < 2^8 and '\\217' .. be(n, 1) or\n"
    "      n < 2^16 and '\\218' .. be(n, 2) or '\\219' .. be(n, 4)) .. v\n"
    "  end\n"
    "  local key, value = next(v)\n"
    "  if key ~= nil and n == 0 then return '\\129' .. model(key) .. model(value) end\n"
    "  local out = {n < 16 and char(144 + n) or n < 2^16 and '\\220' .. be(n, 2) or\n"
    "    '\\221' .. be(n, 4)}\n"
    "  for i = 1, n do out[i + 1] = model(v[i]) end\n"
    "  return table.concat(out)\n"
    "end\n"
    "function try(v)\n"
    "  local packed = cmsgpack.pack(v)\n"
    "  assert(packed == model(v))\n"
    "  assert(same(cmsgpack.unpack(packed), v))\n"
    "  local at, first = cmsgpack.unpack_one('\\1' .. packed .. packed, 1)\n"
    "  assert(at == 1 + #packed and same(first, v))\n"
    "  return #packed\n"
    "end\n";

/* Pushes a value: numbers of every width, strings of every head, arrays, maps of one key. */
static void push_random(rng *r, int level) {
    uint64_t kind = rng_below(r, level < 4 ? 6 : 3);
    static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
    if (kind == 0) {
        lua_pushboolean(L, (int)rng_below(r, 2));
    } else if (kind == 1) {
        double n = (double)rng_below(r, (uint64_t)1 << rng_below(r, 48));
        lua_pushnumber(L, rng_below(r, 2) ? n : -n);
    } else if (kind == 2) {
        static char bytes[65536];
        memset(bytes, (int)rng_below(r, 256), sizeof bytes);
        lua_pushlstring(L, bytes, lengths[rng_below(r, rng_below(r, 8) ? 4 : 8)]);
    } else {
        int n = (int)(kind == 5 ? 1 : rng_below(r, rng_below(r, 8) ? 5 : 20));
        lua_newtable(L);
        for (int i = 1; i <= n; i++) {
            if (kind == 5) lua_pushstring(L, "key");
            push_random(r, level + 1);
            if (kind == 5)
                lua_rawset(L, -3);
            else
                lua_rawseti(L, -2, i);
        }
    }
}

static void random_values(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    lib_run(model);
    for (int i = 0; i < unit_rounds(1500); i++) {
        lua_settop(L, 0);
        lua_getglobal(L, "try");
        push_random(&r, 0);
        if (lua_pcall(L, 1, 1, 0)) fail_msg("%s", lua_tostring(L, -1));
    }
    assert_string_equal(lib_show("function() local t = {} for i = 1, 70000 do t[i] = i % 2 end "
                                 "return try(t) end"),
                        "70005");
}

/* Any bytes: values, or an error; heads more often than the rest. */
static void random_bytes(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(20000); i++) {
        char bytes[64];
        size_t n = rng_below(&r, sizeof bytes);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)(rng_below(&r, 2) ? 0x80 | rng_next(&r) : rng_below(&r, 4));
        lua_settop(L, 0);
        lua_getglobal(L, "cmsgpack");
        lua_getfield(L, 1, "unpack");
        lua_pushlstring(L, bytes, n);
        if (lua_pcall(L, 1, LUA_MULTRET, 0)) continue;
        for (int k = lua_gettop(L); k > 1; k--) { /* what was understood can be packed again */
            lua_getfield(L, 1, "pack");
            lua_pushvalue(L, k);
            assert_int_equal(lua_pcall(L, 1, 1, 0), 0);
            lua_settop(L, k - 1);
        }
    }
}

/* A table in itself ends at a depth, one that holds another many times over where memory ends. */
static void no_end(void **state) {
    (void)state;
    static const char itself[] = "function() local t = {} t[1] = t return #cmsgpack.pack(t) end";
    static const char wide[] =
        "function() local t = {'x'} for i = 1, 15 do local u = {} for k = 1, 100 do u[k] = t end "
        "t = u end return cmsgpack.pack(t) end";
    assert_string_equal(lib_show(itself), "17");
    lib_check_limit(wide, 8 << 20, "error: not enough memory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_redis), cmocka_unit_test(overflows),
        cmocka_unit_test(random_values),    cmocka_unit_test(random_bytes),
        cmocka_unit_test(no_end),
    };
    return cmocka_run_group_tests(tests, lib_start, lib_stop);
}
