/* hint: what a start needs to know of a sealed segment, without its values.
 *
 * A hint file is a file header (kind FILE_HINT, the segment's number) and RECORD_HINT records, each
 * a *block* whose record type says what it holds, in this order:
 *
 *   HINT_ORDER   FLUSH and SWAP records, in log order
 *   HINT_MAIN    for each main key that the segment mentions, its last record there: a PUT, or a
 *                DEL that hides; sorted by (pdb, token, key); one pdb a block
 *   HINT_MAP     the same for collections: DROP, MAP_PUT and MAP_DEL, sorted by (pdb, collection,
 *                DROP first, map, subkey); one pdb a block
 *   HINT_KEYS    a filter over all main keys above, cut into pieces
 *   HINT_ELEMS   a filter over all collection elements, and collection ids, above, likewise
 *   HINT_FOOTER  counts, the segment's length, where the filters lie; always the last
 *
 * src/storage/README.md draws the blocks. A hint is only ever a shortcut: one that is missing,
 * damaged, or not of this very segment is ignored, and the segment is read instead. */
#ifndef STAVE_STORAGE_HINT_H
#define STAVE_STORAGE_HINT_H

#include "base/hash.h"
#include "storage/filter.h"
#include "storage/outfile.h"

/* On disk: never renumber. */
enum hint_block {
    HINT_ORDER = 1,
    HINT_MAIN = 2,
    HINT_MAP = 3,
    HINT_KEYS = 4,
    HINT_ELEMS = 5,
    HINT_FOOTER = 6,
};

/* The high bit of an entry's flags byte: the value is in the hint. */
#define HINT_INLINE     0x80
#define HINT_BLOCK      (64u << 10) /* a block is closed when it is that large */
#define HINT_INLINE_MAX (64u << 10) /* larger values do not come inline */

typedef struct hint_entry {
    uint8_t kind;  /* record_kind */
    uint8_t flags; /* RECORD_ENTRY_FLAGS of the record, and HINT_INLINE */
    uint8_t type;  /* as in the record */
    uint8_t map;
    uint32_t pdb;
    uint32_t offset, size; /* of the record in the segment */
    uint64_t token;        /* PUT, DEL */
    uint64_t coll;         /* the collection owned (PUT with RECORD_COLL), or belonged to */
    int64_t expire;
    slice key;   /* or subkey */
    slice value; /* with HINT_INLINE: as the record stores it */
    slice body;  /* FLUSH, SWAP: the record's body (record_pairs reads it) */
} hint_entry;

/* What the segment holds, as its writer counted; the engine's, kept and given back as it is. */
typedef struct hint_info {
    uint32_t segment;        /* number */
    uint32_t segment_length; /* as sealed */
    uint64_t records;        /* records in the segment */
    uint64_t entries[16];    /* by record_kind: entries in this hint; counted by the writer */
    uint64_t user[4];        /* free for the engine */
} hint_info;

/* Hashes under which the filters hold keys. */
uint64_t hint_hash_main(uint32_t pdb, uint64_t token);
uint64_t hint_hash_coll(uint64_t coll);
uint64_t hint_hash_elem(hash_key key, uint64_t coll, unsigned map, slice subkey);

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct hint_writer hint_writer;
/* Creates the file, replacing one that is there. info: segment, segment_length, records, user. */
status hint_create(vfs *v, const char *path, uint64_t store_id, hash_key key, const hint_info *info,
                   hint_writer **out);
/* In the order above (checked). */
status hint_add(hint_writer *w, const hint_entry *e);
/* Filters and footer, fsync, close; frees w whether it worked or not. */
status hint_finish(hint_writer *w, uint64_t *bytes);
void hint_abandon(hint_writer *w);

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct hint_reader hint_reader;
/* Checks the whole file first: the header, the CRC of every block, the footer. ST_NOT_FOUND: there
 * is none; ST_CORRUPT: damaged, or of another segment or length; ST_INVALID: a newer format. None
 * of them is an error to the store. `segment_length` is what the manifest says; 0: any will do, for
 * tools. */
status hint_open(vfs *v, const char *path, uint64_t store_id, uint32_t segment,
                 uint32_t segment_length, hint_reader **out);
const hint_info *hint_about(const hint_reader *r);
/* Bytes of the file, and how far the entries given have come in it; for progress. */
uint32_t hint_size(const hint_reader *r);
uint32_t hint_offset(const hint_reader *r);
/* The next entry, in file order; slices live until the next call. *got false: the end. */
status hint_next(hint_reader *r, hint_entry *out, bool *got);
/* The kind of the block that the next entry is in, as the file says it; 0 at the end. */
unsigned hint_block_next(const hint_reader *r);
/* hint_next goes on behind the main entries. */
void hint_skip_main(hint_reader *r);
/* Appends the bits of both filters (for filter_may_hold); at any time. */
status hint_filters(hint_reader *r, buf *keys, buf *elems);
/* Both filters and info, checked, without reading the entries. */
status hint_read_filters(vfs *v, const char *path, uint64_t store_id, uint32_t segment,
                         uint32_t segment_length, hint_info *info, buf *keys, buf *elems);
/* REQUIRES: no cursor is used any more. */
void hint_close(hint_reader *r);

/* ---- reading main entries from anywhere -----------------------------------------------------
 */

/* Where a block of entries lies, in file order. */
typedef struct hint_piece {
    uint32_t offset, size; /* of its record */
    uint8_t block;         /* HINT_ORDER .. HINT_MAP */
    uint32_t pdb;          /* HINT_MAIN; these do not go back, by (pdb, token) */
    uint64_t token;        /* HINT_MAIN: of its first entry */
} hint_piece;
const hint_piece *hint_pieces(const hint_reader *r, uint32_t *n);

/* A way through some blocks of an open hint. Any number of threads may read one hint at once, each
 * by a cursor of its own; zeros are one that was never used. */
typedef struct hint_cursor {
    const hint_reader *r;
    uint32_t next, end; /* the pieces still to be read */
    /* the block being read */
    uint8_t block;
    uint32_t left; /* entries */
    uint32_t pdb;
    slice rest;
    uint64_t delta_from;
    buf bytes;
} hint_cursor;
/* To the main entries of a pdb with tokens in [from, to); the first ones and the last that it
 * gives may lie outside, as it begins and ends with whole blocks. */
void hint_cursor_seek(hint_cursor *c, const hint_reader *r, uint32_t pdb, uint64_t from,
                      uint64_t to);
/* As hint_next. */
status hint_cursor_next(hint_cursor *c, hint_entry *out, bool *got);
void hint_cursor_free(hint_cursor *c);

#endif
