/* check and repair: a store with everything in it, damaged bit by bit and file by file. What is
 * damaged is told; what is repaired is clean again, and has lost what was said and no more. */
#include "support/unit.h"

#include <stdio.h>

#include "base/mem.h"
#include "storage/check.h"
#include "storage/hint.h"
#include "storage/repair.h"
#include "storage/salvage.h"
#include "support/memfs.h"
#include "support/storebuild.h"

#define SEG(n)  "d/000000000" #n ".seg"
#define HINT(n) "d/000000000" #n ".hint"

static const char *const all_files[] = {"d/MANIFEST", SEG(1),  SEG(3),  SEG(4),
                                        SEG(5),       HINT(1), HINT(3), HINT(5)};

static memfs *make(void) {
    memfs *fs = memfs_new();
    storebuild(memfs_vfs(fs), "d");
    assert_int_equal(memfs_open_files(fs), 0);
    return fs;
}

/* What was said, for tests that look for a sentence. */
static buf said;

static void hear(void *ctx, const char *text) {
    (void)ctx;
    buf_append(&said, text, strlen(text));
    buf_append_char(&said, '\n');
}

static const lines listener = {hear, NULL};

static bool heard(const char *text) {
    buf_append_char(&said, '\0');
    said.len--;
    return strstr(said.data, text) != NULL;
}

/* Checks, listening; the caller frees the result. */
static check_result check(memfs *fs) {
    check_result r;
    buf_clear(&said);
    assert_string_equal(check_directory(memfs_vfs(fs), "d", &listener, &r).msg, "");
    assert_int_equal(memfs_open_files(fs), 0);
    return r;
}

static uint64_t problems(memfs *fs) {
    check_result r = check(fs);
    uint64_t n = r.problems;
    check_result_free(&r);
    return n;
}

static status repair(memfs *fs, repair_mode mode) {
    check_result r = check(fs);
    status s = repair_directory(memfs_vfs(fs), "d", &r, mode, &listener);
    check_result_free(&r);
    assert_int_equal(memfs_open_files(fs), 0);
    return s;
}

static void test_clean(void **state) {
    (void)state;
    memfs *fs = make();
    check_result r = check(fs);
    assert_int_equal(r.problems, 0);
    assert_int_equal(r.segments, 4);
    assert_int_equal(r.hints, 3);
    assert_int_equal(r.kinds[RECORD_PUT], 12 + 1 + 6 + 4);
    assert_int_equal(r.kinds[RECORD_MAP_PUT], 6 + 2);
    assert_int_equal(r.kinds[RECORD_DROP], 1);
    assert_int_equal(r.kinds[RECORD_FLUSH], 1);
    assert_int_equal(r.kinds[RECORD_BEGIN], 3); /* the merge's output has none */
    assert_false(r.torn);
    assert_true(heard("the log ends at segment 4"));
    assert_true(heard("no problems"));
    check_result_free(&r);
    memfs_free(fs);
}

/* Bytes of a file that mean something: behind them are zeros, or the unsealed rest. */
static size_t meaning(memfs *fs, const char *path) {
    const buf *b = memfs_bytes(fs, path);
    size_t n = b->len;
    while (n > 0 && b->data[n - 1] == 0)
        n--;
    return n;
}

/* Flips every bit (or, of large files, some) of every file. */
static void test_every_bit_flip(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    memfs *fs = make();
    for (size_t i = 0; i < sizeof all_files / sizeof *all_files; i++) {
        size_t n = meaning(fs, all_files[i]), torn = 0;
        for (size_t at = 0; at < n; at++) {
            char *p = memfs_bytes(fs, all_files[i])->data + at;
            char bit = (char)(1 << rng_below(&r, 8));
            *p ^= bit;
            check_result found;
            status s = check_directory(memfs_vfs(fs), "d", NULL, &found);
            bool told = !status_ok(s) || found.problems || found.torn || found.manifest.torn;
            if (!told) fail_msg("%s: a flipped bit at %zu", all_files[i], at);
            torn += status_ok(s) && !found.problems;
            if (!status_ok(s)) assert_int_equal(i, 0); /* a manifest of nothing */
            check_result_free(&found);
            *p ^= bit;
        }
        /* only the log's unsynced end and the manifest's last idle record may pass as torn */
        if (i != 0 && i != 3) assert_int_equal(torn, 0);
        if (i == 0) assert_true(torn <= 24);
        if (i == 3) assert_true(torn > 0 && torn <= n - FILE_HEADER);
    }
    assert_int_equal(problems(fs), 0);
    memfs_free(fs);
}

