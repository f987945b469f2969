/* prefixes: which overlap, against a look at every pair; keys and prefixes, against a model. */
#include "support/tracking_test.h"

#include "tracking/internal.h"

#define MOST 8

/* Of a's, b's and c's, so that many overlap. */
static slice word(rng *r, char *into, unsigned longest) {
    size_t n = rng_below(r, longest + 1);
    for (size_t i = 0; i < n; i++)
        into[i] = (char)('a' + rng_below(r, 3));
    return slice_of(into, n);
}

static bool begin_alike(slice a, slice b) {
    size_t n = a.len < b.len ? a.len : b.len;
    return n == 0 || memcmp(a.data, b.data, n) == 0;
}

static int by_bytes(const void *a, const void *b) {
    const slice *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = n ? memcmp(x->data, y->data, n) : 0;
    return order ? order : (int)x->len - (int)y->len;
}

/* As redis-server looks: each with the client's own in order, then with those behind it. */
static bool look(const slice *own, size_t n_own, const slice *p, size_t n, size_t *bad,
                 slice *other, bool *is_own) {
    for (*bad = 0; *bad < n; (*bad)++) {
        for (size_t i = 0; i < n_own; i++)
            if (begin_alike(own[i], p[*bad])) {
                *other = own[i];
                *is_own = true;
                return false;
            }
        for (size_t i = *bad + 1; i < n; i++)
            if (begin_alike(p[i], p[*bad])) {
                *other = p[i];
                *is_own = false;
                return false;
            }
    }
    return true;
}

static void overlaps(void **state) {
    rng r;
    int fits = 0, bads = 0;
    (void)state;
    unit_seed(&r);
    fake_end *end;
    client *c = kit_client(&k, &end);
    for (int round = 0; round < unit_rounds(20000); round++) {
        char bytes[2 * MOST][8];
        slice own[MOST + 1], p[MOST];
        size_t n_own = 0, n = 1 + rng_below(&r, MOST - 1);
        tracker *t = tracker_on(c);
        for (size_t i = rng_below(&r, 4); i > 0; i--) {
            slice s = word(&r, bytes[MOST + i], 7), other;
            size_t bad;
            bool is_own;
            if (s.len == 0 || !prefixes_fit(t, &s, 1, &bad, &other, &is_own)) continue;
            prefixes_add(t, s);
            own[n_own++] = s;
        }
        if (rng_below(&r, 20) == 0) {
            prefixes_add(t, SLICE_EMPTY);
            own[n_own++] = SLICE_EMPTY;
        }
        prefixes_settle(t);
        qsort(own, n_own, sizeof *own, by_bytes);
        for (size_t i = 0; i < n; i++)
            p[i] = word(&r, bytes[i], 7);
        size_t bad, want_bad;
        slice other, want_other;
        bool is_own, want_own;
        bool want = look(own, n_own, p, n, &want_bad, &want_other, &want_own);
        assert_int_equal(prefixes_fit(t, p, n, &bad, &other, &is_own), want);
        if (!want) {
            assert_int_equal(bad, want_bad);
            assert_int_equal(is_own, want_own);
            assert_true(slice_eq(other, want_other));
        }
        fits += want;
        bads += !want;
        tracker_off(c);
        assert_int_equal(prefixes_count(), 0);
    }
    assert_true(fits > 0 && bads > 0);
}

/* Many that overlap with nothing take no time to tell; nor does one that is found at the end. */
static void many(void **state) {
    enum { N = 100000 };
    static char bytes[N][8];
    slice *p = calloc(N, sizeof *p), other;
    size_t bad;
    bool own;
    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(bytes[i], sizeof bytes[i], "p%06d", i);
        p[i] = slice_of(bytes[i], 7);
    }
    assert_true(prefixes_fit(NULL, p, N, &bad, &other, &own));
    p[N - 1].len = 6;
    assert_false(prefixes_fit(NULL, p, N, &bad, &other, &own));
    assert_int_equal(bad, N - 10);
    assert_ptr_equal(other.data, p[N - 1].data);
    free(p);
}

/* Random clients with random prefixes; each must hear of just the keys that begin so, once. */
static void against_a_model(void **state) {
    enum { N = 5 };
    rng r;
    client *c[N];
    fake_end *end[N], *ew;
    slice has[N][MOST];
    char bytes[N][MOST][4];
    size_t n[N] = {0};
    (void)state;
    unit_seed(&r);
    for (int i = 0; i < N; i++) {
        c[i] = kit_client(&k, &end[i]);
        c[i]->proto = 3;
    }
    (void)kit_client(&k, &ew);
    for (int round = 0; round < unit_rounds(1000); round++) {
        int who = (int)rng_below(&r, N);
        if (rng_below(&r, 8) == 0) {
            tracker_off(c[who]);
            n[who] = 0;
        } else if (n[who] < MOST) {
            tracker *t = tracks(c[who]) ? tracker_of(c[who]) : tracker_on(c[who]);
            c[who]->flags |= CLIENT_TRACKING_BCAST;
            slice p = word(&r, bytes[who][n[who]], 3), other;
            size_t bad;
            bool own;
            if (prefixes_fit(t, &p, 1, &bad, &other, &own)) {
                prefixes_add(t, p);
                has[who][n[who]++] = p;
            }
        }
        char key[8], line[32];
        slice name = word(&r, key, 5);
        if (name.len == 0) continue;
        snprintf(line, sizeof line, "set %.*s 1\r\n", (int)name.len, name.data);
        assert_string_equal(kit_ask(&k, ew, line), "+OK\r\n");
        snprintf(line, sizeof line, "*1\r\n$%zu\r\n%.*s\r\n", name.len, (int)name.len, name.data);
        for (int i = 0; i < N; i++) {
            bool begins = false;
            for (size_t j = 0; j < n[i]; j++)
                begins |= has[i][j].len <= name.len && begin_alike(has[i][j], name);
            const char *heard = kit_received(end[i]);
            if (begins)
                assert_string_equal(heard + strlen(">2\r\n$10\r\ninvalidate\r\n"), line);
            else
                assert_string_equal(heard, "");
        }
    }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(overlaps), TEST(many), TEST(against_a_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
