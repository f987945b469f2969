/* Hashes against a model of fields with values and times: whatever is done, with reads that are
 * pending and calls that fail, while time goes on and deletes are at times not allowed, exactly the
 * fields that are not due are seen, in all ways of looking; and what is due goes, once. */
#include "types/hash.h"

#include "base/mem.h"
#include "keyspace/keyenc.h"
#include "support/unit.h"
#include "support/world.h"
#include "types/classes.h"
#include "types/limits.h"

#include <stdio.h>

#define KEYS   3
#define FIELDS 400
#define VALUE  96 /* bytes at most, but for a few */

static world w;

typedef struct model_field {
    bool there;
    char value[VALUE];
    size_t len;
    int64_t expire;
} model_field;

typedef struct model {
    model_field fields[FIELDS];
    bool exists;
    int64_t expire; /* the key's own */
} model;

static model *models;
static const char *const names[KEYS] = {"a", "b", "c"};

static int open_world(void **state) {
    (void)state;
    world_open(&w, 5, true);
    types_start();
    models = mem_zalloc(KEYS * sizeof *models);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    mem_free(models);
    while (ks_in_batch(w.ks)) /* a test has failed in it */
        ks_abort(w.ks);
    world_close(&w);
    return 0;
}

#define BATCH(what) WORLD_BATCH(&w, what)

static slice key_of(int k) {
    return slice_cstr(names[k]);
}

static slice field_name(int f, char text[16]) {
    return slice_of(text, (size_t)snprintf(text, 16, "field-%d", f));
}

static bool due(int64_t expire) {
    return expire && expire <= w.clock.wall_ms;
}

/* Is the field to be seen? */
static bool seen(const model *m, int f) {
    return m->exists && !due(m->expire) && m->fields[f].there && !due(m->fields[f].expire);
}

static int count_seen(const model *m) {
    int n = 0;
    for (int f = 0; f < FIELDS; f++)
        n += seen(m, f);
    return n;
}

/* The model forgets what is due: fields may be gone from the store, or are hidden there. */
static void settle(model *m) {
    bool any = false;
    if (m->exists && due(m->expire)) *m = (model){0};
    for (int f = 0; f < FIELDS; f++) {
        if (m->fields[f].there && due(m->fields[f].expire)) m->fields[f] = (model_field){0};
        any |= m->fields[f].there;
    }
    if (!any) *m = (model){0};
}

/* ---- changes -----------------------------------------------------------------------------------
 */

typedef struct change {
    int n, what; /* 0: put, 1: delete, 2: set the time */
    int fields[40];
    slice value;
    int64_t expire;
    bool found[40];
} change;

static engine_result do_change(int k, change *d) {
    elements el;
    char text[16];
    engine_result r = el_open(w.ks, 0, key_of(k), &hash_type, KS_WRITE, &el);
    for (int i = 0; i < d->n && r == ENGINE_OK; i++) {
        hash_field was;
        slice name = field_name(d->fields[i], text);
        r = hash_get(&el, name, &was);
        if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
        d->found[i] = r == ENGINE_OK;
        r = ENGINE_OK;
        if (d->what == 0) {
            r = hash_put(&el, name, d->value, d->expire, &was);
        } else if (d->found[i]) {
            r = d->what == 1 ? hash_del(&el, name, &was)
                             : hash_set_expire(&el, name, &was, d->expire);
        }
    }
    return r == ENGINE_OK ? el_end(&el) : r;
}

static int64_t some_time(rng *r) {
    int64_t now = w.clock.wall_ms;
    switch (rng_below(r, 4)) {
    case 0: return ENGINE_NO_EXPIRE;
    case 1: return now + 1 + (int64_t)rng_below(r, 20);
    case 2: return now + 1 + (int64_t)rng_below(r, 300);
    default: return now + 1000000 + (int64_t)rng_below(r, 20);
    }
}

