/* salvage: with any part of a file damaged, every record that is whole comes out, in order, and the
 * gaps add up to what is lost. */
#include "support/unit.h"

#include "storage/salvage.h"
#include "support/logbuild.h"

/* Reads file i of the log; each record must be one of the log's, in order. */
typedef struct salvaged {
    size_t records;
    uint64_t gaps;
    log_pos missing; /* the first record of the log that did not come out; 0: none */
} salvaged;

static salvaged read_all(logbuild *b, uint32_t i) {
    salvage *s;
    salvage_item item;
    bool got;
    salvaged out = {0};
    size_t next = 0;
    assert_true(
        status_ok(salvage_open(b->open[i], LOGBUILD_STORE, i + 1, FILE_HEADER, UINT32_MAX, &s)));
    while (true) {
        assert_true(status_ok(salvage_next(s, &item, &got)));
        out.gaps += item.gap;
        if (!got) break;
        log_pos at = log_pos_of(i + 1, item.offset);
        while (next < b->nrecs && b->recs[next].at < at) {
            if (log_pos_file(b->recs[next].at) == i + 1 && !out.missing)
                out.missing = b->recs[next].at;
            next++;
        }
        assert_true(next < b->nrecs && b->recs[next].at == at);
        assert_int_equal(item.rec.size, b->recs[next].size);
        assert_int_equal(item.rec.kind, b->recs[next].kind);
        next++;
        out.records++;
    }
    salvage_close(s);
    return out;
}

static void small_log(logbuild *b) {
    logbuild_start(b, 4096);
    for (int i = 0; i < 5; i++) {
        logbuild_batch(b, 1 + i % 3, 20);
        logbuild_sync(b);
    }
    logbuild_list(b);
}

static void test_every_bit_flip(void **state) {
    (void)state;
    logbuild b;
    small_log(&b);
    salvaged whole = read_all(&b, 0);
    assert_int_equal(whole.records, b.nrecs);
    assert_int_equal(whole.gaps, 0);
    char *p = logbuild_bytes(&b, 0)->data;
    for (size_t i = 0; i < b.nrecs; i++) {
        const logbuild_rec *rec = &b.recs[i];
        for (uint32_t bit = 0; bit < rec->size * 8; bit++) {
            uint32_t at = log_pos_offset(rec->at) + bit / 8;
            p[at] ^= (char)(1 << bit % 8);
            salvaged s = read_all(&b, 0);
            assert_int_equal(s.records, b.nrecs - 1);
            if (i + 1 < b.nrecs) {
                assert_int_equal(s.gaps, rec->size);
                assert_true(s.missing == rec->at);
            } else {
                assert_true(s.gaps > 0 && s.gaps <= rec->size);
            }
            p[at] ^= (char)(1 << bit % 8);
        }
    }
    logbuild_end(&b);
}

/* Random bytes over random parts. */
static void test_noise(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(300); round++) {
        logbuild b;
        small_log(&b);
        uint32_t end = log_pos_offset(logbuild_log_end(&b));
        uint32_t from = FILE_HEADER + (uint32_t)rng_below(&r, end - FILE_HEADER);
        uint32_t len = 1 + (uint32_t)rng_below(&r, end - from);
        char *p = logbuild_bytes(&b, 0)->data;
        for (uint32_t i = 0; i < len; i++)
            p[from + i] = (char)rng_next(&r);
        size_t whole = 0;
        for (size_t i = 0; i < b.nrecs; i++) {
            uint32_t at = log_pos_offset(b.recs[i].at);
            whole += at + b.recs[i].size <= from || at >= from + len;
        }
        salvaged s = read_all(&b, 0);
        assert_true(s.records >= whole && s.records <= whole + 1); /* noise may change nothing */
        logbuild_end(&b);
    }
}

