/* The hash commands: replies and events to the byte. Those about fields' times are what Redis 7.4
 * and 8.0 say; the others were taken down from redis-server. */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"
#include "types/classes.h"

static const command *const tables[] = {hash_commands, string_commands, keys_commands,
                                        connection_commands, NULL};

static const step set_and_get[] = {
    {"HGET h a", "$-1\r\n", "keymiss@0:h "},
    {"HSET h a 1 b 2 a 3", ":2\r\n", "new@0:h hset@0:h "},
    {"HGET h a", "$1\r\n3\r\n", ""},
    {"HGET h none", "$-1\r\n", ""},
    {"HSET h a 4", ":0\r\n", "hset@0:h "},
    {"HMSET h c 5", "+OK\r\n", "hset@0:h "},
    {"HGETALL h", "*6\r\n$1\r\na\r\n$1\r\n4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n5\r\n", ""},
    {"HKEYS h", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", ""},
    {"HVALS h", "*3\r\n$1\r\n4\r\n$1\r\n2\r\n$1\r\n5\r\n", ""},
    {"HMGET h c none a", "*3\r\n$1\r\n5\r\n$-1\r\n$1\r\n4\r\n", ""},
    {"HLEN h", ":3\r\n", ""},
    {"HEXISTS h a", ":1\r\n", ""},
    {"HEXISTS h none", ":0\r\n", ""},
    {"HSTRLEN h a", ":1\r\n", ""},
    {"HSTRLEN h none", ":0\r\n", ""},
    {"HSETNX h a x", ":0\r\n", ""},
    {"HSETNX h d x", ":1\r\n", "hset@0:h "},
    {"HDEL h d none d", ":1\r\n", "hdel@0:h "},
    {"HDEL h none", ":0\r\n", ""},
    {"HSET h \"\" \"\"", ":1\r\n", "hset@0:h "},
    {"HGET h \"\"", "$0\r\n\r\n", ""},
    {"HSET h \"\\xff\\x00\" \"\\x01\"", ":1\r\n", "hset@0:h "},
    {"HGET h \"\\xff\\x00\"", "$1\r\n\x01\r\n", ""},
    {"HDEL h a b c \"\" \"\\xff\\x00\"", ":5\r\n", "hdel@0:h del@0:h "},
    {"EXISTS h", ":0\r\n", "keymiss@0:h "},
    {"HDEL h a", ":0\r\n", ""},
    {"HLEN h", ":0\r\n", "keymiss@0:h "},
    {"HGETALL h", "*0\r\n", "keymiss@0:h "},
    {"HMGET h a", "*1\r\n$-1\r\n", "keymiss@0:h "},
    {0},
};

static const step numbers[] = {
    {"HINCRBY h n 5", ":5\r\n", "new@0:h hincrby@0:h "},
    {"HINCRBY h n -7", ":-2\r\n", "hincrby@0:h "},
    {"HINCRBYFLOAT h n 0.5", "$4\r\n-1.5\r\n", "hincrbyfloat@0:h "},
    {"HINCRBY h n 1", "-ERR hash value is not an integer\r\n", ""},
    {"HINCRBYFLOAT h f 3.0e3", "$4\r\n3000\r\n", "hincrbyfloat@0:h "},
    {"HSET h max 9223372036854775807 word abc", ":2\r\n", "hset@0:h "},
    {"HINCRBY h max 1", "-ERR increment or decrement would overflow\r\n", ""},
    {"HINCRBY h max x", "-ERR value is not an integer or out of range\r\n", ""},
    {"HINCRBYFLOAT h word 1", "-ERR hash value is not a float\r\n", ""},
    {"HINCRBYFLOAT h word x", "-ERR value is not a valid float\r\n", ""},
    {"HINCRBYFLOAT h n inf", "-ERR value is NaN or Infinity\r\n", ""},
    {"HGET h n", "$4\r\n-1.5\r\n", ""},
    {0},
};

static const step refusals[] = {
    {"HSET h a", "-ERR wrong number of arguments for 'hset' command\r\n", ""},
    {"HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n", ""},
    {"HMSET h a 1 b", "-ERR wrong number of arguments for 'hmset' command\r\n", ""},
    {"SET s 1", "+OK\r\n", "new@0:s set@0:s "},
    {"HSET s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {"HGETALL s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {"HINCRBY s a x", "-ERR value is not an integer or out of range\r\n", ""},
    {"HEXPIRE s x FIELDS 1 a",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {"HRANDFIELD none x", "-ERR value is not an integer or out of range\r\n", ""},
    {"HRANDFIELD none 1 x", "-ERR syntax error\r\n", ""},
    {"HRANDFIELD none -9223372036854775808",
     "-ERR value is out of range, value must between -9223372036854775807 and "
     "9223372036854775807\r\n",
     ""},
    {"HRANDFIELD none 4611686018427387904 WITHVALUES", "-ERR value is out of range\r\n", ""},
    {"HRANDFIELD none 4611686018427387903 WITHVALUES", "*0\r\n", "keymiss@0:none "},
    {"HRANDFIELD none", "$-1\r\n", "keymiss@0:none "},
    {"HSCAN none x", "-ERR invalid cursor\r\n", ""},
    {"HSCAN none 0 NOPE", "*2\r\n$1\r\n0\r\n*0\r\n", "keymiss@0:none "},
    {0},
};

static const step picks[] = {
    {"HSET h a 1", ":1\r\n", "new@0:h hset@0:h "},
    {"HRANDFIELD h", "$1\r\na\r\n", ""},
    {"HRANDFIELD h 5", "*1\r\n$1\r\na\r\n", ""},
    {"HRANDFIELD h 0", "*0\r\n", ""},
    {"HRANDFIELD h -2 WITHVALUES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n", ""},
    {"HSCAN h 0", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n", ""},
    {"HSCAN h 0 NOVALUES COUNT 5", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n", ""},
    {"HSCAN h 0 MATCH b*", "*2\r\n$1\r\n0\r\n*0\r\n", ""},
    {"HSCAN h 0 COUNT 0", "-ERR syntax error\r\n", ""},
    {"HSCAN h 0 TYPE hash", "-ERR syntax error\r\n", ""},
    {0},
};

static const step times[] = {
    {"HSET h a 1 b 2 c 3", ":3\r\n", "new@0:h hset@0:h "},
    {"HEXPIRE h 10 FIELDS 2 a none", "*2\r\n:1\r\n:-2\r\n", "hexpire@0:h "},
    {"HTTL h FIELDS 3 a b none", "*3\r\n:10\r\n:-1\r\n:-2\r\n", ""},
    {"HPTTL h FIELDS 1 a", "*1\r\n:10000\r\n", ""},
    {"HEXPIRETIME h FIELDS 1 a", "*1\r\n:1700000010\r\n", ""},
    {"HPEXPIRETIME h FIELDS 1 a", "*1\r\n:1700000010000\r\n", ""},
    {"HEXPIRE h 20 NX FIELDS 2 a b", "*2\r\n:0\r\n:1\r\n", "hexpire@0:h "},
    {"HEXPIRE h 20 XX FIELDS 2 a c", "*2\r\n:1\r\n:0\r\n", "hexpire@0:h "},
    {"HEXPIRE h 30 GT FIELDS 2 a c", "*2\r\n:1\r\n:0\r\n", "hexpire@0:h "},
    {"HEXPIRE h 30 LT FIELDS 2 a c", "*2\r\n:0\r\n:1\r\n", "hexpire@0:h "},
    {"HPEXPIRE h 1500 FIELDS 1 a", "*1\r\n:1\r\n", "hexpire@0:h "},
    {"HTTL h FIELDS 1 a", "*1\r\n:2\r\n", ""},
    {"HPEXPIREAT h 1700000000999 FIELDS 1 a", "*1\r\n:1\r\n", "hexpire@0:h "},
    {"HPTTL h FIELDS 1 a", "*1\r\n:999\r\n", ""},
    {"HPERSIST h FIELDS 3 a a none", "*3\r\n:1\r\n:-1\r\n:-2\r\n", "hpersist@0:h "},
    {"HPERSIST h FIELDS 1 a", "*1\r\n:-1\r\n", ""},
    {"HEXPIREAT h 1 FIELDS 2 a a", "*2\r\n:2\r\n:-2\r\n", "hdel@0:h "},
    {"HEXPIRE h 0 FIELDS 1 b", "*1\r\n:2\r\n", "hdel@0:h "},
    {"HINCRBY h c 1", ":4\r\n", "hincrby@0:h "},
    {"HTTL h FIELDS 1 c", "*1\r\n:30\r\n", ""},
    {"HSET h c 4", ":0\r\n", "hset@0:h "},
    {"HTTL h FIELDS 1 c", "*1\r\n:-1\r\n", ""},
    {"EXPIRE h 100", ":1\r\n", "expire@0:h "},
    {"HEXPIRE h 50 FIELDS 1 c", "*1\r\n:1\r\n", "hexpire@0:h "},
    {"TTL h", ":100\r\n", ""},
    {"EXPIRE h 20", ":1\r\n", "expire@0:h "},
    {"TTL h", ":20\r\n", ""},
    {"HTTL h FIELDS 1 c", "*1\r\n:50\r\n", ""},
    {"PERSIST h", ":1\r\n", "persist@0:h "},
    {"TTL h", ":-1\r\n", ""},
    {"COPY h i", ":1\r\n", "new@0:i copy_to@0:i "},
    {"RENAME i j", "+OK\r\n", "new@0:j rename_from@0:i rename_to@0:j "},
    {"HTTL j FIELDS 1 c", "*1\r\n:50\r\n", ""},
    {"TTL j", ":-1\r\n", ""},
    {"OBJECT ENCODING j", "$10\r\nlistpackex\r\n", ""},
    {"HPEXPIRE h 0 FIELDS 1 c", "*1\r\n:2\r\n", "hdel@0:h del@0:h "},
    {"HEXPIRE h 1 FIELDS 2 a b", "*2\r\n:-2\r\n:-2\r\n", ""},
    {"HTTL h FIELDS 1 a", "*1\r\n:-2\r\n", "keymiss@0:h "},
    {"HPERSIST h FIELDS 1 a", "*1\r\n:-2\r\n", ""},
    {0},
};

#define MISSING "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"
#define MATCH   "-ERR The `numfields` parameter must match the number of arguments\r\n"

static const step times_refused[] = {
    {"HEXPIRE h 1 FIELDS 1", "-ERR wrong number of arguments for 'hexpire' command\r\n", ""},
    {"HEXPIRE h x FIELDS 1 a", "-ERR value is not an integer or out of range\r\n", ""},
    {"HEXPIRE h -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0\r\n", ""},
    {"HEXPIRE h 9223372036854775807 FIELDS 1 a",
     "-ERR invalid expire time in 'hexpire' command\r\n", ""},
    {"HPEXPIRE h 70368744177664 FIELDS 1 a", "-ERR invalid expire time in 'hpexpire' command\r\n",
     ""},
    {"HPEXPIREAT h 70368744177663 FIELDS 1 a", "*1\r\n:-2\r\n", ""},
    {"HEXPIRE h 1 FIELD 1 a", MISSING, ""},
    {"HEXPIRE h 1 NX GT FIELDS 1 a", MISSING, ""},
    {"HEXPIRE h 1 NX FIELDS 1", MATCH, ""},
    {"HEXPIRE h 1 FIELDS 0 a", "-ERR Parameter `numFields` should be greater than 0\r\n", ""},
    {"HEXPIRE h 1 FIELDS x a", "-ERR Parameter `numFields` should be greater than 0\r\n", ""},
    {"HEXPIRE h 1 FIELDS 2 a", MATCH, ""},
    {"HEXPIRE h 1 FIELDS 1 a b", MATCH, ""},
    {"HTTL h NOPE 1 a", MISSING, "keymiss@0:h "},
    {"HTTL h FIELDS 0 a", "-ERR Number of fields must be a positive integer\r\n", "keymiss@0:h "},
    {"HPERSIST h FIELDS 2 a", MATCH, ""},
    {"HGETDEL h FIELDS 2 a", MATCH, ""},
    {"HGETEX h NOPE FIELDS 1 a", MISSING, ""},
    {"HGETEX h EX FIELDS 1 a", "-ERR value is not an integer or out of range\r\n", ""},
    {"HGETEX h EX 1 FIELDS", "-ERR wrong number of arguments for 'hgetex' command\r\n", ""},
    {"HSETEX h NOPE FIELDS 1 a b", "-ERR unknown argument: NOPE\r\n", ""},
    {"HSETEX h FNX FXX FIELDS 1 a b", "-ERR Only one of FXX or FNX arguments can be specified\r\n",
     ""},
    {"HSETEX h EX 1 KEEPTTL FIELDS 1 a b",
     "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n", ""},
    {"HSETEX h FIELDS 0 a b", "-ERR invalid number of fields\r\n", ""},
    {"HSETEX h FNX FIELDS 0 a b", "-ERR invalid number of fields\r\n", ""},
    {"HSETEX h FNX FIELDS 2 a b", "-ERR wrong number of arguments for 'hsetex' command\r\n", ""},
    {"HSETEX h FNX KEEPTTL FXX EX", "-ERR Only one of FXX or FNX arguments can be specified\r\n",
     ""},
    {"HSETEX h FNX a b EX", "-ERR unknown argument: a\r\n", ""},
    {0},
};

static const step all_in_one[] = {
    {"HSETEX h EX 10 FIELDS 2 a 1 b 2", ":1\r\n", "new@0:h hset@0:h hexpire@0:h "},
    {"HTTL h FIELDS 2 a b", "*2\r\n:10\r\n:10\r\n", ""},
    {"HSETEX h FNX FIELDS 2 b 3 c 3", ":0\r\n", ""},
    {"HSETEX h FXX FIELDS 2 b 3 c 3", ":0\r\n", ""},
    {"HSETEX h FXX KEEPTTL FIELDS 1 b 3", ":1\r\n", "hset@0:h "},
    {"HTTL h FIELDS 1 b", "*1\r\n:10\r\n", ""},
    {"HSETEX h FXX FIELDS 1 b 4", ":1\r\n", "hset@0:h "},
    {"HTTL h FIELDS 1 b", "*1\r\n:-1\r\n", ""},
    {"HSETEX h PXAT 1 FIELDS 1 b 5", ":1\r\n", "hset@0:h hdel@0:h "},
    {"HEXISTS h b", ":0\r\n", ""},
    {"HGETEX h PX 5500 FIELDS 2 a none", "*2\r\n$1\r\n1\r\n$-1\r\n", "hexpire@0:h "},
    {"HPTTL h FIELDS 1 a", "*1\r\n:5500\r\n", ""},
    {"HGETEX h FIELDS 1 a", "*1\r\n$1\r\n1\r\n", ""},
    {"HGETEX h PERSIST FIELDS 1 a", "*1\r\n$1\r\n1\r\n", "hpersist@0:h "},
    {"HGETEX h PERSIST FIELDS 1 a", "*1\r\n$1\r\n1\r\n", ""},
    {"HGETEX h EXAT 1 FIELDS 1 a", "*1\r\n$1\r\n1\r\n", "hdel@0:h del@0:h "},
    {"HGETEX h EX 1 FIELDS 1 a", "*1\r\n$-1\r\n", ""},
    {"HSET h a 1 b 2", ":2\r\n", "new@0:h hset@0:h "},
    {"HGETDEL h FIELDS 2 a a", "*2\r\n$1\r\n1\r\n$-1\r\n", "hdel@0:h "},
    {"HGETDEL h FIELDS 1 none", "*1\r\n$-1\r\n", ""},
    {"HGETDEL h FIELDS 1 b", "*1\r\n$1\r\n2\r\n", "hdel@0:h del@0:h "},
    {"HGETDEL h FIELDS 1 b", "*1\r\n$-1\r\n", ""},
    {0},
};

#define SCRIPT(name)                                                                               \
    static void name##_test(void **state) {                                                        \
        (void)state;                                                                               \
        script_run(name, tables);                                                                  \
    }
SCRIPT(set_and_get)
SCRIPT(numbers)
SCRIPT(refusals)
SCRIPT(picks)
SCRIPT(times)
SCRIPT(times_refused)
SCRIPT(all_in_one)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_and_get_test), cmocka_unit_test(numbers_test),
        cmocka_unit_test(refusals_test),    cmocka_unit_test(picks_test),
        cmocka_unit_test(times_test),       cmocka_unit_test(times_refused_test),
        cmocka_unit_test(all_in_one_test),
    };
    types_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
