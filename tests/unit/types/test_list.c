/* Lists against arrays: whatever is done to a list, packed or apart, even or not, on an engine that
 * counts and on one that does not, with reads that are pending and calls that fail, it holds what
 * an array holds. */
#include "types/list.h"

#include "base/mem.h"
#include "support/readme.h"
#include "support/unit.h"
#include "support/world.h"
#include "types/limits.h"
#include "types/list_int.h"

#include <stdio.h>

#define KEYS     3
#define MAX_LEN  900
#define VALUES   40
#define LONG_LEN (2 * EL_PIECE + 777)

static world w;
static char long_bytes[LONG_LEN + VALUES];

/* Values are numbers, each of which stands for its bytes: see value_of. */
typedef struct model {
    uint32_t n;
    uint8_t at[MAX_LEN + 8];
} model;

static model models[KEYS];
static const char *const names[KEYS] = {"a", "b", "c"};

static int open_world(void **state) {
    (void)state;
    world_open(&w, 77, true);
    for (size_t i = 0; i < sizeof long_bytes; i++)
        long_bytes[i] = (char)(i * 11 + i / 251);
    memset(models, 0, sizeof models);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    types_limit.list_size = -2;
    world_close(&w);
    return 0;
}

/* Short ones, the empty one, some that fill a pack soon, two long ones of the same length. */
static slice value_of(unsigned v) {
    size_t n = v < 30 ? v % 12 : v < 36 ? 60 + v : v < 38 ? 3000 : LONG_LEN;
    return slice_of(long_bytes + v, n);
}

#define BATCH(what) WORLD_BATCH(&w, what)

static engine_result open_list(int k, elements *el) {
    return el_open(w.ks, 0, slice_cstr(names[k]), &list_type, KS_WRITE, el);
}

/* ---- operations, each one batch
 * -----------------------------------------------------------------------------------
 */

static engine_result do_push(int k, list_end end, const slice *values, size_t n) {
    elements el;
    engine_result r = open_list(k, &el);
    if (r == ENGINE_OK) r = list_push(&el, end, values, n);
    return r == ENGINE_OK ? el_end(&el) : r;
}

static engine_result do_delete(int k, uint64_t from, uint64_t n) {
    elements el;
    engine_result r = open_list(k, &el);
    if (r == ENGINE_OK) r = list_delete(&el, from, n);
    if (r == ENGINE_OK) r = el_end(&el);
    if (r == ENGINE_OK) assert_int_equal(el.deleted, n > 0 && n == models[k].n);
    return r;
}

/* Takes a value from an end and puts it at another, of the same list. */
static engine_result do_rotate(int k, bool tail) {
    elements el;
    el_room room = {0};
    el_iter it;
    slice value;
    engine_result r = open_list(k, &el);
    el.lean = true;
    if (r == ENGINE_OK) r = tail ? el_last(&el, 0, &it) : el_first(&el, 0, &it);
    if (r == ENGINE_OK) r = list_load(&el, &it.item, &room, &value);
    if (r == ENGINE_OK) r = list_delete_end(&el, &it.item);
    if (r == ENGINE_OK) r = list_push(&el, tail ? LIST_HEAD : LIST_TAIL, &value, 1);
    return r == ENGINE_OK ? el_end(&el) : r;
}

static engine_result do_set(int k, uint64_t index, slice value, bool *there) {
    elements el;
    engine_result r = open_list(k, &el);
    if (r == ENGINE_OK) r = list_set(&el, index, value);
    *there = r != ENGINE_ABSENT;
    if (r == ENGINE_ABSENT) return ENGINE_OK;
    return r == ENGINE_OK ? el_end(&el) : r;
}

static engine_result do_insert(int k, slice pivot, bool after, slice value, bool *there) {
    elements el;
    engine_result r = open_list(k, &el);
    if (r == ENGINE_OK) r = list_insert(&el, pivot, after, value);
    *there = r != ENGINE_ABSENT;
    if (r == ENGINE_ABSENT) return ENGINE_OK;
    return r == ENGINE_OK ? el_end(&el) : r;
}

