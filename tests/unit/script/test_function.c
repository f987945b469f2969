/* FUNCTION and FCALL: what is loaded, listed and called, while reads are pending too; that an
 * aborted batch leaves functions and records as they were; that a start finds them again. */
#include "support/session_kit.h"
#include "support/unit.h"

#include "script/function_load.h"
#include "script/function_store.h"
#include "script/script.h"

#include <stdio.h>
#include <string.h>

static kit k;
static client *c;
static fake_end *end;

static int open_kit(void **state) {
    (void)state;
    kit_register_once(NULL, function_commands);
    setting_defaults(script_settings);
    kit_start(&k);
    script_start(k.session);
    c = kit_client(&k, &end);
    return 0;
}

static int close_kit(void **state) {
    (void)state;
    kit_stop(&k);
    script_stop();
    return 0;
}

/* A command of n arguments; its reply. */
static const char *ask(int n, const char *const *argv) {
    buf line = {0};
    buf_printf(&line, "*%d\r\n", n);
    for (int i = 0; i < n; i++)
        buf_printf(&line, "$%zu\r\n%s\r\n", strlen(argv[i]), argv[i]);
    kit_send_bytes(end, buf_slice(&line));
    buf_free(&line);
    kit_quiet(&k, end);
    return kit_received(end);
}
#define ASK(...)                                                                                   \
    ask((int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)),                        \
        (const char *const[]){__VA_ARGS__})

#define HEAD "#!lua name=lib\n"
#define F    "redis.register_function('f', function(k, a) return redis.call('get', k[1]) end)"

static bool has_record(const char *name) {
    buf code = {0};
    char record[64];
    engine_result r;
    snprintf(record, sizeof record, "function:%s", name);
    do
        r = ks_system_get(k.ks, slice_cstr(record), &code);
    while (r == ENGINE_PENDING);
    buf_free(&code);
    return r == ENGINE_OK;
}

static void loaded_and_called(void **state) {
    (void)state;
    for (unsigned pending = 0; pending < 700; pending += 300) {
        k.knobs->pending_permille = pending;
        assert_string_equal(ASK("SET", "key", "value"), "+OK\r\n");
        assert_string_equal(ASK("FUNCTION", "LOAD", HEAD F), "$3\r\nlib\r\n");
        assert_true(has_record("lib"));
        assert_string_equal(ASK("FCALL", "f", "1", "key"), "$5\r\nvalue\r\n");
        assert_string_equal(ASK("FCALL", "F", "1", "key"), "$5\r\nvalue\r\n");
        assert_string_equal(
            ASK("FCALL_RO", "f", "1", "key"),
            "-ERR Can not execute a script with write flag using *_ro command.\r\n");
        assert_string_equal(
            ASK("FUNCTION", "LOAD", "REPLACE",
                HEAD "redis.register_function{function_name='f', flags={'no-writes'}, "
                     "callback=function(k, a) return #k * 10 + #a end, description='d'}"),
            "$3\r\nlib\r\n");
        assert_string_equal(ASK("FCALL_RO", "f", "1", "key", "x", "y"), ":12\r\n");
        assert_string_equal(
            ASK("FUNCTION", "LIST"),
            "*1\r\n*6\r\n$12\r\nlibrary_name\r\n$3\r\nlib\r\n$6\r\nengine\r\n$3\r\nLUA\r\n"
            "$9\r\nfunctions\r\n*1\r\n*6\r\n$4\r\nname\r\n$1\r\nf\r\n$11\r\ndescription\r\n"
            "$1\r\nd\r\n$5\r\nflags\r\n*1\r\n+no-writes\r\n");
        assert_string_equal(ASK("FUNCTION", "DELETE", "lib"), "+OK\r\n");
        assert_false(has_record("lib"));
        assert_string_equal(ASK("FCALL", "f", "0"), "-ERR Function not found\r\n");
        assert_string_equal(ASK("FUNCTION", "LIST"), "*0\r\n");
    }
}

