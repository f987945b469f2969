/* check: what checksums can't tell. Each rule is broken in a store whose every checksum is right.
 */
#include "support/unit.h"

#include "base/codec.h"
#include "storage/check.h"
#include "storage/hint_format.h"
#include "support/memfs.h"
#include "support/storebuild.h"

#define SEG(n)  "d/000000000" #n ".seg"
#define HINT(n) "d/000000000" #n ".hint"

static buf said;

static void hear(void *ctx, const char *text) {
    (void)ctx;
    buf_append(&said, text, strlen(text));
    buf_append_char(&said, '\n');
}

static bool heard(const char *text) {
    buf_append_char(&said, '\0');
    said.len--;
    return strstr(said.data, text) != NULL;
}

/* Gives segment `number` these records and the manifest its new length; its hint goes. */
static void rewrite(memfs *fs, uint32_t number, record *recs, size_t n) {
    vfs *v = memfs_vfs(fs);
    char path[FILE_PATH_MAX];
    outfile o;
    manifest_state s;
    manifest_report report;
    file_header h = {.kind = FILE_SEGMENT, .store_id = STOREBUILD_ID, .number = number};
    assert_true(status_ok(file_path(path, "d", FILE_SEGMENT, number)));
    assert_true(status_ok(outfile_create(&o, v, path, &h, true)));
    for (size_t i = 0; i < n; i++)
        assert_true(status_ok(outfile_put(&o, &recs[i], NULL)));
    uint32_t length = outfile_length(&o);
    assert_true(status_ok(outfile_finish(&o)));
    assert_true(status_ok(manifest_load(v, "d/MANIFEST", &s, &report)));
    ptrdiff_t i = manifest_state_find(&s, number);
    assert_true(i >= 0);
    s.files[i].length = length;
    assert_true(status_ok(manifest_rewrite(v, "d", &s, report.number + 1)));
    manifest_state_free(&s);
    assert_true(status_ok(file_path(path, "d", FILE_HINT, number)));
    assert_true(status_ok(v->ops->unlink(v, path)));
}

/* One problem, said with these words. */
static void expect(memfs *fs, const char *words) {
    check_result r;
    lines say = {hear, NULL};
    buf_clear(&said);
    assert_true(status_ok(check_directory(memfs_vfs(fs), "d", &say, &r)));
    if (r.problems != 1 || !heard(words))
        fail_msg("%d problems, and not '%s': %s", (int)r.problems, words, said.data);
    assert_int_equal(r.ndamage, 0);
    check_result_free(&r);
    memfs_free(fs);
}

static memfs *make(void) {
    memfs *fs = memfs_new();
    storebuild(memfs_vfs(fs), "d");
    return fs;
}

/* A store in which segment `number` holds one more record than it should. */
static memfs *with(uint32_t number, record r) {
    memfs *fs = make();
    record recs[2] = {{.kind = RECORD_BEGIN, .prev = 0}, r};
    bool merged = number == 5;
    rewrite(fs, number, merged ? recs + 1 : recs, merged ? 1 : 2);
    return fs;
}

static const record good = {.kind = RECORD_DEL, .pdb = 1, .key = SLICE_EMPTY};

static void test_good(void **state) {
    (void)state;
    memfs *fs = with(1, good);
    check_result r;
    assert_true(status_ok(check_directory(memfs_vfs(fs), "d", NULL, &r)));
    /* the file behind was begun where the old segment 1 ended, but that was merged away */
    assert_int_equal(r.problems, 0);
    check_result_free(&r);
    memfs_free(fs);
}

static void test_marks(void **state) {
    (void)state;
    record r = good;
    r.flags = RECORD_MARK;
    r.mark = log_pos_of(1, 89);
    expect(with(1, r), "segment 1 at 88: its mark is beyond itself");
    memfs *fs = make();
    record recs[3] = {{.kind = RECORD_BEGIN}, r, r};
    recs[1].mark = log_pos_of(1, 80);
    recs[2].mark = log_pos_of(1, 70);
    rewrite(fs, 1, recs, 3);
    expect(fs, "its mark goes backward");
}

static void test_merge_output(void **state) {
    (void)state;
    record r = good;
    r.flags = RECORD_MARK;
    expect(with(5, r), "a DEL record of a log in a merge's output");
    record idle = {.kind = RECORD_IDLE};
    expect(with(5, idle), "a IDLE record of a log in a merge's output");
}

