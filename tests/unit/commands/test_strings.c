/* The string commands: replies and events to the byte. */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"

static const command *const tables[] = {string_commands, bitmap_commands, keys_commands,
                                        connection_commands, NULL};

static const step set_and_get[] = {
    {"GET k", "$-1\r\n", "keymiss@0:k "},
    {"SET k v", "+OK\r\n", "new@0:k set@0:k "},
    {"GET k", "$1\r\nv\r\n", ""},
    {"STRLEN k", ":1\r\n", ""},
    {"STRLEN none", ":0\r\n", "keymiss@0:none "},
    {"SET k v2 NX", "$-1\r\n", ""},
    {"GET k", "$1\r\nv\r\n", ""},
    {"SET k v3 XX", "+OK\r\n", "set@0:k "},
    {"SET other v XX", "$-1\r\n", ""},
    {"GET k", "$2\r\nv3\r\n", ""},
    {"SET k v4 GET", "$2\r\nv3\r\n", "set@0:k "},
    {"SET new v GET", "$-1\r\n", "keymiss@0:new new@0:new set@0:new "},
    {"SET new w NX GET", "$1\r\nv\r\n", ""},
    {"SET new2 w NX GET", "$-1\r\n", "keymiss@0:new2 new@0:new2 set@0:new2 "},
    {"SET k v5 XX GET", "$2\r\nv4\r\n", "set@0:k "},
    {"SET k v6 EX 100", "+OK\r\n", "set@0:k expire@0:k "},
    {"TTL k", ":100\r\n", ""},
    {"SET k v7 KEEPTTL", "+OK\r\n", "set@0:k "},
    {"TTL k", ":100\r\n", ""},
    {"SET k v8", "+OK\r\n", "set@0:k "},
    {"TTL k", ":-1\r\n", ""},
    {"SET k v PX 100000", "+OK\r\n", "set@0:k expire@0:k "},
    {"TTL k", ":100\r\n", ""},
    {"SET k v EXAT 33177117420", "+OK\r\n", "set@0:k expire@0:k "},
    {"EXPIRETIME k", ":33177117420\r\n", ""},
    {"SET k v PXAT 33177117420123", "+OK\r\n", "set@0:k expire@0:k "},
    {"PEXPIRETIME k", ":33177117420123\r\n", ""},
    {"SET k v GET KEEPTTL", "$1\r\nv\r\n", "set@0:k "},
    {"PEXPIRETIME k", ":33177117420123\r\n", ""},
    {"set K \"with space and \\\"quotes\\\"\"", "+OK\r\n", "new@0:K set@0:K "},
    {"get K", "$23\r\nwith space and \"quotes\"\r\n", ""},
    {"SET \"\" empty", "+OK\r\n", "new@0: set@0: "},
    {"GET \"\"", "$5\r\nempty\r\n", ""},
    {"SET bin \"\\xff\\x01\"", "+OK\r\n", "new@0:bin set@0:bin "},
    {"GET bin", "$2\r\n\xff\x01\r\n", ""},
    {0},
};

static const step set_refuses[] = {
    {"SET k", "-ERR wrong number of arguments for 'set' command\r\n", ""},
    {"SET k v foo", "-ERR syntax error\r\n", ""},
    {"SET k v NX XX", "-ERR syntax error\r\n", ""},
    {"SET k v EX", "-ERR syntax error\r\n", ""},
    {"SET k v EX 10 PX 10", "-ERR syntax error\r\n", ""},
    {"SET k v EX 10 KEEPTTL", "-ERR syntax error\r\n", ""},
    {"SET k v PERSIST", "-ERR syntax error\r\n", ""},
    {"SET k v EX 0", "-ERR invalid expire time in 'set' command\r\n", ""},
    {"SET k v EX -1", "-ERR invalid expire time in 'set' command\r\n", ""},
    {"SET k v EX x", "-ERR value is not an integer or out of range\r\n", ""},
    {"SET k v PX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n", ""},
    {"SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n", ""},
    {"SET k v EXAT 0", "-ERR invalid expire time in 'set' command\r\n", ""},
    {"SET k v PXAT -5", "-ERR invalid expire time in 'set' command\r\n", ""},
    {"SET k v EX 10 EX 20", "+OK\r\n", "new@0:k set@0:k expire@0:k "},
    {"TTL k", ":20\r\n", ""},
    {"GET none extra", "-ERR wrong number of arguments for 'get' command\r\n", ""},
    {0},
};

