/* Ziplists: what redis-server had before listpacks: small lists, hashes and sorted sets up to 6.2.
 *
 *   u32 bytes in all | u32 where the last element begins | u16 elements, 65535: not known |
 *   elements | ff
 *
 * An element begins with the bytes of the one before it (a byte below fe; or fe and a u32), then
 *
 *   00nnnnnn                        n bytes follow
 *   01nnnnnn nnnnnnnn               n bytes follow
 *   10...... and four bytes         as many follow, big-endian
 *   c0 i16, d0 i32, e0 i64, f0 i24, fe i8    number, little-endian
 *   f1 .. fd                        number, 0 .. 12
 */
#include "base/codec.h"
#include "rdb/packed.h"

#define HEADER      10
#define TAIL_AT     4
#define COUNT_AT    8
#define END         0xff
#define LONG_BEFORE 0xfe

/* Where the last element begins is compared when it has been read. */
bool ziplist_open(packed *p) {
    return packed_take_header(p, HEADER, COUNT_AT);
}

/* The header's word on where the last element is must be true (an empty one says: the end). */
static packed_result at_end(const packed *p, slice in) {
    bool whole = in.len == 1 && (p->count == PACKED_UNKNOWN || p->count == p->seen);
    bool tail = load_u32(p->bytes.data + TAIL_AT) == p->at - p->last;
    return whole && tail ? PACKED_END : PACKED_BAD;
}

/* The length of the element before; it must be that. */
static bool take_before(const packed *p, slice *in) {
    unsigned char b = (unsigned char)in->data[0];
    uint32_t before = b;
    *in = slice_skip(*in, 1);
    if (b == LONG_BEFORE && !get_u32(in, &before)) return false;
    return b < END && before == p->last;
}

/* n bytes of a string. */
static bool take_string(slice *in, uint64_t n, packed_item *out) {
    return n <= in->len && get_bytes(in, (size_t)n, &out->bytes);
}

/* A number of n bytes. */
static bool take_number(slice *in, size_t n, packed_item *out) {
    slice bytes;
    if (!get_bytes(in, n, &bytes)) return false;
    out->is_number = true;
    out->number = packed_signed(bytes.data, n);
    return true;
}

/* What follows the length of the element before. */
static bool take_element(slice *in, packed_item *out) {
    if (in->len == 0) return false;
    const unsigned char *b = (const unsigned char *)in->data;
    size_t left = in->len;
    *in = slice_skip(*in, 1);
    switch (b[0]) {
    case 0xc0: return take_number(in, 2, out);
    case 0xd0: return take_number(in, 4, out);
    case 0xe0: return take_number(in, 8, out);
    case 0xf0: return take_number(in, 3, out);
    case 0xfe: return take_number(in, 1, out);
    }
    if (b[0] > 0xf0 && b[0] < 0xfe) {
        out->is_number = true;
        out->number = b[0] - 0xf1;
        return true;
    }
    if (b[0] < 0x40) return take_string(in, b[0], out);
    if (b[0] < 0x80) {
        if (left < 2) return false;
        *in = slice_skip(*in, 1);
        return take_string(in, (uint64_t)(b[0] & 0x3f) << 8 | b[1], out);
    }
    if (b[0] >= 0xc0 || left < 5) return false;
    *in = slice_skip(*in, 4);
    return take_string(in, __builtin_bswap32(load_u32((const char *)b + 1)), out);
}

/* What was taken is how long the next one must say this one is. */
packed_result ziplist_next(packed *p, packed_item *out) {
    slice in = slice_skip(p->bytes, p->at);
    size_t before = in.len;
    if (in.len == 0) return PACKED_BAD;
    if ((unsigned char)in.data[0] == END) return at_end(p, in);
    if (!take_before(p, &in) || !take_element(&in, out)) return PACKED_BAD;
    p->last = before - in.len;
    p->at += p->last;
    return PACKED_ITEM;
}