static void test_begin(void **state) {
    (void)state;
    memfs *fs = make();
    record r = good;
    rewrite(fs, 1, &r, 1);
    expect(fs, "segment 1 at 64: a DEL record where BEGIN must be");
    record begin = {.kind = RECORD_BEGIN};
    expect(with(1, begin), "segment 1 at 88: a BEGIN record where no BEGIN can be");
    fs = make();
    begin.prev = log_pos_of(1, 70);
    rewrite(fs, 3, &begin, 1); /* segment 5 is in front of it, 1 is not */
    check_result found;
    lines say = {hear, NULL};
    buf_clear(&said);
    assert_true(status_ok(check_directory(memfs_vfs(fs), "d", &say, &found)));
    assert_true(heard("begun behind segment 1, which is not in front of it"));
    assert_true(heard("begun behind offset 70 of segment 1, which is sealed at"));
    check_result_free(&found);
    memfs_free(fs);
}

static void test_ids(void **state) {
    (void)state;
    record r = good;
    r.pdb = 16;
    expect(with(1, r), "segment 1 at 88: pdb 16 was not reserved");
    record drop = {.kind = RECORD_DROP, .pdb = 1, .coll = 100};
    expect(with(1, drop), "collection 100 was not reserved");
    record put = {.kind = RECORD_PUT, .flags = RECORD_COLL, .pdb = 1, .coll = 5000};
    expect(with(1, put), "collection 5000 was not reserved");
}

static void test_values_and_kinds(void **state) {
    (void)state;
    record put = {.kind = RECORD_PUT, .flags = RECORD_LZ4, .value = SLICE("zz"), .plain_len = 5};
    expect(with(1, put), "segment 1 at 88: 2 compressed bytes do not give 5");
    record edit = {.kind = RECORD_MANIFEST, .body = SLICE("x")};
    expect(with(1, edit), "segment 1 at 88: a MANIFEST record");
}

/* A noisy file does not fill the screen. */
static void test_many(void **state) {
    (void)state;
    memfs *fs = make();
    record recs[60] = {{.kind = RECORD_BEGIN}};
    for (int i = 1; i < 60; i++) {
        recs[i] = good;
        recs[i].pdb = 999;
    }
    rewrite(fs, 1, recs, 60);
    check_result r;
    lines say = {hear, NULL};
    buf_clear(&said);
    assert_true(status_ok(check_directory(memfs_vfs(fs), "d", &say, &r)));
    assert_int_equal(r.problems, 59);
    size_t lines_said = 0;
    for (size_t i = 0; i < said.len; i++)
        lines_said += said.data[i] == '\n';
    assert_true(lines_said < 20 && heard("and more of that file"));
    check_result_free(&r);
    memfs_free(fs);
}

/* A hint with a filter that knows nothing: entries copied, filters left empty. */
static void test_filters(void **state) {
    (void)state;
    for (int which = 0; which < 2; which++) {
        memfs *fs = make();
        buf *b = memfs_bytes(fs, HINT(1));
        char *footer = b->data + b->len - HINT_FOOTER_SIZE;
        hint_info info;
        hint_filters_at at;
        assert_true(hint_footer_decode(slice_of(footer, HINT_FOOTER_SIZE), &info, &at));
        uint32_t block = which ? at.elems_at : at.keys_at;
        uint32_t bytes = which ? at.elems_bytes : at.keys_bytes;
        memset(b->data + block + RECORD_HEADER, 0, bytes);
        record_seal(b->data + block, RECORD_HEADER + bytes, false,
                    (record_place){STOREBUILD_ID, 1, block});
        check_result r;
        lines say = {hear, NULL};
        buf_clear(&said);
        assert_true(status_ok(check_directory(memfs_vfs(fs), "d", &say, &r)));
        assert_int_equal(r.nbad_hints, 1);
        assert_true(heard(which ? "the filter denies its" : "the filter denies its key"));
        assert_true(heard("more of that hint"));
        check_result_free(&r);
        memfs_free(fs);
    }
}

static int free_said(void **state) {
    (void)state;
    buf_free(&said);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),         cmocka_unit_test(test_marks),
        cmocka_unit_test(test_merge_output), cmocka_unit_test(test_begin),
        cmocka_unit_test(test_ids),          cmocka_unit_test(test_values_and_kinds),
        cmocka_unit_test(test_many),         cmocka_unit_test(test_filters),
    };
    return cmocka_run_group_tests(tests, NULL, free_said);
}
