/* Tests of an aio's jobs: order in a lane, lanes side by side, completion, drain, and the fork.
 * They are run by threads, with io_uring too. */
#include "base/log.h"
#include "io/aio.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define JOBS 200

/* pthread_create of this program: fails when told to. */
static bool no_threads;
typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
    if (no_threads) return EAGAIN;
    create_fn real;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(t, attr, fn, arg);
}

typedef struct job {
    aio_job base;
    aio *a;
    int number;
    pthread_t ran_on;
    sem_t *wait_for, *then_post; /* in run */
    status_code fail_with;
    int *ran, *done; /* counters: the order is checked against number */
    int submit_more; /* in done */
    bool drain_in_done;
    sigset_t blocked;
} job;

static void run(aio_job *base) {
    job *j = (job *)base;
    j->ran_on = pthread_self();
    pthread_sigmask(SIG_BLOCK, NULL, &j->blocked);
    if (j->wait_for) sem_wait(j->wait_for);
    if (j->ran) {
        CHECK(*j->ran == j->number);
        ++*j->ran;
    }
    if (j->fail_with) j->base.result = status_make(j->fail_with, "job %d failed", j->number);
    if (j->then_post) sem_post(j->then_post);
}

static void done(aio_job *base) {
    job *j = (job *)base;
    if (j->done) {
        assert_int_equal(*j->done, j->number);
        ++*j->done;
    }
    if (j->submit_more > 0) {
        j->submit_more--;
        if (j->done) j->number = *j->done;
        aio_submit(j->a, j->base.lane, base);
    }
    if (j->drain_in_done) {
        j->drain_in_done = false;
        j->a->ops->drain(j->a);
    }
}

static job make(aio *a, int number) {
    return (job){.base = {.run = run, .done = done}, .a = a, .number = number};
}

static bool readable(aio *a) {
    struct pollfd p = {aio_fd(a), POLLIN, 0};
    return poll(&p, 1, 0) == 1;
}

static aio_method method = AIO_THREADS;

static aio *fresh(void) {
    aio *a = NULL;
    assert_true(status_ok(aio_new(method, &a)));
    return a;
}

static void test_order_in_lane(void **state) {
    (void)state;
    aio *a = fresh();
    static job jobs[AIO_LANES][JOBS];
    int ran[AIO_LANES] = {0}, ended[AIO_LANES] = {0};
    for (int i = 0; i < JOBS; i++)
        for (int lane = 0; lane < AIO_LANES; lane++) {
            jobs[lane][i] = make(a, i);
            jobs[lane][i].ran = &ran[lane];
            jobs[lane][i].done = &ended[lane];
            aio_submit(a, (aio_lane)lane, &jobs[lane][i].base);
        }
    a->ops->drain(a);
    for (int lane = 0; lane < AIO_LANES; lane++) {
        assert_int_equal(ran[lane], JOBS);
        assert_int_equal(ended[lane], JOBS);
        for (int i = 0; i < JOBS; i++) {
            assert_true(pthread_equal(jobs[lane][i].ran_on, jobs[lane][0].ran_on));
            assert_false(pthread_equal(jobs[lane][i].ran_on, pthread_self()));
            assert_true(status_ok(jobs[lane][i].base.result));
        }
    }
    assert_false(pthread_equal(jobs[0][0].ran_on, jobs[1][0].ran_on));
    assert_false(readable(a));
    a->ops->close(a);
}

/* The first job of one lane waits for a job of the other, which was submitted later. */
static void test_lanes_side_by_side(void **state) {
    (void)state;
    aio *a = fresh();
    sem_t go;
    sem_init(&go, 0, 0);
    job first = make(a, 0), second = make(a, 0);
    first.wait_for = &go;
    second.then_post = &go;
    aio_submit(a, AIO_LOG, &first.base);
    aio_submit(a, AIO_HOUSEKEEP, &second.base);
    a->ops->drain(a);
    a->ops->close(a);
    sem_destroy(&go);
}

static void test_completion_event(void **state) {
    (void)state;
    aio *a = fresh();
    sem_t go;
    sem_init(&go, 0, 0);
    assert_int_equal(a->ops->poll(a), 0);
    assert_false(readable(a));
    job j = make(a, 7);
    int ended = 7;
    j.wait_for = &go;
    j.done = &ended;
    aio_submit(a, AIO_LOG, &j.base);
    assert_int_equal(a->ops->poll(a), 0); /* it cannot have run yet */
    assert_false(readable(a));
    sem_post(&go);
    struct pollfd p = {aio_fd(a), POLLIN, 0};
    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_int_equal(ended, 7); /* done is called by poll alone */
    assert_int_equal(a->ops->poll(a), 1);
    assert_int_equal(ended, 8);
    assert_false(readable(a));
    assert_int_equal(a->ops->poll(a), 0);
    a->ops->close(a);
    sem_destroy(&go);
}

