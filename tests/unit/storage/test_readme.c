/* README.md's worked examples: the bytes printed there are the bytes that the programs here write
 * and read. Each example is in this file too, so that neither can change alone. */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "storage/hint.h"
#include "storage/logscan.h"
#include "storage/logwrite.h"
#include "storage/manifest.h"
#include "storage/table.h"
#include "support/memfs.h"

#define README  "src/storage/README.md"
#define STORE   0x1122334455667788u
#define SEG     "d/0000000012.seg"
#define HINT    "d/0000000012.hint"
#define TABLE   "d/0000000021.sst"
#define LENGTH  173
#define EXPIRES 1700000000000

static const hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

static const char segment_hex[] = "8953544156450d0a010000000200000088776655443322110c0000000b000000"
                                  "000000000000000000000000000000000000000000000000000000000feb587d"
                                  "514031de15452a4a080000000b000000881300000b0000000ec5eb74bf7ded36"
                                  "1100000001000a0003046e616d650068e5cf8b010000416461e1967b8d1ec8c9"
                                  "6b0700000003000803790000000c00000003ac0201016631b144b03a86edbdf0"
                                  "050000000200000003036f6c64";
static const char manifest_hex[] =
    "8953544156450d0a010000000100000088776655443322110100000000000000"
    "00000000000000000000000000000000000000000000000000000000aab36590"
    "01af371a1d4c886c27000000090000000121076269746361736b887766554433"
    "2211000102030405060708090a0b0c0d0e0f000802001021f4ea740000000000"
    "0000000800000277000000010000003218a909feed77df0b0000000900000277"
    "0000000100000002010c03010c04030cad017b77ff4d00000000000000000800"
    "0002b200000001000000";
static const char hint_hex[] = "8953544156450d0a010000000300000088776655443322110c00000000000000"
                               "00000000000000000000000000000000000000000000000000000000ff7740cf"
                               "160b020744c87c0e310000000a02000002000000030200ad93898afc01980115"
                               "00036f6c64018ac0d1c2db8007582100046e616d650068e5cf8b010000034164"
                               "616315e1f1d74b93700e0000000a03000001000000030308ac02791f01016607"
                               "84f31c080c8b54400000000a0400000000000000003000000400000000000000"
                               "8000000000000001000000000000000800000001000000000002000000000800"
                               "000000040000020000000004000000fa9a74c0d09ae665400000000a05000000"
                               "0000000000000000001800000000001000040000040000100000000004000000"
                               "0000040000020000400000000200000000000000000200000000000000000019"
                               "8ca4c6184f870dc00000000a0600000c000000ad000000040000000000000000"
                               "0000000000000001000000000000000100000000000000010000000000000000"
                               "0000000000000000000000000000000000000000000000000000000000000000"
                               "0000000000000000000000000000000000000000000000000000000000000000"
                               "0000000000000000000000000000000000000000000000000000000000000000"
                               "000000000000000000000000000000000000000000000000000000000000009f"
                               "00000040000000ef00000040000000";

static const char table_hex[] = "8953544156450d0a010000000500000088776655443322111500000000000000"
                                "0000000000000000000000000000000000000000000000000000000099090c1d"
                                "d496550f560d7b57460000000c01000003000000010000001000000004000000"
                                "0000d034490a7e012000000000000003000c01017e0a4934d00000006f6c6400"
                                "00090103000000000000012c010803032d016602003121d60dfceca350db7f00"
                                "00000c0200004000000006000000000000000000000000002000020000000000"
                                "0800000000000000001000000000000100000000008000000000000000000080"
                                "0000000000000000240008800800010000000100000001000000100000000000"
                                "0000000000002c00000000000003017e0a4934d00000006f6c64000008400000"
                                "005600000095aef135d9554caf3b0000000c0300000100000001000000010000"
                                "001000000000000000000000002c00000000000003017e0a4934d00000006f6c"
                                "6400000c960000008f000000400000006c45940977402784400000000c040000"
                                "250100000100000001000000001000000a000000000000000300000000000000"
                                "0100000000000000010000000000000031000000000000000200000000000000";

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Appends the bytes that hex digits say, up to the first thing that is no pair of digits. */
static void put_hex(buf *out, const char *p) {
    while (digit(p[0]) >= 0 && digit(p[1]) >= 0) {
        buf_append_char(out, (char)(digit(p[0]) * 16 + digit(p[1])));
        p += p[2] == ' ' ? 3 : 2;
    }
}

