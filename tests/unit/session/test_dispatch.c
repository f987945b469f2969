/* dispatch: from a command's bytes to its reply: lookup, batch, counters, watches, parking. */
#include "base/mem.h"
#include "session/reply.h"
#include "support/session_test.h"

#include <stdio.h>

static void simple_commands(void **state) {
    (void)state;
    ASK("PING\r\n", "+PONG\r\n");
    ASK("*2\r\n$4\r\npInG\r\n$2\r\nhi\r\n", "$2\r\nhi\r\n");
    ASK("GET k\r\n", "$-1\r\n");
    ASK("SET k v\r\nGET k\r\nDEL k\r\nDEL k\r\n", "+OK\r\n$1\r\nv\r\n:1\r\n:0\r\n");
    ASK("\r\n\r\nping\r\n", "+PONG\r\n");
    c->proto = 3;
    ASK("GET k\r\n", "_\r\n");
}

/* redis-server's texts, to the byte. */
static void unknown(void **state) {
    (void)state;
    ASK("NOPE\r\n", "-ERR unknown command 'NOPE', with args beginning with: \r\n");
    ASK("nope a b\r\n", "-ERR unknown command 'nope', with args beginning with: 'a' 'b' \r\n");
    kit_send_bytes(end, SLICE("*3\r\n$4\r\nno\r\n\r\n$3\r\na\0b\r\n$1\r\nc\r\n"));
    ASK("", "-ERR unknown command 'no  ', with args beginning with: 'a' 'c' \r\n");
}

static void unknown_is_cut(void **state) {
    (void)state;
    char line[600], want[600];
    memset(line, 'n', 200);
    snprintf(line + 200, sizeof line - 200, " %0100d %0100d more\r\n", 1, 2);
    snprintf(want, sizeof want,
             "-ERR unknown command '%.128s', with args beginning with: '%0100d' '%025d' \r\n", line,
             1, 0);
    ASK(line, want);
}

static void http_is_cut_off(void **state) {
    (void)state;
    ASK("POST / HTTP/1.1\r\nping\r\n", "");
    assert_true(end->closed);
    assert_int_equal(session_client_count(k.session), 0);
}

static void arity_and_containers(void **state) {
    (void)state;
    ASK("GET\r\n", "-ERR wrong number of arguments for 'get' command\r\n");
    ASK("get a b\r\n", "-ERR wrong number of arguments for 'get' command\r\n");
    ASK("BOX\r\n", "-ERR wrong number of arguments for 'box' command\r\n");
    ASK("BOX one\r\n", "$7\r\nbox|one\r\n");
    ASK("BOX ONE x\r\n", "-ERR wrong number of arguments for 'box|one' command\r\n");
    ASK("BOX two\r\n", "-ERR wrong number of arguments for 'box|two' command\r\n");
    ASK("BOX two x y\r\n", "$7\r\nbox|two\r\n");
    ASK("BOX Three\r\n", "-ERR unknown subcommand 'Three'. Try BOX HELP.\r\n");
}

/* An error undoes what the command changed before it. */
static void refused_leaves_nothing(void **state) {
    (void)state;
    ASK("REFUSE k v\r\nGET k\r\n", "-ERR refused\r\n$-1\r\n");
    ASK("SET k v\r\nREFUSE k w\r\nGET k\r\n", "+OK\r\n-ERR refused\r\n$1\r\nv\r\n");
}

static void engine_errors(void **state) {
    (void)state;
    ASK("SET k v\r\n", "+OK\r\n");
    k.knobs->error_at = 1;
    const char *reply = kit_ask(&k, end, "GET k\r\nGET k\r\n");
    assert_string_equal(reply, "-ERR engine_mem: an error was asked for\r\n$1\r\nv\r\n");
    /* One that breaks in the middle of its reply leaves nothing of it. */
    k.knobs->error_at = 2;
    ASK("MGET k k\r\nPING\r\n", "-ERR engine_mem: an error was asked for\r\n+PONG\r\n");
}

