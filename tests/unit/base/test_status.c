/* Status messages: formatted, cut, kept for a ring's length, of each thread its own. */
#include "base/status.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "support/unit.h"

static void codes_follow_errno(void **state) {
    (void)state;
    assert_int_equal(status_errno(ENOSPC, "x").code, ST_NO_SPACE);
    assert_int_equal(status_errno(EDQUOT, "x").code, ST_NO_SPACE);
    assert_int_equal(status_errno(ENOENT, "x").code, ST_NOT_FOUND);
    assert_int_equal(status_errno(EIO, "x").code, ST_IO);
    assert_string_equal(status_errno(ENOENT, "open %s", "f").msg,
                        "open f: No such file or directory");
    assert_true(status_ok(STATUS_OK));
    assert_string_equal(STATUS_OK.msg, "");
}

static void long_messages_are_cut_and_keep_the_reason(void **state) {
    (void)state;
    char longest[2 * STATUS_MSG_MAX];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    status s = status_make(ST_INVALID, "%s", longest);
    assert_int_equal(strlen(s.msg), STATUS_MSG_MAX - 1);
    s = status_errno(EIO, "%s", longest);
    assert_int_equal(strlen(s.msg), STATUS_MSG_MAX - 1);
    assert_non_null(strstr(s.msg, "a: Input/output error"));
}

static void a_message_lives_as_long_as_the_ring(void **state) {
    (void)state;
    status first = status_make(ST_IO, "first");
    for (int i = 1; i < STATUS_RING; i++) {
        status s = status_make(ST_IO, "%d: %s", i, first.msg); /* a message may quote another */
        assert_int_equal(strlen(s.msg), strlen("1: first"));
    }
    assert_string_equal(first.msg, "first");
}

static void *other_thread(void *arg) {
    (void)arg;
    for (int i = 0; i < 2 * STATUS_RING; i++)
        (void)!status_make(ST_IO, "other %d", i).code;
    return NULL;
}

static void threads_do_not_share_a_ring(void **state) {
    (void)state;
    status mine = status_make(ST_IO, "mine");
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, other_thread, NULL), 0);
    pthread_join(t, NULL);
    assert_string_equal(mine.msg, "mine");
}

static status fails(int *after) {
    TRY(STATUS_OK);
    TRY(status_make(ST_BUSY, "held"));
    *after = 1;
    return STATUS_OK;
}

static void try_returns_the_failure(void **state) {
    (void)state;
    int after = 0;
    status s = fails(&after);
    assert_int_equal(s.code, ST_BUSY);
    assert_string_equal(s.msg, "held");
    assert_int_equal(after, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_follow_errno),
        cmocka_unit_test(long_messages_are_cut_and_keep_the_reason),
        cmocka_unit_test(a_message_lives_as_long_as_the_ring),
        cmocka_unit_test(threads_do_not_share_a_ring),
        cmocka_unit_test(try_returns_the_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
