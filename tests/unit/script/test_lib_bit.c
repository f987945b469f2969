/* lib_bit: answers of redis-server, and random numbers beside arithmetic on integers. */
#include "support/lib_state.h"

#include <inttypes.h>

static void answers_of_redis(void **state) {
    (void)state;
    static const lib_case cases[] = {
        {"bit.tobit, 2^31", "-2147483648"},
        {"bit.tobit, 2^32 + 5", "5"},
        {"bit.tobit, 0.5", "0"},
        {"bit.tobit, 1.5", "2"},
        {"bit.tobit, '12'", "12"},
        {"bit.tobit, 'x'", "error: bad argument #1 to '?' (number expected, got string)"},
        {"bit.band", "error: bad argument #1 to '?' (number expected, got no value)"},
        {"bit.bor, 1, 2, 4, 8", "15"},
        {"bit.bxor, 0xff, 0x0f, 1", "241"},
        {"bit.lshift, 1, 31", "-2147483648"},
        {"bit.lshift, 1, 32", "1"},
        {"bit.rshift, -1, 28", "15"},
        {"bit.arshift, -256, 8", "-1"},
        {"bit.arshift, -256, 0", "-256"},
        {"bit.rol, 0x12345678, 12", "1164411171"},
        {"bit.ror, 0x12345678, 12", "1736516421"},
        {"bit.rol, 5, 0", "5"},
        {"bit.bswap, 0x12345678", "2018915346"},
        {"bit.tohex, 1", "<00000001>"},
        {"bit.tohex, -1, 4", "<ffff>"},
        {"bit.tohex, -1, -4", "<FFFF>"},
        {"bit.tohex, 0xab, 0", "<>"},
        {"bit.tohex, 0xab, 100", "<000000ab>"},
    };
    lib_check(cases, sizeof cases / sizeof *cases);
}

/* CVE-2024-31449: the count of digits has no opposite. */
static void tohex_smallest(void **state) {
    (void)state;
    static const lib_case cases[] = {
        {"bit.tohex, 0xabcdef01, -2147483648", "<ABCDEF01>"},
        {"bit.tohex, 0xabcdef01, 2147483648", "<ABCDEF01>"},
        {"bit.tohex, 0xabcdef01, -2147483647", "<ABCDEF01>"},
        {"bit.tohex, 0xabcdef01, 2147483647", "<abcdef01>"},
        {"bit.tohex, 0xabcdef01, 1/0", "<abcdef01>"},
    };
    /* Infinity has no low bits that mean anything: only that there are eight digits is asked. */
    lib_check(cases, sizeof cases / sizeof *cases - 1);
    assert_in_range(strlen(lib_show(cases[4].call)), 2, 10);
}

static void random_numbers(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(2000); i++) {
        uint32_t a = (uint32_t)rng_next(&r), b = (uint32_t)rng_next(&r);
        uint32_t n = (uint32_t)rng_below(&r, 32), left = (32 - n) & 31;
        char call[300], said[200];
        snprintf(call, sizeof call,
                 "function(a, b, n) return bit.band(a, b), bit.bor(a, b), bit.bxor(a, b), "
                 "bit.bnot(a), bit.lshift(a, n), bit.rshift(a, n), bit.arshift(a, n), "
                 "bit.rol(a, n), tonumber(bit.tohex(a), 16) end, %" PRIu32 ", %" PRId32 ", %u",
                 a, (int32_t)b, n);
        snprintf(said, sizeof said, "%d %d %d %d %d %d %d %d %u", (int)(a & b), (int)(a | b),
                 (int)(a ^ b), (int)~a, (int)(a << n), (int)(a >> n), (int)a >> n,
                 (int)(a << n | a >> left), a);
        assert_string_equal(lib_show(call), said);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_redis),
        cmocka_unit_test(tohex_smallest),
        cmocka_unit_test(random_numbers),
    };
    return cmocka_run_group_tests(tests, lib_start, lib_stop);
}
