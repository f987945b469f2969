/* gates: what keeps a command from running, in what order, with which words; pauses. */
#include "session/config.h"
#include "session/reply.h"
#include "session/state.h"
#include "support/session_test.h"

#include <stdio.h>

#define NOAUTH "-NOAUTH Authentication required.\r\n"

static void password(void **state) {
    (void)state;
    fake_end *other;
    kit_set("requirepass", "secret");
    client *o = kit_client(&k, &other);
    /* Known commands with the right number of arguments only get this far. */
    assert_string_equal(kit_ask(&k, other, "GET a\r\nGET\r\nNOPE\r\nBOX one\r\nBOX two x\r\n"),
                        NOAUTH "-ERR wrong number of arguments for 'get' command\r\n"
                               "-ERR unknown command 'NOPE', with args beginning with: \r\n" NOAUTH
                               "$7\r\nbox|two\r\n");
    /* Who was there before stays who it was. */
    ASK("GET a\r\n", "$-1\r\n");
/* Nothing is asked of anybody any more, and nothing is kept short for it. */
#define FIVE "$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n"
    const char *many = "*11\r\n$4\r\nMGET\r\n" FIVE FIVE;
    assert_string_equal(kit_ask(&k, other, many),
                        "-ERR Protocol error: unauthenticated multibulk length\r\n");
    (void)kit_client(&k, &other);
    kit_set("requirepass", "");
    assert_int_equal(strncmp(kit_ask(&k, other, many), "*10\r\n", 5), 0);
    kit_set("requirepass", "secret");
    o = kit_client(&k, &other);
    assert_string_equal(kit_ask(&k, other, "GET a\r\n"), NOAUTH);
    o->flags |= CLIENT_AUTHENTICATED;
    assert_string_equal(kit_ask(&k, other, "GET a\r\n"), "$-1\r\n");
}

static void memory(void **state) {
    (void)state;
    kit_set("maxmemory", "1");
    const char *oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    ASK("PUT a 1\r\n", oom);
    ASK("SET a 1\r\nGET a\r\nDEL a\r\n", "+OK\r\n$1\r\n1\r\n:1\r\n");
    assert_true(command_by_name(SLICE("put"))->rejected > 0);
    kit_set("maxmemory", "0");
    ASK("PUT a 1\r\n", "+OK\r\n");
}

/* With a policy, the keys go before the command is refused. */
static void eviction(void **state) {
    (void)state;
    ASK("SET a 1\r\nSET b 1\r\n", "+OK\r\n+OK\r\n");
    kit_set("maxmemory-policy", "allkeys-random");
    kit_set("maxmemory", "1");
    (void)kit_ask(&k, end, "PUT c 1\r\n"); /* nothing may free enough; the keys go all the same */
    kit_set("maxmemory", "0");
    ASK("EXISTS a\r\nEXISTS b\r\n", ":0\r\n:0\r\n");
}

static void disk(void **state) {
    (void)state;
    ASK("SET a 1\r\n", "+OK\r\n");
    k.knobs->room = ST_NO_SPACE;
    ASK("PUT b 1\r\n", "-MISCONF Errors writing to the log on disk: No space left on device\r\n");
    ASK("DEL a\r\nPING\r\nEXISTS a\r\n", ":1\r\n+PONG\r\n:0\r\n");
    k.knobs->room = ST_FAILED;
    const char *reply = kit_ask(&k, end, "DEL a\r\n");
    assert_int_equal(strncmp(reply, "-MISCONF Errors writing to the log on disk, ", 44), 0);
    ASK("EXISTS a\r\n", ":0\r\n");
    k.knobs->room = ST_OK;
    ASK("PUT b 1\r\n", "+OK\r\n");
}

/* A gate that pushes to the client which it is asked about, as an eviction's event does, and then
 * says what it was told to say. */
static gate_result pushes(client *who, void *ctx) {
    const gate_result *say = ctx;
    session_push(who, SLICE(">1\r\n+gone\r\n"), 0);
    if (*say == GATE_REFUSE) (void)reply_error(who, "ERR no");
    return *say;
}

/* What a gate pushes never lands in the reply, and is counted once. */
static void pushed_by_a_gate(void **state) {
    (void)state;
    static gate_result say;
    (void)session_gate_add(k.session, &(gate){.name = "pushes", .pass = pushes, .ctx = &say});
    say = GATE_PASS;
    ASK("PING\r\nPING\r\n", ">1\r\n+gone\r\n+PONG\r\n>1\r\n+gone\r\n+PONG\r\n");
    assert_int_equal(k.session->unsent_bytes, 0);
    say = GATE_REFUSE;
    ASK("PING\r\n", "-ERR no\r\n>1\r\n+gone\r\n");
    say = GATE_HOLD;
    ASK("PING\r\n", ">1\r\n+gone\r\n");
    assert_int_equal(k.session->unsent_bytes, 0);
}