static engine_result do_remove(int k, slice value, list_end from, uint64_t max, uint64_t *n) {
    elements el;
    engine_result r = open_list(k, &el);
    if (r == ENGINE_OK) r = list_remove_equal(&el, value, from, max, n);
    return r == ENGINE_OK ? el_end(&el) : r;
}

typedef struct finds {
    uint32_t n;
    uint64_t at[MAX_LEN + 8];
} finds;

static void on_found(void *ctx, uint64_t index) {
    finds *f = ctx;
    assert_true(f->n < MAX_LEN);
    f->at[f->n++] = index;
}

static engine_result do_find(int k, const list_search *s, finds *f) {
    elements el;
    f->n = 0;
    engine_result r = open_list(k, &el);
    return r == ENGINE_OK ? list_find(&el, s, on_found, f) : r;
}

/* ---- what must be ------------------------------------------------------------------------------
 */

/* The iterator's value is number v's, which is read piece by piece if it was left. */
static engine_result same_value(elements *el, const el_item *item, unsigned v) {
    slice value;
    el_room room = {0};
    bool equal;
    assert_int_equal(item->left, value_of(v).len > EL_PIECE ? value_of(v).len : 0);
    engine_result r = list_equal(el, item, value_of(v), &equal);
    if (r != ENGINE_OK) return r;
    assert_true(equal);
    if (!item->left || v % 3) return ENGINE_OK;
    r = list_load(el, item, &room, &value);
    if (r == ENGINE_OK) assert_true(slice_eq(value, value_of(v)));
    return r;
}

/* All of it, in one direction, from an index on; and that an even list is even. */
static engine_result do_compare(int k, uint64_t from, bool backward) {
    const model *m = &models[k];
    elements el;
    el_iter it;
    uint64_t i = from, last = 0;
    engine_result r = open_list(k, &el);
    if (r != ENGINE_OK) return r;
    assert_int_equal(el.exists, m->n > 0);
    assert_int_equal(list_len(&el), m->n);
    for (r = list_at(&el, from, &it); r == ENGINE_OK; r = el_step(&it, backward)) {
        uint64_t at = list_position(&it.item);
        assert_true(i < m->n);
        if (i != from && !(el_hint(&el) & LIST_UNEVEN))
            assert_int_equal(at, backward ? last - LIST_STRIDE : last + LIST_STRIDE);
        last = at;
        engine_result same = same_value(&el, &it.item, m->at[i]);
        if (same != ENGINE_OK) return same;
        i += backward ? UINT64_MAX : 1;
    }
    if (r != ENGINE_ABSENT) return r;
    if (from < m->n) assert_true(i == (backward ? UINT64_MAX : m->n));
    return ENGINE_OK;
}

static engine_result do_at(int k, uint64_t index) {
    elements el;
    el_iter it;
    engine_result r = open_list(k, &el);
    if (r == ENGINE_OK) r = list_at(&el, index, &it);
    if (r == ENGINE_ABSENT) {
        assert_true(index >= models[k].n);
        return ENGINE_OK;
    }
    return r == ENGINE_OK ? same_value(&el, &it.item, models[k].at[index]) : r;
}

/* ---- the model ----------------------------------------------------------------------------------
 */

static void model_insert(model *m, uint32_t at, unsigned v) {
    assert_true(m->n < MAX_LEN + 8 && at <= m->n);
    memmove(&m->at[at + 1], &m->at[at], m->n++ - at);
    m->at[at] = (uint8_t)v;
}

static void model_delete(model *m, uint64_t at, uint64_t n) {
    memmove(&m->at[at], &m->at[at + n], m->n - at - n);
    m->n -= (uint32_t)n;
}

/* Long values seldom: they cost. */
static unsigned some_value(rng *r) {
    unsigned v = (unsigned)rng_below(r, VALUES);
    if (v >= 38 && rng_below(r, 4)) v -= 20;
    return v >= 36 && rng_below(r, 2) ? v - 20 : v;
}

