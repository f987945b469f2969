/* dump: what is printed is what is there, for people; any bytes are safe to print. */
#include "support/unit.h"

#include "storage/dump.h"
#include "support/logbuild.h"
#include "support/storebuild.h"

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

static bool dump(memfs *fs, const char *path) {
    bool damaged;
    buf_clear(&said);
    assert_string_equal(dump_file(memfs_vfs(fs), path, &listener, &damaged).msg, "");
    for (size_t i = 0; i < said.len; i++) {
        unsigned char c = (unsigned char)said.data[i];
        assert_true(c == '\n' || (c >= ' ' && c < 127));
    }
    return damaged;
}

static void one(record r, const char *want) {
    buf bytes = {0}, out = {0};
    record back;
    record_append(&bytes, &r);
    assert_int_equal(record_parse(bytes.data, bytes.len, &back), RECORD_OK);
    dump_record(&back, 64, &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, want);
    buf_free(&bytes);
    buf_free(&out);
}

static void test_records(void **state) {
    (void)state;
    char origin[RECORD_ORIGIN_LEN] = {0};
    buf body = {0};
    origin[20] = 77;
    one((record){.kind = RECORD_IDLE}, "        64  IDLE          16");
    one((record){.kind = RECORD_IDLE,
                 .flags = RECORD_MARK | RECORD_ORIGIN,
                 .mark = log_pos_of(2, 9),
                 .origin = slice_of(origin, sizeof origin)},
        "        64  IDLE          52   mark 2:9 origin offset 77");
    one((record){.kind = RECORD_BEGIN, .prev = log_pos_of(6, 500)},
        "        64  BEGIN         24  log was at 6:500");
    one((record){.kind = RECORD_PUT,
                 .type = 0x21,
                 .flags = RECORD_EXPIRE | RECORD_COLL | RECORD_NEW | RECORD_CONTINUES,
                 .pdb = 3,
                 .coll = 12,
                 .expire = 99,
                 .key = SLICE("a\"\n\xff"),
                 .value = SLICE("v")},
        "        64  PUT           32  pdb 3 type 1/2 coll 12 \"a\\\"\\x0a\\xff\" expire 99 value "
        "\"v\"  NEW CONTINUES");
    one((record){.kind = RECORD_PUT,
                 .flags = RECORD_LZ4 | RECORD_HIDES,
                 .key = SLICE("k"),
                 .value = SLICE("zz"),
                 .plain_len = 1000},
        "        64  PUT           23  pdb 0 \"k\" value of 1000 bytes, LZ4 in 2  HIDES");
    one((record){.kind = RECORD_MAP_DEL, .pdb = 1, .coll = 5, .map = 2, .key = SLICE("s")},
        "        64  MAP_DEL       21  pdb 1 coll 5 map 2 \"s\"");
    one((record){.kind = RECORD_DROP, .pdb = 1, .coll = 5},
        "        64  DROP          18  pdb 1 coll 5");
    record_put_pairs(&body, 2, (uint32_t[]){0, 7}, (uint32_t[]){4, 5});
    one((record){.kind = RECORD_SWAP, .body = buf_slice(&body)},
        "        64  SWAP          21  db 0 is pdb 4 db 7 is pdb 5");
    buf_free(&body);
}

static void test_long_key_is_cut(void **state) {
    (void)state;
    buf out = {0};
    char key[200];
    memset(key, 'k', sizeof key);
    lines_quote(&out, slice_of(key, sizeof key), 5);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, "\"kkkkk\"... (200 bytes)");
    buf_free(&out);
}

static void test_files(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    storebuild(memfs_vfs(fs), "d");
    assert_false(dump(fs, "d/MANIFEST"));
    assert_true(heard("create engine bitcask store 0a0b0c0d01020304"));
    assert_true(heard("replace 2 2 1 5 "));
    assert_true(heard("pending 6"));
    assert_false(dump(fs, "d/0000000003.seg"));
    assert_true(heard("segment 3 of store 0a0b0c0d01020304"));
    assert_true(heard("\"k2\""));
    assert_false(dump(fs, "d/0000000003.hint"));
    assert_true(heard("entries, for segment 3 sealed at"));
    assert_true(heard("db 0 is pdb 4 db 1 is pdb 5"));
    memfs_bytes(fs, "d/0000000003.hint")->data[100] ^= 1;
    assert_true(dump(fs, "d/0000000003.hint"));
    assert_true(heard("-- the hint as a whole is not valid"));
    assert_int_equal(memfs_open_files(fs), 0);
    memfs_free(fs);
}

static void test_damage(void **state) {
    (void)state;
    logbuild b;
    bool damaged;
    logbuild_start(&b, 4096);
    for (int i = 0; i < 3; i++)
        logbuild_batch(&b, 1, 20);
    logbuild_flush(&b);
    logbuild_list(&b);
    char *p = logbuild_bytes(&b, 0)->data;
    p[log_pos_offset(b.recs[2].at) + 20] ^= 1;
    assert_true(dump(b.fs, b.path[0]));
    assert_true(heard("-- 40 bytes at 128 are no record"));
    p[log_pos_offset(b.recs[3].at) + 20] ^= 1;
    assert_true(dump(b.fs, b.path[0]));
    assert_true(heard("-- 80 bytes at 128 are no record: a torn end, or damage"));
    p[9] ^= 1;
    assert_int_equal(dump_file(memfs_vfs(b.fs), b.path[0], &listener, &damaged).code, ST_CORRUPT);
    assert_int_equal(dump_file(memfs_vfs(b.fs), "nowhere", &listener, &damaged).code, ST_NOT_FOUND);
    logbuild_end(&b);
}

static int free_said(void **state) {
    (void)state;
    buf_free(&said);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_long_key_is_cut),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, free_said);
}
