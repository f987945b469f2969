/* Tests of the LSM engine whose tables have little in memory: every call, made again in a new batch
 * as long as it is pending, does what it does in a model that never waits, and one that was pending
 * has changed nothing. The engine's own source of blocks is put aside for one that says "not now"
 * by chance. */
#include "engine/lsm/lsm_int.h"
#include "support/engine_kit.h"
#include "support/engine_mem.h"
#include "support/slow_source.h"
#include "support/unit.h"

#include "base/mem.h"

#include <stdio.h>

#define COLLS 4u  /* keys "c0" .. own a collection */
#define WAITS 40u /* more is a call that never ends */
#define FEW   2u  /* rounds of a lookup: partitions, blocks */

typedef struct world {
    kit *k;
    engine *model;
    rng r;
    slow_source slow;
    engine_reader reader; /* the source's alone */
    table_source *own;
    uint64_t pendings;
} world;

/* One call on both; `mine` is evaluated again in a new batch as long as it is pending. */
#define BOTH(w, mine, theirs)                                                                      \
    do {                                                                                           \
        engine_result mine_ = ENGINE_PENDING;                                                      \
        for (unsigned n_ = 0; mine_ == ENGINE_PENDING; n_++) {                                     \
            assert_true(n_ < WAITS);                                                               \
            engine_begin((w)->k->e);                                                               \
            mine_ = (mine);                                                                        \
            if (mine_ == ENGINE_PENDING) wait_for(w);                                              \
        }                                                                                          \
        engine_begin((w)->model);                                                                  \
        assert_int_equal(mine_, (theirs));                                                         \
    } while (0)

static void wait_for(world *w) {
    w->pendings++;
    engine_abort(w->k->e);
    slow_arrive(&w->slow);
}

/* The command ends; what was pinned for it goes. */
static void end(world *w) {
    engine_commit(w->k->e);
    engine_commit(w->model);
    slow_forget(&w->slow);
}

static slice key_of(char *out, uint64_t i) {
    return slice_of(out, (size_t)snprintf(out, 32, "key:%llu", (unsigned long long)i));
}

static slice random_key(world *w, char *out) {
    return key_of(out, rng_below(&w->r, 600));
}

/* Elements' names, some too long for an iterator. */
static slice random_sub(world *w, char *out) {
    uint64_t i = rng_below(&w->r, 400);
    const char *form = i % 10 ? "%05llu" : "%05llu, which is a name of more than 24 bytes";
    return slice_of(out, (size_t)snprintf(out, 80, form, (unsigned long long)i));
}

/* ---- entries ----------------------------------------------------------------------------------
 */

static void change(world *w) {
    static char value[1000];
    char a[32], b[32];
    uint32_t db = (uint32_t)rng_below(&w->r, 2), to = (uint32_t)rng_below(&w->r, 2);
    slice key = random_key(w, a), other = random_key(w, b);
    memset(value, (int)rng_below(&w->r, 256), sizeof value);
    entry ent = {.type = 1,
                 .expire = rng_below(&w->r, 4) ? 0 : 1 + (int64_t)rng_below(&w->r, 1000),
                 .value = slice_of(value, rng_below(&w->r, 3) ? 20 : rng_below(&w->r, 1000))};
    switch (rng_below(&w->r, 6)) {
    case 0:
    case 1: BOTH(w, engine_del(w->k->e, db, key), engine_del(w->model, db, key)); break;
    case 2:
        BOTH(w, engine_move(w->k->e, db, key, to, other),
             engine_move(w->model, db, key, to, other));
        break;
    default: BOTH(w, engine_put(w->k->e, db, key, &ent), engine_put(w->model, db, key, &ent));
    }
    end(w);
}

static void read_entry(world *w) {
    char name[32];
    entry a, b;
    uint64_t waits = w->pendings;
    uint32_t db = (uint32_t)rng_below(&w->r, 2);
    slice key = random_key(w, name);
    bool value = rng_below(&w->r, 2);
    if (value)
        BOTH(w, engine_get(w->k->e, db, key, &a), engine_get(w->model, db, key, &b));
    else
        BOTH(w, engine_meta(w->k->e, db, key, &a), engine_meta(w->model, db, key, &b));
    if (w->slow.now_permille == 0) assert_true(w->pendings - waits <= (value ? 2 * FEW : FEW));
    if (engine_meta(w->model, db, key, &b) == ENGINE_OK) {
        if (value) (void)engine_get(w->model, db, key, &b);
        assert_int_equal(a.expire, b.expire);
        assert_true(slice_eq(a.value, b.value));
    }
    end(w);
}

