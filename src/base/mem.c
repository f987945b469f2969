/* mem: malloc that never fails, and an exact count of what is in use.
 *
 * mem_used() is asked once a turn of the reactor, to hold `maxmemory`. jemalloc's stats.allocated
 * would need an epoch refresh (a walk over every arena, tens of microseconds) and counts as used
 * what threads keep in their caches. Each thread's own totals are exact and cost nothing to read:
 *
 *     used = sum over threads (bytes ever allocated - bytes ever freed) + mapped pages
 *
 * A block may be freed by another thread than the one that made it, so one thread's difference may
 * be negative; only the sum has a meaning. A thread is entered in the list at its first call here
 * (its totals run since its birth, so nothing is missed; one that never calls is not counted), and
 * what it leaves behind is folded into `departed` when it ends. With libc's malloc the two totals
 * are kept here, by usable size. */
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef STAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "base/log.h"

/* One thread's totals; they live in the thread and are read by others with relaxed loads. */
typedef struct thread_count {
    uint64_t *allocated, *freed;
    struct thread_count *next;
} thread_count;

static _Thread_local thread_count mine;
static _Thread_local bool entered;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static thread_count *threads; /* under lock */
static uint64_t departed;     /* under lock; sum over ended threads, modulo 2^64 */
static int64_t mapped;        /* atomic */
static int64_t inherited;     /* atomic; the part of `mapped` that children get */
static uint64_t peak;         /* mem_sample's thread only */

#ifndef STAVE_JEMALLOC
static _Thread_local uint64_t own_allocated, own_freed;
#endif

/* The list, and `departed`, change and are walked between these two. */
static void lock_list(void) {
    pthread_mutex_lock(&lock);
}

static void unlock_list(void) {
    pthread_mutex_unlock(&lock);
}

/* Adds what one thread has in use to *sum, modulo 2^64. */
static void add_thread(const thread_count *t, uint64_t *sum) {
    *sum += __atomic_load_n(t->allocated, __ATOMIC_RELAXED);
    *sum -= __atomic_load_n(t->freed, __ATOMIC_RELAXED);
}

/* At a thread's end: its totals go away with it, so keep their difference. What destructors that
 * run later still free is not seen; entering the thread again could leave a dangling entry. */
static void thread_leaves(void *arg) {
    thread_count *t = arg;
    lock_list();
    add_thread(t, &departed);
    for (thread_count **p = &threads; *p; p = &(*p)->next) {
        if (*p != t) continue;
        *p = t->next;
        break;
    }
    unlock_list();
}

/* Once a process: a key for its destructor alone, and the lock free in every forked child. */
static void prepare_process(void) {
    CHECK(pthread_key_create(&exit_key, thread_leaves) == 0);
    CHECK(pthread_atfork(lock_list, unlock_list, unlock_list) == 0);
}

/* Enters this thread in the list. */
static void thread_enters(void) {
    pthread_once(&once, prepare_process);
#ifdef STAVE_JEMALLOC
    size_t len = sizeof mine.allocated;
    CHECK(mallctl("thread.allocatedp", &mine.allocated, &len, NULL, 0) == 0);
    CHECK(mallctl("thread.deallocatedp", &mine.freed, &len, NULL, 0) == 0);
#else
    mine.allocated = &own_allocated;
    mine.freed = &own_freed;
#endif
    lock_list();
    mine.next = threads;
    threads = &mine;
    unlock_list();
    entered = true;
    pthread_setspecific(exit_key, &mine); /* failing loses one thread's exit, not its count */
}

/* One load of a thread-local flag on every call after the first. */
static inline void count_thread(void) {
    if (__builtin_expect(!entered, 0)) thread_enters();
}

#ifdef STAVE_JEMALLOC
/* jemalloc counts by itself. */
static inline void count_alloc(const void *p) {
    (void)p;
}
/* jemalloc counts by itself. */
static inline void count_free(const void *p) {
    (void)p;
}
#else
/* Plain stores would do for the owner, but mem_used() of another thread reads them. */
static inline void count_alloc(const void *p) {
    __atomic_store_n(&own_allocated, own_allocated + mem_size(p), __ATOMIC_RELAXED);
}
/* The block still has its size: call before it is given back. */
static inline void count_free(const void *p) {
    __atomic_store_n(&own_freed, own_freed + mem_size(p), __ATOMIC_RELAXED);
}
#endif

static void out_of_memory(size_t n) __attribute__((noreturn, cold));
/* The log is whole on disk at any instant, so ending here loses nothing that was promised. */
static void out_of_memory(size_t n) {
    log_panic(__FILE__, __LINE__, "Out of memory allocating %zu bytes", n);
}

