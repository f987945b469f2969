/* codec: variable-length integers, and reading with a cursor.
 *
 * A varint is LEB128: seven bits a byte, low bits first, the top bit set on all bytes but the last:
 *
 *     300 = 10 0101100b  ->  AC 02
 *
 * There is one encoding of each number: a reader refuses a needless last zero byte and anything
 * above 64 bits, so that bytes that pass are the bytes that a writer made. */
#include "base/codec.h"

/* At most VARINT_MAX bytes; the caller has the room. */
char *put_varint(char *p, uint64_t v) {
    while (v >= 0x80) {
        *p++ = (char)(v | 0x80);
        v >>= 7;
    }
    *p++ = (char)v;
    return p;
}

/* Seven bits a byte; zero takes a byte too. */
size_t varint_size(uint64_t v) {
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1);
    return (bits + 6) / 7;
}

/* Accepts only what put_varint writes. */
bool get_varint(slice *in, uint64_t *out) {
    uint64_t v = 0;
    size_t max = in->len < VARINT_MAX ? in->len : VARINT_MAX;
    for (size_t i = 0; i < max; i++) {
        uint64_t byte = (unsigned char)in->data[i];
        v |= (byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        if (byte == 0 && i > 0) return false;              /* a longer form of a smaller number */
        if (i == VARINT_MAX - 1 && byte > 1) return false; /* bits above the 64th */
        *out = v;
        *in = slice_skip(*in, i + 1);
        return true;
    }
    return false;
}

/* Works on a copy of the cursor, so that a number that is too large moves nothing. */
bool get_varint32(slice *in, uint32_t *out) {
    slice cursor = *in;
    uint64_t v;
    if (!get_varint(&cursor, &v) || v > UINT32_MAX) return false;
    *out = (uint32_t)v;
    *in = cursor;
    return true;
}

/* The other readers go through here, so the bound is checked in one place. */
bool get_bytes(slice *in, size_t n, slice *out) {
    if (in->len < n) return false;
    *out = slice_of(in->data, n);
    *in = slice_skip(*in, n);
    return true;
}

/* Two bytes, if they are there. */
bool get_u16(slice *in, uint16_t *out) {
    slice b;
    if (!get_bytes(in, sizeof *out, &b)) return false;
    *out = load_u16(b.data);
    return true;
}

/* Four bytes, if they are there. */
bool get_u32(slice *in, uint32_t *out) {
    slice b;
    if (!get_bytes(in, sizeof *out, &b)) return false;
    *out = load_u32(b.data);
    return true;
}

/* Eight bytes, if they are there. */
bool get_u64(slice *in, uint64_t *out) {
    slice b;
    if (!get_bytes(in, sizeof *out, &b)) return false;
    *out = load_u64(b.data);
    return true;
}

/* Works on a copy of the cursor, so that a length without its bytes moves nothing. */
bool get_varbytes(slice *in, slice *out) {
    slice cursor = *in;
    uint64_t n;
    if (!get_varint(&cursor, &n) || n > cursor.len) return false;
    if (!get_bytes(&cursor, (size_t)n, out)) return false;
    *in = cursor;
    return true;
}
