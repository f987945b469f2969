/* Changing sorted sets: ZADD and ZINCRBY, ZREM, ZREMRANGEBY*.
 *
 * All scores are read before the key is looked at, so that a bad one changes nothing. When a
 * member's lookup is pending, those after it are only looked up, so that all that are missing come
 * together; what was changed until then is undone with the batch. */
#include "commands/zset_family.h"

/* ---- ZADD ---------------------------------------------------------------------------------------
 */

/* Reads options until an argument is none. */
static void read_options(client *c, zset_addition *o) {
    static const struct {
        const char *name;
        unsigned flag;
    } names[] = {
        {"nx", ZSET_NX}, {"xx", ZSET_XX}, {"gt", ZSET_GT}, {"lt", ZSET_LT}, {"incr", ZSET_INCR}};
    const int n = sizeof names / sizeof *names;
    for (o->first = 2; o->first < c->argc; o->first++) {
        int i = 0;
        while (i < n && !arg_is(c, o->first, names[i].name))
            i++;
        if (i < n) {
            o->flags |= names[i].flag;
        } else if (arg_is(c, o->first, "ch")) {
            o->changed = true;
        } else {
            break;
        }
    }
}

/* In the order in which redis-server finds fault. */
static command_result check_options(client *c, zset_addition *o) {
    unsigned f = o->flags;
    int rest = c->argc - o->first;
    if (rest == 0 || rest % 2) return reply_syntax_error(c);
    o->pairs = rest / 2;
    if (f & ZSET_NX && f & ZSET_XX)
        return reply_error(c, "ERR XX and NX options at the same time are not compatible");
    if ((f & ZSET_NX && f & (ZSET_GT | ZSET_LT)) || (f & ZSET_GT && f & ZSET_LT))
        return reply_error(c, "ERR GT, LT, and/or NX options at the same time are not compatible");
    if (f & ZSET_INCR && o->pairs > 1)
        return reply_error(c, "ERR INCR option supports a single increment-element pair");
    return CMD_DONE;
}

/* All of them, before the key is looked at. */
static command_result read_scores(client *c, const zset_addition *o, double *scores) {
    for (int i = 0; i < o->pairs; i++)
        if (!arg_double(c, o->first + 2 * i, &scores[i])) return CMD_REFUSED;
    return CMD_DONE;
}

/* What has become of the pairs. */
typedef struct add_result {
    uint64_t added, updated;
    zset_outcome outcome; /* of the last */
    double score;         /* of the last, then */
} add_result;

/* Adds them one after another; see the design note for what happens once a lookup is pending. */
static engine_result add_pairs(client *c, const zset_addition *o, const double *scores,
                               elements *el, add_result *out) {
    bool missing = false;
    double score;
    for (int i = 0; i < o->pairs; i++) {
        slice member = c->argv[o->first + o->stride * i + o->stride - 1];
        engine_result r =
            missing ? zset_score(el, member, &score)
                    : zset_add(el, member, scores[i], o->flags, &out->score, &out->outcome);
        if (r == ENGINE_ERROR) return r;
        if (r == ENGINE_PENDING) missing = true;
        if (missing) continue;
        out->added += out->outcome == ZSET_ADDED;
        out->updated += out->outcome == ZSET_UPDATED;
    }
    return missing ? ENGINE_PENDING : ENGINE_OK;
}

/* INCR answers with the score, or with null if the flags forbade it; else it is a count, of added
 * members, or with CH of changed ones too. */
static command_result add_reply(client *c, const zset_addition *o, const add_result *x) {
    if (!(o->flags & ZSET_INCR)) {
        reply_int(c, (int64_t)(o->changed ? x->added + x->updated : x->added));
    } else if (x->outcome == ZSET_REFUSED) {
        reply_null(c);
    } else {
        reply_double(c, x->score);
    }
    return CMD_DONE;
}

