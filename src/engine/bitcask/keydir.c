/* keydir: the trie above the pages, and what is done to one key.
 *
 *   root -> node (bits 0..8 of the token) -> node (bits 9..17) -> ... -> page -> entry
 *
 *   node   0  u8   kind   2
 *          1  u8   depth  token bits above it
 *          2  u8   bits   1 .. NODE_BITS
 *          3  u8   zero
 *          4  2^bits x u32 reference of a node, a page, or 0
 *
 * A node starts with one bit and doubles when a page that has but one slot in it must split, as the
 * directory of extendible hashing does, but never beyond 2^9 children (2 KiB): then the slot gets a
 * node of its own. So no single insert costs more than copying 2 KiB and splitting a few pages, and
 * nodes take about a third of a byte a key. Two levels serve up to some ten million keys, of which
 * the upper one is in L1 and the lower in L2: a find misses the cache for the page's head, for the
 * slot, and for the entry.
 *
 * Why a fixed 2^9 would not do: with evenly spread tokens all the pages of a level split at about
 * the same number of keys, and right after that every two pages have a node of 2 KiB (32 bytes a
 * key at 16 million).
 *
 * Invariants:
 *  T1. A page of depth d below a node of depth n and b bits fills an aligned run of 2^(n + b - d)
 *      of its slots; n <= d <= n + b.
 *  T2. A node fills exactly one slot of its parent, which has NODE_BITS bits.
 *  T3. No page is empty, and no node has only empty slots. */
#include "engine/bitcask/keydir.h"

#include "base/mem.h"
#include "engine/bitcask/keydir_page.h"

/* The way from the root to where x belongs. */
typedef struct trail {
    uint64_t x;
    unsigned n; /* nodes on the way */
    arena_ref node[MAX_LEVELS];
    arena_ref page; /* ARENA_NONE: nothing is there */
} trail;

/* ---- the whole ------------------------------------------------------------------------------ */

/* A heap of its own in the arena, so that dropping a database never looks at its entries. */
keydir *keydir_new(const keydir_shared *s) {
    keydir *k = mem_zalloc(sizeof *k);
    k->shared = s;
    k->base = s->arena->base;
    k->heap = arena_heap_new(s->arena);
    k->bits = s->slot_of ? TOKEN_BITS : TOKEN_HASH_BITS;
    keydir_reshaped(k); /* zeros in a spot are of no shape */
    if (s->slot_of) k->slots = mem_zalloc((SLOTS + 1) * sizeof *k->slots);
    CHECK((k->bits + NODE_BITS) / NODE_BITS < MAX_LEVELS);
    return k;
}

/* Chunk by chunk of the heap; pages, nodes and entries are not told apart. */
bool keydir_free_some(keydir *k, size_t chunks) {
    if (!arena_heap_free_some(k->heap, chunks)) return false;
    mem_free(k->slots);
    mem_free(k);
    return true;
}

/* For ends, where nobody waits. */
void keydir_free(keydir *k) {
    bool gone = keydir_free_some(k, SIZE_MAX);
    CHECK(gone);
}

/* The one place of the engine where a key becomes a token; the slot, in cluster mode, comes first
 * in the order. */
uint64_t keydir_token(const keydir_shared *s, slice key) {
    uint64_t token = token_of(s->hash, s->slot_of ? s->slot_of(key) : 0, key);
    return s->token_mask ? token & s->token_mask : token;
}

/* Exact after every call (K3), as is the next. */
uint64_t keydir_count(const keydir *k) {
    return k->count;
}
/* Counted as entries come and go: INFO asks for it and must not walk. */
uint64_t keydir_expires(const keydir *k) {
    return k->expires;
}
/* Pages, nodes and entries, those included that only a batch still refers to. */
uint64_t keydir_bytes(const keydir *k) {
    return arena_heap_used(k->heap);
}

/* ---- going down ----------------------------------------------------------------------------- */

/* The child below which x is: the bits of x that the node is a directory of. */
static inline unsigned slot_in(const node *n, uint64_t x) {
    return (unsigned)bits_of(x, n->depth, n->bits);
}

