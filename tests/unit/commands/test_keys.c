/* The generic commands: replies and events to the byte. */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"

static const command *const tables[] = {string_commands, bitmap_commands, keys_commands,
                                        connection_commands, NULL};

static const step deleting_and_testing[] = {
    {"MSET a 1 b 2 c 3", "+OK\r\n", "new@0:a set@0:a new@0:b set@0:b new@0:c set@0:c "},
    {"EXISTS a", ":1\r\n", ""},
    {"EXISTS a a none b", ":3\r\n", "keymiss@0:none "},
    {"TYPE a", "+string\r\n", ""},
    {"TYPE none", "+none\r\n", "keymiss@0:none "},
    {"TOUCH a none b", ":2\r\n", "keymiss@0:none "},
    {"DEL a none", ":1\r\n", "del@0:a "},
    {"DEL a", ":0\r\n", ""},
    {"UNLINK b c none", ":2\r\n", "del@0:b del@0:c "},
    {"DBSIZE", ":0\r\n", ""},
    {"DEL", "-ERR wrong number of arguments for 'del' command\r\n", ""},
    {0},
};

static const step renaming[] = {
    {"SET a 1", "+OK\r\n", "new@0:a set@0:a "},
    {"RENAME a b", "+OK\r\n", "new@0:b rename_from@0:a rename_to@0:b "},
    {"GET b", "$1\r\n1\r\n", ""},
    {"RENAME a b", "-ERR no such key\r\n", ""},
    {"RENAME b b", "+OK\r\n", ""},
    {"RENAMENX b b", ":0\r\n", ""},
    {"SET c 3 EX 100", "+OK\r\n", "new@0:c set@0:c expire@0:c "},
    {"RENAMENX c b", ":0\r\n", ""},
    {"RENAME c b", "+OK\r\n", "new@0:b rename_from@0:c rename_to@0:b "},
    {"TTL b", ":100\r\n", ""},
    {"GET b", "$1\r\n3\r\n", ""},
    {"RENAMENX b d", ":1\r\n", "new@0:d rename_from@0:b rename_to@0:d "},
    {"RENAMENX none d", "-ERR no such key\r\n", ""},
    {"TTL d", ":100\r\n", ""},
    {0},
};

static const step copying_and_moving[] = {
    {"SET a 1 EX 100", "+OK\r\n", "new@0:a set@0:a expire@0:a "},
    {"COPY a b", ":1\r\n", "new@0:b copy_to@0:b "},
    {"TTL b", ":100\r\n", ""},
    {"COPY a b", ":0\r\n", ""},
    {"SET a 2", "+OK\r\n", "set@0:a "},
    {"COPY a b REPLACE", ":1\r\n", "new@0:b copy_to@0:b "},
    {"GET b", "$1\r\n2\r\n", ""},
    {"TTL b", ":-1\r\n", ""},
    {"COPY none c", ":0\r\n", "keymiss@0:none "},
    {"COPY a a", "-ERR source and destination objects are the same\r\n", ""},
    {"COPY a a DB 0", "-ERR source and destination objects are the same\r\n", ""},
    {"COPY a a DB 1", ":1\r\n", "new@1:a copy_to@1:a "},
    {"COPY a c DB 1 REPLACE", ":1\r\n", "new@1:c copy_to@1:c "},
    {"COPY a c DB 99", "-ERR DB index is out of range\r\n", ""},
    {"COPY a c DB -1", "-ERR DB index is out of range\r\n", ""},
    {"COPY a c DB x", "-ERR value is not an integer or out of range\r\n", ""},
    {"COPY a c DB 99999999999",
     "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n", ""},
    {"COPY a c FOO", "-ERR syntax error\r\n", ""},
    {"COPY a c DB", "-ERR syntax error\r\n", ""},
    {"MOVE a 1", ":0\r\n", ""},
    {"MOVE b 1", ":1\r\n", "new@1:b move_from@0:b move_to@1:b "},
    {"MOVE b 1", ":0\r\n", ""},
    {"EXISTS b", ":0\r\n", "keymiss@0:b "},
    {"MOVE a 0", "-ERR source and destination objects are the same\r\n", ""},
    {"MOVE a 99", "-ERR DB index is out of range\r\n", ""},
    {"MOVE a -1", "-ERR DB index is out of range\r\n", ""},
    {"MOVE a x", "-ERR value is not an integer or out of range\r\n", ""},
    {"SELECT 1", "+OK\r\n", ""},
    {"GET b", "$1\r\n2\r\n", ""},
    {"DBSIZE", ":3\r\n", ""},
    {0},
};

