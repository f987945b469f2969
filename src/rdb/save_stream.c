/* Saving a stream as redis-server 7.0 does: entries in macro-nodes (decode_stream.c draws one), cut
 * where redis-server would have cut them, then what it knows of itself, then its groups.
 *
 * A node's listpack begins with how many entries it has, and so is put together when it is full:
 * its entries are written to a listpack of their own first, whose elements are then taken over.
 * Entries that were deleted are not written: redis-server keeps them, marked, until a whole node is
 * gone, and counts them in the node's second number, which is 0 here. */
#include "keyspace/keyenc.h"
#include "rdb/save_int.h"
#include "types/stream_group.h"

/* The macro-node that is being filled. */
typedef struct node {
    uint64_t number; /* redis-server's */
    uint64_t live;
    stream_id base;
    buf names; /* the fields of its first entry: each its length, its bytes */
    uint64_t nfields;
    buf bytes; /* of `entries` */
    listpack_writer entries;
    buf blob;
} node;

/* Sixteen bytes, big-endian. */
static void put_id(buf *out, stream_id id) {
    char *p = buf_reserve(out, 16);
    out->len += (size_t)(keyenc_put_id(p, id.ms, id.seq) - p);
}

/* As two lengths. */
static void put_id_lens(buf *out, stream_id id) {
    raw_put_len(out, id.ms);
    raw_put_len(out, id.seq);
}

/* ---- macro-nodes --------------------------------------------------------------------------------
 */

/* The names are taken from the entry, and it is the node's first. */
static void begin_node(node *n, const stream_entry *at) {
    stream_entry e = *at;
    slice field, value;
    n->number = at->node.number;
    n->live = 0;
    n->base = at->id;
    n->nfields = at->fields;
    buf_clear(&n->names);
    while (stream_entry_next(&e, &field, &value)) {
        buf_append(&n->names, &field.len, sizeof field.len);
        buf_append_slice(&n->names, field);
    }
    buf_clear(&n->bytes);
    listpack_begin(&n->entries, &n->bytes);
}

/* Takes a name of the node's. */
static slice take_name(slice *names) {
    size_t len;
    memcpy(&len, names->data, sizeof len);
    slice name = slice_of(names->data + sizeof len, len);
    *names = slice_skip(*names, sizeof len + len);
    return name;
}

/* Are the entry's fields those of the node's first? */
static bool same_fields(const node *n, const stream_entry *at) {
    stream_entry e = *at;
    slice field, value, names = buf_slice(&n->names);
    if (at->fields != n->nfields) return false;
    while (stream_entry_next(&e, &field, &value))
        if (!slice_eq(field, take_name(&names))) return false;
    return true;
}

/* Fields are left out if they are those of the node's first entry, as they nearly always are. */
static void add_entry(node *n, const stream_entry *at) {
    stream_entry e = *at;
    slice field, value;
    listpack_writer *w = &n->entries;
    bool same = same_fields(n, at);
    uint64_t before = w->count;
    listpack_add_number(w, same ? 2 : 0);
    listpack_add_number(w, (int64_t)(at->id.ms - n->base.ms));
    listpack_add_number(w, (int64_t)(at->id.seq - n->base.seq));
    if (!same) listpack_add_number(w, (int64_t)at->fields);
    while (stream_entry_next(&e, &field, &value)) {
        if (!same) listpack_add(w, field);
        listpack_add(w, value);
    }
    listpack_add_number(w, (int64_t)(w->count - before));
    n->live++;
}

/* The node, with its id in front. */
static void put_node(node *n, buf *out) {
    listpack_writer w;
    slice names = buf_slice(&n->names);
    buf id = {0};
    buf_clear(&n->blob);
    listpack_begin(&w, &n->blob);
    listpack_add_number(&w, (int64_t)n->live);
    listpack_add_number(&w, 0);
    listpack_add_number(&w, (int64_t)n->nfields);
    while (names.len > 0)
        listpack_add(&w, take_name(&names));
    listpack_add_number(&w, 0);
    listpack_append(&w, &n->entries);
    listpack_end(&w);
    put_id(&id, n->base);
    raw_put_blob(out, buf_slice(&id));
    raw_put_blob(out, buf_slice(&n->blob));
    buf_free(&id);
}

