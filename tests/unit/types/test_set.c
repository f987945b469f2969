/* Sets against arrays of flags: whatever is added, removed, popped and combined, packed or apart,
 * with reads that are pending and calls that fail, a set has what the flags say; and its encoding
 * is what redis-server would have chosen. */
#include "types/set.h"

#include "base/dict.h"
#include "support/unit.h"
#include "support/world.h"
#include "types/limits.h"
#include "types/set_algebra.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 5
#define MAX  900 /* members: every third is no number, some are long */

static world w;
static rng r;
static bool model[KEYS][MAX];
static const char *const names[KEYS] = {"a", "b", "c", "d", "e"};
static char texts[MAX][120];
static slice members[MAX];
static dict *numbers; /* a member's text -> &members[i] */

static int open_world(void **state) {
    (void)state;
    unit_seed(&r);
    world_open(&w, rng_next(&r), false);
    memset(model, 0, sizeof model);
    numbers = dict_new(false);
    for (int i = 0; i < MAX; i++) {
        snprintf(texts[i], sizeof texts[i], i % 3 ? "%d" : "m%d", i * 7 - 1000);
        if (i % 60 == 3) snprintf(texts[i], sizeof texts[i], "%0100d", i);
        members[i] = slice_cstr(texts[i]);
        assert_null(dict_set(numbers, members[i], &members[i]));
    }
    return 0;
}

static int close_world(void **state) {
    (void)state;
    dict_free(numbers, NULL);
    world_close(&w);
    return 0;
}

static int number_of(slice member) {
    const slice *found = dict_get(numbers, member);
    assert_non_null(found);
    return (int)(found - members);
}

static int count_of(const bool *set) {
    int n = 0;
    for (int i = 0; i < MAX; i++)
        n += set[i];
    return n;
}

#define BATCH(what) WORLD_BATCH(&w, what)

static engine_result open_key(int k, unsigned flags, elements *out) {
    return el_open(w.ks, 0, slice_cstr(names[k]), &set_type, flags, out);
}

/* ---- operations ---------------------------------------------------------------------------------
 */

static engine_result do_add(int k, const int *which, int n, bool add, int *changed) {
    elements el;
    engine_result s = open_key(k, KS_WRITE, &el);
    *changed = 0;
    if (add && s == ENGINE_OK) set_expect(&el, members[which[0]], (uint64_t)n);
    for (int i = 0; i < n && s == ENGINE_OK; i++) {
        bool did = true;
        s = add ? set_add(&el, members[which[i]], &did)
                : el_del(&el, 0, members[which[i]], EL_UNKNOWN);
        if (!add && s == ENGINE_ABSENT) {
            did = false;
            s = ENGINE_OK;
        }
        *changed += did;
    }
    return s == ENGINE_OK ? el_end(&el) : s;
}

static bool shown[MAX];
static int nshown;

static engine_result show(void *ctx, slice member) {
    int i = number_of(member);
    (void)ctx;
    assert_false(shown[i]);
    shown[i] = true;
    nshown++;
    return ENGINE_OK;
}

static engine_result ignore(void *ctx, slice member) {
    (void)ctx;
    (void)member;
    return ENGINE_OK;
}

static void forget(void) {
    memset(shown, 0, sizeof shown);
    nshown = 0;
}

static engine_result do_walk(int k) {
    elements el;
    forget();
    engine_result s = open_key(k, 0, &el);
    return s == ENGINE_OK ? set_walk(&el, show, NULL) : s;
}

static engine_result do_pop(int k, uint64_t n, set_each each) {
    elements el;
    forget();
    engine_result s = open_key(k, KS_WRITE, &el);
    if (s == ENGINE_OK) s = set_pop(&el, n, each, NULL);
    return s == ENGINE_OK ? el_end(&el) : s;
}

static engine_result (*const shows[])(elements *const *, unsigned, set_each,
                                      void *) = {set_inter, set_union, set_diff};
static engine_result (*const stores[])(elements *const *, unsigned, elements *) = {
    set_inter_store, set_union_store, set_diff_store};

static engine_result do_combine(int op, const int *keys, int n, int to) {
    elements all[KEYS], result, *sets[KEYS];
    engine_result s = ENGINE_OK;
    forget();
    for (int i = 0; i < n && s == ENGINE_OK; i++) {
        sets[i] = &all[i];
        s = open_key(keys[i], 0, &all[i]);
    }
    if (s != ENGINE_OK) return s;
    if (to < 0) return shows[op](sets, (unsigned)n, show, NULL);
    el_create(w.ks, 0, slice_cstr(names[to]), &set_type, &result);
    s = stores[op](sets, (unsigned)n, &result);
    return s == ENGINE_OK ? el_end(&result) : s;
}

