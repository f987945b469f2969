/* Tests of versions: random changes, older versions kept beside newer ones, every search against a
 * look at all tables. The tables here have bounds and no files. */
#include "engine/lsm/version.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "support/memfs.h"
#include "support/unit.h"

#define SPACE 1000 /* keys are "0000" .. "0999" */

static uint32_t alive; /* tables that were made: all must be freed, or a leak is reported */

/* A table of keys from .. to - 1. */
static table_ref *fake(uint32_t number, unsigned level, uint64_t recency, unsigned from,
                       unsigned to) {
    table_ref *t = mem_zalloc(sizeof *t + 16);
    char *p = (char *)(t + 1);
    snprintf(p, 8, "%04u", from);
    snprintf(p + 8, 8, "%04u", to);
    *t = (table_ref){.number = number,
                     .refs = 1,
                     .level = (uint8_t)level,
                     .recency = recency,
                     .length = 100 + number,
                     .entries = to - from,
                     .tombstones = number % 3,
                     .smallest = slice_of(p, 4),
                     .limit = slice_of(p + 8, 4)};
    alive++;
    return t;
}

static slice key_of(unsigned k, char out[8]) {
    snprintf(out, 8, "%04u", k);
    return slice_cstr(out);
}

/* Does the level have room for [from, to)? */
static bool is_free(const version *v, unsigned level, slice from, slice to) {
    for (uint32_t i = 0; i < v->level[level].n; i++)
        if (table_ref_overlaps(v->level[level].tables[i], from, to)) return false;
    return true;
}

/* All searches, against a look at each table. */
static void check_searches(const version *v, rng *r) {
    char a[8], b[8];
    unsigned x = (unsigned)rng_below(r, SPACE), y = x + 1 + (unsigned)rng_below(r, SPACE - x);
    slice key = key_of(x, a), to = rng_below(r, 5) ? key_of(y, b) : SLICE_EMPTY;
    bool holds = false, overlaps = false;
    uint64_t bytes = 0;
    for (unsigned l = LSM_LEVELS; l-- > 1;) {
        assert_int_equal(version_below_may_hold(v, l, key), holds);
        assert_int_equal(version_below_overlaps(v, l, key, to), overlaps);
        uint32_t n = 0, first, at = v->level[l].n;
        for (uint32_t i = v->level[l].n; i-- > 0;) {
            const table_ref *t = v->level[l].tables[i];
            if (slice_cmp(t->limit, key) > 0) at = i;
            holds |= slice_cmp(t->smallest, key) <= 0 && slice_cmp(t->limit, key) > 0;
            n += table_ref_overlaps(t, key, to);
            bytes += t->length;
        }
        overlaps |= n > 0;
        assert_int_equal(version_find(v, l, key), at);
        assert_int_equal(version_overlap(v, l, key, to, &first), n);
        assert_int_equal(first, at);
    }
    assert_int_equal(version_below_may_hold(v, 0, key), holds);
    assert_int_equal(version_below_overlaps(v, 0, key, to), overlaps);
    assert_true(version_bytes(v) == bytes + v->level[0].bytes);
}

/* Tables that come, in level 0 or where there is room. */
static size_t random_adds(const version *v, rng *r, table_ref **add, uint32_t *next) {
    size_t n = 0;
    for (unsigned tries = (unsigned)rng_below(r, 4); tries > 0; tries--) {
        unsigned level = (unsigned)rng_below(r, LSM_LEVELS);
        unsigned from = (unsigned)rng_below(r, SPACE);
        unsigned to = from + 1 + (unsigned)rng_below(r, SPACE / 20);
        if (to > SPACE) to = SPACE;
        table_ref *t = fake(*next, level, *next, from, to);
        ++*next;
        bool fits = level == 0 || is_free(v, level, t->smallest, t->limit);
        for (size_t i = 0; i < n && level > 0; i++)
            fits &= add[i]->level != level || !table_ref_overlaps(add[i], t->smallest, t->limit);
        if (fits)
            add[n++] = t;
        else
            table_ref_release(t);
    }
    return n;
}

