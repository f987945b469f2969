/* Tests of aio_uring against a kernel that does less than it might: rings refused, flags unknown,
 * entries not taken, reads cut short or not taken up.
 *
 * liburing's own functions are interposed: what io_uring_queue_init_params answers is the test's,
 * and io_uring_submit may change entries, or refuse them, before they go down. */
#include "base/log.h"
#include "io/aio.h"
#include "support/tempdir.h"
#include "support/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    unsigned unknown_flags; /* setup says EINVAL to these */
    int setup_error;        /* setup fails with it */
    unsigned got_flags;     /* of the ring that was made */
    int refusals;           /* so many submits fail ... */
    int refuse_with;        /* ... with this errno, negative */
    unsigned cut;           /* reads are cut to so many bytes; 0: not */
    unsigned bad_offset;    /* reads begin so many bytes later, which O_DIRECT can't */
    int not_taken;          /* so many entries end with EAGAIN */
    int submits;
} fake;
static int empty_pipe = -1;

int io_uring_queue_init_params(unsigned n, struct io_uring *ring, struct io_uring_params *p) {
    int (*real)(unsigned, struct io_uring *, struct io_uring_params *);
    *(void **)&real = dlsym(RTLD_NEXT, "io_uring_queue_init_params");
    if (fake.setup_error) return fake.setup_error;
    if (p->flags & fake.unknown_flags) return -EINVAL;
    fake.got_flags = p->flags;
    return real(n, ring, p);
}

/* A read of an empty pipe that does not wait is EAGAIN. */
static void tamper(struct io_uring_sqe *e) {
    if (fake.not_taken > 0) {
        static char nothing[8];
        uint64_t data = e->user_data;
        fake.not_taken--;
        io_uring_prep_read(e, empty_pipe, nothing, 1, (uint64_t)-1);
        e->user_data = data;
        e->rw_flags = RWF_NOWAIT;
    } else if (fake.bad_offset && e->opcode == IORING_OP_READ) {
        e->off += fake.bad_offset;
    } else if (fake.cut && e->opcode == IORING_OP_READ && e->len > fake.cut) {
        e->len = fake.cut;
    }
}

int io_uring_submit(struct io_uring *ring) {
    int (*real)(struct io_uring *);
    *(void **)&real = dlsym(RTLD_NEXT, "io_uring_submit");
    fake.submits++;
    if (fake.refusals > 0) {
        fake.refusals--;
        return fake.refuse_with;
    }
    for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++)
        tamper(&ring->sq.sqes[i & ring->sq.ring_mask]);
    return real(ring);
}

typedef struct world {
    tempdir dir;
    vfs_file *f;
    aio *a;
} world;

static const char text[] = "The quick brown fox jumps over the lazy dog";

static int setup(void **state) {
    static world w;
    int ends[2];
    memset(&fake, 0, sizeof fake);
    tempdir_make(&w.dir);
    unsigned flags = VFS_READ | VFS_WRITE | VFS_CREATE;
    assert_true(status_ok(vfs_open(vfs_posix(), tempdir_file(&w.dir, "f"), flags, &w.f)));
    assert_true(status_ok(vfs_pwrite(w.f, text, sizeof text, 0)));
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    empty_pipe = ends[0];
    assert_true(status_ok(aio_uring_new(&w.a)));
    *state = &w;
    return ends[1] < 0;
}

static int teardown(void **state) {
    world *w = *state;
    w->a->ops->close(w->a);
    assert_true(status_ok(w->f->ops->close(w->f)));
    tempdir_remove(&w->dir);
    close(empty_pipe); /* the other end goes with the program */
    return 0;
}

static void read_done(aio_read *r) {
    assert_true(status_ok(r->result));
    assert_int_equal(r->got, r->n);
    assert_memory_equal(r->p, text + r->offset, r->n);
    r->file = NULL;
}

static void unit_done(aio_read *r) {
    assert_true(status_ok(r->result));
    assert_int_equal(r->got, sizeof text);
    r->file = NULL;
}

static void sync_done(aio_sync *s) {
    assert_true(status_ok(s->result));
    s->n = 0;
}

/* Ten reads and a sync, all of which end well. */
static void read_and_sync(const world *w) {
    aio_read reads[10];
    char bytes[10][32];
    vfs_file *files[2] = {w->f, w->f};
    aio_sync s = {.done = sync_done, .files = files, .n = 2};
    for (unsigned i = 0; i < 10; i++) {
        reads[i] =
            (aio_read){.done = read_done, .file = w->f, .p = bytes[i], .n = 3 * i + 1, .offset = i};
        w->a->ops->read(w->a, &reads[i]);
    }
    w->a->ops->sync(w->a, &s);
    w->a->ops->drain(w->a);
    for (int i = 0; i < 10; i++)
        assert_null(reads[i].file);
    assert_int_equal(s.n, 0);
    assert_int_equal(w->a->stats.reading, 0);
    assert_int_equal(w->a->stats.syncing, 0);
}

