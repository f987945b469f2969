/* XREAD and XREADGROUP: what is new in several streams, waiting for it if asked.
 *
 * Both run in two passes. The first reads the arguments and refuses what is wrong, without changing
 * anything; the second answers key by key. `$` (and `+`) mean the last ID when the client came: a
 * client that waits keeps what they were, since it runs its whole command again when it is woken.
 *
 * XREADGROUP makes its consumer, and notes that it was seen, also when there is nothing to give. */
#include "commands/stream_family.h"
#include "session/keywait.h"

typedef struct read_request {
    bool grouped, noack;
    bool waits, again; /* waits for entries if asked; was woken, to look again */
    int64_t timeout, count;
    int group, consumer; /* arguments; 0: none */
    int keys, n;         /* where the keys begin, how many; the IDs are behind them */
    stream_id *ids;      /* entries after this one; STREAM_ID_MAX of a group: what nobody has */
} read_request;

/* ---- arguments ----------------------------------------------------------------------------------
 */

/* The streams, which are the rest of the arguments. */
static bool parse_streams(client *c, int from, read_request *q) {
    int n = c->argc - from;
    if (n % 2) {
        (void)reply_error(c,
                          "ERR Unbalanced '%s' list of streams: for each stream key an ID or '%c' "
                          "must be specified.",
                          c->row->full_name, q->grouped ? '>' : '$');
        return false;
    }
    q->keys = from;
    q->n = n / 2;
    return true;
}

/* An option that only XREADGROUP has. */
static bool only_grouped(client *c, const read_request *q, const char *option) {
    if (q->grouped) return true;
    (void)reply_error(
        c, "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.", option);
    return false;
}

/* A script that says BLOCK means something else than it would get. */
static bool may_wait(client *c) {
    if (!(c->flags & CLIENT_SCRIPT)) return true;
    (void)reply_error(c, "ERR %.*s command is not allowed with BLOCK option from scripts",
                      c->argv[0].len < 64 ? (int)c->argv[0].len : 64, c->argv[0].data);
    return false;
}

/* Ends with STREAMS, which must be the last. */
static bool parse_options(client *c, read_request *q) {
    for (int i = 1; i < c->argc && !q->keys; i++) {
        int more = c->argc - 1 - i;
        if (arg_is(c, i, "block") && more) {
            if (!may_wait(c)) return false;
            if (!data_arg_timeout_ms(c, ++i, &q->timeout)) return false;
            q->waits = true;
        } else if (arg_is(c, i, "count") && more) {
            if (!arg_i64(c, ++i, &q->count)) return false;
            if (q->count < 0) q->count = 0;
        } else if (arg_is(c, i, "streams") && more) {
            if (!parse_streams(c, i + 1, q)) return false;
        } else if (arg_is(c, i, "group") && more >= 2) {
            if (!only_grouped(c, q, "GROUP")) return false;
            q->group = i + 1;
            q->consumer = i + 2;
            i += 2;
        } else if (arg_is(c, i, "noack")) {
            if (!only_grouped(c, q, "NOACK")) return false;
            q->noack = true;
        } else {
            (void)reply_syntax_error(c);
            return false;
        }
    }
    if (q->keys && (q->group || !q->grouped)) return true;
    if (q->keys) {
        (void)reply_error(c, "ERR Missing GROUP option for XREADGROUP");
    } else {
        (void)reply_syntax_error(c);
    }
    return false;
}

/* The group must be there. */
static command_result check_group(client *c, const read_request *q, slice key, stream *s) {
    stream_group g;
    slice name = c->argv[q->group];
    engine_result r = s->el.exists ? stream_group_open(s, name, &g) : ENGINE_ABSENT;
    if (r == ENGINE_ABSENT)
        return stream_no_group(c, key, name, "' in XREADGROUP with GROUP option");
    return r == ENGINE_OK ? CMD_DONE : reply_engine(c, r);
}

/* A group has its own last ID. */
static command_result meaningless(client *c, const char *id) {
    return reply_error(c,
                       "ERR The %s ID is meaningless in the context of XREADGROUP: you want to "
                       "read the history of this consumer by specifying a proper ID, or use the > "
                       "ID to get new messages. The %s ID would just return an empty result set.",
                       id, id);
}

/* A key of XREAD whose stream is of no interest now: it must be none of another type. */
static command_result check_type(client *c, slice key) {
    entry ent;
    bool found;
    STEP_TRY(data_lookup(c, key, KS_META, &ent, &found));
    return found && ent.type != KEY_STREAM ? reply_wrong_type(c) : CMD_DONE;
}

