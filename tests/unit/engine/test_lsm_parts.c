/* What the LSM engine's parts promise each other and no reader sees at once: which databases are
 * dead and when, what a frozen memtable takes along, positions, what drops and deletes leave. */
#include "engine/lsm/lsm_int.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include <stdio.h>

static lsm *of(kit *k) {
    return lsm_of(k->e);
}

static uint32_t pdb_of(kit *k, uint32_t db) {
    return of(k)->map[db]->number;
}

/* Entries of all tables. */
static uint64_t entries(kit *k) {
    uint64_t n = 0;
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        n += of(k)->current->level[l].entries;
    return n;
}

/* A database that was flushed is dead once no crash can bring it back, and not sooner: not while
 * the manifest's mapping has it, nor while the log alone knows what came after that. */
static void test_dead_databases(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    uint32_t was[5];
    kit_settle(k);
    for (int i = 0; i < 4; i++) {
        kit_put(k, "k", "v");
        was[i] = pdb_of(k, 0);
        if (i == 1) { /* the edit with the first flush's mapping is under way from here on */
            kit_end_turn(k);
            assert_true(status_ok(engine_sync(k->e)));
            k->hold = true;
            engine_cron(k->e);
            assert_true(of(k)->map_gen != 0);
        }
        kit_flush(k, 0);
        for (int j = 0; j <= i; j++)
            assert_false(lsm_pdb_is_dead(of(k), was[j]));
    }
    was[4] = pdb_of(k, 0);
    k->hold = false;
    k->env.aio->ops->drain(k->env.aio);
    lsm_dbs_checkpoint(of(k)); /* now the manifest has was[1], made with the first flush */
    assert_true(lsm_pdb_is_dead(of(k), was[0]));
    for (int j = 1; j < 5; j++)
        assert_false(lsm_pdb_is_dead(of(k), was[j]));
    kit_settle(k);
    for (int j = 0; j < 4; j++)
        assert_true(lsm_pdb_is_dead(of(k), was[j]));
    assert_false(lsm_pdb_is_dead(of(k), was[4]));
    kit_kill(k);
    for (int j = 0; j < 4; j++)
        assert_true(lsm_pdb_is_dead(of(k), was[j]));
    assert_false(lsm_pdb_is_dead(of(k), was[4]));
    kit_free(k);
}

/* Crons, with all that workers and children can do; the turn goes on. */
static void cron(kit *k) {
    k->now_us += 10000;
    clock_refresh(&k->clock);
    engine_cron(k->e);
    for (int i = 0; i < 100; i++) {
        while (simaio_step(k->workers) || simchild_step(k->children))
            continue;
        k->env.aio->ops->poll(k->env.aio);
        k->env.children->ops->poll(k->env.children);
    }
}

/* One that was made and flushed again before the manifest heard of it lives when a memtable's
 * mapping has it: while the log may lose the flush, nothing of it is left out. */
static void test_mapped_late(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_setting("appendfsync", "no");
    kit_open(k);
    kit_put(k, "k", "0");
    kit_settle(k);
    kit_flush(k, 0);
    kit_put(k, "k", "1");
    lsm_freeze(of(k), engine_log_end(k->e)); /* its mapping is of before */
    kit_flush(k, 0);
    uint32_t late = pdb_of(k, 0);
    kit_put(k, "k", "2");
    lsm_freeze(of(k), engine_log_end(k->e));
    kit_put(k, "k", "3");
    lsm_freeze(of(k), engine_log_end(k->e));
    assert_true(status_ok(engine_sync(k->e)));
    log_pos end = engine_durable(k->e);
    kit_flush(k, 0);
    of(k)->log.want_sync = false; /* the disk takes its time with this one */
    for (int i = 0; of(k)->nfrozen; i++) {
        assert_true(i < 100);
        cron(k);
        assert_false(lsm_pdb_is_dead(of(k), late));
    }
    cron(k);
    assert_true(of(k)->flushed == end && engine_durable(k->e) == end);
    kit_power_cut(k);
    assert_int_equal(pdb_of(k, 0), late);
    kit_has(k, "k", "3");
    kit_flush(k, 0);
    kit_settle(k);
    assert_true(lsm_pdb_is_dead(of(k), late));
    kit_free(k);
}

