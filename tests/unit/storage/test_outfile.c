/* outfile: records land where they are said to, sealed for their place, however many pieces the
 * file is written in; a failure leaves nothing open. */
#include "support/unit.h"

#include "storage/logscan.h"
#include "storage/outfile.h"
#include "support/memfs.h"
#include "support/random_record.h"

#define PATH "0000000007.seg"

static const file_header header = {.kind = FILE_SEGMENT, .store_id = 99, .number = 7, .before = 3};

static void test_many_pieces(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    memfs *fs = memfs_new();
    outfile o;
    random_bytes mem = {0};
    rng again = r;
    uint32_t offset, end = FILE_HEADER;
    record rec;
    assert_true(status_ok(outfile_create(&o, memfs_vfs(fs), PATH, &header, false)));
    for (int i = 0; i < 1500; i++) {
        random_record(&r, 60000, &mem, &rec);
        rec.flags &= RECORD_ENTRY_FLAGS;
        assert_true(status_ok(outfile_put(&o, &rec, &offset)));
        assert_int_equal(offset, end);
        end += rec.size;
        assert_int_equal(outfile_length(&o), end);
    }
    assert_true(status_ok(outfile_finish(&o)));
    outfile_abandon(&o); /* harmless now */
    assert_int_equal(memfs_bytes(fs, PATH)->len, end);
    assert_true(end > 1u << 20);

    logscan *s;
    logscan_item item;
    bool got;
    log_file f = {.path = PATH, .kind = FILE_SEGMENT, .number = 7, .length = end};
    assert_true(status_ok(vfs_open(memfs_vfs(fs), PATH, VFS_READ, &f.file)));
    assert_true(status_ok(logscan_open(&f, 99, &s)));
    for (int i = 0; i < 1500; i++) {
        random_record(&again, 60000, &mem, &rec);
        rec.flags &= RECORD_ENTRY_FLAGS;
        rec.mark = 0;
        rec.origin = SLICE_EMPTY;
        assert_true(status_ok(logscan_next(s, &item, &got)) && got);
        assert_true(record_same(&rec, &item.rec) && item.first);
        assert_true(logscan_offset(s) == item.offset + item.rec.size);
    }
    assert_true(status_ok(logscan_next(s, &item, &got)) && !got);
    assert_true(status_ok(logscan_must_be_whole(s)));
    logscan_close(s);
    assert_true(status_ok(f.file->ops->close(f.file)));
    random_bytes_free(&mem);
    memfs_free(fs);
}

static void test_does_not_replace(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    outfile o;
    memfs_put(fs, PATH,
              SLICE("something longer than the header that would come instead of it, no?"));
    assert_int_equal(outfile_create(&o, memfs_vfs(fs), PATH, &header, false).code, ST_IO);
    outfile_abandon(&o);
    assert_true(status_ok(outfile_create(&o, memfs_vfs(fs), PATH, &header, true)));
    assert_true(status_ok(outfile_finish(&o)));
    assert_int_equal(memfs_bytes(fs, PATH)->len, FILE_HEADER);
    memfs_free(fs);
}

/* Every call fails once, in the middle of a file of several pieces too. */
static void test_failures(void **state) {
    (void)state;
    static char value[RECORD_VALUE_MAX];
    for (uint64_t nth = 1;; nth++) {
        memfs *fs = memfs_new();
        outfile o;
        memfs_fail(fs, nth, ST_NO_SPACE);
        status st = outfile_create(&o, memfs_vfs(fs), PATH, &header, false);
        for (int i = 0; i < 3 && status_ok(st); i++) {
            record r = {.kind = RECORD_PUT, .value = slice_of(value, sizeof value)};
            st = outfile_put(&o, &r, NULL);
        }
        if (status_ok(st)) st = outfile_finish(&o);
        outfile_abandon(&o);
        assert_int_equal(memfs_open_files(fs), 0);
        memfs_free(fs);
        if (status_ok(st)) {
            assert_true(nth > 5);
            return;
        }
        assert_int_equal(st.code, ST_NO_SPACE);
    }
}

/* A file is as long as an offset can say; asked for more, it says so. */
static void test_limit(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    outfile o;
    record r = {.kind = RECORD_IDLE};
    assert_true(status_ok(outfile_create(&o, memfs_vfs(fs), PATH, &header, false)));
    o.written = UINT32_MAX - RECORD_MAX - 10;
    assert_int_equal(outfile_put(&o, &r, NULL).code, ST_LIMIT);
    outfile_abandon(&o);
    memfs_free(fs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_pieces),
        cmocka_unit_test(test_does_not_replace),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
