/* keys: what the engine's keys and cells look like, in memtables and in tables; the only place
 * where they are made and taken apart. README.md draws them.
 *
 *   be32 pdb | u8 kind | rest, in memcmp order:
 *     MAIN  be64 place | key             an entry
 *     VAL   be64 place | key             its value, if that is not in the entry
 *     SUB   be64 coll | u8 map | subkey  an element
 *     COLL  be64 coll                    how many elements each map has
 *     DUE   be64 time | be64 place | be16 rest of the hash: an entry expires then; no value
 *
 * place = token << 11 | the 11 bits of the key's hash behind those in the token: order by place is
 * token order. All of a database lies together, and all of a collection.
 *
 * A cell is u8 tag, then what the kind calls for. A drop's key is that of a SUB cut behind coll: it
 * stands before all elements of the collection and says that they are gone, here and in everything
 * older. Collections and databases have ids that are never used again, so nothing newer can be. */
#ifndef STAVE_ENGINE_LSM_KEYS_H
#define STAVE_ENGINE_LSM_KEYS_H

#include "base/buf.h"
#include "engine/model.h"

/* On disk: never renumber. */
enum lkey_kind { LKEY_MAIN = 1, LKEY_VAL = 2, LKEY_SUB = 3, LKEY_COLL = 4, LKEY_DUE = 5 };
/* On disk: never renumber. storage/table.h has the same. */
enum cell_tag { CELL_TOMBSTONE = 0, CELL_DROP = 1, CELL_PRESENT = 2 };
/* In memtables alone, never on disk: the key is present, and what it leads to is in its record in
 * the log, of which the cell has the size (logged.h). Readers are given the cell that it stands
 * for.
 */
#define CELL_LOGGED 3

#define LKEY_MAIN_HEAD 13u /* bytes before the user's key */
#define LKEY_SUB_HEAD  14u /* bytes before the subkey */
#define LKEY_DROP_LEN  13u /* pdb, kind, coll */
#define LKEY_DUE_LEN   23u
#define LSM_INLINE_MAX 128u /* values up to this are in the entry's own cell */

/* A user's key, hashed once a call. */
typedef struct lsm_hash {
    uint64_t place; /* token << 11 | 11 bits more */
    uint64_t full;  /* the whole hash */
} lsm_hash;

/* A key being looked for: bytes, and the hash under which filters know it (never 0; 0: none). */
typedef struct lkey {
    slice bytes;
    uint64_t filter;
    bool later; /* filter is to be made by lkey_filter, if a table is asked */
} lkey;

typedef struct lsm lsm;
lsm_hash lkey_hash(const lsm *e, slice key);
static inline uint64_t lkey_token(lsm_hash h) {
    return h.place >> 11;
}
/* What of the hash is in a DUE key beside the place. */
static inline uint16_t lkey_rest(lsm_hash h) {
    return h.full & 0x3fff;
}
/* Each writes over `out`; the lkey's bytes are a slice of it. */
lkey lkey_main(buf *out, uint32_t pdb, lsm_hash h, slice key);
lkey lkey_val(buf *out, uint32_t pdb, lsm_hash h, slice key);
lkey lkey_sub(buf *out, uint32_t pdb, uint64_t coll, unsigned map, slice subkey);
lkey lkey_coll(buf *out, uint32_t pdb, uint64_t coll);
lkey lkey_drop(buf *out, uint32_t pdb, uint64_t coll);
lkey lkey_due(buf *out, uint32_t pdb, int64_t when, lsm_hash h);
/* Where all keys of a kind (LKEY_DUE + 1: behind the last), or of a token, begin. */
slice lkey_kind_start(buf *out, uint32_t pdb, unsigned kind);
slice lkey_token_start(buf *out, uint32_t pdb, uint64_t token);
/* The filter hash of a key in a memtable or table, from its bytes alone: what the constructors
 * above give for it. 0 for DUE keys and drops, which are never looked for. */
uint64_t lkey_filter(const lsm *e, slice bytes);

/* Taken apart; slices lie in the bytes. False: not a key that this engine makes. */
typedef struct lkey_parts {
    uint32_t pdb;
    uint8_t kind, map;
    bool drop;
    uint64_t place; /* MAIN, VAL, DUE */
    uint64_t coll;  /* SUB, COLL */
    int64_t when;   /* DUE */
    uint16_t rest;  /* DUE: the last 14 bits of the hash */
    slice key;      /* user's key or subkey */
} lkey_parts;
bool lkey_parse(slice bytes, lkey_parts *out);

/* ---- cells -------------------------------------------------------------------------------------
 */

/* An entry's cell. */
typedef struct main_cell {
    uint8_t type, hint;
    uint32_t access;
    int64_t expire;
    uint64_t coll;
    bool apart;         /* the value is in a VAL */
    uint64_t value_len; /* of it, wherever it is */
    slice value;        /* unless apart */
} main_cell;
/* A MAIN cell has its access state in the three bytes from here. */
#define CELL_ACCESS 3
void cell_set_access(char *access_bytes, uint32_t access);
/* Does it say that the key is there? */
static inline bool cell_is_there(slice cell) {
    return cell.data[0] == CELL_PRESENT || cell.data[0] == CELL_LOGGED;
}
/* Each appends a cell, its tag included. */
void cell_put_tag(buf *out, enum cell_tag tag);
void cell_put_main(buf *out, const main_cell *c);
/* A drop, of a collection with so many elements. */
void cell_put_drop(buf *out, uint64_t elements);
void cell_put_val(buf *out, slice value);
void cell_put_sub(buf *out, int64_t expire, slice value);
void cell_put_counts(buf *out, const uint64_t counts[ENGINE_MAPS]);
void cell_put_logged(buf *out, uint32_t record_size);
/* False: malformed. cell begins with its tag, which is CELL_PRESENT. */
bool cell_get_main(slice cell, main_cell *out);
bool cell_get_val(slice cell, slice *value);
bool cell_get_sub(slice cell, int64_t *expire, slice *value);
bool cell_get_counts(slice cell, uint64_t counts[ENGINE_MAPS]);
uint32_t cell_get_logged(slice cell); /* REQUIRES: CELL_LOGGED */

#endif
