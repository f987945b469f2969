/* Tests of child_fork: results and messages, progress, crashes and kills, the death of the parent,
 * and what a child does and does not inherit.
 *
 * Jobs tell what they saw through the result's bytes, or through a page shared with the test. */
#include "base/clock.h"
#include "base/mem.h"
#include "io/child.h"
#include "io/child_pipe.h"
#include "support/tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Shared with the children. */
typedef struct shared {
    _Atomic int flag;
    _Atomic int pid;
} shared;

typedef struct test_job {
    child_job base;
    int done_calls, progress_calls;
    status_code code;
    char msg[STATUS_MSG_MAX];
    buf out;
    uint64_t last_done, last_total;
    bool kill_in_progress;
    struct test_job *start_in_done;
    uint64_t most_cow; /* that was told with progress */
} test_job;

static child_host *host;
static shared *page;
static int forks_seen;

static void before_fork(void *ctx) {
    ++*(int *)ctx;
}

static int setup(void **state) {
    (void)state;
    static const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    forks_seen = 0;
    child_fork_hooks hooks = {.before_fork = before_fork, .ctx = &forks_seen};
    assert_true(status_ok(child_fork_new(&hooks, &host)));
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (host) host->ops->close(host);
    host = NULL;
    munmap(page, sizeof(*page));
    return 0;
}

static void on_done(child_job *base, status result, slice out) {
    test_job *j = (test_job *)base;
    j->done_calls++;
    j->code = result.code;
    snprintf(j->msg, sizeof(j->msg), "%s", result.msg);
    buf_clear(&j->out);
    buf_append_slice(&j->out, out);
    if (j->start_in_done) assert_true(status_ok(host->ops->start(host, &j->start_in_done->base)));
}

static child_fork_stats stats(void);
static void on_progress(child_job *base, uint64_t done, uint64_t total) {
    test_job *j = (test_job *)base;
    child_fork_stats s = stats();
    assert_true(s.cow >= base->child_cow_bytes && s.cow_peak >= s.cow);
    if (s.cow > j->most_cow) j->most_cow = s.cow;
    if (s.cow) assert_in_range(s.cow_us, base->started_us, clock_mono_us());
    assert_int_equal(j->done_calls, 0);
    j->progress_calls++;
    j->last_done = done;
    j->last_total = total;
    if (j->kill_in_progress) host->ops->kill(host, base);
}

static test_job make(status (*run)(child_job *, vfs *, buf *)) {
    return (test_job){
        .base = {.name = "test", .run = run, .done = on_done, .progress = on_progress}};
}

/* Waits, as a reactor would, until the job is done. */
static void wait_for(test_job *j) {
    while (!j->done_calls) {
        struct pollfd p = {child_fork_fd(host), POLLIN, 0};
        assert_int_equal(poll(&p, 1, 10000), 1);
        host->ops->poll(host);
    }
    assert_int_equal(j->done_calls, 1);
}

static child_fork_stats stats(void) {
    child_fork_stats s;
    child_fork_stats_of(host, &s);
    return s;
}

static void start(test_job *j) {
    status s = host->ops->start(host, &j->base);
    if (!status_ok(s)) fail_msg("start: %s", s.msg);
}

static void run_to_end(test_job *j) {
    start(j);
    wait_for(j);
}

static void assert_failed(const test_job *j, const char *after_pid) {
    char want[128];
    snprintf(want, sizeof(want), "test child %d %s", j->base.pid, after_pid);
    assert_int_equal(j->code, ST_FAILED);
    assert_string_equal(j->msg, want);
    assert_int_equal(j->out.len, 0);
}

/* ---- results
 * -----------------------------------------------------------------------------------*/

static status job_hello(child_job *j, vfs *v, buf *out) {
    (void)v;
    buf_printf(out, "hello from %d, ctx %s", getpid(), (const char *)j->ctx);
    return STATUS_OK;
}

static void test_result(void **state) {
    (void)state;
    test_job j = make(job_hello);
    char ctx[] = "old", want[64];
    j.base.ctx = ctx;
    start(&j);
    memcpy(ctx, "new", 4); /* the child has memory as it was at the fork */
    assert_int_equal(child_fork_alive(host), 1);
    wait_for(&j);
    snprintf(want, sizeof(want), "hello from %d, ctx old", j.base.pid);
    assert_int_equal(j.code, ST_OK);
    assert_string_equal(j.msg, "");
    assert_true(slice_eq(buf_slice(&j.out), slice_cstr(want)));
    assert_int_equal(child_fork_alive(host), 0);
    assert_int_equal(stats().count, 1);
    assert_int_equal(forks_seen, 1);
    assert_true(stats().last_us == j.base.fork_us);
    assert_true(j.base.started_us > 0);
    assert_int_equal(waitpid(j.base.pid, NULL, WNOHANG), -1); /* reaped */
    assert_int_equal(host->ops->poll(host), 0);
    buf_free(&j.out);
}

