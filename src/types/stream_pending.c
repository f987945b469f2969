/* What was delivered to consumers of a stream's group and not acknowledged.
 *
 * Each such entry is in two maps: by group and ID, with all there is to know, and by group,
 * consumer and ID, empty, for walking over one consumer's. An entry of a consumer that was dropped
 * (gone) may still be in both until it is cleared up; it counts nowhere and is not seen. */
#include "types/stream_int.h"

#define KEY_MAX (2 * KEYENC_NUMBER + KEYENC_ID)

static slice pending_key(char out[KEY_MAX], uint64_t group, stream_id id) {
    char *p = keyenc_put_number(out, group);
    p = keyenc_put_id(p, id.ms, id.seq);
    return slice_of(out, (size_t)(p - out));
}
static slice owned_key(char out[KEY_MAX], uint64_t group, uint64_t consumer, stream_id id) {
    char *p = keyenc_put_number(keyenc_put_number(out, group), consumer);
    p = keyenc_put_id(p, id.ms, id.seq);
    return slice_of(out, (size_t)(p - out));
}

/* From its record; ENGINE_ABSENT if its consumer is gone. */
static engine_result decode(stream *s, stream_group *g, stream_id id, slice value,
                            stream_pending *out) {
    uint64_t consumer = stream_take(&value);
    *out = (stream_pending){.id = id, .time = (int64_t)stream_take(&value)};
    out->deliveries = stream_take(&value);
    CHECK(value.len == 0);
    engine_result r = stream_consumer_by_number(s, g, consumer, &out->consumer);
    return r == ENGINE_OK && out->consumer->gone ? ENGINE_ABSENT : r;
}

engine_result stream_pending_get(stream *s, stream_group *g, stream_id id, stream_pending *out) {
    char key[KEY_MAX];
    el_item item;
    engine_result r = el_get(&s->el, STREAM_PENDING, pending_key(key, g->number, id), &item);
    return r == ENGINE_OK ? decode(s, g, id, item.value, out) : r;
}

/* One more or one less of a consumer's. */
static void count(stream_group *g, stream_consumer *c, int by) {
    CHECK(by > 0 || (g->pending > 0 && c->pending > 0));
    g->pending += (uint64_t)(int64_t)by;
    c->pending += (uint64_t)(int64_t)by;
    g->changed = c->changed = true;
}

/* Takes it from its consumer. */
static engine_result disown(stream *s, stream_group *g, const stream_pending *p) {
    char key[KEY_MAX];
    count(g, p->consumer, -1);
    engine_result r = el_del(&s->el, STREAM_OWNED,
                             owned_key(key, g->number, p->consumer->number, p->id), EL_UNKNOWN);
    CHECK(r != ENGINE_ABSENT);
    return r;
}

/* The second map changes only if the consumer does. */
engine_result stream_pending_put(stream *s, stream_group *g, const stream_pending *p,
                                 const stream_pending *was) {
    char key[KEY_MAX], value[3 * VARINT_MAX], *end = value;
    engine_result r = ENGINE_OK;
    CHECK(!p->consumer->gone && p->time >= 0);
    bool moves = !was || was->consumer != p->consumer;
    if (was && moves) r = disown(s, g, was);
    if (r == ENGINE_OK && moves) {
        count(g, p->consumer, 1);
        r = el_put(&s->el, STREAM_OWNED, owned_key(key, g->number, p->consumer->number, p->id),
                   SLICE_EMPTY, ENGINE_NO_EXPIRE, EL_UNKNOWN);
    }
    if (r != ENGINE_OK) return r;
    end = put_varint(end, p->consumer->number);
    end = put_varint(end, (uint64_t)p->time);
    end = put_varint(end, p->deliveries);
    return el_put(&s->el, STREAM_PENDING, pending_key(key, g->number, p->id),
                  slice_of(value, (size_t)(end - value)), ENGINE_NO_EXPIRE, EL_UNKNOWN);
}

engine_result stream_pending_del(stream *s, stream_group *g, const stream_pending *p) {
    char key[KEY_MAX];
    engine_result r = disown(s, g, p);
    if (r == ENGINE_OK)
        r = el_del(&s->el, STREAM_PENDING, pending_key(key, g->number, p->id), EL_UNKNOWN);
    CHECK(r != ENGINE_ABSENT);
    return r;
}

/* ---- walks --------------------------------------------------------------------------------------
 */

/* What is where the iterator is; ENGINE_ABSENT: another group's, or consumer's. *skip: nothing that
 * is there for anybody. */
static engine_result look(stream_pending_walk *w, bool *skip) {
    slice sub = w->it.item.sub;
    size_t head = w->of ? 2 * KEYENC_NUMBER : KEYENC_NUMBER;
    *skip = false;
    CHECK(sub.len == head + KEYENC_ID);
    if (keyenc_number_of(sub.data) != w->g->number) return ENGINE_ABSENT;
    if (w->of && keyenc_number_of(sub.data + KEYENC_NUMBER) != w->of->number) return ENGINE_ABSENT;
    stream_id id = stream_id_of(sub.data + head);
    if (w->of) {
        w->at = (stream_pending){.id = id};
        return ENGINE_OK;
    }
    engine_result r = decode(w->s, w->g, id, w->it.item.value, &w->at);
    *skip = r == ENGINE_ABSENT;
    return *skip ? ENGINE_OK : r;
}