static void counters(void **state) {
    (void)state;
    command_row *get = command_by_name(SLICE("get")), *refuse = command_by_name(SLICE("refuse"));
    uint64_t calls = get->calls, rejected = get->rejected, failed = refuse->failed;
    uint64_t samples = get->latency.count;
    ASK("GET a\r\nGET\r\nget a\r\nREFUSE a b\r\nnope\r\n",
        "$-1\r\n-ERR wrong number of arguments for 'get' command\r\n$-1\r\n-ERR refused\r\n"
        "-ERR unknown command 'nope', with args beginning with: \r\n");
    assert_int_equal(get->calls - calls, 2);
    assert_int_equal(get->rejected - rejected, 1);
    assert_int_equal(refuse->failed - failed, 1);
    assert_int_equal(get->latency.count - samples, 2);
    const session_stats *st = session_statistics(k.session);
    assert_int_equal(st->commands, 3);
    assert_int_equal(st->error_replies, 3);
    assert_int_equal(st->net_in_bytes, 37);
    buf info = {0};
    for (const metric_section *m = session_metrics(k.session); m->name; m++)
        m->emit(&info, m->ctx);
    buf_append_char(&info, 0);
    assert_non_null(strstr(info.data, "cmdstat_get:calls="));
    assert_non_null(strstr(info.data, "errorstat_ERR:count="));
    assert_non_null(strstr(info.data, "latency_percentiles_usec_get:p50="));
    assert_non_null(strstr(info.data, "connected_clients:1\r\n"));
    buf_free(&info);
    for (const metric_section *m = session_metrics(k.session); m->name; m++)
        if (m->reset) m->reset(m->ctx);
    assert_int_equal(get->calls + get->rejected + get->latency.count + st->commands, 0);
}

/* ---- watches and parking ------------------------------------------------------------------------
 */

static int befores, afters;
static size_t reply_bytes;

static void before(client *who, void *ctx) {
    assert_ptr_equal(ctx, &k);
    assert_ptr_equal(who, c);
    befores++;
}

static void after(client *who, command_result r, uint64_t us, void *ctx) {
    (void)ctx;
    (void)us;
    assert_true(r == CMD_DONE || r == CMD_REFUSED);
    reply_bytes += who->out.len - who->out_from;
    afters++;
}

static void watch(void) {
    befores = afters = 0;
    reply_bytes = 0;
    session_watch_add(k.session, &(command_watch){before, after, &k});
}

static void watches(void **state) {
    (void)state;
    watch();
    ASK("PING\r\nGET\r\nREFUSE a b\r\n",
        "+PONG\r\n-ERR wrong number of arguments for 'get' command\r\n-ERR refused\r\n");
    assert_int_equal(befores, 2);
    assert_int_equal(afters, 2);
    assert_int_equal(reply_bytes, strlen("+PONG\r\n-ERR refused\r\n"));
}

/* Every read is pending once, so every command runs again, some several times; all are replied to
 * once, in order, and watched once. */
static void parking(void **state) {
    (void)state;
    ASK("SET a 1\r\nSET b 2\r\nSET c 3\r\n", "+OK\r\n+OK\r\n+OK\r\n");
    watch();
    k.knobs->pending_permille = 1000;
    ASK("GET a\r\nMGET a b c x\r\nPING\r\nSET a 4\r\nGET a\r\nDEL b\r\nMGET b a\r\nPING\r\n",
        "$1\r\n1\r\n*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$-1\r\n+PONG\r\n+OK\r\n$1\r\n4\r\n:1\r\n"
        "*2\r\n$-1\r\n$1\r\n4\r\n+PONG\r\n");
    assert_int_equal(befores, 8);
    assert_int_equal(afters, 8);
    assert_true(session_statistics(k.session)->parked >= 6);
    assert_int_equal(c->query.cap, 0);
}

