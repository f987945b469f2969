/* Keys and cells of the LSM engine: what is made is taken apart again, order is as promised, and
 * anything else is refused. README.md's example is the bytes that are made here. */
#include "engine/lsm/lsm_int.h"
#include "support/readme.h"
#include "support/unit.h"

#include "base/mem.h"

#define README "src/engine/lsm/README.md"

static uint16_t slot_of(slice key) {
    return key.len ? (uint16_t)((unsigned char)key.data[0] * 64) : 0;
}

/* As much of an engine as keys need. */
static lsm *engine_for_keys(bool cluster) {
    lsm *e = mem_zalloc(sizeof *e);
    e->hash = (hash_key){0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    e->cluster = cluster;
    e->slot_of = slot_of;
    return e;
}

static int cmp_key(lkey a, slice b) {
    return slice_cmp(a.bytes, b);
}

static slice random_bytes(rng *r, buf *b, size_t most) {
    buf_clear(b);
    for (uint64_t n = rng_below(r, most + 1); n > 0; n--)
        buf_append_char(b, (char)rng_next(r));
    return buf_slice(b);
}

/* Each kind, from its parts and to them; the filter's hash is that of the bytes. */
static void test_keys_there_and_back(void **state) {
    (void)state;
    rng r;
    buf b = {0}, user = {0};
    lkey_parts p;
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(4000); i++) {
        lsm *e = engine_for_keys(i % 2);
        uint32_t pdb = 1 + (uint32_t)rng_below(&r, i % 3 ? 5 : UINT32_MAX);
        uint64_t coll = 1 + rng_below(&r, UINT64_MAX);
        slice key = random_bytes(&r, &user, 40);
        lsm_hash h = lkey_hash(e, key);
        assert_true(lkey_token(h) == token_of(e->hash, i % 2 ? slot_of(key) : 0, key));
        lkey k = lkey_main(&b, pdb, h, key);
        assert_true(k.filter != 0 && k.filter == lkey_filter(e, k.bytes));
        assert_true(lkey_parse(k.bytes, &p));
        assert_true(p.pdb == pdb && p.kind == LKEY_MAIN && p.place == h.place && !p.drop);
        assert_true(slice_eq(p.key, key));
        uint64_t other = k.filter;
        k = lkey_val(&b, pdb, h, key);
        assert_true(k.filter == lkey_filter(e, k.bytes) && k.filter != other);
        assert_true(lkey_parse(k.bytes, &p) && p.kind == LKEY_VAL && slice_eq(p.key, key));
        unsigned map = (unsigned)rng_below(&r, ENGINE_MAPS);
        k = lkey_sub(&b, pdb, coll, map, key);
        assert_true(k.filter == 0 && lkey_filter(e, k.bytes) != 0);
        assert_true(lkey_parse(k.bytes, &p) && p.kind == LKEY_SUB && p.coll == coll);
        assert_true(p.map == map && !p.drop && slice_eq(p.key, key));
        k = lkey_drop(&b, pdb, coll);
        assert_true(k.filter == 0 && lkey_filter(e, k.bytes) == 0);
        assert_true(lkey_parse(k.bytes, &p) && p.drop && p.coll == coll && p.kind == LKEY_SUB);
        k = lkey_coll(&b, pdb, coll);
        assert_true(k.filter != 0 && k.filter == lkey_filter(e, k.bytes));
        assert_true(lkey_parse(k.bytes, &p) && p.kind == LKEY_COLL && p.coll == coll);
        int64_t when = 1 + (int64_t)rng_below(&r, INT64_MAX);
        k = lkey_due(&b, pdb, when, h);
        assert_true(k.filter == 0 && lkey_filter(e, k.bytes) == 0);
        assert_int_equal(k.bytes.len, LKEY_DUE_LEN);
        assert_true(lkey_parse(k.bytes, &p) && p.kind == LKEY_DUE && p.when == when);
        assert_true(p.place == h.place && p.rest == lkey_rest(h));
        if (!e->cluster) /* place and rest are all of the hash */
            assert_true((p.place << 14 | p.rest) == h.full);
        mem_free(e);
    }
    buf_free(&b);
    buf_free(&user);
}

