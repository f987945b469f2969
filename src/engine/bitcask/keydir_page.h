/* keydir_page: the parts of a keydir as keydir.c and keydir_walk.c know them; for nobody else.
 *
 * Tokens are used in another form here ("x"), of the same order: 64 bits, of which only the first
 * k->bits + 1 tell tokens apart; see keydir_warp. */
#ifndef STAVE_ENGINE_BITCASK_KEYDIR_PAGE_H
#define STAVE_ENGINE_BITCASK_KEYDIR_PAGE_H

#include "base/log.h"
#include "engine/bitcask/keydir.h"

#define NODE_BITS  9   /* a node has at most 2^9 children */
#define MAX_LEVELS 7   /* nodes from the root to a page: ceil(53 / 9), and one to spare */
#define PAGE_MAX   64u /* entries of a page before it splits */
#define PAGE_STEP  4u  /* pages grow by that many slots */
#define REBASE     6   /* tags begin at a depth that is a multiple of this */
#define SLOT_SIZE  6
#define SLOTS      (1u << (TOKEN_BITS - TOKEN_HASH_BITS)) /* of a cluster */

enum { KIND_PAGE = 1, KIND_NODE = 2 };

/* Both kinds of object begin so. depth: token bits that are the same for all that is below. */
typedef struct head {
    uint8_t kind, depth;
} head;

typedef struct node {
    uint8_t kind, depth;
    uint8_t bits; /* 2^bits children */
    uint8_t zero;
    arena_ref child[]; /* ARENA_NONE: no keys there */
} node;

typedef struct page {
    uint8_t kind, depth;
    uint16_t count, cap;
    uint16_t zero;
    char slots[]; /* cap x { u16 tag, u32 reference } */
} page;

struct keydir {
    const keydir_shared *shared;
    char *base; /* the arena's */
    arena_heap *heap;
    arena_ref root; /* a page, a node, or ARENA_NONE */
    unsigned bits;  /* of a token: 39, or 53 in cluster mode */
    uint64_t shape; /* another one whenever a page or node is made or goes: see keydir_spot */
    uint64_t count, expires;
    uint32_t *slots; /* cluster mode: a Fenwick tree of the entries in each slot; else NULL */
};

static inline void *keydir_object(const keydir *k, arena_ref r) {
    return k->base + (size_t)r * ARENA_UNIT;
}
/* x for a token: y = log2(1 + token / all tokens), in straight pieces between 16 points, so that
 * keys, which are evenly spread over tokens, are twice as dense at the end of the trie as at its
 * beginning. Why: keydir_page.c. Slopes are 0.72 .. 1.4, so no two tokens get one x, nor two x that
 * agree in their first k->bits + 1 bits. */
static inline uint64_t keydir_warp(const keydir *k, uint64_t token) {
    static const uint64_t point[17] = {
        0x0000000000000000,
        0x1663f6fac913167d,
        0x2b803473f7ad0f3f,
        0x3f782d7204d01447,
        0x5269e12f346e2bf9,
        0x646eea247c5c22d3,
        0x759d4f80cba83bf9,
        0x86082806b1d532c4,
        0x95c01a39fbd687a0,
        0xa4d3c25e68dc57f2,
        0xb35004723c465e69,
        0xc1404eadf38396df,
        0xceaecfea80859b33,
        0xdba4a47aa996d25a,
        0xe829fb693044b399,
        0xf446359b13539551,
        0, /* 2^64 */
    };
    uint64_t t = token << (64 - k->bits);
    unsigned i = (unsigned)(t >> 60);
    uint64_t rest = t & (((uint64_t)1 << 60) - 1);
    return point[i] + (uint64_t)(((unsigned __int128)rest * (point[i + 1] - point[i])) >> 60);
}
/* n bits of x from bit `from`, counted from the left; 0 if n is 0. */
static inline uint64_t bits_of(uint64_t x, unsigned from, unsigned n) {
    return n ? x << from >> (64 - n) : 0;
}
/* The width of a range of tokens that have `depth` bits in common; 0 stands for 2^64. */
static inline uint64_t range_of(unsigned depth) {
    return depth ? (uint64_t)1 << (64 - depth) : 0;
}
/* x with all but its first `depth` bits cleared. */
static inline uint64_t prefix_of(uint64_t x, unsigned depth) {
    return depth ? x & ~(range_of(depth) - 1) : 0;
}

