/* manifest: edits survive; a torn last edit is cut, damage is refused, a full disk is met before a
 * byte is written, and every failure leaves the old state or the new one. */
#include "support/unit.h"

#include "base/mem.h"
#include "sim/simfs.h"
#include "storage/file_header.h"
#include "storage/manifest.h"
#include "support/memfs.h"

#define PATH "d/MANIFEST"

static const hash_key key = {1, 2};

static manifest *create(memfs *fs) {
    manifest *m;
    manifest_edit e = {0};
    edit_create(&e, "bitcask", 77, key, false);
    edit_reserve(&e, MANIFEST_IDS_FILE, 10000);
    assert_string_equal(manifest_create(memfs_vfs(fs), "d", &e, &m).msg, "");
    edit_free(&e);
    return m;
}

static manifest *reopen(memfs *fs, manifest *m) {
    manifest_close(m);
    assert_string_equal(manifest_open(memfs_vfs(fs), "d", &m).msg, "");
    return m;
}

/* An edit that makes file n pending. */
static status add(manifest *m, uint32_t n) {
    manifest_edit e = {0};
    edit_pending(&e, n);
    status s = manifest_commit(m, &e);
    edit_free(&e);
    return s;
}

static void test_edits_survive(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    manifest *m = create(fs);
    assert_string_equal(manifest_get(m)->engine, "bitcask");
    for (uint32_t n = 1; n <= 20; n++) {
        assert_true(status_ok(add(m, n)));
        if (n % 3 == 0) m = reopen(fs, m);
        assert_int_equal(manifest_get(m)->npending, n);
        assert_int_equal(manifest_about(m)->number, 1);
        assert_false(manifest_about(m)->torn);
    }
    manifest_close(m);
    assert_int_equal(memfs_open_files(fs), 0);
    memfs_free(fs);
}

static void test_create_and_open(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    manifest *m, *other;
    manifest_edit e = {0};
    assert_int_equal(manifest_open(memfs_vfs(fs), "d", &m).code, ST_NOT_FOUND);
    edit_pending(&e, 1);
    assert_int_equal(manifest_create(memfs_vfs(fs), "d", &e, &m).code, ST_CORRUPT);
    edit_free(&e);
    m = create(fs);
    edit_create(&e, "lsm", 1, key, false);
    assert_int_equal(manifest_create(memfs_vfs(fs), "d", &e, &other).code, ST_INVALID);
    assert_null(other);
    edit_free(&e);
    assert_int_equal(manifest_prepare(m, &e).code, ST_INVALID); /* empty */
    assert_int_equal(add(m, 20000).code, ST_INVALID);           /* not reserved */
    assert_false(manifest_busy(m));
    assert_true(status_ok(add(m, 1)));
    manifest_close(m);
    memfs_put(fs, PATH, SLICE("notes"));
    assert_int_equal(manifest_open(memfs_vfs(fs), "d", &m).code, ST_CORRUPT);
    memfs_free(fs);
}

/* In three steps, as with a worker in the middle. */
static void test_three_steps(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    manifest *m = create(fs);
    manifest_edit e = {0};
    edit_pending(&e, 5);
    assert_true(status_ok(manifest_prepare(m, &e)));
    edit_free(&e);
    assert_true(manifest_busy(m));
    assert_int_equal(manifest_get(m)->npending, 0);
    assert_true(status_ok(manifest_write(m)));
    assert_int_equal(manifest_get(m)->npending, 0);
    manifest_finish(m);
    assert_false(manifest_busy(m));
    assert_int_equal(manifest_get(m)->npending, 1);
    manifest_close(m);
    memfs_free(fs);
}

/* A small manifest: creation and three edits. Returns its bytes as they are in the file. */
static buf small(memfs *fs) {
    manifest *m = create(fs);
    buf copy = {0};
    for (uint32_t n = 1; n <= 3; n++)
        assert_true(status_ok(add(m, n)));
    uint32_t length = manifest_about(m)->length;
    manifest_close(m);
    assert_true(memfs_bytes(fs, PATH)->len > length); /* allocated ahead */
    memfs_bytes(fs, PATH)->len = length + 8;
    buf_append_slice(&copy, buf_slice(memfs_bytes(fs, PATH)));
    return copy;
}