static const step older_sets[] = {
    {"SETNX k 1", ":1\r\n", "new@0:k set@0:k "},
    {"SETNX k 2", ":0\r\n", ""},
    {"GET k", "$1\r\n1\r\n", ""},
    {"SETEX k 100 v", "+OK\r\n", "set@0:k expire@0:k "},
    {"TTL k", ":100\r\n", ""},
    {"PSETEX k 100000 w", "+OK\r\n", "set@0:k expire@0:k "},
    {"TTL k", ":100\r\n", ""},
    {"SETEX k 0 v", "-ERR invalid expire time in 'setex' command\r\n", ""},
    {"SETEX k x v", "-ERR value is not an integer or out of range\r\n", ""},
    {"PSETEX k -1 v", "-ERR invalid expire time in 'psetex' command\r\n", ""},
    {"SETEX k 9223372036854775807 v", "-ERR invalid expire time in 'setex' command\r\n", ""},
    {"GETSET k new", "$1\r\nw\r\n", "set@0:k "},
    {"TTL k", ":-1\r\n", ""},
    {"GETSET fresh first", "$-1\r\n", "keymiss@0:fresh new@0:fresh set@0:fresh "},
    {"GET fresh", "$5\r\nfirst\r\n", ""},
    {0},
};

static const step getdel_and_getex[] = {
    {"SET k v", "+OK\r\n", "new@0:k set@0:k "},
    {"GETDEL k", "$1\r\nv\r\n", "del@0:k "},
    {"GETDEL k", "$-1\r\n", "keymiss@0:k "},
    {"SET k v", "+OK\r\n", "new@0:k set@0:k "},
    {"GETEX k", "$1\r\nv\r\n", ""},
    {"TTL k", ":-1\r\n", ""},
    {"GETEX k EX 100", "$1\r\nv\r\n", "expire@0:k "},
    {"TTL k", ":100\r\n", ""},
    {"GETEX k PERSIST", "$1\r\nv\r\n", "persist@0:k "},
    {"TTL k", ":-1\r\n", ""},
    {"GETEX k PERSIST", "$1\r\nv\r\n", ""},
    {"GETEX k PXAT 33177117420123", "$1\r\nv\r\n", "expire@0:k "},
    {"PEXPIRETIME k", ":33177117420123\r\n", ""},
    {"GETEX k EXAT 1", "$1\r\nv\r\n", "del@0:k "},
    {"EXISTS k", ":0\r\n", "keymiss@0:k "},
    {"GETEX none EX 10", "$-1\r\n", "keymiss@0:none "},
    {"GETEX none EX 0", "$-1\r\n", "keymiss@0:none "},
    {"SET k v", "+OK\r\n", "new@0:k set@0:k "},
    {"GETEX k EX 0", "-ERR invalid expire time in 'getex' command\r\n", ""},
    {"GETEX k EX x", "-ERR value is not an integer or out of range\r\n", ""},
    {"GETEX k EX 1 PERSIST", "-ERR syntax error\r\n", ""},
    {"GETEX k KEEPTTL", "-ERR syntax error\r\n", ""},
    {"GETEX k NX", "-ERR syntax error\r\n", ""},
    {"GETEX k EX", "-ERR syntax error\r\n", ""},
    {0},
};