static status job_fails(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    buf_append(out, "part", 4);
    return status_make(ST_NO_SPACE, "write /x: No space left on device");
}

static void test_failure(void **state) {
    (void)state;
    test_job j = make(job_fails);
    run_to_end(&j);
    assert_int_equal(j.code, ST_NO_SPACE);
    assert_string_equal(j.msg, "write /x: No space left on device");
    assert_true(slice_eq(buf_slice(&j.out), SLICE("part")));
    buf_free(&j.out);
}

#define BIG (5u << 20)
static char big_byte(size_t i) {
    return (char)(i * 31 + i / 4096);
}

static status job_big(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    char *p = buf_reserve(out, BIG);
    for (size_t i = 0; i < BIG; i++)
        p[i] = big_byte(i);
    out->len += BIG;
    return STATUS_OK;
}

static status job_too_big(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    memset(buf_reserve(out, CHILD_RESULT_MAX + 1), 0, CHILD_RESULT_MAX + 1);
    out->len = CHILD_RESULT_MAX + 1;
    return STATUS_OK;
}

static void test_sizes(void **state) {
    (void)state;
    test_job j = make(job_big), k = make(job_too_big);
    run_to_end(&j);
    assert_int_equal(j.code, ST_OK);
    assert_int_equal(j.out.len, BIG);
    for (size_t i = 0; i < BIG; i += 97)
        assert_true(j.out.data[i] == big_byte(i));
    run_to_end(&k);
    assert_int_equal(k.code, ST_LIMIT);
    assert_non_null(strstr(k.msg, "test: a result of 67108865 bytes"));
    assert_int_equal(k.out.len, 0);
    buf_free(&j.out);
    buf_free(&k.out);
}

/* ---- progress
 * ----------------------------------------------------------------------------------*/

static void sleep_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        continue;
}

#define DIRTY      (8u << 20)
#define COW_BESIDE (256u << 20) /* sanitizers write a lot */
static char *dirty;             /* written by the parent before, by the child after the fork */

static status job_progress(child_job *j, vfs *v, buf *out) {
    (void)v;
    (void)out;
    (void)j;
    memset(dirty, 2, DIRTY);
    for (uint64_t i = 1; i <= 1000; i++) {
        child_progress(i, 1000); /* most of these send nothing */
        if (i % 400 == 0) sleep_ms(110);
    }
    return STATUS_OK;
}

