/* coll: collections: ordered elements beside the keydir (coll.c has the layout). */
#ifndef STAVE_ENGINE_BITCASK_COLL_H
#define STAVE_ENGINE_BITCASK_COLL_H

#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/entries.h"

#define COLL_KEY_MAX (1 + ENGINE_SUBKEY_MAX)

/* Where an element's record is, and what of it is in memory. */
typedef struct cell {
    uint16_t slot;
    bool has_value; /* inline, maybe empty */
    uint32_t offset, size;
    int64_t expire;
    slice value;
} cell;

#define CELL_MAX(inline_len) (20 + (size_t)(inline_len))
/* Returns its length. */
size_t cell_encode(char *p, const cell *c);
void cell_decode(slice bytes, cell *out);

/* Is that a map whose elements have neither cells nor records (derive.c)? */
static inline bool coll_is_derived(const bitcask *e, unsigned map) {
    return map == ENGINE_DERIVED && e->derive;
}
/* What is read to have the value of the element `key`, map number and subkey, of c. */
value_want coll_want(const coll *c, slice key, const cell *x);

/* The collection of that id, or NULL. */
coll *coll_find(const pdb *d, uint64_t id);
coll *coll_make(pdb *d, uint64_t id);
/* Takes it out of its database and frees it in slices. Its elements' bytes become dead as they are
 * walked over, not at once. */
void coll_drop(bitcask *e, coll *c);
void coll_free(coll *c);
/* The database is dropped too: its bytes are dead already. */
void coll_forget(bitcask *e, const pdb *d);
/* A slice of freeing dropped ones; true if there is more. */
bool coll_free_some(bitcask *e);
/* map number || subkey, in e->sub until the next call. */
slice coll_key(bitcask *e, unsigned map, slice sub);

/* Where that element of c is or belongs, with its key in e->sub; good until the next call of
 * either. A command looks at an element, and then changes it: the second time costs a comparison.
 */
btree_spot *coll_look(bitcask *e, const coll *c, unsigned map, slice sub);

/* A copy of c, elements and all, in another database. */
engine_result coll_copy(bitcask *e, coll *c, pdb *to, uint64_t *id);

/* The record of the element `key` of c, whose cell is that, is there now, and of that size, which
 * is not larger than it was. */
void coll_place(coll *c, slice key, slice cell_bytes, uint16_t slot, uint32_t offset,
                uint32_t size);

/* The change u is undone. */
void coll_undo(bitcask *e, const undo *u);
/* The change u stands: accounts for it. */
void coll_settle(bitcask *e, const undo *u);
/* The open batch moved: the cell that u made, if it is still there, says where its record is. */
void coll_moved(bitcask *e, const undo *u, uint16_t from_slot, uint32_t from, uint32_t to);

#endif
