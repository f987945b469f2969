/* manifest_tables: a list against an array, with copies that must not change; and that many tables
 * stay cheap. */
#include "support/unit.h"

#include <stdio.h>

#include "base/mem.h"
#include "storage/manifest_tables.h"

#define NUMBERS 2000

/* What a list should be: by number, the table's recency; 0: not there. */
typedef struct model {
    manifest_tables list;
    uint64_t recency[NUMBERS];
    size_t n;
} model;

static void check(const model *m) {
    size_t n = 0;
    uint32_t last = 0;
    for (const manifest_table *t = manifest_tables_after(&m->list, 0); t;
         t = manifest_tables_after(&m->list, t->number)) {
        char text[16];
        int len = snprintf(text, sizeof text, "%u", t->number);
        assert_true(t->number > last && t->number < NUMBERS);
        assert_true(m->recency[t->number] == t->recency);
        assert_true(slice_eq(t->smallest, slice_of(text, (size_t)len)));
        assert_true(slice_eq(t->limit, SLICE("x")));
        last = t->number;
        n++;
    }
    assert_int_equal(n, m->n);
    assert_int_equal(n, m->list.n);
    assert_true(m->list.nchunks <= n);
}

static void put(model *m, uint32_t number, uint64_t recency) {
    char text[16];
    int len = snprintf(text, sizeof text, "%u", number);
    manifest_table t = {.number = number,
                        .recency = recency,
                        .smallest = slice_of(text, (size_t)len),
                        .limit = SLICE("x")};
    manifest_tables_put(&m->list, &t);
    m->recency[number] = recency;
    m->n++;
}

static void change(rng *r, model *m) {
    bool grow = rng_below(r, 3000) > m->n;
    for (int k = 0; k < 200; k++) {
        uint32_t number = 1 + (uint32_t)rng_below(r, NUMBERS - 1);
        const manifest_table *t = manifest_tables_find(&m->list, number);
        assert_int_equal(t != NULL, m->recency[number] != 0);
        if (t && !grow) {
            manifest_tables_remove(&m->list, number);
            m->recency[number] = 0;
            m->n--;
        } else if (!t && grow) {
            put(m, number, rng_next(r) | 1);
        }
    }
}

static void test_copies(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    model v[4] = {0};
    for (int i = 0; i < unit_rounds(1500); i++) {
        size_t a = rng_below(&r, 4), b = rng_below(&r, 4);
        change(&r, &v[a]);
        check(&v[a]);
        if (a == b || rng_below(&r, 2)) continue;
        manifest_tables_free(&v[b].list);
        v[b] = v[a];
        manifest_tables_copy(&v[b].list, &v[a].list);
        assert_true(manifest_tables_eq(&v[a].list, &v[b].list));
        change(&r, &v[b]);
        assert_true(manifest_tables_eq(&v[a].list, &v[b].list) ==
                    (memcmp(v[a].recency, v[b].recency, sizeof v[a].recency) == 0));
        for (int k = 0; k < 4; k++)
            check(&v[k]);
    }
    for (int k = 0; k < 4; k++)
        manifest_tables_free(&v[k].list);
}

/* Twenty thousand tables: a copy that loses one and gets one touches few of them. */
static void test_many(void **state) {
    (void)state;
    manifest_tables list = {0}, copy;
    manifest_table t = {.recency = 1, .smallest = SLICE("a"), .limit = SLICE("x")};
    for (uint32_t n = 1; n <= 20000; n++) {
        t.number = n;
        manifest_tables_put(&list, &t);
    }
    assert_true(list.nchunks < 200);
    for (uint32_t n = 1; n <= 1000; n++) {
        manifest_tables_copy(&copy, &list);
        manifest_tables_remove(&copy, n * 17);
        t.number = 20000 + n;
        manifest_tables_put(&copy, &t);
        manifest_tables_free(&list);
        list = copy;
    }
    assert_int_equal(list.n, 20000);
    for (uint32_t n = 1; n <= 19000; n++)
        if (manifest_tables_find(&list, n)) manifest_tables_remove(&list, n);
    assert_true(list.nchunks < 40); /* those left were put together */
    manifest_tables_free(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
