/* pace: writes wait as long as the engine says, in order, and nobody else does; whoever ends while
 * waiting leaves nothing behind. */
#include "support/session_kit.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

static kit k;
static client *c;
static fake_end *end;
static const mem_counters *counters;

static int setup(void **state) {
    (void)state;
    kit_start(&k);
    c = kit_client(&k, &end);
    counters = engine_mem_counters(k.engine);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    session_pace_least(k.session, 0);
    kit_stop(&k);
    return 0;
}

#define ASK(text, reply) assert_string_equal(kit_ask(&k, end, text), reply)

/* A field of INFO. */
static long long info(const char *name) {
    static buf text;
    char line[64];
    buf_clear(&text);
    for (const metric_section *m = session_metrics(k.session); m->name; m++)
        m->emit(&text, m->ctx);
    buf_append_char(&text, 0);
    snprintf(line, sizeof line, "\n%s:", name);
    const char *at = strstr(text.data, line);
    assert_non_null(at);
    return atoll(at + strlen(line));
}

static void no_wait_asked_for(void **state) {
    (void)state;
    ASK("PUT a 1\r\nGET a\r\nSET a 2\r\nDEL a\r\n", "+OK\r\n$1\r\n1\r\n+OK\r\n:1\r\n");
    assert_int_equal(counters->paced, 1); /* of these only PUT may grow the data */
    assert_in_range(counters->paced_bytes, 2, 200);
    assert_int_equal(info("write_delays"), 0);
}

static void one_client_waits_in_order(void **state) {
    (void)state;
    fake_end *other;
    kit_client(&k, &other);
    k.knobs->pace_us = 3000;
    ASK("PUT a 1\r\nGET a\r\nPUT a 2\r\nGET a\r\n", "");
    assert_true(c->flags & CLIENT_DELAYED);
    assert_int_equal(info("delayed_clients"), 1);
    assert_string_equal(kit_ask(&k, other, "GET a\r\nSET b 1\r\nDEL b\r\n"),
                        "$-1\r\n+OK\r\n:1\r\n");
    kit_sleep(&k, 2);
    ASK("", "");
    kit_sleep(&k, 1);
    ASK("PING\r\n", "+OK\r\n$1\r\n1\r\n");
    assert_int_equal(info("write_delays"), 2);
    assert_int_equal(info("write_delay_usec"), 3000);
    kit_sleep(&k, 3);
    ASK("", "+OK\r\n$1\r\n2\r\n+PONG\r\n");
    assert_int_equal(counters->paced,
                     2); /* once for each command, however often it was looked at */
    assert_int_equal(info("delayed_clients"), 0);
    assert_int_equal(info("write_delay_usec"), 6000);
}

/* Less than a millisecond is added up; the whole is what the engine asked for. */
static void short_waits_add_up(void **state) {
    (void)state;
    k.knobs->pace_us = 300;
    ASK("PUT a 1\r\nPUT a 2\r\nPUT a 3\r\n", "+OK\r\n+OK\r\n+OK\r\n");
    int done = 3;
    for (int slept = 0; done < 103; slept++) {
        const char *reply = kit_ask(&k, end, "PUT a 4\r\nPUT a 4\r\n");
        for (;; reply = kit_received(end)) {
            done += (int)strlen(reply) / 5;
            if (!(c->flags & CLIENT_DELAYED)) break;
            kit_sleep(&k, 1);
        }
    }
    assert_in_range(info("write_delay_usec"), 103 * 300 - 1000, 103 * 300 + 600);
    assert_in_range(info("write_delays"), 20, 35);
    /* What is waited too long counts for what comes next. */
    k.knobs->pace_us = 1900;
    uint64_t before = (uint64_t)info("write_delays");
    ASK("PUT a 5\r\n", "");
    kit_sleep(&k, 50);
    ASK("", "+OK\r\n");
    k.knobs->pace_us = 900;
    ASK("PUT a 6\r\n", "+OK\r\n");
    assert_int_equal(info("write_delays"), before + 1);
    /* And when the engine asks for nothing any more, nothing is owed. */
    k.knobs->pace_us = 0;
    ASK("PUT a 7\r\n", "+OK\r\n");
    k.knobs->pace_us = 900;
    ASK("PUT a 8\r\n", "+OK\r\n");
}

/* A long wait ends when its reason has gone; one whose reason stays lasts. */
static void ends_with_its_reason(void **state) {
    (void)state;
    k.knobs->pace_us = 1000000;
    ASK("PUT a 1\r\n", "");
    kit_sleep(&k, 100);
    ASK("", "");
    k.knobs->pace_us = 0;
    kit_sleep(&k, 20);
    ASK("PUT a 2\r\n", "+OK\r\n+OK\r\n");
    assert_in_range(info("write_delay_usec"), 100000, 125000);
    k.knobs->pace_us = 900; /* and nothing is owed for the rest */
    ASK("PUT a 3\r\n", "+OK\r\n");
    assert_int_equal(counters->paced, 3);
}

