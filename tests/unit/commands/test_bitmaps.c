/* The bitmap commands: replies and events to the byte. */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"

static const command *const tables[] = {string_commands, bitmap_commands, keys_commands,
                                        connection_commands, NULL};

static const step one_bit[] = {
    {"SETBIT k 7 1", ":0\r\n", "new@0:k setbit@0:k "},
    {"SETBIT k 7 1", ":1\r\n", ""},
    {"GETBIT k 7", ":1\r\n", ""},
    {"GETBIT k 6", ":0\r\n", ""},
    {"GETBIT k 10000", ":0\r\n", ""},
    {"GETBIT none 0", ":0\r\n", "keymiss@0:none "},
    {"SETBIT k 7 0", ":1\r\n", "setbit@0:k "},
    {"SETBIT k 100 0", ":0\r\n", "setbit@0:k "},
    {"STRLEN k", ":13\r\n", ""},
    {"SETBIT k -1 1", "-ERR bit offset is not an integer or out of range\r\n", ""},
    {"SETBIT k 4294967296 1", "-ERR bit offset is not an integer or out of range\r\n", ""},
    {"SETBIT k x 1", "-ERR bit offset is not an integer or out of range\r\n", ""},
    {"SETBIT k 1 2", "-ERR bit is not an integer or out of range\r\n", ""},
    {"SETBIT k 1 x", "-ERR bit is not an integer or out of range\r\n", ""},
    {"GETBIT k -1", "-ERR bit offset is not an integer or out of range\r\n", ""},
    {"GETBIT k 4294967296", "-ERR bit offset is not an integer or out of range\r\n", ""},
    {"SETBIT k 1", "-ERR wrong number of arguments for 'setbit' command\r\n", ""},
    {"SETBIT k 01 1", "-ERR bit offset is not an integer or out of range\r\n", ""},
    {0},
};

static const step counting[] = {
    {"SET k foobar", "+OK\r\n", "new@0:k set@0:k "},
    {"BITCOUNT k", ":26\r\n", ""},
    {"BITCOUNT k 0 0", ":4\r\n", ""},
    {"BITCOUNT k 1 1", ":6\r\n", ""},
    {"BITCOUNT k 1 1 BYTE", ":6\r\n", ""},
    {"BITCOUNT k 5 30 BIT", ":17\r\n", ""},
    {"BITCOUNT k -6 -4 bit", ":2\r\n", ""},
    {"BITCOUNT k -2 -1", ":7\r\n", ""},
    {"BITCOUNT k -1 -2", ":0\r\n", ""},
    {"BITCOUNT k -100 -50", ":4\r\n", ""},
    {"BITCOUNT k -50 -100", ":0\r\n", ""},
    {"BITCOUNT k 3 1", ":0\r\n", ""},
    {"BITCOUNT k 100 200", ":0\r\n", ""},
    {"BITCOUNT none", ":0\r\n", "keymiss@0:none "},
    {"BITCOUNT none 0 -1", ":0\r\n", "keymiss@0:none "},
    {"BITCOUNT k 0", "-ERR syntax error\r\n", ""},
    {"BITCOUNT k x 1", "-ERR value is not an integer or out of range\r\n", ""},
    {"BITCOUNT k 0 1 foo", "-ERR syntax error\r\n", ""},
    {"BITCOUNT k 0 1 BIT x", "-ERR syntax error\r\n", ""},
    {"SET e \"\"", "+OK\r\n", "new@0:e set@0:e "},
    {"BITCOUNT e", ":0\r\n", ""},
    {"BITCOUNT e 0 -1", ":0\r\n", ""},
    {"BITCOUNT e 0 -1 BIT", ":0\r\n", ""},
    {0},
};

