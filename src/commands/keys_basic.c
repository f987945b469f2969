/* Commands on keys whatever their type: deleting, testing, renaming, copying.
 *
 * They look at entries and never at values, so none of them waits for a large value to be read, and
 * a collection of a million elements is renamed by one record (COPY alone has to read it all). What
 * they answer is a count or a flag: it depends on what is not there as much as on what is, hence
 * on the end of the log (rule 3 in README.md). */
#include "commands/keys_family.h"

/* DEL and UNLINK: dropping a value costs the same whatever its size, so the second, which Redis
 * made for not having to wait, has nothing of its own. A key that is named twice counts once, as it
 * is gone when its second turn comes. */
command_result cmd_del(client *c) {
    int64_t gone = 0;
    for (int i = 1; i < c->argc; i++) {
        engine_result r = ks_del(c->ks, c->db, c->argv[i]);
        if (r == ENGINE_ABSENT) continue;
        if (r != ENGINE_OK) return reply_engine(c, r);
        data_changed(c, KS_GENERIC, "del", c->argv[i]);
        gone++;
    }
    client_depends_on_end(c);
    reply_int(c, gone);
    return CMD_DONE;
}

/* How many of the keys are there. All are looked up even when one is pending, so that all come
 * together. */
static command_result count_keys(client *c, unsigned flags) {
    int64_t there = 0;
    command_result worst = CMD_DONE;
    for (int i = 1; i < c->argc; i++) {
        entry ent;
        engine_result r = ks_get(c->ks, c->db, c->argv[i], flags, &ent);
        there += r == ENGINE_OK;
        if (r == ENGINE_ERROR) return reply_engine(c, r);
        if (r == ENGINE_PENDING) worst = reply_engine(c, r);
    }
    client_depends_on_end(c);
    reply_int(c, there);
    return worst;
}

/* A key that is named twice counts twice, as in Redis. Looking is no use of the key: neither its
 * age nor its frequency changes. */
command_result cmd_exists(client *c) {
    return count_keys(c, KS_META | KS_NO_TOUCH);
}

/* Touches them even for a client that said CLIENT NO-TOUCH. */
command_result cmd_touch(client *c) {
    return count_keys(c, KS_META);
}

/* The type of what is absent is "none", which is no error: clients ask this to find out. */
command_result cmd_type(client *c) {
    entry ent;
    bool found;
    STEP_TRY(data_lookup(c, c->argv[1], KS_META | KS_NO_TOUCH, &ent, &found));
    if (found) {
        client_depends(c, ent.pos);
    } else {
        client_depends_on_end(c);
    }
    reply_simple(c, found ? key_type_name(ent.type) : "none");
    return CMD_DONE;
}

/* ---- other names -------------------------------------------------------------------------------
 */

/* Is there such a key in another database, or under another name? As a write looks at it: one that
 * is due is deleted first, and misses are not counted as those of reads. */
static command_result is_there(client *c, uint32_t db, slice key, bool *found) {
    entry ent;
    engine_result r = ks_get(c->ks, db, key, KS_META | KS_WRITE, &ent);
    *found = r == ENGINE_OK;
    return r == ENGINE_OK || r == ENGINE_ABSENT ? CMD_DONE : reply_engine(c, r);
}

/* 0 because of what is or is not there. */
static command_result reply_zero(client *c) {
    client_depends_on_end(c);
    reply_int(c, 0);
    return CMD_DONE;
}

/* RENAME of a key to itself is OK if it is there; RENAMENX answers 0 then, as its name is taken.
 * The expire time goes along, and what the new name held before is dropped. Two events are told,
 * and one change is counted. */
static command_result rename_key(client *c, bool only_new) {
    slice from = c->argv[1], to = c->argv[2];
    bool found, taken;
    STEP_TRY(data_check_key(c, to));
    STEP_TRY(is_there(c, c->db, from, &found));
    if (!found) return reply_no_key(c);
    STEP_TRY(is_there(c, c->db, to, &taken));
    if (only_new && taken) return reply_zero(c);
    if (!slice_eq(from, to)) {
        ENGINE_TRY(c, ks_move(c->ks, c->db, from, c->db, to));
        data_changed(c, KS_GENERIC, "rename_from", from);
        data_changed(c, KS_GENERIC, "rename_to", to);
        ks_dirty(c->ks, -1); /* one change, of two keys */
    }
    if (only_new) {
        reply_int(c, 1);
    } else {
        reply_ok(c);
    }
    return CMD_DONE;
}

/* That there is no such key is an error for RENAME and RENAMENX, and for nothing else here. */
command_result cmd_rename(client *c) {
    return rename_key(c, false);
}

/* 0 if the new name is taken. */
command_result cmd_renamenx(client *c) {
    return rename_key(c, true);
}

#define SAME_OBJECTS "ERR source and destination objects are the same"

/* To the same name in another database; 0 if either there is no such key or its name is taken
 * there. Naming the own database is an error and not a 0, as in Redis. */
command_result cmd_move(client *c) {
    slice key = c->argv[1];
    uint32_t to;
    bool found, taken;
    if (!data_arg_db(c, 2, &to)) return CMD_REFUSED;
    if (to == c->db) return reply_error(c, SAME_OBJECTS);
    STEP_TRY(is_there(c, c->db, key, &found));
    if (!found) return reply_zero(c);
    STEP_TRY(is_there(c, to, key, &taken));
    if (taken) return reply_zero(c);
    ENGINE_TRY(c, ks_move(c->ks, c->db, key, to, key));
    ks_changed(c->ks, KS_GENERIC, "move_from", c->db, key);
    ks_changed(c->ks, KS_GENERIC, "move_to", to, key);
    ks_dirty(c->ks, -1);
    reply_int(c, 1);
    return CMD_DONE;
}

/* DB n, REPLACE, in any order; the last DB counts. False after having replied. */
static bool parse_copy(client *c, uint32_t *db, bool *replace) {
    *db = c->db;
    *replace = false;
    for (int i = 3; i < c->argc; i++) {
        if (arg_is(c, i, "replace")) {
            *replace = true;
        } else if (arg_is(c, i, "db") && i + 1 < c->argc) {
            if (!data_arg_db(c, ++i, db)) return false;
        } else {
            (void)reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* The copy has the expire time of its source. Without REPLACE a name that is taken is enough for 0.
 */
command_result cmd_copy(client *c) {
    slice from = c->argv[1], to = c->argv[2];
    uint32_t db;
    bool replace, found, taken;
    entry ent;
    if (!parse_copy(c, &db, &replace)) return CMD_REFUSED;
    if (db == c->db && slice_eq(from, to)) return reply_error(c, SAME_OBJECTS);
    STEP_TRY(data_check_key(c, to));
    STEP_TRY(is_there(c, db, to, &taken));
    STEP_TRY(data_lookup(c, from, 0, &ent, &found));
    if (!found || (taken && !replace)) return reply_zero(c);
    ENGINE_TRY(c, ks_copy(c->ks, c->db, from, &ent, db, to));
    ks_changed(c->ks, KS_GENERIC, "copy_to", db, to);
    reply_int(c, 1);
    return CMD_DONE;
}
