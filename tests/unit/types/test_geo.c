/* Geo sets against a look at every member: cells that cover, shapes, order, counts, pending reads.
 */
#include "base/num.h"
#include "support/unit.h"
#include "support/world.h"
#include "types/geo_cells.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMBERS 600

static world w;
static geo_point places[MEMBERS];

static int open_world(void **state) {
    (void)state;
    world_open(&w, 9, false);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    if (ks_in_batch(w.ks)) ks_abort(w.ks); /* a test failed */
    world_close(&w);
    return 0;
}

/* Runs what in a batch until it is neither pending nor failing; leaves the batch open. */
#define BATCH(what)                                                                                \
    do {                                                                                           \
        for (int tries_ = 0;; tries_++) {                                                          \
            assert_true(tries_ < 20000);                                                           \
            ks_begin(w.ks);                                                                        \
            if ((what) == ENGINE_OK) break;                                                        \
            ks_abort(w.ks);                                                                        \
        }                                                                                          \
    } while (0)

static double between(rng *r, double low, double high) {
    return low + (high - low) * ((double)(rng_next(r) >> 11) / 0x1p53);
}

static engine_result put_all(int n) {
    elements el;
    el_create(w.ks, 0, SLICE("g"), &zset_type, &el);
    for (int i = 0; i < n; i++) {
        char name[16];
        int len = snprintf(name, sizeof name, "m%d", i);
        double score = geo_score(places[i]), now;
        zset_outcome outcome;
        engine_result r = zset_add(&el, slice_of(name, (size_t)len), score, 0, &now, &outcome);
        if (r != ENGINE_OK) return r;
    }
    return el_end(&el);
}

static engine_result search(const geo_shape *s, geo_order order, uint64_t count, bool any,
                            geo_hits *out) {
    elements el;
    engine_result r = el_open(w.ks, 0, SLICE("g"), &zset_type, 0, &el);
    return r == ENGINE_OK ? geo_search(&el, s, order, count, any, out) : r;
}

/* As README.md says what is inside. */
static bool inside(const geo_shape *s, geo_point p) {
    geo_point level = {s->centre.lon, p.lat};
    if (!s->box) return geo_distance(s->centre, p) <= s->radius * s->unit;
    return geo_distance(s->centre, level) <= s->height * s->unit / 2 &&
           geo_distance(level, p) <= s->width * s->unit / 2;
}

