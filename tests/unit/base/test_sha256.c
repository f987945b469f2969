/* sha256: NIST's published vectors, every length around a block against one more way of feeding
 * it, and comparison. */
#include "base/sha256.h"

#include "support/unit.h"

#include <stdlib.h>

#define HASH(text, hex)                                                                            \
    do {                                                                                           \
        char got_[SHA256_HEX];                                                                     \
        sha256_hex(text, strlen(text), got_);                                                      \
        assert_memory_equal(got_, hex, SHA256_HEX);                                                \
    } while (0)

/* FIPS 180-2, appendix B, and the examples of NIST's CAVP. */
static void vectors(void **state) {
    (void)state;
    HASH("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    HASH("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    HASH("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    HASH("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    HASH("foobared", "1b58ee375b42e41f0e48ef2ff27d10a5b1f6924a9acdcdba7cae868e7adce6bf");
}

/* A million times 'a'. */
static void long_message(void **state) {
    (void)state;
    size_t n = 1000000;
    char *p = malloc(n), got[SHA256_HEX];
    assert_non_null(p);
    memset(p, 'a', n);
    sha256_hex(p, n, got);
    assert_memory_equal(got, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
                        SHA256_HEX);
    free(p);
}

/* The hash of the hashes of 0 .. 199 bytes: every length of the padding. */
static void lengths(void **state) {
    (void)state;
    char message[200], all[200 * SHA256_HEX], got[SHA256_HEX];
    for (int i = 0; i < 200; i++) {
        message[i] = (char)i;
        sha256_hex(message, (size_t)i, all + i * SHA256_HEX);
    }
    sha256_hex(all, sizeof all, got);
    assert_memory_equal(got, "7a38a844c9e159de39f0862ee2e28569a8250831150a3fbf0a59c001129b2fb2",
                        SHA256_HEX);
}

static void same(void **state) {
    (void)state;
    assert_true(bytes_same("abc", "abd", 2) && bytes_same("", "x", 0));
    assert_false(bytes_same("abc", "abd", 3) || bytes_same("xbc", "abc", 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(long_message),
        cmocka_unit_test(lengths),
        cmocka_unit_test(same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
