/* table: sorted tables, the LSM engine's files of keys and cells: written once in ascending order
 * of keys, then read by key or in order. README.md draws the format.
 *
 * A key is any bytes; keys are compared as memcmp does. A cell is any bytes but for its first, the
 * tag: the only byte of it that is looked at here (to count). A filter hash of 0 says that the key
 * is not in the filter, or that the filter is not to be asked.
 *
 * An open table holds its properties and its top index in memory: one short key per partition, that
 * is, per about a hundred data blocks. A partition (index and filter of its blocks) is read and
 * cached as one item, data blocks are others; a block is cached, decompressed, under table_pos. Of
 * every block read, both checksums and all of its structure are verified before it is used. */
#ifndef STAVE_STORAGE_TABLE_H
#define STAVE_STORAGE_TABLE_H

#include "base/buf.h"
#include "storage/cache.h"
#include "storage/file_header.h"
#include "storage/record.h"

#define TABLE_KEY_MAX   (RECORD_KEY_MAX + 64)
#define TABLE_CELL_MAX  (RECORD_VALUE_MAX + 64)
#define TABLE_BLOCK_MIN 256 /* block_size: plain bytes after which a data block is closed */
#define TABLE_BLOCK_MAX 65536

/* The first byte of a cell. On disk: never renumber. */
enum table_tag { TABLE_TOMBSTONE = 0, TABLE_DROP = 1, TABLE_PRESENT = 2, TABLE_TAGS = 3 };
/* How many keys a drop hides, for all that its writer knew: a varint behind the tag; 1 without. 0:
 * the cell is no drop. */
uint64_t table_hidden_by(slice cell);

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct table_options {
    uint32_t block_size; /* TABLE_BLOCK_MIN .. TABLE_BLOCK_MAX */
    unsigned bloom_bits; /* of the filter for each key: 0 (no filter) .. FILTER_BITS_MAX */
    bool lz4;
} table_options;

typedef struct table_summary {
    uint32_t length; /* of the file: goes to the manifest */
    uint32_t blocks, partitions;
    uint64_t entries, tombstones; /* the latter are among the former; so are drops */
    uint64_t hidden;              /* keys that its drops hide: table_hidden_by() of each */
    uint64_t plain_bytes;         /* of all keys and cells */
    buf first, last;              /* keys; empty if there are no entries. The caller's */
} table_summary;

typedef struct table_writer table_writer;

/* Creates the file (which must not exist). h: kind FILE_TABLE, store and number. */
status table_create(vfs *v, const char *path, const file_header *h, const table_options *o,
                    table_writer **out);
/* Keys ascend; both slices are copied. ST_LIMIT if the file would exceed 4 GiB. After a failure
 * only table_abandon. REQUIRES: cell.len > 0, cell.data[0] < TABLE_TAGS, lengths within the maxima.
 */
status table_add(table_writer *w, slice key, slice cell, uint64_t filter_hash);
/* Bytes of the file so far, to decide when to begin another: data not yet compressed counts in
 * full.
 */
uint64_t table_bytes(const table_writer *w);
/* Entries so far. */
uint64_t table_count(const table_writer *w);
/* Writes the rest, fsyncs and closes; the directory's fsync is the caller's. The writer is gone
 * afterwards, and *out is filled if it worked. A table may be empty. */
status table_finish(table_writer *w, table_summary *out);
/* Closes without finishing; the file is the caller's to unlink. Nothing happens for NULL. */
void table_abandon(table_writer *w);

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct table table;

typedef struct table_hit {
    bool found;
    bool filtered;       /* the filter said: not here */
    bool false_positive; /* the filter was asked, had nothing against it, and the key is not here */
    slice cell; /* valid until the next cache_put, _reserve or _trim and the next call for t */
} table_hit;

typedef struct table_stats { /* since table_open */
    uint64_t gets;           /* table_get calls */
    uint64_t filtered, false_positives;
    uint64_t blocks_read; /* from the file: data blocks and partitions, by iterators too */
    uint64_t bytes_read;
} table_stats;

/* Opens the file and reads what it holds in memory. ST_CORRUPT if it is not that table, whole as
 * far as was read, of that length (the manifest's). */
status table_open(vfs *v, const char *path, uint64_t store_id, uint32_t number, uint32_t length,
                  table **out);
/* REQUIRES: no iterators left. Nothing happens for NULL. */
void table_close(table *t);
/* Gives the file descriptor back; the next read opens the file by its path again. A table whose
 * file was unlinked must not be parked. */
void table_park(table *t);
bool table_parked(const table *t);
/* Where bytes of files come from for who can't wait for a disk. get: what it says of n bytes at a
 * table_pos, in *raw if they are here, until the next call of it. close: closes the file as soon as
 * no read of it is under way. worth: how many blocks are worth asking for when one has to be waited
 * for, even if nothing says that they will be wanted; may be NULL. */