/* One change: some come, some go, one may move to a level that has room. */
static version *random_change(version *v, rng *r, uint32_t *next) {
    table_ref *add[4];
    uint32_t drop[64], moved;
    uint8_t to = 0;
    version_change c = {.add = add, .drop = drop, .moved = &moved, .moved_to = &to};
    c.nadd = random_adds(v, r, add, next);
    for (unsigned l = 0; l < LSM_LEVELS; l++) {
        for (uint32_t i = 0; i < v->level[l].n && c.ndrop < 64; i++) {
            const table_ref *t = v->level[l].tables[i];
            bool clear =
                c.nadd == 0 && l + 1 < LSM_LEVELS && is_free(v, l + 1, t->smallest, t->limit);
            if (rng_below(r, 12) == 0) {
                drop[c.ndrop++] = t->number;
            } else if (clear && c.nmoved == 0 && rng_below(r, 4) == 0) {
                c.nmoved = 1;
                moved = t->number;
                to = (uint8_t)(l + 1);
            }
        }
    }
    uint32_t before = version_tables(v);
    version *after = version_after(v, &c);
    assert_int_equal(version_tables(after), before + c.nadd - c.ndrop);
    assert_int_equal(version_tables(v), before);
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        for (uint32_t i = 0; i < after->level[l].n; i++)
            assert_int_equal(after->level[l].tables[i]->level, l);
    return after;
}

static void test_random(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    version *kept[5] = {NULL}, *v = version_empty();
    uint32_t next = 1;
    for (int round = unit_rounds(3000); round > 0; round--) {
        version *after = random_change(v, &r, &next);
        unsigned k = (unsigned)rng_below(&r, 20);
        if (k < 5) {
            if (kept[k]) version_check(kept[k]);
            version_release(kept[k]);
            kept[k] = version_keep(v);
        }
        version_release(v);
        v = after;
        check_searches(v, &r);
    }
    for (int k = 0; k < 5; k++)
        version_release(kept[k]);
    uint32_t left = version_tables(v);
    assert_true(left > 0 && left < alive);
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        for (uint32_t i = 0; i < v->level[l].n; i++)
            assert_int_equal(v->level[l].tables[i]->refs, 1);
    version_release(v);
}

/* Tables of one flush have one recency and lie side by side. */
static void test_flush_of_many(void **state) {
    (void)state;
    version *v = version_empty();
    table_ref *add[] = {fake(1, 0, 5, 500, 1000), fake(2, 0, 5, 0, 500), fake(3, 0, 6, 0, 1000)};
    version *after = version_after(v, &(version_change){.add = add, .nadd = 3});
    assert_int_equal(after->level[0].tables[0]->number, 3);
    assert_int_equal(after->level[0].tables[1]->number, 2);
    assert_int_equal(after->level[0].tables[2]->number, 1);
    version_release(v);
    version_release(after);
}

/* What the manifest says is copied; a table that is not there, or not that table, is refused. */
static void test_open(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    file_header h = {.kind = FILE_TABLE, .store_id = 9, .number = 4};
    table_options o = {.block_size = 4096, .bloom_bits = 10};
    table_writer *w;
    table_summary s;
    table_ref *t;
    assert_string_equal(table_create(memfs_vfs(fs), "d/0000000004.sst", &h, &o, &w).msg, "");
    assert_string_equal(table_add(w, SLICE("key"), SLICE("\2cell"), 1).msg, "");
    assert_string_equal(table_finish(w, &s).msg, "");
    char bounds[] = "keykez";
    manifest_table m = {.number = 4,
                        .length = s.length,
                        .level = 3,
                        .recency = 8,
                        .entries = 1,
                        .smallest = slice_of(bounds, 3),
                        .limit = slice_of(bounds + 3, 3)};
    assert_string_equal(table_ref_open(memfs_vfs(fs), "d", 9, &m, &t).msg, "");
    memset(bounds, 0, sizeof bounds);
    assert_true(slice_eq(t->smallest, SLICE("key")) && slice_eq(t->limit, SLICE("kez")));
    assert_int_equal(t->level, 3);
    assert_int_equal(memfs_open_files(fs), 1);
    table_ref_release(table_ref_keep(t));
    assert_int_equal(memfs_open_files(fs), 1);
    table_ref_release(t);
    assert_int_equal(memfs_open_files(fs), 0);
    m.smallest = SLICE("key");
    m.limit = SLICE("kez");
    assert_int_equal(table_ref_open(memfs_vfs(fs), "d", 10, &m, &t).code, ST_CORRUPT);
    assert_null(t);
    m.length++;
    assert_int_equal(table_ref_open(memfs_vfs(fs), "d", 9, &m, &t).code, ST_CORRUPT);
    m.number = 5;
    assert_int_equal(table_ref_open(memfs_vfs(fs), "d", 9, &m, &t).code, ST_NOT_FOUND);
    assert_int_equal(memfs_open_files(fs), 0);
    buf_free(&s.first);
    buf_free(&s.last);
    memfs_free(fs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_flush_of_many),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
