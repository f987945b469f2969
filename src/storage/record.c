/* record: encoding, sealing and reading of the one record format (record.h draws it).
 *
 * Writing is in two steps, because a record's place and whether its batch goes on are known only
 * when the batch commits: record_encode lays the bytes down, record_seal goes over them once for
 * the CRCs. Reading distrusts everything: lengths are compared with the bytes that are there and
 * with the stated maxima before they are used, the header's CRC is checked before the body's length
 * is believed, and a body must have exactly its fields, with nothing left over.
 *
 * Why the header has a checksum of its own: a body's length is needed before the body can be
 * checked, and a wrong length would send a scan to a wrong place. Why the place is part of it: a
 * client may store the bytes of a record as a value, and a file may be copied over another one;
 * both are records nowhere but where they were written. Why the two are separate: a record whose
 * header is whole and whose body is not has a size, so a tool can go on right behind it, and its
 * mark proves what it says. */
#include "storage/record.h"

#include "base/codec.h"
#include "base/hash.h"
#include "base/log.h"

enum { AT_HCRC = 0, AT_BCRC = 4, AT_BLEN = 8, AT_KIND = 12, AT_TYPE = 13, AT_FLAGS = 14 };

#define KEYED_FLAGS (RECORD_NEW | RECORD_HIDES | RECORD_HAD_EXPIRE)
#define VALUE_FLAGS (KEYED_FLAGS | RECORD_LZ4 | RECORD_EXPIRE)

/* Which entry flags a record of each kind may have. */
static const uint16_t entry_flags[RECORD_KINDS] = {
    [RECORD_PUT] = VALUE_FLAGS | RECORD_COLL | RECORD_HAD_APART,
    [RECORD_DEL] = KEYED_FLAGS | RECORD_HAD_APART,
    [RECORD_MAP_PUT] = VALUE_FLAGS,
    [RECORD_MAP_DEL] = KEYED_FLAGS,
    [RECORD_BLOCK] = RECORD_LZ4,
};

static const char *const kind_names[RECORD_KINDS] = {
    [RECORD_PUT] = "PUT",           [RECORD_DEL] = "DEL",   [RECORD_MAP_PUT] = "MAP_PUT",
    [RECORD_MAP_DEL] = "MAP_DEL",   [RECORD_DROP] = "DROP", [RECORD_FLUSH] = "FLUSH",
    [RECORD_SWAP] = "SWAP",         [RECORD_IDLE] = "IDLE", [RECORD_BEGIN] = "BEGIN",
    [RECORD_MANIFEST] = "MANIFEST", [RECORD_HINT] = "HINT", [RECORD_BLOCK] = "BLOCK",
};

/* Kinds begin at 1, so that zeros are no record. */
static inline bool known_kind(unsigned kind) {
    return kind > 0 && kind < RECORD_KINDS;
}

/* Records of an element of a collection. */
static inline bool has_map(unsigned kind) {
    return kind == RECORD_MAP_PUT || kind == RECORD_MAP_DEL;
}

/* Records that name a key or subkey. */
static inline bool has_key(unsigned kind) {
    return kind == RECORD_PUT || kind == RECORD_DEL || has_map(kind);
}

/* Records whose body ends with a value. */
static inline bool has_value(unsigned kind) {
    return kind == RECORD_PUT || kind == RECORD_MAP_PUT;
}

/* Header bytes that the flags ask for. */
static inline uint32_t header_size(unsigned flags) {
    return RECORD_HEADER + (flags & RECORD_MARK ? 8 : 0) +
           (flags & RECORD_ORIGIN ? RECORD_ORIGIN_LEN : 0);
}

/* One byte is by far the commonest varint. */
static inline char *varint(char *p, uint64_t v) {
    if (__builtin_expect(v < 0x80, 1)) {
        *p = (char)v;
        return p + 1;
    }
    return put_varint(p, v);
}

/* The CRC that a header's own is continued from. Within a file it differs for every offset. */
static uint32_t place_seed(record_place at) {
    char p[16];
    put_u32(put_u32(put_u64(p, at.store_id), at.file), at.offset);
    return crc32c(0, p, sizeof p);
}