/* Goes on until something is there. */
static engine_result settle(stream_pending_walk *w, engine_result r, bool backward) {
    bool skip = true;
    while (r == ENGINE_OK && skip) {
        r = look(w, &skip);
        if (r == ENGINE_OK && skip) r = el_step(&w->it, backward);
    }
    return r;
}

engine_result stream_pending_seek(stream_pending_walk *w, stream_id from) {
    char key[KEY_MAX];
    slice at = w->of ? owned_key(key, w->g->number, w->of->number, from)
                     : pending_key(key, w->g->number, from);
    unsigned map = w->of ? STREAM_OWNED : STREAM_PENDING;
    return settle(w, el_seek(&w->s->el, map, at, false, &w->it), false);
}

engine_result stream_pending_begin(stream *s, stream_group *g, const stream_consumer *of,
                                   stream_id from, stream_pending_walk *out) {
    *out = (stream_pending_walk){.s = s, .g = g, .of = of};
    return stream_pending_seek(out, from);
}

engine_result stream_pending_next(stream_pending_walk *w) {
    return settle(w, el_step(&w->it, false), false);
}

/* Backward, over what nobody has. */
engine_result stream_pending_last(stream *s, stream_group *g, stream_id *id) {
    char key[KEY_MAX];
    stream_pending_walk w = {.s = s, .g = g};
    engine_result r =
        el_seek(&s->el, STREAM_PENDING, pending_key(key, g->number, STREAM_ID_MAX), true, &w.it);
    r = settle(&w, r, true);
    *id = w.at.id;
    return r;
}

/* ---- clearing up --------------------------------------------------------------------------------
 */

/* Deletes elements of a map whose subkeys begin so, at most *budget. Of STREAM_OWNED (with_entries)
 * also the pending entry, if it is still that consumer's. */
static engine_result sweep_map(stream *s, unsigned map, slice prefix, bool with_entries,
                               uint64_t *budget) {
    el_iter it;
    engine_result r = ENGINE_OK;
    while (*budget > 0) {
        r = el_seek(&s->el, map, prefix, false, &it);
        if (r != ENGINE_OK) break;
        slice sub = it.item.sub;
        if (sub.len < prefix.len || memcmp(sub.data, prefix.data, prefix.len) != 0) break;
        sub = el_keep(&s->el, sub);
        if (with_entries) {
            char key[KEY_MAX];
            el_item item;
            CHECK(sub.len == KEY_MAX);
            slice entry_key = pending_key(key, keyenc_number_of(sub.data),
                                          stream_id_of(sub.data + 2 * KEYENC_NUMBER));
            r = el_get(&s->el, STREAM_PENDING, entry_key, &item);
            if (r == ENGINE_OK &&
                stream_take(&item.value) == keyenc_number_of(sub.data + KEYENC_NUMBER))
                r = el_del(&s->el, STREAM_PENDING, entry_key, EL_UNKNOWN);
            if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
        }
        r = el_del(&s->el, map, sub, EL_UNKNOWN);
        if (r != ENGINE_OK) return r;
        --*budget;
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* Clears up what one note says; the note goes when all is done. */
static engine_result sweep_one(stream *s, slice note, uint64_t *budget) {
    CHECK(note.len == 1 + 2 * KEYENC_NUMBER);
    slice group = slice_of(note.data + 1, KEYENC_NUMBER);
    slice both = slice_skip(note, 1);
    engine_result r = ENGINE_OK;
    if (keyenc_number_of(both.data + KEYENC_NUMBER)) {
        r = sweep_map(s, STREAM_OWNED, both, true, budget);
    } else {
        for (unsigned map = STREAM_PENDING; r == ENGINE_OK && map <= STREAM_NAMES; map++)
            r = sweep_map(s, map, group, false, budget);
    }
    if (r != ENGINE_OK || *budget == 0) return r;
    return el_del(&s->el, STREAM_GROUPS, note, EL_UNKNOWN);
}

engine_result stream_sweep(stream *s, uint64_t budget) {
    char tag = TAG_DROPPED;
    el_iter it;
    while (budget > 0) {
        engine_result r = el_seek(&s->el, STREAM_GROUPS, slice_of(&tag, 1), false, &it);
        if (r == ENGINE_ABSENT) {
            el_set_hint(&s->el, el_hint(&s->el) & ~STREAM_DROPPED);
            return ENGINE_OK;
        }
        if (r == ENGINE_OK) r = sweep_one(s, el_keep(&s->el, it.item.sub), &budget);
        if (r != ENGINE_OK) return r;
    }
    return ENGINE_OK;
}
