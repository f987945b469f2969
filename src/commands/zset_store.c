/* ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD.
 *
 *   [destination] numkeys key ... [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]
 *
 * The sources are looked up, and their types judged, before the options are read, as redis-server
 * does it: so which error is told first is the same. */
#include "base/num.h"
#include "commands/zset_family.h"
#include "types/zset_combine.h"

/* What was asked for, and what is there. */
typedef struct combine_args {
    zset_operation op;
    bool store;
    int keys_at;
    size_t n;
    zset_source *sources;
    zset_aggregate how;
    bool scores;
} combine_args;

/* The number of keys at argument `at`, the keys behind it, opened: all of them are asked for, also
 * when one is pending. */
static command_result open_sources(client *c, int at, combine_args *a) {
    int64_t n;
    command_result worst = CMD_DONE;
    if (!arg_i64(c, at, &n)) return CMD_REFUSED;
    if (n < 1)
        return reply_error(c, "ERR at least 1 input key is needed for '%s' command",
                           c->row->full_name);
    if (n > c->argc - at - 1) return reply_syntax_error(c);
    a->keys_at = at + 1;
    a->n = (size_t)n;
    a->sources = ks_alloc(c->ks, a->n * sizeof *a->sources);
    unsigned flags = c->flags & CLIENT_NO_TOUCH ? KS_NO_TOUCH : 0;
    for (size_t i = 0; i < a->n; i++) {
        engine_result r =
            zset_source_open(c->ks, c->db, c->argv[a->keys_at + (int)i], flags, &a->sources[i]);
        if (r == ENGINE_ERROR) return reply_engine(c, r);
        if (r == ENGINE_PENDING) {
            worst = reply_engine(c, r);
        } else if (worst == CMD_DONE && a->sources[i].wrong_type) {
            return reply_wrong_type(c);
        }
    }
    return worst;
}

/* One for each source. */
static command_result read_weights(client *c, int at, combine_args *a) {
    for (size_t i = 0; i < a->n; i++)
        if (!num_parse_double(c->argv[at + (int)i], &a->sources[i].weight))
            return reply_error(c, "ERR weight value is not a float");
    return CMD_DONE;
}

/* The word after AGGREGATE. */
static bool read_aggregate(client *c, int i, combine_args *a) {
    static const char *const names[] = {"sum", "min", "max"};
    for (int how = 0; how < 3; how++) {
        if (!arg_is(c, i, names[how])) continue;
        a->how = (zset_aggregate)how;
        return true;
    }
    return false;
}

/* In any order, the last of each counts. A difference has neither weights nor aggregates. */
static command_result read_options(client *c, combine_args *a) {
    int n = (int)a->n;
    for (int i = a->keys_at + n; i < c->argc; i++) {
        int rest = c->argc - i;
        if (a->op != ZSET_DIFF && rest > n && arg_is(c, i, "weights")) {
            STEP_TRY(read_weights(c, i + 1, a));
            i += n;
        } else if (a->op != ZSET_DIFF && rest > 1 && arg_is(c, i, "aggregate")) {
            if (!read_aggregate(c, ++i, a)) return reply_syntax_error(c);
        } else if (!a->store && arg_is(c, i, "withscores")) {
            a->scores = true;
        } else {
            return reply_syntax_error(c);
        }
    }
    return CMD_DONE;
}

/* The reply is in the order of scores, so the result is whole before its first member is shown. */
static command_result combine(client *c, zset_operation op) {
    combine_args a = {.op = op};
    zset_list list;
    bool nested = c->proto > 2;
    STEP_TRY(open_sources(c, 1, &a));
    STEP_TRY(read_options(c, &a));
    ENGINE_TRY(c, zset_combine_list(c->ks, op, a.sources, a.n, a.how, &list));
    reply_array(c, zset_reply_length(list.n, a.scores, nested));
    for (size_t i = 0; i < list.n; i++)
        zset_reply_member(c, list.items[i].member, list.items[i].score, a.scores, nested);
    client_depends_on_end(c);
    return CMD_DONE;
}

/* Members of any source. */
command_result cmd_zunion(client *c) {
    return combine(c, ZSET_UNION);
}

/* Members of all. */
command_result cmd_zinter(client *c) {
    return combine(c, ZSET_INTER);
}

/* Members of the first alone, with the scores they have there. */
command_result cmd_zdiff(client *c) {
    return combine(c, ZSET_DIFF);
}

/* The destination may be a source: it is replaced when all is made. */
static command_result store(client *c, zset_operation op, const char *event) {
    combine_args a = {.op = op, .store = true};
    elements to;
    STEP_TRY(data_check_key(c, c->argv[1]));
    STEP_TRY(open_sources(c, 2, &a));
    STEP_TRY(read_options(c, &a));
    el_create(c->ks, c->db, c->argv[1], &zset_type, &to);
    ENGINE_TRY(c, zset_combine_store(op, a.sources, a.n, a.how, &to));
    return zset_stored(c, &to, event);
}

/* As ZUNION, into a key. */
command_result cmd_zunionstore(client *c) {
    return store(c, ZSET_UNION, "zunionstore");
}

/* As ZINTER, into a key. */
command_result cmd_zinterstore(client *c) {
    return store(c, ZSET_INTER, "zinterstore");
}

/* As ZDIFF, into a key. */
command_result cmd_zdiffstore(client *c) {
    return store(c, ZSET_DIFF, "zdiffstore");
}

/* The walk stops at the limit; 0 is none. */
command_result cmd_zintercard(client *c) {
    combine_args a = {.op = ZSET_INTER};
    int64_t limit = 0;
    uint64_t n;
    STEP_TRY(open_sources(c, 1, &a));
    for (int i = a.keys_at + (int)a.n; i < c->argc; i += 2) {
        if (i + 1 == c->argc || !arg_is(c, i, "limit")) return reply_syntax_error(c);
        if (!arg_i64_range(c, i + 1, 0, INT64_MAX, &limit, "ERR LIMIT can't be negative"))
            return CMD_REFUSED;
    }
    ENGINE_TRY(c, zset_inter_count(a.sources, a.n, (uint64_t)limit, &n));
    client_depends_on_end(c);
    reply_int(c, (int64_t)n);
    return CMD_DONE;
}
