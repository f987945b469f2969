/* Tests of the value cache: what it returns against what was put in, its limit, and that it evicts
 * as SIEVE does, by comparison with a plain SIEVE over a list. */
#include "storage/cache.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "support/readme.h"
#include "support/unit.h"

#define MIB (1u << 20)

/* Fills p with what the value of pos must be. */
static void make_value(uint64_t pos, char *p, size_t len) {
    uint64_t x = pos * 0x9e3779b97f4a7c15u + len;
    for (size_t i = 0; i < len; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        p[i] = (char)(x >> 56);
    }
}

static void assert_value(uint64_t pos, slice v) {
    char want[4096];
    size_t n = v.len < sizeof want ? v.len : sizeof want;
    uint64_t x = pos * 0x9e3779b97f4a7c15u + v.len;
    for (size_t i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        want[i] = (char)(x >> 56);
    }
    if (n && memcmp(want, v.data, n) != 0) fail_msg("wrong bytes for position %#lx", (long)pos);
}

static void put(cache *c, uint64_t pos, size_t len) {
    char *p = mem_alloc(len + 1);
    make_value(pos, p, len);
    cache_put(c, pos, slice_of(p, len));
    mem_free(p);
}

static cache_stats stats(const cache *c) {
    cache_stats s;
    cache_stats_of(c, &s);
    return s;
}

/* ---- the model --------------------------------------------------------------------------------
 */

#define PLACES 30000

/* A place's present position and length; 0 if it was dropped. */
typedef struct place {
    uint64_t pos;
    uint32_t len;
    cache_hint hint;
} place;

static size_t random_len(rng *r) {
    uint64_t kind = rng_below(r, 1000);
    if (kind < 800) return rng_below(r, 200);
    if (kind < 990) return rng_below(r, 3000);
    return rng_below(r, 20000);
}

/* Asks for a place's value; puts it in if it is not there. */
static void use(cache *c, place *p, uint64_t *next, rng *r) {
    slice v;
    bool hinted = rng_below(r, 2);
    if (p->pos && (hinted ? cache_get_hinted(c, p->pos, &p->hint, &v) : cache_get(c, p->pos, &v))) {
        assert_int_equal(v.len, p->len);
        assert_value(p->pos, v);
        return;
    }
    if (!p->pos || rng_below(r, 4) == 0) { /* a new record of this key */
        p->pos = (*next += 1 + rng_below(r, 5000));
        p->len = (uint32_t)random_len(r);
    }
    if (rng_below(r, 2)) {
        put(c, p->pos, p->len);
    } else {
        char *to = cache_reserve(c, p->pos, p->len, (unsigned)(p->pos % 16));
        if (to && rng_below(r, 50) == 0)
            cache_drop(c, p->pos);
        else if (to)
            make_value(p->pos, to, p->len);
    }
}

static void change_limit(cache *c, rng *r) {
    static const uint64_t limits[] = {0, 300000, 600000, 1 * MIB, 3 * MIB, 8 * MIB, 40 * MIB};
    uint64_t limit = limits[rng_below(r, 7)];
    cache_set_limit(c, limit);
    int calls = 0;
    while (cache_trim(c))
        assert_true(++calls < 2000);
    cache_check(c);
    assert_true(stats(c).bytes <= (limit > 600000 ? limit : 600000));
}

static void test_model(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    uint64_t before = mem_used();
    cache *c = cache_new(4 * MIB);
    place *places = mem_zalloc(PLACES * sizeof *places);
    uint64_t next = (uint64_t)7 << 32;
    int rounds = unit_rounds(400000);
    for (int i = 0; i < rounds; i++) {
        uint64_t n = rng_below(&r, 3) ? rng_below(&r, PLACES / 20) : rng_below(&r, PLACES);
        place *p = &places[n];
        uint64_t what = rng_below(&r, 100);
        if (what < 94) {
            use(c, p, &next, &r);
        } else if (what < 97 && p->pos) {
            slice v;
            bool had = cache_get(c, p->pos, &v);
            assert_true(cache_get_hinted(c, p->pos, &p->hint, &v) == had);
            cache_drop(c, p->pos);
            cache_hint_prefetch(c, &p->hint, 100);
            assert_false(cache_get_hinted(c, p->pos, &p->hint, &v));
            p->pos = 0;
        } else if (p->pos) {
            slice v;
            uint64_t to = (next += 64);
            char *copy = mem_alloc(p->len + 1);
            bool had = cache_get(c, p->pos, &v);
            if (had && v.len) memcpy(copy, v.data, v.len);
            cache_move(c, p->pos, to);
            assert_true(cache_get(c, to, &v) == had);
            if (had && v.len) assert_memory_equal(copy, v.data, v.len);
            assert_false(cache_get(c, p->pos, &v));
            mem_free(copy);
            p->pos = 0;
            cache_drop(c, to);
        }
        if (i % 20011 == 0) cache_check(c);
        if (i % 60013 == 0) change_limit(c, &r);
        if (stats(c).limit >= MIB) assert_true(stats(c).bytes <= stats(c).limit + 64 * 1024);
    }
    cache_check(c);
    cache_free(c);
    mem_free(places);
    assert_int_equal(mem_used(), before);
}

