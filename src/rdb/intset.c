/* Intsets: small sets of integers.
 *
 *   u32 bytes of a number: 2, 4 or 8 | u32 how many | the numbers, ascending, little-endian
 *
 * All numbers are as wide as the widest needs. redis-server finds a member by bisection, so one
 * that is out of order would be there and not be found: such a set is malformed.
 */
#include "base/codec.h"
#include "base/log.h"
#include "rdb/packed.h"

#include <stdlib.h>

#define HEADER 8

/* The header says exactly how long the rest is. */
bool intset_open(packed *p) {
    if (p->bytes.len < HEADER) return false;
    uint32_t width = load_u32(p->bytes.data);
    if (width != 2 && width != 4 && width != 8) return false;
    p->count = load_u32(p->bytes.data + 4);
    p->last = width;
    p->at = HEADER;
    return p->bytes.len - HEADER == p->count * width;
}

/* The number that begins there. */
static int64_t number_at(const packed *p, size_t at) {
    const char *b = p->bytes.data + at;
    return p->last == 2   ? (int16_t)load_u16(b)
           : p->last == 4 ? (int32_t)load_u32(b)
                          : (int64_t)load_u64(b);
}

/* Each must be greater than the one before, so that there are no duplicates. */
packed_result intset_next(packed *p, packed_item *out) {
    if (p->seen == p->count) return PACKED_END;
    out->is_number = true;
    out->number = number_at(p, p->at);
    if (p->seen > 0 && number_at(p, p->at - p->last) >= out->number) return PACKED_BAD;
    p->at += p->last;
    return PACKED_ITEM;
}

/* For qsort. */
static int by_value(const void *a, const void *b) {
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* The width is what the least and the greatest need. */
void intset_write(buf *out, int64_t *numbers, size_t n) {
    CHECK(n > 0 && n <= UINT32_MAX);
    qsort(numbers, n, sizeof *numbers, by_value);
    int64_t least = numbers[0], most = numbers[n - 1];
    uint32_t width = least >= INT16_MIN && most <= INT16_MAX   ? 2
                     : least >= INT32_MIN && most <= INT32_MAX ? 4
                                                               : 8;
    char *p = buf_reserve(out, HEADER + n * width);
    out->len += HEADER + n * width;
    p = put_u32(put_u32(p, width), (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        uint64_t v = (uint64_t)numbers[i];
        CHECK(i == 0 || numbers[i - 1] < numbers[i]);
        p = width == 2   ? put_u16(p, (uint16_t)v)
            : width == 4 ? put_u32(p, (uint32_t)v)
                         : put_u64(p, v);
    }
}
