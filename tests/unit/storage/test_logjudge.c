/* logjudge: the table of DESIGN section 4, case by case: which damage is a torn tail, to be cut,
 * and which is damage to acknowledged data, to be refused.
 *
 * All cases begin from one log of three files:
 *
 *   file 1:  begin  a(1)  a(2)  SYNC  b(1, mark)  c(3 records)
 *   file 2:  begin  d(1)  SYNC  e(1, mark)  f(2 records)
 *   file 3:  begin  g(1)  h(1)
 *
 * where nothing after e's sync is durable, unless the case says so. */
#include "support/unit.h"

#include "support/logbuild.h"

typedef struct judged {
    logbuild b;
    log_file files[LOGBUILD_FILES];
    size_t given;
    log_pos before;
    log_verdict v;
    status st;
} judged;

/* How far the log is synced. */
typedef enum synced { UNTIL_E, UNTIL_F, UNTIL_H } synced;

static void build(judged *j, synced how) {
    logbuild *b = &j->b;
    memset(j, 0, sizeof *j);
    logbuild_start(b, 4096);
    logbuild_batch(b, 1, 40); /* a */
    logbuild_batch(b, 1, 40);
    logbuild_sync(b);
    logbuild_batch(b, 1, 40); /* b */
    logbuild_batch(b, 3, 40); /* c */
    logbuild_next(b);
    logbuild_batch(b, 1, 40); /* d */
    logbuild_sync(b);
    logbuild_batch(b, 1, 40); /* e */
    logbuild_batch(b, 2, 40); /* f */
    if (how >= UNTIL_F) logbuild_sync(b);
    logbuild_next(b);
    logbuild_batch(b, 1, 40); /* g */
    logbuild_batch(b, 1, 40); /* h */
    logbuild_flush(b);
    if (how >= UNTIL_H) {
        logbuild_sync(b);
        logbuild_idle(b);
    }
    logbuild_list(b);
    logbuild_files(b, j->files);
}

/* Records by name, as logbuild_list orders them. */
enum { BEGIN1, A1, A2, B1, C1, C2, C3, BEGIN2, D1, E1, F1, F2, BEGIN3, G1, H1, IDLE };

static const logbuild_rec *rec(const judged *j, size_t i) {
    assert_true(i < j->b.nrecs);
    return &j->b.recs[i];
}

static char *bytes_of(judged *j, size_t i) {
    return logbuild_bytes(&j->b, log_pos_file(rec(j, i)->at) - 1)->data +
           log_pos_offset(rec(j, i)->at);
}

static void lose(judged *j, size_t first, size_t last) {
    for (size_t i = first; i <= last; i++)
        memset(bytes_of(j, i), 0, rec(j, i)->size);
}

static void flip(judged *j, size_t i) {
    bytes_of(j, i)[rec(j, i)->size - 1] ^= 4;
}

static status give(void *ctx, const log_file *f, const logscan_item *item) {
    judged *j = ctx;
    const logbuild_rec *want = rec(j, j->given++);
    assert_true(want->at == log_pos_of(f->number, item->offset));
    return STATUS_OK;
}

static void run(judged *j) {
    j->given = 0;
    j->st = log_replay(LOGBUILD_STORE, j->files, j->b.n, j->before, give, j, &j->v);
}

/* The log ends at the beginning of record `i`'s batch (or of the log's end): torn or clean there,
 * with all records before it given and none behind. */
static void expect_end(judged *j, log_verdict_kind kind, size_t file, log_pos end, size_t given) {
    assert_string_equal(j->st.msg, "");
    assert_int_equal(j->v.kind, kind);
    assert_int_equal(j->v.file, file);
    assert_int_equal(log_pos_of(j->files[file].number, j->v.cut), end);
    assert_int_equal(j->given, given);
    assert_int_equal(j->v.dropped > 0, kind == LOG_TORN);
    assert_true(status_ok(log_verdict_status(&j->v, j->files)));
    logbuild_end(&j->b);
}

