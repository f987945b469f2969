/* Groups of a stream and their consumers: their records.
 *
 * A group has a number, and so has a consumer in it, by which everything else names them and which
 * is never used again. So to drop one with a million pending entries it is enough to delete its
 * record: what else has its number is no longer there for anybody, and goes in small portions
 * (stream_sweep), while a group of the same name may have been made again. */
#include "types/stream_int.h"

#define RECORD_MAX (KEYENC_ID + 6 * VARINT_MAX)

/* ---- keys ---------------------------------------------------------------------------------------
 */

/* Joins a number (or not: 0 is none) and bytes, in the keyspace's memory. */
static slice numbered(stream *s, uint64_t a, uint64_t b, slice rest) {
    char *start = ks_alloc(s->el.ks, 2 * KEYENC_NUMBER + rest.len), *p = start;
    p = keyenc_put_number(p, a);
    if (b) p = keyenc_put_number(p, b);
    if (rest.len) memcpy(p, rest.data, rest.len);
    return slice_of(start, (size_t)(p - start) + rest.len);
}
static slice tagged(stream *s, enum stream_group_tag tag, slice rest) {
    char *p = ks_alloc(s->el.ks, 1 + rest.len);
    *p = (char)tag;
    if (rest.len) memcpy(p + 1, rest.data, rest.len);
    return slice_of(p, 1 + rest.len);
}
/* The least string that is greater than it. */
static slice just_above(stream *s, slice name) {
    char *p = ks_alloc(s->el.ks, name.len + 1);
    if (name.len) memcpy(p, name.data, name.len);
    p[name.len] = 0;
    return slice_of(p, name.len + 1);
}

/* ---- groups -------------------------------------------------------------------------------------
 */

/* From its record. */
static void decode_group(stream *s, slice name, slice value, stream_group *out) {
    slice id;
    *out = (stream_group){.name = el_keep(&s->el, name)};
    out->number = stream_take(&value);
    CHECK(get_bytes(&value, KEYENC_ID, &id));
    out->last_id = stream_id_of(id.data);
    out->entries_read = (int64_t)(stream_take(&value) - 1);
    out->next_consumer = stream_take(&value);
    out->pending = stream_take(&value);
    out->consumers = stream_take(&value);
    CHECK(value.len == 0 && out->number > 0);
}

/* Its record, anew. */
static engine_result put_group(stream *s, stream_group *g) {
    char bytes[RECORD_MAX], *p = bytes;
    p = put_varint(p, g->number);
    p = keyenc_put_id(p, g->last_id.ms, g->last_id.seq);
    p = put_varint(p, (uint64_t)g->entries_read + 1);
    p = put_varint(p, g->next_consumer);
    p = put_varint(p, g->pending);
    p = put_varint(p, g->consumers);
    g->changed = false;
    return el_put(&s->el, STREAM_GROUPS, tagged(s, TAG_GROUP, g->name),
                  slice_of(bytes, (size_t)(p - bytes)), ENGINE_NO_EXPIRE, EL_UNKNOWN);
}

engine_result stream_group_open(stream *s, slice name, stream_group *out) {
    el_item item;
    if (name.len > STREAM_NAME_MAX) return ENGINE_ABSENT;
    engine_result r = el_get(&s->el, STREAM_GROUPS, tagged(s, TAG_GROUP, name), &item);
    if (r == ENGINE_OK) decode_group(s, name, item.value, out);
    return r;
}

engine_result stream_group_create(stream *s, slice name, stream_id last_id, int64_t entries_read,
                                  stream_group *out) {
    CHECK(name.len <= STREAM_NAME_MAX);
    engine_result r = stream_group_open(s, name, out);
    if (r == ENGINE_OK) return ENGINE_ABSENT;
    if (r != ENGINE_ABSENT) return r;
    el_make(&s->el);
    *out = (stream_group){.name = el_keep(&s->el, name),
                          .number = ++s->next_group,
                          .last_id = last_id,
                          .entries_read = entries_read};
    s->state_changed = true;
    return put_group(s, out);
}