/* A database's keys lie together, a kind's in it, a collection's in that; entries by token, drops
 * before what they drop, due pairs by time. */
static void test_order(void **state) {
    (void)state;
    rng r;
    buf a = {0}, b = {0}, user = {0};
    unit_seed(&r);
    lsm *e = engine_for_keys(false);
    for (int i = 0; i < unit_rounds(4000); i++) {
        lsm_hash h = lkey_hash(e, random_bytes(&r, &user, 20));
        slice key = buf_slice(&user);
        uint32_t pdb = 1 + (uint32_t)rng_below(&r, 1u << 31);
        uint64_t coll = 1 + rng_below(&r, 1ULL << 40), token = rng_below(&r, 1ULL << TOKEN_BITS);
        slice start = lkey_token_start(&b, pdb, token);
        assert_int_equal(cmp_key(lkey_main(&a, pdb, h, key), start) >= 0, lkey_token(h) >= token);
        slice drop = lkey_drop(&b, pdb, coll).bytes;
        assert_true(cmp_key(lkey_sub(&a, pdb, coll, 0, SLICE_EMPTY), drop) > 0);
        assert_true(cmp_key(lkey_sub(&a, pdb, coll - 1 ? coll - 1 : 1, 7, key), drop) < 0 ||
                    coll == 1);
        drop = lkey_drop(&b, pdb, coll + 1).bytes;
        assert_true(cmp_key(lkey_sub(&a, pdb, coll, 7, key), drop) < 0);
        int64_t when = 1 + (int64_t)rng_below(&r, 1u << 30);
        slice due = lkey_due(&b, pdb, when, h).bytes;
        h.place = rng_next(&r);
        assert_true(cmp_key(lkey_due(&a, pdb, when + 1, h), due) > 0);
        for (unsigned kind = LKEY_MAIN; kind <= LKEY_DUE; kind++) {
            slice kinds = lkey_kind_start(&b, pdb, kind);
            assert_int_equal(cmp_key(lkey_main(&a, pdb, h, key), kinds) > 0, kind == LKEY_MAIN);
            assert_true(cmp_key(lkey_due(&a, pdb, when, h), kinds) > 0);
            assert_true(cmp_key(lkey_due(&a, pdb, when, h), kinds) > 0);
            assert_true(cmp_key(lkey_main(&a, pdb + 1, h, key), kinds) > 0);
        }
        slice end = lkey_kind_start(&b, pdb, LKEY_DUE + 1);
        assert_true(cmp_key(lkey_due(&a, pdb, INT64_MAX, h), end) < 0);
        assert_true(cmp_key(lkey_main(&a, pdb + 1, h, key), end) > 0);
    }
    mem_free(e);
    buf_free(&a);
    buf_free(&b);
    buf_free(&user);
}

