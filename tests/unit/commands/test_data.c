/* What the scripts cannot show: on what replies depend, long values, scans of many keys, access. */
#include "commands/commands.h"
#include "commands/data.h"
#include "support/session_kit.h"
#include "support/unit.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static kit k;
static client *c;
static fake_end *end;

/* timeout x, timeout x ms: what data_arg_timeout makes of it */
static command_result run_timeout(client *who) {
    int64_t ms;
    if (!(who->argc > 2 ? data_arg_timeout_ms : data_arg_timeout)(who, 1, &ms)) return CMD_REFUSED;
    reply_int(who, ms);
    return CMD_DONE;
}

static const command own_commands[] = {{.name = "timeout", .run = run_timeout, .arity = -2}, {0}};

static int setup(void **state) {
    (void)state;
    if (command_count() == 0) {
        commands_register(own_commands);
        commands_register(string_commands);
        commands_register(bitmap_commands);
        commands_register(keys_commands);
        commands_register(connection_commands);
    }
    kit_start(&k);
    c = kit_client(&k, &end);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    kit_stop(&k);
    return 0;
}

#define ASK(text, reply) assert_string_equal(kit_ask(&k, end, text), reply)

/* ---- on what replies depend --------------------------------------------------------------------
 */

/* A reply that shows an old entry goes at once though a later write is not released; one that shows
 * absence, a count or a range waits. */
static void assert_free(const char *line, const char *reply) {
    ASK(line, reply);
}

static void assert_held(const char *line, const char *reply) {
    ASK(line, "");
    engine_mem_release(k.engine, engine_log_end(k.engine));
    kit_turn(&k);
    assert_string_equal(kit_received(end), reply);
    /* One more write that is not released, by another client. */
    fake_end *other;
    client *w = kit_client(&k, &other);
    assert_string_equal(kit_ask(&k, other, "SET later 1\r\n"), "");
    client_close_soon(w);
    kit_turn(&k);
}

static void dependencies(void **state) {
    (void)state;
    ASK("MSET a 1 b hello\r\nSETRANGE long 20000 x\r\nEXPIRE b 1000\r\n",
        "+OK\r\n:20001\r\n:1\r\n");
    k.knobs->hold = true;
    assert_held("SET later 0\r\n", "+OK\r\n");
    assert_free("GET a\r\n", "$1\r\n1\r\n");
    assert_free("MGET a b\r\n", "*2\r\n$1\r\n1\r\n$5\r\nhello\r\n");
    assert_free("STRLEN b\r\n", ":5\r\n");
    assert_free("GETRANGE b 1 2\r\n", "$2\r\nel\r\n");
    assert_free("TYPE a\r\n", "+string\r\n");
    assert_free("TTL b\r\n", ":1000\r\n");
    assert_free("BITCOUNT a\r\n", ":3\r\n");
    assert_free("GETBIT long 5\r\n", ":0\r\n");
    assert_free("GETRANGE long 20000 20000\r\n", "$1\r\nx\r\n");
    assert_free("OBJECT ENCODING a\r\n", "$3\r\nint\r\n");
    assert_free("SET a\r\n", "-ERR wrong number of arguments for 'set' command\r\n");
    assert_held("GET none\r\n", "$-1\r\n");
    assert_held("MGET a none\r\n", "*2\r\n$1\r\n1\r\n$-1\r\n");
    assert_held("EXISTS a\r\n", ":1\r\n");
    assert_held("TTL none\r\n", ":-2\r\n");
    assert_held("SET a 2 NX\r\n", "$-1\r\n");
    assert_held("SETNX a 2\r\n", ":0\r\n");
    assert_held("DEL none\r\n", ":0\r\n");
    assert_held("DBSIZE\r\n", ":4\r\n");
    assert_held("SCAN 0 MATCH none\r\n", "*2\r\n$1\r\n0\r\n*0\r\n");
    assert_held("KEYS none\r\n", "*0\r\n");
    assert_held("EXPIRE none 1\r\n", ":0\r\n");
    assert_held("RENAMENX a b\r\n", ":0\r\n");
    assert_held("GET later\r\n", "$1\r\n1\r\n");
    /* One byte of a long value: who reads it waits for that write, the rest does not. */
    assert_held("SETRANGE long 100 y\r\n", ":20001\r\n");
    k.knobs->hold = false;
}

