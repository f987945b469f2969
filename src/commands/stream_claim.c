/* XCLAIM and XAUTOCLAIM: a consumer takes over what is pending for others.
 *
 * Both leave alone what was delivered less than min-idle-time ago, and take what was deleted from
 * the stream off the list of what is pending. */
#include "commands/stream_family.h"

#include <stdio.h>

typedef struct claim_request {
    int64_t idle;    /* leave alone what is younger */
    int64_t time;    /* the delivery's, from now on */
    int64_t retries; /* -1: not given */
    bool force, just_id;
    stream_id last_id;
    stream_ids ids;
} claim_request;

/* Is there such an entry? */
static command_result entry_exists(client *c, stream *s, stream_id id, bool *exists) {
    stream_entry e;
    engine_result r = stream_get(s, id, &e);
    *exists = r == ENGINE_OK;
    return r == ENGINE_OK || r == ENGINE_ABSENT ? CMD_DONE : reply_engine(c, r);
}

/* The entry, or its ID alone. */
static command_result reply_claimed(client *c, stream *s, stream_id id, bool just_id) {
    stream_entry e;
    if (just_id) {
        stream_reply_id(c, id);
        return CMD_DONE;
    }
    ENGINE_TRY(c, stream_get(s, id, &e));
    stream_reply_entry(c, e);
    return CMD_DONE;
}

/* `to` has it from now on; was: what it was, NULL: nobody's. */
static command_result take(client *c, stream *s, stream_group *g, const claim_request *q,
                           stream_id id, stream_consumer *to, const stream_pending *was) {
    stream_pending p = {.id = id, .consumer = to, .time = q->time};
    p.deliveries =
        q->retries >= 0 ? (uint64_t)q->retries : (was ? was->deliveries : 1) + (q->just_id ? 0 : 1);
    to->active = ks_now(c->ks);
    to->changed = true;
    ENGINE_TRY(c, stream_pending_put(s, g, &p, was));
    STEP_TRY(reply_claimed(c, s, id, q->just_id));
    ks_dirty(c->ks, 1);
    return CMD_DONE;
}

/* min-idle-time, at argument 4 of both. */
static bool parse_idle(client *c, int64_t *out) {
    char error[80];
    snprintf(error, sizeof error, "ERR Invalid min-idle-time argument for %s",
             c->row->def->run == cmd_xclaim ? "XCLAIM" : "XAUTOCLAIM");
    if (!arg_i64_range(c, 4, INT64_MIN, INT64_MAX, out, error)) return false;
    if (*out < 0) *out = 0;
    return true;
}

/* ---- XCLAIM -------------------------------------------------------------------------------------
 */

/* The options behind the IDs, from argument i on. */
static bool parse_options(client *c, int i, claim_request *q) {
    int64_t now = ks_now(c->ks);
    for (; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        const char *number = NULL;
        if (arg_is(c, i, "force")) {
            q->force = true;
        } else if (arg_is(c, i, "justid")) {
            q->just_id = true;
        } else if (arg_is(c, i, "idle") && more) {
            number = "ERR Invalid IDLE option argument for XCLAIM";
            if (!arg_i64_range(c, ++i, INT64_MIN, INT64_MAX, &q->time, number)) return false;
            if (__builtin_sub_overflow(now, q->time, &q->time)) q->time = now;
        } else if (arg_is(c, i, "time") && more) {
            number = "ERR Invalid TIME option argument for XCLAIM";
            if (!arg_i64_range(c, ++i, INT64_MIN, INT64_MAX, &q->time, number)) return false;
        } else if (arg_is(c, i, "retrycount") && more) {
            number = "ERR Invalid RETRYCOUNT option argument for XCLAIM";
            if (!arg_i64_range(c, ++i, INT64_MIN, INT64_MAX, &q->retries, number)) return false;
        } else if (arg_is(c, i, "lastid") && more) {
            if (!stream_arg_id(c, ++i, 0, &q->last_id)) return false;
        } else {
            (void)stream_named_error(c, "ERR Unrecognized XCLAIM option '", c->argv[i], "'",
                                     SLICE_EMPTY, "");
            return false;
        }
    }
    if (q->time < 0 || q->time > now) q->time = now; /* not given, or from the future */
    return true;
}

/* IDs, as long as arguments are such, then options. */
static bool parse_claim(client *c, claim_request *q) {
    stream_id id;
    int i = 5;
    *q = (claim_request){.time = -1, .retries = -1};
    if (!parse_idle(c, &q->idle)) return false;
    for (; i < c->argc && stream_text_id(c->argv[i], 0, &id, NULL); i++)
        stream_ids_add(c, &q->ids, id);
    return parse_options(c, i, q);
}

/* One ID; *n counts those that were claimed. */
static command_result claim_one(client *c, stream *s, stream_group *g, const claim_request *q,
                                stream_id id, stream_consumer *to, uint64_t *n) {
    stream_pending was;
    bool exists;
    engine_result r = stream_pending_get(s, g, id, &was);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    bool pending = r == ENGINE_OK;
    STEP_TRY(entry_exists(c, s, id, &exists));
    if (!exists) {
        if (!pending) return CMD_DONE;
        ENGINE_TRY(c, stream_pending_del(s, g, &was));
        ks_dirty(c->ks, 1);
        return CMD_DONE;
    }
    if (!pending && !q->force) return CMD_DONE;
    if (pending && q->idle && ks_now(c->ks) - was.time < q->idle) return CMD_DONE;
    ++*n;
    return take(c, s, g, q, id, to, pending ? &was : NULL);
}

