/* tracking: what is told to whom, and when. */
#include "support/tracking_test.h"

static client *a, *b, *w;
static fake_end *ea, *eb, *ew;

/* Three clients, the first two of which speak RESP3. */
static int begin(void **state) {
    (void)setup(state);
    a = kit_client(&k, &ea);
    b = kit_client(&k, &eb);
    w = kit_client(&k, &ew);
    a->proto = b->proto = 3;
    return 0;
}

#define A(text, reply) assert_string_equal(kit_ask(&k, ea, text), reply)
#define B(text, reply) assert_string_equal(kit_ask(&k, eb, text), reply)
#define W(text, reply) assert_string_equal(kit_ask(&k, ew, text), reply)
#define A_HEARS(reply) assert_string_equal(kit_received(ea), reply)
#define B_HEARS(reply) assert_string_equal(kit_received(eb), reply)
#define ON(options)    "client tracking on " options "\r\n"
#define GONE(key)      ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\n" key "\r\n"
#define GONE2(k1, k2)  ">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\n" k1 "\r\n$1\r\n" k2 "\r\n"
#define ALL_GONE       ">2\r\n$10\r\ninvalidate\r\n_\r\n"
#define OK             "+OK\r\n"
#define NIL            "_\r\n"

/* ---- the default mode --------------------------------------------------------------------------
 */

static void told_once(void **state) {
    (void)state;
    A(ON(""), OK);
    A("get x\r\nget x\r\nmget y z\r\n", NIL NIL "*2\r\n" NIL NIL);
    assert_int_equal(info("tracking_total_keys"), 3);
    B(ON(""), OK);
    B("get x\r\n", NIL);
    assert_int_equal(info("tracking_total_keys"), 3);
    assert_int_equal(info("tracking_total_items"), 4);
    assert_int_equal(info("tracking_clients"), 2);
    W("set x 1\r\n", OK);
    A_HEARS(GONE("x"));
    B_HEARS(GONE("x"));
    W("set x 2\r\ndrop x\r\n", OK ":1\r\n");
    A_HEARS("");
    assert_int_equal(info("tracking_total_items"), 2);
    W("refuse y 1\r\n", "-ERR refused\r\n"); /* has changed nothing */
    A_HEARS("");
    W("flush\r\n", OK);
    A_HEARS(ALL_GONE);
    B_HEARS(ALL_GONE);
    assert_int_equal(info("tracking_total_keys"), 0);
    W("set z 1\r\n", OK);
    A_HEARS("");
}

/* Its own messages come behind its reply; reads and changes within one command in their order. */
static void its_own(void **state) {
    (void)state;
    A(ON(""), OK);
    A("get x\r\nset x 1\r\nset x 2\r\n", NIL OK GONE("x") OK);
    A("do get:x;set:x:3\r\n", "*2\r\n$1\r\n2\r\n+OK\r\n" GONE("x"));
    A("set x 4\r\n", OK);
    A("do set:x:5;get:x\r\n", "*2\r\n+OK\r\n$1\r\n5\r\n");
    A("set x 6\r\n", OK GONE("x"));
    A("get y\r\n", NIL);
    A("flush\r\n", OK ALL_GONE);
    A("do get:x;flush;get:y\r\n", "*3\r\n" NIL OK NIL ALL_GONE);
    W("set x 1\r\nset y 1\r\n", OK OK);
    A_HEARS(GONE("y"));
}

