/* cache_pages: values are what they were while a worker moves them and after it, whatever comes in,
 * is read, moved and evicted meanwhile; nothing that the worker has is unmapped; each full segment
 * is given once. Over the real worker. */
#include "engine/cache_pages.h"

#include "base/mem.h"
#include "support/unit.h"

#include <string.h>

#define MIB     ((uint64_t)1 << 20)
#define LIMIT   (72 * MIB) /* segments of MEM_LARGE from 64 on */
#define VALUE   3000
#define NUMBERS 40000 /* that values have in turn: some twice what the cache can hold */

static aio *worker_new(void) {
    aio *a;
    assert_true(status_ok(aio_threads_new(&a)));
    return a;
}

/* The value of a number: its own bytes all along. */
static slice value_of(uint64_t n) {
    static char bytes[VALUE];
    for (size_t i = 0; i + 8 <= VALUE; i += 8)
        memcpy(bytes + i, &n, 8);
    return slice_of(bytes, VALUE);
}

static uint64_t mapped(const cache *c) {
    cache_stats s;
    cache_stats_of(c, &s);
    return s.bytes;
}

/* Puts the value in, or looks whether it is the right one. */
static void use(cache *c, uint64_t n) {
    slice v;
    if (cache_get(c, n << 4, &v))
        assert_true(slice_eq(v, value_of(n)));
    else
        cache_put(c, n << 4, value_of(n));
}

static void fill(cache *c, uint64_t from, uint64_t to) {
    for (uint64_t n = from; n < to; n++)
        use(c, n);
}

/* A few crons: the worker takes some at a time. */
static void enlarge_all(cache_pages *p, cache *c, aio *a) {
    for (int i = 0; i < 20; i++) {
        cache_pages_cron(p, c, a);
        a->ops->drain(a);
        assert_int_equal(p->n, 0);
    }
}

/* What is full lies on large pages once, and no more is asked for until more has come. */
static void test_each_once(void **state) {
    (void)state;
    aio *a = worker_new();
    cache *c = cache_new(LIMIT);
    cache_pages p = {0};
    cache_pages_cron(&p, c, a);
    assert_int_equal(p.n, 0);
    fill(c, 1, 10000); /* 30 MB */
    enlarge_all(&p, c, a);
    if (!p.refused) assert_in_range(p.enlarged, 24 * MIB, 30 * MIB);
    uint64_t before = p.enlarged;
    enlarge_all(&p, c, a);
    assert_int_equal(p.enlarged, before);
    fill(c, 1, 10000);
    fill(c, 10000, 100000); /* the memory that there is, several times */
    enlarge_all(&p, c, a);
    if (!p.refused) assert_in_range(p.enlarged, 60 * MIB, LIMIT);
    cache_check(c);
    cache_free(c);
    a->ops->close(a);
}

/* A cache of small segments is left alone. */
static void test_small_cache(void **state) {
    (void)state;
    aio *a = worker_new();
    cache *c = cache_new(32 * MIB);
    cache_pages p = {0};
    fill(c, 1, 20000);
    enlarge_all(&p, c, a);
    assert_int_equal(p.enlarged, 0);
    cache_free(c);
    a->ops->close(a);
}

/* A limit that goes down meanwhile takes nothing from under the worker; then all of it goes. */
static void test_held(void **state) {
    (void)state;
    for (uint64_t limit = 0; limit <= LIMIT / 2; limit += LIMIT / 2) {
        cache *c = cache_new(LIMIT);
        void *mem[4];
        fill(c, 1, 20000);
        uint64_t before = mapped(c);
        assert_int_equal(cache_enlarge_begin(c, mem, 4), 4);
        cache_set_limit(c, limit);
        assert_false(cache_trim(c)); /* no more can be done: a caller that loops must end */
        fill(c, 20000, 21000);
        assert_true(mapped(c) >= before);
        for (int i = 0; i < 4; i++)
            ((char *)mem[i])[MEM_LARGE - 1] ^= 0; /* still mapped */
        cache_enlarge_end(c);
        while (cache_trim(c))
            continue;
        assert_true(mapped(c) <= limit + MIB);
        cache_check(c);
        cache_free(c);
    }
}

/* Values come, are read, move and go while the worker is at it. */
static void test_random(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    aio *a = worker_new();
    cache *c = cache_new(LIMIT);
    cache_pages p = {0};
    int rounds = unit_rounds(60000);
    for (int i = 0; i < rounds; i++) {
        uint64_t n = 1 + rng_below(&r, NUMBERS);
        uint64_t what = rng_below(&r, 1000);
        if (what < 960)
            use(c, n);
        else if (what < 980)
            cache_drop(c, n << 4);
        else if (what < 999)
            cache_prefetch(c, n << 4, what % 2, VALUE);
        else
            cache_pages_cron(&p, c, a);
        if (i % 64 == 0) a->ops->poll(a);
        if (i % 20000 == 19999) {
            cache_set_limit(c, LIMIT - rng_below(&r, 9) * 8 * MIB);
            while (cache_trim(c))
                continue;
        }
    }
    a->ops->drain(a);
    cache_check(c);
    cache_free(c);
    a->ops->close(a);
    assert_int_equal(mem_mapped(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once),
        cmocka_unit_test(test_small_cache),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
