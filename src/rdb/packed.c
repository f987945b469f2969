/* Which format's functions a blob is read by, so that what loads a collection need not know. */
#include "rdb/packed.h"

#include "base/log.h"

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

bool packed_open(packed *p, packed_kind kind, slice bytes) {
    *p = (packed){.kind = kind, .bytes = bytes, .count = PACKED_UNKNOWN};
    return formats[kind].open(p);
}

packed_result packed_next(packed *p, packed_item *out) {
    out->is_number = false;
    out->number = 0;
    out->bytes = SLICE_EMPTY;
    packed_result r = formats[p->kind].next(p, out);
    p->seen += r == PACKED_ITEM;
    CHECK(p->at <= p->bytes.len);
    return r;
}

slice packed_text(packed_item *item) {
    if (!item->is_number) return item->bytes;
    return slice_of(item->digits, num_format_i64(item->digits, item->number));
}
