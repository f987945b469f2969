/* The longest common subsequence, against the plain recursion, and that what is traced is one. */
#include "types/lcs.h"

#include "base/mem.h"
#include "support/unit.h"

static uint32_t naive(slice a, slice b) {
    if (a.len == 0 || b.len == 0) return 0;
    if (a.data[0] == b.data[0]) return 1 + naive(slice_skip(a, 1), slice_skip(b, 1));
    uint32_t x = naive(slice_skip(a, 1), b), y = naive(a, slice_skip(b, 1));
    return x > y ? x : y;
}

static bool is_subsequence(slice sub, slice of) {
    size_t i = 0;
    for (size_t j = 0; j < of.len && i < sub.len; j++)
        i += sub.data[i] == of.data[j];
    return i == sub.len;
}

typedef struct tracing {
    slice a, b;
    uint32_t total, a_before, b_before;
} tracing;

/* Stretches come last first, do not overlap, and are equal bytes. */
static void check_match(void *ctx, lcs_match m) {
    tracing *t = ctx;
    assert_true(m.a_first <= m.a_last && m.b_first <= m.b_last);
    assert_int_equal(m.a_last - m.a_first, m.b_last - m.b_first);
    assert_true(m.a_last < t->a_before && m.b_last < t->b_before);
    assert_memory_equal(t->a.data + m.a_first, t->b.data + m.b_first, m.a_last - m.a_first + 1);
    t->total += m.a_last - m.a_first + 1;
    t->a_before = m.a_first;
    t->b_before = m.b_first;
}

static void against_recursion(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int n = 0; n < unit_rounds(2000); n++) {
        char a[9], b[9], out[9];
        slice x = slice_of(a, rng_below(&r, 9)), y = slice_of(b, rng_below(&r, 9));
        for (int i = 0; i < 9; i++) {
            a[i] = (char)('a' + rng_below(&r, 3));
            b[i] = (char)('a' + rng_below(&r, 3));
        }
        uint32_t len = naive(x, y);
        tracing t = {x, y, 0, UINT32_MAX, UINT32_MAX};
        assert_int_equal(lcs_length(x, y), len);
        assert_int_equal(lcs_trace(x, y, out, check_match, &t), len);
        assert_int_equal(t.total, len);
        assert_true(is_subsequence(slice_of(out, len), x));
        assert_true(is_subsequence(slice_of(out, len), y));
    }
}

static void known(void **state) {
    (void)state;
    char out[16];
    slice a = SLICE("ohmytext"), b = SLICE("mynewtext");
    assert_int_equal(lcs_trace(a, b, out, NULL, NULL), 6);
    assert_memory_equal(out, "mytext", 6);
    assert_int_equal(lcs_length(a, SLICE_EMPTY), 0);
    assert_int_equal(lcs_trace(SLICE_EMPTY, b, out, NULL, NULL), 0);
    assert_int_equal(lcs_table_bytes(a, b), 4 * 9 * 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_recursion),
        cmocka_unit_test(known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
