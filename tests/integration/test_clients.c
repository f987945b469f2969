/* CLIENT from several connections, and those who watch: MONITOR, SLOWLOG, LATENCY. */
#include "integration/kit.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

/* Sends what was appended, without waiting for a reply. */
static void flush(redisContext *c) {
    int done = 0;
    while (!done)
        assert_int_equal(redisBufferWrite(c, &done), REDIS_OK);
}

/* True if nothing comes within ms. */
static bool silent(redisContext *c, int ms) {
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return poll(&p, 1, ms) == 0;
}

/* True once the server has closed the connection. */
static bool is_closed(redisContext *c) {
    void *r = NULL;
    bool closed = redisGetReply(c, &r) != REDIS_OK;
    if (r) freeReplyObject(r);
    return closed;
}

/* The line of CLIENT LIST of an id; "" if there is none. */
static const char *line_of(redisContext *c, long long id) {
    static char line[1024];
    redisReply *r = kit_call(c, "CLIENT LIST ID %lld", id);
    assert_int_equal(r->type, REDIS_REPLY_STRING);
    snprintf(line, sizeof line, "%s", r->str);
    freeReplyObject(r);
    return line;
}

static void test_list(void **state) {
    (void)state;
    redisContext *a = kit_connect(&kit_the_server), *b = kit_connect(&kit_the_server);
    long long ida = kit_int(a, "CLIENT ID"), idb = kit_int(b, "CLIENT ID");
    assert_true(idb > ida);
    EXPECT(b, "OK", "CLIENT SETNAME bee");
    EXPECT(b, "OK", "CLIENT SETINFO LIB-NAME hiredis");
    EXPECT(b, "OK", "CLIENT SETINFO LIB-VER 0.14");
    EXPECT(b, "OK", "SELECT 7");
    EXPECT(b, "OK", "CLIENT NO-EVICT ON");
    const char *line = line_of(a, idb);
    const char *const wanted[] = {
        "name=bee ",         "db=7 ",        "flags=e ", "user=default ",  "cmd=client|no-evict ",
        "lib-name=hiredis ", "lib-ver=0.14", "resp=2 ",  "addr=127.0.0.1:"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(line, wanted[i])) fail_msg("no %s in %s", wanted[i], line);
    redisReply *all = kit_call(a, "CLIENT LIST");
    int lines = 0;
    for (const char *p = all->str; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, kit_info(a, "connected_clients"));
    freeReplyObject(all);
    EXPECT(a, "\"\"", "CLIENT LIST TYPE pubsub");
    EXPECT(a, "-ERR Unknown client type 'x'", "CLIENT LIST TYPE x");
    EXPECT(b, "-ERR Client names cannot contain spaces, newlines or special characters.",
           "CLIENT SETNAME %s", "with space");
    redisReply *own = kit_call(b, "CLIENT INFO");
    char id[40];
    snprintf(id, sizeof id, "id=%lld ", idb);
    assert_int_equal(strncmp(own->str, id, strlen(id)), 0);
    freeReplyObject(own);
    redisFree(a);
    redisFree(b);
}

static void test_kill(void **state) {
    (void)state;
    redisContext *a = kit_connect(&kit_the_server), *b = kit_connect(&kit_the_server),
                 *d = kit_connect(&kit_the_server);
    EXPECT(a, ":1", "CLIENT KILL ID %lld", kit_int(b, "CLIENT ID"));
    assert_true(is_closed(b));
    redisFree(b);
    b = kit_connect(&kit_the_server);
    redisReply *r = kit_call(b, "CLIENT INFO"); /* killed by its address */
    char address[64];
    assert_int_equal(sscanf(strstr(r->str, "addr="), "addr=%63s", address), 1);
    freeReplyObject(r);
    EXPECT(a, "OK", "CLIENT KILL %s", address);
    assert_true(is_closed(b));
    EXPECT(a, "-ERR No such client", "CLIENT KILL %s", address);
    EXPECT(a, ":0", "CLIENT KILL ID 99999999");
    EXPECT(a, "-ERR No such user 'nobody'", "CLIENT KILL USER nobody");
    EXPECT(a, ":0", "CLIENT KILL TYPE pubsub");
    EXPECT(a, ":1", "CLIENT KILL TYPE normal SKIPME yes"); /* d */
    assert_true(is_closed(d));
    EXPECT(a, ":1", "CLIENT KILL TYPE normal SKIPME no"); /* itself, after the reply */
    assert_true(is_closed(a));
    redisFree(a);
    redisFree(b);
    redisFree(d);
}