static const step databases[] = {
    {"SET a 0", "+OK\r\n", "new@0:a set@0:a "},
    {"SELECT 1", "+OK\r\n", ""},
    {"SET b 1", "+OK\r\n", "new@1:b set@1:b "},
    {"SWAPDB 0 1", "+OK\r\n", ""},
    {"GET a", "$1\r\n0\r\n", ""},
    {"SWAPDB 0 0", "+OK\r\n", ""},
    {"SWAPDB 0 99", "-ERR DB index is out of range\r\n", ""},
    {"SWAPDB -1 0", "-ERR DB index is out of range\r\n", ""},
    {"SWAPDB x 0", "-ERR invalid first DB index\r\n", ""},
    {"SWAPDB 0 x", "-ERR invalid second DB index\r\n", ""},
    {"DBSIZE", ":1\r\n", ""},
    {"FLUSHDB", "+OK\r\n", ""},
    {"DBSIZE", ":0\r\n", ""},
    {"SELECT 0", "+OK\r\n", ""},
    {"GET b", "$1\r\n1\r\n", ""},
    {"FLUSHDB foo", "-ERR syntax error\r\n", ""},
    {"FLUSHDB SYNC ASYNC", "-ERR syntax error\r\n", ""},
    {"FLUSHDB ASYNC", "+OK\r\n", ""},
    {"FLUSHALL foo", "-ERR syntax error\r\n", ""},
    {"FLUSHALL SYNC", "+OK\r\n", ""},
    {"DBSIZE", ":0\r\n", ""},
    {"RANDOMKEY", "$-1\r\n", ""},
    {"SET only 1", "+OK\r\n", "new@0:only set@0:only "},
    {"RANDOMKEY", "$4\r\nonly\r\n", ""},
    {0},
};

static const step life[] = {
    {"SET a 1", "+OK\r\n", "new@0:a set@0:a "},
    {"TTL a", ":-1\r\n", ""},
    {"PTTL a", ":-1\r\n", ""},
    {"TTL none", ":-2\r\n", "keymiss@0:none "},
    {"EXPIRETIME none", ":-2\r\n", "keymiss@0:none "},
    {"PEXPIRETIME a", ":-1\r\n", ""},
    {"PERSIST a", ":0\r\n", ""},
    {"PERSIST none", ":0\r\n", ""},
    {"EXPIRE a 100", ":1\r\n", "expire@0:a "},
    {"TTL a", ":100\r\n", ""},
    {"EXPIRE a 200 NX", ":0\r\n", ""},
    {"EXPIRE a 200 XX", ":1\r\n", "expire@0:a "},
    {"TTL a", ":200\r\n", ""},
    {"EXPIRE a 100 GT", ":0\r\n", ""},
    {"EXPIRE a 300 GT", ":1\r\n", "expire@0:a "},
    {"EXPIRE a 400 LT", ":0\r\n", ""},
    {"EXPIRE a 50 LT", ":1\r\n", "expire@0:a "},
    {"TTL a", ":50\r\n", ""},
    {"PERSIST a", ":1\r\n", "persist@0:a "},
    {"TTL a", ":-1\r\n", ""},
    {"EXPIRE a 100 GT", ":0\r\n", ""},
    {"EXPIRE a 100 XX", ":0\r\n", ""},
    {"EXPIRE a 100 LT", ":1\r\n", "expire@0:a "},
    {"EXPIRE a 100 XX GT", ":0\r\n", ""},
    {"EXPIRE a 100 NX XX",
     "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n", ""},
    {"EXPIRE a 100 NX GT",
     "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n", ""},
    {"EXPIRE a 100 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n", ""},
    {"EXPIRE a 100 FOO", "-ERR Unsupported option FOO\r\n", ""},
    {"EXPIRE a x", "-ERR value is not an integer or out of range\r\n", ""},
    {"EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n", ""},
    {"EXPIRE a -9223372036854775808", "-ERR invalid expire time in 'expire' command\r\n", ""},
    {"PEXPIRE a 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n", ""},
    {"EXPIREAT a 33177117420", ":1\r\n", "expire@0:a "},
    {"EXPIRETIME a", ":33177117420\r\n", ""},
    {"PEXPIRETIME a", ":33177117420000\r\n", ""},
    {"PEXPIREAT a 33177117420123", ":1\r\n", "expire@0:a "},
    {"PEXPIRETIME a", ":33177117420123\r\n", ""},
    {"EXPIRE none 10", ":0\r\n", ""},
    {"EXPIREAT a 1", ":1\r\n", "del@0:a "},
    {"EXISTS a", ":0\r\n", "keymiss@0:a "},
    {"SET a 1", "+OK\r\n", "new@0:a set@0:a "},
    {"EXPIRE a -1", ":1\r\n", "del@0:a "},
    {"EXISTS a", ":0\r\n", "keymiss@0:a "},
    {"SET a 1", "+OK\r\n", "new@0:a set@0:a "},
    {"PEXPIREAT a 0", ":1\r\n", "del@0:a "},
    {"EXISTS a", ":0\r\n", "keymiss@0:a "},
    {"SET a 1", "+OK\r\n", "new@0:a set@0:a "},
    {"PEXPIRE a 100000", ":1\r\n", "expire@0:a "},
    {"TTL a", ":100\r\n", ""},
    {"EXPIRE a", "-ERR wrong number of arguments for 'expire' command\r\n", ""},
    {0},
};

