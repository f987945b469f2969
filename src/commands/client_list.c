/* client_list: CLIENT LIST, INFO and KILL: clients as lines of text, and choosing among them.
 *
 * Fields are those of Redis 7.2, in its order. Input memory belongs to a client only while a part
 * of a command waits for the rest, so qbuf is 0 for most. */
#include "base/num.h"
#include "commands/client_command.h"
#include "session/identity.h"
#include "session/output.h"
#include "session/reply.h"
#include "session/session.h"

enum client_type { TYPE_NORMAL, TYPE_MASTER, TYPE_REPLICA, TYPE_PUBSUB, TYPE_ANY };

/* ---- a client's line ---------------------------------------------------------------------------
 */

/* Letters as Redis has them; N for none. */
static void append_flags(buf *out, const client *c) {
    static const struct {
        unsigned flag;
        char letter;
    } letters[] = {
        {CLIENT_MONITOR, 'O'},        {CLIENT_PUBSUB, 'P'},   {CLIENT_MULTI, 'x'},
        {CLIENT_BLOCKED, 'b'},        {CLIENT_TRACKING, 't'}, {CLIENT_TRACKING_BROKEN, 'R'},
        {CLIENT_TRACKING_BCAST, 'B'}, {CLIENT_DIRTY, 'd'},    {CLIENT_CLOSE_AFTER_REPLY, 'c'},
        {CLIENT_CLOSE_ASAP, 'A'},     {CLIENT_UNIX, 'U'},     {CLIENT_NO_EVICT, 'e'},
        {CLIENT_NO_TOUCH, 'T'}};
    size_t before = out->len;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (c->flags & letters[i].flag) buf_append_char(out, letters[i].letter);
    if (out->len == before) buf_append_char(out, 'N');
}

/* What is not set is shown as nothing. */
static const char *text(const char *s) {
    return s ? s : "";
}

/* Of the command that runs now, which only the asking client has. */
static size_t argument_bytes(const client *c) {
    size_t n = 0;
    for (int i = 0; i < c->argc; i++)
        n += c->argv[i].len;
    return n;
}

/* One line; ends with a newline, as the last one in Redis does. */
void client_describe(buf *out, const client *c) {
    char local[NET_ADDR_MAX];
    int64_t now = ks_now(c->ks);
    slice user = identity_name(c);
    client_local_addr(c, local);
    buf_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=",
               (unsigned long long)c->id, c->peer, local, c->conn ? c->conn->fd : -1, text(c->name),
               (long long)((now - c->created_ms) / 1000),
               (long long)((now - c->last_active_ms) / 1000));
    append_flags(out, c);
    buf_printf(out, " db=%u sub=%u psub=%u ssub=%u multi=%d", c->db, c->channels, c->patterns,
               c->shard_channels, c->flags & CLIENT_MULTI ? (int)c->carried.commands : -1);
    buf_printf(out, " qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu", c->query.len,
               c->query.cap - c->query.len, argument_bytes(c), c->carried.bytes);
    buf_printf(out, " rbs=%zu rbp=%zu obl=%zu oll=%zu omem=%zu tot-mem=%zu", c->out.cap, c->out.len,
               c->out.len, c->output.pieces, c->output.piece_bytes, client_memory(c));
    buf_printf(out, " events=%s%s cmd=%s user=%.*s redir=%lld resp=%d lib-name=%s lib-ver=%s\n",
               c->events & REACTOR_READ ? "r" : "", c->events & REACTOR_WRITE ? "w" : "",
               c->row ? c->row->full_name : "NULL", (int)user.len, user.data,
               c->flags & CLIENT_TRACKING ? (long long)c->redirect : -1LL, c->proto,
               text(c->lib_name), text(c->lib_ver));
}

/* Plain text in RESP3; frees b. */
static command_result reply_text(client *c, buf *b) {
    resp_verbatim(&c->out, c->proto, buf_slice(b), "txt");
    buf_free(b);
    return CMD_DONE;
}

/* The line of the client itself. */
command_result client_info_command(client *c) {
    buf out = {0};
    client_describe(&out, c);
    return reply_text(c, &out);
}

/* ---- choosing ----------------------------------------------------------------------------------
 */

/* What TYPE filters compare. */
static enum client_type type_of(const client *c) {
    return c->flags & CLIENT_PUBSUB ? TYPE_PUBSUB : TYPE_NORMAL;
}

/* False after having replied that there is no such type. */
static bool parse_type(client *c, slice word, enum client_type *out) {
    static const struct {
        const char *name;
        enum client_type type;
    } types[] = {{"normal", TYPE_NORMAL},
                 {"slave", TYPE_REPLICA},
                 {"replica", TYPE_REPLICA},
                 {"pubsub", TYPE_PUBSUB},
                 {"master", TYPE_MASTER}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!slice_ieq(word, types[i].name)) continue;
        *out = types[i].type;
        return true;
    }
    (void)reply_error(c, "ERR Unknown client type '%.*s'", (int)word.len, word.data);
    return false;
}