static void test_progress(void **state) {
    (void)state;
    dirty = mmap(NULL, DIRTY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(dirty, 1, DIRTY);
    test_job j = make(job_progress);
    run_to_end(&j);
    assert_int_equal(j.code, ST_OK);
    assert_in_range(j.progress_calls, 2, 6); /* the first, and after each sleep */
    assert_true(j.last_done > 1 && j.last_done <= 1000);
    assert_int_equal(j.last_total, 1000);
    if (access("/proc/self/smaps_rollup", R_OK) == 0) {
        assert_in_range(j.base.child_cow_bytes, DIRTY, DIRTY + COW_BESIDE);
        assert_in_range(j.most_cow, DIRTY, DIRTY + COW_BESIDE);
        assert_true(stats().last_cow == j.base.child_cow_bytes);
    }
    /* no child is left to copy anything */
    assert_true(stats().cow == 0 && stats().cow_peak == 0 && stats().cow_us == 0);
    munmap(dirty, DIRTY);
    child_progress(1, 2); /* outside of a child: nothing happens */
    child_throttle(1u << 30, 1);
}

/* Pages that the parent writes to while the child lives are copied as well, and count. */
static status job_wait_for_flag(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    (void)out;
    while (!page->flag)
        sleep_ms(1);
    return STATUS_OK;
}

static void test_parent_writes(void **state) {
    (void)state;
    if (access("/proc/self/smaps_rollup", R_OK) != 0) skip();
    test_job idle = make(job_wait_for_flag), busy = make(job_wait_for_flag);
    char *p = mmap(NULL, DIRTY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, DIRTY);
    page->flag = 1;
    run_to_end(&idle);
    page->flag = 0;
    start(&busy);
    memset(p, 2, DIRTY);
    page->flag = 1;
    wait_for(&busy);
    assert_in_range(busy.base.child_cow_bytes, idle.base.child_cow_bytes + DIRTY / 8 * 7,
                    idle.base.child_cow_bytes + DIRTY + COW_BESIDE);
    munmap(p, DIRTY);
}

/* What a fork costs a gigabyte is told of those only that had much to copy. */
static void test_rate(void **state) {
    (void)state;
    page->flag = 1;
    test_job small = make(job_wait_for_flag), large = make(job_wait_for_flag);
    run_to_end(&small);
    assert_int_equal(stats().us_per_gb, 0);
    size_t bytes = 96u << 20;
    char *p = mem_alloc(bytes), *cache = mem_map(bytes); /* the latter: not copied, not counted */
    memset(p, 1, bytes);
    memset(cache, 1, bytes);
    run_to_end(&large);
    assert_in_range(stats().last_inherited, bytes, bytes + (32u << 20));
    assert_int_equal(stats().us_per_gb, (uint64_t)((double)stats().last_us * (1 << 30) /
                                                   (double)stats().last_inherited));
    mem_unmap(cache, bytes);
    mem_free(p);
}

static status job_throttled(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    child_throttle(1u << 30, 0); /* no limit */
    for (int i = 0; i < 40; i++)
        child_throttle(10000, 1000000);
    clock_gettime(CLOCK_MONOTONIC, &b);
    long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
    buf_append(out, &ms, sizeof(ms));
    return STATUS_OK;
}

/* 400 KB at 1 MB/s take 0.4 s, less the burst of 0.1 s that is allowed after a pause. */
static void test_throttle(void **state) {
    (void)state;
    test_job j = make(job_throttled);
    run_to_end(&j);
    long ms = 0;
    assert_int_equal(j.out.len, sizeof(ms));
    memcpy(&ms, j.out.data, sizeof(ms));
    assert_in_range(ms, 290, 5000);
    buf_free(&j.out);
}

/* ---- ends that are no results
 * ------------------------------------------------------------------*/

static status job_segv(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    buf_append(out, "lost", 4);
    signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own */
    raise(SIGSEGV);
    return STATUS_OK;
}

static status job_exits(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    (void)out;
    _exit(0);
}

static status job_waits(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    (void)out;
    page->pid = getpid();
    page->flag = 1;
    while (page->flag)
        pause();
    return STATUS_OK;
}

/* Descriptor of the pipe to the parent: the one FIFO above standard error that is open here. */
static int own_pipe(void) {
    for (int fd = 3; fd < 1024; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) return fd;
    }
    return -1;
}

static status job_babbles(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    (void)out;
    static char noise[3 << 20]; /* more than a pipe holds: the parent must go on reading */
    memset(noise, 'x', sizeof(noise));
    if (write(own_pipe(), noise, sizeof(noise)) < 0) _exit(3);
    return STATUS_OK;
}

static status job_two_results(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    (void)out;
    child_frame f = {CHILD_RESULT, ST_OK, 0, 0, SLICE_EMPTY};
    if (!child_frame_write(own_pipe(), &f)) _exit(3);
    return STATUS_OK;
}

static status job_bad_code(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    (void)out;
    child_frame f = {CHILD_RESULT, 99, 0, 0, SLICE_EMPTY};
    if (!child_frame_write(own_pipe(), &f)) _exit(3);
    _exit(0);
}

static status job_result_then_death(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    (void)out;
    child_frame f = {CHILD_RESULT, ST_OK, 0, 0, SLICE_EMPTY};
    if (!child_frame_write(own_pipe(), &f)) _exit(3);
    _exit(7);
}

static void test_bad_ends(void **state) {
    (void)state;
    static const struct {
        status (*run)(child_job *, vfs *, buf *);
        const char *message;
    } ends[] = {
        {job_segv, "was ended by signal 11 (SIGSEGV)"},
        {job_exits, "ended without a result"},
        {job_babbles, "gave a damaged result"},
        {job_two_results, "gave a damaged result"},
        {job_bad_code, "gave a damaged result"},
        {job_result_then_death, "gave a damaged result"},
    };
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        test_job j = make(ends[i].run);
        run_to_end(&j);
        assert_failed(&j, ends[i].message);
        buf_free(&j.out);
    }
}

static void wait_for_flag(void) {
    for (int i = 0; i < 5000 && !page->flag; i++)
        sleep_ms(1);
    assert_int_equal(page->flag, 1);
}