/* ---- eviction ---------------------------------------------------------------------------------
 */

/* SIEVE as its paper has it, over equal values: a list by age and a hand. */
typedef struct sieve {
    int *older, *newer; /* by key; -1 ends */
    bool *in, *read;
    int oldest, newest, hand, count, limit;
} sieve;

static void sieve_evict(sieve *s) {
    int at = s->hand >= 0 ? s->hand : s->oldest;
    while (s->read[at]) {
        s->read[at] = false;
        at = s->newer[at] >= 0 ? s->newer[at] : s->oldest;
    }
    s->hand = s->newer[at];
    if (s->older[at] >= 0)
        s->newer[s->older[at]] = s->newer[at];
    else
        s->oldest = s->newer[at];
    if (s->newer[at] >= 0)
        s->older[s->newer[at]] = s->older[at];
    else
        s->newest = s->older[at];
    s->in[at] = false;
    s->count--;
}

/* True if the key was in. */
static bool sieve_use(sieve *s, int key) {
    if (s->in[key]) {
        s->read[key] = true;
        return true;
    }
    if (s->count == s->limit) sieve_evict(s);
    s->in[key] = true;
    s->read[key] = false;
    s->older[key] = s->newest;
    s->newer[key] = -1;
    if (s->newest >= 0)
        s->newer[s->newest] = key;
    else
        s->oldest = key;
    s->newest = key;
    s->count++;
    return false;
}

/* A key out of n, the small ones much more often. */
static int skewed(rng *r, int n) {
    double u = (double)(rng_next(r) >> 11) / 9007199254740992.0;
    return (int)((double)n * u * u * u * u);
}

/* The same uses with the same number of values held: as many hits, within a little. */
static void test_sieve(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    enum { KEYS = 100000, LEN = 100 };
    cache *c = cache_new(4 * MIB);
    /* The plain one may hold what this one holds when it is full of values that came once. */
    for (int i = 0; i < KEYS; i++)
        put(c, (uint64_t)(i + KEYS) << 8, LEN);
    sieve s = {.oldest = -1, .newest = -1, .hand = -1, .limit = (int)stats(c).items};
    s.older = mem_alloc(KEYS * sizeof(int));
    s.newer = mem_alloc(KEYS * sizeof(int));
    s.in = mem_zalloc(KEYS);
    s.read = mem_zalloc(KEYS);
    assert_in_range(s.limit, 25000, 36000);
    uint64_t hits = 0, plain = 0, uses = (uint64_t)unit_rounds(1000000);
    for (uint64_t i = 0; i < uses; i++) {
        int key = skewed(&r, KEYS);
        slice v;
        bool hit = cache_get(c, (uint64_t)(key + 1) << 8, &v);
        if (!hit) put(c, (uint64_t)(key + 1) << 8, LEN);
        bool plain_hit = sieve_use(&s, key);
        if (i < uses / 5) continue; /* both full, and what filled it at first gone */
        hits += hit;
        plain += plain_hit;
    }
    uses -= uses / 5;
    print_message("hits %.2f %%, of a plain SIEVE of the same size %.2f %%\n",
                  (double)hits * 100 / (double)uses, (double)plain * 100 / (double)uses);
    assert_true(hits > plain - uses / 50 && hits < plain + uses / 50);
    cache_check(c);
    mem_free(s.older);
    mem_free(s.newer);
    mem_free(s.in);
    mem_free(s.read);
    cache_free(c);
}

