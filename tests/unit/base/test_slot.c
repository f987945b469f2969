/* slot: the check value of the CRC, keys whose slots redis-server tells, hash tags. */
#include "base/slot.h"

#include "support/unit.h"

static void known_slots(void **state) {
    (void)state;
    assert_int_equal(key_slot(SLICE("123456789")), 0x31c3); /* the CRC's published check value */
    assert_int_equal(key_slot(SLICE("")), 0);
    assert_int_equal(key_slot(SLICE("foo")), 12182);
    assert_int_equal(key_slot(SLICE("bar")), 5061);
    assert_int_equal(key_slot(SLICE("hello")), 866);
}

static void tags(void **state) {
    (void)state;
    uint16_t foo = key_slot(SLICE("foo"));
    assert_int_equal(key_slot(SLICE("{foo}.following")), foo);
    assert_int_equal(key_slot(SLICE("x{foo}{bar}")), foo);
    assert_int_equal(key_slot(SLICE("x{{foo}}y")), key_slot(SLICE("{foo")));
    /* An empty or open tag is none: the whole key counts. */
    assert_int_not_equal(key_slot(SLICE("foo{}{bar}")), key_slot(SLICE("bar")));
    assert_int_not_equal(key_slot(SLICE("a{foo")), foo);
    assert_int_not_equal(key_slot(SLICE("foo}")), foo);
    assert_int_equal(key_slot(SLICE("{")), key_slot(slice_of("{x", 1)));
    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        assert_in_range(key_slot(slice_of(&c, 1)), 0, SLOTS_ALL - 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_slots),
        cmocka_unit_test(tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