static void test_files_missing_and_unknown(void **state) {
    (void)state;
    memfs *fs = make();
    vfs *v = memfs_vfs(fs);
    check_result r;
    memfs_put(fs, SEG(7), SLICE("x"));
    memfs_put(fs, SEG(6), SLICE("x")); /* pending */
    memfs_put(fs, "d/0000000003.hint.tmp", SLICE("x"));
    memfs_put(fs, "d/notes", SLICE("x"));
    r = check(fs);
    assert_int_equal(r.problems, 1);
    assert_int_equal(r.unknown, 1);
    assert_true(heard("0000000007.seg: the manifest does not know"));
    assert_true(heard("0000000006.seg: pending"));
    assert_false(heard("notes"));
    check_result_free(&r);
    assert_true(status_ok(v->ops->unlink(v, SEG(7))));
    assert_true(status_ok(v->ops->unlink(v, HINT(3)))); /* may be missing */
    assert_int_equal(problems(fs), 0);
    assert_true(status_ok(v->ops->unlink(v, SEG(5))));
    r = check(fs);
    assert_int_equal(r.ndamage, 1);
    assert_true(r.damage[0].missing && r.damage[0].file == 1);
    check_result_free(&r);
    assert_true(status_ok(v->ops->unlink(v, "d/MANIFEST")));
    assert_int_equal(check_directory(v, "d", NULL, &r).code, ST_NOT_FOUND);
    check_result_free(&r);
    memfs_free(fs);
}

/* A file of ours in another's place. */
static void test_wrong_file(void **state) {
    (void)state;
    memfs *fs = make();
    buf copy = {0};
    buf_append_slice(&copy, buf_slice(memfs_bytes(fs, SEG(1))));
    memfs_put(fs, SEG(3), buf_slice(&copy));
    check_result r = check(fs);
    assert_int_equal(r.ndamage, 1);
    assert_true(r.damage[0].header);
    assert_int_equal(r.damage[0].readable, 0); /* records of file 1 are none of file 3 */
    assert_true(heard("is file 1, not 3"));
    check_result_free(&r);
    buf_free(&copy);
    memfs_free(fs);
}

/* Writes a hint of segment 3 whose bytes are right and whose entries are not. */
static void bad_hint(memfs *fs, int what) {
    hint_writer *w;
    hint_reader *r;
    hint_entry e;
    bool got;
    vfs *v = memfs_vfs(fs);
    manifest_state s;
    manifest_report report;
    assert_true(status_ok(manifest_load(v, "d/MANIFEST", &s, &report)));
    uint32_t length = s.files[2].length;
    manifest_state_free(&s);
    assert_true(status_ok(hint_open(v, HINT(3), STOREBUILD_ID, 3, length, &r)));
    hint_info info = *hint_about(r);
    assert_true(status_ok(hint_create(v, "d/new", STOREBUILD_ID, storebuild_key(), &info, &w)));
    for (int n = 0; status_ok(hint_next(r, &e, &got)) && got; n++) {
        if (n == 1 && what == 0) continue; /* an entry is missing */
        if (n == 1 && what == 1) e.size++;
        if (n == 1 && what == 2) e.offset--;
        if (n == 1 && what == 3) e.token ^= 1;
        if (n == 1 && what == 4) e.flags ^= RECORD_NEW;
        if (n == 1 && what == 5) e.key = SLICE("k9");
        if (n == 2 && what == 6) e.coll++;
        assert_true(status_ok(hint_add(w, &e)));
    }
    hint_close(r);
    assert_true(status_ok(hint_finish(w, NULL)));
    assert_true(status_ok(v->ops->rename(v, "d/new", HINT(3))));
}

