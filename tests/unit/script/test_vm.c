/* vm, sandbox: what a script can't do to the state it runs in: change what others see, take more
 * memory than it may, catch its own end, load bytecode. */
#include "support/unit.h"

#include "script/sandbox.h"
#include "script/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vm *v;
static char text[512];

static int setup(void **state) {
    (void)state;
    vm_set_limit(16 << 20);
    v = vm_new();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_int_equal(lua_gettop(v->L), 0);
    vm_free(v);
    return 0;
}

/* What the script returns, as text; or the message of its error. */
static const char *run_slice(slice source) {
    lua_State *L = v->L;
    bool ok = vm_compile(v, source, VM_CHUNK) && vm_call(v, 0, 1);
    if (v->unwind != VM_RUNS) return "ended";
    vm_open_limit(v);
    if (!ok && lua_istable(L, -1)) {
        lua_getfield(L, -1, "err");
        lua_remove(L, -2);
    }
    const char *s =
        lua_isboolean(L, -1) ? (lua_toboolean(L, -1) ? "true" : "false") : lua_tostring(L, -1);
    snprintf(text, sizeof text, "%s", s ? s : luaL_typename(L, -1));
    lua_pop(L, 1);
    vm_close_limit(v);
    return text;
}

static const char *run(const char *source) {
    return run_slice(slice_cstr(source));
}

static void refused(const char *source) {
    const char *got = run(source);
    if (!strstr(got, "readonly table") && !strstr(got, "nonexistent global"))
        fail_msg("%s: %s", source, got);
}

/* Every way of Lua 5.1 to write to a table that is shown, or to get at the one behind it. */
static void nothing_changes(void **state) {
    (void)state;
    static const char *const tries[] = {
        "x = 1",
        "_G.x = 1",
        "_G._G = 1",
        "string.rep = nil",
        "redis.call = 1",
        "rawset(_G, 'x', 1)",
        "rawset(string, 'x', 1)",
        "setmetatable(_G, {})",
        "setmetatable(redis, {})",
        "table.insert(string, 1)",
        "table.insert(_G, 1, 1)",
        "table.remove(string)",
        "table.sort(math)",
        "table.setn(string, 1)",
        "getmetatable('').__index = 1",
        "getmetatable('').x = 1",
        "rawset(getmetatable(''), '__index', 1)",
        "getmetatable(_G).__index = nil",
        "setmetatable(getmetatable(_G), {})",
        "getmetatable('').__index.rep = 1",
        "for k, v in pairs(_G) do if type(v) == 'table' then v.x = 1 end end",
        "local _, t = next(_G) while type(t) ~= 'table' do _, t = next(_G, _) end t.x = 1",
        "rawget(_G, 'string').x = 1",
        "coroutine.wrap(function() x = 1 end)()",
        "loadstring('x = 1')()",
        "return getfenv(0)",
        "return setfenv",
        "return debug",
        "return io",
        "return package",
        "return require",
        "return dofile",
        "return loadfile",
        "return newproxy",
        "return print",
        "return module",
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        refused(tries[i]);
    assert_string_equal(run("return rawget(_G, 'x')"), "nil");
    assert_string_equal(run("return ('ab'):rep(2)"), "abab");
    assert_string_equal(run("local n = 0 for k in pairs(_G) do n = n + 1 end return n > 20"),
                        "true");
    assert_string_equal(run("return type(getmetatable(string))"), "nil");
    assert_string_equal(run("return os.execute == nil and os.clock() >= 0"), "true");
}

/* A script's own tables are its own. */
static void own_tables(void **state) {
    (void)state;
    assert_string_equal(run("local t = setmetatable({}, {__index = {a = 7}}) t.b = 1 "
                            "rawset(t, 'c', 2) table.insert(t, 3) table.sort(t) "
                            "return t.a + t.b + rawget(t, 'c') + t[1]"),
                        "13");
    assert_string_equal(run("local n = 0 for k, v in pairs({a = 1, 2, 3}) do n = n + v end "
                            "return n"),
                        "6");
    assert_string_equal(run("return next({}) == nil and select('#', unpack({1, 2, 3})) == 3"),
                        "true");
    assert_string_equal(run("return unpack({1, 2, 3}, 2, 2)"), "2");
}

/* What would not fit ends with an error that the script may catch, and the next one has room. */
static void memory(void **state) {
    (void)state;
    static const char *const bombs[] = {
        "return string.rep('x', 2^30)",
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
        ("local t = {} for i = 1, 1e5 do t[i] = string.rep('x', 1000) .. i end "
         "return table.concat(t)"),
        "return ('%1000000d'):rep(10)",
        "local s = string.rep('a', 1e6) return s:gsub('a', string.rep('b', 1000))",
        "return loadstring('return \"' .. string.rep('x', 8e6) .. '\"')",
        "local t = {} for i = 1, 1e8 do coroutine.create(function() end) t[i] = i end",
    };
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        const char *got = run(bombs[i]);
        if (i != 4 && !strstr(got, "not enough memory") && !strstr(got, "nil"))
            fail_msg("%s: %s", bombs[i], got);
        assert_true(v->used <= 17 << 20); /* the message of the error may come on top */
        vm_tidy(v);
        assert_true(v->used <= 4 << 20);
    }
    assert_string_equal(run("return (pcall(string.rep, 'x', 2^30))"), "false");
    assert_string_equal(run("collectgarbage('stop') return 1"), "1");
    assert_string_equal(run("for i = 1, 1e5 do local t = {string.rep('x', 1000)} end return 2"),
                        "2");
}

