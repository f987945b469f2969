/* Commands that set, count up and delete fields of a hash.
 *
 * A value that is set again loses its field's time, unless it was only counted up; the key's own
 * time stays in any case. All is checked before anything is changed, and a read that is pending
 * asks for the other fields, too (hash_find). */
#include "commands/hash_family.h"

#include "base/num.h"
#include <math.h>

/* `dirty` counts fields, the event is told once. */
command_result hash_end(client *c, elements *el, const char *event, int64_t n) {
    ENGINE_TRY(c, el_end(el));
    data_changed(c, KS_HASH, event, el->key);
    ks_dirty(c->ks, n - 1);
    if (el->deleted) ks_notify(c->ks, KS_GENERIC, "del", c->db, el->key);
    return CMD_DONE;
}

/* ---- setting -----------------------------------------------------------------------------------
 */

/* Sets all pairs; how many fields are new. */
static command_result set_pairs(client *c, int64_t *added) {
    elements el;
    field_args f = {2, c->argc, 2};
    *added = 0;
    if (c->argc % 2) return reply_wrong_args(c);
    STEP_TRY(hash_check_fields(c, &f));
    STEP_TRY(hash_open(c, KS_WRITE, &el));
    el.lean = true; /* what there was is not wanted */
    for (int i = f.first; i < f.end; i += 2) {
        hash_field was;
        bool found;
        STEP_TRY(hash_find(c, &el, &f, i, &was, &found));
        client_passes(c, c->argv[i + 1]);
        ENGINE_TRY(c, hash_put(&el, c->argv[i], c->argv[i + 1], ENGINE_NO_EXPIRE, &was));
        *added += !found;
    }
    return hash_end(c, &el, "hset", (c->argc - 2) / 2);
}

/* Replies how many are new. */
command_result cmd_hset(client *c) {
    int64_t added;
    STEP_TRY(set_pairs(c, &added));
    reply_int(c, added);
    return CMD_DONE;
}

/* HSET as it was once. */
command_result cmd_hmset(client *c) {
    int64_t added;
    STEP_TRY(set_pairs(c, &added));
    reply_ok(c);
    return CMD_DONE;
}

/* Only if there is no such field. */
command_result cmd_hsetnx(client *c) {
    elements el;
    hash_field was;
    bool found;
    field_args f = {2, 4, 2};
    STEP_TRY(hash_check_fields(c, &f));
    STEP_TRY(hash_open(c, KS_WRITE, &el));
    STEP_TRY(hash_find(c, &el, &f, 2, &was, &found));
    if (found) {
        data_depends_elements(c, &el);
    } else {
        client_passes(c, c->argv[3]);
        ENGINE_TRY(c, hash_put(&el, c->argv[2], c->argv[3], ENGINE_NO_EXPIRE, &was));
        STEP_TRY(hash_end(c, &el, "hset", 1));
    }
    reply_int(c, !found);
    return CMD_DONE;
}

/* ---- deleting ----------------------------------------------------------------------------------
 */

/* Replies how many there were. */
command_result cmd_hdel(client *c) {
    elements el;
    int64_t gone = 0;
    field_args f = {2, c->argc, 1};
    STEP_TRY(hash_open(c, KS_WRITE, &el));
    el.lean = true;
    for (int i = f.first; i < f.end; i++) {
        hash_field was;
        bool found;
        STEP_TRY(hash_find(c, &el, &f, i, &was, &found));
        if (!found) continue;
        ENGINE_TRY(c, hash_del(&el, c->argv[i], &was));
        gone++;
    }
    if (gone) {
        STEP_TRY(hash_end(c, &el, "hdel", gone));
    } else {
        client_depends_on_end(c);
    }
    reply_int(c, gone);
    return CMD_DONE;
}

/* ---- counting ----------------------------------------------------------------------------------
 */

/* The field at argv[2], for a change of it. */
static command_result open_number(client *c, elements *el, hash_field *was, bool *found) {
    field_args f = {2, 3, 1};
    STEP_TRY(hash_check_fields(c, &f));
    STEP_TRY(hash_open(c, KS_WRITE, el));
    STEP_TRY(hash_find(c, el, &f, 2, was, found));
    if (*found) data_depends_elements(c, el);
    return CMD_DONE;
}

/* The field's new value; its time stays. */
static command_result put_number(client *c, elements *el, const hash_field *was, bool found,
                                 slice text, const char *event) {
    int64_t expire = found ? was->item.expire : ENGINE_NO_EXPIRE;
    ENGINE_TRY(c, hash_put(el, c->argv[2], text, expire, was));
    return hash_end(c, el, event, 1);
}

/* An absent field counts as 0. */
command_result cmd_hincrby(client *c) {
    elements el;
    hash_field was;
    bool found;
    int64_t by, sum = 0;
    char text[NUM_I64_TEXT];
    if (!arg_i64(c, 3, &by)) return CMD_REFUSED;
    STEP_TRY(open_number(c, &el, &was, &found));
    if (found && !num_parse_i64(was.item.value, &sum))
        return reply_error(c, "ERR hash value is not an integer");
    if (__builtin_add_overflow(sum, by, &sum))
        return reply_error(c, "ERR increment or decrement would overflow");
    slice value = slice_of(text, num_format_i64(text, sum));
    STEP_TRY(put_number(c, &el, &was, found, value, "hincrby"));
    reply_int(c, sum);
    return CMD_DONE;
}

/* As INCRBYFLOAT, but that a bad increment is told before the key is looked at, and infinity is
 * one. */
command_result cmd_hincrbyfloat(client *c) {
    elements el;
    hash_field was;
    bool found;
    long double by, sum = 0;
    char text[NUM_LDOUBLE_TEXT];
    if (!num_parse_ldouble(c->argv[3], &by)) return reply_not_float(c);
    if (isinf(by)) return reply_error(c, "ERR value is NaN or Infinity");
    STEP_TRY(open_number(c, &el, &was, &found));
    if (found && !num_parse_ldouble(was.item.value, &sum))
        return reply_error(c, "ERR hash value is not a float");
    sum += by;
    if (isnan(sum) || isinf(sum))
        return reply_error(c, "ERR increment would produce NaN or Infinity");
    slice value = slice_of(text, num_format_ldouble(text, sum));
    STEP_TRY(put_number(c, &el, &was, found, value, "hincrbyfloat"));
    reply_bulk(c, value);
    return CMD_DONE;
}
