/* DUMP and RESTORE: replies and events to the byte. (MIGRATE, which needs another server, is in
 * tests/integration/test_migrate.py.) */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"

static const command *const tables[] = {dump_commands, string_commands, keys_commands,
                                        list_commands, set_commands,    NULL};

/* Payloads as an inline command has them: a string, a list of a and b; one that ends too soon, one
 * of a version that is too new, a set with a member twice, one without any. */
#define VAL                                                                                        \
    "\"\\x00\\x05\\x76\\x61\\x6c\\x75\\x65\\x0a\\x00\\x81\\xf6\\xc1\\x38\\xc1\\xaa\\x9b\\x6e\""
#define LIST "\"\\x01\\x02\\x01\\x61\\x01\\x62\\x0a\\x00\\x32\\xa8\\x90\\x7e\\xd5\\x03\\x1a\\x45\""
#define BAD  "\"\\x01\\x02\\x01\\x61\\x0a\\x00\\xd7\\xd7\\xb9\\x3f\\x11\\xee\\xe9\\x3d\""
#define NEW                                                                                        \
    "\"\\x00\\x05\\x76\\x61\\x6c\\x75\\x65\\x0d\\x00\\x23\\x5f\\x48\\x8b\\xc6\\x1f\\xec\\xae\""
#define DUPS  "\"\\x02\\x02\\x01\\x61\\x01\\x61\\x0a\\x00\\x57\\xbe\\x76\\x2f\\xc2\\xd6\\x52\\x3a\""
#define EMPTY "\"\\x02\\x00\\x0a\\x00\\x3a\\xce\\x39\\x00\\x9b\\x89\\x39\\xe8\""

#define BUSY   "-BUSYKEY Target key name already exists.\r\n"
#define BAD_IT "-ERR Bad data format\r\n"
#define FOOTER "-ERR DUMP payload version or checksum are wrong\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define INT    "-ERR value is not an integer or out of range\r\n"

static const step restores[] = {
    {"RESTORE k 0 " VAL, "+OK\r\n", "new@0:k restore@0:k "},
    {"GET k", "$5\r\nvalue\r\n", ""},
    {"TTL k", ":-1\r\n", ""},
    {"RESTORE k 0 " VAL, BUSY, ""},
    {"RESTORE k x " VAL, BUSY, ""},
    {"RESTORE k 0 " LIST " REPLACE", "+OK\r\n", "restore@0:k "},
    {"LRANGE k 0 -1", "*2\r\n$1\r\na\r\n$1\r\nb\r\n", ""},
    {"RESTORE k 5000 " VAL " replace", "+OK\r\n", "restore@0:k "},
    {"PTTL k", ":5000\r\n", ""},
    {"RESTORE k 1700000009000 " VAL " REPLACE ABSTTL", "+OK\r\n", "restore@0:k "},
    {"PTTL k", ":9000\r\n", ""},
    {"RESTORE k 1700000000000 " VAL " REPLACE ABSTTL", "+OK\r\n", "del@0:k "},
    {"EXISTS k", ":0\r\n", "keymiss@0:k "},
    {"RESTORE k 1000 " VAL " ABSTTL", "+OK\r\n", ""},
    {"EXISTS k", ":0\r\n", "keymiss@0:k "},
    {"RESTORE-ASKING k 0 " VAL, "+OK\r\n", "new@0:k restore@0:k "},
    {0},
};

static const step refusals[] = {
    {"SET k old", "+OK\r\n", "new@0:k set@0:k "},
    {"RESTORE n x " VAL, INT, ""},
    {"RESTORE n -1 " VAL, "-ERR Invalid TTL value, must be >= 0\r\n", ""},
    {"RESTORE n 0 " BAD, BAD_IT, ""},
    {"RESTORE n 0 " DUPS, BAD_IT, ""},
    {"RESTORE n 0 " EMPTY, BAD_IT, ""},
    {"RESTORE n 0 " NEW, FOOTER, ""},
    {"RESTORE n 0 short", FOOTER, ""},
    {"RESTORE n 0 \"\"", FOOTER, ""},
    {"RESTORE k 0 " BAD " REPLACE", BAD_IT, ""},
    {"GET k", "$3\r\nold\r\n", ""},
    {"RESTORE n 0 " VAL " FREQ 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n", ""},
    {"RESTORE n 0 " VAL " FREQ -1", "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n", ""},
    {"RESTORE n 0 " VAL " FREQ x", INT, ""},
    {"RESTORE n 0 " VAL " IDLETIME -1", "-ERR Invalid IDLETIME value, must be >= 0\r\n", ""},
    {"RESTORE n 0 " VAL " IDLETIME 1 FREQ 1", SYNTAX, ""},
    {"RESTORE n 0 " VAL " IDLETIME", SYNTAX, ""},
    {"RESTORE n 0 " VAL " WHAT", SYNTAX, ""},
    {"RESTORE n 0", "-ERR wrong number of arguments for 'restore' command\r\n", ""},
    {"EXISTS n", ":0\r\n", "keymiss@0:n "},
    {0},
};

static const step dumps[] = {
    {"DUMP none", "$-1\r\n", "keymiss@0:none "},
    {"SET k value", "+OK\r\n", "new@0:k set@0:k "},
    {"SADD s 1 2 3", ":3\r\n", "new@0:s sadd@0:s "},
    {"DUMP", "-ERR wrong number of arguments for 'dump' command\r\n", ""},
    {"DUMP k", "$17\r\n", ""}, /* compared as far as its first byte, the type, which is 0 */
    {"DUMP s", "$26\r\n\013\016\002", ""},
    {0},
};

/* Each is run by itself, and again with reads that are often pending. */
static void run_restores(void **state) {
    (void)state;
    script_run(restores, tables);
}
static void run_refusals(void **state) {
    (void)state;
    script_run(refusals, tables);
}
static void run_dumps(void **state) {
    (void)state;
    script_run(dumps, tables);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_restores),
        cmocka_unit_test(run_refusals),
        cmocka_unit_test(run_dumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
