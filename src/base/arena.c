/* arena: size-class allocation in chunks of one region, with all bookkeeping out of line.
 *
 *   region  | chunk 0 | chunk 1 | chunk 2 | ...                          reserved, PROT_NONE
 *             never     [obj][obj][obj]...                               opened 16 MiB at a time
 *             used
 *   table   [chunk 0][chunk 1]...     16 bytes each: class, live, free list, list links
 *   heap    lists[class] -> chunk <-> chunk     lists[FULL] -> chunk <-> chunk (and runs of chunks)
 *
 * Objects are handed out from a chunk's free list, whose links lie in the free objects themselves,
 * else from its untouched end. Chunk 0 is left out so that reference 0 is nobody. A chunk that just
 * stopped being full goes to the head of its list, so the fullest are used first and the sparse
 * ones run empty.
 *
 * Free chunks are bits in a map; the lowest is taken first. Their pages stay for reuse up to a
 * limit (`keep`), beyond which each goes back to the system as it comes.
 *
 * The region is reserved without access rights, then opened as it fills: so it costs nothing where
 * the system counts every writable page as promised (vm.overcommit_memory=2).
 *
 * Invariants:
 *  A1. A chunk is in exactly one place: in one list of one heap, in a run, free, or never used.
 *  A2. A chunk of a heap is in the list of its class until it is full, then in FULL.
 * Large pages: the region begins at a multiple of their size, so that each is a block of 32 chunks.
 * The system is not to make any by itself (MADV_NOHUGEPAGE): what it filled up so would be memory
 * that nobody counts, and an arena of little would begin with 2 MiB. A block that lies on one is
 * known (`large`), until a page of it goes back or a child gets it, so that none is made twice.
 * Blocks that nothing was taken from may be made ahead, and are counted then.
 *
 *  A3. a->bytes = 4 KiB x sum over chunks of `touched`; mem_used() counts the same. */
#include "base/arena.h"

#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define PAGE         4096u
#define CHUNK_UNITS  (ARENA_CHUNK / ARENA_UNIT)
#define OPEN_STEP    256u /* chunks made accessible at a time */
#define SMALL_MAX    512u /* up to here classes are 8 bytes apart */
#define CLASS_MAX    32768u
#define CLASSES      (SMALL_MAX / 8 + 6 * 8)
#define FULL         CLASSES /* the list of full chunks and runs */
#define CLASS_RUN    254u    /* first chunk of an object of whole chunks */
#define CLASS_REST   255u    /* a further one */
#define NO_UNIT      0xffff  /* end of a free list */
#define DEFAULT_KEEP (4u << 20)
#define BLOCK_CHUNKS ((uint32_t)(MEM_LARGE / ARENA_CHUNK)) /* of a large page */
#define BLOCK_HOLES  32u /* pages that may be untouched in one: a sixteenth */
#define BLOCKS_MAX   (ARENA_MAX / MEM_LARGE)

/* Units are places in the chunk, counted in ARENA_UNIT. */
typedef struct chunk {
    uint32_t prev, next; /* in a list of the heap; 0 ends it */
    union {
        struct {
            uint16_t live;  /* objects in use */
            uint16_t freed; /* unit of the first free object, or NO_UNIT */
        };
        uint32_t run; /* CLASS_RUN: chunks of the object */
    };
    uint16_t fresh;  /* unit where what was never handed out begins */
    uint8_t cls;     /* class number, CLASS_RUN or CLASS_REST */
    uint8_t touched; /* pages from the chunk's start that hold memory */
} chunk;
_Static_assert(sizeof(chunk) == 16, "a chunk's record is 16 bytes");

typedef struct region {
    arena pub;
    chunk *table;
    uint64_t *free_map; /* bit c: chunk c is free */
    uint32_t chunks;    /* in the region */
    uint32_t opened;    /* chunks that may be accessed */
    uint32_t top;       /* chunks from here on were never used */
    uint32_t free;      /* bits set in free_map */
    uint32_t low;       /* no word of free_map before this has a bit set */
    uint32_t ahead;     /* no block from this chunk on was made ahead */
    uint32_t heaps;
    uint64_t bytes, idle, keep;      /* idle: touched bytes of free chunks */
    bool withheld;                   /* from children */
    bool enlarging;                  /* between arena_enlarge_begin() and end */
    uint64_t large[BLOCKS_MAX / 64]; /* bit b: block b is on a large page, as far as is known */
} region;

