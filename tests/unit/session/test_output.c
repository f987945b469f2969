/* output: nothing goes before the log has what it depends on; order; failure; limits; memory. */
#include "base/mem.h"
#include "session/config.h"
#include "session/errors.h"
#include "session/output.h"
#include "session/reply.h"
#include "support/session_test.h"

#include <stdio.h>

#define LOST                                                                                       \
    "-MISCONF Errors writing to the log on disk, what this command changed or showed may "         \
    "not survive a restart. Writes are disabled until the disk is repaired and the server "        \
    "restarted.\r\n"

static void release_all(void) {
    engine_mem_release(k.engine, UINT64_MAX);
}

/* ---- what is held -------------------------------------------------------------------------------
 */

static void writes_wait(void **state) {
    (void)state;
    k.knobs->hold = true;
    ASK("SET a 1\r\n", "");
    release_all();
    ASK("", "+OK\r\n");
    assert_null(c->out.data);
    assert_null(c->output.marks.data);
}

/* A read waits for what it shows: the entry, or all of the log when it shows absence. */
static void reads_wait(void **state) {
    (void)state;
    fake_end *other_end;
    kit_client(&k, &other_end);
    ASK("SET a 1\r\n", "+OK\r\n");
    k.knobs->hold = true;
    log_pos before = engine_log_end(k.engine);
    ASK("SET b 2\r\n", "");
    assert_string_equal(kit_ask(&k, other_end, "GET a\r\nPING\r\n"), "$1\r\n1\r\n+PONG\r\n");
    assert_string_equal(kit_ask(&k, other_end, "GET b\r\n"), "");
    engine_mem_release(k.engine, before);
    assert_string_equal(kit_ask(&k, other_end, ""), "");
    release_all();
    assert_string_equal(kit_ask(&k, other_end, ""), "$1\r\n2\r\n");
    ASK("", "+OK\r\n");
    ASK("SET c 3\r\n", "");
    assert_string_equal(kit_ask(&k, other_end, "GET x\r\n"), "");
    release_all();
    assert_string_equal(kit_ask(&k, other_end, ""), "$-1\r\n");
}

/* What depends on nothing goes at once, but not past what is held before it. */
static void first_in_first_out(void **state) {
    (void)state;
    fake_end *other_end;
    kit_client(&k, &other_end);
    k.knobs->hold = true;
    ASK("PING\r\nSET a 1\r\nPING\r\nECHO\r\nSET b 1\r\nPING\r\n", "+PONG\r\n");
    assert_string_equal(kit_ask(&k, other_end, "PING\r\n"), "+PONG\r\n");
    log_pos end_pos = engine_log_end(k.engine);
    engine_mem_release(k.engine, end_pos - 1);
    ASK("", "+OK\r\n+PONG\r\n-ERR unknown command 'ECHO', with args beginning with: \r\n");
    engine_mem_release(k.engine, end_pos);
    ASK("", "+OK\r\n+PONG\r\n");
}

/* A refused write changed nothing, but its error may show what is there. */
static void errors_that_show(void **state) {
    (void)state;
    k.knobs->hold = true;
    ASK("REFUSE a 1\r\n", "-ERR refused\r\n");
    ASK("SET a 1\r\n", "");
    fake_end *other_end;
    kit_client(&k, &other_end);
    assert_string_equal(kit_ask(&k, other_end, "REFUSE a 1\r\n"), "");
    client *f = client_fake(k.session);
    (void)reply_wrong_type(f);
    assert_int_equal(f->depends, engine_log_end(k.engine));
    client_fake_free(f);
    release_all();
    assert_string_equal(kit_ask(&k, other_end, ""), "-ERR refused\r\n");
}

static void close_waits_for_held(void **state) {
    (void)state;
    k.knobs->hold = true;
    ASK("SET a 1\r\nQUIT\r\nPING\r\n", "");
    assert_false(end->closed);
    release_all();
    ASK("", "+OK\r\n+OK\r\n");
    assert_true(end->closed);
}

/* A client that shuts down its side after its last command still gets its replies. */
static void eof_waits_for_held(void **state) {
    (void)state;
    k.knobs->hold = true;
    end->eof = true;
    ASK("SET a 1\r\nGET a\r\n", "");
    assert_false(end->closed);
    release_all();
    ASK("", "+OK\r\n$1\r\n1\r\n");
    assert_true(end->closed);
}

static void killed_gets_nothing(void **state) {
    (void)state;
    k.knobs->hold = true;
    ASK("SET a 1\r\n", "");
    client_close_soon(c);
    release_all();
    ASK("", "");
    assert_true(end->closed);
}

/* ---- pushes ------------------------------------------------------------------------------------
 */

