/* What the files of the data commands share: lookups that know the client, arguments, replies from
 * strings.
 *
 * Contracts are in data.h. What is particular to a client is that CLIENT NO-TOUCH makes all its
 * lookups leave access times alone, and that its replies depend on a place in the log. */
#include "commands/data.h"

#include "base/num.h"
#include "session/config.h"

#include <math.h>

command_result data_lookup(client *c, slice key, unsigned flags, entry *out, bool *found) {
    if (c->flags & CLIENT_NO_TOUCH) flags |= KS_NO_TOUCH;
    engine_result r = ks_get(c->ks, c->db, key, flags, out);
    *found = r == ENGINE_OK;
    return r == ENGINE_OK || r == ENGINE_ABSENT ? CMD_DONE : reply_engine(c, r);
}

/* A key that is too long is nowhere, so reads need not be refused: they find nothing. */
command_result data_check_key(client *c, slice key) {
    if (key.len <= ENGINE_KEY_MAX) return CMD_DONE;
    return reply_error(c, "ERR key is longer than %u bytes", ENGINE_KEY_MAX);
}

/* Redis' own words and its setting; STRING_MAX is where chunks would end. */
command_result data_check_length(client *c, uint64_t off, uint64_t n) {
    uint64_t max = (uint64_t)session_config.max_bulk;
    if (max > STRING_MAX) max = STRING_MAX;
    if (off <= max && n <= max - off) return CMD_DONE;
    return reply_error(c, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
}

command_result data_open(client *c, slice key, unsigned flags, string *out) {
    if (flags & KS_WRITE) STEP_TRY(data_check_key(c, key));
    if (c->flags & CLIENT_NO_TOUCH) flags |= KS_NO_TOUCH;
    ENGINE_TRY(c, string_open(c->ks, c->db, key, flags, out));
    return out->wrong_type ? reply_wrong_type(c) : CMD_DONE;
}

command_result data_elements(client *c, slice key, const el_type *type, unsigned flags,
                             elements *out) {
    if (flags & KS_WRITE) STEP_TRY(data_check_key(c, key));
    if (c->flags & CLIENT_NO_TOUCH) flags |= KS_NO_TOUCH;
    ENGINE_TRY(c, el_open(c->ks, c->db, key, type, flags, out));
    return out->wrong_type ? reply_wrong_type(c) : CMD_DONE;
}

/* The others' types do not matter here: when this runs again they are judged in turn. */
command_result data_first_of(client *c, int at, int n, const el_type *type, elements *el) {
    for (int i = at; i < at + n; i++) {
        command_result r = data_elements(c, c->argv[i], type, KS_WRITE, el);
        for (int k = i + 1; r == CMD_AGAIN && k < at + n; k++) {
            entry ent;
            if (ks_get(c->ks, c->db, c->argv[k], KS_WRITE, &ent) == ENGINE_ERROR)
                return reply_engine(c, ENGINE_ERROR);
        }
        if (r != CMD_DONE || el->exists) return r;
    }
    return CMD_DONE;
}

void data_depends_elements(client *c, const elements *el) {
    if (el->exists) {
        client_depends(c, el->pos);
    } else {
        client_depends_on_end(c);
    }
}

command_result data_check_member(client *c, slice member) {
    if (member.len <= EL_SUB_MAX) return CMD_DONE;
    return reply_error(c, "ERR element is longer than %u bytes", EL_SUB_MAX);
}

command_result data_check_value(client *c, slice value) {
    if (value.len <= EL_VALUE_MAX) return CMD_DONE;
    return reply_error(c, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
}

/* ---- replies -----------------------------------------------------------------------------------
 */

void data_depends(client *c, const string *s) {
    if (s->exists) {
        client_depends(c, s->pos);
    } else {
        client_depends_on_end(c);
    }
}

/* "$LEN\r\n" */
static void begin_bulk(client *c, uint64_t len) {
    char head[NUM_I64_TEXT + 1] = "$";
    size_t n = 1 + num_format_u64(head + 1, len);
    buf_reserve_exact(&c->out, n + len + 4);
    buf_append(&c->out, head, n);
    buf_append(&c->out, "\r\n", 2);
}

/* The length goes first, so the bytes can follow as they are read; room for all of them is made at
 * once. Chunks that are missing are zeros. A read that is pending leaves half a reply behind, which
 * the session cuts off before it runs the command again. */
command_result data_reply_range(client *c, string *s, uint64_t from, uint64_t to) {
    if (to > s->len) to = s->len;
    if (from >= to) {
        data_depends(c, s);
        reply_bulk(c, SLICE_EMPTY);
        return CMD_DONE;
    }
    begin_bulk(c, to - from);
    string_cursor cur;
    engine_result r;
    slice run;
    string_range(s, from, to, &cur);
    while ((r = string_next(&cur, &run)) == ENGINE_OK) {
        if (run.data) {
            buf_append_slice(&c->out, run);
        } else {
            memset(buf_reserve(&c->out, run.len), 0, run.len);
            c->out.len += run.len;
        }
    }
    if (r != ENGINE_ABSENT) return reply_engine(c, r);
    buf_append(&c->out, "\r\n", 2);
    data_depends(c, s);
    return CMD_DONE;
}

command_result data_reply_value(client *c, string *s) {
    if (s->chunked) return data_reply_range(c, s, 0, s->len);
    data_depends(c, s);
    if (s->exists) {
        reply_bulk(c, s->ent.value);
    } else {
        reply_null(c);
    }
    return CMD_DONE;
}

/* A long value goes from the engine to the reply piece by piece. */
command_result data_reply_item(client *c, elements *el, const el_item *item) {
    if (!item->left) {
        reply_bulk(c, item->value);
        return CMD_DONE;
    }
    slice sub = el_keep(el, item->sub), piece;
    begin_bulk(c, item->left);
    for (uint64_t at = 0; at < item->left; at += piece.len) {
        ENGINE_TRY(c, el_piece(el, sub, at, &piece));
        buf_append_slice(&c->out, piece);
    }
    buf_append(&c->out, "\r\n", 2);
    return CMD_DONE;
}

#define REPLY_MAX  (UINT64_C(1) << 30)
#define LEAST_BULK 6 /* "$0", two line ends */

bool data_reply_fits(uint64_t picks) {
    return picks <= REPLY_MAX / LEAST_BULK;
}

bool data_reply_may_grow(const client *c) {
    return c->out.len - c->out_from <= REPLY_MAX;
}

/* What there is of the reply goes. */
command_result data_reply_too_long(client *c) {
    c->out.len = c->out_from;
    return reply_error(c, "ERR the reply is longer than %llu bytes", (unsigned long long)REPLY_MAX);
}

/* For lengths that are known last: moving the reply once is cheaper than building it apart. */
void data_insert(client *c, size_t at, slice head) {
    buf_reserve(&c->out, head.len);
    char *p = c->out.data + at;
    memmove(p + head.len, p, c->out.len - at);
    memcpy(p, head.data, head.len);
    c->out.len += head.len;
}

/* The scratch buffer holds the head. */
void data_insert_array(client *c, size_t at, uint64_t n) {
    buf *b = ks_scratch(c->ks);
    buf_clear(b);
    resp_array(b, (int64_t)n);
    data_insert(c, at, buf_slice(b));
}

/* ---- arguments ---------------------------------------------------------------------------------
 */

/* A number between two bounds, in redis' words ("must between" is its grammar). */
static bool arg_between(client *c, int i, int64_t min, int64_t max, int64_t *out) {
    if (!arg_i64(c, i, out)) return false;
    if (*out >= min && *out <= max) return true;
    (void)reply_error(c, "ERR value is out of range, value must between %lld and %lld",
                      (long long)min, (long long)max);
    return false;
}

bool data_arg_count(client *c, int i, int64_t *out) {
    return arg_between(c, i, -INT64_MAX, INT64_MAX, out);
}

/* For MOVE and COPY, which take any int of C before they look at the range. */
bool data_arg_db(client *c, int i, uint32_t *out) {
    int64_t db;
    if (!arg_between(c, i, INT32_MIN, INT32_MAX, &db)) return false;
    *out = (uint32_t)db;
    if (db >= 0 && db < ks_databases(c->ks)) return true;
    (void)reply_error(c, "ERR DB index is out of range");
    return false;
}

/* The message names the command as the client knows it ("setex", "expire"). */
command_result data_bad_expire(client *c) {
    return reply_error(c, "ERR invalid expire time in '%s' command", c->row->full_name);
}

/* In the order of checks that decides which error is told: a number, above 0, and in range when it
 * has become milliseconds since the epoch. */
bool data_arg_expire(client *c, int i, bool seconds, bool relative, int64_t *out) {
    if (!arg_i64(c, i, out)) return false;
    bool fits = *out > 0 && !(seconds && __builtin_mul_overflow(*out, 1000, out)) &&
                !(relative && __builtin_add_overflow(*out, ks_now(c->ks), out));
    if (!fits) (void)data_bad_expire(c);
    return fits;
}

/* Of what parsed: not negative, and its end a time that can be told. */
static bool check_timeout(client *c, int64_t ms) {
    if (ms >= 0 && ms <= INT64_MAX - ks_now(c->ks)) return true;
    (void)reply_error(c, ms < 0 ? "ERR timeout is negative" : "ERR timeout is out of range");
    return false;
}

/* A long double holds any int64 exactly, as redis-server computes it. */
bool data_arg_timeout(client *c, int i, int64_t *ms) {
    long double seconds;
    if (!num_parse_ldouble(c->argv[i], &seconds)) {
        (void)reply_error(c, "ERR timeout is not a float or out of range");
        return false;
    }
    long double v = ceill(seconds * 1000);
    *ms = v >= (long double)INT64_MAX ? INT64_MAX : v < 0 ? -1 : (int64_t)v;
    return check_timeout(c, *ms);
}

bool data_arg_timeout_ms(client *c, int i, int64_t *ms) {
    if (num_parse_i64(c->argv[i], ms)) return check_timeout(c, *ms);
    (void)reply_error(c, "ERR timeout is not an integer or out of range");
    return false;
}

/* What data_parse_mpop has found wrong beside numbers. */
static bool bad_syntax(client *c) {
    (void)reply_syntax_error(c);
    return false;
}

/* In the order of checks that decides which error is told. */
bool data_parse_mpop(client *c, int at, const char *const words[2], data_mpop *out) {
    int64_t n;
    bool counted = false;
    *out = (data_mpop){.first = at + 1, .count = 1};
    if (!arg_i64_range(c, at, 1, INT64_MAX, &n, "ERR numkeys should be greater than 0"))
        return false;
    if (n >= c->argc - out->first) return bad_syntax(c);
    out->keys = (int)n;
    int i = out->first + out->keys;
    out->word = arg_is(c, i, words[1]);
    if (!out->word && !arg_is(c, i, words[0])) return bad_syntax(c);
    for (i++; i < c->argc; i += 2) {
        if (counted || i + 1 == c->argc || !arg_is(c, i, "count")) return bad_syntax(c);
        counted = true;
        if (!arg_i64_range(c, i + 1, 1, INT64_MAX, &out->count,
                           "ERR count should be greater than 0"))
            return false;
    }
    return true;
}
