/* table_block: a run of sorted keys with their cells, as a table's data blocks and indexes have it;
 * for the table's own files. README.md draws the bytes, table_block.c says how they are searched.
 */
#ifndef STAVE_STORAGE_TABLE_BLOCK_H
#define STAVE_STORAGE_TABLE_BLOCK_H

#include "base/buf.h"
#include "base/codec.h"

#define BLOCK_HEAD  16 /* bytes in front of the restarts */
#define BLOCK_EVERY 16 /* entries from one restart to the next in a data block; 1 in an index */

/* ---- building -------------------------------------------------------------------------------- */

/* Entries being gathered. Zero-initialised, but for `every`, is empty. */
typedef struct block_builder {
    uint32_t every;
    uint32_t n, room;
    struct block_pending {
        uint32_t key, cell; /* their lengths */
        uint32_t shared;    /* with the key before */
    } * v;
    buf bytes;      /* the keys and cells */
    size_t last_at; /* where in bytes the last key begins */
    size_t size;    /* about the bytes of the block */
} block_builder;

/* REQUIRES: key is greater than the one before, cell is not empty. */
void block_add(block_builder *b, slice key, slice cell);
slice block_first_key(const block_builder *b);
slice block_last_key(const block_builder *b);
/* Bytes that the block would take more, about. */
size_t block_cost(const block_builder *b, slice key, slice cell);
/* Appends the block's bytes and forgets the entries. REQUIRES: there are some. */
void block_build(block_builder *b, buf *out);
void block_builder_free(block_builder *b);

/* ---- reading --------------------------------------------------------------------------------- */

/* Everything that reading a block relies on: lengths, order, restarts. For bytes whose checksum was
 * right. scratch is used; every is what the block must have. */
bool block_valid(slice bytes, uint32_t every, size_t key_max, buf *scratch);

/* All that follow REQUIRE a valid block. */
static inline uint32_t block_count(slice bytes) {
    return load_u32(bytes.data);
}

/* Looks for the very key; the cell is a slice of the block. */
bool block_find(slice bytes, slice key, slice *cell);
/* Of an index: the last entry whose key is not greater; -1 if there is none. */
ptrdiff_t block_last_at_most(slice bytes, slice key);
/* Of an index: entry i. The key is prefix, then rest. */
void block_index_entry(slice bytes, size_t i, slice *prefix, slice *rest, slice *cell);

/* Walking a block. Zero-initialised stands nowhere; the bytes must outlive it. */
typedef struct block_iter {
    slice bytes;
    uint32_t restart; /* the one at or before the entry */
    const char *at;   /* the entry; NULL: nowhere */
    const char *next; /* the one behind it, or the block's end */
    buf key;          /* the entry's, whole */
    slice cell;
} block_iter;

/* Stands nowhere in this block. */
void block_iter_set(block_iter *i, slice bytes);
void block_iter_free(block_iter *i);
void block_iter_first(block_iter *i);
void block_iter_last(block_iter *i);
/* To the first entry >= key, or nowhere. True: it has that very key. */
bool block_iter_seek(block_iter *i, slice key);
/* REQUIRE: it stands on an entry. At the ends: to nowhere. */
void block_iter_next(block_iter *i);
void block_iter_prev(block_iter *i);

#endif