/* GEOADD too. On a key that is not there XX changes nothing, whatever the pairs say. */
command_result zset_add_members(client *c, const zset_addition *o, const double *scores) {
    add_result x = {0};
    elements el;
    for (int i = 0; i < o->pairs; i++)
        STEP_TRY(data_check_member(c, c->argv[o->first + o->stride * i + o->stride - 1]));
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, KS_WRITE, &el));
    if (!el.exists && o->flags & ZSET_XX) return add_reply(c, o, &x);
    zset_expect(&el, (uint64_t)o->pairs);
    ENGINE_TRY(c, add_pairs(c, o, scores, &el, &x));
    if (x.outcome == ZSET_NAN) return reply_error(c, "ERR resulting score is not a number (NaN)");
    ENGINE_TRY(c, el_end(&el));
    if (x.added + x.updated > 0)
        zset_taken(c, &el, o->flags & ZSET_INCR ? "zincr" : "zadd", x.added + x.updated);
    return add_reply(c, o, &x);
}

/* ZADD and ZINCRBY. */
static command_result add(client *c, unsigned flags) {
    zset_addition o = {.flags = flags, .first = 2, .stride = 2};
    if (!flags) read_options(c, &o);
    STEP_TRY(check_options(c, &o));
    double *scores = ks_alloc(c->ks, (size_t)o.pairs * sizeof *scores);
    STEP_TRY(read_scores(c, &o, scores));
    return zset_add_members(c, &o, scores);
}

/* Scores and members, after options in any order and any number of times. */
command_result cmd_zadd(client *c) {
    return add(c, 0);
}

/* ZADD key INCR increment member, and nothing else. */
command_result cmd_zincrby(client *c) {
    return add(c, ZSET_INCR);
}

/* ---- ZREM, ZREMRANGEBY* -------------------------------------------------------------------------
 */

/* Members that are not there do not count. The event comes once, whatever the number. */
command_result cmd_zrem(client *c) {
    elements el;
    uint64_t removed = 0;
    bool missing = false;
    double score;
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, KS_WRITE, &el));
    for (int i = 2; i < c->argc; i++) {
        engine_result r =
            missing ? zset_score(&el, c->argv[i], &score) : zset_remove(&el, c->argv[i]);
        if (r == ENGINE_ERROR) return reply_engine(c, r);
        if (r == ENGINE_PENDING) missing = true;
        removed += r == ENGINE_OK;
    }
    if (missing) return reply_engine(c, ENGINE_PENDING);
    ENGINE_TRY(c, el_end(&el));
    if (removed) zset_taken(c, &el, "zrem", removed);
    reply_int(c, (int64_t)removed);
    return CMD_DONE;
}

/* What the three of them do once they have read their ends. */
static command_result remove_range(client *c, const zset_range *range, const char *event) {
    elements el;
    uint64_t removed;
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, KS_WRITE, &el));
    ENGINE_TRY(c, zset_remove_range(&el, range, &removed));
    ENGINE_TRY(c, el_end(&el));
    if (removed) zset_taken(c, &el, event, removed);
    reply_int(c, (int64_t)removed);
    return CMD_DONE;
}

/* Both ends are included, and count from the highest score if they are negative. */
command_result cmd_zremrangebyrank(client *c) {
    zset_range range = ZSET_ALL;
    if (!zset_arg_ranks(c, 2, 3, &range)) return CMD_REFUSED;
    return remove_range(c, &range, "zremrangebyrank");
}

/* Ends as in ZRANGEBYSCORE: "(" before one leaves it out. */
command_result cmd_zremrangebyscore(client *c) {
    zset_range range = ZSET_ALL;
    if (!zset_arg_scores(c, 2, 3, &range)) return CMD_REFUSED;
    return remove_range(c, &range, "zremrangebyscore");
}

/* Ends as in ZRANGEBYLEX; all scores should be equal. */
command_result cmd_zremrangebylex(client *c) {
    zset_range range = ZSET_ALL;
    if (!zset_arg_lex(c, 2, 3, &range)) return CMD_REFUSED;
    return remove_range(c, &range, "zremrangebylex");
}