static void step_push(rng *r, int k) {
    model *m = &models[k];
    slice values[64];
    unsigned numbers[64];
    list_end end = rng_below(r, 2) ? LIST_TAIL : LIST_HEAD;
    size_t n = 1 + rng_below(r, rng_below(r, 3) ? 4 : 64);
    if (m->n + n > MAX_LEN) return;
    for (size_t i = 0; i < n; i++) {
        numbers[i] = n > 8 ? (unsigned)rng_below(r, 30) : some_value(r);
        values[i] = value_of(numbers[i]);
    }
    BATCH(do_push(k, end, values, n));
    for (size_t i = 0; i < n; i++)
        model_insert(m, end == LIST_HEAD ? 0 : m->n, numbers[i]);
}

static void step_delete(rng *r, int k) {
    model *m = &models[k];
    uint64_t from = rng_below(r, m->n + 1), n = rng_below(r, 2) ? 1 : rng_below(r, 300);
    if (rng_below(r, 3) == 0) from = 0;
    if (n > m->n - from || (rng_below(r, 3) == 0)) n = rng_below(r, m->n - from + 1);
    if (n > m->n / 2 && rng_below(r, 4)) n = n ? 1 : 0;
    BATCH(do_delete(k, from, n));
    model_delete(m, from, n);
}

static void step_rotate(rng *r, int k) {
    model *m = &models[k];
    bool tail = rng_below(r, 2);
    if (m->n == 0) return;
    BATCH(do_rotate(k, tail));
    uint8_t v = m->at[tail ? m->n - 1 : 0];
    model_delete(m, tail ? m->n - 1 : 0, 1);
    model_insert(m, tail ? 0 : m->n, v);
}

static void step_set(rng *r, int k) {
    model *m = &models[k];
    uint64_t index = rng_below(r, m->n + 2);
    unsigned v = some_value(r);
    bool there;
    BATCH(do_set(k, index, value_of(v), &there));
    assert_int_equal(there, index < m->n);
    if (there) m->at[index] = (uint8_t)v;
}

/* Several at the same place, so that there is no room left. */
static void step_insert(rng *r, int k) {
    model *m = &models[k];
    unsigned pivot = m->n && rng_below(r, 4) ? m->at[rng_below(r, m->n)] : some_value(r);
    bool after = rng_below(r, 2), there;
    for (uint64_t times = rng_below(r, 3) ? 1 : rng_below(r, 24); times > 0; times--) {
        unsigned v = (unsigned)rng_below(r, 30);
        uint32_t at = 0;
        if (m->n >= MAX_LEN) return;
        BATCH(do_insert(k, value_of(pivot), after, value_of(v), &there));
        while (at < m->n && !slice_eq(value_of(m->at[at]), value_of(pivot)))
            at++;
        assert_int_equal(there, at < m->n);
        if (there) model_insert(m, at + after, v);
    }
}

static void step_remove(rng *r, int k) {
    model *m = &models[k];
    unsigned v = some_value(r);
    list_end from = rng_below(r, 2) ? LIST_TAIL : LIST_HEAD;
    uint64_t max = rng_below(r, 3) ? 1 + rng_below(r, 3) : UINT64_MAX, n, want = 0;
    BATCH(do_remove(k, value_of(v), from, max, &n));
    for (uint32_t i = 0; i < m->n && want < max;) {
        uint32_t at = from == LIST_HEAD ? i : m->n - 1 - i;
        if (slice_eq(value_of(m->at[at]), value_of(v))) {
            model_delete(m, at, 1);
            want++;
        } else {
            i++;
        }
    }
    assert_int_equal(n, want);
}