/* From behind hcrc to the header's end. */
static uint32_t header_crc(const char *p, uint32_t header, record_place at) {
    CHECK(header >= RECORD_HEADER && header <= RECORD_HEADER_MAX);
    return crc32c(place_seed(at), p + AT_BCRC, header - AT_BCRC);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* What the writer must have made sure of; a record that breaks it could not be read back. */
static void check_record(const record *r) {
    CHECK(known_kind(r->kind));
    CHECK((r->flags & ~(RECORD_FRAME_FLAGS | entry_flags[r->kind])) == 0);
    CHECK(r->key.len <= RECORD_KEY_MAX && r->value.len <= RECORD_VALUE_MAX);
    CHECK(!(r->flags & RECORD_EXPIRE) || r->expire > 0);
    CHECK(!(r->flags & RECORD_COLL) || r->coll > 0);
    CHECK(!(r->flags & RECORD_ORIGIN) || r->origin.len == RECORD_ORIGIN_LEN);
    CHECK(!(r->flags & RECORD_LZ4) || r->kind == RECORD_BLOCK ||
          (r->value.data && r->plain_len <= RECORD_VALUE_MAX));
    CHECK(r->body.len <= RECORD_BODY_MAX && r->map < RECORD_MAP_MAX);
}

/* Appends the fields in front of the value, or all of the body if there is no value. */
static char *put_fields(char *p, const record *r) {
    CHECK(r->key.len == 0 || r->key.data);
    switch (r->kind) {
    case RECORD_IDLE: return p;
    case RECORD_BEGIN: return put_u64(p, r->prev);
    case RECORD_FLUSH:
    case RECORD_SWAP:
    case RECORD_MANIFEST:
    case RECORD_HINT:
    case RECORD_BLOCK:
        if (r->body.len) memcpy(p, r->body.data, r->body.len);
        return p + r->body.len;
    default: break;
    }
    p = varint(p, r->pdb);
    if (has_map(r->kind) || r->kind == RECORD_DROP) p = varint(p, r->coll);
    if (has_map(r->kind)) *p++ = (char)r->map;
    if (!has_key(r->kind)) return p;
    p = varint(p, r->key.len);
    if (r->key.len) memcpy(p, r->key.data, r->key.len);
    p += r->key.len;
    if (r->flags & RECORD_EXPIRE) p = put_u64(p, (uint64_t)r->expire);
    if (r->flags & RECORD_COLL) p = varint(p, r->coll);
    return p;
}

/* CRCs stay zero: see record_seal. */
uint32_t record_encode(char *p, record *r) {
    CHECK(p);
    check_record(r);
    uint32_t header = header_size(r->flags);
    char *body = p + header, *end = put_fields(body, r);
    if (has_value(r->kind)) {
        if (r->flags & RECORD_LZ4) end = varint(end, r->plain_len);
        if (r->value.data && r->value.len) memcpy(end, r->value.data, r->value.len);
        end += r->value.len;
    }
    uint32_t blen = (uint32_t)(end - body);
    CHECK(blen <= RECORD_BODY_MAX);
    put_u64(p, 0);
    put_u32(p + AT_BLEN, blen);
    p[AT_KIND] = (char)r->kind;
    p[AT_TYPE] = (char)r->type;
    put_u16(p + AT_FLAGS, r->flags);
    char *extra = p + RECORD_HEADER;
    if (r->flags & RECORD_MARK) extra = put_u64(extra, r->mark);
    if (r->flags & RECORD_ORIGIN) memcpy(extra, r->origin.data, RECORD_ORIGIN_LEN);
    r->size = header + blen;
    return r->size;
}

/* The same sums as record_encode, without writing. */
uint32_t record_size(const record *r) {
    check_record(r);
    uint32_t n = header_size(r->flags);
    if (r->kind == RECORD_IDLE) return n;
    if (r->kind == RECORD_BEGIN) return n + 8;
    if (r->kind >= RECORD_FLUSH) return n + (uint32_t)r->body.len;
    n += (uint32_t)varint_size(r->pdb);
    if (has_map(r->kind) || r->kind == RECORD_DROP) n += (uint32_t)varint_size(r->coll);
    if (has_map(r->kind)) n += 1;
    if (has_key(r->kind)) n += (uint32_t)(varint_size(r->key.len) + r->key.len);
    if (r->flags & RECORD_EXPIRE) n += 8;
    if (r->flags & RECORD_COLL) n += (uint32_t)varint_size(r->coll);
    if (r->flags & RECORD_LZ4) n += (uint32_t)varint_size(r->plain_len);
    return n + (has_value(r->kind) ? (uint32_t)r->value.len : 0);
}

/* For records that do not go to a log's tail. */
uint32_t record_append(buf *out, record *r) {
    CHECK(r->key.len <= RECORD_KEY_MAX && r->value.len <= RECORD_VALUE_MAX);
    CHECK(r->value.len == 0 || r->value.data);
    char *p = buf_reserve(out, RECORD_OVERHEAD_MAX + r->key.len + r->value.len + r->body.len);
    out->len += record_encode(p, r);
    CHECK(out->len <= out->cap);
    return r->size;
}

/* Of bytes that this process encoded: they are trusted. */
uint32_t record_encoded_size(const char *p) {
    CHECK(known_kind((unsigned char)p[AT_KIND]));
    uint32_t blen = load_u32(p + AT_BLEN);
    CHECK(blen <= RECORD_BODY_MAX);
    return header_size(load_u16(p + AT_FLAGS)) + blen;
}

/* The place must be final. */
void record_seal(char *p, uint32_t size, bool continues, record_place at) {
    CHECK(size >= RECORD_HEADER && size <= RECORD_MAX);
    uint16_t flags = load_u16(p + AT_FLAGS);
    flags = continues ? flags | RECORD_CONTINUES : flags & (uint16_t)~RECORD_CONTINUES;
    put_u16(p + AT_FLAGS, flags);
    uint32_t header = header_size(flags), blen = load_u32(p + AT_BLEN);
    CHECK(blen <= RECORD_BODY_MAX && size == header + blen);
    CHECK(at.file != 0 || at.offset != 0);
    put_u32(p + AT_BCRC, crc32c(0, p + header, blen));
    put_u32(p + AT_HCRC, header_crc(p, header, at));
}

/* ---- reading --------------------------------------------------------------------------------- */

/* True if the first RECORD_HEADER bytes are zeros. */
static bool is_zero(const char *p) {
    CHECK(p);
    return (load_u64(p) | load_u64(p + 8)) == 0;
}

/* Takes the header's fields apart. False if they can't be those of a record. */
static bool parse_head(const char *p, record *out) {
    CHECK(p);
    uint32_t blen = load_u32(p + AT_BLEN);
    unsigned kind = (unsigned char)p[AT_KIND];
    unsigned flags = load_u16(p + AT_FLAGS);
    if (!known_kind(kind) || blen > RECORD_BODY_MAX) return false;
    if (flags & ~(unsigned)(RECORD_FRAME_FLAGS | entry_flags[kind])) return false;
    out->kind = (uint8_t)kind;
    out->type = (uint8_t)p[AT_TYPE];
    out->flags = (uint16_t)flags;
    out->size = header_size(flags) + blen;
    return true;
}

/* The mark and the origin behind the fixed part. */
static void parse_extra(const char *p, record *out) {
    CHECK(known_kind(out->kind));
    p += RECORD_HEADER;
    if (out->flags & RECORD_MARK) {
        out->mark = load_u64(p);
        p += 8;
    }
    if (out->flags & RECORD_ORIGIN) out->origin = slice_of(p, RECORD_ORIGIN_LEN);
}

/* Skips the count. */
slice record_pairs(slice body) {
    CHECK(body.len > 0);
    slice rest = body;
    uint64_t n;
    CHECK(get_varint(&rest, &n) && n > 0);
    return rest;
}

/* Leaves *rest alone at the end. */
bool record_next_pair(slice *rest, uint32_t *db, uint32_t *pdb) {
    CHECK(rest->len == 0 || rest->data);
    slice at = *rest;
    if (!get_varint32(&at, db) || !get_varint32(&at, pdb)) return false;
    CHECK(at.len < rest->len);
    *rest = at;
    return true;
}

/* Appends the count, then the pairs. */
void record_put_pairs(buf *out, size_t n, const uint32_t *dbs, const uint32_t *pdbs) {
    CHECK(dbs && pdbs);
    CHECK(n > 0 && n <= RECORD_DBS_MAX);
    char *start = buf_reserve(out, (size_t)VARINT_MAX * (1 + 2 * n)), *p = put_varint(start, n);
    for (size_t i = 0; i < n; i++)
        p = put_varint(put_varint(p, dbs[i]), pdbs[i]);
    out->len += (size_t)(p - start);
    CHECK(out->len <= out->cap);
}

/* n pairs and nothing behind them. */
bool record_pairs_valid(unsigned kind, slice body) {
    CHECK(kind == RECORD_FLUSH || kind == RECORD_SWAP);
    slice rest = body;
    uint64_t n, got = 0;
    uint32_t db, pdb;
    if (!get_varint(&rest, &n) || n == 0 || n > RECORD_DBS_MAX) return false;
    if (kind == RECORD_SWAP && n != 2) return false;
    while (record_next_pair(&rest, &db, &pdb)) {
        if (db >= RECORD_DBS_MAX) return false;
        got++;
    }
    return rest.len == 0 && got == n;
}

/* The value and its plain length: what is left of the body. */
static bool parse_value(slice rest, record *out) {
    CHECK(has_value(out->kind));
    uint64_t plain;
    if (out->flags & RECORD_LZ4) {
        if (!get_varint(&rest, &plain) || plain > RECORD_VALUE_MAX || rest.len == 0) return false;
    } else {
        plain = rest.len;
    }
    if (rest.len > RECORD_VALUE_MAX) return false;
    out->value = rest;
    out->plain_len = plain;
    return true;
}

/* The body of an entry: PUT, DEL, MAP_PUT, MAP_DEL, DROP. */
static bool parse_entry(record *out) {
    CHECK(out->body.len <= RECORD_BODY_MAX);
    slice rest = out->body, b;
    uint64_t expire;
    if (!get_varint32(&rest, &out->pdb)) return false;
    if (has_map(out->kind) || out->kind == RECORD_DROP) {
        if (!get_varint(&rest, &out->coll)) return false;
    }
    if (has_map(out->kind)) {
        if (!get_bytes(&rest, 1, &b)) return false;
        out->map = (uint8_t)b.data[0];
        if (out->map >= RECORD_MAP_MAX) return false;
    }
    if (has_key(out->kind)) {
        if (!get_varbytes(&rest, &out->key) || out->key.len > RECORD_KEY_MAX) return false;
    }
    if (out->flags & RECORD_EXPIRE) {
        if (!get_u64(&rest, &expire) || expire == 0 || expire > INT64_MAX) return false;
        out->expire = (int64_t)expire;
    }
    if (out->flags & RECORD_COLL) {
        if (!get_varint(&rest, &out->coll) || out->coll == 0) return false;
    }
    return has_value(out->kind) ? parse_value(rest, out) : rest.len == 0;
}

/* Takes out->body apart by kind. */
static bool parse_body(record *out) {
    CHECK(known_kind(out->kind));
    switch (out->kind) {
    case RECORD_IDLE: return out->body.len == 0;
    case RECORD_BEGIN:
        if (out->body.len != 8) return false;
        out->prev = load_u64(out->body.data);
        return true;
    case RECORD_FLUSH:
    case RECORD_SWAP: return record_pairs_valid(out->kind, out->body);
    case RECORD_MANIFEST:
    case RECORD_HINT:
    case RECORD_BLOCK: return true;
    default: return parse_entry(out);
    }
}

/* Lengths are believed only when the header's CRC agrees. */
record_result record_read_head(const char *p, size_t n, record_place at, record *out) {
    CHECK(n == 0 || p);
    *out = (record){0};
    if (n < RECORD_HEADER) return RECORD_SHORT;
    if (is_zero(p)) return RECORD_ZERO;
    if (!parse_head(p, out)) return RECORD_BAD_HEAD;
    uint32_t header = header_size(out->flags);
    record_result bad = n < header                                           ? RECORD_SHORT
                        : header_crc(p, header, at) != load_u32(p + AT_HCRC) ? RECORD_BAD_HEAD
                                                                             : RECORD_OK;
    if (bad != RECORD_OK) {
        out->size = 0;
        return bad;
    }
    parse_extra(p, out);
    return RECORD_OK;
}

/* The body, of a header that is known to be whole. */
static record_result finish(const char *p, size_t n, bool check_crc, record *out) {
    CHECK(known_kind(out->kind));
    uint32_t header = header_size(out->flags);
    CHECK(out->size >= header && out->size <= RECORD_MAX);
    if (n < out->size) return RECORD_SHORT;
    out->body = slice_of(p + header, out->size - header);
    if (check_crc && crc32c(0, out->body.data, out->body.len) != load_u32(p + AT_BCRC))
        return RECORD_BAD_BODY;
    return parse_body(out) ? RECORD_OK : RECORD_BAD_BODY;
}

/* Header, body, fields, in that order. */
record_result record_read(const char *p, size_t n, record_place at, record *out) {
    CHECK(n == 0 || p);
    record_result head = record_read_head(p, n, at, out);
    return head == RECORD_OK ? finish(p, n, true, out) : head;
}

/* The same, trusting the bytes but not their lengths. */
record_result record_parse(const char *p, size_t n, record *out) {
    CHECK(n == 0 || p);
    *out = (record){0};
    if (n < RECORD_HEADER) return RECORD_SHORT;
    if (!parse_head(p, out)) return is_zero(p) ? RECORD_ZERO : RECORD_BAD_HEAD;
    if (n < header_size(out->flags)) return RECORD_SHORT;
    parse_extra(p, out);
    return finish(p, n, false, out);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* For messages: any number is allowed. */
const char *record_kind_name(unsigned kind) {
    return known_kind(kind) ? kind_names[kind] : "unknown";
}

/* Fits after "at offset N: ". */
const char *record_result_text(record_result r) {
    CHECK(r <= RECORD_BAD_BODY);
    static const char *const text[] = {
        [RECORD_OK] = "whole",
        [RECORD_SHORT] = "the file ends inside a record",
        [RECORD_ZERO] = "zeros where a record should begin",
        [RECORD_BAD_HEAD] = "no valid record header",
        [RECORD_BAD_BODY] = "a record whose contents fail their checksum",
    };
    CHECK((size_t)r < sizeof text / sizeof *text);
    return text[r];
}