/* What an error was answered to is remembered, what only names keys is not. */
static void which_reads(void **state) {
    (void)state;
    A(ON(""), OK);
    A("wrong x\r\n", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    W("set x 1\r\n", OK);
    A_HEARS(GONE("x"));
    A("do wrong:x\r\n",
      "*1\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    W("set x 1\r\n", OK);
    A_HEARS(GONE("x"));
    A("set x 1\r\nspublish x\r\neval_ro x\r\nget\r\n",
      OK ":1\r\n:1\r\n-ERR wrong number of arguments for 'get' command\r\n");
    assert_int_equal(info("tracking_total_keys"), 0);
    A("client tracking off\r\nget x\r\n", OK "$1\r\n1\r\n");
    assert_int_equal(info("tracking_total_keys"), 0);
    assert_int_equal(info("tracking_clients"), 0);
}

static void noloop(void **state) {
    (void)state;
    A(ON("noloop"), OK);
    A("get x\r\nset x 1\r\n", NIL OK);
    assert_int_equal(info("tracking_total_keys"), 0);
    A("get x\r\n", "$1\r\n1\r\n");
    W("set x 2\r\n", OK);
    A_HEARS(GONE("x"));
    A("flush\r\n", OK ALL_GONE);
    /* it has not changed what expires */
    ks_set_active_expire(k.ks, false);
    A("setpx x 1 10\r\nget x\r\n", OK "$1\r\n1\r\n");
    kit_sleep(&k, 11);
    A("get x\r\n", NIL GONE("x"));
    ks_set_active_expire(k.ks, true);
    A("setpx y 1 10\r\nget y\r\n", OK "$1\r\n1\r\n");
    kit_sleep(&k, 11);
    (void)ks_expire_cycle(k.ks, 1000000);
    kit_turn(&k);
    A_HEARS(GONE("y"));
}

static void optin_and_optout(void **state) {
    (void)state;
    A(ON("optin"), OK);
    A("get x\r\nclient caching yes\r\nclient id\r\nget y\r\nget z\r\n", NIL OK ":1\r\n" NIL NIL);
    assert_int_equal(info("tracking_total_keys"), 1);
    A("client caching yes\r\nnope\r\nget z\r\n",
      OK "-ERR unknown command 'nope', with args beginning with: \r\n" NIL);
    A("client caching yes\r\ndo get:x;get:y;get:z\r\n", OK "*3\r\n" NIL NIL NIL);
    assert_int_equal(info("tracking_total_keys"), 3);
    A("client tracking off\r\n" ON("optout"), OK OK);
    W("flush\r\n", OK);
    A_HEARS(ALL_GONE);
    A("get x\r\nclient caching no\r\nget y\r\nget z\r\n", NIL OK NIL NIL);
    assert_int_equal(info("tracking_total_keys"), 2);
    /* a transaction is one command */
    a->flags |= CLIENT_MULTI;
    A("client caching no\r\nget m\r\nget n\r\n", OK NIL NIL);
    a->flags &= ~(unsigned)CLIENT_MULTI;
    assert_int_equal(info("tracking_total_keys"), 2);
}

/* ---- order and durability ----------------------------------------------------------------------
 */

/* A read whose reply waits for the log, and a change after it: first the reply, then the message,
 * and neither before what it shows. */
static void behind_held_replies(void **state) {
    (void)state;
    A(ON(""), OK);
    k.knobs->hold = true;
    W("set x 1\r\n", "");
    log_pos first = engine_log_end(k.engine);
    A("get x\r\n", "");
    W("set x 2\r\n", "");
    A_HEARS("");
    engine_mem_release(k.engine, first);
    kit_turn(&k);
    A_HEARS("$1\r\n1\r\n");
    assert_string_equal(kit_received(ew), OK);
    engine_mem_release(k.engine, UINT64_MAX);
    kit_turn(&k);
    A_HEARS(GONE("x"));
    assert_string_equal(kit_received(ew), OK);
}

/* A change while a read is parked is in what that answers; one after it is told. */
static void parked_reads(void **state) {
    (void)state;
    A(ON("") "set x 1\r\n", OK OK);
    for (int i = 0; i < 20; i++) {
        k.knobs->pending_permille = 1000;
        kit_send(ea, "do get:x;get:y\r\n");
        for (int j = 0; j < i; j++)
            kit_turn(&k);
        k.knobs->pending_permille = 0;
        kit_send(ew, "set x 2\r\n");
        kit_quiet(&k, ea);
        kit_quiet(&k, ew);
        buf heard = {0};
        buf_printf(&heard, "%s", kit_received(ea));
        const char *early = "*2\r\n$1\r\n1\r\n" NIL GONE("x"), *late = "*2\r\n$1\r\n2\r\n" NIL;
        bool was_late = heard.len == strlen(late);
        assert_int_equal(heard.len, strlen(was_late ? late : early));
        assert_memory_equal(heard.data, was_late ? late : early, heard.len);
        buf_free(&heard);
        W("set x 1\r\n", OK OK);
        A_HEARS(was_late ? GONE("x") : "");
    }
}

/* A run that comes to nothing is not remembered. */
static void failed_reads(void **state) {
    (void)state;
    A(ON(""), OK);
    k.knobs->error_at = 1;
    A("get x\r\n", "-ERR engine_mem: an error was asked for\r\n");
    assert_int_equal(info("tracking_total_keys"), 0);
    k.knobs->error_at = 2;
    A("do get:x;get:y\r\n", "-ERR engine_mem: an error was asked for\r\n");
    assert_int_equal(info("tracking_total_keys"), 0);
}

/* ---- BCAST -------------------------------------------------------------------------------------
 */

static void broadcast(void **state) {
    (void)state;
    A(ON("bcast"), OK);
    B(ON("bcast prefix y prefix x"), OK);
    assert_int_equal(info("tracking_total_prefixes"), 3);
    W("set z 1\r\nset y 1\r\nset x 1\r\nset y 2\r\n", OK OK OK OK);
    A_HEARS(">2\r\n$10\r\ninvalidate\r\n*3\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\nz\r\n");
    B_HEARS(GONE("x") GONE("y"));
    A("get x\r\n", "$1\r\n1\r\n");
    assert_int_equal(info("tracking_total_keys"), 0);
    B("set x 1\r\n", OK GONE("x"));
    A_HEARS(GONE("x"));
    W("flush\r\n", OK);
    A_HEARS(ALL_GONE);
    B_HEARS(ALL_GONE);
    B("client tracking off\r\n", OK);
    assert_int_equal(info("tracking_total_prefixes"), 1);
    client_close_soon(a);
    W("set x 1\r\n", OK);
    assert_int_equal(info("tracking_total_prefixes"), 0);
    assert_int_equal(info("tracking_clients"), 0);
}

/* By who changed a key last. */
static void broadcast_noloop(void **state) {
    (void)state;
    A(ON("bcast noloop"), OK);
    A("set x 1\r\nset y 1\r\n", OK OK);
    kit_send(ea, "set x 1\r\nset y 1\r\n");
    kit_send(ew, "set y 1\r\nset z 1\r\n");
    kit_quiet(&k, ea);
    A_HEARS(OK OK GONE2("y", "z"));
    kit_send(ea, "setpx x 1 10\r\n");
    kit_quiet(&k, ea);
    A_HEARS(OK);
    kit_sleep(&k, 11);
    A("get x\r\n", NIL GONE("x"));
}

/* ---- REDIRECT ----------------------------------------------------------------------------------
 */

#define SAID(key) "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\n" key "\r\n"

static void redirected(void **state) {
    (void)state;
    A(ON("redirect 2"), OK);
    A("client getredir\r\n", ":2\r\n");
    A("get x\r\nset x 1\r\n", NIL OK);
    B_HEARS(GONE("x"));
    b->proto = 2;
    A("get x\r\nset x 1\r\n", "$1\r\n1\r\n" OK);
    B_HEARS("");
    b->flags |= CLIENT_PUBSUB;
    A("get x\r\nset x 1\r\n", "$1\r\n1\r\n" OK);
    B_HEARS(SAID("x"));
    W("flush\r\n", OK);
    B_HEARS("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");
    A("get x\r\n", NIL);
    client_close_soon(b);
    W("set x 1\r\n", OK);
    A_HEARS(">2\r\n$21\r\ntracking-redir-broken\r\n:2\r\n");
    A("client trackinginfo\r\n", "%3\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$15\r\nbroken_redirect\r\n"
                                 "$8\r\nredirect\r\n:2\r\n$8\r\nprefixes\r\n*0\r\n");
    A(ON("redirect 2"), "-ERR The client ID you want redirect to does not exist\r\n");
    A(ON(""), OK);
    A("client getredir\r\n", ":0\r\n");
    assert_false(a->flags & CLIENT_TRACKING_BROKEN);
}

/* RESP2 alone can't tell a message from a reply. */
static void resp2_alone(void **state) {
    (void)state;
    W(ON(""), OK);
    W("get x\r\nset x 1\r\n", "$-1\r\n" OK);
    assert_int_equal(info("tracking_total_keys"), 0);
    W("flush\r\n", OK);
}

/* ---- the life of what is kept -------------------------------------------------------------------
 */

/* Off and on again: what was read before is told. Nothing is kept for nobody. */
static void off_and_on(void **state) {
    (void)state;
    A(ON(""), OK);
    A("get x\r\nget y\r\n", NIL NIL);
    A("client tracking off\r\n", OK);
    W("set x 1\r\n", OK);
    A(ON(""), OK);
    W("set x 1\r\nset y 1\r\n", OK OK);
    A_HEARS(GONE("y"));
    A("get x\r\n", "$1\r\n1\r\n");
    client_close_soon(a);
    kit_turn(&k);
    assert_int_equal(info("tracking_total_keys"), 0);
    assert_int_equal(info("tracking_total_items"), 0);
}

/* A reset is an end of it, for the client alone. */
static void reset(void **state) {
    (void)state;
    A(ON("bcast prefix x"), OK);
    B(ON(""), OK);
    B("get x\r\n", NIL);
    client_forget_slots(a);
    assert_false(a->flags & (CLIENT_TRACKING | CLIENT_TRACKING_BCAST));
    assert_int_equal(info("tracking_total_prefixes"), 0);
    W("set x 1\r\n", OK);
    A_HEARS("");
    B_HEARS(GONE("x"));
    A("client trackinginfo\r\n", "%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n"
                                 "$8\r\nprefixes\r\n*0\r\n");
}

/* What is in an aborted batch can be said again. */
static void again_within(void **state) {
    (void)state;
    k.knobs->pending_permille = 1000;
    A("do client:tracking:on:bcast:prefix:x;get:y\r\n", "*2\r\n" OK NIL);
    k.knobs->pending_permille = 0;
    A(ON("bcast prefix x"), "-ERR Prefix 'x' overlaps with an existing prefix 'x'. Prefixes for a "
                            "single client must not overlap.\r\n");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, teardown)
    const struct CMUnitTest tests[] = {
        TEST(told_once),        TEST(its_own),
        TEST(which_reads),      TEST(noloop),
        TEST(optin_and_optout), TEST(behind_held_replies),
        TEST(parked_reads),     TEST(failed_reads),
        TEST(broadcast),        TEST(broadcast_noloop),
        TEST(redirected),       TEST(resp2_alone),
        TEST(off_and_on),       TEST(reset),
        TEST(again_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
