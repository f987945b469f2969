/* acl: users of a session: the gate and when it is armed, who is who, what becomes of connections,
 * ACL LOG and its minutes. */
#include "acl/acl.h"

#include "commands/commands.h"
#include "session/identity.h"
#include "session/inside.h"
#include "session/reply.h"
#include "session/state.h"
#include "support/session_kit.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

static kit k;
static client *c, *other;
static fake_end *end, *other_end;

/* twice line...: runs each (words between '|') within its batch, as EXEC does; once in vain. */
static int runs;
static command_result twice(client *who) {
    reply_array(who, who->argc - 1);
    for (int i = 1; i < who->argc; i++) {
        slice words[8], left = who->argv[i];
        int n = 0;
        for (const char *bar = left.data; bar && n < 8; n++) {
            bar = memchr(left.data, '|', left.len);
            size_t len = bar ? (size_t)(bar - left.data) : left.len;
            words[n] = slice_of(left.data, len);
            left = slice_skip(left, bar ? len + 1 : len);
        }
        inside_command in = {.row = command_find(words, n, NULL), .argc = n, .argv = words};
        assert_non_null(in.row);
        (void)inside_run(who, &in);
    }
    return runs++ == 0 ? CMD_AGAIN : CMD_DONE;
}
static const command twice_commands[] = {{.name = "twice", .run = twice, .arity = -2}, {0}};

/* What the lines answer; between the two runs nothing of the first is there. */
static const char *ask_twice(fake_end *e, const char *line, const char *between) {
    runs = 0;
    kit_send(e, line);
    kit_turn(&k);
    assert_int_equal(runs, 1);
    assert_string_equal(kit_ask(&k, other_end, "ACL LIST\r\n"), between);
    session_resume(k.session);
    kit_quiet(&k, e);
    assert_int_equal(runs, 2);
    return kit_received(e);
}

static int setup(void **state) {
    (void)state;
    if (command_count() == 0) {
        commands_register(connection_commands);
        commands_register(string_commands);
        commands_register(acl_commands);
        commands_register(twice_commands);
    }
    setting_defaults(acl_settings);
    kit_start(&k);
    status st = acl_start(k.session);
    assert_true(status_ok(st));
    c = kit_client(&k, &end);
    other = kit_client(&k, &other_end);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    identity_use(NULL);
    kit_stop(&k);
    return 0;
}

#define ASK(text, reply)   assert_string_equal(kit_ask(&k, end, text), reply)
#define OTHER(text, reply) assert_string_equal(kit_ask(&k, other_end, text), reply)
#define NO_KEY             "-NOPERM No permissions to access a key\r\n"

/* Is the gate asked at all? */
static bool is_armed(void) {
    const session *s = k.session;
    for (int i = 0; i < s->ngates; i++)
        if (s->gates[i].rank == GATE_RANK_ACL) return s->armed >> i & 1;
    return false;
}

/* ---- tests -------------------------------------------------------------------------------------
 */

/* Nobody pays as long as everybody may do everything. */
static void armed(void **state) {
    (void)state;
    assert_false(is_armed());
    ASK("ACL SETUSER bob on nopass +@all ~* &*\r\n", "+OK\r\n");
    assert_false(is_armed());
    ASK("ACL SETUSER bob -get\r\n", "+OK\r\n");
    assert_true(is_armed());
    ASK("ACL SETUSER bob (+@all ~* &*)\r\n", "+OK\r\n");
    assert_false(is_armed());
    ASK("ACL SETUSER bob clearselectors\r\n", "+OK\r\n");
    assert_true(is_armed());
    ASK("ACL DELUSER bob\r\n", ":1\r\n");
    assert_false(is_armed());
    ASK("ACL SETUSER default resetkeys ~a\r\nGET a\r\nGET b\r\n", "+OK\r\n$-1\r\n" NO_KEY);
    assert_true(is_armed());
}

static void who_is_who(void **state) {
    (void)state;
    ASK("ACL SETUSER bob on >x +get ~a\r\n", "+OK\r\n");
    OTHER("AUTH bob y\r\nGET b\r\n",
          "-WRONGPASS invalid username-password pair or user is disabled.\r\n$-1\r\n");
    OTHER("AUTH bob x\r\nGET a\r\nGET b\r\n", "+OK\r\n$-1\r\n" NO_KEY);
    assert_true(slice_eq(identity_name(other), SLICE("bob")));
    assert_true(slice_eq(identity_name(c), SLICE("default")));
    slice argv[] = {SLICE("get"), SLICE("b")};
    const command_row *get = command_by_name(SLICE("get"));
    assert_true(session_permits(c, get, 2, argv));
    assert_false(session_permits(other, get, 2, argv));
    OTHER("RESET\r\nGET b\r\n", "+RESET\r\n$-1\r\n");
    OTHER("AUTH bob x\r\n", "+OK\r\n");
    ASK("ACL DELUSER bob\r\n", ":1\r\n");
    kit_turn(&k);
    assert_true(other_end->closed);
}

