/* The set commands: replies and events to the byte. */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"

static const command *const tables[] = {set_commands, string_commands, keys_commands,
                                        connection_commands, NULL};

#define WRONG "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

static const step members[] = {
    {"SADD s a", ":1\r\n", "new@0:s sadd@0:s "},
    {"SADD s a", ":0\r\n", ""},
    {"SADD s a b c c", ":2\r\n", "sadd@0:s "},
    {"SCARD s", ":3\r\n", ""},
    {"SCARD none", ":0\r\n", "keymiss@0:none "},
    {"SISMEMBER s a", ":1\r\n", ""},
    {"SISMEMBER s x", ":0\r\n", ""},
    {"SISMEMBER none x", ":0\r\n", "keymiss@0:none "},
    {"SMISMEMBER s a x c", "*3\r\n:1\r\n:0\r\n:1\r\n", ""},
    {"SMISMEMBER none a x", "*2\r\n:0\r\n:0\r\n", "keymiss@0:none "},
    {"SMEMBERS s", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", ""},
    {"SMEMBERS none", "*0\r\n", "keymiss@0:none "},
    {"SREM s x", ":0\r\n", ""},
    {"SREM s a x b a", ":2\r\n", "srem@0:s "},
    {"SREM s c", ":1\r\n", "srem@0:s del@0:s "},
    {"SREM s c", ":0\r\n", ""},
    {"EXISTS s", ":0\r\n", "keymiss@0:s "},
    {"SADD s", "-ERR wrong number of arguments for 'sadd' command\r\n", ""},
    {"SADD s \"\"", ":1\r\n", "new@0:s sadd@0:s "},
    {"SISMEMBER s \"\"", ":1\r\n", ""},
    {"SMEMBERS s", "*1\r\n$0\r\n\r\n", ""},
    {"SADD i 3 1 2 -1", ":4\r\n", "new@0:i sadd@0:i "},
    {"SMEMBERS i", "*4\r\n$2\r\n-1\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n", ""},
    {"OBJECT ENCODING i", "$6\r\nintset\r\n", ""},
    {"SADD i x", ":1\r\n", "sadd@0:i "},
    {"OBJECT ENCODING i", "$8\r\nlistpack\r\n", ""},
    {"TYPE i", "+set\r\n", ""},
    {0},
};

static const step wrong_types[] = {
    {"SET str v", "+OK\r\n", "new@0:str set@0:str "},
    {"SADD str a", WRONG, ""},
    {"SREM str a", WRONG, ""},
    {"SISMEMBER str a", WRONG, ""},
    {"SMISMEMBER str a", WRONG, ""},
    {"SCARD str", WRONG, ""},
    {"SMEMBERS str", WRONG, ""},
    {"SPOP str", WRONG, ""},
    {"SPOP str 0", WRONG, ""},
    {"SRANDMEMBER str", WRONG, ""},
    {"SRANDMEMBER str 1", WRONG, ""},
    {"SSCAN str 0", WRONG, ""},
    {"SMOVE none str a", ":0\r\n", ""},
    {"SMOVE str none a", WRONG, ""},
    {"SINTER none str", WRONG, "keymiss@0:none "},
    {"SUNION none str", WRONG, "keymiss@0:none "},
    {"SDIFF none str", WRONG, "keymiss@0:none "},
    {"SINTERSTORE d none str", WRONG, "keymiss@0:none "},
    {"SINTERCARD 2 none str", WRONG, "keymiss@0:none "},
    {"SADD s a", ":1\r\n", "new@0:s sadd@0:s "},
    {"SMOVE s str a", WRONG, ""},
    {"GET s", WRONG, ""},
    {"SUNIONSTORE str s", ":1\r\n", "sunionstore@0:str "},
    {"TYPE str", "+set\r\n", ""},
    {0},
};

static const step moves[] = {
    {"SADD a 1 2", ":2\r\n", "new@0:a sadd@0:a "},
    {"SADD b 2 3", ":2\r\n", "new@0:b sadd@0:b "},
    {"SMOVE a b 9", ":0\r\n", ""},
    {"SMOVE a a 1", ":1\r\n", ""},
    {"SMOVE a a 9", ":0\r\n", ""},
    {"SMOVE a b 2", ":1\r\n", "srem@0:a "},
    {"SMOVE a c 1", ":1\r\n", "srem@0:a del@0:a new@0:c sadd@0:c "},
    {"SMOVE a c 1", ":0\r\n", ""},
    {"SMOVE c b 1", ":1\r\n", "srem@0:c del@0:c sadd@0:b "},
    {"SMEMBERS b", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n", ""},
    {0},
};

static const step random_ones[] = {
    {"SRANDMEMBER none", "$-1\r\n", "keymiss@0:none "},
    {"SRANDMEMBER none 3", "*0\r\n", "keymiss@0:none "},
    {"SRANDMEMBER none -3", "*0\r\n", "keymiss@0:none "},
    {"SPOP none", "$-1\r\n", ""},
    {"SPOP none 3", "*0\r\n", ""},
    {"SADD s a", ":1\r\n", "new@0:s sadd@0:s "},
    {"SRANDMEMBER s", "$1\r\na\r\n", ""},
    {"SRANDMEMBER s 3", "*1\r\n$1\r\na\r\n", ""},
    {"SRANDMEMBER s 0", "*0\r\n", ""},
    {"SRANDMEMBER s -3", "*3\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n", ""},
    {"SRANDMEMBER s -9223372036854775807", "-ERR the reply is longer than 1073741824 bytes\r\n",
     ""},
    {"SRANDMEMBER none -9223372036854775807", "*0\r\n", "keymiss@0:none "},
    {"SRANDMEMBER s x", "-ERR value is not an integer or out of range\r\n", ""},
    {"SRANDMEMBER s -9223372036854775808",
     "-ERR value is out of range, value must between -9223372036854775807 and "
     "9223372036854775807\r\n",
     ""},
    {"SRANDMEMBER s 1 2", "-ERR syntax error\r\n", ""},
    {"SPOP s 0", "*0\r\n", ""},
    {"SPOP s -1", "-ERR value is out of range, must be positive\r\n", ""},
    {"SPOP s x", "-ERR value is out of range, must be positive\r\n", ""},
    {"SPOP s 1 2", "-ERR syntax error\r\n", ""},
    {"SPOP s", "$1\r\na\r\n", "spop@0:s del@0:s "},
    {"SADD s 1 2 3", ":3\r\n", "new@0:s sadd@0:s "},
    {"SPOP s 9223372036854775807", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n", "spop@0:s del@0:s "},
    {"EXISTS s", ":0\r\n", "keymiss@0:s "},
    {"SADD s 1 1 1", ":1\r\n", "new@0:s sadd@0:s "},
    {"SPOP s 1", "*1\r\n$1\r\n1\r\n", "spop@0:s del@0:s "},
    {0},
};

static const step combined[] = {
    {"SADD a 1 2 3 4", ":4\r\n", "new@0:a sadd@0:a "},
    {"SADD b 3 4 5", ":3\r\n", "new@0:b sadd@0:b "},
    {"SINTER a b", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n", ""},
    {"SUNION a b", "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n", ""},
    {"SDIFF a b", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n", ""},
    {"SDIFF a a", "*0\r\n", ""},
    {"SDIFF none a", "*0\r\n", "keymiss@0:none "},
    {"SINTER a none", "*0\r\n", "keymiss@0:none "},
    {"SINTER a", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n", ""},
    {"SINTERCARD 2 a b", ":2\r\n", ""},
    {"SINTERCARD 2 a b LIMIT 1", ":1\r\n", ""},
    {"SINTERCARD 2 a b LIMIT 0", ":2\r\n", ""},
    {"SINTERCARD 2 a b limit 9 LIMIT 1", ":1\r\n", ""},
    {"SINTERCARD 0 a", "-ERR numkeys should be greater than 0\r\n", ""},
    {"SINTERCARD x a", "-ERR numkeys should be greater than 0\r\n", ""},
    {"SINTERCARD 2 a", "-ERR Number of keys can't be greater than number of args\r\n", ""},
    {"SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative\r\n", ""},
    {"SINTERCARD 1 a LIMIT", "-ERR syntax error\r\n", ""},
    {"SINTERCARD 1 a b", "-ERR syntax error\r\n", ""},
    {"SINTERSTORE d a b", ":2\r\n", "new@0:d sinterstore@0:d "},
    {"SUNIONSTORE d a b", ":5\r\n", "sunionstore@0:d "},
    {"SDIFFSTORE d a b", ":2\r\n", "sdiffstore@0:d "},
    {"SMEMBERS d", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n", ""},
    {"SDIFFSTORE d d d", ":0\r\n", "del@0:d "},
    {"SDIFFSTORE d d d", ":0\r\n", "keymiss@0:d keymiss@0:d "},
    {"SINTERSTORE a a b", ":2\r\n", "sinterstore@0:a "},
    {"SMEMBERS a", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n", ""},
    {"EXPIRE a 100", ":1\r\n", "expire@0:a "},
    {"SUNIONSTORE a a b", ":3\r\n", "sunionstore@0:a "},
    {"TTL a", ":-1\r\n", ""},
    {"SADD t x y", ":2\r\n", "new@0:t sadd@0:t "},
    {"SUNIONSTORE d t a", ":5\r\n", "new@0:d sunionstore@0:d "},
    {"SMEMBERS d", "*5\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n", ""},
    {0},
};

static const step scans[] = {
    {"SSCAN none 0", "*2\r\n$1\r\n0\r\n*0\r\n", "keymiss@0:none "},
    {"SSCAN none x", "-ERR invalid cursor\r\n", ""},
    {"SSCAN none 0 COUNT 0", "*2\r\n$1\r\n0\r\n*0\r\n", "keymiss@0:none "},
    {"SADD s b a 12", ":3\r\n", "new@0:s sadd@0:s "},
    {"SSCAN s 0", "*2\r\n$1\r\n0\r\n*3\r\n$1\r\nb\r\n$1\r\na\r\n$2\r\n12\r\n", ""},
    {"SSCAN s 5 COUNT 1", "*2\r\n$1\r\n0\r\n*3\r\n$1\r\nb\r\n$1\r\na\r\n$2\r\n12\r\n", ""},
    {"SSCAN s 0 MATCH 1*", "*2\r\n$1\r\n0\r\n*1\r\n$2\r\n12\r\n", ""},
    {"SSCAN s 0 COUNT 0", "-ERR syntax error\r\n", ""},
    {"SSCAN s 0 TYPE set", "-ERR syntax error\r\n", ""},
    {0},
};

#define SCRIPT(name)                                                                               \
    static void run_##name(void **state) {                                                         \
        (void)state;                                                                               \
        script_run(name, tables);                                                                  \
    }
SCRIPT(members)
SCRIPT(wrong_types)
SCRIPT(moves)
SCRIPT(random_ones)
SCRIPT(combined)
SCRIPT(scans)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_members),  cmocka_unit_test(run_wrong_types),
        cmocka_unit_test(run_moves),    cmocka_unit_test(run_random_ones),
        cmocka_unit_test(run_combined), cmocka_unit_test(run_scans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