static void test_killed(void **state) {
    (void)state;
    test_job j = make(job_waits), k = make(job_waits), other = make(job_hello);
    start(&j);
    wait_for_flag();
    kill(j.base.pid, SIGKILL); /* by the operator, or for want of memory */
    wait_for(&j);
    assert_failed(&j, "was ended by signal 9 (SIGKILL)");
    page->flag = 0;
    start(&k);
    wait_for_flag();
    host->ops->kill(host, &other.base); /* not running: nothing happens */
    assert_int_equal(child_fork_alive(host), 1);
    host->ops->kill(host, &k.base);
    wait_for(&k);
    assert_failed(&k, "was told to end");
    host->ops->kill(host, &k.base);
}

/* A job that is killed while its result is on the way has failed all the same. */
static void test_killed_too_late(void **state) {
    (void)state;
    char ctx[] = "x";
    test_job j = make(job_hello);
    j.base.ctx = ctx;
    start(&j);
    struct pollfd p = {child_fork_fd(host), POLLIN, 0};
    assert_int_equal(poll(&p, 1, 10000), 1);
    host->ops->kill(host, &j.base);
    wait_for(&j);
    assert_failed(&j, "was told to end");
    buf_free(&j.out);
}

static status job_reports_for_ever(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    (void)out;
    for (uint64_t i = 0; i < UINT64_MAX; i++) {
        child_progress(i, 0);
        sleep_ms(1);
    }
    return STATUS_OK;
}

static void test_killed_from_progress(void **state) {
    (void)state;
    test_job j = make(job_reports_for_ever);
    j.kill_in_progress = true;
    run_to_end(&j);
    assert_int_equal(j.progress_calls, 1);
    assert_failed(&j, "was told to end");
}

static void test_several(void **state) {
    (void)state;
    char ctx[] = "x";
    test_job slow = make(job_waits), first = make(job_hello), next = make(job_hello);
    first.base.ctx = next.base.ctx = ctx;
    first.start_in_done = &next;
    start(&slow);
    start(&first);
    assert_int_equal(child_fork_alive(host), 2);
    wait_for(&first);
    wait_for(&next); /* started from the first one's done */
    assert_int_equal(next.code, ST_OK);
    assert_int_equal(slow.done_calls, 0);
    assert_int_equal(stats().count, 3);
    pid_t pid = slow.base.pid;
    slow.start_in_done = NULL;
    host->ops->close(host);
    host = NULL;
    assert_int_equal(slow.done_calls, 1);
    assert_failed(&slow, "was told to end");
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
    buf_free(&first.out);
    buf_free(&next.out);
}

/* ---- what a child is
 * ---------------------------------------------------------------------------*/

static int inherited[6]; /* socket, pipe, epoll, eventfd, file, directory */

static status job_looks(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    char title[17] = {0}, files[7] = {0};
    for (int i = 0; i < 6; i++)
        files[i] = fcntl(inherited[i], F_GETFD) >= 0 ? 'y' : 'n';
    prctl(PR_GET_NAME, title);
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    struct sigaction term, intr;
    sigaction(SIGTERM, NULL, &term);
    sigaction(SIGINT, NULL, &intr);
    int death = 0;
    prctl(PR_GET_PDEATHSIG, &death);
    buf_printf(out, "%s %s nice %d io %ld blocked %d term %d int %d death %d", title, files,
               getpriority(PRIO_PROCESS, 0), syscall(SYS_ioprio_get, 1, 0),
               sigismember(&mask, SIGTERM), term.sa_handler == SIG_DFL, intr.sa_handler == SIG_IGN,
               death);
    return STATUS_OK;
}

static void never(int signo) {
    (void)signo;
}

static void test_what_a_child_is(void **state) {
    (void)state;
    tempdir dir;
    tempdir_make(&dir);
    int s[2], p[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    assert_int_equal(pipe(p), 0);
    inherited[0] = s[0];
    inherited[1] = p[1];
    inherited[2] = epoll_create1(0);
    inherited[3] = eventfd(0, 0);
    inherited[4] = open(tempdir_file(&dir, "f"), O_CREAT | O_RDWR, 0600);
    inherited[5] = open(dir.path, O_RDONLY | O_DIRECTORY);
    sigset_t term, old;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &old);
    signal(SIGTERM, never);
    test_job j = make(job_looks);
    char want[128];
    int nice_now = getpriority(PRIO_PROCESS, 0);
    snprintf(want, sizeof(want), "stave-test nnnnyy nice %d io %d blocked 0 term 1 int 1 death %d",
             nice_now > 10 ? nice_now : 10, (2 << 13) | 7, SIGKILL);
    run_to_end(&j);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    buf_append_char(&j.out, 0);
    assert_string_equal(j.out.data, want);
    for (int i = 0; i < 6; i++)
        close(inherited[i]);
    close(s[1]);
    close(p[0]);
    buf_free(&j.out);
    tempdir_remove(&dir);
}

