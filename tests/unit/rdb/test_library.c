/* Libraries in the RDB encoding: there and back, what redis-server 7.0.15 gives, what is malformed.
 */
#include "rdb/rdb.h"
#include "support/unit.h"

#include <string.h>

/* FUNCTION DUMP of redis-server 7.0.15, of two libraries; the first one's text is LZF. */
static const char theirs[] =
    "\xf5\xc3@\x99@\xae\x1f#!lua name=t\nredis.register_func\x04tion{\xc0\x08\x00_`'\x0c't',"
    "callback=\xc0\x1a\x1a(k,a) return 1 end,flags={' *\x07ow-oom',\xa0\x0b\x04stale "
    "\r\x05no-clu@k "
    "\x0c\x80&\x0e"
    "cross-slot-keys \x17 $\x08writes'}}\xf5@A#!lua name=l\nredis.register_function('f',function() "
    "return 1 end)\n\x00\xcd\xa9\xfe\xb6\x92\xd1\xc5X";

static void of_the_reference(void **state) {
    (void)state;
    slice payload = slice_of(theirs, sizeof theirs - 1), code;
    buf room = {0};
    assert_true(rdb_footer_is_good(payload));
    slice body = rdb_body(payload);
    assert_int_equal(rdb_take_library(&body, &room, &code), RDB_LIBRARY_TAKEN);
    assert_int_equal(code.len, 174);
    assert_memory_equal(code.data, "#!lua name=t\nredis.register_function{function_name='t',", 54);
    assert_int_equal(rdb_take_library(&body, &room, &code), RDB_LIBRARY_TAKEN);
    assert_memory_equal(code.data, "#!lua name=l\nredis.register_function('f'", 40);
    assert_int_equal(body.len, 0);
    buf_free(&room);
}

static void there_and_back(void **state) {
    (void)state;
    buf out = {0}, room = {0};
    slice code;
    rdb_put_library(&out, SLICE("17")); /* a number, to the encoding */
    rdb_put_library(&out, SLICE_EMPTY);
    rdb_put_footer(&out, 0, RDB_VERSION_WRITTEN);
    assert_true(rdb_footer_is_good(buf_slice(&out)));
    slice body = rdb_body(buf_slice(&out));
    assert_int_equal(rdb_take_library(&body, &room, &code), RDB_LIBRARY_TAKEN);
    assert_true(slice_eq(code, SLICE("17")));
    assert_int_equal(rdb_take_library(&body, &room, &code), RDB_LIBRARY_TAKEN);
    assert_int_equal(code.len, 0);
    assert_int_equal(body.len, 0);
    buf_free(&out);
    buf_free(&room);
}

/* Every length cut off, every bit of the footer turned. */
static void malformed(void **state) {
    (void)state;
    char copy[sizeof theirs];
    for (size_t n = 0; n < sizeof theirs - 1; n++) {
        buf room = {0};
        slice body = slice_of(theirs, n), code;
        assert_false(rdb_footer_is_good(body));
        while (rdb_take_library(&body, &room, &code) == RDB_LIBRARY_TAKEN)
            assert_true(code.len <= 300);
        buf_free(&room);
    }
    for (size_t bit = 0; bit < 80; bit++) {
        memcpy(copy, theirs, sizeof theirs);
        copy[sizeof theirs - 2 - bit / 8] ^= (char)(1 << bit % 8);
        assert_false(rdb_footer_is_good(slice_of(copy, sizeof theirs - 1)));
    }
    slice code, body = SLICE("\xf6\x01x");
    buf room = {0};
    assert_int_equal(rdb_take_library(&body, &room, &code), RDB_LIBRARY_OLD);
    body = slice_of("\x00\x01x", 3);
    assert_int_equal(rdb_take_library(&body, &room, &code), RDB_LIBRARY_NONE);
    body = SLICE_EMPTY;
    assert_int_equal(rdb_take_library(&body, &room, &code), RDB_LIBRARY_BAD);
    buf_free(&room);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_the_reference),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
