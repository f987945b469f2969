/* record: the one format of everything that Stave writes: Bitcask segments, the LSM's write-ahead
 * log, manifests and hint files are a file header (storage/file_header.h) and then records.
 *
 *   0  u32  hcrc   CRC32C of header bytes 4 .. header length, seeded with where the record lies
 *   4  u32  bcrc   CRC32C of the body
 *   8  u32  blen   bytes of the body
 *  12  u8   kind   record_kind
 *  13  u8   type   type number (low 4 bits) and hint (high 4 bits) of an entry; else 0, or for a
 *                  RECORD_HINT or RECORD_BLOCK which block of its file it is
 *  14  u16  flags  record_flags
 *  16  u64  mark   only with RECORD_MARK: all of the log before this position was durable
 *      28 bytes    only with RECORD_ORIGIN: replication id (20) and offset (u64)
 *  then the body, whose fields depend on kind; "varint" is base/codec's:
 *
 *   PUT       varint pdb, varint key length, key, [i64 expire], [varint coll], value
 *   DEL       varint pdb, varint key length, key
 *   MAP_PUT   varint pdb, varint coll, u8 map, varint subkey length, subkey, [i64 expire], value
 *   MAP_DEL   varint pdb, varint coll, u8 map, varint subkey length, subkey
 *   DROP      varint pdb, varint coll
 *   FLUSH     varint n, n x (varint logical db, varint new pdb), n > 0
 *   SWAP      the same with n = 2
 *   IDLE      nothing
 *   BEGIN     u64 position at which the log's previous file ended (0: there was none)
 *   MANIFEST  edits (storage/manifest_state.h);  HINT  a block (storage/hint.h)
 *   BLOCK     a block of a table (storage/table_format.h), which sees to its LZ4 by itself
 *
 * [expire] is there with RECORD_EXPIRE, [coll] with RECORD_COLL. The value takes what is left of
 * the body; with RECORD_LZ4 it is a varint of its plain length and the compressed bytes.
 *
 * The seed of hcrc is made of the store id, the file's number and the record's offset, so that
 * neither a flipped length nor an image of a record inside a client's value passes for a record. A
 * header of zeros is never valid. */
#ifndef STAVE_STORAGE_RECORD_H
#define STAVE_STORAGE_RECORD_H

#include "base/buf.h"
#include "base/status.h"

/* A place in the log: file number << 32 | offset. Later is greater. */
typedef uint64_t log_pos;

#define RECORD_HEADER     16
#define RECORD_ORIGIN_LEN 28
#define RECORD_HEADER_MAX (RECORD_HEADER + 8 + RECORD_ORIGIN_LEN)
#define RECORD_KEY_MAX    (1u << 20)
#define RECORD_VALUE_MAX  (1u << 20)
#define RECORD_MAP_MAX    8     /* map numbers are below */
#define RECORD_DBS_MAX    65536 /* pairs in a FLUSH */
#define RECORD_PDB_SYSTEM 0u    /* the system's database: in no mapping, never dead */
/* The largest body: a key, a value and their few numbers, or those of a table's block. */
#define RECORD_BODY_MAX (RECORD_KEY_MAX + RECORD_VALUE_MAX + 256)
#define RECORD_MAX      (RECORD_HEADER_MAX + RECORD_BODY_MAX)
/* What a record takes beyond its key and value, at most. */
#define RECORD_OVERHEAD_MAX (RECORD_HEADER_MAX + 64)

/* On disk: never renumber. */
enum record_kind {
    RECORD_PUT = 1,
    RECORD_DEL = 2,
    RECORD_MAP_PUT = 3,
    RECORD_MAP_DEL = 4,
    RECORD_DROP = 5,
    RECORD_FLUSH = 6, /* these logical dbs are now those new pdbs; the old pdbs are dead */
    RECORD_SWAP = 7,  /* two logical dbs and their pdbs, as they are after the swap */
    RECORD_IDLE = 8,  /* nothing: carries a mark or an origin */
    RECORD_MANIFEST = 9,
    RECORD_HINT = 10,
    RECORD_BEGIN = 11, /* first in each file of a log, so that a file torn at its end is told from
                          one that was left there */
    RECORD_BLOCK = 12,
    RECORD_KINDS = 13,
};
/* On disk: never renumber. The low byte describes the entry and goes to hint files too, the high
 * byte frames the record. */
enum record_flags {
    RECORD_LZ4 = 1 << 0,
    RECORD_EXPIRE = 1 << 1,
    RECORD_COLL = 1 << 2,  /* the entry owns a collection */
    RECORD_NEW = 1 << 3,   /* the key or subkey did not exist before (with a delete: likewise) */
    RECORD_HIDES = 1 << 4, /* an older record of this key may lie in an older file */

