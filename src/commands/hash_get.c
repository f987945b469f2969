/* Commands that answer with fields and values of a hash, and what the family's files share.
 *
 * A field whose time has come is not there (types/hash.h), so no command here asks for the time. An
 * absent key is an empty hash. Replies go out as elements are read; where the count goes before
 * them it is known without a walk. */
#include "commands/hash_family.h"
#include "commands/scan_options.h"

/* ---- shared ------------------------------------------------------------------------------------
 */

/* Before anything is changed: half of an HSET must not be seen. */
command_result hash_check_fields(client *c, const field_args *f) {
    for (int i = f->first; i < f->end; i += f->step) {
        STEP_TRY(data_check_member(c, c->argv[i]));
        if (f->step == 2) STEP_TRY(data_check_value(c, c->argv[i + 1]));
    }
    return CMD_DONE;
}

/* What is pending brings this run to its end in any case, so what the others say is not looked at,
 * but that a failure is one. */
command_result hash_find(client *c, elements *el, const field_args *f, int i, hash_field *out,
                         bool *found) {
    hash_field other;
    engine_result r = hash_get(el, c->argv[i], out);
    *found = r == ENGINE_OK;
    if (r == ENGINE_OK || r == ENGINE_ABSENT) return CMD_DONE;
    while (r == ENGINE_PENDING && (i += f->step) < f->end)
        if (hash_get(el, c->argv[i], &other) == ENGINE_ERROR) r = ENGINE_ERROR;
    return reply_engine(c, r);
}

/* A field that is there is shown as it was read, so the reply waits for no more than that; that
 * there is none, any later change could have made untrue. */
command_result hash_reply_value(client *c, elements *el, const hash_field *field, bool found) {
    if (!found) {
        client_depends_on_end(c);
        reply_null(c);
        return CMD_DONE;
    }
    STEP_TRY(data_reply_item(c, el, &field->item));
    data_depends_elements(c, el);
    return CMD_DONE;
}

/* ---- one field ---------------------------------------------------------------------------------
 */

/* The field at argv[2]. */
static command_result find_one(client *c, elements *el, hash_field *field, bool *found) {
    field_args f = {2, 3, 1};
    STEP_TRY(hash_open(c, 0, el));
    return hash_find(c, el, &f, 2, field, found);
}

/* Nil if there is none. */
command_result cmd_hget(client *c) {
    elements el;
    hash_field field;
    bool found;
    field_args f = {2, 3, 1};
    STEP_TRY(hash_open(c, 0, &el));
    el.lean = true;
    STEP_TRY(hash_find(c, &el, &f, 2, &field, &found));
    return hash_reply_value(c, &el, &field, found);
}

/* A number about a field, which is 0 if there is none. */
static command_result reply_about(client *c, const elements *el, bool found, int64_t n) {
    if (found) {
        data_depends_elements(c, el);
    } else {
        client_depends_on_end(c);
    }
    reply_int(c, found ? n : 0);
    return CMD_DONE;
}

/* Whether there is such a field: 1 or 0. */
command_result cmd_hexists(client *c) {
    elements el;
    hash_field field;
    bool found;
    STEP_TRY(find_one(c, &el, &field, &found));
    return reply_about(c, &el, found, 1);
}

/* Bytes of its value. */
command_result cmd_hstrlen(client *c) {
    elements el;
    hash_field field;
    bool found;
    STEP_TRY(find_one(c, &el, &field, &found));
    return reply_about(c, &el, found, (int64_t)field.item.value.len);
}

/* Nil for each field that is not there. All that are not in memory are asked for at once. */
command_result cmd_hmget(client *c) {
    elements el;
    field_args f = {2, c->argc, 1};
    STEP_TRY(hash_open(c, 0, &el));
    el.lean = true;
    reply_array(c, c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        hash_field field;
        bool found;
        STEP_TRY(hash_find(c, &el, &f, i, &field, &found));
        STEP_TRY(hash_reply_value(c, &el, &field, found));
    }
    return CMD_DONE;
}

/* ---- all of them -------------------------------------------------------------------------------
 */

/* Known without a walk: fields less those that are due and not deleted. */
command_result cmd_hlen(client *c) {
    elements el;
    uint64_t n;
    STEP_TRY(hash_open(c, 0, &el));
    ENGINE_TRY(c, hash_count(&el, &n));
    client_depends_on_end(c);
    reply_int(c, (int64_t)n);
    return CMD_DONE;
}

