/* Tests of scanning and picking at random in an LSM engine whose keys lie in memtables, in tables
 * of several levels, and under tombstones. */
#include <stdio.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#define KEYS 2000

static slice name_of(char out[32], unsigned i) {
    return slice_of(out, (size_t)snprintf(out, 32, "key:%u", i));
}

static unsigned number_in(slice key) {
    unsigned n = 0;
    for (size_t i = 4; i < key.len; i++)
        n = n * 10 + (unsigned)(key.data[i] - '0');
    return n;
}

/* Keys first .. last - 1 of db, in batches; each `expires`-th (0: none) has an expire time. */
static void put_keys(kit *k, uint32_t db, unsigned first, unsigned last, unsigned expires) {
    char name[32], value[100] = "v";
    for (unsigned i = first; i < last; i++) {
        entry ent = {.type = 1, .value = slice_of(value, 1 + i % 99)};
        if (expires && i % expires == 0) ent.expire = 1000000000 + (int64_t)i * 1000;
        engine_begin(k->e);
        assert_int_equal(engine_put(k->e, db, name_of(name, i), &ent), ENGINE_OK);
        engine_commit(k->e);
        if (i % 50 == 49) kit_end_turn(k);
    }
}

static void del_keys(kit *k, uint32_t db, unsigned first, unsigned last) {
    char name[32];
    for (unsigned i = first; i < last; i++) {
        engine_begin(k->e);
        assert_int_equal(engine_del(k->e, db, name_of(name, i)), ENGINE_OK);
        engine_commit(k->e);
        if (i % 50 == 49) kit_end_turn(k);
    }
}

typedef struct seen {
    unsigned times[KEYS];
    size_t n;
    uint64_t token; /* of the last one */
    kit *k;
} seen;

static void see(void *ctx, slice key, const entry *meta) {
    seen *s = ctx;
    (void)meta;
    s->times[number_in(key)]++;
    s->n++;
    uint64_t token = engine_token(s->k->e, key);
    assert_true(token >= s->token);
    s->token = token;
}

/* Everything in keys first .. is seen once, and nothing else; returns the number of calls. */
static unsigned scan_all(kit *k, uint32_t db, unsigned first, unsigned last, size_t want) {
    seen *s = mem_zalloc(sizeof *s);
    unsigned calls = 0;
    s->k = k;
    uint64_t next = 0;
    do {
        size_t before = s->n;
        assert_int_equal(engine_scan(k->e, db, next, want, &next, see, s), ENGINE_OK);
        assert_true(s->n - before <= want + 2);
        assert_true(next == 0 || next > s->token);
        calls++;
    } while (next);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(s->times[i], i >= first && i < last);
    mem_free(s);
    return calls;
}

static void test_scan(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    put_keys(k, 0, 0, KEYS, 0);
    put_keys(k, 1, 100, 200, 0);
    kit_settle(k);
    put_keys(k, 0, 0, 300, 3);
    assert_int_equal(scan_all(k, 0, 0, KEYS, KEYS + 1), 1);
    unsigned calls = scan_all(k, 0, 0, KEYS, 10);
    assert_true(calls >= KEYS / 12 && calls <= KEYS / 10 + 1);
    scan_all(k, 1, 100, 200, 7);
    scan_all(k, 2, 0, 0, 10);
    kit_free(k);
}

/* A call ends though it has seen nothing but tombstones, and the scan goes on behind them. */
static void test_scan_tombstones(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_setting("memtable-size", "64mb");
    kit_open(k);
    put_keys(k, 0, 0, KEYS, 0);
    kit_setting("memtable-size", "64kb");
    kit_merge(k);
    kit_setting("memtable-size", "64mb");
    del_keys(k, 0, 0, KEYS - 10);
    assert_int_equal(scan_all(k, 0, KEYS - 10, KEYS, 10), 2);
    kit_free(k);
}

/* Each key is picked about as often as any other, wherever it lies. */
static void check_even(kit *k, unsigned first, unsigned last, unsigned expires, unsigned each) {
    unsigned *times = mem_zalloc(KEYS * sizeof *times), n = 0;
    buf key = {0};
    entry meta;
    for (unsigned i = first; i < last; i++)
        n += !expires || i % expires == 0;
    for (unsigned i = 0; i < n * each; i++) {
        assert_int_equal(engine_random(k->e, 0, expires > 0, &key, &meta), ENGINE_OK);
        unsigned x = number_in(buf_slice(&key));
        assert_true(x >= first && x < last && meta.type == 1);
        assert_true(!expires || (x % expires == 0 && meta.expire));
        times[x]++;
    }
    double sum = 0; /* of squares of the differences: each when all chances are the same */
    for (unsigned i = first; i < last; i++) {
        if (expires && i % expires) continue;
        double off = (double)times[i] - each;
        sum += off * off;
    }
    print_message("%u keys: variance %.2f of the even one\n", n, sum / n / each);
    assert_true(sum / n / each < 8);
    buf_free(&key);
    mem_free(times);
}

static void test_random(void **state) {
    (void)state;
    kit *k = kit_sim();
    buf key = {0};
    kit_open(k);
    assert_int_equal(engine_random(k->e, 0, false, &key, NULL), ENGINE_ABSENT);
    put_keys(k, 0, 0, 1, 0);
    assert_int_equal(engine_random(k->e, 0, true, &key, NULL), ENGINE_ABSENT);
    for (int i = 0; i < 20; i++)
        assert_int_equal(engine_random(k->e, 0, false, &key, NULL), ENGINE_OK);
    assert_true(slice_eq(buf_slice(&key), SLICE("key:0")));
    put_keys(k, 0, 0, KEYS, 20);
    kit_settle(k);
    put_keys(k, 0, 0, 100, 20);
    put_keys(k, 1, 0, 500, 2);
    check_even(k, 0, KEYS, 0, 20);
    check_even(k, 0, KEYS, 20, 50);
    del_keys(k, 0, 0, KEYS - 40);
    check_even(k, KEYS - 40, KEYS, 0, 100);
    check_even(k, KEYS - 40, KEYS, 20, 100);
    put_keys(k, 0, KEYS - 40, KEYS, 2);
    check_even(k, KEYS - 40, KEYS, 2, 100);
    buf_free(&key);
    kit_free(k);
}

/* Keys that are announced, some never asked for, are as they are; at a start, over many flushes. */
static void test_prefetch(void **state) {
    (void)state;
    kit *k = kit_sim();
    char name[32];
    entry ent;
    kit_open(k);
    engine_prefetch(k->e, 0, SLICE("key:1"), true);
    for (unsigned from = 0; from < KEYS; from += KEYS / 4) {
        put_keys(k, 0, from, from + KEYS / 4, 0);
        for (unsigned i = 0; i < KEYS; i++) {
            unsigned ahead = i + ENGINE_AHEAD;
            engine_prefetch(k->e, 0, ahead % 3 ? name_of(name, ahead) : SLICE_EMPTY, i % 2);
            engine_result r = engine_get(k->e, 0, name_of(name, i), &ent);
            assert_int_equal(r, i < from + KEYS / 4 ? ENGINE_OK : ENGINE_ABSENT);
        }
    }
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_scan_tombstones),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_prefetch),
    };
    return kit_use("lsm") + cmocka_run_group_tests(tests, NULL, NULL);
}