/* ---- the model's --------------------------------------------------------------------------------
 */

static void check_key(int k) {
    elements el;
    const char *name;
    uint64_t count = 0;
    BATCH(do_walk(k));
    assert_memory_equal(shown, model[k], sizeof shown);
    BATCH(open_key(k, 0, &el) == ENGINE_OK ? (count = el_count(&el, 0), ENGINE_OK)
                                           : ENGINE_PENDING);
    assert_int_equal(count, nshown);
    assert_int_equal(el.exists, nshown > 0);
    if (!el.exists) return;
    assert_int_equal(set_encoding(&el, &name), ENGINE_OK);
    bool integers = true, fits = nshown <= types_limit.set_entries;
    for (int i = 0; i < MAX; i++) {
        integers &= !model[k][i] || set_is_integer(members[i]);
        fits &= !model[k][i] || (int64_t)members[i].len <= types_limit.set_value;
    }
    if (!strcmp(name, "intset")) assert_true(integers && nshown <= types_limit.set_intset);
    if (!strcmp(name, "listpack")) assert_true(fits);
}

static void combine(int op) {
    int keys[KEYS], n = 1 + (int)rng_below(&r, KEYS);
    int to = rng_below(&r, 2) ? (int)rng_below(&r, KEYS) : -1;
    bool result[MAX];
    for (int i = 0; i < n; i++)
        keys[i] = (int)rng_below(&r, KEYS);
    for (int m = 0; m < MAX; m++) {
        int has = 0;
        for (int i = 1; i < n; i++)
            has += model[keys[i]][m];
        bool first = model[keys[0]][m];
        result[m] = op == 0 ? first && has == n - 1 : op == 1 ? first || has : first && !has;
    }
    BATCH(do_combine(op, keys, n, to));
    if (to >= 0) {
        memcpy(model[to], result, sizeof result);
    } else {
        assert_memory_equal(shown, result, sizeof result);
    }
}

static void change(int k, bool add) {
    int which[300], changed, expected = 0;
    int n = 1 + (int)rng_below(&r, rng_below(&r, 8) ? 12 : 300);
    int span = rng_below(&r, 2) ? MAX : 140, kind = (int)rng_below(&r, 3);
    for (int i = 0; i < n; i++) {
        which[i] = (int)rng_below(&r, (uint64_t)span);
        if (kind == 0) which[i] += which[i] % 3 == 0; /* integers alone */
    }
    BATCH(do_add(k, which, n, add, &changed));
    for (int i = 0; i < n; i++) {
        expected += model[k][which[i]] != add;
        model[k][which[i]] = add;
    }
    assert_int_equal(changed, expected);
}

static void pop(int k) {
    int count = count_of(model[k]);
    uint64_t n = rng_below(&r, 4) ? rng_below(&r, 5) : rng_below(&r, (uint64_t)count + 3);
    BATCH(do_pop(k, n, show));
    assert_int_equal(nshown, n < (uint64_t)count ? (int)n : count);
    for (int i = 0; i < MAX; i++) {
        assert_true(!shown[i] || model[k][i]);
        model[k][i] &= !shown[i];
    }
}

static void random_operations(void **state) {
    (void)state;
    mem_knobs *knobs = engine_mem_knobs(w.e);
    int rounds = unit_rounds(500);
    for (int i = 0; i < rounds; i++) {
        int k = (int)rng_below(&r, KEYS);
        unsigned what = (unsigned)rng_below(&r, 20);
        knobs->pending_permille = i % 3 == 0 ? 20 : 0;
        if (i % 10 == 7) knobs->error_at = 1 + rng_below(&r, 40);
        if (what < 8)
            change(k, true);
        else if (what < 11)
            change(k, false);
        else if (what < 14)
            pop(k);
        else
            combine((int)(what - 14) / 2);
        knobs->error_at = 0;
        if (i % 4 == 0) check_key(k);
    }
    knobs->pending_permille = 0;
    buf report = {0};
    assert_true(status_ok(engine_check(w.e, &report)));
    buf_free(&report);
}

/* ---- encodings ----------------------------------------------------------------------------------
 */

