/* Tests of what a keydir is like inside: its bytes as README.md draws them, its memory a key, that
 * its shape follows from the keys alone, that it shrinks, and that picks at random are fair. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/bitcask/keydir_page.h"
#include "support/readme.h"
#include "support/unit.h"

static keydir_shared shared;

static keydir *begin(void) {
    shared = (keydir_shared){.arena = arena_new(1u << 30),
                             .hash = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};
    return keydir_new(&shared);
}

static void end(keydir *k) {
    keydir_check(k);
    keydir_free(k);
    arena_free(shared.arena);
}

/* What a keydir is made of. */
typedef struct shape {
    uint64_t pages, page_bytes, page_slots; /* slots: room in all pages */
    uint64_t nodes, node_bytes;
    uint64_t entry_bytes; /* of entries that the keydir holds, rounding included */
    unsigned depth;       /* nodes from the root to the deepest page */
} shape;

/* Adds what is below r. */
static void add_stats(const keydir *k, arena_ref r, unsigned level, shape *out) {
    const head *h = keydir_object(k, r);
    if (h->kind == KIND_PAGE) {
        const page *p = keydir_object(k, r);
        out->pages++;
        out->page_bytes += arena_size(k->shared->arena, r);
        out->page_slots += p->cap;
        if (level > out->depth) out->depth = level;
        for (unsigned i = 0; i < p->count; i++)
            out->entry_bytes += arena_size(k->shared->arena, slot_ref(p, i));
        return;
    }
    const node *n = keydir_object(k, r);
    out->nodes++;
    out->node_bytes += arena_size(k->shared->arena, r);
    for (unsigned i = 0; i < 1u << n->bits; i++)
        if (n->child[i] && (i == 0 || n->child[i] != n->child[i - 1]))
            add_stats(k, n->child[i], level + 1, out);
}

/* Walks everything. */
static void stats_of(const keydir *k, shape *out) {
    *out = (shape){0};
    if (k->root) add_stats(k, k->root, 0, out);
}

/* A key of 16 bytes. */
static slice numbered(uint64_t i) {
    static char text[32];
    snprintf(text, sizeof text, "key:%012llu", (unsigned long long)i);
    return slice_of(text, 16);
}

static void put(keydir *k, slice key) {
    kdent e = {.segment = 1, .offset = 99, .size = 140, .key = key};
    arena_ref old;
    keydir_put(k, keydir_token(&shared, key), &e, &old);
    if (old) keydir_free_entry(k, old);
}

static void del(keydir *k, slice key) {
    arena_ref old = keydir_remove(k, keydir_token(&shared, key), key);
    assert_int_not_equal(old, ARENA_NONE);
    keydir_free_entry(k, old);
}

/* ---- the bytes --------------------------------------------------------------------------------
 */

#define README "src/engine/bitcask/README.md"

/* The worked example of README.md: three keys, their entries and their page. */
static void test_example(void **state) {
    (void)state;
    static const unsigned char name[] = {0x03, 0x00, 0x80, 0x10, 0x00, 0x00, 0xef, 0xcd, 0xab, 0x10,
                                         0x00, 0x0e, 'u',  's',  'e',  'r',  ':',  '1',  '0',  '0',
                                         '0',  ':',  'n',  'a',  'm',  'e',  0xad, 0x01};
    static const unsigned char jobs[] = {0x04, 0x00, 0x40, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00,
                                         0x02, 0x85, 0x04, 'j',  'o',  'b',  's',  0x2c, 0x00,
                                         0x68, 0xe5, 0xcf, 0x8b, 0x01, 0xac, 0x02};
    static const unsigned char hits[] = {0x03, 0x00, 0x00, 0x20, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00,
                                         0x08, 0x04, 'h',  'i',  't',  's',  0x1e, 0x02, '4',  '2'};
    kdent e;
    kdent_decode((const char *)name, &e);
    assert_true(slice_eq(e.key, SLICE("user:1000:name")));
    assert_true(e.segment == 3 && e.offset == 0x1080 && e.access == 0xabcdef && e.size == 173);
    assert_true(e.type == 0 && e.hint == 1 && !e.own && !e.expire && !e.coll && !e.has_value);
    kdent_decode((const char *)jobs, &e);
    assert_true(slice_eq(e.key, SLICE("jobs")) && e.expire == 1700000000000 && e.coll == 300);
    assert_true(e.segment == 4 && e.offset == 64 && e.access == 5 && e.size == 44);
    assert_true(e.type == 2 && e.hint == 0 && e.own == 8 && !e.has_value);
    kdent_decode((const char *)hits, &e);
    assert_true(slice_eq(e.key, SLICE("hits")) && e.has_value && slice_eq(e.value, SLICE("42")));
    /* And back, in a keydir. */
    static const struct {
        const unsigned char *bytes;
        size_t n;
    } all[] = {{name, sizeof name}, {jobs, sizeof jobs}, {hits, sizeof hits}};
    keydir *k = begin();
    for (int i = 0; i < 3; i++) {
        arena_ref old, r;
        kdent_decode((const char *)all[i].bytes, &e);
        r = keydir_put(k, keydir_token(&shared, e.key), &e, &old);
        assert_int_equal(kdent_bytes(&e), all[i].n);
        assert_memory_equal(keydir_at(&shared, r), all[i].bytes, all[i].n);
        assert_readme_shows(README, all[i].bytes, all[i].n);
    }
    const page *p = keydir_object(k, k->root);
    assert_int_equal(p->count, 3);
    assert_int_equal(slot_tag(p, 0), 0xcc03);
    assert_true(slice_eq(kdent_key(keydir_object(k, slot_ref(p, 0))), SLICE("hits")));
    assert_true(slice_eq(kdent_key(keydir_object(k, slot_ref(p, 2))), SLICE("user:1000:name")));
    assert_readme_shows(README, p, sizeof *p + (size_t)p->count * SLOT_SIZE);
    end(k);
}

