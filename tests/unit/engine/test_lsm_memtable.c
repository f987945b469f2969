/* A memtable over something older, against a map: whatever is put, deleted and undone, what shows
 * through is what the map has, and no pair stays that hides nothing. */
#include "engine/lsm/memtable.h"
#include "support/unit.h"

#include "base/mem.h"

#include <stdio.h>

enum { KEYS = 200 };

/* What there is under each key: below the memtable, and all in all. 0: absent. */
typedef struct world {
    memtable *m;
    uint32_t below[KEYS], now[KEYS];
} world;

static slice key_of(int i, char out[8]) {
    return slice_of(out, (size_t)snprintf(out, 8, "k%03d", i));
}

/* The cell of a number: longer ones for greater numbers, so that pairs move about. */
static slice value_of(uint32_t n, buf *b) {
    buf_clear(b);
    memset(buf_reserve(b, MEM_HEAD), 0xee, MEM_HEAD);
    b->len = MEM_HEAD;
    buf_append_char(b, CELL_PRESENT);
    buf_append(b, &n, sizeof n);
    for (uint32_t i = 0; i < n % 700; i++)
        buf_append_char(b, (char)n);
    return buf_slice(b);
}

static void put(world *w, int i, uint32_t n, log_pos pos) {
    char k[8];
    buf b = {0};
    btree_spot spot;
    btree_find(w->m->tree, key_of(i, k), &spot);
    memtable_put(w->m, &spot, key_of(i, k), pos, value_of(n, &b), w->now[i] != 0);
    w->now[i] = n;
    buf_free(&b);
}

static void del(world *w, int i, log_pos pos) {
    char k[8];
    btree_spot spot;
    btree_find(w->m->tree, key_of(i, k), &spot);
    memtable_del(w->m, &spot, key_of(i, k), pos);
    w->now[i] = 0;
}

/* What a reader would find: here, else below. */
static uint32_t seen(const world *w, int i, log_pos *pos) {
    char k[8];
    slice cell;
    uint32_t n;
    *pos = 0;
    if (!memtable_get(w->m, key_of(i, k), &cell, pos)) return w->below[i];
    if (cell.data[0] == CELL_TOMBSTONE) {
        assert_int_equal(cell.len, 1);
        assert_true(w->below[i] != 0); /* else it would hide nothing */
        return 0;
    }
    memcpy(&n, cell.data + 1, sizeof n);
    assert_int_equal(cell.len, 5 + n % 700);
    return n;
}

static void compare(const world *w) {
    btree_iter it;
    log_pos pos;
    uint64_t tombstones = 0;
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(seen(w, i, &pos), w->now[i]);
    for (bool on = btree_first(w->m->tree, &it); on; on = btree_next(&it))
        tombstones += memtable_cell(btree_iter_value(&it), NULL).data[0] != CELL_PRESENT;
    assert_int_equal(tombstones, w->m->tombstones);
    assert_int_equal(memtable_entries(w->m), btree_count(w->m->tree));
}

/* All pairs, in order, as bytes. */
static void image(const memtable *m, buf *out) {
    btree_iter it;
    for (bool on = btree_first(m->tree, &it); on; on = btree_next(&it)) {
        buf_append_slice(out, btree_iter_key(&it));
        buf_append_slice(out, btree_iter_value(&it));
    }
}

static void test_against_a_map(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    world w = {.m = memtable_new(1)};
    for (int i = 0; i < KEYS; i++) /* half of them are below */
        w.below[i] = w.now[i] = i % 2 ? 1 + (uint32_t)rng_below(&r, 5000) : 0;
    for (int step = 1; step < unit_rounds(20000); step++) {
        int i = (int)rng_below(&r, KEYS);
        log_pos pos = (log_pos)step * 10, at;
        if (w.now[i] && rng_below(&r, 2))
            del(&w, i, pos);
        else
            put(&w, i, 1 + (uint32_t)rng_below(&r, 5000), pos);
        assert_int_equal(seen(&w, i, &at), w.now[i]);
        assert_true(w.now[i] == 0 || at == pos);
        if (step % 500 == 0) compare(&w);
    }
    for (int i = 0; i < KEYS; i++)
        if (w.now[i]) del(&w, i, 1000000);
    compare(&w);
    assert_int_equal(memtable_entries(w.m), KEYS / 2); /* a tombstone for each that is below */
    assert_int_equal(w.m->tombstones, KEYS / 2);
    memtable_free(w.m);
}

/* Changes taken back from the last to the first leave what there was, byte by byte. */
static void test_restore(void **state) {
    (void)state;
    enum { CHANGES = 60 };
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(60); round++) {
        world w = {.m = memtable_new(1)}, before;
        buf old[CHANGES] = {{0}}, a = {0}, b = {0};
        int which[CHANGES];
        char k[8];
        for (int i = 0; i < 100; i++)
            put(&w, (int)rng_below(&r, KEYS), 1 + (uint32_t)rng_below(&r, 2000), 5);
        before = w;
        uint64_t tombstones = w.m->tombstones;
        image(w.m, &a);
        for (int i = 0; i < CHANGES; i++) {
            slice v;
            which[i] = (int)rng_below(&r, KEYS / 8);
            if (btree_get(w.m->tree, key_of(which[i], k), &v)) buf_append_slice(&old[i], v);
            if (w.now[which[i]] && rng_below(&r, 2))
                del(&w, which[i], 7);
            else
                put(&w, which[i], 1 + (uint32_t)rng_below(&r, 2000), 7);
        }
        for (int i = CHANGES; i-- > 0;) {
            memtable_restore(w.m, key_of(which[i], k), buf_slice(&old[i]));
            buf_free(&old[i]);
        }
        image(w.m, &b);
        assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
        assert_int_equal(w.m->tombstones, tombstones);
        memcpy(w.now, before.now, sizeof w.now);
        compare(&w);
        buf_free(&a);
        buf_free(&b);
        memtable_free(w.m);
    }
}

/* A batch that goes to another file takes its positions along; the others stay. */
static void test_move(void **state) {
    (void)state;
    world w = {.m = memtable_new(1)};
    log_pos from = (log_pos)3 << 32 | 1000, to = (log_pos)4 << 32 | 100, pos;
    char k[8];
    put(&w, 1, 10, from);      /* of the batch before: ends there */
    put(&w, 2, 10, from + 50); /* of this one */
    for (int times = 0; times < 2; times++)
        for (int i = 0; i < 3; i++)
            memtable_move(w.m, key_of(i, k), from, to);
    assert_int_equal(seen(&w, 1, &pos), 10);
    assert_true(pos == from);
    assert_int_equal(seen(&w, 2, &pos), 10);
    assert_true(pos == to + 50);
    memtable_free(w.m);
}

/* Freeing in slices ends. */
static void test_free_some(void **state) {
    (void)state;
    world w = {.m = memtable_new(1)};
    int slices = 1;
    for (int i = 0; i < KEYS; i++)
        put(&w, i, 300, 1);
    while (!memtable_free_some(w.m, 20))
        slices++;
    assert_in_range(slices, 5, 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_map),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_free_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
