/* The keyspace: lookup, changes, batches, events, statistics, copies. */
#include "support/world.h"

#include "base/mem.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

static world w;

static int open_world(void **state) {
    (void)state;
    world_open(&w, 7, true);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

static engine_result get(const char *key, unsigned flags, entry *out) {
    return ks_get(w.ks, 0, slice_cstr(key), flags, out);
}

/* ---- events -------------------------------------------------------------------------------------
 */

static void events_are_told_at_commit_in_order(void **state) {
    (void)state;
    entry ent = {.value = SLICE("v")};
    ks_begin(w.ks);
    assert_int_equal(ks_put(w.ks, 0, SLICE("a"), &ent), ENGINE_OK);
    ks_changed(w.ks, KS_STRING, "set", 0, SLICE("a"));
    ks_notify(w.ks, KS_GENERIC, "expire", 0, SLICE("a"));
    assert_string_equal(world_told(&w), "");
    ks_commit(w.ks);
    assert_string_equal(world_told(&w), "new@0:a +0:a set@0:a expire@0:a ");
    /* Replacing is no new key. */
    ks_begin(w.ks);
    assert_int_equal(ks_put(w.ks, 0, SLICE("a"), &ent), ENGINE_OK);
    ks_commit(w.ks);
    assert_string_equal(world_told(&w), "");
}

static void an_aborted_batch_is_forgotten(void **state) {
    (void)state;
    entry ent = {.value = SLICE("v")};
    world_put(&w, 0, "old", "1", 0);
    (void)world_told(&w);
    ks_stats before = *ks_statistics(w.ks);
    ks_begin(w.ks);
    assert_int_equal(ks_put(w.ks, 0, SLICE("a"), &ent), ENGINE_OK);
    ks_changed(w.ks, KS_STRING, "set", 0, SLICE("a"));
    assert_int_equal(get("old", 0, &ent), ENGINE_OK);
    assert_int_equal(get("none", 0, &ent), ENGINE_ABSENT);
    ks_dirty(w.ks, 5);
    ks_abort(w.ks);
    assert_string_equal(world_told(&w), "");
    assert_memory_equal(&before, ks_statistics(w.ks), sizeof before);
    assert_false(world_has(&w, 0, "a"));
}

/* What the batch has read of a passing argument is gone, what it has not is still there. */
static void what_has_passed_goes(void **state) {
    (void)state;
    size_t n = 4u << 20;
    char *p = mem_map(n);
    memset(p, 7, n);
    ks_begin(w.ks);
    ks_passed(w.ks, p + n); /* nothing is passing */
    ks_passing(w.ks, slice_of(p + 4096, n - 4096));
    ks_passed(w.ks, p + 8192); /* less than a step */
    ks_passed(w.ks, p);        /* outside */
    assert_false(ks_has_passed(w.ks));
    ks_passed(w.ks, p + (3u << 20));
    assert_true(ks_has_passed(w.ks));
    assert_int_equal(p[4095], 7);
    assert_int_equal(p[4096], 0);
    assert_int_equal(p[(3u << 20) - 1], 0);
    assert_int_equal(p[3u << 20], 7);
    ks_commit(w.ks);
    ks_begin(w.ks);
    assert_false(ks_has_passed(w.ks));
    ks_passed(w.ks, p + n);
    assert_int_equal(p[n - 1], 7);
    ks_abort(w.ks);
    mem_unmap(p, n);
}

static void batches_nest(void **state) {
    (void)state;
    entry ent = {.value = SLICE("v")};
    ks_begin(w.ks);
    ks_begin(w.ks);
    assert_int_equal(ks_put(w.ks, 0, SLICE("a"), &ent), ENGINE_OK);
    ks_changed(w.ks, KS_STRING, "set", 0, SLICE("a"));
    ks_commit(w.ks);
    assert_string_equal(world_told(&w), "");
    assert_true(ks_in_batch(w.ks));
    ks_begin(w.ks);
    ks_abort(w.ks); /* undoes nothing */
    ks_commit(w.ks);
    assert_false(ks_in_batch(w.ks));
    assert_string_equal(world_told(&w), "new@0:a +0:a set@0:a ");
    assert_true(world_has(&w, 0, "a"));
    /* The outermost decides. */
    ks_begin(w.ks);
    ks_begin(w.ks);
    assert_int_equal(ks_del(w.ks, 0, SLICE("a")), ENGINE_OK);
    ks_commit(w.ks);
    ks_abort(w.ks);
    assert_true(world_has(&w, 0, "a"));
}

static void note_end(void *ctx, bool committed) {
    (void)ctx;
    buf_printf(&w.told, "%s ", committed ? "committed" : "aborted");
}

static void note_first(void *ctx, bool committed) {
    (void)committed;
    buf_printf(&w.told, "%s ", (const char *)ctx);
}

/* Once, when the outermost batch has ended; in order, or backward; before hooks are told. */
static void ends_are_told(void **state) {
    (void)state;
    static char first[] = "first";
    entry ent = {.value = SLICE("1")};
    for (int way = 0; way < 3; way++) {
        ks_begin(w.ks);
        ks_at_end(w.ks, note_first, first);
        ks_begin(w.ks);
        assert_int_equal(ks_put(w.ks, 0, SLICE("a"), &ent), ENGINE_OK);
        ks_changed(w.ks, KS_STRING, "set", 0, SLICE("a"));
        ks_at_end(w.ks, note_end, NULL);
        ks_commit(w.ks);
        assert_string_equal(world_told(&w), "");
        if (way == 0) ks_abort(w.ks);
        if (way == 1) ks_refuse(w.ks);
        if (way == 2) ks_commit(w.ks);
        assert_string_equal(world_told(&w),
                            way < 2 ? "aborted first " : "first committed new@0:a +0:a set@0:a ");
    }
    ks_begin(w.ks);
    ks_commit(w.ks);
    assert_string_equal(world_told(&w), "");
}

static void databases_are_told_too(void **state) {
    (void)state;
    world_put(&w, 0, "a", "1", 0);
    world_put(&w, 3, "b", "2", 0);
    (void)world_told(&w);
    ks_begin(w.ks);
    assert_int_equal(ks_swap(w.ks, 0, 3), ENGINE_OK);
    ks_commit(w.ks);
    assert_true(world_has(&w, 3, "a") && world_has(&w, 0, "b"));
    ks_begin(w.ks);
    assert_int_equal(ks_flush(w.ks, 3), ENGINE_OK);
    ks_commit(w.ks);
    assert_int_equal(world_keys(&w, 3), 0);
    ks_begin(w.ks);
    assert_int_equal(ks_flush(w.ks, -1), ENGINE_OK);
    ks_commit(w.ks);
    assert_int_equal(world_keys(&w, 0), 0);
    assert_string_equal(world_told(&w), "swap:0,3 flush:3 flush:-1 ");
}

/* A batch larger than what is kept between batches. */
static void many_events(void **state) {
    (void)state;
    char key[32];
    ks_begin(w.ks);
    for (int i = 0; i < 2000; i++) {
        int n = snprintf(key, sizeof key, "key:%d", i);
        ks_notify(w.ks, KS_GENERIC, "x", 0, slice_of(key, (size_t)n));
    }
    ks_commit(w.ks);
    const char *told = world_told(&w);
    for (int i = 0; i < 2000; i++) {
        int n = snprintf(key, sizeof key, "x@0:key:%d ", i);
        assert_memory_equal(told, key, (size_t)n);
        told += n;
    }
    assert_string_equal(told, "");
}

/* ---- lookup -------------------------------------------------------------------------------------
 */

static void lookups_count(void **state) {
    (void)state;
    entry ent;
    world_put(&w, 0, "a", "1", 0);
    (void)world_told(&w);
    ks_begin(w.ks);
    assert_int_equal(get("a", 0, &ent), ENGINE_OK);
    assert_true(slice_eq(ent.value, SLICE("1")));
    assert_int_equal(get("a", KS_WRITE, &ent), ENGINE_OK);
    assert_int_equal(get("a", KS_NO_STATS, &ent), ENGINE_OK);
    assert_int_equal(get("b", 0, &ent), ENGINE_ABSENT);
    assert_int_equal(get("c", KS_WRITE, &ent), ENGINE_ABSENT);
    assert_int_equal(get("d", KS_NO_NOTIFY, &ent), ENGINE_ABSENT);
    assert_int_equal(get("e", KS_NO_STATS, &ent), ENGINE_ABSENT);
    ks_commit(w.ks);
    assert_int_equal(ks_statistics(w.ks)->hits, 1);
    assert_int_equal(ks_statistics(w.ks)->misses, 2);
    assert_string_equal(world_told(&w), "keymiss@0:b keymiss@0:e ");
    ks_reset_statistics(w.ks);
    assert_int_equal(ks_statistics(w.ks)->hits, 0);
}

/* A command that is refused has looked, and that stays; what it changed does not. */
static void a_refusal_has_looked(void **state) {
    (void)state;
    entry ent;
    world_put(&w, 0, "a", "1", 0);
    (void)world_told(&w);
    uint64_t dirty = ks_statistics(w.ks)->dirty;
    for (int depth = 1; depth <= 2; depth++) {
        ks_reset_statistics(w.ks);
        for (int i = 0; i < depth; i++)
            ks_begin(w.ks);
        assert_int_equal(get("a", 0, &ent), ENGINE_OK);
        assert_int_equal(get("b", 0, &ent), ENGINE_ABSENT);
        assert_int_equal(ks_del(w.ks, 0, SLICE("a")), ENGINE_OK);
        ks_changed(w.ks, KS_GENERIC, "del", 0, SLICE("a"));
        assert_int_equal(get("c", 0, &ent), ENGINE_ABSENT);
        for (int i = 0; i < depth; i++)
            ks_refuse(w.ks);
        assert_int_equal(ks_statistics(w.ks)->hits, 1);
        assert_int_equal(ks_statistics(w.ks)->misses, 2);
        assert_int_equal(ks_statistics(w.ks)->dirty, dirty);
        assert_string_equal(world_told(&w), "keymiss@0:b keymiss@0:c ");
        assert_true(world_has(&w, 0, "a"));
        (void)world_told(&w);
    }
}

static void too_long_a_key_is_absent(void **state) {
    (void)state;
    entry ent;
    char *big = mem_zalloc(ENGINE_KEY_MAX + 1);
    ks_begin(w.ks);
    assert_int_equal(ks_get(w.ks, 0, slice_of(big, ENGINE_KEY_MAX + 1), 0, &ent), ENGINE_ABSENT);
    assert_int_equal(ks_del(w.ks, 0, slice_of(big, ENGINE_KEY_MAX + 1)), ENGINE_ABSENT);
    ks_commit(w.ks);
    mem_free(big);
}

/* A read's value may be put back under the same key. */
static void put_what_was_read(void **state) {
    (void)state;
    entry ent;
    world_put(&w, 0, "a", "hello", 0);
    (void)world_told(&w);
    ks_begin(w.ks);
    assert_int_equal(get("a", KS_WRITE, &ent), ENGINE_OK);
    assert_int_equal(ks_set_expire(w.ks, 0, SLICE("a"), &ent, w.clock.wall_ms + 5), ENGINE_OK);
    ks_commit(w.ks);
    ks_begin(w.ks);
    assert_int_equal(get("a", KS_WRITE, &ent), ENGINE_OK);
    assert_true(slice_eq(ent.value, SLICE("hello")));
    assert_true(ent.expire == w.clock.wall_ms + 5);
    ks_commit(w.ks);
    assert_string_equal(world_told(&w), "");
}

static void moves(void **state) {
    (void)state;
    entry ent;
    world_put(&w, 0, "a", "1", w.clock.wall_ms + 100);
    world_put(&w, 0, "b", "2", 0);
    (void)world_told(&w);
    ks_begin(w.ks);
    assert_int_equal(ks_move(w.ks, 0, SLICE("a"), 0, SLICE("b")), ENGINE_OK);
    assert_int_equal(ks_move(w.ks, 0, SLICE("b"), 2, SLICE("c")), ENGINE_OK);
    assert_int_equal(ks_move(w.ks, 0, SLICE("none"), 2, SLICE("c")), ENGINE_ABSENT);
    ks_commit(w.ks);
    assert_int_equal(world_keys(&w, 0), 0);
    ks_begin(w.ks);
    assert_int_equal(ks_get(w.ks, 2, SLICE("c"), 0, &ent), ENGINE_OK);
    assert_true(slice_eq(ent.value, SLICE("1")) && ent.expire == w.clock.wall_ms + 100);
    ks_commit(w.ks);
    assert_string_equal(world_told(&w), "new@0:b new@2:c ");
}

/* ---- copies -------------------------------------------------------------------------------------
 */

#define ELEMENTS 300

/* A collection with elements in two maps. */
static void make_collection(const char *key) {
    engine_coll coll;
    char sub[16], value[16];
    ks_begin(w.ks);
    assert_int_equal(engine_coll_new(w.e, 0, slice_cstr(key), &coll), ENGINE_OK);
    entry ent = {.type = KEY_HASH, .coll = coll.id, .value = SLICE("head"), .hint = 3};
    assert_int_equal(ks_put(w.ks, 0, slice_cstr(key), &ent), ENGINE_OK);
    for (int i = 0; i < ELEMENTS; i++) {
        int n = snprintf(sub, sizeof sub, "f%d", i), m = snprintf(value, sizeof value, "v%d", i);
        assert_int_equal(engine_map_put(w.e, &coll, i % 3 ? 0 : 5, slice_of(sub, (size_t)n),
                                        slice_of(value, (size_t)m), i),
                         ENGINE_OK);
    }
    ks_commit(w.ks);
}

static void assert_same_map(engine_coll *a, engine_coll *b, unsigned map) {
    map_iter x, y;
    uint64_t n = engine_map_count(w.e, a, map);
    assert_int_equal(n, engine_map_count(w.e, b, map));
    for (uint64_t i = 0; i < n; i++) {
        char copy[64];
        assert_int_equal(engine_map_select(w.e, a, map, i, &x), ENGINE_OK);
        size_t sub = x.subkey.len, value = x.value.len;
        int64_t expire = x.expire;
        memcpy(copy, x.subkey.data, sub);
        memcpy(copy + sub, x.value.data, value);
        assert_int_equal(engine_map_select(w.e, b, map, i, &y), ENGINE_OK);
        assert_true(slice_eq(y.subkey, slice_of(copy, sub)));
        assert_true(slice_eq(y.value, slice_of(copy + sub, value)));
        assert_true(y.expire == expire);
    }
}

static void copy_of_a_collection(void **state) {
    (void)state;
    entry ent;
    engine_coll a, b;
    make_collection("src");
    world_put(&w, 4, "dst", "gone", 0);
    (void)world_told(&w);
    engine_mem_knobs(w.e)->pending_permille = 300;
    engine_result r = ENGINE_PENDING;
    int rounds = 0;
    for (; r == ENGINE_PENDING; rounds++) {
        ks_begin(w.ks);
        r = get("src", 0, &ent);
        if (r == ENGINE_OK) r = ks_copy(w.ks, 0, SLICE("src"), &ent, 4, SLICE("dst"));
        if (r == ENGINE_OK) {
            ks_commit(w.ks);
        } else {
            ks_abort(w.ks);
        }
    }
    engine_mem_knobs(w.e)->pending_permille = 0;
    assert_int_equal(r, ENGINE_OK);
    assert_true(rounds > 10);
    assert_string_equal(world_told(&w), "new@4:dst ");
    ks_begin(w.ks);
    assert_int_equal(get("src", 0, &ent), ENGINE_OK);
    assert_int_equal(engine_coll_open(w.e, 0, SLICE("src"), &ent, &a), ENGINE_OK);
    assert_int_equal(ks_get(w.ks, 4, SLICE("dst"), 0, &ent), ENGINE_OK);
    assert_int_equal(ent.hint, 3);
    assert_int_equal(ent.type, KEY_HASH);
    assert_true(slice_eq(ent.value, SLICE("head")));
    assert_int_equal(engine_coll_open(w.e, 4, SLICE("dst"), &ent, &b), ENGINE_OK);
    assert_true(a.id != b.id);
    for (unsigned map = 0; map < ENGINE_MAPS; map++)
        assert_same_map(&a, &b, map);
    ks_commit(w.ks);
}

static void copy_of_a_value(void **state) {
    (void)state;
    entry ent;
    world_put(&w, 0, "a", "hello", w.clock.wall_ms + 77);
    ks_begin(w.ks);
    assert_int_equal(get("a", 0, &ent), ENGINE_OK);
    assert_int_equal(ks_copy(w.ks, 0, SLICE("a"), &ent, 0, SLICE("b")), ENGINE_OK);
    assert_int_equal(get("b", 0, &ent), ENGINE_OK);
    assert_true(slice_eq(ent.value, SLICE("hello")) && ent.expire == w.clock.wall_ms + 77);
    ks_commit(w.ks);
}

/* ---- walking ------------------------------------------------------------------------------------
 */

static void note_scanned(void *ctx, slice key, const entry *meta) {
    buf *b = ctx;
    (void)meta;
    buf_append_slice(b, key);
}

static void scan_and_random_hide_what_is_due(void **state) {
    (void)state;
    buf seen = {0}, key = {0};
    uint64_t next = 0;
    world_put(&w, 0, "x", "1", w.clock.wall_ms);
    world_put(&w, 0, "y", "1", w.clock.wall_ms + 1);
    ks_begin(w.ks);
    assert_int_equal(ks_scan(w.ks, 0, 0, 100, &next, note_scanned, &seen), ENGINE_OK);
    assert_true(slice_eq(buf_slice(&seen), SLICE("y")) && next == 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ks_random(w.ks, 0, &key), ENGINE_OK);
        assert_true(slice_eq(buf_slice(&key), SLICE("y")));
    }
    w.clock.wall_ms++;
    assert_int_equal(ks_random(w.ks, 0, &key), ENGINE_ABSENT);
    ks_commit(w.ks);
    buf_free(&seen);
    buf_free(&key);
}