/* Any flipped bit: refused, or nothing lost. */
static void test_every_bit_flip(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    buf bytes = small(fs);
    size_t refused = 0;
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        manifest_state s;
        manifest_report report;
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
        memfs_put(fs, PATH, buf_slice(&bytes));
        status st = manifest_load(memfs_vfs(fs), PATH, &s, &report);
        if (status_ok(st)) {
            assert_int_equal(s.npending, 3);
            assert_true(report.torn);
        } else {
            assert_int_equal(st.code, ST_CORRUPT);
            assert_non_null(strstr(st.msg, PATH));
            refused++;
        }
        manifest_state_free(&s);
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    /* all but the last idle record and the zeros behind it */
    assert_int_equal(refused, (bytes.len - 8 - 24) * 8);
    buf_free(&bytes);
    memfs_free(fs);
}

/* Cut at any byte: the edits before the cut, or refused where not even the creation is left. Then
 * the next edit goes to a new file, and all is well. */
static void test_every_truncation(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    buf bytes = small(fs);
    size_t seen[4] = {0};
    for (size_t n = 0; n < bytes.len - 8; n++) {
        manifest *m;
        memfs_put(fs, PATH, slice_of(bytes.data, n));
        status st = manifest_open(memfs_vfs(fs), "d", &m);
        if (!status_ok(st)) {
            assert_int_equal(st.code, ST_CORRUPT);
            assert_int_equal(seen[0], 0); /* only in front of the creation's end */
            continue;
        }
        size_t edits = manifest_get(m)->npending;
        assert_true(edits <= 3);
        seen[edits]++;
        bool torn = manifest_about(m)->torn;
        assert_true(status_ok(add(m, 9)));
        assert_int_equal(manifest_about(m)->number, torn ? 2 : 1);
        m = reopen(fs, m);
        assert_int_equal(manifest_get(m)->npending, edits + 1);
        assert_false(manifest_about(m)->torn);
        manifest_close(m);
    }
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
    buf_free(&bytes);
    memfs_free(fs);
}

/* Grown, it is rewritten: the same state, a new number, a small file. */
static void test_rewritten(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    manifest *m = create(fs);
    size_t longest = 0;
    for (int i = 0; i < 3000; i++) {
        manifest_edit e = {0};
        edit_pending(&e, 5);
        edit_gone(&e, 5);
        edit_reserve(&e, MANIFEST_IDS_COLL, (uint64_t)i + 1);
        assert_true(status_ok(manifest_commit(m, &e)));
        edit_free(&e);
        size_t len = manifest_about(m)->length;
        longest = len > longest ? len : longest;
        if (i % 500 == 7) m = reopen(fs, m);
        assert_int_equal(manifest_get(m)->ids[MANIFEST_IDS_COLL], i + 1);
    }
    assert_true(longest < 70000);
    assert_true(manifest_about(m)->number > 2);
    assert_null(memfs_bytes(fs, PATH ".tmp"));
    manifest_close(m);
    assert_int_equal(memfs_open_files(fs), 0);
    memfs_free(fs);
}

/* A state that takes several records. */
static void test_large_state(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    manifest *m = create(fs);
    manifest_edit e = {0};
    manifest_map *map = mem_alloc(RECORD_DBS_MAX * sizeof *map);
    edit_reserve(&e, MANIFEST_IDS_FILE, 2000000);
    edit_reserve(&e, MANIFEST_IDS_PDB, UINT32_MAX);
    for (uint32_t i = 0; i < RECORD_DBS_MAX; i++)
        map[i] = (manifest_map){i, UINT32_MAX - 1 - i};
    edit_map(&e, 1, map, RECORD_DBS_MAX);
    assert_true(status_ok(manifest_commit(m, &e)));
    edit_free(&e);
    for (uint32_t i = 0; i < 8000; i++) {
        edit_pending(&e, 1000000 + i);
        edit_append(&e, 1000000 + i);
        edit_seal(&e, 1000000 + i, 1u << 31);
    }
    assert_true(status_ok(manifest_commit(m, &e)));
    edit_free(&e);
    assert_true(status_ok(add(m, 5)));
    m = reopen(fs, m);
    assert_int_equal(manifest_get(m)->nfiles, 8000);
    assert_int_equal(manifest_get(m)->nmap, RECORD_DBS_MAX);
    uint32_t number = manifest_about(m)->number;
    assert_true(status_ok(add(m, 6))); /* rewritten, in pieces */
    assert_int_equal(manifest_about(m)->number, number + 1);
    m = reopen(fs, m);
    assert_int_equal(manifest_get(m)->nfiles, 8000);
    assert_int_equal(manifest_get(m)->npending, 2);
    manifest_close(m);
    mem_free(map);
    memfs_free(fs);
}

