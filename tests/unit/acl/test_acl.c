/* acl: users of a session: the gate and when it is armed, who is who, what becomes of connections,
 * ACL LOG and its minutes. */
#include "acl/acl.h"

#include "commands/commands.h"
#include "session/identity.h"
#include "session/state.h"
#include "support/session_kit.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

static kit k;
static client *c, *other;
static fake_end *end, *other_end;

static int setup(void **state) {
    (void)state;
    if (command_count() == 0) {
        commands_register(connection_commands);
        commands_register(string_commands);
        commands_register(acl_commands);
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

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(armed), TEST(who_is_who), TEST(minutes),
                                       TEST(default_password)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
