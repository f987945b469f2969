/* Tests of engine_mem: what tests above it and the simulator take for granted. */
#include "base/hash.h"
#include "base/mem.h"
#include "support/engine_mem.h"
#include "support/omap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t test_seed(void) {
    const char *s = getenv("STAVE_SEED");
    uint64_t seed = s ? strtoull(s, NULL, 10) : 20240607;
    printf("STAVE_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void put(engine *e, uint32_t db, const char *key, const char *value, int64_t expire) {
    entry ent = {.value = slice_cstr(value), .expire = expire};
    assert_int_equal(engine_put(e, db, slice_cstr(key), &ent), ENGINE_OK);
}

static void assert_value(engine *e, uint32_t db, const char *key, const char *value) {
    entry ent;
    engine_result r = engine_get(e, db, slice_cstr(key), &ent);
    if (!value) {
        assert_int_equal(r, ENGINE_ABSENT);
        return;
    }
    assert_int_equal(r, ENGINE_OK);
    assert_true(slice_eq(ent.value, slice_cstr(value)));
}

/* ---- a whole state as text, to compare two moments ---------------------------------------------
 */

typedef struct dumping {
    engine *e;
    uint32_t db;
    buf keys; /* length-prefixed, as the slices die at the next read */
    buf *out;
} dumping;

static void note_key(void *ctx, slice key, const entry *meta) {
    dumping *d = ctx;
    (void)meta;
    buf_append(&d->keys, &key.len, sizeof key.len);
    buf_append_slice(&d->keys, key);
}

static void dump_map(engine *e, engine_coll *c, unsigned map, buf *out) {
    map_iter it;
    uint64_t n = 0;
    engine_result r = engine_map_seek(e, c, map, SLICE_EMPTY, false, &it);
    for (; r == ENGINE_OK; r = engine_map_step(e, &it, false), n++) {
        buf_printf(out, "  %u %.*s=%.*s @%lld\n", map, (int)it.subkey.len, it.subkey.data,
                   (int)it.value.len, it.value.data, (long long)it.expire);
    }
    assert_int_equal(r, ENGINE_ABSENT);
    assert_int_equal(n, engine_map_count(e, c, map));
}

static void dump_key(engine *e, uint32_t db, slice key, buf *out) {
    entry ent;
    engine_coll c;
    assert_int_equal(engine_get(e, db, key, &ent), ENGINE_OK);
    buf_printf(out, "%u %.*s type %d hint %d expire %lld =%.*s\n", db, (int)key.len, key.data,
               ent.type, ent.hint, (long long)ent.expire, (int)ent.value.len, ent.value.data);
    if (!ent.coll) return;
    assert_int_equal(engine_coll_open(e, db, key, &ent, &c), ENGINE_OK);
    for (unsigned map = 0; map < ENGINE_MAPS; map++)
        dump_map(e, &c, map, out);
}

static void dump(engine *e, uint32_t databases, buf *out) {
    buf_clear(out);
    for (uint32_t db = 0; db < databases; db++) {
        dumping d = {.e = e, .db = db, .out = out};
        uint64_t at = 0, n = 0;
        engine_db_stats st;
        do {
            assert_int_equal(engine_scan(e, db, at, 3, &at, note_key, &d), ENGINE_OK);
        } while (at);
        for (slice k = buf_slice(&d.keys); k.len; n++) {
            size_t len;
            memcpy(&len, k.data, sizeof len);
            dump_key(e, db, slice_of(k.data + sizeof len, len), out);
            k = slice_skip(k, sizeof len + len);
        }
        engine_db_stats_of(e, db, &st);
        assert_int_equal(st.keys, n);
        buf_free(&d.keys);
    }
    buf report = {0};
    assert_true(status_ok(engine_check(e, &report)));
    buf_free(&report);
}

