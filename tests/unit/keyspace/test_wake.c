/* Keys whose type wants to be woken: against a model of keys with two times each, the key's own and
 * the type's, whichever comes first, with reads that are pending, calls that fail, and deletes that
 * are not allowed for a while. The type here counts down: each time it is woken it asks to be woken
 * ten milliseconds later, until it has had enough. */
#include "support/world.h"

#include "base/codec.h"
#include "support/unit.h"

#include <stdio.h>

#define KEYS 12
#define NAP  10

static world w;

typedef struct model {
    bool exists;
    int64_t own, wake; /* 0: none */
    unsigned left;     /* how often it wants to be woken */
} model;

static model models[KEYS];
static uint64_t woken, expired; /* by the model */

/* The value of an entry: as keyspace.h has it, and then how often it wants to be woken. */
static entry make(const model *m, uint32_t access, char bytes[18]) {
    entry ent = {.type = KEY_HASH, .expire = m->own, .access = access};
    if (m->wake == 0) {
        bytes[0] = 0;
        bytes[1] = (char)m->left;
        ent.value = slice_of(bytes, 2);
        return ent;
    }
    bytes[0] = 4;
    put_u64(put_u64(bytes + 1, (uint64_t)m->own), (uint64_t)m->wake);
    bytes[17] = (char)m->left;
    ent.hint = KS_WAKES;
    ent.value = slice_of(bytes, 18);
    return ent;
}

static model unmake(const entry *ent) {
    model m = {.exists = true, .own = ent->expire};
    m.left = (unsigned char)ent->value.data[ent->value.len - 1];
    if (!(ent->hint & KS_WAKES)) return m;
    assert_int_equal(ent->value.len, 18);
    assert_true((int64_t)load_u64(ent->value.data + 1) == ent->expire);
    m.wake = (int64_t)load_u64(ent->value.data + 9);
    return m;
}

/* What being woken does. */
static void nap(model *m, int64_t now) {
    m->left--;
    m->wake = m->left ? now + NAP : 0;
}

static engine_result on_wake(keyspace *ks, uint32_t db, slice key, int64_t again) {
    entry ent;
    char bytes[18];
    assert_true(again == 0 || again == ks_now(ks) + 1);
    engine_result r = ks_get(ks, db, key, KS_WRITE | KS_NO_TOUCH | KS_NO_WAKE, &ent);
    if (r != ENGINE_OK) {
        assert_int_not_equal(r, ENGINE_ABSENT);
        return r;
    }
    model m = unmake(&ent);
    assert_true(m.wake && m.wake <= ks_now(ks));
    assert_true(m.own == 0 || m.own > ks_now(ks));
    nap(&m, ks_now(ks));
    ent = make(&m, ent.access, bytes);
    r = ks_put(ks, db, key, &ent);
    if (r == ENGINE_OK) ks_expired_elements(ks, KS_HASH, "woken", db, key, 1);
    return r;
}

static int open_world(void **state) {
    (void)state;
    world_open(&w, 7, true);
    ks_on_wake(KEY_HASH, on_wake);
    memset(models, 0, sizeof models);
    woken = expired = 0;
    return 0;
}

static int close_world(void **state) {
    (void)state;
    while (ks_in_batch(w.ks)) /* a test has failed in it */
        ks_abort(w.ks);
    world_close(&w);
    return 0;
}

#define BATCH(what) WORLD_BATCH(&w, what)

static const char *name_of(int k) {
    static char names[KEYS][8];
    snprintf(names[k], sizeof names[k], "k%d", k);
    return names[k];
}
static slice key_of(int k) {
    return slice_cstr(name_of(k));
}

/* What a lookup, or the cycle, does to a key of the model, deletes being allowed. */
static void settle(int k) {
    model *m = &models[k];
    int64_t now = w.clock.wall_ms;
    if (m->exists && m->own && m->own <= now) {
        *m = (model){0};
        expired++;
    } else if (m->exists && m->wake && m->wake <= now) {
        nap(m, now);
        woken++;
    }
}

