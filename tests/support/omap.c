/* omap: the treap of omap.h.
 *
 * Nodes are ordered by key from left to right and by priority from the root down. A key is put in
 * by splitting the tree at it and joining the two halves around the new node; it is taken out by
 * joining its two children in its place. Both recurse no deeper than the tree, which is about twice
 * log2(n) as the priorities are as good as random. */
#include "support/omap.h"

#include "base/log.h"
#include "base/mem.h"

typedef struct onode {
    struct onode *left, *right;
    uint64_t prio, count;
    void *value;
    size_t len;
    char key[];
} onode;

struct omap {
    onode *root;
};

static slice node_key(const onode *n) {
    return slice_of(n->key, n->len);
}

static uint64_t count_of(const onode *n) {
    return n ? n->count : 0;
}

static void recount(onode *n) {
    n->count = count_of(n->left) + 1 + count_of(n->right);
}

/* FNV-1a, then a finaliser (of MurmurHash3) that spreads it over all 64 bits. */
static uint64_t priority(slice key) {
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.data[i]) * 1099511628211u;
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
    return h ^ (h >> 33);
}

omap *omap_new(void) {
    return mem_zalloc(sizeof(omap));
}

static void free_nodes(onode *n, void (*free_value)(void *)) {
    if (!n) return;
    free_nodes(n->left, free_value);
    free_nodes(n->right, free_value);
    if (free_value) free_value(n->value);
    mem_free(n);
}

void omap_free(omap *m, void (*free_value)(void *)) {
    if (!m) return;
    free_nodes(m->root, free_value);
    mem_free(m);
}

uint64_t omap_count(const omap *m) {
    return count_of(m->root);
}

static onode *find(const omap *m, slice key) {
    onode *n = m->root;
    while (n) {
        int c = slice_cmp(key, node_key(n));
        if (c == 0) break;
        n = c < 0 ? n->left : n->right;
    }
    return n;
}

void *omap_get(const omap *m, slice key) {
    onode *n = find(m, key);
    return n ? n->value : NULL;
}

/* Takes n apart: what is < key goes under *low, the rest under *high. */
static void split(onode *n, slice key, onode **low, onode **high) {
    if (!n) {
        *low = *high = NULL;
        return;
    }
    if (slice_cmp(node_key(n), key) < 0) {
        split(n->right, key, &n->right, high);
        *low = n;
    } else {
        split(n->left, key, low, &n->left);
        *high = n;
    }
    recount(n);
}

/* One tree of two, all keys of low being below those of high. */
static onode *join(onode *low, onode *high) {
    if (!low) return high;
    if (!high) return low;
    if (low->prio > high->prio) {
        low->right = join(low->right, high);
        recount(low);
        return low;
    }
    high->left = join(low, high->left);
    recount(high);
    return high;
}

void *omap_set(omap *m, slice key, void *value) {
    CHECK(value != NULL);
    onode *n = find(m, key);
    if (n) {
        void *old = n->value;
        n->value = value;
        return old;
    }
    n = mem_zalloc(sizeof *n + key.len);
    n->value = value;
    n->len = key.len;
    n->count = 1;
    n->prio = priority(key);
    if (key.len) memcpy(n->key, key.data, key.len);
    /* Down to where the priority belongs; the subtree there is split around the new node. */
    onode **at = &m->root;
    while (*at && (*at)->prio >= n->prio) {
        (*at)->count++;
        at = slice_cmp(key, node_key(*at)) < 0 ? &(*at)->left : &(*at)->right;
    }
    split(*at, key, &n->left, &n->right);
    recount(n);
    *at = n;
    return NULL;
}

void *omap_del(omap *m, slice key) {
    if (!find(m, key)) return NULL;
    onode **at = &m->root;
    for (int c; (c = slice_cmp(key, node_key(*at))) != 0;) {
        (*at)->count--;
        at = c < 0 ? &(*at)->left : &(*at)->right;
    }
    onode *n = *at;
    *at = join(n->left, n->right);
    void *old = n->value;
    mem_free(n);
    return old;
}

uint64_t omap_rank(const omap *m, slice key) {
    uint64_t rank = 0;
    for (const onode *n = m->root; n;) {
        if (slice_cmp(node_key(n), key) < 0) {
            rank += count_of(n->left) + 1;
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return rank;
}

bool omap_at(const omap *m, uint64_t rank, slice *key, void **value) {
    const onode *n = m->root;
    if (rank >= count_of(n)) return false;
    while (rank != count_of(n->left)) {
        if (rank < count_of(n->left)) {
            n = n->left;
        } else {
            rank -= count_of(n->left) + 1;
            n = n->right;
        }
    }
    if (key) *key = node_key(n);
    if (value) *value = n->value;
    return true;
}
