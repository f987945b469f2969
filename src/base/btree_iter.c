/* Walking the B+tree: positions, rank and select, and the check of all its invariants. */
#include "base/btree.h"

#include "base/btree_node.h"
#include "base/log.h"
#include "base/mem.h"

/* B5. */
uint64_t btree_version(const btree *t) {
    return t->version;
}

/* Puts the iterator at pair i of a leaf, or at the beginning of the next leaf if i is its end. */
static bool stand(const btree *t, const leaf *l, uint32_t i, btree_iter *it) {
    if (l && i >= l->n) {
        l = l->next;
        i = 0;
    }
    *it = (btree_iter){.tree = t, .leaf = (void *)(uintptr_t)l, .at = i, .version = t->version};
    return l != NULL && i < l->n;
}

/* The leaf for k, and how many pairs are in leaves before it; NULL if the tree is empty. */
static const leaf *leaf_before(const btree *t, slice k, uint64_t *before) {
    btree_path path;
    *before = 0;
    if (!t->root) return NULL;
    btree_descend(t, k, &path);
    for (unsigned i = 0; i < path.n; i++)
        for (unsigned j = 0; j < path.step[i].at; j++)
            *before += path.step[i].node->count[j];
    return path.leaf;
}

/* Where k is or belongs, in which leaf; NULL if the tree is empty. */
static const leaf *find(const btree *t, slice k, unsigned *i, bool *found) {
    btree_path path;
    *i = 0;
    *found = false;
    if (!t->root) return NULL;
    btree_descend(t, k, &path);
    *i = leaf_search(path.leaf, k, found);
    return path.leaf;
}

/* The leaf at an end of the tree. */
static const leaf *edge(const btree *t, bool last) {
    const void *node = t->root;
    for (unsigned h = t->height; h > 0; h--) {
        const inner *in = node;
        node = in->child[last ? in->n - 1 : 0];
    }
    return node;
}

/* Straight down the left edge. */
bool btree_first(const btree *t, btree_iter *it) {
    return stand(t, edge(t, false), 0, it);
}

/* Straight down the right edge; in an empty tree, at no leaf. */
bool btree_last(const btree *t, btree_iter *it) {
    const leaf *l = edge(t, true);
    return stand(t, l, l ? l->n - 1u : 0, it);
}

/* Where k belongs may be behind the last pair of its leaf: stand() goes on to the next one. */
bool btree_seek(const btree *t, slice k, btree_iter *it) {
    bool found;
    unsigned i;
    const leaf *l = find(t, k, &i, &found);
    return stand(t, l, i, it);
}

/* If k is not there, one place before where it belongs, which may be the end of the leaf before. */
bool btree_seek_before(const btree *t, slice k, btree_iter *it) {
    bool found;
    unsigned i;
    const leaf *l = find(t, k, &i, &found);
    if (l && !found && i == 0) {
        l = l->prev;
        i = l ? l->n : 0u;
    }
    return stand(t, l, found || !l ? i : i - 1, it);
}

/* At the end it stays there, and says so again. */
bool btree_next(btree_iter *it) {
    CHECK(it->version == it->tree->version);
    if (!it->leaf) return false;
    return stand(it->tree, it->leaf, it->at + 1, it);
}

/* Before the first pair it is at no leaf, and does not come back. */
bool btree_prev(btree_iter *it) {
    CHECK(it->version == it->tree->version);
    const leaf *l = it->leaf;
    if (!l) return false;
    if (it->at > 0) return stand(it->tree, l, it->at - 1, it);
    if (!l->prev) {
        it->leaf = NULL;
        return false;
    }
    return stand(it->tree, l->prev, l->prev->n - 1u, it);
}

/* Points into the leaf or, for a large pair, into the block beside it. */
slice btree_iter_key(const btree_iter *it) {
    const leaf *l = it->leaf;
    CHECK(it->version == it->tree->version && l && it->at < l->n);
    return leaf_key(l, it->at);
}

/* As the key; what btree_update() writes shows in it. */
slice btree_iter_value(const btree_iter *it) {
    const leaf *l = it->leaf;
    CHECK(it->version == it->tree->version && l && it->at < l->n);
    return leaf_value(l, it->at);
}