static void step_find(rng *r, int k) {
    static finds f;
    const model *m = &models[k];
    unsigned v = m->n ? m->at[rng_below(r, m->n)] : 3;
    list_search s = {.value = value_of(v),
                     .from = rng_below(r, 2) ? LIST_TAIL : LIST_HEAD,
                     .skip = rng_below(r, 4),
                     .want = rng_below(r, 2) ? UINT64_MAX : rng_below(r, 5),
                     .look = rng_below(r, 2) ? UINT64_MAX : rng_below(r, m->n + 3)};
    uint64_t skip = s.skip, seen = 0;
    BATCH(do_find(k, &s, &f));
    for (uint64_t i = 0; i < m->n && i < s.look && seen < s.want; i++) {
        uint64_t at = s.from == LIST_TAIL ? m->n - 1 - i : i;
        if (!slice_eq(value_of(m->at[at]), s.value)) continue;
        if (skip) {
            skip--;
            continue;
        }
        assert_true(seen < f.n && f.at[seen] == at);
        seen++;
    }
    assert_int_equal(f.n, seen);
}

static void walk(unsigned pending, bool counted, int steps) {
    rng r;
    buf report = {0};
    unit_seed(&r);
    engine_mem_counted(w.e, counted);
    types_limit.list_size = 50; /* the hint is kept */
    for (int i = 0; i < steps; i++) {
        int k = (int)rng_below(&r, KEYS);
        mem_knobs *knobs = engine_mem_knobs(w.e);
        knobs->pending_permille = pending;
        if (pending && rng_below(&r, 4) == 0) knobs->error_at = 1 + rng_below(&r, 40);
        switch (rng_below(&r, 10)) {
        case 0:
        case 1: step_push(&r, k); break;
        case 2: step_delete(&r, k); break;
        case 3: step_rotate(&r, k); break;
        case 4: step_set(&r, k); break;
        case 5:
        case 6: step_insert(&r, k); break;
        case 7: step_remove(&r, k); break;
        case 8: step_find(&r, k); break;
        default: BATCH(do_at(k, rng_below(&r, models[k].n + 2))); break;
        }
        knobs->error_at = 0;
        if (i % 4 == 0) {
            uint64_t n = models[k].n;
            bool backward = rng_below(&r, 2);
            BATCH(do_compare(k, backward && n ? n - 1 : 0, backward));
            BATCH(do_compare(k, rng_below(&r, n + 1), backward));
        }
    }
    engine_mem_knobs(w.e)->pending_permille = 0;
    for (int k = 0; k < KEYS; k++)
        BATCH(do_compare(k, 0, false));
    assert_true(status_ok(engine_check(w.e, &report)));
    assert_int_equal(report.len, 0);
    buf_free(&report);
}

static void against_arrays(void **state) {
    (void)state;
    walk(0, true, unit_rounds(1500));
}

static void against_arrays_without_counting(void **state) {
    (void)state;
    walk(0, false, unit_rounds(1500));
}

static void against_arrays_with_pending_reads_and_errors(void **state) {
    (void)state;
    walk(20, true, unit_rounds(300));
}

/* ---- positions ---------------------------------------------------------------------------------
 */

static engine_result do_place(int k, uint64_t position, slice value) {
    elements el;
    engine_result r = open_list(k, &el);
    list_uneven(&el);
    if (r == ENGINE_OK) r = list_put(&el, position, value, NULL);
    return r == ENGINE_OK ? el_end(&el) : r;
}

/* Where positions end, pushes and inserts go on all the same: the values near there are spread. */
static void the_ends_of_all_positions(void **state) {
    (void)state;
    static const uint64_t starts[] = {0, UINT64_MAX, 1, UINT64_MAX - 1, 300, UINT64_MAX - 300};
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        model *m = &models[0];
        m->n = 0;
        BATCH(do_place(0, starts[s], value_of(7)));
        model_insert(m, 0, 7);
        for (unsigned i = 0; i < 400; i++) {
            list_end end = i % 5 == 0 ? LIST_HEAD : LIST_TAIL;
            if (starts[s] < LIST_MIDDLE) end = end == LIST_HEAD ? LIST_TAIL : LIST_HEAD;
            slice value = value_of(i % 30);
            BATCH(do_push(0, end, &value, 1));
            model_insert(m, end == LIST_HEAD ? 0 : m->n, i % 30);
            if (i % 16 == 0) BATCH(do_compare(0, 0, false));
        }
        BATCH(do_compare(0, 0, false));
        BATCH(do_delete(0, 0, m->n));
    }
}

