/* kdent: an entry of the keydir as bytes.
 *
 *   0  u16     segment   slot in the engine's table of live segments
 *   2  u32     offset    of the record in it
 *   6  u24     access    LRU/LFU state
 *   9  u8      type      type number (low 4 bits), the type's hint (high 4 bits)
 *  10  u8      flags     kdent_flags (low 4 bits), the engine's own (high 4 bits)
 *  11  varint  key length, then the key
 *      varint  size of the record as stored, header and all; may be longer than it needs to be
 *      u48/u64 expire    with KDENT_EXPIRE48 / KDENT_EXPIRE64: ms since the epoch
 *      varint  coll      with KDENT_COLL: the collection that the key owns
 *      varint  length of the value, then the value: with KDENT_INLINE
 *
 * In RAM only, so the layout may change at will. */
#ifndef STAVE_ENGINE_BITCASK_KDENT_H
#define STAVE_ENGINE_BITCASK_KDENT_H

#include "base/codec.h"

enum kdent_flags {
    KDENT_EXPIRE48 = 1 << 0,
    KDENT_EXPIRE64 = 1 << 1,
    KDENT_COLL = 1 << 2,
    KDENT_INLINE = 1 << 3,
};

#define KDENT_KEY 11 /* where the key's length is */

/* An entry taken apart; key and value are slices into it. */
typedef struct kdent {
    uint16_t segment;
    uint8_t type, hint; /* 4 bits each */
    uint32_t offset;
    uint32_t access; /* 24 bits */
    uint32_t size;   /* of the stored record, in bytes */
    uint8_t own;     /* 4 bits that the engine may use as it likes */
    bool has_value;  /* the value is inline: it may well be empty */
    int64_t expire;  /* 0: none */
    uint64_t coll;   /* 0: none */
    slice key;
    slice value;
} kdent;

/* Bytes that kdent_encode writes. REQUIRES: every field within its bits, expire >= 0. */
size_t kdent_bytes(const kdent *e);
char *kdent_encode(char *p, const kdent *e);
void kdent_decode(const char *p, kdent *out);

/* The fields that every entry has at the same place, read and changed where they are. */
static inline uint16_t kdent_segment(const char *p) {
    return load_u16(p);
}
static inline uint32_t kdent_offset(const char *p) {
    return load_u32(p + 2);
}
static inline uint32_t kdent_access(const char *p) {
    return load_u32(p + 6) & 0xffffff;
}
static inline void kdent_set_access(char *p, uint32_t access) {
    put_u32(p + 6, (load_u32(p + 6) & 0xff000000u) | (access & 0xffffff));
}
static inline bool kdent_is_inline(const char *p) {
    return (p[10] & KDENT_INLINE) != 0;
}
static inline bool kdent_has_expire(const char *p) {
    return (p[10] & (KDENT_EXPIRE48 | KDENT_EXPIRE64)) != 0;
}
slice kdent_key(const char *p);
/* Bytes of the record. */
uint32_t kdent_size(const char *p);

/* Makes the entry say that its record lies elsewhere now and takes `size` bytes there. False,
 * changing nothing, if the size does not fit in the bytes that hold the present one. */
bool kdent_set_place(char *p, uint16_t segment, uint32_t offset, uint32_t size);

#endif
