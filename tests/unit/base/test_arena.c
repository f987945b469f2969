/* Tests of base/arena: random use of several heaps against a list of what must be alive, every
 * object filled with bytes of its own, so that two that overlap are found. */
#include "base/arena.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "support/unit.h"

#define OBJECTS 4000
#define HEAPS   3

typedef struct object {
    arena_ref ref;
    uint32_t size; /* 0: none here */
    unsigned char fill;
    unsigned char heap;
} object;

/* Sizes as a keydir asks for them: mostly small, some of every class, a few of whole chunks. */
static size_t random_size(rng *r) {
    uint64_t kind = rng_below(r, 1000);
    if (kind < 700) return 1 + rng_below(r, 64);
    if (kind < 950) return 1 + rng_below(r, 3000);
    if (kind < 995) return 1 + rng_below(r, 33000);
    return 1 + rng_below(r, 600000);
}

static void fill(arena *a, object *o, rng *r) {
    o->fill = (unsigned char)rng_next(r);
    memset(arena_at(a, o->ref), o->fill, o->size);
}

static void assert_filled(arena *a, const object *o) {
    const unsigned char *p = arena_at(a, o->ref);
    for (uint32_t i = 0; i < o->size; i++)
        if (p[i] != o->fill) fail_msg("object of %u bytes: byte %u was changed", o->size, i);
}

static void assert_totals(arena_heap **heaps, const object *objects) {
    uint64_t count[HEAPS] = {0}, used[HEAPS] = {0};
    for (int i = 0; i < OBJECTS; i++) {
        if (!objects[i].size) continue;
        count[objects[i].heap]++;
        used[objects[i].heap] += arena_size_for(objects[i].size);
    }
    for (int h = 0; h < HEAPS; h++) {
        assert_int_equal(arena_heap_objects(heaps[h]), count[h]);
        assert_int_equal(arena_heap_used(heaps[h]), used[h]);
        assert_true(arena_heap_chunks(heaps[h]) * ARENA_CHUNK >= used[h]);
        arena_check(heaps[h]);
    }
}

/* One step: puts an object in an empty place of the list, or frees the one there. */
static void step(arena *a, arena_heap **heaps, object *o, rng *r) {
    if (o->size) {
        assert_filled(a, o);
        assert_true(arena_size(a, o->ref) == arena_size_for(o->size));
        arena_release(heaps[o->heap], o->ref);
        o->size = 0;
        return;
    }
    o->size = (uint32_t)random_size(r);
    o->heap = (unsigned char)rng_below(r, HEAPS);
    o->ref = arena_alloc(heaps[o->heap], o->size);
    assert_int_not_equal(o->ref, ARENA_NONE);
    fill(a, o, r);
}

static void test_model(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    uint64_t before = mem_used();
    arena *a = arena_new(1u << 30);
    arena_heap *heaps[HEAPS];
    for (int h = 0; h < HEAPS; h++)
        heaps[h] = arena_heap_new(a);
    object *objects = mem_zalloc(OBJECTS * sizeof *objects);
    int rounds = unit_rounds(200000);
    for (int i = 0; i < rounds; i++) {
        /* Phases in which most places fill up, and most empty. */
        object *o = &objects[rng_below(&r, OBJECTS)];
        bool filling = i / 20000 % 2 == 0;
        if ((o->size != 0) == filling && rng_below(&r, 4)) continue;
        step(a, heaps, o, &r);
        if (i % 9973 == 0) assert_totals(heaps, objects);
        if (i % 50021 == 0) arena_keep(a, rng_below(&r, 8u << 20));
    }
    assert_totals(heaps, objects);
    for (int i = 0; i < OBJECTS; i++)
        if (objects[i].size && objects[i].heap == 0) step(a, heaps, &objects[i], &r);
    assert_int_equal(arena_heap_chunks(heaps[0]), 0);
    /* The second heap goes whole; the third must not notice. */
    while (!arena_heap_free_some(heaps[1], 7))
        continue;
    for (int i = 0; i < OBJECTS; i++)
        if (objects[i].size && objects[i].heap == 2) step(a, heaps, &objects[i], &r);
    arena_heap_free(heaps[0]);
    arena_heap_free(heaps[2]);
    arena_keep(a, 0);
    assert_int_equal(arena_bytes(a), 0);
    arena_free(a);
    mem_free(objects);
    assert_int_equal(mem_used(), before);
}

