/* Decoding a stream: its macro-nodes' entries, what it knows of itself, its groups.
 *
 * A macro-node is a listpack of entries that follow each other, with ids relative to the node's
 * and, usually, the fields of its first entry:
 *
 *   master   live | deleted | number of fields | fields | 0
 *   entry    flags | ms, seq relative to the node's | [number of fields, if not the master's] |
 *            [fields and] values | how many elements this entry has, without this one
 *
 * flags: 1 deleted, 2 the fields are the master's.
 *
 * A group has a list of all that is pending, and then each consumer of its own, by id only; they
 * are put together here, so that whoever takes them has all of a pending entry at once. Ids ascend
 * in every list, which is checked, as is that each pending entry has exactly one owner. */
#include "rdb/decode_int.h"

#include "base/codec.h"

enum entry_flags { ENTRY_DELETED = 1, ENTRY_SAME_FIELDS = 2 };

/* Fields of an entry: so that no payload of LZF makes us take many times what it stands for. */
#define FIELDS_MAX (1u << 20)

#define ID_BYTES 16
/* Entries pending take at least: id, time, count. */
#define PENDING_BYTES (ID_BYTES + 8 + 1)

/* Sixteen bytes, big-endian. */
static bool take_id(slice *in, stream_id *out) {
    slice bytes;
    if (!get_bytes(in, ID_BYTES, &bytes)) return false;
    *out = (stream_id){load_be64(bytes.data), load_be64(bytes.data + 8)};
    return true;
}

/* As two lengths. */
static bool take_id_lens(slice *in, stream_id *out) {
    return raw_take_len(in, &out->ms) && raw_take_len(in, &out->seq);
}

/* ---- entries ------------------------------------------------------------------------------------
 */

/* A macro-node that is being read. */
typedef struct node {
    packed at;
    packed master_fields; /* at the master's first field */
    uint64_t nfields;     /* the master's */
    stream_id base;
    uint64_t live, deleted;
} node;

/* A number that is one in the listpack. */
static bool take_number(packed *p, int64_t *out) {
    packed_item item;
    if (packed_next(p, &item) != PACKED_ITEM || !item.is_number) return false;
    *out = item.number;
    return true;
}

/* One that counts elements of the listpack, so that it cannot be more than the listpack's bytes. */
static bool take_count(packed *p, uint64_t *out) {
    int64_t n;
    if (!take_number(p, &n) || n < 0 || (uint64_t)n > p->bytes.len) return false;
    *out = (uint64_t)n;
    return true;
}

/* One more part of the entry: bytes in the listpack, or a number's text in d->digits, which has
 * room for all there can be and so stays where it is. */
static bool take_part(decoder *d, packed *p) {
    packed_item item;
    if (packed_next(p, &item) != PACKED_ITEM) return false;
    slice text = packed_text(&item);
    if (item.is_number) {
        slice copy = slice_of(d->digits.data + d->digits.len, text.len);
        buf_append_slice(&d->digits, text);
        text = copy;
    }
    buf_append(&d->parts, &text, sizeof text);
    return true;
}

/* The entry's fields and values to d->parts. */
static bool take_parts(decoder *d, node *n, uint64_t nfields, bool same_fields) {
    packed master = n->master_fields;
    buf_clear(&d->parts);
    buf_clear(&d->digits);
    (void)buf_reserve(&d->digits, (size_t)nfields * 2 * NUM_I64_TEXT);
    for (uint64_t i = 0; i < nfields; i++)
        if (!take_part(d, same_fields ? &master : &n->at) || !take_part(d, &n->at)) return false;
    return true;
}

