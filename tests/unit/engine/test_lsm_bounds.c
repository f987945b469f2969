/* bounds of tables: around every key, apart from each other, short. */
#include "base/mem.h"
#include "engine/lsm/bounds.h"
#include "engine/lsm/lsm_int.h"
#include "support/unit.h"

static buf a, b, key, next;

/* An entry's key of that place whose user's key is len bytes. */
static slice main_key(buf *out, uint64_t place, size_t len, char with) {
    char *user = mem_alloc(len + 1);
    memset(user, with, len);
    slice s = lkey_main(out, 3, (lsm_hash){.place = place, .full = 1}, slice_of(user, len)).bytes;
    mem_free(user);
    return s;
}

static void test_exact(void **state) {
    (void)state;
    slice k = main_key(&key, 77, 20, 'k');
    bound_smallest(&a, k);
    bound_limit(&b, k, false);
    assert_true(slice_eq(buf_slice(&a), k));
    assert_true(slice_cmp(k, buf_slice(&b)) < 0 && b.len == k.len + 1);
    /* nothing lies between the key and its limit */
    buf_append_slice(&next, k);
    buf_append_char(&next, 0);
    assert_true(slice_cmp(buf_slice(&next), buf_slice(&b)) >= 0);
}

/* A megabyte of key has a dozen bytes of bounds; those of the next token stay apart from them. */
static void test_long_keys(void **state) {
    (void)state;
    uint64_t token = 12345;
    slice k = main_key(&key, token << 11 | 2047, 1 << 20, 'k');
    slice n = main_key(&next, (token + 1) << 11, 1 << 20, 'a');
    assert_true(bound_may_cut(k, n));
    bound_smallest(&a, k);
    bound_limit(&b, k, false);
    assert_true(a.len < 20 && b.len < 20);
    assert_true(slice_cmp(buf_slice(&a), k) <= 0 && slice_cmp(k, buf_slice(&b)) < 0);
    bound_smallest(&a, n);
    assert_true(slice_cmp(buf_slice(&b), buf_slice(&a)) <= 0);
    assert_true(slice_cmp(buf_slice(&a), n) <= 0);
    /* of one token: no cut */
    n = main_key(&next, token << 11 | 2047, 1 << 20, 'l');
    assert_false(bound_may_cut(k, n));
}

static void test_drop(void **state) {
    (void)state;
    lkey_drop(&key, 3, 0xffff);
    bound_limit(&a, buf_slice(&key), true);
    lkey_drop(&next, 3, 0x10000);
    assert_true(slice_cmp(buf_slice(&a), buf_slice(&next)) <= 0);
    lkey_sub(&next, 3, 0x10000, 0, SLICE(""));
    assert_true(slice_cmp(buf_slice(&a), buf_slice(&next)) <= 0);
    bound_after_prefix(&b, SLICE("a\xff\xff"));
    assert_true(slice_eq(buf_slice(&b), SLICE("b")));
}

static void test_overlap(void **state) {
    (void)state;
    assert_true(bound_overlap(SLICE("a"), SLICE("c"), SLICE("b"), SLICE("d")));
    assert_false(bound_overlap(SLICE("a"), SLICE("b"), SLICE("b"), SLICE("d")));
    assert_true(bound_overlap(SLICE("a"), SLICE("z"), SLICE("b"), SLICE("d")));
}

static int end(void **state) {
    (void)state;
    buf_free(&a);
    buf_free(&b);
    buf_free(&key);
    buf_free(&next);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_long_keys),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
