/* Entries of a stream as bytes, and the nodes in which redis-server would keep them.
 *
 * Stave keeps entries one by one. But XTRIM with `~` removes whole nodes, and XINFO STREAM tells
 * their number; so every entry notes where it is among them, worked out as redis-server does: a
 * node ends when it has stream-node-max-entries, or when its listpack and the next entry would
 * reach stream-node-max-bytes. A node's first entry lends its names of fields to those after it;
 * those with other names take more room. What the differences of IDs take is estimated. */
#include "types/stream_int.h"

#include "base/hash.h"
#include "types/listpack.h"

/* ---- bytes --------------------------------------------------------------------------------------
 */

#define HEAD_MAX (5 * VARINT_MAX)

void stream_entry_decode(const el_item *item, stream_entry *out) {
    slice in = item->value;
    CHECK(item->sub.len == KEYENC_ID);
    out->id = stream_id_of(item->sub.data);
    out->ordinal = stream_take(&in);
    out->node.number = stream_take(&in);
    uint64_t place = stream_take(&in);
    out->node.place = place >> 1;
    out->node.same = place & 1;
    out->node.bytes = stream_take(&in);
    out->node.names = 0;
    out->fields = stream_take(&in);
    out->rest = in;
}

bool stream_entry_next(stream_entry *e, slice *field, slice *value) {
    if (e->rest.len == 0) return false;
    CHECK(get_varbytes(&e->rest, field) && get_varbytes(&e->rest, value));
    return true;
}

uint64_t stream_entry_size(const slice *pairs, size_t n) {
    uint64_t size = HEAD_MAX;
    for (size_t i = 0; i < n; i++)
        size += varint_size(pairs[i].len) + pairs[i].len;
    return size;
}

slice stream_entry_encode(stream *s, uint64_t ordinal, const stream_node *node, const slice *pairs,
                          size_t n) {
    char *start = ks_alloc(s->el.ks, (size_t)stream_entry_size(pairs, n)), *p = start;
    p = put_varint(p, ordinal);
    p = put_varint(p, node->number);
    p = put_varint(p, node->place << 1 | node->same);
    p = put_varint(p, node->bytes);
    p = put_varint(p, n / 2);
    for (size_t i = 0; i < n; i++) {
        p = put_varint(p, pairs[i].len);
        if (pairs[i].len) memcpy(p, pairs[i].data, pairs[i].len);
        p += pairs[i].len;
    }
    return slice_of(start, (size_t)(p - start));
}

/* ---- nodes --------------------------------------------------------------------------------------
 */

#define LISTPACK_EMPTY 7
#define NODE_BYTES_MAX (1u << 30)
#define SMALL_INT      2 /* bytes of an integer up to 127 */
#define ID_BYTES       5 /* of the two differences to the node's ID, about */

/* Adds a field's name to what tells lists of names apart. */
static uint32_t add_name(uint32_t names, slice field) {
    return (uint32_t)siphash13((hash_key){names, field.len}, field.data, field.len);
}

uint32_t stream_entry_names(stream_entry e) {
    uint32_t names = 0;
    slice field, value;
    while (stream_entry_next(&e, &field, &value))
        names = add_name(names, field);
    return names;
}

/* Of every second slice. */
static uint64_t listpack_sizes(const slice *pairs, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i += 2)
        sum += listpack_entry(pairs[i], pairs[i].len);
    return sum;
}

/* Is the node full, for an entry of that many bytes? */
static bool full(const stream_node *tail, uint64_t bytes) {
    uint64_t max = (uint64_t)types_limit.stream_bytes;
    if (max == 0 || max > NODE_BYTES_MAX) max = NODE_BYTES_MAX;
    if (tail->bytes + bytes >= max) return true;
    uint64_t entries = (uint64_t)types_limit.stream_entries;
    return entries && tail->place + 1 >= entries;
}

stream_node stream_node_after(bool has, stream_node tail, const slice *pairs, size_t n) {
    stream_node node = tail;
    uint32_t names = 0;
    uint64_t plain = 0;
    for (size_t i = 0; i < n; i++)
        plain += pairs[i].len;
    for (size_t i = 0; i < n; i += 2)
        names = add_name(names, pairs[i]);
    if (!has || full(&tail, plain)) {
        node.number++;
        node.place = 0;
        node.same = true;
        node.bytes = LISTPACK_EMPTY + 4 * SMALL_INT + listpack_sizes(pairs, n);
    } else {
        node.place++;
        node.same = tail.same && tail.names == names;
    }
    node.names = names;
    node.bytes += 2 * SMALL_INT + ID_BYTES + listpack_sizes(pairs + 1, n);
    if (!node.same) node.bytes += SMALL_INT + listpack_sizes(pairs, n);
    return node;
}