/* The README's block "```hex NAME": lines of an offset, two spaces, bytes, and a comment. */
static buf from_readme(const char *name) {
    char line[256], want[64];
    buf out = {0};
    bool inside = false;
    FILE *f = fopen(README, "r");
    if (!f) fail_msg("%s: run the test from the top of the tree", README);
    snprintf(want, sizeof want, "```hex %s\n", name);
    while (fgets(line, sizeof line, f)) {
        if (inside && strncmp(line, "```", 3) == 0) break;
        if (inside) {
            assert_int_equal(strtoul(line, NULL, 16), out.len);
            put_hex(&out, line + 6);
        }
        inside |= strcmp(line, want) == 0;
    }
    fclose(f);
    assert_true(inside);
    return out;
}

/* The example as bytes; it is the same here and there. */
static buf example(const char *name, const char *hex) {
    buf here = {0}, there = from_readme(name);
    put_hex(&here, hex);
    assert_int_equal(here.len * 2, strlen(hex));
    assert_int_equal(here.len, there.len);
    assert_memory_equal(here.data, there.data, here.len);
    buf_free(&there);
    return here;
}

/* ---- the segment ----------------------------------------------------------------------------- */

static void write_segment(memfs *fs) {
    char h[FILE_HEADER];
    vfs_file *f;
    file_header header = {.kind = FILE_SEGMENT, .store_id = STORE, .number = 12, .before = 11};
    file_header_encode(h, &header);
    assert_true(status_ok(vfs_open(memfs_vfs(fs), SEG, VFS_WRITE | VFS_CREATE, &f)));
    assert_true(status_ok(vfs_pwrite(f, h, sizeof h, 0)));
    logwrite *w = logwrite_new(STORE);
    logwrite_start(w, &(logwrite_file){f, 12, 4096}, log_pos_of(11, 5000));
    record put = {.kind = RECORD_PUT,
                  .flags = RECORD_NEW | RECORD_EXPIRE,
                  .pdb = 3,
                  .key = SLICE("name"),
                  .expire = EXPIRES,
                  .value = SLICE("Ada")};
    record map = {.kind = RECORD_MAP_PUT,
                  .flags = RECORD_NEW,
                  .pdb = 3,
                  .coll = 300,
                  .map = 1,
                  .key = SLICE("f"),
                  .value = SLICE("1")};
    record del = {.kind = RECORD_DEL, .pdb = 3, .key = SLICE("old")};
    logwrite_begin(w);
    logwrite_append(w, &put, NULL);
    logwrite_commit(w);
    assert_true(status_ok(logwrite_flush(w, UINT64_MAX, NULL)));
    logwrite_set_durable(w, logwrite_written(w));
    logwrite_begin(w);
    logwrite_append(w, &map, NULL);
    logwrite_append(w, &del, NULL);
    logwrite_commit(w);
    assert_true(status_ok(logwrite_flush(w, UINT64_MAX, NULL)));
    logwrite_free(w);
    assert_true(status_ok(f->ops->close(f)));
}

static void check_segment(const record *r, int n) {
    switch (n) {
    case 0:
        assert_int_equal(r->kind, RECORD_BEGIN);
        assert_true(r->prev == log_pos_of(11, 5000));
        break;
    case 1:
        assert_int_equal(r->kind, RECORD_PUT);
        assert_int_equal(r->flags, RECORD_NEW | RECORD_EXPIRE);
        assert_int_equal(r->pdb, 3);
        assert_true(slice_eq(r->key, SLICE("name")) && slice_eq(r->value, SLICE("Ada")));
        assert_true(r->expire == EXPIRES);
        break;
    case 2:
        assert_int_equal(r->kind, RECORD_MAP_PUT);
        assert_int_equal(r->flags, RECORD_NEW | RECORD_CONTINUES | RECORD_MARK);
        assert_true(r->mark == log_pos_of(12, 121));
        assert_true(r->coll == 300 && r->map == 1);
        assert_true(slice_eq(r->key, SLICE("f")) && slice_eq(r->value, SLICE("1")));
        break;
    default:
        assert_int_equal(r->kind, RECORD_DEL);
        assert_int_equal(r->flags, 0);
        assert_true(slice_eq(r->key, SLICE("old")));
    }
}