/* What uses much of what there is: libraries, coroutines, errors, metatables, patterns. */
static const char *const everything =
    "local t = {1, 2, {a = 'b', [3] = true}, string.rep('x', 500), x = {y = {}}} "
    "assert(#cmsgpack.pack(t, cmsgpack.unpack(cmsgpack.pack(t, 1.5))) > 500) "
    "assert(cjson.decode(cjson.encode({t[3], 'u\\n', {t[4]}})))"
    "assert(cjson.new().decode('[\"\\\\u00e4\",{\"a\":[1,2,null]}]')) "
    "assert(struct.unpack('>I2s!8', struct.pack('>I2s!8', 7, t[4]))) "
    "assert(bit.tohex(5) .. redis.sha1hex(t[4]) .. tostring(redis.error_reply('a').err)) "
    "assert(not pcall(error, {err = 'x'}) and not pcall(redis.setresp)) "
    "assert(not xpcall(function() local a = nil .. 1 end, function(e) return e .. 'x' end)) "
    "local c = coroutine.wrap(function(...) for i = 1, 3 do coroutine.yield({...}) end end) "
    "assert(c(1, 2) and c(3)) "
    "assert(loadstring('local a = function() return {1, 2} end return a()')()[2] == 2) "
    "local parts = {'return ', '1', nil} "
    "assert(load(function() return table.remove(parts, 1) end)() == 1) "
    "assert(('abc'):gsub('%w', function(l) return l .. l end) == 'aabbcc') "
    "for k, v in ('a=1,b=2'):gmatch('(%w)=(%w)') do t[k] = v end "
    "table.sort(t[3]) assert(setmetatable({}, {__index = t}).b == '2') "
    "assert(getmetatable(_G) and getmetatable('') and next(redis)) "
    "assert(string.format('%5.1f %q %s', 1.25, 'a', tostring(t))) return 'all'";

/* Memory ends at any place: that is an error like others, and leaves nothing behind. */
static void memory_ends_anywhere(void **state) {
    (void)state;
    size_t more = 0;
    unsigned failed = 0;
    for (const char *got = ""; strcmp(got, "all") != 0; more += more / 256 + 40) {
        vm_collect(v);
        vm_set_limit(v->used + more);
        got = run(everything);
        vm_set_limit(16 << 20);
        assert_int_equal(lua_gettop(v->L), 0);
        failed += strstr(got, "memory") != NULL;
        assert_true(more < 1 << 20);
    }
    assert_true(failed > 200);
}

static void stack(void **state) {
    (void)state;
    assert_non_null(
        strstr(run("local function f() return 1 + f() end return f()"), "stack overflow"));
    assert_non_null(strstr(run("local t = setmetatable({}, {}) getmetatable(t).__index = "
                               "function(t, k) return t[k] end return t.x"),
                           "overflow"));
    assert_non_null(strstr(run("return ('x'):find(string.rep('(', 100))"), "too many captures"));
    assert_non_null(strstr(run("return loadstring(string.rep('(', 1000))"), "nil"));
    assert_non_null(strstr(run("return {unpack({}, 1, 1e7)}"), "too many results"));
    assert_non_null(strstr(run("return {unpack({}, 0, 2147483647)}"), "too many results"));
    assert_non_null(
        strstr(run("return {unpack({}, -2147483648, 2147483647)}"), "too many results"));
    assert_string_equal(run("return select('#', unpack({}, 2147483647, 2147483647))"), "1");
}

