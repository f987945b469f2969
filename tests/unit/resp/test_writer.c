/* Replies, byte for byte, in both protocols. */
#include "resp/writer.h"

#include <math.h>
#include <stdio.h>

#include "support/unit.h"

static buf out;

/* What was written since the last check. */
static void check(const char *expected) {
    if (!slice_eq(buf_slice(&out), slice_cstr(expected)))
        fail_msg("'%.*s', expected '%s'", (int)out.len, out.data, expected);
    buf_clear(&out);
}

static void the_same_in_both(void **state) {
    (void)state;
    resp_simple(&out, "OK");
    check("+OK\r\n");
    resp_int(&out, 0);
    resp_int(&out, 9);
    resp_int(&out, 10);
    resp_int(&out, -1);
    resp_int(&out, INT64_MIN);
    check(":0\r\n:9\r\n:10\r\n:-1\r\n:-9223372036854775808\r\n");
    resp_bulk(&out, SLICE("abc"));
    resp_bulk(&out, SLICE_EMPTY);
    resp_bulk(&out, SLICE("0123456789"));
    check("$3\r\nabc\r\n$0\r\n\r\n$10\r\n0123456789\r\n");
    resp_bulk_i64(&out, -42);
    resp_bulk_i64(&out, INT64_MIN);
    check("$3\r\n-42\r\n$20\r\n-9223372036854775808\r\n");
    resp_array(&out, 0);
    resp_array(&out, 12345);
    check("*0\r\n*12345\r\n");
    resp_attribute(&out, 1);
    check("|1\r\n");
}

static void errors_are_one_line(void **state) {
    (void)state;
    resp_error(&out, SLICE("ERR plain"));
    check("-ERR plain\r\n");
    resp_error(&out, SLICE("\r\nERR a\r\nb\nc\n"));
    check("-ERR a  b c\r\n");
    resp_error(&out, SLICE("\r\n"));
    check("-\r\n");
    resp_error(&out, SLICE("ERR expected '$', got '\r'"));
    check("-ERR expected '$', got ' '\r\n");
}

static void what_differs(void **state) {
    (void)state;
    static const char *const expected[] = {
        "$-1\r\n*-1\r\n*4\r\n*3\r\n*3\r\n:1\r\n:0\r\n$2\r\n99\r\n$3\r\nabc\r\n$0\r\n\r\n",
        "_\r\n_\r\n%2\r\n~3\r\n>3\r\n#t\r\n#f\r\n(99\r\n=7\r\ntxt:abc\r\n=4\r\nmkd:\r\n"};
    for (int proto = 2; proto <= 3; proto++) {
        resp_null(&out, proto);
        resp_null_array(&out, proto);
        resp_map(&out, proto, 2);
        resp_set(&out, proto, 3);
        resp_push(&out, proto, 3);
        resp_bool(&out, proto, true);
        resp_bool(&out, proto, false);
        resp_big_number(&out, proto, SLICE("99"));
        resp_verbatim(&out, proto, SLICE("abc"), "txt");
        resp_verbatim(&out, proto, SLICE_EMPTY, "mkd");
        check(expected[proto - 2]);
    }
}

static void doubles(void **state) {
    (void)state;
    static const struct {
        double v;
        const char *resp2, *resp3;
    } cases[] = {
        {1.5, "$3\r\n1.5\r\n", ",1.5\r\n"},         {3, "$1\r\n3\r\n", ",3\r\n"},
        {0.1, "$3\r\n0.1\r\n", ",0.1\r\n"},         {INFINITY, "$3\r\ninf\r\n", ",inf\r\n"},
        {-INFINITY, "$4\r\n-inf\r\n", ",-inf\r\n"}, {NAN, "$3\r\nnan\r\n", ",nan\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        resp_double(&out, 2, cases[i].v);
        check(cases[i].resp2);
        resp_double(&out, 3, cases[i].v);
        check(cases[i].resp3);
    }
}

/* Across every size at which the buffer grows, and behind what it holds already. */
static void lengths_of_every_size(void **state) {
    (void)state;
    static char text[3000];
    memset(text, 'x', sizeof text);
    for (size_t n = 0; n < sizeof text; n++) {
        char head[32];
        buf_free(&out);
        buf_append_char(&out, '>');
        resp_bulk(&out, slice_of(text, n));
        int len = snprintf(head, sizeof head, ">$%zu\r\n", n);
        assert_int_equal(out.len, (size_t)len + n + 2);
        assert_memory_equal(out.data, head, (size_t)len);
        assert_memory_equal(out.data + len, text, n);
        assert_memory_equal(out.data + len + n, "\r\n", 2);
    }
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_in_both),      cmocka_unit_test(errors_are_one_line),
        cmocka_unit_test(what_differs),          cmocka_unit_test(doubles),
        cmocka_unit_test(lengths_of_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
