/* table: its bound, its clients, what clearing and lowering leave. */
#include "support/tracking_test.h"

#include "tracking/internal.h"

static client *a;
static fake_end *ea;

static int begin(void **state) {
    (void)setup(state);
    a = kit_client(&k, &ea);
    a->proto = 3;
    (void)tracker_on(a);
    return 0;
}

static slice key_of(char *into, int i) {
    return slice_of(into, (size_t)sprintf(into, "key:%07d", i));
}

static void read_keys(const client *c, int from, int to) {
    char key[32];
    for (int i = from; i < to; i++)
        table_remember(c, key_of(key, i));
}

/* How many keys a was told, each by itself. */
static int told(void) {
    int n = 0;
    kit_turn(&k);
    for (const char *at = kit_received(ea); (at = strstr(at, ">2\r\n")) != NULL; at++)
        n++;
    return n;
}

/* For each key above the bound one is told and forgotten, never the one that has just come; and
 * what is told is no longer remembered. */
static void bound(void **state) {
    (void)state;
    char key[32];
    set_max_keys("100");
    read_keys(a, 0, 100);
    assert_int_equal(told(), 0);
    for (int i = 100; i < 1000; i++) {
        read_keys(a, i, i + 1);
        assert_int_equal(table_keys(), 100);
        assert_int_equal(table_items(), 100);
        assert_int_equal(told(), 1);
        size_t before = table_keys();
        if (i % 10) continue;
        table_changed(key_of(key, i), NULL);
        assert_int_equal(table_keys(), before - 1);
        assert_int_equal(told(), 1);
        read_keys(a, i, i + 1);
    }
    read_keys(a, 999, 1000); /* is there */
    assert_int_equal(told(), 0);
    set_max_keys("1");
    for (int turns = 0; table_keys() > 1; turns++) {
        kit_turn(&k);
        assert_true(turns < 10);
    }
    assert_int_equal(told(), 99);
    set_max_keys("0");
    read_keys(a, 0, 5000);
    assert_in_range(table_keys(), 5000, 5001);
}

/* Each key is told to just those that read it, also when many of these have gone. */
static void holders_model(void **state) {
    enum { N = 12, KEYS = 6 };
    rng r;
    client *c[N];
    fake_end *end[N];
    bool has[N][KEYS] = {{false}};
    char key[32];
    (void)state;
    unit_seed(&r);
    for (int i = 0; i < N; i++) {
        c[i] = kit_client(&k, &end[i]);
        c[i]->proto = 3;
        (void)tracker_on(c[i]);
    }
    for (int round = 0; round < unit_rounds(20000); round++) {
        int who = (int)rng_below(&r, N), at = (int)rng_below(&r, KEYS);
        switch (rng_below(&r, 60)) {
        case 0:
            client_close_soon(c[who]);
            kit_turn(&k);
            c[who] = kit_client(&k, &end[who]);
            c[who]->proto = 3;
            (void)tracker_on(c[who]);
            memset(has[who], 0, sizeof has[who]);
            break;
        case 1:
            table_changed(key_of(key, at), NULL);
            for (int i = 0; i < N; i++) {
                kit_turn(&k);
                assert_int_equal(*kit_received(end[i]) != 0, has[i][at]);
                has[i][at] = false;
            }
            break;
        default: table_remember(c[who], key_of(key, at)); has[who][at] = true;
        }
        size_t items = 0;
        for (int i = 0; i < N * KEYS; i++)
            items += has[i / KEYS][i % KEYS];
        assert_in_range(table_items(), items, 4 * N * KEYS);
    }
}

/* A key that nobody changes and that clients come and go for does not collect them. */
static void comers_and_goers(void **state) {
    (void)state;
    for (int i = 0; i < 1000; i++) {
        fake_end *end;
        client *c = kit_client(&k, &end);
        (void)tracker_on(c);
        read_keys(c, 0, 1);
        client_close_soon(c);
        kit_turn(&k);
        kit_forget(&k, end);
    }
    assert_in_range(table_items(), 1, 4);
}

/* A large table that was cleared is gone at once; its memory in the turns that follow. */
static void cleared(void **state) {
    (void)state;
    enum { KEYS = 50000 };
    read_keys(a, 0, KEYS);
    assert_int_equal(table_keys(), KEYS);
    table_clear();
    assert_int_equal(table_keys() + table_items(), 0);
    read_keys(a, 0, 10);
    assert_int_equal(table_keys(), 10);
    int slices = 1;
    while (table_work())
        slices++;
    assert_in_range(slices, 3, KEYS / 1000);
    assert_int_equal(table_keys(), 10);
    char key[32];
    table_changed(key_of(key, 3), NULL);
    assert_int_equal(told(), 1);
}

/* What can't be a key is never changed. */
static void no_key(void **state) {
    (void)state;
    size_t n = ENGINE_KEY_MAX;
    char *bytes = calloc(1, n + 1);
    table_remember(a, slice_of(bytes, n + 1));
    assert_int_equal(table_keys(), 0);
    table_remember(a, slice_of(bytes, n));
    table_remember(a, SLICE_EMPTY);
    assert_int_equal(table_keys(), 2);
    table_changed(SLICE_EMPTY, NULL);
    assert_int_equal(told(), 1);
    free(bytes);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, teardown)
    const struct CMUnitTest tests[] = {TEST(bound), TEST(holders_model), TEST(comers_and_goers),
                                       TEST(cleared), TEST(no_key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
