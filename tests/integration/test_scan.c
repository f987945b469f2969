/* SCAN: every key that is there throughout comes, once, whatever happens between two calls.
 *
 * A cursor is a place in the order of keys, not a state of the server: it stays valid over writes,
 * merges, restarts and kills. */
#include "integration/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STABLE 3000 /* keys that are there throughout */

typedef struct seen {
    int stable[STABLE]; /* how often each came */
    int others, calls;
} seen;

/* Sets the stable keys, in one pipeline. */
static void make_stable(redisContext *c) {
    for (int i = 0; i < STABLE; i++)
        redisAppendCommand(c, "SET s:%d %d", i, i);
    for (int i = 0; i < STABLE; i++)
        freeReplyObject(kit_next(c));
}

/* One call; the next cursor. Cursors have to fit into a double, as clients keep them so. */
static long long step(redisContext *c, long long cursor, int count, seen *s) {
    redisReply *r = kit_call(c, "SCAN %lld COUNT %d", cursor, count);
    assert_int_equal(r->elements, 2);
    const redisReply *keys = r->element[1];
    for (size_t i = 0; i < keys->elements; i++) {
        const char *key = keys->element[i]->str;
        if (key[0] == 's')
            s->stable[atoi(key + 2)]++;
        else
            s->others++;
    }
    cursor = strtoll(r->element[0]->str, NULL, 10);
    assert_true(cursor >= 0 && cursor < 1LL << 53);
    freeReplyObject(r);
    s->calls++;
    return cursor;
}

/* Each stable key came exactly once. */
static void check(const seen *s) {
    for (int i = 0; i < STABLE; i++)
        if (s->stable[i] != 1) fail_msg("s:%d came %d times", i, s->stable[i]);
}

static void test_quiet(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    const int counts[] = {1, 7, 100, 1000000};
    make_stable(c);
    for (int k = 0; k < 4; k++) {
        seen s = {.others = 0};
        long long cursor = 0;
        do
            cursor = step(c, cursor, counts[k], &s);
        while (cursor);
        check(&s);
        assert_int_equal(s.others, 0);
        if (k < 3) assert_true(s.calls >= STABLE / counts[k] / 10);
    }
    EXPECT(c, "[\"0\" []]", "SCAN 0 COUNT 1000000 MATCH nothing*");
    EXPECT(c, "[\"0\" [\"s:17\"]]", "SCAN 0 COUNT 1000000 MATCH s:17 TYPE string");
    EXPECT(c, "[\"0\" []]", "SCAN 0 COUNT 1000000 TYPE hash");
    EXPECT(c, "-ERR syntax error", "SCAN 0 COUNT 0");
    redisFree(c);
}

/* Writers add, replace, rename and delete between the calls. */
static void test_writes_meanwhile(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server), *w = kit_connect(&kit_the_server);
    make_stable(c);
    seen s = {.others = 0};
    long long cursor = 0;
    int n = 0;
    do {
        cursor = step(c, cursor, 10, &s);
        for (int i = 0; i < 20; i++, n++) {
            redisAppendCommand(w, "SET x:%d v", n);
            redisAppendCommand(w, "SET s:%d changed%d", n % STABLE, n);
            redisAppendCommand(w, "DEL x:%d", n / 2);
        }
        for (int i = 0; i < 60; i++)
            freeReplyObject(kit_next(w));
    } while (cursor);
    check(&s);
    redisFree(c);
    redisFree(w);
}

/* Waits until no merge runs. */
static void wait_merged(redisContext *c) {
    kit_wait_info(c, "aof_rewrite_in_progress", 0);
}

/* In the middle: a merge begins and ends, the server restarts, it is killed, it reloads. */
static void test_life_meanwhile(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    make_stable(c);
    make_stable(c); /* something to merge */
    seen s = {.others = 0};
    long long cursor = 0;
    for (int i = 0; i < 20; i++)
        cursor = step(c, cursor, 20, &s);
    EXPECT(c, "Background append only file rewriting started", "BGREWRITEAOF");
    for (int i = 0; i < 20; i++)
        cursor = step(c, cursor, 20, &s);
    wait_merged(c);
    for (int i = 0; i < 20; i++)
        cursor = step(c, cursor, 20, &s);
    assert_true(cursor != 0);
    for (int kill = 0; kill < 2; kill++) {
        redisFree(c);
        kit_restart(&kit_the_server, kill);
        c = kit_connect(&kit_the_server);
        for (int i = 0; i < 20; i++)
            cursor = step(c, cursor, 20, &s);
        assert_true(cursor != 0);
    }
    EXPECT(c, "OK", "DEBUG RELOAD");
    while (cursor)
        cursor = step(c, cursor, 20, &s);
    check(&s);
    redisFree(c);
}

/* A flush in the middle ends the scan soon, without a stale key; a cursor of nobody's is harmless.
 */
static void test_flush_meanwhile(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    make_stable(c);
    seen s = {.others = 0};
    long long cursor = step(c, 0, 10, &s);
    EXPECT(c, "OK", "FLUSHALL");
    EXPECT(c, "[\"0\" []]", "SCAN %lld COUNT 10", cursor);
    make_stable(c);
    EXPECT(c, "OK", "SWAPDB 0 1");
    EXPECT(c, "[\"0\" []]", "SCAN %lld COUNT 10", cursor);
    EXPECT(c, "[\"0\" []]", "SCAN 18446744073709551615");
    EXPECT(c, "-ERR invalid cursor", "SCAN 18446744073709551616");
    redisFree(c);
}

static const struct CMUnitTest tests[] = {
    KIT_TEST(test_quiet),
    KIT_TEST(test_writes_meanwhile),
    KIT_TEST(test_life_meanwhile),
    KIT_TEST(test_flush_meanwhile),
};
KIT_MAIN(tests)
