/* Lines into words: a table of what redis-server makes of lines, and words that are quoted and
 * split again. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "resp/reader.h"
#include "support/unit.h"

static void check(slice line, int count, const char *const *expected) {
    slice *words;
    int n = resp_split_line(line, &words);
    if (n != count) fail_msg("'%.*s': %d words", (int)line.len, line.data, n);
    for (int i = 0; i < n; i++)
        assert_true(slice_eq(words[i], slice_cstr(expected[i])));
    if (n > 0)
        mem_free(words);
    else
        assert_null(words);
}

static void lines_of_redis(void **state) {
    (void)state;
    static const struct {
        const char *line;
        int n;
        const char *words[4];
    } cases[] = {
        {"", 0, {0}},
        {" \t\v\f\r\n", 0, {0}},
        {"a", 1, {"a"}},
        {"  set  k\tv ", 3, {"set", "k", "v"}},
        {"\"\" ''", 2, {"", ""}},
        {"foo\"a b\" c", 2, {"fooa b", "c"}},
        {"foo'a b'", 1, {"fooa b"}},
        {"\"a\"b", -1, {0}},
        {"'a'b", -1, {0}},
        {"\"a\"\vb", 2, {"a", "b"}},
        {"a\vb", 1, {"a\vb"}}, /* a vertical tab begins no word, but ends none either */
        {"\va", 1, {"a"}},
        {"\"a", -1, {0}},
        {"'a", -1, {0}},
        {"\"a\\", -1, {0}},
        {"\"a\\\"", -1, {0}},
        {"'a\\'", -1, {0}},
        {"a\\nb", 1, {"a\\nb"}}, /* outside of quotes a backslash is itself */
        {"\"\\n\\r\\t\\b\\a\\q\\\\\\\"\"", 1, {"\n\r\t\b\aq\\\""}},
        {"\"\\x41\\x4g\\xzz\\x6\"", 1, {"Ax4gxzzx6"}},
        {"\"\\xfF\"", 1, {"\xff"}},
        {"'\\n\\'x\\y'", 1, {"\\n'x\\y"}},
        {"'x\\\\'", -1, {0}}, /* the second backslash escapes the quote */
        {"a 'b' \"c\" d", 4, {"a", "b", "c", "d"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(slice_cstr(cases[i].line), cases[i].n, cases[i].words);
    slice *words;
    assert_int_equal(resp_split_line(SLICE("a\0b c"), &words), 2); /* a zero byte is a byte */
    assert_true(slice_eq(words[0], SLICE("a\0b")));
    mem_free(words);
}

/* Any bytes, quoted, come back. */
static void quoted_words_come_back(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(5000); i++) {
        buf line = {0};
        char words[5][10];
        size_t lens[5];
        int n = (int)rng_below(&r, 6);
        for (int w = 0; w < n; w++) {
            lens[w] = rng_below(&r, 10);
            buf_append(&line, " \"", 2);
            for (size_t k = 0; k < lens[w]; k++) {
                unsigned char c = (unsigned char)rng_next(&r);
                words[w][k] = (char)c;
                if (c == '"' || c == '\\')
                    buf_printf(&line, "\\%c", c);
                else if (rng_below(&r, 2))
                    buf_printf(&line, "\\x%02x", c);
                else
                    buf_append_char(&line, (char)c);
            }
            buf_append(&line, "\" ", 2);
        }
        slice *out;
        assert_int_equal(resp_split_line(buf_slice(&line), &out), n);
        for (int w = 0; w < n; w++)
            assert_true(slice_eq(out[w], slice_of(words[w], lens[w])));
        mem_free(out);
        buf_free(&line);
    }
}

/* Junk: no crash, nothing outside the line (for sanitizers), and words within the block. */
static void junk_is_harmless(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(50000); i++) {
        size_t n = rng_below(&r, 20), total = 0;
        char *line = mem_alloc(n);
        for (size_t k = 0; k < n; k++)
            line[k] = "\"'\\x4 \tab\v"[rng_below(&r, 10)];
        slice *out;
        int words = resp_split_line(slice_of(line, n), &out);
        for (int w = 0; w < words; w++)
            total += out[w].len;
        assert_true(words >= -1 && total <= n);
        if (words >= 0) mem_free(out);
        mem_free(line);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_redis),
        cmocka_unit_test(quoted_words_come_back),
        cmocka_unit_test(junk_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