static const step walking[] = {
    {"KEYS *", "*0\r\n", ""},
    {"SCAN 0", "*2\r\n$1\r\n0\r\n*0\r\n", ""},
    {"SET one 1", "+OK\r\n", "new@0:one set@0:one "},
    {"KEYS *", "*1\r\n$3\r\none\r\n", ""},
    {"KEYS o?e", "*1\r\n$3\r\none\r\n", ""},
    {"KEYS x*", "*0\r\n", ""},
    {"SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n", ""},
    {"SCAN 0 MATCH x*", "*2\r\n$1\r\n0\r\n*0\r\n", ""},
    {"SCAN 0 MATCH o* COUNT 100", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n", ""},
    {"SCAN 0 TYPE string", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n", ""},
    {"SCAN 0 TYPE STRING", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n", ""},
    {"SCAN 0 TYPE list", "*2\r\n$1\r\n0\r\n*0\r\n", ""},
    {"SCAN 0 TYPE nope", "*2\r\n$1\r\n0\r\n*0\r\n", ""},
    {"SCAN 00", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n", ""},
    {"SCAN x", "-ERR invalid cursor\r\n", ""},
    {"SCAN 1x", "-ERR invalid cursor\r\n", ""},
    {"SCAN \"\"", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n", ""},
    {"SCAN 99999999999999999999", "-ERR invalid cursor\r\n", ""},
    {"SCAN 0 COUNT 0", "-ERR syntax error\r\n", ""},
    {"SCAN 0 COUNT x", "-ERR value is not an integer or out of range\r\n", ""},
    {"SCAN 0 COUNT", "-ERR syntax error\r\n", ""},
    {"SCAN 0 FOO 1", "-ERR syntax error\r\n", ""},
    {"SCAN 0 MATCH", "-ERR syntax error\r\n", ""},
    {0},
};

static const step asking_about[] = {
    {"SET a 1", "+OK\r\n", "new@0:a set@0:a "},
    {"OBJECT REFCOUNT none", "$-1\r\n", ""},
    {"OBJECT ENCODING none", "$-1\r\n", ""},
    {"OBJECT IDLETIME none", "$-1\r\n", ""},
    {"OBJECT FREQ none", "$-1\r\n", ""},
    {"OBJECT FREQ a",
     "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
     "when switching between policies at runtime LRU and LFU data will take some time to "
     "adjust.\r\n",
     ""},
    {"OBJECT", "-ERR wrong number of arguments for 'object' command\r\n", ""},
    {"OBJECT FOO a", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.\r\n", ""},
    {"OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command\r\n", ""},
    {"OBJECT ENCODING a b", "-ERR wrong number of arguments for 'object|encoding' command\r\n", ""},
    {"MEMORY", "-ERR wrong number of arguments for 'memory' command\r\n", ""},
    {"MEMORY FOO", "-ERR unknown subcommand 'FOO'. Try MEMORY HELP.\r\n", ""},
    {"MEMORY USAGE none", "$-1\r\n", ""},
    {"MEMORY USAGE", "-ERR wrong number of arguments for 'memory|usage' command\r\n", ""},
    {"MEMORY USAGE a SAMPLES", "-ERR syntax error\r\n", ""},
    {"MEMORY USAGE a SAMPLES x", "-ERR value is not an integer or out of range\r\n", ""},
    {"MEMORY USAGE a SAMPLES -1", "-ERR syntax error\r\n", ""},
    {"MEMORY USAGE a FOO 1", "-ERR syntax error\r\n", ""},
    {0},
};

static void deleting_and_testing_test(void **state) {
    (void)state;
    script_run(deleting_and_testing, tables);
}

static void renaming_test(void **state) {
    (void)state;
    script_run(renaming, tables);
}

static void copying_and_moving_test(void **state) {
    (void)state;
    script_run(copying_and_moving, tables);
}

static void databases_test(void **state) {
    (void)state;
    script_run(databases, tables);
}

static void life_test(void **state) {
    (void)state;
    script_run(life, tables);
}

static void walking_test(void **state) {
    (void)state;
    script_run(walking, tables);
}

static void asking_about_test(void **state) {
    (void)state;
    script_run(asking_about, tables);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deleting_and_testing_test),
        cmocka_unit_test(renaming_test),
        cmocka_unit_test(copying_and_moving_test),
        cmocka_unit_test(databases_test),
        cmocka_unit_test(life_test),
        cmocka_unit_test(walking_test),
        cmocka_unit_test(asking_about_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
