/* Tests of aio's reads and syncs over real files: what is read, when it begins, what a failure
 * says, many at once, and what a fork finds. */
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/aio.h"
#include "io/vfs_overlay.h"
#include "support/tempdir.h"
#include "support/unit.h"

#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_BYTES (1u << 20)
#define MANY       3000u

typedef struct one {
    aio_read base;
    aio *a;
    uint64_t offset;
    int again; /* in done: asked for so many times more */
    int dones;
    bool drain_in_done;
    char bytes[64];
} one;

typedef struct world {
    aio_method method;
    tempdir dir;
    aio *a;
    vfs_file *f;
    char *content;
} world;

static aio *fresh(aio_method method) {
    aio *a = NULL;
    status s = method == AIO_URING ? aio_uring_new(&a) : aio_threads_new(&a);
    if (!status_ok(s)) fail_msg("%s", s.msg);
    return a;
}

/* The file's bytes say where they are. */
static void fill(char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        p[i] = (char)((i * 2654435761u) >> 11);
}

static vfs_file *create(const world *w, const char *name, size_t bytes) {
    vfs_file *f;
    unsigned flags = VFS_READ | VFS_WRITE | VFS_CREATE;
    assert_true(status_ok(vfs_open(vfs_posix(), tempdir_file(&w->dir, name), flags, &f)));
    if (bytes) assert_true(status_ok(vfs_pwrite(f, w->content, bytes, 0)));
    return f;
}

static int setup(void **state) {
    world *w = mem_zalloc(sizeof *w);
    tempdir_make(&w->dir);
    w->content = mem_alloc(FILE_BYTES);
    fill(w->content, FILE_BYTES);
    w->f = create(w, "data", FILE_BYTES);
    w->method = *(const aio_method *)*state;
    w->a = fresh(w->method);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    w->a->ops->close(w->a);
    assert_true(status_ok(w->f->ops->close(w->f)));
    tempdir_remove(&w->dir);
    mem_free(w->content);
    mem_free(w);
    return 0;
}

static void one_done(aio_read *r) {
    one *o = (one *)r;
    o->dones++;
    if (o->again > 0) {
        o->again--;
        o->a->ops->read(o->a, r);
    }
    if (o->drain_in_done) {
        o->drain_in_done = false;
        o->a->ops->drain(o->a);
    }
}

static void ask(const world *w, one *o, vfs_file *f, uint64_t offset, size_t n) {
    assert_true(n <= sizeof o->bytes);
    o->base.done = one_done;
    o->base.file = f;
    o->base.p = o->bytes;
    o->base.n = n;
    o->base.offset = offset;
    o->a = w->a;
    w->a->ops->read(w->a, &o->base);
}

static void check_bytes(const world *w, const one *o) {
    assert_int_equal(o->base.result.code, ST_OK);
    assert_int_equal(o->base.got, o->base.n);
    assert_memory_equal(o->bytes, w->content + o->base.offset, o->base.n);
}

/* Many more than any queue has places for, at random offsets, asked for at once. */
static void test_many(void **state) {
    world *w = *state;
    one *all = mem_zalloc(MANY * sizeof *all);
    for (unsigned i = 0; i < MANY; i++)
        ask(w, &all[i], w->f, (i * 7919u) % (FILE_BYTES - 64), 1 + i % 64);
    assert_int_equal(w->a->stats.reading, MANY);
    w->a->ops->drain(w->a);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(all[i].dones, 1);
        check_bytes(w, &all[i]);
    }
    assert_int_equal(w->a->stats.reads, MANY);
    assert_int_equal(w->a->stats.reading, 0);
    assert_int_equal(w->a->stats.reading_most, MANY);
    assert_int_equal(w->a->stats.read_failures, 0);
    mem_free(all);
}

/* The descriptor says when; done is called by poll alone. */
static void test_begins_at_kick(void **state) {
    world *w = *state;
    one o = {0};
    struct pollfd p = {aio_fd(w->a), POLLIN, 0};
    aio_kick(w->a); /* nothing to do */
    assert_int_equal(w->a->stats.kicks, 0);
    ask(w, &o, w->f, 5, 10);
    assert_int_equal(poll(&p, 1, 20), 0);
    aio_kick(w->a);
    assert_int_equal(w->a->stats.kicks, 1);
    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_int_equal(o.dones, 0);
    while (!o.dones)
        w->a->ops->poll(w->a);
    check_bytes(w, &o);
    assert_int_equal(poll(&p, 1, 0), 0);
    one q = {0};
    ask(w, &q, w->f, 50, 10);
    while (!q.dones)
        w->a->ops->poll(w->a); /* kicks too */
    check_bytes(w, &q);
}