/* Damage at record i, proved by the mark in record `proof` (or by a sealed length: NONE). */
#define NONE SIZE_MAX
static void expect_damage(judged *j, size_t i, size_t proof) {
    assert_string_equal(j->st.msg, "");
    assert_int_equal(j->v.kind, LOG_DAMAGED);
    assert_int_equal(j->files[j->v.file].number, log_pos_file(rec(j, i)->at));
    assert_int_equal(j->v.bad, log_pos_offset(rec(j, i)->at));
    assert_true(j->v.mark > rec(j, i)->at);
    assert_true(j->v.mark_at == (proof == NONE ? 0 : rec(j, proof)->at));
    status s = log_verdict_status(&j->v, j->files);
    assert_int_equal(s.code, ST_CORRUPT);
    assert_non_null(strstr(s.msg, j->files[j->v.file].path));
    assert_non_null(strstr(s.msg, "stave-check"));
    logbuild_end(&j->b);
}

static void test_whole(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    run(&j);
    expect_end(&j, LOG_CLEAN, 2, logbuild_log_end(&j.b), H1 + 1);
}

/* A file prepared ahead, still without records, does not end the log elsewhere. */
static void test_empty_next_file(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    log_pos end = logbuild_log_end(&j.b);
    logbuild_next(&j.b); /* its BEGIN record is not written */
    logbuild_files(&j.b, j.files);
    run(&j);
    expect_end(&j, LOG_CLEAN, 2, end, H1 + 1);
}

static void test_last_record_torn(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    flip(&j, H1);
    run(&j);
    expect_end(&j, LOG_TORN, 2, rec(&j, H1)->at, H1);
}

/* The stated ambiguity: the last thing synced, with nothing written behind it. */
static void test_last_sync_without_idle(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    logbuild_sync(&j.b); /* g and h are durable, and nothing says so */
    flip(&j, G1);
    run(&j);
    expect_end(&j, LOG_TORN, 2, rec(&j, G1)->at, G1);
}

/* The idle record takes the ambiguity away. */
static void test_last_sync_with_idle(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_H);
    flip(&j, G1);
    run(&j);
    expect_damage(&j, G1, IDLE);
    build(&j, UNTIL_H);
    flip(&j, H1);
    run(&j);
    expect_damage(&j, H1, IDLE);
    build(&j, UNTIL_H);
    lose(&j, IDLE, IDLE);
    run(&j);
    expect_end(&j, LOG_CLEAN, 2, rec(&j, IDLE)->at, IDLE);
}

/* A hole in what was not synced, with whole records behind it: cut at the hole. */
static void test_hole_not_synced(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    lose(&j, G1, G1);
    run(&j);
    expect_end(&j, LOG_TORN, 2, rec(&j, G1)->at, G1);
}

/* A batch is whole or not there. */
static void test_unfinished_batch(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    lose(&j, F2, F2);
    lose(&j, BEGIN3, H1);
    run(&j);
    expect_end(&j, LOG_TORN, 1, rec(&j, F1)->at, F1);
}

/* The end of file 2 is lost, all of file 3 is there: history has no hole, so file 3 goes too. */
static void test_later_file_survives(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    flip(&j, F2);
    run(&j);
    expect_end(&j, LOG_TORN, 1, rec(&j, F1)->at, F1);
}

/* The same where file 2 loses whole batches, so that what is left of it looks complete: the BEGIN
 * of file 3 tells. */
static void test_whole_batches_lost_before_next_file(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    lose(&j, F1, F2);
    run(&j);
    expect_end(&j, LOG_TORN, 1, rec(&j, F1)->at, F1);
    build(&j, UNTIL_E);
    lose(&j, F1, BEGIN3); /* file 3 lost its own beginning, too */
    run(&j);
    expect_end(&j, LOG_TORN, 1, rec(&j, F1)->at, F1);
}

/* All of a file in the middle is lost. */
static void test_middle_file_lost(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    lose(&j, BEGIN2, F2); /* e's mark goes with it; b's says only that a was synced */
    run(&j);
    expect_end(&j, LOG_TORN, 0, rec(&j, C3)->at + rec(&j, C3)->size, BEGIN2);
    build(&j, UNTIL_F); /* g's mark says that it was synced */
    lose(&j, BEGIN2, F2);
    run(&j);
    assert_int_equal(j.v.kind, LOG_DAMAGED);
    assert_int_equal(j.v.file, 0);
    assert_true(j.v.mark_at == rec(&j, G1)->at);
    logbuild_end(&j.b);
}

