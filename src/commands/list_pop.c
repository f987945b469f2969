/* Commands that take values out of a list.
 *
 * Values go to the reply first and are taken out afterwards: the reply is a copy, and they would be
 * gone. A key whose last value goes is deleted, with its own event behind the command's. */
#include "commands/list_family.h"

bool list_arg_end(client *c, int i, list_end *out) {
    *out = arg_is(c, i, "left") ? LIST_HEAD : LIST_TAIL;
    if (*out == LIST_HEAD || arg_is(c, i, "right")) return true;
    (void)reply_syntax_error(c);
    return false;
}

command_result list_taken(client *c, elements *el, const char *event, uint64_t n) {
    ENGINE_TRY(c, el_end(el));
    data_changed(c, KS_LIST, event, el->key);
    if (el->deleted) ks_notify(c->ks, KS_GENERIC, "del", c->db, el->key);
    ks_dirty(c->ks, (int64_t)n - 1);
    return CMD_DONE;
}

command_result list_pop_one(client *c, elements *el, list_end end) {
    el_iter it;
    el->lean = true;
    ENGINE_TRY(c, end == LIST_HEAD ? el_first(el, 0, &it) : el_last(el, 0, &it));
    STEP_TRY(data_reply_item(c, el, &it.item));
    ENGINE_TRY(c, list_delete_end(el, &it.item));
    return list_taken(c, el, list_pop_event(end), 1);
}

command_result list_pop_some(client *c, elements *el, list_end end, uint64_t n) {
    uint64_t len = list_len(el);
    if (n > len) n = len;
    uint64_t from = end == LIST_HEAD ? 0 : len - n;
    STEP_TRY(list_reply_range(c, el, from, n, end == LIST_TAIL));
    ENGINE_TRY(c, list_delete(el, from, n));
    return list_taken(c, el, list_pop_event(end), n);
}

/* With a count the reply is an array, and null is another null. */
static command_result pop(client *c, list_end end) {
    elements el;
    int64_t count = 1;
    bool counted = c->argc > 2;
    if (c->argc > 3) return reply_wrong_args(c);
    if (counted &&
        !arg_i64_range(c, 2, 0, INT64_MAX, &count, "ERR value is out of range, must be positive"))
        return CMD_REFUSED;
    STEP_TRY(data_elements(c, c->argv[1], &list_type, KS_WRITE, &el));
    if (el.exists && count > 0)
        return counted ? list_pop_some(c, &el, end, (uint64_t)count) : list_pop_one(c, &el, end);
    client_depends_on_end(c);
    if (el.exists) {
        reply_array(c, 0);
    } else if (counted) {
        reply_null_array(c);
    } else {
        reply_null(c);
    }
    return CMD_DONE;
}

/* From the head. */
command_result cmd_lpop(client *c) {
    return pop(c, LIST_HEAD);
}

/* From the tail; of several, the last comes first. */
command_result cmd_rpop(client *c) {
    return pop(c, LIST_TAIL);
}

/* ---- the first of several keys -----------------------------------------------------------------
 */

bool list_mpop_parse(client *c, int at, data_mpop *out) {
    static const char *const ends[] = {"left", "right"};
    return data_parse_mpop(c, at, ends, out);
}

command_result list_mpop_run(client *c, const data_mpop *m, bool *found) {
    elements el;
    STEP_TRY(data_first_of(c, m->first, m->keys, &list_type, &el));
    *found = el.exists;
    if (!el.exists) {
        client_depends_on_end(c);
        return CMD_DONE;
    }
    reply_array(c, 2);
    reply_bulk(c, el.key);
    return list_pop_some(c, &el, m->word ? LIST_TAIL : LIST_HEAD, (uint64_t)m->count);
}

/* Null if none of the keys is there. */
command_result cmd_lmpop(client *c) {
    data_mpop m;
    bool found;
    if (!list_mpop_parse(c, 1, &m)) return CMD_REFUSED;
    STEP_TRY(list_mpop_run(c, &m, &found));
    if (!found) reply_null_array(c);
    return CMD_DONE;
}

/* ---- by index, by value ------------------------------------------------------------------------
 */

/* The event comes even if nothing had to go. The tail goes first, so that indices stay. */
command_result cmd_ltrim(client *c) {
    elements el;
    int64_t start, end;
    if (!arg_i64(c, 2, &start) || !arg_i64(c, 3, &end)) return CMD_REFUSED;
    STEP_TRY(data_elements(c, c->argv[1], &list_type, KS_WRITE, &el));
    reply_ok(c);
    if (!el.exists) {
        client_depends_on_end(c);
        return CMD_DONE;
    }
    int64_t n = (int64_t)list_len(&el);
    if (start < 0) start = start + n < 0 ? 0 : start + n;
    if (end < 0) end += n;
    if (end >= n) end = n - 1;
    if (start > end) {
        start = n;
        end = n - 1;
    }
    ENGINE_TRY(c, list_delete(&el, (uint64_t)end + 1, (uint64_t)(n - 1 - end)));
    ENGINE_TRY(c, list_delete(&el, 0, (uint64_t)start));
    return list_taken(c, &el, "ltrim", (uint64_t)(start + n - 1 - end));
}

/* A negative count begins at the tail, 0 means all. */
command_result cmd_lrem(client *c) {
    elements el;
    int64_t count;
    uint64_t removed = 0;
    if (!arg_i64(c, 2, &count)) return CMD_REFUSED;
    uint64_t max = count < 0 ? -(uint64_t)count : count ? (uint64_t)count : UINT64_MAX;
    STEP_TRY(data_elements(c, c->argv[1], &list_type, KS_WRITE, &el));
    ENGINE_TRY(
        c, list_remove_equal(&el, c->argv[3], count < 0 ? LIST_TAIL : LIST_HEAD, max, &removed));
    reply_int(c, (int64_t)removed);
    if (removed) return list_taken(c, &el, "lrem", removed);
    client_depends_on_end(c);
    return CMD_DONE;
}