/* One that fails leaves all as it was, in Lua too. */
static void a_failed_load(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "#!lua",
        "#!lua\n",
        "#!ruby name=x\n" F,
        "#!lua name=a-b\n" F,
        HEAD,
        HEAD "x = 1",
        HEAD "x =",
        HEAD F " error('no error function here')",
        HEAD F F,
        HEAD F " " F,
        HEAD F " redis.call('set', 'a', 'b')",
        HEAD "redis.register_function('f')",
        HEAD "redis.register_function{function_name='f'}",
        HEAD "redis.register_function{[{}]='f'}",
        HEAD "redis.register_function{[1.5]='f'}",
        HEAD "redis.register_function{function_name='g', callback=function() end, flags={'x'}}",
        HEAD F " local s = redis.log for i = 1, 1e9 do end",
        "#!lua name=other\n" F,
    };
    assert_string_equal(ASK("FUNCTION", "LOAD", HEAD F), "$3\r\nlib\r\n");
    vm *v = function_vm();
    vm_collect(v);
    (void)ASK("FUNCTION", "LOAD", "REPLACE", texts[6]);
    vm_collect(v);
    size_t before = v->used;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *said = ASK("FUNCTION", "LOAD", "REPLACE", texts[i]);
        if (strncmp(said, "-ERR ", 5) != 0) fail_msg("%s: %s", texts[i], said);
        assert_int_equal(libset_count(functions_now()), 1);
        assert_int_equal(libset_functions(functions_now()), 1);
        assert_int_equal(lua_gettop(v->L), 0);
    }
    assert_string_equal(ASK("FCALL", "f", "1", "key"), "$-1\r\n");
    vm_collect(v);
    assert_in_range(v->used, 0, before + 4096);
    assert_false(has_record("other"));
}

/* Functions and records go back together. */
static void aborted(void **state) {
    (void)state;
    buf error = {0};
    assert_string_equal(ASK("FUNCTION", "LOAD", HEAD F), "$3\r\nlib\r\n");
    for (int way = 0; way < 2; way++) {
        const libset *before = functions_now();
        library *lib = function_load(SLICE("g"),
                                     SLICE("#!lua name=g\nredis.register_function('g', "
                                           "function() return 1 end)"),
                                     true, &error);
        assert_non_null(lib);
        ks_begin(k.ks);
        libset *next = libset_new();
        assert_null(libset_add(next, lib));
        library_release(lib);
        assert_int_equal(functions_change(k.ks, next), ENGINE_OK);
        assert_int_equal(functions_change(k.ks, libset_copy(functions_now())), ENGINE_OK);
        assert_non_null(libset_function(functions_now(), SLICE("g")));
        assert_true(has_record("g") && !has_record("lib"));
        (way ? ks_refuse : ks_abort)(k.ks);
        assert_ptr_equal(functions_now(), before);
        assert_non_null(libset_function(functions_now(), SLICE("f")));
        assert_null(libset_function(functions_now(), SLICE("g")));
        assert_true(has_record("lib") && !has_record("g"));
    }
    buf_free(&error);
}

/* What a library keeps in a local lives on, and a start makes it new. One whose record is no good
 * any more is there without functions. */
static void a_start(void **state) {
    (void)state;
    assert_string_equal(ASK("FUNCTION", "LOAD",
                            "#!lua name=n\nlocal n = 0 redis.register_function('n', function() n = "
                            "n + 1 return n end)"),
                        "$1\r\nn\r\n");
    assert_string_equal(ASK("FCALL", "n", "0"), ":1\r\n");
    assert_string_equal(ASK("FCALL", "n", "0"), ":2\r\n");
    ks_begin(k.ks);
    assert_int_equal(ks_system_put(k.ks, SLICE("function:bad"), SLICE("#!lua name=bad\nx = 1")),
                     ENGINE_OK);
    assert_int_equal(ks_system_put(k.ks, SLICE("other:n"), SLICE("x")), ENGINE_OK);
    ks_commit(k.ks);
    k.knobs->pending_permille = 300;
    functions_close();
    assert_true(status_ok(script_opened(k.ks)));
    assert_string_equal(ASK("FCALL", "n", "0"), ":1\r\n");
    assert_int_equal(libset_count(functions_now()), 2);
    assert_int_equal(libset_functions(functions_now()), 1);
    assert_string_equal(ASK("FUNCTION", "FLUSH"), "+OK\r\n");
    assert_false(has_record("bad") || has_record("n"));
    assert_int_equal(libset_count(functions_now()), 0);
}

/* Functions see no more than they should, and can't change what others see. */
static void sandboxed(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "x = 1",
        "return redis.register_function('g', function() end)",
        "return getfenv()",
        "return redis.debug('x')",
        "redis.call = nil",
        "return KEYS",
        "setmetatable(_G, {})",
        "rawset(_G, 'x', 1)",
        "return keep('g', function() end)",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char text[300];
        snprintf(text, sizeof text,
                 HEAD "local keep = redis.register_function\n"
                      "redis.register_function('f', function() %s end)",
                 bodies[i]);
        assert_string_equal(ASK("FUNCTION", "LOAD", "REPLACE", text), "$3\r\nlib\r\n");
        const char *said = ASK("FCALL", "f", "0");
        if (said[0] != '-') fail_msg("%s: %s", bodies[i], said);
    }
    assert_string_equal(
        ASK("FUNCTION", "LOAD", "REPLACE",
            HEAD "redis.register_function('f', function() return tostring(math ~= nil and "
                 "cjson ~= nil and pcall ~= nil and redis.register_function == nil) end)"),
        "$3\r\nlib\r\n");
    assert_string_equal(ASK("FCALL", "f", "0"), "$4\r\ntrue\r\n");
}