static void mark_page(void *ctx) {
    ((shared *)ctx)->flag++;
}

static void test_hook_in_child(void **state) {
    (void)state;
    child_host *own = host;
    child_fork_hooks hooks = {.after_fork_child = mark_page, .ctx = page};
    assert_true(status_ok(child_fork_new(&hooks, &host)));
    char ctx[] = "x";
    test_job j = make(job_hello);
    j.base.ctx = ctx;
    run_to_end(&j);
    assert_int_equal(page->flag, 1);
    host->ops->close(host);
    host = own;
    buf_free(&j.out);
}

/* The parent dies: a child that waits, and one that works, end at once and without being told. */
static void check_parent_death(status (*run)(child_job *, vfs *, buf *)) {
    page->flag = page->pid = 0;
    int ended[2]; /* its writing end goes with the last process that has it */
    assert_int_equal(pipe(ended), 0);
    pid_t parent = fork();
    if (parent == 0) {
        close(ended[0]);
        /* Standard input is kept by children, so it shows when they are gone. */
        dup2(ended[1], STDIN_FILENO);
        close(ended[1]);
        test_job j = make(run);
        if (!status_ok(host->ops->start(host, &j.base))) _exit(1);
        while (!page->flag)
            sleep_ms(1);
        raise(SIGKILL);
    }
    close(ended[1]);
    int how = 0;
    assert_int_equal(waitpid(parent, &how, 0), parent);
    assert_true(WIFSIGNALED(how));
    assert_true(page->pid > 0);
    struct pollfd p = {ended[0], POLLIN, 0};
    int over = poll(&p, 1, 5000); /* the end of the pipe: nobody is left */
    if (over != 1) kill(page->pid, SIGKILL);
    assert_int_equal(over, 1);
    close(ended[0]);
}

static status job_works_on(child_job *j, vfs *v, buf *out) {
    prctl(PR_SET_PDEATHSIG, 0); /* where the kernel does not tell: progress finds out */
    page->pid = getpid();
    page->flag = 1;
    return job_reports_for_ever(j, v, out);
}

static void test_parent_death(void **state) {
    (void)state;
    check_parent_death(job_waits);
    check_parent_death(job_works_on);
}

/* Its pipe ends long before it does. */
static status job_lingers(child_job *j, vfs *v, buf *out) {
    (void)j;
    (void)v;
    (void)out;
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    for (int i = 0; i < 2000 && !page->flag; i++)
        sleep_ms(1);
    _exit(0);
}

/* The thread does not wait for a child that has ended but for its last steps. */
static void test_lingers(void **state) {
    (void)state;
    test_job j = make(job_lingers);
    page->flag = 0;
    start(&j);
    struct pollfd p = {child_fork_fd(host), POLLIN, 0};
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_int_equal(host->ops->poll(host), 0); /* the pipe's end */
    assert_int_equal(host->ops->poll(host), 0);
    assert_int_equal(j.done_calls, 0);
    assert_int_equal(poll(&p, 1, 0), 0); /* nor does it spin */
    page->flag = 1;
    wait_for(&j);
    assert_failed(&j, "ended without a result");
    assert_int_equal(child_fork_alive(host), 0);
}

static void test_no_descriptors(void **state) {
    (void)state;
    test_job j = make(job_waits);
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    status s = host->ops->start(host, &j.base);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(s.code, ST_IO);
    assert_int_equal(child_fork_alive(host), 0);
    assert_int_equal(forks_seen, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_result),
        TEST(test_failure),
        TEST(test_sizes),
        TEST(test_progress),
        TEST(test_parent_writes),
        TEST(test_rate),
        TEST(test_throttle),
        TEST(test_bad_ends),
        TEST(test_killed),
        TEST(test_killed_too_late),
        TEST(test_killed_from_progress),
        TEST(test_several),
        TEST(test_what_a_child_is),
        TEST(test_hook_in_child),
        TEST(test_parent_death),
        TEST(test_lingers),
        TEST(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
