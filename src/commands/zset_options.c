/* What the sorted set commands share: ends of ranges, and forms of replies.
 *
 * A score's end is read as redis-server does, with strtod: spaces before it, hexadecimal and
 * nothing at all (which is 0) are taken, and what follows a NUL is not looked at. */
#include <math.h>
#include <stdlib.h>

#include "commands/zset_family.h"

/* "(" before it leaves the score itself out. */
static bool score_end(client *c, slice arg, double *out, bool *open) {
    char *end, *text = ks_alloc(c->ks, arg.len + 1);
    *open = arg.len > 0 && arg.data[0] == '(';
    if (*open) arg = slice_skip(arg, 1);
    if (arg.len) memcpy(text, arg.data, arg.len);
    text[arg.len] = '\0';
    *out = strtod(text, &end);
    return *end == '\0' && !isnan(*out);
}

/* One text for either end, as redis-server has it. */
bool zset_arg_scores(client *c, int min, int max, zset_range *out) {
    out->by = ZSET_BY_SCORE;
    if (score_end(c, c->argv[min], &out->min, &out->min_open) &&
        score_end(c, c->argv[max], &out->max, &out->max_open))
        return true;
    (void)reply_error(c, "ERR min or max is not a float");
    return false;
}

/* "-", "+", "[text" or "(text". */
static bool lex_end(slice arg, zset_lex *out) {
    *out = (zset_lex){0};
    if (arg.len == 0) return false;
    char first = arg.data[0];
    if (first == '-' || first == '+') {
        out->infinite = first == '-' ? -1 : 1;
        return arg.len == 1 || arg.data[1] == '\0';
    }
    out->open = first == '(';
    out->text = slice_skip(arg, 1);
    return first == '(' || first == '[';
}

/* Neither end may be without its mark: a bare text is an error, an empty one too. */
bool zset_arg_lex(client *c, int min, int max, zset_range *out) {
    out->by = ZSET_BY_LEX;
    if (lex_end(c->argv[min], &out->low) && lex_end(c->argv[max], &out->high)) return true;
    (void)reply_error(c, "ERR min or max not valid string range item");
    return false;
}

/* Plain integers, whose range is that of an int64. */
bool zset_arg_ranks(client *c, int start, int stop, zset_range *out) {
    out->by = ZSET_BY_RANK;
    return arg_i64(c, start, &out->start) && arg_i64(c, stop, &out->stop);
}

/* RESP3 has doubles, so there a pair is an array of its own, where RESP2 has a flat list. */
void zset_reply_member(client *c, slice member, double score, bool scores, bool nested) {
    if (scores && nested) reply_array(c, 2);
    reply_bulk(c, member);
    if (scores) reply_double(c, score);
}

/* It counts as n changes, of which data_changed has one. "del" is an event alone: the change was
 * the removal. */
void zset_taken(client *c, elements *el, const char *event, uint64_t n) {
    data_changed(c, KS_ZSET, event, el->key);
    ks_dirty(c->ks, (int64_t)n - 1);
    if (el->deleted) ks_notify(c->ks, KS_GENERIC, "del", c->db, el->key);
}

/* Nothing to store deletes what was there, of whatever type; without any it is no change. */
command_result zset_stored(client *c, elements *to, const char *event) {
    uint64_t n = el_count(to, 0);
    ENGINE_TRY(c, el_end(to));
    if (n > 0) {
        data_changed(c, KS_ZSET, event, to->key);
    } else if (to->deleted) {
        data_changed(c, KS_GENERIC, "del", to->key);
    }
    reply_int(c, (int64_t)n);
    return CMD_DONE;
}
