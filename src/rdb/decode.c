/* Decoding a value of any type but stream: what the payload holds goes to a sink, one element at a
 * time.
 *
 * Small collections are one blob (packed.h) whatever type they are of, so there are two loops for
 * each type: over the elements of such a blob, and over strings that follow each other. Whether a
 * collection is empty, which no key may be, is seen at the end. */
#include "rdb/decode_int.h"

#include "base/codec.h"

#include <math.h>

/* ---- single items -------------------------------------------------------------------------------
 */

/* A list's element, a set's member, a string. */
static engine_result give(decoder *d, unsigned kind, slice a) {
    return d->sink(d->ctx, &(rdb_item){.kind = kind, .a = a});
}

/* A member of a sorted set; NaN is no score. */
static engine_result give_scored(decoder *d, slice member, double score) {
    DECODE_NEED(!isnan(score));
    return d->sink(d->ctx, &(rdb_item){.kind = RDB_ITEM_SCORED, .a = member, .score = score});
}

/* A field of a hash; expire 0: it stays. */
static engine_result give_field(decoder *d, slice field, slice value, int64_t expire) {
    return d->sink(d->ctx,
                   &(rdb_item){.kind = RDB_ITEM_FIELD, .a = field, .b = value, .expire = expire});
}

/* ---- strings that follow each other -------------------------------------------------------------
 */

/* A string; what must be made goes to that room. */
static bool take(decoder *d, int room, slice *out) {
    return raw_take_string(&d->in, &d->rooms[room], out);
}

/* A list's elements, or a set's. */
static engine_result plain_items(decoder *d, unsigned kind) {
    uint64_t n;
    slice a;
    DECODE_NEED(raw_take_count(&d->in, 1, &n) && n > 0);
    for (; n; n--) {
        DECODE_NEED(take(d, 0, &a));
        DECODE_TRY(give(d, kind, a));
    }
    return ENGINE_OK;
}

/* A sorted set: members, each with its score. */
static engine_result plain_scored(decoder *d, bool text) {
    uint64_t n;
    slice member;
    double score;
    DECODE_NEED(raw_take_count(&d->in, 2, &n) && n > 0);
    for (; n; n--) {
        DECODE_NEED(take(d, 0, &member));
        DECODE_NEED(text ? raw_take_double_text(&d->in, &score) : raw_take_double(&d->in, &score));
        DECODE_TRY(give_scored(d, member, score));
    }
    return ENGINE_OK;
}

/* A hash: fields, each with its value. */
static engine_result plain_fields(decoder *d) {
    uint64_t n;
    slice field, value;
    DECODE_NEED(raw_take_count(&d->in, 2, &n) && n > 0);
    for (; n; n--) {
        DECODE_NEED(take(d, 0, &field) && take(d, 1, &value));
        DECODE_TRY(give_field(d, field, value, 0));
    }
    return ENGINE_OK;
}

/* Times are 46 bits to redis-server; what is no time is malformed. */
static bool is_time(uint64_t ms) {
    return ms < (uint64_t)1 << 46;
}

/* Fields that may expire. The earliest time is in front, and the others say how much later they
 * are, plus one, as 0 is for fields that do not expire; in the older form they are as they are. */
static engine_result expiring_fields(decoder *d, bool relative) {
    uint64_t n, first = 0, ttl;
    slice field, value;
    if (relative) DECODE_NEED(get_u64(&d->in, &first));
    DECODE_NEED(raw_take_count(&d->in, 3, &n) && n > 0);
    for (; n; n--) {
        DECODE_NEED(raw_take_len(&d->in, &ttl) && is_time(ttl));
        if (relative && ttl) {
            DECODE_NEED(is_time(first));
            ttl += first - 1;
        }
        DECODE_NEED(is_time(ttl) && take(d, 0, &field) && take(d, 1, &value));
        DECODE_TRY(give_field(d, field, value, (int64_t)ttl));
    }
    return ENGINE_OK;
}

/* ---- blobs --------------------------------------------------------------------------------------
 */

