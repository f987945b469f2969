/* resp_peek against the reader: on what is well-formed and whole they agree, cut short it says so.
 */
#include "base/buf.h"
#include "resp/reader.h"
#include "resp/writer.h"
#include "support/unit.h"

static const resp_limits limits = {512 << 20, 1 << 20, 0};

/* Appends a request of argc random arguments. */
static void append_request(rng *r, buf *out, int argc) {
    char bytes[300];
    resp_array(out, argc);
    for (int i = 0; i < argc; i++) {
        size_t len = rng_below(r, sizeof bytes);
        for (size_t j = 0; j < len; j++)
            bytes[j] = (char)rng_below(r, 256);
        resp_bulk(out, slice_of(bytes, len));
    }
}

static void test_agrees_with_reader(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    resp_reader reader = {0};
    for (int round = 0; round < 2000; round++) {
        buf b = {0};
        int argc = 1 + (int)rng_below(&r, 6);
        append_request(&r, &b, argc);
        size_t whole = b.len;
        append_request(&r, &b, 2); /* the next one is none of its business */
        slice key = SLICE_EMPTY;
        size_t len = resp_peek(b.data, b.len, &key);
        assert_int_equal(resp_read(&reader, b.data, b.len, &limits), RESP_WHOLE);
        assert_int_equal(reader.consumed, whole);
        if (argc < 2) {
            assert_int_equal(len, 0);
        } else {
            assert_int_equal(len, whole);
            assert_true(slice_eq(key, reader.argv[1]));
        }
        size_t cut = rng_below(&r, whole);
        assert_int_equal(resp_peek(b.data, cut, &key), 0);
        buf_free(&b);
    }
    resp_reader_free(&reader);
}

static void test_refuses(void **state) {
    (void)state;
    static const char *const bad[] = {
        "PING a\r\n",
        "*x\r\n$1\r\na\r\n",
        "*2\r\n$1\r\na\r\n+b\r\n",
        "*-2\r\n$1\r\na\r\n",
        "*2\n$1\r\na\r\n",
        "*2\r\n$-1\r\n$1\r\na\r\n",
        "*2\r\n$1\r\na\r\n$99999999999999999999\r\n",
        "*2\r\n$\r\n\r\n$1\r\na\r\n",
        "*99999999999999999999\r\n$1\r\na\r\n",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        slice key;
        assert_int_equal(resp_peek(bad[i], strlen(bad[i]), &key), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_reader),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