static void test_segment(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    buf bytes = example("segment", segment_hex);
    logscan *s;
    logscan_item item;
    bool got;
    int n = 0;
    memfs_put(fs, SEG, buf_slice(&bytes));
    log_file f = {.path = SEG, .kind = FILE_SEGMENT, .number = 12, .length = LENGTH};
    assert_true(status_ok(vfs_open(memfs_vfs(fs), SEG, VFS_READ, &f.file)));
    assert_true(status_ok(logscan_open(&f, STORE, &s)));
    while (status_ok(logscan_next(s, &item, &got)) && got)
        check_segment(&item.rec, n++);
    assert_int_equal(n, 4);
    assert_true(status_ok(logscan_must_be_whole(s)));
    logscan_close(s);
    assert_true(status_ok(f.file->ops->close(f.file)));
    buf_clear(memfs_bytes(fs, SEG));
    write_segment(fs);
    assert_int_equal(memfs_bytes(fs, SEG)->len, bytes.len);
    assert_memory_equal(memfs_bytes(fs, SEG)->data, bytes.data, bytes.len);
    buf_free(&bytes);
    memfs_free(fs);
}

/* ---- the manifest ---------------------------------------------------------------------------- */

static void test_manifest(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    buf bytes = example("manifest", manifest_hex);
    manifest_state s;
    manifest_report report;
    memfs_put(fs, "d/MANIFEST", buf_slice(&bytes));
    assert_true(status_ok(manifest_load(memfs_vfs(fs), "d/MANIFEST", &s, &report)));
    assert_string_equal(s.engine, "bitcask");
    assert_true(s.store_id == STORE && s.key.k0 == key.k0 && s.key.k1 == key.k1 && !s.cluster);
    assert_int_equal(s.ids[MANIFEST_IDS_FILE], 16);
    assert_int_equal(s.nfiles, 1);
    assert_int_equal(s.files[0].number, 12);
    assert_int_equal(s.files[0].length, LENGTH);
    assert_int_equal(report.edits, 2);
    assert_int_equal(report.edit_end, 178);
    assert_false(report.torn);
    manifest_state_free(&s);

    manifest *m;
    manifest_edit e = {0};
    assert_true(status_ok(memfs_vfs(fs)->ops->unlink(memfs_vfs(fs), "d/MANIFEST")));
    edit_create(&e, "bitcask", STORE, key, false);
    edit_reserve(&e, MANIFEST_IDS_FILE, 16);
    assert_true(status_ok(manifest_create(memfs_vfs(fs), "d", &e, &m)));
    edit_free(&e);
    edit_pending(&e, 12);
    edit_append(&e, 12);
    edit_seal(&e, 12, LENGTH);
    assert_true(status_ok(manifest_commit(m, &e)));
    edit_free(&e);
    assert_int_equal(manifest_about(m)->length, bytes.len);
    manifest_close(m);
    assert_memory_equal(memfs_bytes(fs, "d/MANIFEST")->data, bytes.data, bytes.len);
    buf_free(&bytes);
    memfs_free(fs);
}

/* ---- the hint -------------------------------------------------------------------------------- */

/* The three entries of the example, in order. */
static hint_entry entry(int n) {
    hint_entry e = {.kind = RECORD_DEL, .pdb = 3, .offset = 152, .size = 21, .key = SLICE("old")};
    if (n == 1)
        e = (hint_entry){.kind = RECORD_PUT,
                         .flags = RECORD_EXPIRE | RECORD_NEW | HINT_INLINE,
                         .pdb = 3,
                         .offset = 88,
                         .size = 33,
                         .key = SLICE("name"),
                         .expire = EXPIRES,
                         .value = SLICE("Ada")};
    if (n == 2)
        return (hint_entry){.kind = RECORD_MAP_PUT,
                            .flags = RECORD_NEW,
                            .pdb = 3,
                            .offset = 121,
                            .size = 31,
                            .coll = 300,
                            .map = 1,
                            .key = SLICE("f")};
    e.token = token_of(key, 0, e.key);
    return e;
}

