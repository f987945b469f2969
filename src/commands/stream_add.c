/* Commands that change a stream's entries: XADD, XTRIM, XDEL, XSETID.
 *
 * XADD and XTRIM share how trimming is asked for, and its refusals, whose order is redis-server's.
 */
#include "commands/stream_family.h"

#include "types/limits.h"

/* ---- arguments of XADD and XTRIM ----------------------------------------------------------------
 */

typedef struct add_request {
    bool trims, no_make, auto_id, auto_seq, limited;
    stream_trim trim;
    int64_t limit;
    stream_id id;
    int fields; /* where the fields begin */
} add_request;

#define LIMIT_MAX     1000000 /* entries that go at once with `~`, unless LIMIT says otherwise */
#define LIMIT_NODES   100
#define LIMIT_UNKNOWN 10000

/* MAXLEN or MINID at argument *i, which goes to its last word. */
static bool parse_strategy(client *c, int *i, add_request *q) {
    bool by_id = arg_is(c, *i, "minid");
    int more = c->argc - 1 - *i;
    int64_t length;
    if (q->trims) {
        (void)reply_error(c, "ERR syntax error, MAXLEN and MINID options at the same time are not "
                             "compatible");
        return false;
    }
    bool nodes = more >= 2 && slice_eq(c->argv[*i + 1], SLICE("~"));
    if (nodes || (more >= 2 && slice_eq(c->argv[*i + 1], SLICE("=")))) ++*i;
    ++*i;
    q->trims = true;
    q->trim = (stream_trim){.by_id = by_id, .nodes = nodes};
    if (by_id) return stream_arg_id(c, *i, 0, &q->trim.min);
    if (!arg_i64(c, *i, &length)) return false;
    q->trim.length = (uint64_t)length;
    if (length >= 0) return true;
    (void)reply_error(c, "ERR The MAXLEN argument must be >= 0.");
    return false;
}

/* Without LIMIT, `~` does no more than about a hundred nodes' work. */
static bool settle_limit(client *c, add_request *q, bool adds) {
    const char *wrong = NULL;
    if (q->limit && !q->trims) {
        wrong = "LIMIT cannot be used without specifying a trimming strategy";
    } else if (!adds && !q->trims) {
        wrong = "XTRIM must be called with a trimming strategy";
    } else if (q->limited && !q->trim.nodes) {
        wrong = "LIMIT cannot be used without the special ~ option";
    }
    if (wrong) {
        (void)reply_error(c, "ERR syntax error, %s", wrong);
        return false;
    }
    if (!q->limited && q->trim.nodes) {
        int64_t entries = types_limit.stream_entries;
        q->limit = entries <= 0                        ? LIMIT_UNKNOWN
                   : entries > LIMIT_MAX / LIMIT_NODES ? LIMIT_MAX
                                                       : entries * LIMIT_NODES;
    }
    q->trim.limit = (uint64_t)q->limit;
    return true;
}

/* Options from argument 2 on, up to the ID of XADD. */
static bool parse(client *c, bool adds, add_request *q) {
    int i = 2;
    *q = (add_request){.auto_id = true};
    for (; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        if (adds && slice_eq(c->argv[i], SLICE("*"))) break;
        if ((arg_is(c, i, "maxlen") || arg_is(c, i, "minid")) && more) {
            if (!parse_strategy(c, &i, q)) return false;
        } else if (arg_is(c, i, "limit") && more) {
            if (!arg_i64(c, ++i, &q->limit)) return false;
            q->limited = true;
            if (q->limit < 0) {
                (void)reply_error(c, "ERR The LIMIT argument must be >= 0.");
                return false;
            }
        } else if (adds && arg_is(c, i, "nomkstream")) {
            q->no_make = true;
        } else if (adds) {
            q->auto_id = false;
            if (stream_text_id(c->argv[i], 0, &q->id, &q->auto_seq)) break;
            return stream_arg_id(c, i, 0, &q->id); /* which refuses it */
        } else {
            (void)reply_syntax_error(c);
            return false;
        }
    }
    q->fields = i + 1;
    return settle_limit(c, q, adds);
}

/* ---- XADD ---------------------------------------------------------------------------------------
 */

/* The new entry's ID; false: there is none that would be the greatest. */
static bool new_id(client *c, const stream *s, const add_request *q, stream_id *id) {
    if (q->auto_id) {
        uint64_t now = (uint64_t)ks_now(c->ks);
        *id = now > s->last_id.ms ? (stream_id){now, 0} : s->last_id;
        return now > s->last_id.ms || stream_id_up(id);
    }
    *id = q->id;
    if (q->auto_seq && q->id.ms == s->last_id.ms) {
        if (s->last_id.seq == UINT64_MAX) return false;
        id->seq = s->last_id.seq + 1;
    }
    return stream_id_cmp(*id, s->last_id) > 0;
}

/* All that can be refused is, before the entry is added; trimming comes after it, as its own event.
 */
