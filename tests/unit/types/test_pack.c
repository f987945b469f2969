/* Packed elements against a list of them. */
#include "types/pack.h"

#include "support/readme.h"
#include "support/unit.h"

#define MANY 60

typedef struct one {
    char sub[300], value[300];
    size_t sub_len, value_len;
    int64_t expire;
} one;

static slice sub_of(const one *o) {
    return slice_of(o->sub, o->sub_len);
}
static slice value_of(const one *o) {
    return slice_of(o->value, o->value_len);
}

/* Lengths around where a varint becomes longer. */
static size_t some_length(rng *r) {
    static const size_t near[] = {0, 60, 125, 250};
    return near[rng_below(r, 4)] + rng_below(r, 6);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    static one all[MANY];
    static char bytes[MANY * 700];
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(300); round++) {
        unsigned n = (unsigned)rng_below(&r, MANY);
        char *p = bytes;
        for (unsigned i = 0; i < n; i++) {
            one *o = &all[i];
            o->sub_len = some_length(&r) + 2;
            o->value_len = some_length(&r);
            o->expire = rng_below(&r, 2) ? (int64_t)(rng_next(&r) >> 1) | 1 : 0;
            for (size_t k = 0; k < sizeof o->sub; k++) {
                o->sub[k] = (char)rng_next(&r);
                o->value[k] = (char)rng_next(&r);
            }
            o->sub[0] = (char)i; /* no two the same */
            char *end = pack_write(p, sub_of(o), value_of(o), o->expire);
            assert_int_equal(end - p, pack_size(sub_of(o), value_of(o), o->expire));
            p = end;
        }
        slice pack = slice_of(bytes, (size_t)(p - bytes));
        pack_item x = {0};
        uint32_t index;
        for (unsigned i = 0; i < n; i++) {
            uint32_t at = x.end;
            assert_true(pack_at(pack, at, &x));
            assert_int_equal(x.at, at);
            assert_true(slice_eq(x.sub, sub_of(&all[i])) && slice_eq(x.value, value_of(&all[i])));
            assert_true(x.expire == all[i].expire);
            pack_item found;
            assert_true(pack_find(pack, sub_of(&all[i]), &found, &index));
            assert_int_equal(index, i);
            assert_int_equal(found.at, x.at);
            assert_int_equal(found.end, x.end);
        }
        assert_false(pack_at(pack, x.end, &x));
        assert_false(pack_find(pack, SLICE("\xff"), &x, &index));
    }
}

/* The first element of the worked example of src/types/README.md. */
static void the_bytes(void **state) {
    (void)state;
    char bytes[64];
    char *end = pack_write(bytes, SLICE("name"), SLICE("Ada"), 0);
    end = pack_write(end, SLICE("seen"), SLICE("1"), 1700000000000);
    assert_true(slice_eq(slice_of(bytes, (size_t)(end - bytes)),
                         SLICE("\x08name\x03"
                               "Ada\x09seen\x01"
                               "1\x00\x68\xe5\xcf\x8b\x01\x00\x00")));
    assert_readme_shows("src/types/README.md", bytes, (size_t)(end - bytes));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
