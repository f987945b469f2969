/* btree: a counted B+tree of byte-string keys and small byte-string values; the one ordered
 * structure in RAM.
 *
 * Keys are unique and in memcmp order. Leaves are packed runs of (key, value) pairs in one block of
 * bytes of up to 4 KiB; inner nodes hold separators, children and the number of pairs below each
 * child, so rank and select cost the tree's height. Leaves grow and shrink with what is in them;
 * deleting joins neighbours that fit into one. A key and its value together fit in BTREE_PAIR_MAX
 * bytes; those above 512 (or a key above 254) lie in a block of their own. */
#ifndef STAVE_BASE_BTREE_H
#define STAVE_BASE_BTREE_H

#include "base/slice.h"

#define BTREE_PAIR_MAX   (4u << 20)
#define BTREE_HEIGHT_MAX 16

typedef struct btree btree;

btree *btree_new(void);
void btree_free(btree *t);
/* Frees at most about `pairs` pairs' worth of nodes; true when the tree is gone (and t with it). */
bool btree_free_some(btree *t, size_t pairs);

uint64_t btree_count(const btree *t);
uint64_t btree_bytes(const btree *t); /* allocated for nodes, all included */
/* A number that changes whenever iterators become invalid. */
uint64_t btree_version(const btree *t);

/* The value is a slice into the tree, valid until the tree next changes. */
bool btree_get(const btree *t, slice key, slice *value);
/* Inserts or replaces; true if the key was new. Both slices may lie in the tree. */
bool btree_put(btree *t, slice key, slice value);
/* Replaces a value of the same length in place; false if the key is absent or lengths differ. */
bool btree_update(btree *t, slice key, slice value);
/* True if the key was there. */
bool btree_del(btree *t, slice key);

/* A look at a key, and then a change there, for one way down instead of two. Any change of the tree
 * but btree_update makes a spot invalid (checked by the version). */
typedef struct btree_spot {
    uint64_t version;
    bool found;
    slice value;       /* into the tree, if found */
    struct leaf *leaf; /* NULL: the tree is empty */
    unsigned at;       /* pair of the leaf */
    unsigned n;        /* steps from the root: inner nodes, each with the child that was taken */
    struct {
        struct inner *node;
        unsigned at;
    } step[BTREE_HEIGHT_MAX];
} btree_spot;

/* Where key is or belongs; returns spot->found. */
bool btree_find(const btree *t, slice key, btree_spot *spot);
/* As btree_put, of the key that the spot was found for; the spot is used up. */
bool btree_put_at(btree *t, btree_spot *spot, slice key, slice value);
/* Deletes the pair there. REQUIRES: spot->found. */
void btree_del_at(btree *t, btree_spot *spot);

/* An iterator is a position at a pair or past an end; any change of the tree but btree_update makes
 * it invalid (checked by a version count). Key and value are slices into the tree. */
typedef struct btree_iter {
    const btree *tree;
    void *leaf;
    uint32_t at;
    uint64_t version;
} btree_iter;

bool btree_first(const btree *t, btree_iter *it);
bool btree_last(const btree *t, btree_iter *it);
/* At the first pair with key >= k; false if there is none. */
bool btree_seek(const btree *t, slice k, btree_iter *it);
/* At the last pair with key <= k. */
bool btree_seek_before(const btree *t, slice k, btree_iter *it);
bool btree_next(btree_iter *it);
bool btree_prev(btree_iter *it);
slice btree_iter_key(const btree_iter *it);
slice btree_iter_value(const btree_iter *it);
/* Both, which costs little more than one. */
void btree_iter_pair(const btree_iter *it, slice *key, slice *value);

/* Number of keys < k. */
uint64_t btree_rank(const btree *t, slice k);
/* At the pair of that rank, 0 first; false if rank >= count. */
bool btree_select(const btree *t, uint64_t rank, btree_iter *it);

/* Walks the whole tree and aborts on a broken invariant: order, counts, depth, fill. For tests. */
void btree_check(const btree *t);

#endif