static void pushes(void **state) {
    (void)state;
    session_push(c, SLICE("+a\r\n"), 0);
    ASK("", "+a\r\n");
    k.knobs->hold = true;
    ASK("SET a 1\r\n", "");
    session_push(c, SLICE("+b\r\n"), 0);
    session_push(c, SLICE("+c\r\n"), engine_log_end(k.engine));
    engine_mem_release(k.engine, engine_log_end(k.engine) - 1);
    ASK("", "");
    release_all();
    ASK("", "+OK\r\n+b\r\n+c\r\n");
    /* What claims to depend on more than there is waits for all there is, not for ever. */
    session_push(c, SLICE("+d\r\n"), UINT64_MAX);
    ASK("", "+d\r\n");
}

static void push_from_after(client *who, command_result r, uint64_t us, void *ctx) {
    (void)ctx;
    (void)us;
    (void)r;
    session_push(who, SLICE(">pushed\r\n"), 0);
}

static void push_from_changed(void *ctx, uint32_t db, slice key) {
    (void)ctx;
    (void)db;
    (void)key;
    session_push(c, SLICE(">changed\r\n"), engine_log_end(k.engine));
}

/* To the client whose command runs, a push goes after the reply, never into it. */
static void push_to_running(void **state) {
    (void)state;
    ks_hook_add(k.ks, &(ks_hooks){.changed = push_from_changed});
    ASK("PING\r\nSET a 1\r\nPING\r\n", "+PONG\r\n+OK\r\n>changed\r\n+PONG\r\n");
    k.knobs->hold = true;
    ASK("SET a 1\r\nPING\r\n", "");
    release_all();
    ASK("", "+OK\r\n>changed\r\n+PONG\r\n");
    session_watch_add(k.session, &(command_watch){.after = push_from_after});
    ASK("PING\r\n", "+PONG\r\n>pushed\r\n");
}

/* ---- failure ------------------------------------------------------------------------------------
 */

/* One error a command, in order; what depends on nothing that was lost stays. */
static void failure(void **state) {
    (void)state;
    fake_end *other_end;
    kit_client(&k, &other_end);
    ASK("SET old 1\r\n", "+OK\r\n");
    k.knobs->hold = true;
    ASK("PING\r\nSET a 1\r\nPING\r\nSET b 1\r\nGET old\r\nGET a\r\nGET x\r\nMGET old a\r\n",
        "+PONG\r\n");
    session_push(c, SLICE(">lost\r\n"), engine_log_end(k.engine));
    session_push(c, SLICE(">kept\r\n"), 0);
    k.knobs->failed = ST_FAILED;
    ASK("PING\r\n", LOST "+PONG\r\n" LOST "$1\r\n1\r\n" LOST LOST LOST ">kept\r\n+PONG\r\n");
    ASK("GET old\r\nGET a\r\nGET x\r\nPING\r\n", "$1\r\n1\r\n" LOST LOST "+PONG\r\n");
    assert_string_equal(kit_ask(&k, other_end, "GET a\r\nGET old\r\n"), LOST "$1\r\n1\r\n");
    assert_int_equal(session_statistics(k.session)->error_replies, 8);
}

/* Part of it is released when the rest fails, and the socket is slow. */
static void failure_in_the_middle(void **state) {
    (void)state;
    k.knobs->hold = true;
    ASK("SET a 1\r\nSET b 1\r\nSET c 1\r\n", "");
    end->take = 3;
    engine_mem_release(k.engine, engine_log_end(k.engine) - 2);
    ASK("", "+OK");
    k.knobs->failed = ST_FAILED;
    ASK("PING\r\n", "");
    end->take = SIZE_MAX;
    ASK("", "\r\n" LOST LOST "+PONG\r\n");
}

/* ---- slow readers, large output -----------------------------------------------------------------
 */

/* Whatever the socket takes at a time, the bytes are the same. */
static void any_pace(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(50); round++) {
        buf want = {0}, got = {0};
        end->take = 0;
        for (int step = 0; step < 40; step++) {
            unsigned n = (unsigned)rng_below(&r, 4) ? (unsigned)rng_below(&r, 300)
                                                    : (unsigned)rng_below(&r, 100000);
            char line[64];
            snprintf(line, sizeof line, "BIG %u\r\nSET k %u\r\nGET k\r\n", n, n);
            kit_send(end, line);
            buf_printf(&want, "$%u\r\n", n);
            for (unsigned i = 0; i < n; i++)
                buf_append_char(&want, 'x');
            char digits[16];
            snprintf(digits, sizeof digits, "%u", n);
            buf_printf(&want, "\r\n+OK\r\n$%zu\r\n%u\r\n", strlen(digits), n);
            k.knobs->hold = rng_below(&r, 2);
            end->take += rng_below(&r, 60000);
            kit_turn(&k);
            buf_append_slice(&got, buf_slice(&end->out));
            buf_clear(&end->out);
            assert_true(got.len <= want.len);
            assert_memory_equal(got.data, want.data, got.len);
        }
        end->take = SIZE_MAX;
        release_all();
        k.knobs->hold = false;
        const char *rest = kit_ask(&k, end, "");
        buf_append_slice(&got, slice_cstr(rest));
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.data, want.data, got.len);
        assert_int_equal(output_unsent(c), 0);
        assert_int_equal(output_memory(c), 0);
        buf_free(&want);
        buf_free(&got);
    }
}

