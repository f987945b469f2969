/* keydir_page: the leaves of a keydir: sorted slots of a tag and an entry's reference.
 *
 *   0  u8   kind     1
 *   1  u8   depth    token bits that all entries of the page have in common
 *   2  u16  count    slots in use
 *   4  u16  cap      slots there is room for, a multiple of PAGE_STEP
 *   6  u16  zero
 *   8  cap x { u16 tag, u32 reference }
 *
 * The tag is 16 bits of the token, beginning at the last multiple of REBASE bits at or above the
 * page's depth: so at least eleven of them tell the page's entries apart (a wrong entry is looked
 * at in one search of forty), and a split needs the whole tokens, that is a hash of every key, only
 * when the depth reaches a multiple of REBASE. Tokens are as good as random, so a tag's slot is
 * near its share of the page: a search begins there and walks.
 *
 * A page splits when it is to hold more than 64 entries. Tokens are evenly spread, so pages of one
 * depth would all fill, and split, at about the same number of keys; then most pages would be of a
 * size of which there were hardly any a little before, and the arena's chunks for the former size
 * nearly empty. The warp (keydir_warp) makes keys twice as dense at one end of the trie as at the
 * other, so at any time there are pages at every stage between two splits, in the same mix. Beyond
 * the key, with 16-byte keys, from a million to ten: 22.5 to 22.7 bytes with the warp; 24.1 to 24.4
 * with splits at 48 to 92 entries by the page's place instead, of which 22.5 were in use too.
 */
#include "engine/bitcask/keydir_page.h"

/* Computed, not stored: for a short key a hash takes 13 ns, and only walks, undoing and every sixth
 * split need it; its bytes would be in every entry. */
uint64_t entry_token(const keydir *k, arena_ref entry) {
    return keydir_token(k->shared, kdent_key(keydir_object(k, entry)));
}

/* ---- searching ------------------------------------------------------------------------------ */

/* Begins at the share of the page that the tag has, and walks to either side. */
unsigned page_lower(const page *p, uint64_t x) {
    unsigned tag = tag_of(x, p->depth);
    unsigned i = page_near(p, x);
    while (i < p->count && slot_tag(p, i) < tag)
        i++;
    while (i > 0 && slot_tag(p, i - 1) >= tag)
        i--;
    return i;
}

/* Equal tags are told apart by whole tokens, for which the entries are read. */
unsigned page_seek(const keydir *k, const page *p, uint64_t x) {
    unsigned tag = tag_of(x, p->depth);
    unsigned i = page_lower(p, x);
    while (i < p->count && slot_tag(p, i) == tag && entry_x(k, slot_ref(p, i)) < x)
        i++;
    return i;
}

/* Is the key of the entry at p this one? */
bool entry_has_key(const char *p, slice key) {
    if (key.len >= 128) return slice_eq(kdent_key(p), key);
    return (unsigned char)p[KDENT_KEY] == key.len &&
           (key.len == 0 || memcmp(p + KDENT_KEY + 1, key.data, key.len) == 0);
}

/* Where a key that is not in the page belongs: before the first of the slots from `i` on that has
 * its tag and comes after it by token, then by key. */
static unsigned place_among(const keydir *k, const page *p, unsigned i, uint64_t x, slice key) {
    unsigned tag = tag_of(x, p->depth);
    for (; i < p->count && slot_tag(p, i) == tag; i++) {
        uint64_t other = entry_x(k, slot_ref(p, i));
        if (other > x) break;
        if (other == x && slice_cmp(kdent_key(keydir_object(k, slot_ref(p, i))), key) > 0) break;
    }
    return i;
}

/* Compares keys right away, without hashing any: an equal key has an equal token. */
bool page_has(const keydir *k, const page *p, uint64_t x, slice key, unsigned *at) {
    unsigned tag = tag_of(x, p->depth);
    for (unsigned i = page_lower(p, x); i < p->count && slot_tag(p, i) == tag; i++) {
        if (!entry_has_key(keydir_object(k, slot_ref(p, i)), key)) continue;
        *at = i;
        return true;
    }
    return false;
}

/* Only a key that is not there pays for finding its place among equal tags (K1). */
bool page_find(const keydir *k, const page *p, uint64_t x, slice key, unsigned *at) {
    if (page_has(k, p, x, key, at)) return true;
    *at = place_among(k, p, page_lower(p, x), x, key);
    return false;
}

/* ---- changing ------------------------------------------------------------------------------- */

/* One count for all keydirs: one that is made where another was is not of that one's shape. */
void keydir_reshaped(keydir *k) {
    static uint64_t shapes;
    k->shape = ++shapes;
}

/* A multiple of 8 for a multiple of PAGE_STEP slots, so the arena has nothing to round. */
size_t page_bytes(unsigned cap) {
    return sizeof(page) + (size_t)cap * SLOT_SIZE;
}

/* Slots rounded up to what a page grows by. */
static unsigned round_cap(unsigned n) {
    return (n + PAGE_STEP - 1) / PAGE_STEP * PAGE_STEP;
}