struct arena_heap {
    region *a;
    uint64_t objects, used, chunks;
    uint32_t lists[CLASSES + 1]; /* heads; by class, then FULL */
};

/* ---- size classes --------------------------------------------------------------------------- */

/* The class of objects of n bytes. REQUIRES: 0 < n <= CLASS_MAX. */
static inline unsigned class_of(size_t n) {
    if (n <= SMALL_MAX) return (unsigned)((n + 7) / 8 - 1);
    unsigned k = 63u - (unsigned)__builtin_clzll(n - 1); /* 2^k < n <= 2^(k+1) */
    return SMALL_MAX / 8 + (k - 9) * 8 + (unsigned)((n - 1 - ((size_t)1 << k)) >> (k - 3));
}

/* Bytes of an object of the class. */
static inline size_t class_size(unsigned cls) {
    if (cls < SMALL_MAX / 8) return (cls + 1) * 8u;
    unsigned k = (cls - SMALL_MAX / 8) / 8 + 9, step = (cls - SMALL_MAX / 8) % 8 + 1;
    return ((size_t)1 << k) + ((size_t)step << (k - 3));
}

/* Chunks that an object of n bytes above CLASS_MAX takes. */
static inline size_t run_chunks(size_t n) {
    return (n + ARENA_CHUNK - 1) / ARENA_CHUNK;
}

/* Says beforehand what arena_alloc() will round n to, for callers that keep accounts. */
size_t arena_size_for(size_t n) {
    CHECK(n > 0);
    return n <= CLASS_MAX ? class_size(class_of(n)) : run_chunks(n) * ARENA_CHUNK;
}

/* From the record of its chunk: objects have no heads. */
size_t arena_size(const arena *pub, arena_ref r) {
    const chunk *c = &((const region *)pub)->table[r / CHUNK_UNITS];
    return c->cls == CLASS_RUN ? (size_t)c->run * ARENA_CHUNK : class_size(c->cls);
}

/* ---- the region ----------------------------------------------------------------------------- */

/* Chunks lie in a row, so a number is an address. */
static inline char *chunk_at(const region *a, uint32_t c) {
    return a->pub.base + (size_t)c * ARENA_CHUNK;
}

/* Counts memory taken (or, negative, given back). */
static void count_bytes(region *a, int64_t delta) {
    a->bytes = (uint64_t)((int64_t)a->bytes + delta);
    mem_count_mapped(delta);
    if (!a->withheld) mem_count_inherited(delta);
}

/* Address space, as much as there is up to *bytes; less where a limit forbids it. What lies before
 * the first place for a large page is given back. */
static char *reserve(uint64_t *bytes) {
    for (uint64_t n = *bytes; n >= 2 * ARENA_CHUNK; n = n / 2 / ARENA_CHUNK * ARENA_CHUNK) {
        char *p = mmap(NULL, n + MEM_LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                       -1, 0);
        if (p == MAP_FAILED) continue;
        size_t before = (size_t)(-(uintptr_t)p % MEM_LARGE);
        if (before > 0) munmap(p, before);
        munmap(p + before + n, MEM_LARGE - before);
        *bytes = n;
        return p + before;
    }
    log_panic(__FILE__, __LINE__, "no address space for an arena (see `ulimit -v`)");
}

/* Takes address space and the table, of which only what chunks in use need is ever touched; no
 * memory for objects yet. */