/* One system call for all reads of a kick. */
static void test_one_call(void **state) {
    world *w = *state;
    aio_read reads[200];
    char bytes[200][4];
    for (unsigned i = 0; i < 200; i++) {
        reads[i] = (aio_read){.done = read_done, .file = w->f, .p = bytes[i], .n = 4, .offset = 2};
        w->a->ops->read(w->a, &reads[i]);
    }
    assert_int_equal(fake.submits, 0);
    aio_kick(w->a);
    assert_int_equal(fake.submits, 1);
    w->a->ops->drain(w->a);
    assert_int_equal(w->a->stats.reads, 200);
}

static void test_short_reads(void **state) {
    fake.cut = 3;
    read_and_sync(*state);
    assert_true(fake.submits > 3);
}

/* Past the page cache come whole units, to the file's end; what the kernel refuses to read so comes
 * by the threads, and from then on by the page cache. */
static void test_past_the_pages(void **state) {
    const world *w = *state;
    static char room[3 * 4096];
    char *p = (char *)(((uintptr_t)room + 4095) & ~(uintptr_t)4095);
    unsigned unit = aio_direct(w->a, w->f);
    if (unit == 0) return; /* a file system without */
    assert_true(unit <= 4096);
    aio_read r = {.done = unit_done, .file = w->f, .p = p, .n = 4096, .unit = unit};
    w->a->ops->read(w->a, &r);
    w->a->ops->drain(w->a);
    assert_null(r.file);
    assert_int_equal(r.unit, unit);
    assert_memory_equal(p, text, sizeof text);
    memset(p, 0, 4096);
    r = (aio_read){.done = unit_done, .file = w->f, .p = p, .n = 8192, .unit = unit};
    fake.bad_offset = 1;
    w->a->ops->read(w->a, &r);
    w->a->ops->drain(w->a);
    assert_null(r.file);
    assert_memory_equal(p, text, sizeof text);
    assert_int_equal(aio_direct(w->a, w->f), 0);
    fake.bad_offset = 0;
    r = (aio_read){.done = unit_done, .file = w->f, .p = p, .n = 8192, .unit = unit};
    w->a->ops->read(w->a, &r); /* asked for before */
    w->a->ops->drain(w->a);
    assert_null(r.file);
}

/* What the ring does not take up, the threads do. */
static void test_not_taken_up(void **state) {
    fake.not_taken = 5;
    read_and_sync(*state);
    assert_int_equal(fake.not_taken, 0);
    fake.not_taken = 100;
    read_and_sync(*state);
}

/* Entries that are refused are offered again, without anybody's asking. */
static void test_submit_refused(void **state) {
    static const int how[] = {-EINTR, -EAGAIN, -EBUSY};
    for (size_t i = 0; i < 3; i++) {
        fake.refusals = 4;
        fake.refuse_with = how[i];
        read_and_sync(*state);
        assert_int_equal(fake.refusals, 0);
    }
    /* Also when the owner only sleeps on the descriptor. */
    world *w = *state;
    char byte;
    aio_read r = {.done = read_done, .file = w->f, .p = &byte, .n = 1};
    fake.refusals = 2;
    w->a->ops->read(w->a, &r);
    aio_kick(w->a);
    for (int turns = 0; r.file && turns < 1000; turns++) {
        struct pollfd p = {aio_fd(w->a), POLLIN, 0};
        assert_int_equal(poll(&p, 1, 5000), 1);
        w->a->ops->poll(w->a);
    }
    assert_null(r.file);
}

/* Flags that an older kernel does not know are left out, one step at a time. */
static void test_older_kernels(void **state) {
    world *w = *state;
    static const unsigned unknown[] = {IORING_SETUP_DEFER_TASKRUN,
                                       IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN};
    for (size_t i = 0; i < 2; i++) {
        w->a->ops->close(w->a);
        fake.unknown_flags = unknown[i];
        assert_true(status_ok(aio_uring_new(&w->a)));
        assert_int_equal(fake.got_flags & unknown[i], 0);
        read_and_sync(w);
    }
}

/* No ring at all: threads, unless it was asked for. */
static void test_refused(void **state) {
    static const int why[] = {-EPERM, -ENOSYS, -ENOMEM, -EINVAL};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        aio *a = (aio *)1;
        fake.setup_error = why[i];
        status s = aio_new(AIO_URING, &a);
        assert_false(status_ok(s));
        assert_non_null(strstr(s.msg, "io_uring_setup: "));
        assert_null(a);
        assert_true(status_ok(aio_new(AIO_AUTO, &a)));
        assert_string_equal(a->method, "threads");
        a->ops->close(a);
        fake.setup_error = 0;
        assert_true(status_ok(aio_new(AIO_AUTO, &a)));
        assert_string_equal(a->method, "io_uring");
        a->ops->close(a);
        assert_true(status_ok(aio_new(AIO_THREADS, &a)));
        assert_string_equal(a->method, "threads");
        a->ops->close(a);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_one_call),       TEST(test_short_reads),   TEST(test_not_taken_up),
        TEST(test_submit_refused), TEST(test_older_kernels), TEST(test_refused),
        TEST(test_past_the_pages),
    };
    aio *a = NULL;
    log_set_level(LOG_LEVEL_WARNING);
    status s = aio_uring_new(&a);
    if (!status_ok(s)) {
        print_message("skipped: %s\n", s.msg);
        return 0;
    }
    a->ops->close(a);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