/* A flush that is undone, or swapped away in its own batch, leaves no database behind. */
static void test_undone_flushes(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    kit_put(k, "k", "v");
    uint32_t n = of(k)->npdbs, was = pdb_of(k, 0), other = pdb_of(k, 1);
    for (int i = 0; i < 3; i++) {
        engine_begin(k->e);
        entry ent = {.value = SLICE("x")};
        assert_int_equal(engine_flush(k->e, 0), ENGINE_OK);
        assert_int_equal(engine_put(k->e, 0, SLICE("n"), &ent), ENGINE_OK);
        assert_int_equal(engine_flush(k->e, -1), ENGINE_OK);
        assert_int_equal(engine_swap(k->e, 0, 1), ENGINE_OK);
        engine_abort(k->e);
        assert_int_equal(of(k)->npdbs, n);
        assert_true(pdb_of(k, 0) == was && pdb_of(k, 1) == other);
    }
    kit_has(k, "k", "v");
    kit_check(k);
    kit_free(k);
}

/* A memtable frozen behind a FLUSH that no edit has takes the mapping with it, and its totals are
 * those of then. */
static void test_frozen_with_mapping(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    kit_put_len(k, 0, "a", 10, 'x');
    kit_put_len(k, 1, "b", 10, 'x');
    kit_settle(k);
    lsm_freeze(of(k), engine_log_end(k->e));
    const memtable *m = of(k)->active->older;
    assert_true(m && m->map == NULL && m->ncounts == 2);
    kit_flush(k, 0);
    kit_put_len(k, 2, "c", 10, 'x');
    uint32_t mapped = pdb_of(k, 0);
    log_pos end = engine_log_end(k->e);
    lsm_freeze(of(k), end);
    kit_put_len(k, 2, "d", 10, 'x');
    m = of(k)->active->older;
    assert_true(m->end == end && m->map && m->nmap == of(k)->ndbs);
    assert_int_equal(m->map[0].pdb, mapped);
    assert_int_equal(m->ncounts, 2); /* dbs 1 and 2 */
    for (size_t i = 0; i < m->ncounts; i++)
        assert_true(m->counts[i].pdb != mapped && m->counts[i].keys == 1);
    kit_settle(k);
    assert_int_equal(of(k)->nfrozen, 0);
    kit_power_cut(k);
    kit_has_not(k, "a");
    kit_check(k);
    kit_free(k);
}

/* When the open batch goes to another file of the log, its entries say so; those before stay. */
static void test_positions_move(void **state) {
    (void)state;
    kit *k = kit_sim();
    char name[16], value[2000];
    entry ent = {.value = slice_of(value, sizeof value)}, first, last, before;
    kit_setting("compression", "no");
    kit_open(k);
    memset(value, 'v', sizeof value);
    kit_put(k, "before", "1");
    assert_int_equal(engine_get(k->e, 0, SLICE("before"), &before), ENGINE_OK);
    engine_begin(k->e);
    for (int i = 0; i < 40; i++) { /* more than is left of a file of 64 KiB */
        slice key = slice_of(name, (size_t)snprintf(name, sizeof name, "k%d", i));
        assert_int_equal(engine_put(k->e, 0, key, &ent), ENGINE_OK);
        if (i == 0) assert_int_equal(engine_put(k->e, 0, key, &ent), ENGINE_OK);
    }
    assert_int_equal(engine_meta(k->e, 0, SLICE("k0"), &first), ENGINE_OK);
    assert_int_equal(engine_meta(k->e, 0, SLICE("k39"), &last), ENGINE_OK);
    log_pos end = engine_log_end(k->e);
    assert_true(last.pos == end);
    assert_true(log_pos_file(end) > log_pos_file(before.pos));
    assert_true(log_pos_file(first.pos) == log_pos_file(end) && first.pos < last.pos);
    engine_commit(k->e);
    assert_int_equal(engine_get(k->e, 0, SLICE("before"), &ent), ENGINE_OK);
    assert_true(ent.pos == before.pos);
    kit_free(k);
}

/* A dropped collection, deleted keys and values apart leave nothing once all is compacted; keys
 * that come and go in one memtable leave nothing at all. */