/* A pause of writes lets reads through; what was held runs when it ends, in order. */
static void test_pause_writes(void **state) {
    (void)state;
    redisContext *a = kit_connect(&kit_the_server), *b = kit_connect(&kit_the_server);
    EXPECT(a, "OK", "SET k before");
    EXPECT(a, "OK", "CLIENT PAUSE 1000000 WRITE");
    redisAppendCommand(b, "APPEND k 1");
    redisAppendCommand(b, "APPEND k 2");
    redisAppendCommand(b, "GET k");
    flush(b);
    assert_true(silent(b, 150));
    EXPECT(a, "\"before\"", "GET k");
    EXPECT(a, "OK", "CLIENT UNPAUSE");
    const char *const replies[] = {":7", ":8", "\"before12\""};
    for (int i = 0; i < 3; i++) {
        redisReply *r = kit_next(b);
        assert_string_equal(kit_show(r), replies[i]);
        freeReplyObject(r);
    }
    redisFree(a);
    redisFree(b);
}

/* A pause of all ends by itself. */
static void test_pause_all(void **state) {
    (void)state;
    redisContext *a = kit_connect(&kit_the_server), *b = kit_connect(&kit_the_server);
    EXPECT(a, "OK", "CLIENT PAUSE 400 ALL");
    redisAppendCommand(b, "PING");
    flush(b);
    assert_true(silent(b, 50));
    redisReply *r = kit_next(b);
    assert_string_equal(r->str, "PONG");
    freeReplyObject(r);
    EXPECT(a, "PONG", "PING");
    EXPECT(a, "-ERR timeout is negative", "CLIENT PAUSE -1");
    redisFree(a);
    redisFree(b);
}

static void test_reply_modes(void **state) {
    (void)state;
    redisContext *a = kit_connect(&kit_the_server);
    redisAppendCommand(a, "CLIENT REPLY SKIP"); /* answers neither itself nor the next one */
    redisAppendCommand(a, "SET k 1");
    redisAppendCommand(a, "INCR k");
    redisReply *r = kit_next(a);
    assert_int_equal(r->integer, 2);
    freeReplyObject(r);
    redisAppendCommand(a, "CLIENT REPLY OFF");
    redisAppendCommand(a, "INCR k");
    redisAppendCommand(a, "NOSUCH");
    redisAppendCommand(a, "CLIENT REPLY ON");
    r = kit_next(a);
    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
    EXPECT(a, "\"3\"", "GET k");
    redisFree(a);
}

/* No command blocks yet, so there is never anyone to wake. */
static void test_unblock(void **state) {
    (void)state;
    redisContext *a = kit_connect(&kit_the_server);
    EXPECT(a, ":0", "CLIENT UNBLOCK %lld", kit_int(a, "CLIENT ID"));
    EXPECT(a, ":0", "CLIENT UNBLOCK 12345678 ERROR");
    EXPECT(a, "-ERR value is not an integer or out of range", "CLIENT UNBLOCK x");
    EXPECT(a, "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR", "CLIENT UNBLOCK 1 NEVER");
    redisFree(a);
}

/* Sends the first megabyte of a command that never ends: it fills the query buffer. */
static void send_unfinished(redisContext *c, const char *megabyte, const char *announced) {
    c->obuf = sdscat(c->obuf, "*2\r\n$4\r\nECHO\r\n$");
    c->obuf = sdscat(c->obuf, announced);
    c->obuf = sdscat(c->obuf, "\r\n");
    c->obuf = sdscatlen(c->obuf, megabyte, 1000000);
    flush(c);
}

/* maxmemory-clients closes the client that takes most, never one that asked to be spared. */
static void test_client_eviction(void **state) {
    (void)state;
    redisContext *a = kit_connect(&kit_the_server), *fat = kit_connect(&kit_the_server),
                 *spared = kit_connect(&kit_the_server);
    static char part[1000000];
    memset(part, 'x', sizeof part);
    EXPECT(spared, "OK", "CLIENT NO-EVICT ON");
    send_unfinished(fat, part, "9000000");
    send_unfinished(spared, part, "2000000");
    EXPECT(a, "OK", "CONFIG SET maxmemory-clients 5mb");
    assert_true(is_closed(fat));
    kit_wait_info(a, "evicted_clients", 1);
    assert_true(silent(spared, 100));
    EXPECT(a, "OK", "CONFIG SET maxmemory-clients 0");
    redisFree(a);
    redisFree(fat);
    redisFree(spared);
}

/* What MONITOR shows: in order, with database and escapes; not CONFIG, which is an administrator's.
 */
