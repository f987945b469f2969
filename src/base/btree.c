/* The counted B+tree; btree.h has the contract, btree_node.h the picture of its nodes.
 *
 * Inserting and deleting recurse from the root, so that a child's split or emptiness is mended by
 * its parent on the way back, where the counts are kept too. A leaf or inner node that is split at
 * an end of the tree is left full, as keys that come in order go on there: sequential loads fill
 * leaves to the brim. Nodes that have become small are joined with a neighbour when both fit well
 * into one; there is no other rebalancing, and no node is ever empty but a root.
 *
 * Invariants: (1) keys ascend strictly, within leaves and from leaf to leaf; (2) child i of an
 * inner node holds only keys >= separator i and < separator i + 1; (3) count[i] is the number of
 * pairs below child i; (4) all leaves are at the same depth and linked in order; (5) `version`
 * changes whenever a pair or node may have moved. */
#include "base/btree.h"

#include "base/btree_node.h"
#include "base/log.h"
#include "base/mem.h"

#define LEAF_SMALL (LEAF_MAX / 4)     /* used bytes below which a leaf looks for a neighbour */
#define LEAF_JOIN  (LEAF_MAX * 3 / 4) /* used bytes that two leaves may make together */
#define FAN_SMALL  (FAN_OUT / 4)
#define FAN_JOIN   (FAN_OUT * 3 / 4)

/* What a child became that had no room: a new neighbour to its right. */
typedef struct split {
    void *right; /* NULL: it was not split */
    separator *sep;
    uint64_t count; /* pairs in the right one */
} split;

/* ---- separators
 * ----------------------------------------------------------------------------------*/

/* The first 8 bytes as a number whose order is theirs; shorter keys are filled with zeros. */
static inline uint64_t head_of(slice k) {
    uint64_t v = 0;
    if (k.len >= 8) {
        memcpy(&v, k.data, 8);
    } else if (k.len) {
        memcpy(&v, k.data, k.len);
    }
    return __builtin_bswap64(v);
}

/* The shortest prefix of `right` that is greater than `left`. REQUIRES: left < right. */
static separator *separate(btree *t, slice left, slice right) {
    size_t n = 0;
    while (n < left.len && n < right.len && left.data[n] == right.data[n])
        n++;
    CHECK(n < right.len);
    separator *s = mem_alloc(sizeof *s + n + 1);
    s->len = (uint32_t)n + 1;
    memcpy(s->bytes, right.data, n + 1);
    t->bytes += sizeof *s + s->len;
    return s;
}

static void separator_free(btree *t, separator *s) {
    if (!s) return;
    t->bytes -= sizeof *s + s->len;
    mem_free(s);
}

uint32_t inner_child(const inner *in, slice k) {
    uint64_t head = head_of(k);
    uint32_t low = 1, high = in->n; /* separators below `low` are <= k, from `high` on > k */
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        bool le = in->heads[mid] < head;
        if (in->heads[mid] == head) {
            const separator *s = in->sep[mid];
            le = slice_cmp(slice_of(s->bytes, s->len), k) <= 0;
        }
        if (le) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low - 1;
}

/* ---- inner nodes
 * -----------------------------------------------------------------------------------
 */

static inner *inner_new(btree *t) {
    t->bytes += sizeof(inner);
    return mem_zalloc(sizeof(inner));
}

static void inner_free(btree *t, inner *in) {
    t->bytes -= sizeof *in;
    mem_free(in);
}

/* Makes room for, or closes the gap of, the child at i. */
static void shift(inner *in, uint32_t from, uint32_t to) {
    size_t n = (size_t)in->n - from;
    memmove(&in->heads[to], &in->heads[from], n * sizeof in->heads[0]);
    memmove(&in->child[to], &in->child[from], n * sizeof in->child[0]);
    memmove(&in->count[to], &in->count[from], n * sizeof in->count[0]);
    memmove(&in->sep[to], &in->sep[from], n * sizeof in->sep[0]);
}

static void place_child(inner *in, uint32_t i, void *child, separator *sep, uint64_t count) {
    CHECK(in->n < FAN_OUT && i <= in->n);
    shift(in, i, i + 1);
    in->child[i] = child;
    in->count[i] = count;
    in->sep[i] = sep;
    in->heads[i] = sep ? head_of(slice_of(sep->bytes, sep->len)) : 0;
    in->n++;
}

/* Takes the (already freed or moved) child at i out, with its separator. */
static void drop_child(btree *t, inner *in, uint32_t i) {
    CHECK(i < in->n);
    separator_free(t, in->sep[i]);
    if (i + 1u < in->n) shift(in, i + 1, i);
    in->n--;
    if (i == 0 && in->n) { /* separator 0 is not used */
        separator_free(t, in->sep[0]);
        in->sep[0] = NULL;
        in->heads[0] = 0;
    }
}

static uint64_t inner_count(const inner *in) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < in->n; i++)
        sum += in->count[i];
    return sum;
}