/* What one minute has is one entry; a clock that was set back makes no other. */
static void minutes(void **state) {
    (void)state;
    ASK("ACL SETUSER bob on nopass +get\r\n", "+OK\r\n");
    OTHER("AUTH bob x\r\nGET a\r\nGET a\r\n", "+OK\r\n" NO_KEY NO_KEY);
    kit_sleep(&k, 60000);
    OTHER("GET a\r\n", NO_KEY);
    const char *log = kit_ask(&k, end, "ACL LOG\r\n");
    assert_int_equal(strncmp(log, "*1\r\n*20\r\n$5\r\ncount\r\n:3\r\n", 24), 0);
    kit_sleep(&k, 60001);
    OTHER("GET a\r\n", NO_KEY);
    log = kit_ask(&k, end, "ACL LOG\r\n");
    assert_int_equal(strncmp(log, "*2\r\n*20\r\n$5\r\ncount\r\n:1\r\n", 24), 0);
    ASK("ACL LOG RESET\r\nACL LOG\r\n", "+OK\r\n*0\r\n");
}

/* The time of an answer must not tell who is there: a password is asked for in any case. */
static void default_password(void **state) {
    (void)state;
    slice words[] = {SLICE("secret")};
    const setting *s = setting_find(session_settings, SLICE("requirepass"));
    status st = setting_parse(s, 1, words);
    assert_true(status_ok(st));
    identity_password_changed();
    assert_false(identity_open());
    fake_end *late;
    (void)kit_client(&k, &late);
    assert_string_equal(kit_ask(&k, late, "GET a\r\nAUTH secret\r\nGET a\r\n"),
                        "-NOAUTH Authentication required.\r\n+OK\r\n$-1\r\n");
    ASK("ACL SETUSER default off nopass\r\n", "+OK\r\n");
    assert_false(identity_open());
    assert_true(identity_nopass());
}

/* A change is taken back when the transaction that it is part of must run again. */
static void run_again(void **state) {
    (void)state;
    fake_end *bobs;
    (void)kit_client(&k, &bobs);
    ASK("ACL SETUSER bob on >x +@all ~a\r\nACL SETUSER eve on nopass +@all ~* &*\r\n",
        "+OK\r\n+OK\r\n");
    assert_string_equal(kit_ask(&k, bobs, "AUTH bob x\r\n"), "+OK\r\n");
    char before[1024];
    snprintf(before, sizeof before, "%s", kit_ask(&k, other_end, "ACL LIST\r\n"));

    /* Rules that add, or that fail the second time; a user who was not there; one who goes. */
    assert_string_equal(ask_twice(end,
                                  "twice ACL|SETUSER|bob|(+get) ACL|SETUSER|bob|<x "
                                  "ACL|SETUSER|new|on ACL|DELUSER|eve ACL|SETUSER|default|-get "
                                  "ACL|USERS GET|a AUTH|bob|x\r\n",
                                  before),
                        "*8\r\n+OK\r\n+OK\r\n+OK\r\n:1\r\n+OK\r\n"
                        "*3\r\n$3\r\nbob\r\n$7\r\ndefault\r\n$3\r\nnew\r\n"
                        "-ERR ACL failure in script: User default has no permissions to run the "
                        "'get' command\r\n"
                        "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_non_null(
        strstr(kit_ask(&k, other_end, "ACL GETUSER bob\r\n"), "$9\r\nselectors\r\n*1\r\n"));
    assert_false(bobs->closed);

    /* Who becomes somebody else is himself again. */
    ASK("ACL SETUSER default +@all\r\nACL SETUSER bob nopass\r\n", "+OK\r\n+OK\r\n");
    snprintf(before, sizeof before, "%s", kit_ask(&k, other_end, "ACL LIST\r\n"));
    assert_string_equal(
        ask_twice(end, "twice ACL|WHOAMI AUTH|bob|x ACL|WHOAMI ACL|DELUSER|bob ACL|WHOAMI\r\n",
                  before),
        "*5\r\n$7\r\ndefault\r\n+OK\r\n$3\r\nbob\r\n:1\r\n$3\r\nbob\r\n");
    assert_true(end->closed && bobs->closed);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(armed), TEST(who_is_who), TEST(minutes),
                                       TEST(default_password), TEST(run_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
