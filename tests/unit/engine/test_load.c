/* Loading by hints: slices merged by workers give what one merge of all would; a store is the same
 * after every kind of start; a hint that is damaged anywhere is found before anything of it counts.
 */
#include "base/codec.h"
#include "base/mem.h"
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/load_slice.h"
#include "support/engine_kit.h"
#include "support/memfs.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define STORE  0x99u
#define LENGTH (64u << 20)
#define HINTS  9u

static bitcask *bc(kit *k) {
    return bitcask_of(k->e);
}

/* ---- slices ------------------------------------------------------------------------------------
 */

/* What was written to some hint. */
typedef struct made {
    uint32_t pdb, hint, size;
    uint64_t token;
    bool is_del, has_value;
    char key[24];
} made;

/* By pdb, token and key; the later hint first. */
static int compare(const void *pa, const void *pb) {
    const made *a = pa, *b = pb;
    if (a->pdb != b->pdb) return a->pdb < b->pdb ? -1 : 1;
    if (a->token != b->token) return a->token < b->token ? -1 : 1;
    int c = strcmp(a->key, b->key);
    return c ? c : (a->hint < b->hint) - (a->hint > b->hint);
}

static bool same_key(const made *a, const made *b) {
    return a->pdb == b->pdb && a->token == b->token && strcmp(a->key, b->key) == 0;
}

static void random_made(rng *r, made *m, uint32_t keys) {
    uint32_t i = (uint32_t)rng_below(r, keys);
    *m = (made){.pdb = 1 + i % 3 / 2, .hint = (uint32_t)rng_below(r, HINTS)};
    m->size = RECORD_HEADER + (uint32_t)rng_below(r, 1000);
    m->token = (uint64_t)(i / 3) * 0x9e3779b97f4a7c15u >> 11; /* three keys share a token */
    m->is_del = rng_below(r, 4) == 0;
    m->has_value = !m->is_del && rng_below(r, 2);
    snprintf(m->key, sizeof m->key, "key:%u", i);
}

/* Writes and opens hint i, of what is sorted and its own. */
static hint_reader *write_one(memfs *fs, const made *all, size_t n, uint32_t i) {
    hint_writer *w;
    hint_reader *out;
    uint64_t bytes;
    hint_info info = {.segment = i + 1, .segment_length = LENGTH};
    char path[32];
    hash_key key = {1, 2};
    snprintf(path, sizeof path, "%u.hint", i);
    assert_true(status_ok(hint_create(memfs_vfs(fs), path, STORE, key, &info, &w)));
    for (size_t k = 0; k < n; k++) {
        const made *m = &all[k];
        if (m->hint != i) continue;
        hint_entry e = {.kind = m->is_del ? RECORD_DEL : RECORD_PUT,
                        .flags = m->has_value ? HINT_INLINE : 0,
                        .pdb = m->pdb,
                        .offset = FILE_HEADER + (uint32_t)k,
                        .size = m->size,
                        .token = m->token,
                        .key = slice_cstr(m->key)};
        if (m->has_value) e.value = slice_cstr(m->key);
        assert_true(status_ok(hint_add(w, &e)));
    }
    assert_true(status_ok(hint_finish(w, &bytes)));
    assert_true(status_ok(hint_open(memfs_vfs(fs), path, STORE, i + 1, LENGTH, &out)));
    return out;
}

/* The items and sums of one slice, against the next of `all`, from *at on. */
static void check_slice(const load_slice *s, const made *all, size_t n, size_t *at) {
    const slice_range *r = load_slice_range(s);
    slice_sum sums[HINTS] = {{0}};
    slice_item it;
    uint64_t entries = 0;
    for (size_t pos = 0; load_slice_next(s, &pos, &it);) {
        const made *m = &all[*at];
        kdent e;
        assert_true(*at < n);
        kdent_decode(it.entry.data, &e);
        assert_true(m->pdb == r->pdb && m->token >= r->from && m->token < r->to);
        assert_true(it.token == m->token && it.is_del == m->is_del);
        assert_true(slice_eq(e.key, slice_cstr(m->key)));
        assert_true(e.segment == 100 + m->hint && e.size == m->size);
        assert_int_equal(e.offset, FILE_HEADER + *at);
        assert_int_equal(e.has_value, m->has_value && strlen(m->key) <= 8);
        if (e.has_value) assert_true(slice_eq(e.value, e.key));
        if (!m->is_del) sums[m->hint].live += m->size;
        for (++*at, ++entries; *at < n && same_key(m, &all[*at]); ++*at, ++entries)
            if (all[*at].is_del) sums[all[*at].hint].hiding += all[*at].size;
    }
    assert_true(entries > 0 && entries == load_slice_entries(s));
    assert_memory_equal(sums, load_slice_sums(s), sizeof sums);
}

