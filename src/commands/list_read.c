/* Commands that read lists.
 *
 * Replies depend on the log's end: what is at an index, or in a range, depends on every change
 * before. A range is read value by value into the reply; nothing else grows with it. */
#include "commands/list_family.h"

/* 0 for an absent key. */
command_result cmd_llen(client *c) {
    elements el;
    STEP_TRY(data_elements(c, c->argv[1], &list_type, 0, &el));
    client_depends_on_end(c);
    reply_int(c, (int64_t)list_len(&el));
    return CMD_DONE;
}

/* The index is looked at after the key, as in Redis. */
command_result cmd_lindex(client *c) {
    elements el;
    el_iter it;
    int64_t index;
    STEP_TRY(data_elements(c, c->argv[1], &list_type, 0, &el));
    client_depends_on_end(c);
    if (!el.exists) {
        reply_null(c);
        return CMD_DONE;
    }
    el.lean = true;
    if (!arg_i64(c, 2, &index)) return CMD_REFUSED;
    if (index < 0) index += (int64_t)list_len(&el);
    engine_result r = index < 0 ? ENGINE_ABSENT : list_at(&el, (uint64_t)index, &it);
    if (r == ENGINE_ABSENT) {
        reply_null(c);
        return CMD_DONE;
    }
    ENGINE_TRY(c, r);
    return data_reply_item(c, &el, &it.item);
}

command_result list_reply_range(client *c, elements *el, uint64_t from, uint64_t n, bool backward) {
    el_iter it;
    reply_array(c, (int64_t)n);
    if (n == 0) return CMD_DONE;
    el->lean = true;
    engine_result r = list_at(el, backward ? from + n - 1 : from, &it);
    for (uint64_t i = 0;;) {
        if (r == ENGINE_PENDING) list_ahead(el, backward ? from : from + i, n - i);
        if (r != ENGINE_OK) return reply_engine(c, r);
        STEP_TRY(data_reply_item(c, el, &it.item));
        if (++i == n) return CMD_DONE;
        r = el_step(&it, backward);
    }
}

/* Both ends are included, negative ones count from the end, and what is outside is cut off. */
command_result cmd_lrange(client *c) {
    elements el;
    int64_t start, end;
    if (!arg_i64(c, 2, &start) || !arg_i64(c, 3, &end)) return CMD_REFUSED;
    STEP_TRY(data_elements(c, c->argv[1], &list_type, 0, &el));
    client_depends_on_end(c);
    int64_t n = (int64_t)list_len(&el);
    if (start < 0) start = start + n < 0 ? 0 : start + n;
    if (end < 0) end += n;
    if (end >= n) end = n - 1;
    uint64_t count = start > end ? 0 : (uint64_t)(end - start) + 1;
    return list_reply_range(c, &el, (uint64_t)start, count, false);
}

/* ---- LPOS --------------------------------------------------------------------------------------
 */

typedef struct lpos {
    list_search search;
    bool several; /* COUNT: an array */
} lpos;

/* An option's number that may not be negative; 0 means as many as there are. */
static bool positive_or_all(client *c, int i, const char *error, uint64_t *out) {
    int64_t v;
    if (!arg_i64_range(c, i, 0, INT64_MAX, &v, error)) return false;
    *out = v ? (uint64_t)v : UINT64_MAX;
    return true;
}

/* A rank counts matches from 1, from the tail if negative. */
static bool parse_rank(client *c, int i, list_search *s) {
    int64_t rank;
    if (!data_arg_count(c, i, &rank)) return false;
    if (rank == 0) {
        (void)reply_error(c, "ERR RANK can't be zero: use 1 to start from the first match, 2 from "
                             "the second ... or use negative to start from the end of the list");
        return false;
    }
    s->from = rank < 0 ? LIST_TAIL : LIST_HEAD;
    s->skip = (uint64_t)(rank < 0 ? -rank : rank) - 1;
    return true;
}

/* False after having replied. */
static bool parse_lpos(client *c, lpos *out) {
    *out = (lpos){.search = {.value = c->argv[2], .want = 1, .look = UINT64_MAX}};
    for (int i = 3; i < c->argc; i += 2) {
        bool fine;
        if (i + 1 < c->argc && arg_is(c, i, "rank")) {
            fine = parse_rank(c, i + 1, &out->search);
        } else if (i + 1 < c->argc && arg_is(c, i, "count")) {
            out->several = true;
            fine = positive_or_all(c, i + 1, "ERR COUNT can't be negative", &out->search.want);
        } else if (i + 1 < c->argc && arg_is(c, i, "maxlen")) {
            fine = positive_or_all(c, i + 1, "ERR MAXLEN can't be negative", &out->search.look);
        } else {
            (void)reply_syntax_error(c);
            fine = false;
        }
        if (!fine) return false;
    }
    return true;
}

/* What has been found so far. */
typedef struct places {
    client *c;
    uint64_t n;
} places;

/* One place that LPOS found. */
static void found_place(void *ctx, uint64_t index) {
    places *p = ctx;
    p->n++;
    reply_int(p->c, (int64_t)index);
}

/* How many there are is known last, so what goes before them is put in afterwards. */
command_result cmd_lpos(client *c) {
    lpos o;
    elements el;
    places p = {c, 0};
    if (!parse_lpos(c, &o)) return CMD_REFUSED;
    STEP_TRY(data_elements(c, c->argv[1], &list_type, 0, &el));
    client_depends_on_end(c);
    size_t at = c->out.len;
    ENGINE_TRY(c, list_find(&el, &o.search, found_place, &p));
    if (o.several) {
        data_insert_array(c, at, p.n);
    } else if (p.n == 0) {
        reply_null(c);
    }
    return CMD_DONE;
}
