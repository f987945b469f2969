/* The counted B+tree against a sorted array: every operation, after each the same answers. */
#include "base/btree.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "support/unit.h"

#include <stdio.h>

#define MODEL_MAX 6000

typedef struct pair {
    buf key, value;
} pair;

/* A sorted array of pairs. */
typedef struct model {
    pair at[MODEL_MAX];
    uint32_t n;
} model;

static uint32_t model_rank(const model *m, slice k) {
    uint32_t low = 0, high = m->n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (slice_cmp(buf_slice(&m->at[mid].key), k) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static bool model_has(const model *m, slice k, uint32_t *i) {
    *i = model_rank(m, k);
    return *i < m->n && slice_eq(buf_slice(&m->at[*i].key), k);
}

static bool model_put(model *m, slice k, slice v) {
    uint32_t i;
    bool had = model_has(m, k, &i);
    if (!had) {
        assert_true(m->n < MODEL_MAX);
        memmove(&m->at[i + 1], &m->at[i], (m->n - i) * sizeof m->at[0]);
        m->at[i] = (pair){0};
        buf_append_slice(&m->at[i].key, k);
        m->n++;
    }
    buf_clear(&m->at[i].value);
    buf_append_slice(&m->at[i].value, v);
    return !had;
}

static bool model_del(model *m, slice k) {
    uint32_t i;
    if (!model_has(m, k, &i)) return false;
    buf_free(&m->at[i].key);
    buf_free(&m->at[i].value);
    memmove(&m->at[i], &m->at[i + 1], (m->n - i - 1) * sizeof m->at[0]);
    m->n--;
    return true;
}

static void model_free(model *m) {
    while (m->n)
        model_del(m, buf_slice(&m->at[m->n - 1].key));
    mem_free(m);
}

/* The iterator stands at the model's pair i, or nowhere if there is none. */
static void same_place(const model *m, bool stands, const btree_iter *it, int64_t i) {
    assert_int_equal(stands, i >= 0 && i < m->n);
    if (!stands) return;
    assert_true(slice_eq(btree_iter_key(it), buf_slice(&m->at[i].key)));
    assert_true(slice_eq(btree_iter_value(it), buf_slice(&m->at[i].value)));
}

/* Everything that can be asked about one key. */
static void compare_at(const btree *t, const model *m, slice k) {
    uint32_t i;
    bool has = model_has(m, k, &i);
    slice v;
    btree_iter it;
    assert_int_equal(btree_get(t, k, &v), has);
    if (has) assert_true(slice_eq(v, buf_slice(&m->at[i].value)));
    assert_int_equal(btree_rank(t, k), i);
    same_place(m, btree_seek(t, k, &it), &it, i);
    if (i < m->n) same_place(m, btree_next(&it), &it, (int64_t)i + 1);
    int64_t before = has ? (int64_t)i : (int64_t)i - 1;
    same_place(m, btree_seek_before(t, k, &it), &it, before);
    if (before >= 0) same_place(m, btree_prev(&it), &it, before - 1);
    same_place(m, btree_select(t, i, &it), &it, i);
}

/* Walks both ways over everything. */
static void compare_all(const btree *t, const model *m) {
    btree_iter it;
    int64_t i = 0;
    btree_check(t);
    assert_int_equal(btree_count(t), m->n);
    for (bool on = btree_first(t, &it); on || i == 0; on = btree_next(&it)) {
        same_place(m, on, &it, i++);
        if (!on) break;
    }
    assert_true(i >= m->n);
    i = (int64_t)m->n - 1;
    for (bool on = btree_last(t, &it); on; on = btree_prev(&it))
        same_place(m, on, &it, i--);
    assert_int_equal(i, -1);
}

/* A key of one of several shapes: few short ones, ordered numbers, long common prefixes, huge. */
static slice random_key(rng *r, int shape, buf *b) {
    buf_clear(b);
    uint64_t x = rng_below(r, 4000);
    switch (shape) {
    case 0:
        put_be64(buf_reserve(b, 8), x);
        b->len = 8;
        break;
    case 1: buf_printf(b, "%llu", (unsigned long long)x); break;
    case 2:
        buf_printf(b, "a long prefix that all keys share, so that heads are equal:%05llu",
                   (unsigned long long)x);
        break;
    case 3:
        for (uint64_t n = rng_below(r, 6); n > 0; n--)
            buf_append_char(b, (char)rng_below(r, 3));
        break;
    case 4: /* numbers at every scale, and all of one length */
        put_be64(buf_reserve(b, 8), (x | 1) << rng_below(r, 53));
        b->len = 8;
        break;
    case 5: /* two bytes: more keys in a leaf than it could have slots for */
        buf_append_char(b, (char)(x >> 8));
        buf_append_char(b, (char)x);
        break;
    case 6: /* one of two far-off places, in pairs of one length but for a few */
        buf_printf(b, "%s:%04llu%s",
                   x % 2 ? "aaaaaaaaaaaaaaaaaaaaaaaa" : "zzzzzzzzzzzzzzzzzzzzzzzz",
                   (unsigned long long)x, x % 500 ? "" : "odd");
        break;
    default:
        buf_printf(b, "%llu:", (unsigned long long)(x % 300));
        for (uint64_t n = rng_below(r, 3) ? 0 : rng_below(r, 2000); n > 0; n--)
            buf_append_char(b, 'x');
    }
    return buf_slice(b);
}

static slice random_value(rng *r, int shape, buf *b) {
    buf_clear(b);
    uint64_t n = shape >= 4 && shape < 7 && rng_below(r, 400) ? shape - 4u
                 : rng_below(r, 10)                           ? rng_below(r, 30)
                                                              : rng_below(r, 1500);
    for (uint64_t i = 0; i < n; i++)
        buf_append_char(b, (char)('a' + rng_below(r, 26)));
    return buf_slice(b);
}

/* A look, and then a put or delete there; what a value is overwritten with meanwhile shows. */
static void change_at_spot(btree *t, model *m, slice k, slice v, bool del) {
    btree_spot spot;
    uint32_t i;
    bool has = model_has(m, k, &i);
    assert_int_equal(btree_find(t, k, &spot), has);
    assert_int_equal(spot.found, has);
    if (has) {
        assert_true(slice_eq(spot.value, buf_slice(&m->at[i].value)));
        if (spot.value.len) {
            char *other = mem_dup(spot.value.data, spot.value.len);
            other[0] ^= 1;
            assert_true(btree_update(t, k, slice_of(other, spot.value.len)));
            assert_true(spot.value.data[0] == other[0]);
            mem_free(other);
        }
    }
    if (!del) {
        assert_int_equal(btree_put_at(t, &spot, k, v), model_put(m, k, v));
    } else if (has) {
        btree_del_at(t, &spot);
        model_del(m, k);
    }
}

/* Grows and shrinks in turns, so that nodes split and join at every height. */
static void run_model(rng *r, int shape) {
    btree *t = btree_new();
    model *m = mem_zalloc(sizeof *m);
    buf kb = {0}, vb = {0};
    for (int step = 0; step < unit_rounds(9000); step++) {
        slice k = random_key(r, shape, &kb), v = random_value(r, shape, &vb);
        bool grow = step / 1500 % 2 == 0;
        uint64_t what = rng_below(r, 10);
        if (rng_below(r, 3) == 0) {
            change_at_spot(t, m, k, v, what >= (grow ? 7u : 2u));
        } else if (what < (grow ? 7u : 2u)) {
            assert_int_equal(btree_put(t, k, v), model_put(m, k, v));
        } else if (what < 9) {
            assert_int_equal(btree_del(t, k), model_del(m, k));
        } else {
            uint32_t i;
            bool same = model_has(m, k, &i) && m->at[i].value.len == v.len;
            assert_int_equal(btree_update(t, k, v), same);
            if (same) model_put(m, k, v);
        }
        compare_at(t, m, k);
        if (step % 1000 == 999) compare_all(t, m);
    }
    while (m->n) { /* to nothing */
        slice k = buf_slice(&m->at[rng_below(r, m->n)].key);
        assert_true(btree_del(t, k));
        assert_true(model_del(m, k));
        if (m->n % 500 == 0) compare_all(t, m);
    }
    compare_all(t, m);
    btree_free(t);
    model_free(m);
    buf_free(&kb);
    buf_free(&vb);
}

static void test_against_model(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int shape = 0; shape < 8; shape++)
        run_model(&r, shape);
}

static void test_edges(void **state) {
    (void)state;
    btree *t = btree_new();
    btree_iter it;
    slice v;
    assert_false(btree_first(t, &it));
    assert_false(btree_last(t, &it));
    assert_false(btree_seek(t, SLICE_EMPTY, &it));
    assert_false(btree_seek_before(t, SLICE("x"), &it));
    assert_false(btree_select(t, 0, &it));
    assert_false(btree_del(t, SLICE("x")));
    assert_true(btree_put(t, SLICE_EMPTY, SLICE_EMPTY));
    assert_true(btree_get(t, SLICE_EMPTY, &v) && v.len == 0);
    char *big = mem_alloc(BTREE_PAIR_MAX);
    memset(big, 'k', BTREE_PAIR_MAX);
    assert_true(btree_put(t, slice_of(big, BTREE_PAIR_MAX - 10), slice_of("0123456789", 10)));
    assert_false(btree_put(t, slice_of(big, BTREE_PAIR_MAX - 10), slice_of("short", 5)));
    assert_true(btree_get(t, slice_of(big, BTREE_PAIR_MAX - 10), &v));
    assert_true(slice_eq(v, SLICE("short")));
    assert_true(btree_del(t, SLICE_EMPTY));
    btree_check(t);
    for (char c = 'a'; c < 'z'; c++)
        btree_put(t, slice_of(&c, 1), slice_of(big, 100));
    uint64_t full = btree_bytes(t);
    for (char c = 'b'; c < 'z'; c++)
        btree_del(t, slice_of(&c, 1));
    assert_true(btree_bytes(t) + 2000 < full); /* one leaf, which shrank */
    mem_free(big);
    btree_free(t);
}

/* Keys in order fill leaves well; random ones not badly; and the bytes are told right. */
static void test_fill(void **state) {
    (void)state;
    enum { N = 200000, PAIR = 16 + 8 };
    rng r;
    rng_seed(&r, 7);
    for (int order = 0; order < 3; order++) {
        btree *t = btree_new();
        for (uint64_t i = 0; i < N; i++) {
            char k[16], value[8] = "12345678";
            uint64_t x = order == 0 ? i : order == 1 ? N - i : rng_next(&r);
            put_be64(put_be64(k, x), x);
            btree_put(t, slice_of(k, 16), slice_of(value, 8));
        }
        double each = (double)btree_bytes(t) / (double)btree_count(t);
        printf("order %d: %.1f bytes a pair of 16 + 8\n", order, each);
        assert_true(each < (order == 2 ? PAIR * 1.2 : PAIR * 1.05));
        btree_check(t);
        btree_free(t);
    }
}

/* Freeing in slices comes to its end, and what is left meanwhile shrinks. */
static void test_free_some(void **state) {
    (void)state;
    btree *t = btree_new();
    for (uint64_t i = 0; i < 50000; i++) {
        char k[8];
        put_be64(k, i);
        btree_put(t, slice_of(k, 8), SLICE("value"));
    }
    int slices = 1;
    while (!btree_free_some(t, 1000))
        slices++;
    assert_in_range(slices, 20, 60);
}

/* Keys of several lengths cost four bytes more; those that come in order in the middle of a tree
 * fill their leaves all the same. */
static void test_fill_of_others(void **state) {
    (void)state;
    enum { N = 200000 };
    rng r;
    rng_seed(&r, 8);
    btree *t = btree_new(), *runs = btree_new();
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < N; i++) {
        char k[64] = {0};
        put_be64(k, rng_next(&r));
        size_t len = 12 + i % 20;
        btree_put(t, slice_of(k, len), SLICE("12345678"));
        bytes += len + 8;
        put_be64(put_be64(k, i % 7), i); /* seven runs side by side */
        btree_put(runs, slice_of(k, 16), SLICE("12345678"));
    }
    double each = (double)(btree_bytes(t) - bytes) / N, in_runs = (double)btree_bytes(runs) / N;
    printf("several lengths: %.1f bytes beside 29.5; seven runs: %.1f for 24\n", each, in_runs);
    assert_true(each < 10 && in_runs < 26);
    btree_check(t);
    btree_check(runs);
    btree_free(t);
    btree_free(runs);
}

