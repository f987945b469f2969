/* Tests of keydir_build: what it makes of entries in order is, page by page and node by node, what
 * putting them one by one makes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/bitcask/keydir_page.h"
#include "support/unit.h"

static keydir_shared shared;

/* Slots that are full, rare and absent. */
static uint16_t uneven_slot(slice key) {
    unsigned long i = strtoul(key.data + 4, NULL, 10);
    return (uint16_t)(i % 2 ? 777 : i % 16 == 0 ? i % SLOTS : 5000 + i % 3000);
}

/* Walks both together: pages and nodes of one form, with entries of the same bytes. */
static void assert_same(const keydir *a, arena_ref ra, const keydir *b, arena_ref rb) {
    const page *p = keydir_object(a, ra), *q = keydir_object(b, rb);
    assert_int_equal(p->kind, q->kind);
    assert_int_equal(p->depth, q->depth);
    if (p->kind == KIND_NODE) {
        const node *n = keydir_object(a, ra), *m = keydir_object(b, rb);
        assert_int_equal(n->bits, m->bits);
        for (unsigned i = 0; i < 1u << n->bits; i++) {
            assert_int_equal(!n->child[i], !m->child[i]);
            if (n->child[i] && (i == 0 || n->child[i] != n->child[i - 1]))
                assert_same(a, n->child[i], b, m->child[i]);
        }
        return;
    }
    assert_int_equal(p->count, q->count);
    assert_true(q->cap < q->count + PAGE_STEP); /* no more room than there must be */
    for (unsigned i = 0; i < p->count; i++) {
        kdent x, y;
        kdent_decode(keydir_object(a, slot_ref(p, i)), &x);
        kdent_decode(keydir_object(b, slot_ref(q, i)), &y);
        assert_int_equal(slot_tag(p, i), slot_tag(q, i));
        assert_true(slice_eq(x.key, y.key) && x.offset == y.offset && x.expire == y.expire);
    }
}

/* What was built goes on like any other: some keys go, and come again. */
static void change(keydir *k, uint64_t n, rng *r) {
    for (uint64_t i = 0; i < n; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "key:%llu", (unsigned long long)rng_below(r, 4 * n));
        kdent e = {.segment = 2, .offset = (uint32_t)i, .size = 140};
        arena_ref old;
        e.key = slice_of(text, (size_t)len);
        uint64_t token = keydir_token(&shared, e.key);
        if (rng_below(r, 3))
            old = keydir_remove(k, token, e.key);
        else
            keydir_put(k, token, &e, &old);
        if (old) keydir_free_entry(k, old);
    }
    keydir_check(k);
}

/* n keys, put at random; then another keydir, built from a walk over the first. */
static void compare(uint64_t n, uint64_t mask, bool cluster, rng *r) {
    shared = (keydir_shared){.arena = arena_new(1u << 30),
                             .hash = {rng_next(r), rng_next(r)},
                             .slot_of = cluster ? uneven_slot : NULL,
                             .token_mask = mask};
    keydir *one = keydir_new(&shared), *two = keydir_new(&shared);
    for (uint64_t i = 0; i < n; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "key:%llu", (unsigned long long)rng_below(r, 4 * n));
        kdent e = {.segment = 1, .offset = (uint32_t)i, .size = 140};
        arena_ref old;
        e.key = slice_of(text, (size_t)len);
        e.expire = rng_below(r, 3) ? 0 : 12345;
        keydir_put(one, keydir_token(&shared, e.key), &e, &old);
        if (old) keydir_free_entry(one, old);
    }
    keydir_build *b = keydir_build_new(two);
    keydir_iter it;
    uint64_t token;
    keydir_seek(one, 0, &it);
    for (arena_ref a; (a = keydir_next(&it, &token)) != ARENA_NONE;) {
        kdent e;
        const char *at = keydir_at(&shared, a);
        kdent_decode(at, &e);
        keydir_build_add(b, token, slice_of(at, kdent_bytes(&e)));
    }
    keydir_build_end(b);
    keydir_check(two);
    assert_int_equal(keydir_count(one), keydir_count(two));
    assert_int_equal(keydir_expires(one), keydir_expires(two));
    if (n) assert_same(one, one->root, two, two->root);
    change(two, n, r);
    keydir_free(one);
    keydir_free(two);
    arena_free(shared.arena);
}

/* No entry, one, the numbers around a page's limit, and many. */
static void test_sizes(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (uint64_t n = 0; n < 140; n++)
        compare(n, 0, false, &r);
    for (uint64_t n = 200; n < 60000; n = n * 3 + rng_below(&r, 50))
        compare(n, 0, false, &r);
    compare(120000, 0, false, &r);
}

/* Tokens that many keys share: pages of more than 64 entries, ordered by key; and whole ranges of
 * tokens that no key has. */
static void test_collisions(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    static const uint64_t masks[] = {1, 0x7, 0x7ull << 36, 0x4000000001, 0x7f00ff00ff};
    for (unsigned i = 0; i < sizeof masks / sizeof *masks; i++)
        for (uint64_t n = 1; n < 9000; n = n * 3 + rng_below(&r, 20))
            compare(n, masks[i], false, &r);
}

/* Slots come first in the order, so that pages of full ones lie deep. */
static void test_cluster(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (uint64_t n = 1; n < 60000; n = n * 5 + rng_below(&r, 20))
        compare(n, 0, true, &r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_collisions),
        cmocka_unit_test(test_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