static void slices_are_one_merge(rng *r, uint32_t n, uint32_t keys, uint64_t bytes) {
    memfs *fs = memfs_new();
    simaio *workers = simaio_new(rng_next(r));
    made *all = mem_alloc(n * sizeof *all);
    slice_hint hints[HINTS];
    uint32_t ranges, kept = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++)
        random_made(r, &all[i], keys);
    qsort(all, n, sizeof *all, compare);
    for (uint32_t i = 0; i < n; i++) /* a hint has a key once */
        if (!kept || compare(&all[kept - 1], &all[i]) != 0) all[kept++] = all[i];
    for (uint32_t i = 0; i < HINTS; i++)
        hints[i] = (slice_hint){write_one(fs, all, kept, i), (uint16_t)(100 + i)};
    load_slice_bytes = bytes;
    slice_range *list = load_slice_plan(hints, HINTS, &ranges);
    load_slice_bytes = 0;
    assert_true(bytes > 1 || n < 50000 || ranges > 10);
    load_slice *s = load_slice_new(hints, HINTS);
    for (uint32_t i = 0; i < ranges; i++) {
        load_slice_start(s, simaio_aio(workers), &list[i], 8);
        simaio_aio(workers)->ops->drain(simaio_aio(workers));
        assert_true(load_slice_is_ready(s) && status_ok(load_slice_result(s)));
        check_slice(s, all, kept, &at);
    }
    assert_int_equal(at, kept);
    load_slice_free(s);
    mem_free(list);
    for (uint32_t i = 0; i < HINTS; i++)
        hint_close((hint_reader *)(uintptr_t)hints[i].r);
    mem_free(all);
    simaio_free(workers);
    memfs_free(fs);
}

static void test_slices_are_one_merge(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    slices_are_one_merge(&r, 1, 1, 0);
    slices_are_one_merge(&r, 300, 100, 1);
    slices_are_one_merge(&r, 100000, 60000, 1);
    slices_are_one_merge(&r, 100000, 500000, 200000);
    slices_are_one_merge(&r, 20000, 20, 0);
}

/* ---- a store -----------------------------------------------------------------------------------
 */

/* A sum over what the index of the databases has, wherever its segments are in memory. */
static uint32_t digest(kit *k) {
    uint32_t sum = 0;
    kit_check(k);
    for (uint32_t db = 0; db < bc(k)->ndbs; db++) {
        const keydir *keys = bc(k)->map[db]->keys;
        keydir_iter it;
        if (!keys) continue;
        keydir_seek(keys, 0, &it);
        for (arena_ref r; (r = keydir_next(&it, NULL)) != ARENA_NONE;) {
            kdent e;
            char head[64];
            kdent_decode(keydir_at(&bc(k)->shared, r), &e);
            const segment *s = bc(k)->slots[e.segment];
            int n = snprintf(head, sizeof head, "%u %u %u %u %lld %d", db, s->log.number, e.offset,
                             e.size, (long long)e.expire, e.type);
            sum = crc32c(sum, head, (size_t)n);
            sum = crc32c(sum, e.key.data, e.key.len);
            if (e.has_value) sum = crc32c(sum, e.value.data, e.value.len);
        }
    }
    return sum;
}