/* While one waits, others go on; what comes meanwhile waits behind it. */
static void parked_alone(void **state) {
    (void)state;
    fake_end *other_end;
    ASK("SET a 1\r\n", "+OK\r\n");
    kit_client(&k, &other_end);
    k.knobs->pending_permille = 1000;
    kit_send(end, "GET a\r\nPI");
    session_flush(k.session);
    kit_turn(&k);
    assert_true(c->flags & CLIENT_RERUN);
    kit_send(end, "NG\r\n");
    assert_string_equal(kit_ask(&k, other_end, "PING\r\n"), "+PONG\r\n");
    ASK("", "$1\r\n1\r\n+PONG\r\n");
}

/* A client that goes away while it is parked. */
static void parked_and_gone(void **state) {
    (void)state;
    k.knobs->pending_permille = 1000;
    kit_send(end, "SET a 1\r\nGET a\r\n");
    kit_turn(&k);
    assert_true(c->flags & CLIENT_RERUN);
    end->eof = true;
    for (int i = 0; i < 20 && !end->closed; i++)
        kit_turn(&k);
    assert_true(end->closed);
    assert_string_equal(kit_received(end), "+OK\r\n$1\r\n1\r\n");
}

static void random_parking(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(200); round++) {
        k.knobs->pending_permille = (unsigned)rng_below(&r, 900);
        buf in = {0}, want = {0};
        int value = -1;
        for (int i = 0; i < 30; i++) {
            switch (rng_below(&r, 4)) {
            case 0:
                value = (int)rng_below(&r, 10);
                buf_printf(&in, "SET k %d\r\n", value);
                buf_printf(&want, "+OK\r\n");
                break;
            case 1:
                buf_printf(&in, "GET k\r\n");
                value < 0 ? buf_printf(&want, "$-1\r\n") : buf_printf(&want, "$1\r\n%d\r\n", value);
                break;
            case 2:
                buf_printf(&in, "DEL k\r\n");
                buf_printf(&want, ":%d\r\n", value >= 0);
                value = -1;
                break;
            case 3:
                buf_printf(&in, "REFUSE k 7\r\n");
                buf_printf(&want, "-ERR refused\r\n");
                break;
            }
        }
        buf_printf(&in, "DEL k\r\n");
        buf_printf(&want, ":%d\r\n", value >= 0);
        buf_append_char(&in, 0);
        buf_append_char(&want, 0);
        assert_string_equal(kit_ask(&k, end, in.data), want.data);
        buf_free(&in);
        buf_free(&want);
    }
}

/* ---- what is told within the batch
 * ---------------------------------------------------------------
 */

static char told[256];

static void tell(const char *what, slice about) {
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "%s:%.*s ", what, (int)about.len, about.data);
}
static void committed(void *ctx, slice bytes) {
    assert_ptr_equal(session_running(ctx), c);
    tell("committed", bytes);
}
static void changed(void *ctx, uint32_t db, slice key) {
    (void)db;
    (void)ctx;
    tell("changed", key);
}
static void ran(client *who, command_result r, void *ctx) {
    assert_ptr_equal(session_running(k.session), who);
    assert_ptr_equal(ctx, &k);
    assert_true(ks_in_batch(who->ks));
    tell(r == CMD_DONE ? "done" : "refused", who->argv[1]);
    ks_after_commit(who->ks, committed, who->session, who->argv[1]);
}
static void turn_ends(void *ctx) {
    ++*(int *)ctx;
    assert_null(session_running(k.session));
}

/* In its place among what the hooks are told; not of runs that come to nothing; nothing at all when
 * disarmed. */