static void test_before_a_mark(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    flip(&j, A1); /* the next mark is in the same file */
    run(&j);
    expect_damage(&j, A1, B1);
    build(&j, UNTIL_E);
    lose(&j, C1, C3); /* the next mark is in the next file */
    run(&j);
    expect_damage(&j, C1, E1);
    build(&j, UNTIL_F);
    flip(&j, D1);
    run(&j);
    expect_damage(&j, D1, E1);
    build(&j, UNTIL_F);
    flip(&j, E1);
    run(&j);
    expect_damage(&j, E1, G1);
}

/* A mark at the very position that is bad does not reach it. */
static void test_mark_up_to_the_place(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    assert_true(rec(&j, E1)->mark == rec(&j, E1)->at); /* says: durable up to e, not e */
    flip(&j, E1);
    run(&j);
    expect_end(&j, LOG_TORN, 1, rec(&j, E1)->at, E1);
}

/* A header is proof even if its record's body, or its batch, is not whole. */
static void test_torn_record_is_proof(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    flip(&j, E1);
    flip(&j, A1);
    lose(&j, B1, B1);
    run(&j);
    expect_damage(&j, A1, E1);
}

/* Images of records in a value, a later mark included, prove nothing. */
static void test_image_in_value(void **state) {
    (void)state;
    judged j;
    char images[1024];
    size_t n = 0;
    build(&j, UNTIL_H);
    for (size_t i = E1; i <= IDLE; i++) {
        memcpy(images + n, bytes_of(&j, i), rec(&j, i)->size);
        n += rec(&j, i)->size;
    }
    logbuild_end(&j.b);
    build(&j, UNTIL_E);
    logbuild_put(&j.b, slice_of(images, n));
    logbuild_put(&j.b, slice_of(images + 1, n - 1));
    logbuild_flush(&j.b);
    logbuild_list(&j.b);
    run(&j);
    assert_int_equal(j.v.kind, LOG_CLEAN);
    assert_int_equal(j.given, j.b.nrecs);
    flip(&j, G1); /* now the search goes over the images */
    run(&j);
    expect_end(&j, LOG_TORN, 2, rec(&j, G1)->at, G1);
}

/* The one record that proves it lies anywhere, across the ends of the pieces that are read too. */
static void test_mark_far_away(void **state) {
    (void)state;
    static char filler[RECORD_VALUE_MAX];
    for (uint32_t shift = 0; shift < 120; shift += 3) {
        logbuild b;
        log_file files[LOGBUILD_FILES];
        log_verdict v;
        logbuild_start(&b, 3u << 20);
        logbuild_batch(&b, 1, 50);
        memset(filler, 'f', sizeof filler);
        logbuild_put(&b, slice_of(filler, sizeof filler - 150 + shift));
        logbuild_sync(&b);
        logbuild_batch(&b, 1, 10); /* the mark: near a mebibyte behind the damage */
        logbuild_flush(&b);
        logbuild_list(&b);
        logbuild_files(&b, files);
        logbuild_bytes(&b, 0)->data[log_pos_offset(b.recs[1].at) + 5] ^= 1;
        logscan_stop stop = {log_pos_offset(b.recs[1].at), log_pos_offset(b.recs[1].at),
                             RECORD_BAD_HEAD, false};
        assert_true(status_ok(logscan_judge(LOGBUILD_STORE, files, 1, &stop, &v)));
        assert_int_equal(v.kind, LOG_DAMAGED);
        assert_true(v.mark_at == b.recs[3].at);
        logbuild_end(&b);
    }
}

