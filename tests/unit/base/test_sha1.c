/* SHA-1: the vectors that are published with it, and lengths around a block's end. */
#include "support/unit.h"

#include "base/sha1.h"

#include <stdlib.h>
#include <string.h>

static void check(slice s, const char *want) {
    char hex[SHA1_HEX_LEN + 1];
    sha1_hex(s, hex);
    assert_string_equal(hex, want);
}

/* FIPS 180-4's examples, and those of RFC 3174. */
static void published(void **state) {
    (void)state;
    check(SLICE("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    check(SLICE_EMPTY, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check(SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    check(SLICE("a"), "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8");
    check(SLICE("0123456701234567012345670123456701234567012345670123456701234567"),
          "e0c094e867ef46c350ef54a7f59dd60bed92ae83");
    char *million = malloc(1000000);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    check(slice_of(million, 1000000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    free(million);
}

/* Where the length no longer fits into the last block: as sha1sum says of so many 'x'. */
static void around_a_block(void **state) {
    static const struct {
        size_t n;
        const char *hex;
    } cases[] = {
        {55, "cef734ba81a024479e09eb5a75b6ddae62e6abf1"},
        {56, "901305367c259952f4e7af8323f480d59f81335b"},
        {63, "0ddc4e0cccd9a12850deb5abb0853a4425559fec"},
        {64, "bb2fa3ee7afb9f54c6dfb5d021f14b1ffe40c163"},
        {65, "78c741ddc482e4cdf8c474a0876347a0905b6233"},
    };
    char x[65];
    (void)state;
    memset(x, 'x', sizeof x);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(slice_of(x, cases[i].n), cases[i].hex);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published),
        cmocka_unit_test(around_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