/* Room that is made near an end is taken near it: not half of all positions there are. */
static void ends_stay_where_they_are(void **state) {
    (void)state;
    bool there;
    elements el;
    el_iter it;
    for (unsigned i = 0; i < 300; i++)
        BATCH(do_place(0, LIST_MIDDLE + i, value_of(i == 1 ? 7 : i == 298 ? 11 : 5)));
    for (unsigned i = 0; i < 50; i++) {
        BATCH(do_insert(0, value_of(7), false, value_of(9), &there));
        BATCH(do_insert(0, value_of(11), true, value_of(9), &there));
    }
    ks_begin(w.ks);
    assert_int_equal(open_list(0, &el), ENGINE_OK);
    assert_int_equal(el_first(&el, 0, &it), ENGINE_OK);
    assert_in_range(list_position(&it.item), LIST_MIDDLE - 100000, LIST_MIDDLE);
    assert_int_equal(el_last(&el, 0, &it), ENGINE_OK);
    assert_in_range(list_position(&it.item), LIST_MIDDLE, LIST_MIDDLE + 100000);
    ks_commit(w.ks);
}

/* Inserts that all go between the same two, into a list where there is no position left between
 * any two: how many elements are written for each. */
static void inserts_at_one_place_are_cheap(void **state) {
    (void)state;
    const unsigned n = 3000, inserts = 2000;
    slice some = value_of(5), pivot = value_of(7), other = value_of(11);
    bool there;
    for (unsigned i = 0; i < n; i++)
        BATCH(do_place(0, LIST_MIDDLE + i, i == n / 2 ? pivot : some));
    uint64_t calls = 0, before = engine_mem_counters(w.e)->calls;
    elements el;
    BATCH(do_insert(0, pivot, true, other, &there));
    uint64_t first = engine_mem_counters(w.e)->calls - before;
    for (unsigned i = 0; i < inserts; i++) {
        /* not through the pivot, to which the walk is long */
        ks_begin(w.ks);
        assert_int_equal(open_list(0, &el), ENGINE_OK);
        el_iter it;
        assert_int_equal(list_at(&el, n / 2, &it), ENGINE_OK);
        uint64_t low = list_position(&it.item), at;
        assert_int_equal(el_step(&it, false), ENGINE_OK);
        uint64_t high = list_position(&it.item);
        before = engine_mem_counters(w.e)->calls;
        assert_int_equal(list_place(&el, &low, &high, &at), ENGINE_OK);
        calls += engine_mem_counters(w.e)->calls - before;
        assert_int_equal(list_put(&el, at, other, NULL), ENGINE_OK);
        assert_int_equal(el_end(&el), ENGINE_OK);
        ks_commit(w.ks);
    }
    ks_begin(w.ks);
    assert_int_equal(open_list(0, &el), ENGINE_OK);
    assert_int_equal(list_len(&el), n + 1 + inserts);
    ks_commit(w.ks);
    print_message("calls: the first %lu, then %lu each\n", (unsigned long)first,
                  (unsigned long)(calls / inserts));
    assert_true(calls / inserts < 60);
}

/* ---- encodings ---------------------------------------------------------------------------------
 */

static engine_result do_encoding(int k, const char **name) {
    elements el;
    engine_result r = open_list(k, &el);
    return r == ENGINE_OK ? list_encoding(&el, name) : r;
}

static void assert_encoding(const char *wanted) {
    const char *name;
    BATCH(do_encoding(0, &name));
    assert_string_equal(name, wanted);
}

static void push_many(unsigned n, slice value) {
    for (unsigned i = 0; i < n; i++)
        BATCH(do_push(0, LIST_TAIL, &value, 1));
    models[0].n += n;
}