static const char *encoding_of(int k) {
    elements el;
    const char *name;
    BATCH(open_key(k, 0, &el));
    assert_int_equal(set_encoding(&el, &name), ENGINE_OK);
    return name;
}

/* Adds the numbers from .. to - 1, one by one or all at once. */
static void add_numbers(int k, int from, int to, bool at_once) {
    elements el;
    bool added;
    char text[16];
    ks_begin(w.ks);
    assert_int_equal(open_key(k, KS_WRITE, &el), ENGINE_OK);
    if (at_once) set_expect(&el, SLICE("1"), (uint64_t)(to - from));
    for (int i = from; i < to; i++) {
        int n = snprintf(text, sizeof text, "%d", i);
        assert_int_equal(set_add(&el, slice_of(text, (size_t)n), &added), ENGINE_OK);
    }
    assert_int_equal(el_end(&el), ENGINE_OK);
    ks_commit(w.ks);
}

static void add_text(int k, const char *text) {
    elements el;
    bool added;
    ks_begin(w.ks);
    assert_int_equal(open_key(k, KS_WRITE, &el), ENGINE_OK);
    assert_int_equal(set_add(&el, slice_cstr(text), &added), ENGINE_OK);
    assert_int_equal(el_end(&el), ENGINE_OK);
    ks_commit(w.ks);
}

static void encodings(void **state) {
    (void)state;
    add_numbers(0, 0, 512, false);
    assert_string_equal(encoding_of(0), "intset");
    add_numbers(0, 512, 513, false);
    assert_string_equal(encoding_of(0), "hashtable");
    add_numbers(1, 0, 127, false);
    add_text(1, "x");
    assert_string_equal(encoding_of(1), "listpack");
    add_text(1, "y");
    assert_string_equal(encoding_of(1), "hashtable");
    add_text(2, "1234567890123456789012345678901234567890123456789012345678901234");
    assert_string_equal(encoding_of(2), "listpack");
    add_text(2, "12345678901234567890123456789012345678901234567890123456789012345");
    assert_string_equal(encoding_of(2), "hashtable");
    add_numbers(3, 0, 129, false);
    add_text(3, "x");
    assert_string_equal(encoding_of(3), "hashtable");
    add_numbers(4, 0, 513, true);
    assert_string_equal(encoding_of(4), "hashtable");
    /* 386 numbers: first as many as key 0 has, from which the others' are taken; then only they. */
    BATCH(do_combine(2, (const int[]){0, 1, 2}, 3, 4));
    assert_string_equal(encoding_of(4), "hashtable");
    BATCH(do_combine(2, (const int[]){0, 1}, 2, 4));
    assert_string_equal(encoding_of(4), "intset");
    BATCH(do_combine(0, (const int[]){0, 1}, 2, 2)); /* the numbers 0 .. 126 */
    assert_string_equal(encoding_of(2), "intset");
    BATCH(do_combine(1, (const int[]){0, 1}, 2, 2));
    assert_string_equal(encoding_of(2), "hashtable");
    BATCH(do_pop(3, 128, ignore));
    assert_string_equal(encoding_of(3), "listpack");
}

static int64_t last;

static engine_result check_order(void *ctx, slice member) {
    char text[32];
    (void)ctx;
    snprintf(text, sizeof text, "%.*s", (int)member.len, member.data);
    int64_t v = atoll(text);
    assert_true(v > last);
    last = v;
    nshown++;
    return ENGINE_OK;
}

/* An intset comes in its order, apart too, and so does a union of such; a walk may be ended. */
static void order(void **state) {
    (void)state;
    elements a, b, *both[] = {&a, &b};
    add_numbers(0, -200, 200, false);
    add_numbers(1, 150, 230, false);
    ks_begin(w.ks);
    assert_int_equal(open_key(0, 0, &a), ENGINE_OK);
    assert_int_equal(open_key(1, 0, &b), ENGINE_OK);
    assert_false(a.packed);
    nshown = 0;
    last = -1000;
    assert_int_equal(set_walk(&a, check_order, NULL), ENGINE_OK);
    assert_int_equal(nshown, 400);
    nshown = 0;
    last = -1000;
    assert_int_equal(set_union(both, 2, check_order, NULL), ENGINE_OK);
    assert_int_equal(nshown, 430);
    ks_commit(w.ks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_operations, open_world, close_world),
        cmocka_unit_test_setup_teardown(encodings, open_world, close_world),
        cmocka_unit_test_setup_teardown(order, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