static void step_change(rng *r, int k) {
    model *m = &models[k];
    char bytes[VALUE];
    int range = rng_below(r, 3) ? 60 : FIELDS;
    change d = {.n = rng_below(r, 5) ? 1 + (int)rng_below(r, 3) : 40};
    static const int kinds[] = {0, 0, 0, 1, 2, 2};
    d.what = kinds[rng_below(r, 6)];
    d.expire = some_time(r);
    size_t len = rng_below(r, 10) ? rng_below(r, 12) : rng_below(r, VALUE);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)rng_next(r);
    d.value = slice_of(bytes, len);
    for (int i = 0; i < d.n; i++)
        d.fields[i] = (int)rng_below(r, (uint64_t)range);
    ks_set_expiry_frozen(w.ks, false); /* who changes may delete */
    BATCH(do_change(k, &d));
    settle(m);
    for (int i = 0; i < d.n; i++) {
        model_field *f = &m->fields[d.fields[i]];
        assert_int_equal(d.found[i], f->there);
        if (d.what == 0) {
            *f = (model_field){.there = true, .len = len, .expire = d.expire};
            memcpy(f->value, bytes, len);
            m->exists = true;
        } else if (f->there && d.what == 1) {
            *f = (model_field){0};
        } else if (f->there) {
            f->expire = d.expire;
        }
    }
    settle(m);
}

