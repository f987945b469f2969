/* LMOVE and RPOPLPUSH: a value goes from one end of a list to an end of another, or of the same.
 *
 * The value is read whole, as it must be written again. A list that is rotated is one struct of
 * elements: of a key that is changed only one may be open. */
#include "commands/list_family.h"

/* The order of the events is Redis': the push, the pop, and the end of the source. */
static command_result moved(client *c, elements *source, list_end from, list_end to) {
    data_changed(c, KS_LIST, to == LIST_HEAD ? "lpush" : "rpush", c->argv[2]);
    ks_dirty(c->ks, -1);
    return list_taken(c, source, list_pop_event(from), 1);
}

/* The source is looked at first: without it the destination does not matter. */
command_result list_move(client *c, list_end from, list_end to, bool *found) {
    elements source, other, *destination = &source;
    el_iter it;
    el_room room = {0};
    slice value;
    STEP_TRY(data_elements(c, c->argv[1], &list_type, KS_WRITE, &source));
    *found = source.exists;
    if (!source.exists) {
        client_depends_on_end(c);
        return CMD_DONE;
    }
    if (!slice_eq(c->argv[1], c->argv[2])) {
        destination = &other;
        STEP_TRY(data_elements(c, c->argv[2], &list_type, KS_WRITE, &other));
    }
    source.lean = true;
    ENGINE_TRY(c, from == LIST_HEAD ? el_first(&source, 0, &it) : el_last(&source, 0, &it));
    ENGINE_TRY(c, list_load(&source, &it.item, &room, &value));
    ENGINE_TRY(c, list_delete_end(&source, &it.item));
    ENGINE_TRY(c, list_push(destination, to, &value, 1));
    if (destination == &other) ENGINE_TRY(c, el_end(&other));
    reply_bulk(c, value);
    return moved(c, &source, from, to);
}

/* Null if there is no source. */
static command_result move_or_null(client *c, list_end from, list_end to) {
    bool found;
    STEP_TRY(list_move(c, from, to, &found));
    if (!found) reply_null(c);
    return CMD_DONE;
}

/* Ends are arguments 3 and 4. */
command_result cmd_lmove(client *c) {
    list_end from, to;
    if (!list_arg_end(c, 3, &from) || !list_arg_end(c, 4, &to)) return CMD_REFUSED;
    return move_or_null(c, from, to);
}

/* The older name for one of the four. */
command_result cmd_rpoplpush(client *c) {
    return move_or_null(c, LIST_TAIL, LIST_HEAD);
}
