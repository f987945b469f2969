/* How long fields of a hash live: the commands of Redis 7.4, in its grammar and its words.
 *
 * As with keys a time to live is turned into a point in time when it is given, and one that has
 * passed deletes. The key's type is checked before any argument is read: so Redis has it. */
#include "commands/expire_condition.h"
#include "commands/hash_family.h"

#include "base/num.h"

/* The latest time that Redis takes: what its index by time can hold. */
#define TIME_MAX 0x3fffffffffffLL

/* ---- shared ------------------------------------------------------------------------------------
 */

/* The order of checks decides which error is told when there are several. */
bool hash_parse_fields(client *c, int at, const char *bad_count, field_args *out) {
    int64_t n;
    const char *error = NULL;
    if (!arg_is(c, at, "fields")) {
        error = "Mandatory argument FIELDS is missing or not at the right position";
    } else if (at + 1 >= c->argc) {
        (void)reply_wrong_args(c);
        return false;
    } else if (!num_parse_i64(c->argv[at + 1], &n) || n < 1) {
        error = bad_count;
    } else if (n != c->argc - at - 2) {
        error = "The `numfields` parameter must match the number of arguments";
    }
    *out = (field_args){at + 2, c->argc, 1};
    if (error) (void)reply_error(c, "ERR %s", error);
    return !error;
}

/* The type first, then the arguments. */
command_result hash_open_fields(client *c, unsigned flags, elements *el, field_args *out) {
    STEP_TRY(hash_open(c, flags, el));
    if (!hash_parse_fields(c, 2, HASH_BAD_COUNT, out)) return CMD_REFUSED;
    reply_array(c, out->end - out->first);
    return CMD_DONE;
}

/* 0 is fine and means: now. A bound in ms is checked after the unit and the clock were taken in. */
bool hash_parse_time(client *c, int i, bool seconds, bool relative, int64_t *out) {
    int64_t from = relative ? ks_now(c->ks) : 0;
    if (!arg_i64(c, i, out)) return false;
    if (*out < 0) {
        (void)reply_error(c, "ERR invalid expire time, must be >= 0");
        return false;
    }
    bool fits = *out <= (seconds ? TIME_MAX / 1000 : TIME_MAX);
    if (fits && seconds) *out *= 1000;
    if (fits && *out <= TIME_MAX - from) {
        *out += from;
        return true;
    }
    (void)data_bad_expire(c);
    return false;
}

/* The comparison with the clock is the one by which fields are hidden. */
command_result hash_set_time(client *c, elements *el, slice field, const hash_field *was,
                             int64_t when, int *did) {
    *did = when <= ks_now(c->ks) ? HASH_GONE : HASH_TIME_SET;
    ENGINE_TRY(c, *did == HASH_GONE ? hash_del(el, field, was)
                                    : hash_set_expire(el, field, was, when));
    return CMD_DONE;
}

/* ---- setting -----------------------------------------------------------------------------------
 */

/* One of NX, XX, GT, LT, if there is one at i. */
static unsigned parse_condition(const client *c, int i) {
    if (arg_is(c, i, "nx")) return EXPIRE_NX;
    if (arg_is(c, i, "xx")) return EXPIRE_XX;
    if (arg_is(c, i, "gt")) return EXPIRE_GT;
    return arg_is(c, i, "lt") ? EXPIRE_LT : 0;
}

/* Of each field in turn: what came of it. One event for all, "hdel" if any was deleted. */
static command_result expire(client *c, bool seconds, bool relative) {
    elements el;
    int64_t when, changes = 0;
    field_args f;
    bool gone = false;
    STEP_TRY(hash_open(c, KS_WRITE, &el));
    if (!hash_parse_time(c, 2, seconds, relative, &when)) return CMD_REFUSED;
    unsigned condition = parse_condition(c, 3);
    if (!hash_parse_fields(c, condition ? 4 : 3, "Parameter `numFields` should be greater than 0",
                           &f))
        return CMD_REFUSED;
    reply_array(c, f.end - f.first);
    for (int i = f.first; i < f.end; i++) {
        hash_field was;
        bool found;
        int did = HASH_NO_FIELD;
        STEP_TRY(hash_find(c, &el, &f, i, &was, &found));
        if (found) did = HASH_UNMET;
        if (found && expire_condition_holds(condition, was.item.expire, when)) {
            STEP_TRY(hash_set_time(c, &el, c->argv[i], &was, when, &did));
            changes++;
        }
        gone |= did == HASH_GONE;
        reply_int(c, did);
    }
    client_depends_on_end(c);
    return changes ? hash_end(c, &el, gone ? "hdel" : "hexpire", changes) : CMD_DONE;
}

/* HEXPIRE and its three sisters differ in the unit and in what the time counts from. */
command_result cmd_hexpire(client *c) {
    return expire(c, true, true);
}
command_result cmd_hpexpire(client *c) {
    return expire(c, false, true);
}
command_result cmd_hexpireat(client *c) {
    return expire(c, true, false);
}
command_result cmd_hpexpireat(client *c) {
    return expire(c, false, false);
}

/* Of each field: it lives for ever now, it did before, there is none. */
command_result cmd_hpersist(client *c) {
    elements el;
    field_args f;
    bool changed = false;
    STEP_TRY(hash_open_fields(c, KS_WRITE, &el, &f));
    for (int i = f.first; i < f.end; i++) {
        hash_field was;
        bool found;
        STEP_TRY(hash_find(c, &el, &f, i, &was, &found));
        if (found && was.item.expire != ENGINE_NO_EXPIRE) {
            ENGINE_TRY(c, hash_set_expire(&el, c->argv[i], &was, ENGINE_NO_EXPIRE));
            reply_int(c, HASH_TIME_SET);
            changed = true;
        } else {
            reply_int(c, found ? HASH_NO_TIME : HASH_NO_FIELD);
        }
    }
    client_depends_on_end(c);
    return changed ? hash_end(c, &el, "hpersist", 1) : CMD_DONE;
}

/* ---- asking ------------------------------------------------------------------------------------
 */

/* Of each field: its time, absolute or from now, in ms or in seconds, a part of one counting as a
 * whole: unlike TTL of a key. */
static command_result tell_times(client *c, bool seconds, bool relative) {
    elements el;
    field_args f;
    int64_t from = relative ? ks_now(c->ks) : 0;
    STEP_TRY(hash_open_fields(c, 0, &el, &f));
    for (int i = f.first; i < f.end; i++) {
        hash_field field;
        bool found;
        STEP_TRY(hash_find(c, &el, &f, i, &field, &found));
        int64_t t = field.item.expire - from;
        if (!found) {
            reply_int(c, HASH_NO_FIELD);
        } else if (field.item.expire == ENGINE_NO_EXPIRE) {
            reply_int(c, HASH_NO_TIME);
        } else {
            reply_int(c, seconds ? (t + 999) / 1000 : t);
        }
    }
    client_depends_on_end(c);
    return CMD_DONE;
}

/* What is left, or when it ends. */
command_result cmd_httl(client *c) {
    return tell_times(c, true, true);
}
command_result cmd_hpttl(client *c) {
    return tell_times(c, false, true);
}
command_result cmd_hexpiretime(client *c) {
    return tell_times(c, true, false);
}
command_result cmd_hpexpiretime(client *c) {
    return tell_times(c, false, false);
}