/* At the file's end and behind it. */
static void test_end_of_file(void **state) {
    world *w = *state;
    one o = {0}, q = {0};
    ask(w, &o, w->f, FILE_BYTES - 7, 64);
    ask(w, &q, w->f, FILE_BYTES + 4096, 64);
    w->a->ops->drain(w->a);
    assert_true(status_ok(o.base.result) && status_ok(q.base.result));
    assert_int_equal(o.base.got, 7);
    assert_memory_equal(o.bytes, w->content + FILE_BYTES - 7, 7);
    assert_int_equal(q.base.got, 0);
}

/* A failure says what pread would; the read may be used again. */
static void test_failure(void **state) {
    world *w = *state;
    vfs_file *deaf;
    const char *path = tempdir_file(&w->dir, "data");
    assert_true(status_ok(vfs_open(vfs_posix(), path, VFS_WRITE, &deaf)));
    one o = {0}, good = {0};
    ask(w, &o, deaf, 0, 8);
    ask(w, &good, w->f, 0, 8);
    w->a->ops->drain(w->a);
    assert_int_equal(o.base.result.code, ST_IO);
    assert_non_null(strstr(o.base.result.msg, "Bad file descriptor"));
    assert_non_null(strstr(o.base.result.msg, "/data"));
    check_bytes(w, &good);
    assert_int_equal(w->a->stats.read_failures, 1);
    ask(w, &o, w->f, 0, 8);
    w->a->ops->drain(w->a);
    check_bytes(w, &o);
    assert_true(status_ok(deaf->ops->close(deaf)));
}

/* done asks again, and drains: nothing is lost, nothing is told of twice. */
static void test_done_asks_again(void **state) {
    world *w = *state;
    one o = {.again = 30}, q = {.drain_in_done = true}, r = {0};
    ask(w, &o, w->f, 100, 20);
    ask(w, &q, w->f, 200, 20);
    ask(w, &r, w->f, 300, 20);
    w->a->ops->drain(w->a);
    assert_int_equal(o.dones, 31);
    assert_int_equal(q.dones, 1);
    assert_int_equal(r.dones, 1);
    check_bytes(w, &o);
    check_bytes(w, &q);
    check_bytes(w, &r);
}

typedef struct synced {
    aio_sync base;
    int dones;
} synced;

static void sync_done(aio_sync *s) {
    ((synced *)s)->dones++;
}

/* Whoever sleeps on the descriptor is woken by what ends meanwhile. */
static void test_wakes(void **state) {
    world *w = *state;
    struct pollfd p = {aio_fd(w->a), POLLIN, 0};
    for (int i = 0; i < 20; i++) {
        synced s = {.base = {.done = sync_done, .files = &w->f, .n = 1}};
        assert_true(status_ok(vfs_pwrite(w->f, w->content, FILE_BYTES, 0)));
        w->a->ops->sync(w->a, &s.base);
        for (int turns = 0; !s.dones && turns < 1000; turns++) {
            assert_int_equal(poll(&p, 1, 10000), 1);
            w->a->ops->poll(w->a);
        }
        assert_true(s.dones == 1 && status_ok(s.base.result));
        assert_int_equal(poll(&p, 1, 0), 0);
    }
}

/* Who awaits a completion has it, and nobody waits for one that does not come. */
static void test_await(void **state) {
    world *w = *state;
    synced s = {.base = {.done = sync_done, .files = &w->f, .n = 1}};
    assert_int_equal(aio_await(w->a, 1000), 0);
    assert_true(status_ok(vfs_pwrite(w->f, w->content, FILE_BYTES, 0)));
    w->a->ops->sync(w->a, &s.base);
    for (int turns = 0; !s.dones && turns < 1000; turns++)
        (void)aio_await(w->a, 10000000);
    assert_true(s.dones == 1 && status_ok(s.base.result));
}