static const step finding[] = {
    {"SET k \"\\xff\\xf0\\x01\"", "+OK\r\n", "new@0:k set@0:k "},
    {"BITPOS k 0", ":12\r\n", ""},
    {"BITPOS k 1", ":0\r\n", ""},
    {"BITPOS k 1 2", ":23\r\n", ""},
    {"BITPOS k 0 0 0", ":-1\r\n", ""},
    {"BITPOS k 0 0", ":12\r\n", ""},
    {"BITPOS k 1 1 1", ":8\r\n", ""},
    {"BITPOS k 1 12 -1 BIT", ":23\r\n", ""},
    {"BITPOS k 0 2 3 BIT", ":-1\r\n", ""},
    {"BITPOS k 1 -1 -1", ":23\r\n", ""},
    {"BITPOS k 1 -100 -50", ":0\r\n", ""},
    {"BITPOS k 1 3", ":-1\r\n", ""},
    {"BITPOS k 1 2 1", ":-1\r\n", ""},
    {"SET ones \"\\xff\\xff\\xff\"", "+OK\r\n", "new@0:ones set@0:ones "},
    {"BITPOS ones 0", ":24\r\n", ""},
    {"BITPOS ones 0 0", ":24\r\n", ""},
    {"BITPOS ones 0 0 -1", ":-1\r\n", ""},
    {"BITPOS ones 0 2 2", ":-1\r\n", ""},
    {"BITPOS ones 0 7 15 BIT", ":-1\r\n", ""},
    {"BITPOS ones 0 3", ":-1\r\n", ""},
    {"BITPOS ones 0 2", ":24\r\n", ""},
    {"BITPOS none 0", ":0\r\n", "keymiss@0:none "},
    {"BITPOS none 1", ":-1\r\n", "keymiss@0:none "},
    {"BITPOS none 0 5", ":0\r\n", "keymiss@0:none "},
    {"SET e \"\"", "+OK\r\n", "new@0:e set@0:e "},
    {"BITPOS e 0", ":-1\r\n", ""},
    {"BITPOS e 1", ":-1\r\n", ""},
    {"BITPOS e 0 0 -1", ":-1\r\n", ""},
    {"BITPOS k 2", "-ERR The bit argument must be 1 or 0.\r\n", ""},
    {"BITPOS k x", "-ERR value is not an integer or out of range\r\n", ""},
    {"BITPOS k 1 x", "-ERR value is not an integer or out of range\r\n", ""},
    {"BITPOS k 1 0 x", "-ERR value is not an integer or out of range\r\n", ""},
    {"BITPOS k 1 0 1 foo", "-ERR syntax error\r\n", ""},
    {"BITPOS k 1 0 1 BIT x", "-ERR syntax error\r\n", ""},
    {0},
};

static const step combining[] = {
    {"MSET a foobar b abcdef short \"\\x0f\"", "+OK\r\n",
     "new@0:a set@0:a new@0:b set@0:b new@0:short set@0:short "},
    {"BITOP AND d a b", ":6\r\n", "new@0:d set@0:d "},
    {"GET d", "$6\r\n`bc`ab\r\n", ""},
    {"BITOP OR d a b", ":6\r\n", "set@0:d "},
    {"GET d", "$6\r\ngoofev\r\n", ""},
    {"BITOP XOR d a short", ":6\r\n", "set@0:d "},
    {"STRLEN d", ":6\r\n", ""},
    {"BITOP XOR d d d", ":6\r\n", "set@0:d "},
    {"STRLEN d", ":6\r\n", ""},
    {"BITCOUNT d", ":0\r\n", ""},
    {"BITOP NOT d short", ":1\r\n", "set@0:d "},
    {"GET d", "$1\r\n\xf0\r\n", ""},
    {"BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key.\r\n", ""},
    {"BITOP AND d a", ":6\r\n", "set@0:d "},
    {"GET d", "$6\r\nfoobar\r\n", ""},
    {"BITOP and d a none", ":6\r\n", "keymiss@0:none set@0:d "},
    {"BITCOUNT d", ":0\r\n", ""},
    {"STRLEN d", ":6\r\n", ""},
    {"BITOP OR d none none2", ":0\r\n", "keymiss@0:none keymiss@0:none2 del@0:d "},
    {"EXISTS d", ":0\r\n", "keymiss@0:d "},
    {"BITOP OR d none", ":0\r\n", "keymiss@0:none "},
    {"SET t x EX 100", "+OK\r\n", "new@0:t set@0:t expire@0:t "},
    {"BITOP OR t a", ":6\r\n", "set@0:t "},
    {"TTL t", ":-1\r\n", ""},
    {"BITOP NAND d a b", "-ERR syntax error\r\n", ""},
    {"BITOP AND d", "-ERR wrong number of arguments for 'bitop' command\r\n", ""},
    {"SET e \"\"", "+OK\r\n", "new@0:e set@0:e "},
    {"BITOP NOT t e", ":0\r\n", "del@0:t "},
    {"EXISTS t", ":0\r\n", "keymiss@0:t "},
    {"OBJECT ENCODING b", "$6\r\nembstr\r\n", ""},
    {"BITOP OR b a", ":6\r\n", "set@0:b "},
    {"OBJECT ENCODING b", "$3\r\nraw\r\n", ""},
    {0},
};