/* Values that are read between two passes of the hand stay, however many others come by. */
static void test_scan_resistance(void **state) {
    (void)state;
    cache *c = cache_new(2 * MIB);
    enum { HOT = 2000, LEN = 120 };
    slice v;
    uint64_t pos = 1u << 20, missed = 0;
    for (int round = 0; round < 100; round++) {
        for (uint64_t i = 1; i <= HOT; i++) {
            if (cache_get(c, i << 4, &v)) continue;
            put(c, i << 4, LEN);
            if (round > 1) missed++;
        }
        for (int i = 0; i < 3000; i++)
            put(c, pos += 16, LEN);
    }
    cache_check(c);
    assert_true(missed < 40); /* of 196000: pushed out of a full bucket of the table */
    assert_true(stats(c).evictions > 200000);
    cache_free(c);
}

/* A limit that goes up and down does not cost the cache what it holds. */
static void test_limit_moves(void **state) {
    (void)state;
    cache *c = cache_new(28 * MIB);
    slice v;
    for (uint64_t i = 0; i < 2000; i++)
        put(c, (uint64_t)1 << 32 | i * 8, 4000);
    for (int round = 0; round < 3; round++) {
        cache_set_limit(c, 38 * MIB);
        cache_set_limit(c, 28 * MIB);
    }
    int left = 0;
    for (uint64_t i = 0; i < 2000; i++)
        left += cache_get(c, (uint64_t)1 << 32 | i * 8, &v);
    assert_true(left > 1990);
    cache_check(c);
    cache_free(c);
}

static bool file_is_even(void *ctx, uint64_t pos) {
    (*(int *)ctx)++;
    return (pos >> 32) % 2 == 0;
}

/* What nobody will ask for again goes before what is new, however often it was read. */
static void test_dead(void **state) {
    (void)state;
    cache *c = cache_new(4 * MIB);
    slice v;
    int asked = 0;
    cache_set_dead(c, file_is_even, &asked);
    for (uint64_t i = 0; i < 500; i++)
        for (uint64_t file = 1; file <= 2; file++) {
            put(c, file << 32 | i * 8, 2000);
            assert_true(cache_get(c, file << 32 | i * 8, &v));
        }
    for (uint64_t i = 0; i < 1200; i++)
        put(c, (uint64_t)3 << 32 | i * 8, 2000);
    int left[3] = {0};
    for (uint64_t i = 0; i < 500; i++)
        for (uint64_t file = 1; file <= 2; file++)
            left[file] += cache_get(c, file << 32 | i * 8, &v);
    assert_true(asked > 0);
    assert_true(left[1] > 480); /* but for full buckets */
    assert_true(left[2] < 250);
    cache_check(c);
    cache_free(c);
}

/* What has lives is read seldom, so seldom that nothing without them stays: and stays. */
static void test_lives(void **state) {
    (void)state;
    enum { FEW = 400, LEN = 1000, ROUNDS = 40 };
    uint64_t missed[2] = {0}, pos = 1u << 20;
    for (unsigned lives = 0; lives <= CACHE_LIVES_MAX; lives += CACHE_LIVES_MAX) {
        cache *c = cache_new(2 * MIB);
        slice v;
        for (int round = 0; round < ROUNDS; round++) {
            for (uint64_t i = 1; i <= FEW; i++) {
                if (cache_get(c, i << 4, &v)) {
                    assert_value(i << 4, v);
                    continue;
                }
                missed[lives > 0] += round > 0;
                char *to = cache_reserve(c, i << 4, LEN, lives);
                assert_non_null(to);
                make_value(i << 4, to, LEN);
            }
            for (int i = 0; i < 3000; i++) /* two to three passes of the hand */
                put(c, pos += 16, LEN);
        }
        cache_check(c);
        cache_free(c);
    }
    assert_true(missed[0] > FEW * (ROUNDS - 2));
    assert_true(missed[1] < FEW * ROUNDS / 20);
}

/* Everything is marked, always: what comes in must find room at a bounded cost all the same. */
static void test_all_marked(void **state) {
    (void)state;
    cache *c = cache_new(2 * MIB);
    slice v;
    for (uint64_t pos = 16; pos < 16 * 60000; pos += 16) {
        put(c, pos, 200);
        assert_true(cache_get(c, pos, &v));
        assert_value(pos, v);
    }
    cache_check(c);
    cache_stats s = stats(c);
    assert_true(s.items > 5000 && s.bytes <= 2 * MIB);
    cache_free(c);
}

