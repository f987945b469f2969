/* The counted B+tree: btree.h has the contract, btree_node.h the picture of its nodes.
 *
 * A change goes down once, noting the way, and mends upwards along it. A leaf that is full is cut
 * in the middle, unless the last insertions all went to its end (or its beginning): then it stays
 * full and a new one begins, so that keys that come in order, anywhere in the tree, fill their
 * leaves. A leaf less than a quarter full is joined with a neighbour if the two make three quarters
 * of one at most, an inner node with few children likewise; nothing is ever moved between two that
 * don't fit together, as leaves take only the memory that they use.
 *
 * Invariants:
 *  B1. Keys ascend strictly, within leaves and from leaf to leaf.
 *  B2. All keys below child i are >= separator i - 1 and < separator i.
 *  B3. count[i] is the number of pairs below child i.
 *  B4. All leaves are at the same depth, linked in order, and not empty.
 *  B5. `version` changes whenever a pair or a node may have moved. */
#include "base/btree.h"

#include "base/btree_node.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

#define RUN_MIN    4 /* insertions at one end, after which more are expected there */
#define LEAF_SMALL (LEAF_MAX / 4)
#define LEAF_JOIN  (LEAF_MAX * 3 / 4)

/* ---- what all files use -----------------------------------------------------------------------
 */

/* Counts what the allocator really gave, which may be more than n. */
void *btree_alloc(btree *t, size_t n) {
    void *p = mem_alloc(n);
    t->bytes += mem_size(p);
    return p;
}

/* Counts the same amount out. */
void btree_release(btree *t, void *p) {
    t->bytes -= mem_size(p);
    mem_free(p);
}

/* Eight bytes a step: words are read as little-endian, so the lowest bit that differs is in the
 * first byte that does. */
size_t btree_shared(slice a, slice b) {
    size_t n = a.len < b.len ? a.len : b.len, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t differ = load_u64(a.data + i) ^ load_u64(b.data + i);
        if (differ) return i + (size_t)__builtin_ctzll(differ) / 8;
    }
    while (i < n && a.data[i] == b.data[i])
        i++;
    return i;
}

/* Big-endian, so that numbers compare as the bytes do. Equal numbers say nothing about what comes
 * after, nor whether a zero was there: whoever finds them equal looks at the bytes. */
uint64_t btree_head(slice s, size_t from) {
    if (s.len >= from + 8) return load_be64(s.data + from);
    if (s.len <= from) return 0;
    if (s.len >= 8) return load_be64(s.data + s.len - 8) << (8 * (from + 8 - s.len));
    uint64_t v = 0;
    for (size_t i = from; i < s.len; i++)
        v = v << 8 | (unsigned char)s.data[i];
    return v << (8 * (from + 8 - s.len));
}

/* Notes each step, for changes, which mend upwards along it, and for rank, which adds up what lies
 * to the left; leaf_for() is for those who need neither. */
void btree_descend(const btree *t, slice key, btree_path *path) {
    void *node = t->root;
    CHECK(node && t->height <= HEIGHT_MAX);
    path->n = t->height;
    for (unsigned i = 0; i < t->height; i++) {
        inner *n = node;
        unsigned at = inner_search(n, key);
        path->step[i].node = n;
        path->step[i].at = at;
        node = n->child[at];
    }
    path->leaf = node;
}

/* The leaf in which key is or belongs; NULL if the tree is empty. */
static leaf *leaf_for(const btree *t, slice key) {
    void *node = t->root;
    for (unsigned i = 0; i < t->height; i++) {
        const inner *n = node;
        node = n->child[inner_search(n, key)];
    }
    return node;
}

/* ---- the tree ---------------------------------------------------------------------------------
 */

/* The root comes with the first pair. */
btree *btree_new(void) {
    btree *t = mem_zalloc(sizeof *t);
    t->bytes = mem_size(t);
    return t;
}

/* Frees what a pair has outside of its leaf. */
static void free_big(btree *t, big *b) {
    if (b) btree_release(t, b);
}

