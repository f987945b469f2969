/* Keys go when they are due, untouched, and are counted exactly; their times survive restarts. */
#include "integration/kit.h"

#include <string.h>

#define KEYS 1000

/* Sets n keys PREFIX:i with a time to live, in one pipeline. */
static void set_mortal(redisContext *c, const char *prefix, int n, int ms) {
    for (int i = 0; i < n; i++)
        redisAppendCommand(c, "SET %s:%d v PX %d", prefix, i, ms);
    for (int i = 0; i < n; i++)
        freeReplyObject(kit_next(c));
}

/* Looks at DBSIZE, which touches nothing, until it is n. */
static void wait_dbsize(redisContext *c, long long n) {
    for (int waited = 0; kit_int(c, "DBSIZE") != n; waited += 20) {
        if (waited > 30000) fail_msg("DBSIZE does not become %lld", n);
        kit_sleep_ms(20);
    }
}

static void test_untouched(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    set_mortal(c, "soon", KEYS, 50);
    set_mortal(c, "later", 10, 1000000);
    EXPECT(c, "OK", "SELECT 9");
    set_mortal(c, "there", KEYS, 70);
    wait_dbsize(c, 0);
    EXPECT(c, "OK", "SELECT 0");
    wait_dbsize(c, 10);
    assert_int_equal(kit_info(c, "expired_keys"), 2 * KEYS);
    EXPECT(c, "nil", "GET soon:1"); /* a look at what is gone counts nothing */
    assert_int_equal(kit_info(c, "expired_keys"), 2 * KEYS);
    redisFree(c);
}

/* With active expiry off, a key that is due is gone for whoever looks, and counted once. */
static void test_touched(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    EXPECT(c, "OK", "DEBUG SET-ACTIVE-EXPIRE 0");
    set_mortal(c, "k", 5, 1);
    EXPECT(c, "OK", "SET stays v");
    kit_sleep_ms(20);
    EXPECT(c, "nil", "GET k:0");
    EXPECT(c, ":0", "EXISTS k:1 k:1 k:1");
    EXPECT(c, ":-2", "TTL k:2");
    EXPECT(c, "OK", "SET k:3 anew");
    EXPECT(c, ":-1", "TTL k:3");
    assert_int_equal(kit_info(c, "expired_keys"), 4);
    redisReply *r = kit_call(c, "KEYS *"); /* shows what is there, not what is due */
    assert_int_equal(r->elements, 2);
    freeReplyObject(r);
    EXPECT(c, "OK", "DEBUG SET-ACTIVE-EXPIRE 1");
    wait_dbsize(c, 2);
    assert_int_equal(kit_info(c, "expired_keys"), 5);
    redisFree(c);
}

/* What changes a time changes when the key goes. */
static void test_times_that_change(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    set_mortal(c, "k", 6, 1500); /* long enough for what follows */
    EXPECT(c, ":1", "PERSIST k:0");
    EXPECT(c, ":1", "EXPIRE k:1 1000");
    EXPECT(c, "OK", "SET k:2 v");
    EXPECT(c, "OK", "RENAME k:3 other");
    EXPECT(c, ":1", "COPY k:4 fifth");
    EXPECT(c, ":1", "MOVE k:5 3");
    wait_dbsize(c, 3);
    EXPECT(c, ":3", "EXISTS k:0 k:1 k:2");
    EXPECT(c, "OK", "SELECT 3");
    wait_dbsize(c, 0);
    assert_int_equal(kit_info(c, "expired_keys"), 4); /* k:4 twice, k:5, and k:3 under its name */
    redisFree(c);
}

/* What fell due while nobody ran goes at the start; other times are what they were. */
static void test_restart(void **state) {
    (void)state;
    for (int kill = 0; kill < 2; kill++) {
        redisContext *c = kit_connect(&kit_the_server);
        EXPECT(c, "OK", "FLUSHALL");
        EXPECT(c, "OK", "DEBUG SET-ACTIVE-EXPIRE 0");
        set_mortal(c, "soon", KEYS, 1);
        EXPECT(c, "OK", "SET later v PXAT 33177117420123");
        EXPECT(c, "OK", "SET stays v");
        redisFree(c);
        kit_restart(&kit_the_server, kill);
        c = kit_connect(&kit_the_server);
        wait_dbsize(c, 2);
        assert_int_equal(kit_info(c, "expired_keys"), KEYS);
        EXPECT(c, ":33177117420123", "PEXPIRETIME later");
        assert_non_null(strstr(kit_info_text(c, "db0"), "keys=2,expires=1,"));
        redisFree(c);
    }
}

/* A time that has passed deletes at once, and counts no expiry. */
static void test_past(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    EXPECT(c, "OK", "SET k v");
    EXPECT(c, ":1", "EXPIRE k -1");
    EXPECT(c, ":0", "DBSIZE");
    EXPECT(c, "OK", "SET k v");
    EXPECT(c, ":1", "PEXPIREAT k 1");
    EXPECT(c, ":0", "DBSIZE");
    assert_int_equal(kit_info(c, "expired_keys"), 0);
    redisFree(c);
}

static const struct CMUnitTest tests[] = {
    KIT_TEST(test_untouched), KIT_TEST(test_touched), KIT_TEST(test_times_that_change),
    KIT_TEST(test_restart),   KIT_TEST(test_past),
};
KIT_MAIN(tests)
