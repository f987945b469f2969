/* Tests of looking ahead: it names the block in which table_get finds the key, once that is cached,
 * and changes nothing. */
#include "storage/table_ahead.h"

#include "support/memfs.h"
#include "support/tablebuild.h"
#include "support/unit.h"

#define STORE 9u
#define PATH  "t"

static void one_table(rng *r) {
    memfs *fs = memfs_new();
    table_options o = table_options_random(r);
    table_entries e = table_entries_random(r, 1 + rng_below(r, 2000), false);
    table_summary s;
    table *t;
    table_hit hit;
    slice bytes;
    cache *c = cache_new(16 << 20);
    buf near = {0};
    assert_string_equal(table_build(memfs_vfs(fs), PATH, STORE, 3, &o, &e, &s).msg, "");
    assert_string_equal(table_open(memfs_vfs(fs), PATH, STORE, 3, s.length, &t).msg, "");
    for (int k = 0; k < 200; k++) {
        slice key = table_entries_near(&e, r, &near);
        uint64_t hash = table_test_hash(key);
        log_pos part = table_ahead_part(t, key);
        cache_stats before, after;
        bool cached = part && cache_peek(c, part, &bytes);
        cache_stats_of(c, &before);
        if (part) table_ahead_filter(c, part, hash);
        log_pos block = part ? table_ahead_block(c, part, key, hash) : 0;
        assert_false(block && !cached);
        cache_stats_of(c, &after);
        assert_memory_equal(&before, &after, sizeof after);
        assert_string_equal(table_get(t, c, key, hash, &hit).msg, "");
        assert_false(hit.found && !part);
        if (!part) continue;
        assert_true(cache_peek(c, part, &bytes));
        bool asked = hit.found || hit.false_positive;
        block = table_ahead_block(c, part, key, hash);
        if (asked) {
            assert_true(block && cache_peek(c, block, &bytes));
            assert_false(hit.found &&
                         (hit.cell.data < bytes.data || hit.cell.data >= bytes.data + bytes.len));
        }
        if (hit.filtered) assert_true(block == 0);
        cache_prefetch(c, block ? block : part, 0, 0);
        cache_prefetch(c, block ? block : part, 1, 100);
    }
    table_close(t);
    cache_free(c);
    buf_free(&s.first);
    buf_free(&s.last);
    buf_free(&near);
    table_entries_free(&e);
    memfs_free(fs);
}

static void test_random(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = unit_rounds(30); round > 0; round--)
        one_table(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
