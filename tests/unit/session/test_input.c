/* input: however the bytes come, the commands are the same; limits; who owns the memory. */
#include "base/mem.h"
#include "session/input.h"
#include "session/output.h"
#include "support/session_test.h"

#include <stdio.h>

static void owns_nothing(void) {
    assert_int_equal(c->query.cap, 0);
    assert_null(c->partial);
    assert_int_equal(output_memory(c), 0);
}

/* Every cut of a pipeline into two, and into single bytes. */
static void every_cut(void **state) {
    (void)state;
    static const char line[] =
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n*2\r\n$3\r\nget\r\n$1\r\n"
        "k\r\nPING  'a b'\r\n*1\r\n$4\r\nPING\r\n*0\r\n\r\nDEL k\r\n";
    static const char reply[] = "+OK\r\n$5\r\nhello\r\n$3\r\na b\r\n+PONG\r\n:1\r\n";
    size_t n = sizeof line - 1;
    for (size_t cut = 0; cut <= n; cut++) {
        kit_send_bytes(end, slice_of(line, cut));
        kit_turn(&k);
        kit_send_bytes(end, slice_of(line + cut, n - cut));
        ASK("", reply);
        owns_nothing();
    }
    for (size_t i = 0; i < n; i++) {
        kit_send_bytes(end, slice_of(line + i, 1));
        kit_turn(&k);
    }
    ASK("", reply);
    owns_nothing();
}

/* Random pipelines with values of all sizes, in random pieces. */
static void random_pieces(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(40); round++) {
        buf in = {0}, want = {0}, got = {0};
        for (int i = 0; i < 40; i++) {
            size_t n = rng_below(&r, 8) ? rng_below(&r, 50) : rng_below(&r, 300000);
            buf_printf(&in, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", n);
            size_t at = in.len;
            for (size_t j = 0; j < n; j++)
                buf_append_char(&in, (char)('a' + rng_below(&r, 26)));
            buf_printf(&want, "+OK\r\n$%zu\r\n", n);
            buf_append(&want, in.data + at, n);
            buf_printf(&in, "\r\nGET k\r\n");
            buf_printf(&want, "\r\n");
        }
        for (size_t at = 0; at < in.len;) {
            size_t n = rng_below(&r, 3) ? rng_below(&r, 100) : rng_below(&r, 200000);
            if (n > in.len - at) n = in.len - at;
            kit_send_bytes(end, slice_of(in.data + at, n));
            at += n;
            kit_turn(&k);
            buf_append_slice(&got, buf_slice(&end->out));
            buf_clear(&end->out);
        }
        buf_append_slice(&got, slice_cstr(kit_ask(&k, end, "")));
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.data, want.data, got.len);
        owns_nothing();
        buf_free(&in);
        buf_free(&want);
        buf_free(&got);
    }
}

/* A large value is read into a buffer of its size, no more, and not moved. */
static void large_value(void **state) {
    (void)state;
    size_t n = 8 << 20, rest = 0;
    char *value = mem_zalloc(n);
    kit_send(end, "PING\r\n*2\r\n$4\r\nPING\r\n$8388608\r\nabc");
    kit_turn(&k);
    assert_string_equal(kit_received(end), "+PONG\r\n");
    assert_int_equal(c->query.len, 27);
    assert_int_equal(c->query.cap, 27 + n - 3 + 2);
    const char *where = c->query.data;
    while (rest < n - 3) {
        size_t step = n - 3 - rest < 100000 ? n - 3 - rest : 100000;
        kit_send_bytes(end, slice_of(value, step));
        rest += step;
        kit_turn(&k);
        assert_ptr_equal(c->query.data, where);
    }
    kit_send(end, "\r\nPING\r\n");
    for (int i = 0; i < 4; i++)
        kit_turn(&k);
    assert_int_equal(end->out.len, n + 12 + 7);
    owns_nothing();
    mem_free(value);
}

/* Many arguments in one command: parsed once over, the buffer grows in steps. */
static void many_arguments(void **state) {
    (void)state;
    int n = 200000;
    buf in = {0};
    buf_printf(&in, "*%d\r\n$4\r\nMGET\r\n", n + 1);
    for (int i = 0; i < n; i++)
        buf_append(&in, "$1\r\nx\r\n", 7);
    for (size_t at = 0; at < in.len; at += 50000) {
        kit_send_bytes(end, slice_of(in.data + at, in.len - at < 50000 ? in.len - at : 50000));
        kit_turn(&k);
    }
    const char *reply = kit_ask(&k, end, "");
    assert_int_equal(strlen(reply), (size_t)n * 5 + 9);
    owns_nothing();
    buf_free(&in);
}

/* ---- what is refused ----------------------------------------------------------------------------
 */

