/* wait: who is answered at once, who waits for what, and what ends it. */
#include "support/session_kit.h"
#include "support/unit.h"

#include "wait/wait.h"

#include <stdio.h>

static kit k;
static client *c, *other;
static fake_end *end, *other_end;

static int setup(void **state) {
    (void)state;
    kit_register_once(NULL, wait_commands);
    kit_start(&k);
    wait_start(k.session);
    c = kit_client(&k, &end);
    other = kit_client(&k, &other_end);
    k.knobs->soft = true;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    kit_stop(&k);
    return 0;
}

#define ASK(text, reply)   assert_string_equal(kit_ask(&k, end, text), reply)
#define OTHER(text, reply) assert_string_equal(kit_ask(&k, other_end, text), reply)

/* All that is released is durable now. */
static void harden(void) {
    engine_mem_harden(k.engine, engine_log_end(k.engine));
}

static uint64_t asked(void) {
    return engine_mem_counters(k.engine)->sync_soons;
}

static void until_durable(void **state) {
    (void)state;
    ASK("waitaof 1 0 0\r\nwaitaof 0 0 0\r\n", "*2\r\n:1\r\n:0\r\n*2\r\n:1\r\n:0\r\n");
    assert_int_equal(asked(), 0);
    ASK("set a 1\r\nwaitaof 0 0 0\r\n", "+OK\r\n*2\r\n:0\r\n:0\r\n");
    ASK("waitaof 1 0 0\r\nget a\r\n", "");
    assert_true(c->flags & CLIENT_BLOCKED);
    assert_true(asked() > 0);
    /* of what others write it needs nothing, and they wait by themselves */
    OTHER("set b 2\r\n", "+OK\r\n");
    log_pos mine = c->wrote;
    assert_true(other->wrote > mine);
    OTHER("waitaof 1 0 0\r\n", "");
    engine_mem_harden(k.engine, mine - 1);
    ASK("", "");
    engine_mem_harden(k.engine, mine);
    ASK("", "*2\r\n:1\r\n:0\r\n$1\r\n1\r\n");
    OTHER("", "");
    harden();
    OTHER("", "*2\r\n:1\r\n:0\r\n");
    /* who changes nothing has nothing to wait for */
    ASK("set a 3\r\n", "+OK\r\n");
    OTHER("get a\r\nwaitaof 1 0 0\r\n", "$1\r\n3\r\n*2\r\n:1\r\n:0\r\n");
}

static void time_limits(void **state) {
    (void)state;
    ASK("wait 0 0\r\nwait -3 0\r\n", ":0\r\n:0\r\n");
    ASK("wait 1 50\r\n", "");
    kit_sleep(&k, 40);
    ASK("", "");
    kit_sleep(&k, 20);
    ASK("", ":0\r\n");
    ASK("set a 1\r\nwaitaof 1 0 50\r\n", "+OK\r\n");
    kit_sleep(&k, 60);
    ASK("", "*2\r\n:0\r\n:0\r\n");
    /* replicas never come, though the log does */
    ASK("waitaof 1 1 50\r\n", "");
    harden();
    ASK("", "");
    kit_sleep(&k, 60);
    ASK("", "*2\r\n:1\r\n:0\r\n");
}

static void ends_otherwise(void **state) {
    (void)state;
    ASK("set a 1\r\nwaitaof 1 0 0\r\n", "+OK\r\n");
    client_close_soon(c);
    OTHER("set b 1\r\nwaitaof 1 0 0\r\n", "+OK\r\n");
    harden();
    OTHER("", "*2\r\n:1\r\n:0\r\n");
    OTHER("set b 2\r\nwaitaof 1 0 0\r\n", "+OK\r\n");
    k.knobs->failed = ST_FAILED;
    assert_non_null(strstr(kit_ask(&k, other_end, ""), "-MISCONF"));
    assert_false(other->flags & CLIENT_BLOCKED);
}

static void errors(void **state) {
    (void)state;
    ASK("wait a 0\r\nwait 0 a\r\nwait 0 -1\r\n",
        "-ERR value is not an integer or out of range\r\n"
        "-ERR timeout is not an integer or out of range\r\n-ERR timeout is negative\r\n");
    ASK("waitaof 2 0 0\r\nwaitaof -1 0 0\r\nwaitaof x 0 0\r\n",
        "-ERR value is out of range, value must between 0 and 1\r\n"
        "-ERR value is out of range, value must between 0 and 1\r\n"
        "-ERR value is not an integer or out of range\r\n");
    ASK("waitaof 0 -1 0\r\nwaitaof 0 0 -1\r\n",
        "-ERR value is out of range, must be positive\r\n-ERR timeout is negative\r\n");
    ASK("waitaof 1 0 9223372036854775807\r\n", "-ERR timeout is out of range\r\n");
}

/* Who can't wait is told how it stands. */
static void unwaiting(void **state) {
    (void)state;
    ASK("set a 1\r\n", "+OK\r\n");
    c->flags |= CLIENT_MULTI;
    ASK("waitaof 1 0 0\r\nwait 3 0\r\n", "*2\r\n:0\r\n:0\r\n:0\r\n");
    harden();
    ASK("waitaof 1 0 0\r\n", "*2\r\n:1\r\n:0\r\n");
    c->flags &= ~(unsigned)CLIENT_MULTI;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(until_durable, setup, teardown),
        cmocka_unit_test_setup_teardown(time_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_otherwise, setup, teardown),
        cmocka_unit_test_setup_teardown(errors, setup, teardown),
        cmocka_unit_test_setup_teardown(unwaiting, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