/* Frees a leaf, its neighbours not looked at. */
static size_t free_leaf(btree *t, leaf *l) {
    size_t n = l->n;
    for (unsigned i = 0; !leaf_is_fixed(l) && i < l->n; i++)
        free_big(t, leaf_big(l, i));
    btree_release(t, l);
    return n;
}

/* Frees the last leaf below the root and the inner nodes that held only it; returns its pairs. */
static size_t free_last(btree *t) {
    inner *way[HEIGHT_MAX];
    void *node = t->root;
    unsigned h = 0;
    for (; h < t->height; h++) {
        way[h] = node;
        node = way[h]->child[way[h]->n - 1];
    }
    size_t pairs = free_leaf(t, node);
    while (h-- > 0) {
        inner_remove(t, way[h], way[h]->n - 1u);
        if (way[h]->n > 0) return pairs;
        btree_release(t, way[h]);
    }
    t->root = NULL;
    return pairs;
}

/* Leaf by leaf from the right end; in between the tree is good for nothing but going on. */
bool btree_free_some(btree *t, size_t pairs) {
    for (size_t done = 0; t->root; done += free_last(t))
        if (done >= pairs) return false;
    mem_free(t);
    return true;
}

/* At once. NULL is no tree, and is fine. */
void btree_free(btree *t) {
    if (!t) return;
    bool gone = btree_free_some(t, SIZE_MAX);
    CHECK(gone);
}

/* Kept by changes, not added up. */
uint64_t btree_count(const btree *t) {
    return t->count;
}

/* As btree_alloc() and btree_release() have counted. */
uint64_t btree_bytes(const btree *t) {
    return t->bytes;
}

/* `value` may be NULL, if only whether the key is there matters. */
bool btree_get(const btree *t, slice key, slice *value) {
    bool found = false;
    const leaf *l = leaf_for(t, key);
    unsigned i = l ? leaf_search(l, key, &found) : 0;
    if (found && value) *value = leaf_value(l, i);
    return found;
}

/* Overwrites the value of pair i if it is of the same length. */
static bool overwrite(leaf *l, unsigned i, slice value) {
    slice old = leaf_value(l, i);
    if (old.len != value.len) return false;
    if (value.len) memmove((char *)(uintptr_t)old.data, value.data, value.len);
    return true;
}

/* Nothing moves, so iterators stay valid (B5). */
bool btree_update(btree *t, slice key, slice value) {
    bool found = false;
    leaf *l = leaf_for(t, key);
    unsigned i = l ? leaf_search(l, key, &found) : 0;
    return found && overwrite(l, i, value);
}

/* ---- inserting --------------------------------------------------------------------------------
 */

/* The pair as it goes in a leaf; *aside: the block of a large one, to which p points. */
static void make_raw(btree *t, slice key, slice value, raw_pair *p, big **aside) {
    *aside = NULL;
    if (key.len < BIG_KLEN && key.len + value.len <= INLINE_MAX) {
        *p = (raw_pair){key,      (uint8_t)key.len, (uint16_t)(key.len + value.len),
                        key.data, value.data,       (uint16_t)key.len};
        return;
    }
    big *b = btree_alloc(t, sizeof *b + key.len + value.len);
    b->klen = (uint32_t)key.len;
    b->vlen = (uint32_t)value.len;
    if (key.len) memcpy(b->bytes, key.data, key.len);
    if (value.len) memcpy(b->bytes + key.len, value.data, value.len);
    *aside = b;
    *p = (raw_pair){slice_of(b->bytes, key.len), BIG_KLEN, sizeof *aside,
                    (const char *)aside,         NULL,     sizeof *aside};
}

/* Makes the path's leaf be l: in its parent, or as the root. */
static void set_leaf(btree *t, btree_path *path, leaf *l) {
    path->leaf = l;
    if (path->n == 0)
        t->root = l;
    else
        path->step[path->n - 1].node->child[path->step[path->n - 1].at] = l;
}

/* Adds d to the counts along the path. */
static void count_along(btree *t, const btree_path *path, int64_t d) {
    t->count += (uint64_t)d;
    for (unsigned i = 0; i < path->n; i++)
        path->step[i].node->count[path->step[i].at] += (uint64_t)d;
}