static void test_hint(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    buf bytes = example("hint", hint_hex);
    hint_reader *r;
    hint_entry e;
    bool got;
    memfs_put(fs, HINT, buf_slice(&bytes));
    assert_true(status_ok(hint_open(memfs_vfs(fs), HINT, STORE, 12, LENGTH, &r)));
    assert_int_equal(hint_about(r)->records, 4);
    for (int n = 0; n < 3; n++) {
        hint_entry want = entry(n);
        assert_true(status_ok(hint_next(r, &e, &got)) && got);
        assert_int_equal(e.kind, want.kind);
        assert_int_equal(e.flags, want.flags);
        assert_true(e.pdb == 3 && e.token == want.token && e.coll == want.coll);
        assert_true(e.offset == want.offset && e.size == want.size && e.map == want.map);
        assert_true(slice_eq(e.key, want.key) && slice_eq(e.value, want.value));
        assert_true(e.expire == want.expire);
    }
    assert_true(status_ok(hint_next(r, &e, &got)) && !got);
    hint_close(r);

    hint_writer *w;
    hint_info info = {.segment = 12, .segment_length = LENGTH, .records = 4};
    assert_true(status_ok(hint_create(memfs_vfs(fs), HINT, STORE, key, &info, &w)));
    for (int n = 0; n < 3; n++) {
        e = entry(n);
        assert_true(status_ok(hint_add(w, &e)));
    }
    assert_true(status_ok(hint_finish(w, NULL)));
    assert_int_equal(memfs_bytes(fs, HINT)->len, bytes.len);
    assert_memory_equal(memfs_bytes(fs, HINT)->data, bytes.data, bytes.len);
    buf_free(&bytes);
    memfs_free(fs);
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct {
    slice key, cell;
    uint64_t hash;
} table_entries[] = {
    {SLICE("\0\0\0\3\1\x7e\x0a\x49\x34\xd0\0\0\0old"), SLICE("\0"), 1001},
    {SLICE("\0\0\0\3\3\0\0\0\0\0\0\1\x2c"), SLICE("\1"), 0},
    {SLICE("\0\0\0\3\3\0\0\0\0\0\0\1\x2d\1f"), SLICE("\2\0001"), 1002},
};

static void test_table(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    buf bytes = example("table", table_hex);
    table *t;
    table_hit hit;
    memfs_put(fs, TABLE, buf_slice(&bytes));
    status st = table_open(memfs_vfs(fs), TABLE, STORE, 21, (uint32_t)bytes.len, &t);
    assert_string_equal(st.msg, "");
    assert_true(table_about(t)->entries == 3 && table_about(t)->plain_bytes == 49);
    table_iter *i = table_iter_new(t, NULL, 0);
    table_iter_seek_first(i);
    for (int n = 0; n < 3; n++, table_iter_next(i)) {
        assert_true(slice_eq(table_iter_key(i), table_entries[n].key));
        assert_true(slice_eq(table_iter_cell(i), table_entries[n].cell));
        st = table_get(t, NULL, table_entries[n].key, table_entries[n].hash, &hit);
        assert_true(status_ok(st) && hit.found && slice_eq(hit.cell, table_entries[n].cell));
    }
    assert_false(table_iter_valid(i));
    table_iter_free(i);
    table_close(t);

    table_writer *w;
    table_summary s;
    table_options o = {.block_size = 4096, .bloom_bits = 10};
    file_header h = {.kind = FILE_TABLE, .store_id = STORE, .number = 21};
    assert_true(status_ok(memfs_vfs(fs)->ops->unlink(memfs_vfs(fs), TABLE)));
    assert_true(status_ok(table_create(memfs_vfs(fs), TABLE, &h, &o, &w)));
    for (int n = 0; n < 3; n++) {
        st = table_add(w, table_entries[n].key, table_entries[n].cell, table_entries[n].hash);
        assert_true(status_ok(st));
    }
    assert_true(status_ok(table_finish(w, &s)));
    assert_int_equal(s.length, bytes.len);
    assert_memory_equal(memfs_bytes(fs, TABLE)->data, bytes.data, bytes.len);
    buf_free(&s.first);
    buf_free(&s.last);
    buf_free(&bytes);
    memfs_free(fs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segment),
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_hint),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
