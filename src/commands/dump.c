/* DUMP and RESTORE: a key's value as bytes that any server of this protocol takes.
 *
 * RESTORE looks at its options, then at the name, at the time to live, at the payload:
 * redis-server's order, which decides what error is told. Nothing is changed before all of the
 * payload is found good (rdb_check), so that a refusal leaves nothing behind. */
#include "base/num.h"
#include "commands/commands.h"
#include "commands/data.h"
#include "rdb/rdb.h"

/* The payload goes straight to the reply; its length goes before it at the end. */
static command_result cmd_dump(client *c) {
    entry ent;
    bool found;
    char head[NUM_I64_TEXT + 3] = "$";
    STEP_TRY(data_lookup(c, c->argv[1], 0, &ent, &found));
    client_depends_on_end(c);
    if (!found) {
        reply_null(c);
        return CMD_DONE;
    }
    size_t at = c->out.len;
    ENGINE_TRY(c, rdb_save(c->ks, c->db, c->argv[1], &ent, &c->out));
    size_t n = 1 + num_format_u64(head + 1, c->out.len - at);
    memcpy(head + n, "\r\n", 2);
    data_insert(c, at, slice_of(head, n + 2));
    buf_append(&c->out, "\r\n", 2);
    return CMD_DONE;
}

/* ---- RESTORE ------------------------------------------------------------------------------------
 */

typedef struct restore {
    bool replace, absolute;
    int64_t ttl;
    int64_t idle, frequency; /* -1: not given */
} restore;

/* REPLACE, ABSTTL, and one of IDLETIME and FREQ; false after having replied. */
static bool parse_options(client *c, restore *r) {
    *r = (restore){.idle = -1, .frequency = -1};
    for (int i = 4; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        if (arg_is(c, i, "replace")) {
            r->replace = true;
        } else if (arg_is(c, i, "absttl")) {
            r->absolute = true;
        } else if (arg_is(c, i, "idletime") && more && r->frequency == -1) {
            if (!arg_i64(c, ++i, &r->idle)) return false;
            if (r->idle >= 0) continue;
            (void)reply_error(c, "ERR Invalid IDLETIME value, must be >= 0");
            return false;
        } else if (arg_is(c, i, "freq") && more && r->idle == -1) {
            if (!arg_i64(c, ++i, &r->frequency)) return false;
            if (r->frequency >= 0 && r->frequency <= 255) continue;
            (void)reply_error(c, "ERR Invalid FREQ value, must be >= 0 and <= 255");
            return false;
        } else {
            (void)reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* What rdb_check found, as an error. */
static command_result refuse_payload(client *c, rdb_fault fault) {
    switch (fault) {
    case RDB_BAD_FOOTER: return reply_error(c, "ERR DUMP payload version or checksum are wrong");
    case RDB_TOO_LONG: return reply_error(c, "ERR element is longer than %u bytes", EL_SUB_MAX);
    default: return reply_error(c, "ERR Bad data format");
    }
}

/* Its time has come already: what it would replace is deleted, and that is all. */
static command_result restore_expired(client *c, slice key, bool taken) {
    if (taken) {
        ENGINE_TRY(c, ks_del(c->ks, c->db, key));
        data_changed(c, KS_GENERIC, "del", key);
    }
    client_depends_on_end(c);
    reply_ok(c);
    return CMD_DONE;
}

/* RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency] */
static command_result cmd_restore(client *c) {
    slice key = c->argv[1], payload = c->argv[3];
    restore r;
    entry old;
    bool taken;
    if (!parse_options(c, &r)) return CMD_REFUSED;
    STEP_TRY(data_check_key(c, key));
    STEP_TRY(data_lookup(c, key, KS_META | KS_WRITE, &old, &taken));
    if (taken && !r.replace) return reply_error(c, "BUSYKEY Target key name already exists.");
    if (!arg_i64(c, 2, &r.ttl)) return CMD_REFUSED;
    if (r.ttl < 0) return reply_error(c, "ERR Invalid TTL value, must be >= 0");
    rdb_fault fault = rdb_check(payload);
    if (fault != RDB_FINE) return refuse_payload(c, fault);
    if (r.ttl && !r.absolute && __builtin_add_overflow(r.ttl, ks_now(c->ks), &r.ttl))
        return data_bad_expire(c);
    if (r.ttl && r.ttl <= ks_now(c->ks)) return restore_expired(c, key, taken);
    ENGINE_TRY(c, rdb_load(c->ks, c->db, key, payload, r.ttl ? r.ttl : ENGINE_NO_EXPIRE));
    if (r.idle >= 0 || r.frequency >= 0)
        ENGINE_TRY(c, ks_set_access(c->ks, c->db, key, r.idle, r.frequency));
    data_changed(c, KS_GENERIC, "restore", key);
    reply_ok(c);
    return CMD_DONE;
}

/* ---- table --------------------------------------------------------------------------------------
 */

static const char *const tips_output[] = {"nondeterministic_output", NULL};

#define RESTORES(name_, flags_, group_, since_, summary_)                                          \
    {                                                                                              \
        .name = name_, .run = cmd_restore, .arity = -4,                                            \
        .flags = CMD_WRITE | CMD_DENYOOM | (flags_), .categories = CAT_KEYSPACE | CAT_DANGEROUS,   \
        .group = group_, .since = since_,                                                          \
        .complexity = "O(N) where N is the number of elements and bytes of the value.",            \
        .summary = summary_,                                                                       \
        .syntax = "key ttl:integer serialized-value [REPLACE^3.0.0] [ABSTTL^5.0.0] "               \
                  "[IDLETIME^5.0.0 seconds] [FREQ^5.0.0 frequency:integer]",                       \
        .keys = {KEY_AT(1, KEY_OW | KEY_UPDATE)}, .internal = (flags_) == CMD_ASKING,              \
        .history = "3.0.0: Added the `REPLACE` modifier.\n5.0.0: Added the `ABSTTL` "              \
                   "modifier.\n5.0.0: Added the `IDLETIME` and `FREQ` options."                    \
    }

const command dump_commands[] = {
    {.name = "dump",
     .run = cmd_dump,
     .arity = 2,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     .group = "generic",
     .since = "2.6.0",
     .complexity = "O(N) where N is the number of elements and bytes of the value.",
     .summary = "Returns the value of a key as bytes that RESTORE takes.",
     .syntax = "key",
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .tips = tips_output},
    RESTORES("restore", 0, "generic", "2.6.0", "Makes a key of what DUMP gave."),
    RESTORES("restore-asking", CMD_ASKING, "server", "3.0.0",
             "RESTORE, for the nodes of a cluster that move keys among them."),
    {0},
};
