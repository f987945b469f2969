/* Derived maps: kept by whoever changes map 0, not logged by Bitcask, made again at a start. The
 * simulator does all this at random; here is what it can't see: that nothing is written, and what
 * older stores have. */
#include "base/codec.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include <stdio.h>

enum { ZSET = 3, PLAIN = 2, MANY = 700 };

/* First eight bytes of the value, then the subkey. */
static bool derive(uint8_t type, slice subkey, slice value, int64_t expire, buf *out) {
    (void)expire;
    assert_int_equal(type, ZSET);
    assert_true(value.len >= 8);
    buf_append(out, value.data, 8);
    buf_append_slice(out, subkey);
    return true;
}
static const engine_derive derived = {.types = 1 << ZSET, .by_value = 1 << ZSET, .subkey = derive};

static void new_coll(kit *k, const char *key, uint8_t type, engine_coll *c) {
    assert_int_equal(engine_coll_new(k->e, 0, slice_cstr(key), c), ENGINE_OK);
    entry ent = {.type = type, .coll = c->id};
    assert_int_equal(engine_put(k->e, 0, slice_cstr(key), &ent), ENGINE_OK);
}

static bool open_coll(kit *k, uint32_t db, const char *key, engine_coll *c) {
    entry ent;
    if (engine_meta(k->e, db, slice_cstr(key), &ent) != ENGINE_OK) return false;
    assert_int_equal(engine_coll_open(k->e, db, slice_cstr(key), &ent, c), ENGINE_OK);
    return true;
}

static slice sub_of(int i, char out[16]) {
    return slice_of(out, (size_t)snprintf(out, 16, "m%d", i));
}

/* Puts element i with its derived one; len: bytes of the value, eight or more. */
static void put(kit *k, engine_coll *c, int i, uint64_t score, size_t len) {
    char sub[16], value[300] = {0}, key[40];
    put_be64(value, score);
    slice s = sub_of(i, sub);
    memcpy(key, value, 8);
    memcpy(key + 8, s.data, s.len);
    assert_int_equal(engine_map_put(k->e, c, 0, s, slice_of(value, len), 0), ENGINE_OK);
    slice d = slice_of(key, 8 + s.len);
    assert_int_equal(engine_map_put(k->e, c, ENGINE_DERIVED, d, SLICE_EMPTY, 0), ENGINE_OK);
}

static void make(kit *k, const char *key, size_t len) {
    engine_coll c;
    engine_begin(k->e);
    new_coll(k, key, ZSET, &c);
    for (int i = 0; i < MANY; i++)
        put(k, &c, i, (uint64_t)i * 7919 % MANY, len);
    engine_commit(k->e);
}

/* In the order of scores, all of them. */
static void assert_whole(kit *k, uint32_t db, const char *key) {
    engine_coll c;
    map_iter it;
    assert_true(open_coll(k, db, key, &c));
    assert_int_equal(engine_map_count(k->e, &c, 0), MANY);
    assert_int_equal(engine_map_count(k->e, &c, ENGINE_DERIVED), MANY);
    engine_result r = engine_map_seek(k->e, &c, ENGINE_DERIVED, SLICE_EMPTY, false, &it);
    for (uint64_t i = 0; i < MANY; i++, r = engine_map_step(k->e, &it, false)) {
        assert_int_equal(r, ENGINE_OK);
        assert_int_equal(load_be64(it.subkey.data), i);
        assert_int_equal(it.value.len, 0);
    }
    assert_int_equal(r, ENGINE_ABSENT);
    kit_check(k);
}

static kit *new_kit(void) {
    kit *k = kit_sim();
    k->derive = &derived;
    kit_open(k);
    return k;
}

/* How far the log goes in f. */
static uint64_t written(kit *k, log_pos before) {
    assert_int_equal(before >> 32, engine_log_end(k->e) >> 32);
    return engine_log_end(k->e) - before;
}