/* The clients whose ids are argv[3] and on. */
static command_result list_by_id(client *c) {
    buf out = {0};
    for (int i = 3; i < c->argc; i++) {
        int64_t id;
        if (!num_parse_i64(c->argv[i], &id)) {
            buf_free(&out);
            return reply_error(c, "ERR Invalid client ID");
        }
        const client *other = id > 0 ? client_by_id(c->session, (uint64_t)id) : NULL;
        if (other) client_describe(&out, other);
    }
    return reply_text(c, &out);
}

/* All, or those of a type, or those named. */
command_result client_list_command(client *c) {
    enum client_type type = TYPE_ANY;
    if (c->argc > 3 && arg_is(c, 2, "ID")) return list_by_id(c);
    if (c->argc == 4 && arg_is(c, 2, "TYPE")) {
        if (!parse_type(c, c->argv[3], &type)) return CMD_REFUSED;
    } else if (c->argc != 2) {
        return reply_syntax_error(c);
    }
    buf out = {0};
    for (const client *o = NULL; (o = session_next_client(c->session, (client *)(uintptr_t)o));)
        if (type == TYPE_ANY || type_of(o) == type) client_describe(&out, o);
    return reply_text(c, &out);
}

/* ---- KILL --------------------------------------------------------------------------------------
 */

typedef struct kill_filter {
    uint64_t id; /* 0: any */
    slice addr, laddr, user;
    bool has_addr, has_laddr, has_user, skip_me;
    int64_t maxage; /* seconds: only those that are connected for longer; 0: any */
    enum client_type type;
} kill_filter;

/* A positive number; false after having replied with one of the errors. */
static bool parse_positive(client *c, slice value, const char *no_number, const char *too_small,
                           int64_t *out) {
    bool number = num_parse_i64(value, out);
    if (number && *out > 0) return true;
    (void)reply_error(c, "ERR %s", number ? too_small : no_number);
    return false;
}

/* One option and its value; false after having replied with the error. */
static bool parse_filter(client *c, int i, kill_filter *f) {
    slice value = c->argv[i + 1];
    if (arg_is(c, i, "ID")) {
        static const char error[] = "client-id should be greater than 0";
        int64_t id;
        if (!parse_positive(c, value, error, error, &id)) return false;
        f->id = (uint64_t)id;
    } else if (arg_is(c, i, "MAXAGE")) {
        return parse_positive(c, value, "maxage is not an integer or out of range",
                              "maxage should be greater than 0", &f->maxage);
    } else if (arg_is(c, i, "TYPE")) {
        return parse_type(c, value, &f->type);
    } else if (arg_is(c, i, "ADDR")) {
        f->addr = value;
        f->has_addr = true;
    } else if (arg_is(c, i, "LADDR")) {
        f->laddr = value;
        f->has_laddr = true;
    } else if (arg_is(c, i, "USER")) {
        f->user = value;
        f->has_user = true;
        if (identity_known(value)) return true;
        (void)reply_error(c, "ERR No such user '%.*s'", (int)value.len, value.data);
        return false;
    } else if (arg_is(c, i, "SKIPME") && (slice_ieq(value, "yes") || slice_ieq(value, "no"))) {
        f->skip_me = slice_ieq(value, "yes");
    } else {
        (void)reply_syntax_error(c);
        return false;
    }
    return true;
}

/* All that is given must fit. */
static bool matches(const client *c, const kill_filter *f) {
    if (f->id && c->id != f->id) return false;
    if (f->type != TYPE_ANY && type_of(c) != f->type) return false;
    if (f->has_user && !slice_eq(f->user, identity_name(c))) return false;
    if (f->maxage && (ks_now(c->ks) - c->created_ms) / 1000 < f->maxage) return false;
    if (f->has_addr && !slice_eq(f->addr, slice_cstr(c->peer))) return false;
    if (!f->has_laddr) return true;
    char local[NET_ADDR_MAX];
    client_local_addr(c, local);
    return slice_eq(f->laddr, slice_cstr(local));
}

/* Ends all that match, itself last, when it has its reply; returns how many. */
static int64_t kill_matching(client *c, const kill_filter *f) {
    int64_t killed = 0;
    for (client *o = NULL; (o = session_next_client(c->session, o)) != NULL;) {
        if ((o == c && f->skip_me) || (o->flags & CLIENT_CLOSE_ASAP) || !matches(o, f)) continue;
        if (o == c)
            client_close_after_reply(c);
        else
            client_close_soon(o);
        killed++;
    }
    return killed;
}

/* The old form, with an address alone, also kills the asker. */
command_result client_kill_command(client *c) {
    kill_filter f = {.type = TYPE_ANY, .skip_me = c->argc > 3};
    if (c->argc == 3) { /* CLIENT KILL addr:port */
        f.addr = c->argv[2];
        f.has_addr = true;
        if (!kill_matching(c, &f)) return reply_error(c, "ERR No such client");
        reply_ok(c);
        return CMD_DONE;
    }
    for (int i = 2; i < c->argc; i += 2) {
        if (i + 1 == c->argc) return reply_syntax_error(c);
        if (!parse_filter(c, i, &f)) return CMD_REFUSED;
    }
    reply_int(c, kill_matching(c, &f));
    return CMD_DONE;
}