static void protocol_errors(void **state) {
    (void)state;
    static const char *const lines[][2] = {
        {"*1\r\n+a\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"},
        {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"PING\r\n*1\r\n$-1\r\nPING\r\n", "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"},
        {"PING 'a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        fake_end *other;
        kit_client(&k, &other);
        assert_string_equal(kit_ask(&k, other, lines[i][0]), lines[i][1]);
        assert_true(other->closed);
    }
    ASK("PING\r\n", "+PONG\r\n");
}

/* A client that is still owed its error has no arguments any more: CLIENT LIST looks at them. */
static void protocol_error_kept(void **state) {
    (void)state;
    end->take = 0;
    kit_send(end, "PING\r\n*x\r\n");
    kit_turn(&k);
    assert_false(end->closed);
    assert_true(c->flags & CLIENT_CLOSE_AFTER_REPLY);
    assert_int_equal(c->argc, 0);
    assert_null(c->argv);
}

static void bulk_limits(void **state) {
    (void)state;
    kit_set("proto-max-bulk-len", "1mb");
    ASK("*2\r\n$4\r\nPING\r\n$1048577\r\n", "-ERR Protocol error: invalid bulk length\r\n");
    assert_true(end->closed);
}

/* Before the password, a client may not make the server keep much. */
/* A length that is only announced takes what is reserved ahead at most: CVE-2021-21309, 41099. */
static void absurd_length(void **state) {
    (void)state;
    kit_set("proto-max-bulk-len", "9223372036854775807");
    kit_set("client-query-buffer-limit", "9223372036854775807");
    for (int i = 0; i < 3; i++) {
        kit_send(end, i ? "xx" : "*2\r\n$3\r\nGET\r\n$9223372036854775807\r\nx");
        kit_turn(&k);
        assert_false(end->closed);
        assert_in_range(c->query.cap, 1 << 30, (1 << 30) + (1 << 20));
    }
}

static void unauthenticated(void **state) {
    (void)state;
    kit_set("requirepass", "secret");
    fake_end *a, *b, *d;
    kit_client(&k, &a);
    kit_client(&k, &b);
    kit_client(&k, &d);
    assert_string_equal(kit_ask(&k, a, "*11\r\n"),
                        "-ERR Protocol error: unauthenticated multibulk length\r\n");
    assert_true(a->closed);
    assert_string_equal(kit_ask(&k, b, "*2\r\n$4\r\nPING\r\n$16385\r\n"),
                        "-ERR Protocol error: unauthenticated bulk length\r\n");
    assert_string_equal(kit_ask(&k, d, "*2\r\n$4\r\nPING\r\n$16384\r\n"), "");
}

static void query_limit(void **state) {
    (void)state;
    kit_set("client-query-buffer-limit", "1mb");
    kit_send(end, "*2\r\n$4\r\nPING\r\n$2000000\r\n");
    char *bytes = mem_zalloc(100000);
    for (int i = 0; i < 15 && !end->closed; i++) {
        kit_send_bytes(end, slice_of(bytes, 100000));
        kit_turn(&k);
    }
    assert_true(end->closed);
    assert_int_equal(session_statistics(k.session)->query_limit_disconnections, 1);
    mem_free(bytes);
}

/* ---- looking ahead
 * -------------------------------------------------------------------------------
 */

static char hinted[256];

/* Notes each key that is named, with its database and whether the value is wanted. */
static void note_key(engine *e, uint32_t db, slice key, bool value) {
    char text[32] = "";
    assert_ptr_equal(e, k.engine);
    if (key.len)
        snprintf(text, sizeof text, "%u:%.*s%s ", db, (int)key.len, key.data, value ? "!" : "");
    strncat(hinted, text, sizeof hinted - strlen(hinted) - 1);
}

/* Commands that end with a semicolon, sent as arrays; then the rest as it is. */
static const char *hints_of(const char *lines) {
    buf out = {0};
    hinted[0] = 0;
    for (const char *eol; (eol = strchr(lines, ';')) != NULL; lines = eol + 1) {
        slice *words;
        int n = resp_split_line(slice_of(lines, (size_t)(eol - lines)), &words);
        buf_printf(&out, "*%d\r\n", n);
        for (int i = 0; i < n; i++)
            buf_printf(&out, "$%zu\r\n%.*s\r\n", words[i].len, (int)words[i].len, words[i].data);
        mem_free(words);
    }
    kit_send_bytes(end, buf_slice(&out));
    (void)kit_ask(&k, end, lines);
    buf_free(&out);
    return hinted;
}

/* The engine is told the keys of a pipeline, before they are asked for, each once. */
static void look_ahead(void **state) {
    (void)state;
    engine_ops ops = *k.engine->ops;
    const engine_ops *own = k.engine->ops;
    ops.prefetch = note_key;
    k.engine->ops = &ops;
    c->db = 3;
    assert_string_equal(hints_of("GET a;GET b;GET c;"), "3:b! 3:c! ");
    assert_string_equal(hints_of("GET a;"), "");
    assert_string_equal(hints_of("SET a 1;SET b 1;SET c 1;"), "3:b 3:c ");
    assert_string_equal(hints_of("GET a;GET b;*2\r\n$3\r\nGET\r\n$1\r\n"), "3:b! ");
    assert_string_equal(hints_of("c\r\n"), "");
    buf in = {0}, want = {0};
    for (int i = 0; i < 40; i++) {
        buf_printf(&in, "GET a%d;", i);
        if (i) buf_printf(&want, "3:a%d! ", i);
    }
    buf_append_char(&in, 0);
    want.len = want.len < sizeof hinted - 1 ? want.len : sizeof hinted - 1;
    buf_append_char(&want, 0);
    assert_string_equal(hints_of(in.data), want.data);
    assert_string_equal(hints_of("GET a;GET b;*x\r\n"), "3:b! ");
    assert_true(end->closed);
    k.engine->ops = own;
    buf_free(&in);
    buf_free(&want);
}

/* ---- turns -------------------------------------------------------------------------------------
 */

/* Whoever takes long does not keep the others waiting for all of its pipeline. */
static void fair(void **state) {
    (void)state;
    fake_end *other;
    kit_client(&k, &other);
    for (int i = 0; i < 20; i++)
        kit_send(end, "SLOW 1000\r\n");
    kit_send(other, "PING\r\n");
    kit_turn(&k);
    assert_string_equal(kit_received(other), "+PONG\r\n");
    size_t done = strlen(kit_received(end)) / 5;
    assert_in_range(done, 2, 8);
    ASK("PING\r\n", kit_received(end));
}

static void fair_goes_on(void **state) {
    (void)state;
    buf want = {0};
    for (int i = 0; i < 20; i++) {
        kit_send(end, "SLOW 500\r\n");
        buf_printf(&want, "+OK\r\n");
    }
    buf_append(&want, "+PONG\r\n", 8);
    ASK("PING\r\n", want.data);
    buf_free(&want);
    owns_nothing();
}

/* A blocked client is read, so that its end is seen, but only so far. */
static void waiting_is_read_so_far(void **state) {
    (void)state;
    ASK("BLOCK 0\r\n", "");
    char *bytes = mem_alloc(100000);
    for (int i = 0; i < 100000; i += 20)
        memcpy(bytes + i, "PING 12345678901234\r\n", 20);
    for (int i = 0; i < 30; i++) {
        kit_send_bytes(end, slice_of(bytes, 100000));
        kit_turn(&k);
    }
    assert_true(c->query.len >= INPUT_WAIT_MAX && c->query.len <= 2 * INPUT_WAIT_MAX + 100000);
    assert_int_equal(c->events, 0);
    mem_free(bytes);
}

static void blocked_is_seen_to_end(void **state) {
    (void)state;
    ASK("BLOCK 0\r\nPING\r\n", "");
    end->eof = true;
    kit_turn(&k);
    kit_turn(&k);
    assert_true(end->closed);
}

/* Bytes at random, half of them a real pipeline with some changed: no crash, nothing left behind.
 */
static void garbage(void **state) {
    (void)state;
    static const char line[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\nGET k\r\n*2\r\n$4\r\n"
                               "PING\r\n$1\r\na\r\n";
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(5000); round++) {
        fake_end *e;
        char bytes[sizeof line];
        kit_client(&k, &e);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)rng_next(&r);
        if (round % 2) {
            memcpy(bytes, line, sizeof line);
            for (uint64_t n = rng_below(&r, 4); n; n--)
                bytes[rng_below(&r, sizeof line)] = (char)rng_next(&r);
        }
        kit_send_bytes(e, slice_of(bytes, 1 + rng_below(&r, sizeof bytes)));
        kit_turn(&k);
        e->eof = true;
        for (int i = 0; i < 4 && !e->closed; i++)
            kit_turn(&k);
        assert_true(e->closed);
        kit_forget(&k, e);
    }
    assert_int_equal(session_client_count(k.session), 1);
    ASK("PING\r\n", "+PONG\r\n");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_cut),
        TEST(random_pieces),
        TEST(large_value),
        TEST(many_arguments),
        TEST(bulk_limits),
        TEST(protocol_errors),
        TEST(query_limit),
        TEST(unauthenticated),
        TEST(absurd_length),
        TEST(fair),
        TEST(fair_goes_on),
        TEST(look_ahead),
        TEST(garbage),
        TEST(protocol_error_kept),
        TEST(blocked_is_seen_to_end),
        TEST(waiting_is_read_so_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
