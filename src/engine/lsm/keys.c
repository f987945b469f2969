/* keys: making and taking apart keys and cells.
 *
 * What is made here is compared as bytes by everything else, so each kind's fixed part comes first
 * and big-endian, and what a user gave comes last, as it is. Taking apart checks all of it: tables
 * are checksummed, but what a bug or another version wrote must not be taken for something else.
 *
 * Filters know a key by 64 bits that come from its bytes alone, so that whoever writes a table
 * needs nothing but its keys. For entries they come from the place, which is a keyed hash already;
 * only an element's subkey has to be hashed again, which is left to who asks a table. */
#include "engine/lsm/keys.h"

#include "base/codec.h"
#include "base/log.h"
#include "engine/lsm/lsm_int.h"
#include "storage/record.h"

#define PLACE_HASH_BITS 11u /* of the hash, in a place behind its token */
#define REST_BITS       14u /* of the hash, behind those */
_Static_assert(TOKEN_BITS + PLACE_HASH_BITS == 64, "a place fills a word");
_Static_assert(TOKEN_HASH_BITS + PLACE_HASH_BITS + REST_BITS == 64, "place and rest are the hash");

enum main_flags { MAIN_EXPIRE = 1, MAIN_COLL = 2, MAIN_APART = 4, MAIN_FLAGS = 7 };
enum sub_flags { SUB_EXPIRE = 1 };

/* ---- keys --------------------------------------------------------------------------------------
 */

/* One SipHash; all that is needed of it. */
lsm_hash lkey_hash(const lsm *e, slice key) {
    uint64_t full = siphash13(e->hash, key.data, key.len);
    uint64_t slot = e->cluster ? e->slot_of(key) : 0;
    uint64_t bits = full >> REST_BITS; /* the token's and the place's */
    CHECK(slot < 1u << (TOKEN_BITS - TOKEN_HASH_BITS));
    return (lsm_hash){slot << (TOKEN_HASH_BITS + PLACE_HASH_BITS) | bits, full};
}

/* Spreads two words over one, which is not 0. Places are uniform already, ids are not. */
static uint64_t mix(uint64_t a, uint64_t b) {
    uint64_t x = a ^ b * 0x9e3779b97f4a7c15ULL;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
    x ^= x >> 32;
    return x ? x : 1;
}

/* pdb and kind, as a word. */
static inline uint64_t space_of(uint32_t pdb, unsigned kind) {
    return (uint64_t)pdb << 8 | kind;
}

/* Begins a key of `len` bytes, that the caller adds. */
static char *begin(buf *out, uint32_t pdb, unsigned kind, size_t len) {
    CHECK(kind >= LKEY_MAIN && kind <= LKEY_DUE);
    buf_clear(out);
    char *p = buf_reserve(out, len);
    uint32_t be = __builtin_bswap32(pdb);
    memcpy(p, &be, sizeof be);
    p[4] = (char)kind;
    out->len = len;
    return p + 5;
}

/* MAIN and VAL differ in their kind alone. */
static lkey placed(buf *out, uint32_t pdb, unsigned kind, lsm_hash h, slice key) {
    CHECK(key.len <= ENGINE_KEY_MAX);
    char *p = begin(out, pdb, kind, LKEY_MAIN_HEAD + key.len);
    p = put_be64(p, h.place);
    if (key.len) memcpy(p, key.data, key.len);
    return (lkey){buf_slice(out), mix(h.place, space_of(pdb, kind)), false};
}

/* An entry's. */
lkey lkey_main(buf *out, uint32_t pdb, lsm_hash h, slice key) {
    return placed(out, pdb, LKEY_MAIN, h, key);
}

/* Its value's. */
lkey lkey_val(buf *out, uint32_t pdb, lsm_hash h, slice key) {
    return placed(out, pdb, LKEY_VAL, h, key);
}

