/* EVAL in a session: one batch, runs that are repeated for want of a read, what is counted and
 * told, other clients from within a script. */
#include "support/session_kit.h"
#include "support/unit.h"

#include "script/script.h"
#include "session/inside.h"
#include "session/reply.h"

#include <stdio.h>
#include <string.h>

static kit k;
static client *c;
static fake_end *end;
static char told[2048]; /* what a watch heard: "NAME@DB " */
static int served;      /* how often other clients were looked after */

/* look: other clients are answered from within, as a slow script does. */
static command_result run_look(client *who) {
    served++;
    session_serve(who->session);
    reply_ok(who);
    return CMD_DONE;
}

/* fill: from now on the disk is full. */
static command_result run_fill(client *who) {
    k.knobs->room = ST_NO_SPACE;
    reply_ok(who);
    return CMD_DONE;
}

static const command own_commands[] = {
    {.name = "fill", .run = run_fill, .arity = 1},
    {.name = "look", .run = run_look, .arity = 1},
    {0},
};

static void hear(client *who, command_result r, uint64_t us, void *ctx) {
    (void)r;
    (void)us;
    (void)ctx;
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "%s%s@%u ", who->flags & CLIENT_SCRIPT ? "lua:" : "",
             who->row->full_name, who->db);
}

static int setup(void **state) {
    (void)state;
    kit_register_once(own_commands, script_commands);
    kit_start(&k);
    session_watch_add(k.session, &(command_watch){.after = hear});
    script_start(k.session);
    c = kit_client(&k, &end);
    told[0] = 0;
    served = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    kit_stop(&k);
    script_stop();
    return 0;
}

/* EVAL of the script without keys, in an inline command; no quotes in it. */
static const char *eval(const char *script) {
    char line[1024];
    snprintf(line, sizeof line, "EVAL \"%s\" 0\r\n", script);
    return kit_ask(&k, end, line);
}

static void one_batch(void **state) {
    (void)state;
    uint64_t commits = engine_mem_counters(k.engine)->commits;
    assert_string_equal(eval("redis.call('set', 'a', 1) redis.call('set', 'b', 2) "
                             "return redis.call('get', 'a')"),
                        "$1\r\n1\r\n");
    assert_int_equal(engine_mem_counters(k.engine)->commits - commits, 1);
    assert_string_equal(told, "eval@0 lua:set@0 lua:set@0 lua:get@0 ");
    assert_non_null(strstr(eval("redis.call('set', 'c', 3) redis.call('nosuch')"), "-ERR Unknown"));
    assert_string_equal(kit_ask(&k, end, "get c\r\n"), "$1\r\n3\r\n");
}

/* What the script did to the connection is the script's. */
static void connection(void **state) {
    (void)state;
    assert_string_equal(eval("redis.call('select', 3) redis.setresp(3) "
                             "return redis.call('set', 'a', 1)"),
                        "+OK\r\n");
    assert_int_equal(c->db, 0);
    assert_int_equal(c->proto, 2);
    assert_false(c->flags & CLIENT_SCRIPT);
    assert_string_equal(told, "eval@0 lua:select@3 lua:set@3 ");
    assert_string_equal(kit_ask(&k, end, "get a\r\nselect 3\r\nget a\r\n"),
                        "$-1\r\n+OK\r\n$1\r\n1\r\n");
}

/* However often a read has to wait: the outcome of one run, told once; pcall does not see it. */
static void pending(void **state) {
    rng r;
    (void)state;
    unit_seed(&r);
    assert_string_equal(kit_ask(&k, end, "set n 0\r\nset m 5\r\n"), "+OK\r\n+OK\r\n");
    for (int i = 0; i < 200; i++) {
        char want[64];
        told[0] = 0;
        k.knobs->pending_permille = 400;
        const char *got = eval("local n = 0 pcall(function() n = redis.call('get', 'n') end) "
                               "redis.call('select', 1) redis.call('select', 0) "
                               "local co = coroutine.create(function() redis.call('get', 'm') end) "
                               "coroutine.resume(co) redis.call('set', 'n', n + 1) return n + 1");
        snprintf(want, sizeof want, ":%d\r\n", i + 1);
        assert_string_equal(got, want);
        assert_string_equal(told,
                            "eval@0 lua:get@0 lua:select@1 lua:select@0 lua:get@0 lua:set@0 ");
    }
    assert_true(engine_mem_counters(k.engine)->pendings > 50);
}

