/* file_header: files are told by their first 64 bytes, and by their names. */
#include "support/unit.h"

#include "base/codec.h"
#include "base/hash.h"
#include "storage/file_header.h"
#include "support/memfs.h"

static const file_header sample = {
    .kind = FILE_SEGMENT, .store_id = 0x0123456789abcdefu, .number = 12, .before = 11};

static void test_round_trip(void **state) {
    (void)state;
    char p[FILE_HEADER];
    file_header back;
    file_header_encode(p, &sample);
    assert_true(status_ok(file_header_decode(slice_of(p, sizeof p), "f", &back)));
    assert_int_equal(back.kind, sample.kind);
    assert_int_equal(back.version, FILE_FORMAT);
    assert_true(back.store_id == sample.store_id);
    assert_int_equal(back.number, 12);
    assert_int_equal(back.before, 11);
}

static void test_damage(void **state) {
    (void)state;
    char p[FILE_HEADER];
    file_header back;
    file_header_encode(p, &sample);
    for (size_t bit = 0; bit < sizeof p * 8; bit++) {
        p[bit / 8] ^= (char)(1 << (bit % 8));
        assert_int_equal(file_header_decode(slice_of(p, sizeof p), "f", &back).code, ST_CORRUPT);
        p[bit / 8] ^= (char)(1 << (bit % 8));
    }
    for (size_t n = 0; n < sizeof p; n++)
        assert_int_equal(file_header_decode(slice_of(p, n), "f", &back).code, ST_CORRUPT);
}

/* Changes a byte of a header and makes its CRC right again. */
static status_code with_byte(size_t at, int value) {
    char p[FILE_HEADER];
    file_header back;
    file_header_encode(p, &sample);
    p[at] = (char)value;
    put_u32(p + 60, crc32c(0, p, 60));
    return file_header_decode(slice_of(p, sizeof p), "f", &back).code;
}

static void test_nonsense(void **state) {
    (void)state;
    assert_int_equal(with_byte(8, FILE_FORMAT), ST_OK);
    assert_int_equal(with_byte(8, FILE_FORMAT + 1), ST_INVALID); /* newer */
    assert_int_equal(with_byte(8, 0), ST_CORRUPT);
    assert_int_equal(with_byte(12, 0), ST_CORRUPT);
    assert_int_equal(with_byte(12, FILE_KINDS), ST_CORRUPT);
    assert_int_equal(with_byte(13, 1), ST_CORRUPT);
    assert_int_equal(with_byte(32, 1), ST_CORRUPT);
    assert_int_equal(with_byte(59, 1), ST_CORRUPT);
    assert_int_equal(with_byte(28, 12), ST_CORRUPT); /* comes before itself */
}

static void test_expect(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    char p[FILE_HEADER];
    vfs_file *f;
    file_header_encode(p, &sample);
    memfs_put(fs, "d/f", slice_of(p, sizeof p));
    assert_true(status_ok(vfs_open(memfs_vfs(fs), "d/f", VFS_READ, &f)));
    uint64_t id = sample.store_id;
    assert_int_equal(file_header_expect(f, "f", FILE_SEGMENT, id, 12, NULL).code, ST_OK);
    status s = file_header_expect(f, "d/f", FILE_HINT, id, 12, NULL);
    assert_string_equal(s.msg, "d/f: is a segment file, not a hint file");
    s = file_header_expect(f, "d/f", FILE_SEGMENT, id, 13, NULL);
    assert_string_equal(s.msg, "d/f: is file 12, not 13");
    s = file_header_expect(f, "d/f", FILE_SEGMENT, id + 1, 12, NULL);
    assert_int_equal(s.code, ST_CORRUPT);
    assert_non_null(strstr(s.msg, "belongs to store 0123456789abcdef"));
    memfs_bytes(fs, "d/f")->len = 63;
    assert_int_equal(file_header_expect(f, "f", FILE_SEGMENT, id, 12, NULL).code, ST_CORRUPT);
    assert_true(status_ok(f->ops->close(f)));
    memfs_free(fs);
}

static void test_names(void **state) {
    (void)state;
    char name[FILE_NAME_MAX], path[FILE_PATH_MAX];
    unsigned kind;
    uint32_t number;
    file_name(name, FILE_SEGMENT, 12);
    assert_string_equal(name, "0000000012.seg");
    file_name(name, FILE_HINT, UINT32_MAX);
    assert_string_equal(name, "4294967295.hint");
    assert_true(status_ok(file_path(path, "/var/lib/x", FILE_MANIFEST, 3)));
    assert_string_equal(path, "/var/lib/x/MANIFEST");
    for (unsigned k = 2; k < FILE_KINDS; k++) {
        file_name(name, k, 4000000000u + k);
        assert_int_equal(file_name_parse(name, &kind, &number), FILE_NAME_OURS);
        assert_int_equal(kind, k);
        assert_int_equal(number, 4000000000u + k);
        strcat(name, ".tmp");
        assert_int_equal(file_name_parse(name, &kind, &number), FILE_NAME_TMP);
        assert_int_equal(kind, k);
    }
    assert_int_equal(file_name_parse("MANIFEST", &kind, &number), FILE_NAME_OURS);
    assert_int_equal(kind, FILE_MANIFEST);
    assert_int_equal(file_name_parse("MANIFEST.tmp", &kind, &number), FILE_NAME_TMP);
    static const char *const foreign[] = {
        "",
        "LOCK",
        ".seg",
        ".tmp",
        "12.seg",
        "notes.tmp",
        "0000000012seg",
        "0000000012.sex",
        "000000012.seg",
        "00000000012.seg",
        "manifest",
        "0000000000.seg",
        "9999999999.seg",
        "+000000012.seg",
        "-000000012.seg",
        "0000000012.",
        "0000000012.seg ",
        " 000000012.seg",
        "0x00000012.seg",
        "MANIFEST.tmp.tmp",
        "000000001a.seg",
        "0000000012.seg.tmp.tmp",
    };
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (file_name_parse(foreign[i], &kind, &number) != FILE_NAME_FOREIGN)
            fail_msg("%s", foreign[i]);
}

static void test_long_path(void **state) {
    (void)state;
    static char dir[FILE_PATH_MAX + 1], path[FILE_PATH_MAX];
    memset(dir, 'd', sizeof dir - 1);
    assert_int_equal(file_path(path, dir, FILE_SEGMENT, 1).code, ST_LIMIT);
    dir[FILE_PATH_MAX - 1 - 15] = '\0';
    assert_int_equal(file_path(path, dir, FILE_SEGMENT, 1).code, ST_OK);
    assert_int_equal(file_path(path, dir, FILE_HINT, 1).code, ST_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_nonsense),   cmocka_unit_test(test_expect),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_long_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
