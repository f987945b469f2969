/* List commands that wait: their first run is that of the command without the B, and when there is
 * nothing the client waits for its keys and the command is run again (session/keywait.h).
 *
 * What is wrong with the time limit is told after what is wrong with other arguments, and before
 * the keys are looked at, as in Redis. */
#include "commands/list_family.h"
#include "session/block.h"
#include "session/keywait.h"

/* ---- pops --------------------------------------------------------------------------------------
 */

/* Keys are n arguments from `at` on. */
static command_result wait_to_pop(client *c, int at, int n, int64_t timeout_ms) {
    return client_wait_for_keys(c, c->argv + at, (size_t)n, KEY_LIST, 0, timeout_ms,
                                reply_null_array);
}

/* The key and the value. */
static command_result bpop(client *c, list_end end) {
    elements el;
    int64_t timeout_ms;
    int n = c->argc - 2;
    if (!data_arg_timeout(c, c->argc - 1, &timeout_ms)) return CMD_REFUSED;
    STEP_TRY(data_first_of(c, 1, n, &list_type, &el));
    if (!el.exists) return wait_to_pop(c, 1, n, timeout_ms);
    reply_array(c, 2);
    reply_bulk(c, el.key);
    return list_pop_one(c, &el, end);
}

/* From the head. */
command_result cmd_blpop(client *c) {
    return bpop(c, LIST_HEAD);
}

/* From the tail. */
command_result cmd_brpop(client *c) {
    return bpop(c, LIST_TAIL);
}

/* LMPOP behind a time limit. */
command_result cmd_blmpop(client *c) {
    int64_t timeout_ms;
    data_mpop m;
    bool found;
    if (!list_mpop_parse(c, 2, &m) || !data_arg_timeout(c, 1, &timeout_ms)) return CMD_REFUSED;
    STEP_TRY(list_mpop_run(c, &m, &found));
    return found ? CMD_DONE : wait_to_pop(c, m.first, m.keys, timeout_ms);
}

/* ---- moves -------------------------------------------------------------------------------------
 */

/* Redis has one null for a value that is not there, and the other for all whose time is up. */
static void reply_not_moved(client *c) {
    if (client_can_block(c)) {
        reply_null_array(c);
    } else {
        reply_null(c);
    }
}

/* Waits for the source alone; what the destination holds matters when there is a value. */
static command_result bmove(client *c, list_end from, list_end to, int timeout_arg) {
    int64_t timeout_ms;
    bool found;
    if (!data_arg_timeout(c, timeout_arg, &timeout_ms)) return CMD_REFUSED;
    STEP_TRY(list_move(c, from, to, &found));
    if (found) return CMD_DONE;
    return client_wait_for_keys(c, c->argv + 1, 1, KEY_LIST, 0, timeout_ms, reply_not_moved);
}

/* Ends are arguments 3 and 4. */
command_result cmd_blmove(client *c) {
    list_end from, to;
    if (!list_arg_end(c, 3, &from) || !list_arg_end(c, 4, &to)) return CMD_REFUSED;
    return bmove(c, from, to, 5);
}

/* The older name for one of the four. */
command_result cmd_brpoplpush(client *c) {
    return bmove(c, LIST_TAIL, LIST_HEAD, 3);
}