/* Zero bytes are a block too, as callers never see NULL. */
void *mem_alloc(size_t n) {
    count_thread();
    void *p = malloc(n ? n : 1);
    if (__builtin_expect(!p, 0)) out_of_memory(n);
    count_alloc(p);
    return p;
}

/* calloc: large blocks come zeroed from the system, for nothing. */
void *mem_zalloc(size_t n) {
    count_thread();
    void *p = calloc(1, n ? n : 1);
    if (__builtin_expect(!p, 0)) out_of_memory(n);
    count_alloc(p);
    return p;
}

/* Contents are kept up to the smaller size; a NULL p is a new block. */
void *mem_realloc(void *p, size_t n) {
    count_thread();
    count_free(p);
    void *q = realloc(p, n ? n : 1);
    if (__builtin_expect(!q, 0)) out_of_memory(n);
    count_alloc(q);
    return q;
}

/* By doubling, so that n appends one by one cost O(n). */
void *mem_more(void *p, uint32_t *cap, uint32_t first, size_t size) {
    *cap = *cap ? *cap * 2 : first;
    return mem_realloc(p, *cap * size);
}

/* NULL is fine. */
void mem_free(void *p) {
    if (!p) return;
    count_thread();
    count_free(p);
    free(p);
}

/* A copy with nothing added. */
void *mem_dup(const void *p, size_t n) {
    void *q = mem_alloc(n);
    if (n) memcpy(q, p, n);
    return q;
}

/* The copy ends in NUL as well. */
char *mem_strdup(const char *s) {
    return mem_dup(s, strlen(s) + 1);
}

/* The size class, not what was asked for. */
size_t mem_size(const void *p) {
    return p ? malloc_usable_size((void *)(uintptr_t)p) : 0;
}

/* The list is a handful of threads long, so the walk is a few loads. The sum may be off by what
 * other threads do meanwhile, and below zero for that instant. */
uint64_t mem_used(void) {
    count_thread();
    lock_list();
    uint64_t sum = departed;
    for (const thread_count *t = threads; t; t = t->next)
        add_thread(t, &sum);
    unlock_list();
    sum += (uint64_t)__atomic_load_n(&mapped, __ATOMIC_RELAXED);
    return (int64_t)sum < 0 ? 0 : sum;
}

/* Counted when they were mapped, touched or not. */
uint64_t mem_mapped(void) {
    int64_t n = __atomic_load_n(&mapped, __ATOMIC_RELAXED);
    return n < 0 ? 0 : (uint64_t)n;
}

/* As of the last sample. */
uint64_t mem_used_peak(void) {
    return peak;
}

/* Peaks between two samples go unseen, as in redis-server. */
void mem_sample(void) {
    uint64_t used = mem_used();
    if (used > peak) peak = used;
}

