/* The generator: its authors' output for a known state, replay, range and spread. */
#include "base/rand.h"

#include <string.h>

#include "support/unit.h"

/* First outputs of the reference xoshiro256** for the state 1, 2, 3, 4. */
static void reference_output(void **state) {
    (void)state;
    static const uint64_t expected[] = {
        11520u, 0u, 1509978240u, 1215971899390074240u, 1216172134540287360u, 607988272756665600u};
    rng r = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(rng_next(&r), expected[i]);
}

/* First outputs of the reference splitmix64 for the seed 1234567 fill the state. */
static void reference_seeding(void **state) {
    (void)state;
    rng r;
    rng_seed(&r, 1234567);
    assert_int_equal(r.s[0], 6457827717110365317u);
    assert_int_equal(r.s[1], 3203168211198807973u);
    assert_int_equal(r.s[2], 9817491932198370423u);
    assert_int_equal(r.s[3], 4593380528125082431u);
}

static void replays_and_spreads(void **state) {
    (void)state;
    rng a, b;
    unit_seed(&a);
    b = a;
    int hits[10] = {0};
    for (int i = 0; i < 100000; i++) {
        uint64_t v = rng_below(&a, 10);
        assert_int_equal(v, rng_below(&b, 10));
        assert_true(v < 10);
        hits[v]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(hits[i], 9400, 10600); /* six standard deviations */
    assert_int_equal(rng_below(&a, 1), 0);
}

static void kernel_bytes(void **state) {
    (void)state;
    char a[64] = {0}, b[64] = {0}, hex[41];
    rand_bytes(a, sizeof a);
    rand_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    memset(hex, 'x', sizeof hex);
    rand_hex(hex, 40);
    assert_int_equal(strspn(hex, "0123456789abcdef"), 40);
    assert_int_equal(hex[40], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_output),
        cmocka_unit_test(reference_seeding),
        cmocka_unit_test(replays_and_spreads),
        cmocka_unit_test(kernel_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