/* Many keys in several segments of two databases: put, put again, deleted, with expire times. */
static void fill(kit *k, rng *r, int n) {
    for (int i = 0; i < n; i++) {
        char name[24];
        int len = snprintf(name, sizeof name, "key:%u", (unsigned)rng_below(r, 15000));
        slice key = slice_of(name, (size_t)len);
        uint32_t db = rng_below(r, 8) == 0;
        entry e = {.value = slice_of(name, rng_below(r, 2) ? (size_t)len : 3)};
        if (rng_below(r, 5) == 0) e.expire = 1 + (int64_t)rng_below(r, 1000);
        engine_begin(k->e);
        if (rng_below(r, 4))
            assert_int_equal(engine_put(k->e, db, key, &e), ENGINE_OK);
        else
            assert_true(engine_del(k->e, db, key) != ENGINE_ERROR);
        engine_commit(k->e);
        if (i % 64 == 0) kit_end_turn(k);
    }
}

static kit *store(kit *k, rng *r) {
    kit_setting("segment-size", "512kb");
    kit_setting("merge-window", "never");
    kit_open(k);
    fill(k, r, 60000);
    kit_settle(k);
    assert_true(bc(k)->norder > 3);
    return k;
}

/* Opens it again; how many segments were read for want of a hint. */
static uint64_t reopen(kit *k) {
    kit_close(k);
    kit_open(k);
    return bc(k)->stats.recovery_logs;
}

/* Slices of any size, records instead of hints: the same. */
static void test_all_starts_agree(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    kit *k = store(kit_sim(), &r);
    uint32_t was = digest(k);
    static const uint64_t bytes[] = {1, 100000, 0};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        load_slice_bytes = bytes[i];
        assert_int_equal(reopen(k), 0);
        assert_true(bc(k)->stats.recovery_hints > 3);
        assert_int_equal(digest(k), was);
    }
    load_slice_bytes = 0;
    for (uint32_t i = 0; i + 1 < bc(k)->norder; i++) {
        char path[FILE_PATH_MAX];
        assert_true(status_ok(bc_path(bc(k), FILE_HINT, bc(k)->order[i]->log.number, path)));
        assert_true(status_ok(k->env.fs->ops->unlink(k->env.fs, path)));
    }
    kit_kill(k);
    assert_int_equal(bc(k)->stats.recovery_hints, 0);
    assert_int_equal(digest(k), was);
    kit_free(k);
}

/* Damages the hint: another byte at `at`, or its end there. */
static void damage(kit *k, const char *path, uint64_t at, bool cut) {
    vfs_file *f;
    char byte;
    assert_true(status_ok(vfs_open(k->env.fs, path, VFS_READ | VFS_WRITE, &f)));
    assert_true(status_ok(vfs_pread_all(f, path, &byte, 1, at)));
    byte ^= 0x10;
    assert_true(status_ok(cut ? f->ops->truncate(f, at) : vfs_pwrite(f, &byte, 1, at)));
    assert_true(status_ok(f->ops->close(f)));
}

/* Of the hint of some segment: any byte of any of its parts, and any end of it. By real workers, of
 * which others are at other hints: the segment is read instead, and it alone. */
static void test_damage_anywhere(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    kit *k = store(kit_real(), &r);
    uint32_t was = digest(k);
    load_slice_bytes = 1;
    for (int i = 0; i < 16; i++) {
        char path[FILE_PATH_MAX];
        vfs_file *f;
        uint64_t size;
        bitcask *e = bc(k);
        uint32_t number = e->order[rng_below(&r, e->norder - 1)]->log.number;
        assert_true(status_ok(bc_path(e, FILE_HINT, number, path)));
        kit_close(k);
        assert_true(status_ok(vfs_open(k->env.fs, path, VFS_READ, &f)));
        assert_true(status_ok(f->ops->size(f, &size)));
        assert_true(status_ok(f->ops->close(f)));
        uint64_t at = i % 3 ? rng_below(&r, size) : rng_below(&r, 2) ? size - 1 : (uint64_t)i;
        damage(k, path, at, i % 4 == 3);
        kit_open(k);
        assert_int_equal(bc(k)->stats.recovery_logs, 1);
        assert_int_equal(digest(k), was);
    }
    load_slice_bytes = 0;
    kit_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_are_one_merge),
        cmocka_unit_test(test_all_starts_agree),
        cmocka_unit_test(test_damage_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