/* All entries; *nodes counts. */
static engine_result put_entries(stream *s, buf *out, node *n, uint64_t *nodes) {
    stream_walk w;
    engine_result r = stream_walk_begin(s, STREAM_ID_ZERO, STREAM_ID_MAX, false, &w);
    for (; r == ENGINE_OK; r = stream_walk_next(&w)) {
        if (*nodes > 0 && w.at.node.number != n->number) put_node(n, out);
        if (*nodes == 0 || w.at.node.number != n->number) {
            begin_node(n, &w.at);
            ++*nodes;
        }
        add_entry(n, &w.at);
    }
    if (*nodes > 0) put_node(n, out);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* How many there are goes in front of them, and is known last. */
static engine_result put_nodes(stream *s, buf *out) {
    node n = {0};
    uint64_t nodes = 0;
    size_t at = out->len;
    engine_result r = put_entries(s, out, &n, &nodes);
    if (r == ENGINE_OK) save_len_at(out, at, nodes);
    buf_free(&n.names);
    buf_free(&n.bytes);
    buf_free(&n.blob);
    return r;
}

/* ---- groups -------------------------------------------------------------------------------------
 */

/* All that is pending in the group. */
static engine_result put_pending(stream *s, stream_group *g, buf *out) {
    stream_pending_walk w;
    raw_put_len(out, g->pending);
    engine_result r = stream_pending_begin(s, g, NULL, STREAM_ID_ZERO, &w);
    for (; r == ENGINE_OK; r = stream_pending_next(&w)) {
        put_id(out, w.at.id);
        raw_put_u64(out, (uint64_t)w.at.time);
        raw_put_len(out, w.at.deliveries);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* Its name, when it was seen, and the ids of what is pending for it. */
static engine_result put_consumer(stream *s, stream_group *g, stream_consumer *c, buf *out) {
    stream_pending_walk w;
    raw_put_string(out, c->name);
    raw_put_u64(out, (uint64_t)c->seen);
    raw_put_len(out, c->pending);
    engine_result r = stream_pending_begin(s, g, c, STREAM_ID_ZERO, &w);
    for (; r == ENGINE_OK; r = stream_pending_next(&w))
        put_id(out, w.at.id);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* What is pending is there twice: in the group with times and counts, with each consumer by id. */
static engine_result put_group(stream *s, stream_group *g, buf *out) {
    stream_consumer *c;
    raw_put_string(out, g->name);
    put_id_lens(out, g->last_id);
    raw_put_len(out, (uint64_t)g->entries_read);
    engine_result r = put_pending(s, g, out);
    if (r != ENGINE_OK) return r;
    raw_put_len(out, g->consumers);
    r = stream_consumer_next(s, g, NULL, &c);
    while (r == ENGINE_OK) {
        r = put_consumer(s, g, c, out);
        if (r == ENGINE_OK) r = stream_consumer_next(s, g, &c->name, &c);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* By name. A group that is open is large, and so is not on the stack. */
static engine_result put_groups(stream *s, buf *out) {
    uint64_t count;
    engine_result r = stream_group_count(s, &count);
    if (r != ENGINE_OK) return r;
    raw_put_len(out, count);
    stream_group *g = ks_alloc(s->el.ks, sizeof *g);
    r = stream_group_next(s, NULL, g);
    while (r == ENGINE_OK) {
        r = put_group(s, g, out);
        slice name = g->name;
        if (r == ENGINE_OK) r = stream_group_next(s, &name, g);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* The first id is that of the first entry that is there. */
engine_result save_stream(keyspace *ks, uint32_t db, slice key, const entry *ent, buf *out) {
    stream s = {0};
    stream_id first;
    buf_append_char(out, RDB_STREAM_2);
    engine_result r = el_of_entry(ks, db, key, ent, &stream_type, &s.el);
    if (r == ENGINE_OK) r = stream_load(&s);
    if (r == ENGINE_OK) r = put_nodes(&s, out);
    if (r == ENGINE_OK) r = stream_first(&s, &first);
    if (r != ENGINE_OK) return r;
    raw_put_len(out, stream_length(&s));
    put_id_lens(out, s.last_id);
    put_id_lens(out, first);
    put_id_lens(out, s.max_deleted);
    raw_put_len(out, s.added);
    return put_groups(&s, out);
}