/* Of an entry: a hash of its key. */
uint64_t entry_token(const keydir *k, arena_ref entry);
bool entry_has_key(const char *p, slice key);
static inline uint64_t entry_x(const keydir *k, arena_ref entry) {
    return keydir_warp(k, entry_token(k, entry));
}

/* A new object that holds e; in no page yet. */
arena_ref keydir_entry_new(keydir *k, const kdent *e);
/* Counts an entry of that token that came (+1) or went (-1). */
void keydir_count_entry(keydir *k, uint64_t token, arena_ref r, int sign);
/* Puts the page r, of `depth` bits, where x belongs, with the nodes above it that it needs.
 * REQUIRES: nothing is there. */
void keydir_hook(keydir *k, uint64_t x, unsigned depth, arena_ref r);
/* Counts an entry of that cluster slot in or out. */
void keydir_slots_add(keydir *k, unsigned slot, int sign);
/* The page in whose range x lies, or ARENA_NONE; *end: the first x after that page's range (or, if
 * there is none, the empty slot's); 0 if that is past the last token. */
arena_ref keydir_page_around(const keydir *k, uint64_t x, uint64_t *end);

/* ---- slots ---------------------------------------------------------------------------------- */

static inline unsigned tag_base(unsigned depth) {
    return depth - depth % REBASE;
}
/* The tag of x in a page of that depth: the 16 bits from tag_base(depth). */
static inline unsigned tag_of(uint64_t x, unsigned depth) {
    return (unsigned)(x << tag_base(depth) >> 48);
}
static inline unsigned slot_tag(const page *p, unsigned i) {
    return load_u16(p->slots + (size_t)i * SLOT_SIZE);
}
static inline arena_ref slot_ref(const page *p, unsigned i) {
    return load_u32(p->slots + (size_t)i * SLOT_SIZE + 2);
}
static inline void slot_set_ref(page *p, unsigned i, arena_ref r) {
    put_u32(p->slots + (size_t)i * SLOT_SIZE + 2, r);
}

/* The slot that x has if tokens are evenly spread, as they are nearly: where a search begins. */
static inline unsigned page_near(const page *p, uint64_t x) {
    return (unsigned)((x << p->depth >> 48) * p->count >> 16);
}
/* The first slot with a tag >= that of x. */
unsigned page_lower(const page *p, uint64_t x);
/* The first slot whose entry's token is >= x, or p->count. */
unsigned page_seek(const keydir *k, const page *p, uint64_t x);
/* True, and *at is its slot, if the key is there. */
bool page_has(const keydir *k, const page *p, uint64_t x, slice key, unsigned *at);
/* The same, but if the key is not there, *at is where it belongs. */
bool page_find(const keydir *k, const page *p, uint64_t x, slice key, unsigned *at);

/* ---- changes: each may move the page, and returns where it is now -------------------------------
 */

/* Whoever makes or drops a page or a node does this, so that no keydir_spot names what is not
 * there. */
void keydir_reshaped(keydir *k);

size_t page_bytes(unsigned cap);
arena_ref page_new(keydir *k, unsigned depth, unsigned cap);
arena_ref page_insert(keydir *k, arena_ref r, unsigned at, uint64_t x, arena_ref entry);
arena_ref page_remove(keydir *k, arena_ref r, unsigned at);
/* Cuts a page by its next bit into two of one bit more (ARENA_NONE where nothing is), freeing it.
 */
void page_split(keydir *k, arena_ref r, arena_ref out[2]);
/* The reverse: one page of one bit less out of neighbours, either of which may be ARENA_NONE. */
arena_ref page_join(keydir *k, arena_ref low, arena_ref high);

#endif
