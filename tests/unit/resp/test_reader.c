/* The request parser: streams with their commands or their protocol error (answers of
 * redis-server), the limits to the byte, and any way of cutting a stream. */
#include "resp/reader.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "support/resp_splits.h"
#include "support/unit.h"

static const resp_limits usual = {512 << 20, RESP_ARGS_MAX, 0};
static const resp_limits unauth = {512 << 20, 10, 16384};

/* Parses a stream and writes it down: words separated by a space, commands by '|', then '.' if
 * bytes are left over, or '!' and the error. */
static const char *parse(slice in, const resp_limits *limits) {
    static char out[4096];
    size_t n = 0;
    resp_reader r = {0};
    resp_result res;
    while ((res = resp_read(&r, in.data, in.len, limits)) == RESP_WHOLE) {
        for (int i = 0; i < r.argc; i++)
            n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", i ? " " : "",
                                  (int)r.argv[i].len, r.argv[i].data);
        n += (size_t)snprintf(out + n, sizeof out - n, "|");
        in = slice_skip(in, r.consumed);
    }
    if (res == RESP_ERROR)
        snprintf(out + n, sizeof out - n, "!%s", r.error);
    else
        snprintf(out + n, sizeof out - n, "%s", in.len ? "." : "");
    resp_reader_free(&r);
    return out;
}

/* The bytes of README.md, decoded. */
static void the_example_of_the_readme(void **state) {
    (void)state;
    static const unsigned char bytes[] = {
        0x2a, 0x33, 0x0d, 0x0a, 0x24, 0x33, 0x0d, 0x0a, 0x53, 0x45, 0x54, 0x0d, 0x0a, 0x24,
        0x31, 0x0d, 0x0a, 0x6b, 0x0d, 0x0a, 0x24, 0x32, 0x0d, 0x0a, 0x0d, 0x0a, 0x0d, 0x0a,
        0x50, 0x49, 0x4e, 0x47, 0x20, 0x22, 0x61, 0x5c, 0x78, 0x34, 0x32, 0x22, 0x0d, 0x0a};
    assert_string_equal(parse(slice_of(bytes, sizeof bytes), &usual), "SET k \r\n|PING aB|");
}

static void streams_and_their_commands(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"*1\r\n$4\r\nPING\r\n", "PING|"},
        {"*2\r\n$3\r\nGET\r\n$10\r\n0123456789\r\n*1\r\n$4\r\nPING\r\n", "GET 0123456789|PING|"},
        {"*1\r\n$4\r\nPING", "."},
        {"*1\r\n$4\r\nPING\r", "."},
        {"*1\r\n$0\r\n\r\n", "|"},
        {"*0\r\nPING\r\n", "|PING|"},
        {"*-5\r\nPING\r\n", "|PING|"},
        {"*1\r\n$-1\r\n", "!invalid bulk length"},
        {"*2147483647\r\n", "."},
        {"*2147483648\r\n", "!invalid multibulk length"},
        {"*1048577\r\n$4\r\nPING\r\n", "."},
        {"*01\r\n", "!invalid multibulk length"},
        {"*00\r\n", "!invalid multibulk length"},
        {"*-0\r\n", "!invalid multibulk length"},
        {"*+1\r\n", "!invalid multibulk length"},
        {"*\r\n", "!invalid multibulk length"},
        {"* 1\r\n", "!invalid multibulk length"},
        {"*1 \r\n", "!invalid multibulk length"},
        {"*1\n$4\r\nPING\r\n", "!invalid multibulk length"},
        {"*99999999999999999999\r\n", "!invalid multibulk length"},
        {"*9223372036854775807\r\n", "!invalid multibulk length"},
        {"*\r", "."},
        {"*1\r\n\r\n", "!expected '$', got '\r'"},
        {"*1\r\nx", "."},
        {"*1\r\nx1\r", "."},
        {"*1\r\nx1\r\n", "!expected '$', got 'x'"},
        {"*1\r\n\xff\r\n", "!expected '$', got '\xff'"},
        {"*1\r\n$\r\n", "!invalid bulk length"},
        {"*1\r\n$04\r\n", "!invalid bulk length"},
        {"*1\r\n$4x\r\n", "!invalid bulk length"},
        {"*1\r\n$536870912\r\n", "."},
        {"*1\r\n$536870913\r\n", "!invalid bulk length"},
        {"*1\r\n$000000000000000000000\r\n", "!invalid bulk length"},
        {"*1\r\n$4\r\nPINGxy*1\r\n$4\r\nPONG\r\n", "PING|PONG|"},
        {"*1\rx$4\rxPINGab", "PING|"},
        {"\r\n\r\nPING\r\n", "||PING|"},
        {"  PING  a\tb \r\n", "PING a b|"},
        {"PING\n", "PING|"},
        {"\r\rPING\r\n", "PING|"},
        {"PING\r", "."},
        {"\n", "|"},
        {"PING \"a\\x41\\n\" 'b c'\r\n", "PING aA\n b c|"},
        {"PING \"a\"b\r\n", "!unbalanced quotes in request"},
        {"PING 'a\r\n", "!unbalanced quotes in request"},
        {"$4\r\nPING\r\n", "$4|PING|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(parse(slice_cstr(cases[i].in), &usual), cases[i].out);
    assert_string_equal(parse(SLICE("*1\r\n\0\r\n"), &usual), "!expected '$', got '");
    assert_string_equal(parse(SLICE("*1\0\r\n"), &usual), "!invalid multibulk length");
}

