/* Taking from the ends of sorted sets: ZPOPMIN and ZPOPMAX, ZMPOP, and those that wait.
 *
 * ZPOPMIN gives members and scores flat in RESP2, and in RESP3 without a count; ZMPOP always in
 * pairs. Who waits runs the whole command again when one of its keys has become a sorted set, so
 * nothing is kept from one run to the next. */
#include "commands/zset_family.h"
#include "session/keywait.h"

/* ---- taking -------------------------------------------------------------------------------------
 */

/* Takes up to `count` from a set that has some, and replies with them, array and all. */
static command_result take(client *c, elements *el, bool highest, uint64_t count, bool nested) {
    uint64_t n = el_count(el, 0);
    slice member;
    double score;
    if (count < n) n = count;
    reply_array(c, zset_reply_length(n, true, nested));
    for (uint64_t i = 0; i < n; i++) {
        ENGINE_TRY(c, zset_pop(el, highest, n - 1 - i, &member, &score));
        zset_reply_member(c, member, score, true, nested);
    }
    ENGINE_TRY(c, el_end(el));
    zset_taken(c, el, highest ? "zpopmax" : "zpopmin", n);
    return CMD_DONE;
}

/* A count of 0 takes nothing, but the key's type is judged first. */
static command_result pop(client *c, bool highest) {
    elements el;
    int64_t count = 1;
    if (c->argc > 3) return reply_syntax_error(c);
    if (c->argc == 3 &&
        !arg_i64_range(c, 2, 0, INT64_MAX, &count, "ERR value is out of range, must be positive"))
        return CMD_REFUSED;
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, KS_WRITE, &el));
    if (el.exists && count > 0)
        return take(c, &el, highest, (uint64_t)count, c->argc == 3 && c->proto > 2);
    client_depends_on_end(c);
    reply_array(c, 0);
    return CMD_DONE;
}

/* From the lowest score up. */
command_result cmd_zpopmin(client *c) {
    return pop(c, false);
}

/* From the highest score down. */
command_result cmd_zpopmax(client *c) {
    return pop(c, true);
}

/* ---- ZMPOP --------------------------------------------------------------------------------------
 */

/* numkeys key ... MIN|MAX [COUNT count], from argument `at` on. */
static bool mpop_read(client *c, int at, data_mpop *a) {
    static const char *const ends[] = {"min", "max"};
    return data_parse_mpop(c, at, ends, a);
}

/* The key, and pairs; *found is false, and nothing said, if no key has any. */
static command_result mpop_take(client *c, const data_mpop *a, bool *found) {
    elements el;
    STEP_TRY(data_first_of(c, a->first, a->keys, &zset_type, &el));
    *found = el.exists;
    if (!el.exists) return CMD_DONE;
    reply_array(c, 2);
    reply_bulk(c, el.key);
    return take(c, &el, a->word == 1, (uint64_t)a->count, true);
}

/* Only one key is taken from, however many members the count allows. */
command_result cmd_zmpop(client *c) {
    data_mpop a;
    bool found;
    if (!mpop_read(c, 1, &a)) return CMD_REFUSED;
    STEP_TRY(mpop_take(c, &a, &found));
    if (found) return CMD_DONE;
    client_depends_on_end(c);
    reply_null_array(c);
    return CMD_DONE;
}

/* ---- waiting ------------------------------------------------------------------------------------
 */

/* Until one of the n keys from argument `at` on is a sorted set; other types do not wake anybody.
 */
static command_result wait_for(client *c, int at, int n, int64_t timeout_ms) {
    return client_wait_for_keys(c, c->argv + at, (size_t)n, KEY_ZSET, 0, timeout_ms,
                                reply_null_array);
}

/* The key, the member and its score, all flat. */
static command_result bpop(client *c, bool highest) {
    elements el;
    int64_t timeout_ms;
    slice member;
    double score;
    int n = c->argc - 2;
    if (!data_arg_timeout(c, c->argc - 1, &timeout_ms)) return CMD_REFUSED;
    STEP_TRY(data_first_of(c, 1, n, &zset_type, &el));
    if (!el.exists) return wait_for(c, 1, n, timeout_ms);
    ENGINE_TRY(c, zset_pop(&el, highest, 0, &member, &score));
    ENGINE_TRY(c, el_end(&el));
    reply_array(c, 3);
    reply_bulk(c, el.key);
    zset_reply_member(c, member, score, true, false);
    zset_taken(c, &el, highest ? "zpopmax" : "zpopmin", 1);
    return CMD_DONE;
}

/* Waits for a member with the lowest score. */
command_result cmd_bzpopmin(client *c) {
    return bpop(c, false);
}

/* Waits for one with the highest score. */
command_result cmd_bzpopmax(client *c) {
    return bpop(c, true);
}

/* The time limit comes first but is judged last, as in redis-server. */
command_result cmd_bzmpop(client *c) {
    data_mpop a;
    int64_t timeout_ms;
    bool found;
    if (!mpop_read(c, 2, &a) || !data_arg_timeout(c, 1, &timeout_ms)) return CMD_REFUSED;
    STEP_TRY(mpop_take(c, &a, &found));
    return found ? CMD_DONE : wait_for(c, a.first, a.keys, timeout_ms);
}