/* Puts a new child to the right of where the path goes at the lowest level of inner nodes, cutting
 * those that are full. Its pairs are already counted, with those of its left neighbour. */
static void add_child(btree *t, const btree_path *path, separator *sep, void *child,
                      uint64_t count) {
    for (unsigned d = path->n; d > 0; d--) {
        inner *n = path->step[d - 1].node;
        unsigned at = path->step[d - 1].at;
        n->count[at] -= count;
        if (n->n < FAN) {
            inner_insert(n, at, sep, child, count);
            return;
        }
        unsigned cut = at + 1 == FAN ? FAN - FAN_MIN : at == 0 ? FAN_MIN : FAN / 2;
        separator *up;
        inner *right = inner_split(t, n, cut, &up);
        if (at < cut)
            inner_insert(n, at, sep, child, count);
        else
            inner_insert(right, at - cut, sep, child, count);
        sep = up;
        child = right;
        count = inner_sum(right);
    }
    CHECK(t->height < HEIGHT_MAX);
    inner *root = inner_new(t, t->height + 1);
    root->child[0] = t->root;
    root->count[0] = t->count - count;
    root->n = 1;
    inner_insert(root, 0, sep, child, count);
    t->root = root;
    t->height++;
}

/* Where to cut a full leaf that gets a pair at i. Amid insertions in order, at i: so the part that
 * they have filled stays full. Before 0 or after the last is a new leaf for the pair alone. */
static unsigned cut_for(const leaf *l, unsigned i) {
    bool up = l->run >= RUN_MIN && i == l->hot, down = l->run <= -RUN_MIN && i + 1 == l->hot;
    return up || down ? i : leaf_middle(l);
}

/* Cuts the path's leaf and puts the pair where it belongs. */
static void split_and_insert(btree *t, btree_path *path, unsigned i, const raw_pair *p) {
    leaf *left = path->leaf, *right;
    unsigned at = cut_for(left, i), ahead = left->hot - i;
    int8_t run = left->run;
    if (at == 0) {
        right = left;
        left = leaf_beside(t, right, false);
    } else if (at == left->n) {
        right = leaf_beside(t, left, true);
    } else {
        right = leaf_split(t, &left, at);
    }
    bool to_right = i > at || (i == at && (run < 0 ? leaf_fits(right, p) : !leaf_fits(left, p)));
    leaf **to = to_right ? &right : &left;
    unsigned place = to_right ? i - at : i;
    CHECK(leaf_fits(*to, p));
    (*to)->run = run;
    (*to)->hot = (uint16_t)(place + ahead);
    *to = leaf_insert(t, *to, place, p);
    set_leaf(t, path, left);
    separator *sep = separator_new(t, leaf_key(left, left->n - 1u), leaf_key(right, 0));
    add_child(t, path, sep, right, right->n);
}

/* Copies s to *room, and moves *room on, if it lies in the leaf, which is going to move. */
static slice out_of_leaf(const leaf *l, slice s, char **room) {
    const char *start = (const char *)l;
    if (s.len == 0 || s.data < start || s.data >= start + l->size) return s;
    CHECK(s.len <= INLINE_MAX);
    memcpy(*room, s.data, s.len);
    *room += s.len;
    return slice_of(*room - s.len, s.len);
}

/* One way down; in an empty tree there is no leaf to stand in. */
bool btree_find(const btree *t, slice key, btree_spot *spot) {
    spot->version = t->version;
    spot->found = false;
    spot->leaf = NULL;
    spot->n = spot->at = 0;
    if (!t->root) return false;
    btree_descend(t, key, spot);
    spot->at = leaf_search(spot->leaf, key, &spot->found);
    if (spot->found) spot->value = leaf_value(spot->leaf, spot->at);
    return spot->found;
}

/* A new value of the old length is written over it; otherwise the old pair goes out before the new
 * one goes in. Key and value may lie in the leaf that moves (they are copied first), or in a block
 * of its own (which is freed last). */