/* The place of an entry changes where it is as long as the bytes of the old size do for the new. */
static void test_set_place(void **state) {
    (void)state;
    char p[64];
    kdent e = {.segment = 1, .offset = 2, .size = 200, .key = SLICE("k"), .expire = 5};
    kdent_encode(p, &e);
    assert_false(kdent_set_place(p, 9, 9, 1 << 14));
    kdent_decode(p, &e);
    assert_true(e.segment == 1 && e.offset == 2 && e.size == 200 && e.expire == 5);
    assert_true(kdent_set_place(p, 65535, UINT32_MAX, 3));
    kdent_decode(p, &e);
    assert_true(e.segment == 65535 && e.offset == UINT32_MAX && e.size == 3 && e.expire == 5);
    assert_true(kdent_set_place(p, 7, 8, (1 << 14) - 1));
    kdent_decode(p, &e);
    assert_true(e.segment == 7 && e.offset == 8 && e.size == (1 << 14) - 1 && e.expire == 5);
}

/* ---- memory -----------------------------------------------------------------------------------
 */

/* 24 bytes a key beyond the key, all included, at every number of keys and not just at good ones;
 * what is not in use is what chunks have not yet handed out. */
static void test_memory(void **state) {
    (void)state;
    keydir *k = begin();
    uint64_t n = 400000;
    for (uint64_t i = 1; i <= n; i++) {
        put(k, numbered(i));
        if (i < 50000 || i % 25000 != 0) continue;
        double used = (double)keydir_bytes(k) / (double)i - 16;
        double all = (double)arena_bytes(shared.arena) / (double)i - 16;
        if (used > 22.8 || all > 24) fail_msg("%.2f, %.2f bytes a key beyond the key", used, all);
    }
    shape s;
    stats_of(k, &s);
    print_message("%llu keys: pages %.2f, nodes %.2f, entries %.2f, all %.2f bytes each\n",
                  (unsigned long long)n, (double)s.page_bytes / (double)n,
                  (double)s.node_bytes / (double)n, (double)s.entry_bytes / (double)n,
                  (double)arena_bytes(shared.arena) / (double)n);
    assert_int_equal(s.page_bytes + s.node_bytes + s.entry_bytes, keydir_bytes(k));
    assert_int_equal(s.depth, 2);
    end(k);
}

/* Pages and nodes shrink as keys go, to nothing. */
static void test_shrinking(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    keydir *k = begin();
    uint64_t n = 100000;
    for (uint64_t i = 0; i < n; i++)
        put(k, numbered(i));
    uint64_t step = 77773, at = 0; /* no common factor with n: a walk over all in no order */
    for (uint64_t left = n; left-- > 0; at = (at + step) % n) {
        del(k, numbered(at));
        if (left != 50000 && left != 5000 && left != 500) continue;
        keydir_check(k);
        shape s;
        stats_of(k, &s);
        if ((double)(s.page_bytes + s.node_bytes) > 16 * (double)left)
            fail_msg("%llu keys in %llu bytes of pages and %llu of nodes", (unsigned long long)left,
                     (unsigned long long)s.page_bytes, (unsigned long long)s.node_bytes);
    }
    assert_int_equal(keydir_bytes(k), 0);
    assert_int_equal(k->root, ARENA_NONE);
    put(k, SLICE("again"));
    end(k);
}