static void nothing_is_logged(void **state) {
    (void)state;
    kit *k = new_kit();
    engine_coll c;
    map_iter it;
    make(k, "z", 8);
    kit_end_turn(k);
    log_pos before = engine_log_end(k->e);
    engine_begin(k->e);
    assert_true(open_coll(k, 0, "z", &c));
    slice d = SLICE("\0\0\0\0\0\0\0\1m179");
    assert_int_equal(engine_map_get(k->e, &c, ENGINE_DERIVED, d, &it), ENGINE_OK);
    if (kit_is("bitcask")) assert_true(it.pos == engine_log_end(k->e));
    assert_int_equal(engine_map_del(k->e, &c, ENGINE_DERIVED, d), ENGINE_OK);
    assert_int_equal(engine_map_del(k->e, &c, ENGINE_DERIVED, d), ENGINE_ABSENT);
    assert_int_equal(engine_map_count(k->e, &c, ENGINE_DERIVED), MANY - 1);
    engine_map_put(k->e, &c, ENGINE_DERIVED, SLICE("12345678x"), SLICE_EMPTY, 0);
    if (kit_is("bitcask")) assert_int_equal(written(k, before), 0);
    engine_abort(k->e);
    assert_whole(k, 0, "z");
    kit_free(k);
}

static void made_again(void **state) {
    (void)state;
    kit *k = new_kit();
    make(k, "z", 8);
    kit_end_turn(k);
    kit_kill(k);
    assert_whole(k, 0, "z");
    kit_settle(k);
    kit_close(k); /* by hint */
    kit_open(k);
    assert_whole(k, 0, "z");
    if (kit_is("bitcask")) assert_int_equal(kit_info(k, "recovery_derived"), MANY);
    kit_merge(k);
    kit_power_cut(k);
    assert_whole(k, 0, "z");
    engine_begin(k->e);
    assert_int_equal(engine_move(k->e, 0, SLICE("z"), 1, SLICE("y")), ENGINE_OK);
    engine_commit(k->e);
    assert_whole(k, 1, "y");
    kit_settle(k);
    kit_kill(k);
    assert_whole(k, 1, "y");
    kit_free(k);
}

/* Values that are not in the tree are read, packed ones too. */
static void from_values_in_the_log(void **state) {
    (void)state;
    kit *k = new_kit();
    if (kit_is("bitcask")) kit_setting("inline-value-max", "0");
    make(k, "z", 8);
    make(k, "long", 300);
    kit_settle(k);
    kit_kill(k);
    assert_whole(k, 0, "z");
    assert_whole(k, 0, "long");
    kit_free(k);
}

/* A store of a time when nobody derived has records of the map: they are passed over, and are
 * garbage to merges. */
static void records_of_an_older_store(void **state) {
    (void)state;
    kit *k = kit_sim();
    engine_coll c;
    kit_open(k);
    make(k, "z", 8);
    engine_begin(k->e);
    assert_true(open_coll(k, 0, "z", &c));
    engine_map_put(k->e, &c, ENGINE_DERIVED, SLICE("12345678wrong"), SLICE_EMPTY, 0);
    engine_commit(k->e);
    kit_settle(k);
    kit_close(k);
    if (kit_is("lsm")) { /* which believes what is there */
        kit_free(k);
        return;
    }
    k->derive = &derived;
    kit_open(k);
    assert_whole(k, 0, "z");
    kit_merge(k);
    assert_whole(k, 0, "z");
    kit_kill(k);
    assert_whole(k, 0, "z");
    kit_free(k);
}

/* Other types' maps are theirs; an empty collection has nothing to derive. */
static void other_types(void **state) {
    (void)state;
    kit *k = new_kit();
    engine_coll c;
    engine_begin(k->e);
    new_coll(k, "p", PLAIN, &c);
    assert_int_equal(engine_map_put(k->e, &c, 0, SLICE("short"), SLICE("v"), 0), ENGINE_OK);
    new_coll(k, "empty", ZSET, &c);
    engine_commit(k->e);
    kit_settle(k);
    kit_kill(k);
    kit_check(k);
    assert_true(open_coll(k, 0, "p", &c));
    assert_int_equal(engine_map_count(k->e, &c, ENGINE_DERIVED), 0);
    assert_true(open_coll(k, 0, "empty", &c));
    assert_int_equal(engine_map_count(k->e, &c, ENGINE_DERIVED), 0);
    kit_free(k);
}