/* A list's elements, or a set's: all of a blob. *any: there was one. */
static engine_result blob_items(decoder *d, unsigned kind, packed_kind format, slice blob,
                                bool *any) {
    packed p;
    packed_item item;
    packed_result r;
    DECODE_NEED(packed_open(&p, format, blob));
    while ((r = packed_next(&p, &item)) == PACKED_ITEM) {
        *any = true;
        DECODE_TRY(give(d, kind, packed_text(&item)));
    }
    return r == PACKED_END ? ENGINE_OK : DECODE_BAD;
}

/* One blob is all there is. */
static engine_result only_blob(decoder *d, unsigned kind, packed_kind format) {
    slice blob;
    bool any = false;
    DECODE_NEED(take(d, 0, &blob));
    DECODE_TRY(blob_items(d, kind, format, blob, &any));
    DECODE_NEED(any);
    return ENGINE_OK;
}

/* A score in a blob: a number, or a double's text. */
static bool score_of(packed_item *item, double *out) {
    if (!item->is_number) return num_parse_double(item->bytes, out);
    *out = (double)item->number;
    return true;
}

/* Pairs of a sorted set or a hash; of fields that expire, threes. */
static engine_result blob_tuples(decoder *d, unsigned kind, packed_kind format, unsigned each) {
    packed p;
    packed_item item[3];
    packed_result r;
    slice blob;
    DECODE_NEED(take(d, 0, &blob) && packed_open(&p, format, blob));
    while ((r = packed_next(&p, &item[0])) == PACKED_ITEM) {
        double score;
        for (unsigned i = 1; i < each; i++)
            DECODE_NEED(packed_next(&p, &item[i]) == PACKED_ITEM);
        if (kind == RDB_ITEM_SCORED) {
            DECODE_NEED(score_of(&item[1], &score));
            DECODE_TRY(give_scored(d, packed_text(&item[0]), score));
            continue;
        }
        if (each == 3) DECODE_NEED(item[2].is_number && is_time((uint64_t)item[2].number));
        DECODE_TRY(give_field(d, packed_text(&item[0]), packed_text(&item[1]),
                              each == 3 ? item[2].number : 0));
    }
    return r == PACKED_END && p.seen > 0 ? ENGINE_OK : DECODE_BAD;
}

/* A list's nodes: blobs that may be empty, if not all are; since 7.0 each says whether it is one or
 * an element by itself. */
static engine_result list_nodes(decoder *d, bool with_container) {
    enum { PLAIN = 1, PACKED = 2 };
    uint64_t n, container = PACKED;
    slice blob;
    bool any = false;
    DECODE_NEED(raw_take_count(&d->in, 1, &n));
    for (; n; n--) {
        if (with_container) DECODE_NEED(raw_take_len(&d->in, &container));
        DECODE_NEED(container == PLAIN || container == PACKED);
        DECODE_NEED(take(d, 0, &blob) && blob.len > 0);
        if (container == PLAIN) {
            any = true;
            DECODE_TRY(give(d, RDB_ITEM_ELEMENT, blob));
            continue;
        }
        packed_kind format = with_container ? PACKED_LISTPACK : PACKED_ZIPLIST;
        DECODE_TRY(blob_items(d, RDB_ITEM_ELEMENT, format, blob, &any));
    }
    return any ? ENGINE_OK : DECODE_BAD;
}

/* ---- all of it ----------------------------------------------------------------------------------
 */

/* A string is all there is. */
static engine_result a_string(decoder *d) {
    slice value;
    DECODE_NEED(take(d, 0, &value));
    return give(d, RDB_ITEM_STRING, value);
}

/* The earliest time in front is for those who keep hashes by it; the fields have theirs. */
static engine_result listpack_expires(decoder *d, bool has_first) {
    uint64_t first;
    if (has_first) DECODE_NEED(get_u64(&d->in, &first));
    return blob_tuples(d, RDB_ITEM_FIELD, PACKED_LISTPACK, 3);
}