/* Not read while it leaves too much unread; read again when it has taken half. */
static void slow_reader(void **state) {
    (void)state;
    end->take = 0;
    for (int i = 0; i < 200; i++)
        kit_send(end, "BIG 1048576\r\n");
    for (int i = 0; i < 300; i++)
        kit_turn(&k);
    assert_true(output_unsent(c) >= OUTPUT_STOP && output_unsent(c) < OUTPUT_STOP + (2u << 20));
    assert_true(c->flags & CLIENT_READ_STOP);
    assert_int_equal(c->events, REACTOR_WRITE);
    size_t total = 0;
    for (int i = 0; i < 2000 && total < 200u * 1048586; i++) {
        end->take = 1 << 20;
        kit_turn(&k);
        total += end->out.len;
        buf_clear(&end->out);
        assert_true(output_unsent(c) < OUTPUT_STOP + (2u << 20));
    }
    assert_int_equal(total, 200u * (10 + 1048576 + 2));
    assert_int_equal(c->events, REACTOR_READ);
    end->take = 0;
    ASK("PING\r\n", "");
    end->take = SIZE_MAX;
    ASK("", "+PONG\r\n");
}

/* Nobody who has not given the password gets far with that: CVE-2025-21605. */
static void unknown_reader(void **state) {
    (void)state;
    end->take = 0;
    c->flags &= ~(unsigned)CLIENT_AUTHENTICATED;
    for (int i = 0; i < 20000; i++)
        kit_send(end, "PING\r\n");
    for (int i = 0; i < 300; i++)
        kit_turn(&k);
    assert_true(output_unsent(c) > OUTPUT_STOP_UNKNOWN);
    assert_true(output_unsent(c) < OUTPUT_STOP_UNKNOWN + 100);
    assert_int_equal(c->events, REACTOR_WRITE);
    size_t total = 0;
    for (int i = 0; i < 2000 && total < 20000 * 7; i++) {
        end->take = 1 << 12;
        kit_turn(&k);
        total += end->out.len;
        buf_clear(&end->out);
    }
    assert_int_equal(total, 20000 * 7);
    assert_int_equal(c->events, REACTOR_READ);
}

/* One that never takes anything is ended after a minute. */
static void stuck_reader(void **state) {
    (void)state;
    end->take = 0;
    for (int i = 0; i < 140; i++)
        kit_send(end, "BIG 1048576\r\n");
    for (int i = 0; i < 200; i++)
        kit_turn(&k);
    kit_sleep(&k, OUTPUT_STUCK_MS);
    session_cron(k.session);
    kit_turn(&k);
    assert_false(end->closed);
    kit_sleep(&k, 2);
    session_cron(k.session);
    kit_turn(&k);
    assert_true(end->closed);
    assert_int_equal(session_statistics(k.session)->output_limit_disconnections, 1);
}

static void set_limit(enum output_class class, int64_t hard, int64_t soft, int64_t seconds) {
    session_config.output[class] = (output_limit){hard, soft, seconds};
}

static void hard_limit(void **state) {
    (void)state;
    set_limit(OUTPUT_CLASS_NORMAL, 100000, 0, 0);
    end->take = 0;
    ASK("BIG 99000\r\n", "");
    assert_false(end->closed);
    ASK("BIG 2000\r\n", "");
    assert_true(end->closed);
    assert_int_equal(session_statistics(k.session)->output_limit_disconnections, 1);
}

static void soft_limit(void **state) {
    (void)state;
    set_limit(OUTPUT_CLASS_NORMAL, 0, 50000, 10);
    end->take = 0;
    ASK("BIG 60000\r\n", "");
    kit_sleep(&k, 9000);
    session_cron(k.session);
    kit_turn(&k);
    end->take = 20000; /* below it: the clock starts again when it is over */
    kit_turn(&k);
    ASK("BIG 60000\r\n", kit_received(end));
    kit_sleep(&k, 9000);
    session_cron(k.session);
    kit_turn(&k);
    assert_false(end->closed);
    kit_sleep(&k, 2000);
    session_cron(k.session);
    kit_turn(&k);
    assert_true(end->closed);
}