/* Entries that are not in RAM are asked for together, before the first is waited for. */
static command_result fetch(client *c, stream *s, const claim_request *q) {
    bool again = false, exists;
    for (size_t i = 0; i < q->ids.n; i++) {
        command_result r = entry_exists(c, s, q->ids.ids[i], &exists);
        if (r == CMD_FAILED) return r;
        again |= r == CMD_AGAIN;
    }
    return again ? CMD_AGAIN : CMD_DONE;
}

/* The consumer is made, and seen, also when nothing is claimed. */
command_result cmd_xclaim(client *c) {
    stream s;
    stream_group g;
    stream_consumer *to;
    claim_request q;
    uint64_t n = 0;
    STEP_TRY(stream_lookup_group(c, 1, 0, &s, &g));
    if (!parse_claim(c, &q)) return CMD_REFUSED;
    STEP_TRY(stream_check_name(c, c->argv[3]));
    STEP_TRY(fetch(c, &s, &q));
    if (stream_id_cmp(q.last_id, g.last_id) > 0) {
        g.last_id = q.last_id;
        g.changed = true;
    }
    STEP_TRY(stream_need_consumer(c, &s, &g, c->argv[1], c->argv[3], &to));
    size_t at = c->out.len;
    for (size_t i = 0; i < q.ids.n; i++)
        STEP_TRY(claim_one(c, &s, &g, &q, q.ids.ids[i], to, &n));
    data_insert_array(c, at, n);
    ENGINE_TRY(c, stream_group_end(&s, &g));
    ENGINE_TRY(c, stream_end(&s));
    return CMD_DONE;
}

/* ---- XAUTOCLAIM ---------------------------------------------------------------------------------
 */

#define COUNT_DEFAULT    100
#define ATTEMPTS_A_CLAIM 10 /* what may be looked at for each that may be claimed */

typedef struct auto_claim {
    stream *s;
    stream_group *g;
    stream_consumer *to;
    claim_request q;
    int64_t count;
    stream_id at; /* from where on; in the end, where to go on */
    uint64_t claimed;
    stream_ids deleted;
} auto_claim;

/* min-idle-time, start and options. */
static bool parse_auto(client *c, auto_claim *a) {
    a->count = COUNT_DEFAULT;
    a->q = (claim_request){.retries = -1, .time = ks_now(c->ks)};
    if (!parse_idle(c, &a->q.idle) || !stream_arg_start(c, 5, &a->at)) return false;
    for (int i = 6; i < c->argc; i++) {
        if (arg_is(c, i, "count") && i + 1 < c->argc) {
            int64_t max = INT64_MAX / (int64_t)sizeof(stream_id);
            if (!arg_i64_range(c, ++i, 1, max, &a->count, "ERR COUNT must be > 0")) return false;
        } else if (arg_is(c, i, "justid")) {
            a->q.just_id = true;
        } else {
            (void)reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* One that is pending; *changed: the walk must be begun anew. */
static command_result auto_one(client *c, auto_claim *a, const stream_pending *p, bool *changed) {
    bool exists;
    *changed = false;
    STEP_TRY(entry_exists(c, a->s, p->id, &exists));
    if (exists && a->q.idle && ks_now(c->ks) - p->time < a->q.idle) return CMD_DONE;
    *changed = true;
    a->count--;
    if (exists) {
        a->claimed++;
        return take(c, a->s, a->g, &a->q, p->id, a->to, p);
    }
    ENGINE_TRY(c, stream_pending_del(a->s, a->g, p));
    stream_ids_add(c, &a->deleted, p->id);
    return CMD_DONE;
}

/* Looks at what is pending from a->at on. */
static command_result auto_walk(client *c, auto_claim *a) {
    stream_pending_walk w;
    int64_t attempts = a->count * ATTEMPTS_A_CLAIM;
    engine_result r = stream_pending_begin(a->s, a->g, NULL, a->at, &w);
    while (r == ENGINE_OK && attempts-- > 0 && a->count > 0) {
        stream_pending p = w.at;
        bool changed, more;
        STEP_TRY(auto_one(c, a, &p, &changed));
        more = stream_id_up(&p.id);
        r = !more     ? ENGINE_ABSENT
            : changed ? stream_pending_seek(&w, p.id)
                      : stream_pending_next(&w);
    }
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    a->at = r == ENGINE_OK ? w.at.id : STREAM_ID_ZERO;
    return CMD_DONE;
}

/* Replies with a cursor, what was claimed, and the IDs of what is no longer in the stream. */
command_result cmd_xautoclaim(client *c) {
    stream s;
    stream_group g;
    auto_claim a = {.s = &s, .g = &g};
    if (!parse_auto(c, &a)) return CMD_REFUSED;
    STEP_TRY(stream_check_name(c, c->argv[3]));
    STEP_TRY(stream_lookup_group(c, 1, 0, &s, &g));
    STEP_TRY(stream_need_consumer(c, &s, &g, c->argv[1], c->argv[3], &a.to));
    size_t begin = c->out.len;
    STEP_TRY(auto_walk(c, &a));
    data_insert_array(c, begin, a.claimed);
    /* The cursor goes before what was claimed, and is known last. */
    size_t end = c->out.len;
    reply_array(c, 3);
    stream_reply_id(c, a.at);
    buf *b = ks_scratch(c->ks);
    buf_clear(b);
    buf_append(b, c->out.data + end, c->out.len - end);
    c->out.len = end;
    data_insert(c, begin, buf_slice(b));
    reply_array(c, (int64_t)a.deleted.n);
    for (size_t i = 0; i < a.deleted.n; i++)
        stream_reply_id(c, a.deleted.ids[i]);
    ENGINE_TRY(c, stream_group_end(&s, &g));
    ENGINE_TRY(c, stream_end(&s));
    return CMD_DONE;
}
