/* Streams: what a stream is as a whole, and its header.
 *
 * An entry carries what the stream was when it was added: how many there had been, and where it is
 * among the nodes. So the state of the stream is that of its last entry, and XADD writes one
 * element and nothing else. What can't be had from there is in the header of the main entry: a
 * snapshot of the state, written when the last entry goes or the state is set by hand. Of the two
 * the one with the greater ID counts, the header if they are the same. */
#include "types/stream_int.h"

const el_type stream_type = {.type = KEY_STREAM, .order = EL_BY_SUBKEY, .lives_empty = true};

/* Elements that a changing command clears up of what was dropped. */
#define SWEEP 512

engine_result stream_encoding(elements *el, const char **name) {
    (void)el;
    *name = "stream";
    return ENGINE_OK;
}

bool stream_id_up(stream_id *id) {
    if (++id->seq == 0) id->ms++;
    return !stream_id_zero(*id);
}

bool stream_id_down(stream_id *id) {
    bool has = !stream_id_zero(*id);
    if (id->seq-- == 0) id->ms--;
    return has;
}

/* ---- the header ---------------------------------------------------------------------------------
 */

#define HEADER_MAX (2 * KEYENC_ID + 5 * VARINT_MAX + 4)

static stream_id take_id(slice *in) {
    slice bytes;
    CHECK(get_bytes(in, KEYENC_ID, &bytes));
    return stream_id_of(bytes.data);
}

/* The state as the header has it; zeros without one. */
static void decode_header(stream *s) {
    slice in = s->el.header;
    if (in.len == 0) return;
    s->last_id = take_id(&in);
    s->max_deleted = take_id(&in);
    s->added = stream_take(&in);
    s->next_group = stream_take(&in);
    s->tail.number = stream_take(&in);
    uint64_t place = stream_take(&in);
    s->tail.place = place >> 1;
    s->tail.same = place & 1;
    s->tail.bytes = stream_take(&in);
    CHECK(get_u32(&in, &s->tail.names) && in.len == 0);
}

