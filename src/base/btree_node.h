/* btree_node: the two kinds of node of a B+tree, for the files of btree alone.
 *
 * A *leaf* is one block, as large as it needs to be, and holds pairs in one of two forms:
 *
 *   | head | slot 0, slot 1 ...   free   ... pair 1 | pair 0 |
 *   | head | pair 0 | pair 1 | ...   free   |                    fixed
 *
 * A slot is 4 bytes: where its pair ends, counted from the block's end; the key's length; and the
 * key's *share*: where it lies between the leaf's first and last key, in 256ths. If all pairs have
 * the same two lengths there are no slots. Either way a search goes to about the right pair at
 * once. A pair too large for a leaf lies in a block of its own, its place in the leaf being a
 * pointer.
 *
 * An *inner* node holds separators, children, and the number of pairs below each child. Separator i
 * is greater than every key below child i and not greater than any below child i + 1, and as short
 * as that allows. Of each, eight bytes are in the node itself, after the bytes that all share. */
#ifndef STAVE_BASE_BTREE_NODE_H
#define STAVE_BASE_BTREE_NODE_H

#include "base/btree.h"

#define LEAF_MAX   4096u          /* bytes of a leaf, head included */
#define LEAF_FIRST 128u           /* of a new one; it grows in steps of a fifth or so */
#define INLINE_MAX (LEAF_MAX / 8) /* larger pairs go to blocks of their own */
#define BIG_KLEN   255u           /* key length in the slot of such a pair */
#define NOT_FIXED  255u           /* klen of a leaf with slots */
#define FAN        64u            /* children of an inner node */
#define FAN_MIN    (FAN / 8)      /* with fewer, it is joined with a neighbour if they fit */
#define SKIP_MAX   16u            /* shared bytes that an inner node skips */
#define HEIGHT_MAX ((unsigned)BTREE_HEIGHT_MAX)

typedef struct leaf {
    struct leaf *prev, *next;
    uint64_t base;    /* the eight bytes behind `skip` of what was the first key: share 0 */
    uint16_t size;    /* bytes allocated */
    uint16_t n, used; /* pairs, and their bytes */
    uint16_t skip;    /* leading bytes that all keys share, or fewer */
    uint16_t vlen;    /* of every pair, if fixed */
    uint16_t hot;     /* place behind the pair that was inserted last */
    uint8_t klen;     /* as vlen, or NOT_FIXED */
    uint8_t shift;    /* a share is (eight bytes - base) >> shift, 255 at most */
    uint8_t top;      /* share of what was the last key */
    int8_t run;       /* so many insertions in a row each went behind the last; < 0: before it */
    char data[];
} leaf;
_Static_assert(sizeof(leaf) == 40 && offsetof(leaf, data) == 40, "a leaf's head has no gap");

/* A pair that is too large for a leaf: key, then value. */
typedef struct big {
    uint32_t klen, vlen;
    char bytes[];
} big;

typedef struct separator {
    uint32_t len;
    char bytes[];
} separator;

typedef struct inner {
    uint16_t n;     /* children; one separator fewer */
    uint16_t level; /* 1: the children are leaves */
    uint32_t skip;  /* leading bytes that all separators share, or fewer: those in prefix */
    char prefix[SKIP_MAX];
    uint64_t head[FAN - 1]; /* eight bytes of separator i after skip, big-endian, padded with 0 */
    separator *sep[FAN - 1];
    void *child[FAN];
    uint64_t count[FAN]; /* pairs below */
} inner;

struct btree {
    void *root;      /* NULL: empty */
    unsigned height; /* inner nodes above a leaf */
    uint64_t count, bytes, version;
};

/* The way to a leaf: a spot of which only that is set. */
typedef btree_spot btree_path;

/* Allocation, counted in the tree's bytes. */
void *btree_alloc(btree *t, size_t n);
void btree_release(btree *t, void *p);
/* The leaf where key is or belongs, and the way there. REQUIRES: the tree is not empty. */
void btree_descend(const btree *t, slice key, btree_path *path);
/* Leading bytes that a and b share. */
size_t btree_shared(slice a, slice b);
/* Up to eight bytes of s from `from`, big-endian, padded with zeros. */
uint64_t btree_head(slice s, size_t from);

/* ---- leaves -----------------------------------------------------------------------------------
 */

/* A pair as it lies in a leaf. */
typedef struct raw_pair {
    slice key; /* all of it, wherever it is */
    uint8_t klen;
    uint16_t len;  /* bytes in the leaf */
    const char *a; /* the first a_len of them, */
    const char *b; /* and the others */
    uint16_t a_len;
} raw_pair;

slice leaf_key(const leaf *l, unsigned i);
slice leaf_value(const leaf *l, unsigned i);
void leaf_pair(const leaf *l, unsigned i, slice *key, slice *value);
static inline bool leaf_is_fixed(const leaf *l) {
    return l->klen != NOT_FIXED;
}
/* The block of a large pair, or NULL. */
big *leaf_big(const leaf *l, unsigned i);
/* The first pair with a key >= key, and whether it is that key. */
unsigned leaf_search(const leaf *l, slice key, bool *found);
bool leaf_fits(const leaf *l, const raw_pair *p);
/* Bytes in use, head and slots included. */
size_t leaf_bytes(const leaf *l);

/* Each may move the leaf, and returns where it is; links between leaves follow. */
leaf *leaf_new(btree *t);
leaf *leaf_insert(btree *t, leaf *l, unsigned i, const raw_pair *p);
leaf *leaf_remove(btree *t, leaf *l, unsigned i);
/* Cuts a leaf before pair `at`; returns the right part, *l is the left one. */
leaf *leaf_split(btree *t, leaf **l, unsigned at);
/* A leaf of all pairs of both, which go; NULL, changing nothing, if that is more than `max` bytes.
 */
leaf *leaf_join(btree *t, leaf *a, leaf *b, size_t max);
/* An empty leaf behind or before l in the row. */
leaf *leaf_beside(btree *t, leaf *l, bool behind);
/* Takes a leaf out of the row and frees it, not its large pairs. */
void leaf_drop(btree *t, leaf *l);
/* The pair before which a cut leaves about as many bytes on both sides. REQUIRES: n > 1. */
unsigned leaf_middle(const leaf *l);

/* ---- inner nodes ------------------------------------------------------------------------------
 */

inner *inner_new(btree *t, unsigned level);
/* The child below which key is or belongs. */
unsigned inner_search(const inner *n, slice key);
/* Puts a child behind child `at`, with the separator between them (which the node then owns). */
void inner_insert(inner *n, unsigned at, separator *sep, void *child, uint64_t count);
/* Takes out child `at` and the separator before it (behind it, if it is the first), which it
 * returns; NULL if there is none. */
separator *inner_take(inner *n, unsigned at);
/* The same, freeing the separator. */
void inner_remove(btree *t, inner *n, unsigned at);
/* Cuts a node; returns the part from child `at` on and, in *up, the separator between the two. */
inner *inner_split(btree *t, inner *n, unsigned at, separator **up);
/* Appends all of b to a, with the separator between them; b is freed. */
void inner_join(btree *t, inner *a, separator *between, inner *b);
uint64_t inner_sum(const inner *n);
/* The shortest separator between two keys, a < b. */
separator *separator_new(btree *t, slice a, slice b);

#endif