/* What this engine would not have made is refused. */
static void test_malformed_keys(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"", 0},
        {"\0\0\0\1", 4},                                          /* no kind */
        {"\0\0\0\1\1", 5},                                        /* no place */
        {"\0\0\0\1\1\0\0\0\0\0\0\0", 12},                         /* a short one */
        {"\0\0\0\1\0\0\0\0\0\0\0\0\0k", 14},                      /* kind 0 */
        {"\0\0\0\1\6\0\0\0\0\0\0\0\0k", 14},                      /* kind 6 */
        {"\0\0\0\1\3\0\0\0\0\0\0\0\0\1k", 15},                    /* collection 0 */
        {"\0\0\0\1\3\0\0\0\0\0\0\0\0", 13},                       /* its drop */
        {"\0\0\0\1\3\0\0\0\0\0\0\0\5\10k", 15},                   /* map 8 */
        {"\0\0\0\1\4\0\0\0\0\0\0\0\0", 13},                       /* counts of 0 */
        {"\0\0\0\1\4\0\0\0\0\0\0\0\1x", 14},                      /* and more */
        {"\0\0\0\1\5\0\0\0\0\0\0\0\0\1\1\1\1\1\1\1\1\1\1", 23},   /* time 0 */
        {"\0\0\0\1\5\377\0\0\0\0\0\0\0\1\1\1\1\1\1\1\1\1\1", 23}, /* before the epoch */
        {"\0\0\0\1\5\0\0\0\0\0\0\0\1\1\1\1\1\1\1\1\1\1", 22},     /* short */
        {"\0\0\0\1\5\0\0\0\0\0\0\0\1\1\1\1\1\1\1\1\1\1\1x", 24},  /* long */
        {"\0\0\0\1\5\0\0\0\0\0\0\0\1\1\1\1\1\1\1\1\1\100\1", 23}, /* 15 bits of rest */
    };
    lkey_parts p;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(lkey_parse(slice_of(bad[i].bytes, bad[i].len), &p));
    char *big = mem_zalloc(ENGINE_KEY_MAX + 14);
    big[3] = big[4] = 1;
    assert_true(lkey_parse(slice_of(big, ENGINE_KEY_MAX + 13), &p));
    assert_false(lkey_parse(slice_of(big, ENGINE_KEY_MAX + 14), &p));
    big[4] = LKEY_SUB;
    big[12] = 1;
    assert_true(lkey_parse(slice_of(big, ENGINE_SUBKEY_MAX + 14), &p));
    assert_false(lkey_parse(slice_of(big, ENGINE_SUBKEY_MAX + 15), &p));
    mem_free(big);
}

/* Every field of an entry, there and back; and the access state where it says. */
static void test_main_cells(void **state) {
    (void)state;
    rng r;
    buf b = {0}, value = {0};
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(4000); i++) {
        main_cell c = {.type = (uint8_t)rng_below(&r, 16),
                       .hint = (uint8_t)rng_below(&r, 16),
                       .access = (uint32_t)rng_below(&r, 1u << 24),
                       .expire = rng_below(&r, 2) ? 0 : 1 + (int64_t)rng_below(&r, INT64_MAX),
                       .coll = rng_below(&r, 2) ? 0 : 1 + rng_below(&r, UINT64_MAX),
                       .apart = rng_below(&r, 2)},
                  d;
        if (c.apart) {
            c.value_len = rng_below(&r, ENGINE_VALUE_MAX + 1);
        } else {
            c.value = random_bytes(&r, &value, 200);
            c.value_len = c.value.len;
        }
        buf_clear(&b);
        buf_append_slice(&b, SLICE("before"));
        cell_put_main(&b, &c);
        slice cell = slice_skip(buf_slice(&b), 6);
        assert_true(cell_get_main(cell, &d));
        assert_true(d.type == c.type && d.hint == c.hint && d.access == c.access);
        assert_true(d.expire == c.expire && d.coll == c.coll && d.apart == c.apart);
        assert_true(d.value_len == c.value_len && slice_eq(d.value, c.value));
        uint32_t access = (uint32_t)rng_below(&r, 1u << 24);
        cell_set_access(b.data + 6 + CELL_ACCESS, access);
        assert_true(cell_get_main(cell, &d) && d.access == access && d.expire == c.expire);
        if (c.apart) { /* nothing may be missing or left over */
            assert_false(cell_get_main(slice_of(cell.data, cell.len - 1), &d));
            buf_append_char(&b, 0);
            assert_false(cell_get_main(slice_skip(buf_slice(&b), 6), &d));
        }
        size_t head = 6 + (c.expire ? 8 : 0) + (c.coll ? 1 : 0);
        for (size_t n = 0; n < head; n++)
            assert_false(cell_get_main(slice_of(cell.data, n), &d));
        b.data[6 + 2] |= 8; /* a flag that nobody knows */
        assert_false(cell_get_main(slice_skip(buf_slice(&b), 6), &d));
        b.data[6 + 2] &= 7;
        b.data[6] = CELL_TOMBSTONE;
        assert_false(cell_get_main(slice_skip(buf_slice(&b), 6), &d));
    }
    buf_free(&b);
    buf_free(&value);
}

