/* Values that memtables leave to the log's memory: read as any other, whatever becomes of the
 * batch, of the log's tail and of the memtable; and in memory once. */
#include "engine/lsm/jobs.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include "base/btree.h"
#include "base/mem.h"

#include <stdio.h>

enum { PIECES = 600, PIECE = 4096 };

/* Bytes of a piece: such as do not pack, or, every third time, half of them do. */
static slice piece_of(int value, int i, char out[PIECE]) {
    rng r;
    rng_seed(&r, (uint64_t)value << 32 | (uint64_t)i);
    memset(out, 'z', PIECE);
    for (size_t at = 0; at < (i % 3 ? PIECE : PIECE / 2); at += 8)
        put_u64(out + at, rng_next(&r));
    return slice_of(out, PIECE);
}

static slice key_of(int i, char out[8]) {
    return slice_of(out, (size_t)snprintf(out, 8, "%05d", i));
}

/* A collection of PIECES pieces under a key, in the open batch. */
static void put_pieces(kit *k, const char *key, int value, engine_coll *c) {
    char bytes[PIECE], sub[8];
    assert_int_equal(engine_coll_new(k->e, 0, slice_cstr(key), c), ENGINE_OK);
    entry ent = {.type = 1, .coll = c->id};
    assert_int_equal(engine_put(k->e, 0, slice_cstr(key), &ent), ENGINE_OK);
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(engine_map_put(k->e, c, 0, key_of(i, sub), piece_of(value, i, bytes),
                                        i % 7 ? 0 : 1000000 + i),
                         ENGINE_OK);
}

/* All of them, one by one and in order. */
static void has_pieces(kit *k, const char *key, int value) {
    char bytes[PIECE], sub[8];
    engine_coll c;
    entry ent;
    map_iter it;
    int n = 0;
    assert_int_equal(engine_get(k->e, 0, slice_cstr(key), &ent), ENGINE_OK);
    assert_int_equal(engine_coll_open(k->e, 0, slice_cstr(key), &ent, &c), ENGINE_OK);
    for (int i = 0; i < PIECES; i += 11) {
        assert_int_equal(engine_map_get(k->e, &c, 0, key_of(i, sub), &it), ENGINE_OK);
        assert_true(slice_eq(it.value, piece_of(value, i, bytes)));
        assert_int_equal(it.expire, i % 7 ? 0 : 1000000 + i);
    }
    engine_result r = engine_map_seek(k->e, &c, 0, SLICE_EMPTY, false, &it);
    for (; r == ENGINE_OK; r = engine_map_step(k->e, &it, false), n++) {
        assert_true(slice_eq(it.subkey, key_of(n, sub)));
        assert_true(slice_eq(it.value, piece_of(value, n, bytes)));
    }
    assert_int_equal(n, PIECES);
    assert_int_equal(engine_map_seek(k->e, &c, 0, SLICE_EMPTY, true, &it), ENGINE_OK);
    assert_true(slice_eq(it.value, piece_of(value, PIECES - 1, bytes)));
}

/* A store with memtables larger than a value, so that nothing is flushed unasked. */
static kit *new_kit(bool real) {
    kit *k = real ? kit_real() : kit_sim();
    kit_setting("memtable-size", "64mb");
    kit_setting("segment-size", "64mb");
    kit_open(k);
    return k;
}

/* Through the whole life of a value: in the batch, in the tail, written, in a table. */
static void live(bool real) {
    kit *k = new_kit(real);
    lsm *e = lsm_of(k->e);
    engine_coll c;
    engine_begin(k->e);
    put_pieces(k, "v", 1, &c);
    assert_true(e->logged.batch_runs > 0);
    has_pieces(k, "v", 1);
    engine_commit(k->e);
    uint64_t value = (uint64_t)PIECES * PIECE;
    /* the first MiB is in the tree, what is behind is not */
    assert_true(btree_bytes(e->active->tree) < value * 3 / 4);
    assert_true(memtable_bytes(e->active) > value);
    assert_int_equal(e->logged.bytes, 0);
    assert_true(logged_in_tail(e, e->active));
    has_pieces(k, "v", 1);
    kit_commit(k);
    assert_false(logged_in_tail(e, e->active));
    assert_true(e->logged.bytes > value / 4 && e->logged.bytes < value);
    has_pieces(k, "v", 1);
    kit_check(k);
    lsm_switch(e);
    has_pieces(k, "v", 1);
    for (int i = 0; i == 0 || (e->nfrozen > 0 && i < 1000); i++) /* a real disk takes its time */
        kit_settle(k);
    assert_int_equal(e->nfrozen, 0);
    assert_true(kit_info(k, "flushes") > 0);
    assert_int_equal(e->logged.bytes, 0);
    assert_int_equal(e->logged.nchunks, 0);
    has_pieces(k, "v", 1);
    kit_check(k);
    kit_close(k);
    kit_open(k);
    has_pieces(k, "v", 1);
    kit_free(k);
}

static void test_life(void **state) {
    (void)state;
    live(false);
}

/* Forked children see what was the tail's. */
static void test_life_with_children(void **state) {
    (void)state;
    uint64_t inherited = mem_inherited() - mem_used();
    live(true);
    assert_true(mem_inherited() - mem_used() == inherited || mem_inherited() <= mem_used());
}

