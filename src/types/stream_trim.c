/* Streams: trimming at the old end.
 *
 * Entries go from the first on, a few hundred at a time, so that memory does not grow with how many
 * go. By nodes (`~`), a node goes only if all of it may: first it is walked over, to see. */
#include "types/stream_int.h"

#define ROUND 512

/* Deletes the first ones, at most `max` and ROUND, and with `below` only those before it. */
static engine_result delete_first(stream *s, uint64_t max, const stream_id *below, uint64_t *n) {
    stream_id ids[ROUND];
    stream_walk w;
    size_t count = 0;
    *n = 0;
    if (max > ROUND) max = ROUND;
    engine_result r = stream_walk_begin(s, STREAM_ID_ZERO, STREAM_ID_MAX, false, &w);
    for (; r == ENGINE_OK && count < max; r = stream_walk_next(&w)) {
        if (below && stream_id_cmp(w.at.id, *below) >= 0) break;
        ids[count++] = w.at.id;
    }
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
    for (size_t i = 0; i < count; i++) {
        char key[KEYENC_ID];
        r = el_del(&s->el, 0, stream_id_key(key, ids[i]), EL_UNKNOWN);
        if (r != ENGINE_OK) return r;
    }
    *n = count;
    return ENGINE_OK;
}

/* Deletes the first `max`, or all of them before `below`. */
static engine_result delete_all(stream *s, uint64_t max, const stream_id *below,
                                uint64_t *deleted) {
    uint64_t n = 1;
    while (max > 0 && n > 0) {
        engine_result r = delete_first(s, max, below, &n);
        if (r != ENGINE_OK) return r;
        max -= n;
        *deleted += n;
    }
    return ENGINE_OK;
}

/* How many entries the first node has, if it may go; 0 if not. */
static engine_result node_that_may_go(stream *s, const stream_trim *trim, uint64_t deleted,
                                      uint64_t *entries) {
    stream_walk w;
    uint64_t n = 0, number = 0, length = stream_length(s);
    *entries = 0;
    if (!trim->by_id && length <= trim->length) return ENGINE_OK;
    engine_result r = stream_walk_begin(s, STREAM_ID_ZERO, STREAM_ID_MAX, false, &w);
    for (; r == ENGINE_OK; r = stream_walk_next(&w)) {
        if (n > 0 && w.at.node.number != number) break;
        number = w.at.node.number;
        n++;
        if (trim->limit && deleted + n > trim->limit) return ENGINE_OK;
        if (trim->by_id ? stream_id_cmp(w.at.id, trim->min) >= 0 : length - n < trim->length)
            return ENGINE_OK;
    }
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
    *entries = n;
    return ENGINE_OK;
}

engine_result stream_cut(stream *s, const stream_trim *trim, uint64_t *deleted) {
    engine_result r = ENGINE_OK;
    uint64_t n = 1, length = stream_length(s);
    *deleted = 0;
    if (trim->nodes) {
        while (r == ENGINE_OK && n > 0) {
            r = node_that_may_go(s, trim, *deleted, &n);
            if (r == ENGINE_OK) r = delete_all(s, n, NULL, deleted);
        }
    } else if (trim->by_id) {
        r = delete_all(s, UINT64_MAX, &trim->min, deleted);
    } else if (length > trim->length) {
        r = delete_all(s, length - trim->length, NULL, deleted);
    }
    if (r != ENGINE_OK) return r;
    return *deleted > 0 && stream_length(s) == 0 ? stream_newest_gone(s) : ENGINE_OK;
}