/* A flat switch over all types there are. */
static engine_result contents(decoder *d, unsigned type) {
    switch (type) {
    case RDB_STRING: return a_string(d);
    case RDB_LIST: return plain_items(d, RDB_ITEM_ELEMENT);
    case RDB_LIST_ZIPLIST: return only_blob(d, RDB_ITEM_ELEMENT, PACKED_ZIPLIST);
    case RDB_LIST_ZIPLISTS: return list_nodes(d, false);
    case RDB_LIST_LISTPACKS: return list_nodes(d, true);
    case RDB_SET: return plain_items(d, RDB_ITEM_MEMBER);
    case RDB_SET_INTSET: return only_blob(d, RDB_ITEM_MEMBER, PACKED_INTSET);
    case RDB_SET_LISTPACK: return only_blob(d, RDB_ITEM_MEMBER, PACKED_LISTPACK);
    case RDB_ZSET_TEXT: return plain_scored(d, true);
    case RDB_ZSET: return plain_scored(d, false);
    case RDB_ZSET_ZIPLIST: return blob_tuples(d, RDB_ITEM_SCORED, PACKED_ZIPLIST, 2);
    case RDB_ZSET_LISTPACK: return blob_tuples(d, RDB_ITEM_SCORED, PACKED_LISTPACK, 2);
    case RDB_HASH: return plain_fields(d);
    case RDB_HASH_ZIPMAP: return blob_tuples(d, RDB_ITEM_FIELD, PACKED_ZIPMAP, 2);
    case RDB_HASH_ZIPLIST: return blob_tuples(d, RDB_ITEM_FIELD, PACKED_ZIPLIST, 2);
    case RDB_HASH_LISTPACK: return blob_tuples(d, RDB_ITEM_FIELD, PACKED_LISTPACK, 2);
    case RDB_HASH_EXPIRES_RC: return expiring_fields(d, false);
    case RDB_HASH_EXPIRES: return expiring_fields(d, true);
    case RDB_HASH_LISTPACK_EXPIRES_RC: return listpack_expires(d, false);
    case RDB_HASH_LISTPACK_EXPIRES: return listpack_expires(d, true);
    case RDB_STREAM_1:
    case RDB_STREAM_2:
    case RDB_STREAM_3: return decode_stream(d, type);
    default: return DECODE_BAD;
    }
}

/* By number; what is not in the table is no type. */
int rdb_key_type(unsigned type) {
    static const signed char types[] = {
        [RDB_STRING] = KEY_STRING,
        [RDB_LIST] = KEY_LIST,
        [RDB_SET] = KEY_SET,
        [RDB_ZSET_TEXT] = KEY_ZSET,
        [RDB_HASH] = KEY_HASH,
        [RDB_ZSET] = KEY_ZSET,
        [6 ... 8] = -1, /* modules', and a number that was never used */
        [RDB_HASH_ZIPMAP] = KEY_HASH,
        [RDB_LIST_ZIPLIST] = KEY_LIST,
        [RDB_SET_INTSET] = KEY_SET,
        [RDB_ZSET_ZIPLIST] = KEY_ZSET,
        [RDB_HASH_ZIPLIST] = KEY_HASH,
        [RDB_LIST_ZIPLISTS] = KEY_LIST,
        [RDB_STREAM_1] = KEY_STREAM,
        [RDB_HASH_LISTPACK] = KEY_HASH,
        [RDB_ZSET_LISTPACK] = KEY_ZSET,
        [RDB_LIST_LISTPACKS] = KEY_LIST,
        [RDB_STREAM_2] = KEY_STREAM,
        [RDB_SET_LISTPACK] = KEY_SET,
        [RDB_STREAM_3] = KEY_STREAM,
        [RDB_HASH_EXPIRES_RC] = KEY_HASH,
        [RDB_HASH_LISTPACK_EXPIRES_RC] = KEY_HASH,
        [RDB_HASH_EXPIRES] = KEY_HASH,
        [RDB_HASH_LISTPACK_EXPIRES] = KEY_HASH,
    };
    return type < sizeof types ? types[type] : -1;
}

/* Bytes behind the value are as wrong as bytes that are missing. */
engine_result rdb_decode(slice body, rdb_sink sink, void *ctx) {
    DECODE_NEED(body.len > 0);
    decoder d = {.in = slice_skip(body, 1), .sink = sink, .ctx = ctx};
    engine_result r = contents(&d, (unsigned char)body.data[0]);
    if (r == ENGINE_OK && d.in.len > 0) r = DECODE_BAD;
    buf_free(&d.rooms[0]);
    buf_free(&d.rooms[1]);
    buf_free(&d.parts);
    buf_free(&d.digits);
    buf_free(&d.pending);
    return r;
}