/* One change by chance: what a command might do. */
static void random_change(engine *e, rng *r) {
    char name[16], other[16], sub[16];
    uint32_t db = (uint32_t)rng_below(r, 3), to = (uint32_t)rng_below(r, 3);
    snprintf(name, sizeof name, "k%u", (unsigned)rng_below(r, 20));
    snprintf(other, sizeof other, "k%u", (unsigned)rng_below(r, 20));
    snprintf(sub, sizeof sub, "s%u", (unsigned)rng_below(r, 12));
    slice key = slice_cstr(name);
    entry ent;
    engine_coll c;
    switch (rng_below(r, 12)) {
    case 0: assert_true(engine_del(e, db, key) <= ENGINE_ABSENT); break;
    case 1: assert_true(engine_move(e, db, key, to, slice_cstr(other)) <= ENGINE_ABSENT); break;
    case 2:
        if (rng_below(r, 10) == 0)
            assert_int_equal(engine_flush(e, (int32_t)rng_below(r, 4) - 1), ENGINE_OK);
        break;
    case 3:
        if (rng_below(r, 3) == 0) assert_int_equal(engine_swap(e, db, to), ENGINE_OK);
        break;
    case 4:
    case 5: put(e, db, name, sub, rng_below(r, 2) ? (int64_t)rng_below(r, 1000) + 1 : 0); break;
    default:
        if (engine_get(e, db, key, &ent) == ENGINE_ABSENT || !ent.coll) {
            assert_int_equal(engine_coll_new(e, db, key, &c), ENGINE_OK);
            ent = (entry){.type = 3, .coll = c.id, .value = SLICE("meta")};
            assert_int_equal(engine_put(e, db, key, &ent), ENGINE_OK);
        } else {
            assert_int_equal(engine_coll_open(e, db, key, &ent, &c), ENGINE_OK);
        }
        if (rng_below(r, 3) == 0) {
            assert_true(engine_map_del(e, &c, db, slice_cstr(sub)) <= ENGINE_ABSENT);
        } else {
            assert_int_equal(engine_map_put(e, &c, db, slice_cstr(sub), slice_cstr(other), 0),
                             ENGINE_OK);
        }
    }
}

/* ---- tests ------------------------------------------------------------------------------------
 */

/* The treap against a flat array of flags. */
static void test_omap(void **state) {
    (void)state;
    enum { N = 300 };
    static int there[N];
    memset(there, 0, sizeof there);
    rng r;
    rng_seed(&r, test_seed());
    omap *m = omap_new();
    for (int round = 0; round < 20000; round++) {
        int i = (int)rng_below(&r, N);
        char name[8];
        snprintf(name, sizeof name, "%03d", i);
        slice key = slice_cstr(name);
        void *was = there[i] ? &there[i] : NULL;
        if (rng_below(&r, 2)) {
            assert_ptr_equal(omap_set(m, key, &there[i]), was);
            there[i] = 1;
        } else {
            assert_ptr_equal(omap_del(m, key), was);
            there[i] = 0;
        }
        int probe = (int)rng_below(&r, N);
        uint64_t rank = 0;
        for (int j = 0; j < probe; j++)
            rank += (uint64_t)there[j];
        snprintf(name, sizeof name, "%03d", probe);
        assert_int_equal(omap_rank(m, slice_cstr(name)), rank);
        assert_ptr_equal(omap_get(m, slice_cstr(name)), there[probe] ? &there[probe] : NULL);
        void *v = NULL;
        slice k;
        if (omap_at(m, rank, &k, &v)) assert_true(slice_cmp(k, slice_cstr(name)) >= 0);
        if (there[probe]) assert_ptr_equal(v, &there[probe]);
        assert_false(omap_at(m, omap_count(m), NULL, NULL));
    }
    omap_free(m, NULL);
}