/* Every size up to some classes of whole chunks: rounded up, by an eighth at most. */
static void test_sizes(void **state) {
    (void)state;
    arena *a = arena_new(1u << 28);
    arena_heap *h = arena_heap_new(a);
    for (size_t n = 1; n < 140000; n += n < 3000 ? 1 : 509) {
        size_t size = arena_size_for(n);
        assert_true(size >= n && size % ARENA_UNIT == 0);
        if (n <= 512) assert_true(size < n + 8);
        if (n > 512 && n <= 32768) assert_true(size - n < n / 8 + 8);
        if (n > 32768) assert_true(size % ARENA_CHUNK == 0 && size - n < ARENA_CHUNK);
        arena_ref r = arena_alloc(h, n);
        assert_int_equal(arena_size(a, r), size);
        memset(arena_at(a, r), 1, n);
        arena_release(h, r);
    }
    assert_int_equal(arena_heap_chunks(h), 0);
    arena_heap_free(h);
    arena_free(a);
}

/* A chunk comes back when its last object goes, and serves another class. */
static void test_chunk_return(void **state) {
    (void)state;
    arena *a = arena_new(4 * ARENA_CHUNK);
    arena_heap *h = arena_heap_new(a);
    enum { N = ARENA_CHUNK / 32 };
    arena_ref refs[N];
    uint64_t all = arena_left(a);
    assert_int_equal(all, 4 * ARENA_CHUNK);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < N; i++)
            refs[i] = arena_alloc(h, round % 2 ? 32 : 30);
        assert_int_equal(arena_heap_chunks(h), 1);
        assert_int_equal(arena_bytes(a), ARENA_CHUNK);
        arena_ref other = arena_alloc(h, 8);
        assert_int_equal(arena_heap_chunks(h), 2);
        assert_int_equal(arena_left(a), all - 2 * ARENA_CHUNK);
        arena_release(h, other);
        for (int i = 0; i < N; i++)
            arena_release(h, refs[(i * 7) % N]);
        assert_int_equal(arena_heap_chunks(h), 0);
        assert_int_equal(arena_left(a), all);
        arena_keep(a, 0);
        arena_keep(a, 1u << 20);
    }
    /* All four chunks as one object, in the end: they lie in a row again. */
    arena_ref big = arena_alloc(h, 4 * ARENA_CHUNK);
    memset(arena_at(a, big), 7, 4 * ARENA_CHUNK);
    assert_int_equal(arena_left(a), 0);
    arena_check(h);
    arena_release(h, big);
    arena_heap_free(h);
    arena_free(a);
}

/* Memory counts by the pages touched, and goes back beyond what is kept. */
static void test_bytes(void **state) {
    (void)state;
    uint64_t before = mem_used();
    arena *a = arena_new(ARENA_MAX);
    uint64_t empty = mem_used();
    arena_heap *h = arena_heap_new(a);
    arena_ref small = arena_alloc(h, 10);
    assert_int_equal(arena_bytes(a), 4096);
    arena_ref huge = arena_alloc(h, 1000000);
    assert_int_equal(arena_bytes(a), 4096 + 245 * 4096);
    assert_true(mem_used() - empty >= arena_bytes(a));
    arena_keep(a, 100000);
    arena_release(h, huge);
    assert_true(arena_bytes(a) <= 4096 + 100000);
    arena_release(h, small);
    assert_true(arena_bytes(a) <= 100000);
    arena_keep(a, 0);
    assert_int_equal(arena_bytes(a), 0);
    /* What went back to the system comes again as zeros, and counts again. */
    huge = arena_alloc(h, 1000000);
    const char *p = arena_at(a, huge);
    assert_true(p[0] == 0 && p[999999] == 0);
    assert_int_equal(arena_bytes(a), 245 * 4096);
    arena_heap_free(h);
    arena_free(a);
    assert_int_equal(mem_used(), before);
}

