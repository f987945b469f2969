/* btree_leaf: pairs packed in one block; see btree_node.h for its two forms.
 *
 * Pairs lie in order without gaps, so that a walk reads memory in a row and nothing has to be
 * collected; an insertion moves what follows, half a leaf on average, some thirty nanoseconds. The
 * block grows and shrinks in steps of a fifth, so a half-filled leaf does not cost a whole one.
 *
 * A search in a cold leaf costs cache misses, not comparisons. Halving would touch a new line at
 * each of six or seven steps. Instead the key's share of the leaf's range says where to begin, and
 * the search gallops from there: evenly spread keys are found within a line or two. What share is
 * which is fixed when a leaf is made, grows or shrinks; keys beyond the ends it had then count as
 * the ends, which keeps their order, so the shares may be stale but never wrong.
 *
 * Bytes a pair beside key and value: 0 with equal lengths, else 4; the head's 40 and the steps'
 * slack come to some 10 % of a leaf.
 *
 * Measured with a million pairs in random order (make bench-index; processor time): leaves of at
 * most 1, 2 or 4 KiB cost 4.9, 3.5 and 2.7 bytes a pair of 20, 7.3, 5.2 and 4.0 a pair of 29; finds
 * and inserts of the last two differ by less than the noise. Halving with slots behind the pairs,
 * as was tried before galloping, found pairs of several lengths in 810 ns instead of 590. */
#include "base/btree_node.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

#define SLOT 4u
/* The bytes that a leaf would take with slots are limited, so that half of a leaf of equal lengths
 * always fits into one with slots. */
#define SLOTTED_MAX (2 * LEAF_MAX - 4 * INLINE_MAX)

/* ---- where things are -------------------------------------------------------------------------
 */

/* Slots stand behind the head, in the order of their pairs. */
static inline char *slot_at(const leaf *l, unsigned i) {
    return (char *)(uintptr_t)l->data + (size_t)i * SLOT;
}
/* Bytes of the pairs up to and with this one: pairs grow from the block's end downwards. */
static inline unsigned slot_end(const leaf *l, unsigned i) {
    uint16_t end;
    memcpy(&end, slot_at(l, i), sizeof end);
    return end;
}
/* The length of the key; BIG_KLEN: the pair is a pointer. */
static inline unsigned slot_klen(const leaf *l, unsigned i) {
    return (unsigned char)slot_at(l, i)[2];
}
/* Where the key lies between the leaf's ends, as of when shares were fixed last. */
static inline unsigned slot_share(const leaf *l, unsigned i) {
    return (unsigned char)slot_at(l, i)[3];
}
/* Writes all of a slot, by copying: nothing in a leaf is aligned. */
static inline void slot_set(leaf *l, unsigned i, unsigned end, unsigned klen, unsigned share) {
    char *p = slot_at(l, i);
    uint16_t e = (uint16_t)end;
    memcpy(p, &e, sizeof e);
    p[2] = (char)klen;
    p[3] = (char)share;
}

/* Bytes of the pairs before pair i. */
static inline unsigned bytes_before(const leaf *l, unsigned i) {
    if (leaf_is_fixed(l)) return i * ((unsigned)l->klen + l->vlen);
    return i ? slot_end(l, i - 1) : 0;
}
/* Key length of pair i as its slot has it. */
static inline unsigned klen_of(const leaf *l, unsigned i) {
    return leaf_is_fixed(l) ? l->klen : slot_klen(l, i);
}
/* Bytes of pair i. */
static inline unsigned len_of(const leaf *l, unsigned i) {
    return bytes_before(l, i + 1) - bytes_before(l, i);
}
/* The pair's bytes: counted from the front in a fixed leaf, from the end in one with slots. */
static inline char *pair_at(const leaf *l, unsigned i) {
    if (leaf_is_fixed(l)) return (char *)(uintptr_t)l->data + bytes_before(l, i);
    return (char *)(uintptr_t)l + l->size - slot_end(l, i);
}

/* The pointer is copied out, as it may lie at any address. */
big *leaf_big(const leaf *l, unsigned i) {
    big *b;
    if (klen_of(l, i) != BIG_KLEN) return NULL;
    memcpy(&b, pair_at(l, i), sizeof b);
    return b;
}