static void test_monitor(void **state) {
    (void)state;
    redisContext *m = kit_connect(&kit_the_server), *a = kit_connect(&kit_the_server);
    EXPECT(m, "OK", "MONITOR");
    EXPECT(a, "OK", "SELECT 4");
    EXPECT(a, "OK", "CONFIG RESETSTAT");
    EXPECT(a, "OK", "SET %b %s", "k\n\0\"", (size_t)4, "v\xff");
    EXPECT(a, "\"...", "GET %b", "k\n\0\"", (size_t)4);
    const char *const wanted[] = {"\"SELECT\" \"4\"", "\"SET\" \"k\\n\\x00\\\"\" \"v\\xff\"",
                                  "\"GET\" \"k\\n\\x00\\\"\""};
    for (int i = 0; i < 3; i++) {
        redisReply *r = kit_next(m);
        if (!strstr(r->str, wanted[i]) || !strstr(r->str, "127.0.0.1:"))
            fail_msg("%s\n  wanted %s", r->str, wanted[i]);
        if (i > 0) assert_non_null(strstr(r->str, "[4 127.0.0.1:"));
        freeReplyObject(r);
    }
    assert_int_equal(kit_info(a, "monitor_clients"), 1);
    redisFree(m);
    kit_wait_info(a, "monitor_clients", 0);
    redisFree(a);
}

static void test_slowlog(void **state) {
    (void)state;
    redisContext *a = kit_connect(&kit_the_server);
    EXPECT(a, "OK", "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3");
    EXPECT(a, "OK", "SLOWLOG RESET");
    EXPECT(a, "OK", "CLIENT SETNAME slow");
    for (int i = 0; i < 5; i++)
        EXPECT(a, "OK", "SET k %d", i);
    EXPECT(a, "OK", "CONFIG SET slowlog-log-slower-than -1");
    EXPECT(a, ":3", "SLOWLOG LEN");
    redisReply *r = kit_call(a, "SLOWLOG GET -1");
    assert_int_equal(r->elements, 3);
    redisReply *third = r->element[2]; /* the newest comes first: SET k 4, SET k 3, SET k 2 */
    assert_int_equal(third->elements, 6);
    assert_string_equal(kit_show(third->element[3]), "[\"SET\" \"k\" \"2\"]");
    assert_string_equal(third->element[5]->str, "slow");
    assert_true(r->element[0]->element[0]->integer > third->element[0]->integer);
    freeReplyObject(r);
    EXPECT(a, "OK", "SLOWLOG RESET");
    EXPECT(a, "[]", "SLOWLOG GET");
    EXPECT(a, "OK", "CONFIG SET slowlog-log-slower-than 10000 slowlog-max-len 128");
    redisFree(a);
}

static void test_latency(void **state) {
    (void)state;
    redisContext *a = kit_connect(&kit_the_server);
    EXPECT(a, "[]", "LATENCY LATEST");
    EXPECT(a, "OK", "CONFIG SET latency-monitor-threshold 5");
    EXPECT(a, "OK", "DEBUG SLEEP 0.02");
    redisReply *r = kit_call(a, "LATENCY LATEST");
    assert_true(r->elements >= 1);
    assert_string_equal(r->element[0]->element[0]->str, "command");
    assert_true(r->element[0]->element[2]->integer >= 20);
    freeReplyObject(r);
    r = kit_call(a, "LATENCY HISTORY command");
    assert_true(r->elements >= 1 && r->element[0]->element[1]->integer >= 20);
    freeReplyObject(r);
    EXPECT(a, "\"command - high ...", "LATENCY GRAPH command");
    EXPECT(a, "\"...", "LATENCY DOCTOR");
    EXPECT(a, "-ERR No samples available for event 'fork'", "LATENCY GRAPH fork");
    EXPECT(a, ":0", "LATENCY RESET fork");
    EXPECT(a, ":1", "LATENCY RESET command");
    EXPECT(a, "OK", "CONFIG SET latency-monitor-threshold 0");
    for (int i = 0; i < 10; i++)
        EXPECT(a, "OK", "SET k v");
    EXPECT(a, "[\"set\" [\"calls\" :10 \"histogram_usec\" [...", "LATENCY HISTOGRAM set");
    redisFree(a);
}

static const struct CMUnitTest tests[] = {
    KIT_TEST(test_list),
    KIT_TEST(test_kill),
    KIT_TEST(test_pause_writes),
    KIT_TEST(test_pause_all),
    KIT_TEST(test_unblock),
    KIT_TEST(test_reply_modes),
    KIT_TEST(test_client_eviction),
    KIT_TEST(test_monitor),
    KIT_TEST(test_slowlog),
    KIT_TEST(test_latency),
};
KIT_MAIN(tests)