static void test_hint_that_lies(void **state) {
    (void)state;
    for (int what = 0; what < 7; what++) {
        memfs *fs = make();
        bad_hint(fs, what);
        check_result r = check(fs);
        if (r.problems == 0) fail_msg("a lie of kind %d passes", what);
        assert_int_equal(r.nbad_hints, 1);
        assert_int_equal(r.bad_hints[0], 3);
        assert_int_equal(r.ndamage, 0);
        check_result_free(&r);
        assert_true(status_ok(repair(fs, REPAIR_HINTS)));
        assert_int_equal(problems(fs), 0);
        assert_null(memfs_bytes(fs, HINT(3)));
        assert_non_null(memfs_bytes(fs, HINT(3) ".damaged"));
        memfs_free(fs);
    }
}

/* ---- repairs --------------------------------------------------------------------------------- */

/* Records of the whole store that hold data. */
static uint64_t data_records(memfs *fs) {
    check_result r = check(fs);
    uint64_t n = 0;
    for (int k = RECORD_PUT; k <= RECORD_DROP; k++)
        n += r.kinds[k];
    assert_int_equal(r.problems, 0);
    check_result_free(&r);
    return n;
}

/* The place of the nth record of a segment. */
static uint32_t nth_record(memfs *fs, const char *path, uint32_t number, int n) {
    vfs_file *f;
    salvage *s;
    salvage_item item = {0};
    bool got = true;
    assert_true(status_ok(vfs_open(memfs_vfs(fs), path, VFS_READ, &f)));
    assert_true(status_ok(salvage_open(f, STOREBUILD_ID, number, FILE_HEADER, UINT32_MAX, &s)));
    for (int i = 0; i <= n; i++)
        assert_true(status_ok(salvage_next(s, &item, &got)) && got);
    salvage_close(s);
    assert_true(status_ok(f->ops->close(f)));
    return item.offset;
}

/* Damages the body or the header of the nth record. */
static void hurt(memfs *fs, const char *path, uint32_t number, int n, bool header) {
    uint32_t at = nth_record(fs, path, number, n);
    memfs_bytes(fs, path)->data[at + (header ? 13 : RECORD_HEADER)] ^= 1;
}

/* The manifest's mapping, as "db:pdb" in order, and where it holds. */
static log_pos mapping(memfs *fs, char *out, size_t size) {
    manifest_state s;
    manifest_report report;
    size_t n = 0;
    assert_true(status_ok(manifest_load(memfs_vfs(fs), "d/MANIFEST", &s, &report)));
    out[0] = '\0';
    for (size_t i = 0; i < s.nmap; i++)
        n += (size_t)snprintf(out + n, size - n, "%u:%u ", s.map[i].db, s.map[i].pdb);
    log_pos at = s.map_at;
    manifest_state_free(&s);
    return at;
}

/* How many data records there are in front of segment 3, in log order: segments 1 and 5. */
enum { IN_1 = 12 + 1 + 6, IN_5 = 6 + 2, IN_3 = 3, IN_4 = 4, IN_ALL = IN_1 + IN_5 + IN_3 + IN_4 };

static void test_skip_one_record(void **state) {
    (void)state;
    for (int header = 0; header < 2; header++) {
        memfs *fs = make();
        assert_int_equal(data_records(fs), IN_ALL);
        hurt(fs, SEG(1), 1, 4, header);
        check_result r = check(fs);
        assert_int_equal(r.ndamage, 1);
        assert_int_equal(r.damage[0].file, 0);
        assert_true(r.damage[0].readable == IN_1 - 4);
        repair_explain(&r, &listener);
        assert_true(heard("--repair=skip drops"));
        assert_true(heard("--repair=cut ends the log at segment 1"));
        check_result_free(&r);
        assert_true(status_ok(repair(fs, REPAIR_SKIP)));
        assert_int_equal(data_records(fs), IN_ALL - 1);
        assert_non_null(memfs_bytes(fs, SEG(1) ".damaged"));
        assert_null(memfs_bytes(fs, HINT(1)));
        memfs_free(fs);
    }
}