/* ---- behind a start: Bitcask alone ---------------------------------------------------------- */

/* A slice in the background. */
static bool step(kit *k) {
    bool more = engine_background(k->e, 0);
    kit_check(k);
    return more;
}

static uint64_t pending(kit *k) {
    return kit_info(k, "derive_pending");
}

/* Three, of which none is made: "a", "b" and "c". */
static kit *started(void) {
    kit *k = new_kit();
    make(k, "a", 8);
    make(k, "b", 8);
    make(k, "c", 8);
    kit_settle(k);
    kit_kill(k);
    assert_int_equal(pending(k), 3);
    assert_int_equal(kit_info(k, "recovery_derived"), 0);
    return k;
}

static void made_when_opened(void **state) {
    (void)state;
    kit *k = started();
    assert_whole(k, 0, "b");
    assert_int_equal(kit_info(k, "recovery_derived"), MANY);
    for (int slices = 0; step(k); slices++)
        assert_true(slices < 10);
    assert_int_equal(pending(k), 0);
    assert_int_equal(kit_info(k, "recovery_derived"), 3 * MANY);
    assert_whole(k, 0, "a");
    assert_whole(k, 0, "b");
    assert_whole(k, 0, "c");
    kit_close(k);
    kit_open(k);
    assert_int_equal(pending(k), 3);
    kit_close(k); /* with nothing made */
    kit_open(k);
    step(k);
    kit_close(k); /* in the middle of one */
    kit_open(k);
    assert_whole(k, 0, "c");
    kit_free(k);
}

/* Whichever collection a slice has begun, it is opened before the next. */
static void opened_between_slices(void **state) {
    (void)state;
    for (int slices = 0; slices < 10; slices++) {
        kit *k = started();
        for (int i = 0; i < slices; i++)
            step(k);
        assert_whole(k, 0, "a");
        step(k);
        assert_whole(k, 0, "b");
        assert_whole(k, 0, "c");
        while (step(k))
            continue;
        assert_int_equal(kit_info(k, "recovery_derived"), 3 * MANY);
        kit_free(k);
    }
}

/* The first thing that is done to it is a change: then its map is that of what was loaded, and what
 * the batch does comes on top of that, or not. */
static void changed_first(void **state) {
    (void)state;
    for (int slices = 0; slices < 3; slices++) {
        kit *k = started();
        engine_coll c;
        for (int i = 0; i < slices; i++)
            step(k);
        for (const char *key = "a"; key; key = *key == 'a' ? "b" : *key == 'b' ? "c" : NULL) {
            engine_begin(k->e);
            assert_true(open_coll(k, 0, key, &c));
            put(k, &c, MANY, MANY, 8);
            assert_int_equal(engine_map_del(k->e, &c, 0, SLICE("m0")), ENGINE_OK);
            assert_int_equal(engine_map_del(k->e, &c, ENGINE_DERIVED, SLICE("\0\0\0\0\0\0\0\0m0")),
                             ENGINE_OK);
            if (*key == 'b') {
                engine_commit(k->e);
                kit_check(k);
                assert_int_equal(engine_map_count(k->e, &c, ENGINE_DERIVED), MANY);
            } else {
                engine_abort(k->e);
                assert_whole(k, 0, key);
            }
            step(k);
        }
        kit_free(k);
    }
}

/* Dropped, moved and swapped without a look into them, at any moment. */
static void never_opened(void **state) {
    (void)state;
    for (int slices = 0; slices < 10; slices++) {
        kit *k = started();
        for (int i = 0; i < slices; i++)
            step(k);
        engine_begin(k->e);
        assert_int_equal(engine_del(k->e, 0, SLICE("b")), ENGINE_OK);
        assert_int_equal(engine_del(k->e, 0, SLICE("c")), ENGINE_OK);
        engine_abort(k->e);
        step(k);
        engine_begin(k->e);
        assert_int_equal(engine_del(k->e, 0, SLICE("b")), ENGINE_OK);
        assert_int_equal(engine_move(k->e, 0, SLICE("a"), 0, SLICE("x")), ENGINE_OK);
        engine_commit(k->e);
        step(k);
        engine_begin(k->e);
        assert_int_equal(engine_swap(k->e, 0, 1), ENGINE_OK);
        assert_int_equal(engine_move(k->e, 1, SLICE("c"), 2, SLICE("c")), ENGINE_OK);
        engine_commit(k->e);
        assert_whole(k, 2, "c");
        if (slices % 2) assert_whole(k, 1, "x");
        engine_begin(k->e);
        assert_int_equal(engine_flush(k->e, 1), ENGINE_OK);
        engine_commit(k->e);
        kit_settle(k);
        kit_check(k);
        assert_int_equal(pending(k), 0);
        kit_free(k);
    }
}

