/* XACK and XPENDING: what was delivered to a group and not acknowledged.
 *
 * The summary's counts are kept in the group's and the consumers' records, so it costs as much as
 * there are consumers; the long form walks. */
#include "commands/stream_family.h"

#include <stdio.h>

/* Of IDs that are not pending, nothing is said but that they do not count. */
command_result cmd_xack(client *c) {
    stream s;
    stream_group g;
    stream_ids list;
    int64_t n = 0;
    STEP_TRY(stream_lookup(c, c->argv[1], 0, &s)); /* counts as a read, as in Redis */
    engine_result r = s.el.exists ? stream_group_open(&s, c->argv[2], &g) : ENGINE_ABSENT;
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    stream_depends(c);
    if (r == ENGINE_ABSENT) {
        reply_int(c, 0);
        return CMD_DONE;
    }
    if (!stream_arg_ids(c, 3, &list)) return CMD_REFUSED;
    for (size_t i = 0; i < list.n; i++) {
        stream_pending p;
        r = stream_pending_get(&s, &g, list.ids[i], &p);
        if (r == ENGINE_ABSENT) continue;
        if (r == ENGINE_OK) r = stream_pending_del(&s, &g, &p);
        if (r != ENGINE_OK) return reply_engine(c, r);
        n++;
    }
    if (n > 0) {
        ENGINE_TRY(c, stream_group_end(&s, &g));
        ENGINE_TRY(c, stream_end(&s));
        ks_dirty(c->ks, n);
    }
    reply_int(c, n);
    return CMD_DONE;
}

/* ---- XPENDING -----------------------------------------------------------------------------------
 */

/* How many, the least and the greatest ID, and each consumer that has some. */
static command_result summary(client *c, stream *s, stream_group *g) {
    stream_pending_walk w;
    stream_consumer *each;
    stream_id last;
    uint64_t n = 0;
    reply_array(c, 4);
    reply_int(c, (int64_t)g->pending);
    if (g->pending == 0) {
        reply_null(c);
        reply_null(c);
        reply_null_array(c);
        return CMD_DONE;
    }
    ENGINE_TRY(c, stream_pending_begin(s, g, NULL, STREAM_ID_ZERO, &w));
    stream_reply_id(c, w.at.id);
    ENGINE_TRY(c, stream_pending_last(s, g, &last));
    stream_reply_id(c, last);
    size_t at = c->out.len;
    engine_result r = stream_consumer_next(s, g, NULL, &each);
    for (; r == ENGINE_OK; r = stream_consumer_next(s, g, &each->name, &each)) {
        char text[24];
        if (each->pending == 0) continue;
        reply_array(c, 2);
        reply_bulk(c, each->name);
        int len = snprintf(text, sizeof text, "%llu", (unsigned long long)each->pending);
        reply_bulk(c, slice_of(text, (size_t)len));
        n++;
    }
    if (r != ENGINE_ABSENT) return reply_engine(c, r);
    data_insert_array(c, at, n);
    return CMD_DONE;
}

/* What the long form asks for. */
typedef struct pending_request {
    stream_id start, end;
    int64_t count, idle;
    int consumer; /* its argument; 0: all */
} pending_request;

/* [IDLE min-idle-time] start end count [consumer], in the order in which redis-server finds fault.
 */
static bool parse(client *c, pending_request *q) {
    int at = 3;
    *q = (pending_request){0};
    if (c->argc < 6 || c->argc > 9) {
        (void)reply_syntax_error(c);
        return false;
    }
    if (arg_is(c, 3, "idle")) {
        if (!arg_i64(c, 4, &q->idle)) return false;
        if (c->argc < 8) {
            (void)reply_syntax_error(c);
            return false;
        }
        at = 5;
    }
    if (!arg_i64(c, at + 2, &q->count)) return false;
    if (q->count < 0) q->count = 0;
    if (!stream_arg_start(c, at, &q->start) || !stream_arg_end(c, at + 1, &q->end)) return false;
    if (at + 3 < c->argc) q->consumer = at + 3;
    return true;
}

/* Each with its consumer, how long ago it was delivered, and how often. */
static command_result list_pending(client *c, const pending_request *q, stream *s,
                                   stream_group *g) {
    stream_consumer *of = NULL;
    stream_pending_walk w;
    uint64_t n = 0;
    engine_result r = ENGINE_OK;
    if (q->consumer) r = stream_consumer_open(s, g, c->argv[q->consumer], &of);
    size_t at = c->out.len;
    if (r == ENGINE_OK && q->count == 0) r = ENGINE_ABSENT;
    if (r == ENGINE_OK) r = stream_pending_begin(s, g, of, q->start, &w);
    for (; r == ENGINE_OK; r = stream_pending_next(&w)) {
        stream_pending p = w.at;
        if (stream_id_cmp(p.id, q->end) > 0) break;
        if (of) ENGINE_TRY(c, stream_pending_get(s, g, p.id, &p));
        int64_t ago = ks_now(c->ks) - p.time;
        if (q->idle && ago < q->idle) continue;
        reply_array(c, 4);
        stream_reply_id(c, p.id);
        reply_bulk(c, p.consumer->name);
        reply_int(c, ago < 0 ? 0 : ago);
        reply_int(c, (int64_t)p.deliveries);
        if (++n == (uint64_t)q->count) break;
    }
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    data_insert_array(c, at, n);
    return CMD_DONE;
}

/* The short form has three arguments. */
command_result cmd_xpending(client *c) {
    stream s;
    stream_group g;
    pending_request q;
    bool is_short = c->argc == 3;
    if (!is_short && !parse(c, &q)) return CMD_REFUSED;
    STEP_TRY(stream_lookup_group(c, 1, 0, &s, &g));
    stream_depends(c);
    return is_short ? summary(c, &s, &g) : list_pending(c, &q, &s, &g);
}