/* Pushes do not stop when the client does not read: its class has a limit by default. */
static void pushed_limit(void **state) {
    (void)state;
    c->flags |= CLIENT_MONITOR;
    end->take = 0;
    char *line = mem_zalloc(1 << 20);
    for (int i = 0; i < 33; i++)
        session_push(c, slice_of(line, 1 << 20), 0);
    kit_turn(&k);
    assert_true(end->closed);
    mem_free(line);
}

static void broken_socket(void **state) {
    (void)state;
    k.knobs->hold = true;
    ASK("SET a 1\r\n", "");
    end->broken = true;
    release_all();
    kit_turn(&k);
    assert_true(end->closed);
}

/* One write a client and turn, however many replies. */
static void one_write_a_turn(void **state) {
    (void)state;
    for (int i = 0; i < 64; i++)
        kit_send(end, "PING\r\nSET a 1\r\n");
    kit_turn(&k);
    assert_int_equal(end->writes, 1);
    assert_int_equal(end->reads, 1);
    assert_int_equal(end->out.len, 64 * 12);
    const mem_counters *n = engine_mem_counters(k.engine);
    assert_int_equal(n->turns, 1);
}

/* ---- a random run against a model ---------------------------------------------------------------
 */

typedef struct reply {
    buf text;
    log_pos depends;
} reply;
#define REPLIES 2000
static reply replies[REPLIES];
static size_t nreplies;

/* Notes each reply as the command wrote it. */
static void note(client *who, command_result r, uint64_t us, void *ctx) {
    (void)ctx;
    (void)us;
    (void)r;
    assert_true(nreplies < REPLIES);
    reply *p = &replies[nreplies++];
    p->text.len = 0;
    buf_append(&p->text, who->out.data + who->out_from, who->out.len - who->out_from);
    p->depends = who->depends;
}

/* What has been received is a run of whole and at most one partial reply, each released. */
static void check_stream(const buf *got, log_pos released, bool failed) {
    size_t at = 0;
    slice lost = slice_cstr(LOST);
    for (size_t i = 0; i < nreplies && at < got->len; i++) {
        bool held = replies[i].depends > released;
        assert_true(!held || failed);
        slice want = held ? lost : buf_slice(&replies[i].text);
        size_t n = got->len - at < want.len ? got->len - at : want.len;
        assert_memory_equal(got->data + at, want.data, n);
        at += n;
    }
    assert_int_equal(at, got->len);
}

static void random_release(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(60); round++) {
        kit_stop(&k);
        setup(NULL);
        session_watch_add(k.session, &(command_watch){.after = note});
        nreplies = 0;
        buf got = {0};
        bool failed = false;
        k.knobs->hold = true;
        for (int step = 0; step < 60; step++) {
            if (rng_below(&r, 100) == 0) {
                failed = true;
                k.knobs->failed = ST_FAILED;
            }
            for (uint64_t n = rng_below(&r, 5); n; n--) {
                static const char *const lines[] = {"PING\r\n",       "GET a\r\n",     "GET b\r\n",
                                                    "MGET a b c\r\n", "SET a %d\r\n",  "DEL b\r\n",
                                                    "SET b %d\r\n",   "REFUSE a 1\r\n"};
                char line[64]; /* when the log has failed, a gate refuses writes */
                snprintf(line, sizeof line, lines[rng_below(&r, failed ? 4 : 8)], step);
                kit_send(end, line);
            }
            log_pos now = engine_released(k.engine), last = engine_log_end(k.engine);
            if (rng_below(&r, 3) == 0 && last > now)
                engine_mem_release(k.engine, now + 1 + rng_below(&r, last - now));
            end->take = rng_below(&r, 2) ? SIZE_MAX : rng_below(&r, 40);
            kit_turn(&k);
            buf_append_slice(&got, buf_slice(&end->out));
            buf_clear(&end->out);
            check_stream(&got, engine_released(k.engine), failed);
        }
        end->take = SIZE_MAX;
        release_all();
        buf_append_slice(&got, slice_cstr(kit_ask(&k, end, "")));
        check_stream(&got, engine_released(k.engine), failed);
        assert_int_equal(output_unsent(c), 0);
        buf_free(&got);
    }
    for (int i = 0; i < REPLIES; i++)
        buf_free(&replies[i].text);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(writes_wait),
        TEST(reads_wait),
        TEST(first_in_first_out),
        TEST(errors_that_show),
        TEST(close_waits_for_held),
        TEST(eof_waits_for_held),
        TEST(killed_gets_nothing),
        TEST(pushes),
        TEST(push_to_running),
        TEST(failure),
        TEST(failure_in_the_middle),
        TEST(any_pace),
        TEST(slow_reader),
        TEST(unknown_reader),
        TEST(stuck_reader),
        TEST(hard_limit),
        TEST(soft_limit),
        TEST(pushed_limit),
        TEST(broken_socket),
        TEST(one_write_a_turn),
        TEST(random_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
