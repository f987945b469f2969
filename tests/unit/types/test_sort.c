/* SORT against qsort of an array: lists, sets and sorted sets, by themselves and by other keys, any
 * LIMIT, with reads that are pending. */
#include "types/sort.h"

#include "base/mem.h"
#include "keyspace/keyenc.h"
#include "support/unit.h"
#include "support/world.h"
#include "types/list.h"
#include "types/set.h"
#include "types/zset.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX 400

static world w;
static rng r;

/* An element: its text, the number it is sorted by without BY, and that of the key "w<text>", if it
 * has one. */
typedef struct one {
    char text[16];
    int number, weight;
    bool weighed;
} one;

static one all[MAX]; /* in the source's order */
static int n;
static bool by, alpha, descending, distinct;

static int open_world(void **state) {
    (void)state;
    unit_seed(&r);
    world_open(&w, rng_next(&r), false);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

#define BATCH(what) WORLD_BATCH(&w, what)

static const el_type *const types[] = {&list_type, &set_type, &zset_type};

static engine_result do_fill(const el_type *type) {
    elements el;
    engine_result s = ENGINE_OK;
    el_create(w.ks, 0, SLICE("k"), type, &el);
    for (int i = 0; i < n && s == ENGINE_OK; i++) {
        slice text = slice_cstr(all[i].text);
        char score[KEYENC_SCORE];
        if (type == &list_type) s = list_push(&el, LIST_TAIL, &text, 1);
        if (type == &set_type) s = set_add_new(&el, text);
        if (type == &zset_type)
            s = el_put(&el, 0, text, keyenc_score(score, i), ENGINE_NO_EXPIRE, EL_UNKNOWN);
    }
    return s == ENGINE_OK ? el_end(&el) : s;
}

/* A key with n elements, the same for every run of `fill`; some have a weight. Members of sets are
 * different, of lists not always. */
static void fill(const el_type *type) {
    char key[24], weight[16];
    n = (int)rng_below(&r, rng_below(&r, 2) ? 30 : MAX);
    distinct = type != &list_type;
    ks_begin(w.ks);
    assert_int_equal(ks_flush(w.ks, 0), ENGINE_OK);
    ks_commit(w.ks);
    for (int i = 0; i < n; i++) {
        one *x = &all[i];
        x->number = distinct ? (i * 37) % MAX - 100 : (int)rng_below(&r, 50);
        x->weighed = x->number % 5 != 0;
        x->weight = (x->number * x->number) % 17;
        snprintf(x->text, sizeof x->text, "%d", x->number);
        snprintf(key, sizeof key, "w%d", x->number);
        snprintf(weight, sizeof weight, "%d", x->weight);
        if (x->weighed) world_put(&w, 0, key, weight, ENGINE_NO_EXPIRE);
    }
    BATCH(do_fill(type));
}

/* The model's order; where it says 0 the sources' order decides, which for a set is unknown. */
static int model_cmp(const void *a, const void *b) {
    const one *x = a, *y = b;
    int c;
    if (alpha && by) {
        char s[16], t[16];
        snprintf(s, sizeof s, "%d", x->weight);
        snprintf(t, sizeof t, "%d", y->weight);
        c = x->weighed && y->weighed ? strcmp(s, t) : x->weighed - y->weighed;
    } else if (alpha) {
        c = strcmp(x->text, y->text);
    } else {
        int p = by ? (x->weighed ? x->weight : 0) : x->number;
        int q = by ? (y->weighed ? y->weight : 0) : y->number;
        c = (p > q) - (p < q);
        if (c == 0) c = strcmp(x->text, y->text);
    }
    return descending ? -c : c;
}

static one out[MAX];
static int nout;

static engine_result note(void *ctx, slice element) {
    (void)ctx;
    assert_true(nout < MAX && element.len < sizeof out->text);
    for (int i = 0; i < n; i++)
        if (slice_eq(element, slice_cstr(all[i].text))) {
            out[nout++] = all[i];
            return ENGINE_OK;
        }
    fail_msg("no such element");
    return ENGINE_ERROR;
}

static engine_result do_sort(const sort_spec *spec, uint64_t *count, bool *not_number) {
    elements el;
    nout = 0;
    engine_result s = sort_open(w.ks, 0, SLICE("k"), 0, &el);
    if (s != ENGINE_OK) return s;
    assert_false(el.wrong_type);
    *count = sort_count(&el, spec);
    return sort_run(&el, spec, note, NULL, not_number);
}

static void check(const sort_spec *spec) {
    uint64_t count;
    bool not_number;
    static one sorted[MAX];
    memcpy(sorted, all, sizeof all);
    qsort(sorted, (size_t)n, sizeof *sorted, model_cmp);
    BATCH(do_sort(spec, &count, &not_number));
    assert_false(not_number);
    int64_t from = spec->offset < 0 ? 0 : spec->offset > n ? n : spec->offset;
    int64_t len = spec->count < 0 || spec->count > n - from ? n - from : spec->count;
    assert_int_equal(count, len);
    assert_int_equal(nout, len);
    for (int64_t i = 0; i < len; i++)
        assert_int_equal(model_cmp(&out[i], &sorted[from + i]), 0);
}

static void random_sorts(void **state) {
    (void)state;
    int rounds = unit_rounds(60);
    for (int i = 0; i < rounds; i++) {
        fill(types[i % 3]);
        for (int k = 0; k < 12; k++) {
            sort_spec spec = {.count = -1};
            engine_mem_knobs(w.e)->pending_permille = k % 3 ? 0 : 30;
            by = rng_below(&r, 2);
            alpha = rng_below(&r, 2);
            descending = rng_below(&r, 2);
            if (by) spec.by = SLICE("w*");
            spec.alpha = alpha;
            spec.descending = descending;
            if (rng_below(&r, 3)) spec.offset = (int64_t)rng_below(&r, 20) - 3;
            if (rng_below(&r, 3)) spec.count = (int64_t)rng_below(&r, 40) - 2;
            check(&spec);
        }
        engine_mem_knobs(w.e)->pending_permille = 0;
    }
}

/* Without a star in BY a list and a sorted set come in their own order, or backward. */
static void unsorted(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        uint64_t count;
        bool not_number;
        fill(types[i % 2 * 2]);
        sort_spec spec = {.by = SLICE("x"), .offset = (int64_t)rng_below(&r, 5), .count = 10};
        spec.descending = i % 4 < 2;
        BATCH(do_sort(&spec, &count, &not_number));
        assert_int_equal(nout, count);
        for (int k = 0; k < nout; k++) {
            int64_t at = spec.descending ? n - 1 - k - spec.offset : k + spec.offset;
            assert_string_equal(out[k].text, all[at].text);
        }
    }
}