/* Each client waits on its own, as long as its own write asks for. */
static void many_clients(void **state) {
    (void)state;
    fake_end *ends[20];
    char text[8192];
    k.knobs->pace_us = 1000;
    for (int i = 0; i < 20; i++) {
        kit_client(&k, &ends[i]);
        int n = snprintf(text, sizeof text, "*3\r\n$3\r\nPUT\r\n$2\r\nk%c\r\n$%d\r\n", 'a' + i,
                         i * 200 + 1);
        memset(text + n, 'v', (size_t)i * 200 + 1);
        kit_send_bytes(ends[i], slice_of(text, (size_t)(n + i * 200 + 1)));
        kit_send(ends[i], "\r\n");
    }
    kit_turn(&k);
    kit_turn(&k);
    assert_int_equal(info("delayed_clients"), 20);
    for (int ms = 1; ms <= 4; ms++) {
        kit_sleep(&k, 1);
        for (int i = 0; i < 20; i++) {
            int due = (i * 200 + 1 + 2 + 64 + 1023) / 1024;
            assert_string_equal(kit_ask(&k, ends[i], ""), due == ms ? "+OK\r\n" : "");
        }
    }
    assert_int_equal(info("delayed_clients"), 0);
}

/* Killed, gone, or in the middle of it at the end: no timer is left, and no one is counted. */
static void ends_while_waiting(void **state) {
    (void)state;
    fake_end *killed, *broken, *late;
    client *victim = kit_client(&k, &killed);
    kit_client(&k, &broken);
    kit_client(&k, &late);
    session_pace_least(k.session, 5000);
    assert_string_equal(kit_ask(&k, killed, "PUT a 1\r\n"), "");
    assert_string_equal(kit_ask(&k, broken, "PUT b 1\r\n"), "");
    assert_string_equal(kit_ask(&k, late, "PUT c 1\r\nGET c\r\n"), "");
    assert_int_equal(info("delayed_clients"), 3);
    client_close_soon(victim);
    broken->broken = true;
    late->eof = true;
    ASK("EXISTS a\r\n", ":0\r\n");
    assert_true(killed->closed && broken->closed);
    assert_false(late->closed);
    assert_int_equal(info("delayed_clients"), 1);
    kit_sleep(&k, 6);
    ASK("EXISTS a\r\nEXISTS b\r\n", ":0\r\n:0\r\n");
    /* Who only sends no more gets the answers first. */
    assert_string_equal(kit_received(late), "+OK\r\n$1\r\n1\r\n");
    assert_true(late->closed);
    ASK("PUT d 1\r\n", ""); /* teardown ends it as it waits */
}

/* Its time is up in the turn in which it is killed. */
static void killed_as_it_wakes(void **state) {
    (void)state;
    session_pace_least(k.session, 5000);
    ASK("PUT a 1\r\n", "");
    client_close_soon(c);
    k.clock.mono_us += 5000;
    kit_turn(&k);
    assert_true(end->closed);
    assert_int_equal(session_client_count(k.session), 0);
    assert_int_equal(info("delayed_clients"), 0);
}

/* A pause that begins meanwhile holds it further, and it does not wait twice. */
static void pause_meanwhile(void **state) {
    (void)state;
    session_pace_least(k.session, 5000);
    ASK("PUT a 1\r\n", "");
    session_pause(k.session, k.clock.wall_ms + 100, true);
    session_resume(k.session); /* a read of somebody else's is ready */
    ASK("", "");
    kit_sleep(&k, 10);
    ASK("", "");
    assert_int_equal(info("delayed_clients"), 0);
    kit_sleep(&k, 91);
    ASK("", "+OK\r\n");
    assert_int_equal(info("write_delays"), 1);
}

/* Commands from within wait for nobody. */
static void fakes_do_not_wait(void **state) {
    (void)state;
    session_pace_least(k.session, 5000);
    client *f = client_fake(k.session);
    slice argv[] = {SLICE("PUT"), SLICE("a"), SLICE("1")};
    f->argc = 3;
    f->argv = argv;
    client_run(f);
    assert_false(f->flags & CLIENT_WAITS);
    assert_true(slice_eq(buf_slice(&f->out), SLICE("+OK\r\n")));
    client_fake_free(f);
    assert_int_equal(info("write_delays"), 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(no_wait_asked_for),  TEST(one_client_waits_in_order),
        TEST(short_waits_add_up), TEST(ends_with_its_reason),
        TEST(many_clients),       TEST(ends_while_waiting),
        TEST(killed_as_it_wakes), TEST(pause_meanwhile),
        TEST(fakes_do_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
