/* Commands that answer with a value or a part of it.
 *
 * A value may be one entry or chunks (types/string.h); data_reply_value and data_reply_range know
 * both. GETDEL and GETEX reply first and change afterwards: the reply is a copy in the client's
 * output, and the value would be gone. */
#include "commands/string_family.h"

/* The hot path: one call on the engine, and the value's bytes go straight to the reply. */
command_result cmd_get(client *c) {
    entry ent;
    bool found;
    STEP_TRY(data_lookup(c, c->argv[1], 0, &ent, &found));
    if (found && ent.type == KEY_STRING && ent.coll == 0) {
        client_depends(c, ent.pos);
        reply_bulk(c, ent.value);
        return CMD_DONE;
    }
    if (!found) {
        client_depends_on_end(c);
        reply_null(c);
        return CMD_DONE;
    }
    string s;
    ENGINE_TRY(c, string_of_entry(c->ks, c->db, c->argv[1], &ent, &s));
    return s.wrong_type ? reply_wrong_type(c) : data_reply_value(c, &s);
}

/* An event only if there was a key. Of another type it is an error, and the key stays. */
command_result cmd_getdel(client *c) {
    string s;
    STEP_TRY(data_open(c, c->argv[1], 0, &s));
    STEP_TRY(data_reply_value(c, &s));
    if (!s.exists) return CMD_DONE;
    ENGINE_TRY(c, ks_del(c->ks, c->db, c->argv[1]));
    data_changed(c, KS_GENERIC, "del", c->argv[1]);
    return CMD_DONE;
}

/* Gives a string that is there another expire time. The value may have been read over by the reply,
 * so it is looked up again. */
static command_result set_life(client *c, int64_t when, const char *event) {
    entry ent;
    bool found;
    STEP_TRY(data_lookup(c, c->argv[1], KS_WRITE, &ent, &found));
    if (!found) return CMD_DONE;
    ENGINE_TRY(c, ks_set_expire(c->ks, c->db, c->argv[1], &ent, when));
    data_changed(c, KS_GENERIC, event, c->argv[1]);
    return CMD_DONE;
}

/* Without options it is a GET. A time in the past deletes the key with the event "del" and replies
 * with the value that was; options are checked before the key is looked at, but the time's range
 * only if there is a key, in Redis' order. */
command_result cmd_getex(client *c) {
    set_options o;
    int64_t when = ENGINE_NO_EXPIRE;
    string s;
    if (!set_options_parse(c, 2, SET_TIME | SET_PERSIST, &o)) return CMD_REFUSED;
    STEP_TRY(data_open(c, c->argv[1], 0, &s));
    if (s.exists && !set_options_time(c, &o, &when)) return CMD_REFUSED;
    STEP_TRY(data_reply_value(c, &s));
    if (!s.exists) return CMD_DONE;
    if (o.flags & (SET_EXAT | SET_PXAT) && when <= ks_now(c->ks)) {
        ENGINE_TRY(c, ks_del(c->ks, c->db, c->argv[1]));
        data_changed(c, KS_GENERIC, "del", c->argv[1]);
        return CMD_DONE;
    }
    if (o.flags & SET_TIME) return set_life(c, when, "expire");
    if (o.flags & SET_PERSIST && s.ent.expire != ENGINE_NO_EXPIRE)
        return set_life(c, ENGINE_NO_EXPIRE, "persist");
    return CMD_DONE;
}

/* A key of another type counts as absent. When one read is pending the others are asked for all the
 * same, so that all come together. */
command_result cmd_mget(client *c) {
    command_result worst = CMD_DONE;
    reply_array(c, c->argc - 1);
    for (int i = 1; i < c->argc; i++) {
        string s;
        unsigned flags = c->flags & CLIENT_NO_TOUCH ? KS_NO_TOUCH : 0;
        engine_result r = string_open(c->ks, c->db, c->argv[i], flags, &s);
        command_result done = r == ENGINE_OK ? CMD_DONE : reply_engine(c, r);
        if (done == CMD_DONE && s.wrong_type) {
            client_depends(c, s.pos);
            reply_null(c);
        } else if (done == CMD_DONE) {
            done = data_reply_value(c, &s);
        }
        if (done == CMD_FAILED) return done;
        if (done != CMD_DONE) worst = done;
    }
    return worst;
}

/* 0 for an absent key. The length is known without reading the value. */
command_result cmd_strlen(client *c) {
    string s;
    STEP_TRY(data_open(c, c->argv[1], 0, &s));
    data_depends(c, &s);
    reply_int(c, (int64_t)s.len);
    return CMD_DONE;
}

/* Both ends are included, negative ones count from the end, and what is outside is cut off: so any
 * range of an absent key is the empty string, never nil. Only the chunks in the range are read. */
command_result cmd_getrange(client *c) {
    int64_t start, end;
    string s;
    if (!arg_i64(c, 2, &start) || !arg_i64(c, 3, &end)) return CMD_REFUSED;
    STEP_TRY(data_open(c, c->argv[1], 0, &s));
    int64_t len = (int64_t)s.len;
    bool empty = start < 0 && end < 0 && start > end;
    if (start < 0) start = start + len < 0 ? 0 : start + len;
    if (end < 0) end = end + len < 0 ? 0 : end + len;
    if (end >= len) end = len - 1;
    if (empty || start > end) start = end + 1;
    return data_reply_range(c, &s, (uint64_t)start, (uint64_t)end + 1);
}
