/* Zipmaps: small hashes of redis-server before 2.6.
 *
 *   u8 pairs, 254 and 255: not known | pairs | ff
 *
 * A pair is: length, field, length, u8 of free bytes, value, the free bytes. A length is a byte
 * below fe, or fe and a u32.
 *
 * Servers that made these are long gone, but dumps of theirs, and what was loaded from these and
 * never changed, may still come along. */
#include "base/codec.h"
#include "rdb/packed.h"

#define COUNT_IS_ANY 254
#define LONG_LENGTH  254
#define END          255

/* Fields and values are elements here, so there are twice as many. */
bool zipmap_open(packed *p) {
    if (p->bytes.len < 2) return false;
    unsigned count = (unsigned char)p->bytes.data[0];
    if (count < COUNT_IS_ANY) p->count = (uint64_t)count * 2;
    p->at = 1;
    return true;
}

/* A length; END is none. */
static bool take_length(slice *in, uint32_t *n) {
    if (in->len == 0) return false;
    unsigned char b = (unsigned char)in->data[0];
    *in = slice_skip(*in, 1);
    *n = b;
    if (b == LONG_LENGTH) return get_u32(in, n);
    return b < LONG_LENGTH;
}

/* Behind a value there may be bytes that a longer one left free. */
packed_result zipmap_next(packed *p, packed_item *out) {
    slice in = slice_skip(p->bytes, p->at), unused;
    bool is_value = p->seen % 2 == 1;
    uint32_t n;
    unsigned char free_bytes = 0;
    if (!is_value && in.len == 1 && (unsigned char)in.data[0] == END)
        return p->count == PACKED_UNKNOWN || p->count == p->seen ? PACKED_END : PACKED_BAD;
    if (!take_length(&in, &n)) return PACKED_BAD;
    if (is_value) {
        if (in.len == 0) return PACKED_BAD;
        free_bytes = (unsigned char)in.data[0];
        in = slice_skip(in, 1);
    }
    if (!get_bytes(&in, n, &out->bytes) || !get_bytes(&in, free_bytes, &unused)) return PACKED_BAD;
    p->at = p->bytes.len - in.len;
    return PACKED_ITEM;
}