/* Of n elements, scores as they are numbered. */
static void make_large(kit *k, const char *key, int n) {
    engine_coll c;
    engine_begin(k->e);
    new_coll(k, key, ZSET, &c);
    for (int i = 0; i < n; i++)
        put(k, &c, i, (uint64_t)i, 8);
    engine_commit(k->e);
}

/* One that would take very long to make is not left for later. */
static void huge_ones_at_once(void **state) {
    (void)state;
    kit *k = new_kit();
    engine_coll c;
    make(k, "a", 8);
    make_large(k, "huge", 262145);
    kit_end_turn(k);
    kit_kill(k);
    assert_int_equal(kit_info(k, "recovery_derived"), 262145);
    assert_int_equal(pending(k), 1);
    assert_true(open_coll(k, 0, "huge", &c));
    assert_int_equal(engine_map_count(k->e, &c, ENGINE_DERIVED), 262145);
    kit_free(k);
}

static void is_ready(engine_reader *r) {
    (void)r;
}

/* r opens "large"; whether it has to wait. */
static bool waits(kit *k, engine_reader *r, engine_coll *c) {
    entry ent;
    engine_read_for(k->e, r);
    assert_int_equal(engine_meta(k->e, 0, SLICE("large"), &ent), ENGINE_OK);
    engine_result res = engine_coll_open(k->e, 0, SLICE("large"), &ent, c);
    engine_read_for(k->e, NULL);
    assert_true(res == ENGINE_OK || res == ENGINE_PENDING);
    assert_int_equal(res == ENGINE_PENDING, r->waits > 0);
    return res == ENGINE_PENDING;
}

/* Who can wait does so while slices make it, before the others; it may be dropped, or made by one
 * who can't wait, meanwhile. */
static void waited_for(void **state) {
    (void)state;
    for (int way = 0; way < 4; way++) {
        kit *k = new_kit();
        engine_coll c;
        engine_reader r = {.ready = is_ready}, other = r;
        make_large(k, "large", 3000);
        make(k, "a", 8);
        make(k, "b", 8);
        kit_end_turn(k);
        kit_kill(k);
        for (int i = 0; i < way; i++)
            step(k);
        assert_true(waits(k, &r, &c));
        assert_true(waits(k, &other, &c));
        step(k);
        engine_reader_end(k->e, &other);
        engine_begin(k->e);
        if (way == 2) assert_int_equal(engine_del(k->e, 0, SLICE("large")), ENGINE_OK);
        engine_commit(k->e);
        if (way == 3) assert_true(open_coll(k, 0, "large", &c));
        for (int slices = 0; r.waits; slices++) {
            assert_true(slices < 20); /* one that was begun, and this one: 3 and 12 */
            step(k);
        }
        if (way != 2) {
            assert_false(waits(k, &r, &c));
            assert_int_equal(engine_map_count(k->e, &c, ENGINE_DERIVED), 3000);
        }
        engine_reader_end(k->e, &r);
        while (step(k))
            continue;
        assert_int_equal(pending(k), 0);
        kit_free(k);
    }
}

enum { KEYS = 5, MEMBERS = 600 };
/* What is there by rights: scores, or -1. */
typedef struct expected {
    int score[KEYS][MEMBERS];
} expected;