/* What filters know an element by. */
static uint64_t sub_filter(const lsm *e, uint32_t pdb, uint64_t coll, unsigned map, slice subkey) {
    uint64_t hash = siphash13(e->hash, subkey.data, subkey.len);
    return mix(hash ^ coll * 0xff51afd7ed558ccdULL, space_of(pdb, LKEY_SUB) << 8 | map);
}

/* An element's; or, with map ENGINE_MAPS, what no element of the collection reaches. */
lkey lkey_sub(buf *out, uint32_t pdb, uint64_t coll, unsigned map, slice subkey) {
    CHECK(coll > 0 && map <= ENGINE_MAPS && subkey.len <= ENGINE_SUBKEY_MAX);
    char *p = begin(out, pdb, LKEY_SUB, LKEY_SUB_HEAD + subkey.len);
    p = put_be64(p, coll);
    *p++ = (char)map;
    if (subkey.len) memcpy(p, subkey.data, subkey.len);
    return (lkey){buf_slice(out), 0, true};
}

/* A collection's counts. */
lkey lkey_coll(buf *out, uint32_t pdb, uint64_t coll) {
    CHECK(coll > 0);
    put_be64(begin(out, pdb, LKEY_COLL, LKEY_DROP_LEN), coll);
    return (lkey){buf_slice(out), mix(coll, space_of(pdb, LKEY_COLL)), false};
}

/* The word that all its elements are gone: their common prefix. */
lkey lkey_drop(buf *out, uint32_t pdb, uint64_t coll) {
    CHECK(coll > 0);
    put_be64(begin(out, pdb, LKEY_SUB, LKEY_DROP_LEN), coll);
    return (lkey){buf_slice(out), 0, false};
}

/* A pair of the index of expire times. */
lkey lkey_due(buf *out, uint32_t pdb, int64_t when, lsm_hash h) {
    CHECK(when > 0);
    char *p = put_be64(begin(out, pdb, LKEY_DUE, LKEY_DUE_LEN), (uint64_t)when);
    p = put_be64(p, h.place);
    uint16_t rest = lkey_rest(h);
    *p++ = (char)(rest >> 8);
    *p = (char)rest;
    return (lkey){buf_slice(out), 0, false};
}

/* For walks; also where those of the kind before end. */
slice lkey_kind_start(buf *out, uint32_t pdb, unsigned kind) {
    CHECK(kind >= LKEY_MAIN && kind <= LKEY_DUE + 1);
    begin(out, pdb, LKEY_MAIN, 5);
    out->data[4] = (char)kind;
    return buf_slice(out);
}

/* For scans, which begin at a token. */
slice lkey_token_start(buf *out, uint32_t pdb, uint64_t token) {
    CHECK(token < 1ULL << TOKEN_BITS);
    put_be64(begin(out, pdb, LKEY_MAIN, LKEY_MAIN_HEAD), token << PLACE_HASH_BITS);
    return buf_slice(out);
}

/* The part of a key behind pdb and kind. */
static bool parse_rest(slice b, lkey_parts *out) {
    if (b.len < 8) return false;
    uint64_t word = load_be64(b.data);
    slice rest = slice_skip(b, 8);
    switch (out->kind) {
    case LKEY_MAIN:
    case LKEY_VAL:
        out->place = word;
        out->key = rest;
        return rest.len <= ENGINE_KEY_MAX;
    case LKEY_SUB:
        out->coll = word;
        out->drop = rest.len == 0;
        if (out->drop) return word > 0;
        out->map = (uint8_t)rest.data[0];
        out->key = slice_skip(rest, 1);
        return word > 0 && out->map < ENGINE_MAPS && out->key.len <= ENGINE_SUBKEY_MAX;
    case LKEY_COLL: out->coll = word; return word > 0 && rest.len == 0;
    case LKEY_DUE:
        if (rest.len != 10 || word == 0 || word > INT64_MAX) return false;
        out->when = (int64_t)word;
        out->place = load_be64(rest.data);
        out->rest = (uint16_t)((unsigned char)rest.data[8] << 8 | (unsigned char)rest.data[9]);
        return out->rest < 1u << REST_BITS;
    default: return false;
    }
}