/* The page in whose range x lies, or ARENA_NONE if nothing is there. */
static inline arena_ref page_at(const keydir *k, uint64_t x) {
    arena_ref r = k->root;
    while (r) {
        const node *n = keydir_object(k, r);
        if (n->kind == KIND_PAGE) return r;
        CHECK(n->kind == KIND_NODE);
        r = n->child[slot_in(n, x)];
    }
    return ARENA_NONE;
}

/* The same, noting the way. */
static void descend(const keydir *k, uint64_t x, trail *t) {
    t->x = x;
    t->n = 0;
    arena_ref r = k->root;
    while (r && ((head *)keydir_object(k, r))->kind == KIND_NODE) {
        node *n = keydir_object(k, r);
        CHECK(t->n < MAX_LEVELS);
        t->node[t->n++] = r;
        r = n->child[slot_in(n, x)];
    }
    t->page = r;
}

/* A page's slots are compared by tag, so but for one search in forty the only entry that is read is
 * the right one. */
arena_ref keydir_find(const keydir *k, uint64_t token, slice key) {
    uint64_t x = keydir_warp(k, token);
    arena_ref r = page_at(k, x);
    if (!r) return ARENA_NONE;
    const page *p = keydir_object(k, r);
    unsigned at;
    return page_has(k, p, x, key, &at) ? slot_ref(p, at) : ARENA_NONE;
}

/* ---- going down a step at a time ---------------------------------------------------------------
 */

#define AT_UNKNOWN UINT32_MAX
#define ENTRY_NEAR 40 /* bytes of an entry that nearly every look at it reads */

/* Goes on from where the search is through as many nodes, not looking at what is below the last. */
static inline void go_down(const keydir *k, keydir_spot *spot, unsigned nodes) {
    for (; spot->page && nodes > 0; nodes--) {
        const node *n = keydir_object(k, spot->page);
        if (n->kind == KIND_PAGE) return;
        CHECK(n->kind == KIND_NODE);
        spot->page = n->child[slot_in(n, spot->x)];
    }
}

/* Begins the search anew if the keydir has changed. */
static inline void refresh(const keydir *k, uint64_t token, keydir_spot *spot) {
    if (spot->shape != k->shape)
        *spot = (keydir_spot){keydir_warp(k, token), k->shape, k->root, AT_UNKNOWN};
}

/* The page where the search ends; NULL if there is none. */
static inline page *spot_page(const keydir *k, uint64_t token, keydir_spot *spot) {
    refresh(k, token, spot);
    go_down(k, spot, MAX_LEVELS);
    return spot->page ? keydir_object(k, spot->page) : NULL;
}

/* The entry at the spot, if it has the tag. */
static inline arena_ref entry_at(const page *p, const keydir_spot *spot) {
    bool same = spot->at < p->count && slot_tag(p, spot->at) == tag_of(spot->x, p->depth);
    return same ? slot_ref(p, spot->at) : ARENA_NONE;
}

/* May be an entry of another key with the same tag: good for fetching ahead, and for
 * nothing else. */
arena_ref keydir_guess(const keydir *k, uint64_t token, keydir_spot *spot) {
    const page *p = spot_page(k, token, spot);
    if (!p) return ARENA_NONE;
    if (spot->at == AT_UNKNOWN) spot->at = page_lower(p, spot->x);
    return entry_at(p, spot);
}

/* Called by prefetch.c for keys of commands to come. The first step may read two nodes, which are
 * in the cache, or nearly, at some ten million keys still; it must not look whether a page or one
 * more node is below them. A search walks to either side of a slot, and an entry may begin at the
 * end of a line: so two lines of each. */
void keydir_prefetch(const keydir *k, uint64_t token, unsigned step, keydir_spot *spot) {
    CHECK(step < KEYDIR_STEPS);
    if (step < 2) {
        refresh(k, token, spot);
        go_down(k, spot, step == 0 ? 2 : 1);
        if (spot->page) __builtin_prefetch(keydir_object(k, spot->page));
        return;
    }
    const page *p = spot_page(k, token, spot);
    if (!p) return;
    if (step == 2) {
        const char *slot = p->slots + (size_t)page_near(p, spot->x) * SLOT_SIZE;
        __builtin_prefetch(slot - 2 * SLOT_SIZE);
        __builtin_prefetch(slot + 6 * SLOT_SIZE);
        return;
    }
    arena_ref r = keydir_guess(k, token, spot);
    if (r == ARENA_NONE) return;
    const char *e = keydir_object(k, r);
    __builtin_prefetch(e);
    __builtin_prefetch(e + ENTRY_NEAR);
}