/* Wherever it is, in the leaf or beside it. */
slice leaf_key(const leaf *l, unsigned i) {
    const big *b = leaf_big(l, i);
    if (b) return slice_of(b->bytes, b->klen);
    return slice_of(pair_at(l, i), klen_of(l, i));
}

/* The rest of the pair, behind the key. */
slice leaf_value(const leaf *l, unsigned i) {
    const big *b = leaf_big(l, i);
    if (b) return slice_of(b->bytes + b->klen, b->vlen);
    unsigned klen = klen_of(l, i);
    return slice_of(pair_at(l, i) + klen, len_of(l, i) - klen);
}

/* For walks, which want both of each. */
void leaf_pair(const leaf *l, unsigned i, slice *key, slice *value) {
    unsigned klen = klen_of(l, i);
    if (klen == BIG_KLEN) {
        *key = leaf_key(l, i);
        *value = leaf_value(l, i);
        return;
    }
    const char *pair = pair_at(l, i);
    *key = slice_of(pair, klen);
    *value = slice_of(pair + klen, len_of(l, i) - klen);
}

/* ---- searching --------------------------------------------------------------------------------
 */

/* The share of a key whose eight bytes behind skip are v. */
static inline unsigned share_of(const leaf *l, uint64_t v) {
    if (v <= l->base) return 0;
    uint64_t share = (v - l->base) >> l->shift;
    return share < 255 ? (unsigned)share : 255;
}

/* A key that is looked for, without what all keys of the leaf share. */
typedef struct wanted {
    slice tail;
    uint64_t head; /* its first eight bytes */
    unsigned share;
    uint64_t mask;   /* not 0: all keys of the leaf are as long as this one, with that many bits */
    uint64_t number; /*   behind skip, eight bytes at most, and these are its own */
} wanted;

/* Is key i less? Where all keys are equally long, and differ in their last eight bytes at most, a
 * number is all there is to compare: these bytes may begin before the key, but not before the leaf.
 */
static inline bool is_less(const leaf *l, unsigned i, const wanted *w) {
    if (!leaf_is_fixed(l)) {
        if (slot_share(l, i) != w->share) return slot_share(l, i) < w->share;
        return slice_cmp(slice_skip(leaf_key(l, i), l->skip), w->tail) < 0;
    }
    const char *key = l->data + bytes_before(l, i);
    if (w->mask) return (load_be64(key + l->klen - 8) & w->mask) < w->number;
    slice tail = slice_of(key + l->skip, (size_t)l->klen - l->skip);
    if (tail.len >= 8) {
        uint64_t head = load_be64(tail.data);
        if (head != w->head) return head < w->head;
    }
    return slice_cmp(tail, w->tail) < 0;
}

