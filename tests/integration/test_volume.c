/* Much at once: long pipelines, bytes of every kind, values of a hundred megabytes, wide commands.
 */
#include "integration/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIPELINE 100000
#define BIG      (100u << 20)
#define WIDE     20000

/* All is sent before the first reply is read: the server must neither stop nor mix up the order. */
static void test_pipeline(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    for (int i = 0; i < PIPELINE / 2; i++) {
        assert_int_equal(redisAppendCommand(c, "SET key:%d value:%d", i, i), REDIS_OK);
        assert_int_equal(redisAppendCommand(c, "GET key:%d", i), REDIS_OK);
    }
    for (int i = 0; i < PIPELINE / 2; i++) {
        char want[32];
        redisReply *set = kit_next(c), *get = kit_next(c);
        snprintf(want, sizeof want, "value:%d", i);
        assert_string_equal(kit_show(set), "OK");
        assert_string_equal(get->str, want);
        freeReplyObject(set);
        freeReplyObject(get);
    }
    assert_int_equal(kit_int(c, "DBSIZE"), PIPELINE / 2);
    redisFree(c);
}

/* An error in the middle of a pipeline is one reply, and nothing else changes. */
static void test_pipeline_with_errors(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    for (int i = 0; i < 1000; i++) {
        redisAppendCommand(c, "INCR n");
        redisAppendCommand(c, "GET");
        redisAppendCommand(c, "NOSUCH %d", i);
    }
    for (int i = 0; i < 1000; i++) {
        redisReply *n = kit_next(c), *arity = kit_next(c), *unknown = kit_next(c);
        assert_int_equal(n->integer, i + 1);
        assert_int_equal(arity->type, REDIS_REPLY_ERROR);
        assert_int_equal(unknown->type, REDIS_REPLY_ERROR);
        freeReplyObject(n);
        freeReplyObject(arity);
        freeReplyObject(unknown);
    }
    redisFree(c);
}

/* Keys and values of every byte, of no byte, and of what the protocol is made of. */
static void test_binary_safe(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    char all[256], protocol[] = "\r\n$3\r\nfoo\r\n*1\r\n\r\n\0end";
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    EXPECT(c, "OK", "SET %b %b", all, sizeof all, all, sizeof all);
    EXPECT(c, "OK", "SET %b %b", protocol, sizeof protocol, protocol, sizeof protocol);
    EXPECT(c, "OK", "SET %b %b", "", (size_t)0, "", (size_t)0);
    EXPECT(c, "\"\"", "GET %b", "", (size_t)0);
    EXPECT(c, ":3", "DBSIZE");
    redisReply *r = kit_call(c, "GET %b", all, sizeof all);
    assert_int_equal(r->len, sizeof all);
    assert_memory_equal(r->str, all, sizeof all);
    freeReplyObject(r);
    r = kit_call(c, "MGET %b nothing", protocol, sizeof protocol);
    assert_int_equal(r->element[0]->len, sizeof protocol);
    assert_memory_equal(r->element[0]->str, protocol, sizeof protocol);
    assert_int_equal(r->element[1]->type, REDIS_REPLY_NIL);
    freeReplyObject(r);
    for (int byte = 0; byte < 256; byte++) { /* one key for each byte */
        char key = (char)byte;
        EXPECT(c, "OK", "SET %b %d", &key, (size_t)1, byte);
    }
    EXPECT(c, ":259", "DBSIZE");
    EXPECT(c, "\"0\"", "GET %b", "\0", (size_t)1);
    EXPECT(c, "\"10\"", "GET %b", "\n", (size_t)1);
    redisFree(c);
}

/* A key and a value as long as the index's own limits let pass unseen by most tests. */
static void test_long_keys(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    const size_t lengths[] = {1, 31, 32, 33, 127, 128, 255, 256, 4095, 16384, 65535};
    static char key[65536];
    memset(key, 'k', sizeof key);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        EXPECT(c, "OK", "SET %b %d", key, lengths[i], (int)lengths[i]);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        redisReply *r = kit_call(c, "GET %b", key, lengths[i]);
        assert_int_equal(strtoul(r->str, NULL, 10), lengths[i]);
        freeReplyObject(r);
    }
    redisFree(c);
}

