/* Commands that give a key a whole new value. The plain SET is a path of its own: one change of the
 * keyspace, which looks nothing up while no key is due.
 *
 * A new value ends the old one's time unless KEEPTTL says otherwise; what the key held before, of
 * whatever type, is dropped in the same change. */
#include "commands/string_family.h"

/* What SET and its older forms want. */
typedef struct set_request {
    slice key, value;
    unsigned flags; /* set_option */
    int64_t expire;
    bool as_int; /* SETNX: replies 1 or 0 */
} set_request;

/* Puts the value and tells of it: "set", and "expire" if a time was given, in this order. */
static command_result put_value(client *c, const set_request *q, int64_t expire, uint32_t access) {
    client_passes(c, q->value);
    ENGINE_TRY(c, string_set(c->ks, c->db, q->key, q->value, expire, 0, access));
    data_changed(c, KS_STRING, "set", q->key);
    if (q->flags & SET_TIME) ks_notify(c->ks, KS_GENERIC, "expire", c->db, q->key);
    return CMD_DONE;
}

/* The condition did not hold: nothing is changed. */
static command_result reply_unset(client *c, const set_request *q) {
    client_depends_on_end(c);
    if (q->as_int) {
        reply_int(c, 0);
    } else {
        reply_null(c);
    }
    return CMD_DONE;
}

/* With options that need to know what is there. GET replies with it, whatever comes of the rest. */
static command_result set_looking(client *c, const set_request *q) {
    bool get = q->flags & SET_GET, found;
    entry ent;
    if (get) {
        string old;
        STEP_TRY(data_open(c, q->key, 0, &old));
        STEP_TRY(data_reply_value(c, &old));
        ent = old.ent;
        found = old.exists;
    } else {
        STEP_TRY(data_lookup(c, q->key, KS_META | KS_WRITE, &ent, &found));
    }
    if ((q->flags & SET_NX && found) || (q->flags & SET_XX && !found))
        return get ? CMD_DONE : reply_unset(c, q);
    bool keep = q->flags & SET_KEEPTTL && found;
    STEP_TRY(put_value(c, q, keep ? ent.expire : q->expire, found ? ent.access : 0));
    if (get) return CMD_DONE;
    if (q->as_int) {
        reply_int(c, 1);
    } else {
        reply_ok(c);
    }
    return CMD_DONE;
}

/* Only conditions, GET and KEEPTTL have to know what is there. */
static command_result set(client *c, const set_request *q) {
    STEP_TRY(data_check_key(c, q->key));
    if (q->flags & (SET_NX | SET_XX | SET_GET | SET_KEEPTTL)) return set_looking(c, q);
    STEP_TRY(put_value(c, q, q->expire, 0));
    reply_ok(c);
    return CMD_DONE;
}

/* SET with options is parsed whole before anything is looked up. */
command_result cmd_set(client *c) {
    set_request q = {.key = c->argv[1], .value = c->argv[2]};
    if (c->argc == 3) return set(c, &q);
    set_options o;
    if (!set_options_parse(c, 3, SET_NX | SET_XX | SET_GET | SET_KEEPTTL | SET_TIME, &o) ||
        !set_options_time(c, &o, &q.expire))
        return CMD_REFUSED;
    q.flags = o.flags;
    return set(c, &q);
}

/* 1 or 0 instead of OK or nil: older than SET's NX, and kept as it was. */
command_result cmd_setnx(client *c) {
    set_request q = {.key = c->argv[1], .value = c->argv[2], .flags = SET_NX, .as_int = true};
    return set(c, &q);
}

/* SETEX key time value, PSETEX key time value. */
static command_result set_with_time(client *c, unsigned unit) {
    set_request q = {.key = c->argv[1], .value = c->argv[3], .flags = unit};
    if (!data_arg_expire(c, 2, unit == SET_EX, true, &q.expire)) return CMD_REFUSED;
    return set(c, &q);
}

/* The time is the middle argument, and is checked as SET's EX is; the message names SETEX. */
command_result cmd_setex(client *c) {
    return set_with_time(c, SET_EX);
}

command_result cmd_psetex(client *c) {
    return set_with_time(c, SET_PX);
}

/* The old value, or nil; SET with GET by another name. A value of another type is an error and
 * stays. */
command_result cmd_getset(client *c) {
    set_request q = {.key = c->argv[1], .value = c->argv[2], .flags = SET_GET};
    return set(c, &q);
}

/* ---- several keys ------------------------------------------------------------------------------
 */

/* Checks all pairs before the first is set: half of a MSET must not be seen. */
static command_result check_pairs(client *c) {
    if (c->argc % 2 == 0) return reply_wrong_args(c);
    for (int i = 1; i < c->argc; i += 2)
        STEP_TRY(data_check_key(c, c->argv[i]));
    return CMD_DONE;
}

/* One batch of the log, so after a crash there are all of them or none. */
static command_result set_pairs(client *c) {
    for (int i = 1; i < c->argc; i += 2) {
        set_request q = {.key = c->argv[i], .value = c->argv[i + 1]};
        STEP_TRY(put_value(c, &q, ENGINE_NO_EXPIRE, 0));
    }
    return CMD_DONE;
}

/* Never fails for what is there: types and times are overwritten. */
command_result cmd_mset(client *c) {
    STEP_TRY(check_pairs(c));
    STEP_TRY(set_pairs(c));
    reply_ok(c);
    return CMD_DONE;
}

/* All or none: one key that is there is enough for 0. */
command_result cmd_msetnx(client *c) {
    STEP_TRY(check_pairs(c));
    for (int i = 1; i < c->argc; i += 2) {
        entry ent;
        bool found;
        STEP_TRY(data_lookup(c, c->argv[i], KS_META | KS_WRITE, &ent, &found));
        if (!found) continue;
        client_depends_on_end(c);
        reply_int(c, 0);
        return CMD_DONE;
    }
    STEP_TRY(set_pairs(c));
    reply_int(c, 1);
    return CMD_DONE;
}
