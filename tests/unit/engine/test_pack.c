/* pack: a value comes back as it was given; it is compressed only where that is set, worth an
 * attempt, and saves something; and bytes that are not what the record says are refused. */
#include "engine/log/pack.h"
#include "engine/log/settings.h"
#include "support/unit.h"

#include <string.h>

enum { LONG = 4000 };

/* Made of few different bytes, so it becomes smaller; or of random ones, so it does not. */
static void fill(rng *r, char *out, size_t n, bool plain) {
    for (size_t i = 0; i < n; i++)
        out[i] = plain ? (char)('a' + rng_below(r, 2)) : (char)rng_next(r);
}

/* Packs, takes back, compares; true if it was compressed. */
static bool round_trip(slice value, bool small, pack_stats *stats) {
    buf packed = {0}, back = {0};
    record r = {.kind = RECORD_PUT};
    slice out;
    pack_value(value, small, &packed, stats, &r);
    assert_int_equal(r.plain_len, value.len);
    assert_true(r.value.len <= value.len);
    assert_true(status_ok(pack_undo(&r, &back, &out)));
    assert_true(slice_eq(out, value));
    bool smaller = (r.flags & RECORD_LZ4) != 0;
    assert_int_equal(smaller, r.value.len < value.len);
    buf_free(&packed);
    buf_free(&back);
    return smaller;
}

static void test_round_trip(void **state) {
    (void)state;
    rng r;
    char bytes[LONG];
    unit_seed(&r);
    log_conf.compression_min = 256;
    for (int i = 0; i < unit_rounds(2000); i++) {
        size_t n = rng_below(&r, LONG);
        bool plain = rng_below(&r, 2), small = rng_below(&r, 8) == 0;
        pack_stats stats = {0};
        log_conf.compression = rng_below(&r, 4) ? LOG_LZ4 : LOG_PLAIN;
        fill(&r, bytes, n, plain);
        bool smaller = round_trip(slice_of(bytes, n), small, &stats);
        bool tried = !small && log_conf.compression == LOG_LZ4 && n >= 256;
        assert_int_equal(smaller, tried && plain);
        assert_int_equal(stats.in, tried ? n : 0);
        assert_true(tried ? (stats.out < n) == smaller : stats.out == 0);
    }
}

/* A large value in pieces that don't become smaller is not tried to its end; what follows in the
 * same batch and does is found soon, what follows in another at once. */
static void test_gives_up_within_a_batch(void **state) {
    (void)state;
    rng r;
    char noise[LONG], words[LONG];
    pack_stats stats = {0};
    int until = 0;
    unit_seed(&r);
    log_conf.compression = LOG_LZ4;
    log_conf.compression_min = 256;
    fill(&r, noise, sizeof noise, false);
    fill(&r, words, sizeof words, true);
    for (int i = 0; i < 10000; i++)
        assert_false(round_trip(slice_of(noise, sizeof noise), false, &stats));
    assert_in_range(stats.in / LONG, 10000 / 17, 10000 / 10);
    assert_int_equal(stats.in, stats.out);
    while (!round_trip(slice_of(words, sizeof words), false, &stats))
        assert_in_range(until++, 0, 20);
    assert_true(round_trip(slice_of(words, sizeof words), false, &stats));
    for (int i = 0; i < 100; i++)
        assert_false(round_trip(slice_of(noise, sizeof noise), false, &stats));
    pack_begin(&stats);
    assert_true(round_trip(slice_of(words, sizeof words), false, &stats));
}

/* The checksums of a record keep such bytes away; nothing rests on that here. */
static void test_damage(void **state) {
    (void)state;
    rng r;
    char bytes[LONG];
    buf packed = {0}, back = {0};
    slice out;
    unit_seed(&r);
    log_conf.compression = LOG_LZ4;
    log_conf.compression_min = 0;
    fill(&r, bytes, sizeof bytes, true);
    record good = {.kind = RECORD_MAP_PUT};
    pack_stats stats = {0};
    pack_value(slice_of(bytes, sizeof bytes), false, &packed, &stats, &good);
    assert_true(good.flags & RECORD_LZ4);
    record bad = good;
    bad.plain_len = good.plain_len + 1;
    assert_int_equal(pack_undo(&bad, &back, &out).code, ST_CORRUPT);
    bad.plain_len = (uint64_t)RECORD_VALUE_MAX + 1;
    assert_int_equal(pack_undo(&bad, &back, &out).code, ST_CORRUPT);
    bad = good;
    bad.value.len = good.value.len / 2;
    assert_int_equal(pack_undo(&bad, &back, &out).code, ST_CORRUPT);
    assert_true(status_ok(pack_undo(&good, &back, &out)));
    assert_memory_equal(out.data, bytes, sizeof bytes);
    buf_free(&packed);
    buf_free(&back);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_gives_up_within_a_batch),
                                       cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