static void test_nothing_is_left(void **state) {
    (void)state;
    kit *k = kit_sim();
    char name[16];
    kit_open(k);
    kit_coll(k, 500);
    for (int i = 0; i < 50; i++) {
        entry ent = {.expire = 1 + i % 7};
        slice key = slice_of(name, (size_t)snprintf(name, sizeof name, "e%d", i));
        engine_begin(k->e);
        assert_int_equal(engine_put(k->e, 0, key, &ent), ENGINE_OK);
        engine_commit(k->e);
        kit_put_len(k, 0, "long", 1000, 'l');
    }
    kit_merge(k);
    /* 500 + 50 + 25 elements, their owner and counts; 50 entries with due pairs; one with value */
    assert_int_equal(entries(k), 500 + 50 + 25 + 2 + 100 + 2);
    assert_int_equal(memtable_entries(of(k)->active), 0);
    for (int i = 0; i < 100; i++) {
        kit_put_len(k, 0, "x", i % 2 ? 10 : 500, 'x');
        kit_del(k, "x");
    }
    assert_int_equal(memtable_entries(of(k)->active), 0);
    kit_del(k, "c");
    kit_del(k, "long");
    /* owner, counts, drop; entry, value */
    assert_int_equal(memtable_entries(of(k)->active), 5);
    assert_int_equal(of(k)->active->tombstones, 5);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "e%d", i);
        kit_del(k, name);
    }
    assert_int_equal(of(k)->active->tombstones, 105);
    kit_merge(k);
    assert_int_equal(entries(k), 0);
    kit_free(k);
}

/* What is due comes up in its order, whatever is put and deleted meanwhile, and what was removed is
 * not walked over again. */
static void test_due_in_order(void **state) {
    (void)state;
    enum { KEYS = 600 };
    kit *k = kit_sim();
    char name[16];
    buf key = {0};
    rng r;
    uint32_t db;
    int64_t when, last = 0;
    unit_seed(&r);
    kit_open(k);
    for (int i = 0; i < KEYS; i++) {
        entry ent = {.expire = 1000 + (int64_t)rng_below(&r, 20)};
        slice n = slice_of(name, (size_t)snprintf(name, sizeof name, "k%d", i));
        engine_begin(k->e);
        assert_int_equal(engine_put(k->e, (uint32_t)i % 3, n, &ent), ENGINE_OK);
        (rng_below(&r, 4) ? engine_commit : engine_abort)(k->e);
        if (i % 200 == 100) kit_merge(k);
    }
    assert_int_equal(engine_due(k->e, 999, &db, &key, &when), ENGINE_ABSENT);
    assert_true(when >= 1000);
    for (int n = 0; engine_due(k->e, 2000, &db, &key, &when) == ENGINE_OK; n++) {
        entry ent;
        assert_true(when >= last && n < KEYS);
        last = when;
        assert_int_equal(engine_meta(k->e, db, buf_slice(&key), &ent), ENGINE_OK);
        assert_true(ent.expire == when);
        engine_begin(k->e);
        assert_int_equal(engine_del(k->e, db, buf_slice(&key)), ENGINE_OK);
        if (n % 5 == 0) { /* once more, after an abort */
            engine_abort(k->e);
            last = when;
            continue;
        }
        engine_commit(k->e);
        const db_totals *t = &of(k)->map[db]->totals;
        assert_true(t->expires == 0 || t->low.when >= when);
        if (n % 50 == 0) kit_check(k);
        if (n % 150 == 0) kit_merge(k);
    }
    assert_int_equal(engine_due(k->e, 2000, &db, &key, &when), ENGINE_ABSENT);
    assert_int_equal(when, 0);
    kit_check(k);
    buf_free(&key);
    kit_free(k);
}