/* Nothing behind the damage stays, in any later file. */
static void test_cut(void **state) {
    (void)state;
    static const struct {
        const char *path;
        uint32_t number;
        int record; /* BEGIN counts, in files of a log */
        uint64_t left;
    } cases[] = {
        {SEG(1), 1, 5, 4},                  /* a batch of one */
        {SEG(1), 1, 1, 0},                  /* the first */
        {SEG(1), 1, 15, 12},                /* in the batch of seven: all of it goes */
        {SEG(5), 5, 3, IN_1 + 3},           /* a merge's output has no batches */
        {SEG(5), 5, 0, IN_1},               /* nothing of it is left */
        {SEG(3), 3, 3, IN_1 + IN_5 + 1},    /* in a batch of three */
        {SEG(4), 4, 1, IN_1 + IN_5 + IN_3}, /* the open segment, in what was synced */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memfs *fs = make();
        hurt(fs, cases[i].path, cases[i].number, cases[i].record, i % 2);
        assert_true(problems(fs) > 0);
        assert_string_equal(repair(fs, REPAIR_CUT).msg, "");
        assert_int_equal(data_records(fs), cases[i].left);
        memfs_free(fs);
    }
}

/* A flush in a replaced segment goes to the manifest; one behind it, in the log, stays there. */
static void test_skip_and_flush(void **state) {
    (void)state;
    char text[64];
    memfs *fs = make();
    assert_true(mapping(fs, text, sizeof text) == 0);
    assert_string_equal(text, "");
    uint32_t flush = nth_record(fs, SEG(3), 3, 4);
    hurt(fs, SEG(3), 3, 1, false);
    assert_string_equal(repair(fs, REPAIR_SKIP).msg, "");
    assert_true(mapping(fs, text, sizeof text) > log_pos_of(3, flush));
    assert_string_equal(text, "0:4 1:5 ");
    memfs_free(fs);
    fs = make();
    hurt(fs, SEG(1), 1, 1, false); /* in front of the flush */
    assert_string_equal(repair(fs, REPAIR_SKIP).msg, "");
    assert_true(log_pos_file(mapping(fs, text, sizeof text)) == 1);
    assert_string_equal(text, "");
    memfs_free(fs);
}

static void test_skip_everywhere(void **state) {
    (void)state;
    memfs *fs = make();
    hurt(fs, SEG(1), 1, 15, false);
    hurt(fs, SEG(5), 5, 2, true);
    hurt(fs, SEG(5), 5, 4, true);
    hurt(fs, SEG(3), 3, 1, false);
    hurt(fs, SEG(4), 4, 1, true);
    check_result r = check(fs);
    assert_int_equal(r.ndamage, 4);
    for (size_t i = 0; i < r.ndamage; i++)
        assert_int_equal(r.damage[i].file, i);
    check_result_free(&r);
    assert_string_equal(repair(fs, REPAIR_SKIP).msg, "");
    assert_int_equal(data_records(fs), IN_ALL - 5);
    memfs_free(fs);
}