/* Whatever call fails, and however: what is on disk is the state before the edit or the one after;
 * with "no space", it is the one before, and the edit can be tried again. */
static void fail_at(uint64_t nth, status_code code, bool rewrite, bool *worked) {
    memfs *fs = memfs_new();
    manifest *m = create(fs); /* nothing is allocated ahead: the next edit must */
    if (rewrite) {            /* torn: the next edit goes to a new file */
        assert_true(status_ok(add(m, 1)));
        size_t length = manifest_about(m)->length;
        manifest_close(m);
        memfs_bytes(fs, PATH)->len = length - 3;
        assert_true(status_ok(manifest_open(memfs_vfs(fs), "d", &m)));
        assert_true(manifest_about(m)->torn);
    }
    size_t before = manifest_get(m)->npending;
    memfs_fail(fs, nth, code);
    uint64_t calls = memfs_calls(fs);
    status st = add(m, 50);
    *worked = memfs_calls(fs) - calls < nth;
    memfs_fail(fs, 0, ST_OK);
    manifest_state now;
    manifest_report report;
    assert_string_equal(manifest_load(memfs_vfs(fs), PATH, &now, &report).msg, "");
    assert_true(now.npending == before || now.npending == before + 1);
    if (status_ok(st)) assert_int_equal(now.npending, before + 1);
    assert_int_equal(manifest_get(m)->npending, status_ok(st) ? before + 1 : before);
    if (!status_ok(st) && status_ok(manifest_failed(m))) {
        assert_int_equal(st.code, ST_NO_SPACE);
        assert_int_equal(now.npending, before);
    }
    manifest_state_free(&now);
    if (status_ok(manifest_failed(m))) {
        status again = add(m, 51);
        assert_string_equal(again.msg, "");
        m = reopen(fs, m);
        assert_int_equal(manifest_get(m)->npending, before + 1 + status_ok(st));
    } else {
        assert_int_equal(add(m, 51).code, manifest_failed(m).code);
    }
    manifest_close(m);
    assert_int_equal(memfs_open_files(fs), 0);
    memfs_free(fs);
}

static void test_failures(void **state) {
    (void)state;
    for (int rewrite = 0; rewrite < 2; rewrite++) {
        for (int full = 0; full < 2; full++) {
            bool worked = false;
            uint64_t nth = 1;
            for (; !worked; nth++)
                fail_at(nth, full ? ST_NO_SPACE : ST_IO, rewrite, &worked);
            assert_int_equal(nth, rewrite ? 7 : 6); /* of each kind of call, one */
        }
    }
}

/* The first write of a full disk is the allocation ahead: nothing has happened then. */
static void test_no_space(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    manifest *m = create(fs);
    memfs_fail(fs, 1, ST_NO_SPACE);
    assert_int_equal(add(m, 1).code, ST_NO_SPACE);
    assert_true(status_ok(manifest_failed(m)));
    assert_true(status_ok(add(m, 1)));
    assert_int_equal(manifest_get(m)->npending, 1);
    manifest_close(m);
    memfs_free(fs);
}