/* The ID of stream i. */
static command_result parse_id(client *c, read_request *q, int i, bool again) {
    slice key = c->argv[q->keys + i], text = c->argv[q->keys + q->n + i];
    bool last = slice_eq(text, SLICE("$")), newest = slice_eq(text, SLICE("+"));
    stream s;
    if (q->grouped || ((last || newest) && !again)) {
        STEP_TRY(stream_lookup(c, key, 0, &s));
    } else {
        STEP_TRY(check_type(c, key));
    }
    if (q->grouped) STEP_TRY(check_group(c, q, key, &s));
    if (last || newest) {
        if (q->grouped) return meaningless(c, last ? "$" : "+");
        if (again) return CMD_DONE;
        q->ids[i] = s.last_id;
        if (last) return CMD_DONE;
        q->ids[i] = stream_newest(&s);
        if (!stream_id_zero(q->ids[i])) (void)stream_id_down(&q->ids[i]);
        return CMD_DONE;
    }
    if (slice_eq(text, SLICE(">"))) {
        q->ids[i] = STREAM_ID_MAX;
        if (q->grouped) return CMD_DONE;
        return reply_error(c, "ERR The > ID can be specified only when calling XREADGROUP using "
                              "the GROUP <group> <consumer> option.");
    }
    return stream_arg_id(c, q->keys + q->n + i, 0, &q->ids[i]) ? CMD_DONE : CMD_REFUSED;
}

/* All IDs; in a run that is not the first, what `$` was then. */
static command_result parse_ids(client *c, read_request *q) {
    size_t bytes = (size_t)q->n * sizeof *q->ids;
    slice kept = client_wait_kept(c);
    bool again = q->again = kept.len == bytes;
    q->ids = ks_alloc(c->ks, bytes);
    if (again) memcpy(q->ids, kept.data, bytes);
    for (int i = 0; i < q->n; i++)
        STEP_TRY(parse_id(c, q, i, again));
    return CMD_DONE;
}

/* ---- answers ------------------------------------------------------------------------------------
 */

/* Before the entries of one stream. */
static void begin_stream(client *c, slice key, uint64_t *served) {
    ++*served;
    if (c->proto == 2) reply_array(c, 2);
    reply_bulk(c, key);
}

/* New entries go to the consumer: they are pending for it alone now. */
static command_result deliver(client *c, stream *s, stream_group *g, stream_consumer *to,
                              const stream_ids *ids, bool noack) {
    stream_id first;
    stream_pending p = {.consumer = to, .time = ks_now(c->ks), .deliveries = 1}, was;
    ENGINE_TRY(c, stream_first(s, &first));
    for (size_t i = 0; i < ids->n; i++) {
        if (stream_id_cmp(ids->ids[i], g->last_id) > 0)
            stream_group_advance(s, first, g, ids->ids[i]);
        if (noack) continue;
        p.id = ids->ids[i];
        engine_result r = stream_pending_get(s, g, p.id, &was);
        if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
        ENGINE_TRY(c, stream_pending_put(s, g, &p, r == ENGINE_OK ? &was : NULL));
        to->active = p.time;
        to->changed = true;
    }
    return CMD_DONE;
}

/* One entry of the consumer's history: its contents, or null if it was deleted since. */
static command_result reply_history(client *c, stream *s, stream_group *g, stream_id id) {
    stream_entry e;
    stream_pending p, was;
    engine_result r = stream_get(s, id, &e);
    if (r == ENGINE_ABSENT) {
        reply_array(c, 2);
        stream_reply_id(c, id);
        reply_null_array(c);
        return CMD_DONE;
    }
    if (r != ENGINE_OK) return reply_engine(c, r);
    stream_reply_entry(c, e);
    ENGINE_TRY(c, stream_pending_get(s, g, id, &was));
    p = was;
    p.time = ks_now(c->ks);
    p.deliveries++;
    ENGINE_TRY(c, stream_pending_put(s, g, &p, &was));
    return CMD_DONE;
}

/* What is pending for the consumer after an ID, delivered once more. */
static command_result history(client *c, const read_request *q, stream *s, stream_group *g,
                              stream_consumer *of, stream_id after) {
    stream_ids ids = {0};
    stream_pending_walk w;
    engine_result r = ENGINE_ABSENT;
    if (stream_id_up(&after)) r = stream_pending_begin(s, g, of, after, &w);
    for (; r == ENGINE_OK; r = stream_pending_next(&w)) {
        stream_ids_add(c, &ids, w.at.id);
        if (ids.n == (uint64_t)q->count) break;
    }
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    reply_array(c, (int64_t)ids.n);
    for (size_t i = 0; i < ids.n; i++)
        STEP_TRY(reply_history(c, s, g, ids.ids[i]));
    return CMD_DONE;
}