/* ---- collections ------------------------------------------------------------------------------
 */

static engine_result open_coll(engine *e, uint64_t i, engine_coll *c) {
    static char names[2 * COLLS][8];
    static unsigned turn;
    char *name = names[turn++ % (2 * COLLS)];
    entry ent;
    slice key = slice_of(name, (size_t)snprintf(name, 8, "c%u", (unsigned)i));
    engine_result r = engine_meta(e, 0, key, &ent);
    return r == ENGINE_OK ? engine_coll_open(e, 0, key, &ent, c) : r;
}

static engine_result change_element(engine *e, uint64_t i, slice sub, slice value, bool put) {
    engine_coll c;
    engine_result r = open_coll(e, i, &c);
    if (r != ENGINE_OK) return r;
    unsigned map = sub.len % 2;
    return put ? engine_map_put(e, &c, map, sub, value, 0) : engine_map_del(e, &c, map, sub);
}

static engine_result get_element(engine *e, uint64_t i, unsigned map, slice sub, map_iter *it,
                                 uint64_t *count) {
    engine_coll c;
    engine_result r = open_coll(e, i, &c);
    if (r != ENGINE_OK) return r;
    *count = engine_map_count(e, &c, map);
    return engine_map_get(e, &c, map, sub, it);
}

/* The counts of all that were opened, though they share one place in the table of counts: who has
 * opened a collection can't be told to wait for them. */
static engine_result count_all(engine *e, uint64_t counts[COLLS]) {
    engine_coll c[COLLS];
    engine_result r = ENGINE_OK;
    for (uint64_t i = 0; r == ENGINE_OK && i < COLLS; i++)
        r = open_coll(e, i, &c[i]);
    for (uint64_t i = 0; r == ENGINE_OK && i < COLLS; i++)
        counts[i] = engine_map_count(e, &c[i], 0) << 32 | engine_map_count(e, &c[i], 1);
    return r;
}

/* The rank of an element, and which has that rank. */
static engine_result rank_of(engine *e, uint64_t i, unsigned map, slice sub, uint64_t *rank,
                             map_iter *it) {
    engine_coll c;
    engine_result r = open_coll(e, i, &c);
    if (r == ENGINE_OK) r = engine_map_rank(e, &c, map, sub, rank);
    return r == ENGINE_OK ? engine_map_select(e, &c, map, *rank, it) : r;
}

static void elements(world *w) {
    char name[80], value[40];
    uint64_t mine[COLLS] = {0}, theirs[COLLS] = {0};
    uint64_t i = rng_below(&w->r, COLLS), n = 0, m = 0;
    slice sub = random_sub(w, name);
    unsigned map = sub.len % 2;
    map_iter a = {0}, b = {0};
    switch (rng_below(&w->r, 6)) {
    case 5:
        BOTH(w, count_all(w->k->e, mine), count_all(w->model, theirs));
        assert_memory_equal(mine, theirs, sizeof mine);
        break;
    case 0:
        BOTH(w, rank_of(w->k->e, i, map, sub, &n, &a), rank_of(w->model, i, map, sub, &m, &b));
        assert_true(slice_eq(a.subkey, b.subkey));
        break;
    case 1:
        BOTH(w, get_element(w->k->e, i, map, sub, &a, &n),
             get_element(w->model, i, map, sub, &b, &m));
        break;
    default:
        memset(value, 'a' + (int)rng_below(&w->r, 26), sizeof value);
        bool put = rng_below(&w->r, 3);
        BOTH(w, change_element(w->k->e, i, sub, slice_of(value, sizeof value), put),
             change_element(w->model, i, sub, slice_of(value, sizeof value), put));
    }
    assert_int_equal(n, m);
    assert_true(slice_eq(a.value, b.value));
    end(w);
}

/* A walk whose steps are made again where they were pending, in the same batch: an iterator that
 * was told so is where it was. */