/* Moves children from `from` on to the end of `to`, whose first one gets `sep`. */
static void move_children(inner *in, uint32_t from, inner *to, separator *sep) {
    for (uint32_t i = from; i < in->n; i++)
        place_child(to, to->n, in->child[i], i == from ? sep : in->sep[i], in->count[i]);
    in->n = (uint16_t)from;
}

/* ---- inserting ----------------------------------------------------------------------------------
 */

/* A full leaf becomes two, and the pair goes where it belongs. */
static void split_leaf(btree *t, void **slot, uint32_t i, slice key, slice value, split *out) {
    leaf *l = *slot;
    uint32_t cut = leaf_middle(l);
    if (i == l->n && !l->next) cut = l->n; /* keys come in order */
    if (i == 0 && !l->prev) cut = 0;       /* in descending order */
    leaf *r = leaf_new(t, LEAF_MIN);
    r->prev = l;
    r->next = l->next;
    if (r->next) r->next->prev = r;
    l->next = r;
    void *right = r;
    leaf_move_tail(t, l, cut, &right);
    bool to_right = i > cut || (i == cut && cut == l->n && cut != 0 && i != 0);
    if (cut == 0) to_right = false;
    bool fits = to_right ? leaf_insert(t, &right, i - cut, key, value)
                         : leaf_insert(t, slot, i, key, value);
    CHECK(fits);
    l = *slot;
    r = right;
    slice last, first;
    leaf_pair(l, l->n - 1u, &last, NULL);
    leaf_pair(r, 0, &first, NULL);
    *out = (split){.right = r, .sep = separate(t, last, first), .count = r->n};
}

/* A full inner node becomes two, and the new child goes at place i of both together. */
static void split_inner(btree *t, inner *in, uint32_t i, const split *s, bool at_end, split *out) {
    inner *r = inner_new(t);
    uint32_t cut = at_end && i == in->n ? in->n - 1u : in->n / 2u;
    separator *sep = in->sep[cut];
    move_children(in, cut, r, NULL);
    if (i > cut) {
        place_child(r, i - cut, s->right, s->sep, s->count);
    } else {
        place_child(in, i, s->right, s->sep, s->count);
    }
    *out = (split){.right = r, .sep = sep, .count = inner_count(r)};
}

/* Inserts below *slot; at_end: nothing of the tree is to the right of it. `replace`: the key was
 * there, has been taken out of its leaf, and is still counted. */
static void insert(btree *t, void **slot, int height, bool at_end, slice key, slice value,
                   bool replace, split *out) {
    out->right = NULL;
    if (height == 0) {
        bool found;
        uint32_t i = leaf_find(*slot, key, &found);
        CHECK(!found);
        if (!leaf_insert(t, slot, i, key, value)) split_leaf(t, slot, i, key, value, out);
        return;
    }
    inner *in = *slot;
    uint32_t i = inner_child(in, key);
    split s;
    bool last = at_end && i + 1u == in->n;
    insert(t, &in->child[i], height - 1, last, key, value, replace, &s);
    if (!replace) in->count[i]++;
    if (!s.right) return;
    in->count[i] -= s.count;
    if (in->n < FAN_OUT) {
        place_child(in, i + 1, s.right, s.sep, s.count);
    } else {
        split_inner(t, in, i + 1, &s, at_end, out);
    }
}

/* The leaf in which k belongs; the tree's only one or the child that covers k. */
static leaf *leaf_for(const btree *t, slice k) {
    void *node = t->root;
    for (int h = t->height; h > 0; h--) {
        const inner *in = node;
        node = in->child[inner_child(in, k)];
    }
    return node;
}

bool btree_put(btree *t, slice key, slice value) {
    CHECK(key.len + value.len <= BTREE_PAIR_MAX);
    bool found;
    leaf *l = leaf_for(t, key);
    uint32_t i = leaf_find(l, key, &found);
    t->version++;
    if (found) {
        slice old;
        leaf_pair(l, i, NULL, &old);
        if (old.len == value.len) {
            leaf_set_value(l, i, value);
            return false;
        }
        leaf_remove(t, l, i);
    }
    uint64_t total = t->count + !found;
    split s;
    insert(t, &t->root, t->height, true, key, value, found, &s);
    t->count = total;
    if (s.right) {
        CHECK(t->height + 1 < TREE_MAX_HEIGHT);
        inner *root = inner_new(t);
        place_child(root, 0, t->root, NULL, total - s.count);
        place_child(root, 1, s.right, s.sep, s.count);
        t->root = root;
        t->height++;
    }
    return !found;
}

/* ---- deleting
 * ------------------------------------------------------------------------------------*/

static void unlink_leaf(leaf *l) {
    if (l->prev) l->prev->next = l->next;
    if (l->next) l->next->prev = l->prev;
}

/* Joins leaf i + 1 into leaf i. */
static void join_leaves(btree *t, inner *in, uint32_t i) {
    leaf *r = in->child[i + 1];
    leaf_move_tail(t, r, 0, &in->child[i]);
    unlink_leaf(r);
    leaf_free(t, r);
    in->count[i] += in->count[i + 1];
    drop_child(t, in, i + 1);
}