/* A leaf of many tiny pairs gets one of another length: as many slots as pairs do not fit. */
static void test_tiny_pairs(void **state) {
    (void)state;
    for (int at = 0; at <= 2000; at += 100) {
        btree *t = btree_new();
        btree_iter it;
        char k[2];
        for (int i = 0; i < 2000; i++) {
            k[0] = (char)(i >> 8);
            k[1] = (char)i;
            btree_put(t, slice_of(k, 2), SLICE_EMPTY);
        }
        k[0] = (char)(at >> 8);
        k[1] = (char)at;
        char odd[300] = {k[0], k[1]};
        assert_true(btree_put(t, slice_of(odd, (size_t)(3 + at / 10)), SLICE("v")));
        btree_check(t);
        assert_true(btree_select(t, (uint64_t)(at < 2000 ? at + 1 : at), &it));
        assert_int_equal(btree_iter_key(&it).len, 3 + at / 10);
        btree_free(t);
    }
}

/* A tree of three levels of inner nodes loses most of its pairs, evenly and then in long stretches:
 * it stays right, and its memory follows. */
static void test_large(void **state) {
    (void)state;
    enum { N = 150000 };
    rng r;
    unit_seed(&r);
    btree *t = btree_new();
    char k[16], value[100] = {0};
    for (uint64_t i = 0; i < N; i++) {
        put_be64(k, i * 2654435761u % N); /* each number below N once, in no order */
        btree_put(t, slice_of(k, 8), slice_of(value, 60 + i % 40));
    }
    assert_int_equal(btree_count(t), N);
    btree_check(t);
    for (uint64_t i = 0; i < N; i++) {
        put_be64(k, i);
        if (i % 16) assert_true(btree_del(t, slice_of(k, 8)));
        if (i % 40000 == 39999) btree_check(t);
    }
    btree_check(t);
    print_message("one pair in sixteen left: %.1f bytes for each\n",
                  (double)btree_bytes(t) / (double)btree_count(t));
    assert_true(btree_bytes(t) < btree_count(t) * 88 * 5 / 4);
    while (btree_count(t) > 100) {
        btree_iter it;
        uint64_t n = 1 + rng_below(&r, 500);
        assert_true(btree_select(t, rng_below(&r, btree_count(t)), &it));
        uint64_t from = load_be64(btree_iter_key(&it).data);
        for (uint64_t i = 0; i < n; i++) {
            put_be64(k, from + i * 16);
            (void)btree_del(t, slice_of(k, 8));
        }
        if (n % 16 == 0) btree_check(t);
    }
    btree_check(t);
    assert_true(btree_bytes(t) < 40000);
    btree_free(t);
}