static void limits_before_authentication(void **state) {
    (void)state;
    assert_string_equal(parse(SLICE("*10\r\n"), &unauth), ".");
    assert_string_equal(parse(SLICE("*11\r\n"), &unauth), "!unauthenticated multibulk length");
    assert_string_equal(parse(SLICE("*2147483648\r\n"), &unauth), "!invalid multibulk length");
    assert_string_equal(parse(SLICE("*1\r\n$16384\r\n"), &unauth), ".");
    assert_string_equal(parse(SLICE("*1\r\n$16385\r\n"), &unauth), "!unauthenticated bulk length");
    assert_string_equal(parse(SLICE("*1\r\n$536870913\r\n"), &unauth), "!invalid bulk length");
    resp_limits few = {100, 3, 0};
    assert_string_equal(parse(SLICE("*4\r\n"), &few), "!invalid multibulk length");
    assert_string_equal(parse(SLICE("*1\r\n$101\r\n"), &few), "!invalid bulk length");
    assert_string_equal(parse(SLICE("*1\r\n$100\r\n"), &few), ".");
}

/* A stream of PREFIX and then n times c. */
static slice repeat(buf *b, const char *prefix, char c, size_t n) {
    buf_clear(b);
    buf_append_slice(b, slice_cstr(prefix));
    memset(buf_reserve(b, n), c, n);
    b->len += n;
    return buf_slice(b);
}

static void lines_have_a_longest_length(void **state) {
    (void)state;
    buf b = {0};
    size_t max = RESP_INLINE_MAX;
    assert_string_equal(parse(repeat(&b, "", 'a', max), &usual), ".");
    assert_string_equal(parse(repeat(&b, "", 'a', max + 1), &usual), "!too big inline request");
    repeat(&b, "", ' ', max);
    buf_append_char(&b, '\n'); /* the longest line that passes */
    assert_string_equal(parse(buf_slice(&b), &usual), "|");
    repeat(&b, "", ' ', max + 1);
    buf_append_char(&b, '\n');
    assert_string_equal(parse(buf_slice(&b), &usual), "!too big inline request");
    assert_string_equal(parse(repeat(&b, "*", '1', max - 1), &usual), ".");
    assert_string_equal(parse(repeat(&b, "*", '1', max), &usual), "!too big mbulk count string");
    assert_string_equal(parse(repeat(&b, "*1\r\n$", '1', max - 1), &usual), ".");
    assert_string_equal(parse(repeat(&b, "*1\r\n$", '1', max), &usual),
                        "!too big bulk count string");
    assert_string_equal(parse(repeat(&b, "*1\r\n", '1', max + 1), &usual),
                        "!too big bulk count string");
    buf_free(&b);
}

static void tells_how_much_is_missing(void **state) {
    (void)state;
    resp_reader r = {0};
    slice in = SLICE("*2\r\n$3\r\nGET\r\n$1000000\r\nabc");
    assert_int_equal(resp_read(&r, in.data, in.len, &usual), RESP_INCOMPLETE);
    assert_int_equal(r.need, 1000002 - 3);
    assert_int_equal(resp_read(&r, in.data, in.len, &usual), RESP_INCOMPLETE); /* nothing new */
    assert_int_equal(r.need, 1000002 - 3);
    resp_reader_free(&r);
    in = SLICE("*2\r\n$3\r\nGET\r\n");
    assert_int_equal(resp_read(&r, in.data, in.len, &usual), RESP_INCOMPLETE);
    assert_int_equal(r.need, 1);
    resp_reader_free(&r);
}

/* A pipeline parsed twice over must not allocate the second time. */
static void commands_in_a_row_allocate_nothing(void **state) {
    (void)state;
    resp_reader r = {0};
    slice in = SLICE("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
    assert_int_equal(resp_read(&r, in.data, in.len, &usual), RESP_WHOLE);
    slice *first = r.argv;
    uint64_t before = mem_used();
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(resp_read(&r, in.data, in.len, &usual), RESP_WHOLE);
        assert_ptr_equal(r.argv, first);
    }
    assert_int_equal(mem_used(), before);
    resp_reader_free(&r);
}