/* By name; what was dropped comes behind all groups. */
engine_result stream_group_next(stream *s, const slice *after, stream_group *out) {
    el_iter it;
    slice from = tagged(s, TAG_GROUP, after ? *after : SLICE_EMPTY);
    engine_result r =
        el_seek(&s->el, STREAM_GROUPS, after ? just_above(s, from) : from, false, &it);
    if (r != ENGINE_OK) return r;
    CHECK(it.item.sub.len > 0);
    if (it.item.sub.data[0] != TAG_GROUP) return ENGINE_ABSENT;
    decode_group(s, slice_skip(it.item.sub, 1), it.item.value, out);
    return ENGINE_OK;
}

/* The notes of what was dropped are few, and only there while something is left. */
engine_result stream_group_count(stream *s, uint64_t *n) {
    el_iter it;
    char tag = TAG_DROPPED;
    *n = el_count(&s->el, STREAM_GROUPS);
    if (!(el_hint(&s->el) & STREAM_DROPPED)) return ENGINE_OK;
    engine_result r = el_seek(&s->el, STREAM_GROUPS, slice_of(&tag, 1), false, &it);
    for (; r == ENGINE_OK; r = el_step(&it, false))
        --*n;
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* redis-server's rule, with its blind spots. */
bool stream_group_lag(stream *s, stream_id first, const stream_group *g, int64_t *lag) {
    int64_t read = g->entries_read;
    *lag = 0;
    if (s->added == 0) return true;
    if (read == STREAM_UNKNOWN || stream_holes_after(s, first, g->last_id))
        read = stream_distance(s, first, g->last_id);
    *lag = (int64_t)(s->added - (uint64_t)read);
    return read != STREAM_UNKNOWN;
}

/* While no deletion is in between, one more was read; else the distance is worked out. */
void stream_group_advance(stream *s, stream_id first, stream_group *g, stream_id id) {
    if (g->entries_read != STREAM_UNKNOWN && !stream_holes_after(s, first, id)) {
        g->entries_read += g->entries_read < INT64_MAX; /* which XGROUP SETID can say */
    } else if (s->added) {
        g->entries_read = stream_distance(s, first, id);
    }
    g->last_id = id;
    g->changed = true;
}

/* ---- consumers ----------------------------------------------------------------------------------
 */

/* The one that is open, by number. */
static stream_consumer *find_open(stream_group *g, uint64_t number) {
    stream_consumer *c = g->open[number % STREAM_BUCKETS];
    while (c && c->number != number)
        c = c->next;
    return c;
}

/* Opens it: what the command changes of it is written once, by stream_group_end. */
static stream_consumer *add_open(stream *s, stream_group *g, stream_consumer what) {
    stream_consumer *c = ks_alloc(s->el.ks, sizeof *c), **head;
    head = &g->open[what.number % STREAM_BUCKETS];
    *c = what;
    c->next = *head;
    *head = c;
    return c;
}

/* From its record; the open one if it is open. */
static stream_consumer *decode_consumer(stream *s, stream_group *g, slice name, slice value) {
    stream_consumer c = {.name = name, .number = stream_take(&value)};
    stream_consumer *open = find_open(g, c.number);
    if (open) return open;
    c.name = el_keep(&s->el, name);
    c.seen = (int64_t)stream_take(&value);
    c.active = (int64_t)(stream_take(&value) - 1);
    c.pending = stream_take(&value);
    CHECK(value.len == 0 && c.number > 0);
    return add_open(s, g, c);
}

/* Its record, anew. */
static engine_result put_consumer(stream *s, stream_group *g, stream_consumer *c) {
    char bytes[RECORD_MAX], *p = bytes;
    p = put_varint(p, c->number);
    p = put_varint(p, (uint64_t)c->seen);
    p = put_varint(p, (uint64_t)c->active + 1);
    p = put_varint(p, c->pending);
    c->changed = false;
    return el_put(&s->el, STREAM_CONSUMERS, numbered(s, g->number, 0, c->name),
                  slice_of(bytes, (size_t)(p - bytes)), ENGINE_NO_EXPIRE, EL_UNKNOWN);
}

engine_result stream_consumer_open(stream *s, stream_group *g, slice name, stream_consumer **out) {
    el_item item;
    *out = NULL;
    if (name.len > STREAM_NAME_MAX) return ENGINE_ABSENT;
    engine_result r = el_get(&s->el, STREAM_CONSUMERS, numbered(s, g->number, 0, name), &item);
    if (r == ENGINE_OK) *out = decode_consumer(s, g, name, item.value);
    return r;
}

engine_result stream_consumer_by_number(stream *s, stream_group *g, uint64_t number,
                                        stream_consumer **out) {
    el_item item;
    *out = find_open(g, number);
    if (*out) return ENGINE_OK;
    engine_result r =
        el_get(&s->el, STREAM_NAMES, numbered(s, g->number, number, SLICE_EMPTY), &item);
    if (r == ENGINE_ABSENT) {
        *out = add_open(s, g, (stream_consumer){.number = number, .gone = true});
        return ENGINE_OK;
    }
    if (r != ENGINE_OK) return r;
    r = stream_consumer_open(s, g, el_keep(&s->el, item.value), out);
    CHECK(r != ENGINE_ABSENT && (r != ENGINE_OK || (*out)->number == number));
    return r;
}

/* Its record is put by stream_group_end, its name at once. */
engine_result stream_consumer_create(stream *s, stream_group *g, slice name, int64_t now,
                                     stream_consumer **out) {
    CHECK(name.len <= STREAM_NAME_MAX);
    *out = add_open(s, g,
                    (stream_consumer){.name = el_keep(&s->el, name),
                                      .number = ++g->next_consumer,
                                      .seen = now,
                                      .active = -1,
                                      .changed = true});
    g->consumers++;
    g->changed = true;
    return el_put(&s->el, STREAM_NAMES, numbered(s, g->number, (*out)->number, SLICE_EMPTY), name,
                  ENGINE_NO_EXPIRE, EL_UNKNOWN);
}

/* By name, within the group. */
engine_result stream_consumer_next(stream *s, stream_group *g, const slice *after,
                                   stream_consumer **out) {
    el_iter it;
    *out = NULL;
    slice from = numbered(s, g->number, 0, after ? *after : SLICE_EMPTY);
    engine_result r =
        el_seek(&s->el, STREAM_CONSUMERS, after ? just_above(s, from) : from, false, &it);
    if (r != ENGINE_OK) return r;
    CHECK(it.item.sub.len >= KEYENC_NUMBER);
    if (keyenc_number_of(it.item.sub.data) != g->number) return ENGINE_ABSENT;
    *out = decode_consumer(s, g, slice_skip(it.item.sub, KEYENC_NUMBER), it.item.value);
    return ENGINE_OK;
}

engine_result stream_group_end(stream *s, stream_group *g) {
    engine_result r = ENGINE_OK;
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        for (stream_consumer *c = g->open[i]; c && r == ENGINE_OK; c = c->next)
            if (c->changed) r = put_consumer(s, g, c);
    if (r == ENGINE_OK && g->changed) r = put_group(s, g);
    return r;
}

/* ---- dropping -----------------------------------------------------------------------------------
 */

/* Leaves a note that a group, or (consumer not 0) a consumer of it, is to be cleared up. */
static engine_result note_dropped(stream *s, uint64_t group, uint64_t consumer) {
    char what[2 * KEYENC_NUMBER];
    keyenc_put_number(keyenc_put_number(what, group), consumer);
    el_set_hint(&s->el, el_hint(&s->el) | STREAM_DROPPED);
    return el_put(&s->el, STREAM_GROUPS, tagged(s, TAG_DROPPED, slice_of(what, sizeof what)),
                  SLICE_EMPTY, ENGINE_NO_EXPIRE, EL_UNKNOWN);
}

engine_result stream_group_drop(stream *s, stream_group *g) {
    engine_result r = el_del(&s->el, STREAM_GROUPS, tagged(s, TAG_GROUP, g->name), EL_UNKNOWN);
    if (r != ENGINE_OK || g->consumers + g->next_consumer == 0) return r;
    return note_dropped(s, g->number, 0);
}

engine_result stream_consumer_drop(stream *s, stream_group *g, stream_consumer *c) {
    CHECK(!c->gone && g->consumers > 0 && g->pending >= c->pending);
    engine_result r =
        el_del(&s->el, STREAM_CONSUMERS, numbered(s, g->number, 0, c->name), EL_UNKNOWN);
    if (r == ENGINE_OK)
        r = el_del(&s->el, STREAM_NAMES, numbered(s, g->number, c->number, SLICE_EMPTY),
                   EL_UNKNOWN);
    if (r != ENGINE_OK) return r;
    g->consumers--;
    g->pending -= c->pending;
    g->changed = true;
    c->gone = true;
    c->changed = false;
    return c->pending ? note_dropped(s, g->number, c->number) : ENGINE_OK;
}