/* An entry behind its flags; *last: the id of the one before, in this node or another. */
static engine_result take_entry(decoder *d, node *n, int64_t flags, rdb_item *info) {
    uint64_t nfields = n->nfields, seen = n->at.seen - 1;
    int64_t ms, seq, size;
    bool same = (flags & ENTRY_SAME_FIELDS) != 0;
    DECODE_NEED(flags >= 0 && flags <= (ENTRY_DELETED | ENTRY_SAME_FIELDS));
    DECODE_NEED(take_number(&n->at, &ms) && take_number(&n->at, &seq));
    if (!same) DECODE_NEED(take_count(&n->at, &nfields));
    DECODE_NEED(nfields > 0 && nfields <= FIELDS_MAX && take_parts(d, n, nfields, same));
    seen = n->at.seen - seen;
    DECODE_NEED(take_number(&n->at, &size) && size >= 0 && (uint64_t)size == seen);
    stream_id id = {n->base.ms + (uint64_t)ms, n->base.seq + (uint64_t)seq};
    DECODE_NEED(stream_id_cmp(id, info->id) > 0);
    info->id = id;
    if (flags & ENTRY_DELETED) {
        n->deleted--;
        return ENGINE_OK;
    }
    n->live--;
    if (info->stream.length++ == 0) info->stream.first = id;
    return d->sink(d->ctx, &(rdb_item){.kind = RDB_ITEM_ENTRY,
                                       .id = id,
                                       .parts = (const void *)d->parts.data,
                                       .nparts = d->parts.len / sizeof(slice)});
}

/* A macro-node. The counts in its master must be those of its entries. */
static engine_result take_node(decoder *d, rdb_item *info) {
    slice key, blob;
    node n;
    packed_item item;
    packed_result r;
    int64_t zero;
    DECODE_NEED(raw_take_string(&d->in, &d->rooms[0], &key) && key.len == ID_BYTES &&
                take_id(&key, &n.base));
    DECODE_NEED(raw_take_string(&d->in, &d->rooms[1], &blob) &&
                packed_open(&n.at, PACKED_LISTPACK, blob));
    DECODE_NEED(take_count(&n.at, &n.live) && take_count(&n.at, &n.deleted) &&
                take_count(&n.at, &n.nfields));
    n.master_fields = n.at;
    for (uint64_t i = 0; i < n.nfields; i++)
        DECODE_NEED(packed_next(&n.at, &item) == PACKED_ITEM);
    DECODE_NEED(take_number(&n.at, &zero) && zero == 0);
    while ((r = packed_next(&n.at, &item)) == PACKED_ITEM) {
        DECODE_NEED(item.is_number);
        DECODE_TRY(take_entry(d, &n, item.number, info));
    }
    return r == PACKED_END && n.live == 0 && n.deleted == 0 ? ENGINE_OK : DECODE_BAD;
}

/* ---- groups -------------------------------------------------------------------------------------
 */

typedef struct pending {
    stream_id id;
    uint64_t delivered, count;
    bool owned;
} pending;

/* All that is pending in the group, to d->pending. */
static bool take_all_pending(decoder *d, size_t *out) {
    uint64_t n;
    buf_clear(&d->pending);
    if (!raw_take_count(&d->in, PENDING_BYTES, &n)) return false;
    *out = (size_t)n;
    pending *all = (void *)buf_reserve_exact(&d->pending, (size_t)n * sizeof *all);
    for (uint64_t i = 0; i < n; i++) {
        pending *p = &all[i];
        p->owned = false;
        if (!take_id(&d->in, &p->id) || !get_u64(&d->in, &p->delivered) ||
            !raw_take_len(&d->in, &p->count) || (i > 0 && stream_id_cmp(p->id, p[-1].id) <= 0))
            return false;
        if (p->delivered > INT64_MAX || p->count > INT64_MAX) return false;
    }
    return true;
}

