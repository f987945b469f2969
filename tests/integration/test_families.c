/* Every command family once through the client library: what a program that uses hiredis sees.
 *
 * How each command behaves in its corners is the unit tests' and the differential test's business;
 * here each is sent at least once, its reply parsed by a library that is not ours. */
#include "integration/kit.h"

/* Sends rows on a connection of their own. */
static void run(const kit_row *rows) {
    redisContext *c = kit_connect(&kit_the_server);
    kit_rows(c, rows);
    redisFree(c);
}

static void test_strings(void **state) {
    (void)state;
    static const kit_row rows[] = {
        {"SET k v", "OK"},
        {"GET k", "\"v\""},
        {"GET nothing", "nil"},
        {"SET k w NX", "nil"},
        {"SET k w XX GET", "\"v\""},
        {"SET k v EX 100 KEEPTTL", "-ERR syntax error"},
        {"SET n 10", "OK"},
        {"SETNX n 11", ":0"},
        {"GETSET n 12", "\"10\""},
        {"INCR n", ":13"},
        {"DECR n", ":12"},
        {"INCRBY n 30", ":42"},
        {"DECRBY n 2", ":40"},
        {"INCRBYFLOAT n 0.5", "\"40.5\""},
        {"INCR k", "-ERR value is not an integer or out of range"},
        {"APPEND k xyz", ":4"},
        {"STRLEN k", ":4"},
        {"GETRANGE k 1 2", "\"xy\""},
        {"SUBSTR k -1 -1", "\"z\""},
        {"SETRANGE k 6 end", ":9"},
        {"GET k", "\"wxyz\\x00\\x00end\""},
        {"SETEX e 100 v", "OK"},
        {"PSETEX p 100000 v", "OK"},
        {"GETEX e PERSIST", "\"v\""},
        {"TTL e", ":-1"},
        {"GETDEL e", "\"v\""},
        {"MSET a 1 b 2 c 3", "OK"},
        {"MSETNX c 4 d 5", ":0"},
        {"MGET a b c d", "[\"1\" \"2\" \"3\" nil]"},
        {"SET x ohmytext", "OK"},
        {"SET y mynewtext", "OK"},
        {"LCS x y", "\"mytext\""},
        {"LCS x y LEN", ":6"},
        {"LCS x y IDX", "[\"matches\" [[[:4 :7] [:5 :8]] [[:2 :3] [:0 :1]]] \"len\" :6]"},
        {0},
    };
    run(rows);
}

static void test_bitmaps(void **state) {
    (void)state;
    static const kit_row rows[] = {
        {"SETBIT b 7 1", ":0"},
        {"SETBIT b 7 1", ":1"},
        {"GETBIT b 7", ":1"},
        {"GETBIT b 8000000", ":0"},
        {"SET k foobar", "OK"},
        {"BITCOUNT k", ":26"},
        {"BITCOUNT k 1 1", ":6"},
        {"BITCOUNT k 5 30 BIT", ":17"},
        {"BITPOS k 0", ":0"},
        {"BITPOS k 1 2 -1 BYTE", ":17"},
        {"SET l abcdef", "OK"},
        {"BITOP AND d k l", ":6"},
        {"GET d", "\"`bc`ab\""},
        {"BITOP NOT n d", ":6"},
        {"BITFIELD f SET u8 #0 200 INCRBY u8 #0 100 OVERFLOW SAT INCRBY u8 #0 300",
         "[:0 :44 :255]"},
        {"BITFIELD f OVERFLOW FAIL INCRBY u2 0 1", "[nil]"},
        {"BITFIELD_RO f GET u4 4", "[:15]"},
        {"BITFIELD_RO f SET u4 4 1", "-ERR BITFIELD_RO only supports the GET subcommand"},
        {0},
    };
    run(rows);
}

