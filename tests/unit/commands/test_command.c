/* command: COMMAND over all tables of the folder: shapes as redis-server's, and every syntax
 * parses.
 */
#include "commands/commands.h"
#include "support/session_test.h"

#include <stdio.h>
#include <stdlib.h>

/* Walks one reply; returns what follows it. RESP2 has no maps and sets. */
static const char *walk(const char *p, int proto) {
    char type = *p++;
    long n = strtol(p, NULL, 10);
    const char *eol = strstr(p, "\r\n");
    assert_non_null(eol);
    const char *next = eol + 2;
    if (type == '+' || type == ':' || type == '_') return next;
    if (type == '$') return n < 0 ? next : next + n + 2;
    if (proto == 2)
        assert_int_equal(type, '*');
    else
        assert_true(type == '*' || type == '%' || type == '~');
    for (long i = 0; i < (type == '%' ? 2 * n : n); i++)
        next = walk(next, proto);
    return next;
}

static void info(void **state) {
    (void)state;
    ASK("COMMAND INFO GET nope\r\n",
        "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n"
        "+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n"
        "$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex"
        "\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\n"
        "lastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n$-1\r\n");
    c->proto = 3;
    ASK("COMMAND INFO GET nope\r\n",
        "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n~3\r\n"
        "+@read\r\n+@string\r\n+@fast\r\n~0\r\n~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+access\r\n"
        "$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex"
        "\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\n"
        "lastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n_\r\n");
    ASK("COMMAND INFO SELECT\r\n",
        "*1\r\n*10\r\n$6\r\nselect\r\n:2\r\n~3\r\n+loading\r\n+stale\r\n+fast\r\n:0\r\n:0\r\n:0\r\n"
        "~2\r\n+@fast\r\n+@connection\r\n~0\r\n~0\r\n~0\r\n");
}

static void whole(void **state) {
    (void)state;
    for (int proto = 2; proto <= 3; proto++) {
        static const char *const lines[] = {"COMMAND\r\n", "COMMAND INFO\r\n", "COMMAND DOCS\r\n",
                                            "COMMAND LIST\r\n"};
        c->proto = proto;
        for (int i = 0; i < 4; i++) {
            const char *reply = kit_ask(&k, end, lines[i]);
            assert_string_equal(walk(reply, proto), "");
            long n = strtol(reply + 1, NULL, 10);
            if (i == 3) /* with sub-commands */
                assert_int_equal(n, command_ids());
            else
                assert_int_equal(n, command_count() * (i == 2 && proto == 2 ? 2 : 1));
        }
    }
}

static void docs(void **state) {
    (void)state;
    c->proto = 3;
    ASK("COMMAND DOCS nope select\r\n",
        "%1\r\n$6\r\nselect\r\n%5\r\n$7\r\nsummary\r\n$39\r\nChanges the database of the "
        "connection."
        "\r\n$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$10\r\nconnection\r\n$"
        "10\r\ncomplexity\r\n"
        "$4\r\nO(1)\r\n$9\r\narguments\r\n*1\r\n%3\r\n$4\r\nname\r\n$5\r\nindex\r\n$4\r\ntype\r\n"
        "$7\r\ninteger\r\n$12\r\ndisplay_text\r\n$5\r\nindex\r\n");
    const char *quit = kit_ask(&k, end, "COMMAND DOCS quit\r\n");
    assert_non_null(strstr(quit,
                           "$9\r\ndoc_flags\r\n~1\r\n+deprecated\r\n"
                           "$16\r\ndeprecated_since\r\n$5\r\n7.2.0\r\n$11\r\nreplaced_by\r\n"));
    const char *container = kit_ask(&k, end, "COMMAND DOCS client\r\n");
    assert_non_null(strstr(container, "$11\r\nsubcommands\r\n%14\r\n$14\r\nclient|getname\r\n"));
    const char *pause = kit_ask(&k, end, "COMMAND DOCS client|pause\r\n");
    assert_non_null(strstr(pause,
                           "$7\r\nhistory\r\n~1\r\n*2\r\n$5\r\n6.2.0\r\n$24\r\nAdded `WRITE` "
                           "and `ALL`.\r\n"));
    ASK("COMMAND DOCS nope\r\n", "%0\r\n");
}