static const step several_keys[] = {
    {"MSET a 1 b 2 c 3", "+OK\r\n", "new@0:a set@0:a new@0:b set@0:b new@0:c set@0:c "},
    {"MGET a b none c", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n$1\r\n3\r\n", "keymiss@0:none "},
    {"MGET a", "*1\r\n$1\r\n1\r\n", ""},
    {"MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n", ""},
    {"MSET a", "-ERR wrong number of arguments for 'mset' command\r\n", ""},
    {"MSETNX c 1 d 2", ":0\r\n", ""},
    {"GET d", "$-1\r\n", "keymiss@0:d "},
    {"MSETNX d 1 e 2", ":1\r\n", "new@0:d set@0:d new@0:e set@0:e "},
    {"MGET d e", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n", ""},
    {"MSET a 1 a 2", "+OK\r\n", "set@0:a set@0:a "},
    {"GET a", "$1\r\n2\r\n", ""},
    {"MSETNX x 1 x 2", ":1\r\n", "new@0:x set@0:x set@0:x "},
    {"GET x", "$1\r\n2\r\n", ""},
    {"MSETNX y", "-ERR wrong number of arguments for 'msetnx' command\r\n", ""},
    {0},
};

static const step append_and_ranges[] = {
    {"APPEND k hello", ":5\r\n", "new@0:k append@0:k "},
    {"APPEND k \" world\"", ":11\r\n", "append@0:k "},
    {"GET k", "$11\r\nhello world\r\n", ""},
    {"APPEND k \"\"", ":11\r\n", "append@0:k "},
    {"GETRANGE k 0 4", "$5\r\nhello\r\n", ""},
    {"GETRANGE k -5 -1", "$5\r\nworld\r\n", ""},
    {"GETRANGE k 0 -1", "$11\r\nhello world\r\n", ""},
    {"GETRANGE k 5 2", "$0\r\n\r\n", ""},
    {"GETRANGE k -3 -8", "$0\r\n\r\n", ""},
    {"GETRANGE k -100 100", "$11\r\nhello world\r\n", ""},
    {"GETRANGE k 100 200", "$0\r\n\r\n", ""},
    {"GETRANGE none 0 -1", "$0\r\n\r\n", "keymiss@0:none "},
    {"SUBSTR k 6 8", "$3\r\nwor\r\n", ""},
    {"GETRANGE k x 1", "-ERR value is not an integer or out of range\r\n", ""},
    {"GETRANGE k 0 9223372036854775808", "-ERR value is not an integer or out of range\r\n", ""},
    {"SETRANGE k 6 there", ":11\r\n", "setrange@0:k "},
    {"GET k", "$11\r\nhello there\r\n", ""},
    {"SETRANGE k 0 \"\"", ":11\r\n", ""},
    {"SETRANGE none 0 \"\"", ":0\r\n", ""},
    {"EXISTS none", ":0\r\n", "keymiss@0:none "},
    {"SETRANGE k -1 x", "-ERR offset is out of range\r\n", ""},
    {"SETRANGE k x x", "-ERR value is not an integer or out of range\r\n", ""},
    {"SETRANGE k 536870911 xx", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n",
     ""},
    {"SETRANGE none 536870912 x",
     "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n", ""},
    {"SETRANGE k 3 XYZ", ":11\r\n", "setrange@0:k "},
    {"STRLEN k", ":11\r\n", ""},
    {0},
};

static const step counters[] = {
    {"INCR n", ":1\r\n", "new@0:n incrby@0:n "},
    {"INCRBY n 10", ":11\r\n", "incrby@0:n "},
    {"DECR n", ":10\r\n", "incrby@0:n "},
    {"DECRBY n 4", ":6\r\n", "incrby@0:n "},
    {"GET n", "$1\r\n6\r\n", ""},
    {"INCRBY n -100", ":-94\r\n", "incrby@0:n "},
    {"SET n 9223372036854775807", "+OK\r\n", "set@0:n "},
    {"INCR n", "-ERR increment or decrement would overflow\r\n", ""},
    {"DECRBY n -1", "-ERR increment or decrement would overflow\r\n", ""},
    {"DECRBY n -9223372036854775808", "-ERR decrement would overflow\r\n", ""},
    {"INCRBY n x", "-ERR value is not an integer or out of range\r\n", ""},
    {"INCRBY n 9223372036854775808", "-ERR value is not an integer or out of range\r\n", ""},
    {"SET n abc", "+OK\r\n", "set@0:n "},
    {"INCR n", "-ERR value is not an integer or out of range\r\n", ""},
    {"SET n \" 1\"", "+OK\r\n", "set@0:n "},
    {"INCR n", "-ERR value is not an integer or out of range\r\n", ""},
    {"SET n 1.5", "+OK\r\n", "set@0:n "},
    {"INCR n", "-ERR value is not an integer or out of range\r\n", ""},
    {"INCRBYFLOAT n 1.5", "$1\r\n3\r\n", "incrbyfloat@0:n "},
    {"INCRBYFLOAT n -3.25", "$5\r\n-0.25\r\n", "incrbyfloat@0:n "},
    {"INCRBYFLOAT n 1e2", "$5\r\n99.75\r\n", "incrbyfloat@0:n "},
    {"INCRBYFLOAT n x", "-ERR value is not a valid float\r\n", ""},
    {"INCRBYFLOAT n nan", "-ERR value is not a valid float\r\n", ""},
    {"INCRBYFLOAT n inf", "-ERR increment would produce NaN or Infinity\r\n", ""},
    {"INCRBYFLOAT fresh 0.1", "$3\r\n0.1\r\n", "new@0:fresh incrbyfloat@0:fresh "},
    {"SET n 100 EX 100", "+OK\r\n", "set@0:n expire@0:n "},
    {"INCR n", ":101\r\n", "incrby@0:n "},
    {"TTL n", ":100\r\n", ""},
    {"INCRBYFLOAT n 1", "$3\r\n102\r\n", "incrbyfloat@0:n "},
    {"TTL n", ":100\r\n", ""},
    {"SET n abc", "+OK\r\n", "set@0:n "},
    {"INCRBYFLOAT n 1", "-ERR value is not a valid float\r\n", ""},
    {0},
};

static const step encodings[] = {
    {"SET k 12", "+OK\r\n", "new@0:k set@0:k "},
    {"OBJECT ENCODING k", "$3\r\nint\r\n", ""},
    {"SET k 123456789012345678901", "+OK\r\n", "set@0:k "},
    {"OBJECT ENCODING k", "$6\r\nembstr\r\n", ""},
    {"SET k hello", "+OK\r\n", "set@0:k "},
    {"OBJECT ENCODING k", "$6\r\nembstr\r\n", ""},
    {"SET k xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "+OK\r\n", "set@0:k "},
    {"OBJECT ENCODING k", "$6\r\nembstr\r\n", ""},
    {"SET k xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "+OK\r\n", "set@0:k "},
    {"OBJECT ENCODING k", "$3\r\nraw\r\n", ""},
    {"SET k ab", "+OK\r\n", "set@0:k "},
    {"APPEND k c", ":3\r\n", "append@0:k "},
    {"OBJECT ENCODING k", "$3\r\nraw\r\n", ""},
    {"APPEND new 12", ":2\r\n", "new@0:new append@0:new "},
    {"OBJECT ENCODING new", "$3\r\nint\r\n", ""},
    {"SETRANGE r 0 12", ":2\r\n", "new@0:r setrange@0:r "},
    {"OBJECT ENCODING r", "$3\r\nraw\r\n", ""},
    {"INCR r", ":13\r\n", "incrby@0:r "},
    {"OBJECT ENCODING r", "$3\r\nint\r\n", ""},
    {"INCRBYFLOAT r 1", "$2\r\n14\r\n", "incrbyfloat@0:r "},
    {"OBJECT ENCODING r", "$6\r\nembstr\r\n", ""},
    {"INCRBYFLOAT r 0.5", "$4\r\n14.5\r\n", "incrbyfloat@0:r "},
    {"OBJECT ENCODING r", "$6\r\nembstr\r\n", ""},
    {"SETBIT b 1 1", ":0\r\n", "new@0:b setbit@0:b "},
    {"OBJECT ENCODING b", "$3\r\nraw\r\n", ""},
    {"SET b 1", "+OK\r\n", "set@0:b "},
    {"SETBIT b 2 1", ":1\r\n", ""},
    {"OBJECT ENCODING b", "$3\r\nraw\r\n", ""},
    {"SET b 1", "+OK\r\n", "set@0:b "},
    {"GETSET b 2", "$1\r\n1\r\n", "set@0:b "},
    {"OBJECT ENCODING b", "$3\r\nint\r\n", ""},
    {"COPY r r2", ":1\r\n", "new@0:r2 copy_to@0:r2 "},
    {"OBJECT ENCODING r2", "$6\r\nembstr\r\n", ""},
    {"SET e 12", "+OK\r\n", "new@0:e set@0:e "},
    {"EXPIRE e 100", ":1\r\n", "expire@0:e "},
    {"OBJECT ENCODING e", "$3\r\nint\r\n", ""},
    {"APPEND e \"\"", ":2\r\n", "append@0:e "},
    {"OBJECT ENCODING e", "$3\r\nraw\r\n", ""},
    {"RENAME e f", "+OK\r\n", "new@0:f rename_from@0:e rename_to@0:f "},
    {"OBJECT ENCODING f", "$3\r\nraw\r\n", ""},
    {"MSET m 5", "+OK\r\n", "new@0:m set@0:m "},
    {"OBJECT ENCODING m", "$3\r\nint\r\n", ""},
    {0},
};

static const step lcs[] = {
    {"MSET a ohmytext b mynewtext", "+OK\r\n", "new@0:a set@0:a new@0:b set@0:b "},
    {"LCS a b", "$6\r\nmytext\r\n", ""},
    {"LCS a b LEN", ":6\r\n", ""},
    {"LCS a b IDX",
     "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:2\r\n:"
     "3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n",
     ""},
    {"LCS a b IDX MINMATCHLEN 4",
     "*4\r\n$7\r\nmatches\r\n*1\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n$3\r\nlen\r\n:6\r\n",
     ""},
    {"LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
     "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:"
     "6\r\n",
     ""},
    {"LCS a b IDX WITHMATCHLEN",
     "*4\r\n$7\r\nmatches\r\n*2\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n*3\r\n*2\r\n:"
     "2\r\n:3\r\n*2\r\n:0\r\n:1\r\n:2\r\n$3\r\nlen\r\n:6\r\n",
     ""},
    {"LCS a b IDX LEN", "-ERR If you want both the length and indexes, please just use IDX.\r\n",
     ""},
    {"LCS a none", "$0\r\n\r\n", "keymiss@0:none "},
    {"LCS none none LEN", ":0\r\n", "keymiss@0:none keymiss@0:none "},
    {"LCS a none IDX", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n", "keymiss@0:none "},
    {"LCS a b MINMATCHLEN", "-ERR syntax error\r\n", ""},
    {"LCS a b MINMATCHLEN x", "-ERR value is not an integer or out of range\r\n", ""},
    {"LCS a b IDX MINMATCHLEN -3",
     "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:2\r\n:"
     "3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n",
     ""},
    {"LCS a b FOO", "-ERR syntax error\r\n", ""},
    {"LCS a", "-ERR wrong number of arguments for 'lcs' command\r\n", ""},
    {"LCS a b WITHMATCHLEN", "$6\r\nmytext\r\n", ""},
    {0},
};

static void set_and_get_test(void **state) {
    (void)state;
    script_run(set_and_get, tables);
}

static void set_refuses_test(void **state) {
    (void)state;
    script_run(set_refuses, tables);
}

static void older_sets_test(void **state) {
    (void)state;
    script_run(older_sets, tables);
}

static void getdel_and_getex_test(void **state) {
    (void)state;
    script_run(getdel_and_getex, tables);
}

static void several_keys_test(void **state) {
    (void)state;
    script_run(several_keys, tables);
}

static void append_and_ranges_test(void **state) {
    (void)state;
    script_run(append_and_ranges, tables);
}

static void counters_test(void **state) {
    (void)state;
    script_run(counters, tables);
}

static void encodings_test(void **state) {
    (void)state;
    script_run(encodings, tables);
}

static void lcs_test(void **state) {
    (void)state;
    script_run(lcs, tables);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_and_get_test),  cmocka_unit_test(set_refuses_test),
        cmocka_unit_test(older_sets_test),   cmocka_unit_test(getdel_and_getex_test),
        cmocka_unit_test(several_keys_test), cmocka_unit_test(append_and_ranges_test),
        cmocka_unit_test(counters_test),     cmocka_unit_test(encodings_test),
        cmocka_unit_test(lcs_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