/* An empty page that is hooked in nowhere; T3 is for the caller to bring about. */
arena_ref page_new(keydir *k, unsigned depth, unsigned cap) {
    cap = round_cap(cap);
    CHECK(cap <= UINT16_MAX && depth <= k->bits + 1);
    keydir_reshaped(k);
    arena_ref r = arena_alloc(k->heap, page_bytes(cap));
    page *p = keydir_object(k, r);
    *p = (page){.kind = KIND_PAGE, .depth = (uint8_t)depth, .cap = (uint16_t)cap};
    return r;
}

/* Copies n slots of `from`, from the i-th, to the end of `to`, whose tags may begin elsewhere. */
static void copy_slots(const keydir *k, const page *from, unsigned i, unsigned n, page *to) {
    CHECK(i + n <= from->count && to->count + n <= to->cap);
    char *out = to->slots + (size_t)to->count * SLOT_SIZE;
    to->count = (uint16_t)(to->count + n);
    memcpy(out, from->slots + (size_t)i * SLOT_SIZE, (size_t)n * SLOT_SIZE);
    if (tag_base(from->depth) == tag_base(to->depth)) return;
    for (unsigned j = 0; j < n; j++)
        __builtin_prefetch(keydir_object(k, slot_ref(from, i + j)));
    for (unsigned j = 0; j < n; j++)
        put_u16(out + (size_t)j * SLOT_SIZE,
                (uint16_t)tag_of(entry_x(k, slot_ref(from, i + j)), to->depth));
}

/* The page in a new object with room for cap slots; the old one is freed. */
static arena_ref resize(keydir *k, arena_ref r, unsigned cap) {
    page *p = keydir_object(k, r);
    CHECK(cap >= p->count && p->kind == KIND_PAGE);
    arena_ref moved = page_new(k, p->depth, cap);
    copy_slots(k, p, 0, p->count, keydir_object(k, moved));
    arena_release(k->heap, r);
    return moved;
}

/* Grows a page that is full by one step. Whether it had better split is the caller's decision, who
 * knows the node above. */
arena_ref page_insert(keydir *k, arena_ref r, unsigned at, uint64_t x, arena_ref entry) {
    page *p = keydir_object(k, r);
    if (p->count == p->cap) {
        r = resize(k, r, p->cap + 1u);
        p = keydir_object(k, r);
    }
    CHECK(at <= p->count && p->count < p->cap);
    char *slot = p->slots + (size_t)at * SLOT_SIZE;
    CHECK(at == 0 || slot_tag(p, at - 1) <= tag_of(x, p->depth)); /* K1 */
    CHECK(at == p->count || slot_tag(p, at) >= tag_of(x, p->depth));
    memmove(slot + SLOT_SIZE, slot, (size_t)(p->count - at) * SLOT_SIZE);
    put_u32(put_u16(slot, (uint16_t)tag_of(x, p->depth)), entry);
    p->count++;
    return r;
}

/* One that becomes empty is left as it is: the caller is about to drop it (T3). */
arena_ref page_remove(keydir *k, arena_ref r, unsigned at) {
    page *p = keydir_object(k, r);
    CHECK(p->kind == KIND_PAGE && at < p->count);
    char *slot = p->slots + (size_t)at * SLOT_SIZE;
    memmove(slot, slot + SLOT_SIZE, (size_t)(p->count - at - 1) * SLOT_SIZE);
    p->count--;
    /* Two steps of slack before it shrinks, so that a key that comes and goes costs no copy. */
    return p->count && p->count + 2 * PAGE_STEP <= p->cap ? resize(k, r, p->count) : r;
}

/* Slots are in order, so those with the next bit set are the last ones; the bit is in the tag, so
 * the cut costs no look at an entry. */
void page_split(keydir *k, arena_ref r, arena_ref out[2]) {
    const page *p = keydir_object(k, r);
    unsigned depth = p->depth + 1u;
    unsigned bit = 15 - (p->depth - tag_base(p->depth)); /* of a tag: the side */
    unsigned cut = 0;
    CHECK(p->kind == KIND_PAGE && p->count > 0 && depth <= k->bits + 1);
    while (cut < p->count && !(slot_tag(p, cut) >> bit & 1))
        cut++;
    for (int side = 0; side < 2; side++) {
        unsigned from = side ? cut : 0, n = side ? p->count - cut : cut;
        out[side] = n ? page_new(k, depth, n) : ARENA_NONE;
        if (n) copy_slots(k, p, from, n, keydir_object(k, out[side]));
    }
    arena_release(k->heap, r);
}

/* All of `low` come before all of `high`, so their slots are only put side by side (K1). */
arena_ref page_join(keydir *k, arena_ref low, arena_ref high) {
    const page *a = low ? keydir_object(k, low) : NULL, *b = high ? keydir_object(k, high) : NULL;
    CHECK(a || b);
    unsigned depth = (a ? a : b)->depth;
    unsigned count = (a ? a->count : 0u) + (b ? b->count : 0u);
    CHECK(depth > 0 && (!a || a->depth == depth) && (!b || b->depth == depth));
    CHECK(count > 0 && count <= PAGE_MAX);
    arena_ref r = page_new(k, depth - 1, count);
    if (a) copy_slots(k, a, 0, a->count, keydir_object(k, r));
    if (b) copy_slots(k, b, 0, b->count, keydir_object(k, r));
    if (a) arena_release(k->heap, low);
    if (b) arena_release(k->heap, high);
    return r;
}