/* A snapshot of the state as it is. */
static void encode_header(stream *s) {
    char bytes[HEADER_MAX], *p = bytes;
    p = keyenc_put_id(p, s->last_id.ms, s->last_id.seq);
    p = keyenc_put_id(p, s->max_deleted.ms, s->max_deleted.seq);
    p = put_varint(p, s->added);
    p = put_varint(p, s->next_group);
    p = put_varint(p, s->tail.number);
    p = put_varint(p, s->tail.place << 1 | s->tail.same);
    p = put_varint(p, s->tail.bytes);
    p = put_u32(p, s->tail.names);
    el_set_header(&s->el, slice_of(bytes, (size_t)(p - bytes)));
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

/* The last entry, if there is one. */
static engine_result last_entry(stream *s, stream_entry *out, bool *found) {
    el_iter it;
    engine_result r = el_last(&s->el, 0, &it);
    *found = r == ENGINE_OK;
    if (r == ENGINE_OK) stream_entry_decode(&it.item, out);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* One seek: the last entry. The header came with the main entry. */
engine_result stream_load(stream *s) {
    stream_entry last;
    bool found;
    CHECK(!s->el.wrong_type);
    *s = (stream){.el = s->el};
    if (!s->el.exists) return ENGINE_OK;
    decode_header(s);
    engine_result r = last_entry(s, &last, &found);
    if (r != ENGINE_OK || !found) return r;
    s->newest = last.id;
    if (stream_id_cmp(last.id, s->last_id) <= 0) return ENGINE_OK;
    s->last_id = last.id;
    s->added = last.ordinal;
    s->tail = last.node;
    s->tail.names = stream_entry_names(last);
    return ENGINE_OK;
}

engine_result stream_end(stream *s) {
    engine_result r = ENGINE_OK;
    if (el_hint(&s->el) & STREAM_DROPPED) r = stream_sweep(s, SWEEP);
    if (r != ENGINE_OK) return r;
    if (s->state_changed) encode_header(s);
    s->state_changed = false;
    return el_end(&s->el);
}

void stream_set_state(stream *s, stream_id last_id, uint64_t added, stream_id max_deleted) {
    CHECK(stream_id_cmp(last_id, s->newest) >= 0 && added >= stream_length(s));
    s->last_id = last_id;
    s->added = added;
    s->max_deleted = max_deleted;
    s->state_changed = true;
    el_make(&s->el);
}

/* Nodes that lost all their entries in the middle still count here. */
engine_result stream_nodes(stream *s, uint64_t *nodes) {
    el_iter it;
    stream_entry first, last;
    bool found;
    *nodes = 0;
    engine_result r = last_entry(s, &last, &found);
    if (r != ENGINE_OK || !found) return r;
    r = el_first(&s->el, 0, &it);
    if (r != ENGINE_OK) return r;
    stream_entry_decode(&it.item, &first);
    CHECK(last.node.number >= first.node.number);
    *nodes = last.node.number - first.node.number + 1;
    return ENGINE_OK;
}

/* ---- entries ------------------------------------------------------------------------------------
 */

engine_result stream_add(stream *s, stream_id id, const slice *pairs, size_t n) {
    char key[KEYENC_ID];
    CHECK(stream_id_cmp(id, s->last_id) > 0 && n % 2 == 0);
    stream_node node = stream_node_after(!stream_id_zero(s->newest), s->tail, pairs, n);
    slice value = stream_entry_encode(s, s->added + 1, &node, pairs, n);
    engine_result r = el_put(&s->el, 0, stream_id_key(key, id), value, ENGINE_NO_EXPIRE, NULL);
    if (r != ENGINE_OK) return r;
    s->last_id = s->newest = id;
    s->added++;
    s->tail = node;
    return ENGINE_OK;
}

engine_result stream_get(stream *s, stream_id id, stream_entry *out) {
    char key[KEYENC_ID];
    el_item item;
    engine_result r = el_get(&s->el, 0, stream_id_key(key, id), &item);
    if (r != ENGINE_OK) return r;
    item.sub = stream_id_key(key, id);
    stream_entry_decode(&item, out);
    return ENGINE_OK;
}

/* The state can no longer be had from the entry that was the last. Its node goes on as long as it
 * has entries. */
engine_result stream_newest_gone(stream *s) {
    stream_entry last;
    bool found;
    s->state_changed = true;
    s->newest = STREAM_ID_ZERO;
    engine_result r = last_entry(s, &last, &found);
    if (r != ENGINE_OK || !found) return r;
    s->newest = last.id;
    if (last.node.number == s->tail.number) return ENGINE_OK;
    s->tail = last.node;
    s->tail.names = stream_entry_names(last);
    return ENGINE_OK;
}

/* A deletion one by one is remembered, for entries-read and lag. */
engine_result stream_del(stream *s, stream_id id) {
    char key[KEYENC_ID];
    engine_result r = el_del(&s->el, 0, stream_id_key(key, id), EL_UNKNOWN);
    if (r != ENGINE_OK) return r;
    if (stream_id_cmp(id, s->max_deleted) > 0) {
        s->max_deleted = id;
        s->state_changed = true;
    }
    return stream_id_cmp(id, s->newest) == 0 ? stream_newest_gone(s) : ENGINE_OK;
}

/* The entry where the iterator is, unless that is beyond the end. */
static engine_result settle(stream_walk *w, engine_result r) {
    if (r != ENGINE_OK) return r;
    stream_entry_decode(&w->it.item, &w->at);
    int past = stream_id_cmp(w->at.id, w->last);
    return (w->backward ? past < 0 : past > 0) ? ENGINE_ABSENT : ENGINE_OK;
}

engine_result stream_walk_begin(stream *s, stream_id first, stream_id last, bool backward,
                                stream_walk *out) {
    char key[KEYENC_ID];
    *out = (stream_walk){.s = s, .last = last, .backward = backward};
    return settle(out, el_seek(&s->el, 0, stream_id_key(key, first), backward, &out->it));
}

engine_result stream_walk_next(stream_walk *w) {
    return settle(w, el_step(&w->it, w->backward));
}

engine_result stream_first(stream *s, stream_id *id) {
    el_iter it;
    stream_entry first;
    *id = STREAM_ID_ZERO;
    engine_result r = el_first(&s->el, 0, &it);
    if (r != ENGINE_OK) return r == ENGINE_ABSENT ? ENGINE_OK : r;
    stream_entry_decode(&it.item, &first);
    *id = first.id;
    return ENGINE_OK;
}

/* ---- distances ----------------------------------------------------------------------------------
 */

/* One deletion is known, the greatest: if it is not after `from`, none is. */
bool stream_holes_after(stream *s, stream_id first, stream_id from) {
    if (stream_length(s) == 0 || stream_id_zero(s->max_deleted)) return false;
    if (stream_id_cmp(first, s->max_deleted) > 0) return false;
    return stream_id_cmp(from, s->max_deleted) <= 0;
}

int64_t stream_distance(stream *s, stream_id first, stream_id id) {
    uint64_t length = stream_length(s);
    int64_t added = (int64_t)s->added;
    int at_last = stream_id_cmp(id, s->last_id);
    if (added == 0) return 0;
    if (length == 0 && at_last <= 0) return added;
    if (at_last == 0) return added;
    if (at_last > 0) return STREAM_UNKNOWN; /* of an ID that is to come nothing is known */
    bool whole = stream_id_zero(s->max_deleted) || stream_id_cmp(s->max_deleted, first) < 0;
    int at_first = stream_id_cmp(id, first);
    if (!whole || at_first > 0) return STREAM_UNKNOWN;
    return (int64_t)(s->added - length + (at_first == 0));
}
