/* reply: what commands answer with. Each appends to the running command's reply in the client's
 * protocol. */
#ifndef STAVE_SESSION_REPLY_H
#define STAVE_SESSION_REPLY_H

#include "resp/writer.h"
#include "session/client.h"

static inline void reply_ok(client *c) {
    buf_append(&c->out, "+OK\r\n", 5);
}
static inline void reply_int(client *c, int64_t v) {
    resp_int(&c->out, v);
}
static inline void reply_bulk(client *c, slice s) {
    resp_bulk(&c->out, s);
}
static inline void reply_cstr(client *c, const char *s) {
    resp_bulk(&c->out, slice_cstr(s));
}
static inline void reply_null(client *c) {
    resp_null(&c->out, c->proto);
}
/* RESP2 has another null where an array is due; also what one who waits gets when the time is up.
 */
static inline void reply_null_array(client *c) {
    resp_null_array(&c->out, c->proto);
}
static inline void reply_array(client *c, int64_t n) {
    resp_array(&c->out, n);
}
static inline void reply_map(client *c, int64_t pairs) {
    resp_map(&c->out, c->proto, pairs);
}
static inline void reply_double(client *c, double v) {
    resp_double(&c->out, c->proto, v);
}
static inline void reply_simple(client *c, const char *s) {
    resp_simple(&c->out, s);
}

/* An error, its code first: reply_error(c, "ERR value is not an integer or out of range"). Returns
 * CMD_REFUSED, so that a command ends with `return reply_error(...)`: whatever its batch changed is
 * undone. Counted in INFO errorstats. */
command_result reply_error(client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
command_result reply_error_text(client *c, slice text); /* the same, text as it is */

/* Another error in the place of the one that is c's whole reply so far. */
command_result reply_error_instead(client *c, slice text);

/* The texts that many commands share. */
command_result reply_syntax_error(client *c);  /* ERR syntax error */
command_result reply_wrong_type(client *c);    /* WRONGTYPE Operation against a key ... */
command_result reply_not_integer(client *c);   /* ERR value is not an integer or out of range */
command_result reply_not_float(client *c);     /* ERR value is not a valid float */
command_result reply_out_of_range(client *c);  /* ERR value is out of range */
command_result reply_no_key(client *c);        /* ERR no such key */
command_result reply_out_of_memory(client *c); /* OOM command not allowed when ... */
command_result reply_wrong_args(client *c);    /* ERR wrong number of arguments for 'x' command */
/* ERR unknown subcommand or wrong number of arguments for 'x'. Try X HELP. */
command_result reply_sub_syntax(client *c);
command_result reply_unknown_sub(client *c); /* ERR unknown subcommand 'x'. Try X HELP. */
/* ENGINE_PENDING: CMD_AGAIN; ENGINE_ERROR: CMD_FAILED. REQUIRES: one of these. */
command_result reply_engine(client *c, engine_result r);
/* CMD_FAILED with a status of one's own for the reply: nothing of the batch stays, nor of the outer
 * one in which it runs. For who finds only on its way that it can't go on. */
command_result reply_failed(client *c, status st);
/* What a status of the engine's is to a client: MISCONF when the disk is full or failed. */
command_result reply_engine_status(client *c, status st);
/* A HELP sub-command's reply: `lines` ended by NULL; the first and last lines that Redis adds are
 * added, and before the last ones those of commands_extend. */
command_result reply_help(client *c, const char *const *lines);

/* Arguments as numbers: false after having replied with the error. */
bool arg_i64(client *c, int i, int64_t *out);
bool arg_i64_range(client *c, int i, int64_t min, int64_t max, int64_t *out, const char *error);
bool arg_double(client *c, int i, double *out);
/* True if argument i is that word, letters' case ignored. */
static inline bool arg_is(const client *c, int i, const char *word) {
    return i < c->argc && slice_ieq(c->argv[i], word);
}

#endif
