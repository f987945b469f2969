/* engine_prefetch over Bitcask: a hint, so whatever it is given, and whatever happens to the keys
 * before they are asked for, nothing changes. Over the kit's disk. */
#include "engine/bitcask/bitcask_int.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 3000, AT_ONCE = 30 };

/* Everything that INFO tells of the cache and of reads. */
static uint64_t traces(kit *k) {
    return kit_info(k, "cache_hits") + kit_info(k, "cache_misses") + kit_info(k, "segment_reads") +
           kit_info(k, "tail_reads") + kit_info(k, "cache_items");
}

/* Key i has i % 300 bytes of value; every fifth is not there. */
static int name(char key[24], unsigned i) {
    return snprintf(key, 24, "key:%u", i);
}

static void put(kit *k, unsigned i) {
    char key[24];
    name(key, i);
    kit_put_len(k, 0, key, i % 300, 'v');
}

static void hint_and_read(kit *k, rng *r) {
    char text[AT_ONCE][24];
    uint32_t db[AT_ONCE];
    unsigned number[AT_ONCE];
    uint64_t before = traces(k);
    for (int i = 0; i < AT_ONCE; i++) {
        number[i] = (unsigned)rng_below(r, KEYS * 2);
        db[i] = (uint32_t)rng_below(r, 3);
        size_t len = (size_t)name(text[i], number[i]);
        if (rng_below(r, 8) == 0) len = 0;
        engine_prefetch(k->e, db[i], slice_of(text[i], len), rng_below(r, 2));
    }
    assert_int_equal(traces(k), before);
    for (int i = 0; i < AT_ONCE; i++) {
        entry ent;
        engine_result got = engine_get(k->e, db[i], slice_cstr(text[i]), &ent);
        bool there = db[i] == 0 && number[i] < KEYS && number[i] % 5;
        assert_int_equal(got, there ? ENGINE_OK : ENGINE_ABSENT);
        if (there) assert_int_equal(ent.value.len, number[i] % 300);
    }
}

/* What was named is written, deleted, flushed or moved before the next step looks at it. */
static void hint_and_change(kit *k, rng *r) {
    char key[24];
    for (int i = 0; i < AT_ONCE; i++) {
        unsigned number = (unsigned)rng_below(r, KEYS);
        size_t len = (size_t)name(key, number);
        engine_prefetch(k->e, 0, slice_of(key, len), true);
        if (number % 5 == 0) continue;
        if (rng_below(r, 2)) kit_del(k, key);
        put(k, number);
    }
    if (rng_below(r, 20)) return;
    kit_flush(k, -1);
    for (int i = 0; i < 10; i++)
        engine_prefetch(k->e, 0, SLICE("key:1"), true);
    for (unsigned i = 0; i < KEYS; i++)
        if (i % 5) put(k, i);
}

static void test_hints(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    kit *k = kit_sim();
    kit_setting("inline-value-max", "20");
    kit_setting("value-cache-size", "300kb");
    kit_open(k);
    for (int i = 0; i < 2 * ENGINE_AHEAD; i++)
        engine_prefetch(k->e, 0, SLICE("nothing is here"), true);
    for (unsigned i = 0; i < KEYS; i++) {
        if (i % 5) put(k, i);
        if (i % 100 == 0) kit_end_turn(k);
    }
    for (int round = 0; round < unit_rounds(200); round++) {
        hint_and_read(k, &r);
        hint_and_change(k, &r);
        kit_end_turn(k);
        if (round % 50 == 30) kit_merge(k);
    }
    kit_close(k);
    kit_open(k); /* entries whose values nobody has read yet */
    for (int round = 0; round < unit_rounds(100); round++)
        hint_and_read(k, &r);
    kit_check(k);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hints)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