/* Several open segments at the log's end. */
static void test_two_open(void **state) {
    (void)state;
    static const struct {
        const char *path;
        uint32_t number;
        int record;
        uint64_t cut, skip;
    } cases[] = {
        {SEG(7), 7, 1, IN_ALL, IN_ALL + 2}, /* segment 4 is whole, and stays */
        {SEG(7), 7, 2, IN_ALL + 1, IN_ALL + 2},
        {SEG(4), 4, 4, IN_ALL - 1, IN_ALL + 2}, /* behind it segment 7 is whole */
        {SEG(4), 4, 2, IN_ALL - 4, IN_ALL + 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int mode = REPAIR_CUT; mode <= REPAIR_SKIP; mode++) {
            memfs *fs = memfs_new();
            storebuild_two_open(memfs_vfs(fs), "d");
            assert_int_equal(data_records(fs), IN_ALL + 3);
            hurt(fs, cases[i].path, cases[i].number, cases[i].record, false);
            assert_string_equal(repair(fs, (repair_mode)mode).msg, "");
            assert_int_equal(data_records(fs), mode == REPAIR_CUT ? cases[i].cut : cases[i].skip);
            memfs_free(fs);
        }
    }
    memfs *fs = memfs_new(); /* both damaged, and the last one's header gone */
    storebuild_two_open(memfs_vfs(fs), "d");
    hurt(fs, SEG(4), 4, 3, true);
    hurt(fs, SEG(7), 7, 1, true);
    check_result r = check(fs);
    assert_int_equal(r.ndamage, 2);
    check_result_free(&r);
    memfs_bytes(fs, SEG(7))->data[0] ^= 1;
    r = check(fs);
    assert_int_equal(r.ndamage, 2);
    assert_true(r.damage[0].file == 3 && r.damage[1].file == 4 && r.damage[1].header);
    check_result_free(&r);
    assert_string_equal(repair(fs, REPAIR_SKIP).msg, "");
    assert_int_equal(data_records(fs), IN_ALL + 3 - 2);
    memfs_free(fs);
}

/* A header that is gone, a file that is gone. */
static void test_whole_files(void **state) {
    (void)state;
    for (int mode = REPAIR_CUT; mode <= REPAIR_SKIP; mode++) {
        memfs *fs = make();
        memfs_bytes(fs, SEG(5))->data[20] ^= 1;
        assert_string_equal(repair(fs, (repair_mode)mode).msg, "");
        assert_int_equal(data_records(fs), mode == REPAIR_SKIP ? IN_ALL : IN_1);
        memfs_free(fs);
        fs = make();
        assert_true(status_ok(memfs_vfs(fs)->ops->unlink(memfs_vfs(fs), SEG(3))));
        assert_string_equal(repair(fs, (repair_mode)mode).msg, "");
        assert_int_equal(data_records(fs), mode == REPAIR_SKIP ? IN_ALL - IN_3 : IN_1 + IN_5);
        memfs_free(fs);
        fs = make();
        assert_true(status_ok(memfs_vfs(fs)->ops->unlink(memfs_vfs(fs), SEG(4))));
        assert_string_equal(repair(fs, (repair_mode)mode).msg, "");
        assert_int_equal(data_records(fs), IN_ALL - IN_4);
        memfs_free(fs);
    }
}

/* A whole file lost but for its header: skip keeps nothing of it. */
static void test_nothing_readable(void **state) {
    (void)state;
    memfs *fs = make();
    buf *b = memfs_bytes(fs, SEG(5));
    memset(b->data + FILE_HEADER, 'x', b->len - FILE_HEADER);
    assert_string_equal(repair(fs, REPAIR_SKIP).msg, "");
    assert_int_equal(data_records(fs), IN_ALL - IN_5);
    memfs_free(fs);
}

static void test_manifest_damaged(void **state) {
    (void)state;
    memfs *fs = make();
    buf *b = memfs_bytes(fs, "d/MANIFEST");
    size_t n = meaning(fs, "d/MANIFEST");
    b->data[n - 24 - 30] ^= 1; /* the last edit: segment 6 pending. Without it all still fits. */
    check_result r = check(fs);
    assert_true(r.manifest_damaged && r.problems > 0);
    check_result_free(&r);
    assert_int_equal(repair(fs, REPAIR_HINTS).code, ST_INVALID);
    assert_string_equal(repair(fs, REPAIR_CUT).msg, "");
    assert_int_equal(data_records(fs), IN_ALL);
    memfs_free(fs);
    fs = make(); /* an early edit: the files there are not those of then */
    memfs_bytes(fs, "d/MANIFEST")->data[400] ^= 1;
    buf before = {0};
    buf_append_slice(&before, buf_slice(memfs_bytes(fs, "d/MANIFEST")));
    assert_int_equal(repair(fs, REPAIR_CUT).code, ST_INVALID);
    assert_int_equal(repair(fs, REPAIR_SKIP).code, ST_INVALID);
    assert_true(slice_eq(buf_slice(&before), buf_slice(memfs_bytes(fs, "d/MANIFEST"))));
    buf_free(&before);
    memfs_free(fs);
}