static void settings_and_metrics(void **state) {
    (void)state;
    buf out = {0};
    entry ent;
    setting_defaults(keyspace_settings);
    world_put(&w, 0, "a", "1", 0);
    world_put(&w, 3, "b", "1", w.clock.wall_ms + 1000);
    world_put(&w, 3, "c", "1", w.clock.wall_ms + 3000);
    ks_begin(w.ks);
    assert_int_equal(get("a", 0, &ent), ENGINE_OK);
    ks_commit(w.ks);
    const metric_section *s = keyspace_metrics(w.ks);
    for (; s->name; s++)
        s->emit(&out, s->ctx);
    buf_append_char(&out, 0);
    assert_non_null(strstr(out.data, "keyspace_hits:1\r\n"));
    assert_non_null(strstr(out.data, "expired_keys:0\r\n"));
    assert_non_null(strstr(out.data, "db0:keys=1,expires=0,avg_ttl=0\r\n"));
    const char *db3 = strstr(out.data, "db3:keys=2,expires=2,avg_ttl=");
    assert_non_null(db3);
    assert_in_range(strtoull(strrchr(db3, '=') + 1, NULL, 10), 1000, 3000);
    assert_null(strstr(out.data, "db1:"));
    keyspace_metrics(w.ks)[0].reset(keyspace_metrics(w.ks)[0].ctx);
    assert_int_equal(ks_statistics(w.ks)->hits, 0);
    buf_free(&out);
}

