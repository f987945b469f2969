/* Cursor, options and reply of the commands that scan: SCAN and its sisters for the elements of a
 * key.
 *
 * Of the replies' form only the number of strings is known last, so it is put before them when they
 * are all there. COUNT is about what is visited and not about what is returned: with a pattern a
 * call may answer with nothing and still not be at the end. */
#include "commands/scan_options.h"

#include "base/glob.h"
#include "base/num.h"
#include "commands/data.h"

/* A cursor as strtoul() would read it, which is what redis-server does: a sign is taken, and so is
 * nothing at all. */
bool scan_cursor(client *c, int i, uint64_t *out) {
    slice arg = c->argv[i];
    bool minus = arg.len > 0 && arg.data[0] == '-';
    slice digits = arg.len > 0 && (minus || arg.data[0] == '+') ? slice_skip(arg, 1) : arg;
    size_t zeros = 0;
    while (zeros + 1 < digits.len && digits.data[zeros] == '0')
        zeros++;
    *out = 0;
    if (arg.len == 0 || num_parse_u64(slice_skip(digits, zeros), out)) {
        if (minus) *out = 0 - *out;
        return true;
    }
    (void)reply_error(c, "ERR invalid cursor");
    return false;
}

void scan_pattern(scan_options *o, slice pattern) {
    o->pattern = pattern;
    o->match_all = slice_eq(pattern, SLICE("*"));
}

/* COUNT below 1 is a syntax error, as it is in Redis. */
bool scan_options_parse(client *c, int from, unsigned allowed, scan_options *out) {
    *out = (scan_options){.match_all = true, .count = 10};
    for (int i = from; i < c->argc; i++) {
        bool pair = i + 1 < c->argc;
        if (pair && arg_is(c, i, "count")) {
            int64_t count;
            if (!arg_i64(c, ++i, &count)) return false;
            out->count = (uint64_t)count;
            if (count >= 1) continue;
        } else if (pair && arg_is(c, i, "match")) {
            scan_pattern(out, c->argv[++i]);
            continue;
        } else if (pair && allowed & SCAN_TYPE && arg_is(c, i, "type")) {
            out->type = c->argv[++i];
            out->has_type = true;
            continue;
        } else if (allowed & SCAN_NOVALUES && arg_is(c, i, "novalues")) {
            out->no_values = true;
            continue;
        }
        (void)reply_syntax_error(c);
        return false;
    }
    return true;
}

bool scan_wants(const scan_options *o, slice name) {
    return o->match_all || glob_match(o->pattern, name, false);
}

command_result scan_reply(client *c, size_t at, const uint64_t *cursor, uint64_t n) {
    char text[NUM_I64_TEXT];
    buf head = {0};
    if (cursor) {
        resp_array(&head, 2);
        resp_bulk(&head, slice_of(text, num_format_u64(text, *cursor)));
    }
    resp_array(&head, (int64_t)n);
    data_insert(c, at, buf_slice(&head));
    buf_free(&head);
    client_depends_on_end(c);
    return CMD_DONE;
}

command_result scan_reply_empty(client *c) {
    uint64_t end = 0;
    return scan_reply(c, c->out.len, &end, 0);
}
