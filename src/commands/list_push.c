/* Commands that put values into a list.
 *
 * A push costs one element, whatever the list's length; see types/README.md for how the others find
 * their place. */
#include "commands/list_family.h"

/* The values are arguments from `from` on. */
static command_result check_values(client *c, int from) {
    for (int i = from; i < c->argc; i++)
        STEP_TRY(data_check_value(c, c->argv[i]));
    return CMD_DONE;
}

/* One event and one "changed", however many values; each of these counts as a change. */
static command_result push(client *c, list_end end, bool only_if_there) {
    elements el;
    STEP_TRY(check_values(c, 2));
    STEP_TRY(data_elements(c, c->argv[1], &list_type, KS_WRITE, &el));
    if (only_if_there && !el.exists) {
        client_depends_on_end(c);
        reply_int(c, 0);
        return CMD_DONE;
    }
    if (c->argc == 3) client_passes(c, c->argv[2]);
    ENGINE_TRY(c, list_push(&el, end, c->argv + 2, (size_t)c->argc - 2));
    ENGINE_TRY(c, el_end(&el));
    reply_int(c, (int64_t)list_len(&el));
    data_changed(c, KS_LIST, end == LIST_HEAD ? "lpush" : "rpush", c->argv[1]);
    ks_dirty(c->ks, c->argc - 3);
    return CMD_DONE;
}

/* To the head, so that the last argument is the first value. */
command_result cmd_lpush(client *c) {
    return push(c, LIST_HEAD, false);
}

/* To the tail. */
command_result cmd_rpush(client *c) {
    return push(c, LIST_TAIL, false);
}

/* Only if there is a list. */
command_result cmd_lpushx(client *c) {
    return push(c, LIST_HEAD, true);
}

/* Likewise. */
command_result cmd_rpushx(client *c) {
    return push(c, LIST_TAIL, true);
}

/* -1 if the pivot is not there, 0 if there is no list. */
command_result cmd_linsert(client *c) {
    elements el;
    bool after = arg_is(c, 2, "after");
    if (!after && !arg_is(c, 2, "before")) return reply_syntax_error(c);
    STEP_TRY(check_values(c, 4));
    STEP_TRY(data_elements(c, c->argv[1], &list_type, KS_WRITE, &el));
    engine_result r = list_insert(&el, c->argv[3], after, c->argv[4]);
    if (r == ENGINE_ABSENT) {
        client_depends_on_end(c);
        reply_int(c, el.exists ? -1 : 0);
        return CMD_DONE;
    }
    ENGINE_TRY(c, r);
    ENGINE_TRY(c, el_end(&el));
    data_changed(c, KS_LIST, "linsert", c->argv[1]);
    reply_int(c, (int64_t)list_len(&el));
    return CMD_DONE;
}

/* The index is looked at after the key, as in Redis. */
command_result cmd_lset(client *c) {
    elements el;
    int64_t index;
    STEP_TRY(check_values(c, 3));
    STEP_TRY(data_elements(c, c->argv[1], &list_type, KS_WRITE, &el));
    if (!el.exists) return reply_no_key(c);
    if (!arg_i64(c, 2, &index)) return CMD_REFUSED;
    int64_t n = (int64_t)list_len(&el);
    if (index < 0) index += n;
    if (index < 0 || index >= n) return reply_error(c, "ERR index out of range");
    ENGINE_TRY(c, list_set(&el, (uint64_t)index, c->argv[3]));
    ENGINE_TRY(c, el_end(&el));
    data_changed(c, KS_LIST, "lset", c->argv[1]);
    reply_ok(c);
    return CMD_DONE;
}