command_result cmd_xadd(client *c) {
    stream s;
    add_request q;
    stream_id id;
    uint64_t cut = 0;
    if (!parse(c, true, &q)) return CMD_REFUSED;
    if (c->argc - q.fields < 2 || (c->argc - q.fields) % 2) return reply_wrong_args(c);
    if (!q.auto_id && !q.auto_seq && stream_id_zero(q.id))
        return reply_error(c, "ERR The ID specified in XADD must be greater than 0-0");
    const slice *pairs = c->argv + q.fields;
    size_t n = (size_t)(c->argc - q.fields);
    if (stream_entry_size(pairs, n) > EL_VALUE_MAX)
        return reply_error(c, "ERR Elements are too large to be stored");
    STEP_TRY(stream_lookup(c, c->argv[1], KS_WRITE, &s));
    if (!s.el.exists && q.no_make) {
        stream_depends(c);
        reply_null(c);
        return CMD_DONE;
    }
    if (stream_id_cmp(s.last_id, STREAM_ID_MAX) == 0)
        return reply_error(c, "ERR The stream has exhausted the last possible ID, unable to add "
                              "more items");
    if (!new_id(c, &s, &q, &id))
        return reply_error(c, "ERR The ID specified in XADD is equal or smaller than the target "
                              "stream top item");
    ENGINE_TRY(c, stream_add(&s, id, pairs, n));
    if (q.trims) ENGINE_TRY(c, stream_cut(&s, &q.trim, &cut));
    ENGINE_TRY(c, stream_end(&s));
    data_changed(c, KS_STREAM, "xadd", c->argv[1]);
    if (cut) ks_notify(c->ks, KS_STREAM, "xtrim", c->db, c->argv[1]);
    stream_reply_id(c, id);
    return CMD_DONE;
}

/* ---- the others ---------------------------------------------------------------------------------
 */

/* Ends a command that has deleted n entries: replies with it, tells of it. */
static command_result end_deleting(client *c, stream *s, const char *event, uint64_t n) {
    if (n > 0) {
        ENGINE_TRY(c, stream_end(s));
        data_changed(c, KS_STREAM, event, c->argv[1]);
        ks_dirty(c->ks, (int64_t)n - 1);
    }
    stream_depends(c);
    reply_int(c, (int64_t)n);
    return CMD_DONE;
}

/* A stream that is trimmed to nothing stays. */
command_result cmd_xtrim(client *c) {
    stream s;
    add_request q;
    uint64_t n;
    if (!parse(c, false, &q)) return CMD_REFUSED;
    STEP_TRY(stream_lookup(c, c->argv[1], KS_WRITE, &s));
    ENGINE_TRY(c, stream_cut(&s, &q.trim, &n));
    return end_deleting(c, &s, "xtrim", n);
}

/* The stream stays when its last entry goes. */
command_result cmd_xdel(client *c) {
    stream s;
    stream_ids list;
    uint64_t n = 0;
    STEP_TRY(stream_lookup(c, c->argv[1], KS_WRITE, &s));
    if (s.el.exists && !stream_arg_ids(c, 2, &list)) return CMD_REFUSED;
    for (size_t i = 0; s.el.exists && i < list.n; i++) {
        engine_result r = stream_del(&s, list.ids[i]);
        if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
        n += r == ENGINE_OK;
    }
    return end_deleting(c, &s, "xdel", n);
}

typedef struct setid_request {
    stream_id id, max_deleted;
    int64_t added; /* -1: not given */
} setid_request;

/* What XSETID says, as far as it can be refused without looking. */
static bool parse_setid(client *c, setid_request *q) {
    *q = (setid_request){.added = -1};
    if (!stream_arg_id(c, 2, 0, &q->id)) return false;
    for (int i = 3; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc;
        if (more && arg_is(c, i, "entriesadded")) {
            if (!arg_i64(c, i + 1, &q->added)) return false;
            if (q->added >= 0) continue;
            (void)reply_error(c, "ERR entries_added must be positive");
        } else if (more && arg_is(c, i, "maxdeletedid")) {
            if (!stream_arg_id(c, i + 1, 0, &q->max_deleted)) return false;
            if (stream_id_cmp(q->id, q->max_deleted) >= 0) continue;
            (void)reply_error(c, "ERR The ID specified in XSETID is smaller than the provided "
                                 "max_deleted_entry_id");
        } else {
            (void)reply_syntax_error(c);
        }
        return false;
    }
    return true;
}

/* The three numbers go together; what would break the order of IDs is refused. */
command_result cmd_xsetid(client *c) {
    stream s;
    setid_request q;
    if (!parse_setid(c, &q)) return CMD_REFUSED;
    STEP_TRY(stream_lookup(c, c->argv[1], KS_WRITE, &s));
    if (!s.el.exists) return reply_no_key(c);
    const char *smaller = NULL;
    if (stream_id_cmp(q.id, s.max_deleted) < 0) {
        smaller = "ID specified in XSETID is smaller than current max_deleted_entry_id";
    } else if (stream_length(&s) > 0 && stream_id_cmp(q.id, stream_newest(&s)) < 0) {
        smaller = "ID specified in XSETID is smaller than the target stream top item";
    } else if (q.added >= 0 && stream_length(&s) > (uint64_t)q.added) {
        smaller = "entries_added specified in XSETID is smaller than the target stream length";
    }
    stream_depends(c);
    if (smaller) return reply_error(c, "ERR The %s", smaller);
    stream_set_state(&s, q.id, q.added >= 0 ? (uint64_t)q.added : s.added,
                     stream_id_zero(q.max_deleted) ? s.max_deleted : q.max_deleted);
    ENGINE_TRY(c, stream_end(&s));
    data_changed(c, KS_STREAM, "xsetid", c->argv[1]);
    reply_ok(c);
    return CMD_DONE;
}
