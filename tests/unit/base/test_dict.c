/* The dict against an array of pairs, searched from end to end. */
#include "base/dict.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "support/unit.h"

#define MODEL 400

typedef struct pair {
    char key[80]; /* empty: unused */
    void *value;
} pair;

/* The model's pair of that key, or NULL. */
static pair *model_find(pair *model, const char *key, bool ignore_case) {
    for (int i = 0; i < MODEL; i++)
        if (model[i].value &&
            (ignore_case ? strcasecmp(model[i].key, key) : strcmp(model[i].key, key)) == 0)
            return &model[i];
    return NULL;
}

static void model_set(pair *model, const char *key, void *value) {
    for (int i = 0; i < MODEL; i++) {
        if (model[i].value) continue;
        strcpy(model[i].key, key);
        model[i].value = value;
        return;
    }
    fail_msg("the model is full");
}

static void compare(const dict *d, pair *model, bool ignore_case) {
    size_t pos = 0, n = 0;
    slice key;
    void *value;
    while (dict_next(d, &pos, &key, &value)) {
        char text[80];
        memcpy(text, key.data, key.len);
        text[key.len] = '\0';
        pair *p = model_find(model, text, ignore_case);
        assert_non_null(p);
        assert_ptr_equal(p->value, value);
        n++;
    }
    assert_int_equal(n, dict_count(d));
    for (int i = 0; i < MODEL; i++)
        n -= model[i].value != NULL;
    assert_int_equal(n, 0);
}

static void run_model(bool ignore_case) {
    static pair model[MODEL];
    rng r;
    unit_seed(&r);
    memset(model, 0, sizeof model);
    dict *d = dict_new(ignore_case);
    for (int i = 0; i < 30000; i++) {
        char key[80];
        int width = rng_below(&r, 10) ? 1 : 70; /* longer than a block of the hash */
        snprintf(key, sizeof key, "%*d", width, (int)rng_below(&r, 100));
        if (rng_below(&r, 2)) key[strlen(key) - 1] = "aAbBcC"[rng_below(&r, 6)];
        slice s = slice_cstr(key);
        pair *p = model_find(model, key, ignore_case);
        switch (rng_below(&r, i % 4000 < 2000 ? 3 : 6)) {
        case 0:
        case 1: {
            void *value = (void *)(uintptr_t)(i + 1);
            assert_ptr_equal(dict_set(d, s, value), p ? p->value : NULL);
            if (p)
                p->value = value;
            else
                model_set(model, key, value);
            break;
        }
        case 2: assert_ptr_equal(dict_get(d, s), p ? p->value : NULL); break;
        default:
            assert_ptr_equal(dict_del(d, s), p ? p->value : NULL);
            if (p) p->value = NULL;
        }
        if (i % 500 == 0) compare(d, model, ignore_case);
    }
    compare(d, model, ignore_case);
    dict_free(d, NULL);
}

static void exact_keys(void **state) {
    (void)state;
    run_model(false);
}

static void keys_without_case(void **state) {
    (void)state;
    run_model(true);
}

static void iterates_in_order_of_insertion(void **state) {
    (void)state;
    dict *d = dict_new(false);
    for (uintptr_t i = 1; i <= 1000; i++)
        dict_set(d, slice_of(&i, sizeof i), (void *)i);
    for (uintptr_t i = 1; i <= 1000; i += 3)
        dict_del(d, slice_of(&i, sizeof i));
    size_t pos = 0;
    slice key;
    void *value;
    uintptr_t last = 0;
    while (dict_next(d, &pos, &key, &value)) {
        assert_true((uintptr_t)value > last && (uintptr_t)value % 3 != 1);
        last = (uintptr_t)value;
    }
    assert_int_equal(last, 999);
    dict_free(d, NULL);
}

static void adding_and_removing_for_ever_does_not_grow(void **state) {
    (void)state;
    dict *d = dict_new(false);
    uint64_t before = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        assert_null(dict_set(d, slice_of(&i, sizeof i), d));
        if (i >= 5) {
            uint64_t old = i - 5;
            assert_ptr_equal(dict_del(d, slice_of(&old, sizeof old)), d);
        }
        if (i == 100) before = mem_used();
    }
    assert_true(mem_used() <= before + 1000);
    dict_free(d, NULL);
}

/* Most of many go: so does their place; those that stay are found, in their order. */
static void gives_memory_back(void **state) {
    (void)state;
    dict *d = dict_new(false);
    uint64_t before = mem_used();
    for (uint64_t i = 0; i < 10000; i++)
        assert_null(dict_set(d, slice_of(&i, sizeof i), d));
    for (uint64_t i = 0; i < 10000; i++)
        if (i % 1000 != 7) assert_ptr_equal(dict_del(d, slice_of(&i, sizeof i)), d);
    assert_true(mem_used() < before + 8000);
    size_t pos = 0;
    slice key;
    void *value;
    uint64_t n = 7;
    for (; dict_next(d, &pos, &key, &value); n += 1000)
        assert_true(slice_eq(key, slice_of(&n, sizeof n)));
    assert_int_equal(n, 10007);
    dict_free(d, NULL);
}

/* Among many others, one key that comes and goes: a minute, if its places made a long run. */
static void one_key_comes_and_goes(void **state) {
    (void)state;
    dict *d = dict_new(false);
    for (uint64_t i = 0; i < 100000; i++)
        assert_null(dict_set(d, slice_of(&i, sizeof i), d));
    for (int i = 0; i < 200000; i++) {
        assert_null(dict_set(d, SLICE("key"), d));
        assert_ptr_equal(dict_del(d, SLICE("key")), d);
    }
    for (uint64_t i = 0; i < 100000; i++)
        assert_ptr_equal(dict_get(d, slice_of(&i, sizeof i)), d);
    assert_int_equal(dict_count(d), 100000);
    dict_free(d, NULL);
}

static void frees_values_and_takes_the_empty_key(void **state) {
    (void)state;
    uint64_t before = mem_used();
    dict *d = dict_new(true);
    assert_null(dict_set(d, SLICE_EMPTY, mem_strdup("x")));
    mem_free(dict_set(d, SLICE(""), mem_strdup("y")));
    assert_string_equal(dict_get(d, SLICE_EMPTY), "y");
    dict_free(d, mem_free);
    dict_free(NULL, mem_free);
    assert_int_equal(mem_used(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_keys),
        cmocka_unit_test(keys_without_case),
        cmocka_unit_test(iterates_in_order_of_insertion),
        cmocka_unit_test(adding_and_removing_for_ever_does_not_grow),
        cmocka_unit_test(gives_memory_back),
        cmocka_unit_test(one_key_comes_and_goes),
        cmocka_unit_test(frees_values_and_takes_the_empty_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