/* In whatever order keys come, the pages are the same: what recovery builds is what was there. */
static void test_order_does_not_matter(void **state) {
    (void)state;
    enum { N = 30000 };
    keydir *k = begin();
    for (uint64_t i = 0; i < N; i++)
        put(k, numbered(i));
    shape first, second;
    stats_of(k, &first);
    keydir *sorted = keydir_new(&shared);
    keydir_iter it;
    keydir_seek(k, 0, &it);
    for (arena_ref r; (r = keydir_next(&it, NULL)) != ARENA_NONE;)
        put(sorted, kdent_key(keydir_at(&shared, r)));
    stats_of(sorted, &second);
    assert_int_equal(keydir_count(sorted), N);
    assert_int_equal(first.pages, second.pages);
    assert_int_equal(first.nodes, second.nodes);
    assert_int_equal(first.node_bytes, second.node_bytes);
    keydir_check(sorted);
    keydir_free(sorted);
    end(k);
}

/* Dropping a keydir in slices leaves its neighbour alone, entries that only a reference holds go
 * too. */
static void test_free_some(void **state) {
    (void)state;
    uint64_t before = mem_used();
    keydir *k = begin();
    keydir *other = keydir_new(&shared);
    for (uint64_t i = 0; i < 50000; i++) {
        put(k, numbered(i));
        if (i % 10 == 0) put(other, numbered(i));
    }
    slice key = numbered(77);
    assert_int_not_equal(keydir_remove(k, keydir_token(&shared, key), key), ARENA_NONE);
    int calls = 1;
    while (!keydir_free_some(k, 2))
        calls++;
    assert_true(calls > 10 && calls < 100);
    for (uint64_t i = 0; i < 50000; i += 10)
        assert_true(keydir_find(other, keydir_token(&shared, numbered(i)), numbered(i)));
    end(other);
    assert_int_equal(mem_used(), before);
}

/* ---- at random --------------------------------------------------------------------------------
 */

/* One slot with most keys, some with a few, a range of slots evenly filled. */
static uint16_t uneven_slot(slice key) {
    unsigned long i = strtoul(key.data + 4, NULL, 10);
    return (uint16_t)(i % 2 ? 777 : i % 16 == 0 ? i : 5000 + i % 3000);
}

/* How often each of n keys is picked, against n x 200 picks; returns the sum of chi squares. */
static double picks(keydir *k, unsigned n, rng *r) {
    unsigned *seen = calloc(n, sizeof *seen);
    for (unsigned i = 0; i < n * 200; i++) {
        slice key = kdent_key(keydir_at(&shared, keydir_random(k, r)));
        seen[strtoul(key.data + 4, NULL, 10)]++;
    }
    double chi = 0;
    for (unsigned i = 0; i < n; i++)
        chi += ((double)seen[i] - 200) * ((double)seen[i] - 200) / 200;
    free(seen);
    return chi;
}

/* With evenly spread tokens every key comes as often as any other. */
static void test_random(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (unsigned n = 1; n < 3000; n = n * 3 + 1) {
        keydir *k = begin();
        for (unsigned i = 0; i < n; i++)
            put(k, numbered(i));
        double chi = picks(k, n, &r); /* as many as there are keys, give or take a few roots */
        if (chi > n + 7 * __builtin_sqrt(2.0 * n) + 20)
            fail_msg("%u keys: chi square %.0f", n, chi);
        end(k);
    }
}

/* In cluster mode too, however unevenly the slots are filled. */
static void test_random_cluster(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    keydir *k = begin();
    keydir_free(k);
    shared.slot_of = uneven_slot;
    k = keydir_new(&shared);
    unsigned n = 4000;
    for (unsigned i = 0; i < n; i++)
        put(k, numbered(i));
    assert_int_equal(keydir_slot_count(k, 777), n / 2);
    assert_int_equal(keydir_slot_count(k, 16), 1);
    assert_int_equal(keydir_slot_count(k, 17), 0);
    double chi = picks(k, n, &r);
    if (chi > n + 7 * __builtin_sqrt(2.0 * n)) fail_msg("chi square %.0f", chi);
    end(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_set_place),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_shrinking),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_free_some),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_random_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
