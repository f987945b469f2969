/* mem_later: a list of blocks, each given back from its end.
 *
 *     first -> [node|.........|gone]  [node|..............]  [node|....]
 *
 * A node lies in its block's first bytes, so waiting takes no memory of its own. Of a mapping the
 * end is unmapped; of the allocator's block the pages at the end are given back, which leaves its
 * own books alone, and the rest goes with mem_free, to whom an empty page is no work. */
#include "base/mem_later.h"

#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"

#define PAGE ((uintptr_t)4096)
#define STEP ((size_t)512 << 10) /* given back between two looks at the clock */

typedef struct waiting {
    struct waiting *next;
    size_t bytes; /* that are left */
    size_t held;  /* that count as in use */
    bool mapped;
} waiting;

static waiting *first;
static uint64_t total, held; /* of all */

/* A step of the first block, or all that is left of it. */
static void give_some(void) {
    waiting *w = first;
    size_t step = w->bytes, uncounted = w->held;
    if (step <= STEP) {
        bool mapped = w->mapped;
        first = w->next;
        if (mapped)
            mem_unmap(w, step);
        else
            mem_free(w);
    } else {
        char *end = (char *)w + w->bytes;
        step = STEP + ((uintptr_t)end & (PAGE - 1)); /* up to a page's beginning */
        uncounted = w->mapped ? step : 0;
        w->bytes -= step;
        w->held -= uncounted;
        if (w->mapped)
            mem_unmap(end - step, step);
        else
            mem_give_pages(end - step, step);
    }
    CHECK(total >= step && held >= uncounted);
    total -= step;
    held -= uncounted;
}

/* As the first, whose memory may still be in a cache of the processor. */
static void wait_for_turn(void *p, size_t bytes, size_t counted, bool mapped) {
    waiting *w = p;
    CHECK(bytes >= sizeof *w && counted >= bytes);
    *w = (waiting){first, bytes, counted, mapped};
    first = w;
    total += bytes;
    held += counted;
    while (total > MEM_LATER_MAX)
        give_some();
}

void mem_free_later(void *p, size_t bytes) {
    if (!p || bytes < MEM_LATER_MIN)
        mem_free(p);
    else
        wait_for_turn(p, bytes, mem_size(p), false); /* its class may be a quarter larger */
}

void mem_unmap_later(void *p, size_t bytes) {
    wait_for_turn(p, bytes, bytes, true);
}

void buf_free_later(buf *b) {
    mem_free_later(b->data, b->cap);
    *b = (buf){0};
}

bool mem_later_some(uint64_t us) {
    if (!first) return false;
    uint64_t end = clock_mono_ns() + us * 1000;
    do {
        give_some();
    } while (first && clock_mono_ns() < end);
    return first != NULL;
}

uint64_t mem_later_bytes(void) {
    return total;
}

uint64_t mem_later_held(void) {
    return held;
}

/* Failing costs memory, not correctness: nobody reads those bytes again. */
void mem_give_pages(void *p, size_t n) {
    uintptr_t from = ((uintptr_t)p + PAGE - 1) & ~(PAGE - 1);
    uintptr_t to = ((uintptr_t)p + n) & ~(PAGE - 1);
    if (to > from) (void)madvise((void *)from, to - from, MADV_DONTNEED);
}
