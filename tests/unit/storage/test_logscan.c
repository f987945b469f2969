/* logscan: one file, cut at every byte, with every bit flipped and every sector lost: exactly the
 * whole batches before the damage come out, and what is called damage and what a torn tail is
 * compared with what the marks say. */
#include "support/unit.h"

#include "base/mem.h"
#include "support/logbuild.h"

/* What a scan of the only file gave. */
typedef struct scanned {
    size_t records;
    log_pos last; /* place of the last one */
    log_verdict v;
} scanned;

static status count_one(void *ctx, const log_file *f, const logscan_item *item) {
    scanned *s = ctx;
    s->records++;
    s->last = log_pos_of(f->number, item->offset);
    return STATUS_OK;
}

static scanned scan_all(logbuild *b) {
    log_file files[LOGBUILD_FILES];
    scanned s = {0};
    logbuild_files(b, files);
    status st = log_replay(LOGBUILD_STORE, files, b->n, 0, count_one, &s, &s.v);
    assert_string_equal(st.msg, "");
    return s;
}

/* A log of one file: batches of one and of several, marks, an unsynced end. */
static void small_log(logbuild *b) {
    logbuild_start(b, 2048);
    logbuild_batch(b, 1, 10);
    logbuild_batch(b, 3, 5);
    logbuild_sync(b);
    logbuild_batch(b, 2, 20);
    logbuild_batch(b, 1, 0);
    logbuild_sync(b);
    logbuild_batch(b, 1, 30);
    logbuild_batch(b, 4, 3);
    logbuild_flush(b);
    logbuild_list(b);
    assert_true(b->nrecs == 13);
}

/* The record that byte `offset` of file 1 is in. */
static const logbuild_rec *rec_at(const logbuild *b, uint32_t offset) {
    for (size_t i = 0; i < b->nrecs; i++) {
        uint32_t at = log_pos_offset(b->recs[i].at);
        if (offset >= at && offset < at + b->recs[i].size) return &b->recs[i];
    }
    return NULL;
}

/* What must come out when `bad` can't be read and what is behind it, from `after` on, can. */
static void expect(const logbuild *b, const logbuild_rec *bad, uint32_t after, const scanned *s) {
    size_t whole = 0;
    bool proof = false;
    for (size_t i = 0; i < b->nrecs; i++) {
        whole += b->recs[i].at < bad->batch;
        proof |= log_pos_offset(b->recs[i].at) >= after && b->recs[i].mark > bad->at;
    }
    assert_int_equal(s->records, whole);
    assert_int_equal(s->v.kind, proof ? LOG_DAMAGED : LOG_TORN);
    assert_int_equal(s->v.bad, log_pos_offset(bad->at));
    assert_int_equal(s->v.cut, log_pos_offset(bad->batch));
    if (proof) {
        log_file f = {.path = "p"};
        assert_true(s->v.mark > bad->at && s->v.mark_at > bad->at);
        assert_int_equal(log_verdict_status(&s->v, &f).code, ST_CORRUPT);
    }
}

static void test_whole(void **state) {
    (void)state;
    logbuild b;
    small_log(&b);
    scanned s = scan_all(&b);
    assert_int_equal(s.records, b.nrecs);
    assert_int_equal(s.v.kind, LOG_CLEAN);
    assert_int_equal(s.v.cut, log_pos_offset(logbuild_log_end(&b)));
    assert_int_equal(s.v.dropped, 0);
    logbuild_end(&b);
}

