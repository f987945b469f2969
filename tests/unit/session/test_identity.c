/* identity: the session's own user, and a feature that knows others. */
#include "session/identity.h"

#include "session/inside.h"
#include "session/reply.h"
#include "support/session_test.h"

/* ---- a feature with users of one letter, each with his letter as the password
 * --------------------
 */

static char who_is[1024]; /* by client's id; 0: the default user */
static bool is_open, may_all;
static char password_heard[32];

static bool authenticate(client *who, slice user, slice password) {
    if (user.len != 1 || !slice_eq(user, password)) return false;
    who_is[who->id] = user.data[0];
    return true;
}
static slice name(const client *who) {
    return who_is[who->id] ? slice_of(&who_is[who->id], 1) : SLICE("default");
}
static bool open(void) {
    return is_open;
}
static bool known(slice user) {
    return user.len == 1;
}
static bool permits(const client *who, const command_row *row, int argc, const slice *argv) {
    (void)argc;
    (void)argv;
    return who_is[who->id] == 'a' || strcmp(row->full_name, "set") != 0;
}
static bool reads_all(const client *who) {
    (void)who;
    return may_all;
}
static void password(slice text) {
    assert_true(text.len < sizeof password_heard);
    memcpy(password_heard, text.data, text.len);
    password_heard[text.len] = 0;
}
static const identity feature = {authenticate, name,    open,      open,
                                 known,        permits, reads_all, password};

/* ---- tests -------------------------------------------------------------------------------------
 */

static void own(void **state) {
    (void)state;
    assert_true(identity_open());
    assert_true(slice_eq(identity_name(c), SLICE("default")));
    assert_true(identity_known(SLICE("default")));
    assert_false(identity_known(SLICE("bob")));
    assert_true(identity_authenticate(c, SLICE("default"), SLICE("any")));
    assert_false(identity_authenticate(c, SLICE("bob"), SLICE("any")));
    kit_set("requirepass", "secret");
    assert_false(identity_open());
    identity_reset(c);
    assert_false(c->flags & CLIENT_AUTHENTICATED);
    static const char *const wrong[] = {"", "s", "secre", "secrets", "secretsecret", "Secret"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(identity_authenticate(c, SLICE("default"), slice_cstr(wrong[i])));
    assert_false(c->flags & CLIENT_AUTHENTICATED);
    assert_true(identity_authenticate(c, SLICE("default"), SLICE("secret")));
    assert_true(c->flags & CLIENT_AUTHENTICATED);
    assert_true(identity_reads_all(c));
}

static void asked(void **state) {
    (void)state;
    fake_end *other;
    slice argv[] = {SLICE("set"), SLICE("k"), SLICE("v")};
    const command_row *set = command_by_name(SLICE("set"));
    identity_use(&feature);
    is_open = may_all = false;
    memset(who_is, 0, sizeof who_is);
    client *o = kit_client(&k, &other);
    assert_false(o->flags & CLIENT_AUTHENTICATED);
    assert_string_equal(kit_ask(&k, other, "GET a\r\n"), "-NOAUTH Authentication required.\r\n");
    assert_false(identity_authenticate(o, SLICE("a"), SLICE("b")));
    assert_false(session_permits(o, set, 3, argv));
    assert_false(identity_reads_all(o));
    assert_true(identity_authenticate(o, SLICE("a"), SLICE("a")));
    assert_true(slice_eq(identity_name(o), SLICE("a")));
    assert_true(session_permits(o, set, 3, argv));
    assert_string_equal(kit_ask(&k, other, "GET a\r\n"), "$-1\r\n");
    identity_reset(o);
    assert_string_equal(kit_ask(&k, other, "GET a\r\n"), "-NOAUTH Authentication required.\r\n");
    is_open = true; /* nobody has to say who he is any more */
    assert_string_equal(kit_ask(&k, other, "GET a\r\n"), "$-1\r\n");
    kit_set("requirepass", "new");
    identity_password_changed();
    assert_string_equal(password_heard, "new");
    client *fake = client_fake(k.session); /* nobody's: may everything */
    assert_true(slice_eq(identity_name(fake), SLICE("(superuser)")));
    assert_true(session_permits(fake, set, 3, argv) && identity_reads_all(fake));
    client_fake_free(fake);
    identity_use(NULL);
}

static bool refuses;
static const command_row *outer_seen;

static gate_result inside_gate(client *who, void *ctx) {
    (void)ctx;
    outer_seen = who->outer;
    if (!refuses || strcmp(who->row->full_name, "set") != 0) return GATE_PASS;
    (void)reply_error(who, "NOPERM no");
    return GATE_REFUSE;
}

/* twice key value: SET inside, twice; the second time it is refused */
static command_result run_twice(client *who) {
    slice argv[] = {SLICE("set"), who->argv[1], who->argv[2]};
    inside_command in = {.row = command_by_name(SLICE("set")), .argc = 3, .argv = argv};
    reply_array(who, 2);
    refuses = false;
    assert_int_equal(inside_run(who, &in), CMD_DONE);
    refuses = true;
    assert_int_equal(inside_run(who, &in), CMD_REFUSED);
    assert_null(who->outer);
    return CMD_DONE;
}

static bool is_secret(const slice *argv, int argc, int i) {
    (void)argv;
    return i == argc - 1;
}

static const command commands[] = {
    {.name = "twice", .run = run_twice, .arity = 3, .flags = CMD_WRITE, .secret = is_secret},
    {0},
};

/* Gates learn which command runs another. */
static void inside(void **state) {
    (void)state;
    session_gate_add(
        k.session,
        &(gate){.name = "in", .rank = GATE_RANK_ACL, .pass = inside_gate, .inside = true});
    ASK("TWICE a 1\r\n", "*2\r\n+OK\r\n-NOPERM no\r\n");
    assert_ptr_equal(outer_seen, command_by_name(SLICE("twice")));
    ASK("GET a\r\nSET a 2\r\n", "$1\r\n1\r\n-NOPERM no\r\n");
    assert_null(outer_seen);
}

static void secrets(void **state) {
    (void)state;
    const slice argv[] = {SLICE("twice"), SLICE("a"), SLICE("hush")};
    const command_row *row = command_by_name(SLICE("twice"));
    assert_true(slice_eq(command_shown(row, argv, 3, 2), SLICE("(redacted)")));
    assert_true(slice_eq(command_shown(row, argv, 3, 1), SLICE("a")));
    row = command_by_name(SLICE("set"));
    assert_true(slice_eq(command_shown(row, argv, 3, 2), SLICE("hush")));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(own), TEST(asked), TEST(inside), TEST(secrets)};
    commands_register(kit_commands);
    commands_register(commands);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