/* One stream for a group's consumer. */
static command_result serve_group(client *c, const read_request *q, int i, uint64_t *served) {
    stream s;
    stream_group g;
    stream_consumer *consumer;
    stream_ids ids = {0};
    slice key = c->argv[q->keys + i];
    STEP_TRY(stream_lookup(c, key, 0, &s));
    ENGINE_TRY(c, stream_group_open(&s, c->argv[q->group], &g));
    bool old = stream_id_cmp(q->ids[i], STREAM_ID_MAX) != 0;
    bool has = old || stream_id_cmp(stream_newest(&s), g.last_id) > 0;
    if (!has && q->again) return CMD_DONE; /* a thousand who wait need not write for one's entry */
    STEP_TRY(stream_need_consumer(c, &s, &g, key, c->argv[q->consumer], &consumer));
    if (has) {
        stream_id start = g.last_id;
        begin_stream(c, key, served);
        ks_dirty(c->ks, 1);
        if (old) {
            STEP_TRY(history(c, q, &s, &g, consumer, q->ids[i]));
        } else {
            (void)stream_id_up(&start);
            STEP_TRY(
                stream_reply_range(c, &s, start, STREAM_ID_MAX, false, (uint64_t)q->count, &ids));
            STEP_TRY(deliver(c, &s, &g, consumer, &ids, q->noack));
        }
    }
    ENGINE_TRY(c, stream_group_end(&s, &g));
    ENGINE_TRY(c, stream_end(&s));
    return CMD_DONE;
}

/* One stream for anybody. */
static command_result serve_plain(client *c, const read_request *q, int i, uint64_t *served) {
    stream s;
    stream_id start = q->ids[i];
    STEP_TRY(stream_lookup(c, c->argv[q->keys + i], 0, &s));
    if (stream_id_cmp(stream_newest(&s), start) <= 0) return CMD_DONE;
    begin_stream(c, c->argv[q->keys + i], served);
    (void)stream_id_up(&start);
    return stream_reply_range(c, &s, start, STREAM_ID_MAX, false, (uint64_t)q->count, NULL);
}

/* A stream that has nothing is left out of the reply; if none has anything, the client waits. */
static command_result read_streams(client *c, bool grouped) {
    read_request q = {.grouped = grouped};
    uint64_t served = 0;
    size_t at = c->out.len;
    if (!parse_options(c, &q)) return CMD_REFUSED;
    if (grouped) STEP_TRY(stream_check_name(c, c->argv[q.consumer]));
    STEP_TRY(parse_ids(c, &q));
    stream_depends(c);
    for (int i = 0; i < q.n; i++)
        STEP_TRY(grouped ? serve_group(c, &q, i, &served) : serve_plain(c, &q, i, &served));
    if (served > 0) {
        buf *b = ks_scratch(c->ks);
        buf_clear(b);
        if (c->proto == 2) {
            resp_array(b, (int64_t)served);
        } else {
            resp_map(b, c->proto, (int64_t)served);
        }
        data_insert(c, at, buf_slice(b));
        return CMD_DONE;
    }
    if (!q.waits) {
        reply_null_array(c);
        return CMD_DONE;
    }
    client_wait_keep(c, slice_of(q.ids, (size_t)q.n * sizeof *q.ids));
    return client_wait_for_keys(c, c->argv + q.keys, (size_t)q.n, KEY_STREAM,
                                grouped ? KEYWAIT_ALSO_GONE : 0, q.timeout, reply_null_array);
}

command_result cmd_xread(client *c) {
    return read_streams(c, false);
}
command_result cmd_xreadgroup(client *c) {
    return read_streams(c, true);
}

/* As they are parsed above: a group or a consumer may be called "streams", which a specification
 * takes for the word before the keys. */
int stream_group_keys(const slice *argv, int argc, int *out, unsigned *flags) {
    int at = 1;
    while (at < argc && !slice_ieq(argv[at], "streams"))
        at += slice_ieq(argv[at], "group")                                   ? 3
              : slice_ieq(argv[at], "count") || slice_ieq(argv[at], "block") ? 2
                                                                             : 1;
    int n = (argc - at - 1) / 2;
    for (int i = 0; i < n; i++) {
        out[i] = at + 1 + i;
        if (flags) flags[i] = KEY_RO | KEY_ACCESS;
    }
    return n > 0 ? n : -1;
}