/* The first key that is not less than w, beginning where its share says. */
static unsigned gallop(const leaf *l, const wanted *w) {
    unsigned low = 0, high = l->n, step = 1;
    unsigned guess = w->share * l->n / (l->top + 1u);
    if (guess >= l->n) guess = l->n - 1u;
    if (is_less(l, guess, w)) {
        for (low = guess + 1; low + step <= high; low += step, step *= 2) {
            if (is_less(l, low + step - 1, w)) continue;
            high = low + step - 1;
            break;
        }
    } else {
        for (high = guess; high >= step; high -= step, step *= 2) {
            if (!is_less(l, high - step, w)) continue;
            low = high - step + 1;
            break;
        }
    }
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (is_less(l, mid, w))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* A key that does not begin as all of the leaf do is before or behind all of them. */
unsigned leaf_search(const leaf *l, slice key, bool *found) {
    *found = false;
    if (l->n == 0) return 0;
    if (l->skip) {
        int c = slice_cmp(slice_of(key.data, key.len < l->skip ? key.len : l->skip),
                          slice_of(leaf_key(l, 0).data, l->skip));
        if (c) return c < 0 ? 0 : l->n;
    }
    wanted w = {.tail = slice_skip(key, l->skip), .head = btree_head(key, l->skip)};
    w.share = share_of(l, w.head);
    if (leaf_is_fixed(l) && key.len == l->klen && w.tail.len - 1 < 8) {
        w.mask = UINT64_MAX >> (64 - 8 * w.tail.len);
        w.number = w.head >> (64 - 8 * w.tail.len);
    }
    unsigned i = gallop(l, &w);
    *found = i < l->n && slice_eq(leaf_key(l, i), key);
    return i;
}

/* ---- the block --------------------------------------------------------------------------------
 */

/* Bytes of a leaf with that many pairs and bytes of pairs. */
static inline size_t bytes_for(unsigned n, size_t used, bool fixed) {
    return sizeof(leaf) + used + (fixed ? 0 : n * SLOT);
}

/* What it has in use, of the `size` that it has. */
size_t leaf_bytes(const leaf *l) {
    return bytes_for(l->n, l->used, leaf_is_fixed(l));
}

/* The step that holds n bytes: four to a doubling, as the allocator's. */
static size_t step_for(size_t n) {
    if (n <= LEAF_FIRST) return LEAF_FIRST;
    unsigned k = 63u - (unsigned)__builtin_clzll(n - 1);
    size_t step = (size_t)1 << (k - 2);
    return (n + step - 1) / step * step;
}

/* An empty leaf with room for so many bytes in all, or a step more. */
static leaf *leaf_alloc(btree *t, size_t bytes) {
    size_t size = step_for(bytes);
    CHECK(size <= UINT16_MAX);
    leaf *l = btree_alloc(t, size);
    *l = (leaf){.size = (uint16_t)size};
    return l;
}

/* Makes the neighbours know where l is. */
static void relink(leaf *l) {
    if (l->prev) l->prev->next = l;
    if (l->next) l->next->prev = l;
}

/* The smallest: a tree of a few pairs takes little more than they do. */
leaf *leaf_new(btree *t) {
    return leaf_alloc(t, LEAF_FIRST);
}

/* For insertions in order, which leave a full leaf full and go on in a new one. */
leaf *leaf_beside(btree *t, leaf *l, bool behind) {
    leaf *to = leaf_new(t);
    to->prev = behind ? l : l->prev;
    to->next = behind ? l->next : l;
    relink(to);
    return to;
}

/* A leaf is dropped once it is empty, so there are only links to see to. */
void leaf_drop(btree *t, leaf *l) {
    if (l->prev) l->prev->next = l->next;
    if (l->next) l->next->prev = l->prev;
    btree_release(t, l);
}

/* By bytes, not by pairs: one side of few long pairs could be as full as the whole. */
unsigned leaf_middle(const leaf *l) {
    unsigned at = l->n / 2;
    CHECK(l->n > 1);
    while (at > 1 && bytes_before(l, at) > l->used / 2u)
        at--;
    while (at + 1u < l->n && bytes_before(l, at) < l->used / 2u)
        at++;
    return at;
}

/* Fixes the shares anew, by the first and last key. */
static void set_shares(leaf *l) {
    l->base = btree_head(leaf_key(l, 0), l->skip);
    uint64_t range = btree_head(leaf_key(l, l->n - 1u), l->skip) - l->base;
    l->shift = range > 255 ? (uint8_t)(56 - __builtin_clzll(range)) : 0;
    l->top = (uint8_t)(range >> l->shift);
    for (unsigned i = 0; !leaf_is_fixed(l) && i < l->n; i++)
        slot_at(l, i)[3] = (char)share_of(l, btree_head(leaf_key(l, i), l->skip));
}

/* Pairs from .. to of a leaf. */
typedef struct range {
    const leaf *l;
    unsigned from, to;
} range;

/* Are all pairs of both ranges of the same lengths? */
static bool all_alike(const range r[2]) {
    unsigned klen = 0, len = 0;
    bool any = false;
    for (int s = 0; s < 2; s++) {
        for (unsigned i = r[s].from; i < r[s].to; i++) {
            unsigned k = klen_of(r[s].l, i), n = len_of(r[s].l, i);
            if (k == BIG_KLEN || (any && (k != klen || n != len))) return false;
            klen = k;
            len = n;
            any = true;
            if (leaf_is_fixed(r[s].l)) break; /* its others are so */
        }
    }
    return true;
}

/* Appends pair i of `from` to a leaf that has the room, and the lengths if it is fixed. */
static void append_pair(leaf *to, const leaf *from, unsigned i) {
    unsigned klen = klen_of(from, i), len = len_of(from, i);
    if (leaf_is_fixed(to)) {
        to->klen = (uint8_t)klen;
        to->vlen = (uint16_t)(len - klen);
    } else {
        slot_set(to, to->n, to->used + len, klen, 0);
    }
    memcpy(pair_at(to, to->n), pair_at(from, i), len);
    to->used = (uint16_t)(to->used + len);
    to->n++;
}

/* A new leaf of two ranges, one after the other, with `room` bytes to spare and in the form asked
 * for; its neighbours are not set. */
static leaf *gather(btree *t, const range r[2], bool fixed, size_t room) {
    unsigned n = 0;
    size_t used = 0;
    for (int s = 0; s < 2; s++) {
        n += r[s].to - r[s].from;
        used += bytes_before(r[s].l, r[s].to) - bytes_before(r[s].l, r[s].from);
    }
    CHECK(n > 0);
    leaf *to = leaf_alloc(t, bytes_for(n, used, fixed) + room);
    to->klen = fixed ? 0 : NOT_FIXED;
    for (int s = 0; s < 2; s++)
        for (unsigned i = r[s].from; i < r[s].to; i++)
            append_pair(to, r[s].l, i);
    size_t shared = btree_shared(leaf_key(to, 0), leaf_key(to, n - 1));
    to->skip = (uint16_t)(shared < UINT16_MAX ? shared : UINT16_MAX);
    set_shares(to);
    return to;
}

/* The same leaf in another block or form. */
static leaf *rebuild(btree *t, leaf *l, bool fixed, size_t room) {
    range r[2] = {{l, 0, l->n}, {l, 0, 0}};
    leaf *to = l->n ? gather(t, r, fixed, room) : leaf_alloc(t, sizeof(leaf) + room);
    to->prev = l->prev;
    to->next = l->next;
    to->run = l->run;
    to->hot = l->hot;
    relink(to);
    btree_release(t, l);
    return to;
}

/* ---- changing ---------------------------------------------------------------------------------
 */

/* Would the leaf still be one of equal lengths with p in it? */
static bool stays_fixed(const leaf *l, const raw_pair *p) {
    if (p->klen == BIG_KLEN) return false;
    return l->n == 0 || (leaf_is_fixed(l) && p->klen == l->klen && p->len == l->klen + l->vlen);
}

/* In the form that it would have; and in the other too, within SLOTTED_MAX, as the next pair may be
 * of other lengths. */
bool leaf_fits(const leaf *l, const raw_pair *p) {
    size_t used = l->used + p->len;
    return bytes_for(l->n + 1u, used, stays_fixed(l, p)) <= LEAF_MAX &&
           bytes_for(l->n + 1u, used, false) <= SLOTTED_MAX;
}

/* Sees to it that all keys, a new one too, share `skip` bytes. */
static void lower_skip(leaf *l, slice key) {
    slice first = l->n ? leaf_key(l, 0) : key;
    if (key.len >= l->skip && l->n && memcmp(key.data, first.data, l->skip) == 0) return;
    size_t shared = btree_shared(first, key);
    l->skip = (uint16_t)(shared < UINT16_MAX ? shared : UINT16_MAX);
    if (l->n) set_shares(l);
}

/* Adds d to the ends of the slots from i on. */
static void shift_ends(leaf *l, unsigned i, unsigned d) {
    for (; i < l->n; i++) {
        uint16_t end = (uint16_t)(slot_end(l, i) + d);
        memcpy(slot_at(l, i), &end, sizeof end);
    }
}

/* Notes whether insertions come in order. */
static void note_run(leaf *l, unsigned i) {
    int run = 0;
    if (i == l->hot) run = l->run > 0 ? l->run + 1 : 1;
    if (i + 1 == l->hot) run = l->run < 0 ? l->run - 1 : -1;
    l->run = (int8_t)(run > 100 ? 100 : run < -100 ? -100 : run);
    l->hot = (uint16_t)(i + 1);
}

/* Makes a gap of len bytes for pair i, with a slot if there are slots. */
static void open_gap(leaf *l, unsigned i, unsigned klen, unsigned len, unsigned share) {
    unsigned start = bytes_before(l, i), after = l->used - start;
    if (leaf_is_fixed(l)) {
        memmove(l->data + start + len, l->data + start, after);
    } else {
        char *low = (char *)l + l->size - l->used;
        memmove(low - len, low, after);
        memmove(slot_at(l, i + 1), slot_at(l, i), (l->n - i) * SLOT);
        slot_set(l, i, start + len, klen, share);
    }
    l->n++;
    l->used = (uint16_t)(l->used + len);
    if (!leaf_is_fixed(l)) shift_ends(l, i + 1, len);
}

/* Whatever needs another block or form is done first, so that the gap can be opened in place. */
leaf *leaf_insert(btree *t, leaf *l, unsigned i, const raw_pair *p) {
    CHECK(i <= l->n && p->len <= INLINE_MAX);
    bool fixed = stays_fixed(l, p);
    size_t room = p->len + (fixed ? 0 : SLOT);
    if (l->n == 0) {
        if (sizeof(leaf) + room > l->size) l = rebuild(t, l, true, room);
        l->klen = fixed ? p->klen : NOT_FIXED;
        l->vlen = (uint16_t)(fixed ? p->len - p->klen : 0);
    } else if (leaf_is_fixed(l) != fixed || leaf_bytes(l) + room > l->size) {
        l = rebuild(t, l, fixed, room);
    }
    lower_skip(l, p->key);
    note_run(l, i);
    uint64_t head = btree_head(p->key, l->skip);
    if (l->n == 0) {
        l->base = head;
        l->shift = l->top = 0;
    }
    open_gap(l, i, p->klen, p->len, share_of(l, head));
    char *to = pair_at(l, i);
    if (p->a_len) memcpy(to, p->a, p->a_len);
    if (p->len > p->a_len) memcpy(to + p->a_len, p->b, p->len - p->a_len);
    return l;
}

/* The skip and the shares stay: what holds for all keys holds for fewer. */
leaf *leaf_remove(btree *t, leaf *l, unsigned i) {
    CHECK(i < l->n);
    unsigned start = bytes_before(l, i), len = len_of(l, i), after = l->used - start - len;
    if (leaf_is_fixed(l)) {
        memmove(l->data + start, l->data + start + len, after);
    } else {
        char *low = (char *)l + l->size - l->used;
        memmove(low + len, low, after);
        shift_ends(l, i + 1, 0u - len);
        memmove(slot_at(l, i), slot_at(l, i + 1), (l->n - i - 1u) * SLOT);
    }
    l->n--;
    l->used = (uint16_t)(l->used - len);
    if (i < l->hot) l->hot--;
    /* A third of the block is unused before it shrinks: what comes and goes costs no copy. */
    if (leaf_bytes(l) * 3 / 2 >= l->size || l->size <= LEAF_FIRST) return l;
    return rebuild(t, l, leaf_is_fixed(l), 0);
}

/* Both parts are made anew, so each gets the form, the skip and the shares that suit it. */
leaf *leaf_split(btree *t, leaf **l, unsigned at) {
    leaf *old = *l;
    CHECK(at > 0 && at < old->n);
    range left[2] = {{old, 0, at}, {old, 0, 0}}, right[2] = {{old, at, old->n}, {old, 0, 0}};
    leaf *a = gather(t, left, all_alike(left), 0), *b = gather(t, right, all_alike(right), 0);
    a->prev = old->prev;
    a->next = b;
    b->prev = a;
    b->next = old->next;
    relink(a);
    relink(b);
    btree_release(t, old);
    *l = a;
    return b;
}

/* Looks at the pairs, to find the form, only if the sums say that one of the forms may fit. */
leaf *leaf_join(btree *t, leaf *a, leaf *b, size_t max) {
    CHECK(a->next == b);
    range both[2] = {{a, 0, a->n}, {b, 0, b->n}};
    unsigned n = a->n + b->n;
    size_t used = (size_t)a->used + b->used;
    if (bytes_for(n, used, true) > max || bytes_for(n, used, false) > SLOTTED_MAX) return NULL;
    bool fixed = all_alike(both);
    if (bytes_for(n, used, fixed) > max) return NULL;
    leaf *l = gather(t, both, fixed, 0);
    l->prev = a->prev;
    l->next = b->next;
    relink(l);
    btree_release(t, a);
    btree_release(t, b);
    return l;
}
