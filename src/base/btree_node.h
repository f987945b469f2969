/* btree_node: nodes of the B+tree; private to btree*.c.
 *
 *   leaf    prev next n cap low | at[0] at[1] .. at[n-1] ->   free   <- cell .. cell cell
 *                                offsets, in key order                  in any order, without gaps
 *   cell    varint key length * 2 + big | varint value length | key | value
 *           a big one has, in place of key and value, a pointer to a block with both
 *   inner   n | heads | children | counts | separators
 *           child i holds the keys >= separator i and < separator i + 1; separator 0 is not used
 *
 * A leaf is as large as it has to be, in steps up to LEAF_MAX, so that small trees are small. A
 * separator is the shortest prefix that separates; `head` is its first 8 bytes as a number, so that
 * a search of an inner node seldom follows a pointer. */
#ifndef STAVE_BASE_BTREE_NODE_H
#define STAVE_BASE_BTREE_NODE_H

#include "base/btree.h"

#define LEAF_MIN        128  /* bytes of the smallest leaf, all included */
#define LEAF_MAX        2048 /* of the largest */
#define CELL_MAX        480  /* bytes of a cell that is kept in the leaf: at least four fit */
#define FAN_OUT         64   /* children of an inner node */
#define TREE_MAX_HEIGHT 16

typedef struct leaf {
    struct leaf *prev, *next;
    uint16_t n;   /* pairs */
    uint16_t cap; /* bytes of the leaf */
    uint16_t low; /* offset of the lowest cell; cap if there is none */
    uint16_t pad;
    uint16_t at[];
} leaf;

typedef struct separator {
    uint32_t len;
    char bytes[];
} separator;

typedef struct inner {
    uint16_t n;
    uint64_t heads[FAN_OUT];
    void *child[FAN_OUT];
    uint64_t count[FAN_OUT]; /* pairs below each child */
    separator *sep[FAN_OUT];
} inner;

struct btree {
    void *root; /* a leaf if height is 0 */
    int height;
    uint64_t count, bytes, version;
};

/* The child in which k belongs (btree.c). */
uint32_t inner_child(const inner *in, slice k);

/* ---- leaves (btree_leaf.c); each keeps tree.bytes right -----------------------------------------
 */

leaf *leaf_new(btree *t, size_t cap);
void leaf_free(btree *t, leaf *l);
void leaf_pair(const leaf *l, uint32_t i, slice *key, slice *value);
/* The first pair with key >= k; *found if it is equal. */
uint32_t leaf_find(const leaf *l, slice k, bool *found);
/* Bytes that a pair takes in a leaf, its offset included. */
size_t leaf_pair_bytes(slice key, slice value);
/* Bytes in use for pairs. */
size_t leaf_used(const leaf *l);
/* Puts a pair at place i, in a leaf made larger if need be; false, and nothing changed, if LEAF_MAX
 * does not hold it. The leaf may move: neighbours' links are kept right, *slot is set. */
bool leaf_insert(btree *t, void **slot, uint32_t i, slice key, slice value);
void leaf_remove(btree *t, leaf *l, uint32_t i);
/* Overwrites the value of a pair. REQUIRES: the same length. */
void leaf_set_value(leaf *l, uint32_t i, slice value);
/* Moves the pairs from place `from` on to the end of `to`. REQUIRES: they fit. */
void leaf_move_tail(btree *t, leaf *l, uint32_t from, void **to);
/* Where to cut so that both halves have about as many bytes. */
uint32_t leaf_middle(const leaf *l);
/* Gives memory back when less than a quarter is used. */
void leaf_shrink(btree *t, void **slot);

#endif