/* The group's pending entry of that id, which nobody else owns. */
static pending *find_pending(decoder *d, size_t n, stream_id id) {
    pending *all = (void *)d->pending.data;
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int cmp = stream_id_cmp(all[mid].id, id);
        if (cmp == 0) return all[mid].owned ? NULL : &all[mid];
        if (cmp < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

/* A consumer and what it has to acknowledge; *owned counts. */
static engine_result take_consumer(decoder *d, unsigned type, size_t npending, size_t *owned) {
    uint64_t seen, active, n;
    slice name;
    DECODE_NEED(raw_take_string(&d->in, &d->rooms[0], &name) && get_u64(&d->in, &seen));
    active = seen;
    if (type >= RDB_STREAM_3) DECODE_NEED(get_u64(&d->in, &active));
    DECODE_TRY(d->sink(d->ctx, &(rdb_item){.kind = RDB_ITEM_CONSUMER,
                                           .a = name,
                                           .seen = (int64_t)seen,
                                           .active = (int64_t)active}));
    DECODE_NEED(raw_take_count(&d->in, ID_BYTES, &n));
    for (; n; n--) {
        stream_id id;
        DECODE_NEED(take_id(&d->in, &id));
        pending *p = find_pending(d, npending, id);
        DECODE_NEED(p);
        p->owned = true;
        ++*owned;
        DECODE_TRY(d->sink(d->ctx, &(rdb_item){.kind = RDB_ITEM_PENDING,
                                               .id = id,
                                               .seen = (int64_t)p->delivered,
                                               .count = (int64_t)p->count}));
    }
    return ENGINE_OK;
}

/* How many entries a group has read that has delivered up to `id`, where the payload does not say:
 * known at the stream's ends only. */
static int64_t guess_read(const rdb_item *info, stream_id id) {
    if (info->stream.added == 0) return 0;
    if (info->stream.length == 0 && stream_id_cmp(id, info->stream.last) <= 0)
        return (int64_t)info->stream.added;
    int to_last = stream_id_cmp(id, info->stream.last);
    if (to_last == 0) return (int64_t)info->stream.added;
    if (to_last > 0) return -1;
    if (stream_id_cmp(id, info->stream.first) < 0) return 0;
    return stream_id_cmp(id, info->stream.first) == 0 ? 1 : -1;
}

/* A group: its name and place, all that is pending, then its consumers, who must own all of that.
 */
static engine_result take_group(decoder *d, unsigned type, const rdb_item *info) {
    rdb_item group = {.kind = RDB_ITEM_GROUP};
    uint64_t read, nconsumers;
    size_t npending, owned = 0;
    DECODE_NEED(raw_take_string(&d->in, &d->rooms[0], &group.a) && take_id_lens(&d->in, &group.id));
    group.count = guess_read(info, group.id);
    if (type >= RDB_STREAM_2) {
        DECODE_NEED(raw_take_len(&d->in, &read));
        group.count = (int64_t)read;
        DECODE_NEED(group.count >= -1);
    }
    DECODE_TRY(d->sink(d->ctx, &group));
    DECODE_NEED(take_all_pending(d, &npending));
    DECODE_NEED(raw_take_count(&d->in, 1, &nconsumers));
    for (; nconsumers; nconsumers--)
        DECODE_TRY(take_consumer(d, type, npending, &owned));
    return owned == npending ? ENGINE_OK : DECODE_BAD;
}

/* ---- all of it ----------------------------------------------------------------------------------
 */

/* What the stream knows of itself, behind its entries. The length must be true, and no entry behind
 * the last id. */
static engine_result take_info(decoder *d, unsigned type, rdb_item *info) {
    uint64_t length;
    stream_id last_entry = info->id, first = info->stream.first;
    DECODE_NEED(raw_take_len(&d->in, &length) && length == info->stream.length);
    DECODE_NEED(take_id_lens(&d->in, &info->stream.last));
    DECODE_NEED(length == 0 || stream_id_cmp(last_entry, info->stream.last) <= 0);
    info->stream.added = length;
    if (type >= RDB_STREAM_2) {
        DECODE_NEED(take_id_lens(&d->in, &info->stream.first) &&
                    take_id_lens(&d->in, &info->stream.max_deleted) &&
                    raw_take_len(&d->in, &info->stream.added));
        DECODE_NEED(info->stream.added <= INT64_MAX && info->stream.added >= length);
        DECODE_NEED(stream_id_cmp(info->stream.max_deleted, info->stream.last) <= 0);
    }
    info->stream.first = first; /* what the entries say; none: 0-0 */
    info->kind = RDB_ITEM_STREAM;
    return d->sink(d->ctx, info);
}

/* Nodes, what the stream knows of itself, groups. Counts are compared with the least bytes that
each needs. */
engine_result decode_stream(decoder *d, unsigned type) {
    rdb_item info = {0}; /* id: of the last entry so far */
    uint64_t n;
    DECODE_NEED(raw_take_count(&d->in, 2, &n));
    for (; n; n--)
        DECODE_TRY(take_node(d, &info));
    DECODE_TRY(take_info(d, type, &info));
    DECODE_NEED(raw_take_count(&d->in, 4, &n));
    for (; n; n--)
        DECODE_TRY(take_group(d, type, &info));
    return ENGINE_OK;
}