/* The page of a spot at which this key's entry is now; NULL if it is not that, or not known to be.
 */
static inline page *spot_holds(const keydir *k, const keydir_spot *spot, slice key) {
    if (!spot || spot->shape != k->shape || !spot->page) return NULL;
    page *p = keydir_object(k, spot->page);
    if (p->kind != KIND_PAGE) return NULL; /* the search had not come so far */
    CHECK(p->count <= p->cap);
    arena_ref r = entry_at(p, spot);
    return r != ARENA_NONE && entry_has_key(keydir_object(k, r), key) ? p : NULL;
}

/* The page is still that one; its slots may have moved, so the key tells. */
arena_ref keydir_find_at(const keydir *k, const keydir_spot *spot, slice key) {
    const page *p = spot_holds(k, spot, key);
    return p ? slot_ref(p, spot->at) : ARENA_NONE;
}

/* For merges: does an entry still point at the record that is copied (B5)? No key is compared, as
 * no two records lie in one place. */
arena_ref keydir_find_place(const keydir *k, uint64_t token, uint16_t segment, uint32_t offset) {
    uint64_t x = keydir_warp(k, token);
    arena_ref r = page_at(k, x);
    if (!r) return ARENA_NONE;
    const page *p = keydir_object(k, r);
    unsigned tag = tag_of(x, p->depth);
    for (unsigned i = page_lower(p, x); i < p->count && slot_tag(p, i) == tag; i++) {
        const char *e = keydir_object(k, slot_ref(p, i));
        if (kdent_offset(e) == offset && kdent_segment(e) == segment) return slot_ref(p, i);
    }
    return ARENA_NONE;
}

/* ---- hooking in ----------------------------------------------------------------------------- */

/* Puts r in the node's slots for the range of `depth` bits that x lies in (T1). */
static void set_range(const keydir *k, arena_ref at, uint64_t x, unsigned depth, arena_ref r) {
    node *n = keydir_object(k, at);
    CHECK(depth >= n->depth && depth <= n->depth + n->bits);
    unsigned span = 1u << (n->depth + n->bits - depth);
    CHECK(n->kind == KIND_NODE);
    unsigned first = slot_in(n, x) & ~(span - 1);
    CHECK(first + span <= 1u << n->bits);
    for (unsigned i = 0; i < span; i++)
        n->child[first + i] = r;
}

/* Puts r where the trail's node number `level` is. */
static void replace_node(keydir *k, const trail *t, unsigned level, arena_ref r) {
    if (level == 0) {
        k->root = r;
        return;
    }
    node *parent = keydir_object(k, t->node[level - 1]);
    CHECK(parent->child[slot_in(parent, t->x)] == t->node[level]);
    parent->child[slot_in(parent, t->x)] = r;
}

/* Puts r, of `depth` bits, where the trail's page is. */
static void replace_page(keydir *k, trail *t, unsigned depth, arena_ref r) {
    CHECK(r == ARENA_NONE || ((head *)keydir_object(k, r))->depth <= depth);
    if (t->n == 0)
        k->root = r;
    else
        set_range(k, t->node[t->n - 1], t->x, depth, r);
    t->page = r;
}

/* The children are for the caller to fill in. */
static arena_ref node_new(keydir *k, unsigned depth, unsigned bits) {
    CHECK(bits > 0 && bits <= NODE_BITS && depth + bits <= k->bits + NODE_BITS);
    keydir_reshaped(k);
    arena_ref r = arena_alloc(k->heap, sizeof(node) + sizeof(arena_ref) * ((size_t)1 << bits));
    node *n = keydir_object(k, r);
    *n = (node){.kind = KIND_NODE, .depth = (uint8_t)depth, .bits = (uint8_t)bits};
    return r;
}