static void lists(void **state) {
    (void)state;
    char count[16];
    snprintf(count, sizeof count, ":%zu\r\n", command_count());
    ASK("COMMAND COUNT\r\n", count);
    ASK("COMMAND LIST FILTERBY PATTERN Mset*\r\n", "*2\r\n$4\r\nmset\r\n$6\r\nmsetnx\r\n");
    ASK("COMMAND LIST FILTERBY PATTERN client|i*\r\n",
        "*2\r\n$9\r\nclient|id\r\n$11\r\nclient|info\r\n");
    ASK("COMMAND LIST FILTERBY ACLCAT nope\r\n", "*0\r\n");
    assert_non_null(strstr(kit_ask(&k, end, "COMMAND LIST FILTERBY ACLCAT DANGEROUS\r\n"),
                           "$11\r\nclient|kill\r\n"));
    ASK("COMMAND LIST FILTERBY MODULE x\r\n", "*0\r\n");
    ASK("COMMAND LIST x\r\n", "-ERR syntax error\r\n");
    ASK("COMMAND LIST FILTERBY x y\r\n", "-ERR syntax error\r\n");
    ASK("COMMAND FOO\r\n", "-ERR unknown subcommand 'FOO'. Try COMMAND HELP.\r\n");
    ASK("COMMAND COUNT x\r\n", "-ERR wrong number of arguments for 'command|count' command\r\n");
}

static void getkeys(void **state) {
    (void)state;
    ASK("COMMAND GETKEYS MSET a 1 b 2\r\n", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    ASK("COMMAND GETKEYS SET a b\r\n", "*1\r\n$1\r\na\r\n");
    ASK("COMMAND GETKEYSANDFLAGS GET a\r\n", "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n");
    ASK("COMMAND GETKEYSANDFLAGS SET a b\r\n", "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n");
    ASK("COMMAND GETKEYSANDFLAGS SET a b GET\r\n",
        "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n");
    ASK("COMMAND GETKEYS PING x\r\n", "-ERR The command has no key arguments\r\n");
    ASK("COMMAND GETKEYS NOPE a\r\n", "-ERR Invalid command specified\r\n");
    ASK("COMMAND GETKEYS GET a b\r\n",
        "-ERR Invalid number of arguments specified for command\r\n");
}

/* Where the specifications would be misled: the last STORE counts, and a group may be called as the
 * word before the keys. */
static void getkeys_as_parsed(void **state) {
    (void)state;
    ASK("COMMAND GETKEYS GEORADIUS k 1 2 3 m STORE a STORE b\r\n",
        "*3\r\n$1\r\nk\r\n$1\r\na\r\n$1\r\nb\r\n");
    ASK("COMMAND GETKEYS GEORADIUSBYMEMBER store store 3 m STOREDIST a\r\n",
        "*2\r\n$5\r\nstore\r\n$1\r\na\r\n");
    ASK("COMMAND GETKEYS XREADGROUP COUNT 1 GROUP streams streams STREAMS k l 0 0\r\n",
        "*2\r\n$1\r\nk\r\n$1\r\nl\r\n");
    ASK("COMMAND GETKEYS XREADGROUP GROUP g c STREAMS k\r\n",
        "-ERR Invalid number of arguments specified for command\r\n");
}

/* A command with a flag that COMMAND INFO has no name for: replies over all have it in them. */
static const command odd[] = {{.name = "odd", .arity = 1, .flags = CMD_FAST | 1u << 29}, {0}};

static int once(void **state) {
    (void)state;
    commands_register(odd);
    commands_register(geo_commands);
    commands_register(stream_commands);
    commands_register(string_commands);
    commands_register(bitmap_commands);
    commands_register(keys_commands);
    commands_register(connection_commands);
    commands_register(command_commands);
    return 0;
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(info), TEST(whole), TEST(docs), TEST(lists), TEST(getkeys), TEST(getkeys_as_parsed),
    };
    return cmocka_run_group_tests(tests, once, NULL);
}