static engine_result do_set_key_time(int k, int64_t when, bool *found) {
    entry ent;
    engine_result r = ks_get(w.ks, 0, key_of(k), KS_WRITE, &ent);
    *found = r == ENGINE_OK;
    if (r == ENGINE_OK) r = ks_set_expire(w.ks, 0, key_of(k), &ent, when);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result do_copy(int from, int to, bool move, bool *found) {
    entry ent, old;
    engine_result r = ks_get(w.ks, 0, key_of(to), KS_WRITE, &old);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
    r = ks_get(w.ks, 0, key_of(from), KS_WRITE, &ent);
    *found = r == ENGINE_OK;
    if (r == ENGINE_OK)
        r = move ? ks_move(w.ks, 0, key_of(from), 0, key_of(to))
                 : ks_copy(w.ks, 0, key_of(from), &ent, 0, key_of(to));
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static void step_key(rng *r, int k) {
    bool found = false;
    int to = (k + 1) % KEYS;
    ks_set_expiry_frozen(w.ks, false);
    settle(&models[k]);
    settle(&models[to]);
    if (rng_below(r, 3) == 0) {
        int64_t when = some_time(r);
        BATCH(do_set_key_time(k, when, &found));
        assert_int_equal(found, models[k].exists);
        if (found) models[k].expire = when;
        return;
    }
    bool move = rng_below(r, 2);
    BATCH(do_copy(k, to, move, &found));
    assert_int_equal(found, models[k].exists);
    if (!found) return;
    models[to] = models[k];
    if (move) models[k] = (model){0};
}

/* ---- looking -----------------------------------------------------------------------------------
 */

typedef struct view {
    bool fields[FIELDS];
    int n, twice;
    const elements *el;
} view;

/* Notes a field that was shown, and compares its value. */
static void note(view *v, int k, const el_item *item) {
    char text[24] = {0};
    int f;
    assert_true(item->sub.len < sizeof text);
    memcpy(text, item->sub.data, item->sub.len);
    assert_int_equal(sscanf(text, "field-%d", &f), 1);
    const model_field *m = &models[k].fields[f];
    assert_true(seen(&models[k], f));
    assert_true(slice_eq(item->value, slice_of(m->value, m->len)));
    assert_true(item->expire == m->expire);
    v->twice += v->fields[f];
    v->fields[f] = true;
    v->n++;
}

static int looked; /* the key whose fields are looked at */

static bool note_sample(void *ctx, const el_item *item) {
    note(ctx, looked, item);
    return true;
}

static void note_scan(void *ctx, const el_item *item) {
    view *v = ctx;
    if (!hash_is_due(v->el, item->expire)) note(v, looked, item);
}

static engine_result do_walk(int k, view *v, uint64_t *count) {
    elements el;
    el_iter it;
    *v = (view){0};
    engine_result r = el_open(w.ks, 0, key_of(k), &hash_type, 0, &el);
    if (r == ENGINE_OK) r = hash_count(&el, count);
    if (r != ENGINE_OK) return r;
    for (r = hash_first(&el, &it); r == ENGINE_OK; r = hash_next(&it))
        note(v, k, &it.item);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result do_sample(int k, uint64_t n, bool distinct, view *v) {
    elements el;
    *v = (view){0};
    engine_result r = el_open(w.ks, 0, key_of(k), &hash_type, 0, &el);
    if (r != ENGINE_OK) return r;
    return distinct ? hash_sample_distinct(&el, n, note_sample, v)
                    : hash_sample_any(&el, n, note_sample, v);
}

static engine_result do_scan(int k, uint64_t *cursor, view *v) {
    elements el;
    view before = *v;
    engine_result r = el_open(w.ks, 0, key_of(k), &hash_type, 0, &el);
    v->el = &el;
    uint64_t next = *cursor;
    if (r == ENGINE_OK) r = el_scan(&el, *cursor, 30, &next, note_scan, v);
    if (r != ENGINE_OK) *v = before;
    if (r == ENGINE_OK) *cursor = next;
    return r;
}

static void look(rng *r, int k) {
    view v;
    uint64_t n, cursor = 0;
    int all = count_seen(&models[k]);
    looked = k;
    BATCH(do_walk(k, &v, &n));
    assert_int_equal(n, all);
    assert_int_equal(v.n, all);
    assert_int_equal(v.twice, 0);
    uint64_t want = rng_below(r, 20);
    BATCH(do_sample(k, want, true, &v));
    assert_int_equal(v.n, want < (uint64_t)all ? (int)want : all);
    assert_int_equal(v.twice, 0);
    BATCH(do_sample(k, want, false, &v));
    assert_int_equal(v.n, all ? (int)want : 0);
    v = (view){0};
    do {
        BATCH(do_scan(k, &cursor, &v));
    } while (cursor);
    assert_int_equal(v.n - v.twice, all);
}

static engine_result do_get(int k, int f, hash_field *out, bool *found) {
    elements el;
    char text[16];
    engine_result r = el_open(w.ks, 0, key_of(k), &hash_type, 0, &el);
    if (r != ENGINE_OK) return r;
    r = hash_get(&el, field_name(f, text), out);
    *found = r == ENGINE_OK;
    if (r == ENGINE_OK) {
        const model_field *m = &models[k].fields[f];
        assert_true(slice_eq(out->item.value, slice_of(m->value, m->len)));
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static void step_get(rng *r, int k) {
    hash_field field;
    bool found;
    int f = (int)rng_below(r, rng_below(r, 2) ? 60 : FIELDS);
    BATCH(do_get(k, f, &field, &found));
    assert_int_equal(found, seen(&models[k], f));
    if (found) assert_true(field.item.expire == models[k].fields[f].expire);
}

/* Time goes on; sometimes deletes are not allowed for a while, sometimes the cycle runs. */
static void step_time(rng *r) {
    w.clock.wall_ms += (int64_t)rng_below(r, rng_below(r, 4) ? 10 : 200);
    if (rng_below(r, 6) == 0) ks_set_expiry_frozen(w.ks, rng_below(r, 2));
    if (rng_below(r, 3) == 0) (void)ks_expire_cycle(w.ks, 1000);
}

/* When time has stood still for a while and deletes are allowed, nothing that is due is stored. */
static void assert_all_gone(void) {
    mem_knobs *knobs = engine_mem_knobs(w.e);
    knobs->pending_permille = 0;
    ks_set_expiry_frozen(w.ks, false);
    w.clock.wall_ms += 5;
    for (int i = 0; ks_expire_cycle(w.ks, 1000000); i++)
        assert_true(i < 1000);
    for (int k = 0; k < KEYS; k++) {
        entry ent;
        elements el;
        settle(&models[k]);
        ks_begin(w.ks);
        assert_int_equal(ks_get(w.ks, 0, key_of(k), 0, &ent),
                         models[k].exists ? ENGINE_OK : ENGINE_ABSENT);
        if (models[k].exists) {
            assert_true(ent.expire == models[k].expire);
            assert_int_equal(el_of_entry(w.ks, 0, key_of(k), &ent, &hash_type, &el), ENGINE_OK);
            assert_int_equal(el_count(&el, 0), count_seen(&models[k]));
        }
        ks_commit(w.ks);
    }
}

static void walk(unsigned pending, int steps) {
    rng r;
    buf report = {0};
    unit_seed(&r);
    for (int i = 0; i < steps; i++) {
        int k = (int)rng_below(&r, KEYS);
        mem_knobs *knobs = engine_mem_knobs(w.e);
        knobs->pending_permille = pending;
        if (pending && rng_below(&r, 4) == 0) knobs->error_at = 1 + rng_below(&r, 30);
        switch (rng_below(&r, 10)) {
        case 0: step_time(&r); break;
        case 1: step_key(&r, k); break;
        case 2:
        case 3: step_get(&r, k); break;
        case 4: look(&r, k); break;
        default: step_change(&r, k); break;
        }
        knobs->error_at = 0;
        if (i % 300 == 299) assert_all_gone();
    }
    assert_all_gone();
    assert_true(ks_statistics(w.ks)->expired_elements > 0);
    assert_true(status_ok(engine_check(w.e, &report)));
    assert_int_equal(report.len, 0);
    buf_free(&report);
}

static void against_a_model(void **state) {
    (void)state;
    walk(0, unit_rounds(20000));
}

static void against_a_model_with_pending_reads_and_errors(void **state) {
    (void)state;
    walk(10, unit_rounds(8000));
}

/* ---- one thing at a time -----------------------------------------------------------------------
 */

/* n fields from `from` on, with that time. */
static void put_fields(const char *key, int from, int n, int64_t expire) {
    elements el;
    char text[16];
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, slice_cstr(key), &hash_type, KS_WRITE, &el), ENGINE_OK);
    for (int f = from; f < from + n; f++) {
        hash_field was;
        (void)hash_get(&el, field_name(f, text), &was);
        assert_int_equal(hash_put(&el, field_name(f, text), SLICE("v"), expire, &was), ENGINE_OK);
    }
    assert_int_equal(el_end(&el), ENGINE_OK);
    ks_commit(w.ks);
}

static uint64_t stored(const char *key) {
    elements el;
    entry ent;
    uint64_t n = 0;
    ks_begin(w.ks);
    if (ks_get(w.ks, 0, slice_cstr(key), KS_NO_WAKE, &ent) == ENGINE_OK) {
        assert_int_equal(el_of_entry(w.ks, 0, slice_cstr(key), &ent, &hash_type, &el), ENGINE_OK);
        n = el_count(&el, 0);
    }
    ks_commit(w.ks);
    return n;
}

/* A lookup deletes a slice, once in a millisecond; the cycle deletes them all. */
static void slices(void **state) {
    (void)state;
    put_fields("h", 0, 10, 0);
    put_fields("h", 10, 1000, w.clock.wall_ms + 10);
    (void)world_told(&w);
    w.clock.wall_ms += 10;
    assert_true(world_has(&w, 0, "h"));
    assert_string_equal(world_told(&w), "+0:h hexpired@0:h ");
    assert_int_equal(stored("h"), 1010 - HASH_WAKE_MAX);
    assert_true(world_has(&w, 0, "h"));
    assert_int_equal(stored("h"), 1010 - HASH_WAKE_MAX);
    w.clock.wall_ms += 1;
    assert_true(world_has(&w, 0, "h"));
    assert_int_equal(stored("h"), 1010 - 2 * HASH_WAKE_MAX);
    w.clock.wall_ms += 1;
    assert_false(ks_expire_cycle(w.ks, 10000000));
    assert_int_equal(stored("h"), 10);
    assert_int_equal(ks_statistics(w.ks)->expired_elements, 1000);
    (void)world_told(&w);
    put_fields("h", 0, 10, w.clock.wall_ms + 1);
    w.clock.wall_ms += 1;
    assert_false(ks_expire_cycle(w.ks, 10000000));
    assert_string_equal(world_told(&w), "+0:h hexpired@0:h del@0:h ");
    assert_int_equal(world_keys(&w, 0), 0);
}

/* Picks of a hash some of whose fields are hidden: counts of each, of those that live. */
typedef struct tally {
    int times[FIELDS];
} tally;

static bool note_tally(void *ctx, const el_item *item) {
    char text[24] = {0};
    int f;
    memcpy(text, item->sub.data, item->sub.len);
    assert_int_equal(sscanf(text, "field-%d", &f), 1);
    ((tally *)ctx)->times[f]++;
    return true;
}

/* What is due at this very millisecond and may not be deleted is neither counted nor picked, and
 * the others are picked alike. */
static void hidden(void **state) {
    (void)state;
    static const int lives[] = {20, 100};
    for (int i = 0; i < 2; i++) { /* packed; apart */
        int live = lives[i];
        elements el;
        uint64_t n;
        tally any = {{0}}, distinct = {{0}};
        const char *key = names[i];
        put_fields(key, 0, live, 0);
        put_fields(key, live, 2 * live, w.clock.wall_ms + 10);
        ks_set_expiry_frozen(w.ks, true);
        w.clock.wall_ms += 10;
        ks_begin(w.ks);
        assert_int_equal(el_open(w.ks, 0, slice_cstr(key), &hash_type, 0, &el), ENGINE_OK);
        assert_int_equal(el.packed, i == 0);
        assert_int_equal(hash_count(&el, &n), ENGINE_OK);
        assert_int_equal(n, live);
        for (int k = 0; k < 100 * live; k++) {
            assert_int_equal(hash_sample_any(&el, 1, note_tally, &any), ENGINE_OK);
            if (k % 5 == 0)
                assert_int_equal(hash_sample_distinct(&el, 5, note_tally, &distinct), ENGINE_OK);
        }
        ks_commit(w.ks);
        for (int f = 0; f < live; f++) {
            assert_in_range(any.times[f], 40, 180);
            assert_in_range(distinct.times[f], 40, 180);
        }
        assert_int_equal(any.times[live], 0);
        ks_set_expiry_frozen(w.ks, false);
    }
}

/* A value in pieces goes with its field, though it is not read for that. */
static void long_values(void **state) {
    (void)state;
    elements el;
    hash_field was;
    buf value = {0}, report = {0};
    memset(buf_reserve(&value, 3 * EL_PIECE), 'x', 3 * EL_PIECE);
    value.len = 3 * EL_PIECE;
    put_fields("h", 0, 3, 0);
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, SLICE("h"), &hash_type, KS_WRITE, &el), ENGINE_OK);
    assert_int_equal(hash_get(&el, SLICE("long"), &was), ENGINE_ABSENT);
    assert_int_equal(hash_put(&el, SLICE("long"), buf_slice(&value), w.clock.wall_ms + 5, &was),
                     ENGINE_OK);
    assert_int_equal(el_end(&el), ENGINE_OK);
    assert_int_equal(el_count(&el, EL_LONG), 3);
    ks_commit(w.ks);
    w.clock.wall_ms += 5;
    assert_true(world_has(&w, 0, "h"));
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, SLICE("h"), &hash_type, 0, &el), ENGINE_OK);
    assert_int_equal(el_count(&el, 0), 3);
    assert_int_equal(el_count(&el, EL_LONG), 0);
    assert_int_equal(el_count(&el, ENGINE_DERIVED), 0);
    ks_commit(w.ks);
    assert_true(status_ok(engine_check(w.e, &report)));
    buf_free(&report);
    buf_free(&value);
}