static void type_names(void **state) {
    (void)state;
    assert_string_equal(key_type_name(KEY_STRING), "string");
    assert_string_equal(key_type_name(KEY_STREAM), "stream");
    assert_string_equal(key_type_name(9), "unknown");
    keyspace *ks;
    assert_int_equal(ks_new(w.e, &w.clock, &w.rng, 0, &ks).code, ST_INVALID);
    assert_null(ks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_are_told_at_commit_in_order, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(an_aborted_batch_is_forgotten, open_world, close_world),
        cmocka_unit_test_setup_teardown(what_has_passed_goes, open_world, close_world),
        cmocka_unit_test_setup_teardown(batches_nest, open_world, close_world),
        cmocka_unit_test_setup_teardown(ends_are_told, open_world, close_world),
        cmocka_unit_test_setup_teardown(databases_are_told_too, open_world, close_world),
        cmocka_unit_test_setup_teardown(many_events, open_world, close_world),
        cmocka_unit_test_setup_teardown(lookups_count, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_refusal_has_looked, open_world, close_world),
        cmocka_unit_test_setup_teardown(too_long_a_key_is_absent, open_world, close_world),
        cmocka_unit_test_setup_teardown(put_what_was_read, open_world, close_world),
        cmocka_unit_test_setup_teardown(moves, open_world, close_world),
        cmocka_unit_test_setup_teardown(copy_of_a_collection, open_world, close_world),
        cmocka_unit_test_setup_teardown(copy_of_a_value, open_world, close_world),
        cmocka_unit_test_setup_teardown(scan_and_random_hide_what_is_due, open_world, close_world),
        cmocka_unit_test_setup_teardown(settings_and_metrics, open_world, close_world),
        cmocka_unit_test_setup_teardown(type_names, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