/* Longer than the window, with records of any length across its end. */
static void test_long(void **state) {
    (void)state;
    logbuild b;
    logbuild_start(&b, 40u << 20);
    for (int i = 0; i < 60; i++)
        logbuild_batch(&b, 1, (size_t)i * 16000 + (size_t)i);
    logbuild_flush(&b);
    logbuild_list(&b);
    assert_int_equal(read_all(&b, 0).records, 61);
    for (size_t i = 3; i < b.nrecs; i += 7) /* bodies and headers */
        logbuild_bytes(&b, 0)->data[log_pos_offset(b.recs[i].at) + (i % 2 ? 9 : 20)] ^= 1;
    size_t lost = (b.nrecs - 3 + 6) / 7;
    salvaged s = read_all(&b, 0);
    assert_int_equal(s.records, 61 - lost);
    logbuild_end(&b);
}

/* Headers of every length across the window's end. */
static void test_many_windows(void **state) {
    (void)state;
    logbuild b;
    size_t n = 0;
    logbuild_start(&b, 24u << 20);
    for (; log_pos_offset(logbuild_log_end(&b)) < (13u << 20); n++) {
        logbuild_batch(&b, 1, n % 700);
        logbuild_sync(&b); /* so that each has a mark */
    }
    salvage *s;
    salvage_item item;
    bool got = true;
    assert_true(status_ok(salvage_open(b.open[0], LOGBUILD_STORE, 1, FILE_HEADER, UINT32_MAX, &s)));
    for (size_t i = 0; i < n + 1; i++) {
        assert_true(status_ok(salvage_next(s, &item, &got)) && got);
        assert_int_equal(item.gap, 0);
    }
    assert_true(status_ok(salvage_next(s, &item, &got)) && !got);
    salvage_close(s);
    logbuild_end(&b);
}

/* A gap longer than the window, and behind it a record whose header lies across the window's end.
 */
static void test_long_gap(void **state) {
    (void)state;
    uint32_t window = 2 * RECORD_MAX;
    for (uint32_t shift = 0; shift < RECORD_HEADER_MAX + 8; shift++) {
        memfs *fs = memfs_new();
        uint32_t at = FILE_HEADER + window - RECORD_HEADER_MAX + shift - 4;
        char put[64];
        record r = {.kind = RECORD_DEL, .flags = RECORD_MARK, .mark = 9, .key = SLICE("k")};
        buf bytes = {0};
        memset(buf_reserve(&bytes, at + sizeof put), 'x', at);
        bytes.len = at;
        uint32_t size = record_encode(put, &r);
        record_seal(put, size, false, (record_place){1, 2, at});
        buf_append(&bytes, put, size);
        memfs_put(fs, "f", buf_slice(&bytes));
        vfs_file *f;
        salvage *s;
        salvage_item item;
        bool got;
        assert_true(status_ok(vfs_open(memfs_vfs(fs), "f", VFS_READ, &f)));
        assert_true(status_ok(salvage_open(f, 1, 2, FILE_HEADER, UINT32_MAX, &s)));
        assert_true(status_ok(salvage_next(s, &item, &got)) && got);
        assert_int_equal(item.offset, at);
        assert_int_equal(item.gap, at - FILE_HEADER);
        salvage_close(s);
        assert_true(status_ok(f->ops->close(f)));
        buf_free(&bytes);
        memfs_free(fs);
    }
}

/* The file ends inside a record, or in front of the first. */
static void test_short(void **state) {
    (void)state;
    logbuild b;
    small_log(&b);
    buf *bytes = logbuild_bytes(&b, 0);
    uint32_t end = log_pos_offset(logbuild_log_end(&b));
    for (uint32_t n = end; n-- > 0;) {
        bytes->len = n;
        size_t whole = 0;
        for (size_t i = 0; i < b.nrecs; i++)
            whole += log_pos_offset(b.recs[i].at) + b.recs[i].size <= n;
        assert_int_equal(read_all(&b, 0).records, whole);
    }
    logbuild_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_bit_flip), cmocka_unit_test(test_noise),
        cmocka_unit_test(test_long),           cmocka_unit_test(test_many_windows),
        cmocka_unit_test(test_long_gap),       cmocka_unit_test(test_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
