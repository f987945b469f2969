/* pubsub: who gets what, when, and in which protocol. */
#include "support/session_kit.h"
#include "support/unit.h"

#include "pubsub/pubsub.h"
#include "session/inside.h"
#include "session/reply.h"

#include <stdio.h>
#include <string.h>

#define CLIENTS 4

static kit k;
static client *c[CLIENTS];
static fake_end *end[CLIENTS];

/* pair a b: publishes a and b to x in one batch, and answers b. twice fails: as pair, and is
 * undone. */
static command_result run_pair(client *who) {
    command_row *row = command_by_name(SLICE("publish"));
    for (int i = 1; i < 3; i++) {
        slice argv[] = {SLICE("publish"), SLICE("x"), who->argv[i]};
        size_t at = who->out.len;
        inside_command in = {.row = row, .argc = 3, .argv = argv};
        if (inside_run(who, &in) != CMD_DONE) return CMD_REFUSED;
        who->out.len = at;
    }
    if (arg_is(who, 2, "undone")) return reply_error(who, "ERR undone");
    reply_bulk(who, who->argv[2]);
    return CMD_DONE;
}

static command_result run_proto(client *who) {
    who->proto = 3;
    reply_ok(who);
    return CMD_DONE;
}

static const command own_commands[] = {
    {.name = "pair", .run = run_pair, .arity = 3},
    {.name = "resp3", .run = run_proto, .arity = 1},
    {0},
};

static void events(const char *value) {
    slice word = slice_cstr(value);
    assert_true(status_ok(setting_parse(&pubsub_settings[0], 1, &word)));
}

static int setup(void **state) {
    (void)state;
    kit_register_once(own_commands, pubsub_commands);
    kit_start(&k);
    pubsub_start(k.session);
    for (int i = 0; i < CLIENTS; i++)
        c[i] = kit_client(&k, &end[i]);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    events("");
    kit_stop(&k);
    return 0;
}

static void ask(int who, const char *lines, const char *want) {
    assert_string_equal(kit_ask(&k, end[who], lines), want);
}
static void got(int who, const char *want) {
    assert_string_equal(kit_received(end[who]), want);
}

#define SUBSCRIBED(name, n)    "*3\r\n$9\r\nsubscribe\r\n$1\r\n" name "\r\n:" n "\r\n"
#define MESSAGE(channel, text) "*3\r\n$7\r\nmessage\r\n$1\r\n" channel "\r\n$1\r\n" text "\r\n"

static void channels(void **state) {
    (void)state;
    ask(0, "SUBSCRIBE x y x\r\n", SUBSCRIBED("x", "1") SUBSCRIBED("y", "2") SUBSCRIBED("x", "2"));
    ask(1, "PSUBSCRIBE ?\r\n", "*3\r\n$10\r\npsubscribe\r\n$1\r\n?\r\n:1\r\n");
    ask(2, "SSUBSCRIBE x\r\n", "*3\r\n$10\r\nssubscribe\r\n$1\r\nx\r\n:1\r\n");
    assert_true(c[0]->flags & CLIENT_PUBSUB);
    ask(3, "PUBLISH x 1\r\nPUBLISH xx 1\r\nSPUBLISH x 2\r\n", ":2\r\n:0\r\n:1\r\n");
    got(0, MESSAGE("x", "1"));
    got(1, "*4\r\n$8\r\npmessage\r\n$1\r\n?\r\n$1\r\nx\r\n$1\r\n1\r\n");
    got(2, "*3\r\n$8\r\nsmessage\r\n$1\r\nx\r\n$1\r\n2\r\n");
    ask(3, "PUBSUB NUMSUB x y z\r\nPUBSUB NUMPAT\r\nPUBSUB CHANNELS y*\r\nPUBSUB SHARDNUMSUB x\r\n",
        "*6\r\n$1\r\nx\r\n:1\r\n$1\r\ny\r\n:1\r\n$1\r\nz\r\n:0\r\n:1\r\n*1\r\n$1\r\ny\r\n"
        "*2\r\n$1\r\nx\r\n:1\r\n");
    ask(0, "UNSUBSCRIBE y z\r\nUNSUBSCRIBE\r\nUNSUBSCRIBE\r\nget a\r\n",
        "*3\r\n$11\r\nunsubscribe\r\n$1\r\ny\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nz\r\n:1\r\n"
        "*3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:0\r\n*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n$-"
        "1\r\n");
    assert_false(c[0]->flags & CLIENT_PUBSUB);
    size_t before = client_memory(c[0]);
    ask(0, "SUBSCRIBE x\r\n", SUBSCRIBED("x", "1"));
    assert_true(client_memory(c[0]) > before);
    client_forget_slots(c[0]);
    assert_false(c[0]->flags & CLIENT_PUBSUB);
    ask(3, "PUBSUB NUMSUB x\r\n", "*2\r\n$1\r\nx\r\n:0\r\n");
}

/* RESP2 subscribers may do little; RESP3 ones anything, and get pushes. */
static void protocols(void **state) {
    (void)state;
    ask(0, "SUBSCRIBE x\r\nget a\r\nping\r\n",
        SUBSCRIBED("x", "1") "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / "
                             "PING / QUIT / RESET are allowed in this context\r\n+PONG\r\n");
    ask(1, "resp3\r\nSUBSCRIBE x\r\nget a\r\n",
        "+OK\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n_\r\n");
    /* to oneself: behind the reply */
    ask(1, "PUBLISH x 1\r\n", ":2\r\n>3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\n1\r\n");
    got(0, MESSAGE("x", "1"));
}

