/* Buffers against a plain array that holds the same bytes. */
#include "base/buf.h"

#include <stdio.h>

#include "base/mem.h"
#include "support/unit.h"

#define MODEL 200000

static void same_bytes_as_an_array(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    char *model = mem_alloc(MODEL);
    size_t len = 0;
    buf b = {0};
    for (int i = 0; i < unit_rounds(20000); i++) {
        char piece[300];
        size_t n = rng_below(&r, sizeof piece);
        memset(piece, (int)rng_below(&r, 256), n);
        if (len + n > MODEL || rng_below(&r, 4) == 0) {
            n = rng_below(&r, len + 1);
            buf_consume(&b, n);
            memmove(model, model + n, len - n);
            len -= n;
        } else if (rng_below(&r, 2)) {
            buf_append(&b, piece, n);
            memcpy(model + len, piece, n);
            len += n;
        } else {
            char *to = rng_below(&r, 2) ? buf_reserve(&b, n) : buf_reserve_exact(&b, n);
            memcpy(to, piece, n);
            b.len += n;
            memcpy(model + len, piece, n);
            len += n;
        }
        if (rng_below(&r, 100) == 0) buf_shrink(&b, rng_below(&r, 1000));
        assert_true(b.len <= b.cap);
        assert_true(slice_eq(buf_slice(&b), slice_of(model, len)));
    }
    buf_free(&b);
    assert_null(b.data);
    mem_free(model);
}

static void printf_grows_as_needed(void **state) {
    (void)state;
    buf b = {0};
    char expected[4000];
    for (int n = 0; n < 1500; n += 7) {
        buf_clear(&b);
        buf_append_char(&b, '>');
        buf_printf(&b, "%*d:%s", n, 42, "x");
        int len = snprintf(expected, sizeof expected, ">%*d:%s", n, 42, "x");
        assert_true(slice_eq(buf_slice(&b), slice_of(expected, (size_t)len)));
        if (n % 2) buf_free(&b);
    }
    buf_free(&b);
}

static void growth(void **state) {
    (void)state;
    buf b = {0};
    int moves = 0;
    for (int i = 0; i < 1 << 16; i++) {
        size_t cap = b.cap;
        buf_append_char(&b, 'x');
        moves += cap != b.cap;
    }
    assert_true(moves < 20);
    buf_free(&b);
    buf_reserve_exact(&b, 1000);
    assert_int_equal(b.cap, 1000);
    b.len = 10;
    buf_reserve_exact(&b, 2000);
    assert_int_equal(b.cap, 2010);
    buf_shrink(&b, 9); /* the contents don't fit */
    assert_int_equal(b.cap, 2010);
    buf_shrink(&b, 10);
    assert_int_equal(b.cap, 10);
    buf_clear(&b);
    buf_shrink(&b, 0);
    assert_null(b.data);
    assert_non_null(buf_reserve(&b, 0));
    buf_free(&b);
    buf_append_slice(&b, SLICE_EMPTY);
    assert_null(b.data);
    buf_consume(&b, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes_as_an_array),
        cmocka_unit_test(printf_grows_as_needed),
        cmocka_unit_test(growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