static const step fields[] = {
    {"BITFIELD k SET u8 0 255 GET u8 0 INCRBY u8 0 1", "*3\r\n:0\r\n:255\r\n:0\r\n",
     "new@0:k setbit@0:k "},
    {"BITFIELD k OVERFLOW SAT INCRBY u8 0 300", "*1\r\n:255\r\n", "setbit@0:k "},
    {"BITFIELD k OVERFLOW FAIL INCRBY u8 0 1 INCRBY u8 0 -5", "*2\r\n$-1\r\n:250\r\n",
     "setbit@0:k "},
    {"BITFIELD k SET i8 #1 -1 GET i8 8 GET u8 #1", "*3\r\n:0\r\n:-1\r\n:255\r\n", "setbit@0:k "},
    {"BITFIELD k INCRBY i5 100 1 GET u4 0", "*2\r\n:1\r\n:15\r\n", "setbit@0:k "},
    {"BITFIELD k OVERFLOW WRAP INCRBY i8 0 127 OVERFLOW SAT INCRBY i8 0 127 OVERFLOW FAIL INCRBY "
     "i8 0 127",
     "*3\r\n:121\r\n:127\r\n$-1\r\n", "setbit@0:k "},
    {"BITFIELD k SET i64 0 -9223372036854775808", "*1\r\n:9223090561878065152\r\n", "setbit@0:k "},
    {"BITFIELD k INCRBY i64 0 -1", "*1\r\n:9223372036854775807\r\n", "setbit@0:k "},
    {"BITFIELD k OVERFLOW FAIL INCRBY i64 0 1", "*1\r\n$-1\r\n", ""},
    {"BITFIELD k SET u63 3 9223372036854775807 GET u63 3 GET i64 3",
     "*3\r\n:9223372036854775804\r\n:9223372036854775807\r\n:-2\r\n", "setbit@0:k "},
    {"BITFIELD k SET u8 0 -1", "*1\r\n:127\r\n", "setbit@0:k "},
    {"BITFIELD k OVERFLOW SAT SET u8 0 -1", "*1\r\n:255\r\n", ""},
    {"BITFIELD k OVERFLOW SAT SET i8 0 1000", "*1\r\n:-1\r\n", "setbit@0:k "},
    {"BITFIELD k", "*0\r\n", ""},
    {"BITFIELD none", "*0\r\n", "keymiss@0:none "},
    {"EXISTS none", ":0\r\n", "keymiss@0:none "},
    {"BITFIELD none GET u8 0 GET i64 1000", "*2\r\n:0\r\n:0\r\n", "keymiss@0:none "},
    {"EXISTS none", ":0\r\n", "keymiss@0:none "},
    {"BITFIELD new OVERFLOW FAIL SET u2 0 9", "*1\r\n$-1\r\n", "new@0:new "},
    {"STRLEN new", ":1\r\n", ""},
    {"BITFIELD k GET u64 0",
     "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
     "i64 is.\r\n",
     ""},
    {"BITFIELD k GET i65 0",
     "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
     "i64 is.\r\n",
     ""},
    {"BITFIELD k GET x8 0",
     "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
     "i64 is.\r\n",
     ""},
    {"BITFIELD k GET u8 -1", "-ERR bit offset is not an integer or out of range\r\n", ""},
    {"BITFIELD k GET u8 #-1", "-ERR bit offset is not an integer or out of range\r\n", ""},
    {"BITFIELD k GET u8 4294967296", "-ERR bit offset is not an integer or out of range\r\n", ""},
    {"BITFIELD k GET u8 #536870912", "-ERR bit offset is not an integer or out of range\r\n", ""},
    {"BITFIELD k GET u8", "-ERR syntax error\r\n", ""},
    {"BITFIELD k SET u8 0", "-ERR syntax error\r\n", ""},
    {"BITFIELD k SET u8 0 x", "-ERR value is not an integer or out of range\r\n", ""},
    {"BITFIELD k INCRBY u8 0 9223372036854775808",
     "-ERR value is not an integer or out of range\r\n", ""},
    {"BITFIELD k OVERFLOW", "-ERR syntax error\r\n", ""},
    {"BITFIELD k OVERFLOW foo", "-ERR Invalid OVERFLOW type specified\r\n", ""},
    {"BITFIELD k FOO u8 0", "-ERR syntax error\r\n", ""},
    {"BITFIELD_RO k GET u8 0 GET u4 #1", "*2\r\n:127\r\n:15\r\n", ""},
    {"BITFIELD_RO none GET u8 0", "*1\r\n:0\r\n", "keymiss@0:none "},
    {"BITFIELD_RO k SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n", ""},
    {"BITFIELD_RO k OVERFLOW SAT GET u8 0", "*1\r\n:127\r\n", ""},
    {"BITFIELD_RO k INCRBY u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n", ""},
    {0},
};

static void one_bit_test(void **state) {
    (void)state;
    script_run(one_bit, tables);
}

static void counting_test(void **state) {
    (void)state;
    script_run(counting, tables);
}

static void finding_test(void **state) {
    (void)state;
    script_run(finding, tables);
}

static void combining_test(void **state) {
    (void)state;
    script_run(combining, tables);
}

static void fields_test(void **state) {
    (void)state;
    script_run(fields, tables);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bit_test), cmocka_unit_test(counting_test),
        cmocka_unit_test(finding_test), cmocka_unit_test(combining_test),
        cmocka_unit_test(fields_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