static void test_entries(void **state) {
    (void)state;
    engine *e = engine_mem_simple();
    entry ent;
    engine_begin(e);
    put(e, 0, "a", "1", 0);
    put(e, 1, "a", "2", 500);
    engine_commit(e);
    assert_value(e, 0, "a", "1");
    assert_value(e, 1, "a", "2");
    assert_value(e, 2, "a", NULL);
    assert_int_equal(engine_meta(e, 1, SLICE("a"), &ent), ENGINE_OK);
    assert_int_equal(ent.expire, 500);
    assert_int_equal(ent.value.len, 0);
    engine_set_access(e, &ent, 77);
    assert_int_equal(engine_get(e, 1, SLICE("a"), &ent), ENGINE_OK);
    assert_int_equal(ent.access, 77);
    /* A value that a read returned may go straight back. */
    engine_begin(e);
    assert_int_equal(engine_put(e, 1, SLICE("a"), &ent), ENGINE_OK);
    assert_int_equal(engine_move(e, 1, SLICE("a"), 0, SLICE("b")), ENGINE_OK);
    assert_int_equal(engine_move(e, 1, SLICE("a"), 0, SLICE("b")), ENGINE_ABSENT);
    assert_int_equal(engine_del(e, 0, SLICE("a")), ENGINE_OK);
    assert_int_equal(engine_del(e, 0, SLICE("a")), ENGINE_ABSENT);
    engine_commit(e);
    assert_value(e, 0, "b", "2");
    assert_value(e, 0, "a", NULL);
    assert_int_equal(engine_get(e, 0, SLICE("b"), &ent), ENGINE_OK);
    assert_int_equal(ent.access, 77);
    engine_close(e);
}

static void test_due_and_random(void **state) {
    (void)state;
    engine *e = engine_mem_simple();
    uint32_t db;
    buf key = {0};
    int64_t when;
    assert_int_equal(engine_due(e, 1000, &db, &key, &when), ENGINE_ABSENT);
    assert_int_equal(when, 0);
    assert_int_equal(engine_random(e, 0, false, &key, NULL), ENGINE_ABSENT);
    engine_begin(e);
    put(e, 0, "late", "", 900);
    put(e, 5, "soon", "", 300);
    put(e, 0, "never", "", 0);
    engine_commit(e);
    assert_int_equal(engine_due(e, 299, &db, &key, &when), ENGINE_ABSENT);
    assert_int_equal(when, 300);
    assert_int_equal(engine_due(e, 300, &db, &key, &when), ENGINE_OK);
    assert_int_equal(db, 5);
    assert_true(slice_eq(buf_slice(&key), SLICE("soon")));
    entry meta;
    assert_int_equal(engine_random(e, 0, true, &key, &meta), ENGINE_OK);
    assert_true(slice_eq(buf_slice(&key), SLICE("late")));
    assert_int_equal(meta.expire, 900);
    int seen[2] = {0, 0};
    for (int i = 0; i < 100; i++) {
        assert_int_equal(engine_random(e, 0, false, &key, NULL), ENGINE_OK);
        seen[slice_eq(buf_slice(&key), SLICE("late"))]++;
    }
    assert_true(seen[0] > 10 && seen[1] > 10);
    buf_free(&key);
    engine_close(e);
}