static void test_keys(void **state) {
    (void)state;
    static const kit_row rows[] = {
        {"MSET a 1 b 22 c 333", "OK"},
        {"EXISTS a b nope a", ":3"},
        {"TYPE a", "string"},
        {"TYPE nope", "none"},
        {"TOUCH a b nope", ":2"},
        {"RENAME a z", "OK"},
        {"RENAME a z", "-ERR no such key"},
        {"RENAMENX b z", ":0"},
        {"COPY z y", ":1"},
        {"COPY z y", ":0"},
        {"COPY z y REPLACE", ":1"},
        {"COPY z y DB 5", ":1"},
        {"MOVE z 5", ":1"},
        {"MOVE z 5", ":0"},
        {"DBSIZE", ":3"},
        {"DEL y nope", ":1"},
        {"UNLINK c", ":1"},
        {"RANDOMKEY", "\"b\""},
        {"KEYS *", "[\"b\"]"},
        {"SCAN 0 MATCH b* COUNT 10 TYPE string", "[\"0\" [\"b\"]]"},
        {"SCAN x", "-ERR invalid cursor"},
        {"OBJECT ENCODING b", "\"int\""},
        {"OBJECT REFCOUNT b", ":1"},
        {"OBJECT IDLETIME b", ":0"},
        {"OBJECT FREQ b",
         "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
         "Please note that when switching between policies at runtime LRU and LFU "
         "data will take some time to adjust."},
        {"OBJECT ENCODING nope", "nil"},
        {"MEMORY USAGE nope", "nil"},
        {0},
    };
    run(rows);
    redisContext *c = kit_connect(&kit_the_server);
    assert_true(kit_int(c, "MEMORY USAGE b") > 3);
    redisReply *help = kit_call(c, "OBJECT HELP");
    assert_true(help->type == REDIS_REPLY_ARRAY && help->elements > 5);
    freeReplyObject(help);
    redisFree(c);
}

static void test_expire_times(void **state) {
    (void)state;
    static const kit_row rows[] = {
        {"SET k v", "OK"},
        {"TTL k", ":-1"},
        {"TTL nope", ":-2"},
        {"EXPIRE k 100 XX", ":0"},
        {"EXPIRE k 100 NX", ":1"},
        {"EXPIRE k 50 GT", ":0"},
        {"EXPIRE k 200 GT", ":1"},
        {"EXPIRE k 100 LT", ":1"},
        {"EXPIRE k 1 NX GT",
         "-ERR NX and XX, GT or LT options at the same time are not compatible"},
        {"PEXPIRE k 100000", ":1"},
        {"EXPIREAT k 33177117420", ":1"},
        {"EXPIRETIME k", ":33177117420"},
        {"PEXPIREAT k 33177117420123", ":1"},
        {"PEXPIRETIME k", ":33177117420123"},
        {"PERSIST k", ":1"},
        {"PERSIST k", ":0"},
        {"EXPIRETIME k", ":-1"},
        {"EXPIREAT k 1", ":1"},
        {"EXISTS k", ":0"},
        {"SET k v PXAT 33177117420123", "OK"},
        {"PEXPIRETIME k", ":33177117420123"},
        {"SET k v KEEPTTL", "OK"},
        {"PEXPIRETIME k", ":33177117420123"},
        {"SET k v", "OK"},
        {"PTTL k", ":-1"},
        {"SET k v EX 0", "-ERR invalid expire time in 'set' command"},
        {0},
    };
    run(rows);
}

static void test_databases(void **state) {
    (void)state;
    static const kit_row rows[] = {
        {"SET k zero", "OK"},
        {"SELECT 3", "OK"},
        {"GET k", "nil"},
        {"SET k three", "OK"},
        {"SELECT 16", "-ERR DB index is out of range"},
        {"SELECT x", "-ERR value is not an integer or out of range"},
        {"GET k", "\"three\""},
        {"SWAPDB 0 3", "OK"},
        {"GET k", "\"zero\""},
        {"FLUSHDB", "OK"},
        {"GET k", "nil"},
        {"SELECT 0", "OK"},
        {"GET k", "\"three\""},
        {"SWAPDB 0 99", "-ERR DB index is out of range"},
        {"FLUSHALL ASYNC", "OK"},
        {"DBSIZE", ":0"},
        {"FLUSHALL NEVER", "-ERR syntax error"},
        {0},
    };
    run(rows);
}

static void test_connection(void **state) {
    (void)state;
    static const kit_row rows[] = {
        {"PING", "PONG"},
        {"PING hello", "\"hello\""},
        {"ECHO hello", "\"hello\""},
        {"CLIENT SETNAME me", "OK"},
        {"CLIENT GETNAME", "\"me\""},
        {"CLIENT SETINFO LIB-NAME hiredis", "OK"},
        {"CLIENT NO-EVICT ON", "OK"},
        {"CLIENT NO-TOUCH ON", "OK"},
        {"CLIENT NO-TOUCH sometimes", "-ERR syntax error"},
        {"AUTH x",
         "-ERR AUTH <password> called without any password configured for the default user. "
         "Are you sure your configuration is correct?"},
        {"HELLO 4", "-NOPROTO unsupported protocol version"},
        {"HELLO 2 SETNAME other",
         "[\"server\" \"redis\" \"version\" \"7.2.4\" \"proto\" :2 \"id\"..."},
        {"CLIENT GETNAME", "\"other\""},
        {"SELECT 2", "OK"},
        {"RESET", "RESET"},
        {"CLIENT GETNAME", "nil"},
        {"NOPE a b", "-ERR unknown command 'NOPE', with args beginning with: 'a' 'b' "},
        {"GET", "-ERR wrong number of arguments for 'get' command"},
        {"CLIENT NOPE", "-ERR unknown subcommand 'NOPE'. Try CLIENT HELP."},
        {"QUIT", "OK"},
        {0},
    };
    redisContext *c = kit_connect(&kit_the_server);
    kit_rows(c, rows);
    assert_null(redisCommand(c, "PING")); /* closed after QUIT */
    redisFree(c);
}

