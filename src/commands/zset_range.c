/* Ranges of sorted sets: ZRANGE in all its forms, its older names, and ZRANGESTORE.
 *
 * The older commands are ZRANGE with its kind and direction fixed, so that the words BYSCORE, BYLEX
 * and REV are none of theirs. A range by rank has a known length; of the others it is put before
 * the members when they are all there. */
#include "commands/zset_family.h"
#include "types/zset_combine.h"

/* What a command's name says already. */
typedef struct range_kind {
    bool any;   /* BYSCORE, BYLEX and REV may say it */
    bool store; /* the range goes to a key, its scores with it */
    int by;
    bool reverse;
} range_kind;

/* What was asked for. */
typedef struct range_args {
    zset_range range;
    bool scores;
} range_args;

/* Reads the options from argument `i` on. */
static bool read_options(client *c, int i, const range_kind *kind, range_args *out) {
    bool by_free = kind->any, way_free = kind->any;
    out->range = (zset_range){.limit = -1, .reverse = kind->reverse};
    out->range.by = kind->by;
    out->scores = false;
    for (; i < c->argc; i++) {
        if (!kind->store && arg_is(c, i, "withscores")) {
            out->scores = true;
        } else if (arg_is(c, i, "limit") && i + 2 < c->argc) {
            if (!arg_i64(c, i + 1, &out->range.offset) || !arg_i64(c, i + 2, &out->range.limit))
                return false;
            i += 2;
        } else if (way_free && arg_is(c, i, "rev")) {
            out->range.reverse = true;
            way_free = false;
        } else if (by_free && arg_is(c, i, "bylex")) {
            out->range.by = ZSET_BY_LEX;
            by_free = false;
        } else if (by_free && arg_is(c, i, "byscore")) {
            out->range.by = ZSET_BY_SCORE;
            by_free = false;
        } else {
            (void)reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Reads all: the ends of the range are at `at`, the options behind them. */
static command_result read_args(client *c, int at, const range_kind *kind, range_args *out) {
    if (!read_options(c, at + 2, kind, out)) return CMD_REFUSED;
    zset_range *r = &out->range;
    if (r->by == ZSET_BY_RANK && r->limit != -1)
        return reply_error(c, "ERR syntax error, LIMIT is only supported in combination with "
                              "either BYSCORE or BYLEX");
    if (r->by == ZSET_BY_LEX && out->scores)
        return reply_error(c, "ERR syntax error, WITHSCORES not supported in combination with "
                              "BYLEX");
    bool ok;
    if (r->by == ZSET_BY_RANK) {
        ok = zset_arg_ranks(c, at, at + 1, r);
    } else { /* in reverse the greater end comes first */
        int low = r->reverse ? at + 1 : at, high = r->reverse ? at : at + 1;
        ok = r->by == ZSET_BY_SCORE ? zset_arg_scores(c, low, high, r)
                                    : zset_arg_lex(c, low, high, r);
    }
    return ok ? CMD_DONE : CMD_REFUSED;
}

/* Members go into the reply as the walk shows them. */
static command_result reply_range(client *c, elements *el, const range_args *args) {
    zset_walk w;
    uint64_t n = 0;
    bool scores = args->scores, nested = c->proto > 2, known = args->range.by == ZSET_BY_RANK;
    size_t at = c->out.len;
    if (known) {
        n = zset_rank_count(el, &args->range);
        reply_array(c, zset_reply_length(n, scores, nested));
        n = 0;
    }
    engine_result r = zset_first(el, &args->range, &w);
    for (; r == ENGINE_OK; r = zset_next(&w), n++)
        zset_reply_member(c, w.member, w.score, scores, nested);
    if (r != ENGINE_ABSENT) return reply_engine(c, r);
    if (!known) data_insert_array(c, at, (uint64_t)zset_reply_length(n, scores, nested));
    client_depends_on_end(c);
    return CMD_DONE;
}

/* All that read: key, two ends, options. */
static command_result range_of(client *c, const range_kind *kind) {
    range_args args;
    elements el;
    STEP_TRY(read_args(c, 2, kind, &args));
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &el));
    return reply_range(c, &el, &args);
}

/* By rank unless a word says otherwise. */
command_result cmd_zrange(client *c) {
    return range_of(c, &(range_kind){.any = true, .by = ZSET_BY_RANK});
}

/* Ranks from the highest score down. */
command_result cmd_zrevrange(client *c) {
    return range_of(c, &(range_kind){.by = ZSET_BY_RANK, .reverse = true});
}

/* The lowest score first. */
command_result cmd_zrangebyscore(client *c) {
    return range_of(c, &(range_kind){.by = ZSET_BY_SCORE});
}

/* The highest first, and the greater end before the smaller. */
command_result cmd_zrevrangebyscore(client *c) {
    return range_of(c, &(range_kind){.by = ZSET_BY_SCORE, .reverse = true});
}

/* In the order of bytes. */
command_result cmd_zrangebylex(client *c) {
    return range_of(c, &(range_kind){.by = ZSET_BY_LEX});
}

/* Against it, the greater end first. */
command_result cmd_zrevrangebylex(client *c) {
    return range_of(c, &(range_kind){.by = ZSET_BY_LEX, .reverse = true});
}

/* The destination may be the source: what is made replaces it at the end. */
command_result cmd_zrangestore(client *c) {
    range_args args;
    elements from, to;
    STEP_TRY(read_args(c, 3, &(range_kind){.any = true, .store = true, .by = ZSET_BY_RANK}, &args));
    STEP_TRY(data_check_key(c, c->argv[1]));
    STEP_TRY(data_elements(c, c->argv[2], &zset_type, 0, &from));
    el_create(c->ks, c->db, c->argv[1], &zset_type, &to);
    ENGINE_TRY(c, zset_range_store(&from, &args.range, &to));
    return zset_stored(c, &to, "zrangestore");
}
