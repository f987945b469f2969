/* stream_int: what the files of the streams share. */
#ifndef STAVE_TYPES_STREAM_INT_H
#define STAVE_TYPES_STREAM_INT_H

#include "base/log.h"
#include "keyspace/keyenc.h"
#include "types/limits.h"
#include "types/stream_group.h"

/* The maps besides 0; README.md says what is in them. */
enum stream_map {
    STREAM_GROUPS = 1,
    STREAM_PENDING = 2,
    STREAM_CONSUMERS = 3,
    STREAM_OWNED = 4,
    STREAM_NAMES = 5,
};

/* Bit of el_hint: something of STREAM_GROUPS says what was dropped and must be cleared up. */
#define STREAM_DROPPED 1u

/* Which records of STREAM_GROUPS: their subkey's first byte. */
enum stream_group_tag { TAG_GROUP = 0, TAG_DROPPED = 1 };

/* An ID's subkey in map 0. */
static inline slice stream_id_key(char out[KEYENC_ID], stream_id id) {
    keyenc_put_id(out, id.ms, id.seq);
    return slice_of(out, KEYENC_ID);
}
/* Of the first KEYENC_ID bytes there. */
static inline stream_id stream_id_of(const char *p) {
    return (stream_id){load_be64(p), load_be64(p + 8)};
}
/* Decoders of what this program wrote, and whose CRC was right: another form is a fault. */
static inline uint64_t stream_take(slice *in) {
    uint64_t v;
    CHECK(get_varint(in, &v));
    return v;
}

/* stream_entry.c: an element of map 0 as an entry, and back. */
void stream_entry_decode(const el_item *item, stream_entry *out);
slice stream_entry_encode(stream *s, uint64_t ordinal, const stream_node *node, const slice *pairs,
                          size_t n);
/* stream_node.names of an entry. */
uint32_t stream_entry_names(stream_entry e);
/* The last entry was deleted: what it said of the state goes to the header. */
engine_result stream_newest_gone(stream *s);
/* The node arithmetic: where the entry goes that comes after `tail` (has: there is one). */
stream_node stream_node_after(bool has, stream_node tail, const slice *pairs, size_t n);
/* Clears up about `budget` elements of what was dropped. */
engine_result stream_sweep(stream *s, uint64_t budget);
/* The consumer of that number; one that is `gone` if there is none. */
engine_result stream_consumer_by_number(stream *s, stream_group *g, uint64_t number,
                                        stream_consumer **out);

#endif
