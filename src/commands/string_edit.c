/* Commands that change a value in place, and counters.
 *
 * In place: of a value in chunks only those that change are written again (types/string_edit.c).
 * None of these commands touches the expire time: that is the difference between INCR and a SET of
 * the sum. */
#include "commands/string_family.h"

#include "base/num.h"

/* ---- in place ----------------------------------------------------------------------------------
 */

/* Writes bytes at off of an open string, which grows as needed; replies with its length. */
static command_result write_at(client *c, string *s, uint64_t off, slice bytes, const char *event) {
    string_edit e;
    if (!s->exists) client_passes(c, bytes);
    ENGINE_TRY(c, string_edit_begin(&e, s, off + bytes.len));
    ENGINE_TRY(c, string_edit_write(&e, off, bytes));
    ENGINE_TRY(c, string_edit_end(&e));
    data_changed(c, KS_STRING, event, s->key);
    reply_int(c, (int64_t)s->len);
    return CMD_DONE;
}

/* Without the key it is a SET, but for the answer, which is the length. The bound on lengths is
 * checked before any byte of the value is read. */
command_result cmd_append(client *c) {
    string s;
    slice key = c->argv[1], bytes = c->argv[2];
    STEP_TRY(data_open(c, key, KS_WRITE, &s));
    STEP_TRY(data_check_length(c, s.len, bytes.len));
    if (s.exists) return write_at(c, &s, s.len, bytes, "append");
    client_passes(c, bytes);
    ENGINE_TRY(c, string_set(c->ks, c->db, key, bytes, ENGINE_NO_EXPIRE, 0, 0));
    data_changed(c, KS_STRING, "append", key);
    reply_int(c, (int64_t)bytes.len);
    return CMD_DONE;
}

/* A gap behind the present end is filled with zeros. Nothing to write changes nothing, and does not
 * make the key: so Redis has it, and the reply is the length of what there is. */
command_result cmd_setrange(client *c) {
    int64_t off;
    string s;
    slice bytes = c->argv[3];
    if (!arg_i64(c, 2, &off)) return CMD_REFUSED;
    if (off < 0) return reply_error(c, "ERR offset is out of range");
    STEP_TRY(data_open(c, c->argv[1], KS_WRITE, &s));
    if (bytes.len == 0) {
        data_depends(c, &s);
        reply_int(c, (int64_t)s.len);
        return CMD_DONE;
    }
    STEP_TRY(data_check_length(c, (uint64_t)off, bytes.len));
    return write_at(c, &s, (uint64_t)off, bytes, "setrange");
}

/* ---- counters ----------------------------------------------------------------------------------
 */

/* INCR and its kin; an absent key counts as 0. The sum is kept as decimal text, and the event is
 * "incrby" for all four, as in Redis. */
static command_result add(client *c, int64_t by) {
    string s;
    int64_t sum;
    string_fault fault;
    STEP_TRY(data_open(c, c->argv[1], KS_WRITE, &s));
    ENGINE_TRY(c, string_incr(&s, by, &sum, &fault));
    if (fault != STRING_FINE) data_depends(c, &s);
    if (fault == STRING_NOT_INTEGER) return reply_not_integer(c);
    if (fault == STRING_OVERFLOW)
        return reply_error(c, "ERR increment or decrement would overflow");
    data_changed(c, KS_STRING, "incrby", s.key);
    reply_int(c, sum);
    return CMD_DONE;
}

/* By one. */
command_result cmd_incr(client *c) {
    return add(c, 1);
}

/* DECR is an increment of -1; the events are the same. */
command_result cmd_decr(client *c) {
    return add(c, -1);
}

/* A bad number is told before the key is looked at. */
command_result cmd_incrby(client *c) {
    int64_t by;
    return arg_i64(c, 2, &by) ? add(c, by) : CMD_REFUSED;
}

/* The least 64-bit number has no opposite, so it is refused by a message of its own. */
command_result cmd_decrby(client *c) {
    int64_t by;
    if (!arg_i64(c, 2, &by)) return CMD_REFUSED;
    if (by == INT64_MIN) return reply_error(c, "ERR decrement would overflow");
    return add(c, -by);
}

/* Computed with the long double of the platform and written with 17 digits behind the point,
 * without trailing zeros: so replies are the same to the byte as redis-server's on x86-64. The
 * value is read first: of a wrong type and a wrong number, the type is told. */
command_result cmd_incrbyfloat(client *c) {
    string s;
    long double by;
    char text[NUM_LDOUBLE_TEXT];
    size_t len;
    string_fault fault;
    STEP_TRY(data_open(c, c->argv[1], KS_WRITE, &s));
    if (!num_parse_ldouble(c->argv[2], &by)) return reply_not_float(c);
    ENGINE_TRY(c, string_incr_float(&s, by, text, &len, &fault));
    if (fault != STRING_FINE) data_depends(c, &s);
    if (fault == STRING_NOT_FLOAT) return reply_not_float(c);
    if (fault == STRING_NAN) return reply_error(c, "ERR increment would produce NaN or Infinity");
    data_changed(c, KS_STRING, "incrbyfloat", s.key);
    reply_bulk(c, slice_of(text, len));
    return CMD_DONE;
}