static void step_about(world *w) {
    char name[80];
    engine_coll mine, theirs;
    map_iter a, b;
    uint64_t i = rng_below(&w->r, COLLS);
    slice from = rng_below(&w->r, 3) ? random_sub(w, name) : SLICE_EMPTY;
    bool backward = rng_below(&w->r, 2);
    unsigned map = (unsigned)rng_below(&w->r, 2);
    BOTH(w, open_coll(w->k->e, i, &mine), open_coll(w->model, i, &theirs));
    engine_result r, m = engine_map_seek(w->model, &theirs, map, from, backward, &b);
    for (unsigned n = 0;; n++) {
        r = engine_map_seek(w->k->e, &mine, map, from, backward, &a);
        if (r != ENGINE_PENDING) break;
        assert_true(n < WAITS);
        slow_arrive(&w->slow);
    }
    for (uint64_t steps = rng_below(&w->r, 300);; steps--) {
        assert_int_equal(r, m);
        if (r != ENGINE_OK) break;
        assert_true(slice_eq(a.subkey, b.subkey) && slice_eq(a.value, b.value));
        if (steps == 0) break;
        if (rng_below(&w->r, 10) == 0) backward = !backward;
        m = engine_map_step(w->model, &b, backward);
        for (unsigned n = 0;; n++) {
            r = engine_map_step(w->k->e, &a, backward);
            if (r != ENGINE_PENDING) break;
            w->pendings++;
            assert_true(n < WAITS);
            slow_arrive(&w->slow);
            if (n == 0 && rng_below(&w->r, 4) == 0) slow_forget(&w->slow);
        }
    }
    end(w);
}

/* ---- whole databases --------------------------------------------------------------------------
 */

static void one_key(void *ctx, slice key, const entry *meta) {
    buf *names = ctx;
    (void)meta;
    buf_append(names, &key.len, sizeof key.len);
    buf_append_slice(names, key);
}

/* Each key that a scan shows is there, and they are as many as there are. */
static void scan(world *w) {
    buf names = {0}, piece = {0};
    uint64_t next = 0, after, n = 0;
    engine_db_stats stats;
    entry ent;
    do {
        engine_result r = ENGINE_PENDING;
        for (unsigned tries = 0; r == ENGINE_PENDING; tries++) {
            buf_clear(&piece);
            r = engine_scan(w->k->e, 0, next, 20, &after, one_key, &piece);
            if (r != ENGINE_PENDING) break;
            assert_true(tries < WAITS);
            w->pendings++;
            slow_arrive(&w->slow);
        }
        assert_int_equal(r, ENGINE_OK);
        buf_append_slice(&names, buf_slice(&piece));
        assert_true(after == 0 || after > next);
        next = after;
        slow_forget(&w->slow);
    } while (next);
    for (size_t at = 0; at < names.len; n++) {
        size_t len;
        memcpy(&len, names.data + at, sizeof len);
        slice key = slice_of(names.data + at + sizeof len, len);
        at += sizeof len + len;
        assert_int_equal(engine_meta(w->model, 0, key, &ent), ENGINE_OK);
    }
    engine_db_stats_of(w->k->e, 0, &stats);
    assert_int_equal(stats.keys, n);
    buf_free(&names);
    buf_free(&piece);
}

/* A pick that was pending is the same pick when it is made again: it comes to an end. */
static void pick(world *w) {
    buf key = {0};
    entry ent;
    engine_result r = ENGINE_PENDING;
    bool expire = rng_below(&w->r, 2);
    for (unsigned tries = 0; r == ENGINE_PENDING; tries++) {
        r = engine_random(w->k->e, 0, expire, &key, NULL);
        if (r != ENGINE_PENDING) break;
        assert_true(tries < WAITS);
        w->pendings++;
        slow_arrive(&w->slow);
    }
    if (r == ENGINE_OK) {
        assert_int_equal(engine_meta(w->model, 0, buf_slice(&key), &ent), ENGINE_OK);
        assert_true(!expire || ent.expire);
    } else {
        assert_int_equal(r, ENGINE_ABSENT);
    }
    slow_forget(&w->slow);
    buf_free(&key);
}