/* The second number of statm is resident pages. */
uint64_t mem_rss(void) {
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    unsigned long long size, resident;
    if (sscanf(text, "%llu %llu", &size, &resident) != 2) return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

#ifdef STAVE_JEMALLOC
/* One of jemalloc's size statistics, 0 if this build has none. */
static uint64_t statistic(const char *name) {
    size_t v = 0, len = sizeof v;
    return mallctl(name, &v, &len, NULL, 0) == 0 ? v : 0;
}

/* Refreshes jemalloc's snapshot first: for INFO, not for every turn. */
void mem_allocator(mem_allocator_stats *out) {
    uint64_t epoch = 1;
    size_t len = sizeof epoch;
    mallctl("epoch", &epoch, &len, &epoch, len);
    out->allocated = statistic("stats.allocated");
    out->active = statistic("stats.active");
    out->resident = statistic("stats.resident");
    out->mapped = statistic("stats.mapped");
}

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
/* From the header that this was built with. */
const char *mem_allocator_name(void) {
    return "jemalloc-" TEXT(JEMALLOC_VERSION_MAJOR) "." TEXT(JEMALLOC_VERSION_MINOR) "." TEXT(
        JEMALLOC_VERSION_BUGFIX);
}

/* No option: all sections. */
void mem_report(void (*write)(void *ctx, const char *text), void *ctx) {
    malloc_stats_print(write, ctx, NULL);
}

/* All arenas, dirty pages and muzzy ones. */
void mem_purge(void) {
    mallctl("arena." TEXT(MALLCTL_ARENAS_ALL) ".purge", NULL, NULL, NULL, 0);
}
#else
/* glibc has no figure for what is resident: what it has mapped stands in for it. */
void mem_allocator(mem_allocator_stats *out) {
    struct mallinfo2 m = mallinfo2();
    out->allocated = m.uordblks + m.hblkhd;
    out->active = out->resident = out->mapped = m.arena + m.hblkhd;
}

/* As redis-server calls it. */
const char *mem_allocator_name(void) {
    return "libc";
}

/* glibc writes its report to a file only. */
void mem_report(void (*write)(void *ctx, const char *text), void *ctx) {
    write(ctx, "Stats not supported for the current allocator");
}

/* Free pages at the top and, with glibc, in the middle of the heap. */
void mem_purge(void) {
    malloc_trim(0);
}
#endif

/* Pages take memory when they are touched, but are counted at once: a limit must hold for the
 * worst. */
void *mem_map(size_t bytes) {
    size_t more = bytes % MEM_LARGE == 0 ? MEM_LARGE : 0, before = 0;
    char *all =
        mmap(NULL, bytes + more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) out_of_memory(bytes);
    if (more) before = -(uintptr_t)all % MEM_LARGE;
    if (before) CHECK(munmap(all, before) == 0);
    void *p = all + before;
    if (more > before) CHECK(munmap(all + before + bytes, more - before) == 0);
    /* Without MADV_DONTFORK a child only costs more: not worth failing for. */
    (void)madvise(p, bytes, MADV_DONTFORK);
    mem_count_mapped((int64_t)bytes);
    return p;
}

/* REQUIRES: p and bytes as mem_map had them, or whole pages of that range. */
void mem_unmap(void *p, size_t bytes) {
    CHECK(munmap(p, bytes) == 0);
    mem_count_mapped(-(int64_t)bytes);
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Where the system can't (before Linux 5.14) they come one by one. */
void mem_touch(void *p, size_t bytes) {
    (void)madvise(p, bytes, MADV_POPULATE_WRITE);
}

/* A child that did not get them would have nothing there, so this may not fail. */
void mem_inherit(void *p, size_t bytes) {
    CHECK(madvise(p, bytes, MADV_DOFORK) == 0);
    mem_count_inherited((int64_t)bytes);
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* MADV_HUGEPAGE only lifts the other; it must not stay, or khugepaged would fill holes that come
 * later, unseen by whoever counts pages. Pages for which there is no room now (EAGAIN, ENOMEM) stay
 * as they are. */
bool mem_enlarge(void *p, size_t bytes) {
    CHECK((uintptr_t)p % MEM_LARGE == 0 && bytes % MEM_LARGE == 0);
    if (madvise(p, bytes, MADV_HUGEPAGE) != 0) return false;
    bool can = madvise(p, bytes, MADV_COLLAPSE) == 0 || errno != EINVAL;
    (void)madvise(p, bytes, MADV_NOHUGEPAGE);
    return can;
}

/* A byte of the page is written as it is, atomically, so whoever comes to use it at this very
 * moment is not disturbed. A fault, unlike MADV_POPULATE_WRITE and MADV_COLLAPSE, takes no lock
 * that another thread's mmap() or fault elsewhere waits for. */
__attribute__((no_sanitize("address", "thread"))) static void fault_in(char *page) {
    (void)__atomic_fetch_add((volatile char *)page, 0, __ATOMIC_RELAXED);
}

/* The last byte of each, which is used last. Where there is no large page a small one comes. */
bool mem_make_large(void *p, size_t bytes) {
    CHECK((uintptr_t)p % MEM_LARGE == 0 && bytes % MEM_LARGE == 0);
    if (madvise(p, bytes, MADV_HUGEPAGE) != 0) return false;
    for (size_t at = MEM_LARGE; at <= bytes; at += MEM_LARGE)
        fault_in((char *)p + at - 1);
    (void)madvise(p, bytes, MADV_NOHUGEPAGE);
    return true;
}

/* Atomic, as worker threads may map buffers. */
void mem_count_mapped(int64_t delta) {
    __atomic_add_fetch(&mapped, delta, __ATOMIC_RELAXED);
}

/* What is mapped beside the allocator is withheld from children unless its owner says otherwise. */
uint64_t mem_inherited(void) {
    uint64_t withheld = mem_mapped() - (uint64_t)__atomic_load_n(&inherited, __ATOMIC_RELAXED);
    uint64_t used = mem_used();
    return used > withheld ? used - withheld : 0;
}

/* Atomic as its like is. */
void mem_count_inherited(int64_t delta) {
    __atomic_add_fetch(&inherited, delta, __ATOMIC_RELAXED);
}
