/* connection: PING .. SELECT and CLIENT, byte for byte as redis-server answers. */
#include "commands/commands.h"

#include "session/block.h"
#include "session/reply.h"
#include "support/session_test.h"

#include <stdio.h>

#define WRONGPASS "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
#define NOAUTH    "-NOAUTH Authentication required.\r\n"
#define SYNTAX    "-ERR syntax error\r\n"
#define NAMES     "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"

static void ping_and_echo(void **state) {
    (void)state;
    ASK("PING\r\nPING x\r\nECHO y\r\n", "+PONG\r\n$1\r\nx\r\n$1\r\ny\r\n");
    ASK("PING a b\r\n", "-ERR wrong number of arguments for 'ping' command\r\n");
    ASK("ECHO\r\n", "-ERR wrong number of arguments for 'echo' command\r\n");
    c->flags |= CLIENT_PUBSUB;
    ASK("PING\r\nPING x\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    c->proto = 3;
    ASK("PING\r\n", "+PONG\r\n");
}

static void quit(void **state) {
    (void)state;
    ASK("PING\r\nQUIT\r\nPING\r\n", "+PONG\r\n+OK\r\n");
    assert_true(end->closed);
}

static void select_db(void **state) {
    (void)state;
    ASK("SELECT 15\r\n", "+OK\r\n");
    assert_int_equal(c->db, 15);
    ASK("SELECT 16\r\nSELECT -1\r\n",
        "-ERR DB index is out of range\r\n-ERR DB index is out of range\r\n");
    ASK("SELECT x\r\n", "-ERR value is not an integer or out of range\r\n");
    ASK("SELECT 2147483648\r\n", "-ERR value is out of range, value must between -2147483648 and "
                                 "2147483647\r\n");
    assert_int_equal(c->db, 15);
}

/* ---- AUTH, HELLO, RESET ------------------------------------------------------------------------
 */

static void auth_without_password(void **state) {
    (void)state;
    ASK("AUTH x\r\n", "-ERR AUTH <password> called without any password configured for the default "
                      "user. Are you sure your configuration is correct?\r\n");
    ASK("AUTH default x\r\nAUTH nobody x\r\nAUTH a b c\r\n", "+OK\r\n" WRONGPASS SYNTAX);
}

static void auth(void **state) {
    (void)state;
    fake_end *e;
    kit_set("requirepass", "secret");
    kit_client(&k, &e);
#define E(text, reply) assert_string_equal(kit_ask(&k, e, text), reply)
    E("PING\r\nAUTH wrong\r\nAUTH secre\r\nAUTH secrets\r\nAUTH \"\"\r\nPING\r\n",
      NOAUTH WRONGPASS WRONGPASS WRONGPASS WRONGPASS NOAUTH);
    E("AUTH nobody secret\r\nAUTH default secret\r\nPING\r\n", WRONGPASS "+OK\r\n+PONG\r\n");
    /* A wrong one later takes nothing away. */
    E("AUTH wrong\r\nPING\r\n", WRONGPASS "+PONG\r\n");
    E("RESET\r\nPING\r\nAUTH secret\r\nPING\r\n", "+RESET\r\n" NOAUTH "+OK\r\n+PONG\r\n");
}

#define HELLO(proto, id)                                                                           \
    "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n:" proto        \
    "\r\n$2\r\nid\r\n:" id "\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n" \
    "$7\r\nmodules\r\n*0\r\n"

static void hello(void **state) {
    (void)state;
    ASK("HELLO\r\n", "*14\r\n" HELLO("2", "1"));
    ASK("HELLO 3\r\nHELLO\r\n", "%7\r\n" HELLO("3", "1") "%7\r\n" HELLO("3", "1"));
    ASK("CLIENT GETNAME\r\nHELLO 2 SETNAME me\r\nCLIENT GETNAME\r\n",
        "_\r\n*14\r\n" HELLO("2", "1") "$2\r\nme\r\n");
    ASK("HELLO 4\r\nHELLO 1\r\n",
        "-NOPROTO unsupported protocol version\r\n-NOPROTO unsupported protocol version\r\n");
    ASK("HELLO x\r\n", "-ERR Protocol version is not an integer or out of range\r\n");
    ASK("HELLO 3 FOO\r\n", "-ERR Syntax error in HELLO option 'FOO'\r\n");
    ASK("HELLO 3 AUTH x\r\n", "-ERR Syntax error in HELLO option 'AUTH'\r\n");
    ASK("HELLO 3 SETNAME\r\n", "-ERR Syntax error in HELLO option 'SETNAME'\r\n");
    ASK("HELLO 3 SETNAME 'a b'\r\nHELLO 3 AUTH x y\r\n", NAMES WRONGPASS);
    assert_int_equal(c->proto, 2);
}

static void hello_and_password(void **state) {
    (void)state;
    fake_end *e;
    kit_set("requirepass", "secret");
    kit_client(&k, &e);
    E("HELLO 3\r\n",
      "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
      "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
      "RESP "
      "protocol version at the same time\r\n");
    E("HELLO 3 AUTH default x\r\n", WRONGPASS);
    E("HELLO 3 SETNAME me AUTH default secret\r\nCLIENT GETNAME\r\n",
      "%7\r\n" HELLO("3", "2") "$2\r\nme\r\n");
}

static int forgotten;

static void forget(client *who, void *state) {
    assert_ptr_equal(who, c);
    assert_ptr_equal(state, &forgotten);
    forgotten++;
}

static void reset(void **state) {
    (void)state;
    int slot = client_slot_add(forget);
    c->slots[slot] = &forgotten;
    ASK("HELLO 3 SETNAME me\r\n", "%7\r\n" HELLO("3", "1"));
    ASK("SELECT 3\r\nCLIENT NO-EVICT on\r\nCLIENT NO-TOUCH on\r\nRESET\r\n",
        "+OK\r\n+OK\r\n+OK\r\n+RESET\r\n");
    assert_int_equal(forgotten, 1);
    assert_null(c->slots[slot]);
    assert_int_equal(c->db, 0);
    assert_int_equal(c->proto, 2);
    assert_null(c->name);
    assert_int_equal(c->flags, CLIENT_AUTHENTICATED | CLIENT_LOCAL);
}

/* ---- CLIENT ------------------------------------------------------------------------------------
 */

static void names(void **state) {
    (void)state;
    ASK("CLIENT ID\r\nCLIENT GETNAME\r\nCLIENT SETNAME x\r\nCLIENT GETNAME\r\n",
        ":1\r\n$-1\r\n+OK\r\n$1\r\nx\r\n");
    ASK("CLIENT SETNAME 'a b'\r\nCLIENT SETNAME \"a\\x01\"\r\nCLIENT GETNAME\r\n",
        NAMES NAMES "$1\r\nx\r\n");
    ASK("CLIENT SETNAME ''\r\nCLIENT GETNAME\r\n", "+OK\r\n$-1\r\n");
    ASK("CLIENT SETINFO lib-name redis-py\r\nCLIENT SETINFO LIB-VER 5.0\r\n", "+OK\r\n+OK\r\n");
    assert_string_equal(c->lib_name, "redis-py");
    assert_string_equal(c->lib_ver, "5.0");
    ASK("CLIENT SETINFO lib-x y\r\n", "-ERR Unrecognized option 'lib-x'\r\n");
    ASK("CLIENT SETINFO lib-ver 'a b'\r\n",
        "-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n");
    ASK("CLIENT\r\n", "-ERR wrong number of arguments for 'client' command\r\n");
    ASK("CLIENT ID x\r\n", "-ERR wrong number of arguments for 'client|id' command\r\n");
    ASK("CLIENT FOO\r\n", "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n");
    assert_non_null(strstr(kit_ask(&k, end, "CLIENT HELP\r\n"),
                           "\r\n+CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
}

/* The fields of Redis 7.2, in its order. */
static void list(void **state) {
    (void)state;
    static const char *const fields[] = {"id=1 addr=1.2.3.4:",
                                         " laddr=",
                                         " fd=-1",
                                         " name=me",
                                         " age=5",
                                         " idle=0",
                                         " flags=eT",
                                         " db=2",
                                         " sub=0",
                                         " psub=0",
                                         " ssub=0",
                                         " multi=-1",
                                         " qbuf=0",
                                         " qbuf-free=0",
                                         " argv-mem=10 ",
                                         " multi-mem=0",
                                         " rbs=",
                                         " rbp=",
                                         " obl=",
                                         " oll=0",
                                         " omem=0",
                                         " tot-mem=",
                                         " events=r",
                                         " cmd=client|list",
                                         " user=default",
                                         " redir=-1",
                                         " resp=2",
                                         " lib-name=py",
                                         " lib-ver=1\n"};
    kit_sleep(&k, 5000);
    ASK("SELECT 2\r\nCLIENT SETNAME me\r\nCLIENT SETINFO lib-name py\r\nCLIENT SETINFO lib-ver "
        "1\r\n",
        "+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    ASK("CLIENT NO-EVICT ON\r\nCLIENT NO-TOUCH ON\r\n", "+OK\r\n+OK\r\n");
    const char *p = kit_ask(&k, end, "*2\r\n$6\r\nclient\r\n$4\r\nlist\r\n");
    assert_int_equal(*p, '$');
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *found = strstr(p, fields[i]);
        if (!found) fail_msg("'%s' is not in '%s'", fields[i], p);
        p = found + strlen(fields[i]) - 1;
    }
    fake_end *e;
    client *other = kit_client(&k, &e);
    assert_non_null(strstr(kit_ask(&k, e, "CLIENT INFO\r\n"), "id=2 "));
    assert_null(strstr(kit_ask(&k, e, "CLIENT INFO\r\n"), "id=1 "));
    other->proto = 3;
    assert_int_equal(strncmp(kit_ask(&k, e, "CLIENT LIST\r\n"), "=", 1), 0);
    assert_non_null(strstr(kit_ask(&k, e, "CLIENT LIST\r\n"), "\r\ntxt:id=1 "));
}

static void list_some(void **state) {
    (void)state;
    fake_end *e;
    client *sub = kit_client(&k, &e);
    sub->flags |= CLIENT_PUBSUB;
    const char *p = kit_ask(&k, end, "CLIENT LIST TYPE pubsub\r\n");
    assert_non_null(strstr(p, "id=2 "));
    assert_null(strstr(p, "id=1 "));
    assert_non_null(strstr(p, " flags=P "));
    p = kit_ask(&k, end, "CLIENT LIST TYPE Normal\r\n");
    assert_null(strstr(p, "id=2 "));
    p = kit_ask(&k, end, "CLIENT LIST ID 2 7 1\r\n");
    assert_true(strstr(p, "id=2 ") < strstr(p, "id=1 "));
    ASK("CLIENT LIST TYPE replica\r\nCLIENT LIST TYPE master\r\n", "$0\r\n\r\n$0\r\n\r\n");
    ASK("CLIENT LIST TYPE foo\r\n", "-ERR Unknown client type 'foo'\r\n");
    ASK("CLIENT LIST ID 1 x\r\n", "-ERR Invalid client ID\r\n");
    ASK("CLIENT LIST ID\r\nCLIENT LIST TYPE\r\nCLIENT LIST a b\r\n", SYNTAX SYNTAX SYNTAX);
}

static void kill(void **state) {
    (void)state;
    fake_end *e[4];
    client *all[4];
    char line[128];
    for (int i = 0; i < 4; i++)
        all[i] = kit_client(&k, &e[i]);
    ASK("CLIENT KILL 9.9.9.9:9\r\n", "-ERR No such client\r\n");
    snprintf(line, sizeof line, "CLIENT KILL %s\r\n", all[0]->peer);
    ASK(line, "+OK\r\n");
    assert_true(e[0]->closed);
    ASK("CLIENT KILL ID 99\r\nCLIENT KILL ID 3\r\nCLIENT KILL ID 3\r\n", ":0\r\n:1\r\n:0\r\n");
    assert_true(e[1]->closed);
    snprintf(line, sizeof line, "CLIENT KILL ADDR %s ID 5\r\n", all[2]->peer);
    ASK(line, ":0\r\n");
    all[2]->flags |= CLIENT_PUBSUB;
    ASK("CLIENT KILL TYPE pubsub USER default\r\n", ":1\r\n");
    assert_true(e[2]->closed);
    ASK("CLIENT KILL LADDR x:1\r\n", ":0\r\n");
    ASK("CLIENT KILL ID 0\r\nCLIENT KILL ID x\r\n",
        "-ERR client-id should be greater than 0\r\n-ERR client-id should be greater than 0\r\n");
    ASK("CLIENT KILL TYPE foo\r\n", "-ERR Unknown client type 'foo'\r\n");
    ASK("CLIENT KILL USER foo\r\n", "-ERR No such user 'foo'\r\n");
    ASK("CLIENT KILL ID 3 ADDR\r\nCLIENT KILL FOO x\r\nCLIENT KILL SKIPME maybe\r\n",
        SYNTAX SYNTAX SYNTAX);
    /* Itself only when told to, and then with its reply. */
    ASK("CLIENT KILL TYPE normal\r\n", ":1\r\n");
    assert_true(e[3]->closed);
    ASK("CLIENT KILL TYPE normal SKIPME no\r\nPING\r\n", ":1\r\n");
    assert_true(end->closed);
}

static void reply_mode(void **state) {
    (void)state;
    ASK("CLIENT REPLY SKIP\r\nPING\r\nPING 2\r\n", "$1\r\n2\r\n");
    ASK("CLIENT REPLY OFF\r\nPING\r\nNOPE\r\nCLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY "
        "ON\r\nPING\r\n",
        "+OK\r\n+PONG\r\n");
    ASK("CLIENT REPLY foo\r\nCLIENT NO-EVICT x\r\nCLIENT NO-TOUCH x\r\n", SYNTAX SYNTAX SYNTAX);
    ASK("CLIENT NO-EVICT on\r\nCLIENT NO-EVICT off\r\n", "+OK\r\n+OK\r\n");
    assert_false(c->flags & CLIENT_NO_EVICT);
    assert_int_equal(command_by_name(SLICE("client|reply"))->failed, 1);
}

static void pauses(void **state) {
    (void)state;
    fake_end *e;
    kit_client(&k, &e);
    ASK("CLIENT PAUSE x\r\n", "-ERR timeout is not an integer or out of range\r\n");
    ASK("CLIENT PAUSE 9223372036854775807\r\n", "-ERR timeout is out of range\r\n");
    ASK("CLIENT PAUSE -1\r\n", "-ERR timeout is negative\r\n");
    ASK("CLIENT PAUSE 1 foo\r\n", "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n");
    ASK("CLIENT PAUSE 1000 write\r\nPING\r\nCLIENT UNPAUSE\r\n", "+OK\r\n+PONG\r\n+OK\r\n");
    assert_false(session_paused(k.session, NULL));
    ASK("CLIENT PAUSE 1000\r\nPING\r\n", "+OK\r\n");
    assert_string_equal(kit_ask(&k, e, "PING\r\n"), "");
    kit_sleep(&k, 1001);
    ASK("", "+PONG\r\n");
    assert_string_equal(kit_ask(&k, e, ""), "+PONG\r\n");
}

static void late(client *who, block_end why, void *state) {
    (void)state;
    if (why == BLOCK_TIMEOUT) resp_null_array(&who->out, who->proto);
}

static command_result wait_command(client *who) {
    client_block_for(who, 0, late, NULL);
    return CMD_DONE;
}

static const command blocking[] = {
    {.name = "block", .run = wait_command, .arity = 1, .flags = CMD_BLOCKING}, {0}};

static void unblock(void **state) {
    (void)state;
    fake_end *e;
    kit_client(&k, &e);
    E("CLIENT UNBLOCK 1\r\nCLIENT UNBLOCK 77\r\nCLIENT UNBLOCK -1\r\n", ":0\r\n:0\r\n:0\r\n");
    E("CLIENT UNBLOCK x\r\n", "-ERR value is not an integer or out of range\r\n");
    E("CLIENT UNBLOCK 1 x\r\n", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n");
    ASK("BLOCK\r\n", "");
    assert_non_null(strstr(kit_ask(&k, e, "CLIENT LIST ID 1\r\n"), " flags=b "));
    E("CLIENT UNBLOCK 1\r\n", ":1\r\n");
    ASK("", "*-1\r\n");
    ASK("BLOCK\r\n", "");
    E("CLIENT UNBLOCK 1 error\r\n", ":1\r\n");
    ASK("PING\r\n", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n");
}

static int once(void **state) {
    (void)state;
    commands_register(connection_commands);
    commands_register(blocking);
    return 0;
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(ping_and_echo),
        TEST(quit),
        TEST(select_db),
        TEST(auth_without_password),
        TEST(auth),
        TEST(hello),
        TEST(hello_and_password),
        TEST(reset),
        TEST(names),
        TEST(list),
        TEST(list_some),
        TEST(kill),
        TEST(pauses),
        TEST(reply_mode),
        TEST(unblock),
    };
    return cmocka_run_group_tests(tests, once, NULL);
}