/* Joins inner node i + 1 into i; the separator between them goes down. */
static void join_inners(btree *t, inner *in, uint32_t i) {
    inner *l = in->child[i], *r = in->child[i + 1];
    move_children(r, 0, l, in->sep[i + 1]);
    in->sep[i + 1] = NULL;
    inner_free(t, r);
    in->count[i] += in->count[i + 1];
    drop_child(t, in, i + 1);
}

/* True if children i and i + 1 make one good node. */
static bool may_join(const inner *in, uint32_t i, int child_height) {
    if (i + 1u >= in->n) return false;
    if (child_height == 0) {
        return leaf_used(in->child[i]) + leaf_used(in->child[i + 1]) <= LEAF_JOIN;
    }
    const inner *l = in->child[i], *r = in->child[i + 1];
    return l->n + r->n <= FAN_JOIN;
}

/* Child i has lost a pair or a child: drop it if it is empty, join it if it is small. */
static void mend(btree *t, inner *in, uint32_t i, int child_height) {
    bool small;
    if (child_height == 0) {
        leaf *l = in->child[i];
        if (l->n == 0) {
            unlink_leaf(l);
            leaf_free(t, l);
            drop_child(t, in, i);
            return;
        }
        small = leaf_used(l) < LEAF_SMALL;
    } else {
        inner *c = in->child[i];
        if (c->n == 0) {
            inner_free(t, c);
            drop_child(t, in, i);
            return;
        }
        small = c->n < FAN_SMALL;
    }
    if (!small) return;
    uint32_t left = may_join(in, i, child_height) ? i : i - 1;
    if (left == i - 1 && (i == 0 || !may_join(in, left, child_height))) return;
    if (child_height == 0) {
        join_leaves(t, in, left);
    } else {
        join_inners(t, in, left);
    }
}

/* Deletes below *slot; true if the key was there. */
static bool delete (btree *t, void **slot, int height, slice key) {
    if (height == 0) {
        bool found;
        uint32_t i = leaf_find(*slot, key, &found);
        if (!found) return false;
        leaf_remove(t, *slot, i);
        leaf_shrink(t, slot);
        return true;
    }
    inner *in = *slot;
    uint32_t i = inner_child(in, key);
    if (!delete (t, &in->child[i], height - 1, key)) return false;
    in->count[i]--;
    mend(t, in, i, height - 1);
    return true;
}

bool btree_del(btree *t, slice key) {
    if (!delete (t, &t->root, t->height, key)) return false;
    t->version++;
    t->count--;
    while (t->height > 0) {
        inner *root = t->root;
        if (root->n > 1) break;
        if (root->n == 0) { /* the last pair is gone */
            t->root = leaf_new(t, LEAF_MIN);
            t->height = 0;
        } else {
            t->root = root->child[0];
            t->height--;
        }
        inner_free(t, root);
    }
    return true;
}

/* ---- the tree
 * ------------------------------------------------------------------------------------*/

btree *btree_new(void) {
    btree *t = mem_zalloc(sizeof *t);
    t->bytes = sizeof *t;
    t->root = leaf_new(t, LEAF_MIN);
    return t;
}

/* Frees below a node, last children first, until *budget pairs are gone; true if all is. */
static bool free_below(btree *t, void *node, int height, size_t *budget) {
    if (height == 0) {
        leaf *l = node;
        *budget -= l->n < *budget ? l->n : *budget;
        leaf_free(t, l);
        return true;
    }
    inner *in = node;
    while (in->n) {
        if (*budget == 0) return false;
        if (!free_below(t, in->child[in->n - 1], height - 1, budget)) return false;
        in->n--;
        separator_free(t, in->sep[in->n]);
    }
    inner_free(t, in);
    return true;
}

bool btree_free_some(btree *t, size_t pairs) {
    size_t budget = pairs ? pairs : 1;
    if (!free_below(t, t->root, t->height, &budget)) return false;
    mem_free(t);
    return true;
}

void btree_free(btree *t) {
    if (t) CHECK(btree_free_some(t, SIZE_MAX));
}

uint64_t btree_count(const btree *t) {
    return t->count;
}

uint64_t btree_bytes(const btree *t) {
    return t->bytes;
}

bool btree_get(const btree *t, slice key, slice *value) {
    bool found;
    const leaf *l = leaf_for(t, key);
    uint32_t i = leaf_find(l, key, &found);
    if (found && value) leaf_pair(l, i, NULL, value);
    return found;
}

bool btree_update(btree *t, slice key, slice value) {
    bool found;
    leaf *l = leaf_for(t, key);
    uint32_t i = leaf_find(l, key, &found);
    if (!found) return false;
    slice old;
    leaf_pair(l, i, NULL, &old);
    if (old.len != value.len) return false;
    leaf_set_value(l, i, value);
    return true;
}