static void many_arguments_come_and_their_memory_goes(void **state) {
    (void)state;
    enum { ARGS = 100000 };
    uint64_t before = mem_used();
    resp_reader r = {0};
    buf b = {0};
    buf_printf(&b, "*%d\r\n", ARGS);
    assert_int_equal(resp_read(&r, b.data, b.len, &usual), RESP_INCOMPLETE);
    assert_true(mem_used() < before + 4096); /* the count alone costs nothing */
    for (int i = 0; i < ARGS; i++)
        buf_printf(&b, "$5\r\n%05d\r\n", i);
    assert_int_equal(resp_read(&r, b.data, b.len, &usual), RESP_WHOLE);
    assert_int_equal(r.argc, ARGS);
    for (int i = 0; i < ARGS; i++) {
        char text[8];
        snprintf(text, sizeof text, "%05d", i);
        assert_memory_equal(r.argv[i].data, text, 5);
    }
    assert_int_equal(resp_read(&r, b.data, 0, &usual), RESP_INCOMPLETE);
    buf_free(&b);
    assert_int_equal(mem_used(), before);
    assert_int_equal(resp_read(&r, "PING a\n", 7, &usual), RESP_WHOLE);
    assert_int_equal(resp_read(&r, "", 0, &usual), RESP_INCOMPLETE);
    assert_true(mem_used() < before + 1024);
    resp_reader_free(&r);
    assert_int_equal(mem_used(), before);
}

/* Appends a random command, or sometimes a damaged one. */
static void random_command(buf *b, rng *r) {
    size_t start = b->len;
    if (rng_below(r, 5) == 0) {
        static const char *const lines[] = {
            "PING\r\n",          "set k \"a b\"\n",    "\r\n",
            "get 'x\\'y' z\r\n", "a \"\\x0a\\n\"\r\n", "echo \"a\"b\r\n"};
        buf_append_slice(b, slice_cstr(lines[rng_below(r, 6)]));
    } else {
        int argc = (int)rng_below(r, rng_below(r, 10) ? 5 : 40);
        buf_printf(b, "*%d\r\n", argc);
        for (int i = 0; i < argc; i++) {
            size_t len = rng_below(r, rng_below(r, 20) ? 15 : 3000);
            buf_printf(b, "$%zu\r\n", len);
            for (size_t k = 0; k < len; k++)
                buf_append_char(b, "\r\n$*1a\0z"[rng_below(r, 8)]);
            buf_append(b, "\r\n", 2);
        }
    }
    if (rng_below(r, 50) == 0 && b->len > start)
        b->data[start + rng_below(r, b->len - start)] = "\r\n$*10-\"\0"[rng_below(r, 9)];
}

static void any_cuts_give_the_same_commands(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    int commands = 0;
    buf b = {0};
    for (int i = 0; i < unit_rounds(3000); i++) {
        buf_clear(&b);
        for (uint64_t k = 1 + rng_below(&r, 12); k; k--)
            random_command(&b, &r);
        resp_limits small = {2000, 30, rng_below(&r, 3) ? 0 : 1000};
        commands += resp_check_splits(b.data, b.len, rng_below(&r, 2) ? &usual : &small, &r);
    }
    assert_true(commands > unit_rounds(3000));
    buf_free(&b);
}

/* The same where a line or a header reaches the longest length. */
static void cuts_of_long_lines(void **state) {
    (void)state;
    static const char *const starts[] = {"", "*", "*1\r\n$", "*1\r\n", "*1\r\nx"};
    rng r;
    unit_seed(&r);
    buf b = {0};
    for (int i = 0; i < unit_rounds(50); i++) {
        repeat(&b, starts[rng_below(&r, 5)], ' ', RESP_INLINE_MAX - 3 + rng_below(&r, 6));
        if (rng_below(&r, 2)) b.data[b.len - 1] = '\r';
        buf_append_slice(&b, SLICE("\r\nPING\r\n"));
        resp_check_splits(b.data, b.len, &usual, &r);
    }
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_readme),
        cmocka_unit_test(streams_and_their_commands),
        cmocka_unit_test(limits_before_authentication),
        cmocka_unit_test(lines_have_a_longest_length),
        cmocka_unit_test(tells_how_much_is_missing),
        cmocka_unit_test(commands_in_a_row_allocate_nothing),
        cmocka_unit_test(many_arguments_come_and_their_memory_goes),
        cmocka_unit_test(any_cuts_give_the_same_commands),
        cmocka_unit_test(cuts_of_long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