arena *arena_new(uint64_t max_bytes) {
    CHECK(max_bytes > 0 && max_bytes <= ARENA_MAX);
    region *a = mem_zalloc(sizeof *a);
    uint64_t bytes = (max_bytes + ARENA_CHUNK - 1) / ARENA_CHUNK * ARENA_CHUNK;
    if (bytes < ARENA_MAX) bytes += ARENA_CHUNK; /* for chunk 0 */
    a->pub.base = reserve(&bytes);
    /* Without THP in the kernel this fails, and is not needed. */
    (void)madvise(a->pub.base, bytes, MADV_NOHUGEPAGE);
    a->chunks = (uint32_t)(bytes / ARENA_CHUNK);
    size_t map_words = (a->chunks + 63) / 64;
    a->free_map = mem_zalloc(map_words * 8);
    uint64_t table = a->chunks * sizeof(chunk);
    void *t = mmap(NULL, table, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (t == MAP_FAILED) log_panic(__FILE__, __LINE__, "Out of memory for an arena's table");
    a->table = t;
    a->top = 1;
    a->keep = DEFAULT_KEEP;
    return &a->pub;
}

/* The poison is lifted first: the addresses may be given to somebody else. */
void arena_free(arena *pub) {
    region *a = (region *)pub;
    CHECK(a->heaps == 0);
    UNPOISON(chunk_at(a, 1), (size_t)(a->top - 1) * ARENA_CHUNK);
    munmap(a->pub.base, (size_t)a->chunks * ARENA_CHUNK);
    munmap(a->table, a->chunks * sizeof(chunk));
    count_bytes(a, -(int64_t)a->bytes);
    mem_free(a->free_map);
    mem_free(a);
}

/* Kept up to date by count_bytes() (A3). */
uint64_t arena_bytes(const arena *pub) {
    return ((const region *)pub)->bytes;
}

/* Wherever the chunks lie: a run may find no place among them. */
uint64_t arena_left(const arena *pub) {
    const region *a = (const region *)pub;
    return (uint64_t)(a->chunks - a->top + a->free) * ARENA_CHUNK;
}

/* Makes the next chunks of the region accessible, so that chunk `last` is. */
static void open_up_to(region *a, uint32_t last) {
    uint32_t to = (last / OPEN_STEP + 1) * OPEN_STEP;
    if (to > a->chunks) to = a->chunks;
    size_t n = (size_t)(to - a->opened) * ARENA_CHUNK;
    if (mprotect(chunk_at(a, a->opened), n, PROT_READ | PROT_WRITE) != 0)
        log_panic(__FILE__, __LINE__, "Out of memory: the system refuses %zu bytes", n);
    a->opened = to;
}

/* Sees to it that the chunk's first `pages` pages are counted. */
static inline void touch(region *a, chunk *c, unsigned pages) {
    if (pages <= c->touched) return;
    count_bytes(a, (int64_t)(pages - c->touched) * PAGE);
    c->touched = (uint8_t)pages;
}

/* One bit of the map. Chunks from `top` on have none set, though nobody has them. */
static inline bool is_free(const region *a, uint32_t c) {
    return a->free_map[c / 64] >> (c % 64) & 1;
}

/* Counts all pages of the block, which is on a large page now, or is to be. */
static void touch_block(region *a, uint32_t block) {
    uint32_t end = (block + 1) * BLOCK_CHUNKS;
    for (uint32_t c = block * BLOCK_CHUNKS; c < end && c < a->chunks; c++) {
        if (is_free(a, c)) a->idle += (uint64_t)ARENA_CHUNK - a->table[c].touched * PAGE;
        touch(a, &a->table[c], ARENA_CHUNK / PAGE);
    }
    a->large[block / 64] |= (uint64_t)1 << (block % 64);
    if (end > a->ahead) a->ahead = end < a->chunks ? end : a->chunks;
}

/* Takes a chunk that is known to be free. */
static void take_free(region *a, uint32_t c) {
    a->free_map[c / 64] &= ~((uint64_t)1 << (c % 64));
    a->free--;
    a->idle -= (uint64_t)a->table[c].touched * PAGE;
}

/* The lowest place for n chunks in a row; the last of them may be new ones from `top` on. */
static uint32_t find_run(const region *a, size_t n) {
    uint32_t first = a->low * 64;
    for (uint32_t c = first; c < a->top && c - first < n; c++)
        if (!is_free(a, c)) first = c + 1;
    return first;
}

/* The lowest free chunk. REQUIRES: there is one. */
static uint32_t find_one(region *a) {
    while (a->free_map[a->low] == 0)
        a->low++;
    return a->low * 64 + (uint32_t)__builtin_ctzll(a->free_map[a->low]);
}

/* n chunks in a row, of no heap yet. */
static uint32_t chunks_take(region *a, size_t n) {
    uint32_t first = !a->free ? a->top : n == 1 ? find_one(a) : find_run(a, n);
    if (n > a->chunks - first)
        log_panic(__FILE__, __LINE__, "Out of memory: an arena of %llu bytes is full",
                  (unsigned long long)a->chunks * ARENA_CHUNK);
    for (uint32_t c = first; c < first + n && c < a->top; c++)
        take_free(a, c);
    if (first + n > a->top) a->top = first + (uint32_t)n;
    if (a->top > a->opened) open_up_to(a, a->top - 1);
    POISON(chunk_at(a, first), n * ARENA_CHUNK);
    return first;
}

/* Gives the pages of a free chunk back to the system. */
static void purge(region *a, uint32_t n) {
    chunk *c = &a->table[n];
    if (!c->touched) return;
    (void)madvise(chunk_at(a, n), (size_t)c->touched * PAGE, MADV_DONTNEED);
    a->large[n / BLOCK_CHUNKS / 64] &= ~((uint64_t)1 << (n / BLOCK_CHUNKS % 64));
    a->idle -= (uint64_t)c->touched * PAGE;
    count_bytes(a, -(int64_t)c->touched * PAGE);
    c->touched = 0;
}

/* Takes back a chunk that is in no list. */
static void chunk_give(region *a, uint32_t n) {
    CHECK(n > 0 && n < a->top && !is_free(a, n));
    a->free_map[n / 64] |= (uint64_t)1 << (n % 64);
    if (n / 64 < a->low) a->low = n / 64;
    a->free++;
    a->idle += (uint64_t)a->table[n].touched * PAGE;
    if (a->idle > a->keep && !a->enlarging) purge(a, n);
}

/* All that is accessible is one mapping, or a few: this is a matter of microseconds. If the system
 * refuses, a child gets what it does not need, or fails and is tried again. */
void arena_withhold(arena *pub, bool withheld) {
    region *a = (region *)pub;
    if (a->withheld == withheld) return;
    a->withheld = withheld;
    int64_t bytes = (int64_t)a->bytes;
    mem_count_inherited(withheld ? -bytes : bytes);
    (void)madvise(a->pub.base, (size_t)a->opened * ARENA_CHUNK,
                  withheld ? MADV_DONTFORK : MADV_DOFORK);
}

/* ---- large pages ----------------------------------------------------------------------------- */

/* What is opened meanwhile is small, and stays so. */
void arena_enlarge_begin(arena *pub) {
    region *a = (region *)pub;
    CHECK(!a->enlarging);
    a->enlarging = true;
}

/* Is the block not large, and are so many pages of it touched that the rest may as well be? Never
 * of the first, in which chunk 0 is. */
static bool is_dense(const region *a, uint32_t block) {
    uint32_t first = block * BLOCK_CHUNKS, holes = 0;
    if (block == 0 || first + BLOCK_CHUNKS > a->top) return false;
    if (a->large[block / 64] >> (block % 64) & 1) return false;
    for (uint32_t c = first; c < first + BLOCK_CHUNKS && holes <= BLOCK_HOLES; c++)
        holes += ARENA_CHUNK / PAGE - a->table[c].touched;
    return holes <= BLOCK_HOLES;
}

/* The next row of dense blocks; *at counts blocks. */
bool arena_enlarge_next(arena *pub, uint64_t *at, size_t most, void **piece, size_t *bytes) {
    region *a = (region *)pub;
    uint64_t blocks = a->top / BLOCK_CHUNKS, row = most / MEM_LARGE;
    CHECK(a->enlarging && row > 0);
    while (*at < blocks && !is_dense(a, (uint32_t)*at))
        ++*at;
    *piece = chunk_at(a, (uint32_t)*at * BLOCK_CHUNKS);
    *bytes = 0;
    for (; *at < blocks && row > 0 && is_dense(a, (uint32_t)*at); ++*at, row--) {
        touch_block(a, (uint32_t)*at);
        *bytes += MEM_LARGE;
    }
    return *bytes > 0;
}

/* Whole blocks between what is in use and `most` beyond it. */
bool arena_ahead_next(arena *pub, size_t most, void **piece, size_t *bytes) {
    region *a = (region *)pub;
    uint64_t end = ((uint64_t)a->top * ARENA_CHUNK + most) / MEM_LARGE;
    uint32_t from = (a->top > a->ahead ? a->top : a->ahead) + BLOCK_CHUNKS - 1;
    CHECK(a->enlarging);
    from /= BLOCK_CHUNKS;
    if (end > a->chunks / BLOCK_CHUNKS) end = a->chunks / BLOCK_CHUNKS;
    *piece = chunk_at(a, from * BLOCK_CHUNKS);
    *bytes = 0;
    if (from >= end) return false;
    *bytes = (end - from) * MEM_LARGE;
    if (end * BLOCK_CHUNKS > a->opened) open_up_to(a, (uint32_t)end * BLOCK_CHUNKS - 1);
    for (; from < end; from++)
        touch_block(a, from);
    return true;
}

/* Block by block, for INFO. */
uint64_t arena_large(const arena *pub) {
    const region *a = (const region *)pub;
    uint64_t blocks = 0;
    for (size_t i = 0; i < BLOCKS_MAX / 64; i++)
        blocks += (uint64_t)__builtin_popcountll(a->large[i]);
    return blocks * MEM_LARGE;
}

/* What is written while such a child lives is not on a large page any more. */
void arena_shared(arena *pub) {
    region *a = (region *)pub;
    memset(a->large, 0, sizeof a->large);
}

/* What was kept back meanwhile goes now. */
void arena_enlarge_end(arena *pub) {
    region *a = (region *)pub;
    CHECK(a->enlarging);
    a->enlarging = false;
    if (a->idle > a->keep) arena_keep(pub, a->keep);
}

/* Idle pages beyond the new limit go back now, those of low chunks first. */
void arena_keep(arena *pub, uint64_t bytes) {
    region *a = (region *)pub;
    a->keep = bytes;
    for (uint32_t c = 1; c < a->top && a->idle > bytes; c++)
        if (is_free(a, c)) purge(a, c);
}

/* ---- heaps ---------------------------------------------------------------------------------- */

/* Makes a chunk the first of a list, which is the one that objects are taken from. */
static void list_push(region *a, uint32_t *head, uint32_t n) {
    a->table[n].prev = 0;
    a->table[n].next = *head;
    if (*head) a->table[*head].prev = n;
    *head = n;
}

/* Takes a chunk out of a list wherever it stands; its own links stay as they were. */
static void list_remove(region *a, uint32_t *head, uint32_t n) {
    chunk *c = &a->table[n];
    if (c->next) a->table[c->next].prev = c->prev;
    if (c->prev) {
        a->table[c->prev].next = c->next;
    } else {
        CHECK(*head == n);
        *head = c->next;
    }
}

/* Some list heads: a heap has no chunk before it has an object. */
arena_heap *arena_heap_new(arena *pub) {
    arena_heap *h = mem_zalloc(sizeof *h);
    h->a = (region *)pub;
    h->a->heaps++;
    return h;
}

/* Gives back a chunk that is in no list of its heap, with the rest of its run. */
static void heap_give(arena_heap *h, uint32_t n) {
    uint32_t count = h->a->table[n].cls == CLASS_RUN ? h->a->table[n].run : 1;
    for (uint32_t i = 0; i < count; i++)
        chunk_give(h->a, n + i);
    CHECK(h->chunks >= count);
    h->chunks -= count;
}

/* Takes chunk after chunk off the lists. The counts of objects are not kept up meanwhile, nor are
 * objects looked at, so the cost is that of the chunks alone. */
bool arena_heap_free_some(arena_heap *h, size_t chunks) {
    for (unsigned list = 0; list <= FULL; list++) {
        while (h->lists[list]) {
            if (chunks-- == 0) return false;
            uint32_t n = h->lists[list];
            list_remove(h->a, &h->lists[list], n);
            heap_give(h, n);
        }
    }
    CHECK(h->chunks == 0);
    h->a->heaps--;
    mem_free(h);
    return true;
}

/* The same without a limit. */
void arena_heap_free(arena_heap *h) {
    bool gone = arena_heap_free_some(h, SIZE_MAX);
    CHECK(gone);
}

/* An object of whole chunks. */
static arena_ref alloc_run(arena_heap *h, size_t n) {
    region *a = h->a;
    size_t count = run_chunks(n);
    uint32_t first = chunks_take(a, count);
    for (size_t i = 0; i < count; i++) {
        size_t left = n - i * ARENA_CHUNK;
        if (left > ARENA_CHUNK) left = ARENA_CHUNK;
        touch(a, &a->table[first + i], (unsigned)((left + PAGE - 1) / PAGE));
        a->table[first + i].cls = CLASS_REST;
    }
    a->table[first].cls = CLASS_RUN;
    a->table[first].run = (uint32_t)count;
    list_push(a, &h->lists[FULL], first);
    h->chunks += count;
    h->objects++;
    h->used += count * ARENA_CHUNK;
    UNPOISON(chunk_at(a, first), n);
    return first * CHUNK_UNITS;
}

/* Gives the heap a chunk for objects of that class, first in its list. */
static uint32_t add_chunk(arena_heap *h, unsigned cls) {
    uint32_t n = chunks_take(h->a, 1);
    chunk *c = &h->a->table[n];
    c->live = 0;
    c->freed = NO_UNIT;
    c->fresh = 0;
    c->cls = (uint8_t)cls;
    list_push(h->a, &h->lists[cls], n);
    h->chunks++;
    return n;
}

/* From the first chunk of the class: a freed object if there is one, as its page is counted and
 * probably in the cache, else from the untouched end. A chunk that is full after that changes lists
 * (A2). */
arena_ref arena_alloc(arena_heap *h, size_t n) {
    CHECK(n > 0);
    if (n > CLASS_MAX) return alloc_run(h, n);
    region *a = h->a;
    unsigned cls = class_of(n);
    size_t size = class_size(cls);
    unsigned units = (unsigned)(size / ARENA_UNIT);
    uint32_t at = h->lists[cls];
    if (!at) at = add_chunk(h, cls);
    chunk *c = &a->table[at];
    unsigned unit = c->freed;
    char *p;
    if (unit != NO_UNIT) {
        p = chunk_at(a, at) + unit * ARENA_UNIT;
        UNPOISON(p, size);
        memcpy(&c->freed, p, sizeof c->freed);
    } else {
        unit = c->fresh;
        p = chunk_at(a, at) + unit * ARENA_UNIT;
        UNPOISON(p, size);
        c->fresh = (uint16_t)(unit + units);
        touch(a, c, (c->fresh * ARENA_UNIT + PAGE - 1) / PAGE);
    }
    c->live++;
    h->objects++;
    h->used += size;
    if (c->freed == NO_UNIT && c->fresh + units > CHUNK_UNITS) {
        list_remove(a, &h->lists[cls], at);
        list_push(a, &h->lists[FULL], at);
    }
    return at * CHUNK_UNITS + unit;
}

/* Frees an object of whole chunks. */
static void release_run(arena_heap *h, arena_ref r) {
    uint32_t n = r / CHUNK_UNITS;
    CHECK(r % CHUNK_UNITS == 0);
    h->used -= (uint64_t)h->a->table[n].run * ARENA_CHUNK;
    h->objects--;
    list_remove(h->a, &h->lists[FULL], n);
    heap_give(h, n);
}

/* The object becomes the head of its chunk's free list. An empty chunk leaves the heap at once; one
 * that was full goes back to the list of its class (A2). */
void arena_release(arena_heap *h, arena_ref r) {
    region *a = h->a;
    uint32_t at = r / CHUNK_UNITS;
    unsigned unit = r % CHUNK_UNITS;
    CHECK(at > 0 && at < a->top);
    chunk *c = &a->table[at];
    if (c->cls == CLASS_RUN) {
        release_run(h, r);
        return;
    }
    CHECK(c->cls < CLASSES && c->live > 0 && unit < c->fresh);
    size_t size = class_size(c->cls);
    bool was_full = c->freed == NO_UNIT && c->fresh + size / ARENA_UNIT > CHUNK_UNITS;
    char *p = arena_at(&a->pub, r);
    memcpy(p, &c->freed, sizeof c->freed);
    POISON(p, size);
    c->freed = (uint16_t)unit;
    c->live--;
    h->objects--;
    h->used -= size;
    if (c->live == 0) {
        list_remove(a, was_full ? &h->lists[FULL] : &h->lists[c->cls], at);
        heap_give(h, at);
    } else if (was_full) {
        list_remove(a, &h->lists[FULL], at);
        list_push(a, &h->lists[c->cls], at);
    }
}

/* Counted by allocation and release. */
uint64_t arena_heap_objects(const arena_heap *h) {
    return h->objects;
}
/* With what the size classes add. */
uint64_t arena_heap_used(const arena_heap *h) {
    return h->used;
}
/* Those of runs included. */
uint64_t arena_heap_chunks(const arena_heap *h) {
    return h->chunks;
}

/* ---- checking ------------------------------------------------------------------------------- */

/* Checks one chunk of objects; returns how many of them are in use. */
static uint64_t check_chunk(const region *a, uint32_t n, bool full) {
    const chunk *c = &a->table[n];
    unsigned units = (unsigned)(class_size(c->cls) / ARENA_UNIT);
    unsigned free = 0;
    for (unsigned u = c->freed; u != NO_UNIT; free++) {
        CHECK(u % units == 0 && u < c->fresh && free < CHUNK_UNITS);
        uint16_t next;
        char *p = chunk_at(a, n) + (size_t)u * ARENA_UNIT;
        UNPOISON(p, sizeof next);
        memcpy(&next, p, sizeof next);
        POISON(p, sizeof next);
        u = next;
    }
    CHECK(c->fresh % units == 0 && c->fresh / units == c->live + free && c->live > 0);
    CHECK(full == (free == 0 && c->fresh + units > CHUNK_UNITS));
    CHECK((size_t)c->touched * PAGE >= c->fresh * ARENA_UNIT);
    return c->live;
}

/* The heap's lists (A1, A2), then the sums over all chunks of the region (A3), whosever
 * they are. */
void arena_check(const arena_heap *h) {
    const region *a = h->a;
    uint64_t objects = 0, used = 0, chunks = 0;
    for (unsigned list = 0; list <= FULL; list++) {
        uint32_t prev = 0;
        for (uint32_t n = h->lists[list]; n; n = a->table[n].next) {
            const chunk *c = &a->table[n];
            CHECK(n < a->top && !is_free(a, n) && c->prev == prev);
            prev = n;
            bool run = c->cls == CLASS_RUN;
            CHECK(list == FULL || c->cls == list);
            uint64_t live = run ? 1 : check_chunk(a, n, list == FULL);
            objects += live;
            used += live * arena_size(&a->pub, n * CHUNK_UNITS);
            chunks += run ? c->run : 1;
        }
    }
    CHECK(objects == h->objects && used == h->used && chunks == h->chunks);
    uint64_t touched = 0, idle = 0, free = 0;
    uint32_t last = a->top > a->ahead ? a->top : a->ahead;
    for (uint32_t n = 1; n < last; n++) {
        touched += (uint64_t)a->table[n].touched * PAGE;
        free += is_free(a, n);
        if (is_free(a, n)) idle += (uint64_t)a->table[n].touched * PAGE;
    }
    CHECK(touched == a->bytes && idle == a->idle && free == a->free);
}