/* A failure of the engine ends the script with its error, and leaves nothing. */
static void engine_fails(void **state) {
    (void)state;
    for (uint64_t at = 1; at < 5; at++) {
        (void)kit_ask(&k, end, "del a\r\ndel b\r\n");
        k.knobs->error_at = at;
        const char *got = eval("pcall(redis.call, 'set', 'a', 1) pcall(redis.call, 'set', 'b', 2) "
                               "return 7");
        bool failed = got[0] == '-';
        k.knobs->error_at = 0;
        assert_string_equal(kit_ask(&k, end, "get a\r\nget b\r\n"),
                            failed ? "$-1\r\n$-1\r\n" : "$1\r\n1\r\n$1\r\n2\r\n");
        assert_true(failed || at > 2);
    }
}

static void no_room(void **state) {
    (void)state;
    k.knobs->room = ST_NO_SPACE;
    assert_non_null(strstr(eval("return redis.call('put', 'a', 1)"), "-MISCONF"));
    assert_string_equal(eval("return redis.call('get', 'a')"), "$-1\r\n");
}

/* It fills up while a script writes: nothing of it stays, and pcall does not catch that. */
static void no_room_halfway(void **state) {
    (void)state;
    const char *got = eval("redis.call('put', 'a', 1) redis.call('fill') "
                           "pcall(redis.call, 'put', 'b', 2) return 7");
    assert_int_equal(strncmp(got, "-MISCONF ", 9), 0);
    k.knobs->room = ST_OK;
    assert_string_equal(kit_ask(&k, end, "get a\r\nget b\r\n"), "$-1\r\n$-1\r\n");
    assert_string_equal(eval("redis.call('put', 'a', 1) return 7"), ":7\r\n");
}

/* Counters, once each; an error that a command has answered is the script's failure too. */
static void counters(void **state) {
    (void)state;
    command_row *get = command_by_name(SLICE("get")), *row = command_by_name(SLICE("eval"));
    uint64_t calls = get->calls, failed = row->failed;
    uint64_t errors = session_statistics(k.session)->error_replies;
    (void)eval("redis.call('get', 'a') redis.call('get', 'b')");
    assert_int_equal(get->calls - calls, 2);
    (void)eval("redis.call('refuse', 'a', 'b')");
    assert_int_equal(row->failed - failed, 1);
    assert_int_equal(session_statistics(k.session)->error_replies - errors, 1);
    (void)eval("redis.pcall('refuse', 'a', 'b')");
    assert_int_equal(row->failed - failed, 1);
    assert_int_equal(session_statistics(k.session)->error_replies - errors, 2);
}

/* Too many commands to keep are counted all the same. */
static void many_commands(void **state) {
    (void)state;
    command_row *get = command_by_name(SLICE("get"));
    uint64_t calls = get->calls;
    assert_string_equal(eval("local k = string.rep('k', 1000) for i = 1, 20000 do "
                             "redis.call('get', k) end return 1"),
                        ":1\r\n");
    assert_int_equal(get->calls - calls, 20000);
}

/* The session is as it was when others were looked after in the middle of a command, its own
 * pipeline included. */
static void others(void **state) {
    (void)state;
    kit_send(end, "set a 1\r\nEVAL \"redis.call('look') redis.call('set', KEYS[1], ARGV[1]) "
                  "redis.call('look') return KEYS[1]\" 1 key value\r\nget key\r\n");
    kit_quiet(&k, end);
    assert_string_equal(kit_received(end), "+OK\r\n$3\r\nkey\r\n$5\r\nvalue\r\n");
    assert_int_equal(served, 2);
    assert_false(session_serving(k.session));
    assert_string_equal(told, "set@0 eval@0 lua:look@0 lua:set@0 lua:look@0 get@0 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_batch),    TEST(connection),    TEST(pending),
        TEST(engine_fails), TEST(no_room),       TEST(no_room_halfway),
        TEST(counters),     TEST(many_commands), TEST(others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
