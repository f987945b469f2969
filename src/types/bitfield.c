/* Integers of 1 to 64 bits at any bit of a string.
 *
 * An integer of up to 64 bits that begins anywhere in a byte lies within nine bytes. A window is
 * such nine bytes, copied out of the string (and back, if it is changed), in which the integer is
 * read as a big-endian number of up to 72 bits: bit 0 is the highest of the first byte.
 *
 *     byte   0        1        ...      8
 *            ...iiiii iiiiiiii ... iii.....
 *               ^ at             ^ at + bits
 *
 * Sums are made in 128 bits, where none of them overflows, and then fitted into the type. */
#include "types/bitmap.h"

#include "base/log.h"
#include "base/num.h"

bool bit_type_parse(slice s, bit_type *out) {
    int64_t bits;
    if (s.len < 2 || (s.data[0] != 'i' && s.data[0] != 'u')) return false;
    out->is_signed = s.data[0] == 'i';
    if (!num_parse_i64(slice_skip(s, 1), &bits)) return false;
    if (bits < 1 || bits > (out->is_signed ? 64 : 63)) return false;
    out->bits = (unsigned)bits;
    return true;
}

size_t bit_window_bytes(unsigned at, bit_type t) {
    return (at + t.bits + 7) / 8;
}

/* All ones in the type's width. */
static unsigned __int128 ones(bit_type t) {
    return ((unsigned __int128)1 << t.bits) - 1;
}

/* The window as one number of 72 bits. */
static unsigned __int128 load_window(const uint8_t window[BIT_WINDOW]) {
    unsigned __int128 v = 0;
    for (int i = 0; i < BIT_WINDOW; i++)
        v = v << 8 | window[i];
    return v;
}

/* A number of the type's width, its sign extended if it has one. */
static int64_t as_type(bit_type t, uint64_t v) {
    if (!t.is_signed || t.bits == 64) return (int64_t)v;
    uint64_t sign = (uint64_t)1 << (t.bits - 1);
    return (int64_t)((v ^ sign) - sign);
}

int64_t bit_window_get(const uint8_t window[BIT_WINDOW], unsigned at, bit_type t) {
    CHECK(at < 8);
    unsigned shift = 8 * BIT_WINDOW - at - t.bits;
    return as_type(t, (uint64_t)(load_window(window) >> shift & ones(t)));
}

void bit_window_set(uint8_t window[BIT_WINDOW], unsigned at, bit_type t, int64_t v) {
    CHECK(at < 8);
    unsigned shift = 8 * BIT_WINDOW - at - t.bits;
    unsigned __int128 w = load_window(window);
    w &= ~(ones(t) << shift);
    w |= ((unsigned __int128)(uint64_t)v & ones(t)) << shift;
    for (int i = BIT_WINDOW - 1; i >= 0; i--, w >>= 8)
        window[i] = (uint8_t)w;
}

bool bit_add(bit_type t, bit_overflow how, int64_t old, int64_t by, int64_t *out) {
    __int128 min = t.is_signed ? -((__int128)1 << (t.bits - 1)) : 0;
    __int128 max = t.is_signed ? -min - 1 : (__int128)ones(t);
    __int128 base = t.is_signed ? (__int128)old : (__int128)(uint64_t)old, sum = base + by;
    *out = (int64_t)sum;
    if (sum >= min && sum <= max) return true;
    if (how == OVERFLOW_FAIL) return false;
    if (how == OVERFLOW_SAT) {
        *out = (int64_t)(sum > max ? max : min);
    } else {
        *out = as_type(t, (uint64_t)((unsigned __int128)sum & ones(t)));
    }
    return true;
}