/* Bytes that neither repeat nor compress: a small generator, the same for writing and comparing. */
static void fill(char *p, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        p[i] = (char)(seed >> 56);
    }
}

/* In, out, changed at its far end, read in part, moved, and there after a restart. */
static void test_hundred_megabytes(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    char *value = malloc(BIG);
    assert_non_null(value);
    fill(value, BIG, 7);
    EXPECT(c, "OK", "SET big %b", value, (size_t)BIG);
    EXPECT(c, ":104857600", "STRLEN big");
    EXPECT(c, ":104857603", "APPEND big end");
    EXPECT(c, "\"end\"", "GETRANGE big -3 -1");
    EXPECT(c, "OK", "RENAME big large");
    for (int round = 0; round < 2; round++) {
        redisReply *r = kit_call(c, "GET large");
        assert_int_equal(r->type, REDIS_REPLY_STRING);
        assert_int_equal(r->len, (size_t)BIG + 3);
        assert_memory_equal(r->str, value, BIG);
        freeReplyObject(r);
        if (round == 0) EXPECT(c, "OK", "DEBUG RELOAD");
    }
    EXPECT(c, ":1", "DEL large");
    free(value);
    redisFree(c);
}

/* One reply of twenty thousand values, and requests as wide. */
static void test_wide_commands(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    const char **argv = calloc(2 * WIDE + 1, sizeof *argv);
    char(*names)[16] = calloc(WIDE, sizeof *names);
    assert_true(argv && names);
    argv[0] = "MSET";
    for (int i = 0; i < WIDE; i++) {
        snprintf(names[i], sizeof names[i], "w:%d", i);
        argv[1 + 2 * i] = argv[2 + 2 * i] = names[i];
    }
    redisReply *r = redisCommandArgv(c, 2 * WIDE + 1, argv, NULL);
    assert_string_equal(kit_show(r), "OK");
    freeReplyObject(r);
    argv[0] = "MGET";
    for (int i = 0; i < WIDE; i++)
        argv[1 + i] = i % 2 ? "absent" : names[i];
    r = redisCommandArgv(c, WIDE + 1, argv, NULL);
    assert_int_equal(r->elements, WIDE);
    for (int i = 0; i < WIDE; i++) {
        if (i % 2)
            assert_int_equal(r->element[i]->type, REDIS_REPLY_NIL);
        else
            assert_string_equal(r->element[i]->str, names[i]);
    }
    freeReplyObject(r);
    argv[0] = "DEL";
    r = redisCommandArgv(c, WIDE + 1, argv, NULL);
    assert_int_equal(r->integer, WIDE / 2);
    freeReplyObject(r);
    free(names);
    free(argv);
    redisFree(c);
}

/* Five hundred connections, commands on each before any reply is read. */
static void test_many_connections(void **state) {
    (void)state;
    enum { MANY = 500 };
    redisContext *c[MANY];
    for (int i = 0; i < MANY; i++)
        c[i] = kit_connect(&kit_the_server);
    for (int i = 0; i < MANY; i++) {
        redisAppendCommand(c[i], "INCR shared");
        redisAppendCommand(c[i], "SET own:%d %d", i, i);
        redisAppendCommand(c[i], "GET own:%d", i);
        int done = 0;
        while (!done)
            assert_int_equal(redisBufferWrite(c[i], &done), REDIS_OK);
    }
    long long sum = 0;
    for (int i = 0; i < MANY; i++) {
        redisReply *incr = kit_next(c[i]), *set = kit_next(c[i]), *get = kit_next(c[i]);
        sum += incr->integer;
        assert_string_equal(set->str, "OK");
        assert_int_equal(strtol(get->str, NULL, 10), i);
        freeReplyObject(incr);
        freeReplyObject(set);
        freeReplyObject(get);
    }
    assert_int_equal(sum, MANY * (MANY + 1) / 2);
    for (int i = 0; i < MANY; i++)
        redisFree(c[i]);
}

static const struct CMUnitTest tests[] = {
    KIT_TEST(test_pipeline),          KIT_TEST(test_pipeline_with_errors),
    KIT_TEST(test_binary_safe),       KIT_TEST(test_long_keys),
    KIT_TEST(test_hundred_megabytes), KIT_TEST(test_wide_commands),
    KIT_TEST(test_many_connections),
};
KIT_MAIN(tests)