static void within_the_batch(void **state) {
    (void)state;
    int n = session_watch_add(k.session, &(command_watch){.ran = ran, .ctx = &k});
    (void)ks_hook_add(k.ks, &(ks_hooks){.changed = changed});
    told[0] = 0;
    ASK("SET a 1\r\n", "+OK\r\n");
    assert_string_equal(told, "done:a changed:a committed:a ");
    told[0] = 0;
    ASK("REFUSE a 2\r\n", "-ERR refused\r\n");
    assert_string_equal(told, "refused:a ");
    told[0] = 0;
    k.knobs->pending_permille = 1000;
    ASK("GET a\r\n", "$1\r\n1\r\n");
    k.knobs->pending_permille = 0;
    assert_string_equal(told, "done:a committed:a ");
    k.knobs->error_at = 1;
    told[0] = 0;
    ASK("GET a\r\n", "-ERR engine_mem: an error was asked for\r\n");
    session_watch_arm(k.session, n, false);
    ASK("GET a\r\n", "$1\r\n1\r\n");
    assert_string_equal(told, "");
    session_watch_arm(k.session, n, true);
    ASK("GET a\r\n", "$1\r\n1\r\n");
    assert_string_equal(told, "done:a committed:a ");
}

/* What is pushed at a turn's end goes with that turn's replies. */
static void push_at_end(void *ctx) {
    static bool pushed;
    if (!pushed) session_push(c, SLICE(">1\r\n+x\r\n"), 0);
    pushed = true;
    (void)ctx;
}
static void at_turn_end(void **state) {
    (void)state;
    int turns = 0;
    session_at_turn_end(k.session, turn_ends, &turns);
    session_at_turn_end(k.session, push_at_end, NULL);
    kit_send(end, "PING\r\n");
    kit_turn(&k);
    assert_int_equal(turns, 1);
    assert_string_equal(kit_received(end), "+PONG\r\n>1\r\n+x\r\n");
}

/* ---- reply modes, fake clients ------------------------------------------------------------------
 */

static void reply_modes(void **state) {
    (void)state;
    char line[64];
    snprintf(line, sizeof line, "FLAGS %d\r\nPING\r\nPING\r\n", CLIENT_REPLY_SKIP_NEXT);
    ASK(line, "+OK\r\n+PONG\r\n"); /* the flag was set by a command that has a reply itself */
    c->flags |= CLIENT_REPLY_OFF;
    ASK("PING\r\nNOPE\r\nSET a 1\r\n", "");
    c->flags &= ~(unsigned)CLIENT_REPLY_OFF;
    ASK("GET a\r\n", "$1\r\n1\r\n");
}

static void fake_client(void **state) {
    (void)state;
    client *f = client_fake(k.session);
    slice set[] = {SLICE("SET"), SLICE("a"), SLICE("1")}, get[] = {SLICE("GET"), SLICE("a")};
    f->argv = set;
    f->argc = 3;
    client_run(f);
    assert_memory_equal(f->out.data, "+OK\r\n", f->out.len);
    k.knobs->pending_permille = 1000;
    f->argv = get;
    f->argc = 2;
    buf_clear(&f->out);
    client_run(f);
    assert_true(f->flags & CLIENT_PARKED);
    assert_int_equal(f->out.len, 0);
    assert_null(f->out.data);
    client_run(f);
    assert_false(f->flags & CLIENT_WAITS);
    assert_int_equal(f->out.len, 7);
    assert_memory_equal(f->out.data, "$1\r\n1\r\n", 7);
    buf_clear(&f->out); /* the memory of a large reply stays for the next run */
    const char *large = buf_reserve(&f->out, 4 << 20);
    client_run(f);
    assert_true(f->flags & CLIENT_PARKED);
    assert_ptr_equal(f->out.data, large);
    client_run(f);
    assert_ptr_equal(f->out.data, large);
    assert_int_equal(f->out.len, 7);
    client_fake_free(f);
    assert_int_equal(session_client_count(k.session), 1);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(simple_commands),  TEST(unknown),      TEST(unknown_is_cut),
        TEST(http_is_cut_off),  TEST(counters),     TEST(arity_and_containers),
        TEST(engine_errors),    TEST(watches),      TEST(refused_leaves_nothing),
        TEST(parking),          TEST(parked_alone), TEST(parked_and_gone),
        TEST(random_parking),   TEST(reply_modes),  TEST(fake_client),
        TEST(within_the_batch), TEST(at_turn_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
