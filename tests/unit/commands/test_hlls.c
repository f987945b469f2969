/* The HyperLogLog commands: replies, events and bytes, as redis-server has them. */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"

static const command *const tables[] = {string_commands, hll_commands, keys_commands,
                                        connection_commands, NULL};

#define NOT_ONE "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"
#define BROKEN  "-INVALIDOBJ Corrupted HLL object detected\r\n"

static const step sparse[] = {
    {"PFADD a x y", ":1\r\n", "new@0:a pfadd@0:a "},
    {"PFADD a x", ":0\r\n", ""},
    {"PFADD a", ":0\r\n", ""},
    {"GETRANGE a 0 4", "$5\r\nHYLL\1\r\n", ""},
    {"PFDEBUG DECODE a", "$30\r\nZ:14932 v:3,1 Z:1441 v:2,1 z:9\r\n", ""},
    {"PFDEBUG encoding a", "+sparse\r\n", ""},
    {"GETRANGE a 15 15", "$1\r\n\x80\r\n", ""},
    {"PFCOUNT a", ":2\r\n", ""},
    {"GETRANGE a 8 8", "$1\r\n\2\r\n", ""},
    {"PFADD b", ":1\r\n", "new@0:b pfadd@0:b "},
    {"PFCOUNT b", ":0\r\n", ""},
    {"PFCOUNT none", ":0\r\n", "keymiss@0:none "},
    {"PFCOUNT none a b", ":2\r\n", "keymiss@0:none "},
    {"PFADD b y z", ":1\r\n", "pfadd@0:b "},
    {"PFCOUNT a b", ":3\r\n", ""},
    {"OBJECT ENCODING a", "$3\r\nraw\r\n", ""},
    {"EXPIRE a 1000", ":1\r\n", "expire@0:a "},
    {"PFADD a q", ":1\r\n", "pfadd@0:a "},
    {"TTL a", ":1000\r\n", ""},
    {0},
};

static const step merging[] = {
    {"PFADD a x y", ":1\r\n", "new@0:a pfadd@0:a "},
    {"PFADD b y z", ":1\r\n", "new@0:b pfadd@0:b "},
    {"PFMERGE d a b", "+OK\r\n", "keymiss@0:d new@0:d pfadd@0:d "},
    {"PFCOUNT d", ":3\r\n", ""},
    {"PFMERGE e", "+OK\r\n", "keymiss@0:e new@0:e pfadd@0:e "},
    {"STRLEN e", ":18\r\n", ""},
    {"PFDEBUG TODENSE e", ":1\r\n", ""},
    {"PFDEBUG TODENSE e", ":0\r\n", ""},
    {"STRLEN e", ":12304\r\n", ""},
    {"PFDEBUG ENCODING e", "+dense\r\n", ""},
    {"PFDEBUG DECODE e", "-ERR HLL encoding is not sparse\r\n", ""},
    {"PFMERGE e d none", "+OK\r\n", "keymiss@0:none pfadd@0:e "},
    {"PFCOUNT e", ":3\r\n", ""},
    {"PFMERGE d e", "+OK\r\n", "pfadd@0:d "},
    {"STRLEN d", ":12304\r\n", ""},
    {"PFADD d x y z", ":0\r\n", ""},
    {"PFADD d w", ":1\r\n", "pfadd@0:d "},
    {"PFCOUNT d", ":4\r\n", ""},
    {0},
};

static const step wrong[] = {
    {"SET s hello", "+OK\r\n", "new@0:s set@0:s "},
    {"PFADD s a", NOT_ONE, ""},
    {"PFCOUNT s", NOT_ONE, ""},
    {"PFMERGE a s", NOT_ONE, "keymiss@0:a "},
    {"PFDEBUG ENCODING s", NOT_ONE, ""},
    {"SET s HYLL", "+OK\r\n", "set@0:s "},
    {"PFCOUNT a s", NOT_ONE, "keymiss@0:a "},
    {"SET s \"HYLL\\x02aaaaaaaaaaaaa\"", "+OK\r\n", "set@0:s "},
    {"PFADD s a", NOT_ONE, ""},
    {"SET s \"HYLL\\x00aaaaaaaaaaaaa\"", "+OK\r\n", "set@0:s "},
    {"PFADD s a", NOT_ONE, ""},
    {"SET s \"HYLL\\x01aaaaaaaaaa\\x80\\x7f\"", "+OK\r\n", "set@0:s "},
    {"PFADD s a", BROKEN, ""},
    {"PFCOUNT s", BROKEN, ""},
    {"PFCOUNT a s", BROKEN, "keymiss@0:a "},
    {"PFMERGE a s", BROKEN, "keymiss@0:a "},
    {"PFDEBUG TODENSE s", BROKEN, ""},
    {"PFDEBUG GETREG s", BROKEN, ""},
    {"SET s \"HYLL\\x01aaaaaaaaaa\\x80\\x7f\\xff\\x00\"", "+OK\r\n", "set@0:s "},
    {"PFCOUNT s", BROKEN, ""},
    {"PFDEBUG ENCODING none", "-ERR The specified key does not exist\r\n", ""},
    {"PFDEBUG foo s", "-ERR Unknown PFDEBUG subcommand 'foo'\r\n", ""},
    {"PFDEBUG foo", "-ERR wrong number of arguments for 'pfdebug' command\r\n", ""},
    {"PFADD", "-ERR wrong number of arguments for 'pfadd' command\r\n", ""},
    {"PFSELFTEST", "+OK\r\n", ""},
    {0},
};

static void all(void **state) {
    (void)state;
    script_run(sparse, tables);
    script_run(merging, tables);
    script_run(wrong, tables);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
