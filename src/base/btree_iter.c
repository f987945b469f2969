/* Walking the B+tree: positions, rank and select, and the check of all its invariants. */
#include "base/btree.h"

#include "base/btree_node.h"
#include "base/log.h"

/* Puts the iterator at pair i of a leaf, or at the beginning of the next leaf if i is its end. */
static bool stand(const btree *t, const leaf *l, uint32_t i, btree_iter *it) {
    if (l && i >= l->n) {
        l = l->next;
        i = 0;
    }
    *it = (btree_iter){.tree = t, .leaf = (void *)(uintptr_t)l, .at = i, .version = t->version};
    return l != NULL && i < l->n;
}

/* The leaf for k, and how many pairs are in leaves before it. */
static const leaf *descend(const btree *t, slice k, uint64_t *before) {
    const void *node = t->root;
    *before = 0;
    for (int h = t->height; h > 0; h--) {
        const inner *in = node;
        uint32_t i = inner_child(in, k);
        for (uint32_t j = 0; j < i; j++)
            *before += in->count[j];
        node = in->child[i];
    }
    return node;
}

/* The leaf at an end of the tree. */
static const leaf *edge(const btree *t, bool last) {
    const void *node = t->root;
    for (int h = t->height; h > 0; h--) {
        const inner *in = node;
        node = in->child[last ? in->n - 1 : 0];
    }
    return node;
}

bool btree_first(const btree *t, btree_iter *it) {
    return stand(t, edge(t, false), 0, it);
}

bool btree_last(const btree *t, btree_iter *it) {
    const leaf *l = edge(t, true);
    return stand(t, l, l->n ? l->n - 1u : 0, it);
}

bool btree_seek(const btree *t, slice k, btree_iter *it) {
    uint64_t before;
    bool found;
    const leaf *l = descend(t, k, &before);
    return stand(t, l, leaf_find(l, k, &found), it);
}

bool btree_seek_before(const btree *t, slice k, btree_iter *it) {
    uint64_t before;
    bool found;
    const leaf *l = descend(t, k, &before);
    uint32_t i = leaf_find(l, k, &found);
    if (!found && i == 0) {
        l = l->prev;
        if (!l) {
            *it = (btree_iter){.tree = t, .version = t->version};
            return false;
        }
        i = l->n;
    }
    return stand(t, l, found ? i : i - 1, it);
}

bool btree_next(btree_iter *it) {
    CHECK(it->version == it->tree->version);
    if (!it->leaf) return false;
    return stand(it->tree, it->leaf, it->at + 1, it);
}

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

slice btree_iter_key(const btree_iter *it) {
    slice k;
    CHECK(it->version == it->tree->version && it->leaf);
    leaf_pair(it->leaf, it->at, &k, NULL);
    return k;
}

slice btree_iter_value(const btree_iter *it) {
    slice v;
    CHECK(it->version == it->tree->version && it->leaf);
    leaf_pair(it->leaf, it->at, NULL, &v);
    return v;
}

uint64_t btree_rank(const btree *t, slice k) {
    uint64_t before;
    bool found;
    const leaf *l = descend(t, k, &before);
    return before + leaf_find(l, k, &found);
}

bool btree_select(const btree *t, uint64_t rank, btree_iter *it) {
    const void *node = t->root;
    if (rank >= t->count) {
        *it = (btree_iter){.tree = t, .version = t->version};
        return false;
    }
    for (int h = t->height; h > 0; h--) {
        const inner *in = node;
        uint32_t i = 0;
        while (rank >= in->count[i])
            rank -= in->count[i++];
        node = in->child[i];
    }
    return stand(t, node, (uint32_t)rank, it);
}

/* ---- the check
 * -----------------------------------------------------------------------------------*/

/* What a walk from left to right has seen. */
typedef struct walk {
    const btree *tree;
    const leaf *last;
} walk;

/* One leaf: order within, and against the bounds that its ancestors set. */
static uint64_t check_leaf(walk *w, const leaf *l, const separator *low, const separator *high) {
    slice before = SLICE_EMPTY, k;
    CHECK(l->prev == w->last && (!w->last || w->last->next == l));
    CHECK(l->n > 0 || w->tree->count == 0);
    for (uint32_t i = 0; i < l->n; i++) {
        leaf_pair(l, i, &k, NULL);
        CHECK(i == 0 || slice_cmp(before, k) < 0);
        CHECK(!low || slice_cmp(slice_of(low->bytes, low->len), k) <= 0);
        CHECK(!high || slice_cmp(k, slice_of(high->bytes, high->len)) < 0);
        before = k;
    }
    w->last = l;
    return l->n;
}

/* All below a node; returns the number of pairs. */
static uint64_t check_node(walk *w, const void *node, int height, const separator *low,
                           const separator *high) {
    if (height == 0) return check_leaf(w, node, low, high);
    const inner *in = node;
    uint64_t sum = 0;
    CHECK(in->n >= 1 && in->n <= FAN_OUT && !in->sep[0]);
    for (uint32_t i = 0; i < in->n; i++) {
        const separator *from = i ? in->sep[i] : low;
        const separator *to = i + 1u < in->n ? in->sep[i + 1] : high;
        uint64_t n = check_node(w, in->child[i], height - 1, from, to);
        CHECK(n == in->count[i]);
        sum += n;
    }
    return sum;
}

void btree_check(const btree *t) {
    walk w = {.tree = t};
    CHECK(check_node(&w, t->root, t->height, NULL, NULL) == t->count);
    CHECK(!w.last->next);
}
