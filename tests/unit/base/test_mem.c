/* The count of memory in use: exact over any calls, and over threads that come, pass blocks to each
 * other and go. */
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/unit.h"

#define BLOCKS 300

static void counts_every_call_exactly(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    void *block[BLOCKS] = {0};
    uint64_t expected = mem_used();
    for (int i = 0; i < 20000; i++) {
        void **b = &block[rng_below(&r, BLOCKS)];
        size_t n = rng_below(&r, rng_below(&r, 50) ? 2000 : 200000);
        expected -= mem_size(*b);
        switch (rng_below(&r, 4)) {
        case 0: mem_free(*b), *b = NULL; break;
        case 1: mem_free(*b), *b = mem_alloc(n); break;
        case 2: mem_free(*b), *b = mem_zalloc(n); break;
        default: *b = mem_realloc(*b, n); break;
        }
        expected += mem_size(*b);
        assert_int_equal(mem_used(), expected);
    }
    for (int i = 0; i < BLOCKS; i++) {
        expected -= mem_size(block[i]);
        mem_free(block[i]);
    }
    assert_int_equal(mem_used(), expected);
}

/* Multiples of a large page begin at one, and nothing else of the address space is kept. */
static void large_maps_are_aligned(void **state) {
    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        uint64_t before = mem_mapped();
        char *p = mem_map(n * MEM_LARGE);
        assert_int_equal((uintptr_t)p % MEM_LARGE, 0);
        assert_int_equal(mem_mapped() - before, n * MEM_LARGE);
        p[0] = p[n * MEM_LARGE - 1] = 'x';
        (void)mem_enlarge(p, n * MEM_LARGE);
        assert_true(p[0] == 'x' && p[n * MEM_LARGE - 1] == 'x' && p[1] == 0);
        mem_unmap(p, n * MEM_LARGE);
        assert_int_equal(mem_mapped(), before);
    }
}

static void contents_survive(void **state) {
    (void)state;
    char *z = mem_zalloc(5000), *s = mem_strdup("hello"), *d = mem_dup("a\0b", 3);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(z[i], 0);
    assert_string_equal(s, "hello");
    assert_memory_equal(d, "a\0b", 3);
    s = mem_realloc(s, 100000);
    assert_string_equal(s, "hello");
    assert_non_null(d = mem_realloc(d, 0)); /* never NULL */
    mem_free(z);
    mem_free(s);
    mem_free(d);
    mem_free(NULL);
    assert_int_equal(mem_size(NULL), 0);
}

/* Frees what it was given and leaves twenty new blocks behind. */
static void *swap_blocks(void *arg) {
    void **block = arg;
    for (int i = 0; i < 20; i++) {
        mem_free(block[i]);
        block[i] = mem_alloc(3000);
    }
    return NULL;
}

static void blocks_may_change_threads(void **state) {
    (void)state;
    void *block[20];
    uint64_t before = mem_used();
    for (int i = 0; i < 20; i++)
        block[i] = mem_alloc(100);
    for (int round = 0; round < 10; round++) {
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, swap_blocks, block), 0);
        pthread_join(t, NULL);
    }
    uint64_t now = mem_used(), blocks = 20 * mem_size(block[0]);
    /* pthread_create keeps a little for a thread (its TLS vector), with jemalloc counted too. */
    assert_in_range(now, before + blocks, before + blocks + 4096);
    for (int i = 0; i < 20; i++)
        mem_free(block[i]);
    assert_in_range(mem_used(), before, before + 4096);
}

static void pages_are_counted_and_zero(void **state) {
    (void)state;
    uint64_t before = mem_used();
    char *p = mem_map(1 << 20);
    assert_int_equal(mem_used(), before + (1 << 20));
    for (int i = 0; i < 1 << 20; i += 4096)
        assert_int_equal(p[i], 0);
    mem_unmap(p, 1 << 20);
    mem_count_mapped(12345);
    assert_int_equal(mem_used(), before + 12345);
    mem_count_mapped(-12345);
    assert_int_equal(mem_used(), before);
}

/* Reads a byte of p in a child; true if that killed it. */
static int child_dies_reading(volatile char *p) {
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the tests in the child */
        _exit(p[0] != 0);
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    return !(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

static void mapped_pages_stay_out_of_children(void **state) {
    (void)state;
    uint64_t used = mem_used(), inherited = mem_inherited();
    char *block = mem_zalloc(4 << 20), *mapped = mem_map(1 << 20);
    assert_int_equal(child_dies_reading(block), 0);
    assert_int_equal(child_dies_reading(mapped), 1);
    assert_true(mem_inherited() - inherited == mem_used() - used - (1 << 20));
    mem_count_inherited(1 << 20); /* an owner that lets children have them */
    assert_true(mem_inherited() - inherited == mem_used() - used);
    mem_count_inherited(-(1 << 20));
    mem_unmap(mapped, 1 << 20);
    mem_free(block);
    assert_true(mem_inherited() == inherited);
}

static void figures_for_info_make_sense(void **state) {
    (void)state;
    void *first = mem_alloc(100000);
    mem_sample();
    uint64_t peak = mem_used_peak();
    assert_true(peak >= 100000);
    mem_free(first);
    void *p = mem_alloc(10 << 20);
    memset(p, 1, 10 << 20);
    mem_sample();
    assert_true(mem_used_peak() >= (10 << 20));
    peak = mem_used_peak();
    mem_free(p);
    mem_sample();
    assert_int_equal(mem_used_peak(), peak);
    mem_allocator_stats a;
    mem_allocator(&a);
    assert_true(a.allocated <= a.active && a.active <= a.mapped);
    assert_true(mem_rss() > 100000);
    assert_true(strlen(mem_allocator_name()) >= 4);
    mem_purge();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_every_call_exactly),
        cmocka_unit_test(contents_survive),
        cmocka_unit_test(large_maps_are_aligned),
        cmocka_unit_test(blocks_may_change_threads),
        cmocka_unit_test(pages_are_counted_and_zero),
        cmocka_unit_test(mapped_pages_stay_out_of_children),
        cmocka_unit_test(figures_for_info_make_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