/* Each file in order; the first that fails ends it, and is named. */
static void test_sync(void **state) {
    world *w = *state;
    int pipes[2];
    vfs_file *files[3] = {create(w, "a", 100), create(w, "b", 100), create(w, "c", 100)};
    synced s = {.base = {.done = sync_done, .files = files, .n = 3}};
    w->a->ops->sync(w->a, &s.base);
    assert_int_equal(w->a->stats.syncing, 1);
    w->a->ops->drain(w->a);
    assert_int_equal(s.dones, 1);
    assert_true(status_ok(s.base.result));
    assert_int_equal(s.base.at, 3);
    assert_int_equal(w->a->stats.syncs, 1);
    /* A pipe cannot be synced: EINVAL. */
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(dup2(pipes[0], vfs_posix_fd(files[1])), vfs_posix_fd(files[1]));
    w->a->ops->sync(w->a, &s.base);
    w->a->ops->drain(w->a);
    assert_int_equal(s.dones, 2);
    assert_int_equal(s.base.result.code, ST_IO);
    assert_non_null(strstr(s.base.result.msg, "/b: Invalid argument"));
    assert_int_equal(s.base.at, 1);
    close(pipes[0]);
    close(pipes[1]);
    for (int i = 0; i < 3; i++)
        assert_true(status_ok(files[i]->ops->close(files[i])));
}

/* A fork between asking and the end: the parent gets all it asked for. */
static void test_fork(void **state) {
    world *w = *state;
    enum { N = 500 };
    one *all = mem_zalloc(N * sizeof *all);
    for (unsigned i = 0; i < N; i++)
        ask(w, &all[i], w->f, i * 1000, 64);
    aio_kick(w->a);
    pid_t pid = fork();
    if (pid == 0) {
        close(aio_fd(w->a));
        _exit(0);
    }
    w->a->ops->drain(w->a);
    for (unsigned i = 0; i < N; i++)
        check_bytes(w, &all[i]);
    int how = 0;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(how, 0);
    mem_free(all);
}

/* close waits for what is under way. */
static void test_close_with_reads(void **state) {
    world *w = *state;
    one all[200] = {0};
    for (unsigned i = 0; i < 200; i++)
        ask(w, &all[i], w->f, i * 64, 64);
    w->a->ops->close(w->a);
    for (unsigned i = 0; i < 200; i++)
        check_bytes(w, &all[i]);
    w->a = fresh(w->method);
}

/* A file that is not the system's is read and synced through its own functions. */
static void test_other_files(void **state) {
    world *w = *state;
    vfs_overlay_options opt = {.lower = vfs_posix(), .upper = vfs_posix(), .scratch = w->dir.path};
    vfs *v = vfs_overlay_new(&opt);
    vfs_file *f;
    assert_true(status_ok(vfs_open(v, tempdir_file(&w->dir, "data"), VFS_READ, &f)));
    one o = {0};
    synced s = {.base = {.done = sync_done, .files = &f, .n = 1}};
    ask(w, &o, f, 1234, 50);
    w->a->ops->sync(w->a, &s.base);
    w->a->ops->drain(w->a);
    check_bytes(w, &o);
    assert_true(s.dones == 1 && status_ok(s.base.result));
    assert_true(status_ok(f->ops->close(f)));
    vfs_overlay_free(v);
}

/* Each test with each method that this machine has. */
int main(void) {
    static aio_method threads = AIO_THREADS, uring = AIO_URING;
#define BOTH(test)                                                                                 \
    {#test " over threads", test, setup, teardown, &threads}, {                                    \
#test " over io_uring", test, setup, teardown, &uring                                      \
    }
    struct CMUnitTest tests[] = {
        BOTH(test_many),
        BOTH(test_begins_at_kick),
        BOTH(test_end_of_file),
        BOTH(test_failure),
        BOTH(test_done_asks_again),
        BOTH(test_sync),
        BOTH(test_wakes),
        BOTH(test_await),
        BOTH(test_fork),
        BOTH(test_other_files),
        BOTH(test_close_with_reads),
    };
    aio *a = NULL;
    if (status_ok(aio_uring_new(&a))) {
        a->ops->close(a);
        return cmocka_run_group_tests(tests, NULL, NULL);
    }
    struct CMUnitTest some[sizeof tests / sizeof *tests / 2];
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        some[i] = tests[2 * i];
    return cmocka_run_group_tests(some, NULL, NULL);
}