/* Dropping a heap takes as many calls as it has chunks to give back. */
static void test_free_some(void **state) {
    (void)state;
    arena *a = arena_new(1u << 28);
    arena_heap *h = arena_heap_new(a), *other = arena_heap_new(a);
    arena_ref kept = arena_alloc(other, 100);
    memset(arena_at(a, kept), 9, 100);
    for (int i = 0; i < 40000; i++)
        (void)arena_alloc(h, 16 + (size_t)i % 50);
    (void)arena_alloc(h, 300000);
    uint64_t lists = arena_heap_chunks(h) - 4; /* the run of five goes in one piece */
    for (uint64_t calls = 1; !arena_heap_free_some(h, 1); calls++)
        assert_true(calls <= lists);
    assert_int_equal(((char *)arena_at(a, kept))[99], 9);
    assert_int_equal(arena_left(a), (1u << 28) - ARENA_CHUNK);
    arena_check(other);
    arena_heap_free(other);
    arena_free(a);
}

/* Pages that lie on large ones, in this process; UINT64_MAX where the kernel does not tell. */
static uint64_t huge_bytes(void) {
    char line[256];
    unsigned long long kib = UINT64_MAX / 1024;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "AnonHugePages: %llu", &kib) == 1) break;
    if (f) fclose(f);
    return kib * 1024;
}

/* Nearly full blocks come to lie on large pages and keep what is in them; what was free in them is
 * in use then, and goes back to the system not before the end. */
static void test_large_pages(void **state) {
    (void)state;
    arena *a = arena_new(64u << 20);
    arena_heap *h = arena_heap_new(a);
    arena_ref refs[6000];
    uint64_t before = huge_bytes(), given = 0, at = 0;
    void *piece;
    size_t bytes;
    assert_true((uintptr_t)a->base % MEM_LARGE == 0);
    arena_keep(a, 0);
    for (int i = 0; i < 6000; i++)
        memset(arena_at(a, refs[i] = arena_alloc(h, 4096)), i & 255, 4096);
    for (int i = 0; i < 100; i++) /* classes with a page or two each: no large page for those */
        (void)arena_alloc(h, 600 * (size_t)(i % 50 + 1));
    for (int i = 3008; i < 3024; i++) /* one chunk goes back: a hole in a block, small enough */
        arena_release(h, refs[i]);
    uint64_t counted = arena_bytes(a), dense = 6000 / 512 * MEM_LARGE;
    bool can = true;
    arena_enlarge_begin(a);
    while (arena_enlarge_next(a, &at, 3 * MEM_LARGE, &piece, &bytes)) {
        assert_true((uintptr_t)piece % MEM_LARGE == 0 && bytes % MEM_LARGE == 0);
        assert_in_range(bytes, MEM_LARGE, 3 * MEM_LARGE);
        can = mem_enlarge(piece, bytes) && can;
        given += bytes;
        if (given == bytes) { /* meanwhile nothing goes back */
            uint64_t had = arena_bytes(a);
            for (int i = 3024; i < 3040; i++)
                arena_release(h, refs[i]);
            assert_int_equal(arena_bytes(a), had);
        }
    }
    assert_in_range(given, dense - 3 * MEM_LARGE, dense);
    assert_true(arena_bytes(a) > counted);
    /* the machine may have none left, but hardly none at all */
    if (can && before < UINT64_MAX / 2) assert_true(huge_bytes() >= before + MEM_LARGE);
    arena_check(h);
    arena_enlarge_end(a);
    assert_true(arena_bytes(a) < counted); /* both chunks have gone back */
    arena_check(h);
    for (int i = 0; i < 6000; i++) {
        const unsigned char *p = arena_at(a, refs[i]);
        if (i < 3008 || i >= 3040) assert_true(p[0] == (i & 255) && p[4095] == (i & 255));
    }
    arena_heap_free(h);
    arena_free(a);
}