/* A map's ends are remembered, moved by what is put beyond them, and forgotten when asked to. */
static void test_ends(void **state) {
    (void)state;
    static map_ends m;
    char longest[END_KEY_MAX + 1] = "b";
    slice from = SLICE_EMPTY;
    assert_true(ends_seek(&m, 5, 1, false, &from) && from.len == 0);
    ends_found(&m, 5, 1, false, SLICE("k"));
    assert_true(ends_seek(&m, 5, 1, false, &from) && slice_eq(from, SLICE("k")));
    from = SLICE("c");
    assert_true(ends_seek(&m, 5, 1, false, &from) && slice_eq(from, SLICE("k")));
    from = SLICE("m");
    assert_true(!ends_seek(&m, 5, 1, false, &from) && slice_eq(from, SLICE("m")));
    from = SLICE("m"); /* nothing is known of the other end, nor of other maps */
    assert_true(!ends_seek(&m, 5, 1, true, &from) && slice_eq(from, SLICE("m")));
    from = SLICE("c");
    assert_true(!ends_seek(&m, 5, 2, false, &from) && slice_eq(from, SLICE("c")));
    ends_put(&m, 5, 1, SLICE("z"));
    ends_put(&m, 5, 2, SLICE("a"));
    ends_put(&m, 5, 1, SLICE("d"));
    from = SLICE_EMPTY;
    assert_true(ends_seek(&m, 5, 1, false, &from) && slice_eq(from, SLICE("d")));
    ends_found(&m, 5, 1, true, SLICE("z"));
    ends_put(&m, 5, 1, SLICE("zz"));
    from = SLICE_EMPTY;
    assert_true(ends_seek(&m, 5, 1, true, &from) && slice_eq(from, SLICE("zz")));
    ends_put(&m, 5, 1, slice_of(longest, sizeof longest)); /* too long to be remembered */
    from = SLICE_EMPTY;
    assert_true(ends_seek(&m, 5, 1, false, &from) && from.len == 0);
    assert_true(ends_seek(&m, 5, 1, true, &from) && slice_eq(from, SLICE("zz")));
    ends_forget(&m);
    from = SLICE_EMPTY;
    assert_true(ends_seek(&m, 5, 1, true, &from) && from.len == 0);
}

/* Popping from either end of what is in tables costs the same at the end as at the beginning: the
 * tombstones that a pop leaves are not walked over by the next one. */
static void test_queue(void **state) {
    (void)state;
    kit *k = kit_sim();
    kit_open(k);
    engine_coll c = kit_coll(k, 500);
    kit_merge(k);
    for (int i = 0; i < 500; i++) {
        map_iter it;
        char sub[8];
        bool tail = i % 2;
        engine_begin(k->e);
        assert_int_equal(engine_map_seek(k->e, &c, 2, SLICE_EMPTY, tail, &it), ENGINE_OK);
        snprintf(sub, sizeof sub, "%05d", tail ? 499 - i / 2 : i / 2);
        assert_true(slice_eq(it.subkey, slice_cstr(sub)));
        assert_int_equal(engine_map_del(k->e, &c, 2, slice_cstr(sub)), ENGINE_OK);
        if (i % 7 == 3) { /* once more */
            engine_abort(k->e);
            engine_begin(k->e);
            assert_int_equal(engine_map_seek(k->e, &c, 2, SLICE_EMPTY, tail, &it), ENGINE_OK);
            assert_true(slice_eq(it.subkey, slice_cstr(sub)));
            assert_int_equal(engine_map_del(k->e, &c, 2, slice_cstr(sub)), ENGINE_OK);
        }
        engine_commit(k->e);
        slice from = SLICE_EMPTY; /* the next search begins where this one ended */
        assert_true(ends_seek(&of(k)->ends, c.id, 2, tail, &from));
        assert_true(slice_eq(from, slice_cstr(sub)));
    }
    assert_int_equal(engine_map_count(k->e, &c, 2), 0);
    assert_int_equal(engine_map_count(k->e, &c, 1), 50);
    kit_check(k);
    kit_free(k);
}

/* Access state is kept in place where that costs nothing, and a change writes what it is given. */
static void test_access(void **state) {
    (void)state;
    kit *k = kit_sim();
    entry ent = {.access = 0x123456, .value = SLICE("v")};
    kit_open(k);
    engine_begin(k->e);
    assert_int_equal(engine_put(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
    engine_commit(k->e);
    assert_int_equal(engine_get(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
    assert_int_equal(ent.access, 0x123456);
    engine_set_access(k->e, &ent, 0xabcdef);
    assert_int_equal(engine_meta(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
    assert_int_equal(ent.access, 0xabcdef);
    kit_merge(k);
    assert_int_equal(engine_meta(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
    assert_int_equal(ent.access, 0xabcdef);
    engine_set_access(k->e, &ent, 7); /* forgotten: it is in a table */
    assert_int_equal(engine_meta(k->e, 0, SLICE("k"), &ent), ENGINE_OK);
    assert_int_equal(ent.access, 0xabcdef);
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_databases), cmocka_unit_test(test_mapped_late),
        cmocka_unit_test(test_undone_flushes), cmocka_unit_test(test_frozen_with_mapping),
        cmocka_unit_test(test_positions_move), cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_due_in_order),   cmocka_unit_test(test_access),
        cmocka_unit_test(test_ends),           cmocka_unit_test(test_queue),
    };
    int failed = kit_use("lsm");
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
