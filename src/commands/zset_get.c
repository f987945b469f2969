/* Looking at sorted sets: sizes, scores, ranks, counts, picks at random, scans.
 *
 * A score is found by its member in one lookup; a rank takes the score's place in the derived map
 * as well. A reply that shows a rank or a count depends on the log's end, since any other member
 * may have changed it. */
#include <stdio.h>

#include "base/num.h"
#include "commands/scan_options.h"
#include "commands/zset_family.h"
#include "types/sample.h"

/* 0 for an absent key; a count that the engine keeps, so nothing is read for it. */
command_result cmd_zcard(client *c) {
    elements el;
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &el));
    client_depends_on_end(c);
    reply_int(c, (int64_t)el_count(&el, 0));
    return CMD_DONE;
}

/* ---- scores and ranks ---------------------------------------------------------------------------
 */

/* A score, or null. */
static void tell_score(client *c, bool found, double score) {
    if (found)
        reply_double(c, score);
    else
        reply_null(c);
}

/* What the lookup of a member says the reply depends on, and what `tell` makes of it. */
static void reply_score(client *c, const elements *el, engine_result r, double score,
                        void (*tell)(client *c, bool found, double score)) {
    if (r == ENGINE_OK)
        client_depends(c, el->pos);
    else
        client_depends_on_end(c);
    tell(c, r == ENGINE_OK, score);
}

/* The reply shows one element, so it waits for that one only, unless it is not there. */
command_result cmd_zscore(client *c) {
    elements el;
    double score;
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &el));
    engine_result r = zset_score(&el, c->argv[2], &score);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    reply_score(c, &el, r, score, tell_score);
    return CMD_DONE;
}

command_result zset_tell_scores(client *c, void (*tell)(client *c, bool found, double score)) {
    elements el;
    double score;
    bool missing = false;
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &el));
    reply_array(c, c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        engine_result r = zset_score(&el, c->argv[i], &score);
        if (r == ENGINE_ERROR) return reply_engine(c, r);
        if (r == ENGINE_PENDING) {
            missing = true;
        } else {
            reply_score(c, &el, r, score, tell);
        }
    }
    return missing ? reply_engine(c, ENGINE_PENDING) : CMD_DONE;
}

/* Members that are not there are nulls in their place. */
command_result cmd_zmscore(client *c) {
    return zset_tell_scores(c, tell_score);
}

/* With a score the reply is an array, so a missing one is a null array. */
static command_result rank_of(client *c, bool reverse) {
    elements el;
    uint64_t rank;
    double score;
    if (c->argc > 4) return reply_wrong_args(c);
    bool with = c->argc == 4;
    if (with && !arg_is(c, 3, "withscore")) return reply_syntax_error(c);
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &el));
    engine_result r = zset_rank(&el, c->argv[2], reverse, &rank, &score);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    client_depends_on_end(c);
    if (r == ENGINE_ABSENT) {
        if (with) {
            reply_null_array(c);
        } else {
            reply_null(c);
        }
        return CMD_DONE;
    }
    if (with) reply_array(c, 2);
    reply_int(c, (int64_t)rank);
    if (with) reply_double(c, score);
    return CMD_DONE;
}

/* 0 is the lowest score. */
command_result cmd_zrank(client *c) {
    return rank_of(c, false);
}

/* 0 is the highest score. */
command_result cmd_zrevrank(client *c) {
    return rank_of(c, true);
}

/* ---- counts -------------------------------------------------------------------------------------
 */

/* An absent key has none; but the ends of the range were judged before. */
static command_result count_of(client *c, const zset_range *range) {
    elements el;
    uint64_t n;
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &el));
    ENGINE_TRY(c, zset_count(&el, range, &n));
    client_depends_on_end(c);
    reply_int(c, (int64_t)n);
    return CMD_DONE;
}

/* By score, with two lookups where the engine counts. */
command_result cmd_zcount(client *c) {
    zset_range range = ZSET_ALL;
    return zset_arg_scores(c, 2, 3, &range) ? count_of(c, &range) : CMD_REFUSED;
}