static void delete_many(uint64_t n) {
    BATCH(do_delete(0, 0, n));
    models[0].n -= (uint32_t)n;
}

/* Going by bytes: of a value of 100 bytes a listpack takes 103, of a small number 2. */
static void encodings_by_bytes(void **state) {
    (void)state;
    types_limit.list_size = -1;
    push_many(39, slice_of(long_bytes, 100));
    assert_encoding("listpack");
    push_many(1, slice_of(long_bytes, 100));
    assert_encoding("quicklist");
    types_limit.list_size = -2;
    assert_encoding("listpack");
    push_many(40, slice_of(long_bytes, 100));
    assert_encoding("quicklist");
    delete_many(1);
    assert_encoding("listpack");
    delete_many(79);
    push_many(1000, SLICE("12"));
    assert_encoding("listpack");
    push_many(1, slice_of(long_bytes, LONG_LEN));
    assert_encoding("quicklist");
    delete_many(1001);
}

/* Going by number, half of it makes a listpack again. */
static void encodings_by_number(void **state) {
    (void)state;
    types_limit.list_size = 40;
    push_many(40, SLICE("v"));
    assert_encoding("listpack");
    push_many(1, SLICE("v"));
    assert_encoding("quicklist");
    delete_many(20);
    assert_encoding("quicklist");
    delete_many(1);
    assert_encoding("listpack");
    push_many(20, SLICE("v"));
    assert_encoding("listpack");
    push_many(1, slice_of(long_bytes, 9000));
    assert_encoding("quicklist");
    types_limit.list_size = 0;
    delete_many(40);
    assert_encoding("quicklist");
    delete_many(1);
    push_many(1, SLICE("v"));
    assert_encoding("listpack");
    push_many(1, SLICE("v"));
    assert_encoding("quicklist");
    delete_many(2);
}

/* A push on a list that is apart writes one element, and its main entry stays as it is. */
static void a_push_is_one_element(void **state) {
    (void)state;
    entry before, after;
    types_limit.list_size = -2;
    push_many(300, SLICE("v"));
    slice value = SLICE("w");
    ks_begin(w.ks);
    assert_int_equal(ks_get(w.ks, 0, SLICE("a"), KS_NO_TOUCH, &before), ENGINE_OK);
    ks_commit(w.ks);
    log_pos end = engine_log_end(w.e);
    BATCH(do_push(0, LIST_HEAD, &value, 1));
    assert_int_equal(engine_log_end(w.e), end + 1);
    BATCH(do_delete(0, 0, 1));
    assert_int_equal(engine_log_end(w.e), end + 2);
    BATCH(do_delete(0, models[0].n - 1, 1)); /* the list is as even as before */
    assert_int_equal(engine_log_end(w.e), end + 3);
    models[0].n--;
    ks_begin(w.ks);
    assert_int_equal(ks_get(w.ks, 0, SLICE("a"), KS_NO_TOUCH, &after), ENGINE_OK);
    assert_int_equal(after.pos, before.pos);
    ks_commit(w.ks);
}

/* The worked example of src/types/README.md. */
static void the_format(void **state) {
    (void)state;
    entry ent;
    slice values[2] = {SLICE("a"), SLICE("b")};
    BATCH(do_push(0, LIST_TAIL, values, 2));
    ks_begin(w.ks);
    assert_int_equal(ks_get(w.ks, 0, SLICE("a"), 0, &ent), ENGINE_OK);
    assert_readme_shows("src/types/README.md", ent.value.data, ent.value.len);
    ks_commit(w.ks);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(against_arrays),
        TEST(against_arrays_without_counting),
        TEST(against_arrays_with_pending_reads_and_errors),
        TEST(the_ends_of_all_positions),
        TEST(ends_stay_where_they_are),
        TEST(inserts_at_one_place_are_cheap),
        TEST(encodings_by_bytes),
        TEST(encodings_by_number),
        TEST(a_push_is_one_element),
        TEST(the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
