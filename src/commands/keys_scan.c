/* Commands that walk over all keys. A cursor is a place in the order of tokens (engine.h), so there
 * is no state to keep between two calls. */
#include "commands/keys_family.h"

#include "base/glob.h"
#include "base/num.h"

#define KEYS_STEP 4096

/* Which keys are wanted; how many were found. SCAN's COUNT is about keys visited and not about keys
 * returned: with a pattern a call may answer with none and still not be at the end. */
typedef struct key_filter {
    client *c;
    slice pattern;
    bool match_all;
    int type; /* -1: any */
    int64_t found;
} key_filter;

/* For ks_scan, in token order. The type is compared first: it is at hand. */
static void filter_each(void *ctx, slice key, const entry *meta) {
    key_filter *f = ctx;
    if (f->type >= 0 && meta->type != f->type) return;
    if (!f->match_all && !glob_match(f->pattern, key, false)) return;
    f->found++;
    reply_bulk(f->c, key);
}

/* "*" is what most ask for, and need not be matched. */
static void filter_pattern(key_filter *f, slice pattern) {
    f->pattern = pattern;
    f->match_all = slice_eq(pattern, SLICE("*"));
}

/* Puts before the keys, which were queued from `at` on, how many they are: only now is it known.
 * With a cursor the reply is the pair of both. */
static command_result finish(client *c, size_t at, const key_filter *f, const uint64_t *cursor) {
    char text[NUM_I64_TEXT];
    buf head = {0};
    if (cursor) {
        resp_array(&head, 2);
        resp_bulk(&head, slice_of(text, num_format_u64(text, *cursor)));
    }
    resp_array(&head, f->found);
    data_insert(c, at, buf_slice(&head));
    buf_free(&head);
    client_depends_on_end(c);
    return CMD_DONE;
}

/* All keys that match, in one reply. */
command_result cmd_keys(client *c) {
    key_filter f = {.c = c, .type = -1};
    uint64_t next = 0;
    size_t at = c->out.len;
    filter_pattern(&f, c->argv[1]);
    do {
        ENGINE_TRY(c, ks_scan(c->ks, c->db, next, KEYS_STEP, &next, filter_each, &f));
    } while (next);
    return finish(c, at, &f, NULL);
}

/* A cursor as strtoul() would read it, which is what redis-server does: a sign is taken, and so is
 * nothing at all. False after having replied. */
static bool parse_cursor(client *c, slice arg, uint64_t *out) {
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

/* A type's number by its name; ENGINE_TYPES, which no key has, for an unknown one: redis-server 7.2
 * answers with no keys then, and not with an error. */
static int type_by_name(slice name) {
    for (int type = 0; type <= KEY_STREAM; type++)
        if (slice_ieq(name, key_type_name((unsigned)type))) return type;
    return ENGINE_TYPES;
}

/* MATCH, COUNT, TYPE, the last of each counting; false after having replied. COUNT below 1 is a
 * syntax error, as it is in Redis. */
static bool parse_scan(client *c, key_filter *f, int64_t *count) {
    for (int i = 2; i < c->argc; i += 2) {
        bool pair = i + 1 < c->argc;
        if (pair && arg_is(c, i, "count")) {
            if (!arg_i64(c, i + 1, count)) return false;
            if (*count >= 1) continue;
        } else if (pair && arg_is(c, i, "match")) {
            filter_pattern(f, c->argv[i + 1]);
            continue;
        } else if (pair && arg_is(c, i, "type")) {
            f->type = type_by_name(c->argv[i + 1]);
            continue;
        }
        (void)reply_syntax_error(c);
        return false;
    }
    return true;
}

/* A few keys from a place in the order of tokens on, and the place to go on from. */
command_result cmd_scan(client *c) {
    key_filter f = {.c = c, .match_all = true, .type = -1};
    uint64_t cursor;
    int64_t count = 10;
    size_t at = c->out.len;
    if (!parse_cursor(c, c->argv[1], &cursor) || !parse_scan(c, &f, &count)) return CMD_REFUSED;
    ENGINE_TRY(c, ks_scan(c->ks, c->db, cursor, (size_t)count, &cursor, filter_each, &f));
    return finish(c, at, &f, &cursor);
}

/* Nil if there is none. */
command_result cmd_randomkey(client *c) {
    buf *key = ks_scratch(c->ks);
    engine_result r = ks_random(c->ks, c->db, key);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    if (r == ENGINE_OK) {
        reply_bulk(c, buf_slice(key));
    } else {
        reply_null(c);
    }
    client_depends_on_end(c);
    return CMD_DONE;
}
