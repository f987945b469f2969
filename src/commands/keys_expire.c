/* How long keys live. Times are kept in milliseconds since the epoch.
 *
 * A time to live is turned into a point in time when it is given: what was sent by one clock is not
 * stretched by another, and a copy of the command would mean the same an hour later. Deleting what
 * is due is the keyspace's affair (keyspace/expire.c): here a key whose time has come is absent. */
#include "commands/expire_condition.h"
#include "commands/keys_family.h"

/* ---- setting -----------------------------------------------------------------------------------
 */

/* NX, XX, GT, LT from argument 3 on; false after having replied. NX goes with nothing else, XX with
 * GT or LT; the words of the errors, and that of an unknown option up to its first zero byte, are
 * redis-server's. */
static bool parse_conditions(client *c, unsigned *out) {
    static const char *const names[] = {"nx", "xx", "gt", "lt"};
    *out = 0;
    for (int i = 3; i < c->argc; i++) {
        unsigned k = 0;
        while (k < 4 && !arg_is(c, i, names[k]))
            k++;
        if (k == 4) {
            buf text = {0};
            buf_append(&text, "ERR Unsupported option ", 23);
            buf_append(&text, c->argv[i].data, strnlen(c->argv[i].data, c->argv[i].len));
            (void)reply_error_text(c, buf_slice(&text));
            buf_free(&text);
            return false;
        }
        *out |= 1u << k;
    }
    const char *error = NULL;
    if (*out & EXPIRE_NX && *out & ~(unsigned)EXPIRE_NX)
        error = "ERR NX and XX, GT or LT options at the same time are not compatible";
    else if (*out & EXPIRE_GT && *out & EXPIRE_LT)
        error = "ERR GT and LT options at the same time are not compatible";
    if (error) (void)reply_error(c, "%s", error);
    return !error;
}

/* No such key, or a condition that did not hold: Redis makes no difference. */
static command_result reply_unchanged(client *c) {
    client_depends_on_end(c);
    reply_int(c, 0);
    return CMD_DONE;
}

/* A time of 0 or before is in the past, and deletes: the event is "del" then, and the answer
 * still 1. A time that overflows 64 bits is refused by a message that names the command. The
 * conditions are parsed first, so an unknown option is told before a bad number. */
static command_result expire(client *c, bool seconds, bool relative) {
    unsigned conditions;
    int64_t when;
    slice key = c->argv[1];
    entry ent;
    bool found;
    if (!parse_conditions(c, &conditions) || !arg_i64(c, 2, &when)) return CMD_REFUSED;
    if ((seconds && __builtin_mul_overflow(when, 1000, &when)) ||
        (relative && __builtin_add_overflow(when, ks_now(c->ks), &when)))
        return data_bad_expire(c);
    STEP_TRY(data_lookup(c, key, KS_WRITE, &ent, &found));
    if (!found || !expire_condition_holds(conditions, ent.expire, when)) return reply_unchanged(c);
    if (when <= ks_now(c->ks)) {
        ENGINE_TRY(c, ks_del(c->ks, c->db, key));
        data_changed(c, KS_GENERIC, "del", key);
    } else {
        ENGINE_TRY(c, ks_set_expire(c->ks, c->db, key, &ent, when));
        data_changed(c, KS_GENERIC, "expire", key);
    }
    reply_int(c, 1);
    return CMD_DONE;
}

/* EXPIRE and its three sisters differ in the unit and in what the time counts from. */
command_result cmd_expire(client *c) {
    return expire(c, true, true);
}
command_result cmd_pexpire(client *c) {
    return expire(c, false, true);
}
command_result cmd_expireat(client *c) {
    return expire(c, true, false);
}
command_result cmd_pexpireat(client *c) {
    return expire(c, false, false);
}

/* 0 also for a key that lives for ever already. */
command_result cmd_persist(client *c) {
    entry ent;
    bool found;
    STEP_TRY(data_lookup(c, c->argv[1], KS_WRITE, &ent, &found));
    if (!found || ent.expire == ENGINE_NO_EXPIRE) return reply_unchanged(c);
    ENGINE_TRY(c, ks_set_expire(c->ks, c->db, c->argv[1], &ent, ENGINE_NO_EXPIRE));
    data_changed(c, KS_GENERIC, "persist", c->argv[1]);
    reply_int(c, 1);
    return CMD_DONE;
}

/* ---- asking ------------------------------------------------------------------------------------
 */

/* -2: no such key, -1: it lives for ever; else its time, absolute or from now, in ms or rounded to
 * seconds, half a second up: TTL of a key with 1.5 s left is 2, as in Redis. Asking is no use of
 * the key. */
static command_result tell_time(client *c, bool seconds, bool relative) {
    entry ent;
    bool found;
    STEP_TRY(data_lookup(c, c->argv[1], KS_META | KS_NO_TOUCH, &ent, &found));
    if (!found) {
        client_depends_on_end(c);
        reply_int(c, -2);
        return CMD_DONE;
    }
    client_depends(c, ent.pos);
    int64_t t = ent.expire - (relative ? ks_now(c->ks) : 0);
    if (t < 0) t = 0;
    reply_int(c, ent.expire == ENGINE_NO_EXPIRE ? -1 : seconds ? t / 1000 + (t % 1000 >= 500) : t);
    return CMD_DONE;
}

/* What is left, or (EXPIRETIME, since 7.0) when it ends. */
command_result cmd_ttl(client *c) {
    return tell_time(c, true, true);
}
command_result cmd_pttl(client *c) {
    return tell_time(c, false, true);
}
command_result cmd_expiretime(client *c) {
    return tell_time(c, true, false);
}
command_result cmd_pexpiretime(client *c) {
    return tell_time(c, false, false);
}