static void test_every_bit_flip(void **state) {
    (void)state;
    logbuild b;
    small_log(&b);
    uint32_t end = log_pos_offset(logbuild_log_end(&b));
    char *p = logbuild_bytes(&b, 0)->data;
    size_t damaged = 0;
    for (uint32_t bit = FILE_HEADER * 8; bit < end * 8; bit++) {
        const logbuild_rec *bad = rec_at(&b, bit / 8);
        p[bit / 8] ^= (char)(1 << bit % 8);
        scanned s = scan_all(&b);
        expect(&b, bad, log_pos_offset(bad->at) + bad->size, &s);
        damaged += s.v.kind == LOG_DAMAGED;
        p[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(damaged > 0);
    logbuild_end(&b);
}

/* A bit behind the log's end makes a torn tail of nothing; the log is whole. */
static void test_bits_behind_the_end(void **state) {
    (void)state;
    logbuild b;
    small_log(&b);
    uint32_t end = log_pos_offset(logbuild_log_end(&b));
    char *p = logbuild_bytes(&b, 0)->data;
    for (uint32_t bit = end * 8; bit < 2048 * 8; bit++) {
        p[bit / 8] ^= (char)(1 << bit % 8);
        scanned s = scan_all(&b);
        assert_int_equal(s.records, b.nrecs);
        assert_int_equal(s.v.kind, LOG_TORN);
        assert_int_equal(s.v.cut, end);
        assert_int_equal(s.v.dropped, bit / 8 + 1 - end);
        p[bit / 8] ^= (char)(1 << bit % 8);
    }
    logbuild_end(&b);
}

static void test_header_flips(void **state) {
    (void)state;
    logbuild b;
    log_file files[LOGBUILD_FILES];
    logscan *s;
    small_log(&b);
    logbuild_files(&b, files);
    char *p = logbuild_bytes(&b, 0)->data;
    for (uint32_t bit = 0; bit < FILE_HEADER * 8; bit++) {
        p[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(logscan_open(&files[0], LOGBUILD_STORE, &s).code, ST_CORRUPT);
        p[bit / 8] ^= (char)(1 << bit % 8);
    }
    logbuild_end(&b);
}

/* The file ends at every byte, by its size and by zeros up to its size. */
static void test_every_truncation(void **state) {
    (void)state;
    for (int zeros = 0; zeros < 2; zeros++) {
        logbuild b;
        small_log(&b);
        buf *bytes = logbuild_bytes(&b, 0);
        uint32_t end = log_pos_offset(logbuild_log_end(&b));
        char *whole = mem_dup(bytes->data, bytes->len);
        for (uint32_t n = end; n-- > FILE_HEADER;) {
            const logbuild_rec *bad = rec_at(&b, n);
            if (zeros && whole[n] == 0) continue; /* nothing changes at this byte */
            memset(bytes->data + n, 0, 2048 - n);
            bytes->len = zeros ? 2048 : n;
            scanned s = scan_all(&b);
            bool boundary = n == log_pos_offset(bad->at) && bad->at == bad->batch;
            if (boundary) { /* the end of a shorter log */
                assert_int_equal(s.v.kind, LOG_CLEAN);
                assert_int_equal(s.v.cut, n);
            } else {
                expect(&b, bad, UINT32_MAX, &s);
            }
        }
        mem_free(whole);
        logbuild_end(&b);
    }
}

/* Each run of 64 bytes lost alone, as a disk loses sectors: what follows is still there. */
static void test_every_hole(void **state) {
    (void)state;
    logbuild b;
    small_log(&b);
    uint32_t end = log_pos_offset(logbuild_log_end(&b));
    char *p = logbuild_bytes(&b, 0)->data, keep[64];
    for (uint32_t n = FILE_HEADER; n < end; n++) {
        uint32_t len = end - n < 64 ? end - n : 64, first = n;
        memcpy(keep, p + n, len);
        while (first < n + len && p[first] == 0)
            first++;
        uint32_t last = n + len;
        while (last > first && p[last - 1] == 0)
            last--;
        memset(p + n, 0, len);
        scanned s = scan_all(&b);
        const logbuild_rec *bad = rec_at(&b, first), *lost = rec_at(&b, last - 1);
        /* a record that only lost its body still proves by its header: the expectation leaves out
         * the records that lost header bytes */
        uint32_t after = log_pos_offset(lost->at) + lost->size;
        if (s.v.kind == LOG_TORN || s.v.mark_at >= log_pos_of(1, after)) expect(&b, bad, after, &s);
        memcpy(p + n, keep, len);
    }
    logbuild_end(&b);
}

/* A batch longer than the window is given whole, or not at all; memory stays bounded. */
static void test_long_batch(void **state) {
    (void)state;
    logbuild b;
    logbuild_start(&b, 16u << 20);
    logbuild_batch(&b, 2, 100);
    logbuild_batch(&b, 12, 700000);
    logbuild_batch(&b, 1, 1000000);
    logbuild_flush(&b);
    logbuild_list(&b);
    assert_int_equal(scan_all(&b).records, 1 + 2 + 12 + 1);
    const logbuild_rec *last = &b.recs[14];
    assert_true(last->batch != last->at);
    logbuild_bytes(&b, 0)->data[log_pos_offset(last->at) + 5000] ^= 1;
    scanned s = scan_all(&b);
    assert_int_equal(s.records, 1 + 2);
    assert_int_equal(s.v.kind, LOG_TORN);
    assert_int_equal(s.v.cut, log_pos_offset(last->batch));
    assert_int_equal(s.v.why, RECORD_BAD_BODY);
    logbuild_end(&b);
}

/* Sealed: whole up to there or damaged; what lies behind is not looked at. */
static void test_sealed(void **state) {
    (void)state;
    logbuild b;
    log_file files[LOGBUILD_FILES];
    logscan *s;
    logscan_item item;
    bool got;
    small_log(&b);
    logbuild_files(&b, files);
    uint32_t end = log_pos_offset(logbuild_log_end(&b));
    for (uint32_t length = FILE_HEADER; length <= end + 1; length++) {
        files[0].length = length;
        size_t n = 0;
        assert_true(status_ok(logscan_open(&files[0], LOGBUILD_STORE, &s)));
        do {
            assert_true(status_ok(logscan_next(s, &item, &got)));
            n += got;
        } while (got);
        const logbuild_rec *at = rec_at(&b, length);
        bool boundary = length == end || (at && log_pos_offset(at->batch) == length);
        assert_int_equal(logscan_must_be_whole(s).code, boundary ? ST_OK : ST_CORRUPT);
        size_t whole = 0;
        for (size_t i = 0; i < b.nrecs; i++) /* batches that end at or before the length */
            whole += i + 1 < b.nrecs ? log_pos_offset(b.recs[i].at) + b.recs[i].size <= length
                                     : length >= end;
        assert_true(n <= whole);
        logscan_close(s);
    }
    logbuild_bytes(&b, 0)->len = end - 10; /* shorter than it was sealed */
    files[0].length = end;
    assert_true(status_ok(logscan_open(&files[0], LOGBUILD_STORE, &s)));
    do
        assert_true(status_ok(logscan_next(s, &item, &got)));
    while (got);
    assert_int_equal(logscan_must_be_whole(s).code, ST_CORRUPT);
    logscan_close(s);
    logbuild_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_every_bit_flip),
        cmocka_unit_test(test_bits_behind_the_end),
        cmocka_unit_test(test_header_flips),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_hole),
        cmocka_unit_test(test_long_batch),
        cmocka_unit_test(test_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