/* As the two before. */
void btree_iter_pair(const btree_iter *it, slice *key, slice *value) {
    const leaf *l = it->leaf;
    CHECK(it->version == it->tree->version && l && it->at < l->n);
    leaf_pair(l, it->at, key, value);
}

/* What lies to the left of the way down (B3), and the place in the leaf. */
uint64_t btree_rank(const btree *t, slice k) {
    uint64_t before;
    bool found;
    const leaf *l = leaf_before(t, k, &before);
    return l ? before + leaf_search(l, k, &found) : 0;
}

/* Goes down where the counts say (B3), taking off what it passes. */
bool btree_select(const btree *t, uint64_t rank, btree_iter *it) {
    const void *node = rank < t->count ? t->root : NULL;
    for (unsigned h = node ? t->height : 0; h > 0; h--) {
        const inner *in = node;
        unsigned i = 0;
        while (rank >= in->count[i])
            rank -= in->count[i++];
        node = in->child[i];
    }
    return stand(t, node, (uint32_t)rank, it);
}

/* ---- the check --------------------------------------------------------------------------------
 */

/* What a walk from left to right has seen. */
typedef struct walk {
    const btree *tree;
    const leaf *last;
    uint64_t bytes; /* of nodes and what they point to */
} walk;

/* True if k is below the separator; there may be none. */
static bool is_below(slice k, const separator *s) {
    return !s || slice_cmp(k, slice_of(s->bytes, s->len)) < 0;
}

/* One leaf: B1, and the bounds that its ancestors set. */
static uint64_t check_leaf(walk *w, const leaf *l, const separator *low, const separator *high) {
    slice before = SLICE_EMPTY;
    CHECK(l->prev == w->last && (!w->last || w->last->next == l)); /* B4 */
    CHECK(l->n > 0 && leaf_bytes(l) <= l->size && l->size <= LEAF_MAX);
    for (unsigned i = 0; i < l->n; i++) {
        slice k = leaf_key(l, i);
        bool found;
        CHECK(i == 0 || slice_cmp(before, k) < 0);
        CHECK((!low || !is_below(k, low)) && is_below(k, high)); /* B2 */
        CHECK(k.len >= l->skip && btree_shared(k, leaf_key(l, 0)) >= l->skip);
        CHECK(leaf_search(l, k, &found) == i && found);
        if (leaf_big(l, i)) w->bytes += mem_size(leaf_big(l, i));
        before = k;
    }
    w->last = l;
    w->bytes += mem_size(l);
    return l->n;
}

/* All below a node; returns the number of pairs. */
static uint64_t check_node(walk *w, const void *node, unsigned height, const separator *low,
                           const separator *high) {
    if (height == 0) return check_leaf(w, node, low, high);
    const inner *in = node;
    uint64_t sum = 0;
    CHECK(in->n >= 1 && in->n <= FAN && in->level == height && in->skip <= SKIP_MAX);
    for (unsigned i = 0; i < in->n; i++) {
        const separator *from = i ? in->sep[i - 1] : low;
        const separator *to = i + 1u < in->n ? in->sep[i] : high;
        if (i) {
            slice s = slice_of(from->bytes, from->len);
            CHECK(s.len >= in->skip && memcmp(s.data, in->prefix, in->skip) == 0);
            CHECK(in->head[i - 1] == btree_head(s, in->skip));
            w->bytes += mem_size(from);
        }
        uint64_t n = check_node(w, in->child[i], height - 1, from, to);
        CHECK(n == in->count[i]); /* B3 */
        sum += n;
    }
    w->bytes += mem_size(in);
    return sum;
}

/* From the root, each node within the bounds that those above it set; then what only the whole can
 * tell: the count, the bytes, and the end of the row of leaves. */
void btree_check(const btree *t) {
    walk w = {.tree = t, .bytes = mem_size(t)};
    uint64_t n = t->root ? check_node(&w, t->root, t->height, NULL, NULL) : 0;
    CHECK(n == t->count && w.bytes == t->bytes);
    CHECK(!w.last || !w.last->next);
    CHECK(t->root || t->height == 0);
}