/* A manifest with another kind of record in it, or with an impossible edit, right CRCs and all. */
static void test_nonsense(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    manifest_state s;
    manifest_report report;
    for (int i = 0; i < 3; i++) {
        manifest_close(create(fs));
        buf *bytes = memfs_bytes(fs, PATH);
        record r = {.kind = RECORD_DEL, .key = SLICE("k")};
        if (i) r = (record){.kind = RECORD_MANIFEST, .body = SLICE("\6\1\5")};
        size_t at = bytes->len;
        if (i == 2) /* a mark of what comes behind it */
            r = (record){.kind = RECORD_IDLE, .flags = RECORD_MARK, .mark = log_pos_of(1, 5000)};
        record_append(bytes, &r);
        record_seal(bytes->data + at, r.size, false, (record_place){77, 1, (uint32_t)at});
        assert_int_equal(manifest_load(memfs_vfs(fs), PATH, &s, &report).code, ST_CORRUPT);
        manifest_state_free(&s);
        assert_true(status_ok(memfs_vfs(fs)->ops->unlink(memfs_vfs(fs), PATH)));
    }
    file_header h = {.kind = FILE_MANIFEST, .store_id = 77, .number = 1};
    char empty[FILE_HEADER + 100] = {0};
    file_header_encode(empty, &h);
    memfs_put(fs, PATH, slice_of(empty, sizeof empty));
    assert_int_equal(manifest_load(memfs_vfs(fs), PATH, &s, &report).code, ST_CORRUPT);
    manifest_state_free(&s);
    memfs_free(fs);
}

static void test_rewrite_by_hand(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    manifest *m = create(fs);
    manifest_state s;
    assert_true(status_ok(add(m, 4)));
    manifest_state_copy(&s, manifest_get(m));
    manifest_close(m);
    assert_true(status_ok(manifest_rewrite(memfs_vfs(fs), "d", &s, 9)));
    assert_true(status_ok(manifest_open(memfs_vfs(fs), "d", &m)));
    assert_true(manifest_state_eq(manifest_get(m), &s));
    assert_int_equal(manifest_about(m)->number, 9);
    manifest_close(m);
    manifest_state_free(&s);
    memfs_free(fs);
}

/* What an open has said stays so, also if what it read had never reached the disk: written by a
 * process whose fsync failed, or that was killed before it. */
static void test_open_makes_durable(void **state) {
    (void)state;
    int with_edit = 0, without = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        simfs *fs = simfs_new(seed);
        vfs *v = simfs_vfs(fs);
        manifest *m;
        manifest_edit e = {0};
        assert_true(status_ok(v->ops->mkdir(v, "d")) && status_ok(v->ops->sync_dir(v, "")));
        edit_create(&e, "bitcask", 77, key, false);
        edit_reserve(&e, MANIFEST_IDS_FILE, 10000);
        assert_true(status_ok(manifest_create(v, "d", &e, &m)));
        edit_free(&e);
        assert_true(status_ok(add(m, 1)));
        if (seed % 2)
            simfs_knobs_of(fs)->fail_sync_at = simfs_counts_of(fs)->syncs + 1;
        else
            simfs_knobs_of(fs)->stop_at = simfs_counts_of(fs)->changes + 2;
        assert_int_equal(add(m, 2).code, ST_IO);
        manifest_close(m);
        simfs_kill(fs);
        assert_true(status_ok(manifest_open(v, "d", &m)));
        size_t said = manifest_get(m)->npending;
        with_edit += said == 2;
        without += said == 1;
        if (seed % 3 == 0) said += status_ok(add(m, 3));
        manifest_close(m);
        simfs_crash(fs);
        assert_true(status_ok(manifest_open(v, "d", &m)));
        assert_int_equal(manifest_get(m)->npending, said);
        manifest_close(m);
        simfs_free(fs);
    }
    assert_true(with_edit > 50 && without > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edits_survive),    cmocka_unit_test(test_create_and_open),
        cmocka_unit_test(test_three_steps),      cmocka_unit_test(test_every_bit_flip),
        cmocka_unit_test(test_every_truncation), cmocka_unit_test(test_rewritten),
        cmocka_unit_test(test_large_state),      cmocka_unit_test(test_failures),
        cmocka_unit_test(test_no_space),         cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_rewrite_by_hand),  cmocka_unit_test(test_open_makes_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