/* ---- edges ------------------------------------------------------------------------------------
 */

static void test_lengths(void **state) {
    (void)state;
    cache *c = cache_new(64 * MIB);
    slice v;
    size_t max = cache_value_max(c);
    assert_in_range(max, 250000, 1 << 18);
    put(c, 10, 0);
    put(c, 20, max);
    put(c, 30, max + 1);
    assert_true(cache_get(c, 10, &v) && v.len == 0);
    assert_true(cache_get(c, 20, &v) && v.len == max);
    assert_value(20, v);
    assert_false(cache_get(c, 30, &v));
    assert_null(cache_reserve(c, 30, max + 1, 0));
    for (uint64_t i = 0; i < 2000; i++)
        put(c, 100 + i, max - i);
    cache_check(c);
    assert_true(stats(c).bytes <= 64 * MIB && stats(c).items > 200);
    cache_free(c);
}

/* An item as README.md draws it. */
static void test_example(void **state) {
    (void)state;
    static const unsigned char want[] = {0x30, 0, 0, 0,    2,   0,   0,   0,   /* position */
                                         5,    0, 0, 0x80, 'h', 'e', 'l', 'l', /* 5, read */
                                         'o',  0, 0, 0,    0,   0,   0,   0};
    cache *c = cache_new(MIB);
    slice v;
    cache_put(c, (uint64_t)2 << 32 | 48, SLICE("hello"));
    assert_true(cache_get(c, (uint64_t)2 << 32 | 48, &v));
    assert_memory_equal(v.data - 12, want, sizeof want);
    assert_readme_shows("src/storage/README.md", want, sizeof want);
    cache_free(c);
}

/* With too small a limit nothing is kept and nothing breaks. */
static void test_off(void **state) {
    (void)state;
    for (uint64_t limit = 0; limit < 500000; limit = limit * 2 + 1) {
        cache *c = cache_new(limit);
        slice v;
        put(c, 1, 10);
        assert_false(cache_get(c, 1, &v));
        assert_int_equal(cache_value_max(c), 0);
        assert_null(cache_reserve(c, 1, 0, 0));
        cache_drop(c, 1);
        cache_move(c, 1, 2);
        cache_check(c);
        assert_int_equal(stats(c).misses, 1);
        cache_free(c);
    }
}

/* A value that is put in may be a slice of the cache itself. */
static void test_value_of_its_own(void **state) {
    (void)state;
    cache *c = cache_new(1 * MIB);
    char first[300];
    slice v;
    make_value(1, first, sizeof first);
    cache_put(c, 1, slice_of(first, sizeof first));
    for (uint64_t pos = 1; pos < 30000; pos++) {
        assert_true(cache_get(c, pos, &v));
        cache_put(c, pos + 1, v);
    }
    assert_true(cache_get(c, 30000, &v));
    assert_memory_equal(v.data, first, sizeof first);
    cache_free(c);
}

/* Positions that differ in the file number alone, or the offset alone, in steady strides. */
static void test_positions(void **state) {
    (void)state;
    cache *c = cache_new(32 * MIB);
    slice v;
    for (uint64_t file = 1; file <= 100; file++)
        for (uint64_t i = 0; i < 1000; i++)
            put(c, file << 32 | i * 128, 64);
    cache_stats s = stats(c);
    print_message("100000 values of 64 bytes: %.1f bytes each beside the value\n",
                  (double)(s.bytes - s.value_bytes) / (double)s.items);
    assert_true(s.evictions < 1500); /* full buckets while the table grew */
    uint64_t found = 0;
    for (uint64_t file = 1; file <= 100; file++)
        for (uint64_t i = 0; i < 1000; i++)
            found += cache_get(c, file << 32 | i * 128, &v);
    assert_int_equal(found, s.items);
    assert_int_equal(stats(c).hits, found);
    cache_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_sieve),
        cmocka_unit_test(test_scan_resistance),
        cmocka_unit_test(test_limit_moves),
        cmocka_unit_test(test_dead),
        cmocka_unit_test(test_lives),
        cmocka_unit_test(test_all_marked),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_value_of_its_own),
        cmocka_unit_test(test_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
