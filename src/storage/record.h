/* record: the one format of the log: Bitcask segments and the LSM's write-ahead log.
 *
 *   0  u32  hcrc   CRC32C of header bytes 4 .. header length, seeded with where the record lies
 *   4  u32  bcrc   CRC32C of the body
 *   8  u32  blen   bytes of the body
 *  12  u8   kind   record_kind
 *  13  u8   flags  record_flags
 *  14  u8   type   type number (low 4 bits) and hint (high 4 bits) of an entry; else 0
 *  15  u8   zero
 *  16  u64  mark   only with RECORD_MARK: all of the log before this position was durable
 *      28 bytes    only with RECORD_ORIGIN: replication id (20) and offset (u64)
 *  then the body, whose fields depend on kind: see record_body in this header.
 *
 * The seed of hcrc is made of the store id, the file's number and the record's offset, so that
 * neither a flipped length nor an image of a record inside a client's value passes for a record. A
 * header of zeros is never valid. */
#ifndef STAVE_STORAGE_RECORD_H
#define STAVE_STORAGE_RECORD_H

#include "base/buf.h"
#include "base/status.h"

#define RECORD_HEADER     16
#define RECORD_HEADER_MAX (RECORD_HEADER + 8 + 28)
/* The largest body: a key, a value and their few numbers (ENGINE_KEY_MAX + ENGINE_VALUE_MAX + 64).
 */
#define RECORD_BODY_MAX ((2u << 20) + 64)

/* On disk: never renumber. */
enum record_kind {
    RECORD_PUT = 1,      /* pdb, key, [expire], [coll], value */
    RECORD_DEL = 2,      /* pdb, key */
    RECORD_MAP_PUT = 3,  /* pdb, coll, map, subkey, [expire], value */
    RECORD_MAP_DEL = 4,  /* pdb, coll, map, subkey */
    RECORD_DROP = 5,     /* pdb, coll */
    RECORD_FLUSH = 6,    /* n x (logical db, new pdb): the old pdbs are dead */
    RECORD_SWAP = 7,     /* logical db, pdb, logical db, pdb: as they are after the swap */
    RECORD_IDLE = 8,     /* nothing; carries a mark */
    RECORD_MANIFEST = 9, /* an edit, in a manifest */
    RECORD_HINT = 10,    /* an entry of a hint file */
};
/* On disk: never renumber. */
enum record_flags {
    RECORD_CONTINUES = 1 << 0, /* more records of this batch follow */
    RECORD_MARK = 1 << 1,
    RECORD_ORIGIN = 1 << 2,
    RECORD_LZ4 = 1 << 3,    /* the value is LZ4, preceded by a varint of its plain length */
    RECORD_EXPIRE = 1 << 4, /* the body has an expire time */
    RECORD_COLL = 1 << 5,   /* the entry owns a collection */
    RECORD_NEW = 1 << 6,    /* the key or subkey did not exist before (neither set: it did not for a
                               delete, which is then a plain hiding record) */
    RECORD_HIDES = 1 << 7,  /* an older record of this key may lie in an older file */
};

typedef struct record_place {
    uint64_t store_id;
    uint32_t file;
    uint32_t offset;
} record_place;

/* A record taken apart; slices lie in the bytes it was read from. */
typedef struct record {
    uint8_t kind, flags, type;
    uint32_t pdb;
    uint64_t coll;
    uint8_t map;
    slice key;          /* or subkey */
    int64_t expire;     /* 0: none */
    slice value;        /* as stored: with RECORD_LZ4, compressed, without the varint */
    uint64_t plain_len; /* of the value once decompressed; value.len without LZ4 */
    uint64_t mark;
    slice origin;  /* 28 bytes or empty */
    slice body;    /* all of it: kinds of one's own (FLUSH, SWAP, MANIFEST, HINT) read it */
    uint32_t size; /* header and body */
} record;

typedef enum record_result {
    RECORD_OK,
    RECORD_SHORT,    /* the bytes end before the record does */
    RECORD_ZERO,     /* a header of zeros: never written */
    RECORD_BAD_HEAD, /* hcrc, or a length or kind that can't be */
    RECORD_BAD_BODY, /* the header is whole, the body is not */
} record_result;

/* Appends a record with zeroed CRCs, to be finished by record_seal once its flags and place are
 * known. Returns its size. value may be in pieces: its bytes are appended by the caller afterwards
 * if `value.data` is NULL (only value.len is used). REQUIRES: lengths within the maxima. */
uint32_t record_append(buf *out, const record *r);
/* Bytes that record_append will take. */
uint32_t record_size(const record *r);
/* Sets `flags` and computes both CRCs of the record of `size` bytes at p. */
void record_seal(char *p, uint32_t size, uint8_t flags, record_place at);

/* Reads the record at p[0 .. n). Checks both CRCs, every length, and that the body has exactly its
 * fields. On RECORD_BAD_BODY, out->size is right. */
record_result record_read(const char *p, size_t n, record_place at, record *out);
/* The header alone, of which 16 to RECORD_HEADER_MAX bytes are at p: kind, flags, mark, size. */
record_result record_read_head(const char *p, size_t n, record_place at, record *out);

const char *record_kind_name(unsigned kind);

#endif