/* Memory made ahead is counted at once, lies on large pages, and is used when the arena comes to
 * it; nothing of it is made twice, nor when it was shared is it thought to be large. */
static void test_made_ahead(void **state) {
    (void)state;
    uint64_t before = huge_bytes(), used = mem_used();
    arena *a = arena_new(64u << 20);
    arena_heap *h = arena_heap_new(a);
    void *piece;
    size_t bytes;
    for (int i = 0; i < 100; i++) /* six chunks and more */
        (void)arena_alloc(h, 4096);
    uint64_t counted = arena_bytes(a);
    arena_enlarge_begin(a);
    assert_false(arena_ahead_next(a, MEM_LARGE, &piece, &bytes)); /* the rest of the first block */
    assert_true(arena_ahead_next(a, 3 * MEM_LARGE, &piece, &bytes));
    assert_ptr_equal(piece, a->base + MEM_LARGE);
    assert_int_equal(bytes, 2 * MEM_LARGE);
    bool can = mem_make_large(piece, bytes);
    if (can && before < UINT64_MAX / 2) assert_true(huge_bytes() >= before + MEM_LARGE);
    assert_int_equal(arena_bytes(a), counted + bytes);
    assert_true(mem_used() >= used + counted + bytes);
    assert_int_equal(arena_large(a), bytes);
    assert_false(arena_ahead_next(a, 3 * MEM_LARGE, &piece, &bytes)); /* it is there */
    arena_enlarge_end(a);
    arena_check(h);
    counted = arena_bytes(a);
    for (int i = 0; i < 1300; i++) /* into what was made, and nearly to its end */
        memset(arena_at(a, arena_alloc(h, 4096)), 1, 4096);
    assert_in_range(arena_bytes(a), counted, counted + MEM_LARGE);
    uint64_t at = 0; /* what is large is not moved, until a child has got it */
    arena_enlarge_begin(a);
    assert_false(arena_enlarge_next(a, &at, MEM_LARGE, &piece, &bytes));
    arena_shared(a);
    assert_int_equal(arena_large(a), at = 0);
    assert_true(arena_enlarge_next(a, &at, MEM_LARGE, &piece, &bytes));
    arena_enlarge_end(a);
    arena_check(h);
    arena_heap_free(h); /* what goes back to the system is not large any more */
    arena_keep(a, 0);
    assert_int_equal(arena_large(a), 0);
    arena_free(a);
    assert_int_equal(mem_used(), used);
}

/* Does a child forked now see the byte there? */
static bool child_sees(const char *p, char byte) {
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        _exit(*(volatile const char *)p != byte);
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    return WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

/* What is withheld is not in children, nor in what they are said to inherit; then it is again. */
static void test_withheld(void **state) {
    (void)state;
    arena *a = arena_new(1u << 28);
    arena_heap *h = arena_heap_new(a);
    uint64_t without = mem_inherited();
    char *p = arena_at(a, arena_alloc(h, 1000000));
    memset(p, 7, 1000000);
    assert_int_equal(mem_inherited(), without + arena_bytes(a));
    assert_true(child_sees(p + 999999, 7));
    arena_withhold(a, true);
    assert_int_equal(mem_inherited(), without);
    assert_false(child_sees(p + 999999, 7));
    char *q = arena_at(a, arena_alloc(h, 2000000)); /* taken meanwhile: the same holds of it */
    memset(q, 8, 2000000);
    assert_int_equal(mem_inherited(), without);
    arena_withhold(a, false);
    assert_int_equal(mem_inherited(), without + arena_bytes(a));
    assert_true(child_sees(p + 999999, 7));
    assert_true(child_sees(q + 1999999, 8));
    arena_heap_free(h);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_chunk_return), cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_free_some),    cmocka_unit_test(test_large_pages),
        cmocka_unit_test(test_made_ahead),   cmocka_unit_test(test_withheld),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