/* Elements, values and counts likewise. */
static void test_other_cells(void **state) {
    (void)state;
    buf b = {0};
    int64_t expire;
    slice value;
    uint64_t counts[ENGINE_MAPS] = {1, 0, UINT64_MAX, 300, 0, 0, 0, 7}, back[ENGINE_MAPS];
    cell_put_sub(&b, 1234567890123, SLICE("one"));
    assert_true(cell_get_sub(buf_slice(&b), &expire, &value));
    assert_true(expire == 1234567890123 && slice_eq(value, SLICE("one")));
    for (size_t n = 0; n < 10; n++)
        assert_false(cell_get_sub(slice_of(b.data, n), &expire, &value));
    b.data[1] |= 2;
    assert_false(cell_get_sub(buf_slice(&b), &expire, &value));
    buf_clear(&b);
    cell_put_sub(&b, 0, SLICE_EMPTY);
    assert_true(cell_get_sub(buf_slice(&b), &expire, &value) && expire == 0 && value.len == 0);
    buf_clear(&b);
    cell_put_val(&b, SLICE("long"));
    assert_true(cell_get_val(buf_slice(&b), &value) && slice_eq(value, SLICE("long")));
    assert_false(cell_get_val(SLICE_EMPTY, &value));
    assert_false(cell_get_val(SLICE("\0x"), &value));
    buf_clear(&b);
    cell_put_counts(&b, counts);
    assert_true(cell_get_counts(buf_slice(&b), back));
    assert_memory_equal(counts, back, sizeof back);
    for (size_t n = 0; n < b.len; n++)
        assert_false(cell_get_counts(slice_of(b.data, n), back));
    buf_append_char(&b, 0);
    assert_false(cell_get_counts(buf_slice(&b), back));
    buf_clear(&b);
    cell_put_tag(&b, CELL_DROP);
    assert_true(b.len == 1 && b.data[0] == CELL_DROP);
    buf_free(&b);
}

/* The example of README.md, byte by byte. */
static void test_readme(void **state) {
    (void)state;
    lsm *e = engine_for_keys(false);
    buf b = {0}, c = {0};
    lsm_hash h = lkey_hash(e, SLICE("name"));
    main_cell m = {.type = 1,
                   .hint = 0,
                   .access = 0x030201,
                   .expire = 1700000000000,
                   .value_len = 3,
                   .value = SLICE("Ada")};
    slice key = lkey_main(&b, 2, h, SLICE("name")).bytes;
    assert_readme_shows(README, key.data, key.len);
    cell_put_main(&c, &m);
    assert_readme_shows(README, c.data, c.len);
    key = lkey_due(&b, 2, m.expire, h).bytes;
    assert_readme_shows(README, key.data, key.len);
    key = lkey_sub(&b, 2, 300, 1, SLICE("f1")).bytes;
    assert_readme_shows(README, key.data, key.len);
    buf_clear(&c);
    cell_put_sub(&c, 0, SLICE("v"));
    assert_readme_shows(README, c.data, c.len);
    key = lkey_coll(&b, 2, 300).bytes;
    assert_readme_shows(README, key.data, key.len);
    uint64_t counts[ENGINE_MAPS] = {0, 1};
    buf_clear(&c);
    cell_put_counts(&c, counts);
    assert_readme_shows(README, c.data, c.len);
    key = lkey_drop(&b, 2, 300).bytes;
    assert_readme_shows(README, key.data, key.len);
    mem_free(e);
    buf_free(&b);
    buf_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_there_and_back), cmocka_unit_test(test_order),
        cmocka_unit_test(test_malformed_keys),      cmocka_unit_test(test_main_cells),
        cmocka_unit_test(test_other_cells),         cmocka_unit_test(test_readme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