bool btree_put_at(btree *t, btree_spot *spot, slice key, slice value) {
    CHECK(key.len + value.len <= BTREE_PAIR_MAX && spot->version == t->version);
    char copies[2 * INLINE_MAX], *room = copies;
    t->version++;
    if (!t->root) t->root = spot->leaf = leaf_new(t);
    if (spot->found && overwrite(spot->leaf, spot->at, value)) return false;
    key = out_of_leaf(spot->leaf, key, &room);
    value = out_of_leaf(spot->leaf, value, &room);
    raw_pair p;
    big *aside, *old = NULL;
    make_raw(t, key, value, &p, &aside);
    if (spot->found) {
        old = leaf_big(spot->leaf, spot->at);
        set_leaf(t, spot, leaf_remove(t, spot->leaf, spot->at));
    } else {
        count_along(t, spot, 1);
    }
    if (leaf_fits(spot->leaf, &p))
        set_leaf(t, spot, leaf_insert(t, spot->leaf, spot->at, &p));
    else
        split_and_insert(t, spot, spot->at, &p);
    free_big(t, old); /* the value may have come from it */
    return !spot->found;
}

/* The two halves of a change. */
bool btree_put(btree *t, slice key, slice value) {
    btree_spot spot;
    btree_find(t, key, &spot);
    return btree_put_at(t, &spot, key, value);
}

/* ---- deleting ---------------------------------------------------------------------------------
 */

/* Joins children i and i + 1 of n, inner nodes both, if they fit into one. */
static bool join_inners(btree *t, inner *n, unsigned i) {
    inner *a = n->child[i], *b = n->child[i + 1];
    if (a->n + b->n > (int)FAN) return false;
    n->count[i] += n->count[i + 1];
    inner_join(t, a, inner_take(n, i + 1), b);
    return true;
}

/* The same for leaves. */
static bool join_leaves(btree *t, inner *n, unsigned i) {
    leaf *l = leaf_join(t, n->child[i], n->child[i + 1], LEAF_JOIN);
    if (!l) return false;
    n->child[i] = l;
    n->count[i] += n->count[i + 1];
    inner_remove(t, n, i + 1);
    return true;
}

/* Joins a child that has become small with a neighbour, if there is one that fits. */
static bool join_child(btree *t, inner *n, unsigned at) {
    bool (*join)(btree *, inner *, unsigned) = n->level == 1 ? join_leaves : join_inners;
    return (at + 1u < n->n && join(t, n, at)) || (at > 0 && join(t, n, at - 1));
}

/* After the path's leaf lost a pair: takes away what is empty, joins what is small. */
static void mend(btree *t, btree_path *path) {
    leaf *l = path->leaf;
    bool empty = l->n == 0, small = leaf_bytes(l) < LEAF_SMALL;
    if (empty) leaf_drop(t, l);
    for (unsigned d = path->n; d > 0 && (empty || small); d--) {
        inner *n = path->step[d - 1].node;
        unsigned at = path->step[d - 1].at;
        if (empty)
            inner_remove(t, n, at);
        else if (!join_child(t, n, at))
            return;
        empty = n->n == 0;
        small = n->n < FAN_MIN;
        if (empty) btree_release(t, n);
    }
    if (empty) {
        t->root = NULL;
        t->height = 0;
    }
    while (t->height > 0 && ((inner *)t->root)->n == 1) {
        inner *root = t->root;
        t->root = root->child[0];
        t->height--;
        btree_release(t, root);
    }
}

/* The leaf is mended only when the counts above it are right again (B3). */
void btree_del_at(btree *t, btree_spot *spot) {
    CHECK(spot->found && spot->version == t->version);
    t->version++;
    big *aside = leaf_big(spot->leaf, spot->at);
    set_leaf(t, spot, leaf_remove(t, spot->leaf, spot->at));
    free_big(t, aside);
    count_along(t, spot, -1);
    mend(t, spot);
}

/* A look and, if the key is there, a change. */
bool btree_del(btree *t, slice key) {
    btree_spot spot;
    bool found = btree_find(t, key, &spot);
    if (found) btree_del_at(t, &spot);
    return found;
}
