/* Packed elements: a walk is all there is. A hundred elements are found by comparing a hundred
 * lengths and a few bytes, which costs less than a look at a tree that is not in the cache. */
#include "types/pack.h"

#include "base/codec.h"
#include "base/log.h"

/* A length of one or two bytes, as nearly all are; *p is behind it then. */
static inline uint64_t take_varint(const char **p, const char *end) {
    CHECK(*p < end);
    unsigned char b = (unsigned char)**p;
    if (b < 0x80) {
        ++*p;
        return b;
    }
    slice in = slice_of(*p, (size_t)(end - *p));
    uint64_t v;
    CHECK(get_varint(&in, &v));
    *p = in.data;
    return v;
}

/* n bytes; *p is behind them then. */
static inline slice take(const char **p, const char *end, uint64_t n) {
    CHECK(n <= (uint64_t)(end - *p));
    slice s = slice_of(*p, (size_t)n);
    *p += n;
    return s;
}

bool pack_at(slice pack, uint32_t at, pack_item *out) {
    if (at >= pack.len) return false;
    const char *p = pack.data + at, *end = pack.data + pack.len;
    uint64_t head = take_varint(&p, end);
    out->sub = take(&p, end, head >> 1);
    out->value = take(&p, end, take_varint(&p, end));
    out->expire = head & 1 ? (int64_t)load_u64(take(&p, end, 8).data) : 0;
    out->at = at;
    out->end = (uint32_t)(p - pack.data);
    return true;
}

bool pack_find(slice pack, slice sub, pack_item *out, uint32_t *index) {
    *index = 0;
    for (uint32_t at = 0; pack_at(pack, at, out); at = out->end, ++*index)
        if (slice_eq(out->sub, sub)) return true;
    return false;
}

size_t pack_size(slice sub, slice value, int64_t expire) {
    return varint_size((uint64_t)sub.len * 2) + sub.len + varint_size(value.len) + value.len +
           (expire ? 8 : 0);
}

char *pack_write(char *p, slice sub, slice value, int64_t expire) {
    p = put_varint(p, (uint64_t)sub.len * 2 + (expire != 0));
    if (sub.len) memcpy(p, sub.data, sub.len);
    p = put_varint(p + sub.len, value.len);
    if (value.len) memcpy(p, value.data, value.len);
    p += value.len;
    return expire ? put_u64(p, (uint64_t)expire) : p;
}