/* By bytes, likewise. */
command_result cmd_zlexcount(client *c) {
    zset_range range = ZSET_ALL;
    return zset_arg_lex(c, 2, 3, &range) ? count_of(c, &range) : CMD_REFUSED;
}

/* ---- at random ----------------------------------------------------------------------------------
 */

/* How a pick is shown. */
typedef struct showing {
    client *c;
    bool scores, nested;
    uint64_t n;
} showing;

/* A pick among several. */
static bool show_pick(void *ctx, const el_item *item) {
    showing *s = ctx;
    s->n++;
    zset_reply_member(s->c, item->sub, zset_item_score(item), s->scores, s->nested);
    return data_reply_may_grow(s->c);
}

/* The only one. */
static bool show_first(void *ctx, const el_item *item) {
    reply_bulk(ctx, item->sub);
    return false;
}

/* A count below 0: so many, any of them as often as it comes. */
static command_result many_at_random(client *c, elements *el, int64_t count, bool scores) {
    showing s = {c, scores, c->proto > 2, 0};
    uint64_t n = count < 0 ? 0 - (uint64_t)count : (uint64_t)count, all = el_count(el, 0);
    client_depends_on_end(c);
    if (all == 0) n = 0;
    if (count > 0 && n > all) n = all;
    if (!data_reply_fits(n)) return data_reply_too_long(c);
    reply_array(c, zset_reply_length(n, scores, s.nested));
    if (n == 0) return CMD_DONE;
    ENGINE_TRY(c, count < 0 ? sample_any(el, n, show_pick, &s)
                            : sample_distinct(el, n, show_pick, &s));
    return s.n == n ? CMD_DONE : data_reply_too_long(c);
}

/* Errors come in the order in which redis-server finds them: the number, the words, the range that
 * a number may have if scores double the reply. */
command_result cmd_zrandmember(client *c) {
    elements el;
    int64_t count = 0;
    bool scores = c->argc > 3;
    if (c->argc > 2 && !data_arg_count(c, 2, &count)) return CMD_REFUSED;
    if (c->argc > 4 || (scores && !arg_is(c, 3, "withscores"))) return reply_syntax_error(c);
    if (scores && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) return reply_out_of_range(c);
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &el));
    if (c->argc > 2) return many_at_random(c, &el, count, scores);
    client_depends_on_end(c);
    if (!el.exists) {
        reply_null(c);
        return CMD_DONE;
    }
    ENGINE_TRY(c, sample_any(&el, 1, show_first, c));
    return CMD_DONE;
}

/* ---- ZSCAN --------------------------------------------------------------------------------------
 */

/* What a scan needs for each element. */
typedef struct scanning {
    client *c;
    const scan_options *options;
    bool long_form; /* 17 digits */
    uint64_t strings;
} scanning;

/* Scores are strings here in RESP3 too; those of a skiplist redis-server prints with all their
 * digits. */
static void scan_each(void *ctx, const el_item *item) {
    scanning *s = ctx;
    char text[NUM_DOUBLE_TEXT];
    double score = zset_item_score(item);
    if (!scan_wants(s->options, item->sub)) return;
    reply_bulk(s->c, item->sub);
    size_t n = s->long_form ? (size_t)snprintf(text, sizeof text, "%.17g", score)
                            : num_format_double(text, score);
    reply_bulk(s->c, slice_of(text, n));
    s->strings += 2;
}

/* An absent key is at its end before its options are looked at, as redis-server has it. */
command_result cmd_zscan(client *c) {
    elements el;
    uint64_t cursor, next;
    scan_options o;
    size_t at = c->out.len;
    if (!scan_cursor(c, 2, &cursor)) return CMD_REFUSED;
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &el));
    if (!el.exists) return scan_reply_empty(c);
    if (!scan_options_parse(c, 3, 0, &o)) return CMD_REFUSED;
    scanning s = {c, &o, el_hint(&el) & ZSET_SKIPLIST, 0};
    ENGINE_TRY(c, el_scan(&el, cursor, o.count, &next, scan_each, &s));
    return scan_reply(c, at, &next, s.strings);
}
