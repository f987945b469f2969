/* keydir_walk: what visits many entries of a keydir: iterators, SCAN, statistics and the check
 * of its invariants.
 *
 * A position is a token, not a place in memory: stepping to the next page goes down from the root
 * again, which costs less than a page's entries do, and there is no list of pages to maintain. */
#include "base/mem.h"
#include "engine/bitcask/keydir_page.h"

#define AHEAD 16 /* entries fetched before they are read: 220 ns an entry become 35 */

/* ---- in order ------------------------------------------------------------------------------- */

/* Says where the range ends even if it is empty, so that a walk knows where to go on. */
arena_ref keydir_page_around(const keydir *k, uint64_t x, uint64_t *end) {
    arena_ref r = k->root;
    unsigned depth = 0;
    while (r) {
        const head *h = keydir_object(k, r);
        depth = h->depth;
        if (h->kind == KIND_PAGE) break;
        const node *n = keydir_object(k, r);
        r = n->child[bits_of(x, n->depth, n->bits)];
        depth = n->depth + n->bits;
    }
    *end = prefix_of(x, depth) + range_of(depth);
    return r;
}

/* Starts bringing an entry of a page into the cache: a walk is going to read it. (always_inline:
 * gcc takes a function that does nothing else for one without effect and drops the call.) */
static inline __attribute__((always_inline)) void fetch(const keydir *k, const page *p,
                                                        unsigned i) {
    if (i < p->count) __builtin_prefetch(keydir_object(k, slot_ref(p, i)));
}

/* Puts the iterator on the first entry at or after x, in this page or a later one. */
static void seek(const keydir *k, uint64_t x, keydir_iter *it) {
    *it = (keydir_iter){.k = k};
    do {
        it->page = keydir_page_around(k, x, &it->end);
        if (it->page) {
            const page *p = keydir_object(k, it->page);
            it->at = page_seek(k, p, x);
            for (unsigned i = it->at; i < it->at + AHEAD; i++)
                fetch(k, p, i);
            if (it->at < p->count) return;
        }
        x = it->end;
    } while (x);
    it->page = ARENA_NONE;
}

/* A token beyond the last possible one is an end, not an error: cursors come from clients. */
void keydir_seek(const keydir *k, uint64_t from, keydir_iter *it) {
    if (from >> k->bits)
        *it = (keydir_iter){.k = k};
    else
        seek(k, keydir_warp(k, from), it);
}

/* Steps on before it returns, and fetches the entry AHEAD places further. */
arena_ref keydir_next(keydir_iter *it, uint64_t *token) {
    if (!it->page) return ARENA_NONE;
    const keydir *k = it->k;
    const page *p = keydir_object(k, it->page);
    CHECK(p->kind == KIND_PAGE && it->at < p->count);
    fetch(k, p, it->at + AHEAD);
    arena_ref r = slot_ref(p, it->at++);
    if (token) *token = entry_token(k, r);
    if (it->at < p->count) return r;
    if (it->end)
        seek(k, it->end, it);
    else
        it->page = ARENA_NONE;
    return r;
}

/* A cursor is a token and can't name an entry within one, so it stops between tokens only (K2: what
 * it goes on for is in this page). */
uint64_t keydir_scan(const keydir *k, uint64_t from, size_t want,
                     void (*each)(void *ctx, arena_ref r), void *ctx) {
    keydir_iter it;
    arena_ref last = ARENA_NONE;
    keydir_seek(k, from, &it);
    for (size_t n = 0; it.page; n++) {
        if (n >= want && last) {
            const page *p = keydir_object(k, it.page);
            uint64_t token = entry_token(k, slot_ref(p, it.at));
            if (token != entry_token(k, last)) return token;
        }
        last = keydir_next(&it, NULL);
        each(ctx, last);
    }
    return 0;
}

/* ---- the check ---------------------------------------------------------------------------------
 */

/* What the check has counted. */
typedef struct tally {
    uint64_t count, expires;
    uint64_t objects; /* pages, nodes and entries */
    uint64_t slots[SLOTS];
} tally;

/* Checks the slots of the page r, whose range begins at `low`. */
static void check_page(const keydir *k, arena_ref r, uint64_t low, tally *sum) {
    const page *p = keydir_object(k, r);
    CHECK(p->count > 0 && p->count <= p->cap && p->cap % PAGE_STEP == 0);
    CHECK(arena_size(k->shared->arena, r) == arena_size_for(page_bytes(p->cap)));
    CHECK(p->count <= PAGE_MAX || p->depth == k->bits + 1);
    uint64_t last = 0;
    slice last_key = SLICE_EMPTY;
    for (unsigned i = 0; i < p->count; i++) {
        uint64_t x = entry_x(k, slot_ref(p, i));
        const char *e = keydir_object(k, slot_ref(p, i));
        slice key = kdent_key(e);
        CHECK(prefix_of(x, p->depth) == low);
        CHECK(slot_tag(p, i) == tag_of(x, p->depth));
        CHECK(i == 0 || last < x || (last == x && slice_cmp(last_key, key) < 0)); /* K1 */
        last = x;
        last_key = key;
        sum->expires += kdent_has_expire(e);
        sum->slots[entry_token(k, slot_ref(p, i)) >> TOKEN_HASH_BITS]++;
    }
    sum->count += p->count;
    sum->objects += 1u + p->count;
}

/* Checks what is below r, a child of a node whose range begins at `low`. */
static void check_below(const keydir *k, arena_ref r, uint64_t low, tally *sum) {
    const node *n = keydir_object(k, r);
    if (n->kind == KIND_PAGE) {
        check_page(k, r, low, sum);
        return;
    }
    CHECK(n->kind == KIND_NODE && n->bits > 0 && n->bits <= NODE_BITS);
    unsigned any = 0;
    for (unsigned i = 0; i < 1u << n->bits;) {
        arena_ref c = n->child[i];
        unsigned span = 1;
        if (c) {
            const head *h = keydir_object(k, c);
            unsigned bottom = n->depth + n->bits;
            if (h->kind == KIND_NODE) CHECK(h->depth == bottom && n->bits == NODE_BITS); /* T2 */
            CHECK(h->depth >= n->depth && h->depth <= bottom);                           /* T1 */
            span = 1u << (bottom - h->depth);
            CHECK(i % span == 0);
            for (unsigned j = 1; j < span; j++)
                CHECK(n->child[i + j] == c);
            check_below(k, c, low | (uint64_t)i << (64 - bottom), sum);
            any++;
        }
        i += span;
    }
    CHECK(any > 0); /* T3 */
    sum->objects++;
}

/* Everything that can be known without the engine: K1 to K3, T1 to T3, then the heap itself. */
void keydir_check(const keydir *k) {
    tally *sum = mem_zalloc(sizeof *sum);
    if (k->root) {
        CHECK(((head *)keydir_object(k, k->root))->depth == 0);
        check_below(k, k->root, 0, sum);
    }
    CHECK(sum->count == k->count && sum->expires == k->expires);
    for (unsigned slot = 0; k->slots && slot < SLOTS; slot++)
        CHECK(sum->slots[slot] == keydir_slot_count(k, slot));
    /* there may be more: what was taken out stays until nobody can want it back */
    CHECK(arena_heap_objects(k->heap) >= sum->objects);
    CHECK(arena_heap_chunks(k->heap) * ARENA_CHUNK >= arena_heap_used(k->heap));
    mem_free(sum);
    arena_check(k->heap);
}