/* What is overwritten, deleted and undone; a batch that moves to another file of the log. */
static void test_changes(void **state) {
    (void)state;
    kit *k = new_kit(false);
    lsm *e = lsm_of(k->e);
    engine_coll c;
    char bytes[PIECE], sub[8];
    map_iter it;
    engine_begin(k->e);
    put_pieces(k, "v", 1, &c);
    engine_abort(k->e);
    kit_has_not(k, "v");
    assert_int_equal(e->logged.nruns, 0);
    engine_begin(k->e);
    put_pieces(k, "v", 2, &c);
    engine_commit(k->e);
    engine_begin(k->e); /* over those that were left */
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(engine_map_put(k->e, &c, 0, key_of(i, sub), piece_of(3, i, bytes),
                                        i % 7 ? 0 : 1000000 + i),
                         ENGINE_OK);
    has_pieces(k, "v", 3);
    engine_abort(k->e);
    has_pieces(k, "v", 2);
    kit_commit(k);
    has_pieces(k, "v", 2);
    engine_begin(k->e);
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(engine_map_del(k->e, &c, 0, key_of(i, sub)), ENGINE_OK);
    assert_int_equal(engine_map_get(k->e, &c, 0, key_of(9, sub), &it), ENGINE_ABSENT);
    engine_abort(k->e);
    has_pieces(k, "v", 2);
    assert_true(status_ok(chain_ask_next(&e->log)));
    for (int i = 0; i < 100 && !e->log.next; i++)
        kit_end_turn(k);
    engine_begin(k->e);
    put_pieces(k, "w", 4, &c);
    chain_rotate(&e->log);
    has_pieces(k, "w", 4);
    put_pieces(k, "x", 5, &c);
    engine_commit(k->e);
    kit_commit(k);
    has_pieces(k, "w", 4);
    has_pieces(k, "x", 5);
    kit_check(k);
    assert_true(status_ok(engine_sync(k->e)));
    kit_power_cut(k);
    has_pieces(k, "v", 2);
    has_pieces(k, "x", 5);
    kit_check(k);
    kit_free(k);
}

/* A memtable that was flushed takes with it what it alone needed; one that is read stays. */
static void test_one_memtable_after_another(void **state) {
    (void)state;
    kit *k = new_kit(false);
    lsm *e = lsm_of(k->e);
    engine_coll c;
    char key[8];
    for (int i = 0; i < 3; i++) {
        engine_begin(k->e);
        snprintf(key, sizeof key, "v%d", i);
        put_pieces(k, key, i, &c);
        engine_commit(k->e);
        k->hold = true;
        lsm_switch(e);
    }
    memtable *oldest = e->active->older->older->older;
    oldest->readers++;
    k->hold = false;
    for (int i = 0; i < 10000 && e->nfrozen; i++) {
        kit_end_turn(k);
        engine_cron(k->e);
        engine_background(k->e, 1000);
    }
    assert_int_equal(e->nfrozen, 0);
    while (engine_background(k->e, 1000) && e->dying->older)
        continue;
    assert_ptr_equal(e->dying, oldest);
    assert_true(e->logged.bytes > 0 && e->logged.chunks[0].memtable == oldest->number);
    oldest->readers--;
    kit_settle(k);
    assert_null(e->dying);
    assert_int_equal(e->logged.bytes, 0);
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "v%d", i);
        has_pieces(k, key, i);
    }
    kit_free(k);
}

/* Values that are no collection's, and the short ones among them, which are copied. */
static void test_entries(void **state) {
    (void)state;
    kit *k = new_kit(false);
    lsm *e = lsm_of(k->e);
    char key[8], bytes[PIECE];
    entry ent;
    engine_begin(k->e);
    for (int i = 0; i < PIECES; i++) {
        ent = (entry){.type = 1, .value = piece_of(1, i, bytes), .expire = i % 5 ? 0 : 99999};
        if (i % 4 == 3) ent.value.len = 200;
        assert_int_equal(engine_put(k->e, 0, key_of(i, key), &ent), ENGINE_OK);
    }
    engine_commit(k->e);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PIECES; i++) {
            slice want = piece_of(1, i, bytes);
            if (i % 4 == 3) want.len = 200;
            assert_int_equal(engine_get(k->e, 0, key_of(i, key), &ent), ENGINE_OK);
            assert_true(slice_eq(ent.value, want));
        }
        if (round == 0) kit_commit(k);
        if (round == 0) assert_true(e->logged.bytes > 0);
        if (round == 1) kit_merge(k);
    }
    engine_begin(k->e);
    assert_int_equal(engine_move(k->e, 0, SLICE("00500"), 1, SLICE("moved")), ENGINE_OK);
    engine_commit(k->e);
    assert_int_equal(engine_get(k->e, 1, SLICE("moved"), &ent), ENGINE_OK);
    assert_true(slice_eq(ent.value, piece_of(1, 500, bytes)));
    kit_check(k);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),    cmocka_unit_test(test_life_with_children),
        cmocka_unit_test(test_changes), cmocka_unit_test(test_one_memtable_after_another),
        cmocka_unit_test(test_entries),
    };
    return kit_use("lsm") + cmocka_run_group_tests(tests, NULL, NULL);
}
