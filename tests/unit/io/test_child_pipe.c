/* Tests of child_pipe: frames survive the pipe, and nothing else passes for one. */
#include "base/codec.h"
#include "io/child_pipe.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADER 40

/* The bytes of a frame as the child writes them. */
static buf encode(const child_frame *f) {
    int p[2];
    assert_int_equal(pipe(p), 0);
    assert_true(child_frame_write(p[1], f));
    close(p[1]);
    buf b = {0};
    for (;;) {
        char *at = buf_reserve(&b, 4096);
        ssize_t r = read(p[0], at, 4096);
        if (r <= 0) break;
        b.len += (size_t)r;
    }
    close(p[0]);
    return b;
}

static void test_round_trip(void **state) {
    (void)state;
    static const child_frame frames[] = {
        {CHILD_PROGRESS, 3, 10, 4096, {NULL, 0}},
        {CHILD_PROGRESS, UINT64_MAX, UINT64_MAX, UINT64_MAX, {NULL, 0}},
        {CHILD_RESULT, ST_OK, 0, 0, {"abc", 3}},
        {CHILD_RESULT, ST_IO, 3, 1, {"badresult", 9}},
    };
    for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
        buf b = encode(&frames[i]);
        child_frame f;
        size_t used = 0;
        for (size_t n = 0; n < b.len; n++) /* every beginning asks for more */
            assert_int_equal(child_frame_parse(slice_of(b.data, n), &f, &used), 0);
        buf_append(&b, "next", 4);
        assert_int_equal(child_frame_parse(buf_slice(&b), &f, &used), 1);
        assert_int_equal(used, b.len - 4);
        assert_int_equal(f.kind, frames[i].kind);
        assert_true(f.a == frames[i].a && f.b == frames[i].b);
        assert_true(f.cow_bytes == frames[i].cow_bytes);
        assert_true(slice_eq(f.body, frames[i].body));
        buf_free(&b);
    }
}

/* The bytes that README.md shows. */
static void test_known_bytes(void **state) {
    (void)state;
    static const unsigned char want[] = {
        'S',  'T',  'C',  'h',              /* magic */
        0x52, 0,    0,    0,                /* a result */
        2,    0,    0,    0,                /* of two bytes */
        0,    0,    0,    0,    0, 0, 0, 0, /* ST_OK */
        0,    0,    0,    0,    0, 0, 0, 0, /* no message */
        0,    0x10, 0,    0,    0, 0, 0, 0, /* 4096 bytes copied */
        0x67, 0xf1, 0x1a, 0x78,             /* CRC32C */
        'o',  'k',
    };
    buf b = encode(&(child_frame){CHILD_RESULT, ST_OK, 0, 4096, SLICE("ok")});
    assert_int_equal(b.len, sizeof(want));
    assert_memory_equal(b.data, want, sizeof(want));
    buf_free(&b);
}

/* No flipped bit passes: it is either refused, or a length that asks for more bytes. */
static void test_every_flipped_bit(void **state) {
    (void)state;
    buf b = encode(&(child_frame){CHILD_RESULT, ST_OK, 1, 4096, SLICE("some result")});
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.data[bit / 8] ^= (char)(1 << (bit % 8));
        child_frame f;
        size_t used;
        assert_int_not_equal(child_frame_parse(buf_slice(&b), &f, &used), 1);
        assert_int_equal(used, 0);
        b.data[bit / 8] ^= (char)(1 << (bit % 8));
    }
    buf_free(&b);
}

/* Lengths are refused before anybody waits for, or makes room for, so many bytes. */
static void test_lengths(void **state) {
    (void)state;
    buf b = encode(&(child_frame){CHILD_RESULT, ST_OK, 0, 0, SLICE("x")});
    child_frame f;
    size_t used;
    put_u32(b.data + 8, CHILD_RESULT_MAX + STATUS_MSG_MAX);
    assert_int_equal(child_frame_parse(buf_slice(&b), &f, &used), 0);
    put_u32(b.data + 8, CHILD_RESULT_MAX + STATUS_MSG_MAX + 1);
    assert_int_equal(child_frame_parse(buf_slice(&b), &f, &used), -1);
    buf_free(&b);
    b = encode(&(child_frame){CHILD_RESULT, ST_IO, 4, 0, SLICE("abc")}); /* message > body */
    assert_int_equal(child_frame_parse(buf_slice(&b), &f, &used), -1);
    buf_free(&b);
}

static void test_nobody_reads(void **state) {
    (void)state;
    int p[2];
    assert_int_equal(pipe(p), 0);
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    assert_false(child_frame_write(p[1], &(child_frame){CHILD_PROGRESS, 1, 2, 3, SLICE_EMPTY}));
    signal(SIGPIPE, SIG_DFL);
    close(p[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_every_flipped_bit), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
