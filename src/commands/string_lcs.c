/* LCS: the longest common subsequence of two values.
 *
 * Both values are taken whole into memory: the table is far larger than they are, and it is bounded
 * by proto-max-bulk-len, as in Redis, which knows no other limit for memory that a command needs
 * for a moment. */
#include "commands/string_family.h"

#include "session/config.h"
#include "types/lcs.h"

/* What was asked for: the bytes (no option), their number, or the stretches. */
typedef struct lcs_request {
    bool len, idx, with_match_len;
    int64_t min_match_len;
} lcs_request;

/* Where the stretches go as they are found. */
typedef struct lcs_reply {
    client *c;
    const lcs_request *q;
    int64_t matches;
} lcs_reply;

/* LEN, IDX, MINMATCHLEN n, WITHMATCHLEN; false after having replied. */
static bool parse(client *c, lcs_request *q) {
    *q = (lcs_request){0};
    for (int i = 3; i < c->argc; i++) {
        if (arg_is(c, i, "idx")) {
            q->idx = true;
        } else if (arg_is(c, i, "len")) {
            q->len = true;
        } else if (arg_is(c, i, "withmatchlen")) {
            q->with_match_len = true;
        } else if (arg_is(c, i, "minmatchlen") && i + 1 < c->argc) {
            if (!arg_i64(c, ++i, &q->min_match_len)) return false;
            if (q->min_match_len < 0) q->min_match_len = 0;
        } else {
            (void)reply_syntax_error(c);
            return false;
        }
    }
    if (!q->idx || !q->len) return true;
    (void)reply_error(c, "ERR If you want both the length and indexes, please just use IDX.");
    return false;
}

/* One stretch, if it is long enough. */
static void emit_match(void *ctx, lcs_match m) {
    lcs_reply *r = ctx;
    int64_t len = (int64_t)m.a_last - m.a_first + 1;
    if (len < r->q->min_match_len) return;
    r->matches++;
    reply_array(r->c, r->q->with_match_len ? 3 : 2);
    reply_array(r->c, 2);
    reply_int(r->c, m.a_first);
    reply_int(r->c, m.a_last);
    reply_array(r->c, 2);
    reply_int(r->c, m.b_first);
    reply_int(r->c, m.b_last);
    if (r->q->with_match_len) reply_int(r->c, len);
}

/* IDX: {"matches": [...], "len": n}, the stretches' number known last. */
static void reply_indexes(client *c, const lcs_request *q, slice a, slice b) {
    lcs_reply r = {c, q, 0};
    buf head = {0};
    reply_map(c, 2);
    reply_cstr(c, "matches");
    size_t at = c->out.len;
    uint32_t len = lcs_trace(a, b, NULL, emit_match, &r);
    resp_array(&head, r.matches);
    data_insert(c, at, buf_slice(&head));
    buf_free(&head);
    reply_cstr(c, "len");
    reply_int(c, len);
}

/* No option: the subsequence itself, which is no longer than the shorter value. */
static void reply_bytes(client *c, slice a, slice b) {
    buf text = {0};
    char *out = buf_reserve(&text, a.len < b.len ? a.len : b.len);
    text.len = lcs_trace(a, b, out, NULL, NULL);
    reply_bulk(c, buf_slice(&text));
    buf_free(&text);
}

/* The bounds come first, as the table would be the product of the lengths. */
static command_result reply_lcs(client *c, const lcs_request *q, slice a, slice b) {
    if (a.len >= UINT32_MAX - 1 || b.len >= UINT32_MAX - 1)
        return reply_error(c, "ERR String too long for LCS");
    if (lcs_table_bytes(a, b) > (uint64_t)session_config.max_bulk)
        return reply_error(c, "ERR Insufficient memory, transient memory for LCS exceeds "
                              "proto-max-bulk-len");
    if (q->idx) {
        reply_indexes(c, q, a, b);
    } else if (q->len) {
        reply_int(c, lcs_length(a, b));
    } else {
        reply_bytes(c, a, b);
    }
    return CMD_DONE;
}

/* One of the two values, whole. */
static command_result load(client *c, slice key, buf *out, bool *wrong_type) {
    string s;
    unsigned flags = c->flags & CLIENT_NO_TOUCH ? KS_NO_TOUCH : 0;
    ENGINE_TRY(c, string_open(c->ks, c->db, key, flags, &s));
    *wrong_type |= s.wrong_type;
    if (!s.wrong_type) ENGINE_TRY(c, string_load(&s, out));
    data_depends(c, &s);
    return CMD_DONE;
}

/* Redis looks at the values before it looks at the options, so a wrong type is told first, in words
 * that only this command uses. Both values are asked for even if one is of a wrong type. */
command_result cmd_lcs(client *c) {
    buf a = {0}, b = {0};
    bool wrong_type = false;
    lcs_request q;
    command_result r = load(c, c->argv[1], &a, &wrong_type);
    if (r == CMD_DONE) r = load(c, c->argv[2], &b, &wrong_type);
    if (r == CMD_DONE && wrong_type)
        r = reply_error(c, "ERR The specified keys must contain string values");
    if (r == CMD_DONE && !parse(c, &q)) r = CMD_REFUSED;
    if (r == CMD_DONE) r = reply_lcs(c, &q, buf_slice(&a), buf_slice(&b));
    buf_free(&a);
    buf_free(&b);
    return r;
}
