/* reply: errors, the texts that many commands share, and arguments as numbers. */
#include "session/reply.h"

#include "base/log.h"
#include "base/num.h"
#include "session/errors.h"
#include "session/session.h"
#include "session/state.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

/* All error replies come through here and are counted. */
command_result reply_error_text(client *c, slice text) {
    resp_error(&c->out, text);
    errors_count(session_statistics(c->session), text);
    return CMD_REFUSED;
}

/* A text that is too long is cut. */
command_result reply_error(client *c, const char *fmt, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    return reply_error_text(c, slice_of(text, len));
}

/* "-text\r\n" goes, and is no longer counted. */
command_result reply_error_instead(client *c, slice text) {
    slice old = slice_of(c->out.data + c->out_from, c->out.len - c->out_from);
    CHECK(old.len > 3 && old.data[0] == '-');
    errors_uncount(session_statistics(c->session), slice_of(old.data + 1, old.len - 3));
    c->out.len = c->out_from;
    return reply_error_text(c, text);
}

/* The arguments make no sense together. */
command_result reply_syntax_error(client *c) {
    return reply_error_text(c, SLICE("ERR syntax error"));
}

/* Whoever reads this knows what the key holds, so it waits like any reply that shows an entry. */
command_result reply_wrong_type(client *c) {
    client_depends_on_end(c);
    return reply_error_text(
        c, SLICE("WRONGTYPE Operation against a key holding the wrong kind of value"));
}

/* Also for what does not fit 64 bits. */
command_result reply_not_integer(client *c) {
    return reply_error_text(c, SLICE("ERR value is not an integer or out of range"));
}

/* Also for NaN. */
command_result reply_not_float(client *c) {
    return reply_error_text(c, SLICE("ERR value is not a valid float"));
}

/* A number, but not one that this argument may be. */
command_result reply_out_of_range(client *c) {
    return reply_error_text(c, SLICE("ERR value is out of range"));
}

/* It shows absence. */
command_result reply_no_key(client *c) {
    client_depends_on_end(c);
    return reply_error_text(c, SLICE("ERR no such key"));
}

/* Eviction could not make room. */
command_result reply_out_of_memory(client *c) {
    return reply_error_text(c, SLICE("OOM command not allowed when used memory > 'maxmemory'."));
}

/* Names a sub-command in full: 'client|kill'. */
command_result reply_wrong_args(client *c) {
    return reply_error(c, "ERR wrong number of arguments for '%s' command", c->row->full_name);
}

/* Names the container in upper case, and the subcommand as it was given. */
static command_result refuse_sub(client *c, const char *what) {
    char name[64];
    const command_row *row = c->row->parent ? c->row->parent : c->row;
    size_t n = 0;
    for (const char *p = row->full_name; *p && n < sizeof name - 1; p++)
        name[n++] = (char)toupper((unsigned char)*p);
    name[n] = 0;
    slice sub = c->argc > 1 ? c->argv[1] : SLICE_EMPTY;
    return reply_error(c, "ERR %s '%.*s'. Try %s HELP.", what, (int)(sub.len < 128 ? sub.len : 128),
                       sub.data ? sub.data : "", name);
}

/* Names the container in upper case, as what the user should type. */
command_result reply_unknown_sub(client *c) {
    return refuse_sub(c, "unknown subcommand");
}

/* As reply_unknown_sub, where what follows the sub-command is what is wrong. */
command_result reply_sub_syntax(client *c) {
    return refuse_sub(c, "unknown subcommand or wrong number of arguments for");
}

/* The dispatcher writes the error, when it knows that there will be one. */
command_result reply_engine(client *c, engine_result r) {
    (void)c;
    return r == ENGINE_PENDING ? CMD_AGAIN : CMD_FAILED;
}

/* Kept until the outermost batch ends: what was replied by then goes with it. */
command_result reply_failed(client *c, status st) {
    CHECK(!status_ok(st));
    c->session->failure = st;
    return CMD_FAILED;
}

/* The log's troubles have Redis' code for them, MISCONF; others are plain errors. */
command_result reply_engine_status(client *c, status st) {
    if (st.code == ST_NO_SPACE)
        return reply_error(c, "MISCONF Errors writing to the log on disk: %s",
                           "No space left on device");
    if (st.code == ST_FAILED) return reply_error_text(c, ERRORS_LOG_FAILED);
    return reply_error(c, "ERR %s", st.msg);
}

/* Up to the NULL. */
static int64_t count_lines(const char *const *lines) {
    int64_t n = 0;
    while (lines[n])
        n++;
    return n;
}

/* The container's name comes first, HELP itself last. */
command_result reply_help(client *c, const char *const *lines) {
    const command_row *row = c->row->parent ? c->row->parent : c->row;
    static const char *const none[] = {NULL};
    const char *const *more = row->more_help ? row->more_help : none;
    char first[160];
    int64_t n = count_lines(lines), m = count_lines(more);
    int len =
        snprintf(first, sizeof first,
                 "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", row->full_name);
    for (int i = 0; i < len && first[i] != ' '; i++)
        first[i] = (char)toupper((unsigned char)first[i]);
    reply_array(c, n + m + 3);
    reply_simple(c, first);
    for (int64_t i = 0; i < n + m; i++)
        reply_simple(c, i < n ? lines[i] : more[i - n]);
    reply_simple(c, "HELP");
    reply_simple(c, "    Prints this help.");
    return CMD_DONE;
}

/* The strict form: no spaces, no plus. */
bool arg_i64(client *c, int i, int64_t *out) {
    if (num_parse_i64(c->argv[i], out)) return true;
    (void)reply_not_integer(c);
    return false;
}

/* error NULL: the usual text. */
bool arg_i64_range(client *c, int i, int64_t min, int64_t max, int64_t *out, const char *error) {
    if (num_parse_i64(c->argv[i], out) && *out >= min && *out <= max) return true;
    if (error)
        (void)reply_error(c, "%s", error);
    else
        (void)reply_not_integer(c);
    return false;
}

/* inf is fine, nan is not. */
bool arg_double(client *c, int i, double *out) {
    if (num_parse_double(c->argv[i], out)) return true;
    (void)reply_not_float(c);
    return false;
}
