/* kdent: writing and reading keydir entries.
 *
 * Entries are the bulk of what a store with many keys keeps in RAM, so they hold no alignment, no
 * pointer and nothing that can be computed: 14 bytes beside the key and its record's size for an
 * entry without expire, collection and value. kdent.h has the layout. The bytes come from this
 * file alone, never from a disk, so reading trusts them. */
#include "engine/bitcask/kdent.h"

#include "base/log.h"

#define EXPIRE_MASK (KDENT_EXPIRE48 | KDENT_EXPIRE64)

/* Reads a varint of up to 10 bytes, longer than needed or not; returns the byte after it. */
static inline const char *read_varint(const char *p, uint64_t *out) {
    uint64_t v = (unsigned char)*p & 0x7f;
    for (unsigned shift = 7; *p++ & 0x80; shift += 7)
        v |= (uint64_t)((unsigned char)*p & 0x7f) << shift;
    *out = v;
    return p;
}

/* The flags byte of e. */
static uint8_t flags_of(const kdent *e) {
    uint8_t flags = (uint8_t)(e->own << 4);
    if (e->expire) flags |= e->expire >> 48 ? KDENT_EXPIRE64 : KDENT_EXPIRE48;
    if (e->coll) flags |= KDENT_COLL;
    if (e->has_value) flags |= KDENT_INLINE;
    return flags;
}

/* Bytes of the expire field. */
static inline size_t expire_bytes(uint8_t flags) {
    return flags & KDENT_EXPIRE48 ? 6 : flags & KDENT_EXPIRE64 ? 8 : 0;
}

/* What the arena is asked for; one byte less than kdent_encode() writes would be the next
 * object's. */
size_t kdent_bytes(const kdent *e) {
    size_t n = KDENT_KEY + varint_size(e->key.len) + e->key.len + varint_size(e->size);
    n += expire_bytes(flags_of(e));
    if (e->coll) n += varint_size(e->coll);
    if (e->has_value) n += varint_size(e->value.len) + e->value.len;
    return n;
}

/* Copies the bytes of s, if any, to p. */
static char *put_slice(char *p, slice s) {
    if (s.len) memcpy(p, s.data, s.len);
    return p + s.len;
}

/* Checks that each field fits its bits: reading trusts what was written here. */
char *kdent_encode(char *p, const kdent *e) {
    CHECK(e->type < 16 && e->hint < 16 && e->own < 16);
    CHECK(e->access <= 0xffffff && e->expire >= 0);
    uint8_t flags = flags_of(e);
    p = put_u16(p, e->segment);
    p = put_u32(p, e->offset);
    p = put_u32(p, e->access | (uint32_t)e->type << 24 | (uint32_t)e->hint << 28);
    *p++ = (char)flags;
    p = put_slice(put_varint(p, e->key.len), e->key);
    p = put_varint(p, e->size);
    if (e->expire) {
        char expire[8];
        put_u64(expire, (uint64_t)e->expire);
        p = put_slice(p, slice_of(expire, expire_bytes(flags)));
    }
    if (e->coll) p = put_varint(p, e->coll);
    if (e->has_value) p = put_slice(put_varint(p, e->value.len), e->value);
    return p;
}

/* For searches, which compare keys and need nothing else of an entry. */
slice kdent_key(const char *p) {
    uint64_t len;
    p = read_varint(p + KDENT_KEY, &len);
    return slice_of(p, len);
}

/* For who prepares a read of the record: it comes right behind the key. */
uint32_t kdent_size(const char *p) {
    uint64_t n;
    slice key = kdent_key(p);
    (void)read_varint(key.data + key.len, &n);
    CHECK(n <= UINT32_MAX);
    return (uint32_t)n;
}

/* In the order of the layout; fields whose flag is not set stay 0. */
void kdent_decode(const char *p, kdent *out) {
    uint64_t n;
    uint8_t flags = (uint8_t)p[10];
    *out = (kdent){
        .segment = kdent_segment(p),
        .offset = kdent_offset(p),
        .access = kdent_access(p),
        .type = (uint8_t)p[9] & 15,
        .hint = (uint8_t)p[9] >> 4,
        .own = flags >> 4,
        .has_value = flags & KDENT_INLINE,
        .key = kdent_key(p),
    };
    p = read_varint(out->key.data + out->key.len, &n);
    out->size = (uint32_t)n;
    if (flags & EXPIRE_MASK) {
        uint64_t expire = 0;
        memcpy(&expire, p, expire_bytes(flags));
        p += expire_bytes(flags);
        out->expire = (int64_t)expire;
    }
    if (flags & KDENT_COLL) p = read_varint(p, &out->coll);
    if (flags & KDENT_INLINE) {
        p = read_varint(p, &n);
        out->value = slice_of(p, n);
    }
}

/* For merges, which must not move entries (K4): a smaller size is padded to the width of the varint
 * that is there. */
bool kdent_set_place(char *p, uint16_t segment, uint32_t offset, uint32_t size) {
    slice key = kdent_key(p);
    char *at = p + (key.data - p) + key.len;
    uint64_t old;
    size_t width = (size_t)(read_varint(at, &old) - at);
    if (varint_size(size) > width) return false;
    for (size_t i = 0; i < width; i++, size >>= 7)
        at[i] = (char)((size & 0x7f) | (i + 1 < width ? 0x80 : 0));
    CHECK(size == 0);
    put_u32(put_u16(p, segment), offset);
    return true;
}