/* Fields, values, or a map of both. */
static command_result reply_all(client *c, bool fields, bool values) {
    elements el;
    el_iter it;
    uint64_t n;
    STEP_TRY(hash_open(c, 0, &el));
    el.lean = true;
    ENGINE_TRY(c, hash_count(&el, &n));
    client_depends_on_end(c);
    if (fields && values) {
        reply_map(c, (int64_t)n);
    } else {
        reply_array(c, (int64_t)n);
    }
    engine_result r = hash_first(&el, &it);
    for (; r == ENGINE_OK; r = hash_next(&it)) {
        if (fields) reply_bulk(c, it.item.sub);
        if (values) STEP_TRY(data_reply_item(c, &el, &it.item));
    }
    return r == ENGINE_ABSENT ? CMD_DONE : reply_engine(c, r);
}

/* In the order in which fields were put as long as they are few, as in Redis; then in none. */
command_result cmd_hgetall(client *c) {
    return reply_all(c, true, true);
}
/* Values are read all the same: they lie beside the fields. */
command_result cmd_hkeys(client *c) {
    return reply_all(c, true, false);
}
command_result cmd_hvals(client *c) {
    return reply_all(c, false, true);
}

/* ---- some of them ------------------------------------------------------------------------------
 */

/* What a walk appends to the reply. */
typedef struct field_walk {
    client *c;
    const elements *el;
    scan_options options;
    bool values, pairs; /* pairs: each an array of its own */
    uint64_t n;         /* bulk strings */
} field_walk;

/* Into the reply, as the command wants it. */
static void append_field(field_walk *w, const el_item *item) {
    if (w->pairs) reply_array(w->c, 2);
    reply_bulk(w->c, item->sub);
    if (w->values) reply_bulk(w->c, item->value);
    w->n += w->values ? 2 : 1;
}

/* For el_scan, which shows what is stored, due or not. */
static void scan_each(void *ctx, const el_item *item) {
    field_walk *w = ctx;
    if (!hash_is_due(w->el, item->expire) && scan_wants(&w->options, item->sub))
        append_field(w, item);
}

/* The cursor is a place in the order of the fields' hashes. Of an absent key the options are not
 * even read, as in Redis. */
command_result cmd_hscan(client *c) {
    elements el;
    uint64_t cursor;
    field_walk w = {.c = c, .el = &el};
    if (!scan_cursor(c, 2, &cursor)) return CMD_REFUSED;
    STEP_TRY(hash_open(c, 0, &el));
    if (!el.exists) return scan_reply_empty(c);
    if (!scan_options_parse(c, 3, SCAN_NOVALUES, &w.options)) return CMD_REFUSED;
    w.values = !w.options.no_values;
    size_t at = c->out.len;
    ENGINE_TRY(c, el_scan(&el, cursor, w.options.count, &cursor, scan_each, &w));
    return scan_reply(c, at, &cursor, w.n);
}

/* A pick among several. */
static bool sample_field(void *ctx, const el_item *item) {
    field_walk *w = ctx;
    append_field(w, item);
    return data_reply_may_grow(w->c);
}

/* One of them, or nil. */
static command_result random_field(client *c) {
    elements el;
    field_walk w = {.c = c, .el = &el};
    STEP_TRY(hash_open(c, 0, &el));
    client_depends_on_end(c);
    ENGINE_TRY(c, hash_sample_any(&el, 1, sample_field, &w));
    if (w.n == 0) reply_null(c);
    return CMD_DONE;
}

/* Several: different ones, or, the count being negative, so many picks of all. */
command_result cmd_hrandfield(client *c) {
    int64_t count, max = INT64_MAX;
    elements el;
    uint64_t all;
    field_walk w = {.c = c, .el = &el, .values = c->argc == 4};
    if (c->argc == 2) return random_field(c);
    if (!data_arg_count(c, 2, &count)) return CMD_REFUSED;
    if (c->argc > 4 || (w.values && !arg_is(c, 3, "withvalues"))) return reply_syntax_error(c);
    if (w.values && (count < -max / 2 || count > max / 2)) return reply_out_of_range(c);
    STEP_TRY(hash_open(c, 0, &el));
    ENGINE_TRY(c, hash_count(&el, &all));
    client_depends_on_end(c);
    w.pairs = w.values && c->proto > 2;
    int64_t n = count < 0 ? -count : count;
    if (all == 0) n = 0;
    if (count > 0 && (uint64_t)n > all) n = (int64_t)all;
    if (!data_reply_fits((uint64_t)n)) return data_reply_too_long(c);
    reply_array(c, w.values && !w.pairs ? 2 * n : n);
    if (n == 0) return CMD_DONE;
    ENGINE_TRY(c, count < 0 ? hash_sample_any(&el, (uint64_t)n, sample_field, &w)
                            : hash_sample_distinct(&el, (uint64_t)n, sample_field, &w));
    uint64_t shown = w.values ? w.n / 2 : w.n;
    return shown == (uint64_t)n ? CMD_DONE : data_reply_too_long(c);
}