static void test_server_family(void **state) {
    (void)state;
    static const kit_row rows[] = {
        {"DBSIZE", ":0"},
        {"SHUTDOWN ABORT", "-ERR No shutdown in progress."},
        {"SHUTDOWN SAVE NOSAVE", "-ERR syntax error"},
        {"DEBUG SLEEP 0", "OK"},
        {"DEBUG SET-ACTIVE-EXPIRE 1", "OK"},
        {"DEBUG JMAP", "OK"},
        {"DEBUG LOG hello", "OK"},
        {"DEBUG STRINGMATCH-LEN 100 a*", ":1"},
        {"DEBUG QUICKLIST-PACKED-THRESHOLD 10", "OK"},
        {"DEBUG REPLYBUFFER RESIZING 0", "OK"},
        {"DEBUG SET-DISABLE-DENY-SCRIPTS 0", "OK"},
        {"DEBUG CHANGE-REPL-ID", "OK"},
        {"DEBUG PROTOCOL string", "\"Hello World\""},
        {"DEBUG PROTOCOL map", "[:0 :0 :1 :1 :2 :0]"},
        {"DEBUG PROTOCOL null", "nil"},
        {"LOLWUT VERSION 5", "\"..."},
        {0},
    };
    run(rows);
    redisContext *c = kit_connect(&kit_the_server);
    redisReply *now = kit_call(c, "TIME");
    assert_int_equal(now->elements, 2);
    assert_true(strtoll(now->element[0]->str, NULL, 10) > 1600000000);
    freeReplyObject(now);
    assert_true(kit_int(c, "LASTSAVE") > 1600000000);
    redisFree(c);
}

static void test_commands_about_commands(void **state) {
    (void)state;
    static const kit_row rows[] = {
        {"COMMAND GETKEYS MSET a 1 b 2", "[\"a\" \"b\"]"},
        {"COMMAND GETKEYS PING", "-ERR The command has no key arguments"},
        {"COMMAND GETKEYSANDFLAGS SET k v", "[[\"k\" [OW update]]]"},
        {"COMMAND INFO nope", "[nil]"},
        {"COMMAND LIST FILTERBY PATTERN mget*", "[\"mget\"]"},
        {"COMMAND LIST FILTERBY MODULE x", "[]"},
        {"COMMAND INFO get", "[[\"get\" :2 [readonly fast] :1 :1 :1 [@read @string @fast] [] "
                             "[[\"flags\" [RO access]..."},
        {0},
    };
    run(rows);
    redisContext *c = kit_connect(&kit_the_server);
    long long count = kit_int(c, "COMMAND COUNT");
    assert_true(count > 70);
    const char *const per_command[] = {"COMMAND", "COMMAND INFO"};
    for (size_t i = 0; i < 2; i++) {
        redisReply *all = kit_call(c, per_command[i]);
        assert_int_equal(all->elements, count);
        freeReplyObject(all);
    }
    redisReply *names = kit_call(c, "COMMAND LIST"); /* of sub-commands too */
    assert_true(names->elements > (size_t)count);
    freeReplyObject(names);
    /* All of it nests deeper than this library can read: test_protocol.py asks for that. */
    redisReply *docs = kit_call(c, "COMMAND DOCS get set nosuch");
    assert_int_equal(docs->elements, 4);
    freeReplyObject(docs);
    redisFree(c);
}

static const struct CMUnitTest tests[] = {
    KIT_TEST(test_strings),       KIT_TEST(test_bitmaps),
    KIT_TEST(test_keys),          KIT_TEST(test_expire_times),
    KIT_TEST(test_databases),     KIT_TEST(test_connection),
    KIT_TEST(test_server_family), KIT_TEST(test_commands_about_commands),
};
KIT_MAIN(tests)