/* A script that runs again draws the same lots again, or it might never find all that it reads. */
static void lots(void **state) {
    (void)state;
    assert_string_equal(
        ASK("FUNCTION", "LOAD",
            HEAD "local seen, n, runs = {}, 0, 0 redis.register_function('f', function(k) "
                 "local lot = math.random(1e6) runs = runs + 1 "
                 "if not seen[lot] then seen[lot] = true n = n + 1 end "
                 "redis.call('get', k[1]) return n .. (runs > n and ' of more' or '') end)"),
        "$3\r\nlib\r\n");
    assert_string_equal(ASK("SET", "key", "value"), "+OK\r\n");
    k.knobs->pending_permille = 500;
    const char *said = NULL;
    for (int i = 0; i < 20; i++)
        said = ASK("FCALL", "f", "1", "key");
    k.knobs->pending_permille = 0;
    assert_string_equal(said, "$10\r\n20 of more\r\n");
}

/* Names that are numbers are strings that nothing but the call holds. */
static void named_by_numbers(void **state) {
    (void)state;
    assert_string_equal(
        ASK("FUNCTION", "LOAD",
            HEAD
            "local function cased(word, i) local bit = 1 "
            "return (word:gsub('%a', function(c) bit = bit * 2 "
            "return i % bit >= bit / 2 and c:upper() or nil end)) end "
            "for n = 0, 15 do "
            "local t = {callback = function() return n end, [cased('function_name', n)] = 1e6 + n} "
            "for i = 0, 999 do t[cased('description', i)] = 1e9 + n * 1e6 + i end "
            "redis.register_function(t) end"),
        "$3\r\nlib\r\n");
    assert_string_equal(ASK("FCALL", "1000015", "0"), ":15\r\n");
}

/* Memory that ends at any place, while functions are loaded or called. */
static void memory_ends_anywhere(void **state) {
    (void)state;
    const char *load = HEAD "redis.register_function{function_name='f', description='d', "
                            "flags={'allow-oom'}, callback=function(k, a) redis.setresp(3) "
                            "local r = redis.call('exists', string.rep('x', 100)) "
                            "local s, t = redis.pcall('nosuch'), redis.pcall('get', 'a') "
                            "return {r, s.err, {double = 1.5}, {map = {a = {1, 2}}}, "
                            "{set = {a = true}}, k[1]} end}";
    int calls = 0, loads = 0;
    vm *v = function_vm();
    for (size_t more = 0;; more += 32) {
        vm_collect(v);
        vm_set_limit(v->used + more);
        bool loaded = ASK("FUNCTION", "LOAD", "REPLACE", load)[0] == '$';
        loads += !loaded;
        vm_set_limit(16 << 20);
        if (loaded) break;
        assert_true(more < 1 << 17);
    }
    for (size_t more = 0;; more += 32) {
        vm_collect(v);
        vm_set_limit(v->used + more);
        bool called = ASK("FCALL", "f", "1", "key", "arg")[0] == '*';
        calls += !called;
        vm_set_limit(16 << 20);
        if (called) break;
        assert_true(more < 1 << 17);
    }
    assert_true(loads > 10 && calls > 10);
    for (int i = 0; i < 3; i++) {
        const char *said = ASK("FUNCTION", "LOAD", "REPLACE",
                               HEAD "local t = {} for i = 1, 100 do t[i] = i .. ('x'):rep(1e5) "
                                    "end redis.nothing()");
        assert_non_null(strstr(said, "nonexistent"));
        assert_true(v->used < 4 << 20);
    }
}

/* A library whose text needs more memory to compile than scripts have. */
static void too_large_to_compile(void **state) {
    (void)state;
    buf text = {0};
    buf_printf(&text, HEAD "local t = {");
    for (int i = 0; i < 100000; i++)
        buf_printf(&text, "'%d',", i);
    buf_printf(&text, "} redis.register_function('f', function() return #t end)%c", '\0');
    vm *v = function_vm();
    vm_collect(v);
    vm_set_limit(v->used + (1 << 20));
    const char *said = ASK("FUNCTION", "LOAD", text.data);
    assert_string_equal(said, "-ERR Error compiling function: not enough memory\r\n");
    assert_true(v->used < 4 << 20);
    vm_set_limit(64 << 20);
    assert_true(ASK("FUNCTION", "LOAD", text.data)[0] == '$');
    vm_set_limit(16 << 20);
    buf_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loaded_and_called, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_failed_load, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(aborted, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_start, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(sandboxed, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(lots, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(named_by_numbers, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(memory_ends_anywhere, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(too_large_to_compile, open_kit, close_kit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