/* A repair that fails at any call, and is then done again. */
static void test_repair_fails(void **state) {
    (void)state;
    for (int mode = REPAIR_CUT; mode <= REPAIR_SKIP; mode++) {
        for (uint64_t nth = 1;; nth++) {
            memfs *fs = make();
            hurt(fs, SEG(1), 1, 15, true);
            hurt(fs, SEG(4), 4, 1, true);
            check_result r = check(fs);
            memfs_fail(fs, nth, ST_IO);
            uint64_t calls = memfs_calls(fs);
            status s = repair_directory(memfs_vfs(fs), "d", &r, (repair_mode)mode, NULL);
            bool done = memfs_calls(fs) - calls < nth;
            memfs_fail(fs, 0, ST_OK);
            check_result_free(&r);
            assert_int_equal(memfs_open_files(fs), 0);
            assert_true(status_ok(s) || !done);
            if (problems(fs)) assert_string_equal(repair(fs, (repair_mode)mode).msg, "");
            assert_int_equal(data_records(fs), mode == REPAIR_CUT ? 12 : IN_ALL - 2);
            memfs_free(fs);
            if (done) break;
            assert_true(nth < 100);
        }
    }
}

/* What each mode would do is said before it is asked for. */
static void test_explained(void **state) {
    (void)state;
    memfs *fs = make();
    vfs *v = memfs_vfs(fs);
    memfs_bytes(fs, HINT(1))->data[100] ^= 1;
    memfs_put(fs, SEG(7), SLICE("x"));
    check_result r = check(fs);
    repair_explain(&r, &listener);
    assert_true(heard("--repair=hints puts 1 damaged hints aside and drops nothing"));
    check_result_free(&r);
    assert_string_equal(repair(fs, REPAIR_HINTS).msg, "");
    assert_true(heard("move them away"));
    r = check(fs); /* the unknown file is left */
    assert_int_equal(r.problems, 1);
    repair_explain(&r, &listener);
    assert_true(heard("--repair has nothing for this"));
    check_result_free(&r);
    assert_true(status_ok(v->ops->unlink(v, SEG(7))));
    assert_true(status_ok(v->ops->unlink(v, SEG(3))));
    r = check(fs);
    repair_explain(&r, &listener);
    assert_true(heard("--repair=skip forgets segment 3, which is missing"));
    check_result_free(&r);
    memfs_bytes(fs, "d/MANIFEST")->data[300] ^= 1;
    r = check(fs);
    repair_explain(&r, &listener);
    assert_true(heard("writes it anew as of its last good edit"));
    check_result_free(&r);
    memfs_free(fs);
}

static void test_torn_is_no_problem(void **state) {
    (void)state;
    memfs *fs = make();
    uint32_t at = nth_record(fs, SEG(4), 4, 4); /* the last, not synced */
    memfs_bytes(fs, SEG(4))->data[at + 5] ^= 1;
    check_result r = check(fs);
    assert_int_equal(r.problems, 0);
    assert_true(r.torn && heard("never promised"));
    check_result_free(&r);
    memfs_free(fs);
}

static int free_said(void **state) {
    (void)state;
    buf_free(&said);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_every_bit_flip),
        cmocka_unit_test(test_files_missing_and_unknown),
        cmocka_unit_test(test_wrong_file),
        cmocka_unit_test(test_hint_that_lies),
        cmocka_unit_test(test_skip_one_record),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_skip_and_flush),
        cmocka_unit_test(test_skip_everywhere),
        cmocka_unit_test(test_two_open),
        cmocka_unit_test(test_whole_files),
        cmocka_unit_test(test_nothing_readable),
        cmocka_unit_test(test_manifest_damaged),
        cmocka_unit_test(test_repair_fails),
        cmocka_unit_test(test_explained),
        cmocka_unit_test(test_torn_is_no_problem),
    };
    return cmocka_run_group_tests(tests, NULL, free_said);
}