static void test_iterators(void **state) {
    (void)state;
    engine *e = engine_mem_simple();
    engine_coll c;
    map_iter it;
    uint64_t rank;
    engine_begin(e);
    assert_int_equal(engine_coll_new(e, 0, SLICE("k"), &c), ENGINE_OK);
    entry ent = {.coll = c.id};
    assert_int_equal(engine_put(e, 0, SLICE("k"), &ent), ENGINE_OK);
    const char *subs[] = {"b", "d", "f"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(engine_map_put(e, &c, 2, slice_cstr(subs[i]), SLICE("v"), 9), ENGINE_OK);
    engine_commit(e);
    static const struct {
        const char *from;
        bool backward;
        const char *found;
    } seeks[] = {{"", false, "b"}, {"a", false, "b"}, {"b", false, "b"}, {"e", false, "f"},
                 {"g", false, ""}, {"", true, "f"},   {"a", true, ""},   {"b", true, "b"},
                 {"c", true, "b"}, {"f", true, "f"},  {"z", true, "f"}};
    for (size_t i = 0; i < sizeof seeks / sizeof *seeks; i++) {
        engine_result r =
            engine_map_seek(e, &c, 2, slice_cstr(seeks[i].from), seeks[i].backward, &it);
        assert_int_equal(r, *seeks[i].found ? ENGINE_OK : ENGINE_ABSENT);
        if (*seeks[i].found) assert_true(slice_eq(it.subkey, slice_cstr(seeks[i].found)));
    }
    assert_int_equal(engine_map_seek(e, &c, 2, SLICE("d"), false, &it), ENGINE_OK);
    assert_int_equal(engine_map_step(e, &it, true), ENGINE_OK);
    assert_true(slice_eq(it.subkey, SLICE("b")));
    assert_int_equal(engine_map_step(e, &it, true), ENGINE_ABSENT);
    assert_int_equal(engine_map_select(e, &c, 2, 1, &it), ENGINE_OK);
    assert_true(slice_eq(it.subkey, SLICE("d")));
    assert_int_equal(engine_map_select(e, &c, 2, 3, &it), ENGINE_ABSENT);
    assert_int_equal(engine_map_rank(e, &c, 2, SLICE("e"), &rank), ENGINE_OK);
    assert_int_equal(rank, 2);
    assert_int_equal(engine_map_get(e, &c, 2, SLICE("f"), &it), ENGINE_OK);
    assert_int_equal(it.expire, 9);
    assert_int_equal(engine_map_get(e, &c, 3, SLICE("f"), &it), ENGINE_ABSENT);
    assert_int_equal(engine_map_count(e, &c, 2), 3);
    assert_int_equal(engine_map_count(e, &c, 0), 0);
    engine_close(e);
}

typedef struct scanned {
    engine *e;
    uint64_t n, last;
} scanned;

static void scan_each(void *ctx, slice key, const entry *meta) {
    scanned *s = ctx;
    uint64_t token = engine_token(s->e, key);
    (void)meta;
    assert_true(s->n == 0 || token >= s->last);
    s->last = token;
    s->n++;
}

static uint16_t slot_by_first_byte(slice key) {
    return (uint16_t)(key.len ? (unsigned char)key.data[0] * 64 : 0);
}

/* In token order, complete, and with the slot in front in cluster mode. */
static void test_scan_order(void **state) {
    (void)state;
    engine_options opt = {.databases = 1, .cluster = true, .slot_of = slot_by_first_byte};
    engine *e = engine_mem_new(&opt, test_seed());
    engine_begin(e);
    for (int i = 0; i < 100000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        put(e, 0, name, "", 0);
    }
    engine_commit(e);
    scanned s = {.e = e};
    uint64_t at = 0, calls = 0;
    do {
        assert_int_equal(engine_scan(e, 0, at, 10, &at, scan_each, &s), ENGINE_OK);
        calls++;
    } while (at);
    assert_int_equal(s.n, 100000);
    assert_in_range(calls, 9900, 10000);
    assert_int_equal(engine_token(e, SLICE("7x")) >> TOKEN_HASH_BITS, '7' * 64);
    engine_close(e);
}

/* An abort takes everything back, whatever was in the batch. */
static void test_abort(void **state) {
    (void)state;
    rng r;
    rng_seed(&r, test_seed());
    engine *e = engine_mem_simple();
    buf before = {0}, after = {0};
    for (int round = 0; round < 400; round++) {
        dump(e, 3, &before);
        log_pos end = engine_log_end(e);
        engine_begin(e);
        for (uint64_t n = rng_below(&r, 12); n > 0; n--)
            random_change(e, &r);
        if (rng_below(&r, 2)) {
            engine_commit(e);
            continue;
        }
        engine_abort(e);
        dump(e, 3, &after);
        assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
        assert_int_equal(engine_log_end(e), end);
    }
    assert_true(engine_mem_counters(e)->aborts > 100);
    buf_free(&before);
    buf_free(&after);
    engine_close(e);
}

/* Going back over any number of batches gives the state as it was after that many. */
static void test_history(void **state) {
    (void)state;
    enum { N = 60 };
    rng r;
    rng_seed(&r, test_seed());
    buf states[N + 1] = {{0}}, now = {0};
    engine *e = engine_mem_simple();
    engine_mem_knobs(e)->history = true;
    for (int round = 0; round < 20; round++) {
        uint64_t base = engine_mem_batches(e);
        dump(e, 3, &states[0]);
        for (int i = 1; i <= N; i++) {
            engine_begin(e);
            for (uint64_t n = rng_below(&r, 6); n > 0; n--)
                random_change(e, &r);
            engine_commit(e);
            dump(e, 3, &states[i]);
        }
        uint64_t forget = rng_below(&r, N), back = forget + rng_below(&r, N - forget + 1);
        engine_mem_forget(e, base + forget);
        engine_mem_rollback(e, base + back);
        dump(e, 3, &now);
        assert_true(slice_eq(buf_slice(&now), buf_slice(&states[back])));
        assert_int_equal(engine_mem_batches(e), base + back);
    }
    for (int i = 0; i <= N; i++)
        buf_free(&states[i]);
    buf_free(&now);
    engine_close(e);
}

static void count_call(void *ctx) {
    ++*(int *)ctx;
}

/* A command of many reads, begun again after each PENDING, ends; ready is told each time. */
static void test_pending(void **state) {
    (void)state;
    int readies = 0, attempts = 0, pending = 1;
    engine_options opt = {.databases = 2, .host = {.ready = count_call, .ctx = &readies}};
    engine *e = engine_mem_new(&opt, test_seed());
    engine_begin(e);
    put(e, 0, "a", "1", 0);
    engine_commit(e);
    engine_mem_knobs(e)->pending_permille = 900;
    while (pending) {
        entry ent;
        pending = 0;
        attempts++;
        engine_begin(e);
        put(e, 0, "n", "changed", 0);
        for (int i = 0; i < 20 && !pending; i++) {
            char name[8];
            snprintf(name, sizeof name, "%d", i);
            pending = engine_get(e, 0, slice_cstr(name), &ent) == ENGINE_PENDING;
        }
        if (!pending) break;
        engine_abort(e);
        assert_int_equal(readies, attempts - 1);
        engine_background(e, 100);
        assert_int_equal(readies, attempts);
    }
    engine_commit(e);
    engine_mem_knobs(e)->pending_permille = 0;
    assert_value(e, 0, "n", "changed");
    assert_in_range(attempts, 2, 21);
    assert_int_equal(engine_mem_counters(e)->pendings, attempts - 1);
    engine_close(e);
}

static void test_faults(void **state) {
    (void)state;
    int releases = 0;
    engine_options opt = {.databases = 1, .host = {.released = count_call, .ctx = &releases}};
    engine *e = engine_mem_new(&opt, 3);
    entry ent = {.value = SLICE("x")};
    engine_begin(e);
    engine_mem_knobs(e)->error_at = 2;
    assert_int_equal(engine_put(e, 0, SLICE("a"), &ent), ENGINE_OK);
    assert_int_equal(engine_put(e, 0, SLICE("b"), &ent), ENGINE_ERROR);
    assert_int_equal(engine_error(e).code, ST_IO);
    assert_int_equal(engine_put(e, 0, SLICE("b"), &ent), ENGINE_OK);
    engine_abort(e);
    assert_value(e, 0, "a", NULL);

    engine_mem_knobs(e)->hold = true;
    engine_begin(e);
    put(e, 0, "a", "1", 0);
    engine_commit(e);
    engine_turn_end(e);
    assert_true(engine_released(e) < engine_log_end(e));
    assert_int_equal(releases, 0);
    engine_mem_release(e, engine_log_end(e));
    assert_int_equal(releases, 1);
    assert_int_equal(engine_released(e), engine_log_end(e));

    engine_mem_knobs(e)->room = ST_NO_SPACE;
    assert_int_equal(engine_room(e, 1).code, ST_NO_SPACE);
    assert_int_equal(engine_room(e, 0).code, ST_OK);
    engine_mem_knobs(e)->room = ST_OK;
    engine_mem_knobs(e)->failed = ST_FAILED;
    assert_int_equal(engine_room(e, 0).code, ST_FAILED);
    assert_int_equal(engine_failed(e).code, ST_FAILED);
    assert_int_equal(engine_sync(e).code, ST_FAILED);
    engine_close(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_omap),       cmocka_unit_test(test_entries),
        cmocka_unit_test(test_iterators),  cmocka_unit_test(test_due_and_random),
        cmocka_unit_test(test_scan_order), cmocka_unit_test(test_abort),
        cmocka_unit_test(test_history),    cmocka_unit_test(test_pending),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
