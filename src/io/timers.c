/* A binary heap of timers, ordered by due time and then by a running number.
 *
 *   heap:  [ {due, seq, slot} ... ]      smallest first; children of i at 2i+1 and 2i+2
 *   slots: [ {fn, ctx, gen, at} ... ]    at: the place in the heap, or why there is none
 *
 * An id is slot + 1 in the low 32 bits and the slot's generation in the high: removing finds its
 * heap entry without a search, and an id that has ended matches no slot any more. */
#include "io/timers.h"
#include "base/log.h"
#include "base/mem.h"

#include <limits.h>

#define AT_FREE    UINT32_MAX       /* the slot is on the free list */
#define AT_RUNNING (UINT32_MAX - 1) /* its function is being called */
#define FIRST_CAP  16

typedef struct entry {
    uint64_t due_us;
    uint64_t seq;
    uint32_t slot;
} entry;

typedef struct slot {
    reactor_timer fn;
    void *ctx;
    uint32_t gen;
    uint32_t at;
    uint32_t next_free; /* slot + 1; 0: none */
} slot;

struct timers {
    entry *heap;
    slot *slots;
    uint32_t count, cap; /* heap entries; room in heap and slots alike */
    uint32_t used;       /* slots ever used */
    uint32_t free_list;
    uint64_t next_seq;
};

/* Room comes with the first timer. */
timers *timers_new(void) {
    return mem_zalloc(sizeof(timers));
}

/* Timers that are left are never called. */
void timers_free(timers *t) {
    if (!t) return;
    mem_free(t->heap);
    mem_free(t->slots);
    mem_free(t);
}

/* Those that wait; one that is being called is not among them. */
size_t timers_count(const timers *t) {
    return t->count;
}

/* ---- the heap
 * ----------------------------------------------------------------------------------*/

/* Earlier, or as early and added first. */
static bool before(const entry *a, const entry *b) {
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->seq < b->seq;
}

/* Puts e at i and tells its slot. */
static void place(timers *t, uint32_t i, entry e) {
    t->heap[i] = e;
    t->slots[e.slot].at = i;
}

/* Moves e from i towards the root until its parent is smaller. */
static void sift_up(timers *t, uint32_t i, entry e) {
    while (i > 0) {
        uint32_t parent = (i - 1) / 2;
        if (!before(&e, &t->heap[parent])) break;
        place(t, i, t->heap[parent]);
        i = parent;
    }
    place(t, i, e);
}

/* Moves e from i away from the root until both children are larger. */
static void sift_down(timers *t, uint32_t i, entry e) {
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= t->count) break;
        if (child + 1 < t->count && before(&t->heap[child + 1], &t->heap[child])) child++;
        if (!before(&t->heap[child], &e)) break;
        place(t, i, t->heap[child]);
        i = child;
    }
    place(t, i, e);
}

/* Takes the entry at i out; the last one fills its place. */
static void heap_remove(timers *t, uint32_t i) {
    CHECK(i < t->count);
    entry last = t->heap[--t->count];
    if (i == t->count) return;
    if (i > 0 && before(&last, &t->heap[(i - 1) / 2]))
        sift_up(t, i, last);
    else
        sift_down(t, i, last);
}

/* A new number each time, so that one called again stands behind those that wait for the same time.
 */
static void heap_add(timers *t, uint32_t i, uint64_t due_us) {
    CHECK(t->count < t->cap);
    sift_up(t, t->count++, (entry){due_us, t->next_seq++, i});
}

/* ---- slots and ids
 * -----------------------------------------------------------------------------*/

/* A slot for one more timer; heap and slots grow together, so an entry always has room. */
static uint32_t take_slot(timers *t) {
    if (t->free_list) {
        uint32_t i = t->free_list - 1;
        t->free_list = t->slots[i].next_free;
        return i;
    }
    if (t->used == t->cap) {
        CHECK(t->cap < UINT32_MAX / 4);
        t->cap = t->cap ? t->cap * 2 : FIRST_CAP;
        t->heap = mem_realloc(t->heap, t->cap * sizeof(entry));
        t->slots = mem_realloc(t->slots, t->cap * sizeof(slot));
    }
    t->slots[t->used] = (slot){.gen = 1};
    return t->used++;
}

/* Ends a slot's timer: its id is void from here on. */
static void give_slot(timers *t, uint32_t i) {
    slot *s = &t->slots[i];
    s->gen++;
    s->at = AT_FREE;
    s->next_free = t->free_list;
    t->free_list = i + 1;
}

/* After a delay in milliseconds, without running over. */
static uint64_t due_at(uint64_t now_us, int64_t delay_ms) {
    uint64_t delay = delay_ms > 0 ? (uint64_t)delay_ms : 0;
    return delay > (UINT64_MAX - now_us) / 1000 ? UINT64_MAX : now_us + delay * 1000;
}

/* A slot, a heap entry, and an id made of slot and generation. */
uint64_t timers_add(timers *t, uint64_t now_us, int64_t delay_ms, reactor_timer fn, void *ctx) {
    CHECK(fn);
    uint32_t i = take_slot(t);
    t->slots[i].fn = fn;
    t->slots[i].ctx = ctx;
    heap_add(t, i, due_at(now_us, delay_ms));
    return ((uint64_t)t->slots[i].gen << 32) | (i + 1);
}

/* An id that fits no slot has ended. */
void timers_remove(timers *t, uint64_t id) {
    uint32_t i = (uint32_t)id - 1, gen = (uint32_t)(id >> 32);
    if (i >= t->used || t->slots[i].gen != gen || t->slots[i].at == AT_FREE) return;
    if (t->slots[i].at != AT_RUNNING) heap_remove(t, t->slots[i].at);
    give_slot(t, i);
}

/* ---- running
 * -----------------------------------------------------------------------------------*/

/* Those that are added while this runs have later numbers, and are due no earlier than now, so they
 * are at the top only when nothing older is due. */
size_t timers_run(timers *t, uint64_t now_us) {
    size_t called = 0;
    uint64_t limit = t->next_seq;
    while (t->count && t->heap[0].due_us <= now_us && t->heap[0].seq < limit) {
        uint32_t i = t->heap[0].slot, gen = t->slots[i].gen;
        heap_remove(t, 0);
        t->slots[i].at = AT_RUNNING;
        called++;
        int64_t again = t->slots[i].fn(t->slots[i].ctx); /* may add and remove: slots may move */
        if (t->slots[i].gen != gen) continue;            /* it removed itself */
        if (again < 0)
            give_slot(t, i);
        else
            heap_add(t, i, due_at(now_us, again));
    }
    return called;
}

/* Rounded up, as a wait that ends early would only lead to another. */
int timers_wait_ms(const timers *t, uint64_t now_us) {
    if (!t->count) return -1;
    uint64_t due = t->heap[0].due_us;
    if (due <= now_us) return 0;
    uint64_t ms = (due - now_us) / 1000 + ((due - now_us) % 1000 != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}