static engine_result ignore(void *ctx, slice element) {
    (void)ctx;
    (void)element;
    return ENGINE_OK;
}

/* What a pattern and an element make. */
static void patterns(void **state) {
    static const char *const cases[][3] = {
        {"#", "x", "x"},  {"a*", "1", "va"}, {"a*c", "1", "vac"},  {"none*", "1", NULL},
        {"a", "1", NULL}, {"*", "a1", "va"}, {"a**", "1", "star"}, {"", "1", NULL}};
    (void)state;
    world_put(&w, 0, "a1", "va", ENGINE_NO_EXPIRE);
    world_put(&w, 0, "a1c", "vac", ENGINE_NO_EXPIRE);
    world_put(&w, 0, "a1*", "star", ENGINE_NO_EXPIRE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sort_lookup look = {.ks = w.ks};
        slice value;
        ks_begin(w.ks);
        engine_result s =
            sort_value(&look, slice_cstr(cases[i][0]), slice_cstr(cases[i][1]), &value);
        assert_int_equal(s, cases[i][2] ? ENGINE_OK : ENGINE_ABSENT);
        if (cases[i][2]) assert_true(slice_eq(value, slice_cstr(cases[i][2])));
        ks_commit(w.ks);
    }
}

static void refuses(void **state) {
    bool not_number = false;
    elements el;
    (void)state;
    fill(&list_type);
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, SLICE("k"), &list_type, KS_WRITE, &el), ENGINE_OK);
    assert_int_equal(list_push(&el, LIST_HEAD, &SLICE("x"), 1), ENGINE_OK);
    assert_int_equal(el_end(&el), ENGINE_OK);
    ks_commit(w.ks);
    sort_spec spec = {.count = 1};
    ks_begin(w.ks);
    assert_int_equal(sort_open(w.ks, 0, SLICE("k"), 0, &el), ENGINE_OK);
    assert_int_equal(sort_run(&el, &spec, ignore, NULL, &not_number), ENGINE_OK);
    assert_true(not_number);
    ks_commit(w.ks);
    world_put(&w, 0, "s", "v", ENGINE_NO_EXPIRE);
    ks_begin(w.ks);
    assert_int_equal(sort_open(w.ks, 0, SLICE("s"), 0, &el), ENGINE_OK);
    assert_true(el.wrong_type);
    ks_commit(w.ks);
}

