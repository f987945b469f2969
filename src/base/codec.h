/* codec: fixed and variable-length integers in byte buffers, little-endian; the only way in which
 * numbers go to and come from the disk. put_* returns the byte after what it wrote. Readers take a
 * cursor slice and return false, leaving it as it was, if the bytes are too few or malformed. */
#ifndef STAVE_BASE_CODEC_H
#define STAVE_BASE_CODEC_H

#include "base/slice.h"

#define VARINT_MAX 10 /* bytes of the longest varint (LEB128 of 64 bits) */

static inline char *put_u16(char *p, uint16_t v) {
    memcpy(p, &v, 2);
    return p + 2;
}
static inline char *put_u32(char *p, uint32_t v) {
    memcpy(p, &v, 4);
    return p + 4;
}
static inline char *put_u64(char *p, uint64_t v) {
    memcpy(p, &v, 8);
    return p + 8;
}
static inline uint16_t load_u16(const char *p) {
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}
static inline uint32_t load_u32(const char *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static inline uint64_t load_u64(const char *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
/* n <= 8 bytes as the low bytes of a word, reading no others: two loads that may overlap. */
static inline uint64_t load_upto8(const char *p, size_t n) {
    if (n >= 8) return load_u64(p);
    if (n >= 4) return load_u32(p) | (uint64_t)load_u32(p + n - 4) << (8 * (n - 4));
    uint64_t w = n >= 2 ? load_u16(p) : 0;
    return n & 1 ? w | (uint64_t)(unsigned char)p[n - 1] << (8 * (n - 1)) : w;
}
/* Big-endian: for keys whose memcmp order is the numbers' order. */
static inline char *put_be64(char *p, uint64_t v) {
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
    return p + 8;
}
static inline uint64_t load_be64(const char *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Stave runs on little-endian machines");

char *put_varint(char *p, uint64_t v);
size_t varint_size(uint64_t v);
bool get_varint(slice *in, uint64_t *out);
bool get_varint32(slice *in, uint32_t *out); /* one that fits in 32 bits */
bool get_u16(slice *in, uint16_t *out);
bool get_u32(slice *in, uint32_t *out);
bool get_u64(slice *in, uint64_t *out);
/* n bytes, as a slice over the input. */
bool get_bytes(slice *in, size_t n, slice *out);
/* A varint length and that many bytes. */
bool get_varbytes(slice *in, slice *out);

#endif