/* A file that is full but for fewer bytes than a header: the log goes on in the next. */
static void test_full_to_the_last_bytes(void **state) {
    (void)state;
    for (uint32_t rest = 0; rest <= RECORD_HEADER + 1; rest++) {
        judged j;
        memset(&j, 0, sizeof j);
        logbuild_start(&j.b, 4096);
        logbuild_batch(&j.b, 1, 40);
        logbuild_flush(&j.b);
        logbuild_bytes(&j.b, 0)->len = log_pos_offset(logbuild_log_end(&j.b)) + rest;
        logbuild_next(&j.b);
        logbuild_batch(&j.b, 1, 40);
        logbuild_flush(&j.b);
        logbuild_list(&j.b);
        logbuild_files(&j.b, j.files);
        run(&j);
        expect_end(&j, LOG_CLEAN, 1, logbuild_log_end(&j.b), 4);
    }
}

/* The same in the very file and at the very offset where such a record once was is impossible: file
 * numbers are never used again. In another store it proves nothing either. */
static void test_other_store(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_H);
    flip(&j, A1);
    logscan_stop stop = {log_pos_offset(rec(&j, A1)->at), log_pos_offset(rec(&j, A1)->at),
                         RECORD_BAD_BODY, false};
    assert_true(status_ok(logscan_judge(LOGBUILD_STORE, j.files, j.b.n, &stop, &j.v)));
    assert_int_equal(j.v.kind, LOG_DAMAGED);
    assert_true(status_ok(logscan_judge(LOGBUILD_STORE + 1, j.files, j.b.n, &stop, &j.v)));
    assert_int_equal(j.v.kind, LOG_TORN);
    logbuild_end(&j.b);
}

/* ---- sealed files ---------------------------------------------------------------------------- */

/* Seals the first n files where they really end. */
static void seal(judged *j, size_t n) {
    static const size_t last[] = {C3, F2, H1};
    for (size_t i = 0; i < n; i++)
        j->files[i].length = log_pos_offset(rec(j, last[i])->at) + rec(j, last[i])->size;
}

static void test_sealed_files(void **state) {
    (void)state;
    judged j;
    for (size_t n = 0; n <= 3; n++) {
        build(&j, UNTIL_E);
        seal(&j, n);
        memset(logbuild_bytes(&j.b, 0)->data + 4000, n ? 'x' : 0, 96); /* behind a sealed end */
        run(&j);
        expect_end(&j, LOG_CLEAN, 2, logbuild_log_end(&j.b), H1 + 1);
    }
    build(&j, UNTIL_E);
    seal(&j, 1);
    flip(&j, C2);
    run(&j);
    assert_int_equal(j.v.bad, log_pos_offset(rec(&j, C2)->at));
    expect_damage(&j, C2, NONE);
    build(&j, UNTIL_E);
    seal(&j, 2); /* an earlier file that is not sealed, before one that is */
    j.files[0].length = 0;
    flip(&j, C3);
    run(&j);
    expect_damage(&j, C3, NONE);
}

/* A sealed length in the middle of a batch. */
static void test_sealed_in_a_batch(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    j.files[0].length = log_pos_offset(rec(&j, C3)->at);
    run(&j);
    assert_int_equal(j.v.kind, LOG_DAMAGED);
    assert_int_equal(j.v.file, 0);
    logbuild_end(&j.b);
}

/* The file behind a sealed one must have been begun where that one is sealed. */
static void test_begin_disagrees(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    j.files[0].length = log_pos_offset(rec(&j, C1)->at); /* a whole batch is missing */
    run(&j);
    assert_int_equal(j.v.kind, LOG_DAMAGED);
    assert_int_equal(j.v.file, 1);
    assert_int_equal(log_verdict_status(&j.v, j.files).code, ST_CORRUPT);
    logbuild_end(&j.b);
}