    RECORD_HAD_EXPIRE = 1 << 5, /* what it replaces had an expire time (the LSM's logs) */
    RECORD_HAD_APART = 1 << 6,  /* and its value apart from the entry (likewise) */
    RECORD_CONTINUES = 1 << 8,  /* more records of this batch follow */
    RECORD_MARK = 1 << 9,
    RECORD_ORIGIN = 1 << 10,

    RECORD_ENTRY_FLAGS = 0x007f,
    RECORD_FRAME_FLAGS = 0x0700,
};

typedef struct record_place {
    uint64_t store_id;
    uint32_t file;
    uint32_t offset;
} record_place;

/* A record taken apart, or to be written; slices lie in the bytes it was read from. Writing uses
 * what its kind and flags call for; `size` is set by both. */
typedef struct record {
    uint8_t kind, type;
    uint16_t flags;
    uint32_t pdb;
    uint32_t size; /* header and body */
    uint64_t coll;
    uint8_t map;
    slice key;          /* or subkey */
    int64_t expire;     /* 0: none */
    slice value;        /* as stored: with RECORD_LZ4, compressed, without the varint */
    uint64_t plain_len; /* of the value once decompressed; value.len without LZ4 */
    log_pos mark;
    slice origin; /* RECORD_ORIGIN_LEN bytes or empty */
    slice body;   /* all of it. To be written: of FLUSH, SWAP, MANIFEST, HINT and BLOCK */
    log_pos prev; /* BEGIN */
} record;

typedef enum record_result {
    RECORD_OK,
    RECORD_SHORT,    /* the bytes end before the record does */
    RECORD_ZERO,     /* a header of zeros: never written */
    RECORD_BAD_HEAD, /* hcrc, or a length, kind or flag that can't be */
    RECORD_BAD_BODY, /* the header is whole, the body is not */
} record_result;

static inline log_pos log_pos_of(uint32_t file, uint32_t offset) {
    return (log_pos)file << 32 | offset;
}
static inline uint32_t log_pos_file(log_pos p) {
    return (uint32_t)(p >> 32);
}
static inline uint32_t log_pos_offset(log_pos p) {
    return (uint32_t)p;
}

/* Bytes that the record will take. */
uint32_t record_size(const record *r);
/* Writes the record at p, which has room for it (RECORD_OVERHEAD_MAX + key + value, or the body,
 * always suffice), with CRCs of zero, to be finished by record_seal once its place and its
 * CONTINUES are known. Sets r->size and returns it. If value.data is NULL and value.len is not 0,
 * the value's bytes, the record's last, are left for the caller to fill. REQUIRES: lengths within
 * the maxima. */
uint32_t record_encode(char *p, record *r);
/* The same at the end of a buffer; the value must be there. */
uint32_t record_append(buf *out, record *r);
/* Size of an encoded record, from its own bytes. */
uint32_t record_encoded_size(const char *p);
/* Sets or clears RECORD_CONTINUES and computes both CRCs of the record of `size` bytes at p. */
void record_seal(char *p, uint32_t size, bool continues, record_place at);

/* Reads the record at p[0 .. n). Checks both CRCs, every length, and that the body has exactly its
 * fields. On RECORD_BAD_BODY, and on RECORD_SHORT if the header was whole, out->size is right; else
 * it is 0. */
record_result record_read(const char *p, size_t n, record_place at, record *out);
/* The header alone, of which 16 to RECORD_HEADER_MAX bytes are at p: kind, type, flags, mark,
 * origin, size. */
record_result record_read_head(const char *p, size_t n, record_place at, record *out);
/* Looks at every byte of p[from .. starts) for a place where a header begins that record_read_head
 * finds whole, of a record that may go on up to p[n) or beyond. Returns its index, with *out as
 * record_read_head sets it, or `starts` if there is none. `base` is the place of p[0]. */
size_t record_find(const char *p, size_t from, size_t starts, size_t n, record_place base,
                   record *out);
/* Like record_read without the CRCs: for bytes that never left memory (the log's tail) or whose
 * CRCs were just checked. */
record_result record_parse(const char *p, size_t n, record *out);

/* True if `body` is what a FLUSH or SWAP (kind) must have; record_read has seen to that. */
bool record_pairs_valid(unsigned kind, slice body);
/* The pairs of such a body: rest = record_pairs(body), then record_next_pair until false. */
slice record_pairs(slice body);
bool record_next_pair(slice *rest, uint32_t *db, uint32_t *pdb);
/* Appends the body of a FLUSH or SWAP. */
void record_put_pairs(buf *out, size_t n, const uint32_t *dbs, const uint32_t *pdbs);

const char *record_kind_name(unsigned kind);
const char *record_result_text(record_result r);

#endif