static int by_number(const void *a, const void *b) {
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* One search, against all members. */
static void compare(const geo_shape *s, int n, geo_order order, uint64_t count, bool any) {
    static double far[MEMBERS];
    uint64_t expect = 0;
    geo_hits hits;
    for (int i = 0; i < n; i++) {
        geo_point p = geo_place(geo_score(places[i]));
        if (inside(s, p)) far[expect++] = geo_distance(s->centre, p);
    }
    qsort(far, expect, sizeof *far, by_number);
    BATCH(search(s, order, count, any, &hits));
    uint64_t want = count && count < expect ? count : expect;
    assert_int_equal(hits.n, want);
    for (uint64_t i = 0; i < hits.n; i++) {
        const geo_hit *h = &hits.items[i];
        int64_t number;
        assert_true(num_parse_i64(slice_skip(h->member, 1), &number) && number < n);
        assert_true(inside(s, h->place));
        assert_true(h->score == geo_score(places[number]));
        assert_true(h->metres == geo_distance(s->centre, h->place));
        if (order != GEO_UNORDERED && !any)
            assert_true(h->metres == far[order == GEO_NEAREST ? i : expect - 1 - i]);
        if (order != GEO_UNORDERED && i > 0)
            assert_true(order == GEO_NEAREST ? hits.items[i - 1].metres <= h->metres
                                             : hits.items[i - 1].metres >= h->metres);
        for (uint64_t j = 0; j < i; j++)
            assert_false(slice_eq(h->member, hits.items[j].member));
    }
    ks_commit(w.ks);
}

/* Around places where the grid has no edge near: there, as in redis-server, a search may miss what
 * is beyond it. */
static void random_searches(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    mem_knobs *knobs = engine_mem_knobs(w.e);
    for (int round = 0; round < unit_rounds(12); round++) {
        int n = (int)rng_below(&r, 2) ? 1 + (int)rng_below(&r, 100) : MEMBERS;
        double spread = pow(10, between(&r, -3, 1.3));
        geo_point centre = {between(&r, -120, 120), between(&r, -50, 50)};
        for (int i = 0; i < n; i++)
            places[i] = (geo_point){centre.lon + between(&r, -spread, spread),
                                    centre.lat + between(&r, -spread, spread)};
        knobs->pending_permille = 0;
        BATCH(put_all(n));
        ks_commit(w.ks);
        for (int i = 0; i < 40; i++) {
            knobs->pending_permille = (unsigned)rng_below(&r, 3) * 20;
            if (rng_below(&r, 10) == 0) knobs->error_at = 1 + rng_below(&r, 8);
            double metres = spread * 111000 * pow(10, between(&r, -2, 0.2));
            geo_shape s = {.centre = rng_below(&r, 3) ? places[rng_below(&r, (uint64_t)n)] : centre,
                           .box = rng_below(&r, 2),
                           .unit = rng_below(&r, 2) ? 1 : 1609.34};
            s.radius = metres / s.unit;
            s.width = metres / s.unit * between(&r, 0, 2);
            s.height = metres / s.unit * between(&r, 0, 2);
            uint64_t count = rng_below(&r, 2) ? 0 : 1 + rng_below(&r, 100);
            bool any = count && rng_below(&r, 2);
            geo_order order = (geo_order)rng_below(&r, 3);
            if (count && !any && order == GEO_UNORDERED) order = GEO_NEAREST;
            compare(&s, n, order, count, any);
            knobs->error_at = 0;
        }
    }
}

/* Cells: a point is in the area of its cell, and its score in the range of every cell around it. */
static void cells(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int i = 0; i < unit_rounds(20000); i++) {
        geo_point p = {between(&r, -180, 180), between(&r, -85.05, 85.05)};
        geo_point q = geo_place(geo_score(p));
        assert_true(fabs(p.lon - q.lon) < 3e-6 && fabs(p.lat - q.lat) < 2e-6);
        assert_true(geo_score(q) == geo_score(p));
        unsigned steps = 1 + (unsigned)rng_below(&r, GEO_STEPS);
        geo_cell c = geo_cell_of(p, GEO_LAT_MAX, steps);
        geo_area a = geo_cell_area(c);
        assert_true(a.west <= p.lon && p.lon <= a.east && a.south <= p.lat && p.lat <= a.north);
        double low, end;
        geo_cell_scores(c, &low, &end);
        assert_true(low <= geo_score(p) && geo_score(p) < end);
        uint64_t bits = rng_next(&r);
        assert_int_equal(geo_cell_bits(geo_cell_from(bits)), bits);
    }
}

/* redis-server's numbers, those of scores that are no places included. */
static void known(void **state) {
    (void)state;
    static const struct {
        double score;
        const char *text;
    } texts[] = {{3479099956230698, "sqc8b49rny0"},
                 {3479447370796909, "sqdtr74hyu0"},
                 {-5, "bp05b5048p0"},
                 {INFINITY, "00bh0hbj200"},
                 {9e18, "bp05b5048p0"},
                 {4.6e15, "bppey7jd8p0"},
                 {-INFINITY, "00bh0hbj200"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char out[GEO_TEXT];
        geo_text(texts[i].score, out);
        if (texts[i].score != -INFINITY) assert_memory_equal(out, texts[i].text, GEO_TEXT);
        assert_true(geo_is_valid(geo_place(texts[i].score)));
    }
    geo_point palermo = {13.361389, 38.115556}, catania = {15.087269, 37.502669};
    assert_true(geo_score(palermo) == 3479099956230698);
    assert_true(geo_score(catania) == 3479447370796909);
    double far = geo_distance(geo_place(3479099956230698), geo_place(3479447370796909));
    assert_true(fabs(far - 166274.1516) < 0.0001);
    assert_false(geo_is_valid((geo_point){180.1, 0}) || geo_is_valid((geo_point){0, 85.06}) ||
                 geo_is_valid((geo_point){NAN, 0}) || geo_is_valid((geo_point){0, NAN}));
    assert_true(geo_is_valid((geo_point){-180, -85.05112878}));
    assert_true(geo_distance((geo_point){0, 0}, (geo_point){180, 0}) > 2e7);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {TEST(random_searches), TEST(cells), TEST(known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