static const char *encoding_of(const char *key) {
    elements el;
    const char *name;
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, slice_cstr(key), &hash_type, 0, &el), ENGINE_OK);
    assert_int_equal(hash_encoding(&el, &name), ENGINE_OK);
    ks_commit(w.ks);
    return name;
}

static void encodings(void **state) {
    (void)state;
    put_fields("h", 0, 512, 0);
    assert_string_equal(encoding_of("h"), "listpack");
    put_fields("h", 3, 1, w.clock.wall_ms + 1000);
    assert_string_equal(encoding_of("h"), "listpackex");
    put_fields("h", 3, 1, 0);
    assert_string_equal(encoding_of("h"), "listpackex");
    put_fields("h", 512, 1, 0);
    assert_string_equal(encoding_of("h"), "hashtable");
    types_limit.hash_value = 6;
    put_fields("short", 1, 1, 0);
    assert_string_equal(encoding_of("short"), "hashtable");
    types_limit.hash_value = 64;
    put_fields("short", 2, 1, 0);
    assert_string_equal(encoding_of("short"), "hashtable");
}

/* The worked example of src/types/README.md. */
static void the_format(void **state) {
    (void)state;
    entry ent;
    elements el;
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, SLICE("h"), &hash_type, KS_WRITE, &el), ENGINE_OK);
    assert_int_equal(hash_put(&el, SLICE("f"), SLICE("xy"), 1700000001000, &(hash_field){0}),
                     ENGINE_OK);
    assert_int_equal(el_end(&el), ENGINE_OK);
    assert_int_equal(engine_get(w.e, 0, SLICE("h"), &ent), ENGINE_OK);
    assert_int_equal(ent.hint, KS_WAKES | HASH_TIMES);
    assert_true(ent.expire == 1700000001000);
    assert_true(slice_eq(ent.value, SLICE("\x04"
                                          "\0\0\0\0\0\0\0\0"
                                          "\xe8\x6b\xe5\xcf\x8b\x01\0\0"
                                          "\x01"
                                          "\x03"
                                          "f"
                                          "\x02"
                                          "xy"
                                          "\xe8\x6b\xe5\xcf\x8b\x01\0\0")));
    ks_commit(w.ks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slices, open_world, close_world),
        cmocka_unit_test_setup_teardown(hidden, open_world, close_world),
        cmocka_unit_test_setup_teardown(long_values, open_world, close_world),
        cmocka_unit_test_setup_teardown(encodings, open_world, close_world),
        cmocka_unit_test_setup_teardown(the_format, open_world, close_world),
        cmocka_unit_test_setup_teardown(against_a_model, open_world, close_world),
        cmocka_unit_test_setup_teardown(against_a_model_with_pending_reads_and_errors, open_world,
                                        close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