static engine_result do_get(int k, unsigned flags, model *out) {
    entry ent;
    *out = (model){0};
    engine_result r = ks_get(w.ks, 0, key_of(k), flags, &ent);
    if (r == ENGINE_OK && flags & KS_META) {
        assert_int_equal(ent.value.len, 0);
        *out = (model){.exists = true, .own = ent.expire};
    } else if (r == ENGINE_OK) {
        *out = unmake(&ent);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static bool frozen;

/* A lookup says what the model says. */
static void step_get(rng *r, int k) {
    model got;
    unsigned flags = rng_below(r, 2) ? KS_META : 0;
    BATCH(do_get(k, flags, &got));
    if (!frozen) settle(k);
    const model *m = &models[k];
    bool there = m->exists && !(m->own && m->own <= w.clock.wall_ms);
    assert_int_equal(got.exists, there);
    if (!there) return;
    assert_true(got.own == m->own);
    if (flags & KS_META) return;
    assert_true(got.wake == m->wake);
    assert_int_equal(got.left, m->left);
}

static int64_t some_time(rng *r) {
    return rng_below(r, 3) ? w.clock.wall_ms + 1 + (int64_t)rng_below(r, 60) : 0;
}

static engine_result do_put(int k, const model *m) {
    char bytes[18];
    entry ent = make(m, 0, bytes);
    return ks_put(w.ks, 0, key_of(k), &ent);
}

/* A put of something new: what is replaced expires first, if it was due, and is not woken. */
static void step_put(rng *r, int k) {
    model m = {.exists = true, .own = some_time(r), .wake = some_time(r)};
    m.left = m.wake ? 1 + (unsigned)rng_below(r, 4) : 0;
    BATCH(do_put(k, &m));
    if (models[k].exists && models[k].own && models[k].own <= w.clock.wall_ms) expired++;
    models[k] = m;
}

static engine_result do_set_expire(int k, int64_t when) {
    entry ent;
    engine_result r = ks_get(w.ks, 0, key_of(k), KS_WRITE, &ent);
    if (r == ENGINE_OK) {
        r = ks_set_expire(w.ks, 0, key_of(k), &ent, when);
        assert_true(r != ENGINE_OK || ent.expire == when);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static void step_set_expire(rng *r, int k) {
    int64_t when = some_time(r);
    BATCH(do_set_expire(k, when));
    settle(k);
    if (models[k].exists) models[k].own = when;
}

static engine_result do_copy(int from, int to, bool move) {
    entry ent, old;
    engine_result r = ks_get(w.ks, 0, key_of(to), KS_META | KS_WRITE, &old);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
    r = ks_get(w.ks, 0, key_of(from), KS_WRITE, &ent);
    if (r == ENGINE_OK)
        r = move ? ks_move(w.ks, 0, key_of(from), 0, key_of(to))
                 : ks_copy(w.ks, 0, key_of(from), &ent, 0, key_of(to));
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static void step_copy(rng *r, int k) {
    int to = (int)rng_below(r, KEYS);
    bool move = rng_below(r, 2);
    if (to == k) return;
    BATCH(do_copy(k, to, move));
    settle(to);
    settle(k);
    if (!models[k].exists) return;
    models[to] = models[k];
    if (move) models[k] = (model){0};
}

static engine_result do_del(int k, bool *found) {
    engine_result r = ks_del(w.ks, 0, key_of(k));
    *found = r == ENGINE_OK;
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static void step_del(int k) {
    bool found;
    BATCH(do_del(k, &found));
    model *m = &models[k];
    bool due = m->exists && m->own && m->own <= w.clock.wall_ms;
    expired += due;
    assert_int_equal(found, m->exists && !due);
    *m = (model){0};
}

typedef struct seen {
    int times[KEYS];
} seen;

static void note(void *ctx, slice key, const entry *meta) {
    seen *s = ctx;
    assert_int_equal(meta->type, KEY_HASH);
    for (int k = 0; k < KEYS; k++)
        s->times[k] += slice_eq(key, key_of(k));
}

static engine_result do_scan(seen *s) {
    uint64_t next;
    *s = (seen){0};
    return ks_scan(w.ks, 0, 0, 1000, &next, note, s);
}

/* A scan sees each key that lives, and none that is due, and wakes nobody. */
static void step_scan(void) {
    seen s;
    BATCH(do_scan(&s));
    for (int k = 0; k < KEYS; k++)
        assert_int_equal(s.times[k],
                         models[k].exists && !(models[k].own && models[k].own <= w.clock.wall_ms));
}

static void step_cycle(void) {
    engine_mem_knobs(w.e)->pending_permille = 0;
    for (int i = 0; i < 2; i++) /* again, if a call has failed */
        while (ks_expire_cycle(w.ks, 1000000))
            continue;
    for (int k = 0; k < KEYS && !frozen; k++)
        settle(k);
}

static void walk(unsigned pending, int steps) {
    rng r;
    unit_seed(&r);
    frozen = false;
    for (int i = 0; i < steps; i++) {
        int k = (int)rng_below(&r, KEYS);
        mem_knobs *knobs = engine_mem_knobs(w.e);
        knobs->pending_permille = pending;
        w.clock.wall_ms += (int64_t)rng_below(&r, 5);
        if (frozen && rng_below(&r, 3) == 0) ks_set_expiry_frozen(w.ks, frozen = false);
        uint64_t what = rng_below(&r, 12);
        if (pending && what < 8 && rng_below(&r, 4) == 0) knobs->error_at = 1 + rng_below(&r, 12);
        if (frozen && what > 3) what = 1 + what % 3; /* who changes may delete */
        switch (what) {
        case 0: step_cycle(); break;
        case 1: step_scan(); break;
        case 2:
        case 3: step_get(&r, k); break;
        case 4: ks_set_expiry_frozen(w.ks, frozen = true); break;
        case 5: step_copy(&r, k); break;
        case 6: step_del(k); break;
        case 7: step_set_expire(&r, k); break;
        default: step_put(&r, k); break;
        }
        knobs->error_at = 0;
        assert_int_equal(ks_statistics(w.ks)->expired_elements, woken);
        assert_int_equal(ks_statistics(w.ks)->expired, expired);
    }
    assert_true(woken > 0 && expired > 0);
}

static void against_a_model(void **state) {
    (void)state;
    walk(0, unit_rounds(30000));
}

static void against_a_model_with_pending_reads_and_errors(void **state) {
    (void)state;
    walk(100, unit_rounds(15000));
}

/* ---- one thing at a time -----------------------------------------------------------------------
 */

static void put(const char *key, int64_t own, int64_t wake) {
    model m = {.own = own, .wake = wake, .left = wake ? 2 : 0};
    char bytes[18];
    entry ent = make(&m, 0, bytes);
    ks_begin(w.ks);
    assert_int_equal(ks_put(w.ks, 0, slice_cstr(key), &ent), ENGINE_OK);
    ks_commit(w.ks);
    (void)world_told(&w);
}

/* The earlier of both is what the engine has, and not what anybody is shown. */
static void two_times(void **state) {
    (void)state;
    entry ent;
    int64_t now = w.clock.wall_ms;
    put("a", now + 100, now + 50);
    assert_int_equal(engine_meta(w.e, 0, SLICE("a"), &ent), ENGINE_OK);
    assert_true(ent.expire == now + 50);
    ks_begin(w.ks);
    assert_int_equal(ks_get(w.ks, 0, SLICE("a"), KS_META, &ent), ENGINE_OK);
    assert_true(ent.expire == now + 100);
    ks_commit(w.ks);
    put("a", now + 50, now + 100);
    assert_int_equal(engine_meta(w.e, 0, SLICE("a"), &ent), ENGINE_OK);
    assert_true(ent.expire == now + 50);
    put("a", 0, now + 100);
    assert_int_equal(engine_meta(w.e, 0, SLICE("a"), &ent), ENGINE_OK);
    assert_true(ent.expire == now + 100);
}

/* Without the expire cycle it is a lookup that wakes, and outside of a batch nothing does. */
static void only_a_lookup_in_a_batch(void **state) {
    (void)state;
    entry ent;
    int64_t now = w.clock.wall_ms;
    put("a", now + 100, now + 50);
    ks_set_active_expire(w.ks, false);
    w.clock.wall_ms += 60;
    assert_false(ks_expire_cycle(w.ks, 1000000));
    assert_int_equal(ks_get(w.ks, 0, SLICE("a"), 0, &ent), ENGINE_OK);
    assert_true(ent.expire == now + 100);
    assert_string_equal(world_told(&w), "");
    assert_true(world_has(&w, 0, "a"));
    assert_string_equal(world_told(&w), "+0:a woken@0:a ");
    assert_true(world_has(&w, 0, "a"));
    assert_string_equal(world_told(&w), "");
    w.clock.wall_ms += 40;
    assert_false(world_has(&w, 0, "a"));
    assert_string_equal(world_told(&w), "+0:a expired@0:a ");
}

/* Random picks see the key as long as its own time has not come. */
static void random_picks(void **state) {
    (void)state;
    buf key = {0};
    put("a", w.clock.wall_ms + 100, w.clock.wall_ms + 10);
    w.clock.wall_ms += 50;
    ks_begin(w.ks);
    assert_int_equal(ks_random(w.ks, 0, &key), ENGINE_OK);
    assert_true(slice_eq(buf_slice(&key), SLICE("a")));
    ks_commit(w.ks);
    w.clock.wall_ms += 50;
    ks_begin(w.ks);
    assert_int_equal(ks_random(w.ks, 0, &key), ENGINE_ABSENT);
    ks_commit(w.ks);
    buf_free(&key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_times, open_world, close_world),
        cmocka_unit_test_setup_teardown(only_a_lookup_in_a_batch, open_world, close_world),
        cmocka_unit_test_setup_teardown(random_picks, open_world, close_world),
        cmocka_unit_test_setup_teardown(against_a_model, open_world, close_world),
        cmocka_unit_test_setup_teardown(against_a_model_with_pending_reads_and_errors, open_world,
                                        close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
