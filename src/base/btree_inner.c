/* btree_inner: the nodes above the leaves; see btree_node.h for their form.
 *
 * A search compares 64-bit numbers in one array: eight bytes of each separator, those after the
 * bytes that all separators of the node share. Keys of one tree often begin alike (a map's number,
 * a database, the high bytes of a time), so without the skipping these numbers would be all equal
 * and each comparison would follow a pointer. The separators themselves are looked at when numbers
 * are equal, and when what they share changes. */
#include "base/btree_node.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

/* A separator's bytes, to compare. */
static inline slice sep_slice(const separator *s) {
    return slice_of(s->bytes, s->len);
}

/* What a and b share and one byte more of b: greater than a, not greater than b, and no shorter one
 * is (B2). */
separator *separator_new(btree *t, slice a, slice b) {
    size_t n = btree_shared(a, b);
    CHECK(n < b.len && (n == a.len || (unsigned char)a.data[n] < (unsigned char)b.data[n]));
    separator *s = btree_alloc(t, sizeof *s + n + 1);
    s->len = (uint32_t)(n + 1);
    memcpy(s->bytes, b.data, n + 1);
    return s;
}

/* Without children: the caller puts in the first. */
inner *inner_new(btree *t, unsigned level) {
    inner *n = btree_alloc(t, sizeof *n);
    n->n = 0;
    n->level = (uint16_t)level;
    n->skip = 0;
    return n;
}

/* Where a key's first bytes stand to those that all separators share. REQUIRES: skip > 0. Numbers,
 * as a call for so few bytes costs more than the comparison. */
static inline int compare_prefix(const inner *n, slice key) {
    unsigned skip = n->skip, bits = 64 - 8 * (skip < 8 ? skip : 8);
    if (key.len < SKIP_MAX) {
        size_t len = key.len < skip ? key.len : skip;
        return slice_cmp(slice_of(key.data, len), slice_of(n->prefix, skip));
    }
    uint64_t a = load_be64(key.data) >> bits, b = load_be64(n->prefix) >> bits;
    if (a == b && skip > 8) {
        bits = 8 * (SKIP_MAX - skip);
        a = load_be64(key.data + 8) >> bits;
        b = load_be64(n->prefix + 8) >> bits;
    }
    return (a > b) - (a < b);
}

/* First the bytes that all separators share, then their next eight, by halving; whole separators
 * are compared only among those whose eight bytes are the key's. */
unsigned inner_search(const inner *n, slice key) {
    if (n->skip) {
        int c = compare_prefix(n, key);
        if (c) return c < 0 ? 0 : n->n - 1u;
    }
    uint64_t want = btree_head(key, n->skip);
    unsigned low = 0, left = n->n - 1u;
    while (left > 0) { /* no branch depends on a comparison */
        unsigned half = left / 2;
        bool less = n->head[low + half] < want;
        low = less ? low + half + 1 : low;
        left = less ? left - half - 1 : half;
    }
    unsigned high = low;
    while (high < n->n - 1u && n->head[high] == want)
        high++;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (slice_cmp(sep_slice(n->sep[mid]), key) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Sets the number of shared bytes, and with it what is kept of every separator. */
static void set_skip(inner *n, size_t skip) {
    n->skip = (uint32_t)(skip < SKIP_MAX ? skip : SKIP_MAX);
    if (n->n < 2) return;
    memcpy(n->prefix, n->sep[0]->bytes, n->skip);
    for (unsigned i = 0; i + 1u < n->n; i++)
        n->head[i] = btree_head(sep_slice(n->sep[i]), n->skip);
}

/* Finds the shared bytes anew. */
static void find_skip(inner *n) {
    if (n->n < 2)
        n->skip = 0;
    else
        set_skip(n, btree_shared(sep_slice(n->sep[0]), sep_slice(n->sep[n->n - 2])));
}

/* If the new separator shares fewer bytes than are skipped, what is kept of the others is computed
 * anew. */
void inner_insert(inner *n, unsigned at, separator *sep, void *child, uint64_t count) {
    CHECK(n->n > 0 && n->n < FAN && at < n->n);
    size_t after = (size_t)(n->n - 1 - at);
    memmove(&n->head[at + 1], &n->head[at], after * sizeof n->head[0]);
    memmove(&n->sep[at + 1], &n->sep[at], after * sizeof n->sep[0]);
    memmove(&n->child[at + 2], &n->child[at + 1], after * sizeof n->child[0]);
    memmove(&n->count[at + 2], &n->count[at + 1], after * sizeof n->count[0]);
    n->sep[at] = sep;
    n->child[at + 1] = child;
    n->count[at + 1] = count;
    n->n++;
    size_t shared =
        n->n == 2 ? sep->len : btree_shared(sep_slice(sep), slice_of(n->prefix, n->skip));
    if (n->n == 2 || shared < n->skip)
        set_skip(n, shared);
    else
        n->head[at] = btree_head(sep_slice(sep), n->skip);
}

/* The skip stays: fewer separators share as many bytes at least. */
separator *inner_take(inner *n, unsigned at) {
    CHECK(at < n->n);
    separator *out = NULL;
    size_t after = (size_t)(n->n - 1 - at);
    memmove(&n->child[at], &n->child[at + 1], after * sizeof n->child[0]);
    memmove(&n->count[at], &n->count[at + 1], after * sizeof n->count[0]);
    if (n->n > 1) {
        unsigned s = at ? at - 1 : 0;
        size_t seps = (size_t)(n->n - 2 - s);
        out = n->sep[s];
        memmove(&n->sep[s], &n->sep[s + 1], seps * sizeof n->sep[0]);
        memmove(&n->head[s], &n->head[s + 1], seps * sizeof n->head[0]);
    }
    n->n--;
    return out;
}

/* For a child that is gone, or was joined with its neighbour. */
void inner_remove(btree *t, inner *n, unsigned at) {
    separator *s = inner_take(n, at);
    if (s) btree_release(t, s);
}

/* Appends n children of `from`, from the one numbered `at`, and the separators between them. */
static void append(inner *to, const inner *from, unsigned at, unsigned n) {
    memcpy(&to->child[to->n], &from->child[at], n * sizeof to->child[0]);
    memcpy(&to->count[to->n], &from->count[at], n * sizeof to->count[0]);
    memcpy(&to->sep[to->n], &from->sep[at], (n - 1) * sizeof to->sep[0]);
    to->n = (uint16_t)(to->n + n);
}

/* The separators of a half may share more than those of the whole did, so both look anew. */
inner *inner_split(btree *t, inner *n, unsigned at, separator **up) {
    CHECK(at > 0 && at < n->n);
    inner *right = inner_new(t, n->level);
    append(right, n, at, n->n - at);
    *up = n->sep[at - 1];
    n->n = (uint16_t)at;
    find_skip(n);
    find_skip(right);
    return right;
}

/* `between` is what stood between the two in their parent, so B2 holds in the middle as well. */
void inner_join(btree *t, inner *a, separator *between, inner *b) {
    CHECK(a->n > 0 && b->n > 0 && a->n + b->n <= (int)FAN && a->level == b->level);
    a->sep[a->n - 1] = between;
    append(a, b, 0, b->n);
    find_skip(a);
    btree_release(t, b);
}

/* For the parent's count of a node that was just made (B3). */
uint64_t inner_sum(const inner *n) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < n->n; i++)
        sum += n->count[i];
    return sum;
}