/* A few changes of one collection in a batch, which may be aborted. */
static void change_one(kit *k, rng *r, expected *m, int key) {
    char name[2] = {(char)('a' + key), 0}, sub[16];
    expected was = *m;
    engine_coll c;
    engine_begin(k->e);
    if (!open_coll(k, 0, name, &c)) new_coll(k, name, ZSET, &c);
    for (uint64_t n = 1 + rng_below(r, rng_below(r, 10) ? 10 : 700); n > 0; n--) {
        int i = (int)rng_below(r, MEMBERS), *score = &m->score[key][i];
        slice s = sub_of(i, sub);
        char old[40];
        memcpy(put_be64(old, (uint64_t)*score), s.data, s.len);
        slice d = slice_of(old, 8 + s.len);
        if (*score >= 0) assert_int_equal(engine_map_del(k->e, &c, ENGINE_DERIVED, d), ENGINE_OK);
        if (*score >= 0 && rng_below(r, 3) == 0) {
            assert_int_equal(engine_map_del(k->e, &c, 0, s), ENGINE_OK);
            *score = -1;
        } else {
            *score = (int)rng_below(r, 100);
            put(k, &c, i, (uint64_t)*score, 8);
        }
    }
    if (rng_below(r, 4)) {
        engine_commit(k->e);
    } else {
        engine_abort(k->e);
        *m = was;
    }
}

/* All of one collection, by score. */
static void compare_one(kit *k, const expected *m, int key) {
    char name[2] = {(char)('a' + key), 0}, sub[16];
    engine_coll c;
    map_iter it;
    uint64_t n = 0;
    bool there = open_coll(k, 0, name, &c);
    for (int i = 0; i < MEMBERS; i++) {
        if (m->score[key][i] < 0) continue;
        char want[40];
        slice s = sub_of(i, sub);
        memcpy(put_be64(want, (uint64_t)m->score[key][i]), s.data, s.len);
        assert_true(there);
        assert_int_equal(engine_map_get(k->e, &c, ENGINE_DERIVED, slice_of(want, 8 + s.len), &it),
                         ENGINE_OK);
        n++;
    }
    if (there) assert_int_equal(engine_map_count(k->e, &c, ENGINE_DERIVED), n);
}

/* Kills and clean ends, and work at once behind them, before all is made and looked at. */
static void at_random(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    kit *k = new_kit();
    expected m;
    memset(&m, 0xff, sizeof m);
    for (int i = 0; i < 400; i++) {
        int key = (int)rng_below(&r, KEYS);
        uint64_t what = rng_below(&r, 20);
        if (what < 10) {
            change_one(k, &r, &m, key);
        } else if (what < 13) {
            compare_one(k, &m, key);
        } else if (what == 13) {
            kit_end_turn(k);
            kit_kill(k);
        } else if (what == 14) {
            kit_close(k);
            kit_open(k);
        } else if (what == 15 && rng_below(&r, 4) == 0) {
            engine_db_stats st;
            engine_db_stats_of(k->e, 0, &st);
            if (st.keys > 0) kit_merge(k); /* else there may be nothing to merge */
        } else if (what == 16) {
            char name[2] = {(char)('a' + key), 0};
            engine_begin(k->e);
            engine_result gone = engine_del(k->e, 0, slice_cstr(name));
            engine_commit(k->e);
            if (gone == ENGINE_OK) memset(m.score[key], 0xff, sizeof m.score[key]);
        } else {
            step(k);
        }
    }
    for (int key = 0; key < KEYS; key++)
        compare_one(k, &m, key);
    kit_check(k);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest later[] = {
        cmocka_unit_test(made_when_opened),  cmocka_unit_test(opened_between_slices),
        cmocka_unit_test(changed_first),     cmocka_unit_test(never_opened),
        cmocka_unit_test(huge_ones_at_once), cmocka_unit_test(waited_for),
        cmocka_unit_test(at_random),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_logged),         cmocka_unit_test(made_again),
        cmocka_unit_test(from_values_in_the_log),    cmocka_unit_test(other_types),
        cmocka_unit_test(records_of_an_older_store),
    };
    int failed = kit_use("bitcask") + cmocka_run_group_tests_name("bitcask", tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("behind a start", later, NULL, NULL);
    return failed + kit_use("lsm") + cmocka_run_group_tests_name("lsm", tests, NULL, NULL);
}