#define MANY 1500

/* Texts of a kilobyte each, and of each a hash whose fields are packed. */
static void fill_long(char text[1000], slice field_value) {
    static const el_type hash = {.type = KEY_HASH, .order = EL_AS_PUT};
    elements el;
    slice value = slice_of(text, 1000);
    memset(text, '7', 1000);
    ks_begin(w.ks);
    el_create(w.ks, 0, SLICE("k"), &list_type, &el);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(list_push(&el, LIST_TAIL, &value, 1), ENGINE_OK);
    assert_int_equal(el_end(&el), ENGINE_OK);
    el_create(w.ks, 0, SLICE("h"), &hash, &el);
    assert_int_equal(el_put(&el, 0, SLICE("f"), SLICE("1"), ENGINE_NO_EXPIRE, NULL), ENGINE_OK);
    assert_int_equal(el_put(&el, 0, SLICE("g"), field_value, ENGINE_NO_EXPIRE, NULL), ENGINE_OK);
    assert_true(el.packed);
    assert_int_equal(el_end(&el), ENGINE_OK);
    ks_commit(w.ks);
}

/* Each sort takes memory for what comes out, not for what it looks at on the way. */
static void memory(void **state) {
    (void)state;
    char text[1000];
    bool not_number;
    elements el;
    fill_long(text, slice_of(text, sizeof text));
    const sort_spec specs[] = {{.count = 1, .alpha = true},
                               {.count = 1}, /* numbers of a thousand digits */
                               {.count = 1, .by = {"constant", 8}}};
    for (int i = 0; i < 3; i++) {
        ks_begin(w.ks);
        uint64_t before = mem_used();
        assert_int_equal(sort_open(w.ks, 0, SLICE("k"), 0, &el), ENGINE_OK);
        assert_int_equal(sort_run(&el, &specs[i], ignore, NULL, &not_number), ENGINE_OK);
        assert_true(mem_used() < before + 300000);
        ks_commit(w.ks);
    }
    sort_lookup look = {.ks = w.ks};
    ks_begin(w.ks);
    uint64_t before = mem_used();
    for (int i = 0; i < MANY; i++) {
        slice value;
        assert_int_equal(sort_value(&look, SLICE("*->f"), SLICE("h"), &value), ENGINE_OK);
        assert_true(slice_eq(value, SLICE("1")));
    }
    assert_true(mem_used() < before + 300000);
    ks_commit(w.ks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_sorts, open_world, close_world),
        cmocka_unit_test_setup_teardown(unsorted, open_world, close_world),
        cmocka_unit_test_setup_teardown(patterns, open_world, close_world),
        cmocka_unit_test_setup_teardown(refuses, open_world, close_world),
        cmocka_unit_test_setup_teardown(memory, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