/* The worker's ring of messages has gone round by the time that we look. */
static void test_messages_are_copied(void **state) {
    (void)state;
    aio *a = fresh();
    static job jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = make(a, i);
        jobs[i].fail_with = ST_NO_SPACE;
        aio_submit(a, AIO_LOG, &jobs[i].base);
    }
    a->ops->drain(a);
    for (int i = 0; i < JOBS; i++) {
        char want[32];
        snprintf(want, sizeof(want), "job %d failed", i);
        assert_int_equal(jobs[i].base.result.code, ST_NO_SPACE);
        assert_string_equal(jobs[i].base.result.msg, want);
        assert_ptr_equal(jobs[i].base.result.msg, jobs[i].base.result_msg);
    }
    /* A job used again starts from a clean result. */
    jobs[0].fail_with = ST_OK;
    aio_submit(a, AIO_LOG, &jobs[0].base);
    a->ops->close(a); /* drains */
    assert_true(status_ok(jobs[0].base.result));
}

/* drain waits for what a done submits too; done may drain itself. */
static void test_done_submits_and_drains(void **state) {
    (void)state;
    aio *a = fresh();
    int ended = 0, also = 0;
    job j = make(a, 0), k = make(a, 0), l = make(a, 1);
    j.done = &ended;
    j.submit_more = 20;
    aio_submit(a, AIO_LOG, &j.base);
    a->ops->drain(a);
    assert_int_equal(ended, 21);
    k.done = l.done = &also;
    k.drain_in_done = true;
    aio_submit(a, AIO_HOUSEKEEP, &k.base);
    aio_submit(a, AIO_HOUSEKEEP, &l.base);
    a->ops->drain(a);
    assert_int_equal(also, 2);
    assert_false(readable(a));
    a->ops->close(a);
}

static void test_signals_blocked(void **state) {
    (void)state;
    aio *a = fresh();
    job j = make(a, 0);
    aio_submit(a, AIO_LOG, &j.base);
    a->ops->drain(a);
    assert_true(sigismember(&j.blocked, SIGTERM));
    assert_true(sigismember(&j.blocked, SIGCHLD));
    assert_false(sigismember(&j.blocked, SIGSEGV)); /* its own crash is to be reported */
    sigset_t mine;
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    assert_false(sigismember(&mine, SIGTERM)); /* the caller's mask is as it was */
    a->ops->close(a);
}

/* Without a thread the job runs inside submit, and is seen by poll like any other. */
static void test_no_thread_to_be_had(void **state) {
    (void)state;
    aio *a = fresh();
    int ran = 0, ended = 0;
    job j = make(a, 0), k = make(a, 1);
    j.ran = k.ran = &ran;
    j.done = k.done = &ended;
    no_threads = true;
    aio_submit(a, AIO_LOG, &j.base);
    no_threads = false;
    assert_int_equal(ran, 1);
    assert_int_equal(ended, 0);
    assert_true(readable(a));
    assert_true(pthread_equal(j.ran_on, pthread_self()));
    aio_submit(a, AIO_LOG, &k.base);
    a->ops->drain(a);
    assert_int_equal(ended, 2);
    assert_false(pthread_equal(k.ran_on, pthread_self()));
    a->ops->close(a);
}

static void note_read(aio_read *r) {
    assert_true(status_ok(r->result));
    r->n = 0;
}

/* Likewise reads, inside kick. */
static void test_no_thread_to_read(void **state) {
    (void)state;
    aio *a = fresh();
    vfs_file *f;
    char bytes[4][8];
    aio_read reads[4];
    assert_true(status_ok(vfs_open(vfs_posix(), "/proc/self/exe", VFS_READ, &f)));
    no_threads = true;
    for (int i = 0; i < 4; i++) {
        reads[i] = (aio_read){.done = note_read, .file = f, .p = bytes[i], .n = 4};
        a->ops->read(a, &reads[i]);
    }
    assert_false(readable(a));
    aio_kick(a);
    no_threads = false;
    if (method == AIO_THREADS) assert_true(readable(a));
    a->ops->drain(a);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(reads[i].n, 0);
        assert_memory_equal(bytes[i], "\177ELF", 4);
    }
    a->ops->close(a);
    assert_true(status_ok(f->ops->close(f)));
}

/* A child has no workers: using the parent's aio there is a bug, and ends it at once. */
static void test_not_in_a_child(void **state) {
    (void)state;
    aio *a = fresh();
    job j = make(a, 0);
    aio_submit(a, AIO_LOG, &j.base);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO); /* the message is not for the reader of this test */
        close(STDOUT_FILENO);
        a->ops->poll(a);
        _exit(0);
    }
    int how = 0;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
    a->ops->close(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_in_lane),           cmocka_unit_test(test_lanes_side_by_side),
        cmocka_unit_test(test_completion_event),        cmocka_unit_test(test_messages_are_copied),
        cmocka_unit_test(test_done_submits_and_drains), cmocka_unit_test(test_signals_blocked),
        cmocka_unit_test(test_no_thread_to_be_had),     cmocka_unit_test(test_no_thread_to_read),
        cmocka_unit_test(test_not_in_a_child),
    };
    log_set_level(LOG_LEVEL_WARNING);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    method = AIO_AUTO;
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