static void push_after(client *who, command_result r, uint64_t us, void *ctx) {
    (void)r;
    (void)us;
    (void)ctx;
    session_push(who, SLICE(">1\r\n+seen\r\n"), 0);
}

/* What a watch pushes to the client of a blocked command that ends goes behind its reply too. */
static void pushed_after_a_block(void **state) {
    (void)state;
    session_watch_add(k.session, &(command_watch){.after = push_after});
    kit_send(end, "BLOCK 20\r\n");
    kit_turn(&k);
    kit_sleep(&k, 30);
    kit_turn(&k);
    const char *got = kit_received(end);
    assert_true(strlen(got) > 11 && strcmp(got + strlen(got) - 11, ">1\r\n+seen\r\n") == 0);
    assert_int_equal(k.session->unsent_bytes, 0);
}

/* ---- a feature's gates -------------------------------------------------------------------------
 */

static char asked[64];

/* Its letter is noted; `ctx` says what it answers when it is in capitals. */
static gate_result note(client *who, void *ctx) {
    const char *letter = ctx;
    (void)who;
    strncat(asked, letter, 1);
    return *letter == 'R' ? GATE_REFUSE : GATE_PASS;
}

static gate add(const char *letter, int rank) {
    return (gate){.name = letter, .rank = rank, .pass = note, .ctx = (void *)(uintptr_t)letter};
}

static void order_and_arms(void **state) {
    (void)state;
    gate a = add("a", 50), b = add("b", 450), d = add("d", 950), w = add("w", 460),
         u = add("u", 470);
    w.commands = CMD_WRITE | CMD_ADMIN;
    u.open_to = CLIENT_LOCAL;
    int nd = session_gate_add(k.session, &d), nb = session_gate_add(k.session, &b);
    session_gate_add(k.session, &a);
    session_gate_add(k.session, &w);
    session_gate_add(k.session, &u);
    asked[0] = 0;
    ASK("PING\r\n", "+PONG\r\n");
    assert_string_equal(asked, "abd");
    asked[0] = 0;
    ASK("SET a 1\r\n", "+OK\r\n");
    assert_string_equal(asked, "abwd");
    session_gate_arm(k.session, nb, false);
    session_gate_arm(k.session, nd, false);
    c->flags &= ~(unsigned)CLIENT_LOCAL;
    asked[0] = 0;
    ASK("BOX one\r\nBOX two x\r\n", "$7\r\nbox|one\r\n$7\r\nbox|two\r\n");
    assert_string_equal(asked, "auawu");
    session_gate_arm(k.session, nb, true);
    asked[0] = 0;
    ASK("PING\r\n", "+PONG\r\n");
    assert_string_equal(asked, "abu");
    /* Nobody behind the one that refuses is asked, and the command does not run. */
    gate r = add("R", 300);
    session_gate_add(k.session, &r);
    asked[0] = 0;
    ASK("SET a 2\r\n", "");
    assert_string_equal(asked, "aR");
}

/* ---- pause -------------------------------------------------------------------------------------
 */

static void pause_all(void **state) {
    (void)state;
    fake_end *other;
    kit_client(&k, &other);
    session_pause(k.session, k.clock.wall_ms + 1000, true);
    ASK("GET a\r\nSET a 1\r\nGET a\r\n", "");
    assert_string_equal(kit_ask(&k, other, "PING\r\n"), "");
    kit_sleep(&k, 500);
    assert_string_equal(kit_ask(&k, other, "PING\r\n"), "");
    kit_sleep(&k, 501);
    ASK("", "$-1\r\n+OK\r\n$1\r\n1\r\n");
    assert_string_equal(kit_ask(&k, other, ""), "+PONG\r\n+PONG\r\n");
    assert_false(session_paused(k.session, NULL));
}

static void pause_writes(void **state) {
    (void)state;
    bool all = true;
    fake_end *other;
    kit_client(&k, &other);
    session_pause(k.session, k.clock.wall_ms + 100000, false);
    assert_true(session_paused(k.session, &all));
    assert_false(all);
    ASK("GET a\r\nSET a 1\r\nGET a\r\n", "$-1\r\n");
    assert_string_equal(kit_ask(&k, other, "GET a\r\n"), "$-1\r\n");
    session_unpause(k.session);
    ASK("", "+OK\r\n$1\r\n1\r\n");
    session_unpause(k.session);
    ASK("SET a 2\r\n", "+OK\r\n");
}