/* A queue: memory follows what is in it, wherever in the key space that has moved to. */
static void test_queue(void **state) {
    (void)state;
    btree *t = btree_new();
    char k[8];
    uint64_t head = 0, tail = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 5000; i++) {
            put_be64(k, tail++);
            btree_put(t, slice_of(k, 8), SLICE("element"));
        }
        for (int i = 0; i < (round < 19 ? 4500 : 14500); i++) {
            btree_iter it;
            assert_true(btree_first(t, &it));
            put_be64(k, head++);
            assert_true(slice_eq(btree_iter_key(&it), slice_of(k, 8)));
            assert_true(btree_del(t, slice_of(k, 8)));
        }
        btree_check(t);
        assert_true(btree_bytes(t) < 20 * (tail - head) + 16384);
    }
    assert_int_equal(btree_count(t), 0);
    assert_true(btree_bytes(t) < 1000);
    btree_free(t);
}

/* Keys and values given may be slices of the tree itself. */
static void test_own_slices(void **state) {
    (void)state;
    static const char text[] = "the value that is handed on";
    btree *t = btree_new();
    btree_iter it;
    slice v;
    btree_put(t, SLICE("5000"), slice_cstr(text));
    for (int i = 1; i < 3000; i++) {
        char k[8]; /* on both sides, so that what is handed on moves when there is room made */
        snprintf(k, sizeof k, "%04d", i % 2 ? 5000 + i : 5000 - i);
        assert_true(btree_select(t, (uint64_t)i / 2, &it));
        slice from = btree_iter_value(&it);
        if (from.len > 10u + (size_t)i % 17) from.len = 10u + (size_t)i % 17;
        if (memcmp(from.data, text, 4) != 0) from = slice_cstr(text);
        size_t len = from.len;
        assert_true(btree_put(t, slice_of(k, 4), from));
        assert_true(btree_get(t, slice_of(k, 4), &v));
        assert_true(v.len == len && slice_eq(v, slice_of(text, len)));
        assert_true(btree_select(t, (uint64_t)i / 3, &it));
        slice key = btree_iter_key(&it); /* its own key as its value, of another length */
        assert_false(btree_put(t, key, key));
        assert_true(btree_select(t, (uint64_t)i / 3, &it));
        assert_false(btree_put(t, btree_iter_key(&it), slice_cstr(text)));
    }
    for (bool on = btree_first(t, &it); on; on = btree_next(&it)) {
        v = btree_iter_value(&it);
        assert_true(v.len >= 4 && slice_eq(v, slice_of(text, v.len)));
    }
    char *large = mem_zalloc(3000);
    btree_put(t, SLICE("large"), slice_of(large, 3000)); /* in a block of its own */
    mem_free(large);
    assert_true(btree_get(t, SLICE("large"), &v));
    assert_false(btree_put(t, SLICE("large"), slice_of(v.data + 1, 2000)));
    assert_true(btree_get(t, SLICE("large"), &v) && v.len == 2000);
    assert_false(btree_put(t, SLICE("large"), slice_of(v.data, 7)));
    assert_true(btree_get(t, SLICE("large"), &v) && v.len == 7);
    btree_check(t);
    btree_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_fill),          cmocka_unit_test(test_fill_of_others),
        cmocka_unit_test(test_tiny_pairs),    cmocka_unit_test(test_large),
        cmocka_unit_test(test_queue),         cmocka_unit_test(test_own_slices),
        cmocka_unit_test(test_free_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