static void a_changed_chunk_is_waited_for(void **state) {
    (void)state;
    ASK("SETRANGE long 20000 x\r\nSETRANGE long 100 a\r\n", ":20001\r\n:20001\r\n");
    k.knobs->hold = true;
    fake_end *other;
    kit_client(&k, &other);
    assert_string_equal(kit_ask(&k, other, "SETRANGE long 100 b\r\n"), "");
    assert_free("GETRANGE long 20000 20000\r\n", "$1\r\nx\r\n");
    ASK("GETRANGE long 100 100\r\n", "");
    engine_mem_release(k.engine, engine_log_end(k.engine));
    kit_turn(&k);
    assert_string_equal(kit_received(end), "$1\r\nb\r\n");
    k.knobs->hold = false;
}

/* ---- reads that are pending
 * ----------------------------------------------------------------------
 */

/* All of MGET's keys are asked for in one round. */
static void pending_keys_come_together(void **state) {
    (void)state;
    ASK("MSET a 1 b 2 c 3 d 4\r\n", "+OK\r\n");
    uint64_t before = session_statistics(k.session)->parked;
    k.knobs->pending_permille = 1000;
    ASK("MGET a b c d\r\n", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n");
    assert_int_equal(session_statistics(k.session)->parked - before, 1);
    ASK("EXISTS a b c d e\r\n", ":4\r\n");
    assert_int_equal(session_statistics(k.session)->parked - before, 2);
    k.knobs->pending_permille = 0;
}

static void errors_leave_nothing(void **state) {
    (void)state;
    ASK("SET a 1\r\n", "+OK\r\n");
    for (uint64_t n = 1; n < 8; n++) {
        k.knobs->error_at = n;
        kit_ask(&k, end, "MSET a 2 b 2 c 2\r\n");
        if (k.knobs->error_at) break; /* it came through */
        ASK("MGET a b c\r\n", "*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n");
    }
    k.knobs->error_at = 0;
    ASK("MGET a b c\r\n", "*3\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n");
}

/* ---- long values
 * -----------------------------------------------------------------------------------
 */

static void long_values(void **state) {
    (void)state;
    size_t n = 300000;
    char *text = mem_alloc(n + 64);
    int head = snprintf(text, 64, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", n);
    for (size_t i = 0; i < n; i++)
        text[(size_t)head + i] = (char)('a' + i % 26);
    memcpy(text + head + n, "\r\n", 2);
    kit_send_bytes(end, slice_of(text, (size_t)head + n + 2));
    ASK("", "+OK\r\n");
    ASK("STRLEN k\r\n", ":300000\r\n");
    ASK("GETRANGE k 4094 4097\r\n", "$4\r\nmnop\r\n");
    const char *reply = kit_ask(&k, end, "GET k\r\n");
    assert_memory_equal(reply, "$300000\r\n", 9);
    assert_memory_equal(reply + 9, text + head, n);
    ASK("SETRANGE k 4095 __\r\nGETRANGE k 4094 4097\r\n", ":300000\r\n$4\r\nm__p\r\n");
    ASK("APPEND k end\r\nGETRANGE k -4 -1\r\n", ":300003\r\n$4\r\nlend\r\n");
    ASK("OBJECT ENCODING k\r\nINCR k\r\n",
        "$3\r\nraw\r\n-ERR value is not an integer or out of range\r\n");
    ASK("COPY k k2\r\nBITOP XOR k k k2\r\nBITCOUNT k\r\nSTRLEN k\r\n",
        ":1\r\n:300003\r\n:0\r\n:300003\r\n");
    ASK("RENAME k2 k3\r\nGETRANGE k3 -4 -1\r\nGETDEL nope\r\n", "+OK\r\n$4\r\nlend\r\n$-1\r\n");
    ASK("EXPIRE k3 100\r\nTTL k3\r\nGETRANGE k3 0 2\r\n", ":1\r\n:100\r\n$3\r\nabc\r\n");
    assert_memory_equal(kit_ask(&k, end, "GETEX k3 PERSIST\r\n"), "$300003\r\nabc", 12);
    ASK("TTL k3\r\n", ":-1\r\n");
    mem_free(text);
}

/* A bit at the very end of the largest value, which costs one chunk. */
static void the_last_bit(void **state) {
    (void)state;
    ASK("SETBIT k 4294967295 1\r\nSTRLEN k\r\nBITCOUNT k\r\nBITPOS k 1\r\n",
        ":0\r\n:536870912\r\n:1\r\n:4294967295\r\n");
    ASK("GETBIT k 4294967295\r\nGETBIT k 4294967294\r\nBITCOUNT k -1 -1\r\n", ":1\r\n:0\r\n:1\r\n");
    ASK("BITPOS k 0\r\nBITPOS k 0 -1\r\n", ":0\r\n:4294967288\r\n");
}

/* ---- many keys
 * -------------------------------------------------------------------------------------
 */

/* Every key is returned once, whatever the step. */
static void scan_returns_all(void **state) {
    (void)state;
    char line[64];
    bool seen[500];
    for (int i = 0; i < 500; i++) {
        snprintf(line, sizeof line, "SET key:%d v\r\n", i);
        ASK(line, "+OK\r\n");
    }
    for (int count = 1; count < 600; count *= 5) {
        unsigned long long cursor = 0;
        memset(seen, 0, sizeof seen);
        do {
            snprintf(line, sizeof line, "SCAN %llu COUNT %d\r\n", cursor, count);
            const char *p = kit_ask(&k, end, line);
            p = strstr(p, "\r\n") + 2;
            p = strstr(p, "\r\n") + 2;
            cursor = strtoull(p, NULL, 10);
            assert_true(cursor < (1ull << 53));
            while ((p = strstr(p, "key:")) != NULL) {
                int i = atoi(p + 4);
                assert_false(seen[i]);
                seen[i] = true;
                p += 4;
            }
        } while (cursor);
        for (int i = 0; i < 500; i++)
            assert_true(seen[i]);
    }
}

static void due_keys_are_not_shown(void **state) {
    (void)state;
    ASK("SET a 1 PX 10\r\nSET b 1\r\n", "+OK\r\n+OK\r\n");
    k.clock.wall_ms += 10;
    ASK("KEYS *\r\nSCAN 0\r\nRANDOMKEY\r\n",
        "*1\r\n$1\r\nb\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n$1\r\nb\r\n");
    ASK("GET a\r\nDBSIZE\r\n", "$-1\r\n:1\r\n");
    ASK("SET a 1 PX 10\r\n", "+OK\r\n");
    k.clock.wall_ms += 10;
    ASK("SET a 2 XX\r\nSET a 3 NX\r\nTTL a\r\n", "$-1\r\n+OK\r\n:-1\r\n");
}

/* ---- the rest
 * --------------------------------------------------------------------------------------
 */

static void access_state(void **state) {
    (void)state;
    ASK("SET a 1\r\n", "+OK\r\n");
    k.clock.wall_ms += 100000;
    ASK("OBJECT IDLETIME a\r\nEXISTS a\r\nTTL a\r\nTYPE a\r\nOBJECT IDLETIME a\r\n",
        ":100\r\n:1\r\n:-1\r\n+string\r\n:100\r\n");
    c->flags |= CLIENT_NO_TOUCH;
    ASK("GET a\r\nSTRLEN a\r\nMGET a\r\nOBJECT IDLETIME a\r\n",
        "$1\r\n1\r\n:1\r\n*1\r\n$1\r\n1\r\n:100\r\n");
    ASK("TOUCH a\r\nOBJECT IDLETIME a\r\n", ":1\r\n:0\r\n");
    c->flags &= ~(uint32_t)CLIENT_NO_TOUCH;
    k.clock.wall_ms += 5000;
    ASK("GET a\r\nOBJECT IDLETIME a\r\n", "$1\r\n1\r\n:0\r\n");
    kit_set("maxmemory-policy", "allkeys-lfu");
    ASK("SET f 1\r\nOBJECT FREQ f\r\n", "+OK\r\n:5\r\n");
    ASK("OBJECT IDLETIME f\r\n",
        "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
        "switching between policies at runtime LRU and LFU data will take some time to "
        "adjust.\r\n");
}

static void memory_usage(void **state) {
    (void)state;
    ASK("SET a 1\r\nSETRANGE long 100000 x\r\n", "+OK\r\n:100001\r\n");
    long small = atol(kit_ask(&k, end, "MEMORY USAGE a\r\n") + 1);
    long big = atol(kit_ask(&k, end, "MEMORY USAGE long SAMPLES 0\r\n") + 1);
    assert_in_range(small, 10, 200);
    assert_in_range(big, 500, 5000); /* one chunk: the rest is a hole */
}

/* 7.2 checks the arguments even if there is no such key. */
static void since_7_2(void **state) {
    (void)state;
    ASK("BITCOUNT none 0\r\nBITCOUNT none 0 1 foo\r\nBITCOUNT none x 1\r\n",
        "-ERR syntax error\r\n-ERR syntax error\r\n"
        "-ERR value is not an integer or out of range\r\n");
    ASK("BITPOS none 1 0 1 foo\r\nBITPOS none 1 x\r\n",
        "-ERR syntax error\r\n-ERR value is not an integer or out of range\r\n");
}

static void keys_that_are_too_long(void **state) {
    (void)state;
    size_t n = ENGINE_KEY_MAX + 1;
    char *key = mem_alloc(n);
    buf line = {0};
    memset(key, 'k', n);
    static const char *const heads[] = {"*3\r\n$3\r\nSET\r\n", "*3\r\n$6\r\nAPPEND\r\n",
                                        "*3\r\n$4\r\nMSET\r\n", "*3\r\n$6\r\nINCRBY\r\n"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        buf_clear(&line);
        buf_printf(&line, "%s$%zu\r\n", heads[i], n);
        buf_append(&line, key, n);
        buf_append(&line, "\r\n$1\r\n1\r\n", 9);
        kit_send_bytes(end, buf_slice(&line));
        ASK("", "-ERR key is longer than 1048576 bytes\r\n");
    }
    buf_clear(&line);
    buf_printf(&line, "*2\r\n$3\r\nGET\r\n$%zu\r\n", n);
    buf_append(&line, key, n);
    kit_send_bytes(end, buf_slice(&line));
    ASK("\r\n", "$-1\r\n");
    buf_free(&line);
    mem_free(key);
}

static void wrong_types(void **state) {
    (void)state;
    entry ent = {.type = KEY_LIST, .value = SLICE("x")};
    ks_begin(k.ks);
    assert_int_equal(ks_put(k.ks, 0, SLICE("l"), &ent), ENGINE_OK);
    ks_commit(k.ks);
    static const char *const lines[] = {
        "GET l",
        "STRLEN l",
        "APPEND l x",
        "INCR l",
        "GETRANGE l 0 1",
        "SETRANGE l 0 x",
        "GETSET l x",
        "SET l x GET",
        "GETDEL l",
        "GETEX l",
        "INCRBYFLOAT l 1",
        "SETBIT l 1 1",
        "GETBIT l 1",
        "BITCOUNT l",
        "BITPOS l 1",
        "BITOP OR d l",
        "BITFIELD l GET u8 0",
        "BITFIELD l SET u8 0 1",
        "BITFIELD_RO l GET u8 0",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "%s\r\n", lines[i]);
        ASK(line, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    }
    ASK("LCS l l\r\n", "-ERR The specified keys must contain string values\r\n");
    ASK("MGET l\r\nTYPE l\r\nSCAN 0 TYPE list\r\n",
        "*1\r\n$-1\r\n+list\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\nl\r\n");
    ASK("SET l x\r\nTYPE l\r\n", "+OK\r\n+string\r\n");
}

static void lcs_is_bounded(void **state) {
    (void)state;
    kit_set("proto-max-bulk-len", "1mb");
    ASK("SETRANGE a 599 x\r\nSETRANGE b 599 x\r\n", ":600\r\n:600\r\n");
    ASK("LCS a b LEN\r\n", "-ERR Insufficient memory, transient memory for LCS exceeds "
                           "proto-max-bulk-len\r\n");
    ASK("SETRANGE a 1048576 x\r\n",
        "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
}

/* Texts and limits as redis-server's. */
static void timeouts(void **state) {
    (void)state;
    ASK("TIMEOUT 0\r\nTIMEOUT 1.5\r\nTIMEOUT 0.0001\r\nTIMEOUT 1e3\r\n",
        ":0\r\n:1500\r\n:1\r\n:1000000\r\n");
    ASK("TIMEOUT x\r\n", "-ERR timeout is not a float or out of range\r\n");
    ASK("TIMEOUT nan\r\n", "-ERR timeout is not a float or out of range\r\n");
    ASK("TIMEOUT -1\r\n", "-ERR timeout is negative\r\n");
    ASK("TIMEOUT -inf\r\n", "-ERR timeout is negative\r\n");
    ASK("TIMEOUT inf\r\n", "-ERR timeout is out of range\r\n");
    ASK("TIMEOUT 9223372036854775\r\n", "-ERR timeout is out of range\r\n");
    ASK("TIMEOUT 9223372036854776\r\n", "-ERR timeout is out of range\r\n");
    ASK("TIMEOUT 15 ms\r\n", ":15\r\n");
    ASK("TIMEOUT 1.5 ms\r\n", "-ERR timeout is not an integer or out of range\r\n");
    ASK("TIMEOUT -1 ms\r\n", "-ERR timeout is negative\r\n");
    ASK("TIMEOUT 9223372036854775807 ms\r\n", "-ERR timeout is out of range\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timeouts, setup, teardown),
        cmocka_unit_test_setup_teardown(dependencies, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_chunk_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(pending_keys_come_together, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_leave_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(long_values, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_bit, setup, teardown),
        cmocka_unit_test_setup_teardown(scan_returns_all, setup, teardown),
        cmocka_unit_test_setup_teardown(due_keys_are_not_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(access_state, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_usage, setup, teardown),
        cmocka_unit_test_setup_teardown(since_7_2, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_that_are_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_types, setup, teardown),
        cmocka_unit_test_setup_teardown(lcs_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