typedef enum table_supply {
    TABLE_HERE,
    TABLE_NOT_NOW, /* they are on their way: the same call of a table finds them later */
    TABLE_READ,    /* read them yourself, and wait */
} table_supply;
typedef struct table_source table_source;
struct table_source {
    table_supply (*get)(table_source *s, vfs_file *file, log_pos pos, size_t n, slice *raw);
    /* last: for good. If the file was unlinked, that frees its room, which takes long. */
    void (*close)(table_source *s, vfs_file *file, bool last);
    size_t (*worth)(const table_source *s);
};
/* Tables of which no more than `limit` have their file open: of those that were read longest ago
 * some are parked. What they miss comes from the source, if there is one. The others' fields begin
 * as zeros. */
typedef struct table_shelf {
    unsigned limit, open;
    table *first, *last;
    table_source *source;
} table_shelf;
/* t, just opened, is one of them until it is closed; s outlives it. */
void table_shelve(table *t, table_shelf *s);

/* What a read answers, ST_BUSY, if the table's source has not now what it needs. Nothing has
 * changed then, and what could be named of what is missing was asked for. */
static inline bool table_not_now(status s) {
    return s.code == ST_BUSY;
}

/* The partition where the key would be, -1 if there is none, for table_get_at; what that will look
 * at first in the cache is on its way from now on. */
ptrdiff_t table_place(table *t, const cache *c, slice key, uint64_t filter_hash);
/* The second half of table_get. REQUIRES: part is what table_place said, not -1. */
status table_get_at(table *t, cache *c, size_t part, slice key, uint64_t filter_hash,
                    table_hit *out);
/* Looks a key up. c may be NULL (nothing is cached). */
status table_get(table *t, cache *c, slice key, uint64_t filter_hash, table_hit *out);

/* Asks the filter alone: false if the key is certainly not here. With a hash of 0, or without a
 * filter, only keys below the first are not. */
status table_may_hold(table *t, cache *c, slice key, uint64_t filter_hash, bool *may);

uint32_t table_number(const table *t);
/* What the writer counted, as it is in the file; without first and last. */
const table_summary *table_about(const table *t);
void table_stats_of(const table *t, table_stats *out);
/* Bytes of memory that the open table holds, its own buffers included. */
uint64_t table_ram(const table *t);

/* Partition i begins at file offset table_partition_at and holds keys >= table_partition_key, all
 * keys of former partitions being less than that. From memory. */
size_t table_partitions(const table *t);
/* Writes the key over *out. */
void table_partition_key(const table *t, size_t i, buf *out);
uint32_t table_partition_at(const table *t, size_t i);
/* About where in the file the key is or would be, 64 .. length: by partitions, from memory. */
uint32_t table_offset_of(const table *t, slice key);

/* Where the cache has a block. */
static inline log_pos table_pos(uint32_t number, uint32_t offset) {
    return log_pos_of(number, offset);
}

/* ---- iterators ------------------------------------------------------------------------------- */

/* An iterator stands on an entry, or nowhere (not valid): before the first seek, beyond either end,
 * and after an error (or "not now"), which table_iter_status keeps until the next seek. It has its
 * own copy of the block it stands in, so key and cell stay where they are until it moves. A table
 * may have many. */
typedef struct table_iter table_iter;

/* c: where blocks are looked for, may be NULL. fill: how many of the data blocks read after a seek
 * are put there; partitions always are. */
table_iter *table_iter_new(table *t, cache *c, unsigned fill);
/* For reading all of it in order: the file is read in pieces of about `ahead` bytes (256 KiB to a
 * few MiB), past any cache. For children. */
table_iter *table_iter_new_ahead(table *t, size_t ahead);
void table_iter_free(table_iter *i);
/* Bytes of the blocks that it has; 0 for NULL. */
size_t table_iter_memory(const table_iter *i);
/* Nothing outside of [from, to) will be wanted (empty: no such bound), so nothing is asked of the
 * table's source ahead of need that lies there. The slices live until others take their place. */
void table_iter_reach(table_iter *i, slice from, slice to);
/* Asks for what the iterator will want next if it goes on as far again as it has come: its owner
 * has to wait anyway. REQUIRES: valid. */
void table_iter_ask(table_iter *i, bool backward);

void table_iter_seek_first(table_iter *i);
void table_iter_seek_last(table_iter *i);
void table_iter_seek(table_iter *i, slice key);        /* to the first entry >= key */
void table_iter_seek_before(table_iter *i, slice key); /* to the last entry <= key */
/* REQUIRES: valid. */
void table_iter_next(table_iter *i);
void table_iter_prev(table_iter *i);
bool table_iter_valid(const table_iter *i);
slice table_iter_key(const table_iter *i);
slice table_iter_cell(const table_iter *i);
status table_iter_status(const table_iter *i);

#endif