/* What has waited for the disk when the pause began is held as what comes in it; reads go on. */
static void pause_parked(void **state) {
    (void)state;
    fake_end *reader, *other;
    client *r = kit_client(&k, &reader);
    kit_client(&k, &other);
    ASK("SET a 1\r\n", "+OK\r\n");
    k.knobs->pending_permille = 1000;
    kit_send(end, "DEL a\r\nGET a\r\n");
    kit_send(reader, "GET a\r\n");
    session_flush(k.session);
    kit_turn(&k);
    assert_true(c->flags & CLIENT_RERUN && r->flags & CLIENT_RERUN);
    session_pause(k.session, k.clock.wall_ms + 100000, false);
    ASK("", "");
    assert_true(c->flags & CLIENT_PAUSED && !c->reader.rounds);
    assert_string_equal(kit_ask(&k, reader, ""), "$1\r\n1\r\n");
    assert_string_equal(kit_ask(&k, other, "GET a\r\n"), "$1\r\n1\r\n");
    session_unpause(k.session);
    ASK("", ":1\r\n$-1\r\n");
}

/* A second pause does not make the first one shorter or milder. */
static void pause_twice(void **state) {
    (void)state;
    bool all;
    session_pause(k.session, k.clock.wall_ms + 1000, true);
    session_pause(k.session, k.clock.wall_ms + 100, false);
    assert_true(session_paused(k.session, &all) && all);
    kit_sleep(&k, 200);
    ASK("PING\r\n", "");
    session_pause(k.session, k.clock.wall_ms + 2000, false);
    kit_sleep(&k, 1500);
    ASK("", "");
    kit_sleep(&k, 501);
    ASK("", "+PONG\r\n");
}

/* Nothing expires while a pause is on, though it reads as absent. */
static void pause_freezes_expiry(void **state) {
    (void)state;
    entry ent = {.type = KEY_STRING, .value = SLICE("1"), .expire = k.clock.wall_ms + 100};
    ks_begin(k.ks);
    assert_int_equal(ks_put(k.ks, 0, SLICE("a"), &ent), ENGINE_OK);
    ks_commit(k.ks);
    session_pause(k.session, k.clock.wall_ms + 1000, false);
    kit_sleep(&k, 200);
    ks_expire_cycle(k.ks, 1000);
    ASK("GET a\r\n", "$-1\r\n");
    assert_int_equal(ks_statistics(k.ks)->expired, 0);
    session_unpause(k.session);
    ks_expire_cycle(k.ks, 1000);
    assert_int_equal(ks_statistics(k.ks)->expired, 1);
}

static void paused_and_gone(void **state) {
    (void)state;
    session_pause(k.session, k.clock.wall_ms + 100000, true);
    ASK("PING\r\n", "");
    end->eof = true;
    kit_turn(&k);
    kit_turn(&k);
    assert_true(end->closed);
    session_unpause(k.session);
    kit_turn(&k);
}

/* A client that is closed for what a gate has pushed to it waits for nothing any more. */
static void pushed_too_much(void **state) {
    (void)state;
    static gate_result say;
    say = GATE_PASS;
    (void)session_gate_add(k.session, &(gate){.name = "pushes", .pass = pushes, .ctx = &say});
    output_limit *l = &session_config.output[OUTPUT_CLASS_PUBSUB];
    end->take = 0;
    kit_send(end, "BIG 100000\r\n");
    kit_turn(&k);
    int64_t hard = l->hard;
    c->flags |= CLIENT_PUBSUB;
    l->hard = 1;
    say = GATE_HOLD;
    kit_send(end, "PING\r\n");
    kit_turn(&k);
    l->hard = hard;
    assert_true(end->closed);
    assert_false(list_used(&k.session->waiting));
    assert_false(list_used(&k.session->closing));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(password),         TEST(memory),
        TEST(eviction),         TEST(disk),
        TEST(pushed_by_a_gate), TEST(pushed_after_a_block),
        TEST(pause_all),        TEST(order_and_arms),
        TEST(pause_writes),     TEST(pause_parked),
        TEST(pause_twice),      TEST(pause_freezes_expiry),
        TEST(paused_and_gone),  TEST(pushed_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