/* All fields that the kind has are set, all others are 0. */
bool lkey_parse(slice bytes, lkey_parts *out) {
    *out = (lkey_parts){0};
    if (bytes.len < 5) return false;
    uint32_t be;
    memcpy(&be, bytes.data, sizeof be);
    out->pdb = __builtin_bswap32(be);
    out->kind = (uint8_t)bytes.data[4];
    return parse_rest(slice_skip(bytes, 5), out);
}

/* As the constructors have it: a test compares them. */
uint64_t lkey_filter(const lsm *e, slice bytes) {
    lkey_parts k;
    bool fine = lkey_parse(bytes, &k);
    CHECK(fine);
    switch (k.kind) {
    case LKEY_MAIN:
    case LKEY_VAL: return mix(k.place, space_of(k.pdb, k.kind));
    case LKEY_SUB: return k.drop ? 0 : sub_filter(e, k.pdb, k.coll, k.map, k.key);
    case LKEY_COLL: return mix(k.coll, space_of(k.pdb, k.kind));
    default: return 0;
    }
}

/* ---- cells -------------------------------------------------------------------------------------
 */

/* The one byte that says what a key without contents is. */
void cell_put_tag(buf *out, enum cell_tag tag) {
    CHECK(tag == CELL_TOMBSTONE || tag == CELL_DROP || tag == CELL_PRESENT);
    buf_append_char(out, (char)tag);
}

/* storage/table.h reads the number. */
void cell_put_drop(buf *out, uint64_t elements) {
    char n[VARINT_MAX];
    cell_put_tag(out, CELL_DROP);
    buf_append(out, n, (size_t)(put_varint(n, elements) - n));
}

/* At CELL_ACCESS, wherever the cell is, are the three bytes of access state. */
void cell_put_main(buf *out, const main_cell *c) {
    CHECK(c->type < ENGINE_TYPES && c->hint < 16 && c->expire >= 0);
    CHECK(c->value_len <= ENGINE_VALUE_MAX && (c->apart || c->value.len == c->value_len));
    CHECK(c->access < 1u << 24);
    char *start = buf_reserve(out, 6 + 8 + 2 * VARINT_MAX + c->value.len), *p = start;
    *p++ = CELL_PRESENT;
    *p++ = (char)(c->type | c->hint << 4);
    *p++ = (char)((c->expire ? MAIN_EXPIRE : 0) | (c->coll ? MAIN_COLL : 0) |
                  (c->apart ? MAIN_APART : 0));
    *p++ = (char)c->access;
    *p++ = (char)(c->access >> 8);
    *p++ = (char)(c->access >> 16);
    if (c->expire) p = put_u64(p, (uint64_t)c->expire);
    if (c->coll) p = put_varint(p, c->coll);
    if (c->apart) {
        p = put_varint(p, c->value_len);
    } else if (c->value.len) {
        memcpy(p, c->value.data, c->value.len);
        p += c->value.len;
    }
    out->len += (size_t)(p - start);
}

/* The entry that it tells of, all of it checked. */
bool cell_get_main(slice cell, main_cell *out) {
    *out = (main_cell){0};
    if (cell.len < 6 || cell.data[0] != CELL_PRESENT) return false;
    const unsigned char *p = (const unsigned char *)cell.data;
    unsigned flags = p[2];
    out->type = p[1] & 15;
    out->hint = p[1] >> 4;
    out->access = p[3] | (uint32_t)p[4] << 8 | (uint32_t)p[5] << 16;
    out->apart = (flags & MAIN_APART) != 0;
    if (flags & ~(unsigned)MAIN_FLAGS) return false;
    slice rest = slice_skip(cell, 6);
    if (flags & MAIN_EXPIRE) {
        uint64_t when;
        if (!get_u64(&rest, &when) || when == 0 || when > INT64_MAX) return false;
        out->expire = (int64_t)when;
    }
    if ((flags & MAIN_COLL) && (!get_varint(&rest, &out->coll) || out->coll == 0)) return false;
    if (out->apart)
        return get_varint(&rest, &out->value_len) && rest.len == 0 &&
               out->value_len <= ENGINE_VALUE_MAX;
    out->value = rest;
    out->value_len = rest.len;
    return rest.len <= ENGINE_VALUE_MAX;
}