/* The node with half or twice as many slots, hooked in; the old one is freed. */
static void node_resize(keydir *k, trail *t, unsigned bits) {
    CHECK(t->n > 0);
    arena_ref old = t->node[t->n - 1];
    const node *from = keydir_object(k, old);
    CHECK(bits == from->bits + 1u || bits + 1u == from->bits);
    arena_ref r = node_new(k, from->depth, bits);
    node *to = keydir_object(k, r);
    for (unsigned i = 0; i < 1u << bits; i++)
        to->child[i] = bits > from->bits ? from->child[i / 2] : from->child[i * 2];
    replace_node(k, t, t->n - 1, r);
    t->node[t->n - 1] = r;
    arena_release(k->heap, old);
}

/* Gives the trail's page a node in which it has at least two slots. */
static void deepen(keydir *k, trail *t) {
    CHECK(t->page != ARENA_NONE);
    unsigned depth = ((page *)keydir_object(k, t->page))->depth;
    if (t->n > 0) {
        const node *n = keydir_object(k, t->node[t->n - 1]);
        if (depth < n->depth + n->bits) return;
        if (n->bits < NODE_BITS) {
            node_resize(k, t, n->bits + 1u);
            return;
        }
    }
    arena_ref r = node_new(k, depth, 1);
    node *n = keydir_object(k, r);
    n->child[0] = n->child[1] = t->page;
    arena_ref below = t->page;
    replace_page(k, t, depth, r);
    CHECK(t->n < MAX_LEVELS);
    t->node[t->n++] = r;
    t->page = below;
}

/* The node of one bit, so far empty, where the trail ends at nothing. */
static void add_node(keydir *k, trail *t) {
    unsigned depth = 0;
    if (t->n > 0) {
        const node *above = keydir_object(k, t->node[t->n - 1]);
        CHECK(above->bits == NODE_BITS); /* T2 */
        depth = above->depth + NODE_BITS;
    }
    arena_ref r = node_new(k, depth, 1);
    node *n = keydir_object(k, r);
    n->child[0] = n->child[1] = ARENA_NONE;
    replace_page(k, t, depth, r);
    CHECK(t->n < MAX_LEVELS);
    t->node[t->n++] = r;
    t->page = ARENA_NONE;
}

/* Nodes grow as by splits, so they too are the same in whatever order keys came. */
void keydir_hook(keydir *k, uint64_t x, unsigned depth, arena_ref r) {
    trail t;
    descend(k, x, &t);
    CHECK(t.page == ARENA_NONE);
    while (t.n > 0 || depth > 0) {
        const node *n = t.n ? keydir_object(k, t.node[t.n - 1]) : NULL;
        if (n && depth <= n->depth + n->bits) break;
        if (n && n->bits < NODE_BITS)
            node_resize(k, &t, n->bits + 1u);
        else
            add_node(k, &t);
    }
    replace_page(k, &t, depth, r);
}

/* Splits the trail's page, which leaves the trail without one. */
static void split(keydir *k, trail *t) {
    deepen(k, t);
    CHECK(t->n > 0);
    unsigned depth = ((page *)keydir_object(k, t->page))->depth + 1u;
    arena_ref out[2];
    page_split(k, t->page, out);
    uint64_t low = prefix_of(t->x, depth - 1);
    set_range(k, t->node[t->n - 1], low, depth, out[0]);
    set_range(k, t->node[t->n - 1], low | range_of(depth), depth, out[1]);
    CHECK(out[0] || out[1]); /* T3 */
    t->page = ARENA_NONE;
}

/* A page where the trail found none, for the largest empty range around x. */
static void add_page(keydir *k, trail *t) {
    CHECK(t->page == ARENA_NONE);
    unsigned depth = 0;
    if (t->n > 0) {
        const node *n = keydir_object(k, t->node[t->n - 1]);
        unsigned span = 1, log = 0;
        bool empty = true;
        while (empty && span < 1u << n->bits) {
            unsigned first = slot_in(n, t->x) & ~(2 * span - 1);
            for (unsigned i = 0; i < 2 * span; i++)
                empty = empty && n->child[first + i] == ARENA_NONE;
            if (empty) span *= 2, log++;
        }
        depth = n->depth + n->bits - log;
    }
    CHECK(depth <= k->bits + 1);
    replace_page(k, t, depth, page_new(k, depth, 1));
}