/* What is published in a batch goes out when that has committed, or not at all. */
static void batches(void **state) {
    (void)state;
    ask(0, "SUBSCRIBE x\r\n", SUBSCRIBED("x", "1"));
    ask(1, "pair 1 2\r\n", "$1\r\n2\r\n");
    got(0, MESSAGE("x", "1") MESSAGE("x", "2"));
    ask(1, "pair 1 undone\r\n", "-ERR undone\r\n");
    got(0, "");
}

/* A message is not ahead of what was done before it; a log that fails drops it. */
static void depends(void **state) {
    (void)state;
    ask(0, "SUBSCRIBE x\r\n", SUBSCRIBED("x", "1"));
    k.knobs->hold = true;
    ask(1, "set a 1\r\nPUBLISH x 1\r\n", "");
    got(0, "");
    engine_mem_release(k.engine, engine_log_end(k.engine));
    kit_turn(&k);
    got(0, MESSAGE("x", "1"));
    ask(1, "", "+OK\r\n:1\r\n");
    k.knobs->hold = false;
}

#define KEYSPACE(key, event, n)                                                                    \
    "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$16\r\n__keyspace@0__:" key "\r\n$" n "\r\n" event "\r\n"
#define KEYEVENT(event, key, n)                                                                    \
    "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$" n "\r\n__keyevent@0__:" event "\r\n$1\r\n" key "\r\n"

static void keyspace_events(void **state) {
    (void)state;
    kit_received(end[0]);
    (void)kit_ask(&k, end[0], "PSUBSCRIBE *\r\n");
    ask(1, "set a 1\r\n", "+OK\r\n");
    got(0, "");
    events("K$");
    ask(1, "set a 1\r\nget no\r\nrefuse a 2\r\n", "+OK\r\n$-1\r\n-ERR refused\r\n");
    got(0, KEYSPACE("a", "set", "3"));
    events("EAnm");
    ask(1, "set b 1\r\nget q\r\n", "+OK\r\n$-1\r\n");
    got(0, KEYEVENT("new", "b", "18") KEYEVENT("set", "b", "18") KEYEVENT("keymiss", "q", "22"));
    events("A"); /* neither K nor E */
    ask(1, "set b 1\r\n", "+OK\r\n");
    events("K"); /* no class */
    ask(1, "set b 1\r\n", "+OK\r\n");
    got(0, "");
}

/* Nor is an event ahead of the write that it tells of; nor one of an expiry, which nobody asked
 * for. What a failed log may have lost nobody hears of. */
static void events_depend(void **state) {
    (void)state;
    (void)kit_ask(&k, end[0], "PSUBSCRIBE *\r\n");
    events("K$x");
    entry ent = {
        .type = KEY_STRING, .value = SLICE("1"), .expire = k.clock.wall_ms + 10, .access = 0};
    ks_begin(k.ks);
    assert_int_equal(ks_put(k.ks, 0, SLICE("b"), &ent), ENGINE_OK);
    ks_commit(k.ks);
    k.knobs->hold = true;
    ask(1, "set a 1\r\n", "");
    kit_turn(&k);
    got(0, "");
    engine_mem_release(k.engine, engine_log_end(k.engine));
    kit_turn(&k);
    got(0, KEYSPACE("a", "set", "3"));
    kit_sleep(&k, 20);
    (void)ks_expire_cycle(k.ks, 1000);
    kit_turn(&k);
    got(0, "");
    engine_mem_release(k.engine, engine_log_end(k.engine));
    kit_turn(&k);
    got(0, KEYSPACE("b", "expired", "7"));
    ask(1, "set a 1\r\n", "+OK\r\n"); /* the first one's */
    k.knobs->failed = ST_IO;
    kit_turn(&k);
    got(0, "");
    k.knobs->failed = ST_OK;
    k.knobs->hold = false;
}

static void setting_text(void **state) {
    static const char *const rows[][2] = {
        {"KEA", "AKE"}, {"AKE", "AKE"},       {"KEnm", "nKEm"},        {"Ag", "A"},
        {"", ""},       {"xKEdtn", "xtdnKE"}, {"g$lshzxetdKE", "AKE"}, {"KEAn", "AnKE"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf out = {0};
        events(rows[i][0]);
        pubsub_settings[0].get(&pubsub_settings[0], &out);
        buf_append_char(&out, 0);
        assert_string_equal(out.data, rows[i][1]);
        buf_free(&out);
    }
    slice word = SLICE("Kq");
    assert_false(status_ok(setting_parse(&pubsub_settings[0], 1, &word)));
}

/* Against a table of who is subscribed to what. */
static void random_subscriptions(void **state) {
    rng r;
    bool in[CLIENTS][5] = {{false}};
    (void)state;
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(2000); i++) {
        int who = (int)rng_below(&r, CLIENTS - 1), name = (int)rng_below(&r, 5), n = 0;
        char line[64], want[64];
        bool on = rng_below(&r, 2);
        snprintf(line, sizeof line, "%sSUBSCRIBE c%d\r\n", on ? "" : "UN", name);
        (void)kit_ask(&k, end[who], line);
        in[who][name] = on;
        for (int j = 0; j < CLIENTS; j++) {
            unsigned count = 0;
            n += in[j][name];
            for (int m = 0; m < 5; m++)
                count += in[j][m];
            assert_int_equal(c[j]->channels, count);
            assert_int_equal(!!(c[j]->flags & CLIENT_PUBSUB), count > 0);
        }
        snprintf(line, sizeof line, "PUBLISH c%d 1\r\n", name);
        snprintf(want, sizeof want, ":%d\r\n", n);
        ask(CLIENTS - 1, line, want);
        for (int j = 0; j < CLIENTS - 1; j++)
            assert_int_equal(!!kit_received(end[j])[0], in[j][name]);
    }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(channels),        TEST(protocols),     TEST(batches),      TEST(depends),
        TEST(keyspace_events), TEST(events_depend), TEST(setting_text), TEST(random_subscriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