/* Overwrites three bytes of a cell that is a MAIN's. */
void cell_set_access(char *access_bytes, uint32_t access) {
    CHECK(access < 1u << 24);
    access_bytes[0] = (char)access;
    access_bytes[1] = (char)(access >> 8);
    access_bytes[2] = (char)(access >> 16);
}

/* Nothing but the bytes. */
void cell_put_val(buf *out, slice value) {
    CHECK(value.len <= ENGINE_VALUE_MAX);
    buf_append_char(out, CELL_PRESENT);
    buf_append_slice(out, value);
}

/* A slice of the cell. */
bool cell_get_val(slice cell, slice *value) {
    if (cell.len < 1 || cell.data[0] != CELL_PRESENT) return false;
    *value = slice_skip(cell, 1);
    return value->len <= ENGINE_VALUE_MAX;
}

/* An element: when it expires, if ever, and its value. */
void cell_put_sub(buf *out, int64_t expire, slice value) {
    CHECK(expire >= 0 && value.len <= ENGINE_VALUE_MAX);
    char *p = buf_reserve(out, 10 + value.len);
    *p++ = CELL_PRESENT;
    *p++ = expire ? SUB_EXPIRE : 0;
    if (expire) p = put_u64(p, (uint64_t)expire);
    if (value.len) memcpy(p, value.data, value.len);
    out->len += (expire ? 10 : 2) + value.len;
}

/* The value is a slice of the cell. */
bool cell_get_sub(slice cell, int64_t *expire, slice *value) {
    *expire = 0;
    if (cell.len < 2 || cell.data[0] != CELL_PRESENT) return false;
    unsigned flags = (unsigned char)cell.data[1];
    *value = slice_skip(cell, 2);
    if (flags & ~(unsigned)SUB_EXPIRE) return false;
    if (flags & SUB_EXPIRE) {
        uint64_t when;
        if (!get_u64(value, &when) || when == 0 || when > INT64_MAX) return false;
        *expire = (int64_t)when;
    }
    return value->len <= ENGINE_VALUE_MAX;
}

/* All of them, as most collections have one or two maps and zeros take a byte. */
void cell_put_counts(buf *out, const uint64_t counts[ENGINE_MAPS]) {
    char *start = buf_reserve(out, 1 + ENGINE_MAPS * VARINT_MAX), *p = start;
    CHECK(counts);
    *p++ = CELL_PRESENT;
    for (int i = 0; i < ENGINE_MAPS; i++)
        p = put_varint(p, counts[i]);
    out->len += (size_t)(p - start);
}

/* Exactly as many as there are maps. */
bool cell_get_counts(slice cell, uint64_t counts[ENGINE_MAPS]) {
    if (cell.len < 1 || cell.data[0] != CELL_PRESENT) return false;
    slice rest = slice_skip(cell, 1);
    for (int i = 0; i < ENGINE_MAPS; i++)
        if (!get_varint(&rest, &counts[i])) return false;
    return rest.len == 0;
}

/* No more than where the record begins: it ends at the pair's position. */
void cell_put_logged(buf *out, uint32_t record_size) {
    char bytes[5] = {CELL_LOGGED};
    CHECK(record_size >= RECORD_HEADER);
    put_u32(bytes + 1, record_size);
    buf_append(out, bytes, sizeof bytes);
}

/* Memory of this process: it is as it was made. */
uint32_t cell_get_logged(slice cell) {
    CHECK(cell.len == 5 && cell.data[0] == CELL_LOGGED);
    return load_u32(cell.data + 1);
}