/* Puts the entry r in the slot of its key; returns the one that was there, or ARENA_NONE. */
static arena_ref place(keydir *k, uint64_t x, arena_ref r) {
    slice key = kdent_key(keydir_object(k, r));
    for (;;) {
        trail t;
        unsigned at;
        descend(k, x, &t);
        if (!t.page) add_page(k, &t);
        page *p = keydir_object(k, t.page);
        CHECK(p->kind == KIND_PAGE && p->count <= p->cap);
        if (page_find(k, p, x, key, &at)) {
            arena_ref old = slot_ref(p, at);
            slot_set_ref(p, at, r);
            return old;
        }
        if (p->count < PAGE_MAX || p->depth == k->bits + 1) {
            unsigned depth = p->depth;
            arena_ref now = page_insert(k, t.page, at, x, r);
            if (now != t.page) replace_page(k, &t, depth, now);
            return ARENA_NONE;
        }
        split(k, &t);
    }
}

/* ---- taking out ----------------------------------------------------------------------------- */

/* Halves the trail's last node as long as no page needs the difference. */
static void halve(keydir *k, trail *t) {
    CHECK(t->n > 0);
    for (;;) {
        const node *n = keydir_object(k, t->node[t->n - 1]);
        if (n->bits == 1) return;
        for (unsigned i = 0; i < 1u << n->bits; i += 2)
            if (n->child[i] != n->child[i + 1]) return;
        node_resize(k, t, n->bits - 1u);
    }
}

/* Removes the trail's empty page, and the nodes that held only it (T3). */
static void drop_page(keydir *k, trail *t) {
    CHECK(((page *)keydir_object(k, t->page))->count == 0);
    unsigned depth = ((page *)keydir_object(k, t->page))->depth;
    arena_release(k->heap, t->page);
    keydir_reshaped(k);
    replace_page(k, t, depth, ARENA_NONE);
    while (t->n > 0) {
        const node *n = keydir_object(k, t->node[t->n - 1]);
        for (unsigned i = 0; i < 1u << n->bits; i++) {
            if (!n->child[i]) continue;
            halve(k, t);
            return;
        }
        replace_node(k, t, t->n - 1, ARENA_NONE);
        arena_release(k->heap, t->node[--t->n]);
    }
}

/* Joins the trail's page with the one beside it if that is of the same size (or nothing is there)
 * and both fill half a page at most. */
static bool join(keydir *k, trail *t) {
    CHECK(t->n > 0);
    const page *p = keydir_object(k, t->page);
    const node *n = keydir_object(k, t->node[t->n - 1]);
    unsigned depth = p->depth;
    CHECK(p->count > 0 && depth > n->depth && depth <= n->depth + n->bits); /* T1 */
    unsigned span = 1u << (n->depth + n->bits - depth);
    unsigned beside = (slot_in(n, t->x) & ~(span - 1)) ^ span;
    arena_ref other = n->child[beside];
    unsigned count = p->count;
    if (other) {
        const page *q = keydir_object(k, other);
        if (q->kind != KIND_PAGE || q->depth != depth) return false;
        count += q->count;
    } else {
        for (unsigned i = 1; i < span; i++)
            if (n->child[beside + i]) return false;
    }
    if (count > PAGE_MAX / 2) return false;
    bool low = beside & span;
    arena_ref r = low ? page_join(k, t->page, other) : page_join(k, other, t->page);
    replace_page(k, t, depth - 1, r);
    return true;
}

/* After the trail's page lost entries: joins it with its neighbours as far as they fit together,
 * taking away the nodes that are no longer needed. */
static void shrink(keydir *k, trail *t) {
    for (;;) {
        const page *p = keydir_object(k, t->page);
        if (t->n == 0) return;
        CHECK(p->count > 0);
        arena_ref above = t->node[t->n - 1];
        if (p->depth == ((node *)keydir_object(k, above))->depth) {
            arena_ref below = t->page;
            replace_node(k, t, t->n - 1, below);
            t->n--;
            arena_release(k->heap, above);
            keydir_reshaped(k);
        } else if (!join(k, t)) {
            halve(k, t);
            return;
        }
    }
}

/* ---- changes -------------------------------------------------------------------------------- */

