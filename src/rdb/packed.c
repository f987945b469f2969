/* Which format's functions a blob is read by, so that what loads a collection need not know.
 *
 * A hash may be in a listpack, a ziplist or a zipmap: to the decoder each is elements that come one
 * after another, some of them numbers, until one is malformed or the blob is at its end. */
#include "rdb/packed.h"

#include "base/codec.h"
#include "base/log.h"

#define COUNT_IS_ANY 0xffffu

typedef struct format {
    bool (*open)(packed *p);
    packed_result (*next)(packed *p, packed_item *out);
} format;

static const format formats[] = {
    [PACKED_LISTPACK] = {listpack_open, listpack_next},
    [PACKED_ZIPLIST] = {ziplist_open, ziplist_next},
    [PACKED_INTSET] = {intset_open, intset_next},
    [PACKED_ZIPMAP] = {zipmap_open, zipmap_next},
};

/* Until a header has said how many there are, that is not known. */
bool packed_open(packed *p, packed_kind kind, slice bytes) {
    *p = (packed){.kind = kind, .bytes = bytes, .count = PACKED_UNKNOWN};
    return formats[kind].open(p);
}

/* An item begins empty, so that none has what another had. */
packed_result packed_next(packed *p, packed_item *out) {
    out->is_number = false;
    out->number = 0;
    out->bytes = SLICE_EMPTY;
    packed_result r = formats[p->kind].next(p, out);
    p->seen += r == PACKED_ITEM;
    CHECK(p->at <= p->bytes.len);
    return r;
}

/* Digits are made only for who wants them. */
slice packed_text(packed_item *item) {
    if (!item->is_number) return item->bytes;
    return slice_of(item->digits, num_format_i64(item->digits, item->number));
}

/* A blob has at least its header and its end. */
bool packed_take_header(packed *p, size_t header, size_t count_at) {
    if (p->bytes.len < header + 1 || load_u32(p->bytes.data) != p->bytes.len) return false;
    unsigned count = load_u16(p->bytes.data + count_at);
    if (count != COUNT_IS_ANY) p->count = count;
    p->at = header;
    return true;
}

/* The high byte goes to the top of a word, and comes down with its sign. */
int64_t packed_signed(const char *p, size_t n) {
    uint64_t raw = 0;
    CHECK(n >= 1 && n <= 8);
    for (size_t i = n; i-- > 0;)
        raw = raw << 8 | (unsigned char)p[i];
    return (int64_t)(raw << (64 - 8 * n)) >> (64 - 8 * n);
}