/* Lua's loader believes bytecode: no way leads to it. */
static void bytecode(void **state) {
    (void)state;
    assert_string_equal(run_slice(slice_of("\033Luabinary", 10)), "attempt to load a binary chunk");
    assert_string_equal(
        run("local f, e = loadstring(string.dump(function() return 1 end)) return e"),
        "attempt to load a binary chunk");
    assert_string_equal(run("local s = string.dump(function() return 1 end) local i = 0 "
                            "local f, e = load(function() i = i + 1 "
                            "return i <= #s and s:sub(i, i) or nil end) return e"),
                        "attempt to load a binary chunk");
}

/* Long brackets of levels that nobody writes, and names that hold NULs, do not get to the compiler
 * as they are. */
static void compiler(void **state) {
    (void)state;
    assert_string_equal(run("return [==[a]==] .. [[b]]"), "ab");
    assert_string_equal(run("local f, e = loadstring('return [' .. string.rep('=', 5000) .. '[') "
                            "return e"),
                        "long string delimiter too long");
    assert_string_equal(run("-- [=========\nreturn 1 --[=[ ]=] \n"), "1");
    for (int i = 0; i < 200; i++)
        assert_string_equal(run("return loadstring(string.rep('local a = {}; ', 50) .. 'return 7', "
                                "'=n\\0' .. string.rep('x', 100) .. math.random())()"),
                            "7");
}

/* ---- the end -----------------------------------------------------------------------------------
 */

static unsigned ticks;

/* Ends it at the third call. */
static void end_soon(vm *of, lua_State *L) {
    (void)of;
    if (++ticks >= 3) (void)vm_end(L, VM_KILLED);
}

static void not_caught(void **state) {
    (void)state;
    static const char *const endless[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) "
        "end",
        "while true do local co = coroutine.create(function() while true do end end) "
        "coroutine.resume(co) end",
        "coroutine.wrap(function() while true do pcall(coroutine.wrap(function() while true do end "
        "end)) end end)()",
        "local t = setmetatable({}, {__index = function() while true do end end}) "
        "while true do pcall(function() return t.x end) end",
        "table.sort({3, 2, 1, 5, 4}, function() while true do end end)",
        "string.gsub('abc', '.', function() while true do pcall(error) end end)",
        "load(function() while true do end end)",
        "while true do pcall(load, function() while true do end end) end",
        "local f = loadstring('while true do end') while true do pcall(f) end",
    };
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        ticks = 0;
        v->tick = end_soon;
        assert_string_equal(run(endless[i]), "ended");
        v->tick = NULL;
        assert_int_equal(v->unwind, VM_KILLED);
        assert_string_equal(run("return 1"), "1");
        assert_true(ticks < 20);
    }
}

static void count_ticks(vm *of, lua_State *L) {
    (void)of;
    (void)L;
    ticks++;
}

/* Each coroutine ends before it is looked at, ten million instructions in all. */
static void short_coroutines(void **state) {
    (void)state;
    ticks = 0;
    v->tick = count_ticks;
    assert_string_equal(run("local function spin() for i = 1, 2000 do end end for k = 1, 10 do "
                            "coroutine.wrap(function() for j = 1, 500 do "
                            "coroutine.resume(coroutine.create(spin)) end end)() end return 1"),
                        "1");
    v->tick = NULL;
    assert_true(ticks > 100);
}

/* Errors that a script may catch. */
static void caught(void **state) {
    (void)state;
    assert_string_equal(run("local ok, e = pcall(error, {err = 'X'}) return e"), "X");
    assert_string_equal(run("local ok, e = pcall(error, {1}) return e[1]"), "1");
    assert_string_equal(run("local ok, e = xpcall(function() error('a', 0) end, function(e) "
                            "return e .. 'b' end) return e"),
                        "ab");
    assert_string_equal(run("local ok, e = coroutine.resume(coroutine.create(function() "
                            "error('x', 0) end)) return e"),
                        "x");
    assert_string_equal(run("error('a')"), "ERR user_script:1: a");
    assert_string_equal(run("error()"), "ERR nil");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_changes),
        TEST(own_tables),
        TEST(memory),
        TEST(stack),
        TEST(bytecode),
        TEST(compiler),
        TEST(not_caught),
        TEST(caught),
        TEST(memory_ends_anywhere),
        TEST(short_coroutines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