/* Counts an entry of that token that came (+1) or went (-1). */
void keydir_count_entry(keydir *k, uint64_t token, arena_ref r, int sign) {
    if (!r) return;
    CHECK(sign > 0 || k->count > 0);
    k->count += (uint64_t)(int64_t)sign;
    if (kdent_has_expire(keydir_object(k, r))) k->expires += (uint64_t)(int64_t)sign;
    if (k->slots) keydir_slots_add(k, (unsigned)(token >> TOKEN_HASH_BITS), sign);
    CHECK(k->expires <= k->count);
}

/* A new object that holds e. */
arena_ref keydir_entry_new(keydir *k, const kdent *e) {
    size_t n = kdent_bytes(e);
    arena_ref r = arena_alloc(k->heap, n);
    char *at = keydir_object(k, r);
    char *end = kdent_encode(at, e);
    CHECK(end == at + n); /* one byte more would be the next object's */
    return r;
}

/* The new entry is made before the old one leaves its slot, as e may consist of slices of it. */
arena_ref keydir_put_at(keydir *k, uint64_t token, const keydir_spot *spot, const kdent *e,
                        arena_ref *old) {
    arena_ref r = keydir_entry_new(k, e);
    page *p = spot_holds(k, spot, e->key);
    if (p) {
        *old = slot_ref(p, spot->at);
        slot_set_ref(p, spot->at, r);
    } else {
        *old = place(k, keydir_warp(k, token), r);
    }
    keydir_count_entry(k, token, *old, -1);
    keydir_count_entry(k, token, r, +1);
    return r;
}

/* For those who do not know where. */
arena_ref keydir_put(keydir *k, uint64_t token, const kdent *e, arena_ref *old) {
    return keydir_put_at(k, token, NULL, e, old);
}

/* Takes out the entry of that key; ARENA_NONE if there is none. */
static arena_ref take(keydir *k, uint64_t token, slice key) {
    uint64_t x = keydir_warp(k, token);
    trail t;
    unsigned at;
    descend(k, x, &t);
    if (!t.page) return ARENA_NONE;
    page *p = keydir_object(k, t.page);
    CHECK(p->kind == KIND_PAGE && p->count > 0);
    if (!page_has(k, p, x, key, &at)) return ARENA_NONE;
    arena_ref r = slot_ref(p, at);
    unsigned depth = p->depth, left = p->count - 1u;
    arena_ref now = page_remove(k, t.page, at);
    if (now != t.page) replace_page(k, &t, depth, now);
    keydir_count_entry(k, token, r, -1);
    if (left == 0)
        drop_page(k, &t);
    else if (left % 8 == 0) /* looking at the neighbour each time would be a cache miss each time */
        shrink(k, &t);
    return r;
}

/* The entry is out of the order, but stays in memory for keydir_undo(). */
arena_ref keydir_remove(keydir *k, uint64_t token, slice key) {
    return take(k, token, key);
}

/* Puts the very reference back, not a copy: others, earlier in the undo list, may name it (K4). */
void keydir_undo(keydir *k, arena_ref old, arena_ref new_ref) {
    CHECK(old != new_ref);
    CHECK(old || new_ref);
    uint64_t token = entry_token(k, new_ref ? new_ref : old);
    arena_ref was;
    if (old) {
        was = place(k, keydir_warp(k, token), old);
        keydir_count_entry(k, token, was, -1);
        keydir_count_entry(k, token, old, +1);
    } else {
        was = take(k, token, kdent_key(keydir_object(k, new_ref)));
    }
    CHECK(was == new_ref);
    if (new_ref) arena_release(k->heap, new_ref);
}

/* After a commit, or while loading: nobody can want it back any more. */
void keydir_free_entry(keydir *k, arena_ref r) {
    CHECK(r != ARENA_NONE);
    arena_release(k->heap, r);
}

/* A new object only if the size needs a longer varint, which a merge's copy, shorter if anything,
 * hardly ever does. */
arena_ref keydir_moved(keydir *k, arena_ref r, uint16_t segment, uint32_t offset, uint32_t size) {
    if (kdent_set_place(keydir_object(k, r), segment, offset, size)) return r;
    kdent e;
    kdent_decode(keydir_object(k, r), &e);
    e.segment = segment;
    e.offset = offset;
    e.size = size;
    arena_ref now = keydir_entry_new(k, &e);
    arena_ref was = place(k, entry_x(k, r), now);
    CHECK(was == r);
    arena_release(k->heap, r);
    return now;
}
