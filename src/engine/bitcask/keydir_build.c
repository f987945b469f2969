/* keydir_build: a keydir out of entries that come in order, page by page.
 *
 * Put one by one, a key costs a way down the trie, a search, moving the slots behind it, and every
 * fourth time a larger page. In order none of that is needed: entries wait until it is known which
 * page they make, and the page is then written once, with just the room it needs.
 *
 * The range of x (keydir_page.h) that the waiting entries are in is the one that a page would have:
 *
 *   the first     all of it, depth 0
 *   a 65th comes  the half that the last of them lies in; those in the other half are a page
 *   one beyond    those waiting are a page; the new range is the largest around the newcomer in
 *                 which the entry before does not lie
 *
 * Each range but the first is a half of one that has more than 64 entries, whose pages so are those
 * that splitting makes: the same keys make the same pages, in whatever order they came (README,
 * invariant 6). */
#include "engine/bitcask/keydir.h"

#include "base/mem.h"
#include "engine/bitcask/keydir_page.h"

/* An entry that waits for its page. */
typedef struct waiting {
    uint64_t x;
    arena_ref entry;
} waiting;

struct keydir_build {
    keydir *k;
    waiting *wait; /* all in the range of `depth` bits around the first of them */
    uint32_t n, cap;
    unsigned depth;
    uint64_t last; /* x of the entry before; 0 if there was none */
    bool any;
};

keydir_build *keydir_build_new(keydir *k) {
    CHECK(k->root == ARENA_NONE && k->count == 0);
    keydir_build *b = mem_zalloc(sizeof *b);
    b->k = k;
    return b;
}

/* The first n of those that wait become a page of that depth; the rest waits on. */
static void put_page(keydir_build *b, uint32_t n, unsigned depth) {
    keydir *k = b->k;
    CHECK(n > 0 && n <= b->n && (n <= PAGE_MAX || depth == k->bits + 1));
    arena_ref r = page_new(k, depth, n);
    page *p = keydir_object(k, r);
    char *slot = p->slots;
    for (uint32_t i = 0; i < n; i++)
        slot = put_u32(put_u16(slot, (uint16_t)tag_of(b->wait[i].x, depth)), b->wait[i].entry);
    p->count = (uint16_t)n;
    keydir_hook(k, b->wait[0].x, depth, r);
    b->n -= n;
    memmove(b->wait, b->wait + n, b->n * sizeof *b->wait);
}

/* Makes room for an entry of x in the range of those that wait, which are as many as a page takes:
 * halves the range until it has. */
static void narrow(keydir_build *b, uint64_t x) {
    CHECK(b->n <= PAGE_MAX || b->depth == b->k->bits + 1);
    while (b->n >= PAGE_MAX && b->depth <= b->k->bits) {
        unsigned depth = ++b->depth;
        uint64_t half = prefix_of(x, depth);
        uint32_t below = 0;
        while (below < b->n && b->wait[below].x < half)
            below++;
        if (below) put_page(b, below, depth);
    }
}

/* Does x lie in the range of what waits? */
static bool in_range(const keydir_build *b, uint64_t x) {
    CHECK(b->any && b->depth <= b->k->bits + 1);
    return prefix_of(b->last, b->depth) == prefix_of(x, b->depth);
}

/* A copy of bytes that were made elsewhere: those who know the keydir do no more than they must. */
static arena_ref copy_entry(keydir *k, slice entry) {
    CHECK(entry.len > KDENT_KEY);
    arena_ref r = arena_alloc(k->heap, entry.len);
    memcpy(keydir_object(k, r), entry.data, entry.len);
    return r;
}

arena_ref keydir_build_add(keydir_build *b, uint64_t token, slice entry) {
    keydir *k = b->k;
    uint64_t x = keydir_warp(k, token);
    CHECK(!b->any || x >= b->last); /* K1 */
    if (b->any && !in_range(b, x)) {
        put_page(b, b->n, b->depth);
        b->depth = (unsigned)__builtin_clzll(x ^ b->last) + 1;
        CHECK(b->depth <= k->bits + 1);
    }
    b->last = x;
    b->any = true;
    narrow(b, x);
    if (b->n == b->cap) b->wait = mem_more(b->wait, &b->cap, PAGE_MAX, sizeof *b->wait);
    arena_ref r = copy_entry(k, entry);
    b->wait[b->n++] = (waiting){x, r};
    keydir_count_entry(k, token, r, +1);
    return r;
}

void keydir_build_end(keydir_build *b) {
    if (!b) return;
    if (b->n) put_page(b, b->n, b->depth);
    CHECK(b->n == 0 && (b->k->root != ARENA_NONE) == b->any);
    mem_free(b->wait);
    mem_free(b);
}