static void due(world *w) {
    buf a = {0}, b = {0};
    uint32_t db;
    int64_t when, model_when, now = (int64_t)rng_below(&w->r, 1000);
    engine_result r = ENGINE_PENDING;
    for (unsigned tries = 0; r == ENGINE_PENDING; tries++) {
        r = engine_due(w->k->e, now, &db, &a, &when);
        if (r != ENGINE_PENDING) break;
        assert_true(tries < WAITS);
        w->pendings++;
        slow_arrive(&w->slow);
    }
    assert_int_equal(r, engine_due(w->model, now, &db, &b, &model_when));
    assert_int_equal(when, model_when);
    slow_forget(&w->slow);
    buf_free(&a);
    buf_free(&b);
}

/* ---- the test ---------------------------------------------------------------------------------
 */

static void make_colls(world *w) {
    engine *const both[] = {w->k->e, w->model};
    for (int side = 0; side < 2; side++) {
        for (unsigned i = 0; i < COLLS; i++) {
            char name[8];
            engine_coll c;
            slice key = slice_of(name, (size_t)snprintf(name, 8, "c%u", i));
            engine_begin(both[side]);
            for (unsigned id = 0; id < (i && side == 0 ? COUNTED : 1); id++) /* all in one place */
                assert_int_equal(engine_coll_new(both[side], 0, key, &c), ENGINE_OK);
            entry ent = {.type = 2, .coll = c.id};
            assert_int_equal(engine_put(both[side], 0, key, &ent), ENGINE_OK);
            assert_int_equal(engine_map_put(both[side], &c, 0, SLICE("00000"), SLICE("x"), 0),
                             ENGINE_OK);
            engine_commit(both[side]);
        }
    }
}

/* Children and what comes to be installed go on between commands; nothing waits in them. */
static void let_go_on(world *w) {
    engine_read_for(w->k->e, NULL);
    kit_end_turn(w->k);
    engine_background(w->k->e, 100);
    if (rng_below(&w->r, 4) == 0) engine_cron(w->k->e);
    if (rng_below(&w->r, 20) == 0) {
        status s = engine_compact(w->k->e);
        assert_true(status_ok(s) || s.code == ST_BUSY);
    }
    engine_read_for(w->k->e, &w->reader);
}

static void check_all(world *w) {
    engine_read_for(w->k->e, NULL);
    kit_check(w->k);
    engine_read_for(w->k->e, &w->reader);
}

static void run(world *w, int commands) {
    for (int i = 0; i < commands; i++) {
        switch (rng_below(&w->r, 10)) {
        case 0:
        case 1: change(w); break;
        case 2:
        case 3: read_entry(w); break;
        case 4: step_about(w); break;
        case 5: pick(w); break;
        case 6: due(w); break;
        case 7: rng_below(&w->r, 20) ? elements(w) : scan(w); break;
        default: elements(w);
        }
        if (rng_below(&w->r, 5) == 0) let_go_on(w);
    }
    check_all(w);
}

static void test_model(void **state) {
    static const char *const caches[] = {"0", "100kb", "10mb"};
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(12); round++) {
        world w = {.k = kit_sim(), .model = engine_mem_simple(), .r = r};
        kit_setting("block-cache-size", caches[round % 3]);
        kit_setting("block-size", round % 2 ? "256" : "1000");
        kit_setting("bloom-bits", round % 5 ? "10" : "1");
        kit_setting("table-size", "4kb");
        lsm_conf.memtable_size = 4096; /* less than may be set */
        kit_open(w.k);
        lsm *e = lsm_of(w.k->e);
        slow_init(&w.slow, &w.r);
        w.slow.now_permille = round % 2 ? 0 : 200;
        w.own = e->shelf.source;
        make_colls(&w);
        e->shelf.source = &w.slow.base;
        w.slow.reader = (void *const *)&e->base.reader;
        engine_read_for(w.k->e, &w.reader);
        run(&w, 2500);
        assert_true(w.pendings > 100);
        e->shelf.source = w.own;
        engine_read_for(w.k->e, NULL);
        slow_free(&w.slow);
        r = w.r;
        engine_close(w.model);
        kit_free(w.k);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    return kit_use("lsm") + cmocka_run_group_tests(tests, NULL, NULL);
}