/* `before`: the caller knows where the log was before the first file. */
static void test_before(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    log_file files[2] = {j.files[1], j.files[2]};
    log_pos end1 = rec(&j, C3)->at + rec(&j, C3)->size;
    j.given = BEGIN2;
    assert_true(status_ok(log_replay(LOGBUILD_STORE, files, 2, end1, give, &j, &j.v)));
    assert_int_equal(j.v.kind, LOG_CLEAN);
    assert_int_equal(j.given, H1 + 1);
    j.given = BEGIN2;
    assert_true(status_ok(log_replay(LOGBUILD_STORE, files, 2, end1 - 1, give, &j, &j.v)));
    assert_int_equal(j.v.kind, LOG_DAMAGED);
    assert_int_equal(j.given, BEGIN2);
    lose(&j, BEGIN2, H1); /* nothing was written to it: the log ends before it */
    assert_true(status_ok(log_replay(LOGBUILD_STORE, files, 2, end1, give, &j, &j.v)));
    assert_int_equal(j.v.kind, LOG_CLEAN);
    assert_int_equal(j.v.cut, FILE_HEADER);
    logbuild_end(&j.b);
}

/* A reader that gives up ends the replay with its own status; a header that can't be read, too. */
static status refuse(void *ctx, const log_file *f, const logscan_item *item) {
    (void)ctx, (void)f;
    return item->offset > FILE_HEADER ? status_make(ST_LIMIT, "enough") : STATUS_OK;
}

/* A torn end, unless the manifest knows of a durable position beyond it, in this file or later. */
static void test_known_durable(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    flip(&j, H1);
    log_pos start = rec(&j, H1)->at, end = logbuild_log_end(&j.b);
    run(&j);
    log_verdict_known(&j.v, j.files, j.b.n, 0);
    log_verdict_known(&j.v, j.files, j.b.n, start); /* just what was read */
    log_verdict_known(&j.v, j.files, j.b.n, rec(&j, F1)->at);
    log_verdict_known(&j.v, j.files, j.b.n, log_pos_of(99, 1000)); /* a file that is no more */
    assert_int_equal(j.v.kind, LOG_TORN);
    log_verdict_known(&j.v, j.files, j.b.n, end);
    expect_damage(&j, H1, NONE);

    build(&j, UNTIL_E);
    flip(&j, F2);
    run(&j);
    assert_int_equal(j.v.kind, LOG_TORN);
    log_verdict_known(&j.v, j.files, j.b.n,
                      log_pos_of(3, FILE_HEADER)); /* says nothing of file 2 */
    assert_int_equal(j.v.kind, LOG_TORN);
    log_verdict_known(&j.v, j.files, j.b.n, rec(&j, H1)->at);
    assert_int_equal(j.v.kind, LOG_DAMAGED);
    assert_int_equal(log_verdict_status(&j.v, j.files).code, ST_CORRUPT);
    logbuild_end(&j.b);
}

static void test_failures(void **state) {
    (void)state;
    judged j;
    build(&j, UNTIL_E);
    status s = log_replay(LOGBUILD_STORE, j.files, j.b.n, 0, refuse, NULL, &j.v);
    assert_int_equal(s.code, ST_LIMIT);
    logbuild_bytes(&j.b, 1)->data[3] ^= 1;
    run(&j);
    assert_int_equal(j.st.code, ST_CORRUPT);
    assert_non_null(strstr(j.st.msg, j.files[1].path));
    logbuild_end(&j.b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_empty_next_file),
        cmocka_unit_test(test_last_record_torn),
        cmocka_unit_test(test_last_sync_without_idle),
        cmocka_unit_test(test_last_sync_with_idle),
        cmocka_unit_test(test_hole_not_synced),
        cmocka_unit_test(test_unfinished_batch),
        cmocka_unit_test(test_later_file_survives),
        cmocka_unit_test(test_whole_batches_lost_before_next_file),
        cmocka_unit_test(test_middle_file_lost),
        cmocka_unit_test(test_before_a_mark),
        cmocka_unit_test(test_mark_up_to_the_place),
        cmocka_unit_test(test_torn_record_is_proof),
        cmocka_unit_test(test_image_in_value),
        cmocka_unit_test(test_other_store),
        cmocka_unit_test(test_mark_far_away),
        cmocka_unit_test(test_full_to_the_last_bytes),
        cmocka_unit_test(test_sealed_files),
        cmocka_unit_test(test_sealed_in_a_batch),
        cmocka_unit_test(test_begin_disagrees),
        cmocka_unit_test(test_before),
        cmocka_unit_test(test_known_durable),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
