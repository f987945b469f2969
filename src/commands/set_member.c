/* Commands that name members: SADD, SREM, SMOVE, SISMEMBER, SMISMEMBER, SCARD.
 *
 * Each looks its members up one after the other. When a lookup is pending the others are still
 * made, so that all reads begin, and nothing more is changed: the batch is going to be aborted. */
#include "commands/set_family.h"

/* Makes the lookups of the members from `i` on; for a command that is going to say CMD_AGAIN. */
static command_result ask_rest(client *c, elements *el, int i) {
    for (; i < c->argc; i++) {
        bool has;
        engine_result r = set_has(el, c->argv[i], &has);
        if (r == ENGINE_ERROR) return reply_engine(c, r);
    }
    return reply_engine(c, ENGINE_PENDING);
}

/* Replies with how many of them were new. The set's encoding is chosen by the number of arguments,
 * as in redis-server, even if some are the same. */
command_result cmd_sadd(client *c) {
    elements el;
    int64_t added = 0;
    for (int i = 2; i < c->argc; i++)
        STEP_TRY(data_check_member(c, c->argv[i]));
    STEP_TRY(data_elements(c, c->argv[1], &set_type, KS_WRITE, &el));
    set_expect(&el, c->argv[2], (uint64_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        bool is_new;
        engine_result r = set_add(&el, c->argv[i], &is_new);
        if (r == ENGINE_PENDING) return ask_rest(c, &el, i + 1);
        ENGINE_TRY(c, r);
        added += is_new;
    }
    ENGINE_TRY(c, el_end(&el));
    if (added) {
        data_changed(c, KS_SET, "sadd", c->argv[1]);
        ks_dirty(c->ks, added - 1);
    }
    reply_int(c, added);
    return CMD_DONE;
}

/* Replies with how many of them were there. */
command_result cmd_srem(client *c) {
    elements el;
    int64_t removed = 0;
    STEP_TRY(data_elements(c, c->argv[1], &set_type, KS_WRITE, &el));
    for (int i = 2; i < c->argc && el.exists; i++) {
        engine_result r = el_del(&el, 0, c->argv[i], EL_UNKNOWN);
        if (r == ENGINE_PENDING) return ask_rest(c, &el, i + 1);
        if (r == ENGINE_ABSENT) continue;
        ENGINE_TRY(c, r);
        removed++;
    }
    if (removed) {
        ENGINE_TRY(c, el_end(&el));
        data_changed(c, KS_SET, "srem", c->argv[1]);
        if (el.deleted) ks_notify(c->ks, KS_GENERIC, "del", c->db, c->argv[1]);
        ks_dirty(c->ks, removed - 1);
    }
    reply_int(c, removed);
    return CMD_DONE;
}

/* Both lookups are made before anything changes. An absent source is the answer before the
 * destination's type is looked at. */
static command_result look_both(client *c, elements *from, elements *to, bool *has, bool *there) {
    engine_result worst = set_has(from, c->argv[3], has);
    if (worst == ENGINE_ERROR) return reply_engine(c, worst);
    ENGINE_TRY(c, set_has(to, c->argv[3], there));
    ENGINE_TRY(c, worst);
    return CMD_DONE;
}

/* Two changes, with the events of an SREM and an SADD; one if the destination has it already. */
command_result cmd_smove(client *c) {
    elements from, to;
    bool has, there;
    STEP_TRY(data_check_member(c, c->argv[3]));
    STEP_TRY(data_elements(c, c->argv[1], &set_type, KS_WRITE, &from));
    if (!from.exists) {
        reply_int(c, 0);
        client_depends_on_end(c);
        return CMD_DONE;
    }
    if (slice_eq(c->argv[1], c->argv[2])) {
        ENGINE_TRY(c, set_has(&from, c->argv[3], &has));
        reply_int(c, has);
        client_depends_on_end(c);
        return CMD_DONE;
    }
    STEP_TRY(data_elements(c, c->argv[2], &set_type, KS_WRITE, &to));
    STEP_TRY(look_both(c, &from, &to, &has, &there));
    reply_int(c, has);
    if (!has) {
        client_depends_on_end(c);
        return CMD_DONE;
    }
    ENGINE_TRY(c, el_del(&from, 0, c->argv[3], EL_UNKNOWN));
    ENGINE_TRY(c, el_end(&from));
    data_changed(c, KS_SET, "srem", c->argv[1]);
    if (from.deleted) ks_notify(c->ks, KS_GENERIC, "del", c->db, c->argv[1]);
    if (there) return CMD_DONE;
    ENGINE_TRY(c, set_add_new(&to, c->argv[3]));
    ENGINE_TRY(c, el_end(&to));
    data_changed(c, KS_SET, "sadd", c->argv[2]);
    return CMD_DONE;
}

/* ---- questions ---------------------------------------------------------------------------------
 */

/* A member that is there depends on itself, one that is not on everything. */
static void depends_on(client *c, const elements *el, bool has) {
    if (has) {
        data_depends_elements(c, el);
    } else {
        client_depends_on_end(c);
    }
}

command_result cmd_sismember(client *c) {
    elements el;
    bool has;
    STEP_TRY(data_elements(c, c->argv[1], &set_type, 0, &el));
    ENGINE_TRY(c, set_has(&el, c->argv[2], &has));
    depends_on(c, &el, has);
    reply_int(c, has);
    return CMD_DONE;
}

command_result cmd_smismember(client *c) {
    elements el;
    STEP_TRY(data_elements(c, c->argv[1], &set_type, 0, &el));
    reply_array(c, c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        bool has;
        engine_result r = set_has(&el, c->argv[i], &has);
        if (r == ENGINE_PENDING) return ask_rest(c, &el, i + 1);
        ENGINE_TRY(c, r);
        depends_on(c, &el, has);
        reply_int(c, has);
    }
    return CMD_DONE;
}

command_result cmd_scard(client *c) {
    elements el;
    STEP_TRY(data_elements(c, c->argv[1], &set_type, 0, &el));
    client_depends_on_end(c);
    reply_int(c, (int64_t)el_count(&el, 0));
    return CMD_DONE;
}
